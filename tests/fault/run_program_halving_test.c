/* Programs that pause at rungs and go on from their own files: what was decided at a rung is asked
 * once, whichever step the program goes on with, and the driver that comes after a kill -9 finds
 * every decision again. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>

enum { DEADLINE_S = 60 };

static const char script[] =
    "return { name = 'halving', objective = { 'command', checkpoint = true, argv = { 'sh', '-c', "
    "'cd \"$RLTUNE_CHECKPOINT_DIR\"; n=$(cat n 2>/dev/null || echo 0); trap \"sleep 0.3; exit 0\" "
    "TERM; "
    "while [ $n -lt 9 ]; do n=$((n + 1)); echo $n > m; mv m n; echo step $n loss=$0$n; sleep 0.03; "
    "done', '{a}' }, metrics = { step = 'step ([0-9]+)', loss = 'loss=([0-9]+)' } }, "
    "params = { a = space.grid{ %s } }, stop = { steps = 9 }, "
    "tune = { metric = 'loss', mode = 'min', trials = 4, sampler = 'grid', parallel = 1, "
    "stopper = { 'sha', grace = 2, reduction = 2, max_steps = 9 } } }";

static void open_run(run_place *place, const char *values) {
    char text[sizeof script + 32];
    run_open(place);
    snprintf(text, sizeof text, script, values);
    run_write_script(place, text);
}

static void expect_sql(const run_place *place, const char *sql, const char *expected) {
    char *rows = run_sql_text(place, sql);
    assert_string_equal(rows, expected);
    free(rows);
}

static void expect_end(run_place *place, int code, const char *winner) {
    run_expect_code(place, code, 0);
    run_check_rows(place, true);
    expect_sql(place,
               "SELECT count(*) FROM (SELECT 1 FROM decisions WHERE round = 0 GROUP BY trial, "
               "json_extract(numbers_json, '$.rung') HAVING count(*) > 1)",
               "0\n");
    expect_sql(place, "SELECT number FROM trials WHERE state = 'completed'", winner);
    /* one runs at a time, and pauses are no part of what each has run */
    expect_sql(place,
               "SELECT (SELECT sum(wall_s) FROM trials) <= 0.01 + (SELECT (max(wall_ms) - "
               "min(wall_ms)) / 1e3 FROM transitions), (SELECT min(wall_s) FROM trials) > 0",
               "1|1\n");
}

static void asked_once(void **state) {
    (void)state;
    run_place place;
    open_run(&place, "1, 2, 3, 4");
    expect_end(&place, run_command(&place, "run", place.script, "--quiet"), "0\n");
    run_close(&place);
}

static void killed_between_rungs(void **state) {
    (void)state;
    run_place place;
    open_run(&place, "1, 2, 3, 4");
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    run_await_sql(&place,
                  "SELECT count(*) FROM metrics m JOIN transitions r ON r.trial = m.trial "
                  "WHERE r.reason = 'goes on' AND m.step = 3",
                  1, DEADLINE_S);
    kill(driver, SIGKILL);
    assert_int_equal(run_wait(&place, driver, DEADLINE_S), 128 + SIGKILL);
    expect_end(&place, run_command(&place, "resume", "1", "--quiet"), "0\n");
    run_close(&place);
}

/* The last trial to come to the first rung is the best and goes on at once, before one that waits
 * there; so it does when the driver is killed, or told to stop, right then. */
static void interrupted(int number, int code) {
    run_place place;
    open_run(&place, "4, 3, 2, 1");
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    run_await_sql(&place,
                  "SELECT count(*) FROM metrics m JOIN trials t ON t.id = m.trial "
                  "WHERE t.number = 3 AND m.step = 3",
                  1, DEADLINE_S);
    kill(driver, number);
    assert_int_equal(run_wait(&place, driver, DEADLINE_S), code);
    expect_end(&place, run_command(&place, "resume", "1", "--quiet"), "3\n");
    expect_sql(&place,
               "SELECT t.number FROM decisions d JOIN trials t ON t.id = d.trial "
               "WHERE json_extract(d.numbers_json, '$.rung') = 1 AND d.round = 0 ORDER BY d.id",
               "3\n2\n");
    run_close(&place);
}

static void killed_before_others(void **state) {
    (void)state;
    interrupted(SIGKILL, 128 + SIGKILL);
}

static void stopped_before_others(void **state) {
    (void)state;
    interrupted(SIGTERM, 130);
}

/* A stop is requested while a program saves what it needs for its pause: the pause stands. */
static void stopped_while_one_pauses(void **state) {
    (void)state;
    run_place place;
    open_run(&place, "1, 2, 3, 4");
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    run_await_sql(&place, "SELECT count(*) FROM decisions WHERE action = 'pause'", 1, DEADLINE_S);
    kill(driver, SIGTERM);
    assert_int_equal(run_wait(&place, driver, DEADLINE_S), 130);
    expect_sql(&place, "SELECT state, reason LIKE 'with loss % it waits at rung 0%' FROM trials",
               "paused|1\n");
    expect_end(&place, run_command(&place, "resume", "1", "--quiet"), "0\n");
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_once),
        cmocka_unit_test(killed_between_rungs),
        cmocka_unit_test(killed_before_others),
        cmocka_unit_test(stopped_before_others),
        cmocka_unit_test(stopped_while_one_pauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
