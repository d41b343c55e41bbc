/* Narrow layers over lanes: heads of few outputs, where a row of the right matrix would fill a
 * fraction of a vector; a template, see vec_avx512.h. The vectors run along the inputs instead:
 * products are dot products forward, and columns of the gradient backward. */
#ifndef RLT_HEAD_VEC_H
#define RLT_HEAD_VEC_H
#include "nn/dense_vec.h"

/* Sums of the lanes of v[0 .. 7]; always (0 + 1) + (2 + 3) of each half, then the halves. */
static inline __m256 fold8(const __m256 v[8]) {
    __m256 a = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    __m256 b = _mm256_hadd_ps(_mm256_hadd_ps(v[4], v[5]), _mm256_hadd_ps(v[6], v[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

/* Eight rows' dot products with one column; rows past the last repeat it. */
ALWAYS_INLINE __m256 dots8(const float *x, int x_stride, int rows, const float *column, int steps) {
    V16 sum[8];
    const float *row[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        sum[i] = v16_zero();
        row[i] = x + (ptrdiff_t)(i < rows ? i : rows - 1) * x_stride;
    }
    for (int k = 0; k < steps; k += RLT_NN_PAD) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            sum[i] = v16_fma(row[i] + k, column + k, sum[i]);
        }
    }
    __m256 folded[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        folded[i] = v16_fold(sum[i]);
    }
    return fold8(folded);
}

static void head_vec(const float *x, int x_stride, const float *wt, int wt_stride, const float *b,
                     int n, int out, float *y) {
    for (int r = 0; r < n; r += 8) {
        int rows = n - r < 8 ? n - r : 8;
        for (int j = 0; j < out; j++) {
            float sums[8];
            __m256 dots = dots8(x + (ptrdiff_t)r * x_stride, x_stride, rows,
                                wt + (ptrdiff_t)j * wt_stride, wt_stride);
            _mm256_storeu_ps(sums, _mm256_add_ps(dots, _mm256_set1_ps(b[j])));
            for (int i = 0; i < rows; i++) {
                y[(ptrdiff_t)(r + i) * out + j] = sums[i];
            }
        }
    }
}

/* dw[k .. k + vecs vectors][0 .. outs - 1]; outs in {1, 2, 4} columns of d at a time. */
ALWAYS_INLINE void head_grad_panel(const float *x, int x_stride, const float *d, int d_stride,
                                   int n, int width, const int vecs, const int outs, float *dw,
                                   int out) {
    V sum[TILE_VECS][4];
#pragma GCC unroll 8
    for (int v = 0; v < vecs; v++) {
#pragma GCC unroll 4
        for (int j = 0; j < outs; j++) {
            sum[v][j] = v_set(0.0f);
        }
    }
    for (int r = 0; r < n; r++, x += x_stride, d += d_stride) {
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) {
            V left = v_load(x + v * LANES);
#pragma GCC unroll 4
            for (int j = 0; j < outs; j++) {
                sum[v][j] = v_fma(left, v_set(d[j]), sum[v][j]);
            }
        }
    }
#pragma GCC unroll 8
    for (int v = 0; v < vecs; v++) {
#pragma GCC unroll 4
        for (int j = 0; j < outs; j++) {
            float lanes[LANES];
            v_store(lanes, sum[v][j]);
            for (int k = 0; k < LANES && v * LANES + k < width; k++) {
                dw[(ptrdiff_t)(v * LANES + k) * out + j] += lanes[k];
            }
        }
    }
}

ALWAYS_INLINE void head_grad_columns(const float *x, int x_stride, const float *d, int d_stride,
                                     int n, int in, const int outs, float *dw, int out) {
    for (int k = 0; k < in;) {
        int left = in - k;
        float *to = dw + (ptrdiff_t)k * out;
        if (left > (TILE_VECS - 1) * LANES) {
            head_grad_panel(x + k, x_stride, d, d_stride, n, left, TILE_VECS, outs, to, out);
            k += TILE_VECS * LANES;
        } else {
            head_grad_panel(x + k, x_stride, d, d_stride, n, left, 1, outs, to, out);
            k += LANES;
        }
    }
}

static void head_grad_vec(const float *x, int x_stride, const float *d, int d_stride, int n, int in,
                          int out, float *dw) {
    float *db = dw + (ptrdiff_t)in * out;
    int j = 0;
    for (; j + 4 <= out; j += 4) {
        head_grad_columns(x, x_stride, d + j, d_stride, n, in, 4, dw + j, out);
    }
    for (; j + 2 <= out; j += 2) {
        head_grad_columns(x, x_stride, d + j, d_stride, n, in, 2, dw + j, out);
    }
    for (; j < out; j++) {
        head_grad_columns(x, x_stride, d + j, d_stride, n, in, 1, dw + j, out);
    }
    column_sums(d, d_stride, n, out, db);
}

/* 8 x 8 blocks in registers where they are whole. */
static void transpose_block(const float *w, int out, float *wt, int wt_stride) {
    __m256 r[8], t[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        r[i] = _mm256_loadu_ps(w + (ptrdiff_t)i * out);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(wt + (ptrdiff_t)i * wt_stride,
                         _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(wt + (ptrdiff_t)(i + 4) * wt_stride,
                         _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

static void transpose_vec(const float *w, int first, int end, int out, float *wt, int wt_stride) {
    for (int k = first; k < end; k += 8) {
        int rows = end - k < 8 ? end - k : 8, j = 0;
        for (; rows == 8 && j + 8 <= out; j += 8) {
            transpose_block(w + (ptrdiff_t)k * out + j, out, wt + (ptrdiff_t)j * wt_stride + k,
                            wt_stride);
        }
        for (; j < out; j++) {
            for (int i = 0; i < rows; i++) {
                wt[(ptrdiff_t)j * wt_stride + k + i] = w[(ptrdiff_t)(k + i) * out + j];
            }
        }
    }
}
#endif
