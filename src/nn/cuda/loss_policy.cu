/* nn/cuda, loss_policy: the losses of policy heads: PPO, policy gradient, behaviour cloning,
 * distillation. One kernel has all terms of a row and their gradients; Gaussian heads need a second
 * pass for d_log_std, a sum over rows (columns.h), which finds d log_prob of each row in the
 * device's workspace. Heads of up to 16 entries take 8 lanes a row, wider ones a warp.
 * Bound: memory, head and gradient once (8 bytes an entry) and about 40 bytes a row; at usual sizes
 * the latency of two launches. Thread: the device's. */
#include "nn/cuda/columns.h"
#include "nn/cuda/policy.h"

struct policy_in {
    rlt_head head;
    int n;
    const float *heads, *log_std;
    const void *action;
    const uint8_t *mask;
    float ent_coef, scale; /* scale: 1 / n */
    float *d_head;
};

/* -min(ratio A, clip(ratio) A), and the value loss (Schulman et al. 2017). */
struct ppo_terms {
    rlt_ppo_loss_args args;
    __device__ float policy(int row, policy_value value, float scale, loss_sums *sums) const {
        float clip = args.update->clip, advantage = args.advantage[row];
        float log_ratio = value.log_prob - args.old_log_prob[row], ratio = expf(log_ratio);
        float bounded = rlt_cuda_bounded(ratio, 1 - clip, 1 + clip);
        float plain = -advantage * ratio, clipped = -advantage * bounded;
        /* where the clipped term is the larger one, its ratio is constant: no gradient */
        bool flat = plain < clipped;
        sums->term[RLT_SUM_POLICY] += (double)(flat ? clipped : plain);
        sums->term[RLT_SUM_ENTROPY] += (double)value.entropy;
        sums->term[RLT_SUM_KL] += (double)(ratio - 1 - log_ratio);
        sums->term[RLT_SUM_CLIPPED] += fabsf(ratio - 1) > clip ? 1 : 0;
        return flat ? 0 : plain * scale;
    }
    __device__ void value(int row, float scale, loss_sums *sums) const {
        float v = args.value[row], target = args.ret[row], range = args.coef.vf_clip;
        float error = v - target, loss = error * error, slope = error;
        if (range > 0) {
            float old = args.old_value[row], move = v - old;
            float bounded = old + rlt_cuda_bounded(move, -range, range) - target;
            float clipped = bounded * bounded;
            /* within the range both are the same but for rounding: the gradient passes */
            slope = fabsf(move) > range && clipped > loss ? 0 : error;
            loss = loss < clipped ? clipped : loss;
        }
        sums->term[RLT_SUM_VALUE] += 0.5 * (double)loss;
        args.d_value[row] = args.coef.vf_coef * slope * scale;
    }
};

/* -A log pi, and the squared error of the value (Espeholt et al. 2018, section 4.2). */
struct pg_terms {
    rlt_pg_loss_args args;
    __device__ float policy(int row, policy_value value, float scale, loss_sums *sums) const {
        float advantage = args.advantage[row];
        sums->term[RLT_SUM_POLICY] += (double)(-advantage * value.log_prob);
        sums->term[RLT_SUM_ENTROPY] += (double)value.entropy;
        return -advantage * scale;
    }
    __device__ void value(int row, float scale, loss_sums *sums) const {
        float error = args.value[row] - args.target[row];
        sums->term[RLT_SUM_VALUE] += 0.5 * (double)(error * error);
        args.d_value[row] = args.vf_coef * error * scale;
    }
};

struct bc_terms {
    __device__ float policy(int, policy_value value, float scale, loss_sums *sums) const {
        sums->term[RLT_SUM_POLICY] -= (double)value.log_prob;
        sums->term[RLT_SUM_ENTROPY] += (double)value.entropy;
        return -scale;
    }
    __device__ void value(int, float, loss_sums *) const {
    }
};

/* d_log_probs[n]: d loss / d log_prob, for the pass over columns; NULL for discrete heads. */
template <int G, class Terms>
static __global__ void __launch_bounds__(loss_turns<G>::THREADS, 1)
    policy_rows(policy_in in, Terms terms, float *d_log_probs, double *partial) {
    loss_sums sums = {};
    int lane = threadIdx.x % G;
    bool continuous = d_log_probs != nullptr;
    for (int turn = 0; turn < loss_turns<G>::COUNT; turn++) {
        loss_place place = loss_place_of<G>(turn, in.n);
        policy_row at = policy_row_of(in.head, in.heads, in.mask, in.action, place.row);
        float *d_head = in.d_head + (size_t)place.row * in.head.width, d_log_prob = 0;
        policy_value value = continuous ? policy_gaussian<G>(in.head, at, in.log_std)
                                        : policy_discrete<G>(in.head, at);
        if (place.live && lane == 0) {
            d_log_prob = terms.policy(place.row, value, in.scale, &sums);
            terms.value(place.row, in.scale, &sums);
        }
        d_log_prob = __shfl_sync(RLT_WARP_ALL, d_log_prob, 0, G);
        if (!continuous) {
            policy_discrete_back<G>(in.head, at, d_log_prob, -in.ent_coef * in.scale, place.live,
                                    d_head);
        } else if (place.live) {
            for (int j = lane; j < in.head.width; j += G) {
                float unused, z = policy_gaussian_z(in.head, at, in.log_std, j, &unused);
                d_head[j] = d_log_prob * z / expf(in.log_std[j]);
            }
            if (lane == 0) {
                d_log_probs[place.row] = d_log_prob;
            }
        }
    }
    loss_leave(sums, partial);
}

/* What a row adds to d_log_std. */
struct log_std_terms {
    policy_in in;
    const float *d_log_probs;
    __device__ void operator()(int row, int column, float *v) const {
        policy_row at = policy_row_of(in.head, in.heads, nullptr, in.action, row);
        float unused, z = policy_gaussian_z(in.head, at, in.log_std, column, &unused);
        v[0] = d_log_probs[row] * (z * z - 1) - in.ent_coef * in.scale;
    }
};

template <class Terms>
static void policy_run(rlt_device *device, const policy_in &in, const Terms &terms,
                       rlt_update_state *update, float *d_log_std, double *partial) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    bool continuous = in.head.kind == RLT_HEAD_GAUSSIAN || in.head.kind == RLT_HEAD_SQUASHED;
    float *d_log_probs = (float *)cuda->workspace, *columns = d_log_probs + in.n;
    RLT_ASSERT(sizeof(float) * ((size_t)in.n + columns_partial_floats(in.n, in.head.width)) <=
               RLT_CUDA_WORKSPACE_BYTES);
    if (in.head.width <= 16) {
        RLT_LAUNCH((policy_rows<8, Terms>), loss_blocks(in.n), loss_turns<8>::THREADS, 0,
                   cuda->stream, in, terms, continuous ? d_log_probs : nullptr, partial);
    } else {
        RLT_LAUNCH((policy_rows<32, Terms>), loss_blocks(in.n), loss_turns<32>::THREADS, 0,
                   cuda->stream, in, terms, continuous ? d_log_probs : nullptr, partial);
    }
    if (continuous) {
        log_std_terms sum = {in, d_log_probs};
        columns_add<1>(cuda, sum, in.n, in.head.width, 1.0f, columns, d_log_std);
    }
    rlt_cuda_loss_finish(cuda, update, partial, in.n);
}

void rlt_cuda_ppo_loss(rlt_device *device, const rlt_ppo_loss_args *args) {
    policy_in in = {args->policy, args->n,    args->head,          args->log_std,
                    args->action, args->mask, args->coef.ent_coef, 1.0f / (float)args->n,
                    args->d_head};
    ppo_terms terms = {*args};
    policy_run(device, in, terms, args->update, args->d_log_std, args->partial);
}

void rlt_cuda_pg_loss(rlt_device *device, const rlt_pg_loss_args *args) {
    policy_in in = {args->policy, args->n,    args->head,     args->log_std,
                    args->action, args->mask, args->ent_coef, 1.0f / (float)args->n,
                    args->d_head};
    pg_terms terms = {*args};
    policy_run(device, in, terms, args->update, args->d_log_std, args->partial);
}

void rlt_cuda_bc_loss(rlt_device *device, const rlt_bc_loss_args *args) {
    policy_in in = {args->policy, args->n,    args->head,     args->log_std,
                    args->action, args->mask, args->ent_coef, 1.0f / (float)args->n,
                    args->d_head};
    policy_run(device, in, bc_terms(), args->update, args->d_log_std, args->partial);
}

/* The logarithm of the sum of exp(logit / t) over allowed logits. */
template <int G>
static __device__ __forceinline__ float distill_log_sum(const float *logits, const uint8_t *mask,
                                                        int count, float t) {
    float most = -INFINITY, sum = 0;
    for (int i = threadIdx.x % G; i < count; i += G) {
        most = policy_allowed(mask, i) ? fmaxf(most, logits[i] / t) : most;
    }
    most = group_max<G>(most);
    for (int i = threadIdx.x % G; i < count; i += G) {
        sum += policy_allowed(mask, i) ? expf(logits[i] / t - most) : 0;
    }
    return most + logf(group_sum<G>(sum));
}

/* One component's divergence; d_head is the student's, T (p_student - p_teacher) / n. */
template <int G>
static __device__ __forceinline__ float
distill_component(const float *student, const float *teacher, const uint8_t *mask, int count,
                  float t, float scale, bool live, float *d_head) {
    float log_sum_s = distill_log_sum<G>(student, mask, count, t), divergence = 0;
    float log_sum_t = distill_log_sum<G>(teacher, mask, count, t);
    for (int i = threadIdx.x % G; i < count; i += G) {
        float log_s = student[i] / t - log_sum_s, log_t = teacher[i] / t - log_sum_t;
        float p_t = expf(log_t);
        bool allowed = policy_allowed(mask, i);
        divergence += allowed && p_t > 0 ? p_t * (log_t - log_s) : 0;
        if (live) {
            d_head[i] = allowed ? t * scale * (expf(log_s) - p_t) : 0;
        }
    }
    return t * t * group_sum<G>(divergence);
}

/* KL(teacher || student) of one entry, and its slopes in the student's mean and log_std. */
static __device__ __forceinline__ float distill_gaussian(const rlt_distill_loss_args &args, int row,
                                                         int j, float *d_mean, float *d_log_std) {
    size_t at = (size_t)row * args.policy.width + j;
    float log_s = args.log_std[j], log_t = args.teacher_log_std[j], inverse = expf(-log_s);
    float error = (args.head[at] - args.teacher_head[at]) * inverse, ratio = expf(log_t - log_s);
    float square = ratio * ratio + error * error;
    *d_mean = error * inverse;
    *d_log_std = 1 - square;
    return log_s - log_t + 0.5f * (square - 1);
}

struct distill_log_std_terms {
    rlt_distill_loss_args args;
    __device__ void operator()(int row, int column, float *v) const {
        float d_mean;
        distill_gaussian(args, row, column, &d_mean, v);
    }
};

template <int G>
static __global__ void __launch_bounds__(loss_turns<G>::THREADS, 1)
    distill_rows(rlt_distill_loss_args args, bool continuous, float scale, double *partial) {
    loss_sums sums = {};
    int lane = threadIdx.x % G;
    for (int turn = 0; turn < loss_turns<G>::COUNT; turn++) {
        loss_place place = loss_place_of<G>(turn, args.n);
        size_t at = (size_t)place.row * args.policy.width;
        float divergence = 0;
        for (int j = lane; continuous && j < args.policy.width; j += G) {
            float d_mean, d_log_std;
            divergence += distill_gaussian(args, place.row, j, &d_mean, &d_log_std);
            if (place.live) {
                args.d_head[at + j] = d_mean * scale;
            }
        }
        divergence = group_sum<G>(divergence);
        for (int c = 0, first = 0; !continuous && c < args.policy.components; c++) {
            int count = policy_count(args.policy, c);
            divergence +=
                distill_component<G>(args.head + at + first, args.teacher_head + at + first,
                                     args.mask == nullptr ? nullptr : args.mask + at + first, count,
                                     args.temperature, scale, place.live, args.d_head + at + first);
            first += count;
        }
        if (place.live && lane == 0) {
            sums.term[RLT_SUM_POLICY] += (double)divergence;
            sums.term[RLT_SUM_KL] += (double)divergence;
        }
    }
    loss_leave(sums, partial);
}

void rlt_cuda_distill_loss(rlt_device *device, const rlt_distill_loss_args *args) {
    rlt_cuda_device *cuda = rlt_cuda_of(device);
    rlt_head_kind kind = args->policy.kind;
    bool continuous = kind == RLT_HEAD_GAUSSIAN || kind == RLT_HEAD_SQUASHED;
    float scale = 1.0f / (float)args->n;
    if (args->policy.width <= 16) {
        RLT_LAUNCH(distill_rows<8>, loss_blocks(args->n), loss_turns<8>::THREADS, 0, cuda->stream,
                   *args, continuous, scale, args->partial);
    } else {
        RLT_LAUNCH(distill_rows<32>, loss_blocks(args->n), loss_turns<32>::THREADS, 0, cuda->stream,
                   *args, continuous, scale, args->partial);
    }
    if (continuous) {
        distill_log_std_terms sum = {*args};
        columns_add<1>(cuda, sum, args->n, args->policy.width, scale, (float *)cuda->workspace,
                       args->d_log_std);
    }
    rlt_cuda_loss_finish(cuda, args->update, args->partial, args->n);
}
