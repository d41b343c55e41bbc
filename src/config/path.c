/* config: paths such as "ppo.lr" and "model[3].units": reading and setting one value of an
 * experiment's JSON, and the JSON of one trial. A place is one of the list `layers` of its table.
 * Thread: any. Owner: the caller owns the JSON. */
#include "config/config_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 8, PLACE_MAX = 100000 };

/* Takes the next step of a path: the key, or the place from 1 of "[3]" (0: a key). False at the end
 * (key[0] is 0) or where it is malformed. places: "[" is no part of a name. */
static bool next_step(const char **path, bool places, char key[RLT_FIELD_PATH_MAX], size_t *place) {
    const char *at = *path;
    key[0] = 0;
    *place = 0;
    if (places && *at == '[') {
        char *end;
        unsigned long n = at[1] >= '1' && at[1] <= '9' ? strtoul(at + 1, &end, 10) : 0;
        if (n == 0 || n > PLACE_MAX || *end != ']') {
            return false;
        }
        *place = n;
        at = end + 1;
    } else {
        size_t size = strcspn(at, places ? ".[" : ".");
        if (size == 0 || size >= RLT_FIELD_PATH_MAX) {
            return false;
        }
        memcpy(key, at, size);
        key[size] = 0;
        at += size;
    }
    if (*at == '.') {
        at++;
        *path = at;
        return *at != 0 && *at != '[';
    }
    *path = at;
    return *at == 0 || *at == '[';
}

/* The list that places of `json` are in: itself, or the layers of a model or of a layer. */
static json_t *list_of(const json_t *json) {
    if (json_is_array(json)) {
        return (json_t *)json;
    }
    json_t *layers = json_object_get(json, "layers");
    return layers != NULL ? layers : json_object_get(json, "$items");
}

static json_t *child_of(const json_t *json, const char *key, size_t place) {
    return place > 0 ? json_array_get(list_of(json), place - 1) : json_object_get(json, key);
}

json_t *rlt_config_get(const json_t *json, const char *path) {
    char key[RLT_FIELD_PATH_MAX];
    size_t place;
    json_t *at = (json_t *)json;
    bool places = rlt_model_is_path(path);
    while (next_step(&path, places, key, &place)) {
        at = child_of(at, key, place);
        if (at == NULL || *path == 0) {
            return at;
        }
    }
    return NULL;
}

const rlt_field *rlt_config_find_field(const char *path, char canonical[RLT_FIELD_PATH_MAX]) {
    if (rlt_model_is_path(path) && strchr(path, '[') != NULL) {
        snprintf(canonical, RLT_FIELD_PATH_MAX, "%s", path);
        return rlt_model_find_field(path);
    }
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
    } else if (strcmp(name, "model") == 0) {
        snprintf(canonical, RLT_FIELD_PATH_MAX, "%s", path);
        field = rlt_model_find_field(path);
    }
    return field;
}

bool rlt_config_takes_integers(const char *path) {
    char canonical[RLT_FIELD_PATH_MAX];
    const rlt_field *field =
        strlen(path) < sizeof canonical ? rlt_config_find_field(path, canonical) : NULL;
    return field != NULL && field->type == RLT_FIELD_INT;
}

bool rlt_config_may_change(const char *path) {
    char canonical[RLT_FIELD_PATH_MAX];
    const rlt_field *field =
        strlen(path) < sizeof canonical ? rlt_config_find_field(path, canonical) : NULL;
    return rlt_config_is_param(path) || (field != NULL && (field->flags & RLT_FIELD_LIVE) != 0);
}

static rlt_status put(json_t *table, const char *key, size_t place, json_t *value, const char *path,
                      rlt_err *err) {
    if (place == 0 && json_is_object(table)) {
        json_object_set(table, key, value);
        return RLT_OK;
    }
    if (place > 0 && json_array_set(list_of(table), place - 1, value) == 0) {
        return RLT_OK;
    }
    return place > 0 ? rlt_fail(err, RLT_ECONFIG, "%.150s: there is no entry [%zu]", path, place)
                     : rlt_fail(err, RLT_ECONFIG,
                                "%.150s: '%.60s' is to be set in what is not a table of names; "
                                "write the names of its values first, as in { \"dense\", units = "
                                "64 }",
                                path, key);
}

/* The table (or list) that the next step goes through, made where a name has none. */
static json_t *enter(json_t *table, const char *key, size_t place) {
    json_t *inner = child_of(table, key, place);
    if (inner == NULL && place == 0) {
        inner = json_object();
        if (json_object_set_new(table, key, inner) != 0) {
            return NULL;
        }
    }
    return json_is_object(inner) || json_is_array(inner) ? inner : NULL;
}

rlt_status rlt_config_set_json(json_t *json, const char *path, json_t *value, rlt_err *err) {
    char key[RLT_FIELD_PATH_MAX];
    const char *at = path;
    size_t place;
    json_t *table = json;
    bool places = rlt_model_is_path(path);
    for (int depth = 0; depth < DEPTH_MAX && next_step(&at, places, key, &place);) {
        depth += place == 0;
        if (*at == 0) {
            return put(table, key, place, value, path, err);
        }
        table = enter(table, key, place);
        if (table == NULL && place > 0) {
            return rlt_fail(err, RLT_ECONFIG, "%.150s: there is no table [%zu]", path, place);
        }
        if (table == NULL) {
            return rlt_fail(err, RLT_ECONFIG, "%.150s: '%.60s' is not a table", path, key);
        }
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
    if (rlt_model_is_path(path)) {
        return rlt_model_check_value(path, value, canonical, err);
    }
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
