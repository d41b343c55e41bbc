/* heads: what the outputs of the actor mean, and actions out of them. Thread: any. */
#include "nn/cpu/policy.h"
#include "nn/nn_impl.h"

#include <string.h>

rlt_head rlt_nn_head(const rlt_policy_spec *spec) {
    if (spec->component_count > 0) {
        return (rlt_head){RLT_HEAD_MULTI, spec->action_dim, spec->component_count,
                          spec->components};
    }
    rlt_head_kind kind = spec->discrete ? RLT_HEAD_CATEGORICAL
                         : spec->squash ? RLT_HEAD_SQUASHED
                                        : RLT_HEAD_GAUSSIAN;
    return (rlt_head){kind, spec->action_dim, 1, NULL};
}

void rlt_policy_sample(const rlt_policy_spec *spec, const float *params, const float *head,
                       const uint8_t *mask, int n, uint64_t seed, uint32_t first_env, uint64_t step,
                       void *action, float *log_prob) {
    rlt_head policy = rlt_nn_head(spec);
    rlt_sample_rows rows = {n,    spec->action_dim, spec->squash, head,    NULL, seed,
                            step, first_env,        action,       log_prob};
    if (!spec->discrete) {
        rows.log_std = params + rlt_nn_layout_make(spec).log_std;
    }
    rlt_cpu_draw(&policy, mask, &rows);
}

void rlt_policy_mode(const rlt_policy_spec *spec, const float *head, const uint8_t *mask, int n,
                     void *action) {
    rlt_head policy = rlt_nn_head(spec);
    size_t count = (size_t)n * (size_t)spec->action_dim;
    if (spec->discrete) {
        rlt_cpu_mode(&policy, mask, head, n, action);
    } else if (spec->squash) {
        rlt_nn_kernels_get()->tanh(head, (int)count, action);
    } else {
        memcpy(action, head, sizeof(float) * count);
    }
}
