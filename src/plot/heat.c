/* plot: a map of values over two axes, as text and as SVG. Thread: any, no state. */
#include "plot/plot_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CHAR_WIDTH 6.8
enum { LABEL_MAX = 20, ROWS_MIN = 8, COLUMNS_MIN = 24, TITLE = 40, LEGEND = 80, SHADES = 32 };
/* From low to high. */
static const char *const ascii_levels[] = {".", ":", "-", "=", "+", "*", "#", "%", "@"};
static const char *const unicode_levels[] = {"·", "░", "▒", "▓", "█"};
static const int colour_levels[] = {54, 61, 31, 37, 72, 114, 185, 227}; /* of 256 colours */

static void value_range(const rlt_heat *heat, double range[2]) {
    range[0] = INFINITY;
    range[1] = -INFINITY;
    for (int i = 0; i < heat->columns * heat->rows; i++) {
        if (isfinite(heat->cells[i])) {
            range[0] = fmin(range[0], heat->cells[i]);
            range[1] = fmax(range[1], heat->cells[i]);
        }
    }
    if (range[0] > range[1]) { /* no cell is known */
        range[0] = range[1] = 0;
    }
}

static double level_of(const double range[2], double value) {
    double span = range[1] / 2 - range[0] / 2; /* the whole may be more than a double holds */
    return span > 0 ? fmin((value / 2 - range[0] / 2) / span, 1) : 0.5;
}

static int margin_of(const rlt_axis *axis) {
    size_t widest = 1;
    for (int i = 0; i < rlt_axis_count(axis); i++) {
        char label[LABEL_MAX];
        rlt_axis_label(axis, rlt_axis_tick(axis, i), label, sizeof label);
        widest = strlen(label) > widest ? strlen(label) : widest;
    }
    return (int)widest + 1;
}

/* ---- terminal ---- */

typedef struct page {
    const rlt_heat *heat;
    rlt_axis x, y;
    double range[2];
    int columns, rows, margin;
    bool unicode, colour;
    rlt_buf *out;
} page;

static bool has_point(const page *p, int row, int column) {
    for (size_t i = 0; i < p->heat->points; i++) {
        double x = rlt_axis_place(&p->x, p->heat->point_x[i]);
        double y = rlt_axis_place(&p->y, p->heat->point_y[i]);
        if ((int)lround(x * (p->columns - 1)) == column &&
            (int)lround((1 - y) * (p->rows - 1)) == row) {
            return true;
        }
    }
    return false;
}

static void put_level(const page *p, double at, const char *mark) {
    if (p->colour) {
        int index = (int)(at * (double)RLT_COUNT(colour_levels));
        index = index >= (int)RLT_COUNT(colour_levels) ? (int)RLT_COUNT(colour_levels) - 1 : index;
        rlt_buf_printf(p->out, "\033[48;5;%d;38;5;%dm%s\033[0m", colour_levels[index],
                       index < 4 ? 231 : 16, mark != NULL ? mark : " ");
        return;
    }
    const char *const *levels = p->unicode ? unicode_levels : ascii_levels;
    int count = (int)(p->unicode ? RLT_COUNT(unicode_levels) : RLT_COUNT(ascii_levels));
    int index = (int)(at * count);
    rlt_buf_printf(p->out, "%s", mark != NULL ? mark : levels[index >= count ? count - 1 : index]);
}

static void put_row(const page *p, int row) {
    char label[LABEL_MAX] = "";
    for (int i = 0; i < rlt_axis_count(&p->y); i++) {
        double value = rlt_axis_tick(&p->y, i);
        if ((int)lround((1 - rlt_axis_place(&p->y, value)) * (p->rows - 1)) == row) {
            rlt_axis_label(&p->y, value, label, sizeof label);
        }
    }
    rlt_buf_printf(p->out, "%*s %s", p->margin - 1, label, p->unicode ? "│" : "|");
    for (int column = 0; column < p->columns; column++) {
        int cell_x = column * p->heat->columns / p->columns;
        int cell_y = (p->rows - 1 - row) * p->heat->rows / p->rows;
        double value = p->heat->cells[cell_y * p->heat->columns + cell_x];
        const char *mark = has_point(p, row, column) ? (p->unicode ? "●" : "o") : NULL;
        if (isfinite(value)) {
            put_level(p, level_of(p->range, value), mark);
        } else {
            rlt_buf_printf(p->out, "%s", mark != NULL ? mark : " ");
        }
    }
    rlt_buf_append(p->out, "\n", 1);
}

static void put_x_labels(const page *p) {
    rlt_buf line = {0};
    rlt_buf_printf(&line, "%*s", p->margin + 1 + p->columns, "");
    int free_from = 0;
    for (int i = 0; i < rlt_axis_count(&p->x); i++) {
        char label[LABEL_MAX];
        double value = rlt_axis_tick(&p->x, i);
        rlt_axis_label(&p->x, value, label, sizeof label);
        int size = (int)strlen(label), width = p->margin + 1 + p->columns;
        int start =
            p->margin + 1 + (int)lround(rlt_axis_place(&p->x, value) * (p->columns - 1)) - size / 2;
        start = start + size > width ? width - size : start;
        if (start >= free_from) {
            memcpy(line.data + start, label, (size_t)size);
            free_from = start + size + 1;
        }
    }
    rlt_buf_printf(p->out, "%s\n", line.data);
    rlt_buf_fini(&line);
}

/* What the levels mean, as much of it as fits. */
static void put_key(const page *p, int width) {
    enum { NARROW = 40, WIDE = 60, NUMBER = 9 };
    rlt_text_form form = p->unicode ? RLT_TEXT_UTF8 : RLT_TEXT_ASCII;
    int levels = width < NARROW ? 3 : 10, tail = width < WIDE ? 0 : 11;
    int room = width - 2 * NUMBER - levels - 3 - tail;
    if (room > 0) {
        rlt_buf_text(p->out, p->heat->value_label, room, form);
    }
    rlt_buf_printf(p->out, " %.3g ", p->range[0]);
    for (int i = 0; i < levels; i++) {
        put_level(p, (i + 0.5) / levels, NULL);
    }
    rlt_buf_printf(p->out, " %.3g", p->range[1]);
    if (tail > 0) {
        rlt_buf_printf(p->out, "   %s trials", p->unicode ? "●" : "o");
    }
    rlt_buf_append(p->out, "\n", 1);
}

/* Text at the right end of the lines. */
static void put_right(const page *p, const char *text) {
    int width = p->margin + 1 + p->columns, columns = rlt_str_columns(text);
    rlt_buf_printf(p->out, "%*s", columns < width ? width - columns : 0, "");
    rlt_buf_text(p->out, text, width, p->unicode ? RLT_TEXT_UTF8 : RLT_TEXT_ASCII);
    rlt_buf_append(p->out, "\n", 1);
}

void rlt_heat_terminal(const rlt_heat *heat, int columns, int rows, bool unicode, bool colour,
                       rlt_buf *out) {
    if (columns < COLUMNS_MIN || rows < ROWS_MIN) {
        rlt_buf_text(out, "(too small for a plot)", columns, RLT_TEXT_ASCII);
        rlt_buf_append(out, "\n", 1);
        return;
    }
    page p = {.heat = heat, .unicode = unicode, .colour = colour, .out = out, .rows = rows - 6};
    p.y = rlt_axis_on(&heat->y_scale, heat->y,
                      heat->y_scale.names != NULL ? heat->y_scale.name_count : rows / 3, false);
    p.y.low = heat->y_scale.names != NULL ? p.y.low : heat->y[0];
    p.y.high = heat->y_scale.names != NULL ? p.y.high : heat->y[1];
    p.margin = margin_of(&p.y);
    p.columns = columns - p.margin - 1;
    p.x = rlt_axis_on(&heat->x_scale, heat->x, rlt_plot_ticks(&heat->x_scale, p.columns, 0, 9),
                      false);
    p.x.low = heat->x_scale.names != NULL ? p.x.low : heat->x[0];
    p.x.high = heat->x_scale.names != NULL ? p.x.high : heat->x[1];
    value_range(heat, p.range);
    rlt_text_form form = unicode ? RLT_TEXT_UTF8 : RLT_TEXT_ASCII;
    rlt_buf_text(out, heat->title, columns, form);
    rlt_buf_printf(out, "\n%*s", p.margin, "");
    rlt_buf_text(out, heat->y_label, columns - p.margin, form);
    rlt_buf_append(out, "\n", 1);
    for (int row = 0; row < p.rows; row++) {
        put_row(&p, row);
    }
    rlt_buf_printf(out, "%*s%s", p.margin, "", unicode ? "└" : "+");
    for (int column = 0; column < p.columns; column++) {
        rlt_buf_printf(out, "%s", unicode ? "─" : "-");
    }
    rlt_buf_append(out, "\n", 1);
    put_x_labels(&p);
    put_right(&p, heat->x_label);
    put_key(&p, columns);
}

/* ---- SVG ---- */

/* All cells of a shade are one path: in each row runs of them are one rectangle. */
static void put_shade(const rlt_heat *heat, const rlt_svg_area *a, const int *shades, int shade,
                      rlt_buf *out) {
    double width = (a->right - a->left) / heat->columns, height = (a->bottom - a->top) / heat->rows;
    char colour[8];
    bool any = false;
    for (int row = 0; row < heat->rows; row++) {
        const int *line = shades + row * heat->columns;
        for (int from = 0, to; from < heat->columns; from = to) {
            for (to = from + 1; to < heat->columns && line[to] == line[from];) {
                to++;
            }
            if (line[from] != shade) {
                continue;
            }
            if (!any) {
                rlt_plot_shade((shade + 0.5) / SHADES, colour);
                rlt_buf_printf(out, "<path fill=\"%s\" d=\"", colour);
                any = true;
            }
            rlt_buf_printf(out, "M%.1f %.1fh%.1fv%.1fH%.1fz", a->left + from * width,
                           a->bottom - (row + 1) * height, (to - from) * width + 0.4, height + 0.4,
                           a->left + from * width);
        }
    }
    rlt_buf_printf(out, "%s", any ? "\"/>\n" : "");
}

static void put_cells(const rlt_heat *heat, const rlt_svg_area *a, const double range[2],
                      rlt_buf *out) {
    int count = heat->columns * heat->rows;
    int *shades = rlt_alloc(sizeof *shades * (size_t)(count + 1));
    for (int i = 0; i < count; i++) {
        int shade = isfinite(heat->cells[i]) ? (int)(level_of(range, heat->cells[i]) * SHADES) : -1;
        shades[i] = shade >= SHADES ? SHADES - 1 : shade;
    }
    for (int shade = 0; shade < SHADES; shade++) {
        put_shade(heat, a, shades, shade, out);
    }
    rlt_free(shades);
}

static void put_scale(const rlt_heat *heat, const rlt_svg_area *a, const double range[2],
                      rlt_buf *out) {
    double x = a->right + 16, step = (a->bottom - a->top) / SHADES;
    for (int i = 0; i < SHADES; i++) {
        char shade[8];
        rlt_plot_shade((i + 0.5) / SHADES, shade);
        rlt_buf_printf(out,
                       "<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"%.1f\" fill=\"%s\"/>\n",
                       x, a->bottom - (i + 1) * step, step + 0.4, shade);
    }
    char label[LABEL_MAX];
    snprintf(label, sizeof label, "%.4g", range[1]);
    rlt_svg_text(out, x + 16, a->top + 10, "", label);
    snprintf(label, sizeof label, "%.4g", range[0]);
    rlt_svg_text(out, x + 16, a->bottom, "", label);
    rlt_svg_text(out, a->right + LEGEND - 8, a->top - 8, " text-anchor=\"end\"", heat->value_label);
}

void rlt_heat_svg(const rlt_heat *heat, int width, int height, rlt_buf *out) {
    double range[2];
    value_range(heat, range);
    int rows = heat->y_scale.names != NULL ? height / 20 : height / 60; /* of labels */
    rlt_axis y = rlt_axis_on(&heat->y_scale, heat->y, rows > 2 ? rows : 2, false);
    rlt_svg_area a = {.left = 40 + margin_of(&y) * CHAR_WIDTH,
                      .top = TITLE + 8,
                      .right = width - LEGEND,
                      .bottom = height - 50};
    rlt_axis x =
        rlt_axis_on(&heat->x_scale, heat->x,
                    rlt_plot_ticks(&heat->x_scale, a.right - a.left, CHAR_WIDTH, 80), false);
    x.low = heat->x_scale.names != NULL ? x.low : heat->x[0];
    x.high = heat->x_scale.names != NULL ? x.high : heat->x[1];
    y.low = heat->y_scale.names != NULL ? y.low : heat->y[0];
    y.high = heat->y_scale.names != NULL ? y.high : heat->y[1];
    rlt_svg_open(out, width, height, heat->title);
    rlt_svg_text(out, a.left, 25, " class=\"title\"", heat->title);
    rlt_svg_axes(out, &a, &x, &y, heat->x_label, heat->y_label);
    put_cells(heat, &a, range, out);
    put_scale(heat, &a, range, out);
    for (size_t i = 0; i < heat->points; i++) {
        rlt_buf_printf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n",
                       a.left + rlt_axis_place(&x, heat->point_x[i]) * (a.right - a.left),
                       a.bottom - rlt_axis_place(&y, heat->point_y[i]) * (a.bottom - a.top));
    }
    rlt_svg_close(out);
}
