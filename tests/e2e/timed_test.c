/* Stoppers that count seconds (time_attr = "time_total_s"), through the real binary: programs with
 * and without a checkpoint, functions, trainings, a population; a driver that is killed. How long
 * anything takes is up to the machine: programs sleep, so that they take at least as long as is
 * needed, and nothing is said about how much longer. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>

enum { DEADLINE_S = 90 };

/* Eight reports, 0.05 s before each, of a loss that does not change. With a checkpoint it goes on
 * where it was. */
static const char program[] =
    "return { name = 'timed', objective = { 'command', argv = { 'sh', '-c', "
    "'f=$RLTUNE_CHECKPOINT_DIR/i; i=0; test ! -e \"$f\" || i=$(cat \"$f\"); while test $i -lt 8; "
    "do sleep 0.05; i=$((i + 1)); test ! -d \"$RLTUNE_CHECKPOINT_DIR\" || echo $i > \"$f\"; echo "
    "step=$i loss=$1; done', 'x', '{x}' }, checkpoint = %s, metrics = { step = "
    "'step=([0-9]+)', loss = 'loss=([0-9.]+)' }, silence_s = 60 }, params = { x = space.grid{ 3, "
    "1, 4, 2 } }, tune = { metric = 'loss', mode = 'min', trials = 4, sampler = 'grid', "
    "max_retries = 1000, parallel = %d, stopper = { %s } } }";

static void open_program(run_place *place, bool checkpoint, int parallel, const char *stopper) {
    char text[sizeof program + 400];
    run_open(place);
    snprintf(text, sizeof text, program, checkpoint ? "true" : "false", parallel, stopper);
    run_write_script(place, text);
}

/* What led to each decision is a row: the time of the judged report, which is at or after its rung;
 * the sentence has it too. */
static void check_times(const run_place *place, bool begins_again) {
    assert_int_equal(
        run_sql_int(
            place, "SELECT count(*) FROM decisions WHERE json_extract(numbers_json, "
                   "'$.time_total_s') IS NULL AND json_extract(numbers_json, '$.missing') IS NULL"),
        0);
    assert_true(run_sql_int(place, "SELECT count(*) FROM decisions WHERE reason LIKE '%, after % "
                                   "s'") > 0);
    if (begins_again) { /* then its points are those of its last attempt */
        return;
    }
    /* the decision's ms are those of the report's row, rounded down */
    assert_int_equal(
        run_sql_int(place, "SELECT count(*) FROM decisions d JOIN metrics m ON m.trial = d.trial "
                           "AND m.step = d.step JOIN metric_names n ON n.id = m.name AND n.name = "
                           "'time_total_s' WHERE d.round = 0 AND m.value - "
                           "json_extract(d.numbers_json, '$.time_total_s') NOT BETWEEN -1e-6 AND "
                           "0.001"),
        0);
    /* it grows with the steps of a trial */
    assert_int_equal(
        run_sql_int(place,
                    "WITH t AS (SELECT m.trial, m.step, m.value, lag(m.value) OVER (PARTITION BY "
                    "m.trial ORDER BY m.step) AS before FROM metrics m JOIN metric_names n ON n.id "
                    "= m.name AND n.name = 'time_total_s') SELECT count(*) FROM t WHERE before > "
                    "value"),
        0);
}

/* No pause is part of it: at most what the attempts took together (2 ms: their rows are rounded).
 */
static void check_without_pauses(const run_place *place) {
    assert_int_equal(
        run_sql_int(place,
                    "WITH parts AS (SELECT trial, to_state, wall_ms, lead(wall_ms) OVER (PARTITION "
                    "BY trial ORDER BY id) AS until FROM transitions), took AS (SELECT trial, "
                    "sum(until - wall_ms) / 1000.0 + 0.002 * count(*) AS s FROM parts WHERE "
                    "to_state = 'running' GROUP BY trial) SELECT count(*) FROM took JOIN metrics m "
                    "ON m.trial = took.trial JOIN metric_names n ON n.id = m.name AND n.name = "
                    "'time_total_s' WHERE m.value > took.s"),
        0);
}

/* x = 1 goes through both rungs, x = 2 through the first. */
static void check_halved(const run_place *place, bool begins_again) {
    char *states = run_sql_text(place, "SELECT json_extract(params_json, '$.\"params.x\"'), state "
                                       "FROM trials ORDER BY 1");
    assert_string_equal(states, "1|completed\n2|stopped\n3|stopped\n4|stopped\n");
    free(states);
    assert_int_equal(
        run_sql_int(place, "SELECT count(*) FROM decisions WHERE json_extract(numbers_json, "
                           "'$.time_total_s') < CASE json_extract(numbers_json, '$.rung') WHEN 0 "
                           "THEN 0.1 ELSE 0.2 END"),
        0);
    check_times(place, begins_again);
    check_without_pauses(place);
}

static const char halving[] =
    "'sha', time_attr = 'time_total_s', grace_period = 0.1, reduction_factor = 2, max_t = 0.4";

static void programs_pause_after_seconds(void **state) {
    (void)state;
    run_place place;
    open_program(&place, false, 2, halving);
    run_expect_code(&place, run_command(&place, "run", place.script), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    check_halved(&place, true);
    /* one that begins again has no time yet */
    assert_true(run_sql_int(&place, "SELECT count(*) FROM trials WHERE attempt > 1") > 0);
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "show", "1", "--trial", "1", "--why"), 0);
    run_expect_output(&place, " s, ");
    run_expect_output(&place, "the cutoff of the best 2 of 4 trials at rung 0, after 0.");
    run_close(&place);
}

static void programs_with_a_checkpoint_go_on(void **state) {
    (void)state;
    run_place place;
    open_program(&place, true, 1, halving);
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_check_rows(&place, true);
    check_halved(&place, false);
    /* the winner paused, and went on with the time that it had: eight sleeps in all */
    assert_true(run_sql_int(&place, "SELECT count(*) FROM transitions WHERE to_state = 'paused'") >
                0);
    assert_int_equal(run_sql_int(&place,
                                 "SELECT max(m.value) >= 0.4 FROM metrics m JOIN metric_names n ON "
                                 "n.id = m.name AND n.name = 'time_total_s' JOIN trials t ON t.id "
                                 "= m.trial WHERE t.state = 'completed'"),
                     1);
    run_close(&place);
}

static const char decided[] = "SELECT trial, step, round, action, numbers_json, reason FROM "
                              "decisions ORDER BY trial, step, round";

static void check_kept(const run_place *place, char *before) {
    char *after = run_sql_text(place, decided);
    for (char *line = strtok(before, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_non_null(strstr(after, line));
    }
    free(after);
}

/* Killed after its n-th decision: those that are there stay, to the millisecond, and what follows
 * is decided as if nothing had been. */
static void a_killed_driver_decides_the_same(void **state) {
    (void)state;
    for (int kills = 1; kills <= 2; kills++) {
        run_place place;
        open_program(&place, kills % 2 == 0, 2, halving);
        pid_t driver = run_start(&place, "run", place.script, "--quiet");
        run_await_sql(&place, "SELECT count(*) FROM decisions", kills, DEADLINE_S);
        kill(driver, SIGKILL);
        run_wait(&place, driver, DEADLINE_S);
        char *before = run_sql_text(&place, decided);
        driver = run_start(&place, "resume", "1", "--quiet");
        run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
        run_check_rows(&place, true);
        check_halved(&place, true);
        check_kept(&place, before);
        free(before);
        run_close(&place);
    }
}

static void whole_trials_end_at_max_t(void **state) {
    (void)state;
    run_place place;
    open_program(&place, false, 2,
                 "'ASHAScheduler', time_attr = 'time_total_s', grace_period = 0.1, "
                 "reduction_factor = 4, max_t = 0.25");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_check_rows(&place, true);
    check_times(&place, false);
    /* x = 3 comes first, and 1 is better than whatever is there: both run whole */
    assert_int_equal(run_sql_int(&place,
                                 "SELECT count(*) FROM trials WHERE json_extract(params_json, "
                                 "'$.\"params.x\"') = 1 AND state = 'completed' AND reason = "
                                 "'tune.stopper.max_steps reached' AND steps < 8"),
                     1);
    run_close(&place);
}

/* A loop that takes long enough for the first rung at any rate. */
static void functions(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    run_write_script(
        &place,
        "return { name = 'f', objective = function(p, report) for i = 1, 300 do local s = 0; for j "
        "= 1, 2000 do s = s + j end; report(i, { loss = p.x }) end end, params = { x = space.grid{ "
        "3, 1, 4, 2 } }, tune = { metric = 'loss', mode = 'min', trials = 4, sampler = 'grid', "
        "parallel = 2, stopper = { 'asha', time_attr = 'seconds', grace = 0.001, max_t = 600 } } "
        "}");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_check_rows(&place, true);
    check_times(&place, false);
    assert_true(run_sql_int(&place, "SELECT count(*) FROM decisions WHERE json_extract("
                                    "numbers_json, '$.rung') >= 0") >= 4);
    run_close(&place);
}

static const char training[] =
    "return { name = 't', env = 'CartPole-v1', device = 'cpu', seed = 1, threads = 1, ppo = { lr = "
    "space.loguniform(1e-4, 1e-2), horizon = 32 }, envs_per_worker = 4, model = { hidden = { 16 } "
    "}, stop = { steps = 100000000%s }, eval = { episodes = 1 }, tune = { metric = 'mean_return', "
    "trials = 4, parallel = 2, sampler = 'random', stopper = { %s } } }";

static void open_training(run_place *place, const char *stop, const char *stopper) {
    char text[sizeof training + 300];
    run_open(place);
    snprintf(text, sizeof text, training, stop, stopper);
    run_write_script(place, text);
}

#define TRAINING_SHA                                                                               \
    "'sha', time_attr = 'time_total_s', grace = 0.1, reduction = 2, max_t = 0.4, "                 \
    "stop_last_trials = true"

/* As many go on as by steps; who does is up to how fast they are. */
static void trainings_pause_and_end_after_seconds(void **state) {
    (void)state;
    run_place place;
    open_training(&place, "", TRAINING_SHA);
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    check_times(&place, false);
    check_without_pauses(&place);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'stopped'"), 3);
    assert_int_equal(
        run_sql_int(&place, "SELECT count(*) FROM trials t WHERE state = 'completed' AND reason = "
                            "'tune.stopper.max_steps reached' AND (SELECT max(m.value) FROM "
                            "metrics m JOIN metric_names n ON n.id = m.name AND n.name = "
                            "'time_total_s' WHERE m.trial = t.id) >= 0.4"),
        1);
    /* nobody is asked before its time */
    assert_int_equal(
        run_sql_int(&place, "SELECT count(*) FROM decisions WHERE json_extract(numbers_json, "
                            "'$.time_total_s') < CASE json_extract(numbers_json, '$.rung') WHEN 0 "
                            "THEN 0.1 ELSE 0.2 END"),
        0);
    run_close(&place);
}

/* Whoever runs a trial: the time is that of its process alone. */
static void processes_that_joined(void **state) {
    (void)state;
    for (int trains = 0; trains < 2; trains++) {
        run_place place;
        if (trains != 0) {
            open_training(&place, "", TRAINING_SHA);
        } else {
            open_program(&place, true, 1, halving);
        }
        pid_t driver = run_start(&place, "run", place.script, "--quiet");
        pid_t joined = run_start_join(&place, "2");
        run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
        run_wait(&place, joined, DEADLINE_S);
        run_check_rows(&place, true);
        check_times(&place, false);
        check_without_pauses(&place);
        assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'stopped'"),
                         3);
        run_close(&place);
    }
}

/* What was lost with the driver counts for nothing: a trial goes on with the time of its
 * checkpoint, and nobody has less after it than before it. */
static void trainings_of_a_killed_driver_go_on(void **state) {
    (void)state;
    run_place place;
    open_training(&place, "", TRAINING_SHA);
    for (int kills = 1; kills <= 3; kills++) {
        pid_t driver = kills == 1 ? run_start(&place, "run", place.script, "--quiet")
                                  : run_start(&place, "resume", "1", "--quiet");
        run_await_sql(&place, "SELECT count(*) FROM decisions", 2 * kills - 1, DEADLINE_S);
        kill(driver, SIGKILL);
        run_wait(&place, driver, DEADLINE_S);
    }
    char *before = run_sql_text(&place, decided);
    run_expect_code(&place,
                    run_wait(&place, run_start(&place, "resume", "1", "--quiet"), DEADLINE_S), 0);
    run_check_rows(&place, true);
    check_times(&place, true);
    check_without_pauses(&place);
    check_kept(&place, before);
    free(before);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'stopped'"), 3);
    run_close(&place);
}

/* Programs that go on with what the table of mutations holds, which their search space does not; a
 * driver that is killed on the way knows it from rows. */
static void programs_change_into_their_mutations(void **state) {
    (void)state;
    run_place place;
    open_program(&place, true, 2,
                 "'PopulationBasedTraining', time_attr = 'time_total_s', perturbation_interval = "
                 "0.15, synch = true, quantile_fraction = 0.5, hyperparam_mutations = { x = { 10, "
                 "20 } }");
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    run_await_sql(&place, "SELECT count(*) FROM exploits", 1, DEADLINE_S);
    kill(driver, SIGKILL);
    run_wait(&place, driver, DEADLINE_S);
    char *before = run_sql_text(&place, decided);
    run_expect_code(&place,
                    run_wait(&place, run_start(&place, "resume", "1", "--quiet"), DEADLINE_S), 0);
    run_check_rows(&place, true);
    check_times(&place, true);
    check_kept(&place, before);
    free(before);
    assert_true(run_sql_int(&place, "SELECT count(*) FROM exploits") >= 2);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM exploits WHERE json_extract("
                                         "params_json, '$.\"params.x\"') NOT IN (10, 20)"),
                     0);
    /* the worst two of 1, 2, 3 and 4 */
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials t WHERE t.value < 10 AND "
                                         "json_extract(t.params_json, '$.\"params.x\"') IN (1, "
                                         "2)"),
                     2);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE value >= 10"), 2);
    run_close(&place);
}

/* Trials take turns every 0.1 s; all run for 0.4 s in all, however many attempts that were. */
static void a_population_is_compared_every_so_many_seconds(void **state) {
    (void)state;
    run_place place;
    open_training(&place, ", wall_s = 0.4",
                  "'pbt', time_attr = 'time_total_s', perturbation_interval = 0.1, synch = true, "
                  "quantile_fraction = 0.5");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    check_times(&place, false);
    check_without_pauses(&place);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'completed' "
                                         "AND reason = 'stop.wall_s passed' AND attempt > 1"),
                     4);
    assert_true(run_sql_int(&place, "SELECT count(*) FROM exploits") > 0);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM decisions WHERE "
                                         "json_extract(numbers_json, '$.time_total_s') < 0.1"),
                     0);
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_pause_after_seconds),
        cmocka_unit_test(programs_with_a_checkpoint_go_on),
        cmocka_unit_test(a_killed_driver_decides_the_same),
        cmocka_unit_test(whole_trials_end_at_max_t),
        cmocka_unit_test(functions),
        cmocka_unit_test(trainings_pause_and_end_after_seconds),
        cmocka_unit_test(processes_that_joined),
        cmocka_unit_test(trainings_of_a_killed_driver_go_on),
        cmocka_unit_test(programs_change_into_their_mutations),
        cmocka_unit_test(a_population_is_compared_every_so_many_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
