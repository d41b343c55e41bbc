/* The vector forms' own sine, cosine and wrapping against the C library's in long double. */
#include "envs/common/lanes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static double worst_sincos(double range, int count) {
    rlt_rng rng = rlt_rng_make(4, RLT_STREAM_TEST, 0);
    double worst = 0;
    for (int i = 0; i < count; i++) {
        double x = range * (2 * rlt_rng_f64(&rng) - 1), sine, cosine;
        rlt_lane_sincos(x, &sine, &cosine);
        worst = fmax(worst, (double)fabsl((long double)sine - sinl((long double)x)));
        worst = fmax(worst, (double)fabsl((long double)cosine - cosl((long double)x)));
    }
    return worst;
}

static void test_sincos(void **unused) {
    (void)unused;
    const double ranges[] = {0.3, 0.7853981633974483, 3.2, 100, 1e5};
    for (size_t i = 0; i < RLT_COUNT(ranges); i++) {
        double worst = worst_sincos(ranges[i], 200000);
        print_message("|x| <= %g: worst error of sine and cosine %.3g\n", ranges[i], worst);
        assert_true(worst < 2e-16);
    }
}

/* Around every multiple of pi / 4, where the quarter turns, and at the exact points. */
static void test_quarters(void **unused) {
    (void)unused;
    for (int k = -4000; k <= 4000; k++) {
        double x = k * M_PI / 4;
        for (int side = -1; side <= 1; side++) {
            double at = side == 0 ? x : nextafter(x, side * HUGE_VAL), sine, cosine;
            rlt_lane_sincos(at, &sine, &cosine);
            assert_true(fabsl((long double)sine - sinl((long double)at)) < 2e-16L);
            assert_true(fabsl((long double)cosine - cosl((long double)at)) < 2e-16L);
        }
    }
    double sine, cosine;
    rlt_lane_sincos(0, &sine, &cosine);
    assert_true(sine == 0 && cosine == 1);
}

static void test_wrap(void **unused) {
    (void)unused;
    rlt_rng rng = rlt_rng_make(4, RLT_STREAM_TEST, 1);
    for (int i = 0; i < 200000; i++) {
        double x = 1e5 * (2 * rlt_rng_f64(&rng) - 1);
        assert_true(fabs(rlt_lane_wrap(x) - remainder(x, 2 * M_PI)) < 1e-15);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sincos),
        cmocka_unit_test(test_quarters),
        cmocka_unit_test(test_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
