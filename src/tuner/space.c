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
const char *rlt_dist_name(rlt_dist_kind kind) {
    RLT_ASSERT((size_t)kind < RLT_COUNT(kinds));
    return kinds[kind];
}

bool rlt_param_is_space(const json_t *json) {
    return json_object_get(json, "$space") != NULL || json_object_get(json, "$function") != NULL;
}

static double number_of(const json_t *space, const char *key, double otherwise) {
    const json_t *json = json_object_get(space, key);
    return json == NULL ? otherwise : json_number_value(json);
}

/* A field of integers has no use for a continuous range: the integers in it are searched. */
static rlt_status make_integer(rlt_param *param, rlt_err *err) {
    double low = param->low, high = param->high;
    if (param->kind == RLT_DIST_UNIFORM || param->kind == RLT_DIST_LOGUNIFORM) {
        param->kind = param->kind == RLT_DIST_UNIFORM ? RLT_DIST_RANDINT : RLT_DIST_LOGRANDINT;
        param->low = ceil(low);
        param->high = floor(high);
    }
    return param->low <= param->high
               ? RLT_OK
               : rlt_fail(err, RLT_ECONFIG, "%s: takes integers, but there is none from %g to %g",
                          param->path, low, high);
}

static rlt_status read_space(const json_t *space, rlt_param *param, rlt_err *err) {
    const char *name = json_string_value(json_object_get(space, "$space"));
    while (strcmp(kinds[param->kind], name) != 0) {
        param->kind++;
        RLT_ASSERT(param->kind < RLT_DIST_FUNCTION);
    }
    param->low = number_of(space, "low", -INFINITY);
    param->high = number_of(space, "high", INFINITY);
    param->step = number_of(space, "step", 0);
    param->mean = number_of(space, "mean", 0);
    param->std = number_of(space, "std", 0);
    param->choices = param->kind == RLT_DIST_FIXED
                         ? json_pack("[O]", json_object_get(space, "value"))
                         : json_incref(json_object_get(space, "values"));
    /* whole bounds and steps make whole numbers: 64, not 64.0 */
    bool whole_steps = param->kind == RLT_DIST_QUNIFORM &&
                       json_is_integer(json_object_get(space, "low")) &&
                       json_is_integer(json_object_get(space, "step"));
    param->integer = whole_steps || param->kind == RLT_DIST_RANDINT ||
                     param->kind == RLT_DIST_LOGRANDINT || rlt_config_takes_integers(param->path);
    return param->integer ? make_integer(param, err) : RLT_OK;
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
    rlt_err why = {0};
    rlt_status status = rlt_space_check(object, &why);
    return status == RLT_OK ? read_space(object, param, err)
                            : rlt_fail(err, status, "%s: %s", path, why.message);
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
    int length =
        snprintf(longer, sizeof longer, "%s%s%s", path, *path == 0 || *key == '[' ? "" : ".", key);
    if (length < 0 || (size_t)length >= sizeof longer || into->depth >= DEPTH_MAX) {
        return rlt_fail(into->err, RLT_ELIMIT, "%.200s…: tables are nested too deeply", path);
    }
    into->depth++;
    rlt_status status = collect(into, child, longer);
    into->depth--;
    return status;
}

/* A value of a list has no path; lists are searched as a whole. */
static rlt_status collect_list(collector *into, const json_t *list, const char *path) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        int before = into->space->count;
        RLT_TRY(collect_child(into, json_array_get(list, i), path, "[]"));
        if (into->space->count > before) {
            return rlt_fail(into->err, RLT_ECONFIG,
                            "%s: value %zu of the list is to be searched, which only the list as a "
                            "whole can be; use space.choice{ {64, 64}, {256, 256} }",
                            path, i + 1);
        }
    }
    return RLT_OK;
}

/* Layers have a path each: "model[3]". */
static rlt_status collect_layers(collector *into, const json_t *layers, const char *path) {
    for (size_t i = 0; i < json_array_size(layers); i++) {
        char place[32];
        snprintf(place, sizeof place, "[%zu]", i + 1);
        RLT_TRY(collect_child(into, json_array_get(layers, i), path, place));
    }
    return RLT_OK;
}

static rlt_status collect(collector *into, const json_t *json, const char *path) {
    if (rlt_param_is_space(json)) {
        return add_param(into, json, path);
    }
    if (json_is_array(json)) {
        return collect_list(into, json, path);
    }
    const char *key;
    json_t *child;
    json_object_foreach((json_t *)json, key, child) {
        bool own_matter =
            strcmp(key, "$lua_env") == 0 ||
            (*path == 0 && (strcmp(key, "tune") == 0 || strcmp(key, "objective") == 0));
        bool layers = strncmp(path, "model", 5) == 0 && strcmp(key, "layers") == 0;
        if (layers) {
            RLT_TRY(collect_layers(into, child, path));
        } else if (!own_matter) {
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
