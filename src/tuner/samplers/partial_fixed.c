/* tuner: some parameters are fixed at values, the others are another sampler's matter, as Optuna's
 * PartialFixedSampler: sampler = { "partial_fixed", fixed = { ["ppo.lr"] = 3e-4 }, base = "tpe" }.
 * Why not a change of the space: results with other values of what is fixed now (points to try
 * first, an earlier experiment) stay results for the base. To the base a fixed parameter has one
 * value, so that it has nothing to search there.
 * Thread: the tuner's. Owner: the base's state is this one's. */
#include "tuner/tuner_impl.h"

#include <string.h>

typedef struct fixed_state {
    const rlt_search_space *space;
    const rlt_tune_fields *config;
    const rlt_history *history;
    rlt_search_space rest; /* the space of the base */
    bool *fixed;           /* [count] */
    rlt_value *values;     /* [count] of the fixed ones */
    const rlt_sampler_def *base;
    void *base_state;
} fixed_state;

static void fixed_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                       const rlt_history *history) {
    fixed_state *at = state;
    size_t count = (size_t)space->count;
    at->space = space;
    at->config = config;
    at->history = history;
    at->fixed = rlt_alloc(sizeof(bool) * count);
    at->values = rlt_alloc(sizeof(rlt_value) * count);
    at->rest.params = rlt_alloc(sizeof(rlt_param) * count);
    for (at->rest.count = 0; at->rest.count < space->count; at->rest.count++) {
        rlt_param *param = &at->rest.params[at->rest.count];
        *param = space->params[at->rest.count];
        json_incref(param->choices);
    }
}

static void fixed_fini(void *state) {
    fixed_state *at = state;
    if (at->base_state != NULL && at->base->fini != NULL) {
        at->base->fini(at->base_state);
    }
    rlt_free(at->base_state);
    at->base_state = NULL;
    rlt_search_space_fini(&at->rest);
    rlt_free(at->fixed);
    rlt_free(at->values);
}

static int find(const rlt_search_space *space, const char *path, rlt_err *err) {
    const char *nearest = NULL;
    const char **names = rlt_alloc(sizeof(*names) * (size_t)(space->count + 1));
    for (int i = 0; i < space->count; i++) {
        names[i] = space->params[i].path;
        if (strcmp(path, names[i]) == 0) {
            rlt_free(names);
            return i;
        }
    }
    nearest = rlt_str_nearest(path, names, (size_t)space->count);
    rlt_fail(err, RLT_ECONFIG,
             "tune.sampler.fixed: '%.100s' is not a parameter of the search space%s%s%s", path,
             nearest != NULL ? " (did you mean '" : "", nearest != NULL ? nearest : "",
             nearest != NULL ? "'?)" : "");
    rlt_free(names);
    return -1;
}

static rlt_status fix(fixed_state *at, const char *path, const json_t *value, rlt_err *err) {
    int i = find(at->space, path, err);
    if (i < 0) {
        return RLT_ECONFIG;
    }
    rlt_param *param = &at->rest.params[i];
    if (param->kind == RLT_DIST_FUNCTION) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.sampler.fixed: %s is a function of the other parameters; write the "
                        "value in its place",
                        path);
    }
    rlt_err why = {0};
    if (rlt_value_parse(&at->space->params[i], value, &at->values[i], &why) != RLT_OK) {
        return rlt_fail(err, RLT_ECONFIG, "tune.sampler.fixed: %s", why.message);
    }
    at->fixed[i] = true;
    json_decref(param->choices);
    param->kind = RLT_DIST_FIXED;
    param->choices = json_pack("[O]", value);
    return RLT_OK;
}

static rlt_status fixed_prepare(void *state, const json_t *options, rlt_err *err) {
    fixed_state *at = state;
    const char *path;
    json_t *value;
    int kind = at->config->base;
    if (kind == RLT_SAMPLER_PARTIAL_FIXED) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.sampler.base: partial_fixed cannot wrap itself; one `fixed` may hold "
                        "any number of parameters");
    }
    if (rlt_sampler_defs[kind]->stage != NULL) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.sampler.base: %s has trials of several kinds and cannot be wrapped; "
                        "give the fields that are to be fixed one value each",
                        rlt_samplers[kind].name);
    }
    json_object_foreach(json_object_get(options, "fixed"), path, value) {
        RLT_TRY(fix(at, path, value, err));
    }
    RLT_TRY(rlt_sampler_check(kind, &at->rest, at->config, err));
    at->base = rlt_sampler_defs[kind];
    at->base_state = rlt_alloc(at->base->state_size);
    at->base->init(at->base_state, &at->rest, at->config, at->history);
    return RLT_OK;
}

static rlt_status fixed_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    fixed_state *at = state;
    RLT_TRY(at->base->ask(at->base_state, index, values, err));
    for (int i = 0; i < at->space->count; i++) {
        values[i] = at->fixed[i] ? at->values[i] : values[i];
    }
    return RLT_OK;
}

/* Whether the trial has the fixed values. */
static bool fits(const fixed_state *at, int64_t number) {
    const rlt_value *row = at->history->values + number * at->history->dimensions;
    for (int i = 0; i < at->space->count; i++) {
        if (at->fixed[i] &&
            (row[i].choice != at->values[i].choice || row[i].number != at->values[i].number)) {
            return false;
        }
    }
    return true;
}

/* One that only keeps account of what has been tried is not told of what else has. */
static void fixed_started(void *state, int64_t number) {
    fixed_state *at = state;
    bool counts = at->base->ended == NULL;
    if (at->base->started != NULL && (!counts || fits(at, number))) {
        at->base->started(at->base_state, number);
    }
}

static void fixed_ended(void *state, int64_t number) {
    fixed_state *at = state;
    if (at->base->ended != NULL) {
        at->base->ended(at->base_state, number);
    }
}

static void fixed_reported(void *state, int64_t number, int64_t step, double key) {
    fixed_state *at = state;
    if (at->base->reported != NULL) {
        at->base->reported(at->base_state, number, step, key);
    }
}

static bool fixed_branch(void *state, int64_t index, int branch, rlt_value *value) {
    fixed_state *at = state;
    return at->base->branch != NULL && at->base->branch(at->base_state, index, branch, value);
}

static int64_t fixed_parent(const void *state, int64_t number) {
    const fixed_state *at = state;
    return at->base->parent != NULL ? at->base->parent(at->base_state, number) : -1;
}

static int64_t fixed_origin(const void *state, int64_t number, int param) {
    const fixed_state *at = state;
    return at->base->origin != NULL ? at->base->origin(at->base_state, number, param) : number;
}

const rlt_sampler_def rlt_sampler_partial_fixed = {
    .abilities = RLT_SAMPLER_SEVERAL | RLT_SAMPLER_LIMITS,
    .state_size = sizeof(fixed_state),
    .init = fixed_init,
    .prepare = fixed_prepare,
    .fini = fixed_fini,
    .ask = fixed_ask,
    .started = fixed_started,
    .ended = fixed_ended,
    .reported = fixed_reported,
    .branch = fixed_branch,
    .parent = fixed_parent,
    .origin = fixed_origin,
};
