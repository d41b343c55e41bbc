/* env: what an environment is, and N of them stepped in place.
 * An environment is one folder under envs/ and one line in envs/envs.def. Observations are float32
 * rows (one-hot for discrete spaces); a discrete action is one int32, a MULTI_DISCRETE one a row of
 * them, a Box action a row of float32. Thread: a vector environment belongs to one thread. */
#ifndef RLT_ENV_H
#define RLT_ENV_H
#include "core/core.h"

#define RLT_ENV_API_VERSION 3u

typedef enum { RLT_SPACE_DISCRETE, RLT_SPACE_BOX, RLT_SPACE_MULTI_DISCRETE } rlt_space_kind;
typedef struct rlt_space {
    rlt_space_kind kind;
    int size; /* DISCRETE: number of values; BOX: length of the row; MULTI_DISCRETE: of counts */
    const float *low, *high; /* BOX: `size` bounds each, +-INFINITY where open; else NULL */
    const int *counts;       /* MULTI_DISCRETE: number of values of each component; else NULL */
} rlt_space;
enum { RLT_SPACE_COMPONENTS_MAX = 64 }; /* of a MULTI_DISCRETE space */

/* The length of the float row that a vector environment writes for a value of `space`: that of a
 * BOX, the one-hot width of a DISCRETE, the sum of the components' of a MULTI_DISCRETE. */
int rlt_space_width(const rlt_space *space);
/* Turns the index (or indices) at the front of row[width], as reset and step write it, into the
 * one-hot row; an index outside its space, which only a faulty script gives, leaves its component
 * all zero. A BOX stays as it is. */
void rlt_space_expand(const rlt_space *space, float *row);

/* How many environments are stepped at once. SCALAR calls `step` for each; the others call
 * step_many, compiled for no more than the baseline, AVX2 or AVX-512. Results are equal bit for
 * bit in every form. */
typedef enum {
    RLT_ENV_FORM_SCALAR,
    RLT_ENV_FORM_PLAIN,
    RLT_ENV_FORM_AVX2,
    RLT_ENV_FORM_AVX512
} rlt_env_form;
enum { RLT_ENV_LANES = 64, RLT_ENV_LANES_PAD = 8 };

/* What step_many gets: up to RLT_ENV_LANES environments. Field f of lane i's state is word
 * f * RLT_ENV_LANES + i of `state`. The rows of the arrays are as in step. Every array has room
 * for `count` rounded up to RLT_ENV_LANES_PAD rows, which may be read and written. */
typedef struct rlt_env_block {
    rlt_env_form form; /* never SCALAR */
    int count;
    void *state;         /* [state_size / lane_word][RLT_ENV_LANES], 64-byte aligned */
    const void *action;  /* [count] int32, or [count][size] int32 or float */
    float *observation;  /* [count][size], BOX only */
    float *reward;       /* [count] */
    uint8_t *terminated; /* [count], 0 or 1 */
} rlt_env_block;

typedef struct rlt_env_def {
    uint32_t api_version;
    const char *name; /* "CartPole-v1" */
    const char *help;
    rlt_space observation_space;
    int image[3]; /* height, width, channels of a BOX that is an image, its row being
                   * [height][width][channels]; {0}: none */
    rlt_space action_space;
    int max_episode_steps;  /* the time limit: truncates, never terminates; 0 for none */
    float reward_threshold; /* NAN where none is published */
    size_t state_size;      /* bytes of one environment; plain data, copied by memcpy */
    void *context;          /* passed to every slot below; NULL in built-in environments */
    /* Draws an initial state from `rng` and writes the observation: float[size] of a BOX; the
     * index, as a float, of a DISCRETE; an index per component of a MULTI_DISCRETE (the vector
     * environment makes the one-hot row). Required. No allocation. */
    void (*reset)(void *context, void *state, rlt_rng *rng, float *observation);
    /* One step. action: int32[1] or [size] within its values, or float[size], which may lie outside
     * the bounds: the environment clips it as its dynamics say. Returns terminated; writes the next
     * observation, as reset does, and the reward. Required. No allocation, no syscall. */
    bool (*step)(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward);
    /* The same step for many environments whose dynamics draw nothing, bit for bit as `step`
     * does it. Optional; lane_word is then the size in bytes of each field of the state. */
    void (*step_many)(void *context, const rlt_env_block *block);
    size_t lane_word;
    /* Which actions are allowed in a state that is not the end of an episode: writes 0 or 1 for
     * each value of each component, mask[rlt_space_width(&action_space)], at least one 1 a
     * component. Optional; of discrete actions alone. The policy draws nothing else. */
    void (*action_mask)(void *context, const void *state, uint8_t *mask);
    /* Whether a step has failed since the environment was made (a script error). Optional. */
    rlt_status (*status)(void *context, rlt_err *err);
} rlt_env_def;

/* The environment called `name` in `table` (NULL-terminated); RLT_ENOTFOUND names the nearest. */
rlt_status rlt_env_find(const rlt_env_def *const *table, const char *name, const rlt_env_def **def,
                        rlt_err *err);

/* What one vector step writes, rows of the batch slot, all of length N, borrowed.
 * terminated and truncated are kept apart; where either is set the environment has been reset:
 * observation is then the first of the new episode, final_observation the last of the old one. */
typedef struct rlt_step_out {
    float *observation;       /* [N][rlt_space_width(observation space)] */
    float *reward;            /* [N] */
    uint8_t *terminated;      /* [N] */
    uint8_t *truncated;       /* [N], 0 where terminated */
    float *final_observation; /* [N][the same width], written where an episode ended */
    float *episode_return;    /* [N], written where an episode ended (undiscounted sum) */
    int32_t *episode_length;  /* [N], written where an episode ended */
} rlt_step_out;

typedef struct rlt_vec_env rlt_vec_env;
/* `count` environments whose global indices are first .. first + count - 1. Each has its own
 * random stream, keyed by (seed, global index): trajectories don't depend on how the
 * environments are spread over workers. */
rlt_status rlt_vec_env_create(const rlt_env_def *def, int count, uint32_t first, uint64_t seed,
                              rlt_vec_env **vec, rlt_err *err);
void rlt_vec_env_destroy(rlt_vec_env **vec);
/* Starts every environment; writes observation[N][width]. */
void rlt_vec_env_reset(rlt_vec_env *vec, float *observation);
/* Steps every environment. action: [N] int32, or [N][size] int32 or float32. No allocation. */
void rlt_vec_env_step(rlt_vec_env *vec, const void *action, const rlt_step_out *out);
/* Bytes of an action's mask: 0 without action_mask, else the width of the action space. */
int rlt_env_mask_width(const rlt_env_def *def);
/* What each environment allows now, mask[N][width]; nothing without action_mask. */
void rlt_vec_env_mask(rlt_vec_env *vec, uint8_t *mask);
/* The form in use: after create the fastest that the environment and this CPU have. set_form is
 * for tests and benches; RLT_EINVAL where there is no such form here. */
rlt_env_form rlt_vec_env_form(const rlt_vec_env *vec);
rlt_status rlt_vec_env_set_form(rlt_vec_env *vec, rlt_env_form form, rlt_err *err);
const char *rlt_env_form_name(rlt_env_form form);
const rlt_env_def *rlt_vec_env_def(const rlt_vec_env *vec);
/* Copies the state of environment `index` (0 .. count - 1), def->state_size bytes as `step` sees
 * them, e.g. for drawing it. */
void rlt_vec_env_get_state(const rlt_vec_env *vec, int index, void *state);
/* Whether a step has failed since the environment was made (def->status); RLT_OK without it. */
rlt_status rlt_vec_env_status(const rlt_vec_env *vec, rlt_err *err);
/* The whole state as bytes, the same in every form: a loaded vector goes on bit for bit. save
 * writes size bytes; load refuses another size with RLT_ECORRUPT. */
size_t rlt_vec_env_state_size(const rlt_vec_env *vec);
void rlt_vec_env_save(const rlt_vec_env *vec, void *bytes);
rlt_status rlt_vec_env_load(rlt_vec_env *vec, const void *bytes, size_t size, rlt_err *err);
#endif
