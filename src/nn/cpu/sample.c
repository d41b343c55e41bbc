/* cpu, sample: actions out of policy heads: draws, by words that a row's environment and step alone
 * determine (fns.h), and the most likely ones. Thread: any; no state. */
#include "nn/cpu/cpu.h"
#include "nn/cpu/policy.h"
#include "nn/cpu/values.h"
#include "nn/dist.h"

static void draw_row(const rlt_head *policy, const uint8_t *mask, const rlt_sample_rows *rows,
                     int r) {
    int components = rlt_head_components(policy), first = 0;
    uint64_t blocks = (uint64_t)(components + 3) / 4;
    const float *head = rows->head + (size_t)r * (size_t)policy->width;
    int32_t *action = (int32_t *)rows->action + (size_t)r * (size_t)components;
    uint32_t words[4];
    rows->log_prob[r] = 0;
    for (int c = 0; c < components; c++) {
        float log_p[RLT_ACTIONS_MAX];
        int count = rlt_head_count(policy, c);
        const uint8_t *allowed = rlt_cpu_mask_part(mask, (size_t)first);
        if (c % 4 == 0) {
            rlt_rng_block(rows->seed, RLT_STREAM_ACTION, rows->first_env + (uint32_t)r,
                          rows->step * blocks + (uint64_t)c / 4, words);
        }
        rlt_dist_log_softmax(head + first, allowed, count, log_p);
        action[c] = rlt_dist_pick(log_p, allowed, count, (float)(words[c % 4] >> 8) * 0x1p-24f);
        rows->log_prob[r] += log_p[action[c]];
        first += count;
    }
}

void rlt_cpu_draw(const rlt_head *policy, const uint8_t *mask, const rlt_sample_rows *rows) {
    RLT_ASSERT(policy->width <= RLT_ACTIONS_MAX);
    if (rlt_head_is_gaussian(policy)) {
        rlt_nn_kernels_get()->sample_gaussian(rows);
    } else if (mask == NULL && rlt_head_components(policy) == 1) {
        rlt_nn_kernels_get()->sample_categorical(rows);
    } else {
        for (int r = 0; r < rows->n; r++) {
            size_t at = (size_t)r * (size_t)policy->width;
            draw_row(policy, rlt_cpu_mask_part(mask, at), rows, r);
        }
    }
}

void rlt_cpu_sample(rlt_device *device, const rlt_sample_args *a) {
    (void)device;
    rlt_sample_rows rows = {.n = a->n,
                            .action_dim = a->policy.width,
                            .squash = a->policy.kind == RLT_HEAD_SQUASHED,
                            .head = a->head,
                            .log_std = a->log_std,
                            .seed = a->seed,
                            .step = *a->step,
                            .first_env = a->first_env,
                            .action = a->action,
                            .log_prob = a->log_prob};
    rlt_cpu_draw(&a->policy, a->mask, &rows);
}

static int32_t largest(const float *x, const uint8_t *mask, int n) {
    int best = -1;
    for (int i = 0; i < n; i++) {
        if (rlt_dist_allowed(mask, i) && (best < 0 || x[i] > x[best])) {
            best = i;
        }
    }
    RLT_ASSERT(best >= 0);
    return best;
}

void rlt_cpu_mode(const rlt_head *policy, const uint8_t *mask, const float *head, int n,
                  int32_t *action) {
    for (int r = 0; r < n; r++) {
        for (int c = 0; c < rlt_head_components(policy); c++) {
            int count = rlt_head_count(policy, c);
            *action++ = largest(head, mask, count);
            head += count;
            mask = mask == NULL ? NULL : mask + count;
        }
    }
}

/* log(1 - tanh(u)^2) = 2 (log 2 - u - log(1 + e^(-2u))), which does not cancel (its appendix C has
 * the plain form). */
static float tanh_correction(float u) {
    float x = -2 * u, softplus = (x > 0 ? x : 0) + log1pf(expf(-fabsf(x)));
    return 2 * (0.6931471805599453f - u - softplus);
}

void rlt_cpu_sac_sample(rlt_device *device, const rlt_sac_sample_args *a) {
    (void)device;
    size_t width = (size_t)a->width;
    for (size_t r = 0; r < (size_t)a->n; r++) {
        const float *mean = a->head + r * 2 * width, *raw = mean + width;
        rlt_rng rng = rlt_rng_make(a->seed, RLT_STREAM_ACTION, a->first + (uint32_t)r);
        float log_prob = 0;
        rng.index = a->step * 4 * (uint64_t)width;
        for (size_t j = 0; j < width; j++) {
            float log_std = rlt_cpu_bounded(raw[j], a->log_std_min, a->log_std_max);
            float eps = (float)rlt_rng_normal(&rng), u = mean[j] + expf(log_std) * eps;
            a->eps[r * width + j] = eps;
            a->action[r * width + j] = tanhf(u);
            log_prob += -0.5f * eps * eps - log_std - RLT_HALF_LOG_2PI - tanh_correction(u);
        }
        a->log_prob[r] = log_prob;
    }
}
