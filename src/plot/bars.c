/* plot: horizontal bars as text and as SVG. Thread: any, no state. */
#include "plot/plot_impl.h"

#include <math.h>
#include <stdio.h>

#define CHAR_WIDTH 6.8
enum {
    COLUMNS_MIN = 24,
    LABEL_COLUMNS = 32,
    VALUE_COLUMNS = 8,
    BAR_MIN = 4,
    TITLE = 44,
    ROW_MAX = 34,
    GAP = 10
};

static double largest_of(const rlt_bars *bars) {
    double largest = 0;
    for (size_t i = 0; i < bars->count; i++) {
        largest = fmax(largest, bars->values[i]);
    }
    return largest > 0 ? largest : 1;
}

static int label_columns(const rlt_bars *bars, int most) {
    int columns = 1;
    for (size_t i = 0; i < bars->count; i++) {
        int width = rlt_str_columns(bars->labels[i]);
        columns = width > columns ? width : columns;
    }
    return columns > most ? most : columns;
}

void rlt_bars_terminal(const rlt_bars *bars, int columns, bool unicode, bool colour, rlt_buf *out) {
    rlt_text_form form = unicode ? RLT_TEXT_UTF8 : RLT_TEXT_ASCII;
    if (columns < COLUMNS_MIN) {
        rlt_buf_text(out, "(too small for a plot)", columns, RLT_TEXT_ASCII);
        rlt_buf_append(out, "\n", 1);
        return;
    }
    int names = label_columns(bars, columns / 3 < LABEL_COLUMNS ? columns / 3 : LABEL_COLUMNS);
    int room = columns - names - VALUE_COLUMNS - 2;
    room = room < BAR_MIN ? BAR_MIN : room;
    rlt_buf_text(out, bars->title, columns, form);
    rlt_buf_append(out, "\n", 1);
    double largest = largest_of(bars);
    for (size_t i = 0; i < bars->count; i++) {
        int used = rlt_buf_text(out, bars->labels[i], names, form);
        rlt_buf_printf(out, "%*s %*.3f %s", names - used, "", VALUE_COLUMNS - 1, bars->values[i],
                       colour ? "\033[36m" : "");
        int length = (int)lround(bars->values[i] / largest * room);
        for (int k = 0; k < length; k++) {
            rlt_buf_printf(out, "%s", unicode ? "█" : "#");
        }
        rlt_buf_printf(out, "%s\n", colour ? "\033[0m" : "");
    }
}

void rlt_bars_svg(const rlt_bars *bars, int width, int height, rlt_buf *out) {
    double left = label_columns(bars, LABEL_COLUMNS) * CHAR_WIDTH + 2 * GAP, right = width - 60;
    double row = (height - TITLE - 3 * GAP) / fmax(1, (double)bars->count);
    row = fmin(row, ROW_MAX);
    height = (int)ceil(TITLE + row * (double)bars->count) + 3 * GAP;
    double largest = largest_of(bars);
    rlt_svg_open(out, width, height, bars->title);
    rlt_svg_text(out, left, 25, " class=\"title\"", bars->title);
    for (size_t i = 0; i < bars->count; i++) {
        double top = TITLE + (double)i * row, length = bars->values[i] / largest * (right - left);
        char value[32];
        snprintf(value, sizeof value, "%.3f", bars->values[i]);
        rlt_buf_printf(out,
                       "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                       "height=\"%.1f\"/>\n",
                       left, top + row * 0.15, fmax(length, 0.5), row * 0.7);
        rlt_svg_text(out, left - GAP, top + row / 2 + 4, " text-anchor=\"end\"", bars->labels[i]);
        rlt_svg_text(out, left + length + GAP, top + row / 2 + 4, "", value);
    }
    double bottom = TITLE + (double)bars->count * row;
    rlt_svg_line(out, "axis", left, TITLE, left, bottom);
    rlt_svg_text(out, (left + right) / 2, bottom + 2 * GAP, " text-anchor=\"middle\"",
                 bars->value_label);
    rlt_svg_close(out);
}
