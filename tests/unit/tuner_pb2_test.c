/* tuner: pb2: its Gaussian process against NumPy's linear algebra (scripts/gen_golden_tv_gp.py),
 * and whether the bandit finds what makes results better, within its bounds, also restored from
 * rows. */
#include "tuner_testing.h"

#include "tuner/stoppers/tv_gp.h"

#include <stdio.h>

static double number_at(const json_t *array, size_t i) {
    return json_number_value(json_array_get(array, i));
}

static void read_place(const json_t *rows, size_t i, double *place) {
    const json_t *row = json_array_get(rows, i);
    for (size_t j = 0; j < json_array_size(row); j++) {
        place[j] = number_at(row, j);
    }
}

static void check_predictions(rlt_tv_gp *gp, const json_t *golden, bool pended) {
    const json_t *queries = json_object_get(golden, "queries");
    const json_t *variances = json_object_get(golden, pended ? "variance_pending" : "variance");
    double place[8], mean, variance;
    for (size_t i = 0; i < json_array_size(queries); i++) {
        read_place(queries, i, place);
        rlt_tv_gp_predict(gp, place, &mean, &variance);
        assert_near(mean, number_at(json_object_get(golden, "mean"), i), 1e-9);
        assert_near(variance, number_at(variances, i), 1e-9);
    }
}

static void the_process_is_numpys(void **state) {
    (void)state;
    json_t *all = json_load_file("tests/golden/tv_gp.json", 0, NULL), *golden;
    size_t at;
    assert_int_equal(json_array_size(all), 4);
    json_array_foreach(all, at, golden) {
        const json_t *x = json_object_get(golden, "x"), *y = json_object_get(golden, "y");
        const json_t *pending = json_object_get(golden, "pending");
        double place[8], theta[RLT_TV_THETA], gradient[RLT_TV_THETA];
        rlt_tv_gp gp;
        rlt_tv_gp_init(&gp, (int)json_integer_value(json_object_get(golden, "d")), 48);
        for (size_t i = 0; i < json_array_size(x); i++) {
            read_place(x, i, place);
            rlt_tv_gp_add(&gp, place, number_at(y, i));
        }
        for (size_t i = 0; i < RLT_TV_THETA; i++) {
            theta[i] = number_at(json_object_get(golden, "theta"), i);
        }
        double loss = rlt_tv_gp_loss(&gp, theta, gradient);
        assert_near(loss, json_number_value(json_object_get(golden, "loss")), 1e-9);
        for (size_t i = 0; i < RLT_TV_THETA; i++) {
            assert_near(gradient[i], number_at(json_object_get(golden, "gradient"), i), 1e-5);
        }
        check_predictions(&gp, golden, false);
        for (size_t i = 0; i < json_array_size(pending); i++) {
            read_place(pending, i, place);
            rlt_tv_gp_pend(&gp, place);
        }
        check_predictions(&gp, golden, true);
        rlt_tv_gp_fit(&gp, 60);
        theta[0] = log(gp.variance);
        theta[1] = log(gp.length);
        theta[2] = log(gp.forgetting);
        theta[3] = log(gp.noise);
        assert_true(rlt_tv_gp_loss(&gp, theta, gradient) <= loss + 1e-6);
        rlt_tv_gp_fini(&gp);
    }
    json_decref(all);
}

/* ---- the bandit ---- */

enum { TRIALS = 8, INTERVAL = 100, MILESTONES = 20 };
static const char experiment[] =
    "{\"params\":{\"x\":{\"$space\":\"loguniform\",\"low\":0.0001,\"high\":1},"
    "\"y\":{\"$space\":\"uniform\",\"low\":-1,\"high\":1}},\"stop\":{\"steps\":2100},"
    "\"tune\":{\"stopper\":{%s}}}";

static rlt_tune_fields bandit_fields(int64_t seed, bool synch) {
    rlt_tune_fields fields = tune_default();
    fields.stopper = RLT_STOPPER_PB2;
    fields.trials = TRIALS;
    fields.seed = seed;
    fields.pbt.interval = INTERVAL;
    fields.pbt.quantile_fraction = 0.25;
    fields.pbt.synch = synch;
    return fields;
}

static rlt_tuner *bandit_of(const rlt_tune_fields *fields, const char *options) {
    char text[600];
    snprintf(text, sizeof text, experiment, options);
    return tuner_of(fields, text);
}

static double value_of(const json_t *params, const char *path) {
    return json_number_value(json_object_get(params, path));
}

/* What an interval with these parameters adds: most at x = 0.01, y = 0.5. */
static double gain_of(const json_t *params) {
    double x = log10(value_of(params, "params.x")) + 2, y = value_of(params, "params.y") - 0.5;
    return 10 - x * x - 4 * y * y;
}

typedef struct play {
    rlt_tuner *tuner;
    json_t *params[TRIALS];
    double value[TRIALS];
    double late; /* sum of the gains of parameters chosen in the second half */
    int late_count;
    json_t *rows; /* what a driver would restore from */
} play;

static void take(play *p, int64_t number, const rlt_decision *decision, int milestone) {
    json_t *row = json_pack("{s:I, s:I, s:f, s:i}", "number", (json_int_t)number, "step",
                            (json_int_t)decision->step, "value", p->value[number], "action",
                            decision->action);
    if (decision->action == RLT_ACTION_EXPLOIT) {
        const rlt_exploit *exploit = &decision->exploit;
        p->value[number] = p->value[exploit->source];
        json_decref(p->params[number]);
        p->params[number] = json_deep_copy(exploit->params);
        json_object_set_new(row, "source", json_integer(exploit->source));
        json_object_set(row, "params", p->params[number]);
        assert_true(value_of(exploit->params, "params.x") >= 1e-4 &&
                    value_of(exploit->params, "params.x") <= 1 &&
                    fabs(value_of(exploit->params, "params.y")) <= 1);
        if (milestone > MILESTONES / 2) {
            p->late += gain_of(exploit->params);
            p->late_count++;
        }
    }
    json_array_append_new(p->rows, row);
}

static void rule(play *p, int milestone) {
    double before[TRIALS];
    int64_t number;
    rlt_decision decision;
    memcpy(before, p->value, sizeof before);
    while (rlt_tuner_ruling(p->tuner, &number, &decision)) {
        take(p, number, &decision, milestone);
        if (decision.action == RLT_ACTION_EXPLOIT) {
            p->value[number] = before[decision.exploit.source];
        }
    }
}

static void round_of(play *p, int milestone) {
    for (int64_t k = 0; k < TRIALS; k++) {
        int64_t i = (3 * k + 5 * milestone) % TRIALS; /* whoever is first looks good */
        p->value[i] += gain_of(p->params[i]);
        rlt_decision decision = report(p->tuner, i, milestone * INTERVAL, p->value[i]);
        take(p, i, &decision, milestone);
        rule(p, milestone);
    }
}

static play *start(const rlt_tune_fields *fields) {
    play *p = rlt_alloc(sizeof *p);
    p->tuner = bandit_of(fields, "");
    p->rows = json_array();
    for (int64_t i = 0; i < TRIALS; i++) {
        p->params[i] = ask(p->tuner, i);
        json_array_append_new(p->rows, json_pack("{s:O}", "ask", p->params[i]));
    }
    return p;
}

static void end(play *p) {
    for (int i = 0; i < TRIALS; i++) {
        json_decref(p->params[i]);
    }
    json_decref(p->rows);
    rlt_tuner_destroy(&p->tuner);
    rlt_free(p);
}

static rlt_tuner *restored(const rlt_tune_fields *fields, const json_t *rows) {
    rlt_tuner *tuner = bandit_of(fields, "");
    int64_t asked = 0;
    size_t i;
    json_t *row;
    rlt_err err = {0};
    json_array_foreach((json_t *)rows, i, row) {
        const json_t *params = json_object_get(row, "ask");
        if (params != NULL) {
            assert_int_equal(rlt_tuner_restore(tuner, asked++, params, &err), RLT_OK);
            continue;
        }
        int64_t number = json_integer_value(json_object_get(row, "number"));
        int64_t step = json_integer_value(json_object_get(row, "step"));
        rlt_action action = (rlt_action)json_integer_value(json_object_get(row, "action"));
        rlt_tuner_report(tuner, number, step, json_number_value(json_object_get(row, "value")),
                         NULL, &err);
        rlt_status status =
            action == RLT_ACTION_EXPLOIT
                ? rlt_tuner_restore_exploit(tuner, number, step,
                                            json_integer_value(json_object_get(row, "source")),
                                            json_object_get(row, "params"), &err)
                : rlt_tuner_restore_decision(tuner, number, step, action, &err);
        assert_int_equal(status, RLT_OK);
    }
    return tuner;
}

/* Parameters drawn at random have a mean gain of 10 - 4/3 - 4 (1/3 + 1/4), about 6.3. */
static void the_bandit_finds_what_makes_results_better(void **state) {
    (void)state;
    for (int synch = 0; synch < 2; synch++) {
        double sum = 0;
        int count = 0;
        for (int64_t seed = 1; seed <= 4; seed++) {
            rlt_tune_fields fields = bandit_fields(seed, synch != 0);
            play *p = start(&fields);
            for (int m = 1; m <= MILESTONES; m++) {
                round_of(p, m);
            }
            sum += p->late;
            count += p->late_count;
            end(p);
        }
        print_message("%s: %d late choices gain %.2f\n", synch ? "synch" : "asynch", count,
                      sum / count);
        assert_true(count > (synch ? 60 : 20) && sum / count > (synch ? 8.5 : 7.8));
    }
}

static void a_restored_bandit_chooses_the_same(void **state) {
    (void)state;
    for (int synch = 0; synch < 2; synch++) {
        rlt_tune_fields fields = bandit_fields(9, synch != 0);
        play *whole = start(&fields), *pieces = start(&fields);
        for (int m = 1; m <= 8; m++) {
            round_of(whole, m);
            round_of(pieces, m);
            rlt_tuner *tuner = restored(&fields, pieces->rows);
            rlt_tuner_destroy(&pieces->tuner);
            pieces->tuner = tuner;
        }
        assert_true(json_equal(whole->rows, pieces->rows));
        assert_true(json_array_size(whole->rows) >= TRIALS * 9);
        end(whole);
        end(pieces);
    }
}

static void choices_stay_within_the_bounds(void **state) {
    (void)state;
    rlt_tune_fields fields = bandit_fields(3, false);
    play *p = start(&fields);
    rlt_tuner_destroy(&p->tuner);
    p->tuner = bandit_of(&fields, "\"hyperparam_bounds\":{\"params.x\":[0.01,0.1]}");
    for (int64_t i = 0; i < TRIALS; i++) {
        json_decref(ask(p->tuner, i));
    }
    int exploits = 0;
    for (int m = 1; m <= 10; m++) {
        for (int64_t i = 0; i < TRIALS; i++) {
            p->value[i] += gain_of(p->params[i]);
            rlt_decision decision = report(p->tuner, i, m * INTERVAL, p->value[i]);
            if (decision.action == RLT_ACTION_EXPLOIT) {
                double x = value_of(decision.exploit.params, "params.x");
                assert_true(x >= 0.01 * (1 - 1e-9) && x <= 0.1 * (1 + 1e-9));
                assert_int_equal(json_object_size(decision.exploit.changes), 1);
                exploits++;
            }
        }
    }
    assert_true(exploits > 5);
    end(p);
}

static void what_cannot_be_modelled_is_refused(void **state) {
    (void)state;
    static const char choice[] =
        "{\"params\":{\"c\":{\"$space\":\"choice\",\"values\":[1,2]}},\"stop\":{\"steps\":1000}}";
    static const char wide[] =
        "{\"params\":{\"x\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}},\"stop\":{\"steps\":"
        "1000},\"tune\":{\"stopper\":{\"hyperparam_bounds\":{\"params.x\":[0,2]}}}}";
    rlt_tune_fields fields = bandit_fields(1, false);
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(&fields, choice, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "params.c is a choice");
    assert_int_equal(try_tuner(&fields, wide, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "leave its search space");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_process_is_numpys),
        cmocka_unit_test(the_bandit_finds_what_makes_results_better),
        cmocka_unit_test(a_restored_bandit_chooses_the_same),
        cmocka_unit_test(choices_stay_within_the_bounds),
        cmocka_unit_test(what_cannot_be_modelled_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
