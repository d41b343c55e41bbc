/* The vector vocabulary of the *_vec.h templates in AVX-512: 16 lanes, 32 registers. Included by
 * kernels_avx512.c alone, which is compiled for that unit. */
#ifndef RLT_VEC_AVX512_H
#define RLT_VEC_AVX512_H
#include <immintrin.h>
#include <stdint.h>

typedef __m512 V;    /* floats */
typedef __m512i I;   /* 32-bit integers */
typedef __mmask16 M; /* one truth a lane */
enum { LANES = 16, TILE_ROWS = 6, TILE_VECS = 4 };

static inline V v_set(float x) {
    return _mm512_set1_ps(x);
}
static inline V v_load(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, V x) {
    _mm512_storeu_ps(p, x);
}
static inline M m_first(int n) { /* the first n lanes */
    return n >= LANES ? (M)0xffff : (M)((1u << n) - 1);
}
static inline V v_load_m(M m, const float *p) { /* zero in the other lanes, which are not read */
    return _mm512_maskz_loadu_ps(m, p);
}
static inline void v_store_m(M m, float *p, V x) {
    _mm512_mask_storeu_ps(p, m, x);
}
static inline V v_gather(const float *p, I index) {
    return _mm512_i32gather_ps(index, p, 4);
}
static inline V v_fma(V a, V b, V c) { /* a b + c */
    return _mm512_fmadd_ps(a, b, c);
}
static inline V v_fnma(V a, V b, V c) { /* c - a b */
    return _mm512_fnmadd_ps(a, b, c);
}
static inline V v_min(V a, V b) { /* b where either is a NaN */
    return _mm512_min_ps(a, b);
}
static inline V v_max(V a, V b) { /* b where either is a NaN */
    return _mm512_max_ps(a, b);
}
static inline V v_sqrt(V a) {
    return _mm512_sqrt_ps(a);
}
static inline V v_abs(V a) {
    return _mm512_abs_ps(a);
}
static inline V v_round(V a) { /* to nearest, ties to even */
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline M m_lt(V a, V b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
static inline M m_and(M a, M b) {
    return a & b;
}
static inline M m_and_not(M a, M b) { /* a and not b */
    return (M)(a & ~b);
}
static inline V v_select(M m, V yes, V no) {
    return _mm512_mask_blend_ps(m, no, yes);
}
static inline I i_set(int32_t x) {
    return _mm512_set1_epi32(x);
}
static inline I i_lanes(void) { /* 0, 1, 2 … */
    return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}
static inline I i_load_m(M m, const int32_t *p) {
    return _mm512_maskz_loadu_epi32(m, p);
}
static inline void i_store_m(M m, int32_t *p, I x) {
    _mm512_mask_storeu_epi32(p, m, x);
}
static inline I i_add(I a, I b) {
    return _mm512_add_epi32(a, b);
}
static inline I i_sub(I a, I b) {
    return _mm512_sub_epi32(a, b);
}
static inline I i_mul(I a, I b) {
    return _mm512_mullo_epi32(a, b);
}
static inline I i_xor(I a, I b) {
    return _mm512_xor_si512(a, b);
}
static inline I i_and(I a, I b) {
    return _mm512_and_si512(a, b);
}
static inline I i_shl(I a, int bits) {
    return _mm512_slli_epi32(a, (unsigned)bits);
}
static inline I i_shr(I a, int bits) { /* zeros come in */
    return _mm512_srli_epi32(a, (unsigned)bits);
}
static inline I i_sar(I a, int bits) { /* the sign comes in */
    return _mm512_srai_epi32(a, (unsigned)bits);
}
static inline M i_eq(I a, I b) {
    return _mm512_cmpeq_epi32_mask(a, b);
}
static inline I i_select(M m, I yes, I no) {
    return _mm512_mask_blend_epi32(m, no, yes);
}
static inline I i_from_v(V a) { /* a is whole */
    return _mm512_cvtps_epi32(a);
}
static inline V v_from_i(I a) {
    return _mm512_cvtepi32_ps(a);
}
static inline I i_bits(V a) {
    return _mm512_castps_si512(a);
}
static inline V v_bits(I a) {
    return _mm512_castsi512_ps(a);
}
/* The halves of the 64-bit products of unsigned lanes. */
static inline I i_mul_wide(I a, I b, I *high) {
    I even = _mm512_mul_epu32(a, b);
    I odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32));
    *high = _mm512_mask_blend_epi32((M)0xaaaa, _mm512_srli_epi64(even, 32), odd);
    return _mm512_mask_blend_epi32((M)0xaaaa, even, _mm512_slli_epi64(odd, 32));
}
/* Dot products are kept in 16 partial sums whatever the unit; these add the upper 8 to the lower.
 */
typedef V V16;
static inline V16 v16_zero(void) {
    return _mm512_setzero_ps();
}
static inline V16 v16_fma(const float *a, const float *b, V16 c) {
    return _mm512_fmadd_ps(_mm512_loadu_ps(a), _mm512_loadu_ps(b), c);
}
static inline __m256 v16_fold(V16 a) {
    return _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
}
#endif
