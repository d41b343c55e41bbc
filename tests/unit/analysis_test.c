/* Importance of parameters and comparisons of samples: against Optuna, rliable and SciPy
 * (scripts/gen_golden_importance.py), against functions whose variances are known, and with data
 * that says nothing. */
#include "analysis/analysis.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PARAMS_MAX = 8 };
static json_t *golden;

static void assert_near(double got, double expected, double tolerance, const char *what) {
    if (!(fabs(got - expected) <= tolerance * fmax(1, fabs(expected)))) {
        fail_msg("%s: %.12g, %.12g expected", what, got, expected);
    }
}

static double number(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static double number_at(const json_t *list, size_t i) {
    const json_t *value = json_array_get(list, i);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static double *numbers(const json_t *list, int *count) {
    *count = (int)json_array_size(list);
    double *made = rlt_alloc(sizeof *made * (size_t)(*count + 1));
    for (int i = 0; i < *count; i++) {
        made[i] = number_at(list, (size_t)i);
    }
    return made;
}

/* ---- studies ---- */

typedef struct study {
    rlt_analysis_data data;
    rlt_analysis_param params[PARAMS_MAX];
    double *x, *values;
} study;

static study load_study(const json_t *record) {
    study s = {0};
    const json_t *params = json_object_get(record, "params"), *x = json_object_get(record, "x");
    int width = (int)json_array_size(params);
    assert_in_range(width, 1, PARAMS_MAX);
    for (int j = 0; j < width; j++) {
        const json_t *p = json_array_get(params, (size_t)j);
        bool choice = json_object_get(p, "choices") != NULL;
        const json_t *step = json_object_get(p, "step");
        s.params[j] = (rlt_analysis_param){.name = json_string_value(json_object_get(p, "name")),
                                           .choices = choice ? (int)number(p, "choices") : 0,
                                           .low = choice ? 0 : number(p, "low"),
                                           .high = choice ? 0 : number(p, "high"),
                                           .step = step != NULL ? json_number_value(step) : 0,
                                           .log = json_is_true(json_object_get(p, "log"))};
    }
    s.values = numbers(json_object_get(record, "values"), &s.data.count);
    s.x = rlt_alloc(sizeof(double) * (size_t)(s.data.count * width));
    for (int i = 0; i < s.data.count * width; i++) {
        s.x[i] = number_at(json_array_get(x, (size_t)(i / width)), (size_t)(i % width));
    }
    s.data.x = s.x;
    s.data.values = s.values;
    s.data.param_count = width;
    s.data.maximise = json_is_true(json_object_get(record, "maximise"));
    return s;
}

static void close_study(study *s) {
    rlt_free(s->x);
    rlt_free(s->values);
}

/* out[param] */
static void by_param(const rlt_importance *list, int count, rlt_importance *out) {
    for (int i = 0; i < count; i++) {
        assert_true(i == 0 || list[i].left_out || list[i - 1].raw >= list[i].raw);
        out[list[i].param] = list[i];
    }
}

static void test_ped_anova_is_optunas(void **state) {
    (void)state;
    size_t i, k;
    json_t *record, *variant;
    json_array_foreach(json_object_get(golden, "studies"), i, record) {
        study s = load_study(record);
        s.data.params = s.params;
        json_array_foreach(json_object_get(record, "ped"), k, variant) {
            rlt_ped_anova_options options = {number(variant, "target"), number(variant, "region"),
                                             json_is_true(json_object_get(variant, "global"))};
            rlt_importance list[PARAMS_MAX], found[PARAMS_MAX];
            rlt_err err;
            assert_int_equal(rlt_importance_ped_anova(&s.data, &options, list, &err), RLT_OK);
            by_param(list, s.data.param_count, found);
            double sum = 0;
            for (int j = 0; j < s.data.param_count; j++) {
                char what[128];
                snprintf(what, sizeof what, "%s, variant %zu, %s",
                         json_string_value(json_object_get(record, "name")), k, s.params[j].name);
                assert_near(found[j].raw, number_at(json_object_get(variant, "raw"), (size_t)j),
                            1e-9, what);
                sum += found[j].share;
            }
            assert_near(sum, 1, 1e-12, "sum of shares");
        }
        close_study(&s);
    }
}

/* Forests differ by their seed, scikit-learn's from ours as well: the mean over seeds must lie
 * where those of Optuna lie, a little widened, and rank alike what is apart. */
static void test_fanova_is_like_optunas(void **state) {
    (void)state;
    enum { SEEDS = 10 };
    size_t i;
    json_t *record;
    json_array_foreach(json_object_get(golden, "studies"), i, record) {
        study s = load_study(record);
        s.data.params = s.params;
        const json_t *fanova = json_object_get(record, "fanova");
        const json_t *low = json_object_get(fanova, "low"), *high = json_object_get(fanova, "high");
        double mean[PARAMS_MAX] = {0};
        int width = s.data.param_count;
        for (int seed = 0; seed < SEEDS; seed++) {
            rlt_fanova_options options = {.seed = (uint64_t)seed};
            rlt_importance list[PARAMS_MAX], found[PARAMS_MAX];
            rlt_err err;
            assert_int_equal(rlt_importance_fanova(&s.data, &options, list, &err), RLT_OK);
            by_param(list, width, found);
            for (int j = 0; j < width; j++) {
                mean[j] += found[j].raw / SEEDS;
                assert_int_equal(found[j].left_out, isnan(number_at(low, (size_t)j)));
            }
        }
        for (int j = 0; j < width; j++) {
            double least = number_at(low, (size_t)j), most = number_at(high, (size_t)j);
            double room = 0.25 * (most - least) + 1e-9;
            if (mean[j] < least - room || mean[j] > most + room) {
                fail_msg("%s, %s: %g is not within [%g, %g]",
                         json_string_value(json_object_get(record, "name")), s.params[j].name,
                         mean[j], least, most);
            }
            for (int k = 0; k < width; k++) {
                assert_true(!(number_at(low, (size_t)j) > number_at(high, (size_t)k)) ||
                            mean[j] > mean[k]);
            }
        }
        close_study(&s);
    }
}

/* ---- functions with known variances ---- */

static study make_study(int width, int count) {
    study s = {0};
    for (int j = 0; j < width; j++) {
        s.params[j] = (rlt_analysis_param){.name = "x", .high = 1};
    }
    s.x = rlt_alloc(sizeof(double) * (size_t)(width * count));
    s.values = rlt_alloc(sizeof(double) * (size_t)count);
    s.data =
        (rlt_analysis_data){.param_count = width, .count = count, .x = s.x, .values = s.values};
    rlt_rng rng = rlt_rng_make(5, RLT_STREAM_TEST, 0);
    for (int i = 0; i < width * count; i++) {
        s.x[i] = rlt_rng_f64(&rng);
    }
    return s;
}

/* f = sum of c_j x_j has variances c_j^2 / 12, so importances are c_j^2 / sum of c^2. */
static void test_fanova_of_an_additive_function(void **state) {
    (void)state;
    const double c[3] = {3, 2, 1};
    study s = make_study(3, 2000);
    s.data.params = s.params;
    for (int i = 0; i < s.data.count; i++) {
        s.values[i] = c[0] * s.x[3 * i] + c[1] * s.x[3 * i + 1] + c[2] * s.x[3 * i + 2];
    }
    rlt_importance list[3], found[3];
    rlt_err err;
    assert_int_equal(rlt_importance_fanova(&s.data, &(rlt_fanova_options){0}, list, &err), RLT_OK);
    by_param(list, 3, found);
    for (int j = 0; j < 3; j++) {
        assert_near(found[j].raw, c[j] * c[j] / 14, 0.02, "additive");
        assert_near(found[j].share, c[j] * c[j] / 14, 0.02, "additive, shares");
    }
    close_study(&s);
}

/* With steps at 1/2 that one tree can represent, the variances are exact: f = 4 a + 2 b + 3 a b
 * with a, b in {0, 1} has main effects (4 + 1.5)^2 / 4 and (2 + 1.5)^2 / 4, and interaction 9 / 16.
 */
static void test_fanova_of_steps_is_exact(void **state) {
    (void)state;
    study s = make_study(2, 64);
    s.data.params = s.params;
    for (int i = 0; i < s.data.count; i++) {
        double a = i & 1, b = i >> 1 & 1;
        s.x[2 * i] = a;
        s.x[2 * i + 1] = b;
        s.values[i] = 4 * a + 2 * b + 3 * a * b;
    }
    double whole = (5.5 * 5.5 + 3.5 * 3.5) / 4 + 9.0 / 16;
    rlt_importance list[2], found[2];
    rlt_err err;
    assert_int_equal(rlt_importance_fanova(&s.data, &(rlt_fanova_options){0}, list, &err), RLT_OK);
    by_param(list, 2, found);
    assert_near(found[0].raw, 5.5 * 5.5 / 4 / whole, 1e-12, "a");
    assert_near(found[1].raw, 3.5 * 3.5 / 4 / whole, 1e-12, "b");
    assert_near(found[0].deviation, 0, 1e-6, "every tree is the same");
    close_study(&s);
}

/* On a log scale a function of log x is linear; on the plain scale it is a step near the low end.
 */
static void test_fanova_on_a_log_scale(void **state) {
    (void)state;
    study s = make_study(2, 1000);
    s.data.params = s.params;
    s.params[0] = (rlt_analysis_param){.name = "lr", .low = 1e-6, .high = 1, .log = true};
    for (int i = 0; i < s.data.count; i++) {
        s.values[i] =
            s.x[2 * i] + s.x[2 * i + 1]; /* equal parts of the exponent and of the other */
        s.x[2 * i] = pow(10, -6 + 6 * s.x[2 * i]);
    }
    rlt_importance list[2], found[2];
    rlt_err err;
    rlt_fanova_options options = {.log_scale = true};
    assert_int_equal(rlt_importance_fanova(&s.data, &options, list, &err), RLT_OK);
    by_param(list, 2, found);
    assert_near(found[0].raw, 0.5, 0.03, "lr by its logarithm");
    options.log_scale = false;
    assert_int_equal(rlt_importance_fanova(&s.data, &options, list, &err), RLT_OK);
    by_param(list, 2, found);
    assert_true(found[0].raw < 0.25);
    close_study(&s);
}

/* ---- data that says little ---- */

static void expect_refusal(const rlt_analysis_data *data, const char *text) {
    rlt_importance list[PARAMS_MAX];
    for (int method = 0; method <= 1; method++) {
        rlt_err err = {0};
        rlt_status status =
            method == 0 ? rlt_importance_fanova(data, &(rlt_fanova_options){0}, list, &err)
                        : rlt_importance_ped_anova(data, &(rlt_ped_anova_options){0}, list, &err);
        assert_int_equal(status, RLT_EINVAL);
        if (strstr(err.message, text) == NULL) {
            fail_msg("no '%s' in: %s", text, err.message);
        }
    }
}

static void test_useless_data_is_refused(void **state) {
    (void)state;
    study s = make_study(2, 10);
    s.data.params = s.params;
    for (int i = 0; i < 10; i++) {
        s.values[i] = 3;
    }
    expect_refusal(&s.data, "all 10 trials have the same result (3)");
    s.values[0] = NAN;
    s.values[1] = INFINITY;
    expect_refusal(&s.data, "all 8 trials have the same result");
    s.data.count = 3;
    expect_refusal(&s.data, "at least 2 trials with a result; there is 1");
    s.data.count = 0;
    expect_refusal(&s.data, "there are 0");
    s.params[0].high = 0;
    s.params[1] = (rlt_analysis_param){.name = "c", .choices = 1};
    expect_refusal(&s.data, "more than one possible value");
    s.data.param_count = 0;
    expect_refusal(&s.data, "more than one possible value");
    s.data.param_count = 2;
    s.params[1].choices = 65;
    expect_refusal(&s.data, "up to 64 choices");
    rlt_err err;
    rlt_importance list[2];
    assert_int_equal(
        rlt_importance_ped_anova(&s.data, &(rlt_ped_anova_options){.target = 0.5, .region = 0.5},
                                 list, &err),
        RLT_EINVAL);
    close_study(&s);
}

static void test_nothing_but_a_choice_and_failures(void **state) {
    (void)state;
    study s = make_study(2, 30);
    s.data.params = s.params;
    s.params[0] = (rlt_analysis_param){.name = "c", .choices = 3};
    for (int i = 0; i < 30; i++) {
        s.x[2 * i] = i % 3;
        s.x[2 * i + 1] = i % 2 ? NAN : 0.5; /* conditional, and constant where it is there */
        s.values[i] = i % 5 == 0 ? NAN : i % 3;
    }
    rlt_importance list[2];
    rlt_err err;
    assert_int_equal(rlt_importance_fanova(&s.data, &(rlt_fanova_options){0}, list, &err), RLT_OK);
    assert_near(list[0].share, 1, 1e-12, "the choice alone");
    assert_near(list[0].raw, 1, 1e-9, "the choice explains all");
    assert_true(list[1].left_out && list[1].param == 1 && list[1].share == 0);
    assert_int_equal(rlt_importance_ped_anova(&s.data, &(rlt_ped_anova_options){0}, list, &err),
                     RLT_OK);
    assert_int_equal(list[0].param, 0);
    s.data.param_count = 1;
    for (int i = 0; i < 30; i++) {
        s.x[i] = NAN;
    }
    assert_int_equal(rlt_importance_fanova(&s.data, &(rlt_fanova_options){0}, list, &err),
                     RLT_EINVAL);
    assert_non_null(strstr(err.message, "conditional"));
    close_study(&s);
}

/* ---- comparisons ---- */

static void check_estimate(rlt_estimate got, double value, const json_t *interval, double room,
                           const char *what) {
    assert_near(got.value, value, 1e-12, what);
    double low = number_at(interval, 0), high = number_at(interval, 1);
    /* both are drawn at random: within a part of the interval's width */
    assert_near(got.low, low, room * (high - low) / fmax(1, fabs(low)), what);
    assert_near(got.high, high, room * (high - low) / fmax(1, fabs(high)), what);
}

static void check_pair(const json_t *record, const rlt_scores *x, const rlt_scores *y) {
    rlt_bootstrap options = {.repetitions = 5000, .seed = 1};
    const json_t *iqm = json_object_get(record, "iqm");
    check_estimate(rlt_iqm_estimate(x, &options), number_at(iqm, 0),
                   json_object_get(record, "iqm_x_interval"), 0.06, "IQM of x");
    assert_near(rlt_iqm(y), number_at(iqm, 1), 1e-12, "IQM of y");
    check_estimate(rlt_improvement_estimate(x, y, &options), number(record, "improvement"),
                   json_object_get(record, "improvement_interval"), 0.06, "improvement");
}

static void test_pairs_are_rliables_and_scipys(void **state) {
    (void)state;
    size_t i;
    json_t *record;
    json_array_foreach(json_object_get(golden, "pairs"), i, record) {
        int n, m;
        double *x = numbers(json_object_get(record, "x"), &n);
        double *y = numbers(json_object_get(record, "y"), &m);
        check_pair(record, &(rlt_scores){x, n, 1}, &(rlt_scores){y, m, 1});
        rlt_rank_test ranks = rlt_mann_whitney(x, n, y, m);
        assert_near(ranks.u, number(record, "u"), 1e-12, "U");
        assert_near(ranks.p, number(record, "mw_p"), 1e-10, "p of Mann and Whitney");
        rlt_moments of_x = rlt_moments_of(x, n), of_y = rlt_moments_of(y, m);
        rlt_welch welch = rlt_welch_test(&of_x, &of_y, 0.95);
        assert_near(welch.t, number(record, "t"), 1e-10, "t");
        assert_near(welch.freedom, number(record, "freedom"), 1e-10, "degrees of freedom");
        assert_near(welch.p, number(record, "welch_p"), 1e-10, "p of Welch");
        const json_t *interval = json_object_get(record, "difference_interval");
        assert_near(welch.low, number_at(interval, 0), 1e-9, "low end");
        assert_near(welch.high, number_at(interval, 1), 1e-9, "high end");
        rlt_free(x);
        rlt_free(y);
    }
}

static double *matrix(const json_t *rows, rlt_scores *scores) {
    int runs = (int)json_array_size(rows);
    int tasks = (int)json_array_size(json_array_get(rows, 0));
    double *made = rlt_alloc(sizeof *made * (size_t)(runs * tasks));
    for (int i = 0; i < runs * tasks; i++) {
        made[i] = number_at(json_array_get(rows, (size_t)(i / tasks)), (size_t)(i % tasks));
    }
    *scores = (rlt_scores){made, runs, tasks};
    return made;
}

static void test_tasks_are_strata(void **state) {
    (void)state;
    size_t i;
    json_t *record;
    json_array_foreach(json_object_get(golden, "tasks"), i, record) {
        rlt_scores x, y;
        double *x_values = matrix(json_object_get(record, "x"), &x);
        double *y_values = matrix(json_object_get(record, "y"), &y);
        check_pair(record, &x, &y);
        rlt_free(x_values);
        rlt_free(y_values);
    }
}

static void test_few_or_equal_values(void **state) {
    (void)state;
    const double one[] = {1}, same[] = {2, 2, 2}, far[] = {1, 2, 3}, farther[] = {7, 8, 9};
    rlt_bootstrap options = {0};
    rlt_estimate estimate = rlt_iqm_estimate(&(rlt_scores){one, 1, 1}, &options);
    assert_true(estimate.value == 1 && isnan(estimate.low) && isnan(estimate.high));
    assert_true(isnan(rlt_iqm(&(rlt_scores){one, 0, 1})));
    estimate = rlt_iqm_estimate(&(rlt_scores){same, 3, 1}, &options);
    assert_true(estimate.low == 2 && estimate.high == 2);
    rlt_rank_test ranks = rlt_mann_whitney(same, 3, same, 3);
    assert_true(ranks.p == 1 && !ranks.exact);
    ranks = rlt_mann_whitney(far, 3, farther, 3); /* the least that 3 and 3 can give: 2 / C(6, 3) */
    assert_near(ranks.p, 0.1, 1e-12, "p");
    assert_near(ranks.p_least, 0.1, 1e-12, "least p");
    assert_true(ranks.exact);
    assert_true(isnan(rlt_mann_whitney(one, 1, same, 0).p));
    rlt_moments moments = rlt_moments_of(one, 1), others = rlt_moments_of(far, 3);
    assert_true(isnan(moments.deviation) && isnan(rlt_moments_of(one, 0).mean));
    assert_true(isnan(rlt_welch_test(&moments, &others, 0.95).p));
    moments = rlt_moments_of(same, 3);
    assert_true(isnan(rlt_welch_test(&moments, &moments, 0.95).p));
    rlt_estimate again =
        rlt_improvement_estimate(&(rlt_scores){farther, 3, 1}, &(rlt_scores){far, 3, 1}, &options);
    assert_true(again.value == 1 && again.low == 1 && again.high == 1);
}

int main(void) {
    golden = json_load_file(RLT_SOURCE_DIR "/tests/golden/importance.json", 0, NULL);
    if (golden == NULL) {
        fprintf(stderr, "tests/golden/importance.json cannot be read\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ped_anova_is_optunas),
        cmocka_unit_test(test_fanova_is_like_optunas),
        cmocka_unit_test(test_fanova_of_an_additive_function),
        cmocka_unit_test(test_fanova_of_steps_is_exact),
        cmocka_unit_test(test_fanova_on_a_log_scale),
        cmocka_unit_test(test_useless_data_is_refused),
        cmocka_unit_test(test_nothing_but_a_choice_and_failures),
        cmocka_unit_test(test_pairs_are_rliables_and_scipys),
        cmocka_unit_test(test_tasks_are_strata),
        cmocka_unit_test(test_few_or_equal_values),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(golden);
    return failed;
}
