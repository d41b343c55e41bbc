/* tuner: what trials report, what is decided, and how they end.
 * Why a verdict per milestone is kept: whatever is reported again gets the same answer (I1).
 * Thread: the tuner's. */
#include "tuner/tuner_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static rlt_status live_trial(const rlt_tuner *tuner, int64_t number, rlt_tuner_trial **found,
                             rlt_err *err) {
    if (number < 0 || number >= tuner->count) {
        return rlt_fail(err, RLT_ENOTFOUND, "trial %" PRId64 " is unknown; there are %" PRId64,
                        number, tuner->count);
    }
    *found = &tuner->trials[number];
    if ((*found)->state != RLT_TRIAL_RUNNING) {
        return rlt_fail(err, RLT_ESTALE, "trial %" PRId64 " is %s already", number,
                        rlt_trial_state_name((rlt_trial_state)(*found)->state));
    }
    return RLT_OK;
}

static double oriented(const rlt_tuner *tuner, double value) {
    return tuner->config.maximise ? value : -value;
}

static void note_value(rlt_tuner *tuner, double value) {
    if (oriented(tuner, value) >= oriented(tuner, tuner->config.goal)) { /* false for NAN */
        tuner->goal_reached = true;
    }
}

static void note_steps(rlt_tuner *tuner, rlt_tuner_trial *at, int64_t steps) {
    if (steps > at->steps) {
        tuner->steps += steps - at->steps;
        at->steps = steps;
    }
}

int64_t rlt_tuner_milestone(const rlt_tuner *tuner, int64_t number, int64_t step) {
    int64_t index = tuner->stopper->index(tuner->stopper_state, number, step);
    return tuner->stopper->step(tuner->stopper_state, number, index + 1);
}

/* The verdict at milestone `index` or NULL. */
static rlt_verdict *find_verdict(const rlt_tuner_trial *at, int64_t index) {
    int64_t low = 0, high = at->verdict_count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (at->verdicts[middle].index < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < at->verdict_count && at->verdicts[low].index == index ? &at->verdicts[low] : NULL;
}

static const rlt_verdict *judge(rlt_tuner *tuner, rlt_tuner_trial *at, int64_t step,
                                const rlt_stopper_report *report) {
    enum { FIRST_CAPACITY = 4 };
    int64_t needed = at->verdict_count + 1;
    at->verdicts =
        rlt_tuner_grow(at->verdicts, &at->verdict_capacity,
                       needed > FIRST_CAPACITY ? needed : FIRST_CAPACITY, sizeof(rlt_verdict));
    rlt_verdict *made = &at->verdicts[at->verdict_count++];
    *made = (rlt_verdict){.index = report->index, .step = step, .key = report->key};
    tuner->stopper->judge(tuner->stopper_state, report, made);
    return made;
}

static void fill_decision(const rlt_tuner *tuner, int64_t number, const rlt_verdict *verdict,
                          rlt_decision *decision) {
    decision->action = (rlt_action)verdict->action;
    decision->step = verdict->step;
    decision->value = oriented(tuner, verdict->judged);
    decision->threshold = oriented(tuner, verdict->threshold);
    decision->compared = verdict->compared;
    if (tuner->stopper->bracket != NULL) {
        decision->bracket = tuner->stopper->bracket(tuner->stopper_state, number);
        decision->rung = (int)verdict->index;
    }
    if (decision->action == RLT_ACTION_STOP) {
        rlt_decision_explain(tuner, decision);
    }
}

void rlt_decision_explain(const rlt_tuner *tuner, rlt_decision *decision) {
    char *text = decision->reason;
    const size_t size = sizeof decision->reason;
    if (isnan(decision->value) && decision->action == RLT_ACTION_STOP) {
        snprintf(text, size, "at %lld steps the result is not a number", (long long)decision->step);
    } else if (isnan(decision->threshold)) {
        snprintf(text, size, "at %lld steps there is too little to compare %.6g with",
                 (long long)decision->step, decision->value);
    } else {
        tuner->stopper->explain(tuner->stopper_state, decision, tuner->config.maximise, text, size);
    }
}

rlt_status rlt_tuner_report(rlt_tuner *tuner, int64_t number, int64_t step, double value,
                            rlt_decision *decision, rlt_err *err) {
    rlt_tuner_trial *at = NULL;
    RLT_TRY(live_trial(tuner, number, &at, err));
    if (step < 0) {
        return rlt_fail(err, RLT_EINVAL, "trial %" PRId64 " reports at step %" PRId64, number,
                        step);
    }
    double key = oriented(tuner, value);
    if (step > at->reported) {
        at->reported = step;
        at->key = key;
        at->best = fmax(at->best, key); /* ignores NAN */
        note_value(tuner, value);
        note_steps(tuner, at, step);
    }

    int64_t index = tuner->stopper->index(tuner->stopper_state, number, step);
    const rlt_verdict *verdict = find_verdict(at, index);
    bool is_new =
        index >= 0 && (at->verdict_count == 0 || at->verdicts[at->verdict_count - 1].index < index);
    if (is_new) {
        verdict = judge(tuner, at, step, &(rlt_stopper_report){number, index, key, at->best});
    }
    if (decision != NULL) {
        *decision = (rlt_decision){.action = RLT_ACTION_CONTINUE,
                                   .bracket = -1,
                                   .rung = -1,
                                   .step = step,
                                   .value = value,
                                   .threshold = NAN};
        if (verdict != NULL) {
            fill_decision(tuner, number, verdict, decision);
        }
    }
    return RLT_OK;
}

rlt_status rlt_tuner_restore_decision(rlt_tuner *tuner, int64_t number, int64_t step,
                                      rlt_action action, rlt_err *err) {
    if (number >= 0 && number < tuner->count && tuner->trials[number].state != RLT_TRIAL_RUNNING) {
        return RLT_OK;
    }
    rlt_tuner_trial *at = NULL;
    RLT_TRY(live_trial(tuner, number, &at, err));
    rlt_verdict *verdict =
        find_verdict(at, tuner->stopper->index(tuner->stopper_state, number, step));
    if (verdict == NULL || verdict->step != step) {
        return rlt_fail(err, RLT_ECORRUPT,
                        "trial %" PRId64 " has a decision at step %" PRId64
                        ", but no report that it could be about",
                        number, step);
    }
    verdict->action = (uint8_t)action;
    return RLT_OK;
}

rlt_status rlt_tuner_finish(rlt_tuner *tuner, int64_t number, rlt_trial_state state, double value,
                            int64_t steps, rlt_err *err) {
    if (state != RLT_TRIAL_STOPPED && state != RLT_TRIAL_COMPLETED && state != RLT_TRIAL_FAILED) {
        return rlt_fail(err, RLT_EINVAL, "trial %" PRId64 " cannot end as %s", number,
                        rlt_trial_state_name(state));
    }
    if (number >= 0 && number < tuner->count && tuner->trials[number].state == state) {
        return RLT_OK;
    }
    rlt_tuner_trial *at = NULL;
    RLT_TRY(live_trial(tuner, number, &at, err));
    at->state = (uint8_t)state;
    note_value(tuner, value);
    note_steps(tuner, at, steps);
    if (!isnan(value)) {
        at->key = oriented(tuner, value);
    }
    if (tuner->stopper->ended != NULL) {
        tuner->stopper->ended(tuner->stopper_state, state, at->verdicts, at->verdict_count);
    }
    if (number < tuner->history.count) {
        rlt_history_end(&tuner->history, number, state, at->key, at->steps);
    }
    if (tuner->sampler->ended != NULL) {
        tuner->sampler->ended(tuner->sampler_state, number);
    }
    rlt_free(at->verdicts);
    at->verdicts = NULL;
    at->verdict_count = at->verdict_capacity = 0;
    return RLT_OK;
}

int64_t rlt_tuner_best(const rlt_tuner *tuner, double *value) {
    int64_t best = -1;
    for (int64_t i = 0; i < tuner->count; i++) {
        const rlt_tuner_trial *at = &tuner->trials[i];
        if (at->state != RLT_TRIAL_FAILED && !isnan(at->key) &&
            (best < 0 || at->key > tuner->trials[best].key)) {
            best = i;
        }
    }
    *value = best < 0 ? NAN : oriented(tuner, tuner->trials[best].key);
    return best;
}

bool rlt_tuner_goal_reached(const rlt_tuner *tuner) {
    return tuner->goal_reached;
}
