/* Programs out of layers: sizes against a naive calculation, what errors say, random lists of
 * layers, first parameters. */
#include "nn/layers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- a naive calculator of what a program must be ---- */

/* Positions of a window: tried one by one. */
static int positions(int size, int kernel, int stride, int pad) {
    int count = 0;
    for (int at = -pad; at + kernel <= size + pad; at += stride) {
        count++;
    }
    return count;
}

static size_t naive_params(const rlt_op *op) {
    size_t count = 0, in = (size_t)op->in, out = (size_t)op->out;
    switch (op->kind) {
    case RLT_OP_dense:
        return in * out + out;
    case RLT_OP_conv:
        for (int i = 0; i < op->kernel * op->kernel; i++) {
            count += (size_t)op->in_hwc[2] * (size_t)op->out_hwc[2];
        }
        return count + (size_t)op->out_hwc[2];
    case RLT_OP_layer_norm:
        return in + in;
    case RLT_OP_rms_norm:
        return in;
    case RLT_OP_embed:
        return in * out;
    case RLT_OP_lstm:
        return 4 * (in * out + out * out + out);
    case RLT_OP_gru:
        return 3 * (in * out + out * out + out + out);
    case RLT_OP_attention:
        return 4 * (in * in + in) + (size_t)op->heads * (size_t)op->context;
    case RLT_OP_gate:
        return 6 * in * in + in;
    default:
        return 0;
    }
}

static void check_op(const rlt_net_spec *spec, const rlt_program *p, int i) {
    const rlt_op *op = &p->ops[i];
    assert_int_equal(op->y, i);
    assert_true(op->x == RLT_VALUE_OBS || (op->x >= 0 && op->x < i));
    assert_int_equal(op->in, op->x == RLT_VALUE_OBS ? p->obs_width : p->ops[op->x].out);
    bool joins = op->kind == RLT_OP_add || op->kind == RLT_OP_gate;
    assert_int_equal(joins, op->x2 != RLT_VALUE_NONE);
    if (joins) {
        assert_true(op->x2 >= 0 && op->x2 < i && op->x2 != op->x);
        assert_int_equal(p->ops[op->x2].out, op->in);
        assert_int_equal(op->out, op->in);
    }
    assert_int_equal(op->param_count, naive_params(op));
    if (op->kind == RLT_OP_conv || op->kind == RLT_OP_max_pool) {
        for (int side = 0; side < 2; side++) {
            assert_int_equal(op->out_hwc[side],
                             positions(op->in_hwc[side], op->kernel, op->stride, op->pad));
        }
        assert_int_equal(op->in, op->in_hwc[0] * op->in_hwc[1] * op->in_hwc[2]);
        assert_int_equal(op->out, op->out_hwc[0] * op->out_hwc[1] * op->out_hwc[2]);
    }
    assert_true(op->layer == -1 || (op->layer >= 0 && op->layer < spec->layer_count));
    if (op->layer == -1) {
        assert_int_equal(op->out, i == p->head ? spec->head_width : spec->value_width);
    }
}

/* Of the readers of a value, the last one writes its gradient and the others add. */
static void check_additions(const rlt_program *p) {
    for (int value = RLT_VALUE_OBS; value < p->op_count; value++) {
        bool later = false;
        for (int i = p->op_count - 1; i >= 0; i--) {
            if (p->ops[i].x == value) {
                assert_int_equal(p->ops[i].dx_add, later);
                later = true;
            }
            assert_true(p->ops[i].x2 != value || !later); /* a branch: one reader */
        }
    }
}

static void check_program(const rlt_net_spec *spec, const rlt_program *p) {
    size_t params = 0;
    int state = 0;
    for (int i = 0; i < p->op_count; i++) {
        check_op(spec, p, i);
        assert_int_equal(p->ops[i].param, params);
        assert_int_equal(p->ops[i].state, state);
        params += p->ops[i].param_count;
        state += p->ops[i].state_width;
    }
    assert_int_equal(p->param_count, params);
    assert_int_equal(p->state_width, state);
    assert_int_equal(p->ops[p->head].layer, -1);
    assert_int_equal(p->value == RLT_VALUE_NONE, spec->value_width == 0);
    check_additions(p);
}

/* ---- examples ---- */

static const rlt_layer nature[] = {
    {.kind = RLT_LAYER_CONV, .units = 32, .kernel = 8, .stride = 4, .act = RLT_ACT_RELU},
    {.kind = RLT_LAYER_CONV, .units = 64, .kernel = 4, .stride = 2, .act = RLT_ACT_RELU},
    {.kind = RLT_LAYER_CONV, .units = 64, .kernel = 3, .stride = 1, .act = RLT_ACT_RELU},
    {.kind = RLT_LAYER_DENSE, .units = 512, .act = RLT_ACT_RELU},
};

static rlt_net_spec spec_of(int h, int w, int c, const rlt_layer *layers, int count) {
    rlt_net_spec spec = {
        .obs_shape = {h, w, c}, .layer_count = count, .head_width = 6, .value_width = 1};
    memcpy(spec.layers, layers, sizeof(rlt_layer) * (size_t)count);
    return spec;
}

/* Mnih et al. 2015: 84 x 84 x 4 -> 20 x 20 x 32 -> 9 x 9 x 64 -> 7 x 7 x 64 -> 512. */
static void test_nature(void **unused) {
    (void)unused;
    rlt_net_spec spec = spec_of(84, 84, 4, nature, 4);
    rlt_program p;
    rlt_err err = {0};
    assert_int_equal(rlt_program_build(&spec, &p, &err), RLT_OK);
    check_program(&spec, &p);
    static const int outs[] = {20 * 20 * 32, 9 * 9 * 64, 7 * 7 * 64, 512, 6, 1};
    assert_int_equal(p.op_count, RLT_COUNT(outs));
    for (int i = 0; i < p.op_count; i++) {
        assert_int_equal(p.ops[i].out, outs[i]);
    }
    assert_int_equal(p.param_count, 1684128 + 513 * 6 + 513); /* trunk as torch counts it */
    spec.separate = true;
    assert_int_equal(rlt_program_build(&spec, &p, &err), RLT_OK);
    check_program(&spec, &p);
    assert_int_equal(p.param_count, 2 * 1684128 + 513 * 6 + 513);
    assert_int_equal(p.head, 4);
    assert_int_equal(p.value, 9);
}

/* GTrXL's block: gated attention, gated MLP (Parisotto et al. 2020). */
static void test_gtrxl(void **unused) {
    (void)unused;
    const rlt_layer layers[] = {
        {.kind = RLT_LAYER_DENSE, .units = 32, .act = RLT_ACT_RELU},
        {.kind = RLT_LAYER_GATED},
        {.kind = RLT_LAYER_LAYER_NORM},
        {.kind = RLT_LAYER_ATTENTION, .heads = 4, .context = 16},
        {.kind = RLT_LAYER_END},
        {.kind = RLT_LAYER_GATED},
        {.kind = RLT_LAYER_LAYER_NORM},
        {.kind = RLT_LAYER_RESIDUAL},
        {.kind = RLT_LAYER_DENSE, .units = 32, .act = RLT_ACT_RELU},
        {.kind = RLT_LAYER_END},
        {.kind = RLT_LAYER_END},
        {.kind = RLT_LAYER_LSTM, .units = 8},
        {.kind = RLT_LAYER_GRU, .units = 3},
    };
    rlt_net_spec spec = spec_of(1, 1, 9, layers, RLT_COUNT(layers));
    rlt_program p;
    rlt_err err = {0};
    assert_int_equal(rlt_program_build(&spec, &p, &err), RLT_OK);
    check_program(&spec, &p);
    assert_int_equal(p.state_width, 2 * 16 * 32 + 1 + 2 * 8 + 3);
    float *params = rlt_alloc(sizeof(float) * p.param_count);
    rlt_program_init(&p, 3, params);
    const float *gate = params + p.ops[3].param, *lstm = params + p.ops[8].param;
    assert_int_equal(p.ops[3].kind, RLT_OP_gate);
    assert_true(gate[6 * 32 * 32] == 2.0f);
    assert_int_equal(p.ops[8].kind, RLT_OP_lstm);
    const float *bias = lstm + (size_t)(32 + 8) * 4 * 8;
    assert_true(bias[7] == 0.0f && bias[8] == 1.0f && bias[15] == 1.0f && bias[16] == 0.0f);
    rlt_free(params);
}

static void assert_orthogonal(const float *w, int in, int out, double gain) {
    int count = in <= out ? in : out, length = in <= out ? out : in;
    for (int a = 0; a < count; a++) {
        for (int b = 0; b <= a; b++) {
            double dot = 0;
            for (int i = 0; i < length; i++) {
                dot += in <= out ? (double)w[a * out + i] * (double)w[b * out + i]
                                 : (double)w[i * out + a] * (double)w[i * out + b];
            }
            assert_true(fabs(dot - (a == b ? gain * gain : 0)) < 2e-5);
        }
    }
}

static void test_init(void **unused) {
    (void)unused;
    const rlt_layer layers[] = {
        {.kind = RLT_LAYER_CONV, .units = 7, .kernel = 2, .stride = 1, .act = RLT_ACT_RELU},
        {.kind = RLT_LAYER_RMS_NORM},
        {.kind = RLT_LAYER_DENSE, .units = 50, .act = RLT_ACT_TANH},
        {.kind = RLT_LAYER_GRU, .units = 11},
    };
    rlt_net_spec spec = spec_of(4, 3, 5, layers, RLT_COUNT(layers));
    rlt_program p;
    rlt_err err = {0};
    assert_int_equal(rlt_program_build(&spec, &p, &err), RLT_OK);
    float *params = rlt_alloc(sizeof(float) * p.param_count);
    float *again = rlt_alloc(sizeof(float) * p.param_count);
    memset(again, 0xff, sizeof(float) * p.param_count);
    rlt_program_init(&p, 9, params);
    rlt_program_init(&p, 9, again);
    assert_memory_equal(params, again, sizeof(float) * p.param_count);
    assert_orthogonal(params + p.ops[0].param, 20, 7, sqrt(2.0));
    assert_true(params[p.ops[1].param] == 1.0f);
    assert_orthogonal(params + p.ops[2].param, 42, 50, sqrt(2.0));
    assert_orthogonal(params + p.ops[3].param, 50, 33, 1);
    assert_orthogonal(params + p.ops[3].param + (size_t)50 * 33, 11, 33, 1);
    assert_orthogonal(params + p.ops[p.head].param, 11, 6, 0.01);
    assert_orthogonal(params + p.ops[p.value].param, 11, 1, 1);
    rlt_free(params);
    rlt_free(again);
}

/* ---- errors ---- */

typedef struct bad_case {
    rlt_layer layers[4];
    int count;
    const char *message;
} bad_case;

static void test_errors(void **unused) {
    (void)unused;
    static const rlt_layer conv = {.kind = RLT_LAYER_CONV, .units = 32, .kernel = 3, .stride = 1};
    static const rlt_layer pool = {.kind = RLT_LAYER_MAX_POOL, .kernel = 2, .stride = 2};
    static const rlt_layer dense = {.kind = RLT_LAYER_DENSE, .units = 12};
    static const rlt_layer branch = {.kind = RLT_LAYER_RESIDUAL}, end = {.kind = RLT_LAYER_END};
    static const rlt_layer gated = {.kind = RLT_LAYER_GATED};
    const bad_case cases[] = {
        {{conv, pool, {.kind = RLT_LAYER_CONV, .units = 8, .kernel = 8, .stride = 1}},
         3,
         "model[3]: conv of kernel 8 does not fit its input of 5 x 4 x 32 (made by model[2], "
         "max_pool); allowed: kernel 1 to 4 with pad 0"},
        {{dense, conv},
         2,
         "model[2]: conv needs an image of height x width x channels, its input is the row 12 "
         "(made by model[1], dense)"},
        {{dense, pool}, 2, "model[2]: max_pool needs an image"},
        {{dense, branch, {.kind = RLT_LAYER_LSTM, .units = 8}, end},
         4,
         "model[4]: the branch of residual (model[2]) makes 8 (made by model[3], lstm) out of 12 "
         "(made by model[1], dense)"},
        {{dense, gated, {.kind = RLT_LAYER_GRU, .units = 13}, end}, 4, "(model[2]) makes 13"},
        {{branch, conv, end},
         3,
         "makes 10 x 8 x 32 (made by model[2], conv) out of 12 x 10 x 3 "
         "(the observation)"},
        {{dense, end}, 2, "model[2]: end without a residual or gated"},
        {{dense, branch, dense}, 3, "model[2]: residual has no end"},
        {{dense, branch, end}, 3, "model[2]: residual has no layers before its end, model[3]"},
        {{dense, {.kind = RLT_LAYER_ATTENTION, .heads = 5, .context = 8}},
         2,
         "model[2]: attention of 5 heads on 12 (made by model[1], dense)"},
        {{{.kind = RLT_LAYER_ATTENTION, .heads = 1}}, 1, "attention with context = 0"},
        {{{.kind = RLT_LAYER_DENSE}}, 1, "model[1]: dense with units = 0; allowed: 1 to 8192"},
        {{{.kind = RLT_LAYER_CONV, .units = -1, .kernel = 1, .stride = 1}}, 1, "filters = -1"},
        {{{.kind = RLT_LAYER_CONV, .units = 1, .kernel = 1}}, 1, "stride = 0"},
        {{{.kind = RLT_LAYER_CONV, .units = 1, .kernel = 3, .stride = 1, .pad = 3}}, 1, "pad = 3"},
        {{{.kind = RLT_LAYER_ACTIVATION, .act = RLT_ACT_NONE}}, 1, "does nothing"},
        {{{.kind = (rlt_layer_kind)77}}, 1, "unknown layer kind 77"},
        {{{.kind = RLT_LAYER_DENSE, .units = 1, .act = (rlt_act)9}}, 1, "activation 9"},
    };
    for (size_t i = 0; i < RLT_COUNT(cases); i++) {
        rlt_net_spec spec = spec_of(12, 10, 3, cases[i].layers, cases[i].count);
        rlt_program p;
        rlt_err err = {0};
        assert_int_equal(rlt_program_build(&spec, &p, &err), RLT_ECONFIG);
        if (strstr(err.message, cases[i].message) == NULL) {
            fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].message, err.message);
        }
    }
}

static void test_limits(void **unused) {
    (void)unused;
    rlt_program p;
    rlt_err err = {0};
    const rlt_layer wide[] = {{.kind = RLT_LAYER_CONV, .units = 8192, .kernel = 1, .stride = 1}};
    rlt_net_spec spec = spec_of(84, 84, 4, wide, 1);
    assert_int_equal(rlt_program_build(&spec, &p, &err), RLT_ECONFIG);
    assert_non_null(strstr(err.message, "84 x 84 x 8192"));
    const rlt_layer many[] = {{.kind = RLT_LAYER_DENSE, .units = 8192}};
    spec = spec_of(512, 512, 4, many, 1);
    assert_int_equal(rlt_program_build(&spec, &p, &err), RLT_ECONFIG);
    assert_non_null(strstr(err.message, "8589942784 parameters"));
    for (int i = 0; i < 3; i++) {
        spec = spec_of(4, 4, 1, many, 1);
        spec.obs_shape[i] = i == 0 ? 0 : i == 1 ? -3 : 1 << 30;
        assert_int_equal(rlt_program_build(&spec, &p, &err), RLT_ECONFIG);
    }
    spec.layer_count = RLT_LAYERS_MAX + 1;
    assert_int_equal(rlt_program_build(&spec, &p, &err), RLT_ECONFIG);
    spec = spec_of(1, 1, 4, many, 1);
    spec.head_width = 0;
    assert_int_equal(rlt_program_build(&spec, &p, &err), RLT_ECONFIG);
    for (int i = 0; i < RLT_LAYERS_MAX; i++) { /* the longest list, twice */
        spec.layers[i] = (rlt_layer){.kind = RLT_LAYER_DENSE, .units = 3};
    }
    spec.layer_count = RLT_LAYERS_MAX;
    spec.head_width = 2;
    spec.separate = true;
    assert_int_equal(rlt_program_build(&spec, &p, &err), RLT_OK);
    assert_int_equal(p.op_count, RLT_OPS_MAX);
    check_program(&spec, &p);
}

/* ---- random lists ---- */

static int small_or_wild(rlt_rng *rng, int max, bool wild) {
    if (wild && rlt_rng_below(rng, 8) == 0) {
        return (int)rlt_rng_u32(rng);
    }
    return (int)rlt_rng_below(rng, (uint32_t)max + 1);
}

static void random_spec(rlt_rng *rng, bool wild, rlt_net_spec *spec) {
    *spec = (rlt_net_spec){.obs_shape = {1, 1, 1 + (int)rlt_rng_below(rng, 20)},
                           .layer_count = (int)rlt_rng_below(rng, wild ? 67 : 9),
                           .separate = rlt_rng_below(rng, 2) == 0,
                           .head_width = small_or_wild(rng, 9, wild),
                           .value_width = small_or_wild(rng, 3, wild)};
    if (rlt_rng_below(rng, 2) == 0) {
        spec->obs_shape[0] = small_or_wild(rng, 30, wild);
        spec->obs_shape[1] = small_or_wild(rng, 30, wild);
    }
    for (int i = 0; i < spec->layer_count && i < RLT_LAYERS_MAX; i++) {
        int kind = (int)rlt_rng_below(rng, RLT_LAYER_END + 1);
        spec->layers[i] = (rlt_layer){
            .kind = (rlt_layer_kind)(wild ? small_or_wild(rng, RLT_LAYER_END, wild) : kind),
            .act = (rlt_act)small_or_wild(rng, RLT_ACT_NONE, wild),
            .units = small_or_wild(rng, 6, wild),
            .kernel = small_or_wild(rng, 5, wild),
            .stride = small_or_wild(rng, 3, wild),
            .pad = small_or_wild(rng, 2, wild),
            .heads = small_or_wild(rng, 3, wild),
            .context = small_or_wild(rng, 4, wild)};
    }
}

static void test_random(void **unused) {
    (void)unused;
    rlt_rng rng = rlt_rng_make(5, RLT_STREAM_TEST, 0);
    int built = 0, refused = 0;
    for (int i = 0; i < 40000; i++) {
        rlt_net_spec spec;
        rlt_program p;
        rlt_err err = {0};
        random_spec(&rng, i % 2 == 0, &spec);
        rlt_status status = rlt_program_build(&spec, &p, &err);
        assert_true(status == RLT_OK || (status == RLT_ECONFIG && err.message[0] == 'm'));
        built += status == RLT_OK;
        refused += status != RLT_OK;
        if (status == RLT_OK) {
            check_program(&spec, &p);
        }
    }
    assert_true(built > 500 && refused > 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nature), cmocka_unit_test(test_gtrxl),  cmocka_unit_test(test_init),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_limits), cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
