/* Losses of proximal policy optimisation (Schulman et al. 2017) and their gradients at the heads,
 * one row a lane; a template, see vec_avx512.h. Lanes past the last row hold zeros and are neither
 * counted nor stored. Comparisons are ordered so that a NaN reaches the sums. */
#ifndef RLT_LOSS_VEC_H
#define RLT_LOSS_VEC_H
#include "nn/dense_vec.h"

/* Sums over a block of rows, one lane a row: sixteen partial sums whatever the unit, row r in the
 * lane r % 16. */
enum { PARTS = 16 / LANES };
typedef struct loss_sums {
    V policy_loss, value_loss, entropy, approx_kl, clipped;
} loss_sums;

static inline double add_lanes(double sum, V a) {
    float lanes[LANES];
    v_store(lanes, a);
    for (int i = 0; i < LANES; i++) {
        sum += (double)lanes[i];
    }
    return sum;
}

static void add_sums(const loss_sums sums[PARTS], rlt_ppo_stats *stats) {
    for (int i = 0; i < PARTS; i++) {
        stats->policy_loss = add_lanes(stats->policy_loss, sums[i].policy_loss);
        stats->value_loss = add_lanes(stats->value_loss, sums[i].value_loss);
        stats->entropy = add_lanes(stats->entropy, sums[i].entropy);
        stats->approx_kl = add_lanes(stats->approx_kl, sums[i].approx_kl);
        stats->clipped = add_lanes(stats->clipped, sums[i].clipped);
    }
}

/* Column j of up to LANES rows of a dense matrix; zeros past the last row. */
static inline V load_column(const float *x, int columns, int j, int rows) {
    float lanes[LANES] = {0};
    for (int i = 0; i < rows; i++) {
        lanes[i] = x[(ptrdiff_t)i * columns + j];
    }
    return v_load(lanes);
}

static inline void store_column(float *x, int columns, int j, int rows, V a) {
    float lanes[LANES];
    v_store(lanes, a);
    for (int i = 0; i < rows; i++) {
        x[(ptrdiff_t)i * columns + j] = lanes[i];
    }
}

static inline V keep(M mask, V a) {
    return v_select(mask, a, v_set(0.0f));
}

/* The clipped surrogate; returns d loss / d log_prob. */
static inline V surrogate(const rlt_policy_rows *rows, int r, M mask, V log_prob, loss_sums *sums) {
    V log_ratio = log_prob - v_load_m(mask, rows->old_log_prob + r);
    V advantage = v_load_m(mask, rows->advantage + r), ratio = v_exp(log_ratio);
    V low = v_set(1.0f - rows->clip), high = v_set(1.0f + rows->clip);
    V bounded = v_min(high, v_max(low, ratio));
    V plain = v_set(0.0f) - advantage * ratio, clipped = v_set(0.0f) - advantage * bounded;
    /* where the clipped term is the larger one, its ratio is constant: no gradient */
    M flat = m_lt(plain, clipped);
    V excess = ratio - v_set(1.0f);
    sums->policy_loss = sums->policy_loss + keep(mask, v_select(flat, clipped, plain));
    /* Schulman's low-variance estimate */
    sums->approx_kl = sums->approx_kl + keep(mask, excess - log_ratio);
    M outside = m_lt(v_set(rows->clip), v_abs(excess));
    sums->clipped = sums->clipped + keep(mask, keep(outside, v_set(1.0f)));
    return v_select(flat, v_set(0.0f), plain * v_set(rows->scale));
}

/* log_p[j] and p[j] of every action of up to LANES rows; returns the entropy. */
static inline V log_softmax(const float *head, int dim, int rows, V *log_p, V *p) {
    V max = log_p[0] = load_column(head, dim, 0, rows);
    for (int j = 1; j < dim; j++) {
        log_p[j] = load_column(head, dim, j, rows);
        max = v_max(max, log_p[j]);
    }
    V sum = v_set(0.0f), entropy = v_set(0.0f);
    for (int j = 0; j < dim; j++) {
        p[j] = v_exp(log_p[j] - max);
        sum = sum + p[j];
    }
    V log_sum = max + v_log(sum), scale = v_set(1.0f) / sum;
    for (int j = 0; j < dim; j++) {
        log_p[j] = log_p[j] - log_sum;
        p[j] = p[j] * scale;
        entropy = v_fnma(p[j], log_p[j], entropy);
    }
    return entropy;
}

static void categorical_loss_vec(const rlt_policy_rows *rows, rlt_ppo_stats *stats) {
    int dim = rows->action_dim;
    V log_p[RLT_ACTIONS_MAX], p[RLT_ACTIONS_MAX];
    loss_sums sums[PARTS] = {0};
    V d_entropy = v_set(-rows->ent_coef * rows->scale);
    for (int r = 0; r < rows->n; r += LANES) {
        int left = rows->n - r < LANES ? rows->n - r : LANES;
        M mask = m_first(left);
        I action = i_load_m(mask, (const int32_t *)rows->action + r);
        V entropy = log_softmax(rows->head + (ptrdiff_t)r * dim, dim, left, log_p, p);
        V log_prob = log_p[0];
        for (int j = 1; j < dim; j++) {
            log_prob = v_select(i_eq(action, i_set(j)), log_p[j], log_prob);
        }
        loss_sums *sum = &sums[r / LANES % PARTS];
        V d_log_prob = surrogate(rows, r, mask, log_prob, sum);
        sum->entropy = sum->entropy + keep(mask, entropy);
        for (int j = 0; j < dim; j++) {
            V hit = v_select(i_eq(action, i_set(j)), v_set(1.0f), v_set(0.0f));
            V slope = d_entropy * p[j] * (log_p[j] + entropy);
            store_column(rows->d_head + (ptrdiff_t)r * dim, dim, j, left,
                         v_fma(d_log_prob, hit - p[j], v_set(0.0f) - slope));
        }
    }
    add_sums(sums, stats);
}

/* A stored action of the squashed Gaussian back before tanh; *correction is log(1 - a^2), the
 * Jacobian. Both from log(1 + a) and log(1 - a), where 1 - |a| is exact near the bounds. */
static inline V unsquash(V a, V *correction) {
    V bound = v_set(RLT_SQUASH_MAX);
    a = v_min(bound, v_max(v_set(0.0f) - bound, a));
    V up = v_log(v_set(1.0f) + a), down = v_log(v_set(1.0f) - a);
    *correction = up + down;
    return v_set(0.5f) * (up - down);
}

/* z[j] = (u - mean) / std of every entry; returns the log-probability. */
static inline V gaussian_log_prob(const rlt_policy_rows *rows, int r, int left, V *z) {
    int dim = rows->action_dim;
    const float *action = (const float *)rows->action + (ptrdiff_t)r * dim;
    V log_prob = v_set(0.0f);
    for (int j = 0; j < dim; j++) {
        V u = load_column(action, dim, j, left), correction = v_set(0.0f);
        if (rows->squash) {
            u = unsquash(u, &correction);
        }
        V log_std = v_set(rows->log_std[j]);
        z[j] = (u - load_column(rows->head + (ptrdiff_t)r * dim, dim, j, left)) *
               v_exp(v_set(0.0f) - log_std);
        V constant = log_std + v_set(0.9189385332046727f) + correction; /* log sqrt(2 pi) */
        log_prob = log_prob + v_fma(v_set(-0.5f) * z[j], z[j], v_set(0.0f) - constant);
    }
    return log_prob;
}

static void gaussian_loss_vec(const rlt_policy_rows *rows, rlt_ppo_stats *stats) {
    int dim = rows->action_dim;
    V z[RLT_ACTIONS_MAX], d_log_std[RLT_ACTIONS_MAX][PARTS];
    V entropy = v_set(0.0f);
    for (int j = 0; j < dim; j++) {
        for (int i = 0; i < PARTS; i++) {
            d_log_std[j][i] = v_set(0.0f);
        }
        entropy = entropy + v_set(rows->log_std[j] + 1.4189385332046727f); /* log sqrt(2 pi e) */
    }
    loss_sums sums[PARTS] = {0};
    for (int r = 0; r < rows->n; r += LANES) {
        int left = rows->n - r < LANES ? rows->n - r : LANES;
        M mask = m_first(left);
        V log_prob = gaussian_log_prob(rows, r, left, z);
        int part = r / LANES % PARTS;
        V d_log_prob = keep(mask, surrogate(rows, r, mask, log_prob, &sums[part]));
        sums[part].entropy = sums[part].entropy + keep(mask, entropy);
        for (int j = 0; j < dim; j++) {
            V slope = d_log_prob * z[j] * v_exp(v_set(-rows->log_std[j]));
            store_column(rows->d_head + (ptrdiff_t)r * dim, dim, j, left, slope);
            V d = v_fma(d_log_prob, v_fma(z[j], z[j], v_set(-1.0f)), d_log_std[j][part]);
            d_log_std[j][part] = d + keep(mask, v_set(-rows->ent_coef * rows->scale));
        }
    }
    for (int j = 0; j < dim; j++) {
        double sum = 0;
        for (int i = 0; i < PARTS; i++) {
            sum = add_lanes(sum, d_log_std[j][i]);
        }
        rows->d_log_std[j] += (float)sum;
    }
    add_sums(sums, stats);
}

static void value_loss_vec(const float *value, const float *old, const float *target, int n,
                           const rlt_ppo_coef *coef, float scale, float *d_value,
                           rlt_ppo_stats *stats) {
    loss_sums sums[PARTS] = {0};
    V range = v_set(coef->vf_clip), zero = v_set(0.0f);
    for (int r = 0; r < n; r += LANES) {
        M mask = m_first(n - r);
        V x = v_load_m(mask, value + r), t = v_load_m(mask, target + r);
        V error = x - t, loss = error * error, slope = error;
        if (coef->vf_clip > 0) {
            V before = v_load_m(mask, old + r), move = x - before;
            V bounded = before + v_min(range, v_max(zero - range, move)) - t;
            V clipped = bounded * bounded;
            /* within the range both are the same but for rounding: the gradient passes */
            M outside = m_lt(range, v_abs(move)), larger = m_lt(loss, clipped);
            slope = v_select(m_and(outside, larger), zero, error);
            loss = v_select(larger, clipped, loss);
        }
        V *sum = &sums[r / LANES % PARTS].value_loss;
        *sum = *sum + keep(mask, v_set(0.5f) * loss);
        v_store_m(mask, d_value + r, v_set(coef->vf_coef * scale) * slope);
    }
    add_sums(sums, stats);
}
#endif
