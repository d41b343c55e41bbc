/* config: dotted paths: reading and setting one value of an experiment's JSON, and the JSON of one
 * trial. Thread: any. Owner: the caller owns the JSON. */
#include "config/config_impl.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 8 };

/* The next key of *path, up to a dot or the end; false when it is empty or too long. */
static bool next_key(const char **path, char key[RLT_FIELD_PATH_MAX]) {
    size_t size = strcspn(*path, ".");
    if (size == 0 || size >= RLT_FIELD_PATH_MAX) {
        return false;
    }
    memcpy(key, *path, size);
    key[size] = 0;
    *path += size;
    return true;
}

json_t *rlt_config_get(const json_t *json, const char *path) {
    char key[RLT_FIELD_PATH_MAX];
    json_t *at = (json_t *)json;
    while (next_key(&path, key)) {
        at = json_object_get(at, key);
        if (at == NULL || *path == 0) {
            return at;
        }
        path++;
    }
    return NULL;
}

const rlt_field *rlt_config_find_field(const char *path, char canonical[RLT_FIELD_PATH_MAX]) {
    const char *dot = strrchr(path, '.');
    char name[RLT_FIELD_PATH_MAX];
    snprintf(name, sizeof name, "%.*s", dot != NULL ? (int)(dot - path) : 0, path);
    const rlt_config_section *section = rlt_config_section_find(name);
    if (section == NULL || section->holder != RLT_SECTION_RUN) {
        return NULL;
    }
    const rlt_field *field = rlt_field_find(section->fields, dot != NULL ? dot + 1 : path);
    if (field != NULL) {
        snprintf(canonical, RLT_FIELD_PATH_MAX, "%.70s%s%.80s", name, dot != NULL ? "." : "",
                 field->name);
    }
    return field;
}

rlt_status rlt_config_set_json(json_t *json, const char *path, json_t *value, rlt_err *err) {
    char key[RLT_FIELD_PATH_MAX];
    const char *at = path;
    json_t *table = json;
    for (int depth = 0; depth < DEPTH_MAX && next_key(&at, key); depth++) {
        if (*at == 0) {
            json_object_set(table, key, value);
            return RLT_OK;
        }
        at++;
        json_t *inner = json_object_get(table, key);
        if (inner == NULL) {
            inner = json_object();
            json_object_set_new(table, key, inner);
        }
        if (!json_is_object(inner)) {
            return rlt_fail(err, RLT_ECONFIG, "%.150s: '%.60s' is not a table", path, key);
        }
        table = inner;
    }
    return rlt_fail(err, RLT_ECONFIG,
                    "'%.150s' is not a path; names separated by dots are expected, as in ppo.lr",
                    path);
}

rlt_status rlt_config_set(json_t *json, const char *path, const char *text, rlt_err *err) {
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (value == NULL) {
        value = json_string(text);
    }
    if (value == NULL) {
        return rlt_fail(err, RLT_ECONFIG, "%.150s: the value is not UTF-8 text", path);
    }
    rlt_status status = rlt_config_set_json(json, path, value, err);
    json_decref(value);
    return status;
}

rlt_status rlt_config_trial_json(const json_t *experiment, const json_t *params, json_t **run,
                                 rlt_err *err) {
    json_t *copy = json_deep_copy(experiment);
    json_object_del(copy, "tune");
    const char *path;
    json_t *value;
    json_object_foreach((json_t *)params, path, value) {
        rlt_status status = rlt_config_set_json(copy, path, value, err);
        if (status != RLT_OK) {
            json_decref(copy);
            return status;
        }
    }
    *run = copy;
    return RLT_OK;
}

rlt_status rlt_config_check_value(const char *path, const json_t *value, json_t **canonical,
                                  rlt_err *err) {
    char found[RLT_FIELD_PATH_MAX];
    if (rlt_config_is_param(path)) {
        return rlt_config_check_param(path, value, canonical, err);
    }
    const rlt_field *field = rlt_config_find_field(path, found);
    *canonical = NULL;
    if (field == NULL) {
        return rlt_fail(err, RLT_ECONFIG, "%.150s: no such field", path);
    }
    return rlt_space_is(value) ? rlt_space_fit(field, found, value, canonical, err)
                               : rlt_field_check(field, found, value, canonical, err);
}
