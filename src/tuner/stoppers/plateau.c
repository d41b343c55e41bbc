/* tuner: a trial that moves no more stops, as Ray Tune's TrialPlateauStopper has it: once it has
 * reported grace_period results, when the standard deviation (of the population) of its newest
 * num_results ones is less than std. With metric_threshold only if the newest one is at least that
 * good: what has settled at a bad value may still get away. Results are those at the milestones,
 * one every `interval` steps; one that is not a number keeps the trial going.
 * Thread: the tuner's. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdio.h>

typedef struct plateau_state {
    rlt_milestones milestones;
    double std, threshold; /* threshold: a key; NAN: none */
    int64_t num_results, grace_period;
} plateau_state;

static rlt_status plateau_init(void *state, const rlt_stopper_setup *setup, rlt_err *err) {
    plateau_state *at = state;
    const rlt_tune_fields *config = setup->config;
    double threshold = config->plateau.metric_threshold;
    at->std = config->plateau.std;
    at->num_results = config->plateau.num_results;
    at->grace_period = config->plateau.grace_period;
    at->threshold = config->maximise ? threshold : -threshold;
    if (!(at->std > 0) || at->num_results < 1 || at->grace_period < 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: plateau needs std > 0, num_results >= 1 and grace_period >= "
                        "0, got %g, %lld and %lld",
                        at->std, (long long)at->num_results, (long long)at->grace_period);
    }
    return rlt_milestones_init(&at->milestones, "plateau", setup, err);
}

static int64_t plateau_index(const void *state, int64_t number, int64_t step) {
    (void)number;
    return rlt_milestones_index(&((const plateau_state *)state)->milestones, step);
}

static int64_t plateau_step(const void *state, int64_t number, int64_t index) {
    (void)number;
    return rlt_milestones_step(&((const plateau_state *)state)->milestones, index);
}

/* Of the newest n keys, this report's included. */
static double spread(const rlt_stopper_report *report, int64_t n, double *mean) {
    const rlt_verdict *first = report->earlier + report->earlier_count - (n - 1);
    double sum = report->key, squares = 0;
    for (int64_t i = 0; i < n - 1; i++) {
        sum += first[i].key;
    }
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n - 1; i++) {
        squares += (first[i].key - *mean) * (first[i].key - *mean);
    }
    squares += (report->key - *mean) * (report->key - *mean);
    return sqrt(squares / (double)n);
}

static void plateau_judge(void *state, const rlt_stopper_report *report, rlt_verdict *verdict) {
    const plateau_state *at = state;
    int64_t results = report->earlier_count + 1;
    verdict->judged = report->key;
    verdict->compared = (int32_t)(results < at->num_results ? results : at->num_results);
    verdict->action = RLT_ACTION_CONTINUE;
    if (results < at->grace_period || results < at->num_results) {
        return;
    }
    double mean, std = spread(report, at->num_results, &mean);
    verdict->threshold = mean;
    verdict->numbers[0] = std;
    verdict->numbers[1] = at->std;
    if (std < at->std && !(report->key < at->threshold)) {
        verdict->action = RLT_ACTION_STOP;
    }
}

static void plateau_explain(const void *state, const rlt_decision *decision, const char *metric,
                            bool maximise, char *text, size_t size) {
    const plateau_state *at = state;
    bool stop = decision->action == RLT_ACTION_STOP, still = decision->numbers[0] < at->std;
    if (!stop && still) {
        snprintf(text, size, "%.60s %.6g moves no more, but is %s %.6g, the metric_threshold",
                 metric, decision->value, maximise ? "below" : "above",
                 maximise ? at->threshold : -at->threshold);
        return;
    }
    snprintf(text, size,
             "the last %d results of %.60s have a standard deviation of %.4g around %.6g, %s %.4g",
             decision->compared, metric, decision->numbers[0], decision->threshold,
             stop ? "less than" : "not less than", at->std);
}

const rlt_stopper_def rlt_stopper_plateau = {
    .state_size = sizeof(plateau_state),
    .init = plateau_init,
    .index = plateau_index,
    .step = plateau_step,
    .judge = plateau_judge,
    .explain = plateau_explain,
    .names = {"std", "std_max"},
};
