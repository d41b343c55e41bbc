/* tuner: the sampler gp: its processes, one for each objective and each constraint.
 * Of more than RLT_GP_FITTED results the best third and an even choice of the rest decide on the
 * kernels' parameters. Thread: the tuner's. */
#include "tuner/samplers/gp_state.h"

#include <math.h>
#include <string.h>

enum { FIT_CALLS = 40 };

void rlt_gp_read_place(const rlt_gp_state *at, int64_t number, double *x) {
    const rlt_value *row = at->history->values + number * at->history->dimensions;
    for (int j = 0; j < at->d; j++) {
        x[j] = rlt_gp_place(&at->dims[j], row[at->params[j]]);
    }
}

/* Of at->values, which come in the order of at->results: the best first. */
static void fit_kernel(rlt_gp_state *at, rlt_gp *gp) {
    enum { BEST = RLT_GP_FITTED / 3 };
    rlt_gp_clear(&at->fit);
    for (int i = 0; i < at->count && i < RLT_GP_FITTED; i++) {
        int take = i;
        if (at->count > RLT_GP_FITTED && i >= BEST) {
            take = BEST + (int)((int64_t)(i - BEST) * (at->count - BEST) / (RLT_GP_FITTED - BEST));
        }
        rlt_gp_read_place(at, at->values[take].number, at->place);
        rlt_gp_add(&at->fit, at->place, at->values[take].key);
    }
    rlt_gp_fit(&at->fit, FIT_CALLS);
    memcpy(gp->weights, at->fit.weights, sizeof(double) * (size_t)at->d);
    gp->scale = at->fit.scale;
    gp->noise = at->fit.noise;
}

/* The process of at->values, with the kernel that fits them. */
static void fill_process(rlt_gp_state *at, rlt_gp *gp) {
    if (gp->block == NULL) {
        rlt_gp_init(gp, at->d, at->categorical, RLT_GP_HISTORY + RLT_GP_FANTASIES);
    }
    fit_kernel(at, gp);
    rlt_gp_clear(gp);
    for (int i = 0; i < at->count; i++) {
        rlt_gp_read_place(at, at->values[i].number, at->place);
        rlt_gp_add(gp, at->place, at->values[i].key);
    }
    rlt_gp_factor(gp);
}

void rlt_gp_make_model(rlt_gp_state *at) {
    if (at->fit.block == NULL) {
        rlt_gp_init(&at->fit, at->d, at->categorical, RLT_GP_FITTED);
    }
    rlt_gp_limit_history(at);
    for (int k = 0; k < at->history->objectives; k++) {
        rlt_gp_read_objective(at, k);
        fill_process(at, &at->gps[k]);
    }
    at->limit_count = 0;
    for (int k = 0; k < at->history->constraints; k++) {
        rlt_gp_limit *limit = &at->limits[at->limit_count];
        if (rlt_gp_read_limit(at, k, &limit->threshold)) {
            fill_process(at, &limit->gp);
            at->limit_count++;
        }
    }
    rlt_gp_find_goal(at);
    at->seen = 0;
    at->stale = false;
}

static bool likely_feasible(rlt_gp_state *at, const double *x) {
    double mean, variance;
    bool all = at->any_feasible;
    for (int k = 0; k < at->limit_count && all; k++) {
        rlt_gp_predict(&at->limits[k].gp, x, &mean, &variance, NULL, NULL);
        all = mean >= at->limits[k].threshold;
    }
    return all;
}

static void add_running(rlt_gp_state *at, int64_t number) {
    double means[RLT_OBJECTIVES_MAX], variance;
    rlt_gp_read_place(at, number, at->place);
    for (int k = 0; k < at->history->objectives; k++) {
        rlt_gp_predict(&at->gps[k], at->place, &means[k], &variance, NULL, NULL);
    }
    if (likely_feasible(at, at->place)) {
        rlt_gp_raise_goal(at, at->place, means);
    }
    for (int k = 0; k < at->history->objectives; k++) {
        rlt_gp_pend(&at->gps[k], at->place);
    }
    for (int k = 0; k < at->limit_count; k++) {
        rlt_gp_pend(&at->limits[k].gp, at->place);
    }
}

void rlt_gp_add_running(rlt_gp_state *at) {
    for (; at->seen < at->history->count; at->seen++) {
        if (at->history->states[at->seen] == RLT_TRIAL_RUNNING &&
            at->gps->n - at->gps->known < RLT_GP_FANTASIES) {
            add_running(at, at->seen);
        }
    }
}
