/* norm: layer_norm and rms_norm on the CPU. Thread: the device's. */
#include "nn/cpu/cpu.h"

static rlt_norm_rows rows_of(const rlt_op *op, const rlt_op_io *io, float eps, bool bias) {
    return (rlt_norm_rows){
        .n = io->steps * io->seqs,
        .width = op->in,
        .eps = eps,
        .x = io->x,
        .gain = io->params,
        .bias = bias ? io->params + op->in : NULL,
        .y = io->y,
        .stats = io->saved,
    };
}

static void forward(rlt_norm_rows rows, const rlt_op_io *io) {
    rows.stats = io->training ? rows.stats : NULL;
    rlt_nn_kernels_get()->seq->norm(&rows);
}

static void backward(rlt_norm_rows rows, const rlt_op *op, const rlt_op_io *io) {
    rows.dy = io->dy;
    rows.d_gain = io->d_params;
    rows.d_bias = rows.bias == NULL ? NULL : io->d_params + op->in;
    rows.dx = io->dx;
    rows.dx_add = op->dx_add;
    rlt_nn_kernels_get()->seq->norm_grad(&rows);
}

void rlt_cpu_layer_norm_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    forward(rows_of(op, io, 1e-5f, true), io);
}

void rlt_cpu_layer_norm_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    backward(rows_of(op, io, 1e-5f, true), op, io);
}

void rlt_cpu_rms_norm_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    forward(rows_of(op, io, 1e-6f, false), io);
}

void rlt_cpu_rms_norm_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    backward(rows_of(op, io, 1e-6f, false), op, io);
}
