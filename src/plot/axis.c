/* plot: ranges, round ticks, labels. Thread: any, no state. */
#include "plot/plot_impl.h"

#include <math.h>
#include <stdio.h>

/* Beyond these, steps and spans of a double would overflow or vanish. */
static const double LARGEST = 1e300, SMALLEST = 1e-300;

static bool has_place(const rlt_plot_scale *scale, double value) {
    return fabs(value) < LARGEST && (!scale->log || value > SMALLEST);
}

bool rlt_plot_is_point(const rlt_plot *plot, const rlt_series *series, size_t index) {
    return has_place(&plot->x_scale, series->x[index]) &&
           has_place(&plot->y_scale, series->y[index]);
}

bool rlt_plot_has_goal(const rlt_plot *plot) {
    return has_place(&plot->y_scale, plot->goal);
}

static void widen(double range[2], double value) {
    range[0] = fmin(range[0], value);
    range[1] = fmax(range[1], value);
}

/* So that points of their own do not lie on the ends of the axis. */
static void add_room(const rlt_plot *plot, double x[2]) {
    static const double part = 0.02;
    bool points = false;
    for (size_t i = 0; i < plot->count; i++) {
        points |= plot->series[i].form == RLT_FORM_POINTS;
    }
    if (!points || plot->x_scale.whole || plot->x_scale.names != NULL || !(x[1] > x[0])) {
        return;
    }
    if (plot->x_scale.log) {
        double room = (log(x[1]) - log(x[0])) * part;
        x[0] = fmax(x[0] * exp(-room), SMALLEST);
        x[1] = fmin(x[1] * exp(room), LARGEST);
    } else {
        double room = x[1] * part - x[0] * part;
        x[0] -= room;
        x[1] += room;
    }
}

bool rlt_plot_ranges(const rlt_plot *plot, double x[2], double y[2]) {
    x[0] = y[0] = INFINITY;
    x[1] = y[1] = -INFINITY;
    for (size_t i = 0; i < plot->count; i++) {
        const rlt_series *series = &plot->series[i];
        for (size_t j = 0; j < series->count; j++) {
            if (rlt_plot_is_point(plot, series, j)) {
                widen(x, series->x[j]);
                widen(y, series->y[j]);
            }
        }
    }
    if (x[0] > x[1]) {
        return false;
    }
    if (rlt_plot_has_goal(plot)) {
        widen(y, plot->goal);
    }
    if (x[0] > 0 && x[0] < x[1] / 4 && !plot->x_scale.log) { /* steps count from 0 */
        x[0] = 0;
    }
    if (plot->x_scale.tops != NULL) {
        y[0] = 0;
        y[1] = 1;
    }
    add_room(plot, x);
    return true;
}

static double nice_step(double rough) {
    double power = pow(10, floor(log10(rough))), fraction = rough / power;
    return power * (fraction < 1.5 ? 1 : fraction < 3.5 ? 2 : fraction < 7.5 ? 5 : 10);
}

static void choose_unit(rlt_axis *axis) {
    static const struct {
        double unit;
        const char *suffix;
    } units[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    double largest = fmax(fabs(axis->low), fabs(axis->high));
    axis->unit = 1;
    axis->suffix = "";
    if (largest >= 1e15 || axis->step < 1e-4) {
        axis->decimals = -1;
        return;
    }
    for (size_t i = 0; i < RLT_COUNT(units) && largest >= 1e4; i++) {
        if (largest >= units[i].unit) {
            axis->unit = units[i].unit;
            axis->suffix = units[i].suffix;
            break;
        }
    }
    axis->decimals = (int)fmax(0, -floor(log10(axis->step / axis->unit) + 1e-9));
}

rlt_axis rlt_axis_make(const double range[2], int ticks, bool loose) {
    rlt_axis axis = {.low = range[0], .high = range[1]};
    double tiny = fmax(fmax(fabs(axis.low), fabs(axis.high)) * 1e-9, SMALLEST);
    if (axis.high - axis.low <= tiny) { /* one value: some room on both sides */
        double room = fabs(axis.low) < SMALLEST ? 1 : fabs(axis.low) / 10;
        axis.low -= room;
        axis.high += room;
    }
    axis.step =
        nice_step(axis.high / (ticks > 1 ? ticks - 1 : 1) - axis.low / (ticks > 1 ? ticks - 1 : 1));
    double above = ceil(axis.high / axis.step) * axis.step;
    if (above - axis.high < axis.step / 10) { /* 59904 steps of 60000: show the last tick too */
        axis.high = above;
    }
    if (loose) {
        axis.low = floor(axis.low / axis.step + 1e-9) * axis.step;
        axis.high = ceil(axis.high / axis.step - 1e-9) * axis.step;
    }
    choose_unit(&axis);
    return axis;
}

/* Of positive values: powers of ten where there are enough, else round numbers. */
static rlt_axis make_log(const double range[2], int ticks) {
    double low = log10(range[0]), high = log10(range[1]);
    if (high - low < 1.5) {
        double linear[2] = {range[0], range[1] > range[0] ? range[1] : range[0] * 1.1};
        rlt_axis axis = rlt_axis_make(linear, ticks, false);
        axis.low = fmax(axis.low, linear[0]);
        axis.high = fmax(axis.high, linear[1]);
        axis.log = true;
        return axis;
    }
    rlt_axis axis = {.low = range[0], .high = range[1], .log = true, .decades = true};
    axis.step = fmax(1, ceil((high - low) / (ticks > 1 ? ticks : 2)));
    axis.decimals = -1;
    return axis;
}

/* Half a place of room at both ends, as with names. */
static rlt_axis make_whole(const double range[2], int ticks) {
    const double wide[2] = {range[0] - 0.5, range[1] + 0.5};
    rlt_axis axis = rlt_axis_make(wide, ticks, false);
    axis.low = wide[0];
    axis.high = wide[1];
    if (axis.step < 1) {
        axis.step = 1;
        axis.decimals = 0;
    }
    return axis;
}

int rlt_plot_ticks(const rlt_plot_scale *scale, double room, double per_character,
                   double per_number) {
    if (scale->names == NULL) {
        return (int)fmin(fmax(room / per_number, 2), 10);
    }
    if (per_character == 0) { /* labels that find no room are left out as they are drawn */
        return scale->name_count;
    }
    int widest = 1;
    for (int i = 0; i < scale->name_count; i++) {
        int width = rlt_str_columns(scale->names[i]);
        widest = width > widest ? width : widest;
    }
    widest = widest > RLT_PLOT_LABEL_COLUMNS ? RLT_PLOT_LABEL_COLUMNS : widest;
    return (int)fmax(room / (per_character * (widest + 1)), 1);
}

rlt_axis rlt_axis_on(const rlt_plot_scale *scale, const double range[2], int ticks, bool loose) {
    if (scale->names != NULL) {
        return (rlt_axis){.low = -0.5,
                          .high = scale->name_count - 0.5,
                          .step = ticks > 0 ? ceil((double)scale->name_count / ticks) : 1,
                          .unit = 1,
                          .suffix = "",
                          .names = scale->names,
                          .tops = scale->tops,
                          .bottoms = scale->bottoms};
    }
    return scale->whole ? make_whole(range, ticks)
           : scale->log ? make_log(range, ticks)
                        : rlt_axis_make(range, ticks, loose);
}

static double first_index(const rlt_axis *axis) {
    if (axis->decades) {
        return ceil(log10(axis->low) / axis->step - 1e-9);
    }
    return ceil(axis->low / axis->step - 1e-9);
}

int rlt_axis_count(const rlt_axis *axis) {
    if (axis->decades) {
        return (int)(floor(log10(axis->high) / axis->step + 1e-9) - first_index(axis)) + 1;
    }
    return (int)(floor(axis->high / axis->step + 1e-9) - first_index(axis)) + 1;
}

double rlt_axis_tick(const rlt_axis *axis, int index) {
    double value = (first_index(axis) + index) * axis->step;
    if (axis->decades) {
        return pow(10, value);
    }
    return value == 0 ? 0 : value; /* no -0 */
}

void rlt_axis_label(const rlt_axis *axis, double value, char *text, size_t size) {
    if (axis->names != NULL) {
        rlt_buf name = {0};
        rlt_buf_text(&name, axis->names[(int)lround(value)], RLT_PLOT_LABEL_COLUMNS,
                     RLT_TEXT_ASCII);
        snprintf(text, size, "%s", name.data != NULL ? name.data : "");
        rlt_buf_fini(&name);
    } else if (axis->decimals < 0) {
        snprintf(text, size, "%.3g", value);
    } else if (value == 0) {
        snprintf(text, size, "0");
    } else {
        snprintf(text, size, "%.*f%s", axis->decimals, value / axis->unit, axis->suffix);
    }
}

double rlt_axis_place(const rlt_axis *axis, double value) {
    if (axis->log) {
        return (log(value) - log(axis->low)) / (log(axis->high) - log(axis->low));
    }
    return (value / 2 - axis->low / 2) / (axis->high / 2 - axis->low / 2); /* no overflow */
}
