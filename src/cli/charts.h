/* cli, reporting: the pictures of `rltune plot --kind`: series with their own memory, and where
 * they go (terminal, SVG, JSON). Thread: main only. Owner: who inits a chart closes it. */
#ifndef RLT_CLI_CHARTS_H
#define RLT_CLI_CHARTS_H
#include "cli/samples.h"
#include "plot/plot.h"

enum { RLT_CHART_PARAMS_MAX = 12 };
typedef struct rlt_chart {
    const rlt_report *report;
    const char *kind;
    char title[256], x_label[RLT_NAME_MAX + 16], y_label[RLT_NAME_MAX + 48];
    rlt_plot plot; /* title, labels and series are set by rlt_chart_put */
    rlt_series *series;
    size_t count, room;
} rlt_chart;
/* The title is "WHAT of NAME (experiment N)". */
void rlt_chart_init(rlt_chart *chart, const rlt_report *report, const char *kind, const char *what);
void rlt_chart_close(rlt_chart *chart);
/* A series of at most `points` points; valid until the next one is added. */
rlt_series *rlt_chart_add(rlt_chart *chart, const char *label, rlt_plot_form form, size_t points);
void rlt_chart_point(rlt_series *series, double x, double y);
rlt_status rlt_chart_put(rlt_chart *chart, rlt_err *err);
/* Several: one below the other, in an SVG two side by side; JSON has them as a list. */
rlt_status rlt_chart_put_all(rlt_chart *charts, int count, rlt_err *err);

/* Where pictures go: the size that --width and --height ask for, the file that --svg or --out names
 * (NULL: the terminal). */
typedef struct rlt_chart_target {
    const char *path;
    int width, height;
    rlt_screen screen;
    int rows; /* of a plot on the screen */
} rlt_chart_target;
rlt_status rlt_chart_target_of(const rlt_report *report, rlt_chart_target *target, rlt_err *err);
/* Writes the file, or prints. Releases `text`. */
rlt_status rlt_chart_write(const rlt_chart_target *target, rlt_buf *text, rlt_err *err);

/* Which parameters --param names, in their order; *count 0: none was given. */
rlt_status rlt_chart_params(const rlt_report *report, const rlt_samples *samples, int most,
                            int *params, int *count, rlt_err *err);
rlt_plot_scale rlt_chart_scale(const rlt_samples *samples, int param);
/* "ppo.lr (log scale)" */
void rlt_chart_label(const rlt_samples *samples, int param, char text[RLT_NAME_MAX + 16]);
/* Where a value lies in the domain of its parameter, 0 to 1. */
double rlt_chart_place(const rlt_samples *samples, int param, double x);

/* One kind of plot: needs the trials as arrays (samples), or only the report. */
typedef struct rlt_chart_kind {
    const char *name;
    rlt_status (*draw)(const rlt_report *report, const rlt_samples *samples, rlt_err *err);
    bool samples, params, metric; /* needs the trials as arrays; takes --param, --metric */
} rlt_chart_kind;
rlt_status rlt_chart_history(const rlt_report *report, const rlt_samples *samples, rlt_err *err);
rlt_status rlt_chart_hypervolume(const rlt_report *report, const rlt_samples *samples,
                                 rlt_err *err);
rlt_status rlt_chart_front(const rlt_report *report, const rlt_samples *samples, rlt_err *err);
rlt_status rlt_chart_edf(const rlt_report *report, const rlt_samples *samples, rlt_err *err);
rlt_status rlt_chart_slice(const rlt_report *report, const rlt_samples *samples, rlt_err *err);
rlt_status rlt_chart_contour(const rlt_report *report, const rlt_samples *samples, rlt_err *err);
rlt_status rlt_chart_parallel(const rlt_report *report, const rlt_samples *samples, rlt_err *err);
rlt_status rlt_chart_importance(const rlt_report *report, const rlt_samples *samples, rlt_err *err);
rlt_status rlt_chart_rungs(const rlt_report *report, const rlt_samples *samples, rlt_err *err);
rlt_status rlt_chart_timeline(const rlt_report *report, const rlt_samples *samples, rlt_err *err);
/* Draws the kind that --kind names; *drawn false: it is "curves". */
rlt_status rlt_chart_draw_kind(const rlt_report *report, bool *drawn, rlt_err *err);
#endif
