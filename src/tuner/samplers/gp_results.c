/* tuner: the sampler gp: which results count, and as what.
 * Failed trials are left out; a result that is not a number counts as the worst one; stopped trials
 * count with their last value. Of more than RLT_GP_HISTORY results the best quarter and the newest
 * ones count: the best by the one objective, or by the fronts that they are on.
 * Thread: the tuner's. */
#include "tuner/pareto.h"
#include "tuner/samplers/gp_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_key(const void *a, const void *b) {
    const rlt_gp_result *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? 1 : -1) : (x->number > y->number ? 1 : -1);
}

static int by_number(const void *a, const void *b) {
    const rlt_gp_result *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static double clip(double key) {
    return isnan(key) ? NAN : fmin(fmax(key, -1e300), 1e300);
}

/* Sorts by fronts: those of the feasible results, then the others by violation. */
static void rank_several(rlt_gp_state *at, int count) {
    const rlt_history *history = at->history;
    const int objectives = history->objectives;
    double *keys = rlt_alloc(sizeof(double) * (size_t)count * (size_t)objectives);
    double *violations = rlt_alloc(sizeof(double) * (size_t)count);
    int64_t *ranks = rlt_alloc(sizeof(int64_t) * (size_t)count);
    for (int i = 0; i < count; i++) {
        rlt_history_point(history, at->results[i].number, keys + (size_t)i * objectives);
        violations[i] = history->violations[at->results[i].number];
    }
    rlt_nondomination_ranks(keys, count, objectives, violations, ranks);
    for (int i = 0; i < count; i++) {
        at->results[i].key = -(double)ranks[i];
    }
    rlt_free(keys);
    rlt_free(violations);
    rlt_free(ranks);
}

int64_t rlt_gp_collect(rlt_gp_state *at) {
    const rlt_history *history = at->history;
    int64_t count = 0, numbers = 0;
    at->results =
        rlt_tuner_grow(at->results, &at->capacity, history->count + 1, sizeof(rlt_gp_result));
    for (int64_t i = 0; i < history->count; i++) {
        const double *keys = history->keys + i * history->objectives;
        uint8_t state = history->states[i];
        if (state == RLT_TRIAL_COMPLETED ||
            (state == RLT_TRIAL_STOPPED && at->config->gp.consider_stopped)) {
            bool whole = true;
            for (int k = 0; k < history->objectives; k++) {
                whole &= !isnan(keys[k]);
            }
            numbers += whole;
            at->results[count++] = (rlt_gp_result){i, whole ? clip(keys[0]) : -INFINITY};
        }
    }
    at->count = (int)count;
    if (rlt_gp_several(at)) {
        rank_several(at, at->count);
    }
    qsort(at->results, (size_t)count, sizeof(rlt_gp_result), by_key);
    return numbers;
}

void rlt_gp_limit_history(rlt_gp_state *at) {
    enum { BEST = RLT_GP_HISTORY / 4, NEWEST = RLT_GP_HISTORY - BEST };
    if (at->count > RLT_GP_HISTORY) {
        qsort(at->results + BEST, (size_t)(at->count - BEST), sizeof(rlt_gp_result), by_number);
        memmove(at->results + BEST, at->results + at->count - NEWEST,
                sizeof(rlt_gp_result) * NEWEST);
        at->count = RLT_GP_HISTORY;
    }
    qsort(at->results, (size_t)at->count, sizeof(rlt_gp_result), by_key);
}

/* sign times column k of rows; what is not known counts as the worst that is. false: none is. */
static bool read_column(rlt_gp_state *at, const double *rows, int width, int k, double sign) {
    double worst = NAN;
    at->values =
        rlt_tuner_grow(at->values, &at->value_capacity, at->count + 1, sizeof(rlt_gp_result));
    for (int i = 0; i < at->count; i++) {
        int64_t number = at->results[i].number;
        at->values[i] = (rlt_gp_result){number, clip(sign * rows[number * width + k])};
        worst = fmin(worst, at->values[i].key); /* ignores NAN */
    }
    for (int i = 0; i < at->count; i++) {
        at->values[i].key = isnan(at->values[i].key) ? worst : at->values[i].key;
    }
    return !isnan(worst);
}

/* What is far below the middle, three times as far as the best is above, is as bad as that: one run
 * that diverges says where not to search, but must not flatten the rest. */
static void clip_outliers(rlt_gp_state *at) {
    rlt_gp_result *sorted = rlt_alloc(sizeof(rlt_gp_result) * (size_t)at->count);
    memcpy(sorted, at->values, sizeof(rlt_gp_result) * (size_t)at->count);
    qsort(sorted, (size_t)at->count, sizeof(rlt_gp_result), by_key);
    double middle = sorted[at->count / 2].key, best = sorted[0].key;
    for (int i = 0; i < at->count && best > middle; i++) {
        at->values[i].key = fmax(at->values[i].key, middle - 3 * (best - middle));
    }
    rlt_free(sorted);
}

/* Mean 0, variance 1. Returns what 0 has become, or NAN: all are the same. */
static double standardise(rlt_gp_result *values, int count) {
    double largest = 0, mean = 0, squares = 0;
    for (int i = 0; i < count; i++) {
        largest = fmax(largest, fabs(values[i].key));
    }
    for (int i = 0; i < count; i++) {
        values[i].key /= largest > 0 ? largest : 1;
        mean += values[i].key / count;
    }
    for (int i = 0; i < count; i++) {
        squares += (values[i].key - mean) * (values[i].key - mean);
    }
    double std = sqrt(squares / count);
    for (int i = 0; i < count; i++) {
        values[i].key = std > 1e-14 ? (values[i].key - mean) / std : 0;
    }
    return std > 1e-14 ? -mean / std : NAN;
}

void rlt_gp_read_objective(rlt_gp_state *at, int k) {
    read_column(at, at->history->keys, at->history->objectives, k, 1);
    clip_outliers(at);
    standardise(at->values, at->count);
}

bool rlt_gp_read_limit(rlt_gp_state *at, int k, double *zero) {
    if (!read_column(at, at->history->limits, at->history->constraints, k, -1)) {
        return false;
    }
    *zero = standardise(at->values, at->count);
    return !isnan(*zero);
}
