/* worker: what a policy saw and did, for those who learn from it. Thread: any. */
#ifndef RLT_DEMONSTRATION_H
#define RLT_DEMONSTRATION_H
#include "worker/worker.h"

/* The episodes that rlt_evaluate runs with that seed, and what the policy saw and did in each step
 * of them: `step` is called for the environments whose episode goes on, in their order;
 * obs[obs_width] as the environment gave it, action of rlt_policy_action_bytes, mask[mask_width] or
 * NULL. Returns in *result. */
typedef struct rlt_demonstration {
    void (*step)(void *user, int env, const float *obs, const void *action, const uint8_t *mask);
    void *user;
} rlt_demonstration;
rlt_status rlt_demonstrate(const rlt_run_config *config, const rlt_env_def *def,
                           const rlt_weights_view *weights, int episodes, uint64_t seed,
                           const rlt_demonstration *demonstration, rlt_evaluation *result,
                           rlt_err *err);
#endif
