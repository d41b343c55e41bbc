/* config: from a script's table to the structs, section by section.
 * Thread: any. Owner: the experiment owns its normalised JSON. */
#include "config/config_impl.h"

#include <stdio.h>
#include <string.h>

static const char *const top_keys[] = {"ppo",  "bc",         "model", "normalise", "stop",
                                       "eval", "checkpoint", "tune",  "objective", NULL};

/* A custom environment's table: only its name matters here; src/lua reads the rest. */
static rlt_status take_lua_env(const json_t *env, json_t **canonical, rlt_err *err) {
    const char *name = json_string_value(json_object_get(env, "name"));
    if (name == NULL || *name == 0 || strlen(name) >= RLT_NAME_MAX) {
        return rlt_fail(err, RLT_ECONFIG, "env: a custom environment needs a name of 1 to %d bytes",
                        RLT_NAME_MAX - 1);
    }
    json_t *copy = json_object();
    json_object_set_new(copy, "$lua_env", json_deep_copy(env));
    *canonical = copy;
    return RLT_OK;
}

static rlt_status take_special(void *user, const rlt_field *field, const char *path,
                               const json_t *value, json_t **canonical, rlt_err *err) {
    rlt_config_loading *loading = user;
    const json_t *env = json_object_get(value, "$lua_env");
    if (env != NULL && strcmp(path, "env") == 0) {
        return take_lua_env(env, canonical, err);
    }
    if (!rlt_space_is(value)) {
        return rlt_config_take_amount(loading, field, path, value, canonical, err);
    }
    if (loading->concrete) {
        return rlt_fail(err, RLT_ECONFIG,
                        "%s: is still a search space; a run needs one concrete value", path);
    }
    RLT_TRY(rlt_space_fit(field, path, value, canonical, err));
    if (loading->first_path[0] == 0) {
        snprintf(loading->first_path, sizeof loading->first_path, "%s", path);
    }
    return RLT_OK;
}

rlt_status rlt_config_read_section(rlt_config_loading *loading, const rlt_config_section *section,
                                   const char *path, const char *const *other_keys,
                                   const json_t *table, json_t *out, rlt_err *err) {
    rlt_schema_reader reader = {.path = path,
                                .section =
                                    section->holder >= RLT_SECTION_LIST ? section->name : NULL,
                                .other_keys = other_keys,
                                .special = take_special,
                                .user = loading};
    rlt_status status = rlt_schema_normalise(section->fields, &reader, table, out, err);
    if (status != RLT_OK) {
        snprintf(loading->failed, sizeof loading->failed, "%s", reader.failed);
    }
    return status;
}

/* Every section of a run into loading->out and *config. */
static rlt_status read_run(rlt_config_loading *loading, rlt_run_config *config, rlt_err *err) {
    *config = (rlt_run_config){0};
    if (json_object_get(loading->raw, "objective") != NULL) {
        return rlt_config_read_program(loading, config, err);
    }
    for (const rlt_config_section *section = rlt_config_sections;
         section->holder == RLT_SECTION_RUN; section++) {
        if (strcmp(section->name, "model") == 0) {
            RLT_TRY(rlt_config_read_model(loading, &config->model, err));
            continue;
        }
        bool top = section->name[0] == 0;
        const json_t *table = top ? loading->raw : json_object_get(loading->raw, section->name);
        json_t *out = top ? loading->out : json_object();
        if (!top) {
            json_object_set_new(loading->out, section->name, out);
        }
        RLT_TRY(rlt_config_read_section(loading, section, section->name, top ? top_keys : NULL,
                                        table, out, err));
        rlt_schema_store(section->fields, out, config);
    }
    const json_t *env = json_object_get(json_object_get(loading->out, "env"), "$lua_env");
    if (env != NULL) {
        config->lua_env = true;
        snprintf(config->env, sizeof config->env, "%s",
                 json_string_value(json_object_get(env, "name")));
    }
    return RLT_OK;
}

void rlt_config_add_place(const rlt_config_place *place, const char *path, rlt_err *err) {
    if (place == NULL || place->file == NULL || err == NULL) {
        return;
    }
    char at[RLT_FIELD_PATH_MAX];
    snprintf(at, sizeof at, "%s", path);
    int line = 0;
    while (place->locate != NULL && line == 0 && at[0] != 0) {
        line = place->locate(place->user, at);
        char *dot = strrchr(at, '.'), *bracket = strrchr(at, '[');
        char *last = bracket != NULL && (dot == NULL || bracket > dot) ? bracket : dot;
        *(last != NULL ? last : at) = 0;
    }
    rlt_err inner = *err;
    if (line > 0) {
        rlt_fail(err, inner.code, "%s:%d: %s", place->file, line, inner.message);
    } else {
        rlt_fail(err, inner.code, "%s: %s", place->file, inner.message);
    }
}

rlt_status rlt_config_fail(rlt_config_loading *loading, const char *path, rlt_err *err,
                           const char *fmt, ...) {
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    snprintf(loading->failed, sizeof loading->failed, "%s", path);
    return rlt_fail(err, RLT_ECONFIG, "%s: %s", path, text);
}

static rlt_status read_experiment(rlt_config_loading *loading, rlt_experiment_config *config,
                                  rlt_err *err) {
    RLT_TRY(read_run(loading, &config->run, err));
    memcpy(config->name, config->run.name, sizeof config->name);
    config->tuned = json_object_get(loading->raw, "tune") != NULL;
    if (config->tuned) {
        RLT_TRY(rlt_config_read_tune(loading, config, err));
    }
    if (config->run.objective.kind != RLT_OBJECTIVE_TRAIN) {
        return rlt_config_check_program(loading, config, err);
    }
    if (config->tuned) {
        return RLT_OK;
    }
    if (loading->first_path[0] != 0) {
        memcpy(loading->failed, loading->first_path, sizeof loading->failed);
        return rlt_fail(err, RLT_ECONFIG,
                        "%s: is a search space, but there is no table `tune`; add one (tune = { "
                        "trials = 16 }) or give one value",
                        loading->first_path);
    }
    return RLT_OK;
}

rlt_status rlt_experiment_config_load(const json_t *raw, const rlt_config_place *place,
                                      rlt_experiment_config *config, rlt_err *err) {
    *config = (rlt_experiment_config){0};
    rlt_config_loading loading = {.raw = raw, .out = json_object()};
    rlt_status status = read_experiment(&loading, config, err);
    if (status != RLT_OK) {
        json_decref(loading.out);
        rlt_config_add_place(place, loading.failed, err);
        return status;
    }
    config->json = loading.out;
    return RLT_OK;
}

void rlt_experiment_config_fini(rlt_experiment_config *config) {
    json_decref(config->json);
    config->json = NULL;
}

rlt_status rlt_run_config_load(const json_t *raw, rlt_run_config *config, rlt_err *err) {
    rlt_config_loading loading = {.raw = raw, .out = json_object(), .concrete = true};
    rlt_status status = read_run(&loading, config, err);
    json_decref(loading.out);
    return status;
}
