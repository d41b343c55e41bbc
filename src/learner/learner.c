/* learner: the PPO loop (Schulman et al. 2017), in process. Thread: the caller's. */
#include "learner/learner.h"

#include <math.h>
#include <string.h>

struct rlt_train {
    const rlt_env_def *def;
    rlt_ppo_config config;
    rlt_policy_spec spec;
    rlt_policy_workspace *ws;
    rlt_vec_env *vec;
    size_t action_size, param_count;
    int64_t iteration, optimiser_step;
    float *params, *grad, *m, *v;
    /* the rollout, time-major; T = horizon, N = envs */
    float *obs;                                               /* [T + 1][N][obs] */
    float *head;                                              /* [N][action_dim] */
    unsigned char *action;                                    /* [T][N] of action_size bytes */
    float *log_prob, *reward, *final_value, *advantage, *ret; /* [T][N] */
    float *value;                                             /* [T + 1][N] */
    uint8_t *terminated, *truncated;                          /* [T][N] */
    float *final_obs, *episode_return;                        /* [N][obs], [N] */
    int32_t *episode_length;                                  /* [N] */
    uint32_t *order;                                          /* [T * N] */
    /* the gathered minibatch */
    float *mb_obs, *mb_log_prob, *mb_value, *mb_advantage, *mb_ret;
    unsigned char *mb_action;
};

rlt_ppo_config rlt_ppo_config_default(void) {
    return (rlt_ppo_config){
        .envs = 8,
        .horizon = 128,
        .epochs = 4,
        .minibatch = 256,
        .steps = 100000,
        .seed = 1,
        .lr = 2.5e-4f,
        .gamma = 0.99f,
        .lambda = 0.95f,
        .clip = 0.2f,
        .vf_coef = 0.5f,
        .grad_norm_max = 0.5f,
        .adam_eps = 1e-5f,
        .anneal = true,
        .norm_advantage = true,
        .hidden = {64, 64},
        .hidden_count = 2,
        .act = RLT_ACT_TANH,
    };
}

/* The fields that have bounds, one row each; written so that a NaN is refused. */
static rlt_status check_config(const rlt_ppo_config *c, rlt_err *err) {
    const struct {
        const char *name;
        double value, min, max;
    } rows[] = {
        {"envs", c->envs, 1, 65536},
        {"horizon", c->horizon, 1, 65536},
        {"epochs", c->epochs, 1, 1000},
        {"steps", (double)c->steps, 1, 1e15},
        {"lr", (double)c->lr, 0, 10},
        {"gamma", (double)c->gamma, 0, 1},
        {"lambda", (double)c->lambda, 0, 1},
        {"clip", (double)c->clip, 1e-6, 10},
        {"vf_clip", (double)c->vf_clip, 0, 1e6},
        {"vf_coef", (double)c->vf_coef, 0, 1e3},
        {"ent_coef", (double)c->ent_coef, 0, 1e3},
        {"grad_norm_max", (double)c->grad_norm_max, 1e-9, 1e9},
        {"adam_eps", (double)c->adam_eps, 1e-12, 1},
        {"minibatch", c->minibatch, 1, (double)c->envs * c->horizon},
    };
    for (size_t i = 0; i < RLT_COUNT(rows); i++) {
        if (!(rows[i].value >= rows[i].min && rows[i].value <= rows[i].max)) {
            return rlt_fail(err, RLT_ECONFIG, "ppo.%s: %g is out of bounds; allowed: %g to %g",
                            rows[i].name, rows[i].value, rows[i].min, rows[i].max);
        }
    }
    if ((int64_t)c->envs * c->horizon > (1 << 26) || c->envs * c->horizon % c->minibatch != 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "ppo.minibatch: %d does not divide envs * horizon = %d * %d (at most %d)",
                        c->minibatch, c->envs, c->horizon, 1 << 26);
    }
    return RLT_OK;
}

static float *floats(size_t count) {
    return rlt_alloc(sizeof(float) * count);
}

static void allocate(rlt_train *t) {
    size_t n = (size_t)t->config.envs, rows = n * (size_t)t->config.horizon;
    size_t obs = (size_t)t->spec.obs_dim, mb = (size_t)t->config.minibatch;
    float **params[] = {&t->params, &t->grad, &t->m, &t->v};
    for (size_t i = 0; i < RLT_COUNT(params); i++) {
        *params[i] = floats(t->param_count);
    }
    float **columns[] = {&t->log_prob, &t->reward, &t->final_value, &t->advantage, &t->ret};
    for (size_t i = 0; i < RLT_COUNT(columns); i++) {
        *columns[i] = floats(rows);
    }
    float **gathered[] = {&t->mb_log_prob, &t->mb_value, &t->mb_advantage, &t->mb_ret};
    for (size_t i = 0; i < RLT_COUNT(gathered); i++) {
        *gathered[i] = floats(mb);
    }
    t->obs = floats((rows + n) * obs);
    t->value = floats(rows + n);
    t->head = floats(n * (size_t)t->spec.action_dim);
    t->action = rlt_alloc(rows * t->action_size);
    t->terminated = rlt_alloc(rows);
    t->truncated = rlt_alloc(rows);
    t->final_obs = floats(n * obs);
    t->episode_return = floats(n);
    t->episode_length = rlt_alloc(sizeof(int32_t) * n);
    t->order = rlt_alloc(sizeof(uint32_t) * rows);
    t->mb_obs = floats(mb * obs);
    t->mb_action = rlt_alloc(mb * t->action_size);
}

rlt_status rlt_train_create(const rlt_env_def *def, const rlt_ppo_config *config, rlt_train **train,
                            rlt_err *err) {
    RLT_TRY(check_config(config, err));
    rlt_policy_spec spec = {
        .obs_dim = def->observation_space.size,
        .discrete = def->action_space.kind == RLT_SPACE_DISCRETE,
        .action_dim = def->action_space.size,
        .hidden_count = config->hidden_count,
        .act = config->act,
        .log_std_init = config->log_std_init,
    };
    memcpy(spec.hidden, config->hidden, sizeof(spec.hidden));
    RLT_TRY(rlt_policy_check(&spec, err));
    rlt_train *t = rlt_alloc(sizeof(*t));
    t->def = def;
    t->config = *config;
    t->spec = spec;
    rlt_status status = rlt_vec_env_create(def, config->envs, 0, config->seed, &t->vec, err);
    if (status != RLT_OK) {
        rlt_free(t);
        return status;
    }
    t->action_size = 4 * (size_t)(spec.discrete ? 1 : spec.action_dim);
    t->param_count = rlt_policy_param_count(&spec);
    t->ws = rlt_policy_workspace_create(&spec);
    allocate(t);
    rlt_policy_init(&spec, config->seed, t->params);
    rlt_vec_env_reset(t->vec, t->obs);
    *train = t;
    return RLT_OK;
}

void rlt_train_destroy(rlt_train **train) {
    rlt_train *t = *train;
    if (t == NULL) {
        return;
    }
    rlt_policy_workspace_destroy(&t->ws);
    rlt_vec_env_destroy(&t->vec);
    void *all[] = {t->params,
                   t->grad,
                   t->m,
                   t->v,
                   t->obs,
                   t->head,
                   t->action,
                   t->log_prob,
                   t->reward,
                   t->final_value,
                   t->advantage,
                   t->ret,
                   t->value,
                   t->terminated,
                   t->truncated,
                   t->final_obs,
                   t->episode_return,
                   t->episode_length,
                   t->order,
                   t->mb_obs,
                   t->mb_log_prob,
                   t->mb_value,
                   t->mb_advantage,
                   t->mb_ret,
                   t->mb_action};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
    rlt_free(t);
    *train = NULL;
}

/* Counts ended episodes and values the observation that a time limit cut off. */
static void note_ends(rlt_train *t, size_t row, rlt_train_stats *stats, double *return_sum) {
    for (int i = 0; i < t->config.envs; i++) {
        if (!t->terminated[row + (size_t)i] && !t->truncated[row + (size_t)i]) {
            continue;
        }
        stats->episodes++;
        *return_sum += (double)t->episode_return[i];
        if (t->truncated[row + (size_t)i]) {
            rlt_policy_forward(t->ws, t->params, t->final_obs + (size_t)i * (size_t)t->spec.obs_dim,
                               1, t->head, &t->final_value[row + (size_t)i]);
        }
    }
}

static void collect(rlt_train *t, rlt_train_stats *stats) {
    size_t n = (size_t)t->config.envs, obs = (size_t)t->spec.obs_dim;
    int horizon = t->config.horizon;
    double return_sum = 0;
    if (t->iteration > 0) { /* the last row of the previous rollout is the first of this one */
        memcpy(t->obs, t->obs + n * obs * (size_t)horizon, sizeof(float) * n * obs);
    }
    for (int s = 0; s < horizon; s++) {
        size_t row = n * (size_t)s;
        unsigned char *action = t->action + row * t->action_size;
        rlt_policy_forward(t->ws, t->params, t->obs + row * obs, (int)n, t->head, t->value + row);
        rlt_policy_sample(&t->spec, t->params, t->head, (int)n, t->config.seed, 0,
                          (uint64_t)(t->iteration * horizon + s), action, t->log_prob + row);
        rlt_step_out out = {t->obs + (row + n) * obs, t->reward + row, t->terminated + row,
                            t->truncated + row,       t->final_obs,    t->episode_return,
                            t->episode_length};
        rlt_vec_env_step(t->vec, action, &out);
        note_ends(t, row, stats, &return_sum);
    }
    size_t last = n * (size_t)horizon;
    rlt_policy_forward(t->ws, t->params, t->obs + last * obs, (int)n, t->head, t->value + last);
    stats->mean_return = stats->episodes > 0 ? return_sum / stats->episodes : NAN;
}

static void shuffle(rlt_train *t, int epoch) {
    uint32_t rows = (uint32_t)(t->config.envs * t->config.horizon);
    rlt_rng rng = rlt_rng_make(t->config.seed, RLT_STREAM_SHUFFLE, (uint32_t)epoch);
    rng.index = (uint64_t)t->iteration << 32;
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t j = rlt_rng_below(&rng, i + 1);
        t->order[i] = t->order[j];
        t->order[j] = i;
    }
}

static void normalise(float *x, int n) {
    double sum = 0, square = 0;
    for (int i = 0; i < n; i++) {
        sum += (double)x[i];
        square += (double)x[i] * (double)x[i];
    }
    double mean = sum / n, variance = (square - sum * mean) / (n > 1 ? n - 1 : 1);
    float shift = (float)mean, scale = (float)(1 / (sqrt(fmax(variance, 0)) + 1e-8));
    for (int i = 0; i < n; i++) {
        x[i] = (x[i] - shift) * scale;
    }
}

static void gather(rlt_train *t, const uint32_t *rows) {
    size_t obs = (size_t)t->spec.obs_dim;
    for (size_t i = 0; i < (size_t)t->config.minibatch; i++) {
        size_t r = rows[i];
        memcpy(t->mb_obs + i * obs, t->obs + r * obs, sizeof(float) * obs);
        memcpy(t->mb_action + i * t->action_size, t->action + r * t->action_size, t->action_size);
        t->mb_log_prob[i] = t->log_prob[r];
        t->mb_value[i] = t->value[r];
        t->mb_advantage[i] = t->advantage[r];
        t->mb_ret[i] = t->ret[r];
    }
    if (t->config.norm_advantage && t->config.minibatch > 1) {
        normalise(t->mb_advantage, t->config.minibatch);
    }
}

/* One minibatch: gradient, clip, Adam. `left` is the part of the anneal that is still to come. */
static rlt_status update(rlt_train *t, float left, rlt_ppo_stats *sums, double *norm_sum,
                         rlt_err *err) {
    const rlt_ppo_config *c = &t->config;
    rlt_ppo_batch batch = {c->minibatch, t->mb_obs,       t->mb_action, t->mb_log_prob,
                           t->mb_value,  t->mb_advantage, t->mb_ret};
    rlt_ppo_coef coef = {c->clip * left, c->vf_clip, c->vf_coef, c->ent_coef};
    memset(t->grad, 0, sizeof(float) * t->param_count);
    rlt_ppo_grad(t->ws, t->params, &batch, &coef, c->minibatch, t->grad, sums);
    float norm = rlt_grad_clip(t->grad, t->param_count, c->grad_norm_max);
    if (!isfinite(norm)) {
        return rlt_fail(err, RLT_EDIVERGED,
                        "the gradient is not finite at iteration %lld (policy loss %g, value loss "
                        "%g, summed): lower lr or normalise rewards",
                        (long long)t->iteration, sums->policy_loss, sums->value_loss);
    }
    *norm_sum += (double)norm;
    t->optimiser_step++;
    rlt_adam_step(t->params, t->grad, t->m, t->v, t->param_count, c->lr * left, 0.9f, 0.999f,
                  c->adam_eps, t->optimiser_step);
    return RLT_OK;
}

rlt_status rlt_train_iterate(rlt_train *t, rlt_train_stats *stats, rlt_err *err) {
    const rlt_ppo_config *c = &t->config;
    int rows = c->envs * c->horizon;
    *stats = (rlt_train_stats){0};
    collect(t, stats);
    rlt_gae_in in = {c->horizon,    c->envs,      t->reward, t->value, t->final_value,
                     t->terminated, t->truncated, c->gamma,  c->lambda};
    rlt_gae(&in, t->advantage, t->ret);
    double done = (double)(t->iteration * rows) / (double)c->steps;
    float left = c->anneal ? (float)fmax(1 - done, 1e-6) : 1.0f;
    rlt_ppo_stats sums = {0};
    double norm_sum = 0;
    for (int epoch = 0; epoch < c->epochs; epoch++) {
        shuffle(t, epoch);
        for (int at = 0; at < rows; at += c->minibatch) {
            gather(t, t->order + at);
            RLT_TRY(update(t, left, &sums, &norm_sum, err));
        }
    }
    t->iteration++;
    double total = (double)rows * c->epochs;
    stats->steps = t->iteration * rows;
    stats->policy_loss = sums.policy_loss / total;
    stats->value_loss = sums.value_loss / total;
    stats->entropy = sums.entropy / total;
    stats->approx_kl = sums.approx_kl / total;
    stats->grad_norm = norm_sum * c->minibatch / total;
    return RLT_OK;
}

/* One fresh episode; `scratch` holds observation, final observation and head of one row. */
static double run_episode(rlt_train *t, rlt_vec_env *vec, float *scratch) {
    size_t obs = (size_t)t->spec.obs_dim;
    float *head = scratch + 2 * obs, *action = head + t->spec.action_dim;
    float value, reward, episode_return;
    uint8_t terminated = 0, truncated = 0;
    int32_t length;
    rlt_step_out out = {scratch,       &reward,         &terminated, &truncated,
                        scratch + obs, &episode_return, &length};
    rlt_vec_env_reset(vec, scratch);
    while (!terminated && !truncated) {
        rlt_policy_forward(t->ws, t->params, scratch, 1, head, &value);
        rlt_policy_mode(&t->spec, head, 1, action);
        rlt_vec_env_step(vec, action, &out);
    }
    return (double)episode_return;
}

rlt_status rlt_train_evaluate(rlt_train *t, int episodes, uint64_t seed, double *mean_return,
                              rlt_err *err) {
    if (episodes < 1) {
        return rlt_fail(err, RLT_EINVAL, "%d evaluation episodes; allowed: at least 1", episodes);
    }
    rlt_vec_env *vec = NULL;
    /* indices no training environment has, so that evaluation draws fresh starts */
    RLT_TRY(rlt_vec_env_create(t->def, 1, 1u << 30, seed, &vec, err));
    float *scratch = floats(2 * (size_t)t->spec.obs_dim + 2 * (size_t)t->spec.action_dim);
    double sum = 0;
    for (int i = 0; i < episodes; i++) {
        sum += run_episode(t, vec, scratch);
    }
    rlt_free(scratch);
    rlt_vec_env_destroy(&vec);
    *mean_return = sum / episodes;
    return RLT_OK;
}

const float *rlt_train_params(const rlt_train *t, size_t *count) {
    *count = t->param_count;
    return t->params;
}
