/* cpu, embed: the rows of W for what is not zero in x, times it; one-hot rows touch only the rows
 * that they name. Thread: any; no state. */
#include "nn/cpu/matrix.h"
#include "nn/kernels.h"

#include <string.h>

size_t rlt_cpu_embed_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    size_t rows = (size_t)steps * (size_t)seqs;
    size_t floats = rlt_cpu_times_transposed_scratch(rows, (size_t)op->in, (size_t)op->out);
    return training ? sizeof(float) * floats : 0;
}

static void add_scaled(float *restrict to, const float *restrict from, float scale, size_t n) {
    for (size_t i = 0; i < n; i++) {
        to[i] += scale * from[i];
    }
}

void rlt_cpu_embed_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    size_t in = (size_t)op->in, out = (size_t)op->out;
    for (size_t r = 0; r < rlt_io_rows(io); r++) {
        float *y = io->y + r * out;
        memset(y, 0, sizeof(float) * out);
        for (size_t k = 0; k < in; k++) {
            float x = io->x[r * in + k];
            if (x != 0) {
                add_scaled(y, io->params + k * out, x, out);
            }
        }
    }
}

void rlt_cpu_embed_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    size_t in = (size_t)op->in, out = (size_t)op->out, rows = rlt_io_rows(io);
    for (size_t r = 0; r < rows; r++) {
        for (size_t k = 0; k < in; k++) {
            float x = io->x[r * in + k];
            if (x != 0) {
                add_scaled(io->d_params + k * out, io->dy + r * out, x, out);
            }
        }
    }
    if (io->dx != NULL) {
        rlt_cpu_times_transposed(io->dy, io->params, (int)rows, op->in, op->out, op->dx_add, io->dx,
                                 io->scratch);
    }
}
