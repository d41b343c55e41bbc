/* How long a minibatch's update takes on a device (gather, forward, loss, backward, clipping, Adam:
 * one recorded graph), beside what the device can do at most, measured in the same run through the
 * same interface: a big matrix product in the device's precision, and a big copy within its memory.
 * roofline: the time that the update's operations need at least, each bound by its arithmetic or by
 * the bytes it must read and write (float32), over the time taken. overhead: a network so small
 * that nothing but launches is left.
 *   gpu_bench [--device cuda:0] [--quick 1]   writes Markdown to standard output
 * Exit code 77: there is no such device. */
#include "bench/gpu/update.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 5 };
static const char *const precisions[] = {"fp32", "tf32", "bf16"};
typedef void (*work)(void *user);

/* Seconds of one call of `run`, the best of ROUNDS rounds that take about `target` each. */
static double best_seconds(rlt_device *device, work run, void *user, double target) {
    double best = INFINITY, once;
    rlt_err err = {0};
    run(user);
    device->backend->sync(device, &err);
    once = rlt_clock_s();
    run(user);
    device->backend->sync(device, &err);
    once = rlt_clock_s() - once;
    int calls = once > 0 ? (int)fmin(fmax(1, target / once), 100000) : 1;
    for (int round = 0; round < ROUNDS; round++) {
        double start = rlt_clock_s();
        for (int i = 0; i < calls; i++) {
            run(user);
        }
        if (device->backend->sync(device, &err) != RLT_OK) {
            fprintf(stderr, "gpu_bench: %s\n", err.message);
            exit(1);
        }
        best = fmin(best, (rlt_clock_s() - start) / calls);
    }
    return best;
}

static void *need(rlt_device *device, size_t bytes) {
    rlt_err err = {0};
    void *memory = NULL;
    if (device->backend->alloc(device, bytes, &memory, &err) != RLT_OK) {
        fprintf(stderr, "gpu_bench: %s\n", err.message);
        exit(1);
    }
    return memory;
}

/* ---- ceilings ---- */

typedef struct ceiling {
    rlt_device *device;
    rlt_op op;
    rlt_op_io io;
    char *from, *to;
    size_t bytes;
    double flops, bandwidth, upload; /* per second */
} ceiling;

static void run_product(void *user) {
    ceiling *c = user;
    c->device->backend->forward[RLT_OP_dense](c->device, &c->op, &c->io);
}
static void run_copy(void *user) {
    ceiling *c = user;
    c->device->backend->copy(c->device, c->to, c->from, c->bytes);
}
static void run_upload(void *user) {
    ceiling *c = user;
    c->device->backend->upload(c->device, c->to, c->from, c->bytes);
}

static ceiling measure_ceilings(rlt_device *device, bool quick) {
    const rlt_backend *b = device->backend;
    int n = quick ? 256 : 8192;
    ceiling c = {.device = device, .bytes = quick ? 1 << 20 : (size_t)1 << 30};
    size_t square = (size_t)n * (size_t)n;
    c.op = (rlt_op){.kind = RLT_OP_dense, .in = n, .out = n, .act = RLT_ACT_NONE};
    float *params = need(device, sizeof(float) * (square + (size_t)n));
    float *x = need(device, sizeof(float) * square), *y = need(device, sizeof(float) * square);
    void *scratch = need(device, b->op_scratch(device, &c.op, 1, n, false) + 16);
    c.io = (rlt_op_io){.steps = 1, .seqs = n, .params = params, .x = x, .y = y, .scratch = scratch};
    c.flops = 2.0 * n * (double)square / best_seconds(device, run_product, &c, quick ? 0.01 : 0.2);
    c.from = need(device, c.bytes);
    c.to = need(device, c.bytes);
    c.bandwidth = 2.0 * (double)c.bytes / best_seconds(device, run_copy, &c, quick ? 0.01 : 0.2);
    b->free(device, c.from);
    rlt_err err = {0};
    void *host = NULL;
    c.bytes = quick ? 1 << 20 : 64 << 20;
    if (b->alloc_host(device, c.bytes, &host, &err) == RLT_OK) {
        c.from = host;
        c.upload = (double)c.bytes / best_seconds(device, run_upload, &c, quick ? 0.01 : 0.2);
        b->free_host(device, host);
    }
    void *const all[] = {params, x, y, scratch, c.to};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        b->free(device, all[i]);
    }
    return c;
}

/* ---- an update ---- */

/* Multiply-adds of one row. */
static double op_products(const rlt_op *op) {
    double positions = op->kind == RLT_OP_conv ? (double)op->out_hwc[0] * op->out_hwc[1] : 1;
    double patch =
        op->kind == RLT_OP_conv ? (double)op->kernel * op->kernel * op->in_hwc[2] : op->in;
    int out = op->kind == RLT_OP_conv ? op->out_hwc[2] : op->out;
    return op->kind == RLT_OP_conv || op->kind == RLT_OP_dense ? positions * patch * out : 0;
}

/* The least seconds that forward, backward and the optimiser's step take on `rows` rows. */
static double least_seconds(const rlt_program *program, int rows, const ceiling *c, double *flop) {
    double total = 0;
    *flop = 0;
    for (int i = 0; i < program->op_count; i++) {
        const rlt_op *op = &program->ops[i];
        bool first = op->x == RLT_VALUE_OBS; /* no gradient for observations */
        double products = op_products(op) * rows, in = op->in, out = op->out;
        double inputs = op->x2 == RLT_VALUE_NONE ? in : 2 * in;
        double forward = 4 * (rows * (inputs + out) + (double)op->param_count);
        double backward =
            4 * (rows * (2 * out + inputs + (first ? 0 : inputs)) + 2 * (double)op->param_count);
        double back_flop = 2 * products * (first ? 1 : 2);
        total += fmax(2 * products / c->flops, forward / c->bandwidth);
        total += fmax(back_flop / c->flops, backward / c->bandwidth);
        *flop += 2 * products + back_flop;
    }
    double gathered = 2.0 * 4 * rows * program->obs_width; /* read and written */
    double step = 7.0 * 4 * (double)program->param_count;  /* params, m, v, grad; three written */
    return total + (gathered + step) / c->bandwidth;
}

/* The state goes back, so that the next run takes the same minibatch. */
static void run_update(void *user) {
    update *u = user;
    u->device->backend->copy(u->device, u->state, u->state_before, sizeof *u->state);
    update_minibatch(u);
}

static void measure_update(rlt_device *device, const ceiling *c, const char *name,
                           const rlt_net_spec *net, int rows, bool quick) {
    update_spec spec = {.net = *net,
                        .envs = rows,
                        .horizon = 1,
                        .minibatches = 1,
                        .epochs = 1,
                        .lr = 1e-4f,
                        .clip = 0.2f,
                        .gamma = 0.99f,
                        .lambda = 0.95f,
                        .vf_coef = 0.5f,
                        .ent_coef = 0.01f,
                        .norm_max = 0.5f,
                        .seed = 1};
    update *u = NULL;
    rlt_err err = {0};
    if (update_create(device, &spec, &u, &err) != RLT_OK) {
        printf("| %s | %d | %s | | | |\n", name, rows, err.message);
        return;
    }
    double seconds = best_seconds(device, run_update, u, quick ? 0.01 : 0.2), flop = 0;
    double least = least_seconds(&u->program, rows, c, &flop);
    printf("| %s | %d | %.1f | %.0f | %.2f | %.0f %% |\n", name, rows, seconds * 1e6,
           rows / seconds, flop / seconds * 1e-12, 100 * least / seconds);
    fflush(stdout);
    update_destroy(&u);
}

static void measure_networks(rlt_device *device, const ceiling *c, bool quick) {
    static const int mlp[] = {64, 256, 4096}, images[] = {256, 1024, 4096};
    rlt_net_spec net;
    printf("\n| network | rows | µs an update | rows/s | TFLOP/s | roofline |\n"
           "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < RLT_COUNT(mlp); i++) {
        update_mlp(&net, 4, 2, 64);
        measure_update(device, c, "MLP 2 x 64", &net, mlp[i], quick);
    }
    update_mlp(&net, 64, 8, 512);
    measure_update(device, c, "MLP 2 x 512", &net, quick ? 256 : 8192, quick);
    for (size_t i = 0; i < (quick ? 0 : RLT_COUNT(images)); i++) {
        update_nature_cnn(&net, 6);
        measure_update(device, c, "nature_cnn", &net, images[i], quick);
        update_impala_cnn(&net, 6);
        measure_update(device, c, "impala_cnn", &net, images[i], quick);
    }
    update_minatar_cnn(&net, 4, 3);
    measure_update(device, c, "minatar_cnn", &net, quick ? 64 : 4096, quick);
}

int main(int argc, char **argv) {
    const char *name = "cuda:0";
    bool quick = false;
    for (int i = 1; i + 1 < argc; i += 2) {
        name = strcmp(argv[i], "--device") == 0 ? argv[i + 1] : name;
        quick = quick || strcmp(argv[i], "--quick") == 0;
    }
    for (int p = 0; p < 3; p++) {
        rlt_device *device = NULL;
        rlt_err err = {0};
        rlt_device_info info = {0};
        if (rlt_device_open(name, (rlt_precision)p, &device, &err) != RLT_OK) {
            printf("gpu_bench: skipped: %s\n", err.message);
            return 77;
        }
        if (p == 0 && device->backend->info(device->index, &info, &err) == RLT_OK) {
            printf("# %s\n\n%s; %.1f GiB, %.1f free\n", info.name, info.detail,
                   (double)info.memory_bytes / (1 << 30), (double)info.free_bytes / (1 << 30));
        }
        ceiling c = measure_ceilings(device, quick);
        printf("\n## %s\n\nCeilings in this run: %.2f TFLOP/s (product of %d x %d matrices), %.0f "
               "GB/s (copy within the device), %.1f GB/s (upload of pinned memory)\n",
               precisions[p], c.flops * 1e-12, c.op.in, c.op.in, c.bandwidth * 1e-9,
               c.upload * 1e-9);
        measure_networks(device, &c, quick);
        rlt_device_close(&device);
        if (strcmp(name, "cpu") == 0) {
            break; /* one precision */
        }
    }
    return 0;
}
