/* exchange: objective, early stopping and counts of a Katib Experiment.
 * Names and settings: Katib's documentation of algorithms and of early stopping (v1beta1).
 * Thread: any. */
#include "exchange/katib_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- objective ---- */

/* Which of a trial's values is its result: the best one, unless metricStrategies says otherwise
 * (Katib's setDefaultObjective); here it is the last one. */
static void note_strategy(rlt_katib *k, const rlt_yaml_node *objective, const char *metric,
                          bool max) {
    const rlt_yaml_node *list = rlt_yaml_get(&k->yaml, objective, "metricStrategies");
    const rlt_yaml_node *at = objective;
    const char *strategy = max ? "max" : "min";
    for (int i = 0; i < rlt_yaml_count(list); i++) {
        const rlt_yaml_node *item = rlt_yaml_item(&k->yaml, list, i);
        const char *name = rlt_yaml_text(rlt_yaml_get(&k->yaml, item, "name"));
        const char *value = rlt_yaml_text(rlt_yaml_get(&k->yaml, item, "value"));
        if (name != NULL && value != NULL && strcmp(name, metric) == 0) {
            strategy = value;
            at = item;
        }
    }
    if (strcmp(strategy, "latest") != 0) {
        rlt_notes_add(k->notes, rlt_yaml_line(at),
                      "a trial's result is the %.20simum of its values of %.60s there (metric"
                      "Strategies), and the last of them here",
                      strategy, metric);
    }
}

static rlt_status read_objective(rlt_katib *k, rlt_err *err) {
    static const char *const known[] = {
        "type", "goal", "objectiveMetricName", "additionalMetricNames", "metricStrategies", NULL};
    const rlt_yaml_node *objective = rlt_katib_spec(k, "objective");
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
    note_strategy(k, objective, metric, max);
    rlt_katib_note_rest(k, objective, "spec.objective.", known);
    return RLT_OK;
}

/* ---- early stopping, counts ---- */

static rlt_status read_stopping(rlt_katib *k, rlt_err *err) {
    const rlt_yaml_node *stopping = rlt_katib_spec(k, "earlyStopping");
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
                      "earlyStopping is left out: the algorithm stops and copies trials itself");
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
    if (stopper == NULL || json_object_get(k->config, "stop") != NULL) {
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
        const rlt_yaml_node *node = rlt_katib_spec(k, counts[i].theirs);
        double x;
        if (node == NULL) {
            continue;
        }
        if (!rlt_katib_number(node, &x) || x != (double)(int64_t)x || x < 0 || x > counts[i].max) {
            return rlt_katib_fail(k, node, err, "spec.%s: an integer from 0 to %.0f is expected",
                                  counts[i].theirs, counts[i].max);
        }
        bool set = json_object_get(k->tune, counts[i].ours) != NULL; /* by pbt */
        if (x > 0 && !set) {
            json_object_set_new(k->tune, counts[i].ours, json_integer((json_int_t)x));
        } else if (x == 0) {
            rlt_notes_add(k->notes, rlt_yaml_line(node), "%s: 0 is left out: the least here is 1",
                          counts[i].theirs);
        }
    }
    if (json_object_get(k->tune, "parallel") == NULL) {
        json_object_set_new(k->tune, "parallel", json_integer(3)); /* Katib's default */
    }
    if (json_object_get(k->tune, "trials") == NULL) {
        rlt_notes_add(k->notes, 0,
                      "without maxTrialCount Katib goes on until the goal is reached; here "
                      "tune.trials ends the search");
    }
    return RLT_OK;
}

rlt_status rlt_katib_search(rlt_katib *k, rlt_err *err) {
    const rlt_yaml_node *policy = rlt_katib_spec(k, "resumePolicy");
    const char *resume = rlt_yaml_text(policy);
    if (resume != NULL && strcmp(resume, "Never") == 0) {
        rlt_notes_add(k->notes, rlt_yaml_line(policy),
                      "spec.resumePolicy: every experiment can be resumed here");
    }
    RLT_TRY(read_objective(k, err));
    RLT_TRY(read_stopping(k, err));
    guess_steps(k);
    return read_counts(k, err);
}
