/* nn: the actor-critic network, its PPO gradient, advantages, Adam; on the CPU.
 * Parameters of a model are one flat float32 buffer: actor, critic, then log_std (Gaussian only);
 * a net is its layers in order, a layer W[in][out] then b[out]. With layers: those of the program
 * (layers.h), then log_std; with several action components an MLP is such a program too.
 * A row's results do not depend on the number of rows or on its place among them.
 * Thread: the caller's; a workspace belongs to one thread. */
#ifndef RLT_NN_H
#define RLT_NN_H
#include "nn/layers.h"
#include "nn/optimiser.h"

enum { RLT_HIDDEN_MAX = 4, RLT_WIDTH_MAX = 1024, RLT_ACTIONS_MAX = 256, RLT_COMPONENTS_MAX = 64 };
/* MULTI: several categorical components, e.g. of MULTI_DISCRETE action spaces. */
typedef enum {
    RLT_HEAD_CATEGORICAL,
    RLT_HEAD_MULTI,
    RLT_HEAD_GAUSSIAN,
    RLT_HEAD_SQUASHED
} rlt_head_kind;

typedef struct rlt_policy_spec {
    int obs_dim;
    bool discrete; /* categorical over action_dim actions, else Gaussian of that dimension */
    int action_dim;
    int hidden[RLT_HIDDEN_MAX], hidden_count; /* the same for actor and critic */
    rlt_act act;
    float log_std_init;
    bool squash; /* Gaussian only: actions are tanh(u) in (-1, 1); log_prob has the correction */
    /* With layers: these instead of `hidden` and `act`, which are then not read. */
    int layer_count;
    rlt_layer layers[RLT_LAYERS_MAX];
    bool separate;    /* actor and critic have the layers of their own; else they share them */
    int obs_shape[3]; /* height, width, channels of an image; {0}: no image */
    /* MULTI_DISCRETE actions: discrete is set, action_dim is the sum of these, an action is
     * int32[component_count]; 0: one component. */
    int component_count, components[RLT_COMPONENTS_MAX];
    /* Products of dense layers of 64 or more inputs and outputs take bfloat16, on processors that
     * have AVX512_BF16 (rlt_policy_check); parameters and sums stay float32. */
    bool bf16;
} rlt_policy_spec;
/* Squashed actions are stored as tanh(u), at most this large, and every log-probability (that of a
 * draw too) is a function of what is stored: u = atanh(action). The entropy is that of u. */
#define RLT_SQUASH_MAX 0.99999994f /* 1 - 2^-24, the largest float below 1 */

rlt_status rlt_policy_check(const rlt_policy_spec *spec, rlt_err *err);
size_t rlt_policy_param_count(const rlt_policy_spec *spec);
size_t rlt_policy_action_bytes(const rlt_policy_spec *spec); /* of one row's action */
int rlt_policy_state_width(const rlt_policy_spec *spec);     /* floats; 0: no memory */
/* The parameters as named tensors, in their order. out: room for RLT_POLICY_TENSORS_MAX, or NULL;
 * returns how many there are. */
enum { RLT_POLICY_TENSORS_MAX = 7 * RLT_OPS_MAX };
typedef struct rlt_policy_tensor {
    char name[56];
    int rank;
    int64_t shape[4];
    size_t offset; /* in the parameters */
    int groups;    /* equal blocks of the last dimension: 4 gates of an LSTM; 1 mostly */
} rlt_policy_tensor;
int rlt_policy_tensors(const rlt_policy_spec *spec, rlt_policy_tensor *out);
/* Orthogonal (Saxe et al. 2013): gain sqrt(2) hidden, 0.01 actor head, 1 critic head; zero bias. */
void rlt_policy_init(const rlt_policy_spec *spec, uint64_t seed, float *params);

/* The policy as a program of a backend; its parameters lie as the policy's, log_std after them. */
rlt_status rlt_policy_program(const rlt_policy_spec *spec, rlt_program *program, rlt_err *err);

typedef struct rlt_policy_workspace rlt_policy_workspace;
rlt_policy_workspace *rlt_policy_workspace_create(const rlt_policy_spec *spec);
void rlt_policy_workspace_destroy(rlt_policy_workspace **workspace);

/* obs[n][obs_dim] -> head[n][action_dim] (logits or means), value[n]. No allocation after the first
 * call. A policy with state starts from zeros. */
void rlt_policy_forward(rlt_policy_workspace *workspace, const float *params, const float *obs,
                        int n, float *head, float *value);
/* The same for the next step of n sequences, whose state[n][state_width] is read and replaced; a
 * sequence whose reset is not 0 starts from zeros. reset may be NULL. */
void rlt_policy_step(rlt_policy_workspace *workspace, const float *params, const float *obs, int n,
                     const uint8_t *reset, float *state, float *head, float *value);
/* Draws action[n] (int32, int32[component_count] or float[action_dim]) and log_prob[n] for head[n].
 * Environment i draws from the blocks (seed, first_env + i, step), see rlt_sample_args:
 * independent of how rows are batched. mask[n][action_dim]: 0 forbids a logit; NULL: none; a
 * component without an allowed one is the caller's error. */
void rlt_policy_sample(const rlt_policy_spec *spec, const float *params, const float *head,
                       const uint8_t *mask, int n, uint64_t seed, uint32_t first_env, uint64_t step,
                       void *action, float *log_prob);
/* The most likely allowed action of each row. */
void rlt_policy_mode(const rlt_policy_spec *spec, const float *head, const uint8_t *mask, int n,
                     void *action);

/* Generalised advantage estimation (Schulman et al. 2016). All [T][N] but value [T + 1][N].
 * terminated: no bootstrap. truncated: bootstraps final_value. The trace is cut at both. */
typedef struct rlt_gae_in {
    int horizon, envs;
    const float *reward, *value, *final_value;
    const uint8_t *terminated, *truncated;
    float gamma, lambda;
} rlt_gae_in;
void rlt_gae(const rlt_gae_in *in, float *advantage, float *ret);

typedef struct rlt_ppo_coef {
    float clip, vf_clip; /* vf_clip 0: value loss unclipped */
    float vf_coef, ent_coef;
} rlt_ppo_coef;
typedef struct rlt_ppo_batch { /* n rows */
    int n;
    const float *obs;
    const void *action;
    const float *old_log_prob, *old_value, *advantage, *ret;
    int steps; /* 0, 1: independent rows; else n / steps sequences, row step * sequences + one */
    const uint8_t *reset; /* [n] or NULL: whether the row begins an episode */
    const float *state;   /* [sequences][state_width] before the first step, or NULL: zeros */
    const uint8_t *mask;  /* [n][action_dim], as rlt_policy_sample's, or NULL */
} rlt_ppo_batch;
typedef struct rlt_ppo_stats { /* sums over rows */
    double policy_loss, value_loss, entropy, approx_kl, clipped;
} rlt_ppo_stats;
/* Adds to grad the gradient of mean(policy loss) - ent_coef mean(entropy) + vf_coef mean(value
 * loss), means over total_n rows (Schulman et al. 2017), and to stats its sums. No allocation. */
void rlt_ppo_grad(rlt_policy_workspace *workspace, const float *params, const rlt_ppo_batch *batch,
                  const rlt_ppo_coef *coef, int total_n, float *grad, rlt_ppo_stats *stats);

/* The transposes that the backward pass needs, to be shared by threads that compute parts of one
 * gradient: made anew after each change of the parameters, whole or by pieces. A piece is a range
 * of the parameters; the pieces cover them all, in order. */
typedef struct rlt_policy_packed rlt_policy_packed;
rlt_policy_packed *rlt_policy_packed_create(const rlt_policy_spec *spec);
void rlt_policy_packed_destroy(rlt_policy_packed **packed);
void rlt_policy_pack(rlt_policy_packed *packed, const float *params);
int rlt_policy_piece_count(const rlt_policy_packed *packed);
void rlt_policy_piece(const rlt_policy_packed *packed, int number, size_t *first, size_t *count);
void rlt_policy_pack_piece(rlt_policy_packed *packed, const float *params, int number);
/* rlt_ppo_grad with packed parameters. */
void rlt_ppo_grad_packed(rlt_policy_workspace *workspace, const float *params,
                         const rlt_policy_packed *packed, const rlt_ppo_batch *batch,
                         const rlt_ppo_coef *coef, int total_n, float *grad, rlt_ppo_stats *stats);

/* The kernels come in forms of which the best that the processor has is chosen. Forcing another is
 * for tests, while nothing computes; false where the processor lacks it. AVX2 and AVX-512 give the
 * same bits; the plain form rounds differently. */
typedef enum { RLT_NN_BEST, RLT_NN_PLAIN, RLT_NN_AVX2, RLT_NN_AVX512 } rlt_nn_form;
bool rlt_nn_force_form(rlt_nn_form form);
const char *rlt_nn_form_name(void);
#endif
