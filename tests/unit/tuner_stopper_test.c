/* tuner: ASHA, median and percentile against models that keep everything and sort it anew for each
 * decision, over random reports with ties, NAN, repeats, both modes. Optuna's decisions:
 * tuner_golden_test.c. */
#include "tuner_testing.h"

#include <stdio.h>

enum { TRIALS = 150, REPORTS = 6000, SEEN_MAX = 40, MILESTONES = 80 };
static const char *const no_space = "{\"stop\":{\"steps\":10000}}";

static int descending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* One trial as the models see it: first report and answer at each milestone. */
typedef struct seen {
    int64_t step;
    double value;
    rlt_decision decision;
} seen;
typedef struct model_trial {
    int64_t step; /* of its last report */
    double best;  /* key of the best report */
    bool ended, completed;
    double keys[MILESTONES]; /* recorded at milestone i */
    bool recorded[MILESTONES], stopped[MILESTONES];
    seen seen[SEEN_MAX]; /* answers, to be asked for again */
    int seen_count;
} model_trial;
typedef struct model {
    rlt_tune_fields fields;
    rlt_tuner *tuner;
    rlt_rng rng;
    model_trial trials[TRIALS];
} model;

static double key_of(const model *model, double value) {
    return model->fields.maximise ? value : -value;
}

/* Coarse, so that ties are common; now and then NAN or infinite. */
static double random_value(rlt_rng *rng) {
    uint32_t kind = rlt_rng_below(rng, 100);
    if (kind < 3) {
        return kind == 0 ? NAN : kind == 1 ? INFINITY : -INFINITY;
    }
    return kind < 60 ? (double)rlt_rng_below(rng, 12) : rlt_rng_normal(rng) * 5;
}

/* The `rank`-th largest of the keys (from 0); NAN counts as the least. */
static double ranked(const double *keys, int count, int rank) {
    double sorted[TRIALS];
    for (int i = 0; i < count; i++) {
        sorted[i] = isnan(keys[i]) ? -INFINITY : keys[i];
    }
    qsort(sorted, (size_t)count, sizeof(double), descending);
    return sorted[rank];
}

static rlt_action asha_expected(model *model, int64_t number, int bracket, int milestone,
                                double key, double *threshold, int *count) {
    const int reduction = (int)model->fields.asha.reduction;
    double keys[TRIALS];
    *count = 0;
    for (int i = 0; i < TRIALS; i++) {
        bool same_bracket =
            model->tuner->stopper->bracket(model->tuner->stopper_state, i) == bracket;
        if (i != number && same_bracket && model->trials[i].recorded[milestone]) {
            keys[(*count)++] = model->trials[i].keys[milestone];
        }
    }
    keys[(*count)++] = key;
    int best = *count / reduction < 1 ? 1 : *count / reduction;
    double cut = ranked(keys, *count, best - 1);
    *threshold = *count > 1 ? cut : NAN;
    return key >= cut ? RLT_ACTION_CONTINUE : RLT_ACTION_STOP;
}

/* The `percent`-th percentile from below, interpolated linearly. */
static double percentile_of(const double *keys, int count, double percent) {
    double place = (count - 1) * percent / 100, part = place - floor(place);
    int above = count - 1 - (int)floor(place); /* ranks count from the largest */
    double low = ranked(keys, count, above), high = ranked(keys, count, above > 0 ? above - 1 : 0);
    if (low == high || part == 0) {
        return low;
    }
    return isinf(low) || isinf(high) ? low + high : low + (high - low) * part;
}

static rlt_action percentile_expected(model *model, int64_t number, int bracket, int milestone,
                                      double key, double *threshold, int *count) {
    (void)bracket, (void)key;
    double keys[TRIALS];
    int completed = 0;
    *count = 0;
    for (int i = 0; i < TRIALS; i++) {
        const model_trial *at = &model->trials[i];
        completed += at->completed;
        if (at->completed && at->recorded[milestone] && !isnan(at->keys[milestone])) {
            keys[(*count)++] = at->keys[milestone];
        }
    }
    const rlt_tune_fields *fields = &model->fields;
    bool median = fields->stopper == RLT_STOPPER_MEDIAN;
    *threshold = NAN;
    if (*count >= fields->percentile.min_trials && completed >= fields->percentile.startup_trials) {
        *threshold =
            percentile_of(keys, *count, 100 - (median ? 50 : fields->percentile.percentile));
    }
    double best = model->trials[number].best;
    return isnan(best) || best < *threshold ? RLT_ACTION_STOP : RLT_ACTION_CONTINUE;
}

/* Equal but for the last bits. */
static bool nearly(double a, double b) {
    return same(a, b) || fabs(a - b) <= 1e-12 * fmax(1, fabs(a));
}

/* The milestone that `step` has reached, by counting: grace * reduction^k or grace + k interval. */
static int milestone_of(const model *model, int64_t number, int64_t step, int *bracket) {
    const rlt_tune_fields *fields = &model->fields;
    bool asha = fields->stopper == RLT_STOPPER_ASHA;
    *bracket = asha ? model->tuner->stopper->bracket(model->tuner->stopper_state, number) : -1;
    int64_t at = asha ? fields->asha.grace : fields->milestones.grace;
    for (int i = 0; i < *bracket; i++) {
        at *= fields->asha.reduction;
    }
    int reached = -1;
    while (at <= step && at < 10000) {
        reached++;
        at = asha ? at * fields->asha.reduction : at + fields->milestones.interval;
    }
    return reached;
}

static void check_same(const rlt_decision *a, const rlt_decision *b) {
    assert_int_equal(a->action, b->action);
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->bracket, b->bracket);
    assert_int_equal(a->rung, b->rung);
    assert_int_equal(a->compared, b->compared);
    assert_true(same(a->value, b->value) && same(a->threshold, b->threshold));
    assert_string_equal(a->reason, b->reason);
}

static void check_new_report(model *model, int64_t number, int64_t step) {
    model_trial *at = &model->trials[number];
    double value = random_value(&model->rng), key = key_of(model, value), threshold = NAN;
    int bracket, compared = 0, milestone = milestone_of(model, number, step, &bracket);
    at->best = isnan(at->best) ? key : isnan(key) ? at->best : fmax(at->best, key);
    at->step = step;
    rlt_decision decision = report(model->tuner, number, step, value);
    if (milestone >= 0 && !at->recorded[milestone]) {
        bool asha = model->fields.stopper == RLT_STOPPER_ASHA;
        rlt_action action = (asha ? asha_expected : percentile_expected)(
            model, number, bracket, milestone, key, &threshold, &compared);
        at->keys[milestone] = key;
        at->recorded[milestone] = true;
        at->stopped[milestone] = action == RLT_ACTION_STOP;
        assert_int_equal(decision.step, step);
        assert_int_equal(decision.compared, compared);
        assert_true(nearly(key_of(model, decision.threshold), threshold));
        assert_true(same(decision.value, asha ? value : key_of(model, at->best)));
        assert_int_equal(decision.rung, asha ? milestone : -1);
        assert_int_equal(decision.bracket, bracket);
    }
    bool stop = milestone >= 0 && at->stopped[milestone];
    assert_int_equal(decision.action, stop ? RLT_ACTION_STOP : RLT_ACTION_CONTINUE);
    assert_int_equal(decision.reason[0] != 0, stop);
    if (at->seen_count < SEEN_MAX) {
        at->seen[at->seen_count++] = (seen){step, value, decision};
    }
}

static void check_repeat(model *model, int64_t number) {
    model_trial *at = &model->trials[number];
    const seen *old = &at->seen[rlt_rng_below(&model->rng, (uint32_t)at->seen_count)];
    int bracket; /* what was judged keeps its first value; before that there is nothing to keep */
    bool judged = milestone_of(model, number, old->step, &bracket) >= 0;
    double value = judged ? random_value(&model->rng) : old->value;
    rlt_decision again = report(model->tuner, number, old->step, value);
    check_same(&again, &old->decision);
}

static void end_trial(model *model, int64_t number) {
    model_trial *at = &model->trials[number];
    uint32_t kind = rlt_rng_below(&model->rng, 4);
    rlt_trial_state state = kind == 0   ? RLT_TRIAL_STOPPED
                            : kind == 1 ? RLT_TRIAL_FAILED
                                        : RLT_TRIAL_COMPLETED;
    assert_int_equal(rlt_tuner_finish(model->tuner, number, state, 1, at->step, NULL), RLT_OK);
    at->ended = true;
    at->completed = state == RLT_TRIAL_COMPLETED;
}

static void check_against_model(const rlt_tune_fields *fields, uint32_t world) {
    model *model = rlt_alloc(sizeof(*model));
    model->fields = *fields;
    model->tuner = tuner_of(fields, no_space);
    model->rng = rlt_rng_make(20, RLT_STREAM_TEST, world);
    for (int i = 0; i < TRIALS; i++) {
        json_decref(ask(model->tuner, i));
        model->trials[i].best = NAN;
    }
    for (int i = 0; i < REPORTS; i++) {
        int64_t number = rlt_rng_below(&model->rng, TRIALS);
        model_trial *at = &model->trials[number];
        uint32_t kind = rlt_rng_below(&model->rng, 100);
        if (at->ended) {
            continue;
        }
        if (kind < 1) {
            end_trial(model, number);
        } else if (kind < 20 && at->seen_count > 0) {
            check_repeat(model, number);
        } else if (kind < 60 && rlt_tuner_milestone(model->tuner, number, at->step) < INT64_MAX) {
            check_new_report(model, number, rlt_tuner_milestone(model->tuner, number, at->step));
        } else if (at->step < 9000) {
            check_new_report(model, number, at->step + 1 + rlt_rng_below(&model->rng, 400));
        }
    }
    rlt_tuner_destroy(&model->tuner);
    rlt_free(model);
}

static void test_asha_model(void **unused) {
    (void)unused;
    for (uint32_t world = 0; world < 12; world++) {
        rlt_tune_fields fields = tune_default();
        fields.stopper = RLT_STOPPER_ASHA;
        fields.maximise = world % 2 == 0;
        fields.asha.grace = 100;
        fields.asha.reduction = 2 + world % 3;
        fields.asha.brackets = 1 + world % 4 % 3;
        check_against_model(&fields, world);
    }
}

static void test_percentile_model(void **unused) {
    (void)unused;
    static const double percentiles[] = {25, 90, 0, 100, 61.7};
    for (uint32_t world = 0; world < 24; world++) {
        rlt_tune_fields fields = tune_default();
        fields.stopper = world < 8 ? RLT_STOPPER_MEDIAN : RLT_STOPPER_PERCENTILE;
        fields.percentile.percentile = percentiles[world % RLT_COUNT(percentiles)];
        fields.percentile.startup_trials = world % 3 * 2;
        fields.maximise = world % 2 == 0;
        fields.milestones.grace = 100;
        fields.milestones.interval = 150 + 100 * (world % 3);
        fields.percentile.min_trials = 1 + world % 4;
        check_against_model(&fields, 100 + world);
    }
}

static void test_asha_by_hand(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    fields.stopper = RLT_STOPPER_ASHA;
    fields.asha.grace = 1000;
    fields.asha.reduction = 3;
    fields.asha.brackets = 1;
    rlt_tuner *tuner = tuner_of(&fields, no_space);
    for (int i = 0; i < 9; i++) {
        json_decref(ask(tuner, i));
    }
    assert_int_equal(rlt_tuner_milestone(tuner, 0, 0), 1000);
    assert_int_equal(rlt_tuner_milestone(tuner, 0, 999), 1000);
    assert_int_equal(rlt_tuner_milestone(tuner, 0, 1000), 3000);
    assert_int_equal(rlt_tuner_milestone(tuner, 0, 9000), INT64_MAX);
    static const double values[] = {5, 7, 7, 6, 2, 7.5, 7.2, 7.3, 1};
    /*                                     n: 1  2  3  4  5  6  7  8  9; the best n/3 go on */
    static const bool goes_on[] = {true, true, true, false, false, true, true, true, false};
    for (int i = 0; i < 9; i++) {
        rlt_decision decision = report(tuner, i, 1024, values[i]);
        assert_int_equal(decision.action == RLT_ACTION_CONTINUE, goes_on[i]);
    }
    rlt_decision last = report(tuner, 8, 1024, 1);
    assert_string_equal(
        last.reason, "the result 1 is below 7.2, the cutoff of the best 1/3 of 9 trials at rung 0");
    rlt_decision first = report(tuner, 0, 1024, 5);
    rlt_decision_explain(tuner, &first);
    assert_string_equal(first.reason, "there is too little to compare the result 5 with");
    rlt_decision sixth = report(tuner, 5, 1100, 9);
    assert_int_equal(sixth.step, 1024); /* no new milestone: the answer of the last one */
    rlt_decision_explain(tuner, &sixth);
    assert_string_equal(
        sixth.reason,
        "the result 7.5 is at or above 7, the cutoff of the best 1/3 of 6 trials at rung 0");
    rlt_tuner_destroy(&tuner);
}

static void test_reasons(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    fields.maximise = false;
    fields.stopper = RLT_STOPPER_ASHA;
    fields.asha.grace = 10;
    fields.asha.reduction = 4;
    fields.asha.brackets = 1;
    rlt_tuner *tuner = tuner_of(&fields, no_space);
    for (int i = 0; i < 3; i++) {
        json_decref(ask(tuner, i));
    }
    report(tuner, 0, 10, 0.125);
    assert_string_equal(
        report(tuner, 1, 10, 0.5).reason,
        "the result 0.5 is above 0.125, the cutoff of the best 1/4 of 2 trials at rung 0");
    assert_string_equal(report(tuner, 2, 10, NAN).reason, "the result is not a number");
    rlt_tuner_destroy(&tuner);

    fields.stopper = RLT_STOPPER_MEDIAN;
    fields.milestones.grace = 10;
    fields.milestones.interval = 10;
    fields.percentile.min_trials = 1;
    tuner = tuner_of(&fields, no_space);
    for (int i = 0; i < 3; i++) {
        json_decref(ask(tuner, i));
    }
    for (int i = 0; i < 2; i++) {
        report(tuner, i, 10, 1 + i);
        assert_int_equal(rlt_tuner_finish(tuner, i, RLT_TRIAL_COMPLETED, 1, 10, NULL), RLT_OK);
    }
    assert_string_equal(
        report(tuner, 2, 10, 3).reason,
        "the best so far of the result, 3, is above 1.5, the median of 2 completed trials");
    rlt_tuner_destroy(&tuner);
}

/* Softmax over the numbers of rungs: 4, 3 and 2 here. */
static void test_brackets(void **unused) {
    (void)unused;
    enum { N = 20000 };
    rlt_tune_fields fields = tune_default();
    fields.stopper = RLT_STOPPER_ASHA;
    fields.asha.grace = 100;
    fields.asha.reduction = 3;
    fields.asha.brackets = 3;
    rlt_tuner *tuner = tuner_of(&fields, no_space);
    int counts[3] = {0};
    for (int i = 0; i < N; i++) {
        json_decref(ask(tuner, i));
        int64_t first = rlt_tuner_milestone(tuner, i, 0);
        assert_true(first == 100 || first == 300 || first == 900);
        counts[first == 100 ? 0 : first == 300 ? 1 : 2]++;
    }
    double sum = exp(4) + exp(3) + exp(2);
    for (int b = 0; b < 3; b++) {
        assert_near(counts[b], N * exp(4 - b) / sum, 0.015 * N);
    }
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
    rlt_tune_fields fields = tune_default();
    fields.stopper = RLT_STOPPER_ASHA;
    check_refused(&fields, "asha needs grace >= 1");
    fields.asha.grace = 10000;
    fields.asha.reduction = 3;
    fields.asha.brackets = 1;
    check_refused(&fields, "grace is 10000 steps, but trials end at 10000");
    fields.asha.grace = 1000;
    fields.asha.brackets = 4;
    check_refused(&fields, "leave room for 3 below 10000 steps");
    fields.stopper = RLT_STOPPER_MEDIAN;
    check_refused(&fields, "median needs min_trials >= 1");
    fields.milestones.grace = 20000;
    fields.milestones.interval = fields.percentile.min_trials = 1;
    check_refused(&fields, "make grace smaller");
    fields.stopper = 99;
    check_refused(&fields, "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asha_model),   cmocka_unit_test(test_percentile_model),
        cmocka_unit_test(test_asha_by_hand), cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_brackets),     cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("tuner_stopper", tests, NULL, NULL);
}
