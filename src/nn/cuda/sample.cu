/* nn/cuda, sample: draws of actions, the same as the CPU's: a thread takes a row, draws the words
 * of Philox (core/philox.h) that rlt_rng would, and adds probabilities up in the CPU's order, so
 * that a draw differs only where it falls within a rounding of a border.
 * Which words: environment e, step s, from stream RLT_STREAM_ACTION, substream e:
 *   categorical: word 0 of block s; several components: word c % 4 of block s B + c / 4, with B =
 *   ceil(components / 4); Gaussian: block s width + j for entry j, by Box-Muller in double.
 * Bound: latency; n is the environments of a step, a few thousand. Thread: the device's. */
#include "nn/cuda/policy.h"

#include "core/philox.h"

enum { SAMPLE_THREADS = 64 }; /* few, so that few rows spread over many multiprocessors */

static __device__ __forceinline__ double sample_f64(uint32_t low, uint32_t high) {
    return (double)((low | (uint64_t)high << 32) >> 11) * 0x1p-53;
}
/* rlt_rng_normal of one block. */
static __device__ __forceinline__ float sample_normal(uint64_t seed, uint32_t env, uint64_t block) {
    uint32_t w[4];
    rlt_philox(seed, RLT_STREAM_ACTION, env, block, w);
    double u = 1.0 - sample_f64(w[0], w[1]), v = sample_f64(w[2], w[3]);
    return (float)(sqrt(-2.0 * log(u)) * cospi(2 * v));
}

/* The first action whose cumulative probability is past u, the last allowed one if none is; its
 * log-probability is added to *log_prob. */
static __device__ int sample_pick(const float *logits, const uint8_t *mask, int count, float u,
                                  float *log_prob) {
    float most = -INFINITY, sum = 0, total = 0;
    for (int i = 0; i < count; i++) {
        most = policy_allowed(mask, i) ? fmaxf(most, logits[i]) : most;
    }
    for (int i = 0; i < count; i++) {
        sum += policy_allowed(mask, i) ? expf(logits[i] - most) : 0;
    }
    float log_sum = most + logf(sum);
    int action = count - 1;
    for (int i = 0; i < count; i++) {
        if (policy_allowed(mask, i)) {
            action = i;
            total += expf(logits[i] - log_sum);
            if (u < total) {
                break;
            }
        }
    }
    *log_prob += logits[action] - log_sum;
    return action;
}

static __global__ void __launch_bounds__(SAMPLE_THREADS, 8) sample_discrete(rlt_sample_args args) {
    uint64_t step = *args.step, blocks = (uint64_t)(args.policy.components + 3) / 4;
    RLT_GRID_LOOP(row, args.n) {
        const float *logits = args.head + row * args.policy.width;
        const uint8_t *mask = args.mask == nullptr ? nullptr : args.mask + row * args.policy.width;
        int32_t *action = (int32_t *)args.action + row * args.policy.components;
        uint32_t words[4] = {};
        float log_prob = 0;
        for (int c = 0, first = 0; c < args.policy.components; c++) {
            int count = policy_count(args.policy, c);
            if (c % 4 == 0) {
                rlt_philox(args.seed, RLT_STREAM_ACTION, args.first_env + (uint32_t)row,
                           step * blocks + (uint64_t)c / 4, words);
            }
            action[c] = sample_pick(logits + first, mask == nullptr ? nullptr : mask + first, count,
                                    (float)(words[0] >> 8) * 0x1p-24f, &log_prob);
            first += count;
            words[0] = words[1]; /* the next word; no array that is indexed by a variable */
            words[1] = words[2];
            words[2] = words[3];
        }
        args.log_prob[row] = log_prob;
    }
}

static __global__ void __launch_bounds__(SAMPLE_THREADS, 8) sample_gaussian(rlt_sample_args args) {
    int width = args.policy.width;
    uint64_t step = *args.step;
    RLT_GRID_LOOP(row, args.n) {
        policy_row at = policy_row_of(args.policy, args.head, nullptr, args.action, (int)row);
        float *action = (float *)args.action + row * width, log_prob = 0;
        for (int j = 0; j < width; j++) {
            float normal = sample_normal(args.seed, args.first_env + (uint32_t)row,
                                         step * (uint64_t)width + (uint64_t)j);
            float u = at.head[j] + expf(args.log_std[j]) * normal;
            bool squash = args.policy.kind == RLT_HEAD_SQUASHED;
            action[j] = squash ? rlt_cuda_bounded(tanhf(u), -RLT_SQUASH_MAX, RLT_SQUASH_MAX) : u;
            float part; /* of the action as it is stored */
            policy_gaussian_z(args.policy, at, args.log_std, j, &part);
            log_prob += part;
        }
        args.log_prob[row] = log_prob;
    }
}

void rlt_cuda_sample(rlt_device *device, const rlt_sample_args *args) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    unsigned grid = rlt_cuda_grid((size_t)args->n, SAMPLE_THREADS);
    rlt_head_kind kind = args->policy.kind;
    if (kind == RLT_HEAD_GAUSSIAN || kind == RLT_HEAD_SQUASHED) {
        RLT_LAUNCH(sample_gaussian, grid, SAMPLE_THREADS, 0, cuda->stream, *args);
    } else {
        RLT_LAUNCH(sample_discrete, grid, SAMPLE_THREADS, 0, cuda->stream, *args);
    }
}

/* log(1 - tanh(u)^2) without cancellation: 2 (log 2 - u - softplus(-2 u)). */
static __device__ __forceinline__ float sample_squash_correction(float u) {
    float x = -2 * u, softplus = fmaxf(x, 0) + log1pf(expf(-fabsf(x)));
    return 2 * (0.6931471805599453f - u - softplus);
}

static __global__ void __launch_bounds__(SAMPLE_THREADS, 8)
    sample_squashed(rlt_sac_sample_args args) {
    RLT_GRID_LOOP(row, args.n) {
        const float *head = args.head + row * 2 * args.width;
        float log_prob = 0;
        for (int j = 0; j < args.width; j++) {
            size_t at = row * args.width + j;
            float log_std =
                rlt_cuda_bounded(head[args.width + j], args.log_std_min, args.log_std_max);
            float eps = sample_normal(args.seed, args.first + (uint32_t)row,
                                      args.step * (uint64_t)args.width + (uint64_t)j);
            float u = head[j] + expf(log_std) * eps;
            args.eps[at] = eps;
            args.action[at] = tanhf(u);
            log_prob +=
                -0.5f * eps * eps - log_std - POLICY_HALF_LOG_2PI - sample_squash_correction(u);
        }
        args.log_prob[row] = log_prob;
    }
}

void rlt_cuda_sac_sample(rlt_device *device, const rlt_sac_sample_args *args) {
    RLT_LAUNCH(sample_squashed, rlt_cuda_grid((size_t)args->n, SAMPLE_THREADS), SAMPLE_THREADS, 0,
               rlt_cuda_of(device)->stream, *args);
}
