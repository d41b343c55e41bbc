/* config: the entry `model`: a table of names (two networks of dense layers), a list of layers, a
 * preset, or a search value of those. Kept as {"hidden", ...}, {"layers": [...], "separate", ...}
 * or
 * {"preset": name, ...}; the values of a searched whole model stay as they were written.
 * Thread: any. Owner: everything made goes into the experiment's JSON. */
#include "config/config_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char prefix[] = "preset.";

static rlt_status refuse_preset(rlt_config_loading *loading, const char *name, rlt_err *err) {
    const char *names[32];
    size_t count = 0;
    rlt_layer_kind kind;
    rlt_buf all = {0};
    if (rlt_layer_kind_find(name, &kind)) {
        return rlt_config_fail(loading, "model", err,
                               "'%s' is a layer; a model is a list of them: { { \"%s\", ... } }",
                               name, name);
    }
    for (const rlt_config_section *s = rlt_config_sections; s->name != NULL; s++) {
        if (strncmp(s->name, prefix, strlen(prefix)) == 0) {
            RLT_ASSERT(count < RLT_COUNT(names));
            names[count++] = s->name + strlen(prefix);
            rlt_buf_printf(&all, "%s%s", count > 1 ? ", " : "", names[count - 1]);
        }
    }
    const char *nearest = rlt_str_nearest(name, names, count);
    rlt_status status = rlt_config_fail(
        loading, "model", err,
        "there is no preset '%.40s'%s%s%s; there are %s; or give a list of layers", name,
        nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "", all.data);
    rlt_buf_fini(&all);
    return status;
}

/* The names that go beside layers or a preset into *beside, the others into *own; new references.
 */
static void split_names(const json_t *table, json_t **beside, json_t **own) {
    const char *key;
    json_t *value;
    *beside = json_object();
    *own = json_object();
    json_object_foreach((json_t *)table, key, value) {
        bool form = strcmp(key, "$items") == 0 || strcmp(key, "layers") == 0 ||
                    strcmp(key, "preset") == 0 || strcmp(key, "name") == 0;
        if (!form) {
            json_object_set(rlt_field_find(rlt_list_fields, key) != NULL ? *beside : *own, key,
                            value);
        }
    }
}

static rlt_status read_names(rlt_config_loading *loading, const char *section, const json_t *table,
                             json_t *out, rlt_err *err) {
    return rlt_config_read_section(loading, rlt_config_section_find(section), "model", NULL, table,
                                   out, err);
}

static rlt_status read_preset(rlt_config_loading *loading, const char *name, const json_t *table,
                              json_t *out, rlt_err *err) {
    char section[64];
    snprintf(section, sizeof section, "%s%.40s", prefix, name);
    if (rlt_config_section_find(section) == NULL) {
        return refuse_preset(loading, name, err);
    }
    json_t *beside, *own;
    split_names(table, &beside, &own);
    rlt_status status;
    if (strcmp(name, "mlp") == 0) {
        json_object_update(own, beside);
        status = read_names(loading, "model", own, out, err);
    } else {
        json_object_set_new(out, "preset", json_string(name));
        status = read_names(loading, section, own, out, err);
        if (status == RLT_OK) {
            status = read_names(loading, "model.layers", beside, out, err);
        }
    }
    json_decref(beside);
    json_decref(own);
    return status;
}

static rlt_status read_list(rlt_config_loading *loading, const json_t *list, const json_t *table,
                            json_t *out, rlt_err *err) {
    json_t *beside, *own, *layers;
    split_names(table, &beside, &own);
    json_object_update(beside, own); /* what is unknown is reported with those that are not */
    rlt_status status = read_names(loading, "model.layers", beside, out, err);
    json_decref(beside);
    json_decref(own);
    RLT_TRY(status);
    status = rlt_layers_read(loading, "model", list, &layers, err);
    json_object_set_new(out, "layers", layers);
    return status;
}

/* One of the three forms, with search values only inside. */
static rlt_status read_form(rlt_config_loading *loading, const json_t *given, json_t *out,
                            rlt_err *err) {
    const json_t *items = json_is_array(given) ? given : json_object_get(given, "$items");
    const json_t *list = items != NULL ? items : json_object_get(given, "layers");
    const json_t *preset = json_object_get(given, "preset");
    const json_t *name = preset != NULL          ? preset
                         : json_is_string(given) ? given
                         : items != NULL         ? json_array_get(items, 0)
                                                 : json_object_get(given, "name");
    if (json_is_string(name)) {
        return json_array_size(items) > 1
                   ? refuse_preset(loading, json_string_value(name), err)
                   : read_preset(loading, json_string_value(name), given, out, err);
    }
    if (preset != NULL) {
        return rlt_config_fail(loading, "model.preset", err,
                               "a name is needed; to search presets, choose between whole models: "
                               "model = space.choice{ \"nature_cnn\", \"impala_cnn\" }");
    }
    if (json_is_array(list)) {
        return read_list(loading, list, json_is_object(given) ? given : NULL, out, err);
    }
    if (given != NULL && !json_is_object(given)) {
        return rlt_config_fail(loading, "model", err,
                               "a table of names, a list of layers or the name of a preset is "
                               "needed; `rltune explain model`");
    }
    return read_names(loading, "model", given, out, err);
}

/* Each value of a searched whole model, read for its errors only. */
static rlt_status check_choices(rlt_config_loading *loading, const json_t *space, rlt_err *err) {
    const json_t *values = json_object_get(space, "values"),
                 *fixed = json_object_get(space, "value");
    size_t count = fixed != NULL ? 1 : json_array_size(values);
    rlt_err own = {0};
    if (values == NULL && fixed == NULL) {
        return rlt_config_fail(loading, "model", err, "a model is searched by space.choice{ ... }");
    }
    rlt_status status = rlt_space_check(space, &own);
    if (status != RLT_OK) {
        return rlt_config_fail(loading, "model", err, "%.300s", own.message);
    }
    for (size_t i = 0; i < count && status == RLT_OK; i++) {
        rlt_config_loading inner = {.raw = loading->raw, .concrete = true};
        json_t *out = json_object();
        status = read_form(&inner, fixed != NULL ? fixed : json_array_get(values, i), out, &own);
        json_decref(out);
        if (status != RLT_OK) {
            snprintf(loading->failed, sizeof loading->failed, "model");
            return rlt_fail(err, status, "model: value %zu: %.400s", i + 1, own.message);
        }
    }
    return RLT_OK;
}

static rlt_status read_model(rlt_config_loading *loading, const json_t *given, json_t **canonical,
                             rlt_err *err) {
    if (!rlt_space_is(given)) {
        *canonical = json_object();
        return read_form(loading, given, *canonical, err);
    }
    *canonical = json_deep_copy(given);
    if (loading->concrete) {
        return rlt_config_fail(loading, "model", err,
                               "is still a search space; a run needs one concrete value");
    }
    if (loading->first_path[0] == 0) {
        snprintf(loading->first_path, sizeof loading->first_path, "model");
    }
    return json_object_get(given, "$function") != NULL ? RLT_OK
                                                       : check_choices(loading, given, err);
}

/* ---- one of the networks that a search may build ---- */

/* A value that the search value may take; NULL for a function, which nobody has asked yet. */
static json_t *sample_of(const json_t *space) {
    const json_t *values = json_object_get(space, "values"),
                 *fixed = json_object_get(space, "value");
    const json_t *low = json_object_get(space, "low"), *high = json_object_get(space, "high");
    if (json_object_get(space, "$function") != NULL) {
        return NULL;
    }
    if (values != NULL || fixed != NULL) {
        return json_deep_copy(fixed != NULL ? fixed : json_array_get(values, 0));
    }
    const json_t *mean = json_object_get(space, "mean");
    double x = json_number_value(mean != NULL ? mean : low);
    x = low != NULL ? fmax(x, json_number_value(low)) : x;
    bool whole = high == NULL || ceil(x) <= json_number_value(high);
    return json_real(whole ? ceil(x) : x);
}

static bool has_own_function(const json_t *layer) {
    return json_object_get(layer, "$function") != NULL ||
           json_object_get(json_object_get(layer, "kind"), "$function") != NULL;
}

/* Replaces every search value in the model by one that it may take. What a function gives stands
 * for something that is always allowed; *guessed is set then. */
static void guess(json_t *json, bool *guessed) {
    const char *key;
    json_t *value;
    size_t i;
    void *next;
    json_object_foreach_safe(json, next, key, value) {
        if (!rlt_space_is(value)) {
            guess(value, guessed);
            continue;
        }
        json_t *sample = sample_of(value);
        *guessed |= sample == NULL;
        if (sample == NULL && (strcmp(key, "units") == 0 || strcmp(key, "filters") == 0)) {
            sample = json_integer(64);
        }
        if (sample != NULL) {
            json_object_set_new(json, key, sample);
        } else {
            json_object_del(json, key);
        }
    }
    json_array_foreach(json, i, value) {
        if (has_own_function(value)) {
            *guessed = true;
            json_array_set_new(json, i, json_pack("[s, i]", "dense", 64));
        } else if (rlt_space_is(value)) {
            json_array_set_new(json, i, sample_of(value));
        } else {
            guess(value, guessed);
        }
    }
}

/* ---- from the normalised form to the struct ---- */

static rlt_status store_concrete(const json_t *form, rlt_model_fields *model, rlt_err *err) {
    const json_t *layers = json_object_get(form, "layers");
    bool preset = json_object_get(form, "preset") != NULL;
    rlt_run_config whole = {0};
    rlt_schema_store(layers != NULL || preset ? rlt_list_fields
                                              : rlt_config_section_find("model")->fields,
                     form, &whole);
    bool guessed = model->guessed;
    *model = whole.model;
    model->guessed = guessed;
    if (preset) {
        rlt_preset_store(form, model);
    }
    return layers != NULL ? rlt_layers_store(layers, model, err) : RLT_OK;
}

/* Stores a normalised model that may hold search values: one of the networks it may become. */
static rlt_status store_sample(const json_t *form, rlt_model_fields *model, rlt_err *err) {
    json_t *holder = json_pack("{s:o}", "model", json_deep_copy(form));
    guess(holder, &model->guessed);
    rlt_config_loading inner = {.concrete = true};
    json_t *concrete = json_object();
    rlt_err own = {0};
    rlt_status status = read_form(&inner, json_object_get(holder, "model"), concrete, &own);
    if (status == RLT_OK) {
        status = store_concrete(concrete, model, err);
    } else {
        rlt_fail(err, status, "%s", own.message);
    }
    json_decref(concrete);
    json_decref(holder);
    return status;
}

rlt_status rlt_config_read_model(rlt_config_loading *loading, rlt_model_fields *model,
                                 rlt_err *err) {
    json_t *canonical = NULL;
    *model = (rlt_model_fields){0};
    rlt_status status =
        read_model(loading, json_object_get(loading->raw, "model"), &canonical, err);
    json_object_set_new(loading->out, "model", canonical);
    RLT_TRY(status);
    bool names = !rlt_space_is(canonical) && json_object_get(canonical, "hidden") != NULL;
    status = !names && rlt_space_holds(canonical, 0) ? store_sample(canonical, model, err)
                                                     : store_concrete(canonical, model, err);
    if (status != RLT_OK) {
        snprintf(loading->failed, sizeof loading->failed, "model");
    }
    return status;
}

/* ---- single values ---- */

bool rlt_model_is_path(const char *path) {
    return strncmp(path, "model", 5) == 0 && (path[5] == 0 || path[5] == '.' || path[5] == '[');
}

/* Where in the sections a name may stand: of a layer, or beside it. */
static bool section_fits(const rlt_config_section *section, bool in_layer) {
    if (in_layer) {
        return section->holder == RLT_SECTION_LAYER;
    }
    return section->holder == RLT_SECTION_LIST || section->holder == RLT_SECTION_PRESET;
}

const rlt_field *rlt_model_find_field(const char *path) {
    const char *dot = strrchr(path, '.');
    if (dot == NULL || strchr(dot, '[') != NULL) {
        return NULL;
    }
    bool in_layer = strchr(path, '[') != NULL;
    for (const rlt_config_section *s = rlt_config_sections; s->name != NULL; s++) {
        const rlt_field *field =
            section_fits(s, in_layer) ? rlt_field_find(s->fields, dot + 1) : NULL;
        if (field != NULL) {
            return field;
        }
    }
    return NULL;
}

rlt_status rlt_model_check_value(const char *path, const json_t *value, json_t **canonical,
                                 rlt_err *err) {
    rlt_config_loading loading = {0};
    json_t *read = NULL;
    rlt_status status = RLT_OK;
    const char *dot = strrchr(path, '.');
    const rlt_field *field = rlt_model_find_field(path);
    *canonical = NULL;
    if (field != NULL) {
        return rlt_space_is(value) ? rlt_space_fit(field, path, value, canonical, err)
                                   : rlt_field_check(field, path, value, canonical, err);
    }
    if (strcmp(path, "model") == 0) {
        status = read_model(&loading, value, &read, err);
    } else if (dot != NULL && strcmp(dot, ".kind") == 0) {
        rlt_layer_kind kind;
        status = json_is_string(value) && rlt_layer_kind_find(json_string_value(value), &kind)
                     ? RLT_OK
                     : rlt_fail(err, RLT_ECONFIG, "%.150s: no such kind of layer", path);
    } else if (path[strlen(path) - 1] == ']') {
        status = rlt_layer_read(&loading, path, value, &read, err);
    } else {
        status = rlt_fail(err, RLT_ECONFIG, "%.150s: no such field", path);
    }
    json_decref(read);
    *canonical = status == RLT_OK ? json_deep_copy(value) : NULL;
    return status;
}
