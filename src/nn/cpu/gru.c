/* gru: gated recurrent unit over [steps][seqs] on the CPU, as lstm.c. A row of gates is r, z, n and
 * the recurrent sum of n, which r multiplies.
 * Saved: gates [rows][4 out]. Thread: the device's. */
#include "nn/cpu/cpu.h"

#include <string.h>

typedef struct memory {
    float *gates, *h_prev;
    float *wx_t, *wh_t, *d_gates, *h_prevs, *d_h; /* training alone */
    size_t floats;
} memory;

static memory lay_out(const rlt_op *op, float *scratch, bool training) {
    rlt_cpu_cursor at = {.base = scratch};
    size_t u = (size_t)op->out, rows = RLT_CPU_BLOCK;
    memory m = {.gates = rlt_cpu_take(&at, rows * 4 * u), .h_prev = rlt_cpu_take(&at, rows * u)};
    if (training) {
        m.wx_t = rlt_cpu_take(&at, 3 * u * (size_t)rlt_cpu_padded(op->in));
        m.wh_t = rlt_cpu_take(&at, 3 * u * (size_t)rlt_cpu_padded(op->out));
        m.d_gates = rlt_cpu_take(&at, rows * 4 * u);
        m.h_prevs = rlt_cpu_take(&at, rows * u);
        m.d_h = rlt_cpu_take(&at, rows * u);
    }
    m.floats = at.floats;
    return m;
}

size_t rlt_cpu_gru_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    (void)steps;
    (void)seqs;
    return sizeof(float) * lay_out(op, NULL, training).floats;
}

typedef struct weights {
    const float *wx, *wh, *bx, *bh;
} weights;

static weights weights_of(const rlt_op *op, const float *params) {
    ptrdiff_t gates = 3 * (ptrdiff_t)op->out;
    const float *wh = params + op->in * gates, *bx = wh + op->out * gates;
    return (weights){params, wh, bx, bx + gates};
}

/* One step: gates[n][4 out] has the input's sums of r, z and n. */
static void step_forward(const rlt_op *op, const rlt_op_io *io, const memory *m, int t, int first,
                         int n, float *gates) {
    const rlt_nn_seq_kernels *k = rlt_nn_kernels_get()->seq;
    weights w = weights_of(op, io->params);
    int u = op->out;
    rlt_nn_product recurrent = {
        .a_step = 1,
        .b = w.wh,
        .b_stride = 3 * u,
        .steps = u,
        .bias = w.bh,
        .c = gates,
        .c_stride = 4 * u,
        .add = true,
    };
    recurrent.a = rlt_cpu_h_before(io, u, t, first, n, m->h_prev, &recurrent.a_row);
    rlt_cpu_product(&recurrent, n, 2 * u);
    recurrent.b = w.wh + 2 * u;
    recurrent.bias = w.bh + 2 * u;
    recurrent.c = gates + 3 * u;
    recurrent.add = false;
    rlt_cpu_product(&recurrent, n, u);
    rlt_gru_rows rows = {
        .n = n,
        .units = u,
        .gates = gates,
        .h_prev = recurrent.a,
        .h_prev_stride = recurrent.a_row,
        .h = io->y + ((ptrdiff_t)t * io->seqs + first) * u,
        .reset = rlt_cpu_reset(io, t, first),
    };
    k->gru(&rows);
}

static void keep_state(const rlt_op *op, const rlt_op_io *io) {
    ptrdiff_t u = op->out;
    const float *h = io->y + (ptrdiff_t)(io->steps - 1) * io->seqs * u;
    for (int i = 0; i < io->seqs; i++) {
        memcpy(io->state_out + (ptrdiff_t)i * io->state_stride, h + i * u,
               sizeof(float) * (size_t)u);
    }
}

void rlt_cpu_gru_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    memory m = lay_out(op, io->scratch, false);
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
                    .b_stride = 3 * op->out,
                    .steps = op->in,
                    .bias = w.bx,
                    .c = gates,
                    .c_stride = width,
                };
                rlt_cpu_product(&input, ahead * n, 3 * op->out);
            }
            step_forward(op, io, &m, t, first, n, gates);
        }
    }
    if (io->state_out != NULL) {
        keep_state(op, io);
    }
}

/* One step back: d_gates of its sums; m->d_h becomes that of the step before. h_prev [n][out]. */
static void step_backward(const rlt_op *op, const rlt_op_io *io, const memory *m, int t, int first,
                          int n, const float *h_prev, float *d_gates) {
    const rlt_nn_seq_kernels *k = rlt_nn_kernels_get()->seq;
    ptrdiff_t row = (ptrdiff_t)t * io->seqs + first, stride = rlt_cpu_padded(op->out);
    int u = op->out;
    rlt_gru_rows rows = {
        .n = n,
        .units = u,
        .gates = io->saved + row * 4 * u,
        .h_prev = h_prev,
        .h_prev_stride = u,
        .reset = rlt_cpu_reset(io, t, first),
        .dy = io->dy + row * u,
        .d_h = m->d_h,
        .d_gates = d_gates,
    };
    k->gru_grad(&rows);
    if (t == 0) {
        return; /* nothing before it learns */
    }
    rlt_nn_product back = {
        .a = d_gates,
        .a_row = 4 * u,
        .a_step = 1,
        .b = m->wh_t,
        .b_stride = stride,
        .steps = 2 * u,
        .c = m->d_h,
        .c_stride = u,
        .add = true,
    };
    rlt_cpu_product(&back, n, u);
    back.a = d_gates + 3 * u;
    back.b = m->wh_t + 2 * u * stride;
    back.steps = u;
    rlt_cpu_product(&back, n, u);
    rlt_cpu_clear_reset(rows.reset, n, u, m->d_h);
}

static void parameters_backward(const rlt_op *op, const rlt_op_io *io, const memory *m,
                                ptrdiff_t row, int rows) {
    int u = op->out;
    float *d_wx = io->d_params, *d_wh = d_wx + (ptrdiff_t)op->in * 3 * u;
    float *d_bx = d_wh + (ptrdiff_t)u * 3 * u, *d_bh = d_bx + 3 * u;
    rlt_nn_product gradient = {
        .a = io->x + row * op->in,
        .a_row = 1,
        .a_step = op->in,
        .b = m->d_gates,
        .b_stride = 4 * u,
        .steps = rows,
        .c = d_wx,
        .c_stride = 3 * u,
        .add = true,
    };
    rlt_cpu_product(&gradient, op->in, 3 * u);
    gradient.a = m->h_prevs;
    gradient.a_step = u;
    gradient.c = d_wh;
    rlt_cpu_product(&gradient, u, 2 * u);
    gradient.b = m->d_gates + 3 * u;
    gradient.c = d_wh + 2 * u;
    rlt_cpu_product(&gradient, u, u);
    rlt_nn_kernels_get()->column_sums(m->d_gates, 4 * u, rows, 3 * u, d_bx);
    rlt_nn_kernels_get()->column_sums(m->d_gates, 4 * u, rows, 2 * u, d_bh);
    rlt_nn_kernels_get()->column_sums(m->d_gates + 3 * u, 4 * u, rows, u, d_bh + 2 * u);
}

static void input_backward(const rlt_op *op, const rlt_op_io *io, const memory *m, ptrdiff_t row,
                           int rows) {
    rlt_nn_product back = {
        .a = m->d_gates,
        .a_row = 4 * op->out,
        .a_step = 1,
        .b = m->wx_t,
        .b_stride = rlt_cpu_padded(op->in),
        .steps = 3 * op->out,
        .c = io->dx + row * op->in,
        .c_stride = op->in,
        .add = op->dx_add,
    };
    rlt_cpu_product(&back, rows, op->in);
}

void rlt_cpu_gru_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    memory m = lay_out(op, io->scratch, true);
    const rlt_nn_kernels *k = rlt_nn_kernels_get();
    weights w = weights_of(op, io->params);
    int width = 4 * op->out, block = rlt_cpu_block_steps(io->seqs);
    k->transpose(w.wx, 0, op->in, 3 * op->out, m.wx_t, rlt_cpu_padded(op->in));
    k->transpose(w.wh, 0, op->out, 3 * op->out, m.wh_t, rlt_cpu_padded(op->out));
    for (int first = 0; first < io->seqs; first += RLT_CPU_BLOCK) {
        int n = rlt_cpu_block_seqs(io->seqs - first), units = n * op->out;
        memset(m.d_h, 0, sizeof(float) * (size_t)units);
        for (int t = io->steps - 1, end = t + 1; t >= 0; t--) {
            int phase = t % block;
            ptrdiff_t row = (ptrdiff_t)t * io->seqs + first;
            float *h_prev = m.h_prevs + (ptrdiff_t)phase * units;
            rlt_cpu_copy_h_before(io, op->out, t, first, n, h_prev);
            step_backward(op, io, &m, t, first, n, h_prev,
                          m.d_gates + (ptrdiff_t)phase * n * width);
            if (phase == 0) {
                parameters_backward(op, io, &m, row, (end - t) * n);
                if (io->dx != NULL) {
                    input_backward(op, io, &m, row, (end - t) * n);
                }
                end = t;
            }
        }
    }
}
