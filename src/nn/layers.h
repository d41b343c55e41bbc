/* nn, layers: a network as a list of layers, and the program of operations that it becomes, the
 * same for every backend. Rows are observations; images are [height][width][channels], so that a
 * dense layer after a convolution needs no reordering. Row t * seqs + n is step t of sequence n.
 * Thread: any; plain data. */
#ifndef RLT_NN_LAYERS_H
#define RLT_NN_LAYERS_H
#include "core/core.h"

typedef enum { RLT_ACT_TANH, RLT_ACT_RELU, RLT_ACT_SILU, RLT_ACT_NONE } rlt_act;

/* In Lua { "conv", 32, 8, 4, "relu" }; the arguments in the order of the comments. */
typedef enum rlt_layer_kind {
    RLT_LAYER_DENSE,      /* units, act: y = act(x W + b) */
    RLT_LAYER_CONV,       /* units (filters), kernel, stride, pad, act: square; zeros around */
    RLT_LAYER_MAX_POOL,   /* kernel, stride, pad */
    RLT_LAYER_LAYER_NORM, /* over a row; gain and bias; eps 1e-5 (Ba et al. 2016) */
    RLT_LAYER_RMS_NORM,   /* over a row; gain; eps 1e-6 (Zhang & Sennrich 2019) */
    RLT_LAYER_EMBED,      /* units: x W without bias, x being one or more one-hot rows */
    RLT_LAYER_LSTM,       /* units (Hochreiter & Schmidhuber 1997, as torch.nn.LSTM) */
    RLT_LAYER_GRU,        /* units (Cho et al. 2014, as torch.nn.GRU) */
    RLT_LAYER_ATTENTION,  /* heads, context: causal, over the last `context` steps of the episode;
                           * keeps the width */
    RLT_LAYER_ACTIVATION, /* act */
    RLT_LAYER_SKIP,       /* nothing; holds a place that a search may fill */
    RLT_LAYER_RESIDUAL,   /* y = x + f(x), f being the layers up to the matching END */
    RLT_LAYER_GATED,      /* y = g(x, f(x)), the GRU gate of GTrXL (Parisotto et al. 2020) */
    RLT_LAYER_END
} rlt_layer_kind;

typedef struct rlt_layer {
    rlt_layer_kind kind;
    rlt_act act;
    int units, kernel, stride, pad, heads, context; /* 0 where the kind has none */
} rlt_layer;
enum { RLT_LAYERS_MAX = 64, RLT_OPS_MAX = 2 * RLT_LAYERS_MAX + 2 };
const char *rlt_layer_name(rlt_layer_kind kind); /* "conv", as in Lua */

typedef struct rlt_net_spec {
    int obs_shape[3]; /* height, width, channels; {1, 1, width} where it is no image */
    int layer_count;
    rlt_layer layers[RLT_LAYERS_MAX];
    bool separate;   /* policy and value each have the layers of their own; else they share them */
    int head_width;  /* of the policy head: logits, means, or action values */
    int value_width; /* of the value head; 0: none */
} rlt_net_spec;

/* One operation on rows. Its two forms, forward and backward, are declared in ops.def. */
typedef enum rlt_op_kind {
#define RLT_OP(name, help) RLT_OP_##name,
#include "nn/ops.def"
#undef RLT_OP
    RLT_OP_COUNT
} rlt_op_kind;
enum { RLT_VALUE_OBS = -1, RLT_VALUE_NONE = -2 };

typedef struct rlt_op {
    rlt_op_kind kind;
    int in, out;               /* floats of a row of x and of y */
    int in_hwc[3], out_hwc[3]; /* conv, max_pool */
    int kernel, stride, pad, heads, context;
    rlt_act act;
    size_t param, param_count; /* in the parameters; the layout within is in ops.h */
    int state, state_width;    /* in a sequence's row of the state */
    int saved;    /* floats a row that forward leaves for backward besides x and y; 0 mostly */
    int x, x2, y; /* values: the y of an earlier op by its index in the program, RLT_VALUE_OBS, or
                   * RLT_VALUE_NONE; y is the op's own index */
    bool dx_add;  /* backward adds to dx (a later op has written it), else overwrites */
    int layer;    /* in the list, from 0; -1: a head */
} rlt_op;

typedef struct rlt_program {
    int op_count;
    rlt_op ops[RLT_OPS_MAX];
    int head, value; /* the ops whose y they are; value RLT_VALUE_NONE without one */
    int obs_width, state_width;
    size_t param_count; /* of the ops: separate nets one after the other, heads last in each; else
                         * layers, policy head, value head */
} rlt_program;

/* RLT_ECONFIG "model[3]: conv of kernel 8 does not fit its input of 5 x 5 x 32 (made by model[2],
 * max_pool)": the layer, both shapes. With layers that are dense with one activation, `separate`
 * and one-wide value, the parameters lie as rlt_policy_spec's of an MLP. */
rlt_status rlt_program_build(const rlt_net_spec *spec, rlt_program *program, rlt_err *err);
/* Multiply-adds of one row forward. */
double rlt_program_products(const rlt_program *program);
/* Orthogonal (Saxe et al. 2013), gain sqrt(2) for dense and conv, 1 for recurrent and attention,
 * 0.01 policy head, 1 value head; zero bias but LSTM's forget gate 1, GRU gate's b_g 2; norms 1;
 * embedding normal(0, 1). Of one seed: the same bits everywhere. params[param_count], host. */
void rlt_program_init(const rlt_program *program, uint64_t seed, float *params);
#endif
