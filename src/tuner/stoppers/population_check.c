/* tuner: what a population needs: milestones, a size, and parameters that can change while a trial
 * goes on, or what it copies would not fit. Thread: the tuner's. */
#include "tuner/stoppers/population.h"

#include <math.h>
#include <string.h>

enum { MILESTONES_MAX = 100000 };

static const char *name_of(const rlt_population *at) {
    return rlt_stoppers[at->config->stopper].name;
}

static rlt_status make_milestones(rlt_population *at, int64_t max_steps, rlt_err *err) {
    int64_t interval = at->config->pbt.interval, burn_in = at->config->pbt.burn_in;
    bool timed = at->config->timed;
    char a[RLT_AMOUNT_TEXT], b[RLT_AMOUNT_TEXT], c[RLT_AMOUNT_TEXT], d[RLT_AMOUNT_TEXT];
    int64_t first = burn_in > interval ? burn_in : interval;
    if (interval < 1 || burn_in < 0 || first >= max_steps) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: %s's first comparison is at %s, but trials end at %s; make "
                        "perturbation_interval (%s) and burn_in_period (%s) smaller",
                        name_of(at), rlt_amount_text(timed, first, a),
                        rlt_amount_text(timed, max_steps, b), rlt_amount_text(timed, interval, c),
                        rlt_amount_text(timed, burn_in, d));
    }
    at->milestones = (rlt_milestones){first, interval, (max_steps - 1 - first) / interval + 1};
    if (at->milestones.count > MILESTONES_MAX && max_steps < INT64_MAX) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: %s's perturbation_interval of %s gives %lld comparisons; "
                        "allowed: %d; make it larger",
                        name_of(at), rlt_amount_text(timed, interval, a),
                        (long long)at->milestones.count, MILESTONES_MAX);
    }
    if (at->milestones.count > MILESTONES_MAX) { /* nobody knows where trials end */
        at->milestones.count = MILESTONES_MAX;
    }
    return RLT_OK;
}

static int find_param(const rlt_search_space *space, const char *path) {
    for (int i = 0; i < space->count; i++) {
        if (strcmp(space->params[i].path, path) == 0) {
            return i;
        }
    }
    return -1;
}

static rlt_status choose(rlt_population *at, const char *path, rlt_err *err) {
    int i = find_param(at->space, path);
    if (i < 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: %s is to change %.100s, which has no search space",
                        name_of(at), path);
    }
    if (at->space->params[i].kind == RLT_DIST_FUNCTION) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: %s can't change %.100s: it is a function of the others",
                        name_of(at), path);
    }
    at->mutable[i] = true;
    return RLT_OK;
}

static rlt_status choose_named(rlt_population *at, const json_t *options, rlt_err *err) {
    const json_t *mutations = json_object_get(options, "mutations");
    const json_t *bounds = json_object_get(options, "hyperparam_bounds");
    const char *path;
    json_t *item;
    size_t i;
    json_array_foreach((json_t *)mutations, i, item) {
        RLT_TRY(choose(at, json_string_value(item), err));
    }
    if (json_is_object(mutations)) {
        json_object_foreach((json_t *)mutations, path, item) {
            RLT_TRY(choose(at, path, err));
            RLT_TRY(rlt_param_parse(item, path, &at->into[find_param(at->space, path)], err));
        }
    }
    json_object_foreach((json_t *)bounds, path, item) {
        RLT_TRY(choose(at, path, err));
    }
    for (int p = 0; mutations == NULL && bounds == NULL && p < at->space->count; p++) {
        at->mutable[p] = rlt_param_varies(&at->space->params[p]);
    }
    return RLT_OK;
}

/* Trials that copy each other must all be of one shape. */
static rlt_status check_params(const rlt_population *at, rlt_err *err) {
    bool any = false;
    for (int i = 0; i < at->space->count; i++) {
        const rlt_param *param = &at->space->params[i];
        any |= at->mutable[i];
        bool varies = param->kind == RLT_DIST_FUNCTION || rlt_param_count(param) != 1 ||
                      at->into[i].path[0] != 0;
        if (varies && !rlt_config_may_change(param->path)) {
            return rlt_fail(err, RLT_ECONFIG,
                            "tune.stopper: %s has trials go on from each other's weights, but %s "
                            "can't change while a trial is trained; give it one value",
                            name_of(at), param->path);
        }
    }
    return any ? RLT_OK
               : rlt_fail(err, RLT_ECONFIG,
                          "tune.stopper: %s has no parameter to change: none has a search space",
                          name_of(at));
}

rlt_status rlt_population_init(rlt_population *at, const rlt_stopper_setup *setup,
                               rlt_explore explore, rlt_err *err) {
    at->config = setup->config;
    at->space = setup->space;
    at->rulings = setup->rulings;
    at->explore = explore;
    at->expected = setup->config->trials;
    at->mutable = rlt_alloc(sizeof(bool) * (size_t)(setup->space->count + 1));
    at->into = rlt_alloc(sizeof(rlt_param) * (size_t)(setup->space->count + 1));
    if (at->expected < 2) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: %s needs a population: tune.trials of at least 2, got %lld",
                        name_of(at), (long long)at->expected);
    }
    RLT_TRY(make_milestones(at, setup->max_steps, err));
    RLT_TRY(choose_named(at, setup->options, err));
    return check_params(at, err);
}
