/* objective = function: its processes do one trial after another. What a trial must not do to the
 * next one: leave globals behind, take its process down with it, keep it busy, stop it. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>

static void write_script(run_place *place, const char *function, const char *rest) {
    rlt_buf text = {0};
    rlt_buf_printf(&text, "return { name = 'f', objective = %s, %s }\n", function, rest);
    run_write_script(place, text.data);
    rlt_buf_fini(&text);
}

static void expect_sql(const run_place *place, const char *sql, const char *expected) {
    char *text = run_sql_text(place, sql);
    assert_string_equal(text, expected);
    free(text);
}

/* Fifty trials in three processes, which end with the run. */
static void test_one_after_another(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_script(&place,
                 "function(params, report)\n"
                 "  seen = (seen or 0) + 1\n"
                 "  string.seen = (string.seen or 0) + 1\n"
                 "  report(1, { loss = params.x, seen = seen + string.seen })\n"
                 "  if params.x > 0.8 then error('high') end\n"
                 "end",
                 "params = { x = space.uniform(0, 1) }, tune = { metric = 'loss', mode = 'min', "
                 "trials = 50, parallel = 3, max_failed = 50 }");
    run_expect_code(&place, run_command(&place, "run", place.script), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    expect_sql(&place, "SELECT DISTINCT value FROM trial_curves WHERE metric = 'seen'", "2.0\n");
    expect_sql(&place,
               "SELECT sum(state = 'failed') > 0, sum((state = 'failed') <> (value > 0.8)), "
               "sum(state = 'failed' AND reason NOT LIKE '%high%'), sum(steps <> 1) FROM trials",
               "1|0|0|0\n");
    run_close(&place);
}

/* A trial that its stopper ends costs no process: the function is told, and returns. */
static void test_stopped_ones_keep_their_process(void **state) {
    (void)state;
    enum { MOST = 256 };
    run_place place;
    pid_t seen[MOST], now[RUN_PROCESSES_MAX];
    int count = 0, code;
    run_open(&place);
    write_script(
        &place,
        "function(params, report)\n"
        "  for i = 1, 9 do if not report(i, params.x) then return end end\n"
        "end",
        "params = { x = space.uniform(0, 1) }, stop = { steps = 9 }, tune = { metric = "
        "'loss', mode = 'min', trials = 200, parallel = 1, stopper = { 'asha', grace = 1 } "
        "}");
    pid_t driver = run_start(&place, "run", place.script);
    while (!run_has_ended(driver, &code)) {
        int found = run_processes(&place, NULL, now);
        for (int i = 0; i < found; i++) {
            bool known = false;
            for (int j = 0; j < count; j++) {
                known |= seen[j] == now[i];
            }
            if (!known && count < MOST) {
                seen[count++] = now[i];
            }
        }
    }
    run_expect_code(&place, code, 0);
    assert_true(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'stopped'") > 100);
    assert_in_range(count, 2,
                    12); /* the driver, a guard, the function's; a few on a busy machine */
    run_check_rows(&place, true);
    run_check_clean(&place);
    run_close(&place);
}

/* No number, another metric only, no number any more: failed trials that say so. */
static void test_no_result(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_script(&place,
                 "function(params, report)\n"
                 "  if params.x == 1 then return 0 / 0 end\n"
                 "  if params.x == 2 then report(1, { acc = 3 }) return end\n"
                 "  if params.x == 3 then report(1, 2) return 0 / 0 end\n"
                 "  return params.x\n"
                 "end",
                 "params = { x = space.grid{ 1, 2, 3, 4 } }, tune = { metric = 'loss', mode = "
                 "'min', trials = 4, max_failed = 4, sampler = 'grid', parallel = 1 }");
    run_expect_code(&place, run_command(&place, "run", place.script), 0);
    expect_sql(&place, "SELECT state, reason FROM trials ORDER BY id",
               "failed|'loss' is not a finite number at step 0\n"
               "failed|it never reported 'loss'; it reported: acc\n"
               "failed|'loss' is not a finite number at step 1\n"
               "completed|the function returned\n");
    run_close(&place);
}

/* One that says nothing is killed and tried again; others, also later ones, don't notice. The same
 * by --set, of a function on its own. */
static void check_hung(const char *before, const char *after, const char *set) {
    run_place place;
    rlt_buf function = {0};
    run_open(&place);
    rlt_buf_printf(&function,
                   "%sfunction(params, report)\n"
                   "  report(1, params.x)\n"
                   "  while params.x == 2 do end\n"
                   "  return params.x\n"
                   "end%s",
                   before, after);
    write_script(&place, function.data,
                 "params = { x = space.grid{ 1, 2, 3, 4 } }, tune = { metric = 'loss', mode = "
                 "'min', trials = 4, max_failed = 1, max_retries = 1, sampler = 'grid' }");
    run_expect_code(&place, run_command(&place, "run", place.script, "--set", set), 0);
    run_check_rows(&place, true);
    expect_sql(&place,
               "SELECT state, attempt, reason LIKE '%no report and no output for 0.4 s "
               "(objective.silence_s)%' FROM trials ORDER BY number",
               "completed|1|0\nfailed|2|1\ncompleted|1|0\ncompleted|1|0\n");
    run_check_clean(&place);
    rlt_buf_fini(&function);
    run_close(&place);
}

static void test_hung(void **state) {
    (void)state;
    check_hung("{ 'function', call = ", ", silence_s = 0.4 }", "tune.parallel=2");
    check_hung("", "", "objective.silence_s=0.4");
}

/* One that does not do what report told it is killed after grace_s, and is stopped, not failed. */
static void test_grace(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_script(&place,
                 "{ 'function', grace_s = 0.2, call = function(params, report)\n"
                 "  report(1, params.x)\n"
                 "  while params.x == 2 do report(2, 2) end\n"
                 "  report(10, params.x)\n"
                 "end }",
                 "params = { x = space.grid{ 1, 2 } }, stop = { steps = 10 }, tune = { metric = "
                 "'loss', mode = 'min', trials = 2, sampler = 'grid', parallel = 1, stopper = { "
                 "'threshold', upper = 1.5, grace = 1 } }");
    run_expect_code(&place, run_command(&place, "run", place.script), 0);
    run_check_rows(&place, true);
    expect_sql(&place, "SELECT state, attempt FROM trials ORDER BY number",
               "completed|1\nstopped|1\n");
    run_check_clean(&place);
    run_close(&place);
}

/* More trials than the driver remembers, one of which is there from the beginning to the end; the
 * best one ended long ago. */
static void test_many(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_script(&place,
                 "function(params, report, trial)\n"
                 "  local n = 0\n"
                 "  while trial.number == 2 and n < 1.5e8 do n = n + 1 end\n"
                 "  if trial.number == 2 then report(1, 1e9) end\n"
                 "  if trial.number % 100 == 99 then error('every hundredth') end\n"
                 "  return math.abs(trial.number - 7) + params.x\n"
                 "end",
                 "params = { x = space.uniform(0, 1e-3) }, tune = { metric = 'loss', mode = 'min', "
                 "trials = 1500, parallel = 3, max_failed = 50, final = { seeds = 2 } }");
    run_expect_code(&place, run_command(&place, "run", place.script), 0);
    run_check_rows(&place, true);
    expect_sql(&place, "SELECT role, state, count(*) FROM trials GROUP BY 1, 2 ORDER BY 1, 2",
               "final|completed|2\nsearch|completed|1485\nsearch|failed|15\n");
    expect_sql(&place,
               "SELECT count(*) FROM trials f JOIN trials s ON s.params_json = f.params_json AND "
               "s.configuration = f.configuration WHERE f.role = 'final' AND s.role = 'search' AND "
               "s.number = 7",
               "2\n");
    run_check_clean(&place);
    run_close(&place);
}

/* A crash fails the trial that the process had, a kill has it tried again; nothing else is lost. */
static void test_crash(void **state) {
    (void)state;
    static const int signals[] = {SIGABRT, SIGKILL};
    static const char *const expected[] = {
        "completed|1|3\nfailed|1|1\n",
        "completed|1|3\ncompleted|2|1\n",
    };
    for (size_t i = 0; i < RLT_COUNT(signals); i++) {
        run_place place;
        pid_t pids[RUN_PROCESSES_MAX];
        run_open(&place);
        write_script(&place,
                     "function(params, report, trial)\n"
                     "  if trial.number == 1 and not report(1, 5) then return end\n"
                     "  local n = 0\n"
                     "  while trial.number == 1 and n < 6e7 do n = n + 1 end\n"
                     "  return params.x\n"
                     "end",
                     "params = { x = space.uniform(0, 1) }, tune = { metric = 'loss', mode = "
                     "'min', trials = 4, parallel = 1, max_failed = 4 }");
        pid_t driver = run_start(&place, "run", place.script, "--quiet");
        run_await_sql(&place,
                      "SELECT count(*) FROM metrics m JOIN trials t ON t.id = m.trial WHERE "
                      "t.number = 1",
                      1, 30);
        int count = run_processes(&place, "function", pids);
        assert_int_equal(count, 1);
        kill(pids[0], signals[i]);
        run_expect_code(&place, run_wait(&place, driver, 60), 0);
        expect_sql(&place,
                   "SELECT state, attempt, count(*) FROM trials GROUP BY 1, 2 ORDER BY 1, 2",
                   expected[i]);
        run_check_clean(&place);
        run_close(&place);
    }
}

/* One that does not listen when it is asked to end is killed after a while; the others go on. */
static void test_deaf(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_script(&place,
                 "function(params, report)\n"
                 "  while params.x == 2 do end\n"
                 "  while params.x == 3 do if not report(2, 3) then return end end\n"
                 "  return params.x\n"
                 "end",
                 "params = { x = space.grid{ 1, 2, 3, 4 } }, stop = { wall_s = 0.3 }, tune = { "
                 "metric = 'loss', mode = 'min', trials = 4, parallel = 1, sampler = 'grid', "
                 "max_failed = 4 }");
    run_expect_code(&place, run_command(&place, "run", place.script), 0);
    expect_sql(&place, "SELECT state, attempt, reason, value FROM trials ORDER BY id",
               "completed|1|the function returned|1.0\n"
               "failed|1|it never reported 'loss'; it reported nothing|\n"
               "completed|1|stop.wall_s passed|3.0\n"
               "completed|1|the function returned|4.0\n");
    run_check_clean(&place);
    run_close(&place);
}

/* A whole trial ends at its last step, also where the function would go on: the same every time. */
static void test_ends_at_its_last_step(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_script(&place,
                 "function(params, report)\n"
                 "  for i = 1, params.x do report(i, i) end\n"
                 "  return -params.x\n"
                 "end",
                 "params = { x = space.grid{ 3, 5, 7, 1e9 } }, stop = { steps = 5 }, tune = { "
                 "metric = 'loss', mode = 'min', trials = 4, parallel = 1, sampler = 'grid' }");
    run_expect_code(&place, run_command(&place, "run", place.script), 0);
    expect_sql(&place,
               "SELECT state, reason, steps, value, (SELECT count(*) FROM metrics WHERE trial = "
               "t.id) FROM trials t ORDER BY id",
               "completed|the function returned|3|-3.0|3\n"
               "completed|stop.steps reached|5|-5.0|5\n"
               "completed|stop.steps reached|5|-7.0|5\n"
               "completed|stop.steps reached|5|5.0|5\n");
    run_check_clean(&place);
    run_close(&place);
}

static void refuse(const char *function, const char *part) {
    run_place place;
    run_open(&place);
    write_script(&place, function,
                 "params = { x = space.uniform(0, 1) }, tune = { mode = 'min', trials = 1 }");
    run_expect_code(&place, run_command(&place, "run", place.script, "--dry-run"), 3);
    run_expect_output(&place, part);
    run_close(&place);
}

static void test_refused(void **state) {
    (void)state;
    refuse("{ 'function' }", "objective.call: a function is needed");
    refuse("{ 'function', call = 3 }", "objective.call: a function is needed");
    refuse("{ 'function', silence_s = 3 }", "objective.call: a function is needed");
    refuse("{ 'function', call = function() end, silense_s = 3 }", "silence_s");
    refuse("{ 'function', call = function() end, argv = { 'a' } }", "argv");
    refuse("{ 'functoin', call = function() end }", "or a function is needed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_after_another),
        cmocka_unit_test(test_stopped_ones_keep_their_process),
        cmocka_unit_test(test_no_result),
        cmocka_unit_test(test_hung),
        cmocka_unit_test(test_grace),
        cmocka_unit_test(test_deaf),
        cmocka_unit_test(test_ends_at_its_last_step),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
