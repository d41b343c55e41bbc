/* exchange: Optuna's distributions and our search spaces.
 * Sources: optuna/distributions.py of 5.0.0, and of 2.10 for the names before 3.0.
 * Thread: any. Owner: a distribution owns its choices (optuna_dist_fini). */
#include "exchange/exchange_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- from JSON ---- */

static const struct {
    const char *name;
    optuna_kind kind;
    int log;          /* -1: the attribute says so */
    const char *step; /* the attribute's name, or NULL */
} names[] = {
    {"FloatDistribution", OPTUNA_FLOAT, -1, "step"},
    {"IntDistribution", OPTUNA_INT, -1, "step"},
    {"CategoricalDistribution", OPTUNA_CATEGORICAL, 0, NULL},
    {"UniformDistribution", OPTUNA_FLOAT, 0, NULL},
    {"LogUniformDistribution", OPTUNA_FLOAT, 1, NULL},
    {"DiscreteUniformDistribution", OPTUNA_FLOAT, 0, "q"},
    {"IntUniformDistribution", OPTUNA_INT, 0, "step"},
    {"IntLogUniformDistribution", OPTUNA_INT, 1, NULL}, /* its step is 1 */
};

static rlt_status read_number(const json_t *attributes, const char *key, bool optional,
                              double *value, rlt_err *err) {
    const json_t *json = json_object_get(attributes, key);
    *value = 0;
    if (optional && (json == NULL || json_is_null(json))) {
        return RLT_OK;
    }
    *value = json_number_value(json);
    return json_is_number(json) && isfinite(*value)
               ? RLT_OK
               : rlt_fail(err, RLT_ECORRUPT, "'%s' must be a finite number", key);
}

static bool whole(double x) {
    return x == floor(x) && fabs(x) <= 0x1p53;
}

static rlt_status check_range(const optuna_dist *dist, rlt_err *err) {
    bool integers = dist->kind == OPTUNA_INT;
    if (!(dist->low <= dist->high) || !isfinite(dist->high - dist->low)) {
        return rlt_fail(err, RLT_ECORRUPT, "low (%.17g) must be at most high (%.17g)", dist->low,
                        dist->high);
    }
    if (dist->log && !(dist->low > 0)) {
        return rlt_fail(err, RLT_ECORRUPT, "log, but low is %.17g", dist->low);
    }
    if (!(dist->step >= 0) ||
        (integers && !(whole(dist->low) && whole(dist->high) && whole(dist->step)))) {
        return rlt_fail(err, RLT_ECORRUPT, "low %.17g, high %.17g, step %.17g are no range of %s",
                        dist->low, dist->high, dist->step, integers ? "integers" : "numbers");
    }
    return RLT_OK;
}

/* Of Optuna's kinds only: null, false, true, numbers, texts. */
static rlt_status read_choices(const json_t *attributes, optuna_dist *dist, rlt_err *err) {
    const json_t *choices = json_object_get(attributes, "choices");
    if (!json_is_array(choices) || json_array_size(choices) == 0) {
        return rlt_fail(err, RLT_ECORRUPT, "'choices' must be a list with at least one value");
    }
    for (size_t i = 0; i < json_array_size(choices); i++) {
        const json_t *choice = json_array_get(choices, i);
        if (json_is_array(choice) || json_is_object(choice)) {
            return rlt_fail(err, RLT_ENOTSUP, "choice %zu is a list or a table", i);
        }
    }
    dist->choices = json_deep_copy(choices);
    return RLT_OK;
}

static rlt_status read_range(const json_t *attributes, int log, const char *step, optuna_dist *dist,
                             rlt_err *err) {
    RLT_TRY(read_number(attributes, "low", false, &dist->low, err));
    RLT_TRY(read_number(attributes, "high", false, &dist->high, err));
    if (step != NULL) {
        RLT_TRY(read_number(attributes, step, true, &dist->step, err));
    }
    dist->log = log >= 0 ? log == 1 : json_is_true(json_object_get(attributes, "log"));
    if (dist->kind == OPTUNA_INT && dist->step == 0) {
        dist->step = 1;
    }
    return check_range(dist, err);
}

static rlt_status read_dist(const json_t *json, optuna_dist *dist, rlt_err *err) {
    const char *name = json_string_value(json_object_get(json, "name"));
    const json_t *attributes = json_object_get(json, "attributes");
    for (size_t i = 0; name != NULL && i < RLT_COUNT(names); i++) {
        if (strcmp(name, names[i].name) == 0) {
            dist->kind = names[i].kind;
            return dist->kind == OPTUNA_CATEGORICAL
                       ? read_choices(attributes, dist, err)
                       : read_range(attributes, names[i].log, names[i].step, dist, err);
        }
    }
    return rlt_fail(err, RLT_ECORRUPT, "'%.40s' is no distribution of Optuna",
                    name != NULL ? name : "");
}

rlt_status optuna_dist_parse(const char *text, optuna_dist *dist, rlt_err *err) {
    *dist = (optuna_dist){0};
    json_t *json = json_loads(text, 0, NULL);
    rlt_status status = json != NULL ? read_dist(json, dist, err)
                                     : rlt_fail(err, RLT_ECORRUPT, "'%.80s' is no JSON", text);
    json_decref(json);
    if (status != RLT_OK) {
        optuna_dist_fini(dist);
    }
    return status;
}

void optuna_dist_fini(optuna_dist *dist) {
    json_decref(dist->choices);
    dist->choices = NULL;
}

bool optuna_dist_widen(optuna_dist *wide, const optuna_dist *other, bool *changed) {
    *changed = false;
    if (wide->kind != other->kind || wide->log != other->log) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(other->choices); i++) {
        json_t *choice = json_array_get(other->choices, i);
        bool known = false;
        for (size_t k = 0; k < json_array_size(wide->choices); k++) {
            known |= json_equal(choice, json_array_get(wide->choices, k));
        }
        if (!known) {
            json_array_append(wide->choices, choice);
            *changed = true;
        }
    }
    bool steps = wide->step != other->step;
    *changed |= wide->low != other->low || wide->high != other->high || steps;
    wide->low = fmin(wide->low, other->low);
    wide->high = fmax(wide->high, other->high);
    if (steps) { /* any value of both */
        wide->step = wide->kind == OPTUNA_INT ? 1 : 0;
    }
    return true;
}

/* ---- as our search space, and values ---- */

static json_t *number_json(const optuna_dist *dist, double x) {
    return dist->kind == OPTUNA_INT ? json_integer((json_int_t)x) : json_real(x);
}

json_t *optuna_dist_space(const optuna_dist *dist) {
    if (dist->kind == OPTUNA_CATEGORICAL) {
        return json_pack("{s:s, s:o}", "$space", "choice", "values", json_deep_copy(dist->choices));
    }
    bool integers = dist->kind == OPTUNA_INT;
    double range = dist->high - dist->low;
    if (range == 0 || dist->step > range) {
        return json_pack("{s:s, s:o}", "$space", "fixed", "value", number_json(dist, dist->low));
    }
    bool steps = integers ? dist->step > 1 && !dist->log : dist->step > 0;
    const char *kind = steps       ? "quniform"
                       : dist->log ? (integers ? "lograndint" : "loguniform")
                                   : (integers ? "randint" : "uniform");
    json_t *space = json_pack("{s:s, s:o, s:o}", "$space", kind, "low",
                              number_json(dist, dist->low), "high", number_json(dist, dist->high));
    if (steps) {
        json_object_set_new(space, "step", number_json(dist, dist->step));
    }
    return space;
}

json_t *optuna_dist_value(const optuna_dist *dist, double stored) {
    if (dist->kind == OPTUNA_CATEGORICAL) {
        return stored >= 0 && stored == floor(stored) &&
                       stored < (double)json_array_size(dist->choices)
                   ? json_deep_copy(json_array_get(dist->choices, (size_t)stored))
                   : NULL;
    }
    if (!isfinite(stored) || (dist->kind == OPTUNA_INT && !whole(stored))) {
        return NULL;
    }
    return number_json(dist, stored);
}

json_t *optuna_dist_json(const optuna_dist *dist) {
    if (dist->kind == OPTUNA_CATEGORICAL) {
        return json_pack("{s:s, s:{s:O}}", "name", "CategoricalDistribution", "attributes",
                         "choices", dist->choices);
    }
    bool integers = dist->kind == OPTUNA_INT;
    json_t *step = integers         ? json_integer((json_int_t)dist->step)
                   : dist->step > 0 ? json_real(dist->step)
                                    : json_null();
    return json_pack("{s:s, s:{s:b, s:o, s:o, s:o}}", "name",
                     integers ? "IntDistribution" : "FloatDistribution", "attributes", "log",
                     (int)dist->log, "step", step, "low", number_json(dist, dist->low), "high",
                     number_json(dist, dist->high));
}

bool optuna_dist_stored(const optuna_dist *dist, const json_t *value, double *stored) {
    if (dist->kind != OPTUNA_CATEGORICAL) {
        *stored = json_number_value(value);
        return json_is_number(value) && *stored >= dist->low && *stored <= dist->high;
    }
    for (size_t i = 0; i < json_array_size(dist->choices); i++) {
        if (json_equal(value, json_array_get(dist->choices, i))) {
            *stored = (double)i;
            return true;
        }
    }
    return false;
}
