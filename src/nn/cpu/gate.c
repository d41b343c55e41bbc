/* gate: out = (1 - z) x + z h between stream x and branch x2, on the CPU.
 * Saved: r, z, h, each [rows][in]. Thread: the device's. */
#include "nn/cpu/cpu.h"

#include <string.h>

enum { WR, UR, WZ, UZ, WG, UG, MATRICES };

typedef struct memory {
    float *r, *z, *h, *rx, *bias; /* r, z, h where nothing is saved; bias: -bz */
    float *transposed[MATRICES], *d_r, *d_z, *d_h, *d_rx, *dx; /* training alone */
    size_t floats;
} memory;

static memory lay_out(const rlt_op *op, float *scratch, bool training) {
    rlt_cpu_cursor at = {.base = scratch};
    size_t in = (size_t)op->in, block = RLT_CPU_BLOCK * in;
    memory m = {
        .r = rlt_cpu_take(&at, block),
        .z = rlt_cpu_take(&at, block),
        .h = rlt_cpu_take(&at, block),
        .rx = rlt_cpu_take(&at, block),
        .bias = rlt_cpu_take(&at, in),
    };
    if (training) {
        for (int i = 0; i < MATRICES; i++) {
            m.transposed[i] = rlt_cpu_take(&at, in * (size_t)rlt_cpu_padded(op->in));
        }
        m.d_r = rlt_cpu_take(&at, block);
        m.d_z = rlt_cpu_take(&at, block);
        m.d_h = rlt_cpu_take(&at, block);
        m.d_rx = rlt_cpu_take(&at, block);
        m.dx = rlt_cpu_take(&at, block);
    }
    m.floats = at.floats;
    return m;
}

size_t rlt_cpu_gate_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    (void)steps;
    (void)seqs;
    return sizeof(float) * lay_out(op, NULL, training).floats;
}

static const float *matrix(const rlt_op *op, const float *params, int which) {
    return params + (ptrdiff_t)which * op->in * op->in;
}

/* c[rows][in] (+)= bias + a b, all dense but b, which may have a stride */
static void multiply(int rows, int in, const float *a, const float *b, int b_stride,
                     const float *bias, bool add, float *c) {
    rlt_nn_product p = {
        .a = a,
        .a_row = in,
        .a_step = 1,
        .b = b,
        .b_stride = b_stride,
        .steps = in,
        .bias = bias,
        .c = c,
        .c_stride = in,
        .add = add,
    };
    rlt_cpu_product(&p, rows, in);
}

static void block_forward(const rlt_op *op, const rlt_op_io *io, const memory *m, ptrdiff_t row,
                          int rows) {
    const rlt_nn_seq_kernels *k = rlt_nn_kernels_get()->seq;
    int in = op->in;
    ptrdiff_t at = row * in, all = (ptrdiff_t)io->steps * io->seqs * in;
    const float *x = io->x + at, *branch = io->x2 + at;
    float *saved = io->training ? io->saved + at : NULL;
    rlt_gate_rows gate = {
        .count = rows * in,
        .r = saved != NULL ? saved : m->r,
        .z = saved != NULL ? saved + all : m->z,
        .h = saved != NULL ? saved + 2 * all : m->h,
        .x = x,
        .rx = m->rx,
        .y = io->y + at,
    };
    multiply(rows, in, branch, matrix(op, io->params, WR), in, NULL, false, gate.r);
    multiply(rows, in, x, matrix(op, io->params, UR), in, NULL, true, gate.r);
    k->gate_reset(&gate);
    multiply(rows, in, branch, matrix(op, io->params, WZ), in, m->bias, false, gate.z);
    multiply(rows, in, x, matrix(op, io->params, UZ), in, NULL, true, gate.z);
    multiply(rows, in, branch, matrix(op, io->params, WG), in, NULL, false, gate.h);
    multiply(rows, in, m->rx, matrix(op, io->params, UG), in, NULL, true, gate.h);
    k->gate(&gate);
}

void rlt_cpu_gate_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    memory m = lay_out(op, io->scratch, false);
    const float *bias = matrix(op, io->params, MATRICES);
    for (int i = 0; i < op->in; i++) {
        m.bias[i] = -bias[i];
    }
    int rows = io->steps * io->seqs;
    for (int row = 0; row < rows; row += RLT_CPU_BLOCK) {
        block_forward(op, io, &m, row, rows - row < RLT_CPU_BLOCK ? rows - row : RLT_CPU_BLOCK);
    }
}

/* Adds a^T d to the gradient of a matrix. */
static void add_gradient(const rlt_op *op, const rlt_op_io *io, int which, int rows, const float *a,
                         const float *d) {
    rlt_nn_product p = {
        .a = a,
        .a_row = 1,
        .a_step = op->in,
        .b = d,
        .b_stride = op->in,
        .steps = rows,
        .c = io->d_params + (ptrdiff_t)which * op->in * op->in,
        .c_stride = op->in,
        .add = true,
    };
    rlt_cpu_product(&p, op->in, op->in);
}

static void parameters_backward(const rlt_op *op, const rlt_op_io *io, const memory *m,
                                const float *x, const float *branch, int rows) {
    int in = op->in;
    add_gradient(op, io, WR, rows, branch, m->d_r);
    add_gradient(op, io, UR, rows, x, m->d_r);
    add_gradient(op, io, WZ, rows, branch, m->d_z);
    add_gradient(op, io, UZ, rows, x, m->d_z);
    add_gradient(op, io, WG, rows, branch, m->d_h);
    add_gradient(op, io, UG, rows, m->rx, m->d_h);
    memset(m->bias, 0, sizeof(float) * (size_t)in);
    rlt_nn_kernels_get()->column_sums(m->d_z, in, rows, in, m->bias);
    float *d_bias = io->d_params + (ptrdiff_t)MATRICES * in * in;
    for (int i = 0; i < in; i++) {
        d_bias[i] -= m->bias[i];
    }
}

/* m->d_r, d_z, d_h of the sums, m->rx again, and m->dx, what x gets. */
static void gates_backward(const rlt_op *op, const rlt_op_io *io, const memory *m, ptrdiff_t row,
                           int rows) {
    const rlt_nn_kernels *k = rlt_nn_kernels_get();
    int in = op->in, stride = rlt_cpu_padded(in);
    ptrdiff_t at = row * in, all = (ptrdiff_t)io->steps * io->seqs * in;
    rlt_gate_rows gate = {
        .count = rows * in,
        .r = io->saved + at,
        .z = io->saved + all + at,
        .h = io->saved + 2 * all + at,
        .x = io->x + at,
        .rx = m->rx,
        .dy = io->dy + at,
        .d_r = m->d_r,
        .d_z = m->d_z,
        .d_h = m->d_h,
        .d_rx = m->d_rx,
        .dx = m->dx,
    };
    k->seq->gate_grad(&gate);
    multiply(rows, in, m->d_h, m->transposed[UG], stride, NULL, false, m->d_rx);
    k->seq->gate_reset_grad(&gate);
    multiply(rows, in, m->d_r, m->transposed[UR], stride, NULL, true, m->dx);
    multiply(rows, in, m->d_z, m->transposed[UZ], stride, NULL, true, m->dx);
}

static void block_backward(const rlt_op *op, const rlt_op_io *io, const memory *m, ptrdiff_t row,
                           int rows) {
    int in = op->in, stride = rlt_cpu_padded(in);
    ptrdiff_t at = row * in;
    gates_backward(op, io, m, row, rows);
    parameters_backward(op, io, m, io->x + at, io->x2 + at, rows);
    if (io->dx2 != NULL) {
        float *dx2 = io->dx2 + at;
        multiply(rows, in, m->d_r, m->transposed[WR], stride, NULL, false, dx2);
        multiply(rows, in, m->d_z, m->transposed[WZ], stride, NULL, true, dx2);
        multiply(rows, in, m->d_h, m->transposed[WG], stride, NULL, true, dx2);
    }
    if (io->dx != NULL && op->dx_add) {
        rlt_nn_kernels_get()->add(io->dx + at, m->dx, (size_t)rows * (size_t)in);
    } else if (io->dx != NULL) {
        memcpy(io->dx + at, m->dx, sizeof(float) * (size_t)rows * (size_t)in);
    }
}

void rlt_cpu_gate_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    memory m = lay_out(op, io->scratch, true);
    for (int i = 0; i < MATRICES; i++) {
        rlt_nn_kernels_get()->transpose(matrix(op, io->params, i), 0, op->in, op->in,
                                        m.transposed[i], rlt_cpu_padded(op->in));
    }
    int rows = io->steps * io->seqs;
    for (int row = 0; row < rows; row += RLT_CPU_BLOCK) {
        block_backward(op, io, &m, row, rows - row < RLT_CPU_BLOCK ? rows - row : RLT_CPU_BLOCK);
    }
}
