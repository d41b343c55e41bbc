/* Environments against Gymnasium's recorded steps; the vector environment's episode ends, its
 * independence of the partition, its saved state. */
#include "envs/envs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct golden_record {
    double state[4], action;
    float observation[6], reward, terminated;
} golden_record;

/* distance in units of the last place; 0 for equal, also for -0 and +0 */
static int64_t ulps(float a, float b) {
    int32_t x, y;
    memcpy(&x, &a, 4);
    memcpy(&y, &b, 4);
    int64_t p = x < 0 ? (int64_t)INT32_MIN - x : x, q = y < 0 ? (int64_t)INT32_MIN - y : y;
    return llabs(p - q);
}

static void set_state(const rlt_env_def *def, const double values[4], void *state) {
    if (strcmp(def->name, "MountainCarContinuous-v0") == 0) {
        float narrow[2] = {(float)values[0], (float)values[1]};
        memcpy(state, narrow, sizeof(narrow));
        return;
    }
    assert_true(def->state_size <= 4 * sizeof(double));
    memcpy(state, values, def->state_size);
}

static void check_record(const rlt_env_def *def, const golden_record *record) {
    double state[4];
    float observation[6], reward, box = (float)record->action;
    int32_t discrete = (int32_t)record->action;
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    set_state(def, record->state, state);
    bool is_discrete = def->action_space.kind == RLT_SPACE_DISCRETE;
    bool terminated =
        def->step(def->context, state, &rng, is_discrete ? (void *)&discrete : (void *)&box,
                  observation, &reward);
    for (int i = 0; i < def->observation_space.size; i++) {
        assert_true(ulps(observation[i], record->observation[i]) <= 1);
    }
    assert_true(ulps(reward, record->reward) <= 1);
    assert_int_equal(terminated, record->terminated != 0);
}

static void test_golden(void **unused) {
    (void)unused;
    for (size_t e = 0; rlt_envs[e] != NULL; e++) {
        char path[256];
        golden_record record;
        int count = 0, ends = 0;
        snprintf(path, sizeof(path), "tests/golden/env_%s.bin", rlt_envs[e]->name);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        while (fread(&record, sizeof(record), 1, file) == 1) {
            check_record(rlt_envs[e], &record);
            count++;
            ends += record.terminated != 0;
        }
        fclose(file);
        assert_int_equal(count, 2000);
        assert_true(ends > 0 || strcmp(rlt_envs[e]->name, "Pendulum-v1") == 0);
    }
}

enum { N = 8, T = 1200, WIDTH = 6 };
typedef struct trace {
    float observation[N * WIDTH], reward[N], final_observation[N * WIDTH], episode_return[N];
    uint8_t terminated[N], truncated[N];
    int32_t episode_length[N];
} trace;

static rlt_step_out out_at(trace *t, const rlt_env_def *def, int i) {
    size_t o = (size_t)i * (size_t)def->observation_space.size;
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

static void test_partition_and_saved_state(void **unused) {
    (void)unused;
    static trace whole, parts;
    for (size_t e = 0; rlt_envs[e] != NULL; e++) {
        const rlt_env_def *def = rlt_envs[e];
        rlt_vec_env *all = make(def, N, 0), *low = make(def, 3, 0), *high = make(def, N - 3, 3);
        memset(&whole, 0, sizeof(whole));
        memset(&parts, 0, sizeof(parts));
        rlt_step_out a = out_at(&whole, def, 0), b = out_at(&parts, def, 0),
                     c = out_at(&parts, def, 3);
        rlt_vec_env_reset(all, a.observation);
        rlt_vec_env_reset(low, b.observation);
        rlt_vec_env_reset(high, c.observation);
        for (int t = 0; t < T; t++) {
            int32_t action[N]; /* 4 bytes an action in either kind */
            for (int i = 0; i < N; i++) {
                draw(def, t, i, action);
            }
            if (t == T / 2) { /* go on in a fresh object from the saved bytes */
                size_t size = rlt_vec_env_state_size(high);
                void *bytes = rlt_alloc(size);
                rlt_err err = {0};
                rlt_vec_env_save(high, bytes);
                rlt_vec_env_destroy(&high);
                high = make(def, N - 3, 3);
                assert_int_equal(rlt_vec_env_load(high, bytes, size - 1, &err), RLT_ECORRUPT);
                assert_int_equal(rlt_vec_env_load(high, bytes, size, &err), RLT_OK);
                rlt_free(bytes);
            }
            rlt_vec_env_step(all, action, &a);
            rlt_vec_env_step(low, action, &b);
            rlt_vec_env_step(high, action + 3, &c);
            assert_memory_equal(&whole, &parts, sizeof(whole));
        }
        rlt_vec_env_destroy(&all);
        rlt_vec_env_destroy(&low);
        rlt_vec_env_destroy(&high);
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
    int32_t action[N] = {1, 1, 1, 1, 1, 1, 1, 1};
    int step = 0;
    do {
        rlt_vec_env_step(vec, action, &out);
        step++;
    } while (!t.terminated[0] && step < 100);
    assert_true(step >= 7 && step <= 12);
    assert_int_equal(t.truncated[0], 0);
    assert_int_equal(t.episode_length[0], step);
    assert_true(t.episode_return[0] == (float)step);
    assert_true(fabsf(t.final_observation[2]) > 0.2094f);
    assert_true(fabsf(t.observation[2]) <= 0.05f);
    rlt_vec_env_destroy(&vec);
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
        cmocka_unit_test(test_golden),     cmocka_unit_test(test_partition_and_saved_state),
        cmocka_unit_test(test_truncation), cmocka_unit_test(test_termination),
        cmocka_unit_test(test_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
