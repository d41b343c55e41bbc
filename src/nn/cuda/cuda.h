/* nn/cuda, private: what every file of the CUDA backend shares: the device, how kernels are
 * launched, how errors are kept, and the reductions, whose order is fixed. Compiled by nvcc into
 * the module, and by a C++ compiler against tests/support/cuda_emulation.h (RLT_CUDA_EMULATED),
 * which runs kernels on the CPU; so kernels keep to what both know:
 *   - launched by RLT_LAUNCH alone; dynamic shared memory is named by RLT_SHARED;
 *   - static shared arrays are declared __shared__ at the top of the kernel;
 *   - every thread of a block reaches every __syncthreads and every warp function (no early
 *     return before one), warp functions take the whole warp (RLT_WARP_ALL);
 *   - no atomics on floats (sums have a fixed order), no textures, no cooperative groups.
 * Thread: the device's. */
#ifndef RLT_NN_CUDA_H
#define RLT_NN_CUDA_H
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
extern "C" {
#include "nn/device.h"
}
#ifdef RLT_CUDA_EMULATED
/* Has __global__, __device__, __host__, __shared__, __forceinline__, __restrict__,
 * __launch_bounds__, dim3, threadIdx, blockIdx, blockDim, gridDim, __syncthreads, __shfl_sync,
 * __shfl_xor_sync,
 * __shfl_down_sync, __ballot_sync, RLT_LAUNCH, RLT_SHARED, the cuda* runtime calls of device.cu,
 * memory.cu and graph.cu, and emulation_enqueue(stream, std::function<void()>). */
#include "tests/support/cuda_emulation.h"
#else
#include <cuda_runtime.h>
/* kernel<<<grid, block>>> with `shared_bytes` of RLT_SHARED; a launch that fails is remembered with
 * the kernel's name until the next sync. */
#define RLT_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                 \
    do {                                                                                           \
        kernel<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__);                        \
        rlt_cuda_launched(#kernel);                                                                \
    } while (0)
/* The block's dynamic shared memory as `type *name`, 16-byte aligned. */
#define RLT_SHARED(type, name)                                                                     \
    extern __shared__ __align__(16) unsigned char rlt_shared_bytes[];                              \
    type *name = reinterpret_cast<type *>(rlt_shared_bytes)
#endif
#include "nn/cuda/libs.h"

enum { RLT_CUDA_STAGES = 4, RLT_CUDA_PINNED_MAX = 256 };
enum : unsigned { RLT_WARP_ALL = 0xffffffffu };
constexpr int RLT_WARP = 32;
constexpr size_t RLT_CUDA_STAGE_BYTES = (size_t)4 << 20;
constexpr size_t RLT_CUDA_WORKSPACE_BYTES = (size_t)64 << 20;

/* Host to device in pieces: host memory -> pinned -> (copy stream) landing -> (stream) target. */
struct rlt_cuda_stage {
    void *pinned, *landing;
    cudaEvent_t landed, consumed;
};

struct rlt_cuda_device {
    rlt_device base;
    cudaStream_t stream; /* all work, in the order of the calls */
    cudaStream_t copies; /* host to landing buffers, beside it */
    int multiprocessors, shared_bytes_max;
    size_t memory_bytes;
    void *workspace; /* of the libraries: one call at a time, by the order of the stream */
    rlt_cuda_libs *libs;
    rlt_cuda_stage stages[RLT_CUDA_STAGES];
    int stage_next;
    const void *pinned[RLT_CUDA_PINNED_MAX]; /* what alloc_host gave out */
    size_t pinned_bytes[RLT_CUDA_PINNED_MAX];
    bool recording;
    void *reduce;     /* NCCL's communicator; NULL: alone, or given up */
    int reduce_count; /* learners */
    rlt_err error;    /* the first since the last sync; code RLT_OK: none */
};

static inline rlt_cuda_device *rlt_cuda_of(rlt_device *device) {
    return reinterpret_cast<rlt_cuda_device *>(device);
}

/* Keeps the first error since the last sync; `what` is a call or a kernel. */
void rlt_cuda_note(rlt_cuda_device *device, const char *what, const char *problem);
bool rlt_cuda_ok(rlt_cuda_device *device, const char *what, cudaError_t result);
/* After a launch: keeps the kernel's name if that failed, for the device of this thread. */
void rlt_cuda_launched(const char *kernel);

/* memory.cu and graph.cu: the functions of rlt_backend of these names. */
rlt_status rlt_cuda_alloc(rlt_device *device, size_t bytes, void **memory, rlt_err *err);
void rlt_cuda_free(rlt_device *device, void *memory);
rlt_status rlt_cuda_alloc_host(rlt_device *device, size_t bytes, void **memory, rlt_err *err);
void rlt_cuda_free_host(rlt_device *device, void *memory);
void rlt_cuda_upload(rlt_device *device, void *to, const void *from_host, size_t bytes);
void rlt_cuda_download(rlt_device *device, void *to_host, const void *from, size_t bytes);
void rlt_cuda_copy(rlt_device *device, void *to, const void *from, size_t bytes);
void rlt_cuda_zero(rlt_device *device, void *memory, size_t bytes);
rlt_status rlt_cuda_record_begin(rlt_device *device, rlt_err *err);
rlt_status rlt_cuda_record_end(rlt_device *device, rlt_graph **graph, rlt_err *err);
void rlt_cuda_graph_run(rlt_device *device, rlt_graph *graph);
void rlt_cuda_graph_free(rlt_device *device, rlt_graph **graph);

/* libs_nccl.cu: the functions of rlt_backend of these names; sync's wait while others may be gone;
 * the end. */
rlt_status rlt_cuda_reduce_id(rlt_reduce_id *id, rlt_err *err);
rlt_status rlt_cuda_all_reduce_init(rlt_device *device, int rank, int count,
                                    const rlt_reduce_id *id, rlt_err *err);
void rlt_cuda_all_reduce(rlt_device *device, float *grad, size_t count);
void rlt_cuda_all_reduce_sums(rlt_device *device, double *sums, size_t count);
void rlt_cuda_reduce_await(rlt_cuda_device *device);
void rlt_cuda_reduce_close(rlt_cuda_device *device);

/* The operations and functions, each in a file named after it or its family. scratch: bytes that
 * forward and backward may use at io->scratch (16-byte aligned) for at most these rows. */
#define RLT_OP(name, help)                                                                         \
    void rlt_cuda_##name##_forward(rlt_device *, const rlt_op *, const rlt_op_io *);               \
    void rlt_cuda_##name##_backward(rlt_device *, const rlt_op *, const rlt_op_io *);              \
    size_t rlt_cuda_##name##_scratch(const rlt_op *op, int steps, int seqs, bool training);
#include "nn/ops.def"
#undef RLT_OP
#define RLT_FN(name, help) void rlt_cuda_##name(rlt_device *device, const rlt_##name##_args *args);
#include "nn/fns.def"
#undef RLT_FN

/* act_bias.cu: what several operations share. y[rows][columns] = act(y + bias), in place; z, if not
 * NULL, gets the sums before act. bias NULL: none. */
void rlt_cuda_bias_act(rlt_cuda_device *device, size_t rows, int columns, const float *bias,
                       rlt_act act, float *y, float *z = nullptr);
/* dz = dy * act'(y, z) where dz is not NULL (it may be dy), and bias_grad[columns] += the sums of
 * dz's columns where that is not NULL; `partial` is scratch of rlt_cuda_columns_floats. */
void rlt_cuda_act_backward(rlt_cuda_device *device, size_t rows, int columns, rlt_act act,
                           const float *dy, const float *y, const float *z, float *dz,
                           float *bias_grad, float *partial);
size_t rlt_cuda_columns_floats(size_t rows, int columns);

/* Blocks of `block` threads that cover n items; at most `most`, for loops that stride the grid. */
static inline unsigned rlt_cuda_grid(size_t n, unsigned block, unsigned most = 65535u * 16) {
    size_t blocks = (n + block - 1) / block;
    return blocks < 1 ? 1u : blocks > most ? most : (unsigned)blocks;
}

/* ---- on the device ---- */

/* A grid-strided loop over 0 .. n - 1, n of any integer type. */
#define RLT_GRID_LOOP(i, n)                                                                        \
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < (size_t)(n);                \
         i += (size_t)gridDim.x * blockDim.x)

/* Sum, or maximum, over the 32 lanes, the same bits in every lane: a butterfly, whose two operands
 * are the same pair in both lanes. */
template <typename T> static __device__ __forceinline__ T rlt_warp_sum(T value) {
    for (int offset = RLT_WARP / 2; offset > 0; offset /= 2) {
        value += __shfl_xor_sync(RLT_WARP_ALL, value, offset);
    }
    return value;
}
template <typename T> static __device__ __forceinline__ T rlt_warp_max(T value) {
    for (int offset = RLT_WARP / 2; offset > 0; offset /= 2) {
        T other = __shfl_xor_sync(RLT_WARP_ALL, value, offset);
        value = other > value ? other : value;
    }
    return value;
}

/* Over a block of whole warps (blockDim.x a multiple of 32, one-dimensional): every thread gets the
 * same bits. `shared` is the block's, 32 elements; free for reuse after the call. */
template <typename T> static __device__ __forceinline__ T rlt_block_sum(T value, T *shared) {
    int lane = threadIdx.x % RLT_WARP, warp = threadIdx.x / RLT_WARP, warps = blockDim.x / RLT_WARP;
    value = rlt_warp_sum(value);
    if (lane == 0) {
        shared[warp] = value;
    }
    __syncthreads();
    value = rlt_warp_sum(lane < warps ? shared[lane] : T(0));
    __syncthreads();
    return value;
}
template <typename T> static __device__ __forceinline__ T rlt_block_max(T value, T *shared) {
    int lane = threadIdx.x % RLT_WARP, warp = threadIdx.x / RLT_WARP, warps = blockDim.x / RLT_WARP;
    value = rlt_warp_max(value);
    if (lane == 0) {
        shared[warp] = value;
    }
    __syncthreads();
    value = rlt_warp_max(shared[lane < warps ? lane : 0]);
    __syncthreads();
    return value;
}

/* fminf and fmaxf forget a NaN; it must reach the losses, which are looked at. */
static __device__ __forceinline__ float rlt_cuda_bounded(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}
static __device__ __forceinline__ float rlt_cuda_least(float x, float y) {
    return x < y ? x : y <= x ? y : x + y;
}
static __device__ __forceinline__ float rlt_cuda_sigmoid(float x) {
    return 1.0f / (1.0f + expf(-x));
}
static __device__ __forceinline__ float rlt_cuda_act(int act, float z) {
    switch (act) {
    case RLT_ACT_TANH:
        return tanhf(z);
    case RLT_ACT_RELU:
        return z > 0.0f ? z : 0.0f;
    case RLT_ACT_SILU:
        return z * rlt_cuda_sigmoid(z);
    default:
        return z;
    }
}
/* The derivative at z, where y = act(z); z is read for SiLU alone. */
static __device__ __forceinline__ float rlt_cuda_slope(int act, float y, float z) {
    if (act == RLT_ACT_TANH) {
        return 1.0f - y * y;
    }
    if (act == RLT_ACT_RELU) {
        return y > 0.0f ? 1.0f : 0.0f;
    }
    if (act == RLT_ACT_SILU) {
        float s = rlt_cuda_sigmoid(z);
        return s * (1.0f + z * (1.0f - s));
    }
    return 1.0f;
}
#endif
