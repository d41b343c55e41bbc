/* The gate of GTrXL, and the softmax of attention, over lanes; a template, see vec_avx512.h. */
#ifndef RLT_ATTENTION_VEC_H
#define RLT_ATTENTION_VEC_H
#include "nn/seq_vec.h"

static void gate_reset_vec(const rlt_gate_rows *g) {
    for (int i = 0; i < g->count; i += LANES) {
        M m = m_first(g->count - i);
        V open = v_sigmoid(v_load_m(m, g->r + i));
        v_store_m(m, g->r + i, open);
        v_store_m(m, g->rx + i, open * v_load_m(m, g->x + i));
    }
}

static void gate_vec(const rlt_gate_rows *g) {
    for (int i = 0; i < g->count; i += LANES) {
        M m = m_first(g->count - i);
        V update = v_sigmoid(v_load_m(m, g->z + i)), new = v_tanh(v_load_m(m, g->h + i));
        V x = v_load_m(m, g->x + i);
        v_store_m(m, g->z + i, update);
        v_store_m(m, g->h + i, new);
        v_store_m(m, g->y + i, v_fma(update, new - x, x));
    }
}

static void gate_grad_vec(const rlt_gate_rows *g) {
    for (int i = 0; i < g->count; i += LANES) {
        M m = m_first(g->count - i);
        V update = v_load_m(m, g->z + i), new = v_load_m(m, g->h + i), x = v_load_m(m, g->x + i);
        V dy = v_load_m(m, g->dy + i);
        v_store_m(m, g->d_z + i, dy * (new - x) * slope_sigmoid(update));
        v_store_m(m, g->d_h + i, dy * update * slope_tanh(new));
        v_store_m(m, g->dx + i, v_fnma(dy, update, dy));
    }
}

static void gate_reset_grad_vec(const rlt_gate_rows *g) {
    for (int i = 0; i < g->count; i += LANES) {
        M m = m_first(g->count - i);
        V open = v_load_m(m, g->r + i), d_rx = v_load_m(m, g->d_rx + i);
        V x = v_load_m(m, g->x + i);
        v_store_m(m, g->rx + i, open * x);
        v_store_m(m, g->d_r + i, d_rx * x * slope_sigmoid(open));
        v_store_m(m, g->dx + i, v_fma(d_rx, open, v_load_m(m, g->dx + i)));
    }
}

/* The lanes of a query's scores run from the newest key that it sees, so that the order of the sums
 * does not depend on what lies around them. */
static float softmax_max(const rlt_softmax_row *r, const float *score) {
    float lanes[LANES], most;
    V scale = v_set(r->scale), max = v_set(-3.4e38f);
    for (int i = 0; i < r->count; i += LANES) {
        M m = m_first(r->count - i);
        V s = v_fma(v_load_m(m, score + i), scale, v_load_m(m, r->bias + i));
        max = v_select(m, v_max(max, s), max);
    }
    v_store(lanes, max);
    most = lanes[0];
    for (int i = 1; i < LANES; i++) {
        most = most < lanes[i] ? lanes[i] : most;
    }
    return most;
}

static float softmax_vec(const rlt_softmax_row *r) {
    float *score = r->score + r->before, most = softmax_max(r, score);
    V scale = v_set(r->scale), max = v_set(most), sum[SUMS] = {0};
    for (int i = 0; i < r->count; i += 16) {
        for (int p = 0; p < SUMS; p++) {
            int at = i + p * LANES;
            M m = m_left(r->count - at);
            V s = v_fma(v_load_m(m, score + at), scale, v_load_m(m, r->bias + at));
            V e = v_select(m, v_exp(s - max), v_set(0.0f));
            v_store_m(m, score + at, e);
            sum[p] = sum[p] + e;
        }
    }
    float total = fold16(sum), log_total[LANES];
    V each = v_set(1.0f / total);
    for (int i = 0; i < r->count; i += LANES) {
        M m = m_first(r->count - i);
        v_store_m(m, score + i, v_load_m(m, score + i) * each);
    }
    memset(r->score, 0, sizeof(float) * (size_t)r->before);
    memset(score + r->count, 0, sizeof(float) * (size_t)(r->total - r->before - r->count));
    v_store(log_total, v_log(v_set(total)));
    return most + log_total[0];
}

/* d score = p (d_p - sum(p d_p)) */
static void softmax_grad_vec(const rlt_softmax_row *r) {
    float *score = r->score + r->before, *d_p = r->d_p + r->before;
    V scale = v_set(r->scale), log_sum = v_set(r->log_sum), sum[SUMS] = {0};
    for (int i = 0; i < r->count; i += 16) {
        for (int k = 0; k < SUMS; k++) {
            int at = i + k * LANES;
            M m = m_left(r->count - at);
            V s = v_fma(v_load_m(m, score + at), scale, v_load_m(m, r->bias + at));
            V p = v_exp(s - log_sum);
            v_store_m(m, score + at, p);
            sum[k] = v_fma(p, v_load_m(m, d_p + at), sum[k]); /* d_p is 0 past the end */
        }
    }
    V mean = v_set(fold16(sum));
    for (int i = 0; i < r->count; i += LANES) {
        M m = m_first(r->count - i);
        V d = v_load_m(m, score + i) * (v_load_m(m, d_p + i) - mean);
        v_store_m(m, r->d_bias + i, d + v_load_m(m, r->d_bias + i));
        v_store_m(m, d_p + i, d * scale);
    }
    size_t after = sizeof(float) * (size_t)(r->total - r->before - r->count);
    memset(r->score, 0, sizeof(float) * (size_t)r->before);
    memset(r->d_p, 0, sizeof(float) * (size_t)r->before);
    memset(score + r->count, 0, after);
    memset(d_p + r->count, 0, after);
}

static const rlt_nn_seq_kernels seq_kernels = {
    .norm = norm_vec,
    .norm_grad = norm_grad_vec,
    .lstm = lstm_vec,
    .lstm_grad = lstm_grad_vec,
    .gru = gru_vec,
    .gru_grad = gru_grad_vec,
    .gate_reset = gate_reset_vec,
    .gate = gate_vec,
    .gate_grad = gate_grad_vec,
    .gate_reset_grad = gate_reset_grad_vec,
    .softmax = softmax_vec,
    .softmax_grad = softmax_grad_vec,
};
#endif
