/* config: what trials are compared by: tune.metric with its mode, or several (metrics, directions),
 * and what must be at most 0 (constraints). Why the first one stays in metric and mode: whoever
 * knows one objective only goes on without a change.
 * Thread: any. Owner: everything made goes into the experiment's JSON. */
#include "config/config_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The series of a training, as src/learner/process.c reports them. */
const char *const rlt_train_metrics[] = {
    "eval_return",        "mean_return", "mean_length", "episodes",   "steps_per_s",    "eval_std",
    "policy_loss",        "value_loss",  "entropy",     "approx_kl",  "clip_fraction",  "grad_norm",
    "explained_variance", "staleness",   "lr",          "valid_loss", "valid_accuracy", NULL};

static bool is_program(const rlt_config_loading *loading) {
    return json_object_get(loading->out, "objective") != NULL;
}

static rlt_status check_train_metric(rlt_config_loading *loading, const char *path,
                                     const char *metric, rlt_err *err) {
    rlt_buf allowed = {0};
    size_t count = 0;
    for (; rlt_train_metrics[count] != NULL; count++) {
        if (strcmp(metric, rlt_train_metrics[count]) == 0) {
            rlt_buf_fini(&allowed);
            return RLT_OK;
        }
        rlt_buf_printf(&allowed, "%s'%s'", count > 0 ? ", " : "", rlt_train_metrics[count]);
    }
    const char *nearest = rlt_str_nearest(metric, rlt_train_metrics, count);
    snprintf(loading->failed, sizeof loading->failed, "%s", path);
    rlt_status status =
        rlt_fail(err, RLT_ECONFIG, "%s: \"%.60s\" is not allowed%s%s%s; allowed: one of %s", path,
                 metric, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                 nearest ? "'?)" : "", allowed.data);
    rlt_buf_fini(&allowed);
    return status;
}

/* A list of names of metrics into names[][RLT_NAME_MAX]. */
static rlt_status read_names(rlt_config_loading *loading, const char *path, const json_t *list,
                             char (*names)[RLT_NAME_MAX], int most, int *count, rlt_err *err) {
    *count = 0;
    if (json_array_size(list) > (size_t)most) {
        return rlt_config_fail(loading, path, err, "%zu names; at most %d are possible",
                               json_array_size(list), most);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (*name == 0 || strlen(name) >= RLT_NAME_MAX || strchr(name, ',') != NULL) {
            return rlt_config_fail(loading, path, err,
                                   "'%.60s' is no name of a metric: 1 to %d bytes without commas "
                                   "are",
                                   name, RLT_NAME_MAX - 1);
        }
        for (int j = 0; j < *count; j++) {
            if (strcmp(names[j], name) == 0) {
                return rlt_config_fail(loading, path, err, "'%.60s' is given twice", name);
            }
        }
        if (!is_program(loading)) {
            RLT_TRY(check_train_metric(loading, path, name, err));
        }
        snprintf(names[(*count)++], RLT_NAME_MAX, "%s", name);
    }
    return RLT_OK;
}

static bool gives(const json_t *table, const char *name, const char *alias) {
    return json_object_get(table, name) != NULL || json_object_get(table, alias) != NULL;
}

/* -1: unknown; else whether more is better. */
static int direction_of(const char *text) {
    static const char *const less[] = {"min", "minimize", "minimise"};
    static const char *const more[] = {"max", "maximize", "maximise"};
    for (size_t i = 0; i < RLT_COUNT(less); i++) {
        if (strcmp(text, less[i]) == 0 || strcmp(text, more[i]) == 0) {
            return strcmp(text, more[i]) == 0;
        }
    }
    return -1;
}

/* One direction for each metric, or none: `mode` is that of all. */
static rlt_status read_directions(rlt_config_loading *loading, const json_t *raw,
                                  const json_t *list, rlt_tune_fields *tune, rlt_err *err) {
    size_t given = json_array_size(list), count = (size_t)tune->objectives.count;
    if (given > 0 && given != count) {
        return rlt_config_fail(loading, "tune.directions", err,
                               "%zu directions for %zu metrics; give one for each, such as "
                               "directions = { \"max\", \"min\" }",
                               given, count);
    }
    for (size_t i = 0; i < count; i++) {
        const char *text = given > 0 ? json_string_value(json_array_get(list, i)) : NULL;
        int direction = text != NULL ? direction_of(text) : tune->maximise;
        if (direction < 0) {
            return rlt_config_fail(loading, "tune.directions", err,
                                   "'%.40s' is not allowed; allowed: 'max', 'min' (or "
                                   "'maximize', 'minimize')",
                                   text);
        }
        tune->objectives.maximise[i] = direction == 1;
    }
    if (given > 0 && gives(raw, "mode", "direction") &&
        tune->maximise != tune->objectives.maximise[0]) {
        return rlt_config_fail(loading, "tune.directions", err,
                               "says something else than mode; give one of the two");
    }
    tune->maximise = tune->objectives.maximise[0];
    return RLT_OK;
}

static rlt_status read_metrics(rlt_config_loading *loading, const json_t *raw, json_t *out,
                               rlt_tune_fields *tune, rlt_err *err) {
    const json_t *list = json_object_get(out, "metrics");
    RLT_TRY(read_names(loading, "tune.metrics", list, tune->objectives.names, RLT_OBJECTIVES_MAX,
                       &tune->objectives.count, err));
    if (tune->objectives.count > 0) {
        if (json_object_get(raw, "metric") != NULL &&
            strcmp(tune->metric, tune->objectives.names[0]) != 0) {
            return rlt_config_fail(loading, "tune.metrics", err,
                                   "metric names another one ('%.60s'); give one of the two",
                                   tune->metric);
        }
        memcpy(tune->metric, tune->objectives.names[0], sizeof tune->metric);
        return RLT_OK;
    }
    RLT_TRY(is_program(loading) ? rlt_config_program_metric(loading, tune, out, err)
                                : check_train_metric(loading, "tune.metric", tune->metric, err));
    tune->objectives.count = 1;
    memcpy(tune->objectives.names[0], tune->metric, sizeof tune->metric);
    return RLT_OK;
}

static void write_back(const rlt_tune_fields *tune, json_t *out) {
    json_t *names = json_array(), *directions = json_array();
    for (int i = 0; i < tune->objectives.count; i++) {
        json_array_append_new(names, json_string(tune->objectives.names[i]));
        json_array_append_new(directions,
                              json_string(tune->objectives.maximise[i] ? "max" : "min"));
    }
    json_object_set_new(out, "metric", json_string(tune->metric));
    json_object_set_new(out, "mode", json_string(tune->maximise ? "max" : "min"));
    json_object_set_new(out, "metrics", names);
    json_object_set_new(out, "directions", directions);
}

rlt_status rlt_config_read_objectives(rlt_config_loading *loading, const json_t *raw, json_t *out,
                                      rlt_tune_fields *tune, rlt_err *err) {
    RLT_TRY(read_metrics(loading, raw, out, tune, err));
    RLT_TRY(read_directions(loading, raw, json_object_get(out, "directions"), tune, err));
    write_back(tune, out);
    return read_names(loading, "tune.constraints", json_object_get(out, "constraints"),
                      tune->constraints.names, RLT_CONSTRAINTS_MAX, &tune->constraints.count, err);
}

/* As Optuna 5.0.0: parameters one by one with several objectives. */
void rlt_config_sampler_defaults(const json_t *given, json_t *out, rlt_tune_fields *tune) {
    json_t *options = json_object_get(out, "sampler");
    int sampler = tune->sampler;
    if (sampler == RLT_SAMPLER_PARTIAL_FIXED) {
        sampler = tune->base;
        given = json_object_get(given, "base");
        options = json_object_get(options, "base");
    }
    if (tune->objectives.count > 1 && sampler == RLT_SAMPLER_TPE &&
        json_object_get(given, "multivariate") == NULL) {
        tune->tpe.multivariate = false;
        json_object_set_new(options, "multivariate", json_false());
    }
}

rlt_status rlt_config_check_several(rlt_config_loading *loading, const rlt_tune_fields *tune,
                                    rlt_err *err) {
    if (tune->objectives.count < 2) {
        return RLT_OK;
    }
    if (tune->stopper != RLT_STOPPER_NONE) {
        return rlt_config_fail(loading, "tune.stopper", err,
                               "trials with several metrics have no order that a stopper could go "
                               "by; leave stopper out, or tune one metric and give limits for the "
                               "others as constraints");
    }
    if (!isnan(tune->goal)) {
        return rlt_config_fail(loading, "tune.goal", err,
                               "is the value of one metric, but there are several; leave it out");
    }
    if (tune->final.seeds > 0) {
        return rlt_config_fail(loading, "tune.final.seeds", err,
                               "with several metrics there is no one winner to be trained again; "
                               "leave it out, and train one of those that `rltune best` shows");
    }
    return RLT_OK;
}
