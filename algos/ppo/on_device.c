/* ppo on a device: the batch goes there once, minibatches are recorded as graphs that move their
 * own cursor (rlt_update_state), and the host waits once, for the results. What the CPU's threads
 * compute is the same to rounding; minibatches are the same rows.
 * Thread: the device's. Owner: rlt_ppo. */
#include "algos/ppo/ppo_impl.h"

#include <math.h>
#include <string.h>

/* Minibatches of one graph: a launch costs microseconds whatever is in it, but recording many
 * takes time and memory. */
enum { MINIBATCHES_A_GRAPH = 16, BUFFERS = 40 };

typedef struct minibatch_memory { /* of the minibatch in progress */
    float *obs, *log_prob, *value, *advantage, *ret, *memory;
    void *action;
    uint8_t *reset, *mask; /* mask: NULL where rows have none */
} minibatch_memory;

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
    minibatch_memory to;
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

static rlt_status take(rlt_ppo_on_device *on, size_t bytes, void **memory, rlt_err *err) {
    RLT_ASSERT(on->buffer_count < BUFFERS);
    on->bytes += bytes;
    RLT_TRY(on->device->backend->alloc(on->device, bytes > 0 ? bytes : 1, memory, err));
    on->buffers[on->buffer_count++] = *memory;
    return RLT_OK;
}

/* The columns of a batch or of a minibatch: rows, in sequences. */
static rlt_status take_columns(rlt_ppo_on_device *on, size_t rows, size_t sequences,
                               minibatch_memory *to, rlt_err *err) {
    size_t obs = sizeof(float) * rows * (size_t)on->spec.obs_dim;
    size_t memory = sizeof(float) * sequences * (size_t)on->program.state_width;
    RLT_TRY(take(on, obs, (void **)&to->obs, err));
    RLT_TRY(take(on, rows * rlt_policy_action_bytes(&on->spec), &to->action, err));
    RLT_TRY(take(on, memory, (void **)&to->memory, err));
    RLT_TRY(take(on, rows, (void **)&to->reset, err));
    to->mask = NULL;
    if (on->options.masked) {
        RLT_TRY(take(on, rows * (size_t)on->spec.action_dim, (void **)&to->mask, err));
    }
    float **const floats[] = {&to->log_prob, &to->value, &to->advantage, &to->ret};
    for (size_t i = 0; i < RLT_COUNT(floats); i++) {
        RLT_TRY(take(on, sizeof(float) * rows, (void **)floats[i], err));
    }
    return RLT_OK;
}

static rlt_status take_params(rlt_ppo_on_device *on, rlt_err *err) {
    float **const all[] = {&on->params, &on->grad, &on->m, &on->v};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        RLT_TRY(take(on, sizeof(float) * on->param_count, (void **)all[i], err));
    }
    return RLT_OK;
}

static rlt_status make_head(rlt_ppo_on_device *on, rlt_err *err) {
    const rlt_policy_spec *spec = &on->spec;
    on->head = rlt_policy_head(spec);
    if (spec->component_count > 0) {
        size_t bytes = sizeof(int) * (size_t)spec->component_count;
        void *counts = NULL;
        RLT_TRY(take(on, bytes, &counts, err));
        on->device->backend->upload(on->device, counts, spec->components, bytes);
        on->head.counts = counts;
    }
    return RLT_OK;
}

static int members(const rlt_ppo_on_device *on) {
    return on->options.team.count > 1 ? on->options.team.count : 1;
}

static int64_t minibatches(const rlt_ppo_on_device *on, int64_t rows) {
    return (rows / on->steps + on->taken - 1) / on->taken;
}

static rlt_status allocate(rlt_ppo_on_device *on, rlt_err *err) {
    size_t rows = (size_t)on->rows_max, sequences = rows / (size_t)on->steps;
    size_t part = (size_t)(on->taken * on->steps);
    minibatch_memory all;
    RLT_TRY(take_columns(on, rows, sequences, &all, err));
    RLT_TRY(take_columns(on, part, (size_t)on->taken, &on->to, err));
    on->obs = all.obs;
    on->action = all.action;
    on->memory = all.memory;
    on->reset = all.reset;
    on->mask = all.mask;
    on->log_prob = all.log_prob;
    on->value = all.value;
    on->advantage = all.advantage;
    on->ret = all.ret;
    RLT_TRY(take_params(on, err));
    on->order_max = on->options.epochs * minibatches(on, on->rows_max) * on->taken;
    RLT_TRY(take(on, sizeof(uint32_t) * (size_t)on->order_max, (void **)&on->order, err));
    RLT_TRY(take(on, sizeof(rlt_update_state), (void **)&on->state, err));
    RLT_TRY(take(on, sizeof(double) * rlt_fn_partials((int)part), (void **)&on->loss_partial, err));
    RLT_TRY(take(on, sizeof(double) * RLT_STEP_PARTIALS, (void **)&on->step_partial, err));
    RLT_TRY(make_head(on, err));
    on->host_order = rlt_alloc(sizeof(uint32_t) * (size_t)on->order_max);
    on->host_moments = rlt_alloc(2 * sizeof(float) * on->param_count);
    on->moments_on_host = true;
    return rlt_net_create(on->device, &on->program, (int)on->steps, (int)on->taken, true, &on->net,
                          err);
}

/* Every learner has a device of its own; the first one's id reaches the others by the team. */
static rlt_status join_team(rlt_ppo_on_device *on, rlt_err *err) {
    const rlt_ppo_team *team = &on->options.team;
    const rlt_backend *backend = on->device->backend;
    rlt_reduce_id ids[4], mine = {{0}};
    if (members(on) == 1) {
        return RLT_OK;
    }
    if (backend->all_reduce == NULL) {
        return rlt_fail(err, RLT_ENOTSUP, "learners: the backend %s cannot sum their gradients",
                        backend->name);
    }
    if (on->steps > 1 || on->taken % team->count != 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "learners: %d on GPUs share %s; allowed: policies without memory, and a "
                        "ppo.minibatch that is a multiple of learners",
                        team->count,
                        on->steps > 1 ? "no sequences of a policy with memory"
                                      : "no minibatch of that many rows evenly");
    }
    RLT_ASSERT((size_t)team->count <= RLT_COUNT(ids));
    if (team->rank == 0) {
        RLT_TRY(backend->reduce_id(&mine, err));
    }
    RLT_TRY(team->all_gather(team->user, &mine, ids, sizeof(mine), err));
    return backend->all_reduce_init(on->device, team->rank, team->count, &ids[0], err);
}

/* More memory will not be there at the next attempt: the trial fails, with the figures. */
static rlt_status too_large(const rlt_ppo_on_device *on, rlt_err *err) {
    double mib = 1.0 / (1 << 20);
    size_t net = rlt_net_bytes(&on->program, (int)on->steps, (int)on->taken, true);
    rlt_device_info info = {0};
    rlt_status known = on->device->backend->info(on->device->index, &info, NULL);
    return rlt_fail(err, RLT_ELIMIT,
                    "%s:%d has no memory for this update (%.0f of %.0f MiB free): the network "
                    "needs %.0f MiB for %lld rows, batch and parameters at least %.0f MiB; lower "
                    "ppo.minibatch, ppo.horizon, the number of environments or the model's width",
                    on->device->backend->name, on->device->index,
                    known == RLT_OK ? (double)info.free_bytes * mib : 0.0,
                    known == RLT_OK ? (double)info.memory_bytes * mib : 0.0, (double)net * mib,
                    (long long)(on->taken * on->steps), (double)on->bytes * mib);
}

rlt_status rlt_ppo_on_device_create(rlt_device *device, const rlt_policy_spec *spec,
                                    const rlt_ppo_options *options, int64_t rows_max,
                                    rlt_ppo_on_device **made, rlt_err *err) {
    rlt_ppo_on_device *on = rlt_alloc(sizeof(*on));
    on->device = device;
    on->spec = *spec;
    on->options = *options;
    on->rows_max = rows_max;
    on->param_count = rlt_policy_param_count(spec);
    on->steps = options->steps > 1 ? options->steps : 1;
    int64_t sequences = rows_max / on->steps, taken = options->minibatch / on->steps;
    on->taken = taken < 1 ? 1 : taken > sequences ? sequences : taken;
    rlt_status status = rlt_policy_program(spec, &on->program, err);
    if (status == RLT_OK) {
        status = join_team(on, err);
    }
    if (status == RLT_OK) {
        status = allocate(on, err);
    }
    if (status != RLT_OK) {
        status = status == RLT_ENOMEM ? too_large(on, err) : status;
        rlt_ppo_on_device_destroy(&on);
        return status;
    }
    *made = on;
    return RLT_OK;
}

static void free_graphs(rlt_ppo_on_device *on) {
    rlt_graph **const graphs[] = {&on->many, &on->one, &on->rest};
    for (size_t i = 0; i < RLT_COUNT(graphs); i++) {
        if (*graphs[i] != NULL) {
            on->device->backend->graph_free(on->device, graphs[i]);
        }
    }
}

void rlt_ppo_on_device_destroy(rlt_ppo_on_device **ppo) {
    rlt_ppo_on_device *on = *ppo;
    if (on == NULL) {
        return;
    }
    free_graphs(on);
    rlt_net_destroy(&on->net);
    for (int i = 0; i < on->buffer_count; i++) {
        on->device->backend->free(on->device, on->buffers[i]);
    }
    rlt_free(on->host_order);
    rlt_free(on->host_moments);
    rlt_device_close(&on->device);
    rlt_free(on);
    *ppo = NULL;
}

float *rlt_ppo_on_device_moments(rlt_ppo_on_device *on) {
    if (!on->moments_on_host) {
        size_t bytes = sizeof(float) * on->param_count;
        on->device->backend->download(on->device, on->host_moments, on->m, bytes);
        on->device->backend->download(on->device, on->host_moments + on->param_count, on->v, bytes);
        on->moments_on_host = true;
    }
    return on->host_moments;
}

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

static void loss(rlt_ppo_on_device *on, const minibatch_memory *share, int rows,
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
static minibatch_memory share_of(const rlt_ppo_on_device *on, int n) {
    const minibatch_memory *to = &on->to;
    size_t first = (size_t)n / (size_t)members(on) * (size_t)on->options.team.rank;
    return (minibatch_memory){
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
    if (members(on) > 1) {
        unsigned char *state = (unsigned char *)on->state;
        backend->all_reduce(on->device, on->grad, on->param_count);
        backend->all_reduce_sums(on->device,
                                 (double *)(void *)(state + offsetof(rlt_update_state, current)),
                                 RLT_SUM_COUNT);
    }
}

/* One minibatch of n sequences, of which every learner computes its share: gradient and step. */
static void minibatch(rlt_ppo_on_device *on, int64_t rows, int n, const rlt_ppo_coef *coef) {
    int taken = n * (int)on->steps, own = n / members(on);
    bool sequences = on->steps > 1;
    minibatch_memory share = share_of(on, n);
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
    if (left % members(on) != 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "ppo.minibatch: leaves a last minibatch of %lld of %lld rows, which %d "
                        "learners cannot share evenly",
                        (long long)left, (long long)rows, members(on));
    }
    free_graphs(on);
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
    int64_t sequences = rows / on->steps, room = minibatches(on, rows) * on->taken;
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
        .epochs = s->stopped == 1 ? s->minibatch / minibatches(on, rows) + 1 : on->options.epochs,
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
