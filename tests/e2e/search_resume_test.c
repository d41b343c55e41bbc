/* A search whose sampler learns, its driver killed again and again: the same trials with the same
 * results as of one that nobody disturbed (I3). */
#include "tests/support/run.h"

#include <signal.h>

enum { DEADLINE_S = 60 };

static const char search[] =
    "return { name = 'search', env = 'CartPole-v1', device = 'cpu', seed = 3, threads = 1,\n"
    "  ppo = { lr = space.loguniform(1e-4, 1e-1), horizon = 32, epochs = space.randint(1, 4),\n"
    "    gamma = space.uniform(0.9, 0.999) },\n"
    "  model = { hidden = { 8 }, activation = space.choice{ 'tanh', 'relu' } },\n"
    "  stop = { steps = 1024 }, eval = { episodes = 2 },\n"
    "  tune = { trials = 14, parallel = 1, seed = 5,\n"
    "    sampler = { 'tpe', n_startup_trials = 4 } } }\n";

static const char trials[] = "SELECT number, state, steps, value, params_json FROM trials "
                             "WHERE role = 'search' ORDER BY number";

static pid_t start(run_place *place) {
    run_open(place);
    run_write_script(place, search);
    return run_start(place, "run", place->script, "--quiet");
}

static char *finish(run_place *place) {
    run_check_rows(place, true);
    run_check_clean(place);
    char *rows = run_sql_text(place, trials);
    run_close(place);
    return rows;
}

static void interrupted_search_asks_for_the_same_trials(void **state) {
    (void)state;
    static const char ended[] = "SELECT count(*) FROM trials WHERE state = 'completed'";
    run_place place;
    pid_t driver = start(&place);
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
    char *whole = finish(&place);
    driver = start(&place);
    for (int64_t kill_at = 3; kill_at <= 12; kill_at += 3) {
        run_await_sql(&place, ended, kill_at, DEADLINE_S);
        kill(driver, SIGKILL);
        run_wait(&place, driver, DEADLINE_S);
        driver = run_start(&place, "resume", "1", "--quiet");
    }
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
    char *pieces = finish(&place);
    run_assert_same(whole, pieces);
    free(whole);
    free(pieces);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interrupted_search_asks_for_the_same_trials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
