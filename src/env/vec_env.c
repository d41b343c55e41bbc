/* vec_env: N environments stepped in place, with time limit and auto-reset.
 * Why here: no environment needs to know of either. Thread: the owner's. */
#include "env/env.h"

#include <string.h>

typedef struct env_slot {
    rlt_rng rng;
    int32_t elapsed;
    float episode_return;
} env_slot;

struct rlt_vec_env {
    const rlt_env_def *def;
    int count, limit;   /* limit: the time limit, INT32_MAX for none */
    size_t width;       /* of an observation row */
    size_t action_size; /* bytes of one environment's action */
    size_t stride;      /* bytes of one environment's state, 16-byte aligned */
    env_slot *slots;    /* [count] */
    unsigned char *states;
};

enum { ENVS_MAX = 1 << 20 };

rlt_status rlt_env_find(const rlt_env_def *const *table, const char *name, const rlt_env_def **def,
                        rlt_err *err) {
    const char *names[256];
    size_t count = 0;
    for (; table[count] != NULL; count++) {
        RLT_ASSERT(count < RLT_COUNT(names));
        if (strcmp(table[count]->name, name) == 0) {
            *def = table[count];
            return RLT_OK;
        }
        names[count] = table[count]->name;
    }
    const char *nearest = rlt_str_nearest(name, names, count);
    return rlt_fail(err, RLT_ENOTFOUND, "unknown environment '%s'%s%s%s; `rltune envs` lists all",
                    name, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                    nearest ? "'?)" : "");
}

int rlt_space_width(const rlt_space *space) {
    if (space->kind != RLT_SPACE_MULTI_DISCRETE) {
        return space->size;
    }
    int width = 0;
    for (int c = 0; c < space->size; c++) {
        width += space->counts[c];
    }
    return width;
}

rlt_status rlt_vec_env_create(const rlt_env_def *def, int count, uint32_t first, uint64_t seed,
                              rlt_vec_env **vec, rlt_err *err) {
    RLT_ASSERT(def->api_version == RLT_ENV_API_VERSION);
    RLT_ASSERT(def->action_space.kind != RLT_SPACE_MULTI_DISCRETE);
    RLT_ASSERT(def->observation_space.kind != RLT_SPACE_MULTI_DISCRETE ||
               def->observation_space.size <= RLT_SPACE_COMPONENTS_MAX);
    if (count < 1 || count > ENVS_MAX) {
        return rlt_fail(err, RLT_EINVAL, "%s: %d environments; allowed: 1 to %d", def->name, count,
                        ENVS_MAX);
    }
    rlt_vec_env *made = rlt_alloc(sizeof(*made));
    made->def = def;
    made->count = count;
    made->limit = def->max_episode_steps > 0 ? def->max_episode_steps : INT32_MAX;
    made->width = (size_t)rlt_space_width(&def->observation_space);
    made->action_size = def->action_space.kind == RLT_SPACE_DISCRETE
                            ? sizeof(int32_t)
                            : sizeof(float) * (size_t)def->action_space.size;
    made->stride = (def->state_size + 15) / 16 * 16;
    made->slots = rlt_alloc(sizeof(env_slot) * (size_t)count);
    made->states = rlt_alloc(made->stride * (size_t)count);
    for (int i = 0; i < count; i++) {
        made->slots[i].rng = rlt_rng_make(seed, RLT_STREAM_ENV, first + (uint32_t)i);
    }
    *vec = made;
    return RLT_OK;
}

void rlt_vec_env_destroy(rlt_vec_env **vec) {
    if (*vec != NULL) {
        rlt_free((*vec)->slots);
        rlt_free((*vec)->states);
        rlt_free(*vec);
        *vec = NULL;
    }
}

/* Turns the index (or indices) at the front of `row` into the one-hot row. An index outside its
 * space, which only a faulty script gives, leaves its component all zero. */
static void expand(const rlt_space *space, float *row, size_t width) {
    float index[RLT_SPACE_COMPONENTS_MAX];
    bool single = space->kind == RLT_SPACE_DISCRETE;
    int components = single ? 1 : space->size;
    memcpy(index, row, sizeof(float) * (size_t)components);
    memset(row, 0, sizeof(float) * width);
    for (int c = 0; c < components; c++) {
        int values = single ? space->size : space->counts[c];
        if (index[c] >= 0.0f && index[c] < (float)values) {
            row[(int)index[c]] = 1.0f;
        }
        row += values;
    }
}

static void reset_one(rlt_vec_env *vec, int i, float *observation) {
    env_slot *slot = &vec->slots[i];
    slot->elapsed = 0;
    slot->episode_return = 0;
    vec->def->reset(vec->def->context, vec->states + vec->stride * (size_t)i, &slot->rng,
                    observation);
    if (vec->def->observation_space.kind != RLT_SPACE_BOX) {
        expand(&vec->def->observation_space, observation, vec->width);
    }
}

void rlt_vec_env_reset(rlt_vec_env *vec, float *observation) {
    size_t size = vec->width;
    for (int i = 0; i < vec->count; i++) {
        reset_one(vec, i, observation + size * (size_t)i);
    }
}

/* Keeps what the ended episode leaves behind, then starts the next one. */
static void finish_one(rlt_vec_env *vec, int i, const rlt_step_out *out) {
    size_t size = vec->width;
    float *observation = out->observation + size * (size_t)i;
    memcpy(out->final_observation + size * (size_t)i, observation, size * sizeof(float));
    out->episode_return[i] = vec->slots[i].episode_return;
    out->episode_length[i] = vec->slots[i].elapsed;
    reset_one(vec, i, observation);
}

void rlt_vec_env_step(rlt_vec_env *vec, const void *action, const rlt_step_out *out) {
    const rlt_env_def *def = vec->def;
    size_t size = vec->width;
    for (int i = 0; i < vec->count; i++) {
        env_slot *slot = &vec->slots[i];
        const unsigned char *row = (const unsigned char *)action + vec->action_size * (size_t)i;
        bool terminated = def->step(def->context, vec->states + vec->stride * (size_t)i, &slot->rng,
                                    row, out->observation + size * (size_t)i, &out->reward[i]);
        if (def->observation_space.kind != RLT_SPACE_BOX) {
            expand(&def->observation_space, out->observation + size * (size_t)i, size);
        }
        slot->elapsed++;
        slot->episode_return += out->reward[i];
        out->terminated[i] = terminated;
        out->truncated[i] = !terminated && slot->elapsed >= vec->limit;
        if (out->terminated[i] || out->truncated[i]) {
            finish_one(vec, i, out);
        }
    }
}

rlt_status rlt_vec_env_status(const rlt_vec_env *vec, rlt_err *err) {
    return vec->def->status == NULL ? RLT_OK : vec->def->status(vec->def->context, err);
}

size_t rlt_vec_env_state_size(const rlt_vec_env *vec) {
    return (sizeof(env_slot) + vec->stride) * (size_t)vec->count;
}

void rlt_vec_env_save(const rlt_vec_env *vec, void *bytes) {
    size_t slots = sizeof(env_slot) * (size_t)vec->count;
    memcpy(bytes, vec->slots, slots);
    memcpy((unsigned char *)bytes + slots, vec->states, vec->stride * (size_t)vec->count);
}

rlt_status rlt_vec_env_load(rlt_vec_env *vec, const void *bytes, size_t size, rlt_err *err) {
    if (size != rlt_vec_env_state_size(vec)) {
        return rlt_fail(err, RLT_ECORRUPT,
                        "%s: the saved environments take %zu bytes, %zu were expected",
                        vec->def->name, size, rlt_vec_env_state_size(vec));
    }
    size_t slots = sizeof(env_slot) * (size_t)vec->count;
    memcpy(vec->slots, bytes, slots);
    memcpy(vec->states, (const unsigned char *)bytes + slots, vec->stride * (size_t)vec->count);
    return RLT_OK;
}
