/* tuner: the points to try first: experiment.tune.points, as config leaves it: a list of {path:
 * value}. A point may leave parameters open. Thread: any, no state. */
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

static rlt_status fail_unknown(const char *path, const char *what, const rlt_search_space *space,
                               rlt_err *err) {
    const char **names = rlt_alloc(sizeof *names * (size_t)(space->count + 1));
    for (int i = 0; i < space->count; i++) {
        names[i] = space->params[i].path;
    }
    const char *nearest = rlt_str_nearest(path, names, (size_t)space->count);
    rlt_fail(err, RLT_ECONFIG, "%s: '%.128s' is not a parameter of the search space%s%s%s", what,
             path, nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
             nearest != NULL ? "'?" : "");
    rlt_free(names);
    return RLT_ECONFIG;
}

rlt_status rlt_point_check(const json_t *point, const char *what, const rlt_search_space *space,
                           rlt_err *err) {
    if (!json_is_object(point)) {
        return rlt_fail(err, RLT_ECONFIG, "%s: must be a table {path = value}", what);
    }
    const char *path;
    json_t *json;
    json_object_foreach((json_t *)point, path, json) {
        const rlt_param *param = find_param(space, path);
        if (param == NULL) {
            return fail_unknown(path, what, space, err);
        }
        rlt_value value;
        rlt_err why = {0};
        if (param->kind != RLT_DIST_FUNCTION &&
            rlt_value_parse(param, json, &value, &why) != RLT_OK) {
            return rlt_fail(err, RLT_ECONFIG, "%s: %s", what, why.message);
        }
    }
    return RLT_OK;
}

rlt_status rlt_points_read(const json_t *experiment, const rlt_search_space *space, json_t **points,
                           rlt_err *err) {
    const json_t *given = json_object_get(json_object_get(experiment, "tune"), "points");
    for (size_t i = 0; i < json_array_size(given); i++) {
        char what[48];
        snprintf(what, sizeof what, "tune.points[%zu]", i + 1);
        RLT_TRY(rlt_point_check(json_array_get(given, i), what, space, err));
    }
    *points = json_deep_copy(given);
    return RLT_OK;
}
