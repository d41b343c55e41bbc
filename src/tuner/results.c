/* tuner: what trials report, what is decided, and how they end.
 * Why a verdict per milestone is kept: whatever is reported again gets the same answer (I1).
 * Thread: the tuner's. */
#include "tuner/pareto.h"
#include "tuner/tuner_impl.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

rlt_status rlt_tuner_live(const rlt_tuner *tuner, int64_t number, rlt_tuner_trial **found,
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
    return rlt_tuner_oriented(tuner, value);
}

bool rlt_tuner_is_single(const rlt_tuner *tuner) {
    return tuner->config.objectives.count == 1 && tuner->config.constraints.count == 0;
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

bool rlt_tuner_is_timed(const rlt_tuner *tuner) {
    return tuner->config.timed;
}

int64_t rlt_tuner_milestone(const rlt_tuner *tuner, int64_t number, int64_t step) {
    RLT_ASSERT(number >= 0 && number < tuner->count);
    const rlt_tuner_trial *at = &tuner->trials[number];
    if (at->replicate > 0) {
        return INT64_MAX;
    }
    int64_t index = tuner->stopper->index(tuner->stopper_state, at->configuration, step);
    return tuner->stopper->step(tuner->stopper_state, at->configuration, index + 1);
}

rlt_verdict *rlt_tuner_find_verdict(const rlt_tuner_trial *at, int64_t index) {
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

static const rlt_verdict *judge(rlt_tuner *tuner, rlt_tuner_trial *at, int64_t step, int64_t amount,
                                rlt_stopper_report *report) {
    enum { FIRST_CAPACITY = 4 };
    int64_t needed = at->verdict_count + 1;
    at->verdicts =
        rlt_tuner_grow(at->verdicts, &at->verdict_capacity,
                       needed > FIRST_CAPACITY ? needed : FIRST_CAPACITY, sizeof(rlt_verdict));
    report->earlier = at->verdicts;
    report->earlier_count = at->verdict_count;
    rlt_verdict *made = &at->verdicts[at->verdict_count++];
    *made = (rlt_verdict){.index = report->index,
                          .step = step,
                          .at = amount,
                          .key = report->key,
                          .threshold = NAN,
                          .numbers = {NAN, NAN, NAN, NAN}};
    tuner->stopper->judge(tuner->stopper_state, report, made);
    return made;
}

rlt_status rlt_tuner_report(rlt_tuner *tuner, int64_t number, int64_t step, double value,
                            rlt_decision *decision, rlt_err *err) {
    return rlt_tuner_report_at(tuner, number, step, step, value, decision, err);
}

rlt_status rlt_tuner_report_at(rlt_tuner *tuner, int64_t number, int64_t step, int64_t amount,
                               double value, rlt_decision *decision, rlt_err *err) {
    rlt_tuner_trial *at = NULL;
    RLT_TRY(rlt_tuner_live(tuner, number, &at, err));
    if (step < 0 || amount < 0) {
        return rlt_fail(err, RLT_EINVAL, "trial %" PRId64 " reports at step %" PRId64 ", %" PRId64,
                        number, step, amount);
    }
    double key = oriented(tuner, value);
    if (step > at->reported) {
        at->reported = step;
        at->key = key;
        at->best = fmax(at->best, key); /* ignores NAN */
        if (rlt_tuner_is_single(tuner) && !rlt_tuner_replicates(tuner)) {
            note_value(tuner, value);
        }
        note_steps(tuner, at, step);
    }

    int64_t index = at->replicate == 0
                        ? tuner->stopper->index(tuner->stopper_state, at->configuration, amount)
                        : -1;
    const rlt_verdict *verdict = rlt_tuner_find_verdict(at, index);
    bool is_new =
        index >= 0 && (at->verdict_count == 0 || at->verdicts[at->verdict_count - 1].index < index);
    if (is_new) {
        verdict =
            judge(tuner, at, step, amount,
                  &(rlt_stopper_report){
                      .number = at->configuration, .index = index, .key = key, .best = at->best});
        if (tuner->sampler->reported != NULL) {
            tuner->sampler->reported(
                tuner->sampler_state, tuner->history.sources + at->configuration,
                tuner->stopper->step(tuner->stopper_state, at->configuration, index), key);
        }
    }
    if (decision != NULL) {
        *decision = (rlt_decision){.action = RLT_ACTION_CONTINUE,
                                   .bracket = -1,
                                   .rung = -1,
                                   .step = step,
                                   .again = !is_new,
                                   .at = amount,
                                   .value = value,
                                   .threshold = NAN};
        if (verdict != NULL) {
            rlt_tuner_fill_decision(tuner, number, verdict, decision);
        }
    }
    return RLT_OK;
}

/* ---- ends ---- */

static double key_of(const rlt_tuner *tuner, int objective, double value) {
    return tuner->config.objectives.maximise[objective] ? value : -value;
}

/* The trial's keys out of the history, which holds no NAN then; false: it has none, or is not
 * feasible. */
static bool can_be_on_front(const rlt_tuner *tuner, int64_t number) {
    const rlt_history *history = &tuner->history;
    const int64_t place = rlt_tuner_place(tuner, number);
    bool complete = history->states[place] != RLT_TRIAL_FAILED && history->violations[place] == 0;
    for (int i = 0; i < history->objectives; i++) {
        complete &= !isnan(history->keys[place * history->objectives + i]);
    }
    return complete;
}

static const double *keys_of(const rlt_tuner *tuner, int64_t number) {
    return tuner->history.keys + rlt_tuner_place(tuner, number) * tuner->history.objectives;
}

static void update_front(rlt_tuner *tuner, int64_t number) {
    const int objectives = tuner->history.objectives;
    if (!can_be_on_front(tuner, number)) {
        return;
    }
    const double *keys = keys_of(tuner, number);
    int64_t kept = 0, place = 0;
    for (int64_t i = 0; i < tuner->front_count; i++) {
        if (rlt_dominates(keys_of(tuner, tuner->front[i]), keys, objectives)) {
            return; /* and so it dominates nobody there */
        }
    }
    for (int64_t i = 0; i < tuner->front_count; i++) {
        int64_t other = tuner->front[i];
        if (!rlt_dominates(keys, keys_of(tuner, other), objectives)) {
            tuner->front[kept++] = other;
            place += other < number;
        }
    }
    tuner->front = rlt_tuner_grow(tuner->front, &tuner->front_capacity, kept + 1, sizeof(int64_t));
    memmove(tuner->front + place + 1, tuner->front + place,
            sizeof(int64_t) * (size_t)(kept - place));
    tuner->front[place] = number;
    tuner->front_count = kept + 1;
}

static void note_end(rlt_tuner *tuner, rlt_tuner_trial *at, int64_t number, rlt_trial_state state,
                     const double *values, const double *constraints) {
    double keys[RLT_OBJECTIVES_MAX];
    for (int i = 0; i < tuner->config.objectives.count; i++) {
        keys[i] = i == 0 ? at->key : key_of(tuner, i, values[i]);
    }
    for (int i = 0; i < tuner->config.constraints.count; i++) {
        at->infeasible |= !(constraints[i] <= 0);
    }
    if (rlt_tuner_replicates(tuner)) {
        rlt_replicate_ended(tuner, number, constraints);
        return;
    }
    if (tuner->config.objectives.count == 1 && !at->infeasible) {
        note_value(tuner, values[0]);
    }
    const int64_t place = rlt_tuner_place(tuner, number);
    if (place < tuner->history.count) {
        rlt_history_end(&tuner->history, place, state, keys, constraints, at->steps);
    }
    if (tuner->config.objectives.count > 1) {
        update_front(tuner, number);
    }
    if (tuner->sampler->ended != NULL) {
        tuner->sampler->ended(tuner->sampler_state, place);
    }
}

rlt_status rlt_tuner_finish_values(rlt_tuner *tuner, int64_t number, rlt_trial_state state,
                                   const double *values, const double *constraints, int64_t steps,
                                   rlt_err *err) {
    if (state != RLT_TRIAL_STOPPED && state != RLT_TRIAL_COMPLETED && state != RLT_TRIAL_FAILED) {
        return rlt_fail(err, RLT_EINVAL, "trial %" PRId64 " cannot end as %s", number,
                        rlt_trial_state_name(state));
    }
    if (number >= 0 && number < tuner->count && tuner->trials[number].state == state) {
        return RLT_OK;
    }
    rlt_tuner_trial *at = NULL;
    RLT_TRY(rlt_tuner_live(tuner, number, &at, err));
    at->state = (uint8_t)state;
    note_steps(tuner, at, steps);
    if (!isnan(values[0])) {
        at->key = key_of(tuner, 0, values[0]);
    }
    if (tuner->stopper->ended != NULL && at->replicate == 0) {
        tuner->stopper->ended(
            tuner->stopper_state,
            &(rlt_stopper_end){at->configuration, state, at->key, at->verdicts, at->verdict_count});
    }
    note_end(tuner, at, number, state, values, constraints);
    rlt_free(at->verdicts);
    at->verdicts = NULL;
    at->verdict_count = at->verdict_capacity = 0;
    return RLT_OK;
}

rlt_status rlt_tuner_finish(rlt_tuner *tuner, int64_t number, rlt_trial_state state, double value,
                            int64_t steps, rlt_err *err) {
    RLT_ASSERT(rlt_tuner_is_single(tuner));
    return rlt_tuner_finish_values(tuner, number, state, &value, NULL, steps, err);
}

/* ---- the best ---- */

int64_t rlt_tuner_best(const rlt_tuner *tuner, double *value) {
    int64_t best = -1;
    if (rlt_tuner_replicates(tuner)) {
        int64_t index = rlt_configurations_best(tuner);
        *value = index < 0 ? NAN : oriented(tuner, tuner->configurations.items[index].key);
        return index < 0 ? -1 : tuner->configurations.items[index].first;
    }
    bool limited = tuner->config.constraints.count > 0;
    for (int64_t i = 0; tuner->config.objectives.count == 1 && i < tuner->count; i++) {
        const rlt_tuner_trial *at = &tuner->trials[i];
        bool unknown = limited && (at->infeasible || at->state == RLT_TRIAL_RUNNING);
        if (at->state != RLT_TRIAL_FAILED && !isnan(at->key) && !unknown &&
            (best < 0 || at->key > tuner->trials[best].key)) {
            best = i;
        }
    }
    *value = best < 0 ? NAN : oriented(tuner, tuner->trials[best].key);
    return best;
}

int64_t rlt_tuner_front(const rlt_tuner *tuner, const int64_t **numbers) {
    *numbers = tuner->front;
    return tuner->front_count;
}

bool rlt_tuner_goal_reached(const rlt_tuner *tuner) {
    return tuner->goal_reached;
}
