/* config: a method of the search with its options: tune.sampler, tune.stopper. "asha",
 * { "asha", grace = 1000 } or { name = "asha", grace = 1000 }; the options of method x of
 * tune.stopper are the section "stopper.x", or there are none.
 * Thread: any. Owner: everything made goes into the experiment's JSON. */
#include "config/config_impl.h"

#include <stdio.h>
#include <string.h>

typedef struct method_name {
    const char *name, *alias; /* alias: what Optuna calls it, or NULL */
} method_name;

static const method_name samplers[] = {
    [RLT_SAMPLER_RANDOM] = {"random", "RandomSampler"},
    [RLT_SAMPLER_GRID] = {"grid", "GridSampler"},
    [RLT_SAMPLER_SOBOL] = {"sobol", "QMCSampler"},
    [RLT_SAMPLER_TPE] = {"tpe", "TPESampler"},
    [RLT_SAMPLER_CMAES] = {"cmaes", "CmaEsSampler"},
    [RLT_SAMPLER_GP] = {"gp", "GPSampler"},
    [RLT_SAMPLER_HALTON] = {"halton", NULL},
    [RLT_SAMPLER_LHS] = {"lhs", NULL},
    [RLT_SAMPLER_BRUTE] = {"brute", "BruteForceSampler"},
};
static const method_name stoppers[] = {
    [RLT_STOPPER_NONE] = {"none", "NopPruner"},
    [RLT_STOPPER_MEDIAN] = {"median", "MedianPruner"},
    [RLT_STOPPER_ASHA] = {"asha", "SuccessiveHalvingPruner"},
};

typedef struct method_kind {
    const char *key; /* of the table tune */
    const method_name *names;
    int count, initial;
    size_t offset; /* of the int in rlt_tune_fields */
    const char *example;
} method_kind;
static const method_kind kinds[] = {
    {"sampler", samplers, RLT_COUNT(samplers), RLT_SAMPLER_RANDOM,
     offsetof(rlt_tune_fields, sampler), "{ \"tpe\", n_startup_trials = 20 }"},
    {"stopper", stoppers, RLT_COUNT(stoppers), RLT_STOPPER_NONE, offsetof(rlt_tune_fields, stopper),
     "{ \"asha\", grace = 1000 }"},
};

static rlt_status refuse(rlt_config_loading *loading, const method_kind *kind, const char *text,
                         rlt_err *err) {
    const char *names[32];
    rlt_buf allowed = {0};
    RLT_ASSERT((size_t)kind->count <= RLT_COUNT(names));
    for (int i = 0; i < kind->count; i++) {
        names[i] = kind->names[i].name;
        rlt_buf_printf(&allowed, "'%s', ", names[i]);
    }
    const char *nearest = text != NULL ? rlt_str_nearest(text, names, (size_t)kind->count) : NULL;
    snprintf(loading->failed, sizeof loading->failed, "tune.%s", kind->key);
    rlt_fail(err, RLT_ECONFIG,
             "tune.%s: '%.40s' is not a %s%s%s%s; allowed: %sor a table such as %s", kind->key,
             text != NULL ? text : "", kind->key, nearest ? " (did you mean '" : "",
             nearest ? nearest : "", nearest ? "'?)" : "", allowed.data, kind->example);
    rlt_buf_fini(&allowed);
    return RLT_ECONFIG;
}

static int find_name(const method_kind *kind, const char *text) {
    for (int i = 0; i < kind->count; i++) {
        const method_name *name = &kind->names[i];
        if (strcmp(name->name, text) == 0 ||
            (name->alias != NULL && strcmp(name->alias, text) == 0)) {
            return i;
        }
    }
    return -1;
}

/* The index of the method, and its table or NULL. */
static rlt_status parse(rlt_config_loading *loading, const method_kind *kind, const json_t *given,
                        int *index, const json_t **table, rlt_err *err) {
    const json_t *name = json_is_object(given)  ? json_object_get(given, "name")
                         : json_is_array(given) ? json_array_get(given, 0)
                                                : given;
    const char *text = given == NULL ? kind->names[kind->initial].name : json_string_value(name);
    bool alone = !json_is_array(given) || json_array_size(given) == 1;
    *table = json_is_object(given) ? given : NULL;
    *index = text != NULL && alone ? find_name(kind, text) : -1;
    return *index >= 0 ? RLT_OK : refuse(loading, kind, text, err);
}

rlt_status rlt_config_read_method(rlt_config_loading *loading, const char *key, const json_t *given,
                                  json_t *out, rlt_tune_fields *tune, rlt_err *err) {
    static const rlt_field no_fields[] = {{0}};
    static const char *const other_keys[] = {"name", NULL};
    const method_kind *kind = &kinds[0];
    while (strcmp(kind->key, key) != 0) {
        kind++;
        RLT_ASSERT(kind < kinds + RLT_COUNT(kinds));
    }
    int index;
    const json_t *table;
    RLT_TRY(parse(loading, kind, given, &index, &table, err));
    *(int *)((char *)tune + kind->offset) = index;

    json_t *normalised = json_object();
    json_object_set_new(out, key, normalised);
    json_object_set_new(normalised, "name", json_string(kind->names[index].name));
    char name[64], path[64];
    snprintf(name, sizeof name, "%s.%s", key, kind->names[index].name);
    snprintf(path, sizeof path, "tune.%s", key);
    const rlt_config_section none = {name, "", no_fields, RLT_SECTION_TUNE};
    const rlt_config_section *section = rlt_config_section_find(name);
    section = section != NULL ? section : &none;
    RLT_TRY(rlt_config_read_section(loading, section, path, other_keys, table, normalised, err));
    rlt_schema_store(section->fields, normalised, tune);
    return RLT_OK;
}
