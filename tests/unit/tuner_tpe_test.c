/* tuner: Parzen estimators against Optuna's (tests/golden/tpe.json, scripts/gen_golden_tpe.py), and
 * the sampler tpe against a plain rereading of its rules. */
#include "tuner_testing.h"

#include "tuner/samplers/parzen_forms.h"

#include <stdio.h>

static json_t *golden(void) {
    json_error_t error;
    json_t *json = json_load_file(RLT_SOURCE_DIR "/tests/golden/tpe.json", 0, &error);
    if (json == NULL) {
        fail_msg("%s", error.text);
    }
    return json;
}

static double at2(const json_t *rows, size_t i, size_t j) {
    return json_number_value(json_array_get(json_array_get(rows, i), j));
}

/* ---- estimators ---- */

enum { DIMS_MAX = 8, LANES = 24 };
typedef struct space_dims {
    rlt_param params[DIMS_MAX];
    rlt_parzen_dim dims[DIMS_MAX];
    int source[DIMS_MAX], count; /* dimension d is parameter source[d] */
} space_dims;

static void make_dims(const json_t *spaces, space_dims *made) {
    *made = (space_dims){0};
    int count = (int)json_array_size(spaces);
    for (int i = 0; i < count; i++) {
        rlt_err err = {0};
        assert_int_equal(
            rlt_param_parse(json_array_get(spaces, (size_t)i), "x", &made->params[i], &err),
            RLT_OK);
    }
    for (int real = 1; real >= 0; real--) {
        for (int i = 0; i < count; i++) {
            rlt_parzen_dim dim = rlt_parzen_dim_of(&made->params[i]);
            if ((dim.kind == RLT_PARZEN_REAL) == (real == 1)) {
                made->source[made->count] = i;
                made->dims[made->count++] = dim;
            }
        }
    }
}

static void free_dims(space_dims *made) {
    for (int i = 0; i < made->count; i++) {
        rlt_param_fini(&made->params[i]);
    }
}

static double coordinate_of(const space_dims *made, int d, double number) {
    const rlt_param *param = &made->params[made->source[d]];
    rlt_value value = {.number = number, .choice = -1};
    if (made->dims[d].kind == RLT_PARZEN_CHOICE) {
        value = (rlt_value){.number = 0, .choice = (int)number};
    }
    return rlt_parzen_coordinate(param, &made->dims[d], value);
}

static void fill(const json_t *test, const space_dims *made, rlt_parzen *parzen) {
    rlt_parzen_options options = {
        json_number_value(json_object_get(test, "prior_weight")),
        json_is_true(json_object_get(test, "magic_clip")),
        json_is_true(json_object_get(test, "endpoints")),
        false,
        1,
    };
    rlt_parzen_init(parzen, made->dims, made->count, options);
    const json_t *observations = json_object_get(test, "observations");
    size_t count = json_array_size(observations);
    for (size_t i = 0; i < count; i++) { /* in an order of its own */
        size_t slot = (i * 7 + 3) % count;
        while (slot < parzen->capacity * 1ul && parzen->present[slot]) {
            slot = (slot + 1) % count;
        }
        double x[DIMS_MAX];
        for (int d = 0; d < made->count; d++) {
            x[d] = coordinate_of(made, d, at2(observations, slot, (size_t)made->source[d]));
        }
        rlt_parzen_insert(parzen, (int64_t)slot, x);
    }
    rlt_parzen_prepare(parzen);
}

static void check_kernels(const json_t *test, const space_dims *made, const rlt_parzen *parzen) {
    const json_t *weights = json_object_get(test, "weights");
    int64_t count = parzen->count;
    assert_int_equal(json_array_size(weights), count + 1);
    for (int64_t i = 0; i <= count; i++) {
        assert_near(parzen->weights[i] / parzen->weight_sum,
                    json_number_value(json_array_get(weights, (size_t)i)), 1e-15);
    }
    for (int d = 0; d < made->count; d++) {
        if (made->dims[d].kind == RLT_PARZEN_CHOICE) {
            continue;
        }
        size_t numeric = 0; /* Optuna's numeric parameters before this one */
        for (int i = 0; i < made->source[d]; i++) {
            numeric += made->params[i].kind != RLT_DIST_CHOICE;
        }
        for (int64_t i = 0; i <= count; i++) {
            bool prior = i == count;
            int64_t cell = prior ? d : i * made->count + d;
            double mu = (prior ? parzen->prior : parzen->mu)[cell];
            double sigma = prior ? parzen->prior[made->count + d] : parzen->sigma[cell];
            double range = made->dims[d].high - made->dims[d].low;
            assert_near(mu, at2(json_object_get(test, "mus"), numeric, (size_t)i), 1e-14 * range);
            assert_near(sigma, at2(json_object_get(test, "sigmas"), numeric, (size_t)i),
                        1e-14 * range);
        }
    }
}

static void check_log_pdf(const json_t *test, const space_dims *made, rlt_parzen *parzen) {
    const json_t *points = json_object_get(test, "points");
    double x[DIMS_MAX * LANES], got[LANES];
    assert_int_equal(json_array_size(points), LANES);
    for (int d = 0; d < made->count; d++) {
        for (size_t l = 0; l < LANES; l++) {
            x[(size_t)d * LANES + l] =
                coordinate_of(made, d, at2(points, l, (size_t)made->source[d]));
        }
    }
    rlt_parzen_log_pdf(parzen, 0, made->count, x, LANES, got);
    for (int i = 0; i < 3; i++) { /* the same bits in every form */
        double again[LANES];
        if (rlt_parzen_form_at(i) != NULL) {
            parzen->form = rlt_parzen_form_at(i);
            rlt_parzen_log_pdf(parzen, 0, made->count, x, LANES, again);
            assert_memory_equal(again, got, sizeof got);
        }
    }
    bool sheppard = made->dims[0].kind == RLT_PARZEN_REAL && made->dims[0].step > 0;
    for (size_t l = 0; l < LANES; l++) {
        double want = json_number_value(json_array_get(json_object_get(test, "log_pdf"), l));
        assert_near(got[l], want, (sheppard ? 1e-6 : 1e-9) * fmax(1, fabs(want)));
    }
}

static void test_estimators(void **unused) {
    (void)unused;
    json_t *json = golden(), *test;
    size_t i;
    json_array_foreach(json_object_get(json, "estimators"), i, test) {
        space_dims made;
        rlt_parzen parzen;
        make_dims(json_object_get(test, "spaces"), &made);
        fill(test, &made, &parzen);
        bool ties = made.count == 1 && made.dims[0].kind == RLT_PARZEN_CELLS &&
                    made.dims[0].count < 40; /* which of two equal ones is the wider is open */
        if (!ties) {
            check_kernels(test, &made, &parzen);
        }
        check_log_pdf(test, &made, &parzen);
        rlt_parzen_fini(&parzen);
        free_dims(&made);
    }
    assert_int_equal(i, 33);
    json_decref(json);
}

/* ---- which trials are good ---- */

enum { TRIALS_MAX = 500, GOOD_MAX = 25 };
typedef struct known_trial {
    double key; /* the larger the better; NAN: none */
    int64_t steps;
    rlt_trial_state state;
    double x[DIMS_MAX];
} known_trial;
typedef struct known_trials {
    known_trial rows[TRIALS_MAX];
    int count;
} known_trials;

/* Optuna's order, as documented: completed before stopped, and so on. */
static bool better(const known_trial *a, const known_trial *b) {
    if (a->state != b->state) {
        return a->state == RLT_TRIAL_COMPLETED;
    }
    if (a->state == RLT_TRIAL_STOPPED && a->steps != b->steps) {
        return a->steps > b->steps;
    }
    return isnan(b->key) ? !isnan(a->key) : a->key > b->key;
}

static bool counts(const known_trial *row) {
    return row->state == RLT_TRIAL_COMPLETED || row->state == RLT_TRIAL_STOPPED;
}

/* Gives the good trials their places, 1 the best, by picking the best of the rest again and again;
 * 0: not good. Returns how many have finished; *wanted: how many are good. */
static int mark_good(const known_trials *trials, int good[TRIALS_MAX], int *wanted) {
    int finished = 0;
    for (int i = 0; i < trials->count; i++) {
        finished += counts(&trials->rows[i]);
        good[i] = 0;
    }
    *wanted = (int)fmin(ceil(0.1 * finished), GOOD_MAX);
    for (int k = 1; k <= *wanted; k++) {
        int best = -1;
        for (int i = 0; i < trials->count; i++) {
            const known_trial *row = &trials->rows[i];
            if (counts(row) && !good[i] && (best < 0 || better(row, &trials->rows[best]))) {
                best = i;
            }
        }
        good[best] = k;
    }
    return finished;
}

static void test_splits(void **unused) {
    (void)unused;
    json_t *json = golden(), *test;
    size_t i;
    json_array_foreach(json_object_get(json, "splits"), i, test) {
        static known_trials trials;
        const json_t *rows = json_object_get(test, "trials");
        trials.count = (int)json_array_size(rows);
        for (size_t k = 0; k < json_array_size(rows); k++) {
            const json_t *row = json_array_get(rows, k), *value = json_array_get(row, 0);
            known_trial *made = &trials.rows[k];
            made->key = json_is_null(value) ? NAN : json_number_value(value);
            made->steps = json_integer_value(json_array_get(row, 2));
            assert_int_equal(rlt_trial_state_parse(json_string_value(json_array_get(row, 1)),
                                                   &made->state, NULL),
                             RLT_OK);
        }
        int good[TRIALS_MAX], wanted;
        mark_good(&trials, good, &wanted);
        const json_t *below = json_object_get(test, "below");
        size_t found = 0;
        for (int k = 0; k < trials.count; k++) {
            if (good[k] > 0) {
                assert_int_equal(json_integer_value(json_array_get(below, found++)), k);
            }
        }
        assert_int_equal(found, json_array_size(below));
    }
    assert_int_equal(i, 6);
    json_decref(json);
}

/* ---- the sampler ---- */

static const char *const kinds =
    "{\"a\":{\"$space\":\"uniform\",\"low\":-5,\"high\":10},"
    "\"b\":{\"$space\":\"loguniform\",\"low\":1e-5,\"high\":1},"
    "\"c\":{\"$space\":\"randint\",\"low\":-3,\"high\":6},"
    "\"d\":{\"$space\":\"lograndint\",\"low\":1,\"high\":512},"
    "\"e\":{\"$space\":\"quniform\",\"low\":0.25,\"high\":2,\"step\":0.125},"
    "\"f\":{\"$space\":\"choice\",\"values\":[\"a\",\"b\",[1,2]]},"
    "\"g\":{\"$space\":\"randint\",\"low\":0,\"high\":100000},"
    "\"h\":{\"$space\":\"normal\",\"mean\":1,\"std\":2,\"low\":0}}";

typedef struct twin {
    rlt_search_space space;
    rlt_parzen_dim dims[DIMS_MAX];
    int source[DIMS_MAX];
    known_trials trials;
} twin;

static void twin_init(twin *made) {
    json_t *json = from_text(kinds);
    assert_int_equal(rlt_search_space_collect(json, &made->space, NULL), RLT_OK);
    json_decref(json);
    int count = 0;
    for (int real = 1; real >= 0; real--) {
        for (int i = 0; i < made->space.count; i++) {
            rlt_parzen_dim dim = rlt_parzen_dim_of(&made->space.params[i]);
            if ((dim.kind == RLT_PARZEN_REAL) == (real == 1)) {
                made->source[count] = i;
                made->dims[count++] = dim;
            }
        }
    }
    made->trials.count = 0;
}

static void twin_add(twin *to, const json_t *params) {
    known_trial *row = &to->trials.rows[to->trials.count++];
    *row = (known_trial){.key = NAN, .state = RLT_TRIAL_RUNNING};
    for (int d = 0; d < to->space.count; d++) {
        const rlt_param *param = &to->space.params[to->source[d]];
        rlt_value value;
        assert_int_equal(rlt_value_parse(param, json_object_get(params, param->path), &value, NULL),
                         RLT_OK);
        row->x[d] = rlt_parzen_coordinate(param, &to->dims[d], value);
    }
}

/* The suggestion by the book: both estimators made anew. */
static json_t *twin_ask(const twin *at, const rlt_tune_fields *fields) {
    enum { CANDIDATES = 24 };
    const int width = at->space.count;
    int good[TRIALS_MAX], wanted;
    json_t *params = json_object();
    int finished = mark_good(&at->trials, good, &wanted);
    if (finished < fields->tpe.n_startup_trials) {
        for (int i = 0; i < width; i++) {
            const rlt_param *param = &at->space.params[i];
            double u = rlt_tuner_draw((uint64_t)fields->seed, at->trials.count, param->path);
            json_object_set_new(params, param->path, rlt_value_json(param, rlt_param_at(param, u)));
        }
        return params;
    }
    rlt_parzen sides[2];
    double narrow = fmin(1, fmax(0.1, pow(10.0 / finished, fields->tpe.narrowing))), sum = 0;
    for (int k = 1; k <= wanted; k++) {
        sum += log((wanted + 1.0) / k);
    }
    for (int side = 0; side < 2; side++) {
        const rlt_parzen_options options = {1, true, false, false, side == 0 ? narrow : 1};
        rlt_parzen_init(&sides[side], at->dims, width, options);
        for (int i = at->trials.count - 1; i >= 0; i--) {
            const known_trial *row = &at->trials.rows[i];
            bool liar = row->state == RLT_TRIAL_RUNNING && fields->tpe.constant_liar;
            if ((counts(row) || liar) && (good[i] > 0) == (side == 0)) {
                rlt_parzen_insert(&sides[side], i, row->x);
            }
            if (good[i] > 0 && side == 0 && fields->tpe.rank_weights) {
                rlt_parzen_weigh(&sides[0], i, log((wanted + 1.0) / good[i]) * wanted / sum);
            }
        }
    }
    rlt_rng rng =
        rlt_rng_make((uint64_t)fields->seed, RLT_STREAM_SAMPLER, (uint32_t)at->trials.count);
    double x[DIMS_MAX * CANDIDATES], l[CANDIDATES], g[CANDIDATES];
    int step = fields->tpe.multivariate ? width : 1;
    for (int first = 0; first < width; first += step) {
        rlt_parzen_sample(&sides[0], &rng, first, first + step, x, CANDIDATES);
        rlt_parzen_log_pdf(&sides[0], first, first + step, x, CANDIDATES, l);
        rlt_parzen_log_pdf(&sides[1], first, first + step, x, CANDIDATES, g);
        int best = 0;
        for (int c = 1; c < CANDIDATES; c++) {
            best = l[c] - g[c] > l[best] - g[best] ? c : best;
        }
        for (int d = first; d < first + step; d++) {
            const rlt_param *param = &at->space.params[at->source[d]];
            rlt_value value = rlt_parzen_value(param, &at->dims[d], x[d * CANDIDATES + best]);
            json_object_set_new(params, param->path, rlt_value_json(param, value));
        }
    }
    rlt_parzen_fini(&sides[0]);
    rlt_parzen_fini(&sides[1]);
    return params;
}

/* Trials run side by side and end in any order and manner: always what the book says. */
static void check_by_the_book(const rlt_tune_fields *fields, uint32_t world) {
    enum { TRIALS = 320, PARALLEL = 5 };
    static twin at;
    twin_init(&at);
    rlt_tuner *tuner = tuner_of(fields, kinds);
    rlt_rng rng = rlt_rng_make(3, RLT_STREAM_TEST, world);
    int running = 0;
    while (at.trials.count < TRIALS) {
        if (running < PARALLEL) {
            json_t *expected = twin_ask(&at, fields), *params = ask(tuner, at.trials.count);
            assert_true(json_equal(expected, params));
            twin_add(&at, params);
            json_decref(expected);
            json_decref(params);
            running++;
            continue;
        }
        int i = (int)rlt_rng_below(&rng, (uint32_t)at.trials.count);
        while (at.trials.rows[i].state != RLT_TRIAL_RUNNING) {
            i = (i + 1) % at.trials.count;
        }
        known_trial *row = &at.trials.rows[i];
        uint32_t end = rlt_rng_below(&rng, 8);
        row->state = end == 0  ? RLT_TRIAL_FAILED
                     : end < 3 ? RLT_TRIAL_STOPPED
                               : RLT_TRIAL_COMPLETED;
        row->key = rlt_rng_below(&rng, 10) == 0 ? NAN : rlt_rng_below(&rng, 40);
        row->steps = rlt_rng_below(&rng, 4);
        double value = fields->maximise ? row->key : -row->key;
        assert_int_equal(rlt_tuner_finish(tuner, i, row->state, value, row->steps, NULL), RLT_OK);
        running--;
    }
    rlt_tuner_destroy(&tuner);
    rlt_search_space_fini(&at.space);
}

static void test_by_the_book(void **unused) {
    (void)unused;
    for (uint32_t world = 0; world < 4; world++) {
        rlt_tune_fields fields = tune_default();
        fields.sampler = RLT_SAMPLER_TPE;
        fields.maximise = world % 2 == 0;
        fields.tpe.multivariate = world != 1;
        fields.tpe.constant_liar = world != 2;
        fields.tpe.rank_weights = world != 3;
        fields.tpe.narrowing = world == 0 ? 0 : fields.tpe.narrowing;
        check_by_the_book(&fields, world);
    }
}

/* The mean distance of a suggestion to the nearest one before it, none of them finished. */
static double mean_distance(bool liar, int64_t seed) {
    enum { FINISHED = 40, ASKED = 12 };
    rlt_tune_fields fields = tune_default();
    fields.sampler = RLT_SAMPLER_TPE;
    fields.tpe.constant_liar = liar;
    fields.seed = seed;
    rlt_tuner *tuner = tuner_of(&fields, "{\"x\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
                                         "\"y\":{\"$space\":\"uniform\",\"low\":0,\"high\":1}}");
    double points[ASKED][2], sum = 0;
    for (int i = 0; i < FINISHED + ASKED; i++) {
        json_t *params = ask(tuner, i);
        double x = json_number_value(json_object_get(params, "x"));
        double y = json_number_value(json_object_get(params, "y"));
        json_decref(params);
        if (i < FINISHED) {
            double value = -pow(x - 0.3, 2) - pow(y - 0.6, 2);
            assert_int_equal(rlt_tuner_finish(tuner, i, RLT_TRIAL_COMPLETED, value, 1, NULL),
                             RLT_OK);
            continue;
        }
        double least = INFINITY;
        for (int k = 0; k < i - FINISHED; k++) {
            least = fmin(least, hypot(points[k][0] - x, points[k][1] - y));
        }
        sum += i > FINISHED ? least : 0;
        points[i - FINISHED][0] = x;
        points[i - FINISHED][1] = y;
    }
    rlt_tuner_destroy(&tuner);
    return sum / (ASKED - 1);
}

/* With parallel trials and nothing finished since, suggestions still spread. */
static void test_constant_liar(void **unused) {
    (void)unused;
    double with = 0, without = 0;
    for (int64_t seed = 0; seed < 20; seed++) {
        with += mean_distance(true, seed);
        without += mean_distance(false, seed);
    }
    assert_true(with > 1.25 * without);
}

/* Nothing to choose, nothing to compare by, no result at all: suggestions still come, in bounds. */
/* How many of `count` suggestions, of which up to four run at a time, had been made before. */
static int count_repeats(const char *space, bool avoid, int count) {
    enum { PLACES = 1024, PARALLEL = 4 };
    static bool seen[PLACES];
    rlt_tune_fields fields = tune_default();
    fields.sampler = RLT_SAMPLER_TPE;
    fields.tpe.avoid_repeats = avoid;
    rlt_tuner *tuner = tuner_of(&fields, space);
    int repeats = 0;
    double values[PLACES];
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < count; i++) {
        json_t *params = ask(tuner, i);
        int x = (int)json_integer_value(json_object_get(params, "x"));
        int y = (int)json_integer_value(json_object_get(params, "y"));
        json_decref(params);
        assert_true(y * 32 + x < PLACES);
        repeats += seen[y * 32 + x];
        seen[y * 32 + x] = true;
        values[i] = -pow(x - 7, 2) - pow(y - 3, 2);
        if (i >= PARALLEL - 1) {
            int64_t ended = i - (PARALLEL - 1);
            assert_int_equal(
                rlt_tuner_finish(tuner, ended, RLT_TRIAL_COMPLETED, values[ended], 1, NULL),
                RLT_OK);
        }
    }
    rlt_tuner_destroy(&tuner);
    return repeats;
}

static void test_repeats(void **unused) {
    (void)unused;
    const char *wide = "{\"x\":{\"$space\":\"randint\",\"low\":0,\"high\":15},"
                       "\"y\":{\"$space\":\"randint\",\"low\":0,\"high\":15}}";
    const char *tiny = "{\"x\":{\"$space\":\"randint\",\"low\":6,\"high\":7},"
                       "\"y\":{\"$space\":\"choice\",\"values\":[3,4]}}";
    int usual = count_repeats(wide, false, 120), avoided = count_repeats(wide, true, 120);
    assert_true(usual > 20 && avoided < usual / 4);
    assert_int_equal(count_repeats(tiny, true, 40), 36);
}

static void test_degenerate(void **unused) {
    (void)unused;
    static const char *const spaces[] = {
        "{}", "{\"a\":{\"$space\":\"fixed\",\"value\":5}}",
        "{\"a\":{\"$space\":\"choice\",\"values\":[7]},"
        "\"b\":{\"$space\":\"randint\",\"low\":0,\"high\":1}}",
        "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1e-300},"
        "\"b\":{\"$space\":\"normal\",\"mean\":0,\"std\":1e-9},"
        "\"c\":{\"$space\":\"normal\",\"mean\":100,\"std\":1,\"low\":0,\"high\":2}}"};
    for (size_t s = 0; s < RLT_COUNT(spaces); s++) {
        for (int variant = 0; variant < 3; variant++) { /* equal, none, failed */
            rlt_tune_fields fields = tune_default();
            fields.sampler = RLT_SAMPLER_TPE;
            rlt_tuner *tuner = tuner_of(&fields, spaces[s]);
            for (int i = 0; i < 60; i++) {
                json_t *params = ask(tuner, i);
                const rlt_search_space *space = rlt_tuner_space(tuner);
                for (int p = 0; p < space->count; p++) {
                    rlt_value value;
                    const rlt_param *param = &space->params[p];
                    const json_t *json = json_object_get(params, param->path);
                    assert_int_equal(rlt_value_parse(param, json, &value, NULL), RLT_OK);
                }
                json_decref(params);
                rlt_trial_state end = variant == 2 ? RLT_TRIAL_FAILED : RLT_TRIAL_COMPLETED;
                assert_int_equal(rlt_tuner_finish(tuner, i, end, variant == 1 ? NAN : 3, 1, NULL),
                                 RLT_OK);
            }
            rlt_tuner_destroy(&tuner);
        }
    }
}

/* It finds what random search does not: the same trials, minimised and maximised alike. */
static void test_finds(void **unused) {
    (void)unused;
    double reached[2][2];
    for (int sampler = 0; sampler < 2; sampler++) {
        for (int sign = -1; sign <= 1; sign += 2) {
            rlt_tune_fields fields = tune_default();
            fields.sampler = sampler == 0 ? RLT_SAMPLER_RANDOM : RLT_SAMPLER_TPE;
            fields.maximise = sign > 0;
            rlt_tuner *tuner = tuner_of(&fields, kinds);
            for (int i = 0; i < 150; i++) {
                json_t *params = ask(tuner, i);
                double a = json_number_value(json_object_get(params, "a"));
                double b = log10(json_number_value(json_object_get(params, "b")));
                double c = json_number_value(json_object_get(params, "c"));
                double miss = fabs(a - 7) + fabs(b + 2) + fabs(c - 4) / 3;
                miss += json_is_array(json_object_get(params, "f")) ? 0 : 1;
                json_decref(params);
                assert_int_equal(
                    rlt_tuner_finish(tuner, i, RLT_TRIAL_COMPLETED, -sign * miss, 1, NULL), RLT_OK);
            }
            rlt_tuner_best(tuner, &reached[sampler][sign > 0]);
            rlt_tuner_destroy(&tuner);
        }
    }
    assert_true(reached[1][0] == -reached[1][1]);
    assert_true(reached[1][0] < 0.5 * reached[0][0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_estimators),  cmocka_unit_test(test_splits),
        cmocka_unit_test(test_by_the_book), cmocka_unit_test(test_constant_liar),
        cmocka_unit_test(test_repeats),     cmocka_unit_test(test_degenerate),
        cmocka_unit_test(test_finds),
    };
    return cmocka_run_group_tests_name("tuner_tpe", tests, NULL, NULL);
}
