/* tuner: a sampler that cannot search a space, or what is asked of it, says so before the first
 * trial: which parameter, why, and what could be used instead. */
#include "tuner_testing.h"

#include <stdio.h>

#define UNIFORM "{\"$space\":\"uniform\",\"low\":0,\"high\":1}"
#define CHOICE "{\"$space\":\"choice\",\"values\":[\"x\",\"y\"]}"

static char *many(const char *space, int count) {
    size_t size = 64 + (size_t)count * 80, length = 0;
    char *text = malloc(size);
    for (int i = 0; i < count; i++) {
        length += (size_t)snprintf(text + length, size - length, "%s\"p%03d\":%s",
                                   i == 0 ? "{" : ",", i, space);
    }
    snprintf(text + length, size - length, "}");
    return text;
}

static void refuse(rlt_tune_fields fields, int sampler, const char *space, const char *parameter,
                   const char *instead) {
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    fields.sampler = sampler;
    if (try_tuner(&fields, space, NULL, &tuner, &err) != RLT_ECONFIG) {
        fail_msg("%s takes it", rlt_samplers[sampler].name);
    }
    assert_null(tuner);
    assert_contains(err.message, parameter);
    assert_contains(err.message, rlt_samplers[sampler].name);
    assert_contains(err.message, instead);
}

static void allow(rlt_tune_fields fields, int sampler, const char *space) {
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    fields.sampler = sampler;
    if (try_tuner(&fields, space, NULL, &tuner, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    json_decref(ask(tuner, 0));
    rlt_tuner_destroy(&tuner);
}

static void test_spaces(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    static const char *const one = "{\"a\":" CHOICE ",\"b\":" UNIFORM "}";
    static const char *const choices = "{\"a\":" CHOICE ",\"b\":" CHOICE "}";
    refuse(fields, RLT_SAMPLER_GRID, one, "b: ", "sampler = \"random\"");
    refuse(fields, RLT_SAMPLER_BRUTE, one, "b: ", "tpe");
    refuse(fields, RLT_SAMPLER_CMAES, choices, "a: is a choice", "sampler = \"tpe\"");
    char *hundred = many(UNIFORM, 101), *two_hundred = many(UNIFORM, 201);
    refuse(fields, RLT_SAMPLER_SOBOL, hundred, "p100", "random");
    refuse(fields, RLT_SAMPLER_HALTON, hundred, "p100", "random");
    refuse(fields, RLT_SAMPLER_CMAES, two_hundred, "p200", "random");
    static const int any[] = {RLT_SAMPLER_RANDOM, RLT_SAMPLER_TPE,   RLT_SAMPLER_GP,
                              RLT_SAMPLER_LHS,    RLT_SAMPLER_NSGA2, RLT_SAMPLER_NSGA3,
                              RLT_SAMPLER_DE,     RLT_SAMPLER_BOHB,  RLT_SAMPLER_EVOLUTION};
    for (size_t i = 0; i < RLT_COUNT(any); i++) {
        allow(fields, any[i], hundred);
        allow(fields, any[i], choices);
        allow(fields, any[i], "{}");
    }
    free(hundred);
    free(two_hundred);
}

static void test_several_and_limits(void **unused) {
    (void)unused;
    static const char *const space = "{\"a\":" UNIFORM "}";
    static const int single[] = {RLT_SAMPLER_CMAES, RLT_SAMPLER_DE, RLT_SAMPLER_BOHB,
                                 RLT_SAMPLER_EVOLUTION};
    rlt_tune_fields several = tune_default(), limited = several;
    several.objectives.count = 2;
    limited.constraints.count = 1;
    for (size_t i = 0; i < RLT_COUNT(single); i++) {
        refuse(several, single[i], space, "tune.metrics", "gp, nsga2, nsga3, tpe or random");
    }
    allow(several, RLT_SAMPLER_GP, space);
    several.base = RLT_SAMPLER_CMAES;
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    several.sampler = RLT_SAMPLER_PARTIAL_FIXED;
    assert_int_equal(try_tuner(&several, space, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "cmaes searches for the best of one metric");
    refuse(limited, RLT_SAMPLER_CMAES, space, "constraints", "tpe, gp, de, nsga2, nsga3 or random");
    refuse(limited, RLT_SAMPLER_BOHB, space, "constraints", "tpe, gp, de");
    allow(limited, RLT_SAMPLER_GP, space);
    allow(limited, RLT_SAMPLER_DE, space);
}

static void test_options(void **unused) {
    (void)unused;
    static const char *const space = "{\"a\":" UNIFORM "}";
    rlt_tune_fields fields = tune_default();
    fields.de.population_size = 3;
    refuse(fields, RLT_SAMPLER_DE, space, "a population of 3", "at least 4");
    fields.de.population_size = 0;
    fields.de.mutation_min = 1.5;
    refuse(fields, RLT_SAMPLER_DE, space, "1.5 is more than 1", "mutation_max");
    fields.stopper = RLT_STOPPER_MEDIAN;
    fields.milestones.interval = 10;
    refuse(fields, RLT_SAMPLER_BOHB, space, "median has none", "stopper = \"hyperband\"");
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(&fields, "{\"a\":{\"$function\":\"a\"}}", NULL, &tuner, &err),
                     RLT_ECONFIG);
    assert_contains(err.message, "a: is a function of the other parameters");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spaces),
        cmocka_unit_test(test_several_and_limits),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests_name("tuner_refusal", tests, NULL, NULL);
}
