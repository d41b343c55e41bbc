/* tuner: loops of a Gaussian process for any processor. Thread: pure functions. */
#define RLT_LANES 2
#define RLT_GP_FORM rlt_gp_plain
#include "tuner/samplers/gp_vec.h"
