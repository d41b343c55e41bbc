/* ppo on a device: its memory there, and the other learners' devices.
 * Thread: the device's. Owner: rlt_ppo. */
#include "algos/ppo/ppo_device.h"

#include <string.h>

int rlt_ppo_members(const rlt_ppo_on_device *on) {
    return on->options.team.count > 1 ? on->options.team.count : 1;
}

int64_t rlt_ppo_minibatches(const rlt_ppo_on_device *on, int64_t rows) {
    return (rows / on->steps + on->taken - 1) / on->taken;
}

static rlt_status take(rlt_ppo_on_device *on, size_t bytes, void **memory, rlt_err *err) {
    RLT_ASSERT(on->buffer_count < BUFFERS);
    on->bytes += bytes;
    RLT_TRY(on->device->backend->alloc(on->device, bytes > 0 ? bytes : 1, memory, err));
    on->buffers[on->buffer_count++] = *memory;
    return RLT_OK;
}

/* The columns of a batch or of a minibatch: rows, in sequences. */
static rlt_status take_columns(rlt_ppo_on_device *on, size_t rows, size_t sequences,
                               rlt_ppo_columns *to, rlt_err *err) {
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

static rlt_status allocate(rlt_ppo_on_device *on, rlt_err *err) {
    size_t rows = (size_t)on->rows_max, sequences = rows / (size_t)on->steps;
    size_t part = (size_t)(on->taken * on->steps);
    rlt_ppo_columns all;
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
    on->order_max = on->options.epochs * rlt_ppo_minibatches(on, on->rows_max) * on->taken;
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
    if (rlt_ppo_members(on) == 1) {
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

void rlt_ppo_free_graphs(rlt_ppo_on_device *on) {
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
    rlt_ppo_free_graphs(on);
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
