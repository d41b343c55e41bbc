/* How near the CPU's networks with convolutions come to the processor's multiply-add ceiling, which
 * is measured in the same run: each layer of nature_cnn (Mnih et al. 2015) forward and backward,
 * and the whole network. FLOP: 2 a multiply-add; backward twice forward's, the first layer's once
 * (nothing needs the gradient of observations). The best of several rounds, by the thread's
 * processor time. Usage: conv_bench [rows [form]], 32 and 128 rows and the best form unless told.
 */
#include "measure/measure.h"
#include "nn/device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 7 };

typedef struct subject {
    rlt_device *device;
    rlt_program program;
    rlt_net *net;
    rlt_net_in in;
    float *params, *grad, *obs;
    rlt_op_io io[RLT_OPS_MAX]; /* of each op alone, with memory of its own */
    float *memory[RLT_OPS_MAX][5];
} subject;

static float *random_floats(size_t count) {
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    float *x = rlt_alloc(sizeof(float) * count);
    for (size_t i = 0; i < count; i++) {
        x[i] = rlt_rng_uniform(&rng, -1, 1);
    }
    return x;
}

static void open_op(subject *s, int i, int rows) {
    const rlt_op *op = &s->program.ops[i];
    size_t n = (size_t)rows, scratch = rlt_backend_cpu.op_scratch(s->device, op, 1, rows, true);
    float **m = s->memory[i];
    m[0] = random_floats(n * (size_t)op->in);
    m[1] = random_floats(n * (size_t)op->out);
    m[2] = random_floats(n * (size_t)op->out);
    m[3] = random_floats(n * (size_t)op->in);
    m[4] = rlt_alloc(scratch);
    s->io[i] = (rlt_op_io){.steps = 1,
                           .seqs = rows,
                           .params = s->params + op->param,
                           .x = m[0],
                           .y = m[1],
                           .dy = m[2],
                           .dx = i > 0 ? m[3] : NULL,
                           .d_params = s->grad + op->param,
                           .scratch = m[4],
                           .training = true};
}

static rlt_status open_subject(subject *s, int rows, rlt_err *err) {
    const rlt_net_spec spec = {
        .obs_shape = {84, 84, 4},
        .layer_count = 4,
        .layers = {{.kind = RLT_LAYER_CONV, .units = 32, .kernel = 8, .stride = 4},
                   {.kind = RLT_LAYER_CONV, .units = 64, .kernel = 4, .stride = 2},
                   {.kind = RLT_LAYER_CONV, .units = 64, .kernel = 3, .stride = 1},
                   {.kind = RLT_LAYER_DENSE, .units = 512}},
        .head_width = 6,
        .value_width = 1};
    rlt_net_spec relu = spec;
    for (int i = 0; i < spec.layer_count; i++) {
        relu.layers[i].act = RLT_ACT_RELU;
    }
    RLT_TRY(rlt_device_open("cpu", RLT_PRECISION_FP32, &s->device, err));
    RLT_TRY(rlt_program_build(&relu, &s->program, err));
    RLT_TRY(rlt_net_create(s->device, &s->program, 1, rows, true, &s->net, err));
    s->params = rlt_alloc(sizeof(float) * s->program.param_count);
    s->grad = rlt_alloc(sizeof(float) * s->program.param_count);
    rlt_program_init(&s->program, 1, s->params);
    s->obs = random_floats((size_t)rows * (size_t)s->program.obs_width);
    s->in = (rlt_net_in){.steps = 1, .seqs = rows, .params = s->params, .obs = s->obs};
    for (int i = 0; i < 4; i++) {
        open_op(s, i, rows);
    }
    return RLT_OK;
}

static void close_subject(subject *s) {
    rlt_net_destroy(&s->net);
    rlt_device_close(&s->device);
    rlt_free(s->params);
    rlt_free(s->grad);
    rlt_free(s->obs);
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 5; k++) {
            rlt_free(s->memory[i][k]);
        }
    }
}

/* Multiply-adds of a row. */
static double work_of(const rlt_op *op) {
    double patch = (double)op->kernel * op->kernel * op->in_hwc[2];
    return op->kind == RLT_OP_conv ? patch * op->out : (double)op->in * op->out;
}

static void run(subject *s, int op, bool backward) {
    if (op >= 0) {
        const rlt_op_fn *table = backward ? rlt_backend_cpu.backward : rlt_backend_cpu.forward;
        table[s->program.ops[op].kind](s->device, &s->program.ops[op], &s->io[op]);
    } else if (backward) {
        rlt_net_backward(s->net, &s->in, s->grad);
    } else {
        rlt_net_forward(s->net, &s->in);
    }
}

static double best_seconds(subject *s, int op, bool backward) {
    double best = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        double start = rlt_thread_seconds();
        int calls = 0;
        do {
            run(s, op, backward);
            calls++;
        } while (rlt_thread_seconds() - start < 0.05);
        best = fmin(best, (rlt_thread_seconds() - start) / calls);
    }
    return best;
}

static void print_row(const char *name, double forward, double backward, const double seconds[2],
                      double ceiling) {
    double f = forward / seconds[0] * 1e-9, b = backward / seconds[1] * 1e-9;
    double both = (forward + backward) / (seconds[0] + seconds[1]) * 1e-9;
    printf("  %-24s forward %6.1f GFLOP/s %3.0f %% | backward %6.1f GFLOP/s %3.0f %% | both %6.1f "
           "GFLOP/s %3.0f %% of one core\n",
           name, f, 100 * f / ceiling, b, 100 * b / ceiling, both, 100 * both / ceiling);
}

static int bench(int rows, double ceiling) {
    static const char *const names[] = {"conv 32, 8, 4 on 84x84x4", "conv 64, 4, 2 on 20x20x32",
                                        "conv 64, 3, 1 on 9x9x64", "dense 3136 -> 512"};
    subject s = {0};
    rlt_err err = {0};
    if (open_subject(&s, rows, &err) != RLT_OK) {
        fprintf(stderr, "conv_bench: %s\n", err.message);
        return 1;
    }
    printf("nature_cnn, %d rows, form %s:\n", rows, rlt_nn_form_name());
    double forward = 0, backward = 0;
    for (int i = 0; i < 4; i++) {
        double flop = 2 * work_of(&s.program.ops[i]) * rows, back = (i > 0 ? 2 : 1) * flop;
        double seconds[2] = {best_seconds(&s, i, false), best_seconds(&s, i, true)};
        print_row(names[i], flop, back, seconds, ceiling);
        forward += flop;
        backward += back;
    }
    double seconds[2] = {best_seconds(&s, -1, false), best_seconds(&s, -1, true)};
    print_row("all of it", forward, backward, seconds, ceiling);
    close_subject(&s);
    return 0;
}

int main(int argc, char **argv) {
    static const char *const forms[] = {"best", "plain", "avx2", "avx512"};
    for (int form = 0; argc > 2 && form < (int)RLT_COUNT(forms); form++) {
        if (strcmp(forms[form], argv[2]) == 0 && !rlt_nn_force_form((rlt_nn_form)form)) {
            fprintf(stderr, "conv_bench: no form '%s' here\n", argv[2]);
            return 2;
        }
    }
    double ceiling = rlt_ceiling_f32(NULL);
    printf("FMA ceiling of one core: %.1f GFLOP/s\n", ceiling);
    int rows = argc > 1 ? atoi(argv[1]) : 0;
    return rows > 0 ? bench(rows, ceiling) : bench(32, ceiling) | bench(128, ceiling);
}
