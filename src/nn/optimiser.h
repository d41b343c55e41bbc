/* nn, optimiser: sums and norms of gradients, and the steps that parameters take, on the CPU.
 * Thread: any; no state. */
#ifndef RLT_NN_OPTIMISER_H
#define RLT_NN_OPTIMISER_H
#include "core/core.h"

/* sum[n] += part[n]; the sum of squares of grad[n]. */
void rlt_grad_add(float *sum, const float *part, size_t n);
double rlt_grad_squares(const float *grad, size_t n);
/* Scales grad[n] to a norm of at most norm_max; returns the norm before. */
float rlt_grad_clip(float *grad, size_t n, float norm_max);
typedef enum { RLT_OPT_ADAM, RLT_OPT_ADAMW, RLT_OPT_SGD, RLT_OPT_RMSPROP } rlt_opt_kind;
typedef struct rlt_optimiser_spec { /* as torch.optim.{Adam,AdamW,SGD,RMSprop} */
    rlt_opt_kind kind;
    float beta1, beta2, eps, weight_decay, momentum, alpha;
} rlt_optimiser_spec;
/* One step of params[n] with grad * grad_scale; step counts from 1. The state m[n], v[n] starts at
 * 0: first and second moments (Adam, AdamW); momentum and nothing (SGD); momentum and mean square
 * (RMSprop). Dampening 0, not centred, no Nesterov, no amsgrad. */
void rlt_optimiser_step(const rlt_optimiser_spec *spec, float *params, const float *grad, float *m,
                        float *v, size_t n, float lr, float grad_scale, int64_t step);
#endif
