/* cli, reporting: plots of results over parameters: slices, parallel coordinates, importance.
 * Thread: main only. */
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
    return (rlt_plot_scale){.log = p->log, .whole = p->step == 1 && !p->log};
}

void rlt_chart_label(const rlt_samples *s, int param, char text[RLT_NAME_MAX + 16]) {
    snprintf(text, RLT_NAME_MAX + 16, "%s%s", s->info[param].path,
             s->params[param].log ? " (log scale)" : "");
}

double rlt_chart_place(const rlt_samples *s, int param, double x) {
    const rlt_analysis_param *p = &s->params[param];
    if (p->choices > 0) {
        return (x + 0.5) / p->choices;
    }
    double at = p->log ? (log(x) - log(p->low)) / (log(p->high) - log(p->low))
                       : (x / 2 - p->low / 2) / (p->high / 2 - p->low / 2);
    return p->high > p->low ? at : 0.5;
}

static double x_of(const rlt_samples *s, int trial, int param) {
    return s->x[(size_t)trial * (size_t)s->data.param_count + (size_t)param];
}

/* ---- slices ---- */

static void add_slice(rlt_chart *chart, const rlt_samples *s, int param, bool feasible) {
    size_t count = 0;
    for (int i = 0; i < s->data.count; i++) {
        count += s->feasible[i] == feasible && !isnan(x_of(s, i, param));
    }
    if (count == 0) {
        return;
    }
    rlt_series *points =
        rlt_chart_add(chart, feasible ? "trials" : "not feasible", RLT_FORM_POINTS, count);
    for (int i = 0; i < s->data.count; i++) {
        if (s->feasible[i] == feasible && !isnan(x_of(s, i, param))) {
            rlt_chart_point(points, x_of(s, i, param), s->values[i]);
        }
    }
}

static void make_slice(rlt_chart *chart, const rlt_report *report, const rlt_samples *s,
                       int param) {
    int best = rlt_samples_best(s);
    char label[64];
    rlt_chart_init(chart, report, "slice", "slice");
    rlt_chart_label(s, param, chart->x_label);
    snprintf(chart->y_label, sizeof chart->y_label, "%s", s->metric);
    chart->plot.x_scale = rlt_chart_scale(s, param);
    add_slice(chart, s, param, true);
    add_slice(chart, s, param, false);
    if (best >= 0 && !isnan(x_of(s, best, param))) {
        snprintf(label, sizeof label, "best: trial %lld", (long long)s->trials[best]->number);
        rlt_series *winner = rlt_chart_add(chart, label, RLT_FORM_POINTS, 1);
        winner->highlight = true;
        rlt_chart_point(winner, x_of(s, best, param), s->values[best]);
    }
}

rlt_status rlt_chart_slice(const rlt_report *report, const rlt_samples *s, rlt_err *err) {
    int params[RLT_CHART_PARAMS_MAX], count = 0;
    RLT_TRY(rlt_chart_params(report, s, RLT_CHART_PARAMS_MAX, params, &count, err));
    int shown = count > 0 ? count : s->data.param_count;
    rlt_chart *charts = rlt_alloc(sizeof *charts * (size_t)shown);
    for (int i = 0; i < shown; i++) {
        make_slice(&charts[i], report, s, count > 0 ? params[i] : i);
    }
    rlt_status status = rlt_chart_put_all(charts, shown, err);
    for (int i = 0; i < shown; i++) {
        rlt_chart_close(&charts[i]);
    }
    rlt_free(charts);
    return status;
}

/* ---- parallel coordinates ---- */

enum { END_TEXT = 48 };
typedef struct axes {
    int params[RLT_CHART_PARAMS_MAX], count;
    double low, high; /* of the values */
    /* of the axes, the last one that of the metric */
    const char *names[RLT_CHART_PARAMS_MAX + 1];
    const char *tops[RLT_CHART_PARAMS_MAX + 1], *bottoms[RLT_CHART_PARAMS_MAX + 1];
    char ends[2 * (RLT_CHART_PARAMS_MAX + 1)][END_TEXT];
} axes;

static void set_ends(const rlt_samples *s, axes *a, int at) {
    char *top = a->ends[2 * at], *bottom = a->ends[2 * at + 1];
    const rlt_analysis_param *p = at < a->count ? &s->params[a->params[at]] : NULL;
    if (p != NULL && p->choices > 0) {
        char **choices = s->info[a->params[at]].names;
        snprintf(top, END_TEXT, "%.40s", choices[p->choices - 1]);
        snprintf(bottom, END_TEXT, "%.40s", choices[0]);
    } else {
        snprintf(top, END_TEXT, "%.4g%s", p != NULL ? p->high : a->high,
                 p != NULL && p->log ? " (log)" : "");
        snprintf(bottom, END_TEXT, "%.4g", p != NULL ? p->low : a->low);
    }
    a->tops[at] = top;
    a->bottoms[at] = bottom;
}

static const char *last_part(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot != NULL && dot[1] != 0 ? dot + 1 : path;
}

/* "lr" of "ppo.lr", unless another axis would be called the same. */
static const char *short_name(const rlt_samples *s, const axes *a, int at) {
    const char *path = s->info[a->params[at]].path;
    for (int k = 0; k < a->count; k++) {
        if (k != at && strcmp(last_part(path), last_part(s->info[a->params[k]].path)) == 0) {
            return path;
        }
    }
    return last_part(path);
}

static void make_axes(const rlt_samples *s, axes *a) {
    a->low = INFINITY;
    a->high = -INFINITY;
    for (int i = 0; i < s->data.count; i++) {
        a->low = fmin(a->low, s->values[i]);
        a->high = fmax(a->high, s->values[i]);
    }
    for (int k = 0; k < a->count; k++) {
        a->names[k] = short_name(s, a, k);
    }
    a->names[a->count] = s->metric;
    for (int k = 0; k <= a->count; k++) {
        set_ends(s, a, k);
    }
}

/* The best lines are light and drawn last. */
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
        rlt_chart_point(line, k, isnan(x) ? NAN : rlt_chart_place(s, a->params[k], x));
    }
    rlt_chart_point(line, a->count, value);
}

typedef struct graded {
    double value; /* larger is better */
    int row;
} graded;

static int compare_graded(const void *a, const void *b) {
    const graded *left = a, *right = b;
    return left->value != right->value ? (left->value > right->value) - (left->value < right->value)
                                       : left->row - right->row;
}

static void add_trials(rlt_chart *chart, const rlt_samples *s, const axes *a) {
    graded *order = rlt_alloc(sizeof *order * (size_t)s->data.count);
    int best = rlt_samples_best(s);
    for (int i = 0; i < s->data.count; i++) {
        order[i] = (graded){s->data.maximise ? s->values[i] : -s->values[i], i};
    }
    qsort(order, (size_t)s->data.count, sizeof *order, compare_graded);
    for (int i = 0; i < s->data.count; i++) {
        add_trial(chart, s, a, order[i].row, order[i].row == best);
    }
    rlt_free(order);
}

rlt_status rlt_chart_parallel(const rlt_report *report, const rlt_samples *s, rlt_err *err) {
    axes a = {0};
    RLT_TRY(rlt_chart_params(report, s, RLT_CHART_PARAMS_MAX, a.params, &a.count, err));
    for (int j = 0; a.count < RLT_CHART_PARAMS_MAX && j < s->data.param_count &&
                    !rlt_cli_flag(&report->args, "--param");
         j++) {
        a.params[a.count++] = j;
    }
    make_axes(s, &a);
    rlt_chart chart;
    rlt_chart_init(&chart, report, "parallel", "parallel coordinates (light lines are better)");
    chart.plot.x_scale = (rlt_plot_scale){
        .names = a.names, .tops = a.tops, .bottoms = a.bottoms, .name_count = a.count + 1};
    add_trials(&chart, s, &a);
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
