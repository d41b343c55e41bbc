/* The vector environment: episode ends, one-hot rows, independence of the partition, saved state.
 * The environments' own dynamics are tested in envs_test.c. */
#include "envs/envs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 150, SPLIT = 67, T = 1200, WIDTH = 1000 };
typedef struct trace {
    float observation[N * WIDTH], reward[N], final_observation[N * WIDTH], episode_return[N];
    uint8_t terminated[N], truncated[N];
    int32_t episode_length[N];
} trace;

static rlt_step_out out_at(trace *t, const rlt_env_def *def, int i) {
    size_t o = (size_t)i * (size_t)rlt_space_width(&def->observation_space);
    return (rlt_step_out){
        t->observation + o,       t->reward + i,         t->terminated + i,    t->truncated + i,
        t->final_observation + o, t->episode_return + i, t->episode_length + i};
}

/* action of environment i at step t: drawn by hash, the same however environments are split */
static void draw(const rlt_env_def *def, int t, int i, void *action) {
    uint32_t block[4];
    rlt_rng_block(5, RLT_STREAM_TEST, (uint32_t)i, (uint64_t)t, block);
    if (def->action_space.kind == RLT_SPACE_DISCRETE) {
        ((int32_t *)action)[i] = (int32_t)(block[0] % (uint32_t)def->action_space.size);
    } else {
        ((float *)action)[i] = (float)block[0] / 4294967296.0f * 4 - 2;
    }
}

static rlt_vec_env *make(const rlt_env_def *def, int count, uint32_t first) {
    rlt_vec_env *vec = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_vec_env_create(def, count, first, 3, &vec, &err), RLT_OK);
    return vec;
}

static void check_same(const trace *a, const trace *b, const rlt_env_def *def) {
    size_t row = sizeof(float) * N * (size_t)rlt_space_width(&def->observation_space);
    assert_memory_equal(a->observation, b->observation, row);
    assert_memory_equal(a->final_observation, b->final_observation, row);
    assert_memory_equal(a->reward, b->reward, sizeof(a->reward));
    assert_memory_equal(a->terminated, b->terminated, N);
    assert_memory_equal(a->truncated, b->truncated, N);
    assert_memory_equal(a->episode_return, b->episode_return, sizeof(a->episode_return));
    assert_memory_equal(a->episode_length, b->episode_length, sizeof(a->episode_length));
}

/* Saves `vec`, makes a fresh one of the given form and loads it there. */
static void move_to(rlt_vec_env **vec, const rlt_env_def *def, int count, uint32_t first,
                    rlt_env_form form) {
    size_t size = rlt_vec_env_state_size(*vec);
    unsigned char *bytes = rlt_alloc(size), *again = rlt_alloc(size);
    rlt_err err = {0};
    rlt_vec_env_save(*vec, bytes);
    rlt_vec_env_destroy(vec);
    *vec = make(def, count, first);
    assert_int_equal(rlt_vec_env_set_form(*vec, form, &err), RLT_OK);
    assert_int_equal(rlt_vec_env_load(*vec, bytes, size - 1, &err), RLT_ECORRUPT);
    assert_int_equal(rlt_vec_env_load(*vec, bytes, size, &err), RLT_OK);
    rlt_vec_env_save(*vec, again);
    assert_memory_equal(bytes, again, size);
    rlt_free(bytes);
    rlt_free(again);
}

/* The saved states of the parts, one after the other, are those of the whole, to the last bit. */
static void check_saved_same(const rlt_vec_env *all, const rlt_vec_env *low,
                             const rlt_vec_env *high) {
    size_t size = rlt_vec_env_state_size(all), part = rlt_vec_env_state_size(low);
    unsigned char *whole = rlt_alloc(size), *parts = rlt_alloc(size);
    rlt_vec_env_save(all, whole);
    rlt_vec_env_save(low, parts);
    rlt_vec_env_save(high, parts + part);
    assert_memory_equal(whole, parts, size);
    rlt_free(whole);
    rlt_free(parts);
}

/* All environments in one vector of the default form against two parts, one scalar, the other of
 * `form` and moved to the scalar form half way: the same rows at every step. */
static void check_partition(const rlt_env_def *def, rlt_env_form form, int steps) {
    static trace whole, parts;
    rlt_err err = {0};
    rlt_vec_env *all = make(def, N, 0), *low = make(def, SPLIT, 0),
                *high = make(def, N - SPLIT, SPLIT);
    if (rlt_vec_env_set_form(high, form, &err) != RLT_OK) {
        print_message("%s\n", err.message);
        goto done;
    }
    assert_int_equal(rlt_vec_env_set_form(low, RLT_ENV_FORM_SCALAR, &err), RLT_OK);
    memset(&whole, 0, sizeof(whole));
    memset(&parts, 0, sizeof(parts));
    rlt_step_out a = out_at(&whole, def, 0), b = out_at(&parts, def, 0),
                 c = out_at(&parts, def, SPLIT);
    rlt_vec_env_reset(all, a.observation);
    rlt_vec_env_reset(low, b.observation);
    rlt_vec_env_reset(high, c.observation);
    for (int t = 0; t < steps; t++) {
        int32_t action[N]; /* 4 bytes an action in either kind */
        for (int i = 0; i < N; i++) {
            draw(def, t, i, action);
        }
        if (t == steps / 2) {
            move_to(&high, def, N - SPLIT, SPLIT, RLT_ENV_FORM_SCALAR);
        } else if (t == steps * 3 / 4) {
            move_to(&high, def, N - SPLIT, SPLIT, form);
        }
        rlt_vec_env_step(all, action, &a);
        rlt_vec_env_step(low, action, &b);
        rlt_vec_env_step(high, action + SPLIT, &c);
        check_same(&whole, &parts, def);
    }
    check_saved_same(all, low, high);
done:
    rlt_vec_env_destroy(&all);
    rlt_vec_env_destroy(&low);
    rlt_vec_env_destroy(&high);
}

static void test_forms_partition_and_saved_state(void **unused) {
    (void)unused;
    for (size_t e = 0; rlt_envs[e] != NULL; e++) {
        const rlt_env_def *def = rlt_envs[e];
        if (def->step_many == NULL) {
            check_partition(def, RLT_ENV_FORM_SCALAR, 300);
            continue;
        }
        for (rlt_env_form form = RLT_ENV_FORM_PLAIN; form <= RLT_ENV_FORM_AVX512; form++) {
            check_partition(def, form, form == RLT_ENV_FORM_PLAIN ? T : 300);
        }
    }
}

/* A vector of any size gives what its environments give alone: the tails of blocks. */
static void test_sizes(void **unused) {
    (void)unused;
    static trace one, many;
    const rlt_env_def *def = rlt_envs[0];
    for (int count = 1; count <= 130; count += count < 20 ? 1 : 11) {
        rlt_vec_env *vec = make(def, count, 9), *last = make(def, 1, 9 + (uint32_t)count - 1);
        rlt_step_out a = out_at(&many, def, 0), b = out_at(&one, def, count - 1);
        memset(&one, 0x55, sizeof(one));
        memset(&many, 0x55, sizeof(many));
        rlt_vec_env_reset(vec, a.observation);
        rlt_vec_env_reset(last, b.observation);
        for (int t = 0; t < 60; t++) {
            int32_t action[N];
            for (int i = 0; i < N; i++) {
                draw(def, t, i, action);
            }
            rlt_vec_env_step(vec, action, &a);
            rlt_vec_env_step(last, action + count - 1, &b);
            assert_memory_equal(a.observation + 4 * (count - 1), b.observation, 16);
            assert_int_equal(many.terminated[count - 1], one.terminated[count - 1]);
            assert_int_equal(many.episode_length[count - 1], one.episode_length[count - 1]);
        }
        assert_int_equal(many.terminated[count], 0x55); /* nothing is written past the end */
        assert_int_equal(many.truncated[count], 0x55);
        assert_int_equal(many.observation[4 * count] == one.observation[4 * count], 1);
        rlt_vec_env_destroy(&vec);
        rlt_vec_env_destroy(&last);
    }
}

/* What get_state gives is what `step` continues from. */
static void test_get_state(void **unused) {
    (void)unused;
    static trace t;
    for (size_t e = 0; rlt_envs[e] != NULL; e++) {
        const rlt_env_def *def = rlt_envs[e];
        rlt_vec_env *vec = make(def, N, 0);
        rlt_step_out out = out_at(&t, def, 0);
        int32_t action[N];
        static double state[256], have[256];
        static float observation[WIDTH];
        float reward = 0;
        rlt_rng rng = rlt_rng_make(3, RLT_STREAM_ENV, 77);
        assert_true(def->state_size <= sizeof(state));
        rlt_vec_env_reset(vec, out.observation);
        def->reset(def->context, state, &rng, observation);
        for (int step = 0; step < 5; step++) {
            for (int i = 0; i < N; i++) {
                draw(def, step, i, action);
            }
            rlt_vec_env_get_state(vec, 77, have);
            assert_memory_equal(have, state, def->state_size);
            rlt_vec_env_step(vec, action, &out);
            if (def->step(def->context, state, &rng, action + 77, observation, &reward)) {
                def->reset(def->context, state, &rng, observation);
            }
        }
        rlt_vec_env_destroy(&vec);
    }
}

static const rlt_env_def *find(const char *name) {
    const rlt_env_def *def = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_env_find(rlt_envs, name, &def, &err), RLT_OK);
    return def;
}

/* Pendulum never terminates: it is truncated at 200, and its final observation is kept apart. */
static void test_truncation(void **unused) {
    (void)unused;
    static trace t;
    const rlt_env_def *def = find("Pendulum-v1");
    rlt_vec_env *vec = make(def, N, 0);
    rlt_step_out out = out_at(&t, def, 0);
    rlt_vec_env_reset(vec, out.observation);
    double sum = 0;
    float action[N] = {0};
    uint64_t allocations = rlt_alloc_count();
    for (int step = 1; step <= 200; step++) {
        rlt_vec_env_step(vec, action, &out);
        sum += (double)t.reward[2];
        assert_int_equal(t.terminated[2], 0);
        assert_int_equal(t.truncated[2], step == 200);
    }
    assert_int_equal(rlt_alloc_count(), allocations);
    assert_int_equal(t.episode_length[2], 200);
    assert_true(fabs((double)t.episode_return[2] - sum) < 1e-2);
    assert_true(memcmp(t.observation, t.final_observation, sizeof(float) * 3) != 0);
    assert_true(fabsf(t.observation[2]) <= 1.0f); /* a reset draws theta_dot from [-1, 1) */
    rlt_vec_env_destroy(&vec);
}

/* Pushing always right, CartPole falls: terminated, not truncated, outside its bounds. */
static void test_termination(void **unused) {
    (void)unused;
    static trace t;
    const rlt_env_def *def = find("CartPole-v1");
    rlt_vec_env *vec = make(def, N, 0);
    rlt_step_out out = out_at(&t, def, 0);
    rlt_vec_env_reset(vec, out.observation);
    int32_t action[N];
    for (int i = 0; i < N; i++) {
        action[i] = 1;
    }
    int step = 0;
    uint64_t allocations = rlt_alloc_count();
    do {
        rlt_vec_env_step(vec, action, &out);
        step++;
    } while (!t.terminated[0] && step < 100);
    assert_int_equal(rlt_alloc_count(), allocations);
    assert_true(step >= 7 && step <= 12);
    assert_int_equal(t.truncated[0], 0);
    assert_int_equal(t.episode_length[0], step);
    assert_true(t.episode_return[0] == (float)step);
    assert_true(fabsf(t.final_observation[2]) > 0.2094f);
    assert_true(fabsf(t.observation[2]) <= 0.05f);
    rlt_vec_env_destroy(&vec);
}

/* A made-up space of two components, to see where the ones go; a faulty index leaves zeroes. */
static void toy_reset(void *context, void *state, rlt_rng *rng, float *observation) {
    (void)state;
    (void)rng;
    observation[0] = 2.0f;
    observation[1] = *(float *)context;
}

static bool toy_step(void *context, void *state, rlt_rng *rng, const void *action,
                     float *observation, float *reward) {
    (void)action;
    toy_reset(context, state, rng, observation);
    observation[0] = 0.0f;
    *reward = 1.0f;
    return false;
}

static rlt_status toy_status(void *context, rlt_err *err) {
    return *(float *)context < 0 ? rlt_fail(err, RLT_EINVAL, "index %g", (double)*(float *)context)
                                 : RLT_OK;
}

static const int toy_counts[2] = {3, 2};
static rlt_env_def toy_def(float *context) {
    return (rlt_env_def){
        .api_version = RLT_ENV_API_VERSION,
        .name = "Toy-v0",
        .help = "",
        .observation_space = {RLT_SPACE_MULTI_DISCRETE, 2, NULL, NULL, toy_counts},
        .action_space = {RLT_SPACE_DISCRETE, 1, NULL, NULL, NULL},
        .max_episode_steps = 0,
        .reward_threshold = NAN,
        .state_size = 0,
        .context = context,
        .reset = toy_reset,
        .step = toy_step,
        .status = toy_status,
    };
}

static void test_one_hot(void **unused) {
    (void)unused;
    static trace t;
    float context = 1.0f;
    rlt_env_def def = toy_def(&context);
    assert_int_equal(rlt_space_width(&def.observation_space), 5);
    rlt_vec_env *vec = make(&def, N, 0);
    rlt_step_out out = out_at(&t, &def, 0);
    int32_t action[N] = {0};
    memset(&t, 0x7f, sizeof(t));
    rlt_vec_env_reset(vec, out.observation);
    const float first[5] = {0, 0, 1, 0, 1}, second[5] = {1, 0, 0, 0, 1}, faulty[5] = {1};
    assert_memory_equal(t.observation + 5 * (N - 1), first, sizeof(first));
    rlt_vec_env_step(vec, action, &out);
    assert_memory_equal(t.observation + 5 * (N - 1), second, sizeof(second));
    const float wrong[4] = {2.0f, -1.0f, NAN, 1e30f};
    for (size_t i = 0; i < RLT_COUNT(wrong); i++) {
        context = wrong[i];
        rlt_vec_env_step(vec, action, &out);
        assert_memory_equal(t.observation + 5 * (N - 1), faulty, sizeof(faulty));
    }
    rlt_vec_env_destroy(&vec);
}

static void test_no_limit(void **unused) {
    (void)unused;
    static trace t;
    float context = 0.0f;
    rlt_env_def def = toy_def(&context);
    rlt_vec_env *vec = make(&def, N, 0);
    rlt_step_out out = out_at(&t, &def, 0);
    int32_t action[N] = {0};
    rlt_vec_env_reset(vec, out.observation);
    for (int step = 0; step < 5000; step++) {
        rlt_vec_env_step(vec, action, &out);
        assert_false(t.truncated[0] || t.terminated[0]);
    }
    rlt_vec_env_destroy(&vec);
}

static void test_status(void **unused) {
    (void)unused;
    float context = 0.0f;
    rlt_err err = {0};
    rlt_env_def def = toy_def(&context);
    rlt_vec_env *vec = make(&def, N, 0), *pole = make(rlt_envs[0], 1, 0);
    assert_int_equal(rlt_vec_env_status(vec, &err), RLT_OK);
    assert_int_equal(rlt_vec_env_status(pole, &err), RLT_OK);
    context = -3.0f;
    assert_int_equal(rlt_vec_env_status(vec, &err), RLT_EINVAL);
    assert_string_equal(err.message, "index -3");
    rlt_vec_env_destroy(&vec);
    rlt_vec_env_destroy(&pole);
}

static void test_bad_input(void **unused) {
    (void)unused;
    const rlt_env_def *def = NULL;
    rlt_vec_env *vec = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_env_find(rlt_envs, "CartPole-v2", &def, &err), RLT_ENOTFOUND);
    assert_non_null(strstr(err.message, "did you mean 'CartPole-v1'?"));
    assert_int_equal(rlt_vec_env_create(rlt_envs[0], 0, 0, 1, &vec, &err), RLT_EINVAL);
    assert_null(vec);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_partition_and_saved_state),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_get_state),
        cmocka_unit_test(test_one_hot),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_termination),
        cmocka_unit_test(test_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
