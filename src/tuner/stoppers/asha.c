/* tuner: asynchronous successive halving (Li et al., "A System for Massively Parallel
 * Hyperparameter Tuning", 2018), in the stopping form that Ray Tune uses: nobody waits.
 * Bracket b has its rungs at grace * reduction^(b + k) steps, k = 0, 1, …, below max_steps. A trial
 * at a rung goes on if its value is among the best max(1, floor(n / reduction)) of the n values
 * recorded there so far, its own included; a tie with the last of these goes on too. That is
 * Optuna's rule (SuccessiveHalvingPruner): the first trial at a rung goes on, the second only if it
 * is not worse. (Ray interpolates a percentile of the values before.) NAN never goes on and is
 * recorded as the worst. Trials are allotted to brackets as in Ray, by a softmax over the numbers
 * of rungs, but drawn by (seed, trial number), so that a resumed run allots the same.
 * Memory: 8 bytes per result. Thread: the tuner's. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdio.h>

enum { RUNGS_MAX = 63, BRACKETS_MAX = 32 };
typedef struct asha_state {
    int64_t reduction;
    uint64_t seed;
    int rungs, brackets;         /* rungs of bracket 0; bracket b has rungs - b */
    int64_t steps[RUNGS_MAX];    /* grace * reduction^k */
    double shares[BRACKETS_MAX]; /* cumulative: a trial that draws less than shares[b] is in b */
    rlt_split *splits;           /* [brackets][rungs]: what was recorded */
} asha_state;

static void fill_rungs(asha_state *at, int64_t grace, int64_t max_steps) {
    for (int64_t step = grace; step < max_steps && at->rungs < RUNGS_MAX;) {
        at->steps[at->rungs++] = step;
        if (__builtin_mul_overflow(step, at->reduction, &step)) {
            break;
        }
    }
}

static void fill_shares(asha_state *at) {
    double sum = 0;
    for (int b = 0; b < at->brackets; b++) {
        sum += exp(-b); /* exp(rungs - b) without its common factor */
        at->shares[b] = sum;
    }
    for (int b = 0; b < at->brackets; b++) {
        at->shares[b] /= sum;
    }
}

static rlt_status asha_init(void *state, const rlt_tune_fields *config, int64_t max_steps,
                            rlt_err *err) {
    asha_state *at = state;
    int64_t grace = config->asha.grace;
    if (config->asha.max_steps > 0) {
        max_steps = config->asha.max_steps;
    }
    if (grace < 1 || config->asha.reduction < 2 || config->asha.brackets < 1) {
        return rlt_fail(
            err, RLT_ECONFIG,
            "tune.stopper: asha needs grace >= 1, reduction >= 2 and brackets >= 1, got "
            "%lld, %lld and %lld",
            (long long)grace, (long long)config->asha.reduction, (long long)config->asha.brackets);
    }
    at->reduction = config->asha.reduction;
    at->seed = (uint64_t)config->seed;
    fill_rungs(at, grace, max_steps);
    if (at->rungs == 0) {
        return rlt_fail(
            err, RLT_ECONFIG,
            "tune.stopper: asha's grace is %lld steps, but trials end at %lld: no trial "
            "would ever be judged; make grace smaller",
            (long long)grace, (long long)max_steps);
    }
    int most = at->rungs < BRACKETS_MAX ? at->rungs : BRACKETS_MAX;
    if (config->asha.brackets > most) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: asha has %lld brackets, but grace %lld and reduction %lld "
                        "leave room for %d below %lld steps",
                        (long long)config->asha.brackets, (long long)grace,
                        (long long)at->reduction, most, (long long)max_steps);
    }
    at->brackets = (int)config->asha.brackets;
    fill_shares(at);
    at->splits = rlt_alloc(sizeof(rlt_split) * (size_t)(at->brackets * at->rungs));
    return RLT_OK;
}

static void asha_fini(void *state) {
    asha_state *at = state;
    for (int i = 0; at->splits != NULL && i < at->brackets * at->rungs; i++) {
        rlt_split_fini(&at->splits[i]);
    }
    rlt_free(at->splits);
    at->splits = NULL;
}

static int asha_bracket(const void *state, int64_t number) {
    const asha_state *at = state;
    if (at->brackets == 1) {
        return 0;
    }
    double draw = rlt_tuner_draw(at->seed, number, "$asha.bracket");
    int b = 0;
    while (b < at->brackets - 1 && draw >= at->shares[b]) {
        b++;
    }
    return b;
}

static int64_t asha_index(const void *state, int64_t number, int64_t step) {
    const asha_state *at = state;
    int reached = 0;
    while (reached < at->rungs && at->steps[reached] <= step) {
        reached++;
    }
    int64_t index = reached - 1 - asha_bracket(state, number);
    return index < -1 ? -1 : index;
}

static int64_t asha_step(const void *state, int64_t number, int64_t index) {
    const asha_state *at = state;
    int64_t rung = index + asha_bracket(state, number);
    return rung < at->rungs ? at->steps[rung] : INT64_MAX;
}

static void asha_judge(void *state, const rlt_stopper_report *report, rlt_verdict *verdict) {
    asha_state *at = state;
    int64_t rung = asha_bracket(state, report->number) * (int64_t)at->rungs + report->index;
    rlt_split *split = &at->splits[rung];
    int64_t count = rlt_split_count(split) + 1;
    int64_t best = count / at->reduction > 1 ? count / at->reduction : 1;
    rlt_split_add(split, isnan(report->key) ? -INFINITY : report->key, best);
    double least = rlt_split_high_min(split);
    verdict->judged = report->key;
    verdict->compared = (int32_t)count;
    verdict->threshold = count > 1 ? least : NAN;
    verdict->action = report->key >= least ? RLT_ACTION_CONTINUE : RLT_ACTION_STOP;
}

static void asha_explain(const void *state, const rlt_decision *decision, bool maximise, char *text,
                         size_t size) {
    const asha_state *at = state;
    bool stop = decision->action == RLT_ACTION_STOP;
    const char *where = !stop ? "within" : maximise ? "below" : "above";
    snprintf(text, size, "at %lld steps %.6g is %s the %s 1/%lld of %d results (%s %.6g)",
             (long long)decision->step, decision->value, where, maximise ? "top" : "lowest",
             (long long)at->reduction, decision->compared, stop ? "needs" : "cut at",
             decision->threshold);
}

const rlt_stopper_def rlt_stopper_asha = {
    .state_size = sizeof(asha_state),
    .init = asha_init,
    .fini = asha_fini,
    .index = asha_index,
    .step = asha_step,
    .judge = asha_judge,
    .bracket = asha_bracket,
    .explain = asha_explain,
};
