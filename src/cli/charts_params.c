/* cli, reporting: plots of results over parameters: slices, contours, parallel coordinates,
 * importance. Thread: main only. */
#include "cli/charts.h"
#include "cli/importance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

rlt_status rlt_chart_params(const rlt_report *report, const rlt_samples *s, int most, int *params,
                            int *count, rlt_err *err) {
    *count = 0;
    for (int i = 0; i < report->args.given_count; i++) {
        if (strcmp(report->args.given[i].name, "--param") != 0) {
            continue;
        }
        if (*count == most) {
            return rlt_fail(err, RLT_EINVAL, "rltune plot: this kind takes at most %d --param",
                            most);
        }
        RLT_TRY(rlt_samples_param_find(s, report->args.given[i].value, &params[*count], err));
        for (int k = 0; k < *count; k++) {
            if (params[k] == params[*count]) {
                return rlt_fail(err, RLT_EINVAL, "rltune plot: --param %s is given twice",
                                report->args.given[i].value);
            }
        }
        ++*count;
    }
    return s->data.param_count > 0
               ? RLT_OK
               : rlt_fail(err, RLT_ENOTFOUND, "experiment %lld tunes no parameter",
                          (long long)report->experiment.id);
}

rlt_plot_scale rlt_chart_scale(const rlt_samples *s, int param) {
    const rlt_analysis_param *p = &s->params[param];
    if (p->choices > 0) {
        return (rlt_plot_scale){.names = (const char *const *)s->info[param].names,
                                .name_count = p->choices};
    }
    return (rlt_plot_scale){.log = p->log};
}

static double x_of(const rlt_samples *s, int trial, int param) {
    return s->x[(size_t)trial * (size_t)s->data.param_count + (size_t)param];
}

static int best_of(const rlt_samples *s) {
    int best = 0;
    for (int i = 1; i < s->data.count; i++) {
        bool better =
            s->data.maximise ? s->values[i] > s->values[best] : s->values[i] < s->values[best];
        best = better ? i : best;
    }
    return best;
}

/* ---- slices ---- */

static rlt_status draw_slice(const rlt_report *report, const rlt_samples *s, int param,
                             rlt_err *err) {
    rlt_chart chart;
    int best = best_of(s);
    char label[64];
    rlt_chart_init(&chart, report, "slice", "slice");
    snprintf(chart.x_label, sizeof chart.x_label, "%s%s", s->info[param].path,
             s->params[param].log ? " (log scale)" : "");
    snprintf(chart.y_label, sizeof chart.y_label, "%s", s->metric);
    chart.plot.x_scale = rlt_chart_scale(s, param);
    rlt_series *points = rlt_chart_add(&chart, "trials", RLT_FORM_POINTS, (size_t)s->data.count);
    for (int i = 0; i < s->data.count; i++) {
        if (!isnan(x_of(s, i, param))) {
            rlt_chart_point(points, x_of(s, i, param), s->values[i]);
        }
    }
    if (!isnan(x_of(s, best, param))) {
        snprintf(label, sizeof label, "best: trial %lld", (long long)s->trials[best]->number);
        rlt_series *winner = rlt_chart_add(&chart, label, RLT_FORM_POINTS, 1);
        winner->highlight = true;
        rlt_chart_point(winner, x_of(s, best, param), s->values[best]);
    }
    rlt_status status = rlt_chart_put(&chart, err);
    rlt_chart_close(&chart);
    return status;
}

rlt_status rlt_chart_slice(const rlt_report *report, const rlt_samples *s, rlt_err *err) {
    int params[RLT_CHART_PARAMS_MAX], count = 0;
    RLT_TRY(rlt_chart_params(report, s, RLT_CHART_PARAMS_MAX, params, &count, err));
    bool one = report->json || rlt_cli_flag(&report->args, "--svg") ||
               rlt_cli_flag(&report->args, "--out");
    int shown = count > 0 ? count : s->data.param_count;
    if (one && shown > 1) {
        return rlt_fail(err, RLT_EINVAL,
                        "rltune plot: a file or --json holds one slice; choose one of %d "
                        "parameters: --param %s",
                        shown, s->info[count > 0 ? params[0] : 0].path);
    }
    for (int i = 0; i < shown; i++) {
        RLT_TRY(draw_slice(report, s, count > 0 ? params[i] : i, err));
    }
    return RLT_OK;
}

/* ---- contours ---- */

enum { CELLS_X = 60, CELLS_Y = 40, CONTOUR_TRIALS = 3 };

/* Where a value lies on its axis, 0 to 1. */
static double place_on(const rlt_samples *s, int param, double x) {
    const rlt_analysis_param *p = &s->params[param];
    if (p->choices > 0) {
        return (x + 0.5) / p->choices;
    }
    double at =
        p->log ? log(x / p->low) / log(p->high / p->low) : (x - p->low) / (p->high - p->low);
    return p->high > p->low ? at : 0.5;
}

typedef struct surface {
    double *u, *v, *value; /* [count] places on both axes */
    double *x, *y;
    int count;
} surface;

static surface make_surface(const rlt_samples *s, const int params[2]) {
    size_t size = sizeof(double) * (size_t)(s->data.count + 1);
    surface made = {rlt_alloc(size), rlt_alloc(size), rlt_alloc(size),
                    rlt_alloc(size), rlt_alloc(size), 0};
    for (int i = 0; i < s->data.count; i++) {
        double x = x_of(s, i, params[0]), y = x_of(s, i, params[1]);
        if (!isnan(x) && !isnan(y)) {
            made.x[made.count] = x;
            made.y[made.count] = y;
            made.u[made.count] = place_on(s, params[0], x);
            made.v[made.count] = place_on(s, params[1], y);
            made.value[made.count++] = s->values[i];
        }
    }
    return made;
}

static void free_surface(surface *made) {
    rlt_free(made->u);
    rlt_free(made->v);
    rlt_free(made->value);
    rlt_free(made->x);
    rlt_free(made->y);
}

/* Between the trials: their mean, weighted by the inverse third power of the distance (Shepard
 * 1968). */
static void fill_cells(const surface *from, double *cells) {
    for (int row = 0; row < CELLS_Y; row++) {
        for (int column = 0; column < CELLS_X; column++) {
            double u = (column + 0.5) / CELLS_X, v = (row + 0.5) / CELLS_Y, sum = 0, weights = 0;
            for (int i = 0; i < from->count; i++) {
                double du = u - from->u[i], dv = v - from->v[i];
                double weight = pow(du * du + dv * dv + 1e-6, -1.5);
                sum += weight * from->value[i];
                weights += weight;
            }
            cells[row * CELLS_X + column] = sum / weights;
        }
    }
}

static void set_range(const rlt_samples *s, int param, double range[2]) {
    const rlt_analysis_param *p = &s->params[param];
    range[0] = p->choices > 0 ? -0.5 : p->low;
    range[1] = p->choices > 0 ? p->choices - 0.5 : p->high;
    if (!(range[1] > range[0])) {
        range[0] -= 0.5;
        range[1] += 0.5;
    }
}

static rlt_status contour_json(const rlt_samples *s, const int params[2], const surface *from,
                               const double *cells, rlt_err *err) {
    json_t *rows = json_array(), *points = json_array();
    for (int row = 0; row < CELLS_Y; row++) {
        json_t *line = json_array();
        for (int column = 0; column < CELLS_X; column++) {
            json_array_append_new(line, rlt_report_real(cells[row * CELLS_X + column]));
        }
        json_array_append_new(rows, line);
    }
    for (int i = 0; i < from->count; i++) {
        json_array_append_new(points, json_pack("[o, o, o]", rlt_report_real(from->x[i]),
                                                rlt_report_real(from->y[i]),
                                                rlt_report_real(from->value[i])));
    }
    return rlt_report_print_json(json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "kind", "contour", "x",
                                           s->info[params[0]].path, "y", s->info[params[1]].path,
                                           "metric", s->metric, "points", points, "cells", rows),
                                 err);
}

static rlt_status draw_contour(const rlt_report *report, const rlt_samples *s, const int params[2],
                               const surface *from, rlt_err *err) {
    double *cells = rlt_alloc(sizeof *cells * CELLS_X * CELLS_Y);
    fill_cells(from, cells);
    char title[384], labels[2][RLT_NAME_MAX + 16];
    snprintf(title, sizeof title, "contour of %s (experiment %lld)", report->experiment.name,
             (long long)report->experiment.id);
    for (int i = 0; i < 2; i++) {
        snprintf(labels[i], sizeof labels[i], "%s%s", s->info[params[i]].path,
                 s->params[params[i]].log ? " (log scale)" : "");
    }
    rlt_heat heat = {.title = title,
                     .x_label = labels[0],
                     .y_label = labels[1],
                     .value_label = s->metric,
                     .x_scale = rlt_chart_scale(s, params[0]),
                     .y_scale = rlt_chart_scale(s, params[1]),
                     .cells = cells,
                     .columns = CELLS_X,
                     .rows = CELLS_Y,
                     .point_x = from->x,
                     .point_y = from->y,
                     .points = (size_t)from->count};
    set_range(s, params[0], heat.x);
    set_range(s, params[1], heat.y);
    rlt_chart_target target;
    rlt_buf out = {0};
    rlt_status status = report->json ? contour_json(s, params, from, cells, err)
                                     : rlt_chart_target_of(report, &target, err);
    if (status == RLT_OK && !report->json) {
        if (target.path == NULL) {
            rlt_heat_terminal(&heat, target.screen.columns, target.rows, target.screen.unicode,
                              target.screen.colour, &out);
        } else {
            rlt_heat_svg(&heat, target.width, target.height, &out);
        }
        status = rlt_chart_write(&target, &out, err);
    }
    rlt_free(cells);
    return status;
}

/* The two most important parameters, or the first two. */
static void choose_two(const rlt_samples *s, int params[2]) {
    rlt_importance *list = rlt_alloc(sizeof *list * (size_t)s->data.param_count);
    rlt_err ignored;
    bool known =
        rlt_importance_ped_anova(&s->data, &(rlt_ped_anova_options){0}, list, &ignored) == RLT_OK;
    for (int i = 0; i < 2; i++) {
        params[i] = known ? list[i].param : i;
    }
    rlt_free(list);
}

rlt_status rlt_chart_contour(const rlt_report *report, const rlt_samples *s, rlt_err *err) {
    int params[2], count = 0;
    RLT_TRY(rlt_chart_params(report, s, 2, params, &count, err));
    if (s->data.param_count < 2 || count == 1) {
        return rlt_fail(err, RLT_EINVAL, "a contour needs two parameters: %s",
                        s->data.param_count < 2 ? "the experiment tunes one; --kind slice draws it"
                                                : "add a second --param NAME");
    }
    if (count == 0) {
        choose_two(s, params);
    }
    surface from = make_surface(s, params);
    rlt_status status =
        from.count >= CONTOUR_TRIALS
            ? draw_contour(report, s, params, &from, err)
            : rlt_fail(err, RLT_ENOTFOUND,
                       "a contour needs %d trials with both parameters and a result; there %s %d",
                       CONTOUR_TRIALS, from.count == 1 ? "is" : "are", from.count);
    free_surface(&from);
    return status;
}

/* ---- parallel coordinates ---- */

typedef struct axes {
    int params[RLT_CHART_PARAMS_MAX], count;
    double low, high; /* of the values */
} axes;

static void add_trial(rlt_chart *chart, const rlt_samples *s, const axes *a, int trial, bool best) {
    char label[32];
    double span = a->high - a->low;
    double value = span > 0 ? (s->values[trial] - a->low) / span : 0.5;
    snprintf(label, sizeof label, "%strial %lld", best ? "best: " : "",
             (long long)s->trials[trial]->number);
    rlt_series *line = rlt_chart_add(chart, label, RLT_FORM_LINE, (size_t)a->count + 1);
    line->highlight = best;
    line->shaded = true;
    line->shade = s->data.maximise ? value : 1 - value;
    for (int k = 0; k < a->count; k++) {
        double x = x_of(s, trial, a->params[k]);
        rlt_chart_point(line, k, isnan(x) ? NAN : place_on(s, a->params[k], x));
    }
    rlt_chart_point(line, a->count, value);
}

/* "ppo.lr 1e-05 to 0.1 | epochs 3 to 10" */
static void describe(const rlt_samples *s, const axes *a, char *text, size_t size) {
    rlt_buf line = {0};
    for (int k = 0; k < a->count; k++) {
        const rlt_analysis_param *p = &s->params[a->params[k]];
        if (p->choices > 0) {
            rlt_buf_printf(&line, "%s: %d choices | ", p->name, p->choices);
        } else {
            rlt_buf_printf(&line, "%s: %.4g to %.4g%s | ", p->name, p->low, p->high,
                           p->log ? " (log)" : "");
        }
    }
    rlt_buf_printf(&line, "%s: %.4g to %.4g", s->metric, a->low, a->high);
    snprintf(text, size, "%s", line.data);
    rlt_buf_fini(&line);
}

rlt_status rlt_chart_parallel(const rlt_report *report, const rlt_samples *s, rlt_err *err) {
    axes a = {.low = INFINITY, .high = -INFINITY};
    RLT_TRY(rlt_chart_params(report, s, RLT_CHART_PARAMS_MAX, a.params, &a.count, err));
    for (int j = 0; a.count < RLT_CHART_PARAMS_MAX && j < s->data.param_count &&
                    !rlt_cli_flag(&report->args, "--param");
         j++) {
        a.params[a.count++] = j;
    }
    for (int i = 0; i < s->data.count; i++) {
        a.low = fmin(a.low, s->values[i]);
        a.high = fmax(a.high, s->values[i]);
    }
    const char *names[RLT_CHART_PARAMS_MAX + 1];
    for (int k = 0; k < a.count; k++) {
        const char *path = s->info[a.params[k]].path, *dot = strrchr(path, '.');
        names[k] = dot != NULL && dot[1] != 0 ? dot + 1 : path;
    }
    names[a.count] = s->metric;
    rlt_chart chart;
    rlt_chart_init(&chart, report, "parallel", "parallel coordinates");
    chart.plot.x_scale = (rlt_plot_scale){.names = names, .name_count = a.count + 1};
    describe(s, &a, chart.x_label, sizeof chart.x_label);
    snprintf(chart.y_label, sizeof chart.y_label, "place in the range of each");
    int best = best_of(s);
    for (int i = 0; i < s->data.count; i++) {
        add_trial(&chart, s, &a, i, i == best);
    }
    rlt_status status = rlt_chart_put(&chart, err);
    rlt_chart_close(&chart);
    return status;
}

/* ---- importance ---- */

static rlt_status put_bars(const rlt_report *report, const rlt_samples *s, const rlt_bars *bars,
                           rlt_err *err) {
    if (report->json) {
        json_t *labels = json_array(), *values = json_array();
        for (size_t i = 0; i < bars->count; i++) {
            json_array_append_new(labels, json_string(bars->labels[i]));
            json_array_append_new(values, rlt_report_real(bars->values[i]));
        }
        return rlt_report_print_json(json_pack("{s:s, s:s, s:s, s:o, s:o}", "kind", "importance",
                                               "title", bars->title, "metric", s->metric, "params",
                                               labels, "importances", values),
                                     err);
    }
    rlt_chart_target target;
    rlt_buf out = {0};
    RLT_TRY(rlt_chart_target_of(report, &target, err));
    if (target.path == NULL) {
        rlt_bars_terminal(bars, target.screen.columns, target.screen.unicode, target.screen.colour,
                          &out);
    } else {
        rlt_bars_svg(bars, target.width, target.height, &out);
    }
    return rlt_chart_write(&target, &out, err);
}

rlt_status rlt_chart_importance(const rlt_report *report, const rlt_samples *s, rlt_err *err) {
    size_t room = (size_t)s->data.param_count + 1;
    rlt_importance *list = rlt_alloc(sizeof *list * room);
    int method = 0;
    rlt_status status = rlt_importance_compute(&report->args, s, list, &method, err);
    if (status == RLT_OK) {
        const char **labels = rlt_alloc(sizeof *labels * room);
        double *values = rlt_alloc(sizeof *values * room);
        char title[384], value_label[128];
        rlt_bars bars = {
            .title = title, .value_label = value_label, .labels = labels, .values = values};
        for (int i = 0; i < s->data.param_count; i++) {
            if (!list[i].left_out) {
                labels[bars.count] = s->info[list[i].param].path;
                values[bars.count++] = list[i].share;
            }
        }
        snprintf(title, sizeof title, "importance for %s of %s (experiment %lld), %d trials",
                 s->metric, report->experiment.name, (long long)report->experiment.id,
                 s->data.count);
        snprintf(value_label, sizeof value_label, "importance %s", rlt_importance_question(method));
        status = put_bars(report, s, &bars, err);
        rlt_free(labels);
        rlt_free(values);
    }
    rlt_free(list);
    return status;
}
