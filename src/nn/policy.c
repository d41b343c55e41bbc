/* policy: what a policy may look like, and where its parameters lie. Thread: any. */
#include "nn/kernels_bf16.h"
#include "nn/nn_impl.h"

#include <string.h>

bool rlt_nn_is_layered(const rlt_policy_spec *spec) {
    return spec->layer_count > 0 || spec->component_count > 0 || spec->bf16;
}

rlt_status rlt_policy_program(const rlt_policy_spec *spec, rlt_program *program, rlt_err *err) {
    rlt_net_spec net = {
        .obs_shape = {1, 1, spec->obs_dim},
        .layer_count = spec->layer_count,
        .separate = spec->layer_count > 0 ? spec->separate : true,
        .head_width = spec->action_dim,
        .value_width = 1,
    };
    if (spec->obs_shape[0] != 0) {
        memcpy(net.obs_shape, spec->obs_shape, sizeof net.obs_shape);
    }
    memcpy(net.layers, spec->layers, sizeof net.layers);
    if (spec->layer_count == 0) { /* an MLP */
        net.layer_count = spec->hidden_count;
        for (int l = 0; l < spec->hidden_count; l++) {
            net.layers[l] =
                (rlt_layer){.kind = RLT_LAYER_DENSE, .act = spec->act, .units = spec->hidden[l]};
        }
    }
    RLT_TRY(rlt_program_build(&net, program, err));
    if (program->obs_width != spec->obs_dim) {
        return rlt_fail(err, RLT_EINVAL,
                        "model: images of %d x %d x %d are %d floats, observations have %d",
                        net.obs_shape[0], net.obs_shape[1], net.obs_shape[2], program->obs_width,
                        spec->obs_dim);
    }
    return RLT_OK;
}

static int padded(int width) {
    return (width + RLT_NN_PAD - 1) / RLT_NN_PAD * RLT_NN_PAD;
}

static rlt_nn_layout layered_layout(const rlt_policy_spec *spec) {
    rlt_program program;
    rlt_status status = rlt_policy_program(spec, &program, NULL);
    RLT_ASSERT(status == RLT_OK); /* rlt_policy_check has passed */
    rlt_nn_layout layout = {.log_std = program.param_count};
    layout.param_count = layout.log_std + (spec->discrete ? 0 : (size_t)spec->action_dim);
    return layout;
}

rlt_nn_layout rlt_nn_layout_make(const rlt_policy_spec *spec) {
    if (rlt_nn_is_layered(spec)) {
        return layered_layout(spec);
    }
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
    layout.log_std = layout.flat = offset;
    layout.param_count = offset + (spec->discrete ? 0 : (size_t)spec->action_dim);
    return layout;
}

size_t rlt_policy_param_count(const rlt_policy_spec *spec) {
    return rlt_nn_layout_make(spec).param_count;
}

size_t rlt_policy_action_bytes(const rlt_policy_spec *spec) {
    int words = spec->component_count > 0 ? spec->component_count
                : spec->discrete          ? 1
                                          : spec->action_dim;
    return 4 * (size_t)words;
}

int rlt_policy_state_width(const rlt_policy_spec *spec) {
    rlt_program program = {0};
    if (rlt_nn_is_layered(spec)) {
        rlt_status status = rlt_policy_program(spec, &program, NULL);
        RLT_ASSERT(status == RLT_OK);
    }
    return program.state_width;
}

static rlt_status check_components(const rlt_policy_spec *spec, rlt_err *err) {
    int64_t sum = 0;
    if (spec->component_count < 0 || spec->component_count > RLT_COMPONENTS_MAX) {
        return rlt_fail(err, RLT_EINVAL, "model: %d action components; allowed: at most %d",
                        spec->component_count, RLT_COMPONENTS_MAX);
    }
    for (int c = 0; c < spec->component_count; c++) {
        if (spec->components[c] < 1) {
            return rlt_fail(err, RLT_EINVAL,
                            "model: action component %d has %d values; allowed: from 1", c,
                            spec->components[c]);
        }
        sum += spec->components[c];
    }
    if (spec->component_count > 0 && (!spec->discrete || sum != spec->action_dim)) {
        return rlt_fail(err, RLT_EINVAL,
                        "model: action components of %lld values together, %d expected of %s "
                        "actions",
                        (long long)sum, spec->action_dim,
                        spec->discrete ? "discrete" : "continuous");
    }
    return RLT_OK;
}

static rlt_status check_hidden(const rlt_policy_spec *spec, rlt_err *err) {
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
    return RLT_OK;
}

rlt_status rlt_policy_check(const rlt_policy_spec *spec, rlt_err *err) {
    bool layers = spec->layer_count != 0;
    if (spec->obs_dim < 1 || (!layers && spec->obs_dim > RLT_WIDTH_MAX)) {
        return rlt_fail(err, RLT_EINVAL, "model: %d observation entries; allowed: 1 to %d",
                        spec->obs_dim, RLT_WIDTH_MAX);
    }
    if (spec->action_dim < 1 || spec->action_dim > RLT_ACTIONS_MAX) {
        return rlt_fail(err, RLT_EINVAL, "model: %d actions; allowed: 1 to %d", spec->action_dim,
                        RLT_ACTIONS_MAX);
    }
    if (spec->squash && spec->discrete) {
        return rlt_fail(err, RLT_EINVAL,
                        "model.squash: set for discrete actions; allowed: continuous ones alone");
    }
    if (spec->bf16 && rlt_nn_bf16_get() == NULL) {
        return rlt_fail(err, RLT_ECONFIG,
                        "precision: \"bf16\" needs a processor with AVX512_BF16, "
                        "which this one has not; allowed here: \"fp32\"");
    }
    RLT_TRY(check_components(spec, err));
    if (!layers) {
        RLT_TRY(check_hidden(spec, err));
    }
    rlt_program program;
    return rlt_nn_is_layered(spec) || layers ? rlt_policy_program(spec, &program, err) : RLT_OK;
}

rlt_head rlt_policy_head(const rlt_policy_spec *spec) {
    rlt_head_kind gaussian = spec->squash ? RLT_HEAD_SQUASHED : RLT_HEAD_GAUSSIAN;
    rlt_head_kind discrete = spec->component_count > 0 ? RLT_HEAD_MULTI : RLT_HEAD_CATEGORICAL;
    return (rlt_head){.kind = spec->discrete ? discrete : gaussian,
                      .width = spec->action_dim,
                      .components = spec->component_count > 0 ? spec->component_count : 1};
}
