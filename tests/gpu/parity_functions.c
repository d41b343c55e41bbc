/* Parity of the functions of an update besides the losses: minibatches, advantages, draws,
 * normalisation, the step. Against float64 where there is arithmetic, bytes where there is none. */
#include "tests/gpu/parity_call.h"

#include <math.h>
#include <string.h>

/* ---- gather ---- */

enum { SEQS_ALL = 41 };
typedef struct gather_case {
    int n, steps, obs_width, state_width, stride, minibatch;
    bool norm, extras;
} gather_case;

static void gather_run(parity *p, rlt_device *device, const void *data, parity_results *out) {
    const gather_case *c = data;
    size_t all = (size_t)c->steps * SEQS_ALL, rows = (size_t)c->steps * (size_t)c->n;
    size_t w = (size_t)c->obs_width, s = (size_t)c->state_width, n = (size_t)c->n;
    rlt_rng kept = p->rng; /* the same input for every device */
    rlt_update_state update = {.minibatch = c->minibatch};
    uint32_t order[3 * SEQS_ALL];
    uint8_t *bytes = parity_host(p, all * 7);
    int32_t *action = parity_host(p, all * 12);
    for (int i = 0; i < 3 * SEQS_ALL; i++) {
        order[i] = rlt_rng_below(&p->rng, SEQS_ALL);
    }
    for (size_t i = 0; i < all * 3; i++) {
        action[i] = (int32_t)rlt_rng_u32(&p->rng);
        bytes[i] = (uint8_t)action[i];
    }
    float *fields[6];
    size_t widths[6] = {w, 1, 1, 1, 1, s};
    for (int i = 0; i < 6; i++) {
        fields[i] = parity_normal(p, (i == 5 ? SEQS_ALL : all) * (widths[i] + 1), 2);
        fields[i] =
            parity_up(p, device, fields[i], sizeof(float) * (i == 5 ? SEQS_ALL : all) * widths[i]);
    }
    rlt_gather_args a = {
        .update = parity_up(p, device, &update, sizeof update),
        .order = parity_up(p, device, order, sizeof order),
        .order_stride = c->stride,
        .n = c->n,
        .steps = c->steps,
        .seqs_all = SEQS_ALL,
        .obs_width = c->obs_width,
        .action_words = 3,
        .state_width = c->state_width,
        .obs = fields[0],
        .log_prob = fields[1],
        .value = fields[2],
        .advantage = fields[3],
        .ret = fields[4],
        .state = s > 0 ? fields[5] : NULL,
        .action = parity_up(p, device, action, all * 12),
        .reset = c->extras ? parity_up(p, device, bytes, all) : NULL,
        .mask = c->extras ? parity_up(p, device, bytes, all * 3) : NULL,
        .mask_width = 3,
        .norm_advantage = c->norm,
        .to_obs = parity_out(p, device, out, "obs", rows * w),
        .to_log_prob = parity_out(p, device, out, "log_prob", rows),
        .to_value = parity_out(p, device, out, "value", rows),
        .to_advantage = parity_out(p, device, out, "advantage", rows),
        .to_ret = parity_out(p, device, out, "ret", rows),
        .to_state = parity_out(p, device, out, "state", n * s),
        .to_action = parity_bytes_out(p, device, out, "action", rows * 12),
        .to_reset = parity_bytes_out(p, device, out, "reset", rows),
        .to_mask = parity_bytes_out(p, device, out, "mask", rows * 3),
    };
    parity_start(p, device, out);
    device->backend->gather(device, &a);
    p->rng = kept;
}

static void gather_rows(parity *p) {
    static const gather_case cases[] = {
        {1, 1, 1, 0, 0, 2, true, false},   {7, 1, 4, 0, 0, 1, true, true},
        {41, 1, 16, 0, 0, 0, true, false}, {9, 5, 33, 6, 11, 2, false, true},
        {13, 3, 260, 9, 0, 1, true, true}, {41, 30, 20, 4, 0, 2, true, false},
    };
    for (size_t i = 0; i < RLT_COUNT(cases); i++) {
        parity_begin(p, "gather");
        parity_results got = parity_call(p, gather_run, &cases[i]);
        parity_against_twin(p, gather_run, &cases[i], &got, 1e-6);
        rlt_rng_u64(&p->rng);
    }
}

/* ---- advantages ---- */

typedef struct advantage_case {
    int horizon, envs;
    bool vtrace;
    float *fields[4]; /* reward, final_value, log_ratio, value */
    uint8_t *ends[2];
} advantage_case;
static const float gamma_of = 0.97f, lambda_of = 0.9f, rho_max = 1.1f, c_max = 0.95f;

static void advantage_run(parity *p, rlt_device *device, const void *data, parity_results *out) {
    const advantage_case *c = data;
    size_t count = (size_t)c->horizon * (size_t)c->envs, f = sizeof(float);
    rlt_gae_in in = {
        .horizon = c->horizon,
        .envs = c->envs,
        .reward = parity_up(p, device, c->fields[0], f * count),
        .value = parity_up(p, device, c->fields[3], f * (count + (size_t)c->envs)),
        .final_value = parity_up(p, device, c->fields[1], f * count),
        .terminated = parity_up(p, device, c->ends[0], count),
        .truncated = parity_up(p, device, c->ends[1], count),
        .gamma = gamma_of,
        .lambda = lambda_of,
    };
    float *advantage = parity_out(p, device, out, "advantage", count);
    float *target = parity_out(p, device, out, "target", count);
    if (c->vtrace) {
        rlt_vtrace_args a = {.in = in,
                             .log_ratio = parity_up(p, device, c->fields[2], f * count),
                             .rho_max = rho_max,
                             .c_max = c_max,
                             .target = target,
                             .advantage = advantage};
        parity_start(p, device, out);
        device->backend->vtrace(device, &a);
    } else {
        rlt_gae_args a = {.in = in, .advantage = advantage, .ret = target};
        parity_start(p, device, out);
        device->backend->gae(device, &a);
    }
}

/* The recursions of Schulman et al. 2016 and Espeholt et al. 2018, in float64. */
static void advantage_reference(const advantage_case *c, double *advantage, double *target) {
    size_t n = (size_t)c->envs;
    for (size_t env = 0; env < n; env++) {
        double trace = 0; /* GAE: the advantage, V-trace: v - V, of the step after */
        for (size_t at = n * (size_t)c->horizon + env; at >= n;) {
            at -= n;
            bool end = c->ends[0][at] != 0 || c->ends[1][at] != 0;
            double value = (double)c->fields[3][at], ratio = exp((double)c->fields[2][at]);
            double next = c->ends[0][at] != 0   ? 0
                          : c->ends[1][at] != 0 ? (double)c->fields[1][at]
                                                : (double)c->fields[3][at + n];
            double delta = (double)c->fields[0][at] + (double)gamma_of * next - value;
            double rho = c->vtrace ? fmin((double)rho_max, ratio) : 1;
            double cut = c->vtrace ? fmin((double)c_max, ratio) : 1;
            double after = end ? 0 : trace;
            trace = rho * delta + (double)gamma_of * (double)lambda_of * cut * after;
            target[at] = trace + value;
            advantage[at] = c->vtrace ? rho * (delta + (double)gamma_of * after) : trace;
        }
    }
}

static void advantage_rows(parity *p) {
    static const int sizes[][2] = {{1, 1}, {7, 3}, {128, 33}, {129, 5}, {300, 40}, {64, 64}};
    for (size_t i = 0; i < 2 * RLT_COUNT(sizes); i++) {
        advantage_case c = {sizes[i / 2][0], sizes[i / 2][1], i % 2 == 1, {0}, {0}};
        size_t count = (size_t)c.horizon * (size_t)c.envs;
        parity_begin(p, c.vtrace ? "vtrace" : "gae");
        for (int k = 0; k < 4; k++) {
            c.fields[k] = parity_normal(p, count + (size_t)c.envs, k == 2 ? 0.3f : 1);
        }
        c.ends[0] = parity_host(p, count);
        c.ends[1] = parity_host(p, count);
        for (size_t k = 0; k < count; k++) {
            int draw = parity_size(p, 0, 19);
            c.ends[0][k] = draw == 0;
            c.ends[1][k] = draw == 1;
        }
        double *advantage = parity_host(p, sizeof(double) * count);
        double *target = parity_host(p, sizeof(double) * count);
        parity_results got = parity_call(p, advantage_run, &c);
        advantage_reference(&c, advantage, target);
        parity_near(p, "advantage", got.values[0], advantage, count, 4e-6);
        parity_near(p, "target", got.values[1], target, count, 4e-6);
        parity_against_twin(p, advantage_run, &c, &got, 4e-6);
    }
}

/* ---- draws ---- */

typedef struct sample_case {
    int n;
    rlt_head head; /* counts: host memory */
    float *logits, *log_std;
    uint8_t *mask;
} sample_case;

static void sample_run(parity *p, rlt_device *device, const void *data, parity_results *out) {
    const sample_case *c = data;
    size_t cells = (size_t)c->n * (size_t)c->head.width, f = sizeof(float);
    bool continuous = c->head.kind == RLT_HEAD_GAUSSIAN || c->head.kind == RLT_HEAD_SQUASHED;
    uint64_t step = 0x100000003ull;
    rlt_sample_args a = {
        .policy = parity_head(p, device, &c->head),
        .n = c->n,
        .head = parity_up(p, device, c->logits, f * cells),
        .log_std = parity_up(p, device, c->log_std, f * (size_t)c->head.width),
        .mask = c->mask == NULL ? NULL : parity_up(p, device, c->mask, cells),
        .seed = 77,
        .step = parity_up(p, device, &step, sizeof step),
        .first_env = 5,
    };
    size_t words = continuous ? cells : (size_t)c->n * (size_t)c->head.components;
    a.action = continuous ? (void *)parity_out(p, device, out, "action", words)
                          : parity_bytes_out(p, device, out, "action", 4 * words);
    a.log_prob = parity_out(p, device, out, "log_prob", (size_t)c->n);
    parity_start(p, device, out);
    device->backend->sample(device, &a);
}

static void sample_rows(parity *p) {
    static const int counts[] = {3, 1, 5, 2, 4, 7};
    static const rlt_head heads[] = {{RLT_HEAD_CATEGORICAL, 2, 1, NULL},
                                     {RLT_HEAD_CATEGORICAL, 45, 1, NULL},
                                     {RLT_HEAD_MULTI, 22, 6, counts},
                                     {RLT_HEAD_GAUSSIAN, 3, 0, NULL},
                                     {RLT_HEAD_SQUASHED, 6, 0, NULL}};
    for (size_t i = 0; i < 2 * RLT_COUNT(heads); i++) {
        sample_case c = {.n = i % 2 == 0 ? 1 : 131, .head = heads[i / 2]};
        size_t cells = (size_t)c.n * (size_t)c.head.width;
        parity_begin(p, "sample");
        bool squashed = c.head.kind == RLT_HEAD_SQUASHED; /* near 1, atanh enlarges any rounding */
        c.logits = parity_normal(p, cells, squashed ? 0.3f : 1);
        c.log_std = parity_normal(p, (size_t)c.head.width, squashed ? 0.1f : 0.3f);
        for (int j = 0; squashed && j < c.head.width; j++) {
            c.log_std[j] -= 1;
        }
        c.mask = i % 4 == 3 && c.head.components > 0 ? parity_mask(p, &c.head, c.n) : NULL;
        parity_results got = parity_call(p, sample_run, &c);
        parity_against_twin(p, sample_run, &c, &got, squashed ? 1e-4 : 1e-5);
    }
}

typedef struct sac_sample_case {
    int n, width;
    float *head;
} sac_sample_case;

static void sac_sample_run(parity *p, rlt_device *device, const void *data, parity_results *out) {
    const sac_sample_case *c = data;
    size_t cells = (size_t)c->n * (size_t)c->width;
    rlt_sac_sample_args a = {
        .n = c->n,
        .width = c->width,
        .head = parity_up(p, device, c->head, 2 * sizeof(float) * cells),
        .seed = 9,
        .step = 12,
        .first = 3,
        .log_std_min = -1,
        .log_std_max = 1,
        .action = parity_out(p, device, out, "action", cells),
        .log_prob = parity_out(p, device, out, "log_prob", (size_t)c->n),
        .eps = parity_out(p, device, out, "eps", cells),
    };
    parity_start(p, device, out);
    device->backend->sac_sample(device, &a);
}

static void sac_sample_rows(parity *p) {
    static const int sizes[][2] = {{1, 1}, {70, 3}, {256, 17}};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        sac_sample_case c = {sizes[i][0], sizes[i][1], NULL};
        parity_begin(p, "sac_sample");
        c.head = parity_normal(p, 2 * (size_t)c.n * (size_t)c.width, 1);
        parity_results got = parity_call(p, sac_sample_run, &c);
        parity_against_twin(p, sac_sample_run, &c, &got, 1e-5);
    }
}

/* ---- normalise ---- */

typedef struct normalise_case {
    int rows, width;
    float *x, *mean, *inv_std;
} normalise_case;

static void normalise_run(parity *p, rlt_device *device, const void *data, parity_results *out) {
    const normalise_case *c = data;
    size_t w = (size_t)c->width, cells = (size_t)c->rows * w, f = sizeof(float);
    rlt_normalise_args a = {.rows = c->rows,
                            .width = c->width,
                            .x = parity_up(p, device, c->x, f * cells),
                            .mean = parity_up(p, device, c->mean, f * w),
                            .inv_std = parity_up(p, device, c->inv_std, f * w),
                            .clip = 1.5f,
                            .y = parity_out(p, device, out, "y", cells)};
    parity_start(p, device, out);
    device->backend->normalise(device, &a);
}

static void normalise_rows(parity *p) {
    static const int sizes[][2] = {{1, 1}, {33, 8}, {5, 131}, {400, 4}};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        normalise_case c = {.rows = sizes[i][0], .width = sizes[i][1]};
        size_t w = (size_t)c.width, cells = (size_t)c.rows * w;
        parity_begin(p, "normalise");
        c.x = parity_normal(p, cells, 3);
        c.mean = parity_normal(p, w, 1);
        c.inv_std = parity_normal(p, w, 1);
        c.x[cells / 2] = NAN;
        parity_results got = parity_call(p, normalise_run, &c);
        parity_true(p, "a NaN stays", isnan(got.values[0][cells / 2]));
        got.values[0][cells / 2] = c.x[cells / 2] = 0;
        double *want = parity_host(p, sizeof(double) * cells);
        for (size_t k = 0; k < cells; k++) {
            double y = ((double)c.x[k] - (double)c.mean[k % w]) * (double)c.inv_std[k % w];
            want[k] = k == cells / 2 ? 0 : fmin(1.5, fmax(-1.5, y));
        }
        parity_near(p, "y", got.values[0], want, cells, 1e-6);
    }
}

/* ---- step ---- */

typedef struct step_case {
    rlt_optimiser_spec spec;
    size_t count;
    float norm_max, target_kl, grad_scale;
    int bad_term; /* of the sums, not finite; -1: none */
    uint32_t stopped;
    float *params, *grad, *m, *v;
} step_case;

static void step_run(parity *p, rlt_device *device, const void *data, parity_results *out) {
    const step_case *c = data;
    rlt_update_state update = {.lr = 0.01f, .step = 3, .minibatch = 2, .rows_seen = 64};
    for (int term = 0; term < RLT_SUM_COUNT; term++) {
        update.current[term] = 0.5 * (term + 1);
        update.sums[term] = 1;
    }
    if (c->bad_term >= 0) {
        update.current[c->bad_term] = NAN;
    }
    update.stopped = c->stopped;
    rlt_step_args a = {
        .update = parity_state_out(p, device, out, &update),
        .optimiser = &c->spec,
        .params = parity_in_out(p, device, out, "params", c->params, c->count),
        .grad = parity_in_out(p, device, out, "grad", c->grad, c->count),
        .m = parity_in_out(p, device, out, "m", c->m, c->count),
        .v = parity_in_out(p, device, out, "v", c->v, c->count),
        .count = c->count,
        .rows = 32,
        .norm_max = c->norm_max,
        .target_kl = c->target_kl,
        .partial = parity_up(p, device, NULL, sizeof(double) * RLT_STEP_PARTIALS),
    };
    parity_start(p, device, out);
    device->backend->step(device, &a);
}

/* torch.optim's formulas in float64: what params[i] becomes. */
static double step_reference(const step_case *c, size_t i, double scale) {
    const rlt_optimiser_spec *s = &c->spec;
    double p = (double)c->params[i], g = (double)c->grad[i] * scale, lr = (double)0.01f;
    double m = (double)c->m[i], v = (double)c->v[i], decay = (double)s->weight_decay;
    if (s->kind == RLT_OPT_ADAMW) {
        p *= 1 - lr * decay;
    } else {
        g += decay * p;
    }
    if (s->kind == RLT_OPT_SGD) {
        return p - lr * ((double)s->momentum * m + g);
    } else if (s->kind == RLT_OPT_RMSPROP) {
        v = (double)s->alpha * v + (1 - (double)s->alpha) * g * g;
        return p - lr * ((double)s->momentum * m + g / (sqrt(v) + (double)s->eps));
    }
    double b1 = (double)s->beta1, b2 = (double)s->beta2;
    m = (b1 * m + (1 - b1) * g) / (1 - pow(b1, 4));
    v = (b2 * v + (1 - b2) * g * g) / (1 - pow(b2, 4));
    return p - lr * m / (sqrt(v) + (double)s->eps);
}

static void step_check(parity *p, step_case *c, bool moves) {
    c->params = parity_normal(p, c->count, 1);
    c->grad = parity_normal(p, c->count, c->grad_scale);
    c->m = parity_normal(p, c->count, 0.1f);
    c->v = parity_normal(p, c->count, 0.1f);
    double *want = parity_host(p, sizeof(double) * c->count), squares = 0, scale = 1;
    for (size_t i = 0; i < c->count; i++) {
        c->v[i] *= c->v[i];
        squares += (double)c->grad[i] * (double)c->grad[i];
    }
    if (c->norm_max > 0 && (double)c->norm_max < sqrt(squares)) {
        scale = (double)c->norm_max / (sqrt(squares) + 1e-6);
    }
    for (size_t i = 0; i < c->count; i++) {
        want[i] = moves ? step_reference(c, i, scale) : (double)c->params[i];
    }
    parity_results got = parity_call(p, step_run, c);
    parity_near(p, "params", got.values[0], want, c->count, moves ? 2e-6 : 0);
    parity_against_twin(p, step_run, c, &got, 4e-6);
}

static void step_rows(parity *p) {
    static const size_t counts[] = {1, 7, 4096, 70001};
    const rlt_optimiser_spec spec = {.beta1 = 0.9f,
                                     .beta2 = 0.99f,
                                     .eps = 1e-5f,
                                     .weight_decay = 0.01f,
                                     .momentum = 0.7f,
                                     .alpha = 0.95f};
    for (size_t i = 0; i < 4 * RLT_COUNT(counts); i++) {
        step_case c = {.spec = spec, .count = counts[i / 4], .grad_scale = 0.1f, .bad_term = -1};
        c.spec.kind = (rlt_opt_kind)(i % 4);
        c.norm_max = i % 3 == 0 ? 0 : 0.05f;
        parity_begin(p, "step");
        step_check(p, &c, true);
    }
    static const struct {
        float target_kl, grad_scale;
        int bad_term;
        uint32_t stopped;
    } stops[] = {{0.01f, 1, -1, 0}, {0, 1, 2, 0}, {0, INFINITY, -1, 0}, {0, 1, -1, 4}};
    for (size_t i = 0; i < RLT_COUNT(stops); i++) {
        step_case c = {.spec = spec,
                       .count = 77,
                       .norm_max = 1,
                       .target_kl = stops[i].target_kl,
                       .grad_scale = stops[i].grad_scale,
                       .bad_term = stops[i].bad_term,
                       .stopped = stops[i].stopped};
        parity_begin(p, "step that changes nothing");
        step_check(p, &c, false);
    }
}

void parity_functions(parity *p) {
    if (p->device->precision != RLT_PRECISION_FP32) {
        return; /* no products in them */
    }
    gather_rows(p);
    advantage_rows(p);
    sample_rows(p);
    sac_sample_rows(p);
    normalise_rows(p);
    step_rows(p);
}
