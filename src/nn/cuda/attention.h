/* nn/cuda, private: causal multi-head attention over the last `context` steps of an episode, with
 * a learned bias by distance. (cuDNN's attention knows neither keys that end at an episode's
 * beginning in mid-sequence, nor that bias with its gradient in a recorded graph of fixed shape.)
 * The projections are matrix products; between them, one kernel in the manner of FlashAttention
 * (Dao et al. 2022): scores are never stored, backward has them again from the log of their sum.
 * A block has one head of one sequence and a tile of queries, M a warp; it takes keys 32 at a time
 * through shared memory, in slices of 32 entries of the head: for scores a lane is a key, for
 * sums a lane is an entry. Backward has a kernel by queries (d q, d bias) and one by keys (d k,
 * d v), so that nothing is added by two blocks.
 * Bound: shared memory, two reads for M multiply-adds; device memory sees q, k, v and the output
 * once, keys again for each tile that sees them.
 * saved: planes q k v [rows][3 in], outputs of heads [rows][in], log of sums [rows][heads].
 * Thread: the device's. */
#ifndef RLT_NN_CUDA_ATTENTION_H
#define RLT_NN_CUDA_ATTENTION_H
#include "nn/cuda/columns.h"
#include "nn/cuda/scratch.h"

enum { ATTENTION_WARPS = 4, ATTENTION_THREADS = ATTENTION_WARPS * RLT_WARP, TILE_STRIDE = 33 };

struct attention_in {
    int steps, seqs, width, heads, dims, context, state_stride; /* dims: of a head */
    float scale;
    const float *qkv, *state;
    const float *bias;  /* [heads][context] */
    const int *reach;   /* [steps][seqs]: keys that a query sees */
    float *out, *logs;  /* [rows][width], [rows][heads] */
    const float *d_out; /* [rows][width] */
    float *delta;       /* [rows][heads]: d_out times out */
    float *d_qkv;
    float *d_bias; /* [seqs][tiles][heads][context], partial */
};

static __device__ __forceinline__ size_t attention_row(const attention_in &in, int n, int t) {
    return (size_t)t * in.seqs + n;
}

/* q (0), k (1) or v (2) of a step of one sequence and head; k and v of steps before the segment are
 * in the state; NULL outside of first .. end - 1. */
struct attention_source {
    int which, n, head, first, end;
    __device__ const float *operator()(const attention_in &in, int t) const {
        if (t < first || t >= end) {
            return nullptr;
        }
        int offset = head * in.dims;
        if (t >= 0) {
            return in.qkv + (attention_row(in, n, t) * 3 + which) * in.width + offset;
        }
        return in.state + (size_t)n * in.state_stride +
               (size_t)(which * in.context + t) * in.width + offset;
    }
};
/* d_out of a step. */
struct attention_gradient {
    int n, head, first, end;
    __device__ const float *operator()(const attention_in &in, int t) const {
        return t < first || t >= end
                   ? nullptr
                   : in.d_out + attention_row(in, n, t) * in.width + head * in.dims;
    }
};

/* tile[32][33]: a slice of 32 entries of rows first .. first + 31; zeros where there is none. */
template <class Source>
static __device__ __forceinline__ void attention_tile(const attention_in &in, const Source &source,
                                                      int first, int slice, float *tile) {
    int entry = slice * RLT_WARP + threadIdx.x % RLT_WARP;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < RLT_WARP; i += ATTENTION_WARPS) {
        int j = i + threadIdx.x / RLT_WARP;
        const float *row = source(in, first + j);
        tile[j * TILE_STRIDE + threadIdx.x % RLT_WARP] =
            row != nullptr && entry < in.dims ? row[entry] : 0;
    }
    __syncthreads();
}

/* dot[m] += row (first + lane) times the warp's m-th own vector, own[m][DV * 32]. */
template <int DV, int M, class Source>
static __device__ __forceinline__ void attention_dots(const attention_in &in, const Source &source,
                                                      int first, const float *own, float *tile,
                                                      float *dot) {
    const float *row = tile + threadIdx.x % RLT_WARP * TILE_STRIDE;
#pragma unroll 1
    for (int slice = 0; slice < DV; slice++) {
        attention_tile(in, source, first, slice, tile);
#pragma unroll 4
        for (int d = 0; d < RLT_WARP; d += 4) {
#pragma unroll
            for (int m = 0; m < M; m++) {
                float4 x = *reinterpret_cast<const float4 *>(own + (m * DV + slice) * RLT_WARP + d);
                dot[m] += row[d] * x.x + row[d + 1] * x.y + row[d + 2] * x.z + row[d + 3] * x.w;
            }
        }
    }
}

/* sum[m][slice] += weights[m][32] times rows first .. first + 31, entry slice * 32 + lane. */
template <int DV, int M, class Source>
static __device__ __forceinline__ void attention_sums(const attention_in &in, const Source &source,
                                                      int first, const float *weights, float *tile,
                                                      float (*sum)[DV]) {
    const float *column = tile + threadIdx.x % RLT_WARP;
#pragma unroll
    for (int slice = 0; slice < DV; slice++) {
        attention_tile(in, source, first, slice, tile);
#pragma unroll 2
        for (int j = 0; j < RLT_WARP; j += 4) {
            float v[4];
#pragma unroll
            for (int k = 0; k < 4; k++) {
                v[k] = column[(j + k) * TILE_STRIDE];
            }
#pragma unroll
            for (int m = 0; m < M; m++) {
                float4 w = *reinterpret_cast<const float4 *>(weights + m * RLT_WARP + j);
                sum[m][slice] += w.x * v[0] + w.y * v[1] + w.z * v[2] + w.w * v[3];
            }
        }
    }
}

/* The warp's M vectors, rows first .. first + M - 1, times scale, into own[M][DV * 32]. */
template <int DV, int M, class Source>
static __device__ __forceinline__ void attention_own(const attention_in &in, const Source &source,
                                                     int first, float scale, float *own) {
    for (int i = threadIdx.x % RLT_WARP; i < M * DV * RLT_WARP; i += RLT_WARP) {
        const float *row = source(in, first + i / (DV * RLT_WARP));
        int entry = i % (DV * RLT_WARP);
        own[i] = row != nullptr && entry < in.dims ? scale * row[entry] : 0;
    }
    __syncwarp();
}

/* Whether query t sees the key of step `key`. */
static __device__ __forceinline__ bool attention_sees(int t, int key, int reach) {
    return key <= t && t - key < reach;
}

/* A block's place: sequence, head, first row of its tile (queries or keys) of WARPS * M. */
struct attention_place {
    int n, head, first, end, own; /* own: the warp's first row */
};
template <int M>
static __device__ __forceinline__ attention_place attention_place_of(const attention_in &in) {
    attention_place at;
    at.n = blockIdx.x / in.heads;
    at.head = blockIdx.x % in.heads;
    at.first = blockIdx.y * ATTENTION_WARPS * M;
    at.end = min(at.first + ATTENTION_WARPS * M, in.steps);
    at.own = at.first + threadIdx.x / RLT_WARP * M;
    return at;
}

/* ---- on the host ---- */

/* Slices of a head, and queries or keys a warp: together what registers hold. */
static inline int attention_warp_rows(int dims) {
    return dims <= 128 ? 4 : dims <= 256 ? 2 : 1;
}
static inline int attention_tiles(const attention_in &in) {
    int rows = ATTENTION_WARPS * attention_warp_rows(in.dims);
    return (in.steps + rows - 1) / rows;
}

/* kernel<DV, M> for heads of in.dims entries, with `shared` bytes of dynamic shared memory. */
#define ATTENTION_LAUNCH_AS(kernel, shared, DV, M)                                                 \
    do {                                                                                           \
        if ((shared) > 0) {                                                                        \
            rlt_cuda_ok(cuda, #kernel,                                                             \
                        cudaFuncSetAttribute(kernel<DV, M>,                                        \
                                             cudaFuncAttributeMaxDynamicSharedMemorySize,          \
                                             (int)(shared)));                                      \
        }                                                                                          \
        RLT_LAUNCH((kernel<DV, M>), dim3(in.seqs *in.heads, attention_tiles(in)),                  \
                   ATTENTION_THREADS, shared, cuda->stream, in);                                   \
    } while (0)
#define ATTENTION_LAUNCH(kernel, shared)                                                           \
    do {                                                                                           \
        if (in.dims <= 32) {                                                                       \
            ATTENTION_LAUNCH_AS(kernel, shared, 1, 4);                                             \
        } else if (in.dims <= 64) {                                                                \
            ATTENTION_LAUNCH_AS(kernel, shared, 2, 4);                                             \
        } else if (in.dims <= 128) {                                                               \
            ATTENTION_LAUNCH_AS(kernel, shared, 4, 4);                                             \
        } else if (in.dims <= 256) {                                                               \
            ATTENTION_LAUNCH_AS(kernel, shared, 8, 2);                                             \
        } else {                                                                                   \
            ATTENTION_LAUNCH_AS(kernel, shared, 32, 1);                                            \
        }                                                                                          \
    } while (0)

/* Scratch. qkv, out, logs: where nothing is saved. */
struct attention_memory {
    float *qkv, *out, *logs, *reach;
    float *d_out, *delta, *d_qkv, *d_bias, *columns; /* backward */
    size_t floats;
};
static inline attention_memory attention_lay_out(const attention_in &in, float *scratch,
                                                 float *saved, bool backward) {
    scratch_cursor at = {scratch, 0};
    size_t rows = (size_t)in.steps * in.seqs, width = in.width;
    attention_memory m = {};
    m.reach = at.take(rows);
    if (saved == nullptr) {
        m.qkv = at.take(3 * rows * width);
        m.out = at.take(rows * width);
        m.logs = at.take(rows * in.heads);
    } else {
        m.qkv = saved;
        m.out = saved + 3 * rows * width;
        m.logs = m.out + rows * width;
    }
    if (backward) {
        int parts = in.seqs * attention_tiles(in), biases = in.heads * in.context;
        m.d_out = at.take(rows * width);
        m.delta = at.take(rows * in.heads);
        m.d_qkv = at.take(3 * rows * width);
        m.d_bias = at.take((size_t)parts * biases);
        size_t columns = columns_partial_floats((int)rows, 3 * width);
        size_t bias_columns = columns_partial_floats(parts, biases);
        m.columns = at.take(columns > bias_columns ? columns : bias_columns);
    }
    m.floats = at.floats;
    return m;
}

struct attention_weights {
    const float *wqkv, *bqkv, *wo, *bo, *bias;
};
static inline attention_weights attention_weights_of(const rlt_op *op, const float *params) {
    size_t in = op->in;
    attention_weights w = {};
    w.wqkv = params;
    w.bqkv = params + 3 * in * in;
    w.wo = w.bqkv + 3 * in;
    w.bo = w.wo + in * in;
    w.bias = w.bo + in;
    return w;
}

static inline attention_in attention_in_of(const rlt_op *op, int steps, int seqs) {
    attention_in in = {};
    in.steps = steps;
    in.seqs = seqs;
    in.width = op->in;
    in.heads = op->heads;
    in.dims = op->in / op->heads;
    in.context = op->context;
    in.scale = 1 / sqrtf((float)in.dims);
    RLT_ASSERT(in.dims <= 32 * RLT_WARP);
    return in;
}

/* The rest of `in`, and who sees whom (attention.cu). */
void rlt_cuda_attention_begin(rlt_cuda_device *cuda, const rlt_op *op, const rlt_op_io *io,
                              const attention_memory &m, attention_in *in);
#endif
