/* nn/cuda, batch: the rows of a minibatch collected out of the whole batch, its advantages
 * normalised; observations normalised. Bound: memory, each byte read once and written once; rows
 * of fewer than 32 bytes cost a sector of 32 to read, being anywhere in the batch.
 * Thread: the device's. */
#include "nn/cuda/cuda.h"

enum { GATHER_THREADS = 256, GATHER_BLOCKS_MAX = 1024 };

/* Copies `count` entries by `lanes` neighbouring threads. */
template <class T>
static __device__ __forceinline__ void copy_entries(const T *__restrict__ from, T *__restrict__ to,
                                                    int count, int lane, int lanes) {
    for (int i = lane; i < count; i += lanes) {
        to[i] = from[i];
    }
}
/* The same in pieces of 16 bytes where both places and the width allow. */
static __device__ __forceinline__ void copy_floats(const float *__restrict__ from,
                                                   float *__restrict__ to, int count, int lane,
                                                   int lanes, bool fours) {
    if (fours) {
        copy_entries(reinterpret_cast<const float4 *>(from), reinterpret_cast<float4 *>(to),
                     count / 4, lane, lanes);
    } else {
        copy_entries(from, to, count, lane, lanes);
    }
}

/* The sequences of the minibatch that is next. */
static __device__ __forceinline__ const uint32_t *gather_order(const rlt_gather_args &args) {
    int stride = args.order_stride == 0 ? args.n : args.order_stride;
    return args.order + args.update->minibatch * stride;
}

/* LANES threads a row. sums[block] is the sum of the block's advantages and of their squares, in
 * double, whose 53 bits make one pass enough. */
template <int LANES>
static __global__ void __launch_bounds__(GATHER_THREADS, 4)
    gather_rows(rlt_gather_args args, bool fours, double2 *sums) {
    __shared__ double shared[32];
    const uint32_t *order = gather_order(args);
    int lane = threadIdx.x % LANES, rows = args.steps * args.n;
    int groups = gridDim.x * (GATHER_THREADS / LANES);
    double sum = 0, squares = 0;
    for (int row = (blockIdx.x * GATHER_THREADS + threadIdx.x) / LANES; row < rows; row += groups) {
        size_t from = (size_t)(row / args.n) * args.seqs_all + order[row % args.n], to = row;
        copy_floats(args.obs + from * args.obs_width, args.to_obs + to * args.obs_width,
                    args.obs_width, lane, LANES, fours);
        copy_entries((const int32_t *)args.action + from * args.action_words,
                     (int32_t *)args.to_action + to * args.action_words, args.action_words, lane,
                     LANES);
        if (args.mask != nullptr) {
            copy_entries(args.mask + from * args.mask_width, args.to_mask + to * args.mask_width,
                         args.mask_width, lane, LANES);
        }
        if (lane == 0) {
            float advantage = args.advantage[from];
            args.to_log_prob[to] = args.log_prob[from];
            args.to_value[to] = args.value[from];
            args.to_ret[to] = args.ret[from];
            args.to_advantage[to] = advantage;
            sum += advantage;
            squares += (double)advantage * advantage;
        }
        if (lane == 1 && args.reset != nullptr) {
            args.to_reset[to] = args.reset[from];
        }
    }
    if (sums != nullptr) {
        sum = rlt_block_sum(sum, shared);
        squares = rlt_block_sum(squares, shared);
        if (threadIdx.x == 0) {
            sums[blockIdx.x] = make_double2(sum, squares);
        }
    }
}

/* The states before the first step, a warp a sequence. */
static __global__ void __launch_bounds__(GATHER_THREADS) gather_states(rlt_gather_args args) {
    const uint32_t *order = gather_order(args);
    int lane = threadIdx.x % RLT_WARP;
    for (int i = (blockIdx.x * GATHER_THREADS + threadIdx.x) / RLT_WARP; i < args.n;
         i += gridDim.x * (GATHER_THREADS / RLT_WARP)) {
        copy_entries(args.state + (size_t)order[i] * args.state_width,
                     args.to_state + (size_t)i * args.state_width, args.state_width, lane,
                     RLT_WARP);
    }
}

/* (a - mean) / (std + 1e-8), std unbiased; every block adds up all blocks' sums in one order. */
static __global__ void __launch_bounds__(GATHER_THREADS, 4)
    gather_normalise(float *advantage, int rows, const double2 *sums, int count) {
    __shared__ double shared[32];
    double sum = 0, squares = 0;
    for (int i = threadIdx.x; i < count; i += GATHER_THREADS) {
        sum += sums[i].x;
        squares += sums[i].y;
    }
    sum = rlt_block_sum(sum, shared);
    squares = rlt_block_sum(squares, shared);
    double mean = sum / rows, variance = (squares - sum * mean) / (rows - 1);
    float centre = (float)mean, scale = (float)(1 / (sqrt(variance > 0 ? variance : 0) + 1e-8));
    RLT_GRID_LOOP(i, rows) {
        advantage[i] = (advantage[i] - centre) * scale;
    }
}

void rlt_cuda_gather(rlt_device *device, const rlt_gather_args *args) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    int rows = args->steps * args->n;
    bool fours =
        args->obs_width % 4 == 0 && ((uintptr_t)args->obs | (uintptr_t)args->to_obs) % 16 == 0;
    bool normalise = args->norm_advantage && rows > 1;
    double2 *sums = normalise ? (double2 *)cuda->workspace : nullptr;
    bool narrow = args->obs_width <= 16;
    unsigned grid = rlt_cuda_grid(rows, GATHER_THREADS / (narrow ? 4 : 32), GATHER_BLOCKS_MAX);
    if (narrow) {
        RLT_LAUNCH(gather_rows<4>, grid, GATHER_THREADS, 0, cuda->stream, *args, fours, sums);
    } else {
        RLT_LAUNCH(gather_rows<32>, grid, GATHER_THREADS, 0, cuda->stream, *args, fours, sums);
    }
    if (normalise) {
        RLT_LAUNCH(gather_normalise, rlt_cuda_grid(rows, GATHER_THREADS, 256), GATHER_THREADS, 0,
                   cuda->stream, args->to_advantage, rows, sums, (int)grid);
    }
    if (args->state_width > 0 && args->state != nullptr) {
        RLT_LAUNCH(gather_states, rlt_cuda_grid(args->n, GATHER_THREADS / RLT_WARP, 1024),
                   GATHER_THREADS, 0, cuda->stream, *args);
    }
}

static __device__ __forceinline__ float normalise_entry(const rlt_normalise_args &args, float x,
                                                        int column) {
    float y = (x - args.mean[column]) * args.inv_std[column];
    return rlt_cuda_bounded(y, -args.clip, args.clip);
}

/* V entries a thread, of one row. */
template <int V>
static __global__ void __launch_bounds__(256) normalise_rows(rlt_normalise_args args) {
    size_t count = (size_t)args.rows * args.width / V;
    RLT_GRID_LOOP(i, count) {
        int column = (int)(i * V % args.width);
        if (V == 4) {
            float4 x = reinterpret_cast<const float4 *>(args.x)[i];
            x.x = normalise_entry(args, x.x, column);
            x.y = normalise_entry(args, x.y, column + 1);
            x.z = normalise_entry(args, x.z, column + 2);
            x.w = normalise_entry(args, x.w, column + 3);
            reinterpret_cast<float4 *>(args.y)[i] = x;
        } else {
            args.y[i] = normalise_entry(args, args.x[i], column);
        }
    }
}

void rlt_cuda_normalise(rlt_device *device, const rlt_normalise_args *args) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    size_t count = (size_t)args->rows * args->width;
    if (args->width % 4 == 0 && ((uintptr_t)args->x | (uintptr_t)args->y) % 16 == 0) {
        RLT_LAUNCH(normalise_rows<4>, rlt_cuda_grid(count / 4, 256, 4096), 256, 0, cuda->stream,
                   *args);
    } else {
        RLT_LAUNCH(normalise_rows<1>, rlt_cuda_grid(count, 256, 4096), 256, 0, cuda->stream, *args);
    }
}
