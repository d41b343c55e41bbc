/* tuner: domination, fronts, crowding, hypervolume and subsets: as Optuna's, and as definitions
 * say that are too slow to be used. */
#include "tuner/pareto.h"
#include "tuner_testing.h"

enum { POINTS_MAX = 256, OBJECTIVES_MAX = 6 };
typedef struct points {
    double keys[POINTS_MAX * OBJECTIVES_MAX];
    int64_t count;
    int objectives;
} points;

static double number_of(const json_t *json) {
    return json_is_string(json) ? strtod(json_string_value(json), NULL) : json_number_value(json);
}

static int read_numbers(const json_t *list, double *out) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        out[i] = number_of(json_array_get(list, i));
    }
    return (int)json_array_size(list);
}

static points read_points(const json_t *item) {
    const json_t *rows = json_object_get(item, "keys");
    points p = {.count = (int64_t)json_array_size(rows)};
    p.objectives = (int)json_array_size(json_array_get(rows, 0));
    assert_true(p.count <= POINTS_MAX && p.objectives <= OBJECTIVES_MAX);
    for (int64_t i = 0; i < p.count; i++) {
        read_numbers(json_array_get(rows, (size_t)i), p.keys + i * p.objectives);
    }
    return p;
}

static json_t *golden(void) {
    json_error_t error;
    json_t *json = json_load_file(RLT_SOURCE_DIR "/tests/golden/pareto.json", 0, &error);
    assert_non_null(json);
    return json;
}

/* ---- against Optuna ---- */

static void test_golden_sorts(void **unused) {
    (void)unused;
    json_t *all = golden(), *item;
    size_t at;
    json_array_foreach(json_object_get(all, "sorts"), at, item) {
        points p = read_points(item);
        double violations[POINTS_MAX];
        int64_t ranks[POINTS_MAX];
        int given = read_numbers(json_object_get(item, "violations"), violations);
        rlt_nondomination_ranks(p.keys, p.count, p.objectives, given > 0 ? violations : NULL,
                                ranks);
        for (int64_t i = 0; i < p.count; i++) {
            assert_int_equal(ranks[i], json_integer_value(json_array_get(
                                           json_object_get(item, "ranks"), (size_t)i)));
        }
    }
    assert_true(at > 90);
    json_decref(all);
}

static void test_golden_crowding(void **unused) {
    (void)unused;
    json_t *all = golden(), *item;
    size_t at;
    json_array_foreach(json_object_get(all, "crowding"), at, item) {
        points p = read_points(item);
        double expected[POINTS_MAX], found[POINTS_MAX];
        read_numbers(json_object_get(item, "distances"), expected);
        rlt_crowding_distances(p.keys, p.count, p.objectives, found);
        for (int64_t i = 0; i < p.count; i++) {
            assert_true(found[i] == expected[i] || fabs(found[i] - expected[i]) < 1e-12);
        }
    }
    assert_true(at > 10);
    json_decref(all);
}

static void test_golden_volumes(void **unused) {
    (void)unused;
    json_t *all = golden(), *item;
    size_t at;
    json_array_foreach(json_object_get(all, "volumes"), at, item) {
        points p = read_points(item);
        double reference[OBJECTIVES_MAX];
        read_numbers(json_object_get(item, "reference"), reference);
        double expected = number_of(json_object_get(item, "volume"));
        double found = rlt_hypervolume(p.keys, p.count, p.objectives, reference);
        assert_near(found, expected, 1e-12 * fmax(1, expected));
    }
    assert_true(at > 50);
    json_decref(all);
}

static void test_golden_subsets(void **unused) {
    (void)unused;
    json_t *all = golden(), *item;
    size_t at;
    json_array_foreach(json_object_get(all, "subsets"), at, item) {
        points p = read_points(item);
        double reference[OBJECTIVES_MAX], own[OBJECTIVES_MAX];
        int64_t chosen[POINTS_MAX], size = json_integer_value(json_object_get(item, "size"));
        read_numbers(json_object_get(item, "reference"), reference);
        rlt_reference_point(p.keys, p.count, p.objectives, own);
        for (int k = 0; k < p.objectives; k++) {
            assert_near(own[k], reference[k], 1e-15);
        }
        rlt_hypervolume_subset(p.keys, p.count, p.objectives, size, reference, chosen);
        const json_t *expected = json_object_get(item, "chosen");
        bool taken[POINTS_MAX] = {false};
        for (int64_t i = 0; i < size; i++) { /* all of them come in the order of index there */
            int64_t theirs = json_integer_value(json_array_get(expected, (size_t)i));
            taken[theirs] = true;
            if (size < p.count) {
                assert_int_equal(chosen[i], theirs);
            }
        }
        for (int64_t i = 0; i < size; i++) {
            assert_true(taken[chosen[i]]);
        }
    }
    assert_true(at > 20);
    json_decref(all);
}

/* ---- against definitions ---- */

static points random_points(rlt_rng *rng, int64_t count, int objectives, uint32_t levels) {
    points p = {.count = count, .objectives = objectives};
    for (int64_t i = 0; i < count * objectives; i++) {
        p.keys[i] = rlt_rng_below(rng, levels);
    }
    return p;
}

static void test_ranks(void **unused) {
    (void)unused;
    for (uint32_t world = 0; world < 400; world++) {
        rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, world);
        points p = random_points(&rng, 1 + rlt_rng_below(&rng, 60), 1 + (int)(world % 5),
                                 2 + rlt_rng_below(&rng, 20));
        int64_t ranks[POINTS_MAX], naive[POINTS_MAX];
        rlt_nondomination_ranks(p.keys, p.count, p.objectives, NULL, ranks);
        memset(naive, -1, sizeof naive);
        for (int64_t rank = 0, left = p.count; left > 0; rank++) {
            bool front[POINTS_MAX];
            for (int64_t i = 0; i < p.count; i++) {
                front[i] = naive[i] < 0;
                for (int64_t j = 0; j < p.count; j++) {
                    front[i] &=
                        naive[j] >= 0 || !rlt_dominates(p.keys + j * p.objectives,
                                                        p.keys + i * p.objectives, p.objectives);
                }
            }
            for (int64_t i = 0; i < p.count; i++) {
                naive[i] = front[i] ? rank : naive[i];
                left -= front[i];
            }
        }
        assert_memory_equal(ranks, naive, sizeof(int64_t) * (size_t)p.count);
    }
}

/* Points on a grid dominate whole cells, which can be counted. */
static double counted_volume(const points *p, int levels) {
    double cells = 0;
    int64_t all = 1;
    for (int k = 0; k < p->objectives; k++) {
        all *= levels;
    }
    for (int64_t cell = 0; cell < all; cell++) {
        bool dominated = false;
        for (int64_t i = 0; i < p->count && !dominated; i++) {
            int64_t rest = cell;
            dominated = true;
            for (int k = 0; k < p->objectives; k++, rest /= levels) {
                dominated &= p->keys[i * p->objectives + k] > (double)(rest % levels);
            }
        }
        cells += dominated;
    }
    return cells;
}

static void test_volumes(void **unused) {
    (void)unused;
    for (uint32_t world = 0; world < 300; world++) {
        rlt_rng rng = rlt_rng_make(2, RLT_STREAM_TEST, world);
        int objectives = 1 + (int)(world % 5), levels = objectives > 3 ? 5 : 9;
        points p = random_points(&rng, rlt_rng_below(&rng, 40), objectives, (uint32_t)levels + 1);
        double reference[OBJECTIVES_MAX] = {0};
        assert_near(rlt_hypervolume(p.keys, p.count, objectives, reference),
                    counted_volume(&p, levels + 1), 0);
    }
}

static void test_odd_volumes(void **unused) {
    (void)unused;
    const double reference[2] = {0, 0};
    const double points[] = {3, -1, -1, 3, 0, 5, 2, 1};
    assert_near(rlt_hypervolume(points, 3, 2, reference), 0, 0);
    assert_near(rlt_hypervolume(points, 4, 2, reference), 2, 0);
    assert_near(rlt_hypervolume(points, 0, 2, reference), 0, 0);
    const double endless[] = {INFINITY, 1, 1, 1};
    assert_true(isinf(rlt_hypervolume(endless, 2, 2, reference)));
    const double bottomless[] = {-INFINITY, 1, 1, 1};
    assert_near(rlt_hypervolume(bottomless, 2, 2, reference), 1, 0);
}

static void test_history(void **unused) {
    (void)unused;
    for (uint32_t world = 0; world < 60; world++) {
        rlt_rng rng = rlt_rng_make(4, RLT_STREAM_TEST, world);
        int objectives = 1 + (int)(world % 4);
        points p = random_points(&rng, 1 + rlt_rng_below(&rng, 30), objectives, 9);
        double reference[OBJECTIVES_MAX] = {1, 1, 1, 1}, found[POINTS_MAX];
        int64_t without = rlt_rng_below(&rng, (uint32_t)p.count);
        p.keys[without * objectives] = NAN;
        rlt_hypervolume_history(p.keys, p.count, objectives, reference, found);
        for (int64_t i = 0; i < p.count; i++) {
            assert_near(found[i], rlt_hypervolume(p.keys, i + 1, objectives, reference), 1e-9);
        }
    }
}

/* Each choice adds the most; equal points only at the end. */
static void test_subsets(void **unused) {
    (void)unused;
    for (uint32_t world = 0; world < 200; world++) {
        rlt_rng rng = rlt_rng_make(3, RLT_STREAM_TEST, world);
        int objectives = 2 + (int)(world % 3);
        points p = random_points(&rng, 2 + rlt_rng_below(&rng, 20), objectives, 12);
        int64_t size = 1 + rlt_rng_below(&rng, (uint32_t)p.count), chosen[POINTS_MAX];
        double reference[OBJECTIVES_MAX] = {-1, -1, -1, -1}, taken[POINTS_MAX * OBJECTIVES_MAX];
        bool used[POINTS_MAX] = {false};
        rlt_hypervolume_subset(p.keys, p.count, objectives, size, reference, chosen);
        size_t row = sizeof(double) * (size_t)objectives;
        for (int64_t n = 0; n < size; n++) {
            double most = 0, made = 0;
            assert_false(used[chosen[n]]);
            for (int64_t i = 0; i < p.count; i++) {
                memcpy(taken + n * objectives, p.keys + i * objectives, row);
                double volume = rlt_hypervolume(taken, n + 1, objectives, reference);
                most = used[i] ? most : fmax(most, volume);
                made = i == chosen[n] ? volume : made;
            }
            assert_near(made, most, 1e-9);
            memcpy(taken + n * objectives, p.keys + chosen[n] * objectives, row);
            used[chosen[n]] = true;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_sorts),   cmocka_unit_test(test_golden_crowding),
        cmocka_unit_test(test_golden_volumes), cmocka_unit_test(test_golden_subsets),
        cmocka_unit_test(test_ranks),          cmocka_unit_test(test_volumes),
        cmocka_unit_test(test_odd_volumes),    cmocka_unit_test(test_history),
        cmocka_unit_test(test_subsets),
    };
    return cmocka_run_group_tests_name("tuner_pareto", tests, NULL, NULL);
}
