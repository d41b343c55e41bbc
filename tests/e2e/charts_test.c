/* rltune plot --kind through the real binary: every kind on every kind of search, as text, SVG and
 * JSON; what the series say, recomputed here; refusals. */
#include "tests/support/pictures.h"
#include "tests/support/searches.h"

#include <stdlib.h>

static const char *const kinds[] = {"history", "importance", "slice", "contour", "parallel",
                                    "edf",     "timeline",   "rungs", "front",   "hypervolume"};
static rlt_err err;

/* ---- searches ---- */

static const char spaces[] =
    "{\"params\": {\"lr\": {\"$space\": \"loguniform\", \"low\": 1e-5, \"high\": 0.1},"
    "\"depth\": {\"$space\": \"randint\", \"low\": 1, \"high\": 8},"
    "\"act\": {\"$space\": \"choice\", \"values\": [\"relu\", \"<b>&\\u001b[31m\", [64, 64]]},"
    "\"momentum\": {\"$function\": \"params.momentum\"}}, \"tune\": {\"goal\": 2}}";
static const char *const acts[] = {"\"relu\"", "\"<b>&\\u001b[31m\"", "[64, 64]"};

/* Half of the trials lack the momentum; one in 7 was stopped, some failed, one still runs. */
static void write_rich(void) {
    enum { TRIALS = 60 };
    rlt_rng rng = rlt_rng_make(3, RLT_STREAM_TEST, 0);
    int64_t id = searches_experiment("rich", "loss", false, spaces);
    for (int i = 0; i < TRIALS; i++) {
        double lr = pow(10, -5 + 4 * rlt_rng_f64(&rng));
        int depth = 1 + (int)rlt_rng_below(&rng, 8), act = (int)rlt_rng_below(&rng, 3);
        char params[256], momentum[64] = "";
        if (i % 2) {
            snprintf(momentum, sizeof momentum, ", \"params.momentum\": %.6g", rlt_rng_f64(&rng));
        }
        snprintf(params, sizeof params,
                 "{\"params.act\": %s, \"params.depth\": %d, \"params.lr\": %.17g%s}", acts[act],
                 depth, lr, momentum);
        const char *state = i == TRIALS - 1 ? "running"
                            : i % 11 == 5   ? "failed"
                            : i % 7 == 3    ? "stopped"
                                            : "completed";
        double loss = pow(log10(lr) + 3, 2) + 0.1 * depth + act;
        int64_t trial =
            searches_trial(id, &(made_trial){.number = i,
                                             .state = state,
                                             .value = strcmp(state, "failed") == 0 ? NAN : loss,
                                             .params = params,
                                             .configuration = i});
        for (int step = 3; step <= 9; step *= 3) {
            bool stop = step == 9 && strcmp(state, "stopped") == 0;
            char numbers[96];
            snprintf(numbers, sizeof numbers, "{\"value\": %.17g%s}", loss + 3.0 / step,
                     i > 3 ? ", \"threshold\": 4" : "");
            CHECK(rlt_store_decision(searches_store, trial, step, "asha",
                                     stop ? "stop" : "continue", numbers, "made", &err));
            CHECK(rlt_store_metric(searches_store, trial, step, "speed", 100.0 + i, &err));
        }
    }
    CHECK(rlt_store_experiment_end(searches_store, id, "stopped", &err));
}

/* a and b, both to be small; c may be at most 0. Missing values and infeasible trials. */
static void write_front(void) {
    enum { TRIALS = 40 };
    rlt_rng rng = rlt_rng_make(4, RLT_STREAM_TEST, 0);
    int64_t id = searches_experiment("two", "a,b", false,
                                     "{\"params\": {\"x\": {\"$space\": \"uniform\", \"low\": -3, "
                                     "\"high\": 5}}}");
    CHECK(rlt_store_constraint_add(searches_store, id, 0, "c", &err));
    for (int i = 0; i < TRIALS; i++) {
        char params[64];
        double x = -3 + 8 * rlt_rng_f64(&rng);
        double values[2] = {x * x, i % 9 == 4 ? NAN : (x - 2) * (x - 2)}, limit = x - 1;
        snprintf(params, sizeof params, "{\"params.x\": %.17g}", x);
        searches_trial(id, &(made_trial){.number = i,
                                         .value = values[0],
                                         .params = params,
                                         .configuration = i,
                                         .values = values,
                                         .value_count = 2,
                                         .constraints = &limit,
                                         .constraint_count = 1});
    }
}

static void write_constant(const char *name, int trials, double value) {
    int64_t id = searches_experiment(name, "loss", false, spaces);
    for (int i = 0; i < trials; i++) {
        searches_trial(id, &(made_trial){.number = i,
                                         .value = value,
                                         .params = "{\"params.depth\": 3, \"params.lr\": 0.01}",
                                         .configuration = i});
    }
}

static int set_up(void **state) {
    (void)state;
    searches_set_up();
    searches_begin();
    write_rich();
    write_front();
    write_constant("one", 1, 3);
    write_constant("constant", 9, -1e308);
    write_constant("nothing", 0, 0);
    searches_experiment("aimless", "", true, "{}");
    searches_end();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    searches_tear_down();
    return 0;
}

/* ---- all kinds ---- */

static void check_svg_file(const char *path) {
    char *data;
    size_t size;
    CHECK(rlt_file_read(path, 1 << 22, &data, &size, &err));
    rlt_buf text = {.data = data, .size = size};
    pictures_check_svg(&text);
    rlt_free(data);
}

/* Whether it was drawn; a refusal is one line. */
static bool check_kind(const char *experiment, const char *kind) {
    char args[256], path[128];
    rlt_buf out = {0};
    snprintf(args, sizeof args, "plot %s --kind %s", experiment, kind);
    int code = searches_run(args, &out);
    assert_true(code == 0 || code == 2 || code == 4);
    if (code != 0) {
        assert_true(strncmp(out.data, "rltune: error: ", 15) == 0);
        assert_true(strchr(out.data, '\n') == out.data + out.size - 1);
        rlt_buf_fini(&out);
        return false;
    }
    pictures_check_text(&out, 80, 26 * 5, false, false);
    snprintf(path, sizeof path, "%s/a.svg", searches_folder());
    snprintf(args, sizeof args, "plot %s --kind %s --svg %s --width 640 --height 300", experiment,
             kind, path);
    assert_int_equal(searches_run(args, &out), 0);
    check_svg_file(path);
    snprintf(args, sizeof args, "plot %s --kind %s", experiment, kind);
    json_decref(searches_json(args));
    rlt_buf_fini(&out);
    return true;
}

static void test_every_kind_of_every_search(void **state) {
    (void)state;
    /* history, importance, slice, contour, parallel, edf, timeline, rungs, front, hypervolume */
    static const struct {
        const char *name, *drawn;
    } searches[] = {{"rich", "yyyyyyyynn"},    {"two", "yyynyyynyy"},
                    {"one", "ynynyyynnn"},     {"constant", "ynyyyyynnn"},
                    {"nothing", "nnnnnnnnnn"}, {"aimless", "nnnnnnnnnn"}};
    for (size_t i = 0; i < RLT_COUNT(searches); i++) {
        for (size_t k = 0; k < RLT_COUNT(kinds); k++) {
            bool drawn = check_kind(searches[i].name, kinds[k]);
            if (drawn != (searches[i].drawn[k] == 'y')) {
                fail_msg("%s of %s was %s", kinds[k], searches[i].name,
                         drawn ? "drawn" : "refused");
            }
        }
    }
}

/* ---- what they say ---- */

static json_t *chart_of(const char *args) {
    char line[128];
    snprintf(line, sizeof line, "plot %s", args);
    return searches_json(line);
}

/* The points of the series whose label begins so; NULL: none. */
static json_t *series_of(const json_t *chart, const char *label) {
    size_t i;
    json_t *series;
    json_array_foreach(searches_field(chart, "series"), i, series) {
        const char *its = json_string_value(searches_field(series, "label"));
        if (strncmp(its, label, strlen(label)) == 0) {
            return searches_field(series, "points");
        }
    }
    return NULL;
}

static double at(const json_t *points, size_t i, size_t place) {
    const json_t *value = json_array_get(json_array_get(points, i), place);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void test_history(void **state) {
    (void)state;
    json_t *chart = chart_of("rich --kind history");
    const json_t *trials = series_of(chart, "trials"), *line = series_of(chart, "best so far");
    double best = INFINITY;
    assert_true(json_array_size(trials) > 30);
    assert_int_equal(json_array_size(trials), json_array_size(line));
    for (size_t i = 0; i < json_array_size(trials); i++) {
        best = fmin(best, at(trials, i, 1));
        assert_true(at(line, i, 0) == at(trials, i, 0) && at(line, i, 1) == best);
    }
    size_t completed = json_array_size(trials);
    json_decref(chart);
    chart = chart_of("rich --kind history --stopped");
    assert_true(json_array_size(series_of(chart, "trials")) > completed);
    json_decref(chart);
    chart = chart_of("two --kind history --metric a"); /* what is not feasible is no best one */
    line = series_of(chart, "best so far");
    const json_t *refused = series_of(chart, "not feasible");
    assert_true(json_array_size(refused) > 0);
    for (size_t i = 0; i < json_array_size(refused); i++) {
        assert_true(at(refused, i, 1) > 1 - 1e-12); /* c = x - 1 > 0, a = x^2 */
    }
    assert_true(at(line, json_array_size(line) - 1, 1) >= 0);
    json_decref(chart);
}

static void test_distribution(void **state) {
    (void)state;
    json_t *chart = chart_of("rich --kind edf");
    const json_t *points =
        json_object_get(json_array_get(searches_field(chart, "series"), 0), "points");
    size_t count = json_array_size(points);
    assert_true(at(points, 0, 1) == 0 && at(points, count - 1, 1) == 1);
    for (size_t i = 1; i < count; i++) {
        assert_true(at(points, i, 0) >= at(points, i - 1, 0));
        assert_true(fabs(at(points, i, 1) - (double)i / (double)(count - 1)) < 1e-12);
    }
    json_decref(chart);
}

static void test_parameters(void **state) {
    (void)state;
    json_t *list = chart_of("rich --kind slice"), *chart;
    assert_int_equal(json_array_size(list), 4);
    json_decref(list);
    list = chart_of("rich --kind slice --param lr");
    chart = json_array_get(list, 0);
    assert_string_equal(json_string_value(searches_field(chart, "x_label")),
                        "params.lr (log scale)");
    const json_t *best = series_of(chart, "best: trial");
    assert_int_equal(json_array_size(best), 1);
    json_decref(list);
    list = chart_of("rich --kind slice --param act --param momentum");
    assert_int_equal(json_array_size(searches_field(json_array_get(list, 0), "x_names")), 3);
    assert_true(json_array_size(series_of(json_array_get(list, 1), "trials")) <
                json_array_size(series_of(json_array_get(list, 0), "trials")));
    json_decref(list);
    chart = chart_of("rich --kind parallel --param depth --param momentum");
    size_t i, gaps = 0;
    json_t *series;
    json_array_foreach(searches_field(chart, "series"), i, series) {
        const json_t *points = searches_field(series, "points");
        assert_int_equal(json_array_size(points), 3);
        for (size_t k = 0; k < 3; k++) {
            gaps += isnan(at(points, k, 1));
            assert_true(isnan(at(points, k, 1)) ||
                        (at(points, k, 1) >= 0 && at(points, k, 1) <= 1));
        }
    }
    assert_true(gaps > 0 && gaps < i);
    json_decref(chart);
}

static void test_contour(void **state) {
    (void)state;
    json_t *chart = chart_of("rich --kind contour --param lr --param depth");
    double low = INFINITY, high = -INFINITY;
    size_t i, k;
    json_t *point, *row, *cell;
    json_array_foreach(searches_field(chart, "points"), i, point) {
        low = fmin(low, json_number_value(json_array_get(point, 2)));
        high = fmax(high, json_number_value(json_array_get(point, 2)));
    }
    assert_true(i > 30);
    size_t known = 0;
    json_array_foreach(searches_field(chart, "cells"), i, row) {
        json_array_foreach(row, k, cell) { /* a weighted mean lies between its values */
            assert_true(json_is_null(cell) || (json_number_value(cell) >= low - 1e-9 &&
                                               json_number_value(cell) <= high + 1e-9));
            known += json_is_number(cell);
        }
    }
    assert_true(known > 100);
    json_decref(chart);
}

static void test_rungs_and_timeline(void **state) {
    (void)state;
    json_t *chart = chart_of("rich --kind rungs");
    size_t i, decisions = 0;
    json_t *series;
    json_array_foreach(searches_field(chart, "series"), i, series) {
        const json_t *points = searches_field(series, "points");
        if (strcmp(json_string_value(searches_field(series, "label")), "newest threshold") == 0) {
            assert_int_equal(json_array_size(points), 2 * 3);
            assert_true(at(points, 0, 1) == 4 && at(points, 4, 1) == 4);
        } else {
            decisions += json_array_size(points);
        }
    }
    assert_int_equal(decisions, 120);
    json_decref(chart);
    chart = chart_of("rich --kind timeline");
    size_t stretches = 0;
    json_array_foreach(searches_field(chart, "series"), i, series) {
        const json_t *points = searches_field(series, "points");
        stretches += json_array_size(points) / 3;
        for (size_t k = 0; k + 1 < json_array_size(points); k += 3) {
            assert_true(at(points, k, 0) >= 0 && at(points, k + 1, 0) >= at(points, k, 0));
        }
    }
    assert_int_equal(stretches, 60);
    json_decref(chart);
}

static void test_fronts(void **state) {
    (void)state;
    json_t *chart = chart_of("two --kind front"), *all = searches_json("show two");
    const json_t *front = searches_field(all, "front"), *points = series_of(chart, "Pareto front");
    assert_int_equal(json_array_size(points), json_array_size(searches_field(front, "trials")));
    for (size_t i = 0; i < json_array_size(points); i++) {
        for (size_t k = 0; k < json_array_size(points); k++) {
            bool beats = at(points, k, 0) <= at(points, i, 0) &&
                         at(points, k, 1) <= at(points, i, 1) && i != k;
            assert_false(beats);
        }
    }
    json_decref(chart);
    chart = chart_of("two --kind front --metric b");
    assert_string_equal(json_string_value(searches_field(chart, "x_label")), "b (min)");
    assert_string_equal(json_string_value(searches_field(chart, "y_label")), "a (min)");
    json_decref(chart);
    chart = chart_of("two --kind hypervolume");
    points = series_of(chart, "above the worst values: a ");
    size_t count = json_array_size(points);
    assert_int_equal(count, 40);
    for (size_t i = 1; i < count; i++) {
        assert_true(at(points, i, 1) >= at(points, i - 1, 1));
    }
    assert_true(fabs(at(points, count - 1, 1) - searches_number(front, "hypervolume")) < 1e-9);
    json_decref(chart);
    json_decref(all);
}

static void test_refusals(void **state) {
    (void)state;
    EXPECT("plot rich --kind slyce", 2, "did you mean 'slice'", "hypervolume");
    EXPECT("plot rich --kind slice --param params.lrr", 4, "did you mean 'params.lr'",
           "params.act, params.depth, params.lr, params.momentum");
    EXPECT("plot rich --kind slice --param lr --param params.lr", 2, "is given twice");
    EXPECT("plot rich --kind contour --param lr", 2, "add a second --param NAME");
    EXPECT("plot rich --kind edf --param lr", 2, "--kind edf does not take --param");
    EXPECT("plot rich --kind rungs --metric loss", 2, "--kind rungs does not take --metric");
    EXPECT("plot rich --kind history --top 3", 2, "--kind history does not take --top");
    EXPECT("plot rich --method fanova", 2, "--kind curves does not take --method");
    EXPECT("plot rich --kind history --metric sped", 4, "did you mean 'speed'");
    EXPECT("plot rich --kind history --metric speed", 0, "speed", "best so far");
    EXPECT("plot rich --kind front", 2, "has one objective, so it has no front");
    EXPECT("plot two --kind front --metric d", 4, "objectives: a, b");
    EXPECT("plot two --kind front --metric a --metric a", 2, "two different objectives");
    EXPECT("plot two --kind rungs", 4, "no decisions of a stopper");
    EXPECT("plot one --kind importance", 2, "at least 2 trials with a result; there is 1");
    EXPECT("plot constant --kind importance", 2, "all 9 trials have the same result");
    EXPECT("plot nothing --kind history", 4, "no completed trial with a value of 'loss'");
    EXPECT("plot nothing --kind timeline", 4, "no trial of experiment 5 has been started yet");
    EXPECT("plot aimless --kind history", 4, "has no objective; name a metric of it");
    EXPECT("plot --help", 0, "front|hypervolume", "rltune plot 3 --kind history");
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "fill") == 0) { /* a database to look at */
        set_up(NULL);
        printf("%s/a.db\n", searches_folder());
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_every_search),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_distribution),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_contour),
        cmocka_unit_test(test_rungs_and_timeline),
        cmocka_unit_test(test_fronts),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
