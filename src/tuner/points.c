/* tuner: the points to try first, as a script gives them.
 * Why checked at the start: a misspelt path must not be found out after hours. A point may leave
 * parameters open. Thread: any, no state. */
#include "tuner/tuner_impl.h"

#include <stdio.h>
#include <string.h>

static const rlt_param *find_param(const rlt_search_space *space, const char *path) {
    for (int i = 0; i < space->count; i++) {
        if (strcmp(space->params[i].path, path) == 0) {
            return &space->params[i];
        }
    }
    return NULL;
}

static rlt_status unknown_path(const rlt_search_space *space, size_t point, const char *path,
                               rlt_err *err) {
    const char *names[256];
    size_t count = 0;
    for (int i = 0; i < space->count && count < RLT_COUNT(names); i++) {
        names[count++] = space->params[i].path;
    }
    const char *nearest = rlt_str_nearest(path, names, count);
    return rlt_fail(err, RLT_ECONFIG,
                    "tune.points[%zu]: '%.128s' is not a parameter of the search space%s%s%s",
                    point + 1, path, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                    nearest ? "'?)" : "");
}

/* Adds the values of a table of a point to `flat` under their full paths: {ppo = {lr = 0.1}} and
 * {["ppo.lr"] = 0.1} say the same. */
static rlt_status flatten_point(const rlt_search_space *space, size_t point, const json_t *table,
                                const char *prefix, json_t *flat, rlt_err *err) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)table, key, value) {
        char path[2 * RLT_NAME_MAX];
        snprintf(path, sizeof path, "%s%s%s", prefix, *prefix == 0 ? "" : ".", key);
        const rlt_param *param = find_param(space, path);
        if (param == NULL && json_is_object(value) && strlen(path) < RLT_NAME_MAX) {
            RLT_TRY(flatten_point(space, point, value, path, flat, err));
            continue;
        }
        if (param == NULL) {
            return unknown_path(space, point, path, err);
        }
        rlt_value parsed;
        rlt_err why = {0};
        if (param->kind != RLT_DIST_FUNCTION &&
            rlt_value_parse(param, value, &parsed, &why) != RLT_OK) {
            return rlt_fail(err, RLT_ECONFIG, "tune.points[%zu]: %s", point + 1, why.message);
        }
        json_object_set(flat, path, value);
    }
    return RLT_OK;
}

rlt_status rlt_points_read(const json_t *experiment, const rlt_search_space *space, json_t **points,
                           rlt_err *err) {
    *points = NULL;
    const json_t *given = json_object_get(json_object_get(experiment, "tune"), "points");
    if (given == NULL || json_is_null(given)) {
        return RLT_OK;
    }
    /* an empty Lua table is an object */
    if (!json_is_array(given) && json_object_size(given) > 0) {
        return rlt_fail(err, RLT_ECONFIG, "tune.points: must be a list of tables {path = value}");
    }
    *points = json_array();
    for (size_t i = 0; i < json_array_size(given); i++) {
        const json_t *point = json_array_get(given, i);
        if (!json_is_object(point)) {
            return rlt_fail(err, RLT_ECONFIG, "tune.points[%zu]: must be a table {path = value}",
                            i + 1);
        }
        json_t *flat = json_object();
        json_array_append_new(*points, flat);
        RLT_TRY(flatten_point(space, i, point, "", flat, err));
    }
    return RLT_OK;
}
