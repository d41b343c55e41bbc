/* config: the options of the algorithms, a struct each. Thread: any; plain data. */
#ifndef RLT_CONFIG_ALGO_FIELDS_H
#define RLT_CONFIG_ALGO_FIELDS_H
#include "core/core.h"

typedef enum {
    RLT_OPTIMISER_ADAM,
    RLT_OPTIMISER_ADAMW,
    RLT_OPTIMISER_SGD,
    RLT_OPTIMISER_RMSPROP
} rlt_optimiser_kind;

typedef struct rlt_ppo_fields { /* table "ppo" */
    double lr, gamma, lambda, clip, vf_clip, vf_coef, ent_coef, max_grad_norm, target_kl;
    int64_t epochs, horizon, minibatch; /* minibatch: rows; the last may be smaller */
    bool anneal_lr, anneal_clip, norm_advantage;
    int optimiser; /* rlt_optimiser_kind */
    double adam_eps, weight_decay, momentum;
} rlt_ppo_fields;

typedef struct rlt_bc_fields {      /* table "bc" */
    char expert[512], dataset[512]; /* files; "": none */
    double lr, validation, ent_coef, max_grad_norm, weight_decay;
    int64_t episodes, seed, minibatch, iteration, horizon;
    bool anneal_lr;
} rlt_bc_fields;
#endif
