/* tuner: several objectives and constraints: the front as results come in, the best within its
 * constraints, what samplers and stoppers must not be asked for. */
#include "tuner_testing.h"

#include "tuner/pareto.h"

static const char *const space = "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}";

static rlt_tune_fields several(int objectives, int constraints) {
    rlt_tune_fields fields = tune_default();
    fields.objectives.count = objectives;
    for (int i = 0; i < objectives; i++) {
        fields.objectives.maximise[i] = i % 2 == 0;
    }
    fields.maximise = fields.objectives.maximise[0];
    fields.constraints.count = constraints;
    return fields;
}

enum { TRIALS = 60 };
typedef struct world {
    double values[TRIALS][3], limits[TRIALS][2];
    rlt_trial_state states[TRIALS];
} world;

static world random_world(uint32_t number) {
    rlt_rng rng = rlt_rng_make(8, RLT_STREAM_TEST, number);
    world w;
    for (int i = 0; i < TRIALS; i++) {
        for (int k = 0; k < 3; k++) {
            w.values[i][k] = rlt_rng_below(&rng, 30) == 0 ? NAN : rlt_rng_below(&rng, 20);
        }
        for (int k = 0; k < 2; k++) {
            w.limits[i][k] = rlt_rng_below(&rng, 30) == 0 ? NAN : (int)rlt_rng_below(&rng, 6) - 4;
        }
        static const rlt_trial_state ends[] = {RLT_TRIAL_COMPLETED, RLT_TRIAL_COMPLETED,
                                               RLT_TRIAL_STOPPED, RLT_TRIAL_FAILED};
        w.states[i] = ends[rlt_rng_below(&rng, 4)];
    }
    return w;
}

static bool is_able(const rlt_tune_fields *fields, const world *w, int i) {
    bool able = w->states[i] != RLT_TRIAL_FAILED;
    for (int k = 0; k < fields->objectives.count; k++) {
        able &= !isnan(w->values[i][k]);
    }
    for (int k = 0; k < fields->constraints.count; k++) {
        able &= w->limits[i][k] <= 0;
    }
    return able;
}

static bool beats(const rlt_tune_fields *fields, const world *w, int i, int j) {
    double a[3], b[3];
    for (int k = 0; k < 3; k++) {
        a[k] = fields->objectives.maximise[k] ? w->values[i][k] : -w->values[i][k];
        b[k] = fields->objectives.maximise[k] ? w->values[j][k] : -w->values[j][k];
    }
    return rlt_dominates(a, b, fields->objectives.count);
}

/* Trials end in a shuffled order; after each the front is what the definition says. */
static void test_front(void **unused) {
    (void)unused;
    for (uint32_t number = 0; number < 40; number++) {
        rlt_tune_fields fields = several(2 + (int)(number % 2), (int)(number % 3));
        rlt_tuner *tuner = tuner_of(&fields, space);
        world w = random_world(number);
        bool ended[TRIALS] = {false};
        for (int i = 0; i < TRIALS; i++) {
            json_decref(ask(tuner, i));
        }
        for (int n = 0; n < TRIALS; n++) {
            int i = (int)rlt_shuffle(TRIALS, n, number);
            ended[i] = true;
            assert_int_equal(
                rlt_tuner_finish_values(tuner, i, w.states[i], w.values[i], w.limits[i], 1, NULL),
                RLT_OK);
            const int64_t *front;
            int64_t count = rlt_tuner_front(tuner, &front), expected = 0;
            for (int j = 0; j < TRIALS; j++) {
                bool on = ended[j] && is_able(&fields, &w, j);
                for (int k = 0; k < TRIALS && on; k++) {
                    on = !(ended[k] && is_able(&fields, &w, k) && beats(&fields, &w, k, j));
                }
                if (on) {
                    assert_true(expected < count);
                    assert_int_equal(front[expected++], j);
                }
            }
            assert_int_equal(count, expected);
        }
        double value;
        assert_int_equal(rlt_tuner_best(tuner, &value), -1);
        assert_true(isnan(value));
        rlt_tuner_destroy(&tuner);
    }
}

static void test_best_is_feasible(void **unused) {
    (void)unused;
    for (uint32_t number = 0; number < 40; number++) {
        rlt_tune_fields fields = several(1, 2);
        fields.maximise = fields.objectives.maximise[0] = number % 2 == 0;
        fields.goal = number % 2 == 0 ? 19 : 0;
        rlt_tuner *tuner = tuner_of(&fields, space);
        world w = random_world(number);
        int64_t best = -1;
        bool reached = false;
        for (int i = 0; i < TRIALS; i++) {
            json_decref(ask(tuner, i));
            if (i % 3 == 0) {
                report(tuner, i, 1, fields.goal); /* means nothing: it may not be feasible */
            }
            assert_int_equal(
                rlt_tuner_finish_values(tuner, i, w.states[i], w.values[i], w.limits[i], 1, NULL),
                RLT_OK);
            bool able =
                w.states[i] != RLT_TRIAL_FAILED && w.limits[i][0] <= 0 && w.limits[i][1] <= 0;
            double key = isnan(w.values[i][0]) && i % 3 == 0 ? fields.goal : w.values[i][0];
            w.values[i][0] = key; /* the last report stands where there is no final value */
            if (able && !isnan(key) &&
                (best < 0 ||
                 (fields.maximise ? key > w.values[best][0] : key < w.values[best][0]))) {
                best = i;
            }
            double value;
            assert_int_equal(rlt_tuner_best(tuner, &value), best);
            assert_true(best < 0 || value == w.values[best][0]);
            reached |= w.limits[i][0] <= 0 && w.limits[i][1] <= 0 && key == fields.goal;
            assert_true(reached || !rlt_tuner_goal_reached(tuner));
        }
        rlt_tuner_destroy(&tuner);
    }
}

static void check_refused(const rlt_tune_fields *fields, const char *part) {
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(fields, space, NULL, &tuner, &err), RLT_ECONFIG);
    assert_null(tuner);
    assert_contains(err.message, part);
}

static void test_refused(void **unused) {
    (void)unused;
    static const struct {
        int sampler;
        bool several, limits;
    } able[] = {{RLT_SAMPLER_RANDOM, true, true},
                {RLT_SAMPLER_LHS, true, true},
                {RLT_SAMPLER_CMAES, false, false}};
    for (size_t i = 0; i < RLT_COUNT(able); i++) {
        rlt_tune_fields fields = several(2, 0), limited = several(1, 1);
        fields.sampler = limited.sampler = able[i].sampler;
        if (!able[i].several) {
            check_refused(&fields, "searches for the best of one metric");
        }
        if (!able[i].limits) {
            check_refused(&limited, "knows nothing of constraints");
        }
        rlt_tuner *tuner = NULL;
        assert_int_equal(try_tuner(&fields, space, NULL, &tuner, NULL) == RLT_OK, able[i].several);
        rlt_tuner_destroy(&tuner);
        assert_int_equal(try_tuner(&limited, space, NULL, &tuner, NULL) == RLT_OK, able[i].limits);
        rlt_tuner_destroy(&tuner);
    }
    rlt_tune_fields stopped = several(2, 0);
    stopped.stopper = RLT_STOPPER_MEDIAN;
    check_refused(&stopped, "tune.stopper: median compares trials by one metric");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_front),
        cmocka_unit_test(test_best_is_feasible),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("tuner_several", tests, NULL, NULL);
}
