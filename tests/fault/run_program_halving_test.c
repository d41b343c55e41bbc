/* Programs that pause at rungs and go on from their own files: what was decided at a rung is asked
 * once, whichever step the program goes on with, and the driver that comes after a kill -9 finds
 * every decision again. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>

enum { DEADLINE_S = 60 };

static const char script[] =
    "return { name = 'halving', objective = { 'command', checkpoint = true, argv = { 'sh', '-c', "
    "'cd \"$RLTUNE_CHECKPOINT_DIR\"; n=$(cat n 2>/dev/null || echo 0); trap \"exit 0\" TERM; "
    "while [ $n -lt 9 ]; do n=$((n + 1)); echo $n > m; mv m n; echo step $n loss=$0$n; sleep 0.03; "
    "done', '{a}' }, metrics = { step = 'step ([0-9]+)', loss = 'loss=([0-9]+)' } }, "
    "params = { a = space.grid{ 1, 2, 3, 4 } }, stop = { steps = 9 }, "
    "tune = { metric = 'loss', mode = 'min', trials = 4, sampler = 'grid', parallel = 1, "
    "stopper = { 'sha', grace = 2, reduction = 2, max_steps = 9 } } }";

static void open_run(run_place *place) {
    run_open(place);
    run_write_script(place, script);
}

static void expect_end(run_place *place, int code) {
    run_expect_code(place, code, 0);
    run_check_rows(place, true);
    char *rows = run_sql_text(place, "SELECT DISTINCT step FROM decisions ORDER BY 1");
    assert_string_equal(rows, "2\n4\n8\n");
    free(rows);
    rows = run_sql_text(place, "SELECT number FROM trials WHERE state = 'completed'");
    assert_string_equal(rows, "0\n");
    free(rows);
}

static void asked_once(void **state) {
    (void)state;
    run_place place;
    open_run(&place);
    expect_end(&place, run_command(&place, "run", place.script, "--quiet"));
    run_close(&place);
}

static void killed_between_rungs(void **state) {
    (void)state;
    run_place place;
    open_run(&place);
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    run_await_sql(&place,
                  "SELECT count(*) FROM metrics m JOIN transitions r ON r.trial = m.trial "
                  "WHERE r.reason = 'goes on' AND m.step = 3",
                  1, DEADLINE_S);
    kill(driver, SIGKILL);
    assert_int_equal(run_wait(&place, driver, DEADLINE_S), 128 + SIGKILL);
    expect_end(&place, run_command(&place, "resume", "1", "--quiet"));
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_once),
        cmocka_unit_test(killed_between_rungs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
