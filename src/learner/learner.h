/* learner: one PPO training run with its environments in this process (workers = 0).
 * Collects `horizon` steps of `envs` environments, then updates; repeats. Everything that the
 * next iteration depends on is in the run, so the same configuration and seed give the same bits.
 * Thread: the caller's. */
#ifndef RLT_LEARNER_H
#define RLT_LEARNER_H
#include "env/env.h"
#include "nn/nn.h"

typedef struct rlt_ppo_config {
    int envs, horizon, epochs, minibatch; /* minibatch rows divide envs * horizon */
    int64_t steps;                        /* the anneal ends here */
    uint64_t seed;
    float lr, gamma, lambda, clip, vf_clip, vf_coef, ent_coef, grad_norm_max, adam_eps;
    float log_std_init;
    bool anneal;         /* lr and clip fall linearly to 0 at `steps` */
    bool norm_advantage; /* per minibatch */
    int hidden[RLT_HIDDEN_MAX], hidden_count;
    rlt_act act;
} rlt_ppo_config;
/* 2x64 tanh and the usual coefficients. */
rlt_ppo_config rlt_ppo_config_default(void);

typedef struct rlt_train_stats { /* of one iteration */
    int64_t steps;               /* environment steps so far */
    int episodes;                /* that ended in this iteration */
    double mean_return;          /* of those; NAN when none */
    double policy_loss, value_loss, entropy, approx_kl, grad_norm; /* means */
} rlt_train_stats;

typedef struct rlt_train rlt_train;
/* RLT_EINVAL names the field that is out of bounds. `def` is borrowed. */
rlt_status rlt_train_create(const rlt_env_def *def, const rlt_ppo_config *config, rlt_train **train,
                            rlt_err *err);
void rlt_train_destroy(rlt_train **train);
/* Collects one rollout and updates on it. No allocation. RLT_EDIVERGED when a loss is not finite;
 * the parameters then are those before the iteration's last optimiser step. */
rlt_status rlt_train_iterate(rlt_train *train, rlt_train_stats *stats, rlt_err *err);
/* Mean return of `episodes` fresh episodes with the most likely actions. */
rlt_status rlt_train_evaluate(rlt_train *train, int episodes, uint64_t seed, double *mean_return,
                              rlt_err *err);
/* The parameters, borrowed until the next iteration. */
const float *rlt_train_params(const rlt_train *train, size_t *count);
#endif
