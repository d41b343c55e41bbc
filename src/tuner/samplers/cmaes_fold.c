/* tuner: the generations of the sampler cmaes: see cmaes.c for what they are.
 * Thread: the tuner's. Owner: the tuner. */
#include "tuner/samplers/cmaes.h"

#include <math.h>
#include <string.h>

static double *doubles(int rows, int columns) {
    return rlt_alloc(sizeof(double) * (size_t)rows * (size_t)columns);
}

static void copy_fold(rlt_cmaes_standing *to, const rlt_cmaes_standing *from) {
    rlt_cma cma = to->cma;
    double *left = to->left != NULL ? to->left : doubles(2, from->cma.n);
    rlt_cma_copy(&cma, &from->cma);
    *to = *from;
    to->cma = cma;
    to->left = left;
    memcpy(left, from->left, 2 * sizeof(double) * (size_t)from->cma.n);
}

static void fini_fold(rlt_cmaes_standing *fold) {
    rlt_cma_fini(&fold->cma);
    rlt_free(fold->left);
    *fold = (rlt_cmaes_standing){0};
}

static void apply_margin(rlt_cmaes *at) {
    rlt_cma *cma = &at->now.cma;
    for (int j = 0; j < at->n; j++) {
        if (rlt_param_count(rlt_cmaes_param(at, j)) > 0) {
            double low, high;
            cma->mean[j] = fmin(fmax(cma->mean[j], 0), 1);
            rlt_param_cell(rlt_cmaes_param(at, j), cma->mean[j], &low, &high);
            rlt_cma_margin(cma, j, low, high, 1.0 / (at->n * cma->lambda));
        }
    }
}

static void reserve(rlt_cmaes *at, int lambda) {
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
static void start_run(rlt_cmaes *at, int lambda, double sigma) {
    rlt_cma_fini(&at->now.cma);
    rlt_cma_init(&at->now.cma, at->n, lambda, at->x, sigma);
    at->now.cma.std_max = 1;
    apply_margin(at);
}

static int first_lambda(const rlt_cmaes *at) {
    int64_t given = at->config->cmaes.popsize;
    return given <= 0 ? rlt_cma_population(at->n) : given < 4 ? 4 : (int)given;
}

static double first_sigma(const rlt_cmaes *at) {
    return at->config->cmaes.sigma0 > 0 ? at->config->cmaes.sigma0 : 1.0 / 6;
}

void rlt_cmaes_fold_init(rlt_cmaes *at) {
    at->late = INT64_MAX;
    for (int j = 0; j < at->n; j++) {
        at->x[j] = 0.5;
    }
    at->now.left = doubles(2, at->n);
    at->now.large_lambda = first_lambda(at);
    double *cov = doubles(at->n, at->n);
    bool warm = rlt_cmaes_warm(at, at->x, cov);
    start_run(at, first_lambda(at), first_sigma(at));
    if (warm) {
        rlt_cma_set_covariance(&at->now.cma, cov);
        apply_margin(at);
    }
    rlt_free(cov);
    copy_fold(&at->first, &at->now);
    copy_fold(&at->kept[0], &at->now);
}

void rlt_cmaes_fold_fini(rlt_cmaes *at) {
    fini_fold(&at->now);
    fini_fold(&at->first);
    for (int i = 0; i < RLT_CMAES_KEPT; i++) {
        fini_fold(&at->kept[i]);
    }
    rlt_free(at->numbers);
    rlt_free(at->points);
    rlt_free(at->ranked);
    rlt_free(at->order);
}

/* The place of a trial in the distribution's own coordinates: that of its value, and, as samples
 * are spread before they are rounded, drawn together again. */
static void place(const rlt_cmaes *at, int64_t number, double *x) {
    const rlt_value *row = at->history->values + number * at->history->dimensions;
    const rlt_cma *cma = &at->now.cma;
    for (int j = 0; j < at->n; j++) {
        double u = rlt_param_unit(rlt_cmaes_param(at, j), row[at->params[j]]);
        x[j] = cma->mean[j] + (u - cma->mean[j]) / cma->widen[j];
    }
}

/* Soon after a restart: whether the trial was drawn before it, where the old run had converged. */
static bool left_behind(const rlt_cmaes *at, const double *x) {
    const double *mean = at->now.left, *std = mean + at->n;
    if (at->now.run == 0 || at->now.cma.generation >= 2) {
        return false;
    }
    for (int j = 0; j < at->n; j++) {
        if (rlt_param_count(rlt_cmaes_param(at, j)) == 0 &&
            !(fabs(x[j] - mean[j]) <= 20 * std[j])) {
            return false;
        }
    }
    return true;
}

bool rlt_cmaes_before(const rlt_history *history, int64_t a, int64_t b) {
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

static double key_or_worst(const rlt_cmaes *at, int rank) {
    double key = at->history->keys[at->numbers[at->order[rank]]];
    return isnan(key) ? -INFINITY : key;
}

/* The population of the next run; a small one has a smaller *sigma too (Hansen 2009, section 2). */
static int next_lambda(rlt_cmaes *at, rlt_rng *rng, double *sigma) {
    rlt_cmaes_standing *now = &at->now;
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

static void restart(rlt_cmaes *at) {
    rlt_cmaes_standing *now = &at->now;
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

static void rank(rlt_cmaes *at, int lambda) {
    for (int i = 0; i < lambda; i++) { /* insertion: they are few */
        int k = i;
        for (;
             k > 0 && rlt_cmaes_before(at->history, at->numbers[i], at->numbers[at->order[k - 1]]);
             k--) {
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
static void close_generation(rlt_cmaes *at) {
    rlt_cmaes_standing *now = &at->now;
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
static void go_back(rlt_cmaes *at, int64_t number) {
    const rlt_cmaes_standing *to = &at->first;
    for (int64_t closed = at->now.closed; closed > at->now.closed - RLT_CMAES_KEPT && closed > 0;
         closed--) {
        const rlt_cmaes_standing *kept = &at->kept[closed % RLT_CMAES_KEPT];
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

void rlt_cmaes_fold(rlt_cmaes *at, int64_t points) {
    const rlt_history *history = at->history;
    rlt_cmaes_standing *now = &at->now;
    if (now->left == NULL) {
        rlt_cmaes_fold_init(at);
    }
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
            copy_fold(&at->kept[now->closed % RLT_CMAES_KEPT], now);
        }
    }
}
