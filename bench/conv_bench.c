/* How near the CPU's networks with convolutions come to the processor's multiply-add ceiling, which
 * is measured in the same run: the operations of nature_cnn (Mnih et al. 2015) and of impala_cnn
 * (Espeholt et al. 2018, the deep one) forward and backward, and the whole networks. FLOP: 2 a
 * multiply-add; backward twice forward's, the first layer's once (nothing needs the gradient of
 * observations). The best of several rounds, by the thread's processor time. Usage: conv_bench
 * [rows [form]], 32 and 128 rows and the best form unless told.
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
    rlt_op_io io[RLT_OPS_MAX];     /* of each op alone, with memory of its own */
    float *memory[RLT_OPS_MAX][5]; /* x, y, dy, dx, scratch */
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
                           .x2 = op->x2 >= 0 ? m[3] : NULL,
                           .dx = i > 0 ? m[3] : NULL,
                           .d_params = s->grad + op->param,
                           .scratch = m[4],
                           .training = true};
}

static rlt_layer conv(int filters, int kernel, int stride, int pad, rlt_act act) {
    return (rlt_layer){.kind = RLT_LAYER_CONV,
                       .act = act,
                       .units = filters,
                       .kernel = kernel,
                       .stride = stride,
                       .pad = pad};
}

static void nature_cnn(rlt_net_spec *spec) {
    const rlt_layer layers[] = {conv(32, 8, 4, 0, RLT_ACT_RELU),
                                conv(64, 4, 2, 0, RLT_ACT_RELU),
                                conv(64, 3, 1, 0, RLT_ACT_RELU),
                                {.kind = RLT_LAYER_DENSE, .units = 512, .act = RLT_ACT_RELU}};
    spec->layer_count = RLT_COUNT(layers);
    memcpy(spec->layers, layers, sizeof layers);
}

static void impala_cnn(rlt_net_spec *spec) {
    static const int channels[] = {16, 32, 32};
    int n = 0;
    for (size_t s = 0; s < RLT_COUNT(channels); s++) {
        spec->layers[n++] = conv(channels[s], 3, 1, 1, RLT_ACT_NONE);
        spec->layers[n++] =
            (rlt_layer){.kind = RLT_LAYER_MAX_POOL, .kernel = 3, .stride = 2, .pad = 1};
        for (int block = 0; block < 2; block++) {
            spec->layers[n++] = (rlt_layer){.kind = RLT_LAYER_RESIDUAL};
            spec->layers[n++] = (rlt_layer){.kind = RLT_LAYER_ACTIVATION, .act = RLT_ACT_RELU};
            spec->layers[n++] = conv(channels[s], 3, 1, 1, RLT_ACT_RELU);
            spec->layers[n++] = conv(channels[s], 3, 1, 1, RLT_ACT_NONE);
            spec->layers[n++] = (rlt_layer){.kind = RLT_LAYER_END};
        }
    }
    spec->layers[n++] = (rlt_layer){.kind = RLT_LAYER_ACTIVATION, .act = RLT_ACT_RELU};
    spec->layers[n++] = (rlt_layer){.kind = RLT_LAYER_DENSE, .units = 256, .act = RLT_ACT_RELU};
    spec->layer_count = n;
}

static rlt_status open_subject(subject *s, void (*fill)(rlt_net_spec *), int rows, rlt_err *err) {
    rlt_net_spec spec = {.obs_shape = {84, 84, 4}, .head_width = 6, .value_width = 1};
    fill(&spec);
    RLT_TRY(rlt_device_open("cpu", RLT_PRECISION_FP32, &s->device, err));
    RLT_TRY(rlt_program_build(&spec, &s->program, err));
    RLT_TRY(rlt_net_create(s->device, &s->program, 1, rows, true, &s->net, err));
    s->params = rlt_alloc(sizeof(float) * s->program.param_count);
    s->grad = rlt_alloc(sizeof(float) * s->program.param_count);
    rlt_program_init(&s->program, 1, s->params);
    s->obs = random_floats((size_t)rows * (size_t)s->program.obs_width);
    s->in = (rlt_net_in){.steps = 1, .seqs = rows, .params = s->params, .obs = s->obs};
    for (int i = 0; i < s->program.op_count; i++) {
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
    for (int i = 0; i < s->program.op_count; i++) {
        for (int k = 0; k < 5; k++) {
            rlt_free(s->memory[i][k]);
        }
    }
}

/* Multiply-adds of a row. */
static double work_of(const rlt_op *op) {
    double patch = (double)op->kernel * op->kernel * op->in_hwc[2];
    return op->kind == RLT_OP_conv    ? patch * op->out
           : op->kind == RLT_OP_dense ? (double)op->in * op->out
                                      : 0;
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

static void print_row(const char *name, const double flop[2], const double seconds[2], int rows,
                      double ceiling) {
    printf("  %-24s forward %7.1f us a row, backward %7.1f", name, seconds[0] / rows * 1e6,
           seconds[1] / rows * 1e6);
    if (flop[0] > 0) {
        double f = flop[0] / seconds[0] * 1e-9, b = flop[1] / seconds[1] * 1e-9;
        double both = (flop[0] + flop[1]) / (seconds[0] + seconds[1]) * 1e-9;
        printf(" | GFLOP/s %5.1f and %5.1f, together %5.1f: %3.0f %% of one core", f, b, both,
               100 * both / ceiling);
    }
    printf("\n");
}

static void bench_op(subject *s, int i, int rows, double ceiling, double total[2]) {
    const rlt_op *op = &s->program.ops[i];
    static const char *const kinds[] = {
#define RLT_OP(name, help) #name,
#include "nn/ops.def"
#undef RLT_OP
    };
    char name[64];
    snprintf(name, sizeof name, "%s %dx%dx%d", kinds[op->kind], op->in_hwc[0], op->in_hwc[1],
             op->in_hwc[2]);
    double forward = 2 * work_of(op) * rows;
    double flop[2] = {forward, (i > 0 ? 2 : 1) * forward};
    double seconds[2] = {best_seconds(s, i, false), best_seconds(s, i, true)};
    print_row(name, flop, seconds, rows, ceiling);
    total[0] += flop[0];
    total[1] += flop[1];
}

static int bench(const char *name, void (*fill)(rlt_net_spec *), int rows, double ceiling) {
    subject s = {0};
    rlt_err err = {0};
    if (open_subject(&s, fill, rows, &err) != RLT_OK) {
        fprintf(stderr, "conv_bench: %s\n", err.message);
        return 1;
    }
    printf("%s, %d rows, form %s:\n", name, rows, rlt_nn_form_name());
    double total[2] = {0};
    for (int i = 0; i < s.program.op_count; i++) {
        bench_op(&s, i, rows, ceiling, total);
    }
    double seconds[2] = {best_seconds(&s, -1, false), best_seconds(&s, -1, true)};
    print_row("all of it", total, seconds, rows, ceiling);
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
    int rows = argc > 1 ? atoi(argv[1]) : 0, failed = 0;
    for (int n = rows > 0 ? rows : 32; n <= (rows > 0 ? rows : 128); n *= 4) {
        failed |= bench("nature_cnn", nature_cnn, n, ceiling);
        failed |= bench("impala_cnn", impala_cnn, n, ceiling);
    }
    return failed;
}
