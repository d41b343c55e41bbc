/* The kernels of bfloat16 for AVX512_BF16: the tile of float32, a word of two numbers in the place
 * of a float. Thread: any; no state. */
#define RLT_TILE_VECS_4
#include "nn/vec_avx512.h"

static inline V v_dot2(V a, V b, V c) { /* c + a1 b1 + a0 b0 */
    return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b);
}
#define TILE_FMA v_dot2
#include "nn/kernels_bf16.h"
#include "nn/tile_vec.h"

static inline I round_both(V low, V high) { /* 16 numbers of low, then 16 of high */
    return (I)_mm512_cvtne2ps_pbh(high, low);
}

static inline M m_left(int left) {
    return m_first(left < 0 ? 0 : left);
}

static void pack_rows(const float *x, int x_stride, int n, int k, float *to) {
    int words = (k + 1) / 2;
    for (int r = 0; r < n; r++, x += x_stride, to += words) {
        for (int i = 0; i < k; i += 2 * LANES) {
            V low = v_load_m(m_first(k - i), x + i);
            V high = v_load_m(m_left(k - i - LANES), x + i + LANES);
            v_store_m(m_first(words - i / 2), to + i / 2, v_bits(round_both(low, high)));
        }
    }
}

static void pack_pairs(const float *x, int x_stride, int k, int n, float *to) {
    const I turns = _mm512_set_epi32(0x1f000f, 0x1e000e, 0x1d000d, 0x1c000c, 0x1b000b, 0x1a000a,
                                     0x190009, 0x180008, 0x170007, 0x160006, 0x150005, 0x140004,
                                     0x130003, 0x120002, 0x110001, 0x100000);
    for (int r = 0; r < k; r += 2, x += 2 * (ptrdiff_t)x_stride, to += n) {
        for (int j = 0; j < n; j += LANES) {
            M m = m_first(n - j);
            V first = v_load_m(m, x + j);
            V second = r + 1 < k ? v_load_m(m, x + x_stride + j) : v_set(0.0f);
            I both = _mm512_permutexvar_epi16(turns, round_both(first, second));
            v_store_m(m, to + j, v_bits(both));
        }
    }
}

const rlt_nn_bf16_kernels rlt_nn_bf16_avx512 = {product_tiles, pack_rows, pack_pairs};
