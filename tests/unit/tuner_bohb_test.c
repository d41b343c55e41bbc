/* tuner: the sampler bohb: its densities against statsmodels' (tests/golden/bohb.json), which rung
 * it learns from, and searches with the stoppers that have rungs. */
#include "tuner/samplers/bohb.h"
#include "tuner_learning.h"

#include <string.h>

/* ---- densities ---- */

static const json_t *row_of(const json_t *rows, size_t i) {
    return json_array_get(rows, i);
}
static double number_at(const json_t *row, size_t i) {
    return json_number_value(json_array_get(row, i));
}

enum { D_MAX = 4, POINTS_MAX = 120 };
typedef struct golden_case {
    int d, levels[D_MAX];
    int64_t count, good, bad;
    double points[POINTS_MAX * D_MAX]; /* the best first */
} golden_case;

static void read_case(const json_t *one, golden_case *into) {
    const json_t *levels = json_object_get(one, "levels"), *points = json_object_get(one, "points");
    const json_t *losses = json_object_get(one, "losses");
    into->d = (int)json_array_size(levels);
    into->count = (int64_t)json_array_size(points);
    assert_true(into->d <= D_MAX && into->count <= POINTS_MAX);
    for (int j = 0; j < into->d; j++) {
        into->levels[j] = (int)number_at(levels, (size_t)j);
    }
    for (size_t i = 0; i < json_array_size(points); i++) { /* losses are 0, 1, ... shuffled */
        for (int j = 0; j < into->d; j++) {
            into->points[(int)number_at(losses, i) * into->d + j] =
                number_at(row_of(points, i), (size_t)j);
        }
    }
    assert_true(rlt_bohb_parts(into->d, json_integer_value(json_object_get(one, "least")),
                               json_integer_value(json_object_get(one, "top")), into->count,
                               &into->good, &into->bad));
    assert_int_equal(into->good, json_integer_value(json_object_get(one, "good")));
    assert_int_equal(into->bad, json_integer_value(json_object_get(one, "bad")));
}

static void check_density(const golden_case *from, const json_t *one, size_t part) {
    rlt_kde kde;
    const json_t *places = json_object_get(one, "places");
    const json_t *widths = row_of(json_object_get(one, "widths"), part);
    const json_t *densities = row_of(json_object_get(one, "densities"), part);
    rlt_kde_init(&kde, from->d, from->levels, from->points + (part == 0 ? 0 : from->good * from->d),
                 part == 0 ? from->good : from->bad, 1e-3);
    for (int j = 0; j < from->d; j++) {
        assert_near(kde.widths[j], number_at(widths, (size_t)j), 1e-12);
    }
    for (size_t i = 0; i < json_array_size(places); i++) {
        double x[D_MAX], expected = number_at(densities, i);
        for (int j = 0; j < from->d; j++) {
            x[j] = number_at(row_of(places, i), (size_t)j);
        }
        assert_near(rlt_kde_density(&kde, x), expected, 1e-12 * (1 + expected));
    }
    rlt_kde_fini(&kde);
}

static void test_densities(void **unused) {
    (void)unused;
    json_t *cases = json_load_file("tests/golden/bohb.json", 0, NULL);
    assert_int_equal(json_array_size(cases), 5);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        golden_case one;
        read_case(row_of(cases, i), &one);
        check_density(&one, row_of(cases, i), 0);
        check_density(&one, row_of(cases, i), 1);
    }
    json_decref(cases);
    int64_t good, bad;
    assert_false(rlt_bohb_parts(3, 0, 15, 7, &good, &bad)); /* 2 d + 2 are needed */
    assert_true(rlt_bohb_parts(3, 0, 15, 8, &good, &bad));
    assert_true(good == 4 && bad == 4);
}

/* ---- which rung ---- */

static const char *const space = "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                 "\"b\":{\"$space\":\"choice\",\"values\":[\"x\",\"y\",\"z\"]},"
                                 "\"stop\":{\"steps\":900}}";

static rlt_tune_fields bohb_fields(void) {
    rlt_tune_fields fields = tune_default();
    fields.sampler = RLT_SAMPLER_BOHB;
    fields.maximise = false;
    fields.stopper = RLT_STOPPER_ASHA;
    fields.asha.grace = 100;
    fields.asha.reduction = 3;
    fields.asha.brackets = 1;
    fields.sha.grace = fields.hyperband.grace = 100;
    fields.sha.reduction = fields.hyperband.reduction = 3;
    fields.sha.size = 27;
    return fields;
}

/* 80 trials; at the lower rung what is near 0.2 is good, at the higher one, which `higher` of them
 * reach, what is near 0.8. */
static double mean_of_suggestions(int higher) {
    rlt_tune_fields fields = bohb_fields();
    fields.bohb.random_fraction = 0;
    rlt_tuner *tuner = tuner_of(&fields, space);
    for (int i = 0; i < 80; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"a\":%.9g,\"b\":\"x\"}", (i * 37 % 80 + 0.5) / 80);
        json_t *params = from_text(text);
        double a = number_in(params, "a");
        assert_int_equal(rlt_tuner_restore(tuner, i, params, NULL), RLT_OK);
        report(tuner, i, 100, fabs(a - 0.2));
        if (i < higher) {
            report(tuner, i, 300, fabs(a - 0.8));
        }
        json_decref(params);
    }
    double sum = 0;
    for (int i = 0; i < 40; i++) {
        json_t *params = ask(tuner, 80 + i);
        sum += number_in(params, "a") / 40;
        json_decref(params);
    }
    rlt_tuner_destroy(&tuner);
    return sum;
}

static void test_largest_rung(void **unused) {
    (void)unused;
    assert_near(mean_of_suggestions(0), 0.2, 0.12);
    assert_near(mean_of_suggestions(5), 0.2, 0.12); /* 2 d + 2 = 6 are needed */
    assert_near(mean_of_suggestions(60), 0.8, 0.12);
}

static void test_random_fraction(void **unused) {
    (void)unused;
    rlt_tune_fields fields = bohb_fields();
    fields.bohb.random_fraction = 1;
    rlt_tuner *bohb = tuner_of(&fields, space);
    fields.sampler = RLT_SAMPLER_RANDOM;
    rlt_tuner *random = tuner_of(&fields, space);
    for (int i = 0; i < 30; i++) {
        json_t *a = ask(bohb, i), *b = ask(random, i);
        assert_true(json_equal(a, b));
        report(bohb, i, 100, i);
        json_decref(a);
        json_decref(b);
    }
    rlt_tuner_destroy(&bohb);
    rlt_tuner_destroy(&random);
}

static void test_stoppers(void **unused) {
    (void)unused;
    rlt_tune_fields fields = bohb_fields();
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    fields.stopper = RLT_STOPPER_MEDIAN;
    assert_int_equal(try_tuner(&fields, space, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "bohb learns from the results at a stopper's rungs, and median");
    fields.stopper = RLT_STOPPER_PATIENCE;
    fields.wrapped = RLT_STOPPER_MEDIAN;
    assert_int_equal(try_tuner(&fields, space, NULL, &tuner, &err), RLT_ECONFIG);
    fields.wrapped = RLT_STOPPER_ASHA;
    assert_int_equal(try_tuner(&fields, space, NULL, &tuner, &err), RLT_OK);
    rlt_tuner_destroy(&tuner);
}

/* ---- whole searches ---- */

enum { SEARCH_MAX = 120, SLOTS = 6 };
typedef struct search {
    rlt_tuner *tuner;
    json_t *params[SEARCH_MAX];
    int64_t steps[SEARCH_MAX];
    bool runs[SEARCH_MAX], waits[SEARCH_MAX];
    int count, running;
    double sum; /* losses of the second half's trials at their first rung */
} search;

static double loss_at(const json_t *params, int64_t step) { /* the less the longer it ran */
    const char *b = json_string_value(json_object_get(params, "b"));
    return fabs(number_in(params, "a") - 0.7) + (strcmp(b, "y") == 0 ? 0 : 0.5) +
           10.0 / (double)step;
}

static void end(search *s, int i, rlt_trial_state state) {
    double value = loss_at(s->params[i], s->steps[i] + 1);
    assert_int_equal(rlt_tuner_finish(s->tuner, i, state, value, s->steps[i], NULL), RLT_OK);
    s->running -= s->runs[i];
    s->runs[i] = s->waits[i] = false;
}

static void follow_rulings(search *s) {
    rlt_decision decision;
    int64_t number;
    while (rlt_tuner_ruling(s->tuner, &number, &decision)) {
        int i = (int)number;
        if (decision.action == RLT_ACTION_STOP) {
            end(s, i, RLT_TRIAL_STOPPED);
        } else {
            s->waits[i] = false;
            s->runs[i] = true;
            s->running++;
        }
    }
}

static void run_on(search *s, int i) { /* to its next milestone or its end */
    int64_t to = rlt_tuner_milestone(s->tuner, i, s->steps[i]);
    if (to > 900) {
        s->steps[i] = 900;
        end(s, i, RLT_TRIAL_COMPLETED);
        return;
    }
    if (s->steps[i] == 0 && i >= SEARCH_MAX / 2) {
        s->sum += loss_at(s->params[i], 900);
    }
    s->steps[i] = to;
    rlt_action action = report(s->tuner, i, to, loss_at(s->params[i], to)).action;
    if (action == RLT_ACTION_STOP) {
        end(s, i, RLT_TRIAL_STOPPED);
    } else if (action == RLT_ACTION_PAUSE) {
        s->runs[i] = false;
        s->waits[i] = true;
        s->running--;
    }
}

static double mean_loss(rlt_tune_fields fields) {
    search *s = rlt_alloc(sizeof(*s));
    s->tuner = tuner_of(&fields, space);
    for (;;) {
        int64_t number;
        while (s->running < SLOTS && s->count < SEARCH_MAX &&
               rlt_tuner_ask(s->tuner, &number, &s->params[s->count], NULL) == RLT_OK) {
            s->runs[s->count++] = true;
            s->running++;
        }
        json_t *none = NULL;
        if (s->count == SEARCH_MAX) { /* says that no more will come */
            assert_int_equal(rlt_tuner_ask(s->tuner, &number, &none, NULL), RLT_ENOTFOUND);
        }
        follow_rulings(s);
        if (s->running == 0) {
            break;
        }
        for (int i = 0; i < s->count; i++) {
            if (s->runs[i]) {
                run_on(s, i);
                follow_rulings(s);
            }
        }
    }
    assert_int_equal(s->count, SEARCH_MAX);
    double mean = s->sum / (SEARCH_MAX / 2);
    for (int i = 0; i < s->count; i++) {
        assert_false(s->waits[i]);
        json_decref(s->params[i]);
    }
    rlt_tuner_destroy(&s->tuner);
    rlt_free(s);
    return mean;
}

static void test_searches(void **unused) {
    (void)unused;
    static const int stoppers[] = {RLT_STOPPER_ASHA, RLT_STOPPER_SHA, RLT_STOPPER_HYPERBAND,
                                   RLT_STOPPER_HYPERBAND_ASHA, RLT_STOPPER_NONE};
    for (size_t i = 0; i < RLT_COUNT(stoppers); i++) {
        double sums[2] = {0, 0};
        for (int seed = 0; seed < 3; seed++) {
            rlt_tune_fields fields = bohb_fields();
            fields.stopper = stoppers[i];
            fields.trials = SEARCH_MAX;
            fields.seed = seed;
            sums[0] += mean_loss(fields);
            fields.sampler = RLT_SAMPLER_RANDOM;
            sums[1] += mean_loss(fields);
        }
        if (stoppers[i] != RLT_STOPPER_NONE && !(sums[0] < 0.75 * sums[1])) {
            fail_msg("%s: mean loss %g, random has %g", rlt_stoppers[stoppers[i]].name, sums[0] / 3,
                     sums[1] / 3);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_densities),       cmocka_unit_test(test_largest_rung),
        cmocka_unit_test(test_random_fraction), cmocka_unit_test(test_stoppers),
        cmocka_unit_test(test_searches),
    };
    return cmocka_run_group_tests_name("tuner_bohb", tests, NULL, NULL);
}
