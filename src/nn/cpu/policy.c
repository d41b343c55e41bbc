/* cpu, policy: the distributions of policy heads, and the loop that their losses share.
 * Thread: any; no state. */
#include "nn/cpu/policy.h"

#include "nn/dist.h"

static void dist_discrete(const rlt_head *policy, const float *head, const uint8_t *mask,
                          const int32_t *action, rlt_cpu_dist *dist) {
    int first = 0;
    dist->log_prob = dist->entropy = 0;
    for (int c = 0; c < rlt_head_components(policy); c++) {
        int count = rlt_head_count(policy, c);
        RLT_ASSERT(action[c] >= 0 && action[c] < count);
        RLT_ASSERT(rlt_dist_allowed(mask, first + action[c]));
        dist->entropies[c] = rlt_dist_log_softmax(
            head + first, rlt_cpu_mask_part(mask, (size_t)first), count, dist->terms + first);
        dist->log_prob += dist->terms[first + action[c]];
        dist->entropy += dist->entropies[c];
        first += count;
    }
}

/* d log p(a) / d logit = 1(a) - p; d entropy / d logit = -p (log p + entropy), both of the logit's
 * component; nothing of a forbidden one. */
static void back_discrete(const rlt_cpu_rows *rows, const rlt_cpu_dist *dist, const uint8_t *mask,
                          const int32_t *action, float d_log_prob, float *d_head) {
    int first = 0;
    for (int c = 0; c < rlt_head_components(&rows->policy); c++) {
        int count = rlt_head_count(&rows->policy, c);
        for (int i = first; i < first + count; i++) {
            float log_p = dist->terms[i], p = expf(log_p), hit = action[c] == i - first ? 1 : 0;
            float d = d_log_prob * (hit - p) - rows->d_entropy * p * (log_p + dist->entropies[c]);
            d_head[i] = rlt_dist_allowed(mask, i) ? d : 0;
        }
        first += count;
    }
}

static void discrete_rows(const rlt_cpu_rows *rows, rlt_cpu_term term, const void *args,
                          double sums[RLT_SUM_COUNT]) {
    size_t width = (size_t)rows->policy.width, words = (size_t)rlt_head_components(&rows->policy);
    for (int r = 0; r < rows->n; r++) {
        rlt_cpu_dist dist;
        const uint8_t *mask = rlt_cpu_mask_part(rows->mask, (size_t)r * width);
        const int32_t *action = (const int32_t *)rows->action + (size_t)r * words;
        dist_discrete(&rows->policy, rows->head + (size_t)r * width, mask, action, &dist);
        float d_log_prob = term(args, r, &dist, sums);
        back_discrete(rows, &dist, mask, action, d_log_prob, rows->d_head + (size_t)r * width);
    }
}

/* d log p / d mean = z / std, d log p / d log_std = z^2 - 1, d entropy / d log_std = 1. */
static void gaussian_rows(const rlt_cpu_rows *rows, rlt_cpu_term term, const void *args,
                          double sums[RLT_SUM_COUNT]) {
    int width = rows->policy.width;
    bool squash = rows->policy.kind == RLT_HEAD_SQUASHED;
    double d_log_std[RLT_ACTIONS_MAX] = {0};
    rlt_cpu_dist dist = {.entropy = rlt_dist_gaussian_entropy(rows->log_std, width)};
    for (int r = 0; r < rows->n; r++) {
        size_t at = (size_t)r * (size_t)width;
        dist.log_prob = rlt_dist_gaussian((const float *)rows->action + at, rows->head + at,
                                          rows->log_std, width, squash, dist.terms);
        float d_log_prob = term(args, r, &dist, sums);
        for (int i = 0; i < width; i++) {
            float z = dist.terms[i];
            rows->d_head[at + (size_t)i] = d_log_prob * z / expf(rows->log_std[i]);
            d_log_std[i] += (double)(d_log_prob * (z * z - 1) + rows->d_entropy);
        }
    }
    for (int i = 0; i < width; i++) {
        rows->d_log_std[i] += (float)d_log_std[i];
    }
}

void rlt_cpu_policy_rows(const rlt_cpu_rows *rows, rlt_cpu_term term, const void *args,
                         double sums[RLT_SUM_COUNT]) {
    RLT_ASSERT(rows->policy.width <= RLT_ACTIONS_MAX);
    RLT_ASSERT(rlt_head_components(&rows->policy) <= RLT_COMPONENTS_MAX);
    (rlt_head_is_gaussian(&rows->policy) ? gaussian_rows : discrete_rows)(rows, term, args, sums);
}
