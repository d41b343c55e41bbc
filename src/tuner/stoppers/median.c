/* tuner: the median rule (Golovin et al., "Google Vizier", 2017), exactly as Optuna's MedianPruner
 * has it: at a milestone a trial stops if its best value so far is worse than the median of the
 * values that completed trials had at that milestone, unless fewer than min_trials of these have
 * one (Optuna's n_min_trials). Milestones: grace, grace + interval, … (n_warmup_steps,
 * interval_steps). As trials report at steps of their own, the value at a milestone is that of the
 * first report at or after it. The median of an even number is the mean of the middle two; NAN of a
 * completed trial is not counted; a trial that has reported NAN only stops.
 * Memory: 8 bytes per completed trial and milestone. Thread: the tuner's. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdio.h>

enum { MILESTONES_MAX = 100000 };
typedef struct median_state {
    int64_t grace, interval, min_trials, milestones;
    rlt_split *splits; /* [milestone]: values of completed trials */
    int64_t count, capacity;
} median_state;

static rlt_status median_init(void *state, const rlt_tune_fields *config, int64_t max_steps,
                              rlt_err *err) {
    median_state *at = state;
    at->grace = config->median.grace;
    at->interval = config->median.interval;
    at->min_trials = config->median.min_trials;
    if (at->grace < 0 || at->interval < 1 || at->min_trials < 1) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: median needs grace >= 0, interval >= 1 and min_trials >= 1, "
                        "got %lld, %lld and %lld",
                        (long long)at->grace, (long long)at->interval, (long long)at->min_trials);
    }
    if (at->grace >= max_steps) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: median's grace is %lld steps, but trials end at %lld: no "
                        "trial would ever be judged; make grace smaller",
                        (long long)at->grace, (long long)max_steps);
    }
    at->milestones = (max_steps - 1 - at->grace) / at->interval + 1;
    if (at->milestones > MILESTONES_MAX && max_steps < INT64_MAX) {
        return rlt_fail(
            err, RLT_ECONFIG,
            "tune.stopper: median's interval of %lld steps gives %lld milestones in %lld "
            "steps; allowed: %d; make interval larger",
            (long long)at->interval, (long long)at->milestones, (long long)max_steps,
            MILESTONES_MAX);
    }
    at->milestones = at->milestones < MILESTONES_MAX ? at->milestones : MILESTONES_MAX;
    return RLT_OK;
}

static void median_fini(void *state) {
    median_state *at = state;
    for (int64_t i = 0; i < at->count; i++) {
        rlt_split_fini(&at->splits[i]);
    }
    rlt_free(at->splits);
    at->splits = NULL;
    at->count = 0;
}

static int64_t median_index(const void *state, int64_t number, int64_t step) {
    (void)number;
    const median_state *at = state;
    int64_t index = step < at->grace ? -1 : (step - at->grace) / at->interval;
    return index < at->milestones ? index : at->milestones - 1;
}

static int64_t median_step(const void *state, int64_t number, int64_t index) {
    (void)number;
    const median_state *at = state;
    return index < at->milestones ? at->grace + at->interval * index : INT64_MAX;
}

static double median_of(const rlt_split *split) {
    double high = rlt_split_high_min(split);
    if (split->high.count > split->low.count) {
        return high;
    }
    double low = rlt_split_low_max(split);
    return low == high ? low : low + (high - low) * 0.5; /* both may be the same infinity */
}

static void median_judge(void *state, const rlt_stopper_report *report, rlt_verdict *verdict) {
    const median_state *at = state;
    int64_t compared = report->index < at->count ? rlt_split_count(&at->splits[report->index]) : 0;
    verdict->judged = report->best;
    verdict->compared = (int32_t)compared;
    verdict->threshold = compared < at->min_trials ? NAN : median_of(&at->splits[report->index]);
    bool worse = isnan(report->best) || report->best < verdict->threshold;
    verdict->action = worse ? RLT_ACTION_STOP : RLT_ACTION_CONTINUE;
}

/* A milestone's key is the trial's own value there, for the others to be compared with. */
static void median_ended(void *state, rlt_trial_state end, const rlt_verdict *verdicts,
                         int64_t count) {
    median_state *at = state;
    if (end != RLT_TRIAL_COMPLETED || count == 0) {
        return;
    }
    int64_t last = verdicts[count - 1].index;
    at->splits = rlt_tuner_grow(at->splits, &at->capacity, last + 1, sizeof(rlt_split));
    at->count = last + 1 > at->count ? last + 1 : at->count;
    for (int64_t i = 0; i < count; i++) {
        rlt_split *split = &at->splits[verdicts[i].index];
        if (!isnan(verdicts[i].key)) {
            rlt_split_add(split, verdicts[i].key, (rlt_split_count(split) + 2) / 2);
        }
    }
}

static void median_explain(const void *state, const rlt_decision *decision, bool maximise,
                           char *text, size_t size) {
    (void)state;
    bool stop = decision->action == RLT_ACTION_STOP;
    const char *relation = !stop ? "not worse than" : maximise ? "below" : "above";
    snprintf(text, size,
             "at %lld steps the best so far, %.6g, is %s %.6g, the median of %d completed trials",
             (long long)decision->step, decision->value, relation, decision->threshold,
             decision->compared);
}

const rlt_stopper_def rlt_stopper_median = {
    .state_size = sizeof(median_state),
    .init = median_init,
    .fini = median_fini,
    .index = median_index,
    .step = median_step,
    .judge = median_judge,
    .ended = median_ended,
    .explain = median_explain,
};
