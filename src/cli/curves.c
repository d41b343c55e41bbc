/* cli, reporting: curves of trials, loaded and drawn. Thread: main only. */
#include "cli/report.h"
#include "plot/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static rlt_status visit_point(void *user, int64_t step, double value, rlt_err *err) {
    (void)err;
    rlt_curve *curve = user;
    double x = (double)step;
    rlt_buf_append(&curve->x, &x, sizeof x);
    rlt_buf_append(&curve->y, &value, sizeof value);
    curve->count++;
    return RLT_OK;
}

rlt_status rlt_curve_load(rlt_store *store, const rlt_report_trial *trial, const char *metric,
                          rlt_curve *curve, rlt_err *err) {
    *curve = (rlt_curve){.trial = trial};
    snprintf(curve->label, sizeof curve->label, "%s %lld",
             strcmp(trial->role, "final") == 0 ? "final" : "trial", (long long)trial->number);
    return rlt_store_curve(store, trial->id, metric, visit_point, curve, err);
}

void rlt_curve_fini(rlt_curve *curve) {
    rlt_buf_fini(&curve->x);
    rlt_buf_fini(&curve->y);
}

json_t *rlt_curve_json(const rlt_curve *curve) {
    const double *x = (const double *)(const void *)curve->x.data;
    const double *y = (const double *)(const void *)curve->y.data;
    json_t *points = json_array();
    for (size_t i = 0; i < curve->count; i++) {
        json_array_append_new(points, json_pack("[I, o]", (json_int_t)x[i], rlt_report_real(y[i])));
    }
    return points;
}

double rlt_curve_goal(const rlt_report *report, const char *metric) {
    json_t *config = rlt_report_parse(report->experiment.config_json);
    const json_t *goal = NULL;
    if (strcmp(metric, report->experiment.metric) == 0) {
        goal = json_object_get(json_object_get(config, "tune"), "goal");
    }
    if (!json_is_number(goal) &&
        (strcmp(metric, "mean_return") == 0 || strcmp(metric, report->experiment.metric) == 0)) {
        goal = json_object_get(json_object_get(config, "stop"), "mean_return");
    }
    double value = json_is_number(goal) ? json_number_value(goal) : NAN;
    json_decref(config);
    return value;
}

void rlt_curves_draw(const rlt_report *report, const rlt_curve *curves, size_t count,
                     const char *title, const char *metric, const rlt_curve_style *style,
                     rlt_buf *out) {
    rlt_series *series = rlt_alloc(sizeof *series * count);
    for (size_t i = 0; i < count; i++) {
        series[i] = (rlt_series){.label = curves[i].label,
                                 .x = (const double *)(const void *)curves[i].x.data,
                                 .y = (const double *)(const void *)curves[i].y.data,
                                 .count = curves[i].count,
                                 .highlight = curves[i].highlight};
    }
    json_t *config = rlt_report_parse(report->experiment.config_json);
    bool trains = json_object_get(config, "objective") == NULL;
    json_decref(config);
    rlt_plot plot = {.title = title,
                     .x_label = trains ? "environment steps" : "steps",
                     .y_label = metric,
                     .series = series,
                     .count = count,
                     .goal = rlt_curve_goal(report, metric)};
    if (style->screen != NULL) {
        int rows = style->screen->rows - 2; /* the prompt stays in sight */
        rows = rows < 12 ? 12 : rows > 26 ? 26 : rows;
        rlt_plot_terminal(&plot, style->screen->columns, rows, style->screen->unicode,
                          style->screen->colour, out);
    } else {
        rlt_plot_svg(&plot, style->svg_width, style->svg_height, out);
    }
    rlt_free(series);
}

typedef struct metric_names {
    char *names[64];
    size_t count;
    rlt_buf list;
} metric_names;

static rlt_status visit_metric(void *user, int columns, const char *const *names,
                               const char *const *values, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    metric_names *found = user;
    if (found->count < RLT_COUNT(found->names)) {
        size_t size = strlen(values[0]) + 1;
        rlt_buf_printf(&found->list, "%s%s", found->count > 0 ? ", " : "", values[0]);
        found->names[found->count] = rlt_alloc(size);
        memcpy(found->names[found->count++], values[0], size);
    }
    return RLT_OK;
}

rlt_status rlt_curve_fail_empty(const rlt_report *report, const char *metric, rlt_err *err) {
    metric_names found = {0};
    rlt_status status = rlt_store_query(
        report->store,
        "SELECT n.name FROM metric_names n WHERE EXISTS (SELECT 1 FROM trials t JOIN metrics m"
        " ON m.trial = t.id AND m.name = n.id WHERE t.experiment = ?1) ORDER BY n.name",
        &report->experiment.id, 1, visit_metric, &found, err);
    if (status == RLT_OK) {
        const char *nearest =
            rlt_str_nearest(metric, (const char *const *)found.names, found.count);
        status = rlt_fail(err, RLT_ENOTFOUND,
                          "experiment %lld: these trials have no points of '%.64s'%s%s%s; metrics "
                          "of the experiment: %s",
                          (long long)report->experiment.id, metric,
                          nearest ? " (did you mean '" : "", nearest ? nearest : "",
                          nearest ? "'?)" : "", found.count > 0 ? found.list.data : "none yet");
    }
    for (size_t i = 0; i < found.count; i++) {
        rlt_free(found.names[i]);
    }
    rlt_buf_fini(&found.list);
    return status;
}
