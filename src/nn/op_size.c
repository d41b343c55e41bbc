/* op_size: how many parameters an operation has, and how much state a sequence keeps in it; the
 * same on every backend. Thread: any. */
#include "nn/program_impl.h"

int64_t rlt_op_param_count(const rlt_op *op) {
    int64_t in = op->in, out = op->out, heads = op->heads, context = op->context;
    int64_t patch = (int64_t)op->kernel * op->kernel * op->in_hwc[2];
    switch (op->kind) {
    case RLT_OP_dense:
        return (in + 1) * out;
    case RLT_OP_conv:
        return (patch + 1) * op->out_hwc[2];
    case RLT_OP_layer_norm:
        return 2 * in;
    case RLT_OP_rms_norm:
        return in;
    case RLT_OP_embed:
        return in * out;
    case RLT_OP_lstm:
        return (in + out + 1) * 4 * out;
    case RLT_OP_gru:
        return (in + out + 2) * 3 * out;
    case RLT_OP_attention:
        return in * 3 * in + 3 * in + in * in + in + heads * context;
    case RLT_OP_gate:
        return 6 * in * in + in;
    default:
        return 0;
    }
}

int64_t rlt_op_state_floats(const rlt_op *op) {
    switch (op->kind) {
    case RLT_OP_lstm:
        return 2 * (int64_t)op->out;
    case RLT_OP_gru:
        return op->out;
    case RLT_OP_attention:
        return 2 * (int64_t)op->context * op->in + 1;
    default:
        return 0;
    }
}

static double op_products(const rlt_op *op) {
    double in = op->in, out = op->out;
    switch (op->kind) {
    case RLT_OP_dense:
        return in * out;
    case RLT_OP_conv:
        return out * op->kernel * op->kernel * op->in_hwc[2];
    case RLT_OP_lstm:
        return 4 * (in + out) * out;
    case RLT_OP_gru:
        return 3 * (in + out) * out;
    case RLT_OP_attention:
        return 4 * in * in + 2 * in * op->context;
    case RLT_OP_gate:
        return 6 * in * in;
    default: /* none that counts */
        return 0;
    }
}

double rlt_program_products(const rlt_program *program) {
    double sum = 0;
    for (int i = 0; i < program->op_count; i++) {
        sum += op_products(&program->ops[i]);
    }
    return sum;
}
