/* tuner: brute force: every combination of a finite space once, in a random order.
 * Why beside grid: stopped early, it has covered the whole space evenly; and what the points to try
 * first have tried is not tried again. Functions are resolved for each point.
 * State: the place in the shuffled order, and the places after it that were tried already.
 * Thread: the tuner's. */
#include "tuner/tuner_impl.h"

#include <math.h>

typedef struct brute_state {
    const rlt_search_space *space;
    const rlt_history *history;
    uint64_t seed;
    int64_t total, next; /* combinations; the first place not tried yet */
    int64_t *others, other_count, other_capacity;
    rlt_value *values; /* scratch */
} brute_state;

static rlt_status brute_check(const rlt_search_space *space, const rlt_tune_fields *config,
                              rlt_err *err) {
    (void)config;
    int64_t total = 1;
    for (int i = 0; i < space->count; i++) {
        const rlt_param *param = &space->params[i];
        int64_t count = param->kind == RLT_DIST_FUNCTION ? 1 : rlt_param_count(param);
        if (count == 0) {
            return rlt_fail(
                err, RLT_ECONFIG,
                "%s: the brute sampler can't enumerate a %s; use choice, randint or quniform here, "
                "or sampler = \"tpe\"",
                param->path, rlt_dist_name(param->kind));
        }
        if (__builtin_mul_overflow(total, count, &total) || total > INT64_MAX / 2) {
            return rlt_fail(err, RLT_ECONFIG,
                            "%s: with it the space has more than 2^62 combinations, too many for "
                            "the brute sampler; use sampler = \"tpe\"",
                            param->path);
        }
    }
    return RLT_OK;
}

/* The values of a combination; false when one is listed before in its parameter, so that another
 * combination is the same. */
static bool decode(const brute_state *at, int64_t combination, rlt_value *values) {
    bool is_first = true;
    for (int i = at->space->count - 1; i >= 0; i--) {
        const rlt_param *param = &at->space->params[i];
        if (param->kind == RLT_DIST_FUNCTION) {
            continue;
        }
        int64_t count = rlt_param_count(param);
        values[i] = rlt_param_nth(param, combination % count);
        combination /= count;
        json_t *json = rlt_value_json(param, values[i]);
        rlt_value first = values[i];
        is_first &= rlt_value_parse(param, json, &first, NULL) == RLT_OK &&
                    first.choice == values[i].choice;
        json_decref(json);
    }
    return is_first;
}

static void brute_fini(void *state) {
    rlt_free(((brute_state *)state)->others);
    rlt_free(((brute_state *)state)->values);
}

/* The number of a value among its parameter's, or -1 for one between steps. */
static int64_t number_of(const rlt_param *param, rlt_value value) {
    if (value.choice >= 0) {
        return value.choice;
    }
    double step = param->kind == RLT_DIST_QUNIFORM ? param->step : 1;
    int64_t n = (int64_t)round((value.number - param->low) / step);
    bool exact =
        n >= 0 && n < rlt_param_count(param) && rlt_param_nth(param, n).number == value.number;
    return exact ? n : -1;
}

/* The place of a trial's combination in the shuffled order, or -1. */
static int64_t place_of(const brute_state *at, int64_t number) {
    const rlt_value *values = at->history->values + number * at->history->dimensions;
    int64_t combination = 0;
    for (int i = 0; i < at->space->count; i++) {
        const rlt_param *param = &at->space->params[i];
        if (rlt_param_varies(param)) {
            int64_t n = number_of(param, values[i]);
            if (n < 0) {
                return -1;
            }
            combination = combination * rlt_param_count(param) + n;
        }
    }
    return rlt_unshuffle(at->total, combination, at->seed);
}

/* The index of `place` among the others, or of the last one. */
static int64_t find_other(const brute_state *at, int64_t place) {
    int64_t i = 0;
    while (i < at->other_count && at->others[i] != place) {
        i++;
    }
    return i;
}

/* To the first place from `next` on that is not tried and not the same as another. */
static void advance(brute_state *at) {
    for (; at->next < at->total; at->next++) {
        int64_t found = find_other(at, at->next);
        if (found < at->other_count) {
            at->others[found] = at->others[--at->other_count];
        } else if (decode(at, rlt_shuffle(at->total, at->next, at->seed), at->values)) {
            return;
        }
    }
}

static void brute_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                       const rlt_history *history) {
    brute_state *at = state;
    at->space = space;
    at->history = history;
    at->seed = (uint64_t)config->seed;
    at->total = 1;
    for (int i = 0; i < space->count; i++) {
        if (space->params[i].kind != RLT_DIST_FUNCTION) {
            at->total *= rlt_param_count(&space->params[i]);
        }
    }
    at->values = rlt_alloc(sizeof(rlt_value) * (size_t)space->count);
    advance(at);
}

static void brute_started(void *state, int64_t number) {
    brute_state *at = state;
    int64_t place = place_of(at, number);
    if (place > at->next && find_other(at, place) == at->other_count) {
        at->others = rlt_tuner_grow(at->others, &at->other_capacity, at->other_count + 1,
                                    sizeof(*at->others));
        at->others[at->other_count++] = place;
    }
    at->next += place == at->next;
    advance(at);
}

static rlt_status brute_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    (void)index;
    const brute_state *at = state;
    if (at->next >= at->total) {
        return rlt_fail(err, RLT_ENOTFOUND, "every combination has been tried");
    }
    decode(at, rlt_shuffle(at->total, at->next, at->seed), values);
    return RLT_OK;
}

const rlt_sampler_def rlt_sampler_brute = {
    .check = brute_check,
    .abilities = RLT_SAMPLER_SEVERAL | RLT_SAMPLER_LIMITS,
    .state_size = sizeof(brute_state),
    .init = brute_init,
    .fini = brute_fini,
    .ask = brute_ask,
    .started = brute_started,
};
