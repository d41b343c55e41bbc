/* plot: lines as dots in a grid of characters. Thread: any. Owner: the caller (rlt_canvas_fini). */
#include "plot/plot_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Which bit is the dot at (x, y) of a braille character (Unicode, block U+2800). */
static const unsigned char braille_bits[4][2] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};

void rlt_canvas_init(rlt_canvas *canvas, int columns, int rows, bool braille) {
    size_t cells = (size_t)columns * (size_t)rows;
    *canvas = (rlt_canvas){.columns = columns,
                           .rows = rows,
                           .dots_x = braille ? 2 : 1,
                           .dots_y = braille ? 4 : 1,
                           .bits = rlt_alloc(cells),
                           .owner = rlt_alloc(cells * sizeof(int))};
}

void rlt_canvas_fini(rlt_canvas *canvas) {
    rlt_free(canvas->bits);
    rlt_free(canvas->owner);
    *canvas = (rlt_canvas){0};
}

int rlt_canvas_row(const rlt_canvas *canvas, const rlt_axis *y, double value) {
    int dots = canvas->rows * canvas->dots_y - 1;
    return (int)lround((1 - rlt_axis_place(y, value)) * dots) / canvas->dots_y;
}

static void set_dot(rlt_canvas *canvas, int x, int y, int series) {
    int cell = y / canvas->dots_y * canvas->columns + x / canvas->dots_x;
    if (canvas->owner[cell] != series) { /* a later curve replaces: colours do not mix */
        canvas->owner[cell] = series;
        canvas->bits[cell] = 0;
    }
    canvas->bits[cell] |= canvas->dots_y == 4 ? braille_bits[y % 4][x % 2] : 1;
}

static void draw_line(rlt_canvas *canvas, const int from[2], const int to[2], int series) {
    int dx = to[0] - from[0], dy = to[1] - from[1];
    int steps = abs(dx) > abs(dy) ? abs(dx) : abs(dy);
    for (int i = 0; i <= steps; i++) {
        double part = steps > 0 ? (double)i / steps : 0;
        set_dot(canvas, from[0] + (int)lround(dx * part), from[1] + (int)lround(dy * part), series);
    }
}

void rlt_canvas_draw(rlt_canvas *canvas, const rlt_plot *plot, int index, const rlt_axis *x,
                     const rlt_axis *y) {
    const rlt_series *series = &plot->series[index];
    int last[2] = {0};
    bool joined = false;
    for (size_t i = 0; i < series->count; i++) {
        if (!rlt_plot_is_point(plot, series, i)) {
            joined = false;
            continue;
        }
        double right = rlt_axis_place(x, series->x[i]), down = 1 - rlt_axis_place(y, series->y[i]);
        int dot[2] = {(int)lround(right * (canvas->columns * canvas->dots_x - 1)),
                      (int)lround(down * (canvas->rows * canvas->dots_y - 1))};
        if (joined && series->form == RLT_FORM_STEPS) {
            int corner[2] = {dot[0], last[1]};
            draw_line(canvas, last, corner, index);
            memcpy(last, corner, sizeof last);
        }
        draw_line(canvas, joined ? last : dot, dot, index);
        memcpy(last, dot, sizeof last);
        joined = series->form != RLT_FORM_POINTS;
    }
}
