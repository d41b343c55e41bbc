#include "tests/unit/nn_seq_case.h"

#include <math.h>
#include <string.h>

const rlt_op_kind seq_ops[SEQ_OPS] = {RLT_OP_layer_norm, RLT_OP_rms_norm,  RLT_OP_lstm,
                                      RLT_OP_gru,        RLT_OP_attention, RLT_OP_gate};

rlt_op seq_op(rlt_op_kind kind, int in, int out, int heads, int context) {
    rlt_op op = {.kind = kind, .in = in, .out = in, .heads = heads, .context = context};
    size_t n = (size_t)in, u = (size_t)out;
    switch (kind) {
    case RLT_OP_layer_norm:
        op.param_count = 2 * n;
        break;
    case RLT_OP_rms_norm:
        op.param_count = n;
        break;
    case RLT_OP_lstm:
        op.out = out;
        op.param_count = 4 * u * (n + u + 1);
        op.state_width = 2 * out;
        break;
    case RLT_OP_gru:
        op.out = out;
        op.param_count = 3 * u * (n + u + 2);
        op.state_width = out;
        break;
    case RLT_OP_attention:
        op.param_count = 4 * n * n + 4 * n + (size_t)heads * (size_t)context;
        op.state_width = 2 * context * in + 1;
        break;
    default:
        op.param_count = 6 * n * n + n;
    }
    op.saved = rlt_op_saved_floats(&op);
    return op;
}

static size_t scratch_of(const rlt_op *op, int steps, int seqs) {
    return op->kind == RLT_OP_lstm        ? rlt_cpu_lstm_scratch(op, steps, seqs, true)
           : op->kind == RLT_OP_gru       ? rlt_cpu_gru_scratch(op, steps, seqs, true)
           : op->kind == RLT_OP_attention ? rlt_cpu_attention_scratch(op, steps, seqs, true)
           : op->kind == RLT_OP_gate      ? rlt_cpu_gate_scratch(op, steps, seqs, true)
                                          : 0;
}

static float *filled(size_t count, rlt_rng *rng, float size) {
    float *x = rlt_alloc(sizeof(float) * (count + 1));
    for (size_t i = 0; i < count; i++) {
        x[i] = rng == NULL ? NAN : rlt_rng_uniform(rng, -size, size);
    }
    return x;
}

/* A state as forward leaves one: nothing before the episode's first step. */
static void fill_state(const seq_case *c, rlt_rng *rng) {
    size_t width = (size_t)c->op.state_width, half = (size_t)c->op.context * (size_t)c->op.in;
    for (int n = 0; c->op.kind == RLT_OP_attention && n < c->seqs; n++) {
        float *state = c->state + (size_t)n * width;
        size_t count = rlt_rng_below(rng, (uint32_t)c->op.context + 1);
        size_t empty = ((size_t)c->op.context - count) * (size_t)c->op.in;
        memset(state, 0, sizeof(float) * empty);
        memset(state + half, 0, sizeof(float) * empty);
        state[2 * half] = (float)count;
    }
}

seq_case seq_case_make(rlt_op op, int steps, int seqs, rlt_rng *rng) {
    size_t rows = (size_t)steps * (size_t)seqs, in = (size_t)op.in, out = (size_t)op.out;
    size_t states = (size_t)op.state_width * (size_t)seqs;
    seq_case c = {.op = op, .steps = steps, .seqs = seqs, .rows = rows};
    float size = 1.5f / sqrtf((float)(op.in > op.out ? op.in : op.out));
    bool gate = op.kind == RLT_OP_gate;
    c.params = filled(op.param_count, rng, op.param_count < 3 * in ? 1.0f : size);
    c.x = filled(rows * in, rng, 2);
    c.x2 = gate ? filled(rows * in, rng, 2) : NULL;
    c.state = states > 0 ? filled(states, rng, 1) : NULL;
    c.state_out = states > 0 ? filled(states, NULL, 0) : NULL;
    c.dy = filled(rows * out, rng, 1);
    fill_state(&c, rng);
    c.reset = rlt_alloc(rows);
    for (size_t i = 0; i < rows; i++) {
        c.reset[i] = rlt_rng_below(rng, 6) == 0 ? (uint8_t)(1 + rlt_rng_below(rng, 2)) : 0;
    }
    c.y = filled(rows * out, NULL, 0);
    c.saved = filled(rows * (size_t)op.saved, NULL, 0);
    c.dx = filled(rows * in, NULL, 0);
    c.dx2 = gate ? filled(rows * in, NULL, 0) : NULL;
    c.d_params = rlt_alloc(sizeof(float) * op.param_count);
    c.scratch_bytes = scratch_of(&op, steps, seqs);
    c.scratch = filled(c.scratch_bytes / sizeof(float), NULL, 0);
    return c;
}

void seq_case_free(seq_case *c) {
    void *all[] = {c->params, c->x,         c->x2, c->state, c->dy,       c->reset,  c->y,
                   c->saved,  c->state_out, c->dx, c->dx2,   c->d_params, c->scratch};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
}

rlt_op_io seq_case_io(const seq_case *c) {
    return (rlt_op_io){
        .steps = c->steps,
        .seqs = c->seqs,
        .params = c->params,
        .x = c->x,
        .x2 = c->x2,
        .y = c->y,
        .saved = c->saved,
        .reset = c->reset,
        .state = c->state,
        .state_out = c->state_out,
        .state_stride = c->op.state_width,
        .dy = c->dy,
        .dx = c->dx,
        .dx2 = c->dx2,
        .d_params = c->d_params,
        .scratch = c->scratch,
        .training = true,
    };
}

static rlt_op_fn function_of(rlt_op_kind kind, bool backward) {
#define SEQ_FORMS(name)                                                                            \
    case RLT_OP_##name:                                                                            \
        return backward ? rlt_cpu_##name##_backward : rlt_cpu_##name##_forward;
    switch (kind) {
        SEQ_FORMS(layer_norm)
        SEQ_FORMS(rms_norm)
        SEQ_FORMS(lstm)
        SEQ_FORMS(gru)
        SEQ_FORMS(attention)
        SEQ_FORMS(gate)
    default:
        return NULL;
    }
#undef SEQ_FORMS
}

void seq_forward(const seq_case *c, const rlt_op_io *io) {
    function_of(c->op.kind, false)(NULL, &c->op, io);
}

void seq_backward(const seq_case *c, const rlt_op_io *io) {
    function_of(c->op.kind, true)(NULL, &c->op, io);
}

/* ---- float64 ---- */

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* sum of x[k] w[k][j] over k < in, w of row width `width` */
static double dot(const double *x, const double *w, int in, int width, int j) {
    double sum = 0;
    for (int k = 0; k < in; k++) {
        sum += x[k] * w[(size_t)k * (size_t)width + (size_t)j];
    }
    return sum;
}

static void reference_norm(const seq_case *c, const seq_inputs *in, double *y) {
    int width = c->op.in;
    bool centred = c->op.kind == RLT_OP_layer_norm;
    for (size_t r = 0; r < c->rows; r++) {
        const double *x = in->x + r * (size_t)width;
        double mean = 0, squares = 0;
        for (int i = 0; centred && i < width; i++) {
            mean += x[i] / width;
        }
        for (int i = 0; i < width; i++) {
            squares += (x[i] - mean) * (x[i] - mean) / width;
        }
        for (int i = 0; i < width; i++) {
            y[r * (size_t)width + (size_t)i] =
                (x[i] - mean) / sqrt(squares + (centred ? 1e-5 : 1e-6)) * in->params[i] +
                (centred ? in->params[width + i] : 0);
        }
    }
}

/* h and c before step t of sequence n. */
static void state_before(const seq_case *c, const double *y, const double *cells, int t, int n,
                         double *h, double *cell) {
    int u = c->op.out;
    size_t row = ((size_t)t - 1) * (size_t)c->seqs + (size_t)n;
    bool fresh = c->reset[(size_t)t * (size_t)c->seqs + (size_t)n] != 0, lstm = cells != NULL;
    const float *state = c->state + (size_t)n * (size_t)c->op.state_width;
    for (int i = 0; i < u; i++) {
        h[i] = fresh ? 0 : t > 0 ? y[row * (size_t)u + (size_t)i] : (double)state[i];
        cell[i] = fresh || !lstm ? 0
                  : t > 0        ? cells[row * (size_t)u + (size_t)i]
                                 : (double)state[u + i];
    }
}

static void reference_lstm(const seq_case *c, const seq_inputs *in, double *y) {
    int u = c->op.out, width = 4 * u;
    const double *wx = in->params, *wh = wx + c->op.in * width, *b = wh + u * width;
    double *cells = rlt_alloc(sizeof(double) * c->rows * (size_t)u), h[u], cell[u];
    for (int t = 0; t < c->steps; t++) {
        for (int n = 0; n < c->seqs; n++) {
            size_t row = (size_t)t * (size_t)c->seqs + (size_t)n;
            const double *x = in->x + row * (size_t)c->op.in;
            state_before(c, y, cells, t, n, h, cell);
            for (int i = 0; i < u; i++) {
                double s[4];
                for (int g = 0; g < 4; g++) {
                    int j = g * u + i;
                    s[g] = b[j] + dot(x, wx, c->op.in, width, j) + dot(h, wh, u, width, j);
                }
                double now = sigmoid(s[1]) * cell[i] + sigmoid(s[0]) * tanh(s[2]);
                cells[row * (size_t)u + (size_t)i] = now;
                y[row * (size_t)u + (size_t)i] = sigmoid(s[3]) * tanh(now);
            }
        }
    }
    rlt_free(cells);
}

static void reference_gru(const seq_case *c, const seq_inputs *in, double *y) {
    int u = c->op.out, width = 3 * u;
    const double *wx = in->params, *wh = wx + c->op.in * width, *b = wh + u * width;
    double h[u], none[u];
    for (int t = 0; t < c->steps; t++) {
        for (int n = 0; n < c->seqs; n++) {
            size_t row = (size_t)t * (size_t)c->seqs + (size_t)n;
            const double *x = in->x + row * (size_t)c->op.in;
            state_before(c, y, NULL, t, n, h, none);
            for (int i = 0; i < u; i++) {
                double from_x[3], from_h[3];
                for (int g = 0; g < 3; g++) {
                    int j = g * u + i;
                    from_x[g] = b[j] + dot(x, wx, c->op.in, width, j);
                    from_h[g] = b[width + j] + dot(h, wh, u, width, j);
                }
                double z = sigmoid(from_x[1] + from_h[1]);
                double new = tanh(from_x[2] + sigmoid(from_x[0] + from_h[0]) * from_h[2]);
                y[row * (size_t)u + (size_t)i] = (1 - z) * new + z *h[i];
            }
        }
    }
}

/* One query over the keys of k and v, newest last, of which it sees `seen`. */
static void attend(const seq_case *c, const double *q, const double *kv, int seen,
                   const double *bias, double *out) {
    int w = c->op.in, heads = c->op.heads, width = w / heads;
    for (int head = 0; head < heads; head++) {
        double p[seen], sum = 0;
        for (int back = 0; back < seen; back++) {
            const double *k = kv - (ptrdiff_t)back * c->seqs * 3 * w + w;
            double score = 0;
            for (int i = head * width; i < (head + 1) * width; i++) {
                score += q[i] * k[i];
            }
            p[back] = exp(score / sqrt(width) + bias[head * c->op.context + back]);
            sum += p[back];
        }
        for (int i = head * width; i < (head + 1) * width; i++) {
            out[i] = 0;
            for (int back = 0; back < seen; back++) {
                out[i] += p[back] / sum * kv[2 * w + i - (ptrdiff_t)back * c->seqs * 3 * w];
            }
        }
    }
}

/* q, k, v of the state's steps, then of the segment's: [context + steps][seqs][3 in]. */
static double *reference_qkv(const seq_case *c, const seq_inputs *in) {
    int w = c->op.in;
    size_t past = (size_t)c->op.context * (size_t)c->seqs, each = 3 * (size_t)w;
    double *qkv = rlt_alloc(sizeof(double) * (past + c->rows) * each);
    for (int t = 0; t < c->op.context; t++) {
        for (int n = 0; n < c->seqs; n++) {
            double *row = qkv + ((size_t)t * (size_t)c->seqs + (size_t)n) * each;
            const float *state = c->state + (size_t)n * (size_t)c->op.state_width;
            for (int i = 0; i < w; i++) {
                row[w + i] = (double)state[t * w + i];
                row[2 * w + i] = (double)state[(c->op.context + t) * w + i];
            }
        }
    }
    for (size_t r = 0; r < c->rows; r++) {
        for (int j = 0; j < 3 * w; j++) {
            qkv[(past + r) * each + (size_t)j] =
                in->params[3 * w * w + j] + dot(in->x + r * (size_t)w, in->params, w, 3 * w, j);
        }
    }
    return qkv;
}

static void reference_attention(const seq_case *c, const seq_inputs *in, double *y) {
    int w = c->op.in, past = c->op.context;
    const double *wo = in->params + 3 * w * w + 3 * w, *bo = wo + w * w;
    double *qkv = reference_qkv(c, in), out[w];
    for (int n = 0; n < c->seqs; n++) {
        float count = c->state[(n + 1) * c->op.state_width - 1];
        int seen = (int)count;
        for (int t = 0; t < c->steps; t++) {
            size_t row = (size_t)t * (size_t)c->seqs + (size_t)n;
            seen = (c->reset[row] != 0 ? 0 : seen) + 1;
            seen = seen < past ? seen : past;
            const double *q = qkv + ((size_t)past * (size_t)c->seqs + row) * 3 * (size_t)w;
            attend(c, q, q, seen, bo + w, out);
            for (int j = 0; j < w; j++) {
                y[row * (size_t)w + (size_t)j] = bo[j] + dot(out, wo, w, w, j);
            }
        }
    }
    rlt_free(qkv);
}

static void reference_gate(const seq_case *c, const seq_inputs *in, double *y) {
    int w = c->op.in, square = w * w;
    const double *p = in->params, *bz = p + 6 * square;
    for (size_t row = 0; row < c->rows; row++) {
        const double *x = in->x + row * (size_t)w, *branch = in->x2 + row * (size_t)w;
        double rx[w];
        for (int j = 0; j < w; j++) {
            rx[j] = x[j] * sigmoid(dot(branch, p, w, w, j) + dot(x, p + square, w, w, j));
        }
        for (int j = 0; j < w; j++) {
            double z = sigmoid(dot(branch, p + 2 * square, w, w, j) +
                               dot(x, p + 3 * square, w, w, j) - bz[j]);
            double h =
                tanh(dot(branch, p + 4 * square, w, w, j) + dot(rx, p + 5 * square, w, w, j));
            y[row * (size_t)w + (size_t)j] = (1 - z) * x[j] + z * h;
        }
    }
}

void seq_reference(const seq_case *c, const seq_inputs *in, double *y) {
    switch (c->op.kind) {
    case RLT_OP_lstm:
        reference_lstm(c, in, y);
        break;
    case RLT_OP_gru:
        reference_gru(c, in, y);
        break;
    case RLT_OP_attention:
        reference_attention(c, in, y);
        break;
    case RLT_OP_gate:
        reference_gate(c, in, y);
        break;
    default:
        reference_norm(c, in, y);
    }
}
