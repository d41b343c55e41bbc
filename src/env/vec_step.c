/* vec_step: the step of a vector environment, with time limit and auto-reset.
 * Why here: no environment needs to know of either. Thread: the owner's. */
#include "env/forms.h"
#include "env/vec_env_impl.h"

#include <string.h>

static void reset_one(rlt_vec_env *vec, int i, float *observation) {
    const rlt_env_def *def = vec->def;
    void *state = vec->block_size > 0 ? vec->scratch : rlt_vec_env_state_of(vec, i);
    vec->elapsed[i] = 0;
    vec->episode_return[i] = 0;
    def->reset(def->context, state, &vec->rngs[i], observation);
    rlt_vec_env_keep_state(vec, i, state);
    if (def->observation_space.kind != RLT_SPACE_BOX) {
        rlt_space_expand(&def->observation_space, observation);
    }
}

void rlt_vec_env_reset(rlt_vec_env *vec, float *observation) {
    for (int i = 0; i < vec->count; i++) {
        reset_one(vec, i, observation + vec->width * (size_t)i);
    }
}

/* Keeps what the ended episode leaves behind, then starts the next one. */
static void finish_one(rlt_vec_env *vec, int i, const rlt_step_out *out) {
    float *observation = out->observation + vec->width * (size_t)i;
    memcpy(out->final_observation + vec->width * (size_t)i, observation,
           vec->width * sizeof(float));
    out->episode_return[i] = vec->episode_return[i];
    out->episode_length[i] = vec->elapsed[i];
    reset_one(vec, i, observation);
}

static void step_scalar(rlt_vec_env *vec, const void *action, const rlt_step_out *out) {
    const rlt_env_def *def = vec->def;
    for (int i = 0; i < vec->count; i++) {
        const unsigned char *row = (const unsigned char *)action + vec->action_size * (size_t)i;
        float *observation = out->observation + vec->width * (size_t)i;
        void *state = rlt_vec_env_state_of(vec, i);
        bool terminated =
            def->step(def->context, state, &vec->rngs[i], row, observation, &out->reward[i]);
        rlt_vec_env_keep_state(vec, i, state);
        if (def->observation_space.kind != RLT_SPACE_BOX) {
            rlt_space_expand(&def->observation_space, observation);
        }
        vec->elapsed[i]++;
        vec->episode_return[i] += out->reward[i];
        out->terminated[i] = terminated;
        out->truncated[i] = !terminated && vec->elapsed[i] >= vec->limit;
        if (out->terminated[i] || out->truncated[i]) {
            finish_one(vec, i, out);
        }
    }
}

/* Counts the step of `count` environments. Always inlined, to be compiled for each form. */
static inline __attribute__((always_inline)) void
account_body(int count, int32_t limit, const float *restrict reward,
             const uint8_t *restrict terminated, int32_t *restrict elapsed,
             float *restrict episode_return, uint8_t *restrict truncated) {
    for (int i = 0; i < count; i++) {
        elapsed[i]++;
        episode_return[i] += reward[i];
    }
    for (int i = 0; i < count; i++) {
        truncated[i] = (elapsed[i] >= limit) & (terminated[i] ^ 1);
    }
}

static void account_plain(int count, int32_t limit, const float *reward, const uint8_t *terminated,
                          int32_t *elapsed, float *episode_return, uint8_t *truncated) {
    account_body(count, limit, reward, terminated, elapsed, episode_return, truncated);
}

RLT_TARGET_AVX2 static void account_avx2(int count, int32_t limit, const float *reward,
                                         const uint8_t *terminated, int32_t *elapsed,
                                         float *episode_return, uint8_t *truncated) {
    account_body(count, limit, reward, terminated, elapsed, episode_return, truncated);
}

RLT_TARGET_AVX512 static void account_avx512(int count, int32_t limit, const float *reward,
                                             const uint8_t *terminated, int32_t *elapsed,
                                             float *episode_return, uint8_t *truncated) {
    account_body(count, limit, reward, terminated, elapsed, episode_return, truncated);
}

/* The same for the environments from `first` on, in the form in use. */
static void account(rlt_vec_env *vec, size_t first, int count, const float *reward,
                    const uint8_t *terminated, uint8_t *truncated) {
    int32_t *elapsed = vec->elapsed + first;
    float *episode_return = vec->episode_return + first;
    if (vec->form == RLT_ENV_FORM_AVX512) {
        account_avx512(count, vec->limit, reward, terminated, elapsed, episode_return, truncated);
    } else if (vec->form == RLT_ENV_FORM_AVX2) {
        account_avx2(count, vec->limit, reward, terminated, elapsed, episode_return, truncated);
    } else {
        account_plain(count, vec->limit, reward, terminated, elapsed, episode_return, truncated);
    }
}

/* Ends the episodes that are over, found eight at a time. */
static void finish_block(rlt_vec_env *vec, int first, int count, const rlt_step_out *out) {
    for (int at = 0; at < count; at += 8) {
        uint64_t terminated = 0, truncated = 0;
        size_t bytes = (size_t)(count - at < 8 ? count - at : 8);
        memcpy(&terminated, out->terminated + first + at, bytes);
        memcpy(&truncated, out->truncated + first + at, bytes);
        for (uint64_t over = terminated | truncated; over != 0; over &= over - 1) {
            finish_one(vec, first + at + __builtin_ctzll(over) / 8, out);
        }
    }
}

static void step_whole(rlt_vec_env *vec, int first, int count, const void *action,
                       const rlt_step_out *out) {
    size_t at = (size_t)first;
    rlt_env_block block = {
        .form = vec->form,
        .count = count,
        .state = vec->states + vec->block_size * (at / RLT_ENV_LANES),
        .action = (const unsigned char *)action + vec->action_size * at,
        .observation = out->observation + vec->width * at,
        .reward = out->reward + at,
        .terminated = out->terminated + at,
    };
    vec->def->step_many(vec->def->context, &block);
    account(vec, at, count, block.reward, block.terminated, out->truncated + at);
    finish_block(vec, first, count, out);
}

/* A last block whose rows end within a vector goes through rows of the vector environment's own. */
static void step_tail(rlt_vec_env *vec, int first, int count, const void *action,
                      const rlt_step_out *out) {
    size_t at = (size_t)first, rows = (size_t)count;
    rlt_env_block block = vec->tail;
    block.form = vec->form;
    block.count = count;
    block.state = vec->states + vec->block_size * (at / RLT_ENV_LANES);
    memcpy((void *)block.action, (const unsigned char *)action + vec->action_size * at,
           vec->action_size * rows);
    vec->def->step_many(vec->def->context, &block);
    account(vec, at, count, block.reward, block.terminated, vec->tail_truncated);
    memcpy(out->observation + vec->width * at, block.observation,
           sizeof(float) * vec->width * rows);
    memcpy(out->reward + at, block.reward, sizeof(float) * rows);
    memcpy(out->terminated + at, block.terminated, rows);
    memcpy(out->truncated + at, vec->tail_truncated, rows);
    finish_block(vec, first, count, out);
}

void rlt_vec_env_step(rlt_vec_env *vec, const void *action, const rlt_step_out *out) {
    if (vec->form == RLT_ENV_FORM_SCALAR) {
        step_scalar(vec, action, out);
        return;
    }
    for (int first = 0; first < vec->count; first += RLT_ENV_LANES) {
        int left = vec->count - first;
        if (left >= RLT_ENV_LANES) {
            step_whole(vec, first, RLT_ENV_LANES, action, out);
        } else if (left % RLT_ENV_LANES_PAD == 0) {
            step_whole(vec, first, left, action, out);
        } else {
            step_tail(vec, first, left, action, out);
        }
    }
}

void rlt_vec_env_mask(rlt_vec_env *vec, uint8_t *mask) {
    const rlt_env_def *def = vec->def;
    size_t width = (size_t)rlt_env_mask_width(def);
    for (int i = 0; width > 0 && i < vec->count; i++) {
        def->action_mask(def->context, rlt_vec_env_state_of(vec, i), mask + width * (size_t)i);
    }
}
