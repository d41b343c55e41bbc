/* tuner: stoppers without rungs: what is not a number, too little to compare, how decisions read,
 * what is refused. Their rules: tuner_golden_test.c. */
#include "tuner_testing.h"

#include <stdio.h>

static const char *const no_space = "{\"stop\":{\"steps\":1000}}";

static rlt_tune_fields fields_for(rlt_stopper_kind stopper) {
    rlt_tune_fields fields = tune_default();
    fields.stopper = stopper;
    fields.milestones.grace = fields.milestones.interval = 100;
    fields.percentile.min_trials = 1;
    fields.threshold.lower = fields.threshold.upper = NAN;
    fields.plateau.metric_threshold = NAN;
    snprintf(fields.metric, sizeof fields.metric, "score");
    return fields;
}

/* A tuner with trial 0 completed at the values (count of them), and trials 1 and 2 running. */
static rlt_tuner *with_one_completed(const rlt_tune_fields *fields, const double *values,
                                     int count) {
    rlt_tuner *tuner = tuner_of(fields, no_space);
    for (int i = 0; i < 3; i++) {
        json_decref(ask(tuner, i));
    }
    for (int i = 0; i < count; i++) {
        report(tuner, 0, 100 * (i + 1), values[i]);
    }
    assert_int_equal(rlt_tuner_finish(tuner, 0, RLT_TRIAL_COMPLETED, values[count - 1], 1000, NULL),
                     RLT_OK);
    return tuner;
}

static void expect(rlt_tuner *tuner, int64_t number, int64_t step, double value, rlt_action action,
                   const char *reason) {
    rlt_decision decision = report(tuner, number, step, value);
    rlt_decision_explain(tuner, &decision);
    if (decision.action != action || strcmp(decision.reason, reason) != 0) {
        fail_msg("%s: %s", rlt_action_name(decision.action), decision.reason);
    }
}

static void test_threshold(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_for(RLT_STOPPER_THRESHOLD);
    fields.threshold.lower = 2;
    for (int maximise = 0; maximise < 2; maximise++) {
        fields.maximise = maximise != 0;
        static const double last[] = {5};
        rlt_tuner *tuner = with_one_completed(&fields, last, 1);
        expect(tuner, 1, 100, 2, RLT_ACTION_CONTINUE, "score 2 is not below 2, the lower bound");
        expect(tuner, 1, 250, 1.5, RLT_ACTION_STOP, "score 1.5 is below 2, the lower bound");
        expect(tuner, 2, 100, NAN, RLT_ACTION_STOP, "score is not a number");
        rlt_tuner_destroy(&tuner);
    }
    fields.threshold.upper = 10;
    static const double last[] = {5};
    rlt_tuner *tuner = with_one_completed(&fields, last, 1);
    expect(tuner, 1, 100, 9, RLT_ACTION_CONTINUE, "score 9 is not above 10, the upper bound");
    expect(tuner, 1, 200, INFINITY, RLT_ACTION_STOP, "score inf is above 10, the upper bound");
    rlt_tuner_destroy(&tuner);
}

static void test_plateau(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_for(RLT_STOPPER_PLATEAU);
    fields.plateau.std = 0.5;
    fields.plateau.num_results = 2;
    fields.plateau.metric_threshold = 10;
    static const double last[] = {5};
    rlt_tuner *tuner = with_one_completed(&fields, last, 1);
    expect(tuner, 1, 100, 9, RLT_ACTION_CONTINUE, "there is too little to compare score 9 with");
    expect(tuner, 1, 200, 9, RLT_ACTION_CONTINUE,
           "score 9 moves no more, but is below 10, the metric_threshold");
    expect(tuner, 1, 300, NAN, RLT_ACTION_CONTINUE,
           "score is not a number, and nothing was compared");
    expect(tuner, 1, 400, 12, RLT_ACTION_CONTINUE, "there is too little to compare score 12 with");
    expect(tuner, 1, 500, 14, RLT_ACTION_CONTINUE,
           "the last 2 results of score have a standard deviation of 1 around 13, not less than "
           "0.5");
    expect(tuner, 1, 600, 14.5, RLT_ACTION_STOP,
           "the last 2 results of score have a standard deviation of 0.25 around 14.25, less than "
           "0.5");
    rlt_tuner_destroy(&tuner);
}

static void test_patience(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_for(RLT_STOPPER_PATIENCE);
    fields.patience.patience = 1;
    static const double last[] = {5};
    rlt_tuner *tuner = with_one_completed(&fields, last, 1);
    expect(tuner, 1, 100, 9, RLT_ACTION_CONTINUE, "there is too little to compare score 9 with");
    expect(tuner, 1, 200, NAN, RLT_ACTION_CONTINUE,
           "score is not a number, and nothing was compared");
    expect(tuner, 1, 300, 9, RLT_ACTION_CONTINUE,
           "the best of the last 2 results of score, 9, is not worse than 9, what the best before "
           "asks for");
    expect(tuner, 1, 400, 8, RLT_ACTION_CONTINUE,
           "the best of the last 2 results of score, 9, is not worse than 9, what the best before "
           "asks for");
    expect(tuner, 1, 500, 8.5, RLT_ACTION_STOP,
           "the best of the last 2 results of score, 8.5, is below 9, what the best before asks "
           "for");
    rlt_tuner_destroy(&tuner);
}

static void test_wrapped(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_for(RLT_STOPPER_PATIENCE);
    fields.wrapped = RLT_STOPPER_ASHA;
    fields.patience.patience = 0;
    fields.asha.grace = 100;
    fields.asha.reduction = 2;
    fields.asha.brackets = 1;
    static const double good[] = {5, 6, 7};
    rlt_tuner *tuner = with_one_completed(&fields, good, 2);
    assert_int_equal(rlt_tuner_milestone(tuner, 1, 100), 200);
    expect(tuner, 1, 100, 4, RLT_ACTION_CONTINUE,
           "score 4 is at or above 5, the cutoff of the best 1/2 of 2 trials at rung 0 (patience: "
           "0)");
    rlt_decision decision = report(tuner, 1, 200, 3);
    assert_int_equal(decision.action, RLT_ACTION_STOP);
    assert_string_equal(decision.reason,
                        "score 3 is below 6, the cutoff of the best 1/2 of 2 trials at rung 1; its "
                        "last 1 results brought nothing better");
    assert_int_equal(decision.rung, 1);
    assert_true(decision.numbers[0] == 3 && decision.numbers[1] == 4);
    rlt_tuner_destroy(&tuner);
}

static void test_wilcoxon(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_for(RLT_STOPPER_WILCOXON);
    fields.wilcoxon.p_threshold = 0.3;
    static const double good[] = {5, 6, 7, 8};
    rlt_tuner *tuner = with_one_completed(&fields, good, 4);
    expect(tuner, 1, 100, 4, RLT_ACTION_CONTINUE, "there is too little to compare score 4 with");
    expect(tuner, 1, 200, 4, RLT_ACTION_STOP,
           "over 2 milestones in common with trial 0, the best, score is 4 on average and that "
           "one's 6.5: worse with p = 0.25, less than 0.3");
    expect(tuner, 2, 100, 7, RLT_ACTION_CONTINUE, "there is too little to compare score 7 with");
    expect(tuner, 2, 200, 7, RLT_ACTION_CONTINUE,
           "over 2 milestones in common with trial 0, the best, score is 7 on average and that "
           "one's 6.5: not worse with p = 1, not less than 0.3");
    expect(tuner, 2, 300, NAN, RLT_ACTION_CONTINUE,
           "score is not a number, and nothing was compared");
    expect(tuner, 2, 400, 0, RLT_ACTION_CONTINUE, "there is too little to compare score 0 with");
    rlt_tuner_destroy(&tuner);
}

static void test_curve(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_for(RLT_STOPPER_CURVE);
    fields.curve.threshold = 0.05;
    fields.curve.min_results = 3;
    static const double good[] = {10, 30, 50, 100};
    rlt_tuner *tuner = with_one_completed(&fields, good, 4);
    rlt_decision decision = {0};
    for (int i = 1; i <= 7; i++) { /* settles at 20 */
        decision = report(tuner, 1, 100 * i, 20 * (1 - exp(-i)));
        rlt_decision_explain(tuner, &decision);
        if (i == 2) { /* too little to judge */
            assert_int_equal(decision.action, RLT_ACTION_CONTINUE);
        }
    }
    assert_int_equal(decision.action, RLT_ACTION_STOP);
    assert_contains(decision.reason, "score, now 19.9818, is expected to end at 2");
    assert_contains(decision.reason, "that it ends above 100, the best final one, has probability");
    assert_true(decision.numbers[0] < 0.05 && fabs(decision.numbers[1] - 20) < 3);
    for (int i = 1; i <= 7; i++) { /* rises to 160 */
        decision = report(tuner, 2, 100 * i, 16 * i);
        assert_int_equal(decision.action, RLT_ACTION_CONTINUE);
    }
    assert_true(decision.numbers[0] > 0.9);
    rlt_tuner_destroy(&tuner);
}

static void check_refused(const rlt_tune_fields *fields, const char *part) {
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(fields, no_space, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, part);
    assert_null(tuner);
}

static void test_refused(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_for(RLT_STOPPER_THRESHOLD);
    check_refused(&fields, "threshold needs lower, upper or both");
    fields.threshold.lower = 3;
    fields.threshold.upper = 2;
    check_refused(&fields, "threshold's lower bound, 3, is above its upper one, 2");
    fields = fields_for(RLT_STOPPER_PLATEAU);
    check_refused(&fields, "plateau needs std > 0");
    fields = fields_for(RLT_STOPPER_PATIENCE);
    fields.patience.patience = -1;
    check_refused(&fields, "patience needs patience >= 0");
    fields.patience.patience = 1;
    fields.wrapped = RLT_STOPPER_SHA;
    check_refused(&fields, "patience cannot wrap sha, which has trials wait");
    fields.wrapped = RLT_STOPPER_PATIENCE;
    check_refused(&fields, "patience cannot wrap patience, which is itself");
    fields.wrapped = RLT_STOPPER_MEDIAN;
    fields.milestones.grace = 1000;
    check_refused(&fields, "median's grace is 1000 steps, but trials end at 1000");
    fields = fields_for(RLT_STOPPER_WILCOXON);
    fields.wilcoxon.p_threshold = 2;
    check_refused(&fields, "wilcoxon needs a p_threshold of 0 to 1");
    fields = fields_for(RLT_STOPPER_CURVE);
    check_refused(&fields, "curve needs a threshold between 0 and 1");
    fields = fields_for(RLT_STOPPER_PERCENTILE);
    fields.percentile.percentile = 101;
    check_refused(&fields, "percentile needs a percentile of 0 to 100");
    fields.percentile.percentile = 10;
    fields.milestones.interval = 0;
    check_refused(&fields, "interval >= 1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threshold), cmocka_unit_test(test_plateau),
        cmocka_unit_test(test_patience),  cmocka_unit_test(test_wrapped),
        cmocka_unit_test(test_wilcoxon),  cmocka_unit_test(test_curve),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("tuner_rules", tests, NULL, NULL);
}
