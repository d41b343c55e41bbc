/* nn against torch's losses, gradients and optimiser steps; finite differences; row independence;
 * advantages against a naive sum. All of it for each form of the kernels that this processor has.
 */
#include "nn/nn.h"
#include "nn/nn_impl.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 70, OBS = 5 };
static const rlt_ppo_coef coef = {0.2f, 0.3f, 0.5f, 0.01f};

static rlt_policy_spec make_spec(bool discrete, rlt_act act) {
    return (rlt_policy_spec){.obs_dim = OBS,
                             .discrete = discrete,
                             .action_dim = discrete ? 3 : 2,
                             .hidden = {17, 9},
                             .hidden_count = 2,
                             .act = act};
}

typedef struct golden {
    float *data, *params, *stats, *grad, *norm, *params_after;
    rlt_ppo_batch batch;
    int32_t action[ROWS];
    size_t count;
} golden;

static void load_golden(const rlt_policy_spec *spec, const char *act, golden *g) {
    char path[128];
    snprintf(path, sizeof(path), "tests/golden/nn_%s_%s.bin",
             spec->discrete ? "discrete"
             : spec->squash ? "squashed"
                            : "gaussian",
             act);
    char *bytes = NULL;
    size_t size = 0, actions = spec->discrete ? 1 : 2;
    rlt_err err = {0};
    assert_int_equal(rlt_file_read(path, 1 << 20, &bytes, &size, &err), RLT_OK);
    g->count = rlt_policy_param_count(spec);
    assert_int_equal(size, 4 * (3 * g->count + ROWS * (OBS + actions + 4) + 6));
    float *at = g->data = g->params = (float *)bytes;
    g->batch = (rlt_ppo_batch){.n = ROWS, .obs = at += g->count};
    g->batch.action = at += ROWS * OBS;
    for (int i = 0; spec->discrete && i < ROWS; i++) {
        g->action[i] = (int32_t)at[i];
    }
    g->batch.action = spec->discrete ? (const void *)g->action : (const void *)at;
    g->batch.old_log_prob = at += ROWS * actions;
    g->batch.old_value = at += ROWS;
    g->batch.advantage = at += ROWS;
    g->batch.ret = at += ROWS;
    g->stats = at += ROWS;
    g->grad = at += 5;
    g->norm = at += g->count;
    g->params_after = at + 1;
}

static void assert_near(const float *got, const float *want, size_t n, double tolerance) {
    for (size_t i = 0; i < n; i++) {
        if (fabs((double)got[i] - (double)want[i]) > tolerance * (1 + fabs((double)want[i]))) {
            fail_msg("entry %zu: got %.9g, expected %.9g", i, (double)got[i], (double)want[i]);
        }
    }
}

static void check_golden(rlt_policy_spec spec, const char *name) {
    golden g;
    load_golden(&spec, name, &g);
    rlt_optimiser_spec adam = {.kind = RLT_OPT_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-5f};
    rlt_policy_workspace *ws = rlt_policy_workspace_create(&spec);
    float *grad = rlt_alloc(4 * g.count), *m = rlt_alloc(4 * g.count), *v = rlt_alloc(4 * g.count);
    uint64_t allocations = rlt_alloc_count();
    for (int step = 1; step <= 3; step++) {
        rlt_ppo_stats s = {0};
        memset(grad, 0, 4 * g.count);
        rlt_ppo_grad(ws, g.params, &g.batch, &coef, ROWS, grad, &s);
        if (step == 1) {
            float means[5] = {(float)(s.policy_loss / ROWS), (float)(s.value_loss / ROWS),
                              (float)(s.entropy / ROWS), (float)(s.approx_kl / ROWS),
                              (float)(s.clipped / ROWS)};
            assert_near(means, g.stats, 5, 2e-6);
            assert_near(grad, g.grad, g.count, 1e-6);
            assert_true(means[4] > 0.1f && means[4] < 0.9f); /* both sides of the clip are hit */
        }
        float norm = rlt_grad_clip(grad, g.count, 0.5f);
        if (step == 1) {
            assert_near(&norm, g.norm, 1, 1e-5);
        }
        rlt_optimiser_step(&adam, g.params, grad, m, v, g.count, 1e-2f, 1, step);
    }
    assert_near(g.params, g.params_after, g.count, 2e-5);
    assert_int_equal(rlt_alloc_count(), allocations);
    rlt_policy_workspace_destroy(&ws);
    rlt_free(grad);
    rlt_free(m);
    rlt_free(v);
    rlt_free(g.data);
}

static void test_golden(void **unused) {
    (void)unused;
    for (int discrete = 0; discrete < 2; discrete++) {
        check_golden(make_spec(discrete, RLT_ACT_TANH), "tanh");
        check_golden(make_spec(discrete, RLT_ACT_RELU), "relu");
        check_golden(make_spec(discrete, RLT_ACT_SILU), "silu");
    }
    rlt_policy_spec squashed = make_spec(false, RLT_ACT_TANH);
    squashed.squash = true;
    check_golden(squashed, "tanh");
}

/* Three steps of each optimiser of gen_golden_nn.py, in its order; two of the three gradients are
 * given scaled, as clipping does. */
static void test_optimisers(void **unused) {
    (void)unused;
    enum { N = 37, STEPS = 3 };
    const rlt_optimiser_spec specs[] = {
        {RLT_OPT_ADAM, 0.9f, 0.999f, 1e-5f, 0, 0, 0},
        {RLT_OPT_ADAM, 0.8f, 0.99f, 1e-8f, 0.1f, 0, 0},
        {RLT_OPT_ADAMW, 0.9f, 0.999f, 1e-8f, 0.1f, 0, 0},
        {RLT_OPT_SGD, 0, 0, 0, 0, 0, 0},
        {RLT_OPT_SGD, 0, 0, 0, 0.1f, 0.9f, 0},
        {RLT_OPT_RMSPROP, 0, 0, 1e-8f, 0, 0, 0.99f},
        {RLT_OPT_RMSPROP, 0, 0, 1e-5f, 0.1f, 0.9f, 0.9f},
    };
    char *bytes = NULL;
    size_t size = 0;
    rlt_err err = {0};
    assert_int_equal(rlt_file_read("tests/golden/nn_optimisers.bin", 1 << 20, &bytes, &size, &err),
                     RLT_OK);
    assert_int_equal(size, 4 * N * (1 + STEPS * (1 + RLT_COUNT(specs))));
    const float *start = (const float *)bytes, *grads = start + N, *want = grads + STEPS * N;
    for (size_t o = 0; o < RLT_COUNT(specs); o++) {
        float params[N], m[N] = {0}, v[N] = {0}, grad[N];
        memcpy(params, start, sizeof params);
        for (int step = 1; step <= STEPS; step++, want += N) {
            float scale = step == 1 ? 1.0f : 0.25f;
            for (int i = 0; i < N; i++) {
                grad[i] = grads[(step - 1) * N + i] / scale;
            }
            rlt_optimiser_step(&specs[o], params, grad, m, v, N, 0.01f, scale, step);
            assert_near(params, want, N, 1e-6);
        }
    }
    rlt_free(bytes);
}

static double total_loss(rlt_policy_workspace *ws, const golden *g, float *scratch) {
    rlt_ppo_stats s = {0};
    rlt_ppo_grad(ws, g->params, &g->batch, &coef, ROWS, scratch, &s);
    return (s.policy_loss - (double)coef.ent_coef * s.entropy +
            (double)coef.vf_coef * s.value_loss) /
           ROWS;
}

/* Central differences along random directions, the loss being smooth but at the clips. */
static void test_finite_differences(void **unused) {
    (void)unused;
    rlt_policy_spec spec = make_spec(false, RLT_ACT_TANH);
    golden g;
    load_golden(&spec, "tanh", &g);
    rlt_policy_workspace *ws = rlt_policy_workspace_create(&spec);
    float *grad = rlt_alloc(4 * g.count), *scratch = rlt_alloc(4 * g.count);
    total_loss(ws, &g, grad);
    rlt_rng rng = rlt_rng_make(11, RLT_STREAM_TEST, 0);
    for (int trial = 0; trial < 20; trial++) {
        size_t i = rlt_rng_below(&rng, (uint32_t)g.count);
        float kept = g.params[i], h = 1e-2f;
        g.params[i] = kept + h;
        double above = total_loss(ws, &g, scratch);
        g.params[i] = kept - h;
        double below = total_loss(ws, &g, scratch);
        g.params[i] = kept;
        assert_true(fabs((above - below) / (2 * (double)h) - (double)grad[i]) < 3e-3);
    }
    rlt_policy_workspace_destroy(&ws);
    rlt_free(grad);
    rlt_free(scratch);
    rlt_free(g.data);
}

static void test_rows_are_independent(void **unused) {
    (void)unused;
    rlt_policy_spec spec = make_spec(true, RLT_ACT_TANH);
    golden g;
    load_golden(&spec, "tanh", &g);
    rlt_policy_workspace *ws = rlt_policy_workspace_create(&spec);
    float head[ROWS * 3], value[ROWS], head_one[3], value_one, log_prob[ROWS], log_prob_one;
    int32_t action[ROWS], action_one;
    rlt_policy_forward(ws, g.params, g.batch.obs, ROWS, head, value);
    rlt_policy_sample(&spec, g.params, head, NULL, ROWS, 9, 100, 4, action, log_prob);
    for (int r = 0; r < ROWS; r++) {
        rlt_policy_forward(ws, g.params, g.batch.obs + r * OBS, 1, head_one, &value_one);
        rlt_policy_sample(&spec, g.params, head_one, NULL, 1, 9, 100 + (uint32_t)r, 4, &action_one,
                          &log_prob_one);
        assert_memory_equal(head_one, head + 3 * r, sizeof(head_one));
        assert_true(value_one == value[r] && log_prob_one == log_prob[r]);
        assert_int_equal(action_one, action[r]);
    }
    rlt_policy_workspace_destroy(&ws);
    rlt_free(g.data);
}

/* The empirical frequencies of 20,000 draws match the softmax. */
static void test_sampling(void **unused) {
    (void)unused;
    rlt_policy_spec spec = make_spec(true, RLT_ACT_TANH);
    float head[3] = {0.0f, 1.0f, -1.0f}, log_prob;
    int32_t action, best, counts[3] = {0};
    for (uint64_t step = 0; step < 20000; step++) {
        rlt_policy_sample(&spec, NULL, head, NULL, 1, 1, 0, step, &action, &log_prob);
        counts[action]++;
    }
    const double expected[3] = {0.24472847, 0.66524096, 0.09003057};
    for (int i = 0; i < 3; i++) {
        assert_true(fabs(counts[i] / 20000.0 - expected[i]) < 0.015);
    }
    rlt_policy_mode(&spec, head, NULL, 1, &best);
    assert_int_equal(best, 1);
}

/* Gaussian draws are mean + std z with z of rlt_rng_normal; squashed ones tanh of that, their
 * log-probability the change of variables at the stored action. */
static void check_gaussian_draws(bool squash, uint64_t step) {
    enum { N = 37, DIM = 3 };
    rlt_policy_spec spec = {
        .obs_dim = OBS, .action_dim = DIM, .hidden = {8}, .hidden_count = 1, .squash = squash};
    size_t count = rlt_policy_param_count(&spec);
    float *params = rlt_alloc(sizeof(float) * count), head[N * DIM], action[N * DIM], log_prob[N];
    float *log_std = params + count - DIM;
    rlt_rng rng = rlt_rng_make(step, RLT_STREAM_TEST, 5);
    for (int i = 0; i < N * DIM; i++) {
        head[i] = rlt_rng_uniform(&rng, -2, 2);
        log_std[i % DIM] = rlt_rng_uniform(&rng, -1, 0.5f);
    }
    rlt_policy_sample(&spec, params, head, NULL, N, 77, 1000, step, action, log_prob);
    for (int r = 0; r < N; r++) {
        rlt_rng draws = rlt_rng_make(77, RLT_STREAM_ACTION, 1000 + (uint32_t)r);
        draws.index = step * 4 * DIM;
        double want = 0;
        for (int j = 0; j < DIM; j++) {
            double mean = (double)head[r * DIM + j], s = exp((double)log_std[j]);
            double u = mean + s * rlt_rng_normal(&draws), a = (double)action[r * DIM + j];
            assert_true(fabs(a - (squash ? tanh(u) : u)) < 3e-6);
            assert_true(!squash || fabs(a) < 1);
            double z = ((squash ? atanh(a) : a) - mean) / s;
            want -= 0.5 * z * z + log(s) + 0.9189385332046727 + (squash ? log(1 - a * a) : 0);
        }
        /* the float action itself is what limits both */
        assert_true(fabs(want - (double)log_prob[r]) < 2e-5 * (1 + fabs(want)));
    }
    rlt_policy_mode(&spec, head, NULL, N, action);
    for (int i = 0; i < N * DIM; i++) {
        double mean = (double)head[i];
        assert_true(fabs((double)action[i] - (squash ? tanh(mean) : mean)) < 1e-6);
    }
    rlt_free(params);
}

static void test_gaussian_draws(void **unused) {
    (void)unused;
    for (uint64_t step = 0; step < 200; step++) {
        check_gaussian_draws(false, step);
        check_gaussian_draws(true, step + ((uint64_t)1 << 40));
    }
}

/* At the bounds the squashed action stays inside and its log-probability is finite. */
static void test_saturated_squash(void **unused) {
    (void)unused;
    rlt_policy_spec spec = {
        .obs_dim = 1, .action_dim = 1, .hidden = {1}, .hidden_count = 1, .squash = true};
    float params[16] = {0}, head[2] = {40.0f, -40.0f}, action[2], log_prob[2];
    rlt_policy_sample(&spec, params, head, NULL, 2, 1, 0, 0, action, log_prob);
    assert_true(action[0] <= RLT_SQUASH_MAX && action[1] >= -RLT_SQUASH_MAX);
    assert_true(action[0] > 0.999999f && action[1] < -0.999999f);
    assert_true(isfinite(log_prob[0]) && isfinite(log_prob[1]));
}

static void test_orthogonal(void **unused) {
    (void)unused;
    rlt_policy_spec spec = make_spec(false, RLT_ACT_TANH);
    spec.log_std_init = -0.5f;
    float *params = rlt_alloc(4 * rlt_policy_param_count(&spec));
    rlt_policy_init(&spec, 1, params);
    for (int a = 0; a < OBS; a++) { /* first layer: 5 orthogonal rows of norm sqrt 2 */
        for (int b = 0; b < OBS; b++) {
            double dot = 0;
            for (int i = 0; i < 17; i++) {
                dot += (double)params[a * 17 + i] * (double)params[b * 17 + i];
            }
            assert_true(fabs(dot - (a == b ? 2.0 : 0.0)) < 1e-5);
        }
    }
    assert_true(params[rlt_policy_param_count(&spec) - 1] == -0.5f);
    rlt_free(params);
}

/* Definition (16) of the paper, summed directly, episode ends included. */
static void test_gae(void **unused) {
    (void)unused;
    enum { T = 40, N = 3 };
    float reward[T * N], value[(T + 1) * N], final_value[T * N], advantage[T * N], ret[T * N];
    uint8_t terminated[T * N] = {0}, truncated[T * N] = {0};
    rlt_rng rng = rlt_rng_make(2, RLT_STREAM_TEST, 1);
    for (int i = 0; i < (T + 1) * N; i++) {
        value[i] = rlt_rng_uniform(&rng, -1, 1);
    }
    for (int i = 0; i < T * N; i++) {
        reward[i] = rlt_rng_uniform(&rng, -1, 1);
        final_value[i] = rlt_rng_uniform(&rng, -1, 1);
        uint32_t end = rlt_rng_below(&rng, 8);
        terminated[i] = end == 0;
        truncated[i] = end == 1;
    }
    rlt_gae_in in = {T, N, reward, value, final_value, terminated, truncated, 0.97f, 0.9f};
    rlt_gae(&in, advantage, ret);
    for (int i = 0; i < T * N; i++) {
        double sum = 0, weight = 1;
        for (int j = i; j < T * N; j += N) {
            double next =
                terminated[j] ? 0 : (double)(truncated[j] ? final_value[j] : value[j + N]);
            sum += weight * ((double)reward[j] + (double)0.97f * next - (double)value[j]);
            weight *= (double)0.97f * (double)0.9f;
            if (terminated[j] || truncated[j]) {
                break;
            }
        }
        assert_true(fabs(sum - (double)advantage[i]) < 1e-5);
        assert_true(fabsf(ret[i] - advantage[i] - value[i]) < 1e-5f);
    }
}

static void test_tanh_error(void **unused) {
    (void)unused;
    double worst = 0;
    for (int i = -200000; i <= 200000; i++) {
        float z = (float)i * 1e-4f, y;
        rlt_nn_kernels_get()->tanh(&z, 1, &y);
        worst = fmax(worst, fabs((double)y - tanh((double)z)));
    }
    print_message("tanh: largest absolute error %.3g\n", worst);
    assert_true(worst < 5e-7);
}

static void test_bad_spec(void **unused) {
    (void)unused;
    rlt_policy_spec spec = make_spec(true, RLT_ACT_TANH);
    rlt_err err = {0};
    assert_int_equal(rlt_policy_check(&spec, &err), RLT_OK);
    spec.squash = true;
    assert_int_equal(rlt_policy_check(&spec, &err), RLT_EINVAL);
    spec.squash = false;
    spec.hidden[1] = 5000;
    assert_int_equal(rlt_policy_check(&spec, &err), RLT_EINVAL);
    assert_string_equal(err.message, "model.hidden[2]: width 5000; allowed: 1 to 1024");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_optimisers),
        cmocka_unit_test(test_finite_differences),
        cmocka_unit_test(test_rows_are_independent),
        cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_gaussian_draws),
        cmocka_unit_test(test_saturated_squash),
        cmocka_unit_test(test_orthogonal),
        cmocka_unit_test(test_gae),
        cmocka_unit_test(test_tanh_error),
        cmocka_unit_test(test_bad_spec),
    };
    const char *names[] = {"best", "plain", "avx2", "avx512"};
    int failed = 0;
    for (int form = RLT_NN_PLAIN; form <= RLT_NN_AVX512; form++) {
        if (rlt_nn_force_form((rlt_nn_form)form)) {
            assert_string_equal(rlt_nn_form_name(), names[form]);
            failed += cmocka_run_group_tests_name(names[form], tests, NULL, NULL);
        } else {
            print_message("[  SKIPPED ] form %s: this processor lacks it\n", names[form]);
        }
    }
    return failed;
}
