/* driver: every network that a search may build, checked before the first trial: the tenth trial
 * would otherwise find out that its layers do not fit. Numbers of a wide range are checked at its
 * ends. Thread: the caller's. Owner: the caller. */
#include "driver/driver_impl.h"
#include "worker/worker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NETWORKS_MAX = 4096, VALUES_MAX = 64, PARAMS_MAX = 64 }; /* a network takes 30 us */

/* One value that is searched in the model, and the values of it that are tried. */
typedef struct tried {
    const char *path; /* borrowed */
    json_t *values;   /* owned */
    size_t at;        /* the one in use */
} tried;

typedef struct networks {
    const rlt_env_def *def;
    const rlt_experiment_config *config;
    tried params[PARAMS_MAX];
    int count;
} networks;

/* A choice's values; the integers or steps of a range of up to VALUES_MAX; else its ends. */
static json_t *values_of(const rlt_param *param) {
    json_t *values = json_array();
    double low = param->low, high = param->high;
    if (param->choices != NULL) {
        json_array_extend(values, param->choices);
        return values;
    }
    if (param->kind == RLT_DIST_NORMAL) {
        low = high = fmin(fmax(param->mean, low), high);
    }
    double step = param->step > 0 ? param->step : 1, count = floor((high - low) / step + 1e-9) + 1;
    bool steps = (param->integer || param->step > 0) && count <= VALUES_MAX;
    int tried_count = steps ? (int)count : low < high ? 2 : 1;
    for (int i = 0; i < tried_count; i++) {
        double x = steps ? low + i * step : i == 0 ? low : high;
        rlt_value value = {.number = param->integer ? round(x) : x, .choice = -1};
        json_array_append_new(values, rlt_value_json(param, value));
    }
    return values;
}

static bool is_of_model(const char *path) {
    return strncmp(path, "model", 5) == 0 && strchr(".[", path[5]) != NULL; /* or its end */
}

/* Fills the list; false where a function of the script decides, which only a trial can ask. */
static bool collect(networks *n, const rlt_search_space *space) {
    for (int i = 0; i < space->count && n->count < PARAMS_MAX; i++) {
        const rlt_param *param = &space->params[i];
        if (!is_of_model(param->path)) {
            continue;
        }
        if (param->kind == RLT_DIST_FUNCTION) {
            return false;
        }
        n->params[n->count++] = (tried){param->path, values_of(param), 0};
    }
    return true;
}

/* "MESSAGE (with model[1].units = 64, model[2].kind = "lstm")" */
static rlt_status add_values(const json_t *values, const rlt_err *why, rlt_err *err) {
    rlt_buf text = {0};
    const char *path;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)values, path, value) {
        char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        rlt_buf_printf(&text, "%s%s = %.60s", text.size > 0 ? ", " : "", path, shown);
        free(shown);
    }
    rlt_status status = text.size > 0
                            ? rlt_fail(err, why->code, "%s (with %.200s)", why->message, text.data)
                            : rlt_fail(err, why->code, "%s", why->message);
    rlt_buf_fini(&text);
    return status;
}

/* The network of the values in use. */
static rlt_status build_one(const networks *n, rlt_err *err) {
    json_t *only = json_pack("{s:O}", "model", json_object_get(n->config->json, "model"));
    json_t *params = json_object(), *run = NULL;
    rlt_run_config concrete, whole = n->config->run;
    rlt_policy_spec spec;
    for (int i = 0; i < n->count; i++) {
        json_object_set(params, n->params[i].path,
                        json_array_get(n->params[i].values, n->params[i].at));
    }
    rlt_status status = rlt_config_trial_json(only, params, &run, err);
    if (status == RLT_OK) {
        status = rlt_run_config_load(run, &concrete, err);
    }
    if (status == RLT_OK) {
        whole.model = concrete.model;
        status = rlt_policy_spec_make(&whole, n->def, &spec, err);
    }
    json_decref(only);
    json_decref(params);
    json_decref(run);
    return status;
}

/* Whether another value of this one alone would do. */
static bool is_to_blame(networks *n, tried *param) {
    size_t kept = param->at;
    bool works = false;
    for (param->at = 0; param->at < json_array_size(param->values) && !works; param->at++) {
        rlt_err ignored;
        works = build_one(n, &ignored) == RLT_OK;
    }
    param->at = kept;
    return works;
}

/* Names the values that have to do with it; all of them if no single one has. */
static rlt_status check_one(networks *n, rlt_err *err) {
    rlt_err why = {0};
    if (build_one(n, &why) == RLT_OK) {
        return RLT_OK;
    }
    json_t *blamed = json_object(), *all = json_object();
    for (int i = 0; i < n->count; i++) {
        json_t *value = json_array_get(n->params[i].values, n->params[i].at);
        json_object_set(all, n->params[i].path, value);
        if (is_to_blame(n, &n->params[i])) {
            json_object_set(blamed, n->params[i].path, value);
        }
    }
    rlt_status status = add_values(json_object_size(blamed) > 0 ? blamed : all, &why, err);
    json_decref(blamed);
    json_decref(all);
    return status;
}

/* The next combination; false after the last. */
static bool advance(networks *n) {
    for (int i = 0; i < n->count; i++) {
        if (++n->params[i].at < json_array_size(n->params[i].values)) {
            return true;
        }
        n->params[i].at = 0;
    }
    return false;
}

static rlt_status check_combinations(networks *n, rlt_err *err) {
    do {
        RLT_TRY(check_one(n, err));
    } while (advance(n));
    return RLT_OK;
}

/* Too many to combine: each value once, the others at their first. */
static rlt_status check_singly(networks *n, rlt_err *err) {
    for (int i = 0; i < n->count; i++) {
        for (size_t v = 0; v < json_array_size(n->params[i].values); v++) {
            n->params[i].at = v;
            RLT_TRY(check_one(n, err));
        }
        n->params[i].at = 0;
    }
    return RLT_OK;
}

rlt_status rlt_driver_check_models(const rlt_env_def *def, const rlt_experiment_config *config,
                                   const rlt_search_space *space, rlt_err *err) {
    networks n = {.def = def, .config = config};
    rlt_status status = RLT_OK;
    if (collect(&n, space) && n.count > 0) {
        double count = 1;
        for (int i = 0; i < n.count; i++) {
            count *= (double)json_array_size(n.params[i].values);
        }
        status = count <= NETWORKS_MAX ? check_combinations(&n, err) : check_singly(&n, err);
    }
    for (int i = 0; i < n.count; i++) {
        json_decref(n.params[i].values);
    }
    return status;
}

rlt_status rlt_driver_check_network(const rlt_env_def *def, const rlt_run_config *config,
                                    const json_t *params, rlt_err *err) {
    rlt_policy_spec spec;
    rlt_err why = {0};
    if (rlt_policy_spec_make(config, def, &spec, &why) == RLT_OK) {
        return RLT_OK;
    }
    json_t *chosen = json_object(), *value;
    const char *path;
    json_object_foreach((json_t *)(uintptr_t)params, path, value) {
        if (is_of_model(path)) {
            json_object_set(chosen, path, value);
        }
    }
    rlt_status status = add_values(chosen, &why, err);
    json_decref(chosen);
    return status;
}
