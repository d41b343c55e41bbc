/* config: options of stopper = { "pbt", ... } and { "pb2", ... } that are lists and tables:
 * perturbation_factors, mutations, hyperparam_bounds, with Ray Tune's names. Which parameters there
 * are, and which of them can change, is for the tuner to say.
 * Thread: any. Owner: what is made goes into the experiment's JSON. */
#include "config/config_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const rlt_population_keys[] = {"name",
                                           "perturbation_factors",
                                           "mutations",
                                           "hyperparam_mutations",
                                           "hyperparam_bounds",
                                           "schedule",
                                           NULL};

static rlt_status fail_at(rlt_config_loading *loading, const char *key, rlt_err *err,
                          const char *what) {
    char path[RLT_FIELD_PATH_MAX];
    snprintf(path, sizeof path, "tune.stopper.%.140s", key);
    return rlt_config_fail(loading, path, err, "%s", what);
}

static rlt_status read_factors(rlt_config_loading *loading, const json_t *given, json_t *out,
                               rlt_tune_fields *tune, rlt_err *err) {
    static const char key[] = "perturbation_factors";
    tune->pbt.factor_count = 0;
    json_t *factors = given != NULL ? json_incref((json_t *)given) : json_pack("[f, f]", 1.2, 0.8);
    json_object_set_new(out, key, factors);
    size_t count = json_array_size(factors);
    if (!json_is_array(factors) || count == 0 || count > RLT_FACTORS_MAX) {
        return fail_at(loading, key, err, "a list of 1 to 16 numbers is expected, as { 1.2, 0.8 }");
    }
    for (size_t i = 0; i < count; i++) {
        double factor = json_number_value(json_array_get(factors, i)); /* 0 if it is no number */
        if (!(factor > 0) || factor > 1e6) {
            return fail_at(loading, key, err, "each factor is a number more than 0, at most 1e6");
        }
        tune->pbt.factors[tune->pbt.factor_count++] = factor;
    }
    return RLT_OK;
}

/* The canonical path of a parameter: the field's, or "params.x" of a program for "x". */
static void canonical(const rlt_config_loading *loading, const char *given,
                      char path[RLT_FIELD_PATH_MAX]) {
    bool program = json_object_get(loading->out, "objective") != NULL;
    if (program) {
        rlt_config_param_path(given, path);
    } else if (rlt_config_find_field(given, path) == NULL) {
        snprintf(path, RLT_FIELD_PATH_MAX, "%.150s", given);
    }
}

/* ---- mutations: names, or Ray's table {name = list of values or distribution} ---- */

/* A new reference to the search value that {v, ...} or space.uniform(...) means; NULL: neither. */
static json_t *space_of(const json_t *given) {
    if (json_is_array(given) && json_array_size(given) > 0) {
        return json_pack("{s:s, s:O}", "$space", "choice", "values", given);
    }
    return json_object_get(given, "$space") != NULL ? json_incref((json_t *)given) : NULL;
}

static rlt_status check_value(const char *path, const json_t *value, json_t **canonical,
                              rlt_err *err) {
    return rlt_config_is_param(path) ? rlt_config_check_param(path, value, canonical, err)
                                     : rlt_config_check_value(path, value, canonical, err);
}

/* Whether the script gives the field a value of its own, as far as that shows. */
static bool is_given(const rlt_config_loading *loading, const char *path, const json_t *now) {
    char ignored[RLT_FIELD_PATH_MAX];
    if (rlt_config_get(loading->raw, path) != NULL) {
        return true;
    }
    const rlt_field *field =
        rlt_config_is_param(path) ? NULL : rlt_config_find_field(path, ignored);
    json_t *initial = field != NULL ? rlt_field_default(field) : NULL;
    bool other = now != NULL && !json_equal(now, initial);
    json_decref(initial);
    return other;
}

/* A parameter that only the mutations name starts with one of their values, as Ray Tune has it; one
 * with a single value starts with that. */
static rlt_status make_searched(rlt_config_loading *loading, const char *path, const json_t *space,
                                rlt_err *err) {
    const json_t *now = rlt_config_get(loading->out, path);
    if (now != NULL && rlt_space_is(now)) {
        return RLT_OK;
    }
    json_t *canonical = NULL;
    json_t *start = is_given(loading, path, now)
                        ? json_pack("{s:s, s:O}", "$space", "fixed", "value", now)
                        : json_incref((json_t *)space);
    rlt_status status = check_value(path, start, &canonical, err);
    json_decref(start);
    if (status == RLT_OK) {
        status = rlt_config_set_json(loading->out, path, canonical, err);
    }
    json_decref(canonical);
    return status;
}

static rlt_status add_mutation(rlt_config_loading *loading, const char *key, const char *name,
                               const json_t *given, json_t *out, rlt_err *err) {
    char path[RLT_FIELD_PATH_MAX], where[2 * RLT_FIELD_PATH_MAX];
    json_t *space = space_of(given), *canonical_space = NULL;
    rlt_err why = {0};
    canonical(loading, name, path);
    snprintf(where, sizeof where, "%s[\"%.100s\"]", key, name);
    if (space == NULL) {
        return fail_at(loading, where, err,
                       "a list of values or a search value is expected, as { 1e-4, 1e-3 } or "
                       "space.uniform(0.9, 1)");
    }
    rlt_status status = check_value(path, space, &canonical_space, &why);
    json_decref(space);
    if (status == RLT_OK) {
        json_object_set_new(out, path, canonical_space);
        status = make_searched(loading, path, canonical_space, &why);
    }
    return status == RLT_OK ? RLT_OK : fail_at(loading, where, err, why.message);
}

/* Names by path, or in tables of one level: { ppo = { lr = { 1e-4, 1e-3 } } }. */
static rlt_status read_table(rlt_config_loading *loading, const char *key, const json_t *given,
                             json_t *out, rlt_err *err) {
    const char *name, *inner_name;
    json_t *item, *inner;
    json_object_foreach((json_t *)given, name, item) {
        if (!json_is_object(item) || rlt_space_is(item)) {
            RLT_TRY(add_mutation(loading, key, name, item, out, err));
            continue;
        }
        json_object_foreach(item, inner_name, inner) {
            char path[RLT_FIELD_PATH_MAX];
            snprintf(path, sizeof path, "%.70s.%.70s", name, inner_name);
            RLT_TRY(add_mutation(loading, key, path, inner, out, err));
        }
    }
    return RLT_OK;
}

static rlt_status read_mutations(rlt_config_loading *loading, const char *key, const json_t *given,
                                 json_t *out, rlt_err *err) {
    static const char what[] =
        "a list of searched parameters is expected, as { \"ppo.lr\" }, or a table of what they may "
        "become, as { [\"ppo.lr\"] = { 1e-4, 1e-3 } }";
    char path[RLT_FIELD_PATH_MAX];
    bool table = json_is_object(given) && !rlt_space_is(given) && json_object_size(given) > 0;
    json_t *paths = table ? json_object() : json_array(), *item;
    size_t i;
    json_object_set_new(out, "mutations", paths);
    if (table) {
        return read_table(loading, key, given, paths, err);
    }
    if (!json_is_array(given) || json_array_size(given) == 0) {
        return fail_at(loading, key, err, what);
    }
    json_array_foreach((json_t *)given, i, item) {
        if (!json_is_string(item)) {
            return fail_at(loading, key, err, what);
        }
        canonical(loading, json_string_value(item), path);
        json_array_append_new(paths, json_string(path));
    }
    return RLT_OK;
}

static rlt_status read_bounds(rlt_config_loading *loading, const json_t *given, json_t *out,
                              rlt_err *err) {
    static const char key[] = "hyperparam_bounds",
                      what[] =
                          "a table of bounds is expected, as { [\"ppo.lr\"] = { 1e-4, 1e-2 } }";
    char path[RLT_FIELD_PATH_MAX];
    json_t *bounds = json_object(), *item;
    const char *name;
    json_object_set_new(out, key, bounds);
    if (!json_is_object(given) || json_object_size(given) == 0) {
        return fail_at(loading, key, err, what);
    }
    json_object_foreach((json_t *)given, name, item) {
        const json_t *low = json_array_get(item, 0), *high = json_array_get(item, 1);
        if (json_array_size(item) != 2 || !json_is_number(low) || !json_is_number(high) ||
            !(json_number_value(low) < json_number_value(high))) {
            return fail_at(loading, key, err, what);
        }
        canonical(loading, name, path);
        json_object_set(bounds, path, item);
        json_t *space = json_pack("{s:s, s:O, s:O}", "$space", "uniform", "low", low, "high", high);
        rlt_status status = make_searched(loading, path, space, err);
        json_decref(space);
        RLT_TRY(status);
    }
    return RLT_OK;
}

/* What one of the two does not look at would be given in vain. */
static rlt_status check_method(rlt_config_loading *loading, const json_t *given,
                               const rlt_tune_fields *tune, rlt_err *err) {
    bool pb2 = tune->stopper == RLT_STOPPER_PB2;
    const char *foreign = pb2 ? "perturbation_factors" : "hyperparam_bounds";
    if (json_object_get(given, foreign) == NULL) {
        return RLT_OK;
    }
    return fail_at(loading, foreign, err,
                   pb2 ? "pb2 perturbs nothing: a model chooses numbers within hyperparam_bounds"
                       : "is of pb2; pbt has mutations = { [\"ppo.lr\"] = space.loguniform(1e-4, "
                         "1e-3) }");
}

rlt_status rlt_config_read_population(rlt_config_loading *loading, const json_t *given, json_t *out,
                                      rlt_tune_fields *tune, rlt_err *err) {
    const json_t *schedule = json_object_get(given, "schedule"); /* the driver has put it there */
    if (tune->stopper == RLT_STOPPER_PBT_REPLAY && schedule != NULL) {
        json_object_set(out, "schedule", (json_t *)schedule);
    }
    const json_t *mutations = json_object_get(given, "mutations");
    const json_t *rays = json_object_get(given, "hyperparam_mutations");
    const json_t *bounds = json_object_get(given, "hyperparam_bounds");
    if ((mutations != NULL) + (rays != NULL) + (bounds != NULL) > 1) {
        return fail_at(loading, "mutations", err,
                       "mutations, hyperparam_mutations and hyperparam_bounds say the same; give "
                       "one of them");
    }
    if (tune->stopper == RLT_STOPPER_PBT_REPLAY) {
        return RLT_OK;
    }
    if (tune->stopper == RLT_STOPPER_PBT) {
        RLT_TRY(
            read_factors(loading, json_object_get(given, "perturbation_factors"), out, tune, err));
    }
    RLT_TRY(check_method(loading, given, tune, err));
    mutations = mutations != NULL ? mutations : rays;
    if (tune->stopper == RLT_STOPPER_PB2 && json_is_object(mutations)) {
        return fail_at(loading, rays != NULL ? "hyperparam_mutations" : "mutations", err,
                       "pb2 chooses numbers within bounds: hyperparam_bounds = { [\"ppo.lr\"] = { "
                       "1e-4, 1e-3 } }");
    }
    if (mutations != NULL) {
        return read_mutations(loading, rays != NULL ? "hyperparam_mutations" : "mutations",
                              mutations, out, err);
    }
    return bounds != NULL ? read_bounds(loading, bounds, out, err) : RLT_OK;
}
