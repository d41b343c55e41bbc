/* tuner: a trial that is worse than the best one by Wilcoxon's signed-rank test stops, as Optuna's
 * WilcoxonPruner has it: its results are paired with those that the best completed trial had at the
 * same milestones; with at least max(2, n_startup_steps) pairs it stops when the one-sided p-value
 * is less than p_threshold and its mean result is worse than that of the best trial. A trial with a
 * result that is not finite is never stopped, nor is any while the best trial has such a one. Equal
 * final values: the lower number is the best trial.
 * Why with care: the test takes pairs as independent. Results of one run at successive steps are
 * not; those over instances or seeds are (a milestone for each).
 * Memory: the best trial's results. Thread: the tuner's. */
#include "tuner/stoppers/signed_rank.h"
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdio.h>

typedef struct wilcoxon_state {
    rlt_milestones milestones;
    double p_threshold;
    int64_t n_startup_steps;
    int64_t best; /* the trial's number; -1: none */
    double best_key, best_mean;
    bool best_finite;
    rlt_verdict *results; /* of the best trial */
    int64_t count, capacity;
    double *differences, *scratch;
    int64_t room, scratch_room;
} wilcoxon_state;

static rlt_status wilcoxon_init(void *state, const rlt_stopper_setup *setup, rlt_err *err) {
    wilcoxon_state *at = state;
    at->p_threshold = setup->config->wilcoxon.p_threshold;
    at->n_startup_steps = setup->config->wilcoxon.n_startup_steps;
    at->best = -1;
    if (!(at->p_threshold >= 0 && at->p_threshold <= 1) || at->n_startup_steps < 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: wilcoxon needs a p_threshold of 0 to 1 and n_startup_steps "
                        ">= 0, got %g and %lld",
                        at->p_threshold, (long long)at->n_startup_steps);
    }
    return rlt_milestones_init(&at->milestones, "wilcoxon", setup, err);
}

static void wilcoxon_fini(void *state) {
    wilcoxon_state *at = state;
    rlt_free(at->results);
    rlt_free(at->differences);
    rlt_free(at->scratch);
    *at = (wilcoxon_state){0};
}

static int64_t wilcoxon_index(const void *state, int64_t number, int64_t step) {
    (void)number;
    return rlt_milestones_index(&((const wilcoxon_state *)state)->milestones, step);
}

static int64_t wilcoxon_step(const void *state, int64_t number, int64_t index) {
    (void)number;
    return rlt_milestones_step(&((const wilcoxon_state *)state)->milestones, index);
}

/* Own minus best at the milestones that both have; returns how many. */
static int64_t pair_up(wilcoxon_state *at, const rlt_stopper_report *report) {
    int64_t own = report->earlier_count + 1, pairs = 0;
    at->differences = rlt_tuner_grow(at->differences, &at->room, own, sizeof(double));
    at->scratch = rlt_tuner_grow(at->scratch, &at->scratch_room, own, sizeof(double));
    for (int64_t i = 0, j = 0; i < own; i++) {
        bool last = i == own - 1;
        int64_t index = last ? report->index : report->earlier[i].index;
        double key = last ? report->key : report->earlier[i].key;
        while (j < at->count && at->results[j].index < index) {
            j++;
        }
        if (j < at->count && at->results[j].index == index) {
            at->differences[pairs++] = key - at->results[j].key;
        }
    }
    return pairs;
}

static void wilcoxon_judge(void *state, const rlt_stopper_report *report, rlt_verdict *verdict) {
    wilcoxon_state *at = state;
    double sum = 0;
    for (int64_t i = 0; i < report->earlier_count; i++) {
        sum += report->earlier[i].key;
    }
    double mean = (sum + report->key) / (double)(report->earlier_count + 1);
    verdict->judged = isfinite(mean) ? mean : report->key;
    verdict->action = RLT_ACTION_CONTINUE;
    if (!isfinite(mean) || at->best < 0 || !at->best_finite) {
        return;
    }
    int64_t pairs = pair_up(at, report);
    verdict->compared = (int32_t)pairs;
    if (pairs < 2 || pairs < at->n_startup_steps) {
        return;
    }
    double p = rlt_signed_rank_less(at->differences, pairs, at->scratch);
    verdict->threshold = at->best_mean;
    verdict->numbers[0] = p;
    verdict->numbers[1] = (double)at->best;
    if (p < at->p_threshold && at->best_mean > mean) {
        verdict->action = RLT_ACTION_STOP;
    }
}

static void wilcoxon_ended(void *state, const rlt_stopper_end *end) {
    wilcoxon_state *at = state;
    if (end->state != RLT_TRIAL_COMPLETED || isnan(end->key) ||
        (at->best >= 0 &&
         (end->key < at->best_key || (end->key == at->best_key && end->number > at->best)))) {
        return;
    }
    at->best = end->number;
    at->best_key = end->key;
    at->results = rlt_tuner_grow(at->results, &at->capacity, end->count, sizeof(rlt_verdict));
    double sum = 0;
    for (int64_t i = 0; i < end->count; i++) {
        at->results[i] = end->verdicts[i];
        sum += end->verdicts[i].key;
    }
    at->count = end->count;
    at->best_mean = sum / (double)end->count;
    at->best_finite = isfinite(at->best_mean);
}

static void wilcoxon_explain(const void *state, const rlt_decision *decision, const char *metric,
                             bool maximise, char *text, size_t size) {
    const wilcoxon_state *at = state;
    (void)maximise;
    char test[80];
    bool less = decision->numbers[0] < at->p_threshold;
    if (decision->action != RLT_ACTION_STOP && less) {
        snprintf(test, sizeof test, "worse with p = %.3g, but not on average",
                 decision->numbers[0]);
    } else {
        snprintf(test, sizeof test, "%s with p = %.3g, %s %.3g", less ? "worse" : "not worse",
                 decision->numbers[0], less ? "less than" : "not less than", at->p_threshold);
    }
    snprintf(text, size,
             "over %d milestones in common with trial %.0f, the best, %.60s is %.6g on average and "
             "that one's %.6g: %s",
             decision->compared, decision->numbers[1], metric, decision->value, decision->threshold,
             test);
}

const rlt_stopper_def rlt_stopper_wilcoxon = {
    .state_size = sizeof(wilcoxon_state),
    .init = wilcoxon_init,
    .fini = wilcoxon_fini,
    .index = wilcoxon_index,
    .step = wilcoxon_step,
    .judge = wilcoxon_judge,
    .ended = wilcoxon_ended,
    .explain = wilcoxon_explain,
    .names = {"p_value", "best_trial"},
};
