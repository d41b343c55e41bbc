/* A wall clock that jumps by days with every look: no deadline passes, no trial is tried again, and
 * a driver that is killed on the way is resumed to the same results, decisions of ASHA included. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>

enum { DEADLINE_S = 60 };

/* One trial at a time: what ASHA compares does not depend on who was faster. */
static const char script[] =
    "return { name = 'clock', env = 'CartPole-v1', device = 'cpu', seed = 8, threads = 1,\n"
    "  workers = 1, envs_per_worker = 4,\n"
    "  ppo = { lr = space.loguniform(1e-4, 1e-2), horizon = 32, minibatch = 64, epochs = 2 },\n"
    "  model = { hidden = { 16 } }, stop = { steps = 12800 },\n"
    "  eval = { every = 2560, episodes = 2 }, checkpoint = { every = 640 },\n"
    "  tune = { trials = 6, parallel = 1, max_retries = 0,\n"
    "           stopper = { 'asha', grace = 2560, reduction = 2 } } }\n";

static void jump(void) {
    setenv("LD_PRELOAD", RLT_JUMPING_CLOCK, 1);
}

static char *results_of(run_place *place, bool jumping) {
    void (*prepare)(void) = jumping ? jump : NULL;
    run_open(place);
    run_write_script(place, script);
    pid_t driver = run_start_with(place, prepare, "run", place->script, "--quiet", NULL);
    if (jumping) {
        run_await_sql(place, "SELECT count(*) FROM decisions", 2, DEADLINE_S);
        kill(driver, SIGKILL);
        run_wait(place, driver, DEADLINE_S);
        driver = run_start_with(place, prepare, "resume", "1", "--quiet", NULL);
    }
    run_expect_code(place, run_wait(place, driver, DEADLINE_S), 0);
    run_check_rows(place, true);
    run_check_clean(place);
    return run_results(place);
}

static void jumping_wall_clock_changes_no_result(void **state) {
    (void)state;
    run_place calm, jumping;
    char *expected = results_of(&calm, false), *results = results_of(&jumping, true);
    run_assert_same(expected, results);
    assert_int_equal(
        run_sql_int(&jumping, "SELECT count(*) FROM transitions WHERE reason LIKE 'retry%'"), 0);
    assert_true(run_sql_int(&jumping, "SELECT count(*) FROM transitions a JOIN transitions b ON "
                                      "b.id = a.id + 1 WHERE b.wall_ms < a.wall_ms") > 0);
    free(expected);
    free(results);
    run_close(&calm);
    run_close(&jumping);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jumping_wall_clock_changes_no_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
