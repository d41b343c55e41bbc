/* Every kernel of every vector form against the plain form on odd sizes with fresh random inputs
 * (the seed is printed), and AVX2 against AVX-512 bit for bit. */
#include "nn/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH_MAX = 144, ROWS_MAX = 100, SIZE_MAX_ = (WIDTH_MAX + 1) * WIDTH_MAX, TRIALS = 60 };
static rlt_rng rng;

static const rlt_nn_kernels *form(rlt_nn_form which) {
    return rlt_nn_force_form(which) ? rlt_nn_kernels_get() : NULL;
}

static void fill(float *x, int n) {
    for (int i = 0; i < n; i++) {
        x[i] = rlt_rng_uniform(&rng, -1, 1);
    }
}

static int size(int max) {
    static const int usual[] = {1, 2, 4, 6, 15, 16, 17, 31, 32, 33, 64, 65, 96};
    int n = rlt_rng_below(&rng, 2) ? usual[rlt_rng_below(&rng, RLT_COUNT(usual))]
                                   : 1 + (int)rlt_rng_below(&rng, (uint32_t)max);
    return n < max ? n : max;
}

static int padded(int n) {
    return (n + RLT_NN_PAD - 1) / RLT_NN_PAD * RLT_NN_PAD;
}

/* Random in the first `width` columns, zeros after. */
static void fill_padded(float *x, int rows, int width) {
    memset(x, 0, sizeof(float) * (size_t)(rows * padded(width)));
    for (int r = 0; r < rows; r++) {
        fill(x + r * padded(width), width);
    }
}

typedef void (*trial)(const rlt_nn_kernels *kernels, float *out, int *count, double *tolerance);

/* The first entry that is off, or -1. */
static int mismatch(const float *got, const float *want, int count, double tolerance) {
    for (int i = 0; i < count; i++) {
        double difference = fabs((double)got[i] - (double)want[i]);
        if (!(difference <= tolerance * (1 + fabs((double)want[i])))) {
            return i;
        }
    }
    return -1;
}

/* Runs the same trial with each form: the inputs come from the generator, which is rewound. Where
 * the kernel has a threshold (clipping, a draw), rounding may put one row on the other side of it,
 * about once in a thousand runs: one trial of all may be off then. */
static void compare(trial run, int allowed) {
    static float want[4 * SIZE_MAX_], got[2][4 * SIZE_MAX_];
    for (int t = 0; t < TRIALS; t++) {
        rlt_rng start = rng;
        int count, same;
        double tolerance;
        run(form(RLT_NN_PLAIN), want, &count, &tolerance);
        rlt_rng end = rng;
        const rlt_nn_kernels *forms[2] = {form(RLT_NN_AVX2), form(RLT_NN_AVX512)};
        bool off = false;
        for (int f = 0; f < 2; f++) {
            if (forms[f] == NULL) {
                continue;
            }
            rng = start;
            run(forms[f], got[f], &same, &tolerance);
            assert_int_equal(same, count);
            int i = mismatch(got[f], want, count, tolerance);
            off = off || i >= 0;
            if (i >= 0 && allowed == 0) {
                fail_msg("%s, trial %d, entry %d: %.9g, the plain form gives %.9g", forms[f]->name,
                         t, i, (double)got[f][i], (double)want[i]);
            }
        }
        allowed -= off;
        if (forms[0] != NULL && forms[1] != NULL) {
            assert_memory_equal(got[0], got[1], sizeof(float) * (size_t)count);
        }
        rng = end;
    }
}

static float x[ROWS_MAX * WIDTH_MAX], w[SIZE_MAX_], d[ROWS_MAX * WIDTH_MAX],
    y[ROWS_MAX * WIDTH_MAX], z[ROWS_MAX * WIDTH_MAX];

static void dense_trial(const rlt_nn_kernels *k, float *out, int *count, double *tolerance) {
    int n = size(ROWS_MAX), in = size(130), width = size(130),
        act = (int)rlt_rng_below(&rng, 4) - 1;
    int stride = padded(width);
    fill(x, n * in);
    fill(w, (in + 1) * width);
    *count = n * stride;
    memset(out, 0, sizeof(float) * 2 * (size_t)*count); /* what is past the width stays 0 */
    k->dense(x, in, w, n, in, width, act, out, stride, act == RLT_ACT_SILU ? out + *count : NULL);
    *count *= act == RLT_ACT_SILU ? 2 : 1;
    *tolerance = 3e-5;
}

static void head_trial(const rlt_nn_kernels *k, float *out, int *count, double *tolerance) {
    int n = size(ROWS_MAX), in = size(130), width = 1 + (int)rlt_rng_below(&rng, RLT_NN_HEAD_MAX);
    fill_padded(x, n, in);
    fill_padded(w, width, in);
    fill(d, width);
    k->head(x, padded(in), w, padded(in), d, n, width, out);
    *count = n * width;
    *tolerance = 1e-5;
}

static void weight_grad_trial(const rlt_nn_kernels *k, float *out, int *count, double *tolerance) {
    int n = size(ROWS_MAX), in = size(130), width = size(130);
    fill_padded(x, n, in);
    fill_padded(d, n, width);
    *count = (in + 1) * width;
    fill(out, *count);
    k->weight_grad(x, padded(in), d, padded(width), n, in, width, out);
    *tolerance = 1e-5;
}

static void head_grad_trial(const rlt_nn_kernels *k, float *out, int *count, double *tolerance) {
    int n = size(ROWS_MAX), in = size(130), width = 1 + (int)rlt_rng_below(&rng, RLT_NN_HEAD_MAX);
    fill_padded(x, n, in);
    fill(d, n * width);
    *count = (in + 1) * width;
    fill(out, *count);
    k->head_grad(x, padded(in), d, width, n, in, width, out);
    *tolerance = 1e-5;
}

static void input_grad_trial(const rlt_nn_kernels *k, float *out, int *count, double *tolerance) {
    int n = size(ROWS_MAX), in = size(130), width = size(130),
        act = (int)rlt_rng_below(&rng, 4) - 1;
    fill(d, n * width);
    fill_padded(w, width, in);
    fill_padded(y, n, in);
    fill_padded(z, n, in);
    *count = n * padded(in);
    memset(out, 0, sizeof(float) * (size_t)*count);
    k->input_grad(d, width, w, padded(in), n, width, in, act, y, z, out, padded(in));
    *tolerance = 1e-5;
}

static void transpose_trial(const rlt_nn_kernels *k, float *out, int *count, double *tolerance) {
    int in = size(130), width = size(130), first = (int)rlt_rng_below(&rng, (uint32_t)in);
    fill(w, in * width);
    *count = width * padded(in);
    memset(out, 0, sizeof(float) * (size_t)*count);
    k->transpose(w, first, in, width, out, padded(in));
    *tolerance = 0;
}

/* Statistics, then what the loss writes. */
static void loss_trial(const rlt_nn_kernels *k, bool discrete, float *out, int *count) {
    int n = size(ROWS_MAX), dim = size(discrete ? 40 : 9);
    static int32_t action[ROWS_MAX];
    static float log_std[64], old[ROWS_MAX], advantage[ROWS_MAX], continuous[ROWS_MAX * 64];
    fill(x, n * dim);
    fill(log_std, dim);
    fill(advantage, n);
    fill(continuous, n * dim);
    for (int r = 0; r < n; r++) {
        action[r] = (int32_t)rlt_rng_below(&rng, (uint32_t)dim);
        old[r] = rlt_rng_uniform(&rng, -1.5f, 0.5f) * (float)(discrete ? 2 : dim);
    }
    rlt_ppo_stats stats = {0};
    rlt_policy_rows rows = {
        .n = n,
        .action_dim = dim,
        .squash = rlt_rng_below(&rng, 2),
        .head = x,
        .log_std = log_std,
        .action = discrete ? (const void *)action : (const void *)continuous,
        .old_log_prob = old,
        .advantage = advantage,
        .clip = 0.2f,
        .ent_coef = 0.01f,
        .scale = 1.0f / (float)n,
        .d_head = out + 4,
        .d_log_std = out + 4 + n * dim,
    };
    memset(out, 0, sizeof(float) * (size_t)(4 + (n + 1) * dim));
    (discrete ? k->categorical_loss : k->gaussian_loss)(&rows, &stats);
    out[0] = (float)(stats.policy_loss / n);
    out[1] = (float)(stats.entropy / n);
    out[2] = (float)(stats.approx_kl / n);
    out[3] = (float)stats.clipped;
    *count = 4 + (n + 1) * dim;
}

static void categorical_trial(const rlt_nn_kernels *k, float *out, int *count, double *tolerance) {
    loss_trial(k, true, out, count);
    *tolerance = 3e-6;
}

static void gaussian_trial(const rlt_nn_kernels *k, float *out, int *count, double *tolerance) {
    loss_trial(k, false, out, count);
    *tolerance = 1e-4; /* ratios of far draws are large */
}

static void value_trial(const rlt_nn_kernels *k, float *out, int *count, double *tolerance) {
    int n = size(ROWS_MAX);
    rlt_ppo_coef coef = {.vf_clip = rlt_rng_below(&rng, 2) ? 0.3f : 0, .vf_coef = 0.5f};
    rlt_ppo_stats stats = {0};
    fill(x, n);
    fill(y, n);
    fill(z, n);
    k->value_loss(x, y, z, n, &coef, 0.1f, out + 1, &stats);
    out[0] = (float)stats.value_loss;
    *count = n + 1;
    *tolerance = 1e-6;
}

static void sample_trial(const rlt_nn_kernels *k, bool discrete, float *out, int *count) {
    int n = size(ROWS_MAX), dim = size(discrete ? 20 : 5);
    static int32_t action[ROWS_MAX];
    static float log_std[32];
    fill(x, n * dim);
    fill(log_std, dim);
    bool squash = rlt_rng_below(&rng, 2);
    for (int i = 0; squash && i < dim; i++) { /* narrow: near the bounds a float action is coarse */
        log_std[i] -= 2;
    }
    rlt_sample_rows rows = {
        .n = n,
        .action_dim = dim,
        .squash = squash,
        .head = x,
        .log_std = log_std,
        .seed = rlt_rng_u64(&rng),
        .step = rlt_rng_u64(&rng) >> 24,
        .first_env = rlt_rng_u32(&rng),
        .action = discrete ? (void *)action : (void *)(out + n),
        .log_prob = out,
    };
    (discrete ? k->sample_categorical : k->sample_gaussian)(&rows);
    for (int i = 0; discrete && i < n; i++) {
        out[n + i] = (float)action[i];
    }
    *count = n + n * (discrete ? 1 : dim);
}

static void sample_categorical_trial(const rlt_nn_kernels *k, float *out, int *count,
                                     double *tolerance) {
    sample_trial(k, true, out, count);
    *tolerance = 3e-6;
}

static void sample_gaussian_trial(const rlt_nn_kernels *k, float *out, int *count,
                                  double *tolerance) {
    sample_trial(k, false, out, count);
    *tolerance = 3e-4;
}

static void loops_trial(const rlt_nn_kernels *k, float *out, int *count, double *tolerance) {
    int n = 1 + (int)rlt_rng_below(&rng, 200);
    rlt_optimiser_spec spec = {RLT_OPT_ADAM, 0.9f, 0.99f, 1e-5f, 0.1f, 0.5f, 0.9f};
    rlt_optimiser_rates rates = {0.01f, 0.5f, 0.02f, 1.5f, 0.1f, 0.99f};
    fill(x, n);
    fill(out, 3 * n);
    for (int i = 2 * n; i < 3 * n; i++) {
        out[i] = fabsf(out[i]);
    }
    k->adam(&spec, &rates, out, x, out + n, out + 2 * n, (size_t)n);
    k->rmsprop(&spec, &rates, out, x, out + n, out + 2 * n, (size_t)n);
    k->sgd(&spec, &rates, out, x, out + n, (size_t)n);
    k->add(out, x, (size_t)n);
    out[3 * n] = (float)k->sum_squares(x, (size_t)n);
    *count = 3 * n + 1;
    *tolerance = 2e-6;
}

static void gae_trial(const rlt_nn_kernels *k, float *out, int *count, double *tolerance) {
    int horizon = 1 + (int)rlt_rng_below(&rng, 20), envs = 1 + (int)rlt_rng_below(&rng, 70);
    int n = horizon * envs;
    static uint8_t terminated[20 * 70], truncated[20 * 70];
    fill(x, n);
    fill(y, n + envs);
    fill(z, n);
    for (int i = 0; i < n; i++) {
        uint32_t end = rlt_rng_below(&rng, 8);
        terminated[i] = end == 0;
        truncated[i] = end == 1;
    }
    rlt_gae_in in = {horizon, envs, x, y, z, terminated, truncated, 0.97f, 0.9f};
    k->gae(&in, out, out + n);
    *count = 2 * n;
    *tolerance = 1e-5;
}

#define TEST(name, allowed)                                                                        \
    static void test_##name(void **unused) {                                                       \
        (void)unused;                                                                              \
        compare(name##_trial, allowed);                                                            \
    }
TEST(dense, 0)
TEST(head, 0)
TEST(weight_grad, 0)
TEST(head_grad, 0)
TEST(input_grad, 0)
TEST(transpose, 0)
TEST(categorical, 1)
TEST(gaussian, 1)
TEST(value, 1)
TEST(sample_categorical, 1)
TEST(sample_gaussian, 0)
TEST(loops, 0)
TEST(gae, 0)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_weight_grad),
        cmocka_unit_test(test_head_grad),
        cmocka_unit_test(test_input_grad),
        cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_categorical),
        cmocka_unit_test(test_gaussian),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_sample_categorical),
        cmocka_unit_test(test_sample_gaussian),
        cmocka_unit_test(test_loops),
        cmocka_unit_test(test_gae),
    };
    uint64_t seed = (uint64_t)rlt_wall_ms();
    print_message("seed %llu\n", (unsigned long long)seed);
    rng = rlt_rng_make(seed, RLT_STREAM_TEST, 0);
    const char *names[] = {"avx2", "avx512"};
    for (int f = 0; f < 2; f++) {
        if (form((rlt_nn_form)(RLT_NN_AVX2 + f)) == NULL) {
            print_message("[  SKIPPED ] form %s: this processor lacks it\n", names[f]);
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
