/* lanes: dynamics written once as branch-free scalar code, and compiled into a loop over lanes for
 * each vector unit. Every form computes the same IEEE operations in the same order (no contraction
 * into fused multiply-adds), so results are equal bit for bit.
 * Thread: pure functions. */
#ifndef RLT_ENVS_LANES_H
#define RLT_ENVS_LANES_H
#include "env/env.h"
#include "env/forms.h"

#define RLT_LANE static inline __attribute__((always_inline))

/* Defines `name`, the step_many slot, from name##_body(const rlt_env_block *), an RLT_LANE
 * function, compiled for the plain instruction set, for AVX2 and for AVX-512. */
#define RLT_LANES_STEP_MANY(name)                                                                  \
    static void name##_plain(const rlt_env_block *block) {                                         \
        name##_body(block);                                                                        \
    }                                                                                              \
    RLT_TARGET_AVX2 static void name##_avx2(const rlt_env_block *block) {                          \
        name##_body(block);                                                                        \
    }                                                                                              \
    RLT_TARGET_AVX512 static void name##_avx512(const rlt_env_block *block) {                      \
        name##_body(block);                                                                        \
    }                                                                                              \
    static void name(void *context, const rlt_env_block *block) {                                  \
        (void)context;                                                                             \
        if (block->form == RLT_ENV_FORM_AVX512) {                                                  \
            name##_avx512(block);                                                                  \
        } else if (block->form == RLT_ENV_FORM_AVX2) {                                             \
            name##_avx2(block);                                                                    \
        } else {                                                                                   \
            name##_plain(block);                                                                   \
        }                                                                                          \
    }

/* `count` rounded up to whole vectors: rows up to there may be read and written. */
RLT_LANE int rlt_lanes_padded(const rlt_env_block *block) {
    return (block->count + RLT_ENV_LANES_PAD - 1) / RLT_ENV_LANES_PAD * RLT_ENV_LANES_PAD;
}

RLT_LANE double rlt_lane_clamp(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

RLT_LANE float rlt_lane_clampf(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

/* The nearest integer (ties to even) of |x| < 2^51, by pushing the fraction off the mantissa. */
RLT_LANE double rlt_lane_round(double x) {
    const double shift = 6755399441055744.0; /* 1.5 * 2^52 */
    return (x + shift) - shift;
}

/* x less the nearest multiple of 2 pi (of the double nearest it), in [-pi, pi]; |x| < 1e5. The
 * divisor is split so that both products are exact. */
RLT_LANE double rlt_lane_wrap(double x) {
    const double high = 0x1.921fb544p+2, low = 0x1.0b46p-32; /* 33 bits, and the rest */
    double turns = rlt_lane_round(x * 0.15915494309189535);
    return (x - turns * high) - turns * low;
}

/* Sine and cosine of |x| <= 1e5, absolute error at most 2e-16 (tested). Reduced by multiples of
 * pi / 2 in three parts (Cody and Waite, 1980); the kernels are the minimax polynomials of
 * fdlibm's k_sin.c and k_cos.c (Sun Microsystems, 1993) on [-pi / 4, pi / 4]. */
RLT_LANE void rlt_lane_sincos(double x, double *sine, double *cosine) {
    const double part1 = 1.57079632673412561417, part2 = 6.07710050630396597660e-11,
                 part3 = 2.02226624879595063154e-21;
    double quarters = rlt_lane_round(x * 0.63661977236758138);
    double r = ((x - quarters * part1) - quarters * part2) - quarters * part3;
    double z = r * r;
    double s =
        r +
        r * z *
            (-1.66666666666666324348e-01 +
             z * (8.33333333332248946124e-03 +
                  z * (-1.98412698298579493134e-04 +
                       z * (2.75573137070700676789e-06 +
                            z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
    double tail =
        z * z *
        (4.16666666666666019037e-02 +
         z * (-1.38888888888741095749e-03 +
              z * (2.48015872894767294178e-05 +
                   z * (-2.75573143513906633035e-07 +
                        z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
    double half = 0.5 * z, head = 1.0 - half;
    double c = head + (((1.0 - head) - half) + tail);
    double q = quarters - 4.0 * rlt_lane_round(quarters * 0.25 - 0.375); /* 0, 1, 2 or 3 */
    double swapped_sine = q == 1.0 || q == 3.0 ? c : s;
    double swapped_cosine = q == 1.0 || q == 3.0 ? s : c;
    *sine = q >= 2.0 ? -swapped_sine : swapped_sine;
    *cosine = q == 1.0 || q == 2.0 ? -swapped_cosine : swapped_cosine;
}
#endif
