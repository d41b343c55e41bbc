/* tuner: loops of a Gaussian process for AVX-512. Thread: pure functions. */
#include "tuner/samplers/gp_lanes.h"
#ifdef RLT_GP_VECTOR_FORMS
#define RLT_LANES 8
#define RLT_GP_FORM rlt_gp_avx512
#include "tuner/samplers/gp_vec.h"
#endif
