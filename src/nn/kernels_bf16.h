/* nn, private: products of bfloat16 matrices with float32 sums, on processors with AVX512_BF16. A
 * matrix is held as pairs of neighbours along the sum, a 32-bit word each (the first in the lower
 * half); an odd end is paired with 0. A word is carried where the kernels of float32 carry a float.
 * Rounding is to nearest, ties to even; what is below 2^-126 counts as 0.
 * Thread: any; no state. */
#ifndef RLT_NN_KERNELS_BF16_H
#define RLT_NN_KERNELS_BF16_H
#include "nn/kernels.h"

typedef struct rlt_nn_bf16_kernels {
    /* As rlt_nn_kernels.product: a and b point to pairs, steps and strides count them; bias, c:
     * float32. */
    void (*product)(const rlt_nn_product *p);
    /* to[n][(k + 1) / 2]: the pairs of each row of x[n][k]: the left side of a product. */
    void (*pack_rows)(const float *x, int x_stride, int n, int k, float *to);
    /* to[(k + 1) / 2][n]: the pairs of rows 2 i and 2 i + 1 of x[k][n]: the right side. */
    void (*pack_pairs)(const float *x, int x_stride, int k, int n, float *to);
} rlt_nn_bf16_kernels;

extern const rlt_nn_bf16_kernels rlt_nn_bf16_plain; /* the definition */
#if defined(__x86_64__)
extern const rlt_nn_bf16_kernels rlt_nn_bf16_avx512;
#endif
/* NULL where the processor has no such unit. */
const rlt_nn_bf16_kernels *rlt_nn_bf16_get(void);
#endif
