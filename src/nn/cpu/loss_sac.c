/* cpu, loss_sac: soft actor-critic (Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and
 * Applications"): the losses of critics, actor and temperature. Thread: any; no state. */
#include "nn/cpu/cpu.h"
#include "nn/cpu/values.h"

#include <math.h>
#include <string.h>

/* A NaN of either stays. */
static float least_of(float x, float y) {
    return x < y ? x : y <= x ? y : x + y;
}

static void critics(const rlt_sac_loss_args *a, int r, float alpha, double *sums) {
    float least = least_of(a->next_q1[r], a->next_q2[r]);
    float target = a->reward[r] + a->discount[r] * (least - alpha * a->next_log_prob[r]);
    float error1 = a->q1[r] - target, error2 = a->q2[r] - target;
    sums[RLT_SUM_VALUE] += 0.5 * (double)(error1 * error1 + error2 * error2);
    a->d_q1[r] = error1 / (float)a->n;
    a->d_q2[r] = error2 / (float)a->n;
}

/* a = tanh(u), u = mean + std eps: d log_prob / d u = 2 a with eps held, d log_prob / d log_std =
 * -1 + 2 a std eps; no slope where log_std is clamped. */
static void actor(const rlt_sac_loss_args *a, int r, float alpha, double *sums) {
    size_t width = (size_t)a->width;
    const float *raw = a->head + (2 * (size_t)r + 1) * width;
    float *d_mean = a->d_head + 2 * (size_t)r * width, *d_log_std = d_mean + width;
    float scale = 1.0f / (float)a->n;
    for (size_t j = 0; j < width; j++) {
        size_t at = (size_t)r * width + j;
        float log_std = rlt_cpu_bounded(raw[j], a->log_std_min, a->log_std_max), y = a->action[at];
        float d_u = 2 * alpha * y - a->dq_da[at] * (1 - y * y);
        bool inside = raw[j] >= a->log_std_min && raw[j] <= a->log_std_max;
        d_mean[j] = scale * d_u;
        d_log_std[j] = inside ? scale * (d_u * expf(log_std) * a->eps[at] - alpha) : 0;
    }
    float least = a->q1 == NULL ? 0 : least_of(a->q1[r], a->q2[r]);
    sums[RLT_SUM_POLICY] += (double)(alpha * a->log_prob[r] - least);
    sums[RLT_SUM_ENTROPY] -= (double)a->log_prob[r];
}

void rlt_cpu_sac_loss(rlt_device *device, const rlt_sac_loss_args *a) {
    (void)device;
    double sums[RLT_SUM_COUNT] = {0}, gap = 0;
    float alpha = expf(*a->log_alpha);
    for (int r = 0; r < a->n; r++) {
        if (a->d_q1 != NULL) {
            critics(a, r, alpha, sums);
        }
        if (a->d_head != NULL) {
            actor(a, r, alpha, sums);
        }
        if (a->d_log_alpha != NULL) {
            gap += (double)a->log_prob[r] + (double)a->target_entropy;
        }
    }
    if (a->d_log_alpha != NULL) {
        *a->d_log_alpha = (float)(-gap / (double)a->n);
    }
    memcpy(a->update->current, sums, sizeof sums);
}
