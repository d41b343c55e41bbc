/* tuner: the search space of a normalised experiment.
 * Why sorted by path: the script's table has no order, and a config read back from the store may
 * have another than the one written; the order must be the same or samplers would differ.
 * Thread: any, no state. Owner: the caller (rlt_search_space_fini). */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {
    [RLT_DIST_UNIFORM] = "uniform",       [RLT_DIST_LOGUNIFORM] = "loguniform",
    [RLT_DIST_QUNIFORM] = "quniform",     [RLT_DIST_RANDINT] = "randint",
    [RLT_DIST_LOGRANDINT] = "lograndint", [RLT_DIST_CHOICE] = "choice",
    [RLT_DIST_NORMAL] = "normal",         [RLT_DIST_GRID] = "grid",
    [RLT_DIST_FIXED] = "fixed",           [RLT_DIST_FUNCTION] = "function",
};
static const double integer_max = 0x1p53; /* doubles hold every integer up to here */

const char *rlt_dist_name(rlt_dist_kind kind) {
    RLT_ASSERT((size_t)kind < RLT_COUNT(kinds));
    return kinds[kind];
}

bool rlt_param_is_space(const json_t *json) {
    return json_object_get(json, "$space") != NULL || json_object_get(json, "$function") != NULL;
}

static rlt_status read_kind(const json_t *object, const char *path, rlt_dist_kind *kind,
                            rlt_err *err) {
    const char *name = json_string_value(json_object_get(object, "$space"));
    name = name == NULL ? "" : name;
    for (size_t i = 0; i < RLT_DIST_FUNCTION; i++) {
        if (strcmp(kinds[i], name) == 0) {
            *kind = (rlt_dist_kind)i;
            return RLT_OK;
        }
    }
    const char *nearest = rlt_str_nearest(name, kinds, RLT_DIST_FUNCTION);
    return rlt_fail(err, RLT_ECONFIG,
                    "%s: unknown distribution '%.64s'%s%s%s; allowed: uniform, loguniform, "
                    "quniform, randint, lograndint, choice, normal, grid, fixed",
                    path, name, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                    nearest ? "'?)" : "");
}

static rlt_status read_number(const json_t *object, const char *key, const rlt_param *param,
                              double *number, rlt_err *err) {
    const json_t *json = json_object_get(object, key);
    if (!json_is_number(json) || !isfinite(json_number_value(json))) {
        char *text = json == NULL ? NULL : json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
        rlt_status status =
            rlt_fail(err, RLT_ECONFIG, "%s: %s needs a finite number '%s', got %.64s", param->path,
                     kinds[param->kind], key, text ? text : "nothing");
        free(text);
        return status;
    }
    *number = json_number_value(json);
    return RLT_OK;
}

static rlt_status check_integer_bounds(const rlt_param *param, rlt_err *err) {
    const double bounds[] = {param->low, param->high};
    for (int i = 0; i < 2; i++) {
        if (bounds[i] != floor(bounds[i]) || fabs(bounds[i]) > integer_max) {
            return rlt_fail(err, RLT_ECONFIG,
                            "%s: %s needs integers from -2^53 to 2^53 as bounds, got %.17g",
                            param->path, kinds[param->kind], bounds[i]);
        }
    }
    return RLT_OK;
}

static rlt_status check_bounds(const rlt_param *param, rlt_err *err) {
    const char *kind = kinds[param->kind];
    if (param->low > param->high) {
        return rlt_fail(err, RLT_ECONFIG, "%s: %s needs low <= high, got low %.17g and high %.17g",
                        param->path, kind, param->low, param->high);
    }
    if (param->kind == RLT_DIST_LOGUNIFORM && param->low <= 0) {
        return rlt_fail(err, RLT_ECONFIG, "%s: loguniform needs low > 0, got %.17g", param->path,
                        param->low);
    }
    if (param->kind == RLT_DIST_LOGRANDINT && param->low < 1) {
        return rlt_fail(err, RLT_ECONFIG, "%s: lograndint needs low >= 1, got %.17g", param->path,
                        param->low);
    }
    if (!isfinite(param->high - param->low)) {
        return rlt_fail(err, RLT_ECONFIG, "%s: the range from %g to %g is too wide", param->path,
                        param->low, param->high);
    }
    return RLT_OK;
}

/* A field of integers has no use for a continuous range: the integers in it are searched. */
static void make_integer(rlt_param *param) {
    if (param->kind == RLT_DIST_UNIFORM || param->kind == RLT_DIST_LOGUNIFORM) {
        param->kind = param->kind == RLT_DIST_UNIFORM ? RLT_DIST_RANDINT : RLT_DIST_LOGRANDINT;
        param->low = ceil(param->low);
        param->high = floor(param->high);
    }
}

static rlt_status parse_range(const json_t *object, rlt_param *param, rlt_err *err) {
    RLT_TRY(read_number(object, "low", param, &param->low, err));
    RLT_TRY(read_number(object, "high", param, &param->high, err));
    if (param->integer) {
        make_integer(param);
    }
    if (param->kind == RLT_DIST_QUNIFORM) {
        RLT_TRY(read_number(object, "step", param, &param->step, err));
        if (param->step <= 0) {
            return rlt_fail(err, RLT_ECONFIG, "%s: quniform needs step > 0, got %.17g", param->path,
                            param->step);
        }
        param->integer = param->integer || (json_is_integer(json_object_get(object, "low")) &&
                                            json_is_integer(json_object_get(object, "step")));
    }
    if (param->kind == RLT_DIST_RANDINT || param->kind == RLT_DIST_LOGRANDINT) {
        param->integer = true;
        RLT_TRY(check_integer_bounds(param, err));
    }
    return check_bounds(param, err);
}

static rlt_status parse_normal(const json_t *object, rlt_param *param, rlt_err *err) {
    RLT_TRY(read_number(object, "mean", param, &param->mean, err));
    RLT_TRY(read_number(object, "std", param, &param->std, err));
    if (param->std <= 0) {
        return rlt_fail(err, RLT_ECONFIG, "%s: normal needs std > 0, got %.17g", param->path,
                        param->std);
    }
    param->low = -INFINITY;
    param->high = INFINITY;
    if (json_object_get(object, "low") != NULL) {
        RLT_TRY(read_number(object, "low", param, &param->low, err));
    }
    if (json_object_get(object, "high") != NULL) {
        RLT_TRY(read_number(object, "high", param, &param->high, err));
    }
    return param->low <= param->high
               ? RLT_OK
               : rlt_fail(err, RLT_ECONFIG, "%s: normal needs low <= high, got %.17g and %.17g",
                          param->path, param->low, param->high);
}

static rlt_status parse_choices(const json_t *object, rlt_param *param, rlt_err *err) {
    if (param->kind == RLT_DIST_FIXED) {
        json_t *value = json_object_get(object, "value");
        if (value == NULL) {
            return rlt_fail(err, RLT_ECONFIG, "%s: fixed needs a 'value'", param->path);
        }
        param->choices = json_pack("[O]", value);
        return RLT_OK;
    }
    json_t *values = json_object_get(object, "values");
    if (!json_is_array(values) || json_array_size(values) == 0) {
        return rlt_fail(err, RLT_ECONFIG, "%s: %s needs a list 'values' with at least one value",
                        param->path, kinds[param->kind]);
    }
    param->choices = json_incref(values);
    return RLT_OK;
}

rlt_status rlt_param_parse(const json_t *object, const char *path, rlt_param *param, rlt_err *err) {
    *param = (rlt_param){0};
    if (strlen(path) >= sizeof param->path) {
        return rlt_fail(err, RLT_ECONFIG, "%.100s…: a path of %zu characters; at most %zu fit",
                        path, strlen(path), sizeof param->path - 1);
    }
    memcpy(param->path, path, strlen(path) + 1);
    if (json_object_get(object, "$function") != NULL) {
        param->kind = RLT_DIST_FUNCTION;
        return RLT_OK;
    }
    RLT_TRY(read_kind(object, path, &param->kind, err));
    param->integer = json_is_true(json_object_get(object, "integer"));
    switch (param->kind) {
    case RLT_DIST_NORMAL:
        return parse_normal(object, param, err);
    case RLT_DIST_CHOICE:
    case RLT_DIST_GRID:
    case RLT_DIST_FIXED:
        return parse_choices(object, param, err);
    default:
        return parse_range(object, param, err);
    }
}

void rlt_param_fini(rlt_param *param) {
    json_decref(param->choices);
    param->choices = NULL;
}

typedef struct collector {
    rlt_search_space *space;
    int64_t capacity;
    int depth;
    rlt_err *err;
} collector;

static rlt_status add_param(collector *into, const json_t *object, const char *path) {
    rlt_search_space *space = into->space;
    space->params =
        rlt_tuner_grow(space->params, &into->capacity, space->count + 1, sizeof(rlt_param));
    return rlt_param_parse(object, path, &space->params[space->count++], into->err);
}

static rlt_status collect(collector *into, const json_t *json, const char *path);

static rlt_status collect_child(collector *into, const json_t *child, const char *path,
                                const char *key) {
    enum { DEPTH_MAX = 64 };
    if (!json_is_object(child) && !json_is_array(child)) {
        return RLT_OK;
    }
    char longer[512];
    int length = snprintf(longer, sizeof longer, "%s%s%s", path, *path == 0 ? "" : ".", key);
    if (length < 0 || (size_t)length >= sizeof longer || into->depth >= DEPTH_MAX) {
        return rlt_fail(into->err, RLT_ELIMIT, "%.200s…: tables are nested too deeply", path);
    }
    into->depth++;
    rlt_status status = collect(into, child, longer);
    into->depth--;
    return status;
}

static rlt_status collect(collector *into, const json_t *json, const char *path) {
    if (rlt_param_is_space(json)) {
        return add_param(into, json, path);
    }
    if (json_is_array(json)) {
        for (size_t i = 0; i < json_array_size(json); i++) {
            char key[24];
            snprintf(key, sizeof key, "%zu", i + 1);
            RLT_TRY(collect_child(into, json_array_get(json, i), path, key));
        }
        return RLT_OK;
    }
    const char *key;
    json_t *child;
    json_object_foreach((json_t *)json, key, child) {
        bool own_matter = strcmp(key, "$lua_env") == 0 || (*path == 0 && strcmp(key, "tune") == 0);
        if (!own_matter) {
            RLT_TRY(collect_child(into, child, path, key));
        }
    }
    return RLT_OK;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const rlt_param *)a)->path, ((const rlt_param *)b)->path);
}

rlt_status rlt_search_space_collect(const json_t *experiment, rlt_search_space *space,
                                    rlt_err *err) {
    *space = (rlt_search_space){0};
    collector into = {.space = space, .err = err};
    rlt_status status = collect(&into, experiment, "");
    if (status != RLT_OK) {
        rlt_search_space_fini(space);
        return status;
    }
    if (space->count > 0) {
        qsort(space->params, (size_t)space->count, sizeof(rlt_param), by_path);
    }
    return RLT_OK;
}

void rlt_search_space_fini(rlt_search_space *space) {
    for (int i = 0; i < space->count; i++) {
        rlt_param_fini(&space->params[i]);
    }
    rlt_free(space->params);
    *space = (rlt_search_space){0};
}
