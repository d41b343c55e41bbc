/* Private to src/worker. */
#ifndef RLT_WORKER_IMPL_H
#define RLT_WORKER_IMPL_H
#include "worker/worker.h"

/* action[n] as the environment wants it; Box actions are written to scratch[n][dim]. */
const void *rlt_env_actions(const rlt_env_def *def, bool squash, const void *action, int n,
                            float *scratch);
#endif
