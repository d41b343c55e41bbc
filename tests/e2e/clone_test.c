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
    char text[sizeof clone_script + 512];
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
    check_refused("expert = 'x', epochs = 3", mlp, "", "bc.epochs");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_seeds_reach_the_threshold),
        cmocka_unit_test(killed_clones_end_as_others_do),
        cmocka_unit_test(a_file_teaches_too),
        cmocka_unit_test(a_search_by_validation_loss),
        cmocka_unit_test(bad_input_is_named),
    };
    return cmocka_run_group_tests_name("clone", tests, train_expert, drop_expert);
}
