/* tuner: CMA-ES over the numbers of a space, each scaled to [0, 1] by its distribution.
 * As Optuna's CmaEsSampler: the mean starts in the middle with a standard deviation of a sixth of
 * the range, points outside are drawn again and in the end clipped, choices are drawn at random.
 * Unlike it, normal draws come from a scrambled Sobol sequence, which fills each generation evenly
 * (Teytaud and Gelly, "DCMA", GECCO 2007): better in 526 of 810 pairs of runs of sampler_bench,
 * where independent draws are level.
 * Integers and other steps keep a margin (cma.h); what was evaluated, the middle of the cell, is
 * what the distribution learns from. Restarts are to be had: IPOP (Auger and Hansen, CEC 2005) and
 * BIPOP (Hansen, GECCO 2009).
 * The state is a function of the results, not of the order in which they came: generations are
 * formed from the trials that have ended, in the order of their numbers, and nothing waits for
 * those that run; when one of these ends, the generations from its own on are formed anew. So a
 * restored search goes on as the uninterrupted one, and parallel trials cost hardly any quality.
 * Trials of an earlier experiment say where the search starts: cmaes_warm.c.
 * A failed trial is left out. One whose result is not a number ranks last, one that was stopped
 * behind all completed ones, by steps and then by value.
 * Thread: the tuner's. Owner: the tuner. */
#include "tuner/samplers/cmaes.h"

#include <math.h>

static bool takes_dimension(const rlt_param *param) {
    return param->kind != RLT_DIST_FUNCTION && param->choices == NULL &&
           rlt_param_count(param) != 1;
}

static rlt_status cmaes_check(const rlt_search_space *space, const rlt_tune_fields *config,
                              rlt_err *err) {
    (void)config;
    enum { DIMENSIONS_MAX = 200 }; /* a generation costs their cube: here about half a second */
    int dimensions = 0;
    const rlt_param *choice = NULL;
    for (int i = 0; i < space->count; i++) {
        bool varies = rlt_param_varies(&space->params[i]);
        dimensions += takes_dimension(&space->params[i]);
        choice = choice == NULL && varies ? &space->params[i] : choice;
        if (dimensions > DIMENSIONS_MAX) {
            return rlt_fail(err, RLT_ECONFIG,
                            "%s: is number %d to be searched, the cmaes sampler adapts at most %d; "
                            "use sampler = \"random\" or \"tpe\"",
                            space->params[i].path, dimensions, DIMENSIONS_MAX);
        }
    }
    return dimensions > 0 || choice == NULL
               ? RLT_OK
               : rlt_fail(err, RLT_ECONFIG,
                          "%s: is a %s; the cmaes sampler adapts numbers, and there is none to be "
                          "searched; use sampler = \"tpe\" or \"brute\"",
                          choice->path, rlt_dist_name(choice->kind));
}

static void cmaes_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                       const rlt_history *history) {
    rlt_cmaes *at = state;
    at->space = space;
    at->config = config;
    at->history = history;
    at->params = rlt_alloc(sizeof(int) * (size_t)space->count);
    for (int i = 0; i < space->count; i++) {
        if (takes_dimension(&space->params[i])) {
            at->params[at->n++] = i;
        }
    }
    if (at->n == 0) {
        return;
    }
    at->z = rlt_alloc(sizeof(double) * (size_t)at->n);
    at->x = rlt_alloc(sizeof(double) * (size_t)at->n);
}

static void cmaes_fini(void *state) {
    rlt_cmaes *at = state;
    rlt_cmaes_fold_fini(at);
    rlt_free(at->params);
    rlt_free(at->z);
    rlt_free(at->x);
}

static bool inside(const rlt_cmaes *at, const double *x) {
    for (int j = 0; j < at->n; j++) {
        if (!(x[j] >= 0 && x[j] <= 1) && rlt_param_count(rlt_cmaes_param(at, j)) == 0) {
            return false;
        }
    }
    return true;
}

/* Coordinate j of point `index` of a scrambled Sobol sequence, as a normal draw. */
static double even_normal(const rlt_cmaes *at, int j, uint32_t index) {
    uint32_t point = rlt_sobol_scramble(rlt_sobol_point(j, index), j, (uint64_t)at->config->seed);
    return rlt_normal_quantile(((double)point + 0.5) * 0x1p-32);
}

static void draw(rlt_cmaes *at, int64_t index, rlt_value *values) {
    const rlt_cma *cma = &at->now.cma;
    rlt_rng rng = rlt_rng_make((uint64_t)at->config->seed, RLT_STREAM_SAMPLER, (uint32_t)index);
    int tries = 10 * at->n;
    bool even = index <= UINT32_MAX;
    do {
        for (int j = 0; j < at->n; j++) {
            at->z[j] = even && j < RLT_SOBOL_DIMENSIONS ? even_normal(at, j, (uint32_t)index)
                                                        : rlt_rng_normal(&rng);
        }
        even = false;
        rlt_cma_sample(cma, at->z, at->x);
    } while (!inside(at, at->x) && tries-- > 0);
    for (int j = 0; j < at->n; j++) {
        double u = cma->mean[j] + cma->widen[j] * (at->x[j] - cma->mean[j]);
        values[at->params[j]] = rlt_param_place(rlt_cmaes_param(at, j), u);
    }
}

static rlt_status cmaes_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    (void)err;
    rlt_cmaes *at = state;
    for (int i = 0; i < at->space->count; i++) {
        const rlt_param *param = &at->space->params[i];
        if (param->kind != RLT_DIST_FUNCTION) {
            uint64_t seed = (uint64_t)at->config->seed;
            values[i] = rlt_param_at(param, rlt_tuner_draw(seed, index, param->path));
        }
    }
    if (at->n > 0 && index >= at->config->cmaes.n_startup_trials) {
        rlt_cmaes_fold(at, at->history->count - index);
        draw(at, index, values);
    }
    return RLT_OK;
}

static void cmaes_ended(void *state, int64_t number) {
    rlt_cmaes *at = state;
    at->late = number < at->late ? number : at->late;
}

const rlt_sampler_def rlt_sampler_cmaes = {
    .check = cmaes_check,
    .state_size = sizeof(rlt_cmaes),
    .init = cmaes_init,
    .fini = cmaes_fini,
    .ask = cmaes_ask,
    .ended = cmaes_ended,
};
