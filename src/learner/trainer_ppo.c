/* learner: proximal policy optimisation as an algorithm of a trainer: the segments of all parts
 * become one batch, and the batch an update. Sums that cross environments run in the order of
 * (step, global environment), so that results do not depend on the partition.
 * Thread: the caller's, plus the pool's. Owner: the trainer. */
#include "learner/algorithm.h"

#include <math.h>
#include <string.h>

static float *floats(int64_t count) {
    return rlt_alloc(sizeof(float) * (size_t)count);
}

static rlt_optimiser_spec optimiser_of(const rlt_ppo_fields *c) {
    static const rlt_opt_kind kinds[] = {
        [RLT_OPTIMISER_ADAM] = RLT_OPT_ADAM,
        [RLT_OPTIMISER_ADAMW] = RLT_OPT_ADAMW,
        [RLT_OPTIMISER_SGD] = RLT_OPT_SGD,
        [RLT_OPTIMISER_RMSPROP] = RLT_OPT_RMSPROP,
    };
    return (rlt_optimiser_spec){
        .kind = kinds[c->optimiser],
        .beta1 = 0.9f,
        .beta2 = 0.999f,
        .eps = (float)c->adam_eps,
        .weight_decay = (float)c->weight_decay,
        .momentum = (float)c->momentum,
        .alpha = 0.99f,
    };
}

static rlt_status create_update(rlt_trainer *t, const rlt_ppo_team *team, rlt_err *err) {
    const rlt_ppo_fields *c = &t->config.ppo;
    rlt_device *device = NULL;
    RLT_TRY(rlt_trainer_open_device(t, team, c->minibatch, &device, err));
    rlt_ppo_options options = {
        .epochs = c->epochs,
        .minibatch = c->minibatch < t->rows ? c->minibatch : t->rows,
        .steps = t->batch.memory_width > 0 ? t->batch.horizon : 1,
        .norm_advantage = c->norm_advantage,
        .masked = t->batch.mask_width > 0,
        .max_grad_norm = (float)c->max_grad_norm,
        .target_kl = (float)c->target_kl,
        .optimiser = optimiser_of(c),
        .seed = (uint64_t)t->config.seed,
        .team = team != NULL ? *team : (rlt_ppo_team){0},
        .device = device,
    };
    return rlt_ppo_create(&t->spec, &options, t->rows, t->pool, &t->ppo, err);
}

static void allocate(rlt_trainer *t) {
    t->obs = floats(t->rows * t->spec.obs_dim);
    t->action = rlt_alloc((size_t)t->rows * t->batch.action_bytes);
    float **const columns[] = {&t->log_prob, &t->value,          &t->advantage, &t->ret,
                               &t->scaled,   &t->part_advantage, &t->part_ret};
    for (size_t i = 0; i < RLT_COUNT(columns); i++) {
        *columns[i] = floats(t->rows);
    }
    if (t->batch.memory_width > 0) {
        t->reset = rlt_alloc((size_t)t->rows);
        t->memory = floats((int64_t)t->envs * t->batch.memory_width);
    }
    if (t->batch.mask_width > 0) {
        t->mask = rlt_alloc((size_t)t->rows * (size_t)t->batch.mask_width);
    }
}

static rlt_status ppo_create(rlt_trainer *t, const rlt_ppo_team *team, rlt_err *err) {
    t->rows = (int64_t)t->envs * t->config.ppo.horizon;
    if (t->rows > 1 << 26) {
        return rlt_fail(err, RLT_ECONFIG,
                        "ppo.horizon = %lld times %d environments is %lld steps an iteration; at "
                        "most %d are allowed",
                        (long long)t->config.ppo.horizon, t->envs, (long long)t->rows, 1 << 26);
    }
    t->batch = (rlt_batch_spec){
        .horizon = (int)t->config.ppo.horizon,
        .envs = t->envs / t->parts,
        .obs_width = t->spec.obs_dim,
        .action_bytes = rlt_policy_action_bytes(&t->spec),
        .memory_width = rlt_policy_state_width(&t->spec),
        .mask_width = rlt_env_mask_width(t->def),
    };
    allocate(t);
    return create_update(t, team, err);
}

static void ppo_destroy(rlt_trainer *t) {
    rlt_ppo_destroy(&t->ppo);
    void *const all[] = {t->obs,   t->action,    t->log_prob, t->value,          t->ret,
                         t->mask,  t->advantage, t->scaled,   t->part_advantage, t->part_ret,
                         t->reset, t->memory};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
}

/* ---- one iteration ---- */

static void scale_rewards(rlt_trainer *t) {
    int n = t->batch.envs, horizon = t->batch.horizon;
    for (int s = 0; s < horizon; s++) {
        for (int e = 0; e < t->envs; e++) {
            rlt_reward_scaler_add(&t->rewards, e, t->segments[e / n].reward[s * n + e % n]);
        }
        float inv_std = rlt_reward_scaler_update(&t->rewards);
        for (int e = 0; e < t->envs; e++) {
            const rlt_segment *segment = &t->segments[e / n];
            int row = s * n + e % n;
            bool end = segment->terminated[row] | segment->truncated[row];
            t->scaled[(int64_t)(e / n) * horizon * n + row] =
                rlt_reward_scaler_scale(&t->rewards, e, segment->reward[row], inv_std, end);
        }
    }
}

/* Where episodes begin, and the memory before the first step, of one part. The rollout has cleared
 * the memory of those that begin with the segment. */
static void prepare_sequences(rlt_trainer *t, const rlt_segment *s, size_t base) {
    size_t n = (size_t)t->batch.envs, width = (size_t)t->batch.memory_width;
    memcpy(t->memory + base * width, s->memory, sizeof(float) * n * width);
    for (size_t step = 1; step < (size_t)t->batch.horizon; step++) {
        const uint8_t *terminated = s->terminated + (step - 1) * n;
        const uint8_t *truncated = s->truncated + (step - 1) * n;
        uint8_t *reset = t->reset + step * (size_t)t->envs + base;
        for (size_t i = 0; i < n; i++) {
            reset[i] = terminated[i] | truncated[i];
        }
    }
}

/* Advantages of one part, then its rows into the flat batch. */
static void prepare_part(void *user, int part) {
    rlt_trainer *t = user;
    const rlt_segment *s = &t->segments[part];
    size_t n = (size_t)t->batch.envs, horizon = (size_t)t->batch.horizon, base = n * (size_t)part;
    size_t width = (size_t)t->batch.obs_width, bytes = t->batch.action_bytes;
    size_t mask = (size_t)t->batch.mask_width;
    float *advantage = t->part_advantage + base * horizon, *ret = t->part_ret + base * horizon;
    rlt_gae_in in = {
        .horizon = (int)horizon,
        .envs = (int)n,
        .reward = t->config.normalise.reward ? t->scaled + base * horizon : s->reward,
        .value = s->value,
        .final_value = s->final_value,
        .terminated = s->terminated,
        .truncated = s->truncated,
        .gamma = (float)t->config.ppo.gamma,
        .lambda = (float)t->config.ppo.lambda,
    };
    rlt_gae(&in, advantage, ret);
    if (t->batch.memory_width > 0) {
        prepare_sequences(t, s, base);
    }
    for (size_t step = 0; step < horizon; step++) {
        size_t from = step * n, to = step * (size_t)t->envs + base;
        memcpy(t->log_prob + to, s->log_prob + from, sizeof(float) * n);
        memcpy(t->value + to, s->value + from, sizeof(float) * n);
        memcpy(t->advantage + to, advantage + from, sizeof(float) * n);
        memcpy(t->ret + to, ret + from, sizeof(float) * n);
        memcpy(t->action + to * bytes, s->action + from * bytes, bytes * n);
        if (mask > 0) {
            memcpy(t->mask + to * mask, s->mask + from * mask, mask * n);
        }
        if (t->config.normalise.observation) {
            rlt_observation_normalise(s->obs + from * width, (int)n, (int)width, s->norm,
                                      s->norm + width, (float)t->config.normalise.clip,
                                      t->obs + to * width);
        } else {
            memcpy(t->obs + to * width, s->obs + from * width, sizeof(float) * n * width);
        }
    }
}

static void note_episodes(rlt_trainer *t) {
    int n = t->batch.envs;
    for (int s = 0; s < t->batch.horizon; s++) {
        for (int e = 0; e < t->envs; e++) {
            const rlt_segment *segment = &t->segments[e / n];
            int row = s * n + e % n;
            if (segment->terminated[row] | segment->truncated[row]) {
                int64_t at = t->stats.episodes++ % RLT_RETURN_WINDOW;
                t->window[at] = (double)segment->episode_return[row];
                t->window_length[at] = segment->episode_length[row];
            }
        }
    }
    int64_t count = t->stats.episodes < RLT_RETURN_WINDOW ? t->stats.episodes : RLT_RETURN_WINDOW;
    double sum = 0, length = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += t->window[i];
        length += t->window_length[i];
    }
    t->stats.mean_return = count > 0 ? sum / (double)count : NAN;
    t->stats.mean_length = count > 0 ? length / (double)count : NAN;
}

/* 1 - Var(return - value) / Var(return); NAN when returns do not vary. */
static double explained_variance(const rlt_trainer *t) {
    double sum = 0, square = 0, error = 0, error_square = 0, n = (double)t->rows;
    for (int64_t i = 0; i < t->rows; i++) {
        double y = (double)t->ret[i], d = y - (double)t->value[i];
        sum += y;
        square += y * y;
        error += d;
        error_square += d * d;
    }
    double variance = square / n - sum / n * (sum / n);
    return variance > 0 ? 1 - (error_square / n - error / n * (error / n)) / variance : NAN;
}

static const float *obs_row(void *user, int64_t i) {
    const rlt_trainer *t = user;
    int n = t->batch.envs;
    int64_t step = i / t->envs, e = i % t->envs;
    return t->segments[e / n].obs + (step * n + e % n) * t->batch.obs_width;
}

static rlt_status ppo_update(rlt_trainer *t, rlt_err *err) {
    const rlt_ppo_fields *c = &t->config.ppo;
    double left = rlt_trainer_left(t);
    float lr = (float)(c->lr * (c->anneal_lr ? left : 1));
    rlt_ppo_coef coef = {(float)(c->clip * (c->anneal_clip ? left : 1)), (float)c->vf_clip,
                         (float)c->vf_coef, (float)c->ent_coef};
    rlt_ppo_rows rows = {.rows = t->rows,
                         .obs = t->obs,
                         .action = t->action,
                         .log_prob = t->log_prob,
                         .value = t->value,
                         .advantage = t->advantage,
                         .ret = t->ret,
                         .reset = t->reset,
                         .memory = t->memory,
                         .mask = t->mask};
    rlt_ppo_result result;
    RLT_TRY(
        rlt_ppo_update(t->ppo, t->view.params, &rows, lr, &coef, t->stats.iteration, &result, err));
    t->stats.policy_loss = result.policy_loss;
    t->stats.value_loss = result.value_loss;
    t->stats.entropy = result.entropy;
    t->stats.approx_kl = result.approx_kl;
    t->stats.clip_fraction = result.clip_fraction;
    t->stats.grad_norm = result.grad_norm;
    t->stats.lr = (double)lr;
    if (t->config.normalise.observation) {
        rlt_running_add(&t->obs_stats, t->rows, obs_row, t);
        rlt_running_scale(&t->obs_stats, t->view.mean, t->view.inv_std);
    }
    return RLT_OK;
}

static void ppo_prepare(rlt_trainer *t) {
    double lag = 0;
    for (int p = 0; p < t->parts; p++) {
        lag += (double)(t->version - t->segments[p].header->weights_version);
    }
    if (t->config.normalise.reward) {
        scale_rewards(t);
    }
    rlt_pool_run(t->pool, t->parts, prepare_part, t);
    note_episodes(t);
    t->stats.explained_variance = explained_variance(t);
    t->stats.staleness = lag / t->parts;
}

static float *ppo_state(rlt_trainer *t, size_t *count) {
    return rlt_ppo_state(t->ppo, count);
}

static int64_t *ppo_step(rlt_trainer *t) {
    return rlt_ppo_step(t->ppo);
}

const rlt_algorithm rlt_algorithm_ppo = {
    .name = "ppo",
    .acts = true,
    .create = ppo_create,
    .destroy = ppo_destroy,
    .prepare = ppo_prepare,
    .update = ppo_update,
    .state = ppo_state,
    .step = ppo_step,
};
