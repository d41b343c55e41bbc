/* worker: evaluation over fresh episodes with the most likely actions, side by side.
 * Threads: any. Owner: the caller. */
#include "worker/demonstration.h"
#include "worker/worker_impl.h"

#include <math.h>
#include <string.h>

typedef struct eval {
    const rlt_env_def *def;
    const rlt_weights_view *weights;
    rlt_policy_spec spec;
    rlt_vec_env *vec;
    rlt_policy_workspace *ws;
    int n, left;
    bool normalise;
    float clip;
    float *obs, *input, *head, *action, *env_action, *reward, *final_obs, *episode_return;
    float *memory; /* of a policy that has one */
    uint8_t *terminated, *truncated, *done, *mask;
    int32_t *length;
    const rlt_demonstration *demonstration; /* or NULL */
} eval;

static void allocate(eval *e) {
    size_t n = (size_t)e->n, width = (size_t)e->spec.obs_dim, dim = (size_t)e->spec.action_dim;
    float **const of_width[] = {&e->obs, &e->input, &e->final_obs};
    float **const of_dim[] = {&e->head, &e->action, &e->env_action};
    for (size_t i = 0; i < 3; i++) {
        *of_width[i] = rlt_alloc(sizeof(float) * n * width);
        *of_dim[i] = rlt_alloc(sizeof(float) * n * dim);
    }
    e->reward = rlt_alloc(sizeof(float) * n);
    e->episode_return = rlt_alloc(sizeof(float) * n);
    e->length = rlt_alloc(sizeof(int32_t) * n);
    e->terminated = rlt_alloc(n);
    e->truncated = rlt_alloc(n);
    e->done = rlt_alloc(n);
    e->memory = rlt_alloc(sizeof(float) * n * (size_t)rlt_policy_state_width(&e->spec));
    e->mask = e->def->action_mask != NULL ? rlt_alloc(n * dim) : NULL;
    e->ws = rlt_policy_workspace_create(&e->spec);
}

static void release(eval *e) {
    void *const all[] = {e->obs,        e->input,  e->final_obs,      e->head,   e->action,
                         e->env_action, e->reward, e->episode_return, e->length, e->terminated,
                         e->truncated,  e->done,   e->memory,         e->mask};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
    rlt_policy_workspace_destroy(&e->ws);
    rlt_vec_env_destroy(&e->vec);
}

static void demonstrate(const eval *e) {
    size_t bytes = rlt_policy_action_bytes(&e->spec), dim = (size_t)e->spec.action_dim;
    for (int i = 0; i < e->n; i++) {
        if (!e->done[i]) {
            e->demonstration->step(e->demonstration->user, i,
                                   e->obs + (size_t)i * (size_t)e->spec.obs_dim,
                                   (const char *)e->action + (size_t)i * bytes,
                                   e->mask != NULL ? e->mask + (size_t)i * dim : NULL);
        }
    }
}

static void step(eval *e, double *returns, double *length_sum) {
    const float *input = e->obs;
    if (e->normalise) {
        rlt_observation_normalise(e->obs, e->n, e->spec.obs_dim, e->weights->mean,
                                  e->weights->inv_std, e->clip, e->input);
        input = e->input;
    }
    float *value = e->reward; /* not needed here; the step overwrites it */
    rlt_policy_step(e->ws, e->weights->params, input, e->n, NULL, e->memory, e->head, value);
    rlt_vec_env_mask(e->vec, e->mask);
    rlt_policy_mode(&e->spec, e->head, e->mask, e->n, e->action);
    if (e->demonstration != NULL) {
        demonstrate(e);
    }
    rlt_step_out out = {e->obs,       e->reward,         e->terminated, e->truncated,
                        e->final_obs, e->episode_return, e->length};
    rlt_vec_env_step(e->vec,
                     rlt_env_actions(e->def, e->spec.squash, e->action, e->n, e->env_action), &out);
    for (int i = 0; i < e->n; i++) {
        returns[i] += e->done[i] ? 0 : (double)e->reward[i];
        if ((e->terminated[i] || e->truncated[i]) && !e->done[i]) {
            e->done[i] = 1;
            e->left--;
            *length_sum += e->length[i];
        }
    }
}

static rlt_status run(eval *e, double *returns, rlt_evaluation *result, rlt_err *err) {
    double length_sum = 0;
    memset(returns, 0, sizeof(double) * (size_t)e->n);
    rlt_vec_env_reset(e->vec, e->obs);
    bool limited = e->def->max_episode_steps > 0;
    for (int i = 0; e->left > 0 && (limited || i < RLT_UNLIMITED_STEPS_MAX); i++) {
        step(e, returns, &length_sum);
        RLT_TRY(rlt_vec_env_status(e->vec, err));
    }
    double sum = 0, square = 0;
    *result = (rlt_evaluation){.episodes = e->n, .min = INFINITY, .max = -INFINITY};
    for (int i = 0; i < e->n; i++) {
        sum += returns[i];
        result->min = fmin(result->min, returns[i]);
        result->max = fmax(result->max, returns[i]);
    }
    result->mean = sum / e->n;
    for (int i = 0; i < e->n; i++) {
        square += (returns[i] - result->mean) * (returns[i] - result->mean);
    }
    result->std = sqrt(square / (e->n > 1 ? e->n - 1 : 1));
    result->mean_length = length_sum / e->n;
    return RLT_OK;
}

static rlt_status evaluate(const rlt_run_config *config, const rlt_env_def *def,
                           const rlt_weights_view *weights, int episodes, uint64_t seed,
                           const rlt_demonstration *demonstration, rlt_evaluation *result,
                           double *returns, rlt_err *err) {
    if (episodes < 1 || episodes > 1 << 20) {
        return rlt_fail(err, RLT_EINVAL, "%d evaluation episodes; allowed: 1 to %d", episodes,
                        1 << 20);
    }
    eval e = {.def = def,
              .weights = weights,
              .n = episodes,
              .left = episodes,
              .demonstration = demonstration,
              .normalise = config->normalise.observation,
              .clip = (float)config->normalise.clip};
    RLT_TRY(rlt_policy_spec_make(config, def, &e.spec, err));
    RLT_TRY(rlt_vec_env_create(def, episodes, RLT_FIRST_EVAL_ENV, seed, &e.vec, err));
    allocate(&e);
    double *own = returns == NULL ? rlt_alloc(sizeof(double) * (size_t)episodes) : NULL;
    rlt_status status = run(&e, returns == NULL ? own : returns, result, err);
    rlt_free(own);
    release(&e);
    return status;
}

rlt_status rlt_evaluate(const rlt_run_config *config, const rlt_env_def *def,
                        const rlt_weights_view *weights, int episodes, uint64_t seed,
                        rlt_evaluation *result, double *returns, rlt_err *err) {
    return evaluate(config, def, weights, episodes, seed, NULL, result, returns, err);
}

rlt_status rlt_demonstrate(const rlt_run_config *config, const rlt_env_def *def,
                           const rlt_weights_view *weights, int episodes, uint64_t seed,
                           const rlt_demonstration *demonstration, rlt_evaluation *result,
                           rlt_err *err) {
    return evaluate(config, def, weights, episodes, seed, demonstration, result, NULL, err);
}
