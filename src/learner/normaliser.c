/* learner: running moments of observations and of discounted returns. Thread: the trainer's. */
#include "learner/normaliser.h"

#include <math.h>
#include <string.h>

void rlt_running_init(rlt_running *running, int width) {
    size_t bytes = sizeof(double) * (size_t)width;
    *running = (rlt_running){.width = width, .count = 1e-4};
    running->mean = rlt_alloc(bytes);
    running->var = rlt_alloc(bytes);
    running->batch = rlt_alloc(2 * bytes);
    for (int i = 0; i < width; i++) {
        running->var[i] = 1;
    }
}

void rlt_running_fini(rlt_running *running) {
    rlt_free(running->mean);
    rlt_free(running->var);
    rlt_free(running->batch);
    *running = (rlt_running){0};
}

/* Two passes, so that a large mean costs no digits. */
static void batch_moments(rlt_running *r, int64_t count, rlt_running_row row, void *user) {
    double *sum = r->batch, *square = r->batch + r->width;
    memset(r->batch, 0, 2 * sizeof(double) * (size_t)r->width);
    for (int64_t k = 0; k < count; k++) {
        const float *x = row(user, k);
        for (int i = 0; i < r->width; i++) {
            sum[i] += (double)x[i];
        }
    }
    for (int i = 0; i < r->width; i++) {
        sum[i] /= (double)count;
    }
    for (int64_t k = 0; k < count; k++) {
        const float *x = row(user, k);
        for (int i = 0; i < r->width; i++) {
            double d = (double)x[i] - sum[i];
            square[i] += d * d;
        }
    }
}

void rlt_running_add(rlt_running *r, int64_t count, rlt_running_row row, void *user) {
    batch_moments(r, count, row, user);
    double n = (double)count, total = r->count + n;
    for (int i = 0; i < r->width; i++) {
        double delta = r->batch[i] - r->mean[i];
        double m2 =
            r->var[i] * r->count + r->batch[r->width + i] + delta * delta * r->count * n / total;
        r->mean[i] += delta * n / total;
        r->var[i] = m2 / total;
    }
    r->count = total;
}

void rlt_reward_scaler_init(rlt_reward_scaler *scaler, int envs, float gamma, float clip) {
    *scaler = (rlt_reward_scaler){.envs = envs, .gamma = gamma, .clip = clip};
    scaler->discounted = rlt_alloc(sizeof(float) * (size_t)envs);
    rlt_running_init(&scaler->running, 1);
}

void rlt_reward_scaler_fini(rlt_reward_scaler *scaler) {
    rlt_running_fini(&scaler->running);
    rlt_free(scaler->discounted);
    *scaler = (rlt_reward_scaler){0};
}

void rlt_reward_scaler_add(rlt_reward_scaler *scaler, int env, float reward) {
    scaler->discounted[env] = scaler->discounted[env] * scaler->gamma + reward;
}

static const float *discounted_row(void *user, int64_t i) {
    return (const float *)user + i;
}

float rlt_reward_scaler_update(rlt_reward_scaler *scaler) {
    rlt_running_add(&scaler->running, scaler->envs, discounted_row, scaler->discounted);
    return (float)(1 / sqrt(scaler->running.var[0] + 1e-8));
}

float rlt_reward_scaler_scale(rlt_reward_scaler *scaler, int env, float reward, float inv_std,
                              bool end) {
    scaler->discounted[env] = end ? 0 : scaler->discounted[env];
    return fminf(fmaxf(reward * inv_std, -scaler->clip), scaler->clip);
}

void rlt_running_scale(const rlt_running *r, float *mean, float *inv_std) {
    for (int i = 0; i < r->width; i++) {
        mean[i] = (float)r->mean[i];
        inv_std[i] = (float)(1 / sqrt(r->var[i] + 1e-8));
    }
}
