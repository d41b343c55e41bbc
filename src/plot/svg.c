/* plot: curves as one SVG document. It brings its own style, with a second set of colours for dark
 * pages, and refers to nothing outside. Curves with more points than pixels are thinned without a
 * visible change. Thread: any, no state. */
#include "plot/plot_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Estimates for a sans-serif of 12 px: there is no font to measure here. */
#define CHAR_WIDTH 6.8
enum {
    GAP = 8,
    LINE = 18,
    TITLE = 28,
    LABEL_MAX = 20,
    SWATCH = 20,
    WIDTH_MIN = 200,
    HEIGHT_MIN = 150
};

typedef struct sheet {
    const rlt_plot *plot;
    rlt_axis x, y;
    double left, top, right, bottom; /* of the drawing area, in pixels */
    int width;
    rlt_buf *out;
} sheet;

static void put_text(sheet *s, double x, double y, const char *attributes, const char *text) {
    rlt_svg_text(s->out, x, y, attributes, text);
}

static void put_line(sheet *s, const char *kind, double x1, double y1, double x2, double y2) {
    rlt_svg_line(s->out, kind, x1, y1, x2, y2);
}

static void class_of(const sheet *s, size_t series, char text[8]) {
    int colour = rlt_plot_colour(s->plot, series);
    if (colour == RLT_PLOT_ACCENT || colour == RLT_PLOT_REST) {
        snprintf(text, 8, "%s", colour == RLT_PLOT_ACCENT ? "win" : "rest");
    } else {
        snprintf(text, 8, "c%d", colour);
    }
}

static double x_pixel(const sheet *s, double value) {
    return s->left + rlt_axis_place(&s->x, value) * (s->right - s->left);
}

static double y_pixel(const sheet *s, double value) {
    return s->bottom - rlt_axis_place(&s->y, value) * (s->bottom - s->top);
}

/* What is visible of a run of points within one pixel column: its first, lowest, highest and last
 * (M4: Jugel et al., VLDB 2014). */
typedef struct column {
    double x, first, low, high, last;
    size_t count;
} column;

static void flush_column(sheet *s, const column *c, bool *joined) {
    const double ys[] = {c->first, c->low, c->high, c->last};
    size_t used = c->count < RLT_COUNT(ys) ? 1 : RLT_COUNT(ys);
    for (size_t i = 0; i < used && c->count > 0; i++) {
        rlt_buf_printf(s->out, "%s%.1f %.1f", *joined ? "L" : "M", c->x, ys[i]);
        *joined = true;
    }
    if (c->count > 1 && used == 1) {
        rlt_buf_printf(s->out, "L%.1f %.1f", c->x, c->last);
    }
}

/* Points without neighbours, which no line would show, as dots. */
static void put_lone_points(sheet *s, size_t index, const char *class) {
    const rlt_series *series = &s->plot->series[index];
    bool any = false;
    for (size_t i = 0; i < series->count; i++) {
        bool joined = series->form != RLT_FORM_POINTS;
        bool before = joined && i > 0 && rlt_plot_is_point(s->plot, series, i - 1);
        bool after = joined && i + 1 < series->count && rlt_plot_is_point(s->plot, series, i + 1);
        if (!before && !after && rlt_plot_is_point(s->plot, series, i)) {
            if (!any) {
                rlt_buf_printf(s->out, "<path class=\"curve %s lone\" d=\"", class);
            }
            rlt_buf_printf(s->out, "M%.1f %.1fh0", x_pixel(s, series->x[i]),
                           y_pixel(s, series->y[i]));
            any = true;
        }
    }
    rlt_buf_printf(s->out, "%s", any ? "\"/>\n" : "");
}

/* A horizontal line to the next point, then up or down. */
static void put_steps(sheet *s, const rlt_series *series) {
    bool joined = false;
    for (size_t i = 0; i < series->count; i++) {
        if (!rlt_plot_is_point(s->plot, series, i)) {
            joined = false;
            continue;
        }
        bool flat = joined && series->y[i] == series->y[i - 1] && i + 1 < series->count &&
                    rlt_plot_is_point(s->plot, series, i + 1);
        if (flat) { /* the line to the next point goes through this one */
            continue;
        }
        rlt_buf_printf(s->out, joined ? "H%.1fV%.1f" : "M%.1f %.1f", x_pixel(s, series->x[i]),
                       y_pixel(s, series->y[i]));
        joined = true;
    }
}

static void put_joined(sheet *s, const rlt_series *series) {
    column now = {0};
    bool joined = false;
    for (size_t i = 0; i < series->count; i++) {
        if (!rlt_plot_is_point(s->plot, series, i)) {
            flush_column(s, &now, &joined);
            now.count = 0;
            joined = false;
            continue;
        }
        double x = round(x_pixel(s, series->x[i]) * 2) / 2, y = y_pixel(s, series->y[i]);
        if (now.count == 0 || x != now.x) {
            flush_column(s, &now, &joined);
            now = (column){.x = x, .first = y, .low = y, .high = y};
        }
        now.low = fmin(now.low, y);
        now.high = fmax(now.high, y);
        now.last = y;
        now.count++;
    }
    flush_column(s, &now, &joined);
}

static void put_curve(sheet *s, size_t index) {
    const rlt_series *series = &s->plot->series[index];
    char class[8];
    class_of(s, index, class);
    if (series->form != RLT_FORM_POINTS) {
        char shade[8] = "";
        rlt_plot_shade(series->shade, shade);
        rlt_buf_printf(s->out, "<path class=\"curve %s\"", class);
        if (series->shaded && !series->highlight) {
            rlt_buf_printf(s->out, " style=\"stroke:%s\"", shade);
        }
        rlt_buf_printf(s->out, " d=\"");
        series->form == RLT_FORM_STEPS ? put_steps(s, series) : put_joined(s, series);
        rlt_buf_printf(s->out, "\"><title>");
        rlt_buf_text(s->out, series->label, 200, RLT_TEXT_XML);
        rlt_buf_printf(s->out, "</title></path>\n");
    }
    put_lone_points(s, index, class);
}

static void put_curves(sheet *s) {
    for (int winners = 0; winners <= 1; winners++) {
        for (size_t i = 0; i < s->plot->count; i++) {
            if (s->plot->series[i].highlight == winners) {
                put_curve(s, i);
            }
        }
    }
    if (rlt_plot_has_goal(s->plot)) {
        double y = y_pixel(s, s->plot->goal);
        put_line(s, "goal", s->left, y, s->right, y);
    }
}

/* Where the next entry of the legend goes. */
typedef struct legend {
    double x, y;
    int rows;
    bool draw; /* else only counts the rows */
} legend;

static void put_swatch(sheet *s, const legend *l, const char *kind, bool points) {
    if (points) {
        rlt_buf_printf(s->out, "<path class=\"%s lone\" d=\"M%.1f %.1fh0\"/>\n", kind,
                       l->x + SWATCH / 2.0, l->y - 4);
    } else {
        put_line(s, kind, l->x, l->y - 4, l->x + SWATCH, l->y - 4);
    }
}

static void put_entry(sheet *s, legend *l, const char *kind, const char *label, bool points) {
    enum { BESIDE = SWATCH + 6, BETWEEN = 14 };
    double width = BESIDE + rlt_str_columns(label) * CHAR_WIDTH + BETWEEN;
    if (l->x > s->left && l->x + width > s->width - GAP) {
        l->x = s->left;
        l->y += LINE;
        l->rows++;
    }
    if (l->draw) {
        put_swatch(s, l, kind, points);
        put_text(s, l->x + BESIDE, l->y, "", label);
    }
    l->x += width;
}

/* Below the title, in rows: the winners, each with an own colour, all the others, the goal. A
 * shaded curve's colour is its value, which is no entry. */
static int put_legend(sheet *s, double y, bool draw) {
    legend l = {.x = s->left, .y = y, .rows = 1, .draw = draw};
    size_t rest = 0;
    for (int winners = 1; winners >= 0; winners--) {
        for (size_t i = 0; i < s->plot->count; i++) {
            char class[8], kind[24];
            class_of(s, i, class);
            snprintf(kind, sizeof kind, "curve %s", class);
            if (s->plot->series[i].highlight != winners ||
                (s->plot->series[i].shaded && winners == 0)) {
                continue;
            }
            if (rlt_plot_colour(s->plot, i) == RLT_PLOT_REST) {
                rest++;
            } else {
                put_entry(s, &l, kind, s->plot->series[i].label,
                          s->plot->series[i].form == RLT_FORM_POINTS);
            }
        }
    }
    char label[40];
    if (rest > 0) {
        snprintf(label, sizeof label, "%zu %s", rest, rest == s->plot->count ? "curves" : "others");
        put_entry(s, &l, "curve rest", label, false);
    }
    if (rlt_plot_has_goal(s->plot)) {
        rlt_plot_goal_label(s->plot, label, sizeof label);
        put_entry(s, &l, "goal", label, false);
    }
    return l.rows;
}

static void lay_out(sheet *s, int height, const double x[2], const double y[2]) {
    const rlt_plot_scale *across = &s->plot->x_scale;
    bool rails = across->tops != NULL;
    s->y = rlt_axis_on(&s->plot->y_scale, y, (int)fmin(fmax(height / 60.0, 2), 9), true);
    size_t widest = 0;
    for (int i = 0; i < rlt_axis_count(&s->y) && !rails; i++) {
        char label[LABEL_MAX];
        rlt_axis_label(&s->y, rlt_axis_tick(&s->y, i), label, sizeof label);
        widest = strlen(label) > widest ? strlen(label) : widest;
    }
    s->left = (s->plot->y_label != NULL ? 28 : GAP) + (double)widest * CHAR_WIDTH + GAP;
    s->right = s->width - 24;
    s->top = GAP + (s->plot->title != NULL ? TITLE : GAP) + put_legend(s, 0, false) * LINE + GAP +
             (rails ? LINE : 0);
    s->bottom = height - (s->plot->x_label != NULL || rails ? 2 * LINE + 14 : LINE + 14);
    int ticks =
        rails ? across->name_count : rlt_plot_ticks(across, s->right - s->left, CHAR_WIDTH, 80);
    s->x = rlt_axis_on(across, x, ticks, false);
}

static void put_plot(const rlt_plot *plot, int width, int height, rlt_buf *out) {
    sheet s = {.plot = plot, .width = width, .out = out};
    double x[2], y[2];
    bool points = rlt_plot_ranges(plot, x, y);
    if (points) {
        lay_out(&s, height, x, y);
    }
    if (plot->title != NULL) {
        put_text(&s, points ? s.left : 2 * GAP, GAP + 17, " class=\"title\"", plot->title);
    }
    if (points) {
        rlt_svg_axes(out, &(rlt_svg_area){s.left, s.top, s.right, s.bottom}, &s.x, &s.y,
                     plot->x_label, plot->y_label);
        put_legend(&s, GAP + (plot->title != NULL ? TITLE : GAP) + 12, true);
        put_curves(&s);
    } else {
        put_text(&s, width / 2.0, height / 2.0, " text-anchor=\"middle\"", "no points to plot yet");
    }
}

void rlt_plots_svg(const rlt_plot *plots, size_t count, int columns, int width, int height,
                   rlt_buf *out) {
    width = width < WIDTH_MIN ? WIDTH_MIN : width;
    height = height < HEIGHT_MIN ? HEIGHT_MIN : height;
    columns = (size_t)columns > count ? (int)count : columns;
    int rows = columns > 0 ? ((int)count + columns - 1) / columns : 0;
    const char *title = count > 0 && plots[0].title != NULL ? plots[0].title : "learning curves";
    rlt_svg_open(out, columns * width, rows * height, title);
    for (int i = 0; i < (int)count; i++) {
        if (i > 0) {
            rlt_buf_printf(out, "<g transform=\"translate(%d %d)\">\n", i % columns * width,
                           i / columns * height);
        }
        put_plot(&plots[i], width, height, out);
        rlt_buf_printf(out, "%s", i > 0 ? "</g>\n" : "");
    }
    rlt_svg_close(out);
}

void rlt_plot_svg(const rlt_plot *plot, int width, int height, rlt_buf *out) {
    rlt_plots_svg(plot, 1, 1, width, height, out);
}
