/* nn/cuda: bias and activation applied to rows, and back: one pass makes dz = dy * act'(y) and the
 * partial sums of its columns, a second adds these in order. Bound by memory: each element is read
 * and written once. Thread: the device's. */
#include "nn/cuda/cuda.h"

enum { TILE = 32, LINES = 8, PARTS_MAX = 512, ROWS_A_PART = 64 };

static __global__ void bias_act(size_t count, int columns, const float *__restrict__ bias, int act,
                                float *__restrict__ y, float *__restrict__ z) {
    RLT_GRID_LOOP(i, count) {
        float sum = bias == nullptr ? y[i] : y[i] + bias[i % (size_t)columns];
        if (z != nullptr) {
            z[i] = sum;
        }
        y[i] = rlt_cuda_act(act, sum);
    }
}

void rlt_cuda_bias_act(rlt_cuda_device *device, size_t rows, int columns, const float *bias,
                       rlt_act act, float *y, float *z) {
    size_t count = rows * (size_t)columns;
    if (count > 0 && (bias != nullptr || act != RLT_ACT_NONE || z != nullptr)) {
        RLT_LAUNCH(bias_act, rlt_cuda_grid(count, 256), 256, 0, device->stream, count, columns,
                   bias, (int)act, y, z);
    }
}

/* Rows are cut into parts of equal length, by their number alone, so that sums have one order. */
static unsigned parts_of(size_t rows) {
    return rlt_cuda_grid(rows, ROWS_A_PART, PARTS_MAX);
}

size_t rlt_cuda_columns_floats(size_t rows, int columns) {
    return parts_of(rows) * (size_t)columns;
}

/* Block (c, p): columns 32 c .. of part p; thread (x, y): column x, every 8th row. */
static __global__ void act_columns(size_t rows, int columns, int act, const float *__restrict__ dy,
                                   const float *__restrict__ y, const float *__restrict__ z,
                                   float *dz, float *__restrict__ partial) {
    __shared__ float sums[LINES][TILE];
    int column = (int)(blockIdx.x * TILE + threadIdx.x);
    size_t length = (rows + gridDim.y - 1) / gridDim.y, first = blockIdx.y * length;
    size_t end = first + length < rows ? first + length : rows;
    float sum = 0.0f;
    for (size_t row = first + threadIdx.y; column < columns && row < end; row += LINES) {
        size_t at = row * (size_t)columns + (size_t)column;
        float d = dy[at];
        if (act != RLT_ACT_NONE) {
            d *= rlt_cuda_slope(act, y[at], act == RLT_ACT_SILU ? z[at] : 0.0f);
        }
        if (dz != nullptr) {
            dz[at] = d;
        }
        sum += d;
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < columns && partial != nullptr) {
        for (int line = 1; line < LINES; line++) {
            sum += sums[line][threadIdx.x];
        }
        partial[blockIdx.y * (size_t)columns + (size_t)column] = sum;
    }
}

/* to[column] += the parts of each column, in order. */
static __global__ void add_parts(int parts, int columns, const float *__restrict__ partial,
                                 float *__restrict__ to) {
    __shared__ double sums[LINES][TILE];
    int column = (int)(blockIdx.x * TILE + threadIdx.x);
    double sum = 0.0;
    for (int part = (int)threadIdx.y; column < columns && part < parts; part += LINES) {
        sum += partial[(size_t)part * (size_t)columns + (size_t)column];
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < columns) {
        for (int line = 1; line < LINES; line++) {
            sum += sums[line][threadIdx.x];
        }
        to[column] += (float)sum;
    }
}

void rlt_cuda_act_backward(rlt_cuda_device *device, size_t rows, int columns, rlt_act act,
                           const float *dy, const float *y, const float *z, float *dz,
                           float *bias_grad, float *partial) {
    if (rows == 0 || columns == 0) {
        return;
    }
    unsigned parts = parts_of(rows), tiles = (unsigned)(columns + TILE - 1) / TILE;
    RLT_LAUNCH(act_columns, dim3(tiles, parts), dim3(TILE, LINES), 0, device->stream, rows, columns,
               (int)act, dy, y, z, dz, bias_grad == nullptr ? nullptr : partial);
    if (bias_grad != nullptr) {
        RLT_LAUNCH(add_parts, tiles, dim3(TILE, LINES), 0, device->stream, (int)parts, columns,
                   partial, bias_grad);
    }
}
