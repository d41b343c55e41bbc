/* tuner: trial states, budgets, best and goal; a tuner restored from rows at a random moment goes
 * on as the uninterrupted one. */
#include "tuner_testing.h"

static const char *const space =
    "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
    "\"b\":{\"$space\":\"randint\",\"low\":1,\"high\":400},\"stop\":{\"steps\":10000},"
    "\"tune\":{\"points\":[{\"a\":0.5}]}}";

static void test_states(void **unused) {
    (void)unused;
    /* rows: from; columns: to; pending, running, paused, stopped, completed, failed */
    static const char *const allowed[] = {".x.x.x", "x.xxxx", "xx.x.x",
                                          "......", "......", "......"};
    for (int from = 0; from < RLT_TRIAL_STATE_COUNT; from++) {
        for (int to = 0; to < RLT_TRIAL_STATE_COUNT; to++) {
            assert_int_equal(rlt_trial_may_become((rlt_trial_state)from, (rlt_trial_state)to),
                             allowed[from][to] == 'x');
        }
        rlt_trial_state parsed;
        assert_int_equal(
            rlt_trial_state_parse(rlt_trial_state_name((rlt_trial_state)from), &parsed, NULL),
            RLT_OK);
        assert_int_equal(parsed, from);
    }
    rlt_trial_state parsed;
    rlt_err err = {0};
    assert_int_equal(rlt_trial_state_parse("runing", &parsed, &err), RLT_EINVAL);
    assert_contains(err.message, "did you mean 'running'");
}

static void test_listings(void **unused) {
    (void)unused;
    static const char *const samplers[] = {"random", "grid", "sobol"};
    static const char *const stoppers[] = {"none", "median", "asha"};
    for (int i = 0; i < 3; i++) { /* in the order of the enumerations of config */
        assert_string_equal(rlt_samplers[i].name, samplers[i]);
        assert_string_equal(rlt_stoppers[i].name, stoppers[i]);
        assert_true(strlen(rlt_samplers[i].help) > 10 && strlen(rlt_stoppers[i].help) > 10);
    }
    assert_null(rlt_samplers[3].name);
    assert_null(rlt_stoppers[3].name);
}

static rlt_status try_ask(rlt_tuner *tuner, rlt_err *err) {
    int64_t number;
    json_t *params = NULL;
    rlt_status status = rlt_tuner_ask(tuner, &number, &params, err);
    json_decref(params);
    return status;
}

static void test_budgets(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    fields.trials = 2;
    rlt_tuner *tuner = tuner_of(&fields, space);
    rlt_err err = {0};
    assert_int_equal(try_ask(tuner, &err), RLT_OK);
    assert_int_equal(try_ask(tuner, &err), RLT_OK);
    assert_int_equal(try_ask(tuner, &err), RLT_ENOTFOUND);
    assert_string_equal(err.message, "all 2 trials have been started");
    rlt_tuner_destroy(&tuner);

    fields.trials = 100;
    fields.budget.steps = 1000;
    tuner = tuner_of(&fields, space);
    assert_int_equal(try_ask(tuner, &err), RLT_OK);
    assert_int_equal(try_ask(tuner, &err), RLT_OK);
    report(tuner, 0, 600, 1);
    report(tuner, 0, 600, 1); /* counted once */
    report(tuner, 1, 300, 1);
    assert_int_equal(try_ask(tuner, &err), RLT_OK);
    assert_int_equal(rlt_tuner_finish(tuner, 0, RLT_TRIAL_COMPLETED, 1, 700, NULL), RLT_OK);
    assert_int_equal(try_ask(tuner, &err), RLT_ENOTFOUND);
    assert_string_equal(err.message, "the budget of 1000 steps is used up: 1000 taken");
    rlt_tuner_destroy(&tuner);
}

static void check_best(const rlt_tuner *tuner, int64_t number, double value) {
    double best;
    assert_int_equal(rlt_tuner_best(tuner, &best), number);
    assert_true(same(best, value));
}

static void test_best_and_goal(void **unused) {
    (void)unused;
    for (int maximise = 0; maximise < 2; maximise++) {
        double sign = maximise ? 1 : -1;
        rlt_tune_fields fields = tune_default();
        fields.maximise = maximise != 0;
        fields.goal = 9 * sign;
        rlt_tuner *tuner = tuner_of(&fields, space);
        check_best(tuner, -1, NAN);
        for (int i = 0; i < 3; i++) {
            json_decref(ask(tuner, i));
        }
        report(tuner, 0, 10, NAN);
        check_best(tuner, -1, NAN);
        report(tuner, 1, 10, 4 * sign);
        report(tuner, 2, 10, 4 * sign);
        check_best(tuner, 1, 4 * sign); /* ties: the first */
        report(tuner, 2, 20, 6 * sign);
        check_best(tuner, 2, 6 * sign);
        report(tuner, 2, 30, 5 * sign); /* the latest counts, not a lucky one before */
        check_best(tuner, 2, 5 * sign);
        assert_int_equal(rlt_tuner_finish(tuner, 2, RLT_TRIAL_FAILED, NAN, 30, NULL), RLT_OK);
        check_best(tuner, 1, 4 * sign);
        assert_false(rlt_tuner_goal_reached(tuner));
        assert_int_equal(rlt_tuner_finish(tuner, 1, RLT_TRIAL_COMPLETED, 9 * sign, 40, NULL),
                         RLT_OK);
        check_best(tuner, 1, 9 * sign);
        assert_true(rlt_tuner_goal_reached(tuner));
        rlt_tuner_destroy(&tuner);
    }
}

static void test_misuse(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    rlt_tuner *tuner = tuner_of(&fields, space);
    json_decref(ask(tuner, 0));
    rlt_decision decision;
    rlt_err err = {0};
    assert_int_equal(rlt_tuner_report(tuner, 1, 5, 1, &decision, &err), RLT_ENOTFOUND);
    assert_int_equal(rlt_tuner_report(tuner, 0, -5, 1, &decision, &err), RLT_EINVAL);
    assert_int_equal(rlt_tuner_finish(tuner, 0, RLT_TRIAL_PAUSED, 1, 5, &err), RLT_EINVAL);
    assert_contains(err.message, "cannot end as paused");
    assert_int_equal(rlt_tuner_finish(tuner, 0, RLT_TRIAL_STOPPED, 1, 5, &err), RLT_OK);
    assert_int_equal(rlt_tuner_finish(tuner, 0, RLT_TRIAL_STOPPED, 1, 5, &err), RLT_OK);
    assert_int_equal(rlt_tuner_finish(tuner, 0, RLT_TRIAL_COMPLETED, 1, 5, &err), RLT_ESTALE);
    assert_int_equal(rlt_tuner_report(tuner, 0, 50, 1, &decision, &err), RLT_ESTALE);
    assert_contains(err.message, "trial 0 is stopped already");
    json_t *params = from_text("{\"a\":1}");
    assert_int_equal(rlt_tuner_restore(tuner, 5, params, &err), RLT_ECORRUPT);
    assert_int_equal(rlt_tuner_restore(tuner, 1, params, &err), RLT_ECORRUPT);
    assert_contains(err.message, "no value for b");
    assert_int_equal(rlt_tuner_restore_decision(tuner, 0, 50, RLT_ACTION_STOP, &err), RLT_OK);
    json_decref(ask(tuner, 1));
    assert_int_equal(rlt_tuner_restore_decision(tuner, 1, 50, RLT_ACTION_STOP, &err), RLT_ECORRUPT);
    json_decref(params);
    rlt_tuner_destroy(&tuner);
}

/* ---- restoring ---- */

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
    for (uint32_t world = 0; world < 36; world++) {
        rlt_tune_fields fields = tune_default();
        fields.sampler = world % 2 == 0 ? RLT_SAMPLER_RANDOM : RLT_SAMPLER_SOBOL;
        fields.stopper = (int)(world % 3);
        fields.maximise = world % 4 < 2;
        fields.goal = fields.maximise ? 49 : 0;
        fields.asha.grace = 300;
        fields.asha.reduction = 3;
        fields.asha.brackets = 1 + world % 2;
        fields.median.grace = 500;
        fields.median.interval = 700;
        fields.median.min_trials = 2;
        check_restore(&fields, world);
    }
}

/* What a trial takes is given back when it ends; its reports take nothing after the first. */
static void test_allocations(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    fields.stopper = RLT_STOPPER_ASHA;
    fields.asha.grace = 100;
    fields.asha.reduction = 3;
    fields.asha.brackets = 1;
    rlt_tuner *tuner = tuner_of(&fields, space);
    enum { TRIALS = 4096 };
    for (int i = 0; i < TRIALS; i++) {
        json_decref(ask(tuner, i));
    }
    uint64_t before = rlt_alloc_count();
    for (int i = 0; i < TRIALS; i++) {
        for (int step = 50; step < 8000; step += 50) {
            report(tuner, i, step, i % 7);
        }
    }
    uint64_t taken = rlt_alloc_count() - before; /* 160 reports a trial */
    assert_in_range(taken, TRIALS, 3 * TRIALS);
    rlt_tuner_destroy(&tuner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),      cmocka_unit_test(test_listings),
        cmocka_unit_test(test_budgets),     cmocka_unit_test(test_best_and_goal),
        cmocka_unit_test(test_misuse),      cmocka_unit_test(test_restore),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests_name("tuner", tests, NULL, NULL);
}
