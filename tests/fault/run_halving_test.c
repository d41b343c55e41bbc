/* Trials that pause at rungs, through the real binary: sha and hyperband, the driver or a learner
 * killed right after a decision was committed or at random. What is ruled is a function of the set
 * of results, so states, values, newest weights and decisions equal those of a run that nobody
 * killed. RLTUNE_TEST_SEED chooses the random instants. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>

enum { DEADLINE_S = 60 };

static const char script[] =
    "return {\n"
    "  name = 'halving', env = 'CartPole-v1', device = 'cpu', seed = 3, threads = 1,\n"
    "  envs_per_worker = 4, ppo = { lr = space.loguniform(1e-4, 1e-2), horizon = 32, epochs = 2 "
    "},\n"
    "  model = { hidden = { 16 } }, stop = { steps = 9216 }, eval = { episodes = 3 },\n"
    "  checkpoint = { every = %d },\n"
    "  tune = { trials = %d, parallel = 2, max_retries = 1000, stopper = { '%s', grace = 1024 } "
    "},\n"
    "}\n";

/* Decisions are a matter of the set of results, but for who was there last: that one is told at
 * once, and the others pause first. */
static const char decisions[] =
    "SELECT t.number, d.step, CASE WHEN max(d.round) = 1 THEN 'ruled' ELSE 'told' END, "
    "max(CASE WHEN d.action <> 'pause' THEN d.action END), "
    "max(json_extract(d.numbers_json, '$.threshold')) "
    "FROM decisions d JOIN trials t ON t.id = d.trial GROUP BY d.trial, d.step ORDER BY 1, 2";
static const char outcomes[] =
    "SELECT t.number, d.step, max(CASE WHEN d.action <> 'pause' THEN d.action END), "
    "max(json_extract(d.numbers_json, '$.threshold')), max(json_extract(d.numbers_json, '$.kept')) "
    "FROM decisions d JOIN trials t ON t.id = d.trial GROUP BY d.trial, d.step ORDER BY 1, 2";

static void open_with(run_place *place, const char *stopper, int trials, int every) {
    char text[sizeof script + 64];
    run_open(place);
    snprintf(text, sizeof text, script, every, trials, stopper);
    run_write_script(place, text);
}

/* Rows that must be the same; owned by the caller (free). */
static char *finish(run_place *place, pid_t driver) {
    run_expect_code(place, run_wait(place, driver, DEADLINE_S), 0);
    run_check_rows(place, true);
    run_check_clean(place);
    char *results = run_results(place), *decided = run_sql_text(place, outcomes);
    size_t size = strlen(results) + strlen(decided) + 1;
    char *all = malloc(size);
    snprintf(all, size, "%s%s", results, decided);
    free(results);
    free(decided);
    return all;
}

static char *undisturbed(const char *stopper, int trials, int every) {
    run_place place;
    open_with(&place, stopper, trials, every);
    char *all = finish(&place, run_start(&place, "run", place.script, "--quiet"));
    run_close(&place);
    return all;
}

static void trials_pause_and_go_on_or_stop(void **state) {
    (void)state;
    run_place place;
    open_with(&place, "sha", 9, 0);
    run_expect_code(&place, run_command(&place, "run", place.script), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    /* 9 at 1024 steps, 3 at 3072, 1 to the end */
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'stopped' AND "
                                         "steps = 1024"),
                     6);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'stopped' AND "
                                         "steps = 3072"),
                     2);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'completed' "
                                         "AND steps = 9216"),
                     1);
    /* all but the last at each rung are told to pause; who comes with the last one is not kept long
     * enough to do so */
    assert_in_range(
        run_sql_int(&place, "SELECT count(*) FROM transitions WHERE to_state = 'paused'"), 7, 10);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM decisions WHERE action = 'pause'"),
                     10);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM decisions WHERE round = 1"), 10);
    /* the best ones are those that go on */
    assert_int_equal(
        run_sql_int(&place,
                    "WITH at AS (SELECT trial, max(CASE WHEN round = 0 THEN json_extract("
                    "numbers_json, '$.value') END) AS value, max(CASE WHEN action <> 'pause' THEN "
                    "action END) AS action FROM decisions WHERE step = 1024 GROUP BY trial) "
                    "SELECT (SELECT min(value) FROM at WHERE action = 'continue') >= "
                    "(SELECT max(value) FROM at WHERE action = 'stop')"),
        1);
    char *rows = run_sql_text(&place, decisions);
    assert_true(strstr(rows, "|told|") != NULL && strstr(rows, "|ruled|") != NULL);
    free(rows);
    char *winner = run_sql_text(&place, "SELECT number FROM trials WHERE state = 'completed'");
    winner[strcspn(winner, "\n")] = 0;
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "show", "1", "--trial", winner, "--why"), 0);
    run_expect_output(&place, "at 1,024 steps: ");
    run_expect_output(&place, "the cutoff of the best 3 of 9 trials at rung 0");
    run_expect_output(&place, "the cutoff of the best 1 of 3 trials at rung 1");
    free(winner);
    run_close(&place);
}

/* Kills the driver as soon as the n-th decision is seen: before, while or after its learner is
 * told, saves its checkpoint, says so. */
static void kill_after_each_decision(const char *stopper, int trials, int every) {
    char *whole = undisturbed(stopper, trials, every);
    run_place place;
    open_with(&place, stopper, trials, every);
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    int code = 128 + SIGKILL, kills = 0;
    for (int64_t n = 1; code == 128 + SIGKILL; n += RUN_SLOW ? 3 : 1) {
        static const char counted[] = "SELECT count(*) + 1000 * (SELECT state = 'completed' FROM "
                                      "experiments) FROM decisions";
        run_await_sql(&place, counted, n, DEADLINE_S);
        kill(driver, SIGKILL);
        code = run_wait(&place, driver, DEADLINE_S);
        kills += code == 128 + SIGKILL;
        driver = run_start(&place, "resume", "1", "--quiet");
        if (run_sql_int(&place, "SELECT state = 'completed' FROM experiments") == 1) {
            break;
        }
    }
    char *pieces = finish(&place, driver);
    print_message("%s: %d kills\n", stopper, kills);
    assert_true(kills >= (RUN_SLOW ? 2 : 5));
    run_assert_same(whole, pieces);
    free(whole);
    free(pieces);
    run_close(&place);
}

static void a_driver_killed_after_each_decision_of_sha(void **state) {
    (void)state;
    kill_after_each_decision("sha", 9, 0);
}

/* With checkpoints between rungs too, which a trial goes on from when that at the rung is not
 * there. */
static void a_driver_killed_after_each_decision_of_hyperband(void **state) {
    (void)state;
    kill_after_each_decision("hyperband", 16, 512);
}

static void learners_killed_at_random(void **state) {
    (void)state;
    const char *seed = getenv("RLTUNE_TEST_SEED");
    uint64_t number = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)rlt_wall_ms() % 1000000;
    rlt_rng rng = rlt_rng_make(number, RLT_STREAM_TEST, 77);
    print_message("RLTUNE_TEST_SEED=%llu\n", (unsigned long long)number);
    char *whole = undisturbed("sha", 9, 512);
    run_place place;
    open_with(&place, "sha", 9, 512);
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    int code;
    while (!run_has_ended(driver, &code)) {
        pid_t pids[RUN_PROCESSES_MAX];
        int count = run_processes(&place, "learner", pids);
        run_sleep_ms((int)rlt_rng_below(&rng, RUN_SLOW ? 400 : 40));
        if (count > 0 && run_sql_int(&place, "PRAGMA user_version") > 0) {
            kill(pids[rlt_rng_below(&rng, (uint32_t)count)], SIGKILL);
        }
    }
    run_expect_code(&place, code, 0);
    driver = run_start(&place, "resume", "1", "--quiet"); /* there is nothing left to do */
    char *pieces = finish(&place, driver);
    run_assert_same(whole, pieces);
    free(whole);
    free(pieces);
    run_close(&place);
}

/* Ctrl-C while some wait at a rung: they still do after resume. */
static void a_stop_leaves_waiting_trials_waiting(void **state) {
    (void)state;
    char *whole = undisturbed("sha", 9, 0);
    run_place place;
    open_with(&place, "sha", 9, 0);
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    run_await_sql(&place, "SELECT count(*) FROM decisions WHERE action = 'pause'", 3, DEADLINE_S);
    kill(driver, SIGINT);
    int code = run_wait(&place, driver, DEADLINE_S);
    if (code != 0) {
        assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state IN "
                                             "('running')"),
                         0);
        driver = run_start(&place, "resume", "1", "--quiet");
        char *pieces = finish(&place, driver);
        run_assert_same(whole, pieces);
        free(pieces);
    }
    free(whole);
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trials_pause_and_go_on_or_stop),
        cmocka_unit_test(a_driver_killed_after_each_decision_of_sha),
        cmocka_unit_test(a_driver_killed_after_each_decision_of_hyperband),
        cmocka_unit_test(learners_killed_at_random),
        cmocka_unit_test(a_stop_leaves_waiting_trials_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
