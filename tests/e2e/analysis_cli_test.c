/* rltune importance and compare through the real binary: the numbers of Optuna, rliable and SciPy
 * (tests/golden/importance.json) on the same trials; what must not change when A and B change
 * places; replicates; refusals. */
#include "tests/support/searches.h"

#include <stdlib.h>

static json_t *golden;

static void assert_near(double got, double expected, double tolerance, const char *what) {
    if (!(fabs(got - expected) <= tolerance * fmax(1, fabs(expected)))) {
        fail_msg("%s: %.12g, %.12g expected", what, got, expected);
    }
}

/* ---- importance ---- */

static json_t *space_of(const json_t *param) {
    const json_t *choices = json_object_get(param, "choices");
    if (choices != NULL) {
        json_t *values = json_array();
        for (json_int_t i = 0; i < json_integer_value(choices); i++) {
            json_array_append_new(values, json_sprintf("choice %d", (int)i));
        }
        return json_pack("{s:s, s:o}", "$space", "choice", "values", values);
    }
    bool logs = json_is_true(json_object_get(param, "log"));
    double step = json_number_value(json_object_get(param, "step"));
    const char *kind = logs && step > 0 ? "lograndint"
                       : logs           ? "loguniform"
                       : step == 1      ? "randint"
                       : step > 0       ? "quniform"
                                        : "uniform";
    json_t *space =
        json_pack("{s:s, s:O, s:O}", "$space", kind, "low", json_object_get(param, "low"), "high",
                  json_object_get(param, "high"));
    if (step > 0 && step != 1) {
        json_object_set_new(space, "step", json_real(step));
    }
    return space;
}

static char *params_of(const json_t *params, const json_t *row) {
    json_t *object = json_object();
    size_t j;
    json_t *param;
    json_array_foreach((json_t *)(uintptr_t)params, j, param) {
        json_t *value = json_array_get(row, j);
        char path[64];
        snprintf(path, sizeof path, "params.%s", json_string_value(json_object_get(param, "name")));
        if (json_object_get(param, "choices") != NULL) {
            json_object_set_new(object, path,
                                json_sprintf("choice %d", (int)json_number_value(value)));
        } else if (json_is_number(value)) {
            json_object_set(object, path, value);
        }
    }
    char *text = json_dumps(object, JSON_REAL_PRECISION(17));
    json_decref(object);
    return text;
}

static int64_t write_study(const json_t *study) {
    const json_t *params = searches_field(study, "params"), *x = searches_field(study, "x");
    json_t *spaces = json_object(), *param;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)params, i, param) {
        json_object_set_new(spaces, json_string_value(json_object_get(param, "name")),
                            space_of(param));
    }
    json_t *config = json_pack("{s:o}", "params", spaces);
    char *text = json_dumps(config, JSON_REAL_PRECISION(17));
    int64_t id = searches_experiment(json_string_value(searches_field(study, "name")), "loss",
                                     json_is_true(json_object_get(study, "maximise")), text);
    free(text);
    json_decref(config);
    json_t *value;
    json_array_foreach(searches_field(study, "values"), i, value) {
        char *made = params_of(params, json_array_get(x, i));
        searches_trial(
            id, &(made_trial){.number = (int)i,
                              .value = json_is_number(value) ? json_number_value(value) : NAN,
                              .params = made,
                              .configuration = (int64_t)i});
        free(made);
    }
    return id;
}

static const json_t *importance_of(const json_t *result, const char *name) {
    size_t i;
    json_t *entry;
    char path[64];
    snprintf(path, sizeof path, "params.%s", name);
    json_array_foreach(searches_field(result, "importances"), i, entry) {
        if (strcmp(json_string_value(searches_field(entry, "param")), path) == 0) {
            return entry;
        }
    }
    fail_msg("no importance of %s", path);
    return NULL;
}

static void check_study(const json_t *study, int64_t id) {
    char args[64];
    snprintf(args, sizeof args, "importance %lld", (long long)id);
    json_t *ped = searches_json(args);
    snprintf(args, sizeof args, "importance %lld --method fanova", (long long)id);
    json_t *fanova = searches_json(args), *param;
    const json_t *theirs = json_array_get(searches_field(study, "ped"), 0);
    const json_t *low = searches_field(searches_field(study, "fanova"), "low");
    const json_t *high = searches_field(searches_field(study, "fanova"), "high");
    size_t j;
    json_array_foreach(searches_field(study, "params"), j, param) {
        const char *name = json_string_value(searches_field(param, "name"));
        assert_near(searches_number(importance_of(ped, name), "raw"),
                    json_number_value(json_array_get(searches_field(theirs, "raw"), j)), 1e-9,
                    name);
        const json_t *entry = importance_of(fanova, name);
        bool has = json_is_number(json_array_get(low, j));
        assert_int_equal(json_is_true(searches_field(entry, "left_out")), !has);
        if (has) { /* one forest of ours among those of theirs */
            double least = json_number_value(json_array_get(low, j)),
                   most = json_number_value(json_array_get(high, j)),
                   room = 2 * (most - least) + 0.01, raw = searches_number(entry, "raw");
            assert_true(raw >= least - room && raw <= most + room);
        }
    }
    json_decref(ped);
    json_decref(fanova);
}

static void test_importance_is_optunas(void **state) {
    (void)state;
    size_t i;
    json_t *study;
    int64_t ids[16];
    searches_begin();
    json_array_foreach(searches_field(golden, "studies"), i, study) {
        ids[i] = write_study(study);
    }
    searches_end();
    json_array_foreach(searches_field(golden, "studies"), i, study) {
        check_study(study, ids[i]);
    }
    EXPECT("importance mixed", 0, "importance for loss of mixed", "150 trials",
           "for reaching the best tenth of the trials (PED-ANOVA)", "params.lr");
    EXPECT("importance few", 0, "8 trials are few: take the order as a hint");
    EXPECT("importance conditional --method fanova", 0, "params.momentum    left out",
           "1 left out: not every trial has them; --method ped_anova can use them");
}

/* ---- compare ---- */

static int64_t write_finals(const char *name, const json_t *values, bool maximise) {
    int64_t id = searches_experiment(name, "score", maximise, "{}");
    searches_trial(id, &(made_trial){.value = 1, .params = "{}"});
    size_t i;
    json_t *value;
    json_array_foreach((json_t *)(uintptr_t)values, i, value) {
        searches_trial(id, &(made_trial){.role = "final",
                                         .number = (int)i,
                                         .value = json_number_value(value),
                                         .params = "{}"});
    }
    return id;
}

static void check_interval(const json_t *got, const json_t *expected, const char *what) {
    double low = json_number_value(json_array_get(expected, 0)),
           high = json_number_value(json_array_get(expected, 1));
    /* both are drawn at random */
    double room = 0.12 * (high - low) + 1e-12;
    if (fabs(searches_number(got, "low") - low) > room ||
        fabs(searches_number(got, "high") - high) > room) {
        fail_msg("%s: %g to %g, %g to %g expected", what, searches_number(got, "low"),
                 searches_number(got, "high"), low, high);
    }
}

static void check_pair(const json_t *pair, int64_t a, int64_t b) {
    char args[64];
    snprintf(args, sizeof args, "compare %lld %lld", (long long)a, (long long)b);
    json_t *result = searches_json(args);
    const json_t *iqm = searches_field(pair, "iqm");
    const json_t *of_a = searches_field(searches_field(result, "a"), "iqm");
    const json_t *of_b = searches_field(searches_field(result, "b"), "iqm");
    assert_string_equal(json_string_value(searches_field(result, "compared")), "final");
    assert_near(searches_number(of_a, "value"), json_number_value(json_array_get(iqm, 0)), 1e-12,
                "IQM of A");
    assert_near(searches_number(of_b, "value"), json_number_value(json_array_get(iqm, 1)), 1e-12,
                "IQM of B");
    check_interval(of_a, searches_field(pair, "iqm_x_interval"), "IQM of A");
    const json_t *improvement = searches_field(result, "improvement");
    assert_near(searches_number(improvement, "value"), searches_number(pair, "improvement"), 1e-12,
                "improvement");
    check_interval(improvement, searches_field(pair, "improvement_interval"), "improvement");
    const json_t *ranks = searches_field(result, "mann_whitney");
    assert_near(searches_number(ranks, "u"), searches_number(pair, "u"), 1e-12, "U");
    assert_near(searches_number(ranks, "p"), searches_number(pair, "mw_p"), 1e-10, "p of ranks");
    const json_t *welch = searches_field(result, "welch");
    assert_near(searches_number(welch, "t"), searches_number(pair, "t"), 1e-9, "t");
    assert_near(searches_number(welch, "freedom"), searches_number(pair, "freedom"), 1e-9,
                "freedom");
    assert_near(searches_number(welch, "p"), searches_number(pair, "welch_p"), 1e-9, "p of means");
    json_decref(result);
}

/* B and A in place of A and B say the same thing. */
static void check_swapped(int64_t a, int64_t b) {
    char args[64], swapped[64];
    snprintf(args, sizeof args, "compare %lld %lld", (long long)a, (long long)b);
    snprintf(swapped, sizeof swapped, "compare %lld %lld", (long long)b, (long long)a);
    json_t *one = searches_json(args), *other = searches_json(swapped);
    const json_t *ranks = searches_field(one, "mann_whitney"),
                 *back = searches_field(other, "mann_whitney");
    double n = searches_number(searches_field(one, "a"), "n") *
               searches_number(searches_field(one, "b"), "n");
    assert_near(searches_number(ranks, "u") + searches_number(back, "u"), n, 1e-12, "U");
    assert_near(searches_number(ranks, "p"), searches_number(back, "p"), 1e-12, "p");
    assert_near(searches_number(searches_field(one, "improvement"), "value") +
                    searches_number(searches_field(other, "improvement"), "value"),
                1, 1e-12, "improvement");
    assert_near(searches_number(searches_field(one, "welch"), "difference"),
                -searches_number(searches_field(other, "welch"), "difference"), 1e-12, "means");
    assert_string_equal(json_string_value(searches_field(one, "certainty")),
                        json_string_value(searches_field(other, "certainty")));
    const json_t *better = searches_field(one, "better"), *worse = searches_field(other, "better");
    assert_int_equal(json_is_null(better), json_is_null(worse));
    if (json_is_string(better)) {
        assert_string_not_equal(json_string_value(better), json_string_value(worse));
    }
    json_decref(one);
    json_decref(other);
}

static void test_comparisons_are_rliables_and_scipys(void **state) {
    (void)state;
    size_t i;
    json_t *pair;
    int64_t ids[16][3];
    searches_begin();
    json_array_foreach(searches_field(golden, "pairs"), i, pair) {
        ids[i][0] = write_finals("x", searches_field(pair, "x"), true);
        ids[i][1] = write_finals("y", searches_field(pair, "y"), true);
        ids[i][2] = write_finals("less is more", searches_field(pair, "y"), false);
    }
    searches_end();
    json_array_foreach(searches_field(golden, "pairs"), i, pair) {
        char args[96];
        check_pair(pair, ids[i][0], ids[i][1]);
        check_swapped(ids[i][0], ids[i][1]);
        snprintf(args, sizeof args, "compare %lld %lld --mode min", (long long)ids[i][0],
                 (long long)ids[i][2]);
        json_t *least = searches_json(args);
        assert_near(searches_number(searches_field(least, "improvement"), "value"),
                    1 - searches_number(pair, "improvement"), 1e-12, "improvement downwards");
        json_decref(least);
        snprintf(args, sizeof args, "compare %lld %lld", (long long)ids[i][0],
                 (long long)ids[i][2]);
        EXPECT(args, 2, "say which is better: --mode max or min");
    }
}

static void test_the_same_is_no_different(void **state) {
    (void)state;
    size_t i;
    json_t *pair;
    searches_begin();
    int64_t first = 0, id = 0;
    json_array_foreach(searches_field(golden, "pairs"), i, pair) {
        id = write_finals("same", searches_field(pair, "x"), i % 2);
        first = i == 0 ? id : first;
    }
    searches_end();
    for (; first <= id; first++) {
        char args[64];
        snprintf(args, sizeof args, "compare %lld %lld", (long long)first, (long long)first);
        json_t *result = searches_json(args);
        assert_true(json_is_null(searches_field(result, "better")));
        assert_string_equal(json_string_value(searches_field(result, "certainty")),
                            "no clear difference");
        assert_true(searches_number(searches_field(result, "improvement"), "value") == 0.5);
        assert_true(searches_number(searches_field(result, "mann_whitney"), "p") == 1);
        assert_true(searches_number(searches_field(result, "welch"), "difference") == 0);
        json_decref(result);
        EXPECT(args, 0, "No clear difference between A and B: they are the same.");
    }
}

/* ---- replicates ---- */

/* Four configurations with three seeds each; the fourth has the luckiest run, the second the best
 * interquartile mean. Two more are no best one: a replicate of the fifth failed, the sixth was
 * tried once. */
static int64_t write_replicates(const char *aggregate) {
    static const double values[4][3] = {{1, 2, 3}, {7, 8, 9}, {4, 5, 6}, {0, 1, 20}};
    char config[160];
    snprintf(config, sizeof config,
             "{\"params\": {\"x\": {\"$space\": \"uniform\", \"low\": 0, \"high\": 1}}, "
             "\"tune\": {\"aggregate\": \"%s\"}}",
             aggregate);
    int64_t id = searches_experiment(aggregate, "score", true, config);
    for (int i = 0; i < 12; i++) {
        char params[64];
        snprintf(params, sizeof params, "{\"params.x\": %g}", 0.25 * (i % 4));
        searches_trial(id, &(made_trial){.number = i,
                                         .value = values[i % 4][i / 4],
                                         .params = params,
                                         .configuration = i % 4,
                                         .replicate = i / 4});
    }
    for (int i = 12; i < 15; i++) {
        searches_trial(id, &(made_trial){.number = i,
                                         .state = i == 13 ? "failed" : "completed",
                                         .value = i == 13 ? NAN : 100,
                                         .params = "{\"params.x\": 1}",
                                         .configuration = i < 14 ? 12 : 14,
                                         .replicate = i % 2});
    }
    return id;
}

static void test_replicates_are_one_configuration(void **state) {
    (void)state;
    searches_begin();
    int64_t id = write_replicates("iqm");
    write_replicates("worst");
    searches_end();
    char args[96];
    snprintf(args, sizeof args, "importance %lld", (long long)id);
    json_t *result = searches_json(args);
    assert_true(searches_number(result, "configurations") == 5);
    assert_true(searches_number(result, "trials") == 13);
    json_decref(result);
    EXPECT(args, 0, "5 configurations (13 trials)", "5 configurations are few");
    snprintf(args, sizeof args, "plot %lld --kind history", (long long)id);
    result = searches_json(args);
    json_t *line = json_array_get(searches_field(result, "series"), 1);
    json_t *points = searches_field(line, "points");
    assert_string_equal(json_string_value(searches_field(line, "label")), "best so far");
    static const double best[5][2] = {{0, 2}, {1, 8}, {2, 8}, {3, 8}, {14, 8}};
    assert_int_equal(json_array_size(points), 5);
    for (size_t i = 0; i < 5; i++) {
        const json_t *point = json_array_get(points, i);
        assert_true(json_number_value(json_array_get(point, 0)) == best[i][0]);
        assert_near(json_number_value(json_array_get(point, 1)), best[i][1], 1e-12, "best so far");
    }
    json_decref(result);
    EXPECT("plot worst --kind history", 0, "score (worst of replicates)");
    result = searches_json("plot worst --kind history");
    points = searches_field(json_array_get(searches_field(result, "series"), 0), "points");
    assert_true(json_number_value(json_array_get(json_array_get(points, 3), 1)) == 0);
    json_decref(result);
    snprintf(args, sizeof args, "compare %lld %lld", (long long)id, (long long)id);
    result = searches_json(args);
    assert_string_equal(json_string_value(searches_field(result, "compared")), "best");
    assert_true(searches_number(searches_field(result, "a"), "mean") == 8);
    json_decref(result);
    snprintf(args, sizeof args, "compare %lld:0 %lld:1", (long long)id, (long long)id);
    result = searches_json(args);
    assert_string_equal(json_string_value(searches_field(result, "compared")), "seeds");
    assert_true(searches_number(searches_field(result, "a"), "mean") == 2);
    assert_true(searches_number(searches_field(result, "b"), "mean") == 8);
    json_decref(result);
    EXPECT(args, 0, "trials with the same parameters", "p = 0.1 (exact)",
           "3 and 3 runs cannot give a p below 0.1");
}

/* ---- differences ---- */

static void test_differences_of_configurations(void **state) {
    (void)state;
    static const char *const configs[2] = {
        "{\"name\": \"a\", \"ppo\": {\"lr\": {\"$space\": \"loguniform\", \"low\": 0.001, "
        "\"high\": 0.1}, \"clip\": 0.2, \"epochs\": 3, \"gone\": true}, \"stop\": {\"steps\": 10}}",
        "{\"name\": \"b\", \"ppo\": {\"lr\": 0.01, \"clip\": {\"$function\": \"ppo.clip\"}, "
        "\"epochs\": 3.0}, \"stop\": {\"steps\": 10, \"wall_s\": \"\\u001b[31m\"}}"};
    searches_begin();
    for (int i = 0; i < 2; i++) {
        int64_t id = searches_experiment(i == 0 ? "a" : "b", "score", true, configs[i]);
        for (int k = 0; k < 3; k++) {
            searches_trial(
                id, &(made_trial){.number = k, .value = k, .params = "{}", .configuration = k});
        }
    }
    searches_end();
    EXPECT("compare a b --what search", 0, "differ in", "ppo.lr       loguniform 0.001 0.1  0.01",
           "ppo.clip     0.2                   a function", "ppo.gone     true", "stop.wall_s  -");
    json_t *result = searches_json("compare a b --what search"), *entry;
    const json_t *list = searches_field(result, "differences");
    static const char *const fields[] = {"ppo.lr", "ppo.clip", "ppo.gone", "stop.wall_s"};
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)list, i, entry) {
        assert_string_equal(json_string_value(searches_field(entry, "field")), fields[i]);
    }
    assert_int_equal(i, 4);
    assert_true(json_is_null(searches_field(json_array_get(list, 3), "a")));
    json_decref(result);
    result = searches_json("compare a a --what search");
    assert_int_equal(json_array_size(searches_field(result, "differences")), 0);
    json_decref(result);
}

/* ---- refusals ---- */

static void test_refusals(void **state) {
    (void)state;
    searches_begin();
    int64_t one = searches_experiment("lone", "score", true, "{}");
    searches_trial(one, &(made_trial){.value = 3, .params = "{\"params.x\": 1}"});
    searches_experiment("nothing", "score", true, "{}");
    searches_experiment("aimless", "", true, "{}");
    int64_t other = searches_experiment("other", "loss", false, "{}");
    searches_trial(other, &(made_trial){.value = 3, .params = "{\"params.x\": 1}"});
    searches_end();
    EXPECT("importance lone", 2, "no parameter of these trials has more than one possible value");
    EXPECT("importance nothing", 4, "has no completed trial with a value of 'score'");
    EXPECT("importance aimless", 4, "has no objective; name a metric of it: --metric NAME");
    EXPECT("importance lone --method pedanova", 2, "did you mean 'ped_anova'");
    EXPECT("compare lone nothing", 4, "nothing (experiment", "has no completed trial");
    EXPECT("compare lone lone", 4, "there is one run of lone", "(--what search)");
    EXPECT("compare lone:0 lone:0", 4, "train more seeds of these parameters (tune.seeds)");
    EXPECT("compare lone lone:0", 2, "compare two experiments or two trials");
    EXPECT("compare lone:0 lone:0 --what search", 2, "--what is about experiments");
    EXPECT("compare lone other", 2, "lone is tuned for 'score' and other for 'loss'");
    EXPECT("compare lone lonely", 4, "did you mean 'lone'");
    EXPECT("compare lone", 2, "usage: rltune compare A B");
    EXPECT("compare --help", 0, "rltune compare 3:0 3:7");
    EXPECT("importance --help", 0, "--method ped_anova|fanova");
}

static int set_up(void **state) {
    (void)state;
    searches_set_up();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    searches_tear_down();
    return 0;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_importance_is_optunas),         TEST(test_comparisons_are_rliables_and_scipys),
        TEST(test_the_same_is_no_different),      TEST(test_replicates_are_one_configuration),
        TEST(test_differences_of_configurations), TEST(test_refusals),
    };
    json_error_t error;
    golden = json_load_file("tests/golden/importance.json", 0, &error);
    assert_non_null(golden);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(golden);
    return failed;
}
