/* tuner: Bayesian optimisation with a Gaussian process: the next trial is where the log expected
 * improvement is largest. As Optuna's GPSampler: Matern 5/2 kernel with a length per parameter,
 * Hamming distance between choices, most likely parameters under its priors, 10 trials at first.
 * Trials at first are points of a scrambled Sobol sequence. Parallel: a running trial counts as if
 * it had come out as predicted. Failed trials are left out; a result that is not a number counts as
 * the worst one; stopped trials count with their last value. Unlike it, outliers among bad results
 * are clipped, and what is to be improved on is the best value expected at a trial, not the
 * luckiest result: both better in sampler_bench. Limits, so that a suggestion stays cheap: of more
 * than HISTORY results the best quarter and the newest ones count; of more than FITTED of these the
 * best third and an even choice of the rest decide on the kernel's parameters; the FANTASIES oldest
 * running trials count. What is asked is a function of results and running trials: there is no
 * state but caches.
 * Constraints: as Optuna, each has a process of its own, and log expected improvement on the best
 * feasible trial plus the log probability of each limit is largest. Thread: the tuner's. Owner: the
 * tuner. */
#include "tuner/samplers/gp.h"
#include "tuner/samplers/gp_search.h"
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY = 400, FITTED = 128, FANTASIES = 128, INCUMBENTS = 5, FIT_CALLS = 40 };

typedef struct gp_result {
    int64_t number;
    double key;
} gp_result;

typedef struct gp_state {
    const rlt_search_space *space;
    const rlt_history *history;
    const rlt_tune_fields *config;
    int d;             /* parameters with more than one value */
    int *params;       /* [d] their places in the space */
    rlt_gp_dim *dims;  /* [d] */
    bool *categorical; /* [d] */
    rlt_gp gp, fit;
    rlt_gp_limit *limits; /* [history->constraints], of which limit_count say something */
    int limit_count;
    bool any_feasible; /* of the results that count */
    gp_result *values; /* [count] scratch: a constraint's */
    int64_t value_capacity;
    double *places;     /* [INCUMBENTS + 1][d] */
    gp_result *results; /* [capacity] those that count, by number */
    int64_t capacity;
    int count, incumbents;
    double best;  /* the best value expected at a trial */
    int64_t seen; /* trials looked at for running ones */
    bool stale;   /* a trial has ended since the model was made */
} gp_state;

static bool takes_dimension(const rlt_param *param) {
    return param->kind != RLT_DIST_FUNCTION && rlt_param_count(param) != 1;
}

static void gp_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                    const rlt_history *history) {
    gp_state *at = state;
    size_t count = (size_t)space->count;
    at->space = space;
    at->config = config;
    at->history = history;
    at->stale = true;
    at->params = rlt_alloc(sizeof(int) * count);
    at->dims = rlt_alloc(sizeof(rlt_gp_dim) * count);
    at->categorical = rlt_alloc(sizeof(bool) * count);
    for (int i = 0; i < space->count; i++) {
        const rlt_param *param = &space->params[i];
        if (takes_dimension(param)) {
            bool categorical = param->choices != NULL;
            at->categorical[at->d] = categorical;
            at->dims[at->d] = (rlt_gp_dim){param, categorical, rlt_param_count(param)};
            at->params[at->d++] = i;
        }
    }
    at->places = rlt_alloc(sizeof(double) * (INCUMBENTS + 1) * count);
    at->limits = rlt_alloc(sizeof(rlt_gp_limit) * (size_t)history->constraints);
}

static void gp_fini(void *state) {
    gp_state *at = state;
    rlt_gp_fini(&at->gp);
    rlt_gp_fini(&at->fit);
    for (int k = 0; at->limits != NULL && k < at->history->constraints; k++) {
        rlt_gp_fini(&at->limits[k].gp);
    }
    rlt_free(at->limits);
    rlt_free(at->values);
    rlt_free(at->params);
    rlt_free(at->dims);
    rlt_free(at->categorical);
    rlt_free(at->places);
    rlt_free(at->results);
}

static int by_key(const void *a, const void *b) {
    const gp_result *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? 1 : -1) : (x->number > y->number ? 1 : -1);
}

static int by_number(const void *a, const void *b) {
    const gp_result *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* Every result there is, the best first; returns how many are numbers. */
static int64_t collect(gp_state *at) {
    const rlt_history *history = at->history;
    int64_t count = 0, numbers = 0;
    double worst = INFINITY;
    at->results = rlt_tuner_grow(at->results, &at->capacity, history->count + 1, sizeof(gp_result));
    for (int64_t i = 0; i < history->count; i++) {
        uint8_t state = history->states[i];
        double key = fmin(fmax(history->keys[i], -1e300), 1e300); /* NAN: -1e300 */
        if (state == RLT_TRIAL_COMPLETED ||
            (state == RLT_TRIAL_STOPPED && at->config->gp.consider_stopped)) {
            bool is_number = !isnan(history->keys[i]);
            worst = is_number ? fmin(worst, key) : worst;
            numbers += is_number;
            at->results[count++] = (gp_result){i, is_number ? key : NAN};
        }
    }
    for (int64_t i = 0; i < count; i++) {
        at->results[i].key = isnan(at->results[i].key) ? worst : at->results[i].key;
    }
    qsort(at->results, (size_t)count, sizeof(gp_result), by_key);
    at->count = (int)count;
    return numbers;
}

/* Of results, the best first, keeps the HISTORY that count, by number. */
static void limit_history(gp_state *at) {
    enum { BEST = HISTORY / 4 };
    if (at->count > HISTORY) {
        qsort(at->results + BEST, (size_t)(at->count - BEST), sizeof(gp_result), by_number);
        memmove(at->results + BEST, at->results + at->count - (HISTORY - BEST),
                sizeof(gp_result) * (HISTORY - BEST));
        at->count = HISTORY;
    }
    qsort(at->results, (size_t)at->count, sizeof(gp_result), by_key);
}

static void read_place(const gp_state *at, int64_t number, double *x) {
    const rlt_value *row = at->history->values + number * at->history->dimensions;
    for (int j = 0; j < at->d; j++) {
        x[j] = rlt_gp_place(&at->dims[j], row[at->params[j]]);
    }
}

/* What is far below the middle, three times as far as the best is above, is as bad as that: one run
 * that diverges says where not to search, but must not flatten the rest. */
static void clip_outliers(gp_state *at) {
    double middle = at->results[at->count / 2].key, best = at->results[0].key;
    for (int i = 0; i < at->count && best > middle; i++) {
        at->results[i].key = fmax(at->results[i].key, middle - 3 * (best - middle));
    }
}

/* Mean 0, variance 1. Returns what 0 has become, or NAN: all are the same. */
static double standardise(gp_result *results, int count) {
    double largest = 0, mean = 0, squares = 0;
    for (int i = 0; i < count; i++) {
        largest = fmax(largest, fabs(results[i].key));
    }
    for (int i = 0; i < count; i++) {
        results[i].key /= largest > 0 ? largest : 1;
        mean += results[i].key / count;
    }
    for (int i = 0; i < count; i++) {
        squares += (results[i].key - mean) * (results[i].key - mean);
    }
    double std = sqrt(squares / count);
    for (int i = 0; i < count; i++) {
        results[i].key = std > 1e-14 ? (results[i].key - mean) / std : 0;
    }
    return std > 1e-14 ? -mean / std : NAN;
}

/* Of at->count results, the best first. */
static void fit_kernel(gp_state *at, const gp_result *results, rlt_gp *gp) {
    enum { BEST = FITTED / 3 };
    double *x = at->places;
    rlt_gp_clear(&at->fit);
    for (int i = 0; i < at->count && i < FITTED; i++) {
        int take = i;
        if (at->count > FITTED && i >= BEST) {
            take = BEST + (int)((int64_t)(i - BEST) * (at->count - BEST) / (FITTED - BEST));
        }
        read_place(at, results[take].number, x);
        rlt_gp_add(&at->fit, x, results[take].key);
    }
    rlt_gp_fit(&at->fit, FIT_CALLS);
    memcpy(gp->weights, at->fit.weights, sizeof(double) * (size_t)at->d);
    gp->scale = at->fit.scale;
    gp->noise = at->fit.noise;
}

/* The process of the results, with the kernel that fits them. */
static void fill_process(gp_state *at, const gp_result *results, rlt_gp *gp) {
    if (gp->block == NULL) {
        rlt_gp_init(gp, at->d, at->categorical, HISTORY + FANTASIES);
    }
    fit_kernel(at, results, gp);
    rlt_gp_clear(gp);
    double *x = at->places + (size_t)INCUMBENTS * at->d;
    for (int i = 0; i < at->count; i++) {
        read_place(at, results[i].number, x);
        rlt_gp_add(gp, x, results[i].key);
    }
    rlt_gp_factor(gp);
}

/* How far constraint k was kept, for each result; one that is not known counts as the worst that
 * is. false: none is known. */
static bool read_limits(gp_state *at, int k) {
    const rlt_history *history = at->history;
    double worst = NAN;
    at->values = rlt_tuner_grow(at->values, &at->value_capacity, at->count + 1, sizeof(gp_result));
    for (int i = 0; i < at->count; i++) {
        int64_t number = at->results[i].number;
        double limit = history->limits[number * history->constraints + k];
        at->values[i] = (gp_result){number, fmin(fmax(-limit, -1e300), 1e300)};
        at->values[i].key = isnan(limit) ? NAN : at->values[i].key;
        worst = fmin(worst, at->values[i].key); /* ignores NAN */
    }
    for (int i = 0; i < at->count; i++) {
        at->values[i].key = isnan(at->values[i].key) ? worst : at->values[i].key;
    }
    return !isnan(worst);
}

/* A process for each constraint that was kept by some results and not by others, or by all to a
 * different degree. */
static void make_limits(gp_state *at) {
    at->limit_count = 0;
    for (int k = 0; k < at->history->constraints; k++) {
        rlt_gp_limit *limit = &at->limits[at->limit_count];
        if (!read_limits(at, k)) {
            continue;
        }
        limit->threshold = standardise(at->values, at->count);
        if (!isnan(limit->threshold)) {
            fill_process(at, at->values, &limit->gp);
            at->limit_count++;
        }
    }
}

/* The best feasible results, then those with the least violation. */
static void choose_incumbents(gp_state *at) {
    const double *violations = at->history->violations;
    double least = 0;
    at->incumbents = 0;
    for (int i = 0; i < at->count && at->incumbents < INCUMBENTS; i++) {
        if (violations[at->results[i].number] == 0) {
            read_place(at, at->results[i].number, at->places + (size_t)at->incumbents++ * at->d);
        }
    }
    at->any_feasible = at->incumbents > 0;
    while (at->incumbents < INCUMBENTS && at->incumbents < at->count) {
        double next = INFINITY;
        int found = -1;
        for (int i = 0; i < at->count; i++) {
            double violation = violations[at->results[i].number];
            if (violation > least && (found < 0 || violation < next)) {
                next = violation;
                found = i;
            }
        }
        if (found < 0) {
            break;
        }
        least = next;
        read_place(at, at->results[found].number, at->places + (size_t)at->incumbents++ * at->d);
    }
}

static void make_model(gp_state *at) {
    if (at->fit.block == NULL) {
        rlt_gp_init(&at->fit, at->d, at->categorical, FITTED);
    }
    limit_history(at);
    clip_outliers(at);
    standardise(at->results, at->count);
    fill_process(at, at->results, &at->gp);
    make_limits(at);
    choose_incumbents(at); /* last: fits use their room */
    at->best = -INFINITY;
    for (int i = 0; i < at->count; i++) { /* K alpha = y - noise alpha */
        bool feasible = at->history->violations[at->results[i].number] == 0;
        double expected = at->gp.y[i] - at->gp.noise * at->gp.alpha[i];
        at->best = feasible ? fmax(at->best, expected) : at->best;
    }
    at->seen = 0;
    at->stale = false;
}

static bool likely_feasible(gp_state *at, const double *x) {
    double mean, variance;
    bool all = at->any_feasible;
    for (int k = 0; k < at->limit_count && all; k++) {
        rlt_gp_predict(&at->limits[k].gp, x, &mean, &variance, NULL, NULL);
        all = mean >= at->limits[k].threshold;
    }
    return all;
}

/* Running trials since `seen`. */
static void add_running(gp_state *at) {
    double *x = at->places + (size_t)INCUMBENTS * at->d, mean, variance;
    for (; at->seen < at->history->count; at->seen++) {
        if (at->history->states[at->seen] == RLT_TRIAL_RUNNING &&
            at->gp.n - at->gp.known < FANTASIES) {
            read_place(at, at->seen, x);
            rlt_gp_predict(&at->gp, x, &mean, &variance, NULL, NULL);
            at->best = likely_feasible(at, x) ? fmax(at->best, mean) : at->best;
            rlt_gp_pend(&at->gp, x);
            for (int k = 0; k < at->limit_count; k++) {
                rlt_gp_pend(&at->limits[k].gp, x);
            }
        }
    }
}

static void ask_first(const gp_state *at, int64_t index, rlt_value *values) {
    for (int j = 0; j < at->d && j < RLT_SOBOL_DIMENSIONS && index <= UINT32_MAX; j++) {
        uint32_t point =
            rlt_sobol_scramble(rlt_sobol_point(j, (uint32_t)index), j, (uint64_t)at->config->seed);
        values[at->params[j]] = rlt_param_at(at->dims[j].param, ((double)point + 0.5) * 0x1p-32);
    }
}

static rlt_status gp_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    (void)err;
    gp_state *at = state;
    for (int i = 0; i < at->space->count; i++) {
        const rlt_param *param = &at->space->params[i];
        if (param->kind != RLT_DIST_FUNCTION) {
            uint64_t seed = (uint64_t)at->config->seed;
            values[i] = rlt_param_at(param, rlt_tuner_draw(seed, index, param->path));
        }
    }
    if (at->d == 0) {
        return RLT_OK;
    }
    int64_t least = at->config->gp.n_startup_trials > 1 ? at->config->gp.n_startup_trials : 1;
    if (at->stale && collect(at) < least) {
        ask_first(at, index, values);
        return RLT_OK;
    }
    if (at->stale) {
        make_model(at);
    }
    add_running(at);
    rlt_gp_search search = {.gp = &at->gp,
                            .limits = at->limits,
                            .limit_count = at->limit_count,
                            .any_feasible = at->any_feasible,
                            .dims = at->dims,
                            .best = at->best,
                            .incumbents = at->places,
                            .incumbent_count = at->incumbents,
                            .seed = (uint64_t)at->config->seed,
                            .index = index};
    double *x = at->places + (size_t)INCUMBENTS * at->d;
    rlt_gp_search_run(&search, x);
    for (int j = 0; j < at->d; j++) {
        values[at->params[j]] = rlt_gp_value(&at->dims[j], x[j]);
    }
    return RLT_OK;
}

static void gp_ended(void *state, int64_t number) {
    (void)number;
    ((gp_state *)state)->stale = true;
}

const rlt_sampler_def rlt_sampler_gp = {
    .abilities = RLT_SAMPLER_LIMITS,
    .state_size = sizeof(gp_state),
    .init = gp_init,
    .fini = gp_fini,
    .ask = gp_ask,
    .ended = gp_ended,
};
