/* exchange: objective, algorithm, early stopping and counts of a Katib Experiment.
 * Names and settings: Katib's documentation of algorithms and of early stopping (v1beta1).
 * Thread: any. */
#include "exchange/katib_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rlt_yaml_node *spec_of(rlt_katib *k, const char *key) {
    return rlt_yaml_get(&k->yaml, rlt_yaml_get(&k->yaml, rlt_yaml_root(&k->yaml), "spec"), key);
}

/* ---- objective ---- */

static void note_strategies(rlt_katib *k, const rlt_yaml_node *objective) {
    const rlt_yaml_node *list = rlt_yaml_get(&k->yaml, objective, "metricStrategies");
    for (int i = 0; i < rlt_yaml_count(list); i++) {
        const rlt_yaml_node *item = rlt_yaml_item(&k->yaml, list, i);
        const char *value = rlt_yaml_text(rlt_yaml_get(&k->yaml, item, "value"));
        if (value != NULL && strcmp(value, "latest") != 0) {
            rlt_notes_add(k->notes, rlt_yaml_line(item),
                          "metricStrategies: '%.20s' of a metric is not its result here: the "
                          "latest value is",
                          value);
        }
    }
}

static rlt_status read_objective(rlt_katib *k, rlt_err *err) {
    static const char *const known[] = {
        "type", "goal", "objectiveMetricName", "additionalMetricNames", "metricStrategies", NULL};
    const rlt_yaml_node *objective = spec_of(k, "objective");
    const rlt_yaml_node *goal = rlt_yaml_get(&k->yaml, objective, "goal");
    const char *type = rlt_yaml_text(rlt_yaml_get(&k->yaml, objective, "type"));
    const char *metric = rlt_yaml_text(rlt_yaml_get(&k->yaml, objective, "objectiveMetricName"));
    double value;
    bool max = type != NULL && strcmp(type, "maximize") == 0;
    if (!max && (type == NULL || strcmp(type, "minimize") != 0)) {
        return rlt_katib_fail(k, objective, err,
                              "spec.objective.type: '%.40s' is none of minimize, maximize",
                              type != NULL ? type : "");
    }
    if (metric == NULL || *metric == 0 || strlen(metric) > 127) {
        return rlt_katib_fail(k, objective, err,
                              "spec.objective.objectiveMetricName: a name of 1 to 127 bytes is "
                              "expected");
    }
    json_object_set_new(k->tune, "metric", json_string(metric));
    json_object_set_new(k->tune, "mode", json_string(max ? "max" : "min"));
    if (goal != NULL && !rlt_katib_number(goal, &value)) {
        return rlt_katib_fail(k, goal, err, "spec.objective.goal: a number is expected");
    }
    if (goal != NULL) {
        json_object_set_new(k->tune, "goal", json_real(value));
    }
    note_strategies(k, objective);
    rlt_katib_note_rest(k, objective, "spec.objective.", known);
    return RLT_OK;
}

/* ---- algorithm ---- */

typedef struct setting {
    const char *algorithm, *name, *ours; /* ours NULL: left out silently: it is the default */
} setting;
static const setting settings[] = {
    {"tpe", "n_startup_trials", "n_startup_trials"},
    {"tpe", "n_ei_candidates", "n_ei_candidates"},
    {"tpe", "gamma", "gamma"},
    {"tpe", "prior_weight", "prior_weight"},
    {"multivariate-tpe", "n_startup_trials", "n_startup_trials"},
    {"multivariate-tpe", "n_ei_candidates", "n_ei_candidates"},
    {"bayesianoptimization", "n_initial_points", "n_startup_trials"},
    {"cmaes", "sigma", "sigma0"},
    {"cmaes", "restart_strategy", "restart"},
    {"hyperband", "eta", "reduction"},
    {"hyperband", "r_l", "max_steps"},
    {NULL, NULL, NULL},
};

/* "0.5" and "16" are numbers, "ipop" is a text. */
static json_t *setting_value(const rlt_yaml_node *node) {
    double x;
    if (rlt_katib_number(node, &x)) {
        return x == (double)(int64_t)x ? json_integer((json_int_t)x) : json_real(x);
    }
    return json_string(rlt_yaml_text(node) != NULL ? rlt_yaml_text(node) : "");
}

static void read_settings(rlt_katib *k, const rlt_yaml_node *algorithm, const char *name,
                          json_t *options) {
    const rlt_yaml_node *list = rlt_yaml_get(&k->yaml, algorithm, "algorithmSettings");
    for (int i = 0; i < rlt_yaml_count(list); i++) {
        const rlt_yaml_node *item = rlt_yaml_item(&k->yaml, list, i);
        const rlt_yaml_node *value = rlt_yaml_get(&k->yaml, item, "value");
        const char *key = rlt_yaml_text(rlt_yaml_get(&k->yaml, item, "name"));
        key = key != NULL ? key : "";
        bool seed = strcmp(key, "random_state") == 0 || strcmp(key, "seed") == 0;
        const setting *at = settings;
        while (at->name != NULL &&
               (strcmp(at->algorithm, name) != 0 || strcmp(at->name, key) != 0)) {
            at++;
        }
        double x;
        if (seed && rlt_katib_number(value, &x) && x >= 0) {
            json_object_set_new(k->tune, "seed", json_integer((json_int_t)x));
        } else if (at->name != NULL) {
            json_object_set_new(options, at->ours, setting_value(value));
        } else {
            rlt_notes_add(k->notes, rlt_yaml_line(item),
                          "algorithmSettings.%.60s of %.40s has no counterpart", key, name);
        }
    }
}

static const struct {
    const char *name, *sampler;
} algorithms[] = {{"random", "random"}, {"grid", "grid"},
                  {"sobol", "sobol"},   {"bayesianoptimization", "gp"},
                  {"tpe", "tpe"},       {"multivariate-tpe", "tpe"},
                  {"cmaes", "cmaes"},   {"hyperband", "random"},
                  {"pbt", "random"}};

static rlt_status fail_algorithm(const rlt_katib *k, const rlt_yaml_node *node, const char *name,
                                 rlt_err *err) {
    const char *names[RLT_COUNT(algorithms)];
    for (size_t i = 0; i < RLT_COUNT(algorithms); i++) {
        names[i] = algorithms[i].name;
    }
    const char *nearest = rlt_str_nearest(name, names, RLT_COUNT(names));
    return rlt_katib_fail(k, node, err,
                          "spec.algorithm.algorithmName: '%.40s' is unknown%s%s%s; known: random, "
                          "grid, sobol, bayesianoptimization, tpe, multivariate-tpe, cmaes, "
                          "hyperband, pbt",
                          name, nearest != NULL ? " (did you mean '" : "",
                          nearest != NULL ? nearest : "", nearest != NULL ? "'?)" : "");
}

static rlt_status read_algorithm(rlt_katib *k, rlt_err *err) {
    static const char *const known[] = {"algorithmName", "algorithmSettings", NULL};
    const rlt_yaml_node *algorithm = spec_of(k, "algorithm");
    const char *name = rlt_yaml_text(rlt_yaml_get(&k->yaml, algorithm, "algorithmName"));
    const char *sampler = NULL;
    name = name != NULL ? name : "";
    if (strcmp(name, "enas") == 0 || strcmp(name, "darts") == 0) {
        rlt_katib_fail(k, algorithm, err,
                       "spec.algorithm: %s searches for networks inside Katib's own trial image; "
                       "here such a search is sampler = \"oneshot\" or \"evolution\" over model",
                       name);
        return err->code = RLT_ENOTSUP;
    }
    for (size_t i = 0; i < RLT_COUNT(algorithms); i++) {
        sampler = strcmp(name, algorithms[i].name) == 0 ? algorithms[i].sampler : sampler;
    }
    if (sampler == NULL) {
        return fail_algorithm(k, algorithm, name, err);
    }
    json_t *options = json_object();
    read_settings(k, algorithm, name, options);
    if (strcmp(name, "hyperband") == 0) {
        json_object_set_new(options, "name", json_string("hyperband"));
        json_object_set_new(k->tune, "sampler", json_string("random"));
        json_object_set_new(k->tune, "stopper", options);
        rlt_notes_add(k->notes, rlt_yaml_line(algorithm),
                      "hyperband: Katib gives a trial its resource as a parameter; here the trial "
                      "reports at every step and is paused and stopped");
    } else {
        if (strcmp(name, "pbt") == 0) {
            rlt_notes_add(k->notes, rlt_yaml_line(algorithm),
                          "pbt: needs trials that save and load checkpoints where rltune says "
                          "(objective.checkpoint, stopper = \"pbt\"); random search is here "
                          "instead");
        }
        if (strstr(name, "tpe") != NULL) { /* Katib's plain one draws parameter by parameter */
            json_object_set_new(options, "multivariate", json_boolean(strcmp(name, "tpe") != 0));
        }
        json_object_set_new(options, "name", json_string(sampler));
        json_object_set_new(k->tune, "sampler", options);
    }
    rlt_katib_note_rest(k, algorithm, "spec.algorithm.", known);
    return RLT_OK;
}

/* ---- early stopping, counts ---- */

static rlt_status read_stopping(rlt_katib *k, rlt_err *err) {
    const rlt_yaml_node *stopping = spec_of(k, "earlyStopping");
    const char *name = rlt_yaml_text(rlt_yaml_get(&k->yaml, stopping, "algorithmName"));
    const rlt_yaml_node *list = rlt_yaml_get(&k->yaml, stopping, "algorithmSettings");
    if (stopping == NULL) {
        return RLT_OK;
    }
    if (name == NULL || strcmp(name, "medianstop") != 0) {
        return rlt_katib_fail(k, stopping, err,
                              "spec.earlyStopping.algorithmName: '%.40s' is unknown; known: "
                              "medianstop",
                              name != NULL ? name : "");
    }
    json_t *median = json_pack("{s:s, s:i, s:i, s:i}", "name", "median", "startup_trials", 3,
                               "grace", 4, "interval", 1); /* Katib's defaults */
    for (int i = 0; i < rlt_yaml_count(list); i++) {
        const rlt_yaml_node *item = rlt_yaml_item(&k->yaml, list, i);
        const char *key = rlt_yaml_text(rlt_yaml_get(&k->yaml, item, "name"));
        double x;
        bool number = rlt_katib_number(rlt_yaml_get(&k->yaml, item, "value"), &x) && x >= 0;
        if (key != NULL && number && strcmp(key, "min_trials_required") == 0) {
            json_object_set_new(median, "startup_trials", json_integer((json_int_t)x));
        } else if (key != NULL && number && strcmp(key, "start_step") == 0) {
            json_object_set_new(median, "grace", json_integer(x >= 1 ? (json_int_t)x : 1));
        } else {
            rlt_notes_add(k->notes, rlt_yaml_line(item),
                          "earlyStopping.algorithmSettings.%.60s has no counterpart",
                          key != NULL ? key : "");
        }
    }
    if (json_object_get(k->tune, "stopper") != NULL) {
        rlt_notes_add(k->notes, rlt_yaml_line(stopping),
                      "earlyStopping is left out: hyperband stops trials already");
        json_decref(median);
        return RLT_OK;
    }
    json_object_set_new(k->tune, "stopper", median);
    return RLT_OK;
}

/* What stops early needs to know how long a whole trial is, which the file does not say. */
static void guess_steps(rlt_katib *k) {
    enum { GUESS = 1000 };
    const json_t *stopper = json_object_get(k->tune, "stopper");
    json_int_t steps = json_integer_value(json_object_get(stopper, "max_steps"));
    if (stopper == NULL) {
        return;
    }
    json_object_set_new(k->config, "stop",
                        json_pack("{s:I}", "steps", steps > 0 ? steps : (json_int_t)GUESS));
    if (steps == 0) {
        rlt_notes_add(k->notes, 0,
                      "stop.steps = %d is a guess: set it to the step that a whole trial reports "
                      "last",
                      GUESS);
    }
}

static rlt_status read_counts(rlt_katib *k, rlt_err *err) {
    static const struct {
        const char *theirs, *ours;
        double max;
    } counts[] = {{"parallelTrialCount", "parallel", 4096},
                  {"maxTrialCount", "trials", 1e7},
                  {"maxFailedTrialCount", "max_failed", 1e7}};
    for (size_t i = 0; i < RLT_COUNT(counts); i++) {
        const rlt_yaml_node *node = spec_of(k, counts[i].theirs);
        double x;
        if (node == NULL) {
            continue;
        }
        if (!rlt_katib_number(node, &x) || x != (double)(int64_t)x || x < 0 || x > counts[i].max) {
            return rlt_katib_fail(k, node, err, "spec.%s: an integer from 0 to %.0f is expected",
                                  counts[i].theirs, counts[i].max);
        }
        if (x > 0) {
            json_object_set_new(k->tune, counts[i].ours, json_integer((json_int_t)x));
        }
    }
    return RLT_OK;
}

rlt_status rlt_katib_search(rlt_katib *k, rlt_err *err) {
    RLT_TRY(read_objective(k, err));
    RLT_TRY(read_algorithm(k, err));
    RLT_TRY(read_stopping(k, err));
    guess_steps(k);
    return read_counts(k, err);
}
