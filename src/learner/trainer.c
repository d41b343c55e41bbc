/* learner: the trainer: the policy, its weights and their version, counters; what an iteration does
 * is its algorithm's. Thread: the caller's, plus the pool's inside consume. Owner: whoever created
 * the trainer. */
#include "learner/algorithm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const rlt_algorithm *const algorithms[] = {&rlt_algorithm_ppo, &rlt_algorithm_bc};

static const rlt_algorithm *find_algorithm(const char *name) {
    for (size_t i = 0; i < RLT_COUNT(algorithms); i++) {
        if (strcmp(algorithms[i]->name, name) == 0) {
            return algorithms[i];
        }
    }
    RLT_ASSERT(!"the configuration's table knows no other algorithm");
    return NULL;
}

/* A GPU computes a minibatch in about the time that its launches take, until the network is large:
 * multiply-adds of a forward pass over one minibatch from which `auto` takes one. */
static const double auto_gpu_products = 3e8;

/* What `auto` takes: NULL for the CPU. */
static rlt_status choose_device(const rlt_trainer *t, int64_t rows, const char **name,
                                rlt_err *err) {
    double minibatch = fmin((double)rows, (double)t->rows);
    rlt_program program;
    RLT_TRY(rlt_policy_program(&t->spec, &program, err));
    bool large = rlt_program_products(&program) * minibatch >= auto_gpu_products;
    const rlt_backend *cuda = large ? rlt_backend_cuda(NULL) : NULL;
    *name = cuda != NULL && cuda->count(NULL) > 0 ? "cuda:0" : NULL;
    return RLT_OK;
}

rlt_status rlt_trainer_open_device(rlt_trainer *t, const rlt_ppo_team *team, int64_t minibatch,
                                   rlt_device **device, rlt_err *err) {
    rlt_precision precision =
        t->config.precision == RLT_NUMBER_BF16 ? RLT_PRECISION_BF16 : RLT_PRECISION_FP32;
    const char *name = t->config.device;
    t->device = strcmp(name, "cpu") == 0 || strcmp(name, "auto") == 0 ? NULL : name;
    if (team != NULL && strcmp(name, "cuda") == 0) { /* a GPU for each learner */
        snprintf(t->team_device, sizeof(t->team_device), "cuda:%d", team->rank);
        t->device = t->team_device;
    }
    if (strcmp(name, "auto") == 0 && team == NULL) {
        RLT_TRY(choose_device(t, minibatch, &t->device, err));
    }
    return t->device != NULL ? rlt_device_open(t->device, precision, device, err) : RLT_OK;
}

double rlt_trainer_left(const rlt_trainer *t) {
    double done = (double)t->stats.steps / (double)t->config.stop.steps;
    return fmax(1 - done, 1e-6);
}

static void start(rlt_trainer *t) {
    rlt_policy_init(&t->spec, (uint64_t)t->config.seed, t->view.params);
    for (int i = 0; i < t->spec.obs_dim; i++) {
        t->view.inv_std[i] = 1;
    }
    t->version = 1;
    t->stats = (rlt_train_stats){.mean_return = NAN, .mean_length = NAN};
}

static void make_weights(rlt_trainer *t) {
    t->weights = rlt_alloc(sizeof(float) * rlt_weights_floats(&t->spec));
    t->view = rlt_weights_bind(&t->spec, t->weights);
    rlt_running_init(&t->obs_stats, t->spec.obs_dim);
    rlt_reward_scaler_init(&t->rewards, t->envs, (float)t->config.ppo.gamma,
                           (float)t->config.normalise.clip);
}

/* spaces: config_json and space_json of a supernet, or NULL. */
static rlt_status create(const rlt_run_config *config, const rlt_env_def *def, int parts,
                         int envs_per_part, int threads, const rlt_ppo_team *team,
                         const char *const spaces[2], rlt_trainer **trainer, rlt_err *err) {
    RLT_ASSERT(parts >= 1 && envs_per_part >= 1);
    rlt_policy_spec spec;
    RLT_TRY(rlt_policy_spec_make(config, def, &spec, err));
    rlt_trainer *t = rlt_alloc(sizeof(*t));
    t->algorithm = find_algorithm(config->algo);
    t->config = *config;
    t->def = def;
    t->spec = spec;
    t->parts = parts;
    t->envs = parts * envs_per_part;
    make_weights(t);
    start(t);
    t->config_json = spaces != NULL ? spaces[0] : NULL;
    t->space_json = spaces != NULL ? spaces[1] : NULL;
    rlt_status status = rlt_pool_create(threads, &t->pool, err);
    if (status == RLT_OK) {
        status = t->algorithm->create(t, team, err);
    }
    if (status != RLT_OK) {
        rlt_trainer_destroy(&t);
        return status;
    }
    *trainer = t;
    return RLT_OK;
}

rlt_status rlt_trainer_create(const rlt_run_config *config, const rlt_env_def *def, int parts,
                              int envs_per_part, int threads, const rlt_ppo_team *team,
                              rlt_trainer **trainer, rlt_err *err) {
    return create(config, def, parts, envs_per_part, threads, team, NULL, trainer, err);
}

rlt_status rlt_trainer_create_supernet(const rlt_run_config *config, const rlt_env_def *def,
                                       int threads, const char *config_json, const char *space_json,
                                       rlt_trainer **trainer, rlt_err *err) {
    const char *const spaces[2] = {config_json, space_json};
    return create(config, def, 1, 1, threads, NULL, spaces, trainer, err);
}

void rlt_trainer_destroy(rlt_trainer **trainer) {
    rlt_trainer *t = *trainer;
    if (t == NULL) {
        return;
    }
    t->algorithm->destroy(t);
    rlt_pool_destroy(&t->pool);
    rlt_running_fini(&t->obs_stats);
    rlt_reward_scaler_fini(&t->rewards);
    rlt_free(t->weights);
    rlt_free(t);
    *trainer = NULL;
}

rlt_weights_view rlt_trainer_weights(const rlt_trainer *trainer, uint64_t *version) {
    *version = trainer->version;
    return trainer->view;
}

const rlt_policy_spec *rlt_trainer_policy(const rlt_trainer *trainer) {
    return &trainer->spec;
}

rlt_pool *rlt_trainer_pool(const rlt_trainer *trainer) {
    return trainer->pool;
}

int64_t rlt_trainer_rows(const rlt_trainer *trainer) {
    return trainer->rows;
}

const char *rlt_trainer_device(const rlt_trainer *trainer) {
    return trainer->device;
}

const rlt_train_stats *rlt_trainer_stats(const rlt_trainer *trainer) {
    return &trainer->stats;
}

bool rlt_trainer_acts(const rlt_trainer *trainer) {
    return trainer->algorithm->acts;
}

rlt_status rlt_trainer_measure(rlt_trainer *t, rlt_train_figures *figures, rlt_err *err) {
    *figures = (rlt_train_figures){NAN, NAN, t->algorithm->acts};
    return t->algorithm->measure != NULL ? t->algorithm->measure(t, figures, err) : RLT_OK;
}

rlt_status rlt_trainer_consume(rlt_trainer *t, const rlt_segment *segments, rlt_train_stats *stats,
                               rlt_err *err) {
    t->segments = segments;
    if (t->algorithm->prepare != NULL) {
        t->algorithm->prepare(t);
    }
    RLT_TRY(t->algorithm->update(t, err));
    t->stats.iteration++;
    t->stats.steps += t->rows;
    t->version++;
    *stats = t->stats;
    return RLT_OK;
}
