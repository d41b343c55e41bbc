/* Dense layers over lanes; a template, see vec_avx512.h. */
#ifndef RLT_DENSE_VEC_H
#define RLT_DENSE_VEC_H
#include "nn/tile_vec.h"

#include <string.h>

ALWAYS_INLINE V v_act(const int act, V z) {
    if (act == RLT_ACT_TANH) {
        return v_tanh(z);
    }
    if (act == RLT_ACT_RELU) {
        return v_select(m_lt(v_set(0.0f), z), z, z * v_set(0.0f));
    }
    return z * v_sigmoid(z);
}

ALWAYS_INLINE void activate(const int act, const float *z, int count, float *y) {
    int i = 0;
    for (; i + LANES <= count; i += LANES) {
        v_store(y + i, v_act(act, v_load(z + i)));
    }
    if (i < count) {
        M mask = m_first(count - i);
        v_store_m(mask, y + i, v_act(act, v_load_m(mask, z + i)));
    }
}

static void tanh_vec(const float *x, int count, float *y) {
    activate(RLT_ACT_TANH, x, count, y);
}

static void activate_rows(int act, const float *z, int n, int out, int stride, float *y) {
    for (int r = 0; r < n; r++, z += stride, y += stride) {
        if (act == RLT_ACT_TANH) {
            activate(RLT_ACT_TANH, z, out, y);
        } else if (act == RLT_ACT_RELU) {
            activate(RLT_ACT_RELU, z, out, y);
        } else {
            activate(RLT_ACT_SILU, z, out, y);
        }
    }
}

/* A few rows at a time, so that the sums are still in L1 when act reads them. */
static void dense_vec(const float *x, int x_stride, const float *w, int n, int in, int out, int act,
                      float *y, int y_stride, float *z) {
    enum { ROWS = 4 * TILE_ROWS };
    for (int r = 0; r < n; r += ROWS) {
        int rows = n - r < ROWS ? n - r : ROWS;
        float *to = y + (ptrdiff_t)r * y_stride, *sums = z ? z + (ptrdiff_t)r * y_stride : to;
        product p = {
            .a = x + (ptrdiff_t)r * x_stride,
            .a_row = x_stride,
            .a_step = 1,
            .b = w,
            .b_stride = out,
            .steps = in,
            .bias = w + (ptrdiff_t)in * out,
            .c = sums,
            .c_stride = y_stride,
            .act = RLT_NN_LINEAR,
        };
        run_product(&p, rows, out);
        if (act != RLT_NN_LINEAR) {
            activate_rows(act, sums, rows, out, y_stride, to);
        }
    }
}

static void column_sums(const float *d, int d_stride, int n, int out, float *db) {
    for (int j = 0; j < out; j += LANES) {
        M mask = m_first(out - j);
        V sum = v_set(0.0f);
        for (int r = 0; r < n; r++) {
            sum = sum + v_load_m(mask, d + (ptrdiff_t)r * d_stride + j);
        }
        v_store_m(mask, db + j, v_load_m(mask, db + j) + sum);
    }
}

static void weight_grad_vec(const float *x, int x_stride, const float *d, int d_stride, int n,
                            int in, int out, float *dw) {
    product p = {
        .a = x,
        .a_row = 1,
        .a_step = x_stride,
        .b = d,
        .b_stride = d_stride,
        .steps = n,
        .c = dw,
        .c_stride = out,
        .add = true,
        .act = RLT_NN_LINEAR,
    };
    run_product(&p, in, out);
    column_sums(d, d_stride, n, out, dw + (ptrdiff_t)in * out);
}

static void silu_backward_rows(const float *y, const float *z, int n, int in, int stride,
                               float *dx) {
    for (int r = 0; r < n; r++) {
        for (int i = 0; i < in; i += LANES) {
            M mask = m_first(in - i);
            ptrdiff_t at = (ptrdiff_t)r * stride + i;
            V s = v_sigmoid(v_load_m(mask, z + at));
            V slope = v_fma(v_load_m(mask, y + at), v_set(1.0f) - s, s);
            v_store_m(mask, dx + at, v_load_m(mask, dx + at) * slope);
        }
    }
}

static void input_grad_vec(const float *d, int d_stride, const float *wt, int wt_stride, int n,
                           int out, int in, int act, const float *y, const float *z, float *dx,
                           int dx_stride) {
    product p = {
        .a = d,
        .a_row = d_stride,
        .a_step = 1,
        .b = wt,
        .b_stride = wt_stride,
        .steps = out,
        .c = dx,
        .c_stride = dx_stride,
        .act = act,
        .y = y,
    };
    run_product(&p, n, in);
    if (act == RLT_ACT_SILU) {
        silu_backward_rows(y, z, n, in, dx_stride, dx);
    }
}
#endif
