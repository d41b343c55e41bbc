/* What tests of learning samplers share: whole studies of a function, also with trials in parallel
 * and ends of every kind, and restoring them from what rows hold. */
#ifndef TUNER_LEARNING_H
#define TUNER_LEARNING_H
#include "tuner_testing.h"

#include <stdio.h>

/* The value to minimise of a trial's parameters. */
typedef double (*study_loss)(const json_t *params);
static inline double number_in(const json_t *params, const char *path) {
    return json_number_value(json_object_get(params, path));
}

typedef struct study_end {
    rlt_trial_state state;
    double value;
    int64_t steps;
    bool ended;
} study_end;
enum { STUDY_MAX = 3000 };
typedef struct study {
    rlt_tuner *tuner;
    json_t *params[STUDY_MAX];
    study_end ends[STUDY_MAX];
    int count;
    double best;
} study;

static inline study *study_make(const rlt_tune_fields *fields, const char *space) {
    study *made = rlt_alloc(sizeof(*made));
    made->tuner = tuner_of(fields, space);
    made->best = INFINITY;
    return made;
}

static inline void study_free(study *old) {
    for (int i = 0; i < old->count; i++) {
        json_decref(old->params[i]);
    }
    rlt_tuner_destroy(&old->tuner);
    rlt_free(old);
}

static inline void study_ask(study *to) {
    assert_true(to->count < STUDY_MAX);
    to->params[to->count] = ask(to->tuner, to->count);
    to->count++;
}

static inline void end_in(rlt_tuner *tuner, int number, const study_end *end) {
    rlt_err err = {0};
    if (rlt_tuner_finish(tuner, number, end->state, end->value, end->steps, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
}

static inline void study_end_as(study *to, int number, rlt_trial_state state, double value,
                                int64_t steps) {
    to->ends[number] = (study_end){state, value, steps, true};
    end_in(to->tuner, number, &to->ends[number]);
    if (state == RLT_TRIAL_COMPLETED) {
        to->best = fmin(to->best, value); /* ignores NAN */
    }
}

/* `trials` more trials, one after the other. */
static inline void study_run(study *to, int trials, study_loss loss) {
    for (int i = 0; i < trials; i++) {
        study_ask(to);
        study_end_as(to, to->count - 1, RLT_TRIAL_COMPLETED, loss(to->params[to->count - 1]), 1);
    }
}

/* One event, drawn: up to `parallel` trials run; some fail, are stopped, or come to no number. */
static inline void study_event(study *to, rlt_rng *rng, int parallel, study_loss loss) {
    int running[64], count = 0;
    for (int i = 0; i < to->count; i++) {
        if (!to->ends[i].ended) {
            running[count++] = i;
        }
    }
    if (count < parallel && rlt_rng_below(rng, 3) > 0) {
        study_ask(to);
    } else if (count > 0) {
        int number = running[rlt_rng_below(rng, (uint32_t)count)];
        double value = loss(to->params[number]);
        uint32_t kind = rlt_rng_below(rng, 12);
        if (kind == 0) {
            study_end_as(to, number, RLT_TRIAL_FAILED, NAN, 0);
        } else if (kind < 3) {
            study_end_as(to, number, RLT_TRIAL_STOPPED, value, 1 + rlt_rng_below(rng, 3));
        } else {
            study_end_as(to, number, RLT_TRIAL_COMPLETED, kind == 3 ? NAN : value, 9);
        }
    }
}

/* A tuner that got the study's rows trial by trial, as a store gives them. */
static inline rlt_tuner *study_restored(const study *from, const rlt_tune_fields *fields,
                                        const char *space) {
    rlt_tuner *tuner = tuner_of(fields, space);
    for (int i = 0; i < from->count; i++) {
        char *text = json_dumps(from->params[i], JSON_REAL_PRECISION(17));
        json_t *params = from_text(text);
        assert_int_equal(rlt_tuner_restore(tuner, i, params, NULL), RLT_OK);
        if (from->ends[i].ended) {
            end_in(tuner, i, &from->ends[i]);
        }
        json_decref(params);
        free(text);
    }
    return tuner;
}

/* The next `asks` suggestions of a restored tuner are those of the uninterrupted one, which takes
 * them too. */
static inline void study_check_restore(study *at, const rlt_tune_fields *fields, const char *space,
                                       int asks) {
    rlt_tuner *again = study_restored(at, fields, space);
    for (int i = 0; i < asks; i++) {
        study_ask(at);
        json_t *params = ask(again, at->count - 1);
        if (!json_equal(params, at->params[at->count - 1])) {
            char *a = json_dumps(at->params[at->count - 1], 0), *b = json_dumps(params, 0);
            fail_msg("trial %d is %s, restored it is %s", at->count - 1, a, b);
        }
        json_decref(params);
    }
    rlt_tuner_destroy(&again);
}

static inline int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median over `seeds` seeds of the best loss after `trials` trials. */
static inline double study_median(rlt_tune_fields fields, const char *space, int seeds, int trials,
                                  study_loss loss) {
    double best[64];
    for (int i = 0; i < seeds; i++) {
        fields.seed = 100 + i;
        fields.maximise = false;
        study *at = study_make(&fields, space);
        study_run(at, trials, loss);
        best[i] = at->best;
        study_free(at);
    }
    qsort(best, (size_t)seeds, sizeof(double), compare_doubles);
    return best[seeds / 2];
}

/* {"p00": uniform from 0 to 1, ...} with `count` parameters; the caller frees it. */
static inline char *unit_cube(int count) {
    rlt_buf text = {0};
    for (int i = 0; i < count; i++) {
        rlt_buf_printf(&text, "%s\"p%02d\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}",
                       i == 0 ? "{" : ",", i);
    }
    rlt_buf_printf(&text, "}");
    return text.data;
}
#endif
