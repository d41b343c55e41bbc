/* tuner: a trial whose newest results are no better than those before stops, as Optuna's
 * PatientPruner has it: of n results, one a milestone, the best of the newest patience + 1 is worse
 * than the best of those before by more than min_delta. Nothing is decided before patience + 2
 * results; those that are not a number are left out.
 * With `wrapped` a trial stops only if that stopper says so too: its milestones count, and it sees
 * every result, also while there is patience.
 * Thread: the tuner's. Owner: the wrapped stopper's state is this one's. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct patience_state {
    rlt_milestones milestones;
    int64_t patience;
    double min_delta;
    bool maximise;
    const rlt_stopper_def *inner; /* or NULL */
    void *inner_state;
} patience_state;

static rlt_status init_inner(patience_state *at, const rlt_stopper_setup *setup, rlt_err *err) {
    int wrapped = setup->config->wrapped;
    const rlt_stopper_def *inner = rlt_stopper_defs[wrapped];
    if (wrapped == RLT_STOPPER_PATIENCE || inner->closed != NULL) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: patience cannot wrap %s, %s; allowed: stoppers that only "
                        "let trials go on or stop",
                        rlt_stoppers[wrapped].name,
                        inner->closed != NULL ? "which has trials wait" : "which is itself");
    }
    at->inner = inner;
    at->inner_state = rlt_alloc(inner->state_size);
    return inner->init(at->inner_state, setup, err);
}

static rlt_status patience_init(void *state, const rlt_stopper_setup *setup, rlt_err *err) {
    patience_state *at = state;
    at->patience = setup->config->patience.patience;
    at->min_delta = setup->config->patience.min_delta;
    at->maximise = setup->config->maximise;
    if (at->patience < 0 || !(at->min_delta >= 0)) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: patience needs patience >= 0 and min_delta >= 0, got %lld "
                        "and %g",
                        (long long)at->patience, at->min_delta);
    }
    return setup->config->wrapped != RLT_STOPPER_NONE
               ? init_inner(at, setup, err)
               : rlt_milestones_init(&at->milestones, "patience", setup, err);
}

static void patience_fini(void *state) {
    patience_state *at = state;
    if (at->inner != NULL && at->inner->fini != NULL) {
        at->inner->fini(at->inner_state);
    }
    rlt_free(at->inner_state);
    at->inner_state = NULL;
}

static int64_t patience_index(const void *state, int64_t number, int64_t step) {
    const patience_state *at = state;
    return at->inner != NULL ? at->inner->index(at->inner_state, number, step)
                             : rlt_milestones_index(&at->milestones, step);
}

static int64_t patience_step(const void *state, int64_t number, int64_t index) {
    const patience_state *at = state;
    return at->inner != NULL ? at->inner->step(at->inner_state, number, index)
                             : rlt_milestones_step(&at->milestones, index);
}

/* The best of `count` earlier results from `first` on; NAN if none is a number. */
static double best_of(const rlt_verdict *first, int64_t count) {
    double best = NAN;
    for (int64_t i = 0; i < count; i++) {
        best = fmax(best, first[i].key);
    }
    return best;
}

static void patience_judge(void *state, const rlt_stopper_report *report, rlt_verdict *verdict) {
    patience_state *at = state;
    int64_t before = report->earlier_count - at->patience; /* results that are old enough */
    double old = NAN, newest = report->key;
    if (before > 0) {
        old = best_of(report->earlier, before);
        newest = fmax(report->key, best_of(report->earlier + before, at->patience));
    }
    bool worn = old - at->min_delta > newest; /* false for NAN */
    verdict->judged = newest;
    verdict->threshold = old - at->min_delta;
    verdict->compared = (int32_t)(before > 0 ? before : 0);
    verdict->action = worn ? RLT_ACTION_STOP : RLT_ACTION_CONTINUE;
    if (at->inner != NULL) {
        verdict->threshold = NAN;
        at->inner->judge(at->inner_state, report, verdict);
        verdict->action = worn ? verdict->action : (uint8_t)RLT_ACTION_CONTINUE;
    }
    verdict->numbers[0] = at->maximise ? newest : -newest;
    verdict->numbers[1] = at->maximise ? old : -old;
}

static void patience_ended(void *state, const rlt_stopper_end *end) {
    patience_state *at = state;
    if (at->inner != NULL && at->inner->ended != NULL) {
        at->inner->ended(at->inner_state, end);
    }
}

static int patience_bracket(const void *state, int64_t number) {
    const patience_state *at = state;
    bool has = at->inner != NULL && at->inner->bracket != NULL;
    return has ? at->inner->bracket(at->inner_state, number) : -1;
}

static void patience_explain(const void *state, const rlt_decision *decision, const char *metric,
                             bool maximise, char *text, size_t size) {
    const patience_state *at = state;
    bool stop = decision->action == RLT_ACTION_STOP;
    if (at->inner == NULL) {
        snprintf(text, size,
                 "the best of the last %lld results of %.60s, %.6g, is %s %.6g, what the best "
                 "before asks for",
                 (long long)at->patience + 1, metric, decision->value,
                 !stop      ? "not worse than"
                 : maximise ? "below"
                            : "above",
                 decision->threshold);
        return;
    }
    at->inner->explain(at->inner_state, decision, metric, maximise, text, size);
    size_t length = strlen(text);
    if (stop) {
        snprintf(text + length, size - length, "; its last %lld results brought nothing better",
                 (long long)at->patience + 1);
    } else {
        snprintf(text + length, size - length, " (patience: %lld)", (long long)at->patience);
    }
}

const rlt_stopper_def rlt_stopper_patience = {
    .state_size = sizeof(patience_state),
    .init = patience_init,
    .fini = patience_fini,
    .index = patience_index,
    .step = patience_step,
    .judge = patience_judge,
    .ended = patience_ended,
    .bracket = patience_bracket,
    .explain = patience_explain,
    .names = {"newest_best", "earlier_best"},
};
