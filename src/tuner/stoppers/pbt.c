/* tuner: population-based training: how a copied trial's parameters are explored, as Ray Tune's
 * explore(): with resample_probability a parameter is drawn anew from its space; else a number is
 * multiplied by one of the perturbation factors, and a choice moves to one of its neighbours.
 * Unlike there, what leaves the search space, or the one that `mutations` gives, is clipped to it.
 * Thread: the tuner's. */
#include "tuner/stoppers/population.h"

#include <math.h>
#include <stdio.h>

static double draw(const rlt_population *at, int64_t number, int64_t index, const char *what,
                   const char *path) {
    char name[RLT_NAME_MAX + 32];
    snprintf(name, sizeof name, "%s %s", what, path);
    return rlt_population_draw(at, number, index, name);
}

/* The factor's product in the space: whole or a step where it must be, within the bounds. */
static rlt_value perturbed(const rlt_param *param, double number, double factor) {
    double moved = number * factor;
    if (param->kind == RLT_DIST_QUNIFORM) {
        double n = round((moved - param->low) / param->step);
        return rlt_param_nth(param, (int64_t)fmin(fmax(n, 0), (double)rlt_param_count(param) - 1));
    }
    bool whole =
        param->integer || param->kind == RLT_DIST_RANDINT || param->kind == RLT_DIST_LOGRANDINT;
    moved = fmin(fmax(whole ? round(moved) : moved, param->low), param->high);
    return (rlt_value){.number = moved, .choice = -1};
}

static rlt_value shifted(const rlt_param *param, rlt_value value, double u, char *by, size_t size) {
    int shift = u < 0.5 ? -1 : 1, last = (int)rlt_param_count(param) - 1;
    int to = value.choice + shift;
    snprintf(by, size, "shift %s", shift < 0 ? "left" : "right");
    return (rlt_value){.number = 0, .choice = to < 0 ? 0 : to > last ? last : to};
}

/* A number that its mutations do not hold, as the one that it started with, is perturbed too. */
static bool read_value(const rlt_param *param, bool own, const json_t *from, rlt_value *value) {
    if (rlt_value_parse(param, from, value, NULL) == RLT_OK) {
        return true;
    }
    bool number = param->choices == NULL && json_is_number(from);
    *value = (rlt_value){.number = json_number_value(from), .choice = -1};
    return number && !own;
}

static rlt_value explore_one(const rlt_population *at, int64_t number, int64_t index,
                             const rlt_param *param, bool own, const json_t *from, char *by,
                             size_t size) {
    rlt_value value;
    bool known = read_value(param, own, from, &value);
    double u = draw(at, number, index, "value", param->path);
    if (!known ||
        draw(at, number, index, "resample", param->path) < at->config->pbt.resample_probability) {
        snprintf(by, size, "resample");
        return rlt_param_at(param, u);
    }
    if (value.choice >= 0) {
        return shifted(param, value, u, by, size);
    }
    double factor = at->config->pbt.factors[(int)(u * at->config->pbt.factor_count)];
    snprintf(by, size, "* %g", factor);
    return perturbed(param, value.number, factor);
}

static void explore(rlt_population *at, int64_t number, int64_t index, int64_t source,
                    json_t **params, json_t **changes) {
    *params = json_deep_copy(at->members[source].params);
    *changes = json_object();
    for (int i = 0; i < at->space->count; i++) {
        bool own = at->into[i].path[0] == 0;
        const rlt_param *param = own ? &at->space->params[i] : &at->into[i];
        if (!at->mutable[i]) {
            continue;
        }
        char by[40];
        json_t *from = json_incref(json_object_get(*params, param->path));
        rlt_value value = explore_one(at, number, index, param, own, from, by, sizeof by);
        json_t *to = rlt_value_json(param, value);
        json_object_set(*params, param->path, to);
        rlt_population_note(*changes, param->path, from, to, by);
        json_decref(from);
        json_decref(to);
    }
}

static rlt_status pbt_init(void *state, const rlt_stopper_setup *setup, rlt_err *err) {
    return rlt_population_init(state, setup, explore, err);
}

const rlt_stopper_def rlt_stopper_pbt = {
    .state_size = sizeof(rlt_population),
    .init = pbt_init,
    .fini = rlt_population_fini,
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
