/* tuner: the sampler gp with several objectives: it finds a front, keeps constraints, spreads
 * running trials, and asks for the same whatever the order in which results came. */
#include "tuner/pareto.h"
#include "tuner_testing.h"

enum { TRIALS = 36, OBJECTIVES = 2 };
static const char *const space = "{\"x\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                 "\"y\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                 "\"n\":{\"$space\":\"randint\",\"low\":0,\"high\":9},"
                                 "\"kind\":{\"$space\":\"choice\",\"values\":[\"a\",\"b\"]}}";

static rlt_tune_fields several(int sampler, int constraints) {
    rlt_tune_fields fields = tune_default();
    fields.sampler = sampler;
    fields.objectives.count = OBJECTIVES;
    fields.objectives.maximise[0] = fields.maximise = true;
    fields.objectives.maximise[1] = false;
    fields.constraints.count = constraints;
    return fields;
}

static double number_in(const json_t *params, const char *name) {
    return json_number_value(json_object_get(params, name));
}

/* The front is y = 0.5, n = 3, kind b, any x; the constraint: x at most 0.6. */
static void evaluate(const json_t *params, double *values, double *limit) {
    double x = number_in(params, "x"), y = number_in(params, "y"), n = number_in(params, "n");
    bool right = strcmp(json_string_value(json_object_get(params, "kind")), "b") == 0;
    double loss = pow(y - 0.5, 2) + pow((n - 3) / 9, 2) + (right ? 0 : 0.3);
    values[0] = x - loss;
    values[1] = x * x + loss;
    *limit = x - 0.6;
}

typedef struct result {
    double values[OBJECTIVES], limit;
    json_t *params;
} result;

static void tell(rlt_tuner *tuner, int64_t number, const result *end) {
    assert_int_equal(rlt_tuner_finish_values(tuner, number, RLT_TRIAL_COMPLETED, end->values,
                                             &end->limit, 1, NULL),
                     RLT_OK);
}

static void search(rlt_tuner *tuner, result *results, int from, int to) {
    for (int i = from; i < to; i++) {
        results[i].params = ask(tuner, i);
        evaluate(results[i].params, results[i].values, &results[i].limit);
        tell(tuner, i, &results[i]);
    }
}

static void forget(result *results, int count) {
    for (int i = 0; i < count; i++) {
        json_decref(results[i].params);
    }
}

static double volume_of(const result *results, bool limited) {
    static const double reference[] = {-1, -2};
    double keys[TRIALS * OBJECTIVES];
    int count = 0;
    for (int i = 0; i < TRIALS; i++) {
        if (!limited || results[i].limit <= 0) {
            keys[count * OBJECTIVES] = results[i].values[0];
            keys[count++ * OBJECTIVES + 1] = -results[i].values[1];
        }
    }
    return rlt_hypervolume(keys, count, OBJECTIVES, reference);
}

static double volume_by(int sampler, int constraints) {
    rlt_tune_fields fields = several(sampler, constraints);
    rlt_tuner *tuner = tuner_of(&fields, space);
    result results[TRIALS];
    search(tuner, results, 0, TRIALS);
    double volume = volume_of(results, constraints > 0);
    forget(results, TRIALS);
    rlt_tuner_destroy(&tuner);
    return volume;
}

/* Of the volume above the best front, of which random search misses a tenth. */
static void test_finds(void **unused) {
    (void)unused;
    double most[] = {0, 0}; /* without and with the constraint: 1000 points of the true front */
    for (int limited = 0; limited < 2; limited++) {
        static double keys[1001 * OBJECTIVES];
        static const double reference[] = {-1, -2};
        for (int i = 0; i <= 1000; i++) {
            double x = (limited ? 0.6 : 1.0) * i / 1000;
            keys[i * OBJECTIVES] = x;
            keys[i * OBJECTIVES + 1] = -x * x;
        }
        most[limited] = rlt_hypervolume(keys, 1001, OBJECTIVES, reference);
        double random = volume_by(RLT_SAMPLER_RANDOM, limited),
               gp = volume_by(RLT_SAMPLER_GP, limited);
        assert_true(gp < most[limited]);
        assert_true(most[limited] - gp < 0.25 * (most[limited] - random));
    }
}

static void test_order(void **unused) {
    (void)unused;
    rlt_tune_fields fields = several(RLT_SAMPLER_GP, 1);
    rlt_tuner *one = tuner_of(&fields, space), *two = tuner_of(&fields, space);
    result results[TRIALS];
    search(one, results, 0, TRIALS - 1);
    for (int i = 0; i < TRIALS - 1;
         i++) { /* the same starts, as a driver that resumes tells them */
        assert_int_equal(rlt_tuner_restore(two, i, results[i].params, NULL), RLT_OK);
    }
    for (int i = 0; i < TRIALS - 1; i++) {
        int number = (i * 11 + 5) % (TRIALS - 1);
        tell(two, number, &results[number]);
    }
    json_t *first = ask(one, TRIALS - 1), *second = ask(two, TRIALS - 1);
    assert_true(json_equal(first, second));
    json_decref(first);
    json_decref(second);
    forget(results, TRIALS - 1);
    rlt_tuner_destroy(&one);
    rlt_tuner_destroy(&two);
}

static void test_running(void **unused) {
    (void)unused;
    enum { AHEAD = 5 };
    rlt_tune_fields fields = several(RLT_SAMPLER_GP, 0);
    rlt_tuner *tuner = tuner_of(&fields, space);
    result results[TRIALS];
    json_t *running[AHEAD];
    search(tuner, results, 0, TRIALS);
    for (int i = 0; i < AHEAD; i++) {
        running[i] = ask(tuner, TRIALS + i);
        for (int k = 0; k < i; k++) {
            double apart = fabs(number_in(running[i], "x") - number_in(running[k], "x")) +
                           fabs(number_in(running[i], "y") - number_in(running[k], "y"));
            assert_true(apart > 0.005);
        }
    }
    for (int i = 0; i < AHEAD; i++) {
        json_decref(running[i]);
    }
    forget(results, TRIALS);
    rlt_tuner_destroy(&tuner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_running),
    };
    return cmocka_run_group_tests_name("tuner_gp_several", tests, NULL, NULL);
}
