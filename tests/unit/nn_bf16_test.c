/* Products in bfloat16: the packing and the product against the plain form, dense layers against
 * float64 products of rounded factors, their invariants, and whole gradients against float32. What
 * needs the processor's unit is skipped where there is none. */
#include "nn/cpu/cpu.h"
#include "nn/kernels_bf16.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static rlt_rng rng;

static void fill(float *x, int n) {
    for (int i = 0; i < n; i++) {
        x[i] = rlt_rng_uniform(&rng, -1, 1);
    }
}

static int size(int max) {
    static const int usual[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 65, 127, 130};
    int n = usual[rlt_rng_below(&rng, RLT_COUNT(usual))];
    return n < max ? n : max;
}

static void need_unit(void) {
    if (rlt_nn_bf16_get() == NULL) {
        print_message("no AVX512_BF16 here\n");
        skip();
    }
}

static float rounded(float x) { /* to 8 bits of significand, by the plain form */
    float word;
    uint32_t bits;
    rlt_nn_bf16_plain.pack_rows(&x, 1, 1, 1, &word);
    memcpy(&bits, &word, sizeof bits);
    bits <<= 16;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* By hand: 1 + 2^-8 lies between two neighbours, the even one is 1. */
static void test_rounding(void **unused) {
    (void)unused;
    assert_true(rounded(1.0f) == 1.0f && rounded(1.00390625f) == 1.0f);
    assert_true(rounded(1.00390637f) == 1.0078125f && rounded(1.01171875f) == 1.015625f);
    assert_true(rounded(-3.14159274f) == -3.140625f && rounded(3.4e38f) == INFINITY);
    assert_true(isnan(rounded(NAN)) && rounded(1e-39f) == 0 && signbit(rounded(-0.0f)));
}

enum { SIDE = 130, FLOATS = SIDE * SIDE };
static float x[FLOATS], packed[2][FLOATS], c[2][FLOATS], a[FLOATS], b[FLOATS], bias[SIDE];

static void test_packing(void **unused) {
    (void)unused;
    need_unit();
    static const float odd[] = {NAN, INFINITY, -INFINITY, 1e-40f, -1e-40f, 3.4e38f, -0.0f};
    for (int trial = 0; trial < 100; trial++) {
        int rows = size(SIDE), width = size(SIDE);
        fill(x, rows * width);
        for (size_t i = 0; i < RLT_COUNT(odd) && rows * width > 20; i++) {
            x[rlt_rng_below(&rng, (uint32_t)(rows * width))] = odd[i];
        }
        size_t by_row = (size_t)rows * (size_t)((width + 1) / 2);
        size_t by_pair = (size_t)((rows + 1) / 2) * (size_t)width;
        rlt_nn_bf16_plain.pack_rows(x, width, rows, width, packed[0]);
        rlt_nn_bf16_get()->pack_rows(x, width, rows, width, packed[1]);
        assert_memory_equal(packed[0], packed[1], sizeof(float) * by_row);
        rlt_nn_bf16_plain.pack_pairs(x, width, rows, width, packed[0]);
        rlt_nn_bf16_get()->pack_pairs(x, width, rows, width, packed[1]);
        assert_memory_equal(packed[0], packed[1], sizeof(float) * by_pair);
    }
}

static void test_product(void **unused) {
    (void)unused;
    need_unit();
    for (int trial = 0; trial < 100; trial++) {
        int m = size(SIDE), n = size(SIDE), k = size(SIDE), words = (k + 1) / 2;
        fill(x, m * k);
        rlt_nn_bf16_plain.pack_rows(x, k, m, k, a);
        fill(x, k * n);
        rlt_nn_bf16_plain.pack_pairs(x, n, k, n, b);
        fill(bias, n);
        fill(c[0], m * n);
        memcpy(c[1], c[0], sizeof c[0]);
        rlt_nn_product p = {.m = m,
                            .n = n,
                            .steps = words,
                            .a = a,
                            .a_row = words,
                            .a_step = 1,
                            .b = b,
                            .b_stride = n,
                            .c_stride = n,
                            .bias = trial % 2 == 0 ? bias : NULL,
                            .add = trial % 3 == 0};
        p.c = c[0];
        rlt_nn_bf16_plain.product(&p);
        p.c = c[1];
        rlt_nn_bf16_get()->product(&p);
        for (int i = 0; i < m * n; i++) {
            assert_true(fabsf(c[0][i] - c[1][i]) <= 2e-6f * (1 + sqrtf((float)k)));
        }
    }
}

/* ---- dense layers ---- */

typedef struct layer {
    rlt_op op;
    rlt_op_io io;
    float *params, *in, *y, *saved, *dy, *dx, *d_params, *scratch;
} layer;

static layer make_layer(rlt_device *device, int in, int out, int rows, rlt_act act) {
    size_t n = (size_t)rows, params = (size_t)(in + 1) * (size_t)out;
    layer l = {.op = {.kind = RLT_OP_dense, .in = in, .out = out, .act = act}};
    l.op.saved = rlt_op_saved_floats(&l.op);
    l.params = rlt_alloc(sizeof(float) * params);
    l.d_params = rlt_alloc(sizeof(float) * params);
    l.in = rlt_alloc(sizeof(float) * n * (size_t)in);
    l.dx = rlt_alloc(sizeof(float) * n * (size_t)in);
    l.y = rlt_alloc(sizeof(float) * n * (size_t)out);
    l.dy = rlt_alloc(sizeof(float) * n * (size_t)out);
    l.saved = rlt_alloc(sizeof(float) * (n * (size_t)l.op.saved + 1));
    l.scratch = rlt_alloc(device->backend->op_scratch(device, &l.op, rows, 1, true));
    fill(l.params, (int)params);
    fill(l.in, rows * in);
    fill(l.dy, rows * out);
    l.io = (rlt_op_io){.steps = rows,
                       .seqs = 1,
                       .params = l.params,
                       .x = l.in,
                       .y = l.y,
                       .saved = l.saved,
                       .dy = l.dy,
                       .dx = l.dx,
                       .d_params = l.d_params,
                       .scratch = l.scratch,
                       .training = true};
    return l;
}

static void free_layer(layer *l) {
    void *all[] = {l->params, l->in, l->y, l->saved, l->dy, l->dx, l->d_params, l->scratch};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
}

static rlt_device *open_device(rlt_precision precision) {
    rlt_device *device = NULL;
    assert_int_equal(rlt_device_open("cpu", precision, &device, NULL), RLT_OK);
    return device;
}

static double act_of(rlt_act act, double z) {
    return act == RLT_ACT_TANH   ? tanh(z)
           : act == RLT_ACT_RELU ? fmax(z, 0)
           : act == RLT_ACT_SILU ? z / (1 + exp(-z))
                                 : z;
}

static double slope_of(rlt_act act, double z, double y) { /* y decides where ReLU's z is near 0 */
    double t = tanh(z), s = 1 / (1 + exp(-z));
    return act == RLT_ACT_TANH   ? 1 - t * t
           : act == RLT_ACT_RELU ? y > 0
           : act == RLT_ACT_SILU ? s + z * s * (1 - s)
                                 : 1;
}

static double sum_before(const layer *l, int r, int j) {
    double z = (double)l->params[l->op.in * l->op.out + j];
    for (int k = 0; k < l->op.in; k++) {
        z += (double)rounded(l->in[r * l->op.in + k]) *
             (double)rounded(l->params[k * l->op.out + j]);
    }
    return z;
}

/* The gradient of the sums as it is rounded may differ by one unit in 2^8 from the reference's
 * where it lies on an edge: hence the tolerances. */
static void check_layer(rlt_device *device, int in, int out, int rows, rlt_act act) {
    layer l = make_layer(device, in, out, rows, act);
    int params = (in + 1) * out;
    double *dz = rlt_alloc(sizeof(double) * (size_t)(rows * out));
    device->backend->forward[RLT_OP_dense](device, &l.op, &l.io);
    device->backend->backward[RLT_OP_dense](device, &l.op, &l.io);
    for (int r = 0; r < rows; r++) {
        for (int j = 0; j < out; j++) {
            double z = sum_before(&l, r, j), want = act_of(act, z);
            assert_true(fabs((double)l.y[r * out + j] - want) <= 1e-4);
            dz[r * out + j] =
                (double)l.dy[r * out + j] * slope_of(act, z, (double)l.y[r * out + j]);
        }
    }
    for (int trial = 0; trial < 60; trial++) {
        int i = (int)rlt_rng_below(&rng, (uint32_t)params), k = i / out, j = i % out;
        double want = 0, some = 0;
        for (int r = 0; r < rows; r++) {
            want += dz[r * out + j] * (k < in ? (double)rounded(l.in[r * in + k]) : 1);
            some += fabs(dz[r * out + j]);
        }
        assert_true(fabs((double)l.d_params[i] - want) <= 4e-3 * some + 1e-4);
        int r = (int)rlt_rng_below(&rng, (uint32_t)rows);
        k = (int)rlt_rng_below(&rng, (uint32_t)in);
        want = some = 0;
        for (j = 0; j < out; j++) {
            want += dz[r * out + j] * (double)rounded(l.params[k * out + j]);
            some += fabs(dz[r * out + j]);
        }
        assert_true(fabs((double)l.dx[r * in + k] - want) <= 4e-3 * some + 1e-4);
    }
    rlt_free(dz);
    free_layer(&l);
}

static void test_dense(void **unused) {
    (void)unused;
    need_unit();
    rlt_device *device = open_device(RLT_PRECISION_BF16);
    static const rlt_act acts[] = {RLT_ACT_TANH, RLT_ACT_RELU, RLT_ACT_SILU, RLT_ACT_NONE};
    static const int widths[] = {64, 65, 130, 97}, rows[] = {1, 2, 7, 128, 131};
    for (int trial = 0; trial < 24; trial++) {
        check_layer(device, widths[rlt_rng_below(&rng, 4)], widths[rlt_rng_below(&rng, 4)],
                    rows[rlt_rng_below(&rng, 5)], acts[trial % 4]);
    }
    rlt_device_close(&device);
}

/* A row alone has the bits that it has among others; a gradient is added where it is to be. */
static void test_dense_invariants(void **unused) {
    (void)unused;
    need_unit();
    rlt_device *device = open_device(RLT_PRECISION_BF16);
    enum { IN = 70, OUT = 90, ROWS = 150 };
    layer l = make_layer(device, IN, OUT, ROWS, RLT_ACT_TANH);
    rlt_op_fn forward = device->backend->forward[RLT_OP_dense];
    rlt_op_fn backward = device->backend->backward[RLT_OP_dense];
    forward(device, &l.op, &l.io);
    float one[OUT], *dx = rlt_alloc(sizeof(float) * ROWS * IN);
    for (int r = 0; r < ROWS; r += 13) {
        rlt_op_io single = l.io;
        single.steps = 1;
        single.x += r * IN;
        single.y = one;
        forward(device, &l.op, &single);
        assert_memory_equal(one, l.y + r * OUT, sizeof one);
    }
    backward(device, &l.op, &l.io);
    memcpy(dx, l.dx, sizeof(float) * ROWS * IN);
    l.op.dx_add = true;
    backward(device, &l.op, &l.io);
    for (int i = 0; i < ROWS * IN; i++) {
        assert_true(l.dx[i] == 2 * dx[i]);
    }
    l.io.dx = NULL;
    backward(device, &l.op, &l.io);
    rlt_free(dx);
    free_layer(&l);
    rlt_device_close(&device);
}

/* Layers below 64 wide have float32's bits. */
static void test_narrow(void **unused) {
    (void)unused;
    need_unit();
    rlt_device *device[2] = {open_device(RLT_PRECISION_FP32), open_device(RLT_PRECISION_BF16)};
    rlt_rng start = rng;
    layer l[2];
    for (int d = 0; d < 2; d++) {
        rng = start;
        l[d] = make_layer(device[d], 63, 128, 9, RLT_ACT_TANH);
        device[d]->backend->forward[RLT_OP_dense](device[d], &l[d].op, &l[d].io);
    }
    assert_memory_equal(l[0].y, l[1].y, sizeof(float) * 9 * 128);
    for (int d = 0; d < 2; d++) {
        free_layer(&l[d]);
        rlt_device_close(&device[d]);
    }
}

/* The gradient of a policy in bfloat16 points where float32's does. */
static void test_policy(void **unused) {
    (void)unused;
    need_unit();
    enum { ROWS = 200, OBS = 20 };
    rlt_policy_spec spec = {.obs_dim = OBS,
                            .discrete = true,
                            .action_dim = 5,
                            .hidden = {128, 96},
                            .hidden_count = 2,
                            .act = RLT_ACT_TANH};
    assert_int_equal(rlt_policy_check(&spec, NULL), RLT_OK);
    size_t count = rlt_policy_param_count(&spec);
    float *params = rlt_alloc(sizeof(float) * count), obs[ROWS * OBS], column[ROWS];
    int32_t action[ROWS];
    rlt_policy_init(&spec, 3, params);
    fill(obs, ROWS * OBS);
    fill(column, ROWS);
    for (int r = 0; r < ROWS; r++) {
        action[r] = (int32_t)rlt_rng_below(&rng, 5);
    }
    rlt_ppo_batch batch = {.n = ROWS,
                           .obs = obs,
                           .action = action,
                           .old_log_prob = column,
                           .old_value = column,
                           .advantage = column,
                           .ret = column};
    const rlt_ppo_coef coef = {0.2f, 0, 0.5f, 0.01f};
    float *grad[2];
    for (int b16 = 0; b16 < 2; b16++) {
        spec.bf16 = b16 != 0;
        assert_int_equal(rlt_policy_param_count(&spec), count);
        rlt_policy_workspace *ws = rlt_policy_workspace_create(&spec);
        rlt_ppo_stats stats = {0};
        float *same = rlt_alloc(sizeof(float) * count);
        rlt_policy_init(&spec, 3, same);
        assert_memory_equal(same, params, sizeof(float) * count);
        rlt_free(same);
        grad[b16] = rlt_alloc(sizeof(float) * count);
        rlt_ppo_grad(ws, params, &batch, &coef, ROWS, grad[b16], &stats);
        rlt_policy_workspace_destroy(&ws);
    }
    double dot = 0, squares[2] = {0};
    for (size_t i = 0; i < count; i++) {
        dot += (double)grad[0][i] * (double)grad[1][i];
        squares[0] += (double)grad[0][i] * (double)grad[0][i];
        squares[1] += (double)grad[1][i] * (double)grad[1][i];
    }
    double cosine = dot / sqrt(squares[0] * squares[1]), length = sqrt(squares[1] / squares[0]);
    print_message("gradient in bf16: cosine %.6f, length %.5f of float32's\n", cosine, length);
    assert_true(cosine > 0.9999 && cosine < 0.99999999 && fabs(length - 1) < 0.01);
    rlt_free(grad[0]);
    rlt_free(grad[1]);
    rlt_free(params);
}

static void test_open(void **unused) {
    (void)unused;
    rlt_device *device = NULL;
    rlt_err err = {0};
    rlt_policy_spec spec = {.obs_dim = 3,
                            .discrete = true,
                            .action_dim = 2,
                            .hidden = {8},
                            .hidden_count = 1,
                            .bf16 = 1};
    assert_int_equal(rlt_device_open("cpu", RLT_PRECISION_TF32, &device, &err), RLT_ECONFIG);
    assert_non_null(strstr(err.message, "tf32 needs a GPU"));
    rlt_status opened = rlt_device_open("cpu", RLT_PRECISION_BF16, &device, &err);
    rlt_status checked = rlt_policy_check(&spec, &err);
    if (rlt_nn_bf16_get() == NULL) {
        assert_true(opened == RLT_ECONFIG && checked == RLT_ECONFIG);
        assert_non_null(strstr(err.message, "AVX512_BF16"));
    } else {
        assert_true(opened == RLT_OK && checked == RLT_OK);
    }
    rlt_device_close(&device);
}

int main(void) {
    uint64_t seed = rlt_clock_ns();
    print_message("seed %llu\n", (unsigned long long)seed);
    rng = rlt_rng_make(seed, RLT_STREAM_TEST, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding),         cmocka_unit_test(test_packing),
        cmocka_unit_test(test_product),          cmocka_unit_test(test_dense),
        cmocka_unit_test(test_dense_invariants), cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_policy),           cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
