/* learner: turns segments of experience into gradients and weight versions; and the process that
 * does so for one trial. Everything that the next iteration depends on is in the trainer and in
 * the state of its source of experience, and both go into checkpoints: a resumed run equals the
 * uninterrupted one bit for bit (I3).
 * Thread: a trainer belongs to one thread; it uses its pool's threads inside a call. */
#ifndef RLT_LEARNER_H
#define RLT_LEARNER_H
#include "algos/ppo/ppo.h"
#include "checkpoint/checkpoint.h"
#include "worker/worker.h"

typedef struct rlt_train_stats {
    int64_t iteration, steps, episodes; /* so far */
    double mean_return, mean_length;    /* of the last 100 episodes; NAN: none yet */
    double policy_loss, value_loss, entropy, approx_kl, clip_fraction,
        grad_norm; /* newest update */
    double explained_variance, lr;
    double staleness; /* versions that the segments lagged, mean */
} rlt_train_stats;

typedef struct rlt_train_figures {
    double valid_loss, valid_accuracy; /* NAN: the algorithm has none */
    bool acts;                         /* there are episodes */
} rlt_train_figures;

typedef struct rlt_trainer rlt_trainer;
/* The environments are `parts` times envs_per_part, part p holding the global indices from
 * p * envs_per_part. team: NULL where this learner is alone. RLT_ECONFIG names the field that
 * cannot be. `def` is borrowed. */
rlt_status rlt_trainer_create(const rlt_run_config *config, const rlt_env_def *def, int parts,
                              int envs_per_part, int threads, const rlt_ppo_team *team,
                              rlt_trainer **trainer, rlt_err *err);
/* bc: a trainer of weights that all networks of a space share, see supernet.h; its policy is that
 * of the configuration. */
rlt_status rlt_trainer_create_supernet(const rlt_run_config *config, const rlt_env_def *def,
                                       int threads, const char *config_json, const char *space_json,
                                       rlt_trainer **trainer, rlt_err *err);
void rlt_trainer_destroy(rlt_trainer **trainer);
/* The newest weights and their version (the first is 1). Borrowed; change with consume. */
rlt_weights_view rlt_trainer_weights(const rlt_trainer *trainer, uint64_t *version);
const rlt_policy_spec *rlt_trainer_policy(const rlt_trainer *trainer);
const char *rlt_trainer_device(const rlt_trainer *trainer); /* "cuda:0"; NULL: the CPU's threads */
rlt_pool *rlt_trainer_pool(const rlt_trainer *trainer);
int64_t rlt_trainer_rows(const rlt_trainer *trainer); /* environment steps of an iteration */
bool rlt_trainer_acts(const rlt_trainer *trainer);    /* whether consume takes segments */
/* One iteration, on segments[parts] of that index (ppo: normalise, advantages, update) or on data
 * of its own (segments NULL), then a new version. No allocation. RLT_EDIVERGED names the term that
 * is not finite. */
rlt_status rlt_trainer_consume(rlt_trainer *trainer, const rlt_segment *segments,
                               rlt_train_stats *stats, rlt_err *err);
const rlt_train_stats *rlt_trainer_stats(const rlt_trainer *trainer);
/* Figures of the newest weights that are made for a report. */
rlt_status rlt_trainer_measure(rlt_trainer *trainer, rlt_train_figures *figures, rlt_err *err);

/* Where experience comes from: rollouts in this process, or worker processes. */
typedef struct rlt_source rlt_source;
typedef struct rlt_source_ops {
    /* New weights; borrowed until the next publish. */
    rlt_status (*publish)(rlt_source *source, const rlt_weights_view *weights, uint64_t version,
                          rlt_err *err);
    /* Waits for segment `index` of every part; *segments stays valid until release. */
    rlt_status (*collect)(rlt_source *source, uint64_t index, const rlt_segment **segments,
                          rlt_err *err);
    /* The segments have been consumed; keeps the state after them for save and restarts. */
    rlt_status (*release)(rlt_source *source, rlt_err *err);
    /* Bytes of a part after its last released segment: [env state][last observation row]. */
    void *(*state)(rlt_source *source, int part, size_t *size);
    /* Goes on from the states that were filled in, with segment `index` next. */
    rlt_status (*restore)(rlt_source *source, uint64_t index, rlt_err *err);
    void (*destroy)(rlt_source *source);
} rlt_source_ops;
struct rlt_source {
    const rlt_source_ops *ops;
    int parts;
    rlt_batch_spec batch; /* of a part */
};
/* Environments first_env .. first_env + envs - 1 of the run, in rlt_local_parts(envs) parts. */
rlt_status rlt_source_local(const rlt_run_config *config, const rlt_env_def *def, int first_env,
                            int envs, rlt_pool *pool, rlt_source **source, rlt_err *err);

/* Writes or reads all of trainer and source (NULL: the trainer does not act). `config_json` and
 * `env` go into the metadata. */
rlt_status rlt_train_save(const rlt_trainer *trainer, rlt_source *source, const char *path,
                          const char *config_json, char sha256[RLT_SHA256_HEX], int64_t *size,
                          rlt_err *err);
/* `weights` (may be "" or NULL): policy, optimiser and normalisers come from that other checkpoint
 * of a network of the same shape, counters and environments from `path`. */
typedef struct rlt_train_origin {
    const char *path, *sha256, *weights, *weights_sha256;
} rlt_train_origin;
rlt_status rlt_train_load(rlt_trainer *trainer, rlt_source *source, const rlt_train_origin *origin,
                          rlt_err *err);
/* A trainer that has not consumed anything takes the weights of another trial's checkpoint, as far
 * as the networks agree (nn/inherit.h), and the state of the normalisers that it uses;
 * *copied: parameters. RLT_ENOTFOUND, RLT_ECORRUPT, RLT_ENOTSUP: it is as it was. */
rlt_status rlt_train_inherit(rlt_trainer *trainer, const char *path, const char *sha256,
                             size_t *copied, rlt_err *err);
/* The policy of a checkpoint alone, for evaluation and rendering: *block is owned by the caller
 * (rlt_free), bound to weights by rlt_weights_bind. */
rlt_status rlt_policy_load(const rlt_checkpoint *checkpoint, const rlt_policy_spec *spec,
                           float **block, rlt_err *err);
#endif
