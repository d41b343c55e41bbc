/* Parity of the losses: sums against the losses' definitions (fns.h) in float64, gradients against
 * central differences of these at some places, everything against the CPU twin. */
#include "tests/gpu/parity_call.h"

#include <math.h>
#include <string.h>

enum { PLACES = 30, ACTIONS_MAX = 64, ATOMS_MAX = 64 };

/* ---- central differences ---- */

/* What rows first .. end - 1 add to the mean loss of a case, whose doubles the check moves. */
typedef double (*loss_fn)(const void *data, int first, int end);
typedef struct slope {
    const char *name; /* of the output */
    double *x;        /* what is moved */
    size_t count;
    int n, width;        /* width: entries of x that only their row's loss sees; 0: all see them */
    const float *before; /* what the gradient was added to, or NULL */
} slope;

static const float *output(const parity_results *got, const char *name) {
    for (int i = 0; i < got->count; i++) {
        if (strcmp(got->name[i], name) == 0) {
            return got->values[i];
        }
    }
    RLT_ASSERT(!"an output of this name");
    return NULL;
}

/* The output at some places against d loss / d x. */
static void check_slope(parity *p, const parity_results *got, loss_fn loss, const void *data,
                        slope s, double limit) {
    float some[PLACES + 1];
    double want[PLACES + 1];
    int places = s.count < PLACES ? (int)s.count : PLACES;
    for (int i = 0; i < places; i++) {
        size_t at =
            places == (int)s.count ? (size_t)i : (size_t)parity_size(p, 0, (int)s.count - 1);
        int first = s.width == 0 ? 0 : (int)at / s.width, end = s.width == 0 ? s.n : first + 1;
        double kept = s.x[at], step = 1e-6;
        s.x[at] = kept + step;
        double high = loss(data, first, end);
        s.x[at] = kept - step;
        want[i] = (high - loss(data, first, end)) / (2 * step);
        want[i] += s.before == NULL ? 0 : (double)s.before[at];
        s.x[at] = kept;
        some[i] = output(got, s.name)[at];
    }
    want[places] = 1.0 / s.n; /* the scale of a slope, where all of them are nothing */
    some[places] = (float)want[places];
    parity_near(p, s.name, some, want, (size_t)places + 1, limit);
}

static void check_sum(parity *p, const char *what, double got, double want, double limit) {
    float both[] = {(float)got, 16};
    double wanted[] = {want, 16}; /* rows cancel: the limit must not vanish */
    parity_near(p, what, both, wanted, 2, limit);
}

/* ---- policies ---- */

typedef enum { PPO, PG, BC, DISTILL } policy_loss;
typedef struct policy_case {
    policy_loss kind;
    int n;
    rlt_head head; /* counts: host memory */
    rlt_ppo_coef coef;
    float temperature;
    float *logits, *log_std, *value, *action_floats, *old, *old_value, *advantage, *target;
    float *teacher, *teacher_log_std, *d_log_std;
    int32_t *action;
    uint8_t *mask;
    double *head64, *log_std64, *value64; /* what differences move */
} policy_case;

static bool continuous(const rlt_head *head) {
    return head->kind == RLT_HEAD_GAUSSIAN || head->kind == RLT_HEAD_SQUASHED;
}

/* Log-probabilities of one component's allowed logits, over the temperature. */
static void log_softmax(const double *logits, const float *floats, const uint8_t *mask, int count,
                        double temperature, double *log_p) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
        log_p[i] = (logits != NULL ? logits[i] : (double)floats[i]) / temperature;
        sum += mask == NULL || mask[i] ? exp(log_p[i]) : 0;
    }
    for (int i = 0; i < count; i++) {
        log_p[i] -= log(sum);
    }
}

static void discrete_row(const policy_case *c, int row, double *log_prob, double *entropy) {
    for (int k = 0, first = row * c->head.width; k < c->head.components; k++) {
        int count = c->head.counts == NULL ? c->head.width : c->head.counts[k];
        const uint8_t *mask = c->mask == NULL ? NULL : c->mask + first;
        double log_p[ACTIONS_MAX] = {0};
        log_softmax(c->head64 + first, NULL, mask, count, 1, log_p);
        *log_prob += log_p[c->action[row * c->head.components + k]];
        for (int i = 0; i < count; i++) {
            *entropy -= mask == NULL || mask[i] ? exp(log_p[i]) * log_p[i] : 0;
        }
        first += count;
    }
}

static void gaussian_row(const policy_case *c, int row, double *log_prob, double *entropy) {
    for (int j = 0; j < c->head.width; j++) {
        double a = (double)c->action_floats[row * c->head.width + j], std = exp(c->log_std64[j]);
        bool squashed = c->head.kind == RLT_HEAD_SQUASHED;
        double u = squashed ? atanh(a) : a, z = (u - c->head64[row * c->head.width + j]) / std;
        *log_prob -= 0.5 * z * z + c->log_std64[j] + 0.5 * log(2 * M_PI);
        *log_prob -= squashed ? log1p(-a * a) : 0;
        *entropy += c->log_std64[j] + 0.5 * log(2 * M_PI) + 0.5;
    }
}

static double distill_row(const policy_case *c, int row) {
    double sum = 0, t = (double)c->temperature;
    for (int j = 0; continuous(&c->head) && j < c->head.width; j++) {
        double teacher_std = exp((double)c->teacher_log_std[j]), std = exp(c->log_std64[j]);
        int at = row * c->head.width + j;
        double gap = (double)c->teacher[at] - c->head64[at];
        sum += log(std / teacher_std) - 0.5 +
               (teacher_std * teacher_std + gap * gap) / (2 * std * std);
    }
    for (int k = 0, first = row * c->head.width; k < c->head.components; k++) {
        int count = c->head.counts == NULL ? c->head.width : c->head.counts[k];
        const uint8_t *mask = c->mask == NULL ? NULL : c->mask + first;
        double log_s[ACTIONS_MAX] = {0}, log_t[ACTIONS_MAX] = {0};
        log_softmax(c->head64 + first, NULL, mask, count, t, log_s);
        log_softmax(NULL, c->teacher + first, mask, count, t, log_t);
        for (int i = 0; i < count; i++) {
            sum += mask == NULL || mask[i] ? t * t * exp(log_t[i]) * (log_t[i] - log_s[i]) : 0;
        }
        first += count;
    }
    return sum;
}

/* The terms of one row, as RLT_SUM_* has them. */
static void policy_row(const policy_case *c, int row, double *sums) {
    double log_prob = 0, entropy = 0;
    if (c->kind == DISTILL) {
        sums[RLT_SUM_POLICY] += distill_row(c, row);
        sums[RLT_SUM_KL] = sums[RLT_SUM_POLICY];
        return;
    }
    (continuous(&c->head) ? gaussian_row : discrete_row)(c, row, &log_prob, &entropy);
    sums[RLT_SUM_ENTROPY] += entropy;
    double advantage = c->kind == BC ? 1 : (double)c->advantage[row], clip = (double)c->coef.clip;
    if (c->kind != PPO) {
        sums[RLT_SUM_POLICY] -= advantage * log_prob;
    } else {
        double ratio = exp(log_prob - (double)c->old[row]);
        double bounded = fmin(1 + clip, fmax(1 - clip, ratio));
        sums[RLT_SUM_POLICY] += fmax(-advantage * ratio, -advantage * bounded);
        sums[RLT_SUM_KL] += ratio - 1 - (log_prob - (double)c->old[row]);
        sums[RLT_SUM_CLIPPED] += fabs(ratio - 1) > clip;
    }
    if (c->kind != BC) {
        double v = c->value64[row], target = (double)c->target[row],
               range = (double)c->coef.vf_clip;
        double loss = (v - target) * (v - target);
        if (c->kind == PPO && range > 0) {
            double old = (double)c->old_value[row];
            double bounded = old + fmin(range, fmax(-range, v - old)) - target;
            loss = fmax(loss, bounded * bounded);
        }
        sums[RLT_SUM_VALUE] += 0.5 * loss;
    }
}

static void policy_sums(const policy_case *c, int first, int end, double *sums) {
    memset(sums, 0, sizeof(double) * RLT_SUM_COUNT);
    for (int row = first; row < end; row++) {
        policy_row(c, row, sums);
    }
}
static double policy_mean(const void *data, int first, int end) {
    const policy_case *c = data;
    double sums[RLT_SUM_COUNT];
    policy_sums(c, first, end, sums);
    return (sums[RLT_SUM_POLICY] - (double)c->coef.ent_coef * sums[RLT_SUM_ENTROPY] +
            (double)c->coef.vf_coef * sums[RLT_SUM_VALUE]) /
           c->n;
}

/* The arguments that the four have in common, by the names that these share. */
#define POLICY_ARGS                                                                                \
    .update = parity_state_out(p, device, out, &update),                                           \
    .policy = parity_head(p, device, &c->head), .n = c->n,                                         \
    .head = parity_up(p, device, c->logits, f * cells),                                            \
    .log_std = parity_up(p, device, c->log_std, f * width),                                        \
    .mask = c->mask == NULL ? NULL : parity_up(p, device, c->mask, cells),                         \
    .d_head = parity_out(p, device, out, "d_head", cells),                                         \
    .d_log_std = parity_in_out(p, device, out, "d_log_std", c->d_log_std, width),                  \
    .partial = parity_up(p, device, NULL, sizeof(double) * rlt_fn_partials(c->n))

static void policy_run(parity *p, rlt_device *device, const void *data, parity_results *out) {
    const policy_case *c = data;
    const rlt_backend *b = device->backend;
    size_t n = (size_t)c->n, width = (size_t)c->head.width, cells = n * width, f = sizeof(float);
    rlt_update_state update = {.clip = c->coef.clip};
    const void *action = c->kind == DISTILL ? NULL
                         : continuous(&c->head)
                             ? parity_up(p, device, c->action_floats, f * cells)
                             : parity_up(p, device, c->action, 4 * n * (size_t)c->head.components);
    if (c->kind == BC) {
        rlt_bc_loss_args a = {POLICY_ARGS, .action = action, .ent_coef = c->coef.ent_coef};
        parity_start(p, device, out);
        b->bc_loss(device, &a);
        return;
    }
    if (c->kind == DISTILL) {
        rlt_distill_loss_args a = {
            POLICY_ARGS, .teacher_head = parity_up(p, device, c->teacher, f * cells),
            .teacher_log_std = parity_up(p, device, c->teacher_log_std, f * width),
            .temperature = c->temperature};
        parity_start(p, device, out);
        b->distill_loss(device, &a);
        return;
    }
    const float *value = parity_up(p, device, c->value, f * n);
    const float *advantage = parity_up(p, device, c->advantage, f * n);
    const float *target = parity_up(p, device, c->target, f * n);
    if (c->kind == PG) {
        rlt_pg_loss_args a = {POLICY_ARGS,
                              .action = action,
                              .value = value,
                              .advantage = advantage,
                              .target = target,
                              .vf_coef = c->coef.vf_coef,
                              .ent_coef = c->coef.ent_coef,
                              .d_value = parity_out(p, device, out, "d_value", n)};
        parity_start(p, device, out);
        b->pg_loss(device, &a);
        return;
    }
    rlt_ppo_loss_args a = {POLICY_ARGS,
                           .action = action,
                           .value = value,
                           .advantage = advantage,
                           .ret = target,
                           .old_log_prob = parity_up(p, device, c->old, f * n),
                           .old_value = parity_up(p, device, c->old_value, f * n),
                           .coef = c->coef,
                           .d_value = parity_out(p, device, out, "d_value", n)};
    parity_start(p, device, out);
    b->ppo_loss(device, &a);
}

/* An allowed action a component, and the old log-probabilities near the new ones. */
static void policy_actions(parity *p, policy_case *c) {
    for (int row = 0; row < c->n; row++) {
        for (int k = 0, first = row * c->head.width; k < c->head.components; k++) {
            int count = c->head.counts == NULL ? c->head.width : c->head.counts[k], action;
            do {
                action = parity_size(p, 0, count - 1);
            } while (c->mask != NULL && c->mask[first + action] == 0);
            c->action[row * c->head.components + k] = action;
            first += count;
        }
        double log_prob = 0, entropy = 0;
        (continuous(&c->head) ? gaussian_row : discrete_row)(c, row, &log_prob, &entropy);
        bool kink = fabs(fabs(exp(-(double)c->old[row]) - 1) - (double)c->coef.clip) < 0.002;
        c->old[row] += (float)log_prob + (kink ? 0.02f : 0); /* away from where clipping begins */
    }
}

static void policy_fill(parity *p, policy_case *c) {
    size_t n = (size_t)c->n, width = (size_t)c->head.width, cells = n * width;
    c->logits = parity_normal(p, cells, 1);
    c->log_std = parity_normal(p, width, 0.3f);
    c->value = parity_normal(p, n, 1);
    c->action_floats = parity_normal(p, cells, 1);
    c->old = parity_normal(p, n, 0.2f);
    c->old_value = parity_normal(p, n, 1);
    c->advantage = parity_normal(p, n, 1);
    c->target = parity_normal(p, n, 1);
    c->teacher = parity_normal(p, cells, 1);
    c->teacher_log_std = parity_normal(p, width, 0.3f);
    c->d_log_std = parity_normal(p, width, 1);
    c->action = parity_host(p, 4 * n * width);
    for (size_t i = 0; c->head.kind == RLT_HEAD_SQUASHED && i < cells; i++) {
        c->action_floats[i] = tanhf(c->action_floats[i]);
    }
    c->head64 = parity_doubles(p, c->logits, cells);
    c->log_std64 = parity_doubles(p, c->log_std, width);
    c->value64 = parity_doubles(p, c->value, n);
    policy_actions(p, c);
}

static void policy_check(parity *p, policy_case *c) {
    size_t n = (size_t)c->n, width = (size_t)c->head.width;
    double sums[RLT_SUM_COUNT], limit = 2e-5 * fmax(1, (double)width / 6); /* a sum of entries */
    policy_fill(p, c);
    parity_results got = parity_call(p, policy_run, c);
    parity_against_twin(p, policy_run, c, &got, limit);
    policy_sums(c, 0, c->n, sums);
    for (int term = 0; term < RLT_SUM_COUNT; term++) {
        check_sum(p, "a sum", got.state.current[term], sums[term], limit);
    }
    slope d_head = {"d_head", c->head64, n * width, c->n, c->head.width, NULL};
    slope d_log_std = {"d_log_std", c->log_std64, width, c->n, 0, c->d_log_std};
    slope d_value = {"d_value", c->value64, n, c->n, 1, NULL};
    check_slope(p, &got, policy_mean, c, d_head, limit);
    if (continuous(&c->head)) {
        check_slope(p, &got, policy_mean, c, d_log_std, limit);
    }
    if (c->kind == PPO || c->kind == PG) {
        check_slope(p, &got, policy_mean, c, d_value, limit);
    }
}

static void policy_rows(parity *p) {
    static const char *const names[] = {"ppo_loss", "pg_loss", "bc_loss", "distill_loss"};
    static const int counts[] = {3, 1, 5, 2, 4, 7};
    static const rlt_head heads[] = {
        {RLT_HEAD_CATEGORICAL, 2, 1, NULL}, {RLT_HEAD_CATEGORICAL, 45, 1, NULL},
        {RLT_HEAD_MULTI, 22, 6, counts},    {RLT_HEAD_GAUSSIAN, 3, 0, NULL},
        {RLT_HEAD_SQUASHED, 6, 0, NULL},    {RLT_HEAD_GAUSSIAN, 33, 0, NULL}};
    static const int sizes[] = {1, 131, 300};
    for (size_t i = 0; i < 4 * RLT_COUNT(heads) * RLT_COUNT(sizes); i++) {
        policy_case c = {.kind = (policy_loss)(i % 4),
                         .head = heads[i / 4 % RLT_COUNT(heads)],
                         .n = sizes[i / 4 / RLT_COUNT(heads)],
                         .temperature = 1.7f};
        if (c.kind != DISTILL) {
            c.coef = (rlt_ppo_coef){0.2f, i % 3 == 0 ? 0 : 0.3f, 0.5f, 0.01f};
        }
        c.coef.vf_coef = c.kind == BC ? 0 : c.coef.vf_coef;
        parity_begin(p, names[c.kind]);
        bool masked = i % 5 < 2 && !continuous(&c.head);
        c.mask = masked ? parity_mask(p, &c.head, c.n) : NULL;
        policy_check(p, &c);
    }
}

/* ---- action values ---- */

typedef enum { Q, C51, QUANTILE } value_loss;
typedef struct value_case {
    value_loss kind;
    int n, actions, atoms;
    bool select, weighted;
    float delta; /* huber, kappa */
    float *q, *next_q, *next_select, *reward, *discount, *weight;
    int32_t *action;
    double *q64;
} value_case;
static const float v_min = -3, v_max = 2;

static double atom_of(const value_case *c, int i) {
    return (double)v_min + (double)(v_max - v_min) / (c->atoms - 1) * i;
}

/* The next action: of the largest value, or mean of atoms. */
static int value_best(const value_case *c, int row) {
    const float *from = c->select ? c->next_select : c->next_q;
    double most = -INFINITY, p[ATOMS_MAX] = {0};
    int best = 0;
    for (int a = 0; a < c->actions; a++) {
        const float *atoms =
            from + ((size_t)row * (size_t)c->actions + (size_t)a) * (size_t)c->atoms;
        double mean = 0;
        if (c->kind == C51) {
            log_softmax(NULL, atoms, NULL, c->atoms, 1, p);
        }
        for (int i = 0; i < c->atoms; i++) {
            mean += c->kind == C51 ? exp(p[i]) * atom_of(c, i) : (double)atoms[i];
        }
        best = mean > most ? a : best;
        most = fmax(most, mean);
    }
    return best;
}

static double huber(double u, double delta) {
    return delta > 0 && fabs(u) > delta ? delta * (fabs(u) - 0.5 * delta) : 0.5 * u * u;
}

static double c51_row(const value_case *c, int row, const double *q, const float *next) {
    double p[ATOMS_MAX] = {0}, m[ATOMS_MAX + 1] = {0}, loss = 0;
    log_softmax(NULL, next, NULL, c->atoms, 1, p);
    for (int i = 0; i < c->atoms; i++) {
        double z = (double)c->reward[row] + (double)c->discount[row] * atom_of(c, i);
        double place = (z - (double)v_min) / (double)(v_max - v_min) * (c->atoms - 1);
        place = fmin(c->atoms - 1, fmax(0, place));
        m[(int)place] += exp(p[i]) * (1 - (place - (int)place));
        m[(int)place + 1] += exp(p[i]) * (place - (int)place);
    }
    log_softmax(q, NULL, NULL, c->atoms, 1, p);
    for (int i = 0; i < c->atoms; i++) {
        loss -= m[i] * p[i];
    }
    return loss;
}

static double quantile_row(const value_case *c, int row, const double *q, const float *next) {
    double loss = 0;
    for (int i = 0; i < c->atoms; i++) {
        for (int j = 0; j < c->atoms; j++) {
            double u = (double)c->reward[row] + (double)c->discount[row] * (double)next[j] - q[i];
            double side = fabs((i + 0.5) / c->atoms - (u < 0));
            double size = c->delta > 0 ? huber(u, (double)c->delta) / (double)c->delta : fabs(u);
            loss += side * size / c->atoms;
        }
    }
    return loss;
}

static double value_row(const value_case *c, int row) {
    size_t first = (size_t)row * (size_t)c->actions, atoms = (size_t)c->atoms;
    const double *q = c->q64 + (first + (size_t)c->action[row]) * atoms;
    const float *next = c->next_q + (first + (size_t)value_best(c, row)) * atoms;
    double weight = c->weighted ? (double)c->weight[row] : 1;
    if (c->kind == Q) {
        double target = (double)c->reward[row] + (double)c->discount[row] * (double)next[0];
        return weight * huber(q[0] - target, (double)c->delta);
    }
    return weight * (c->kind == C51 ? c51_row : quantile_row)(c, row, q, next);
}

static double value_mean(const void *data, int first, int end) {
    const value_case *c = data;
    double sum = 0;
    for (int row = first; row < end; row++) {
        sum += value_row(c, row);
    }
    return sum / c->n;
}

static void value_run(parity *p, rlt_device *device, const void *data, parity_results *out) {
    const value_case *c = data;
    const rlt_backend *b = device->backend;
    size_t n = (size_t)c->n, f = sizeof(float);
    size_t cells = n * (size_t)c->actions * (size_t)c->atoms;
    rlt_update_state update = {0};
    rlt_quantile_loss_args a = {
        .update = parity_state_out(p, device, out, &update),
        .n = c->n,
        .actions = c->actions,
        .atoms = c->atoms,
        .q = parity_up(p, device, c->q, f * cells),
        .next_q = parity_up(p, device, c->next_q, f * cells),
        .next_select = c->select ? parity_up(p, device, c->next_select, f * cells) : NULL,
        .action = parity_up(p, device, c->action, 4 * n),
        .reward = parity_up(p, device, c->reward, f * n),
        .discount = parity_up(p, device, c->discount, f * n),
        .weight = c->weighted ? parity_up(p, device, c->weight, f * n) : NULL,
        .kappa = c->delta,
        .d_q = parity_out(p, device, out, "d_q", cells),
        .td_error = parity_out(p, device, out, "td_error", n),
        .partial = parity_up(p, device, NULL, sizeof(double) * rlt_fn_partials(c->n)),
    };
    parity_start(p, device, out);
    if (c->kind == Q) {
        rlt_q_loss_args q = {a.update,      a.n,      a.actions,  a.q,        a.next_q,
                             a.next_select, a.action, a.reward,   a.discount, a.weight,
                             c->delta,      a.d_q,    a.td_error, a.partial};
        b->q_loss(device, &q);
    } else if (c->kind == C51) {
        rlt_c51_loss_args q = {a.update,      a.n,      a.actions,  a.atoms,    a.q,      a.next_q,
                               a.next_select, a.action, a.reward,   a.discount, a.weight, v_min,
                               v_max,         a.d_q,    a.td_error, a.partial};
        b->c51_loss(device, &q);
    } else {
        b->quantile_loss(device, &a);
    }
}

static void value_check(parity *p, value_case *c) {
    size_t n = (size_t)c->n, cells = n * (size_t)c->actions * (size_t)c->atoms;
    double limit = 2e-5;
    c->q = parity_normal(p, cells, 1);
    c->next_q = parity_normal(p, cells, 1);
    c->next_select = parity_normal(p, cells, 1);
    c->reward = parity_normal(p, n, 1);
    c->discount = parity_normal(p, n, 0.5f);
    c->weight = parity_normal(p, n, 1);
    c->action = parity_host(p, 4 * n);
    for (size_t i = 0; i < n; i++) {
        c->action[i] = parity_size(p, 0, c->actions - 1);
        c->discount[i] = i % 5 == 0 ? 0 : c->discount[i];
    }
    c->q64 = parity_doubles(p, c->q, cells);
    parity_results got = parity_call(p, value_run, c);
    parity_against_twin(p, value_run, c, &got, limit);
    check_sum(p, "the sum", got.state.current[RLT_SUM_VALUE], value_mean(c, 0, c->n) * c->n, limit);
    slope d_q = {"d_q", c->q64, cells, c->n, c->actions * c->atoms, NULL};
    check_slope(p, &got, value_mean, c, d_q, limit);
}

static void value_rows(parity *p) {
    static const char *const names[] = {"q_loss", "c51_loss", "quantile_loss"};
    static const int sizes[][3] = {{1, 1, 2}, {37, 6, 51}, {260, 3, 33}, {129, 18, 7}};
    for (size_t i = 0; i < 6 * RLT_COUNT(sizes); i++) {
        value_case c = {.kind = (value_loss)(i % 3),
                        .n = sizes[i / 6][0],
                        .actions = sizes[i / 6][1],
                        .atoms = i % 3 == Q ? 1 : sizes[i / 6][2],
                        .select = i % 2 == 1,
                        .weighted = i % 4 < 2,
                        .delta = i % 6 < 3 ? 1 : 0};
        parity_begin(p, names[c.kind]);
        value_check(p, &c);
    }
}

/* ---- dueling ---- */

typedef struct dueling_case {
    int n, actions, atoms;
    bool back;
    float *value, *advantage;
} dueling_case;

static void dueling_run(parity *p, rlt_device *device, const void *data, parity_results *out) {
    const dueling_case *c = data;
    size_t n = (size_t)c->n * (size_t)c->atoms, cells = n * (size_t)c->actions, f = sizeof(float);
    rlt_dueling_args a = {.n = c->n, .actions = c->actions, .atoms = c->atoms};
    if (c->back) {
        a.d_q = parity_up(p, device, c->advantage, f * cells);
        a.d_value = parity_out(p, device, out, "d_value", n);
        a.d_advantage = parity_out(p, device, out, "d_advantage", cells);
    } else {
        a.value = parity_up(p, device, c->value, f * n);
        a.advantage = parity_up(p, device, c->advantage, f * cells);
        a.q = parity_out(p, device, out, "q", cells);
    }
    parity_start(p, device, out);
    device->backend->dueling(device, &a);
}

static void dueling_rows(parity *p) {
    static const int sizes[][3] = {{1, 1, 1}, {33, 6, 1}, {40, 5, 51}};
    for (size_t i = 0; i < 2 * RLT_COUNT(sizes); i++) {
        dueling_case c = {sizes[i / 2][0], sizes[i / 2][1], sizes[i / 2][2], i % 2 == 1, 0, 0};
        size_t n = (size_t)c.n * (size_t)c.atoms, cells = n * (size_t)c.actions;
        parity_begin(p, "dueling");
        c.value = parity_normal(p, n, 1);
        c.advantage = parity_normal(p, cells, 1);
        parity_results got = parity_call(p, dueling_run, &c);
        parity_against_twin(p, dueling_run, &c, &got, 2e-6);
    }
}

/* ---- SAC ---- */

typedef struct sac_case {
    int n, width, part; /* 0: critics, 1: actor, 2: temperature, 3: all */
    float *rows[9], *head, *action, *eps, *dq_da;
} sac_case;

static void sac_run(parity *p, rlt_device *device, const void *data, parity_results *out) {
    const sac_case *c = data;
    size_t n = (size_t)c->n, cells = n * (size_t)c->width, f = sizeof(float);
    rlt_update_state update = {0};
    float log_alpha = -0.7f;
    float *rows[9];
    for (int i = 0; i < 9; i++) {
        rows[i] = parity_up(p, device, c->rows[i], f * n);
    }
    rlt_sac_loss_args a = {
        .update = parity_state_out(p, device, out, &update),
        .n = c->n,
        .width = c->width,
        .q1 = rows[0],
        .q2 = rows[1],
        .next_q1 = rows[2],
        .next_q2 = rows[3],
        .next_log_prob = rows[4],
        .reward = rows[5],
        .discount = rows[6],
        .log_prob = rows[7],
        .head = parity_up(p, device, c->head, 2 * f * cells),
        .action = parity_up(p, device, c->action, f * cells),
        .eps = parity_up(p, device, c->eps, f * cells),
        .dq_da = parity_up(p, device, c->dq_da, f * cells),
        .log_std_min = -1,
        .log_std_max = 1,
        .log_alpha = parity_up(p, device, &log_alpha, f),
        .target_entropy = -2.5f,
        .partial = parity_up(p, device, NULL, sizeof(double) * rlt_fn_partials(c->n)),
    };
    if (c->part == 0 || c->part == 3) {
        a.d_q1 = parity_out(p, device, out, "d_q1", n);
        a.d_q2 = parity_out(p, device, out, "d_q2", n);
    }
    if (c->part == 1 || c->part == 3) {
        a.d_head = parity_out(p, device, out, "d_head", 2 * cells);
    }
    if (c->part >= 2) {
        a.d_log_alpha = parity_out(p, device, out, "d_log_alpha", 1);
    }
    parity_start(p, device, out);
    device->backend->sac_loss(device, &a);
}

static void sac_rows(parity *p) {
    static const int sizes[][2] = {{1, 1}, {256, 6}, {300, 17}};
    for (size_t i = 0; i < 4 * RLT_COUNT(sizes); i++) {
        sac_case c = {.n = sizes[i / 4][0], .width = sizes[i / 4][1], .part = (int)(i % 4)};
        size_t n = (size_t)c.n, cells = n * (size_t)c.width;
        parity_begin(p, "sac_loss");
        for (int k = 0; k < 9; k++) {
            c.rows[k] = parity_normal(p, n, 1);
        }
        c.head = parity_normal(p, 2 * cells, 1);
        c.eps = parity_normal(p, cells, 1);
        c.dq_da = parity_normal(p, cells, 1);
        c.action = parity_normal(p, cells, 1);
        for (size_t k = 0; k < cells; k++) {
            c.action[k] = tanhf(c.action[k]);
        }
        parity_results got = parity_call(p, sac_run, &c);
        parity_against_twin(p, sac_run, &c, &got, 1e-5);
    }
}

void parity_losses(parity *p) {
    if (p->device->precision != RLT_PRECISION_FP32) {
        return; /* no products in them */
    }
    policy_rows(p);
    value_rows(p);
    dueling_rows(p);
    sac_rows(p);
}
