/* plot: learning curves as terminal text and as SVG. Pure: series in, text out.
 * Thread: any. Owner: the caller owns the buffer. */
#ifndef RLT_PLOT_H
#define RLT_PLOT_H
#include "core/core.h"

typedef struct rlt_series {
    const char *label;
    const double *x, *y; /* borrowed; a gap where one is not finite (or beyond 1e300) */
    size_t count;
    bool highlight; /* the winner: drawn last, in the accent colour */
} rlt_series;
typedef struct rlt_plot {
    const char *title, *x_label, *y_label;
    const rlt_series *series;
    size_t count;
    double goal; /* a horizontal line; NAN: none */
} rlt_plot;
/* Braille or plain ASCII (`unicode` false), at most `columns` by `rows` characters. */
void rlt_plot_terminal(const rlt_plot *plot, int columns, int rows, bool unicode, bool colour,
                       rlt_buf *out);
/* A self-contained SVG of width x height pixels, readable on light and dark backgrounds; text is
 * escaped. */
void rlt_plot_svg(const rlt_plot *plot, int width, int height, rlt_buf *out);
#endif
