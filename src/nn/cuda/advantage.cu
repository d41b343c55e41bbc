/* nn/cuda, advantage: GAE and V-trace as scans over time. Both are x_t = d_t + a_t x_{t+1}, with
 * a_t = 0 at the end of an episode: maps that compose, so time is cut into pieces that are composed
 * side by side. A warp's lanes are 32 neighbouring environments, so that every access is a whole
 * line (a warp along the time of one environment would read 4 of every 32 bytes it moves); a warp
 * takes SCAN_STEPS steps in registers, a block SCAN_TILE steps, then the next SCAN_TILE before
 * them. The order is fixed by the horizon alone.
 * Bound: memory, 22 bytes a step and environment (GAE), 26 (V-trace); for few environments latency,
 * about 2 microseconds for every 128 steps. Thread: the device's. */
#include "nn/cuda/cuda.h"

enum { SCAN_STEPS = 8, SCAN_WARPS = 16, SCAN_TILE = SCAN_STEPS * SCAN_WARPS };

/* One step of GAE: delta, decay (0 at an end), and what the outputs need. */
struct gae_terms {
    rlt_gae_in in;
    float *advantage, *ret;
    __device__ void step(int t, int env, float *d, float *a, float *) const {
        size_t at = (size_t)t * in.envs + env;
        bool terminated = in.terminated[at], truncated = in.truncated[at];
        float next = terminated ? 0 : truncated ? in.final_value[at] : in.value[at + in.envs];
        *d = in.reward[at] + in.gamma * next - in.value[at];
        *a = terminated || truncated ? 0 : in.gamma * in.lambda;
    }
    __device__ void write(int t, int env, float x, float, float, float) const {
        size_t at = (size_t)t * in.envs + env;
        advantage[at] = x;
        ret[at] = x + in.value[at];
    }
};

/* x_t = v_t - V_t of Espeholt et al. 2018: d = rho (r + gamma V_{t+1} - V_t), a = gamma c; the
 * advantage rho (r + gamma v_{t+1} - V_t) is d + rho gamma x_{t+1}. */
struct vtrace_terms {
    rlt_gae_in in;
    const float *log_ratio;
    float rho_max, c_max, *target, *advantage;
    __device__ void step(int t, int env, float *d, float *a, float *b) const {
        size_t at = (size_t)t * in.envs + env;
        bool terminated = in.terminated[at], truncated = in.truncated[at];
        float next = terminated ? 0 : truncated ? in.final_value[at] : in.value[at + in.envs];
        float ratio = expf(log_ratio[at]), rho = ratio > rho_max ? rho_max : ratio;
        bool end = terminated || truncated;
        *d = rho * (in.reward[at] + in.gamma * next - in.value[at]);
        *a = end ? 0 : in.gamma * in.lambda * (ratio > c_max ? c_max : ratio);
        *b = end ? 0 : in.gamma * rho;
    }
    __device__ void write(int t, int env, float x, float x_next, float d, float b) const {
        size_t at = (size_t)t * in.envs + env;
        target[at] = in.value[at] + x;
        advantage[at] = d + b * x_next;
    }
};

/* x before a piece of time, given the x after it: map[1] + map[0] x. */
template <class Terms>
static __global__ void __launch_bounds__(SCAN_WARPS *RLT_WARP) advantage_scan(Terms terms) {
    __shared__ float map[2][SCAN_WARPS][RLT_WARP];
    __shared__ float carry[RLT_WARP];
    int lane = threadIdx.x % RLT_WARP, warp = threadIdx.x / RLT_WARP;
    int env = blockIdx.x * RLT_WARP + lane;
    bool live = env < terms.in.envs;
    if (warp == 0) {
        carry[lane] = 0;
    }
    for (int end = terms.in.horizon; end > 0; end -= SCAN_TILE) {
        int first = end - SCAN_TILE + warp * SCAN_STEPS; /* below 0: before the beginning */
        float d[SCAN_STEPS], a[SCAN_STEPS], b[SCAN_STEPS];
#pragma unroll
        for (int k = 0; k < SCAN_STEPS; k++) {
            d[k] = 0;
            a[k] = 1;
            b[k] = 0;
            if (live && first + k >= 0) {
                terms.step(first + k, env, &d[k], &a[k], &b[k]);
            }
        }
        float scale = 1, shift = 0;
#pragma unroll
        for (int k = SCAN_STEPS - 1; k >= 0; k--) {
            shift = d[k] + a[k] * shift;
            scale = a[k] * scale;
        }
        map[0][warp][lane] = scale;
        map[1][warp][lane] = shift;
        __syncthreads();
        float x = carry[lane];
        for (int w = SCAN_WARPS - 1; w > warp; w--) {
            x = map[1][w][lane] + map[0][w][lane] * x;
        }
#pragma unroll
        for (int k = SCAN_STEPS - 1; k >= 0; k--) {
            float x_next = x;
            x = d[k] + a[k] * x;
            if (live && first + k >= 0) {
                terms.write(first + k, env, x, x_next, d[k], b[k]);
            }
        }
        __syncthreads(); /* all have read the carry and the maps */
        if (warp == 0) {
            carry[lane] = x;
        }
    }
}

static unsigned advantage_grid(const rlt_gae_in *in) {
    return rlt_cuda_grid(in->envs, RLT_WARP);
}

void rlt_cuda_gae(rlt_device *device, const rlt_gae_args *args) {
    gae_terms terms = {args->in, args->advantage, args->ret};
    RLT_LAUNCH(advantage_scan<gae_terms>, advantage_grid(&args->in), SCAN_WARPS * RLT_WARP, 0,
               rlt_cuda_of(device)->stream, terms);
}

void rlt_cuda_vtrace(rlt_device *device, const rlt_vtrace_args *args) {
    vtrace_terms terms = {args->in,    args->log_ratio, args->rho_max,
                          args->c_max, args->target,    args->advantage};
    RLT_LAUNCH(advantage_scan<vtrace_terms>, advantage_grid(&args->in), SCAN_WARPS * RLT_WARP, 0,
               rlt_cuda_of(device)->stream, terms);
}
