/* Private to src/nn: the layout of parameters, and one net forward and backward. */
#ifndef RLT_NN_IMPL_H
#define RLT_NN_IMPL_H
#include "nn/device.h"
#include "nn/kernels.h"

enum { RLT_NN_BLOCK = 128, RLT_NN_LAYERS_MAX = RLT_HIDDEN_MAX + 1 };

typedef struct rlt_nn_layer {
    int in, out, in_stride; /* in_stride: in, padded */
    size_t offset;          /* of W[in][out] in the parameters; b[out] follows */
} rlt_nn_layer;

typedef struct rlt_nn_layout {
    int layers;                               /* of each net, the head being the last */
    rlt_nn_layer layer[2][RLT_NN_LAYERS_MAX]; /* [actor, critic] */
    size_t log_std, param_count;
    size_t flat; /* from here on there is nothing to transpose: log_std, or all of a program */
} rlt_nn_layout;

/* A policy made of a program, on the CPU device; its networks are made at their first use, and
 * larger ones when a gradient takes more rows. */
typedef struct rlt_layered {
    rlt_device *device;
    rlt_program program;
    rlt_net *acting, *training;
    int acting_rows, steps, seqs; /* what they are made for */
    float *state_out;             /* [acting_rows][state_width] */
    rlt_ppo_batch block;          /* [steps * seqs] rows of a batch of sequences, owned */
} rlt_layered;

struct rlt_policy_packed {
    rlt_nn_layout layout;
    float *wt[2][RLT_NN_LAYERS_MAX]; /* [out][in_stride]; NULL for the first layers */
};

struct rlt_policy_workspace {
    rlt_policy_spec spec;
    rlt_nn_layout layout;
    rlt_policy_packed *packed; /* for callers that bring none */
    /* [RLT_NN_BLOCK][padded width] of each hidden layer: activations, sums before them (SiLU only),
     * and gradients in turn */
    float *y[RLT_HIDDEN_MAX], *z[RLT_HIDDEN_MAX], *delta[2];
    float *head, *d_head; /* [RLT_NN_BLOCK][action_dim] */
    rlt_layered *layered; /* NULL: the MLP, for which all of the above is */
};

rlt_nn_layout rlt_nn_layout_make(const rlt_policy_spec *spec);
/* Net 0 (actor) or 1 (critic) over n <= RLT_NN_BLOCK rows -> head[n][out]; packed holds at least
 * the head's transpose. Backward takes d_head[n][out] and the activations that forward left. */
void rlt_nn_net_forward(rlt_policy_workspace *ws, int net, const float *params,
                        const rlt_policy_packed *packed, const float *obs, int n, float *head);
void rlt_nn_net_backward(rlt_policy_workspace *ws, int net, const rlt_policy_packed *packed,
                         const float *obs, int n, const float *d_head, float *grad);
/* The transposes of the heads alone, which forward needs. */
void rlt_nn_pack_heads(rlt_policy_packed *packed, const float *params);
/* What the head of a policy means; counts are the spec's own. */
rlt_head rlt_nn_head(const rlt_policy_spec *spec);
/* Whether a policy is a program: with layers, with several action components, or in bfloat16. */
bool rlt_nn_is_layered(const rlt_policy_spec *spec);
rlt_layered *rlt_layered_create(const rlt_policy_spec *spec);
void rlt_layered_destroy(rlt_layered **layered);
/* As rlt_policy_step; state NULL: zeros, not kept. */
void rlt_layered_step(rlt_layered *layered, const float *params, const float *obs, int n,
                      const uint8_t *reset, float *state, float *head, float *value);
/* As rlt_ppo_grad. */
void rlt_layered_grad(rlt_layered *layered, const rlt_policy_spec *spec, const float *params,
                      const rlt_ppo_batch *batch, const rlt_ppo_coef *coef, int total_n,
                      float *grad, rlt_ppo_stats *stats);
#endif
