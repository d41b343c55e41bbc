/* The kernels for AVX-512 (F, BW, DQ, VL). Thread: any; no state. */
#define RLT_TILE_VECS_4
#include "nn/vec_avx512.h"
#define TABLE rlt_nn_kernels_avx512
#define NAME "avx512"
#include "nn/table_vec.h"
