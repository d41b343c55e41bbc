/* lstm: long short-term memory over [steps][seqs] on the CPU. The input's products are done for
 * many rows at once, the recurrent ones step by step; gates are computed in place of the sums.
 * Saved: gates [rows][4 out], c [rows][out]. Thread: the device's. */
#include "nn/cpu/cpu.h"

#include <string.h>

typedef struct memory {
    float *saved_c; /* [rows][out]; NULL: not kept, but the last two in c */
    float *gates, *c[2], *h_prev;
    float *wx_t, *wh_t, *d_gates, *h_prevs, *d_h, *d_c; /* training alone */
    size_t floats;
} memory;

static memory lay_out(const rlt_op *op, float *scratch, bool training) {
    rlt_cpu_cursor at = {.base = scratch};
    size_t u = (size_t)op->out, rows = RLT_CPU_BLOCK;
    memory m = {.gates = rlt_cpu_take(&at, rows * 4 * u), .h_prev = rlt_cpu_take(&at, rows * u)};
    m.c[0] = rlt_cpu_take(&at, rows * u);
    m.c[1] = rlt_cpu_take(&at, rows * u);
    if (training) {
        m.wx_t = rlt_cpu_take(&at, 4 * u * (size_t)rlt_cpu_padded(op->in));
        m.wh_t = rlt_cpu_take(&at, 4 * u * (size_t)rlt_cpu_padded(op->out));
        m.d_gates = rlt_cpu_take(&at, rows * 4 * u);
        m.h_prevs = rlt_cpu_take(&at, rows * u);
        m.d_h = rlt_cpu_take(&at, rows * u);
        m.d_c = rlt_cpu_take(&at, rows * u);
    }
    m.floats = at.floats;
    return m;
}

size_t rlt_cpu_lstm_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    (void)steps;
    (void)seqs;
    return sizeof(float) * lay_out(op, NULL, training).floats;
}

typedef struct weights {
    const float *wx, *wh, *b;
} weights;

static weights weights_of(const rlt_op *op, const float *params) {
    ptrdiff_t gates = 4 * (ptrdiff_t)op->out;
    return (weights){params, params + op->in * gates, params + (op->in + op->out) * gates};
}

static float *saved_c_of(const rlt_op *op, const rlt_op_io *io) {
    return io->saved + (ptrdiff_t)io->steps * io->seqs * 4 * op->out;
}

/* c of step t, from sequence `first`. */
static float *c_of(const rlt_op *op, const rlt_op_io *io, const memory *m, int t, int first) {
    ptrdiff_t u = op->out;
    return m->saved_c != NULL ? m->saved_c + ((ptrdiff_t)t * io->seqs + first) * u : m->c[t & 1];
}

static void set_c_before(const rlt_op *op, const rlt_op_io *io, const memory *m, int t, int first,
                         rlt_lstm_rows *rows) {
    if (t > 0) {
        rows->c_prev = c_of(op, io, m, t - 1, first);
        rows->c_prev_stride = op->out;
    } else if (io->state != NULL) {
        rows->c_prev = io->state + (ptrdiff_t)first * io->state_stride + op->out;
        rows->c_prev_stride = io->state_stride;
    }
}

/* One step: gates[n][4 out] has the input's part of the sums. */
static void step_forward(const rlt_op *op, const rlt_op_io *io, const memory *m, int t, int first,
                         int n, float *gates) {
    const rlt_nn_seq_kernels *k = rlt_nn_kernels_get()->seq;
    rlt_nn_product recurrent = {
        .a_step = 1,
        .b = weights_of(op, io->params).wh,
        .b_stride = 4 * op->out,
        .steps = op->out,
        .c = gates,
        .c_stride = 4 * op->out,
        .add = true,
    };
    recurrent.a = rlt_cpu_h_before(io, op->out, t, first, n, m->h_prev, &recurrent.a_row);
    rlt_cpu_product(&recurrent, n, 4 * op->out);
    rlt_lstm_rows rows = {
        .n = n,
        .units = op->out,
        .gates = gates,
        .c = c_of(op, io, m, t, first),
        .h = io->y + ((ptrdiff_t)t * io->seqs + first) * op->out,
        .reset = rlt_cpu_reset(io, t, first),
    };
    set_c_before(op, io, m, t, first, &rows);
    k->lstm(&rows);
}

static void keep_state(const rlt_op *op, const rlt_op_io *io, const memory *m, int first, int n) {
    ptrdiff_t u = op->out;
    const float *h = io->y + ((ptrdiff_t)(io->steps - 1) * io->seqs + first) * u;
    const float *c = c_of(op, io, m, io->steps - 1, first);
    for (int i = 0; i < n; i++) {
        float *to = io->state_out + (ptrdiff_t)(first + i) * io->state_stride;
        memcpy(to, h + i * u, sizeof(float) * (size_t)u);
        memcpy(to + u, c + i * u, sizeof(float) * (size_t)u);
    }
}

void rlt_cpu_lstm_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    memory m = lay_out(op, io->scratch, false);
    m.saved_c = io->training ? saved_c_of(op, io) : NULL;
    weights w = weights_of(op, io->params);
    int width = 4 * op->out, block = rlt_cpu_block_steps(io->seqs);
    for (int first = 0; first < io->seqs; first += RLT_CPU_BLOCK) {
        int n = rlt_cpu_block_seqs(io->seqs - first);
        for (int t = 0; t < io->steps; t++) {
            int ahead = io->steps - t < block ? io->steps - t : block, phase = t % block;
            ptrdiff_t row = (ptrdiff_t)t * io->seqs + first;
            float *gates =
                io->training ? io->saved + row * width : m.gates + (ptrdiff_t)phase * n * width;
            if (phase == 0) {
                rlt_nn_product input = {
                    .a = io->x + row * op->in,
                    .a_row = op->in,
                    .a_step = 1,
                    .b = w.wx,
                    .b_stride = width,
                    .steps = op->in,
                    .bias = w.b,
                    .c = gates,
                    .c_stride = width,
                };
                rlt_cpu_product(&input, ahead * n, width);
            }
            step_forward(op, io, &m, t, first, n, gates);
        }
        if (io->state_out != NULL) {
            keep_state(op, io, &m, first, n);
        }
    }
}

/* One step back: d_gates of its sums; m->d_h and m->d_c become those of the step before. */
static void step_backward(const rlt_op *op, const rlt_op_io *io, const memory *m, int t, int first,
                          int n, float *d_gates) {
    const rlt_nn_seq_kernels *k = rlt_nn_kernels_get()->seq;
    ptrdiff_t row = (ptrdiff_t)t * io->seqs + first, u = op->out;
    rlt_lstm_rows rows = {
        .n = n,
        .units = op->out,
        .gates = io->saved + row * 4 * u,
        .c = c_of(op, io, m, t, first),
        .reset = rlt_cpu_reset(io, t, first),
        .dy = io->dy + row * u,
        .d_h = m->d_h,
        .d_c = m->d_c,
        .d_gates = d_gates,
    };
    set_c_before(op, io, m, t, first, &rows);
    k->lstm_grad(&rows);
    if (t == 0) {
        return; /* nothing before it learns */
    }
    rlt_nn_product back = {
        .a = d_gates,
        .a_row = 4 * u,
        .a_step = 1,
        .b = m->wh_t,
        .b_stride = rlt_cpu_padded(op->out),
        .steps = 4 * op->out,
        .c = m->d_h,
        .c_stride = u,
    };
    rlt_cpu_product(&back, n, op->out);
    rlt_cpu_clear_reset(rows.reset, n, op->out, m->d_h);
}

/* The gradients of the parameters and of x out of those of the sums of `rows` rows. */
static void block_backward(const rlt_op *op, const rlt_op_io *io, const memory *m, ptrdiff_t row,
                           int rows) {
    int width = 4 * op->out;
    float *d_wx = io->d_params, *d_wh = d_wx + (ptrdiff_t)op->in * width;
    rlt_nn_product gradient = {
        .a = io->x + row * op->in,
        .a_row = 1,
        .a_step = op->in,
        .b = m->d_gates,
        .b_stride = width,
        .steps = rows,
        .c = d_wx,
        .c_stride = width,
        .add = true,
    };
    rlt_cpu_product(&gradient, op->in, width);
    gradient.a = m->h_prevs;
    gradient.a_step = op->out;
    gradient.c = d_wh;
    rlt_cpu_product(&gradient, op->out, width);
    rlt_nn_kernels_get()->column_sums(m->d_gates, width, rows, width,
                                      d_wh + (ptrdiff_t)op->out * width);
    if (io->dx != NULL) {
        rlt_nn_product back = {
            .a = m->d_gates,
            .a_row = width,
            .a_step = 1,
            .b = m->wx_t,
            .b_stride = rlt_cpu_padded(op->in),
            .steps = width,
            .c = io->dx + row * op->in,
            .c_stride = op->in,
            .add = op->dx_add,
        };
        rlt_cpu_product(&back, rows, op->in);
    }
}

void rlt_cpu_lstm_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    memory m = lay_out(op, io->scratch, true);
    m.saved_c = saved_c_of(op, io);
    const rlt_nn_kernels *k = rlt_nn_kernels_get();
    weights w = weights_of(op, io->params);
    int width = 4 * op->out, block = rlt_cpu_block_steps(io->seqs);
    k->transpose(w.wx, 0, op->in, width, m.wx_t, rlt_cpu_padded(op->in));
    k->transpose(w.wh, 0, op->out, width, m.wh_t, rlt_cpu_padded(op->out));
    for (int first = 0; first < io->seqs; first += RLT_CPU_BLOCK) {
        int n = rlt_cpu_block_seqs(io->seqs - first), units = n * op->out;
        memset(m.d_h, 0, sizeof(float) * (size_t)units);
        memset(m.d_c, 0, sizeof(float) * (size_t)units);
        for (int t = io->steps - 1, end = t + 1; t >= 0; t--) {
            int phase = t % block;
            ptrdiff_t row = (ptrdiff_t)t * io->seqs + first;
            step_backward(op, io, &m, t, first, n, m.d_gates + (ptrdiff_t)phase * n * width);
            rlt_cpu_copy_h_before(io, op->out, t, first, n, m.h_prevs + (ptrdiff_t)phase * units);
            if (phase == 0) {
                block_backward(op, io, &m, row, (end - t) * n);
                end = t;
            }
        }
    }
}
