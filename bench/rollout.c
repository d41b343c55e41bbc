/* The benchmark's PPO run, see rollout.h. */
#include "bench/rollout.h"

#include <string.h>

enum { SHARDS = 2 };

typedef struct shard {
    bench_run *run;
    int first, envs;
    rlt_vec_env *vec;
    rlt_policy_workspace *workspace;
    float *head, *final_obs, *episode_return;
    int32_t *episode_length;
    double return_sum;
    int episodes;
} shard;

struct bench_run {
    bench_config config;
    rlt_policy_spec spec;
    rlt_ppo *ppo;
    shard shards[SHARDS];
    int64_t iteration;
    double mean_return;
    /* [horizon (+ 1)][envs], except that each shard's environments are their own matrix: shard s
     * owns rows [s][horizon (+ 1)][envs / SHARDS] */
    float *params, *obs, *log_prob, *reward, *value, *final_value, *advantage, *ret;
    float *ppo_obs, *ppo_value; /* without the row past the horizon */
    uint8_t *terminated, *truncated;
    unsigned char *action;
};

static float *floats(size_t count) {
    return rlt_alloc(sizeof(float) * count);
}

static rlt_status shard_init(bench_run *run, int index, rlt_err *err) {
    shard *s = &run->shards[index];
    s->run = run;
    s->envs = run->config.envs / SHARDS;
    s->first = index * s->envs;
    size_t n = (size_t)s->envs;
    s->workspace = rlt_policy_workspace_create(&run->spec);
    s->head = floats(n * (size_t)run->spec.action_dim);
    s->final_obs = floats(n * (size_t)run->spec.obs_dim);
    s->episode_return = floats(n);
    s->episode_length = rlt_alloc(sizeof(int32_t) * n);
    return rlt_vec_env_create(run->config.def, s->envs, (uint32_t)s->first, 1, &s->vec, err);
}

static void allocate(bench_run *run) {
    size_t n = (size_t)run->config.envs, rows = n * (size_t)run->config.horizon;
    size_t obs = (size_t)run->spec.obs_dim;
    run->params = floats(rlt_policy_param_count(&run->spec));
    run->obs = floats((rows + n) * obs);
    run->ppo_obs = floats(rows * obs);
    run->value = floats(rows + n);
    float **columns[] = {&run->log_prob,  &run->reward, &run->final_value,
                         &run->advantage, &run->ret,    &run->ppo_value};
    for (size_t i = 0; i < RLT_COUNT(columns); i++) {
        *columns[i] = floats(rows);
    }
    run->terminated = rlt_alloc(rows);
    run->truncated = rlt_alloc(rows);
    run->action = rlt_alloc(4 * rows * (size_t)(run->spec.discrete ? 1 : run->spec.action_dim));
}

rlt_status bench_run_create(const bench_config *config, bench_run **out, rlt_err *err) {
    bench_run *run = rlt_alloc(sizeof(*run));
    run->config = *config;
    run->spec = (rlt_policy_spec){
        .obs_dim = config->def->observation_space.size,
        .discrete = config->def->action_space.kind == RLT_SPACE_DISCRETE,
        .action_dim = config->def->action_space.size,
        .hidden = {64, 64},
        .hidden_count = 2,
        .act = RLT_ACT_TANH,
    };
    rlt_ppo_options options = {
        .epochs = config->epochs,
        .minibatch = config->minibatch,
        .norm_advantage = true,
        .max_grad_norm = 0.5f,
        .optimiser = {.kind = RLT_OPT_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-5f},
        .seed = 1,
    };
    allocate(run);
    rlt_policy_init(&run->spec, 1, run->params);
    rlt_status status =
        rlt_ppo_create(&run->spec, &options, (int64_t)config->envs * config->horizon, config->pool,
                       &run->ppo, err);
    for (int s = 0; s < SHARDS && status == RLT_OK; s++) {
        status = shard_init(run, s, err);
        if (status == RLT_OK) {
            size_t row = (size_t)run->shards[s].first * (size_t)(config->horizon + 1);
            rlt_vec_env_reset(run->shards[s].vec, run->obs + row * (size_t)run->spec.obs_dim);
        }
    }
    if (status != RLT_OK) {
        bench_run_destroy(&run);
    }
    *out = run;
    return status;
}

void bench_run_destroy(bench_run **run) {
    bench_run *r = *run;
    if (r == NULL) {
        return;
    }
    for (int i = 0; i < SHARDS; i++) {
        shard *s = &r->shards[i];
        rlt_vec_env_destroy(&s->vec);
        rlt_policy_workspace_destroy(&s->workspace);
        rlt_free(s->head);
        rlt_free(s->final_obs);
        rlt_free(s->episode_return);
        rlt_free(s->episode_length);
    }
    rlt_ppo_destroy(&r->ppo);
    void *all[] = {r->params,      r->obs,       r->log_prob, r->reward,  r->value,
                   r->final_value, r->advantage, r->ret,      r->ppo_obs, r->ppo_value,
                   r->terminated,  r->truncated, r->action};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
    rlt_free(r);
    *run = NULL;
}

static void note_ends(shard *s, size_t row) {
    bench_run *run = s->run;
    size_t obs = (size_t)run->spec.obs_dim;
    for (int i = 0; i < s->envs; i++) {
        size_t at = row + (size_t)i;
        if (run->terminated[at] || run->truncated[at]) {
            s->episodes++;
            s->return_sum += (double)s->episode_return[i];
        }
        if (run->truncated[at]) {
            rlt_policy_forward(s->workspace, run->params, s->final_obs + (size_t)i * obs, 1,
                               s->head, &run->final_value[at]);
        }
    }
}

/* Task: shard `index` of the environments over the horizon, then its advantages. */
static void collect(void *user, int index) {
    bench_run *run = user;
    shard *s = &run->shards[index];
    size_t n = (size_t)s->envs, obs = (size_t)run->spec.obs_dim,
           horizon = (size_t)run->config.horizon;
    size_t action_size = 4 * (size_t)(run->spec.discrete ? 1 : run->spec.action_dim);
    size_t start = (size_t)s->first * horizon, above = (size_t)s->first * (horizon + 1);
    float *all_obs = run->obs + above * obs, *value = run->value + above;
    s->return_sum = 0;
    s->episodes = 0;
    if (run->iteration > 0) {
        memcpy(all_obs, all_obs + horizon * n * obs, sizeof(float) * n * obs);
    }
    for (size_t t = 0; t < horizon; t++) {
        size_t row = start + t * n;
        float *now = all_obs + t * n * obs;
        void *action = run->action + row * action_size;
        rlt_policy_forward(s->workspace, run->params, now, s->envs, s->head, value + t * n);
        rlt_policy_sample(&run->spec, run->params, s->head, NULL, s->envs, 1, (uint32_t)s->first,
                          (uint64_t)run->iteration * horizon + t, action, run->log_prob + row);
        rlt_step_out out = {now + n * obs,        run->reward + row, run->terminated + row,
                            run->truncated + row, s->final_obs,      s->episode_return,
                            s->episode_length};
        rlt_vec_env_step(s->vec, action, &out);
        note_ends(s, row);
    }
    rlt_policy_forward(s->workspace, run->params, all_obs + horizon * n * obs, s->envs, s->head,
                       value + horizon * n);
    rlt_gae_in in = {(int)horizon,
                     s->envs,
                     run->reward + start,
                     value,
                     run->final_value + start,
                     run->terminated + start,
                     run->truncated + start,
                     0.99f,
                     0.95f};
    rlt_gae(&in, run->advantage + start, run->ret + start);
    memcpy(run->ppo_obs + start * obs, all_obs, sizeof(float) * horizon * n * obs);
    memcpy(run->ppo_value + start, value, sizeof(float) * horizon * n);
}

rlt_status bench_run_iterate(bench_run *run, double seconds[2], rlt_err *err) {
    double start = run->config.clock(), return_sum = 0;
    rlt_pool_run(run->config.pool, SHARDS, collect, run);
    seconds[0] = run->config.clock() - start;
    int episodes = 0;
    for (int s = 0; s < SHARDS; s++) {
        return_sum += run->shards[s].return_sum;
        episodes += run->shards[s].episodes;
    }
    run->mean_return = episodes > 0 ? return_sum / episodes : run->mean_return;
    rlt_ppo_rows rows = {.rows = (int64_t)run->config.envs * run->config.horizon,
                         .obs = run->ppo_obs,
                         .action = run->action,
                         .log_prob = run->log_prob,
                         .value = run->ppo_value,
                         .advantage = run->advantage,
                         .ret = run->ret};
    rlt_ppo_coef coef = {.clip = 0.2f, .vf_coef = 0.5f};
    rlt_ppo_result result;
    RLT_TRY(
        rlt_ppo_update(run->ppo, run->params, &rows, 1e-3f, &coef, run->iteration, &result, err));
    seconds[1] = run->config.clock() - start - seconds[0];
    run->iteration++;
    return RLT_OK;
}

const rlt_policy_spec *bench_run_spec(const bench_run *run) {
    return &run->spec;
}

double bench_run_return(const bench_run *run) {
    return run->mean_return;
}
