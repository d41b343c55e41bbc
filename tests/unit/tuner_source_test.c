/* tuner: trials of an earlier experiment: every sampler that learns takes them as results that were
 * there before, and none of them counts as this experiment's; CMA-ES starts where the package cmaes
 * does (tests/golden/cma_warm.json). */
#include "tuner/samplers/cmaes.h"
#include "tuner_learning.h"

#include <string.h>

static const char *const space = "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                 "\"b\":{\"$space\":\"loguniform\",\"low\":0.001,\"high\":10},"
                                 "\"c\":{\"$space\":\"randint\",\"low\":1,\"high\":40},"
                                 "\"d\":{\"$space\":\"choice\",\"values\":[\"x\",\"y\",\"z\"]}}";

static const int learners[] = {RLT_SAMPLER_TPE,   RLT_SAMPLER_CMAES, RLT_SAMPLER_GP,
                               RLT_SAMPLER_NSGA2, RLT_SAMPLER_NSGA3, RLT_SAMPLER_DE,
                               RLT_SAMPLER_BOHB};

static double loss(const json_t *params) {
    double a = number_in(params, "a") - 0.8, b = log10(number_in(params, "b")) - 0.3;
    double c = (number_in(params, "c") - 30) / 40;
    bool y = strcmp(json_string_value(json_object_get(params, "d")), "y") == 0;
    return a * a + b * b + c * c + (y ? 0 : 0.3);
}

/* `count` random trials of the same space. */
typedef struct sources {
    json_t *params[256];
    double values[256];
    int count;
} sources;
static sources *make_sources(int count) {
    sources *made = rlt_alloc(sizeof(*made));
    rlt_tune_fields fields = tune_default();
    fields.seed = 99;
    rlt_tuner *tuner = tuner_of(&fields, space);
    for (made->count = 0; made->count < count; made->count++) {
        made->params[made->count] = ask(tuner, made->count);
        made->values[made->count] = loss(made->params[made->count]);
    }
    rlt_tuner_destroy(&tuner);
    return made;
}

static void free_sources(sources *old) {
    for (int i = 0; i < old->count; i++) {
        json_decref(old->params[i]);
    }
    rlt_free(old);
}

static bool give(rlt_tuner *tuner, const json_t *params, double value, rlt_trial_state state) {
    bool used = !json_is_object(params);
    rlt_err err = {0};
    if (rlt_tuner_source(tuner, params, &value, NULL, state, 9, &used, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return used;
}

static void give_all(rlt_tuner *tuner, const sources *from) {
    for (int i = 0; i < from->count; i++) {
        assert_true(give(tuner, from->params[i], from->values[i],
                         i % 7 == 6 ? RLT_TRIAL_STOPPED : RLT_TRIAL_COMPLETED));
    }
    assert_int_equal(rlt_tuner_sources(tuner), from->count);
}

static rlt_tune_fields fields_of(int sampler) {
    rlt_tune_fields fields = tune_default();
    fields.sampler = sampler;
    fields.maximise = false;
    fields.nsga.population_size = 10;
    return fields;
}

/* The first ten trials after 200 of an earlier experiment are better than without them. */
static void test_learns(void **unused) {
    (void)unused;
    sources *from = make_sources(200);
    for (size_t s = 0; s < RLT_COUNT(learners); s++) {
        double sum[2] = {0, 0};
        for (int seed = 0; seed < 6; seed++) {
            for (int warm = 0; warm < 2; warm++) {
                rlt_tune_fields fields = fields_of(learners[s]);
                fields.seed = seed;
                study *at = study_make(&fields, space);
                if (warm) {
                    give_all(at->tuner, from);
                }
                for (int i = 0; i < 10; i++) {
                    study_ask(at);
                    double value = loss(at->params[i]);
                    study_end_as(at, i, RLT_TRIAL_COMPLETED, value, 1);
                    sum[warm] += value;
                }
                study_free(at);
            }
        }
        if (!(sum[1] < 0.75 * sum[0])) {
            fail_msg("%s: mean loss %g with, %g without earlier trials",
                     rlt_samplers[learners[s]].name, sum[1] / 60, sum[0] / 60);
        }
    }
    free_sources(from);
}

/* Interrupted and restored with the same earlier trials, it goes on as it was. */
static void test_restored(void **unused) {
    (void)unused;
    sources *from = make_sources(37);
    for (size_t s = 0; s < RLT_COUNT(learners); s++) {
        rlt_tune_fields fields = fields_of(learners[s]);
        rlt_rng rng = rlt_rng_make(8, RLT_STREAM_TEST, (uint32_t)s);
        study *at = study_make(&fields, space);
        give_all(at->tuner, from);
        for (int i = 0; i < 90; i++) {
            study_event(at, &rng, 4, loss);
        }
        rlt_tuner *again = tuner_of(&fields, space);
        give_all(again, from);
        for (int i = 0; i < at->count; i++) {
            assert_int_equal(rlt_tuner_restore(again, i, at->params[i], NULL), RLT_OK);
            if (at->ends[i].ended) {
                end_in(again, i, &at->ends[i]);
            }
        }
        for (int i = 0; i < 5; i++) {
            study_ask(at);
            json_t *params = ask(again, at->count - 1);
            assert_true(json_equal(params, at->params[at->count - 1]));
            json_decref(params);
        }
        rlt_tuner_destroy(&again);
        study_free(at);
    }
    free_sources(from);
}

static void test_no_part_of_the_experiment(void **unused) {
    (void)unused;
    sources *from = make_sources(20);
    rlt_tune_fields fields = fields_of(RLT_SAMPLER_TPE);
    fields.trials = 3;
    fields.budget.steps = 100;
    fields.goal = 0.5;
    rlt_tuner *tuner = tuner_of(&fields, space);
    double value;
    give_all(tuner, from);
    assert_true(give(tuner, from->params[0], 0, RLT_TRIAL_COMPLETED)); /* beyond the goal */
    assert_int_equal(rlt_tuner_best(tuner, &value), -1);
    assert_false(rlt_tuner_goal_reached(tuner));
    for (int i = 0; i < 3; i++) {
        json_t *params = ask(tuner, i);
        assert_int_equal(rlt_tuner_finish(tuner, i, RLT_TRIAL_COMPLETED, 5 - i, 1, NULL), RLT_OK);
        json_decref(params);
    }
    assert_int_equal(rlt_tuner_best(tuner, &value), 2);
    assert_true(value == 3);
    int64_t number;
    json_t *params;
    rlt_err err = {0};
    assert_int_equal(rlt_tuner_ask(tuner, &number, &params, &err), RLT_ENOTFOUND);
    assert_contains(err.message, "all 3 trials");
    rlt_tuner_destroy(&tuner);
    free_sources(from);
}

static void test_front(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_of(RLT_SAMPLER_NSGA2);
    fields.objectives.count = 2;
    fields.objectives.maximise[0] = fields.objectives.maximise[1] = true;
    fields.constraints.count = 1;
    sources *from = make_sources(15);
    rlt_tuner *tuner = tuner_of(&fields, space);
    for (int i = 0; i < 15; i++) { /* would dominate everything */
        bool used = false;
        assert_int_equal(rlt_tuner_source(tuner, from->params[i], (double[]){9, 9}, (double[]){-1},
                                          RLT_TRIAL_COMPLETED, 1, &used, NULL),
                         RLT_OK);
        assert_true(used);
    }
    const int64_t *numbers;
    assert_int_equal(rlt_tuner_front(tuner, &numbers), 0);
    static const double values[][2] = {{1, 2}, {0, 0}, {2, 1}, {5, 5}};
    for (int i = 0; i < 4; i++) {
        json_decref(ask(tuner, i));
        double limit = i == 3 ? 1 : -1; /* the last one is not feasible */
        assert_int_equal(
            rlt_tuner_finish_values(tuner, i, RLT_TRIAL_COMPLETED, values[i], &limit, 1, NULL),
            RLT_OK);
    }
    assert_int_equal(rlt_tuner_front(tuner, &numbers), 2);
    assert_true(numbers[0] == 0 && numbers[1] == 2);
    rlt_tuner_destroy(&tuner);
    free_sources(from);
}

static void test_refused(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_of(RLT_SAMPLER_TPE);
    rlt_tuner *tuner = tuner_of(&fields, space);
    json_t *good = from_text("{\"a\":0.5,\"b\":1.0,\"c\":3,\"d\":\"y\",\"more\":4}");
    assert_true(give(tuner, good, 1, RLT_TRIAL_COMPLETED));
    assert_true(give(tuner, good, NAN, RLT_TRIAL_COMPLETED)); /* came to no number: the worst */
    assert_false(give(tuner, good, 1, RLT_TRIAL_FAILED));
    static const struct {
        const char *params, *message;
    } unfit[] = {
        {"{\"a\":0.5,\"b\":1.0,\"c\":3}", "d: there is no value"},
        {"{\"a\":1.5,\"b\":1.0,\"c\":3,\"d\":\"y\"}", "a: 1.5 is not a number from 0 to 1"},
        {"{\"a\":0.5,\"b\":1.0,\"c\":2.5,\"d\":\"y\"}", "c: 2.5 is not an integer"},
        {"{\"a\":0.5,\"b\":1.0,\"c\":3,\"d\":\"w\"}", "d: \"w\" is not one of the values"},
        {"[]", "a: there is no value"}};
    for (size_t i = 0; i < RLT_COUNT(unfit); i++) {
        json_t *params = from_text(unfit[i].params);
        bool used = true;
        rlt_err err = {0};
        double value = 1;
        assert_int_equal(
            rlt_tuner_source(tuner, params, &value, NULL, RLT_TRIAL_COMPLETED, 1, &used, &err),
            RLT_OK);
        assert_false(used);
        assert_contains(err.message, unfit[i].message);
        json_decref(params);
    }
    assert_int_equal(rlt_tuner_sources(tuner), 2);
    double value = 1;
    rlt_err err = {0};
    assert_int_equal(rlt_tuner_source(tuner, good, &value, NULL, RLT_TRIAL_RUNNING, 1, NULL, &err),
                     RLT_EINVAL);
    assert_contains(err.message, "running: it has not ended");
    json_decref(ask(tuner, 0));
    assert_int_equal(
        rlt_tuner_source(tuner, good, &value, NULL, RLT_TRIAL_COMPLETED, 1, NULL, &err),
        RLT_EINVAL);
    assert_contains(err.message, "must come first");
    rlt_tuner_destroy(&tuner);
    fields.sampler = RLT_SAMPLER_SOBOL; /* learns nothing */
    tuner = tuner_of(&fields, space);
    assert_false(give(tuner, good, 1, RLT_TRIAL_COMPLETED));
    assert_int_equal(rlt_tuner_sources(tuner), 0);
    rlt_tuner_destroy(&tuner);
    json_decref(good);
}

/* ---- CMA-ES ---- */

static double at_2d(const json_t *rows, size_t i, size_t j) {
    return json_number_value(json_array_get(json_array_get(rows, i), j));
}

static void check_moments(const json_t *one) {
    const json_t *points = json_object_get(one, "points"), *means = json_object_get(one, "mean");
    const json_t *values = json_object_get(one, "values"), *covs = json_object_get(one, "cov");
    enum { N = 8 };
    size_t n = json_array_size(means);
    rlt_param params[N] = {{.kind = RLT_DIST_UNIFORM, .low = 0, .high = 1}};
    int places[N] = {0};
    for (size_t j = 0; j < n; j++) {
        params[j] = params[0];
        places[j] = (int)j;
    }
    rlt_search_space all = {params, (int)n};
    rlt_tune_fields fields = fields_of(RLT_SAMPLER_CMAES);
    rlt_history history = {.dimensions = (int)n, .objectives = 1};
    for (size_t i = 0; i < json_array_size(values); i++) {
        rlt_value row[N];
        for (size_t j = 0; j < n; j++) {
            row[j] = (rlt_value){at_2d(points, i, j), -1};
        }
        double key = -json_number_value(json_array_get(values, i));
        rlt_history_start(&history, row);
        rlt_history_end(&history, history.sources++, RLT_TRIAL_COMPLETED, &key, NULL, 1);
    }
    rlt_cmaes at = {
        .space = &all, .history = &history, .config = &fields, .n = (int)n, .params = places};
    double mean[N], cov[N * N];
    assert_true(rlt_cmaes_warm(&at, mean, cov));
    rlt_cma cma;
    rlt_cma_init(&cma, (int)n, 6, mean, 0.2);
    rlt_cma_set_covariance(&cma, cov);
    assert_near(cma.sigma, json_number_value(json_object_get(one, "sigma")), 1e-12);
    for (size_t j = 0; j < n; j++) {
        assert_near(cma.mean[j], json_number_value(json_array_get(means, j)), 1e-13);
        for (size_t k = 0; k < n; k++) {
            assert_near(cma.cov[j * n + k], at_2d(covs, j, k), 1e-10);
        }
    }
    rlt_cma_fini(&cma);
    rlt_history_fini(&history);
}

static void test_moments(void **unused) {
    (void)unused;
    json_error_t error;
    json_t *cases = json_load_file("tests/golden/cma_warm.json", 0, &error);
    assert_non_null(cases);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        check_moments(json_array_get(cases, i));
    }
    assert_int_equal(json_array_size(cases), 5);
    json_decref(cases);
}

/* With fewer than ten trials the best of them is the middle; without any number the start is the
 * usual one. */
static void test_few(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_of(RLT_SAMPLER_CMAES);
    fields.cmaes.n_startup_trials = 0;
    json_t *best = from_text("{\"a\":0.125,\"b\":0.1,\"c\":7,\"d\":\"y\"}");
    json_t *worse = from_text("{\"a\":0.9,\"b\":9.0,\"c\":40,\"d\":\"x\"}");
    rlt_tuner *tuner = tuner_of(&fields, space);
    assert_true(give(tuner, worse, 8, RLT_TRIAL_COMPLETED));
    assert_true(give(tuner, best, 2, RLT_TRIAL_COMPLETED));
    assert_true(give(tuner, worse, 1, RLT_TRIAL_STOPPED)); /* behind those that completed */
    double sum = 0;
    for (int i = 0; i < 64; i++) {
        json_t *params = ask(tuner, i);
        sum += number_in(params, "a") / 64;
        json_decref(params);
    }
    assert_near(sum, 0.125, 0.05);
    rlt_tuner_destroy(&tuner);
    tuner = tuner_of(&fields, space);
    rlt_tuner *plain = tuner_of(&fields, space);
    assert_true(give(tuner, best, NAN, RLT_TRIAL_COMPLETED));
    json_t *a = ask(tuner, 0), *b = ask(plain, 0);
    assert_true(json_equal(a, b));
    json_t *const owned[] = {a, b, best, worse};
    for (size_t i = 0; i < RLT_COUNT(owned); i++) {
        json_decref(owned[i]);
    }
    rlt_tuner_destroy(&tuner);
    rlt_tuner_destroy(&plain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_restored),
        cmocka_unit_test(test_no_part_of_the_experiment),
        cmocka_unit_test(test_front),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_few),
    };
    return cmocka_run_group_tests_name("tuner_source", tests, NULL, NULL);
}
