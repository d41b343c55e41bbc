/* nn, private: policy heads on the CPU, row by row: log-probability, entropy, their gradients, and
 * the loop that the losses of policies share. Thread: any; no state. */
#ifndef RLT_NN_CPU_POLICY_H
#define RLT_NN_CPU_POLICY_H
#include "nn/fns.h"
#include "nn/kernels.h"

typedef struct rlt_cpu_dist { /* of one row and its action */
    float log_prob, entropy;
    float terms[RLT_ACTIONS_MAX]; /* log p of each logit; Gaussian: (u - mean) / std, see dist.h */
    float entropies[RLT_COMPONENTS_MAX]; /* of each component */
} rlt_cpu_dist;

typedef struct rlt_cpu_rows { /* as the arguments of a loss */
    rlt_head policy;
    int n;
    const float *head, *log_std;
    const void *action;
    const uint8_t *mask;
    float d_entropy;  /* d loss / d entropy of a row */
    float *d_head;    /* written */
    float *d_log_std; /* added to */
} rlt_cpu_rows;

/* A row's terms: adds them to the sums and returns d loss / d log_prob. */
typedef float (*rlt_cpu_term)(const void *args, int row, const rlt_cpu_dist *dist,
                              double sums[RLT_SUM_COUNT]);
void rlt_cpu_policy_rows(const rlt_cpu_rows *rows, rlt_cpu_term term, const void *args,
                         double sums[RLT_SUM_COUNT]);

static inline bool rlt_head_is_gaussian(const rlt_head *policy) {
    return policy->kind == RLT_HEAD_GAUSSIAN || policy->kind == RLT_HEAD_SQUASHED;
}
/* Logits of component c. */
static inline int rlt_head_count(const rlt_head *policy, int c) {
    return policy->kind == RLT_HEAD_MULTI ? policy->counts[c] : policy->width;
}
static inline int rlt_head_components(const rlt_head *policy) {
    return policy->kind == RLT_HEAD_MULTI ? policy->components : 1;
}

static inline const uint8_t *rlt_cpu_mask_part(const uint8_t *mask, size_t first) {
    return mask == NULL ? NULL : mask + first;
}

/* The policy's part of the PPO loss and its gradient, and a draw: the vector kernels where they
 * serve (one component, no mask; Gaussian), else row by row. */
void rlt_cpu_ppo_policy(const rlt_head *policy, const uint8_t *mask, const rlt_policy_rows *rows,
                        rlt_ppo_stats *stats);
void rlt_cpu_draw(const rlt_head *policy, const uint8_t *mask, const rlt_sample_rows *rows);
/* The most likely allowed action of each row, of equals the first; action int32[n][components]. */
void rlt_cpu_mode(const rlt_head *policy, const uint8_t *mask, const float *head, int n,
                  int32_t *action);
#endif
