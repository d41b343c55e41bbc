/* cpu, loss_value: losses of action values: Q-learning, C51, quantile regression; dueling. A row of
 * a loss is one action's values; the other actions have no gradient. Thread: any; no state. */
#include "nn/cpu/cpu.h"
#include "nn/cpu/values.h"

#include <math.h>
#include <string.h>

/* ---- values ---- */

/* Huber 1964: quadratic up to delta, then linear; delta 0: the quadratic part alone. */
static float huber(float error, float delta, float *slope) {
    float size = fabsf(error);
    bool linear = delta > 0 && size > delta;
    *slope = linear ? copysignf(delta, error) : error;
    return linear ? delta * (size - 0.5f * delta) : 0.5f * error * error;
}

void rlt_cpu_q_loss(rlt_device *device, const rlt_q_loss_args *a) {
    (void)device;
    double loss_sum = 0;
    for (int r = 0; r < a->n; r++) {
        size_t at = (size_t)r * (size_t)a->actions;
        const float *select = a->next_select == NULL ? a->next_q : a->next_select;
        int best = rlt_cpu_largest(select + at, a->actions), action = a->action[r];
        RLT_ASSERT(action >= 0 && action < a->actions);
        float target = a->reward[r] + a->discount[r] * a->next_q[at + (size_t)best];
        float error = a->q[at + (size_t)action] - target, slope;
        float loss = huber(error, a->huber, &slope), weight = rlt_cpu_weight(a->weight, r);
        loss_sum += (double)(weight * loss);
        memset(a->d_q + at, 0, sizeof(float) * (size_t)a->actions);
        a->d_q[at + (size_t)action] = weight * slope / (float)a->n;
        if (a->td_error != NULL) {
            a->td_error[r] = error;
        }
    }
    rlt_cpu_value_sum(a->update, loss_sum);
}

static void dueling_forward(const rlt_dueling_args *a, size_t row, size_t atom) {
    size_t atoms = (size_t)a->atoms, first = row * (size_t)a->actions * atoms + atom;
    float sum = 0;
    for (size_t i = 0; i < (size_t)a->actions; i++) {
        sum += a->advantage[first + i * atoms];
    }
    float shift = a->value[row * atoms + atom] - sum / (float)a->actions;
    for (size_t i = 0; i < (size_t)a->actions; i++) {
        a->q[first + i * atoms] = a->advantage[first + i * atoms] + shift;
    }
}

static void dueling_backward(const rlt_dueling_args *a, size_t row, size_t atom) {
    size_t atoms = (size_t)a->atoms, first = row * (size_t)a->actions * atoms + atom;
    float sum = 0;
    for (size_t i = 0; i < (size_t)a->actions; i++) {
        sum += a->d_q[first + i * atoms];
    }
    a->d_value[row * atoms + atom] = sum;
    for (size_t i = 0; i < (size_t)a->actions; i++) {
        a->d_advantage[first + i * atoms] = a->d_q[first + i * atoms] - sum / (float)a->actions;
    }
}

void rlt_cpu_dueling(rlt_device *device, const rlt_dueling_args *a) {
    (void)device;
    for (size_t row = 0; row < (size_t)a->n; row++) {
        for (size_t atom = 0; atom < (size_t)a->atoms; atom++) {
            (a->d_q == NULL ? dueling_forward : dueling_backward)(a, row, atom);
        }
    }
}

/* ---- C51 ---- */

static float log_sum_exp(const float *x, int n) {
    float max = x[0];
    for (int i = 1; i < n; i++) {
        max = x[i] > max ? x[i] : max;
    }
    float sum = expf(x[0] - max);
    for (int i = 1; i < n; i++) {
        sum += expf(x[i] - max);
    }
    return max + logf(sum);
}

static float c51_atom(const rlt_c51_loss_args *a, int i) {
    return a->v_min + (a->v_max - a->v_min) / (float)(a->atoms - 1) * (float)i;
}

/* The action of the largest mean return; logits[actions][atoms]. */
static int c51_best(const rlt_c51_loss_args *a, const float *logits) {
    int best = 0;
    float most = 0;
    for (int action = 0; action < a->actions; action++, logits += a->atoms) {
        float log_sum = log_sum_exp(logits, a->atoms), mean = 0;
        for (int i = 0; i < a->atoms; i++) {
            mean += expf(logits[i] - log_sum) * c51_atom(a, i);
        }
        if (action == 0 || mean > most) {
            best = action;
            most = mean;
        }
    }
    return best;
}

/* m[atoms]: the distribution of reward + discount z, clipped to the support and shared between the
 * two nearest atoms (Bellemare et al. 2017, algorithm 1; a place that is an atom keeps all). */
static void c51_project(const rlt_c51_loss_args *a, int row, const float *logits, float *m) {
    float log_sum = log_sum_exp(logits, a->atoms);
    float gap = (a->v_max - a->v_min) / (float)(a->atoms - 1), top = (float)(a->atoms - 1);
    memset(m, 0, sizeof(float) * (size_t)a->atoms);
    for (int i = 0; i < a->atoms; i++) {
        float p = expf(logits[i] - log_sum);
        float place = (a->reward[row] + a->discount[row] * c51_atom(a, i) - a->v_min) / gap;
        place = place < 0 ? 0 : place > top ? top : place;
        float low = floorf(place);
        if (!isfinite(place)) {
            m[0] += place; /* reaches the loss */
            continue;
        }
        m[(int)low] += p * (1 - (place - low));
        if (place > low) {
            m[(int)low + 1] += p * (place - low);
        }
    }
}

/* -sum m log p, and its gradient p - m in place of m. */
static float c51_cross_entropy(const float *logits, int atoms, float scale, float *m) {
    float log_sum = log_sum_exp(logits, atoms), loss = 0;
    for (int i = 0; i < atoms; i++) {
        float log_p = logits[i] - log_sum;
        loss -= m[i] * log_p;
        m[i] = scale * (expf(log_p) - m[i]);
    }
    return loss;
}

void rlt_cpu_c51_loss(rlt_device *device, const rlt_c51_loss_args *a) {
    (void)device;
    RLT_ASSERT(a->atoms > 1 && a->v_max > a->v_min);
    size_t atoms = (size_t)a->atoms, width = (size_t)a->actions * atoms;
    double loss_sum = 0;
    for (int r = 0; r < a->n; r++) {
        size_t row = (size_t)r * width;
        const float *select = a->next_select == NULL ? a->next_logits : a->next_select;
        RLT_ASSERT(a->action[r] >= 0 && a->action[r] < a->actions);
        size_t best = (size_t)c51_best(a, select + row), at = row + (size_t)a->action[r] * atoms;
        float weight = rlt_cpu_weight(a->weight, r);
        memset(a->d_logits + row, 0, sizeof(float) * width);
        c51_project(a, r, a->next_logits + row + best * atoms, a->d_logits + at);
        float loss =
            c51_cross_entropy(a->logits + at, a->atoms, weight / (float)a->n, a->d_logits + at);
        loss_sum += (double)(weight * loss);
        if (a->td_error != NULL) {
            a->td_error[r] = loss;
        }
    }
    rlt_cpu_value_sum(a->update, loss_sum);
}

/* ---- quantile regression ---- */

static int quantile_best(const float *q, int actions, int atoms) {
    int best = 0;
    float most = 0;
    for (int action = 0; action < actions; action++) {
        float sum = 0;
        for (int i = 0; i < atoms; i++) {
            sum += *q++;
        }
        if (action == 0 || sum > most) {
            best = action;
            most = sum;
        }
    }
    return best;
}

/* |tau - 1(u < 0)| huber_kappa(u) / kappa of u = target - q; *slope by q (Dabney et al. 2018,
 * equation 10, over kappa as in Dabney et al. 2018b, so that kappa 0 is its limit). */
static float quantile_huber(float u, float tau, float kappa, float *slope) {
    float side = u < 0 ? 1 - tau : tau, size = fabsf(u);
    if (size <= kappa && kappa > 0) {
        *slope = -side * u / kappa;
        return side * 0.5f * u * u / kappa;
    }
    *slope = u < 0 ? side : u > 0 ? -side : u * 0;
    return side * (size - 0.5f * kappa);
}

/* Loss of one row's quantiles; d_q[atoms] written. */
static float quantile_row(const rlt_quantile_loss_args *a, int r, const float *next, const float *q,
                          float scale, float *d_q) {
    float loss = 0, each = 1.0f / (float)a->atoms;
    for (int i = 0; i < a->atoms; i++) {
        float tau = ((float)i + 0.5f) * each, d = 0, sum = 0, slope;
        for (int j = 0; j < a->atoms; j++) {
            float target = a->reward[r] + a->discount[r] * next[j];
            sum += quantile_huber(target - q[i], tau, a->kappa, &slope);
            d += slope;
        }
        loss += sum * each;
        d_q[i] = scale * d * each;
    }
    return loss;
}

void rlt_cpu_quantile_loss(rlt_device *device, const rlt_quantile_loss_args *a) {
    (void)device;
    size_t atoms = (size_t)a->atoms, width = (size_t)a->actions * atoms;
    double loss_sum = 0;
    for (int r = 0; r < a->n; r++) {
        size_t row = (size_t)r * width;
        const float *select = a->next_select == NULL ? a->next_q : a->next_select;
        RLT_ASSERT(a->action[r] >= 0 && a->action[r] < a->actions);
        size_t best = (size_t)quantile_best(select + row, a->actions, a->atoms);
        size_t at = row + (size_t)a->action[r] * atoms;
        float weight = rlt_cpu_weight(a->weight, r);
        memset(a->d_q + row, 0, sizeof(float) * width);
        float loss = quantile_row(a, r, a->next_q + row + best * atoms, a->q + at,
                                  weight / (float)a->n, a->d_q + at);
        loss_sum += (double)(weight * loss);
        if (a->td_error != NULL) {
            a->td_error[r] = loss;
        }
    }
    rlt_cpu_value_sum(a->update, loss_sum);
}
