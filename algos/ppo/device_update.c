/* ppo on a device: the batch goes there once, minibatches are recorded as graphs that move their
 * own cursor (rlt_update_state), and the host waits once, for the results. What the CPU's threads
 * compute is the same to rounding; minibatches are the same rows.
 * Thread: the device's. */
#include "algos/ppo/ppo_device.h"

#include <math.h>
#include <string.h>

static void gather(rlt_ppo_on_device *on, int64_t rows, int n) {
    bool sequences = on->steps > 1;
    rlt_gather_args args = {
        .update = on->state,
        .order = on->order,
        .order_stride = (int)on->taken,
        .n = n,
        .steps = (int)on->steps,
        .seqs_all = (int)(rows / on->steps),
        .obs_width = on->spec.obs_dim,
        .action_words = (int)(rlt_policy_action_bytes(&on->spec) / 4),
        .state_width = sequences ? on->program.state_width : 0,
        .obs = on->obs,
        .log_prob = on->log_prob,
        .value = on->value,
        .advantage = on->advantage,
        .ret = on->ret,
        .state = sequences ? on->memory : NULL,
        .action = on->action,
        .reset = sequences ? on->reset : NULL,
        .mask = on->mask,
        .mask_width = on->spec.action_dim,
        .norm_advantage = on->options.norm_advantage,
        .to_obs = on->to.obs,
        .to_log_prob = on->to.log_prob,
        .to_value = on->to.value,
        .to_advantage = on->to.advantage,
        .to_ret = on->to.ret,
        .to_state = sequences ? on->to.memory : NULL,
        .to_action = on->to.action,
        .to_reset = sequences ? on->to.reset : NULL,
        .to_mask = on->to.mask,
    };
    on->device->backend->gather(on->device, &args);
}

static void loss(rlt_ppo_on_device *on, const rlt_ppo_columns *share, int rows,
                 const rlt_ppo_coef *coef) {
    size_t log_std = on->program.param_count;
    rlt_ppo_loss_args args = {
        .update = on->state,
        .policy = on->head,
        .n = rows,
        .head = rlt_net_head(on->net),
        .log_std = on->spec.discrete ? NULL : on->params + log_std,
        .value = rlt_net_value(on->net),
        .action = share->action,
        .mask = share->mask,
        .old_log_prob = share->log_prob,
        .old_value = share->value,
        .advantage = share->advantage,
        .ret = share->ret,
        .coef = *coef,
        .d_head = rlt_net_d_head(on->net),
        .d_value = rlt_net_d_value(on->net),
        .d_log_std = on->spec.discrete ? NULL : on->grad + log_std,
        .partial = on->loss_partial,
    };
    on->device->backend->ppo_loss(on->device, &args);
}

/* This learner's rows of a gathered minibatch of n. */
static rlt_ppo_columns share_of(const rlt_ppo_on_device *on, int n) {
    const rlt_ppo_columns *to = &on->to;
    size_t first = (size_t)n / (size_t)rlt_ppo_members(on) * (size_t)on->options.team.rank;
    return (rlt_ppo_columns){
        .obs = to->obs + first * (size_t)on->spec.obs_dim,
        .log_prob = to->log_prob + first,
        .value = to->value + first,
        .advantage = to->advantage + first,
        .ret = to->ret + first,
        .memory = to->memory,
        .action = (unsigned char *)to->action + first * rlt_policy_action_bytes(&on->spec),
        .reset = to->reset,
        .mask = to->mask != NULL ? to->mask + first * (size_t)on->spec.action_dim : NULL,
    };
}

/* The gradients' mean, and the sums of the losses, over all learners. */
static void reduce(rlt_ppo_on_device *on) {
    const rlt_backend *backend = on->device->backend;
    if (rlt_ppo_members(on) > 1) {
        unsigned char *state = (unsigned char *)on->state;
        backend->all_reduce(on->device, on->grad, on->param_count);
        backend->all_reduce_sums(on->device,
                                 (double *)(void *)(state + offsetof(rlt_update_state, current)),
                                 RLT_SUM_COUNT);
    }
}

/* One minibatch of n sequences, of which every learner computes its share: gradient and step. */
static void minibatch(rlt_ppo_on_device *on, int64_t rows, int n, const rlt_ppo_coef *coef) {
    int taken = n * (int)on->steps, own = n / rlt_ppo_members(on);
    bool sequences = on->steps > 1;
    rlt_ppo_columns share = share_of(on, n);
    rlt_net_in in = {.steps = (int)on->steps,
                     .seqs = own,
                     .params = on->params,
                     .obs = share.obs,
                     .reset = sequences ? share.reset : NULL,
                     .state = sequences ? share.memory : NULL};
    gather(on, rows, n);
    rlt_net_forward(on->net, &in);
    loss(on, &share, own * (int)on->steps, coef);
    rlt_net_backward(on->net, &in, on->grad);
    reduce(on);
    rlt_step_args args = {.update = on->state,
                          .optimiser = &on->options.optimiser,
                          .params = on->params,
                          .grad = on->grad,
                          .m = on->m,
                          .v = on->v,
                          .count = on->param_count,
                          .rows = taken,
                          .norm_max = on->options.max_grad_norm,
                          .target_kl = on->options.target_kl,
                          .partial = on->step_partial};
    on->device->backend->step(on->device, &args);
}

static rlt_status record(rlt_ppo_on_device *on, int64_t rows, int64_t n, int count,
                         const rlt_ppo_coef *coef, rlt_graph **graph, rlt_err *err) {
    RLT_TRY(on->device->backend->record_begin(on->device, err));
    for (int i = 0; i < count; i++) {
        minibatch(on, rows, (int)n, coef);
    }
    return on->device->backend->record_end(on->device, graph, err);
}

/* An epoch's whole minibatches and the sequences left over. */
static void split(const rlt_ppo_on_device *on, int64_t rows, int64_t *whole, int64_t *left) {
    int64_t sequences = rows / on->steps;
    *whole = sequences / on->taken;
    *left = sequences % on->taken;
}

static rlt_status record_all(rlt_ppo_on_device *on, int64_t rows, const rlt_ppo_coef *coef,
                             rlt_err *err) {
    const rlt_ppo_coef *was = &on->recorded_coef;
    if (on->recorded_rows == rows && was->vf_clip == coef->vf_clip &&
        was->vf_coef == coef->vf_coef && was->ent_coef == coef->ent_coef) {
        return RLT_OK;
    }
    int64_t whole, left;
    split(on, rows, &whole, &left);
    if (left % rlt_ppo_members(on) != 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "ppo.minibatch: leaves a last minibatch of %lld of %lld rows, which %d "
                        "learners cannot share evenly",
                        (long long)left, (long long)rows, rlt_ppo_members(on));
    }
    rlt_ppo_free_graphs(on);
    on->recorded_rows = 0;
    if (whole >= MINIBATCHES_A_GRAPH) {
        RLT_TRY(record(on, rows, on->taken, MINIBATCHES_A_GRAPH, coef, &on->many, err));
    }
    if (whole % MINIBATCHES_A_GRAPH > 0) {
        RLT_TRY(record(on, rows, on->taken, 1, coef, &on->one, err));
    }
    if (left > 0) {
        RLT_TRY(record(on, rows, left, 1, coef, &on->rest, err));
    }
    on->recorded_rows = rows;
    on->recorded_coef = *coef;
    return RLT_OK;
}

/* The order of every epoch; its last minibatch may use less than its room. */
static void upload_order(rlt_ppo_on_device *on, int64_t rows, int64_t iteration) {
    int64_t sequences = rows / on->steps, room = rlt_ppo_minibatches(on, rows) * on->taken;
    for (int64_t epoch = 0; epoch < on->options.epochs; epoch++) {
        rlt_ppo_shuffle(on->options.seed, iteration, epoch, (uint32_t)sequences,
                        on->host_order + epoch * room);
    }
    on->device->backend->upload(on->device, on->order, on->host_order,
                                sizeof(uint32_t) * (size_t)(on->options.epochs * room));
}

static void upload(rlt_ppo_on_device *on, const float *params, const rlt_ppo_rows *rows) {
    size_t n = (size_t)rows->rows, floats = sizeof(float) * n, width = (size_t)on->spec.obs_dim;
    size_t memory = sizeof(float) * n / (size_t)on->steps * (size_t)on->program.state_width;
    const struct {
        void *to;
        const void *from;
        size_t bytes;
    } columns[] = {
        {on->params, params, sizeof(float) * on->param_count},
        {on->obs, rows->obs, floats * width},
        {on->action, rows->action, n * rlt_policy_action_bytes(&on->spec)},
        {on->log_prob, rows->log_prob, floats},
        {on->value, rows->value, floats},
        {on->advantage, rows->advantage, floats},
        {on->ret, rows->ret, floats},
        {on->reset, rows->reset, on->steps > 1 ? n : 0},
        {on->memory, rows->memory, on->steps > 1 ? memory : 0},
        {on->mask, rows->mask, on->options.masked ? n * (size_t)on->spec.action_dim : 0},
    };
    for (size_t i = 0; i < RLT_COUNT(columns); i++) {
        if (columns[i].bytes > 0) {
            on->device->backend->upload(on->device, columns[i].to, columns[i].from,
                                        columns[i].bytes);
        }
    }
    if (on->moments_on_host) {
        size_t bytes = sizeof(float) * on->param_count;
        on->device->backend->upload(on->device, on->m, on->host_moments, bytes);
        on->device->backend->upload(on->device, on->v, on->host_moments + on->param_count, bytes);
        on->moments_on_host = false;
    }
}

static void run_epochs(rlt_ppo_on_device *on, int64_t rows) {
    const rlt_backend *backend = on->device->backend;
    int64_t whole, left;
    split(on, rows, &whole, &left);
    for (int64_t epoch = 0; epoch < on->options.epochs; epoch++) {
        for (int64_t i = 0; i < whole / MINIBATCHES_A_GRAPH; i++) {
            backend->graph_run(on->device, on->many);
        }
        for (int64_t i = 0; i < whole % MINIBATCHES_A_GRAPH; i++) {
            backend->graph_run(on->device, on->one);
        }
        if (left > 0) {
            backend->graph_run(on->device, on->rest);
        }
    }
}

static void fill_result(const rlt_ppo_on_device *on, int64_t rows, const rlt_update_state *s,
                        rlt_ppo_result *result) {
    double seen = (double)s->rows_seen;
    *result = (rlt_ppo_result){
        .policy_loss = s->sums[RLT_SUM_POLICY] / seen,
        .value_loss = s->sums[RLT_SUM_VALUE] / seen,
        .entropy = s->sums[RLT_SUM_ENTROPY] / seen,
        .approx_kl = s->sums[RLT_SUM_KL] / seen,
        .clip_fraction = s->sums[RLT_SUM_CLIPPED] / seen,
        .grad_norm = s->steps_done > 0 ? s->norm_sum / (double)s->steps_done : 0,
        .epochs =
            s->stopped == 1 ? s->minibatch / rlt_ppo_minibatches(on, rows) + 1 : on->options.epochs,
    };
}

rlt_status rlt_ppo_on_device_update(rlt_ppo_on_device *on, float *params, const rlt_ppo_rows *rows,
                                    float lr, const rlt_ppo_coef *coef, int64_t iteration,
                                    int64_t *step, rlt_ppo_result *result, rlt_err *err) {
    const rlt_backend *backend = on->device->backend;
    rlt_update_state state = {.lr = lr, .clip = coef->clip, .step = *step};
    upload(on, params, rows);
    upload_order(on, rows->rows, iteration);
    backend->upload(on->device, on->state, &state, sizeof(state));
    RLT_TRY(record_all(on, rows->rows, coef, err));
    run_epochs(on, rows->rows);
    backend->download(on->device, &state, on->state, sizeof(state));
    backend->download(on->device, params, on->params, sizeof(float) * on->param_count);
    RLT_TRY(backend->sync(on->device, err));
    *step = state.step;
    if (state.stopped >= 2) {
        int term = (int)state.stopped - 2;
        double value = term < RLT_SUM_COUNT ? state.current[term] : (double)NAN;
        return rlt_ppo_diverged(term, value, iteration, *step + 1, err);
    }
    fill_result(on, rows->rows, &state, result);
    return RLT_OK;
}
