/* optim: clipping by the global norm and the optimisers, formulas as torch.optim's documentation
 * gives them. Thread: any; disjoint ranges of one buffer may be stepped in parallel. */
#include "nn/nn_impl.h"

#include <math.h>

float rlt_grad_clip(float *grad, size_t n, float norm_max) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)grad[i] * (double)grad[i];
    }
    float norm = (float)sqrt(sum);
    float scale = norm_max / (norm + 1e-6f); /* as torch.nn.utils.clip_grad_norm_ */
    for (size_t i = 0; scale < 1 && i < n; i++) {
        grad[i] *= scale;
    }
    return norm;
}

static void adam(const rlt_optimiser_spec *spec, float *restrict params, const float *restrict grad,
                 float *restrict m, float *restrict v, size_t n, float lr, float grad_scale,
                 int64_t step) {
    float rate = (float)((double)lr / (1 - pow((double)spec->beta1, (double)step)));
    float root = (float)(1 / sqrt(1 - pow((double)spec->beta2, (double)step)));
    float coupled = spec->kind == RLT_OPT_ADAM ? spec->weight_decay : 0;
    float keep = spec->kind == RLT_OPT_ADAMW ? 1 - lr * spec->weight_decay : 1;
    float beta1 = spec->beta1, beta2 = spec->beta2, eps = spec->eps;
    for (size_t i = 0; i < n; i++) {
        float g = grad[i] * grad_scale + coupled * params[i];
        m[i] = beta1 * m[i] + (1 - beta1) * g;
        v[i] = beta2 * v[i] + (1 - beta2) * g * g;
        params[i] = keep * params[i] - rate * m[i] / (sqrtf(v[i]) * root + eps);
    }
}

static void sgd(const rlt_optimiser_spec *spec, float *restrict params, const float *restrict grad,
                float *restrict momentum, size_t n, float lr, float grad_scale) {
    for (size_t i = 0; i < n; i++) {
        float g = grad[i] * grad_scale + spec->weight_decay * params[i];
        momentum[i] = spec->momentum * momentum[i] + g;
        params[i] -= lr * momentum[i];
    }
}

static void rmsprop(const rlt_optimiser_spec *spec, float *restrict params,
                    const float *restrict grad, float *restrict momentum, float *restrict v,
                    size_t n, float lr, float grad_scale) {
    for (size_t i = 0; i < n; i++) {
        float g = grad[i] * grad_scale + spec->weight_decay * params[i];
        v[i] = spec->alpha * v[i] + (1 - spec->alpha) * g * g;
        momentum[i] = spec->momentum * momentum[i] + g / (sqrtf(v[i]) + spec->eps);
        params[i] -= lr * momentum[i];
    }
}

void rlt_optimiser_step(const rlt_optimiser_spec *spec, float *params, const float *grad, float *m,
                        float *v, size_t n, float lr, float grad_scale, int64_t step) {
    switch (spec->kind) {
    case RLT_OPT_ADAM:
    case RLT_OPT_ADAMW:
        adam(spec, params, grad, m, v, n, lr, grad_scale, step);
        break;
    case RLT_OPT_SGD:
        sgd(spec, params, grad, m, n, lr, grad_scale);
        break;
    case RLT_OPT_RMSPROP:
        rmsprop(spec, params, grad, m, v, n, lr, grad_scale);
        break;
    }
}

void rlt_adam_step(float *params, const float *grad, float *m, float *v, size_t n, float lr,
                   float beta1, float beta2, float eps, int64_t step) {
    rlt_optimiser_spec spec = {.kind = RLT_OPT_ADAM, .beta1 = beta1, .beta2 = beta2, .eps = eps};
    rlt_optimiser_step(&spec, params, grad, m, v, n, lr, 1.0f, step);
}
