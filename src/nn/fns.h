/* nn, fns: what an update does besides the network, the same on all backends. All pointers are the
 * device's; what changes between two runs of the same work is read from device memory, so that a
 * recorded graph can be run again. No function allocates or synchronises. Reductions have a fixed
 * order. Rows are n unless said; action: int32[n] (categorical), int32[n][components]
 * (multi-categorical) or float[n][width] (Gaussian). mask[n][width] is 0 where a logit is
 * forbidden: its probability and its gradient are 0, the entropy is over the allowed ones; NULL:
 * all are allowed. A component without an allowed logit, or an action that is forbidden, is the
 * caller's error. A loss writes all of update->current, 0 where it has no such term. */
#ifndef RLT_NN_FNS_H
#define RLT_NN_FNS_H
#include "nn/nn.h"
#include "nn/ops.h"

/* What a policy head means. */
typedef struct rlt_head {
    rlt_head_kind kind;
    int width;         /* floats of a head row: all logits, or the means */
    int components;    /* MULTI: how many; CATEGORICAL: 1; Gaussian: not read */
    const int *counts; /* MULTI: [components] logits of each, device memory; else NULL */
} rlt_head;

/* Of that policy; counts NULL, also where there are several. */
rlt_head rlt_policy_head(const rlt_policy_spec *spec);

/* The state of an update, in device memory. A graph of one or more minibatches reads and moves it.
 */
enum { RLT_SUM_POLICY, RLT_SUM_VALUE, RLT_SUM_ENTROPY, RLT_SUM_KL, RLT_SUM_CLIPPED, RLT_SUM_COUNT };
typedef struct rlt_update_state {
    float lr, clip;       /* of this update */
    float grad_scale_max; /* unused by the CPU; kept for alignment of what follows */
    uint32_t stopped;     /* 0; 1: target_kl; 2 + term: that sum is not finite; 2 +
                           * RLT_SUM_COUNT: the gradient's norm. Later steps change nothing. */
    int64_t step;         /* optimiser steps so far */
    int64_t minibatch;    /* the next one's number within the update */
    int64_t rows_seen, steps_done;
    double sums[RLT_SUM_COUNT];    /* over the rows trained on */
    double current[RLT_SUM_COUNT]; /* of the minibatch in progress; loss writes, step adds */
    double norm_sum;               /* of the gradients' norms before clipping */
} rlt_update_state;

typedef struct rlt_gather_args { /* the minibatch that update->minibatch names */
    const rlt_update_state *update;
    const uint32_t *order;  /* minibatch k takes the n sequences order[k * order_stride ..]; a
                             * sequence is `steps` rows, row t * seqs_all + s of the batch */
    int order_stride;       /* 0: n; else the n of a whole minibatch, where n is that of a rest */
    int n, steps, seqs_all; /* feed-forward: steps 1, a sequence is a row */
    int obs_width, action_words, state_width;
    const float *obs, *log_prob, *value, *advantage, *ret, *state; /* of the whole batch; state
                                                                    * [seqs_all][state_width] */
    const void *action;
    const uint8_t *reset, *mask; /* NULL: none; mask [rows][mask_width] */
    int mask_width;
    bool norm_advantage; /* (a - mean) / (std + 1e-8), std unbiased, over the minibatch; as they
                          * are where it is one row */
    float *to_obs, *to_log_prob, *to_value, *to_advantage, *to_ret,
        *to_state; /* [steps * n] rows */
    void *to_action;
    uint8_t *to_reset, *to_mask;
} rlt_gather_args;

typedef struct rlt_gae_args { /* as rlt_gae */
    rlt_gae_in in;
    float *advantage, *ret;
} rlt_gae_args;

/* V-trace (Espeholt et al. 2018, section 4.1). All [T][N] but value [T + 1][N]; ends as in gae:
 * v_{t+1} is 0 where terminated, final_value where truncated, value[T] after the last step. */
typedef struct rlt_vtrace_args {
    rlt_gae_in in;          /* lambda multiplies c */
    const float *log_ratio; /* log pi - log mu of the actions */
    float rho_max, c_max;
    float *target;    /* v_t */
    float *advantage; /* min(rho_max, rho_t) (r_t + gamma v_{t+1} - V_t) */
} rlt_vtrace_args;

typedef struct rlt_ppo_loss_args {
    rlt_update_state *update; /* clip is read; current is written */
    rlt_head policy;
    int n;
    const float *head, *log_std, *value; /* [n][width], [width] (Gaussian), [n] */
    const void *action;
    const uint8_t *mask; /* [n][width]: 0 forbids a logit; NULL: all allowed */
    const float *old_log_prob, *old_value, *advantage, *ret;
    rlt_ppo_coef coef;       /* clip is not read: it is the update's */
    float *d_head, *d_value; /* written; means over n rows */
    float *d_log_std;        /* added to */
    double *partial;         /* scratch: rlt_fn_partials(n) */
} rlt_ppo_loss_args;
enum { RLT_FN_BLOCK = 128 };                  /* rows that one partial sum covers */
static inline size_t rlt_fn_partials(int n) { /* doubles of `partial` */
    return (size_t)((n + RLT_FN_BLOCK - 1) / RLT_FN_BLOCK) * (RLT_SUM_COUNT + 1);
}

typedef struct rlt_pg_loss_args { /* -mean(advantage log pi) + vf_coef mean((V - target)^2) / 2 -
                                   * ent_coef mean(H) */
    rlt_update_state *update;
    rlt_head policy;
    int n;
    const float *head, *log_std, *value;
    const void *action;
    const uint8_t *mask;
    const float *advantage, *target;
    float vf_coef, ent_coef;
    float *d_head, *d_value, *d_log_std;
    double *partial;
} rlt_pg_loss_args;

/* Q(s, a) against reward + gamma^n (1 - terminated) bootstrap; next_select chooses the action
 * whose next value counts (double Q-learning, van Hasselt et al. 2016), NULL: the largest next; of
 * equals the first. The sum RLT_SUM_VALUE has the weighted losses, td_error none of the weights;
 * this holds for the two distributions below too. */
typedef struct rlt_q_loss_args {
    rlt_update_state *update;
    int n, actions;
    const float *q, *next_q, *next_select; /* [n][actions] */
    const int32_t *action;
    const float *reward, *discount; /* [n]; discount: gamma^k (1 - terminated) */
    const float *weight;            /* [n] importance weights, or NULL */
    float huber;                    /* delta; 0: squares / 2 */
    float *d_q;                     /* [n][actions], mean over n */
    float *td_error;                /* q - target [n], or NULL */
    double *partial;
} rlt_q_loss_args;

/* q[n][actions][atoms] = v + a - mean(a) (Wang et al. 2016); backward from d_q. atoms 1: values. */
typedef struct rlt_dueling_args {
    int n, actions, atoms;
    const float *value, *advantage; /* [n][atoms], [n][actions][atoms] */
    float *q;
    const float *d_q; /* NULL: forward */
    float *d_value, *d_advantage;
} rlt_dueling_args;

typedef struct rlt_c51_loss_args { /* Bellemare et al. 2017, algorithm 1; best: of largest mean */
    rlt_update_state *update;
    int n, actions, atoms;
    const float *logits, *next_logits, *next_select; /* [n][actions][atoms]; select NULL: next */
    const int32_t *action;
    const float *reward, *discount, *weight;
    float v_min, v_max;
    float *d_logits, *td_error; /* td_error: the cross-entropy, [n] or NULL */
    double *partial;
} rlt_c51_loss_args;

/* Dabney et al. 2018: with u = target_j - q_i, tau_i = (i + 1/2) / atoms: the sum over i of the
 * mean over j of |tau_i - 1(u < 0)| huber_kappa(u) / kappa; kappa 0: |tau_i - 1(u < 0)| |u|. Best:
 * of largest mean; td_error: this loss. */
typedef struct rlt_quantile_loss_args {
    rlt_update_state *update;
    int n, actions, atoms; /* atoms: quantiles */
    const float *q, *next_q, *next_select;
    const int32_t *action;
    const float *reward, *discount, *weight;
    float kappa;
    float *d_q, *td_error;
    double *partial;
} rlt_quantile_loss_args;

/* Squashed Gaussian with a state-dependent deviation: head[n][2 width] is mean, then log_std
 * clamped to [log_std_min, log_std_max]. a = tanh(u), u = mean + std eps. (Haarnoja et al. 2018) */
typedef struct rlt_sac_sample_args {
    int n, width;
    const float *head;
    uint64_t seed, step;
    uint32_t first;
    float log_std_min, log_std_max;
    float *action, *log_prob; /* [n][width], [n] */
    float *eps;               /* [n][width]: what was drawn, for backward */
} rlt_sac_sample_args;

typedef struct rlt_sac_loss_args { /* each part is done where its outputs are given */
    rlt_update_state *update;
    int n, width;
    /* critics: target = reward + discount (min(next_q1, next_q2) - alpha next_log_prob); d_q = mean
     * over n of q - target; RLT_SUM_VALUE: half the squares of both */
    const float *q1, *q2, *next_q1, *next_q2, *next_log_prob, *reward, *discount;
    float *d_q1, *d_q2;
    /* actor: mean(alpha log_prob - min(q1, q2)), q1 NULL: not in RLT_SUM_POLICY; RLT_SUM_ENTROPY:
     * -log_prob; dq_da[n][width] is the smaller critic's derivative */
    const float *head, *action, *eps, *log_prob, *dq_da;
    float log_std_min, log_std_max;
    float *d_head; /* [n][2 width] */
    /* temperature: -mean(log_alpha (log_prob + target_entropy)) */
    const float *log_alpha; /* [1]: alpha = exp of it, for all parts */
    float target_entropy;
    float *d_log_alpha; /* [1], written */
    double *partial;
} rlt_sac_loss_args;

typedef struct rlt_bc_loss_args { /* -mean(log pi(action)) - ent_coef mean(H) */
    rlt_update_state *update;
    rlt_head policy;
    int n;
    const float *head, *log_std;
    const void *action;
    const uint8_t *mask;
    float ent_coef;
    float *d_head, *d_log_std;
    double *partial;
} rlt_bc_loss_args;

typedef struct rlt_distill_loss_args { /* temperature^2 mean KL(teacher || student), logits over
                                        * temperature (Hinton et al. 2015), both under the mask;
                                        * Gaussian: exact KL, no temperature. In RLT_SUM_POLICY and
                                        * RLT_SUM_KL. */
    rlt_update_state *update;
    rlt_head policy;
    int n;
    const float *head, *log_std, *teacher_head, *teacher_log_std;
    const uint8_t *mask;
    float temperature;
    float *d_head, *d_log_std;
    double *partial;
} rlt_distill_loss_args;

/* As rlt_policy_sample: the same draws on every backend. Environment e at step s draws from the
 * stream (seed, RLT_STREAM_ACTION, e): component c from word c % 4 of block s B + c / 4, with B =
 * ceil(components / 4), the first allowed action whose cumulative probability is past it (the last
 * allowed if none is); entry j of a Gaussian by Box-Muller (rlt_rng_normal) from block s width + j.
 */
typedef struct rlt_sample_args {
    rlt_head policy;
    int n;
    const float *head, *log_std;
    const uint8_t *mask;
    uint64_t seed;
    const uint64_t *step; /* [1], device memory */
    uint32_t first_env;
    void *action;
    float *log_prob;
} rlt_sample_args;

typedef struct rlt_normalise_args { /* (x - mean) * inv_std, clipped to +-clip; may be in place */
    int rows, width;
    const float *x, *mean, *inv_std;
    float clip;
    float *y;
} rlt_normalise_args;

/* In this order: a sum that is not finite: the flag; else sums and rows_seen take the minibatch in;
 * its mean divergence past 1.5 target_kl (0: no limit): the flag; the gradient's norm not finite:
 * the flag; clipping to norm_max (0: none; as torch.nn.utils.clip_grad_norm_), a step of the
 * optimiser with update->lr and ++step, norm_sum, the counters. With the flag, or with one that was
 * there before, parameters, moments and the counters stay. The gradient is zeroed in any case. */
typedef struct rlt_step_args {
    rlt_update_state *update;
    const rlt_optimiser_spec *optimiser; /* host memory, copied at the call */
    float *params, *grad, *m, *v;        /* [count]; grad is zeroed */
    size_t count;
    int rows; /* of the minibatch */
    float norm_max, target_kl;
    double *partial; /* scratch: RLT_STEP_PARTIALS */
} rlt_step_args;
enum { RLT_STEP_PARTIALS = 1024 };

#define RLT_FN(name, help) typedef void (*rlt_##name##_fn)(rlt_device *, const rlt_##name##_args *);
#include "nn/fns.def"
#undef RLT_FN
#endif
