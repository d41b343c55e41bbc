/* A metric that has no value yet at a milestone, or never: the trial goes on unjudged, and rows and
 * `show --why` say so. An episode of MountainCar takes 200 steps, of each of 8 environments. */
#include "tests/support/run.h"

static const char script[] =
    "return { name = 'late', env = 'MountainCar-v0', device = 'cpu', threads = 1,\n"
    "  envs_per_worker = 8, ppo = { lr = space.loguniform(1e-4, 1e-2), horizon = 32, epochs = 1 "
    "},\n"
    "  model = { hidden = { 8 } }, stop = { steps = %d }, eval = { episodes = 1 },\n"
    "  tune = { metric = 'mean_return', trials = 3, parallel = 1, stopper = { '%s', grace = 512 } "
    "} }\n";

static void run_with(run_place *place, const char *stopper, int steps) {
    char text[sizeof script + 64];
    run_open(place);
    snprintf(text, sizeof text, script, steps, stopper);
    run_write_script(place, text);
    run_expect_code(place, run_command(place, "run", place->script, "--quiet"), 0);
    run_check_rows(place, true);
    run_check_clean(place);
    run_forget_output(place);
}

static void a_trial_without_a_result_yet_goes_on(void **state) {
    (void)state;
    run_place place;
    run_with(&place, "asha", 6000);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM decisions WHERE step < 1600 AND "
                                         "action = 'continue' AND reason = 'it had no mean_return "
                                         "yet, so that nothing could be judged' AND "
                                         "json_extract(numbers_json, '$.missing') = 1"),
                     2 * 3);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM decisions WHERE step > 1600 AND "
                                         "json_extract(numbers_json, '$.value') = -200"),
                     3);
    run_expect_code(&place, run_command(&place, "show", "1", "--trial", "0", "--why"), 0);
    run_expect_output(&place, "went on at 512 steps: it had no mean_return yet");
    run_close(&place);
}

/* Nobody waits for ever for a trial that had nothing to show at a rung: it counts at the next. */
static void trials_that_wait_are_ruled_on(void **state) {
    (void)state;
    run_place place;
    run_with(&place, "sha", 6000);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM decisions WHERE round = 1"), 2);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'completed'"),
                     1);
    run_close(&place);
}

static void a_trial_that_never_has_any_says_so(void **state) {
    (void)state;
    run_place place;
    run_with(&place, "asha", 1200);
    assert_int_equal(
        run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'completed' AND value IS "
                            "NULL AND reason = 'stop.steps reached; it never had any mean_return'"),
        3);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM leaderboard WHERE rank IS NULL"), 3);
    run_close(&place);
}

static void a_name_that_nothing_has_is_refused(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    run_write_script(&place, "return { ppo = { lr = space.uniform(0.001, 0.1) },\n"
                             "  tune = { metric = 'mean_retrun' } }\n");
    run_expect_code(&place, run_command(&place, "run", place.script), 3);
    run_expect_output(&place, ":2: tune.metric: ");
    run_expect_output(&place, "mean_return");
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trial_without_a_result_yet_goes_on),
        cmocka_unit_test(trials_that_wait_are_ruled_on),
        cmocka_unit_test(a_trial_that_never_has_any_says_so),
        cmocka_unit_test(a_name_that_nothing_has_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
