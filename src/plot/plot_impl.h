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
} rlt_axis;

/* The ranges of the finite points (and of the goal). false: there is no such point. */
bool rlt_plot_ranges(const rlt_plot *plot, double x[2], double y[2]);
/* Ticks at 1, 2 or 5 times a power of ten, about `ticks` of them (Heckbert, "Nice numbers for graph
 * labels", Graphics Gems, 1990). loose: the axis ends at ticks. */
rlt_axis rlt_axis_make(const double range[2], int ticks, bool loose);
int rlt_axis_count(const rlt_axis *axis);
double rlt_axis_tick(const rlt_axis *axis, int index);
void rlt_axis_label(const rlt_axis *axis, double value, char *text, size_t size);
/* Where a value lies: 0 at low, 1 at high. */
double rlt_axis_place(const rlt_axis *axis, double value);

/* Colours: the winner's, one for each of a few others, one that many others share. */
enum { RLT_PLOT_ACCENT = -1, RLT_PLOT_COLOURS = 6, RLT_PLOT_REST = RLT_PLOT_COLOURS };
int rlt_plot_colour(const rlt_plot *plot, size_t series);
bool rlt_plot_is_point(const rlt_series *series, size_t index); /* else a gap */
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
void rlt_canvas_draw(rlt_canvas *canvas, const rlt_series *series, int index, const rlt_axis *x,
                     const rlt_axis *y);
int rlt_canvas_row(const rlt_canvas *canvas, const rlt_axis *y, double value);

#endif
