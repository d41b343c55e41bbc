/* ppo: options, memory, and where an update is computed: by threads (threads.c) or on a device
 * (on_device.c). Thread: the caller's. */
#include "algos/ppo/ppo_impl.h"

#include "algos/algos.h"

#include <math.h>
#include <string.h>

extern const rlt_algo_def rlt_algo_ppo;
const rlt_algo_def rlt_algo_ppo = {
    "ppo", "proximal policy optimisation: on-policy, clipped, several epochs per rollout"};

static rlt_status check_options(const rlt_ppo_options *o, int64_t rows_max, rlt_err *err) {
    const rlt_optimiser_spec *opt = &o->optimiser;
    const struct {
        const char *name;
        double value, min, max;
    } rows[] = {
        {"epochs", (double)o->epochs, 1, 1e6},
        {"minibatch", (double)o->minibatch, 1, (double)INT32_MAX},
        {"rows", (double)rows_max, 1, (double)INT32_MAX},
        {"steps", (double)o->steps, 0, (double)rows_max},
        {"learners", o->team.count == 3 ? NAN : (double)o->team.count, 0, RLT_PPO_SHARDS},
        {"max_grad_norm", (double)o->max_grad_norm, 0, 1e30},
        {"target_kl", (double)o->target_kl, 0, 1e30},
        {"optimiser", (double)opt->kind, RLT_OPT_ADAM, RLT_OPT_RMSPROP},
        {"beta1", (double)opt->beta1, 0, 1},
        {"beta2", (double)opt->beta2, 0, 1},
        {"eps", (double)opt->eps, 0, 1},
        {"weight_decay", (double)opt->weight_decay, 0, 1},
        {"momentum", (double)opt->momentum, 0, 1},
        {"alpha", (double)opt->alpha, 0, 1},
    };
    for (size_t i = 0; i < RLT_COUNT(rows); i++) { /* written so that a NaN is refused */
        if (!(rows[i].value >= rows[i].min && rows[i].value <= rows[i].max)) {
            return rlt_fail(err, RLT_EINVAL, "ppo.%s: %g is out of bounds; allowed: %g to %g",
                            rows[i].name, rows[i].value, rows[i].min, rows[i].max);
        }
    }
    return RLT_OK;
}

static float *floats(size_t count) {
    return rlt_alloc(sizeof(float) * count);
}

static void shard_init(rlt_ppo_shard *shard, const rlt_policy_spec *spec, size_t sequences,
                       size_t steps, bool masked) {
    size_t rows = sequences * steps;
    shard->workspace = rlt_policy_workspace_create(spec);
    shard->obs = floats(rows * (size_t)spec->obs_dim);
    shard->action = rlt_alloc(rows * rlt_policy_action_bytes(spec));
    shard->reset = rlt_alloc(rows);
    shard->mask = masked ? rlt_alloc(rows * (size_t)spec->action_dim) : NULL;
    shard->memory = floats(sequences * (size_t)rlt_policy_state_width(spec));
    shard->log_prob = floats(rows);
    shard->value = floats(rows);
    shard->advantage = floats(rows);
    shard->ret = floats(rows);
    /* with room for what goes with it to a team */
    shard->grad = floats(rlt_policy_param_count(spec) + 1 +
                         RLT_PPO_SHARDS * sizeof(rlt_ppo_stats) / sizeof(float));
}

static void shard_fini(rlt_ppo_shard *shard) {
    rlt_policy_workspace_destroy(&shard->workspace);
    rlt_free(shard->obs);
    rlt_free(shard->action);
    rlt_free(shard->reset);
    rlt_free(shard->mask);
    rlt_free(shard->memory);
    rlt_free(shard->log_prob);
    rlt_free(shard->value);
    rlt_free(shard->advantage);
    rlt_free(shard->ret);
    rlt_free(shard->grad);
}

static void allocate(rlt_ppo *made, int64_t rows_max) {
    const rlt_ppo_options *options = &made->options;
    made->steps = options->steps > 1 ? options->steps : 1;
    int64_t sequences = rows_max / made->steps;
    made->taken = options->minibatch / made->steps;
    made->taken = made->taken < 1 ? 1 : made->taken > sequences ? sequences : made->taken;
    made->packed = rlt_policy_packed_create(&made->spec);
    made->moments = floats(2 * made->param_count);
    for (int s = 0; s < RLT_PPO_SHARDS; s++) {
        shard_init(&made->shards[s], &made->spec, (size_t)(made->taken / RLT_PPO_SHARDS + 1),
                   (size_t)made->steps, options->masked);
    }
    int members = options->team.count > 1 ? options->team.count : 1;
    made->shards_taken = RLT_PPO_SHARDS / members;
    made->first_shard = members > 1 ? options->team.rank * made->shards_taken : 0;
    made->team_bytes =
        rlt_ppo_gradient_bytes(made) + (size_t)made->shards_taken * sizeof(rlt_ppo_stats);
    made->team_blocks = members > 1 ? rlt_alloc((size_t)members * made->team_bytes) : NULL;
    made->order = rlt_alloc(sizeof(uint32_t) * RLT_PPO_EPOCHS_AHEAD * (size_t)sequences);
    made->measured = rlt_alloc(sizeof(rlt_ppo_moments) * RLT_PPO_EPOCHS_AHEAD *
                               (size_t)rlt_ppo_minibatch_count(made, sequences));
}

static rlt_status check(const rlt_policy_spec *spec, const rlt_ppo_options *options,
                        int64_t rows_max, rlt_err *err) {
    RLT_TRY(rlt_policy_check(spec, err));
    return check_options(options, rows_max, err);
}

rlt_status rlt_ppo_create(const rlt_policy_spec *spec, const rlt_ppo_options *options,
                          int64_t rows_max, rlt_pool *pool, rlt_ppo **ppo, rlt_err *err) {
    *ppo = NULL;
    rlt_device *device = options->device;
    rlt_status status = check(spec, options, rows_max, err);
    if (status != RLT_OK) {
        rlt_device_close(&device);
        return status;
    }
    rlt_ppo *made = rlt_alloc(sizeof(*made));
    made->spec = *spec;
    made->options = *options;
    made->rows_max = rows_max;
    made->pool = pool;
    made->param_count = rlt_policy_param_count(spec);
    if (device == NULL) {
        allocate(made, rows_max);
    } else {
        made->steps = options->steps > 1 ? options->steps : 1;
        status = rlt_ppo_on_device_create(device, spec, options, rows_max, &made->on_device, err);
    }
    if (status != RLT_OK) {
        rlt_ppo_destroy(&made);
        return status;
    }
    *ppo = made;
    return RLT_OK;
}

void rlt_ppo_destroy(rlt_ppo **ppo) {
    rlt_ppo *p = *ppo;
    if (p == NULL) {
        return;
    }
    rlt_ppo_on_device_destroy(&p->on_device);
    for (int s = 0; s < RLT_PPO_SHARDS; s++) {
        shard_fini(&p->shards[s]);
    }
    rlt_policy_packed_destroy(&p->packed);
    rlt_free(p->moments);
    rlt_free(p->order);
    rlt_free(p->measured);
    rlt_free(p->team_blocks);
    rlt_free(p);
    *ppo = NULL;
}

float *rlt_ppo_state(rlt_ppo *ppo, size_t *count) {
    *count = 2 * ppo->param_count;
    return ppo->on_device != NULL ? rlt_ppo_on_device_moments(ppo->on_device) : ppo->moments;
}

int64_t *rlt_ppo_step(rlt_ppo *ppo) {
    return &ppo->step;
}

rlt_status rlt_ppo_diverged(int term, double value, int64_t iteration, int64_t step, rlt_err *err) {
    static const char *const names[] = {
        [RLT_SUM_POLICY] = "policy loss", [RLT_SUM_VALUE] = "value loss",
        [RLT_SUM_ENTROPY] = "entropy",    [RLT_SUM_KL] = "approx_kl",
        [RLT_SUM_CLIPPED] = "clipped",    [RLT_SUM_COUNT] = "gradient norm"};
    return rlt_fail(err, RLT_EDIVERGED,
                    "the %s is not finite (%g) at iteration %lld, optimiser step %lld: lower lr, "
                    "clip the gradient or normalise observations and rewards",
                    names[term], value, (long long)iteration, (long long)step);
}

rlt_status rlt_ppo_update(rlt_ppo *ppo, float *params, const rlt_ppo_rows *rows, float lr,
                          const rlt_ppo_coef *coef, int64_t iteration, rlt_ppo_result *result,
                          rlt_err *err) {
    *result = (rlt_ppo_result){0};
    if (rows->rows < 1 || rows->rows > ppo->rows_max) {
        return rlt_fail(err, RLT_EINVAL, "ppo: a batch of %lld rows; allowed: 1 to %lld",
                        (long long)rows->rows, (long long)ppo->rows_max);
    }
    RLT_ASSERT(rows->rows % ppo->steps == 0);
    if (ppo->on_device != NULL) {
        return rlt_ppo_on_device_update(ppo->on_device, params, rows, lr, coef, iteration,
                                        &ppo->step, result, err);
    }
    return rlt_ppo_threads_update(ppo, params, rows, lr, coef, iteration, result, err);
}
