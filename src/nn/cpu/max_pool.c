/* cpu, max_pool: the largest of a window; what lies beyond the edge is never chosen. Of equal
 * entries the first in reading order gets the gradient, and a NaN counts as the largest, as in
 * torch. Thread: any; no state. */
#include "nn/cpu/cpu.h"

#include <math.h>
#include <string.h>

typedef struct window { /* rows top .. bottom - 1, columns left .. right - 1 of an image */
    int top, bottom, left, right;
} window;

static window window_at(const rlt_op *op, int row, int column) {
    int top = row * op->stride - op->pad, left = column * op->stride - op->pad;
    int bottom = top + op->kernel, right = left + op->kernel;
    return (window){top > 0 ? top : 0, bottom < op->in_hwc[0] ? bottom : op->in_hwc[0],
                    left > 0 ? left : 0, right < op->in_hwc[1] ? right : op->in_hwc[1]};
}

static const float *place(const rlt_op *op, const float *x, int row, int column) {
    return x + (row * op->in_hwc[1] + column) * op->in_hwc[2];
}

static void pool(const rlt_op *op, const float *x, window w, float *y) {
    const rlt_nn_kernels *kernels = rlt_nn_kernels_get();
    for (int c = 0; c < op->in_hwc[2]; c++) {
        y[c] = -INFINITY;
    }
    for (int i = w.top; i < w.bottom; i++) {
        for (int j = w.left; j < w.right; j++) {
            kernels->pool_max(place(op, x, i, j), op->in_hwc[2], y);
        }
    }
}

void rlt_cpu_max_pool_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    for (size_t r = 0; r < rlt_io_rows(io); r++) {
        const float *x = io->x + r * (size_t)op->in;
        float *y = io->y + r * (size_t)op->out;
        for (int i = 0; i < op->out_hwc[0]; i++) {
            for (int j = 0; j < op->out_hwc[1]; j++, y += op->out_hwc[2]) {
                pool(op, x, window_at(op, i, j), y);
            }
        }
    }
}

/* Adds dy of one window to where its y came from, some channels at a time. */
static void unpool(const rlt_op *op, const float *x, window w, const float *y, const float *dy,
                   float *dx) {
    enum { CHANNELS = 64 };
    const rlt_nn_kernels *kernels = rlt_nn_kernels_get();
    for (int first = 0; first < op->in_hwc[2]; first += CHANNELS) {
        float taken[CHANNELS] = {0};
        int left = op->in_hwc[2] - first, count = left < CHANNELS ? left : CHANNELS;
        for (int i = w.top; i < w.bottom; i++) {
            for (int j = w.left; j < w.right; j++) {
                const float *at = place(op, x, i, j) + first;
                kernels->pool_grad(at, y + first, dy + first, count, taken, dx + (at - x));
            }
        }
    }
}

void rlt_cpu_max_pool_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    if (io->dx == NULL) {
        return;
    }
    if (!op->dx_add) {
        memset(io->dx, 0, sizeof(float) * rlt_io_rows(io) * (size_t)op->in);
    }
    for (size_t r = 0; r < rlt_io_rows(io); r++) {
        const float *x = io->x + r * (size_t)op->in, *y = io->y + r * (size_t)op->out;
        const float *dy = io->dy + r * (size_t)op->out;
        float *dx = io->dx + r * (size_t)op->in;
        int channels = op->out_hwc[2];
        for (int i = 0; i < op->out_hwc[0]; i++) {
            for (int j = 0; j < op->out_hwc[1]; j++, y += channels, dy += channels) {
                unpool(op, x, window_at(op, i, j), y, dy, dx);
            }
        }
    }
}
