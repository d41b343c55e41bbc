/* The kernels of sequences and norms as plain loops: the definition that the vector forms are
 * tested against, and what runs on processors without AVX2. Thread: any; no state. */
#include "nn/kernels.h"

#include <math.h>
#include <string.h>

static void norm_plain(const rlt_norm_rows *r) {
    int width = r->width;
    for (int n = 0; n < r->n; n++) {
        const float *x = r->x + (ptrdiff_t)n * width;
        float mean = 0, squares = 0;
        for (int i = 0; r->bias != NULL && i < width; i++) {
            mean += x[i] / (float)width;
        }
        for (int i = 0; i < width; i++) {
            squares += (x[i] - mean) * (x[i] - mean);
        }
        float rate = 1 / sqrtf(squares / (float)width + r->eps);
        for (int i = 0; i < width; i++) {
            float bias = r->bias == NULL ? 0 : r->bias[i];
            r->y[(ptrdiff_t)n * width + i] = (x[i] - mean) * rate * r->gain[i] + bias;
        }
        if (r->stats != NULL && r->bias != NULL) {
            r->stats[2 * n] = mean;
            r->stats[2 * n + 1] = rate;
        } else if (r->stats != NULL) {
            r->stats[n] = rate;
        }
    }
}

static void norm_grad_plain(const rlt_norm_rows *r) {
    int width = r->width;
    bool centred = r->d_bias != NULL;
    for (int n = 0; n < r->n; n++) {
        ptrdiff_t at = (ptrdiff_t)n * width;
        float mean = centred ? r->stats[2 * n] : 0, mean_g = 0, mean_gu = 0;
        float rate = centred ? r->stats[2 * n + 1] : r->stats[n];
        for (int i = 0; i < width; i++) {
            float unit = (r->x[at + i] - mean) * rate, d = r->dy[at + i], g = d * r->gain[i];
            r->d_gain[i] += d * unit;
            if (centred) {
                r->d_bias[i] += d;
                mean_g += g / (float)width;
            }
            mean_gu += g * unit / (float)width;
        }
        for (int i = 0; r->dx != NULL && i < width; i++) {
            float unit = (r->x[at + i] - mean) * rate, g = r->dy[at + i] * r->gain[i];
            float d = (g - mean_g - unit * mean_gu) * rate;
            r->dx[at + i] = r->dx_add ? r->dx[at + i] + d : d;
        }
    }
}

static float sigmoid(float x) {
    return 1 / (1 + expf(-x));
}
static float slope_sigmoid(float s) {
    return s * (1 - s);
}
static float slope_tanh(float t) {
    return 1 - t * t;
}

/* Entry i of the state before row n's step. */
static float before(const float *state, ptrdiff_t stride, const uint8_t *reset, int n, int i) {
    return state == NULL || (reset != NULL && reset[n] != 0) ? 0 : state[n * stride + i];
}

static void lstm_plain(const rlt_lstm_rows *r) {
    int u = r->units;
    for (int n = 0; n < r->n; n++) {
        float *gates = r->gates + (ptrdiff_t)n * 4 * u;
        for (int i = 0; i < u; i++, gates++) {
            gates[0] = sigmoid(gates[0]);
            gates[u] = sigmoid(gates[u]);
            gates[2 * u] = tanhf(gates[2 * u]);
            gates[3 * u] = sigmoid(gates[3 * u]);
            float c = gates[u] * before(r->c_prev, r->c_prev_stride, r->reset, n, i) +
                      gates[0] * gates[2 * u];
            r->c[(ptrdiff_t)n * u + i] = c;
            r->h[(ptrdiff_t)n * u + i] = gates[3 * u] * tanhf(c);
        }
    }
}

static void lstm_grad_plain(const rlt_lstm_rows *r) {
    int u = r->units;
    for (int n = 0; n < r->n; n++) {
        ptrdiff_t at = (ptrdiff_t)n * u;
        const float *gates = r->gates + 4 * at;
        float *d_gates = r->d_gates + 4 * at;
        bool fresh = r->reset != NULL && r->reset[n] != 0;
        for (int i = 0; i < u; i++, at++, gates++, d_gates++) {
            float dh = r->dy[at] + r->d_h[at], bent = tanhf(r->c[at]);
            float dc = dh * gates[3 * u] * slope_tanh(bent) + r->d_c[at];
            float c_prev = before(r->c_prev, r->c_prev_stride, r->reset, n, i);
            d_gates[0] = dc * gates[2 * u] * slope_sigmoid(gates[0]);
            d_gates[u] = dc * c_prev * slope_sigmoid(gates[u]);
            d_gates[2 * u] = dc * gates[0] * slope_tanh(gates[2 * u]);
            d_gates[3 * u] = dh * bent * slope_sigmoid(gates[3 * u]);
            r->d_c[at] = fresh ? 0 : dc * gates[u];
        }
    }
}

static void gru_plain(const rlt_gru_rows *r) {
    int u = r->units;
    for (int n = 0; n < r->n; n++) {
        float *gates = r->gates + (ptrdiff_t)n * 4 * u;
        for (int i = 0; i < u; i++, gates++) {
            gates[0] = sigmoid(gates[0]);
            gates[u] = sigmoid(gates[u]);
            gates[2 * u] = tanhf(gates[2 * u] + gates[0] * gates[3 * u]);
            float h_prev = before(r->h_prev, r->h_prev_stride, r->reset, n, i);
            r->h[(ptrdiff_t)n * u + i] = gates[2 * u] + gates[u] * (h_prev - gates[2 * u]);
        }
    }
}

static void gru_grad_plain(const rlt_gru_rows *r) {
    int u = r->units;
    for (int n = 0; n < r->n; n++) {
        ptrdiff_t at = (ptrdiff_t)n * u;
        const float *gates = r->gates + 4 * at;
        float *d_gates = r->d_gates + 4 * at;
        bool fresh = r->reset != NULL && r->reset[n] != 0;
        for (int i = 0; i < u; i++, at++, gates++, d_gates++) {
            float dh = r->dy[at] + r->d_h[at], keep = gates[u], new = gates[2 * u];
            float h_prev = before(r->h_prev, r->h_prev_stride, r->reset, n, i);
            float d_new = dh * (1 - keep) * slope_tanh(new);
            d_gates[0] = d_new * gates[3 * u] * slope_sigmoid(gates[0]);
            d_gates[u] = dh * (h_prev - new) * slope_sigmoid(keep);
            d_gates[2 * u] = d_new;
            d_gates[3 * u] = d_new * gates[0];
            r->d_h[at] = fresh ? 0 : dh * keep;
        }
    }
}

static void gate_reset_plain(const rlt_gate_rows *g) {
    for (int i = 0; i < g->count; i++) {
        g->r[i] = sigmoid(g->r[i]);
        g->rx[i] = g->r[i] * g->x[i];
    }
}

static void gate_plain(const rlt_gate_rows *g) {
    for (int i = 0; i < g->count; i++) {
        g->z[i] = sigmoid(g->z[i]);
        g->h[i] = tanhf(g->h[i]);
        g->y[i] = g->x[i] + g->z[i] * (g->h[i] - g->x[i]);
    }
}

static void gate_grad_plain(const rlt_gate_rows *g) {
    for (int i = 0; i < g->count; i++) {
        float dy = g->dy[i], z = g->z[i], h = g->h[i];
        g->d_z[i] = dy * (h - g->x[i]) * slope_sigmoid(z);
        g->d_h[i] = dy * z * slope_tanh(h);
        g->dx[i] = dy * (1 - z);
    }
}

static void gate_reset_grad_plain(const rlt_gate_rows *g) {
    for (int i = 0; i < g->count; i++) {
        g->rx[i] = g->r[i] * g->x[i];
        g->d_r[i] = g->d_rx[i] * g->x[i] * slope_sigmoid(g->r[i]);
        g->dx[i] += g->d_rx[i] * g->r[i];
    }
}

static void clear_unseen(const rlt_softmax_row *r, float *row) {
    int end = r->before + r->count;
    memset(row, 0, sizeof(float) * (size_t)r->before);
    memset(row + end, 0, sizeof(float) * (size_t)(r->total - end));
}

static float softmax_plain(const rlt_softmax_row *r) {
    float *score = r->score + r->before, max = -3.4e38f, sum = 0;
    RLT_ASSERT(r->count > 0); /* a query sees itself */
    for (int i = 0; i < r->count; i++) {
        score[i] = score[i] * r->scale + r->bias[i];
        max = max < score[i] ? score[i] : max;
    }
    for (int i = 0; i < r->count; i++) {
        sum += score[i] = expf(score[i] - max);
    }
    for (int i = 0; i < r->count; i++) {
        score[i] /= sum;
    }
    clear_unseen(r, r->score);
    return max + logf(sum);
}

static void softmax_grad_plain(const rlt_softmax_row *r) {
    float *score = r->score + r->before, *d_p = r->d_p + r->before, mean = 0;
    for (int i = 0; i < r->count; i++) {
        score[i] = expf(score[i] * r->scale + r->bias[i] - r->log_sum);
        mean += score[i] * d_p[i];
    }
    for (int i = 0; i < r->count; i++) {
        float d = score[i] * (d_p[i] - mean);
        r->d_bias[i] += d;
        d_p[i] = d * r->scale;
    }
    clear_unseen(r, r->score);
    clear_unseen(r, r->d_p);
}

const rlt_nn_seq_kernels rlt_nn_seq_kernels_plain = {
    .norm = norm_plain,
    .norm_grad = norm_grad_plain,
    .lstm = lstm_plain,
    .lstm_grad = lstm_grad_plain,
    .gru = gru_plain,
    .gru_grad = gru_grad_plain,
    .gate_reset = gate_reset_plain,
    .gate = gate_plain,
    .gate_grad = gate_grad_plain,
    .gate_reset_grad = gate_reset_grad_plain,
    .softmax = softmax_plain,
    .softmax_grad = softmax_grad_plain,
};
