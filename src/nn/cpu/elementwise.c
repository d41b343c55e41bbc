/* cpu, activation and add. Thread: any; no state. */
#include "nn/cpu/cpu.h"
#include "nn/kernels.h"

#include <string.h>

size_t rlt_cpu_activation_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    return training ? sizeof(float) * (size_t)steps * (size_t)seqs * (size_t)op->in : 0;
}

void rlt_cpu_activation_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    size_t count = rlt_io_rows(io) * (size_t)op->in;
    if (op->act == RLT_ACT_NONE) {
        memcpy(io->y, io->x, sizeof(float) * count);
        return;
    }
    rlt_nn_kernels_get()->activate((int)op->act, io->x, count, io->y);
}

void rlt_cpu_activation_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    size_t count = rlt_io_rows(io) * (size_t)op->in;
    if (io->dx == NULL) {
        return;
    }
    const float *dx = io->dy;
    if (op->act != RLT_ACT_NONE) {
        float *to = op->dx_add ? io->scratch : io->dx;
        rlt_nn_kernels_get()->act_grad((int)op->act, io->y, io->x, io->dy, count, to);
        dx = to;
    }
    if (op->dx_add) {
        rlt_nn_kernels_get()->add(io->dx, dx, count);
    } else if (dx != io->dx) {
        memcpy(io->dx, dx, sizeof(float) * count);
    }
}

void rlt_cpu_add_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    size_t count = rlt_io_rows(io) * (size_t)op->in;
    memcpy(io->y, io->x, sizeof(float) * count);
    rlt_nn_kernels_get()->add(io->y, io->x2, count);
}

void rlt_cpu_add_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    size_t count = rlt_io_rows(io) * (size_t)op->in;
    if (io->dx2 != NULL) {
        memcpy(io->dx2, io->dy, sizeof(float) * count);
    }
    if (io->dx != NULL && op->dx_add) {
        rlt_nn_kernels_get()->add(io->dx, io->dy, count);
    } else if (io->dx != NULL) {
        memcpy(io->dx, io->dy, sizeof(float) * count);
    }
}
