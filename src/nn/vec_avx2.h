/* The vector vocabulary of the *_vec.h templates in AVX2 with FMA: 8 lanes, 16 registers. Included
 * by kernels_avx2.c alone, which is compiled for that unit. Meanings as in vec_avx512.h. */
#ifndef RLT_VEC_AVX2_H
#define RLT_VEC_AVX2_H
#include <immintrin.h>
#include <stdint.h>

typedef __m256 V;
typedef __m256i I;
typedef __m256i M; /* all bits of a true lane */
enum { LANES = 8, TILE_ROWS = 6, TILE_VECS = 2 };

static inline V v_set(float x) {
    return _mm256_set1_ps(x);
}
static inline V v_load(const float *p) {
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, V x) {
    _mm256_storeu_ps(p, x);
}
static inline I i_set(int32_t x) {
    return _mm256_set1_epi32(x);
}
static inline I i_lanes(void) {
    return _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
}
static inline M m_first(int n) {
    return _mm256_cmpgt_epi32(i_set(n), i_lanes());
}
static inline V v_load_m(M m, const float *p) {
    return _mm256_maskload_ps(p, m);
}
static inline void v_store_m(M m, float *p, V x) {
    _mm256_maskstore_ps(p, m, x);
}
static inline V v_gather(const float *p, I index) {
    return _mm256_i32gather_ps(p, index, 4);
}
static inline V v_fma(V a, V b, V c) {
    return _mm256_fmadd_ps(a, b, c);
}
static inline V v_fnma(V a, V b, V c) {
    return _mm256_fnmadd_ps(a, b, c);
}
static inline V v_min(V a, V b) {
    return _mm256_min_ps(a, b);
}
static inline V v_max(V a, V b) {
    return _mm256_max_ps(a, b);
}
static inline V v_sqrt(V a) {
    return _mm256_sqrt_ps(a);
}
static inline V v_abs(V a) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
static inline V v_round(V a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline M m_lt(V a, V b) {
    return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
static inline M m_and(M a, M b) {
    return _mm256_and_si256(a, b);
}
static inline M m_and_not(M a, M b) {
    return _mm256_andnot_si256(b, a);
}
static inline V v_select(M m, V yes, V no) {
    return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(m));
}
static inline I i_load_m(M m, const int32_t *p) {
    return _mm256_maskload_epi32(p, m);
}
static inline void i_store_m(M m, int32_t *p, I x) {
    _mm256_maskstore_epi32(p, m, x);
}
static inline I i_add(I a, I b) {
    return _mm256_add_epi32(a, b);
}
static inline I i_sub(I a, I b) {
    return _mm256_sub_epi32(a, b);
}
static inline I i_mul(I a, I b) {
    return _mm256_mullo_epi32(a, b);
}
static inline I i_xor(I a, I b) {
    return _mm256_xor_si256(a, b);
}
static inline I i_and(I a, I b) {
    return _mm256_and_si256(a, b);
}
static inline I i_shl(I a, int bits) {
    return _mm256_slli_epi32(a, bits);
}
static inline I i_shr(I a, int bits) {
    return _mm256_srli_epi32(a, bits);
}
static inline I i_sar(I a, int bits) {
    return _mm256_srai_epi32(a, bits);
}
static inline M i_eq(I a, I b) {
    return _mm256_cmpeq_epi32(a, b);
}
static inline I i_select(M m, I yes, I no) {
    return _mm256_blendv_epi8(no, yes, m);
}
static inline I i_from_v(V a) {
    return _mm256_cvtps_epi32(a);
}
static inline V v_from_i(I a) {
    return _mm256_cvtepi32_ps(a);
}
static inline I i_bits(V a) {
    return _mm256_castps_si256(a);
}
static inline V v_bits(I a) {
    return _mm256_castsi256_ps(a);
}
static inline I i_mul_wide(I a, I b, I *high) {
    I even = _mm256_mul_epu32(a, b);
    I odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
    *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}
typedef struct V16 {
    V low, high;
} V16;
static inline V16 v16_zero(void) {
    return (V16){_mm256_setzero_ps(), _mm256_setzero_ps()};
}
static inline V16 v16_fma(const float *a, const float *b, V16 c) {
    return (V16){v_fma(v_load(a), v_load(b), c.low), v_fma(v_load(a + 8), v_load(b + 8), c.high)};
}
static inline __m256 v16_fold(V16 a) {
    return _mm256_add_ps(a.low, a.high);
}
#endif
