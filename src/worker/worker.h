/* worker: what acts: environments and a policy filling segments of experience; and the process
 * that does so for a learner. A rollout is the same code inside the learner (workers = 0).
 * Thread: a rollout belongs to one thread at a time. */
#ifndef RLT_WORKER_H
#define RLT_WORKER_H
#include "batch/batch.h"
#include "config/config.h"
#include "env/env.h"
#include "lua/script.h"
#include "nn/nn.h"

/* What a policy needs to act, one block of floats that travels from learner to workers:
 * params[rlt_policy_param_count], mean[obs_width], 1/std[obs_width]. */
typedef struct rlt_weights_view {
    float *params, *mean, *inv_std;
} rlt_weights_view;
size_t rlt_weights_floats(const rlt_policy_spec *spec);
rlt_weights_view rlt_weights_bind(const rlt_policy_spec *spec, float *block);

/* The network for an environment as the configuration asks; RLT_ECONFIG for what cannot be. */
rlt_status rlt_policy_spec_make(const rlt_run_config *config, const rlt_env_def *def,
                                rlt_policy_spec *spec, rlt_err *err);
/* The actions of an environment as its segments' check sees them. */
rlt_batch_actions rlt_env_batch_actions(const rlt_env_def *def);
/* (obs - mean) * inv_std, clipped to +-clip; out may be obs. */
void rlt_observation_normalise(const float *obs, int rows, int width, const float *mean,
                               const float *inv_std, float clip, float *out);

/* How workers = 0 splits its environments: the same on every machine. */
int rlt_local_parts(int envs);
/* How the learners of one trial share the environments: parts of each learner, environments of a
 * part, the same for all. RLT_ECONFIG where they cannot be shared evenly. */
enum { RLT_WORKERS_MAX = 63 }; /* of one learner: it watches them all at once */
typedef struct rlt_share {
    int learners, parts, envs;
} rlt_share;
rlt_status rlt_share_make(const rlt_run_config *config, rlt_share *share, rlt_err *err);

typedef struct rlt_rollout rlt_rollout;
/* Environments first_env .. first_env + envs - 1 of the run. `def` is borrowed. */
rlt_status rlt_rollout_create(const rlt_run_config *config, const rlt_env_def *def, int envs,
                              uint32_t first_env, rlt_rollout **rollout, rlt_err *err);
void rlt_rollout_destroy(rlt_rollout **rollout);
const rlt_batch_spec *rlt_rollout_batch_spec(const rlt_rollout *rollout);
/* Segment `index` with this policy: header, columns and state after it. No allocation.
 * RLT_ESCRIPT when an environment's script failed. */
rlt_status rlt_rollout_collect(rlt_rollout *rollout, const rlt_weights_view *weights,
                               uint32_t worker, uint64_t index, uint64_t weights_version,
                               rlt_segment *segment, rlt_err *err);
/* Goes on after a segment: state[rlt_segment_state_size] as rlt_segment_keep_state left it. */
rlt_status rlt_rollout_restore(rlt_rollout *rollout, const void *state, rlt_err *err);

/* Where a rollout's actions come from if not from its own policy: act fills action, log_prob and
 * value of row `step` of the segment in progress, whose observations and mask are there, and moves
 * memory[n][memory_width], which the rollout then uses as its own. */
typedef struct rlt_actor {
    rlt_status (*act)(void *user, int step, rlt_err *err);
    void *user;
    float *memory;
} rlt_actor;
void rlt_rollout_act_by(rlt_rollout *rollout, rlt_actor actor);

/* Shared memory in which workers ask their learner for actions (inference = "learner"). */
typedef struct rlt_asking {
    void *shared; /* of rlt_asking_size bytes, zeroed at first, borrowed */
    unsigned char *memory;
    size_t memory_stride;
    int workers;
} rlt_asking;
typedef struct rlt_question { /* whose answer goes into row `step` of the segment in that slot */
    uint64_t index;           /* of the segment */
    uint32_t slot, step;
} rlt_question;
size_t rlt_asking_size(int workers, int envs, int memory_width);
void rlt_asking_bind(void *memory, int workers, int envs, int memory_width, rlt_asking *asking);
float *rlt_asking_memory(const rlt_asking *asking, int worker); /* [envs][memory_width] */
/* The worker: returns when the answer is there. RLT_EINTERRUPTED: the learner has ended. */
rlt_status rlt_ask(const rlt_asking *asking, int worker, rlt_question question, double patience_s,
                   rlt_err *err);
/* The worker: wakes the learner for something else. */
void rlt_asking_ring(const rlt_asking *asking);
/* The learner. wait: until the bell is no more what it was, or a while has passed. */
bool rlt_asked(const rlt_asking *asking, int worker, rlt_question *question);
void rlt_answer(const rlt_asking *asking, int worker);
unsigned rlt_asking_bell(const rlt_asking *asking);
void rlt_asking_wait(const rlt_asking *asking, unsigned bell, int wait_ms);
/* The learner: a dead worker's question; and that nobody will answer any more. */
void rlt_asking_forget(const rlt_asking *asking, int worker);
void rlt_asking_close(const rlt_asking *asking);

/* The environment that a configuration names: built in, or defined in its script. */
typedef struct rlt_env_source {
    const rlt_env_def *def; /* borrowed: valid until close */
    rlt_script *script;     /* NULL for built-in ones */
} rlt_env_source;
/* script: the text that the configuration came from, script_name: for its errors. */
rlt_status rlt_env_source_open(const rlt_run_config *config, const char *script,
                               const char *script_name, const rlt_env_def *const *table,
                               rlt_env_source *source, rlt_err *err);
void rlt_env_source_close(rlt_env_source *source); /* safe on {0} */
/* A concrete configuration out of JSON text. */
rlt_status rlt_run_config_parse(const char *text, rlt_run_config *config, rlt_err *err);

typedef struct rlt_evaluation {
    int episodes;
    double mean, std, min, max, mean_length; /* of the episodes' undiscounted returns */
} rlt_evaluation;
/* Each of `episodes` environments runs its first episode with the most likely actions. returns may
 * be NULL or [episodes]. An episode of an environment without a time limit is cut at 10,000 steps.
 */
rlt_status rlt_evaluate(const rlt_run_config *config, const rlt_env_def *def,
                        const rlt_weights_view *weights, int episodes, uint64_t seed,
                        rlt_evaluation *result, double *returns, rlt_err *err);

/* One episode, step by step, for drawing: the one that rlt_evaluate runs as number `index` of the
 * same seed. `weights` NULL: uniformly random actions (config may then be NULL; a Box action
 * without bounds is drawn from [-1, 1]). Cut at steps_max where > 0. The caller releases it by
 * fini. */
typedef struct rlt_episode {
    int64_t steps;
    unsigned char *states;      /* [steps + 1][state_size], owned: the first as reset left it */
    float *rewards;             /* [steps], owned */
    double total;               /* their sum */
    bool terminated, truncated; /* neither: cut at steps_max */
} rlt_episode;
rlt_status rlt_episode_record(const rlt_run_config *config, const rlt_env_def *def,
                              const rlt_weights_view *weights, uint64_t seed, uint32_t index,
                              int64_t steps_max, rlt_episode *episode, rlt_err *err);
void rlt_episode_fini(rlt_episode *episode); /* safe on {0} */

/* The process: connects to the learner at `endpoint` (keys from the environment), acts until told
 * to stop. shm_fd < 0: segments travel as frames. */
typedef struct rlt_worker_args {
    const char *endpoint;
    uint32_t worker;
    uint64_t epoch;                 /* this incarnation's */
    int segments_fd, weights_fd;    /* -1: frames over the channel */
    int asking_fd;                  /* -1: the worker's own policy acts */
    const rlt_env_def *const *envs; /* the built-in table */
} rlt_worker_args;
rlt_status rlt_worker_run(const rlt_worker_args *args, rlt_err *err);
#endif
