/* Private to src/nn/cpu: the product with a transposed matrix that gradients of inputs need, by
 * whichever transposition is the smaller work; the bits are the same. */
#ifndef RLT_CPU_MATRIX_H
#define RLT_CPU_MATRIX_H
#include "nn/cpu/cpu.h"

/* dx[n][in] = (or +=) d[n][out] w[in][out]^T; scratch: floats as told below for n rows or more. */
void rlt_cpu_times_transposed(const float *d, const float *w, int n, int in, int out, bool add,
                              float *dx, float *scratch);
size_t rlt_cpu_times_transposed_scratch(size_t rows, size_t in, size_t out);
/* As the kernels want it: RLT_NN_LINEAR for none. */
int rlt_cpu_act(rlt_act act);
#endif
