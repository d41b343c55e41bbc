/* worker: a rollout steps its environments with the policy and writes each column of the segment
 * in place. Thread: one at a time. Owner: whoever created it. */
#include "worker/worker_impl.h"

#include <math.h>
#include <string.h>

struct rlt_rollout {
    const rlt_env_def *def;
    rlt_policy_spec spec;
    rlt_batch_spec batch;
    rlt_vec_env *vec;
    rlt_policy_workspace *ws;
    uint64_t seed;
    uint32_t first_env;
    bool normalise;
    float clip;
    float *obs;        /* [n][width]: where the next segment starts */
    float *input;      /* [n][width]: normalised */
    float *head;       /* [n][action_dim] */
    float *env_action; /* [n][action_dim] */
    float *final_obs;  /* [n][width] */
    /* of a policy with memory: what it carries, [n][memory_width], and a scratch of that size */
    float *memory, *spare;
    rlt_actor actor; /* act NULL: the policy here */
};

static float *floats(size_t count) {
    return rlt_alloc(sizeof(float) * count);
}

static void allocate(rlt_rollout *r) {
    size_t n = (size_t)r->batch.envs, width = (size_t)r->batch.obs_width;
    r->obs = floats(n * width);
    r->input = floats(n * width);
    r->final_obs = floats(n * width);
    r->head = floats(n * (size_t)r->spec.action_dim);
    r->env_action = floats(n * (size_t)r->spec.action_dim);
    r->memory = floats(n * (size_t)r->batch.memory_width);
    r->spare = floats(n * (size_t)r->batch.memory_width);
    r->ws = rlt_policy_workspace_create(&r->spec);
}

rlt_status rlt_rollout_create(const rlt_run_config *config, const rlt_env_def *def, int envs,
                              uint32_t first_env, rlt_rollout **rollout, rlt_err *err) {
    rlt_policy_spec spec;
    RLT_TRY(rlt_policy_spec_make(config, def, &spec, err));
    rlt_vec_env *vec = NULL;
    RLT_TRY(rlt_vec_env_create(def, envs, first_env, (uint64_t)config->seed, &vec, err));
    rlt_rollout *r = rlt_alloc(sizeof(*r));
    r->def = def;
    r->spec = spec;
    r->vec = vec;
    r->seed = (uint64_t)config->seed;
    r->first_env = first_env;
    r->normalise = config->normalise.observation;
    r->clip = (float)config->normalise.clip;
    r->batch = (rlt_batch_spec){
        .horizon = (int)config->ppo.horizon,
        .envs = envs,
        .obs_width = spec.obs_dim,
        .action_bytes = rlt_policy_action_bytes(&spec),
        .env_state_bytes = rlt_vec_env_state_size(vec),
        .memory_width = rlt_policy_state_width(&spec),
        .mask_width = rlt_env_mask_width(def),
    };
    if (rlt_segment_size(&r->batch) == 0) {
        rlt_vec_env_destroy(&r->vec);
        rlt_free(r);
        return rlt_fail(err, RLT_ECONFIG,
                        "a segment of ppo.horizon = %lld steps of %d environments is too large; "
                        "lower one of them",
                        (long long)config->ppo.horizon, envs);
    }
    allocate(r);
    rlt_vec_env_reset(r->vec, r->obs);
    rlt_status status = rlt_vec_env_status(r->vec, err);
    if (status != RLT_OK) {
        rlt_rollout_destroy(&r);
        return status;
    }
    *rollout = r;
    return RLT_OK;
}

void rlt_rollout_destroy(rlt_rollout **rollout) {
    rlt_rollout *r = *rollout;
    if (r == NULL) {
        return;
    }
    rlt_policy_workspace_destroy(&r->ws);
    rlt_vec_env_destroy(&r->vec);
    float *own = r->actor.act == NULL ? r->memory : NULL;
    float *const all[] = {r->obs, r->input, r->head, r->env_action, r->final_obs, own, r->spare};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
    rlt_free(r);
    *rollout = NULL;
}

const rlt_batch_spec *rlt_rollout_batch_spec(const rlt_rollout *rollout) {
    return &rollout->batch;
}

static const float *policy_input(rlt_rollout *r, const rlt_weights_view *w, const float *obs,
                                 int rows) {
    if (!r->normalise) {
        return obs;
    }
    rlt_observation_normalise(obs, rows, r->batch.obs_width, w->mean, w->inv_std, r->clip,
                              r->input);
    return r->input;
}

/* Values of observations that are not acted on: the memory stays as it is. */
static void value_of(rlt_rollout *r, const rlt_weights_view *w, const float *obs, int first, int n,
                     float *value) {
    size_t memory = (size_t)r->batch.memory_width;
    memcpy(r->spare, r->memory + (size_t)first * memory, sizeof(float) * (size_t)n * memory);
    rlt_policy_step(r->ws, w->params, policy_input(r, w, obs, n), n, NULL, r->spare, r->head,
                    value);
}

/* Values of the observations that a time limit cut off, one by one: they are rare. */
static void value_cuts(rlt_rollout *r, const rlt_weights_view *w, const uint8_t *truncated,
                       float *final_value) {
    for (int i = 0; i < r->batch.envs; i++) {
        if (truncated[i]) {
            const float *last = r->final_obs + (size_t)i * (size_t)r->batch.obs_width;
            value_of(r, w, last, i, 1, &final_value[i]);
        }
    }
}

/* An episode that has ended is forgotten. */
static void forget(rlt_rollout *r, const uint8_t *terminated, const uint8_t *truncated) {
    size_t memory = (size_t)r->batch.memory_width;
    for (int i = 0; memory > 0 && i < r->batch.envs; i++) {
        if (terminated[i] | truncated[i]) {
            memset(r->memory + (size_t)i * memory, 0, sizeof(float) * memory);
        }
    }
}

/* Action, log-probability and value of row t. */
static rlt_status act(rlt_rollout *r, const rlt_weights_view *w, int64_t step_index, int t,
                      rlt_segment *s, rlt_err *err) {
    size_t n = (size_t)r->batch.envs, row = n * (size_t)t;
    uint8_t *mask = r->batch.mask_width > 0 ? s->mask + row * (size_t)r->batch.mask_width : NULL;
    rlt_vec_env_mask(r->vec, mask);
    if (r->actor.act != NULL) {
        return r->actor.act(r->actor.user, t, err);
    }
    const float *obs = s->obs + row * (size_t)r->batch.obs_width;
    rlt_policy_step(r->ws, w->params, policy_input(r, w, obs, (int)n), (int)n, NULL, r->memory,
                    r->head, s->value + row);
    rlt_policy_sample(&r->spec, w->params, r->head, mask, (int)n, r->seed, r->first_env,
                      (uint64_t)step_index, s->action + row * r->batch.action_bytes,
                      s->log_prob + row);
    return RLT_OK;
}

static rlt_status step(rlt_rollout *r, const rlt_weights_view *w, int64_t step_index, int t,
                       rlt_segment *s, rlt_err *err) {
    size_t n = (size_t)r->batch.envs, width = (size_t)r->batch.obs_width, row = n * (size_t)t;
    unsigned char *action = s->action + row * r->batch.action_bytes;
    float *obs = s->obs + row * width;
    RLT_TRY(act(r, w, step_index, t, s, err));
    rlt_step_out out = {
        .observation = obs + n * width,
        .reward = s->reward + row,
        .terminated = s->terminated + row,
        .truncated = s->truncated + row,
        .final_observation = r->final_obs,
        .episode_return = s->episode_return + row,
        .episode_length = s->episode_length + row,
    };
    rlt_vec_env_step(r->vec, rlt_env_actions(r->def, r->spec.squash, action, (int)n, r->env_action),
                     &out);
    value_cuts(r, w, s->truncated + row, s->final_value + row);
    forget(r, s->terminated + row, s->truncated + row);
    return RLT_OK;
}

void rlt_rollout_act_by(rlt_rollout *r, rlt_actor actor) {
    rlt_free(r->memory);
    r->memory = actor.memory;
    r->actor = actor;
}

rlt_status rlt_rollout_collect(rlt_rollout *r, const rlt_weights_view *w, uint32_t worker,
                               uint64_t index, uint64_t weights_version, rlt_segment *s,
                               rlt_err *err) {
    size_t n = (size_t)r->batch.envs, width = (size_t)r->batch.obs_width;
    size_t horizon = (size_t)r->batch.horizon, bytes = sizeof(float) * n * width;
    size_t memory = n * (size_t)r->batch.memory_width;
    memcpy(s->memory, r->memory, sizeof(float) * memory);
    memcpy(s->obs, r->obs, bytes);
    memcpy(s->norm, w->mean, sizeof(float) * width);
    memcpy(s->norm + width, w->inv_std, sizeof(float) * width);
    for (size_t t = 0; t < horizon; t++) {
        RLT_TRY(step(r, w, (int64_t)(index * horizon + t), (int)t, s, err));
        if (index == 0 && t == 0) {
            rlt_log(RLT_LOG_DEBUG, "rollout.first_step", "clock %.6f", rlt_clock_s());
        }
    }
    const float *last = s->obs + horizon * n * width;
    memcpy(r->obs, last, bytes);
    value_of(r, w, last, 0, (int)n, s->value + horizon * n);
    memcpy(s->memory + memory, r->memory, sizeof(float) * memory);
    rlt_vec_env_save(r->vec, s->env_state);
    rlt_segment_seal(&r->batch, s, worker, index, weights_version);
    return rlt_vec_env_status(r->vec, err);
}

rlt_status rlt_rollout_restore(rlt_rollout *r, const void *state, rlt_err *err) {
    size_t env_bytes = r->batch.env_state_bytes;
    RLT_TRY(rlt_vec_env_load(r->vec, state, env_bytes, err));
    size_t rows = (size_t)r->batch.envs, bytes = sizeof(float) * rows * (size_t)r->batch.obs_width;
    const unsigned char *row = (const unsigned char *)state + env_bytes;
    memcpy(r->obs, row, bytes);
    memcpy(r->memory, row + bytes, sizeof(float) * rows * (size_t)r->batch.memory_width);
    return RLT_OK;
}
