/* cpu, dense_bf16: y = act(x W + b), products in bfloat16. Thread: the device's; no state. */
#include "nn/cpu/dense_bf16.h"
#include "nn/kernels_bf16.h"

typedef struct memory { /* of a block of rows; pairs are words */
    float *w, *rows;    /* W's pairs along its inputs; pairs of x, of dz in backward, along a row */
    /* training: W's pairs along its outputs, its transpose; pairs of x and dz along the rows; dz */
    float *w_rows, *w_t, *x_pairs, *dz_pairs, *dz;
    size_t floats;
} memory;

static memory lay_out(const rlt_op *op, float *scratch, bool training) {
    rlt_cpu_cursor at = {.base = scratch};
    size_t in = (size_t)op->in, out = (size_t)op->out, block = RLT_CPU_BLOCK;
    size_t in_words = (in + 1) / 2, out_words = (out + 1) / 2;
    memory m = {.w = rlt_cpu_take(&at, in_words * out)};
    m.rows = rlt_cpu_take(&at, block * (in > out ? in_words : out_words));
    if (training) {
        m.w_rows = rlt_cpu_take(&at, in * out_words);
        m.w_t = rlt_cpu_take(&at, out_words * in);
        m.x_pairs = rlt_cpu_take(&at, block / 2 * in);
        m.dz_pairs = rlt_cpu_take(&at, block / 2 * out);
        m.dz = rlt_cpu_take(&at, block * out);
    }
    m.floats = at.floats;
    return m;
}

size_t rlt_cpu_dense_bf16_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    (void)steps;
    (void)seqs;
    return sizeof(float) * lay_out(op, NULL, training).floats;
}

static int words(int count) {
    return (count + 1) / 2;
}

static int block_of(size_t rows, size_t row) {
    return rows - row < RLT_CPU_BLOCK ? (int)(rows - row) : RLT_CPU_BLOCK;
}

void rlt_cpu_dense_bf16_forward(const rlt_op *op, const rlt_op_io *io) {
    const rlt_nn_bf16_kernels *k = rlt_nn_bf16_get();
    memory m = lay_out(op, io->scratch, false);
    int in = op->in, out = op->out;
    size_t rows = rlt_io_rows(io);
    k->pack_pairs(io->params, out, in, out, m.w);
    for (size_t row = 0; row < rows; row += RLT_CPU_BLOCK) {
        int n = block_of(rows, row);
        float *y = io->y + row * (size_t)out;
        bool keep = op->act == RLT_ACT_SILU && io->training;
        float *sums = keep ? io->saved + row * (size_t)out : y;
        k->pack_rows(io->x + row * (size_t)in, in, n, in, m.rows);
        rlt_nn_product p = {
            .m = n,
            .n = out,
            .steps = words(in),
            .a = m.rows,
            .a_row = words(in),
            .a_step = 1,
            .b = m.w,
            .b_stride = out,
            .bias = io->params + (size_t)in * (size_t)out,
            .c = sums,
            .c_stride = out,
        };
        k->product(&p);
        if (op->act != RLT_ACT_NONE) {
            rlt_nn_kernels_get()->activate((int)op->act, sums, (size_t)n * (size_t)out, y);
        }
    }
}

static void block_backward(const rlt_op *op, const rlt_op_io *io, const memory *m, size_t row,
                           int n) {
    const rlt_nn_bf16_kernels *k = rlt_nn_bf16_get();
    int in = op->in, out = op->out;
    size_t at = row * (size_t)out;
    const float *dz = io->dy + at;
    if (op->act != RLT_ACT_NONE) {
        rlt_nn_kernels_get()->act_grad((int)op->act, io->y + at,
                                       op->act == RLT_ACT_SILU ? io->saved + at : NULL, dz,
                                       (size_t)n * (size_t)out, m->dz);
        dz = m->dz;
    }
    k->pack_pairs(io->x + row * (size_t)in, in, n, in, m->x_pairs);
    k->pack_pairs(dz, out, n, out, m->dz_pairs);
    rlt_nn_product gradient = {
        .m = in,
        .n = out,
        .steps = words(n),
        .a = m->x_pairs,
        .a_row = 1,
        .a_step = in,
        .b = m->dz_pairs,
        .b_stride = out,
        .c = io->d_params,
        .c_stride = out,
        .add = true,
    };
    k->product(&gradient);
    rlt_nn_kernels_get()->column_sums(dz, out, n, out, io->d_params + (size_t)in * (size_t)out);
    if (io->dx != NULL) {
        k->pack_rows(dz, out, n, out, m->rows);
        rlt_nn_product back = {
            .m = n,
            .n = in,
            .steps = words(out),
            .a = m->rows,
            .a_row = words(out),
            .a_step = 1,
            .b = m->w_t,
            .b_stride = in,
            .c = io->dx + row * (size_t)in,
            .c_stride = in,
            .add = op->dx_add,
        };
        k->product(&back);
    }
}

void rlt_cpu_dense_bf16_backward(const rlt_op *op, const rlt_op_io *io) {
    memory m = lay_out(op, io->scratch, true);
    size_t rows = rlt_io_rows(io);
    if (io->dx != NULL) {
        rlt_nn_bf16_get()->pack_rows(io->params, op->out, op->in, op->out, m.w_rows);
        rlt_nn_kernels_get()->transpose(m.w_rows, 0, op->in, words(op->out), m.w_t, op->in);
    }
    for (size_t row = 0; row < rows; row += RLT_CPU_BLOCK) {
        block_backward(op, io, &m, row, block_of(rows, row));
    }
}
