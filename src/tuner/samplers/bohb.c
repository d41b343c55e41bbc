/* tuner: BOHB (Falkner, Klein, Hutter, "BOHB: robust and efficient hyperparameter optimization at
 * scale", ICML 2018): densities of good and bad results, as TPE has them, of the largest budget
 * that has enough of them: what trials had at the stopper's rungs, and what they ended with. Names,
 * defaults and formulas are HpBandSter's (config_generators/bohb.py), which Ray's TuneBOHB calls.
 * Unlike it, an integer is searched by its cell's middle, a choice's kernel knows all choices and
 * is never wider than all alike, and failed trials are left out (a result that is not a number is
 * the worst one).
 * The model is a function of the set of results, not of their order; nobody waits, running trials
 * are no part of it: every third trial, at random, is a random one. Thread: the tuner's. */
#include "tuner/samplers/bohb.h"
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdlib.h>

typedef struct rung_result {
    int64_t number;
    double key; /* -INFINITY: not a number */
} rung_result;
typedef struct rung {
    int64_t budget; /* steps; INT64_MAX: the whole trial */
    rung_result *results;
    int64_t count, capacity;
} rung;
typedef struct bohb_state {
    const rlt_search_space *space;
    const rlt_history *history;
    const rlt_tune_fields *config;
    int *params, d; /* that vary */
    int *levels;    /* [d] of choices; 0: a number */
    rung *rungs;    /* [rung_count] by budget */
    int64_t rung_count, rung_capacity;
    rlt_kde good, bad;
    bool stale, modelled; /* since results came in; there are enough for a model */
    double *x, *best;     /* [d] scratch */
} bohb_state;

static rlt_status bohb_check(const rlt_search_space *space, const rlt_tune_fields *config,
                             rlt_err *err) {
    (void)space;
    int stopper = config->stopper == RLT_STOPPER_PATIENCE ? config->wrapped : config->stopper;
    bool none = config->stopper == RLT_STOPPER_NONE;
    return none || rlt_stopper_defs[stopper]->bracket != NULL
               ? RLT_OK
               : rlt_fail(err, RLT_ECONFIG,
                          "tune.sampler: bohb learns from the results at a stopper's rungs, and %s "
                          "has none; use stopper = \"hyperband\", \"sha\", \"asha\", "
                          "\"hyperband_asha\" or none, or sampler = \"tpe\"",
                          rlt_stoppers[config->stopper].name);
}

static void bohb_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                      const rlt_history *history) {
    bohb_state *at = state;
    size_t count = (size_t)space->count;
    at->space = space;
    at->config = config;
    at->history = history;
    at->params = rlt_alloc(sizeof(int) * count);
    at->levels = rlt_alloc(sizeof(int) * count);
    at->x = rlt_alloc(sizeof(double) * count);
    at->best = rlt_alloc(sizeof(double) * count);
    for (int i = 0; i < space->count; i++) {
        const rlt_param *param = &space->params[i];
        if (rlt_param_varies(param)) {
            at->levels[at->d] = param->choices != NULL ? (int)rlt_param_count(param) : 0;
            at->params[at->d++] = i;
        }
    }
}

static void bohb_fini(void *state) {
    bohb_state *at = state;
    for (int64_t i = 0; i < at->rung_count; i++) {
        rlt_free(at->rungs[i].results);
    }
    rlt_kde_fini(&at->good);
    rlt_kde_fini(&at->bad);
    rlt_free(at->rungs);
    rlt_free(at->params);
    rlt_free(at->levels);
    rlt_free(at->x);
    rlt_free(at->best);
}

/* ---- results ---- */

static rung *rung_of(bohb_state *at, int64_t budget) {
    int64_t i = at->rung_count;
    while (i > 0 && at->rungs[i - 1].budget > budget) {
        i--;
    }
    if (i > 0 && at->rungs[i - 1].budget == budget) {
        return &at->rungs[i - 1];
    }
    at->rungs =
        rlt_tuner_grow(at->rungs, &at->rung_capacity, at->rung_count + 1, sizeof(*at->rungs));
    for (int64_t k = at->rung_count++; k > i; k--) {
        at->rungs[k] = at->rungs[k - 1];
    }
    at->rungs[i] = (rung){.budget = budget};
    return &at->rungs[i];
}

static void bohb_reported(void *state, int64_t number, int64_t step, double key) {
    bohb_state *at = state;
    rung *to = rung_of(at, step);
    to->results = rlt_tuner_grow(to->results, &to->capacity, to->count + 1, sizeof(*to->results));
    to->results[to->count++] = (rung_result){number, isnan(key) ? -INFINITY : key};
    at->stale = true;
}

static void bohb_ended(void *state, int64_t number) {
    const rlt_history *history = ((bohb_state *)state)->history;
    if (history->states[number] == RLT_TRIAL_COMPLETED) {
        bohb_reported(state, number, INT64_MAX, history->keys[number]);
    }
}

/* ---- the model ---- */

static int best_first(const void *a, const void *b) {
    const rung_result *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key) - (x->key > y->key)
                            : (x->number > y->number) - (x->number < y->number);
}

static void fill_density(const bohb_state *at, const rung_result *results, int64_t count,
                         rlt_kde *kde) {
    double *points = rlt_alloc(sizeof(double) * (size_t)(count * at->d));
    for (int64_t i = 0; i < count; i++) {
        const rlt_value *row = at->history->values + results[i].number * at->history->dimensions;
        for (int j = 0; j < at->d; j++) {
            rlt_value value = row[at->params[j]];
            points[i * at->d + j] = at->levels[j] > 0
                                        ? value.choice
                                        : rlt_param_unit(&at->space->params[at->params[j]], value);
        }
    }
    rlt_kde_fini(kde);
    rlt_kde_init(kde, at->d, at->levels, points, count, at->config->bohb.min_bandwidth);
    rlt_free(points);
}

bool rlt_bohb_parts(int d, int64_t least, int64_t top, int64_t count, int64_t *good, int64_t *bad) {
    least = least > d + 1 ? least : d + 1;
    int64_t part = count * top / 100, rest = count * (100 - top) / 100;
    *good = part > least ? part : least;
    *bad = rest > least ? rest : least;
    *bad = *bad < count - *good ? *bad : count - *good;
    return *bad > d;
}

/* Whether the rung has enough results; if so, makes the densities of them. */
static bool model_rung(bohb_state *at, rung *from) {
    int64_t good, bad;
    if (!rlt_bohb_parts(at->d, at->config->bohb.min_points_in_model, at->config->bohb.top_n_percent,
                        from->count, &good, &bad)) {
        return false;
    }
    qsort(from->results, (size_t)from->count, sizeof(*from->results), best_first);
    fill_density(at, from->results, good, &at->good);
    fill_density(at, from->results + good, bad, &at->bad);
    return true;
}

static bool make_model(bohb_state *at) {
    for (int64_t i = at->rung_count - 1; at->stale && i >= 0; i--) {
        at->modelled = model_rung(at, &at->rungs[i]);
        if (at->modelled) {
            break;
        }
    }
    at->stale = false;
    return at->modelled;
}

/* ---- asking ---- */

static double normal_cdf(double z) {
    return 0.5 * erfc(-z * M_SQRT1_2);
}

/* Around a good result, with wider kernels. */
static void draw_candidate(const bohb_state *at, rlt_rng *rng) {
    const rlt_kde *good = &at->good;
    const double *from = good->points + (int64_t)rlt_rng_below(rng, (uint32_t)good->count) * at->d;
    for (int j = 0; j < at->d; j++) {
        double u = rlt_rng_f64(rng), width = good->widths[j];
        if (at->levels[j] > 0) { /* drawn anew with the probability `width` */
            at->x[j] = u < 1 - width ? from[j] : floor(rlt_rng_f64(rng) * at->levels[j]);
            continue;
        }
        width *= at->config->bohb.bandwidth_factor;
        double low = normal_cdf(-from[j] / width), high = normal_cdf((1 - from[j]) / width);
        double x = from[j] + width * rlt_normal_quantile(low + u * (high - low));
        at->x[j] = fmin(fmax(x, 0), 1);
    }
}

static void ask_model(bohb_state *at, rlt_rng *rng, rlt_value *values) {
    const double least = 1e-32;
    double best_ratio = INFINITY;
    for (int64_t i = 0; i < at->config->bohb.num_samples; i++) {
        draw_candidate(at, rng);
        double ratio = fmax(rlt_kde_density(&at->bad, at->x), least) /
                       fmax(rlt_kde_density(&at->good, at->x), least);
        if (i == 0 || ratio < best_ratio) {
            double *other = at->best;
            best_ratio = ratio;
            at->best = at->x;
            at->x = other;
        }
    }
    for (int j = 0; j < at->d; j++) {
        const rlt_param *param = &at->space->params[at->params[j]];
        values[at->params[j]] = at->levels[j] > 0 ? rlt_param_nth(param, (int64_t)at->best[j])
                                                  : rlt_param_place(param, at->best[j]);
    }
}

static rlt_status bohb_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    (void)err;
    bohb_state *at = state;
    uint64_t seed = (uint64_t)at->config->seed;
    for (int i = 0; i < at->space->count; i++) {
        const rlt_param *param = &at->space->params[i];
        if (param->kind != RLT_DIST_FUNCTION) {
            values[i] = rlt_param_at(param, rlt_tuner_draw(seed, index, param->path));
        }
    }
    /* apart from rlt_tuner_draw, whose blocks are hashes of paths */
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_SAMPLER, (uint32_t)index);
    bool random = rlt_rng_f64(&rng) < at->config->bohb.random_fraction;
    if (!random && at->d > 0 && make_model(at)) {
        ask_model(at, &rng, values);
    }
    return RLT_OK;
}

const rlt_sampler_def rlt_sampler_bohb = {
    .check = bohb_check,
    .state_size = sizeof(bohb_state),
    .init = bohb_init,
    .fini = bohb_fini,
    .ask = bohb_ask,
    .ended = bohb_ended,
    .reported = bohb_reported,
};
