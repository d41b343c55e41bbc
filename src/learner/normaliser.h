/* Private to src/learner: running mean and variance (Chan, Golub, LeVeque 1983), as Gymnasium's
 * and Stable-Baselines3's RunningMeanStd: the count starts at 1e-4, the variance at 1. */
#ifndef RLT_NORMALISER_H
#define RLT_NORMALISER_H
#include "core/core.h"

typedef struct rlt_running {
    int width;
    double count;
    double *mean, *var; /* [width], owned */
    double *batch;      /* [2][width] scratch: sum, squared deviations */
} rlt_running;
void rlt_running_init(rlt_running *running, int width);
void rlt_running_fini(rlt_running *running);
/* Adds rows given by row(user, i), i = 0 .. count - 1, always summed in that order. */
typedef const float *(*rlt_running_row)(void *user, int64_t i);
void rlt_running_add(rlt_running *running, int64_t count, rlt_running_row row, void *user);
/* mean[width] and 1 / sqrt(var + 1e-8) as the policy's input wants them. */
void rlt_running_scale(const rlt_running *running, float *mean, float *inv_std);

/* Rewards over the standard deviation of the discounted return, clipped, as
 * Stable-Baselines3's VecNormalize: the moments see each step before its rewards are scaled. */
typedef struct rlt_reward_scaler {
    rlt_running running;
    float *discounted; /* [envs], owned: the running discounted return of each environment */
    int envs;
    float gamma, clip;
} rlt_reward_scaler;
void rlt_reward_scaler_init(rlt_reward_scaler *scaler, int envs, float gamma, float clip);
void rlt_reward_scaler_fini(rlt_reward_scaler *scaler);
/* One step of all environments, in their order: add each, then scale each. */
void rlt_reward_scaler_add(rlt_reward_scaler *scaler, int env, float reward);
float rlt_reward_scaler_update(rlt_reward_scaler *scaler); /* 1 / std, once all were added */
float rlt_reward_scaler_scale(rlt_reward_scaler *scaler, int env, float reward, float inv_std,
                              bool end);
#endif
