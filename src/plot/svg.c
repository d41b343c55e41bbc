/* plot: curves as one SVG document. It brings its own style, with a second set of colours for dark
 * pages, and refers to nothing outside. Curves with more points than pixels are thinned without a
 * visible change. Thread: any, no state. */
#include "plot/plot_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Estimates for a sans-serif of 12 px: there is no font to measure here. */
#define CHAR_WIDTH 6.8
enum { GAP = 8, LINE = 18, TITLE = 28, LABEL_MAX = 20, WIDTH_MIN = 200, HEIGHT_MIN = 150 };

typedef struct sheet {
    const rlt_plot *plot;
    rlt_axis x, y;
    double left, top, right, bottom; /* of the drawing area, in pixels */
    int width;
    rlt_buf *out;
} sheet;

/* The colours are the Okabe-Ito set (safe for colour-blind readers), lightened on dark pages. */
static const char style[] =
    "<style>\n"
    "text{font:12px system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",sans-serif;fill:#444}\n"
    ".title{font-size:15px;font-weight:600;fill:#111}\n"
    ".page{fill:#fff}.grid{stroke:#e4e4e4}.axis{stroke:#999}\n"
    ".goal{stroke:#666;stroke-dasharray:6 4}.curve{fill:none;stroke-linejoin:round;"
    "stroke-linecap:round;stroke-width:1.6}\n"
    ".win{stroke:#0072b2;stroke-width:2.6}.rest{stroke:#9aa0a6;stroke-width:1.1;"
    "stroke-opacity:.7}\n"
    ".c0{stroke:#d55e00}.c1{stroke:#009e73}.c2{stroke:#cc79a7}.c3{stroke:#e69f00}"
    ".c4{stroke:#56b4e9}.c5{stroke:#7a5195}.lone{stroke-width:5}\n"
    "@media (prefers-color-scheme:dark){text{fill:#bbb}.title{fill:#f2f2f2}.page{fill:#16181c}"
    ".grid{stroke:#2c3036}.axis{stroke:#6b7078}.goal{stroke:#a0a0a0}.win{stroke:#4db6ff}"
    ".rest{stroke:#7d848c}.c0{stroke:#ff8f4d}.c1{stroke:#2fd6a8}.c2{stroke:#f0a3cc}"
    ".c3{stroke:#ffc14d}.c4{stroke:#8fd3ff}.c5{stroke:#b593d6}}\n"
    "</style>\n";

static void put_escaped(sheet *s, const char *text) {
    rlt_buf_text(s->out, text, 200, RLT_TEXT_XML);
}

static void put_text(sheet *s, double x, double y, const char *attributes, const char *text) {
    rlt_buf_printf(s->out, "<text x=\"%.1f\" y=\"%.1f\"%s>", x, y, attributes);
    put_escaped(s, text);
    rlt_buf_printf(s->out, "</text>\n");
}

static void put_line(sheet *s, const char *kind, double x1, double y1, double x2, double y2) {
    rlt_buf_printf(s->out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                   kind, x1, y1, x2, y2);
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

static void put_axes(sheet *s) {
    char label[LABEL_MAX];
    for (int i = 0; i < rlt_axis_count(&s->y); i++) {
        double value = rlt_axis_tick(&s->y, i), y = y_pixel(s, value);
        rlt_axis_label(&s->y, value, label, sizeof label);
        put_line(s, "grid", s->left, y, s->right, y);
        put_text(s, s->left - GAP, y + 4, " text-anchor=\"end\"", label);
    }
    for (int i = 0; i < rlt_axis_count(&s->x); i++) {
        double value = rlt_axis_tick(&s->x, i), x = x_pixel(s, value);
        rlt_axis_label(&s->x, value, label, sizeof label);
        put_line(s, "axis", x, s->bottom, x, s->bottom + 5);
        put_text(s, x, s->bottom + LINE, " text-anchor=\"middle\"", label);
    }
    put_line(s, "axis", s->left, s->bottom, s->right, s->bottom);
    if (s->plot->x_label != NULL) {
        put_text(s, (s->left + s->right) / 2, s->bottom + 2 * LINE + 2, " text-anchor=\"middle\"",
                 s->plot->x_label);
    }
    if (s->plot->y_label != NULL) {
        double middle = (s->top + s->bottom) / 2;
        char turn[96];
        snprintf(turn, sizeof turn, " text-anchor=\"middle\" transform=\"rotate(-90 %.1f %.1f)\"",
                 16.0, middle);
        put_text(s, 16, middle, turn, s->plot->y_label);
    }
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
        bool before = i > 0 && rlt_plot_is_point(series, i - 1);
        bool after = i + 1 < series->count && rlt_plot_is_point(series, i + 1);
        if (!before && !after && rlt_plot_is_point(series, i)) {
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

static void put_curve(sheet *s, size_t index) {
    const rlt_series *series = &s->plot->series[index];
    char class[8];
    class_of(s, index, class);
    rlt_buf_printf(s->out, "<path class=\"curve %s\" d=\"", class);
    column now = {0};
    bool joined = false;
    for (size_t i = 0; i < series->count; i++) {
        if (!rlt_plot_is_point(series, i)) {
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
    rlt_buf_printf(s->out, "\"><title>");
    put_escaped(s, series->label);
    rlt_buf_printf(s->out, "</title></path>\n");
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

static void put_entry(sheet *s, legend *l, const char *kind, const char *label) {
    enum { SWATCH = 20, BESIDE = 26, BETWEEN = 14 };
    double width = BESIDE + rlt_str_columns(label) * CHAR_WIDTH + BETWEEN;
    if (l->x > s->left && l->x + width > s->width - GAP) {
        l->x = s->left;
        l->y += LINE;
        l->rows++;
    }
    if (l->draw) {
        put_line(s, kind, l->x, l->y - 4, l->x + SWATCH, l->y - 4);
        put_text(s, l->x + BESIDE, l->y, "", label);
    }
    l->x += width;
}

/* Below the title, in rows: the winners, each with an own colour, all the others, the goal. */
static int put_legend(sheet *s, double y, bool draw) {
    legend l = {.x = s->left, .y = y, .rows = 1, .draw = draw};
    size_t rest = 0;
    for (int winners = 1; winners >= 0; winners--) {
        for (size_t i = 0; i < s->plot->count; i++) {
            char class[8], kind[24];
            class_of(s, i, class);
            snprintf(kind, sizeof kind, "curve %s", class);
            if (s->plot->series[i].highlight != winners) {
                continue;
            }
            if (rlt_plot_colour(s->plot, i) == RLT_PLOT_REST) {
                rest++;
            } else {
                put_entry(s, &l, kind, s->plot->series[i].label);
            }
        }
    }
    char label[40];
    if (rest > 0) {
        snprintf(label, sizeof label, "%zu %s", rest, rest == s->plot->count ? "curves" : "others");
        put_entry(s, &l, "curve rest", label);
    }
    if (rlt_plot_has_goal(s->plot)) {
        rlt_plot_goal_label(s->plot, label, sizeof label);
        put_entry(s, &l, "goal", label);
    }
    return l.rows;
}

static void lay_out(sheet *s, int height, const double x[2], const double y[2]) {
    s->y = rlt_axis_make(y, (int)fmin(fmax(height / 60.0, 2), 9), true);
    size_t widest = 0;
    for (int i = 0; i < rlt_axis_count(&s->y); i++) {
        char label[LABEL_MAX];
        rlt_axis_label(&s->y, rlt_axis_tick(&s->y, i), label, sizeof label);
        widest = strlen(label) > widest ? strlen(label) : widest;
    }
    s->left = (s->plot->y_label != NULL ? 28 : GAP) + (double)widest * CHAR_WIDTH + GAP;
    s->right = s->width - 24;
    s->top = GAP + (s->plot->title != NULL ? TITLE : GAP) + put_legend(s, 0, false) * LINE + GAP;
    s->bottom = height - (s->plot->x_label != NULL ? 2 * LINE + 14 : LINE + 14);
    s->x = rlt_axis_make(x, (int)fmin(fmax((s->right - s->left) / 80, 2), 10), false);
}

void rlt_plot_svg(const rlt_plot *plot, int width, int height, rlt_buf *out) {
    width = width < WIDTH_MIN ? WIDTH_MIN : width;
    height = height < HEIGHT_MIN ? HEIGHT_MIN : height;
    sheet s = {.plot = plot, .width = width, .out = out};
    rlt_buf_printf(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                   "viewBox=\"0 0 %d %d\" role=\"img\">\n<title>",
                   width, height, width, height);
    put_escaped(&s, plot->title != NULL ? plot->title : "learning curves");
    rlt_buf_printf(out, "</title>\n%s<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n", style,
                   width, height);
    double x[2], y[2];
    bool points = rlt_plot_ranges(plot, x, y);
    if (points) {
        lay_out(&s, height, x, y);
    }
    if (plot->title != NULL) {
        put_text(&s, points ? s.left : 2 * GAP, GAP + 17, " class=\"title\"", plot->title);
    }
    if (points) {
        put_axes(&s);
        put_legend(&s, GAP + (plot->title != NULL ? TITLE : GAP) + 12, true);
        put_curves(&s);
    } else {
        put_text(&s, width / 2.0, height / 2.0, " text-anchor=\"middle\"", "no points to plot yet");
    }
    rlt_buf_printf(out, "</svg>\n");
}
