/* The check of one operation at one size; see parity.h. */
#include "nn/program_impl.h"
#include "tests/gpu/parity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PLACES_MAX = 40 }; /* where central differences are taken, of each array */

/* The host's side of a case, and what a device made of it. */
typedef struct call {
    rlt_op op;
    int steps, seqs;
    size_t rows, x, y, params, state, saved;
    float *in_x, *in_x2, *in_params, *in_state, *in_dy, *before_dx, *before_params;
    uint8_t *reset;
} call;
typedef struct result {
    float *y, *state_out, *dx, *dx2, *d_params;
} result;

static void fill_x(parity *p, const parity_case *row, const call *c, float *x) {
    for (size_t r = 0; row->one_hot && r < c->rows; r++) {
        memset(x + r * (size_t)c->op.in, 0, sizeof(float) * (size_t)c->op.in);
        x[r * (size_t)c->op.in + (size_t)parity_size(p, 0, c->op.in - 1)] = 1;
    }
}

static call make_call(parity *p, const parity_case *row) {
    call c = {.op = row->op, .steps = row->steps, .seqs = row->seqs};
    float scale = row->x_scale > 0 ? row->x_scale : 1;
    float fan =
        sqrtf((float)(c.op.kernel > 0 ? c.op.kernel * c.op.kernel * c.op.in_hwc[2] : c.op.in));
    c.op.param_count = (size_t)rlt_op_param_count(&c.op);
    c.op.saved = rlt_op_saved_floats(&c.op);
    c.op.state_width = (int)rlt_op_state_floats(&c.op);
    c.rows = (size_t)c.steps * (size_t)c.seqs;
    c.x = c.rows * (size_t)c.op.in;
    c.y = c.rows * (size_t)c.op.out;
    c.params = c.op.param_count;
    c.state = (size_t)c.seqs * (size_t)c.op.state_width;
    c.saved = c.rows * (size_t)c.op.saved;
    c.in_x = parity_normal(p, c.x, scale);
    fill_x(p, row, &c, c.in_x);
    c.in_x2 = row->same_x2 ? parity_normal(p, c.x, scale) : NULL;
    c.in_params = parity_normal(p, c.params, row->param_scale > 0 ? row->param_scale : 1 / fan);
    c.in_dy = parity_normal(p, c.y, 1);
    c.before_dx = parity_normal(p, c.x, 1);
    c.before_params = parity_normal(p, c.params, 1);
    if (row->state && c.state > 0) {
        c.in_state = parity_normal(p, c.state, 0.5f);
        if (c.op.kind == RLT_OP_attention) { /* how many steps of the episode there are */
            for (int n = 0; n < c.seqs; n++) {
                c.in_state[(size_t)(n + 1) * (size_t)c.op.state_width - 1] =
                    (float)parity_size(p, 0, c.op.context);
            }
        }
    }
    c.reset = row->reset ? parity_host(p, c.rows) : NULL;
    for (size_t i = 0; row->reset && i < c.rows; i++) {
        c.reset[i] = parity_size(p, 0, 3) == 0;
    }
    return c;
}

/* The call's memory on a device: forward, backward, and what comes out of them. */
typedef struct placed {
    rlt_op_io io;
    float *d_params, *dx;
} placed;

static placed place(parity *p, rlt_device *device, const call *c, bool with_dx) {
    size_t f = sizeof(float);
    placed at = {0};
    size_t scratch = device->backend->op_scratch(device, &c->op, c->steps, c->seqs, true);
    at.dx = with_dx ? parity_up(p, device, c->before_dx, f * c->x) : NULL;
    at.d_params = parity_up(p, device, c->before_params, f * c->params);
    at.io = (rlt_op_io){
        .steps = c->steps,
        .seqs = c->seqs,
        .training = true,
        .params = parity_up(p, device, c->in_params, f * c->params),
        .x = parity_up(p, device, c->in_x, f * c->x),
        .x2 = c->in_x2 == NULL ? NULL : parity_up(p, device, c->in_x2, f * c->x),
        .y = parity_up(p, device, NULL, f * c->y),
        .saved = parity_up(p, device, NULL, f * c->saved),
        .reset = c->reset == NULL ? NULL : parity_up(p, device, c->reset, c->rows),
        .state = c->in_state == NULL ? NULL : parity_up(p, device, c->in_state, f * c->state),
        .state_out = parity_up(p, device, NULL, f * c->state),
        .state_stride = c->op.state_width,
        .dy = parity_up(p, device, c->in_dy, f * c->y),
        .dx = at.dx,
        .dx2 = c->in_x2 == NULL || !with_dx ? NULL : parity_up(p, device, NULL, f * c->x),
        .d_params = c->params == 0 ? NULL : at.d_params,
        .scratch = parity_up(p, device, NULL, scratch),
    };
    if (c->state == 0) {
        at.io.state_out = NULL;
    }
    return at;
}

static result fetch(parity *p, rlt_device *device, const call *c, const placed *at) {
    size_t f = sizeof(float);
    result r = {parity_host(p, f * c->y), parity_host(p, f * c->state), parity_host(p, f * c->x),
                parity_host(p, f * c->x), parity_host(p, f * c->params)};
    parity_down(device, r.y, at->io.y, f * c->y);
    if (at->io.state_out != NULL) {
        parity_down(device, r.state_out, at->io.state_out, f * c->state);
    }
    if (at->dx != NULL) {
        parity_down(device, r.dx, at->dx, f * c->x);
    }
    if (at->io.dx2 != NULL) {
        parity_down(device, r.dx2, at->io.dx2, f * c->x);
    }
    if (c->params > 0) {
        parity_down(device, r.d_params, at->d_params, f * c->params);
    }
    return r;
}

typedef enum { DIRECT, RECORDED, WITHOUT_DX } way;

/* y NULL, or what backward reads instead of the device's own y: so that both devices are on the
 * same side of a kink. */
static result run(parity *p, rlt_device *device, const call *c, way how, const float *y) {
    const rlt_backend *b = device->backend;
    placed at = place(p, device, c, how != WITHOUT_DX);
    rlt_graph *graph = NULL;
    rlt_err err = {0};
    if (how == RECORDED) {
        parity_true(p, err.message, b->record_begin(device, &err) == RLT_OK);
    }
    b->forward[c->op.kind](device, &c->op, &at.io);
    result forward = {0};
    if (y != NULL) {
        forward = fetch(p, device, c, &at);
        b->upload(device, at.io.y, y, sizeof(float) * c->y);
    }
    b->backward[c->op.kind](device, &c->op, &at.io);
    if (how == RECORDED) {
        bool ok = b->record_end(device, &graph, &err) == RLT_OK;
        parity_true(p, ok ? "record_end" : err.message, ok);
        if (ok) {
            b->graph_run(device, graph);
            b->graph_free(device, &graph);
        }
    }
    parity_synced(p, device);
    result all = fetch(p, device, c, &at);
    all.y = y != NULL ? forward.y : all.y;
    return all;
}

static parity_values values_of(parity *p, const call *c) {
    return (parity_values){
        .steps = c->steps,
        .seqs = c->seqs,
        .x = parity_doubles(p, c->in_x, c->x),
        .x2 = parity_doubles(p, c->in_x2, c->x),
        .params = parity_doubles(p, c->in_params, c->params),
        .state = parity_doubles(p, c->in_state, c->state),
        .reset = c->reset,
        .y = parity_host(p, sizeof(double) * c->y),
        .state_out = parity_host(p, sizeof(double) * c->state),
        .dy = parity_doubles(p, c->in_dy, c->y),
        .dx = parity_host(p, sizeof(double) * c->x),
        .dx2 = c->in_x2 == NULL ? NULL : parity_host(p, sizeof(double) * c->x),
        .d_params = parity_host(p, sizeof(double) * c->params),
    };
}

/* d(sum of dy * y) / d array[at], where `array` is one of the values. */
static double difference(const call *c, parity_values *v, parity_reference forward,
                         const double *array, size_t at, double *low, double *high) {
    double *cell = (double *)&array[at], kept = *cell, step = 1e-5, sum = 0;
    double *y = v->y, *state_out = v->state_out;
    v->state_out = NULL;
    *cell = kept + step;
    v->y = high;
    forward(&c->op, v);
    *cell = kept - step;
    v->y = low;
    forward(&c->op, v);
    *cell = kept;
    v->y = y;
    v->state_out = state_out;
    for (size_t i = 0; i < c->y; i++) {
        sum += v->dy[i] * (high[i] - low[i]);
    }
    return sum / (2 * step);
}

/* `got` at some places against central differences by `array`; before: what it was added to. */
static void check_differences(parity *p, const char *what, const call *c, parity_values *v,
                              parity_reference forward, const double *array, size_t count,
                              const float *got, const float *before, double limit) {
    int places = count < PLACES_MAX ? (int)count : PLACES_MAX;
    float *some = parity_host(p, sizeof(float) * (size_t)places);
    double *want = parity_host(p, sizeof(double) * (size_t)places);
    double *low = parity_host(p, sizeof(double) * c->y),
           *high = parity_host(p, sizeof(double) * c->y);
    for (int i = 0; i < places; i++) {
        size_t at = places == (int)count ? (size_t)i : (size_t)parity_size(p, 0, (int)count - 1);
        want[i] = difference(c, v, forward, array, at, low, high) +
                  (before == NULL ? 0 : (double)before[at]);
        some[i] = got[at];
    }
    parity_near(p, what, some, want, (size_t)places, limit);
}

static void add_floats(double *to, const float *from, size_t count) {
    for (size_t i = 0; i < count; i++) {
        to[i] += (double)from[i];
    }
}

static void check_backward(parity *p, const call *c, parity_values *v, const result *got,
                           parity_reference forward, parity_reference backward, double limit) {
    const float *dx_before = c->op.dx_add ? c->before_dx : NULL;
    if (backward == NULL) {
        check_differences(p, "dx", c, v, forward, v->x, c->x, got->dx, dx_before, limit);
        check_differences(p, "d_params", c, v, forward, v->params, c->params, got->d_params,
                          c->before_params, limit);
        if (c->in_x2 != NULL) {
            check_differences(p, "dx2", c, v, forward, v->x2, c->x, got->dx2, NULL, limit);
        }
        return;
    }
    v->y = parity_doubles(p, got->y, c->y); /* which side of a kink is the device's choice */
    backward(&c->op, v);
    add_floats(v->d_params, c->before_params, c->params);
    if (dx_before != NULL) {
        add_floats(v->dx, dx_before, c->x);
    }
    parity_near(p, "dx", got->dx, v->dx, c->x, limit);
    parity_near(p, "d_params", got->d_params, v->d_params, c->params, limit);
    if (c->in_x2 != NULL) {
        parity_near(p, "dx2", got->dx2, v->dx2, c->x, limit);
    }
}

static void check_bits(parity *p, const char *what, const call *c, const result *a, const result *b,
                       bool dx) {
    char text[64];
    size_t f = sizeof(float);
    snprintf(text, sizeof text, "y has other bits %s", what);
    parity_same(p, text, a->y, b->y, f * c->y);
    snprintf(text, sizeof text, "state has other bits %s", what);
    parity_same(p, text, a->state_out, b->state_out, f * c->state);
    snprintf(text, sizeof text, "d_params has other bits %s", what);
    parity_same(p, text, a->d_params, b->d_params, f * c->params);
    if (dx) {
        snprintf(text, sizeof text, "dx has other bits %s", what);
        parity_same(p, text, a->dx, b->dx, f * c->x);
        parity_same(p, text, a->dx2, b->dx2, f * c->x);
    }
}

void parity_op(parity *p, const parity_case *row, parity_reference forward,
               parity_reference backward) {
    parity_begin(p, row->name);
    if (p->device->backend->forward[row->op.kind] == NULL) {
        parity_true(p, "the backend lacks the operation", false);
        return;
    }
    call c = make_call(p, row);
    parity_values v = values_of(p, &c);
    double limit = 8 * parity_rounding(p->device) * (row->loosen > 0 ? row->loosen : 1);
    result got = run(p, p->device, &c, DIRECT, NULL), again = run(p, p->device, &c, DIRECT, NULL);
    result recorded = run(p, p->device, &c, RECORDED, NULL);
    result without = run(p, p->device, &c, WITHOUT_DX, NULL);
    forward(&c.op, &v);
    parity_near(p, "y", got.y, v.y, c.y, limit);
    if (c.state > 0) {
        parity_near(p, "state", got.state_out, v.state_out, c.state, limit);
    }
    check_backward(p, &c, &v, &got, forward, backward, 4 * limit);
    check_bits(p, "the second time", &c, &got, &again, true);
    check_bits(p, "from a graph", &c, &got, &recorded, true);
    check_bits(p, "without dx", &c, &got, &without, false);
    if (p->twin->backend->forward[c.op.kind] != NULL) {
        result twin = run(p, p->twin, &c, DIRECT, got.y);
        parity_near_floats(p, "y of the CPU twin", got.y, twin.y, c.y, 2 * limit);
        parity_near_floats(p, "dx of the CPU twin", got.dx, twin.dx, c.x, 8 * limit);
        parity_near_floats(p, "d_params of the CPU twin", got.d_params, twin.d_params, c.params,
                           8 * limit);
    }
}
