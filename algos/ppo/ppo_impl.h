/* Private to algos/ppo. */
#ifndef RLT_PPO_IMPL_H
#define RLT_PPO_IMPL_H
#include "algos/ppo/ppo.h"

/* Work is cut into a fixed number of parts, whatever the number of threads, and partial sums are
 * added in a fixed order: results do not depend on threads. */
enum { RLT_PPO_SHARDS = 4, RLT_PPO_CHUNKS = 8, RLT_PPO_EPOCHS_AHEAD = 4 };

typedef struct rlt_ppo_shard { /* a part of the minibatch, gathered, and its partial gradient */
    rlt_policy_workspace *workspace;
    float *obs, *log_prob, *value, *advantage, *ret; /* [rows][obs_dim] and [rows] */
    unsigned char *action, *reset, *mask;            /* mask: NULL where rows have none */
    float *memory;
    float *grad; /* [param_count] */
    rlt_ppo_stats stats;
} rlt_ppo_shard;

/* The advantages of one minibatch are normalised to (x - mean) * scale. */
typedef struct rlt_ppo_moments {
    float mean, scale;
} rlt_ppo_moments;

typedef struct rlt_ppo_minibatch {
    const rlt_ppo_rows *rows;
    const uint32_t *order;       /* [n] sequences */
    int64_t n, steps, sequences; /* of the minibatch; rows of each; of the whole batch */
    rlt_ppo_moments moments;
} rlt_ppo_minibatch;

/* RLT_EDIVERGED with the name of what is not finite: a term of the loss by its RLT_SUM_*, or
 * RLT_SUM_COUNT for the gradient's norm. step: of the optimiser, the one that was not taken. */
rlt_status rlt_ppo_diverged(int term, double value, int64_t iteration, int64_t step, rlt_err *err);

/* The update on a device. Takes the device over, also when it fails. */
typedef struct rlt_ppo_on_device rlt_ppo_on_device;
rlt_status rlt_ppo_on_device_create(rlt_device *device, const rlt_policy_spec *spec,
                                    const rlt_ppo_options *options, int64_t rows_max,
                                    rlt_ppo_on_device **made, rlt_err *err);
void rlt_ppo_on_device_destroy(rlt_ppo_on_device **on);
/* *step: the optimiser's, moved. */
rlt_status rlt_ppo_on_device_update(rlt_ppo_on_device *on, float *params, const rlt_ppo_rows *rows,
                                    float lr, const rlt_ppo_coef *coef, int64_t iteration,
                                    int64_t *step, rlt_ppo_result *result, rlt_err *err);
float *rlt_ppo_on_device_moments(rlt_ppo_on_device *on); /* [2][param_count], host */

struct rlt_ppo {
    rlt_policy_spec spec;
    rlt_ppo_options options;
    int64_t rows_max, step;
    int64_t steps, taken; /* rows of a sequence; sequences of a minibatch */
    rlt_pool *pool;
    rlt_ppo_on_device *on_device; /* NULL: what follows is used */
    size_t param_count;
    rlt_policy_packed *packed; /* of the parameters as they are, within an update */
    float *moments;            /* [2][param_count], the optimiser's */
    rlt_ppo_shard shards[RLT_PPO_SHARDS];
    /* With a team: this member computes shards first_shard .. + shards_taken - 1, and what all
     * members give each other is [count][team_bytes]: a gradient, then their shards' statistics. */
    int first_shard, shards_taken;
    size_t team_bytes;
    unsigned char *team_blocks;
    uint32_t *order;           /* [RLT_PPO_EPOCHS_AHEAD][sequences] */
    rlt_ppo_moments *measured; /* [RLT_PPO_EPOCHS_AHEAD][minibatches] */
};

int64_t rlt_ppo_minibatch_count(const rlt_ppo *ppo, int64_t sequences);
/* Of a gradient in a team's block: what follows is aligned for doubles. */
size_t rlt_ppo_gradient_bytes(const rlt_ppo *ppo);
rlt_status rlt_ppo_threads_update(rlt_ppo *ppo, float *params, const rlt_ppo_rows *rows, float lr,
                                  const rlt_ppo_coef *coef, int64_t iteration,
                                  rlt_ppo_result *result, rlt_err *err);

/* A permutation of 0 .. count - 1, a function of (seed, iteration, epoch) alone. */
void rlt_ppo_shuffle(uint64_t seed, int64_t iteration, int64_t epoch, uint32_t count,
                     uint32_t *order);
/* Of the advantages of the minibatch; the standard deviation is the unbiased one plus 1e-8. */
rlt_ppo_moments rlt_ppo_measure(const float *advantage, const rlt_ppo_minibatch *minibatch);
/* Copies sequences order[first .. first + n - 1] of the minibatch, advantages normalised. */
void rlt_ppo_gather(const rlt_policy_spec *spec, const rlt_ppo_minibatch *minibatch, int64_t first,
                    int64_t n, rlt_ppo_shard *shard);
#endif
