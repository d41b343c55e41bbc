/* nn: the control of an update on a device: minibatches gathered, draws, the optimiser's step with
 * all that can stop it; and policies of several components under masks. Reference: torch.optim with
 * clip_grad_norm_ (scripts/gen_golden_losses.py), definitions written out here. */
#include "nn/device.h"
#include "tests/support/records.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static rlt_device *device;
static const rlt_optimiser_spec adam = {
    .kind = RLT_OPT_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-5f};

static void fill(rlt_rng *rng, float *x, size_t n, float low, float high) {
    for (size_t i = 0; i < n; i++) {
        x[i] = rlt_rng_uniform(rng, low, high);
    }
}

/* ---- minibatches ---- */

enum {
    SEQS = 13,
    STEPS = 3,
    ALL = SEQS * STEPS,
    OBS = 5,
    WORDS = 2,
    MASK = 7,
    STATE = 4,
    TAKE = 4
};

typedef struct batch {
    float obs[ALL * OBS], log_prob[ALL], value[ALL], advantage[ALL], ret[ALL], state[SEQS * STATE];
    int32_t action[ALL * WORDS];
    uint8_t reset[ALL], mask[ALL * MASK];
} batch;

static void make_batch(batch *b) {
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 9);
    fill(&rng, b->obs, ALL * OBS, -1, 1);
    fill(&rng, b->log_prob, ALL, -1, 0);
    fill(&rng, b->value, ALL, -1, 1);
    fill(&rng, b->advantage, ALL, -1, 2);
    fill(&rng, b->ret, ALL, -1, 1);
    fill(&rng, b->state, SEQS * STATE, -1, 1);
    for (int i = 0; i < ALL * MASK; i++) {
        b->mask[i] = rlt_rng_below(&rng, 2) == 0;
        b->reset[i % ALL] = rlt_rng_below(&rng, 2) == 0;
        b->action[i % (ALL * WORDS)] = (int32_t)rlt_rng_below(&rng, 9);
    }
}

static rlt_gather_args gather_args(const batch *b, batch *to, const rlt_update_state *update,
                                   const uint32_t *order) {
    return (rlt_gather_args){.update = update,
                             .order = order,
                             .n = TAKE,
                             .steps = STEPS,
                             .seqs_all = SEQS,
                             .obs_width = OBS,
                             .action_words = WORDS,
                             .state_width = STATE,
                             .obs = b->obs,
                             .log_prob = b->log_prob,
                             .value = b->value,
                             .advantage = b->advantage,
                             .ret = b->ret,
                             .state = b->state,
                             .action = b->action,
                             .reset = b->reset,
                             .mask = b->mask,
                             .mask_width = MASK,
                             .to_obs = to->obs,
                             .to_log_prob = to->log_prob,
                             .to_value = to->value,
                             .to_advantage = to->advantage,
                             .to_ret = to->ret,
                             .to_state = to->state,
                             .to_action = to->action,
                             .to_reset = to->reset,
                             .to_mask = to->mask};
}

static void check_rows(const batch *b, const batch *to, const uint32_t *taken, int n) {
    for (int row = 0; row < n * STEPS; row++) {
        int from = row / n * SEQS + (int)taken[row % n];
        assert_memory_equal(to->obs + row * OBS, b->obs + from * OBS, sizeof(float) * OBS);
        assert_memory_equal(to->action + row * WORDS, b->action + from * WORDS, 4 * WORDS);
        assert_memory_equal(to->mask + row * MASK, b->mask + from * MASK, MASK);
        assert_true(to->log_prob[row] == b->log_prob[from] && to->value[row] == b->value[from]);
        assert_true(to->ret[row] == b->ret[from] && to->reset[row] == b->reset[from]);
    }
    for (int s = 0; s < n; s++) {
        assert_memory_equal(to->state + s * STATE, b->state + taken[s] * STATE,
                            sizeof(float) * STATE);
    }
}

static void test_gather(void **unused) {
    (void)unused;
    static batch b, to;
    const uint32_t order[SEQS] = {12, 0, 5, 7, 3, 1, 11, 2, 10, 4, 9, 8, 6};
    rlt_update_state update = {0};
    make_batch(&b);
    rlt_gather_args args = gather_args(&b, &to, &update, order);
    for (update.minibatch = 0; update.minibatch < 3; update.minibatch++) {
        rlt_backend_cpu.gather(device, &args);
        check_rows(&b, &to, order + TAKE * update.minibatch, TAKE);
        for (int row = 0; row < TAKE * STEPS; row++) {
            int from = row / TAKE * SEQS + (int)order[TAKE * update.minibatch + row % TAKE];
            assert_true(to.advantage[row] == b.advantage[from]);
        }
    }
    args.n = 1; /* the rest, behind three minibatches of four */
    args.order_stride = TAKE;
    rlt_backend_cpu.gather(device, &args);
    check_rows(&b, &to, order + 12, 1);
}

/* Mean 0, unbiased variance 1; columns that are not there are left out. */
static void test_gather_normalises(void **unused) {
    (void)unused;
    static batch b, to;
    const uint32_t order[SEQS] = {2, 6, 4, 9};
    rlt_update_state update = {0};
    make_batch(&b);
    rlt_gather_args args = gather_args(&b, &to, &update, order);
    args.norm_advantage = true;
    args.reset = args.mask = NULL;
    args.state = NULL;
    args.to_reset = args.to_mask = NULL;
    args.to_state = NULL;
    rlt_backend_cpu.gather(device, &args);
    double sum = 0, squares = 0, ratio = 0, all = 0;
    for (int i = 0; i < TAKE * STEPS; i++) {
        int from = i / TAKE * SEQS + (int)order[i % TAKE];
        sum += (double)to.advantage[i];
        squares += (double)to.advantage[i] * (double)to.advantage[i];
        all += (double)b.advantage[from];
        ratio += (double)to.advantage[i] * (double)b.advantage[from];
    }
    assert_true(fabs(sum) < 1e-5 && fabs(squares / (TAKE * STEPS - 1) - 1) < 1e-5);
    assert_true(ratio > 0 && fabs(all) > 0.1);
    args.n = args.steps = 1; /* one row has no deviation */
    rlt_backend_cpu.gather(device, &args);
    assert_true(to.advantage[0] == b.advantage[2]);
}

static void test_normalise(void **unused) {
    (void)unused;
    const float mean[3] = {1, -2, 0}, inv_std[3] = {2, 0.5f, 1};
    float x[6] = {2, -2, NAN, 1, 100, -9};
    const float want[6] = {2, 0, NAN, 0, 5, -5};
    rlt_normalise_args args = {2, 3, x, mean, inv_std, 5, x};
    rlt_backend_cpu.normalise(device, &args);
    for (int i = 0; i < 6; i++) {
        assert_true(x[i] == want[i] || (isnan(x[i]) && isnan(want[i])));
    }
}

/* ---- the step ---- */

enum { PARAMS = 1037, ROWS = 8 };

typedef struct network {
    float params[PARAMS], grad[PARAMS], m[PARAMS], v[PARAMS];
    rlt_update_state update;
    double partial[RLT_STEP_PARTIALS];
} network;

static rlt_step_args step_args(network *n, const rlt_optimiser_spec *optimiser) {
    return (rlt_step_args){.update = &n->update,
                           .optimiser = optimiser,
                           .params = n->params,
                           .grad = n->grad,
                           .m = n->m,
                           .v = n->v,
                           .count = PARAMS,
                           .rows = ROWS,
                           .norm_max = 0.5f,
                           .partial = n->partial};
}

static void check_optimiser(const rlt_optimiser_spec *spec, const float *start, const float *grads,
                            const float *after, const float *norms) {
    static network n;
    n = (network){.update = {.lr = 0.01f}};
    memcpy(n.params, start, sizeof n.params);
    rlt_step_args args = step_args(&n, spec);
    double norm_sum = 0;
    for (int step = 0; step < 3; step++) {
        memcpy(n.grad, grads + step * PARAMS, sizeof n.grad);
        n.update.current[RLT_SUM_VALUE] = 2;
        rlt_backend_cpu.step(device, &args);
        norm_sum += (double)norms[step];
        assert_true(fabs(n.update.norm_sum - norm_sum) < 1e-4 * norm_sum);
        for (int i = 0; i < PARAMS; i++) {
            assert_true(n.grad[i] == 0);
        }
    }
    for (int i = 0; i < PARAMS; i++) {
        assert_true(fabsf(n.params[i] - after[i]) < 2e-6f * (1 + fabsf(after[i])));
    }
    assert_true(norms[0] > 0.5f && norms[1] < 0.5f); /* clipped and not */
    assert_int_equal(n.update.step, 3);
    assert_int_equal(n.update.steps_done, 3);
    assert_int_equal(n.update.minibatch, 3);
    assert_int_equal(n.update.rows_seen, 3 * ROWS);
    assert_true(n.update.sums[RLT_SUM_VALUE] == 6 && n.update.sums[RLT_SUM_POLICY] == 0);
}

static void test_step(void **unused) {
    (void)unused;
    const rlt_optimiser_spec specs[] = {
        adam,
        {RLT_OPT_ADAMW, 0.9f, 0.999f, 1e-8f, 0.1f, 0, 0},
        {RLT_OPT_SGD, 0, 0, 0, 0, 0.9f, 0},
        {RLT_OPT_RMSPROP, 0, 0, 1e-8f, 0, 0, 0.99f},
    };
    records r = records_open("tests/golden/nn_loss_step.bin");
    const float *start = records_take(&r, "params", PARAMS);
    const float *grads = records_take(&r, "grads", (size_t)3 * PARAMS);
    for (size_t i = 0; i < RLT_COUNT(specs); i++) {
        const float *after = records_take(&r, "after", PARAMS),
                    *norms = records_take(&r, "norms", 3);
        check_optimiser(&specs[i], start, grads, after, norms);
    }
    records_close(&r);
}

static void start_network(network *n) {
    rlt_rng rng = rlt_rng_make(4, RLT_STREAM_TEST, 0);
    memset(n, 0, sizeof *n);
    fill(&rng, n->params, PARAMS, -1, 1);
    fill(&rng, n->grad, PARAMS, -1, 1);
    fill(&rng, n->m, PARAMS, -1, 1);
    fill(&rng, n->v, PARAMS, 0, 1);
    n->update = (rlt_update_state){.lr = 0.1f, .step = 7, .minibatch = 2};
}

/* One step of what `n` holds must set the flag and leave the parameters, the moments and the
 * counters; so must every later one. */
static void assert_stops(network *n, float target_kl, uint32_t stopped, bool counted) {
    static network before;
    before = *n;
    rlt_step_args args = step_args(n, &adam);
    args.target_kl = target_kl;
    for (int again = 0; again < 2; again++) {
        rlt_backend_cpu.step(device, &args);
        assert_int_equal(n->update.stopped, stopped);
        assert_memory_equal(n->params, before.params, sizeof n->params);
        assert_memory_equal(n->m, before.m, sizeof n->m);
        assert_memory_equal(n->v, before.v, sizeof n->v);
        assert_int_equal(n->update.step, 7);
        assert_int_equal(n->update.minibatch, 2);
        assert_int_equal(n->update.steps_done, 0);
        assert_int_equal(n->update.rows_seen, counted ? ROWS : 0);
        for (int i = 0; i < PARAMS; i++) {
            assert_true(n->grad[i] == 0);
            n->grad[i] = 1;
        }
        memset(n->update.current, 0, sizeof n->update.current);
    }
}

static void test_what_is_not_finite_stops(void **unused) {
    (void)unused;
    static network n;
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (uint32_t term = 0; term < RLT_SUM_COUNT; term++) {
        for (size_t b = 0; b < RLT_COUNT(bad); b++) {
            start_network(&n);
            n.update.current[term] = bad[b];
            assert_stops(&n, 0, 2 + term, false);
        }
    }
    const size_t places[] = {0, 500, PARAMS - 1};
    for (size_t p = 0; p < RLT_COUNT(places); p++) {
        start_network(&n);
        n.grad[places[p]] = p == 1 ? INFINITY : NAN;
        assert_stops(&n, 0, 2 + RLT_SUM_COUNT, true);
    }
}

static void test_target_kl_stops(void **unused) {
    (void)unused;
    static network n;
    start_network(&n);
    n.update.current[RLT_SUM_KL] = 1.5001 * 0.02 * ROWS;
    n.grad[3] = NAN; /* is not looked at any more */
    assert_stops(&n, 0.02f, 1, true);
    assert_true(n.update.sums[RLT_SUM_KL] == 1.5001 * 0.02 * ROWS);
    start_network(&n);
    n.update.current[RLT_SUM_KL] = 1.4999 * 0.02 * ROWS;
    rlt_step_args args = step_args(&n, &adam);
    args.target_kl = 0.02f;
    rlt_backend_cpu.step(device, &args);
    assert_int_equal(n.update.stopped, 0);
    assert_int_equal(n.update.step, 8);
    n.update.current[RLT_SUM_KL] = 1e9;
    args.target_kl = 0; /* no limit */
    rlt_backend_cpu.step(device, &args);
    assert_int_equal(n.update.stopped, 0);
    assert_int_equal(n.update.step, 9);
}

/* A NaN among a loss's inputs ends in the number of its term. */
static void test_nan_in_a_loss_stops(void **unused) {
    (void)unused;
    static network n;
    enum { N = 3 };
    struct {
        float head[N * 2], value[N], old[N], advantage[N], ret[N], d_head[N * 2], d_value[N];
    } x;
    const int32_t action[N] = {0, 1, 1};
    for (uint32_t term = 0; term < 3; term++) {
        start_network(&n);
        memset(&x, 0, sizeof x);
        n.update.clip = 0.2f;
        float *const places[] = {&x.advantage[1], &x.ret[2], &x.head[5]};
        *places[term] = NAN;
        rlt_ppo_loss_args loss = {.update = &n.update,
                                  .policy = {RLT_HEAD_CATEGORICAL, 2, 1, NULL},
                                  .n = N,
                                  .head = x.head,
                                  .value = x.value,
                                  .action = action,
                                  .old_log_prob = x.old,
                                  .old_value = x.old,
                                  .advantage = x.advantage,
                                  .ret = x.ret,
                                  .coef = {.vf_coef = 1},
                                  .d_head = x.d_head,
                                  .d_value = x.d_value,
                                  .partial = n.partial};
        rlt_backend_cpu.ppo_loss(device, &loss);
        /* the logits are in the policy's term too, which is the first */
        assert_stops(&n, 0, term == 1 ? 2 + RLT_SUM_VALUE : 2 + RLT_SUM_POLICY, false);
    }
}

/* Recorded, a minibatch after the other is gathered and stepped by the state in memory alone. */
static void test_recorded_steps(void **unused) {
    (void)unused;
    static network n, direct;
    rlt_graph *graph = NULL;
    rlt_err err = {0};
    start_network(&n);
    direct = n;
    assert_int_equal(rlt_backend_cpu.record_begin(device, &err), RLT_OK);
    rlt_optimiser_spec spec = adam;
    rlt_step_args args = step_args(&n, &spec);
    rlt_backend_cpu.step(device, &args);
    assert_int_equal(rlt_backend_cpu.record_end(device, &graph, &err), RLT_OK);
    assert_int_equal(n.update.step, 7);
    memset(&spec, 0xff, sizeof spec); /* was copied */
    rlt_step_args same = step_args(&direct, &adam);
    for (int i = 0; i < 3; i++) {
        n.grad[i] = direct.grad[i] = 0.1f * (float)(i + 1);
        n.update.lr = direct.update.lr = 0.1f / (float)(i + 1);
        rlt_backend_cpu.graph_run(device, graph);
        rlt_backend_cpu.step(device, &same);
    }
    assert_int_equal(n.update.step, 10);
    assert_memory_equal(n.params, direct.params, sizeof n.params);
    rlt_backend_cpu.graph_free(device, &graph);
}

/* ---- draws ---- */

enum { WIDTH = 16, COMPONENTS = 6 };
static const int counts[COMPONENTS] = {3, 1, 4, 2, 5, 1};

static rlt_policy_spec multi_spec(void) {
    rlt_policy_spec spec = {.obs_dim = OBS,
                            .discrete = true,
                            .action_dim = WIDTH,
                            .hidden = {12},
                            .hidden_count = 1,
                            .component_count = COMPONENTS};
    memcpy(spec.components, counts, sizeof counts);
    return spec;
}

/* The definition of fns.h in double. */
static int expected_pick(const float *logits, const uint8_t *mask, int n, double u, double *slack) {
    double sum = 0, total = 0;
    int last = -1;
    for (int i = 0; i < n; i++) {
        sum += mask[i] ? exp((double)logits[i]) : 0;
    }
    *slack = 1;
    for (int i = 0; i < n; i++) {
        if (mask[i]) {
            last = i;
            total += exp((double)logits[i]) / sum;
            *slack = fmin(*slack, fabs(total - u));
            if (u < total) {
                break;
            }
        }
    }
    return last;
}

/* Component c's draw is word c of the step's own blocks; forbidden values are never drawn. */
static void test_draws_of_components(void **unused) {
    (void)unused;
    enum { N = 50 };
    rlt_policy_spec spec = multi_spec();
    rlt_rng rng = rlt_rng_make(8, RLT_STREAM_TEST, 2);
    float head[N * WIDTH], log_prob[N];
    uint8_t mask[N * WIDTH];
    int32_t action[N * COMPONENTS];
    fill(&rng, head, N * WIDTH, -2, 2);
    for (int i = 0; i < N * WIDTH; i++) {
        mask[i] = rlt_rng_below(&rng, 2) == 0 || i % WIDTH == 2 || i % WIDTH == 3 ||
                  i % WIDTH == 4 || i % WIDTH == 8 || i % WIDTH >= 14;
    }
    rlt_policy_sample(&spec, NULL, head, mask, N, 5, 100, 77, action, log_prob);
    for (int r = 0; r < N; r++) {
        rlt_rng words = rlt_rng_make(5, RLT_STREAM_ACTION, 100 + (uint32_t)r);
        words.index = 77 * 8; /* two blocks of four words a step */
        double want = 0;
        for (int c = 0, first = r * WIDTH; c < COMPONENTS; first += counts[c++]) {
            double u = (double)rlt_rng_f32(&words), slack, sum = 0;
            int picked = action[r * COMPONENTS + c];
            int pick = expected_pick(head + first, mask + first, counts[c], u, &slack);
            assert_true(picked == pick || slack < 1e-6);
            assert_true(mask[first + picked]);
            for (int i = 0; i < counts[c]; i++) {
                sum += mask[first + i] ? exp((double)head[first + i]) : 0;
            }
            want += (double)head[first + picked] - log(sum);
        }
        assert_true(fabs(want - (double)log_prob[r]) < 1e-5);
    }
}

/* A row draws the same alone as among others, and without a mask as with one that allows all. */
static void test_draws_do_not_depend_on_rows(void **unused) {
    (void)unused;
    enum { N = 21 };
    rlt_policy_spec specs[2] = {multi_spec(), multi_spec()};
    rlt_rng rng = rlt_rng_make(8, RLT_STREAM_TEST, 3);
    float head[N * WIDTH], log_prob[N], one_log_prob, all_log_prob[N];
    int32_t action[N * COMPONENTS], one[COMPONENTS], all[N * COMPONENTS];
    uint8_t mask[N * WIDTH];
    specs[1].component_count = 0; /* categorical */
    fill(&rng, head, N * WIDTH, -2, 2);
    memset(mask, 1, sizeof mask);
    for (int s = 0; s < 2; s++) {
        int words = s == 0 ? COMPONENTS : 1;
        rlt_policy_sample(&specs[s], NULL, head, NULL, N, 5, 3, 9, action, log_prob);
        rlt_policy_sample(&specs[s], NULL, head, mask, N, 5, 3, 9, all, all_log_prob);
        for (int r = 0; r < N; r++) {
            rlt_policy_sample(&specs[s], NULL, head + r * WIDTH, NULL, 1, 5, 3 + (uint32_t)r, 9,
                              one, &one_log_prob);
            assert_memory_equal(one, action + r * words, 4 * (size_t)words);
            assert_memory_equal(all + r * words, action + r * words, 4 * (size_t)words);
            assert_true(one_log_prob == log_prob[r]);
            assert_true(fabsf(all_log_prob[r] - log_prob[r]) < 1e-5f);
        }
    }
}

/* 20,000 draws under a mask follow the softmax over what is allowed. */
static void test_masked_frequencies(void **unused) {
    (void)unused;
    enum { DRAWS = 20000 };
    rlt_policy_spec spec = multi_spec();
    float head[WIDTH] = {0}, log_prob;
    int32_t action[COMPONENTS], best[COMPONENTS];
    uint8_t mask[WIDTH];
    int hits[4] = {0};
    memset(mask, 1, sizeof mask);
    head[4] = 1; /* the component of four: 1, forbidden, -1, 0 */
    head[5] = 9;
    head[6] = -1;
    mask[5] = 0;
    for (uint64_t step = 0; step < DRAWS; step++) {
        rlt_policy_sample(&spec, NULL, head, mask, 1, 1, 0, step, action, &log_prob);
        hits[action[2]]++;
    }
    const double expected[4] = {0.66524096, 0, 0.09003057, 0.24472847};
    for (int i = 0; i < 4; i++) {
        assert_true(fabs(hits[i] / (double)DRAWS - expected[i]) < 0.015);
    }
    assert_int_equal(hits[1], 0);
    rlt_policy_mode(&spec, head, mask, 1, best);
    const int32_t want[COMPONENTS] = {0, 0, 0, 0, 0, 0};
    assert_memory_equal(best, want, sizeof want);
    rlt_policy_mode(&spec, head, NULL, 1, best);
    assert_int_equal(best[2], 1);
}

/* ---- the gradient of policies of several components ---- */

typedef struct problem {
    rlt_policy_spec spec;
    rlt_policy_workspace *ws;
    size_t count;
    float *params, *grad;
    float obs[29 * OBS], head[29 * WIDTH], value[29], log_prob[29], advantage[29], ret[29];
    int32_t action[29 * COMPONENTS];
    uint8_t mask[29 * WIDTH];
} problem;

static void make_problem(problem *p, bool components) {
    p->spec = multi_spec();
    p->spec.component_count = components ? COMPONENTS : 0;
    p->ws = rlt_policy_workspace_create(&p->spec);
    p->count = rlt_policy_param_count(&p->spec);
    p->params = rlt_alloc(sizeof(float) * p->count);
    p->grad = rlt_alloc(sizeof(float) * p->count);
    rlt_rng rng = rlt_rng_make(6, RLT_STREAM_TEST, 4);
    fill(&rng, p->params, p->count, -0.7f, 0.7f);
    fill(&rng, p->obs, 29 * OBS, -1, 1);
    fill(&rng, p->advantage, 29, -1, 1);
    fill(&rng, p->ret, 29, -1, 1);
    for (int i = 0; i < 29 * WIDTH; i++) {
        p->mask[i] = rlt_rng_below(&rng, 3) > 0 || i % WIDTH == 0 || (i % WIDTH >= 3 && i % 3 > 0);
    }
    for (int r = 0; r < 29; r++) { /* the last value of each component is allowed */
        for (int c = 0, end = r * WIDTH; c < COMPONENTS; c++) {
            p->mask[(end += counts[c]) - 1] = 1;
        }
    }
    rlt_policy_forward(p->ws, p->params, p->obs, 29, p->head, p->value);
    rlt_policy_sample(&p->spec, p->params, p->head, p->mask, 29, 3, 0, 0, p->action, p->log_prob);
}

static void free_problem(problem *p) {
    rlt_policy_workspace_destroy(&p->ws);
    rlt_free(p->params);
    rlt_free(p->grad);
}

static double loss_of(problem *p) {
    const rlt_ppo_coef coef = {0.2f, 0, 0.5f, 0.05f};
    rlt_ppo_batch batch = {.n = 29,
                           .obs = p->obs,
                           .action = p->action,
                           .old_log_prob = p->log_prob,
                           .old_value = p->value,
                           .advantage = p->advantage,
                           .ret = p->ret,
                           .mask = p->mask};
    rlt_ppo_stats s = {0};
    memset(p->grad, 0, sizeof(float) * p->count);
    rlt_ppo_grad(p->ws, p->params, &batch, &coef, 29, p->grad, &s);
    return (s.policy_loss - 0.05 * s.entropy + 0.5 * s.value_loss) / 29;
}

/* Central differences; and what was sampled is what the gradient sees: the ratio is 1. */
static void test_masked_gradients(void **unused) {
    (void)unused;
    for (int components = 0; components < 2; components++) {
        static problem p;
        make_problem(&p, components);
        double start = loss_of(&p);
        assert_true(isfinite(start));
        float *grad = rlt_alloc(sizeof(float) * p.count);
        memcpy(grad, p.grad, sizeof(float) * p.count);
        rlt_rng rng = rlt_rng_make(12, RLT_STREAM_TEST, 0);
        for (int trial = 0; trial < 30; trial++) {
            size_t i = rlt_rng_below(&rng, (uint32_t)p.count);
            float kept = p.params[i], h = 5e-3f;
            p.params[i] = kept + h;
            double above = loss_of(&p);
            p.params[i] = kept - h;
            double below = loss_of(&p);
            p.params[i] = kept;
            assert_true(fabs((above - below) / (2 * (double)h) - (double)grad[i]) < 1e-3);
        }
        rlt_free(grad);
        free_problem(&p);
    }
}

/* Forbidden logits get no gradient: parameters that lead to them alone stay as they are. */
static void test_forbidden_logits_are_left_alone(void **unused) {
    (void)unused;
    static problem p;
    make_problem(&p, true);
    for (int r = 0; r < 29; r++) {
        p.mask[r * WIDTH + 5] = 0;
        p.action[r * COMPONENTS + 2] = 0;
        p.mask[r * WIDTH + 4] = 1;
    }
    loss_of(&p);
    size_t hidden = 12, w = (OBS + 1) * hidden, some = 0;
    for (size_t k = 0; k <= hidden; k++) { /* W[hidden][WIDTH], then b */
        assert_true(p.grad[w + k * WIDTH + 5] == 0);
        some += p.grad[w + k * WIDTH + 4] != 0;
    }
    assert_true(some > 0);
    free_problem(&p);
}

static int open_device(void **unused) {
    (void)unused;
    return (int)rlt_device_open("cpu", RLT_PRECISION_FP32, &device, NULL);
}

static int close_device(void **unused) {
    (void)unused;
    rlt_device_close(&device);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gather),
        cmocka_unit_test(test_gather_normalises),
        cmocka_unit_test(test_normalise),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_what_is_not_finite_stops),
        cmocka_unit_test(test_target_kl_stops),
        cmocka_unit_test(test_nan_in_a_loss_stops),
        cmocka_unit_test(test_recorded_steps),
        cmocka_unit_test(test_draws_of_components),
        cmocka_unit_test(test_draws_do_not_depend_on_rows),
        cmocka_unit_test(test_masked_frequencies),
        cmocka_unit_test(test_masked_gradients),
        cmocka_unit_test(test_forbidden_logits_are_left_alone),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
