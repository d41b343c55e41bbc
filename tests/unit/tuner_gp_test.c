/* tuner: the GP sampler: restoring, parallel trials, odd spaces and results, limits of its history,
 * and that it gets better than random. */
#include "tuner/samplers/gp_search.h"
#include "tuner_learning.h"

static const char *const mixed =
    "{\"lr\":{\"$space\":\"loguniform\",\"low\":1e-5,\"high\":1},"
    "\"n\":{\"$space\":\"randint\",\"low\":1,\"high\":9},"
    "\"m\":{\"$space\":\"lograndint\",\"low\":1,\"high\":512},"
    "\"z\":{\"$space\":\"normal\",\"mean\":1,\"std\":2},"
    "\"c\":{\"$space\":\"choice\",\"values\":[\"x\",\"y\",\"z\"]},"
    "\"f\":{\"$space\":\"fixed\",\"value\":5},"
    "\"ppo\":{\"epochs\":{\"$space\":\"uniform\",\"low\":2.5,\"high\":3.5}},"
    "\"tune\":{\"points\":[{\"n\":3,\"m\":7},{\"c\":\"z\"}]}}";

static double square(double x) {
    return x * x;
}

static double mixed_loss(const json_t *params) {
    return square(log10(number_in(params, "lr")) + 3) + square(number_in(params, "n") - 7) / 4 +
           square(log2(number_in(params, "m") / 40)) + square(number_in(params, "z") + 2) +
           (strcmp(json_string_value(json_object_get(params, "c")), "y") != 0);
}

static rlt_tune_fields gp_fields(void) {
    rlt_tune_fields fields = tune_default();
    fields.sampler = RLT_SAMPLER_GP;
    fields.maximise = false;
    fields.gp.n_startup_trials = 5;
    fields.gp.consider_stopped = true;
    return fields;
}

static void test_restore(void **unused) {
    (void)unused;
    for (uint32_t world = 0; world < 8; world++) {
        rlt_tune_fields fields = gp_fields();
        fields.seed = world;
        fields.maximise = world % 2;
        fields.gp.consider_stopped = world % 4 != 0;
        rlt_rng rng = rlt_rng_make(3, RLT_STREAM_TEST, world);
        study *at = study_make(&fields, mixed);
        while (at->count < 8 + 4 * (int)world) {
            study_event(at, &rng, 1 + (int)(world % 3) * 3, mixed_loss);
        }
        study_check_restore(at, &fields, mixed, 3);
        study_free(at);
    }
}

/* Trials that ended in another order give the same suggestions, once the same ones have ended. */
static void test_order(void **unused) {
    (void)unused;
    rlt_tune_fields fields = gp_fields();
    study *a = study_make(&fields, mixed), *b = study_make(&fields, mixed);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 5; i++) {
            study_ask(a);
            study_ask(b);
            assert_true(json_equal(a->params[a->count - 1], b->params[b->count - 1]));
        }
        for (int i = 0; i < 5; i++) {
            int forward = a->count - 5 + i, backward = a->count - 1 - i;
            study_end_as(a, forward, RLT_TRIAL_COMPLETED, mixed_loss(a->params[forward]), 1);
            study_end_as(b, backward, RLT_TRIAL_COMPLETED, mixed_loss(b->params[backward]), 1);
        }
    }
    study_free(a);
    study_free(b);
}

static double bowl(const json_t *params) {
    double sum = 0, i = 0;
    const char *path;
    json_t *value;
    json_object_foreach((json_t *)params, path, value) {
        sum += square(json_number_value(value) - 0.3 - 0.02 * i++);
    }
    return sum;
}

static void test_beats_random(void **unused) {
    (void)unused;
    rlt_tune_fields random = tune_default();
    char *three = unit_cube(3), *thirty = unit_cube(30);
    assert_true(study_median(gp_fields(), three, 5, 30, bowl) < 2e-4);
    assert_true(study_median(random, three, 15, 30, bowl) > 1e-2);
    assert_true(study_median(gp_fields(), mixed, 5, 40, mixed_loss) <
                study_median(random, mixed, 15, 40, mixed_loss) / 5);
    double ours = study_median(gp_fields(), thirty, 3, 40, bowl);
    assert_true(ours < study_median(random, thirty, 15, 40, bowl) / 2);
    free(three);
    free(thirty);
}

/* Trials that run at the same time are far from each other, though none has ended in between. */
static void test_parallel(void **unused) {
    (void)unused;
    enum { BATCH = 8 };
    rlt_tune_fields fields = gp_fields();
    char *two = unit_cube(2);
    study *at = study_make(&fields, two);
    study_run(at, 7, bowl);
    for (int i = 0; i < BATCH; i++) {
        study_ask(at);
    }
    for (int i = at->count - BATCH; i < at->count; i++) {
        for (int k = at->count - BATCH; k < i; k++) {
            double distance =
                hypot(number_in(at->params[i], "p00") - number_in(at->params[k], "p00"),
                      number_in(at->params[i], "p01") - number_in(at->params[k], "p01"));
            assert_true(distance > 0.01);
        }
    }
    study_free(at);
    free(two);
}

static double constant(const json_t *params) {
    (void)params;
    return 3;
}

static double none(const json_t *params) {
    (void)params;
    return NAN;
}

static double infinite(const json_t *params) {
    return number_in(params, "p00") > 0.5 ? INFINITY : -INFINITY;
}

static double huge(const json_t *params) {
    return 1e300 * (number_in(params, "p00") - 0.5) + 1e290;
}

/* Whatever comes back: suggestions are values of the space, and not all alike. */
static void test_odd_results(void **unused) {
    (void)unused;
    static const study_loss losses[] = {constant, none, infinite, huge};
    rlt_tune_fields fields = gp_fields();
    char *two = unit_cube(2);
    for (size_t l = 0; l < RLT_COUNT(losses); l++) {
        study *at = study_make(&fields, two);
        study_run(at, 25, losses[l]);
        double least = 1, most = 0;
        for (int i = 0; i < at->count; i++) {
            double x = number_in(at->params[i], "p00");
            assert_true(x >= 0 && x <= 1);
            least = fmin(least, x);
            most = fmax(most, x);
        }
        assert_true(most - least > 0.3);
        study_free(at);
    }
    free(two);
}

/* Results that are no numbers count as the worst: the search stays where there are some. */
static double half_undefined(const json_t *params) {
    double x = number_in(params, "p00");
    return x > 0.45 ? NAN : 1 - x;
}

static void test_undefined_half(void **unused) {
    (void)unused;
    rlt_tune_fields fields = gp_fields();
    char *two = unit_cube(2);
    study *at = study_make(&fields, two);
    study_run(at, 40, half_undefined);
    assert_true(at->best < 0.58);
    int defined = 0;
    for (int i = 20; i < 40; i++) {
        defined += number_in(at->params[i], "p00") <= 0.45;
    }
    assert_true(defined >= 10);
    study_free(at);
    free(two);
}

static void check_runs(const char *space, int trials) {
    rlt_tune_fields fields = gp_fields();
    study *at = study_make(&fields, space);
    study_run(at, trials, bowl);
    study_check_restore(at, &fields, space, 2);
    study_free(at);
}

static void test_odd_spaces(void **unused) {
    (void)unused;
    check_runs("{}", 8);
    check_runs("{\"a\":{\"$space\":\"fixed\",\"value\":5}}", 8);
    check_runs("{\"ppo\":{\"epochs\":{\"$space\":\"uniform\",\"low\":2.5,\"high\":3.5}}}", 8);
    check_runs("{\"a\":{\"$space\":\"choice\",\"values\":[1,2,3]}}", 15);
    check_runs("{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}", 20);
    check_runs("{\"a\":{\"$space\":\"randint\",\"low\":0,\"high\":1}}", 15);
    check_runs("{\"a\":{\"$space\":\"randint\",\"low\":0,\"high\":1000000}}", 20);
    check_runs("{\"a\":{\"$space\":\"lograndint\",\"low\":1,\"high\":2},"
               "\"b\":{\"$space\":\"grid\",\"values\":[3,5,9]},"
               "\"c\":{\"$space\":\"quniform\",\"low\":0.5,\"high\":0.7,\"step\":0.01}}",
               20);
    rlt_buf many = {0}; /* more choices and more parameters than there are Sobol dimensions */
    for (int i = 0; i < 110; i++) {
        rlt_buf_printf(&many, "%s\"p%03d\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}",
                       i == 0 ? "{" : ",", i);
    }
    rlt_buf_printf(&many, ",\"q\":{\"$space\":\"choice\",\"values\":[0");
    for (int i = 1; i < 200; i++) {
        rlt_buf_printf(&many, ",%d", i);
    }
    rlt_buf_printf(&many, "]}}");
    check_runs(many.data, 7);
    rlt_buf_fini(&many);
}

/* All values of a small space are tried before any is tried again. */
static double by_table(const json_t *params) {
    return square(number_in(params, "a") - 3) +
           (json_integer_value(json_object_get(params, "b")) != 7);
}

static void test_small_space(void **unused) {
    (void)unused;
    rlt_tune_fields fields = gp_fields();
    study *at = study_make(&fields, "{\"a\":{\"$space\":\"randint\",\"low\":1,\"high\":5},"
                                    "\"b\":{\"$space\":\"choice\",\"values\":[6,7,8]}}");
    study_run(at, 15, by_table);
    assert_true(at->best == 0);
    study_free(at);
}

/* Beyond the limits of its history the search goes on, and keeps the best trial in mind. */
/* 24 places, of which the first trials take some twice: after that none comes again before all have
 * been tried, however many run at a time; then the best ones do. */
static void test_no_repeats(void **unused) {
    (void)unused;
    enum { PLACES = 24, TRIALS = 40, PARALLEL = 3 };
    rlt_tune_fields fields = gp_fields();
    rlt_tuner *tuner = tuner_of(&fields, "{\"n\":{\"$space\":\"randint\",\"low\":1,\"high\":8},"
                                         "\"c\":{\"$space\":\"choice\",\"values\":[0,1,2]}}");
    bool tried[PLACES] = {false};
    double losses[TRIALS];
    int left = PLACES;
    for (int i = 0; i < TRIALS; i++) {
        json_t *params = ask(tuner, i);
        int n = (int)number_in(params, "n"), c = (int)number_in(params, "c");
        int place = 3 * (n - 1) + c;
        json_decref(params);
        losses[i] = square(n - 5) + c;
        assert_true(!tried[place] || left == 0 || i < 5 + PARALLEL);
        left -= !tried[place];
        tried[place] = true;
        if (i >= PARALLEL - 1) {
            int ended = i - (PARALLEL - 1);
            assert_int_equal(
                rlt_tuner_finish(tuner, ended, RLT_TRIAL_COMPLETED, losses[ended], 1, NULL),
                RLT_OK);
        }
    }
    assert_int_equal(left, 0);
    rlt_tuner_destroy(&tuner);
}

static void test_long_history(void **unused) {
    (void)unused;
    rlt_tune_fields fields = gp_fields(), random = tune_default();
    char *two = unit_cube(2);
    study *from = study_make(&random, two), *at = study_make(&fields, two);
    study_run(from, 600, bowl);
    rlt_tuner *again = study_restored(from, &fields, two);
    json_t *params = ask(again, 600);
    assert_near(number_in(params, "p00"), 0.3, 0.1);
    assert_near(number_in(params, "p01"), 0.32, 0.1);
    json_decref(params);
    rlt_tuner_destroy(&again);
    study_free(from);
    study_free(at);
    free(two);
}

/* ---- where the improvement is largest ---- */

static void test_search(void **unused) {
    (void)unused;
    static const bool categorical[2] = {false, false};
    rlt_param real = param_of("{\"$space\":\"uniform\",\"low\":0,\"high\":1}");
    rlt_gp_dim dims[2] = {{&real, false, 0}, {&real, false, 0}};
    rlt_rng rng = rlt_rng_make(9, RLT_STREAM_TEST, 0);
    rlt_gp gp;
    rlt_gp_init(&gp, 2, categorical, 24);
    double best = -INFINITY, incumbent[2], x[2];
    for (int i = 0; i < 20; i++) {
        x[0] = rlt_rng_f64(&rng);
        x[1] = rlt_rng_f64(&rng);
        double y = sin(6 * x[0]) + cos(5 * x[1]);
        rlt_gp_add(&gp, x, y);
        if (y > best) {
            best = y;
            memcpy(incumbent, x, sizeof x);
        }
    }
    rlt_gp_fit(&gp, 60);
    rlt_gp_search search = {.gp = &gp,
                            .dims = dims,
                            .any_feasible = true,
                            .best = best,
                            .incumbents = incumbent,
                            .incumbent_count = 1,
                            .seed = 4,
                            .index = 20};
    double found = rlt_gp_search_run(&search, x), mean, variance, most = -INFINITY;
    rlt_gp_predict(&gp, x, &mean, &variance, NULL, NULL);
    assert_near(found, rlt_gp_log_improvement(&search, mean, variance), 1e-9);
    for (int i = 0; i <= 100; i++) {
        for (int k = 0; k <= 100; k++) {
            rlt_gp_predict(&gp, (double[]){i / 100.0, k / 100.0}, &mean, &variance, NULL, NULL);
            most = fmax(most, rlt_gp_log_improvement(&search, mean, variance));
        }
    }
    assert_true(found > most - 1e-3);
    rlt_gp_fini(&gp);
    rlt_param_fini(&real);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restore),      cmocka_unit_test(test_order),
        cmocka_unit_test(test_beats_random), cmocka_unit_test(test_parallel),
        cmocka_unit_test(test_odd_results),  cmocka_unit_test(test_undefined_half),
        cmocka_unit_test(test_odd_spaces),   cmocka_unit_test(test_small_space),
        cmocka_unit_test(test_long_history), cmocka_unit_test(test_no_repeats),
        cmocka_unit_test(test_search),
    };
    return cmocka_run_group_tests_name("tuner_gp", tests, NULL, NULL);
}
