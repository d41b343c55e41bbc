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

/* Of each sequence; attention's last float counts the steps that it has kept. */
static float *random_state(const rlt_program *p, int seqs) {
    float *state = random_floats((size_t)seqs * (size_t)p->state_width, 0.5f, 12);
    for (int i = 0; i < p->op_count; i++) {
        for (int n = 0; p->ops[i].kind == RLT_OP_attention && n < seqs; n++) {
            float *of_op = state + (size_t)n * (size_t)p->state_width + p->ops[i].state;
            of_op[p->ops[i].state_width - 1] = (float)(n % (p->ops[i].context + 1));
        }
    }
    return state;
}

static void fill_reset(uint8_t *reset, int count) {
    for (int i = 0; i < count; i++) {
        reset[i] = i % 7 == 3;
    }
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
    uint8_t reset[64];
    open_fixture(&f, spec, steps, seqs);
    float *state = random_state(&f.program, seqs);
    if (f.program.state_width > 0) {
        fill_reset(reset, steps * seqs);
        f.in.reset = reset;
        f.in.state = state;
    }
    loss_of(&f);
    set_loss_grad(&f);
    rlt_net_backward_obs(f.net, &f.in, f.grad, f.d_obs);
    check_differences(&f, "parameters", f.params, f.grad, f.program.param_count);
    check_differences(&f, "observations", f.obs, f.d_obs,
                      (size_t)steps * (size_t)seqs * (size_t)f.program.obs_width);
    rlt_free(state);
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

static const rlt_layer recurrent_layers[] = {
    {.kind = RLT_LAYER_DENSE, .units = 12, .act = RLT_ACT_TANH},
    {.kind = RLT_LAYER_GATED},
    {.kind = RLT_LAYER_LAYER_NORM},
    {.kind = RLT_LAYER_ATTENTION, .heads = 3, .context = 4},
    {.kind = RLT_LAYER_END},
    {.kind = RLT_LAYER_RESIDUAL},
    {.kind = RLT_LAYER_RMS_NORM},
    {.kind = RLT_LAYER_LSTM, .units = 12},
    {.kind = RLT_LAYER_END},
    {.kind = RLT_LAYER_GRU, .units = 9},
};

static rlt_net_spec recurrent_net(bool separate) {
    rlt_net_spec spec = {.obs_shape = {1, 1, 7},
                         .layer_count = RLT_COUNT(recurrent_layers),
                         .separate = separate,
                         .head_width = 3,
                         .value_width = 1};
    memcpy(spec.layers, recurrent_layers, sizeof recurrent_layers);
    return spec;
}

static void test_gradients(void **unused) {
    (void)unused;
    rlt_net_spec recurrent = recurrent_net(false);
    check_gradient(&recurrent, 9, 3);
    check_gradient(&recurrent, 1, 5);
    recurrent = recurrent_net(true);
    check_gradient(&recurrent, 6, 4);
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

/* ---- policies ---- */

enum { ROWS = 300 };
static const rlt_ppo_coef coef = {0.2f, 0.3f, 0.5f, 0.01f};

static rlt_policy_spec mlp_spec(bool discrete, rlt_act act) {
    return (rlt_policy_spec){.obs_dim = 5,
                             .discrete = discrete,
                             .action_dim = discrete ? 3 : 2,
                             .hidden = {32, 19},
                             .hidden_count = 2,
                             .act = act,
                             .log_std_init = -0.5f};
}

static rlt_policy_spec as_layers(rlt_policy_spec spec) {
    spec.layer_count = spec.hidden_count;
    for (int l = 0; l < spec.hidden_count; l++) {
        spec.layers[l] =
            (rlt_layer){.kind = RLT_LAYER_DENSE, .act = spec.act, .units = spec.hidden[l]};
    }
    spec.hidden_count = 0;
    spec.separate = true;
    return spec;
}

typedef struct rows { /* a batch for a policy */
    rlt_ppo_batch batch;
    float *obs, *head, *value, *log_prob, *old_value, *advantage, *ret, *grad;
    unsigned char *action;
    rlt_ppo_stats stats;
} rows;

static void open_rows(rows *r, const rlt_policy_spec *spec, rlt_policy_workspace *ws,
                      const float *params, int n) {
    size_t count = (size_t)n;
    *r = (rows){.obs = random_floats(count * (size_t)spec->obs_dim, 1, 5),
                .head = random_floats(count * (size_t)spec->action_dim, 0, 0),
                .value = random_floats(count, 0, 0),
                .log_prob = random_floats(count, 0, 0),
                .old_value = random_floats(count, 1, 6),
                .advantage = random_floats(count, 1, 7),
                .ret = random_floats(count, 1, 8),
                .grad = random_floats(rlt_policy_param_count(spec), 0, 0),
                .action = rlt_alloc(count * rlt_policy_action_bytes(spec))};
    float *noise = random_floats(count, 0.3f, 9);
    rlt_policy_forward(ws, params, r->obs, n, r->head, r->value);
    rlt_policy_sample(spec, params, r->head, NULL, n, 3, 0, 0, r->action, r->log_prob);
    for (int i = 0; i < n; i++) {
        r->log_prob[i] += noise[i];
    }
    rlt_free(noise);
    r->batch = (rlt_ppo_batch){.n = n,
                               .obs = r->obs,
                               .action = r->action,
                               .old_log_prob = r->log_prob,
                               .old_value = r->old_value,
                               .advantage = r->advantage,
                               .ret = r->ret};
}

static void close_rows(rows *r) {
    void *const all[] = {r->obs,       r->head,      r->value, r->log_prob, r->grad,
                         r->old_value, r->advantage, r->ret,   r->action};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
}

static void assert_near(const float *got, const float *want, size_t n, double tolerance) {
    double square = 0;
    for (size_t i = 0; i < n; i++) {
        square += (double)want[i] * (double)want[i];
    }
    double typical = sqrt(square / (double)n);
    for (size_t i = 0; i < n; i++) {
        if (!(fabs((double)got[i] - (double)want[i]) <=
              tolerance * (typical + fabs((double)want[i])))) {
            fail_msg("entry %zu: got %.9g, expected %.9g", i, (double)got[i], (double)want[i]);
        }
    }
}

static void check_same_policy(const rlt_policy_spec *mlp) {
    rlt_policy_spec layers = as_layers(*mlp);
    rlt_err err = {0};
    assert_int_equal(rlt_policy_check(&layers, &err), RLT_OK);
    size_t count = rlt_policy_param_count(mlp);
    assert_int_equal(rlt_policy_param_count(&layers), count);
    float *params = random_floats(count, 0, 0), *other = random_floats(count, 0, 0);
    rlt_policy_init(mlp, 5, params);
    rlt_policy_init(&layers, 5, other);
    assert_memory_equal(params, other, sizeof(float) * count);
    rlt_policy_workspace *ws = rlt_policy_workspace_create(mlp);
    rlt_policy_workspace *ws_layers = rlt_policy_workspace_create(&layers);
    rows a, b;
    open_rows(&a, mlp, ws, params, ROWS);
    open_rows(&b, &layers, ws_layers, params, ROWS);
    assert_near(b.head, a.head, ROWS * (size_t)mlp->action_dim, 1e-6);
    assert_near(b.value, a.value, ROWS, 1e-6);
    rlt_ppo_grad(ws, params, &a.batch, &coef, ROWS, a.grad, &a.stats);
    rlt_ppo_grad(ws_layers, params, &a.batch, &coef, ROWS, b.grad, &b.stats);
    assert_near(b.grad, a.grad, count, 1e-5);
    assert_true(fabs(a.stats.policy_loss - b.stats.policy_loss) < 1e-3);
    uint64_t allocations = rlt_alloc_count();
    rlt_ppo_grad(ws_layers, params, &a.batch, &coef, ROWS, b.grad, &b.stats);
    rlt_policy_forward(ws_layers, params, a.obs, ROWS, b.head, b.value);
    assert_int_equal(rlt_alloc_count(), allocations);
    close_rows(&a);
    close_rows(&b);
    rlt_policy_workspace_destroy(&ws);
    rlt_policy_workspace_destroy(&ws_layers);
    rlt_free(params);
    rlt_free(other);
}

static void test_same_policy(void **unused) {
    (void)unused;
    for (int discrete = 0; discrete < 2; discrete++) {
        for (int act = RLT_ACT_TANH; act <= RLT_ACT_SILU; act++) {
            rlt_policy_spec mlp = mlp_spec(discrete, (rlt_act)act);
            check_same_policy(&mlp);
        }
    }
    rlt_policy_spec squashed = mlp_spec(false, RLT_ACT_TANH);
    squashed.squash = true;
    check_same_policy(&squashed);
}

/* A policy without memory has the same gradient whether its rows are called sequences or not,
 * however many fit into a block. */
static void test_sequences_of_rows(void **unused) {
    (void)unused;
    rlt_policy_spec spec = as_layers(mlp_spec(true, RLT_ACT_TANH));
    size_t count = rlt_policy_param_count(&spec);
    float *params = random_floats(count, 0.4f, 1), *grad = random_floats(count, 0, 0);
    rlt_policy_workspace *ws = rlt_policy_workspace_create(&spec);
    rows a;
    open_rows(&a, &spec, ws, params, ROWS);
    rlt_ppo_grad(ws, params, &a.batch, &coef, ROWS, a.grad, &a.stats);
    static const int lengths[] = {2, 3, 5, 20, 150, 300};
    for (size_t i = 0; i < RLT_COUNT(lengths); i++) {
        rlt_ppo_stats stats = {0};
        a.batch.steps = lengths[i];
        memset(grad, 0, sizeof(float) * count);
        rlt_ppo_grad(ws, params, &a.batch, &coef, ROWS, grad, &stats);
        assert_near(grad, a.grad, count, 1e-5);
        assert_true(fabs(stats.value_loss - a.stats.value_loss) < 1e-3);
    }
    close_rows(&a);
    rlt_policy_workspace_destroy(&ws);
    rlt_free(params);
    rlt_free(grad);
}

static rlt_policy_spec recurrent_policy(void) {
    rlt_policy_spec spec = {.obs_dim = 7,
                            .discrete = true,
                            .action_dim = 3,
                            .layer_count = RLT_COUNT(recurrent_layers),
                            .separate = true};
    memcpy(spec.layers, recurrent_layers, sizeof recurrent_layers);
    return spec;
}

/* Steps one after the other give the bits of the whole sequence at once, and so does each sequence
 * alone; without state a step is the first of an episode. */
static void test_steps_of_sequences(void **unused) {
    (void)unused;
    enum { STEPS = 11, SEQS = 21, WIDTH = 3 };
    rlt_policy_spec spec = recurrent_policy();
    rlt_net_spec net_spec = recurrent_net(true);
    fixture f;
    uint8_t reset[STEPS * SEQS], ones[SEQS];
    open_fixture(&f, &net_spec, STEPS, SEQS);
    fill_reset(reset, STEPS * SEQS);
    memset(ones, 1, sizeof ones);
    size_t width = (size_t)f.program.state_width;
    assert_int_equal(rlt_policy_state_width(&spec), f.program.state_width);
    float *state = random_state(&f.program, SEQS), *alone = random_state(&f.program, SEQS);
    float *after = random_floats(SEQS * width, 0, 0);
    f.in.reset = reset;
    f.in.state = state;
    f.in.state_out = after;
    rlt_net_forward(f.net, &f.in);
    rlt_policy_workspace *ws = rlt_policy_workspace_create(&spec);
    float head[SEQS * WIDTH], value[SEQS], head_alone[WIDTH], value_alone;
    for (int t = 0; t < STEPS; t++) {
        const float *obs = f.obs + t * SEQS * 7;
        rlt_policy_step(ws, f.params, obs, SEQS, reset + t * SEQS, state, head, value);
        assert_memory_equal(head, rlt_net_head(f.net) + t * SEQS * WIDTH, sizeof head);
        assert_memory_equal(value, rlt_net_value(f.net) + t * SEQS, sizeof value);
        rlt_policy_step(ws, f.params, obs + 5 * 7, 1, reset + t * SEQS + 5, alone + 5 * width,
                        head_alone, &value_alone);
        assert_memory_equal(head_alone, head + 5 * WIDTH, sizeof head_alone);
        assert_memory_equal(&value_alone, value + 5, sizeof value_alone);
    }
    assert_memory_equal(state, after, sizeof(float) * SEQS * width);
    assert_memory_equal(alone + 5 * width, after + 5 * width, sizeof(float) * width);
    float first[SEQS * WIDTH], first_value[SEQS];
    rlt_policy_forward(ws, f.params, f.obs, SEQS, first, first_value);
    rlt_policy_step(ws, f.params, f.obs, SEQS, ones, state, head, value);
    assert_memory_equal(first, head, sizeof head);
    assert_memory_equal(first_value, value, sizeof value);
    float *const all[] = {state, alone, after};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
    rlt_policy_workspace_destroy(&ws);
    close_fixture(&f);
}

/* The gradient through sequences: of all at once as of each alone. */
static void test_gradient_of_sequences(void **unused) {
    (void)unused;
    enum { STEPS = 10, SEQS = 30 };
    rlt_policy_spec spec = recurrent_policy();
    rlt_program program;
    rlt_net_spec net_spec = recurrent_net(true);
    rlt_err err = {0};
    assert_int_equal(rlt_program_build(&net_spec, &program, &err), RLT_OK);
    size_t count = rlt_policy_param_count(&spec), width = (size_t)program.state_width;
    float *params = random_floats(count, 0.3f, 1), *sum = random_floats(count, 0, 0);
    float *state = random_state(&program, SEQS);
    uint8_t reset[STEPS * SEQS], one_reset[STEPS];
    fill_reset(reset, STEPS * SEQS);
    rlt_policy_workspace *ws = rlt_policy_workspace_create(&spec);
    rows all, one;
    open_rows(&all, &spec, ws, params, STEPS * SEQS);
    open_rows(&one, &spec, ws, params, STEPS);
    all.batch.steps = one.batch.steps = STEPS;
    all.batch.reset = reset;
    one.batch.reset = one_reset;
    all.batch.state = state;
    rlt_ppo_grad(ws, params, &all.batch, &coef, STEPS * SEQS, all.grad, &all.stats);
    for (int n = 0; n < SEQS; n++) {
        for (int t = 0; t < STEPS; t++) {
            int from = t * SEQS + n;
            memcpy(one.obs + (ptrdiff_t)t * 7, all.obs + (ptrdiff_t)from * 7, sizeof(float) * 7);
            ((int32_t *)one.action)[t] = ((int32_t *)all.action)[from];
            one.log_prob[t] = all.log_prob[from];
            one.old_value[t] = all.old_value[from];
            one.advantage[t] = all.advantage[from];
            one.ret[t] = all.ret[from];
            one_reset[t] = reset[from];
        }
        one.batch.state = state + (size_t)n * width;
        rlt_ppo_grad(ws, params, &one.batch, &coef, STEPS * SEQS, sum, &one.stats);
    }
    assert_near(all.grad, sum, count, 2e-5);
    assert_true(fabs(all.stats.entropy - one.stats.entropy) < 1e-3);
    uint64_t allocations = rlt_alloc_count();
    rlt_ppo_grad(ws, params, &all.batch, &coef, STEPS * SEQS, all.grad, &all.stats);
    assert_int_equal(rlt_alloc_count(), allocations);
    close_rows(&all);
    close_rows(&one);
    rlt_policy_workspace_destroy(&ws);
    rlt_free(params);
    rlt_free(sum);
    rlt_free(state);
}

static void test_packed_pieces(void **unused) {
    (void)unused;
    rlt_policy_spec spec = as_layers(mlp_spec(false, RLT_ACT_TANH));
    spec.layers[1].units = 700;
    spec.action_dim = 200;
    rlt_policy_packed *packed = rlt_policy_packed_create(&spec);
    size_t end = 0, first, count;
    for (int i = 0; i < rlt_policy_piece_count(packed); i++) {
        rlt_policy_piece(packed, i, &first, &count);
        assert_int_equal(first, end);
        assert_true(count > 0);
        end += count;
    }
    assert_int_equal(end, rlt_policy_param_count(&spec));
    rlt_policy_packed_destroy(&packed);
}

/* The rows of a forward are the same bits one by one. */
static void test_rows_alone(void **unused) {
    (void)unused;
    fixture f;
    open_fixture(&f, &image_net, 1, 37);
    loss_of(&f);
    float *head = random_floats(37 * 3, 0, 0), *value = random_floats(37, 0, 0);
    memcpy(head, rlt_net_head(f.net), sizeof(float) * 37 * 3);
    memcpy(value, rlt_net_value(f.net), sizeof(float) * 37);
    for (int r = 0; r < 37; r++) {
        rlt_net_in in = {
            .steps = 1, .seqs = 1, .params = f.params, .obs = f.obs + r * f.program.obs_width};
        rlt_net_forward(f.net, &in);
        assert_memory_equal(rlt_net_head(f.net), head + (ptrdiff_t)r * 3, sizeof(float) * 3);
        assert_memory_equal(rlt_net_value(f.net), value + r, sizeof(float));
    }
    rlt_free(head);
    rlt_free(value);
    close_fixture(&f);
}

static void test_recorded(void **unused) {
    (void)unused;
    fixture f;
    rlt_err err = {0};
    open_fixture(&f, &image_net, 2, 9);
    const rlt_backend *backend = f.device->backend;
    loss_of(&f);
    set_loss_grad(&f);
    rlt_net_backward(f.net, &f.in, f.grad);
    size_t bytes = sizeof(float) * f.program.param_count, head_bytes = sizeof(float) * 18 * 3;
    float *grad = random_floats(f.program.param_count, 1, 0), *head = random_floats(18 * 3, 0, 0);
    float *kept = random_floats(18 * 3, 0, 0);
    memcpy(head, rlt_net_head(f.net), head_bytes);
    memset(rlt_net_head(f.net), 0, head_bytes);
    rlt_graph *graph = NULL;
    assert_int_equal(backend->record_begin(f.device, &err), RLT_OK);
    backend->zero(f.device, grad, bytes);
    rlt_net_forward(f.net, &f.in);
    backend->copy(f.device, kept, rlt_net_head(f.net), head_bytes);
    rlt_net_backward(f.net, &f.in, grad);
    assert_int_equal(backend->record_end(f.device, &graph, &err), RLT_OK);
    assert_true(rlt_net_head(f.net)[0] == 0.0f); /* recorded, not done */
    uint64_t allocations = rlt_alloc_count();
    for (int run = 0; run < 2; run++) {
        backend->graph_run(f.device, graph);
        assert_int_equal(backend->sync(f.device, &err), RLT_OK);
        assert_memory_equal(kept, head, head_bytes);
        assert_memory_equal(grad, f.grad, bytes);
    }
    assert_int_equal(rlt_alloc_count(), allocations);
    backend->graph_free(f.device, &graph);
    rlt_free(grad);
    rlt_free(head);
    rlt_free(kept);
    close_fixture(&f);
}

/* ---- what goes wrong ---- */

static int allocations_left;

static rlt_status failing_alloc(rlt_device *device, size_t bytes, void **memory, rlt_err *err) {
    if (allocations_left-- == 0) {
        return rlt_fail(err, RLT_ENOMEM, "%zu bytes asked for, 7 are free", bytes);
    }
    return rlt_backend_cpu.alloc(device, bytes, memory, err);
}

/* Memory that ends at any point gives the error that names the bytes, and nothing stays behind. */
static void test_out_of_memory(void **unused) {
    (void)unused;
    rlt_backend failing = rlt_backend_cpu;
    failing.alloc = failing_alloc;
    rlt_err err = {0};
    rlt_program program;
    rlt_device *device = NULL;
    rlt_net *net = NULL;
    assert_int_equal(rlt_program_build(&image_net, &program, &err), RLT_OK);
    assert_int_equal(rlt_device_open("cpu", RLT_PRECISION_FP32, &device, &err), RLT_OK);
    device->backend = &failing;
    rlt_status status = RLT_ENOMEM;
    int tried = 0;
    for (; status != RLT_OK; tried++) {
        allocations_left = tried;
        status = rlt_net_create(device, &program, 2, 3, true, &net, &err);
        assert_int_equal(net == NULL, status != RLT_OK);
        assert_true(status == RLT_OK || strstr(err.message, "bytes asked for") != NULL);
    }
    assert_true(tried > 10);
    rlt_net_destroy(&net);
    assert_int_equal(rlt_net_create(device, &program, 1 << 20, 1 << 20, true, &net, &err),
                     RLT_ELIMIT);
    assert_true(rlt_net_bytes(&program, 2, 3, true) > 2 * rlt_net_bytes(&program, 2, 3, false));
    rlt_device_close(&device);
}

static void test_bad_policies(void **unused) {
    (void)unused;
    const rlt_policy_spec good = {.obs_dim = 48,
                                  .discrete = true,
                                  .action_dim = 5,
                                  .layer_count = 1,
                                  .layers = {{.kind = RLT_LAYER_DENSE, .units = 4}},
                                  .obs_shape = {4, 4, 3}};
    rlt_policy_spec bad[8];
    for (size_t i = 0; i < RLT_COUNT(bad); i++) {
        bad[i] = good;
    }
    bad[0].obs_shape[0] = 5;
    bad[1].layers[0].units = 0;
    bad[2].layer_count = RLT_LAYERS_MAX + 1;
    bad[3].layer_count = -1;
    bad[4].component_count = 2;
    bad[4].components[0] = bad[4].components[1] = 3;
    bad[5].component_count = 1;
    bad[5].components[0] = 0;
    bad[6].component_count = RLT_COMPONENTS_MAX + 1;
    bad[7].component_count = 1;
    bad[7].components[0] = 5;
    bad[7].discrete = false;
    const char *const messages[] = {"5 x 4 x 3 are 60 floats, observations have 48",
                                    "model[1]: dense with units = 0",
                                    "65 layers",
                                    "-1 layers",
                                    "6 values together, 5 expected",
                                    "component 0 has 0 values",
                                    "65 action components",
                                    "continuous actions"};
    rlt_err err = {0};
    assert_int_equal(rlt_policy_check(&good, &err), RLT_OK);
    for (size_t i = 0; i < RLT_COUNT(bad); i++) {
        assert_int_not_equal(rlt_policy_check(&bad[i], &err), RLT_OK);
        if (strstr(err.message, messages[i]) == NULL) {
            fail_msg("case %zu: %s", i, err.message);
        }
    }
}

static void test_devices(void **unused) {
    (void)unused;
    rlt_err err = {0};
    rlt_device *device = NULL;
    const char *const bad[] = {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda1", "CPU"};
    for (size_t i = 0; i < RLT_COUNT(bad); i++) {
        assert_int_equal(rlt_device_open(bad[i], RLT_PRECISION_FP32, &device, &err), RLT_ECONFIG);
        assert_non_null(strstr(err.message, "\"cuda:N\""));
        assert_null(device);
    }
    assert_int_equal(rlt_device_open("cpu", RLT_PRECISION_TF32, &device, &err), RLT_ECONFIG);
    assert_non_null(strstr(err.message, "fp32"));
    assert_int_equal(rlt_device_open("auto", RLT_PRECISION_FP32, &device, &err), RLT_OK);
    rlt_device_close(&device);
    rlt_device_close(&device);
    assert_int_equal(rlt_backend_cpu.count(&err), 1);
    rlt_device_info info;
    assert_int_equal(rlt_backend_cpu.info(0, &info, &err), RLT_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_same_policy),
        cmocka_unit_test(test_sequences_of_rows),
        cmocka_unit_test(test_packed_pieces),
        cmocka_unit_test(test_rows_alone),
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_bad_policies),
        cmocka_unit_test(test_steps_of_sequences),
        cmocka_unit_test(test_gradient_of_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
