/* tuner: grid search, the cross product of all finite parameters (grid, choice, fixed, randint,
 * lograndint, quniform), each once. Order: as an odometer over the paths in their sorted order, the
 * last one fastest, values ascending or as listed. Functions are resolved for each point.
 * Thread: the tuner's. */
#include "tuner/tuner_impl.h"

typedef struct grid_state {
    const rlt_search_space *space;
    int64_t total; /* saturated */
} grid_state;

static rlt_status grid_check(const rlt_search_space *space, const rlt_tune_fields *config,
                             rlt_err *err) {
    (void)config;
    for (int i = 0; i < space->count; i++) {
        const rlt_param *param = &space->params[i];
        if (param->kind != RLT_DIST_FUNCTION && rlt_param_count(param) == 0) {
            return rlt_fail(
                err, RLT_ECONFIG,
                "%s: the grid sampler can't enumerate a %s; use grid, choice, randint or "
                "quniform here, or sampler = \"random\"",
                param->path, rlt_dist_name(param->kind));
        }
    }
    return RLT_OK;
}

static void grid_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                      const rlt_history *history) {
    (void)history;
    (void)config;
    grid_state *at = state;
    at->space = space;
    at->total = 1;
    for (int i = 0; i < space->count; i++) {
        if (space->params[i].kind != RLT_DIST_FUNCTION &&
            __builtin_mul_overflow(at->total, rlt_param_count(&space->params[i]), &at->total)) {
            at->total = INT64_MAX;
            return;
        }
    }
}

static rlt_status grid_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    const grid_state *at = state;
    if (index >= at->total) {
        return rlt_fail(err, RLT_ENOTFOUND, "all %lld points of the grid have been tried",
                        (long long)at->total);
    }
    for (int i = at->space->count - 1; i >= 0; i--) {
        const rlt_param *param = &at->space->params[i];
        if (param->kind != RLT_DIST_FUNCTION) {
            int64_t count = rlt_param_count(param);
            values[i] = rlt_param_nth(param, index % count);
            index /= count;
        }
    }
    return RLT_OK;
}

const rlt_sampler_def rlt_sampler_grid = {
    .check = grid_check,
    .state_size = sizeof(grid_state),
    .init = grid_init,
    .ask = grid_ask,
};
