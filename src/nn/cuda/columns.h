/* nn/cuda, private: sums of columns over many rows, in a fixed order: gradients of biases, gains
 * and relative positions. Rows are cut into at most COLUMN_CHUNKS chunks; a block sums 32 columns
 * of one chunk, eight rows side by side, and a second kernel adds the chunks in order. What is
 * summed is a functor, so that products are formed on the way and never stored.
 * Bound: what the functor reads, once; 128 bytes a warp and row where it reads along columns.
 * Thread: the device's. */
#ifndef RLT_NN_CUDA_COLUMNS_H
#define RLT_NN_CUDA_COLUMNS_H
#include "nn/cuda/cuda.h"

enum { COLUMN_CHUNKS = 64, COLUMN_ROWS_MIN = 64, COLUMN_TILE = 32, COLUMN_WARPS = 8 };

static inline int columns_chunk_rows(int rows) {
    int even = (rows + COLUMN_CHUNKS - 1) / COLUMN_CHUNKS;
    return even < COLUMN_ROWS_MIN ? COLUMN_ROWS_MIN : even;
}
static inline int columns_chunks(int rows) {
    int chunk = columns_chunk_rows(rows);
    return rows < 1 ? 1 : (rows + chunk - 1) / chunk;
}
/* Floats of `partial` below, for `columns` sums. */
static inline size_t columns_partial_floats(int rows, size_t columns) {
    return (size_t)columns_chunks(rows) * columns;
}

/* partial[chunk][K][columns]: the sums of value(row, column, v[K]). */
template <int K, class Value>
static __global__ void __launch_bounds__(COLUMN_TILE *COLUMN_WARPS)
    columns_part(Value value, int rows, int columns, int chunk_rows, float *partial) {
    __shared__ float sums[COLUMN_WARPS][K][COLUMN_TILE];
    int lane = threadIdx.x % COLUMN_TILE, warp = threadIdx.x / COLUMN_TILE;
    int column = blockIdx.x * COLUMN_TILE + lane;
    int first = blockIdx.y * chunk_rows, end = min(rows, first + chunk_rows);
    float sum[K] = {};
    if (column < columns) {
#pragma unroll 4
        for (int row = first + warp; row < end; row += COLUMN_WARPS) {
            float v[K];
            value(row, column, v);
#pragma unroll
            for (int k = 0; k < K; k++) {
                sum[k] += v[k];
            }
        }
    }
#pragma unroll
    for (int k = 0; k < K; k++) {
        sums[warp][k][lane] = sum[k];
    }
    __syncthreads();
    if (warp < K && column < columns) { /* warp k adds the k-th value */
        float total = 0;
        for (int w = 0; w < COLUMN_WARPS; w++) {
            total += sums[w][warp][lane];
        }
        partial[((size_t)blockIdx.y * K + warp) * columns + column] = total;
    }
}

/* to[i] += the chunks' sums, in order; scale is applied to the total. */
static __global__ void __launch_bounds__(256)
    columns_total(const float *__restrict__ partial, int chunks, int count, float scale,
                  float *to) {
    RLT_GRID_LOOP(i, count) {
        float total = 0;
        for (int c = 0; c < chunks; c++) {
            total += partial[(size_t)c * count + i];
        }
        to[i] += scale * total;
    }
}

/* to[K][columns] += scale times the sums over rows of value(row, column, v[K]); partial: scratch of
 * columns_partial_floats(rows, K * columns). */
template <int K, class Value>
static void columns_add(rlt_cuda_device *device, Value value, int rows, int columns, float scale,
                        float *partial, float *to) {
    static_assert(K <= COLUMN_WARPS, "a warp adds up one of the values");
    int chunks = columns_chunks(rows);
    dim3 grid((columns + COLUMN_TILE - 1) / COLUMN_TILE, chunks);
    RLT_LAUNCH((columns_part<K, Value>), grid, COLUMN_TILE * COLUMN_WARPS, 0, device->stream, value,
               rows, columns, columns_chunk_rows(rows), partial);
    RLT_LAUNCH(columns_total, rlt_cuda_grid((size_t)K * columns, 256, 1024), 256, 0, device->stream,
               partial, chunks, K * columns, scale, to);
}

/* The entries of a matrix whose rows are `stride` floats apart. */
struct columns_matrix {
    const float *x;
    int stride;
    __device__ void operator()(int row, int column, float *v) const {
        v[0] = x[(size_t)row * stride + column];
    }
};
#endif
