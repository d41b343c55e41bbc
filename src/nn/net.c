/* net: a program with its values on a device. Every value has its place for all rows; backward
 * goes through the operations in reverse. Works on a recording device as well: nothing here reads
 * what the device computes. Thread: the device's. Owner: whoever created the net. */
#include "nn/device.h"

#include <string.h>

struct rlt_net {
    rlt_device *device;
    rlt_program program;
    int steps_max, seqs_max;
    bool training;
    /* of each op: y, d loss / d y (training alone), and what forward leaves for backward */
    float *y[RLT_OPS_MAX], *dy[RLT_OPS_MAX], *saved[RLT_OPS_MAX];
    float *scratch;
};

static size_t rounded(size_t floats) {
    return sizeof(float) * ((floats + 63) / 64 * 64);
}

size_t rlt_net_bytes(const rlt_program *program, int steps_max, int seqs_max, bool training) {
    size_t rows = (size_t)steps_max * (size_t)seqs_max, bytes = 0;
    for (int i = 0; i < program->op_count; i++) {
        const rlt_op *op = &program->ops[i];
        bytes += rounded(rows * (size_t)op->out);
        bytes += training ? rounded(rows * (size_t)op->out) + rounded(rows * (size_t)op->saved) : 0;
    }
    return bytes;
}

static rlt_status allocate(rlt_net *net, size_t bytes, float **memory, rlt_err *err) {
    void *got = NULL;
    rlt_status status =
        bytes > 0 ? net->device->backend->alloc(net->device, bytes, &got, err) : RLT_OK;
    *memory = got;
    return status;
}

static rlt_status allocate_all(rlt_net *net, rlt_err *err) {
    const rlt_backend *backend = net->device->backend;
    size_t rows = (size_t)net->steps_max * (size_t)net->seqs_max, scratch = 0;
    for (int i = 0; i < net->program.op_count; i++) {
        const rlt_op *op = &net->program.ops[i];
        size_t y = rounded(rows * (size_t)op->out), saved = rounded(rows * (size_t)op->saved);
        size_t need =
            backend->op_scratch(net->device, op, net->steps_max, net->seqs_max, net->training);
        scratch = need > scratch ? need : scratch;
        RLT_TRY(allocate(net, y, &net->y[i], err));
        RLT_TRY(allocate(net, net->training ? y : 0, &net->dy[i], err));
        RLT_TRY(allocate(net, net->training ? saved : 0, &net->saved[i], err));
    }
    return allocate(net, scratch, &net->scratch, err);
}

rlt_status rlt_net_create(rlt_device *device, const rlt_program *program, int steps_max,
                          int seqs_max, bool training, rlt_net **net, rlt_err *err) {
    *net = NULL;
    RLT_ASSERT(steps_max >= 1 && seqs_max >= 1);
    if ((int64_t)steps_max * seqs_max > INT32_MAX / 2) {
        return rlt_fail(err, RLT_ELIMIT, "a network for %d steps of %d sequences; at most %d rows",
                        steps_max, seqs_max, INT32_MAX / 2);
    }
    rlt_net *made = rlt_alloc(sizeof *made);
    made->device = device;
    made->program = *program;
    made->steps_max = steps_max;
    made->seqs_max = seqs_max;
    made->training = training;
    rlt_status status = allocate_all(made, err);
    if (status != RLT_OK) {
        rlt_net_destroy(&made);
        return status;
    }
    *net = made;
    return RLT_OK;
}

void rlt_net_destroy(rlt_net **net) {
    rlt_net *n = *net;
    if (n == NULL) {
        return;
    }
    const rlt_backend *backend = n->device->backend;
    for (int i = 0; i < n->program.op_count; i++) {
        float *const all[] = {n->y[i], n->dy[i], n->saved[i]};
        for (size_t k = 0; k < RLT_COUNT(all); k++) {
            if (all[k] != NULL) {
                backend->free(n->device, all[k]);
            }
        }
    }
    if (n->scratch != NULL) {
        backend->free(n->device, n->scratch);
    }
    rlt_free(n);
    *net = NULL;
}

float *rlt_net_head(rlt_net *net) {
    return net->y[net->program.head];
}

static float *value_of(float **values, int index) {
    return index == RLT_VALUE_NONE ? NULL : values[index];
}

float *rlt_net_value(rlt_net *net) {
    return value_of(net->y, net->program.value);
}

float *rlt_net_d_head(rlt_net *net) {
    return net->dy[net->program.head];
}

float *rlt_net_d_value(rlt_net *net) {
    return value_of(net->dy, net->program.value);
}

static const float *input_of(const rlt_net *net, const rlt_net_in *in, int value) {
    return value == RLT_VALUE_OBS ? in->obs : value == RLT_VALUE_NONE ? NULL : net->y[value];
}

static rlt_op_io io_of(const rlt_net *net, const rlt_net_in *in, int index) {
    const rlt_op *op = &net->program.ops[index];
    bool keeps = op->state_width > 0;
    return (rlt_op_io){
        .steps = in->steps,
        .seqs = in->seqs,
        .params = in->params + op->param,
        .x = input_of(net, in, op->x),
        .x2 = input_of(net, in, op->x2),
        .y = net->y[index],
        .saved = net->saved[index],
        .reset = in->reset,
        .state = keeps && in->state != NULL ? in->state + op->state : NULL,
        .state_out = keeps && in->state_out != NULL ? in->state_out + op->state : NULL,
        .state_stride = net->program.state_width,
        .scratch = net->scratch,
        .training = net->training,
    };
}

static void check_in(const rlt_net *net, const rlt_net_in *in) {
    RLT_ASSERT(in->steps >= 1 && in->seqs >= 1);
    RLT_ASSERT(in->steps <= net->steps_max && in->seqs <= net->seqs_max);
    RLT_ASSERT(in->state == NULL || in->state != in->state_out);
}

void rlt_net_forward(rlt_net *net, const rlt_net_in *in) {
    check_in(net, in);
    for (int i = 0; i < net->program.op_count; i++) {
        rlt_op_io io = io_of(net, in, i);
        const rlt_op *op = &net->program.ops[i];
        net->device->backend->forward[op->kind](net->device, op, &io);
    }
}

void rlt_net_backward_obs(rlt_net *net, const rlt_net_in *in, float *grad, float *d_obs) {
    check_in(net, in);
    RLT_ASSERT(net->training);
    for (int i = net->program.op_count - 1; i >= 0; i--) {
        rlt_op_io io = io_of(net, in, i);
        const rlt_op *op = &net->program.ops[i];
        io.dy = net->dy[i];
        io.dx = op->x == RLT_VALUE_OBS ? d_obs : net->dy[op->x];
        io.dx2 = value_of(net->dy, op->x2);
        io.d_params = grad + op->param;
        net->device->backend->backward[op->kind](net->device, op, &io);
    }
}

void rlt_net_backward(rlt_net *net, const rlt_net_in *in, float *grad) {
    rlt_net_backward_obs(net, in, grad, NULL);
}
