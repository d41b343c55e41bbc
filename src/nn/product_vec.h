/* What the operations of a network need over lanes besides the dense layers: products of any
 * strides, activations and their slopes by themselves; a template, see vec_avx512.h. */
#ifndef RLT_PRODUCT_VEC_H
#define RLT_PRODUCT_VEC_H
#include "nn/dense_vec.h"

ALWAYS_INLINE void activate_all(const int act, const float *z, size_t count, float *y) {
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        v_store(y + i, v_act(act, v_load(z + i)));
    }
    if (i < count) {
        M mask = m_first((int)(count - i));
        v_store_m(mask, y + i, v_act(act, v_load_m(mask, z + i)));
    }
}

static void activate_vec(int act, const float *z, size_t count, float *y) {
    if (act == RLT_ACT_TANH) {
        activate_all(RLT_ACT_TANH, z, count, y);
    } else if (act == RLT_ACT_RELU) {
        activate_all(RLT_ACT_RELU, z, count, y);
    } else {
        activate_all(RLT_ACT_SILU, z, count, y);
    }
}

ALWAYS_INLINE void act_grad_lanes(const int act, M mask, const float *y, const float *z,
                                  const float *dy, float *dz) {
    V v = v_load_m(mask, y), d = v_load_m(mask, dy);
    if (act == RLT_ACT_TANH) {
        v_store_m(mask, dz, d * v_fnma(v, v, v_set(1.0f)));
    } else if (act == RLT_ACT_RELU) {
        v_store_m(mask, dz, v_select(m_lt(v_set(0.0f), v), d, v_set(0.0f)));
    } else {
        V s = v_sigmoid(v_load_m(mask, z));
        v_store_m(mask, dz, d * v_fma(v, v_set(1.0f) - s, s));
    }
}

ALWAYS_INLINE void act_grad_all(const int act, const float *y, const float *z, const float *dy,
                                size_t count, float *dz) {
    for (size_t i = 0; i < count; i += LANES) {
        int left = count - i < (size_t)LANES ? (int)(count - i) : LANES;
        act_grad_lanes(act, m_first(left), y + i, act == RLT_ACT_SILU ? z + i : NULL, dy + i,
                       dz + i);
    }
}

static void act_grad_vec(int act, const float *y, const float *z, const float *dy, size_t count,
                         float *dz) {
    if (act == RLT_ACT_TANH) {
        act_grad_all(RLT_ACT_TANH, y, z, dy, count, dz);
    } else if (act == RLT_ACT_RELU) {
        act_grad_all(RLT_ACT_RELU, y, z, dy, count, dz);
    } else {
        act_grad_all(RLT_ACT_SILU, y, z, dy, count, dz);
    }
}
#endif
