/* nn/cuda, loss_sac: soft actor-critic (Haarnoja et al. 2018): critics, actor, temperature, each
 * where its outputs are given. A thread takes a row; an actor's row is as wide as the action.
 * Bound: latency at the usual 256 rows, else memory, 7 floats a row and 7 an entry of the action.
 * Thread: the device's. */
#include "nn/cuda/groups.h"

static __device__ void sac_critics(const rlt_sac_loss_args &args, int row, float alpha, float scale,
                                   loss_sums *sums) {
    float next =
        rlt_cuda_least(args.next_q1[row], args.next_q2[row]) - alpha * args.next_log_prob[row];
    float target = args.reward[row] + args.discount[row] * next;
    float error1 = args.q1[row] - target, error2 = args.q2[row] - target;
    sums->term[RLT_SUM_VALUE] += 0.5 * (double)(error1 * error1 + error2 * error2);
    args.d_q1[row] = scale * error1;
    args.d_q2[row] = scale * error2;
}

/* u = mean + std eps, a = tanh(u): d log_prob / d u = 2 a, d log_prob / d log_std = -1 + 2 a std
 * eps; no slope in a clamped log_std. */
static __device__ void sac_actor(const rlt_sac_loss_args &args, int row, float alpha, float scale,
                                 loss_sums *sums) {
    const float *head = args.head + (size_t)row * 2 * args.width;
    float *d_head = args.d_head + (size_t)row * 2 * args.width, log_prob = args.log_prob[row];
    for (int j = 0; j < args.width; j++) {
        size_t at = (size_t)row * args.width + j;
        float raw = head[args.width + j], a = args.action[at];
        float log_std = rlt_cuda_bounded(raw, args.log_std_min, args.log_std_max);
        float spread = expf(log_std) * args.eps[at];
        float d_u = 2 * alpha * a - args.dq_da[at] * (1 - a * a);
        d_head[j] = scale * d_u;
        d_head[args.width + j] = raw == log_std ? scale * (d_u * spread - alpha) : 0;
    }
    float q = args.q1 == nullptr ? 0 : rlt_cuda_least(args.q1[row], args.q2[row]);
    sums->term[RLT_SUM_POLICY] += (double)(alpha * log_prob - q);
    sums->term[RLT_SUM_ENTROPY] -= (double)log_prob;
}

/* partial: as loss_leave's, then a double a block for the temperature. */
static __global__ void __launch_bounds__(RLT_FN_BLOCK)
    sac_rows(rlt_sac_loss_args args, float scale, double *temperature) {
    __shared__ double shared[32];
    loss_sums sums = {};
    int row = blockIdx.x * RLT_FN_BLOCK + threadIdx.x;
    double gap = 0;
    if (row < args.n) {
        float alpha = expf(*args.log_alpha);
        if (args.d_q1 != nullptr) {
            sac_critics(args, row, alpha, scale, &sums);
        }
        if (args.d_head != nullptr) {
            sac_actor(args, row, alpha, scale, &sums);
        }
        if (args.d_log_alpha != nullptr) {
            gap = (double)args.log_prob[row] + args.target_entropy;
        }
    }
    gap = rlt_block_sum(gap, shared);
    if (threadIdx.x == 0) {
        temperature[blockIdx.x] = gap;
    }
    loss_leave(sums, args.partial);
}

static __global__ void __launch_bounds__(RLT_WARP)
    sac_temperature(const double *temperature, int blocks, double scale, float *d_log_alpha) {
    double sum = 0;
    for (int b = threadIdx.x; b < blocks; b += RLT_WARP) {
        sum += temperature[b];
    }
    sum = rlt_warp_sum(sum);
    if (threadIdx.x == 0) {
        *d_log_alpha = (float)(-sum * scale);
    }
}

void rlt_cuda_sac_loss(rlt_device *device, const rlt_sac_loss_args *args) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    unsigned blocks = loss_blocks(args->n);
    double *temperature = args->partial + (size_t)blocks * LOSS_TERMS;
    RLT_LAUNCH(sac_rows, blocks, RLT_FN_BLOCK, 0, cuda->stream, *args, 1.0f / (float)args->n,
               temperature);
    if (args->d_log_alpha != nullptr) {
        RLT_LAUNCH(sac_temperature, 1, RLT_WARP, 0, cuda->stream, temperature, (int)blocks,
                   1.0 / args->n, args->d_log_alpha);
    }
    rlt_cuda_loss_finish(cuda, args->update, args->partial, args->n);
}
