/* heads: actions from the outputs of the actor. Thread: any. */
#include "nn/cpu/cpu.h"
#include "nn/nn_impl.h"

void rlt_policy_sample(const rlt_policy_spec *spec, const float *params, const float *head, int n,
                       uint64_t seed, uint32_t first_env, uint64_t step, void *action,
                       float *log_prob) {
    if (spec->component_count > 0) {
        rlt_sample_args args = {
            .policy = {RLT_HEAD_MULTI, spec->action_dim, spec->component_count, spec->components},
            .n = n,
            .head = head,
            .seed = seed,
            .step = &step,
            .first_env = first_env,
            .action = action,
            .log_prob = log_prob};
        rlt_cpu_sample(NULL, &args);
        return;
    }
    rlt_sample_rows rows = {n,    spec->action_dim, spec->squash, head,    NULL, seed,
                            step, first_env,        action,       log_prob};
    if (spec->discrete) {
        rlt_nn_kernels_get()->sample_categorical(&rows);
    } else {
        rows.log_std = params + rlt_nn_layout_make(spec).log_std;
        rlt_nn_kernels_get()->sample_gaussian(&rows);
    }
}

static int32_t largest(const float *x, int n) {
    int best = 0;
    for (int i = 1; i < n; i++) {
        best = x[i] > x[best] ? i : best;
    }
    return best;
}

void rlt_policy_mode(const rlt_policy_spec *spec, const float *head, int n, void *action) {
    size_t dim = (size_t)spec->action_dim, count = (size_t)n * dim;
    if (spec->component_count > 0) {
        int32_t *to = action;
        for (int r = 0; r < n; r++) {
            for (int c = 0; c < spec->component_count; head += spec->components[c++]) {
                *to++ = largest(head, spec->components[c]);
            }
        }
    } else if (spec->discrete) {
        for (int r = 0; r < n; r++) {
            ((int32_t *)action)[r] = largest(head + (size_t)r * dim, spec->action_dim);
        }
    } else if (spec->squash) {
        rlt_nn_kernels_get()->tanh(head, (int)count, action);
    } else {
        for (size_t i = 0; i < count; i++) {
            ((float *)action)[i] = head[i];
        }
    }
}
