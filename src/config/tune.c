/* config: the table `tune`: the search itself, its sampler and stopper, points to try
 * first.
 * Thread: any. Owner: everything made goes into the experiment's JSON. */
#include "config/config_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tune_keys[] = {"budget",  "final",   "race",   "warm_start",
                                        "sampler", "stopper", "points", NULL};

static rlt_status fail_at(rlt_config_loading *loading, const char *path) {
    snprintf(loading->failed, sizeof loading->failed, "%s", path);
    return RLT_ECONFIG;
}

/* Paths below `at` that have a search space; at most `most`. The texts are appended to `paths`,
 * each with its 0. */
static int collect_searched(const json_t *at, const char *path, rlt_buf *paths, int most) {
    const char *key;
    json_t *value;
    int count = 0;
    json_object_foreach((json_t *)at, key, value) {
        char inner[RLT_FIELD_PATH_MAX];
        snprintf(inner, sizeof inner, "%.70s%s%.70s", path, *path != 0 ? "." : "", key);
        if (rlt_space_is(value) && count < most) {
            rlt_buf_append(paths, inner, strlen(inner) + 1);
            count++;
        } else if (json_is_object(value) && !rlt_space_is(value)) {
            count += collect_searched(value, inner, paths, most - count);
        }
    }
    return count;
}

static rlt_status refuse_unsearched(rlt_config_loading *loading, const char *what,
                                    const char *given, const char *why, rlt_err *err) {
    enum { NAMES_MAX = 64 };
    const char *names[2 * NAMES_MAX];
    rlt_buf paths = {0};
    int count = collect_searched(loading->out, "", &paths, NAMES_MAX);
    size_t known = 0;
    for (const char *at = paths.data; count > 0; at += strlen(at) + 1, count--) {
        names[known++] = at;
        if (rlt_config_is_param(at)) {
            names[known++] = strchr(at, '.') + 1;
        }
    }
    const char *nearest = rlt_str_nearest(given, names, known);
    rlt_fail(err, RLT_ECONFIG, "%s: %.100s is not searched, so that no value can be set%s%s%s%s%s",
             what, given, why, nearest != NULL ? "; did you mean '" : "",
             nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "",
             known == 0 ? "; nothing is" : "");
    rlt_buf_fini(&paths);
    return RLT_ECONFIG;
}

static rlt_status refuse_outside(const char *what, const char *path, const json_t *value,
                                 const json_t *space, rlt_err *err) {
    char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
    const char *kind = json_string_value(json_object_get(space, "$space"));
    const rlt_space_kind_row *row = rlt_space_kinds;
    rlt_buf allowed = {0};
    while (row->name != NULL && strcmp(row->name, kind) != 0) {
        row++;
    }
    for (int i = 0; row->name != NULL && row->args[i] != NULL; i++) {
        char *text = json_dumps(json_object_get(space, row->args[i]),
                                JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
        if (text != NULL) { /* it may have been left out */
            rlt_buf_printf(&allowed, "%s%s", i > 0 ? ", " : "", text);
        }
        free(text);
    }
    rlt_fail(err, RLT_ECONFIG,
             "%s: this value of %s, %.60s, lies outside of its search space, %s(%.200s)", what,
             path, shown, kind, allowed.data != NULL ? allowed.data : "");
    rlt_buf_fini(&allowed);
    free(shown);
    return RLT_ECONFIG;
}

/* The user's own parameter by its name alone or by its path. */
static rlt_status find_searched(rlt_config_loading *loading, const char *what, const char *given,
                                const rlt_field **field, char path[RLT_FIELD_PATH_MAX],
                                rlt_err *err) {
    bool program = json_object_get(loading->out, "objective") != NULL;
    *field = program ? NULL : rlt_config_find_field(given, path);
    if (program) {
        rlt_config_param_path(given, path);
    }
    bool model = !program && *field == NULL && rlt_model_is_path(given);
    if (model) {
        snprintf(path, RLT_FIELD_PATH_MAX, "%s", given);
    }
    bool known = program || *field != NULL || model;
    const json_t *space = known ? rlt_config_get(loading->out, path) : NULL;
    if (space == NULL || !rlt_space_is(space)) {
        bool named = program ? space != NULL : *field != NULL || model;
        return refuse_unsearched(loading, what, given, named ? "" : " (no such field)", err);
    }
    return RLT_OK;
}

/* A value to be fixed of a parameter that clients may still ask for. */
static bool may_come(const rlt_config_loading *loading, const char *what, const char *given) {
    const json_t *objective = json_object_get(loading->out, "objective");
    return strcmp(what, "tune.sampler.fixed") == 0 &&
           json_is_true(json_object_get(objective, "grows")) &&
           json_object_get(json_object_get(loading->out, "params"), rlt_config_param_name(given)) ==
               NULL;
}

static rlt_status add_point_value(rlt_config_loading *loading, const char *what, const char *given,
                                  const json_t *value, json_t *point, rlt_err *err) {
    char path[RLT_FIELD_PATH_MAX];
    const rlt_field *field;
    json_t *canonical = NULL;
    rlt_err inner = {0};
    bool later = may_come(loading, what, given);
    if (later) {
        rlt_config_param_path(given, path);
    } else {
        RLT_TRY(find_searched(loading, what, given, &field, path, err));
    }
    if ((rlt_config_is_param(path)
             ? rlt_config_check_param(path, value, &canonical, &inner)
             : rlt_config_check_value(path, value, &canonical, &inner)) != RLT_OK) {
        return rlt_fail(err, RLT_ECONFIG, "%s: %s", what, inner.message);
    }
    if (!later && !rlt_space_contains(rlt_config_get(loading->out, path), canonical)) {
        rlt_status status =
            refuse_outside(what, path, canonical, rlt_config_get(loading->out, path), err);
        json_decref(canonical);
        return status;
    }
    json_object_set_new(point, path, canonical);
    return RLT_OK;
}

/* { ["ppo.lr"] = 3e-4 } or { ppo = { lr = 3e-4 } }, to one level of tables. */
static rlt_status read_point(rlt_config_loading *loading, const char *what, const json_t *given,
                             json_t *point, rlt_err *err) {
    const char *key, *inner_key;
    json_t *value, *inner;
    if (!json_is_object(given)) {
        bool points = strcmp(what, "tune.points") == 0;
        return rlt_fail(err, RLT_ECONFIG, "%s: %sa table such as { [\"ppo.lr\"] = 3e-4 }%s", what,
                        points ? "each point is " : "", points ? "" : " is expected");
    }
    json_object_foreach((json_t *)given, key, value) {
        if (!json_is_object(value) || rlt_space_is(rlt_config_get(loading->out, key))) {
            RLT_TRY(add_point_value(loading, what, key, value, point, err));
            continue;
        }
        json_object_foreach(value, inner_key, inner) {
            char path[RLT_FIELD_PATH_MAX];
            snprintf(path, sizeof path, "%.70s.%.70s", key, inner_key);
            RLT_TRY(add_point_value(loading, what, path, inner, point, err));
        }
    }
    return RLT_OK;
}

static rlt_status read_points(rlt_config_loading *loading, const json_t *given, json_t *out,
                              rlt_err *err) {
    json_t *points = json_array();
    json_object_set_new(out, "points", points);
    fail_at(loading, "tune.points");
    bool empty = given == NULL || (json_is_object(given) && json_object_size(given) == 0);
    if (!empty && !json_is_array(given)) {
        return rlt_fail(err, RLT_ECONFIG, "tune.points: a list of points is expected here");
    }
    for (size_t i = 0; i < json_array_size(given); i++) {
        json_t *point = json_object();
        json_array_append_new(points, point);
        RLT_TRY(read_point(loading, "tune.points", json_array_get(given, i), point, err));
    }
    return RLT_OK;
}

/* What the sampler partial_fixed fixes. */
static rlt_status read_fixed(rlt_config_loading *loading, const json_t *sampler, json_t *out,
                             rlt_err *err) {
    const json_t *given = json_object_get(sampler, "fixed");
    json_t *fixed = json_object();
    json_object_set_new(out, "fixed", fixed);
    fail_at(loading, "tune.sampler.fixed");
    RLT_TRY(read_point(loading, "tune.sampler.fixed", given, fixed, err));
    return json_object_size(fixed) > 0
               ? RLT_OK
               : rlt_fail(err, RLT_ECONFIG,
                          "tune.sampler.fixed: nothing is fixed; name the base as the sampler");
}

rlt_status rlt_config_read_tune(rlt_config_loading *loading, rlt_experiment_config *config,
                                rlt_err *err) {
    const json_t *raw = json_object_get(loading->raw, "tune");
    json_t *out = json_object();
    json_object_set_new(loading->out, "tune", out);
    const rlt_config_section *section = rlt_config_section_find("tune");
    RLT_TRY(rlt_config_read_section(loading, section, "tune", tune_keys, raw, out, err));
    rlt_schema_store(section->fields, out, &config->tune);
    RLT_TRY(rlt_config_read_objectives(loading, raw, out, &config->tune, err));
    static const char *const names[] = {"budget", "final", "warm_start"};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        char path[32];
        snprintf(path, sizeof path, "tune.%s", names[i]);
        section = rlt_config_section_find(path);
        json_t *inner = json_object();
        json_object_set_new(out, names[i], inner);
        RLT_TRY(rlt_config_read_section(loading, section, path, NULL,
                                        json_object_get(raw, names[i]), inner, err));
        rlt_schema_store(section->fields, inner, &config->tune);
    }
    RLT_TRY(rlt_config_read_method(loading, "sampler", json_object_get(raw, "sampler"), out,
                                   &config->tune, err));
    rlt_config_sampler_defaults(json_object_get(raw, "sampler"), out, &config->tune);
    RLT_TRY(rlt_config_read_method(loading, "stopper", json_object_get(raw, "stopper"), out,
                                   &config->tune, err));
    RLT_TRY(rlt_config_check_several(loading, &config->tune, err));
    RLT_TRY(rlt_config_read_seeds(loading, raw, out, &config->tune, err));
    if (config->tune.max_failed == 0) { /* a quarter of the trials, at least 1 */
        config->tune.max_failed = config->tune.trials >= 8 ? config->tune.trials / 4 : 1;
    }
    RLT_TRY(rlt_config_resolve_stopper(loading, &config->run, &config->tune, err));
    if (config->tune.sampler == RLT_SAMPLER_PARTIAL_FIXED) {
        RLT_TRY(read_fixed(loading, json_object_get(raw, "sampler"),
                           json_object_get(out, "sampler"), err));
    }
    return read_points(loading, json_object_get(raw, "points"), out, err);
}
