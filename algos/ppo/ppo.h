/* ppo: the update of proximal policy optimisation (Schulman et al. 2017) on one prepared batch:
 * epochs of shuffled minibatches, clipped losses, global-norm clipping, optimiser step, early end
 * by target KL. Uses the pool's threads; the result does not depend on how many there are.
 * On the CPU by shards and threads; on a device as a graph of operations with one wait an update.
 * Thread: the caller's plus the pool's. No allocation after create (on a device: after the first
 * update of a size). */
#ifndef RLT_PPO_H
#define RLT_PPO_H
#include "nn/device.h"

/* Learners that compute one update together, each a part of every minibatch's gradient; all have
 * the whole batch and make the same step. all[count][bytes]: the blocks of all, by rank. */
typedef struct rlt_ppo_team {
    int rank, count; /* 1, 2 or 4; 0: alone */
    rlt_status (*all_gather)(void *user, const void *mine, void *all, size_t bytes, rlt_err *err);
    void *user;
} rlt_ppo_team;

typedef struct rlt_ppo_options {
    int64_t epochs, minibatch; /* rows; the last minibatch of an epoch may be smaller */
    int steps; /* rows of a sequence, which a minibatch takes whole: the horizon of a policy with
                * memory; 0 or 1: rows are independent */
    bool norm_advantage; /* per minibatch */
    bool masked;         /* rows come with masks */
    float max_grad_norm; /* 0: not clipped */
    float target_kl;     /* 0: no limit; else epochs end when approx_kl > 1.5 * target */
    rlt_optimiser_spec optimiser;
    uint64_t seed;
    rlt_ppo_team team;
    rlt_device *device; /* taken over, also by a create that fails; NULL: the CPU's threads */
} rlt_ppo_options;

typedef struct rlt_ppo_rows { /* the prepared batch, all borrowed */
    int64_t rows;
    const float *obs;   /* [rows][obs_dim], normalised as the policy saw it */
    const void *action; /* [rows] int32, [rows][component_count] or [rows][action_dim] float32 */
    const float *log_prob, *value, *advantage, *ret; /* [rows] */
    /* With sequences, row step * sequences + sequence: whether a row begins an episode, and the
     * memory before each sequence's first row. */
    const uint8_t *reset; /* [rows] */
    const float *memory;  /* [sequences][rlt_policy_state_width] */
    const uint8_t *mask;  /* [rows][action_dim] where options.masked, as rlt_policy_sample's */
} rlt_ppo_rows;

typedef struct rlt_ppo_result { /* means over the rows trained on */
    double policy_loss, value_loss, entropy, approx_kl, clip_fraction, grad_norm;
    int64_t epochs; /* begun; fewer than asked for after target_kl */
} rlt_ppo_result;

typedef struct rlt_ppo rlt_ppo;
/* Borrows pool (may be NULL: the caller's thread alone). rows_max: the largest batch. */
rlt_status rlt_ppo_create(const rlt_policy_spec *spec, const rlt_ppo_options *options,
                          int64_t rows_max, rlt_pool *pool, rlt_ppo **ppo, rlt_err *err);
void rlt_ppo_destroy(rlt_ppo **ppo);
/* One update of params[rlt_policy_param_count] in place. `iteration` keys the shuffles; lr and
 * coef.clip are this update's. RLT_EDIVERGED names the term that is not finite; params are then
 * those before the offending optimiser step. */
rlt_status rlt_ppo_update(rlt_ppo *ppo, float *params, const rlt_ppo_rows *rows, float lr,
                          const rlt_ppo_coef *coef, int64_t iteration, rlt_ppo_result *result,
                          rlt_err *err);
/* The optimiser's state, for checkpoints: `count` floats (moments) and its step. What is written
 * there counts from the next update on. */
float *rlt_ppo_state(rlt_ppo *ppo, size_t *count);
int64_t *rlt_ppo_step(rlt_ppo *ppo);
#endif
