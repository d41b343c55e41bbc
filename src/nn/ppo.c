/* ppo: advantages; the clipped surrogate loss and its gradient.
 * Thread: the workspace owner's. */
#include "nn/nn_impl.h"

#include <math.h>

void rlt_gae(const rlt_gae_in *in, float *advantage, float *ret) {
    int n = in->envs;
    for (int e = 0; e < n; e++) {
        float trace = 0;
        for (int t = in->horizon - 1; t >= 0; t--) {
            int i = t * n + e;
            bool end = in->terminated[i] || in->truncated[i];
            float next = in->terminated[i]  ? 0
                         : in->truncated[i] ? in->final_value[i]
                                            : in->value[i + n];
            float delta = in->reward[i] + in->gamma * next - in->value[i];
            trace = delta + (end ? 0 : in->gamma * in->lambda * trace);
            advantage[i] = trace;
            ret[i] = trace + in->value[i];
        }
    }
}

/* One row's policy term; writes d/d head, adds d/d log_std. `scale` is 1 / total_n. */
typedef struct policy_row {
    const rlt_policy_spec *spec;
    const float *head, *log_std;
    const void *action; /* this row's */
    float old_log_prob, advantage;
} policy_row;

static float row_log_prob(const policy_row *row, float *log_p, float *entropy) {
    int dim = row->spec->action_dim;
    float log_prob = 0;
    *entropy = 0;
    if (row->spec->discrete) {
        rlt_nn_log_softmax(row->head, dim, log_p);
        for (int i = 0; i < dim; i++) {
            *entropy -= expf(log_p[i]) * log_p[i];
        }
        return log_p[*(const int32_t *)row->action];
    }
    for (int i = 0; i < dim; i++) {
        float z = (((const float *)row->action)[i] - row->head[i]) / expf(row->log_std[i]);
        log_prob += -0.5f * z * z - row->log_std[i] - 0.9189385332046727f;
        *entropy += row->log_std[i] + 1.4189385332046727f; /* log sqrt(2 pi e) */
    }
    return log_prob;
}

/* d_log_prob, d_entropy: d loss / d of them. */
static void row_backward(const policy_row *row, const float *log_p, float entropy, float d_log_prob,
                         float d_entropy, float *d_head, float *d_log_std) {
    int dim = row->spec->action_dim;
    for (int i = 0; i < dim; i++) {
        if (row->spec->discrete) {
            float p = expf(log_p[i]);
            float hit = *(const int32_t *)row->action == i ? 1 : 0;
            d_head[i] = d_log_prob * (hit - p) - d_entropy * p * (log_p[i] + entropy);
        } else {
            float std = expf(row->log_std[i]);
            float z = (((const float *)row->action)[i] - row->head[i]) / std;
            d_head[i] = d_log_prob * z / std;
            d_log_std[i] += d_log_prob * (z * z - 1) + d_entropy;
        }
    }
}

static void policy_loss_row(const policy_row *row, const rlt_ppo_coef *coef, float scale,
                            float *d_head, float *d_log_std, rlt_ppo_stats *stats) {
    float log_p[RLT_ACTIONS_MAX], entropy;
    float log_ratio = row_log_prob(row, log_p, &entropy) - row->old_log_prob;
    float ratio = expf(log_ratio);
    float bounded = fminf(fmaxf(ratio, 1 - coef->clip), 1 + coef->clip);
    float plain = -row->advantage * ratio, clipped = -row->advantage * bounded;
    /* where the clipped term is the larger one, its ratio is constant: no gradient */
    float d_log_prob = plain >= clipped ? plain * scale : 0;
    row_backward(row, log_p, entropy, d_log_prob, -coef->ent_coef * scale, d_head, d_log_std);
    stats->policy_loss += (double)(plain < clipped ? clipped : plain); /* keeps a NaN */
    stats->entropy += (double)entropy;
    stats->approx_kl += (double)(ratio - 1 - log_ratio); /* Schulman's low-variance estimate */
    stats->clipped += fabsf(ratio - 1) > coef->clip;
}

/* Returns d loss / d value of one row. */
static float value_loss_row(float value, float old, float target, const rlt_ppo_coef *coef,
                            float scale, rlt_ppo_stats *stats) {
    float error = value - target, loss = error * error, slope = error;
    if (coef->vf_clip > 0) {
        float bounded = old + fminf(fmaxf(value - old, -coef->vf_clip), coef->vf_clip);
        float clipped = (bounded - target) * (bounded - target);
        /* within the range both are the same but for rounding: the gradient passes */
        bool outside = fabsf(value - old) > coef->vf_clip;
        slope = outside && clipped > loss ? 0 : error;
        loss = loss < clipped ? clipped : loss; /* keeps a NaN */
    }
    stats->value_loss += 0.5 * (double)loss;
    return coef->vf_coef * slope * scale;
}

/* Forward, loss and backward of rows at .. at + rows. */
static void grad_block(rlt_policy_workspace *ws, const float *params, const rlt_ppo_batch *batch,
                       int at, int rows, const rlt_ppo_coef *coef, float scale, float *grad,
                       rlt_ppo_stats *stats) {
    const rlt_policy_spec *spec = &ws->spec;
    size_t dim = (size_t)spec->action_dim, critic = rlt_nn_critic_offset(spec);
    size_t action_size = spec->discrete ? 4 : 4 * dim, log_std = rlt_nn_log_std_offset(spec);
    const float *obs = batch->obs + (size_t)at * (size_t)spec->obs_dim;
    float *head = ws->post[0][spec->hidden_count];
    rlt_nn_net_forward(ws, 0, params, obs, rows, spec->action_dim, head);
    for (int r = 0; r < rows; r++) {
        policy_row row = {spec,
                          head + dim * (size_t)r,
                          params + log_std,
                          (const char *)batch->action + action_size * (size_t)(at + r),
                          batch->old_log_prob[at + r],
                          batch->advantage[at + r]};
        policy_loss_row(&row, coef, scale, ws->delta[0] + dim * (size_t)r, grad + log_std, stats);
    }
    rlt_nn_net_backward(ws, 0, params, obs, rows, spec->action_dim, grad);
    float *value = ws->post[1][spec->hidden_count];
    rlt_nn_net_forward(ws, 1, params + critic, obs, rows, 1, value);
    for (int r = 0; r < rows; r++) {
        ws->delta[0][r] = value_loss_row(value[r], batch->old_value[at + r], batch->ret[at + r],
                                         coef, scale, stats);
    }
    rlt_nn_net_backward(ws, 1, params + critic, obs, rows, 1, grad + critic);
}

void rlt_ppo_grad(rlt_policy_workspace *ws, const float *params, const rlt_ppo_batch *batch,
                  const rlt_ppo_coef *coef, int total_n, float *grad, rlt_ppo_stats *stats) {
    for (int at = 0; at < batch->n; at += RLT_NN_BLOCK) {
        int rows = batch->n - at < RLT_NN_BLOCK ? batch->n - at : RLT_NN_BLOCK;
        grad_block(ws, params, batch, at, rows, coef, 1.0f / (float)total_n, grad, stats);
    }
}
