/* nn's functions of an update on the CPU against torch and rlax (scripts/gen_golden_losses.py):
 * each loss and head, values and gradients, with masks and ends, for each form of the kernels that
 * this processor has; and what the numbers must be by their definition. */
#include "nn/device.h"
#include "tests/support/records.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { LONG = 131, SHORT = 37 };
static rlt_device *device;

static void assert_near(const char *what, const float *got, const float *want, size_t n,
                        double tolerance) {
    for (size_t i = 0; i < n; i++) {
        double error = fabs((double)got[i] - (double)want[i]);
        if (!(error <= tolerance * (1 + fabs((double)want[i])))) {
            fail_msg("%s, entry %zu: got %.9g, expected %.9g", what, i, (double)got[i],
                     (double)want[i]);
        }
    }
}

static void assert_sums(const char *what, const rlt_update_state *update, const float *want) {
    for (int term = 0; term < RLT_SUM_COUNT; term++) {
        float got = (float)update->current[term];
        if (!(fabsf(got - want[term]) <= 2e-5f * (1 + fabsf(want[term])))) {
            fail_msg("%s, sum %d: got %.9g, expected %.9g", what, term, (double)got,
                     (double)want[term]);
        }
    }
}

/* ---- policies ---- */

typedef struct policy_case {
    const char *name;
    rlt_head policy;
    const float *head, *log_std, *teacher, *teacher_log_std, *old_log_prob, *value, *old_value,
        *advantage, *ret;
    const uint8_t *mask; /* NULL where none is forbidden */
    const void *action;
} policy_case;

static const int counts[] = {3, 1, 4, 2, 3};

static policy_case take_policy(records *g, const char *name, rlt_head_kind kind, bool masked) {
    policy_case c = {.name = name, .policy = {.kind = kind, .components = 1}};
    const int32_t *sizes = records_take(g, name, 3);
    size_t width = (size_t)sizes[0];
    bool gaussian = kind == RLT_HEAD_GAUSSIAN || kind == RLT_HEAD_SQUASHED;
    c.policy.width = sizes[0];
    if (kind == RLT_HEAD_MULTI) {
        c.policy.components = RLT_COUNT(counts);
        c.policy.counts = counts;
        assert_int_equal(sizes[1], RLT_COUNT(counts));
    }
    c.head = records_take(g, "head", LONG * width);
    c.log_std = records_take(g, "log_std", width);
    c.teacher = records_take(g, "teacher", LONG * width);
    c.teacher_log_std = records_take(g, "teacher_log_std", width);
    const uint8_t *mask = records_take(g, "mask", LONG * width);
    c.mask = masked ? mask : NULL;
    c.action = records_take(g, "action", LONG * (gaussian ? width : (size_t)c.policy.components));
    c.old_log_prob = records_take(g, "old_log_prob", LONG);
    c.value = records_take(g, "value", LONG);
    c.old_value = records_take(g, "old_value", LONG);
    c.advantage = records_take(g, "advantage", LONG);
    c.ret = records_take(g, "ret", LONG);
    return c;
}

typedef struct gradients {
    rlt_update_state update;
    float d_head[LONG * 16], d_value[LONG], d_log_std[16];
    double partial[64];
} gradients;

/* Full of what must be overwritten; d_log_std, which is added to, holds ones. */
static void spoil(gradients *out, float clip) {
    memset(out, 0x7f, sizeof *out);
    out->update = (rlt_update_state){.clip = clip};
    for (int term = 0; term < RLT_SUM_COUNT; term++) {
        out->update.current[term] = NAN;
    }
    for (int i = 0; i < 16; i++) {
        out->d_log_std[i] = 1;
    }
}

static void check_gradients(records *g, const policy_case *c, const char *loss, int n, bool value,
                            gradients *out) {
    char name[64], what[96];
    size_t width = (size_t)c->policy.width;
    bool gaussian = c->policy.counts == NULL && c->policy.kind >= RLT_HEAD_GAUSSIAN;
    snprintf(what, sizeof what, "%s of %s (%s)", loss, c->name, rlt_nn_form_name());
    snprintf(name, sizeof name, "%s.sums", loss);
    assert_sums(what, &out->update, records_take(g, name, RLT_SUM_COUNT));
    snprintf(name, sizeof name, "%s.d_head", loss);
    assert_near(what, out->d_head, records_take(g, name, (size_t)n * width), (size_t)n * width,
                2e-7);
    snprintf(name, sizeof name, "%s.d_log_std", loss);
    const float *want = records_take(g, name, gaussian ? width : 0);
    for (size_t i = 0; gaussian && i < width; i++) {
        float moved = out->d_log_std[i] - 1;
        assert_near(what, &moved, &want[i], 1, 2e-6);
    }
    snprintf(name, sizeof name, "%s.d_value", loss);
    if (value) {
        assert_near(what, out->d_value, records_take(g, name, (size_t)n), (size_t)n, 1e-7);
    }
}

static void check_ppo(records *g, const policy_case *c, const char *name, float clip,
                      rlt_ppo_coef coef) {
    gradients out;
    spoil(&out, clip);
    rlt_ppo_loss_args args = {.update = &out.update,
                              .policy = c->policy,
                              .n = LONG,
                              .head = c->head,
                              .log_std = c->log_std,
                              .value = c->value,
                              .action = c->action,
                              .mask = c->mask,
                              .old_log_prob = c->old_log_prob,
                              .old_value = c->old_value,
                              .advantage = c->advantage,
                              .ret = c->ret,
                              .coef = coef,
                              .d_head = out.d_head,
                              .d_value = out.d_value,
                              .d_log_std = out.d_log_std,
                              .partial = out.partial};
    assert_true(rlt_fn_partials(LONG) <= RLT_COUNT(out.partial));
    rlt_backend_cpu.ppo_loss(device, &args);
    check_gradients(g, c, name, LONG, true, &out);
}

static void check_others(records *g, const policy_case *c) {
    gradients out;
    spoil(&out, 0);
    rlt_pg_loss_args pg = {&out.update,  c->policy,   SHORT,         c->head,
                           c->log_std,   c->value,    c->action,     c->mask,
                           c->advantage, c->ret,      0.7f,          0.02f,
                           out.d_head,   out.d_value, out.d_log_std, out.partial};
    rlt_backend_cpu.pg_loss(device, &pg);
    check_gradients(g, c, "pg", SHORT, true, &out);
    spoil(&out, 0);
    rlt_bc_loss_args bc = {&out.update, c->policy, SHORT,      c->head,       c->log_std, c->action,
                           c->mask,     0.03f,     out.d_head, out.d_log_std, out.partial};
    rlt_backend_cpu.bc_loss(device, &bc);
    check_gradients(g, c, "bc", SHORT, false, &out);
    spoil(&out, 0);
    rlt_distill_loss_args distill = {
        &out.update,        c->policy, SHORT, c->head,    c->log_std,    c->teacher,
        c->teacher_log_std, c->mask,   2.5f,  out.d_head, out.d_log_std, out.partial};
    rlt_backend_cpu.distill_loss(device, &distill);
    check_gradients(g, c, "distill", SHORT, false, &out);
}

/* Runs a check with each form of the kernels. */
static void each_form(void (*check)(void)) {
    for (rlt_nn_form form = RLT_NN_PLAIN; form <= RLT_NN_AVX512; form++) {
        if (rlt_nn_force_form(form)) {
            check();
        }
    }
    rlt_nn_force_form(RLT_NN_BEST);
}

static void check_policies(void) {
    static const struct {
        const char *name;
        rlt_head_kind kind;
        bool masked;
    } cases[] = {{"categorical", RLT_HEAD_CATEGORICAL, false},
                 {"categorical_masked", RLT_HEAD_CATEGORICAL, true},
                 {"multi", RLT_HEAD_MULTI, false},
                 {"multi_masked", RLT_HEAD_MULTI, true},
                 {"gaussian", RLT_HEAD_GAUSSIAN, false},
                 {"squashed", RLT_HEAD_SQUASHED, false}};
    records g = records_open("tests/golden/nn_loss_policy.bin");
    for (size_t i = 0; i < RLT_COUNT(cases); i++) {
        policy_case c = take_policy(&g, cases[i].name, cases[i].kind, cases[i].masked);
        check_ppo(&g, &c, "ppo", 0.2f, (rlt_ppo_coef){9, 0.3f, 0.5f, 0.01f});
        check_ppo(&g, &c, "ppo_plain", 0.1f, (rlt_ppo_coef){9, 0, 1, 0});
        check_others(&g, &c);
    }
    records_close(&g);
}

static void test_policies(void **unused) {
    (void)unused;
    each_form(check_policies);
}

/* ---- values ---- */

typedef struct value_case {
    int n, actions, atoms;
    const float *q, *next_q, *next_select, *reward, *discount, *weight;
    const int32_t *action;
} value_case;

static value_case take_values(records *g, int n, int actions, int atoms) {
    value_case c = {.n = n, .actions = actions, .atoms = atoms};
    size_t rows = (size_t)n, all = rows * (size_t)actions * (size_t)atoms;
    c.q = records_take(g, "q", all);
    c.next_q = records_take(g, "next_q", all);
    c.next_select = records_take(g, "next_select", all);
    c.action = records_take(g, "action", rows);
    c.reward = records_take(g, "reward", rows);
    c.discount = records_take(g, "discount", rows);
    c.weight = records_take(g, "weight", rows);
    return c;
}

typedef struct value_out {
    rlt_update_state update;
    float d_q[19 * 3 * 51], td_error[SHORT];
    double partial[64];
} value_out;

static void check_values(records *g, const value_case *c, const char *name, value_out *out) {
    char record[64], what[96];
    size_t all = (size_t)c->n * (size_t)c->actions * (size_t)c->atoms;
    snprintf(what, sizeof what, "%s of %d actions, %d atoms", name, c->actions, c->atoms);
    snprintf(record, sizeof record, "%s.loss", name);
    float sums[RLT_SUM_COUNT] = {[RLT_SUM_VALUE] = *(const float *)records_take(g, record, 1)};
    assert_sums(what, &out->update, sums);
    snprintf(record, sizeof record, "%s.error", name);
    assert_near(what, out->td_error, records_take(g, record, (size_t)c->n), (size_t)c->n, 2e-6);
    snprintf(record, sizeof record, "%s.d_q", name);
    assert_near(what, out->d_q, records_take(g, record, all), all, 2e-7);
}

static void check_q(records *g, const value_case *c, const char *name, bool double_q, float delta) {
    value_out out;
    memset(&out, 0x7f, sizeof out);
    rlt_q_loss_args args = {&out.update,  c->n,
                            c->actions,   c->q,
                            c->next_q,    double_q ? c->next_select : NULL,
                            c->action,    c->reward,
                            c->discount,  double_q ? c->weight : NULL,
                            delta,        out.d_q,
                            out.td_error, out.partial};
    rlt_backend_cpu.q_loss(device, &args);
    check_values(g, c, name, &out);
    args.td_error = NULL; /* not wanted */
    rlt_backend_cpu.q_loss(device, &args);
}

static void check_c51(records *g, const value_case *c, const char *name, bool double_q) {
    value_out out;
    memset(&out, 0x7f, sizeof out);
    rlt_c51_loss_args args = {&out.update,
                              c->n,
                              c->actions,
                              c->atoms,
                              c->q,
                              c->next_q,
                              double_q ? c->next_select : NULL,
                              c->action,
                              c->reward,
                              c->discount,
                              double_q ? c->weight : NULL,
                              -2,
                              3,
                              out.d_q,
                              out.td_error,
                              out.partial};
    rlt_backend_cpu.c51_loss(device, &args);
    check_values(g, c, name, &out);
}

static void check_quantiles(records *g, const value_case *c, const char *name, bool double_q,
                            float kappa) {
    value_out out;
    memset(&out, 0x7f, sizeof out);
    rlt_quantile_loss_args args = {&out.update,
                                   c->n,
                                   c->actions,
                                   c->atoms,
                                   c->q,
                                   c->next_q,
                                   double_q ? c->next_select : NULL,
                                   c->action,
                                   c->reward,
                                   c->discount,
                                   double_q ? c->weight : NULL,
                                   kappa,
                                   out.d_q,
                                   out.td_error,
                                   out.partial};
    rlt_backend_cpu.quantile_loss(device, &args);
    check_values(g, c, name, &out);
}

static void check_dueling(records *g, int atoms) {
    enum { ACTIONS = 4 };
    size_t few = SHORT * (size_t)atoms, all = few * ACTIONS;
    float got[SHORT * ACTIONS * 7], got_value[SHORT * 7];
    rlt_dueling_args args = {.n = SHORT, .actions = ACTIONS, .atoms = atoms, .q = got};
    args.value = records_take(g, "value", few);
    args.advantage = records_take(g, "advantage", all);
    rlt_backend_cpu.dueling(device, &args);
    assert_near("dueling", got, records_take(g, "q", all), all, 1e-6);
    args.d_q = records_take(g, "d_q", all);
    args.d_value = got_value;
    args.d_advantage = got;
    rlt_backend_cpu.dueling(device, &args);
    assert_near("dueling", got_value, records_take(g, "d_value", few), few, 1e-6);
    assert_near("dueling", got, records_take(g, "d_advantage", all), all, 1e-6);
}

static void test_values(void **unused) {
    (void)unused;
    records g = records_open("tests/golden/nn_loss_value.bin");
    value_case q = take_values(&g, SHORT, 5, 1);
    check_q(&g, &q, "plain", false, 0);
    check_q(&g, &q, "double", true, 0.8f);
    check_dueling(&g, 1);
    check_dueling(&g, 7);
    value_case c51 = take_values(&g, 19, 3, 51);
    check_c51(&g, &c51, "plain", false);
    check_c51(&g, &c51, "double", true);
    for (int atoms = 7; atoms <= 32; atoms += 25) {
        value_case quantiles = take_values(&g, 19, 3, atoms);
        check_quantiles(&g, &quantiles, "plain", false, 0);
        check_quantiles(&g, &quantiles, "double", true, 0.7f);
    }
    records_close(&g);
}

/* ---- SAC ---- */

/* Returns the temperature. */
static const float *check_actor(records *g) {
    enum { WIDTH = 3 };
    float d_head[SHORT * 2 * WIDTH], d_log_alpha;
    rlt_update_state update = {0};
    rlt_sac_loss_args args = {.update = &update,
                              .n = SHORT,
                              .width = WIDTH,
                              .log_std_min = -4,
                              .log_std_max = 1,
                              .target_entropy = -3,
                              .d_head = d_head,
                              .d_log_alpha = &d_log_alpha};
    args.head = records_take(g, "head", RLT_COUNT(d_head));
    args.eps = records_take(g, "eps", SHORT * WIDTH);
    args.log_alpha = records_take(g, "log_alpha", 1);
    args.action = records_take(g, "action", SHORT * WIDTH);
    args.log_prob = records_take(g, "log_prob", SHORT);
    args.dq_da = records_take(g, "dq_da", SHORT * WIDTH);
    args.q1 = records_take(g, "actor_q1", SHORT);
    args.q2 = records_take(g, "actor_q2", SHORT);
    rlt_backend_cpu.sac_loss(device, &args);
    float loss = (float)update.current[RLT_SUM_POLICY];
    assert_near("actor", &loss, records_take(g, "actor.loss", 1), 1, 1e-5);
    assert_near("actor", d_head, records_take(g, "actor.d_head", RLT_COUNT(d_head)),
                RLT_COUNT(d_head), 1e-6);
    assert_near("temperature", &d_log_alpha, records_take(g, "d_log_alpha", 1), 1, 1e-5);
    double entropy = 0;
    for (int r = 0; r < SHORT; r++) {
        entropy -= (double)args.log_prob[r];
    }
    assert_true(fabs(update.current[RLT_SUM_ENTROPY] - entropy) < 1e-9);
    args.q1 = NULL; /* then its value is not in the sum */
    rlt_backend_cpu.sac_loss(device, &args);
    double without = -(double)expf(*args.log_alpha) * entropy;
    assert_true(fabs(update.current[RLT_SUM_POLICY] - without) < 1e-4);
    return args.log_alpha;
}

static void check_critics(records *g, const float *log_alpha) {
    float d_q1[SHORT], d_q2[SHORT];
    rlt_update_state update = {0};
    rlt_sac_loss_args args = {
        .update = &update, .n = SHORT, .log_alpha = log_alpha, .d_q1 = d_q1, .d_q2 = d_q2};
    args.q1 = records_take(g, "q1", SHORT);
    args.q2 = records_take(g, "q2", SHORT);
    args.next_q1 = records_take(g, "next_q1", SHORT);
    args.next_q2 = records_take(g, "next_q2", SHORT);
    args.next_log_prob = records_take(g, "next_log_prob", SHORT);
    args.reward = records_take(g, "reward", SHORT);
    args.discount = records_take(g, "discount", SHORT);
    rlt_backend_cpu.sac_loss(device, &args);
    float sums[RLT_SUM_COUNT] = {[RLT_SUM_VALUE] =
                                     *(const float *)records_take(g, "critic.loss", 1)};
    assert_sums("critics", &update, sums);
    assert_near("critics", d_q1, records_take(g, "d_q1", SHORT), SHORT, 1e-7);
    assert_near("critics", d_q2, records_take(g, "d_q2", SHORT), SHORT, 1e-7);
}

static void test_sac(void **unused) {
    (void)unused;
    records g = records_open("tests/golden/nn_loss_sac.bin");
    const float *log_alpha = check_actor(&g);
    check_critics(&g, log_alpha);
    records_close(&g);
}

/* The draw is u = mean + std eps with eps of rlt_rng_normal; its log-probability is that of a
 * change of variables, in double; far out in the tails it stays finite and right. */
static void test_sac_sample(void **unused) {
    (void)unused;
    enum { N = 9, WIDTH = 3 };
    float head[N * 2 * WIDTH], action[N * WIDTH], log_prob[N], eps[N * WIDTH];
    rlt_rng rng = rlt_rng_make(5, RLT_STREAM_TEST, 1);
    for (int i = 0; i < N * 2 * WIDTH; i++) {
        head[i] = rlt_rng_uniform(&rng, -3, 3);
    }
    head[0] = 12; /* 1 - tanh(u)^2 is far below the spacing of floats near 1 */
    head[1] = -40;
    rlt_sac_sample_args args = {N, WIDTH, head, 99, 7, 30, -2, 1, action, log_prob, eps};
    rlt_backend_cpu.sac_sample(device, &args);
    for (int r = 0; r < N; r++) {
        rlt_rng draws = rlt_rng_make(99, RLT_STREAM_ACTION, 30 + (uint32_t)r);
        draws.index = 7 * 4 * WIDTH;
        double want = 0;
        for (int j = 0; j < WIDTH; j++) {
            double mean = (double)head[r * 2 * WIDTH + j];
            double log_std = fmin(1, fmax(-2, (double)head[(r * 2 + 1) * WIDTH + j]));
            double e = (double)(float)rlt_rng_normal(&draws), u = mean + exp(log_std) * e;
            assert_true(fabs(e - (double)eps[r * WIDTH + j]) < 1e-6);
            assert_true(fabs(tanh(u) - (double)action[r * WIDTH + j]) < 1e-6);
            want += -0.5 * e * e - log_std - 0.5 * log(2 * M_PI) - 2 * log(2) + 2 * fabs(u) +
                    2 * log1p(exp(-2 * fabs(u))); /* -log(1 - tanh(u)^2) */
        }
        assert_true(fabs(want - (double)log_prob[r]) < 2e-5 * (1 + fabs(want)));
    }
}

/* ---- V-trace ---- */

enum { STEPS = 23, ENVS = 5, CELLS = STEPS * ENVS };

typedef struct trace {
    rlt_gae_in in;
    const float *log_ratio;
} trace;

static trace take_trace(records *g) {
    trace t = {.in = {.horizon = STEPS, .envs = ENVS, .gamma = 0.95f, .lambda = 1}};
    t.in.reward = records_take(g, "reward", CELLS);
    t.in.final_value = records_take(g, "final", CELLS);
    t.in.value = records_take(g, "value", CELLS + ENVS);
    t.log_ratio = records_take(g, "ratio", CELLS);
    t.in.terminated = records_take(g, "terminated", CELLS);
    t.in.truncated = records_take(g, "truncated", CELLS);
    return t;
}

static void test_vtrace(void **unused) {
    (void)unused;
    records g = records_open("tests/golden/nn_loss_vtrace.bin");
    trace t = take_trace(&g);
    float target[CELLS], advantage[CELLS];
    rlt_vtrace_args args = {t.in, t.log_ratio, 1.2f, 1, target, advantage};
    rlt_backend_cpu.vtrace(device, &args);
    assert_near("target", target, records_take(&g, "clipped.target", CELLS), CELLS, 2e-6);
    assert_near("advantage", advantage, records_take(&g, "clipped.advantage", CELLS), CELLS, 2e-6);
    args.in.lambda = 0.9f;
    args.rho_max = 1;
    rlt_backend_cpu.vtrace(device, &args);
    assert_near("target", target, records_take(&g, "lambda.target", CELLS), CELLS, 2e-6);
    records_close(&g);
}

/* Equation 1 of the paper, as the sum that it is, for a step of an environment: the steps up to the
 * end of the episode or of the segment. */
static double vtrace_sum(const rlt_vtrace_args *a, int s, int env) {
    double sum = (double)a->in.value[s * ENVS + env], factor = 1;
    for (int t = s; t < STEPS; t++) {
        int at = t * ENVS + env;
        bool terminated = a->in.terminated[at], truncated = a->in.truncated[at];
        double ratio = exp((double)a->log_ratio[at]);
        double next = terminated  ? 0
                      : truncated ? (double)a->in.final_value[at]
                                  : (double)a->in.value[at + ENVS];
        double delta =
            (double)a->in.reward[at] + (double)a->in.gamma * next - (double)a->in.value[at];
        sum += factor * fmin((double)a->rho_max, ratio) * delta;
        factor *= (double)a->in.gamma * (double)a->in.lambda * fmin((double)a->c_max, ratio);
        if (terminated || truncated) {
            break;
        }
    }
    return sum;
}

static void test_vtrace_definition(void **unused) {
    (void)unused;
    records g = records_open("tests/golden/nn_loss_vtrace.bin");
    trace t = take_trace(&g);
    float target[CELLS], advantage[CELLS];
    rlt_vtrace_args args = {t.in, t.log_ratio, 1.5f, 0.8f, target, advantage};
    args.in.lambda = 0.97f;
    rlt_backend_cpu.vtrace(device, &args);
    for (int i = 0; i < CELLS; i++) {
        assert_true(fabs((double)target[i] - vtrace_sum(&args, i / ENVS, i % ENVS)) < 1e-5);
    }
    records_drop(&g);
}

/* On policy, lambda 1: v_t is the discounted sum of rewards to the end, plus the bootstrap; and the
 * advantages are those of GAE with lambda 1. */
static void test_vtrace_on_policy(void **unused) {
    (void)unused;
    records g = records_open("tests/golden/nn_loss_vtrace.bin");
    trace t = take_trace(&g);
    float target[CELLS], advantage[CELLS], gae[CELLS], ret[CELLS];
    const float zeros[CELLS] = {0};
    rlt_vtrace_args args = {t.in, zeros, 1, 1, target, advantage};
    rlt_backend_cpu.vtrace(device, &args);
    for (int env = 0; env < ENVS; env++) {
        double sum = (double)t.in.value[CELLS + env];
        for (int at = CELLS - ENVS + env; at >= 0; at -= ENVS) {
            sum = t.in.terminated[at] ? 0 : t.in.truncated[at] ? (double)t.in.final_value[at] : sum;
            sum = (double)t.in.reward[at] + (double)t.in.gamma * sum;
            assert_true(fabs(sum - (double)target[at]) < 1e-5);
        }
    }
    rlt_gae_args same = {t.in, gae, ret};
    rlt_backend_cpu.gae(device, &same);
    assert_near("advantage", advantage, gae, CELLS, 1e-5);
    records_drop(&g);
}

/* ---- definitions ---- */

/* Algorithm 1 of Bellemare et al. 2017 as two loops in double; what falls on an atom stays there.
 */
static void project_naively(const double *p, int atoms, double v_min, double v_max, double reward,
                            double discount, double *m) {
    double gap = (v_max - v_min) / (atoms - 1);
    for (int i = 0; i < atoms; i++) {
        m[i] = 0;
        for (int j = 0; j < atoms; j++) {
            double z = fmin(v_max, fmax(v_min, reward + discount * (v_min + gap * j)));
            m[i] += p[j] * fmin(1, fmax(0, 1 - fabs(z - (v_min + gap * i)) / gap));
        }
    }
}

/* With equal logits the gradient is 1 / atoms - m: the projection can be read off. Places on atoms,
 * between them, beyond both ends, and a terminal step. */
static void test_projection(void **unused) {
    (void)unused;
    enum { ATOMS = 11, N = 6 };
    const float reward[N] = {0, 0.5f, 0.13f, 9, -9, 0.37f}, discount[N] = {1, 1, 0.9f, 1, 1, 0};
    float logits[N * ATOMS] = {0}, next[N * ATOMS], d[N * ATOMS];
    int32_t action[N] = {0};
    rlt_update_state update = {0};
    rlt_rng rng = rlt_rng_make(3, RLT_STREAM_TEST, 0);
    for (int i = 0; i < N * ATOMS; i++) {
        next[i] = rlt_rng_uniform(&rng, -1, 1);
    }
    rlt_c51_loss_args args = {.update = &update,
                              .n = N,
                              .actions = 1,
                              .atoms = ATOMS,
                              .logits = logits,
                              .next_logits = next,
                              .action = action,
                              .reward = reward,
                              .discount = discount,
                              .v_min = -1,
                              .v_max = 4,
                              .d_logits = d};
    rlt_backend_cpu.c51_loss(device, &args);
    for (int r = 0; r < N; r++) {
        double p[ATOMS], m[ATOMS], sum = 0, total = 0;
        for (int i = 0; i < ATOMS; i++) {
            sum += exp((double)next[r * ATOMS + i]);
        }
        for (int i = 0; i < ATOMS; i++) {
            p[i] = exp((double)next[r * ATOMS + i]) / sum;
        }
        project_naively(p, ATOMS, -1, 4, (double)reward[r], (double)discount[r], m);
        for (int i = 0; i < ATOMS; i++) {
            double got = 1.0 / ATOMS - N * (double)d[r * ATOMS + i];
            assert_true(fabs(got - m[i]) < 2e-6);
            total += got;
        }
        assert_true(fabs(total - 1) < 1e-5); /* no mass is lost */
    }
}

/* Gradient descent on the quantile loss ends at the quantiles of the targets. */
static void test_quantiles_are_the_minimum(void **unused) {
    (void)unused;
    enum { ATOMS = 5 };
    /* one row whose next quantiles are the sample -2, -1, 0, 1, 2: its (i + 1/2) / 5 quantiles */
    const float next[ATOMS] = {0, 2, -1, 1, -2}, zero = 0, one = 1;
    float q[ATOMS] = {0.3f, -0.2f, 0.9f, 0.1f, 0.05f}, d[ATOMS];
    const int32_t action = 0;
    rlt_update_state update = {0};
    rlt_quantile_loss_args args = {.update = &update,
                                   .n = 1,
                                   .actions = 1,
                                   .atoms = ATOMS,
                                   .q = q,
                                   .next_q = next,
                                   .action = &action,
                                   .reward = &zero,
                                   .discount = &one,
                                   .d_q = d};
    for (int step = 0; step < 20000; step++) {
        rlt_backend_cpu.quantile_loss(device, &args);
        for (int i = 0; i < ATOMS; i++) {
            q[i] -= 1e-3f * d[i];
        }
    }
    for (int i = 0; i < ATOMS; i++) {
        assert_true(fabsf(q[i] - (float)(i - 2)) < 0.01f);
    }
}

/* Nothing pulls a student that equals its teacher, whatever the temperature. */
static void test_distillation_at_equality(void **unused) {
    (void)unused;
    records g = records_open("tests/golden/nn_loss_policy.bin");
    policy_case c = take_policy(&g, "categorical", RLT_HEAD_CATEGORICAL, false);
    const rlt_head heads[] = {
        c.policy, {RLT_HEAD_MULTI, 5, 2, (const int[]){2, 3}}, {RLT_HEAD_GAUSSIAN, 5, 1, NULL}};
    for (size_t h = 0; h < RLT_COUNT(heads); h++) {
        gradients out;
        spoil(&out, 0);
        rlt_distill_loss_args args = {&out.update, heads[h],   SHORT,         c.head,
                                      c.log_std,   c.head,     c.log_std,     NULL,
                                      3,           out.d_head, out.d_log_std, out.partial};
        rlt_backend_cpu.distill_loss(device, &args);
        assert_true(fabs(out.update.current[RLT_SUM_KL]) < 1e-4);
        for (int i = 0; i < SHORT * 5; i++) {
            assert_true(fabsf(out.d_head[i]) < 1e-7f);
        }
    }
    records_drop(&g);
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
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_sac),
        cmocka_unit_test(test_sac_sample),
        cmocka_unit_test(test_vtrace),
        cmocka_unit_test(test_vtrace_definition),
        cmocka_unit_test(test_vtrace_on_policy),
        cmocka_unit_test(test_projection),
        cmocka_unit_test(test_quantiles_are_the_minimum),
        cmocka_unit_test(test_distillation_at_equality),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
