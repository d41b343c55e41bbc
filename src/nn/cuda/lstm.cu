/* nn/cuda, lstm: long short-term memory; the recurrence is recurrent.h's. Gates i, f, g, o; kept:
 * c. Thread: the device's. */
#include "nn/cuda/recurrent_run.h"

struct lstm_cell {
    static const int GATES = 4;
    static const bool READS_H = false; /* backward has no use for h before the step */
    static const bool APART = false;   /* the input's and h's sums have the same gradient */

    /* sums: of h, `stride` floats a gate; gates are written over the input's sums. Returns c. */
    static __device__ __forceinline__ float
    forward(const float *input, const float *sums, int stride, recurrent_unit *unit, float *gates) {
        float i = rlt_cuda_sigmoid(input[0] + sums[0]);
        float f = rlt_cuda_sigmoid(input[1] + sums[stride]);
        float g = tanhf(input[2] + sums[2 * stride]);
        float o = rlt_cuda_sigmoid(input[3] + sums[3 * stride]);
        unit->c = f * unit->c_before + i * g;
        unit->h = o * tanhf(unit->c);
        gates[0] = i;
        gates[stride] = f;
        gates[2 * stride] = g;
        gates[3 * stride] = o;
        return unit->c;
    }
    /* dy: of h, with what came from the step after. *d_h: what goes on but for the product. */
    static __device__ __forceinline__ void backward(const float *gates, float c,
                                                    const recurrent_unit &unit, float dy,
                                                    float *d_h, float *d_c, float *d_input,
                                                    float *d_recurrent) {
        float i = gates[0], f = gates[1], g = gates[2], o = gates[3], t = tanhf(c);
        float dc = *d_c + dy * o * (1 - t * t);
        d_input[0] = dc * g * i * (1 - i);
        d_input[1] = dc * unit.c_before * f * (1 - f);
        d_input[2] = dc * i * (1 - g * g);
        d_input[3] = dy * t * o * (1 - o);
#pragma unroll
        for (int k = 0; k < 4; k++) {
            d_recurrent[k] = d_input[k];
        }
        *d_h = 0;
        *d_c = dc * f;
    }
};

static recurrent_in lstm_in_of(const rlt_op *op, const rlt_op_io *io) {
    recurrent_in in = recurrent_in_of(op, io, true);
    in.wh = io->params + (size_t)op->in * 4 * op->out;
    return in;
}

void rlt_cuda_lstm_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    const float *b = io->params + (size_t)(op->in + op->out) * 4 * op->out;
    recurrent_run_forward<lstm_cell>(device, op, io, lstm_in_of(op, io), b);
}

void rlt_cuda_lstm_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    float *d_wh = io->d_params + (size_t)op->in * 4 * op->out;
    float *d_b = d_wh + (size_t)op->out * 4 * op->out;
    recurrent_run_backward<lstm_cell>(device, op, io, lstm_in_of(op, io), d_wh, d_b, nullptr);
}

size_t rlt_cuda_lstm_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    return recurrent_scratch<lstm_cell>(op, steps, seqs, training);
}
