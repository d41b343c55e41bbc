/* cli, reporting: plots of the results of a search: history, distribution, Pareto front and its
 * hypervolume. Thread: main only. */
#include "cli/charts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- history ---- */

static void add_values(rlt_chart *chart, const rlt_samples *s, bool feasible, const char *label) {
    size_t count = 0;
    for (int i = 0; i < s->data.count; i++) {
        count += s->feasible[i] == feasible;
    }
    if (count == 0) {
        return;
    }
    rlt_series *points = rlt_chart_add(chart, label, RLT_FORM_POINTS, count);
    for (int i = 0; i < s->data.count; i++) {
        if (s->feasible[i] == feasible) {
            rlt_chart_point(points, (double)s->trials[i]->number, s->values[i]);
        }
    }
}

static void add_best(rlt_chart *chart, const rlt_samples *s) {
    int best = -1;
    rlt_series *line = rlt_chart_add(chart, "best so far", RLT_FORM_STEPS, (size_t)s->data.count);
    line->highlight = true;
    for (int i = 0; i < s->data.count; i++) {
        best = rlt_samples_is_better(s, i, best) ? i : best;
        if (best >= 0) {
            rlt_chart_point(line, (double)s->trials[i]->number, s->values[best]);
        }
    }
}

rlt_status rlt_chart_history(const rlt_report *report, const rlt_samples *s, rlt_err *err) {
    rlt_chart chart;
    bool replicated = s->trial_count > s->data.count;
    rlt_chart_init(&chart, report, "history", "optimisation history");
    snprintf(chart.x_label, sizeof chart.x_label, "%s",
             replicated ? "trial (the first of its configuration)" : "trial");
    snprintf(chart.y_label, sizeof chart.y_label, replicated ? "%s (%s of replicates)" : "%s",
             s->metric, s->aggregate);
    chart.plot.x_scale.whole = true;
    add_values(&chart, s, true, replicated ? "configurations" : "trials");
    add_values(&chart, s, false, "not feasible");
    add_best(&chart, s);
    chart.plot.goal = rlt_curve_goal(report, s->metric);
    rlt_status status = rlt_chart_put(&chart, err);
    rlt_chart_close(&chart);
    return status;
}

/* ---- distribution ---- */

static int compare_doubles(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

rlt_status rlt_chart_edf(const rlt_report *report, const rlt_samples *s, rlt_err *err) {
    rlt_chart chart;
    size_t count = (size_t)s->data.count;
    double *sorted = rlt_alloc(sizeof *sorted * count);
    memcpy(sorted, s->values, sizeof *sorted * count);
    qsort(sorted, count, sizeof *sorted, compare_doubles);
    rlt_chart_init(&chart, report, "edf", "distribution of results");
    snprintf(chart.x_label, sizeof chart.x_label, "%s", s->metric);
    snprintf(chart.y_label, sizeof chart.y_label, "part of trials at or below");
    char label[64];
    rlt_samples_count_text(s, label);
    rlt_series *line = rlt_chart_add(&chart, label, RLT_FORM_STEPS, count + 1);
    rlt_chart_point(line, sorted[0], 0);
    for (size_t i = 0; i < count; i++) {
        rlt_chart_point(line, sorted[i], (double)(i + 1) / (double)count);
    }
    rlt_free(sorted);
    rlt_status status = rlt_chart_put(&chart, err);
    rlt_chart_close(&chart);
    return status;
}

/* ---- several objectives ---- */

static rlt_status require_front(const rlt_report *report, rlt_err *err) {
    if (report->objective_count < 2) {
        return rlt_fail(err, RLT_EINVAL,
                        "experiment %lld has one objective, so it has no front; `rltune plot %lld "
                        "--kind history` draws how its best trial got better",
                        (long long)report->experiment.id, (long long)report->experiment.id);
    }
    return rlt_report_front_size(report) > 0
               ? RLT_OK
               : rlt_fail(err, RLT_ENOTFOUND,
                          "no trial of experiment %lld has a value of every objective%s yet",
                          (long long)report->experiment.id,
                          report->constraint_count > 0 ? " and is feasible" : "");
}

rlt_status rlt_chart_hypervolume(const rlt_report *report, const rlt_samples *samples,
                                 rlt_err *err) {
    (void)samples;
    RLT_TRY(require_front(report, err));
    rlt_chart chart;
    double reference[RLT_OBJECTIVES_MAX];
    double *volumes = rlt_alloc(sizeof *volumes * (size_t)report->trial_count);
    rlt_report_hypervolume(report, reference);
    rlt_report_volumes(report, reference, volumes);
    rlt_chart_init(&chart, report, "hypervolume", "hypervolume");
    rlt_buf label = {0};
    rlt_buf_printf(&label, "above the worst values: ");
    for (int k = 0; k < report->objective_count; k++) {
        char number[32];
        rlt_buf_printf(&label, "%s%s %s", k > 0 ? ", " : "", report->objectives[k].metric,
                       rlt_report_value(reference[k], number));
    }
    snprintf(chart.x_label, sizeof chart.x_label, "trial");
    snprintf(chart.y_label, sizeof chart.y_label, "hypervolume");
    chart.plot.x_scale.whole = true;
    rlt_series *line =
        rlt_chart_add(&chart, label.data, RLT_FORM_STEPS, (size_t)report->trial_count);
    line->highlight = true;
    for (int i = 0; i < report->search_count; i++) { /* search trials come first */
        rlt_chart_point(line, (double)report->trials[i].number, volumes[i]);
    }
    rlt_buf_fini(&label);
    rlt_free(volumes);
    rlt_status status = rlt_chart_put(&chart, err);
    rlt_chart_close(&chart);
    return status;
}

static rlt_status find_objective(const rlt_report *report, const char *metric, int *index,
                                 rlt_err *err) {
    const char *names[RLT_OBJECTIVES_MAX];
    rlt_buf list = {0};
    *index = -1;
    for (int k = 0; k < report->objective_count; k++) {
        names[k] = report->objectives[k].metric;
        rlt_buf_printf(&list, "%s%s", k > 0 ? ", " : "", names[k]);
        *index = strcmp(names[k], metric) == 0 ? k : *index;
    }
    rlt_status status = RLT_OK;
    if (*index < 0) {
        const char *nearest = rlt_str_nearest(metric, names, (size_t)report->objective_count);
        status = rlt_fail(err, RLT_ENOTFOUND, "--metric is '%.64s'%s%s%s; objectives: %s", metric,
                          nearest ? " (did you mean '" : "", nearest ? nearest : "",
                          nearest ? "'?)" : "", list.data);
    }
    rlt_buf_fini(&list);
    return status;
}

/* The two objectives that --metric names, or the first two. */
static rlt_status choose_axes(const rlt_report *report, int axes[2], rlt_err *err) {
    int count = 0;
    axes[0] = 0;
    axes[1] = 1;
    for (int i = 0; i < report->args.given_count; i++) {
        if (strcmp(report->args.given[i].name, "--metric") != 0) {
            continue;
        }
        if (count == 2) {
            return rlt_fail(err, RLT_EINVAL,
                            "a front is drawn over two objectives; --metric is "
                            "given more than twice");
        }
        RLT_TRY(find_objective(report, report->args.given[i].value, &axes[count], err));
        count++;
    }
    if (count == 1) {
        axes[1] = axes[0] == 0 ? 1 : 0;
    }
    return axes[0] != axes[1] ? RLT_OK
                              : rlt_fail(err, RLT_EINVAL, "a front needs two different objectives");
}

typedef enum { ON_FRONT, BEHIND, INFEASIBLE, NO_PLACE } standing;

static standing standing_of(const rlt_report *report, int trial) {
    if (rlt_report_may_be_on_front(report, &report->trials[trial])) {
        return report->ranks[trial] == 1 ? ON_FRONT : BEHIND;
    }
    const rlt_report_trial *row = &report->trials[trial];
    bool ended = strcmp(row->state, "completed") == 0 || strcmp(row->state, "stopped") == 0;
    return ended && rlt_report_violation(report, row) > 0 ? INFEASIBLE : NO_PLACE;
}

static void add_standing(rlt_chart *chart, const int axes[2], standing which, const char *label) {
    const rlt_report *report = chart->report;
    size_t count = 0;
    for (int i = 0; i < report->search_count; i++) {
        count += standing_of(report, i) == which;
    }
    if (count == 0) {
        return;
    }
    rlt_series *points = rlt_chart_add(chart, label, RLT_FORM_POINTS, count);
    points->highlight = which == ON_FRONT;
    for (int i = 0; i < report->search_count; i++) {
        if (standing_of(report, i) == which) {
            const double *values = rlt_report_values_of(report, &report->trials[i]);
            rlt_chart_point(points, values[axes[0]], values[axes[1]]);
        }
    }
}

rlt_status rlt_chart_front(const rlt_report *report, const rlt_samples *samples, rlt_err *err) {
    (void)samples;
    int axes[2];
    rlt_chart chart;
    RLT_TRY(require_front(report, err));
    RLT_TRY(choose_axes(report, axes, err));
    rlt_chart_init(&chart, report, "front", "Pareto front");
    const rlt_report_objective *x = &report->objectives[axes[0]], *y = &report->objectives[axes[1]];
    snprintf(chart.x_label, sizeof chart.x_label, "%s (%s)", x->metric,
             x->maximise ? "max" : "min");
    snprintf(chart.y_label, sizeof chart.y_label, "%.100s (%s)", y->metric,
             y->maximise ? "max" : "min");
    add_standing(&chart, axes, BEHIND, "trials");
    add_standing(&chart, axes, INFEASIBLE, "not feasible");
    add_standing(&chart, axes, ON_FRONT, "Pareto front");
    rlt_status status = rlt_chart_put(&chart, err);
    rlt_chart_close(&chart);
    return status;
}
