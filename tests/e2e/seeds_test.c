/* Searches with several seeds for each configuration through the real binary: rows, what is shown,
 * the race with its decisions, what is refused; killed and resumed, the same (I3). */
#include "tests/support/run.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>

enum { DEADLINE_S = 60 };

/* x squared, and noise that is a function of the seed and of x. */
#define NOISY                                                                                      \
    "function(p, report, trial)\n"                                                                 \
    "  local noise = (trial.seed * 7919 + p.x * 1e6 // 1) % 100 / 100\n"                           \
    "  return { loss = p.x ^ 2 + noise } end"

static void write_search(run_place *place, const char *function, const char *tune) {
    char text[1024];
    snprintf(text, sizeof text,
             "return { name = 'noisy', seed = 10, objective = %s,\n"
             "params = { x = space.uniform(-1, 1) },\n"
             "tune = { metric = 'loss', mode = 'min', parallel = 1, %s } }\n",
             function, tune);
    run_write_script(place, text);
}

static void expect_run(run_place *place, int code) {
    run_expect_code(place, run_command(place, "run", place->script), code);
}

static json_t *json_of(run_place *place, const char *command) {
    run_forget_output(place);
    run_expect_code(place, run_command(place, command, "last", "--json"), 0);
    char *text = run_output(place);
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    if (json == NULL) {
        fail_msg("%s in %s", error.text, text);
    }
    free(text);
    return json;
}

static double number_of(const json_t *json, const char *name) {
    return json_number_value(json_object_get(json, name));
}

/* ---- rows and reports ---- */

static void check_rows_of_replicates(const run_place *place, int64_t seeds) {
    assert_int_equal(run_sql_int(place, "SELECT count(*) FROM trials WHERE role = 'search' AND "
                                        "seed <> 10 + replicate"),
                     0);
    assert_int_equal(
        run_sql_int(place, "SELECT count(*) FROM (SELECT configuration, count(*) AS n, "
                           "max(replicate) AS last, count(DISTINCT params_json) AS kinds, "
                           "min(number) AS first FROM trials WHERE role = 'search' GROUP BY 1) "
                           "WHERE n <> last + 1 OR kinds <> 1 OR first <> configuration"),
        0);
    char most[120];
    snprintf(most, sizeof most,
             "SELECT count(*) FROM trials WHERE role = 'search' AND replicate >= %lld",
             (long long)seeds);
    assert_int_equal(run_sql_int(place, most), 0);
}

/* The means of the rows, the best one first in the list of the report. */
static void test_configurations_are_reported(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_search(&place, NOISY, "trials = 7, seeds = 3, final = { seeds = 2 }");
    expect_run(&place, 0);
    run_expect_output(&place, "3 for each of 7 configurations");
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE role = 'search'"), 21);
    check_rows_of_replicates(&place, 3);
    json_t *show = json_of(&place, "show"), *list = json_object_get(show, "configurations");
    assert_int_equal(json_array_size(list), 7);
    assert_int_equal(json_array_size(json_object_get(show, "trials")), 21);
    for (size_t i = 0; i < 7; i++) {
        const json_t *one = json_array_get(list, i), *values = json_object_get(one, "values");
        double mean = 0;
        for (size_t k = 0; k < 3; k++) {
            mean += json_number_value(json_array_get(values, k)) / 3;
        }
        assert_true(fabs(mean - number_of(one, "value")) < 1e-12);
        assert_true(number_of(one, "low") <= mean + 1e-9 && mean <= number_of(one, "high") + 1e-9);
        assert_true(i == 0 || number_of(json_array_get(list, i - 1), "value") <= mean);
    }
    const json_t *improvement = json_object_get(show, "improvement");
    assert_true(number_of(improvement, "best") ==
                number_of(json_array_get(list, 0), "configuration"));
    double p = number_of(improvement, "probability");
    assert_true(p >= 0 && p <= 1);
    char *best = run_sql_text(&place, "SELECT configuration, printf('%.9g', value) FROM "
                                      "configurations WHERE rank = 1");
    char text[80];
    snprintf(text, sizeof text, "%.0f|%.9g\n", number_of(json_array_get(list, 0), "configuration"),
             number_of(json_array_get(list, 0), "value"));
    run_assert_same(text, best);
    free(best);
    json_t *winner = json_of(&place, "best");
    assert_true(number_of(json_object_get(winner, "seeds"), "value") ==
                number_of(json_array_get(list, 0), "value"));
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE role = 'final' AND "
                                         "configuration = (SELECT configuration FROM "
                                         "configurations WHERE rank = 1) AND seed > 1000000"),
                     2);
    run_command(&place, "show", "last");
    run_expect_output(&place, "P(a seed of trial ");
    run_forget_output(&place);
    run_command(&place, "export", "last");
    run_expect_output(&place, "since,configuration,replicate,params.x");
    run_command(&place, "show", "last", "--trial", "4");
    run_expect_output(&place, "replicate 1 of trial 3");
    json_decref(show);
    json_decref(winner);
    run_check_rows(&place, true);
    run_close(&place);
}

/* ---- the race ---- */

static void test_a_race_saves_trials_and_says_why(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_search(&place, NOISY, "trials = 12, seeds = 8, race = true, sampler = 'sobol'");
    expect_run(&place, 0);
    check_rows_of_replicates(&place, 8);
    assert_true(run_sql_int(&place, "SELECT count(*) FROM trials") < 80);
    /* every configuration with fewer than 8 was dropped, the others never */
    assert_int_equal(
        run_sql_int(&place, "SELECT sum((n < 8) <> dropped) FROM (SELECT t.configuration, "
                            "count(DISTINCT t.id) AS n, count(d.id) AS dropped FROM trials t LEFT "
                            "JOIN decisions d ON d.trial = t.id AND d.decider = 'race' AND "
                            "d.action = 'drop' GROUP BY 1)"),
        0);
    assert_int_equal(run_sql_int(&place, "SELECT sum((json_extract(numbers_json, '$.p') < "
                                         "json_extract(numbers_json, '$.alpha')) <> (action = "
                                         "'drop')) FROM decisions WHERE decider = 'race' AND "
                                         "json_extract(numbers_json, '$.p') IS NOT NULL"),
                     0);
    char number[32];
    int64_t dropped = run_sql_int(&place, "SELECT t.number FROM decisions d JOIN trials t ON t.id "
                                          "= d.trial WHERE d.action = 'drop' LIMIT 1");
    snprintf(number, sizeof number, "%lld", (long long)dropped);
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "show", "last", "--trial", number, "--why"), 0);
    run_expect_output(&place, "raced at 0 steps: it gets no further seed: on ");
    run_expect_output(&place, "significantly worse by a paired t-test, p = ");
    /* the first trial, by which the configuration goes, tells it too */
    int64_t first =
        run_sql_int(&place, "SELECT min(s.number) FROM decisions d JOIN trials t ON t.id "
                            "= d.trial JOIN trials s ON s.configuration = "
                            "t.configuration WHERE d.action = 'drop' AND s.number < "
                            "t.number AND s.replicate = 0");
    snprintf(number, sizeof number, "%lld", (long long)first);
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "show", "last", "--trial", number, "--why"), 0);
    run_expect_output(&place, "raced at 0 steps of trial ");
    run_expect_output(&place, ": it gets no further seed: on ");
    run_check_rows(&place, true);
    run_close(&place);
}

/* ---- failures ---- */

static void test_a_failed_replicate_fails_its_configuration(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_search(&place,
                 "function(p, report, trial)\n"
                 "  if p.x < 0 and trial.seed == 11 then error('no luck') end\n"
                 "  return { loss = p.x } end",
                 "trials = 8, seeds = 3, max_failed = 8");
    expect_run(&place, 0);
    check_rows_of_replicates(&place, 3);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM configurations WHERE (failed = 1 "
                                         "AND seeds = 1 AND rank IS NULL) <> (mean < 0)"),
                     0);
    assert_true(run_sql_int(&place, "SELECT count(*) FROM configurations WHERE failed") > 0);
    json_t *show = json_of(&place, "show");
    const json_t *first = json_array_get(json_object_get(show, "configurations"), 0);
    assert_true(number_of(first, "value") > 0);
    json_decref(show);
    run_close(&place);
}

/* ---- refused ---- */

static void test_what_makes_no_sense_is_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"race = true", "tune.race: is between configurations with several seeds"},
        {"seeds = 2, race = true", "nothing is left to save"},
        {"seeds = 5, race = { test = 'wilcoxon' }", "never less than 0.0625"},
        {"seeds = 3, stopper = 'wilcoxon'", "give 5 seeds or more"},
        {"seeds = 9, race = true, stopper = 'wilcoxon'", "wilcoxon is a race by that test"},
        {"seeds = 0", "tune.seeds"},
        {"seeds = 3, aggregate = 'best'", "'iqm', 'mean', 'median', 'worst'"},
        {"seeds = 5, race = { begin = 2 }", "tune.race.begin"},
        {"seeds = 3, metrics = { 'loss', 'b' }", "tune.seeds: seeds of a configuration are"},
    };
    run_place place;
    run_open(&place);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_search(&place, NOISY, cases[i][0]);
        expect_run(&place, 3);
        run_expect_output(&place, cases[i][1]);
        run_forget_output(&place);
    }
    run_close(&place);
}

static void test_wilcoxon_is_a_race(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_search(&place, "function(p, report, trial) return { loss = p.x + trial.seed } end",
                 "trials = 6, seeds = 8, stopper = 'wilcoxon'");
    expect_run(&place, 0);
    assert_true(run_sql_int(&place, "SELECT count(*) FROM decisions WHERE decider = 'race' AND "
                                    "action = 'drop' AND reason LIKE '%signed-rank%'") > 0);
    run_close(&place);
}

/* ---- trainings ---- */

/* The learners get the seeds: equal seeds and parameters give equal results (retrained here by a
 * run of its own), and the stopper's trials cost one replicate. */
static void test_trainings_have_the_seeds(void **state) {
    (void)state;
    static const char search[] =
        "return { name = 'cart', env = 'CartPole-v1', device = 'cpu', seed = 3, threads = 1,\n"
        "  ppo = { lr = space.choice{ 1e-3, 1e-9 }, horizon = 32 }, model = { hidden = { 8 } },\n"
        "  stop = { steps = 4096 }, eval = { episodes = 5 },\n"
        "  tune = { metric = 'mean_return', trials = 5, parallel = 2, seeds = 2,\n"
        "    stopper = { 'asha', grace = 1024, reduction = 2 } } }\n";
    static const char single[] =
        "return { name = 'one', env = 'CartPole-v1', device = 'cpu', seed = 4, threads = 1,\n"
        "  ppo = { lr = 1e-3, horizon = 32 }, model = { hidden = { 8 } },\n"
        "  stop = { steps = 4096 }, eval = { episodes = 5 }, }\n";
    run_place place;
    run_open(&place);
    run_write_script(&place, search);
    expect_run(&place, 0);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE seed <> 3 + replicate"),
                     0);
    assert_int_equal(run_sql_int(&place, "SELECT count(DISTINCT configuration) FROM trials"), 5);
    /* a further replicate if and only if the first has completed, and never stopped */
    assert_int_equal(
        run_sql_int(&place, "SELECT count(*) FROM trials t WHERE replicate = 0 AND (state = "
                            "'completed') <> EXISTS (SELECT 1 FROM trials u WHERE u.configuration "
                            "= t.configuration AND u.replicate = 1 AND u.state = 'completed')"),
        0);
    assert_true(run_sql_int(&place, "SELECT count(*) FROM trials WHERE replicate = 1") > 0);
    run_check_rows(&place, true);
    run_write_script(&place, single);
    expect_run(&place, 0);
    assert_int_equal(
        run_sql_int(&place, "SELECT count(*) FROM metrics a JOIN metric_names n ON n.id = a.name "
                            "WHERE n.name = 'policy_loss' AND a.step = 4096 AND a.trial = (SELECT "
                            "max(id) FROM trials) AND a.value = (SELECT b.value FROM metrics b "
                            "WHERE b.name = a.name AND b.step = a.step AND b.trial IN (SELECT id "
                            "FROM trials WHERE experiment = 1 AND replicate = 1 AND params_json "
                            "LIKE '%0.001%') LIMIT 1)"),
        1);
    run_close(&place);
}

/* ---- killed ---- */

static const char trials[] = "SELECT number, configuration, replicate, seed, state, value, "
                             "params_json FROM trials ORDER BY role DESC, number";
static const char decisions[] =
    "SELECT t.number, d.action, d.reason, d.numbers_json FROM decisions "
    "d JOIN trials t ON t.id = d.trial ORDER BY t.number";
#define SLOW                                                                                       \
    "function(p, report, trial)\n"                                                                 \
    "  local s = 0 for i = 1, 300000 do s = s + i % 7 end\n"                                       \
    "  local noise = (trial.seed * 7919 + p.x * 1e6 // 1) % 100 / 100\n"                           \
    "  return { loss = p.x ^ 2 + noise } end"

static void run_killed(run_place *place, int64_t first, int64_t every, int times) {
    static const char ended[] = "SELECT count(*) FROM trials WHERE state = 'completed'";
    pid_t driver = run_start(place, "run", place->script, "--quiet");
    for (int i = 0; i < times; i++) {
        run_await_sql(place, ended, first + i * every, DEADLINE_S);
        kill(driver, SIGKILL);
        run_wait(place, driver, DEADLINE_S);
        driver = run_start(place, "resume", "1", "--quiet");
    }
    run_expect_code(place, run_wait(place, driver, DEADLINE_S), 0);
    run_check_rows(place, true);
}

static void test_killed_and_resumed_it_is_the_same(void **state) {
    (void)state;
    static const char tune[] = "trials = 14, seeds = 5, race = true, final = { seeds = 2 },\n"
                               "sampler = { 'tpe', n_startup_trials = 5 }";
    run_place place;
    run_open(&place);
    write_search(&place, SLOW, tune);
    expect_run(&place, 0);
    char *whole = run_sql_text(&place, trials), *why = run_sql_text(&place, decisions);
    run_close(&place);
    run_open(&place);
    write_search(&place, SLOW, tune);
    run_killed(&place, 3, 9, 4);
    char *pieces = run_sql_text(&place, trials), *reasons = run_sql_text(&place, decisions);
    run_assert_same(whole, pieces);
    run_assert_same(why, reasons);
    free(whole);
    free(why);
    free(pieces);
    free(reasons);
    run_close(&place);
}

static void test_killed_in_parallel_nothing_is_lost(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_search(&place, SLOW, "trials = 12, seeds = 4, race = true");
    char text[1200];
    snprintf(text, sizeof text,
             "return { name = 'noisy', seed = 10, objective = %s,\n"
             "params = { x = space.uniform(-1, 1) },\n"
             "tune = { metric = 'loss', mode = 'min', parallel = 3, trials = 12, seeds = 4,\n"
             "race = true } }\n",
             SLOW);
    run_write_script(&place, text);
    run_killed(&place, 2, 6, 4);
    check_rows_of_replicates(&place, 4);
    assert_int_equal(run_sql_int(&place, "SELECT count(DISTINCT configuration) FROM trials"), 12);
    assert_int_equal(
        run_sql_int(&place, "SELECT sum((n < 4) <> dropped) FROM (SELECT t.configuration, "
                            "count(DISTINCT t.id) AS n, count(d.id) AS dropped FROM trials t LEFT "
                            "JOIN decisions d ON d.trial = t.id AND d.action = 'drop' GROUP BY 1)"),
        0);
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configurations_are_reported),
        cmocka_unit_test(test_a_race_saves_trials_and_says_why),
        cmocka_unit_test(test_a_failed_replicate_fails_its_configuration),
        cmocka_unit_test(test_what_makes_no_sense_is_refused),
        cmocka_unit_test(test_wilcoxon_is_a_race),
        cmocka_unit_test(test_trainings_have_the_seeds),
        cmocka_unit_test(test_killed_and_resumed_it_is_the_same),
        cmocka_unit_test(test_killed_in_parallel_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
