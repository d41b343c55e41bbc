/* nn, private: the distributions of policy heads for one row, in plain float arithmetic: what the
 * plain kernels and the CPU's functions share. Thread: any; no state. */
#ifndef RLT_NN_DIST_H
#define RLT_NN_DIST_H
#include "nn/nn.h"

#include <math.h>

#define RLT_HALF_LOG_2PI 0.9189385332046727f

/* A forbidden logit is one whose mask is 0; mask NULL: all are allowed. */
static inline bool rlt_dist_allowed(const uint8_t *mask, int i) {
    return mask == NULL || mask[i] != 0;
}

/* log_p[n] of the allowed logits, -inf of the others; returns the entropy. */
static inline float rlt_dist_log_softmax(const float *logits, const uint8_t *mask, int n,
                                         float *log_p) {
    float max = 0, sum = 0, entropy = 0;
    bool any = false;
    for (int i = 0; i < n; i++) {
        if (rlt_dist_allowed(mask, i)) {
            max = !any || logits[i] > max ? logits[i] : max;
            any = true;
        }
    }
    RLT_ASSERT(any);
    for (int i = 0; i < n; i++) {
        sum += rlt_dist_allowed(mask, i) ? expf(logits[i] - max) : 0;
    }
    float log_sum = max + logf(sum);
    for (int i = 0; i < n; i++) {
        bool allowed = rlt_dist_allowed(mask, i);
        log_p[i] = allowed ? logits[i] - log_sum : -INFINITY;
        entropy -= allowed ? expf(log_p[i]) * log_p[i] : 0;
    }
    return entropy;
}

/* Inverse of the cumulative distribution at u in [0, 1): the first whose cumulative probability is
 * past u, the last allowed one if rounding leaves none. */
static inline int rlt_dist_pick(const float *log_p, const uint8_t *mask, int n, float u) {
    float sum = 0;
    int last = 0;
    for (int i = 0; i < n; i++) {
        if (rlt_dist_allowed(mask, i)) {
            last = i;
            sum += expf(log_p[i]);
            if (u < sum) {
                break;
            }
        }
    }
    return last;
}

static inline float rlt_dist_bound_squashed(float a) {
    return a < -RLT_SQUASH_MAX ? -RLT_SQUASH_MAX : a > RLT_SQUASH_MAX ? RLT_SQUASH_MAX : a;
}

/* Log-probability of an action row; z[i] = (u - mean) / std, u the action before tanh if squashed:
 * log N(u) - log(1 - tanh(u)^2), the change of variables. */
static inline float rlt_dist_gaussian(const float *action, const float *mean, const float *log_std,
                                      int n, bool squash, float *z) {
    float log_prob = 0;
    for (int i = 0; i < n; i++) {
        float u = action[i];
        if (squash) {
            float a = rlt_dist_bound_squashed(u);
            u = atanhf(a);
            log_prob -= log1pf(a) + log1pf(-a);
        }
        z[i] = (u - mean[i]) / expf(log_std[i]);
        log_prob += -0.5f * z[i] * z[i] - log_std[i] - RLT_HALF_LOG_2PI;
    }
    return log_prob;
}

/* Of what is drawn before any tanh. */
static inline float rlt_dist_gaussian_entropy(const float *log_std, int n) {
    float entropy = 0;
    for (int i = 0; i < n; i++) {
        entropy += log_std[i] + RLT_HALF_LOG_2PI + 0.5f;
    }
    return entropy;
}
#endif
