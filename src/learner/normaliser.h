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
#endif
