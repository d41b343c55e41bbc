/* The driver dies between a decision, which is a row, and what it leads to, the signal to the
 * program: after `rltune resume` the decision stands, once, and the trial ends by it without being
 * started again. The results are those of a run that nobody killed. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>

enum { DEADLINE_S = 60 };

/* One at a time: each later one is worse, so that the median ends it at its first milestone. */
static const char script[] =
    "return { name = 'decided', objective = { 'command', argv = { 'sh', '-c', 'for i in 1 2 3 4 5 "
    "6 "
    "7 8 9; do echo step $i loss=$0$i; sleep 0.02; done; test $0 = 1 || sleep 1000', '{a}' }, "
    "metrics = { step = 'step (.)', loss = 'loss=([0-9]+)' } }, params = { a = space.grid{ 1, 2, "
    "3, "
    "4 } }, stop = { steps = 20 }, tune = { mode = 'min', metric = 'loss', trials = 4, parallel = "
    "1, "
    "sampler = 'grid', stopper = { 'median', grace = 3, interval = 9, startup_trials = 1 } } }";

static char mark[160];

static void preload(void) {
    setenv("LD_PRELOAD", RLT_DYING_SIGNAL, 1);
    setenv("RLT_DYING_MARK", mark, 1);
}

static char *decisions(const run_place *place) {
    return run_sql_text(place, "SELECT t.number, d.step >= 3, d.action, d.round, t.state FROM "
                               "trials t LEFT JOIN decisions d ON d.trial = t.id ORDER BY 1, 2");
}

static void test_signal_is_lost(void **state) {
    (void)state;
    run_place calm, place;
    run_open(&calm);
    run_write_script(&calm, script);
    run_expect_code(&calm, run_command(&calm, "run", calm.script, "--quiet"), 0);
    char *expected = decisions(&calm);
    run_close(&calm);

    run_open(&place);
    run_write_script(&place, script);
    snprintf(mark, sizeof mark, "%s/test-mark", place.folder);
    pid_t driver = run_start_with(&place, preload, "run", place.script, "--quiet", NULL);
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 128 + SIGKILL);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM decisions WHERE action = 'stop'"),
                     1);
    assert_int_equal(run_sql_int(&place,
                                 "SELECT count(*) FROM trials t JOIN decisions d ON d.trial "
                                 "= t.id WHERE t.state = 'running' AND d.action = 'stop'"),
                     1);
    driver = run_start_with(&place, preload, "resume", "1", "--quiet", NULL);
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    char *actual = decisions(&place);
    assert_string_equal(actual, expected);
    assert_int_equal(run_sql_int(&place, "SELECT max(attempt) FROM trials"), 1);
    free(actual);
    free(expected);
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signal_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
