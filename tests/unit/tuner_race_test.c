/* tuner: what the race between configurations is worth, and its tests against SciPy's
 * (scripts/gen_golden_race.py). */
#include "analysis/analysis.h"
#include "tuner/stoppers/signed_rank.h"
#include "tuner_testing.h"

/* ---- what it is worth (bench/seeds_bench.c has more of it) ---- */

/* The true best of ten arms in another order each time, each half as good again as the noise. */
static int64_t winner_of(int64_t seeds, int64_t start, int world, int64_t *trials) {
    rlt_tune_fields f = tune_default();
    f.sampler = RLT_SAMPLER_GRID;
    f.seeds = seeds;
    f.race.start = start;
    f.race.alpha = 0.05;
    rlt_tuner *tuner =
        tuner_of(&f, "{\"a\":{\"$space\":\"grid\",\"values\":[0,1,2,3,4,5,6,7,8,9]}}");
    int64_t number, configuration, replicate, arm[200];
    json_t *params;
    rlt_err err = {0};
    double value;
    while (rlt_tuner_ask(tuner, &number, &params, &err) == RLT_OK) {
        rlt_tuner_replicate(tuner, number, &configuration, &replicate);
        arm[number] = (json_integer_value(json_object_get(params, "a")) * 3 + world * 7) % 10;
        rlt_rng rng = rlt_rng_make((uint64_t)(world * 1000 + replicate), RLT_STREAM_TEST,
                                   (uint32_t)configuration);
        value = 1.5 * (double)arm[number] + rlt_rng_normal(&rng);
        rlt_tuner_finish(tuner, number, RLT_TRIAL_COMPLETED, value, 1, NULL);
        json_decref(params);
        ++*trials;
    }
    int64_t best = rlt_tuner_best(tuner, &value);
    rlt_tuner_destroy(&tuner);
    return arm[best];
}

static void a_race_finds_the_winner_with_fewer_trials(void **state) {
    (void)state;
    int64_t all = 0, raced = 0;
    int same_winner = 0, found = 0;
    for (int world = 0; world < 40; world++) {
        int64_t whole = winner_of(8, 0, world, &all), race = winner_of(8, 3, world, &raced);
        same_winner += whole == race;
        found += race == 9;
    }
    assert_int_equal(all, 40 * 80);
    assert_true(raced < all * 65 / 100);
    assert_true(same_winner >= 38 && found >= 38);
}

/* ---- the tests' statistics ---- */

static void p_values_are_those_of_scipy(void **state) {
    (void)state;
    json_t *golden = json_load_file(RLT_SOURCE_DIR "/tests/golden/race.json", 0, NULL);
    json_t *cases = json_object_get(golden, "cases");
    assert_true(json_array_size(cases) > 40);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        json_t *one = json_array_get(cases, i), *list = json_object_get(one, "d");
        double d[20], scratch[20];
        int count = (int)json_array_size(list);
        for (int k = 0; k < count; k++) {
            d[k] = json_number_value(json_array_get(list, (size_t)k));
        }
        double t = json_number_value(json_object_get(one, "t"));
        double wilcoxon = json_number_value(json_object_get(one, "wilcoxon"));
        assert_near(rlt_paired_less(d, count), t, 1e-12);
        assert_near(rlt_signed_rank_less(d, count, scratch), wilcoxon, 1e-12);
    }
    json_decref(golden);
    assert_true(isnan(rlt_paired_less((double[]){1}, 1)));
    assert_true(rlt_paired_less((double[]){-1, -1}, 2) == 0);
    assert_true(rlt_paired_less((double[]){1, 1}, 2) == 1);
    assert_true(rlt_paired_less((double[]){0, 0}, 2) == 0.5);
}

static void ranks_are_compared_as_by_scipy_and_conover(void **state) {
    (void)state;
    json_t *golden = json_load_file(RLT_SOURCE_DIR "/tests/golden/race.json", 0, NULL), *one;
    size_t index;
    assert_int_equal(json_array_size(json_object_get(golden, "several")), 30);
    json_array_foreach(json_object_get(golden, "several"), index, one) {
        json_t *rows = json_object_get(one, "values"), *p = json_object_get(one, "conover");
        int blocks = (int)json_array_size(rows);
        int treatments = (int)json_array_size(json_array_get(rows, 0));
        double values[200], sums[20];
        for (int i = 0; i < blocks * treatments; i++) {
            json_t *row = json_array_get(rows, (size_t)(i / treatments));
            values[i] = json_number_value(json_array_get(row, (size_t)(i % treatments)));
        }
        rlt_friedman test = rlt_friedman_test(values, blocks, treatments, sums);
        assert_near(test.statistic, json_number_value(json_object_get(one, "statistic")), 1e-10);
        assert_near(test.p, json_number_value(json_object_get(one, "p")), 1e-12);
        for (int i = 0; i < treatments * treatments; i++) {
            int a = i / treatments, b = i % treatments;
            json_t *expected = json_array_get(json_array_get(p, (size_t)a), (size_t)b);
            assert_near(rlt_conover(&test, sums[a] - sums[b]), json_number_value(expected), 1e-9);
        }
    }
    json_decref(golden);
    double sums[3];
    assert_true(isnan(rlt_friedman_test((double[]){1, 1, 1, 2, 2, 2}, 2, 3, sums).p));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_race_finds_the_winner_with_fewer_trials),
        cmocka_unit_test(p_values_are_those_of_scipy),
        cmocka_unit_test(ranks_are_compared_as_by_scipy_and_conover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
