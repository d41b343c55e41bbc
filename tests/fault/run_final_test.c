/* tune.final.seeds of a search that grows: another winner is trained again with seeds that nobody
 * used, the same one is not, what was under way for the earlier one ends; a driver killed anywhere
 * changes none of it. */
#include "tests/support/run.h"

#include <signal.h>

/* Trial n reports the n-th number, which takes a moment; less is better. */
static const char search[] =
    "return { name = 'final', objective = { 'command', argv = { 'sh', '-c',\n"
    "    'sleep 0.0%d; echo loss={x}' }, metrics = { loss = 'loss=([0-9.]+)' } },\n"
    "  params = { x = space.grid{ 5, 4, 6, 7, 3, 8, 2 } },\n"
    "  tune = { mode = 'min', trials = 2, sampler = 'grid', parallel = 2, final = { seeds = 3 } "
    "} }\n";

static void open_search(run_place *place, int centiseconds) {
    char text[1024];
    run_open(place);
    snprintf(text, sizeof text, search, centiseconds);
    run_write_script(place, text);
}

/* How often each trial was the winner that was trained again, and how these ended. */
static void expect_finals(const run_place *place, const char *expected) {
    char *text = run_sql_text(place, "SELECT configuration, state, count(*) FROM trials WHERE role "
                                     "= 'final' GROUP BY 1, 2 ORDER BY 1, 2");
    assert_string_equal(text, expected);
    free(text);
    assert_int_equal(run_sql_int(place, "SELECT count(*) - count(DISTINCT seed) FROM trials"), 0);
    assert_int_equal(run_sql_int(place, "SELECT count(*) FROM trials f JOIN trials s ON s.role = "
                                        "'search' AND s.number = f.configuration WHERE f.role = "
                                        "'final' AND f.params_json <> s.params_json"),
                     0);
}

static void resume(run_place *place, const char *trials) {
    run_forget_output(place);
    run_expect_code(place, run_command(place, "resume", "1", "--trials", trials), 0);
    run_check_rows(place, true);
    run_check_clean(place);
}

static void another_winner_is_trained_again(void **state) {
    (void)state;
    run_place place;
    open_search(&place, 0);
    run_expect_code(&place, run_command(&place, "run", place.script), 0);
    run_expect_output(&place, "trial 1 is best; it is trained again with 3 fresh seeds");
    expect_finals(&place, "1|completed|3\n");
    resume(&place, "4");
    run_expect_output(&place, "trial 1 is best, as before: its final runs stay");
    expect_finals(&place, "1|completed|3\n");
    resume(&place, "5");
    run_expect_output(&place, "trial 4 is best now, no longer trial 1: it is trained again with 3");
    expect_finals(&place, "1|completed|3\n4|completed|3\n");
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "show", "1"), 0);
    run_expect_output(&place,
                      "mean 3, standard deviation 0, n = 3\nof earlier winners there are 3");
    run_expect_code(&place, run_command(&place, "enqueue", "1", "--set", "x=2"), 0);
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "resume", "1"), 0);
    run_expect_output(&place, "trial 5 is best now, no longer trial 4");
    expect_finals(&place, "1|completed|3\n4|completed|3\n5|completed|3\n");
    run_close(&place);
}

/* Stopped while the winner is trained; then the search grows first. */
static void an_unfinished_winner_gives_way(void **state) {
    (void)state;
    run_place place;
    open_search(&place, 9);
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    run_await_sql(&place, "SELECT count(*) FROM trials WHERE role = 'final' AND state = 'running'",
                  1, 30);
    kill(driver, SIGINT);
    run_expect_code(&place, run_wait(&place, driver, 30), 130);
    int64_t open = run_sql_int(&place, "SELECT count(*) FROM trials WHERE role = 'final' AND state "
                                       "IN ('pending', 'paused')");
    assert_true(open >= 1);
    resume(&place, "5");
    run_expect_output(&place, "trial 4 is best now, no longer trial 1");
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE configuration = 1 AND "
                                         "role = 'final' AND state = 'stopped' AND reason = 'trial "
                                         "4 is the best one now'"),
                     open);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE configuration = 4 AND "
                                         "role = 'final' AND state = 'completed'"),
                     3);
    run_close(&place);
}

/* Killed every so many milliseconds, later each time: until it gets to its end. */
static void killed_drivers_change_nothing(void **state) {
    (void)state;
    run_place place;
    open_search(&place, 2);
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    for (int step = 0, code = -1; code != 0; step++) {
        pid_t driver = run_start(&place, "resume", "1", "--trials", "7", "--quiet");
        assert_true(step < 100);
        run_sleep_ms((RUN_SLOW ? 40 : 8) * (step + 1));
        kill(driver, SIGKILL);
        code = run_wait(&place, driver, 30);
        run_check_rows(&place, false);
    }
    run_check_rows(&place, true);
    run_check_clean(&place);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE role = 'search'"), 7);
    expect_finals(&place, "1|completed|3\n6|completed|3\n");
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_winner_is_trained_again),
        cmocka_unit_test(an_unfinished_winner_gives_way),
        cmocka_unit_test(killed_drivers_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
