/* tuner: stoppers against the decisions of Optuna's pruners and of Ray Tune's plateau stopper over
 * the same reports, the signed-rank test and Student's t against SciPy, the extrapolation of curves
 * against numpy (scripts/gen_golden_stoppers.py). */
#include "tuner_testing.h"

#include "tuner/stoppers/extrapolate.h"
#include "tuner/stoppers/hyperband.h"
#include "tuner/stoppers/signed_rank.h"

#include <stdio.h>

static const char *const no_space = "{\"name\":\"golden\",\"stop\":{\"steps\":10000}}";

typedef struct golden_row {
    int32_t trial, step;
    double value;
    int32_t kind, prune;
} golden_row;

static void check_row(rlt_tuner *tuner, const golden_row *row, int counts[2]) {
    if (row->kind != 0) {
        rlt_trial_state end = row->kind == 1 ? RLT_TRIAL_COMPLETED : RLT_TRIAL_STOPPED;
        assert_int_equal(rlt_tuner_finish(tuner, row->trial, end, row->value, row->step, NULL),
                         RLT_OK);
        return;
    }
    rlt_decision decision = report(tuner, row->trial, row->step, row->value);
    if ((decision.action == RLT_ACTION_STOP) != row->prune) {
        rlt_decision_explain(tuner, &decision);
        fail_msg("trial %d at %d: %s, but Optuna %s; %s", row->trial, row->step,
                 rlt_action_name(decision.action), row->prune ? "stops" : "goes on",
                 decision.reason);
    }
    rlt_decision_explain(tuner, &decision);
    assert_true(strlen(decision.reason) > 20 && strstr(decision.reason, "nan") == NULL);
    counts[row->prune]++;
}

static void check_golden(const rlt_tune_fields *fields, const char *name) {
    rlt_tuner *tuner = tuner_of(fields, no_space);
    char path[96], *bytes;
    size_t size;
    int counts[2] = {0};
    snprintf(path, sizeof path, "tests/golden/stopper_%s.bin", name);
    assert_int_equal(rlt_file_read(path, 1 << 20, &bytes, &size, NULL), RLT_OK);
    for (int i = 0; i < 300; i++) {
        json_decref(ask(tuner, i));
    }
    const golden_row *rows = (const golden_row *)bytes;
    for (size_t i = 0; i < size / sizeof *rows; i++) {
        check_row(tuner, &rows[i], counts);
    }
    assert_true(counts[0] > 200 && counts[1] > 30);
    rlt_free(bytes);
    rlt_tuner_destroy(&tuner);
}

static rlt_tune_fields fields_for(rlt_stopper_kind stopper, bool maximise, int64_t grace,
                                  int64_t interval) {
    rlt_tune_fields fields = tune_default();
    fields.stopper = stopper;
    fields.maximise = maximise;
    fields.milestones.grace = grace;
    fields.milestones.interval = interval;
    fields.percentile.min_trials = 1;
    fields.threshold.lower = fields.threshold.upper = NAN;
    fields.plateau.metric_threshold = NAN;
    return fields;
}

static void test_asha(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_for(RLT_STOPPER_ASHA, true, 0, 0);
    fields.asha.grace = 100;
    fields.asha.reduction = 3;
    fields.asha.brackets = 1;
    check_golden(&fields, "asha");
    fields.maximise = false;
    fields.asha.reduction = 2;
    fields.asha.early_stopping_rate = 1;
    fields.asha.bootstrap_count = 3;
    check_golden(&fields, "asha_late");
    fields = fields_for(RLT_STOPPER_HYPERBAND_ASHA, true, 0, 0);
    fields.hyperband.grace = 100;
    fields.hyperband.reduction = 3;
    fields.hyperband.max_steps = 2500;
    check_golden(&fields, "hyperband");
}

static void test_percentiles(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_for(RLT_STOPPER_MEDIAN, false, 200, 300);
    fields.percentile.min_trials = fields.percentile.startup_trials = 4;
    check_golden(&fields, "median");
    fields = fields_for(RLT_STOPPER_PERCENTILE, true, 200, 200);
    fields.percentile.percentile = 25;
    fields.percentile.min_trials = 3;
    fields.percentile.startup_trials = 5;
    check_golden(&fields, "percentile");
    fields = fields_for(RLT_STOPPER_PERCENTILE, false, 100, 100);
    fields.percentile.percentile = 70;
    check_golden(&fields, "percentile_min");
}

static void test_threshold(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_for(RLT_STOPPER_THRESHOLD, false, 300, 200);
    fields.threshold.lower = -4;
    fields.threshold.upper = 8;
    check_golden(&fields, "threshold");
}

static void test_patience(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_for(RLT_STOPPER_PATIENCE, true, 100, 100);
    fields.patience.patience = 3;
    fields.patience.min_delta = 0.1;
    check_golden(&fields, "patience");
    fields = fields_for(RLT_STOPPER_PATIENCE, false, 100, 100);
    fields.patience.patience = 1;
    fields.wrapped = RLT_STOPPER_MEDIAN;
    fields.percentile.min_trials = fields.percentile.startup_trials = 2;
    check_golden(&fields, "patient_median");
}

static void test_plateau(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_for(RLT_STOPPER_PLATEAU, true, 100, 100);
    fields.plateau.std = 0.3;
    fields.plateau.num_results = 5;
    fields.plateau.grace_period = 7;
    check_golden(&fields, "plateau");
    fields.maximise = false;
    fields.plateau.num_results = 3;
    fields.plateau.grace_period = 2;
    fields.plateau.metric_threshold = 2.5;
    check_golden(&fields, "plateau_min");
}

static void test_wilcoxon(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_for(RLT_STOPPER_WILCOXON, true, 100, 100);
    fields.wilcoxon.p_threshold = 0.1;
    fields.wilcoxon.n_startup_steps = 3;
    check_golden(&fields, "wilcoxon");
    fields.maximise = false;
    fields.wilcoxon.p_threshold = 0.2;
    fields.wilcoxon.n_startup_steps = 2;
    check_golden(&fields, "wilcoxon_ties");
}

/* ---- models ---- */

static json_t *models;

static int read_models(void **unused) {
    (void)unused;
    models = json_load_file("tests/golden/stopper_models.json", 0, NULL);
    return models == NULL;
}

static int free_models(void **unused) {
    (void)unused;
    json_decref(models);
    return 0;
}

static double real(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

static int64_t reals(const json_t *object, const char *key, double *out) {
    const json_t *list = json_object_get(object, key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        out[i] = json_number_value(json_array_get(list, i));
    }
    return (int64_t)json_array_size(list);
}

static void test_brackets(void **unused) {
    (void)unused;
    size_t i, k;
    json_t *each, *bracket;
    json_array_foreach(json_object_get(models, "brackets"), i, each) {
        rlt_tune_fields fields = fields_for(RLT_STOPPER_HYPERBAND_ASHA, true, 0, 0);
        fields.hyperband.grace = (int64_t)real(each, "grace");
        fields.hyperband.reduction = (int64_t)real(each, "reduction");
        fields.hyperband.max_steps = (int64_t)real(each, "max_steps");
        const json_t *sizes = json_object_get(each, "sizes");
        int count = (int)json_array_size(sizes);
        json_array_foreach(sizes, k, bracket) {
            assert_int_equal(
                rlt_hyperband_size(count, fields.hyperband.reduction, count - 1 - (int)k),
                json_integer_value(bracket));
        }
        json_t *experiment = json_pack("{s:O}", "name", json_object_get(each, "name"));
        rlt_tuner *tuner = NULL;
        assert_int_equal(rlt_tuner_create(&fields, experiment, NULL, NULL, &tuner, NULL), RLT_OK);
        json_array_foreach(json_object_get(each, "brackets"), k, bracket) {
            assert_int_equal(tuner->stopper->bracket(tuner->stopper_state, (int64_t)k),
                             json_integer_value(bracket));
        }
        rlt_tuner_destroy(&tuner);
        json_decref(experiment);
    }
}

static void test_signed_ranks(void **unused) {
    (void)unused;
    size_t i;
    json_t *each;
    double d[100], scratch[100];
    json_array_foreach(json_object_get(models, "signed_ranks"), i, each) {
        int64_t count = reals(each, "d", d);
        double p = real(each, "p");
        assert_near(rlt_signed_rank_less(d, count, scratch), p, 1e-13 + 1e-11 * p);
    }
    assert_true(i > 20);
}

static void test_student(void **unused) {
    (void)unused;
    size_t i;
    json_t *each;
    json_array_foreach(json_object_get(models, "student"), i, each) {
        double above = real(each, "above");
        assert_near(rlt_student_above(real(each, "t"), real(each, "freedom")), above,
                    1e-10 * above);
    }
    assert_true(i > 20);
}

static void test_curves(void **unused) {
    (void)unused;
    size_t i;
    json_t *each;
    double x[100], y[100];
    json_array_foreach(json_object_get(models, "curves"), i, each) {
        int64_t count = reals(each, "x", x);
        assert_int_equal(reals(each, "y", y), count);
        rlt_forecast forecast = rlt_extrapolate(x, y, count, real(each, "end"), real(each, "goal"));
        assert_near(forecast.probability, real(each, "probability"), 1e-9);
        assert_near(forecast.expected, real(each, "expected"), 1e-7);
    }
    assert_true(i > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asha),      cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_threshold), cmocka_unit_test(test_patience),
        cmocka_unit_test(test_plateau),   cmocka_unit_test(test_wilcoxon),
        cmocka_unit_test(test_brackets),  cmocka_unit_test(test_signed_ranks),
        cmocka_unit_test(test_student),   cmocka_unit_test(test_curves),
    };
    return cmocka_run_group_tests_name("tuner_golden", tests, read_models, free_models);
}
