/* The kernels as plain loops: the definition that the vector forms are tested against, and what
 * runs on processors without AVX2. Thread: any; no state. */
#include "nn/dist.h"
#include "nn/kernels.h"
#include "nn/loops.h"

#include <math.h>
#include <stddef.h>

static float act_plain(int act, float z) {
    return act == RLT_ACT_TANH   ? tanhf(z)
           : act == RLT_ACT_RELU ? (z > 0 ? z : z * 0)
                                 : z / (1 + expf(-z));
}

static float act_slope(int act, float y, float z) {
    if (act == RLT_ACT_SILU) {
        float s = 1 / (1 + expf(-z));
        return s + y * (1 - s);
    }
    return act == RLT_ACT_TANH ? 1 - y * y : (float)(y > 0);
}

static void activate_plain(int act, const float *z, size_t count, float *y) {
    for (size_t i = 0; i < count; i++) {
        y[i] = act_plain(act, z[i]);
    }
}

static void act_grad_plain(int act, const float *y, const float *z, const float *dy, size_t count,
                           float *dz) {
    for (size_t i = 0; i < count; i++) {
        dz[i] = dy[i] * act_slope(act, y[i], act == RLT_ACT_SILU ? z[i] : 0);
    }
}

static void product_plain(const rlt_nn_product *p) {
    enum { PANEL = 64 };
    for (int j0 = 0; j0 < p->n; j0 += PANEL) {
        int width = p->n - j0 < PANEL ? p->n - j0 : PANEL;
        for (int i = 0; i < p->m; i++) {
            float sum[PANEL];
            for (int j = 0; j < width; j++) {
                sum[j] = p->bias == NULL ? 0 : p->bias[j0 + j];
            }
            for (int k = 0; k < p->steps; k++) {
                float left = p->a[i * p->a_row + k * p->a_step];
                const float *right = p->b + k * p->b_stride + j0;
                for (int j = 0; j < width; j++) {
                    sum[j] += left * right[j];
                }
            }
            float *c = p->c + i * p->c_stride + j0;
            for (int j = 0; j < width; j++) {
                c[j] = p->add ? c[j] + sum[j] : sum[j];
            }
        }
    }
}

static void column_sums_plain(const float *d, int d_stride, int n, int out, float *sum) {
    for (int r = 0; r < n; r++) {
        for (int j = 0; j < out; j++) {
            sum[j] += d[(ptrdiff_t)r * d_stride + j];
        }
    }
}

static void dense_plain(const float *x, int x_stride, const float *w, int n, int in, int out,
                        int act, float *y, int y_stride, float *z) {
    const float *bias = w + (ptrdiff_t)in * out;
    for (int r = 0; r < n; r++) {
        float *row = (z ? z : y) + (ptrdiff_t)r * y_stride;
        memcpy(row, bias, sizeof(float) * (size_t)out);
        for (int k = 0; k < in; k++) {
            float left = x[(ptrdiff_t)r * x_stride + k];
            for (int j = 0; j < out; j++) {
                row[j] += left * w[(ptrdiff_t)k * out + j];
            }
        }
        for (int j = 0; act != RLT_NN_LINEAR && j < out; j++) {
            y[(ptrdiff_t)r * y_stride + j] = act_plain(act, row[j]);
        }
    }
}

static void head_plain(const float *x, int x_stride, const float *wt, int wt_stride, const float *b,
                       int n, int out, float *y) {
    for (int r = 0; r < n; r++) {
        for (int j = 0; j < out; j++) {
            float sum = b[j];
            for (int k = 0; k < wt_stride; k++) {
                sum += x[(ptrdiff_t)r * x_stride + k] * wt[(ptrdiff_t)j * wt_stride + k];
            }
            y[(ptrdiff_t)r * out + j] = sum;
        }
    }
}

static void weight_grad_plain(const float *x, int x_stride, const float *d, int d_stride, int n,
                              int in, int out, float *dw) {
    float *db = dw + (ptrdiff_t)in * out;
    for (int r = 0; r < n; r++) {
        const float *row = d + (ptrdiff_t)r * d_stride;
        for (int k = 0; k < in; k++) {
            float left = x[(ptrdiff_t)r * x_stride + k];
            for (int j = 0; j < out; j++) {
                dw[(ptrdiff_t)k * out + j] += left * row[j];
            }
        }
        for (int j = 0; j < out; j++) {
            db[j] += row[j];
        }
    }
}

static void input_grad_plain(const float *d, int d_stride, const float *wt, int wt_stride, int n,
                             int out, int in, int act, const float *y, const float *z, float *dx,
                             int dx_stride) {
    for (int r = 0; r < n; r++) {
        float *row = dx + (ptrdiff_t)r * dx_stride;
        memset(row, 0, sizeof(float) * (size_t)in);
        for (int j = 0; j < out; j++) {
            float left = d[(ptrdiff_t)r * d_stride + j];
            for (int k = 0; k < in; k++) {
                row[k] += left * wt[(ptrdiff_t)j * wt_stride + k];
            }
        }
        for (int k = 0; act != RLT_NN_LINEAR && k < in; k++) {
            ptrdiff_t at = (ptrdiff_t)r * dx_stride + k;
            row[k] *= act_slope(act, y[at], z ? z[at] : 0);
        }
    }
}

static void transpose_plain(const float *w, int first, int end, int out, float *wt, int wt_stride) {
    for (int k = first; k < end; k++) {
        for (int j = 0; j < out; j++) {
            wt[(ptrdiff_t)j * wt_stride + k] = w[(ptrdiff_t)k * out + j];
        }
    }
}

static void tanh_plain(const float *x, int count, float *y) {
    for (int i = 0; i < count; i++) {
        y[i] = tanhf(x[i]);
    }
}

/* Adds the policy terms of one row; returns d loss / d log_prob. */
static float surrogate(const rlt_policy_rows *rows, int r, float log_prob, float entropy,
                       rlt_ppo_stats *stats) {
    float log_ratio = log_prob - rows->old_log_prob[r], ratio = expf(log_ratio);
    float low = 1 - rows->clip, high = 1 + rows->clip;
    float bounded = ratio < low ? low : ratio > high ? high : ratio;
    float plain = -rows->advantage[r] * ratio, clipped = -rows->advantage[r] * bounded;
    /* where the clipped term is the larger one, its ratio is constant: no gradient */
    bool flat = plain < clipped;
    stats->policy_loss += (double)(flat ? clipped : plain);
    stats->entropy += (double)entropy;
    stats->approx_kl += (double)(ratio - 1 - log_ratio); /* Schulman's low-variance estimate */
    stats->clipped += fabsf(ratio - 1) > rows->clip;
    return flat ? 0 : plain * rows->scale;
}

static void categorical_loss_plain(const rlt_policy_rows *rows, rlt_ppo_stats *stats) {
    int dim = rows->action_dim;
    float log_p[RLT_ACTIONS_MAX], d_entropy = -rows->ent_coef * rows->scale;
    for (int r = 0; r < rows->n; r++) {
        int action = ((const int32_t *)rows->action)[r];
        float entropy = rlt_dist_log_softmax(rows->head + (ptrdiff_t)r * dim, NULL, dim, log_p);
        float d_log_prob = surrogate(rows, r, log_p[action], entropy, stats);
        for (int i = 0; i < dim; i++) {
            float p = expf(log_p[i]), hit = action == i ? 1 : 0;
            rows->d_head[(ptrdiff_t)r * dim + i] =
                d_log_prob * (hit - p) - d_entropy * p * (log_p[i] + entropy);
        }
    }
}

static void gaussian_loss_plain(const rlt_policy_rows *rows, rlt_ppo_stats *stats) {
    int dim = rows->action_dim;
    float z[RLT_ACTIONS_MAX], entropy = rlt_dist_gaussian_entropy(rows->log_std, dim);
    for (int r = 0; r < rows->n; r++) {
        ptrdiff_t at = (ptrdiff_t)r * dim;
        float log_prob = rlt_dist_gaussian((const float *)rows->action + at, rows->head + at,
                                           rows->log_std, dim, rows->squash, z);
        float d_log_prob = surrogate(rows, r, log_prob, entropy, stats);
        for (int i = 0; i < dim; i++) {
            rows->d_head[at + i] = d_log_prob * z[i] / expf(rows->log_std[i]);
            rows->d_log_std[i] += d_log_prob * (z[i] * z[i] - 1) - rows->ent_coef * rows->scale;
        }
    }
}

static void value_loss_plain(const float *value, const float *old, const float *target, int n,
                             const rlt_ppo_coef *coef, float scale, float *d_value,
                             rlt_ppo_stats *stats) {
    for (int r = 0; r < n; r++) {
        float error = value[r] - target[r], loss = error * error, slope = error;
        if (coef->vf_clip > 0) {
            float move = value[r] - old[r], range = coef->vf_clip;
            float bounded = old[r] + (move < -range ? -range : move > range ? range : move);
            float clipped = (bounded - target[r]) * (bounded - target[r]);
            /* within the range both are the same but for rounding: the gradient passes */
            slope = fabsf(move) > range && clipped > loss ? 0 : error;
            loss = loss < clipped ? clipped : loss;
        }
        stats->value_loss += 0.5 * (double)loss;
        d_value[r] = coef->vf_coef * slope * scale;
    }
}

static void sample_categorical_plain(const rlt_sample_rows *rows) {
    int dim = rows->action_dim;
    for (int r = 0; r < rows->n; r++) {
        rlt_rng rng = rlt_rng_make(rows->seed, RLT_STREAM_ACTION, rows->first_env + (uint32_t)r);
        rng.index = rows->step * 4;
        float log_p[RLT_ACTIONS_MAX];
        rlt_dist_log_softmax(rows->head + (ptrdiff_t)r * dim, NULL, dim, log_p);
        int action = rlt_dist_pick(log_p, NULL, dim, rlt_rng_f32(&rng));
        ((int32_t *)rows->action)[r] = action;
        rows->log_prob[r] = log_p[action];
    }
}

static void sample_gaussian_plain(const rlt_sample_rows *rows) {
    int dim = rows->action_dim;
    for (int r = 0; r < rows->n; r++) {
        rlt_rng rng = rlt_rng_make(rows->seed, RLT_STREAM_ACTION, rows->first_env + (uint32_t)r);
        rng.index = rows->step * 4 * (uint64_t)dim;
        const float *mean = rows->head + (ptrdiff_t)r * dim;
        float *action = (float *)rows->action + (ptrdiff_t)r * dim, z[RLT_ACTIONS_MAX];
        for (int i = 0; i < dim; i++) {
            float u = mean[i] + expf(rows->log_std[i]) * (float)rlt_rng_normal(&rng);
            action[i] = rows->squash ? rlt_dist_bound_squashed(tanhf(u)) : u;
        }
        rows->log_prob[r] = rlt_dist_gaussian(action, mean, rows->log_std, dim, rows->squash, z);
    }
}

const rlt_nn_kernels rlt_nn_kernels_plain = {
    .name = "plain",
    .seq = &rlt_nn_seq_kernels_plain,
    .product = product_plain,
    .column_sums = column_sums_plain,
    .activate = activate_plain,
    .act_grad = act_grad_plain,
    .dense = dense_plain,
    .head = head_plain,
    .weight_grad = weight_grad_plain,
    .head_grad = weight_grad_plain,
    .input_grad = input_grad_plain,
    .transpose = transpose_plain,
    .tanh = tanh_plain,
    .categorical_loss = categorical_loss_plain,
    .gaussian_loss = gaussian_loss_plain,
    .value_loss = value_loss_plain,
    .sample_categorical = sample_categorical_plain,
    .sample_gaussian = sample_gaussian_plain,
    .gae = gae_loop,
    .pool_max = pool_max_loop,
    .pool_grad = pool_grad_loop,
    .add = add_loop,
    .sum_squares = sum_squares_loop,
    .adam = adam_loop,
    .sgd = sgd_loop,
    .rmsprop = rmsprop_loop,
};
