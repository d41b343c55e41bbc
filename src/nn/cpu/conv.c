/* cpu, conv: windows copied side by side into a block that stays in the cache ("im2col"), then the
 * same matrix products as a dense layer. A window is kernel runs of kernel * channels floats, as it
 * lies in an image of [height][width][channels]. Thread: any; no state. */
#include "nn/cpu/matrix.h"
#include "nn/kernels.h"

#include <string.h>

enum {
    BLOCK_FLOATS = 32 * 1024, /* of windows: with the weights, within a second-level cache */
    BLOCK_MIN = 24,           /* windows */
    STRIDE_EXTRA = 16         /* rows of a power of two would share cache sets */
};

static int patch_floats(const rlt_op *op) {
    return op->kernel * op->kernel * op->in_hwc[2];
}

static int patch_stride(const rlt_op *op) {
    return patch_floats(op) + STRIDE_EXTRA;
}

static int block_windows(const rlt_op *op) {
    int count = BLOCK_FLOATS / patch_stride(op);
    return count > BLOCK_MIN ? count / BLOCK_MIN * BLOCK_MIN : BLOCK_MIN;
}

size_t rlt_cpu_conv_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    (void)steps, (void)seqs;
    size_t block = (size_t)block_windows(op), stride = (size_t)patch_stride(op);
    size_t channels = (size_t)op->out_hwc[2];
    size_t backward = block * channels + channels * stride;
    return sizeof(float) * (block * stride + (training ? backward : 0));
}

/* Calls move(user, ...) for each run of floats of window `position` that lies within the image:
 * `at` floats into the window, `from` floats into the image. */
typedef struct window_runs {
    int top, first, last; /* rows of the image; columns first .. last - 1 of the window */
    int begin, end;       /* rows of the window within the image */
    int left;
} window_runs;

static window_runs runs_of(const rlt_op *op, int position) {
    int row = position / op->out_hwc[1], column = position % op->out_hwc[1];
    int top = row * op->stride - op->pad, left = column * op->stride - op->pad;
    int below = op->in_hwc[0] - top, right = op->in_hwc[1] - left;
    return (window_runs){.top = top,
                         .left = left,
                         .begin = top < 0 ? -top : 0,
                         .end = below < op->kernel ? below : op->kernel,
                         .first = left < 0 ? -left : 0,
                         .last = right < op->kernel ? right : op->kernel};
}

static void copy_floats(float *restrict to, const float *restrict from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        to[i] = from[i];
    }
}

/* Window `position` of one image -> patch. */
static void gather_window(const rlt_op *op, const float *image, int position, float *patch) {
    window_runs w = runs_of(op, position);
    int channels = op->in_hwc[2], run = op->kernel * channels;
    bool whole = w.begin == 0 && w.end == op->kernel && w.first == 0 && w.last == op->kernel;
    if (!whole) {
        memset(patch, 0, sizeof(float) * (size_t)(op->kernel * run));
    }
    size_t floats = (size_t)((w.last - w.first) * channels);
    for (int i = w.begin; i < w.end; i++) {
        const float *from = image + ((w.top + i) * op->in_hwc[1] + w.left + w.first) * channels;
        copy_floats(patch + i * run + w.first * channels, from, floats);
    }
}

static void add_floats(float *restrict to, const float *restrict from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        to[i] += from[i];
    }
}

/* The reverse: a gradient of window `position` is added to that of its image. */
static void scatter_window(const rlt_op *op, const float *patch, int position, float *image) {
    window_runs w = runs_of(op, position);
    int channels = op->in_hwc[2], run = op->kernel * channels;
    size_t floats = (size_t)((w.last - w.first) * channels);
    for (int i = w.begin; i < w.end; i++) {
        float *to = image + ((w.top + i) * op->in_hwc[1] + w.left + w.first) * channels;
        add_floats(to, patch + i * run + w.first * channels, floats);
    }
}

static void gather_block(const rlt_op *op, const float *x, size_t first, int count,
                         float *patches) {
    size_t positions = (size_t)op->out_hwc[0] * (size_t)op->out_hwc[1];
    for (int i = 0; i < count; i++) {
        size_t at = first + (size_t)i;
        gather_window(op, x + at / positions * (size_t)op->in, (int)(at % positions),
                      patches + (size_t)i * (size_t)patch_stride(op));
    }
}

static void scatter_block(const rlt_op *op, const float *patches, size_t first, int count,
                          float *dx) {
    size_t positions = (size_t)op->out_hwc[0] * (size_t)op->out_hwc[1];
    for (int i = 0; i < count; i++) {
        size_t at = first + (size_t)i;
        scatter_window(op, patches + (size_t)i * (size_t)patch_stride(op), (int)(at % positions),
                       dx + at / positions * (size_t)op->in);
    }
}

static size_t window_count(const rlt_op *op, const rlt_op_io *io) {
    return rlt_io_rows(io) * (size_t)op->out_hwc[0] * (size_t)op->out_hwc[1];
}

void rlt_cpu_conv_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    const rlt_nn_kernels *kernels = rlt_nn_kernels_get();
    int patch = patch_floats(op), channels = op->out_hwc[2], block = block_windows(op);
    bool sums = op->act == RLT_ACT_SILU && io->training;
    size_t total = window_count(op, io);
    for (size_t at = 0; at < total; at += (size_t)block) {
        int count = total - at < (size_t)block ? (int)(total - at) : block;
        size_t to = at * (size_t)channels;
        gather_block(op, io->x, at, count, io->scratch);
        kernels->dense(io->scratch, patch_stride(op), io->params, count, patch, channels,
                       rlt_cpu_act(op->act), io->y + to, channels, sums ? io->saved + to : NULL);
    }
}

void rlt_cpu_conv_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    const rlt_nn_kernels *kernels = rlt_nn_kernels_get();
    int patch = patch_floats(op), stride = patch_stride(op), channels = op->out_hwc[2];
    int block = block_windows(op);
    float *patches = io->scratch, *dz_block = patches + (size_t)block * (size_t)stride;
    float *transposed = dz_block + (size_t)block * (size_t)channels;
    size_t total = window_count(op, io);
    if (io->dx != NULL) {
        kernels->transpose(io->params, 0, patch, channels, transposed, stride);
    }
    if (io->dx != NULL && !op->dx_add) {
        memset(io->dx, 0, sizeof(float) * rlt_io_rows(io) * (size_t)op->in);
    }
    for (size_t at = 0; at < total; at += (size_t)block) {
        int count = total - at < (size_t)block ? (int)(total - at) : block;
        size_t from = at * (size_t)channels;
        const float *dz = io->dy + from;
        if (op->act != RLT_ACT_NONE) {
            kernels->act_grad((int)op->act, io->y + from,
                              op->act == RLT_ACT_SILU ? io->saved + from : NULL, dz,
                              (size_t)count * (size_t)channels, dz_block);
            dz = dz_block;
        }
        gather_block(op, io->x, at, count, patches);
        kernels->weight_grad(patches, stride, dz, channels, count, patch, channels, io->d_params);
        if (io->dx != NULL) {
            kernels->input_grad(dz, channels, transposed, stride, count, channels, patch,
                                RLT_NN_LINEAR, NULL, NULL, patches, stride);
            scatter_block(op, patches, at, count, io->dx);
        }
    }
}
