/* Behaviour cloning through the real binary: an expert is trained, then cloned from five seeds to
 * the task's threshold; from a file too; a driver killed again and again changes nothing; what is
 * wrong with expert or dataset is said before anything starts. */
#include "checkpoint/checkpoint.h"
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>

enum { DEADLINE_S = 60 };

static const char expert_script[] =
    "return { name = 'expert', env = 'CartPole-v1', device = 'cpu', envs_per_worker = 32,\n"
    "  threads = 1, ppo = { lr = 1e-3, horizon = 32, minibatch = 256, epochs = 10,\n"
    "  lambda = 0.9, gamma = 0.98 }, stop = { steps = 100000 }, eval = { episodes = 20 } }\n";
/* The table bc, model and what else comes to it. */
static const char clone_script[] =
    "return { name = 'clone', env = 'CartPole-v1', algo = 'bc', device = 'cpu', threads = 1,\n"
    "  bc = { %s }, model = %s, stop = { steps = %d }, eval = { episodes = 20 },\n"
    "  checkpoint = { every = 8192 }%s }\n";
static const char mlp[] = "{ hidden = { 64, 64 } }";

static void write_clone(run_place *place, const char *bc, const char *model, int steps,
                        const char *more) {
    char text[sizeof clone_script + 1024];
    snprintf(text, sizeof text, clone_script, bc, model, steps, more);
    run_write_script(place, text);
}

/* One expert for all tests. */
static run_place teacher;
static char expert[256]; /* "expert = 'FILE.db:1', episodes = 8" */

static int train_expert(void **state) {
    (void)state;
    run_open(&teacher);
    run_write_script(&teacher, expert_script);
    run_expect_code(&teacher, run_command(&teacher, "run", teacher.script, "--quiet"), 0);
    snprintf(expert, sizeof expert, "expert = '%s:1', episodes = 10", teacher.db);
    return 0;
}

static int drop_expert(void **state) {
    (void)state;
    run_close(&teacher);
    return 0;
}

static void five_seeds_reach_the_threshold(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_clone(&place, expert, mlp, RUN_SLOW ? 8192 : 400000, "");
    for (int seed = 1; seed <= 5; seed++) {
        char set[32], sql[160];
        snprintf(set, sizeof set, "seed=%d", seed);
        run_expect_code(&place, run_command(&place, "run", place.script, "--quiet", "--set", set),
                        0);
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM trials WHERE experiment = %d AND state = 'completed' AND "
                 "value >= %d",
                 seed, RUN_SLOW ? 0 : 475);
        assert_int_equal(run_sql_int(&place, sql), 1);
    }
    const char *const names[] = {"valid_loss", "valid_accuracy", "policy_loss", "eval_return"};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        char sql[160];
        snprintf(sql, sizeof sql,
                 "SELECT count(DISTINCT trial) FROM metrics m JOIN metric_names n ON n.id = m.name "
                 "WHERE n.name = '%s'",
                 names[i]);
        assert_int_equal(run_sql_int(&place, sql), 5);
    }
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM metric_names WHERE name IN "
                                         "('mean_return', 'approx_kl', 'episodes', 'staleness')"),
                     0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    run_close(&place);
}

static void check_killed(const char *model) {
    run_place place;
    run_open(&place);
    write_clone(&place, expert, model, 1000000, "");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    char *expected = run_results(&place);
    run_close(&place);

    run_open(&place);
    write_clone(&place, expert, model, 1000000, "");
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    for (int kills = 1; kills <= 3; kills++) {
        run_await_sql(&place, "SELECT coalesce(max(step), 0) FROM checkpoints", 100000 * kills,
                      DEADLINE_S);
        kill(driver, SIGKILL);
        run_wait(&place, driver, DEADLINE_S);
        driver = run_start(&place, "resume", "1", "--quiet");
    }
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    char *results = run_results(&place);
    run_assert_same(expected, results);
    free(expected);
    free(results);
    run_close(&place);
}

static void killed_clones_end_as_others_do(void **state) {
    (void)state;
    check_killed("{ hidden = { 64, 64 } }");
    check_killed("{ { 'dense', 16 }, { 'gru', 16 } }");
}

/* ---- datasets in files ---- */

enum { ROWS = 400 };

/* The pole leans to the right: go right. `broken`: an action that CartPole does not have. */
static void write_dataset(const char *path, bool broken) {
    static float obs[ROWS][4];
    static int32_t action[ROWS];
    static uint8_t reset[ROWS];
    char sha256[RLT_SHA256_HEX];
    int64_t size;
    rlt_rng rng = rlt_rng_make(2, RLT_STREAM_TEST, 0);
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < 4; k++) {
            obs[i][k] = rlt_rng_uniform(&rng, -0.2F, 0.2F);
        }
        action[i] = obs[i][2] + obs[i][3] > 0;
        reset[i] = i % 20 == 0;
    }
    action[7] = broken ? 2 : action[7];
    const rlt_tensor tensors[] = {
        {.name = "observation", .dtype = RLT_DTYPE_F32, .rank = 2, .shape = {ROWS, 4}, .data = obs},
        {.name = "action", .dtype = RLT_DTYPE_I32, .rank = 1, .shape = {ROWS}, .data = action},
        {.name = "reset", .dtype = RLT_DTYPE_U8, .rank = 1, .shape = {ROWS}, .data = reset},
    };
    assert_int_equal(rlt_checkpoint_write(path, tensors, 3, NULL, 0, sha256, &size, NULL), RLT_OK);
}

static void a_file_teaches_too(void **state) {
    (void)state;
    run_place place;
    char path[128], bc[256];
    run_open(&place);
    snprintf(path, sizeof path, "%s/data.safetensors", place.folder);
    snprintf(bc, sizeof bc, "dataset = '%s', lr = 5e-3, minibatch = 64, iteration = 4", path);
    write_dataset(path, false);
    write_clone(&place, bc, mlp, 40000, "");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    assert_int_equal(run_sql_int(&place, "SELECT max(value) > 0.9 FROM metrics m JOIN metric_names "
                                         "n ON n.id = m.name WHERE n.name = 'valid_accuracy'"),
                     1);
    write_dataset(path, true);
    run_command(&place, "run", place.script, "--quiet");
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'failed' AND "
                                         "reason LIKE '%action of row 7 is none of the "
                                         "environment''s%'"),
                     1);
    unlink(path);
    run_close(&place);
}

static void a_search_by_validation_loss(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_clone(&place, expert,
                "{ { 'dense', space.choice{ 4, 32 } }, space.choice{ { 'skip' }, { 'lstm', 8 } } }",
                40000,
                ", tune = { metric = 'valid_loss', mode = 'min', trials = 4, parallel = 2,\n"
                "  sampler = { 'evolution', population = 2, sample = 2, inherit = true } }");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_check_rows(&place, true);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE value > 0"), 4);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE parent > 0"), 2);
    run_close(&place);
}

/* ---- networks that share weights ---- */

static const char shared_model[] = "{ { 'dense', space.choice{ 4, 16 } },\n"
                                   "  space.choice{ { 'skip' }, { 'gru', 8 }, { 'lstm', 8 } } }";
static const char oneshot[] =
    ", tune = { metric = 'valid_loss', mode = 'min', trials = 9, parallel = %d,\n"
    "  sampler = { 'oneshot', retrain = 2, inherit = %s } }";

static void write_oneshot(run_place *place, int steps, int parallel, const char *inherit) {
    char more[sizeof oneshot + 16];
    snprintf(more, sizeof more, oneshot, parallel, inherit);
    write_clone(place, expert, shared_model, steps, more);
}

static void one_training_ranks_all_networks(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_oneshot(&place, 60000, 2, "true");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    static const struct {
        const char *sql;
        int64_t expected;
    } rows[] = {
        {"SELECT count(*) FROM trials WHERE state = 'completed'", 9},
        {"SELECT count(*) FROM trials WHERE number = 0 AND value IS NULL AND steps > 0", 1},
        {"SELECT count(DISTINCT params_json) FROM trials WHERE parent = 1 AND steps = 0 AND value "
         "> "
         "0",
         6},
        {"SELECT count(*) FROM trials WHERE number > 6 AND parent = 1 AND steps > 0", 2},
        /* the two are those that were best with shared weights, the best one first */
        {"SELECT group_concat(params_json) = (SELECT group_concat(params_json) FROM (SELECT "
         "params_json FROM trials WHERE number > 6 ORDER BY number)) FROM (SELECT params_json FROM "
         "trials WHERE number BETWEEN 1 AND 6 ORDER BY value LIMIT 2)",
         1},
        /* trained on, a network is better than with weights that are shared */
        {"SELECT count(*) FROM trials a JOIN trials s USING (params_json) WHERE a.number > 6 AND "
         "s.number BETWEEN 1 AND 6 AND a.value < s.value",
         2},
        {"SELECT count(*) FROM checkpoints WHERE trial BETWEEN 2 AND 7", 0},
        {"SELECT count(*) FROM transitions WHERE from_state IS NULL AND reason LIKE 'is measured "
         "with the weights of trial 0'",
         6},
    };
    for (size_t i = 0; i < RLT_COUNT(rows); i++) {
        if (run_sql_int(&place, rows[i].sql) != rows[i].expected) {
            fail_msg("%s: %lld", rows[i].sql, (long long)run_sql_int(&place, rows[i].sql));
        }
    }
    run_close(&place);
}

/* The network that `best` prints goes into a script as it is. */
static void the_best_network_can_be_pasted(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_clone(&place, expert,
                "{ space.choice{ { 'residual', { { 'dense', 4, 'tanh' } } }, { 'rms_norm' } },\n"
                "  { 'dense', space.choice{ 4, 8 }, activation = 'silu' }, { 'skip' },\n"
                "  space.choice{ { 'gru', units = 8 } }, separate = true }",
                8192, ", tune = { metric = 'valid_loss', mode = 'min', trials = 2 }");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "best", "1"), 0);
    char *output = run_output(&place), *model = strstr(output, "model = {"), *end;
    assert_non_null(model);
    end = strstr(model, "\n}\n");
    assert_non_null(end);
    end[2] = 0;
    assert_non_null(strstr(model, "{ \"dense\", units = "));
    assert_non_null(strstr(model, "separate = true"));
    write_clone(&place, expert, model + strlen("model = "), 8192, "");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    assert_int_equal(run_sql_int(&place, "SELECT count(DISTINCT json_extract(t.config_json, "
                                         "'$.model.layers[1].units')) FROM trials t WHERE "
                                         "experiment = 2 OR (experiment = 1 AND value = (SELECT "
                                         "min(value) FROM trials WHERE experiment = 1))"),
                     1);
    free(output);
    run_close(&place);
}

static void killed_supernets_end_as_others_do(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_oneshot(&place, 500000, 1, "false");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    char *expected = run_results(&place);
    run_close(&place);

    run_open(&place);
    write_oneshot(&place, 500000, 1, "false");
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    static const char *const moments[] = {"SELECT coalesce(max(step), 0) > 100000 FROM checkpoints",
                                          "SELECT coalesce(max(step), 0) > 300000 FROM checkpoints",
                                          "SELECT count(*) FROM trials WHERE number > 2",
                                          "SELECT count(*) FROM trials WHERE number > 7"};
    for (size_t i = 0; i < RLT_COUNT(moments); i++) {
        run_await_sql(&place, moments[i], 1, DEADLINE_S);
        kill(driver, SIGKILL);
        run_wait(&place, driver, DEADLINE_S);
        driver = run_start(&place, "resume", "1", "--quiet");
    }
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    char *results = run_results(&place);
    run_assert_same(expected, results);
    free(expected);
    free(results);
    run_close(&place);
}

/* ---- bad input ---- */

static void check_refused(const char *bc, const char *model, const char *more, const char *words) {
    run_place place;
    run_open(&place);
    write_clone(&place, bc, model, 10000, more);
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 3);
    run_expect_output(&place, words);
    run_close(&place);
}

static void bad_input_is_named(void **state) {
    (void)state;
    char missing[256];
    check_refused("", mlp, "", "give one of the two");
    check_refused("expert = 'none.safetensors'", mlp, "", "'none.safetensors' cannot be read");
    check_refused("expert = 'none.db:1'", mlp, "", "bc.expert: 'none.db:1': ");
    snprintf(missing, sizeof missing, "expert = '%s:1:7'", teacher.db);
    check_refused(missing, mlp, "", "there is no checkpoint yet");
    check_refused(expert, mlp, ", learners = 2", "learners: behaviour cloning is done by one");
    check_refused(expert, mlp, ", tune = { metric = 'mean_return' }",
                  "algo = \"bc\" does not report mean_return");
    check_refused(expert, "{ { 'dense', function(p) return 4 end } }",
                  ", tune = { metric = 'valid_loss', mode = 'min', sampler = 'oneshot' }",
                  "not by functions");
    check_refused("expert = 'x', epochs = 3", mlp, "", "bc.epochs");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_seeds_reach_the_threshold),
        cmocka_unit_test(killed_clones_end_as_others_do),
        cmocka_unit_test(a_file_teaches_too),
        cmocka_unit_test(a_search_by_validation_loss),
        cmocka_unit_test(one_training_ranks_all_networks),
        cmocka_unit_test(the_best_network_can_be_pasted),
        cmocka_unit_test(killed_supernets_end_as_others_do),
        cmocka_unit_test(bad_input_is_named),
    };
    return cmocka_run_group_tests_name("clone", tests, train_expert, drop_expert);
}
