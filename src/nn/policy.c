/* policy: what a policy may look like, and where its parameters lie. Thread: any. */
#include "nn/nn_impl.h"

static int padded(int width) {
    return (width + RLT_NN_PAD - 1) / RLT_NN_PAD * RLT_NN_PAD;
}

rlt_nn_layout rlt_nn_layout_make(const rlt_policy_spec *spec) {
    rlt_nn_layout layout = {.layers = spec->hidden_count + 1};
    size_t offset = 0;
    for (int net = 0; net < 2; net++) {
        for (int l = 0; l < layout.layers; l++) {
            int in = l == 0 ? spec->obs_dim : spec->hidden[l - 1];
            int out = l < spec->hidden_count ? spec->hidden[l] : net == 0 ? spec->action_dim : 1;
            layout.layer[net][l] = (rlt_nn_layer){in, out, padded(in), offset};
            offset += (size_t)(in + 1) * (size_t)out;
        }
    }
    layout.log_std = offset;
    layout.param_count = offset + (spec->discrete ? 0 : (size_t)spec->action_dim);
    return layout;
}

size_t rlt_policy_param_count(const rlt_policy_spec *spec) {
    return rlt_nn_layout_make(spec).param_count;
}

rlt_status rlt_policy_check(const rlt_policy_spec *spec, rlt_err *err) {
    if (spec->obs_dim < 1 || spec->obs_dim > RLT_WIDTH_MAX) {
        return rlt_fail(err, RLT_EINVAL, "model: %d observation entries; allowed: 1 to %d",
                        spec->obs_dim, RLT_WIDTH_MAX);
    }
    if (spec->action_dim < 1 || spec->action_dim > RLT_ACTIONS_MAX) {
        return rlt_fail(err, RLT_EINVAL, "model: %d actions; allowed: 1 to %d", spec->action_dim,
                        RLT_ACTIONS_MAX);
    }
    if (spec->hidden_count < 1 || spec->hidden_count > RLT_HIDDEN_MAX) {
        return rlt_fail(err, RLT_EINVAL, "model.hidden: %d layers; allowed: 1 to %d",
                        spec->hidden_count, RLT_HIDDEN_MAX);
    }
    for (int l = 0; l < spec->hidden_count; l++) {
        if (spec->hidden[l] < 1 || spec->hidden[l] > RLT_WIDTH_MAX) {
            return rlt_fail(err, RLT_EINVAL, "model.hidden[%d]: width %d; allowed: 1 to %d", l + 1,
                            spec->hidden[l], RLT_WIDTH_MAX);
        }
    }
    if (spec->squash && spec->discrete) {
        return rlt_fail(err, RLT_EINVAL,
                        "model.squash: set for discrete actions; allowed: continuous ones alone");
    }
    return RLT_OK;
}
