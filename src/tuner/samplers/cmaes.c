/* tuner: CMA-ES over the numbers of a space, each scaled to [0, 1] by its distribution.
 * As Optuna's CmaEsSampler: the mean starts in the middle with a standard deviation of a sixth of
 * the range, points outside are drawn again and in the end clipped, choices are drawn at random.
 * Unlike it, normal draws come from a scrambled Sobol sequence, which fills each generation evenly
 * (Teytaud and Gelly, "DCMA", GECCO 2007): better in 526 of 810 pairs of runs of sampler_bench,
 * where independent draws are level.
 * Integers and other steps keep a margin (cma.h); what was evaluated, the middle of the cell, is
 * what the distribution learns from. Restarts are to be had: IPOP (Auger and Hansen, CEC 2005) and
 * BIPOP (Hansen, GECCO 2009).
 * The state is a function of the results, not of the order in which they came: generations are
 * formed from the trials that have ended, in the order of their numbers, and nothing waits for
 * those that run; when one of these ends, the generations from its own on are formed anew. So a
 * restored search goes on as the uninterrupted one, and parallel trials cost hardly any quality.
 * A failed trial is left out. One whose result is not a number ranks last, one that was stopped
 * behind all completed ones, by steps and then by value.
 * Thread: the tuner's. Owner: the tuner. */
#include "tuner/samplers/cma.h"
#include "tuner/tuner_impl.h"

#include <math.h>
#include <string.h>

/* What follows from the trials before `next`, between two generations. */
typedef struct cmaes_fold {
    rlt_cma cma;      /* of the latest run */
    int64_t next;     /* the first trial that has not been looked at */
    int64_t closed;   /* generations so far; -1: nothing is kept here */
    uint32_t run;     /* restarts so far */
    double *left;     /* [2][n] mean and standard deviation that the run before ended with */
    int large_lambda; /* of the latest run with a large population */
    double large_used, small_used; /* trials of the runs after the first one, by regime */
    bool large;
} cmaes_fold;

enum { KEPT = 16 }; /* states between generations, so that little must be formed anew */
typedef struct cmaes_state {
    const rlt_search_space *space;
    const rlt_history *history;
    const rlt_tune_fields *config;
    int n;                             /* dimensions: parameters with numbers, more than one each */
    int *params;                       /* [n] their places in the space */
    cmaes_fold now, first, kept[KEPT]; /* kept[closed % KEPT]; first: before any trial */
    int64_t late; /* the least trial that ended after it had been passed; INT64_MAX: none */
    int filled;   /* trials of the generation so far, and what they need: */
    int capacity;
    int64_t *numbers;        /* [capacity] */
    double *points, *ranked; /* [capacity][n] */
    int *order;              /* [capacity] */
    double *z, *x;           /* [n] scratch */
} cmaes_state;

static bool takes_dimension(const rlt_param *param) {
    return param->kind != RLT_DIST_FUNCTION && param->choices == NULL &&
           rlt_param_count(param) != 1;
}

static const rlt_param *param_of(const cmaes_state *at, int j) {
    return &at->space->params[at->params[j]];
}

static double *doubles(int rows, int columns) {
    return rlt_alloc(sizeof(double) * (size_t)rows * (size_t)columns);
}

static void copy_fold(cmaes_fold *to, const cmaes_fold *from) {
    rlt_cma cma = to->cma;
    double *left = to->left != NULL ? to->left : doubles(2, from->cma.n);
    rlt_cma_copy(&cma, &from->cma);
    *to = *from;
    to->cma = cma;
    to->left = left;
    memcpy(left, from->left, 2 * sizeof(double) * (size_t)from->cma.n);
}

static void fini_fold(cmaes_fold *fold) {
    rlt_cma_fini(&fold->cma);
    rlt_free(fold->left);
    *fold = (cmaes_fold){0};
}

static void apply_margin(cmaes_state *at) {
    rlt_cma *cma = &at->now.cma;
    for (int j = 0; j < at->n; j++) {
        if (rlt_param_count(param_of(at, j)) > 0) {
            double low, high;
            cma->mean[j] = fmin(fmax(cma->mean[j], 0), 1);
            rlt_param_cell(param_of(at, j), cma->mean[j], &low, &high);
            rlt_cma_margin(cma, j, low, high, 1.0 / (at->n * cma->lambda));
        }
    }
}

static void reserve(cmaes_state *at, int lambda) {
    if (lambda <= at->capacity) {
        return;
    }
    rlt_free(at->numbers);
    rlt_free(at->points);
    rlt_free(at->ranked);
    rlt_free(at->order);
    at->numbers = rlt_alloc(sizeof(int64_t) * (size_t)lambda);
    at->points = doubles(lambda, at->n);
    at->ranked = doubles(lambda, at->n);
    at->order = rlt_alloc(sizeof(int) * (size_t)lambda);
    at->capacity = lambda;
}

/* at->x: the mean. */
static void start_run(cmaes_state *at, int lambda, double sigma) {
    rlt_cma_fini(&at->now.cma);
    rlt_cma_init(&at->now.cma, at->n, lambda, at->x, sigma);
    at->now.cma.std_max = 1;
    apply_margin(at);
}

static int first_lambda(const cmaes_state *at) {
    int64_t given = at->config->cmaes.popsize;
    return given <= 0 ? rlt_cma_population(at->n) : given < 4 ? 4 : (int)given;
}

static double first_sigma(const cmaes_state *at) {
    return at->config->cmaes.sigma0 > 0 ? at->config->cmaes.sigma0 : 1.0 / 6;
}

static void cmaes_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                       const rlt_history *history) {
    cmaes_state *at = state;
    at->space = space;
    at->config = config;
    at->history = history;
    at->late = INT64_MAX;
    at->params = rlt_alloc(sizeof(int) * (size_t)space->count);
    for (int i = 0; i < space->count; i++) {
        if (takes_dimension(&space->params[i])) {
            at->params[at->n++] = i;
        }
    }
    if (at->n == 0) {
        return;
    }
    at->z = doubles(1, at->n);
    at->x = doubles(1, at->n);
    for (int j = 0; j < at->n; j++) {
        at->x[j] = 0.5;
    }
    at->now.left = doubles(2, at->n);
    at->now.large_lambda = first_lambda(at);
    start_run(at, first_lambda(at), first_sigma(at));
    copy_fold(&at->first, &at->now);
    copy_fold(&at->kept[0], &at->now);
}

static void cmaes_fini(void *state) {
    cmaes_state *at = state;
    fini_fold(&at->now);
    fini_fold(&at->first);
    for (int i = 0; i < KEPT; i++) {
        fini_fold(&at->kept[i]);
    }
    rlt_free(at->params);
    rlt_free(at->numbers);
    rlt_free(at->points);
    rlt_free(at->ranked);
    rlt_free(at->order);
    rlt_free(at->z);
    rlt_free(at->x);
}

/* The place of a trial in the distribution's own coordinates: that of its value, and, as samples
 * are spread before they are rounded, drawn together again. */
static void place(const cmaes_state *at, int64_t number, double *x) {
    const rlt_value *row = at->history->values + number * at->history->dimensions;
    const rlt_cma *cma = &at->now.cma;
    for (int j = 0; j < at->n; j++) {
        double u = rlt_param_unit(param_of(at, j), row[at->params[j]]);
        x[j] = cma->mean[j] + (u - cma->mean[j]) / cma->widen[j];
    }
}

/* Soon after a restart: whether the trial was drawn before it, where the old run had converged. */
static bool left_behind(const cmaes_state *at, const double *x) {
    const double *mean = at->now.left, *std = mean + at->n;
    if (at->now.run == 0 || at->now.cma.generation >= 2) {
        return false;
    }
    for (int j = 0; j < at->n; j++) {
        if (rlt_param_count(param_of(at, j)) == 0 && !(fabs(x[j] - mean[j]) <= 20 * std[j])) {
            return false;
        }
    }
    return true;
}

/* Whether trial a ranks before trial b. */
static bool before(const rlt_history *history, int64_t a, int64_t b) {
    double key_a = history->keys[a], key_b = history->keys[b];
    if (isnan(key_a) || isnan(key_b)) {
        return isnan(key_a) != isnan(key_b) ? isnan(key_b) : a < b;
    }
    bool stopped_a = history->states[a] == RLT_TRIAL_STOPPED;
    bool stopped_b = history->states[b] == RLT_TRIAL_STOPPED;
    if (stopped_a != stopped_b) {
        return stopped_b;
    }
    if (stopped_a && history->steps[a] != history->steps[b]) {
        return history->steps[a] > history->steps[b];
    }
    return key_a != key_b ? key_a > key_b : a < b;
}

static double key_or_worst(const cmaes_state *at, int rank) {
    double key = at->history->keys[at->numbers[at->order[rank]]];
    return isnan(key) ? -INFINITY : key;
}

/* The population of the next run; a small one has a smaller *sigma too (Hansen 2009, section 2). */
static int next_lambda(cmaes_state *at, rlt_rng *rng, double *sigma) {
    cmaes_fold *now = &at->now;
    double growth = at->config->cmaes.inc_popsize >= 1 ? at->config->cmaes.inc_popsize : 2;
    int first = first_lambda(at);
    now->large =
        at->config->cmaes.restart == RLT_RESTART_IPOP || now->large_used <= now->small_used;
    if (now->large) {
        now->large_lambda = (int)fmin(ceil(now->large_lambda * growth), 1e4);
        return now->large_lambda;
    }
    double u = rlt_rng_f64(rng);
    int lambda = (int)floor(first * pow(0.5 * now->large_lambda / first, u * u));
    *sigma *= pow(10, -2 * rlt_rng_f64(rng));
    return lambda < 4 ? 4 : lambda;
}

static void restart(cmaes_state *at) {
    cmaes_fold *now = &at->now;
    for (int j = 0; j < at->n; j++) {
        now->left[j] = now->cma.mean[j];
        now->left[at->n + j] = now->cma.sigma * sqrt(now->cma.cov[(size_t)j * at->n + j]);
    }
    double used = now->run == 0 ? 0 : (double)now->cma.generation * now->cma.lambda;
    *(now->large ? &now->large_used : &now->small_used) += used;
    rlt_rng rng = rlt_rng_make((uint64_t)at->config->seed, RLT_STREAM_SAMPLER, now->run++);
    rng.index = 1ull << 40; /* apart from the draws of trials */
    double sigma = first_sigma(at);
    int lambda = next_lambda(at, &rng, &sigma);
    for (int j = 0; j < at->n; j++) {
        at->x[j] = rlt_rng_f64(&rng);
    }
    start_run(at, lambda, sigma);
}

static void rank(cmaes_state *at, int lambda) {
    for (int i = 0; i < lambda; i++) { /* insertion: they are few */
        int k = i;
        for (; k > 0 && before(at->history, at->numbers[i], at->numbers[at->order[k - 1]]); k--) {
            at->order[k] = at->order[k - 1];
        }
        at->order[k] = i;
    }
    for (int i = 0; i < lambda; i++) {
        memcpy(at->ranked + (size_t)i * at->n, at->points + (size_t)at->order[i] * at->n,
               sizeof(double) * (size_t)at->n);
    }
}

/* The generation is full: the distribution moves on. */
static void close_generation(cmaes_state *at) {
    cmaes_fold *now = &at->now;
    int lambda = now->cma.lambda;
    rank(at, lambda);
    at->filled = 0;
    if (!isinf(key_or_worst(at, 0))) { /* else no result at all: nothing to learn */
        rlt_cma_update(&now->cma, at->ranked, key_or_worst(at, 0), key_or_worst(at, lambda - 1));
        apply_margin(at);
        if (at->config->cmaes.restart != RLT_RESTART_NONE && rlt_cma_exhausted(&now->cma)) {
            restart(at);
        }
    }
    now->closed++;
}

/* To the latest state that is kept from before the trial. */
static void go_back(cmaes_state *at, int64_t number) {
    const cmaes_fold *to = &at->first;
    for (int64_t closed = at->now.closed; closed > at->now.closed - KEPT && closed > 0; closed--) {
        const cmaes_fold *kept = &at->kept[closed % KEPT];
        if (kept->closed != closed) {
            break;
        }
        if (kept->next <= number) {
            to = kept;
            break;
        }
    }
    copy_fold(&at->now, to);
    at->filled = 0;
}

/* points: how many of the first trials were points to try first. */
static void catch_up(cmaes_state *at, int64_t points) {
    const rlt_history *history = at->history;
    cmaes_fold *now = &at->now;
    if (at->late < now->next) {
        go_back(at, at->late);
    }
    at->late = INT64_MAX; /* whatever else has ended is still to come */
    while (now->next < history->count) {
        int64_t number = now->next++;
        uint8_t state = history->states[number];
        reserve(at, now->cma.lambda);
        double *x = at->points + (size_t)at->filled * at->n;
        if (number < points + at->config->cmaes.n_startup_trials ||
            (state != RLT_TRIAL_COMPLETED &&
             (state != RLT_TRIAL_STOPPED || !at->config->cmaes.consider_stopped))) {
            continue;
        }
        place(at, number, x);
        if (!left_behind(at, x)) {
            at->numbers[at->filled++] = number;
        }
        if (at->filled == now->cma.lambda) {
            close_generation(at);
            copy_fold(&at->kept[now->closed % KEPT], now);
        }
    }
}

static bool inside(const cmaes_state *at, const double *x) {
    for (int j = 0; j < at->n; j++) {
        if (!(x[j] >= 0 && x[j] <= 1) && rlt_param_count(param_of(at, j)) == 0) {
            return false;
        }
    }
    return true;
}

/* Coordinate j of point `index` of a scrambled Sobol sequence, as a normal draw. */
static double even_normal(const cmaes_state *at, int j, uint32_t index) {
    uint32_t point = rlt_sobol_scramble(rlt_sobol_point(j, index), j, (uint64_t)at->config->seed);
    return rlt_normal_quantile(((double)point + 0.5) * 0x1p-32);
}

static void draw(cmaes_state *at, int64_t index, rlt_value *values) {
    const rlt_cma *cma = &at->now.cma;
    rlt_rng rng = rlt_rng_make((uint64_t)at->config->seed, RLT_STREAM_SAMPLER, (uint32_t)index);
    int tries = 10 * at->n;
    bool even = index <= UINT32_MAX;
    do {
        for (int j = 0; j < at->n; j++) {
            at->z[j] = even && j < RLT_SOBOL_DIMENSIONS ? even_normal(at, j, (uint32_t)index)
                                                        : rlt_rng_normal(&rng);
        }
        even = false;
        rlt_cma_sample(cma, at->z, at->x);
    } while (!inside(at, at->x) && tries-- > 0);
    for (int j = 0; j < at->n; j++) {
        double u = cma->mean[j] + cma->widen[j] * (at->x[j] - cma->mean[j]);
        values[at->params[j]] = rlt_param_place(param_of(at, j), u);
    }
}

static rlt_status cmaes_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    (void)err;
    cmaes_state *at = state;
    for (int i = 0; i < at->space->count; i++) {
        const rlt_param *param = &at->space->params[i];
        if (param->kind != RLT_DIST_FUNCTION) {
            uint64_t seed = (uint64_t)at->config->seed;
            values[i] = rlt_param_at(param, rlt_tuner_draw(seed, index, param->path));
        }
    }
    if (at->n > 0 && index >= at->config->cmaes.n_startup_trials) {
        catch_up(at, at->history->count - index);
        draw(at, index, values);
    }
    return RLT_OK;
}

static void cmaes_ended(void *state, int64_t number) {
    cmaes_state *at = state;
    at->late = number < at->late ? number : at->late;
}

const rlt_sampler_def rlt_sampler_cmaes = {
    .state_size = sizeof(cmaes_state),
    .init = cmaes_init,
    .fini = cmaes_fini,
    .ask = cmaes_ask,
    .ended = cmaes_ended,
};
