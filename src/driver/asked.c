/* driver: points that clients bring; which parameters a client's trial asked for. It was given a
 * value for every parameter that was known when it began; its row keeps those that its code used,
 * as readers expect, and the event "trial.unasked" the others: the sampler has learnt of them, and
 * must again on a replay. Both are written with the trial's end. Thread: the driver's. Owner: the
 * driver. */
#include "driver/clients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_asked(const json_t *asked, const char *path) {
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)asked, i, name) {
        if (strcmp(json_string_value(name), rlt_config_param_name(path)) == 0) {
            return true;
        }
    }
    return false;
}

/* {path: value} of t->params without those of `unasked`; and the configuration with as many. */
static rlt_status write_asked(rlt_driver *d, const rlt_driver_entry *t, const json_t *unasked,
                              rlt_err *err) {
    json_t *run = NULL, *kept = json_copy(t->params), *value;
    const char *path;
    RLT_TRY(rlt_driver_trial_config(d, t, &run, err));
    json_object_foreach((json_t *)unasked, path, value) {
        json_object_del(kept, path);
        json_object_del(json_object_get(run, "params"), rlt_config_param_name(path));
    }
    char *config = json_dumps(run, JSON_COMPACT);
    char *params = json_dumps(kept, JSON_COMPACT | JSON_SORT_KEYS);
    char *text = json_dumps(unasked, JSON_COMPACT | JSON_SORT_KEYS);
    rlt_status status = rlt_store_trial_params(d->store, t->id, params, config, err);
    if (status == RLT_OK) {
        status = rlt_store_event(d->store, d->experiment, t->id, RLT_EVENT_UNASKED, text, err);
    }
    free(text);
    free(params);
    free(config);
    json_decref(kept);
    json_decref(run);
    return status;
}

rlt_status rlt_driver_keep_asked(rlt_driver *d, const rlt_driver_entry *t, const json_t *asked,
                                 rlt_err *err) {
    const char *path;
    json_t *value, *unasked;
    size_t i;
    if (asked == NULL) {
        return RLT_OK;
    }
    json_array_foreach((json_t *)asked, i, value) {
        if (!json_is_string(value)) {
            break;
        }
    }
    if (!json_is_array(asked) || i < json_array_size(asked)) {
        return rlt_fail(err, RLT_EINVAL, "'asked' must be a list of parameters' names");
    }
    unasked = json_object();
    json_object_foreach(t->params, path, value) {
        if (!is_asked(asked, path)) {
            json_object_set(unasked, path, value);
        }
    }
    rlt_status status = json_object_size(unasked) > 0 ? write_asked(d, t, unasked, err) : RLT_OK;
    json_decref(unasked);
    return status;
}

rlt_status rlt_driver_check_point(const rlt_driver *d, const json_t *point, rlt_err *err) {
    if (!rlt_driver_is_external(d) || d->ending != NULL) {
        return rlt_fail(err, RLT_EINVAL,
                        "'params': only clients of a running search of objective "
                        "= { \"external\" } bring points");
    }
    return json_is_object(point)
               ? RLT_OK
               : rlt_fail(err, RLT_EINVAL, "'params' must be an object of values by name");
}
