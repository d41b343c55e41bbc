/* tuner: populations (pbt): quantiles and perturbations against Ray Tune's own
 * (tests/golden/pbt.txt, scripts/gen_golden_pbt.py); whole searches against a model that sorts;
 * restored from rows in any order; what is refused. */
#include "tuner_testing.h"

#include <stdio.h>

enum { TRIALS_MAX = 40, INTERVAL = 100, MILESTONES = 9 };
static const char space[] = "\"params\":{\"c\":{\"$space\":\"choice\",\"values\":[1,2,4,8]},"
                            "\"fixed\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                            "\"k\":{\"$space\":\"randint\",\"low\":1,\"high\":100},"
                            "\"x\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}";

static rlt_tune_fields population_of(int64_t trials, bool synch) {
    rlt_tune_fields fields = tune_default();
    fields.stopper = RLT_STOPPER_PBT;
    fields.trials = trials;
    fields.pbt.interval = INTERVAL;
    fields.pbt.quantile_fraction = 0.25;
    fields.pbt.resample_probability = 0.25;
    fields.pbt.synch = synch;
    fields.pbt.factor_count = 2;
    fields.pbt.factors[0] = 1.2;
    fields.pbt.factors[1] = 0.8;
    return fields;
}

static rlt_tuner *start_with(const rlt_tune_fields *fields, const char *points) {
    char experiment[1200];
    snprintf(experiment, sizeof experiment,
             "{%s,\"stop\":{\"steps\":1000},\"tune\":{\"points\":[%s],\"stopper\":{\"mutations\":"
             "[\"params.c\",\"params.k\",\"params.x\"]}}}",
             space, points);
    return tuner_of(fields, experiment);
}

static void ask_all(rlt_tuner *tuner, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        json_decref(ask(tuner, i));
    }
}

/* ---- Ray's own ---- */

static void check_quantile(int64_t trials, double fraction, int64_t size) {
    rlt_tune_fields fields = population_of(trials, true);
    fields.pbt.quantile_fraction = fraction;
    rlt_tuner *tuner = start_with(&fields, "");
    ask_all(tuner, trials);
    for (int64_t i = 0; i < trials; i++) {
        assert_int_equal(report(tuner, i, INTERVAL, (double)(i * 7 % 101)).action,
                         RLT_ACTION_PAUSE);
    }
    int64_t number, copies = 0, ruled = 0;
    rlt_decision decision;
    for (; rlt_tuner_ruling(tuner, &number, &decision); ruled++) {
        copies += decision.action == RLT_ACTION_EXPLOIT;
        assert_int_equal(decision.compared, trials);
    }
    assert_int_equal(ruled, trials);
    assert_int_equal(copies, size);
    rlt_tuner_destroy(&tuner);
}

/* Every outcome of a value, over many seeds, is one of Ray's, and each of those comes about. */
static void check_explore(const char *name, const char *rest) {
    char points[128], *end;
    double value = strtod(rest, &end), expected[8];
    int count = 0, seen = 0;
    while (*end == ' ') {
        double outcome = strtod(end, &end);
        expected[count++] = outcome > 1 && name[0] == 'x' ? 1 : outcome; /* clipped to the space */
    }
    for (int64_t seed = 0; seed < 40; seed++) {
        rlt_tune_fields fields = population_of(2, false);
        fields.seed = seed;
        fields.pbt.quantile_fraction = 0.5;
        fields.pbt.resample_probability = 0;
        snprintf(points, sizeof points, "{\"params.%s\":%.17g}", name, value);
        rlt_tuner *tuner = start_with(&fields, points);
        ask_all(tuner, 2);
        assert_int_equal(report(tuner, 0, INTERVAL, 1).action, RLT_ACTION_CONTINUE);
        rlt_decision decision = report(tuner, 1, INTERVAL, 0);
        assert_int_equal(decision.action, RLT_ACTION_EXPLOIT);
        assert_int_equal(decision.exploit.source, 0);
        char path[32];
        snprintf(path, sizeof path, "params.%s", name);
        double got = json_number_value(json_object_get(decision.exploit.params, path));
        int at = 0;
        while (at < count && fabs(got - expected[at]) > 1e-12) {
            at++;
        }
        if (at == count) {
            fail_msg("%s %g became %g", name, value, got);
        }
        seen |= 1 << at;
        rlt_tuner_destroy(&tuner);
    }
    assert_int_equal(seen, (1 << count) - 1);
}

static void quantiles_and_perturbations_are_rays(void **state) {
    (void)state;
    FILE *file = fopen("tests/golden/pbt.txt", "r");
    assert_non_null(file);
    char line[256], name[32];
    int quantiles = 0, explored = 0, n, size, at;
    double fraction;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, "quantile %d %lf %d", &n, &fraction, &size) == 3) {
            if (n >= 2) {
                check_quantile(n, fraction, size);
            }
            quantiles++;
        } else if (sscanf(line, "explore %31s %n", name, &at) == 1) {
            check_explore(name[0] == 'u' ? "x" : name[0] == 'r' ? "k" : "c", line + at);
            explored++;
        }
    }
    fclose(file);
    assert_int_equal(quantiles, 125);
    assert_int_equal(explored, 12);
}

static void a_quarter_is_resampled(void **state) {
    (void)state;
    int resampled = 0, all = 0;
    for (int64_t seed = 0; seed < 400; seed++) {
        rlt_tune_fields fields = population_of(2, false);
        fields.seed = seed;
        rlt_tuner *tuner = start_with(&fields, "");
        ask_all(tuner, 2);
        report(tuner, 0, INTERVAL, 1);
        rlt_decision decision = report(tuner, 1, INTERVAL, 0);
        const char *path;
        json_t *change;
        json_object_foreach((json_t *)decision.exploit.changes, path, change) {
            resampled += strcmp(json_string_value(json_object_get(change, "by")), "resample") == 0;
            all++;
        }
        rlt_tuner_destroy(&tuner);
    }
    assert_int_equal(all, 1200);
    assert_in_range(resampled, 240, 360); /* 300, standard deviation 15 */
}

/* ---- against a model ---- */

typedef struct row { /* of the driver's */
    int64_t number, step, source;
    double value;
    rlt_action action;
    json_t *params; /* of EXPLOIT */
} row;
typedef struct sim {
    rlt_tune_fields fields;
    rlt_tuner *tuner;
    rlt_rng rng;
    int64_t count;
    double last[TRIALS_MAX]; /* NAN: none */
    int64_t milestone[TRIALS_MAX];
    bool ended[TRIALS_MAX], waits[TRIALS_MAX];
    json_t *initial[TRIALS_MAX], *params[TRIALS_MAX];
    row rows[TRIALS_MAX * (2 * MILESTONES + 2)];
    int row_count, exploits;
} sim;

static sim *sim_start(uint64_t seed, bool synch) {
    sim *s = rlt_alloc(sizeof *s);
    s->rng = rlt_rng_make(seed, RLT_STREAM_TEST, 5);
    s->count = 2 + rlt_rng_below(&s->rng, 12);
    s->fields = population_of(s->count, synch);
    s->fields.maximise = rlt_rng_below(&s->rng, 2) == 0;
    s->fields.seed = (int64_t)seed;
    s->tuner = start_with(&s->fields, "");
    for (int64_t i = 0; i < s->count; i++) {
        s->initial[i] = ask(s->tuner, i);
        s->params[i] = json_incref(s->initial[i]);
        s->last[i] = NAN;
    }
    return s;
}

static void sim_end(sim *s) {
    for (int64_t i = 0; i < s->count; i++) {
        json_decref(s->initial[i]);
        json_decref(s->params[i]);
    }
    for (int i = 0; i < s->row_count; i++) {
        json_decref(s->rows[i].params);
    }
    rlt_tuner_destroy(&s->tuner);
    rlt_free(s);
}

static bool is_better(const sim *s, int64_t a, int64_t b) {
    double x = s->fields.maximise ? s->last[a] : -s->last[a];
    double y = s->fields.maximise ? s->last[b] : -s->last[b];
    return x > y || (x == y && a > b);
}

/* How many live trials with a result there are, and how many of them are better than this one. */
static int64_t rank_of(const sim *s, int64_t number, int64_t *live) {
    int64_t better = 0;
    *live = 0;
    for (int64_t i = 0; i < s->count; i++) {
        bool compared = !s->ended[i] && !isnan(s->last[i]);
        *live += compared;
        better += compared && i != number && is_better(s, i, number);
    }
    return better;
}

static int64_t size_of(int64_t live) {
    int64_t size = (live + 3) / 4; /* a quarter, rounded up */
    return live < 2 ? 0 : size > live / 2 ? live / 2 : size;
}

static void check_exploit(sim *s, int64_t number, const rlt_decision *decision) {
    int64_t live, source = decision->exploit.source;
    assert_true(source >= 0 && source < s->count && source != number && !s->ended[source]);
    assert_true(rank_of(s, source, &live) < size_of(live));
    const json_t *from = s->params[source], *to = decision->exploit.params;
    double x = json_number_value(json_object_get(from, "params.x"));
    double became = json_number_value(json_object_get(to, "params.x"));
    const json_t *change = json_object_get(decision->exploit.changes, "params.x");
    const char *by = json_string_value(json_object_get(change, "by"));
    double factor = strcmp(by, "* 1.2") == 0 ? 1.2 : strcmp(by, "* 0.8") == 0 ? 0.8 : NAN;
    assert_true(isnan(factor) ? strcmp(by, "resample") == 0
                              : fabs(fmin(x * factor, 1) - became) < 1e-12);
    assert_true(became >= 0 && became <= 1);
    assert_true(
        json_equal(json_object_get(from, "params.fixed"), json_object_get(to, "params.fixed")));
    assert_int_equal(json_object_size(to), 4);
}

static void note(sim *s, int64_t number, double value, const rlt_decision *decision) {
    bool exploits = decision->action == RLT_ACTION_EXPLOIT;
    s->rows[s->row_count++] =
        (row){number, decision->step,   exploits ? decision->exploit.source : -1,
              value,  decision->action, exploits ? json_deep_copy(decision->exploit.params) : NULL};
    if (exploits) {
        json_decref(s->params[number]);
        s->params[number] = json_deep_copy(decision->exploit.params);
        s->exploits++;
    }
}

static void check_decision(sim *s, int64_t number, const rlt_decision *decision) {
    int64_t live, better = rank_of(s, number, &live);
    bool lower = better >= live - size_of(live);
    assert_int_equal(decision->action, lower ? RLT_ACTION_EXPLOIT : RLT_ACTION_CONTINUE);
    assert_int_equal(decision->compared, live);
    assert_near(decision->numbers[0], (double)better + 1, 0);
    if (lower) {
        check_exploit(s, number, decision);
    }
}

static void rule(sim *s) {
    json_t *before[TRIALS_MAX]; /* all are ruled on at once: by the parameters before */
    int64_t number;
    rlt_decision decision;
    for (int64_t i = 0; i < s->count; i++) {
        before[i] = json_incref(s->params[i]);
    }
    while (rlt_tuner_ruling(s->tuner, &number, &decision)) {
        json_t *own[TRIALS_MAX];
        memcpy(own, s->params, sizeof own);
        memcpy(s->params, before, sizeof own);
        check_decision(s, number, &decision);
        memcpy(s->params, own, sizeof own);
        assert_true(s->waits[number]);
        s->waits[number] = false;
        note(s, number, s->last[number], &decision);
    }
    for (int64_t i = 0; i < s->count; i++) {
        json_decref(before[i]);
    }
}

/* A random trial goes on to its next milestone or to its end; false: all have ended. */
static bool step(sim *s) {
    int64_t able[TRIALS_MAX], count = 0;
    for (int64_t i = 0; i < s->count; i++) {
        if (!s->ended[i] && !s->waits[i]) {
            able[count++] = i;
        }
    }
    if (count == 0) {
        for (int64_t i = 0; i < s->count; i++) {
            assert_false(s->waits[i]); /* nobody would ever go on */
        }
        return false;
    }
    int64_t number = able[rlt_rng_below(&s->rng, (uint32_t)count)];
    if (s->milestone[number] == MILESTONES || rlt_rng_below(&s->rng, 40) == 0) {
        s->ended[number] = true;
        rlt_trial_state end =
            s->milestone[number] == MILESTONES ? RLT_TRIAL_COMPLETED : RLT_TRIAL_FAILED;
        assert_int_equal(rlt_tuner_finish(s->tuner, number, end, s->last[number], 1000, NULL),
                         RLT_OK);
    } else {
        int64_t at = ++s->milestone[number] * INTERVAL;
        s->last[number] = rlt_rng_below(&s->rng, 30);
        rlt_decision decision = report(s->tuner, number, at, s->last[number]);
        rlt_decision_explain(s->tuner, &decision);
        assert_true(strlen(decision.reason) > 20);
        if (s->fields.pbt.synch) {
            assert_int_equal(decision.action, RLT_ACTION_PAUSE);
            s->waits[number] = true;
        } else {
            check_decision(s, number, &decision);
        }
        note(s, number, s->last[number], &decision);
        rlt_decision again = report(s->tuner, number, at, s->last[number]);
        assert_int_equal(again.action, decision.action);
    }
    rule(s);
    return true;
}

static rlt_tuner *restored(const sim *s, bool by_trial) {
    rlt_tuner *tuner = start_with(&s->fields, "");
    rlt_err err = {0};
    for (int64_t i = 0; i < s->count; i++) {
        assert_int_equal(rlt_tuner_restore(tuner, i, s->initial[i], &err), RLT_OK);
    }
    for (int64_t pass = 0; pass < (by_trial ? s->count : 1); pass++) {
        for (int i = 0; i < s->row_count; i++) {
            const row *r = &s->rows[i];
            if (by_trial && r->number != pass) {
                continue;
            }
            rlt_status status = rlt_tuner_report(tuner, r->number, r->step, r->value, NULL, &err);
            status = status != RLT_OK ? status
                     : r->action == RLT_ACTION_EXPLOIT
                         ? rlt_tuner_restore_exploit(tuner, r->number, r->step, r->source,
                                                     r->params, &err)
                         : rlt_tuner_restore_decision(tuner, r->number, r->step, r->action, &err);
            if (status != RLT_OK) {
                fail_msg("%s", err.message);
            }
        }
    }
    for (int64_t i = 0; i < s->count; i++) {
        rlt_trial_state end =
            s->milestone[i] == MILESTONES ? RLT_TRIAL_COMPLETED : RLT_TRIAL_FAILED;
        if (s->ended[i]) {
            assert_int_equal(rlt_tuner_finish(tuner, i, end, s->last[i], 1000, &err), RLT_OK);
        }
        assert_int_equal(rlt_tuner_waits(tuner, i, NULL), s->waits[i]);
    }
    return tuner;
}

static void run_sims(bool synch) {
    int exploits = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        sim *s = sim_start(seed, synch);
        int steps = 0;
        while (step(s)) {
            if (++steps % 7 == 0) { /* goes on as one restored from rows */
                rlt_tuner *tuner = restored(s, steps % 2 == 0);
                rlt_tuner_destroy(&s->tuner);
                s->tuner = tuner;
                int64_t number;
                rlt_decision decision;
                assert_false(rlt_tuner_ruling(s->tuner, &number, &decision));
            }
        }
        exploits += s->exploits;
        sim_end(s);
    }
    assert_true(exploits > 500);
}

static void asynchronous_populations_are_the_models(void **state) {
    (void)state;
    run_sims(false);
}

static void synchronous_populations_are_the_models(void **state) {
    (void)state;
    run_sims(true);
}

/* The same results in another order: the same rulings. */
static void a_synchronous_ruling_does_not_depend_on_the_order(void **state) {
    (void)state;
    enum { COUNT = 9 };
    json_t *first[COUNT] = {NULL};
    for (int order = 0; order < 6; order++) {
        rlt_tune_fields fields = population_of(COUNT, true);
        rlt_tuner *tuner = start_with(&fields, "");
        ask_all(tuner, COUNT);
        for (int64_t i = 0; i < COUNT; i++) {
            int64_t number = (i * (order % 2 == 0 ? 2 : 4) + order) % COUNT;
            report(tuner, number, INTERVAL, (double)(number * 5 % COUNT));
        }
        int64_t number;
        rlt_decision decision;
        while (rlt_tuner_ruling(tuner, &number, &decision)) {
            json_t *made = json_pack("{s:i, s:O?}", "action", decision.action, "params",
                                     decision.exploit.params);
            if (first[number] == NULL) {
                first[number] = json_deep_copy(made);
            }
            assert_true(json_equal(first[number], made));
            json_decref(made);
        }
        rlt_tuner_destroy(&tuner);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_non_null(first[i]);
        json_decref(first[i]);
    }
}

static void what_is_no_number_copies_and_is_never_copied(void **state) {
    (void)state;
    rlt_tune_fields fields = population_of(4, true);
    rlt_tuner *tuner = start_with(&fields, "");
    ask_all(tuner, 4);
    const double values[] = {NAN, 1, 2, 3};
    for (int64_t i = 0; i < 4; i++) {
        report(tuner, i, INTERVAL, values[i]);
    }
    int64_t number;
    rlt_decision decision;
    while (rlt_tuner_ruling(tuner, &number, &decision)) {
        assert_int_equal(decision.action, number == 0 ? RLT_ACTION_EXPLOIT : RLT_ACTION_CONTINUE);
        if (number == 0) {
            assert_int_equal(decision.exploit.source, 3);
            assert_contains(decision.reason, "not a number");
            assert_contains(decision.reason, "it takes over trial 3");
        }
    }
    rlt_tuner_destroy(&tuner);
    tuner = start_with(&fields, "");
    ask_all(tuner, 4);
    for (int64_t i = 0; i < 4; i++) {
        report(tuner, i, INTERVAL, NAN);
    }
    while (rlt_tuner_ruling(tuner, &number, &decision)) {
        assert_int_equal(decision.action, RLT_ACTION_CONTINUE);
    }
    rlt_tuner_destroy(&tuner);
}

/* ---- refused ---- */

static void refuse(const rlt_tune_fields *fields, const char *experiment, const char *part) {
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(fields, experiment, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, part);
}

static void what_cannot_work_is_refused(void **state) {
    (void)state;
    static const char model[] =
        "{\"ppo\":{\"lr\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}},\"model\":{\"hidden\":{"
        "\"$space\":\"choice\",\"values\":[[8],[16]]}},\"stop\":{\"steps\":1000}}";
    static const char one[] = "{\"ppo\":{\"lr\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}},"
                              "\"stop\":{\"steps\":1000},\"tune\":{\"stopper\":{\"mutations\":["
                              "\"ppo.clip\"]}}}";
    static const char horizon[] =
        "{\"ppo\":{\"horizon\":{\"$space\":\"randint\",\"low\":8,\"high\":"
        "64}},\"stop\":{\"steps\":1000}}";
    static const char nothing[] = "{\"stop\":{\"steps\":1000}}";
    static const char good[] = "{\"ppo\":{\"lr\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}},"
                               "\"stop\":{\"steps\":1000}}";
    rlt_tune_fields fields = population_of(4, false);
    refuse(&fields, model, "model.hidden can't change while a trial is trained");
    refuse(&fields, horizon, "ppo.horizon can't change");
    refuse(&fields, one, "ppo.clip, which has no search space");
    refuse(&fields, nothing, "no parameter to change");
    fields.trials = 1;
    refuse(&fields, good, "tune.trials of at least 2, got 1");
    fields.trials = 0;
    refuse(&fields, good, "tune.trials of at least 2, got 0");
    fields.trials = 4;
    fields.pbt.interval = 1000;
    refuse(&fields, good, "first comparison is at 1000 steps, but trials end at 1000");
    fields.pbt.interval = INTERVAL;
    fields.seeds = 3;
    refuse(&fields, good, "tune.seeds: with pbt trials copy each other");
}

/* ---- mutations given as a table ---- */

static const char mutations[] =
    "\"mutations\":{\"params.c\":{\"$space\":\"choice\",\"values\":[10,20,30]},"
    "\"params.x\":{\"$space\":\"uniform\",\"low\":2,\"high\":3}}";

/* What trial 1 goes on with in `path` after it copied trial 0, which had `points`. */
static double mutated(const char *points, const char *path, int64_t seed, double resample,
                      char by[40]) {
    char experiment[1200];
    rlt_tune_fields fields = population_of(2, false);
    fields.seed = seed;
    fields.pbt.quantile_fraction = 0.5;
    fields.pbt.resample_probability = resample;
    snprintf(experiment, sizeof experiment,
             "{%s,\"stop\":{\"steps\":1000},\"tune\":{\"points\":[%s],\"stopper\":{%s}}}", space,
             points, mutations);
    rlt_tuner *tuner = tuner_of(&fields, experiment);
    ask_all(tuner, 2);
    assert_int_equal(report(tuner, 0, INTERVAL, 1).action, RLT_ACTION_CONTINUE);
    rlt_decision decision = report(tuner, 1, INTERVAL, 0);
    assert_int_equal(decision.action, RLT_ACTION_EXPLOIT);
    const json_t *change = json_object_get(decision.exploit.changes, path);
    snprintf(by, 40, "%s", json_string_value(json_object_get(change, "by")));
    double value = json_number_value(json_object_get(decision.exploit.params, path));
    assert_null(json_object_get(decision.exploit.changes, "params.k")); /* not in the table */
    rlt_tuner_destroy(&tuner);
    return value;
}

/* Ray Tune's explore(): a value that its list does not hold is drawn from it, one that it holds
 * moves to a neighbour; a number is multiplied. Here it stays within its mutations. */
static void mutations_may_be_others_than_the_search_space(void **state) {
    (void)state;
    char by[40];
    unsigned drawn = 0;
    for (int64_t seed = 0; seed < 40; seed++) {
        double c = mutated("{\"params.c\":4,\"params.x\":0.5}", "params.c", seed, 0, by);
        assert_true(c == 10 || c == 20 || c == 30);
        assert_string_equal(by, "resample");
        drawn |= 1U << (int)(c / 10);
        double x = mutated("{\"params.c\":4,\"params.x\":0.5}", "params.x", seed, 0, by);
        assert_true(x == 2); /* 0.5 * 1.2 or 0.5 * 0.8, the nearest that is allowed */
        assert_true(strcmp(by, "* 1.2") == 0 || strcmp(by, "* 0.8") == 0);
        x = mutated("{\"params.c\":4,\"params.x\":0.5}", "params.x", seed, 1, by);
        assert_true(x >= 2 && x <= 3);
        assert_string_equal(by, "resample");
    }
    assert_int_equal(drawn, 1U << 1 | 1U << 2 | 1U << 3);
}

static void mutations_that_cannot_be_are_refused(void **state) {
    (void)state;
    rlt_tune_fields fields = population_of(2, false);
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    char experiment[1200];
    snprintf(experiment, sizeof experiment,
             "{%s,\"stop\":{\"steps\":1000},\"tune\":{\"stopper\":{\"mutations\":{\"params.y\":{"
             "\"$space\":\"choice\",\"values\":[1]}}}}}",
             space);
    assert_int_equal(try_tuner(&fields, experiment, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "params.y, which has no search space");
    snprintf(experiment, sizeof experiment,
             "{\"envs_per_worker\":{\"$space\":\"fixed\",\"value\":8},%s,\"stop\":{\"steps\":1000},"
             "\"tune\":{\"stopper\":{\"mutations\":{\"envs_per_worker\":{\"$space\":\"choice\","
             "\"values\":[8,16]}}}}}",
             space);
    assert_int_equal(try_tuner(&fields, experiment, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "envs_per_worker can't change while a trial is trained");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_and_perturbations_are_rays),
        cmocka_unit_test(a_quarter_is_resampled),
        cmocka_unit_test(asynchronous_populations_are_the_models),
        cmocka_unit_test(synchronous_populations_are_the_models),
        cmocka_unit_test(a_synchronous_ruling_does_not_depend_on_the_order),
        cmocka_unit_test(what_is_no_number_copies_and_is_never_copied),
        cmocka_unit_test(what_cannot_work_is_refused),
        cmocka_unit_test(mutations_may_be_others_than_the_search_space),
        cmocka_unit_test(mutations_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
