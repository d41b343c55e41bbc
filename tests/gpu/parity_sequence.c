/* Parity of the norms, LSTM, GRU, attention and the gate: their definitions of ops.h, in float64,
 * one row or step after the other; gradients by central differences of these. */
#include "tests/gpu/parity.h"

#include <math.h>
#include <string.h>

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}
/* sum over k of a[k] w[k][column], w having `width` columns */
static double dot(const double *a, const double *w, int count, int width, int column) {
    double sum = 0;
    for (int k = 0; k < count; k++) {
        sum += a[k] * w[(size_t)k * (size_t)width + (size_t)column];
    }
    return sum;
}

/* ---- norms ---- */

static void norm(const rlt_op *op, const parity_values *v) {
    bool layer = op->kind == RLT_OP_layer_norm;
    for (int row = 0; row < v->steps * v->seqs; row++) {
        const double *x = v->x + (size_t)row * (size_t)op->in;
        double mean = 0, square = 0;
        for (int i = 0; layer && i < op->in; i++) {
            mean += x[i] / op->in;
        }
        for (int i = 0; i < op->in; i++) {
            square += (x[i] - mean) * (x[i] - mean) / op->in;
        }
        double inverse = 1 / sqrt(square + (layer ? 1e-5 : 1e-6));
        for (int i = 0; i < op->in; i++) {
            v->y[(size_t)row * (size_t)op->in + (size_t)i] =
                (x[i] - mean) * inverse * v->params[i] + (layer ? v->params[op->in + i] : 0);
        }
    }
}

static void norm_rows(parity *p) {
    static const int sizes[][2] = {{1, 3}, {3, 4}, {37, 33}, {130, 64}, {9, 1000}, {1, 257}};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        for (int layer = 0; layer < 2; layer++) {
            rlt_op op = {.kind = layer ? RLT_OP_layer_norm : RLT_OP_rms_norm,
                         .in = sizes[i][1],
                         .out = sizes[i][1],
                         .dx_add = i % 2 == 1};
            parity_case row = {.name = layer ? "layer_norm" : "rms_norm",
                               .op = op,
                               .steps = 1,
                               .seqs = sizes[i][0],
                               .x_scale = 3,
                               .param_scale = 1,
                               .loosen = sizes[i][1] == 3 ? 64 : 1}; /* few entries cancel */
            parity_op(p, &row, norm, NULL);
        }
    }
}

/* ---- recurrence ---- */

/* h (and c) of one sequence before step t, zeros after a reset. */
static void state_before(const rlt_op *op, const parity_values *v, int n, int t, int width,
                         double *state) {
    if (t == 0) {
        memset(state, 0, sizeof(double) * (size_t)width);
        if (v->state != NULL) {
            memcpy(state, v->state + (size_t)n * (size_t)op->state_width,
                   sizeof(double) * (size_t)width);
        }
    }
    if (v->reset != NULL && v->reset[(size_t)t * (size_t)v->seqs + (size_t)n] != 0) {
        memset(state, 0, sizeof(double) * (size_t)width);
    }
}
static void state_after(const parity_values *v, int n, int width, const double *state) {
    if (v->state_out != NULL) {
        memcpy(v->state_out + (size_t)n * (size_t)width, state, sizeof(double) * (size_t)width);
    }
}

enum { UNITS_MAX = 160 };

static void lstm(const rlt_op *op, const parity_values *v) {
    int u = op->out, width = 4 * u;
    const double *wh = v->params + (size_t)op->in * (size_t)width,
                 *b = wh + (size_t)u * (size_t)width;
    double state[2 * UNITS_MAX], gate[4 * UNITS_MAX];
    for (int n = 0; n < v->seqs; n++) {
        for (int t = 0; t < v->steps; t++) {
            size_t row = (size_t)t * (size_t)v->seqs + (size_t)n;
            state_before(op, v, n, t, 2 * u, state);
            for (int j = 0; j < width; j++) {
                gate[j] = dot(v->x + row * (size_t)op->in, v->params, op->in, width, j) +
                          dot(state, wh, u, width, j) + b[j];
            }
            for (int j = 0; j < u; j++) {
                state[u + j] =
                    sigmoid(gate[u + j]) * state[u + j] + sigmoid(gate[j]) * tanh(gate[2 * u + j]);
                state[j] = sigmoid(gate[3 * u + j]) * tanh(state[u + j]);
            }
            memcpy(v->y + row * (size_t)u, state, sizeof(double) * (size_t)u);
        }
        state_after(v, n, 2 * u, state);
    }
}

static void gru(const rlt_op *op, const parity_values *v) {
    int u = op->out, width = 3 * u;
    const double *wh = v->params + (size_t)op->in * (size_t)width;
    const double *bx = wh + (size_t)u * (size_t)width, *bh = bx + width;
    double h[UNITS_MAX], input[3 * UNITS_MAX], inner[3 * UNITS_MAX];
    for (int n = 0; n < v->seqs; n++) {
        for (int t = 0; t < v->steps; t++) {
            size_t row = (size_t)t * (size_t)v->seqs + (size_t)n;
            state_before(op, v, n, t, u, h);
            for (int j = 0; j < width; j++) {
                input[j] = dot(v->x + row * (size_t)op->in, v->params, op->in, width, j) + bx[j];
                inner[j] = dot(h, wh, u, width, j) + bh[j];
            }
            for (int j = 0; j < u; j++) {
                double r = sigmoid(input[j] + inner[j]), z = sigmoid(input[u + j] + inner[u + j]);
                h[j] = (1 - z) * tanh(input[2 * u + j] + r * inner[2 * u + j]) + z * h[j];
            }
            memcpy(v->y + row * (size_t)u, h, sizeof(double) * (size_t)u);
        }
        state_after(v, n, u, h);
    }
}

/* Both forms of the CUDA backend: resident for 4 or more steps of at most 128 units (with one, two
 * and four sequences a block: the emulated device has 4 multiprocessors), else step by step. */
static void recurrent_rows(parity *p) {
    static const struct {
        int steps, seqs, in, out;
    } sizes[] = {{1, 3, 4, 5},  {1, 1, 1, 1},   {4, 1, 1, 1},   {6, 5, 3, 7},    {9, 2, 5, 32},
                 {5, 9, 6, 33}, {4, 4, 2, 128}, {4, 10, 3, 65}, {3, 2, 40, 131}, {5, 70, 2, 3}};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        for (int which = 0; which < 2; which++) {
            rlt_op op = {.kind = which ? RLT_OP_gru : RLT_OP_lstm,
                         .in = sizes[i].in,
                         .out = sizes[i].out,
                         .dx_add = i % 2 == 1};
            parity_case row = {.name = which ? "gru" : "lstm",
                               .op = op,
                               .steps = sizes[i].steps,
                               .seqs = sizes[i].seqs,
                               .param_scale = 1 / sqrtf((float)(sizes[i].in + sizes[i].out)),
                               .state = i % 3 != 0,
                               .reset = i % 4 != 1,
                               .loosen = 1};
            parity_op(p, &row, which ? gru : lstm, NULL);
        }
    }
}

/* ---- attention ---- */

/* The sequence's k (which 1) or v (2) at a step, negative ones being in the state; q is 0. */
static const double *kept(const rlt_op *op, const parity_values *v, const double *qkv, int n, int t,
                          int which) {
    size_t in = (size_t)op->in;
    if (t >= 0) {
        return qkv + ((size_t)t * 3 + (size_t)which) * in;
    }
    return v->state + (size_t)n * (size_t)op->state_width +
           (size_t)((which - 1) * op->context + op->context + t) * in;
}

static void attend(const rlt_op *op, const parity_values *v, const double *qkv, int n, int t,
                   int reach, const double *bias, double *out) {
    int dims = op->in / op->heads;
    double score[64];
    memset(out, 0, sizeof(double) * (size_t)op->in);
    for (int h = 0; h < op->heads; h++) {
        double sum = 0, most = -INFINITY;
        for (int d = 0; d < reach; d++) {
            const double *q = kept(op, v, qkv, n, t, 0), *k = kept(op, v, qkv, n, t - d, 1);
            score[d] = bias[h * op->context + d];
            for (int i = h * dims; i < (h + 1) * dims; i++) {
                score[d] += q[i] * k[i] / sqrt(dims);
            }
            most = fmax(most, score[d]);
        }
        for (int d = 0; d < reach; d++) {
            sum += exp(score[d] - most);
        }
        for (int d = 0; d < reach; d++) {
            const double *value = kept(op, v, qkv, n, t - d, 2);
            for (int i = h * dims; i < (h + 1) * dims; i++) {
                out[i] += exp(score[d] - most) / sum * value[i];
            }
        }
    }
}

static void attention_state(const rlt_op *op, const parity_values *v, const double *qkv, int n,
                            int reach) {
    double *to = v->state_out + (size_t)n * (size_t)op->state_width;
    for (int slot = 0; slot < op->context; slot++) {
        int t = v->steps - op->context + slot;
        for (int which = 1; which <= 2; which++) {
            if (t >= 0 || v->state != NULL) {
                memcpy(to + (size_t)((which - 1) * op->context + slot) * (size_t)op->in,
                       kept(op, v, qkv, n, t, which), sizeof(double) * (size_t)op->in);
            }
        }
    }
    to[2 * op->context * op->in] = reach;
}

enum { ATTENTION_IN_MAX = 300, ATTENTION_STEPS_MAX = 40 };

static void attention(const rlt_op *op, const parity_values *v) {
    static double qkv[ATTENTION_STEPS_MAX * 3 * ATTENTION_IN_MAX];
    int in = op->in;
    const double *wqkv = v->params, *bqkv = wqkv + 3 * in * in, *wo = bqkv + 3 * in;
    const double *bo = wo + in * in, *bias = bo + in;
    double out[ATTENTION_IN_MAX];
    for (int n = 0; n < v->seqs; n++) {
        int reach = v->state == NULL ? 0 : (int)v->state[(n + 1) * op->state_width - 1];
        for (int t = 0; t < v->steps; t++) {
            size_t row = (size_t)t * (size_t)v->seqs + (size_t)n;
            bool reset = v->reset != NULL && v->reset[row] != 0;
            for (int j = 0; j < 3 * in; j++) {
                qkv[t * 3 * in + j] = dot(v->x + row * (size_t)in, wqkv, in, 3 * in, j) + bqkv[j];
            }
            reach = reset ? 1 : reach + 1 < op->context ? reach + 1 : op->context;
            attend(op, v, qkv, n, t, reach, bias, out);
            for (int j = 0; j < in; j++) {
                v->y[row * (size_t)in + (size_t)j] = dot(out, wo, in, in, j) + bo[j];
            }
        }
        if (v->state_out != NULL) {
            attention_state(op, v, qkv, n, reach);
        }
    }
}

static void attention_rows(parity *p) {
    static const struct {
        int steps, seqs, in, heads, context;
    } sizes[] = {{1, 1, 1, 1, 1},   {1, 3, 8, 2, 5},   {7, 2, 6, 3, 4},
                 {20, 1, 12, 1, 9}, {37, 2, 8, 2, 40}, {5, 2, 40, 1, 3},
                 {3, 1, 70, 1, 2},  {3, 1, 260, 2, 2}, {2, 1, 290, 1, 2}};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        rlt_op op = {.kind = RLT_OP_attention,
                     .in = sizes[i].in,
                     .out = sizes[i].in,
                     .heads = sizes[i].heads,
                     .context = sizes[i].context,
                     .dx_add = i % 2 == 1};
        parity_case row = {.name = "attention",
                           .op = op,
                           .steps = sizes[i].steps,
                           .seqs = sizes[i].seqs,
                           .state = i % 3 != 0,
                           .reset = i % 4 != 1,
                           .loosen = 1};
        parity_op(p, &row, attention, NULL);
    }
}

/* ---- gate ---- */

static void gate(const rlt_op *op, const parity_values *v) {
    int in = op->in;
    const double *w[6], *bz = v->params + 6 * in * in;
    double rx[UNITS_MAX];
    for (int i = 0; i < 6; i++) {
        w[i] = v->params + i * in * in; /* Wr, Ur, Wz, Uz, Wg, Ug */
    }
    for (int row = 0; row < v->steps * v->seqs; row++) {
        const double *x = v->x + row * in, *y = v->x2 + row * in;
        for (int j = 0; j < in; j++) {
            rx[j] = x[j] * sigmoid(dot(y, w[0], in, in, j) + dot(x, w[1], in, in, j));
        }
        for (int j = 0; j < in; j++) {
            double z = sigmoid(dot(y, w[2], in, in, j) + dot(x, w[3], in, in, j) - bz[j]);
            double h = tanh(dot(y, w[4], in, in, j) + dot(rx, w[5], in, in, j));
            v->y[row * in + j] = (1 - z) * x[j] + z * h;
        }
    }
}

static void gate_rows(parity *p) {
    static const int sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {1, 70, 33}, {2, 9, 64}};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        rlt_op op = {
            .kind = RLT_OP_gate, .in = sizes[i][2], .out = sizes[i][2], .dx_add = i % 2 == 1};
        parity_case row = {.name = "gate",
                           .op = op,
                           .steps = sizes[i][0],
                           .seqs = sizes[i][1],
                           .same_x2 = true,
                           .loosen = 1};
        parity_op(p, &row, gate, NULL);
    }
}

/* Each operation at a size that nobody chose. */
static void random_rows(parity *p) {
    static const struct {
        rlt_op_kind kind;
        const char *name;
        parity_reference forward;
    } ops[] = {{RLT_OP_layer_norm, "layer_norm of random size", norm},
               {RLT_OP_rms_norm, "rms_norm of random size", norm},
               {RLT_OP_lstm, "lstm of random size", lstm},
               {RLT_OP_gru, "gru of random size", gru},
               {RLT_OP_attention, "attention of random size", attention},
               {RLT_OP_gate, "gate of random size", gate}};
    for (size_t i = 0; i < RLT_COUNT(ops); i++) {
        bool recurrent = ops[i].kind == RLT_OP_lstm || ops[i].kind == RLT_OP_gru;
        rlt_op op = {.kind = ops[i].kind, .dx_add = parity_size(p, 0, 1) == 1};
        op.heads = op.kind == RLT_OP_attention ? parity_size(p, 1, 4) : 0;
        op.context = op.kind == RLT_OP_attention ? parity_size(p, 1, 30) : 0;
        op.in = op.heads > 0 ? op.heads * parity_size(p, 1, 20) : parity_size(p, 8, 60);
        op.out = recurrent ? parity_size(p, 1, 90) : op.in;
        parity_case row = {.name = ops[i].name,
                           .op = op,
                           .steps = parity_size(p, 1, 12),
                           .seqs = parity_size(p, 1, 13),
                           .state = parity_size(p, 0, 1) == 1,
                           .reset = parity_size(p, 0, 1) == 1,
                           .same_x2 = op.kind == RLT_OP_gate,
                           .loosen = 4};
        parity_op(p, &row, ops[i].forward, NULL);
    }
}

void parity_sequence(parity *p) {
    norm_rows(p);
    recurrent_rows(p);
    attention_rows(p);
    gate_rows(p);
    random_rows(p);
}
