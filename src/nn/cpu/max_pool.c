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

static void pool(const rlt_op *op, const float *x, window w, float *y) {
    int channels = op->in_hwc[2];
    for (int c = 0; c < channels; c++) {
        y[c] = -INFINITY;
    }
    for (int i = w.top; i < w.bottom; i++) {
        for (int j = w.left; j < w.right; j++) {
            const float *from = x + (i * op->in_hwc[1] + j) * channels;
            for (int c = 0; c < channels; c++) {
                y[c] = from[c] > y[c] || isnan(from[c]) ? from[c] : y[c];
            }
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

/* The place of y in the window of one channel. */
static int place_of(const rlt_op *op, const float *x, window w, int channel, float y) {
    int channels = op->in_hwc[2];
    for (int i = w.top; i < w.bottom; i++) {
        for (int j = w.left; j < w.right; j++) {
            int at = (i * op->in_hwc[1] + j) * channels + channel;
            if (x[at] == y || isnan(x[at])) {
                return at;
            }
        }
    }
    return (w.top * op->in_hwc[1] + w.left) * channels + channel;
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
        for (int i = 0; i < op->out_hwc[0]; i++) {
            for (int j = 0; j < op->out_hwc[1]; j++) {
                window w = window_at(op, i, j);
                for (int c = 0; c < op->out_hwc[2]; c++) {
                    dx[place_of(op, x, w, c, *y++)] += *dy++;
                }
            }
        }
    }
}
