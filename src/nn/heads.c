/* heads: the action distributions; sampling by the counter-based generator. Thread: any. */
#include "nn/nn_impl.h"

#include <math.h>

static const float half_log_2pi = 0.9189385332046727f;

void rlt_nn_log_softmax(const float *logits, int n, float *log_p) {
    float max = logits[0], sum = 0;
    for (int i = 1; i < n; i++) {
        max = logits[i] > max ? logits[i] : max;
    }
    for (int i = 0; i < n; i++) {
        sum += expf(logits[i] - max);
    }
    float log_sum = max + logf(sum);
    for (int i = 0; i < n; i++) {
        log_p[i] = logits[i] - log_sum;
    }
}

/* Inverse of the cumulative distribution at u in [0, 1). */
static int categorical(const float *log_p, int n, float u) {
    float sum = 0;
    for (int i = 0; i < n - 1; i++) {
        sum += expf(log_p[i]);
        if (u < sum) {
            return i;
        }
    }
    return n - 1;
}

static float gaussian(const float *mean, const float *log_std, int n, rlt_rng *rng, float *action) {
    float log_prob = 0;
    for (int i = 0; i < n; i++) {
        float z = (float)rlt_rng_normal(rng);
        action[i] = mean[i] + expf(log_std[i]) * z;
        log_prob += -0.5f * z * z - log_std[i] - half_log_2pi;
    }
    return log_prob;
}

void rlt_policy_sample(const rlt_policy_spec *spec, const float *params, const float *head, int n,
                       uint64_t seed, uint32_t first_env, uint64_t step, void *action,
                       float *log_prob) {
    int dim = spec->action_dim;
    for (int r = 0; r < n; r++) {
        const float *row = head + (size_t)r * (size_t)dim;
        rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_ACTION, first_env + (uint32_t)r);
        /* room for four words a dimension, so that steps never share a draw */
        rng.index = step * 4 * (uint64_t)(spec->discrete ? 1 : dim);
        if (spec->discrete) {
            float log_p[RLT_ACTIONS_MAX];
            rlt_nn_log_softmax(row, dim, log_p);
            int a = categorical(log_p, dim, rlt_rng_f32(&rng));
            ((int32_t *)action)[r] = a;
            log_prob[r] = log_p[a];
        } else {
            log_prob[r] = gaussian(row, params + rlt_nn_log_std_offset(spec), dim, &rng,
                                   (float *)action + (size_t)r * (size_t)dim);
        }
    }
}

void rlt_policy_mode(const rlt_policy_spec *spec, const float *head, int n, void *action) {
    int dim = spec->action_dim;
    for (int r = 0; r < n; r++) {
        int best = 0;
        for (int i = 0; i < dim; i++) {
            float x = head[(size_t)r * (size_t)dim + (size_t)i];
            best = x > head[(size_t)r * (size_t)dim + (size_t)best] ? i : best;
            if (!spec->discrete) {
                ((float *)action)[(size_t)r * (size_t)dim + (size_t)i] = x;
            }
        }
        if (spec->discrete) {
            ((int32_t *)action)[r] = best;
        }
    }
}
