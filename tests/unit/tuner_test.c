/* tuner: trial states, budgets, best and goal, misuse, memory. */
#include "tuner_testing.h"

static const char *const space =
    "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
    "\"b\":{\"$space\":\"randint\",\"low\":1,\"high\":400},\"stop\":{\"steps\":10000},"
    "\"tune\":{\"points\":[{\"a\":0.5}]}}";

static void test_states(void **unused) {
    (void)unused;
    /* rows: from; columns: to; pending, running, paused, stopped, completed, failed */
    static const char *const allowed[] = {".xxx.x", "x.xxxx", "xx.x.x",
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

/* Every listed name is one that a script can give, and means the same there. */
static void check_listing(const char *key, const rlt_listing *listing, bool sampler) {
    int count = 0;
    for (; listing[count].name != NULL; count++) {
        rlt_experiment_config config;
        rlt_err err = {0};
        json_t *raw = json_pack("{s:{s:{s:s}}}", "tune", key, "name", listing[count].name);
        json_t *table = json_object_get(json_object_get(raw, "tune"), key);
        if (sampler && count == RLT_SAMPLER_PARTIAL_FIXED) { /* fixes something */
            json_object_set_new(table, "fixed", json_pack("{s:f}", "ppo.lr", 1e-3));
            json_object_set_new(raw, "ppo",
                                json_pack("{s:{s:s, s:f, s:f}}", "lr", "$space", "uniform", "low",
                                          1e-4, "high", 1e-2));
        }
        if (!sampler && count == RLT_STOPPER_PBT_REPLAY) { /* follows something */
            json_object_set_new(table, "experiment", json_integer(1));
            json_object_set_new(table, "trial", json_integer(0));
        }
        if (rlt_experiment_config_load(raw, NULL, &config, &err) != RLT_OK) {
            fail_msg("%s", err.message);
        }
        assert_int_equal(sampler ? config.tune.sampler : config.tune.stopper, count);
        assert_true(strlen(listing[count].help) > 10);
        rlt_experiment_config_fini(&config);
        json_decref(raw);
    }
    assert_true(count >= 3);
}

static void test_listings(void **unused) {
    (void)unused;
    check_listing("sampler", rlt_samplers, true);
    check_listing("stopper", rlt_stoppers, false);
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
        cmocka_unit_test(test_states),  cmocka_unit_test(test_listings),
        cmocka_unit_test(test_budgets), cmocka_unit_test(test_best_and_goal),
        cmocka_unit_test(test_misuse),  cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests_name("tuner", tests, NULL, NULL);
}
