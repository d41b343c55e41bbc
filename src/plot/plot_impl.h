/* plot, private: axes with round ticks, the grid of dots, which series wears which colour.
 * Thread: any, no state. */
#ifndef RLT_PLOT_IMPL_H
#define RLT_PLOT_IMPL_H
#include "plot/plot.h"

typedef struct rlt_axis {
    double low, high; /* what the axis shows; low < high */
    double step;      /* between ticks; ticks are its multiples within [low, high] */
    double unit;      /* 1, 1e3, 1e6, ...: labels count in it */
    const char *suffix;
    int decimals; /* of labels; -1: scientific */
    bool log;     /* values are placed by their logarithm; with `decades` ticks are powers of ten */
    bool decades; /* step counts powers of ten */
    const char *const *names; /* of ticks 0, 1, ...; NULL: numbers */
    const char *const *tops;
    const char *const *bottoms; /* of axes at the names; NULL: none */
} rlt_axis;

/* The ranges of the finite points (and of the goal). false: there is no such point. */
bool rlt_plot_ranges(const rlt_plot *plot, double x[2], double y[2]);
/* Ticks at 1, 2 or 5 times a power of ten, about `ticks` of them (Heckbert, "Nice numbers for graph
 * labels", Graphics Gems, 1990). loose: the axis ends at ticks. */
rlt_axis rlt_axis_make(const double range[2], int ticks, bool loose);
/* How many ticks fit on `room`: names need so many units a character, numbers so many each. */
int rlt_plot_ticks(const rlt_plot_scale *scale, double room, double per_character,
                   double per_number);
/* The same on a scale. Log: range[0] > 0. Names: each has a place of width 1 around its number. */
rlt_axis rlt_axis_on(const rlt_plot_scale *scale, const double range[2], int ticks, bool loose);
enum { RLT_PLOT_LABEL_COLUMNS = 19 }; /* of a name; longer ones are cut */
int rlt_axis_count(const rlt_axis *axis);
double rlt_axis_tick(const rlt_axis *axis, int index);
/* One byte a column: of names what is not ASCII is replaced. */
void rlt_axis_label(const rlt_axis *axis, double value, char *text, size_t size);
/* Where a value lies: 0 at low, 1 at high. */
double rlt_axis_place(const rlt_axis *axis, double value);

/* Colours: the winner's, one for each of a few others, one that many others share. */
enum { RLT_PLOT_ACCENT = -1, RLT_PLOT_COLOURS = 6, RLT_PLOT_REST = RLT_PLOT_COLOURS };
int rlt_plot_colour(const rlt_plot *plot, size_t series);
/* else a gap */
bool rlt_plot_is_point(const rlt_plot *plot, const rlt_series *series, size_t index);
/* 0 to 1 as a colour that gets lighter, "#rrggbb". */
void rlt_plot_shade(double at, char text[8]);
bool rlt_plot_has_goal(const rlt_plot *plot);
/* "goal 475" */
void rlt_plot_goal_label(const rlt_plot *plot, char *text, size_t size);

/* A grid of characters, each of 1 x 1 dots or of 2 x 4 braille dots. */
typedef struct rlt_canvas {
    int columns, rows;   /* in characters */
    int dots_x, dots_y;  /* in one character */
    unsigned char *bits; /* [rows][columns] dots: a braille pattern, or 1 */
    int *owner;          /* [rows][columns] the series that drew there last */
} rlt_canvas;
void rlt_canvas_init(rlt_canvas *canvas, int columns, int rows, bool braille);
void rlt_canvas_fini(rlt_canvas *canvas);
void rlt_canvas_draw(rlt_canvas *canvas, const rlt_plot *plot, int index, const rlt_axis *x,
                     const rlt_axis *y);
int rlt_canvas_row(const rlt_canvas *canvas, const rlt_axis *y, double value);

/* Parts of SVG documents. class: NULL: none. */
void rlt_svg_open(rlt_buf *out, int width, int height, const char *title);
void rlt_svg_text(rlt_buf *out, double x, double y, const char *attributes, const char *text);
void rlt_svg_line(rlt_buf *out, const char *kind, double x1, double y1, double x2, double y2);
void rlt_svg_close(rlt_buf *out);
/* Axes around a drawing area, in pixels. */
typedef struct rlt_svg_area {
    double left, top, right, bottom;
} rlt_svg_area;
void rlt_svg_axes(rlt_buf *out, const rlt_svg_area *area, const rlt_axis *x, const rlt_axis *y,
                  const char *x_label, const char *y_label);

#endif
