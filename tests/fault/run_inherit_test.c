/* Evolution whose trials start from their parents' weights. A child's first weights are its
 * parent's; rows say who the parent is; a driver that is killed again and again changes no result;
 * a parent's file that is gone or damaged costs the child its start, and an event says so. */
#include "checkpoint/checkpoint.h"
#include "core/core.h"
#include "tests/support/run.h"

#include <math.h>
#include <signal.h>

enum { DEADLINE_S = 60 };

/* Parameters: learning rate, steps, trials. */
static const char script[] =
    "return { name = 'inherit', env = 'CartPole-v1', device = 'cpu', seed = 6, threads = 1,\n"
    "  workers = 1, envs_per_worker = 4,\n"
    "  ppo = { lr = %s, horizon = 32, minibatch = 64, epochs = 2,\n"
    "          gamma = space.uniform(0.9, 0.999) },\n"
    "  model = { hidden = space.choice{ { 8 }, { 16 } }, activation = space.choice{ 'tanh',\n"
    "            'relu' } },\n"
    "  stop = { steps = %d }, checkpoint = { every = 0, keep = 1 },\n"
    "  tune = { metric = 'mean_return', trials = %d, parallel = 1, final = { seeds = 1 },\n"
    "           sampler = { 'evolution', population = 3, sample = 2, inherit = true } } }\n";
static const char parents_sql[] =
    "SELECT c.number, p.number FROM trials c JOIN trials p ON p.id = c.parent ORDER BY c.number";

static void open_place(run_place *place, const char *lr, int steps, int trials) {
    char text[sizeof script + 64];
    run_open(place);
    snprintf(text, sizeof text, script, lr, steps, trials);
    run_write_script(place, text);
}

/* ---- a child's weights ---- */

static const rlt_tensor *tensor_of(const rlt_checkpoint *checkpoint, const char *name) {
    for (int i = 0; i < checkpoint->count; i++) {
        if (strcmp(checkpoint->tensors[i].name, name) == 0) {
            return &checkpoint->tensors[i];
        }
    }
    fail_msg("no tensor %s", name);
    return NULL;
}

/* The input layer of the child against that of its parent, in the block that both have. */
static void check_weights(const run_place *place, int64_t child, int64_t parent) {
    char path[256];
    rlt_checkpoint files[2] = {{0}};
    const int64_t trials[] = {child, parent};
    const rlt_tensor *w[2];
    for (int i = 0; i < 2; i++) {
        run_newest_checkpoint(place, trials[i], path);
        assert_int_equal(rlt_checkpoint_read(path, NULL, &files[i], NULL), RLT_OK);
        w[i] = tensor_of(&files[i], "actor.0.weight");
    }
    const float *a = w[0]->data, *b = w[1]->data;
    for (int64_t i = 0; i < 4; i++) {
        for (int64_t o = 0; o < w[0]->shape[1] && o < w[1]->shape[1]; o++) {
            double difference = (double)(a[i * w[0]->shape[1] + o] - b[i * w[1]->shape[1] + o]);
            assert_true(fabs(difference) < 1e-4); /* the learning rate is next to nothing */
        }
    }
    for (int i = 0; i < 2; i++) {
        rlt_checkpoint_fini(&files[i]);
    }
}

static void children_start_from_their_parents_weights(void **state) {
    (void)state;
    run_place place;
    open_place(&place, "1e-9", 1280, 10);
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE parent > 0"), 7);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials c JOIN transitions t ON "
                                         "t.trial = c.id JOIN trials p ON p.id = c.parent WHERE "
                                         "t.from_state IS NULL AND t.reason = 'starts from the "
                                         "weights of trial ' || p.number"),
                     7);
    for (int64_t child = 4; child <= 10; child++) {
        char sql[80];
        snprintf(sql, sizeof sql, "SELECT parent FROM trials WHERE id = %d", (int)child);
        int64_t parent = run_sql_int(&place, sql);
        assert_true(parent > 0 && parent < child);
        check_weights(&place, child, parent);
    }
    run_close(&place);
}

/* ---- killed ---- */

static void killed_drivers_change_nothing(void **state) {
    (void)state;
    run_place place;
    open_place(&place, "space.loguniform(1e-4, 1e-2)", 6400, 12);
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    char *expected = run_results(&place), *parents = run_sql_text(&place, parents_sql);
    run_close(&place);

    open_place(&place, "space.loguniform(1e-4, 1e-2)", 6400, 12);
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    for (int ended = 2; ended < 12; ended += 2) {
        char sql[80];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM trials WHERE state = 'completed'");
        run_await_sql(&place, sql, ended, DEADLINE_S);
        run_sleep_ms(ended * 3);
        kill(driver, SIGKILL);
        run_wait(&place, driver, DEADLINE_S);
        driver = run_start(&place, "resume", "1", "--quiet");
    }
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    char *results = run_results(&place), *again = run_sql_text(&place, parents_sql);
    run_assert_same(expected, results);
    assert_string_equal(parents, again);
    assert_true(strlen(parents) > 20);
    free(expected);
    free(parents);
    free(results);
    free(again);
    run_close(&place);
}

/* ---- a parent that is gone ---- */

/* The driver dies while a child runs; then its parent's file is made useless. */
static void check_loss(bool damaged) {
    run_place place;
    char path[256], sql[200];
    open_place(&place, "1e-3", 2000000, 4);
    pid_t driver = run_start(&place, "run", place.script, "--quiet", "--set", "stop.wall_s=0.5");
    run_await_sql(&place, "SELECT count(*) FROM trials WHERE parent > 0 AND state = 'running'", 1,
                  DEADLINE_S);
    kill(driver, SIGKILL);
    run_wait(&place, driver, DEADLINE_S);
    int64_t parent = run_sql_int(&place, "SELECT parent FROM trials WHERE id = 4");
    run_newest_checkpoint(&place, parent, path);
    if (damaged) {
        assert_int_equal(truncate(path, 100), 0);
    } else {
        assert_int_equal(unlink(path), 0);
    }
    run_expect_code(&place, run_command(&place, "resume", "1", "--quiet"), 0);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM events WHERE kind = 'checkpoint.dropped' AND trial = %d",
             (int)parent);
    assert_int_equal(run_sql_int(&place, sql), 1);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM events WHERE kind = 'inherit.lost' "
                                         "AND trial = 4"),
                     1);
    run_check_rows(&place, true);
    run_close(&place);
}

static void a_lost_parent_is_said(void **state) {
    (void)state;
    check_loss(false);
    check_loss(true);
}

static void programs_have_no_weights(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    run_write_script(&place, "return { objective = { 'command', argv = { 'true' } },\n"
                             "  params = { x = space.uniform(0, 1) },\n"
                             "  tune = { metric = 'y', trials = 3,\n"
                             "    sampler = { 'evolution', inherit = true } } }\n");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 3);
    run_expect_output(&place, "inherit = true needs trials that are trainings");
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_start_from_their_parents_weights),
        cmocka_unit_test(killed_drivers_change_nothing),
        cmocka_unit_test(a_lost_parent_is_said),
        cmocka_unit_test(programs_have_no_weights),
    };
    return cmocka_run_group_tests_name("run_inherit", tests, NULL, NULL);
}
