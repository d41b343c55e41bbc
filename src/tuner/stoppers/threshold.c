/* tuner: bounds on the metric, as Optuna's ThresholdPruner has them: a trial whose newest result is
 * below `lower`, above `upper` or not a number stops, whatever the mode. Checked at the first
 * report at or after grace, grace + interval, … (n_warmup_steps, interval_steps). Thread: the
 * tuner's. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdio.h>

typedef struct threshold_state {
    rlt_milestones milestones;
    double lower, upper; /* NAN: none */
    bool maximise;
} threshold_state;

static rlt_status threshold_init(void *state, const rlt_stopper_setup *setup, rlt_err *err) {
    threshold_state *at = state;
    at->lower = setup->config->threshold.lower;
    at->upper = setup->config->threshold.upper;
    at->maximise = setup->config->maximise;
    if (isnan(at->lower) && isnan(at->upper)) {
        return rlt_fail(err, RLT_ECONFIG, "tune.stopper: threshold needs lower, upper or both");
    }
    if (at->lower > at->upper) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: threshold's lower bound, %g, is above its upper one, %g",
                        at->lower, at->upper);
    }
    return rlt_milestones_init(&at->milestones, "threshold", setup, err);
}

static int64_t threshold_index(const void *state, int64_t number, int64_t step) {
    (void)number;
    return rlt_milestones_index(&((const threshold_state *)state)->milestones, step);
}

static int64_t threshold_step(const void *state, int64_t number, int64_t index) {
    (void)number;
    return rlt_milestones_step(&((const threshold_state *)state)->milestones, index);
}

/* The bound that the value has passed, or else the nearer one. */
static double bound_for(const threshold_state *at, double value) {
    if (isnan(at->upper) || value - at->lower < at->upper - value) {
        return at->lower;
    }
    return at->upper;
}

static void threshold_judge(void *state, const rlt_stopper_report *report, rlt_verdict *verdict) {
    const threshold_state *at = state;
    double value = at->maximise ? report->key : -report->key;
    bool out = isnan(value) || value < at->lower || value > at->upper;
    double bound = isnan(at->lower) ? at->upper : bound_for(at, value);
    verdict->judged = report->key;
    verdict->threshold = at->maximise ? bound : -bound;
    verdict->numbers[0] = at->lower;
    verdict->numbers[1] = at->upper;
    verdict->action = out ? RLT_ACTION_STOP : RLT_ACTION_CONTINUE;
}

static void threshold_explain(const void *state, const rlt_decision *decision, const char *metric,
                              bool maximise, char *text, size_t size) {
    (void)state, (void)maximise;
    bool lower = decision->threshold == decision->numbers[0];
    bool stop = decision->action == RLT_ACTION_STOP;
    snprintf(text, size, "%.60s %.6g is %s %.6g, the %s bound", metric, decision->value,
             stop == lower ? (stop ? "below" : "not above") : (stop ? "above" : "not below"),
             decision->threshold, lower ? "lower" : "upper");
}

const rlt_stopper_def rlt_stopper_threshold = {
    .state_size = sizeof(threshold_state),
    .init = threshold_init,
    .index = threshold_index,
    .step = threshold_step,
    .judge = threshold_judge,
    .explain = threshold_explain,
    .names = {"lower", "upper"},
};
