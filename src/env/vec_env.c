/* vec_env: what a vector environment is made of, its states, their saved form.
 * Thread: the owner's. Owner: the creator. */
#include "env/vec_env_impl.h"

#include <string.h>

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

int rlt_env_mask_width(const rlt_env_def *def) {
    return def->action_mask != NULL ? rlt_space_width(&def->action_space) : 0;
}

void rlt_space_expand(const rlt_space *space, float *row) {
    float index[RLT_SPACE_COMPONENTS_MAX];
    bool single = space->kind == RLT_SPACE_DISCRETE;
    int components = single ? 1 : space->size;
    if (space->kind == RLT_SPACE_BOX) {
        return;
    }
    memcpy(index, row, sizeof(float) * (size_t)components);
    memset(row, 0, sizeof(float) * (size_t)rlt_space_width(space));
    for (int c = 0; c < components; c++) {
        int values = single ? space->size : space->counts[c];
        if (index[c] >= 0.0f && index[c] < (float)values) {
            row[(int)index[c]] = 1.0f;
        }
        row += values;
    }
}

static void check_def(const rlt_env_def *def) {
    RLT_ASSERT(def->api_version == RLT_ENV_API_VERSION);
    RLT_ASSERT(def->action_space.kind != RLT_SPACE_MULTI_DISCRETE ||
               def->action_space.size <= RLT_SPACE_COMPONENTS_MAX);
    RLT_ASSERT(def->action_space.kind != RLT_SPACE_BOX || def->action_mask == NULL);
    RLT_ASSERT(def->image[0] == 0 ||
               (def->observation_space.kind == RLT_SPACE_BOX &&
                def->image[0] * def->image[1] * def->image[2] == def->observation_space.size));
    RLT_ASSERT(def->observation_space.kind != RLT_SPACE_MULTI_DISCRETE ||
               def->observation_space.size <= RLT_SPACE_COMPONENTS_MAX);
    if (def->step_many != NULL) {
        RLT_ASSERT(def->observation_space.kind == RLT_SPACE_BOX);
        RLT_ASSERT(def->lane_word == 4 || def->lane_word == 8);
        RLT_ASSERT(def->state_size % def->lane_word == 0);
    }
}

static bool form_available(const rlt_env_def *def, rlt_env_form form) {
    if (form == RLT_ENV_FORM_SCALAR || def->step_many == NULL) {
        return form == RLT_ENV_FORM_SCALAR;
    }
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (form == RLT_ENV_FORM_AVX512) {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    }
    if (form == RLT_ENV_FORM_AVX2) {
        return __builtin_cpu_supports("avx2");
    }
#endif
    return form == RLT_ENV_FORM_PLAIN;
}

static size_t blocks_of(const rlt_vec_env *vec) {
    return ((size_t)vec->count + RLT_ENV_LANES - 1) / RLT_ENV_LANES;
}

static void allocate_blocks(rlt_vec_env *vec) {
    vec->block_size = vec->def->state_size * RLT_ENV_LANES;
    vec->states = rlt_alloc(vec->block_size * blocks_of(vec));
    vec->tail.action = rlt_alloc(vec->action_size * RLT_ENV_LANES);
    vec->tail.observation = rlt_alloc(sizeof(float) * vec->width * RLT_ENV_LANES);
    vec->tail.reward = rlt_alloc(sizeof(float) * RLT_ENV_LANES);
    vec->tail.terminated = rlt_alloc(RLT_ENV_LANES);
    vec->tail_truncated = rlt_alloc(RLT_ENV_LANES);
}

rlt_status rlt_vec_env_create(const rlt_env_def *def, int count, uint32_t first, uint64_t seed,
                              rlt_vec_env **vec, rlt_err *err) {
    check_def(def);
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
                            : 4 * (size_t)def->action_space.size; /* int32 or float */
    made->stride = (def->state_size + 15) / 16 * 16;
    made->scratch = rlt_alloc(made->stride);
    made->rngs = rlt_alloc(sizeof(rlt_rng) * (size_t)count);
    made->elapsed = rlt_alloc(sizeof(int32_t) * RLT_ENV_LANES * blocks_of(made));
    made->episode_return = rlt_alloc(sizeof(float) * RLT_ENV_LANES * blocks_of(made));
    if (def->step_many != NULL) {
        allocate_blocks(made);
    } else {
        made->states = rlt_alloc(made->stride * (size_t)count);
    }
    for (int i = 0; i < count; i++) {
        made->rngs[i] = rlt_rng_make(seed, RLT_STREAM_ENV, first + (uint32_t)i);
    }
    made->form = RLT_ENV_FORM_AVX512;
    while (!form_available(def, made->form)) {
        made->form--;
    }
    *vec = made;
    return RLT_OK;
}

void rlt_vec_env_destroy(rlt_vec_env **vec) {
    rlt_vec_env *v = *vec;
    if (v == NULL) {
        return;
    }
    void *all[] = {v->rngs,
                   v->elapsed,
                   v->episode_return,
                   v->states,
                   v->scratch,
                   (void *)v->tail.action,
                   v->tail.observation,
                   v->tail.reward,
                   v->tail.terminated,
                   v->tail_truncated,
                   v};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
    *vec = NULL;
}

const rlt_env_def *rlt_vec_env_def(const rlt_vec_env *vec) {
    return vec->def;
}

rlt_env_form rlt_vec_env_form(const rlt_vec_env *vec) {
    return vec->form;
}

const char *rlt_env_form_name(rlt_env_form form) {
    static const char *const names[] = {"scalar", "plain", "avx2", "avx512"};
    return names[form];
}

rlt_status rlt_vec_env_set_form(rlt_vec_env *vec, rlt_env_form form, rlt_err *err) {
    if (!form_available(vec->def, form)) {
        return rlt_fail(err, RLT_EINVAL, "%s has no %s form on this CPU", vec->def->name,
                        rlt_env_form_name(form));
    }
    vec->form = form;
    return RLT_OK;
}

rlt_status rlt_vec_env_status(const rlt_vec_env *vec, rlt_err *err) {
    return vec->def->status == NULL ? RLT_OK : vec->def->status(vec->def->context, err);
}

/* The first word of environment i's state within its block. */
static unsigned char *lane_of(const rlt_vec_env *vec, int i) {
    return vec->states + vec->block_size * (size_t)(i / RLT_ENV_LANES) +
           vec->def->lane_word * (size_t)(i % RLT_ENV_LANES);
}

/* Copies `words` words of 8 or 4 bytes, `from_step` and `to_step` words apart. */
static void copy_words(unsigned char *to, size_t to_step, const unsigned char *from,
                       size_t from_step, size_t words, size_t word) {
    for (size_t w = 0; w < words && word == 8; w++) {
        memcpy(to + w * to_step * 8, from + w * from_step * 8, 8);
    }
    for (size_t w = 0; w < words && word == 4; w++) {
        memcpy(to + w * to_step * 4, from + w * from_step * 4, 4);
    }
}

void rlt_vec_env_get_state(const rlt_vec_env *vec, int i, void *state) {
    RLT_ASSERT(i >= 0 && i < vec->count);
    size_t size = vec->def->state_size, word = vec->def->lane_word;
    if (vec->block_size == 0) {
        memcpy(state, vec->states + vec->stride * (size_t)i, size);
    } else {
        copy_words(state, 1, lane_of(vec, i), RLT_ENV_LANES, size / word, word);
    }
}

void *rlt_vec_env_state_of(rlt_vec_env *vec, int i) {
    if (vec->block_size == 0) {
        return vec->states + vec->stride * (size_t)i;
    }
    rlt_vec_env_get_state(vec, i, vec->scratch);
    return vec->scratch;
}

void rlt_vec_env_keep_state(rlt_vec_env *vec, int i, const void *state) {
    size_t size = vec->def->state_size, word = vec->def->lane_word;
    if (vec->block_size > 0) {
        copy_words(lane_of(vec, i), RLT_ENV_LANES, state, 1, size / word, word);
    }
}

/* Saved: rng, elapsed, episode_return and state of each environment in turn. */
static size_t saved_size(const rlt_vec_env *vec) {
    return sizeof(rlt_rng) + sizeof(int32_t) + sizeof(float) + vec->def->state_size;
}

size_t rlt_vec_env_state_size(const rlt_vec_env *vec) {
    return saved_size(vec) * (size_t)vec->count;
}

void rlt_vec_env_save(const rlt_vec_env *vec, void *bytes) {
    unsigned char *at = bytes;
    for (int i = 0; i < vec->count; i++, at += saved_size(vec)) {
        memcpy(at, &vec->rngs[i], sizeof(rlt_rng));
        memcpy(at + sizeof(rlt_rng), &vec->elapsed[i], 4);
        memcpy(at + sizeof(rlt_rng) + 4, &vec->episode_return[i], 4);
        rlt_vec_env_get_state(vec, i, at + sizeof(rlt_rng) + 8);
    }
}

rlt_status rlt_vec_env_load(rlt_vec_env *vec, const void *bytes, size_t size, rlt_err *err) {
    if (size != rlt_vec_env_state_size(vec)) {
        return rlt_fail(err, RLT_ECORRUPT,
                        "%s: the saved environments take %zu bytes, %zu were expected",
                        vec->def->name, size, rlt_vec_env_state_size(vec));
    }
    const unsigned char *at = bytes;
    for (int i = 0; i < vec->count; i++, at += saved_size(vec)) {
        memcpy(&vec->rngs[i], at, sizeof(rlt_rng));
        memcpy(&vec->elapsed[i], at + sizeof(rlt_rng), 4);
        memcpy(&vec->episode_return[i], at + sizeof(rlt_rng) + 4, 4);
        memcpy(rlt_vec_env_state_of(vec, i), at + sizeof(rlt_rng) + 8, vec->def->state_size);
        rlt_vec_env_keep_state(vec, i, vec->scratch);
    }
    return RLT_OK;
}
