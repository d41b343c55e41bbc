/* Matrix products over lanes; a template, see vec_avx512.h. One register tile serves them all:
 * TILE_ROWS x TILE_VECS accumulators, at each step one row of vectors of the right matrix from L1
 * and a broadcast of each left entry. The next right row is contiguous, so that no packing is
 * needed for dense parameters; the last vector of a row is masked. TILE_FMA(left, right, sum) is
 * v_fma unless the including file says otherwise. */
#ifndef RLT_TILE_VEC_H
#define RLT_TILE_VEC_H
#include "nn/kernels.h"

#include <stddef.h>

#ifndef TILE_FMA
#define TILE_FMA v_fma
#endif
#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef struct product { /* c[m][n] (+)= a[m][steps] b[steps][n] */
    const float *a;
    ptrdiff_t a_row, a_step;
    const float *b;
    ptrdiff_t b_stride;
    int steps;
    const float *bias; /* [n] or NULL: zeros */
    float *c;
    ptrdiff_t c_stride;
    bool add;
    int act; /* input gradient: multiply by act'(y); else RLT_NN_LINEAR */
    const float *y;
} product;

/* c = acc, c += acc, or c = acc * act'(y) */
ALWAYS_INLINE V tile_result(const product *p, V acc, ptrdiff_t at, M mask) {
    if (p->add) {
        return acc + v_load_m(mask, p->c + at);
    }
    if (p->act == RLT_ACT_TANH) {
        V y = v_load_m(mask, p->y + at);
        return acc * v_fnma(y, y, v_set(1.0f));
    }
    if (p->act == RLT_ACT_RELU) {
        return v_select(m_lt(v_set(0.0f), v_load_m(mask, p->y + at)), acc, v_set(0.0f));
    }
    return acc;
}

/* Rows i0 .. i0 + rows - 1, columns j0 .. of `vecs` vectors of which the last is masked. */
ALWAYS_INLINE void tile(const product *p, int i0, int j0, M mask, const int rows, const int vecs) {
    V acc[TILE_ROWS][TILE_VECS];
#pragma GCC unroll 8
    for (int v = 0; v < vecs; v++) {
        V start = v_set(0.0f);
        if (p->bias != NULL) {
            const float *bias = p->bias + j0 + v * LANES;
            start = v == vecs - 1 ? v_load_m(mask, bias) : v_load(bias);
        }
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            acc[i][v] = start;
        }
    }
    const float *a = p->a + i0 * p->a_row, *b = p->b + j0;
    ptrdiff_t a_row = p->a_row, a_step = p->a_step, b_stride = p->b_stride;
    for (int k = p->steps; k > 0; k--) {
        V right[TILE_VECS];
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) {
            right[v] = v == vecs - 1 ? v_load_m(mask, b + v * LANES) : v_load(b + v * LANES);
        }
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            V left = v_set(a[i * a_row]);
#pragma GCC unroll 8
            for (int v = 0; v < vecs; v++) {
                acc[i][v] = TILE_FMA(left, right[v], acc[i][v]);
            }
        }
        a += a_step;
        b += b_stride;
    }
    M all = m_first(LANES);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) {
            ptrdiff_t at = (i0 + i) * p->c_stride + j0 + v * LANES;
            M m = v == vecs - 1 ? mask : all;
            v_store_m(m, p->c + at, tile_result(p, acc[i][v], at, m));
        }
    }
}

#define TILE_FUNCTION(rows, vecs)                                                                  \
    static void tile_##rows##_##vecs(const product *p, int i0, int j0, M mask) {                   \
        tile(p, i0, j0, mask, rows, vecs);                                                         \
    }
#define TILE_COLUMN(vecs)                                                                          \
    TILE_FUNCTION(1, vecs)                                                                         \
    TILE_FUNCTION(2, vecs)                                                                         \
    TILE_FUNCTION(3, vecs)                                                                         \
    TILE_FUNCTION(4, vecs)                                                                         \
    TILE_FUNCTION(5, vecs)                                                                         \
    TILE_FUNCTION(6, vecs)
#define TILE_NAMES(vecs)                                                                           \
    { tile_1_##vecs, tile_2_##vecs, tile_3_##vecs, tile_4_##vecs, tile_5_##vecs, tile_6_##vecs }
typedef void (*tile_function)(const product *p, int i0, int j0, M mask);
TILE_COLUMN(1)
TILE_COLUMN(2)
#ifdef RLT_TILE_VECS_4
TILE_COLUMN(3)
TILE_COLUMN(4)
#endif
static const tile_function tiles[TILE_VECS][TILE_ROWS] = {
    TILE_NAMES(1),
    TILE_NAMES(2),
#ifdef RLT_TILE_VECS_4
    TILE_NAMES(3),
    TILE_NAMES(4),
#endif
};

/* c[m][n]: columns by panels of TILE_VECS vectors, rows by tiles of TILE_ROWS. */
ALWAYS_INLINE void run_product(const product *p, int m, int n) {
    for (int j = 0; j < n; j += TILE_VECS * LANES) {
        int left = n - j, vecs = (left + LANES - 1) / LANES;
        vecs = vecs < TILE_VECS ? vecs : TILE_VECS;
        M mask = m_first(left - (vecs - 1) * LANES);
        int i = 0;
        for (tile_function full = tiles[vecs - 1][TILE_ROWS - 1]; i + TILE_ROWS <= m;
             i += TILE_ROWS) {
            full(p, i, j, mask);
        }
        if (i < m) {
            tiles[vecs - 1][m - i - 1](p, i, j, mask);
        }
    }
}

static void product_tiles(const rlt_nn_product *from) {
    product p = {
        .a = from->a,
        .a_row = from->a_row,
        .a_step = from->a_step,
        .b = from->b,
        .b_stride = from->b_stride,
        .steps = from->steps,
        .bias = from->bias,
        .c = from->c,
        .c_stride = from->c_stride,
        .add = from->add,
        .act = RLT_NN_LINEAR,
    };
    run_product(&p, from->m, from->n);
}
#endif
