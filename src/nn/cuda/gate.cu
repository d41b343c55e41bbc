/* nn/cuda, gate: the GRU-type gate of GTrXL between stream x and branch y (ops.h). Matrix products
 * carry the weight: 6 forward, 12 backward, those with one operand in common in one batched call;
 * what is between them is elementwise. Bound of those: memory, 7 floats an entry forward, 14
 * backward. saved: planes r, z, h, each [rows][in]. Thread: the device's. */
#include "nn/cuda/columns.h"
#include "nn/cuda/scratch.h"

enum { GATE_WR, GATE_UR, GATE_WZ, GATE_UZ, GATE_WG, GATE_UG, GATE_MATRICES };

/* Planes of [rows][in]. */
struct gate_planes {
    float *r, *z, *h, *rx;
    float *d_r, *d_z, *d_h, *d_rx; /* backward; d_r, d_z, d_h one after the other */
};

/* r and z of their sums, in place, and r x. */
static __global__ void __launch_bounds__(256)
    gate_sigmoids(gate_planes p, const float *__restrict__ x, const float *__restrict__ bias,
                  int width, size_t count) {
    RLT_GRID_LOOP(i, count) {
        float r = rlt_cuda_sigmoid(p.r[i]);
        p.r[i] = r;
        p.z[i] = rlt_cuda_sigmoid(p.z[i] - bias[i % width]);
        p.rx[i] = r * x[i];
    }
}
static __global__ void __launch_bounds__(256)
    gate_output(gate_planes p, const float *__restrict__ x, float *__restrict__ y, size_t count) {
    RLT_GRID_LOOP(i, count) {
        float h = tanhf(p.h[i]), z = p.z[i];
        p.h[i] = h;
        y[i] = (1 - z) * x[i] + z * h;
    }
}
/* The gradients of the sums of h and z, r x again, and x's share of dy. */
static __global__ void __launch_bounds__(256)
    gate_output_back(gate_planes p, const float *__restrict__ x, const float *__restrict__ dy,
                     bool add, float *dx, size_t count) {
    RLT_GRID_LOOP(i, count) {
        float d = dy[i], z = p.z[i], h = p.h[i];
        p.d_h[i] = d * z * (1 - h * h);
        p.d_z[i] = d * (h - x[i]) * z * (1 - z);
        p.rx[i] = p.r[i] * x[i];
        if (dx != nullptr) {
            dx[i] = (add ? dx[i] : 0) + d * (1 - z);
        }
    }
}
/* d_rx is there: the gradient of the sum of r, and x's share. */
static __global__ void __launch_bounds__(256)
    gate_reset_back(gate_planes p, const float *__restrict__ x, float *dx, size_t count) {
    RLT_GRID_LOOP(i, count) {
        float r = p.r[i], d = p.d_rx[i];
        p.d_r[i] = d * x[i] * r * (1 - r);
        if (dx != nullptr) {
            dx[i] += d * r;
        }
    }
}

static const float *gate_matrix(const rlt_op *op, const float *params, int which) {
    return params + (size_t)which * op->in * op->in;
}

/* `batch` products c += or = a times matrices `first`, `first` + 2, ... (transposed: their
 * transposes); c_stride apart. */
static rlt_gemm gate_product(const rlt_op *op, const rlt_op_io *io, const float *a, int first,
                             int batch, float *c, float beta) {
    rlt_gemm gemm = {};
    gemm.m = io->steps * io->seqs;
    gemm.n = gemm.k = gemm.lda = gemm.ldb = gemm.ldc = op->in;
    gemm.a = a;
    gemm.b = gate_matrix(op, io->params, first);
    gemm.c = c;
    gemm.beta = beta;
    gemm.batch = batch;
    gemm.b_stride = 2 * (long long)op->in * op->in;
    gemm.c_stride = (long long)gemm.m * op->in;
    return gemm;
}

/* r, z, h lie in `saved`, or in scratch where that is NULL. */
static gate_planes gate_lay_out(float *saved, scratch_cursor *scratch, size_t count,
                                bool backward) {
    gate_planes p = {};
    float *kept = saved != nullptr ? saved : scratch->take(3 * count);
    p.rx = scratch->take(count);
    float *d = backward ? scratch->take(3 * count) : nullptr;
    p.d_rx = backward ? scratch->take(count) : nullptr;
    if (kept != nullptr) {
        p.r = kept;
        p.z = kept + count;
        p.h = kept + 2 * count;
    }
    if (d != nullptr) {
        p.d_r = d;
        p.d_z = d + count;
        p.d_h = d + 2 * count;
    }
    return p;
}

void rlt_cuda_gate_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    size_t count = (size_t)io->steps * io->seqs * op->in;
    scratch_cursor scratch = {io->scratch, 0};
    gate_planes p = gate_lay_out(io->training ? io->saved : nullptr, &scratch, count, false);
    unsigned grid = rlt_cuda_grid(count, 256, 8192);
    rlt_gemm branch = gate_product(op, io, io->x2, GATE_WR, 3, p.r, 0);
    rlt_cuda_gemm(cuda, &branch);
    rlt_gemm stream = gate_product(op, io, io->x, GATE_UR, 2, p.r, 1);
    rlt_cuda_gemm(cuda, &stream);
    RLT_LAUNCH(gate_sigmoids, grid, 256, 0, cuda->stream, p, io->x,
               gate_matrix(op, io->params, GATE_MATRICES), op->in, count);
    rlt_gemm inner = gate_product(op, io, p.rx, GATE_UG, 1, p.h, 1);
    rlt_cuda_gemm(cuda, &inner);
    RLT_LAUNCH(gate_output, grid, 256, 0, cuda->stream, p, io->x, io->y, count);
}

/* d_params of `batch` matrices from `first` on += a^T d, d being planes one after the other. */
static void gate_gradient(rlt_cuda_device *cuda, const rlt_op *op, const rlt_op_io *io,
                          const float *a, const float *d, int first, int batch) {
    rlt_gemm gemm = {};
    gemm.m = gemm.n = gemm.lda = gemm.ldb = gemm.ldc = op->in;
    gemm.k = io->steps * io->seqs;
    gemm.a_t = true;
    gemm.a = a;
    gemm.b = d;
    gemm.c = io->d_params + (size_t)first * op->in * op->in;
    gemm.beta = 1;
    gemm.batch = batch;
    gemm.b_stride = (long long)gemm.k * op->in;
    gemm.c_stride = 2 * (long long)op->in * op->in;
    rlt_cuda_gemm(cuda, &gemm);
}

/* c (+)= d times the transpose of a matrix. */
static void gate_back(rlt_cuda_device *cuda, const rlt_op *op, const rlt_op_io *io, const float *d,
                      int which, float *c, float beta) {
    rlt_gemm gemm = gate_product(op, io, d, which, 1, c, beta);
    gemm.b_t = true;
    rlt_cuda_gemm(cuda, &gemm);
}

void rlt_cuda_gate_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    int rows = io->steps * io->seqs;
    size_t count = (size_t)rows * op->in;
    scratch_cursor scratch = {io->scratch, 0};
    gate_planes p = gate_lay_out(io->saved, &scratch, count, true);
    float *columns = scratch.take(columns_partial_floats(rows, op->in));
    unsigned grid = rlt_cuda_grid(count, 256, 8192);
    RLT_LAUNCH(gate_output_back, grid, 256, 0, cuda->stream, p, io->x, io->dy, op->dx_add, io->dx,
               count);
    gate_back(cuda, op, io, p.d_h, GATE_UG, p.d_rx, 0);
    RLT_LAUNCH(gate_reset_back, grid, 256, 0, cuda->stream, p, io->x, io->dx, count);
    gate_gradient(cuda, op, io, io->x2, p.d_r, GATE_WR, 3);
    gate_gradient(cuda, op, io, io->x, p.d_r, GATE_UR, 2);
    gate_gradient(cuda, op, io, p.rx, p.d_h, GATE_UG, 1);
    columns_add<1>(cuda, columns_matrix{p.d_z, op->in}, rows, op->in, -1, columns,
                   io->d_params + (size_t)GATE_MATRICES * op->in * op->in);
    if (io->dx != nullptr) {
        gate_back(cuda, op, io, p.d_r, GATE_UR, io->dx, 1);
        gate_back(cuda, op, io, p.d_z, GATE_UZ, io->dx, 1);
    }
    if (io->dx2 != nullptr) {
        gate_back(cuda, op, io, p.d_r, GATE_WR, io->dx2, 0);
        gate_back(cuda, op, io, p.d_z, GATE_WZ, io->dx2, 1);
        gate_back(cuda, op, io, p.d_h, GATE_WG, io->dx2, 1);
    }
}

size_t rlt_cuda_gate_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    size_t count = (size_t)steps * seqs * op->in;
    scratch_cursor forward = {}, backward = {};
    gate_lay_out(nullptr, &forward, count, false);
    if (training) {
        gate_lay_out(nullptr, &backward, count, true);
        backward.take(columns_partial_floats(steps * seqs, op->in));
    }
    return sizeof(float) * (forward.floats > backward.floats ? forward.floats : backward.floats);
}
