/* tuner: differential evolution (Storn and Price, J. Global Optimization 1997) with the strategies
 * and defaults of scipy.optimize.differential_evolution: F drawn for every trial (dither), binomial
 * crossover, a value outside of its range is drawn anew, the first population is a Latin hypercube.
 * A trial's place in the population is its number modulo its size; the member there is the best
 * trial of that place. So the population is a function of a set of results and nobody waits for a
 * slow trial. Of trials that are equally good the newer one is the member, as in scipy.
 * Numbers are places in [0, 1], rounded when they are tried. Choices have no differences: the
 * mutant has the base's, or, where the two that differ do so here too, with probability F another
 * one, drawn at random.
 * Members compare as in rlt_history_before; failed trials are left out. Thread: the tuner's. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <string.h>

enum { DONORS = 3, NEEDED = DONORS + 1 };
typedef struct de_state {
    const rlt_search_space *space;
    const rlt_history *history;
    const rlt_tune_fields *config;
    int *params, count; /* that vary */
    int64_t size;       /* of the population */
    int64_t *members;   /* [size] their places in the history; -1: none yet */
    int64_t *pool;      /* [size] scratch: places in the population that have a member */
} de_state;

static int64_t size_of(const de_state *at) {
    enum { MORE = 4, LEAST = 10, MOST = 40 };
    int64_t given = at->config->de.population_size, usual = MORE + (int64_t)at->count;
    return given > 0 ? given : usual < LEAST ? LEAST : usual > MOST ? MOST : usual;
}

static rlt_status de_check(const rlt_search_space *space, const rlt_tune_fields *config,
                           rlt_err *err) {
    (void)space;
    if (config->de.mutation_min > config->de.mutation_max) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.sampler: de draws F from mutation_min to mutation_max, but %g is "
                        "more than %g",
                        config->de.mutation_min, config->de.mutation_max);
    }
    return config->de.population_size == 0 || config->de.population_size >= NEEDED
               ? RLT_OK
               : rlt_fail(err, RLT_ECONFIG,
                          "tune.sampler: a population of %lld is too small for de, which mixes %d "
                          "members; use population_size = 0 or at least %d",
                          (long long)config->de.population_size, NEEDED, NEEDED);
}

static void de_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                    const rlt_history *history) {
    de_state *at = state;
    at->space = space;
    at->config = config;
    at->history = history;
    at->params = rlt_alloc(sizeof(int) * (size_t)space->count);
    for (int i = 0; i < space->count; i++) {
        if (rlt_param_varies(&space->params[i])) {
            at->params[at->count++] = i;
        }
    }
    at->size = size_of(at);
    at->members = rlt_alloc(sizeof(int64_t) * (size_t)at->size);
    at->pool = rlt_alloc(sizeof(int64_t) * (size_t)at->size);
    for (int64_t i = 0; i < at->size; i++) {
        at->members[i] = -1;
    }
}

static void de_fini(void *state) {
    de_state *at = state;
    rlt_free(at->params);
    rlt_free(at->members);
    rlt_free(at->pool);
}

static void de_ended(void *state, int64_t number) {
    de_state *at = state;
    int64_t *member = &at->members[number % at->size];
    if (at->history->states[number] == RLT_TRIAL_FAILED) {
        return;
    }
    if (*member < 0 || rlt_history_compare(at->history, number, *member) < 0 ||
        (rlt_history_compare(at->history, number, *member) == 0 && number > *member)) {
        *member = number;
    }
}

/* ---- children ---- */

static const rlt_value *values_of(const de_state *at, int64_t place) {
    return at->history->values + at->members[place] * at->history->dimensions;
}

/* The first population: each parameter's slices in an order of its own. */
static void ask_first(const de_state *at, int64_t number, int64_t index, rlt_value *values) {
    uint64_t seed = (uint64_t)at->config->seed;
    for (int i = 0; i < at->space->count; i++) {
        const rlt_param *param = &at->space->params[i];
        if (param->kind == RLT_DIST_FUNCTION) {
            continue;
        }
        double u = rlt_tuner_draw(seed, index, param->path);
        if (number < at->size) {
            uint64_t key = rlt_hash64(param->path, strlen(param->path), seed + (1ull << 32));
            u = ((double)rlt_shuffle(at->size, number, key) + u) / (double)at->size;
        }
        values[i] = rlt_param_at(param, u);
    }
}

/* Places that have a member into `pool`; how many. *best: the place of the best one. */
static int64_t find_members(const de_state *at, int64_t *best) {
    int64_t count = 0;
    for (int64_t i = 0; i < at->size; i++) {
        if (at->members[i] < 0) {
            continue;
        }
        if (count == 0 || rlt_history_before(at->history, at->members[i], at->members[*best])) {
            *best = i;
        }
        at->pool[count++] = i;
    }
    return count;
}

/* Takes one of the pool's places, which is then no part of it any more. */
static int64_t take(const de_state *at, int64_t *count, rlt_rng *rng) {
    int64_t i = rlt_rng_below(rng, (uint32_t)*count), taken = at->pool[i];
    at->pool[i] = at->pool[--*count];
    return taken;
}

/* The target is the member of the trial's own place; if there is none, another one. */
static int64_t take_target(const de_state *at, int64_t place, int64_t *count, rlt_rng *rng) {
    for (int64_t i = 0; i < *count; i++) {
        if (at->pool[i] == place) {
            at->pool[i] = at->pool[--*count];
            return place;
        }
    }
    return take(at, count, rng);
}

typedef struct parents {
    const rlt_value *target, *base, *plus, *minus, *best;
} parents;

static parents choose_parents(const de_state *at, int64_t place, int64_t count, int64_t best,
                              rlt_rng *rng) {
    parents from = {.best = values_of(at, best)};
    from.target = values_of(at, take_target(at, place, &count, rng));
    from.plus = values_of(at, take(at, &count, rng));
    from.minus = values_of(at, take(at, &count, rng));
    int strategy = at->config->de.strategy;
    from.base = strategy == RLT_DE_BEST1BIN   ? from.best
                : strategy == RLT_DE_RAND1BIN ? values_of(at, take(at, &count, rng))
                                              : from.target;
    return from;
}

static rlt_value mutant(const de_state *at, const parents *from, int i, double f, rlt_rng *rng) {
    const rlt_param *param = &at->space->params[i];
    bool current = at->config->de.strategy == RLT_DE_CURRENTTOBEST1BIN;
    double u = rlt_rng_f64(rng), v = rlt_rng_f64(rng);
    if (param->choices != NULL) {
        const rlt_value *base = current && v < f ? from->best : from->base;
        bool differ = from->plus[i].choice != from->minus[i].choice;
        return differ && u < f ? rlt_param_at(param, u / f) : base[i];
    }
    double x = rlt_param_unit(param, from->base[i]) +
               f * (rlt_param_unit(param, from->plus[i]) - rlt_param_unit(param, from->minus[i]));
    if (current) {
        x += f * (rlt_param_unit(param, from->best[i]) - rlt_param_unit(param, from->target[i]));
    }
    return rlt_param_place(param, x >= 0 && x <= 1 ? x : u);
}

static bool same_value(rlt_value a, rlt_value b) {
    return a.choice == b.choice && (a.choice >= 0 || a.number == b.number);
}

static void make_child(const de_state *at, const parents *from, rlt_rng *rng, rlt_value *values) {
    const double low = at->config->de.mutation_min, high = at->config->de.mutation_max;
    double f = low + (high - low) * rlt_rng_f64(rng);
    int always = (int)rlt_rng_below(rng, (uint32_t)at->count);
    bool changed = false;
    for (int k = 0; k < at->count; k++) {
        int i = at->params[k];
        bool crosses = rlt_rng_f64(rng) < at->config->de.recombination;
        rlt_value other = mutant(at, from, i, f, rng);
        values[i] = k == always || crosses ? other : from->target[i];
        changed |= !same_value(values[i], from->target[i]);
    }
    if (!changed) { /* nothing to learn from the same point again */
        const rlt_param *param = &at->space->params[at->params[always]];
        values[at->params[always]] = rlt_param_at(param, rlt_rng_f64(rng));
    }
}

static rlt_status de_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    (void)err;
    de_state *at = state;
    int64_t number = at->history->count, best = 0;
    ask_first(at, number, index, values);
    if (number < at->size || at->count == 0) {
        return RLT_OK;
    }
    int64_t count = find_members(at, &best);
    if (count < NEEDED) {
        return RLT_OK; /* next to nothing has come of the first population */
    }
    /* apart from rlt_tuner_draw, whose blocks are hashes of paths */
    rlt_rng rng = rlt_rng_make((uint64_t)at->config->seed, RLT_STREAM_SAMPLER, (uint32_t)index);
    parents from = choose_parents(at, number % at->size, count, best, &rng);
    make_child(at, &from, &rng, values);
    return RLT_OK;
}

const rlt_sampler_def rlt_sampler_de = {
    .check = de_check,
    .abilities = RLT_SAMPLER_LIMITS,
    .state_size = sizeof(de_state),
    .init = de_init,
    .fini = de_fini,
    .ask = de_ask,
    .ended = de_ended,
};
