/* cli, reporting: experiments with several objectives or with constraints: the values of trials,
 * who is feasible, fronts, hypervolume. Thread: main only. Owner: the report. */
#include "cli/report.h"
#include "tuner/pareto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static rlt_status visit_objective(void *user, int columns, const char *const *names,
                                  const char *const *v, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    rlt_report *report = user;
    if (v[1] != NULL && report->objective_count < RLT_OBJECTIVES_MAX) {
        rlt_report_objective *made = &report->objectives[report->objective_count++];
        made->maximise = v[1][0] == '1';
        snprintf(made->metric, sizeof made->metric, "%s", v[0]);
    } else if (v[1] == NULL && report->constraint_count < RLT_CONSTRAINTS_MAX) {
        char *name = report->constraints[report->constraint_count++];
        snprintf(name, sizeof report->constraints[0], "%s", v[0]);
    }
    return RLT_OK;
}

static rlt_status visit_value(void *user, int columns, const char *const *names,
                              const char *const *v, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    rlt_report *report = user;
    const int width = report->objective_count + report->constraint_count;
    int64_t id = strtoll(v[0], NULL, 10), place = strtoll(v[1], NULL, 10);
    int64_t column = place + (v[3][0] == '1' ? report->objective_count : 0);
    for (int i = 0; i < report->trial_count && place >= 0 && column < width; i++) {
        int at = (report->last_found + i) % report->trial_count; /* rows come in the same order */
        if (report->trials[at].id == id) {
            report->last_found = at;
            report->values[at * width + column] = strtod(v[2], NULL);
            break;
        }
    }
    return RLT_OK;
}

static rlt_status visit_count(void *user, int columns, const char *const *names,
                              const char *const *v, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    *(int64_t *)user = strtoll(v[0], NULL, 10);
    return RLT_OK;
}

static rlt_status load_values(rlt_report *report, rlt_err *err) {
    const int width = report->objective_count + report->constraint_count;
    size_t count = (size_t)(report->trial_count * width);
    report->values = rlt_alloc(sizeof(double) * count);
    for (size_t i = 0; i < count; i++) {
        report->values[i] = NAN;
    }
    return rlt_store_query(
        report->store,
        "SELECT v.trial, v.position, printf('%!.17g', v.value), 0 FROM trial_values v"
        " JOIN trials t ON t.id = v.trial WHERE t.experiment = ?1 AND v.value IS NOT NULL"
        " UNION ALL SELECT v.trial, v.position, printf('%!.17g', v.value), 1"
        " FROM trial_constraints v JOIN trials t ON t.id = v.trial"
        " WHERE t.experiment = ?1 AND v.value IS NOT NULL ORDER BY 1",
        &report->experiment.id, 1, visit_value, report, err);
}

rlt_status rlt_report_load_objectives(rlt_report *report, rlt_err *err) {
    int64_t tables = 0;
    RLT_TRY(rlt_store_query(report->store,
                            "SELECT count(*) FROM sqlite_schema WHERE name = 'trial_constraints'",
                            NULL, 0, visit_count, &tables, err));
    const char *sql = tables > 0 ? "SELECT metric, maximise FROM (SELECT metric, maximise, position"
                                   " FROM objectives WHERE experiment = ?1 UNION ALL SELECT metric,"
                                   " NULL, position FROM constraints WHERE experiment = ?1)"
                                   " ORDER BY maximise IS NULL, position"
                                 : "SELECT metric, maximise FROM objectives WHERE experiment = ?1";
    RLT_TRY(rlt_store_query(report->store, sql, &report->experiment.id, 1, visit_objective, report,
                            err));
    return report->objective_count > 1 || report->constraint_count > 0 ? load_values(report, err)
                                                                       : RLT_OK;
}

const double *rlt_report_values_of(const rlt_report *report, const rlt_report_trial *trial) {
    const int width = report->objective_count + report->constraint_count;
    return report->values != NULL ? report->values + (trial - report->trials) * width : NULL;
}

double rlt_report_violation(const rlt_report *report, const rlt_report_trial *trial) {
    const double *values = rlt_report_values_of(report, trial);
    double sum = 0;
    for (int i = 0; i < report->constraint_count; i++) {
        double value = values[report->objective_count + i];
        sum += isnan(value) ? INFINITY : fmax(0, value);
    }
    return sum;
}

bool rlt_report_may_be_on_front(const rlt_report *report, const rlt_report_trial *trial) {
    bool ended = strcmp(trial->state, "completed") == 0 || strcmp(trial->state, "stopped") == 0;
    const double *values = rlt_report_values_of(report, trial);
    for (int i = 0; i < report->objective_count; i++) {
        ended &= !isnan(values[i]);
    }
    return ended && strcmp(trial->role, "search") == 0 && rlt_report_violation(report, trial) == 0;
}

static void fill_keys(const rlt_report *report, const rlt_report_trial *trial, double *keys) {
    const double *values = rlt_report_values_of(report, trial);
    for (int i = 0; i < report->objective_count; i++) {
        keys[i] = report->objectives[i].maximise ? values[i] : -values[i];
    }
}

void rlt_report_fronts(const rlt_report *report, int *fronts) {
    size_t room = (size_t)report->trial_count;
    double *keys = rlt_alloc(sizeof(double) * room * (size_t)report->objective_count);
    int64_t *ranks = rlt_alloc(sizeof(int64_t) * room);
    int count = 0;
    int *places = rlt_alloc(sizeof(int) * room);
    for (int i = 0; i < report->trial_count; i++) {
        fronts[i] = 0;
        if (rlt_report_may_be_on_front(report, &report->trials[i])) {
            fill_keys(report, &report->trials[i], keys + count * report->objective_count);
            places[count++] = i;
        }
    }
    rlt_nondomination_ranks(keys, count, report->objective_count, NULL, ranks);
    for (int i = 0; i < count; i++) {
        fronts[places[i]] = (int)ranks[i] + 1;
    }
    rlt_free(keys);
    rlt_free(ranks);
    rlt_free(places);
}

int rlt_report_front_size(const rlt_report *report) {
    int size = 0;
    for (int i = 0; i < report->search_count; i++) {
        size += report->ranks[report->order[i]] == 1;
    }
    return report->objective_count > 1 ? size : 0;
}

/* The worst value that any feasible trial had, in each objective. */
static bool worst_values(const rlt_report *report, double *reference) {
    bool any = false;
    for (int i = 0; i < report->trial_count; i++) {
        double keys[RLT_OBJECTIVES_MAX];
        if (rlt_report_may_be_on_front(report, &report->trials[i])) {
            fill_keys(report, &report->trials[i], keys);
            for (int k = 0; k < report->objective_count; k++) {
                reference[k] = any ? fmin(reference[k], keys[k]) : keys[k];
            }
            any = true;
        }
    }
    return any;
}

double rlt_report_hypervolume(const rlt_report *report, double *reference) {
    int size = rlt_report_front_size(report), count = 0, objectives = report->objective_count;
    if (size == 0 || !worst_values(report, reference)) {
        return NAN;
    }
    double *keys = rlt_alloc(sizeof(double) * (size_t)(size * objectives));
    for (int i = 0; i < report->search_count; i++) {
        if (report->ranks[report->order[i]] == 1) {
            fill_keys(report, &report->trials[report->order[i]], keys + count++ * objectives);
        }
    }
    double volume = rlt_hypervolume(keys, count, objectives, reference);
    rlt_free(keys);
    for (int k = 0; k < objectives; k++) {
        reference[k] = report->objectives[k].maximise ? reference[k] : -reference[k];
    }
    return volume;
}

void rlt_report_add_values(const rlt_report *report, const rlt_report_trial *trial,
                           json_t *object) {
    const double *values = rlt_report_values_of(report, trial);
    if (values == NULL) {
        return;
    }
    json_t *all = json_object(), *limits = json_object();
    for (int i = 0; i < report->objective_count; i++) {
        json_object_set_new(all, report->objectives[i].metric, rlt_report_real(values[i]));
    }
    for (int i = 0; i < report->constraint_count; i++) {
        json_object_set_new(limits, report->constraints[i],
                            rlt_report_real(values[report->objective_count + i]));
    }
    json_object_set_new(object, "values", all);
    json_object_set_new(object, "constraints", limits);
    json_object_set_new(object, "feasible", json_boolean(rlt_report_violation(report, trial) == 0));
}

json_t *rlt_report_metrics_json(const rlt_report *report) {
    json_t *objectives = json_array(), *constraints = json_array();
    for (int i = 0; i < report->objective_count; i++) {
        json_array_append_new(objectives,
                              json_pack("{s:s, s:s}", "metric", report->objectives[i].metric,
                                        "mode", report->objectives[i].maximise ? "max" : "min"));
    }
    for (int i = 0; i < report->constraint_count; i++) {
        json_array_append_new(constraints, json_string(report->constraints[i]));
    }
    return json_pack("{s:o, s:o}", "objectives", objectives, "constraints", constraints);
}

void rlt_report_volumes(const rlt_report *report, const double *reference, double *volumes) {
    const int objectives = report->objective_count;
    size_t room = (size_t)report->trial_count;
    double *keys = rlt_alloc(sizeof(double) * room * (size_t)objectives), worst[RLT_OBJECTIVES_MAX];
    for (int i = 0; i < report->trial_count; i++) {
        double *row = keys + i * objectives;
        fill_keys(report, &report->trials[i], row);
        row[0] = rlt_report_may_be_on_front(report, &report->trials[i]) ? row[0] : NAN;
    }
    for (int k = 0; k < objectives; k++) {
        worst[k] = report->objectives[k].maximise ? reference[k] : -reference[k];
    }
    rlt_hypervolume_history(keys, report->trial_count, objectives, worst, volumes);
    rlt_free(keys);
}

/* [[trial, hypervolume], ...]: of the feasible trials up to this one, where it grows. */
static json_t *history_json(const rlt_report *report, const double *reference) {
    double *volumes = rlt_alloc(sizeof(double) * (size_t)report->trial_count);
    json_t *history = json_array();
    rlt_report_volumes(report, reference, volumes);
    for (int i = 0; i < report->trial_count; i++) { /* search trials come in the order of number */
        if (volumes[i] > (i > 0 ? volumes[i - 1] : 0)) {
            json_array_append_new(history, json_pack("[I, o]", (json_int_t)report->trials[i].number,
                                                     rlt_report_real(volumes[i])));
        }
    }
    rlt_free(volumes);
    return history;
}

json_t *rlt_report_front_json(const rlt_report *report) {
    json_t *numbers = json_array(), *from = json_object();
    double reference[RLT_OBJECTIVES_MAX];
    double volume = rlt_report_hypervolume(report, reference);
    for (int i = 0; i < report->search_count; i++) {
        if (report->ranks[report->order[i]] == 1) {
            json_array_append_new(numbers, json_integer(report->trials[report->order[i]].number));
        }
    }
    for (int k = 0; k < report->objective_count && !isnan(volume); k++) {
        json_object_set_new(from, report->objectives[k].metric, rlt_report_real(reference[k]));
    }
    json_t *history = isnan(volume) ? json_array() : history_json(report, reference);
    return json_pack("{s:o, s:o, s:o, s:o}", "trials", numbers, "hypervolume",
                     rlt_report_real(volume), "reference", from, "history", history);
}

void rlt_report_front_text(const rlt_report *report, rlt_buf *text) {
    double reference[RLT_OBJECTIVES_MAX];
    char number[32];
    double volume = rlt_report_hypervolume(report, reference);
    int size = rlt_report_front_size(report);
    rlt_buf_printf(text, "%d of %d trials", size, report->search_count);
    for (int k = 0; k < report->objective_count && !isnan(volume); k++) {
        rlt_buf_printf(text, "%s%s %s", k == 0 ? ", hypervolume above the worst values (" : ", ",
                       report->objectives[k].metric, rlt_report_value(reference[k], number));
    }
    if (!isnan(volume)) {
        rlt_buf_printf(text, ") %s", rlt_report_value(volume, number));
    }
}
