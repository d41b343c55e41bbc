/* tuner: population-based bandits (pb2; Parker-Holder et al. 2020): a copied trial's parameters are
 * those that promise most: an upper confidence bound of how fast results get better, by a Gaussian
 * process over (time, result before, parameters), that forgets old ones. The population's intervals
 * between milestones are its points. As in Ray Tune's PB2: result changes per step, standardised
 * and clipped at two deviations, time and result before scaled to what there was, sqrt(0.2 +
 * log(0.4 n)) deviations above the mean, trials that have just been given parameters counting as
 * tried. Unlike there, parameters are measured on the scale of their space (log for loguniform),
 * results are noisy, the bound takes the deviation (the paper's), and until there are two points
 * parameters are random. Restoring needs the order of time. Thread: the tuner's. */
#include "tuner/minimise.h"
#include "tuner/stoppers/population.h"
#include "tuner/stoppers/tv_gp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MAX = 150, STARTS = 10, FIT_CALLS = 60, SEARCH_CALLS = 40 };

typedef struct bandit_point {
    int64_t number, step;
    double before, change; /* result at the start of the interval, and per step in it; keys */
} bandit_point;

typedef struct bandit {
    int d;
    int *params;        /* [d] which of the space's */
    double *low, *high; /* [d] places in the unit cube between which they are */
    bandit_point *points;
    double *places; /* [count][d] of points */
    int64_t count, capacity, places_capacity;
    struct bandit_base { /* where a trial's interval began */
        int64_t step;
        double key; /* NAN: no result there */
    } * bases;
    int64_t bases_capacity;
} bandit;

static double unit_of(const rlt_param *param, const json_t *json) {
    rlt_value value;
    return rlt_value_parse(param, json, &value, NULL) == RLT_OK ? rlt_param_unit(param, value)
                                                                : 0.5;
}

static void fill_place(const rlt_population *at, const json_t *params, double *place) {
    const bandit *b = at->model;
    for (int j = 0; j < b->d; j++) {
        const rlt_param *param = &at->space->params[b->params[j]];
        place[j] = unit_of(param, json_object_get(params, param->path));
    }
}

/* ---- points ---- */

static struct bandit_base *base_of(bandit *b, int64_t number) {
    int64_t had = b->bases_capacity;
    b->bases = rlt_tuner_grow(b->bases, &b->bases_capacity, number + 1, sizeof *b->bases);
    for (int64_t i = had; i < b->bases_capacity; i++) {
        b->bases[i] = (struct bandit_base){0, NAN};
    }
    return &b->bases[number];
}

static void note(rlt_population *at, int64_t number, int64_t step, double key) {
    bandit *b = at->model;
    struct bandit_base *base = base_of(b, number);
    if (isfinite(base->key) && isfinite(key) && step > base->step) {
        b->points = rlt_tuner_grow(b->points, &b->capacity, b->count + 1, sizeof(bandit_point));
        b->places =
            rlt_tuner_grow(b->places, &b->places_capacity, (b->count + 1) * b->d, sizeof(double));
        fill_place(at, at->members[number].params, b->places + b->count * b->d);
        b->points[b->count++] = (bandit_point){number, step, base->key,
                                               (key - base->key) / (double)(step - base->step)};
    }
    *base = (struct bandit_base){step, key};
}

static void rebase(rlt_population *at, int64_t number, int64_t source) {
    bandit *b = at->model;
    if (source >= 0 && source < at->count) {
        base_of(b, number)->key = at->members[source].key;
    }
}

/* ---- the model ---- */

static int by_time(const void *a, const void *b, void *user) {
    const bandit_point *points = user;
    const bandit_point *x = &points[*(const int64_t *)a], *y = &points[*(const int64_t *)b];
    return x->step != y->step ? (x->step > y->step) - (x->step < y->step)
                              : (x->number > y->number) - (x->number < y->number);
}

typedef struct scale {
    double step_min, step_size, before_min, before_size;
} scale;

static void put_context(const scale *s, double step, double before, double *place) {
    place[0] = (step - s->step_min) / s->step_size;
    place[1] = (before - s->before_min) / s->before_size;
}

static scale scale_of(const bandit *b, const int64_t *order, int64_t first) {
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    for (int64_t i = first; i < b->count; i++) {
        const bandit_point *p = &b->points[order[i]];
        const double values[] = {(double)p->step, p->before};
        for (int j = 0; j < 2; j++) {
            low[j] = fmin(low[j], values[j]);
            high[j] = fmax(high[j], values[j]);
        }
    }
    return (scale){low[0], high[0] - low[0] + 1e-8, low[1], high[1] - low[1] + 1e-8};
}

/* The newest points, standardised; their changes are clipped at two deviations. */
static scale fill_model(const bandit *b, rlt_tv_gp *gp) {
    int64_t *order = rlt_alloc(sizeof *order * (size_t)b->count);
    for (int64_t i = 0; i < b->count; i++) {
        order[i] = i;
    }
    qsort_r(order, (size_t)b->count, sizeof *order, by_time, b->points);
    int64_t first = b->count > POINTS_MAX ? b->count - POINTS_MAX : 0, n = b->count - first;
    double sum = 0, square = 0;
    for (int64_t i = first; i < b->count; i++) {
        sum += b->points[order[i]].change;
    }
    for (int64_t i = first; i < b->count; i++) {
        double off = b->points[order[i]].change - sum / (double)n;
        square += off * off;
    }
    double deviation = sqrt(square / (double)n);
    scale s = scale_of(b, order, first);
    double *place = rlt_alloc(sizeof(double) * (size_t)(b->d + 2));
    for (int64_t i = first; i < b->count; i++) {
        const bandit_point *p = &b->points[order[i]];
        put_context(&s, (double)p->step, p->before, place);
        memcpy(place + 2, b->places + order[i] * b->d, sizeof(double) * (size_t)b->d);
        double y = deviation > 0 ? (p->change - sum / (double)n) / deviation : 0;
        rlt_tv_gp_add(gp, place, fmin(fmax(y, -2), 2));
    }
    rlt_free(place);
    rlt_free(order);
    return s;
}

/* Trials that got parameters at this milestone and have not tried them. */
static void pend_others(const rlt_population *at, int64_t number, int64_t index, rlt_tv_gp *gp,
                        double *place) {
    for (int64_t i = 0; i < at->count; i++) {
        const rlt_pop_member *m = &at->members[i];
        const rlt_copied *last = m->copied_count > 0 ? &m->copied[m->copied_count - 1] : NULL;
        if (i != number && !m->ended && last != NULL && last->index == index && m->index == index &&
            gp->n < gp->capacity) {
            fill_place(at, m->params, place + 2);
            rlt_tv_gp_pend(gp, place);
        }
    }
}

/* ---- the choice ---- */

typedef struct search {
    rlt_tv_gp *gp;
    double *place; /* [2 + d] the context is set */
    double width;  /* of the bound, in deviations */
    int d;
} search;

static double bound_at(search *s, const double *x) {
    double mean, variance;
    memcpy(s->place + 2, x, sizeof(double) * (size_t)s->d);
    rlt_tv_gp_predict(s->gp, s->place, &mean, &variance);
    return mean + s->width * sqrt(variance);
}

static double minus_bound(void *user, const double *x, double *gradient) {
    search *s = user;
    const double h = 1e-5;
    double *moved = s->place + 2 + s->d;
    memcpy(moved, x, sizeof(double) * (size_t)s->d);
    for (int j = 0; j < s->d; j++) {
        moved[j] = x[j] + h;
        double above = bound_at(s, moved);
        moved[j] = x[j] - h;
        gradient[j] = -(above - bound_at(s, moved)) / (2 * h);
        moved[j] = x[j];
    }
    return -bound_at(s, x);
}

static void random_place(const rlt_population *at, int64_t number, int64_t index, int start,
                         double *x) {
    const bandit *b = at->model;
    for (int j = 0; j < b->d; j++) {
        char what[RLT_NAME_MAX + 32];
        snprintf(what, sizeof what, "start %d %s", start, at->space->params[b->params[j]].path);
        x[j] = b->low[j] + (b->high[j] - b->low[j]) * rlt_population_draw(at, number, index, what);
    }
}

static void best_place(rlt_population *at, int64_t number, int64_t index, int64_t source,
                       double *best) {
    const bandit *b = at->model;
    const rlt_minimise_options options = {b->low, b->high, 1e-4, 1e-9, SEARCH_CALLS};
    rlt_tv_gp gp;
    rlt_tv_gp_init(&gp, b->d + 1, POINTS_MAX + (int)at->count);
    double *place = rlt_alloc(sizeof(double) * (size_t)(2 + 3 * b->d)), *x = place + 2 + 2 * b->d;
    scale s = fill_model(b, &gp);
    double width = sqrt(0.2 + fmax(0, log(0.4 * gp.known))), best_bound = INFINITY;
    rlt_tv_gp_fit(&gp, FIT_CALLS);
    put_context(&s, (double)at->members[number].step, at->members[source].key, place);
    pend_others(at, number, index, &gp, place);
    search found = {&gp, place, width, b->d};
    for (int i = 0; i < STARTS; i++) {
        random_place(at, number, index, i, x);
        double bound = rlt_minimise(minus_bound, &found, b->d, &options, x);
        if (bound < best_bound) {
            best_bound = bound;
            memcpy(best, x, sizeof(double) * (size_t)b->d);
        }
    }
    rlt_free(place);
    rlt_tv_gp_fini(&gp);
}

static void explore(rlt_population *at, int64_t number, int64_t index, int64_t source,
                    json_t **params, json_t **changes) {
    const bandit *b = at->model;
    double *x = rlt_alloc(sizeof(double) * (size_t)b->d);
    bool modelled = b->count >= 2;
    *params = json_deep_copy(at->members[source].params);
    *changes = json_object();
    if (modelled) {
        best_place(at, number, index, source, x);
    } else {
        random_place(at, number, index, 0, x);
    }
    for (int j = 0; j < b->d; j++) {
        const rlt_param *param = &at->space->params[b->params[j]];
        json_t *from = json_incref(json_object_get(*params, param->path));
        json_t *to = rlt_value_json(param, rlt_param_place(param, x[j]));
        json_object_set(*params, param->path, to);
        rlt_population_note(*changes, param->path, from, to, modelled ? "model" : "random");
        json_decref(from);
        json_decref(to);
    }
    rlt_free(x);
}

/* ---- setting up ---- */

static rlt_status set_bounds(const rlt_param *param, const json_t *bounds, double *low,
                             double *high, rlt_err *err) {
    double from = json_number_value(json_array_get(bounds, 0));
    double to = json_number_value(json_array_get(bounds, 1));
    *low = 0;
    *high = 1;
    if (bounds == NULL) {
        return RLT_OK;
    }
    if (from < param->low || to > param->high) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: hyperparam_bounds of %s, %g to %g, leave its search space, "
                        "%g to %g",
                        param->path, from, to, param->low, param->high);
    }
    *low = rlt_param_unit(param, (rlt_value){from, -1});
    *high = rlt_param_unit(param, (rlt_value){to, -1});
    return RLT_OK;
}

static rlt_status pb2_init(void *state, const rlt_stopper_setup *setup, rlt_err *err) {
    rlt_population *at = state;
    RLT_TRY(rlt_population_init(at, setup, explore, err));
    size_t count = (size_t)setup->space->count;
    bandit *b = rlt_alloc(sizeof *b);
    at->model = b;
    at->note = note;
    at->rebase = rebase;
    b->params = rlt_alloc(sizeof(int) * count);
    b->low = rlt_alloc(sizeof(double) * 2 * count);
    b->high = b->low + count;
    for (int i = 0; i < setup->space->count; i++) {
        const rlt_param *param = &setup->space->params[i];
        if (!at->mutable[i]) {
            continue;
        }
        if (param->kind == RLT_DIST_CHOICE || param->kind == RLT_DIST_GRID) {
            return rlt_fail(err, RLT_ECONFIG,
                            "tune.stopper: pb2 models numbers, but %s is a choice; leave it out by "
                            "mutations = { ... }, or use pbt",
                            param->path);
        }
        const json_t *bounds =
            json_object_get(json_object_get(setup->options, "hyperparam_bounds"), param->path);
        RLT_TRY(set_bounds(param, bounds, &b->low[b->d], &b->high[b->d], err));
        b->params[b->d++] = i;
    }
    return RLT_OK;
}

static void pb2_fini(void *state) {
    rlt_population *at = state;
    bandit *b = at->model;
    if (b != NULL) {
        rlt_free(b->params);
        rlt_free(b->low);
        rlt_free(b->points);
        rlt_free(b->places);
        rlt_free(b->bases);
        rlt_free(b);
    }
    rlt_population_fini(state);
}

const rlt_stopper_def rlt_stopper_pb2 = {
    .state_size = sizeof(rlt_population),
    .init = pb2_init,
    .fini = pb2_fini,
    .index = rlt_population_index,
    .step = rlt_population_step,
    .judge = rlt_population_judge,
    .ended = rlt_population_ended,
    .closed = rlt_population_closed,
    .started = rlt_population_started,
    .exploit = rlt_population_exploit,
    .restore = rlt_population_restore,
    .rule = rlt_population_rule,
    .copies = true,
    .explain = rlt_population_explain,
    .names = {"rank", "expected", "source", "source_value"},
};
