/* Private to algos/ppo: an update on a device. */
#ifndef RLT_PPO_DEVICE_H
#define RLT_PPO_DEVICE_H
#include "algos/ppo/ppo_impl.h"

/* Minibatches of one graph: a launch costs microseconds whatever is in it, but recording many
 * takes time and memory. */
enum { MINIBATCHES_A_GRAPH = 16, BUFFERS = 40 };

typedef struct rlt_ppo_columns { /* of the minibatch in progress */
    float *obs, *log_prob, *value, *advantage, *ret, *memory;
    void *action;
    uint8_t *reset, *mask; /* mask: NULL where rows have none */
} rlt_ppo_columns;

struct rlt_ppo_on_device {
    rlt_device *device;
    rlt_policy_spec spec;
    rlt_ppo_options options;
    rlt_program program;
    rlt_head head;
    int64_t steps, taken, rows_max, order_max; /* order_max: entries of order */
    size_t param_count;
    rlt_net *net;
    /* device memory */
    void *buffers[BUFFERS];
    int buffer_count;
    size_t bytes; /* asked for so far */
    float *params, *grad, *m, *v, *obs, *log_prob, *value, *advantage, *ret, *memory;
    void *action;
    uint8_t *reset, *mask;
    uint32_t *order;
    rlt_ppo_columns to;
    rlt_update_state *state;
    double *loss_partial, *step_partial;
    /* host memory */
    uint32_t *host_order;
    float *host_moments;  /* [2][param_count] */
    bool moments_on_host; /* the host's are the ones that count */
    /* graphs of the batch size and coefficients they were recorded for */
    int64_t recorded_rows;
    rlt_ppo_coef recorded_coef;
    rlt_graph *many, *one, *rest; /* MINIBATCHES_A_GRAPH of them, one, the smaller last one */
};

/* Learners that compute together, this one included. */
int rlt_ppo_members(const rlt_ppo_on_device *on);
/* Of an epoch over that many rows. */
int64_t rlt_ppo_minibatches(const rlt_ppo_on_device *on, int64_t rows);
void rlt_ppo_free_graphs(rlt_ppo_on_device *on);
#endif
