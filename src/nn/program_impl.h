/* Private to src/nn: sizes of operations, and orthogonal matrices. */
#ifndef RLT_PROGRAM_IMPL_H
#define RLT_PROGRAM_IMPL_H
#include "nn/ops.h"

int64_t rlt_op_param_count(const rlt_op *op);
int64_t rlt_op_state_floats(const rlt_op *op); /* of one sequence */
/* w[in][out]: rows of the smaller side orthonormal, times gain (Saxe et al. 2013). */
void rlt_nn_orthogonal(float *w, int in, int out, double gain, rlt_rng *rng);
#endif
