/* nn/cuda, attention: forward, its state and its scratch; see attention.h.
 * Thread: the device's. */
#include "nn/cuda/attention.h"

/* Each sequence's reach: 1 at a reset, one more a step, at most the context. */
static __global__ void __launch_bounds__(128)
    attention_reach(attention_in in, const uint8_t *reset, int *reach) {
    RLT_GRID_LOOP(n, in.seqs) {
        int count = 0;
        if (in.state != nullptr) {
            count = (int)in.state[n * in.state_stride + 2 * (size_t)in.context * in.width];
        }
        for (int t = 0; t < in.steps; t++) {
            size_t at = (size_t)t * in.seqs + n;
            count = reset != nullptr && reset[at] != 0 ? 0 : count;
            count = min(count + 1, in.context);
            reach[at] = count;
        }
    }
}

template <int DV, int M>
static __global__ void __launch_bounds__(ATTENTION_THREADS, DV == 1 ? 5 : 2)
    attention_forward(attention_in in) {
    __shared__ float tile[RLT_WARP * TILE_STRIDE];
    __shared__ __align__(16) float query[ATTENTION_WARPS][M * DV * RLT_WARP];
    __shared__ __align__(16) float weight[ATTENTION_WARPS][M * RLT_WARP];
    const attention_place at = attention_place_of<M>(in);
    int lane = threadIdx.x % RLT_WARP, warp = threadIdx.x / RLT_WARP, reach[M];
    float most[M], total[M], sum[M][DV];
    attention_source q = {0, at.n, at.head, 0, in.steps};
    attention_own<DV, M>(in, q, at.own, in.scale, query[warp]);
#pragma unroll
    for (int m = 0; m < M; m++) {
        int t = at.own + m;
        reach[m] = t < in.steps ? in.reach[attention_row(in, at.n, t)] : 0;
        most[m] = -INFINITY;
        total[m] = 0;
#pragma unroll
        for (int slice = 0; slice < DV; slice++) {
            sum[m][slice] = 0;
        }
    }
    int oldest = at.first - in.reach[attention_row(in, at.n, at.first)] + 1; /* it never falls */
    attention_source k = {1, at.n, at.head, oldest, at.end};
    attention_source v = {2, at.n, at.head, oldest, at.end};
    for (int first = oldest; first < at.end; first += RLT_WARP) {
        float score[M] = {};
        attention_dots<DV, M>(in, k, first, query[warp], tile, score);
#pragma unroll
        for (int m = 0; m < M; m++) {
            int key = first + lane, distance = at.own + m - key;
            bool sees = attention_sees(at.own + m, key, reach[m]);
            score[m] = sees ? score[m] + in.bias[at.head * in.context + distance] : -INFINITY;
            float next = fmaxf(most[m], rlt_warp_max(score[m]));
            float keep = next == most[m] ? 1 : expf(most[m] - next);
            float p = sees ? expf(score[m] - next) : 0;
            total[m] = total[m] * keep + rlt_warp_sum(p);
            most[m] = next;
            weight[warp][m * RLT_WARP + lane] = p;
#pragma unroll
            for (int slice = 0; slice < DV; slice++) {
                sum[m][slice] *= keep;
            }
        }
        attention_sums<DV, M>(in, v, first, weight[warp], tile, sum);
    }
#pragma unroll
    for (int m = 0; m < M; m++) {
        size_t row = attention_row(in, at.n, at.own + m);
        if (at.own + m < in.steps) {
#pragma unroll
            for (int slice = 0; slice < DV; slice++) {
                int entry = slice * RLT_WARP + lane;
                if (entry < in.dims) {
                    in.out[row * in.width + at.head * in.dims + entry] = sum[m][slice] / total[m];
                }
            }
            if (lane == 0) {
                in.logs[row * in.heads + at.head] = most[m] + logf(total[m]);
            }
        }
    }
}

/* The newest `context` keys and values, newest last, and how many are of this episode. */
static __global__ void __launch_bounds__(256)
    attention_state(attention_in in, float *state, int stride) {
    size_t plane = (size_t)in.context * in.width;
    RLT_GRID_LOOP(i, in.seqs * 2 * plane) {
        int n = (int)(i / (2 * plane)), which = (int)(i / plane % 2) + 1;
        int slot = (int)(i % plane / in.width), t = in.steps - in.context + slot;
        attention_source from = {which, n, 0, in.state == nullptr ? 0 : -in.context, in.steps};
        const float *row = from(in, t);
        float *to = state + (size_t)n * stride;
        to[i % (2 * plane)] = row == nullptr ? 0 : row[i % in.width];
        if (i % (2 * plane) == 0) {
            to[2 * plane] = (float)in.reach[attention_row(in, n, in.steps - 1)];
        }
    }
}

void rlt_cuda_attention_begin(rlt_cuda_device *cuda, const rlt_op *op, const rlt_op_io *io,
                              const attention_memory &m, attention_in *in) {
    in->qkv = m.qkv;
    in->out = m.out;
    in->logs = m.logs;
    in->reach = (const int *)m.reach;
    in->state = io->state;
    in->state_stride = io->state_stride;
    in->bias = attention_weights_of(op, io->params).bias;
    in->d_out = m.d_out;
    in->delta = m.delta;
    in->d_qkv = m.d_qkv;
    in->d_bias = m.d_bias;
    RLT_LAUNCH(attention_reach, rlt_cuda_grid((size_t)in->seqs, 128), 128, 0, cuda->stream, *in,
               io->reset, (int *)m.reach);
}

void rlt_cuda_attention_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    attention_in in = attention_in_of(op, io->steps, io->seqs);
    attention_memory m =
        attention_lay_out(in, io->scratch, io->training ? io->saved : nullptr, false);
    attention_weights w = attention_weights_of(op, io->params);
    int rows = io->steps * io->seqs, width = op->in;
    rlt_gemm project = matrix_product(rows, 3 * width, width, io->x, width, w.wqkv, 3 * width,
                                      m.qkv, 3 * width, 0);
    project.epilogue = RLT_EPILOGUE_BIAS;
    project.bias = w.bqkv;
    rlt_cuda_gemm(cuda, &project);
    rlt_cuda_attention_begin(cuda, op, io, m, &in);
    ATTENTION_LAUNCH(attention_forward, 0);
    rlt_gemm output =
        matrix_product(rows, width, width, m.out, width, w.wo, width, io->y, width, 0);
    output.epilogue = RLT_EPILOGUE_BIAS;
    output.bias = w.bo;
    rlt_cuda_gemm(cuda, &output);
    if (io->state_out != nullptr) {
        size_t count = (size_t)in.seqs * 2 * in.context * in.width;
        RLT_LAUNCH(attention_state, rlt_cuda_grid(count, 256, 8192), 256, 0, cuda->stream, in,
                   io->state_out, io->state_stride);
    }
}

size_t rlt_cuda_attention_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    attention_in in = attention_in_of(op, steps, seqs);
    float here = 0; /* saved: any place that is none of scratch */
    attention_memory forward = attention_lay_out(in, nullptr, training ? &here : nullptr, false);
    attention_memory backward = {};
    if (training) {
        backward = attention_lay_out(in, nullptr, &here, true);
    }
    return sizeof(float) * (forward.floats > backward.floats ? forward.floats : backward.floats);
}
