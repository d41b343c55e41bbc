/* tuner: Bayesian optimisation with Gaussian processes: the next trial is where the log expected
 * improvement is largest, with several objectives that of the volume that their front dominates
 * (gp_boxes.h). As Optuna's GPSampler: Matern 5/2 kernel with a length per parameter, Hamming
 * distance between choices, most likely parameters under its priors, 10 trials at first, a process
 * of its own for every objective and constraint, and the log probability of each limit added.
 * Trials at first are points of a scrambled Sobol sequence. Parallel: a running trial counts as if
 * it had come out as predicted. Unlike it, outliers among bad results are clipped, and what is to
 * be improved on is what is expected at trials, not the luckiest results: both better in
 * sampler_bench; and the improvement of a front is exact. So that a suggestion stays cheap not all
 * of many results count (gp_results.c, gp_fill.c), and of running trials the RLT_GP_FANTASIES
 * oldest. What is asked is a function of results and running trials: there is no state but caches.
 * Thread: the tuner's. Owner: the tuner. */
#include "tuner/samplers/gp_state.h"

#include <math.h>

static bool takes_dimension(const rlt_param *param) {
    return param->kind != RLT_DIST_FUNCTION && rlt_param_count(param) != 1;
}

static void gp_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                    const rlt_history *history) {
    rlt_gp_state *at = state;
    size_t count = (size_t)space->count;
    at->space = space;
    at->config = config;
    at->history = history;
    at->stale = at->finite = true;
    at->params = rlt_alloc(sizeof(int) * count);
    at->dims = rlt_alloc(sizeof(rlt_gp_dim) * count);
    at->categorical = rlt_alloc(sizeof(bool) * count);
    for (int i = 0; i < space->count; i++) {
        const rlt_param *param = &space->params[i];
        at->finite &= param->kind != RLT_DIST_FUNCTION;
        if (takes_dimension(param)) {
            bool categorical = param->choices != NULL;
            at->categorical[at->d] = categorical;
            at->dims[at->d] = (rlt_gp_dim){param, categorical, rlt_param_count(param)};
            at->finite &= at->dims[at->d].count > 0;
            at->params[at->d++] = i;
        }
    }
    size_t front = history->objectives > 1 ? RLT_GP_FRONT : RLT_GP_INCUMBENTS;
    at->front = rlt_alloc(sizeof(double) * front * (size_t)history->objectives);
    at->places = rlt_alloc(sizeof(double) * front * count);
    at->incumbent = rlt_alloc(sizeof(double) * RLT_GP_INCUMBENTS * count);
    at->place = rlt_alloc(sizeof(double) * count);
    at->gps = rlt_alloc(sizeof(rlt_gp) * (size_t)history->objectives);
    at->limits = rlt_alloc(sizeof(rlt_gp_limit) * (size_t)history->constraints);
}

static void gp_fini(void *state) {
    rlt_gp_state *at = state;
    rlt_gp_fini(&at->fit);
    rlt_gp_boxes_fini(&at->boxes);
    for (int k = 0; at->gps != NULL && k < at->history->objectives; k++) {
        rlt_gp_fini(&at->gps[k]);
    }
    for (int k = 0; at->limits != NULL && k < at->history->constraints; k++) {
        rlt_gp_fini(&at->limits[k].gp);
    }
    void *const owned[] = {at->params,  at->dims,   at->categorical, at->gps,
                           at->limits,  at->front,  at->places,      at->incumbent,
                           at->results, at->values, at->place};
    for (size_t i = 0; i < RLT_COUNT(owned); i++) {
        rlt_free(owned[i]);
    }
}

static void ask_first(const rlt_gp_state *at, int64_t index, rlt_value *values) {
    for (int j = 0; j < at->d && j < RLT_SOBOL_DIMENSIONS && index <= UINT32_MAX; j++) {
        uint32_t point =
            rlt_sobol_scramble(rlt_sobol_point(j, (uint32_t)index), j, (uint64_t)at->config->seed);
        values[at->params[j]] = rlt_param_at(at->dims[j].param, ((double)point + 0.5) * 0x1p-32);
    }
}

/* Where the search of suggestion `index` ends, into at->place. */
static void search(rlt_gp_state *at, int64_t index) {
    const uint64_t seed = (uint64_t)at->config->seed;
    rlt_gp_search search = {.gp = at->gps,
                            .limits = at->limits,
                            .limit_count = at->limit_count,
                            .any_feasible = at->any_feasible,
                            .dims = at->dims,
                            .best = at->best,
                            .incumbents = at->places,
                            .incumbent_count = at->incumbents,
                            .untried = at->finite && at->config->gp.avoid_repeats,
                            .seed = seed,
                            .index = index};
    if (rlt_gp_several(at)) {
        uint64_t key = rlt_hash64(&index, sizeof index, seed);
        search.incumbent_count = rlt_gp_prepare_front(at, key);
        search.incumbents = at->incumbent;
        search.boxes = &at->boxes;
    }
    if (isinf(rlt_gp_search_run(&search, at->place)) && search.untried) {
        search.untried = false;
        rlt_gp_search_run(&search, at->place);
    }
}

static rlt_status gp_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    (void)err;
    rlt_gp_state *at = state;
    for (int i = 0; i < at->space->count; i++) {
        const rlt_param *param = &at->space->params[i];
        if (param->kind != RLT_DIST_FUNCTION) {
            uint64_t seed = (uint64_t)at->config->seed;
            values[i] = rlt_param_at(param, rlt_tuner_draw(seed, index, param->path));
        }
    }
    if (at->d == 0) {
        return RLT_OK;
    }
    int64_t least = at->config->gp.n_startup_trials > 1 ? at->config->gp.n_startup_trials : 1;
    if (at->stale && rlt_gp_collect(at) < least) {
        ask_first(at, index, values);
        return RLT_OK;
    }
    if (at->stale) {
        rlt_gp_make_model(at);
    }
    rlt_gp_add_running(at);
    search(at, index);
    for (int j = 0; j < at->d; j++) {
        values[at->params[j]] = rlt_gp_value(&at->dims[j], at->place[j]);
    }
    return RLT_OK;
}

static void gp_ended(void *state, int64_t number) {
    (void)number;
    ((rlt_gp_state *)state)->stale = true;
}

const rlt_sampler_def rlt_sampler_gp = {
    .abilities = RLT_SAMPLER_SEVERAL | RLT_SAMPLER_LIMITS,
    .state_size = sizeof(rlt_gp_state),
    .init = gp_init,
    .fini = gp_fini,
    .ask = gp_ask,
    .ended = gp_ended,
};
