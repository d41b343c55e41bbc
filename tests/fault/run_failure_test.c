/* Failures that are results, and failures that are not: a script's error or a loss that is not
 * finite fails its trial at once, with cause and place, while others go on; what dies or hangs is
 * tried again, to the same results, as often as max_retries allows. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>

enum { DEADLINE_S = 60 };

/* An environment in Lua, with episodes of ten steps; %s: the end of step, then more of the table.
 */
static const char lua_script[] =
    "return { name = 'failing', device = 'cpu', seed = 2, threads = 1,\n"
    "  env = { name = 'E', observation_space = space.box(-1, 1), action_space = "
    "space.discrete(2),\n"
    "    max_episode_steps = 10, state_size = 1,\n"
    "    reset = function(s, random) s[1] = random() return { s[1] } end,\n"
    "    step = function(s, action, random)\n"
    "%s\n" /* line 6 */
    "    end },\n"
    "  ppo = { horizon = 32, minibatch = 64, epochs = 2 }, model = { hidden = { 8 } },\n"
    "  stop = { steps = 5120 },\n"
    "%s }\n";

static void open_lua(run_place *place, const char *step, const char *rest) {
    char text[2048];
    int length = snprintf(text, sizeof text, lua_script, step, rest);
    assert_in_range(length, 1, sizeof text - 1);
    run_open(place);
    run_write_script(place, text);
}

static void expect_sql(const run_place *place, const char *sql, const char *expected) {
    char *text = run_sql_text(place, sql);
    if (strcmp(text, expected) != 0) {
        char *output = run_output(place);
        print_error("%s\n", output);
        free(output);
        fail_msg("%s gave\n%s instead of\n%s", sql, text, expected);
    }
    free(text);
}

static void expect_reason(const run_place *place, const char *where, const char *part) {
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT reason FROM trials WHERE %s", where);
    char *text = run_sql_text(place, sql);
    if (strstr(text, part) == NULL) {
        fail_msg("the reason is '%s'; expected in it: %s", text, part);
    }
    free(text);
}

static void close_checked(run_place *place) {
    run_check_rows(place, false);
    run_check_clean(place);
    run_close(place);
}

/* ---- failures that are results ---- */

static void check_script_error(const char *workers) {
    run_place place;
    open_lua(&place, "if s[1] > 0.9 then error('broken here') end return { 0 }, 1, false", "");
    int code = run_command(&place, "run", place.script, "--quiet", "--set", workers, "--set",
                           "envs_per_worker=4");
    run_expect_code(&place, code, 7);
    expect_sql(&place, "SELECT state, attempt FROM trials", "failed|1\n");
    expect_reason(&place, "1", "a.lua:6: broken here");
    close_checked(&place);
}

static void script_error_fails_the_trial_at_once_with_its_line(void **state) {
    (void)state;
    check_script_error("workers=0");
    for (int i = 0; i < 3; i++) {
        check_script_error("workers=2");
    }
}

/* Rewards of 1e25: their squares are beyond float32, unless they are normalised. */
static void diverged_trial_fails_without_a_retry_and_others_go_on(void **state) {
    (void)state;
    run_place place;
    open_lua(&place, "return { 0 }, 1e25 * (random() - 0.5), false",
             "normalise = { reward = space.choice{ true, false } },\n"
             "tune = { sampler = 'grid', trials = 2, parallel = 1, max_failed = 1 }");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    expect_sql(&place, "SELECT number, state, attempt FROM trials ORDER BY number",
               "0|completed|1\n1|failed|1\n");
    expect_reason(&place, "number = 1", "not finite");
    expect_reason(&place, "number = 1", "iteration 0, optimiser step 1");
    expect_reason(&place, "number = 1", "there is no checkpoint before it (checkpoint.every)");
    expect_sql(&place, "SELECT state FROM experiments", "completed\n");
    close_checked(&place);
}

/* A reward that is too large comes after a while: the reason says where to go on from. */
static void diverged_trial_names_its_newest_checkpoint(void **state) {
    (void)state;
    run_place place;
    open_lua(&place, "return { 0 }, random() < 0.001 and 1e25 or 0, false",
             "checkpoint = { every = 256, keep = 2 }");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 7);
    char *newest =
        run_sql_text(&place, "SELECT 'that of step ' || step || ', ' || path FROM checkpoints "
                             "ORDER BY step DESC LIMIT 1");
    newest[strcspn(newest, "\n")] = '\0';
    expect_reason(&place, "number = 0", "not finite");
    expect_reason(&place, "number = 0", newest);
    free(newest);
    close_checked(&place);
}

static void more_failures_than_max_failed_end_the_experiment(void **state) {
    (void)state;
    run_place place;
    open_lua(&place, "return { 0 }, 1e25 * (random() - 0.5), false",
             "tune = { trials = 12, parallel = 2, max_failed = 2 },\n"
             "ppo = { lr = space.uniform(1e-4, 1e-3) }");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 7);
    run_expect_output(&place, "more than tune.max_failed = 2; the last one was trial ");
    expect_sql(&place, "SELECT state FROM experiments", "failed\n");
    expect_reason(&place, "number = 0", "not finite");
    expect_sql(&place, "SELECT count(*) FROM trials WHERE state NOT IN ('failed', 'stopped')",
               "0\n");
    assert_in_range(run_sql_int(&place, "SELECT count(*) FROM trials"), 3, 5);
    run_expect_code(&place, run_command(&place, "resume", "1", "--quiet"), 7); /* and not on */
    close_checked(&place);
}

static void nothing_but_failed_trials_is_a_failed_experiment(void **state) {
    (void)state;
    run_place place;
    open_lua(&place, "return { 0 / 0 }, 1, false",
             "tune = { trials = 2, parallel = 2, max_failed = 9 },\n"
             "ppo = { lr = space.uniform(1e-4, 1e-3) }");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 7);
    run_expect_output(&place, "every trial failed; the last one was trial ");
    expect_sql(&place, "SELECT state FROM experiments", "failed\n");
    expect_sql(&place, "SELECT DISTINCT state, attempt FROM trials", "failed|1\n");
    expect_reason(&place, "number = 0", "a.lua:");
    close_checked(&place);
}

/* ---- failures that are not ---- */

static const char cartpole[] =
    "return { name = 'tried again', env = 'CartPole-v1', device = 'cpu', seed = 4, threads = 1,\n"
    "  workers = 2, envs_per_worker = 2, silence_s = %s,\n"
    "  ppo = { lr = space.loguniform(1e-4, 1e-2), horizon = 32, minibatch = 64, epochs = 4 },\n"
    "  model = { hidden = { 16 } }, stop = { steps = 25600 }, checkpoint = { every = 1280 },\n"
    "  tune = { trials = 2, parallel = 2, max_retries = 2 } }\n";

static void open_cartpole(run_place *place, const char *silence_s) {
    char text[sizeof cartpole + 16];
    snprintf(text, sizeof text, cartpole, silence_s);
    run_open(place);
    run_write_script(place, text);
}

static char *undisturbed(const char *silence_s) {
    run_place place;
    open_cartpole(&place, silence_s);
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    char *results = run_results(&place);
    close_checked(&place);
    return results;
}

/* Started, with trial 0 at work. */
static pid_t start(run_place *place, const char *silence_s) {
    open_cartpole(place, silence_s);
    pid_t driver = run_start(place, "run", place->script, "--quiet");
    run_await_sql(place, "SELECT max(steps) FROM trials WHERE number = 0", 1, DEADLINE_S);
    return driver;
}

static void end_as(run_place *place, pid_t driver, const char *expected) {
    run_expect_code(place, run_wait(place, driver, DEADLINE_S), 0);
    run_check_rows(place, true);
    char *results = run_results(place);
    run_assert_same(expected, results);
    free(results);
    close_checked(place);
}

static void check_hang(const char *role, const char *part) {
    char *expected = undisturbed("2"), sql[160];
    run_place place;
    pid_t driver = start(&place, "2"), hung = run_await_process(&place, role, DEADLINE_S);
    assert_true(hung > 0);
    kill(hung, SIGSTOP);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM transitions WHERE to_state = 'pending' AND "
             "reason LIKE '%%%s%%'",
             part);
    run_await_sql(&place, sql, 1, DEADLINE_S);
    end_as(&place, driver, expected);
    free(expected);
}

static void hanging_learner_is_killed_and_tried_again(void **state) {
    (void)state;
    check_hang("learner", "said nothing for 2 s");
}

static void hanging_worker_is_noticed_and_its_trial_tried_again(void **state) {
    (void)state;
    check_hang("worker", "no segment");
}

static void learner_that_always_dies_is_tried_again_max_retries_times(void **state) {
    (void)state;
    run_place place;
    open_cartpole(&place, "60");
    pid_t driver = run_start(&place, "run", place.script, "--quiet", "--set", "tune.trials=1"),
          pids[64];
    int code;
    while (!run_has_ended(driver, &code)) {
        for (int i = run_processes(&place, "learner", pids); i > 0; i--) {
            kill(pids[i - 1], SIGKILL);
        }
    }
    run_expect_code(&place, code, 7);
    expect_sql(&place, "SELECT state, attempt FROM trials", "failed|3\n");
    expect_reason(&place, "1", "signal 9 (Killed); tune.max_retries = 2 used up");
    close_checked(&place);
}

/* A segment takes so long here that none is delivered between two deaths. */
static void worker_that_always_dies_ends_its_trial_with_the_cause(void **state) {
    (void)state;
    run_place place;
    open_lua(&place, "return { s[1] }, 1, false",
             "tune = { trials = 1, max_retries = 1 },\n"
             "ppo = { lr = space.grid{ 1e-3 } }, workers = 1");
    pid_t driver = run_start(&place, "run", place.script, "--quiet", "--set", "ppo.horizon=200000",
                             "--set", "stop.steps=4000000");
    pid_t pids[RUN_PROCESSES_MAX];
    int code;
    while (!run_has_ended(driver, &code)) {
        for (int i = run_processes(&place, "worker", pids); i > 0; i--) {
            kill(pids[i - 1], SIGKILL);
        }
    }
    run_expect_code(&place, code, 7);
    expect_sql(&place, "SELECT state, attempt FROM trials", "failed|2\n");
    expect_reason(&place, "1", "worker 0 died 6 times in a row, last by signal 9");
    close_checked(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(script_error_fails_the_trial_at_once_with_its_line),
        cmocka_unit_test(diverged_trial_fails_without_a_retry_and_others_go_on),
        cmocka_unit_test(diverged_trial_names_its_newest_checkpoint),
        cmocka_unit_test(more_failures_than_max_failed_end_the_experiment),
        cmocka_unit_test(nothing_but_failed_trials_is_a_failed_experiment),
        cmocka_unit_test(hanging_learner_is_killed_and_tried_again),
        cmocka_unit_test(hanging_worker_is_noticed_and_its_trial_tried_again),
        cmocka_unit_test(learner_that_always_dies_is_tried_again_max_retries_times),
        cmocka_unit_test(worker_that_always_dies_ends_its_trial_with_the_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
