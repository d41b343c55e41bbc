/* Loops without dependencies between entries, left to the compiler to vectorise for the unit that
 * the including file is compiled for; the plain form is the same file compiled for any processor.
 */
#ifndef RLT_LOOPS_H
#define RLT_LOOPS_H
#include "nn/kernels.h"

#include <math.h>
#include <string.h>

/* Backwards in time, the environments side by side. The trace of the next step is carried in the
 * row of `advantage` that has just been written. */
static void gae_loop(const rlt_gae_in *in, float *restrict advantage, float *restrict ret) {
    int n = in->envs;
    float gamma = in->gamma, decay = in->gamma * in->lambda;
    for (int t = in->horizon - 1; t >= 0; t--) {
        size_t row = (size_t)t * (size_t)n;
        const float *restrict reward = in->reward + row, *restrict value = in->value + row;
        const float *restrict next_value = value + n, *restrict final = in->final_value + row;
        const uint8_t *restrict terminated = in->terminated + row;
        const uint8_t *restrict truncated = in->truncated + row;
        const float *after = t + 1 < in->horizon ? advantage + row + n : NULL;
        for (int e = 0; e < n; e++) {
            float next = terminated[e] ? 0 : truncated[e] ? final[e] : next_value[e];
            float trace = after == NULL || terminated[e] || truncated[e] ? 0 : after[e];
            float a = reward[e] + gamma * next - value[e] + decay * trace;
            advantage[row + (size_t)e] = a;
            ret[row + (size_t)e] = a + value[e];
        }
    }
}

static void pool_max_loop(const float *restrict x, int n, float *restrict y) {
    for (int c = 0; c < n; c++) {
        y[c] = x[c] > y[c] || x[c] != x[c] ? x[c] : y[c];
    }
}

static void pool_grad_loop(const float *restrict x, const float *restrict y,
                           const float *restrict dy, int n, float *restrict taken,
                           float *restrict dx) {
    for (int c = 0; c < n; c++) {
        float hit = x[c] == y[c] || x[c] != x[c] ? 1 - taken[c] : 0;
        dx[c] += hit != 0 ? dy[c] : 0;
        taken[c] += hit;
    }
}

static void add_loop(float *restrict sum, const float *restrict part, size_t n) {
    for (size_t i = 0; i < n; i++) {
        sum[i] += part[i];
    }
}

/* In double, sixteen partial sums whatever the unit. */
static double sum_squares_loop(const float *x, size_t n) {
    enum { PARTS = 16 };
    double parts[PARTS] = {0}, sum = 0;
    size_t i = 0;
    for (; i + PARTS <= n; i += PARTS) {
        for (size_t k = 0; k < PARTS; k++) {
            parts[k] += (double)x[i + k] * (double)x[i + k];
        }
    }
    for (size_t k = 0; i < n; i++, k++) {
        parts[k] += (double)x[i] * (double)x[i];
    }
    for (size_t k = 0; k < PARTS; k++) {
        sum += parts[k];
    }
    return sum;
}

static void adam_loop(const rlt_optimiser_spec *spec, const rlt_optimiser_rates *rates,
                      float *restrict params, const float *restrict grad, float *restrict m,
                      float *restrict v, size_t n) {
    const rlt_optimiser_rates r = *rates;
    float beta1 = spec->beta1, beta2 = spec->beta2, eps = spec->eps;
    for (size_t i = 0; i < n; i++) {
        float g = grad[i] * r.grad_scale + r.coupled_decay * params[i];
        m[i] = beta1 * m[i] + (1 - beta1) * g;
        v[i] = beta2 * v[i] + (1 - beta2) * g * g;
        params[i] = r.keep * params[i] - r.rate * m[i] / (sqrtf(v[i]) * r.root + eps);
    }
}

static void sgd_loop(const rlt_optimiser_spec *spec, const rlt_optimiser_rates *rates,
                     float *restrict params, const float *restrict grad, float *restrict momentum,
                     size_t n) {
    const rlt_optimiser_rates r = *rates;
    for (size_t i = 0; i < n; i++) {
        float g = grad[i] * r.grad_scale + r.coupled_decay * params[i];
        momentum[i] = spec->momentum * momentum[i] + g;
        params[i] -= r.lr * momentum[i];
    }
}

static void rmsprop_loop(const rlt_optimiser_spec *spec, const rlt_optimiser_rates *rates,
                         float *restrict params, const float *restrict grad,
                         float *restrict momentum, float *restrict v, size_t n) {
    const rlt_optimiser_rates r = *rates;
    float alpha = spec->alpha, eps = spec->eps, keep = spec->momentum;
    for (size_t i = 0; i < n; i++) {
        float g = grad[i] * r.grad_scale + r.coupled_decay * params[i];
        v[i] = alpha * v[i] + (1 - alpha) * g * g;
        momentum[i] = keep * momentum[i] + g / (sqrtf(v[i]) + eps);
        params[i] -= r.lr * momentum[i];
    }
}
#endif
