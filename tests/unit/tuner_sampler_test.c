/* tuner: samplers, points to try first, functions of other parameters. */
#include "tuner_testing.h"

#include <stdio.h>

static const char *const mixed = "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                 "\"b\":{\"$space\":\"randint\",\"low\":1,\"high\":4},"
                                 "\"c\":{\"$space\":\"grid\",\"values\":[\"x\",\"y\"]},"
                                 "\"d\":{\"$space\":\"fixed\",\"value\":5}}";

/* Trial n of a fresh tuner is trial n of one that was asked for all before. */
static void check_pure(int sampler) {
    rlt_tune_fields fields = tune_default();
    fields.sampler = sampler;
    rlt_tuner *tuner = tuner_of(&fields, mixed);
    for (int64_t n = 0; n < 20; n++) {
        json_t *params = ask(tuner, n);
        rlt_tuner *other = tuner_of(&fields, mixed);
        for (int64_t i = 0; i < n; i++) {
            assert_int_equal(rlt_tuner_restore(other, i, params, NULL), RLT_OK);
        }
        json_t *again = ask(other, n);
        assert_true(json_equal(params, again));
        assert_int_equal(json_object_size(params), 4);
        json_decref(again);
        json_decref(params);
        rlt_tuner_destroy(&other);
    }
    rlt_tuner_destroy(&tuner);
}

static void test_pure(void **unused) {
    (void)unused;
    check_pure(RLT_SAMPLER_RANDOM);
    check_pure(RLT_SAMPLER_SOBOL);
}

static void test_seed(void **unused) {
    (void)unused;
    for (int sampler = RLT_SAMPLER_RANDOM; sampler <= RLT_SAMPLER_SOBOL; sampler++) {
        if (sampler == RLT_SAMPLER_GRID) {
            continue;
        }
        rlt_tune_fields fields = tune_default();
        fields.sampler = sampler;
        rlt_tuner *one = tuner_of(&fields, mixed);
        fields.seed++;
        rlt_tuner *other = tuner_of(&fields, mixed);
        json_t *a = ask(one, 0), *b = ask(other, 0);
        assert_false(json_equal(a, b));
        json_decref(a);
        json_decref(b);
        rlt_tuner_destroy(&one);
        rlt_tuner_destroy(&other);
    }
}

static void test_grid(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    fields.sampler = RLT_SAMPLER_GRID;
    rlt_tuner *tuner =
        tuner_of(&fields, "{\"c\":{\"$space\":\"choice\",\"values\":[true,false]},"
                          "\"a\":{\"$space\":\"grid\",\"values\":[\"x\",\"y\",\"z\"]},"
                          "\"b\":{\"$space\":\"randint\",\"low\":-1,\"high\":2},"
                          "\"d\":{\"$space\":\"fixed\",\"value\":5},"
                          "\"e\":{\"$space\":\"quniform\",\"low\":0.5,\"high\":1.5,\"step\":0.5}}");
    int64_t number = 0;
    for (int a = 0; a < 3; a++) { /* the documented order: the last path fastest */
        for (int b = -1; b <= 2; b++) {
            for (int c = 0; c < 2; c++) {
                for (int e = 1; e <= 3; e++) {
                    json_t *params = ask(tuner, number++);
                    json_t *want = json_pack("{s:s, s:i, s:b, s:i, s:f}", "a",
                                             (const char *[]){"x", "y", "z"}[a], "b", b, "c",
                                             c == 0, "d", 5, "e", e * 0.5);
                    assert_true(json_equal(params, want));
                    json_decref(want);
                    json_decref(params);
                }
            }
        }
    }
    json_t *params = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_tuner_ask(tuner, &number, &params, &err), RLT_ENOTFOUND);
    assert_contains(err.message, "all 72 points of the grid");
    rlt_tuner_destroy(&tuner);
}

static void test_grid_refuses(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    fields.sampler = RLT_SAMPLER_GRID;
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(&fields,
                               "{\"ppo\":{\"clip\":{\"$space\":\"choice\",\"values\":[0.1]},"
                               "\"lr\":{\"$space\":\"loguniform\",\"low\":1e-4,\"high\":1e-2}}}",
                               NULL, &tuner, &err),
                     RLT_ECONFIG);
    assert_null(tuner);
    assert_contains(err.message, "ppo.lr: the grid sampler can't enumerate a loguniform");
}

static void test_sobol_golden(void **unused) {
    (void)unused;
    enum { POINTS = 64 };
    static uint32_t golden[POINTS][RLT_SOBOL_DIMENSIONS];
    FILE *file = fopen("tests/golden/sobol.bin", "rb");
    assert_non_null(file);
    assert_int_equal(fread(golden, sizeof golden, 1, file), 1);
    fclose(file);
    for (int dimension = 0; dimension < RLT_SOBOL_DIMENSIONS; dimension++) {
        for (uint32_t i = 0; i < POINTS; i++) {
            assert_int_equal(rlt_sobol_point(dimension, i), golden[i][dimension]);
        }
    }
}

/* Scrambled or not, of the first 2^k points each of 2^k equal intervals of a dimension has one; and
 * in two dimensions that form a (0, 2)-net, each elementary box of area 2^-k has one. */
static void test_sobol_nets(void **unused) {
    (void)unused;
    enum { K = 8, N = 1 << K };
    for (uint64_t seed = 0; seed < 5; seed++) {
        for (int dimension = 0; dimension < RLT_SOBOL_DIMENSIONS; dimension++) {
            bool seen[N] = {false};
            for (uint32_t i = 0; i < N; i++) {
                uint32_t x = rlt_sobol_point(dimension, i);
                uint32_t interval = rlt_sobol_scramble(x, dimension, seed) >> (32 - K);
                assert_false(seen[interval]);
                seen[interval] = true;
            }
        }
        for (int bits = 0; bits <= K; bits++) {
            bool seen[N] = {false};
            for (uint32_t i = 0; i < N; i++) {
                uint64_t x = rlt_sobol_scramble(rlt_sobol_point(0, i), 0, seed);
                uint64_t y = rlt_sobol_scramble(rlt_sobol_point(1, i), 1, seed);
                uint64_t box = (x >> (32 - bits)) << (K - bits) | y >> (32 - K + bits);
                assert_false(seen[box]);
                seen[box] = true;
            }
        }
    }
}

/* Star discrepancy in two dimensions at the corners of a 32 x 32 lattice. */
static double discrepancy(int sampler, int count) {
    rlt_tune_fields fields = tune_default();
    fields.sampler = sampler;
    rlt_tuner *tuner = tuner_of(&fields, "{\"x\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                         "\"y\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}");
    double(*points)[2] = rlt_alloc(sizeof(double[2]) * (size_t)count), worst = 0;
    for (int i = 0; i < count; i++) {
        json_t *params = ask(tuner, i);
        points[i][0] = json_real_value(json_object_get(params, "x"));
        points[i][1] = json_real_value(json_object_get(params, "y"));
        json_decref(params);
    }
    for (int corner = 0; corner < 1024; corner++) {
        double x = (corner % 32 + 1) / 32.0, y = (corner / 32 + 1) / 32.0;
        int inside = 0;
        for (int i = 0; i < count; i++) {
            inside += points[i][0] < x && points[i][1] < y;
        }
        worst = fmax(worst, fabs((double)inside / count - x * y));
    }
    rlt_free(points);
    rlt_tuner_destroy(&tuner);
    return worst;
}

static void test_sobol_discrepancy(void **unused) {
    (void)unused;
    double random = discrepancy(RLT_SAMPLER_RANDOM, 512);
    double sobol = discrepancy(RLT_SAMPLER_SOBOL, 512);
    assert_true(sobol < 0.012);
    assert_true(sobol < random / 3);
}

static void test_sobol_limit(void **unused) {
    (void)unused;
    json_t *json = json_object();
    for (int i = 0; i <= RLT_SOBOL_DIMENSIONS; i++) {
        char path[16];
        snprintf(path, sizeof path, "p%03d", i);
        json_object_set_new(json, path,
                            json_pack("{s:s,s:i,s:i}", "$space", "uniform", "low", 0, "high", 1));
    }
    rlt_tune_fields fields = tune_default();
    fields.sampler = RLT_SAMPLER_SOBOL;
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_tuner_create(&fields, json, NULL, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "p100:");
    json_object_del(json, "p050");
    assert_int_equal(rlt_tuner_create(&fields, json, NULL, NULL, &tuner, &err), RLT_OK);
    rlt_tuner_destroy(&tuner);
    json_decref(json);
}

/* Points come first, what they leave open is drawn; then the sampler starts at its point 0. */
static void test_points(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    rlt_tuner *plain = tuner_of(&fields, mixed);
    json_t *experiment = from_text(mixed);
    json_object_set_new(experiment, "tune",
                        from_text("{\"points\":[{\"a\":0.25,\"b\":3.0,\"c\":\"y\",\"d\":5},"
                                  "{\"b\":2}]}"));
    rlt_tuner *tuner = NULL;
    assert_int_equal(rlt_tuner_create(&fields, experiment, NULL, NULL, &tuner, NULL), RLT_OK);
    json_t *params = ask(tuner, 0);
    json_t *want = from_text("{\"a\":0.25,\"b\":3,\"c\":\"y\",\"d\":5}");
    assert_true(json_equal(params, want));
    json_decref(want);
    json_decref(params);
    params = ask(tuner, 1);
    assert_int_equal(json_integer_value(json_object_get(params, "b")), 2);
    double open = json_real_value(json_object_get(params, "a"));
    json_decref(params);
    for (int n = 0; n < 5; n++) {
        params = ask(tuner, 2 + n);
        want = ask(plain, n);
        assert_true(json_equal(params, want));
        assert_true(json_real_value(json_object_get(params, "a")) != open);
        json_decref(want);
        json_decref(params);
    }
    rlt_tuner_destroy(&tuner);
    rlt_tuner_destroy(&plain);
    json_decref(experiment);
}

static void check_point_refused(const char *points, const char *first, const char *second) {
    json_t *experiment = from_text(mixed);
    json_object_set_new(experiment, "tune", json_pack("{s:o}", "points", from_text(points)));
    rlt_tune_fields fields = tune_default();
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_tuner_create(&fields, experiment, NULL, NULL, &tuner, &err), RLT_ECONFIG);
    assert_null(tuner);
    assert_contains(err.message, first);
    assert_contains(err.message, second);
    json_decref(experiment);
}

static void test_points_refused(void **unused) {
    (void)unused;
    check_point_refused("[{},{\"b\":9}]", "tune.points[2]: b: 9 is not an integer", "from 1 to 4");
    check_point_refused("[{\"bb\":1}]", "tune.points[1]", "'bb' is not a parameter");
    check_point_refused("[{\"c\":\"w\"}]", "c: \"w\" is not one of", "[\"x\",\"y\"]");
    check_point_refused("[5]", "tune.points[1]", "must be a table");
}

/* f: a number made of a; g: a space made of f, which comes before it. */
static rlt_status resolve(void *user, const char *path, const json_t *chosen, json_t **value,
                          rlt_err *err) {
    (void)user;
    double a = json_number_value(json_object_get(chosen, "a"));
    if (strcmp(path, "f") == 0) {
        assert_null(json_object_get(chosen, "g"));
        *value = a < 0.1 ? NULL : json_real(10 * a);
        return a > 0.9 ? rlt_fail(err, RLT_ESCRIPT, "f: no") : RLT_OK;
    }
    assert_string_equal(path, "g");
    double f = json_number_value(json_object_get(chosen, "f"));
    *value = json_pack("{s:s,s:f,s:f}", "$space", "uniform", "low", f, "high", f + 1);
    return RLT_OK;
}

static const char *const conditional = "{\"f\":{\"$function\":\"f\"},\"g\":{\"$function\":\"g\"},"
                                       "\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}";

static void test_functions(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(&fields, conditional, resolve, &tuner, &err), RLT_OK);
    int taken = 0, refused = 0, empty = 0;
    for (int i = 0; i < 50; i++) {
        int64_t number;
        json_t *params = NULL;
        rlt_status status = rlt_tuner_ask(tuner, &number, &params, &err);
        if (status != RLT_OK) { /* the number is not used up: skip this trial by hand */
            assert_int_equal(status, RLT_ESCRIPT);
            refused += strcmp(err.message, "f: no") == 0;
            empty += strstr(err.message, "f: the function returned nothing") != NULL;
            params = from_text("{\"a\":0,\"f\":0,\"g\":0}");
            assert_int_equal(rlt_tuner_restore(tuner, taken++, params, NULL), RLT_OK);
            json_decref(params);
            continue;
        }
        assert_int_equal(number, taken++);
        double a = json_real_value(json_object_get(params, "a"));
        double f = json_real_value(json_object_get(params, "f"));
        double g = json_real_value(json_object_get(params, "g"));
        assert_true(f == 10 * a && g >= f && g < f + 1);
        assert_near(g - f, rlt_tuner_draw(7, number, "g"), 1e-12);
        json_decref(params);
    }
    assert_true(refused > 0 && empty > 0 && refused + empty < 25);
    rlt_tuner_destroy(&tuner);
    assert_int_equal(try_tuner(&fields, conditional, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "f: is a function");
}

/* A point's value of a function counts where the function has it; no trial is outside the space. */
static void test_points_of_functions(void **unused) {
    (void)unused;
    static const struct {
        const char *point;
        double f, g; /* NAN: a draw */
    } rows[] = {{"{\"a\":0.5,\"g\":5.25}", 5, 5.25},
                {"{\"a\":0.5,\"g\":6.5}", 5, NAN}, /* not from 5 to 6 */
                {"{\"a\":0.5,\"f\":7,\"g\":7.5}", 5, NAN},
                {"{\"a\":0.5}", 5, NAN}};
    rlt_tune_fields fields = tune_default();
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(&fields, conditional, resolve, &tuner, &err), RLT_OK);
    for (size_t i = 0; i < RLT_COUNT(rows); i++) {
        json_t *point = from_text(rows[i].point), *params = NULL;
        int64_t number;
        assert_int_equal(rlt_tuner_ask_point(tuner, point, &number, &params, &err), RLT_OK);
        double f = json_real_value(json_object_get(params, "f"));
        double g = json_real_value(json_object_get(params, "g"));
        assert_true(f == rows[i].f && g >= f && g < f + 1);
        assert_true(isnan(rows[i].g) || g == rows[i].g);
        json_decref(params);
        json_decref(point);
    }
    rlt_tuner_destroy(&tuner);
}

static rlt_status resolve_badly(void *user, const char *path, const json_t *chosen, json_t **value,
                                rlt_err *err) {
    (void)user, (void)chosen, (void)path, (void)err;
    *value = json_pack("{s:s,s:i,s:i}", "$space", "uniform", "low", 3, "high", 1);
    return RLT_OK;
}

static void test_function_returns_bad_space(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(&fields, conditional, resolve_badly, &tuner, &err), RLT_OK);
    int64_t number;
    json_t *params = NULL;
    assert_int_equal(rlt_tuner_ask(tuner, &number, &params, &err), RLT_ECONFIG);
    assert_contains(err.message, "f: space.uniform: low (3) must be less than high (1)");
    assert_null(params);
    rlt_tuner_destroy(&tuner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pure),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_grid),
        cmocka_unit_test(test_grid_refuses),
        cmocka_unit_test(test_sobol_golden),
        cmocka_unit_test(test_sobol_nets),
        cmocka_unit_test(test_sobol_discrepancy),
        cmocka_unit_test(test_sobol_limit),
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_points_refused),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_points_of_functions),
        cmocka_unit_test(test_function_returns_bad_space),
    };
    return cmocka_run_group_tests_name("tuner_sampler", tests, NULL, NULL);
}
