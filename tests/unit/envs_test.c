/* The built-in environments against what Gymnasium's did (scripts/gen_golden_env.py): spaces and
 * limits, recorded steps of classic control, transition tables, hands of Blackjack. */
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

static const rlt_env_def *find(const char *name) {
    const rlt_env_def *def = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_env_find(rlt_envs, name, &def, &err), RLT_OK);
    return def;
}

static FILE *golden_file(const char *name, const char *suffix) {
    char path[256];
    snprintf(path, sizeof(path), "tests/golden/env_%s%s", name, suffix);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    return file;
}

static void test_steps(void **unused) {
    (void)unused;
    static const char *const names[] = {"CartPole-v1", "Acrobot-v1", "MountainCar-v0",
                                        "MountainCarContinuous-v0", "Pendulum-v1"};
    for (size_t e = 0; e < RLT_COUNT(names); e++) {
        golden_record record;
        int count = 0, ends = 0;
        FILE *file = golden_file(names[e], ".bin");
        while (fread(&record, sizeof(record), 1, file) == 1) {
            check_record(find(names[e]), &record);
            count++;
            ends += record.terminated != 0;
        }
        fclose(file);
        assert_int_equal(count, 2000);
        assert_true(ends > 0 || strcmp(names[e], "Pendulum-v1") == 0);
    }
}

/* StatelessCartPole is CartPole with two columns of four, in every form. */
static void test_stateless_cartpole(void **unused) {
    (void)unused;
    enum { N = 70 };
    const rlt_env_form forms[] = {RLT_ENV_FORM_SCALAR, RLT_ENV_FORM_PLAIN, RLT_ENV_FORM_AVX2,
                                  RLT_ENV_FORM_AVX512};
    for (size_t f = 0; f < RLT_COUNT(forms); f++) {
        rlt_vec_env *full = NULL, *part = NULL;
        rlt_err err = {0};
        float all[N * 4], some[N * 2], last[N * 4], reward[N], returns[N];
        uint8_t terminated[2][N], truncated[N];
        int32_t length[N], action[N];
        assert_int_equal(rlt_vec_env_create(find("CartPole-v1"), N, 0, 5, &full, &err), RLT_OK);
        assert_int_equal(rlt_vec_env_create(find("StatelessCartPole-v0"), N, 0, 5, &part, &err),
                         RLT_OK);
        bool here = rlt_vec_env_set_form(part, forms[f], &err) == RLT_OK;
        rlt_rng rng = rlt_rng_make(6, RLT_STREAM_TEST, 0);
        rlt_vec_env_reset(full, all);
        rlt_vec_env_reset(part, some);
        for (int step = 0; step < 200 && here; step++) {
            for (int i = 0; i < N; i++) {
                assert_true(some[2 * i] == all[4 * i] && some[2 * i + 1] == all[4 * i + 2]);
                action[i] = (int32_t)rlt_rng_below(&rng, 2);
            }
            rlt_step_out out = {all, reward, terminated[0], truncated, last, returns, length};
            rlt_vec_env_step(full, action, &out);
            out.observation = some;
            out.terminated = terminated[1];
            rlt_vec_env_step(part, action, &out);
            assert_memory_equal(terminated[0], terminated[1], N);
        }
        rlt_vec_env_destroy(&full);
        rlt_vec_env_destroy(&part);
    }
}

static void check_space(FILE *file, const rlt_space *space) {
    char kind = 0;
    int size = 0;
    assert_int_equal(fscanf(file, " %c %d", &kind, &size), 2);
    assert_int_equal(kind, "DBM"[space->kind]);
    assert_int_equal(size, space->size);
    for (int i = 0; kind == 'B' && i < 2 * size; i++) {
        double bound = 0;
        assert_int_equal(fscanf(file, "%lf", &bound), 1);
        float have = i < size ? space->low[i] : space->high[i - size];
        assert_true(have == (float)bound);
    }
    for (int i = 0; kind == 'M' && i < size; i++) {
        int count = 0;
        assert_int_equal(fscanf(file, "%d", &count), 1);
        assert_int_equal(count, space->counts[i]);
    }
}

static void test_specs(void **unused) {
    (void)unused;
    FILE *file = golden_file("specs", ".txt");
    char name[64];
    int count = 0;
    while (fscanf(file, "%63s", name) == 1) {
        const rlt_env_def *def = find(name);
        int limit = -1;
        double threshold = 0;
        check_space(file, &def->observation_space);
        check_space(file, &def->action_space);
        assert_int_equal(fscanf(file, "%d %lf", &limit, &threshold), 2);
        assert_int_equal(limit, def->max_episode_steps);
        assert_true(isnan(threshold) ? isnan(def->reward_threshold)
                                     : def->reward_threshold == (float)threshold);
        count++;
    }
    fclose(file);
    assert_int_equal(count, 11); /* all that are registered but Taxi-v3, which is Taxi-v4 */
    assert_int_equal(find("Taxi-v3")->max_episode_steps, 200);
}

typedef struct table_row {
    int16_t state, action, next, terminated;
    float chance, reward;
} table_row;

enum { STATES = 500, ROWS_MAX = 4096, DRAWS = 2000 };

/* Draws many steps (or resets) of one state and action; compares each outcome's frequency with
 * its probability, to 5 standard deviations. `rows` are the outcomes, all there are. */
static void check_outcomes(const rlt_env_def *def, const table_row *rows, int count, rlt_rng *rng) {
    int seen[STATES] = {0}, draws = count == 1 ? 4 : count < 10 ? DRAWS : 100 * count;
    for (int d = 0; d < draws; d++) {
        int32_t state = rows->state, action = rows->action;
        float observation = -1, reward = 0;
        bool terminated = false;
        if (action < 0) {
            def->reset(def->context, &state, rng, &observation);
        } else {
            terminated = def->step(def->context, &state, rng, &action, &observation, &reward);
        }
        int i = 0;
        while (i < count && (rows[i].next != state || rows[i].reward != reward ||
                             rows[i].terminated != terminated)) {
            i++;
        }
        assert_true(i < count);
        assert_true(observation == (float)state);
        seen[i]++;
    }
    for (int i = 0; i < count; i++) {
        double p = (double)rows[i].chance, deviation = sqrt(p * (1 - p) * draws);
        assert_true(fabs(seen[i] - p * draws) <= 5 * deviation + 1e-3 * draws);
    }
}

static void check_table(const char *name, const rlt_env_def *def) {
    static table_row rows[ROWS_MAX];
    FILE *file = golden_file(name, ".table");
    int count = (int)fread(rows, sizeof(rows[0]), ROWS_MAX, file), groups = 0;
    fclose(file);
    rlt_rng rng = rlt_rng_make(11, RLT_STREAM_TEST, 0);
    for (int at = 0, end; at < count; at = end) {
        end = at + 1;
        while (end < count && rows[end].state == rows[at].state &&
               rows[end].action == rows[at].action) {
            end++;
        }
        check_outcomes(def, rows + at, end - at, &rng);
        groups++;
    }
    assert_int_equal(groups, def->observation_space.size * def->action_space.size + 1);
}

static void test_tables(void **unused) {
    (void)unused;
    static const char *const names[] = {"FrozenLake-v1", "FrozenLake8x8-v1", "Taxi-v4",
                                        "CliffWalking-v1", "CliffWalkingSlippery-v1"};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        check_table(names[i], find(names[i]));
    }
    check_table("Taxi-v4", find("Taxi-v3"));
}

typedef struct hand_row {
    int32_t hand;
    int16_t action, sum, dealer, ace, terminated, padding;
    float reward;
} hand_row;

static void test_blackjack(void **unused) {
    (void)unused;
    const rlt_env_def *def = find("Blackjack-v1");
    FILE *file = golden_file("Blackjack-v1", ".bin");
    int64_t state[8]; /* aligned room */
    assert_true(def->state_size <= sizeof(state));
    rlt_rng rng = {0};
    hand_row row;
    int hands = 0, wins = 0;
    while (fread(&row, sizeof(row), 1, file) == 1) {
        float observation[3], reward = 0;
        int32_t action = row.action;
        bool terminated = false;
        if (action < 0) {
            rng = rlt_rng_make(7, RLT_STREAM_TEST, (uint32_t)row.hand);
            def->reset(NULL, state, &rng, observation);
            hands++;
        } else {
            terminated = def->step(NULL, state, &rng, &action, observation, &reward);
        }
        assert_true(observation[0] == row.sum && observation[1] == row.dealer &&
                    observation[2] == row.ace);
        assert_true(reward == row.reward && terminated == row.terminated);
        wins += reward > 0;
    }
    fclose(file);
    assert_int_equal(hands, 2500);
    assert_true(wins > 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_specs),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_stateless_cartpole),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_blackjack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
