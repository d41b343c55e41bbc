/* tuner: eigenvectors, normal quantiles, and the adaptation of CMA-ES against the package cmaes. */
#include "tuner/dense.h"
#include "tuner/samplers/cma.h"
#include "tuner_testing.h"

#include <stdio.h>

/* A symmetric matrix with eigenvalues from 1e-6 to 1e6, or with equal ones. */
static void fill_matrix(int n, bool equal, double *a) {
    rlt_rng rng = rlt_rng_make((uint64_t)n, RLT_STREAM_TEST, equal);
    memset(a, 0, sizeof(double) * (size_t)(n * n));
    for (int k = 0; k < n; k++) {
        double y[40], value = equal ? 3 : pow(10, 6 - 12.0 * k / n);
        for (int i = 0; i < n; i++) {
            y[i] = equal ? i == k : rlt_rng_normal(&rng);
        }
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                a[i * n + j] += value * y[i] * y[j];
            }
        }
    }
}

static void check_eigen(int n, bool equal) {
    static double a[1600], copy[1600], values[40], vectors[1600];
    fill_matrix(n, equal, a);
    memcpy(copy, a, sizeof a);
    rlt_dense_eigen(n, copy, values, vectors);
    double largest = 0;
    for (int k = 0; k < n; k++) {
        largest = fmax(largest, fabs(values[k]));
    }
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            double dot = 0, back = 0;
            for (int k = 0; k < n; k++) {
                dot += vectors[i * n + k] * vectors[j * n + k];
                back += vectors[k * n + i] * values[k] * vectors[k * n + j];
            }
            assert_near(dot, i == j, 1e-13);
            assert_near(back, a[i * n + j], 1e-13 * largest);
        }
    }
}

static void test_eigen(void **unused) {
    (void)unused;
    for (int n = 1; n <= 40; n += n < 6 ? 1 : 17) {
        check_eigen(n, false);
        check_eigen(n, true);
    }
}

static void test_quantile(void **unused) {
    (void)unused;
    for (double u = 1e-12; u < 0.5; u *= 1.7) {
        double x = rlt_normal_quantile(u);
        assert_near(0.5 * erfc(-x * M_SQRT1_2) / u, 1, 1e-13);
        assert_near(rlt_normal_quantile(1 - u), -x, 1e-15 / u);
    }
    assert_true(isfinite(rlt_normal_quantile(0)) && isfinite(rlt_normal_quantile(1)));
}

typedef struct golden {
    const double *at, *end;
} golden;

static const double *next(golden *from, int count) {
    assert_true(from->end - from->at >= count);
    from->at += count;
    return from->at - count;
}

static void compare(const char *what, int64_t generation, const double *got, const double *want,
                    int count) {
    for (int i = 0; i < count; i++) {
        if (!(fabs(got[i] - want[i]) <= 1e-9 * fmax(fabs(want[i]), 1e-3))) {
            fail_msg("generation %d: %s[%d] is %.17g, not %.17g", (int)generation, what, i, got[i],
                     want[i]);
        }
    }
}

/* The cell of `cells` equal ones that x is in, and its limits; those of the cube are none. */
static void apply_margin(rlt_cma *cma, const double *cells, double margin) {
    for (int j = 0; j < cma->n; j++) {
        double count = cells[j], cell = fmin(fmax(ceil(cma->mean[j] * count), 1), count);
        if (count > 0) {
            rlt_cma_margin(cma, j, cell == 1 ? -INFINITY : (cell - 1) / count,
                           cell == count ? INFINITY : cell / count, margin);
        }
    }
}

static void check_generation(rlt_cma *cma, golden *from, const double *cells, double margin) {
    int n = cma->n;
    const double *points = next(from, cma->lambda * n);
    rlt_cma_update(cma, points, 1 - (double)cma->generation, -(double)cma->generation);
    apply_margin(cma, cells, margin);
    compare("mean", cma->generation, cma->mean, next(from, n), n);
    compare("sigma", cma->generation, &cma->sigma, next(from, 1), 1);
    compare("cov", cma->generation, cma->cov, next(from, n * n), n * n);
    compare("path_c", cma->generation, cma->path_c, next(from, n), n);
    compare("path_sigma", cma->generation, cma->path_sigma, next(from, n), n);
    compare("widen", cma->generation, cma->widen, next(from, n), n);
    assert_int_equal(rlt_cma_exhausted(cma), *next(from, 1) != 0);
}

static void check_case(golden *from) {
    int n = (int)*next(from, 1), lambda = (int)*next(from, 1), generations = (int)*next(from, 1);
    double margin = *next(from, 1), sigma = *next(from, 1);
    const double *mean = next(from, n), *cells = next(from, n);
    rlt_cma cma;
    rlt_cma_init(&cma, n, lambda, mean, sigma);
    assert_true(lambda == 25 || lambda == rlt_cma_population(n));
    compare("weights", 0, cma.weights, next(from, lambda), lambda);
    for (int g = 0; g < generations; g++) {
        check_generation(&cma, from, cells, margin);
    }
    rlt_cma_fini(&cma);
}

static void test_golden(void **unused) {
    (void)unused;
    static double data[20000];
    FILE *file = fopen("tests/golden/cma.bin", "rb");
    assert_non_null(file);
    golden from = {data, data + fread(data, sizeof(double), RLT_COUNT(data), file)};
    assert_true(feof(file));
    fclose(file);
    int cases = 0;
    for (; from.at < from.end; cases++) {
        check_case(&from);
    }
    assert_int_equal(cases, 7);
}

/* Samples have the mean and the covariance that they should have. */
static void test_sample(void **unused) {
    (void)unused;
    enum { N = 3, SAMPLES = 100000 };
    rlt_cma cma;
    rlt_cma_init(&cma, N, 7, (double[]){0.2, 0.5, 0.7}, 0.1);
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    double points[7 * N], z[N], x[N], sum[N] = {0}, product[N][N] = {{0}};
    for (int g = 0; g < 5; g++) {
        for (int i = 0; i < 7 * N; i++) {
            points[i] = rlt_rng_f64(&rng);
        }
        rlt_cma_update(&cma, points, g, 0);
    }
    for (int s = 0; s < SAMPLES; s++) {
        for (int i = 0; i < N; i++) {
            z[i] = rlt_rng_normal(&rng);
        }
        rlt_cma_sample(&cma, z, x);
        for (int i = 0; i < N; i++) {
            sum[i] += x[i] - cma.mean[i];
            for (int j = 0; j < N; j++) {
                product[i][j] += (x[i] - cma.mean[i]) * (x[j] - cma.mean[j]);
            }
        }
    }
    for (int i = 0; i < N; i++) {
        double std = cma.sigma * sqrt(cma.cov[i * N + i]);
        assert_near(sum[i] / SAMPLES, 0, 0.02 * std);
        for (int j = 0; j < N; j++) {
            double want = cma.sigma * cma.sigma * cma.cov[i * N + j];
            double other = cma.sigma * sqrt(cma.cov[j * N + j]);
            assert_near(product[i][j] / SAMPLES, want, 0.02 * std * other);
        }
    }
    rlt_cma_fini(&cma);
}

/* Whatever it is told, over many generations, numbers stay finite. */
static void check_extreme(double (*point)(rlt_rng *), double std_max) {
    enum { N = 4, LAMBDA = 8 };
    rlt_cma cma;
    rlt_cma_init(&cma, N, LAMBDA, (double[]){0.5, 0.5, 0.5, 0.5}, 1.0 / 6);
    cma.std_max = std_max;
    rlt_rng rng = rlt_rng_make(5, RLT_STREAM_TEST, 0);
    double points[LAMBDA * N];
    for (int g = 0; g < 20000; g++) {
        for (int i = 0; i < LAMBDA * N; i++) {
            points[i] = point(&rng);
        }
        rlt_cma_update(&cma, points, 0, 0);
        assert_true(cma.sigma > 0 && isfinite(cma.sigma));
        for (int i = 0; i < N; i++) {
            assert_true(isfinite(cma.mean[i]) && cma.scales[i] > 0 && isfinite(cma.scales[i]));
            assert_true(std_max == 0 || cma.sigma * sqrt(cma.cov[i * N + i]) <= 1.001 * std_max);
        }
    }
    assert_true(rlt_cma_exhausted(&cma));
    rlt_cma_fini(&cma);
}

static double always_same(rlt_rng *rng) {
    (void)rng;
    return 0.25;
}

static double corners(rlt_rng *rng) {
    return rlt_rng_f64(rng) < 0.5 ? 0 : 1;
}

static void test_extremes(void **unused) {
    (void)unused;
    check_extreme(always_same, 0);
    check_extreme(always_same, 1);
    check_extreme(corners, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eigen),    cmocka_unit_test(test_quantile),
        cmocka_unit_test(test_golden),   cmocka_unit_test(test_sample),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests_name("tuner_cma", tests, NULL, NULL);
}
