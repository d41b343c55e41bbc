/* config: a method of the search with its options: tune.sampler, tune.stopper. "asha",
 * { "asha", grace = 1000 } or { name = "asha", grace = 1000 }; the options of method x of
 * tune.stopper are the section "stopper.x", or there are none.
 * Thread: any. Owner: everything made goes into the experiment's JSON. */
#include "config/config_impl.h"

#include <stdio.h>
#include <string.h>

static const char *const samplers[] = {
    [RLT_SAMPLER_RANDOM] = "random",
    [RLT_SAMPLER_GRID] = "grid",
    [RLT_SAMPLER_SOBOL] = "sobol",
    [RLT_SAMPLER_TPE] = "tpe",
    [RLT_SAMPLER_CMAES] = "cmaes",
    [RLT_SAMPLER_GP] = "gp",
    [RLT_SAMPLER_HALTON] = "halton",
    [RLT_SAMPLER_LHS] = "lhs",
    [RLT_SAMPLER_BRUTE] = "brute",
    [RLT_SAMPLER_NSGA2] = "nsga2",
    [RLT_SAMPLER_NSGA3] = "nsga3",
    [RLT_SAMPLER_EVOLUTION] = "evolution",
    [RLT_SAMPLER_DE] = "de",
    [RLT_SAMPLER_BOHB] = "bohb",
    [RLT_SAMPLER_PARTIAL_FIXED] = "partial_fixed",
    [RLT_SAMPLER_ONESHOT] = "oneshot",
};
static const char *const stoppers[] = {
    [RLT_STOPPER_NONE] = "none",
    [RLT_STOPPER_MEDIAN] = "median",
    [RLT_STOPPER_ASHA] = "asha",
    [RLT_STOPPER_PERCENTILE] = "percentile",
    [RLT_STOPPER_THRESHOLD] = "threshold",
    [RLT_STOPPER_PLATEAU] = "plateau",
    [RLT_STOPPER_PATIENCE] = "patience",
    [RLT_STOPPER_WILCOXON] = "wilcoxon",
    [RLT_STOPPER_CURVE] = "curve",
    [RLT_STOPPER_SHA] = "sha",
    [RLT_STOPPER_HYPERBAND] = "hyperband",
    [RLT_STOPPER_HYPERBAND_ASHA] = "hyperband_asha",
    [RLT_STOPPER_PBT] = "pbt",
    [RLT_STOPPER_PBT_REPLAY] = "pbt_replay",
    [RLT_STOPPER_PB2] = "pb2",
};

/* What Ray Tune and Optuna call a method, with those of their defaults that differ from ours and
 * that do not count steps. */
typedef struct method_alias { /* NULL-named end */
    const char *name;
    int index;
    const char *defaults; /* JSON, or NULL */
} method_alias;
static const method_alias sampler_aliases[] = {
    {"RandomSampler", RLT_SAMPLER_RANDOM, NULL},
    {"GridSampler", RLT_SAMPLER_GRID, NULL},
    {"QMCSampler", RLT_SAMPLER_SOBOL, NULL},
    {"TPESampler", RLT_SAMPLER_TPE, NULL},
    {"MOTPESampler", RLT_SAMPLER_TPE, NULL},
    {"CmaEsSampler", RLT_SAMPLER_CMAES, NULL},
    {"GPSampler", RLT_SAMPLER_GP, NULL},
    {"BruteForceSampler", RLT_SAMPLER_BRUTE, NULL},
    {"NSGAIISampler", RLT_SAMPLER_NSGA2, NULL},
    {"NSGAIIISampler", RLT_SAMPLER_NSGA3, NULL},
    {"PartialFixedSampler", RLT_SAMPLER_PARTIAL_FIXED, NULL},
    {"BOHB", RLT_SAMPLER_BOHB, NULL},
    {"TuneBOHB", RLT_SAMPLER_BOHB, NULL},
    {"DE", RLT_SAMPLER_DE, NULL},
    {"DifferentialEvolution", RLT_SAMPLER_DE, NULL},
    {"differential_evolution", RLT_SAMPLER_DE, NULL},
    {"BasicVariantGenerator", RLT_SAMPLER_RANDOM, NULL},
    {"HyperOptSearch", RLT_SAMPLER_TPE, NULL},
    {"OptunaSearch", RLT_SAMPLER_TPE, NULL},
    {"BayesOptSearch", RLT_SAMPLER_GP, NULL},
    {0}};
static const method_alias stopper_aliases[] = {
    {"NopPruner", RLT_STOPPER_NONE, NULL},
    {"FIFOScheduler", RLT_STOPPER_NONE, NULL},
    {"MedianPruner", RLT_STOPPER_MEDIAN, NULL},
    {"MedianStoppingRule", RLT_STOPPER_MEDIAN, "{\"startup_trials\": 0, \"min_trials\": 3}"},
    {"PercentilePruner", RLT_STOPPER_PERCENTILE, NULL},
    {"ThresholdPruner", RLT_STOPPER_THRESHOLD, NULL},
    {"TrialPlateauStopper", RLT_STOPPER_PLATEAU, NULL},
    {"PatientPruner", RLT_STOPPER_PATIENCE, NULL},
    {"WilcoxonPruner", RLT_STOPPER_WILCOXON, NULL},
    {"ASHAScheduler", RLT_STOPPER_ASHA, "{\"reduction\": 4, \"stop_last_trials\": true}"},
    {"AsyncHyperBandScheduler", RLT_STOPPER_ASHA, "{\"reduction\": 4, \"stop_last_trials\": true}"},
    {"SuccessiveHalvingPruner", RLT_STOPPER_ASHA, "{\"reduction\": 4}"},
    {"HyperBandScheduler", RLT_STOPPER_HYPERBAND, "{\"stop_last_trials\": true}"},
    {"HyperBandForBOHB", RLT_STOPPER_HYPERBAND, "{\"stop_last_trials\": true}"},
    {"HyperbandPruner", RLT_STOPPER_HYPERBAND_ASHA, NULL},
    {"PopulationBasedTraining", RLT_STOPPER_PBT, NULL},
    {"PB2", RLT_STOPPER_PB2, NULL},
    {"PopulationBasedTrainingReplay", RLT_STOPPER_PBT_REPLAY, NULL},
    {0}};

typedef struct method_kind {
    const char *key; /* of the table tune */
    const char *const *names;
    int count, initial;
    const method_alias *aliases;
    size_t offset; /* of the int in rlt_tune_fields */
    const char *example;
} method_kind;
static const method_kind kinds[] = {
    {"sampler", samplers, RLT_COUNT(samplers), RLT_SAMPLER_RANDOM, sampler_aliases,
     offsetof(rlt_tune_fields, sampler), "{ \"tpe\", n_startup_trials = 20 }"},
    {"stopper", stoppers, RLT_COUNT(stoppers), RLT_STOPPER_NONE, stopper_aliases,
     offsetof(rlt_tune_fields, stopper), "{ \"asha\", grace = 1000 }"},
};

/* `text`: the name given; NULL: `given` has none. */
static rlt_status refuse(rlt_config_loading *loading, const method_kind *kind, const char *text,
                         const json_t *given, rlt_err *err) {
    const char *names[64];
    size_t count = 0;
    rlt_buf allowed = {0};
    for (int i = 0; i < kind->count; i++) {
        names[count++] = kind->names[i];
        rlt_buf_printf(&allowed, "%s, ", kind->names[i]);
    }
    for (const method_alias *alias = kind->aliases; alias->name != NULL; alias++) {
        RLT_ASSERT(count < RLT_COUNT(names));
        names[count++] = alias->name;
    }
    const char *nearest = text != NULL ? rlt_str_nearest(text, names, count) : NULL;
    snprintf(loading->failed, sizeof loading->failed, "tune.%s", kind->key);
    char *shown = text != NULL ? NULL : json_dumps(given, JSON_ENCODE_ANY | JSON_COMPACT);
    rlt_fail(err, RLT_ECONFIG,
             "tune.%s: '%.40s' is not a %s%s%s%s; allowed: %sor a table that begins with one of "
             "these names, such as %s",
             kind->key,
             text != NULL    ? text
             : shown != NULL ? shown
                             : "",
             kind->key, nearest ? " (did you mean '" : "", nearest ? nearest : "",
             nearest ? "'?)" : "", allowed.data, kind->example);
    free(shown);
    rlt_buf_fini(&allowed);
    return RLT_ECONFIG;
}

/* -1: unknown. *defaults: of the tool that calls it so, or NULL. */
static int find_name(const method_kind *kind, const char *text, const char **defaults) {
    *defaults = NULL;
    for (int i = 0; i < kind->count; i++) {
        if (strcmp(kind->names[i], text) == 0) {
            return i;
        }
    }
    for (const method_alias *alias = kind->aliases; alias->name != NULL; alias++) {
        if (strcmp(alias->name, text) == 0) {
            *defaults = alias->defaults;
            return alias->index;
        }
    }
    return -1;
}

/* The index of the method, its table or NULL, and the defaults that its name brings along. */
static rlt_status parse(rlt_config_loading *loading, const method_kind *kind, const json_t *given,
                        int *index, const json_t **table, const char **defaults, rlt_err *err) {
    const json_t *name = json_is_object(given)  ? json_object_get(given, "name")
                         : json_is_array(given) ? json_array_get(given, 0)
                                                : given;
    const char *text = given == NULL ? kind->names[kind->initial] : json_string_value(name);
    bool alone = !json_is_array(given) || json_array_size(given) == 1;
    *table = json_is_object(given) ? given : NULL;
    *index = text != NULL && alone ? find_name(kind, text, defaults) : -1;
    return *index >= 0 ? RLT_OK : refuse(loading, kind, text, given, err);
}

static bool gives(const json_t *table, const rlt_field *field) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)table, key, value) {
        if (rlt_field_named(field, key)) {
            return true;
        }
    }
    return false;
}

/* The table (may be NULL) with those of the defaults that it does not give: a new reference. */
static json_t *with_defaults(const json_t *table, const char *defaults, const rlt_field *fields) {
    json_t *all = table != NULL ? json_copy((json_t *)table) : json_object();
    json_t *more = defaults != NULL ? json_loads(defaults, 0, NULL) : json_object();
    const char *key;
    json_t *value;
    json_object_foreach(more, key, value) {
        const rlt_field *field = rlt_field_find(fields, key);
        RLT_ASSERT(field != NULL);
        if (!gives(table, field)) {
            json_object_set(all, key, value);
        }
    }
    json_decref(more);
    return all;
}

/* One method, given for `path` ("tune.stopper"), into out[key] and *kept. */
typedef struct method_reading {
    rlt_config_loading *loading;
    const method_kind *kind;
    const char *path, *key;
    const json_t *given;
    json_t *out; /* borrowed */
    int *kept;
    rlt_tune_fields *tune;
} method_reading;

static rlt_status read_one(const method_reading *r, const char *const *other_keys, rlt_err *err) {
    static const rlt_field no_fields[] = {{0}};
    int index;
    const json_t *table;
    const char *defaults = NULL;
    RLT_TRY(parse(r->loading, r->kind, r->given, &index, &table, &defaults, err));
    *r->kept = index;

    json_t *normalised = json_object();
    json_object_set_new(r->out, r->key, normalised);
    json_object_set_new(normalised, "name", json_string(r->kind->names[index]));
    char name[64];
    snprintf(name, sizeof name, "%s.%s", r->kind->key, r->kind->names[index]);
    const rlt_config_section none = {name, "", no_fields, RLT_SECTION_TUNE};
    const rlt_config_section *section = rlt_config_section_find(name);
    section = section != NULL ? section : &none;
    json_t *all = with_defaults(table, defaults, section->fields);
    bool stopper = r->kind->names == stoppers;
    r->loading->timed = stopper && rlt_config_counts_seconds(table);
    rlt_status status = stopper ? rlt_config_drop_foreign(r->loading, r->path, section->fields,
                                                          other_keys, all, err)
                                : RLT_OK;
    if (status == RLT_OK) {
        status =
            rlt_config_read_section(r->loading, section, r->path, other_keys, all, normalised, err);
    }
    r->loading->timed = false;
    json_decref(all);
    RLT_TRY(status);
    if (stopper) {
        r->tune->timed = r->tune->stop_last = false; /* of one without such options */
    }
    rlt_schema_store(section->fields, normalised, r->tune);
    rlt_config_store_amounts(section->fields, normalised, r->tune);
    return RLT_OK;
}

/* The stopper that patience wraps, as wrapped = "median" or a table. Its milestones count. */
static rlt_status read_wrapped(method_reading r, rlt_err *err) {
    static const char *const other_keys[] = {"name", NULL};
    const json_t *given = json_object_get(r.given, "wrapped");
    given = given != NULL ? given : json_object_get(r.given, "wrapped_pruner"); /* Optuna's name */
    r.out = json_object_get(r.out, r.key);
    if (given == NULL || json_is_null(given)) {
        return RLT_OK;
    }
    if (r.tune->milestones.grace > 0 || r.tune->milestones.interval > 0) {
        snprintf(r.loading->failed, sizeof r.loading->failed, "%s.%s", r.path,
                 r.tune->milestones.grace > 0 ? "grace" : "interval");
        return rlt_fail(err, RLT_ECONFIG,
                        "%s: a wrapped stopper has its own grace and interval; give them in its "
                        "table: wrapped = { \"median\", grace = 1000 }",
                        r.loading->failed);
    }
    r.given = given;
    r.path = "tune.stopper.wrapped";
    r.key = "wrapped";
    r.kept = &r.tune->wrapped;
    return read_one(&r, other_keys, err);
}

/* The sampler that partial_fixed leaves the other parameters to, as base = "tpe" or a table. */
static rlt_status read_base(method_reading r, rlt_err *err) {
    static const char *const other_keys[] = {"name", NULL};
    const json_t *given = json_object_get(r.given, "base");
    r.out = json_object_get(r.out, r.key);
    json_t *usual = json_string("tpe");
    r.given = given == NULL || json_is_null(given) ? usual : given;
    r.path = "tune.sampler.base";
    r.key = "base";
    r.kept = &r.tune->base;
    rlt_status status = read_one(&r, other_keys, err);
    json_decref(usual);
    if (status == RLT_OK && r.tune->base == RLT_SAMPLER_PARTIAL_FIXED) {
        snprintf(r.loading->failed, sizeof r.loading->failed, "%s", r.path);
        return rlt_fail(err, RLT_ECONFIG,
                        "%s: partial_fixed cannot wrap itself; one `fixed` may hold any number of "
                        "parameters",
                        r.path);
    }
    return status;
}

static bool is_population(int stopper) {
    return stopper == RLT_STOPPER_PBT || stopper == RLT_STOPPER_PB2 ||
           stopper == RLT_STOPPER_PBT_REPLAY;
}

rlt_status rlt_config_read_method(rlt_config_loading *loading, const char *key, const json_t *given,
                                  json_t *out, rlt_tune_fields *tune, rlt_err *err) {
    static const char *const other_keys[] = {"name", NULL};
    static const char *const wrapper_keys[] = {"name", "wrapped", "wrapped_pruner", NULL};
    static const char *const fixed_keys[] = {"name", "fixed", "base", NULL};
    const method_kind *kind = &kinds[0];
    while (strcmp(kind->key, key) != 0) {
        kind++;
        RLT_ASSERT(kind < kinds + RLT_COUNT(kinds));
    }
    char path[64];
    snprintf(path, sizeof path, "tune.%s", key);
    method_reading r = {loading, kind, path, key, given, out, (int *)((char *)tune + kind->offset),
                        tune};
    const char *defaults, *name = json_string_value(json_object_get(given, "name"));
    bool stopper = kind->names == stoppers;
    bool wraps =
        stopper && name != NULL && find_name(kind, name, &defaults) == RLT_STOPPER_PATIENCE;
    bool population = stopper && name != NULL && is_population(find_name(kind, name, &defaults));
    bool fixes =
        !stopper && name != NULL && find_name(kind, name, &defaults) == RLT_SAMPLER_PARTIAL_FIXED;
    RLT_TRY(read_one(&r,
                     wraps        ? wrapper_keys
                     : fixes      ? fixed_keys
                     : population ? rlt_population_keys
                                  : other_keys,
                     err));
    if (stopper) {
        tune->wrapped = RLT_STOPPER_NONE;
    }
    if (stopper && is_population(tune->stopper)) {
        return rlt_config_read_population(loading, name != NULL ? given : NULL,
                                          json_object_get(out, key), tune, err);
    }
    if (!stopper && tune->sampler == RLT_SAMPLER_PARTIAL_FIXED) {
        return read_base(r, err);
    }
    return wraps ? read_wrapped(r, err) : RLT_OK;
}
