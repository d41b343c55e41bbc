/* nn/cuda, private: what LSTM and GRU share on the host: which form of recurrent.h a shape takes,
 * scratch, and the matrix products around the recurrence. Thread: the device's. */
#ifndef RLT_NN_CUDA_RECURRENT_RUN_H
#define RLT_NN_CUDA_RECURRENT_RUN_H
#include "nn/cuda/recurrent.h"
#include "nn/cuda/scratch.h"

/* False: the shape is not for the resident form. */
template <class Cell, int KEPT, int S>
static bool recurrent_resident(rlt_cuda_device *cuda, const recurrent_in &in, bool backward) {
    recurrent_shape shape = recurrent_shape_of<Cell, KEPT, S>(in.units, backward);
    size_t bytes = sizeof(float) * (shape.rest + shape.vectors + shape.sums);
    if (shape.threads > RECURRENT_THREADS_MAX || bytes > (size_t)cuda->shared_bytes_max) {
        return false;
    }
    unsigned grid = rlt_cuda_grid((size_t)in.seqs, S);
    if (backward) {
        rlt_cuda_ok(cuda, "recurrent_backward",
                    cudaFuncSetAttribute(recurrent_backward<Cell, KEPT, S>,
                                         cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes));
        RLT_LAUNCH((recurrent_backward<Cell, KEPT, S>), grid, shape.threads, bytes, cuda->stream,
                   in, shape);
    } else {
        rlt_cuda_ok(cuda, "recurrent_forward",
                    cudaFuncSetAttribute(recurrent_forward<Cell, KEPT, S>,
                                         cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes));
        RLT_LAUNCH((recurrent_forward<Cell, KEPT, S>), grid, shape.threads, bytes, cuda->stream, in,
                   shape);
    }
    return true;
}

/* Sequences a block: so many that all blocks are resident at once, if four are enough. KEPT is what
 * leaves registers for S sums (scripts/check_spills). */
template <class Cell>
static bool recurrent_try_resident(rlt_cuda_device *cuda, const recurrent_in &in, bool backward) {
    if (in.units > RECURRENT_UNITS_MAX || in.steps < 4 || in.seqs > 16 * cuda->multiprocessors) {
        return false;
    }
    if (in.seqs <= cuda->multiprocessors) {
        return in.units <= 32 ? recurrent_resident<Cell, 32, 1>(cuda, in, backward)
                              : recurrent_resident<Cell, 56, 1>(cuda, in, backward);
    } else if (in.seqs > 2 * cuda->multiprocessors &&
               (in.units <= 32 ? recurrent_resident<Cell, 32, 4>(cuda, in, backward)
                               : recurrent_resident<Cell, 44, 4>(cuda, in, backward))) {
        return true;
    }
    return in.units <= 32 ? recurrent_resident<Cell, 32, 2>(cuda, in, backward)
                          : recurrent_resident<Cell, 56, 2>(cuda, in, backward);
}

/* Scratch, in floats: forward without training the two planes; then h_before and sums of a step;
 * backward d_input, d_recurrent where it differs, h before every step, d_h, d_c, columns. */
template <class Cell> struct recurrent_memory {
    float *gates, *kept, *h_before, *sums;
    float *d_input, *d_recurrent, *h_befores, *d_h, *d_c, *columns;
    size_t floats;
    recurrent_memory(float *base, int units, int steps, int seqs, bool training, bool backward)
        : recurrent_memory() {
        scratch_cursor at = {base, 0};
        size_t rows = (size_t)steps * seqs, u = units;
        if (!backward) {
            gates = training ? nullptr : at.take(rows * Cell::GATES * u);
            kept = training ? nullptr : at.take(rows * u);
            h_before = at.take(seqs * u);
            sums = at.take(seqs * Cell::GATES * u);
        } else {
            d_input = at.take(rows * Cell::GATES * u);
            d_recurrent = Cell::APART ? at.take(rows * Cell::GATES * u) : d_input;
            h_befores = at.take(rows * u);
            d_h = at.take(seqs * u);
            d_c = at.take(seqs * u);
            columns = at.take(columns_partial_floats((int)rows, Cell::GATES * u));
        }
        floats = at.floats;
    }

  private:
    recurrent_memory() = default;
};

template <class Cell>
static size_t recurrent_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    recurrent_memory<Cell> forward(nullptr, op->out, steps, seqs, training, false);
    recurrent_memory<Cell> backward(nullptr, op->out, steps, seqs, training, true);
    size_t floats = training && backward.floats > forward.floats ? backward.floats : forward.floats;
    return sizeof(float) * floats;
}

static inline recurrent_in recurrent_in_of(const rlt_op *op, const rlt_op_io *io, bool has_c) {
    recurrent_in in = {};
    in.steps = io->steps;
    in.seqs = io->seqs;
    in.units = op->out;
    in.state_stride = io->state_stride;
    in.y = io->y;
    in.reset = io->reset;
    in.state = io->state;
    in.state_out = io->state_out;
    in.has_c = has_c;
    in.dy = io->dy;
    return in;
}

/* in: all but the planes of scratch. bx: of the input's sums. */
template <class Cell>
static void recurrent_run_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io,
                                  recurrent_in in, const float *bx) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    recurrent_memory<Cell> memory(io->scratch, in.units, in.steps, in.seqs, io->training, false);
    size_t rows = (size_t)in.steps * in.seqs;
    int width = Cell::GATES * in.units;
    in.gates = io->training ? io->saved : memory.gates;
    in.kept = io->training ? io->saved + rows * width : memory.kept;
    rlt_gemm input = matrix_product((int)rows, width, op->in, io->x, op->in, io->params, width,
                                    in.gates, width, 0);
    input.epilogue = RLT_EPILOGUE_BIAS;
    input.bias = bx;
    rlt_cuda_gemm(cuda, &input);
    if (recurrent_try_resident<Cell>(cuda, in, false)) {
        return;
    }
    unsigned grid = rlt_cuda_grid((size_t)in.seqs * in.units, 256, 4096);
    RLT_LAUNCH(recurrent_h_before, grid, 256, 0, cuda->stream, in, 0, 1, memory.h_before);
    for (int t = 0; t < in.steps; t++) {
        rlt_gemm recurrent = matrix_product(in.seqs, width, in.units, memory.h_before, in.units,
                                            in.wh, width, memory.sums, width, 0);
        recurrent.epilogue = in.bh == nullptr ? RLT_EPILOGUE_NONE : RLT_EPILOGUE_BIAS;
        recurrent.bias = in.bh;
        rlt_cuda_gemm(cuda, &recurrent);
        RLT_LAUNCH(recurrent_step_forward<Cell>, grid, 256, 0, cuda->stream, in, t, memory.sums,
                   memory.h_before);
    }
}

/* d_input and d_recurrent of every step. */
template <class Cell>
static void recurrent_through_time(rlt_cuda_device *cuda, const recurrent_in &in,
                                   const recurrent_memory<Cell> &memory) {
    int width = Cell::GATES * in.units;
    if (recurrent_try_resident<Cell>(cuda, in, true)) {
        return;
    }
    unsigned grid = rlt_cuda_grid((size_t)in.seqs * in.units, 256, 4096);
    for (int t = in.steps - 1; t >= 0; t--) {
        RLT_LAUNCH(recurrent_step_backward<Cell>, grid, 256, 0, cuda->stream, in, t, memory.d_h,
                   memory.d_c);
        if (t > 0) {
            rlt_gemm back = matrix_product(in.seqs, in.units, width,
                                           in.d_recurrent + (size_t)t * in.seqs * width, width,
                                           in.wh, width, memory.d_h, in.units, 1);
            back.b_t = true;
            rlt_cuda_gemm(cuda, &back);
        }
    }
}

/* d_bh: NULL where the two sums share one bias. */
template <class Cell>
static void recurrent_run_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io,
                                   recurrent_in in, float *d_wh, float *d_bx, float *d_bh) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    recurrent_memory<Cell> memory(io->scratch, in.units, in.steps, in.seqs, true, true);
    int rows = in.steps * in.seqs, width = Cell::GATES * in.units;
    in.gates = io->saved;
    in.kept = io->saved + (size_t)rows * width;
    in.d_input = memory.d_input;
    in.d_recurrent = memory.d_recurrent;
    recurrent_through_time<Cell>(cuda, in, memory);
    RLT_LAUNCH(recurrent_h_before, rlt_cuda_grid((size_t)rows * in.units, 256, 8192), 256, 0,
               cuda->stream, in, 0, in.steps, memory.h_befores);
    rlt_gemm d_wx = matrix_product(op->in, width, rows, io->x, op->in, in.d_input, width,
                                   io->d_params, width, 1);
    d_wx.a_t = true;
    rlt_cuda_gemm(cuda, &d_wx);
    rlt_gemm d_wh_sum = matrix_product(in.units, width, rows, memory.h_befores, in.units,
                                       in.d_recurrent, width, d_wh, width, 1);
    d_wh_sum.a_t = true;
    rlt_cuda_gemm(cuda, &d_wh_sum);
    columns_add<1>(cuda, columns_matrix{in.d_input, width}, rows, width, 1, memory.columns, d_bx);
    if (d_bh != nullptr) {
        columns_add<1>(cuda, columns_matrix{in.d_recurrent, width}, rows, width, 1, memory.columns,
                       d_bh);
    }
    if (io->dx != nullptr) {
        rlt_gemm dx = matrix_product(rows, op->in, width, in.d_input, width, io->params, width,
                                     io->dx, op->in, op->dx_add ? 1 : 0);
        dx.b_t = true;
        rlt_cuda_gemm(cuda, &dx);
    }
}
#endif
