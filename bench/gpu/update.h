/* bench/gpu, update: PPO on one device, through the backend's public interface alone: a batch on
 * the device, a graph of one minibatch (gather, forward, loss, backward, step), and the policy's
 * draws. What gpu_bench times and gpu_train learns with; the reduced build has it too.
 * Thread: the device's. Owner: the caller. */
#ifndef RLT_BENCH_GPU_UPDATE_H
#define RLT_BENCH_GPU_UPDATE_H
#include "nn/device.h"

typedef struct update_spec {
    rlt_net_spec net; /* head_width: the number of actions */
    int envs, horizon, minibatches, epochs;
    float lr, clip, gamma, lambda, vf_coef, ent_coef, norm_max;
    uint64_t seed;
} update_spec;

typedef struct update {
    update_spec spec;
    rlt_device *device;
    rlt_program program;
    rlt_net *net, *policy; /* of a minibatch, with gradients; of all environments, without */
    rlt_graph *graph;      /* one minibatch */
    int rows, minibatch;   /* of the batch: envs * horizon; of a minibatch */
    float *params, *grad, *m, *v;
    /* the batch, [horizon][envs] (value: one more step) */
    float *obs, *log_prob, *value, *reward, *final_value, *advantage, *ret;
    int32_t *action;
    uint8_t *terminated, *truncated;
    /* a minibatch */
    float *to_obs, *to_log_prob, *to_value, *to_advantage, *to_ret;
    int32_t *to_action;
    rlt_update_state *state, *state_before; /* before the first minibatch of the update */
    uint32_t *order;                        /* [epochs][rows] */
    uint32_t *order_host;
    uint64_t *draw; /* the number of the next draw, for sample */
    uint64_t draw_host;
    double *partial;
    int64_t updates;
} update;

rlt_status update_create(rlt_device *device, const update_spec *spec, update **made, rlt_err *err);
void update_destroy(update **u);
/* Draws the actions of step t for obs[envs] (host), and keeps all of the step but its outcome;
 * action[envs] comes back to the host. t == horizon: the value alone, action is not touched. */
void update_act(update *u, int t, const float *obs, int32_t *action);
/* The outcome of step t; final_obs[envs] is read where truncated, by all rows. */
void update_outcome(update *u, int t, const float *reward, const uint8_t *terminated,
                    const uint8_t *truncated, const float *final_obs);
/* Advantages, then all epochs. Waits; *sums may be NULL. */
rlt_status update_learn(update *u, rlt_update_state *sums, rlt_err *err);
/* One minibatch of whatever the batch holds, without waiting. */
void update_minibatch(update *u);

/* The networks that are measured, with their usual sizes. */
void update_mlp(rlt_net_spec *net, int obs_width, int actions, int units);
void update_nature_cnn(rlt_net_spec *net, int actions);
void update_impala_cnn(rlt_net_spec *net, int actions);
void update_minatar_cnn(rlt_net_spec *net, int channels, int actions);
#endif
