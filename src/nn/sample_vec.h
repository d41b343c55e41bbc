/* Draws of actions, one row a lane; a template, see vec_avx512.h. The random words are those of
 * rlt_rng: Philox4x32-10 (Salmon et al., SC'11), here for LANES environments at once. */
#ifndef RLT_SAMPLE_VEC_H
#define RLT_SAMPLE_VEC_H
#include "nn/loss_vec.h"

/* The block `block` of environments first_env + r ..; as rlt_rng_block, lane by lane. */
static inline void philox(const rlt_sample_rows *rows, int r, uint64_t block, I words[4]) {
    I multiplier0 = i_set((int32_t)0xd2511f53u), multiplier1 = i_set((int32_t)0xcd9e8d57u);
    words[0] = i_set((int32_t)(uint32_t)block);
    words[1] = i_set((int32_t)(uint32_t)(block >> 32));
    words[2] = i_set(RLT_STREAM_ACTION);
    words[3] = i_add(i_set((int32_t)(rows->first_env + (uint32_t)r)), i_lanes());
    uint32_t key0 = (uint32_t)rows->seed, key1 = (uint32_t)(rows->seed >> 32);
    for (int round = 0; round < 10; round++) {
        I high0, high1;
        I low0 = i_mul_wide(words[0], multiplier0, &high0);
        I low1 = i_mul_wide(words[2], multiplier1, &high1);
        words[0] = i_xor(i_xor(high1, words[1]), i_set((int32_t)key0));
        words[2] = i_xor(i_xor(high0, words[3]), i_set((int32_t)key1));
        words[1] = low1;
        words[3] = low0;
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
}

/* Inverse of the cumulative distribution at u in [0, 1). */
static void sample_categorical_vec(const rlt_sample_rows *rows) {
    int dim = rows->action_dim;
    V log_p[RLT_ACTIONS_MAX], p[RLT_ACTIONS_MAX];
    for (int r = 0; r < rows->n; r += LANES) {
        int left = rows->n - r < LANES ? rows->n - r : LANES;
        I words[4], action = i_set(dim - 1);
        philox(rows, r, rows->step, words);
        V u = v_from_i(i_shr(words[0], 8)) * v_set(0x1p-24f);
        log_softmax(rows->head + (ptrdiff_t)r * dim, dim, left, log_p, p);
        V sum = v_set(0.0f), log_prob = log_p[dim - 1];
        M open = m_first(LANES);
        for (int j = 0; j < dim - 1; j++) {
            sum = sum + p[j];
            M hit = m_and(open, m_lt(u, sum));
            action = i_select(hit, i_set(j), action);
            log_prob = v_select(hit, log_p[j], log_prob);
            open = m_and_not(open, hit);
        }
        i_store_m(m_first(left), (int32_t *)rows->action + r, action);
        v_store_m(m_first(left), rows->log_prob + r, log_prob);
    }
}

/* An unsigned word as a float, rounded twice at most. */
static inline V v_unsigned(I word) {
    return v_fma(v_from_i(i_shr(word, 16)), v_set(65536.0f), v_from_i(i_and(word, i_set(0xffff))));
}

/* Box-Muller's cosine half as rlt_rng_normal defines it, from one block, in float: with w the first
 * 53 bits, 1 - w 2^-53 is taken from the complement, which keeps its relative precision. */
static inline V normal(const I words[4]) {
    I ones = i_set(-1);
    V y = v_fma(v_unsigned(i_xor(words[1], ones)), v_set(0x1p-32f),
                (v_unsigned(i_shr(i_xor(words[0], ones), 11)) + v_set(1.0f)) * v_set(0x1p-53f));
    V u = v_fma(v_unsigned(words[1]), v_set(0x1p-32f), v_unsigned(words[0]) * v_set(0x1p-64f));
    V near = v_log1p_reduced(v_set(0.0f) - u, v_set(0.0f)); /* log(1 - u) for small u */
    V log_y = v_select(m_lt(u, v_set(0.25f)), near, v_log(y));
    V turns = v_unsigned(words[3]) * v_set(0x1p-32f);
    return v_sqrt(v_set(-2.0f) * log_y) * v_cos_turns(turns);
}

static void sample_gaussian_vec(const rlt_sample_rows *rows) {
    int dim = rows->action_dim;
    for (int r = 0; r < rows->n; r += LANES) {
        int left = rows->n - r < LANES ? rows->n - r : LANES;
        ptrdiff_t at = (ptrdiff_t)r * dim;
        V log_prob = v_set(0.0f), bound = v_set(RLT_SQUASH_MAX);
        for (int j = 0; j < dim; j++) {
            I words[4];
            philox(rows, r, rows->step * (uint64_t)dim + (uint64_t)j, words);
            V log_std = v_set(rows->log_std[j]), mean = load_column(rows->head + at, dim, j, left);
            V z = normal(words), correction = v_set(0.0f), scale = v_exp(log_std);
            V a = v_fma(scale, z, mean);
            if (rows->squash) { /* the probability is that of the action as it is stored */
                a = v_min(bound, v_max(v_set(0.0f) - bound, v_tanh(a)));
                z = (unsquash(a, &correction) - mean) * v_exp(v_set(0.0f) - log_std);
            }
            store_column((float *)rows->action + at, dim, j, left, a);
            V constant = log_std + v_set(0.9189385332046727f) + correction;
            log_prob = log_prob + v_fma(v_set(-0.5f) * z, z, v_set(0.0f) - constant);
        }
        v_store_m(m_first(left), rows->log_prob + r, log_prob);
    }
}
#endif
