/* cli, reporting: a result over two parameters. Thread: main only. */
#include "cli/charts.h"
#include "cli/importance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS_X = 60, CELLS_Y = 40, CONTOUR_TRIALS = 3 };
/* Of the axes' lengths: further than this from every trial nothing is said. */
static const double REACH = 0.2;

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
        double x = s->x[(size_t)i * (size_t)s->data.param_count + (size_t)params[0]],
               y = s->x[(size_t)i * (size_t)s->data.param_count + (size_t)params[1]];
        if (!isnan(x) && !isnan(y)) {
            made.x[made.count] = x;
            made.y[made.count] = y;
            made.u[made.count] = rlt_chart_place(s, params[0], x);
            made.v[made.count] = rlt_chart_place(s, params[1], y);
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
            double nearest = INFINITY;
            for (int i = 0; i < from->count; i++) {
                double du = u - from->u[i], dv = v - from->v[i];
                double weight = pow(du * du + dv * dv + 1e-6, -1.5);
                nearest = fmin(nearest, du * du + dv * dv);
                sum += weight * from->value[i];
                weights += weight;
            }
            cells[row * CELLS_X + column] = nearest <= REACH * REACH ? sum / weights : NAN;
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
        rlt_chart_label(s, params[i], labels[i]);
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
