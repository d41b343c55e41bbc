/* tuner: asynchronous successive halving (Li et al., "A System for Massively Parallel
 * Hyperparameter Tuning", 2018), in the stopping form that Ray Tune uses: nobody waits.
 * Bracket b has its rungs at grace * reduction^(b + k) steps, k = 0, 1, …, below max_steps. A trial
 * at a rung goes on if its value is among the best max(1, floor(n / reduction)) of the n values
 * recorded there so far, its own included; a tie with the last of these goes on too. That is
 * Optuna's rule (SuccessiveHalvingPruner): the first trial at a rung goes on, the second only if it
 * is not worse; with bootstrap_count nobody goes on until more than so many values are there. (Ray
 * interpolates a percentile of the values before.) NAN never goes on and is recorded as the worst.
 * Trials are allotted to brackets as in Ray, by a softmax over the numbers of rungs, but drawn by
 * (seed, trial number), so that a resumed run allots the same.
 * Memory: 8 bytes per result. Thread: the tuner's. */
#include "tuner/stoppers/asha.h"

#include <math.h>
#include <stdio.h>

typedef struct asha_state {
    rlt_asha asha;
    uint64_t seed;
    double shares[RLT_ASHA_BRACKETS_MAX]; /* cumulative: who draws less than shares[b] is in b */
} asha_state;

/* ---- shared ---- */

void rlt_asha_rungs(rlt_asha *at, int64_t grace, int64_t reduction, int64_t max_steps) {
    at->reduction = reduction;
    for (int64_t step = grace; step < max_steps && at->rungs < RLT_ASHA_RUNGS_MAX;) {
        at->steps[at->rungs++] = step;
        if (__builtin_mul_overflow(step, reduction, &step)) {
            break;
        }
    }
}

void rlt_asha_brackets(rlt_asha *at, int brackets) {
    at->brackets = brackets;
    at->splits = rlt_alloc(sizeof(rlt_split) * (size_t)(brackets * at->rungs));
}

void rlt_asha_fini(rlt_asha *at) {
    for (int i = 0; at->splits != NULL && i < at->brackets * at->rungs; i++) {
        rlt_split_fini(&at->splits[i]);
    }
    rlt_free(at->splits);
    at->splits = NULL;
}

int64_t rlt_asha_index(const rlt_asha *at, int bracket, int64_t step) {
    int reached = 0;
    while (reached < at->rungs && at->steps[reached] <= step) {
        reached++;
    }
    int64_t index = reached - 1 - bracket;
    return index < -1 ? -1 : index;
}

int64_t rlt_asha_step(const rlt_asha *at, int bracket, int64_t index) {
    int64_t rung = index + bracket;
    return rung < at->rungs ? at->steps[rung] : INT64_MAX;
}

void rlt_asha_judge(rlt_asha *at, int bracket, const rlt_stopper_report *report,
                    rlt_verdict *verdict) {
    rlt_split *split = &at->splits[bracket * (int64_t)at->rungs + report->index];
    int64_t count = rlt_split_count(split) + 1;
    int64_t best = count / at->reduction > 1 ? count / at->reduction : 1;
    rlt_split_add(split, isnan(report->key) ? -INFINITY : report->key, best);
    double least = rlt_split_high_min(split);
    verdict->judged = report->key;
    verdict->compared = (int32_t)count;
    verdict->numbers[0] = (double)best;
    bool goes_on = report->key >= least && count > at->bootstrap;
    bool refused = !goes_on && !isnan(report->key);
    verdict->threshold = count > 1 || refused ? least : NAN;
    verdict->action = goes_on ? RLT_ACTION_CONTINUE : RLT_ACTION_STOP;
}

void rlt_asha_explain(const rlt_asha *at, const rlt_decision *decision, const char *metric,
                      bool maximise, char *text, size_t size) {
    bool stop = decision->action == RLT_ACTION_STOP;
    const char *where = stop == maximise ? (stop ? "below" : "at or below")
                        : stop           ? "above"
                                         : "at or above";
    if (stop && decision->compared <= at->bootstrap) {
        snprintf(text, size,
                 "%.60s %.6g is among the first %d results of rung %d, and none of the first %lld "
                 "goes on (bootstrap_count)",
                 metric, decision->value, decision->compared, decision->rung,
                 (long long)at->bootstrap);
        return;
    }
    snprintf(text, size,
             "%.60s %.6g is %s %.6g, the cutoff of the best 1/%lld of %d trials at "
             "rung %d",
             metric, decision->value, where, decision->threshold, (long long)at->reduction,
             decision->compared, decision->rung);
}

/* ---- asha ---- */

static void fill_shares(asha_state *at) {
    double sum = 0;
    for (int b = 0; b < at->asha.brackets; b++) {
        sum += exp(-b); /* exp(rungs - b) without its common factor */
        at->shares[b] = sum;
    }
    for (int b = 0; b < at->asha.brackets; b++) {
        at->shares[b] /= sum;
    }
}

static rlt_status check(const rlt_tune_fields *config, rlt_err *err) {
    if (config->asha.grace < 1 || config->asha.reduction < 2 || config->asha.brackets < 1 ||
        config->asha.bootstrap_count < 0 || config->asha.early_stopping_rate < 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: asha needs grace >= 1, reduction >= 2 and brackets >= 1, "
                        "got %lld, %lld and %lld",
                        (long long)config->asha.grace, (long long)config->asha.reduction,
                        (long long)config->asha.brackets);
    }
    return RLT_OK;
}

static rlt_status asha_init(void *state, const rlt_stopper_setup *setup, rlt_err *err) {
    asha_state *at = state;
    const rlt_tune_fields *config = setup->config;
    RLT_TRY(check(config, err));
    int64_t reduction = config->asha.reduction, grace = config->asha.grace;
    int64_t max_steps = config->asha.max_steps > 0 ? config->asha.max_steps : setup->max_steps;
    for (int64_t i = 0; i < config->asha.early_stopping_rate && grace < max_steps; i++) {
        grace = grace > INT64_MAX / reduction ? INT64_MAX : grace * reduction;
    }
    char a[RLT_AMOUNT_TEXT], b[RLT_AMOUNT_TEXT];
    at->seed = (uint64_t)config->seed;
    at->asha.bootstrap = config->asha.bootstrap_count;
    rlt_asha_rungs(&at->asha, grace, reduction, max_steps);
    if (at->asha.rungs == 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: asha's grace is %s, but trials end at %s: no trial would "
                        "ever be judged; "
                        "make grace smaller",
                        rlt_amount_text(config->timed, grace, a),
                        rlt_amount_text(config->timed, max_steps, b));
    }
    int most = at->asha.rungs < RLT_ASHA_BRACKETS_MAX ? at->asha.rungs : RLT_ASHA_BRACKETS_MAX;
    if (config->asha.brackets > most) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: asha has %lld brackets, but a grace of %s and reduction "
                        "%lld leave room for %d below %s",
                        (long long)config->asha.brackets, rlt_amount_text(config->timed, grace, a),
                        (long long)reduction, most, rlt_amount_text(config->timed, max_steps, b));
    }
    rlt_asha_brackets(&at->asha, (int)config->asha.brackets);
    fill_shares(at);
    return RLT_OK;
}

static void asha_fini(void *state) {
    rlt_asha_fini(&((asha_state *)state)->asha);
}

static int asha_bracket(const void *state, int64_t number) {
    const asha_state *at = state;
    if (at->asha.brackets == 1) {
        return 0;
    }
    double draw = rlt_tuner_draw(at->seed, number, "$asha.bracket");
    int b = 0;
    while (b < at->asha.brackets - 1 && draw >= at->shares[b]) {
        b++;
    }
    return b;
}

static int64_t asha_index(const void *state, int64_t number, int64_t step) {
    return rlt_asha_index(&((const asha_state *)state)->asha, asha_bracket(state, number), step);
}

static int64_t asha_step(const void *state, int64_t number, int64_t index) {
    return rlt_asha_step(&((const asha_state *)state)->asha, asha_bracket(state, number), index);
}

static void asha_judge(void *state, const rlt_stopper_report *report, rlt_verdict *verdict) {
    rlt_asha_judge(&((asha_state *)state)->asha, asha_bracket(state, report->number), report,
                   verdict);
}

static void asha_explain(const void *state, const rlt_decision *decision, const char *metric,
                         bool maximise, char *text, size_t size) {
    rlt_asha_explain(&((const asha_state *)state)->asha, decision, metric, maximise, text, size);
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
    .names = {"kept"},
};
