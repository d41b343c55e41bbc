/* bc: behaviour cloning: minibatches of a fixed dataset, the negative log-likelihood of its
 * actions, one optimiser step each; and the loss and accuracy on rows that are not trained on. The
 * same code on every backend. A minibatch takes whole sequences, which start from an empty memory.
 * Thread: the device's. No allocation after create. */
#ifndef RLT_BC_H
#define RLT_BC_H
#include "nn/device.h"

typedef struct rlt_bc_options {
    int64_t sequences;             /* of a minibatch */
    int steps;                     /* rows of a sequence; 1: rows are independent */
    bool masked;                   /* rows come with masks */
    float ent_coef, max_grad_norm; /* max_grad_norm 0: not clipped */
    rlt_optimiser_spec optimiser;
    rlt_device *device; /* borrowed */
} rlt_bc_options;

typedef struct rlt_bc_rows { /* row step * sequences + sequence; all borrowed */
    int64_t sequences;
    int steps;            /* as the options' */
    const float *obs;     /* [rows][obs_dim], as the policy is to see it */
    const void *action;   /* as rlt_policy_sample's */
    const uint8_t *reset; /* [rows]: whether a row begins an episode */
    const uint8_t *mask;  /* [rows][action_dim] where options.masked */
} rlt_bc_rows;

typedef struct rlt_bc_result { /* means */
    double loss, entropy, grad_norm;
} rlt_bc_result;
typedef struct rlt_bc_figures {
    double loss;     /* mean -log p(action) */
    double accuracy; /* rows whose most likely action, all components of it, is the given one; NAN
                      * of Gaussian policies */
} rlt_bc_figures;

typedef struct rlt_bc rlt_bc;
/* RLT_EINVAL names what is out of bounds. */
rlt_status rlt_bc_create(const rlt_policy_spec *spec, const rlt_bc_options *options, rlt_bc **bc,
                         rlt_err *err);
void rlt_bc_destroy(rlt_bc **bc);
/* `count` minibatches, minibatch k of the sequences order[k * options.sequences ..] of the rows;
 * params[rlt_policy_param_count] in place, *result over all. RLT_EDIVERGED names the term that is
 * not finite; params are then those before the offending step. */
rlt_status rlt_bc_train(rlt_bc *bc, float *params, const rlt_bc_rows *rows, const uint32_t *order,
                        int count, float lr, rlt_bc_result *result, rlt_err *err);
/* On sequences first .. first + count - 1 of the rows. */
rlt_status rlt_bc_measure(rlt_bc *bc, const float *params, const rlt_bc_rows *rows, int64_t first,
                          int64_t count, rlt_bc_figures *figures, rlt_err *err);
/* The optimiser's state: [2][param_count], and its step. What is written there counts. */
float *rlt_bc_state(rlt_bc *bc, size_t *count);
int64_t *rlt_bc_step(rlt_bc *bc);

/* A permutation of 0 .. count - 1, a function of (seed, epoch) alone. */
void rlt_bc_shuffle(uint64_t seed, int64_t epoch, uint32_t count, uint32_t *order);
#endif
