/* nn/cuda, private: what the operations over sequences share on the host: scratch memory handed out
 * in parts, and plain matrix products. */
#ifndef RLT_NN_CUDA_SCRATCH_H
#define RLT_NN_CUDA_SCRATCH_H
#include "nn/cuda/cuda.h"

/* Parts are 128-byte aligned if the memory is. With no memory it only counts, so that what lays out
 * the memory also tells its size. */
struct scratch_cursor {
    float *base;
    size_t floats;
    float *take(size_t count) {
        float *part = base == nullptr ? nullptr : base + floats;
        floats += (count + 31) / 32 * 32;
        return part;
    }
};

/* c[m][n] = a[m][k] b[k][n] + beta c, dense rows of the given strides. */
static inline rlt_gemm matrix_product(int m, int n, int k, const float *a, int lda, const float *b,
                                      int ldb, float *c, int ldc, float beta) {
    rlt_gemm gemm = {};
    gemm.m = m;
    gemm.n = n;
    gemm.k = k;
    gemm.a = a;
    gemm.b = b;
    gemm.c = c;
    gemm.lda = lda;
    gemm.ldb = ldb;
    gemm.ldc = ldc;
    gemm.beta = beta;
    return gemm;
}
#endif
