/* tuner: the CMA-ES sampler: places in [0, 1], restoring, odd spaces, margins, restarts, and that
 * it gets better than random. */
#include "tuner_learning.h"

static const char *const mixed =
    "{\"lr\":{\"$space\":\"loguniform\",\"low\":1e-5,\"high\":1},"
    "\"n\":{\"$space\":\"randint\",\"low\":1,\"high\":9},"
    "\"m\":{\"$space\":\"lograndint\",\"low\":1,\"high\":512},"
    "\"q\":{\"$space\":\"quniform\",\"low\":0.1,\"high\":0.9,\"step\":0.1},"
    "\"z\":{\"$space\":\"normal\",\"mean\":1,\"std\":2},"
    "\"c\":{\"$space\":\"choice\",\"values\":[\"x\",\"y\"]},"
    "\"ppo\":{\"epochs\":{\"$space\":\"uniform\",\"low\":2.5,\"high\":3.5}},"
    "\"f\":{\"$space\":\"fixed\",\"value\":5},"
    "\"tune\":{\"points\":[{\"n\":3,\"m\":7},{\"q\":0.5}]}}";

static double square(double x) {
    return x * x;
}

static double mixed_loss(const json_t *params) {
    return square(log10(number_in(params, "lr")) + 3) + square(number_in(params, "n") - 7) / 4 +
           square(log2(number_in(params, "m") / 40)) + square(number_in(params, "q") - 0.3) * 10 +
           square(number_in(params, "z") + 2) +
           (strcmp(json_string_value(json_object_get(params, "c")), "y") != 0);
}

static rlt_tune_fields cmaes_fields(void) {
    rlt_tune_fields fields = tune_default();
    fields.sampler = RLT_SAMPLER_CMAES;
    fields.maximise = false;
    fields.cmaes.n_startup_trials = 1;
    fields.cmaes.consider_stopped = true;
    return fields;
}

/* Every value comes back from its place, and its cell is where it should be. */
static void check_places(const char *text) {
    rlt_param param = param_of(text);
    for (int i = 0; i < 1000; i++) {
        double u = (i + 0.5) / 1000, low, high;
        rlt_value value = rlt_param_place(&param, u);
        double place = rlt_param_unit(&param, value);
        rlt_value again = rlt_param_place(&param, place);
        assert_int_equal(again.choice, value.choice);
        assert_near(again.number, value.number, 1e-9 * fabs(value.number));
        if (rlt_param_count(&param) == 0) {
            assert_near(place, u, 1e-9);
            continue;
        }
        rlt_param_cell(&param, u, &low, &high);
        assert_true(low <= u && u <= high && low <= place && place <= high);
        if (isfinite(low) && isfinite(high)) {
            assert_near((low + high) / 2, place, 1e-12);
        }
        if (isfinite(low)) {
            assert_true(rlt_param_at(&param, low - 1e-9).number < value.number);
            assert_true(rlt_param_at(&param, low + 1e-9).number == value.number);
        }
        if (isfinite(high)) {
            assert_true(rlt_param_at(&param, high + 1e-9).number > value.number);
        }
    }
    rlt_param_fini(&param);
}

static void test_places(void **unused) {
    (void)unused;
    check_places("{\"$space\":\"uniform\",\"low\":-3,\"high\":2}");
    check_places("{\"$space\":\"loguniform\",\"low\":1e-7,\"high\":2}");
    check_places("{\"$space\":\"randint\",\"low\":-3,\"high\":40}");
    check_places("{\"$space\":\"lograndint\",\"low\":1,\"high\":300}");
    check_places("{\"$space\":\"quniform\",\"low\":0.1,\"high\":0.95,\"step\":0.1}");
    check_places("{\"$space\":\"normal\",\"mean\":-1,\"std\":3}");
    check_places("{\"$space\":\"normal\",\"mean\":-1,\"std\":3,\"low\":0}");
    check_places("{\"$space\":\"normal\",\"mean\":-1,\"std\":3,\"low\":50}");
    check_places("{\"$space\":\"normal\",\"mean\":-1,\"std\":3,\"low\":-99,\"high\":-80}");
    rlt_param choice = param_of("{\"$space\":\"choice\",\"values\":[5,6,7,8]}");
    for (int i = 0; i < 4; i++) {
        rlt_value value = {.choice = i};
        assert_near(rlt_param_unit(&choice, value), (i + 0.5) / 4, 1e-15);
    }
    rlt_param_fini(&choice);
}

static void test_restore(void **unused) {
    (void)unused;
    for (uint32_t world = 0; world < 24; world++) {
        rlt_tune_fields fields = cmaes_fields();
        fields.seed = world;
        fields.maximise = world % 2;
        fields.cmaes.restart = (int)(world % 3);
        fields.cmaes.consider_stopped = world % 4 != 0;
        rlt_rng rng = rlt_rng_make(3, RLT_STREAM_TEST, world);
        study *at = study_make(&fields, mixed);
        while (at->count < 120 + 10 * (int)world) {
            study_event(at, &rng, 1 + (int)(world % 5) * 4, mixed_loss);
        }
        study_check_restore(at, &fields, mixed, 12);
        study_free(at);
    }
}

/* Trials that ended in another order give the same suggestions, once the same ones have ended. */
static void test_order(void **unused) {
    (void)unused;
    rlt_tune_fields fields = cmaes_fields();
    study *a = study_make(&fields, mixed), *b = study_make(&fields, mixed);
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < 10; i++) {
            study_ask(a);
            study_ask(b);
            assert_true(json_equal(a->params[a->count - 1], b->params[b->count - 1]));
        }
        for (int i = 0; i < 10; i++) {
            int forward = a->count - 10 + i, backward = a->count - 1 - i;
            study_end_as(a, forward, RLT_TRIAL_COMPLETED, mixed_loss(a->params[forward]), 1);
            study_end_as(b, backward, RLT_TRIAL_COMPLETED, mixed_loss(b->params[backward]), 1);
        }
    }
    study_free(a);
    study_free(b);
}

static double tilted_bowl(const json_t *params) {
    double sum = 0, loss = 0, i = 0;
    const char *path;
    json_t *value;
    json_object_foreach((json_t *)params, path, value) {
        double y = json_number_value(value) - 0.3 - 0.02 * i;
        sum += y;
        loss += (1 + i++) * y * y;
    }
    return loss + sum * sum;
}

static void test_beats_random(void **unused) {
    (void)unused;
    rlt_tune_fields random = tune_default();
    char *five = unit_cube(5), *thirty = unit_cube(30);
    assert_true(study_median(cmaes_fields(), five, 15, 300, tilted_bowl) < 2e-4);
    assert_true(study_median(random, five, 15, 300, tilted_bowl) > 1e-2);
    double ours = study_median(cmaes_fields(), thirty, 5, 600, tilted_bowl);
    assert_true(ours < study_median(random, thirty, 5, 600, tilted_bowl) / 8);
    assert_true(study_median(cmaes_fields(), mixed, 15, 200, mixed_loss) <
                study_median(random, mixed, 15, 200, mixed_loss) / 4);
    free(five);
    free(thirty);
}

static double constant(const json_t *params) {
    (void)params;
    return 3;
}

static double none(const json_t *params) {
    (void)params;
    return NAN;
}

/* The mean and standard deviation of a parameter over the trials from `from` on. */
static double spread(const study *at, const char *path, int from, double *mean) {
    double sum = 0, squares = 0;
    for (int i = from; i < at->count; i++) {
        double x = number_in(at->params[i], path);
        sum += x;
        squares += x * x;
    }
    int count = at->count - from;
    *mean = sum / count;
    return sqrt(fmax(squares / count - *mean * *mean, 0));
}

static void test_no_signal(void **unused) {
    (void)unused;
    rlt_tune_fields fields = cmaes_fields();
    char *three = unit_cube(3);
    double mean;
    study *at = study_make(&fields, three);
    study_run(at, 700, none); /* not a number: nothing is learnt */
    assert_near(spread(at, "p01", 1, &mean), 1.0 / 6, 0.02);
    assert_near(mean, 0.5, 0.03);
    study_free(at);
    at = study_make(&fields, three);
    study_run(at, 2000, constant);
    assert_true(spread(at, "p01", 0, &mean) > 0);
    study_free(at);
    free(three);
}

/* Trials without a number rank last: the search leaves where they come from. */
static double half_undefined(const json_t *params) {
    double x = number_in(params, "p00");
    return x > 0.45 ? NAN : 1 - x;
}

static void test_undefined_half(void **unused) {
    (void)unused;
    rlt_tune_fields fields = cmaes_fields();
    char *two = unit_cube(2);
    study *at = study_make(&fields, two);
    double mean;
    study_run(at, 300, half_undefined);
    assert_true(at->best < 0.56);
    spread(at, "p00", 250, &mean);
    assert_true(mean > 0.35 && mean < 0.5);
    study_free(at);
    free(two);
}

static void check_runs(const char *space, int trials) {
    rlt_tune_fields fields = cmaes_fields();
    fields.cmaes.restart = RLT_RESTART_BIPOP;
    study *at = study_make(&fields, space);
    study_run(at, trials, tilted_bowl);
    study_check_restore(at, &fields, space, 3);
    study_free(at);
}

static void test_odd_spaces(void **unused) {
    (void)unused;
    check_runs("{}", 5);
    check_runs("{\"a\":{\"$space\":\"fixed\",\"value\":5}}", 5);
    check_runs("{\"ppo\":{\"epochs\":{\"$space\":\"uniform\",\"low\":2.5,\"high\":3.5}}}", 5);
    check_runs("{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}", 400);
    check_runs("{\"a\":{\"$space\":\"randint\",\"low\":0,\"high\":1}}", 100);
    check_runs("{\"a\":{\"$space\":\"randint\",\"low\":0,\"high\":1000000}}", 200);
    check_runs("{\"a\":{\"$space\":\"lograndint\",\"low\":1,\"high\":2},"
               "\"b\":{\"$space\":\"randint\",\"low\":0,\"high\":1}}",
               200);
}

/* Values stay within bounds, and every integer can still be drawn after many generations. */
static double narrow(const json_t *params) {
    return square(number_in(params, "x") - 0.62) + square(number_in(params, "n") - 3) +
           0.3 * (number_in(params, "b") == 0);
}

static void test_margin(void **unused) {
    (void)unused;
    const char *space = "{\"x\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                        "\"n\":{\"$space\":\"randint\",\"low\":1,\"high\":20},"
                        "\"b\":{\"$space\":\"randint\",\"low\":0,\"high\":1}}";
    rlt_tune_fields fields = cmaes_fields();
    study *at = study_make(&fields, space);
    study_run(at, 1400, narrow);
    assert_true(at->best < 1e-9);
    int best = 0, other_n = 0, other_b = 0;
    for (int i = 1050; i < 1400; i++) { /* 50 generations of 7 */
        double n = number_in(at->params[i], "n"), b = number_in(at->params[i], "b");
        assert_true(n >= 1 && n <= 20 && (b == 0 || b == 1));
        best += n == 3 && b == 1;
        other_n += n != 3;
        other_b += b == 0;
    }
    assert_true(best > 250); /* the margin is 1 / (3 * 7), half of it for each neighbour */
    assert_true(other_n >= 5 && other_n < 50 && other_b >= 5 && other_b < 50);
    study_free(at);
}

/* Rastrigin's function: hills all over, in two dimensions. */
static double hills(const json_t *params) {
    double loss = 20;
    for (int i = 0; i < 2; i++) {
        double x = 10.24 * number_in(params, i == 0 ? "p00" : "p01") - 5.12 + 1.7;
        loss += x * x - 10 * cos(2 * M_PI * x);
    }
    return loss;
}

static void test_restarts(void **unused) {
    (void)unused;
    char *two = unit_cube(2);
    rlt_tune_fields fields = cmaes_fields();
    double without = study_median(fields, two, 15, 2000, hills);
    assert_true(without > 0.9);
    fields.cmaes.restart = RLT_RESTART_IPOP;
    assert_true(study_median(fields, two, 15, 2000, hills) < 1e-3);
    fields.cmaes.restart = RLT_RESTART_BIPOP;
    assert_true(study_median(fields, two, 15, 2000, hills) < without / 1.9);
    free(two);
}

/* A trial that does not end keeps none waiting; when it ends, all is as if it had ended at once. */
static void test_straggler(void **unused) {
    (void)unused;
    rlt_tune_fields fields = cmaes_fields();
    char *two = unit_cube(2);
    study *at = study_make(&fields, two);
    double mean;
    study_run(at, 3, tilted_bowl);
    study_ask(at);
    for (int i = 0; i < 200; i++) {
        study_ask(at);
        study_end_as(at, at->count - 1, RLT_TRIAL_COMPLETED, tilted_bowl(at->params[at->count - 1]),
                     1);
    }
    assert_true(spread(at, "p00", 150, &mean) < 1e-2);
    study_check_restore(at, &fields, two, 1);
    study_end_as(at, 3, RLT_TRIAL_COMPLETED, tilted_bowl(at->params[3]), 1);
    study_check_restore(at, &fields, two, 1);
    double x = number_in(at->params[at->count - 1], "p00");
    assert_near(x, mean, 1e-2);
    assert_true(x != number_in(at->params[at->count - 2], "p00"));
    study_free(at);
    free(two);
}

/* Too many numbers: the error names the first that is too many; choices do not count. */
static void test_limit(void **unused) {
    (void)unused;
    rlt_tune_fields fields = cmaes_fields();
    json_t *json = from_text("{\"a\":{\"$space\":\"choice\",\"values\":[1,2]}}");
    for (int i = 0; i <= 200; i++) {
        char path[16];
        snprintf(path, sizeof path, "p%03d", i);
        json_object_set_new(json, path,
                            json_pack("{s:s,s:i,s:i}", "$space", "uniform", "low", 0, "high", 1));
    }
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_tuner_create(&fields, json, NULL, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "p200: is number 201 to be searched");
    json_object_del(json, "p050");
    assert_int_equal(rlt_tuner_create(&fields, json, NULL, NULL, &tuner, &err), RLT_OK);
    rlt_tuner_destroy(&tuner);
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),     cmocka_unit_test(test_restore),
        cmocka_unit_test(test_order),      cmocka_unit_test(test_beats_random),
        cmocka_unit_test(test_no_signal),  cmocka_unit_test(test_undefined_half),
        cmocka_unit_test(test_odd_spaces), cmocka_unit_test(test_margin),
        cmocka_unit_test(test_restarts),   cmocka_unit_test(test_straggler),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests_name("tuner_cmaes", tests, NULL, NULL);
}
