/* Searches with several objectives and with constraints through the real binary: the Pareto front
 * in tables, JSON and SQL; what is refused before the first trial; killed and resumed, the same. */
#include "tests/support/run.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>

/* Two parabolas of x: between their minima, 0 and 2, nobody is better in both. */
static const char objective[] =
    "function(p, report) report(1, { a = p.x^2, b = (p.x - 2)^2, c = p.x - 1 }) end";

static void write_search(run_place *place, const char *function, const char *tune) {
    char text[1024];
    snprintf(text, sizeof text,
             "return { name = 'two', objective = %s, params = { x = space.uniform(-3, 5) },\n"
             "tune = { parallel = 1, %s } }\n",
             function, tune);
    run_write_script(place, text);
}

static void expect_run(run_place *place, int code) {
    run_expect_code(place, run_command(place, "run", place->script), code);
}

static json_t *json_of(run_place *place, const char *command) {
    run_forget_output(place);
    pid_t pid = strcmp(command, "ls") == 0 ? run_start(place, "ls", "--json")
                                           : run_start(place, command, "last", "--json");
    run_expect_code(place, run_wait(place, pid, 60), 0);
    char *text = run_output(place);
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    if (json == NULL) {
        fail_msg("%s in %s", error.text, text);
    }
    free(text);
    return json;
}

static double value_of(const json_t *trial, const char *name) {
    return json_number_value(json_object_get(json_object_get(trial, "values"), name));
}

/* By the definition, over all feasible trials. */
static bool is_dominated(const json_t *trials, const json_t *trial) {
    size_t i;
    json_t *other;
    json_array_foreach((json_t *)trials, i, other) {
        double da = value_of(other, "a") - value_of(trial, "a");
        double db = value_of(other, "b") - value_of(trial, "b");
        if (json_is_true(json_object_get(other, "feasible")) && da <= 0 && db <= 0 && da + db < 0) {
            return true;
        }
    }
    return false;
}

static void check_front(const char *sampler) {
    run_place place;
    char search[200];
    snprintf(search, sizeof search,
             "metrics = { 'a', 'b' }, directions = { 'minimize', 'min' }, constraints = { 'c' }, "
             "trials = 40, sampler = '%s'",
             sampler);
    run_open(&place);
    write_search(&place, objective, search);
    expect_run(&place, 0);
    run_check_rows(&place, true);
    json_t *all = json_of(&place, "show"), *best = json_of(&place, "best"), *trial;
    const json_t *trials = json_object_get(all, "trials");
    size_t i, on_front = 0;
    json_array_foreach((json_t *)trials, i, trial) {
        double x = json_number_value(json_object_get(json_object_get(trial, "params"), "params.x"));
        bool feasible = json_is_true(json_object_get(trial, "feasible"));
        bool first = json_integer_value(json_object_get(trial, "rank")) == 1;
        assert_true(fabs(value_of(trial, "a") - x * x) < 1e-12);
        assert_int_equal(feasible, x <= 1);
        assert_int_equal(first, feasible && !is_dominated(trials, trial));
        on_front += first;
    }
    assert_true(i == 40 && on_front >= 2);
    const json_t *front = json_object_get(all, "front");
    assert_int_equal(json_array_size(json_object_get(front, "trials")), on_front);
    assert_int_equal(json_array_size(json_object_get(best, "trials")), on_front);
    assert_int_equal(run_sql_int(&place, "SELECT count(DISTINCT trial) FROM pareto_front"),
                     on_front);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM leaderboard WHERE rank IS NOT NULL"),
                     0);
    /* the volume grows from entry to entry and ends at what is said */
    const json_t *history = json_object_get(front, "history");
    double last = 0;
    json_array_foreach((json_t *)history, i, trial) {
        double volume = json_number_value(json_array_get(trial, 1));
        assert_true(volume > last);
        last = volume;
    }
    assert_true(fabs(last - json_number_value(json_object_get(front, "hypervolume"))) < 1e-9);
    json_decref(all);
    json_decref(best);
    run_close(&place);
}

static void test_front(void **state) {
    (void)state;
    check_front("random");
    check_front("gp");
}

static void test_tables(void **state) {
    (void)state;
    run_place place;
    char number[32];
    run_open(&place);
    write_search(&place, objective,
                 "metrics = { 'a', 'b' }, mode = 'min', trials = 12, sampler = 'sobol'");
    expect_run(&place, 0);
    run_expect_output(&place, "metric    a (min), b (min)");
    run_expect_output(&place, "of 12 trials, hypervolume above the worst values (a ");
    run_command(&place, "ls");
    run_expect_output(&place, "front of ");
    run_command(&place, "best", "last");
    run_expect_output(&place, "Pareto front of experiment 1: ");
    run_expect_code(&place, run_command(&place, "best", "last", "--config"), 2);
    run_expect_output(&place, "name one of them with --trial N");
    char *text = run_sql_text(&place, "SELECT min(number) FROM pareto_front");
    snprintf(number, sizeof number, "%d", atoi(text));
    free(text);
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "best", "last", "--trial", number, "--config"), 0);
    run_expect_output(&place, "\"params\": {");
    run_forget_output(&place);
    run_command(&place, "export", "last");
    run_expect_output(&place, "best,a,b,steps");
    run_close(&place);
}

/* One objective: the best trial is the best one within its constraints. */
static void test_constraint(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_search(&place, objective,
                 "metric = 'b', mode = 'min', constraints = { 'c' }, trials = 30, sampler = "
                 "'random', goal = 0.5");
    expect_run(&place, 0); /* what reaches the goal is not feasible */
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials"), 30);
    assert_int_equal(
        run_sql_int(&place, "SELECT count(*) FROM trials t, leaderboard l WHERE l.trial = t.id AND "
                            "l.rank = 1 AND t.id = (SELECT u.id FROM trials u JOIN trial_params p "
                            "ON p.trial = u.id WHERE p.number <= 1 ORDER BY u.value LIMIT 1)"),
        1);
    json_t *best = json_of(&place, "best"), *list = json_of(&place, "ls");
    double value = json_number_value(json_object_get(best, "value"));
    assert_true(value >= 1);
    assert_true(json_number_value(json_object_get(json_array_get(list, 0), "best")) == value);
    json_decref(best);
    json_decref(list);
    run_close(&place);
}

static void test_missing_metrics(void **state) {
    (void)state;
    static const struct {
        const char *function, *reason;
    } cases[] = {
        {"function(p, report) report(1, { a = 1, c = 0 }) end", "it never reported 'b'"},
        {"function(p, report) report(1, { a = 1, b = 1 }) end", "it never reported 'c'"},
        {"function(p, report) report(3, { a = 1, b = 0 / 0, c = 0 }) end",
         "'b' is not a finite number at step 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run_place place;
        run_open(&place);
        write_search(&place, cases[i].function,
                     "metrics = { 'a', 'b' }, constraints = { 'c' }, trials = 1");
        run_command(&place, "run", place.script);
        char *text = run_sql_text(&place, "SELECT state, reason FROM trials");
        assert_non_null(strstr(text, "failed|"));
        assert_non_null(strstr(text, cases[i].reason));
        free(text);
        run_close(&place);
    }
}

static void test_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"metrics = { 'a', 'b' }, stopper = 'median'", "tune.stopper: trials with several metrics"},
        {"metrics = { 'a', 'b' }, goal = 3", "tune.goal: is the value of one metric"},
        {"metrics = { 'a', 'b' }, final = { seeds = 2 }", "tune.final.seeds: with several metrics"},
        {"metrics = { 'a', 'b' }, sampler = 'cmaes'", "tune.sampler: cmaes searches for the best"},
        {"metrics = { 'a', 'a' }", "tune.metrics: 'a' is given twice"},
        {"metrics = { 'a', 'b' }, directions = { 'min' }", "1 directions for 2 metrics"},
        {"metrics = { 'a', 'b' }, directions = { 'min', 'up' }", "'up' is not allowed"},
        {"metrics = { 'a', 'b' }, metric = 'c'", "metric names another one ('c')"},
        {"metrics = { 'a', 'b' }, mode = 'max', directions = { 'min', 'min' }",
         "says something else than mode"},
        {"metric = 'a', constraints = { 'c' }, sampler = 'cmaes'",
         "tune.sampler: cmaes knows nothing of constraints"},
        {"metric = 'a', constraints = { '' }", "tune.constraints: '' is no name of a metric"},
    };
    run_place place;
    run_open(&place);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char tune[300];
        snprintf(tune, sizeof tune, "%s, trials = 8", cases[i][0]);
        write_search(&place, objective, tune);
        expect_run(&place, 3);
        run_expect_output(&place, cases[i][1]);
        run_forget_output(&place);
    }
    run_close(&place);
}

/* A training reports its speed too: both are in the rows. */
static void test_training(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    run_write_script(&place,
                     "return { name = 't', env = 'CartPole-v1', ppo = { horizon = 32, epochs = 1, "
                     "lr = space.loguniform(1e-4, 1e-2) }, stop = { steps = 1024 }, eval = { "
                     "episodes = 2 }, tune = { metrics = { 'eval_return', 'entropy' }, constraints "
                     "= { 'policy_loss' }, trials = 3, parallel = 1 } }\n");
    expect_run(&place, 0);
    run_check_rows(&place, true);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trial_values WHERE value > 0"), 6);
    assert_int_equal(
        run_sql_int(&place, "SELECT count(*) FROM trial_constraints WHERE value IS NOT NULL"), 3);
    assert_int_equal(
        run_sql_int(&place, "SELECT count(*) FROM trials t JOIN trial_values v ON v.trial = t.id "
                            "AND v.position = 0 WHERE v.value = t.value"),
        3);
    run_close(&place);
}

/* Interrupted between two trials, it goes on as the uninterrupted one. */
static void search_to_the_end(run_place *place, const char *sampler, bool interrupted) {
    char tune[300];
    run_open(place);
    snprintf(
        tune, sizeof tune,
        "metrics = { 'a', 'b' }, mode = 'min', constraints = { 'c' }, trials = 40, sampler = %s",
        sampler);
    write_search(place,
                 "function(p, report) for i = 1, 300000 do end report(1, { a = p.x^2, b = (p.x - "
                 "2)^2, c = p.x - 1 }) end",
                 tune);
    if (interrupted) {
        pid_t pid = run_start(place, "run", place->script);
        run_await_sql(place, "SELECT count(*) FROM trials WHERE state = 'completed'", 15, 60);
        kill(pid, SIGKILL);
        run_wait(place, pid, 10);
        run_expect_code(place, run_command(place, "resume", "last"), 0);
    } else {
        expect_run(place, 0);
    }
}

static void check_resume(const char *sampler) {
    static const char sql[] =
        "SELECT t.number, t.params_json, (SELECT group_concat(v.value) FROM trial_values v WHERE "
        "v.trial = t.id), (SELECT group_concat(c.value) FROM trial_constraints c WHERE c.trial = "
        "t.id) FROM trials t ORDER BY t.number";
    run_place places[2];
    char *texts[2];
    for (int i = 0; i < 2; i++) {
        search_to_the_end(&places[i], sampler, i == 1);
        run_check_rows(&places[i], true);
        texts[i] = run_sql_text(&places[i], sql);
    }
    run_assert_same(texts[0], texts[1]);
    for (int i = 0; i < 2; i++) {
        free(texts[i]);
        run_close(&places[i]);
    }
}

static void test_resume(void **state) {
    (void)state;
    static const char *const samplers[] = {"'random'", "{ 'TPESampler', n_startup_trials = 10 }",
                                           "{ 'NSGAIISampler', population_size = 8 }",
                                           "{ 'nsga3', population_size = 8 }"};
    for (size_t i = 0; i < sizeof samplers / sizeof samplers[0]; i++) {
        check_resume(samplers[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_front),      cmocka_unit_test(test_tables),
        cmocka_unit_test(test_constraint), cmocka_unit_test(test_missing_metrics),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_training),
        cmocka_unit_test(test_resume),
    };
    return cmocka_run_group_tests_name("front", tests, NULL, NULL);
}
