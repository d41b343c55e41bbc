/* ppo: the gradient of the losses, block by block; advantages. Thread: the workspace owner's. */
#include "nn/cpu/policy.h"
#include "nn/nn_impl.h"

void rlt_gae(const rlt_gae_in *in, float *advantage, float *ret) {
    rlt_nn_kernels_get()->gae(in, advantage, ret);
}

/* Forward, loss and backward of both nets for rows at .. at + n - 1. */
static void grad_block(rlt_policy_workspace *ws, const float *params,
                       const rlt_policy_packed *packed, const rlt_ppo_batch *batch, int at, int n,
                       const rlt_ppo_coef *coef, float scale, float *grad, rlt_ppo_stats *stats) {
    const rlt_nn_kernels *kernels = rlt_nn_kernels_get();
    const rlt_policy_spec *spec = &ws->spec;
    rlt_head policy = rlt_nn_head(spec);
    size_t dim = (size_t)spec->action_dim, log_std = ws->layout.log_std;
    const float *obs = batch->obs + (size_t)at * (size_t)spec->obs_dim;
    rlt_nn_net_forward(ws, 0, params, packed, obs, n, ws->head);
    rlt_policy_rows rows = {
        .n = n,
        .action_dim = spec->action_dim,
        .squash = spec->squash,
        .head = ws->head,
        .log_std = params + log_std,
        .action = (const char *)batch->action + 4 * (spec->discrete ? 1 : dim) * (size_t)at,
        .old_log_prob = batch->old_log_prob + at,
        .advantage = batch->advantage + at,
        .clip = coef->clip,
        .ent_coef = coef->ent_coef,
        .scale = scale,
        .d_head = ws->d_head,
        .d_log_std = grad + log_std,
    };
    rlt_cpu_ppo_policy(&policy, rlt_cpu_mask_part(batch->mask, (size_t)at * dim), &rows, stats);
    rlt_nn_net_backward(ws, 0, packed, obs, n, ws->d_head, grad);
    rlt_nn_net_forward(ws, 1, params, packed, obs, n, ws->head);
    kernels->value_loss(ws->head, batch->old_value + at, batch->ret + at, n, coef, scale,
                        ws->d_head, stats);
    rlt_nn_net_backward(ws, 1, packed, obs, n, ws->d_head, grad);
}

void rlt_ppo_grad_packed(rlt_policy_workspace *ws, const float *params,
                         const rlt_policy_packed *packed, const rlt_ppo_batch *batch,
                         const rlt_ppo_coef *coef, int total_n, float *grad, rlt_ppo_stats *stats) {
    if (ws->layered != NULL) {
        rlt_layered_grad(ws->layered, &ws->spec, params, batch, coef, total_n, grad, stats);
        return;
    }
    for (int at = 0; at < batch->n; at += RLT_NN_BLOCK) {
        int rows = batch->n - at < RLT_NN_BLOCK ? batch->n - at : RLT_NN_BLOCK;
        grad_block(ws, params, packed, batch, at, rows, coef, 1.0f / (float)total_n, grad, stats);
    }
}

void rlt_ppo_grad(rlt_policy_workspace *ws, const float *params, const rlt_ppo_batch *batch,
                  const rlt_ppo_coef *coef, int total_n, float *grad, rlt_ppo_stats *stats) {
    rlt_policy_pack(ws->packed, params);
    rlt_ppo_grad_packed(ws, params, ws->packed, batch, coef, total_n, grad, stats);
}
