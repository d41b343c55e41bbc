/* worker: one episode kept step by step, so that it can be drawn, its last state included (a vector
 * environment has reset itself by then). Threads: any. Owner: the caller. */
#include "worker/worker_impl.h"

#include <math.h>
#include <string.h>

typedef struct player {
    const rlt_env_def *def;
    const rlt_weights_view *weights;
    rlt_policy_spec spec;
    rlt_policy_workspace *ws;
    bool normalise;
    float clip;
    rlt_rng env_rng, action_rng;
    float *obs, *input, *head, *drawn, *env_action;
    float *memory; /* of a policy that has one */
    uint8_t *mask; /* of an environment that has them, else NULL */
} player;

static rlt_status open_player(player *p, const rlt_run_config *config, rlt_err *err) {
    size_t width = (size_t)rlt_space_width(&p->def->observation_space);
    size_t dim = (size_t)rlt_space_width(&p->def->action_space);
    if (p->weights != NULL) {
        RLT_TRY(rlt_policy_spec_make(config, p->def, &p->spec, err));
        p->normalise = config->normalise.observation;
        p->clip = (float)config->normalise.clip;
        p->ws = rlt_policy_workspace_create(&p->spec);
        p->memory = rlt_alloc(sizeof(float) * (size_t)rlt_policy_state_width(&p->spec));
    }
    p->obs = rlt_alloc(sizeof(float) * width);
    p->input = rlt_alloc(sizeof(float) * width);
    p->head = rlt_alloc(sizeof(float) * dim);
    p->drawn = rlt_alloc(sizeof(float) * dim);
    p->env_action = rlt_alloc(sizeof(float) * dim);
    p->mask = p->def->action_mask != NULL ? rlt_alloc(dim) : NULL;
    return RLT_OK;
}

static void close_player(player *p) {
    float *const all[] = {p->obs, p->input, p->head, p->drawn, p->env_action, p->memory};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
    rlt_free(p->mask);
    rlt_policy_workspace_destroy(&p->ws);
}

/* Any of the `count` values that is allowed. */
static int32_t random_value(player *p, const uint8_t *mask, int count) {
    uint32_t allowed = 0;
    for (int i = 0; i < count; i++) {
        allowed += mask == NULL || mask[i] != 0;
    }
    RLT_ASSERT(allowed > 0);
    uint32_t chosen = rlt_rng_below(&p->action_rng, allowed);
    int32_t value = 0;
    while ((mask != NULL && mask[value] == 0) || chosen-- > 0) {
        value++;
    }
    return value;
}

static const void *random_action(player *p) {
    const rlt_space *space = &p->def->action_space;
    const uint8_t *mask = p->mask;
    if (space->kind != RLT_SPACE_BOX) {
        rlt_batch_actions actions = rlt_env_batch_actions(p->def);
        for (int c = 0; c < actions.components; c++) {
            int32_t value = random_value(p, mask, actions.counts[c]);
            memcpy(&p->drawn[c], &value, sizeof(value));
            mask = mask == NULL ? NULL : mask + actions.counts[c];
        }
        return p->drawn;
    }
    for (int i = 0; i < space->size; i++) {
        float low = isfinite(space->low[i]) ? space->low[i] : -1;
        float high = isfinite(space->high[i]) ? space->high[i] : 1;
        p->drawn[i] = rlt_rng_uniform(&p->action_rng, low, high);
    }
    return p->drawn;
}

static const void *choose_action(player *p) {
    if (p->weights == NULL) {
        return random_action(p);
    }
    const float *input = p->obs;
    if (p->normalise) {
        rlt_observation_normalise(p->obs, 1, p->spec.obs_dim, p->weights->mean, p->weights->inv_std,
                                  p->clip, p->input);
        input = p->input;
    }
    float value;
    rlt_policy_step(p->ws, p->weights->params, input, 1, NULL, p->memory, p->head, &value);
    rlt_policy_mode(&p->spec, p->head, p->mask, 1, p->drawn);
    return rlt_env_actions(p->def, p->spec.squash, p->drawn, 1, p->env_action);
}

static rlt_status env_status(const rlt_env_def *def, rlt_err *err) {
    return def->status != NULL ? def->status(def->context, err) : RLT_OK;
}

static rlt_status play(player *p, int64_t limit, rlt_episode *e, rlt_err *err) {
    const rlt_env_def *def = p->def;
    size_t size = def->state_size;
    unsigned char *state = e->states;
    def->reset(def->context, state, &p->env_rng, p->obs);
    RLT_TRY(env_status(def, err));
    while (!e->terminated && e->steps < limit) {
        rlt_space_expand(&def->observation_space, p->obs);
        if (p->mask != NULL) {
            def->action_mask(def->context, state, p->mask);
            RLT_TRY(env_status(def, err));
        }
        const void *action = choose_action(p);
        memcpy(state + size, state, size);
        state += size;
        float *reward = &e->rewards[e->steps++];
        e->terminated = def->step(def->context, state, &p->env_rng, action, p->obs, reward);
        RLT_TRY(env_status(def, err));
        e->total += (double)*reward;
    }
    e->truncated = !e->terminated && def->max_episode_steps > 0 && limit == def->max_episode_steps;
    return RLT_OK;
}

rlt_status rlt_episode_record(const rlt_run_config *config, const rlt_env_def *def,
                              const rlt_weights_view *weights, uint64_t seed, uint32_t index,
                              int64_t steps_max, rlt_episode *episode, rlt_err *err) {
    player p = {.def = def, .weights = weights};
    p.env_rng = rlt_rng_make(seed, RLT_STREAM_ENV, RLT_FIRST_EVAL_ENV + index);
    p.action_rng = rlt_rng_make(seed, RLT_STREAM_ACTION, RLT_FIRST_EVAL_ENV + index);
    int64_t limit = def->max_episode_steps > 0 ? def->max_episode_steps : RLT_UNLIMITED_STEPS_MAX;
    limit = steps_max > 0 && steps_max < limit ? steps_max : limit;
    *episode = (rlt_episode){0};
    RLT_TRY(open_player(&p, config, err));
    episode->states = rlt_alloc(def->state_size * (size_t)(limit + 1));
    episode->rewards = rlt_alloc(sizeof(float) * (size_t)limit);
    rlt_status status = play(&p, limit, episode, err);
    close_player(&p);
    if (status != RLT_OK) {
        rlt_episode_fini(episode);
    }
    return status;
}

void rlt_episode_fini(rlt_episode *episode) {
    rlt_free(episode->states);
    rlt_free(episode->rewards);
    *episode = (rlt_episode){0};
}
