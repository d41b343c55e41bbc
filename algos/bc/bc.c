/* bc: see bc.h. Minibatches are gathered on the host, so that the dataset needs no device memory.
 * Thread: the device's. Owner: whoever created it. */
#include "algos/bc/bc.h"

#include "algos/algos.h"

#include <math.h>
#include <string.h>

extern const rlt_algo_def rlt_algo_bc;
const rlt_algo_def rlt_algo_bc = {
    "bc", "behaviour cloning: learns from a dataset what an expert does; supervised, off-policy"};

enum { BUFFERS = 16 };

typedef struct columns { /* of one minibatch */
    float *obs;
    unsigned char *action;
    uint8_t *reset, *mask;
} columns;

struct rlt_bc {
    rlt_policy_spec spec;
    rlt_bc_options options;
    rlt_program program;
    rlt_net *net;
    rlt_head head;
    size_t param_count;
    int64_t step;
    float *moments; /* [2][param_count], host */
    columns host, on;
    float *params, *grad, *m, *v; /* device */
    rlt_update_state *state;
    double *loss_partial, *step_partial;
    float *head_rows;       /* host: [rows][action_dim] */
    unsigned char *modes;   /* host: [rows] actions */
    void *buffers[BUFFERS]; /* device memory, all of it */
    int buffer_count;
};

static rlt_status check_options(const rlt_bc_options *o, rlt_err *err) {
    const struct {
        const char *name;
        double value, min, max;
    } rows[] = {
        {"sequences", (double)o->sequences, 1, (double)(INT32_MAX / (o->steps > 0 ? o->steps : 1))},
        {"steps", (double)o->steps, 1, 1 << 20},
        {"ent_coef", (double)o->ent_coef, 0, 1e30},
        {"max_grad_norm", (double)o->max_grad_norm, 0, 1e30},
        {"optimiser", (double)o->optimiser.kind, RLT_OPT_ADAM, RLT_OPT_RMSPROP},
        {"weight_decay", (double)o->optimiser.weight_decay, 0, 10},
    };
    for (size_t i = 0; i < RLT_COUNT(rows); i++) { /* written so that a NaN is refused */
        if (!(rows[i].value >= rows[i].min && rows[i].value <= rows[i].max)) {
            return rlt_fail(err, RLT_EINVAL, "bc.%s: %g is out of bounds; allowed: %g to %g",
                            rows[i].name, rows[i].value, rows[i].min, rows[i].max);
        }
    }
    return RLT_OK;
}

static rlt_status take(rlt_bc *bc, size_t bytes, void **memory, rlt_err *err) {
    RLT_ASSERT(bc->buffer_count < BUFFERS);
    rlt_device *device = bc->options.device;
    RLT_TRY(device->backend->alloc(device, bytes > 0 ? bytes : 1, memory, err));
    bc->buffers[bc->buffer_count++] = *memory;
    return RLT_OK;
}

static rlt_status allocate(rlt_bc *bc, rlt_err *err) {
    size_t n = (size_t)bc->options.sequences * (size_t)bc->options.steps;
    size_t width = sizeof(float) * (size_t)bc->spec.obs_dim, dim = (size_t)bc->spec.action_dim;
    size_t action = rlt_policy_action_bytes(&bc->spec), params = sizeof(float) * bc->param_count;
    bc->moments = rlt_alloc(2 * params);
    bc->host = (columns){rlt_alloc(n * width), rlt_alloc(n * action), rlt_alloc(n),
                         bc->options.masked ? rlt_alloc(n * dim) : NULL};
    bc->head_rows = rlt_alloc(sizeof(float) * n * dim);
    bc->modes = rlt_alloc(n * action);
    RLT_TRY(take(bc, n * width, (void **)&bc->on.obs, err));
    RLT_TRY(take(bc, n * action, (void **)&bc->on.action, err));
    RLT_TRY(take(bc, n, (void **)&bc->on.reset, err));
    if (bc->options.masked) {
        RLT_TRY(take(bc, n * dim, (void **)&bc->on.mask, err));
    }
    float **const all[] = {&bc->params, &bc->grad, &bc->m, &bc->v};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        RLT_TRY(take(bc, params, (void **)all[i], err));
    }
    RLT_TRY(take(bc, sizeof(rlt_update_state), (void **)&bc->state, err));
    RLT_TRY(take(bc, sizeof(double) * rlt_fn_partials((int)n), (void **)&bc->loss_partial, err));
    RLT_TRY(take(bc, sizeof(double) * RLT_STEP_PARTIALS, (void **)&bc->step_partial, err));
    if (bc->spec.component_count > 0) {
        size_t bytes = sizeof(int) * (size_t)bc->spec.component_count;
        void *counts = NULL;
        RLT_TRY(take(bc, bytes, &counts, err));
        bc->options.device->backend->upload(bc->options.device, counts, bc->spec.components, bytes);
        bc->head.counts = counts;
    }
    return rlt_net_create(bc->options.device, &bc->program, bc->options.steps,
                          (int)bc->options.sequences, true, &bc->net, err);
}

rlt_status rlt_bc_create(const rlt_policy_spec *spec, const rlt_bc_options *options, rlt_bc **bc,
                         rlt_err *err) {
    *bc = NULL;
    RLT_TRY(rlt_policy_check(spec, err));
    RLT_TRY(check_options(options, err));
    rlt_bc *made = rlt_alloc(sizeof(*made));
    made->spec = *spec;
    made->options = *options;
    made->param_count = rlt_policy_param_count(spec);
    made->head = rlt_policy_head(spec);
    rlt_status status = rlt_policy_program(spec, &made->program, err);
    if (status == RLT_OK) {
        status = allocate(made, err);
    }
    if (status != RLT_OK) {
        rlt_bc_destroy(&made);
    }
    *bc = made;
    return status;
}

void rlt_bc_destroy(rlt_bc **bc) {
    rlt_bc *old = *bc;
    if (old == NULL) {
        return;
    }
    rlt_net_destroy(&old->net);
    for (int i = 0; i < old->buffer_count; i++) {
        old->options.device->backend->free(old->options.device, old->buffers[i]);
    }
    void *const all[] = {old->moments,   old->host.obs,  old->host.action, old->host.reset,
                         old->host.mask, old->head_rows, old->modes};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
    rlt_free(old);
    *bc = NULL;
}

float *rlt_bc_state(rlt_bc *bc, size_t *count) {
    *count = 2 * bc->param_count;
    return bc->moments;
}

int64_t *rlt_bc_step(rlt_bc *bc) {
    return &bc->step;
}

/* Fisher-Yates, inside out. */
void rlt_bc_shuffle(uint64_t seed, int64_t epoch, uint32_t count, uint32_t *order) {
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_SHUFFLE, (uint32_t)epoch);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = rlt_rng_below(&rng, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}

/* ---- one minibatch ---- */

static void copy_row(void *to, size_t to_row, const void *from, size_t from_row, size_t bytes) {
    memcpy((char *)to + to_row * bytes, (const char *)from + from_row * bytes, bytes);
}

/* n sequences, order[i] or, without one, first + i; to the device. */
static void gather(rlt_bc *bc, const rlt_bc_rows *rows, const uint32_t *order, int64_t first,
                   size_t n) {
    const rlt_backend *backend = bc->options.device->backend;
    size_t width = sizeof(float) * (size_t)bc->spec.obs_dim, dim = (size_t)bc->spec.action_dim;
    size_t action = rlt_policy_action_bytes(&bc->spec), count = n * (size_t)bc->options.steps;
    for (size_t to = 0; to < count; to++) {
        size_t i = to % n, sequence = order != NULL ? order[i] : (size_t)first + i;
        size_t from = to / n * (size_t)rows->sequences + sequence;
        copy_row(bc->host.obs, to, rows->obs, from, width);
        copy_row(bc->host.action, to, rows->action, from, action);
        bc->host.reset[to] = rows->reset[from];
        if (bc->options.masked) {
            copy_row(bc->host.mask, to, rows->mask, from, dim);
        }
    }
    backend->upload(bc->options.device, bc->on.obs, bc->host.obs, count * width);
    backend->upload(bc->options.device, bc->on.action, bc->host.action, count * action);
    backend->upload(bc->options.device, bc->on.reset, bc->host.reset, count);
    if (bc->options.masked) {
        backend->upload(bc->options.device, bc->on.mask, bc->host.mask, count * dim);
    }
}

static rlt_net_in forward(rlt_bc *bc, size_t n) {
    rlt_net_in in = {.steps = bc->options.steps,
                     .seqs = (int)n,
                     .params = bc->params,
                     .obs = bc->on.obs,
                     .reset = bc->options.steps > 1 ? bc->on.reset : NULL};
    rlt_net_forward(bc->net, &in);
    return in;
}

static void loss(rlt_bc *bc, int rows, float ent_coef) {
    size_t log_std = bc->program.param_count;
    rlt_bc_loss_args args = {
        .update = bc->state,
        .policy = bc->head,
        .n = rows,
        .head = rlt_net_head(bc->net),
        .log_std = bc->spec.discrete ? NULL : bc->params + log_std,
        .action = bc->on.action,
        .mask = bc->on.mask,
        .ent_coef = ent_coef,
        .d_head = rlt_net_d_head(bc->net),
        .d_log_std = bc->spec.discrete ? NULL : bc->grad + log_std,
        .partial = bc->loss_partial,
    };
    bc->options.device->backend->bc_loss(bc->options.device, &args);
}

static void train_minibatch(rlt_bc *bc, const rlt_bc_rows *rows, const uint32_t *order) {
    rlt_device *device = bc->options.device;
    size_t n = (size_t)bc->options.sequences;
    int count = (int)n * bc->options.steps;
    gather(bc, rows, order, 0, n);
    rlt_net_in in = forward(bc, n);
    device->backend->zero(device, rlt_net_d_value(bc->net), sizeof(float) * (size_t)count);
    loss(bc, count, bc->options.ent_coef);
    rlt_net_backward(bc->net, &in, bc->grad);
    rlt_step_args args = {.update = bc->state,
                          .optimiser = &bc->options.optimiser,
                          .params = bc->params,
                          .grad = bc->grad,
                          .m = bc->m,
                          .v = bc->v,
                          .count = bc->param_count,
                          .rows = count,
                          .norm_max = bc->options.max_grad_norm,
                          .partial = bc->step_partial};
    device->backend->step(device, &args);
}

static rlt_status fail_diverged(const rlt_update_state *s, rlt_err *err) {
    bool norm = s->stopped == 2 + RLT_SUM_COUNT;
    return rlt_fail(
        err, RLT_EDIVERGED,
        "the %s is not finite at optimiser step %lld: lower bc.lr, clip the gradient or "
        "normalise observations",
        norm ? "gradient norm" : "loss", (long long)s->step + 1);
}

rlt_status rlt_bc_train(rlt_bc *bc, float *params, const rlt_bc_rows *rows, const uint32_t *order,
                        int count, float lr, rlt_bc_result *result, rlt_err *err) {
    rlt_device *device = bc->options.device;
    const rlt_backend *backend = device->backend;
    size_t bytes = sizeof(float) * bc->param_count;
    rlt_update_state state = {.lr = lr, .step = bc->step};
    RLT_ASSERT(rows->steps == bc->options.steps && count >= 1);
    backend->upload(device, bc->params, params, bytes);
    backend->upload(device, bc->m, bc->moments, bytes);
    backend->upload(device, bc->v, bc->moments + bc->param_count, bytes);
    backend->upload(device, bc->state, &state, sizeof(state));
    backend->zero(device, bc->grad, bytes);
    for (int k = 0; k < count; k++) {
        train_minibatch(bc, rows, order + k * bc->options.sequences);
    }
    backend->download(device, params, bc->params, bytes);
    backend->download(device, bc->moments, bc->m, bytes);
    backend->download(device, bc->moments + bc->param_count, bc->v, bytes);
    backend->download(device, &state, bc->state, sizeof(state));
    RLT_TRY(backend->sync(device, err));
    bc->step = state.step;
    if (state.stopped != 0) {
        return fail_diverged(&state, err);
    }
    double seen = (double)state.rows_seen;
    *result = (rlt_bc_result){.loss = state.sums[RLT_SUM_POLICY] / seen,
                              .entropy = state.sums[RLT_SUM_ENTROPY] / seen,
                              .grad_norm = state.norm_sum / (double)state.steps_done};
    return RLT_OK;
}

/* ---- figures ---- */

static int64_t count_equal(rlt_bc *bc, int rows) {
    size_t action = rlt_policy_action_bytes(&bc->spec);
    int64_t equal = 0;
    rlt_policy_mode(&bc->spec, bc->head_rows, bc->host.mask, rows, bc->modes);
    for (size_t r = 0; r < (size_t)rows; r++) {
        equal += memcmp(bc->modes + r * action, bc->host.action + r * action, action) == 0;
    }
    return equal;
}

rlt_status rlt_bc_measure(rlt_bc *bc, const float *params, const rlt_bc_rows *rows, int64_t first,
                          int64_t count, rlt_bc_figures *figures, rlt_err *err) {
    rlt_device *device = bc->options.device;
    const rlt_backend *backend = device->backend;
    double sum = 0;
    int64_t equal = 0;
    RLT_ASSERT(rows->steps == bc->options.steps && count >= 1);
    backend->upload(device, bc->params, params, sizeof(float) * bc->param_count);
    for (int64_t at = 0; at < count; at += bc->options.sequences) {
        int64_t left = count - at, n = left < bc->options.sequences ? left : bc->options.sequences;
        int taken = (int)n * bc->options.steps;
        rlt_update_state state = {0};
        gather(bc, rows, NULL, first + at, (size_t)n);
        forward(bc, (size_t)n);
        loss(bc, taken, 0);
        backend->download(device, &state, bc->state, sizeof(state));
        backend->download(device, bc->head_rows, rlt_net_head(bc->net),
                          sizeof(float) * (size_t)taken * (size_t)bc->spec.action_dim);
        RLT_TRY(backend->sync(device, err));
        sum += state.current[RLT_SUM_POLICY];
        equal += bc->spec.discrete ? count_equal(bc, taken) : 0;
    }
    double all = (double)(count * bc->options.steps);
    *figures = (rlt_bc_figures){sum / all, bc->spec.discrete ? (double)equal / all : NAN};
    return RLT_OK;
}
