/* tuner: the percentile rule, and the median rule (Golovin et al., "Google Vizier", 2017) as its
 * case of 50, exactly as Optuna's PercentilePruner and MedianPruner have them: at a milestone a
 * trial stops if its best value so far is worse than the percentile of the values that completed
 * trials had at that milestone, unless fewer than startup_trials have completed, or fewer than
 * min_trials of these have a value there. Percentile 25: those within the best quarter go on.
 * Milestones: grace, grace + interval, … (n_warmup_steps, interval_steps). As trials report at
 * steps of their own, the value at a milestone is that of the first report at or after it. Between
 * two values the percentile is interpolated linearly (numpy.nanpercentile); NAN of a completed
 * trial is not counted; a trial that has reported NAN only stops.
 * Memory: 8 bytes per completed trial and milestone. Thread: the tuner's. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdio.h>

typedef struct percentile_state {
    rlt_milestones milestones;
    int64_t startup_trials, min_trials, completed;
    double percentile;
    rlt_split *splits; /* [milestone]: values of completed trials */
    int64_t count, capacity;
} percentile_state;

static rlt_status init(percentile_state *at, const char *name, double percentile,
                       const rlt_stopper_setup *setup, rlt_err *err) {
    const rlt_tune_fields *config = setup->config;
    at->startup_trials = config->percentile.startup_trials;
    at->min_trials = config->percentile.min_trials;
    at->percentile = percentile;
    if (at->min_trials < 1 || at->startup_trials < 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: %s needs min_trials >= 1 and startup_trials >= 0, got %lld "
                        "and %lld",
                        name, (long long)at->min_trials, (long long)at->startup_trials);
    }
    if (!(percentile >= 0 && percentile <= 100)) {
        return rlt_fail(err, RLT_ECONFIG, "tune.stopper: %s needs a percentile of 0 to 100, got %g",
                        name, percentile);
    }
    return rlt_milestones_init(&at->milestones, name, setup, err);
}

static rlt_status percentile_init(void *state, const rlt_stopper_setup *setup, rlt_err *err) {
    return init(state, "percentile", setup->config->percentile.percentile, setup, err);
}

static rlt_status median_init(void *state, const rlt_stopper_setup *setup, rlt_err *err) {
    return init(state, "median", 50, setup, err);
}

static void percentile_fini(void *state) {
    percentile_state *at = state;
    for (int64_t i = 0; i < at->count; i++) {
        rlt_split_fini(&at->splits[i]);
    }
    rlt_free(at->splits);
    at->splits = NULL;
    at->count = 0;
}

static int64_t percentile_index(const void *state, int64_t number, int64_t step) {
    (void)number;
    return rlt_milestones_index(&((const percentile_state *)state)->milestones, step);
}

static int64_t percentile_step(const void *state, int64_t number, int64_t index) {
    (void)number;
    return rlt_milestones_step(&((const percentile_state *)state)->milestones, index);
}

/* Where the percentile lies among n keys in ascending order, from 0. */
static double place_of(const percentile_state *at, int64_t n) {
    return (double)(n - 1) * (100 - at->percentile) / 100;
}

/* Of n keys those above the place; at least one, so that the split may hold them. */
static int64_t high_count(const percentile_state *at, int64_t n) {
    int64_t above = n - 1 - (int64_t)floor(place_of(at, n));
    return above > 1 ? above : 1;
}

static double cutoff(const percentile_state *at, const rlt_split *split) {
    double place = place_of(at, rlt_split_count(split)), part = place - floor(place);
    double high = rlt_split_high_min(split);
    if (rlt_split_count(split) == 1 || floor(place) + 1 >= (double)rlt_split_count(split)) {
        return high;
    }
    double low = rlt_split_low_max(split);
    if (low == high || part == 0) {
        return low; /* both may be the same infinity */
    }
    if (isinf(low) || isinf(high)) {
        return low + high;
    }
    return part < 0.5 ? low + (high - low) * part : high - (high - low) * (1 - part);
}

static void percentile_judge(void *state, const rlt_stopper_report *report, rlt_verdict *verdict) {
    const percentile_state *at = state;
    const rlt_split *split = report->index < at->count ? &at->splits[report->index] : NULL;
    int64_t compared = split != NULL ? rlt_split_count(split) : 0;
    bool enough = compared >= at->min_trials && at->completed >= at->startup_trials;
    verdict->judged = report->best;
    verdict->compared = (int32_t)compared;
    verdict->threshold = enough ? cutoff(at, split) : NAN;
    bool worse = isnan(report->best) || report->best < verdict->threshold;
    verdict->action = worse ? RLT_ACTION_STOP : RLT_ACTION_CONTINUE;
}

/* A milestone's key is the trial's own value there, for the others to be compared with. */
static void percentile_ended(void *state, const rlt_stopper_end *end) {
    percentile_state *at = state;
    if (end->state != RLT_TRIAL_COMPLETED) {
        return;
    }
    at->completed++;
    int64_t last = end->count > 0 ? end->verdicts[end->count - 1].index : -1;
    at->splits = rlt_tuner_grow(at->splits, &at->capacity, last + 1, sizeof(rlt_split));
    at->count = last + 1 > at->count ? last + 1 : at->count;
    for (int64_t i = 0; i < end->count; i++) {
        rlt_split *split = &at->splits[end->verdicts[i].index];
        if (!isnan(end->verdicts[i].key)) {
            rlt_split_add(split, end->verdicts[i].key, high_count(at, rlt_split_count(split) + 1));
        }
    }
}

static void percentile_explain(const void *state, const rlt_decision *decision, const char *metric,
                               bool maximise, char *text, size_t size) {
    const percentile_state *at = state;
    const char *relation = decision->action != RLT_ACTION_STOP ? "is not worse than"
                           : maximise                          ? "is below"
                                                               : "is above";
    char what[48];
    if (at->percentile == 50) {
        snprintf(what, sizeof what, "the median");
    } else {
        snprintf(what, sizeof what, "the cutoff of the best %g %%", at->percentile);
    }
    snprintf(text, size, "the best so far of %.60s, %.6g, %s %.6g, %s of %d completed trials",
             metric, decision->value, relation, decision->threshold, what, decision->compared);
}

const rlt_stopper_def rlt_stopper_percentile = {
    .state_size = sizeof(percentile_state),
    .init = percentile_init,
    .fini = percentile_fini,
    .index = percentile_index,
    .step = percentile_step,
    .judge = percentile_judge,
    .ended = percentile_ended,
    .explain = percentile_explain,
};
const rlt_stopper_def rlt_stopper_median = {
    .state_size = sizeof(percentile_state),
    .init = median_init,
    .fini = percentile_fini,
    .index = percentile_index,
    .step = percentile_step,
    .judge = percentile_judge,
    .ended = percentile_ended,
    .explain = percentile_explain,
};
