/* nn/cuda, norm: layer norm and RMS norm. A warp takes a row; it reads the row three times (mean,
 * deviation, output), of which the second and third come out of the first-level cache.
 * Bound: memory, 8 bytes an entry forward (x, y), 12 backward (dy, x, dx) and 8 more for the
 * gradients of gain and bias, whose sums are columns.h's.
 * saved: layer norm mean and 1 / deviation, RMS norm 1 / root mean square. Thread: the device's. */
#include "nn/cuda/columns.h"

enum { NORM_THREADS = 256, NORM_ROWS = NORM_THREADS / RLT_WARP };

struct norm_in {
    int rows, width;
    const float *x, *gain, *bias, *saved, *dy; /* bias: layer norm alone */
};

/* V floats at once: 4 where rows are 16-byte aligned. */
template <int V> struct norm_pack { float v[V]; };
template <int V> static __device__ __forceinline__ norm_pack<V> norm_load(const float *from) {
    norm_pack<V> pack;
    if (V == 4) {
        float4 four = *reinterpret_cast<const float4 *>(from);
        pack.v[0] = four.x;
        pack.v[1 % V] = four.y;
        pack.v[2 % V] = four.z;
        pack.v[3 % V] = four.w;
    } else {
        pack.v[0] = from[0];
    }
    return pack;
}
template <int V> static __device__ __forceinline__ void norm_store(float *to, norm_pack<V> pack) {
    if (V == 4) {
        *reinterpret_cast<float4 *>(to) =
            make_float4(pack.v[0], pack.v[1 % V], pack.v[2 % V], pack.v[3 % V]);
    } else {
        to[0] = pack.v[0];
    }
}

/* The sum over a row of (x - mean)^power, in every lane. */
template <int V, int POWER>
static __device__ __forceinline__ float norm_moment(const float *x, int width, float mean) {
    float sum = 0;
    for (int i = threadIdx.x % RLT_WARP * V; i < width; i += RLT_WARP * V) {
        norm_pack<V> pack = norm_load<V>(x + i);
#pragma unroll
        for (int k = 0; k < V; k++) {
            float d = pack.v[k] - mean;
            sum += POWER == 1 ? d : d * d;
        }
    }
    return rlt_warp_sum(sum);
}

/* LAYER: layer norm, else RMS norm. Rows go around the grid by whole warps, so that all lanes are
 * in every exchange. */
template <int V, bool LAYER>
static __global__ void __launch_bounds__(NORM_THREADS)
    norm_forward(norm_in in, float eps, float *y, float *saved) {
    int lane = threadIdx.x % RLT_WARP;
    for (int row = blockIdx.x * NORM_ROWS + threadIdx.x / RLT_WARP; row < in.rows;
         row += gridDim.x * NORM_ROWS) {
        const float *x = in.x + (size_t)row * in.width;
        float mean = LAYER ? norm_moment<V, 1>(x, in.width, 0) / in.width : 0;
        float inverse = 1 / sqrtf(norm_moment<V, 2>(x, in.width, mean) / in.width + eps);
        for (int i = lane * V; i < in.width; i += RLT_WARP * V) {
            norm_pack<V> pack = norm_load<V>(x + i);
#pragma unroll
            for (int k = 0; k < V; k++) {
                float scaled = (pack.v[k] - mean) * inverse * in.gain[i + k];
                pack.v[k] = LAYER ? scaled + in.bias[i + k] : scaled;
            }
            norm_store<V>(y + (size_t)row * in.width + i, pack);
        }
        if (saved != nullptr && lane == 0) {
            if (LAYER) {
                saved[2 * (size_t)row] = mean;
            }
            saved[(size_t)row * (LAYER ? 2 : 1) + LAYER] = inverse;
        }
    }
}

/* With n = (x - mean) inverse and g = dy gain: dx = inverse (g - mean(g) - n mean(g n)), without
 * mean(g) for RMS norm. */
template <int V, bool LAYER>
static __global__ void __launch_bounds__(NORM_THREADS)
    norm_backward(norm_in in, bool add, float *dx) {
    int lane = threadIdx.x % RLT_WARP;
    for (int row = blockIdx.x * NORM_ROWS + threadIdx.x / RLT_WARP; row < in.rows;
         row += gridDim.x * NORM_ROWS) {
        size_t at = (size_t)row * in.width;
        float mean = LAYER ? in.saved[2 * (size_t)row] : 0;
        float inverse = in.saved[(size_t)row * (LAYER ? 2 : 1) + LAYER];
        float sum = 0, product = 0;
        for (int i = lane * V; i < in.width; i += RLT_WARP * V) {
            norm_pack<V> x = norm_load<V>(in.x + at + i), dy = norm_load<V>(in.dy + at + i);
#pragma unroll
            for (int k = 0; k < V; k++) {
                float g = dy.v[k] * in.gain[i + k];
                sum += g;
                product += g * (x.v[k] - mean) * inverse;
            }
        }
        sum = LAYER ? rlt_warp_sum(sum) / in.width : 0;
        product = rlt_warp_sum(product) / in.width;
        for (int i = lane * V; i < in.width; i += RLT_WARP * V) {
            norm_pack<V> x = norm_load<V>(in.x + at + i), dy = norm_load<V>(in.dy + at + i),
                         out = {};
            if (add) {
                out = norm_load<V>(dx + at + i);
            }
#pragma unroll
            for (int k = 0; k < V; k++) {
                float n = (x.v[k] - mean) * inverse;
                out.v[k] += inverse * (dy.v[k] * in.gain[i + k] - sum - n * product);
            }
            norm_store<V>(dx + at + i, out);
        }
    }
}

/* What a row adds to the gradients of gain and bias. */
template <bool LAYER> struct norm_param_terms {
    norm_in in;
    __device__ void operator()(int row, int column, float *v) const {
        size_t at = (size_t)row * in.width + column;
        float dy = in.dy[at];
        if (LAYER) {
            v[0] = dy * (in.x[at] - in.saved[2 * (size_t)row]) * in.saved[2 * (size_t)row + 1];
            v[LAYER] = dy;
        } else {
            v[0] = dy * in.x[at] * in.saved[row];
        }
    }
};

static norm_in norm_in_of(const rlt_op *op, const rlt_op_io *io) {
    norm_in in = {};
    in.rows = io->steps * io->seqs;
    in.width = op->in;
    in.x = io->x;
    in.gain = io->params;
    in.bias = io->params + op->in;
    in.saved = io->saved;
    in.dy = io->dy;
    return in;
}

static bool norm_fours(const norm_in *in, const void *other) {
    return in->width % 4 == 0 &&
           ((uintptr_t)in->x | (uintptr_t)in->dy | (uintptr_t)other) % 16 == 0;
}

template <bool LAYER>
static void norm_run_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    norm_in in = norm_in_of(op, io);
    unsigned grid = rlt_cuda_grid(in.rows, NORM_ROWS, 65535);
    float *saved = io->training ? io->saved : nullptr, eps = LAYER ? 1e-5f : 1e-6f;
    if (norm_fours(&in, io->y)) {
        RLT_LAUNCH((norm_forward<4, LAYER>), grid, NORM_THREADS, 0, cuda->stream, in, eps, io->y,
                   saved);
    } else {
        RLT_LAUNCH((norm_forward<1, LAYER>), grid, NORM_THREADS, 0, cuda->stream, in, eps, io->y,
                   saved);
    }
}

template <bool LAYER>
static void norm_run_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    norm_in in = norm_in_of(op, io);
    unsigned grid = rlt_cuda_grid(in.rows, NORM_ROWS, 65535);
    if (io->dx != nullptr && norm_fours(&in, io->dx)) {
        RLT_LAUNCH((norm_backward<4, LAYER>), grid, NORM_THREADS, 0, cuda->stream, in, op->dx_add,
                   io->dx);
    } else if (io->dx != nullptr) {
        RLT_LAUNCH((norm_backward<1, LAYER>), grid, NORM_THREADS, 0, cuda->stream, in, op->dx_add,
                   io->dx);
    }
    norm_param_terms<LAYER> terms = {in};
    columns_add<LAYER ? 2 : 1>(cuda, terms, in.rows, in.width, 1.0f, io->scratch, io->d_params);
}

void rlt_cuda_layer_norm_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    norm_run_forward<true>(device, op, io);
}
void rlt_cuda_layer_norm_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    norm_run_backward<true>(device, op, io);
}
size_t rlt_cuda_layer_norm_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    return training ? columns_partial_floats(steps * seqs, 2 * (size_t)op->in) * sizeof(float) : 0;
}
void rlt_cuda_rms_norm_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    norm_run_forward<false>(device, op, io);
}
void rlt_cuda_rms_norm_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    norm_run_backward<false>(device, op, io);
}
size_t rlt_cuda_rms_norm_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    return training ? columns_partial_floats(steps * seqs, op->in) * sizeof(float) : 0;
}
