/* measure: the network alone, and PPO end to end as a learner with workers = 0 runs it, against the
 * multiply-adds that the same cores can do. Thread: the caller's plus a pool's. */
#include "learner/learner.h"
#include "measure/measure.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>

enum { ROWS = 256, IMAGES = 64, EPOCHS = 4, ROUNDS = 5 };

double rlt_flop_per_step(const rlt_policy_spec *spec, bool rollout, int epochs) {
    double first = 2.0 * spec->obs_dim * spec->hidden[0];
    double all = first + 2.0 * spec->hidden[0] * spec->hidden[1] +
                 (double)spec->hidden[1] * (spec->action_dim + 1);
    return (rollout ? 2 * all : 0) + epochs * (6 * all - 2 * first);
}

typedef struct network {
    rlt_policy_spec spec;
    int rows, calls; /* calls between two looks at the clock */
    rlt_policy_workspace *ws;
    rlt_policy_packed *packed;
    float *params, *grad, *obs, *head, *value, *log_prob, *ones;
    int32_t *action;
} network;

static const rlt_policy_spec mlp = {.obs_dim = 4,
                                    .discrete = true,
                                    .action_dim = 2,
                                    .hidden = {64, 64},
                                    .hidden_count = 2,
                                    .act = RLT_ACT_TANH};

static rlt_layer conv(int filters, int kernel, int stride) {
    return (rlt_layer){.kind = RLT_LAYER_CONV,
                       .act = RLT_ACT_RELU,
                       .units = filters,
                       .kernel = kernel,
                       .stride = stride};
}

/* Mnih et al. 2015, on 84 x 84 x 4. */
static rlt_policy_spec nature_cnn(void) {
    return (rlt_policy_spec){
        .obs_dim = 84 * 84 * 4,
        .obs_shape = {84, 84, 4},
        .discrete = true,
        .action_dim = 6,
        .layer_count = 4,
        .layers = {conv(32, 8, 4),
                   conv(64, 4, 2),
                   conv(64, 3, 1),
                   {.kind = RLT_LAYER_DENSE, .units = 512, .act = RLT_ACT_RELU}}};
}

/* 2 a multiply-add; nothing needs the gradient of observations. */
static double nature_flop(bool gradient) {
    double first = 2.0 * 20 * 20 * 32 * 8 * 8 * 4;
    double all = first + 2.0 * (9 * 9 * 64 * 4 * 4 * 32 + 7 * 7 * 64 * 3 * 3 * 64) +
                 2.0 * (3136 * 512 + 512 * 7);
    return gradient ? 3 * all - first : all;
}

static void open_network(network *n, const rlt_policy_spec *spec, int rows, int calls) {
    *n = (network){.spec = *spec, .rows = rows, .calls = calls};
    size_t params = rlt_policy_param_count(spec), count = (size_t)rows;
    size_t inputs = count * (size_t)spec->obs_dim;
    n->ws = rlt_policy_workspace_create(spec);
    n->packed = rlt_policy_packed_create(spec);
    n->params = rlt_alloc(sizeof(float) * params);
    n->grad = rlt_alloc(sizeof(float) * params);
    n->obs = rlt_alloc(sizeof(float) * inputs);
    n->head = rlt_alloc(sizeof(float) * count * (size_t)spec->action_dim);
    n->value = rlt_alloc(sizeof(float) * count);
    n->log_prob = rlt_alloc(sizeof(float) * count);
    n->ones = rlt_alloc(sizeof(float) * count);
    n->action = rlt_alloc(sizeof(int32_t) * count);
    rlt_policy_init(spec, 1, n->params);
    rlt_policy_pack(n->packed, n->params);
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    for (size_t i = 0; i < inputs; i++) {
        n->obs[i] = rlt_rng_uniform(&rng, -1, 1);
    }
    for (size_t i = 0; i < count; i++) {
        n->ones[i] = 1;
    }
    rlt_policy_forward(n->ws, n->params, n->obs, rows, n->head, n->value);
    rlt_policy_sample(spec, n->params, n->head, NULL, rows, 1, 0, 0, n->action, n->log_prob);
}

static void close_network(network *n) {
    void *const all[] = {n->params, n->grad,     n->obs,  n->head,
                         n->value,  n->log_prob, n->ones, n->action};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
    rlt_policy_packed_destroy(&n->packed);
    rlt_policy_workspace_destroy(&n->ws);
}

static void run_forward(network *n) {
    rlt_policy_forward(n->ws, n->params, n->obs, n->rows, n->head, n->value);
}

static void run_gradient(network *n) {
    rlt_ppo_batch batch = {.n = n->rows,
                           .obs = n->obs,
                           .action = n->action,
                           .old_log_prob = n->log_prob,
                           .old_value = n->value,
                           .advantage = n->ones,
                           .ret = n->ones};
    rlt_ppo_coef coef = {.clip = 0.2f, .vf_coef = 0.5f};
    rlt_ppo_stats stats = {0};
    rlt_ppo_grad_packed(n->ws, n->params, n->packed, &batch, &coef, n->rows, n->grad, &stats);
}

/* Seconds of one call, the best of ROUNDS. */
static double time_call(void (*call)(network *), network *n, double seconds) {
    double best = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        double start = rlt_thread_seconds(), now;
        int calls = 0;
        do {
            for (int i = 0; i < n->calls; i++, calls++) {
                call(n);
            }
            now = rlt_thread_seconds();
        } while (now - start < seconds / ROUNDS);
        best = fmin(best, (now - start) / calls);
    }
    return best;
}

typedef struct network_case {
    const char *name;
    rlt_policy_spec spec;
    int rows, calls;
    double forward, gradient; /* FLOP a row */
} network_case;

rlt_status rlt_measure_nn(const rlt_measure *m, rlt_err *err) {
    (void)err;
    char name[96];
    const network_case cases[] = {
        {"2 x 64 tanh", mlp, ROWS, 50, rlt_flop_per_step(&mlp, true, 0),
         rlt_flop_per_step(&mlp, false, 1)},
        {"nature_cnn", nature_cnn(), IMAGES, 1, nature_flop(false), nature_flop(true)},
    };
    rlt_figure figure = {.name = name,
                         .unit = "GFLOP/s",
                         .limit = rlt_ceiling_f32(NULL),
                         .limit_name = "multiply-adds of one core"};
    for (size_t i = 0; i < RLT_COUNT(cases); i++) {
        const network_case *c = &cases[i];
        network n;
        open_network(&n, &c->spec, c->rows, c->calls);
        snprintf(name, sizeof(name), "forward, %s, %d rows, %s", c->name, c->rows,
                 rlt_nn_form_name());
        double seconds = time_call(run_forward, &n, m->seconds);
        figure.value = c->forward * c->rows / seconds * 1e-9;
        m->figure(m->user, &figure);
        snprintf(name, sizeof(name), "PPO gradient of the same");
        seconds = time_call(run_gradient, &n, m->seconds);
        figure.value = c->gradient * c->rows / seconds * 1e-9;
        m->figure(m->user, &figure);
        close_network(&n);
    }
    return RLT_OK;
}

/* ---- PPO end to end ---- */

static const char train_json[] =
    "{\"env\": \"CartPole-v1\", \"envs_per_worker\": 64, \"stop\": {\"steps\": 1000000000},"
    " \"model\": {\"hidden\": [64, 64], \"activation\": \"tanh\"},"
    " \"ppo\": {\"horizon\": 128, \"epochs\": 4, \"minibatch\": 512, \"lr\": 0.001}}";

static rlt_status iterate(rlt_trainer *trainer, rlt_source *source, uint64_t index, rlt_err *err) {
    const rlt_segment *segments = NULL;
    rlt_train_stats stats;
    uint64_t version;
    rlt_weights_view weights = rlt_trainer_weights(trainer, &version);
    RLT_TRY(source->ops->publish(source, &weights, version, err));
    RLT_TRY(source->ops->collect(source, index, &segments, err));
    RLT_TRY(rlt_trainer_consume(trainer, segments, &stats, err));
    return source->ops->release(source, err);
}

/* The best of ROUNDS groups of iterations. */
static rlt_status time_iterations(rlt_trainer *trainer, rlt_source *source, double seconds,
                                  double (*clock)(void), double *best, rlt_err *err) {
    uint64_t index = 0;
    *best = INFINITY;
    RLT_TRY(iterate(trainer, source, index++, err));
    for (int round = 0; round < ROUNDS; round++) {
        int count = 0;
        double start = clock(), now;
        do {
            RLT_TRY(iterate(trainer, source, index++, err));
            count++;
            now = clock();
        } while (now - start < seconds / ROUNDS);
        *best = fmin(*best, (now - start) / count);
    }
    return RLT_OK;
}

static rlt_status measure_threads(const rlt_measure *m, const rlt_run_config *config,
                                  const rlt_env_def *def, int threads, rlt_err *err) {
    rlt_trainer *trainer = NULL;
    rlt_source *source = NULL;
    char name[96], limit_name[96];
    int envs = (int)config->envs_per_worker, parts = rlt_local_parts(envs);
    double (*clock)(void) = threads == 1 ? rlt_thread_seconds : rlt_clock_s, seconds;
    RLT_TRY(rlt_trainer_create(config, def, parts, envs / parts, threads, NULL, &trainer, err));
    rlt_pool *pool = rlt_trainer_pool(trainer);
    rlt_status status =
        rlt_source_local(config, def, 0, (int)config->envs_per_worker, pool, &source, err);
    if (status == RLT_OK) {
        status = time_iterations(trainer, source, m->seconds * ROUNDS, clock, &seconds, err);
    }
    if (status == RLT_OK) {
        double flop = rlt_flop_per_step(rlt_trainer_policy(trainer), true, EPOCHS);
        double rate = (double)rlt_trainer_rows(trainer) / seconds;
        snprintf(name, sizeof(name), "PPO end to end, CartPole-v1, %d thread%s", threads,
                 threads == 1 ? "" : "s");
        snprintf(limit_name, sizeof(limit_name), "multiply-adds at %.0f kFLOP a step", flop * 1e-3);
        rlt_figure figure = {.name = name,
                             .unit = "steps/s",
                             .value = rate,
                             .limit = rlt_ceiling_f32(pool) * 1e9 / flop,
                             .limit_name = limit_name};
        m->figure(m->user, &figure);
        snprintf(name, sizeof(name), "  of which arithmetic");
        figure.unit = "GFLOP/s";
        figure.value *= flop * 1e-9;
        figure.limit *= flop * 1e-9;
        figure.limit_name = threads == 1 ? "multiply-adds of one core" : "of these cores";
        m->figure(m->user, &figure);
    }
    if (source != NULL) {
        source->ops->destroy(source);
    }
    rlt_trainer_destroy(&trainer);
    return status;
}

rlt_status rlt_measure_train(const rlt_measure *m, rlt_err *err) {
    rlt_run_config config;
    const rlt_env_def *def = NULL;
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    RLT_TRY(rlt_run_config_parse(train_json, &config, err));
    RLT_TRY(rlt_env_find(m->envs, config.env, &def, err));
    RLT_TRY(measure_threads(m, &config, def, 1, err));
    return cores > 1 ? measure_threads(m, &config, def, cores < 64 ? cores : 64, err) : RLT_OK;
}
