/* nn/cuda, attention: backward; see attention.h. Thread: the device's. */
#include "nn/cuda/attention.h"

/* d_out times out of one query and head. */
static __device__ __forceinline__ float attention_delta(const attention_in &in, int n, int head,
                                                        int t) {
    size_t row = attention_row(in, n, t < in.steps ? t : 0) * in.width + head * in.dims;
    float sum = 0;
    for (int i = threadIdx.x % RLT_WARP; i < in.dims; i += RLT_WARP) {
        sum += in.d_out[row + i] * in.out[row + i];
    }
    return rlt_warp_sum(sum);
}

/* The warps' sums by distance, in order, to the block's place. */
static __device__ __forceinline__ void
attention_leave_bias(const attention_in &in, const attention_place &at, const float *d_bias) {
    __syncthreads();
    float *to =
        in.d_bias + (((size_t)at.n * gridDim.y + blockIdx.y) * in.heads + at.head) * in.context;
    for (int i = threadIdx.x; i < in.context; i += ATTENTION_THREADS) {
        float all = 0;
        for (int w = 0; w < ATTENTION_WARPS; w++) {
            all += d_bias[w * in.context + i];
        }
        to[i] = all;
    }
}

/* By queries: d q, delta, and the block's part of d bias. */
template <int DV, int M>
static __global__ void __launch_bounds__(ATTENTION_THREADS, DV == 1 ? 5 : 2)
    attention_back_queries(attention_in in) {
    __shared__ float tile[RLT_WARP * TILE_STRIDE];
    __shared__ __align__(16) float query[ATTENTION_WARPS][M * DV * RLT_WARP];
    __shared__ __align__(16) float d_out[ATTENTION_WARPS][M * DV * RLT_WARP];
    __shared__ __align__(16) float weight[ATTENTION_WARPS][M * RLT_WARP];
    RLT_SHARED(float, d_bias); /* [ATTENTION_WARPS][context] */
    const attention_place at = attention_place_of<M>(in);
    int lane = threadIdx.x % RLT_WARP, warp = threadIdx.x / RLT_WARP, reach[M];
    float delta[M], log_sum[M], sum[M][DV];
    for (int i = threadIdx.x; i < ATTENTION_WARPS * in.context; i += ATTENTION_THREADS) {
        d_bias[i] = 0;
    }
    attention_source q = {0, at.n, at.head, 0, in.steps};
    attention_gradient d = {at.n, at.head, 0, in.steps};
    attention_own<DV, M>(in, q, at.own, in.scale, query[warp]);
    attention_own<DV, M>(in, d, at.own, 1, d_out[warp]);
#pragma unroll
    for (int m = 0; m < M; m++) {
        int t = at.own + m;
        size_t row = attention_row(in, at.n, t) * in.heads + at.head;
        delta[m] = attention_delta(in, at.n, at.head, t);
        reach[m] = t < in.steps ? in.reach[attention_row(in, at.n, t)] : 0;
        log_sum[m] = t < in.steps ? in.logs[row] : 0;
        if (t < in.steps && lane == 0) {
            in.delta[row] = delta[m];
        }
#pragma unroll
        for (int slice = 0; slice < DV; slice++) {
            sum[m][slice] = 0;
        }
    }
    int oldest = at.first - in.reach[attention_row(in, at.n, at.first)] + 1;
    attention_source k = {1, at.n, at.head, oldest, at.end};
    attention_source v = {2, at.n, at.head, oldest, at.end};
    for (int first = oldest; first < at.end; first += RLT_WARP) {
        float score[M] = {}, d_p[M] = {};
        attention_dots<DV, M>(in, k, first, query[warp], tile, score);
        attention_dots<DV, M>(in, v, first, d_out[warp], tile, d_p);
#pragma unroll
        for (int m = 0; m < M; m++) {
            int key = first + lane, distance = at.own + m - key;
            float d_score = 0;
            if (attention_sees(at.own + m, key, reach[m])) {
                float bias = in.bias[at.head * in.context + distance];
                d_score = expf(score[m] + bias - log_sum[m]) * (d_p[m] - delta[m]);
                d_bias[warp * in.context + distance] += d_score; /* a distance a lane */
            }
            weight[warp][m * RLT_WARP + lane] = d_score;
            __syncwarp();
        }
        attention_sums<DV, M>(in, k, first, weight[warp], tile, sum);
    }
#pragma unroll
    for (int m = 0; m < M; m++) {
#pragma unroll
        for (int slice = 0; slice < DV; slice++) {
            int entry = slice * RLT_WARP + lane;
            if (at.own + m < in.steps && entry < in.dims) {
                in.d_qkv[attention_row(in, at.n, at.own + m) * 3 * in.width + at.head * in.dims +
                         entry] = in.scale * sum[m][slice];
            }
        }
    }
    attention_leave_bias(in, at, d_bias);
}

/* By keys of the segment: d k, d v. A lane is a query. */
template <int DV, int M>
static __global__ void __launch_bounds__(ATTENTION_THREADS, DV == 1 ? 5 : 2)
    attention_back_keys(attention_in in) {
    __shared__ float tile[RLT_WARP * TILE_STRIDE];
    __shared__ __align__(16) float key[ATTENTION_WARPS][M * DV * RLT_WARP];
    __shared__ __align__(16) float value[ATTENTION_WARPS][M * DV * RLT_WARP];
    __shared__ __align__(16) float weight[ATTENTION_WARPS][M * RLT_WARP];
    __shared__ __align__(16) float d_score[ATTENTION_WARPS][M * RLT_WARP];
    const attention_place at = attention_place_of<M>(in);
    int lane = threadIdx.x % RLT_WARP, warp = threadIdx.x / RLT_WARP;
    attention_source k = {1, at.n, at.head, 0, in.steps}, v = {2, at.n, at.head, 0, in.steps};
    attention_own<DV, M>(in, k, at.own, in.scale, key[warp]);
    attention_own<DV, M>(in, v, at.own, 1, value[warp]);
    float d_k[M][DV], d_v[M][DV];
#pragma unroll
    for (int m = 0; m < M; m++) {
#pragma unroll
        for (int slice = 0; slice < DV; slice++) {
            d_k[m][slice] = d_v[m][slice] = 0;
        }
    }
    int end = min(at.end - 1 + in.context, in.steps); /* the last query that sees one of them */
    attention_source q = {0, at.n, at.head, at.first, end};
    attention_gradient d = {at.n, at.head, at.first, end};
    for (int first = at.first; first < end; first += RLT_WARP) {
        float score[M] = {}, d_p[M] = {};
        attention_dots<DV, M>(in, q, first, key[warp], tile, score);
        attention_dots<DV, M>(in, d, first, value[warp], tile, d_p);
        int t = first + lane, reach = 0;
        float log_sum = 0, delta = 0;
        if (t < end) {
            size_t row = attention_row(in, at.n, t);
            reach = in.reach[row];
            log_sum = in.logs[row * in.heads + at.head];
            delta = in.delta[row * in.heads + at.head];
        }
#pragma unroll
        for (int m = 0; m < M; m++) {
            float p = 0;
            if (attention_sees(t, at.own + m, reach)) {
                float bias = in.bias[at.head * in.context + t - at.own - m];
                p = expf(score[m] + bias - log_sum);
            }
            weight[warp][m * RLT_WARP + lane] = p;
            d_score[warp][m * RLT_WARP + lane] = p * (d_p[m] - delta);
        }
        attention_sums<DV, M>(in, q, first, d_score[warp], tile, d_k);
        attention_sums<DV, M>(in, d, first, weight[warp], tile, d_v);
    }
#pragma unroll
    for (int m = 0; m < M; m++) {
#pragma unroll
        for (int slice = 0; slice < DV; slice++) {
            int entry = slice * RLT_WARP + lane;
            if (at.own + m < in.steps && entry < in.dims) {
                float *to = in.d_qkv + attention_row(in, at.n, at.own + m) * 3 * in.width +
                            at.head * in.dims + entry;
                to[in.width] = in.scale * d_k[m][slice];
                to[2 * in.width] = d_v[m][slice];
            }
        }
    }
}

/* The gradients of the parameters, and of x. */
static void attention_back_products(rlt_cuda_device *cuda, const rlt_op *op, const rlt_op_io *io,
                                    const attention_in &in, const attention_memory &m) {
    attention_weights w = attention_weights_of(op, io->params);
    int rows = io->steps * io->seqs, width = op->in, parts = in.seqs * attention_tiles(in);
    float *d_wqkv = io->d_params, *d_bqkv = d_wqkv + (w.bqkv - w.wqkv);
    float *d_wo = d_wqkv + (w.wo - w.wqkv), *d_bo = d_wqkv + (w.bo - w.wqkv);
    rlt_gemm d_output =
        matrix_product(width, width, rows, m.out, width, io->dy, width, d_wo, width, 1);
    d_output.a_t = true;
    rlt_cuda_gemm(cuda, &d_output);
    rlt_gemm d_project = matrix_product(width, 3 * width, rows, io->x, width, m.d_qkv, 3 * width,
                                        d_wqkv, 3 * width, 1);
    d_project.a_t = true;
    rlt_cuda_gemm(cuda, &d_project);
    columns_add<1>(cuda, columns_matrix{io->dy, width}, rows, width, 1, m.columns, d_bo);
    columns_add<1>(cuda, columns_matrix{m.d_qkv, 3 * width}, rows, 3 * width, 1, m.columns, d_bqkv);
    columns_add<1>(cuda, columns_matrix{m.d_bias, in.heads * in.context}, parts,
                   in.heads * in.context, 1, m.columns, d_wqkv + (w.bias - w.wqkv));
    if (io->dx != nullptr) {
        rlt_gemm dx = matrix_product(rows, width, 3 * width, m.d_qkv, 3 * width, w.wqkv, 3 * width,
                                     io->dx, width, op->dx_add ? 1 : 0);
        dx.b_t = true;
        rlt_cuda_gemm(cuda, &dx);
    }
}

void rlt_cuda_attention_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    attention_in in = attention_in_of(op, io->steps, io->seqs);
    attention_memory m = attention_lay_out(in, io->scratch, io->saved, true);
    int rows = io->steps * io->seqs, width = op->in;
    rlt_cuda_attention_begin(cuda, op, io, m, &in);
    rlt_gemm d_out =
        matrix_product(rows, width, width, io->dy, width, attention_weights_of(op, io->params).wo,
                       width, m.d_out, width, 0);
    d_out.b_t = true;
    rlt_cuda_gemm(cuda, &d_out);
    size_t shared = sizeof(float) * ATTENTION_WARPS * (size_t)in.context;
    ATTENTION_LAUNCH(attention_back_queries, shared);
    ATTENTION_LAUNCH(attention_back_keys, 0);
    attention_back_products(cuda, op, io, in, m);
}
