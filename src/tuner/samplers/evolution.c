/* tuner: regularised evolution ("aging evolution", Real, Aggarwal, Huang & Le 2019,
 * arXiv:1802.01548, algorithm 1): a child is the best of `sample` trials drawn with replacement
 * from the last `population` that ended, with one value changed; a trial leaves when it is the
 * oldest, however good it is. Why it suits architectures: choices and conditional parameters need
 * no geometry, and a child is so near to its parent that it can start from the parent's weights.
 * What is asked for trial n is a function of the seed, n and the trials that ended before;
 * `started` computes it again, so that a restored tuner knows parents without rows of their own.
 * Thread: the tuner's. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <string.h>

typedef struct descent { /* parent -1: none, and then nothing is changed */
    int64_t parent;
    int changed; /* index of a parameter, or -1 */
} descent;

typedef struct evolution_state {
    const rlt_search_space *space;
    const rlt_tune_fields *config;
    const rlt_history *history;
    int *params; /* [count] indices of those that a mutation may change */
    int count;
    int64_t *alive;    /* [population] ring, by the order of ends */
    int64_t ended;     /* so far; the next place is ended % population */
    descent *descents; /* [known] of the trials started */
    int64_t known, capacity;
    descent next;      /* of the trial asked for last, number `known` */
    rlt_value *values; /* [space.count] scratch */
} evolution_state;

static rlt_status evolution_check(const rlt_search_space *space, const rlt_tune_fields *config,
                                  rlt_err *err) {
    (void)space;
    return config->evolution.sample <= config->evolution.population
               ? RLT_OK
               : rlt_fail(
                     err, RLT_ECONFIG,
                     "tune.sampler: evolution draws sample = %lld of population = %lld trials; "
                     "sample may be at most as large",
                     (long long)config->evolution.sample, (long long)config->evolution.population);
}

static void evolution_init(void *state, const rlt_search_space *space,
                           const rlt_tune_fields *config, const rlt_history *history) {
    evolution_state *at = state;
    *at = (evolution_state){.space = space, .config = config, .history = history};
    at->params = rlt_alloc(sizeof(int) * (size_t)space->count);
    for (int i = 0; i < space->count; i++) {
        if (space->params[i].kind == RLT_DIST_FUNCTION || rlt_param_varies(&space->params[i])) {
            at->params[at->count++] = i;
        }
    }
    at->alive = rlt_alloc(sizeof(int64_t) * (size_t)config->evolution.population);
    at->values = rlt_alloc(sizeof(rlt_value) * (size_t)space->count);
}

static void evolution_fini(void *state) {
    evolution_state *at = state;
    rlt_free(at->params);
    rlt_free(at->alive);
    rlt_free(at->descents);
    rlt_free(at->values);
}

/* ---- one mutation ---- */

static rlt_value other_choice(const rlt_param *param, rlt_value value, rlt_rng *rng) {
    uint32_t count = (uint32_t)rlt_param_count(param);
    int drawn = (int)rlt_rng_below(rng, count - 1);
    return (rlt_value){.number = value.number, .choice = drawn + (drawn >= value.choice)};
}

/* The next one up or down of a parameter whose values can be counted. */
static rlt_value neighbour(const rlt_param *param, rlt_value value, bool up) {
    double step = param->kind == RLT_DIST_QUNIFORM ? param->step : 1;
    int64_t n = llround((value.number - param->low) / step), last = rlt_param_count(param) - 1;
    up = n == 0 || (up && n < last);
    return rlt_param_nth(param, up ? n + 1 : n - 1);
}

/* A normal step in the unit interval, reflected at its ends; a value that can be counted always
 * changes. */
static rlt_value moved(const rlt_param *param, rlt_value value, double sigma, rlt_rng *rng) {
    double step = sigma * rlt_rng_normal(rng);
    double u = fabs(fmod(rlt_param_unit(param, value) + step, 2));
    rlt_value made = rlt_param_place(param, u > 1 ? 2 - u : u);
    bool same = made.number == value.number;
    return same && rlt_param_count(param) > 1 ? neighbour(param, value, step > 0) : made;
}

static rlt_value mutated(const evolution_state *at, int i, rlt_value value, rlt_rng *rng) {
    const rlt_param *param = &at->space->params[i];
    if (param->kind == RLT_DIST_FUNCTION) {
        return value; /* drawn anew: evolution_origin */
    }
    return value.choice >= 0 ? other_choice(param, value, rng)
                             : moved(param, value, at->config->evolution.sigma, rng);
}

/* ---- children ---- */

static int64_t tournament(const evolution_state *at, rlt_rng *rng) {
    int64_t size = at->config->evolution.population;
    int64_t there = at->ended < size ? at->ended : size, best = -1;
    for (int64_t i = 0; i < at->config->evolution.sample; i++) {
        int64_t drawn = at->alive[rlt_rng_below(rng, (uint32_t)there)];
        if (best < 0 || rlt_history_before(at->history, drawn, best)) {
            best = drawn;
        }
    }
    return best;
}

/* Trial `number`, which is the next one to start: its values, and where they come from. */
static descent plan(const evolution_state *at, int64_t number, rlt_value *values) {
    uint64_t seed = (uint64_t)at->config->seed;
    if (number < at->config->evolution.population || at->ended == 0 || at->count == 0) {
        for (int i = 0; i < at->space->count; i++) {
            const rlt_param *param = &at->space->params[i];
            if (param->kind != RLT_DIST_FUNCTION) {
                values[i] = rlt_param_at(param, rlt_tuner_draw(seed, number, param->path));
            }
        }
        return (descent){-1, -1};
    }
    /* apart from rlt_tuner_draw, whose blocks are hashes of paths */
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_SAMPLER, (uint32_t)number);
    descent made = {.parent = tournament(at, &rng)};
    made.changed = at->params[rlt_rng_below(&rng, (uint32_t)at->count)];
    const rlt_value *from = at->history->values + made.parent * at->history->dimensions;
    memcpy(values, from, sizeof(rlt_value) * (size_t)at->space->count);
    values[made.changed] = mutated(at, made.changed, from[made.changed], &rng);
    return made;
}

static rlt_status evolution_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    (void)index; /* points to try first are part of the population, so that numbers count */
    (void)err;
    evolution_state *at = state;
    at->next = plan(at, at->known, values);
    return RLT_OK;
}

static bool is_same(const rlt_param *param, rlt_value a, rlt_value b) {
    if (param->kind == RLT_DIST_FUNCTION || !rlt_param_varies(param)) {
        return true;
    }
    if (a.choice < 0 || b.choice < 0) {
        return a.number == b.number;
    }
    return json_equal(json_array_get(param->choices, (size_t)a.choice),
                      json_array_get(param->choices, (size_t)b.choice));
}

static void evolution_started(void *state, int64_t number) {
    evolution_state *at = state;
    RLT_ASSERT(number == at->known);
    descent made = plan(at, number, at->values);
    const rlt_value *values = at->history->values + number * at->history->dimensions;
    for (int i = 0; i < at->space->count; i++) {
        if (!is_same(&at->space->params[i], values[i], at->values[i])) {
            made = (descent){-1, -1}; /* a point that somebody gave */
        }
    }
    at->descents = rlt_tuner_grow(at->descents, &at->capacity, number + 1, sizeof(*at->descents));
    at->descents[at->known++] = made;
}

static void evolution_ended(void *state, int64_t number) {
    evolution_state *at = state;
    if (at->history->states[number] != RLT_TRIAL_FAILED) {
        at->alive[at->ended++ % at->config->evolution.population] = number;
    }
}

static const descent *descent_of(const evolution_state *at, int64_t number) {
    return number < at->known ? &at->descents[number] : &at->next;
}

static int64_t evolution_parent(const void *state, int64_t number) {
    const evolution_state *at = state;
    return at->config->evolution.inherit ? descent_of(at, number)->parent : -1;
}

/* What a function of the script leaves to chance is as in the parent, unless it is what changes. */
static int64_t evolution_origin(const void *state, int64_t number, int param) {
    const evolution_state *at = state;
    const descent *d = descent_of(at, number);
    while (d->parent >= 0 && d->changed != param) {
        number = d->parent;
        d = descent_of(at, number);
    }
    return number;
}

const rlt_sampler_def rlt_sampler_evolution = {
    .check = evolution_check,
    .abilities = RLT_SAMPLER_LIMITS,
    .state_size = sizeof(evolution_state),
    .init = evolution_init,
    .fini = evolution_fini,
    .ask = evolution_ask,
    .started = evolution_started,
    .ended = evolution_ended,
    .parent = evolution_parent,
    .origin = evolution_origin,
};
