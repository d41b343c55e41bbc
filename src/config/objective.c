/* config: experiments whose trials train nothing here: a program or a function, and the user's own
 * parameters. Why apart: of a run's options only a few mean anything to them, and giving another
 * one is refused. Thread: any. Owner: everything made goes into the experiment's JSON. */
#include "config/config_impl.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char prefix[] = RLT_PARAM_PREFIX;
enum { PARAM_NAME_MAX = 64 };

bool rlt_config_is_param(const char *path) {
    return strncmp(path, prefix, sizeof prefix - 1) == 0 && path[sizeof prefix - 1] != 0;
}

const char *rlt_config_param_name(const char *path) {
    return rlt_config_is_param(path) ? path + sizeof prefix - 1 : path;
}

void rlt_config_param_path(const char *given, char path[RLT_FIELD_PATH_MAX]) {
    snprintf(path, RLT_FIELD_PATH_MAX, "%s%.120s", prefix, rlt_config_param_name(given));
}

/* ---- the user's own parameters ---- */

static rlt_status check_name(const char *name, rlt_err *err) {
    size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    if (size == 0 || name[size] != 0 || size > PARAM_NAME_MAX || isdigit((unsigned char)name[0])) {
        return rlt_fail(err, RLT_ECONFIG,
                        "params.%.80s: a name has 1 to %d letters, digits, '_' or '-', and begins "
                        "with no digit",
                        name, PARAM_NAME_MAX);
    }
    return RLT_OK;
}

rlt_status rlt_config_check_param(const char *path, const json_t *value, json_t **canonical,
                                  rlt_err *err) {
    rlt_err inner = {0};
    *canonical = NULL;
    RLT_TRY(check_name(path + sizeof prefix - 1, err));
    if (json_object_get(value, "$space") != NULL) {
        rlt_status status = rlt_space_check(value, &inner);
        if (status != RLT_OK) {
            return rlt_fail(err, status, "%s: %s", path, inner.message);
        }
    } else if (json_object_get(value, "$function") == NULL &&
               (json_is_object(value) || json_is_null(value))) {
        return rlt_fail(err, RLT_ECONFIG,
                        "%s: a number, a text, a boolean, a list or a search space is needed",
                        path);
    }
    *canonical = json_deep_copy(value);
    return RLT_OK;
}

static rlt_status read_params(rlt_config_loading *loading, rlt_err *err) {
    const json_t *given = json_object_get(loading->raw, "params");
    json_t *out = json_object();
    json_object_set_new(loading->out, "params", out);
    snprintf(loading->failed, sizeof loading->failed, "params");
    if (given != NULL && !json_is_object(given)) {
        return rlt_fail(err, RLT_ECONFIG,
                        "params: a table of named values is expected, such as { lr = 0.1 }");
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)given, name, value) {
        json_t *canonical;
        char path[RLT_FIELD_PATH_MAX];
        snprintf(path, sizeof path, "%s%.100s", prefix, name);
        memcpy(loading->failed, path, sizeof path);
        if (loading->concrete && rlt_space_is(value)) {
            return rlt_fail(err, RLT_ECONFIG,
                            "%s: is still a search space; a trial needs one concrete value", path);
        }
        RLT_TRY(rlt_config_check_param(path, value, &canonical, err));
        json_object_set_new(out, name, canonical);
    }
    return RLT_OK;
}

/* ---- the objective itself ---- */

static rlt_status refuse_objective(rlt_config_loading *loading, const char *nearest, rlt_err *err) {
    snprintf(loading->failed, sizeof loading->failed, "objective");
    return rlt_fail(err, RLT_ECONFIG,
                    "objective: a table such as { \"command\", argv = { \"python3\", \"train.py\", "
                    "\"--lr\", \"{lr}\" } }, { \"external\" } or a function is needed%s%s%s",
                    nearest != NULL ? " (did you mean '" : "", nearest != NULL ? nearest : "",
                    nearest != NULL ? "'?)" : "");
}

static rlt_status check_named(rlt_config_loading *loading, const json_t *out,
                              const rlt_objective_fields *fields, rlt_err *err) {
    bool command = fields->kind == RLT_OBJECTIVE_COMMAND;
    if (command && json_array_size(json_object_get(out, "argv")) == 0) {
        snprintf(loading->failed, sizeof loading->failed, "objective.argv");
        return rlt_fail(err, RLT_ECONFIG,
                        "objective.argv: names no program; argv = { \"python3\", \"train.py\" }");
    }
    if (fields->kind == RLT_OBJECTIVE_FUNCTION && json_object_get(out, "call") == NULL) {
        snprintf(loading->failed, sizeof loading->failed, "objective.call");
        return rlt_fail(err, RLT_ECONFIG,
                        "objective.call: a function is needed; { \"function\", call = "
                        "function(params, report) ... end }");
    }
    return RLT_OK;
}

/* { "command", ... }, { "external", ... } or { "function", call = function ... end, ... } */
static rlt_status read_named(rlt_config_loading *loading, const json_t *given, json_t *out,
                             rlt_objective_fields *fields, rlt_err *err) {
    static const struct {
        const char *name, *section, *other_keys[3];
    } kinds[] = {
        [RLT_OBJECTIVE_COMMAND] = {"command", "objective.command", {"name"}},
        [RLT_OBJECTIVE_FUNCTION] = {"function", "objective.function", {"name", "call"}},
        [RLT_OBJECTIVE_EXTERNAL] = {"external", "objective.external", {"name"}},
    };
    bool alone = json_is_array(given) && json_array_size(given) == 1; /* { "command" } */
    const json_t *table = alone ? NULL : given;
    const char *name =
        json_string_value(alone ? json_array_get(given, 0) : json_object_get(given, "name"));
    size_t kind = 0;
    while (kind < RLT_COUNT(kinds) &&
           (kinds[kind].name == NULL || name == NULL || strcmp(kinds[kind].name, name) != 0)) {
        kind++;
    }
    if (kind == RLT_COUNT(kinds)) {
        static const char *const names[] = {"command", "function", "external"};
        const char *said =
            json_is_array(given) ? json_string_value(json_array_get(given, 0)) : name;
        const char *nearest = said != NULL ? rlt_str_nearest(said, names, RLT_COUNT(names)) : NULL;
        return refuse_objective(loading, nearest, err);
    }
    const rlt_config_section *section = rlt_config_section_find(kinds[kind].section);
    json_t *call = json_object_get(table, "call");
    json_object_set_new(out, "name", json_string(name));
    if (kind == RLT_OBJECTIVE_FUNCTION && json_is_string(json_object_get(call, "$function"))) {
        json_object_set(out, "call", call);
    }
    RLT_TRY(rlt_config_read_section(loading, section, "objective", kinds[kind].other_keys, table,
                                    out, err));
    rlt_schema_store(section->fields, out, fields);
    fields->kind = (int)kind;
    return check_named(loading, out, fields, err);
}

/* A function on its own; options may stand beside it (--set objective.silence_s=60). */
static rlt_status read_function(rlt_config_loading *loading, const json_t *given, json_t *out,
                                rlt_objective_fields *fields, rlt_err *err) {
    static const char *const other_keys[] = {"$function", NULL};
    const rlt_config_section *section = rlt_config_section_find("objective.function");
    json_t *filled = json_object();
    rlt_status status =
        rlt_config_read_section(loading, section, "objective", other_keys, given, filled, err);
    if (status == RLT_OK) {
        rlt_schema_store(section->fields, filled, fields);
        json_object_set(out, "$function", json_object_get(given, "$function"));
        json_object_update(out, json_object_size(given) > 1 ? filled : NULL);
        fields->kind = RLT_OBJECTIVE_FUNCTION;
    }
    json_decref(filled);
    return status;
}

static rlt_status read_objective(rlt_config_loading *loading, rlt_objective_fields *fields,
                                 rlt_err *err) {
    const json_t *given = json_object_get(loading->raw, "objective");
    json_t *out = json_object();
    json_object_set_new(loading->out, "objective", out);
    if (json_is_string(json_object_get(given, "$function"))) {
        return read_function(loading, given, out, fields, err);
    }
    return read_named(loading, given, out, fields, err);
}

/* ---- what else such an experiment has ---- */

static const char *const own_keys[] = {"objective", "params", "stop", "tune", NULL};

/* What only trainings have is no mistake of spelling: it gets a message of its own. */
static rlt_status refuse_foreign(rlt_config_loading *loading, rlt_err *err) {
    const rlt_config_section *top = rlt_config_section_find("");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)loading->raw, key, value) {
        const rlt_field *field = rlt_field_find(top->fields, key);
        const rlt_config_section *section = rlt_config_section_find(key);
        bool of_run = section != NULL && section->holder == RLT_SECTION_RUN && *key != 0;
        bool shared = strcmp(key, "name") == 0 || strcmp(key, "seed") == 0;
        if ((field != NULL && !shared) || (of_run && strcmp(key, "stop") != 0)) {
            snprintf(loading->failed, sizeof loading->failed, "%.150s", key);
            return rlt_fail(
                err, RLT_ECONFIG,
                "%.80s: belongs to training, which an experiment with an objective "
                "leaves to it; allowed beside objective: name, seed, params, stop, tune",
                key);
        }
    }
    return RLT_OK;
}

static rlt_status read_names(rlt_config_loading *loading, rlt_run_config *config, rlt_err *err) {
    const rlt_config_section *top = rlt_config_section_find("");
    const rlt_field fields[] = {
        *rlt_field_find(top->fields, "name"), *rlt_field_find(top->fields, "seed"), {0}};
    const rlt_config_section shared = {"", top->help, fields, RLT_SECTION_RUN};
    RLT_TRY(refuse_foreign(loading, err));
    RLT_TRY(
        rlt_config_read_section(loading, &shared, "", own_keys, loading->raw, loading->out, err));
    rlt_schema_store(fields, loading->out, config);
    return RLT_OK;
}

/* steps not given: the trial says when it is done. */
static rlt_status read_stop(rlt_config_loading *loading, rlt_run_config *config, rlt_err *err) {
    const rlt_config_section *section = rlt_config_section_find("stop");
    const json_t *given = json_object_get(loading->raw, "stop");
    json_t *out = json_object();
    json_object_set_new(loading->out, "stop", out);
    RLT_TRY(rlt_config_read_section(loading, section, "stop", NULL, given, out, err));
    rlt_schema_store(section->fields, out, config);
    if (json_is_number(json_object_get(out, "mean_return"))) {
        snprintf(loading->failed, sizeof loading->failed, "stop.mean_return");
        return rlt_fail(err, RLT_ECONFIG,
                        "stop.mean_return: belongs to training; tune.goal ends a search");
    }
    json_object_del(out, "mean_return");
    bool known = false;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)given, key, value) {
        known |= rlt_field_named(rlt_field_find(section->fields, "steps"), key);
    }
    if (!known) {
        json_object_del(out, "steps");
        config->stop.steps = 0;
    }
    return RLT_OK;
}

rlt_status rlt_config_read_program(rlt_config_loading *loading, rlt_run_config *config,
                                   rlt_err *err) {
    RLT_TRY(read_names(loading, config, err));
    RLT_TRY(read_objective(loading, &config->objective, err));
    RLT_TRY(read_stop(loading, config, err));
    return read_params(loading, err);
}

/* ---- the search over it ---- */

/* The one pattern besides step, or NULL. */
static const char *only_pattern(const json_t *objective) {
    const char *name, *found = NULL;
    json_t *value;
    json_object_foreach(json_object_get(objective, "metrics"), name, value) {
        if (strcmp(name, "step") != 0) {
            if (found != NULL) {
                return NULL;
            }
            found = name;
        }
    }
    return found;
}

static bool is_nameless(const json_t *objective) { /* what it gives as its result */
    const char *name = json_string_value(json_object_get(objective, "name"));
    return json_object_get(objective, "$function") != NULL ||
           (name != NULL && strcmp(name, "command") != 0);
}

rlt_status rlt_config_program_metric(rlt_config_loading *loading, rlt_tune_fields *tune,
                                     json_t *out, rlt_err *err) {
    const json_t *objective = json_object_get(loading->out, "objective");
    const char *name = only_pattern(objective);
    if (json_object_get(json_object_get(loading->raw, "tune"), "metric") != NULL) {
        return RLT_OK;
    }
    name = is_nameless(objective) ? "value" : name;
    if (name == NULL || *name == 0 || strlen(name) >= RLT_NAME_MAX) {
        snprintf(loading->failed, sizeof loading->failed, "tune");
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.metric: name the metric that the program reports and that trials are "
                        "compared by, such as metric = \"loss\", mode = \"min\"");
    }
    snprintf(tune->metric, sizeof tune->metric, "%s", name);
    json_object_set_new(out, "metric", json_string(name));
    return RLT_OK;
}

rlt_status rlt_config_check_program(rlt_config_loading *loading,
                                    const rlt_experiment_config *config, rlt_err *err) {
    if (!config->tuned) {
        snprintf(loading->failed, sizeof loading->failed, "objective");
        return rlt_fail(err, RLT_ECONFIG,
                        "objective: needs a table tune, such as tune = { metric = \"loss\", mode = "
                        "\"min\", trials = 16 }");
    }
    if (config->run.objective.kind == RLT_OBJECTIVE_EXTERNAL && config->tune.final.seeds > 0) {
        snprintf(loading->failed, sizeof loading->failed, "tune.final.seeds");
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.final.seeds: who runs the trials retrains the winner; leave it out");
    }
    return RLT_OK;
}
