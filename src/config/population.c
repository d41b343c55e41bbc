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
    char path[64];
    snprintf(path, sizeof path, "tune.stopper.%s", key);
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
        snprintf(path, RLT_FIELD_PATH_MAX, "%s%.120s", rlt_config_is_param(given) ? "" : "params.",
                 given);
    } else if (rlt_config_find_field(given, path) == NULL) {
        snprintf(path, RLT_FIELD_PATH_MAX, "%.150s", given);
    }
}

/* A list of names; Ray's table {name = distribution} names them too, and the distribution is the
 * one of the search space. */
static rlt_status read_mutations(rlt_config_loading *loading, const char *key, const json_t *given,
                                 json_t *out, rlt_err *err) {
    static const char what[] = "a list of searched parameters is expected, as { \"ppo.lr\" }";
    char path[RLT_FIELD_PATH_MAX];
    json_t *paths = json_array(), *item;
    size_t i;
    json_object_set_new(out, "mutations", paths);
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
    }
    return RLT_OK;
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
    if (mutations != NULL || rays != NULL) {
        return read_mutations(loading, mutations != NULL ? "mutations" : "hyperparam_mutations",
                              mutations != NULL ? mutations : rays, out, err);
    }
    return bounds != NULL ? read_bounds(loading, bounds, out, err) : RLT_OK;
}
