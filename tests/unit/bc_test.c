/* bc: figures against the policy's own forward pass, training with and without memory, what is
 * refused. The loss and its gradient themselves: nn_losses_test.c against torch. */
#include "algos/bc/bc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 192, WIDTH = 3, ACTIONS = 4 };

typedef struct data {
    float obs[ROWS * WIDTH];
    int32_t action[ROWS];
    float means[ROWS * 2];
    uint8_t reset[ROWS], mask[ROWS * ACTIONS];
} data;

static rlt_policy_spec discrete(void) {
    return (rlt_policy_spec){.obs_dim = WIDTH,
                             .discrete = true,
                             .action_dim = ACTIONS,
                             .act = RLT_ACT_TANH,
                             .hidden = {16, 16},
                             .hidden_count = 2};
}

static rlt_policy_spec with_memory(rlt_layer_kind kind) {
    rlt_policy_spec spec = {
        .obs_dim = WIDTH, .discrete = true, .action_dim = ACTIONS, .layer_count = 1};
    spec.layers[0] = (rlt_layer){.kind = kind, .act = RLT_ACT_NONE, .units = 24};
    return spec;
}

/* Actions that follow from the observation: the quadrant of its first two entries. */
static void fill(data *d) {
    rlt_rng rng = rlt_rng_make(3, RLT_STREAM_TEST, 0);
    for (int r = 0; r < ROWS; r++) {
        for (int i = 0; i < WIDTH; i++) {
            d->obs[r * WIDTH + i] = rlt_rng_uniform(&rng, -1, 1);
        }
        d->action[r] = (d->obs[r * WIDTH] > 0) + 2 * (d->obs[r * WIDTH + 1] > 0);
        d->means[2 * r] = d->obs[r * WIDTH] - d->obs[r * WIDTH + 1];
        d->means[2 * r + 1] = 0.5F * d->obs[r * WIDTH + 2];
        d->reset[r] = r == 0;
        for (int a = 0; a < ACTIONS; a++) {
            d->mask[r * ACTIONS + a] = a == d->action[r] || rlt_rng_below(&rng, 2) == 0;
        }
    }
}

typedef struct engine {
    rlt_policy_spec spec;
    rlt_device *device;
    rlt_bc *bc;
    float *params;
    rlt_bc_rows rows;
} engine;

static engine open_engine(rlt_policy_spec spec, const data *d, int64_t sequences, int steps,
                          bool masked) {
    engine e = {.spec = spec};
    rlt_err err = {0};
    assert_int_equal(rlt_device_open("cpu", RLT_PRECISION_FP32, &e.device, &err), RLT_OK);
    const rlt_bc_options options = {
        .sequences = sequences,
        .steps = steps,
        .masked = masked,
        .max_grad_norm = 1,
        .optimiser = {.kind = RLT_OPT_ADAM, .beta1 = 0.9F, .beta2 = 0.999F, .eps = 1e-8F},
        .device = e.device};
    if (rlt_bc_create(&spec, &options, &e.bc, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    e.params = rlt_alloc(sizeof(float) * rlt_policy_param_count(&spec));
    rlt_policy_init(&spec, 1, e.params);
    e.rows = (rlt_bc_rows){.sequences = ROWS / steps,
                           .steps = steps,
                           .obs = d->obs,
                           .action = spec.discrete ? (const void *)d->action : d->means,
                           .reset = d->reset,
                           .mask = masked ? d->mask : NULL};
    return e;
}

static void close_engine(engine *e) {
    rlt_bc_destroy(&e->bc);
    rlt_device_close(&e->device);
    rlt_free(e->params);
}

static rlt_bc_figures measure(engine *e, int64_t first, int64_t count) {
    rlt_bc_figures figures;
    assert_int_equal(rlt_bc_measure(e->bc, e->params, &e->rows, first, count, &figures, NULL),
                     RLT_OK);
    return figures;
}

static rlt_bc_result train(engine *e, int minibatches, int64_t taken, float lr) {
    uint32_t order[ROWS];
    rlt_bc_result result = {0};
    rlt_err err = {0};
    for (int k = 0; k < minibatches; k++) {
        rlt_bc_shuffle(5, k, (uint32_t)e->rows.sequences, order);
        if (rlt_bc_train(e->bc, e->params, &e->rows, order, (int)(e->rows.sequences / taken), lr,
                         &result, &err) != RLT_OK) {
            fail_msg("%s", err.message);
        }
    }
    return result;
}

/* Softmax over the allowed logits, by hand. */
static void test_figures(void **unused) {
    (void)unused;
    static data d;
    fill(&d);
    for (int masked = 0; masked < 2; masked++) {
        engine e = open_engine(discrete(), &d, 50, 1, masked == 1);
        float head[ROWS * ACTIONS], value[ROWS];
        rlt_policy_workspace *ws = rlt_policy_workspace_create(&e.spec);
        train(&e, 5, 50, 1e-2F);
        rlt_policy_forward(ws, e.params, d.obs, ROWS, head, value);
        double loss = 0, right = 0;
        for (int r = 20; r < 170; r++) {
            double sum = 0;
            int best = -1;
            for (int a = 0; a < ACTIONS; a++) {
                bool allowed = masked == 0 || d.mask[r * ACTIONS + a];
                sum += allowed ? exp((double)head[r * ACTIONS + a]) : 0;
                bool better = best < 0 || head[r * ACTIONS + a] > head[r * ACTIONS + best];
                best = allowed && better ? a : best;
            }
            loss -= (double)head[r * ACTIONS + d.action[r]] - log(sum);
            right += best == d.action[r];
        }
        rlt_bc_figures figures = measure(&e, 20, 150);
        assert_true(fabs(figures.loss - loss / 150) < 1e-5);
        assert_true(fabs(figures.accuracy - right / 150) < 1e-12);
        rlt_policy_workspace_destroy(&ws);
        close_engine(&e);
    }
}

static void check_learns(engine *e, int epochs, int64_t taken, double loss, double accuracy) {
    rlt_bc_figures before = measure(e, 0, e->rows.sequences);
    rlt_bc_result result = train(e, epochs, taken, 1e-2F);
    rlt_bc_figures after = measure(e, 0, e->rows.sequences);
    assert_true(after.loss < before.loss && after.loss < loss);
    assert_true(isnan(accuracy) ? isnan(after.accuracy) : after.accuracy > accuracy);
    assert_true(result.grad_norm > 0 && isfinite(result.entropy));
    assert_int_equal(*rlt_bc_step(e->bc), epochs * (e->rows.sequences / taken));
    close_engine(e);
}

static void test_learns(void **unused) {
    (void)unused;
    static data d;
    fill(&d);
    engine e = open_engine(discrete(), &d, 48, 1, false);
    check_learns(&e, 60, 48, 0.15, 0.95);
    e = open_engine(discrete(), &d, 48, 1, true);
    check_learns(&e, 60, 48, 0.1, 0.95);
    rlt_policy_spec gaussian = discrete();
    gaussian.discrete = false;
    gaussian.action_dim = 2;
    e = open_engine(gaussian, &d, 48, 1, false);
    check_learns(&e, 60, 48, 0.5, NAN);
}

/* The action is the quadrant of the row before: only a memory can know it. */
static void test_memory(void **unused) {
    (void)unused;
    static data d;
    fill(&d);
    enum { STEPS = 8, SEQUENCES = ROWS / STEPS };
    static data delayed;
    delayed = d;
    for (int t = 1; t < STEPS; t++) {
        memcpy(delayed.action + t * SEQUENCES, d.action + (t - 1) * SEQUENCES,
               sizeof(int32_t) * SEQUENCES);
    }
    memset(delayed.action, 0, sizeof(int32_t) * SEQUENCES);
    static const rlt_layer_kind kinds[] = {RLT_LAYER_LSTM, RLT_LAYER_GRU};
    for (size_t i = 0; i < RLT_COUNT(kinds); i++) {
        engine e = open_engine(with_memory(kinds[i]), &delayed, SEQUENCES / 2, STEPS, false);
        check_learns(&e, 250, SEQUENCES / 2, 0.7, 0.8);
    }
    memset(delayed.reset, 1, ROWS); /* every row begins an episode: nothing to remember */
    engine e = open_engine(with_memory(RLT_LAYER_GRU), &delayed, SEQUENCES / 2, STEPS, false);
    train(&e, 250, SEQUENCES / 2, 1e-2F);
    assert_true(measure(&e, 0, SEQUENCES).accuracy < 0.7);
    close_engine(&e);
    e = open_engine(discrete(), &delayed, 48, 1, false);
    train(&e, 60, 48, 1e-2F);
    assert_true(measure(&e, 0, ROWS).accuracy < 0.7);
    close_engine(&e);
}

static void test_shuffle(void **unused) {
    (void)unused;
    uint32_t a[100], b[100], sum = 0;
    rlt_bc_shuffle(1, 0, 100, a);
    rlt_bc_shuffle(1, 1, 100, b);
    bool seen[100] = {false};
    for (int i = 0; i < 100; i++) {
        assert_true(a[i] < 100 && !seen[a[i]]);
        seen[a[i]] = true;
        sum += a[i] == b[i];
    }
    assert_true(sum < 20);
}

static void test_refused(void **unused) {
    (void)unused;
    static data d;
    fill(&d);
    engine e = open_engine(discrete(), &d, 8, 1, false);
    rlt_policy_spec spec = discrete();
    rlt_bc_options options = {.sequences = 0, .steps = 1, .device = e.device};
    rlt_bc *bc = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_bc_create(&spec, &options, &bc, &err), RLT_EINVAL);
    assert_non_null(strstr(err.message, "bc.sequences: 0 is out of bounds"));
    options.sequences = 8;
    options.max_grad_norm = NAN;
    assert_int_equal(rlt_bc_create(&spec, &options, &bc, &err), RLT_EINVAL);
    assert_null(bc);
    uint32_t order[ROWS];
    rlt_bc_result result;
    rlt_bc_shuffle(5, 0, ROWS, order);
    d.obs[order[0] * WIDTH] = NAN;
    assert_int_equal(rlt_bc_train(e.bc, e.params, &e.rows, order, 1, 1e-2F, &result, &err),
                     RLT_EDIVERGED);
    assert_non_null(strstr(err.message, "the loss is not finite at optimiser step 1"));
    close_engine(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures), cmocka_unit_test(test_learns),
        cmocka_unit_test(test_memory),  cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("bc", tests, NULL, NULL);
}
