/* optim: clipping by the global norm and the optimisers, formulas as torch.optim's documentation
 * gives them. Thread: any; disjoint ranges of one buffer may be stepped in parallel. */
#include "nn/nn_impl.h"

#include <math.h>

void rlt_grad_add(float *sum, const float *part, size_t n) {
    rlt_nn_kernels_get()->add(sum, part, n);
}

double rlt_grad_squares(const float *grad, size_t n) {
    return rlt_nn_kernels_get()->sum_squares(grad, n);
}

float rlt_grad_clip(float *grad, size_t n, float norm_max) {
    float norm = (float)sqrt(rlt_grad_squares(grad, n));
    float scale = norm_max / (norm + 1e-6f); /* as torch.nn.utils.clip_grad_norm_ */
    for (size_t i = 0; scale < 1 && i < n; i++) {
        grad[i] *= scale;
    }
    return norm;
}

void rlt_optimiser_step(const rlt_optimiser_spec *spec, float *params, const float *grad, float *m,
                        float *v, size_t n, float lr, float grad_scale, int64_t step) {
    const rlt_nn_kernels *kernels = rlt_nn_kernels_get();
    bool decoupled = spec->kind == RLT_OPT_ADAMW;
    rlt_optimiser_rates rates = {
        .lr = lr,
        .grad_scale = grad_scale,
        .rate = (float)((double)lr / (1 - pow((double)spec->beta1, (double)step))),
        .root = (float)(1 / sqrt(1 - pow((double)spec->beta2, (double)step))),
        .coupled_decay = decoupled ? 0 : spec->weight_decay,
        .keep = decoupled ? 1 - lr * spec->weight_decay : 1,
    };
    switch (spec->kind) {
    case RLT_OPT_ADAM:
    case RLT_OPT_ADAMW:
        kernels->adam(spec, &rates, params, grad, m, v, n);
        break;
    case RLT_OPT_SGD:
        kernels->sgd(spec, &rates, params, grad, m, n);
        break;
    case RLT_OPT_RMSPROP:
        kernels->rmsprop(spec, &rates, params, grad, m, v, n);
        break;
    }
}
