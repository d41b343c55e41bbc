/* tuner: tpe and the spaces that functions of the script return: groups as Optuna's
 * (tests/golden/tpe_groups.json), what is learnt in them, and what trials of an earlier experiment
 * teach. That restored searches go on as they were: tuner_replay_test.c. */
#include "tuner/samplers/tpe.h"
#include "tuner_learning.h"

#include <string.h>

enum { BITS = 6 };

/* c0 .. c5: there where m has the bit. u, v: two numbers that only trials of kind "b" have; w: a
 * choice of a or b, by kind. */
static rlt_status resolve(void *user, const char *path, const json_t *chosen, json_t **value,
                          rlt_err *err) {
    (void)user;
    (void)err;
    const json_t *kind = json_object_get(chosen, "kind");
    bool has = kind != NULL ? strcmp(json_string_value(kind), "b") == 0
                            : (int)number_in(chosen, "m") >> (path[1] - '0') & 1;
    if (has) {
        *value = json_pack("{s:s, s:f, s:f}", "$space", "uniform", "low", 0.0, "high", 1.0);
    } else if (path[0] == 'v') { /* another space of the same parameter */
        *value = json_pack("{s:s, s:i, s:i}", "$space", "randint", "low", 10, "high", 20);
    } else {
        *value = json_integer(0);
    }
    return RLT_OK;
}

static rlt_tuner *make(const rlt_tune_fields *fields, const char *space) {
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    if (try_tuner(fields, space, resolve, &tuner, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return tuner;
}

static rlt_tune_fields group_fields(void) {
    rlt_tune_fields fields = tune_default();
    fields.sampler = RLT_SAMPLER_TPE;
    fields.maximise = false;
    fields.tpe.n_startup_trials = 5;
    return fields;
}

/* ---- groups ---- */

static const char *const masked =
    "{\"m\":{\"$space\":\"randint\",\"low\":0,\"high\":63},\"c0\":{\"$function\":\"c0\"},"
    "\"c1\":{\"$function\":\"c1\"},\"c2\":{\"$function\":\"c2\"},\"c3\":{\"$function\":\"c3\"},"
    "\"c4\":{\"$function\":\"c4\"},\"c5\":{\"$function\":\"c5\"}}";

static void add_masked(rlt_tuner *tuner, int number, int mask, rlt_trial_state state) {
    json_t *params = json_pack("{s:i}", "m", mask);
    for (int i = 0; i < BITS; i++) {
        char name[] = {'c', (char)('0' + i), 0};
        json_object_set_new(params, name,
                            mask >> i & 1 ? json_real(0.1 * i + 0.01 * number) : json_integer(0));
    }
    assert_int_equal(rlt_tuner_restore(tuner, number, params, NULL), RLT_OK);
    assert_int_equal(rlt_tuner_finish(tuner, number, state, number, 1, NULL), RLT_OK);
    json_decref(params);
}

/* The groups of at least one trial, as masks, each once. */
static int found_groups(rlt_tuner *tuner, int groups[BITS]) {
    rlt_tpe *at = tuner->sampler_state;
    int count = 0;
    for (int branch = 0; branch < at->groups.count; branch++) {
        int members[BITS], mask = 0;
        int size = rlt_tpe_group_of(at, branch, members);
        for (int i = 0; i < size; i++) { /* parameters are sorted: c0 is 0 */
            mask |= 1 << tuner->history.branches[members[i]].param;
        }
        if (members[0] == branch && at->groups.items[branch].trials > 0) {
            groups[count++] = mask;
        }
    }
    return count;
}

static void test_groups(void **unused) {
    (void)unused;
    json_t *cases = json_load_file("tests/golden/tpe_groups.json", 0, NULL), *one;
    size_t i, k;
    assert_int_equal(json_array_size(cases), 10);
    json_array_foreach(cases, i, one) {
        rlt_tune_fields fields = group_fields();
        rlt_tuner *tuner = make(&fields, masked);
        const json_t *masks = json_object_get(one, "masks"),
                     *expected = json_object_get(one, "groups");
        int number = 0, groups[BITS];
        add_masked(tuner, number++, 63, RLT_TRIAL_FAILED); /* counts for nothing */
        for (k = 0; k < json_array_size(masks); k++) {
            add_masked(tuner, number++, (int)json_integer_value(json_array_get(masks, k)),
                       k % 3 == 2 ? RLT_TRIAL_STOPPED : RLT_TRIAL_COMPLETED);
        }
        int count = found_groups(tuner, groups);
        assert_int_equal(count, json_array_size(expected));
        for (k = 0; k < json_array_size(expected); k++) {
            bool there = false;
            for (int g = 0; g < count; g++) {
                there |= groups[g] == json_integer_value(json_array_get(expected, k));
            }
            assert_true(there);
        }
        rlt_tuner_destroy(&tuner);
    }
    json_decref(cases);
}

/* ---- learning ---- */

static const char *const conditional = "{\"kind\":{\"$space\":\"choice\",\"values\":[\"a\",\"b\"]},"
                                       "\"u\":{\"$function\":\"u\"},\"v\":{\"$function\":\"v\"}}";

static const char *const fixed = "{\"kind\":{\"$space\":\"choice\",\"values\":[\"a\",\"b\"]},"
                                 "\"u\":{\"$function\":\"u\"},\"v\":{\"$function\":\"v\"},"
                                 "\"tune\":{\"sampler\":{\"fixed\":{\"kind\":\"b\"}}}}";

static bool is_b(const json_t *params) {
    return strcmp(json_string_value(json_object_get(params, "kind")), "b") == 0;
}

/* Only "b" has u, best at 0.8, and v, best at 0.3. */
static double loss(const json_t *params) {
    double v = number_in(params, "v");
    return is_b(params) ? fabs(number_in(params, "u") - 0.8) + fabs(v - 0.3) : 1;
}

/* Of "a" the v from 10 to 20 is best at 17. */
static double loss_a(const json_t *params) {
    return is_b(params) ? 1 : fabs(number_in(params, "v") - 17) / 10;
}

/* Mean loss of the trials of a kind after the first 60, over some seeds. */
static double later_mean(rlt_tune_fields fields, const char *space, bool b, study_loss of) {
    double sum = 0;
    int count = 0;
    for (int seed = 0; seed < 8; seed++) {
        fields.seed = 40 + seed;
        rlt_tuner *tuner = make(&fields, space);
        for (int i = 0; i < 120; i++) {
            json_t *params = ask(tuner, i);
            double value = of(params);
            if (i >= 60 && is_b(params) == b) {
                sum += value;
                count++;
            }
            assert_int_equal(rlt_tuner_finish(tuner, i, RLT_TRIAL_COMPLETED, value, 1, NULL),
                             RLT_OK);
            json_decref(params);
        }
        rlt_tuner_destroy(&tuner);
    }
    assert_true(count > 10);
    return sum / count;
}

static void test_learns(void **unused) {
    (void)unused;
    rlt_tune_fields random = group_fields();
    random.sampler = RLT_SAMPLER_RANDOM;
    for (int b = 0; b < 2; b++) {
        study_loss of = b == 1 ? loss : loss_a;
        double chance = later_mean(random, conditional, b == 1, of);
        for (int form = 0; form < 3; form++) {
            rlt_tune_fields fields = group_fields();
            fields.tpe.multivariate = form != 1;
            fields.tpe.group = form != 2;
            double learnt = later_mean(fields, conditional, b == 1, of);
            if (!(learnt < 0.5 * chance)) {
                fail_msg("kind %d, form %d: mean loss %g, by chance it is %g", b, form, learnt,
                         chance);
            }
        }
    }
}

/* Good are (0.1, 0.1) and (0.9, 0.9), five trials each of a hundred. */
static double mean_distance(bool group) {
    rlt_tune_fields fields = group_fields();
    fields.tpe.group = group;
    fields.tpe.constant_liar = false;
    fields.sampler = RLT_SAMPLER_PARTIAL_FIXED;
    fields.base = RLT_SAMPLER_TPE;
    rlt_tuner *tuner = make(&fields, fixed);
    double sum = 0;
    for (int i = 0; i < 100; i++) {
        bool good = i % 10 == 0;
        double at = i % 20 == 0 ? 0.1 : 0.9, shift = i * 0.0002;
        json_t *params = json_pack("{s:s, s:f, s:f}", "kind", "b", "u",
                                   good ? at + shift : (i * 37 % 100) / 100.0, "v",
                                   good ? at - shift : (i * 61 % 100) / 100.0);
        assert_int_equal(rlt_tuner_restore(tuner, i, params, NULL), RLT_OK);
        assert_int_equal(rlt_tuner_finish(tuner, i, RLT_TRIAL_COMPLETED, good ? 0 : 1, 1, NULL),
                         RLT_OK);
        json_decref(params);
    }
    for (int i = 0; i < 60; i++) {
        json_t *params = ask(tuner, 100 + i);
        sum += fabs(number_in(params, "u") - number_in(params, "v"));
        json_decref(params);
    }
    rlt_tuner_destroy(&tuner);
    return sum / 60;
}

static void test_draws_together(void **unused) {
    (void)unused;
    assert_true(mean_distance(true) < 0.2);
    assert_true(mean_distance(false) > 0.3);
}

/* Also below partial_fixed, and where nothing but the functions is searched. */
static void test_wrapped(void **unused) {
    (void)unused;
    rlt_tune_fields fields = group_fields();
    fields.sampler = RLT_SAMPLER_PARTIAL_FIXED;
    fields.base = RLT_SAMPLER_TPE;
    double learnt = later_mean(fields, fixed, true, loss);
    fields.base = RLT_SAMPLER_RANDOM;
    assert_true(learnt < 0.5 * later_mean(fields, fixed, true, loss));
}

static void test_sources(void **unused) {
    (void)unused;
    rlt_tune_fields fields = group_fields();
    rlt_tuner *tuner = make(&fields, conditional);
    for (int i = 0; i < 60; i++) {
        double u = (i * 37 % 60 + 0.5) / 60;
        json_t *params = json_pack("{s:s, s:f, s:f}", "kind", "b", "u", u, "v", 0.5);
        bool used = false;
        double value = fabs(u - 0.8);
        assert_int_equal(
            rlt_tuner_source(tuner, params, &value, NULL, RLT_TRIAL_COMPLETED, 1, &used, NULL),
            RLT_OK);
        assert_true(used);
        json_decref(params);
    }
    double sum = 0;
    int count = 0;
    for (int i = 0; i < 40; i++) {
        json_t *params = ask(tuner, i);
        sum += is_b(params) ? number_in(params, "u") : 0;
        count += is_b(params);
        json_decref(params);
    }
    assert_true(count > 5);
    assert_near(sum / count, 0.8, 0.12);
    rlt_tuner_destroy(&tuner);
}

/* A space that is another one every time: nothing to learn from, and no end of memory. */
static rlt_status resolve_moving(void *user, const char *path, const json_t *chosen, json_t **value,
                                 rlt_err *err) {
    (void)user;
    (void)path;
    (void)err;
    *value = json_pack("{s:s, s:f, s:f}", "$space", "uniform", "low", 0.0, "high",
                       1 + number_in(chosen, "x"));
    return RLT_OK;
}

static void test_moving_space(void **unused) {
    (void)unused;
    static const char *const space = "{\"x\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                     "\"y\":{\"$function\":\"y\"}}";
    rlt_tune_fields fields = group_fields();
    rlt_tuner *tuner = NULL;
    assert_int_equal(try_tuner(&fields, space, resolve_moving, &tuner, NULL), RLT_OK);
    for (int i = 0; i < 1200; i++) {
        json_t *params = ask(tuner, i);
        double y = number_in(params, "y");
        assert_true(y >= 0 && y <= 1 + number_in(params, "x"));
        assert_int_equal(rlt_tuner_finish(tuner, i, RLT_TRIAL_COMPLETED, y, 1, NULL), RLT_OK);
        json_decref(params);
    }
    assert_int_equal(tuner->history.branch_count, 1000);
    rlt_tuner_destroy(&tuner);
}

/* q's space depends on what p, a function too, came to. */
static rlt_status resolve_chain(void *user, const char *path, const json_t *chosen, json_t **value,
                                rlt_err *err) {
    (void)user;
    (void)err;
    *value = path[0] == 'p' ? json_pack("{s:s, s:[i,i]}", "$space", "choice", "values", 1, 2)
                            : json_pack("{s:s, s:f, s:f}", "$space", "uniform", "low", 0.0, "high",
                                        number_in(chosen, "p"));
    return RLT_OK;
}

static void test_chain(void **unused) {
    (void)unused;
    static const char *const space = "{\"p\":{\"$function\":\"p\"},\"q\":{\"$function\":\"q\"}}";
    rlt_tune_fields fields = group_fields();
    rlt_tuner *tuner = NULL;
    assert_int_equal(try_tuner(&fields, space, resolve_chain, &tuner, NULL), RLT_OK);
    for (int i = 0; i < 20; i++) {
        json_t *params = ask(tuner, i);
        const int32_t *taken = tuner->history.taken + i * 2;
        assert_true(taken[0] >= 0 && taken[1] >= 0);
        assert_true(tuner->history.branches[taken[1]].space.high == number_in(params, "p"));
        assert_true(tuner->history.values[i * 2 + 1].number == number_in(params, "q"));
        assert_int_equal(rlt_tuner_finish(tuner, i, RLT_TRIAL_COMPLETED, i, 1, NULL), RLT_OK);
        json_decref(params);
    }
    assert_int_equal(tuner->history.branch_count, 3);
    rlt_tuner_destroy(&tuner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),         cmocka_unit_test(test_learns),
        cmocka_unit_test(test_draws_together), cmocka_unit_test(test_wrapped),
        cmocka_unit_test(test_sources),        cmocka_unit_test(test_moving_space),
        cmocka_unit_test(test_chain),
    };
    return cmocka_run_group_tests_name("tuner_group", tests, NULL, NULL);
}
