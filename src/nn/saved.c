/* saved: what forward leaves for backward besides x and y, the same on all backends.
 * Thread: any; no state. */
#include "nn/ops.h"

int rlt_op_saved_floats(const rlt_op *op) {
    switch (op->kind) {
    case RLT_OP_dense: /* the sums before SiLU, whose slope does not follow from y */
    case RLT_OP_conv:
        return op->act == RLT_ACT_SILU ? op->out : 0;
    case RLT_OP_layer_norm: /* mean, 1 / deviation */
        return 2;
    case RLT_OP_rms_norm: /* 1 / root mean square */
        return 1;
    case RLT_OP_lstm: /* gates i, f, g, o; c */
        return 5 * op->out;
    case RLT_OP_gru: /* gates r, z, n; h Wh + bh of n, before r */
        return 4 * op->out;
    case RLT_OP_attention: /* q, k, v; heads' outputs; log of the sum of exp(score), a head */
        return 4 * op->in + op->heads;
    case RLT_OP_gate: /* r, z, h */
        return 3 * op->in;
    default:
        return 0;
    }
}
