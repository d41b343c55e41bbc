/* Networks on the CPU device: a program of dense layers is the MLP of rlt_policy; gradients against
 * central differences; a row does not depend on the others; a recorded graph is the direct calls.
 */
#include "nn/device.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
    rlt_device *device;
    rlt_program program;
    rlt_net *net;
    float *params, *grad, *obs, *d_obs, *head_weight, *value_weight;
    rlt_net_in in;
} fixture;

static float *random_floats(size_t count, float scale, uint32_t stream) {
    rlt_rng rng = rlt_rng_make(7, RLT_STREAM_TEST, stream);
    float *x = rlt_alloc(sizeof(float) * (count + 1));
    for (size_t i = 0; i < count; i++) {
        x[i] = scale * (float)rlt_rng_normal(&rng);
    }
    return x;
}

static void open_fixture(fixture *f, const rlt_net_spec *spec, int steps, int seqs) {
    rlt_err err = {0};
    *f = (fixture){0};
    assert_int_equal(rlt_device_open("cpu", RLT_PRECISION_FP32, &f->device, &err), RLT_OK);
    if (rlt_program_build(spec, &f->program, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(rlt_net_create(f->device, &f->program, steps, seqs, true, &f->net, &err),
                     RLT_OK);
    size_t rows = (size_t)steps * (size_t)seqs;
    f->params = random_floats(f->program.param_count, 0.3f, 1);
    f->grad = random_floats(f->program.param_count, 0, 0);
    f->obs = random_floats(rows * (size_t)f->program.obs_width, 1, 2);
    f->d_obs = random_floats(rows * (size_t)f->program.obs_width, 0, 0);
    f->head_weight = random_floats(rows * (size_t)spec->head_width, 1, 3);
    f->value_weight = random_floats(rows * (size_t)spec->value_width, 1, 4);
    f->in = (rlt_net_in){.steps = steps, .seqs = seqs, .params = f->params, .obs = f->obs};
}

static void close_fixture(fixture *f) {
    rlt_net_destroy(&f->net);
    rlt_device_close(&f->device);
    float *const all[] = {f->params, f->grad, f->obs, f->d_obs, f->head_weight, f->value_weight};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
}

static int width_of(const fixture *f, int value) {
    return value == RLT_VALUE_NONE ? 0 : f->program.ops[value].out;
}

/* A loss linear in both heads. */
static double loss_of(fixture *f) {
    rlt_net_forward(f->net, &f->in);
    size_t rows = (size_t)f->in.steps * (size_t)f->in.seqs;
    double sum = 0;
    for (size_t i = 0; i < rows * (size_t)width_of(f, f->program.head); i++) {
        sum += (double)rlt_net_head(f->net)[i] * (double)f->head_weight[i];
    }
    for (size_t i = 0; i < rows * (size_t)width_of(f, f->program.value); i++) {
        sum += (double)rlt_net_value(f->net)[i] * (double)f->value_weight[i];
    }
    return sum;
}

static void set_loss_grad(fixture *f) {
    size_t rows = (size_t)f->in.steps * (size_t)f->in.seqs;
    memcpy(rlt_net_d_head(f->net), f->head_weight,
           sizeof(float) * rows * (size_t)width_of(f, f->program.head));
    if (f->program.value != RLT_VALUE_NONE) {
        memcpy(rlt_net_d_value(f->net), f->value_weight,
               sizeof(float) * rows * (size_t)width_of(f, f->program.value));
    }
}

/* Central differences of some entries of x against the gradient. */
static void check_differences(fixture *f, const char *what, float *x, const float *grad,
                              size_t count) {
    rlt_rng rng = rlt_rng_make(11, RLT_STREAM_TEST, (uint32_t)count);
    double square = 0;
    for (size_t i = 0; i < count; i++) {
        square += (double)grad[i] * (double)grad[i];
    }
    double typical = sqrt(square / (double)count);
    int far = 0, checked = 60;
    for (int k = 0; k < checked; k++) {
        size_t i = rlt_rng_below(&rng, (uint32_t)count);
        float before = x[i], step = 4e-3f;
        x[i] = before + step;
        double up = (double)x[i], loss_up = loss_of(f);
        x[i] = before - step;
        double down = (double)x[i], loss_down = loss_of(f);
        x[i] = before;
        double numeric = (loss_up - loss_down) / (up - down);
        far += fabs(numeric - (double)grad[i]) > 0.01 * fabs(numeric) + 0.02 * typical + 2e-3;
    }
    if (far > 0) {
        fail_msg("%s: %d of %d entries differ from central differences", what, far, checked);
    }
}

static void check_gradient(const rlt_net_spec *spec, int steps, int seqs) {
    fixture f;
    open_fixture(&f, spec, steps, seqs);
    loss_of(&f);
    set_loss_grad(&f);
    rlt_net_backward_obs(f.net, &f.in, f.grad, f.d_obs);
    check_differences(&f, "parameters", f.params, f.grad, f.program.param_count);
    check_differences(&f, "observations", f.obs, f.d_obs,
                      (size_t)steps * (size_t)seqs * (size_t)f.program.obs_width);
    close_fixture(&f);
}

static const rlt_net_spec image_net = {
    .obs_shape = {9, 8, 3},
    .layer_count = 8,
    .layers = {{.kind = RLT_LAYER_CONV,
                .units = 6,
                .kernel = 3,
                .stride = 2,
                .pad = 1,
                .act = RLT_ACT_TANH},
               {.kind = RLT_LAYER_RESIDUAL},
               {.kind = RLT_LAYER_ACTIVATION, .act = RLT_ACT_SILU},
               {.kind = RLT_LAYER_CONV,
                .units = 6,
                .kernel = 3,
                .stride = 1,
                .pad = 1,
                .act = RLT_ACT_SILU},
               {.kind = RLT_LAYER_END},
               {.kind = RLT_LAYER_CONV, .units = 5, .kernel = 2, .stride = 1, .act = RLT_ACT_NONE},
               {.kind = RLT_LAYER_DENSE, .units = 16, .act = RLT_ACT_TANH},
               {.kind = RLT_LAYER_ACTIVATION, .act = RLT_ACT_TANH}},
    .head_width = 3,
    .value_width = 1,
};

static void test_gradients(void **unused) {
    (void)unused;
    rlt_net_spec spec = image_net;
    check_gradient(&spec, 1, 7);
    spec.separate = true;
    check_gradient(&spec, 1, 5);
    spec.value_width = 0;
    check_gradient(&spec, 1, 40);
    rlt_net_spec rows = {.obs_shape = {1, 1, 11},
                         .layer_count = 5,
                         .layers = {{.kind = RLT_LAYER_RESIDUAL},
                                    {.kind = RLT_LAYER_EMBED, .units = 11},
                                    {.kind = RLT_LAYER_END},
                                    {.kind = RLT_LAYER_DENSE, .units = 19, .act = RLT_ACT_SILU},
                                    {.kind = RLT_LAYER_ACTIVATION, .act = RLT_ACT_SILU}},
                         .head_width = 9,
                         .value_width = 2};
    check_gradient(&rows, 2, 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
