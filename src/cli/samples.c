/* cli, reporting: which trials have a value of a metric, one row each or one a configuration.
 * Thread: main only. */
#include "cli/samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- values of a metric ---- */

typedef struct newest {
    const rlt_report *report;
    const char *metric;
    int64_t name; /* id of the metric's name; -1: none */
    double *values;
    int last_found;
} newest;

static rlt_status visit_name(void *user, int columns, const char *const *names,
                             const char *const *v, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    newest *n = user;
    n->name = strcmp(v[1], n->metric) == 0 ? strtoll(v[0], NULL, 10) : n->name;
    return RLT_OK;
}

static rlt_status visit_newest(void *user, int columns, const char *const *names,
                               const char *const *v, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    newest *n = user;
    int64_t id = strtoll(v[0], NULL, 10);
    for (int i = 0; i < n->report->trial_count && v[1] != NULL; i++) {
        int at = (n->last_found + i) % n->report->trial_count; /* rows come in the same order */
        if (n->report->trials[at].id == id) {
            n->values[at] = strtod(v[1], NULL);
            n->last_found = at;
            break;
        }
    }
    return RLT_OK;
}

static rlt_status load_newest(const rlt_report *report, const char *metric, double *values,
                              rlt_err *err) {
    newest n = {.report = report, .metric = metric, .name = -1, .values = values};
    RLT_TRY(rlt_store_query(report->store, "SELECT id, name FROM metric_names", NULL, 0, visit_name,
                            &n, err));
    int64_t args[] = {report->experiment.id, n.name};
    return rlt_store_query(
        report->store,
        "SELECT t.id, printf('%!.17g', m.value) FROM trials t, metrics m WHERE t.experiment = ?1"
        " AND m.trial = t.id AND m.name = ?2 AND m.step = (SELECT max(step) FROM metrics k WHERE"
        " k.trial = t.id AND k.name = ?2) AND m.value IS NOT NULL ORDER BY t.role DESC, t.number",
        args, 2, visit_newest, &n, err);
}

/* The place of the metric among the objectives; -1: none. */
static int objective_of(const rlt_report *report, const char *metric) {
    for (int i = 0; i < report->objective_count; i++) {
        if (strcmp(report->objectives[i].metric, metric) == 0) {
            return i;
        }
    }
    return -1;
}

rlt_status rlt_samples_values(const rlt_report *report, const char *metric, double *values,
                              rlt_err *err) {
    bool first = strcmp(metric, report->experiment.metric) == 0;
    int objective = objective_of(report, metric);
    bool listed = objective >= 0 && report->values != NULL;
    for (int i = 0; i < report->trial_count; i++) {
        const rlt_report_trial *trial = &report->trials[i];
        values[i] = first    ? trial->value
                    : listed ? rlt_report_values_of(report, trial)[objective]
                             : NAN;
    }
    return first || listed ? RLT_OK : load_newest(report, metric, values, err);
}

/* ---- rows ---- */

typedef struct result {
    const rlt_report_trial *trial;
    double value; /* NAN: it failed */
} result;

static int64_t configuration_of(const rlt_report_trial *trial) {
    return trial->configuration >= 0 ? trial->configuration : trial->number;
}

static int compare_results(const void *a, const void *b) {
    const rlt_report_trial *left = ((const result *)a)->trial, *right = ((const result *)b)->trial;
    int64_t x = configuration_of(left), y = configuration_of(right);
    return x != y ? (x > y) - (x < y)
                  : (left->number > right->number) - (left->number < right->number);
}

/* Search trials that ended with a finite value, or failed; those of a configuration side by side.
 */
static int collect_results(const rlt_report *report, bool stopped, const double *values,
                           rlt_samples *s, result *list) {
    int count = 0;
    for (int i = 0; i < report->trial_count; i++) {
        const rlt_report_trial *trial = &report->trials[i];
        bool early = strcmp(trial->state, "stopped") == 0;
        bool failed = strcmp(trial->state, "failed") == 0;
        bool ended = isfinite(values[i]) && (early || strcmp(trial->state, "completed") == 0);
        if (strcmp(trial->role, "search") == 0 && (ended || failed)) {
            s->stopped_count += early && !stopped;
            if (!early || stopped) {
                list[count++] = (result){trial, failed ? NAN : values[i]};
            }
        }
    }
    qsort(list, (size_t)count, sizeof *list, compare_results);
    return count;
}

static int compare_doubles(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* As tune.aggregate has it. Sorts the values. */
static double aggregate(const char *how, double *values, int count, bool maximise) {
    double sum = 0;
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    for (int i = 0; i < count; i++) {
        sum += values[i];
    }
    return strcmp(how, "mean") == 0     ? sum / count
           : strcmp(how, "median") == 0 ? (values[(count - 1) / 2] + values[count / 2]) / 2
           : strcmp(how, "worst") == 0  ? values[maximise ? 0 : count - 1]
                                        : rlt_iqm(&(rlt_scores){values, count, 1});
}

/* A configuration with a failed replicate has failed. */
static void make_rows(const rlt_report *report, const result *list, int count, rlt_samples *s) {
    double *group = rlt_alloc(sizeof *group * (size_t)(count + 1));
    for (int i = 0, end; i < count; i = end) {
        bool feasible = true, failed = false;
        int64_t configuration = configuration_of(list[i].trial);
        for (end = i; end < count && configuration_of(list[end].trial) == configuration; end++) {
            group[end - i] = list[end].value;
            failed |= isnan(list[end].value);
            feasible &= rlt_report_violation(report, list[end].trial) == 0;
        }
        if (!failed) {
            s->values[s->data.count] = aggregate(s->aggregate, group, end - i, s->data.maximise);
            s->feasible[s->data.count] = feasible;
            s->replicates[s->data.count] = end - i;
            s->trials[s->data.count++] = list[i].trial;
            s->trial_count += end - i;
        }
    }
    rlt_free(group);
}

static rlt_status load_rows(const rlt_report *report, bool stopped, rlt_samples *s, rlt_err *err) {
    size_t room = (size_t)report->trial_count + 1;
    double *values = rlt_alloc(sizeof *values * room);
    result *list = rlt_alloc(sizeof *list * room);
    s->trials = rlt_alloc(sizeof *s->trials * room);
    s->values = rlt_alloc(sizeof(double) * room);
    s->feasible = rlt_alloc(sizeof(bool) * room);
    s->replicates = rlt_alloc(sizeof(int) * room);
    int objective = objective_of(report, s->metric);
    s->data.maximise =
        objective >= 0 ? report->objectives[objective].maximise : report->experiment.maximise;
    json_t *config = rlt_report_parse(report->experiment.config_json);
    json_t *how = json_object_get(json_object_get(config, "tune"), "aggregate");
    snprintf(s->aggregate, sizeof s->aggregate, "%s",
             json_is_string(how) ? json_string_value(how) : "iqm");
    rlt_status status = rlt_samples_values(report, s->metric, values, err);
    if (status == RLT_OK) {
        make_rows(report, list, collect_results(report, stopped, values, s, list), s);
    }
    json_decref(config);
    rlt_free(values);
    rlt_free(list);
    return status;
}

static rlt_status fail_empty(const rlt_report *report, bool stopped, const rlt_samples *s,
                             rlt_err *err) {
    int completed = 0, ended_early = 0, failed = 0;
    for (int i = 0; i < report->trial_count; i++) {
        const rlt_report_trial *trial = &report->trials[i];
        if (strcmp(trial->role, "search") == 0) {
            completed += strcmp(trial->state, "completed") == 0;
            ended_early += strcmp(trial->state, "stopped") == 0;
            failed += strcmp(trial->state, "failed") == 0;
        }
    }
    if (s->metric[0] == 0) {
        return rlt_fail(err, RLT_ENOTFOUND,
                        "experiment %lld has no objective; name a metric of it: --metric NAME",
                        (long long)report->experiment.id);
    }
    if (objective_of(report, s->metric) < 0 && completed > 0) {
        return rlt_curve_fail_empty(report, s->metric, err);
    }
    return rlt_fail(err, RLT_ENOTFOUND,
                    "experiment %lld has no completed trial with a value of '%.64s': %d completed, "
                    "%d stopped, %d failed of %d%s",
                    (long long)report->experiment.id, s->metric, completed, ended_early, failed,
                    report->search_count,
                    ended_early > 0 && !stopped ? "; --stopped takes the stopped ones too" : "");
}

rlt_status rlt_samples_load(const rlt_report *report, const char *metric, bool stopped,
                            rlt_samples *s, rlt_err *err) {
    *s = (rlt_samples){0};
    snprintf(s->metric, sizeof s->metric, "%s",
             metric != NULL ? metric : report->experiment.metric);
    rlt_status status = load_rows(report, stopped, s, err);
    if (status == RLT_OK && s->data.count == 0) {
        status = fail_empty(report, stopped, s, err);
    }
    if (status == RLT_OK) {
        status = rlt_samples_load_params(report, s, err);
    }
    if (status != RLT_OK) {
        rlt_samples_close(s);
        return status;
    }
    s->data.params = s->params;
    s->data.x = s->x;
    s->data.values = s->values;
    return RLT_OK;
}

void rlt_samples_close(rlt_samples *s) {
    for (int j = 0; j < s->data.param_count && s->params != NULL; j++) {
        for (int i = 0; i < s->params[j].choices; i++) {
            rlt_free(s->info[j].names[i]);
        }
        rlt_free(s->info[j].names);
    }
    rlt_free(s->info);
    rlt_free(s->params);
    rlt_free(s->x);
    rlt_free(s->values);
    rlt_free(s->feasible);
    rlt_free(s->replicates);
    rlt_free(s->trials);
    *s = (rlt_samples){0};
}

bool rlt_samples_is_better(const rlt_samples *s, int a, int b) {
    if (b < 0 || !s->feasible[a]) {
        return s->feasible[a];
    }
    if (s->replicates[a] != s->replicates[b]) {
        return s->replicates[a] > s->replicates[b];
    }
    return s->data.maximise ? s->values[a] > s->values[b] : s->values[a] < s->values[b];
}

int rlt_samples_best(const rlt_samples *s) {
    int best = -1;
    for (int i = 0; i < s->data.count; i++) {
        best = rlt_samples_is_better(s, i, best) ? i : best;
    }
    return best;
}

void rlt_samples_count_text(const rlt_samples *s, char text[64]) {
    if (s->data.count == s->trial_count) {
        snprintf(text, 64, "%d trial%s", s->trial_count, s->trial_count == 1 ? "" : "s");
    } else {
        snprintf(text, 64, "%d configurations (%d trials)", s->data.count, s->trial_count);
    }
}
