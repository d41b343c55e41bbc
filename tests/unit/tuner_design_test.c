/* tuner: samplers that do not learn: Halton, Latin hypercube, brute force; and the shuffle under
 * them. */
#include "tuner_testing.h"

#include <stdio.h>

static void test_shuffle(void **unused) {
    (void)unused;
    enum { MANY = 700 };
    for (int64_t n = 1; n <= MANY; n += n < 20 ? 1 : 97) {
        bool seen[MANY] = {false};
        for (int64_t i = 0; i < n; i++) {
            int64_t place = rlt_shuffle(n, i, 5);
            assert_true(place >= 0 && place < n && !seen[place]);
            seen[place] = true;
            assert_int_equal(rlt_unshuffle(n, place, 5), i);
        }
    }
    int64_t huge = INT64_MAX / 2;
    assert_int_equal(rlt_unshuffle(huge, rlt_shuffle(huge, huge - 1, 9), 9), huge - 1);
    int counts[7] = {0}; /* where 0 goes over keys: chi-square with 6 degrees, 0.001 at 22.5 */
    for (uint64_t key = 0; key < 7000; key++) {
        counts[rlt_shuffle(7, 0, key)]++;
    }
    double square = 0;
    for (int i = 0; i < 7; i++) {
        square += (counts[i] - 1000) * (counts[i] - 1000) / 1000.0;
    }
    assert_true(square < 22.5);
}

static void test_halton_golden(void **unused) {
    (void)unused;
    enum { POINTS = 32 };
    static double golden[POINTS][RLT_HALTON_DIMENSIONS];
    FILE *file = fopen(RLT_SOURCE_DIR "/tests/golden/halton.bin", "rb");
    assert_non_null(file);
    assert_int_equal(fread(golden, sizeof golden, 1, file), 1);
    fclose(file);
    for (int dimension = 0; dimension < RLT_HALTON_DIMENSIONS; dimension++) {
        for (uint64_t i = 0; i < POINTS; i++) {
            assert_near(rlt_halton_point(dimension, i), golden[i][dimension], 1e-15);
        }
    }
}

static json_t *cube(int dimensions) {
    json_t *json = json_object();
    for (int i = 0; i < dimensions; i++) {
        char path[16];
        snprintf(path, sizeof path, "p%03d", i);
        json_object_set_new(json, path,
                            json_pack("{s:s,s:i,s:i}", "$space", "uniform", "low", 0, "high", 1));
    }
    return json;
}

static rlt_status make(int sampler, int64_t seed, const json_t *space, rlt_tuner **tuner,
                       rlt_err *err) {
    rlt_tune_fields fields = tune_default();
    fields.sampler = sampler;
    fields.seed = seed;
    fields.lhs.size = 20;
    return rlt_tuner_create(&fields, space, NULL, NULL, tuner, err);
}

static double number_of(const json_t *params, const char *path) {
    return json_number_value(json_object_get(params, path));
}

/* Of base^k points each of base^k equal intervals has one: scrambling keeps the sequence's best. */
static void test_halton_intervals(void **unused) {
    (void)unused;
    json_t *space = cube(3);
    for (int64_t seed = 0; seed < 5; seed++) {
        rlt_tuner *tuner = NULL;
        assert_int_equal(make(RLT_SAMPLER_HALTON, seed, space, &tuner, NULL), RLT_OK);
        bool twos[256] = {false}, threes[243] = {false}, fives[125] = {false};
        for (int i = 0; i < 256; i++) {
            json_t *params = ask(tuner, i);
            int two = (int)(number_of(params, "p000") * 256);
            assert_false(twos[two]);
            twos[two] = true;
            int three = (int)(number_of(params, "p001") * 243);
            assert_false(i < 243 && threes[three]);
            threes[three] = true;
            int five = (int)(number_of(params, "p002") * 125);
            assert_false(i < 125 && fives[five]);
            fives[five] = true;
            json_decref(params);
        }
        rlt_tuner_destroy(&tuner);
    }
    json_decref(space);
}

static void test_halton_limit(void **unused) {
    (void)unused;
    json_t *space = cube(RLT_HALTON_DIMENSIONS + 1);
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(make(RLT_SAMPLER_HALTON, 1, space, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "p100:");
    json_object_del(space, "p050");
    assert_int_equal(make(RLT_SAMPLER_HALTON, 1, space, &tuner, &err), RLT_OK);
    json_decref(ask(tuner, 0));
    rlt_tuner_destroy(&tuner);
    json_decref(space);
}

static void test_lhs(void **unused) {
    (void)unused;
    json_t *space = cube(4);
    rlt_tuner *tuner = NULL;
    assert_int_equal(make(RLT_SAMPLER_LHS, 3, space, &tuner, NULL), RLT_OK);
    int order[3][20];
    for (int block = 0; block < 3; block++) {
        bool seen[4][20] = {{false}};
        for (int i = 0; i < 20; i++) {
            json_t *params = ask(tuner, 20 * block + i);
            for (int d = 0; d < 4; d++) {
                char path[16];
                snprintf(path, sizeof path, "p%03d", d);
                int slice = (int)(number_of(params, path) * 20);
                assert_false(seen[d][slice]);
                seen[d][slice] = true;
                order[block][i] = d == 0 ? slice : order[block][i];
            }
            json_decref(params);
        }
    }
    assert_memory_not_equal(order[0], order[1], sizeof order[0]);
    assert_memory_not_equal(order[1], order[2], sizeof order[0]);
    rlt_tuner_destroy(&tuner);
    json_decref(space);
}

/* ---- brute force ---- */

static const char *const few_points =
    "{\"c\":{\"$space\":\"choice\",\"values\":[true,false,true]},"
    "\"b\":{\"$space\":\"randint\",\"low\":-1,\"high\":2},"
    "\"e\":{\"$space\":\"quniform\",\"low\":0.1,\"high\":0.5,\"step\":0.1},"
    "\"tune\":{\"points\":[{\"b\":2,\"c\":false,\"e\":0.3},{\"b\":0,\"c\":false,\"e\":0.25}]}}";

static int combination_of(const json_t *params) {
    int e = (int)round(10 * number_of(params, "e")) - 1;
    int c = json_is_true(json_object_get(params, "c")) ? 0 : 1;
    return ((int)number_of(params, "b") + 1) * 10 + c * 5 + e;
}

/* A point to try first counts unless it is between steps; a value listed twice is one value. */
static void test_brute(void **unused) {
    (void)unused;
    int counts[40] = {0}, total = 0, first[2] = {0, 0};
    for (int64_t seed = 0; seed < 2; seed++) {
        rlt_tune_fields fields = tune_default();
        fields.sampler = RLT_SAMPLER_BRUTE;
        fields.seed = seed;
        rlt_tuner *tuner = tuner_of(&fields, few_points), *other = tuner_of(&fields, few_points);
        int64_t number;
        json_t *params = NULL, *again = NULL;
        rlt_err err = {0};
        for (total = 0; rlt_tuner_ask(tuner, &number, &params, &err) == RLT_OK; total++) {
            if (total >= 2) { /* the restored one goes on alike */
                assert_int_equal(rlt_tuner_ask(other, &number, &again, NULL), RLT_OK);
                assert_true(json_equal(params, again));
                json_decref(again);
                first[seed] = total == 2 ? combination_of(params) : first[seed];
            } else {
                assert_int_equal(rlt_tuner_restore(other, number, params, NULL), RLT_OK);
            }
            counts[combination_of(params)] += total != 1;
            json_decref(params);
        }
        assert_contains(err.message, "every combination has been tried");
        rlt_tuner_destroy(&tuner);
        rlt_tuner_destroy(&other);
    }
    assert_int_equal(total, 41);
    assert_int_not_equal(first[0], first[1]);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(counts[i], 2); /* of two runs */
    }
}

static void test_brute_refuses(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    fields.sampler = RLT_SAMPLER_BRUTE;
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(&fields,
                               "{\"a\":{\"$space\":\"choice\",\"values\":[1]},"
                               "\"ppo\":{\"x\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}}",
                               NULL, &tuner, &err),
                     RLT_ECONFIG);
    assert_contains(err.message, "ppo.x: the brute sampler can't enumerate a uniform");
    assert_int_equal(try_tuner(&fields,
                               "{\"a\":{\"$space\":\"randint\",\"low\":0,\"high\":4000000000},"
                               "\"b\":{\"$space\":\"randint\",\"low\":0,\"high\":4000000000}}",
                               NULL, &tuner, &err),
                     RLT_ECONFIG);
    assert_contains(err.message, "b: with it the space has more than 2^62 combinations");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_halton_golden),
        cmocka_unit_test(test_halton_intervals),
        cmocka_unit_test(test_halton_limit),
        cmocka_unit_test(test_lhs),
        cmocka_unit_test(test_brute),
        cmocka_unit_test(test_brute_refuses),
    };
    return cmocka_run_group_tests_name("tuner_design", tests, NULL, NULL);
}
