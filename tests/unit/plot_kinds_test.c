/* Points, steps, scales, bars, maps and several plots in one file: odd numbers, sizes and texts
 * give whole lines of text and sound SVG, and ticks are where they belong. */
#include "plot/plot_impl.h"
#include "tests/support/pictures.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const double odd[] = {0,        -0.0,      1,   1e-320,     -DBL_MAX, DBL_MAX, NAN,
                             INFINITY, -INFINITY, 1e9, 1e9 + 1e-3, DBL_MIN,  -1e-5,   1e-3};
enum { ODD = RLT_COUNT(odd) };
static const int sizes[][2] = {{24, 8}, {25, 9}, {80, 24}, {211, 60}, {3, 3}};
static const char *const names[] = {"adam", "a rather long name that has to be cut somewhere",
                                    "\033[31m<red>&\"", "größer", ""};

static void check_plots(const rlt_plot *plots, size_t count) {
    rlt_buf out = {0};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        for (int form = 0; form < 4; form++) {
            out.size = 0;
            rlt_plot_terminal(plots, sizes[i][0], sizes[i][1], form & 1, form & 2, &out);
            pictures_check_text(&out, sizes[i][0], sizes[i][1], form & 1, form & 2);
        }
    }
    out.size = 0;
    rlt_plots_svg(plots, count, 2, 800, 450, &out);
    pictures_check_svg(&out);
    rlt_buf_fini(&out);
}

static void test_odd_numbers_on_all_scales(void **state) {
    (void)state;
    static const rlt_plot_scale scales[] = {
        {0}, {.log = true}, {.whole = true}, {.whole = true, .log = true}};
    for (size_t i = 0; i < (size_t)ODD * ODD; i++) {
        double x[2] = {odd[i % ODD], odd[i / ODD]}, y[2] = {odd[i / ODD], 3};
        rlt_series series[2] = {{.label = names[i % 5], .x = x, .y = y, .count = 2},
                                {.label = "b", .x = y, .y = x, .count = 2, .highlight = true}};
        series[0].form = (rlt_plot_form)(i % 3);
        series[1].form = (rlt_plot_form)((i + 1) % 3);
        rlt_plot plots[RLT_COUNT(scales)];
        for (size_t k = 0; k < RLT_COUNT(scales); k++) {
            plots[k] = (rlt_plot){.title = names[2],
                                  .series = series,
                                  .count = 2,
                                  .goal = odd[(i + k) % ODD],
                                  .x_scale = scales[k],
                                  .y_scale = scales[(k + i) % RLT_COUNT(scales)]};
        }
        check_plots(&plots[i % (RLT_COUNT(scales) - 1)], 1 + i % 2);
    }
}

static void test_named_axes(void **state) {
    (void)state;
    double x[] = {0, 1, 2, 3, 4}, y[] = {0.5, 0, NAN, 1, 0.25};
    rlt_series series = {.label = "a", .x = x, .y = y, .count = 5, .shaded = true, .shade = NAN};
    for (int form = 0; form < 3; form++) {
        for (int count = 1; count <= 5; count++) {
            series.form = (rlt_plot_form)form;
            series.count = (size_t)count;
            rlt_plot plot = {.series = &series, .count = 1, .goal = NAN};
            plot.x_scale = (rlt_plot_scale){.names = names, .name_count = count};
            check_plots(&plot, 1);
            plot.x_scale.tops = plot.x_scale.bottoms = names;
            check_plots(&plot, 1);
        }
    }
}

/* A curve's shade is its value: an entry of another colour would mislead. */
static void test_shades_are_no_entries(void **state) {
    (void)state;
    double x[] = {0, 1}, y[] = {0, 1};
    rlt_series series[] = {
        {.label = "shady", .x = x, .y = y, .count = 2, .shaded = true, .shade = 0.5},
        {.label = "winner", .x = x, .y = y, .count = 2, .shaded = true, .highlight = true}};
    rlt_plot plot = {.series = series, .count = 2, .goal = NAN};
    rlt_buf out = {0};
    rlt_plot_svg(&plot, 600, 400, &out);
    assert_non_null(strstr(out.data, ">winner</text>"));
    assert_null(strstr(out.data, ">shady</text>"));
    rlt_buf_fini(&out);
}

static void test_whole_numbers(void **state) {
    (void)state;
    static const double ranges[][2] = {{0, 0}, {3, 3}, {0, 1}, {0, 2}, {0, 40}, {0, 99999}, {5, 7}};
    for (size_t i = 0; i < RLT_COUNT(ranges); i++) {
        rlt_axis axis = rlt_axis_on(&(rlt_plot_scale){.whole = true}, ranges[i], 8, true);
        assert_true(axis.low == ranges[i][0] - 0.5 && axis.high == ranges[i][1] + 0.5);
        assert_in_range(rlt_axis_count(&axis), 1, 12);
        for (int k = 0; k < rlt_axis_count(&axis); k++) {
            double tick = rlt_axis_tick(&axis, k);
            assert_true(tick == floor(tick) && tick >= ranges[i][0] && tick <= ranges[i][1]);
        }
    }
}

static void test_log_ticks(void **state) {
    (void)state;
    const double decades[2] = {1e-5, 1e-1}, one[2] = {2e-4, 9e-4};
    rlt_axis axis = rlt_axis_on(&(rlt_plot_scale){.log = true}, decades, 8, false);
    assert_int_equal(rlt_axis_count(&axis), 5);
    for (int k = 0; k < 5; k++) {
        assert_true(fabs(rlt_axis_place(&axis, rlt_axis_tick(&axis, k)) - k / 4.0) < 1e-12);
    }
    axis = rlt_axis_on(&(rlt_plot_scale){.log = true}, one, 8, false);
    assert_true(axis.log && rlt_axis_count(&axis) >= 3);
    assert_true(fabs(rlt_axis_place(&axis, sqrt(one[0] * one[1])) - 0.5) < 0.05);
}

/* Names that do not all fit on an axis are thinned out, not written over each other. */
static void test_many_names(void **state) {
    (void)state;
    const char *many[200];
    for (int i = 0; i < 200; i++) {
        many[i] = "a name";
    }
    rlt_plot_scale scale = {.names = many, .name_count = 200};
    int ticks = rlt_plot_ticks(&scale, 700, 7, 80);
    rlt_axis axis = rlt_axis_on(&scale, (double[2]){0, 0}, ticks, false);
    assert_in_range(rlt_axis_count(&axis), 5, 15);
    assert_true(rlt_axis_tick(&axis, 0) == 0);
}

static void test_bars(void **state) {
    (void)state;
    static const double values[] = {0.5, 0, 1e-300, 0.25, 1e300};
    for (size_t count = 0; count <= 5; count++) {
        rlt_buf out = {0};
        rlt_bars bars = {.title = names[2],
                         .value_label = names[3],
                         .labels = names,
                         .values = values,
                         .count = count};
        rlt_bars_svg(&bars, 800, 450, &out);
        pictures_check_svg(&out);
        for (size_t i = 0; i < 4; i++) {
            for (int form = 0; form < 4; form++) {
                out.size = 0;
                bars.count = count < 4 ? count : 4; /* 1e300 is wider than its column */
                rlt_bars_terminal(&bars, sizes[i][0], form & 1, form & 2, &out);
                pictures_check_text(&out, sizes[i][0], 6, form & 1, form & 2);
            }
        }
        rlt_buf_fini(&out);
    }
}

static void test_maps(void **state) {
    (void)state;
    double cells[6], x[2] = {0.01, 0.1}, y[2] = {0, 3};
    for (int i = 0; i < 1000; i++) {
        for (int k = 0; k < 6; k++) {
            cells[k] = odd[(i * 7 + k * (i % 5)) % ODD];
        }
        rlt_heat heat = {.title = "t",
                         .x_label = names[2],
                         .y_label = names[1],
                         .value_label = names[1],
                         .x_scale = {.log = i % 2},
                         .y_scale = {.names = i % 3 ? names : NULL, .name_count = 4},
                         .x = {0.01, 0.1},
                         .y = {-0.5, 3.5},
                         .cells = cells,
                         .columns = 3,
                         .rows = 2,
                         .point_x = x,
                         .point_y = y,
                         .points = 2};
        rlt_buf out = {0};
        rlt_heat_svg(&heat, 800, 450, &out);
        pictures_check_svg(&out);
        for (size_t k = 0; k < RLT_COUNT(sizes); k++) {
            out.size = 0;
            rlt_heat_terminal(&heat, sizes[k][0], sizes[k][1], i & 4, i & 8, &out);
            pictures_check_text(&out, sizes[k][0], sizes[k][1], i & 4, i & 8);
        }
        rlt_buf_fini(&out);
    }
}

/* The cells of a row that look the same are one rectangle; where nothing is known is none. */
static void test_cells(void **state) {
    (void)state;
    const double cells[] = {1, 1, 1, NAN, 2, 2, NAN, NAN};
    rlt_heat heat = {.title = "t",
                     .x_label = "x",
                     .y_label = "y",
                     .value_label = "v",
                     .x = {0, 1},
                     .y = {0, 1},
                     .cells = cells,
                     .columns = 4,
                     .rows = 2};
    rlt_buf out = {0};
    rlt_heat_svg(&heat, 800, 450, &out);
    int rectangles = 0;
    for (const char *at = strstr(out.data, "<path fill"); at != NULL; at = strchr(at + 1, 'z')) {
        rectangles++;
    }
    assert_int_equal(rectangles - 1, 2);
    rlt_buf_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_numbers_on_all_scales),
        cmocka_unit_test(test_named_axes),
        cmocka_unit_test(test_shades_are_no_entries),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_log_ticks),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_bars),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
