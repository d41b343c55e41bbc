/* A program that counts on from its checkpoint reports other steps in its later attempts than in
 * its first one. A rung is decided on once, whatever attempt comes by, and the search can be
 * resumed as often as it is stopped or killed; also a database that has a row for every answer
 * given again. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>
#include <sqlite3.h>

enum { DEADLINE_S = 60 };

/* Attempts report steps 1 to 4, 5 and 6, 7 to 27, and wait for their end before the last. */
static const char script[] =
    "return { name = 'restarted', objective = { 'command', checkpoint = true, grace_s = 0.1,\n"
    "  metrics = { step = 'step=([0-9]+)', loss = 'loss=(.)' },\n"
    "  argv = { 'sh', '-c', 'f=$RLTUNE_CHECKPOINT_DIR/s; s=$(cat $f 2>/dev/null || echo 0); case "
    "$s in 0) to=4;; 4) to=6;; *) to=27;; esac; echo $to >$f; while [ $s -lt $to ]; do "
    "s=$((s+1)); echo step=$s loss=$1; done; test $to = 27 || sleep 1000', 'x', '{a}' } },\n"
    "  params = { a = space.grid{ 1 } }, stop = { steps = 27 },\n"
    "  tune = { metric = 'loss', mode = 'min', trials = 1, sampler = 'grid',\n"
    "    max_retries = 10, stopper = { 'asha', grace = 3, reduction = 3 } } }\n";

static const char reached[] = "SELECT max(step) FROM metrics WHERE trial = 1";

/* As releases before had them: a row for each answer, also for one given again. */
static void add_old_rows(const run_place *place) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(place->db, &db), SQLITE_OK);
    const char *sql = "INSERT OR IGNORE INTO decisions (trial, step, decider, round, action, "
                      "reason, numbers_json, wall_ms, after) SELECT trial, 5, decider, round, "
                      "action, reason, numbers_json, wall_ms, after FROM decisions WHERE step = 3 "
                      "AND trial = (SELECT id FROM trials WHERE number = 0)";
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void go_through(int number, bool old) {
    run_place place;
    run_open(&place);
    run_write_script(&place, script);
    pid_t driver = run_start(&place, "run", place.script);
    for (int step = 4; step <= 6; step += 2) {
        run_await_sql(&place, reached, step, DEADLINE_S);
        kill(driver, number);
        run_wait(&place, driver, DEADLINE_S);
        if (old) {
            add_old_rows(&place);
        }
        driver = run_start(&place, "resume", "1");
    }
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    const char *twice = "SELECT count(*) FROM (SELECT 1 FROM decisions WHERE step <> 5 GROUP BY "
                        "trial, json_extract(numbers_json, '$.rung') HAVING count(*) > 1)";
    assert_int_equal(run_sql_int(&place, twice), 0);
    run_close(&place);
}

static void test_asha(void **state) {
    (void)state;
    go_through(SIGKILL, false);
    go_through(SIGTERM, false);
}

static void test_old_rows(void **state) {
    (void)state;
    go_through(SIGKILL, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asha),
        cmocka_unit_test(test_old_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
