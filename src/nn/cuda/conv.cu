/* nn/cuda: convolutions. Two ways with the same results up to rounding. By the library (libs.h):
 * the filters [kernel][kernel][in][out] are turned into its [out][kernel][kernel][in], its filter
 * gradient is turned back and added. Where the library has nothing for a shape: patches of the
 * input, [positions][kernel * kernel * in], times the filters as they lie; so many images at a time
 * as fit in PATCH_BYTES. Thread: the device's. */
#include "nn/cuda/cuda.h"

constexpr size_t PATCH_BYTES = (size_t)64 << 20;

static rlt_conv shape_of(const rlt_op *op, int images) {
    rlt_conv conv;
    memset(&conv, 0, sizeof conv); /* a key, compared byte for byte */
    conv.n = images;
    for (int i = 0; i < 3; i++) {
        conv.in_hwc[i] = op->in_hwc[i];
        conv.out_hwc[i] = op->out_hwc[i];
    }
    conv.kernel = op->kernel;
    conv.stride = op->stride;
    conv.pad = op->pad;
    return conv;
}
static size_t positions_of(const rlt_op *op) {
    return (size_t)op->out_hwc[0] * op->out_hwc[1];
}
static int patch_of(const rlt_op *op) {
    return op->kernel * op->kernel * op->in_hwc[2];
}
/* Images whose patches are made at a time. */
static int chunk_of(const rlt_op *op, int images) {
    size_t fit = PATCH_BYTES / (sizeof(float) * positions_of(op) * (size_t)patch_of(op));
    return fit < 1 ? 1 : fit > (size_t)images ? images : (int)fit;
}

/* ---- turns of the filters, [patch][out] and [out][patch], through a tile ---- */

enum { TILE = 32, LINES = 8 };

/* to[columns][rows] = from[rows][columns], or added. */
static __global__ void turn(int rows, int columns, const float *__restrict__ from, bool add,
                            float *__restrict__ to) {
    __shared__ float tile[TILE][TILE + 1];
    int row = (int)(blockIdx.y * TILE + threadIdx.y),
        column = (int)(blockIdx.x * TILE + threadIdx.x);
    for (int i = 0; i < TILE; i += LINES) {
        if (row + i < rows && column < columns) {
            tile[threadIdx.y + i][threadIdx.x] = from[(size_t)(row + i) * columns + column];
        }
    }
    __syncthreads();
    int to_column = (int)(blockIdx.y * TILE + threadIdx.x);
    int to_row = (int)(blockIdx.x * TILE + threadIdx.y);
    for (int i = 0; i < TILE; i += LINES) {
        if (to_row + i < columns && to_column < rows) {
            size_t at = (size_t)(to_row + i) * rows + to_column;
            float value = tile[threadIdx.x][threadIdx.y + i];
            to[at] = add ? to[at] + value : value;
        }
    }
}

static void run_turn(rlt_cuda_device *device, int rows, int columns, const float *from, bool add,
                     float *to) {
    dim3 grid((unsigned)(columns + TILE - 1) / TILE, (unsigned)(rows + TILE - 1) / TILE);
    RLT_LAUNCH(turn, grid, dim3(TILE, LINES), 0, device->stream, rows, columns, from, add, to);
}

/* ---- patches ---- */

static __global__ void make_patches(size_t n, rlt_conv c, const float *__restrict__ x,
                                    float *__restrict__ patches) {
    RLT_GRID_LOOP(i, n) {
        int channels = c.in_hwc[2];
        size_t channel = i % channels, at = i / channels;
        int kw = (int)(at % c.kernel), kh = (int)(at / c.kernel % c.kernel);
        at = at / c.kernel / c.kernel;
        int ow = (int)(at % c.out_hwc[1]), oh = (int)(at / c.out_hwc[1] % c.out_hwc[0]);
        size_t image = at / c.out_hwc[1] / c.out_hwc[0];
        int ih = oh * c.stride - c.pad + kh, iw = ow * c.stride - c.pad + kw;
        bool inside = ih >= 0 && ih < c.in_hwc[0] && iw >= 0 && iw < c.in_hwc[1];
        size_t pixel = (image * c.in_hwc[0] + ih) * c.in_hwc[1] + iw;
        patches[i] = inside ? x[pixel * channels + channel] : 0.0f;
    }
}

/* The sum over the patches that hold an input, in the order of their positions. */
static __global__ void take_patches(size_t n, rlt_conv c, const float *__restrict__ patches,
                                    bool add, float *__restrict__ dx) {
    RLT_GRID_LOOP(i, n) {
        int channels = c.in_hwc[2];
        size_t channel = i % channels, at = i / channels;
        int iw = (int)(at % c.in_hwc[1]), ih = (int)(at / c.in_hwc[1] % c.in_hwc[0]);
        size_t image = at / c.in_hwc[1] / c.in_hwc[0];
        int h0 = ih + c.pad - c.kernel + 1, w0 = iw + c.pad - c.kernel + 1;
        int first_h = h0 <= 0 ? 0 : (h0 + c.stride - 1) / c.stride;
        int first_w = w0 <= 0 ? 0 : (w0 + c.stride - 1) / c.stride;
        float sum = add ? dx[i] : 0.0f;
        for (int oh = first_h; oh < c.out_hwc[0] && oh * c.stride - c.pad <= ih; oh++) {
            int kh = ih + c.pad - oh * c.stride;
            for (int ow = first_w; ow < c.out_hwc[1] && ow * c.stride - c.pad <= iw; ow++) {
                int kw = iw + c.pad - ow * c.stride;
                size_t position = (image * c.out_hwc[0] + oh) * c.out_hwc[1] + ow;
                sum += patches[((position * c.kernel + kh) * c.kernel + kw) * channels + channel];
            }
        }
        dx[i] = sum;
    }
}

static void run_make_patches(rlt_cuda_device *device, const rlt_op *op, int images, const float *x,
                             float *patches) {
    size_t n = (size_t)images * positions_of(op) * patch_of(op);
    RLT_LAUNCH(make_patches, rlt_cuda_grid(n, 256), 256, 0, device->stream, n, shape_of(op, images),
               x, patches);
}

static void forward_patches(rlt_cuda_device *device, const rlt_op *op, const rlt_op_io *io) {
    int images = io->steps * io->seqs, chunk = chunk_of(op, images);
    for (int first = 0; first < images; first += chunk) {
        int now = images - first < chunk ? images - first : chunk;
        run_make_patches(device, op, now, io->x + (size_t)first * op->in, io->scratch);
        rlt_gemm gemm = {};
        gemm.m = (int)((size_t)now * positions_of(op));
        gemm.n = gemm.ldb = gemm.ldc = op->out_hwc[2];
        gemm.k = gemm.lda = patch_of(op);
        gemm.a = io->scratch;
        gemm.b = io->params;
        gemm.c = io->y + (size_t)first * op->out;
        gemm.bias = io->params + (size_t)patch_of(op) * op->out_hwc[2];
        gemm.epilogue = op->act == RLT_ACT_RELU ? RLT_EPILOGUE_BIAS_RELU : RLT_EPILOGUE_BIAS;
        rlt_cuda_gemm(device, &gemm);
    }
}

static void filter_grad_patches(rlt_cuda_device *device, const rlt_op *op, const rlt_op_io *io,
                                const float *dz, float *patches) {
    int images = io->steps * io->seqs, chunk = chunk_of(op, images);
    for (int first = 0; first < images; first += chunk) {
        int now = images - first < chunk ? images - first : chunk;
        run_make_patches(device, op, now, io->x + (size_t)first * op->in, patches);
        rlt_gemm gemm = {};
        gemm.m = gemm.lda = patch_of(op);
        gemm.n = gemm.ldb = gemm.ldc = op->out_hwc[2];
        gemm.k = (int)((size_t)now * positions_of(op));
        gemm.a = patches;
        gemm.a_t = true;
        gemm.b = dz + (size_t)first * op->out;
        gemm.c = io->d_params;
        gemm.beta = 1.0f;
        rlt_cuda_gemm(device, &gemm);
    }
}

static void data_grad_patches(rlt_cuda_device *device, const rlt_op *op, const rlt_op_io *io,
                              const float *dz, float *patches) {
    int images = io->steps * io->seqs, chunk = chunk_of(op, images);
    for (int first = 0; first < images; first += chunk) {
        int now = images - first < chunk ? images - first : chunk;
        rlt_gemm gemm = {};
        gemm.m = (int)((size_t)now * positions_of(op));
        gemm.n = gemm.ldc = patch_of(op);
        gemm.k = gemm.lda = gemm.ldb = op->out_hwc[2];
        gemm.a = dz + (size_t)first * op->out;
        gemm.b = io->params;
        gemm.b_t = true;
        gemm.c = patches;
        rlt_cuda_gemm(device, &gemm);
        size_t n = (size_t)now * op->in;
        RLT_LAUNCH(take_patches, rlt_cuda_grid(n, 256), 256, 0, device->stream, n,
                   shape_of(op, now), patches, op->dx_add, io->dx + (size_t)first * op->in);
    }
}

/* ---- the operation ---- */

/* Scratch: the turned filters, the filters' gradient, dz, partial sums, patches; each 64-byte
 * aligned. Forward uses the filters or, alone, the patches. */
struct conv_scratch {
    float *filters, *filter_grad, *dz, *partial, *patches;
    size_t floats;
};
static size_t rounded(size_t floats) {
    return (floats + 15) / 16 * 16;
}
static conv_scratch lay_out(const rlt_op *op, int images, bool training, float *base) {
    size_t filters = rounded((size_t)patch_of(op) * op->out_hwc[2]);
    size_t rows = (size_t)images * positions_of(op);
    size_t dz = training && op->act != RLT_ACT_NONE ? rounded((size_t)images * op->out) : 0;
    size_t partial = training ? rounded(rlt_cuda_columns_floats(rows, op->out_hwc[2])) : 0;
    size_t patches = (size_t)chunk_of(op, images) * positions_of(op) * patch_of(op);
    conv_scratch scratch;
    size_t at[5] = {0, filters, filters * 2, filters * 2 + dz, filters * 2 + dz + partial};
    scratch.floats = at[4] + patches;
    scratch.filters = base == nullptr ? nullptr : base + at[0];
    scratch.filter_grad = base == nullptr ? nullptr : base + at[1];
    scratch.dz = base == nullptr ? nullptr : base + at[2];
    scratch.partial = base == nullptr ? nullptr : base + at[3];
    scratch.patches = base == nullptr ? nullptr : base + at[4];
    return scratch;
}

void rlt_cuda_conv_forward(rlt_device *handle, const rlt_op *op, const rlt_op_io *io) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    int images = io->steps * io->seqs, filters = op->out_hwc[2];
    if (images == 0) {
        return;
    }
    rlt_conv conv = shape_of(op, images);
    const float *bias = io->params + (size_t)patch_of(op) * filters;
    run_turn(device, patch_of(op), filters, io->params, false, io->scratch);
    if (!rlt_cuda_conv_run(device, &conv, io->x, io->scratch, bias, op->act == RLT_ACT_RELU,
                           io->y)) {
        forward_patches(device, op, io);
    }
    if (op->act == RLT_ACT_TANH || op->act == RLT_ACT_SILU) {
        float *z = op->act == RLT_ACT_SILU && io->training ? io->saved : nullptr;
        rlt_cuda_bias_act(device, (size_t)images * positions_of(op), filters, nullptr, op->act,
                          io->y, z);
    }
}

void rlt_cuda_conv_backward(rlt_device *handle, const rlt_op *op, const rlt_op_io *io) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    int images = io->steps * io->seqs, filters = op->out_hwc[2];
    if (images == 0) {
        return;
    }
    rlt_conv conv = shape_of(op, images);
    conv_scratch scratch = lay_out(op, images, true, io->scratch);
    bool linear = op->act == RLT_ACT_NONE;
    size_t weights = (size_t)patch_of(op) * filters;
    float *bias_grad = io->d_params == nullptr ? nullptr : io->d_params + weights;
    if (!linear || bias_grad != nullptr) {
        rlt_cuda_act_backward(device, (size_t)images * positions_of(op), filters, op->act, io->dy,
                              io->y, io->saved, linear ? nullptr : scratch.dz, bias_grad,
                              scratch.partial);
    }
    const float *dz = linear ? io->dy : scratch.dz;
    if (io->d_params != nullptr) {
        if (rlt_cuda_conv_filter(device, &conv, io->x, dz, scratch.filter_grad)) {
            run_turn(device, filters, patch_of(op), scratch.filter_grad, true, io->d_params);
        } else {
            filter_grad_patches(device, op, io, dz, scratch.patches);
        }
    }
    if (io->dx != nullptr) {
        run_turn(device, patch_of(op), filters, io->params, false, scratch.filters);
        if (!rlt_cuda_conv_data(device, &conv, dz, scratch.filters, op->dx_add ? 1.0f : 0.0f,
                                io->dx)) {
            data_grad_patches(device, op, io, dz, scratch.patches);
        }
    }
}

size_t rlt_cuda_conv_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    return sizeof(float) * lay_out(op, steps * seqs, training, nullptr).floats;
}
