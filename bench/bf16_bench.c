/* Dense layers and a whole PPO gradient with products in float32 and in bfloat16: the table of
 * docs/kernels.md. GFLOP/s count two a multiply-add of the products, backward twice those of
 * forward; rounding and packing to bfloat16 is in the times. Each figure is the best of several
 * rounds of processor time. Usage: bf16_bench */
#include "measure/measure.h"
#include "nn/device.h"

#include <math.h>
#include <stdio.h>

enum { ROUNDS = 7, OBS = 32, ACTIONS = 6 };

typedef struct layer_case {
    rlt_device *device;
    rlt_op op;
    rlt_op_io io;
} layer_case;

static float *floats(size_t count, float size) {
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    float *x = rlt_alloc(sizeof(float) * count);
    for (size_t i = 0; i < count; i++) {
        x[i] = rlt_rng_uniform(&rng, -size, size);
    }
    return x;
}

static double best(void (*work)(void *user), void *user, double flop) {
    double least = INFINITY;
    int calls = (int)(2e9 / flop) + 1;
    for (int round = 0; round < ROUNDS; round++) {
        double start = rlt_thread_seconds();
        for (int i = 0; i < calls; i++) {
            work(user);
        }
        least = fmin(least, (rlt_thread_seconds() - start) / calls);
    }
    return least;
}

static void forward(void *user) {
    layer_case *c = user;
    c->device->backend->forward[RLT_OP_dense](c->device, &c->op, &c->io);
}

static void backward(void *user) {
    layer_case *c = user;
    c->device->backend->backward[RLT_OP_dense](c->device, &c->op, &c->io);
}

/* Seconds of forward and backward. */
static void time_layer(rlt_device *device, int width, int rows, double seconds[2]) {
    size_t params = (size_t)(width + 1) * (size_t)width, all = (size_t)rows * (size_t)width;
    float size = 1.0f / sqrtf((float)width);
    layer_case c = {
        device, {.kind = RLT_OP_dense, .in = width, .out = width, .act = RLT_ACT_TANH}, {0}};
    float *in[] = {floats(params, size), floats(all, 1), floats(all, 1)};
    float *out[] = {floats(all, 0), floats(all, 0), floats(params, 0),
                    rlt_alloc(device->backend->op_scratch(device, &c.op, rows, 1, true))};
    c.io = (rlt_op_io){.steps = rows,
                       .seqs = 1,
                       .params = in[0],
                       .x = in[1],
                       .dy = in[2],
                       .y = out[0],
                       .dx = out[1],
                       .d_params = out[2],
                       .scratch = out[3],
                       .training = true};
    double flop = 2.0 * rows * width * width;
    seconds[0] = best(forward, &c, flop);
    seconds[1] = best(backward, &c, 2 * flop);
    for (int i = 0; i < 3; i++) {
        rlt_free(in[i]);
    }
    for (int i = 0; i < 4; i++) {
        rlt_free(out[i]);
    }
}

static void print_layers(rlt_device *const device[2], double ceiling) {
    static const int rows[] = {1, 8, 64, 256};
    printf("\n| dense, tanh | rows | forward fp32 | bf16 | times | backward fp32 | bf16 | times |\n"
           "|---|---|---|---|---|---|---|---|\n");
    for (int width = 64; width <= 512; width *= 2) {
        for (size_t r = 0; r < RLT_COUNT(rows); r++) {
            double s[2][2], flop = 2e-9 * rows[r] * width * width;
            for (int d = 0; d < 2; d++) {
                time_layer(device[d], width, rows[r], s[d]);
            }
            printf("| %d to %d | %d", width, width, rows[r]);
            for (int b = 0; b < 2; b++) {
                printf(" | %.0f (%.0f %%) | %.0f | %.2f", (b + 1) * flop / s[0][b],
                       100 * (b + 1) * flop / s[0][b] / ceiling, (b + 1) * flop / s[1][b],
                       s[0][b] / s[1][b]);
            }
            printf(" |\n");
        }
    }
}

typedef struct gradient_case {
    rlt_policy_workspace *workspace;
    const float *params;
    float *grad;
    rlt_ppo_batch batch;
} gradient_case;

static void gradient(void *user) {
    gradient_case *c = user;
    const rlt_ppo_coef coef = {0.2f, 0, 0.5f, 0};
    rlt_ppo_stats stats = {0};
    rlt_ppo_grad(c->workspace, c->params, &c->batch, &coef, c->batch.n, c->grad, &stats);
}

static double time_gradient(int width, int rows, bool bf16) {
    rlt_policy_spec spec = {.obs_dim = OBS,
                            .discrete = true,
                            .action_dim = ACTIONS,
                            .hidden = {width, width},
                            .hidden_count = 2,
                            .act = RLT_ACT_TANH,
                            .bf16 = bf16};
    size_t count = rlt_policy_param_count(&spec), n = (size_t)rows;
    float *params = floats(count, 0), *column = floats(n, 1);
    rlt_policy_init(&spec, 1, params);
    gradient_case c = {rlt_policy_workspace_create(&spec), params, floats(count, 0), {.n = rows}};
    c.batch.obs = floats(n * OBS, 1);
    c.batch.action = rlt_alloc(sizeof(int32_t) * n);
    c.batch.old_log_prob = c.batch.old_value = c.batch.advantage = c.batch.ret = column;
    double seconds = best(gradient, &c, rlt_flop_per_step(&spec, false, 1) * rows);
    rlt_policy_workspace_destroy(&c.workspace);
    rlt_free((void *)c.batch.obs);
    rlt_free((void *)c.batch.action);
    rlt_free(c.grad);
    rlt_free(params);
    rlt_free(column);
    return seconds;
}

static void print_gradients(void) {
    printf("\n| PPO gradient, %d observations, tanh | rows | fp32 | bf16 | times |\n"
           "|---|---|---|---|---|\n",
           OBS);
    for (int width = 64; width <= 512; width *= 2) {
        for (int rows = 64; rows <= 256; rows *= 4) {
            double fp32 = time_gradient(width, rows, false),
                   bf16 = time_gradient(width, rows, true);
            printf("| 2 x %d | %d | %.0f us | %.0f us | %.2f |\n", width, rows, fp32 * 1e6,
                   bf16 * 1e6, fp32 / bf16);
        }
    }
}

int main(void) {
    rlt_err err = {0};
    rlt_device *device[2] = {NULL, NULL};
    for (int d = 0; d < 2; d++) {
        rlt_precision precision = d == 0 ? RLT_PRECISION_FP32 : RLT_PRECISION_BF16;
        if (rlt_device_open("cpu", precision, &device[d], &err) != RLT_OK) {
            fprintf(stderr, "bf16_bench: %s\n", err.message);
            rlt_device_close(&device[0]);
            return rlt_status_exit_code(err.code);
        }
    }
    double ceiling = rlt_ceiling_f32(NULL);
    printf("form %s; float32 multiply-add ceiling of one core: %.0f GFLOP/s\n", rlt_nn_form_name(),
           ceiling);
    print_layers(device, ceiling);
    print_gradients();
    rlt_device_close(&device[0]);
    rlt_device_close(&device[1]);
    return 0;
}
