/* Norms and recurrent cells over lanes; a template, see vec_avx512.h. Sums over a row are kept in
 * 16 partial sums whatever the unit, and folded in one order. */
#ifndef RLT_SEQ_VEC_H
#define RLT_SEQ_VEC_H
#include "nn/dense_vec.h"
#include "nn/kernels_seq.h"

enum { SUMS = 16 / LANES };

ALWAYS_INLINE M m_left(int left) { /* the lanes that are left, of a part that may be past the end */
    return m_first(left < 0 ? 0 : left);
}

static inline float fold16(const V part[SUMS]) {
    float s[16];
    for (int p = 0; p < SUMS; p++) {
        v_store(s + p * LANES, part[p]);
    }
    for (int width = 8; width > 0; width /= 2) {
        for (int i = 0; i < width; i++) {
            s[i] += s[i + width];
        }
    }
    return s[0];
}

/* ---- norms ---- */

/* Sum of x - mean, or of its squares. */
ALWAYS_INLINE float row_sum(const float *x, int width, float mean, const bool squares) {
    V sum[SUMS] = {0}, shift = v_set(mean);
    for (int i = 0; i < width; i += 16) {
        for (int p = 0; p < SUMS; p++) {
            M m = m_left(width - i - p * LANES);
            V d = v_select(m, v_load_m(m, x + i + p * LANES) - shift, v_set(0.0f));
            sum[p] = squares ? v_fma(d, d, sum[p]) : (V)(sum[p] + d);
        }
    }
    return fold16(sum);
}

static void norm_vec(const rlt_norm_rows *r) {
    int width = r->width;
    float each = 1.0f / (float)width;
    for (int n = 0; n < r->n; n++) {
        const float *x = r->x + (ptrdiff_t)n * width;
        float *y = r->y + (ptrdiff_t)n * width;
        float mean = r->bias == NULL ? 0.0f : row_sum(x, width, 0.0f, false) * each;
        float rate = 1.0f / sqrtf(row_sum(x, width, mean, true) * each + r->eps);
        V shift = v_set(mean), scale = v_set(rate);
        for (int i = 0; i < width; i += LANES) {
            M m = m_first(width - i);
            V bias = r->bias == NULL ? v_set(0.0f) : v_load_m(m, r->bias + i);
            V unit = (v_load_m(m, x + i) - shift) * scale;
            v_store_m(m, y + i, v_fma(unit, v_load_m(m, r->gain + i), bias));
        }
        if (r->stats != NULL && r->bias != NULL) {
            r->stats[2 * n] = mean;
            r->stats[2 * n + 1] = rate;
        } else if (r->stats != NULL) {
            r->stats[n] = rate;
        }
    }
}

/* Adds the row to the gradients of gain and bias; the sums of g = dy gain and of g unit. */
ALWAYS_INLINE void norm_row_sums(const rlt_norm_rows *r, const float *x, const float *dy,
                                 float mean, float rate, float *sum_g, float *sum_gu) {
    V shift = v_set(mean), scale = v_set(rate), g_sum[SUMS] = {0}, gu_sum[SUMS] = {0};
    for (int i = 0; i < r->width; i += 16) {
        for (int p = 0; p < SUMS; p++) {
            int at = i + p * LANES;
            M m = m_left(r->width - at);
            V d = v_load_m(m, dy + at), g = d * v_load_m(m, r->gain + at);
            V unit = (v_load_m(m, x + at) - shift) * scale;
            v_store_m(m, r->d_gain + at, v_fma(d, unit, v_load_m(m, r->d_gain + at)));
            if (r->d_bias != NULL) {
                v_store_m(m, r->d_bias + at, d + v_load_m(m, r->d_bias + at));
            }
            g_sum[p] = g_sum[p] + g; /* zero in lanes past the end */
            gu_sum[p] = v_fma(g, unit, gu_sum[p]);
        }
    }
    *sum_g = fold16(g_sum);
    *sum_gu = fold16(gu_sum);
}

/* dx = (g - mean(g) - unit mean(g unit)) / deviation; the RMS norm has no mean(g). */
static void norm_grad_vec(const rlt_norm_rows *r) {
    int width = r->width;
    float each = 1.0f / (float)width;
    for (int n = 0; n < r->n; n++) {
        const float *x = r->x + (ptrdiff_t)n * width, *dy = r->dy + (ptrdiff_t)n * width;
        bool centred = r->d_bias != NULL;
        float mean = centred ? r->stats[2 * n] : 0.0f;
        float rate = centred ? r->stats[2 * n + 1] : r->stats[n], sum_g, sum_gu;
        norm_row_sums(r, x, dy, mean, rate, &sum_g, &sum_gu);
        if (r->dx == NULL) {
            continue;
        }
        float *dx = r->dx + (ptrdiff_t)n * width;
        V shift = v_set(mean), scale = v_set(rate);
        V mean_g = v_set(centred ? sum_g * each : 0.0f), mean_gu = v_set(sum_gu * each);
        for (int i = 0; i < width; i += LANES) {
            M m = m_first(width - i);
            V unit = (v_load_m(m, x + i) - shift) * scale;
            V g = v_load_m(m, dy + i) * v_load_m(m, r->gain + i);
            V d = v_fnma(unit, mean_gu, g - mean_g) * scale;
            v_store_m(m, dx + i, r->dx_add ? (V)(d + v_load_m(m, dx + i)) : d);
        }
    }
}

/* ---- recurrent cells ---- */

ALWAYS_INLINE V slope_sigmoid(V s) {
    return v_fnma(s, s, s);
}
ALWAYS_INLINE V slope_tanh(V t) {
    return v_fnma(t, t, v_set(1.0f));
}

static const float *state_row(const float *state, ptrdiff_t stride, const uint8_t *reset, int n) {
    return state == NULL || (reset != NULL && reset[n] != 0) ? NULL : state + n * stride;
}

static void lstm_vec(const rlt_lstm_rows *r) {
    int u = r->units;
    for (int n = 0; n < r->n; n++) {
        float *gates = r->gates + (ptrdiff_t)n * 4 * u, *c = r->c + (ptrdiff_t)n * u;
        float *h = r->h + (ptrdiff_t)n * u;
        const float *c_prev = state_row(r->c_prev, r->c_prev_stride, r->reset, n);
        for (int i = 0; i < u; i += LANES, gates += LANES) {
            M m = m_first(u - i);
            V in = v_sigmoid(v_load_m(m, gates)), forget = v_sigmoid(v_load_m(m, gates + u));
            V cell = v_tanh(v_load_m(m, gates + 2 * u)),
              out = v_sigmoid(v_load_m(m, gates + 3 * u));
            V before = c_prev == NULL ? v_set(0.0f) : v_load_m(m, c_prev + i);
            V now = v_fma(forget, before, in * cell);
            v_store_m(m, gates, in);
            v_store_m(m, gates + u, forget);
            v_store_m(m, gates + 2 * u, cell);
            v_store_m(m, gates + 3 * u, out);
            v_store_m(m, c + i, now);
            v_store_m(m, h + i, out * v_tanh(now));
        }
    }
}

static void lstm_grad_vec(const rlt_lstm_rows *r) {
    int u = r->units;
    for (int n = 0; n < r->n; n++) {
        ptrdiff_t at = (ptrdiff_t)n * u;
        const float *gates = r->gates + 4 * at;
        float *d_gates = r->d_gates + 4 * at;
        const float *c_prev = state_row(r->c_prev, r->c_prev_stride, r->reset, n);
        V carry = v_set(r->reset != NULL && r->reset[n] != 0 ? 0.0f : 1.0f);
        for (int i = 0; i < u; i += LANES, at += LANES, gates += LANES, d_gates += LANES) {
            M m = m_first(u - i);
            V in = v_load_m(m, gates), forget = v_load_m(m, gates + u);
            V cell = v_load_m(m, gates + 2 * u), out = v_load_m(m, gates + 3 * u);
            V before = c_prev == NULL ? v_set(0.0f) : v_load_m(m, c_prev + i);
            V dh = v_load_m(m, r->dy + at) + v_load_m(m, r->d_h + at);
            V bent = v_tanh(v_load_m(m, r->c + at));
            V dc = v_fma(dh * out, slope_tanh(bent), v_load_m(m, r->d_c + at));
            v_store_m(m, d_gates, dc * cell * slope_sigmoid(in));
            v_store_m(m, d_gates + u, dc * before * slope_sigmoid(forget));
            v_store_m(m, d_gates + 2 * u, dc * in * slope_tanh(cell));
            v_store_m(m, d_gates + 3 * u, dh * bent * slope_sigmoid(out));
            v_store_m(m, r->d_c + at, dc * forget * carry);
        }
    }
}

/* h = (1 - z) n + z h_prev, n = tanh(x's sum + r h's sum) */
static void gru_vec(const rlt_gru_rows *r) {
    int u = r->units;
    for (int n = 0; n < r->n; n++) {
        float *gates = r->gates + (ptrdiff_t)n * 4 * u, *h = r->h + (ptrdiff_t)n * u;
        const float *h_prev = state_row(r->h_prev, r->h_prev_stride, r->reset, n);
        for (int i = 0; i < u; i += LANES, gates += LANES) {
            M m = m_first(u - i);
            V open = v_sigmoid(v_load_m(m, gates)), keep = v_sigmoid(v_load_m(m, gates + u));
            V from_h = v_load_m(m, gates + 3 * u);
            V new = v_tanh(v_fma(open, from_h, v_load_m(m, gates + 2 * u)));
            V before = h_prev == NULL ? v_set(0.0f) : v_load_m(m, h_prev + i);
            v_store_m(m, gates, open);
            v_store_m(m, gates + u, keep);
            v_store_m(m, gates + 2 * u, new);
            v_store_m(m, h + i, v_fma(keep, before - new, new));
        }
    }
}

static void gru_grad_vec(const rlt_gru_rows *r) {
    int u = r->units;
    for (int n = 0; n < r->n; n++) {
        ptrdiff_t at = (ptrdiff_t)n * u;
        const float *gates = r->gates + 4 * at;
        float *d_gates = r->d_gates + 4 * at;
        const float *h_prev = state_row(r->h_prev, r->h_prev_stride, r->reset, n);
        V carry = v_set(r->reset != NULL && r->reset[n] != 0 ? 0.0f : 1.0f);
        for (int i = 0; i < u; i += LANES, at += LANES, gates += LANES, d_gates += LANES) {
            M m = m_first(u - i);
            V open = v_load_m(m, gates), keep = v_load_m(m, gates + u);
            V new = v_load_m(m, gates + 2 * u), from_h = v_load_m(m, gates + 3 * u);
            V before = h_prev == NULL ? v_set(0.0f) : v_load_m(m, h_prev + i);
            V dh = v_load_m(m, r->dy + at) + v_load_m(m, r->d_h + at);
            V d_new = dh * (v_set(1.0f) - keep) * slope_tanh(new);
            v_store_m(m, d_gates, d_new * from_h * slope_sigmoid(open));
            v_store_m(m, d_gates + u, dh * (before - new) * slope_sigmoid(keep));
            v_store_m(m, d_gates + 2 * u, d_new);
            v_store_m(m, d_gates + 3 * u, d_new * open);
            v_store_m(m, r->d_h + at, dh * keep * carry);
        }
    }
}
#endif
