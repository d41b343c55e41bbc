/* learner: behaviour cloning as an algorithm of a trainer: a dataset made once, and iterations of a
 * fixed number of minibatches from its shuffled training sequences. Which ones is a function of
 * (seed, optimiser step), so that nothing of it has to be in a checkpoint.
 * Thread: the caller's. Owner: the trainer. */
#include "learner/algorithm.h"
#include "learner/dataset.h"
#include "learner/supernet.h"

#include <math.h>
#include <string.h>

struct rlt_cloning {
    rlt_dataset data;
    rlt_device *device;
    rlt_bc_options options;
    rlt_bc *bc;
    rlt_supernet *net;  /* that is trained; NULL: the policy itself is */
    bool normalised;    /* the dataset's observations are as the policy is to see them */
    int64_t taken;      /* sequences of a minibatch */
    int64_t epoch;      /* that `shuffled` is of; -1: none */
    uint32_t *shuffled; /* [data.train] */
    uint32_t *order;    /* [iteration][taken] */
};

static const float *training_row(void *user, int64_t i) {
    const rlt_dataset *d = user;
    int64_t step = i / d->train, sequence = i % d->train;
    return d->obs + (step * (d->train + d->valid) + sequence) * d->obs_width;
}

/* Mean and deviation of what is trained on, which do not change any more. */
static void measure_observations(rlt_trainer *t) {
    rlt_dataset *d = &t->cloning->data;
    if (t->config.normalise.observation) {
        rlt_running_add(&t->obs_stats, d->train * d->horizon, training_row, d);
        rlt_running_scale(&t->obs_stats, t->view.mean, t->view.inv_std);
    }
}

/* Once it is certain whose mean and deviation are used: its own or a checkpoint's. */
static void normalise_data(rlt_trainer *t) {
    rlt_cloning *c = t->cloning;
    if (t->config.normalise.observation && !c->normalised) {
        int64_t rows = (c->data.train + c->data.valid) * c->data.horizon;
        rlt_observation_normalise(c->data.obs, (int)rows, c->data.obs_width, t->view.mean,
                                  t->view.inv_std, (float)t->config.normalise.clip, c->data.obs);
    }
    c->normalised = true;
}

static rlt_status open_engine(rlt_trainer *t, rlt_err *err) {
    rlt_cloning *c = t->cloning;
    const rlt_bc_fields *f = &t->config.bc;
    RLT_TRY(rlt_trainer_open_device(t, NULL, f->minibatch, &c->device, err));
    if (c->device == NULL) {
        rlt_precision precision = t->spec.bf16 ? RLT_PRECISION_BF16 : RLT_PRECISION_FP32;
        RLT_TRY(rlt_device_open("cpu", precision, &c->device, err));
    }
    c->options = (rlt_bc_options){
        .sequences = c->taken,
        .steps = c->data.horizon,
        .masked = c->data.mask != NULL,
        .ent_coef = (float)f->ent_coef,
        .max_grad_norm = (float)f->max_grad_norm,
        .optimiser = {.kind = f->weight_decay > 0 ? RLT_OPT_ADAMW : RLT_OPT_ADAM,
                      .beta1 = 0.9F,
                      .beta2 = 0.999F,
                      .eps = 1e-8F,
                      .weight_decay = (float)f->weight_decay},
        .device = c->device,
    };
    return c->net != NULL ? RLT_OK : rlt_bc_create(&t->spec, &c->options, &c->bc, err);
}

static rlt_status bc_create(rlt_trainer *t, const rlt_ppo_team *team, rlt_err *err) {
    const rlt_bc_fields *f = &t->config.bc;
    rlt_cloning *c = t->cloning = rlt_alloc(sizeof(*c));
    if (team != NULL) {
        return rlt_fail(err, RLT_ECONFIG,
                        "learners: behaviour cloning is done by one learner; learners = 1");
    }
    bool memory = rlt_policy_state_width(&t->spec) > 0;
    if (t->space_json != NULL) {
        RLT_TRY(rlt_supernet_create(t->config_json, t->space_json, t->def, (uint64_t)t->config.seed,
                                    &c->net, err));
        memory = rlt_supernet_has_memory(c->net);
        rlt_supernet_take(c->net, &t->spec, t->view.params);
    }
    RLT_TRY(rlt_dataset_make(&t->config, t->def, &t->spec, memory, &c->data, err));
    int64_t taken = f->minibatch / c->data.horizon;
    c->taken = taken < 1 ? 1 : taken > c->data.train ? c->data.train : taken;
    t->rows = f->iteration * c->taken * c->data.horizon;
    c->epoch = -1;
    c->shuffled = rlt_alloc(sizeof(uint32_t) * (size_t)c->data.train);
    c->order = rlt_alloc(sizeof(uint32_t) * (size_t)(f->iteration * c->taken));
    measure_observations(t);
    t->stats.value_loss = t->stats.approx_kl = t->stats.clip_fraction = NAN;
    t->stats.explained_variance = t->stats.staleness = NAN;
    return open_engine(t, err);
}

static void bc_destroy(rlt_trainer *t) {
    rlt_cloning *c = t->cloning;
    if (c == NULL) {
        return;
    }
    rlt_bc_destroy(&c->bc);
    rlt_supernet_destroy(&c->net);
    rlt_device_close(&c->device);
    rlt_dataset_fini(&c->data);
    rlt_free(c->shuffled);
    rlt_free(c->order);
    rlt_free(c);
    t->cloning = NULL;
}

/* The sequences of minibatch `number` of the whole run; an epoch's last incomplete one is left out.
 */
static void choose(rlt_trainer *t, int64_t number, uint32_t *order) {
    rlt_cloning *c = t->cloning;
    int64_t in_epoch = c->data.train / c->taken, epoch = number / in_epoch;
    if (epoch != c->epoch) {
        rlt_bc_shuffle((uint64_t)t->config.seed, epoch, (uint32_t)c->data.train, c->shuffled);
        c->epoch = epoch;
    }
    memcpy(order, c->shuffled + number % in_epoch * c->taken, sizeof(uint32_t) * (size_t)c->taken);
}

static int64_t *bc_step(rlt_trainer *t) {
    rlt_cloning *c = t->cloning;
    return c->net != NULL ? rlt_supernet_step(c->net) : rlt_bc_step(c->bc);
}

static rlt_status train(rlt_trainer *t, const rlt_bc_rows *rows, float lr, rlt_bc_result *result,
                        rlt_err *err) {
    rlt_cloning *c = t->cloning;
    int count = (int)t->config.bc.iteration;
    if (c->net == NULL) {
        return rlt_bc_train(c->bc, t->view.params, rows, c->order, count, lr, result, err);
    }
    RLT_TRY(rlt_supernet_train(c->net, &c->options, rows, c->order, count, lr, result, err));
    rlt_supernet_take(c->net, &t->spec, t->view.params);
    return RLT_OK;
}

static rlt_status bc_update(rlt_trainer *t, rlt_err *err) {
    rlt_cloning *c = t->cloning;
    int64_t count = t->config.bc.iteration, first = *bc_step(t);
    const rlt_bc_rows rows = rlt_dataset_rows(&c->data);
    double lr = t->config.bc.lr * (t->config.bc.anneal_lr ? rlt_trainer_left(t) : 1);
    rlt_bc_result result;
    normalise_data(t);
    for (int64_t k = 0; k < count; k++) {
        choose(t, first + k, c->order + k * c->taken);
    }
    RLT_TRY(train(t, &rows, (float)lr, &result, err));
    t->stats.policy_loss = result.loss;
    t->stats.entropy = result.entropy;
    t->stats.grad_norm = result.grad_norm;
    t->stats.lr = lr;
    return RLT_OK;
}

static rlt_status bc_measure(rlt_trainer *t, rlt_train_figures *figures, rlt_err *err) {
    rlt_cloning *c = t->cloning;
    const rlt_bc_rows rows = rlt_dataset_rows(&c->data);
    rlt_bc_figures found;
    if (c->net != NULL) {
        return RLT_OK; /* each network has figures of its own */
    }
    normalise_data(t);
    RLT_TRY(
        rlt_bc_measure(c->bc, t->view.params, &rows, c->data.train, c->data.valid, &found, err));
    figures->valid_loss = found.loss;
    figures->valid_accuracy = found.accuracy;
    return RLT_OK;
}

static float *bc_state(rlt_trainer *t, size_t *count) {
    rlt_cloning *c = t->cloning;
    return c->net != NULL ? rlt_supernet_state(c->net, count) : rlt_bc_state(c->bc, count);
}

static void bc_tensors(rlt_trainer *t, rlt_add_tensor add, void *list) {
    if (t->cloning->net != NULL) {
        rlt_supernet_tensors(t->cloning->net, add, list);
    }
}

const rlt_algorithm rlt_algorithm_bc = {
    .name = "bc",
    .create = bc_create,
    .destroy = bc_destroy,
    .update = bc_update,
    .measure = bc_measure,
    .state = bc_state,
    .step = bc_step,
    .tensors = bc_tensors,
};
