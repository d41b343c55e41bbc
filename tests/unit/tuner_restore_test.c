/* tuner: restored from rows at a random moment, in either order of the rows, it goes on as the
 * uninterrupted one. Stoppers that have trials wait: tuner_halving_test.c. */
#include "tuner_testing.h"

static const char *const space =
    "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
    "\"b\":{\"$space\":\"randint\",\"low\":1,\"high\":400},\"stop\":{\"steps\":10000},"
    "\"tune\":{\"points\":[{\"a\":0.5}]}}";

enum { CALLS = 1500, TRIALS_MAX = 400, STEP_MAX = 9000 };
typedef enum { CALL_ASK, CALL_REPORT, CALL_FINISH } call_kind;
typedef struct call {
    call_kind kind;
    int64_t number, step;
    double value;
    rlt_trial_state state;
    json_t *params;        /* ask */
    rlt_decision decision; /* report */
} call;
typedef struct history {
    call calls[CALLS];
    int count;
    int64_t trials, steps[TRIALS_MAX];
    bool ended[TRIALS_MAX];
    rlt_rng rng;
} history;

static call random_call(history *history) {
    uint32_t kind = rlt_rng_below(&history->rng, 10);
    int64_t number =
        history->trials == 0 ? 0 : rlt_rng_below(&history->rng, (uint32_t)history->trials);
    if (history->trials == 0 || (kind < 2 && history->trials < TRIALS_MAX)) {
        return (call){.kind = CALL_ASK, .number = history->trials};
    }
    if (history->ended[number]) {
        return random_call(history);
    }
    double value = rlt_rng_below(&history->rng, 30) == 0 ? NAN : rlt_rng_below(&history->rng, 50);
    if (kind < 3 || history->steps[number] >= STEP_MAX) {
        uint32_t end = rlt_rng_below(&history->rng, 4);
        return (call){.kind = CALL_FINISH,
                      .number = number,
                      .value = value,
                      .step = history->steps[number],
                      .state = end == 0   ? RLT_TRIAL_FAILED
                               : end == 1 ? RLT_TRIAL_STOPPED
                                          : RLT_TRIAL_COMPLETED};
    }
    return (call){.kind = CALL_REPORT,
                  .number = number,
                  .value = value,
                  .step = history->steps[number] + 1 + rlt_rng_below(&history->rng, 1500)};
}

static void note(history *history, const call *made) {
    if (made->kind == CALL_ASK) {
        history->steps[history->trials++] = 0;
    } else if (made->kind == CALL_REPORT) {
        history->steps[made->number] = made->step;
    } else {
        history->ended[made->number] = true;
    }
    history->calls[history->count++] = *made;
}

/* Makes the call; what it answered is put in *made. */
static void perform(rlt_tuner *tuner, call *made) {
    if (made->kind == CALL_ASK) {
        made->params = ask(tuner, made->number);
    } else if (made->kind == CALL_REPORT) {
        made->decision = report(tuner, made->number, made->step, made->value);
    } else {
        assert_int_equal(
            rlt_tuner_finish(tuner, made->number, made->state, made->value, made->step, NULL),
            RLT_OK);
    }
}

static void check_same_answer(const call *a, const call *b, bool with_numbers) {
    if (a->kind == CALL_ASK) {
        assert_true(json_equal(a->params, b->params));
    } else if (a->kind == CALL_REPORT) {
        assert_int_equal(a->decision.action, b->decision.action);
        assert_int_equal(a->decision.step, b->decision.step);
        assert_int_equal(a->decision.rung, b->decision.rung);
    }
    if (a->kind == CALL_REPORT && with_numbers) {
        assert_int_equal(a->decision.compared, b->decision.compared);
        assert_true(same(a->decision.value, b->decision.value));
        assert_true(same(a->decision.threshold, b->decision.threshold));
        assert_string_equal(a->decision.reason, b->decision.reason);
    }
}

static void replay(rlt_tuner *tuner, const call *row) {
    if (row->kind == CALL_ASK) {
        assert_int_equal(rlt_tuner_restore(tuner, row->number, row->params, NULL), RLT_OK);
    } else if (row->kind == CALL_REPORT) {
        assert_int_equal(rlt_tuner_report(tuner, row->number, row->step, row->value, NULL, NULL),
                         RLT_OK);
    } else {
        call again = *row;
        perform(tuner, &again);
    }
}

/* Rows in the order in which they were written, or trial by trial, as a store may give them. */
static rlt_tuner *restored(const rlt_tune_fields *fields, const history *history,
                           bool trial_by_trial) {
    rlt_tuner *tuner = tuner_of(fields, space);
    for (int64_t number = 0; number < (trial_by_trial ? history->trials : 1); number++) {
        for (int i = 0; i < history->count; i++) {
            if (!trial_by_trial || history->calls[i].number == number) {
                replay(tuner, &history->calls[i]);
            }
        }
    }
    for (int i = 0; trial_by_trial && i < history->count; i++) {
        const call *row = &history->calls[i];
        if (row->kind == CALL_REPORT && row->decision.step == row->step &&
            rlt_tuner_milestone(tuner, row->number, 0) <= row->step) {
            assert_int_equal(rlt_tuner_restore_decision(tuner, row->number, row->step,
                                                        row->decision.action, NULL),
                             RLT_OK);
        }
    }
    return tuner;
}

static void check_same_standing(const history *history, const rlt_tuner *a, const rlt_tuner *b) {
    double value_a, value_b;
    assert_int_equal(rlt_tuner_best(a, &value_a), rlt_tuner_best(b, &value_b));
    assert_true(same(value_a, value_b));
    assert_int_equal(rlt_tuner_goal_reached(a), rlt_tuner_goal_reached(b));
    for (int64_t i = 0; i < history->trials; i++) {
        assert_int_equal(rlt_tuner_milestone(a, i, history->steps[i]),
                         rlt_tuner_milestone(b, i, history->steps[i]));
    }
}

/* Every decision is given again. The numbers behind it are those of the rows' order. */
static void check_decisions_again(const history *history, rlt_tuner *tuner, bool with_numbers) {
    for (int i = 0; i < history->count; i++) {
        call again = history->calls[i];
        if (again.kind == CALL_REPORT && !history->ended[again.number]) {
            perform(tuner, &again);
            check_same_answer(&again, &history->calls[i], with_numbers);
        }
    }
}

static void check_restore(const rlt_tune_fields *fields, uint32_t world) {
    history *history = rlt_alloc(sizeof(*history));
    history->rng = rlt_rng_make(5, RLT_STREAM_TEST, world);
    rlt_tuner *tuner = tuner_of(fields, space);
    int cut = 100 + (int)rlt_rng_below(&history->rng, CALLS - 400);
    while (history->count < cut) {
        call made = random_call(history);
        perform(tuner, &made);
        note(history, &made);
    }
    rlt_tuner *others[] = {restored(fields, history, false), restored(fields, history, true)};
    check_decisions_again(history, others[0], true);
    check_decisions_again(history, others[1], false);
    while (history->count < cut + 300) {
        call made = random_call(history);
        perform(tuner, &made);
        for (int i = 0; i < 2; i++) {
            call same_call = made;
            perform(others[i], &same_call);
            bool is_new = made.decision.step == made.step;
            check_same_answer(&made, &same_call, i == 0 || is_new);
            if (made.kind == CALL_ASK) {
                json_decref(same_call.params);
            }
        }
        note(history, &made);
    }
    check_same_standing(history, tuner, others[0]);
    check_same_standing(history, tuner, others[1]);
    rlt_tuner_destroy(&tuner);
    rlt_tuner_destroy(&others[0]);
    rlt_tuner_destroy(&others[1]);
    for (int i = 0; i < history->count; i++) {
        json_decref(history->calls[i].params);
    }
    rlt_free(history);
}

static void test_restore(void **unused) {
    (void)unused;
    static const int samplers[] = {RLT_SAMPLER_RANDOM, RLT_SAMPLER_SOBOL, RLT_SAMPLER_TPE};
    static const int stoppers[] = {
        RLT_STOPPER_NONE,           RLT_STOPPER_MEDIAN,    RLT_STOPPER_ASHA,
        RLT_STOPPER_PERCENTILE,     RLT_STOPPER_THRESHOLD, RLT_STOPPER_PLATEAU,
        RLT_STOPPER_PATIENCE,       RLT_STOPPER_WILCOXON,  RLT_STOPPER_CURVE,
        RLT_STOPPER_HYPERBAND_ASHA, RLT_STOPPER_COUNT}; /* patience that wraps median */
    for (uint32_t world = 0; world < 66; world++) {
        rlt_tune_fields fields = tune_default();
        fields.sampler = samplers[world / 3 % RLT_COUNT(samplers)];
        fields.tpe.multivariate = world % 2 == 0;
        fields.tpe.constant_liar = world % 5 != 0;
        fields.stopper = stoppers[world % RLT_COUNT(stoppers)];
        if (fields.stopper == RLT_STOPPER_COUNT) {
            fields.stopper = RLT_STOPPER_PATIENCE;
            fields.wrapped = RLT_STOPPER_MEDIAN;
        }
        fields.patience.patience = world % 3;
        fields.hyperband.grace = 300;
        fields.hyperband.reduction = 3;
        fields.threshold.lower = 5;
        fields.threshold.upper = NAN;
        fields.plateau.std = 6;
        fields.plateau.num_results = 3;
        fields.plateau.metric_threshold = NAN;
        fields.wilcoxon.p_threshold = 0.3;
        fields.curve.threshold = 0.3;
        fields.curve.min_results = 2;
        fields.percentile.percentile = 30;
        fields.maximise = world % 4 < 2;
        fields.goal = fields.maximise ? 49 : 0;
        fields.asha.grace = 300;
        fields.asha.reduction = 3;
        fields.asha.brackets = 1 + world % 2;
        fields.milestones.grace = 500;
        fields.milestones.interval = 700;
        fields.percentile.min_trials = 2;
        check_restore(&fields, world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_restore)};
    return cmocka_run_group_tests_name("tuner_restore", tests, NULL, NULL);
}
