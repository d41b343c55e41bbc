/* tuner: the points to try first: experiment.tune.points, as config leaves it: a list of {path:
 * value}. A point may leave parameters open. Thread: any, no state. */
#include "tuner/tuner_impl.h"

#include <string.h>

static const rlt_param *find_param(const rlt_search_space *space, const char *path) {
    for (int i = 0; i < space->count; i++) {
        if (strcmp(space->params[i].path, path) == 0) {
            return &space->params[i];
        }
    }
    return NULL;
}

static rlt_status check_point(const json_t *point, size_t number, const rlt_search_space *space,
                              rlt_err *err) {
    if (!json_is_object(point)) {
        return rlt_fail(err, RLT_ECONFIG, "tune.points[%zu]: must be a table {path = value}",
                        number);
    }
    const char *path;
    json_t *json;
    json_object_foreach((json_t *)point, path, json) {
        const rlt_param *param = find_param(space, path);
        if (param == NULL) {
            return rlt_fail(err, RLT_ECONFIG,
                            "tune.points[%zu]: '%.128s' is not a parameter of the search space",
                            number, path);
        }
        rlt_value value;
        rlt_err why = {0};
        if (param->kind != RLT_DIST_FUNCTION &&
            rlt_value_parse(param, json, &value, &why) != RLT_OK) {
            return rlt_fail(err, RLT_ECONFIG, "tune.points[%zu]: %s", number, why.message);
        }
    }
    return RLT_OK;
}

rlt_status rlt_points_read(const json_t *experiment, const rlt_search_space *space, json_t **points,
                           rlt_err *err) {
    const json_t *given = json_object_get(json_object_get(experiment, "tune"), "points");
    for (size_t i = 0; i < json_array_size(given); i++) {
        RLT_TRY(check_point(json_array_get(given, i), i + 1, space, err));
    }
    *points = json_deep_copy(given);
    return RLT_OK;
}
