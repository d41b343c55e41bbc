/* The operations on the CPU against torch (scripts/gen_golden_ops.py): forward, gradients of
 * parameters and of observations, for each form of the kernels that this processor has; what
 * batches, additions and odd sizes must not change. */
#include "nn/cpu/matrix.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 6, HEAD = 5 };
#define DENSE(n, a)                                                                                \
    { .kind = RLT_LAYER_DENSE, .units = n, .act = RLT_ACT_##a }
#define CONV(n, k, s, p, a)                                                                        \
    { .kind = RLT_LAYER_CONV, .units = n, .kernel = k, .stride = s, .pad = p, .act = RLT_ACT_##a }
#define POOL(k, s, p)                                                                              \
    { .kind = RLT_LAYER_MAX_POOL, .kernel = k, .stride = s, .pad = p }
#define ACT(a)                                                                                     \
    { .kind = RLT_LAYER_ACTIVATION, .act = RLT_ACT_##a }
#define RESIDUAL                                                                                   \
    { .kind = RLT_LAYER_RESIDUAL }
#define END                                                                                        \
    { .kind = RLT_LAYER_END }
#define IMPALA_BLOCK(c) RESIDUAL, ACT(RELU), CONV(c, 3, 1, 1, RELU), CONV(c, 3, 1, 1, NONE), END
#define IMPALA(c) CONV(c, 3, 1, 1, NONE), POOL(3, 2, 1), IMPALA_BLOCK(c), IMPALA_BLOCK(c)

typedef struct golden_case {
    const char *name;
    rlt_net_spec spec;
} golden_case;

static const golden_case cases[] = {
    {"dense",
     {.obs_shape = {1, 1, 13},
      .layer_count = 4,
      .layers = {DENSE(21, TANH), DENSE(18, RELU), DENSE(7, SILU), DENSE(33, NONE)}}},
    {"narrow",
     {.obs_shape = {1, 1, 48},
      .separate = true,
      .layer_count = 2,
      .layers = {DENSE(32, SILU), DENSE(16, RELU)}}},
    {"conv",
     {.obs_shape = {11, 9, 3},
      .layer_count = 4,
      .layers = {CONV(8, 3, 2, 1, RELU), CONV(5, 4, 1, 0, SILU), CONV(7, 2, 2, 1, TANH),
                 CONV(6, 1, 1, 0, NONE)}}},
    {"pool",
     {.obs_shape = {10, 11, 4},
      .separate = true,
      .layer_count = 5,
      .layers = {CONV(8, 3, 1, 1, NONE), POOL(3, 2, 1), ACT(RELU), POOL(2, 2, 0), DENSE(9, TANH)}}},
    {"embed",
     {.obs_shape = {1, 1, 12},
      .layer_count = 2,
      .layers = {{.kind = RLT_LAYER_EMBED, .units = 16}, DENSE(10, RELU)}}},
    {"nature",
     {.obs_shape = {36, 36, 2},
      .layer_count = 4,
      .layers = {CONV(8, 8, 4, 0, RELU), CONV(16, 4, 2, 0, RELU), CONV(16, 3, 1, 0, RELU),
                 DENSE(32, RELU)}}},
    {"impala",
     {.obs_shape = {16, 16, 3},
      .layer_count = 26,
      .layers = {IMPALA(4), IMPALA(8), ACT(RELU), DENSE(24, RELU)}}},
};

typedef struct golden {
    float *data, *params, *obs, *head_weight, *value_weight, *head, *value, *grad, *d_obs;
} golden;

static void load(const golden_case *c, const rlt_program *p, golden *g) {
    char path[128], *bytes = NULL;
    size_t size = 0, obs = ROWS * (size_t)p->obs_width;
    rlt_err err = {0};
    snprintf(path, sizeof path, "tests/golden/nn_ops_%s.bin", c->name);
    assert_int_equal(rlt_file_read(path, 1 << 20, &bytes, &size, &err), RLT_OK);
    assert_int_equal(size, 4 * (2 * p->param_count + 2 * obs + ROWS * (2 * HEAD + 2)));
    g->params = g->data = (float *)bytes;
    g->obs = g->params + p->param_count;
    g->head_weight = g->obs + obs;
    g->value_weight = g->head_weight + ROWS * HEAD;
    g->head = g->value_weight + ROWS;
    g->value = g->head + ROWS * HEAD;
    g->grad = g->value + ROWS;
    g->d_obs = g->grad + p->param_count;
}

static void assert_near(const char *what, const float *got, const float *want, size_t n,
                        double tolerance) {
    double square = 0;
    for (size_t i = 0; i < n; i++) {
        square += (double)want[i] * (double)want[i];
    }
    double typical = sqrt(square / (double)n);
    for (size_t i = 0; i < n; i++) {
        double error = fabs((double)got[i] - (double)want[i]);
        if (!(error <= tolerance * (typical + fabs((double)want[i])))) {
            fail_msg("%s, entry %zu: got %.9g, expected %.9g", what, i, (double)got[i],
                     (double)want[i]);
        }
    }
}

static void check_case(const golden_case *c) {
    rlt_net_spec spec = c->spec;
    spec.head_width = HEAD;
    spec.value_width = 1;
    rlt_program p;
    rlt_err err = {0};
    rlt_device *device = NULL;
    rlt_net *net = NULL;
    golden g;
    assert_int_equal(rlt_program_build(&spec, &p, &err), RLT_OK);
    load(c, &p, &g);
    assert_int_equal(rlt_device_open("cpu", RLT_PRECISION_FP32, &device, &err), RLT_OK);
    assert_int_equal(rlt_net_create(device, &p, 1, ROWS, true, &net, &err), RLT_OK);
    size_t obs = ROWS * (size_t)p.obs_width;
    float *grad = rlt_alloc(sizeof(float) * p.param_count), *d_obs = rlt_alloc(sizeof(float) * obs);
    rlt_net_in in = {.steps = 1, .seqs = ROWS, .params = g.params, .obs = g.obs};
    rlt_net_forward(net, &in);
    assert_near("head", rlt_net_head(net), g.head, ROWS * HEAD, 2e-6);
    assert_near("value", rlt_net_value(net), g.value, ROWS, 2e-6);
    for (int run = 1; run <= 2; run++) { /* grad is added to, d_obs is written */
        memcpy(rlt_net_d_head(net), g.head_weight, sizeof(float) * ROWS * HEAD);
        memcpy(rlt_net_d_value(net), g.value_weight, sizeof(float) * ROWS);
        rlt_net_backward_obs(net, &in, grad, d_obs);
        assert_near("gradient of obs", d_obs, g.d_obs, obs, 5e-6);
    }
    for (size_t i = 0; i < p.param_count; i++) {
        grad[i] *= 0.5f;
    }
    assert_near("gradient", grad, g.grad, p.param_count, 5e-6);
    rlt_net_destroy(&net);
    rlt_device_close(&device);
    rlt_free(grad);
    rlt_free(d_obs);
    rlt_free(g.data);
}

static void test_golden(void **unused) {
    (void)unused;
    for (int form = RLT_NN_PLAIN; form <= RLT_NN_AVX512; form++) {
        for (size_t i = 0; i < RLT_COUNT(cases) && rlt_nn_force_form((rlt_nn_form)form); i++) {
            check_case(&cases[i]);
        }
    }
    rlt_nn_force_form(RLT_NN_BEST);
}

/* d w^T by both transpositions and with and without addition: one sum in double. */
static void test_times_transposed(void **unused) {
    (void)unused;
    static const int sizes[][3] = {{1, 3, 2},    {5, 17, 33},   {16, 200, 64}, {40, 300, 130},
                                   {33, 129, 7}, {128, 10, 40}, {17, 512, 96}};
    rlt_rng rng = rlt_rng_make(3, RLT_STREAM_TEST, 0);
    for (size_t s = 0; s < 2 * RLT_COUNT(sizes); s++) {
        int n = sizes[s / 2][0], in = sizes[s / 2][1], out = sizes[s / 2][2];
        size_t rows = (size_t)n, dx_count = rows * (size_t)in;
        float *d = rlt_alloc(sizeof(float) * rows * (size_t)out);
        float *w = rlt_alloc(sizeof(float) * (size_t)in * (size_t)out);
        float *dx = rlt_alloc(sizeof(float) * dx_count),
              *want = rlt_alloc(sizeof(float) * dx_count);
        float *scratch = rlt_alloc(sizeof(float) *
                                   rlt_cpu_times_transposed_scratch(rows, (size_t)in, (size_t)out));
        for (int i = 0; i < n * out; i++) {
            d[i] = rlt_rng_uniform(&rng, -1, 1);
        }
        for (int i = 0; i < in * out; i++) {
            w[i] = rlt_rng_uniform(&rng, -1, 1);
        }
        for (int r = 0; r < n; r++) {
            for (int k = 0; k < in; k++) {
                double sum = s % 2 == 0 ? 0 : 0.5;
                for (int j = 0; j < out; j++) {
                    sum += (double)d[r * out + j] * (double)w[k * out + j];
                }
                dx[r * in + k] = 0.5f;
                want[r * in + k] = (float)sum;
            }
        }
        rlt_cpu_times_transposed(d, w, n, in, out, s % 2 == 1, dx, scratch);
        assert_near("dx", dx, want, dx_count, 3e-6);
        float *const all[] = {d, w, dx, want, scratch};
        for (size_t i = 0; i < RLT_COUNT(all); i++) {
            rlt_free(all[i]);
        }
    }
}

/* Equal entries: the first in reading order gets the gradient; a NaN is seen. */
static void test_pool_ties(void **unused) {
    (void)unused;
    float x[9] = {1, 2, 2, 2, 0, 0, 0, 0, 0}, y[4] = {0}, dy[4] = {1, 10, 100, 1000}, dx[9];
    rlt_op op = {.kind = RLT_OP_max_pool,
                 .in = 9,
                 .out = 4,
                 .in_hwc = {3, 3, 1},
                 .out_hwc = {2, 2, 1},
                 .kernel = 2,
                 .stride = 1};
    rlt_op_io io = {.steps = 1, .seqs = 1, .x = x, .y = y, .dy = dy, .dx = dx};
    rlt_cpu_max_pool_forward(NULL, &op, &io);
    assert_true(y[0] == 2 && y[1] == 2 && y[2] == 2 && y[3] == 0);
    rlt_cpu_max_pool_backward(NULL, &op, &io);
    const float want[9] = {0, 11, 0, 100, 1000, 0, 0, 0, 0};
    assert_memory_equal(dx, want, sizeof want);
    op.dx_add = true;
    rlt_cpu_max_pool_backward(NULL, &op, &io);
    assert_true(dx[4] == 2000 && dx[1] == 22);
    x[4] = NAN;
    rlt_cpu_max_pool_forward(NULL, &op, &io);
    assert_true(isnan(y[0]) && isnan(y[1]) && isnan(y[2]) && isnan(y[3]));
}

/* Gradients of relu and the pool away from their kinks, where a difference is exact. */
static void test_activation_slopes(void **unused) {
    (void)unused;
    rlt_rng rng = rlt_rng_make(4, RLT_STREAM_TEST, 0);
    enum { N = 77 };
    float x[N], y[N], y_up[N], dy[N], dx[N], scratch[N];
    for (int act = RLT_ACT_TANH; act <= RLT_ACT_SILU; act++) {
        for (int i = 0; i < N; i++) {
            x[i] = rlt_rng_uniform(&rng, 0.1f, 4) * (i % 2 == 0 ? 1.0f : -1.0f);
            dy[i] = 1;
            dx[i] = 100;
        }
        rlt_op op = {.kind = RLT_OP_activation, .in = N, .out = N, .act = (rlt_act)act};
        rlt_op_io io = {.steps = 1, .seqs = 1, .x = x, .y = y, .dy = dy, .dx = dx};
        io.scratch = scratch;
        rlt_cpu_activation_forward(NULL, &op, &io);
        rlt_cpu_activation_backward(NULL, &op, &io);
        for (int i = 0; i < N; i++) {
            x[i] += 1e-2f;
        }
        io.y = y_up;
        rlt_cpu_activation_forward(NULL, &op, &io);
        for (int i = 0; i < N; i++) {
            assert_true(fabsf((y_up[i] - y[i]) / 1e-2f - dx[i]) < 0.01f);
        }
        float before = dx[3];
        for (int i = 0; i < N; i++) {
            x[i] -= 1e-2f;
        }
        op.dx_add = true;
        io.y = y;
        rlt_cpu_activation_backward(NULL, &op, &io);
        assert_true(fabsf(dx[3] - 2 * before) < 1e-4f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_times_transposed),
        cmocka_unit_test(test_pool_ties),
        cmocka_unit_test(test_activation_slopes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
