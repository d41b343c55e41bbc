/* plot: what all SVG documents share: the frame with its style, text, axes. They bring their own
 * style, with a second set of colours for dark pages, and refer to nothing outside. Thread: any, no
 * state. */
#include "plot/plot_impl.h"

#include <stdio.h>

enum { GAP = 8, LINE = 18, LABEL_MAX = 20 };

/* The colours are the Okabe-Ito set (safe for colour-blind readers), lightened on dark pages. */
static const char style[] =
    "<style>\n"
    "text{font:12px system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",sans-serif;fill:#444}\n"
    ".title{font-size:15px;font-weight:600;fill:#111}.name{font-weight:600}\n"
    ".page{fill:#fff}.grid{stroke:#e4e4e4}.axis{stroke:#999}\n"
    ".goal{stroke:#666;stroke-dasharray:6 4}.curve{fill:none;stroke-linejoin:round;"
    "stroke-linecap:round;stroke-width:1.6}\n"
    ".win{stroke:#0072b2;stroke-width:2.6}.rest{stroke:#9aa0a6;stroke-width:1.1;"
    "stroke-opacity:.7}\n"
    ".c0{stroke:#d55e00}.c1{stroke:#009e73}.c2{stroke:#cc79a7}.c3{stroke:#e69f00}"
    ".c4{stroke:#56b4e9}.c5{stroke:#7a5195}.lone{stroke-width:5}.bar{fill:#0072b2}"
    ".dot{fill:#fff;stroke:#111}\n"
    "@media (prefers-color-scheme:dark){text{fill:#bbb}.title{fill:#f2f2f2}.page{fill:#16181c}"
    ".grid{stroke:#2c3036}.axis{stroke:#6b7078}.goal{stroke:#a0a0a0}.win{stroke:#4db6ff}"
    ".rest{stroke:#7d848c}.c0{stroke:#ff8f4d}.c1{stroke:#2fd6a8}.c2{stroke:#f0a3cc}"
    ".c3{stroke:#ffc14d}.c4{stroke:#8fd3ff}.c5{stroke:#b593d6}.bar{fill:#4db6ff}}\n"
    "</style>\n";

void rlt_svg_open(rlt_buf *out, int width, int height, const char *title) {
    rlt_buf_printf(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                   "viewBox=\"0 0 %d %d\" role=\"img\">\n<title>",
                   width, height, width, height);
    rlt_buf_text(out, title, 200, RLT_TEXT_XML);
    rlt_buf_printf(out, "</title>\n%s<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n", style,
                   width, height);
}

void rlt_svg_close(rlt_buf *out) {
    rlt_buf_printf(out, "</svg>\n");
}

void rlt_svg_text(rlt_buf *out, double x, double y, const char *attributes, const char *text) {
    rlt_buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\"%s>", x, y, attributes);
    rlt_buf_text(out, text, 200, RLT_TEXT_XML);
    rlt_buf_printf(out, "</text>\n");
}

void rlt_svg_line(rlt_buf *out, const char *kind, double x1, double y1, double x2, double y2) {
    rlt_buf_printf(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                   kind, x1, y1, x2, y2);
}

static void put_label(rlt_buf *out, double x, double y, const char *anchor, const rlt_axis *axis,
                      double value) {
    char label[LABEL_MAX];
    if (axis->names == NULL) {
        rlt_axis_label(axis, value, label, sizeof label);
    }
    rlt_buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    rlt_buf_text(out, axis->names != NULL ? axis->names[(int)value] : label, RLT_PLOT_LABEL_COLUMNS,
                 RLT_TEXT_XML);
    rlt_buf_printf(out, "</text>\n");
}

static void put_y_ticks(rlt_buf *out, const rlt_svg_area *a, const rlt_axis *y) {
    for (int i = 0; i < rlt_axis_count(y); i++) {
        double value = rlt_axis_tick(y, i);
        double at = a->bottom - rlt_axis_place(y, value) * (a->bottom - a->top);
        rlt_svg_line(out, "grid", a->left, at, a->right, at);
        put_label(out, a->left - GAP, at + 4, "end", y, value);
    }
}

/* An axis of its own: a line, what its ends say, its name below. */
static void put_rail(rlt_buf *out, const rlt_svg_area *a, const rlt_axis *x, int index, double at) {
    rlt_svg_line(out, "axis", at, a->top, at, a->bottom);
    rlt_svg_text(out, at, a->top - GAP, " text-anchor=\"middle\"", x->tops[index]);
    rlt_svg_text(out, at, a->bottom + LINE, " text-anchor=\"middle\"", x->bottoms[index]);
    rlt_svg_text(out, at, a->bottom + 2 * LINE + 2, " text-anchor=\"middle\" class=\"name\"",
                 x->names[index]);
}

static void put_x_ticks(rlt_buf *out, const rlt_svg_area *a, const rlt_axis *x) {
    for (int i = 0; i < rlt_axis_count(x); i++) {
        double value = rlt_axis_tick(x, i);
        double at = a->left + rlt_axis_place(x, value) * (a->right - a->left);
        if (x->tops != NULL) {
            put_rail(out, a, x, (int)value, at);
        } else {
            rlt_svg_line(out, "axis", at, a->bottom, at, a->bottom + 5);
            put_label(out, at, a->bottom + LINE, "middle", x, value);
        }
    }
}

void rlt_svg_axes(rlt_buf *out, const rlt_svg_area *a, const rlt_axis *x, const rlt_axis *y,
                  const char *x_label, const char *y_label) {
    if (x->tops == NULL) {
        put_y_ticks(out, a, y);
        rlt_svg_line(out, "axis", a->left, a->bottom, a->right, a->bottom);
    }
    put_x_ticks(out, a, x);
    if (x_label != NULL) {
        rlt_svg_text(out, (a->left + a->right) / 2, a->bottom + 2 * LINE + 2,
                     " text-anchor=\"middle\"", x_label);
    }
    if (y_label != NULL) {
        double middle = (a->top + a->bottom) / 2;
        char turn[96];
        snprintf(turn, sizeof turn, " text-anchor=\"middle\" transform=\"rotate(-90 %.1f %.1f)\"",
                 16.0, middle);
        rlt_svg_text(out, 16, middle, turn, y_label);
    }
}
