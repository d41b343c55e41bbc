/* nn/cuda: activation, sum of two values, maximum over windows. Bound by memory. The backward pass
 * of the maximum asks for each input which windows chose it, so that sums have a fixed order and no
 * index is kept; of equal values a window chooses the first. Thread: the device's. */
#include "nn/cuda/cuda.h"

static __global__ void activate(size_t n, int act, const float *__restrict__ x,
                                float *__restrict__ y) {
    RLT_GRID_LOOP(i, n) {
        y[i] = rlt_cuda_act(act, x[i]);
    }
}

static __global__ void activate_back(size_t n, int act, const float *__restrict__ x,
                                     const float *__restrict__ y, const float *__restrict__ dy,
                                     bool add, float *__restrict__ dx) {
    RLT_GRID_LOOP(i, n) {
        float d = dy[i] * rlt_cuda_slope(act, y[i], x[i]);
        dx[i] = add ? dx[i] + d : d;
    }
}

void rlt_cuda_activation_forward(rlt_device *handle, const rlt_op *op, const rlt_op_io *io) {
    size_t n = (size_t)io->steps * io->seqs * op->out;
    RLT_LAUNCH(activate, rlt_cuda_grid(n, 256), 256, 0, rlt_cuda_of(handle)->stream, n,
               (int)op->act, io->x, io->y);
}

void rlt_cuda_activation_backward(rlt_device *handle, const rlt_op *op, const rlt_op_io *io) {
    size_t n = (size_t)io->steps * io->seqs * op->out;
    if (io->dx != nullptr) {
        RLT_LAUNCH(activate_back, rlt_cuda_grid(n, 256), 256, 0, rlt_cuda_of(handle)->stream, n,
                   (int)op->act, io->x, io->y, io->dy, op->dx_add, io->dx);
    }
}

size_t rlt_cuda_activation_scratch(const rlt_op *, int, int, bool) {
    return 0;
}

static __global__ void add_values(size_t n, const float *x, const float *x2, float *y) {
    RLT_GRID_LOOP(i, n) {
        y[i] = x[i] + x2[i];
    }
}

static __global__ void add_back(size_t n, const float *__restrict__ dy, bool add, float *dx,
                                float *dx2) {
    RLT_GRID_LOOP(i, n) {
        float d = dy[i];
        if (dx != nullptr) {
            dx[i] = add ? dx[i] + d : d;
        }
        if (dx2 != nullptr) {
            dx2[i] = d;
        }
    }
}

void rlt_cuda_add_forward(rlt_device *handle, const rlt_op *op, const rlt_op_io *io) {
    size_t n = (size_t)io->steps * io->seqs * op->out;
    RLT_LAUNCH(add_values, rlt_cuda_grid(n, 256), 256, 0, rlt_cuda_of(handle)->stream, n, io->x,
               io->x2, io->y);
}

void rlt_cuda_add_backward(rlt_device *handle, const rlt_op *op, const rlt_op_io *io) {
    size_t n = (size_t)io->steps * io->seqs * op->out;
    RLT_LAUNCH(add_back, rlt_cuda_grid(n, 256), 256, 0, rlt_cuda_of(handle)->stream, n, io->dy,
               op->dx_add, io->dx, io->dx2);
}

size_t rlt_cuda_add_scratch(const rlt_op *, int, int, bool) {
    return 0;
}

struct pool_shape {
    int in_h, in_w, out_h, out_w, channels, kernel, stride, pad;
};

static pool_shape shape_of(const rlt_op *op) {
    return {op->in_hwc[0], op->in_hwc[1], op->out_hwc[0], op->out_hwc[1],
            op->in_hwc[2], op->kernel,    op->stride,     op->pad};
}

/* Where the window at (oh, ow) of one channel has its maximum: ih * in_w + iw of the first, and its
 * value. A NaN is a maximum. */
static __device__ int window_choice(const pool_shape &s, const float *image, int oh, int ow,
                                    float *value) {
    int choice = -1;
    for (int kh = 0; kh < s.kernel; kh++) {
        int ih = oh * s.stride - s.pad + kh;
        for (int kw = 0; kw < s.kernel; kw++) {
            int iw = ow * s.stride - s.pad + kw;
            if (ih < 0 || ih >= s.in_h || iw < 0 || iw >= s.in_w) {
                continue;
            }
            float v = image[((size_t)ih * s.in_w + iw) * s.channels];
            if (choice < 0 || v > *value || (v != v && *value == *value)) {
                choice = ih * s.in_w + iw;
                *value = v;
            }
        }
    }
    return choice;
}

static __global__ void pool(size_t n, pool_shape s, const float *__restrict__ x,
                            float *__restrict__ y) {
    RLT_GRID_LOOP(i, n) {
        size_t channel = i % s.channels, at = i / s.channels;
        int ow = (int)(at % s.out_w), oh = (int)(at / s.out_w % s.out_h);
        size_t image = at / s.out_w / s.out_h;
        float value = 0.0f;
        window_choice(s, x + image * s.in_h * s.in_w * s.channels + channel, oh, ow, &value);
        y[i] = value;
    }
}

static __global__ void pool_back(size_t n, pool_shape s, const float *__restrict__ x,
                                 const float *__restrict__ dy, bool add, float *__restrict__ dx) {
    RLT_GRID_LOOP(i, n) {
        size_t channel = i % s.channels, at = i / s.channels;
        int iw = (int)(at % s.in_w), ih = (int)(at / s.in_w % s.in_h);
        size_t image = at / s.in_w / s.in_h;
        const float *in = x + image * s.in_h * s.in_w * s.channels + channel;
        const float *out = dy + image * s.out_h * s.out_w * s.channels + channel;
        int h0 = ih + s.pad - s.kernel + 1, w0 = iw + s.pad - s.kernel + 1;
        int first_h = h0 <= 0 ? 0 : (h0 + s.stride - 1) / s.stride;
        int first_w = w0 <= 0 ? 0 : (w0 + s.stride - 1) / s.stride;
        float sum = add ? dx[i] : 0.0f;
        for (int oh = first_h; oh < s.out_h && oh * s.stride - s.pad <= ih; oh++) {
            for (int ow = first_w; ow < s.out_w && ow * s.stride - s.pad <= iw; ow++) {
                float value = 0.0f;
                if (window_choice(s, in, oh, ow, &value) == ih * s.in_w + iw) {
                    sum += out[((size_t)oh * s.out_w + ow) * s.channels];
                }
            }
        }
        dx[i] = sum;
    }
}

void rlt_cuda_max_pool_forward(rlt_device *handle, const rlt_op *op, const rlt_op_io *io) {
    size_t n = (size_t)io->steps * io->seqs * op->out;
    RLT_LAUNCH(pool, rlt_cuda_grid(n, 256), 256, 0, rlt_cuda_of(handle)->stream, n, shape_of(op),
               io->x, io->y);
}

void rlt_cuda_max_pool_backward(rlt_device *handle, const rlt_op *op, const rlt_op_io *io) {
    size_t n = (size_t)io->steps * io->seqs * op->in;
    if (io->dx != nullptr) {
        RLT_LAUNCH(pool_back, rlt_cuda_grid(n, 256), 256, 0, rlt_cuda_of(handle)->stream, n,
                   shape_of(op), io->x, io->dy, op->dx_add, io->dx);
    }
}

size_t rlt_cuda_max_pool_scratch(const rlt_op *, int, int, bool) {
    return 0;
}
