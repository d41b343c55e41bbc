/* Private to src/worker. */
#ifndef RLT_WORKER_IMPL_H
#define RLT_WORKER_IMPL_H
#include "worker/worker.h"

/* Global indices of evaluation, which no training environment has: the starts are fresh ones. */
#define RLT_FIRST_EVAL_ENV ((uint32_t)1 << 30)
/* Where an episode of an environment without a time limit is cut. */
enum { RLT_UNLIMITED_STEPS_MAX = 10000 };

/* action[n] as the environment wants it; Box actions are written to scratch[n][dim]. */
const void *rlt_env_actions(const rlt_env_def *def, bool squash, const void *action, int n,
                            float *scratch);
#endif
