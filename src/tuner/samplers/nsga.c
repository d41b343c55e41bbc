/* tuner: populations of the samplers nsga2 and nsga3, see nsga.h. Thread: the tuner's. */
#include "tuner/samplers/nsga.h"

#include "tuner/pareto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_numeric(const rlt_param *param) {
    return param->choices == NULL;
}

static int64_t population(const rlt_nsga *at) {
    return at->config->nsga.population_size;
}

rlt_status rlt_nsga_check(const rlt_search_space *space, const rlt_tune_fields *config,
                          rlt_err *err) {
    (void)space;
    int needed = rlt_crossover_parents(config->nsga.crossover);
    return config->nsga.population_size >= needed
               ? RLT_OK
               : rlt_fail(err, RLT_ECONFIG,
                          "tune.sampler: a population of %lld is too small for this crossover, "
                          "which takes %d parents",
                          (long long)config->nsga.population_size, needed);
}

void rlt_nsga_init(rlt_nsga *at, const rlt_search_space *space, const rlt_tune_fields *config,
                   const rlt_history *history, rlt_nsga_select select) {
    at->space = space;
    at->config = config;
    at->history = history;
    at->select = select;
    at->params = rlt_alloc(sizeof(int) * (size_t)space->count);
    for (int numeric = 1; numeric >= 0; numeric--) {
        for (int i = 0; i < space->count; i++) {
            const rlt_param *param = &space->params[i];
            if (rlt_param_varies(param) && is_numeric(param) == (numeric == 1)) {
                at->params[at->count++] = i;
                at->numeric += numeric;
            }
        }
    }
    at->places = rlt_alloc(sizeof(double) * (size_t)(at->numeric * RLT_NSGA_ROWS));
}

static void forget_from(rlt_nsga *at, int64_t generation) {
    while (at->formed > generation) {
        rlt_free(at->parents[--at->formed].numbers);
    }
}

void rlt_nsga_fini(void *state) {
    rlt_nsga *at = state;
    forget_from(at, 0);
    rlt_free(at->parents);
    rlt_free(at->params);
    rlt_free(at->places);
}

void rlt_nsga_ended(void *state, int64_t number) {
    rlt_nsga *at = state;
    forget_from(at, number / population(at) + 1);
}

/* ---- parents ---- */

void rlt_nsga_rank(const rlt_nsga *at, const int64_t *pool, int64_t count, double *keys,
                   int64_t *ranks) {
    const rlt_history *history = at->history;
    double *violations = rlt_alloc(sizeof(double) * (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        rlt_history_point(history, pool[i], keys + i * history->objectives);
        violations[i] = history->violations[pool[i]];
    }
    rlt_nondomination_ranks(keys, count, history->objectives,
                            history->constraints > 0 ? violations : NULL, ranks);
    rlt_free(violations);
}

bool rlt_nsga_dominates(const rlt_nsga *at, int64_t a, int64_t b) {
    const rlt_history *history = at->history;
    double keys_a[RLT_OBJECTIVES_MAX], keys_b[RLT_OBJECTIVES_MAX];
    if (history->violations[a] > 0 || history->violations[b] > 0) {
        return history->violations[a] < history->violations[b];
    }
    rlt_history_point(history, a, keys_a);
    rlt_history_point(history, b, keys_b);
    return rlt_dominates(keys_a, keys_b, history->objectives);
}

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Completed trials of the generation before, and its parents. */
static rlt_parents make_parents(const rlt_nsga *at, int64_t generation) {
    const rlt_history *history = at->history;
    const rlt_parents *before = &at->parents[generation - 1];
    const int64_t size = population(at), first = (generation - 1) * size;
    int64_t *pool = rlt_alloc(sizeof(int64_t) * (size_t)(before->count + size)), count = 0;
    for (int64_t i = first; i < first + size && i < history->count; i++) {
        if (history->states[i] == RLT_TRIAL_COMPLETED) {
            pool[count++] = i;
        }
    }
    if (before->count > 0) {
        memcpy(pool + count, before->numbers, sizeof(int64_t) * (size_t)before->count);
    }
    count += before->count;
    qsort(pool, (size_t)count, sizeof *pool, by_number);
    if (count <= size) {
        return (rlt_parents){pool, count};
    }
    int64_t *chosen = rlt_alloc(sizeof(int64_t) * (size_t)size);
    at->select(at, pool, count, size, generation, chosen);
    qsort(chosen, (size_t)size, sizeof *chosen, by_number);
    rlt_free(pool);
    return (rlt_parents){chosen, size};
}

static const rlt_parents *parents_of(rlt_nsga *at, int64_t generation) {
    at->parents = rlt_tuner_grow(at->parents, &at->capacity, generation + 1, sizeof(*at->parents));
    for (; at->formed <= generation; at->formed++) {
        rlt_parents none = {0};
        at->parents[at->formed] = at->formed == 0 ? none : make_parents(at, at->formed);
    }
    return &at->parents[generation];
}

/* ---- children ---- */

/* Of two drawn ones that which dominates the other, else the second; not one of those `taken`. */
static int64_t tournament(const rlt_nsga *at, const rlt_parents *from, rlt_rng *rng,
                          const int64_t *taken, int taken_count) {
    int64_t drawn[2];
    for (int i = 0; i < 2; i++) {
        int64_t place = rlt_rng_below(rng, (uint32_t)(from->count - taken_count));
        for (int64_t at_place = 0;; at_place++) { /* the place-th that is not taken */
            bool used = false;
            for (int k = 0; k < taken_count; k++) {
                used |= from->numbers[at_place] == taken[k];
            }
            if (!used && place-- == 0) {
                drawn[i] = from->numbers[at_place];
                break;
            }
        }
    }
    return rlt_nsga_dominates(at, drawn[0], drawn[1]) ? drawn[0] : drawn[1];
}

static const rlt_value *values_of(const rlt_nsga *at, int64_t number) {
    return at->history->values + number * at->history->dimensions;
}

static bool inside(const rlt_nsga *at, const double *child) {
    for (int i = 0; i < at->numeric; i++) {
        if (!(child[i] >= 0 && child[i] <= 1)) {
            return false;
        }
    }
    return true;
}

static double default_eta(const rlt_nsga *at) {
    double eta = at->config->nsga.eta;
    return !isnan(eta) ? eta : at->history->objectives > 1 ? 20 : 2;
}

/* Places of the numeric parameters; a child outside of the space is not taken, if that can be
 * helped. */
static void cross(rlt_nsga *at, const rlt_parents *from, rlt_rng *rng, rlt_value *values) {
    enum { TRIES = 100 };
    int kind = at->config->nsga.crossover, needed = rlt_crossover_parents(kind);
    int64_t chosen[RLT_NSGA_PARENTS_MAX];
    double *child = at->places + RLT_NSGA_PARENTS_MAX * at->numeric;
    bool uniform = kind == RLT_CROSSOVER_UNIFORM;
    for (int tries = 0; tries < TRIES; tries++) {
        for (int k = 0; k < needed; k++) {
            chosen[k] = tournament(at, from, rng, chosen, k);
            for (int i = 0; i < at->numeric; i++) {
                at->places[k * at->numeric + i] = rlt_param_unit(
                    &at->space->params[at->params[i]], values_of(at, chosen[k])[at->params[i]]);
            }
        }
        for (int i = uniform ? 0 : at->numeric; i < at->count; i++) {
            bool other = rlt_rng_f64(rng) >= at->config->nsga.swapping_prob;
            int64_t parent = chosen[other ? needed - 1 : 0];
            values[at->params[i]] = values_of(at, parent)[at->params[i]];
        }
        if (uniform) {
            return;
        }
        rlt_crossover(kind, default_eta(at), at->numeric, at->places, rng, child,
                      child + at->numeric);
        if (inside(at, child)) {
            break;
        }
    }
    for (int i = 0; i < at->numeric; i++) {
        values[at->params[i]] = rlt_param_place(&at->space->params[at->params[i]], child[i]);
    }
}

static void mutate(const rlt_nsga *at, rlt_rng *rng, rlt_value *values) {
    double rate = at->config->nsga.mutation_prob;
    rate = isnan(rate) ? 1.0 / fmax(1, at->count) : rate;
    for (int i = 0; i < at->count; i++) {
        const rlt_param *param = &at->space->params[at->params[i]];
        rlt_value *value = &values[at->params[i]];
        if (rlt_rng_f64(rng) >= rate) {
            continue;
        }
        double u = rlt_rng_f64(rng);
        bool polynomial = at->config->nsga.mutation == RLT_MUTATION_POLYNOMIAL && i < at->numeric;
        *value =
            !polynomial
                ? rlt_param_at(param, u)
                : rlt_param_place(param, rlt_polynomial_mutation(rlt_param_unit(param, *value),
                                                                 at->config->nsga.mutation_eta, u));
    }
}

rlt_status rlt_nsga_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    (void)err;
    rlt_nsga *at = state;
    uint64_t seed = (uint64_t)at->config->seed;
    for (int i = 0; i < at->space->count; i++) {
        const rlt_param *param = &at->space->params[i];
        if (param->kind != RLT_DIST_FUNCTION) {
            values[i] = rlt_param_at(param, rlt_tuner_draw(seed, index, param->path));
        }
    }
    const rlt_parents *from = parents_of(at, at->history->count / population(at));
    if (from->count < rlt_crossover_parents(at->config->nsga.crossover)) {
        return RLT_OK; /* the first generation, or next to nothing has come of it */
    }
    /* apart from rlt_tuner_draw, whose blocks are hashes of paths */
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_SAMPLER, (uint32_t)index);
    if (rlt_rng_f64(&rng) < at->config->nsga.crossover_prob) {
        cross(at, from, &rng, values);
    } else {
        int64_t parent = from->numbers[rlt_rng_below(&rng, (uint32_t)from->count)];
        for (int i = 0; i < at->count; i++) {
            values[at->params[i]] = values_of(at, parent)[at->params[i]];
        }
    }
    mutate(at, &rng, values);
    return RLT_OK;
}
