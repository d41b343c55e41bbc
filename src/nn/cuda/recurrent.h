/* nn/cuda, private: what LSTM and GRU share. The input's products are one matrix product for all
 * steps; so are, backward, all products but the one that carries the gradient from step to step.
 * (cuDNN's RNNs have no resets in mid-sequence, and cutting a segment at resets would give another
 * shape, hence another graph, at every update.) What is left is the recurrence, in two forms:
 *   - resident: one kernel for all steps. A block takes S sequences; a thread keeps a column of Wh,
 *     the first KEPT rows in registers, the rest in shared memory, so that a step costs no global
 *     memory but its gates, two barriers and GATES * units^2 * S multiply-adds, half of what the
 *     multiprocessor can issue. For units <= 128 where shared memory is large enough.
 *   - step by step: a matrix product and one fused kernel a step; for wide layers, single steps
 *     (inference), and more sequences than the resident form has multiprocessors for.
 * The resident form computes in float32 whatever the device's precision.
 * Both sum over the units in order; the form depends on the shape alone. Memory bound otherwise:
 * forward reads and writes the gates, writes y and one more plane; 4 (2 GATES + 2) bytes a unit.
 *
 * A Cell is the arithmetic of one unit: GATES, the sums that h takes part in; forward; backward.
 * Planes: gates [rows][GATES units], kept [rows][units] (LSTM: c, GRU: the recurrent sum of n).
 * Thread: the device's. */
#ifndef RLT_NN_CUDA_RECURRENT_H
#define RLT_NN_CUDA_RECURRENT_H
#include "nn/cuda/columns.h"

enum { RECURRENT_UNITS_MAX = 128, RECURRENT_THREADS_MAX = 4 * RECURRENT_UNITS_MAX };

struct recurrent_in {
    int steps, seqs, units, state_stride;
    const float *wh, *bh; /* bh: of the recurrent sums, NULL: none */
    float *gates, *kept;  /* forward: in the input's sums, out the gates; out what is kept */
    float *y, *state_out;
    const uint8_t *reset;
    const float *state;
    bool has_c; /* the state is h, c; else h */
    /* backward */
    const float *dy;
    float *d_input, *d_recurrent; /* [rows][GATES units]: of the input's and of h's sums */
};

/* One unit of one sequence at one step. */
struct recurrent_unit {
    float h_before, c_before; /* zeros after a reset */
    float h, c;
};

static __device__ __forceinline__ bool recurrent_reset(const recurrent_in &in, int t, int n) {
    return in.reset != nullptr && t < in.steps && in.reset[(size_t)t * in.seqs + n] != 0;
}
/* h and c before step t; plane: of h or c. */
static __device__ __forceinline__ float recurrent_before(const recurrent_in &in, const float *plane,
                                                         int t, int n, int u, int offset) {
    if (recurrent_reset(in, t, n)) {
        return 0;
    }
    if (t > 0) {
        return plane[((size_t)(t - 1) * in.seqs + n) * in.units + u];
    }
    return in.state == nullptr ? 0 : in.state[(size_t)n * in.state_stride + offset + u];
}
static __device__ __forceinline__ void recurrent_leave(const recurrent_in &in, int n, int u,
                                                       const recurrent_unit &unit) {
    if (in.state_out != nullptr) {
        float *to = in.state_out + (size_t)n * in.state_stride;
        to[u] = unit.h;
        if (in.has_c) {
            to[in.units + u] = unit.c;
        }
    }
}

/* A column of a matrix, whose products with vectors in shared memory a thread forms: KEPT rows in
 * registers, the rest in shared memory at [row - KEPT][thread]. Rows past the matrix are zeros. */
template <int KEPT> struct recurrent_column {
    float w[KEPT];
    const float *rest;
    int rows; /* a multiple of 4 */

    /* entry k is from[k * stride] for k < count */
    __device__ void load(const float *from, size_t stride, int count, bool live, float *shared) {
        rows = (count + 3) / 4 * 4;
        rest = shared + threadIdx.x;
#pragma unroll
        for (int k = 0; k < KEPT; k++) {
            w[k] = live && k < count ? from[k * stride] : 0;
        }
#pragma unroll 2
        for (int k = KEPT; k < rows; k++) {
            shared[(size_t)(k - KEPT) * blockDim.x + threadIdx.x] =
                live && k < count ? from[k * stride] : 0;
        }
    }
    /* sum[s] = this column times v[s * stride ..]; v is 16-byte aligned, zeros past the rows */
    template <int S> __device__ void times(const float *v, int stride, float *sum) const {
#pragma unroll
        for (int s = 0; s < S; s++) {
            sum[s] = 0;
        }
#pragma unroll
        for (int k = 0; k < KEPT; k += 4) {
            add<S>(w[k], w[k + 1], w[k + 2], w[k + 3], v + k, stride, sum);
        }
#pragma unroll 1
        for (int k = KEPT; k < rows; k += 4) {
            const float *at = rest + (size_t)(k - KEPT) * blockDim.x;
            add<S>(at[0], at[blockDim.x], at[2 * blockDim.x], at[3 * blockDim.x], v + k, stride,
                   sum);
        }
    }
    template <int S>
    static __device__ __forceinline__ void add(float w0, float w1, float w2, float w3,
                                               const float *v, int stride, float *sum) {
#pragma unroll
        for (int s = 0; s < S; s++) {
            float4 four = *reinterpret_cast<const float4 *>(v + s * stride);
            sum[s] = fmaf(w0, four.x, sum[s]);
            sum[s] = fmaf(w1, four.y, sum[s]);
            sum[s] = fmaf(w2, four.z, sum[s]);
            sum[s] = fmaf(w3, four.w, sum[s]);
        }
    }
};

/* The resident form's block and shared memory, in floats: the columns' rest, vectors, sums. */
struct recurrent_shape {
    int threads, vector; /* vector: floats of one vector, padded */
    size_t rest, vectors, sums;
};
template <class Cell, int KEPT, int S>
static recurrent_shape recurrent_shape_of(int units, bool backward) {
    int rows = (units + 3) / 4 * 4, lanes = (Cell::GATES > S ? Cell::GATES : S) * units;
    recurrent_shape shape = {(lanes + RLT_WARP - 1) / RLT_WARP * RLT_WARP,
                             rows > KEPT ? rows : KEPT, 0, 0, 0};
    shape.rest = rows > KEPT ? (size_t)(rows - KEPT) * shape.threads : 0;
    shape.vectors = (size_t)S * (backward ? Cell::GATES : 1) * shape.vector;
    shape.sums = (size_t)S * Cell::GATES * units;
    return shape;
}

template <class Cell, int KEPT, int S>
static __global__ void __launch_bounds__(RECURRENT_THREADS_MAX, 1)
    recurrent_forward(recurrent_in in, recurrent_shape shape) {
    RLT_SHARED(float, rest);
    float *h = rest + shape.rest, *sums = h + shape.vectors;
    const int width = Cell::GATES * in.units, column = threadIdx.x;
    int s = threadIdx.x / in.units, u = threadIdx.x % in.units, n = blockIdx.x * S + s;
    bool live = s < S && n < in.seqs;
    recurrent_column<KEPT> weights;
    weights.load(in.wh + column, width, in.units, column < width, rest);
    float bias = in.bh != nullptr && column < width ? in.bh[column] : 0;
    for (int i = threadIdx.x; i < (int)shape.vectors; i += blockDim.x) {
        h[i] = 0;
    }
    __syncthreads();
    recurrent_unit unit = {};
    if (live) {
        unit.h_before = recurrent_before(in, in.y, 0, n, u, 0);
        unit.c_before = in.has_c ? recurrent_before(in, in.kept, 0, n, u, in.units) : 0;
        h[s * shape.vector + u] = unit.h_before;
    }
    __syncthreads();
    for (int t = 0; t < in.steps; t++) {
        size_t row = (size_t)t * in.seqs + n;
        float *gates = in.gates + row * width + u, input[Cell::GATES], sum[S];
#pragma unroll
        for (int g = 0; g < Cell::GATES; g++) { /* comes while the products are formed */
            input[g] = live ? gates[g * in.units] : 0;
        }
        bool reset = live && recurrent_reset(in, t + 1, n);
        weights.template times<S>(h, shape.vector, sum);
        if (column < width) {
#pragma unroll
            for (int k = 0; k < S; k++) {
                sums[k * width + column] = sum[k] + bias;
            }
        }
        __syncthreads();
        if (live) {
            float kept = Cell::forward(input, sums + s * width + u, in.units, &unit, gates);
            in.kept[row * in.units + u] = kept;
            in.y[row * in.units + u] = unit.h;
            unit.h_before = reset ? 0 : unit.h;
            unit.c_before = reset ? 0 : unit.c;
            h[s * shape.vector + u] = unit.h_before;
        }
        __syncthreads();
    }
    if (live) {
        recurrent_leave(in, n, u, unit);
    }
}

/* What a step back reads, loaded one step ahead. */
template <class Cell> struct recurrent_saved {
    float gates[Cell::GATES], kept, dy;
    recurrent_unit unit;
    __device__ void load(const recurrent_in &in, int t, int n, int u, bool live) {
        *this = recurrent_saved();
        if (live && t >= 0) {
            size_t row = (size_t)t * in.seqs + n;
#pragma unroll
            for (int g = 0; g < Cell::GATES; g++) {
                gates[g] = in.gates[(row * Cell::GATES + g) * in.units + u];
            }
            kept = in.kept[row * in.units + u];
            dy = in.dy[row * in.units + u];
            unit.h_before = Cell::READS_H ? recurrent_before(in, in.y, t, n, u, 0) : 0;
            unit.c_before = in.has_c ? recurrent_before(in, in.kept, t, n, u, in.units) : 0;
        }
    }
};

template <class Cell, int KEPT, int S>
static __global__ void __launch_bounds__(RECURRENT_THREADS_MAX, 1)
    recurrent_backward(recurrent_in in, recurrent_shape shape) {
    RLT_SHARED(float, rest);
    float *d = rest + shape.rest, *sums = d + shape.vectors;
    const int width = Cell::GATES * in.units;
    int s = threadIdx.x / in.units, u = threadIdx.x % in.units, n = blockIdx.x * S + s;
    bool live = s < S && n < in.seqs, multiplies = (int)threadIdx.x < width;
    /* thread (gate, unit) adds up Wh[unit][gate ..] d[gate ..]; s and u are these two as well */
    int gate = multiplies ? s : 0;
    recurrent_column<KEPT> weights;
    weights.load(in.wh + (size_t)u * width + gate * in.units, 1, in.units, multiplies, rest);
    for (int i = threadIdx.x; i < (int)shape.vectors; i += blockDim.x) {
        d[i] = 0;
    }
    __syncthreads();
    recurrent_saved<Cell> saved;
    saved.load(in, in.steps - 1, n, u, live);
    float d_h = 0, d_c = 0;
    for (int t = in.steps - 1; t >= 0; t--) {
        size_t row = (size_t)t * in.seqs + n;
        bool reset = live && recurrent_reset(in, t, n);
        if (live) {
            float to_input[Cell::GATES], to_recurrent[Cell::GATES];
            Cell::backward(saved.gates, saved.kept, saved.unit, saved.dy + d_h, &d_h, &d_c,
                           to_input, to_recurrent);
#pragma unroll
            for (int g = 0; g < Cell::GATES; g++) {
                size_t at = (row * Cell::GATES + g) * in.units + u;
                in.d_input[at] = to_input[g];
                if (Cell::APART) {
                    in.d_recurrent[at] = to_recurrent[g];
                }
                d[(s * Cell::GATES + g) * shape.vector + u] = to_recurrent[g];
            }
        }
        __syncthreads();
        saved.load(in, t - 1, n, u, live);
        float sum[S];
        weights.template times<S>(d + gate * shape.vector, Cell::GATES * shape.vector, sum);
        if (multiplies) {
#pragma unroll
            for (int k = 0; k < S; k++) {
                sums[k * width + threadIdx.x] = sum[k];
            }
        }
        __syncthreads();
        if (live) {
#pragma unroll
            for (int g = 0; g < Cell::GATES; g++) {
                d_h += sums[s * width + g * in.units + u];
            }
            d_h = reset ? 0 : d_h;
            d_c = reset ? 0 : d_c;
        }
    }
}

/* ---- step by step ---- */

/* to[rows][units] = h before step t .. t + steps - 1 of every sequence. */
static __global__ void __launch_bounds__(256)
    recurrent_h_before(recurrent_in in, int first, int steps, float *to) {
    RLT_GRID_LOOP(i, (size_t)steps * in.seqs * in.units) {
        int u = (int)(i % in.units), t = first + (int)(i / in.units / in.seqs);
        to[i] = recurrent_before(in, in.y, t, (int)(i / in.units % in.seqs), u, 0);
    }
}

/* sums[seqs][GATES units]: of h. Leaves h for the next step's product in h_before. */
template <class Cell>
static __global__ void __launch_bounds__(256)
    recurrent_step_forward(recurrent_in in, int t, const float *sums, float *h_before) {
    RLT_GRID_LOOP(i, (size_t)in.seqs * in.units) {
        int n = (int)(i / in.units), u = (int)(i % in.units);
        size_t row = (size_t)t * in.seqs + n;
        float *gates = in.gates + row * Cell::GATES * in.units + u, input[Cell::GATES];
#pragma unroll
        for (int g = 0; g < Cell::GATES; g++) {
            input[g] = gates[(size_t)g * in.units];
        }
        recurrent_unit unit = {};
        unit.h_before = h_before[i];
        unit.c_before = in.has_c ? recurrent_before(in, in.kept, t, n, u, in.units) : 0;
        in.kept[row * in.units + u] = Cell::forward(
            input, sums + (size_t)n * Cell::GATES * in.units + u, in.units, &unit, gates);
        in.y[row * in.units + u] = unit.h;
        h_before[i] = recurrent_reset(in, t + 1, n) ? 0 : unit.h;
        if (t == in.steps - 1) {
            recurrent_leave(in, n, u, unit);
        }
    }
}

/* d_h, d_c[seqs][units]: from the step after; d_h becomes what reaches the step before directly,
 * to which the product adds. */
template <class Cell>
static __global__ void __launch_bounds__(256)
    recurrent_step_backward(recurrent_in in, int t, float *d_h, float *d_c) {
    RLT_GRID_LOOP(i, (size_t)in.seqs * in.units) {
        int n = (int)(i / in.units), u = (int)(i % in.units);
        bool carried = t < in.steps - 1 && !recurrent_reset(in, t + 1, n);
        float carry_h = carried ? d_h[i] : 0, carry_c = carried && in.has_c ? d_c[i] : 0;
        float to_input[Cell::GATES], to_recurrent[Cell::GATES];
        recurrent_saved<Cell> saved;
        saved.load(in, t, n, u, true);
        Cell::backward(saved.gates, saved.kept, saved.unit, saved.dy + carry_h, &carry_h, &carry_c,
                       to_input, to_recurrent);
#pragma unroll
        for (int g = 0; g < Cell::GATES; g++) {
            size_t at = (((size_t)t * in.seqs + n) * Cell::GATES + g) * in.units + u;
            in.d_input[at] = to_input[g];
            if (Cell::APART) {
                in.d_recurrent[at] = to_recurrent[g];
            }
        }
        d_h[i] = carry_h;
        if (in.has_c) {
            d_c[i] = carry_c;
        }
    }
}
#endif
