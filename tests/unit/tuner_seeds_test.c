/* tuner: replicates of configurations and their race, against a model that follows the rules of
 * docs/tuning.md word by word; restored at any moment; what samplers and stoppers see of them. */
#include "analysis/analysis.h"
#include "tuner/stoppers/signed_rank.h"
#include "tuner_testing.h"

#include <stdio.h>

static const char *const space = "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                 "\"b\":{\"$space\":\"randint\",\"low\":1,\"high\":9}}";

/* ---- the model ---- */

enum { SEEDS_MAX = 6, TRIALS_MAX = 400, CONFIGURATIONS_MAX = 60 };
typedef struct model_trial {
    int configuration, replicate;
    rlt_trial_state state;
    double key;
} model_trial;
typedef struct model {
    const rlt_tune_fields *f;
    model_trial trials[TRIALS_MAX];
    int count, configurations;
    int allowed[CONFIGURATIONS_MAX]; /* replicates that it may have by now */
    bool over[CONFIGURATIONS_MAX];   /* it gets no more */
    int queue[TRIALS_MAX], queued;   /* who wants replicates, first come first served */
    bool raced, extended;            /* by the newest end */
    int rival;
} model;

static bool has_ended(const model_trial *t) {
    return t->state != RLT_TRIAL_RUNNING;
}

static int started(const model *m, int c) {
    int count = 0;
    for (int i = 0; i < m->count; i++) {
        count += m->trials[i].configuration == c;
    }
    return count;
}

static int in_state(const model *m, int c, rlt_trial_state state) {
    int count = 0;
    for (int i = 0; i < m->count; i++) {
        count += m->trials[i].configuration == c && m->trials[i].state == state;
    }
    return count;
}

/* Results by replicate, of those that have one. */
static int results(const model *m, int c, int least, double *keys) {
    int count = 0;
    for (int k = 0; k < SEEDS_MAX; k++) {
        for (int i = 0; i < m->count; i++) {
            const model_trial *t = &m->trials[i];
            if (t->configuration == c && t->replicate == k && k < least && has_ended(t) &&
                t->state != RLT_TRIAL_FAILED && !isnan(t->key)) {
                keys[count++] = t->key;
            }
        }
    }
    return count;
}

static int compare(const void *a, const void *b) {
    return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b;
}

static double amount(const model *m, int c, int least) {
    double keys[SEEDS_MAX], sum = 0;
    int n = results(m, c, least, keys), cut = m->f->aggregate == RLT_AGGREGATE_IQM ? n / 4 : 0;
    qsort(keys, (size_t)n, sizeof *keys, compare);
    if (n == 0 || m->f->aggregate == RLT_AGGREGATE_WORST) {
        return n == 0 ? NAN : keys[0];
    }
    if (m->f->aggregate == RLT_AGGREGATE_MEDIAN) {
        return (keys[(n - 1) / 2] + keys[n / 2]) / 2;
    }
    for (int i = cut; i < n - cut; i++) {
        sum += keys[i];
    }
    return sum / (n - 2 * cut);
}

/* The best but `other`, of those with `least` results of completed replicates. */
static int model_best(const model *m, int other, int least) {
    int best = -1;
    for (int c = 0; c < m->configurations; c++) {
        double keys[SEEDS_MAX];
        int completed = in_state(m, c, RLT_TRIAL_COMPLETED);
        int measured = results(m, c, SEEDS_MAX, keys);
        bool counts = c != other && in_state(m, c, RLT_TRIAL_FAILED) == 0 && measured > 0 &&
                      completed >= least && results(m, c, least, keys) == least;
        if (!counts) {
            continue;
        }
        if (best >= 0) {
            int its = in_state(m, best, RLT_TRIAL_COMPLETED);
            int its_measured = results(m, best, SEEDS_MAX, keys);
            if (completed < its || (completed == its && measured < its_measured) ||
                (completed == its && measured == its_measured &&
                 !(amount(m, c, SEEDS_MAX) > amount(m, best, SEEDS_MAX)))) {
                continue;
            }
        }
        best = c;
    }
    return best;
}

/* Of all that are in the race still, by ranks. -1: there are no three of them. */
static double p_of_ranks(const model *m, int c, int rival, int n) {
    static double values[SEEDS_MAX * CONFIGURATIONS_MAX], sums[CONFIGURATIONS_MAX];
    int in[CONFIGURATIONS_MAX], count = 0, own = 0, its = 0;
    for (int i = 0; i < m->configurations; i++) {
        double keys[SEEDS_MAX];
        int completed = in_state(m, i, RLT_TRIAL_COMPLETED);
        bool out = m->over[i] && completed < m->f->seeds;
        if (i == rival || (!out && completed >= n && results(m, i, n, keys) == n &&
                           in_state(m, i, RLT_TRIAL_FAILED) == 0)) {
            own = i == c ? count : own;
            its = i == rival ? count : its;
            in[count++] = i;
        }
    }
    for (int i = 0; i < count; i++) {
        double keys[SEEDS_MAX];
        results(m, in[i], n, keys);
        for (int k = 0; k < n; k++) {
            values[k * count + i] = keys[k];
        }
    }
    rlt_friedman test = rlt_friedman_test(values, n, count, sums);
    double p = isnan(test.p) || sums[own] >= sums[its]
                   ? 1
                   : fmax(test.p, rlt_conover(&test, sums[its] - sums[own]));
    return count > 2 ? p : -1;
}

static bool is_worse(model *m, int c) {
    double own[SEEDS_MAX], its[SEEDS_MAX], d[SEEDS_MAX], scratch[SEEDS_MAX];
    int n = results(m, c, SEEDS_MAX, own);
    m->rival = model_best(m, c, n);
    if (m->rival < 0) {
        return false;
    }
    results(m, m->rival, n, its);
    for (int i = 0; i < n; i++) {
        d[i] = own[i] - its[i];
    }
    double p = m->f->race.test == RLT_RACE_FRIEDMAN ? p_of_ranks(m, c, m->rival, n) : -1;
    if (p < 0) {
        p = m->f->race.test != RLT_RACE_T ? rlt_signed_rank_less(d, n, scratch)
                                          : rlt_paired_less(d, n);
    }
    return p < m->f->race.alpha;
}

static void model_allow(model *m, int c, int allowed) {
    m->allowed[c] = allowed;
    if (started(m, c) < allowed) {
        m->queue[m->queued++] = c;
    }
}

static void model_unqueue(model *m, int c) {
    int kept = 0;
    for (int i = 0; i < m->queued; i++) {
        if (m->queue[i] != c) {
            m->queue[kept++] = m->queue[i];
        }
    }
    m->queued = kept;
}

static int first_stage(const model *m) {
    return m->f->race.start > 0 ? (int)m->f->race.start : (int)m->f->seeds;
}

/* -1: none now; -2: never any more; else the configuration, perhaps a new one. */
static int model_next(const model *m) {
    if (m->queued > 0) {
        return m->queue[0];
    }
    if (m->configurations < m->f->trials) {
        return m->configurations;
    }
    for (int c = 0; c < m->configurations; c++) {
        if (!m->over[c] && started(m, c) < m->f->seeds) {
            return -1;
        }
    }
    return -2;
}

static void model_start(model *m, int c) {
    bool fresh = c == m->configurations;
    const int replicate = fresh ? 0 : started(m, c);
    m->trials[m->count++] = (model_trial){c, replicate, RLT_TRIAL_RUNNING, NAN};
    if (fresh) {
        m->configurations++;
        model_allow(m, c, m->f->stopper != RLT_STOPPER_NONE ? 1 : first_stage(m));
    } else if (started(m, c) == m->allowed[c]) {
        model_unqueue(m, c);
    }
}

static void model_end(model *m, int number, rlt_trial_state state, double key) {
    model_trial *t = &m->trials[number];
    int c = t->configuration;
    t->state = state;
    t->key = key;
    m->raced = false;
    if (state != RLT_TRIAL_COMPLETED || isnan(key)) {
        m->over[c] = true;
        model_unqueue(m, c);
    }
    int count = started(m, c);
    if (m->over[c] || in_state(m, c, RLT_TRIAL_RUNNING) > 0 || count < m->allowed[c] ||
        count == m->f->seeds) {
        return;
    }
    if (count < first_stage(m)) {
        model_allow(m, c, first_stage(m));
        return;
    }
    m->raced = true;
    m->extended = !is_worse(m, c);
    if (m->extended) {
        model_allow(m, c, count + 1);
    } else {
        m->over[c] = true;
    }
}

/* ---- tuner and model side by side ---- */

typedef struct both {
    rlt_tuner *tuner;
    model model;
    json_t *params[CONFIGURATIONS_MAX];
    int first[CONFIGURATIONS_MAX];
} both;

static void check_best(const both *b) {
    double value;
    int64_t number = rlt_tuner_best(b->tuner, &value);
    int best = model_best(&b->model, -1, 0);
    assert_int_equal(number, best < 0 ? -1 : b->first[best]);
    if (best >= 0) {
        double key = amount(&b->model, best, SEEDS_MAX);
        assert_near(value, b->model.f->maximise ? key : -key, 1e-12);
    }
}

/* Asks; false: nothing came. */
static bool ask_both(both *b) {
    int64_t number, configuration, replicate;
    json_t *params = NULL;
    rlt_err err = {0};
    int c = model_next(&b->model);
    rlt_status status = rlt_tuner_ask(b->tuner, &number, &params, &err);
    rlt_status expected = c == -2 ? RLT_ENOTFOUND : c == -1 ? RLT_EBUSY : RLT_OK;
    if (status != expected) {
        fail_msg("status %d instead of %d: %s", (int)status, (int)expected, err.message);
    }
    if (c < 0) {
        return false;
    }
    bool fresh = c == b->model.configurations;
    model_start(&b->model, c);
    assert_int_equal(number, b->model.count - 1);
    rlt_tuner_replicate(b->tuner, number, &configuration, &replicate);
    if (fresh) {
        b->first[c] = (int)number;
        b->params[c] = json_incref(params);
    }
    assert_int_equal(configuration, b->first[c]);
    assert_int_equal(replicate, b->model.trials[number].replicate);
    assert_true(json_equal(params, b->params[c]));
    json_decref(params);
    return true;
}

static void end_both(both *b, int number, rlt_trial_state state, double key) {
    double value = b->model.f->maximise ? key : -key;
    rlt_race race;
    model_end(&b->model, number, state, key);
    assert_int_equal(rlt_tuner_finish(b->tuner, number, state, value, 10, NULL), RLT_OK);
    assert_int_equal(rlt_tuner_race(b->tuner, number, &race), b->model.raced);
    if (b->model.raced) {
        assert_int_equal(race.extend, b->model.extended);
        assert_int_equal(race.best, b->model.rival < 0 ? -1 : b->first[b->model.rival]);
        assert_true(race.reason[0] != 0);
    }
    check_best(b);
}

static void close_both(both *b) {
    for (int c = 0; c < b->model.configurations; c++) {
        json_decref(b->params[c]);
    }
    rlt_tuner_destroy(&b->tuner);
}

static rlt_tune_fields random_fields(rlt_rng *rng) {
    rlt_tune_fields f = tune_default();
    f.seeds = 2 + rlt_rng_below(rng, SEEDS_MAX - 1);
    f.trials = 5 + rlt_rng_below(rng, 30);
    f.maximise = rlt_rng_below(rng, 2);
    f.aggregate = (int)rlt_rng_below(rng, 4);
    f.sampler = rlt_rng_below(rng, 2) ? RLT_SAMPLER_TPE : RLT_SAMPLER_RANDOM;
    f.milestones.grace = f.milestones.interval = 1;
    f.threshold.lower = -1e9;
    f.threshold.upper = NAN;
    f.stopper = rlt_rng_below(rng, 3) == 0 ? RLT_STOPPER_THRESHOLD : RLT_STOPPER_NONE;
    if (rlt_rng_below(rng, 3) > 0) {
        f.race.start = 1 + rlt_rng_below(rng, (uint32_t)f.seeds);
        f.race.alpha = 0.2;
        f.race.test = (int)rlt_rng_below(rng, 3);
    }
    return f;
}

/* A replicate that runs, or -1. */
static int random_running(const model *m, rlt_rng *rng) {
    int count = 0, chosen = -1;
    for (int i = 0; i < m->count; i++) {
        if (!has_ended(&m->trials[i]) && rlt_rng_below(rng, (uint32_t)++count) == 0) {
            chosen = i;
        }
    }
    return chosen;
}

static void end_random(both *b, int number, rlt_rng *rng) {
    uint32_t kind = rlt_rng_below(rng, 30);
    rlt_trial_state state = kind == 0   ? RLT_TRIAL_FAILED
                            : kind == 1 ? RLT_TRIAL_STOPPED
                                        : RLT_TRIAL_COMPLETED;
    double quality = b->model.trials[number].configuration % 7;
    double key = kind == 2 ? NAN : quality + (double)rlt_rng_below(rng, 30) / 10;
    end_both(b, number, state, key);
}

/* Trials start and end in any order, up to `parallel` at a time. */
static bool random_event(both *b, int parallel, rlt_rng *rng) {
    int running = 0;
    for (int i = 0; i < b->model.count; i++) {
        running += !has_ended(&b->model.trials[i]);
    }
    bool asked = running < parallel && rlt_rng_below(rng, 2) && ask_both(b);
    int number = asked ? -1 : random_running(&b->model, rng);
    if (number >= 0) {
        end_random(b, number, rng);
        return true;
    }
    return asked || ask_both(b);
}

static const char *const with_steps =
    "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
    "\"b\":{\"$space\":\"randint\",\"low\":1,\"high\":9},\"stop\":{\"steps\":1000}}";

static void any_order_gives_what_the_rules_say(void **state) {
    (void)state;
    int raced = 0, extended = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_SHUFFLE, 0);
        rlt_tune_fields f = random_fields(&rng);
        both b = {.tuner = tuner_of(&f, with_steps), .model = {.f = &f}};
        int parallel = 1 + (int)rlt_rng_below(&rng, 8);
        while (random_event(&b, parallel, &rng)) {
            raced += b.model.raced;
            extended += b.model.raced && b.model.extended;
        }
        assert_int_equal(model_next(&b.model), -2);
        assert_int_equal(rlt_tuner_planned(b.tuner), b.model.count);
        close_both(&b);
    }
    assert_true(raced > 1000 && extended > 300 && raced - extended > 300);
}

/* ---- restored from rows ---- */

typedef struct event {
    int number;
    bool end;
} event;

static void replay(rlt_tuner *tuner, const both *b, const event *events, int count) {
    for (int i = 0; i < count; i++) {
        const model_trial *t = &b->model.trials[events[i].number];
        int first = b->first[t->configuration];
        rlt_err err = {0};
        rlt_status status =
            events[i].end ? rlt_tuner_finish(tuner, events[i].number, t->state,
                                             b->model.f->maximise ? t->key : -t->key, 10, &err)
            : t->replicate == 0
                ? rlt_tuner_restore(tuner, events[i].number, b->params[t->configuration], &err)
                : rlt_tuner_restore_replicate(tuner, events[i].number, first, t->replicate, &err);
        if (status != RLT_OK) {
            fail_msg("%s", err.message);
        }
    }
}

static void rows_bring_everything_back(void **state) {
    (void)state;
    static event events[2 * TRIALS_MAX];
    for (uint64_t seed = 1000; seed < 1080; seed++) {
        rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_SHUFFLE, 0);
        rlt_tune_fields f = random_fields(&rng);
        both b = {.tuner = tuner_of(&f, with_steps), .model = {.f = &f}};
        int parallel = 1 + (int)rlt_rng_below(&rng, 5), count = 0;
        uint32_t every = 1 + rlt_rng_below(&rng, 9);
        bool more = true;
        while (more) {
            model before = b.model;
            more = random_event(&b, parallel, &rng);
            for (int i = 0; i < b.model.count; i++) {
                if (i >= before.count) {
                    events[count++] = (event){i, false};
                } else if (has_ended(&b.model.trials[i]) && !has_ended(&before.trials[i])) {
                    events[count++] = (event){i, true};
                }
            }
            if (rlt_rng_below(&rng, every) ==
                0) { /* killed and resumed: goes on with the new one */
                rlt_tuner *restored = tuner_of(&f, with_steps);
                replay(restored, &b, events, count);
                rlt_tuner_destroy(&b.tuner);
                b.tuner = restored;
                check_best(&b);
            }
        }
        assert_int_equal(model_next(&b.model), -2);
        close_both(&b);
    }
}

static void rows_that_cannot_be_are_refused(void **state) {
    (void)state;
    rlt_tune_fields f = tune_default();
    f.seeds = 3;
    rlt_tuner *tuner = tuner_of(&f, space);
    json_t *params = ask(tuner, 0);
    rlt_err err = {0};
    assert_int_equal(rlt_tuner_restore_replicate(tuner, 1, 0, 2, &err), RLT_ECORRUPT);
    assert_contains(err.message, "replicate 2 of the configuration of trial 0");
    assert_int_equal(rlt_tuner_restore_replicate(tuner, 1, 5, 1, &err), RLT_ECORRUPT);
    assert_int_equal(rlt_tuner_restore_replicate(tuner, 2, 0, 1, &err), RLT_ECORRUPT);
    assert_int_equal(rlt_tuner_restore_replicate(tuner, 1, 0, 1, &err), RLT_OK);
    assert_int_equal(rlt_tuner_restore_replicate(tuner, 2, 1, 2, &err), RLT_ECORRUPT);
    json_decref(params);
    rlt_tuner_destroy(&tuner);
}

/* ---- what samplers see ---- */

static double noisy(const json_t *params, int replicate) {
    double a = json_number_value(json_object_get(params, "a"));
    return -fabs(a - 0.7) + 0.05 * ((replicate * 7919 + (int)(a * 1000)) % 13);
}

/* The same suggestions as from a search with one seed that is told the aggregates. */
static void samplers_see_one_result_a_configuration(void **state) {
    (void)state;
    static const int samplers[] = {RLT_SAMPLER_TPE, RLT_SAMPLER_CMAES, RLT_SAMPLER_GP,
                                   RLT_SAMPLER_NSGA2, RLT_SAMPLER_SOBOL};
    for (size_t s = 0; s < RLT_COUNT(samplers); s++) {
        rlt_tune_fields one = tune_default(), several;
        one.sampler = samplers[s];
        one.trials = 30;
        several = one;
        several.seeds = 4;
        rlt_tuner *plain = tuner_of(&one, space), *tuner = tuner_of(&several, space);
        for (int64_t c = 0; c < 30; c++) {
            json_t *expected = ask(plain, c), *params[4];
            double values[4];
            for (int k = 0; k < 4; k++) {
                params[k] = ask(tuner, 4 * c + k);
                assert_true(json_equal(expected, params[k]));
                values[k] = noisy(params[k], k);
            }
            for (int k = 3; k >= 0; k--) {
                rlt_tuner_finish(tuner, 4 * c + k, RLT_TRIAL_COMPLETED, values[k], 1, NULL);
                json_decref(params[k]);
            }
            double value = rlt_iqm(&(rlt_scores){values, 4, 1});
            rlt_tuner_finish(plain, c, RLT_TRIAL_COMPLETED, value, 1, NULL);
            json_decref(expected);
        }
        rlt_tuner_destroy(&plain);
        rlt_tuner_destroy(&tuner);
    }
}

/* ---- what stoppers see ---- */

static void only_the_first_replicate_is_judged(void **state) {
    (void)state;
    rlt_tune_fields f = tune_default();
    f.seeds = 3;
    f.stopper = RLT_STOPPER_ASHA;
    f.asha.grace = 1;
    f.asha.reduction = 2;
    f.asha.brackets = 1;
    f.trials = 3;
    rlt_tuner *tuner = tuner_of(&f, "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                    "\"stop\":{\"steps\":8}}");
    json_t *all[7];
    int64_t configuration, replicate, number;
    all[0] = ask(tuner, 0);
    all[1] = ask(tuner, 1);
    rlt_tuner_replicate(tuner, 1, &configuration, &replicate);
    assert_int_equal(configuration, 1); /* not a replicate before the first one has completed */
    assert_int_equal(report(tuner, 0, 1, 5).action, RLT_ACTION_CONTINUE);
    assert_int_equal(report(tuner, 1, 1, 1).action, RLT_ACTION_STOP);
    rlt_tuner_finish(tuner, 1, RLT_TRIAL_STOPPED, 1, 1, NULL);
    assert_int_equal(report(tuner, 0, 2, 5).action, RLT_ACTION_CONTINUE);
    rlt_tuner_finish(tuner, 0, RLT_TRIAL_COMPLETED, 5, 8, NULL);
    for (int64_t k = 1; k < 3; k++) {
        all[1 + k] = ask(tuner, 1 + k);
        rlt_tuner_replicate(tuner, 1 + k, &configuration, &replicate);
        assert_int_equal(configuration, 0);
        assert_int_equal(replicate, k);
        assert_true(rlt_tuner_milestone(tuner, 1 + k, 0) == INT64_MAX);
        assert_int_equal(report(tuner, 1 + k, 1, -100).action, RLT_ACTION_CONTINUE);
    }
    all[4] = ask(tuner, 4);
    assert_true(rlt_tuner_milestone(tuner, 4, 0) == 1);
    assert_int_equal(report(tuner, 4, 1, 6).action, RLT_ACTION_CONTINUE);
    json_t *params;
    rlt_err err = {0};
    assert_int_equal(rlt_tuner_ask(tuner, &number, &params, &err), RLT_EBUSY);
    rlt_tuner_finish(tuner, 4, RLT_TRIAL_COMPLETED, 6, 8, NULL);
    all[5] = ask(tuner, 5);
    all[6] = ask(tuner, 6);
    assert_int_equal(rlt_tuner_ask(tuner, &number, &params, &err), RLT_ENOTFOUND);
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        json_decref(all[i]);
    }
    rlt_tuner_destroy(&tuner);
}

/* Trials that wait for others at a rung are ruled on although replicates are still to come. */
static void rungs_of_halving_are_of_configurations(void **state) {
    (void)state;
    rlt_tune_fields f = tune_default();
    f.seeds = 2;
    f.stopper = RLT_STOPPER_SHA;
    f.sha.grace = 1;
    f.sha.reduction = 2;
    f.sha.max_steps = 2;
    f.trials = 4;
    f.sha.size = 4;
    rlt_tuner *tuner = tuner_of(&f, "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                    "\"stop\":{\"steps\":2}}");
    int64_t number, configuration, replicate;
    rlt_decision ruling;
    bool goes_on[4] = {false};
    for (int64_t i = 0; i < 4; i++) {
        json_decref(ask(tuner, i));
        goes_on[i] = report(tuner, i, 1, (double)i).action == RLT_ACTION_CONTINUE;
    }
    while (rlt_tuner_ruling(tuner, &number, &ruling)) {
        goes_on[number] = ruling.action == RLT_ACTION_CONTINUE;
    }
    assert_true(!goes_on[0] && !goes_on[1] && goes_on[2] && goes_on[3]);
    rlt_tuner_finish(tuner, 3, RLT_TRIAL_COMPLETED, 3, 2, NULL);
    json_decref(ask(tuner, 4));
    rlt_tuner_replicate(tuner, 4, &configuration, &replicate);
    assert_int_equal(configuration, 3);
    assert_int_equal(replicate, 1);
    rlt_tuner_destroy(&tuner);
}

/* ---- limits ---- */

static void a_goal_is_reached_by_all_seeds_together(void **state) {
    (void)state;
    rlt_tune_fields f = tune_default();
    f.seeds = 2;
    f.goal = 10;
    rlt_tuner *tuner = tuner_of(&f, space);
    static const double values[] = {100, -100, 9, 12};
    for (int64_t i = 0; i < 4; i++) {
        json_decref(ask(tuner, i));
        report(tuner, i, 1, values[i]);
        rlt_tuner_finish(tuner, i, RLT_TRIAL_COMPLETED, values[i], 1, NULL);
        assert_int_equal(rlt_tuner_goal_reached(tuner), i == 3);
    }
    rlt_tuner_destroy(&tuner);
}

static void a_budget_ends_replicates_too(void **state) {
    (void)state;
    rlt_tune_fields f = tune_default();
    f.seeds = 3;
    f.budget.steps = 10;
    rlt_tuner *tuner = tuner_of(&f, space);
    int64_t number;
    json_t *params;
    rlt_err err = {0};
    json_decref(ask(tuner, 0));
    rlt_tuner_finish(tuner, 0, RLT_TRIAL_COMPLETED, 1, 10, NULL);
    assert_int_equal(rlt_tuner_ask(tuner, &number, &params, &err), RLT_ENOTFOUND);
    assert_contains(err.message, "budget of 10 steps");
    rlt_tuner_destroy(&tuner);
}

static void several_objectives_are_refused(void **state) {
    (void)state;
    rlt_tune_fields f = tune_default();
    f.seeds = 3;
    f.objectives.count = 2;
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(&f, space, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "tune.seeds");
}

static void trials_that_copy_each_other_are_refused(void **state) {
    (void)state;
    rlt_tune_fields f = tune_default();
    f.seeds = 3;
    f.stopper = RLT_STOPPER_PBT;
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(&f, space, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "tune.seeds: with pbt trials copy each other");
    f.stopper = RLT_STOPPER_NONE;
    f.sampler = RLT_SAMPLER_ONESHOT;
    assert_int_equal(try_tuner(&f, space, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "tune.seeds: with oneshot");
}

static void a_limit_holds_on_every_seed(void **state) {
    (void)state;
    rlt_tune_fields f = tune_default();
    f.seeds = 2;
    f.constraints.count = 1;
    f.objectives.count = 1;
    f.objectives.maximise[0] = true;
    rlt_tuner *tuner = tuner_of(&f, space);
    static const double values[] = {9, 9, 1, 1}, limits[] = {-1, 0.5, -1, -1};
    for (int64_t i = 0; i < 4; i++) {
        json_decref(ask(tuner, i));
        assert_int_equal(
            rlt_tuner_finish_values(tuner, i, RLT_TRIAL_COMPLETED, &values[i], &limits[i], 1, NULL),
            RLT_OK);
    }
    double value;
    assert_int_equal(rlt_tuner_best(tuner, &value), 2);
    rlt_tuner_destroy(&tuner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_gives_what_the_rules_say),
        cmocka_unit_test(rows_bring_everything_back),
        cmocka_unit_test(rows_that_cannot_be_are_refused),
        cmocka_unit_test(samplers_see_one_result_a_configuration),
        cmocka_unit_test(only_the_first_replicate_is_judged),
        cmocka_unit_test(rungs_of_halving_are_of_configurations),
        cmocka_unit_test(a_goal_is_reached_by_all_seeds_together),
        cmocka_unit_test(a_budget_ends_replicates_too),
        cmocka_unit_test(several_objectives_are_refused),
        cmocka_unit_test(trials_that_copy_each_other_are_refused),
        cmocka_unit_test(a_limit_holds_on_every_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
