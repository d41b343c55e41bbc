/* tuner: the sampler gp with constraints: what is maximised and its gradient, that it finds the
 * best feasible place where the best one is not, and that restored searches go on as they were. */
#include "tuner/samplers/gp_search.h"
#include "tuner_fronts.h"

#include <string.h>

/* scipy.special.log_ndtr */
static void test_log_phi(void **unused) {
    (void)unused;
    static const double known[][2] = {
        {-1000000.0, -500000000014.73456}, {-200.0, -20006.21728089819},
        {-10.0, -53.23128515051248},       {-2.5, -5.081648277278691},
        {-2.0, -3.7831843336820317},       {-1.0, -1.8410216450092634},
        {0.0, -0.6931471805599453},        {3.0, -0.0013508099647481925}};
    for (size_t i = 0; i < RLT_COUNT(known); i++) {
        double z = known[i][0], slope, before, after, h = 1e-6 * (1 + fabs(z));
        assert_near(rlt_log_phi(z, &slope), known[i][1], 1e-13 * (1 + fabs(known[i][1])));
        before = rlt_log_phi(z - h, &before);
        after = rlt_log_phi(z + h, &after);
        assert_near(slope, (after - before) / (2 * h), 1e-4 * (1 + fabs(slope)));
    }
}

static void fill_gp(rlt_gp *gp, int which) {
    static const bool categorical[2] = {false, false};
    rlt_rng rng = rlt_rng_make(9, RLT_STREAM_TEST, 0);
    rlt_gp_init(gp, 2, categorical, 32);
    for (int i = 0; i < 24; i++) {
        double x[2] = {rlt_rng_f64(&rng), rlt_rng_f64(&rng)};
        rlt_gp_add(gp, x, which == 0 ? sin(6 * x[0]) + cos(5 * x[1]) : x[1] - x[0] * x[0]);
    }
    rlt_gp_fit(gp, 60);
}

static void test_acquisition(void **unused) {
    (void)unused;
    rlt_gp gp;
    rlt_gp_limit limits[2] = {{.threshold = 0.1}, {.threshold = -0.2}};
    fill_gp(&gp, 0);
    fill_gp(&limits[0].gp, 1);
    fill_gp(&limits[1].gp, 0);
    for (int count = 0; count <= 2; count++) {
        rlt_gp_search search = {.gp = &gp,
                                .limits = limits,
                                .limit_count = count,
                                .any_feasible = count != 1,
                                .best = 1.2};
        for (int i = 0; i < 20; i++) {
            double x[2] = {0.04 + 0.045 * i, 0.9 - 0.04 * i}, gradient[2], other[2], scratch[4];
            double value = rlt_gp_acquisition(&search, x, gradient, scratch), sum = 0, slope;
            double mean, variance;
            rlt_gp_predict(&gp, x, &mean, &variance, NULL, NULL);
            sum = search.any_feasible ? rlt_gp_log_improvement(&search, mean, variance) : 0;
            for (int k = 0; k < count; k++) {
                rlt_gp_predict(&limits[k].gp, x, &mean, &variance, NULL, NULL);
                sum += rlt_log_phi((mean - limits[k].threshold) / sqrt(variance + 1e-12), &slope);
            }
            assert_near(value, sum, 1e-9 * (1 + fabs(sum)));
            for (int j = 0; j < 2; j++) {
                const double h = 1e-6;
                double low[2] = {x[0], x[1]}, high[2] = {x[0], x[1]};
                low[j] -= h;
                high[j] += h;
                double difference = rlt_gp_acquisition(&search, high, other, scratch) -
                                    rlt_gp_acquisition(&search, low, other, scratch);
                assert_near(gradient[j], difference / (2 * h), 2e-3 * (1 + fabs(gradient[j])));
            }
        }
    }
    rlt_gp_fini(&gp);
    rlt_gp_fini(&limits[0].gp);
    rlt_gp_fini(&limits[1].gp);
}

/* ---- searches ---- */

static const char *const space = "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                 "\"b\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                 "\"c\":{\"$space\":\"choice\",\"values\":[\"x\",\"y\"]}}";

static double number_in(const json_t *params, const char *path) {
    return json_number_value(json_object_get(params, path));
}

/* The least a + b, but a b must be at least 0.25: 1 at (0.5, 0.5). Only "y" goes. */
static void loss(const json_t *params, double *values, double *limits) {
    double a = number_in(params, "a"), b = number_in(params, "b");
    values[0] = a + b;
    limits[0] = 0.25 - a * b;
    limits[1] = strcmp(json_string_value(json_object_get(params, "c")), "y") == 0 ? -1 : 1;
}

/* *near_later: how many of the last 20 trials keep to the limits, or almost; the best place lies
 * where one is reached. */
static double best_feasible(int sampler, int seed, int *near_later) {
    rlt_tune_fields fields = front_fields(sampler, 1, 2);
    fields.seed = seed;
    rlt_tuner *tuner = tuner_of(&fields, space);
    double best = INFINITY;
    for (int i = 0; i < 40; i++) {
        double values[1], limits[2];
        json_t *params = ask(tuner, i);
        loss(params, values, limits);
        if (limits[0] <= 0 && limits[1] <= 0) {
            best = fmin(best, values[0]);
        }
        *near_later += i >= 20 && limits[0] <= 0.02 && limits[1] <= 0;
        assert_int_equal(
            rlt_tuner_finish_values(tuner, i, RLT_TRIAL_COMPLETED, values, limits, 1, NULL),
            RLT_OK);
        json_decref(params);
    }
    rlt_tuner_destroy(&tuner);
    return best;
}

static void test_finds(void **unused) {
    (void)unused;
    double sums[2] = {0, 0};
    int near[2] = {0, 0};
    for (int seed = 0; seed < 6; seed++) {
        sums[0] += best_feasible(RLT_SAMPLER_GP, seed, &near[0]) / 6;
        sums[1] += best_feasible(RLT_SAMPLER_RANDOM, seed, &near[1]) / 6;
    }
    if (!(sums[0] < 1.01 && sums[1] > 1.05 && near[0] > 60)) {
        fail_msg(
            "best feasible value %g of 1, by chance %g; %d of 120 nearly feasible, by chance %d",
            sums[0], sums[1], near[0], near[1]);
    }
}

/* Nothing that was tried is feasible: it searches for what is. */
static void test_none_feasible(void **unused) {
    (void)unused;
    rlt_tune_fields fields = front_fields(RLT_SAMPLER_GP, 1, 1);
    rlt_tuner *tuner = tuner_of(&fields, space);
    bool found = false;
    for (int i = 0; i < 40 && !found; i++) {
        json_t *params = ask(tuner, i);
        double a = number_in(params, "a") - 0.31, b = number_in(params, "b") - 0.77;
        double limit = hypot(a, b) - 0.03, value = -a; /* three of a thousand places */
        found = limit <= 0;
        assert_int_equal(
            rlt_tuner_finish_values(tuner, i, RLT_TRIAL_COMPLETED, &value, &limit, 1, NULL),
            RLT_OK);
        json_decref(params);
    }
    assert_true(found);
    rlt_tuner_destroy(&tuner);
}

/* Limits that are the same for all, not known, or infinite. */
static void test_odd_limits(void **unused) {
    (void)unused;
    static const double odd[][2] = {{-1, 1}, {NAN, 1}, {NAN, NAN}, {-1, INFINITY}, {-INFINITY, 0}};
    for (size_t k = 0; k < RLT_COUNT(odd); k++) {
        rlt_tune_fields fields = front_fields(RLT_SAMPLER_GP, 1, 2);
        fields.gp.n_startup_trials = 3;
        rlt_tuner *tuner = tuner_of(&fields, space);
        for (int i = 0; i < 12; i++) {
            json_t *params = ask(tuner, i);
            double limits[2] = {i % 2 == 0 ? odd[k][0] : -odd[k][0], odd[k][1]}, value = i;
            assert_int_equal(
                rlt_tuner_finish_values(tuner, i, RLT_TRIAL_COMPLETED, &value, limits, 1, NULL),
                RLT_OK);
            json_decref(params);
        }
        rlt_tuner_destroy(&tuner);
    }
}

static void test_restored(void **unused) {
    (void)unused;
    for (int seed = 0; seed < 3; seed++) {
        rlt_tune_fields fields = front_fields(RLT_SAMPLER_GP, 1, 2);
        fields.seed = seed;
        fields.gp.n_startup_trials = 6;
        rlt_tuner *tuner = tuner_of(&fields, space), *again = tuner_of(&fields, space);
        json_t *params[24];
        double values[24], limits[24][2];
        for (int i = 0; i < 24; i++) { /* three run at a time */
            params[i] = ask(tuner, i);
            loss(params[i], &values[i], limits[i]);
            limits[i][0] = i == 7 ? NAN : limits[i][0];
            if (i >= 3) {
                assert_int_equal(rlt_tuner_finish_values(tuner, i - 3, RLT_TRIAL_COMPLETED,
                                                         &values[i - 3], limits[i - 3], 1, NULL),
                                 RLT_OK);
            }
        }
        for (int i = 0; i < 24; i++) { /* trial by trial */
            assert_int_equal(rlt_tuner_restore(again, i, params[i], NULL), RLT_OK);
            if (i < 21) {
                assert_int_equal(rlt_tuner_finish_values(again, i, RLT_TRIAL_COMPLETED, &values[i],
                                                         limits[i], 1, NULL),
                                 RLT_OK);
            }
            json_decref(params[i]);
        }
        for (int i = 24; i < 27; i++) {
            json_t *a = ask(tuner, i), *b = ask(again, i);
            assert_true(json_equal(a, b));
            json_decref(a);
            json_decref(b);
        }
        rlt_tuner_destroy(&tuner);
        rlt_tuner_destroy(&again);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_phi),    cmocka_unit_test(test_acquisition),
        cmocka_unit_test(test_finds),      cmocka_unit_test(test_none_feasible),
        cmocka_unit_test(test_odd_limits), cmocka_unit_test(test_restored),
    };
    return cmocka_run_group_tests_name("tuner_gp_limits", tests, NULL, NULL);
}
