/* A process that has joined, its learners, or the driver under it: killed at random instants, asked
 * to stop, frozen, hung. Nothing is lost or counts twice, every trial comes to one end, and results
 * equal those of a run that nobody disturbed. RLTUNE_TEST_SEED chooses the instants. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>

enum { DEADLINE_S = 60, KILLS = RUN_SLOW ? 2 : 4, DELAY_MAX_MS = 300 };

static const char trainings[] =
    "return { name = 't', env = 'CartPole-v1', device = 'cpu', seed = 3, threads = 1,\n"
    "  workers = 1, envs_per_worker = 4, model = { hidden = { 16 } }, stop = { steps = 25600 },\n"
    "  ppo = { lr = space.loguniform(1e-4, 1e-2), horizon = 32, minibatch = 64, epochs = 2 },\n"
    "  eval = { every = 6400, episodes = 2 }, checkpoint = { every = 1280, keep = 2 },\n"
    "  silence_s = 2, tune = { trials = 8, parallel = 1, max_retries = 1000,\n"
    "    final = { seeds = 2, episodes = 2 } } }\n";
static const char functions[] =
    "return { name = 'f', objective = function(p, report)\n"
    "  for step = 1, 10 do\n"
    "    local n = 0\n"
    "    while n < 2e5 do n = n + 1 end\n"
    "    report(step, { loss = p.x / step })\n"
    "  end\n"
    "end, params = { x = space.uniform(0, 1) },\n"
    "tune = { metric = 'loss', mode = 'min', trials = 20, parallel = 1, max_retries = 1000 } }\n";

static rlt_rng rng;

static char *alone(const char *script) {
    run_place place;
    run_open(&place);
    run_write_script(&place, script);
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    char *results = run_results(&place);
    run_close(&place);
    return results;
}

static pid_t begin(run_place *place, const char *script) {
    run_open(place);
    run_write_script(place, script);
    return run_start(place, "run", place->script, "--quiet");
}

static void check_end(run_place *place, pid_t driver, const char *expected) {
    run_expect_code(place, run_wait(place, driver, DEADLINE_S), 0);
    run_check_rows(place, true);
    run_check_clean(place);
    assert_int_equal(run_sql_int(place, "SELECT count(*) FROM leases"), 0);
    char *results = run_results(place);
    run_assert_same(expected, results);
    free(results);
}

static void pause_randomly(void) {
    run_sleep_ms((int)rlt_rng_below(&rng, DELAY_MAX_MS));
}

/* Whether a trial that another process runs is on its way; false: the driver has ended before. */
static bool await_joined(const run_place *place) {
    while (run_sql_int(place, "SELECT count(*) FROM leases") == 0) {
        if (run_sql_int(place, "SELECT count(*) FROM experiments WHERE state = 'running'") == 0) {
            return false;
        }
        run_sleep_ms(2);
    }
    return true;
}

/* ---- who has joined is killed ---- */

static void kill_helpers(const char *script) {
    char *expected = alone(script);
    int kills = 0;
    while (kills < KILLS) {
        run_place place;
        pid_t driver = begin(&place, script);
        for (bool more = true; more && kills < KILLS;) {
            pid_t helper = run_start_join(&place, "2");
            more = await_joined(&place);
            if (more) {
                pause_randomly();
            }
            kills += kill(helper, SIGKILL) == 0 && more;
            run_wait(&place, helper, DEADLINE_S);
        }
        check_end(&place, driver, expected);
        assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM transitions WHERE reason LIKE "
                                             "'retry%' AND reason NOT LIKE '%that had joined and "
                                             "ran it has gone'"),
                         0);
        run_close(&place);
    }
    free(expected);
}

static void helpers_of_trainings_are_killed(void **state) {
    (void)state;
    kill_helpers(trainings);
}

static void helpers_of_functions_are_killed(void **state) {
    (void)state;
    kill_helpers(functions);
}

/* ---- the driver is killed ---- */

static void kill_drivers(const char *script) {
    char *expected = alone(script), snapshot[128];
    int kills = 0;
    while (kills < KILLS) {
        run_place place;
        pid_t driver = begin(&place, script);
        snprintf(snapshot, sizeof snapshot, "%s/test-snapshot", place.folder);
        for (bool more = true; more && kills < KILLS;) {
            pid_t helper = run_start_join(&place, "2");
            more = await_joined(&place);
            if (!more) {
                run_wait(&place, helper, DEADLINE_S);
                break;
            }
            pause_randomly();
            run_forget_output(&place);
            run_snapshot(&place, snapshot);
            kill(driver, SIGKILL);
            run_wait(&place, driver, DEADLINE_S);
            int code = run_wait(&place, helper, DEADLINE_S);
            /* it may have come to its end just before */
            more =
                run_sql_int(&place, "SELECT count(*) FROM experiments WHERE state = 'running'") > 0;
            if (code != 0 || more) {
                run_expect_code(&place, code, 6);
                run_expect_output(&place, "go on with: rltune resume 1");
            }
            run_check_clean(&place); /* no learner is left, of either */
            if (!more) {
                run_check_kept(&place, snapshot);
                driver = run_start(&place, "resume", "1", "--quiet");
                break;
            }
            static const char resumed[] =
                "SELECT count(*) FROM events WHERE kind = 'driver.resumed'";
            int64_t before = run_sql_int(&place, resumed);
            driver = run_start(&place, "resume", "1", "--quiet");
            run_await_sql(&place, resumed, before + 1, DEADLINE_S); /* leases of before are gone */
            run_check_kept(&place, snapshot);
            run_sleep_ms(100); /* until it listens */
            kills++;
        }
        check_end(&place, driver, expected);
        run_close(&place);
    }
    free(expected);
}

static void drivers_of_trainings_are_killed(void **state) {
    (void)state;
    kill_drivers(trainings);
}

static void drivers_of_functions_are_killed(void **state) {
    (void)state;
    kill_drivers(functions);
}

/* ---- learners ---- */

static pid_t parent_of(pid_t pid) {
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        text[fread(text, 1, sizeof text - 1, file)] = 0;
        fclose(file);
    }
    const char *end = strrchr(text, ')');
    int parent = 0;
    return end != NULL && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* A learner of the process; 0: there was none within the deadline. */
static pid_t await_learner(const run_place *place, pid_t helper) {
    pid_t pids[RUN_PROCESSES_MAX];
    for (double end = rlt_clock_s() + DEADLINE_S; rlt_clock_s() < end; run_sleep_ms(1)) {
        int count = run_processes(place, "learner", pids);
        for (int i = 0; i < count; i++) {
            if (parent_of(pids[i]) == helper) {
                return pids[i];
            }
        }
    }
    return 0;
}

/* One dies, one hangs: each is tried again, from its checkpoint. */
static void learners_die_and_hang(void **state) {
    (void)state;
    char *expected = alone(trainings);
    run_place place;
    pid_t driver = begin(&place, trainings), helper = run_start_join(&place, "2");
    pid_t learner = await_learner(&place, helper);
    assert_true(learner != 0);
    kill(learner, SIGKILL);
    run_await_sql(&place,
                  "SELECT count(*) FROM transitions WHERE reason LIKE "
                  "'retry%the learner process ended with signal 9 (Killed)'",
                  1, DEADLINE_S);
    learner = await_learner(&place, helper);
    assert_true(learner != 0);
    kill(learner, SIGSTOP);
    run_await_sql(&place,
                  "SELECT count(*) FROM transitions WHERE reason LIKE "
                  "'retry%the learner said nothing for 2 s and was killed'",
                  1, DEADLINE_S);
    check_end(&place, driver, expected);
    run_expect_code(&place, run_wait(&place, helper, DEADLINE_S), 0);
    free(expected);
    run_close(&place);
}

/* ---- asked to stop ---- */

/* Its trials go on elsewhere, which is no retry. */
static void give_back(const char *script, int signals) {
    char *expected = alone(script);
    run_place place;
    pid_t driver = begin(&place, script), helper = run_start_join(&place, "2");
    run_await_joined(&place, DEADLINE_S);
    for (int i = 0; i < signals; i++) {
        kill(helper, SIGINT);
        run_sleep_ms(i == 0 ? 20 : 0);
    }
    run_expect_code(&place, run_wait(&place, helper, DEADLINE_S), 0);
    run_expect_output(&place, "given back");
    check_end(&place, driver, expected);
    assert_int_equal(
        run_sql_int(&place, "SELECT count(*) FROM transitions WHERE reason LIKE 'retry%'"), 0);
    free(expected);
    run_close(&place);
}

static void who_is_asked_to_stop_gives_back(void **state) {
    (void)state;
    give_back(trainings, 1);
    give_back(trainings, 2);
    give_back(functions, 1);
}

/* The driver is asked to: everything pauses, wherever it runs. */
static void stop_all(const char *script) {
    char *expected = alone(script);
    run_place place;
    pid_t driver = begin(&place, script), helper = run_start_join(&place, "2");
    run_await_joined(&place, DEADLINE_S);
    run_expect_code(&place, run_command(&place, "stop", "1"), 0);
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 130);
    run_expect_code(&place, run_wait(&place, helper, DEADLINE_S), 0);
    run_check_rows(&place, false);
    run_check_clean(&place);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'running'"), 0);
    driver = run_start(&place, "resume", "1", "--quiet");
    check_end(&place, driver, expected);
    free(expected);
    run_close(&place);
}

static void a_driver_that_stops_pauses_all(void **state) {
    (void)state;
    stop_all(trainings);
    stop_all(functions);
}

/* ---- frozen ---- */

#ifdef RLT_FAST_CLOCK
static void fast(void) {
    setenv("LD_PRELOAD", RLT_FAST_CLOCK, 1);
}

/* Half a minute without a sign of life: the trial goes to somebody else. What comes later is not
 * heard, and the process may go on with others. */
static void who_is_frozen_loses_its_trials(void **state) {
    (void)state;
    char *expected = alone(functions);
    run_place place;
    run_open(&place);
    run_write_script(&place, functions);
    pid_t driver = run_start_with(&place, fast, "run", place.script, "--quiet", NULL);
    pid_t helper = run_start_join(&place, "1");
    run_await_joined(&place, DEADLINE_S);
    kill(helper, SIGSTOP);
    run_await_sql(&place,
                  "SELECT count(*) FROM transitions WHERE reason LIKE '%no sign of life for 30 s'",
                  1, DEADLINE_S);
    kill(helper, SIGCONT);
    check_end(&place, driver, expected);
    run_expect_code(&place, run_wait(&place, helper, DEADLINE_S), 0);
    free(expected);
    run_close(&place);
}
#endif

int main(void) {
    const char *text = getenv("RLTUNE_TEST_SEED");
    rng = rlt_rng_make(text != NULL ? strtoull(text, NULL, 10) : 1, RLT_STREAM_TEST, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(helpers_of_trainings_are_killed),
        cmocka_unit_test(helpers_of_functions_are_killed),
        cmocka_unit_test(drivers_of_trainings_are_killed),
        cmocka_unit_test(drivers_of_functions_are_killed),
        cmocka_unit_test(learners_die_and_hang),
        cmocka_unit_test(who_is_asked_to_stop_gives_back),
        cmocka_unit_test(a_driver_that_stops_pauses_all),
#ifdef RLT_FAST_CLOCK
        cmocka_unit_test(who_is_frozen_loses_its_trials),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
