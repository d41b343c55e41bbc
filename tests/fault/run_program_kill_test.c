/* kill -9 of the driver at random instants while programs and functions run, then `rltune resume`:
 * what was acknowledged is there exactly once, the results are those of a run that nobody killed,
 * and nothing that a program had started is left (I1, I5).
 * RLTUNE_TEST_SEED chooses the instants, RLTUNE_TEST_KILLS how many there are of each kind. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>

enum { DEADLINE_S = 60, DELAY_MAX_MS = RUN_SLOW ? 600 : 250, KILLS = RUN_SLOW ? 4 : 8 };

/* Each has something in the background that would outlive it. */
static const char programs[] =
    "return { name = 'killed', objective = { 'command', argv = { 'sh', '-c', 'sleep 1000 & for i "
    "in "
    "1 2 3 4 5 6 7 8; do echo step $i loss=$0$i acc=$i; sleep 0.01; done; kill $!; test $0 != 4', "
    "'{a}' }, metrics = { step = 'step (.)', loss = 'loss=([0-9]+)', acc = 'acc=(.)' } }, params = "
    "{ a = space.randint(1, 9) }, tune = { mode = 'min', metric = 'loss', trials = 60, parallel = "
    "4, max_failed = 60, max_retries = 100 } }";
static const char functions[] =
    "return { name = 'killed', objective = function(params, report, trial)\n"
    "  for step = 1, 8 do\n"
    "    local n = 0\n"
    "    while n < 3e5 do n = n + 1 end\n"
    "    report(step, { loss = params.x * step, acc = trial.seed })\n"
    "  end\n"
    "  if params.x > 0.9 then error('high') end\n"
    "end, params = { x = space.uniform(0, 1) }, tune = { mode = 'min', metric = 'loss', trials = "
    "120, parallel = 4, max_failed = 120, max_retries = 100 } }";

static uint64_t seed;
static int kills;

static char *undisturbed(const char *script) {
    run_place place;
    run_open(&place);
    run_write_script(&place, script);
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_check_rows(&place, true);
    char *results = run_results(&place);
    run_close(&place);
    return results;
}

static int64_t experiments(const run_place *place) {
    const char *table = "SELECT count(*) FROM sqlite_schema WHERE name = 'experiments'";
    bool made = access(place->db, F_OK) == 0 && run_sql_int(place, table) > 0;
    return made ? run_sql_int(place, "SELECT count(*) FROM experiments") : 0;
}

static void expect_no_process(const run_place *place) {
    pid_t pids[RUN_PROCESSES_MAX];
    double deadline = rlt_clock_s() + DEADLINE_S;
    while (run_processes(place, NULL, pids) > 0) {
        if (rlt_clock_s() > deadline) {
            fail_msg("process %d has outlived its driver", (int)pids[0]);
        }
        run_sleep_ms(2);
    }
}

/* The driver is killed and resumed; false: it had ended. */
static bool kill_driver(run_place *place, pid_t *driver, const char *snapshot, bool wait,
                        int *code) {
    bool begun = experiments(place) > 0;
    if (begun) {
        run_snapshot(place, snapshot);
    }
    kill(*driver, SIGKILL);
    *code = run_wait(place, *driver, DEADLINE_S);
    if (*code != 128 + SIGKILL) {
        return false;
    }
    if (wait) { /* else the next driver meets what is about to end */
        expect_no_process(place);
    }
    if (experiments(place) == 0) {
        *driver = run_start(place, "run", place->script, "--quiet");
        return true;
    }
    int64_t epoch = run_sql_int(place, "SELECT epoch FROM experiments");
    *driver = run_start(place, "resume", "1", "--quiet");
    run_await_sql(place, "SELECT epoch FROM experiments", epoch + 1, DEADLINE_S);
    if (begun) {
        run_check_kept(place, snapshot);
    }
    return true;
}

static void run_killed(const char *script, uint32_t substream) {
    char *expected = undisturbed(script), snapshot[160];
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_TEST, substream);
    for (int left = kills; left > 0;) {
        run_place place;
        int code = -1;
        run_open(&place);
        run_write_script(&place, script);
        snprintf(snapshot, sizeof snapshot, "%s/test-snapshot", place.folder);
        pid_t driver = run_start(&place, "run", place.script, "--quiet");
        for (bool runs = true; runs && left > 0;) {
            run_sleep_ms((int)rlt_rng_below(&rng, DELAY_MAX_MS));
            runs = kill_driver(&place, &driver, snapshot, left % 2 == 0, &code);
            left -= runs;
            code = runs ? -1 : code;
        }
        run_expect_code(&place, code >= 0 ? code : run_wait(&place, driver, DEADLINE_S), 0);
        run_check_rows(&place, true);
        run_check_clean(&place);
        char *results = run_results(&place);
        run_assert_same(expected, results);
        free(results);
        run_close(&place);
    }
    free(expected);
}

static void test_programs(void **state) {
    (void)state;
    run_killed(programs, 1);
}

static void test_functions(void **state) {
    (void)state;
    run_killed(functions, 2);
}

static int64_t number_from(const char *name, int64_t otherwise) {
    const char *text = getenv(name);
    return text != NULL ? strtoll(text, NULL, 10) : otherwise;
}

int main(void) {
    seed = (uint64_t)number_from("RLTUNE_TEST_SEED", rlt_wall_ms() % 1000000);
    kills = (int)number_from("RLTUNE_TEST_KILLS", KILLS);
    printf("RLTUNE_TEST_SEED=%llu RLTUNE_TEST_KILLS=%d\n", (unsigned long long)seed, kills);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
