/* nn/cuda, gru: gated recurrent unit; the recurrence is recurrent.h's. Gates r, z, n; kept: the
 * recurrent sum of n, with its bias, which r multiplies. Thread: the device's. */
#include "nn/cuda/recurrent_run.h"

struct gru_cell {
    static const int GATES = 3;
    static const bool READS_H = true;
    static const bool APART = true; /* in the recurrent sum of n */

    static __device__ __forceinline__ float
    forward(const float *input, const float *sums, int stride, recurrent_unit *unit, float *gates) {
        float r = rlt_cuda_sigmoid(input[0] + sums[0]);
        float z = rlt_cuda_sigmoid(input[1] + sums[stride]), inner = sums[2 * stride];
        float n = tanhf(input[2] + r * inner);
        unit->h = (1 - z) * n + z * unit->h_before;
        unit->c = 0;
        gates[0] = r;
        gates[stride] = z;
        gates[2 * stride] = n;
        return inner;
    }
    static __device__ __forceinline__ void backward(const float *gates, float inner,
                                                    const recurrent_unit &unit, float dy,
                                                    float *d_h, float *d_c, float *d_input,
                                                    float *d_recurrent) {
        float r = gates[0], z = gates[1], n = gates[2];
        float d_n = dy * (1 - z) * (1 - n * n);
        d_input[0] = d_recurrent[0] = d_n * inner * r * (1 - r);
        d_input[1] = d_recurrent[1] = dy * (unit.h_before - n) * z * (1 - z);
        d_input[2] = d_n;
        d_recurrent[2] = d_n * r;
        *d_h = dy * z;
        *d_c = 0;
    }
};

static recurrent_in gru_in_of(const rlt_op *op, const rlt_op_io *io) {
    recurrent_in in = recurrent_in_of(op, io, false);
    in.wh = io->params + (size_t)op->in * 3 * op->out;
    in.bh = in.wh + (size_t)op->out * 3 * op->out + 3 * op->out;
    return in;
}

void rlt_cuda_gru_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    const float *bx = io->params + (size_t)(op->in + op->out) * 3 * op->out;
    recurrent_run_forward<gru_cell>(device, op, io, gru_in_of(op, io), bx);
}

void rlt_cuda_gru_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    float *d_wh = io->d_params + (size_t)op->in * 3 * op->out;
    float *d_bx = d_wh + (size_t)op->out * 3 * op->out;
    recurrent_run_backward<gru_cell>(device, op, io, gru_in_of(op, io), d_wh, d_bx,
                                     d_bx + 3 * op->out);
}

size_t rlt_cuda_gru_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    return recurrent_scratch<gru_cell>(op, steps, seqs, training);
}
