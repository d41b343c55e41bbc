/* Ends that somebody asked for: SIGINT, SIGTERM (to the driver alone, or to all processes of a job,
 * as batch systems send it), `rltune stop`, twice in a row. The exit code is 130, running trials
 * save a checkpoint and pause, and `rltune resume` comes to what an uninterrupted run gives. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>

enum { DEADLINE_S = 30 };

static const char script[] =
    "return {\n"
    "  name = 'stopped', env = 'CartPole-v1', device = 'cpu', seed = 5,\n"
    "  workers = 1, envs_per_worker = 4, threads = 1,\n"
    "  ppo = { lr = space.loguniform(1e-4, 1e-2), horizon = 32, minibatch = 64, epochs = 4 },\n"
    "  model = { hidden = { 16 } }, stop = { steps = 64000 }, report_every = 640,\n"
    "  eval = { every = 6400, episodes = 2 }, checkpoint = { every = 12800, keep = 1 },\n"
    "  tune = { trials = 3, parallel = 2, max_retries = 0 },\n"
    "}\n";

static char *expected; /* results of the uninterrupted run */

static void open_place(run_place *place) {
    run_open(place);
    run_write_script(place, script);
}

static void lead_group(void) {
    setpgid(0, 0);
}

/* Started, with a trial at work that has nearly all of its steps before it. */
static pid_t start(run_place *place) {
    open_place(place);
    pid_t driver = run_start_with(place, lead_group, "run", place->script, "--quiet", NULL);
    run_await_sql(place, "SELECT count(*) FROM trials WHERE state = 'running' AND steps > 0", 1,
                  DEADLINE_S);
    return driver;
}

static void check_stopped(const run_place *place) {
    run_check_rows(place, false);
    run_check_clean(place);
    char *state = run_sql_text(place, "SELECT state FROM experiments");
    assert_string_equal(state, "stopped\n");
    free(state);
    assert_int_equal(
        run_sql_int(place, "SELECT count(*) FROM trials WHERE state IN ('running', 'failed')"), 0);
}

/* Each trial that had begun is paused where it is. */
static void check_paused(const run_place *place) {
    check_stopped(place);
    assert_int_equal(run_sql_int(place,
                                 "SELECT count(*) FROM trials WHERE attempt > 0 AND state NOT "
                                 "IN ('paused', 'completed')"),
                     0);
    assert_int_equal(
        run_sql_int(place, "SELECT count(*) FROM trials t WHERE state = 'paused' AND NOT EXISTS "
                           "(SELECT 1 FROM checkpoints c WHERE c.trial = t.id AND "
                           "c.step = t.steps)"),
        0);
}

static void resume_and_compare(run_place *place) {
    run_expect_code(place, run_command(place, "resume", "1", "--quiet"), 0);
    run_check_rows(place, true);
    run_check_clean(place);
    char *results = run_results(place);
    run_assert_same(expected, results);
    free(results);
    run_close(place);
}

static void check_clean_stop(run_place *place, pid_t driver) {
    run_expect_code(place, run_wait(place, driver, DEADLINE_S), 130);
    run_expect_output(place, "rltune resume 1");
    check_paused(place);
    resume_and_compare(place);
}

static void uninterrupted_run_gives_the_expected_results(void **state) {
    (void)state;
    run_place place;
    open_place(&place);
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    expected = run_results(&place);
    run_close(&place);
}

static void sigint_pauses_and_resume_gives_the_same_results(void **state) {
    (void)state;
    run_place place;
    pid_t driver = start(&place);
    kill(driver, SIGINT);
    run_await_sql(&place, "SELECT count(*) FROM trials WHERE state = 'paused'", 1, DEADLINE_S);
    check_clean_stop(&place, driver);
}

static void sigterm_to_all_processes_pauses_too(void **state) {
    (void)state;
    run_place place;
    pid_t driver = start(&place), pids[RUN_PROCESSES_MAX];
    assert_true(run_processes(&place, "learner", pids) > 0);
    kill(-driver, SIGTERM);
    check_clean_stop(&place, driver);
}

static void stop_command_pauses_from_another_process(void **state) {
    (void)state;
    run_place place;
    pid_t driver = start(&place);
    run_expect_code(&place, run_command(&place, "stop", "1"), 0);
    run_expect_output(&place, "is stopped");
    check_clean_stop(&place, driver);
}

/* Before, while and just after the learners come up: whatever has not begun is not lost either. */
static void stop_at_any_early_instant_is_resumable(void **state) {
    (void)state;
    for (int i = 0; i < (RUN_SLOW ? 3 : 8); i++) {
        run_place place;
        open_place(&place);
        pid_t driver = run_start(&place, "run", place.script, "--quiet");
        run_await_sql(&place, "SELECT count(*) FROM experiments", 1, DEADLINE_S);
        run_sleep_ms(10 * i);
        kill(driver, SIGINT);
        run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 130);
        check_stopped(&place);
        resume_and_compare(&place);
    }
}

static void second_signal_ends_at_once_and_costs_no_retry(void **state) {
    (void)state;
    run_place place;
    pid_t driver = start(&place), pids[RUN_PROCESSES_MAX];
    int count = run_processes(&place, "learner", pids), code;
    for (int i = 0; i < count; i++) {
        kill(pids[i], SIGSTOP); /* none of them can save anything now */
    }
    kill(driver, SIGINT);
    run_sleep_ms(300);
    assert_false(run_has_ended(driver, &code));
    kill(driver, SIGINT);
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 130);
    check_stopped(&place);
    resume_and_compare(&place);
}

static void stop_of_a_run_whose_driver_was_killed_ends_its_row(void **state) {
    (void)state;
    run_place place;
    pid_t driver = start(&place);
    kill(driver, SIGKILL);
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 128 + SIGKILL);
    run_expect_code(&place, run_command(&place, "stop", "1"), 0);
    run_check_clean(&place);
    check_stopped(&place);
    resume_and_compare(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uninterrupted_run_gives_the_expected_results),
        cmocka_unit_test(sigint_pauses_and_resume_gives_the_same_results),
        cmocka_unit_test(sigterm_to_all_processes_pauses_too),
        cmocka_unit_test(stop_command_pauses_from_another_process),
        cmocka_unit_test(stop_at_any_early_instant_is_resumable),
        cmocka_unit_test(second_signal_ends_at_once_and_costs_no_retry),
        cmocka_unit_test(stop_of_a_run_whose_driver_was_killed_ends_its_row),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(expected);
    return failed;
}
