/* cpu, matrix: products with a transposed matrix. Thread: any; no state. */
#include "nn/cpu/matrix.h"
#include "nn/kernels.h"

int rlt_cpu_act(rlt_act act) {
    return act == RLT_ACT_NONE ? RLT_NN_LINEAR : (int)act;
}

/* Whether moving d and dx is less than moving w. */
static bool moves_rows(size_t rows, size_t in, size_t out) {
    return rows * (in + out) < in * out && rows >= 16;
}

size_t rlt_cpu_times_transposed_scratch(size_t rows, size_t in, size_t out) {
    size_t matrix = in * out, moved = rows * (in + out);
    return matrix < moved || moves_rows(rows, in, out) ? (matrix > moved ? matrix : moved) : matrix;
}

/* dx^T = w d^T: w is read as it lies. */
static void by_rows(const float *d, const float *w, int n, int in, int out, bool add, float *dx,
                    float *scratch) {
    const rlt_nn_kernels *kernels = rlt_nn_kernels_get();
    float *d_columns = scratch, *dx_columns = scratch + (size_t)n * (size_t)out;
    kernels->transpose(d, 0, n, out, d_columns, n);
    rlt_nn_product p = {.m = in,
                        .n = n,
                        .steps = out,
                        .a = w,
                        .a_row = out,
                        .a_step = 1,
                        .b = d_columns,
                        .b_stride = n,
                        .c = dx_columns,
                        .c_stride = n};
    kernels->product(&p);
    if (!add) {
        kernels->transpose(dx_columns, 0, in, n, dx, in);
        return;
    }
    for (int k = 0; k < in; k++) {
        for (int r = 0; r < n; r++) {
            dx[(size_t)r * (size_t)in + (size_t)k] += dx_columns[(size_t)k * (size_t)n + (size_t)r];
        }
    }
}

void rlt_cpu_times_transposed(const float *d, const float *w, int n, int in, int out, bool add,
                              float *dx, float *scratch) {
    if (moves_rows((size_t)n, (size_t)in, (size_t)out)) {
        by_rows(d, w, n, in, out, add, dx, scratch);
        return;
    }
    const rlt_nn_kernels *kernels = rlt_nn_kernels_get();
    kernels->transpose(w, 0, in, out, scratch, in);
    rlt_nn_product p = {.m = n,
                        .n = in,
                        .steps = out,
                        .a = d,
                        .a_row = out,
                        .a_step = 1,
                        .b = scratch,
                        .b_stride = in,
                        .c = dx,
                        .c_stride = in,
                        .add = add};
    kernels->product(&p);
}
