/* exchange: the algorithm of a Katib Experiment with its settings.
 * Names, settings and what they mean: Katib's documentation of algorithms and the suggestion
 * services that it names (v1beta1: Optuna, Hyperopt, scikit-optimize, Goptuna, hyperband, pbt).
 * Thread: any. */
#include "exchange/katib_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct setting {
    const char *algorithm, *name, *ours;
} setting;
static const setting settings[] = {
    {"tpe", "n_startup_trials", "n_startup_trials"},
    {"tpe", "n_ei_candidates", "n_ei_candidates"},
    {"tpe", "n_EI_candidates", "n_ei_candidates"},
    {"tpe", "gamma", "gamma"},
    {"tpe", "prior_weight", "prior_weight"},
    {"multivariate-tpe", "n_startup_trials", "n_startup_trials"},
    {"multivariate-tpe", "n_ei_candidates", "n_ei_candidates"},
    {"multivariate-tpe", "n_EI_candidates", "n_ei_candidates"},
    {"bayesianoptimization", "n_initial_points", "n_startup_trials"},
    {"cmaes", "sigma", "sigma0"},
    {"cmaes", "restart_strategy", "restart"},
    {"hyperband", "eta", "reduction"},
    {"hyperband", "r_l", "max_steps"},
    {"pbt", "truncation_threshold", "quantile_fraction"},
    {"pbt", "resample_probability", "resample_probability"},
    {NULL, NULL, NULL},
};

static const struct {
    const char *name, *sampler, *stopper;
} algorithms[] = {{"random", "random", NULL}, {"grid", "grid", NULL},
                  {"sobol", "sobol", NULL},   {"bayesianoptimization", "gp", NULL},
                  {"tpe", "tpe", NULL},       {"multivariate-tpe", "tpe", NULL},
                  {"cmaes", "cmaes", NULL},   {"hyperband", "random", "hyperband"},
                  {"pbt", "random", "pbt"},   {"enas", "evolution", NULL}};

/* "0.5" and "16" are numbers, "ipop" is a text. */
static json_t *setting_value(const rlt_yaml_node *node) {
    double x;
    if (rlt_katib_number(node, &x)) {
        return x == (double)(int64_t)x ? json_integer((json_int_t)x) : json_real(x);
    }
    return json_string(rlt_yaml_text(node) != NULL ? rlt_yaml_text(node) : "");
}

/* What is no option of a sampler or a stopper. True: it was one of these. */
static bool read_special(rlt_katib *k, const char *name, const char *key,
                         const rlt_yaml_node *value) {
    const char *text = rlt_yaml_text(value);
    double x = -1;
    bool number = rlt_katib_number(value, &x) && x >= 0 && x < 0x1p53;
    if (number && (strcmp(key, "random_state") == 0 || strcmp(key, "seed") == 0)) {
        json_object_set_new(k->tune, "seed", json_integer((json_int_t)x));
    } else if (strcmp(name, "hyperband") == 0 && strcmp(key, "resource_name") == 0) {
        k->resource = text;
    } else if (strcmp(name, "pbt") == 0 && strcmp(key, "suggestion_trial_dir") == 0) {
        k->saved = rlt_katib_place_of(text != NULL ? text : "", "{checkpoint}");
    } else if (number && strcmp(name, "pbt") == 0 && strcmp(key, "n_population") == 0) {
        json_object_set_new(k->tune, "trials", json_integer((json_int_t)x));
    } else {
        return strcmp(name, "bayesianoptimization") == 0 && text != NULL &&
               ((strcmp(key, "base_estimator") == 0 && strcmp(text, "GP") == 0) ||
                (strcmp(key, "acq_optimizer") == 0 && strcmp(text, "auto") == 0));
    }
    return true;
}

static void read_settings(rlt_katib *k, const rlt_yaml_node *algorithm, const char *name,
                          json_t *options) {
    const rlt_yaml_node *list = rlt_yaml_get(&k->yaml, algorithm, "algorithmSettings");
    for (int i = 0; i < rlt_yaml_count(list); i++) {
        const rlt_yaml_node *item = rlt_yaml_item(&k->yaml, list, i);
        const rlt_yaml_node *value = rlt_yaml_get(&k->yaml, item, "value");
        const char *key = rlt_yaml_text(rlt_yaml_get(&k->yaml, item, "name"));
        key = key != NULL ? key : "";
        const setting *at = settings;
        while (at->name != NULL &&
               (strcmp(at->algorithm, name) != 0 || strcmp(at->name, key) != 0)) {
            at++;
        }
        if (read_special(k, name, key, value)) {
            continue;
        }
        if (at->name != NULL) {
            json_object_set_new(options, at->ours, setting_value(value));
        } else {
            rlt_notes_add(k->notes, rlt_yaml_line(item),
                          "algorithmSettings.%.60s of %.40s has no counterpart", key, name);
        }
    }
}

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
                          "hyperband, pbt, enas",
                          name, nearest != NULL ? " (did you mean '" : "",
                          nearest != NULL ? nearest : "", nearest != NULL ? "'?)" : "");
}

/* ---- hyperband ---- */

static rlt_status finish_hyperband(rlt_katib *k, const rlt_yaml_node *algorithm,
                                   const json_t *stopper, rlt_err *err) {
    k->resource_max = json_number_value(json_object_get(stopper, "max_steps"));
    if (!(k->resource_max >= 1)) {
        return rlt_katib_fail(k, algorithm, err,
                              "spec.algorithm: hyperband needs algorithmSettings r_l, a number of "
                              "at least 1");
    }
    rlt_notes_add(k->notes, rlt_yaml_line(algorithm),
                  "hyperband: Katib runs a trial again with more of its resource; here a trial is "
                  "told the whole of it, reports a step for each unit, and is paused and stopped "
                  "(objective.checkpoint = true for one that can go on from where it was)");
    return RLT_OK;
}

/* ---- population-based training ---- */

/* A generation of Katib is one run of the program for each member, and maxTrialCount counts runs;
 * here a run is one step of a member's trial, and trials are the members. */
static void plan_generations(rlt_katib *k, const rlt_yaml_node *algorithm, json_int_t members) {
    enum { GUESS = 10 };
    double runs = 0;
    if (!rlt_katib_number(rlt_katib_spec(k, "maxTrialCount"), &runs) || !(runs >= 1)) {
        runs = (double)members * GUESS;
        rlt_notes_add(k->notes, rlt_yaml_line(algorithm),
                      "pbt: without maxTrialCount Katib goes on until the goal is reached; "
                      "stop.steps = %d generations is a guess",
                      GUESS);
    }
    json_int_t steps = runs >= 1e15 ? (json_int_t)1e15 : (json_int_t)runs / members;
    if (steps < 2) {
        rlt_notes_add(
            k->notes, rlt_yaml_line(algorithm),
            "pbt: maxTrialCount = %.0f runs are less than two generations of n_population "
            "= %lld, so that Katib would never copy anything; two generations are here",
            runs, (long long)members);
        steps = 2;
    }
    json_object_set_new(k->config, "stop", json_pack("{s:I}", "steps", steps));
}

static void finish_pbt(rlt_katib *k, const rlt_yaml_node *algorithm, json_t *stopper) {
    json_int_t members = json_integer_value(json_object_get(k->tune, "trials"));
    double share = json_number_value(json_object_get(stopper, "quantile_fraction"));
    members = members >= 2 ? members : 40;
    json_object_set_new(k->tune, "trials", json_integer(members));
    if (share > 0.5) {
        rlt_notes_add(k->notes, rlt_yaml_line(algorithm),
                      "pbt: truncation_threshold %g is taken as 0.5, the most that has a better "
                      "half to copy from",
                      share);
        json_object_set_new(stopper, "quantile_fraction", json_real(0.5));
    }
    if (json_object_get(stopper, "resample_probability") == NULL) { /* Katib: perturbed only */
        json_object_set_new(stopper, "resample_probability", json_real(0));
    }
    json_object_set_new(stopper, "synch", json_true());
    json_object_set_new(stopper, "interval", json_integer(1));
    json_object_set_new(k->objective, "checkpoint", json_true());
    json_object_set_new(k->objective, "grace_s", json_integer(60));
    k->ends_itself = true;
    plan_generations(k, algorithm, members);
    rlt_notes_add(k->notes, rlt_yaml_line(algorithm),
                  "pbt: a run of the program is one generation and one step; if it reports more "
                  "often, set interval to its reports in a run and stop.steps to that many for "
                  "each generation. SIGTERM is kept from it: it has grace_s to end by itself");
    rlt_notes_add(k->notes, rlt_yaml_line(algorithm),
                  "pbt: parameters are perturbed and resampled when a trial copies another; Katib "
                  "changes those of the better ones too");
}

/* ---- all ---- */

static rlt_status check_networks(const rlt_katib *k, const rlt_yaml_node *node, const char *name,
                                 rlt_err *err) {
    if (strcmp(name, "darts") != 0) {
        return RLT_OK;
    }
    rlt_katib_fail(k, node, err,
                   "spec.algorithm: darts runs one program that searches by itself and prints a "
                   "network, not a number: there are no trials to tune; run that program as it is, "
                   "or search a network of rltune's with sampler = \"oneshot\"");
    return err->code = RLT_ENOTSUP;
}

static rlt_status apply(rlt_katib *k, const rlt_yaml_node *algorithm, const char *name, size_t row,
                        rlt_err *err) {
    const char *stopper = algorithms[row].stopper;
    json_t *options = json_object();
    read_settings(k, algorithm, name, options);
    if (strstr(name, "tpe") != NULL) { /* Katib's plain one draws parameter by parameter */
        json_object_set_new(options, "multivariate", json_boolean(strcmp(name, "tpe") != 0));
    }
    json_object_set_new(options, "name",
                        json_string(stopper != NULL ? stopper : algorithms[row].sampler));
    if (stopper != NULL) {
        json_object_set_new(k->tune, "sampler", json_string(algorithms[row].sampler));
    }
    json_object_set_new(k->tune, stopper != NULL ? "stopper" : "sampler", options);
    if (strcmp(name, "pbt") == 0) {
        finish_pbt(k, algorithm, options);
    }
    return strcmp(name, "hyperband") == 0 ? finish_hyperband(k, algorithm, options, err) : RLT_OK;
}

rlt_status rlt_katib_algorithm(rlt_katib *k, rlt_err *err) {
    static const char *const known[] = {"algorithmName", "algorithmSettings", NULL};
    const rlt_yaml_node *algorithm = rlt_katib_spec(k, "algorithm");
    const rlt_yaml_node *networks = rlt_katib_spec(k, "nasConfig");
    const char *name = rlt_yaml_text(rlt_yaml_get(&k->yaml, algorithm, "algorithmName"));
    size_t row = 0;
    name = name != NULL ? name : "";
    RLT_TRY(check_networks(k, algorithm, name, err));
    while (row < RLT_COUNT(algorithms) && strcmp(name, algorithms[row].name) != 0) {
        row++;
    }
    if (row == RLT_COUNT(algorithms)) {
        return fail_algorithm(k, algorithm, name, err);
    }
    if (networks != NULL && strcmp(name, "enas") != 0) {
        rlt_notes_add(k->notes, rlt_yaml_line(networks), "spec.nasConfig is of no use to %s", name);
    }
    RLT_TRY(apply(k, algorithm, name, row, err));
    rlt_katib_note_rest(k, algorithm, "spec.algorithm.", known);
    return RLT_OK;
}
