/* cpu, dense: y = act(x W + b). Thread: any; no state. */
#include "nn/cpu/dense_bf16.h"
#include "nn/cpu/matrix.h"
#include "nn/kernels.h"

#include <string.h>

/* Few outputs: dot products along the inputs. A choice by the op alone, never by the rows, so that
 * a row's result is the same whatever it is computed with. */
static bool is_narrow(const rlt_op *op) {
    return op->act == RLT_ACT_NONE && op->out <= RLT_NN_HEAD_MAX && op->in % RLT_NN_PAD == 0;
}

size_t rlt_cpu_dense_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    size_t rows = (size_t)steps * (size_t)seqs, in = (size_t)op->in, out = (size_t)op->out;
    size_t forward = is_narrow(op) ? in * out : 0;
    size_t backward = training ? rows * out + rlt_cpu_times_transposed_scratch(rows, in, out) : 0;
    return sizeof(float) * (forward > backward ? forward : backward);
}

void rlt_cpu_dense_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    if (rlt_cpu_uses_bf16(device, op)) {
        rlt_cpu_dense_bf16_forward(op, io);
        return;
    }
    const rlt_nn_kernels *kernels = rlt_nn_kernels_get();
    int n = (int)rlt_io_rows(io), in = op->in, out = op->out;
    if (is_narrow(op)) {
        kernels->transpose(io->params, 0, in, out, io->scratch, in);
        kernels->head(io->x, in, io->scratch, in, io->params + (size_t)in * (size_t)out, n, out,
                      io->y);
        return;
    }
    float *sums = op->act == RLT_ACT_SILU && io->training ? io->saved : NULL;
    kernels->dense(io->x, in, io->params, n, in, out, rlt_cpu_act(op->act), io->y, out, sums);
}

void rlt_cpu_dense_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    if (rlt_cpu_uses_bf16(device, op)) {
        rlt_cpu_dense_bf16_backward(op, io);
        return;
    }
    const rlt_nn_kernels *kernels = rlt_nn_kernels_get();
    size_t rows = rlt_io_rows(io);
    int n = (int)rows, in = op->in, out = op->out;
    const float *dz = io->dy;
    if (op->act != RLT_ACT_NONE) {
        kernels->act_grad((int)op->act, io->y, io->saved, io->dy, rows * (size_t)out, io->scratch);
        dz = io->scratch;
    }
    if (is_narrow(op)) {
        kernels->head_grad(io->x, in, dz, out, n, in, out, io->d_params);
    } else {
        kernels->weight_grad(io->x, in, dz, out, n, in, out, io->d_params);
    }
    if (io->dx != NULL) {
        rlt_cpu_times_transposed(dz, io->params, n, in, out, op->dx_add, io->dx,
                                 io->scratch + rows * (size_t)out);
    }
}
