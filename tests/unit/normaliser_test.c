/* Running moments against gymnasium's, scaled rewards against Stable-Baselines3's rule; golden
 * values by scripts/gen_golden_normalise.py. */
#include "learner/normaliser.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { BATCHES = 5, ROWS = 37, WIDTH = 3, STEPS = 50, ENVS = 6 };

static struct {
    float observation[BATCHES][ROWS][WIDTH];
    double moments[BATCHES][2][WIDTH];
    float reward[STEPS][ENVS];
    uint8_t end[STEPS][ENVS];
    float scaled[STEPS][ENVS];
} golden;

static int load(void **unused) {
    (void)unused;
    FILE *file = fopen("tests/golden/normalise.bin", "rb");
    size_t read = 0;
    if (file != NULL) {
        read += fread(golden.observation, sizeof(golden.observation), 1, file);
        read += fread(golden.moments, sizeof(golden.moments), 1, file);
        read += fread(golden.reward, sizeof(golden.reward), 1, file);
        read += fread(golden.end, sizeof(golden.end), 1, file);
        read += fread(golden.scaled, sizeof(golden.scaled), 1, file);
        fclose(file);
    }
    return read == 5 ? 0 : -1;
}

static const float *row(void *user, int64_t i) {
    return (const float *)user + WIDTH * i;
}

static void assert_near(double value, double wanted, double relative) {
    if (fabs(value - wanted) > relative * fmax(fabs(wanted), 1e-3)) {
        fail_msg("%.17g is not %.17g", value, wanted);
    }
}

static void test_moments(void **unused) {
    (void)unused;
    rlt_running running;
    float mean[WIDTH], inv_std[WIDTH];
    rlt_running_init(&running, WIDTH);
    for (int b = 0; b < BATCHES; b++) {
        rlt_running_add(&running, ROWS, row, golden.observation[b]);
        for (int i = 0; i < WIDTH; i++) {
            assert_near(running.mean[i], golden.moments[b][0][i], 1e-12);
            assert_near(running.var[i], golden.moments[b][1][i], 1e-12);
        }
    }
    rlt_running_scale(&running, mean, inv_std);
    for (int i = 0; i < WIDTH; i++) {
        assert_near((double)mean[i], golden.moments[BATCHES - 1][0][i], 1e-7);
        assert_near((double)inv_std[i], 1 / sqrt(golden.moments[BATCHES - 1][1][i] + 1e-8), 1e-7);
    }
    rlt_running_fini(&running);
}

static void test_rewards(void **unused) {
    (void)unused;
    rlt_reward_scaler scaler;
    rlt_reward_scaler_init(&scaler, ENVS, 0.97f, 2.0f);
    int clipped = 0;
    for (int t = 0; t < STEPS; t++) {
        for (int e = 0; e < ENVS; e++) {
            rlt_reward_scaler_add(&scaler, e, golden.reward[t][e]);
        }
        float inv_std = rlt_reward_scaler_update(&scaler);
        for (int e = 0; e < ENVS; e++) {
            float x = rlt_reward_scaler_scale(&scaler, e, golden.reward[t][e], inv_std,
                                              golden.end[t][e] == 1);
            assert_near((double)x, (double)golden.scaled[t][e], 1e-5);
            clipped += fabsf(x) == 2.0f;
        }
    }
    assert_true(clipped > 0 && clipped < STEPS * ENVS / 2); /* both sides of the clip were seen */
    rlt_reward_scaler_fini(&scaler);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_rewards),
    };
    return cmocka_run_group_tests(tests, load, NULL);
}
