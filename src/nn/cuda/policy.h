/* nn/cuda, private: the distributions of policy heads on the device: log-probability and entropy of
 * a row, and their gradients, by a group of G lanes. Categorical and multi-categorical heads are
 * the same: components of logits, one after the other; forbidden logits (mask 0) have probability
 * 0. Formulas as the plain kernels of src/nn/kernels_plain.c. Thread: the device's. */
#ifndef RLT_NN_CUDA_POLICY_H
#define RLT_NN_CUDA_POLICY_H
#include "nn/cuda/groups.h"

#define POLICY_HALF_LOG_2PI 0.9189385332046727f

/* Where a row's head, mask and action lie. */
struct policy_row {
    const float *head;
    const uint8_t *mask; /* NULL: all allowed */
    const void *action;
};
static __device__ __forceinline__ policy_row policy_row_of(const rlt_head &head, const float *heads,
                                                           const uint8_t *masks,
                                                           const void *actions, int row) {
    bool continuous = head.kind == RLT_HEAD_GAUSSIAN || head.kind == RLT_HEAD_SQUASHED;
    size_t words = continuous ? head.width : head.components;
    policy_row at;
    at.head = heads + (size_t)row * head.width;
    at.mask = masks == nullptr ? nullptr : masks + (size_t)row * head.width;
    at.action = (const char *)actions + 4 * words * row;
    return at;
}

static __device__ __forceinline__ bool policy_allowed(const uint8_t *mask, int i) {
    return mask == nullptr || mask[i] != 0;
}
static __device__ __forceinline__ int policy_count(const rlt_head &head, int component) {
    return head.counts == nullptr ? head.width : head.counts[component];
}

/* Logarithm of the sum of exp over allowed logits, and the entropy. */
struct policy_softmax {
    float log_sum, entropy;
};
template <int G>
static __device__ __forceinline__ policy_softmax policy_softmax_of(const float *logits,
                                                                   const uint8_t *mask, int count) {
    int lane = threadIdx.x % G;
    float most = -INFINITY, sum = 0, weighted = 0;
    for (int i = lane; i < count; i += G) {
        most = policy_allowed(mask, i) ? fmaxf(most, logits[i]) : most;
    }
    most = group_max<G>(most);
    for (int i = lane; i < count; i += G) {
        if (policy_allowed(mask, i)) {
            float x = logits[i] - most, e = expf(x);
            sum += e;
            weighted += e > 0 ? e * x : 0;
        }
    }
    sum = group_sum<G>(sum);
    weighted = group_sum<G>(weighted);
    float log_sum = logf(sum);
    policy_softmax result = {most + log_sum, log_sum - weighted / sum};
    return result;
}

struct policy_value {
    float log_prob, entropy;
};

/* The lanes run over the logits of one component after the other. */
template <int G>
static __device__ __forceinline__ policy_value policy_discrete(const rlt_head &head,
                                                               const policy_row &at) {
    policy_value value = {0, 0};
    for (int c = 0, first = 0; c < head.components; c++) {
        int count = policy_count(head, c), action = ((const int32_t *)at.action)[c];
        const uint8_t *mask = at.mask == nullptr ? nullptr : at.mask + first;
        policy_softmax softmax = policy_softmax_of<G>(at.head + first, mask, count);
        value.log_prob += at.head[first + action] - softmax.log_sum;
        value.entropy += softmax.entropy;
        first += count;
    }
    return value;
}
/* d_head for d log_prob and d entropy: d log_prob / d logit = hit - p, d entropy / d logit =
 * -p (log p + entropy). */
template <int G>
static __device__ __forceinline__ void
policy_discrete_back(const rlt_head &head, const policy_row &at, float d_log_prob, float d_entropy,
                     bool live, float *d_head) {
    for (int c = 0, first = 0; c < head.components; c++) {
        int count = policy_count(head, c), action = ((const int32_t *)at.action)[c];
        const uint8_t *mask = at.mask == nullptr ? nullptr : at.mask + first;
        policy_softmax softmax = policy_softmax_of<G>(at.head + first, mask, count);
        for (int i = threadIdx.x % G; live && i < count; i += G) {
            float log_p = at.head[first + i] - softmax.log_sum, p = expf(log_p);
            float slope = d_log_prob * ((action == i ? 1.0f : 0.0f) - p) -
                          d_entropy * p * (log_p + softmax.entropy);
            d_head[first + i] = policy_allowed(mask, i) ? slope : 0;
        }
        first += count;
    }
}

/* u of a squashed action a = tanh(u), and log(1 - a^2). */
static __device__ __forceinline__ float policy_unsquash(float action, float *correction) {
    float a = rlt_cuda_bounded(action, -RLT_SQUASH_MAX, RLT_SQUASH_MAX);
    *correction = log1pf(a) + log1pf(-a);
    return atanhf(a);
}
/* (u - mean) / std of one entry, and its part of the log-probability. */
static __device__ __forceinline__ float policy_gaussian_z(const rlt_head &head,
                                                          const policy_row &at,
                                                          const float *log_std, int j,
                                                          float *log_prob) {
    float u = ((const float *)at.action)[j], correction = 0;
    if (head.kind == RLT_HEAD_SQUASHED) {
        u = policy_unsquash(u, &correction);
    }
    float z = (u - at.head[j]) / expf(log_std[j]);
    *log_prob = -0.5f * z * z - log_std[j] - POLICY_HALF_LOG_2PI - correction;
    return z;
}
template <int G>
static __device__ __forceinline__ policy_value policy_gaussian(const rlt_head &head,
                                                               const policy_row &at,
                                                               const float *log_std) {
    policy_value value = {0, 0};
    for (int j = threadIdx.x % G; j < head.width; j += G) {
        float log_prob;
        policy_gaussian_z(head, at, log_std, j, &log_prob);
        value.log_prob += log_prob;
        value.entropy += log_std[j] + POLICY_HALF_LOG_2PI + 0.5f;
    }
    value.log_prob = group_sum<G>(value.log_prob);
    value.entropy = group_sum<G>(value.entropy);
    return value;
}
#endif
