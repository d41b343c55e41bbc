/* init: the first parameters of a policy or a program. Thread: any. */
#include "nn/nn_impl.h"
#include "nn/program_impl.h"

#include <math.h>
#include <string.h>

enum { TOGETHER = 8 }; /* vectors that one finished vector is taken out of at a time */

/* v[k][length] -= (v[k] . done) done for k < count; each sum in order. */
static void take_out(float *v, int count, const float *done, int length) {
    double dot[TOGETHER] = {0};
    for (int i = 0; i < length; i++) {
        for (int k = 0; k < count; k++) {
            dot[k] += (double)v[(size_t)k * (size_t)length + (size_t)i] * (double)done[i];
        }
    }
    for (int k = 0; k < count; k++, v += length) {
        for (int i = 0; i < length; i++) {
            v[i] = (float)((double)v[i] - dot[k] * (double)done[i]);
        }
    }
}

static void normalise(float *v, int length) {
    double dot = 0;
    for (int i = 0; i < length; i++) {
        dot += (double)v[i] * (double)v[i];
    }
    for (int i = 0; i < length; i++) {
        v[i] = (float)((double)v[i] / sqrt(dot));
    }
}

/* Modified Gram-Schmidt over vectors that lie side by side in memory. */
void rlt_nn_orthogonal(float *w, int in, int out, double gain, rlt_rng *rng) {
    size_t size = (size_t)in * (size_t)out;
    bool by_row = in <= out;
    int count = by_row ? in : out, length = by_row ? out : in;
    float *v = rlt_alloc(sizeof(float) * size);
    for (size_t i = 0; i < size; i++) {
        float x = (float)rlt_rng_normal(rng);
        v[by_row ? i : i % (size_t)out * (size_t)in + i / (size_t)out] = x;
    }
    for (int done = 0; done < count; done++) {
        float *mine = v + (size_t)done * (size_t)length;
        normalise(mine, length);
        for (int k = done + 1; k < count; k += TOGETHER) {
            int left = count - k < TOGETHER ? count - k : TOGETHER;
            take_out(v + (size_t)k * (size_t)length, left, mine, length);
        }
    }
    for (size_t i = 0; i < size; i++) {
        float x = v[by_row ? i : i % (size_t)out * (size_t)in + i / (size_t)out];
        w[i] = (float)((double)x * gain);
    }
    rlt_free(v);
}

static void fill(float *x, size_t count, float value) {
    for (size_t i = 0; i < count; i++) {
        x[i] = value;
    }
}

/* p[op->param_count], zero before */
static void init_op(const rlt_program *program, int index, rlt_rng *rng, float *p) {
    const rlt_op *op = &program->ops[index];
    int in = op->in, out = op->out;
    switch (op->kind) {
    case RLT_OP_dense:
        rlt_nn_orthogonal(p, in, out,
                          index == program->head    ? 0.01
                          : index == program->value ? 1.0
                                                    : sqrt(2.0),
                          rng);
        break;
    case RLT_OP_conv:
        rlt_nn_orthogonal(p, op->kernel * op->kernel * op->in_hwc[2], op->out_hwc[2], sqrt(2.0),
                          rng);
        break;
    case RLT_OP_layer_norm:
    case RLT_OP_rms_norm:
        fill(p, (size_t)in, 1);
        break;
    case RLT_OP_embed:
        for (size_t i = 0; i < op->param_count; i++) {
            p[i] = (float)rlt_rng_normal(rng);
        }
        break;
    case RLT_OP_lstm:
        rlt_nn_orthogonal(p, in, 4 * out, 1, rng);
        rlt_nn_orthogonal(p + (size_t)in * 4 * (size_t)out, out, 4 * out, 1, rng);
        fill(p + (size_t)(in + out) * 4 * (size_t)out + out, (size_t)out, 1); /* forget gate */
        break;
    case RLT_OP_gru:
        rlt_nn_orthogonal(p, in, 3 * out, 1, rng);
        rlt_nn_orthogonal(p + (size_t)in * 3 * (size_t)out, out, 3 * out, 1, rng);
        break;
    case RLT_OP_attention:
        rlt_nn_orthogonal(p, in, 3 * in, 1, rng);
        rlt_nn_orthogonal(p + (size_t)(in + 1) * 3 * (size_t)in, in, in, 1, rng);
        break;
    case RLT_OP_gate:
        for (int m = 0; m < 6; m++) {
            rlt_nn_orthogonal(p + (size_t)m * (size_t)in * (size_t)in, in, in, 1, rng);
        }
        fill(p + 6 * (size_t)in * (size_t)in, (size_t)in, 2);
        break;
    default:
        break;
    }
}

void rlt_program_init(const rlt_program *program, uint64_t seed, float *params) {
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_INIT, 0);
    memset(params, 0, sizeof(float) * program->param_count);
    for (int i = 0; i < program->op_count; i++) {
        init_op(program, i, &rng, params + program->ops[i].param);
    }
}

static void init_layered(const rlt_policy_spec *spec, uint64_t seed, float *params) {
    rlt_program program;
    rlt_status status = rlt_policy_program(spec, &program, NULL);
    RLT_ASSERT(status == RLT_OK);
    rlt_program_init(&program, seed, params);
}

void rlt_policy_init(const rlt_policy_spec *spec, uint64_t seed, float *params) {
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_INIT, 0);
    rlt_nn_layout layout = rlt_nn_layout_make(spec);
    if (rlt_nn_is_layered(spec)) {
        init_layered(spec, seed, params);
    }
    for (int net = 0; net < 2; net++) { /* a program has none of these layers */
        for (int l = 0; l < layout.layers; l++) {
            const rlt_nn_layer *layer = &layout.layer[net][l];
            double gain = l < layout.layers - 1 ? sqrt(2.0) : net == 0 ? 0.01 : 1.0;
            float *w = params + layer->offset;
            rlt_nn_orthogonal(w, layer->in, layer->out, gain, &rng);
            memset(w + layer->in * layer->out, 0, sizeof(float) * (size_t)layer->out);
        }
    }
    for (size_t i = layout.log_std; i < layout.param_count; i++) {
        params[i] = spec->log_std_init;
    }
}
