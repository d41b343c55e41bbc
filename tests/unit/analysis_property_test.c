/* What must hold for any data: importances do not depend on units, orders and monotone scales where
 * their definition does not; rank tests agree with counting all orders; random studies with gaps,
 * huge numbers and useless parameters give sound shares or a refusal. */
#include "analysis/analysis.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PARAMS_MAX = 6, TRIALS_MAX = 80, ROUNDS = 150 };
static rlt_rng rng;

typedef struct study {
    rlt_analysis_data data;
    rlt_analysis_param params[PARAMS_MAX];
    double x[TRIALS_MAX * PARAMS_MAX], values[TRIALS_MAX];
} study;

static int below(int limit) {
    return (int)rlt_rng_below(&rng, (uint32_t)limit);
}

static double uniform(void) {
    return rlt_rng_f64(&rng);
}

static rlt_analysis_param random_param(bool wild) {
    rlt_analysis_param p = {.name = "p"};
    switch (below(wild ? 8 : 4)) {
    case 0:
        p.choices = 1 + below(5);
        break;
    case 1:
        p.low = pow(10, -5 * uniform());
        p.high = p.low * pow(10, 4 * uniform());
        p.log = true;
        break;
    case 2:
        p.low = below(5);
        p.high = p.low + below(20);
        p.step = 1;
        p.log = p.low > 0 && below(2);
        break;
    case 5:
        p.choices = RLT_ANALYSIS_CHOICES_MAX + below(3);
        break;
    case 6:
        p.low = -DBL_MAX;
        p.high = DBL_MAX;
        break;
    case 7:
        p.low = 1;
        p.high = nextafter(1, 2);
        break;
    default:
        p.low = -3 * uniform();
        p.high = p.low + 1e-6 + uniform();
    }
    return p;
}

static double random_value(const rlt_analysis_param *p) {
    if (p->choices > 0) {
        return below(p->choices);
    }
    double u = uniform();
    double x = p->log ? p->low * pow(p->high / p->low, u) : p->low * (1 - u) + p->high * u;
    return fmin(fmax(p->step > 0 ? p->low + rint((x - p->low) / p->step) * p->step : x, p->low),
                p->high);
}

static void make_study(study *s, bool wild) {
    static const double odd[] = {NAN, INFINITY, -INFINITY, DBL_MAX, -DBL_MAX, 5e-324, 0, 1};
    memset(s, 0, sizeof *s);
    int width = 1 + below(PARAMS_MAX), count = wild ? below(TRIALS_MAX) : 40 + below(40);
    int gaps = wild ? below(3) : 0, strange = wild ? below(3) : 0;
    s->data = (rlt_analysis_data){.params = s->params,
                                  .param_count = width,
                                  .x = s->x,
                                  .values = s->values,
                                  .count = count,
                                  .maximise = below(2)};
    for (int j = 0; j < width; j++) {
        s->params[j] = random_param(wild);
    }
    if (!wild) {
        s->params[0] = (rlt_analysis_param){.name = "x", .high = 1};
    }
    for (int i = 0; i < count; i++) {
        double sum = 0;
        for (int j = 0; j < width; j++) {
            double x = random_value(&s->params[j]);
            s->x[i * width + j] = gaps > 0 && below(5) < gaps && j > 0 ? NAN : x;
            sum += (x - s->params[j].low) / (1 + s->params[j].high - s->params[j].low) / (1 + j);
        }
        s->values[i] = strange > 0 && below(6) < strange ? odd[below(RLT_COUNT(odd))] : sum;
    }
}

static rlt_status compute(const study *s, int method, rlt_importance *list) {
    rlt_err err = {0};
    rlt_status status =
        method == 0
            ? rlt_importance_ped_anova(&s->data, &(rlt_ped_anova_options){0}, list, &err)
            : rlt_importance_fanova(&s->data, &(rlt_fanova_options){.trees = 16}, list, &err);
    assert_true(status == RLT_OK || (status == RLT_EINVAL && err.message[0] != 0));
    return status;
}

static void by_param(const rlt_importance *list, int count, rlt_importance *out) {
    for (int i = 0; i < count; i++) {
        out[list[i].param] = list[i];
    }
}

static void test_random_studies_give_sound_shares(void **state) {
    (void)state;
    static study s;
    int computed = 0;
    for (int round = 0; round < ROUNDS; round++) {
        make_study(&s, true);
        for (int method = 0; method < 2; method++) {
            rlt_importance list[PARAMS_MAX];
            if (compute(&s, method, list) != RLT_OK) {
                continue;
            }
            double sum = 0;
            bool seen[PARAMS_MAX] = {false};
            for (int i = 0; i < s.data.param_count; i++) {
                assert_false(seen[list[i].param]);
                seen[list[i].param] = true;
                assert_true(isfinite(list[i].share) && list[i].share >= 0 && list[i].share <= 1);
                assert_true(isfinite(list[i].raw) && list[i].raw >= 0);
                assert_true(method == 0 || list[i].raw <= 1 + 1e-9);
                assert_true(i == 0 || list[i].share <= list[i - 1].share);
                assert_true(!list[i].left_out || list[i].share == 0);
                sum += list[i].share;
            }
            assert_true(fabs(sum - 1) < 1e-9);
            computed++;
        }
    }
    assert_true(computed > ROUNDS / 2);
}

/* Units of the values: a power of two is exact. Turning both the values and the goal around changes
 * nothing. */
static void test_importance_has_no_unit(void **state) {
    (void)state;
    static study s, other;
    static const double factors[] = {0x1p-900, 0x1p900, 0x1p10, -1};
    for (int round = 0; round < ROUNDS / 5; round++) {
        make_study(&s, false);
        double factor = factors[round % 4];
        other = s;
        other.data.params = other.params;
        other.data.x = other.x;
        other.data.values = other.values;
        other.data.maximise = factor < 0 ? !s.data.maximise : s.data.maximise;
        for (int i = 0; i < s.data.count; i++) {
            other.values[i] *= factor;
        }
        for (int method = 0; method < 2; method++) {
            rlt_importance a[PARAMS_MAX], b[PARAMS_MAX];
            assert_int_equal(compute(&s, method, a), RLT_OK);
            assert_int_equal(compute(&other, method, b), RLT_OK);
            for (int j = 0; j < s.data.param_count; j++) {
                assert_int_equal(a[j].param, b[j].param);
                assert_true(fabs(a[j].share - b[j].share) < 1e-9);
            }
        }
    }
}

/* PED-ANOVA sees ranks only, and trials in any order. */
static void test_ped_anova_sees_ranks(void **state) {
    (void)state;
    static study s, other;
    for (int round = 0; round < ROUNDS / 5; round++) {
        make_study(&s, false);
        other = s;
        other.data.params = other.params;
        other.data.x = other.x;
        other.data.values = other.values;
        int width = s.data.param_count, count = s.data.count;
        for (int i = 0; i < count; i++) {
            int from = count - 1 - i;
            other.values[i] = exp(3 * s.values[from]) - 7;
            memcpy(other.x + i * width, s.x + from * width, sizeof(double) * (size_t)width);
        }
        rlt_importance list[PARAMS_MAX], a[PARAMS_MAX], b[PARAMS_MAX];
        assert_int_equal(compute(&s, 0, list), RLT_OK);
        by_param(list, width, a);
        assert_int_equal(compute(&other, 0, list), RLT_OK);
        by_param(list, width, b);
        for (int j = 0; j < width; j++) {
            assert_true(fabs(a[j].raw - b[j].raw) < 1e-12);
        }
    }
}

/* A parameter that the result does not depend on explains next to nothing. */
static void test_noise_is_unimportant(void **state) {
    (void)state;
    static study s;
    for (int round = 0; round < 10; round++) {
        make_study(&s, false);
        s.data.param_count = 3;
        s.data.count = TRIALS_MAX;
        s.params[0] = s.params[1] = (rlt_analysis_param){.name = "x", .high = 1};
        s.params[2] = (rlt_analysis_param){.name = "c", .choices = 3};
        for (int i = 0; i < TRIALS_MAX; i++) {
            s.x[3 * i] = uniform();
            s.x[3 * i + 1] = uniform();
            s.x[3 * i + 2] = below(3);
            s.values[i] = s.x[3 * i] * s.x[3 * i];
        }
        for (int method = 0; method < 2; method++) {
            rlt_importance list[PARAMS_MAX];
            assert_int_equal(compute(&s, method, list), RLT_OK);
            assert_int_equal(list[0].param, 0);
            assert_true(list[0].share > (method == 0 ? 0.5 : 0.9));
        }
    }
}

/* ---- comparisons ---- */

/* P(U >= u) over all ways to choose which n of n + m places are x's. */
static double count_orders(int n, int m, double u) {
    int hits = 0, all = 0;
    for (unsigned mask = 0; mask < 1U << (n + m); mask++) {
        if (__builtin_popcount(mask) != n) {
            continue;
        }
        int wins = 0, ys = 0;
        for (int i = 0; i < n + m; i++) {
            wins += mask >> i & 1 ? ys : 0;
            ys += !(mask >> i & 1);
        }
        hits += wins >= u;
        all++;
    }
    return (double)hits / all;
}

static void test_ranks_are_counted(void **state) {
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        double x[5], y[5], squeezed_x[5], squeezed_y[5];
        int n = 1 + below(5), m = 1 + below(5);
        for (int i = 0; i < 5; i++) {
            x[i] = uniform();
            y[i] = uniform() + (round % 3) * 0.3;
            squeezed_x[i] = atan(x[i]) * 1e-6;
            squeezed_y[i] = atan(y[i]) * 1e-6;
        }
        rlt_rank_test test = rlt_mann_whitney(x, n, y, m), back = rlt_mann_whitney(y, m, x, n);
        rlt_rank_test squeezed = rlt_mann_whitney(squeezed_x, n, squeezed_y, m);
        assert_true(test.exact && test.u + back.u == n * m && test.p == back.p);
        assert_true(squeezed.u == test.u && squeezed.p == test.p);
        double p = fmin(1, 2 * count_orders(n, m, fmax(test.u, back.u)));
        assert_true(fabs(test.p - p) < 1e-12);
        assert_true(fabs(test.p_least - fmin(1, 2 * count_orders(n, m, n * m))) < 1e-12);
        assert_true(fabs(test.u / (n * m) -
                         rlt_improvement(&(rlt_scores){x, n, 1}, &(rlt_scores){y, m, 1})) < 1e-12);
    }
}

static void test_iqm_moves_with_its_scores(void **state) {
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        double values[24], moved[24];
        int runs = 1 + below(8), tasks = 1 + below(3), count = runs * tasks;
        for (int i = 0; i < count; i++) {
            values[i] = below(4) == 0 ? below(3) : uniform();
            moved[count - 1 - i] = 8 * values[i] - 3; /* in another order, too */
        }
        rlt_scores scores = {values, runs, tasks}, others = {moved, runs, tasks};
        double low = INFINITY, high = -INFINITY;
        for (int i = 0; i < count; i++) {
            low = fmin(low, values[i]);
            high = fmax(high, values[i]);
        }
        double iqm = rlt_iqm(&scores);
        assert_true(iqm >= low - 1e-12 && iqm <= high + 1e-12);
        assert_true(fabs(rlt_iqm(&others) - (8 * iqm - 3)) < 1e-9);
        rlt_bootstrap options = {.repetitions = 200, .seed = (uint64_t)round};
        rlt_estimate estimate = rlt_iqm_estimate(&scores, &options);
        rlt_estimate again = rlt_iqm_estimate(&scores, &options);
        assert_true(estimate.value == iqm && isnan(estimate.low) == (runs < 2));
        assert_true(runs < 2 || (estimate.low <= estimate.high && estimate.low >= low - 1e-12 &&
                                 estimate.high <= high + 1e-12 && estimate.low == again.low &&
                                 estimate.high == again.high));
    }
}

static int set_up(void **state) {
    (void)state;
    rng = rlt_rng_make(11, RLT_STREAM_TEST, 0);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_random_studies_give_sound_shares, set_up),
        cmocka_unit_test_setup(test_importance_has_no_unit, set_up),
        cmocka_unit_test_setup(test_ped_anova_sees_ranks, set_up),
        cmocka_unit_test_setup(test_noise_is_unimportant, set_up),
        cmocka_unit_test_setup(test_ranks_are_counted, set_up),
        cmocka_unit_test_setup(test_iqm_moves_with_its_scores, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
