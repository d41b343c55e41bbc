/* What tests of samplers for several objectives share: whole studies of vectors of values to be
 * minimised and of constraints, in parallel and with ends of every kind, restored from what rows
 * hold in the order of time or trial by trial. */
#ifndef TUNER_FRONTS_H
#define TUNER_FRONTS_H
#include "tuner_testing.h"

#include "tuner/pareto.h"

enum { FRONT_MAX = 2000, FRONT_VALUES = 4, FRONT_LIMITS = 2 };
typedef void (*front_loss)(const json_t *params, double *values, double *limits);

typedef struct front_end {
    rlt_trial_state state;
    double values[FRONT_VALUES], limits[FRONT_LIMITS];
    int64_t steps;
    bool ended;
} front_end;
typedef struct front_study {
    rlt_tune_fields fields;
    const char *space;
    rlt_tuner *tuner;
    json_t *params[FRONT_MAX];
    front_end ends[FRONT_MAX];
    int count, calls[2 * FRONT_MAX], call_count; /* a call: number asked for; ~number: its end */
} front_study;

static inline rlt_tune_fields front_fields(int sampler, int objectives, int constraints) {
    rlt_tune_fields fields = tune_default();
    fields.sampler = sampler;
    fields.maximise = false;
    fields.objectives.count = objectives;
    fields.constraints.count = constraints;
    return fields;
}

static inline front_study *front_make(const rlt_tune_fields *fields, const char *space) {
    front_study *made = rlt_alloc(sizeof(*made));
    made->fields = *fields;
    made->space = space;
    made->tuner = tuner_of(fields, space);
    return made;
}

static inline void front_free(front_study *old) {
    for (int i = 0; i < old->count; i++) {
        json_decref(old->params[i]);
    }
    rlt_tuner_destroy(&old->tuner);
    rlt_free(old);
}

static inline void front_ask(front_study *to) {
    assert_true(to->count < FRONT_MAX);
    to->params[to->count] = ask(to->tuner, to->count);
    to->calls[to->call_count++] = to->count++;
}

static inline void front_end_in(rlt_tuner *tuner, int number, const front_end *end) {
    rlt_err err = {0};
    if (rlt_tuner_finish_values(tuner, number, end->state, end->values, end->limits, end->steps,
                                &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
}

static inline void front_end_as(front_study *to, int number, rlt_trial_state state,
                                front_loss loss) {
    front_end *end = &to->ends[number];
    *end = (front_end){.state = state, .steps = 1, .ended = true};
    loss(to->params[number], end->values, end->limits);
    front_end_in(to->tuner, number, end);
    to->calls[to->call_count++] = ~number;
}

static inline void front_run(front_study *to, int trials, front_loss loss) {
    for (int i = 0; i < trials; i++) {
        front_ask(to);
        front_end_as(to, to->count - 1, RLT_TRIAL_COMPLETED, loss);
    }
}

/* One event, drawn: up to `parallel` trials run; some fail or are stopped. */
static inline void front_event(front_study *to, rlt_rng *rng, int parallel, front_loss loss) {
    int running[64], count = 0;
    for (int i = 0; i < to->count; i++) {
        if (!to->ends[i].ended) {
            running[count++] = i;
        }
    }
    if (count == 0 || (count < parallel && rlt_rng_below(rng, 3) > 0)) {
        front_ask(to);
        return;
    }
    uint32_t kind = rlt_rng_below(rng, 12);
    front_end_as(to, running[rlt_rng_below(rng, (uint32_t)count)],
                 kind == 0   ? RLT_TRIAL_FAILED
                 : kind == 1 ? RLT_TRIAL_STOPPED
                             : RLT_TRIAL_COMPLETED,
                 loss);
}

static inline void front_replay(const front_study *from, rlt_tuner *tuner, int number, bool ends) {
    if (ends) {
        front_end_in(tuner, number, &from->ends[number]);
        return;
    }
    char *text = json_dumps(from->params[number], JSON_REAL_PRECISION(17));
    json_t *params = from_text(text);
    assert_int_equal(rlt_tuner_restore(tuner, number, params, NULL), RLT_OK);
    json_decref(params);
    free(text);
}

static inline rlt_tuner *front_restored(const front_study *from, bool by_trial) {
    rlt_tuner *tuner = tuner_of(&from->fields, from->space);
    for (int i = 0; i < (by_trial ? from->count : from->call_count); i++) {
        int number = by_trial ? i : from->calls[i] < 0 ? ~from->calls[i] : from->calls[i];
        if (by_trial || from->calls[i] >= 0) {
            front_replay(from, tuner, number, false);
        }
        if (by_trial ? from->ends[i].ended : from->calls[i] < 0) {
            front_replay(from, tuner, number, true);
        }
    }
    return tuner;
}

/* The next `asks` suggestions of restored tuners are those of the uninterrupted one. */
static inline void front_check_restore(front_study *at, int asks) {
    rlt_tuner *again[2] = {front_restored(at, false), front_restored(at, true)};
    for (int i = 0; i < asks; i++) {
        front_ask(at);
        for (int k = 0; k < 2; k++) {
            json_t *params = ask(again[k], at->count - 1);
            if (!json_equal(params, at->params[at->count - 1])) {
                char *a = json_dumps(at->params[at->count - 1], 0), *b = json_dumps(params, 0);
                fail_msg("trial %d is %s, restored (%d) it is %s", at->count - 1, a, k, b);
            }
            json_decref(params);
        }
    }
    rlt_tuner_destroy(&again[0]);
    rlt_tuner_destroy(&again[1]);
}

/* The hypervolume of the feasible trials; reference: values that are just not good enough. */
static inline double front_volume(const front_study *at, const double *reference) {
    int objectives = at->fields.objectives.count, count = 0;
    double *keys = rlt_alloc(sizeof(double) * (size_t)(at->count * objectives));
    double lower[FRONT_VALUES];
    for (int k = 0; k < objectives; k++) {
        lower[k] = -reference[k];
    }
    for (int i = 0; i < at->count; i++) {
        bool feasible = at->ends[i].ended && at->ends[i].state == RLT_TRIAL_COMPLETED;
        for (int k = 0; k < at->fields.constraints.count; k++) {
            feasible &= at->ends[i].limits[k] <= 0;
        }
        for (int k = 0; k < objectives && feasible; k++) {
            keys[count * objectives + k] = -at->ends[i].values[k];
        }
        count += feasible;
    }
    double volume = rlt_hypervolume(keys, count, objectives, lower);
    rlt_free(keys);
    return volume;
}

/* The mean volume over `seeds` seeds after `trials` trials. */
static inline double front_mean(rlt_tune_fields fields, const char *space, int seeds, int trials,
                                front_loss loss, const double *reference) {
    double sum = 0;
    for (int i = 0; i < seeds; i++) {
        fields.seed = 100 + i;
        front_study *at = front_make(&fields, space);
        front_run(at, trials, loss);
        sum += front_volume(at, reference);
        front_free(at);
    }
    return sum / seeds;
}
#endif
