/* tuner: the sampler oneshot: which trial does what, that it waits where it must, ranks what was
 * measured, and goes on the same when it is restored from rows. */
#include "tuner_testing.h"

static const char *const space =
    "{\"model[1].units\":{\"$space\":\"choice\",\"values\":[4,16]},"
    "\"model[2]\":{\"$space\":\"choice\",\"values\":[[\"skip\"],[\"gru\",8],[\"dense\",8]]}}";
enum { NETWORKS = 6 };

static rlt_tune_fields fields_of(int64_t trials, int64_t retrain, bool inherit) {
    rlt_tune_fields fields = tune_default();
    fields.sampler = RLT_SAMPLER_ONESHOT;
    fields.maximise = false;
    fields.trials = trials;
    fields.oneshot.retrain = retrain;
    fields.oneshot.inherit = inherit;
    return fields;
}

static void finish(rlt_tuner *tuner, int64_t number, double value) {
    assert_int_equal(rlt_tuner_finish(tuner, number, RLT_TRIAL_COMPLETED, value, 1, NULL), RLT_OK);
}

static void expect_none(rlt_tuner *tuner, rlt_status status) {
    int64_t number;
    json_t *params = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_tuner_ask(tuner, &number, &params, &err), status);
    assert_null(params);
}

static int64_t network_of(const json_t *params) {
    int64_t units = json_integer_value(json_object_get(params, "model[1].units"));
    const char *kind = json_string_value(json_array_get(json_object_get(params, "model[2]"), 0));
    return (units == 16) * 3 + (strcmp(kind, "gru") == 0) + 2 * (strcmp(kind, "dense") == 0);
}

/* Losses with shared weights, by network. */
static const double losses[NETWORKS] = {0.5, 0.2, 0.4, 0.3, 0.1, 0.6};
static const int64_t by_loss[NETWORKS] = {4, 1, 3, 2, 0, 5};

typedef struct row {
    int64_t number;
    json_t *params; /* NULL: its end */
    double value;
} row;
typedef struct rows {
    row all[100];
    int count;
} rows;

static int64_t start(rlt_tuner *tuner, rows *log, int64_t number, rlt_stage stage) {
    json_t *params = ask(tuner, number);
    assert_int_equal(rlt_tuner_stage(tuner, number), stage);
    log->all[log->count++] = (row){number, params, 0};
    return network_of(params);
}

static void end(rlt_tuner *tuner, rows *log, int64_t number, double value) {
    finish(tuner, number, value);
    log->all[log->count++] = (row){number, NULL, value};
}

/* A tuner restored from the first `count` rows knows and asks the same. */
static void check_restored(const rlt_tune_fields *fields, const rows *log, int count,
                           rlt_tuner *tuner) {
    rlt_tuner *other = tuner_of(fields, space);
    int64_t trials = 0, number[2];
    for (int i = 0; i < count; i++) {
        const row *r = &log->all[i];
        if (r->params != NULL) {
            assert_int_equal(rlt_tuner_restore(other, r->number, r->params, NULL), RLT_OK);
            assert_int_equal(rlt_tuner_stage(other, r->number), rlt_tuner_stage(tuner, r->number));
            assert_int_equal(rlt_tuner_parent(other, r->number),
                             rlt_tuner_parent(tuner, r->number));
            trials++;
        } else {
            finish(other, r->number, r->value);
        }
    }
    json_t *params = NULL;
    rlt_status status = rlt_tuner_ask(other, &number[0], &params, NULL);
    for (int i = count; i < log->count; i++) { /* what came next without a further end */
        if (log->all[i].params == NULL) {
            break;
        }
        assert_int_equal(status, RLT_OK);
        assert_true(json_equal(params, log->all[i].params));
        assert_int_equal(number[0], trials);
        break;
    }
    json_decref(params);
    rlt_tuner_destroy(&other);
}

static void check_search(bool inherit) {
    rlt_tune_fields fields = fields_of(100, 2, inherit);
    rlt_tuner *tuner = tuner_of(&fields, space);
    static rows log;
    int64_t network[NETWORKS + 3];
    bool seen[NETWORKS] = {false};
    log.count = 0;
    start(tuner, &log, 0, RLT_STAGE_SUPERNET);
    assert_int_equal(rlt_tuner_parent(tuner, 0), -1);
    expect_none(tuner, RLT_EBUSY);
    end(tuner, &log, 0, NAN);
    for (int64_t n = 1; n <= NETWORKS; n++) {
        network[n] = start(tuner, &log, n, RLT_STAGE_SHARED);
        assert_false(seen[network[n]]);
        seen[network[n]] = true;
        assert_int_equal(rlt_tuner_parent(tuner, n), 0);
    }
    expect_none(tuner, RLT_EBUSY);
    for (int64_t n = NETWORKS; n >= 1; n--) {
        end(tuner, &log, n, losses[network[n]]);
    }
    for (int64_t k = 0; k < 2; k++) {
        int64_t n = NETWORKS + 1 + k;
        assert_int_equal(start(tuner, &log, n, RLT_STAGE_ALONE), by_loss[k]);
        assert_int_equal(rlt_tuner_parent(tuner, n), inherit ? 0 : -1);
    }
    expect_none(tuner, RLT_ENOTFOUND);
    for (int count = 0; count <= log.count; count++) {
        check_restored(&fields, &log, count, tuner);
    }
    for (int i = 0; i < log.count; i++) {
        json_decref(log.all[i].params);
    }
    rlt_tuner_destroy(&tuner);
}

static void test_search(void **unused) {
    (void)unused;
    check_search(false);
    check_search(true);
}

/* tune.trials leaves room for three of the six. */
static void test_few_trials(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_of(6, 2, false);
    rlt_tuner *tuner = tuner_of(&fields, space);
    static const rlt_stage stages[] = {RLT_STAGE_SUPERNET, RLT_STAGE_SHARED, RLT_STAGE_SHARED,
                                       RLT_STAGE_SHARED,   RLT_STAGE_ALONE,  RLT_STAGE_ALONE};
    for (int64_t n = 0; n < 6; n++) {
        json_decref(ask(tuner, n));
        assert_int_equal(rlt_tuner_stage(tuner, n), stages[n]);
        finish(tuner, n, n == 0 ? NAN : 1);
    }
    expect_none(tuner, RLT_ENOTFOUND);
    rlt_tuner_destroy(&tuner);
}

static void test_failed_supernet(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_of(20, 2, false);
    rlt_tuner *tuner = tuner_of(&fields, space);
    rlt_err err = {0};
    int64_t number;
    json_t *params = NULL;
    json_decref(ask(tuner, 0));
    assert_int_equal(rlt_tuner_finish(tuner, 0, RLT_TRIAL_FAILED, NAN, 1, NULL), RLT_OK);
    assert_int_equal(rlt_tuner_ask(tuner, &number, &params, &err), RLT_ENOTFOUND);
    assert_contains(err.message, "there are no shared weights: their trial was failed");
    rlt_tuner_destroy(&tuner);
}

/* A point that somebody gave is a trial of its own, whatever it is. */
static void test_given(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_of(20, 2, false);
    rlt_tuner *tuner = tuner_of(&fields, space);
    json_t *params = from_text("{\"model[1].units\":16,\"model[2]\":[\"gru\",8]}");
    assert_int_equal(rlt_tuner_restore(tuner, 0, params, NULL), RLT_OK);
    assert_int_equal(rlt_tuner_stage(tuner, 0), RLT_STAGE_ALONE);
    json_decref(ask(tuner, 1));
    assert_int_equal(rlt_tuner_stage(tuner, 1), RLT_STAGE_SUPERNET);
    finish(tuner, 1, NAN);
    json_decref(ask(tuner, 2));
    assert_int_equal(rlt_tuner_stage(tuner, 2), RLT_STAGE_SHARED);
    assert_int_equal(rlt_tuner_parent(tuner, 2), 1);
    json_decref(params);
    rlt_tuner_destroy(&tuner);
}

static void check_refused(const rlt_tune_fields *fields, const char *experiment,
                          const char *words) {
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    if (try_tuner(fields, experiment, NULL, &tuner, &err) != RLT_ECONFIG) {
        fail_msg("not refused: %s", words);
    }
    assert_contains(err.message, words);
}

static void test_refused(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_of(20, 2, false);
    check_refused(&fields, "{\"bc.lr\":{\"$space\":\"choice\",\"values\":[1,2]}}",
                  "bc.lr: oneshot searches the model alone");
    check_refused(&fields, "{\"model[1].units\":{\"$space\":\"normal\",\"mean\":9,\"std\":2}}",
                  "model[1].units: oneshot searches the model alone, by choices");
    check_refused(&fields, "{\"model[1].units\":{\"$space\":\"randint\",\"low\":1,\"high\":5000}}",
                  "shares weights between 2 to 4096 networks; this space has more");
    check_refused(&fields, "{\"x\":1}", "this space has one");
    fields.trials = 3;
    check_refused(&fields, space, "tune.trials: 3 are too few for oneshot");
    fields.trials = 20;
    fields.stopper = RLT_STOPPER_MEDIAN;
    check_refused(&fields, space, "tune.stopper: does not go with oneshot");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search),          cmocka_unit_test(test_few_trials),
        cmocka_unit_test(test_failed_supernet), cmocka_unit_test(test_given),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("tuner_oneshot", tests, NULL, NULL);
}
