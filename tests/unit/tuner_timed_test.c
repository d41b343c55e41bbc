/* tuner: stoppers that count milliseconds of running time. Hyperband's brackets in seconds against
 * the published table; each stopper against itself with steps in the place of milliseconds, on
 * random trials whose steps say nothing of their time, while the tuner that counts time dies now
 * and then and comes back from rows. */
#include "tuner_testing.h"

#include <stdio.h>

enum { TRIALS = 40, ROWS_MAX = 4000, WHOLE_MS = 9000, ROUNDS = 3000 };

/* ---- published brackets ---- */

/* Li et al., JMLR 18 (2018), Algorithm 1 and table 1 for R = 81, eta = 3: bracket s starts with
 * ceil(5 * 3^s / (s + 1)) trials, at 81 * 3^-s. */
static const struct {
    int64_t trials;
    int rungs;
    int64_t seconds[5];
} published[] = {
    {81, 4, {1, 3, 9, 27}}, {34, 3, {3, 9, 27}}, {15, 2, {9, 27}}, {8, 1, {27}}, {5, 0, {0}}};

static void hyperband_s_brackets_in_seconds(void **state) {
    (void)state;
    rlt_tune_fields fields = tune_default();
    fields.stopper = RLT_STOPPER_HYPERBAND;
    fields.timed = true;
    fields.hyperband.grace = 1000;
    fields.hyperband.max_steps = 81000;
    fields.hyperband.reduction = 3;
    /* where the steps end has nothing to do with it */
    rlt_tuner *tuner = tuner_of(&fields, "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                         "\"stop\":{\"steps\":50}}");
    assert_true(rlt_tuner_is_timed(tuner));
    int64_t number = 0;
    for (size_t b = 0; b < RLT_COUNT(published); b++) {
        for (int64_t i = 0; i < published[b].trials; i++, number++) {
            json_decref(ask(tuner, number));
            int64_t at = 0;
            for (int rung = 0; rung < published[b].rungs; rung++) {
                at = rlt_tuner_milestone(tuner, number, at);
                assert_int_equal(at, 1000 * published[b].seconds[rung]);
            }
            assert_int_equal(rlt_tuner_milestone(tuner, number, at), INT64_MAX);
        }
    }
    json_decref(ask(tuner, number)); /* the next band begins */
    assert_int_equal(rlt_tuner_milestone(tuner, number, 0), 1000);
    rlt_tuner_destroy(&tuner);
}

/* ---- against steps ---- */

typedef enum { ROW_ASK, ROW_DECISION, ROW_FINISH } row_kind;
typedef struct row {
    row_kind kind;
    int64_t number, step, at;
    double value;
    rlt_action action;
    rlt_trial_state state;
    json_t *params; /* owned */
} row;
typedef struct life {
    int64_t step, at, due;
    bool ended;
} life;
typedef struct sim {
    const char *experiment[2];
    rlt_tune_fields fields[2]; /* of time, of steps */
    rlt_tuner *tuner[2];
    rlt_rng rng;
    life lives[TRIALS];
    int64_t count;
    row rows[ROWS_MAX];
    int row_count, decided[4];
} sim;

static void add_row(sim *s, row made) {
    assert_true(s->row_count < ROWS_MAX);
    s->rows[s->row_count++] = made;
}

static void check_same(sim *s, const rlt_decision *timed, const rlt_decision *steps) {
    assert_int_equal(timed->action, steps->action);
    assert_int_equal(timed->compared, steps->compared);
    assert_int_equal(timed->bracket, steps->bracket);
    assert_int_equal(timed->rung, steps->rung);
    assert_int_equal(timed->at, steps->step);
    assert_true(same(timed->value, steps->value) && same(timed->threshold, steps->threshold));
    for (int i = 0; i < RLT_DECISION_NUMBERS && timed->names[i] != NULL; i++) {
        assert_true(same(timed->numbers[i], steps->numbers[i]));
    }
    s->decided[timed->action]++;
}

static void check_sentence(const sim *s, const rlt_decision *timed) {
    rlt_decision explained = *timed;
    char expected[64];
    rlt_decision_explain(s->tuner[0], &explained);
    snprintf(expected, sizeof expected, ", after %.10g s", (double)timed->at / 1e3);
    assert_contains(explained.reason, expected);
}

static void finish(sim *s, int64_t number, rlt_trial_state state, double value) {
    life *t = &s->lives[number];
    rlt_err err = {0};
    t->ended = true;
    assert_int_equal(rlt_tuner_finish(s->tuner[0], number, state, value, t->step, &err), RLT_OK);
    assert_int_equal(rlt_tuner_finish(s->tuner[1], number, state, value, t->at, &err), RLT_OK);
    add_row(
        s,
        (row){
            .kind = ROW_FINISH, .number = number, .step = t->step, .value = value, .state = state});
}

static void note(sim *s, int64_t number, const rlt_decision *decision, double value) {
    add_row(s, (row){.kind = ROW_DECISION,
                     .number = number,
                     .step = decision->step,
                     .at = decision->at,
                     .value = value,
                     .action = decision->action});
}

static void take_rulings(sim *s) {
    int64_t number, other;
    rlt_decision timed, steps;
    while (rlt_tuner_ruling(s->tuner[0], &number, &timed)) {
        assert_true(rlt_tuner_ruling(s->tuner[1], &other, &steps));
        assert_int_equal(number, other);
        check_same(s, &timed, &steps);
        check_sentence(s, &timed);
        note(s, number, &timed, timed.value);
        if (timed.action == RLT_ACTION_STOP) {
            finish(s, number, RLT_TRIAL_STOPPED, timed.value);
        }
    }
    assert_false(rlt_tuner_ruling(s->tuner[1], &other, &steps));
}

static void report_one(sim *s, int64_t number) {
    life *t = &s->lives[number];
    rlt_err err = {0};
    rlt_decision timed;
    t->step += 1 + rlt_rng_below(&s->rng, 50);
    t->at += 1 + rlt_rng_below(&s->rng, 700);
    double value = rlt_rng_below(&s->rng, 60);
    if (t->at >= WHOLE_MS) {
        finish(s, number, RLT_TRIAL_COMPLETED, value);
        return;
    }
    if (t->at < t->due) {
        return;
    }
    t->due = rlt_tuner_milestone(s->tuner[0], number, t->at);
    assert_int_equal(rlt_tuner_milestone(s->tuner[1], number, t->at), t->due);
    assert_int_equal(rlt_tuner_report_at(s->tuner[0], number, t->step, t->at, value, &timed, &err),
                     RLT_OK);
    rlt_decision steps = report(s->tuner[1], number, t->at, value);
    check_same(s, &timed, &steps);
    check_sentence(s, &timed);
    assert_int_equal(timed.step, t->step);
    note(s, number, &timed, value);
    if (timed.action == RLT_ACTION_STOP) {
        finish(s, number, RLT_TRIAL_STOPPED, value);
    }
}

static void start_one(sim *s) {
    json_t *params = ask(s->tuner[0], s->count);
    json_decref(ask(s->tuner[1], s->count));
    life *t = &s->lives[s->count];
    t->due = rlt_tuner_milestone(s->tuner[0], s->count, 0);
    add_row(s, (row){.kind = ROW_ASK, .number = s->count++, .params = params});
}

/* From rows alone, as the driver replays them. */
static void die(sim *s) {
    rlt_err err = {0};
    rlt_tuner_destroy(&s->tuner[0]);
    s->tuner[0] = tuner_of(&s->fields[0], s->experiment[0]);
    rlt_tuner *tuner = s->tuner[0];
    for (int i = 0; i < s->row_count; i++) {
        const row *r = &s->rows[i];
        rlt_status status = RLT_OK;
        if (r->kind == ROW_ASK) {
            status = rlt_tuner_restore(tuner, r->number, r->params, &err);
        } else if (r->kind == ROW_FINISH) {
            status = rlt_tuner_finish(tuner, r->number, r->state, r->value, r->step, &err);
        } else {
            status = rlt_tuner_report_at(tuner, r->number, r->step, r->at, r->value, NULL, &err);
            if (status == RLT_OK) {
                status = rlt_tuner_restore_decision(tuner, r->number, r->step, r->action, &err);
            }
        }
        if (status != RLT_OK) {
            fail_msg("row %d: %s", i, err.message);
        }
    }
    for (int64_t i = 0; i < s->count; i++) {
        int64_t step = -1;
        assert_int_equal(rlt_tuner_waits(tuner, i, &step), rlt_tuner_waits(s->tuner[1], i, NULL));
        assert_int_equal(rlt_tuner_judged(tuner, i), rlt_tuner_judged(s->tuner[1], i));
    }
}

static void close_all(sim *s) {
    int64_t number;
    json_t *params;
    rlt_err err = {0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rlt_tuner_ask(s->tuner[i], &number, &params, &err), RLT_ENOTFOUND);
    }
    take_rulings(s);
}

static bool is_over(const sim *s) {
    for (int64_t i = 0; i < s->count; i++) {
        if (!s->lives[i].ended) {
            return false;
        }
    }
    return s->count == TRIALS;
}

static void live(sim *s) {
    for (int round = 0; round < ROUNDS && !is_over(s); round++) {
        if (s->count < TRIALS && rlt_rng_below(&s->rng, 4) == 0) {
            start_one(s);
        } else if (s->count > 0) {
            int64_t number = rlt_rng_below(&s->rng, (uint32_t)s->count);
            if (!s->lives[number].ended && !rlt_tuner_waits(s->tuner[0], number, NULL)) {
                report_one(s, number);
            }
        }
        if (s->count == TRIALS) {
            close_all(s);
        }
        take_rulings(s);
        if (rlt_rng_below(&s->rng, 40) == 0) {
            die(s);
        }
    }
    assert_true(is_over(s));
    double a, b;
    assert_int_equal(rlt_tuner_best(s->tuner[0], &a), rlt_tuner_best(s->tuner[1], &b));
    assert_true(same(a, b));
}

static rlt_tune_fields fields_of(int stopper) {
    rlt_tune_fields f = tune_default();
    f.stopper = stopper;
    f.trials = TRIALS;
    f.milestones.grace = 900;
    f.milestones.interval = 700;
    f.percentile.percentile = 50;
    f.percentile.startup_trials = 2;
    f.percentile.min_trials = 1;
    f.asha.grace = f.sha.grace = f.hyperband.grace = 300;
    f.asha.reduction = f.sha.reduction = f.hyperband.reduction = 3;
    f.asha.max_steps = f.sha.max_steps = f.hyperband.max_steps = 8100;
    f.asha.brackets = 2;
    f.sha.size = 9;
    return f;
}

static void time_is_as_good_as_steps(void **state) {
    (void)state;
    static const int stoppers[] = {RLT_STOPPER_ASHA,      RLT_STOPPER_SHA,
                                   RLT_STOPPER_HYPERBAND, RLT_STOPPER_HYPERBAND_ASHA,
                                   RLT_STOPPER_MEDIAN,    RLT_STOPPER_PERCENTILE};
    /* steps end somewhere else than time does */
    static const char by_time[] = "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                  "\"stop\":{\"steps\":77,\"wall_s\":9}}",
                      by_steps[] = "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                   "\"stop\":{\"steps\":9000,\"wall_s\":0}}";
    for (size_t i = 0; i < RLT_COUNT(stoppers); i++) {
        for (uint64_t seed = 0; seed < 4; seed++) {
            sim *s = calloc(1, sizeof *s);
            s->experiment[0] = by_time;
            s->experiment[1] = by_steps;
            s->fields[0] = s->fields[1] = fields_of(stoppers[i]);
            s->fields[0].timed = true;
            s->rng = rlt_rng_make(seed, RLT_STREAM_SAMPLER, 1);
            for (int k = 0; k < 2; k++) {
                s->tuner[k] = tuner_of(&s->fields[k], s->experiment[k]);
            }
            live(s);
            assert_true(s->decided[RLT_ACTION_STOP] > 0 && s->decided[RLT_ACTION_CONTINUE] > 0);
            for (int k = 0; k < s->row_count; k++) {
                json_decref(s->rows[k].params);
            }
            rlt_tuner_destroy(&s->tuner[0]);
            rlt_tuner_destroy(&s->tuner[1]);
            free(s);
        }
    }
}

/* What was reported at a milestone once is the answer for it, whenever it is asked again. */
static void a_repeated_report_gets_the_same_answer(void **state) {
    (void)state;
    rlt_tune_fields fields = fields_of(RLT_STOPPER_ASHA);
    fields.timed = true;
    fields.asha.brackets = 1;
    rlt_tuner *tuner = tuner_of(&fields, "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}");
    rlt_err err = {0};
    rlt_decision first, again;
    json_decref(ask(tuner, 0));
    json_decref(ask(tuner, 1));
    assert_int_equal(rlt_tuner_report_at(tuner, 0, 50, 310, 5, &first, &err), RLT_OK);
    assert_int_equal(rlt_tuner_report_at(tuner, 1, 70, 350, 1, &first, &err), RLT_OK);
    assert_int_equal(first.action, RLT_ACTION_STOP);
    /* its process died before it was told: from its checkpoint it comes here later, and better */
    assert_int_equal(rlt_tuner_report_at(tuner, 1, 90, 420, 9, &again, &err), RLT_OK);
    assert_int_equal(again.action, RLT_ACTION_STOP);
    assert_int_equal(again.step, 70);
    assert_int_equal(again.at, 350);
    assert_int_equal(rlt_tuner_judged(tuner, 1), 350);
    assert_int_equal(rlt_tuner_judged_step(tuner, 1), 70);
    assert_int_equal(rlt_tuner_report_at(tuner, 1, 90, -1, 9, &again, &err), RLT_EINVAL);
    rlt_tuner_destroy(&tuner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hyperband_s_brackets_in_seconds),
        cmocka_unit_test(time_is_as_good_as_steps),
        cmocka_unit_test(a_repeated_report_gets_the_same_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
