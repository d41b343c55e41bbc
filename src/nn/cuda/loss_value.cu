/* nn/cuda, loss_value: losses of action values: Q-learning, C51, quantile regression; dueling; and
 * the end of every loss, the sums. A group of lanes takes a row; the tables of atoms of a row lie
 * in its warp's shared memory. Bound: memory for Q and dueling; for the distributions the atoms^2
 * terms of a row, atoms / 32 a lane, out of shared memory. Thread: the device's. */
#include "nn/cuda/groups.h"

static __global__ void __launch_bounds__(RLT_WARP *LOSS_TERMS)
    loss_total(rlt_update_state *update, const double *partial, int blocks) {
    int lane = threadIdx.x % RLT_WARP, term = threadIdx.x / RLT_WARP;
    double sum = 0;
    for (int b = lane; b < blocks; b += RLT_WARP) {
        sum += partial[(size_t)b * LOSS_TERMS + term];
    }
    sum = rlt_warp_sum(sum);
    if (lane == 0) {
        update->current[term] = sum;
    }
}

void rlt_cuda_loss_finish(rlt_cuda_device *device, rlt_update_state *update, const double *partial,
                          int n) {
    RLT_LAUNCH(loss_total, 1, RLT_WARP * LOSS_TERMS, 0, device->stream, update, partial,
               (int)loss_blocks(n));
}

/* The first of the largest of a row's actions. */
template <int G> static __device__ __forceinline__ int q_best(const float *values, int actions) {
    int best = INT32_MAX;
    float most = 0;
    for (int i = threadIdx.x % G; i < actions; i += G) {
        if (best == INT32_MAX || values[i] > most) {
            best = i;
            most = values[i];
        }
    }
    return group_argmax<G>(most, best);
}

template <int G>
static __global__ void __launch_bounds__(loss_turns<G>::THREADS, 1)
    q_rows(rlt_q_loss_args args, float scale) {
    loss_sums sums = {};
    int lane = threadIdx.x % G;
    for (int turn = 0; turn < loss_turns<G>::COUNT; turn++) {
        loss_place place = loss_place_of<G>(turn, args.n);
        size_t at = (size_t)place.row * args.actions;
        const float *select = args.next_select == nullptr ? args.next_q : args.next_select;
        int best = q_best<G>(select + at, args.actions), action = args.action[place.row];
        float target = args.reward[place.row] + args.discount[place.row] * args.next_q[at + best];
        float error = args.q[at + action] - target, size = fabsf(error), delta = args.huber;
        bool linear = delta > 0 && size > delta;
        float loss = linear ? delta * (size - 0.5f * delta) : 0.5f * error * error;
        float slope = linear ? copysignf(delta, error) : error;
        float weight = args.weight == nullptr ? 1 : args.weight[place.row];
        for (int i = lane; place.live && i < args.actions; i += G) {
            args.d_q[at + i] = i == action ? weight * slope * scale : 0;
        }
        if (place.live && lane == 0) {
            sums.term[RLT_SUM_VALUE] += (double)(weight * loss);
            if (args.td_error != nullptr) {
                args.td_error[place.row] = error;
            }
        }
    }
    loss_leave(sums, args.partial);
}

void rlt_cuda_q_loss(rlt_device *device, const rlt_q_loss_args *args) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    RLT_LAUNCH(q_rows<8>, loss_blocks(args->n), loss_turns<8>::THREADS, 0, cuda->stream, *args,
               1.0f / (float)args->n);
    rlt_cuda_loss_finish(cuda, args->update, args->partial, args->n);
}

/* A thread takes an atom of a row, all actions. */
static __global__ void __launch_bounds__(256) dueling_forward(rlt_dueling_args args) {
    RLT_GRID_LOOP(i, (size_t)args.n * args.atoms) {
        size_t row = i / args.atoms, atom = i % args.atoms, first = row * args.actions * args.atoms;
        const float *advantage = args.advantage + first + atom;
        float sum = 0;
        for (int a = 0; a < args.actions; a++) {
            sum += advantage[(size_t)a * args.atoms];
        }
        float shift = args.value[i] - sum / (float)args.actions;
        for (int a = 0; a < args.actions; a++) {
            args.q[first + atom + (size_t)a * args.atoms] =
                advantage[(size_t)a * args.atoms] + shift;
        }
    }
}
static __global__ void __launch_bounds__(256) dueling_backward(rlt_dueling_args args) {
    RLT_GRID_LOOP(i, (size_t)args.n * args.atoms) {
        size_t row = i / args.atoms, atom = i % args.atoms;
        size_t first = row * args.actions * args.atoms + atom;
        float sum = 0;
        for (int a = 0; a < args.actions; a++) {
            sum += args.d_q[first + (size_t)a * args.atoms];
        }
        args.d_value[i] = sum;
        for (int a = 0; a < args.actions; a++) {
            size_t at = first + (size_t)a * args.atoms;
            args.d_advantage[at] = args.d_q[at] - sum / (float)args.actions;
        }
    }
}

void rlt_cuda_dueling(rlt_device *device, const rlt_dueling_args *args) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    unsigned grid = rlt_cuda_grid((size_t)args->n * args->atoms, 256, 4096);
    if (args->d_q == nullptr) {
        RLT_LAUNCH(dueling_forward, grid, 256, 0, cuda->stream, *args);
    } else {
        RLT_LAUNCH(dueling_backward, grid, 256, 0, cuda->stream, *args);
    }
}

/* Largest logit and the logarithm of the sum of exp over a row of atoms, in every lane. */
static __device__ __forceinline__ float c51_log_sum(const float *logits, int atoms) {
    int lane = threadIdx.x % RLT_WARP;
    float most = -INFINITY, sum = 0;
    for (int i = lane; i < atoms; i += RLT_WARP) {
        most = fmaxf(most, logits[i]);
    }
    most = rlt_warp_max(most);
    for (int i = lane; i < atoms; i += RLT_WARP) {
        sum += expf(logits[i] - most);
    }
    return most + logf(rlt_warp_sum(sum));
}

/* The action of the largest expected return. */
static __device__ int c51_best(const rlt_c51_loss_args &args, const float *logits) {
    float most = -INFINITY, gap = (args.v_max - args.v_min) / (float)(args.atoms - 1);
    int best = 0;
    for (int a = 0; a < args.actions; a++) {
        const float *row = logits + (size_t)a * args.atoms;
        float log_sum = c51_log_sum(row, args.atoms), mean = 0;
        for (int i = threadIdx.x % RLT_WARP; i < args.atoms; i += RLT_WARP) {
            mean += expf(row[i] - log_sum) * (args.v_min + gap * (float)i);
        }
        mean = rlt_warp_sum(mean);
        best = mean > most ? a : best;
        most = fmaxf(mean, most);
    }
    return best;
}

/* The target's probabilities and where they fall, in units of atoms: shared by the warp. */
static __device__ void c51_target(const rlt_c51_loss_args &args, int row, const float *logits,
                                  float *p, float *place) {
    float gap = (args.v_max - args.v_min) / (float)(args.atoms - 1);
    float log_sum = c51_log_sum(logits, args.atoms);
    for (int i = threadIdx.x % RLT_WARP; i < args.atoms; i += RLT_WARP) {
        float z = args.reward[row] + args.discount[row] * (args.v_min + gap * (float)i);
        p[i] = expf(logits[i] - log_sum);
        place[i] = rlt_cuda_bounded((z - args.v_min) / gap, 0, (float)(args.atoms - 1));
    }
    __syncwarp();
}

static __global__ void __launch_bounds__(LOSS_THREADS, 1)
    c51_rows(rlt_c51_loss_args args, float scale) {
    RLT_SHARED(float, tables);
    loss_sums sums = {};
    int lane = threadIdx.x % RLT_WARP;
    float *p = tables + 2 * args.atoms * (threadIdx.x / RLT_WARP), *where = p + args.atoms;
    for (int turn = 0; turn < loss_turns<RLT_WARP>::COUNT; turn++) {
        loss_place place = loss_place_of<RLT_WARP>(turn, args.n);
        size_t row = (size_t)place.row * args.actions * args.atoms;
        const float *select = args.next_select == nullptr ? args.next_logits : args.next_select;
        int best = c51_best(args, select + row), action = args.action[place.row];
        c51_target(args, place.row, args.next_logits + row + (size_t)best * args.atoms, p, where);
        const float *logits = args.logits + row + (size_t)action * args.atoms;
        float log_sum = c51_log_sum(logits, args.atoms), loss = 0;
        float weight = args.weight == nullptr ? 1 : args.weight[place.row];
        for (int i = lane; i < args.actions * args.atoms; i += RLT_WARP) {
            int atom = i - action * args.atoms;
            float slope = 0;
            if (atom >= 0 && atom < args.atoms) {
                float m = 0; /* what falls on this atom, from either side */
                for (int j = 0; j < args.atoms; j++) {
                    float share = 1 - fabsf(where[j] - (float)atom);
                    m += share < 0 ? 0 : p[j] * share;
                }
                float log_p = logits[atom] - log_sum;
                loss -= m * log_p;
                slope = weight * scale * (expf(log_p) - m);
            }
            if (place.live) {
                args.d_logits[row + i] = slope;
            }
        }
        loss = rlt_warp_sum(loss);
        if (place.live && lane == 0) {
            sums.term[RLT_SUM_VALUE] += (double)(weight * loss);
            if (args.td_error != nullptr) {
                args.td_error[place.row] = loss;
            }
        }
        __syncwarp();
    }
    loss_leave(sums, args.partial);
}

/* Lets a kernel have more than 48 KiB of dynamic shared memory. */
template <class Kernel>
static void loss_allow_shared(rlt_cuda_device *device, const char *name, Kernel *kernel,
                              size_t bytes) {
    if (bytes > 48 * 1024) {
        rlt_cuda_ok(
            device, name,
            cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes));
    }
}

void rlt_cuda_c51_loss(rlt_device *device, const rlt_c51_loss_args *args) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    size_t shared = sizeof(float) * 2 * (size_t)args->atoms * (LOSS_THREADS / RLT_WARP);
    loss_allow_shared(cuda, "c51_rows", c51_rows, shared);
    RLT_LAUNCH(c51_rows, loss_blocks(args->n), LOSS_THREADS, shared, cuda->stream, *args,
               1.0f / (float)args->n);
    rlt_cuda_loss_finish(cuda, args->update, args->partial, args->n);
}

/* The action of the largest mean quantile. */
static __device__ int quantile_best(const rlt_quantile_loss_args &args, const float *q) {
    float most = -INFINITY;
    int best = 0;
    for (int a = 0; a < args.actions; a++) {
        float sum = 0;
        for (int i = threadIdx.x % RLT_WARP; i < args.atoms; i += RLT_WARP) {
            sum += q[(size_t)a * args.atoms + i];
        }
        sum = rlt_warp_sum(sum);
        best = sum > most ? a : best;
        most = fmaxf(sum, most);
    }
    return best;
}

/* One quantile against all targets: the loss, and *slope its derivative: with u = target - q, rho =
 * |tau - 1(u < 0)| huber_kappa(u) / kappa (|u| for kappa 0), the mean over targets. */
static __device__ float quantile_loss_of(const rlt_quantile_loss_args &args, const float *target,
                                         float q, int quantile, float *slope) {
    float tau = ((float)quantile + 0.5f) / (float)args.atoms, kappa = args.kappa, loss = 0, d = 0;
    for (int j = 0; j < args.atoms; j++) {
        float u = target[j] - q, size = fabsf(u), side = u < 0 ? 1 - tau : tau;
        if (size > kappa) {
            loss += side * (size - 0.5f * kappa);
            d -= u < 0 ? -side : side;
        } else if (kappa > 0) {
            loss += side * 0.5f * u * u / kappa;
            d -= side * u / kappa;
        }
    }
    *slope = d / (float)args.atoms;
    return loss / (float)args.atoms;
}

static __global__ void __launch_bounds__(LOSS_THREADS, 1)
    quantile_rows(rlt_quantile_loss_args args, float scale) {
    RLT_SHARED(float, tables);
    loss_sums sums = {};
    int lane = threadIdx.x % RLT_WARP;
    float *target = tables + args.atoms * (threadIdx.x / RLT_WARP);
    for (int turn = 0; turn < loss_turns<RLT_WARP>::COUNT; turn++) {
        loss_place place = loss_place_of<RLT_WARP>(turn, args.n);
        size_t row = (size_t)place.row * args.actions * args.atoms;
        const float *select = args.next_select == nullptr ? args.next_q : args.next_select;
        int best = quantile_best(args, select + row), action = args.action[place.row];
        for (int i = lane; i < args.atoms; i += RLT_WARP) {
            target[i] = args.reward[place.row] +
                        args.discount[place.row] * args.next_q[row + (size_t)best * args.atoms + i];
        }
        __syncwarp();
        float weight = args.weight == nullptr ? 1 : args.weight[place.row], loss = 0;
        for (int i = lane; i < args.actions * args.atoms; i += RLT_WARP) {
            int quantile = i - action * args.atoms;
            float slope = 0;
            if (quantile >= 0 && quantile < args.atoms) {
                loss += quantile_loss_of(args, target, args.q[row + i], quantile, &slope);
            }
            if (place.live) {
                args.d_q[row + i] = weight * scale * slope;
            }
        }
        loss = rlt_warp_sum(loss);
        if (place.live && lane == 0) {
            sums.term[RLT_SUM_VALUE] += (double)(weight * loss);
            if (args.td_error != nullptr) {
                args.td_error[place.row] = loss;
            }
        }
        __syncwarp();
    }
    loss_leave(sums, args.partial);
}

void rlt_cuda_quantile_loss(rlt_device *device, const rlt_quantile_loss_args *args) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    size_t shared = sizeof(float) * (size_t)args->atoms * (LOSS_THREADS / RLT_WARP);
    loss_allow_shared(cuda, "quantile_rows", quantile_rows, shared);
    RLT_LAUNCH(quantile_rows, loss_blocks(args->n), LOSS_THREADS, shared, cuda->stream, *args,
               1.0f / (float)args->n);
    rlt_cuda_loss_finish(cuda, args->update, args->partial, args->n);
}
