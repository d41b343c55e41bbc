/* policy: two multi-layer perceptrons side by side, forward and backward, block by block so that
 * activations stay in the L1/L2 cache. Thread: the workspace owner's. */
#include "nn/nn_impl.h"

#include <math.h>
#include <string.h>

/* Compiled for each vector unit, the best chosen at load time; not under sanitizers, whose
 * run time is not up yet when that choice is made. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__)
#define VECTOR_FORMS
#else
#define VECTOR_FORMS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif

static int layer_in(const rlt_policy_spec *spec, int layer) {
    return layer == 0 ? spec->obs_dim : spec->hidden[layer - 1];
}

static int layer_out(const rlt_policy_spec *spec, int layer, int out) {
    return layer == spec->hidden_count ? out : spec->hidden[layer];
}

static size_t net_size(const rlt_policy_spec *spec, int out) {
    size_t size = 0;
    for (int l = 0; l <= spec->hidden_count; l++) {
        size += (size_t)(layer_in(spec, l) + 1) * (size_t)layer_out(spec, l, out);
    }
    return size;
}

size_t rlt_nn_critic_offset(const rlt_policy_spec *spec) {
    return net_size(spec, spec->action_dim);
}

size_t rlt_nn_log_std_offset(const rlt_policy_spec *spec) {
    return net_size(spec, spec->action_dim) + net_size(spec, 1);
}

size_t rlt_policy_param_count(const rlt_policy_spec *spec) {
    return rlt_nn_log_std_offset(spec) + (spec->discrete ? 0 : (size_t)spec->action_dim);
}

rlt_status rlt_policy_check(const rlt_policy_spec *spec, rlt_err *err) {
    if (spec->obs_dim < 1 || spec->obs_dim > RLT_WIDTH_MAX) {
        return rlt_fail(err, RLT_EINVAL, "model: %d observation entries; allowed: 1 to %d",
                        spec->obs_dim, RLT_WIDTH_MAX);
    }
    if (spec->action_dim < 1 || spec->action_dim > RLT_ACTIONS_MAX) {
        return rlt_fail(err, RLT_EINVAL, "model: %d actions; allowed: 1 to %d", spec->action_dim,
                        RLT_ACTIONS_MAX);
    }
    if (spec->hidden_count < 1 || spec->hidden_count > RLT_HIDDEN_MAX) {
        return rlt_fail(err, RLT_EINVAL, "model.hidden: %d layers; allowed: 1 to %d",
                        spec->hidden_count, RLT_HIDDEN_MAX);
    }
    for (int l = 0; l < spec->hidden_count; l++) {
        if (spec->hidden[l] < 1 || spec->hidden[l] > RLT_WIDTH_MAX) {
            return rlt_fail(err, RLT_EINVAL, "model.hidden[%d]: width %d; allowed: 1 to %d", l + 1,
                            spec->hidden[l], RLT_WIDTH_MAX);
        }
    }
    return RLT_OK;
}

/* Rows (of the smaller side) of w[in][out] made orthonormal by modified Gram-Schmidt, scaled. */
static void orthogonal(float *w, int in, int out, double gain, rlt_rng *rng) {
    for (int i = 0; i < in * out; i++) {
        w[i] = (float)rlt_rng_normal(rng);
    }
    bool by_row = in <= out;
    int count = by_row ? in : out, length = by_row ? out : in;
    int vector = by_row ? out : 1, entry = by_row ? 1 : out; /* strides */
    for (int a = 0; a < count; a++) {
        for (int b = 0; b <= a; b++) {
            double dot = 0;
            for (int i = 0; i < length; i++) {
                dot += (double)w[a * vector + i * entry] * (double)w[b * vector + i * entry];
            }
            for (int i = 0; i < length; i++) {
                double other = (double)w[b * vector + i * entry];
                float *mine = &w[a * vector + i * entry];
                *mine = (float)(b < a ? (double)*mine - dot * other : (double)*mine / sqrt(dot));
            }
        }
    }
    for (int i = 0; i < in * out; i++) {
        w[i] = (float)((double)w[i] * gain);
    }
}

static float *init_net(const rlt_policy_spec *spec, float *params, int out, double gain,
                       rlt_rng *rng) {
    for (int l = 0; l <= spec->hidden_count; l++) {
        int rows = layer_in(spec, l), columns = layer_out(spec, l, out);
        orthogonal(params, rows, columns, l < spec->hidden_count ? sqrt(2.0) : gain, rng);
        params += rows * columns;
        memset(params, 0, sizeof(float) * (size_t)columns);
        params += columns;
    }
    return params;
}

void rlt_policy_init(const rlt_policy_spec *spec, uint64_t seed, float *params) {
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_INIT, 0);
    params = init_net(spec, params, spec->action_dim, 0.01, &rng);
    params = init_net(spec, params, 1, 1.0, &rng);
    for (int i = 0; !spec->discrete && i < spec->action_dim; i++) {
        params[i] = spec->log_std_init;
    }
}

rlt_policy_workspace *rlt_policy_workspace_create(const rlt_policy_spec *spec) {
    rlt_policy_workspace *ws = rlt_alloc(sizeof(*ws));
    ws->spec = *spec;
    int width = spec->action_dim;
    for (int l = 0; l < spec->hidden_count; l++) {
        width = spec->hidden[l] > width ? spec->hidden[l] : width;
    }
    width = spec->obs_dim > width ? spec->obs_dim : width;
    size_t block = sizeof(float) * RLT_NN_BLOCK * (size_t)width;
    for (int net = 0; net < 2; net++) {
        for (int l = 0; l <= spec->hidden_count; l++) {
            ws->pre[net][l] = rlt_alloc(block);
            ws->post[net][l] = rlt_alloc(block);
        }
    }
    ws->delta[0] = rlt_alloc(block);
    ws->delta[1] = rlt_alloc(block);
    return ws;
}

void rlt_policy_workspace_destroy(rlt_policy_workspace **workspace) {
    rlt_policy_workspace *ws = *workspace;
    if (ws == NULL) {
        return;
    }
    for (int net = 0; net < 2; net++) {
        for (int l = 0; l <= ws->spec.hidden_count; l++) {
            rlt_free(ws->pre[net][l]);
            rlt_free(ws->post[net][l]);
        }
    }
    rlt_free(ws->delta[0]);
    rlt_free(ws->delta[1]);
    rlt_free(ws);
    *workspace = NULL;
}

/* y[n][out] = x[n][in] w[in][out] + b; the sum over `in` in order for every row alike. */
VECTOR_FORMS static void dense(const float *restrict x, const float *restrict w, int n, int in,
                               int out, float *restrict y) {
    const float *bias = w + (size_t)in * (size_t)out;
    for (int r = 0; r < n; r++) {
        float *row = y + (size_t)r * (size_t)out;
        memcpy(row, bias, sizeof(float) * (size_t)out);
        for (int k = 0; k < in; k++) {
            float a = x[(size_t)r * (size_t)in + (size_t)k];
            const float *from = w + (size_t)k * (size_t)out;
            for (int j = 0; j < out; j++) {
                row[j] += a * from[j];
            }
        }
    }
}

/* tanh by the rational approximation of degree 13/6 that Eigen uses (Eigen's generic_fast_tanh);
 * the absolute error is below 5e-7 with and without fused multiply-add, see nn_test. */
static inline float fast_tanh(float x) {
    x = x > 7.90531110763549805f ? 7.90531110763549805f : x;
    x = x < -7.90531110763549805f ? -7.90531110763549805f : x;
    float y = x * x;
    float p = -2.76076847742355e-16f;
    p = p * y + 2.00018790482477e-13f;
    p = p * y + -8.60467152213735e-11f;
    p = p * y + 5.12229709037114e-08f;
    p = p * y + 1.48572235717979e-05f;
    p = p * y + 6.37261928875436e-04f;
    p = p * y + 4.89352455891786e-03f;
    float q = 1.19825839466702e-06f;
    q = q * y + 1.18534705686654e-04f;
    q = q * y + 2.26843463243900e-03f;
    q = q * y + 4.89352518554385e-03f;
    return x * p / q;
}

VECTOR_FORMS void rlt_nn_tanh(const float *restrict z, int count, float *restrict y) {
    for (int i = 0; i < count; i++) {
        y[i] = fast_tanh(z[i]);
    }
}

static void activate(rlt_act act, const float *z, float *y, int count) {
    if (act == RLT_ACT_TANH) {
        rlt_nn_tanh(z, count, y);
        return;
    }
    for (int i = 0; i < count; i++) {
        float gate = act == RLT_ACT_RELU ? (float)(z[i] > 0) : 1 / (1 + expf(-z[i]));
        y[i] = z[i] * gate;
    }
}

/* delta *= act'(z), y = act(z) */
static void activate_backward(rlt_act act, const float *restrict z, const float *restrict y,
                              float *restrict delta, int count) {
    for (int i = 0; act == RLT_ACT_TANH && i < count; i++) {
        delta[i] *= 1 - y[i] * y[i];
    }
    for (int i = 0; act == RLT_ACT_RELU && i < count; i++) {
        delta[i] = z[i] > 0 ? delta[i] : 0;
    }
    for (int i = 0; act == RLT_ACT_SILU && i < count; i++) {
        float s = 1 / (1 + expf(-z[i]));
        delta[i] *= s + y[i] * (1 - s);
    }
}

void rlt_nn_net_forward(rlt_policy_workspace *ws, int net, const float *params, const float *obs,
                        int n, int out, float *result) {
    const rlt_policy_spec *spec = &ws->spec;
    const float *x = obs;
    for (int l = 0; l <= spec->hidden_count; l++) {
        int rows = layer_in(spec, l), columns = layer_out(spec, l, out);
        bool head = l == spec->hidden_count;
        float *z = head ? result : ws->pre[net][l];
        dense(x, params, n, rows, columns, z);
        if (!head) {
            activate(spec->act, z, ws->post[net][l], n * columns);
            x = ws->post[net][l];
        }
        params += (size_t)(rows + 1) * (size_t)columns;
    }
}

/* dw[in][out] += x^T delta, db += column sums */
VECTOR_FORMS static void dense_grad(const float *restrict x, const float *restrict delta, int n,
                                    int in, int out, float *restrict dw) {
    float *db = dw + (size_t)in * (size_t)out;
    for (int r = 0; r < n; r++) {
        const float *d = delta + (size_t)r * (size_t)out;
        for (int k = 0; k < in; k++) {
            float a = x[(size_t)r * (size_t)in + (size_t)k];
            float *to = dw + (size_t)k * (size_t)out;
            for (int j = 0; j < out; j++) {
                to[j] += a * d[j];
            }
        }
        for (int j = 0; j < out; j++) {
            db[j] += d[j];
        }
    }
}

/* dx[n][in] = delta[n][out] w^T */
VECTOR_FORMS static void dense_input_grad(const float *restrict delta, const float *restrict w,
                                          int n, int in, int out, float *restrict dx) {
    for (int r = 0; r < n; r++) {
        for (int k = 0; k < in; k++) {
            float sum = 0;
#pragma omp simd reduction(+ : sum)
            for (int j = 0; j < out; j++) {
                sum += delta[(size_t)r * (size_t)out + (size_t)j] *
                       w[(size_t)k * (size_t)out + (size_t)j];
            }
            dx[(size_t)r * (size_t)in + (size_t)k] = sum;
        }
    }
}

void rlt_nn_net_backward(rlt_policy_workspace *ws, int net, const float *params, const float *obs,
                         int n, int out, float *grad) {
    const rlt_policy_spec *spec = &ws->spec;
    size_t offset = net_size(spec, out);
    for (int l = spec->hidden_count; l >= 0; l--) {
        int rows = layer_in(spec, l), columns = layer_out(spec, l, out);
        offset -= (size_t)(rows + 1) * (size_t)columns;
        const float *x = l == 0 ? obs : ws->post[net][l - 1];
        dense_grad(x, ws->delta[0], n, rows, columns, grad + offset);
        if (l > 0) {
            dense_input_grad(ws->delta[0], params + offset, n, rows, columns, ws->delta[1]);
            activate_backward(spec->act, ws->pre[net][l - 1], ws->post[net][l - 1], ws->delta[1],
                              n * rows);
            float *swap = ws->delta[0];
            ws->delta[0] = ws->delta[1];
            ws->delta[1] = swap;
        }
    }
}

void rlt_policy_forward(rlt_policy_workspace *ws, const float *params, const float *obs, int n,
                        float *head, float *value) {
    const rlt_policy_spec *spec = &ws->spec;
    for (int at = 0; at < n; at += RLT_NN_BLOCK) {
        int rows = n - at < RLT_NN_BLOCK ? n - at : RLT_NN_BLOCK;
        const float *x = obs + (size_t)at * (size_t)spec->obs_dim;
        rlt_nn_net_forward(ws, 0, params, x, rows, spec->action_dim,
                           head + (size_t)at * (size_t)spec->action_dim);
        rlt_nn_net_forward(ws, 1, params + rlt_nn_critic_offset(spec), x, rows, 1, value + at);
    }
}
