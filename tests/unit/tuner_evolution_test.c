/* tuner: the sampler evolution: against a naive population that is a plain list, one change per
 * child, who is dead, functions of the script, restored studies, and that it finds more than random
 * draws. */
#include "tuner_testing.h"

static const char *const space =
    "{\"act\":{\"$space\":\"choice\",\"values\":[\"tanh\",\"relu\",\"silu\"]},"
    "\"layer\":{\"$space\":\"choice\",\"values\":[[\"dense\",32],[\"gru\",16],[\"lstm\",16]]},"
    "\"lr\":{\"$space\":\"loguniform\",\"low\":1e-5,\"high\":0.1},"
    "\"n\":{\"$space\":\"normal\",\"mean\":3,\"std\":2},"
    "\"one\":{\"$space\":\"choice\",\"values\":[5]},"
    "\"q\":{\"$space\":\"quniform\",\"low\":0.1,\"high\":0.9,\"step\":0.2},"
    "\"units\":{\"$space\":\"randint\",\"low\":8,\"high\":9},"
    "\"wide\":{\"$space\":\"lograndint\",\"low\":1,\"high\":1024}}";
enum { TRIALS = 400, RUNNING = 6 };

static rlt_tune_fields fields_of(int64_t population, int64_t sample) {
    rlt_tune_fields fields = tune_default();
    fields.sampler = RLT_SAMPLER_EVOLUTION;
    fields.evolution.population = population;
    fields.evolution.sample = sample;
    fields.evolution.inherit = true;
    return fields;
}

/* ---- a study with trials that end in any order ---- */

typedef struct study {
    rlt_tuner *tuner;
    json_t *params[TRIALS];
    double value[TRIALS];
    rlt_trial_state state[TRIALS];
    int64_t parent[TRIALS];
    int64_t alive[TRIALS], ends; /* naive: everyone that ended well, in that order */
    int64_t log[2 * TRIALS];     /* n: asked; ~n: ended */
    int64_t logged, count;
} study;

static void end_one(study *s, rlt_rng *rng) {
    int64_t running[TRIALS], count = 0;
    for (int64_t i = 0; i < s->count; i++) {
        if (s->state[i] == RLT_TRIAL_RUNNING) {
            running[count++] = i;
        }
    }
    int64_t number = running[rlt_rng_below(rng, (uint32_t)count)];
    uint32_t how = rlt_rng_below(rng, 8);
    s->state[number] = how == 0   ? RLT_TRIAL_FAILED
                       : how == 1 ? RLT_TRIAL_STOPPED
                                  : RLT_TRIAL_COMPLETED;
    s->value[number] = rlt_rng_below(rng, 20) == 0 ? NAN : (double)rlt_rng_below(rng, 30);
    assert_int_equal(rlt_tuner_finish(s->tuner, number, s->state[number], s->value[number],
                                      100 + number % 3, NULL),
                     RLT_OK);
    if (s->state[number] != RLT_TRIAL_FAILED) {
        s->alive[s->ends++] = number;
    }
    s->log[s->logged++] = ~number;
}

static void start_one(study *s) {
    int64_t number = s->count++;
    s->params[number] = ask(s->tuner, number);
    s->state[number] = RLT_TRIAL_RUNNING;
    s->parent[number] = rlt_tuner_parent(s->tuner, number);
    s->log[s->logged++] = number;
}

/* Better: as the sampler's header says, written out. */
static bool is_better(const study *s, int64_t a, int64_t b) {
    if (s->state[a] != s->state[b]) {
        return s->state[a] == RLT_TRIAL_COMPLETED;
    }
    if (s->state[a] == RLT_TRIAL_STOPPED && a % 3 != b % 3) {
        return a % 3 > b % 3;
    }
    double x = isnan(s->value[a]) ? -1 : s->value[a], y = isnan(s->value[b]) ? -1 : s->value[b];
    return x != y ? x > y : a < b;
}

/* The same draws from a plain list of the last `population`. */
static int64_t naive_parent(const study *s, const rlt_tune_fields *fields, int64_t number) {
    int64_t size = fields->evolution.population, first = s->ends > size ? s->ends - size : 0;
    if (number < size || s->ends == 0) {
        return -1;
    }
    rlt_rng rng = rlt_rng_make((uint64_t)fields->seed, RLT_STREAM_SAMPLER, (uint32_t)number);
    int64_t best = -1;
    for (int64_t i = 0; i < fields->evolution.sample; i++) {
        int64_t place = rlt_rng_below(&rng, (uint32_t)(s->ends - first));
        /* the ring's places: the end with number e stands at e % size */
        int64_t e = first + place;
        while (s->ends > size && e % size != place) {
            e = e + 1 < s->ends ? e + 1 : first;
        }
        if (best < 0 || is_better(s, s->alive[e], best)) {
            best = s->alive[e];
        }
    }
    return best;
}

static bool is_living(const study *s, int64_t size, int64_t number) {
    for (int64_t e = s->ends > size ? s->ends - size : 0; e < s->ends; e++) {
        if (s->alive[e] == number) {
            return true;
        }
    }
    return false;
}

static void check_child(const study *s, int64_t number) {
    const char *path;
    json_t *value;
    int changed = 0;
    const json_t *parent = s->params[s->parent[number]];
    json_object_foreach(s->params[number], path, value) {
        changed += !json_equal(value, json_object_get(parent, path));
        if (strcmp(path, "one") == 0) {
            assert_int_equal(json_integer_value(value), 5);
        }
    }
    assert_int_equal(changed, 1);
}

static void drop(study *s) {
    for (int64_t i = 0; i < s->count; i++) {
        json_decref(s->params[i]);
    }
    rlt_tuner_destroy(&s->tuner);
    rlt_free(s);
}

static study *play(const rlt_tune_fields *fields, uint32_t world, int64_t trials) {
    study *s = rlt_alloc(sizeof(*s));
    rlt_rng rng = rlt_rng_make(11, RLT_STREAM_TEST, world);
    s->tuner = tuner_of(fields, space);
    while (s->count < trials) {
        int64_t failed = 0;
        for (int64_t i = 0; i < s->count; i++) {
            failed += s->state[i] == RLT_TRIAL_FAILED;
        }
        int64_t running = s->count - s->ends - failed;
        if (running == RUNNING || (running > 0 && rlt_rng_below(&rng, 2) == 0)) {
            end_one(s, &rng);
            continue;
        }
        int64_t expected = naive_parent(s, fields, s->count);
        start_one(s);
        assert_int_equal(s->parent[s->count - 1], expected);
        if (expected >= 0) {
            assert_true(is_living(s, fields->evolution.population, expected));
            check_child(s, s->count - 1);
        }
    }
    return s;
}

static void test_naive(void **unused) {
    (void)unused;
    static const int64_t sizes[][2] = {{2, 1}, {2, 2}, {8, 3}, {32, 8}, {100, 25}};
    for (uint32_t world = 0; world < RLT_COUNT(sizes); world++) {
        rlt_tune_fields fields = fields_of(sizes[world][0], sizes[world][1]);
        study *s = play(&fields, world, TRIALS);
        int64_t children = 0;
        for (int64_t i = 0; i < s->count; i++) {
            children += s->parent[i] >= 0;
        }
        /* but for those that were asked for before anybody had ended */
        assert_true(children <= TRIALS - sizes[world][0]);
        assert_true(children > TRIALS - sizes[world][0] - 2 * RUNNING);
        drop(s);
    }
}

/* ---- restored in the order of time ---- */

static void test_restored(void **unused) {
    (void)unused;
    for (uint32_t world = 0; world < 12; world++) {
        rlt_tune_fields fields = fields_of(4 + world, 1 + world % 4);
        study *s = play(&fields, 100 + world, 60 + 20 * world);
        rlt_tuner *other = tuner_of(&fields, space);
        for (int64_t i = 0; i < s->logged; i++) {
            int64_t number = s->log[i] < 0 ? ~s->log[i] : s->log[i];
            if (s->log[i] >= 0) {
                assert_int_equal(rlt_tuner_restore(other, number, s->params[number], NULL), RLT_OK);
                assert_int_equal(rlt_tuner_parent(other, number), s->parent[number]);
                continue;
            }
            assert_int_equal(rlt_tuner_finish(other, number, s->state[number], s->value[number],
                                              100 + number % 3, NULL),
                             RLT_OK);
        }
        for (int64_t i = 0; i < 20; i++) {
            json_t *a = ask(s->tuner, s->count + i), *b = ask(other, s->count + i);
            assert_true(json_equal(a, b));
            assert_int_equal(rlt_tuner_parent(s->tuner, s->count + i),
                             rlt_tuner_parent(other, s->count + i));
            json_decref(a);
            json_decref(b);
        }
        rlt_tuner_destroy(&other);
        drop(s);
    }
}

/* A point that somebody gave belongs to the population, and has no parent. */
static void test_given(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_of(2, 2);
    rlt_tuner *tuner = tuner_of(&fields, "{\"x\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}");
    for (int64_t i = 0; i < 4; i++) {
        json_t *params = json_pack("{s:f}", "x", 0.25 * (double)i);
        assert_int_equal(rlt_tuner_restore(tuner, i, params, NULL), RLT_OK);
        assert_int_equal(rlt_tuner_parent(tuner, i), -1);
        assert_int_equal(rlt_tuner_finish(tuner, i, RLT_TRIAL_COMPLETED, (double)i, 1, NULL),
                         RLT_OK);
        json_decref(params);
    }
    json_decref(ask(tuner, 4));
    assert_true(rlt_tuner_parent(tuner, 4) >= 2); /* the last two */
    rlt_tuner_destroy(&tuner);

    fields.evolution.inherit = false;
    tuner = tuner_of(&fields, "{\"x\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}");
    for (int64_t i = 0; i < 3; i++) {
        json_decref(ask(tuner, i));
        assert_int_equal(rlt_tuner_parent(tuner, i), -1);
        assert_int_equal(rlt_tuner_finish(tuner, i, RLT_TRIAL_COMPLETED, 1, 1, NULL), RLT_OK);
    }
    rlt_tuner_destroy(&tuner);
}

/* Trials of an earlier experiment are in the population; their weights are not there. */
static void test_earlier(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_of(8, 8);
    rlt_tuner *tuner = tuner_of(&fields, "{\"x\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}");
    for (int64_t i = 0; i < 8; i++) {
        json_t *params = json_pack("{s:f}", "x", 0.01 * (double)i);
        double value = (double)i, none = 0;
        assert_int_equal(
            rlt_tuner_source(tuner, params, &value, &none, RLT_TRIAL_COMPLETED, 1, NULL, NULL),
            RLT_OK);
        json_decref(params);
    }
    int children = 0;
    for (int64_t i = 0; i < 30; i++) {
        json_t *params = ask(tuner, i);
        int64_t parent = rlt_tuner_parent(tuner, i);
        double x = json_number_value(json_object_get(params, "x"));
        assert_true(i > 0 || (parent == -1 && x < 0.9)); /* a child of one of them, near to it */
        assert_true(parent < i);
        children += parent >= 0;
        assert_int_equal(rlt_tuner_finish(tuner, i, RLT_TRIAL_COMPLETED, 100, 1, NULL), RLT_OK);
        json_decref(params);
    }
    assert_true(children > 20);
    rlt_tuner_destroy(&tuner);
}

/* ---- functions of the script ---- */

/* A conditional choice: which values there are depends on `kind`. */
static rlt_status conditional(void *user, const char *path, const json_t *chosen, json_t **value,
                              rlt_err *err) {
    (void)user;
    (void)path;
    (void)err;
    const char *kind = json_string_value(json_object_get(chosen, "kind"));
    *value = strcmp(kind, "a") == 0
                 ? json_pack("{s:s,s:f,s:f}", "$space", "uniform", "low", 0., "high", 1.)
                 : json_pack("{s:s,s:f,s:f}", "$space", "uniform", "low", 5., "high", 6.);
    return RLT_OK;
}

static void test_conditional(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_of(4, 2);
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(&fields,
                               "{\"kind\":{\"$space\":\"choice\",\"values\":[\"a\",\"b\"]},"
                               "\"width\":{\"$function\":\"width\"}}",
                               conditional, &tuner, &err),
                     RLT_OK);
    json_t *params[60];
    int same_width = 0, same_kind = 0;
    for (int64_t i = 0; i < 60; i++) {
        params[i] = ask(tuner, i);
        int64_t parent = rlt_tuner_parent(tuner, i);
        double width = json_number_value(json_object_get(params[i], "width"));
        bool is_a = strcmp(json_string_value(json_object_get(params[i], "kind")), "a") == 0;
        assert_true(is_a ? width < 1 : width >= 5);
        assert_int_equal(rlt_tuner_finish(tuner, i, RLT_TRIAL_COMPLETED, (double)(i % 7), 1, NULL),
                         RLT_OK);
        if (parent < 0) {
            continue;
        }
        double from = json_number_value(json_object_get(params[parent], "width"));
        bool kept =
            json_equal(json_object_get(params[i], "kind"), json_object_get(params[parent], "kind"));
        same_kind += kept;
        /* the place within the range is the parent's unless the function's own draw changed */
        same_width += fabs(fmod(width, 5) - fmod(from, 5)) < 1e-12;
        assert_true(!kept || width != from); /* exactly one of them changed */
    }
    assert_int_equal(same_width + same_kind, 56);
    assert_true(same_width > 10 && same_kind > 10);
    for (int64_t i = 0; i < 60; i++) {
        json_decref(params[i]);
    }
    rlt_tuner_destroy(&tuner);
}

/* ---- what it is for ---- */

/* Ten choices of four, of which the right ones count: 150 trials. */
static double found(int sampler, int64_t seed) {
    rlt_tune_fields fields = fields_of(16, 5);
    rlt_buf text = {0};
    fields.sampler = sampler;
    fields.seed = seed;
    for (int i = 0; i < 10; i++) {
        rlt_buf_printf(&text, "%c\"c%d\":{\"$space\":\"choice\",\"values\":[0,1,2,3]}",
                       i == 0 ? '{' : ',', i);
    }
    rlt_buf_printf(&text, "}");
    rlt_tuner *tuner = tuner_of(&fields, text.data);
    double best = 0;
    for (int64_t n = 0; n < 150; n++) {
        json_t *params = ask(tuner, n), *value;
        const char *path;
        double right = 0;
        json_object_foreach(params, path, value) {
            right += json_integer_value(value) == (path[1] - '0') % 4;
        }
        best = fmax(best, right);
        assert_int_equal(rlt_tuner_finish(tuner, n, RLT_TRIAL_COMPLETED, right, 1, NULL), RLT_OK);
        json_decref(params);
    }
    rlt_tuner_destroy(&tuner);
    rlt_buf_fini(&text);
    return best;
}

static void test_finds(void **unused) {
    (void)unused;
    double evolved = 0, drawn = 0;
    for (int64_t seed = 0; seed < 20; seed++) {
        evolved += found(RLT_SAMPLER_EVOLUTION, seed) / 20;
        drawn += found(RLT_SAMPLER_RANDOM, seed) / 20;
    }
    assert_true(evolved > drawn + 1.5);
}

static void test_refused(void **unused) {
    (void)unused;
    rlt_tune_fields fields = fields_of(4, 5);
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    assert_int_equal(try_tuner(&fields, space, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "sample = 5 of population = 4");
    fields = fields_of(4, 2);
    fields.objectives.count = 2;
    assert_int_equal(try_tuner(&fields, space, NULL, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, "evolution searches for the best of one metric");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_naive),       cmocka_unit_test(test_restored),
        cmocka_unit_test(test_given),       cmocka_unit_test(test_earlier),
        cmocka_unit_test(test_conditional), cmocka_unit_test(test_finds),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("tuner_evolution", tests, NULL, NULL);
}
