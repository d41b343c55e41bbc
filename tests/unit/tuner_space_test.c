/* tuner: search spaces and their values: collection, distributions, JSON, messages. */
#include "tuner_testing.h"

enum { DRAWS = 20000 };

static double draw_number(const rlt_param *param, int64_t i) {
    return rlt_param_at(param, rlt_tuner_draw(3, i, "x")).number;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov-Smirnov distance of the draws from the distribution function. */
static double ks_distance(const rlt_param *param, double (*cdf)(const rlt_param *, double)) {
    static double sorted[DRAWS];
    for (int i = 0; i < DRAWS; i++) {
        sorted[i] = draw_number(param, i);
        assert_true(sorted[i] >= param->low && sorted[i] <= param->high);
    }
    qsort(sorted, DRAWS, sizeof(double), by_value);
    double distance = 0;
    for (int i = 0; i < DRAWS; i++) {
        double p = cdf(param, sorted[i]);
        distance = fmax(distance, fmax(p - (double)i / DRAWS, (double)(i + 1) / DRAWS - p));
    }
    return distance;
}

/* 1.63 / sqrt(n): exceeded with probability 0.01 when the distribution is right. */
static const double ks_limit = 0.01153;

static double cdf_uniform(const rlt_param *param, double x) {
    return (x - param->low) / (param->high - param->low);
}

static double cdf_log(const rlt_param *param, double x) {
    return log(x / param->low) / log(param->high / param->low);
}

static double cdf_normal(const rlt_param *param, double x) {
    return 0.5 * erfc(-(x - param->mean) / param->std * M_SQRT1_2);
}

static void test_uniform(void **unused) {
    (void)unused;
    rlt_param param = param_of("{\"$space\":\"uniform\",\"low\":-2.5,\"high\":7}");
    assert_true(ks_distance(&param, cdf_uniform) < ks_limit);
    assert_true(ks_distance(&param, cdf_normal) > ks_limit); /* the test can fail */
}

static void test_loguniform(void **unused) {
    (void)unused;
    rlt_param param = param_of("{\"$space\":\"loguniform\",\"low\":1e-5,\"high\":0.1}");
    assert_true(ks_distance(&param, cdf_log) < ks_limit);
    assert_true(ks_distance(&param, cdf_uniform) > ks_limit);
    assert_true(rlt_param_at(&param, 0).number == 1e-5);
    assert_true(rlt_param_at(&param, nextafter(1, 0)).number <= 0.1);
}

static void test_normal(void **unused) {
    (void)unused;
    rlt_param param = param_of("{\"$space\":\"normal\",\"mean\":-3,\"std\":2}");
    assert_true(ks_distance(&param, cdf_normal) < ks_limit);
    /* quantiles: scipy.stats.norm.ppf of 0.975, 1e-10 and 0.5 */
    param.mean = 0;
    param.std = 1;
    assert_near(rlt_param_at(&param, 0.975).number, 1.959963984540054, 1e-14);
    assert_near(rlt_param_at(&param, 1e-10).number, -6.361340902404056, 1e-13);
    assert_near(rlt_param_at(&param, 0.5).number, 0, 1e-15);
    assert_true(isfinite(rlt_param_at(&param, 0).number));
    assert_true(isfinite(rlt_param_at(&param, nextafter(1, 0)).number));
    param = param_of("{\"$space\":\"normal\",\"mean\":0,\"std\":1,\"low\":-0.5,\"high\":1}");
    assert_true(rlt_param_at(&param, 0.001).number == -0.5);
    assert_true(rlt_param_at(&param, 0.999).number == 1);
}

/* Each of 6 faces: 20000/6 expected; chi-square with 5 degrees of freedom, 0.99 quantile. */
static void test_randint(void **unused) {
    (void)unused;
    rlt_param param = param_of("{\"$space\":\"randint\",\"low\":-2,\"high\":3}");
    int counts[6] = {0};
    for (int i = 0; i < DRAWS; i++) {
        double number = draw_number(&param, i);
        assert_true(number == floor(number) && number >= -2 && number <= 3);
        counts[(int)number + 2]++;
    }
    double chi2 = 0, expected = DRAWS / 6.0;
    for (int i = 0; i < 6; i++) {
        chi2 += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    assert_true(chi2 < 15.09);
    assert_true(rlt_param_at(&param, nextafter(1, 0)).number == 3);
}

/* P(n) = log((n + 1/2) / (n - 1/2)) / log((high + 1/2) / (low - 1/2)) */
static void test_lograndint(void **unused) {
    (void)unused;
    rlt_param param = param_of("{\"$space\":\"lograndint\",\"low\":1,\"high\":8}");
    int counts[9] = {0};
    for (int i = 0; i < DRAWS; i++) {
        counts[(int)draw_number(&param, i)]++;
    }
    assert_int_equal(counts[0], 0);
    double chi2 = 0;
    for (int n = 1; n <= 8; n++) {
        double expected = DRAWS * log((n + 0.5) / (n - 0.5)) / log(8.5 / 0.5);
        chi2 += (counts[n] - expected) * (counts[n] - expected) / expected;
    }
    assert_true(chi2 < 18.48); /* 7 degrees of freedom, 0.99 */
}

static void test_quniform(void **unused) {
    (void)unused;
    rlt_param param = param_of("{\"$space\":\"quniform\",\"low\":0.1,\"high\":0.55,\"step\":0.1}");
    assert_int_equal(rlt_param_count(&param), 5);
    assert_true(rlt_param_nth(&param, 2).number == 0.3); /* not 0.30000000000000004 */
    int counts[5] = {0};
    for (int i = 0; i < DRAWS; i++) {
        double steps = (draw_number(&param, i) - 0.1) / 0.1;
        assert_near(steps, round(steps), 1e-9);
        counts[(int)round(steps)]++;
    }
    for (int i = 0; i < 5; i++) {
        assert_in_range(counts[i], DRAWS / 5 - 200, DRAWS / 5 + 200);
    }
    param = param_of("{\"$space\":\"quniform\",\"low\":32,\"high\":128,\"step\":32}");
    json_t *json = rlt_value_json(&param, rlt_param_nth(&param, 3));
    assert_true(json_is_integer(json) && json_integer_value(json) == 128);
    json_decref(json);
}

static void test_choices(void **unused) {
    (void)unused;
    rlt_param param =
        param_of("{\"$space\":\"choice\",\"values\":[[64,64],\"relu\",null,true,1.5]}");
    bool seen[5] = {false};
    for (int i = 0; i < 200; i++) {
        rlt_value value = rlt_param_at(&param, rlt_tuner_draw(1, i, "x")), parsed;
        json_t *json = rlt_value_json(&param, value);
        assert_int_equal(rlt_value_parse(&param, json, &parsed, NULL), RLT_OK);
        assert_int_equal(parsed.choice, value.choice);
        seen[value.choice] = true;
        json_decref(json);
    }
    for (int i = 0; i < 5; i++) {
        assert_true(seen[i]);
    }
    rlt_param_fini(&param);
}

/* The draws of a parameter do not depend on which others there are. */
static void test_draws(void **unused) {
    (void)unused;
    assert_true(rlt_tuner_draw(1, 2, "ppo.lr") == rlt_tuner_draw(1, 2, "ppo.lr"));
    assert_true(rlt_tuner_draw(1, 2, "ppo.lr") != rlt_tuner_draw(2, 2, "ppo.lr"));
    assert_true(rlt_tuner_draw(1, 2, "ppo.lr") != rlt_tuner_draw(1, 3, "ppo.lr"));
    assert_true(rlt_tuner_draw(1, 2, "ppo.lr") != rlt_tuner_draw(1, 2, "ppo.clip"));
}

static void test_collect(void **unused) {
    (void)unused;
    json_t *json =
        from_text("{\"ppo\":{\"lr\":{\"$space\":\"loguniform\",\"low\":1e-4,\"high\":1e-2},"
                  "\"epochs\":{\"$space\":\"uniform\",\"low\":1.5,\"high\":9.5},\"gamma\":0.99},"
                  "\"model\":{\"activation\":{\"$space\":\"fixed\",\"value\":\"relu\"}},"
                  "\"envs_per_worker\":{\"$function\":\"envs_per_worker\"},"
                  "\"env\":{\"$lua_env\":{\"step\":{\"$function\":\"env.step\"}}},"
                  "\"tune\":{\"odd\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}}");
    rlt_search_space space;
    assert_int_equal(rlt_search_space_collect(json, &space, NULL), RLT_OK);
    json_decref(json);
    static const char *const paths[] = {"envs_per_worker", "model.activation", "ppo.epochs",
                                        "ppo.lr"};
    assert_int_equal(space.count, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(space.params[i].path, paths[i]);
    }
    assert_int_equal(space.params[0].kind, RLT_DIST_FUNCTION);
    /* the field takes integers: the whole numbers of the range are searched */
    assert_int_equal(space.params[2].kind, RLT_DIST_RANDINT);
    assert_true(space.params[2].low == 2 && space.params[2].high == 9);
    assert_int_equal(space.params[3].kind, RLT_DIST_LOGUNIFORM);
    rlt_search_space_fini(&space);
}

static void check_refused(const char *experiment, const char *path, const char *part) {
    json_t *json = from_text(experiment);
    rlt_search_space space;
    rlt_err err = {0};
    assert_int_equal(rlt_search_space_collect(json, &space, &err), RLT_ECONFIG);
    assert_contains(err.message, path);
    assert_contains(err.message, part);
    json_decref(json);
}

static void test_refused(void **unused) {
    (void)unused;
    check_refused("{\"a\":{\"b\":{\"$space\":\"unifrom\",\"low\":0,\"high\":1}}}",
                  "a.b:", "did you mean 'uniform'");
    check_refused("{\"a\":{\"$space\":\"loguniform\",\"low\":0,\"high\":1}}", "a:", "low is 0");
    check_refused("{\"a\":{\"$space\":\"choice\",\"values\":[]}}", "a:", "at least one value");
    check_refused("{\"a\":{\"$space\":5}}", "a:", "unknown search space");
    check_refused("{\"ppo\":{\"epochs\":{\"$space\":\"uniform\",\"low\":1.2,\"high\":1.8}}}",
                  "ppo.epochs:", "takes integers, but there is none from 1.2 to 1.8");
    check_refused("{\"model\":{\"hidden\":[64,{\"$space\":\"randint\",\"low\":1,\"high\":9}]}}",
                  "model.hidden: value 2", "space.choice");
    char text[400];
    snprintf(text, sizeof text, "{\"%0200d\":{\"$space\":\"fixed\",\"value\":1}}", 7);
    check_refused(text, "0000", "characters");
}

static void test_values_refused(void **unused) {
    (void)unused;
    rlt_param param = param_of("{\"$space\":\"randint\",\"low\":1,\"high\":9}");
    rlt_value value;
    rlt_err err = {0};
    static const char *const bad[] = {"0", "10", "2.5", "\"3\"", "null"};
    for (size_t i = 0; i < RLT_COUNT(bad); i++) {
        json_t *json = from_text(bad[i]);
        assert_int_equal(rlt_value_parse(&param, json, &value, &err), RLT_ECONFIG);
        assert_contains(err.message, "an integer from 1 to 9");
        json_decref(json);
    }
    json_t *json = from_text("3.0");
    assert_int_equal(rlt_value_parse(&param, json, &value, &err), RLT_OK);
    json_decref(json);
    json = rlt_value_json(&param, value);
    assert_true(json_is_integer(json));
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uniform),        cmocka_unit_test(test_loguniform),
        cmocka_unit_test(test_normal),         cmocka_unit_test(test_randint),
        cmocka_unit_test(test_lograndint),     cmocka_unit_test(test_quniform),
        cmocka_unit_test(test_choices),        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_collect),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_values_refused),
    };
    return cmocka_run_group_tests_name("tuner_space", tests, NULL, NULL);
}
