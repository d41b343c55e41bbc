/* exp, log, tanh and the like over lanes; a template, see vec_avx512.h. A NaN stays a NaN.
 * Each bound is checked by nn_math_test. */
#ifndef RLT_MATH_VEC_H
#define RLT_MATH_VEC_H

/* e^x for x clamped to [-87, 88]; relative error below 2e-7. Range reduction by ln 2 in two parts
 * and the polynomial of Cephes' expf. */
static inline V v_exp(V x) {
    x = v_min(v_set(88.0f), v_max(v_set(-87.0f), x));
    V n = v_round(x * v_set(1.44269504088896341f));
    V r = v_fnma(n, v_set(0.693359375f), x);
    r = v_fnma(n, v_set(-2.12194440e-4f), r);
    V p = v_fma(v_set(1.9875691500e-4f), r, v_set(1.3981999507e-3f));
    p = v_fma(p, r, v_set(8.3334519073e-3f));
    p = v_fma(p, r, v_set(4.1665795894e-2f));
    p = v_fma(p, r, v_set(1.6666665459e-1f));
    p = v_fma(p, r, v_set(5.0000001201e-1f));
    p = v_fma(p, r * r, r) + v_set(1.0f);
    return v_bits(i_add(i_bits(p), i_shl(i_from_v(n), 23)));
}

/* The polynomial of Cephes' logf: log(1 + f), f in [sqrt(1/2) - 1, sqrt(2) - 1]. */
static inline V v_log1p_reduced(V f, V exponent) {
    V p = v_fma(v_set(7.0376836292e-2f), f, v_set(-1.1514610310e-1f));
    p = v_fma(p, f, v_set(1.1676998740e-1f));
    p = v_fma(p, f, v_set(-1.2420140846e-1f));
    p = v_fma(p, f, v_set(1.4249322787e-1f));
    p = v_fma(p, f, v_set(-1.6668057665e-1f));
    p = v_fma(p, f, v_set(2.0000714765e-1f));
    p = v_fma(p, f, v_set(-2.4999993993e-1f));
    p = v_fma(p, f, v_set(3.3333331174e-1f));
    V square = f * f;
    V y = v_fma(p * f, square, exponent * v_set(-2.12194440e-4f));
    y = v_fnma(v_set(0.5f), square, y);
    return v_fma(exponent, v_set(0.693359375f), f + y);
}

/* log x for normal x > 0; error below 1e-7 (1 + |log x|). */
static inline V v_log(V x) {
    const int32_t half_root = 0x3f3504f3; /* bits of sqrt(1/2) */
    I shifted = i_sub(i_bits(x), i_set(half_root));
    I exponent = i_sar(shifted, 23);
    V mantissa = v_bits(i_sub(i_bits(x), i_shl(exponent, 23)));
    return v_log1p_reduced(mantissa - v_set(1.0f), v_from_i(exponent)) + (x - x);
}

/* tanh x = x P(x^2) / Q(x^2) with P of degree 4 and Q of degree 3, the minimax fit of the absolute
 * error over |x| <= 7.7 (1.4e-7 before rounding; linear programming, Q's constant 1), clamped
 * there. Absolute error below 5e-7, relative error below 1e-6. */
static inline V v_tanh(V x) {
    x = v_min(v_set(7.7f), v_max(v_set(-7.7f), x));
    V y = x * x;
    V p = v_fma(v_set(-6.387250416e-9f), y, v_set(7.286319157e-6f));
    V q = v_fma(v_set(1.987658780e-4f), y, v_set(2.291247473e-2f));
    p = v_fma(p, y, v_set(2.711494794e-3f));
    q = v_fma(q, y, v_set(4.605946131e-1f));
    p = v_fma(p, y, v_set(1.272638152e-1f));
    q = v_fma(q, y, v_set(1.0f));
    p = v_fma(p, y, v_set(9.999993203e-1f));
    return x * p / q;
}

static inline V v_sigmoid(V x) {
    return v_set(1.0f) / (v_set(1.0f) + v_exp(v_set(0.0f) - x));
}

/* cos(2 pi x) for x in [0, 1]: sin(2 pi (1/4 - |t|)), t the signed distance to the nearest whole
 * number; Taylor's series to degree 11, absolute error below 3e-7. */
static inline V v_cos_turns(V x) {
    V s = v_set(0.25f) - v_abs(x - v_round(x));
    V y = s * s;
    V p = v_fma(v_set(-15.0946426f), y, v_set(42.0586940f));
    p = v_fma(p, y, v_set(-76.7058598f));
    p = v_fma(p, y, v_set(81.6052493f));
    p = v_fma(p, y, v_set(-41.3417022f));
    p = v_fma(p, y, v_set(6.28318531f));
    return p * s;
}
#endif
