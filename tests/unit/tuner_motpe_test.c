/* tuner: tpe with several objectives and with constraints: the split against Optuna's
 * (tests/golden/tpe.json), restored studies, and that it finds more than random draws. */
#include "tuner_fronts.h"

#include "tuner/samplers/tpe.h"

static void no_loss(const json_t *params, double *values, double *limits) {
    (void)params, (void)values, (void)limits;
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void check_split(const json_t *item) {
    const json_t *trials = json_object_get(item, "trials"), *below = json_object_get(item, "below");
    const json_t *first = json_array_get(trials, 0);
    rlt_history history = {.objectives = (int)json_array_size(json_array_get(first, 0)),
                           .constraints = json_is_number(json_array_get(first, 1))};
    int64_t numbers[256], found[256], count = (int64_t)json_array_size(trials);
    for (int64_t i = 0; i < count; i++) {
        const json_t *trial = json_array_get(trials, (size_t)i);
        double keys[FRONT_VALUES], limit = json_number_value(json_array_get(trial, 1));
        for (int k = 0; k < history.objectives; k++) {
            keys[k] = json_number_value(json_array_get(json_array_get(trial, 0), (size_t)k));
        }
        rlt_history_start(&history, NULL);
        rlt_history_end(&history, i, RLT_TRIAL_COMPLETED, keys, &limit, 1);
        int64_t at = i; /* ranked by insertion */
        for (; at > 0 && rlt_history_before(&history, i, numbers[at - 1]); at--) {
            numbers[at] = numbers[at - 1];
        }
        numbers[at] = i;
    }
    int64_t size = (int64_t)json_array_size(below);
    rlt_tpe_split(&history, numbers, count, size, found);
    qsort(found, (size_t)size, sizeof *found, ascending);
    for (int64_t i = 0; i < size; i++) {
        assert_int_equal(found[i], json_integer_value(json_array_get(below, (size_t)i)));
    }
    rlt_history_fini(&history);
}

static void test_golden_split(void **unused) {
    (void)unused;
    json_t *all = json_load_file(RLT_SOURCE_DIR "/tests/golden/tpe.json", 0, NULL), *item;
    size_t at;
    assert_non_null(all);
    json_array_foreach(json_object_get(all, "fronts"), at, item) {
        check_split(item);
    }
    assert_true(at > 20);
    json_decref(all);
}

static const char mixed[] = "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                            "\"b\":{\"$space\":\"loguniform\",\"low\":0.001,\"high\":1},"
                            "\"c\":{\"$space\":\"choice\",\"values\":[0,1,2]},"
                            "\"d\":{\"$space\":\"randint\",\"low\":1,\"high\":9}}";

static double at_path(const json_t *params, const char *path) {
    return json_number_value(json_object_get(params, path));
}

static void mixed_loss(const json_t *params, double *values, double *limits) {
    double a = at_path(params, "a"), b = at_path(params, "b"), d = at_path(params, "d");
    values[0] = a * a + b + 0.1 * d;
    values[1] = (a - 1) * (a - 1) + b + at_path(params, "c");
    values[2] = a > 0.9 ? NAN : d;
    limits[0] = 0.5 - a;
    limits[1] = a > 0.8 ? NAN : b - 0.5;
}

static void test_restore(void **unused) {
    (void)unused;
    for (uint32_t world = 0; world < 30; world++) {
        rlt_rng rng = rlt_rng_make(9, RLT_STREAM_TEST, world);
        rlt_tune_fields fields =
            front_fields(RLT_SAMPLER_TPE, 1 + (int)(world % 3), (int)(world / 3 % 3));
        fields.tpe.multivariate = world % 2 == 0;
        fields.tpe.constant_liar = world % 5 != 0;
        front_study *at = front_make(&fields, mixed);
        for (int i = 0; i < 120; i++) {
            front_event(at, &rng, 1 + (int)(world % 4) * 2, mixed_loss);
        }
        front_check_restore(at, 4);
        front_free(at);
    }
}

/* ZDT1 (Zitzler, Deb and Thiele 2000) with six parameters. */
static const char six[] = "{\"p0\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                          "\"p1\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                          "\"p2\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                          "\"p3\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                          "\"p4\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                          "\"p5\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}";
static void zdt1(const json_t *params, double *values, double *limits) {
    double sum = 0;
    static const char *const paths[] = {"p1", "p2", "p3", "p4", "p5"};
    for (int i = 0; i < 5; i++) {
        sum += at_path(params, paths[i]);
    }
    double g = 1 + 9 * sum / 5;
    values[0] = at_path(params, "p0");
    values[1] = g * (1 - sqrt(values[0] / g));
    limits[0] = 0.3 - values[0];
}

static void test_more_than_random(void **unused) {
    (void)unused;
    static const double reference[] = {1.1, 6};
    for (int limits = 0; limits < 2; limits++) {
        rlt_tune_fields tpe = front_fields(RLT_SAMPLER_TPE, 2, limits);
        tpe.tpe.multivariate = false;
        double ours = front_mean(tpe, six, 5, 120, zdt1, reference);
        double theirs =
            front_mean(front_fields(RLT_SAMPLER_RANDOM, 2, limits), six, 5, 120, zdt1, reference);
        assert_true(ours > theirs + 0.4);
    }
}

/* One objective with a constraint: the best is at its edge. */
static void edge(const json_t *params, double *values, double *limits) {
    double sum = 0;
    static const char *const paths[] = {"p0", "p1", "p2", "p3", "p4", "p5"};
    for (int i = 0; i < 6; i++) {
        sum += at_path(params, paths[i]);
    }
    values[0] = sum;
    limits[0] = 1.5 - sum;
}

static void test_constraint(void **unused) {
    (void)unused;
    static const double reference[] = {6};
    rlt_tune_fields tpe = front_fields(RLT_SAMPLER_TPE, 1, 1);
    double ours = 6 - front_mean(tpe, six, 5, 100, edge, reference);
    double theirs =
        6 - front_mean(front_fields(RLT_SAMPLER_RANDOM, 1, 1), six, 5, 100, edge, reference);
    assert_true(ours >= 1.5 && ours < 1.53 && theirs > 1.56);
}

/* All there is may be failed, infeasible, equal, or without a number. */
static void odd_loss(const json_t *params, double *values, double *limits) {
    (void)params;
    for (int k = 0; k < FRONT_VALUES; k++) {
        values[k] = NAN;
    }
    limits[0] = limits[1] = NAN;
}

static void equal_loss(const json_t *params, double *values, double *limits) {
    (void)params;
    for (int k = 0; k < FRONT_VALUES; k++) {
        values[k] = 0;
    }
    limits[0] = limits[1] = 0;
}

static void test_odd_results(void **unused) {
    (void)unused;
    static const front_loss losses[] = {no_loss, odd_loss, equal_loss};
    for (size_t i = 0; i < RLT_COUNT(losses); i++) {
        rlt_tune_fields fields = front_fields(RLT_SAMPLER_TPE, 2, (int)i % 2);
        front_study *at = front_make(&fields, mixed);
        front_run(at, 40, losses[i]);
        front_free(at);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_split),     cmocka_unit_test(test_restore),
        cmocka_unit_test(test_more_than_random), cmocka_unit_test(test_constraint),
        cmocka_unit_test(test_odd_results),
    };
    return cmocka_run_group_tests_name("tuner_motpe", tests, NULL, NULL);
}
