/* Parity of dense, conv, max_pool, embed, activation, add: the references, analytic in float64,
 * since ReLU and the maximum have kinks where a difference says nothing; and the sizes. */
#include "tests/gpu/parity.h"

#include <math.h>
#include <string.h>
#ifdef RLT_PARITY_EMULATED
#include "tests/support/cuda_emulated_libs.h"
#endif

static double act_of(rlt_act act, double z) {
    switch (act) {
    case RLT_ACT_TANH:
        return tanh(z);
    case RLT_ACT_RELU:
        return z > 0 ? z : 0;
    case RLT_ACT_SILU:
        return z / (1 + exp(-z));
    default:
        return z;
    }
}
static double slope_of(rlt_act act, double y, double z) {
    double s = 1 / (1 + exp(-z));
    switch (act) {
    case RLT_ACT_TANH:
        return 1 - y * y;
    case RLT_ACT_RELU:
        return y > 0;
    case RLT_ACT_SILU:
        return s * (1 + z * (1 - s));
    default:
        return 1;
    }
}
static size_t rows_of(const parity_values *v) {
    return (size_t)v->steps * (size_t)v->seqs;
}

/* ---- dense and embed: y = act(x W + b) ---- */

static double dense_sum(const rlt_op *op, const parity_values *v, size_t row, int column) {
    double sum =
        op->kind == RLT_OP_dense ? v->params[(size_t)op->in * (size_t)op->out + (size_t)column] : 0;
    for (int k = 0; k < op->in; k++) {
        sum += v->x[row * (size_t)op->in + (size_t)k] * v->params[k * op->out + column];
    }
    return sum;
}

static void dense(const rlt_op *op, const parity_values *v) {
    rlt_act act = op->kind == RLT_OP_dense ? op->act : RLT_ACT_NONE;
    for (size_t r = 0; r < rows_of(v); r++) {
        for (int j = 0; j < op->out; j++) {
            v->y[r * (size_t)op->out + (size_t)j] = act_of(act, dense_sum(op, v, r, j));
        }
    }
}

static void dense_back(const rlt_op *op, const parity_values *v) {
    size_t in = (size_t)op->in, out = (size_t)op->out;
    rlt_act act = op->kind == RLT_OP_dense ? op->act : RLT_ACT_NONE;
    for (size_t r = 0; r < rows_of(v); r++) {
        for (size_t j = 0; j < out; j++) {
            double z = act == RLT_ACT_SILU ? dense_sum(op, v, r, (int)j) : 0;
            double d = v->dy[r * out + j] * slope_of(act, v->y[r * out + j], z);
            for (size_t k = 0; k < in; k++) {
                v->dx[r * in + k] += d * v->params[k * out + j];
                v->d_params[k * out + j] += d * v->x[r * in + k];
            }
            if (op->kind == RLT_OP_dense) {
                v->d_params[in * out + j] += d;
            }
        }
    }
}

static rlt_op dense_op(int in, int out, rlt_act act, bool add) {
    return (rlt_op){.kind = RLT_OP_dense, .in = in, .out = out, .act = act, .dx_add = add};
}

static void dense_rows(parity *p) {
    static const struct {
        int rows, in, out;
    } sizes[] = {{1, 1, 1}, {3, 5, 7}, {64, 64, 64}, {129, 37, 65}, {257, 128, 6}, {96, 200, 33}};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        for (rlt_act act = RLT_ACT_TANH; act <= RLT_ACT_NONE; act++) {
            parity_case row = {.name = "dense",
                               .op = dense_op(sizes[i].in, sizes[i].out, act, i % 2 == 1),
                               .steps = 1,
                               .seqs = sizes[i].rows};
            parity_op(p, &row, dense, dense_back);
        }
    }
    for (int i = 0; i < 4; i++) {
        parity_case row = {.name = "dense of random size",
                           .op = dense_op(parity_size(p, 1, 90), parity_size(p, 1, 90),
                                          (rlt_act)parity_size(p, 0, 3), i % 2 == 0),
                           .steps = parity_size(p, 1, 4),
                           .seqs = parity_size(p, 1, 50)};
        parity_op(p, &row, dense, dense_back);
    }
}

static void embed_rows(parity *p) {
    static const int sizes[][3] = {{1, 1, 1}, {5, 500, 64}, {77, 16, 33}, {20, 131, 130}};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        parity_case row = {.name = "embed",
                           .op = {.kind = RLT_OP_embed,
                                  .in = sizes[i][1],
                                  .out = sizes[i][2],
                                  .dx_add = i % 2 == 1},
                           .steps = 1,
                           .seqs = sizes[i][0],
                           .one_hot = i != 2,
                           .param_scale = 1};
        parity_op(p, &row, dense, dense_back);
    }
}

/* ---- conv ---- */

typedef struct window {
    size_t x, w, y; /* indices of the first channels */
} window;

/* Calls `term` for every position, filter tap inside the image; w is the tap's first filter. */
typedef void (*window_fn)(const rlt_op *op, const parity_values *v, window at);
static void each_window(const rlt_op *op, const parity_values *v, window_fn term) {
    const int *in = op->in_hwc, *out = op->out_hwc;
    for (size_t n = 0; n < rows_of(v); n++) {
        for (int at = 0; at < out[0] * out[1]; at++) {
            for (int k = 0; k < op->kernel * op->kernel; k++) {
                int h = at / out[1] * op->stride - op->pad + k / op->kernel;
                int w = at % out[1] * op->stride - op->pad + k % op->kernel;
                if (h >= 0 && h < in[0] && w >= 0 && w < in[1]) {
                    term(op, v,
                         (window){n * (size_t)op->in + (size_t)((h * in[1] + w) * in[2]),
                                  (size_t)(k * in[2] * out[2]),
                                  n * (size_t)op->out + (size_t)(at * out[2])});
                }
            }
        }
    }
}

static void conv_term(const rlt_op *op, const parity_values *v, window at) {
    for (int i = 0; i < op->in_hwc[2]; i++) {
        for (int f = 0; f < op->out_hwc[2]; f++) {
            v->y[at.y + (size_t)f] +=
                v->x[at.x + (size_t)i] * v->params[at.w + (size_t)(i * op->out_hwc[2] + f)];
        }
    }
}

static size_t bias_at(const rlt_op *op) {
    return (size_t)(op->kernel * op->kernel * op->in_hwc[2] * op->out_hwc[2]);
}

static void conv_sums(const rlt_op *op, const parity_values *v) {
    for (size_t i = 0; i < rows_of(v) * (size_t)op->out; i++) {
        v->y[i] = v->params[bias_at(op) + i % (size_t)op->out_hwc[2]];
    }
    each_window(op, v, conv_term);
}

static void conv(const rlt_op *op, const parity_values *v) {
    conv_sums(op, v);
    for (size_t i = 0; i < rows_of(v) * (size_t)op->out; i++) {
        v->y[i] = act_of(op->act, v->y[i]);
    }
}

/* dy holds dz here. */
static void conv_back_term(const rlt_op *op, const parity_values *v, window at) {
    for (int i = 0; i < op->in_hwc[2]; i++) {
        for (int f = 0; f < op->out_hwc[2]; f++) {
            size_t w = at.w + (size_t)(i * op->out_hwc[2] + f);
            v->dx[at.x + (size_t)i] += v->dy[at.y + (size_t)f] * v->params[w];
            v->d_params[w] += v->dy[at.y + (size_t)f] * v->x[at.x + (size_t)i];
        }
    }
}

static void conv_back(const rlt_op *op, const parity_values *v) {
    size_t count = rows_of(v) * (size_t)op->out;
    double *dz = rlt_alloc(sizeof(double) * count);
    parity_values sums = *v, back = *v;
    sums.y = rlt_alloc(sizeof(double) * count);
    conv_sums(op, &sums);
    for (size_t i = 0; i < count; i++) {
        dz[i] = v->dy[i] * slope_of(op->act, v->y[i], sums.y[i]);
        v->d_params[bias_at(op) + i % (size_t)op->out_hwc[2]] += dz[i];
    }
    back.dy = dz;
    each_window(op, &back, conv_back_term);
    rlt_free(sums.y);
    rlt_free(dz);
}

typedef struct image_size {
    int rows, height, width, channels, filters, kernel, stride, pad;
} image_size;

static rlt_op image_op(rlt_op_kind kind, image_size s, rlt_act act, bool add) {
    int h = (s.height + 2 * s.pad - s.kernel) / s.stride + 1;
    int w = (s.width + 2 * s.pad - s.kernel) / s.stride + 1;
    return (rlt_op){.kind = kind,
                    .in = s.height * s.width * s.channels,
                    .out = h * w * s.filters,
                    .in_hwc = {s.height, s.width, s.channels},
                    .out_hwc = {h, w, s.filters},
                    .kernel = s.kernel,
                    .stride = s.stride,
                    .pad = s.pad,
                    .act = act,
                    .dx_add = add};
}

static image_size random_image(parity *p, bool same_channels) {
    int kernel = parity_size(p, 1, 4), channels = parity_size(p, 1, 9);
    return (image_size){.rows = parity_size(p, 1, 6),
                        .height = parity_size(p, kernel, 12),
                        .width = parity_size(p, kernel, 12),
                        .channels = channels,
                        .filters = same_channels ? channels : parity_size(p, 1, 17),
                        .kernel = kernel,
                        .stride = parity_size(p, 1, 3),
                        .pad = parity_size(p, 0, kernel / 2)};
}

static void conv_rows(parity *p, const char *name) {
    static const image_size sizes[] = {{1, 1, 1, 1, 1, 1, 1, 0},  {3, 10, 10, 4, 16, 3, 1, 0},
                                       {5, 7, 9, 3, 5, 3, 2, 1},  {2, 20, 20, 4, 8, 8, 4, 0},
                                       {9, 5, 5, 8, 33, 3, 1, 1}, {4, 9, 9, 16, 32, 4, 2, 0}};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        parity_case row = {.name = name,
                           .op = image_op(RLT_OP_conv, sizes[i], (rlt_act)(i % 4), i % 2 == 1),
                           .steps = 1,
                           .seqs = sizes[i].rows};
        parity_op(p, &row, conv, conv_back);
    }
    for (int i = 0; i < 4; i++) {
        image_size s = random_image(p, false);
        parity_case row = {.name = name,
                           .op =
                               image_op(RLT_OP_conv, s, (rlt_act)parity_size(p, 0, 3), i % 2 == 0),
                           .steps = 1,
                           .seqs = s.rows};
        parity_op(p, &row, conv, conv_back);
    }
}

/* ---- max_pool ---- */

/* The place in x of the first maximum of y's window. */
static size_t choice(const rlt_op *op, const parity_values *v, size_t n, int at, int channel) {
    const int *in = op->in_hwc, *out = op->out_hwc;
    size_t best = 0;
    double value = -INFINITY;
    for (int k = 0; k < op->kernel * op->kernel; k++) {
        int h = at / out[1] * op->stride - op->pad + k / op->kernel;
        int w = at % out[1] * op->stride - op->pad + k % op->kernel;
        size_t x = n * (size_t)op->in + (size_t)((h * in[1] + w) * in[2] + channel);
        if (h >= 0 && h < in[0] && w >= 0 && w < in[1] && v->x[x] > value) {
            value = v->x[x];
            best = x;
        }
    }
    return best;
}

static void pool_any(const rlt_op *op, const parity_values *v, bool back) {
    const int *out = op->out_hwc;
    for (size_t n = 0; n < rows_of(v); n++) {
        for (int i = 0; i < op->out; i++) {
            size_t from = choice(op, v, n, i / out[2], i % out[2]),
                   y = n * (size_t)op->out + (size_t)i;
            if (back) {
                v->dx[from] += v->dy[y];
            } else {
                v->y[y] = v->x[from];
            }
        }
    }
}
static void pool(const rlt_op *op, const parity_values *v) {
    pool_any(op, v, false);
}
static void pool_back(const rlt_op *op, const parity_values *v) {
    pool_any(op, v, true);
}

static void pool_rows(parity *p) {
    for (int i = 0; i < 8; i++) {
        image_size s = random_image(p, true);
        parity_case row = {.name = "max_pool",
                           .op = image_op(RLT_OP_max_pool, s, RLT_ACT_NONE, i % 2 == 0),
                           .steps = 1,
                           .seqs = s.rows};
        parity_op(p, &row, pool, pool_back);
    }
}

/* ---- activation and add ---- */

static void activation(const rlt_op *op, const parity_values *v) {
    for (size_t i = 0; i < rows_of(v) * (size_t)op->out; i++) {
        v->y[i] = act_of(op->act, v->x[i]);
    }
}
static void activation_back(const rlt_op *op, const parity_values *v) {
    for (size_t i = 0; i < rows_of(v) * (size_t)op->out; i++) {
        v->dx[i] = v->dy[i] * slope_of(op->act, v->y[i], v->x[i]);
    }
}
static void add(const rlt_op *op, const parity_values *v) {
    for (size_t i = 0; i < rows_of(v) * (size_t)op->out; i++) {
        v->y[i] = v->x[i] + v->x2[i];
    }
}
static void add_back(const rlt_op *op, const parity_values *v) {
    for (size_t i = 0; i < rows_of(v) * (size_t)op->out; i++) {
        v->dx[i] = v->dx2[i] = v->dy[i];
    }
}

static void elementwise_rows(parity *p) {
    for (int i = 0; i < 8; i++) {
        int width = i == 0 ? 1 : parity_size(p, 1, 300);
        parity_case row = {.name = "activation",
                           .op = {.kind = RLT_OP_activation,
                                  .in = width,
                                  .out = width,
                                  .act = (rlt_act)(i % 4),
                                  .dx_add = i > 3},
                           .steps = parity_size(p, 1, 3),
                           .seqs = parity_size(p, 1, 40)};
        parity_op(p, &row, activation, activation_back);
        row.name = "add";
        row.op.kind = RLT_OP_add;
        row.same_x2 = true;
        parity_op(p, &row, add, add_back);
    }
}

void parity_feedforward(parity *p) {
    dense_rows(p);
    embed_rows(p);
    conv_rows(p, "conv");
#ifdef RLT_PARITY_EMULATED
    emulation_conv = false;
    conv_rows(p, "conv by patches");
    emulation_conv = true;
#endif
    pool_rows(p);
    elementwise_rows(p);
}
