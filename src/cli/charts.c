/* cli, reporting: plots of a whole search: which kind, series, output; options of kinds.
 * Thread: main only. */
#include "cli/charts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const rlt_chart_kind kinds[] = {
    {"history", rlt_chart_history, true, false, true},
    {"importance", rlt_chart_importance, true, false, true},
    {"slice", rlt_chart_slice, true, true, true},
    {"contour", rlt_chart_contour, true, true, true},
    {"parallel", rlt_chart_parallel, true, true, true},
    {"edf", rlt_chart_edf, true, false, true},
    {"rungs", rlt_chart_rungs, false, false, false},
    {"timeline", rlt_chart_timeline, false, false, false},
    {"front", rlt_chart_front, false, false, true},
    {"hypervolume", rlt_chart_hypervolume, false, false, false},
};

/* ---- series ---- */

void rlt_chart_init(rlt_chart *chart, const rlt_report *report, const char *kind,
                    const char *what) {
    *chart = (rlt_chart){.report = report, .kind = kind, .plot = {.goal = NAN}};
    snprintf(chart->title, sizeof chart->title, "%s of %s (experiment %lld)", what,
             report->experiment.name, (long long)report->experiment.id);
}

void rlt_chart_close(rlt_chart *chart) {
    for (size_t i = 0; i < chart->count; i++) {
        rlt_free((char *)(uintptr_t)chart->series[i].label);
        rlt_free((double *)(uintptr_t)chart->series[i].x);
        rlt_free((double *)(uintptr_t)chart->series[i].y);
    }
    rlt_free(chart->series);
    *chart = (rlt_chart){0};
}

rlt_series *rlt_chart_add(rlt_chart *chart, const char *label, rlt_plot_form form, size_t points) {
    if (chart->count == chart->room) {
        size_t room = 2 * chart->room + 8;
        rlt_series *more = rlt_alloc(sizeof *more * room);
        if (chart->count > 0) {
            memcpy(more, chart->series, sizeof *more * chart->count);
        }
        rlt_free(chart->series);
        chart->series = more;
        chart->room = room;
    }
    size_t size = strlen(label) + 1;
    chart->series[chart->count] = (rlt_series){.label = memcpy(rlt_alloc(size), label, size),
                                               .x = rlt_alloc(sizeof(double) * (points + 1)),
                                               .y = rlt_alloc(sizeof(double) * (points + 1)),
                                               .form = form};
    return &chart->series[chart->count++];
}

void rlt_chart_point(rlt_series *series, double x, double y) {
    double *xs = (double *)(uintptr_t)series->x, *ys = (double *)(uintptr_t)series->y;
    xs[series->count] = x;
    ys[series->count++] = y;
}

/* ---- output ---- */

rlt_status rlt_chart_target_of(const rlt_report *report, rlt_chart_target *target, rlt_err *err) {
    const char *svg = rlt_cli_value(&report->args, "--svg");
    int64_t width = 800, height = 450;
    RLT_TRY(rlt_cli_option_integer(&report->args, "--width", 200, 10000, &width, err));
    RLT_TRY(rlt_cli_option_integer(&report->args, "--height", 150, 10000, &height, err));
    rlt_screen screen = rlt_screen_of_stdout();
    int rows = screen.rows - 2; /* the prompt stays in sight */
    *target = (rlt_chart_target){.path = svg != NULL ? svg : rlt_cli_value(&report->args, "--out"),
                                 .width = (int)width,
                                 .height = (int)height,
                                 .screen = screen,
                                 .rows = rows < 12   ? 12
                                         : rows > 26 ? 26
                                                     : rows};
    return RLT_OK;
}

rlt_status rlt_chart_write(const rlt_chart_target *target, rlt_buf *text, rlt_err *err) {
    rlt_status status = RLT_OK;
    if (target->path != NULL) {
        status = rlt_file_write_atomic(target->path, text->data, text->size, err);
        if (status == RLT_OK) {
            fprintf(stderr, "wrote %s\n", target->path);
        }
    } else {
        fwrite(text->data, 1, text->size, stdout);
    }
    rlt_buf_fini(text);
    return status;
}

static json_t *chart_json(const rlt_chart *chart) {
    json_t *list = json_array();
    for (size_t i = 0; i < chart->count; i++) {
        const rlt_series *series = &chart->series[i];
        json_t *points = json_array();
        for (size_t k = 0; k < series->count; k++) {
            json_array_append_new(points, json_pack("[o, o]", rlt_report_real(series->x[k]),
                                                    rlt_report_real(series->y[k])));
        }
        json_array_append_new(list,
                              json_pack("{s:s, s:o}", "label", series->label, "points", points));
    }
    json_t *names = json_array();
    for (int i = 0; i < chart->plot.x_scale.name_count; i++) {
        json_array_append_new(names, json_string(chart->plot.x_scale.names[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "kind", chart->kind, "title", chart->title,
                     "x_label", chart->x_label, "y_label", chart->y_label, "x_names", names,
                     "series", list);
}

static void draw_all(rlt_chart *charts, int count, const rlt_chart_target *target, rlt_buf *out) {
    rlt_plot *plots = rlt_alloc(sizeof *plots * (size_t)(count + 1));
    for (int i = 0; i < count; i++) {
        rlt_chart *chart = &charts[i];
        chart->plot.title = chart->title;
        chart->plot.x_label = chart->x_label[0] != 0 ? chart->x_label : NULL;
        chart->plot.y_label = chart->y_label[0] != 0 ? chart->y_label : NULL;
        chart->plot.series = chart->series;
        chart->plot.count = chart->count;
        plots[i] = chart->plot;
        if (target->path == NULL) {
            rlt_plot_terminal(&plots[i], target->screen.columns, target->rows,
                              target->screen.unicode, target->screen.colour, out);
        }
    }
    if (target->path != NULL) {
        rlt_plots_svg(plots, (size_t)count, 2, target->width, target->height, out);
    }
    rlt_free(plots);
}

static rlt_status draw(rlt_chart *charts, int count, rlt_err *err) {
    rlt_chart_target target;
    rlt_buf out = {0};
    RLT_TRY(rlt_chart_target_of(charts[0].report, &target, err));
    draw_all(charts, count, &target, &out);
    return rlt_chart_write(&target, &out, err);
}

rlt_status rlt_chart_put_all(rlt_chart *charts, int count, rlt_err *err) {
    if (!charts[0].report->json) {
        return draw(charts, count, err);
    }
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        json_array_append_new(list, chart_json(&charts[i]));
    }
    return rlt_report_print_json(list, err);
}

rlt_status rlt_chart_put(rlt_chart *chart, rlt_err *err) {
    return chart->report->json ? rlt_report_print_json(chart_json(chart), err)
                               : draw(chart, 1, err);
}

/* ---- kinds ---- */

static rlt_status choose_kind(const rlt_report *report, const rlt_chart_kind **kind, rlt_err *err) {
    const char *names[RLT_COUNT(kinds) + 2];
    size_t count = 0;
    int index = 0;
    names[count++] = "curves";
    for (size_t i = 0; i < RLT_COUNT(kinds); i++) {
        names[count++] = kinds[i].name;
    }
    names[count] = NULL;
    RLT_TRY(rlt_cli_option_choice(&report->args, "--kind", names, &index, err));
    *kind = index > 0 ? &kinds[index - 1] : NULL;
    return RLT_OK;
}

/* Options that this kind has no use for are refused, not ignored. */
static rlt_status check_options(const rlt_report *report, const rlt_chart_kind *kind,
                                rlt_err *err) {
    static const char *const of_curves[] = {"--trials", "--top", "--final"};
    static const char *const of_importance[] = {"--method", "--log-scale", "--seed"};
    const char *name = kind != NULL ? kind->name : "curves", *odd = NULL;
    bool importance = strcmp(name, "importance") == 0;
    for (size_t i = 0; i < RLT_COUNT(of_curves); i++) {
        odd = kind != NULL && rlt_cli_flag(&report->args, of_curves[i]) ? of_curves[i] : odd;
        odd = !importance && rlt_cli_flag(&report->args, of_importance[i]) ? of_importance[i] : odd;
    }
    bool params = kind != NULL && kind->params, samples = kind != NULL && kind->samples;
    odd = !params && rlt_cli_flag(&report->args, "--param") ? "--param" : odd;
    odd = !samples && rlt_cli_flag(&report->args, "--stopped") ? "--stopped" : odd;
    odd =
        kind != NULL && !kind->metric && rlt_cli_flag(&report->args, "--metric") ? "--metric" : odd;
    return odd == NULL
               ? RLT_OK
               : rlt_fail(err, RLT_EINVAL, "rltune plot: --kind %s does not take %s", name, odd);
}

rlt_status rlt_chart_draw_kind(const rlt_report *report, bool *drawn, rlt_err *err) {
    const rlt_chart_kind *kind = NULL;
    RLT_TRY(choose_kind(report, &kind, err));
    RLT_TRY(check_options(report, kind, err));
    *drawn = kind != NULL;
    if (kind == NULL) {
        return RLT_OK;
    }
    rlt_samples samples = {0};
    if (kind->samples) {
        RLT_TRY(rlt_samples_load(report, rlt_cli_value(&report->args, "--metric"),
                                 rlt_cli_flag(&report->args, "--stopped"), &samples, err));
    }
    rlt_status status = kind->draw(report, &samples, err);
    rlt_samples_close(&samples);
    return status;
}
