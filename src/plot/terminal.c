/* plot: curves as lines of text. With colours (or one curve) each character is 2 x 4 braille dots;
 * else each curve has its own mark. Thread: any, no state. */
#include "plot/plot_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { COLUMNS_MIN = 24, ROWS_MIN = 8, SIZE_MAX_CELLS = 1000, LABEL_MAX = 20 };

typedef struct page {
    const rlt_plot *plot;
    rlt_axis x, y;
    rlt_canvas canvas;
    bool unicode, colour;
    const char *pen; /* the colour in force, NULL: none */
    int margin;      /* characters left of the axis */
    int goal_row;    /* -1: none */
    rlt_buf *out;
} page;

static const char *const ascii_marks[] = {"+", "x", "o", "#", "%", "@", "."};
static const char *const unicode_marks[] = {"○", "◆", "△", "■", "◇", "▲", "·"};
static const char *const colour_codes[] = {"36", "33", "35", "34", "31", "96", "90"};
static const char winner_code[] = "1;32", dim_code[] = "2";

static bool is_braille(const page *p) {
    return p->canvas.dots_y == 4;
}

static const char *mark_of(const page *p, size_t series) {
    int colour = rlt_plot_colour(p->plot, series);
    if (colour == RLT_PLOT_ACCENT) {
        return p->unicode ? "●" : "*";
    }
    return (p->unicode ? unicode_marks : ascii_marks)[colour];
}

static void put(page *p, const char *pen, const char *text) {
    if (p->colour && pen != p->pen) {
        rlt_buf_printf(p->out, "%s", p->pen != NULL ? "\033[0m" : "");
        if (pen != NULL) {
            rlt_buf_printf(p->out, "\033[%sm", pen);
        }
        p->pen = pen;
    }
    rlt_buf_append(p->out, text, strlen(text));
}

static void put_mark(page *p, size_t series, const char *text) {
    int colour = rlt_plot_colour(p->plot, series);
    put(p, colour == RLT_PLOT_ACCENT ? winner_code : colour_codes[colour], text);
}

static void put_blanks(page *p, int count) {
    rlt_buf_printf(p->out, "%*s", count, "");
}

/* Ends a line without the blanks at its end. */
static void end_line(page *p) {
    while (p->out->size > 0 && p->out->data[p->out->size - 1] == ' ') {
        p->out->size--;
    }
    put(p, NULL, "\n");
}

static int width_of(const page *p) {
    return p->margin + 1 + p->canvas.columns;
}

static void put_cell(page *p, int row, int column) {
    int cell = row * p->canvas.columns + column;
    unsigned bits = p->canvas.bits[cell];
    size_t series = (size_t)p->canvas.owner[cell];
    if (bits == 0 && row == p->goal_row) {
        put(p, dim_code, p->unicode ? "╌" : "-");
    } else if (bits == 0) {
        put_blanks(p, 1);
    } else if (is_braille(p)) { /* U+2800 + bits in UTF-8 */
        const char text[] = {(char)0xe2, (char)(0xa0 | bits >> 6), (char)(0x80 | (bits & 63)), 0};
        put_mark(p, series, text);
    } else {
        put_mark(p, series, mark_of(p, series));
    }
}

/* The label of the tick on this row; false: there is none. */
static bool label_on_row(const page *p, int row, char *label, size_t size) {
    bool labels = p->plot->x_scale.tops == NULL;
    for (int i = 0; labels && i < rlt_axis_count(&p->y); i++) {
        double value = rlt_axis_tick(&p->y, i);
        if (rlt_canvas_row(&p->canvas, &p->y, value) == row) {
            rlt_axis_label(&p->y, value, label, size);
            return true;
        }
    }
    return false;
}

static void put_rows(page *p) {
    for (int row = 0; row < p->canvas.rows; row++) {
        char label[LABEL_MAX] = "";
        bool tick = label_on_row(p, row, label, sizeof label);
        put_blanks(p, p->margin - 1 - (int)strlen(label));
        put(p, NULL, label);
        put_blanks(p, 1);
        put(p, dim_code, p->unicode ? (tick ? "┤" : "│") : (tick ? "+" : "|"));
        for (int column = 0; column < p->canvas.columns; column++) {
            put_cell(p, row, column);
        }
        end_line(p);
    }
}

/* Centred at their ticks, none over another. */
static void put_x_labels(page *p, const rlt_axis *axis) {
    rlt_buf labels = {0};
    rlt_buf_printf(&labels, "%*s", width_of(p), "");
    int free_from = 0;
    for (int i = 0; i < rlt_axis_count(axis); i++) {
        char label[LABEL_MAX];
        double value = rlt_axis_tick(axis, i), place = rlt_axis_place(axis, value);
        rlt_axis_label(axis, value, label, sizeof label);
        int size = (int)strlen(label);
        int start = p->margin + 1 + (int)lround(place * (p->canvas.columns - 1)) - size / 2;
        start = start + size > width_of(p) ? width_of(p) - size : start;
        start = start < 0 && free_from == 0 ? 0 : start;
        if (start >= free_from) {
            memcpy(labels.data + start, label, (size_t)size);
            free_from = start + size + 1;
        }
    }
    put(p, NULL, labels.data);
    end_line(p);
    rlt_buf_fini(&labels);
}

static void put_x_axis(page *p) {
    int tick = 0;
    put_blanks(p, p->margin);
    put(p, dim_code, p->unicode ? "└" : "+");
    for (int column = 0; column < p->canvas.columns; column++) {
        double value = tick < rlt_axis_count(&p->x) ? rlt_axis_tick(&p->x, tick) : NAN;
        double place = rlt_axis_place(&p->x, value) * (p->canvas.columns - 1);
        bool marked = lround(isnan(place) ? -1 : place) == column;
        tick += marked;
        put(p, dim_code, p->unicode ? (marked ? "┬" : "─") : (marked ? "+" : "-"));
    }
    end_line(p);
}

/* What the ends of the axes at the names say, above or below them. */
static void put_ends(page *p, const char *const *ends) {
    rlt_axis axis = p->x;
    axis.names = ends;
    put_x_labels(p, &axis);
}

static void put_safe(page *p, const char *text, int columns) {
    put(p, NULL, "");
    rlt_buf_text(p->out, text, columns, p->unicode ? RLT_TEXT_UTF8 : RLT_TEXT_ASCII);
}

static void put_text_line(page *p, const char *text, int indent, bool right) {
    int width = rlt_str_columns(text);
    int start = right && width < width_of(p) ? width_of(p) - width : indent;
    put_blanks(p, start);
    put_safe(p, text, width_of(p) - start);
    end_line(p);
}

/* The entry of those that share a colour, or how many found no room. */
static void put_the_others(page *p, size_t shown) {
    size_t count = p->plot->count - shown, last = p->plot->count - 1;
    if (count == 0) {
        return;
    }
    while (last > 0 && p->plot->series[last].highlight) {
        last--;
    }
    char text[32];
    bool share = rlt_plot_colour(p->plot, last) == RLT_PLOT_REST;
    if (share) {
        put_mark(p, last, is_braille(p) ? "⠒⠒" : mark_of(p, last));
    }
    snprintf(text, sizeof text, share ? " %zu others  " : "+%zu more  ", count);
    put(p, NULL, text);
}

/* One line: the winners first, then the others while they fit, then how many do not. */
static void put_legend(page *p) {
    enum { ROOM_FOR_MORE = 12, SPACES = 5 };
    int left = width_of(p) - p->margin;
    size_t shown = 0;
    char goal[40] = "";
    if (p->goal_row >= 0) {
        rlt_plot_goal_label(p->plot, goal, sizeof goal);
        int width = (int)strlen(goal) + SPACES;
        goal[left - width < ROOM_FOR_MORE ? 0 : sizeof goal - 1] = 0;
        left -= goal[0] != 0 ? width : 0;
    }
    put_blanks(p, p->margin);
    for (int winners = 1; winners >= 0; winners--) {
        for (size_t i = 0; i < p->plot->count; i++) {
            const rlt_series *series = &p->plot->series[i];
            int width = rlt_str_columns(series->label) + SPACES;
            int room = left - (shown + 1 == p->plot->count ? 0 : ROOM_FOR_MORE);
            if (series->highlight != winners || rlt_plot_colour(p->plot, i) == RLT_PLOT_REST ||
                width > room) {
                continue;
            }
            put_mark(p, i, is_braille(p) ? "⠒⠒" : mark_of(p, i));
            put(p, NULL, " ");
            put_safe(p, series->label, room);
            put_blanks(p, 2);
            left -= width;
            shown++;
        }
    }
    put_the_others(p, shown);
    if (goal[0] != 0) {
        put(p, dim_code, p->unicode ? "╌╌ " : "-- ");
        put(p, NULL, goal);
    }
    end_line(p);
}

static void draw(page *p) {
    for (int winners = 0; winners <= 1; winners++) {
        for (size_t i = 0; i < p->plot->count; i++) {
            if (p->plot->series[i].highlight == winners) {
                rlt_canvas_draw(&p->canvas, p->plot, (int)i, &p->x, &p->y);
            }
        }
    }
    if (p->plot->title != NULL) {
        put_text_line(p, p->plot->title, 0, false);
    }
    if (p->plot->y_label != NULL) {
        put_text_line(p, p->plot->y_label, p->margin, false);
    }
    if (p->plot->x_scale.tops != NULL) {
        put_ends(p, p->plot->x_scale.tops);
    }
    put_rows(p);
    put_x_axis(p);
    if (p->plot->x_scale.bottoms != NULL) {
        put_ends(p, p->plot->x_scale.bottoms);
    }
    put_x_labels(p, &p->x);
    if (p->plot->x_label != NULL) {
        put_text_line(p, p->plot->x_label, 0, true);
    }
    put_legend(p);
}

static int margin_of(const rlt_axis *axis) {
    size_t width = 1;
    for (int i = 0; i < rlt_axis_count(axis); i++) {
        char label[LABEL_MAX];
        rlt_axis_label(axis, rlt_axis_tick(axis, i), label, sizeof label);
        width = strlen(label) > width ? strlen(label) : width;
    }
    return (int)width + 1;
}

static int limit(double value, int low, int high) {
    return value < low ? low : value > high ? high : (int)value;
}

static void put_refusal(rlt_buf *out, const char *text, int columns) {
    rlt_buf_text(out, text, columns, RLT_TEXT_ASCII);
    rlt_buf_append(out, "\n", 1);
}

void rlt_plot_terminal(const rlt_plot *plot, int columns, int rows, bool unicode, bool colour,
                       rlt_buf *out) {
    double x[2], y[2];
    if (columns < COLUMNS_MIN || rows < ROWS_MIN) {
        put_refusal(out, "(too small for a plot)", columns);
        return;
    }
    if (!rlt_plot_ranges(plot, x, y)) {
        put_refusal(out, "(no points to plot yet)", columns);
        return;
    }
    page p = {.plot = plot, .unicode = unicode, .colour = colour, .goal_row = -1, .out = out};
    bool rails = plot->x_scale.tops != NULL;
    int text_lines = 3 + (plot->title != NULL) + (plot->y_label != NULL) + (plot->x_label != NULL) +
                     (rails ? 2 : 0);
    int area_rows = limit(rows, 0, SIZE_MAX_CELLS) - text_lines;
    p.y = rlt_axis_on(&plot->y_scale, y, limit(area_rows / 3.0, 2, 8), true);
    p.margin = rails ? 1 : margin_of(&p.y);
    int area_columns = limit(columns, 0, SIZE_MAX_CELLS) - p.margin - 1;
    RLT_ASSERT(area_columns > 0); /* labels are shorter than COLUMNS_MIN */
    p.x = rlt_axis_on(&plot->x_scale, x, rlt_plot_ticks(&plot->x_scale, area_columns, 0, 9), false);
    rlt_canvas_init(&p.canvas, area_columns, area_rows, unicode && (colour || plot->count == 1));
    if (rlt_plot_has_goal(plot)) {
        p.goal_row = rlt_canvas_row(&p.canvas, &p.y, plot->goal);
    }
    draw(&p);
    rlt_canvas_fini(&p.canvas);
}
