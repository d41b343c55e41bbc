/* nn/cuda: dense layers and embeddings, by matrix products. Forward has bias and ReLU in the
 * product's epilogue; tanh and SiLU are a pass over the result. Backward: dz = dy * act' with the
 * bias's gradient in one pass, then x^T dz and dz W^T. An embedding's row is the sum of the matrix'
 * rows at the ones of x, which are few: it is gathered. Thread: the device's. */
#include "nn/cuda/cuda.h"

void rlt_cuda_dense_forward(rlt_device *handle, const rlt_op *op, const rlt_op_io *io) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    rlt_gemm gemm = {};
    gemm.m = io->steps * io->seqs;
    gemm.n = gemm.ldb = gemm.ldc = op->out;
    gemm.k = gemm.lda = op->in;
    gemm.a = io->x;
    gemm.b = io->params;
    gemm.c = io->y;
    gemm.bias = io->params + (size_t)op->in * op->out;
    gemm.epilogue = op->act == RLT_ACT_RELU ? RLT_EPILOGUE_BIAS_RELU : RLT_EPILOGUE_BIAS;
    rlt_cuda_gemm(device, &gemm);
    if (op->act == RLT_ACT_TANH || op->act == RLT_ACT_SILU) {
        float *z = op->act == RLT_ACT_SILU && io->training ? io->saved : nullptr;
        rlt_cuda_bias_act(device, (size_t)gemm.m, op->out, nullptr, op->act, io->y, z);
    }
}

/* d_params' W += x^T dz; dx = dz W^T */
static void product_grads(rlt_cuda_device *device, const rlt_op *op, const rlt_op_io *io,
                          const float *dz) {
    rlt_gemm weights = {}, input = {};
    weights.m = weights.lda = op->in;
    weights.n = weights.ldb = weights.ldc = op->out;
    weights.k = io->steps * io->seqs;
    weights.a = io->x;
    weights.a_t = true;
    weights.b = dz;
    weights.c = io->d_params;
    weights.beta = 1.0f;
    if (io->d_params != nullptr) {
        rlt_cuda_gemm(device, &weights);
    }
    input.m = io->steps * io->seqs;
    input.n = input.ldc = op->in;
    input.k = input.lda = input.ldb = op->out;
    input.a = dz;
    input.b = io->params;
    input.b_t = true;
    input.c = io->dx;
    input.beta = op->dx_add ? 1.0f : 0.0f;
    if (io->dx != nullptr) {
        rlt_cuda_gemm(device, &input);
    }
}

void rlt_cuda_dense_backward(rlt_device *handle, const rlt_op *op, const rlt_op_io *io) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    size_t rows = (size_t)io->steps * io->seqs;
    bool linear = op->act == RLT_ACT_NONE;
    float *dz = io->scratch, *partial = dz + (linear ? 0 : rows * (size_t)op->out);
    float *bias_grad = io->d_params == nullptr ? nullptr : io->d_params + (size_t)op->in * op->out;
    if (!linear || bias_grad != nullptr) {
        rlt_cuda_act_backward(device, rows, op->out, op->act, io->dy, io->y, io->saved,
                              linear ? nullptr : dz, bias_grad, partial);
    }
    product_grads(device, op, io, linear ? io->dy : dz);
}

size_t rlt_cuda_dense_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    size_t rows = (size_t)steps * seqs;
    if (!training) {
        return 0;
    }
    return sizeof(float) * ((op->act == RLT_ACT_NONE ? 0 : rows * (size_t)op->out) +
                            rlt_cuda_columns_floats(rows, op->out));
}

/* A block a row: its threads look for what is not zero in 128 places of x at a time, in order. */
static __global__ void gather_rows(int in, int out, const float *__restrict__ x,
                                   const float *__restrict__ w, float *__restrict__ y) {
    __shared__ float values[128];
    const float *row = x + (size_t)blockIdx.x * in;
    float sums[8] = {}; /* of columns threadIdx.x + 128 i */
    for (int first = 0; first < in; first += 128) {
        int at = first + (int)threadIdx.x;
        values[threadIdx.x] = at < in ? row[at] : 0.0f;
        __syncthreads();
        int end = in - first < 128 ? in - first : 128;
        for (int i = 0; i < end; i++) {
            float value = values[i];
            for (int c = 0; c < 8 && value != 0.0f; c++) {
                int column = (int)threadIdx.x + 128 * c + 1024 * (int)blockIdx.y;
                if (column < out) {
                    sums[c] += value * w[(size_t)(first + i) * out + column];
                }
            }
        }
        __syncthreads();
    }
    for (int c = 0; c < 8; c++) {
        int column = (int)threadIdx.x + 128 * c + 1024 * (int)blockIdx.y;
        if (column < out) {
            y[(size_t)blockIdx.x * out + column] = sums[c];
        }
    }
}

void rlt_cuda_embed_forward(rlt_device *handle, const rlt_op *op, const rlt_op_io *io) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    unsigned rows = (unsigned)(io->steps * io->seqs);
    if (rows > 0) {
        RLT_LAUNCH(gather_rows, dim3(rows, (unsigned)(op->out + 1023) / 1024), 128, 0,
                   device->stream, op->in, op->out, io->x, io->params, io->y);
    }
}

void rlt_cuda_embed_backward(rlt_device *handle, const rlt_op *op, const rlt_op_io *io) {
    product_grads(rlt_cuda_of(handle), op, io, io->dy);
}

size_t rlt_cuda_embed_scratch(const rlt_op *, int, int, bool) {
    return 0;
}
