/* tuner: what holds for every sampler there is, those to come too: the same calls lead to the same
 * suggestions; restored from rows it goes on as the uninterrupted one; values lie in their spaces;
 * as the base of partial_fixed it keeps what is fixed and learns the rest. */
#include "tuner_learning.h"

#include <string.h>

enum { CALLS = 260, TRIALS = 120 };

/* A function's space depends on another parameter, or another function's value; or it is a plain
 * value. */
static rlt_status resolve(void *user, const char *path, const json_t *chosen, json_t **value,
                          rlt_err *err) {
    (void)user;
    (void)err;
    const char *kind = json_string_value(json_object_get(chosen, "kind"));
    if (strcmp(path, "width") == 0) {
        *value = strcmp(kind, "mlp") == 0
                     ? json_pack("{s:s, s:i, s:i}", "$space", "randint", "low", 8, "high", 256)
                     : json_integer(0);
    } else {
        bool wide = json_integer_value(json_object_get(chosen, "width")) > 100;
        *value = strcmp(kind, "gru") == 0 || wide
                     ? json_pack("{s:s, s:f, s:f}", "$space", "uniform", "low", 0.0, "high", 0.5)
                     : json_pack("{s:s, s:[i,i]}", "$space", "choice", "values", 1, 2);
    }
    return RLT_OK;
}

#define FINITE                                                                                     \
    "\"b\":{\"$space\":\"randint\",\"low\":1,\"high\":9},"                                         \
    "\"kind\":{\"$space\":\"choice\",\"values\":[\"mlp\",\"gru\",\"conv\"]},"                      \
    "\"one\":{\"$space\":\"fixed\",\"value\":[1,2]},"                                              \
    "\"q\":{\"$space\":\"quniform\",\"low\":0,\"high\":1,\"step\":0.25},"                          \
    "\"width\":{\"$function\":\"width\"},\"zeta\":{\"$function\":\"zeta\"},"                       \
    "\"stop\":{\"steps\":900}"
static const char *const countable = "{" FINITE "}";
static const char *const full =
    "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
    "\"lr\":{\"$space\":\"loguniform\",\"low\":0.00001,\"high\":1},"
    "\"n\":{\"$space\":\"normal\",\"mean\":0,\"std\":2},"
    "\"p\":{\"$space\":\"lograndint\",\"low\":1,\"high\":512}," FINITE "}";
static const char *space_of(int sampler) {
    return sampler == RLT_SAMPLER_GRID || sampler == RLT_SAMPLER_BRUTE ? countable : full;
}

static double loss(const json_t *params) {
    const char *kind = json_string_value(json_object_get(params, "kind"));
    return fabs(number_in(params, "b") - 6) + fabs(number_in(params, "q") - 0.5) +
           (strcmp(kind, "gru") == 0 ? 0 : 2) + fabs(number_in(params, "a") - 0.3) +
           fabs(number_in(params, "zeta") - 0.2) + fabs(number_in(params, "width") - 64) / 64;
}

typedef struct call {
    char kind; /* 'a'sk, 'r'eport, 'f'inish */
    int number;
    int64_t step;
    double value;
    rlt_trial_state state;
    json_t *params;
} call;
typedef struct record {
    call calls[CALLS];
    int count, trials;
    int64_t steps[TRIALS];
    bool ended[TRIALS];
    double losses[TRIALS];
    rlt_rng rng;
} record;

static rlt_tuner *make(const rlt_tune_fields *fields, const char *space) {
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    if (try_tuner(fields, space, resolve, &tuner, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return tuner;
}

static call next_call(record *at) {
    int number = at->trials > 0 ? (int)rlt_rng_below(&at->rng, (uint32_t)at->trials) : 0;
    uint32_t kind = rlt_rng_below(&at->rng, 10);
    if (at->trials == 0 || (at->trials < TRIALS && (kind < 4 || at->ended[number]))) {
        return (call){.kind = 'a', .number = at->trials};
    }
    while (at->ended[number]) {
        number = (number + 1) % at->trials;
    }
    double value = kind == 9 ? NAN : at->losses[number];
    if (kind < 7 && at->steps[number] < 700) {
        int64_t step = at->steps[number] + 1 + rlt_rng_below(&at->rng, 300);
        return (call){.kind = 'r', .number = number, .step = step, .value = value};
    }
    uint32_t end = rlt_rng_below(&at->rng, 8);
    return (call){.kind = 'f',
                  .number = number,
                  .step = at->steps[number],
                  .value = value,
                  .state = end == 0  ? RLT_TRIAL_FAILED
                           : end < 3 ? RLT_TRIAL_STOPPED
                                     : RLT_TRIAL_COMPLETED};
}

/* false: there are no more points. */
static bool perform(rlt_tuner *tuner, const call *made, json_t **params) {
    int64_t number;
    rlt_err err = {0};
    rlt_status status = RLT_OK;
    if (made->kind == 'a') {
        status = rlt_tuner_ask(tuner, &number, params, &err);
        if (status == RLT_ENOTFOUND) {
            return false;
        }
        assert_true(status != RLT_OK || number == made->number);
    } else if (made->kind == 'r') {
        status = rlt_tuner_report(tuner, made->number, made->step, made->value, NULL, &err);
    } else {
        status = rlt_tuner_finish(tuner, made->number, made->state, made->value, made->step, &err);
    }
    if (status != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return true;
}

static void note(record *at, const call *made) {
    if (made->kind == 'a') {
        at->losses[at->trials++] = floor(2 * loss(made->params)); /* ties */
    }
    at->steps[made->number] = made->kind == 'a' ? 0 : made->step;
    at->ended[made->number] = made->kind == 'f';
    at->calls[at->count++] = *made;
}

static bool running(const record *at) {
    bool any = false;
    for (int i = 0; i < at->trials; i++) {
        any |= !at->ended[i];
    }
    return any;
}

static void check_in_space(const rlt_tuner *tuner, const json_t *params) {
    const rlt_search_space *space = rlt_tuner_space(tuner);
    assert_int_equal(json_object_size(params), space->count);
    for (int i = 0; i < space->count; i++) {
        rlt_value value;
        rlt_err err = {0};
        if (space->params[i].kind != RLT_DIST_FUNCTION &&
            rlt_value_parse(&space->params[i], json_object_get(params, space->params[i].path),
                            &value, &err) != RLT_OK) {
            fail_msg("%s", err.message);
        }
    }
}

/* As a store gives rows back: everything that a number could lose on the way is lost. */
static rlt_tuner *restored(const rlt_tune_fields *fields, const char *space, const record *at,
                           bool by_trial) {
    rlt_tuner *tuner = make(fields, space);
    for (int trial = 0; trial < (by_trial ? at->trials : 1); trial++) {
        for (int i = 0; i < at->count; i++) {
            const call *row = &at->calls[i];
            if (by_trial && row->number != trial) {
                continue;
            }
            if (row->kind != 'a') {
                perform(tuner, row, NULL);
                continue;
            }
            char *text = json_dumps(row->params, JSON_REAL_PRECISION(17));
            json_t *params = from_text(text);
            rlt_err err = {0};
            if (rlt_tuner_restore(tuner, row->number, params, &err) != RLT_OK) {
                fail_msg("%s", err.message);
            }
            json_decref(params);
            free(text);
        }
    }
    return tuner;
}

static bool keeps_order(const rlt_tune_fields *fields) { /* of time; see rlt_tuner_restore */
    return fields->sampler == RLT_SAMPLER_EVOLUTION || fields->base == RLT_SAMPLER_EVOLUTION;
}

static void check_sampler(const rlt_tune_fields *fields, const char *space, uint32_t world) {
    record *at = rlt_alloc(sizeof(*at));
    at->rng = rlt_rng_make(3, RLT_STREAM_TEST, world);
    rlt_tuner *tuner = make(fields, space), *others[2] = {NULL, NULL};
    int count = keeps_order(fields) ? 1 : 2, cut = 60 + (int)rlt_rng_below(&at->rng, 120);
    while (at->count < CALLS && (at->trials < TRIALS || running(at))) {
        if (at->count == cut) {
            for (int i = 0; i < count; i++) {
                others[i] = restored(fields, space, at, i == 1);
            }
        }
        call made = next_call(at);
        bool more = perform(tuner, &made, &made.params);
        for (int i = 0; i < count && others[i] != NULL; i++) {
            json_t *params = NULL;
            assert_int_equal(perform(others[i], &made, &params), more);
            if (more && made.kind == 'a' && !json_equal(params, made.params)) {
                char *a = json_dumps(made.params, 0), *b = json_dumps(params, 0);
                fail_msg("%s, base %s: trial %d is %s, restored (%d) it is %s",
                         rlt_samplers[fields->sampler].name, rlt_samplers[fields->base].name,
                         made.number, a, i, b);
            }
            json_decref(params);
        }
        if (!more) {
            break;
        }
        if (made.kind == 'a') {
            check_in_space(tuner, made.params);
        }
        note(at, &made);
    }
    for (int i = 0; i < at->count; i++) {
        json_decref(at->calls[i].params);
    }
    rlt_tuner_destroy(&tuner);
    rlt_tuner_destroy(&others[0]);
    rlt_tuner_destroy(&others[1]);
    rlt_free(at);
}

static rlt_tune_fields fields_of(int sampler, uint32_t world) {
    rlt_tune_fields fields = tune_default();
    fields.sampler = sampler;
    fields.base = RLT_SAMPLER_TPE;
    fields.maximise = false;
    fields.seed = world;
    fields.trials = TRIALS;
    fields.nsga.population_size = 12;
    fields.evolution.population = 12;
    fields.evolution.sample = 4;
    fields.stopper = world % 2 == 0 ? RLT_STOPPER_ASHA : RLT_STOPPER_NONE;
    fields.asha.grace = 100;
    fields.asha.reduction = 3;
    fields.asha.brackets = 1;
    fields.tpe.multivariate = world % 3 != 0;
    fields.bohb.random_fraction = 0.1;
    return fields;
}

static int sampler_count(void) {
    int count = 0;
    while (rlt_samplers[count].name != NULL) {
        count++;
    }
    return count;
}

static char *with_points(const char *space, const char *sampler) {
    char *text = malloc(2048);
    snprintf(text, 2048,
             "%.*s,\"tune\":{\"sampler\":%s,\"points\":[{\"b\":2},{\"kind\":\"gru\"}]}}",
             (int)strlen(space) - 1, space, sampler);
    return text;
}

static void test_all(void **unused) {
    (void)unused;
    for (int sampler = 0; sampler < sampler_count(); sampler++) {
        if (rlt_sampler_defs[sampler]->stage != NULL) {
            continue; /* models only: tuner_oneshot_test.c */
        }
        char *space = with_points(space_of(sampler), "{\"fixed\":{\"b\":4}}");
        for (uint32_t world = 0; world < 3; world++) {
            rlt_tune_fields fields = fields_of(sampler, world);
            check_sampler(&fields, space, world + 10 * (uint32_t)sampler);
        }
        free(space);
    }
}

/* ---- partial_fixed ---- */

static void check_fixed(int base, const char *space) {
    rlt_tune_fields fields = fields_of(RLT_SAMPLER_PARTIAL_FIXED, 1);
    fields.base = base;
    rlt_tuner *tuner = make(&fields, space);
    json_t *first = NULL;
    bool varied = false;
    for (int i = 0; i < 60; i++) {
        int64_t number;
        json_t *params = NULL;
        rlt_status status = rlt_tuner_ask(tuner, &number, &params, NULL);
        if (status == RLT_ENOTFOUND) {
            break;
        }
        assert_int_equal(status, RLT_OK);
        assert_int_equal(json_integer_value(json_object_get(params, "b")), 4);
        assert_string_equal(json_string_value(json_object_get(params, "kind")), "gru");
        varied |= first != NULL && !json_equal(first, params);
        first = first != NULL ? first : json_incref(params);
        assert_int_equal(
            rlt_tuner_finish(tuner, number, RLT_TRIAL_COMPLETED, loss(params), 1, NULL), RLT_OK);
        json_decref(params);
    }
    assert_true(varied);
    json_decref(first);
    rlt_tuner_destroy(&tuner);
}

static void test_fixed_with_every_base(void **unused) {
    (void)unused;
    for (int base = 0; base < sampler_count(); base++) {
        char text[2048];
        const char *space = space_of(base);
        if (base == RLT_SAMPLER_PARTIAL_FIXED || rlt_sampler_defs[base]->stage != NULL) {
            continue;
        }
        snprintf(text, sizeof text,
                 "%.*s,\"tune\":{\"sampler\":{\"fixed\":{\"b\":4,\"kind\":\"gru\"}}}}",
                 (int)strlen(space) - 1, space);
        check_fixed(base, text);
        rlt_tune_fields fields = fields_of(RLT_SAMPLER_PARTIAL_FIXED, (uint32_t)base);
        fields.base = base;
        check_sampler(&fields, text, 10 * (uint32_t)base);
    }
}

/* What is fixed leaves a grid of the others; a point that has another value is none of it. */
static void test_fixed_grid(void **unused) {
    (void)unused;
    static const char *const space =
        "{\"a\":{\"$space\":\"randint\",\"low\":1,\"high\":5},"
        "\"b\":{\"$space\":\"choice\",\"values\":[\"x\",\"y\"]},\"tune\":{\"sampler\":"
        "{\"fixed\":{\"b\":\"y\"}},\"points\":[{\"a\":2,\"b\":\"x\"},{\"a\":3,\"b\":\"y\"}]}}";
    static const int bases[] = {RLT_SAMPLER_GRID, RLT_SAMPLER_BRUTE};
    static const int expected[] = {5, 4}; /* brute does not try the point again that fits */
    for (size_t i = 0; i < RLT_COUNT(bases); i++) {
        rlt_tune_fields fields = fields_of(RLT_SAMPLER_PARTIAL_FIXED, 1);
        fields.base = bases[i];
        rlt_tuner *tuner = make(&fields, space);
        int64_t number = 0, seen = 0, count = 0;
        json_t *params = NULL;
        while (rlt_tuner_ask(tuner, &number, &params, NULL) == RLT_OK) {
            if (number >= 2) {
                assert_string_equal(json_string_value(json_object_get(params, "b")), "y");
                seen |= 1 << json_integer_value(json_object_get(params, "a"));
                count++;
            }
            json_decref(params);
        }
        assert_int_equal(count, expected[i]);
        assert_int_equal(seen, i == 0 ? 62 : 62 - (1 << 3));
        rlt_tuner_destroy(&tuner);
    }
}

static void refuse_fixed(int base, const char *fixed, const char *message) {
    char text[2048];
    rlt_tune_fields fields = fields_of(RLT_SAMPLER_PARTIAL_FIXED, 1);
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    fields.base = base;
    snprintf(text, sizeof text, "%.*s,\"tune\":{\"sampler\":{\"fixed\":%s}}}",
             (int)strlen(full) - 1, full, fixed);
    assert_int_equal(try_tuner(&fields, text, resolve, &tuner, &err), RLT_ECONFIG);
    assert_contains(err.message, message);
}

static void test_fixed_refused(void **unused) {
    (void)unused;
    refuse_fixed(RLT_SAMPLER_TPE, "{\"kidn\":\"gru\"}",
                 "'kidn' is not a parameter of the search space (did you mean 'kind'?)");
    refuse_fixed(RLT_SAMPLER_TPE, "{\"kind\":\"lstm\"}", "fixed: kind: \"lstm\" is not one of");
    refuse_fixed(RLT_SAMPLER_TPE, "{\"b\":40}", "fixed: b: 40 is not an integer from 1 to 9");
    refuse_fixed(RLT_SAMPLER_TPE, "{\"width\":40}", "width is a function of the other parameters");
    refuse_fixed(RLT_SAMPLER_GRID, "{\"b\":4}", "a: the grid sampler can't enumerate a uniform");
    refuse_fixed(RLT_SAMPLER_ONESHOT, "{\"b\":4}", "oneshot has trials of several kinds");
    refuse_fixed(RLT_SAMPLER_PARTIAL_FIXED, "{\"b\":4}", "partial_fixed cannot wrap itself");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_fixed_with_every_base),
        cmocka_unit_test(test_fixed_grid),
        cmocka_unit_test(test_fixed_refused),
    };
    return cmocka_run_group_tests_name("tuner_replay", tests, NULL, NULL);
}
