/* cpu, loss_policy: the losses of a policy's head: PPO, policy gradient, behaviour cloning,
 * distillation. Thread: any; no state. */
#include "nn/cpu/cpu.h"
#include "nn/cpu/policy.h"
#include "nn/dist.h"

#include <string.h>

/* -min(ratio A, clip(ratio) A) (Schulman et al. 2017, equation 7). */
static float ppo_term(const void *args, int r, const rlt_cpu_dist *dist,
                      double sums[RLT_SUM_COUNT]) {
    const rlt_policy_rows *rows = args;
    float log_ratio = dist->log_prob - rows->old_log_prob[r], ratio = expf(log_ratio);
    float low = 1 - rows->clip, high = 1 + rows->clip;
    float bounded = ratio < low ? low : ratio > high ? high : ratio;
    float plain = -rows->advantage[r] * ratio, clipped = -rows->advantage[r] * bounded;
    /* where the clipped term is the larger one, its ratio is constant: no gradient */
    bool flat = plain < clipped;
    sums[RLT_SUM_POLICY] += (double)(flat ? clipped : plain);
    sums[RLT_SUM_ENTROPY] += (double)dist->entropy;
    sums[RLT_SUM_KL] += (double)(ratio - 1 - log_ratio); /* Schulman's low-variance estimate */
    sums[RLT_SUM_CLIPPED] += fabsf(ratio - 1) > rows->clip;
    return flat ? 0 : plain * rows->scale;
}

void rlt_cpu_ppo_policy(const rlt_head *policy, const uint8_t *mask, const rlt_policy_rows *rows,
                        rlt_ppo_stats *stats) {
    const rlt_nn_kernels *kernels = rlt_nn_kernels_get();
    if (rlt_head_is_gaussian(policy)) {
        kernels->gaussian_loss(rows, stats);
    } else if (mask == NULL && rlt_head_components(policy) == 1) {
        kernels->categorical_loss(rows, stats);
    } else {
        rlt_cpu_rows all = {.policy = *policy,
                            .n = rows->n,
                            .head = rows->head,
                            .action = rows->action,
                            .mask = mask,
                            .d_entropy = -rows->ent_coef * rows->scale,
                            .d_head = rows->d_head};
        double sums[RLT_SUM_COUNT] = {0};
        rlt_cpu_policy_rows(&all, ppo_term, rows, sums);
        stats->policy_loss += sums[RLT_SUM_POLICY];
        stats->entropy += sums[RLT_SUM_ENTROPY];
        stats->approx_kl += sums[RLT_SUM_KL];
        stats->clipped += sums[RLT_SUM_CLIPPED];
    }
}

/* Rows at .. at + n - 1 of the loss. */
static void ppo_block(const rlt_ppo_loss_args *a, int at, int n, rlt_ppo_stats *stats) {
    size_t width = (size_t)a->policy.width, first = (size_t)at * width;
    size_t words =
        rlt_head_is_gaussian(&a->policy) ? width : (size_t)rlt_head_components(&a->policy);
    rlt_ppo_coef coef = a->coef;
    coef.clip = a->update->clip;
    rlt_policy_rows rows = {.n = n,
                            .action_dim = a->policy.width,
                            .squash = a->policy.kind == RLT_HEAD_SQUASHED,
                            .head = a->head + first,
                            .log_std = a->log_std,
                            .action = (const char *)a->action + 4 * words * (size_t)at,
                            .old_log_prob = a->old_log_prob + at,
                            .advantage = a->advantage + at,
                            .clip = coef.clip,
                            .ent_coef = coef.ent_coef,
                            .scale = 1.0f / (float)a->n,
                            .d_head = a->d_head + first,
                            .d_log_std = a->d_log_std};
    rlt_cpu_ppo_policy(&a->policy, rlt_cpu_mask_part(a->mask, first), &rows, stats);
    const float *old = a->old_value == NULL ? NULL : a->old_value + at;
    rlt_nn_kernels_get()->value_loss(a->value + at, old, a->ret + at, n, &coef, rows.scale,
                                     a->d_value + at, stats);
}

void rlt_cpu_ppo_loss(rlt_device *device, const rlt_ppo_loss_args *a) {
    (void)device;
    rlt_ppo_stats stats = {0};
    for (int at = 0; at < a->n; at += RLT_FN_BLOCK) {
        ppo_block(a, at, a->n - at < RLT_FN_BLOCK ? a->n - at : RLT_FN_BLOCK, &stats);
    }
    double *sums = a->update->current;
    sums[RLT_SUM_POLICY] = stats.policy_loss;
    sums[RLT_SUM_VALUE] = stats.value_loss;
    sums[RLT_SUM_ENTROPY] = stats.entropy;
    sums[RLT_SUM_KL] = stats.approx_kl;
    sums[RLT_SUM_CLIPPED] = stats.clipped;
}

/* -A log pi (Espeholt et al. 2018, section 4.2). */
static float pg_term(const void *args, int r, const rlt_cpu_dist *dist,
                     double sums[RLT_SUM_COUNT]) {
    const rlt_pg_loss_args *a = args;
    sums[RLT_SUM_POLICY] -= (double)(a->advantage[r] * dist->log_prob);
    sums[RLT_SUM_ENTROPY] += (double)dist->entropy;
    return -a->advantage[r] / (float)a->n;
}

void rlt_cpu_pg_loss(rlt_device *device, const rlt_pg_loss_args *a) {
    (void)device;
    rlt_cpu_rows rows = {
        a->policy, a->n,        a->head, a->log_std, a->action, a->mask, -a->ent_coef / (float)a->n,
        a->d_head, a->d_log_std};
    rlt_ppo_coef coef = {.vf_coef = a->vf_coef};
    double sums[RLT_SUM_COUNT] = {0};
    rlt_cpu_policy_rows(&rows, pg_term, a, sums);
    for (int at = 0; at < a->n; at += RLT_FN_BLOCK) {
        rlt_ppo_stats stats = {0};
        int n = a->n - at < RLT_FN_BLOCK ? a->n - at : RLT_FN_BLOCK;
        rlt_nn_kernels_get()->value_loss(a->value + at, NULL, a->target + at, n, &coef,
                                         1.0f / (float)a->n, a->d_value + at, &stats);
        sums[RLT_SUM_VALUE] += stats.value_loss;
    }
    memcpy(a->update->current, sums, sizeof sums);
}

static float bc_term(const void *args, int r, const rlt_cpu_dist *dist,
                     double sums[RLT_SUM_COUNT]) {
    (void)r;
    sums[RLT_SUM_POLICY] -= (double)dist->log_prob;
    sums[RLT_SUM_ENTROPY] += (double)dist->entropy;
    return -1.0f / (float)((const rlt_bc_loss_args *)args)->n;
}

void rlt_cpu_bc_loss(rlt_device *device, const rlt_bc_loss_args *a) {
    (void)device;
    rlt_cpu_rows rows = {
        a->policy, a->n,        a->head, a->log_std, a->action, a->mask, -a->ent_coef / (float)a->n,
        a->d_head, a->d_log_std};
    double sums[RLT_SUM_COUNT] = {0};
    rlt_cpu_policy_rows(&rows, bc_term, a, sums);
    memcpy(a->update->current, sums, sizeof sums);
}

/* log p[n] of logits / temperature. Distillation: Hinton et al. 2015; of policies Rusu et al. 2016.
 */
static void tempered(const float *logits, const uint8_t *mask, int n, float temperature,
                     float *log_p) {
    float over[RLT_ACTIONS_MAX] = {0};
    for (int i = 0; i < n; i++) {
        over[i] = logits[i] / temperature;
    }
    rlt_dist_log_softmax(over, mask, n, log_p);
}

/* T^2 KL of one component; d[n] = T (p_student - p_teacher) / rows. */
static float distill_component(const rlt_distill_loss_args *a, size_t at, const uint8_t *mask,
                               int n) {
    float student[RLT_ACTIONS_MAX], teacher[RLT_ACTIONS_MAX], kl = 0, t = a->temperature;
    tempered(a->head + at, mask, n, t, student);
    tempered(a->teacher_head + at, mask, n, t, teacher);
    for (int i = 0; i < n; i++) {
        float p = expf(teacher[i]);
        bool allowed = rlt_dist_allowed(mask, i);
        kl += allowed ? p * (teacher[i] - student[i]) : 0;
        a->d_head[at + (size_t)i] = allowed ? t * (expf(student[i]) - p) / (float)a->n : 0;
    }
    return t * t * kl;
}

static double distill_discrete(const rlt_distill_loss_args *a) {
    double sum = 0;
    size_t at = 0;
    for (int r = 0; r < a->n; r++) {
        for (int c = 0; c < rlt_head_components(&a->policy); c++) {
            int count = rlt_head_count(&a->policy, c);
            sum += (double)distill_component(a, at, a->mask == NULL ? NULL : a->mask + at, count);
            at += (size_t)count;
        }
    }
    return sum;
}

/* log(s / t) + (t^2 + (mean_s - mean_t)^2) / (2 s^2) - 1/2 of every entry; tanh after both leaves
 * the divergence as it is. */
static double distill_gaussian(const rlt_distill_loss_args *a) {
    double sum = 0;
    for (int j = 0; j < a->policy.width; j++) {
        float log_ratio = a->teacher_log_std[j] - a->log_std[j], inverse = expf(-a->log_std[j]);
        double d_log_std = 0;
        for (int r = 0; r < a->n; r++) {
            size_t at = (size_t)r * (size_t)a->policy.width + (size_t)j;
            float error = (a->head[at] - a->teacher_head[at]) * inverse;
            float square = expf(2 * log_ratio) + error * error;
            sum += (double)(0.5f * (square - 1) - log_ratio);
            a->d_head[at] = error * inverse / (float)a->n;
            d_log_std += (double)(1 - square);
        }
        a->d_log_std[j] += (float)(d_log_std / (double)a->n);
    }
    return sum;
}

void rlt_cpu_distill_loss(rlt_device *device, const rlt_distill_loss_args *a) {
    (void)device;
    RLT_ASSERT(a->policy.width <= RLT_ACTIONS_MAX);
    double sum = rlt_head_is_gaussian(&a->policy) ? distill_gaussian(a) : distill_discrete(a);
    double *current = a->update->current;
    memset(current, 0, sizeof a->update->current);
    current[RLT_SUM_POLICY] = current[RLT_SUM_KL] = sum;
}
