/* nn/cuda, step: the optimisers over the whole flat parameter buffer, with clipping by the global
 * norm and every decision taken on the device: three launches, no wait, no word to the host.
 *   1. step_squares: each block's sum of squares, in double, to partial[block];
 *   2. step_decide: one block adds them in order, looks at the sums of the loss, sets `stopped` or
 *      moves the counters, and leaves the constants of the third behind the partial sums;
 *   3. step_apply: the optimiser, 16 bytes at a time, and the gradient back to zero.
 * Bound: memory; 4 bytes a parameter, then 32 (Adam, RMSprop: reads and writes of parameter, both
 * moments and gradient) or 24 (SGD). Formulas: torch.optim's documentation, as src/nn/optim.c.
 * Thread: the device's. */
#include "nn/cuda/cuda.h"

enum { STEP_THREADS = 256, STEP_BLOCKS = RLT_STEP_PARTIALS / 2 };

/* The constants of one step; in `partial` after the sums. */
struct step_rates {
    float go, lr, grad_scale, rate, root, coupled_decay, keep;
};
struct step_in {
    rlt_update_state *update;
    rlt_optimiser_spec spec;
    float *params, *grad, *m, *v;
    size_t count;
    int rows;
    float norm_max, target_kl;
    double *partial;
};

static __device__ __forceinline__ step_rates *step_rates_of(const step_in &in) {
    return reinterpret_cast<step_rates *>(in.partial + STEP_BLOCKS);
}

static __global__ void __launch_bounds__(STEP_THREADS, 4)
    step_squares(const float *__restrict__ grad, size_t count, double *partial) {
    __shared__ double shared[32];
    double sum = 0;
    size_t fours = (uintptr_t)grad % 16 == 0 ? count / 4 : 0;
    RLT_GRID_LOOP(i, fours) {
        float4 g = reinterpret_cast<const float4 *>(grad)[i];
        sum += (double)g.x * g.x + (double)g.y * g.y + ((double)g.z * g.z + (double)g.w * g.w);
    }
    RLT_GRID_LOOP(i, count - 4 * fours) {
        double g = grad[4 * fours + i];
        sum += g * g;
    }
    sum = rlt_block_sum(sum, shared);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = sum;
    }
}

/* Takes the minibatch's sums in. 0, or the value of rlt_update_state.stopped that ends the update.
 */
static __device__ uint32_t step_verdict(const step_in &in, double norm) {
    rlt_update_state *update = in.update;
    for (int term = 0; term < RLT_SUM_COUNT; term++) {
        if (!isfinite(update->current[term])) {
            return 2 + (uint32_t)term;
        }
    }
    for (int term = 0; term < RLT_SUM_COUNT; term++) {
        update->sums[term] += update->current[term];
    }
    update->rows_seen += in.rows;
    if (in.target_kl > 0 && update->current[RLT_SUM_KL] / in.rows > 1.5 * (double)in.target_kl) {
        return 1;
    }
    return isfinite(norm) ? 0 : 2 + RLT_SUM_COUNT;
}

static __device__ void step_advance(const step_in &in, double norm, step_rates *rates) {
    rlt_update_state *update = in.update;
    const rlt_optimiser_spec &spec = in.spec;
    double step = (double)++update->step;
    bool decoupled = spec.kind == RLT_OPT_ADAMW;
    float scale = in.norm_max / ((float)norm + 1e-6f); /* as torch.nn.utils.clip_grad_norm_ */
    rates->lr = update->lr;
    rates->grad_scale = in.norm_max > 0 && scale < 1 ? scale : 1;
    rates->rate = (float)((double)update->lr / (1 - pow((double)spec.beta1, step)));
    rates->root = (float)(1 / sqrt(1 - pow((double)spec.beta2, step)));
    rates->coupled_decay = decoupled ? 0 : spec.weight_decay;
    rates->keep = decoupled ? 1 - update->lr * spec.weight_decay : 1;
    update->norm_sum += norm;
    update->steps_done++;
    update->minibatch++;
}

static __global__ void __launch_bounds__(STEP_THREADS) step_decide(step_in in, int blocks) {
    __shared__ double shared[32];
    double sum = 0;
    for (int i = threadIdx.x; i < blocks; i += STEP_THREADS) {
        sum += in.partial[i];
    }
    sum = rlt_block_sum(sum, shared);
    if (threadIdx.x == 0) {
        step_rates rates = {};
        double norm = sqrt(sum);
        if (in.update->stopped == 0) {
            in.update->stopped = step_verdict(in, norm);
            rates.go = in.update->stopped == 0;
        }
        if (rates.go != 0) {
            step_advance(in, norm, &rates);
        }
        *step_rates_of(in) = rates;
    }
}

template <int KIND>
static __device__ __forceinline__ void step_one(const rlt_optimiser_spec &spec, const step_rates &r,
                                                float grad, float *p, float *m, float *v) {
    float g = grad * r.grad_scale + r.coupled_decay * *p;
    if (KIND == RLT_OPT_SGD) {
        *m = spec.momentum * *m + g;
        *p -= r.lr * *m;
    } else if (KIND == RLT_OPT_RMSPROP) {
        *v = spec.alpha * *v + (1 - spec.alpha) * g * g;
        *m = spec.momentum * *m + g / (sqrtf(*v) + spec.eps);
        *p -= r.lr * *m;
    } else {
        *m = spec.beta1 * *m + (1 - spec.beta1) * g;
        *v = spec.beta2 * *v + (1 - spec.beta2) * g * g;
        *p = r.keep * *p - r.rate * *m / (sqrtf(*v) * r.root + spec.eps);
    }
}

static __device__ __forceinline__ float4 *fours_of(float *x) {
    return reinterpret_cast<float4 *>(x);
}

/* KIND: Adam stands for AdamW too. fours: all four buffers are 16-byte aligned. */
template <int KIND>
static __global__ void __launch_bounds__(STEP_THREADS, 4) step_apply(step_in in, bool aligned) {
    const step_rates rates = *step_rates_of(in);
    size_t fours = aligned ? in.count / 4 : 0;
    RLT_GRID_LOOP(i, fours) {
        float4 g = fours_of(in.grad)[i];
        if (rates.go != 0) {
            float4 p = fours_of(in.params)[i], m = fours_of(in.m)[i], v = {};
            if (KIND != RLT_OPT_SGD) {
                v = fours_of(in.v)[i];
            }
            step_one<KIND>(in.spec, rates, g.x, &p.x, &m.x, &v.x);
            step_one<KIND>(in.spec, rates, g.y, &p.y, &m.y, &v.y);
            step_one<KIND>(in.spec, rates, g.z, &p.z, &m.z, &v.z);
            step_one<KIND>(in.spec, rates, g.w, &p.w, &m.w, &v.w);
            fours_of(in.params)[i] = p;
            fours_of(in.m)[i] = m;
            if (KIND != RLT_OPT_SGD) {
                fours_of(in.v)[i] = v;
            }
        }
        fours_of(in.grad)[i] = make_float4(0, 0, 0, 0);
    }
    RLT_GRID_LOOP(rest, in.count - 4 * fours) {
        size_t i = 4 * fours + rest;
        if (rates.go != 0) {
            float v = KIND == RLT_OPT_SGD ? 0 : in.v[i];
            step_one<KIND>(in.spec, rates, in.grad[i], in.params + i, in.m + i, &v);
            if (KIND != RLT_OPT_SGD) {
                in.v[i] = v;
            }
        }
        in.grad[i] = 0;
    }
}

void rlt_cuda_step(rlt_device *device, const rlt_step_args *args) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    static_assert(sizeof(step_rates) <= sizeof(double) * (RLT_STEP_PARTIALS - STEP_BLOCKS),
                  "the constants lie behind the sums");
    step_in in = {args->update,   *args->optimiser, args->params, args->grad,
                  args->m,        args->v,          args->count,  args->rows,
                  args->norm_max, args->target_kl,  args->partial};
    uintptr_t places = (uintptr_t)in.params | (uintptr_t)in.grad | (uintptr_t)in.m;
    bool aligned = (places | (uintptr_t)in.v) % 16 == 0;
    unsigned blocks = rlt_cuda_grid(in.count, 4 * STEP_THREADS, STEP_BLOCKS);
    RLT_LAUNCH(step_squares, blocks, STEP_THREADS, 0, cuda->stream, in.grad, in.count, in.partial);
    RLT_LAUNCH(step_decide, 1, STEP_THREADS, 0, cuda->stream, in, (int)blocks);
    unsigned grid = rlt_cuda_grid(in.count, 4 * STEP_THREADS, 2048);
    switch (in.spec.kind) {
    case RLT_OPT_SGD:
        RLT_LAUNCH(step_apply<RLT_OPT_SGD>, grid, STEP_THREADS, 0, cuda->stream, in, aligned);
        break;
    case RLT_OPT_RMSPROP:
        RLT_LAUNCH(step_apply<RLT_OPT_RMSPROP>, grid, STEP_THREADS, 0, cuda->stream, in, aligned);
        break;
    default:
        RLT_LAUNCH(step_apply<RLT_OPT_ADAM>, grid, STEP_THREADS, 0, cuda->stream, in, aligned);
    }
}
