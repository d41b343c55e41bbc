/* plot: curves, points, bars and maps as terminal text and as SVG. Pure: numbers in, text out.
 * Thread: any. Owner: the caller owns the buffer. */
#ifndef RLT_PLOT_H
#define RLT_PLOT_H
#include "core/core.h"

/* How the points of a series are drawn: joined, as steps that keep a value until the next point, or
 * each by itself. */
typedef enum { RLT_FORM_LINE, RLT_FORM_STEPS, RLT_FORM_POINTS } rlt_plot_form;
typedef struct rlt_series {
    const char *label;
    const double *x, *y; /* borrowed; a gap where one is not finite (or beyond 1e300) */
    size_t count;
    bool highlight; /* the winner: drawn last, in the accent colour */
    rlt_plot_form form;
    bool shaded; /* SVG: coloured by `shade` in [0, 1] instead */
    double shade;
} rlt_series;
typedef struct rlt_plot_scale {
    bool log;                 /* values that are not positive are gaps */
    bool whole;               /* numbers that are counted: no tick between two of them */
    const char *const *names; /* or: names of the values 0 .. name_count - 1 */
    /* x only: an axis of its own for each name, what its upper and lower ends say; y goes from 0
     * to 1 then and has no labels. NULL: none. */
    const char *const *tops;
    const char *const *bottoms;
    int name_count;
} rlt_plot_scale;
typedef struct rlt_plot {
    const char *title, *x_label, *y_label;
    const rlt_series *series;
    size_t count;
    double goal; /* a horizontal line; NAN: none */
    rlt_plot_scale x_scale, y_scale;
} rlt_plot;
/* Braille or plain ASCII (`unicode` false), at most `columns` by `rows` characters. */
void rlt_plot_terminal(const rlt_plot *plot, int columns, int rows, bool unicode, bool colour,
                       rlt_buf *out);
/* A self-contained SVG of width x height pixels, readable on light and dark backgrounds; text is
 * escaped. */
void rlt_plot_svg(const rlt_plot *plot, int width, int height, rlt_buf *out);
/* Several of them, each width x height pixels, `columns` side by side, in one SVG. */
void rlt_plots_svg(const rlt_plot *plots, size_t count, int columns, int width, int height,
                   rlt_buf *out);

/* Horizontal bars from 0, each with its label and its value. Values are finite and >= 0. */
typedef struct rlt_bars {
    const char *title, *value_label;
    const char *const *labels;
    const double *values;
    size_t count;
} rlt_bars;
void rlt_bars_terminal(const rlt_bars *bars, int columns, bool unicode, bool colour, rlt_buf *out);
/* At most `height` pixels high: no higher than the bars need. */
void rlt_bars_svg(const rlt_bars *bars, int width, int height, rlt_buf *out);

/* A value over two axes in cells of equal size on the axes' scales, and the points that it comes
 * from. */
typedef struct rlt_heat {
    const char *title, *x_label, *y_label, *value_label;
    rlt_plot_scale x_scale, y_scale;
    double x[2], y[2];   /* what the axes show: low < high, positive where log */
    const double *cells; /* [rows, columns], the lowest row first; NAN: nothing is known */
    int columns, rows;
    const double *point_x, *point_y;
    size_t points;
} rlt_heat;
void rlt_heat_terminal(const rlt_heat *heat, int columns, int rows, bool unicode, bool colour,
                       rlt_buf *out);
void rlt_heat_svg(const rlt_heat *heat, int width, int height, rlt_buf *out);
#endif
