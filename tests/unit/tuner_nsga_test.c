/* tuner: the samplers nsga2 and nsga3: what they select against Optuna's (tests/golden/nsga.json),
 * crossovers by their definitions, restored studies, and that they find more than random draws. */
#include "tuner_fronts.h"

#include "tuner/samplers/nsga.h"

extern const rlt_sampler_def rlt_sampler_nsga2, rlt_sampler_nsga3;

static double number_of(const json_t *json) {
    return json_is_string(json) ? strtod(json_string_value(json), NULL) : json_number_value(json);
}

static double at2(const json_t *rows, int64_t i, int64_t k) {
    return number_of(json_array_get(json_array_get(rows, (size_t)i), (size_t)k));
}

static json_t *golden(void) {
    json_t *all = json_load_file(RLT_SOURCE_DIR "/tests/golden/nsga.json", 0, NULL);
    assert_non_null(all);
    return all;
}

/* ---- against Optuna ---- */

/* A sampler over a history of completed trials. */
typedef struct fixture {
    rlt_search_space space;
    rlt_tune_fields fields;
    rlt_history history;
    rlt_nsga nsga;
} fixture;

static void check_elite(const json_t *item) {
    fixture f = {.fields = tune_default()};
    const json_t *trials = json_object_get(item, "trials"),
                 *chosen = json_object_get(item, "chosen");
    const json_t *first = json_array_get(trials, 0);
    int64_t count = (int64_t)json_array_size(trials), pool[256], found[256];
    f.history.objectives = (int)json_array_size(json_array_get(first, 0));
    f.history.constraints = json_is_number(json_array_get(first, 1));
    f.fields.objectives.count = f.history.objectives;
    f.fields.nsga.population_size = json_integer_value(json_object_get(item, "size"));
    rlt_sampler_nsga2.init(&f.nsga, &f.space, &f.fields, &f.history);
    for (int64_t i = 0; i < count; i++) {
        const json_t *trial = json_array_get(trials, (size_t)i);
        double keys[FRONT_VALUES], limit = json_number_value(json_array_get(trial, 1));
        for (int k = 0; k < f.history.objectives; k++) {
            keys[k] = -json_number_value(json_array_get(json_array_get(trial, 0), (size_t)k));
        }
        rlt_history_start(&f.history, NULL);
        rlt_history_end(&f.history, i, RLT_TRIAL_COMPLETED, keys, &limit, 1);
        pool[i] = i;
    }
    f.nsga.select(&f.nsga, pool, count, f.fields.nsga.population_size, 1, found);
    for (int64_t i = 0; i < f.fields.nsga.population_size; i++) {
        int64_t theirs = json_integer_value(json_array_get(chosen, (size_t)i)), same_ones = 0;
        for (int64_t j = 0; j < f.fields.nsga.population_size; j++) {
            same_ones += found[j] == theirs;
        }
        assert_int_equal(same_ones, 1);
    }
    rlt_nsga_fini(&f.nsga);
    rlt_history_fini(&f.history);
}

static void test_golden_elites(void **unused) {
    (void)unused;
    json_t *all = golden(), *item;
    size_t at;
    json_array_foreach(json_object_get(all, "elites"), at, item) {
        check_elite(item);
    }
    assert_true(at == 12);
    json_decref(all);
}

static void test_golden_points(void **unused) {
    (void)unused;
    json_t *all = golden(), *item;
    size_t at;
    json_array_foreach(json_object_get(all, "points"), at, item) {
        int64_t count, objectives = json_integer_value(json_object_get(item, "objectives"));
        int divisions = (int)json_integer_value(json_object_get(item, "divisions"));
        double *points = rlt_nsga3_points((int)objectives, divisions, &count);
        const json_t *theirs = json_object_get(item, "points");
        assert_int_equal(count, json_array_size(theirs));
        for (int64_t i = 0; i < count * objectives; i++) {
            assert_near(points[i], at2(theirs, i / objectives, i % objectives), 0);
        }
        rlt_free(points);
    }
    assert_true(at == 6);
    json_decref(all);
}

static void check_niche(const json_t *item) {
    const json_t *rows = json_object_get(item, "losses"), *normal = json_object_get(item, "normal");
    int64_t count = (int64_t)json_array_size(rows), points, nearest[64];
    int64_t objectives = (int64_t)json_array_size(json_array_get(rows, 0));
    double losses[64 * FRONT_VALUES], distances[64];
    for (int64_t i = 0; i < count * objectives; i++) {
        losses[i] = at2(rows, i / objectives, i % objectives);
    }
    double *lines = rlt_nsga3_points(
        (int)objectives, (int)json_integer_value(json_object_get(item, "divisions")), &points);
    rlt_nsga3_normalise(losses, count, (int)objectives);
    for (int64_t i = 0; i < count * objectives; i++) {
        assert_near(losses[i], at2(normal, i / objectives, i % objectives), 1e-9);
    }
    rlt_nsga3_associate(losses, count, (int)objectives, lines, points, nearest, distances);
    for (int64_t i = 0; i < count; i++) {
        size_t at = (size_t)i;
        double theirs = number_of(json_array_get(json_object_get(item, "distances"), at));
        assert_near(distances[i], theirs, 1e-9);
        if (theirs > 1e-9) { /* at the ideal point every line is as near */
            assert_int_equal(nearest[i], json_integer_value(
                                             json_array_get(json_object_get(item, "nearest"), at)));
        }
    }
    rlt_free(lines);
}

static void test_golden_niches(void **unused) {
    (void)unused;
    json_t *all = golden(), *item;
    size_t at;
    json_array_foreach(json_object_get(all, "niches"), at, item) {
        check_niche(item);
    }
    assert_true(at == 10);
    json_decref(all);
}

static void test_golden_mutations(void **unused) {
    (void)unused;
    json_t *all = golden(), *item;
    size_t at;
    json_array_foreach(json_object_get(all, "mutations"), at, item) {
        double row[4];
        for (size_t i = 0; i < 4; i++) {
            row[i] = json_number_value(json_array_get(item, i));
        }
        assert_near(rlt_polynomial_mutation(row[0], row[1], row[2]), row[3], 1e-14);
    }
    assert_true(at == 18);
    json_decref(all);
}

/* ---- crossovers by what is known of them ---- */

enum { DRAWS = 20000, PLACES = 3 };
typedef struct moments {
    double mean[PLACES], deviation[PLACES], low[PLACES], high[PLACES];
} moments;

static moments moments_of(int kind, double eta, const double *parents) {
    moments m;
    double sum[PLACES] = {0}, squares[PLACES] = {0}, child[PLACES];
    double scratch[RLT_CROSSOVER_SCRATCH * PLACES];
    rlt_rng rng = rlt_rng_make(4, RLT_STREAM_TEST, (uint32_t)kind);
    for (int i = 0; i < PLACES; i++) {
        m.low[i] = INFINITY;
        m.high[i] = -INFINITY;
    }
    for (int n = 0; n < DRAWS; n++) {
        rlt_crossover(kind, eta, PLACES, parents, &rng, child, scratch);
        for (int i = 0; i < PLACES; i++) {
            sum[i] += child[i];
            squares[i] += child[i] * child[i];
            m.low[i] = fmin(m.low[i], child[i]);
            m.high[i] = fmax(m.high[i], child[i]);
        }
    }
    for (int i = 0; i < PLACES; i++) {
        m.mean[i] = sum[i] / DRAWS;
        m.deviation[i] = sqrt(fmax(0, squares[i] / DRAWS - m.mean[i] * m.mean[i]));
    }
    return m;
}

static void test_crossovers(void **unused) {
    (void)unused;
    const double parents[3 * PLACES] = {0.2, 0.5, 0.9, 0.4, 0.5, 0.1, 0.3, 0.8, 0.5};
    moments blx = moments_of(RLT_CROSSOVER_BLXALPHA, 2, parents);
    for (int i = 0; i < PLACES; i++) { /* uniform over twice the distance */
        double wide = fabs(parents[i] - parents[PLACES + i]);
        double middle = (parents[i] + parents[PLACES + i]) / 2;
        assert_near(blx.mean[i], middle, 0.02);
        assert_near(blx.deviation[i], 2 * wide / sqrt(12), 0.02);
        assert_true(blx.low[i] >= middle - wide - 1e-12 && blx.high[i] <= middle + wide + 1e-12);
    }
    static const int kinds[] = {RLT_CROSSOVER_SBX, RLT_CROSSOVER_VSBX};
    for (int k = 0; k < 2; k++) {
        for (int e = 0; e < 2; e++) { /* a larger eta stays nearer to the parents */
            moments m = moments_of(kinds[k], e == 0 ? 2 : 50, parents);
            for (int i = 0; i < PLACES; i++) {
                assert_near(m.mean[i], (parents[i] + parents[PLACES + i]) / 2, 0.02);
                if (k == 0) {
                    assert_true(m.low[i] >= 0 && m.high[i] <= 1);
                }
            }
            double half = fabs(parents[0] - parents[PLACES]) / 2;
            assert_true(e == 0 ? m.deviation[0] > 1.02 * half : m.deviation[0] < 1.02 * half);
        }
    }
    moments spx = moments_of(RLT_CROSSOVER_SPX, 2, parents);
    moments undx = moments_of(RLT_CROSSOVER_UNDX, 2, parents);
    for (int i = 0; i < PLACES; i++) {
        double centre = (parents[i] + parents[PLACES + i] + parents[2 * PLACES + i]) / 3;
        assert_near(spx.mean[i], centre, 0.02);
        assert_near(undx.mean[i], (parents[i] + parents[PLACES + i]) / 2, 0.02);
    }
    /* uniform in a triangle: the variance is that of its corners over 4; wide = sqrt(5) */
    double corners = (pow(0.2 - 0.3, 2) + pow(0.4 - 0.3, 2)) / 3;
    assert_near(spx.deviation[0], sqrt(corners / 4 * 5), 0.01);
    /* along the parents' line half of its length, across it 0.35 / sqrt(3) of the distance */
    double line[PLACES], third[PLACES], length = 0, share = 0, off = 0;
    for (int i = 0; i < PLACES; i++) {
        line[i] = parents[PLACES + i] - parents[i];
        third[i] = parents[2 * PLACES + i] - parents[i];
        length += line[i] * line[i];
        share += line[i] * third[i];
    }
    for (int i = 0; i < PLACES; i++) {
        off += pow(third[i] - share / length * line[i], 2);
    }
    assert_near(undx.deviation[1], 0.35 / sqrt(3) * sqrt(off), 0.01); /* line[1] is 0 */
    assert_near(
        undx.deviation[2],
        sqrt(0.25 * line[2] * line[2] + off * 0.35 * 0.35 / 3 * (1 - line[2] * line[2] / length)),
        0.02);
}

/* ---- whole studies ---- */

static const char mixed[] = "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                            "\"b\":{\"$space\":\"loguniform\",\"low\":0.001,\"high\":1},"
                            "\"c\":{\"$space\":\"choice\",\"values\":[0,1,2]},"
                            "\"d\":{\"$space\":\"randint\",\"low\":1,\"high\":9},"
                            "\"e\":{\"$space\":\"normal\",\"mean\":1,\"std\":2},"
                            "\"f\":{\"$space\":\"fixed\",\"value\":7}}";

static double at_path(const json_t *params, const char *path) {
    return json_number_value(json_object_get(params, path));
}

static void mixed_loss(const json_t *params, double *values, double *limits) {
    double a = at_path(params, "a"), b = at_path(params, "b"), d = at_path(params, "d");
    values[0] = a * a + b + 0.1 * d + fabs(at_path(params, "e"));
    values[1] = (a - 1) * (a - 1) + b + at_path(params, "c");
    values[2] = a > 0.9 ? NAN : d;
    values[3] = b;
    limits[0] = 0.5 - a;
    limits[1] = a > 0.8 ? NAN : b - 0.5;
}

static void test_restore(void **unused) {
    (void)unused;
    for (uint32_t world = 0; world < 48; world++) {
        rlt_rng rng = rlt_rng_make(9, RLT_STREAM_TEST, world);
        rlt_tune_fields fields =
            front_fields(world % 2 == 0 ? RLT_SAMPLER_NSGA2 : RLT_SAMPLER_NSGA3,
                         1 + (int)(world % 4), (int)(world / 4 % 3));
        fields.nsga.population_size = 3 + world % 9;
        fields.nsga.crossover = (int)(world % 6);
        fields.nsga.mutation = (int)(world / 2 % 2);
        front_study *at = front_make(&fields, mixed);
        for (int i = 0; i < 150; i++) {
            front_event(at, &rng, 1 + (int)(world % 5) * 3, mixed_loss);
        }
        front_check_restore(at, 5);
        front_free(at);
    }
}

/* Every child is in the space, whatever the crossover. */
static void test_children_are_valid(void **unused) {
    (void)unused;
    for (int kind = 0; kind < 6; kind++) {
        rlt_tune_fields fields = front_fields(RLT_SAMPLER_NSGA2, 2, 0);
        fields.nsga.population_size = 10;
        fields.nsga.crossover = kind;
        fields.nsga.mutation = kind % 2;
        front_study *at = front_make(&fields, mixed);
        front_run(at, 300, mixed_loss);
        for (int i = 0; i < at->count; i++) {
            const json_t *p = at->params[i];
            assert_true(at_path(p, "a") >= 0 && at_path(p, "a") <= 1);
            assert_true(at_path(p, "b") >= 0.001 && at_path(p, "b") <= 1);
            assert_true(json_is_integer(json_object_get(p, "d")) && at_path(p, "d") >= 1 &&
                        at_path(p, "d") <= 9);
            assert_int_equal(at_path(p, "f"), 7);
        }
        front_free(at);
    }
}

static const char *const places[] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6"};
static const char seven[] = "{\"p0\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                            "\"p1\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                            "\"p2\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                            "\"p3\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                            "\"p4\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                            "\"p5\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                            "\"p6\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}";

/* DTLZ2 (Deb et al. 2002) with three objectives. */
static void dtlz2(const json_t *params, double *values, double *limits) {
    double g = 0;
    for (int i = 2; i < 7; i++) {
        g += pow(at_path(params, places[i]) - 0.5, 2);
    }
    double a = at_path(params, "p0") * M_PI / 2, b = at_path(params, "p1") * M_PI / 2;
    values[0] = (1 + g) * cos(a) * cos(b);
    values[1] = (1 + g) * cos(a) * sin(b);
    values[2] = (1 + g) * sin(a);
    limits[0] = values[0] - 0.8;
}

static void test_more_than_random(void **unused) {
    (void)unused;
    static const double reference[] = {1.5, 1.5, 1.5};
    for (int limits = 0; limits < 2; limits++) {
        double random = front_mean(front_fields(RLT_SAMPLER_RANDOM, 3, limits), seven, 4, 500,
                                   dtlz2, reference);
        static const int samplers[] = {RLT_SAMPLER_NSGA2, RLT_SAMPLER_NSGA3};
        for (int i = 0; i < 2; i++) {
            double ours =
                front_mean(front_fields(samplers[i], 3, limits), seven, 4, 500, dtlz2, reference);
            assert_true(ours > random + 0.12);
        }
    }
}

static void check_refused(const rlt_tune_fields *fields, const char *part) {
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(fields, mixed, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, part);
}

static void test_refused(void **unused) {
    (void)unused;
    rlt_tune_fields fields = front_fields(RLT_SAMPLER_NSGA2, 2, 0);
    fields.nsga.population_size = 2;
    fields.nsga.crossover = RLT_CROSSOVER_UNDX;
    check_refused(&fields, "a population of 2 is too small for this crossover, which takes 3");
    fields = front_fields(RLT_SAMPLER_NSGA3, 8, 0);
    fields.nsga.dividing_parameter = 100;
    check_refused(&fields, "more than 100000 reference points for 8 metrics");
}

/* Nothing ever completes; all are equal; all values are missing. */
static void odd_loss(const json_t *params, double *values, double *limits) {
    (void)params;
    for (int k = 0; k < FRONT_VALUES; k++) {
        values[k] = NAN;
    }
    limits[0] = limits[1] = NAN;
}

static void test_odd_results(void **unused) {
    (void)unused;
    for (int sampler = RLT_SAMPLER_NSGA2; sampler <= RLT_SAMPLER_NSGA3; sampler++) {
        for (int state = RLT_TRIAL_COMPLETED; state <= RLT_TRIAL_FAILED; state++) {
            rlt_tune_fields fields = front_fields(sampler, 3, 1);
            fields.nsga.population_size = 5;
            front_study *at = front_make(&fields, mixed);
            for (int i = 0; i < 40; i++) {
                front_ask(at);
                front_end_as(at, i, (rlt_trial_state)state, odd_loss);
            }
            front_free(at);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_elites),
        cmocka_unit_test(test_golden_points),
        cmocka_unit_test(test_golden_niches),
        cmocka_unit_test(test_golden_mutations),
        cmocka_unit_test(test_crossovers),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_children_are_valid),
        cmocka_unit_test(test_more_than_random),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_odd_results),
    };
    return cmocka_run_group_tests_name("tuner_nsga", tests, NULL, NULL);
}
