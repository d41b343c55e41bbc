/* nn: weights put into a policy of another shape: every element against what its index says, and
 * that a policy that only grew computes what the smaller one did. */
#include "nn/inherit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct policy {
    rlt_policy_spec spec;
    rlt_policy_tensor tensors[RLT_POLICY_TENSORS_MAX];
    int count;
    float *params, *before; /* before: as they were drawn */
} policy;

static policy *make(rlt_policy_spec spec, uint64_t seed) {
    policy *p = rlt_alloc(sizeof(*p));
    rlt_err err = {0};
    if (rlt_policy_check(&spec, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    size_t count = rlt_policy_param_count(&spec);
    p->spec = spec;
    p->count = rlt_policy_tensors(&spec, p->tensors);
    p->params = rlt_alloc(sizeof(float) * count);
    p->before = rlt_alloc(sizeof(float) * count);
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_TEST, 0);
    for (size_t i = 0; i < count; i++) {
        p->params[i] = p->before[i] = rlt_rng_uniform(&rng, -1, 1);
    }
    return p;
}

static void drop(policy *p) {
    rlt_free(p->params);
    rlt_free(p->before);
    rlt_free(p);
}

static bool look_up(void *user, const char *name, rlt_policy_source *source) {
    const policy *p = user;
    for (int i = 0; i < p->count; i++) {
        const rlt_policy_tensor *t = &p->tensors[i];
        if (strcmp(t->name, name) == 0) {
            *source = (rlt_policy_source){.rank = t->rank, .data = p->params + t->offset};
            memcpy(source->shape, t->shape, sizeof source->shape);
            return true;
        }
    }
    return false;
}

static const rlt_policy_tensor *tensor_of(const policy *p, const char *name) {
    for (int i = 0; i < p->count; i++) {
        if (strcmp(p->tensors[i].name, name) == 0) {
            return &p->tensors[i];
        }
    }
    return NULL;
}

/* A weight [in][groups][out] of the child against the parent's, by the header's words. */
static void check_matrix(const policy *child, const char *name, const policy *parent,
                         const char *its_name, int groups) {
    const rlt_policy_tensor *to = tensor_of(child, name), *from = tensor_of(parent, its_name);
    assert_non_null(to);
    int last = to->rank - 1;
    int64_t in = last == 0 ? 1 : to->shape[0], out = to->shape[last] / groups;
    int64_t in_from = last == 0 ? 1 : from->shape[0], out_from = from->shape[last] / groups;
    for (int64_t i = 0; i < in; i++) {
        for (int g = 0; g < groups; g++) {
            for (int64_t o = 0; o < out; o++) {
                size_t at = to->offset + (size_t)((i * groups + g) * out + o);
                float expected = child->before[at];
                if (o < out_from) {
                    expected =
                        i < in_from
                            ? parent
                                  ->params[from->offset + (size_t)((i * groups + g) * out_from + o)]
                            : 0;
                }
                assert_true(child->params[at] == expected);
            }
        }
    }
}

static rlt_policy_spec mlp(int a, int b) {
    rlt_policy_spec spec = {.obs_dim = 4,
                            .discrete = true,
                            .action_dim = 2,
                            .act = RLT_ACT_TANH,
                            .hidden = {a, b},
                            .hidden_count = b > 0 ? 2 : 1};
    return spec;
}

static void test_mlp(void **unused) {
    (void)unused;
    static const int sizes[][4] = {{8, 16, 8, 16}, {8, 16, 24, 5}, {16, 8, 8, 16}};
    static const char *const parts[] = {"weight", "bias"};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        policy *parent = make(mlp(sizes[i][0], sizes[i][1]), 1);
        policy *child = make(mlp(sizes[i][2], sizes[i][3]), 2);
        size_t copied = rlt_policy_inherit(&child->spec, look_up, parent, child->params);
        for (int layer = 0; layer < 3; layer++) {
            for (int part = 0; part < 2; part++) {
                char name[40];
                snprintf(name, sizeof name, "%s.%d.%s", i == 0 ? "actor" : "critic", layer,
                         parts[part]);
                check_matrix(child, name, parent, name, 1);
            }
        }
        size_t all = rlt_policy_param_count(&child->spec);
        assert_true(i == 0 ? copied == all : copied > 0 && copied < all);
        drop(parent);
        drop(child);
    }
}

/* The head stays the head where the number of hidden layers changes. */
static void test_depth(void **unused) {
    (void)unused;
    policy *one = make(mlp(8, 0), 1), *two = make(mlp(8, 6), 2);
    rlt_policy_inherit(&two->spec, look_up, one, two->params);
    check_matrix(two, "actor.0.weight", one, "actor.0.weight", 1);
    check_matrix(two, "actor.2.weight", one, "actor.1.weight", 1);
    const rlt_policy_tensor *between = tensor_of(two, "actor.1.weight");
    assert_memory_equal(two->params + between->offset, two->before + between->offset,
                        sizeof(float) * 48);
    memcpy(two->params, two->before, sizeof(float) * rlt_policy_param_count(&two->spec));
    rlt_policy_inherit(&one->spec, look_up, two, one->params);
    check_matrix(one, "critic.0.weight", two, "critic.0.weight", 1);
    check_matrix(one, "critic.1.weight", two, "critic.2.weight", 1);
    drop(one);
    drop(two);
}

static rlt_policy_spec layered(rlt_layer_kind kind, int units, int dense) {
    rlt_policy_spec spec = {.obs_dim = 4, .action_dim = 3, .layer_count = 2};
    spec.layers[0] = (rlt_layer){.kind = RLT_LAYER_DENSE, .act = RLT_ACT_RELU, .units = dense};
    spec.layers[1] = (rlt_layer){.kind = kind, .act = RLT_ACT_NONE, .units = units};
    return spec;
}

static void check_memory(rlt_layer_kind kind, int units, int dense) {
    policy *parent = make(layered(kind, 5, 6), 3), *child = make(layered(kind, units, dense), 4);
    const char *cell = rlt_layer_name(kind);
    int gates = kind == RLT_LAYER_LSTM ? 4 : 3;
    rlt_policy_inherit(&child->spec, look_up, parent, child->params);
    static const char *const parts[] = {"input_weight", "hidden_weight", "bias", "input_bias",
                                        "hidden_bias"};
    int checked = 0;
    for (size_t i = 0; i < RLT_COUNT(parts); i++) {
        char name[56];
        snprintf(name, sizeof name, "layer.2.%s.%s", cell, parts[i]);
        if (tensor_of(child, name) != NULL) {
            check_matrix(child, name, parent, name, gates);
            checked++;
        }
    }
    assert_int_equal(checked, kind == RLT_LAYER_LSTM ? 3 : 4);
    check_matrix(child, "layer.1.dense.weight", parent, "layer.1.dense.weight", 1);
    check_matrix(child, "policy_head.weight", parent, "policy_head.weight", 1);
    check_matrix(child, "value_head.bias", parent, "value_head.bias", 1);
    check_matrix(child, "log_std", parent, "log_std", 1);
    drop(parent);
    drop(child);
}

static void test_gates(void **unused) {
    (void)unused;
    check_memory(RLT_LAYER_LSTM, 9, 6);
    check_memory(RLT_LAYER_LSTM, 3, 10);
    check_memory(RLT_LAYER_GRU, 9, 10);
    check_memory(RLT_LAYER_GRU, 2, 3);
}

/* Another kind of layer at the same place has nothing to give; a skipped one keeps the places. */
static void test_kinds(void **unused) {
    (void)unused;
    policy *parent = make(layered(RLT_LAYER_LSTM, 5, 6), 3);
    policy *child = make(layered(RLT_LAYER_GRU, 5, 6), 4);
    rlt_policy_inherit(&child->spec, look_up, parent, child->params);
    const rlt_policy_tensor *cell = tensor_of(child, "layer.2.gru.input_weight");
    assert_memory_equal(child->params + cell->offset, child->before + cell->offset,
                        sizeof(float) * 6 * 15);
    check_matrix(child, "policy_head.weight", parent, "policy_head.weight", 1);
    drop(child);

    rlt_policy_spec shorter = layered(RLT_LAYER_LSTM, 5, 6);
    shorter.layers[0] = (rlt_layer){.kind = RLT_LAYER_SKIP, .act = RLT_ACT_NONE};
    child = make(shorter, 5);
    rlt_policy_inherit(&child->spec, look_up, parent, child->params);
    check_matrix(child, "layer.2.lstm.hidden_weight", parent, "layer.2.lstm.hidden_weight", 4);
    assert_null(tensor_of(child, "layer.1.dense.weight"));
    drop(child);
    drop(parent);
}

/* Outputs for random observations over two steps of memory. */
static void outputs(const policy *p, float *head, float *value) {
    enum { ROWS = 5 };
    float obs[ROWS * 4], state[ROWS * 64] = {0};
    rlt_rng rng = rlt_rng_make(9, RLT_STREAM_TEST, 1);
    for (int i = 0; i < ROWS * 4; i++) {
        obs[i] = rlt_rng_uniform(&rng, -1, 1);
    }
    rlt_policy_workspace *ws = rlt_policy_workspace_create(&p->spec);
    for (int step = 0; step < 2; step++) {
        rlt_policy_step(ws, p->params, obs, ROWS, NULL, state, head, value);
    }
    rlt_policy_workspace_destroy(&ws);
}

static void check_grown(rlt_policy_spec small, rlt_policy_spec large) {
    policy *parent = make(small, 7), *child = make(large, 8);
    float head[2][15], value[2][5];
    rlt_policy_inherit(&child->spec, look_up, parent, child->params);
    outputs(parent, head[0], value[0]);
    outputs(child, head[1], value[1]);
    for (int i = 0; i < 5 * small.action_dim; i++) {
        assert_true(fabsf(head[0][i] - head[1][i]) < 1e-5F);
    }
    for (int i = 0; i < 5; i++) {
        assert_true(fabsf(value[0][i] - value[1][i]) < 1e-5F);
    }
    drop(parent);
    drop(child);
}

static void test_growing_keeps_the_function(void **unused) {
    (void)unused;
    check_grown(mlp(8, 8), mlp(8, 8));
    check_grown(mlp(8, 8), mlp(16, 8));
    check_grown(mlp(8, 5), mlp(13, 32));
    check_grown(layered(RLT_LAYER_DENSE, 6, 6), layered(RLT_LAYER_DENSE, 9, 7));
    check_grown(layered(RLT_LAYER_LSTM, 5, 6), layered(RLT_LAYER_LSTM, 8, 9));
    check_grown(layered(RLT_LAYER_GRU, 5, 6), layered(RLT_LAYER_GRU, 7, 6));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mlp),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_gates),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_growing_keeps_the_function),
    };
    return cmocka_run_group_tests_name("nn_inherit", tests, NULL, NULL);
}
