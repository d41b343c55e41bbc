/* worker: between a policy and an environment: the network's shape, the block of weights, input
 * normalisation, and the action as the environment wants it. Threads: any. Owner: the caller. */
#include "worker/worker_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

size_t rlt_weights_floats(const rlt_policy_spec *spec) {
    return rlt_policy_param_count(spec) + 2 * (size_t)spec->obs_dim;
}

rlt_weights_view rlt_weights_bind(const rlt_policy_spec *spec, float *block) {
    size_t params = rlt_policy_param_count(spec), width = (size_t)spec->obs_dim;
    return (rlt_weights_view){block, block + params, block + params + width};
}

/* Messages name a layer by its number in the flattened list; the script's list may nest. */
static void name_layers(const rlt_model_fields *model, rlt_err *err) {
    rlt_buf text = {0};
    if (model->layer_count == 0) {
        return;
    }
    for (const char *at = err->message; *at != 0;) {
        int layer = 0, used = 0;
        if (sscanf(at, "model[%d]%n", &layer, &used) == 1 && used > 0) {
            char path[32];
            rlt_model_layer_path(model, layer - 1, path);
            rlt_buf_printf(&text, "%s", path);
            at += used;
        } else {
            rlt_buf_append(&text, at++, 1);
        }
    }
    rlt_fail(err, err->code, "%s", text.data != NULL ? text.data : "");
    rlt_buf_fini(&text);
}

rlt_status rlt_policy_spec_make(const rlt_run_config *config, const rlt_env_def *def,
                                rlt_policy_spec *spec, rlt_err *err) {
    const rlt_model_fields *model = &config->model;
    *spec = (rlt_policy_spec){
        .obs_dim = rlt_space_width(&def->observation_space),
        .discrete = def->action_space.kind != RLT_SPACE_BOX,
        .action_dim = rlt_space_width(&def->action_space),
        .hidden_count = model->hidden_count,
        .act = model->activation == RLT_ACTIVATION_TANH   ? RLT_ACT_TANH
               : model->activation == RLT_ACTIVATION_RELU ? RLT_ACT_RELU
                                                          : RLT_ACT_SILU,
        .log_std_init = (float)model->log_std_init,
        .squash = model->squash,
        /* what a GPU trains is acted with in float32, whatever this processor has */
        .bf16 = config->precision == RLT_NUMBER_BF16 && strncmp(config->device, "cuda", 4) != 0,
        .layer_count = model->layer_count,
        .separate = model->separate,
    };
    memcpy(spec->layers, model->layers, sizeof spec->layers);
    memcpy(spec->obs_shape, def->image, sizeof spec->obs_shape);
    for (int i = 0; i < model->hidden_count && i < RLT_HIDDEN_MAX; i++) {
        spec->hidden[i] = (int)model->hidden[i];
    }
    if (def->action_space.kind == RLT_SPACE_MULTI_DISCRETE) {
        spec->component_count = def->action_space.size;
        for (int c = 0; c < spec->component_count && c < RLT_COMPONENTS_MAX; c++) {
            spec->components[c] = def->action_space.counts[c];
        }
    }
    if (spec->squash && spec->discrete) {
        return rlt_fail(err, RLT_ECONFIG,
                        "model.squash: %s has discrete actions; squashing is for Box actions only",
                        def->name);
    }
    for (int i = 0; spec->squash && i < spec->action_dim; i++) {
        if (!isfinite(def->action_space.low[i]) || !isfinite(def->action_space.high[i])) {
            return rlt_fail(err, RLT_ECONFIG,
                            "model.squash: action %d of %s has no bounds to scale to", i,
                            def->name);
        }
    }
    rlt_err own = {0};
    rlt_status status = rlt_policy_check(spec, &own);
    if (status == RLT_OK) {
        return RLT_OK;
    }
    name_layers(model, &own);
    return rlt_fail(err, status, "%s", own.message);
}

void rlt_observation_normalise(const float *obs, int rows, int width, const float *mean,
                               const float *inv_std, float clip, float *out) {
    for (int r = 0; r < rows; r++) {
        const float *x = obs + (size_t)r * (size_t)width;
        float *y = out + (size_t)r * (size_t)width;
        for (int i = 0; i < width; i++) {
            float z = (x[i] - mean[i]) * inv_std[i];
            z = z > clip ? clip : z;
            y[i] = z < -clip ? -clip : z;
        }
    }
}

rlt_batch_actions rlt_env_batch_actions(const rlt_env_def *def) {
    const rlt_space *space = &def->action_space;
    switch (space->kind) {
    case RLT_SPACE_DISCRETE:
        return (rlt_batch_actions){1, &space->size};
    case RLT_SPACE_MULTI_DISCRETE:
        return (rlt_batch_actions){space->size, space->counts};
    default:
        return (rlt_batch_actions){0, NULL};
    }
}

/* Squashed actions in (-1, 1) are scaled to the space's bounds; others are clipped to them. */
static float env_action_of(const rlt_space *space, bool squash, int i, float a) {
    float low = space->low[i], high = space->high[i];
    if (squash) {
        a = low + 0.5f * (a + 1) * (high - low);
    }
    a = a < low ? low : a;
    return a > high ? high : a;
}

const void *rlt_env_actions(const rlt_env_def *def, bool squash, const void *action, int n,
                            float *scratch) {
    if (def->action_space.kind != RLT_SPACE_BOX) {
        return action;
    }
    int dim = def->action_space.size;
    const float *drawn = action;
    for (int i = 0; i < n * dim; i++) {
        scratch[i] = env_action_of(&def->action_space, squash, i % dim, drawn[i]);
    }
    return scratch;
}
