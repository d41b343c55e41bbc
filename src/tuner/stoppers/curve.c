/* tuner: a trial stops when its learning curve, extrapolated to the end of a whole trial, is
 * unlikely to pass the best final value that a completed trial has: when P(final > best) <
 * threshold, the termination criterion of Domhan et al. 2015, with their threshold of 0.05. The
 * model is in extrapolate.c. Nothing is stopped before min_results results of the trial, one a
 * milestone, and before a trial has completed; results that are not finite are left out.
 * A curve that is flat so far keeps some probability, from shapes that rise late; it falls below
 * 0.05 after about a third of the trial. Where trials learn late, take a lower threshold or a
 * longer grace.
 * Memory: none beyond the trial's results. Thread: the tuner's. */
#include "tuner/stoppers/extrapolate.h"
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdio.h>

typedef struct curve_state {
    rlt_milestones milestones;
    double threshold, end;
    int64_t min_results;
    bool maximise;
    double best;    /* final key of a completed trial; NAN: none */
    double *points; /* [2, room]: steps, keys */
    int64_t room;
} curve_state;

static rlt_status curve_init(void *state, const rlt_stopper_setup *setup, rlt_err *err) {
    curve_state *at = state;
    at->threshold = setup->config->curve.threshold;
    at->min_results = setup->config->curve.min_results;
    at->maximise = setup->config->maximise;
    at->end = (double)setup->max_steps;
    at->best = NAN;
    if (!(at->threshold > 0 && at->threshold < 1) || at->min_results < 2) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: curve needs a threshold between 0 and 1 and min_results >= "
                        "2, got %g and %lld",
                        at->threshold, (long long)at->min_results);
    }
    if (setup->max_steps == INT64_MAX) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: curve needs trials that end at stop.steps");
    }
    return rlt_milestones_init(&at->milestones, "curve", setup, err);
}

static void curve_fini(void *state) {
    curve_state *at = state;
    rlt_free(at->points);
    at->points = NULL;
}

static int64_t curve_index(const void *state, int64_t number, int64_t step) {
    (void)number;
    return rlt_milestones_index(&((const curve_state *)state)->milestones, step);
}

static int64_t curve_step(const void *state, int64_t number, int64_t index) {
    (void)number;
    return rlt_milestones_step(&((const curve_state *)state)->milestones, index);
}

static int64_t add_point(const curve_state *at, double *x, double *y, int64_t count, int64_t step,
                         double key) {
    if (isfinite(key) && step > 0 && (double)step < at->end) {
        x[count] = (double)step;
        y[count++] = key;
    }
    return count;
}

static void curve_judge(void *state, const rlt_stopper_report *report, rlt_verdict *verdict) {
    curve_state *at = state;
    int64_t most = report->earlier_count + 1, count = 0;
    at->points = rlt_tuner_grow(at->points, &at->room, 2 * most, sizeof(double));
    double *x = at->points, *y = at->points + most;
    for (int64_t i = 0; i < report->earlier_count; i++) {
        count = add_point(at, x, y, count, report->earlier[i].step, report->earlier[i].key);
    }
    count = add_point(at, x, y, count, verdict->step, report->key);
    verdict->judged = report->key;
    verdict->compared = (int32_t)count;
    verdict->action = isnan(report->key) ? RLT_ACTION_STOP : RLT_ACTION_CONTINUE;
    if (isnan(report->key) || count < at->min_results || !isfinite(at->best)) {
        return;
    }
    rlt_forecast forecast = rlt_extrapolate(x, y, count, at->end, at->best);
    verdict->threshold = at->best;
    verdict->numbers[0] = forecast.probability;
    verdict->numbers[1] = at->maximise ? forecast.expected : -forecast.expected;
    if (forecast.probability < at->threshold) {
        verdict->action = RLT_ACTION_STOP;
    }
}

static void curve_ended(void *state, const rlt_stopper_end *end) {
    curve_state *at = state;
    if (end->state == RLT_TRIAL_COMPLETED) {
        at->best = fmax(at->best, end->key); /* ignores NAN */
    }
}

static void curve_explain(const void *state, const rlt_decision *decision, const char *metric,
                          bool maximise, char *text, size_t size) {
    const curve_state *at = state;
    bool stop = decision->action == RLT_ACTION_STOP;
    snprintf(text, size,
             "%.60s, now %.6g, is expected to end at %.6g by its %d results; that it ends %s %.6g, "
             "the best final one, has probability %.3g, %s %.3g",
             metric, decision->value, decision->numbers[1], decision->compared,
             maximise ? "above" : "below", decision->threshold, decision->numbers[0],
             stop ? "less than" : "not less than", at->threshold);
}

const rlt_stopper_def rlt_stopper_curve = {
    .state_size = sizeof(curve_state),
    .init = curve_init,
    .fini = curve_fini,
    .index = curve_index,
    .step = curve_step,
    .judge = curve_judge,
    .ended = curve_ended,
    .explain = curve_explain,
    .names = {"probability", "expected"},
};
