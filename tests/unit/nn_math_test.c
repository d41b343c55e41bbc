/* The error bounds that math_vec.h states, measured against double precision; in the AVX2 form,
 * whose bits AVX-512 shares (nn_kernels_test). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "nn/vec_avx2.h"
#include "nn/math_vec.h"

typedef double (*error_of)(float x, float got);

static double exp_error(float x, float got) {
    return (double)got / exp((double)x) - 1;
}
static double log_error(float x, float got) {
    return ((double)got - log((double)x)) / (1 + fabs(log((double)x)));
}
static double tanh_error(float x, float got) {
    return (double)got - tanh((double)x);
}
static double cos_error(float x, float got) {
    return (double)got - cos(6.283185307179586 * (double)x);
}

/* The largest error of f over 800,000 points of [low, high]. */
#define WORST(f, error, low, high)                                                                 \
    ({                                                                                             \
        double worst = 0;                                                                          \
        for (int i = 0; i < 100000; i++) {                                                         \
            float x[LANES], y[LANES];                                                              \
            for (int k = 0; k < LANES; k++) {                                                      \
                double part = (i * LANES + k) / (100000.0 * LANES - 1);                            \
                x[k] = (float)((low) + ((high) - (low)) * part);                                   \
            }                                                                                      \
            v_store(y, f(v_load(x)));                                                              \
            for (int k = 0; k < LANES; k++) {                                                      \
                worst = fmax(worst, fabs(error(x[k], y[k])));                                      \
            }                                                                                      \
        }                                                                                          \
        print_message(#f ": %.3g\n", worst);                                                       \
        worst;                                                                                     \
    })

static void skip_without_avx2(void) {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        skip();
    }
}

static void test_bounds(void **unused) {
    (void)unused;
    skip_without_avx2();
    assert_true(WORST(v_exp, exp_error, -87.0, 88.0) < 2e-7);
    assert_true(WORST(v_log, log_error, 1e-8, 2.0) < 1e-7);
    assert_true(WORST(v_log, log_error, 1.0, 1e6) < 1e-7);
    assert_true(WORST(v_tanh, tanh_error, -20.0, 20.0) < 5e-7);
    assert_true(WORST(v_cos_turns, cos_error, 0.0, 1.0) < 3e-7);
}

static void test_nan_stays(void **unused) {
    (void)unused;
    skip_without_avx2();
    float x[LANES], out[4][LANES];
    for (int k = 0; k < LANES; k++) {
        x[k] = NAN;
    }
    v_store(out[0], v_exp(v_load(x)));
    v_store(out[1], v_log(v_load(x)));
    v_store(out[2], v_tanh(v_load(x)));
    v_store(out[3], v_sigmoid(v_load(x)));
    for (int i = 0; i < 4; i++) {
        assert_true(isnan(out[i][0]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_nan_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
