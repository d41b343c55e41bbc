/* tuner: sha and hyperband: trials that pause at rungs and go on or stop, against a model that
 * knows every result in advance and sorts. Trials run in a random order on a few slots, fail, end
 * early, report nothing that is a number, jump over rungs; now and then the tuner dies and is
 * restored from rows. What becomes of each trial depends on none of that. */
#include "tuner_testing.h"

#include <stdio.h>

enum { TRIALS_MAX = 300, RUNGS_MAX = 12, LOG_MAX = 20000 };
static const char *const no_space =
    "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},\"stop\":{\"steps\":8100}}";

typedef enum { FATE_NONE, FATE_FAILS, FATE_COMPLETES, FATE_NAN } fate_kind;
typedef struct fate { /* known before the trial starts */
    double values[RUNGS_MAX], last;
    bool jumps[RUNGS_MAX]; /* over this rung, to the next */
    fate_kind kind;
    int rung; /* on the way to which, or at which, it happens */
} fate;
typedef enum { ABSENT, RUNS, WAITS, READY, ENDED } sim_state;
typedef struct sim_trial {
    sim_state state;
    int64_t step;
    rlt_trial_state end;
    int rung; /* at which it was stopped; -1: it was not */
} sim_trial;
typedef enum { ROW_ASK, ROW_REPORT, ROW_RULING, ROW_FINISH } row_kind;
typedef struct row {
    row_kind kind;
    int64_t number, step;
    double value;
    rlt_action action;
    rlt_trial_state state;
    json_t *params;
} row;
typedef struct sim {
    rlt_tune_fields fields;
    rlt_tuner *tuner;
    rlt_rng rng;
    fate fates[TRIALS_MAX];
    sim_trial trials[TRIALS_MAX];
    int64_t count;
    bool exhausted;
    row rows[LOG_MAX];
    int row_count, pauses, deaths;
} sim;

static void add_row(sim *s, row made) {
    assert_true(s->row_count < LOG_MAX);
    s->rows[s->row_count++] = made;
}

static fate random_fate(rlt_rng *rng) {
    fate f = {0};
    for (int i = 0; i < RUNGS_MAX; i++) {
        f.values[i] = rlt_rng_below(rng, 25); /* ties */
    }
    f.last = rlt_rng_below(rng, 25);
    uint32_t kind = rlt_rng_below(rng, 20);
    f.kind = kind < 2 ? FATE_FAILS : kind < 3 ? FATE_COMPLETES : kind < 4 ? FATE_NAN : FATE_NONE;
    f.rung = (int)rlt_rng_below(rng, 3);
    for (int i = 0; f.kind == FATE_NONE && i + 1 < RUNGS_MAX; i++) {
        f.jumps[i] = rlt_rng_below(rng, 12) == 0;
        if (f.jumps[i]) {
            f.values[i] = f.values[i + 1];
            i++; /* not over two */
        }
    }
    return f;
}

/* ---- the tuner's life ---- */

static void check_restored(sim *s) {
    for (int64_t i = 0; i < s->count; i++) {
        assert_int_equal(rlt_tuner_waits(s->tuner, i, NULL), s->trials[i].state == WAITS);
    }
}

/* From rows alone, in the order of time. */
static void die_and_restore(sim *s) {
    rlt_tuner_destroy(&s->tuner);
    s->tuner = tuner_of(&s->fields, no_space);
    rlt_err err = {0};
    for (int i = 0; i < s->row_count; i++) {
        const row *r = &s->rows[i];
        rlt_status status = RLT_OK;
        if (r->kind == ROW_ASK) {
            status = rlt_tuner_restore(s->tuner, r->number, r->params, &err);
        } else if (r->kind == ROW_FINISH) {
            status = rlt_tuner_finish(s->tuner, r->number, r->state, r->value, r->step, &err);
        } else {
            if (r->kind == ROW_REPORT) {
                status = rlt_tuner_report(s->tuner, r->number, r->step, r->value, NULL, &err);
            }
            status = status != RLT_OK ? status
                                      : rlt_tuner_restore_decision(s->tuner, r->number, r->step,
                                                                   r->action, &err);
        }
        if (status != RLT_OK) {
            fail_msg("%s", err.message);
        }
    }
    int64_t number;
    rlt_decision decision;
    assert_false(rlt_tuner_ruling(s->tuner, &number, &decision)); /* each one is a row */
    check_restored(s);
    s->exhausted = false;
    s->deaths++;
}

static void finish(sim *s, int64_t number, rlt_trial_state state, double value) {
    sim_trial *t = &s->trials[number];
    assert_int_equal(rlt_tuner_finish(s->tuner, number, state, value, t->step, NULL), RLT_OK);
    t->state = ENDED;
    t->end = state;
    add_row(
        s,
        (row){
            .kind = ROW_FINISH, .number = number, .step = t->step, .value = value, .state = state});
}

static void stop(sim *s, int64_t number, int64_t step, double value, int rung) {
    s->trials[number].rung = rung;
    s->trials[number].step = step;
    finish(s, number, RLT_TRIAL_STOPPED, value);
}

static void drain(sim *s) {
    int64_t number;
    rlt_decision ruling;
    while (rlt_tuner_ruling(s->tuner, &number, &ruling)) {
        sim_trial *t = &s->trials[number];
        assert_int_equal(t->state, WAITS);
        assert_true(ruling.reason[0] != 0 && !isnan(ruling.threshold));
        assert_true(ruling.numbers[0] <= ruling.compared);
        add_row(s, (row){.kind = ROW_RULING,
                         .number = number,
                         .step = ruling.step,
                         .action = ruling.action});
        if (ruling.action == RLT_ACTION_STOP) {
            stop(s, number, ruling.step, ruling.value, ruling.rung);
        } else {
            assert_int_equal(ruling.action, RLT_ACTION_CONTINUE);
            t->state = READY;
        }
    }
}

static void report_at(sim *s, int64_t number, int64_t step, int rung, double value) {
    sim_trial *t = &s->trials[number];
    t->step = step;
    rlt_decision decision = report(s->tuner, number, step, value);
    rlt_decision again = report(s->tuner, number, step, value + 1);
    assert_int_equal(again.action, decision.action);
    assert_int_equal(decision.rung, rung);
    add_row(s, (row){.kind = ROW_REPORT,
                     .number = number,
                     .step = step,
                     .value = value,
                     .action = decision.action});
    if (decision.action == RLT_ACTION_STOP) {
        stop(s, number, step, value, rung);
    } else if (decision.action == RLT_ACTION_PAUSE) {
        t->state = WAITS;
        s->pauses++;
    }
}

/* The trial's next rung, or its end. */
static void advance(sim *s, int64_t number) {
    const fate *f = &s->fates[number];
    sim_trial *t = &s->trials[number];
    int64_t step = rlt_tuner_milestone(s->tuner, number, t->step);
    int rung = step == INT64_MAX
                   ? RUNGS_MAX
                   : (int)s->tuner->stopper->index(s->tuner->stopper_state, number, step);
    if (f->kind == FATE_FAILS && rung >= f->rung) {
        finish(s, number, RLT_TRIAL_FAILED, NAN);
    } else if (step == INT64_MAX || (f->kind == FATE_COMPLETES && rung >= f->rung)) {
        finish(s, number, RLT_TRIAL_COMPLETED, f->last);
    } else if (f->kind == FATE_NAN && rung >= f->rung) {
        report_at(s, number, step, rung, NAN);
    } else {
        int64_t next = rlt_tuner_milestone(s->tuner, number, step);
        bool jumps = f->jumps[rung] && next < INT64_MAX;
        report_at(s, number, jumps ? next : step, rung + jumps, f->values[rung]);
    }
    drain(s);
}

static void start_new(sim *s) {
    int64_t number;
    json_t *params = NULL;
    rlt_status status = rlt_tuner_ask(s->tuner, &number, &params, NULL);
    if (status == RLT_ENOTFOUND) {
        s->exhausted = true;
        drain(s);
        return;
    }
    assert_int_equal(status, RLT_OK);
    assert_int_equal(number, s->count);
    assert_true(number < TRIALS_MAX);
    s->trials[s->count++] = (sim_trial){.state = RUNS, .rung = -1};
    add_row(s, (row){.kind = ROW_ASK, .number = number, .params = params});
}

static int64_t random_in(sim *s, sim_state state) {
    int64_t found[TRIALS_MAX], count = 0;
    for (int64_t i = 0; i < s->count; i++) {
        if (s->trials[i].state == state) {
            found[count++] = i;
        }
    }
    return count > 0 ? found[rlt_rng_below(&s->rng, (uint32_t)count)] : -1;
}

static int running(const sim *s) {
    int count = 0;
    for (int64_t i = 0; i < s->count; i++) {
        count += s->trials[i].state == RUNS;
    }
    return count;
}

static void run(sim *s, int slots, uint32_t death_every) {
    for (;;) {
        if (death_every > 0 && rlt_rng_below(&s->rng, death_every) == 0) {
            die_and_restore(s);
        }
        int64_t ready = random_in(s, READY), runs = random_in(s, RUNS);
        bool free = running(s) < slots;
        if (free && ready >= 0 && rlt_rng_below(&s->rng, 2) == 0) {
            s->trials[ready].state = RUNS;
        } else if (free && !s->exhausted) {
            start_new(s);
        } else if (runs >= 0) {
            advance(s, runs);
        } else if (ready >= 0) {
            s->trials[ready].state = RUNS;
        } else {
            break;
        }
    }
    for (int64_t i = 0; i < s->count; i++) {
        if (s->trials[i].state != ENDED) { /* none waits for ever */
            fail_msg("trial %d is in state %d at step %d; %d trials", (int)i, s->trials[i].state,
                     (int)s->trials[i].step, (int)s->count);
        }
    }
}

/* ---- the model ---- */

typedef struct place {
    int64_t number;
    double key;
    bool ended;
} place;

static int by_rank(const void *a, const void *b) {
    const place *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? 1 : -1) : (x->number > y->number) * 2 - 1;
}

static void expect(const sim *s, int64_t number, rlt_trial_state end, int rung) {
    const sim_trial *t = &s->trials[number];
    if (t->end != end || t->rung != rung) {
        fail_msg("trial %d is %s at rung %d, not %s at rung %d", (int)number,
                 rlt_trial_state_name(t->end), t->rung, rlt_trial_state_name(end), rung);
    }
}

/* The cohort of the `n` trials from `first` on. */
static void check_cohort(const sim *s, int64_t first, int64_t n, int rungs, int64_t reduction) {
    place there[TRIALS_MAX];
    int64_t alive = n, places = n;
    for (int64_t i = 0; i < n; i++) {
        there[i] = (place){.number = first + i};
    }
    for (int k = 0; k < rungs; k++) {
        int64_t count = 0;
        for (int64_t i = 0; i < alive; i++) {
            const fate *f = &s->fates[there[i].number];
            place at = there[i];
            bool now = f->rung == k && !at.ended;
            if (now && f->kind == FATE_FAILS) {
                expect(s, at.number, RLT_TRIAL_FAILED, -1);
            } else if (now && f->kind == FATE_NAN) {
                expect(s, at.number, RLT_TRIAL_STOPPED, k);
            } else {
                if (now && f->kind == FATE_COMPLETES) {
                    expect(s, at.number, RLT_TRIAL_COMPLETED, -1);
                    at.ended = true;
                }
                double value = at.ended ? f->last : f->values[k];
                if (!at.ended && k > 0 && f->jumps[k - 1]) {
                    value = f->values[k - 1];
                }
                at.key = s->fields.maximise ? value : -value;
                there[count++] = at;
            }
        }
        qsort(there, (size_t)count, sizeof(place), by_rank);
        places = places / reduction > 1 ? places / reduction : 1;
        for (int64_t i = places; i < count; i++) {
            const fate *f = &s->fates[there[i].number];
            bool jumped = f->jumps[k] && k + 1 < rungs;
            if (!there[i].ended) {
                expect(s, there[i].number, RLT_TRIAL_STOPPED, jumped ? k + 1 : k);
            }
        }
        alive = count < places ? count : places;
    }
    for (int64_t i = 0; i < alive; i++) {
        bool fails = s->fates[there[i].number].kind == FATE_FAILS;
        expect(s, there[i].number, fails ? RLT_TRIAL_FAILED : RLT_TRIAL_COMPLETED, -1);
    }
}

static void open_sim(sim *s, const rlt_tune_fields *fields, uint32_t world) {
    *s = (sim){.fields = *fields, .rng = rlt_rng_make(31, RLT_STREAM_TEST, world)};
    s->tuner = tuner_of(fields, no_space);
    for (int i = 0; i < TRIALS_MAX; i++) {
        s->fates[i] = random_fate(&s->rng);
    }
}

static void close_sim(sim *s) {
    rlt_tuner_destroy(&s->tuner);
    for (int i = 0; i < s->row_count; i++) {
        json_decref(s->rows[i].params);
    }
}

static int rungs_of(const sim *s, int64_t number) {
    int rungs = 0;
    for (int64_t step = 0; (step = rlt_tuner_milestone(s->tuner, number, step)) < INT64_MAX;) {
        rungs++;
    }
    return rungs;
}

static int64_t less_of(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static void test_sha(void **unused) {
    (void)unused;
    static const int sizes[] = {9, 1, 20, 27, 0};
    sim *s = rlt_alloc(sizeof *s);
    for (uint32_t world = 0; world < 60; world++) {
        rlt_tune_fields fields = tune_default();
        fields.stopper = RLT_STOPPER_SHA;
        fields.maximise = world % 2 == 0;
        fields.sha.grace = 100;
        fields.sha.reduction = 2 + world % 3;
        fields.sha.size = sizes[world % RLT_COUNT(sizes)];
        fields.trials = 40 + world % 17;
        if (world % 7 == 6) { /* nobody knows how many will come */
            fields.budget.steps = 20000 + 1000 * world;
            fields.trials = TRIALS_MAX;
        }
        open_sim(s, &fields, world);
        run(s, 1 + (int)(world % 6), world % 3 == 0 ? 0 : 10);
        int rungs = rungs_of(s, 0);
        int64_t size = fields.sha.size > 0 ? fields.sha.size : fields.trials;
        for (int64_t first = 0; first < s->count; first += size) {
            check_cohort(s, first, less_of(size, s->count - first), rungs, fields.sha.reduction);
        }
        assert_true(s->pauses > 0 || size == 1);
        close_sim(s);
    }
    rlt_free(s);
}

/* R = 81, reduction 3: ceil(5 * 3^s / (s + 1)) trials with s halvings, s = 4 .. 0. */
static const int band_sizes[] = {81, 34, 15, 8, 5};

static void test_hyperband(void **unused) {
    (void)unused;
    sim *s = rlt_alloc(sizeof *s);
    for (uint32_t world = 0; world < 30; world++) {
        rlt_tune_fields fields = tune_default();
        fields.stopper = RLT_STOPPER_HYPERBAND;
        fields.maximise = world % 2 == 0;
        fields.hyperband.grace = 100;
        fields.hyperband.reduction = 3;
        fields.trials = 100 + 19 * (world % 10);
        open_sim(s, &fields, 1000 + world);
        run(s, 1 + (int)(world % 9), world % 3 == 0 ? 0 : 40);
        int64_t first = 0;
        for (int b = 0; first < s->count; b = (b + 1) % 5) {
            assert_int_equal(s->tuner->stopper->bracket(s->tuner->stopper_state, first), b);
            int64_t start = rlt_tuner_milestone(s->tuner, first, 0);
            assert_true(start == (b == 4 ? INT64_MAX : 100 * (int64_t)pow(3, b)));
            assert_int_equal(rungs_of(s, first), 4 - b);
            check_cohort(s, first, less_of(band_sizes[b], s->count - first), 4 - b, 3);
            first += band_sizes[b];
        }
        close_sim(s);
    }
    rlt_free(s);
}

/* More trials than were planned: a cohort that was cut has late members. */
static void test_late_members(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    fields.stopper = RLT_STOPPER_SHA;
    fields.sha.grace = 100;
    fields.sha.reduction = 3;
    fields.sha.size = 9;
    fields.trials = 3;
    rlt_tuner *tuner = tuner_of(&fields, no_space);
    rlt_decision ruling;
    int64_t number;
    json_t *params = NULL;
    for (int i = 0; i < 3; i++) {
        json_decref(ask(tuner, i));
        rlt_decision decision = report(tuner, i, 100, 10 * i);
        assert_int_equal(decision.action, i < 2 ? RLT_ACTION_PAUSE : RLT_ACTION_CONTINUE);
    }
    assert_int_equal(rlt_tuner_ask(tuner, &number, &params, NULL), RLT_ENOTFOUND);
    for (int i = 1; i >= 0; i--) {
        assert_true(rlt_tuner_ruling(tuner, &number, &ruling));
        assert_int_equal(number, i);
        assert_int_equal(ruling.action, RLT_ACTION_STOP);
        assert_string_equal(rlt_action_name(ruling.action), "stop");
    }
    assert_string_equal(ruling.reason,
                        "the result 0 is below 20, the cutoff of the best 1 of 3 trials at rung 0");
    assert_false(rlt_tuner_ruling(tuner, &number, &ruling));
    tuner->config.trials = 9;
    for (int i = 3; i < 5; i++) {
        json_decref(ask(tuner, i));
        assert_int_equal(report(tuner, i, 100, i == 3 ? 19 : 21).action,
                         i == 3 ? RLT_ACTION_STOP : RLT_ACTION_CONTINUE);
    }
    assert_int_equal(report(tuner, 2, 300, 5).action, RLT_ACTION_PAUSE); /* two are expected now */
    assert_int_equal(report(tuner, 4, 300, 4).action, RLT_ACTION_STOP);
    rlt_tuner_destroy(&tuner);
}

static void test_pause_is_explained(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    fields.stopper = RLT_STOPPER_HYPERBAND;
    fields.maximise = false;
    fields.hyperband.grace = 900;
    fields.hyperband.reduction = 3;
    snprintf(fields.metric, sizeof fields.metric, "loss");
    rlt_tuner *tuner = tuner_of(&fields, no_space);
    json_decref(ask(tuner, 0));
    rlt_decision decision = report(tuner, 0, 900, 0.5);
    rlt_decision_explain(tuner, &decision);
    assert_string_equal(decision.reason, "with loss 0.5 it waits at rung 0 of bracket 0 for the "
                                         "others: 1 of 9 trials are there");
    int64_t step;
    assert_true(rlt_tuner_waits(tuner, 0, &step));
    assert_int_equal(step, 900);
    assert_false(rlt_tuner_waits(tuner, 1, &step));
    rlt_tuner_destroy(&tuner);
}

static void check_refused(const rlt_tune_fields *fields, const char *experiment, const char *part) {
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(fields, experiment, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, part);
}

static void test_refused(void **unused) {
    (void)unused;
    rlt_tune_fields fields = tune_default();
    fields.stopper = RLT_STOPPER_SHA;
    check_refused(&fields, no_space, "sha needs grace >= 1");
    fields.sha.grace = 8100;
    fields.sha.reduction = 3;
    check_refused(&fields, no_space, "sha's grace is 8100 steps");
    fields.stopper = RLT_STOPPER_HYPERBAND;
    check_refused(&fields, no_space, "hyperband needs grace >= 1");
    fields.hyperband.grace = 3000;
    fields.hyperband.reduction = 3;
    check_refused(&fields, no_space, "make grace smaller");
    check_refused(&fields, "{}", "hyperband needs max_steps");
    fields.stopper = RLT_STOPPER_HYPERBAND_ASHA;
    check_refused(&fields, no_space, "hyperband_asha's grace");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha),          cmocka_unit_test(test_hyperband),
        cmocka_unit_test(test_late_members), cmocka_unit_test(test_pause_is_explained),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("tuner_halving", tests, NULL, NULL);
}
