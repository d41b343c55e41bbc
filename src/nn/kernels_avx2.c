/* The kernels for AVX2 with FMA. Thread: any; no state. */
#include "nn/vec_avx2.h"
#define TABLE rlt_nn_kernels_avx2
#define NAME "avx2"
#include "nn/table_vec.h"
