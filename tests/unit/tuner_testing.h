/* What the tuner's tests share: short ways to make experiments and tuners. */
#ifndef TUNER_TESTING_H
#define TUNER_TESTING_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka after the four above */
#include <cmocka.h>

#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static inline json_t *from_text(const char *text) {
    json_error_t error;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &error);
    if (json == NULL) {
        fail_msg("%s in %s", error.text, text);
    }
    return json;
}

static inline rlt_param param_of(const char *space_text) {
    json_t *json = from_text(space_text);
    rlt_param param;
    rlt_err err = {0};
    if (rlt_param_parse(json, "x", &param, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    json_decref(json);
    return param;
}

/* The options of every sampler as a script leaves them; those of stoppers are up to the test. */
static inline rlt_tune_fields tune_default(void) {
    rlt_tune_fields fields = {.maximise = true, .trials = 1000000, .goal = NAN, .seed = 7};
    for (const rlt_config_section *s = rlt_config_sections; s->name != NULL; s++) {
        if (strncmp(s->name, "sampler.", 8) == 0) {
            rlt_schema_reader reader = {.path = s->name};
            json_t *options = json_object();
            assert_int_equal(rlt_schema_normalise(s->fields, &reader, NULL, options, NULL), RLT_OK);
            rlt_schema_store(s->fields, options, &fields);
            json_decref(options);
        }
    }
    return fields;
}

static inline rlt_status try_tuner(const rlt_tune_fields *fields, const char *experiment,
                                   rlt_resolve resolve, rlt_tuner **tuner, rlt_err *err) {
    json_t *json = from_text(experiment);
    rlt_status status = rlt_tuner_create(fields, json, resolve, NULL, tuner, err);
    json_decref(json);
    return status;
}

static inline rlt_tuner *tuner_of(const rlt_tune_fields *fields, const char *experiment) {
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    if (try_tuner(fields, experiment, NULL, &tuner, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return tuner;
}

static inline json_t *ask(rlt_tuner *tuner, int64_t number_expected) {
    int64_t number = -1;
    json_t *params = NULL;
    rlt_err err = {0};
    if (rlt_tuner_ask(tuner, &number, &params, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(number, number_expected);
    return params;
}

static inline rlt_decision report(rlt_tuner *tuner, int64_t number, int64_t step, double value) {
    rlt_decision decision;
    rlt_err err = {0};
    if (rlt_tuner_report(tuner, number, step, value, &decision, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return decision;
}

static inline void assert_contains(const char *text, const char *part) {
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' does not contain '%s'", text, part);
    }
}

/* cmocka's own compares as float. */
static inline void assert_near(double a, double b, double tolerance) {
    if (!(fabs(a - b) <= tolerance)) {
        fail_msg("%.17g is not within %g of %.17g", a, tolerance, b);
    }
}

/* Equal, or both not a number. */
static inline bool same(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}
#endif
