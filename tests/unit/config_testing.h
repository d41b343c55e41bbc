/* What tests of config share: texts with single quotes loaded, or refused with a message. */
#ifndef CONFIG_TESTING_H
#define CONFIG_TESTING_H
#include "config/config.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Single quotes for double ones, so that the text stays readable. */
static inline json_t *parse(const char *quoted) {
    char *text = strdup(quoted);
    for (char *at = text; *at != 0; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    json_error_t error;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &error);
    if (json == NULL) {
        fail_msg("%s: %s", text, error.text);
    }
    free(text);
    return json;
}

static inline void load(const char *text, rlt_experiment_config *config) {
    json_t *raw = parse(text);
    rlt_err err = {0};
    if (rlt_experiment_config_load(raw, NULL, config, &err) != RLT_OK) {
        fail_msg("%s: %s", text, err.message);
    }
    json_decref(raw);
}

static inline void refused(const char *text, const char *expected) {
    json_t *raw = parse(text);
    rlt_experiment_config config;
    rlt_err err = {0};
    assert_int_equal(rlt_experiment_config_load(raw, NULL, &config, &err), RLT_ECONFIG);
    if (strstr(err.message, expected) == NULL) {
        fail_msg("%s\ngave:     %s\nexpected: %s", text, err.message, expected);
    }
    rlt_experiment_config_fini(&config);
    json_decref(raw);
}
#endif
