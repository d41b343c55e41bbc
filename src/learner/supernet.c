/* learner: shared weights, see supernet.h. Thread: the trainer's. Owner: the trainer. */
#include "learner/supernet.h"

#include <stdio.h>
#include <string.h>

enum { ENGINES = 64, TENSORS_MAX = 1000 };

typedef struct engine { /* a network that was trained lately */
    int64_t network;    /* -1: none */
    uint64_t used;
    rlt_bc *bc;
    float *params;
    rlt_policy_tensor *tensors;
    int *shared; /* [count] the tensor of the supernet that each is a block of */
    int count;
} engine;

struct rlt_supernet {
    rlt_policy_spec *networks; /* [count] */
    int64_t count;
    rlt_policy_tensor tensors[TENSORS_MAX]; /* shapes: the largest; offset: in the weights */
    int tensor_count;
    size_t param_count;
    float *params, *moments; /* [param_count], [2][param_count] */
    int64_t step;
    uint64_t seed, clock;
    engine engines[ENGINES];
};

/* ---- the networks of the space ---- */

/* Values of network `index`, the last path fastest. */
static json_t *values_of(const json_t *space, int64_t index) {
    json_t *params = json_object();
    const char *keys[256], *key;
    json_t *values;
    int count = 0;
    json_object_foreach((json_t *)space, key, values) {
        RLT_ASSERT(count < (int)RLT_COUNT(keys));
        keys[count++] = key;
    }
    for (int i = count - 1; i >= 0; i--) {
        values = json_object_get(space, keys[i]);
        int64_t size = (int64_t)json_array_size(values);
        json_object_set(params, keys[i], json_array_get(values, (size_t)(index % size)));
        index /= size;
    }
    return params;
}

static rlt_status make_network(const json_t *config, const json_t *space, int64_t index,
                               const rlt_env_def *def, rlt_policy_spec *spec, rlt_err *err) {
    json_t *params = values_of(space, index), *run = NULL;
    rlt_run_config concrete;
    rlt_status status = rlt_config_trial_json(config, params, &run, err);
    if (status == RLT_OK) {
        status = rlt_run_config_load(run, &concrete, err);
    }
    if (status == RLT_OK) {
        status = rlt_policy_spec_make(&concrete, def, spec, err);
    }
    json_decref(params);
    json_decref(run);
    return status;
}

static rlt_status make_networks(rlt_supernet *net, const json_t *config, const json_t *space,
                                const rlt_env_def *def, rlt_err *err) {
    const char *key;
    json_t *values;
    int64_t count = 1;
    json_object_foreach((json_t *)space, key, values) {
        count *= (int64_t)json_array_size(values);
        if (count < 1 || count > RLT_SUPERNET_NETWORKS_MAX) {
            return rlt_fail(err, RLT_ECONFIG,
                            "model: weights are shared by 1 to %d networks, not by more",
                            RLT_SUPERNET_NETWORKS_MAX);
        }
    }
    net->count = count;
    net->networks = rlt_alloc(sizeof(rlt_policy_spec) * (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        RLT_TRY(make_network(config, space, i, def, &net->networks[i], err));
    }
    return RLT_OK;
}

/* ---- shared tensors ---- */

static int find_tensor(const rlt_supernet *net, const char *name) {
    for (int i = 0; i < net->tensor_count; i++) {
        if (strcmp(net->tensors[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Adds the tensor, or makes the one of its name large enough. */
static rlt_status cover(rlt_supernet *net, const rlt_policy_tensor *t, rlt_err *err) {
    int at = find_tensor(net, t->name);
    if (at < 0 && net->tensor_count == TENSORS_MAX) {
        return rlt_fail(err, RLT_ELIMIT, "model: its networks have more than %d tensors",
                        TENSORS_MAX);
    }
    if (at < 0) {
        net->tensors[net->tensor_count++] = *t;
        return RLT_OK;
    }
    rlt_policy_tensor *shared = &net->tensors[at];
    RLT_ASSERT(shared->rank == t->rank && shared->groups == t->groups);
    for (int d = 0; d < t->rank; d++) {
        shared->shape[d] = t->shape[d] > shared->shape[d] ? t->shape[d] : shared->shape[d];
    }
    return RLT_OK;
}

static rlt_status cover_all(rlt_supernet *net, rlt_err *err) {
    rlt_policy_tensor *tensors = rlt_alloc(sizeof(*tensors) * RLT_POLICY_TENSORS_MAX);
    rlt_status status = RLT_OK;
    for (int64_t i = 0; i < net->count && status == RLT_OK; i++) {
        int count = rlt_policy_tensors(&net->networks[i], tensors);
        for (int k = 0; k < count && status == RLT_OK; k++) {
            status = cover(net, &tensors[k], err);
        }
    }
    rlt_free(tensors);
    for (int k = 0; k < net->tensor_count; k++) {
        net->tensors[k].offset = net->param_count;
        size_t elements = 1;
        for (int d = 0; d < net->tensors[k].rank; d++) {
            elements *= (size_t)net->tensors[k].shape[d];
        }
        net->param_count += elements;
    }
    return status;
}

/* Between a network's tensor and the block of the shared one that it is. */
static void move(const rlt_policy_tensor *own, const rlt_policy_tensor *shared, float *params,
                 float *all, bool to_shared) {
    int last = own->rank - 1;
    int64_t width = own->shape[last] / own->groups, width_all = shared->shape[last] / own->groups;
    int64_t rows = 1;
    for (int d = 0; d < last; d++) {
        rows *= own->shape[d];
    }
    for (int64_t r = 0; r < rows; r++) {
        int64_t rest = r, row = 0, stride = 1;
        for (int d = last - 1; d >= 0; d--) {
            row += rest % own->shape[d] * stride;
            rest /= own->shape[d];
            stride *= shared->shape[d];
        }
        for (int64_t g = 0; g < own->groups; g++) {
            float *mine = params + own->offset + r * own->shape[last] + g * width;
            float *ours = all + shared->offset + row * shared->shape[last] + g * width_all;
            memcpy(to_shared ? ours : mine, to_shared ? mine : ours, sizeof(float) * (size_t)width);
        }
    }
}

static bool is_whole(const rlt_policy_tensor *own, const rlt_policy_tensor *shared) {
    return memcmp(own->shape, shared->shape, sizeof(int64_t) * (size_t)own->rank) == 0;
}

/* Each shared tensor as a network that uses all of it draws its own. */
static void draw_weights(rlt_supernet *net) {
    rlt_policy_tensor *tensors = rlt_alloc(sizeof(*tensors) * RLT_POLICY_TENSORS_MAX);
    bool drawn[TENSORS_MAX] = {false};
    for (int64_t i = 0; i < net->count; i++) {
        const rlt_policy_spec *spec = &net->networks[i];
        int count = rlt_policy_tensors(spec, tensors);
        float *params = NULL;
        for (int k = 0; k < count; k++) {
            int at = find_tensor(net, tensors[k].name);
            if (drawn[at] || !is_whole(&tensors[k], &net->tensors[at])) {
                continue;
            }
            if (params == NULL) {
                params = rlt_alloc(sizeof(float) * rlt_policy_param_count(spec));
                rlt_policy_init(spec, net->seed, params);
            }
            move(&tensors[k], &net->tensors[at], params, net->params, true);
            drawn[at] = true;
        }
        rlt_free(params);
    }
    rlt_free(tensors);
}

static rlt_status make(rlt_supernet *net, const json_t *config, const json_t *space,
                       const rlt_env_def *def, rlt_err *err) {
    RLT_TRY(make_networks(net, config, space, def, err));
    RLT_TRY(cover_all(net, err));
    net->params = rlt_alloc(sizeof(float) * net->param_count);
    net->moments = rlt_alloc(2 * sizeof(float) * net->param_count);
    draw_weights(net);
    return RLT_OK;
}

rlt_status rlt_supernet_create(const char *config_json, const char *space_json,
                               const rlt_env_def *def, uint64_t seed, rlt_supernet **supernet,
                               rlt_err *err) {
    rlt_supernet *net = rlt_alloc(sizeof(*net));
    json_t *config = json_loads(config_json, 0, NULL), *space = json_loads(space_json, 0, NULL);
    net->seed = seed;
    for (int i = 0; i < ENGINES; i++) {
        net->engines[i].network = -1;
    }
    rlt_status status = json_is_object(config) && json_is_object(space)
                            ? make(net, config, space, def, err)
                            : rlt_fail(err, RLT_EPROTO, "the space of the networks is no JSON");
    json_decref(config);
    json_decref(space);
    if (status != RLT_OK) {
        rlt_supernet_destroy(&net);
    }
    *supernet = net;
    return status;
}

static void engine_fini(engine *e) {
    rlt_bc_destroy(&e->bc);
    rlt_free(e->params);
    rlt_free(e->tensors);
    rlt_free(e->shared);
    *e = (engine){.network = -1};
}

void rlt_supernet_destroy(rlt_supernet **supernet) {
    rlt_supernet *net = *supernet;
    if (net == NULL) {
        return;
    }
    for (int i = 0; i < ENGINES; i++) {
        engine_fini(&net->engines[i]);
    }
    rlt_free(net->networks);
    rlt_free(net->params);
    rlt_free(net->moments);
    rlt_free(net);
    *supernet = NULL;
}

bool rlt_supernet_has_memory(const rlt_supernet *net) {
    for (int64_t i = 0; i < net->count; i++) {
        if (rlt_policy_state_width(&net->networks[i]) > 0) {
            return true;
        }
    }
    return false;
}

void rlt_supernet_take(const rlt_supernet *net, const rlt_policy_spec *spec, float *params) {
    rlt_policy_tensor *tensors = rlt_alloc(sizeof(*tensors) * RLT_POLICY_TENSORS_MAX);
    int count = rlt_policy_tensors(spec, tensors);
    for (int k = 0; k < count; k++) {
        int at = find_tensor(net, tensors[k].name);
        RLT_ASSERT(at >= 0);
        move(&tensors[k], &net->tensors[at], params, net->params, false);
    }
    rlt_free(tensors);
}

/* ---- training ---- */

/* What computes this network: one that is there, else in the place of the one not used longest. */
static rlt_status engine_of(rlt_supernet *net, int64_t network, const rlt_bc_options *options,
                            engine **found, rlt_err *err) {
    engine *oldest = &net->engines[0];
    for (int i = 0; i < ENGINES; i++) {
        engine *e = &net->engines[i];
        if (e->network == network) {
            *found = e;
            return RLT_OK;
        }
        oldest = e->used < oldest->used ? e : oldest;
    }
    const rlt_policy_spec *spec = &net->networks[network];
    engine_fini(oldest);
    RLT_TRY(rlt_bc_create(spec, options, &oldest->bc, err));
    oldest->params = rlt_alloc(sizeof(float) * rlt_policy_param_count(spec));
    oldest->count = rlt_policy_tensors(spec, NULL);
    oldest->tensors = rlt_alloc(sizeof(rlt_policy_tensor) * (size_t)oldest->count);
    oldest->shared = rlt_alloc(sizeof(int) * (size_t)oldest->count);
    rlt_policy_tensors(spec, oldest->tensors);
    for (int k = 0; k < oldest->count; k++) {
        oldest->shared[k] = find_tensor(net, oldest->tensors[k].name);
    }
    oldest->network = network;
    *found = oldest;
    return RLT_OK;
}

/* Weights and moments of the network, to or from the shared ones. */
static void exchange(rlt_supernet *net, engine *e, bool to_shared) {
    size_t state;
    float *moments = rlt_bc_state(e->bc, &state);
    float *const own[] = {e->params, moments, moments + state / 2};
    float *const all[] = {net->params, net->moments, net->moments + net->param_count};
    for (int part = 0; part < 3; part++) {
        for (int k = 0; k < e->count; k++) {
            move(&e->tensors[k], &net->tensors[e->shared[k]], own[part], all[part], to_shared);
        }
    }
}

rlt_status rlt_supernet_train(rlt_supernet *net, const rlt_bc_options *options,
                              const rlt_bc_rows *rows, const uint32_t *order, int count, float lr,
                              rlt_bc_result *result, rlt_err *err) {
    rlt_bc_result sum = {0};
    for (int k = 0; k < count; k++) {
        rlt_rng rng = rlt_rng_make(net->seed, RLT_STREAM_SAMPLER, (uint32_t)net->step);
        int64_t network = rlt_rng_below(&rng, (uint32_t)net->count);
        engine *e = NULL;
        rlt_bc_result one;
        RLT_TRY(engine_of(net, network, options, &e, err));
        e->used = ++net->clock;
        exchange(net, e, false);
        *rlt_bc_step(e->bc) = net->step;
        RLT_TRY(
            rlt_bc_train(e->bc, e->params, rows, order + k * options->sequences, 1, lr, &one, err));
        net->step = *rlt_bc_step(e->bc);
        exchange(net, e, true);
        sum.loss += one.loss / count;
        sum.entropy += one.entropy / count;
        sum.grad_norm += one.grad_norm / count;
    }
    *result = sum;
    return RLT_OK;
}

float *rlt_supernet_state(rlt_supernet *net, size_t *count) {
    *count = 2 * net->param_count;
    return net->moments;
}

int64_t *rlt_supernet_step(rlt_supernet *net) {
    return &net->step;
}

void rlt_supernet_tensors(rlt_supernet *net, rlt_add_tensor add, void *list) {
    for (int k = 0; k < net->tensor_count; k++) {
        char name[64];
        snprintf(name, sizeof(name), "super.%s", net->tensors[k].name);
        add(list, name, net->tensors[k].rank, net->tensors[k].shape,
            net->params + net->tensors[k].offset);
    }
}
