/* PPO on one device; see update.h. */
#include "bench/gpu/update.h"

#include <string.h>

/* ---- memory ---- */

typedef struct part { /* a pointer of the update, and its bytes */
    void **at;
    size_t bytes;
} part;
enum { PARTS_MAX = 32 };

static int list_parts(update *u, part *parts) {
    size_t f = sizeof(float), rows = (size_t)u->rows, small = (size_t)u->minibatch;
    size_t envs = (size_t)u->spec.envs, width = (size_t)u->program.obs_width;
    size_t params = u->program.param_count * f;
    const part all[] = {
        {(void **)&u->params, params},
        {(void **)&u->grad, params},
        {(void **)&u->m, params},
        {(void **)&u->v, params},
        {(void **)&u->obs, (rows + envs) * width * f},
        {(void **)&u->log_prob, rows * f},
        {(void **)&u->value, (rows + envs) * f},
        {(void **)&u->reward, rows * f},
        {(void **)&u->final_value, rows * f},
        {(void **)&u->advantage, rows * f},
        {(void **)&u->ret, rows * f},
        {(void **)&u->action, rows * sizeof(int32_t)},
        {(void **)&u->terminated, rows},
        {(void **)&u->truncated, rows},
        {(void **)&u->to_obs, small * width * f},
        {(void **)&u->to_log_prob, small * f},
        {(void **)&u->to_value, small * f},
        {(void **)&u->to_advantage, small * f},
        {(void **)&u->to_ret, small * f},
        {(void **)&u->to_action, small * sizeof(int32_t)},
        {(void **)&u->state, sizeof(rlt_update_state)},
        {(void **)&u->state_before, sizeof(rlt_update_state)},
        {(void **)&u->order, (size_t)u->spec.epochs * rows * sizeof(uint32_t)},
        {(void **)&u->draw, sizeof(uint64_t)},
        {(void **)&u->partial,
         sizeof(double) * (RLT_STEP_PARTIALS + rlt_fn_partials(u->minibatch))},
    };
    memcpy(parts, all, sizeof all);
    return (int)RLT_COUNT(all);
}

static rlt_head head_of(const update *u) {
    return (rlt_head){
        .kind = RLT_HEAD_CATEGORICAL, .width = u->spec.net.head_width, .components = 1};
}

/* ---- one minibatch ---- */

static void gather(update *u) {
    rlt_gather_args args = {
        .update = u->state,
        .order = u->order,
        .n = u->minibatch,
        .steps = 1,
        .seqs_all = u->rows,
        .obs_width = u->program.obs_width,
        .action_words = 1,
        .obs = u->obs,
        .log_prob = u->log_prob,
        .value = u->value,
        .advantage = u->advantage,
        .ret = u->ret,
        .action = u->action,
        .norm_advantage = true,
        .to_obs = u->to_obs,
        .to_log_prob = u->to_log_prob,
        .to_value = u->to_value,
        .to_advantage = u->to_advantage,
        .to_ret = u->to_ret,
        .to_action = u->to_action,
    };
    u->device->backend->gather(u->device, &args);
}

static void loss(update *u) {
    rlt_ppo_loss_args args = {
        .update = u->state,
        .policy = head_of(u),
        .n = u->minibatch,
        .head = rlt_net_head(u->net),
        .value = rlt_net_value(u->net),
        .action = u->to_action,
        .old_log_prob = u->to_log_prob,
        .old_value = u->to_value,
        .advantage = u->to_advantage,
        .ret = u->to_ret,
        .coef = {.vf_coef = u->spec.vf_coef, .ent_coef = u->spec.ent_coef},
        .d_head = rlt_net_d_head(u->net),
        .d_value = rlt_net_d_value(u->net),
        .partial = u->partial,
    };
    u->device->backend->ppo_loss(u->device, &args);
}

static void step(update *u) {
    static const rlt_optimiser_spec adam = {
        .kind = RLT_OPT_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-5f};
    rlt_step_args args = {
        .update = u->state,
        .optimiser = &adam,
        .params = u->params,
        .grad = u->grad,
        .m = u->m,
        .v = u->v,
        .count = u->program.param_count,
        .rows = u->minibatch,
        .norm_max = u->spec.norm_max,
        .partial = u->partial,
    };
    u->device->backend->step(u->device, &args);
}

static void queue_minibatch(update *u) {
    rlt_net_in in = {.steps = 1, .seqs = u->minibatch, .params = u->params, .obs = u->to_obs};
    gather(u);
    rlt_net_forward(u->net, &in);
    loss(u);
    rlt_net_backward(u->net, &in, u->grad);
    step(u);
}

void update_minibatch(update *u) {
    u->device->backend->graph_run(u->device, u->graph);
}

/* ---- creation ---- */

static void fill_order(update *u) {
    rlt_rng rng = rlt_rng_make(u->spec.seed, RLT_STREAM_SHUFFLE, (uint32_t)u->updates);
    for (int e = 0; e < u->spec.epochs; e++) {
        uint32_t *order = u->order_host + (size_t)e * (size_t)u->rows;
        for (int i = 0; i < u->rows; i++) { /* Fisher-Yates, from the inside out */
            uint32_t j = rlt_rng_below(&rng, (uint32_t)i + 1);
            order[i] = order[j];
            order[j] = (uint32_t)i;
        }
    }
    u->device->backend->upload(u->device, u->order, u->order_host,
                               sizeof(uint32_t) * (size_t)u->spec.epochs * (size_t)u->rows);
}

static void begin_learning(update *u) {
    rlt_update_state now = {.lr = u->spec.lr, .clip = u->spec.clip};
    now.step = u->updates * u->spec.epochs * u->spec.minibatches;
    u->device->backend->upload(u->device, u->state, &now, sizeof now);
    u->device->backend->copy(u->device, u->state_before, u->state, sizeof now);
    fill_order(u);
}

static rlt_status create_parts(update *u, rlt_err *err) {
    const rlt_backend *b = u->device->backend;
    part parts[PARTS_MAX];
    int count = list_parts(u, parts);
    for (int i = 0; i < count; i++) {
        RLT_TRY(b->alloc(u->device, parts[i].bytes, parts[i].at, err));
    }
    float *params = rlt_alloc(sizeof(float) * u->program.param_count);
    rlt_program_init(&u->program, u->spec.seed, params);
    b->upload(u->device, u->params, params, sizeof(float) * u->program.param_count);
    rlt_status status = b->sync(u->device, err);
    rlt_free(params);
    RLT_TRY(status);
    RLT_TRY(rlt_net_create(u->device, &u->program, 1, u->minibatch, true, &u->net, err));
    RLT_TRY(rlt_net_create(u->device, &u->program, 1, u->spec.envs, false, &u->policy, err));
    u->order_host = rlt_alloc(sizeof(uint32_t) * (size_t)u->spec.epochs * (size_t)u->rows);
    begin_learning(u);
    RLT_TRY(b->record_begin(u->device, err));
    queue_minibatch(u);
    return b->record_end(u->device, &u->graph, err);
}

rlt_status update_create(rlt_device *device, const update_spec *spec, update **made, rlt_err *err) {
    update *u = rlt_alloc(sizeof *u);
    *made = u;
    u->spec = *spec;
    u->device = device;
    u->rows = spec->envs * spec->horizon;
    u->minibatch = u->rows / spec->minibatches;
    RLT_ASSERT(u->minibatch * spec->minibatches == u->rows);
    rlt_status status = rlt_program_build(&spec->net, &u->program, err);
    status = status == RLT_OK ? create_parts(u, err) : status;
    if (status != RLT_OK) {
        update_destroy(made);
    }
    return status;
}

void update_destroy(update **made) {
    update *u = *made;
    part parts[PARTS_MAX];
    if (u == NULL) {
        return;
    }
    if (u->graph != NULL) {
        u->device->backend->graph_free(u->device, &u->graph);
    }
    rlt_net_destroy(&u->net);
    rlt_net_destroy(&u->policy);
    int count = list_parts(u, parts);
    for (int i = 0; i < count; i++) {
        if (*parts[i].at != NULL) {
            u->device->backend->free(u->device, *parts[i].at);
        }
    }
    rlt_free(u->order_host);
    rlt_free(u);
    *made = NULL;
}

/* ---- a batch ---- */

static void run_policy(update *u, const float *obs) {
    rlt_net_in in = {.steps = 1, .seqs = u->spec.envs, .params = u->params, .obs = obs};
    rlt_net_forward(u->policy, &in);
}

void update_act(update *u, int t, const float *obs, int32_t *action) {
    const rlt_backend *b = u->device->backend;
    size_t envs = (size_t)u->spec.envs, at = (size_t)t * envs;
    size_t width = (size_t)u->program.obs_width;
    b->upload(u->device, u->obs + at * width, obs, sizeof(float) * envs * width);
    run_policy(u, u->obs + at * width);
    b->copy(u->device, u->value + at, rlt_net_value(u->policy), sizeof(float) * envs);
    if (t == u->spec.horizon) {
        return;
    }
    b->upload(u->device, u->draw, &u->draw_host, sizeof u->draw_host);
    u->draw_host++;
    rlt_sample_args args = {
        .policy = head_of(u),
        .n = u->spec.envs,
        .head = rlt_net_head(u->policy),
        .seed = u->spec.seed,
        .step = u->draw,
        .action = u->action + at,
        .log_prob = u->log_prob + at,
    };
    b->sample(u->device, &args);
    b->download(u->device, action, u->action + at, sizeof(int32_t) * envs);
}

void update_outcome(update *u, int t, const float *reward, const uint8_t *terminated,
                    const uint8_t *truncated, const float *final_obs) {
    const rlt_backend *b = u->device->backend;
    size_t envs = (size_t)u->spec.envs, at = (size_t)t * envs;
    size_t width = (size_t)u->program.obs_width;
    b->upload(u->device, u->reward + at, reward, sizeof(float) * envs);
    b->upload(u->device, u->terminated + at, terminated, envs);
    b->upload(u->device, u->truncated + at, truncated, envs);
    if (memchr(truncated, 1, envs) != NULL) { /* the batch's last step is free for this */
        float *place = u->obs + (size_t)u->rows * width;
        b->upload(u->device, place, final_obs, sizeof(float) * envs * width);
        run_policy(u, place);
        b->copy(u->device, u->final_value + at, rlt_net_value(u->policy), sizeof(float) * envs);
    }
}

rlt_status update_learn(update *u, rlt_update_state *sums, rlt_err *err) {
    const rlt_backend *b = u->device->backend;
    rlt_update_state state;
    rlt_gae_args gae = {
        .in = {.horizon = u->spec.horizon,
               .envs = u->spec.envs,
               .reward = u->reward,
               .value = u->value,
               .final_value = u->final_value,
               .terminated = u->terminated,
               .truncated = u->truncated,
               .gamma = u->spec.gamma,
               .lambda = u->spec.lambda},
        .advantage = u->advantage,
        .ret = u->ret,
    };
    begin_learning(u);
    b->gae(u->device, &gae);
    for (int i = 0; i < u->spec.epochs * u->spec.minibatches; i++) {
        update_minibatch(u);
    }
    u->updates++;
    b->download(u->device, &state, u->state, sizeof state);
    RLT_TRY(b->sync(u->device, err));
    if (sums != NULL) {
        *sums = state;
    }
    return state.stopped > 1 ? rlt_fail(err, RLT_EDIVERGED, "update %lld: sum %u is not finite",
                                        (long long)u->updates, state.stopped - 2)
                             : RLT_OK;
}

/* ---- networks ---- */

static void add(rlt_net_spec *net, rlt_layer layer) {
    RLT_ASSERT(net->layer_count < RLT_LAYERS_MAX);
    net->layers[net->layer_count++] = layer;
}
static void add_dense(rlt_net_spec *net, int units, rlt_act act) {
    add(net, (rlt_layer){.kind = RLT_LAYER_DENSE, .act = act, .units = units});
}
static void add_conv(rlt_net_spec *net, int units, int kernel, int stride, int pad, rlt_act act) {
    add(net, (rlt_layer){.kind = RLT_LAYER_CONV,
                         .act = act,
                         .units = units,
                         .kernel = kernel,
                         .stride = stride,
                         .pad = pad});
}

void update_mlp(rlt_net_spec *net, int obs_width, int actions, int units) {
    *net = (rlt_net_spec){
        .obs_shape = {1, 1, obs_width}, .separate = true, .head_width = actions, .value_width = 1};
    add_dense(net, units, RLT_ACT_TANH);
    add_dense(net, units, RLT_ACT_TANH);
}

/* Mnih et al. 2015 */
void update_nature_cnn(rlt_net_spec *net, int actions) {
    *net = (rlt_net_spec){.obs_shape = {84, 84, 4}, .head_width = actions, .value_width = 1};
    add_conv(net, 32, 8, 4, 0, RLT_ACT_RELU);
    add_conv(net, 64, 4, 2, 0, RLT_ACT_RELU);
    add_conv(net, 64, 3, 1, 0, RLT_ACT_RELU);
    add_dense(net, 512, RLT_ACT_RELU);
}

/* Espeholt et al. 2018, figure 3 */
void update_impala_cnn(rlt_net_spec *net, int actions) {
    static const int filters[] = {16, 32, 32};
    *net = (rlt_net_spec){.obs_shape = {84, 84, 4}, .head_width = actions, .value_width = 1};
    for (size_t block = 0; block < RLT_COUNT(filters); block++) {
        add_conv(net, filters[block], 3, 1, 1, RLT_ACT_NONE);
        add(net, (rlt_layer){.kind = RLT_LAYER_MAX_POOL,
                             .act = RLT_ACT_NONE,
                             .kernel = 3,
                             .stride = 2,
                             .pad = 1});
        for (int part = 0; part < 2; part++) {
            add(net, (rlt_layer){.kind = RLT_LAYER_RESIDUAL, .act = RLT_ACT_NONE});
            add(net, (rlt_layer){.kind = RLT_LAYER_ACTIVATION, .act = RLT_ACT_RELU});
            add_conv(net, filters[block], 3, 1, 1, RLT_ACT_RELU);
            add_conv(net, filters[block], 3, 1, 1, RLT_ACT_NONE);
            add(net, (rlt_layer){.kind = RLT_LAYER_END, .act = RLT_ACT_NONE});
        }
    }
    add(net, (rlt_layer){.kind = RLT_LAYER_ACTIVATION, .act = RLT_ACT_RELU});
    add_dense(net, 256, RLT_ACT_RELU);
}

/* Young & Tian 2019 */
void update_minatar_cnn(rlt_net_spec *net, int channels, int actions) {
    *net = (rlt_net_spec){.obs_shape = {10, 10, channels}, .head_width = actions, .value_width = 1};
    add_conv(net, 16, 3, 1, 0, RLT_ACT_RELU);
    add_dense(net, 128, RLT_ACT_RELU);
}
