/* tuner: vectors of RLT_LANES doubles, which the including file sets to what its vector unit holds,
 * and their functions. Every width computes the same IEEE operations in the same order in each
 * lane: files that include this are compiled with -ffp-contract=off.
 * Thread: pure functions. */
#ifndef RLT_TUNER_LANES_H
#define RLT_TUNER_LANES_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef double rlt_lanes __attribute__((vector_size(sizeof(double) * RLT_LANES)));
typedef uint64_t rlt_lanes_bits __attribute__((vector_size(sizeof(uint64_t) * RLT_LANES)));
#define RLT_LANES_FN static inline __attribute__((always_inline))

/* In place, as vectors passed by value would depend on the form. */
RLT_LANES_FN void rlt_lanes_load(rlt_lanes *to, const double *from) {
    memcpy(to, from, sizeof *to);
}
/* *x = where ? *x : *other */
RLT_LANES_FN void rlt_lanes_select(rlt_lanes *x, const rlt_lanes_bits *where,
                                   const rlt_lanes *other) {
    *x = (rlt_lanes)((*where & (rlt_lanes_bits)*x) | (~*where & (rlt_lanes_bits)*other));
}

/* exp(*x) for *x <= 1, exp(-700) below -700; error below 2 ulp. Argument reduction by ln 2 in two
 * parts (Cody and Waite, 1980), Taylor's polynomial of degree 12 on |r| <= ln 2 / 2. */
RLT_LANES_FN void rlt_lanes_exp(rlt_lanes *x) {
    const double shift = 6755399441055744.0; /* 1.5 * 2^52: pushes the fraction off the mantissa */
    static const double terms[] = {1.0 / 479001600,
                                   1.0 / 39916800,
                                   1.0 / 3628800,
                                   1.0 / 362880,
                                   1.0 / 40320,
                                   1.0 / 5040,
                                   1.0 / 720,
                                   1.0 / 120,
                                   1.0 / 24,
                                   1.0 / 6,
                                   0.5,
                                   1,
                                   1};
    rlt_lanes_bits near = (rlt_lanes_bits)(*x >= -700);
    const rlt_lanes least = (rlt_lanes){0} - 700;
    rlt_lanes_select(x, &near, &least);
    rlt_lanes shifted = *x * 1.4426950408889634 + shift;
    rlt_lanes k = shifted - shift;
    rlt_lanes r = (*x - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33;
    rlt_lanes p = (rlt_lanes){0} + terms[0];
    for (size_t i = 1; i < sizeof terms / sizeof *terms; i++) {
        p = p * r + terms[i];
    }
    *x = (rlt_lanes)(((rlt_lanes_bits)shifted << 52) + (rlt_lanes_bits)p);
}

/* log(*x) of positive normal numbers: 2 artanh((m - 1) / (m + 1)) of the mantissa m in
 * [sqrt(1 / 2), sqrt(2)), by its series to the power 21; absolute error below 1e-15 max(1, |log|).
 */
RLT_LANES_FN void rlt_lanes_log(rlt_lanes *x) {
    rlt_lanes_bits bits = (rlt_lanes_bits)*x;
    /* sqrt(1 / 2) is 0x3fe6a09e... : from there on the exponent counts as one more */
    rlt_lanes_bits moved = bits - 0x3fe6a09e667f3bcdu + 0x3ff0000000000000u;
    rlt_lanes_bits exponent = moved >> 52;
    rlt_lanes m = (rlt_lanes)(bits - ((exponent - 1023) << 52));
    rlt_lanes e = (rlt_lanes)(exponent | 0x4330000000000000u) - 4503599627370496.0 - 1023;
    rlt_lanes s = (m - 1) / (m + 1), square = s * s;
    rlt_lanes p = (rlt_lanes){0} + 1.0 / 21;
    for (int i = 19; i >= 1; i -= 2) {
        p = p * square + 1.0 / i;
    }
    *x = e * 0x1.62e42fefa39efp-1 + 2 * s * p;
}

/* *p = log(erfc(z) exp(z^2) / t), t = 2 / (2 + z), for z >= 0. */
RLT_LANES_FN void rlt_lanes_erfc_part(const rlt_lanes *t, rlt_lanes *p) {
    static const double terms[] = {
#include "tuner/samplers/erfc_coefficients.inc"
    };
    rlt_lanes y = 2 * *t - 1;
    *p = (rlt_lanes){0} + terms[0];
    for (size_t i = 1; i < sizeof terms / sizeof *terms; i++) {
        *p = *p * y + terms[i];
    }
}

/* *a = log of the standard normal mass in [a, b], a < b; absolute error below 1e-11 where b - a is
 * at least 1e-3, far tails included. With z1 <= z2 the ends' distances from 0 over sqrt 2 it is
 * log of (erfc(z1) - erfc(z2)) / 2 on one side of 0, of 1 - (erfc(z1) + erfc(z2)) / 2 around it. */
RLT_LANES_FN void rlt_lanes_log_mass(rlt_lanes *a, const rlt_lanes *b) {
    const double root = 0.70710678118654752;
    rlt_lanes_bits side = (rlt_lanes_bits)(*a * *b >= 0), positive = (rlt_lanes_bits)(*a + *b > 0);
    rlt_lanes near = root * *a, far = root * *b; /* mirrored when the middle is below 0 */
    rlt_lanes minus_near = -root * *b, minus_far = -root * *a;
    rlt_lanes_select(&near, &positive, &minus_near);
    rlt_lanes_select(&far, &positive, &minus_far);
    near = (rlt_lanes)((rlt_lanes_bits)near & 0x7fffffffffffffffu);
    rlt_lanes t1 = 2 / (2 + near), t2 = 2 / (2 + far), p1, p2;
    rlt_lanes_erfc_part(&t1, &p1);
    rlt_lanes_erfc_part(&t2, &p2);
    rlt_lanes ratio = (p2 - p1) - (far - near) * (far + near); /* erfc(z2) / erfc(z1) */
    rlt_lanes_exp(&ratio);
    ratio *= t2 / t1;
    rlt_lanes outer = p1 - near * near, erfc1 = outer;
    rlt_lanes_exp(&erfc1);
    erfc1 *= t1;
    rlt_lanes inside = 0.5 * t1 * (1 - ratio), around = 1 - 0.5 * erfc1 * (1 + ratio);
    const rlt_lanes zero = {0};
    rlt_lanes_select(&inside, &side, &around);
    rlt_lanes_select(&outer, &side, &zero);
    rlt_lanes_log(&inside);
    *a = inside + outer;
}
#endif
