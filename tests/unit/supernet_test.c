/* learner: weights that networks share: what each network takes of them, that a minibatch changes
 * the drawn network's block and nothing else, and that all of them learn. */
#include "learner/supernet.h"

#include "envs/envs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 256, STEPS = 8, SEQUENCES = ROWS / STEPS, TAKEN = 8, NETWORKS = 12 };

static const char config_json[] =
    "{\"env\":\"CartPole-v1\",\"algo\":\"bc\",\"model\":{\"layers\":[{\"kind\":\"dense\","
    "\"units\":4,\"activation\":\"tanh\"},[\"skip\"]],\"separate\":false}}";
static const char space_json[] = "{\"model[1].units\":[4,12],\"model[1].activation\":[\"tanh\","
                                 "\"relu\"],\"model[2]\":[[\"skip\"],[\"gru\",6],[\"lstm\",5]]}";

static const rlt_env_def *cartpole(void) {
    for (size_t i = 0; rlt_envs[i] != NULL; i++) {
        if (strcmp(rlt_envs[i]->name, "CartPole-v1") == 0) {
            return rlt_envs[i];
        }
    }
    fail();
    return NULL;
}

static rlt_supernet *make(uint64_t seed) {
    rlt_supernet *net = NULL;
    rlt_err err = {0};
    if (rlt_supernet_create(config_json, space_json, cartpole(), seed, &net, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return net;
}

/* One of the networks: units, activation, kind of the second layer. */
static rlt_policy_spec network(int units, rlt_act act, rlt_layer_kind kind) {
    rlt_policy_spec spec = {.obs_dim = 4, .discrete = true, .action_dim = 2, .layer_count = 2};
    spec.layers[0] = (rlt_layer){.kind = RLT_LAYER_DENSE, .act = act, .units = units};
    spec.layers[1] = (rlt_layer){.kind = kind,
                                 .act = RLT_ACT_NONE,
                                 .units = kind == RLT_LAYER_GRU    ? 6
                                          : kind == RLT_LAYER_LSTM ? 5
                                                                   : 0};
    return spec;
}

static const rlt_layer_kind kinds[] = {RLT_LAYER_SKIP, RLT_LAYER_GRU, RLT_LAYER_LSTM};

static rlt_policy_spec nth(int i) {
    return network(i % 2 == 0 ? 4 : 12, i / 2 % 2 == 0 ? RLT_ACT_TANH : RLT_ACT_RELU, kinds[i / 4]);
}

typedef struct taken {
    char name[64];
    int64_t shape[4];
    int rank;
    float *data;
} taken;
typedef struct list {
    taken all[64];
    int count;
} list;

static void add(void *user, const char *name, int rank, const int64_t *shape, float *data) {
    list *l = user;
    taken *t = &l->all[l->count++];
    snprintf(t->name, sizeof t->name, "%s", name);
    memcpy(t->shape, shape, sizeof t->shape);
    t->rank = rank;
    t->data = data;
}

static const taken *find(const list *l, const char *name) {
    for (int i = 0; i < l->count; i++) {
        if (strcmp(l->all[i].name, name) == 0) {
            return &l->all[i];
        }
    }
    fail_msg("no tensor %s", name);
    return NULL;
}

static void test_blocks(void **unused) {
    (void)unused;
    rlt_supernet *net = make(1);
    static list shared;
    shared.count = 0;
    rlt_supernet_tensors(net, add, &shared);
    assert_true(rlt_supernet_has_memory(net));
    const taken *dense = find(&shared, "super.layer.1.dense.weight");
    const taken *gru = find(&shared, "super.layer.2.gru.input_weight");
    const taken *head = find(&shared, "super.policy_head.weight");
    find(&shared, "super.layer.2.lstm.hidden_weight");
    assert_true(dense->shape[0] == 4 && dense->shape[1] == 12);
    assert_true(gru->shape[0] == 12 && gru->shape[1] == 18);
    assert_true(head->shape[0] == 12 && head->shape[1] == 2);

    rlt_policy_spec spec = network(4, RLT_ACT_RELU, RLT_LAYER_GRU);
    float *params = rlt_alloc(sizeof(float) * rlt_policy_param_count(&spec));
    rlt_policy_tensor *tensors = rlt_alloc(sizeof(*tensors) * RLT_POLICY_TENSORS_MAX);
    int count = rlt_policy_tensors(&spec, tensors), checked = 0;
    rlt_supernet_take(net, &spec, params);
    for (int k = 0; k < count; k++) {
        const float *own = params + tensors[k].offset;
        if (strcmp(tensors[k].name, "layer.1.dense.weight") == 0) {
            for (int i = 0; i < 16; i++) {
                assert_true(own[i] == dense->data[i / 4 * 12 + i % 4]);
            }
            checked++;
        }
        if (strcmp(tensors[k].name, "layer.2.gru.input_weight") == 0) { /* [4][3 gates][6] */
            for (int i = 0; i < 4 * 18; i++) {
                assert_true(own[i] == gru->data[i]);
            }
            checked++;
        }
    }
    assert_int_equal(checked, 2);
    rlt_free(tensors);
    rlt_free(params);
    rlt_supernet_destroy(&net);
}

/* A narrower cell is a block of every gate. */
static void test_gates(void **unused) {
    (void)unused;
    rlt_supernet *net = NULL;
    rlt_policy_spec spec = network(4, RLT_ACT_TANH, RLT_LAYER_GRU);
    static list shared;
    shared.count = 0;
    spec.layers[1].units = 3;
    assert_int_equal(rlt_supernet_create(config_json, "{\"model[2]\":[[\"gru\",6],[\"gru\",3]]}",
                                         cartpole(), 1, &net, NULL),
                     RLT_OK);
    rlt_supernet_tensors(net, add, &shared);
    const taken *hidden = find(&shared, "super.layer.2.gru.hidden_weight");
    float *params = rlt_alloc(sizeof(float) * rlt_policy_param_count(&spec));
    rlt_policy_tensor *tensors = rlt_alloc(sizeof(*tensors) * RLT_POLICY_TENSORS_MAX);
    int count = rlt_policy_tensors(&spec, tensors), checked = 0;
    rlt_supernet_take(net, &spec, params);
    for (int k = 0; k < count; k++) {
        for (int i = 0; strcmp(tensors[k].name, "layer.2.gru.hidden_weight") == 0 && i < 27; i++) {
            int row = i / 9, gate = i / 3 % 3, unit = i % 3;
            assert_true(params[tensors[k].offset + (size_t)i] ==
                        hidden->data[row * 18 + gate * 6 + unit]);
            checked++;
        }
    }
    assert_int_equal(checked, 27);
    rlt_free(tensors);
    rlt_free(params);
    rlt_supernet_destroy(&net);
}

/* ---- training ---- */

typedef struct data {
    float obs[ROWS * 4];
    int32_t action[ROWS];
    uint8_t reset[ROWS];
    uint32_t order[SEQUENCES];
    rlt_bc_rows rows;
    rlt_bc_options options;
} data;

static void fill(data *d) {
    rlt_rng rng = rlt_rng_make(4, RLT_STREAM_TEST, 0);
    for (int r = 0; r < ROWS; r++) {
        for (int i = 0; i < 4; i++) {
            d->obs[r * 4 + i] = rlt_rng_uniform(&rng, -1, 1);
        }
        d->action[r] = d->obs[r * 4 + 2] > 0;
        d->reset[r] = 0;
    }
    d->rows = (rlt_bc_rows){SEQUENCES, STEPS, d->obs, d->action, d->reset, NULL};
    assert_int_equal(rlt_device_open("cpu", RLT_PRECISION_FP32, &d->options.device, NULL), RLT_OK);
    d->options.sequences = TAKEN;
    d->options.steps = STEPS;
    d->options.optimiser =
        (rlt_optimiser_spec){.kind = RLT_OPT_ADAM, .beta1 = 0.9F, .beta2 = 0.999F, .eps = 1e-8F};
}

static double train(rlt_supernet *net, data *d, int count, float lr) {
    rlt_bc_result result = {0};
    rlt_err err = {0};
    for (int k = 0; k < count; k++) {
        rlt_bc_shuffle(5, k, SEQUENCES, d->order);
        if (rlt_supernet_train(net, &d->options, &d->rows, d->order, SEQUENCES / TAKEN, lr, &result,
                               &err) != RLT_OK) {
            fail_msg("%s", err.message);
        }
    }
    return result.loss;
}

/* After one minibatch there is one network that explains every change, and no smaller one does. */
static void test_one_minibatch(void **unused) {
    (void)unused;
    static data d;
    static list shared;
    fill(&d);
    d.options.sequences = SEQUENCES;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        rlt_supernet *net = make(seed), *before = make(seed);
        rlt_bc_result result;
        for (uint32_t i = 0; i < SEQUENCES; i++) {
            d.order[i] = i;
        }
        assert_int_equal(
            rlt_supernet_train(net, &d.options, &d.rows, d.order, 1, 1e-2F, &result, NULL), RLT_OK);
        assert_int_equal(*rlt_supernet_step(net), 1);
        shared.count = 0;
        rlt_supernet_tensors(net, add, &shared);
        bool wide = false, gru = false, lstm = false;
        static list old;
        old.count = 0;
        rlt_supernet_tensors(before, add, &old);
        for (int k = 0; k < shared.count; k++) {
            int64_t elements = 1;
            for (int i = 0; i < shared.all[k].rank; i++) {
                elements *= shared.all[k].shape[i];
            }
            bool changed =
                memcmp(shared.all[k].data, old.all[k].data, sizeof(float) * (size_t)elements) != 0;
            gru |= changed && strstr(shared.all[k].name, ".gru.") != NULL;
            lstm |= changed && strstr(shared.all[k].name, ".lstm.") != NULL;
            if (strcmp(shared.all[k].name, "super.layer.1.dense.weight") == 0) {
                assert_true(changed);
                for (int i = 0; i < 48; i++) {
                    wide |= i % 12 >= 4 && shared.all[k].data[i] != old.all[k].data[i];
                }
            }
            if (strcmp(shared.all[k].name, "super.policy_head.bias") == 0) {
                assert_true(changed);
            }
            if (strcmp(shared.all[k].name, "super.value_head.weight") == 0) {
                assert_false(changed);
            }
        }
        assert_false(gru && lstm);
        /* the narrow networks leave the wide ones' units alone */
        rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_SAMPLER, 0);
        int64_t drawn = rlt_rng_below(&rng, NETWORKS); /* units slowest, as in the JSON */
        assert_int_equal(wide, drawn / 6 == 1);
        assert_int_equal(gru, drawn % 3 == 1);
        assert_int_equal(lstm, drawn % 3 == 2);
        rlt_supernet_destroy(&net);
        rlt_supernet_destroy(&before);
    }
    rlt_device_close(&d.options.device);
}

static void test_all_learn(void **unused) {
    (void)unused;
    static data d;
    fill(&d);
    rlt_supernet *net = make(2);
    train(net, &d, 150, 1e-2F);
    for (int i = 0; i < NETWORKS; i++) {
        rlt_policy_spec spec = nth(i);
        rlt_bc *bc = NULL;
        rlt_bc_figures figures;
        float *params = rlt_alloc(sizeof(float) * rlt_policy_param_count(&spec));
        rlt_supernet_take(net, &spec, params);
        assert_int_equal(rlt_bc_create(&spec, &d.options, &bc, NULL), RLT_OK);
        assert_int_equal(rlt_bc_measure(bc, params, &d.rows, 0, SEQUENCES, &figures, NULL), RLT_OK);
        assert_true(figures.accuracy > 0.9);
        rlt_bc_destroy(&bc);
        rlt_free(params);
    }
    rlt_supernet_destroy(&net);
    rlt_device_close(&d.options.device);
}

static void test_refused(void **unused) {
    (void)unused;
    rlt_supernet *net = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_supernet_create(config_json, "[", cartpole(), 1, &net, &err), RLT_EPROTO);
    assert_int_equal(rlt_supernet_create(config_json, "{\"model[2]\":[[\"conv\",8,3]]}", cartpole(),
                                         1, &net, &err),
                     RLT_ECONFIG);
    assert_non_null(strstr(err.message, "conv needs an image"));
    assert_null(net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),        cmocka_unit_test(test_gates),
        cmocka_unit_test(test_one_minibatch), cmocka_unit_test(test_all_learn),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("supernet", tests, NULL, NULL);
}
