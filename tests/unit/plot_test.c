/* Tests of plot: ticks, sizes, gaps, safe text, thinning. `plot_test show DIR` writes an example of
 * each form, to be looked at. */
#include "plot/plot.h"
#include "plot/plot_impl.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { POINTS = 100, CURVES = 16 };
typedef struct curves {
    double x[POINTS], y[CURVES][POINTS];
    char labels[CURVES][32];
    rlt_series series[CURVES];
    rlt_plot plot;
} curves;

/* Like learning curves: noisy, rising to different heights; curve 2 wins, curve 3 has a gap. */
static void make_curves(curves *made, size_t count) {
    rlt_rng rng = rlt_rng_make(4, RLT_STREAM_TEST, 0);
    for (size_t i = 0; i < count; i++) {
        double top = i == 2 ? 490 : 120 + 330 * rlt_rng_f64(&rng), rate = 2 + 6 * rlt_rng_f64(&rng);
        for (int j = 0; j < POINTS; j++) {
            made->x[j] = 1000.0 * (j + 1);
            double y = top * (1 - exp(-rate * j / POINTS)) + 15 * rlt_rng_normal(&rng);
            made->y[i][j] = fmin(500, fmax(9, y));
        }
        snprintf(made->labels[i], sizeof made->labels[i], "trial %zu", i);
        made->series[i] = (rlt_series){.label = made->labels[i],
                                       .x = made->x,
                                       .y = made->y[i],
                                       .count = POINTS,
                                       .highlight = i == 2};
    }
    for (int j = 40; count > 3 && j < 60; j++) {
        made->y[3][j] = NAN;
    }
    made->plot = (rlt_plot){.title = "cartpole-ppo: eval_return",
                            .x_label = "environment steps",
                            .y_label = "eval_return",
                            .series = made->series,
                            .count = count,
                            .goal = 475};
}

static void test_ticks_are_round(void **state) {
    (void)state;
    static const struct {
        double low, high;
        int ticks;
        const char *first, *last;
        int count;
    } cases[] = {
        {0, 100000, 6, "0", "100k", 6},  {9, 500, 6, "0", "500", 6},
        {-500, -60, 6, "-500", "0", 6},  {-1.5, 1.5, 4, "-2", "2", 5},
        {0, 0.0031, 4, "0", "0.004", 5}, {3, 3, 3, "2.6", "3.4", 5},
        {0, 0, 3, "-1", "1", 3},         {0, 3.2e6, 5, "0", "4M", 5},
        {0, 1e-7, 3, "0", "1e-07", 3},   {12000, 12800, 5, "12.0k", "12.8k", 5},
    };
    for (size_t i = 0; i < RLT_COUNT(cases); i++) {
        double range[2] = {cases[i].low, cases[i].high};
        rlt_axis axis = rlt_axis_make(range, cases[i].ticks, true);
        char first[24], last[24];
        int count = rlt_axis_count(&axis);
        rlt_axis_label(&axis, rlt_axis_tick(&axis, 0), first, sizeof first);
        rlt_axis_label(&axis, rlt_axis_tick(&axis, count - 1), last, sizeof last);
        if (strcmp(first, cases[i].first) != 0 || strcmp(last, cases[i].last) != 0 ||
            count != cases[i].count) {
            fail_msg("[%g, %g]: %s .. %s, %d ticks", range[0], range[1], first, last, count);
        }
    }
}

/* A picture that a person can check. */
static void test_straight_line(void **state) {
    (void)state;
    double x[] = {0, 30}, y[] = {0, 3};
    rlt_series series = {.label = "up", .x = x, .y = y, .count = 2};
    rlt_plot plot = {.series = &series, .count = 1, .goal = 2};
    rlt_buf out = {0};
    rlt_plot_terminal(&plot, 34, 10, false, false, &out);
    assert_string_equal(out.data, "4 +\n"
                                  "  |\n"
                                  "  |                           ++++\n"
                                  "2 +-------------------++++++++----\n"
                                  "  |            +++++++\n"
                                  "  |    ++++++++\n"
                                  "0 +++++\n"
                                  "  ++-------------------+----------\n"
                                  "   0                  20\n"
                                  "  + up  -- goal 2\n");
    rlt_buf_fini(&out);
}

/* Lines within the size asked for, no blanks at their ends, no byte outside the form. */
static void check_terminal(const rlt_plot *plot, int columns, int rows, bool unicode, bool colour) {
    rlt_buf out = {0};
    rlt_plot_terminal(plot, columns, rows, unicode, colour, &out);
    int lines = 0, width = 0;
    for (const char *at = out.data; *at != 0; at++) {
        if (*at == '\n') {
            assert_true(at == out.data || at[-1] != ' ');
            assert_true(width <= columns);
            width = 0;
            lines++;
        } else if (*at == '\033') {
            assert_true(colour);
            at = strchr(at, 'm');
            assert_non_null(at);
        } else {
            assert_true((unsigned char)*at >= 0x20 && (unicode || (*at & 0x80) == 0));
            width += ((unsigned char)*at & 0xc0) != 0x80;
        }
    }
    assert_true(lines <= rows && width == 0);
    rlt_buf_fini(&out);
}

static void check_svg(const rlt_plot *plot, size_t size_max) {
    rlt_buf out = {0};
    rlt_plot_svg(plot, 800, 450, &out);
    assert_true(out.size <= size_max);
    assert_null(strstr(out.data, "nan"));
    assert_null(strstr(out.data, "inf"));
    const char *address = strstr(out.data, "http"); /* of the namespace, and no other */
    assert_non_null(address);
    assert_null(strstr(address + 1, "http"));
    const char *end = out.data + out.size - strlen("</svg>\n");
    assert_string_equal(end, "</svg>\n");
    rlt_buf_fini(&out);
}

static void check_all_forms(const rlt_plot *plot) {
    static const int sizes[][2] = {{24, 8}, {25, 9}, {40, 12}, {80, 24}, {211, 60}, {3, 3}};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        for (int form = 0; form < 4; form++) {
            check_terminal(plot, sizes[i][0], sizes[i][1], form & 1, form & 2);
        }
    }
    check_svg(plot, 100000);
}

static void test_sizes(void **state) {
    (void)state;
    curves made;
    static const size_t counts[] = {1, 2, 5, 7, 8, CURVES};
    for (size_t i = 0; i < RLT_COUNT(counts); i++) {
        make_curves(&made, counts[i]);
        check_all_forms(&made.plot);
        made.plot.title = made.plot.x_label = made.plot.y_label = NULL;
        made.plot.goal = NAN;
        check_all_forms(&made.plot);
    }
}

static void test_odd_numbers(void **state) {
    (void)state;
    static const double values[] = {0,        -0.0,      1,   1e-320,     -DBL_MAX, DBL_MAX, NAN,
                                    INFINITY, -INFINITY, 1e9, 1e9 + 1e-3, DBL_MIN,  -1e-5};
    enum { COUNT = RLT_COUNT(values) };
    for (size_t i = 0; i < COUNT * COUNT * 2; i++) {
        double x[2] = {0, i % 2 ? 5 : 0}, y[2] = {values[i / 2 % COUNT], values[i / 2 / COUNT]};
        rlt_series forward = {.label = "a", .x = x, .y = y, .count = 2};
        rlt_plot plot = {.series = &forward, .count = 1, .goal = NAN};
        check_all_forms(&plot);
        rlt_series turned = {.label = "a", .x = y, .y = x, .count = 2};
        plot.series = &turned;
        plot.goal = values[i / 2 % COUNT];
        check_all_forms(&plot);
    }
}

static void test_nothing_to_plot(void **state) {
    (void)state;
    rlt_series series = {.label = "a"};
    rlt_plot plots[] = {{.goal = NAN}, {.series = &series, .count = 1, .goal = 3}};
    for (size_t i = 0; i < RLT_COUNT(plots); i++) {
        rlt_buf out = {0};
        check_all_forms(&plots[i]);
        rlt_plot_terminal(&plots[i], 80, 24, true, true, &out);
        assert_string_equal(out.data, "(no points to plot yet)\n");
        rlt_buf_fini(&out);
    }
}

/* What stands in the row of a flat curve: its middle third is missing. */
static void test_gap(void **state) {
    (void)state;
    double x[POINTS], y[POINTS];
    for (int i = 0; i < POINTS; i++) {
        x[i] = i;
        y[i] = i >= 30 && i < 70 ? NAN : 1;
    }
    rlt_series series = {.label = "a", .x = x, .y = y, .count = POINTS};
    rlt_plot plot = {.series = &series, .count = 1, .goal = NAN};
    rlt_buf out = {0};
    rlt_plot_terminal(&plot, 80, 12, false, false, &out);
    /* 75 columns for 0 .. 99: 29 lies in column 22, 70 in column 52 */
    char row[128];
    snprintf(row, sizeof row, "%.*s%29s+", 23, "+++++++++++++++++++++++++++++++", "");
    assert_non_null(strstr(out.data, row));
    rlt_buf_fini(&out);
    rlt_plot_svg(&plot, 800, 450, &out);
    const char *path = strstr(out.data, "d=\"M"); /* two runs: two moves */
    assert_non_null(path);
    const char *second = strchr(path + 4, 'M'), *end = strchr(path + 3, '"');
    assert_true(second != NULL && second < end);
    rlt_buf_fini(&out);
}

static void test_lone_point_is_a_dot(void **state) {
    (void)state;
    double x[] = {0, 1, 2, 3}, y[] = {1, NAN, 2, 3};
    rlt_series series = {.label = "a", .x = x, .y = y, .count = 4};
    rlt_plot plot = {.series = &series, .count = 1, .goal = NAN};
    rlt_buf out = {0};
    rlt_plot_svg(&plot, 800, 450, &out);
    const char *dots = strstr(out.data, " lone\" d=\"M");
    assert_non_null(dots);
    assert_null(strchr(strchr(dots, 'M') + 1, 'M')); /* the pair is a line */
    rlt_buf_fini(&out);
}

static void test_hostile_text(void **state) {
    (void)state;
    rlt_series series = {
        .label = "\033]0;x\a<b>", .x = (double[]){0, 1}, .y = (double[]){0, 1}, .count = 2};
    rlt_plot plot = {.title = "</svg><script>alert(1)</script>",
                     .x_label = "\033[2J",
                     .y_label = "\"><",
                     .series = &series,
                     .count = 1,
                     .goal = NAN};
    check_all_forms(&plot);
    rlt_buf out = {0};
    rlt_plot_svg(&plot, 800, 450, &out);
    assert_null(strstr(out.data, "<script"));
    assert_non_null(strstr(out.data, "&lt;/svg&gt;&lt;script&gt;"));
    rlt_buf_fini(&out);
}

static void test_long_curves_are_thinned(void **state) {
    (void)state;
    enum { MANY = 200000, SPIKE = 123456 };
    double *x = rlt_alloc(sizeof(double) * MANY), *y = rlt_alloc(sizeof(double) * MANY);
    for (int i = 0; i < MANY; i++) {
        x[i] = i;
        y[i] = sin(i);
    }
    y[SPIKE] = 100; /* one point among 250 of its pixel */
    rlt_series series = {.label = "a", .x = x, .y = y, .count = MANY};
    rlt_plot plot = {.series = &series, .count = 1, .goal = NAN};
    check_svg(&plot, 120000);
    rlt_buf out = {0};
    rlt_plot_svg(&plot, 800, 450, &out);
    const char *grid = strstr(out.data, "<line class=\"grid\""), *top = NULL;
    for (; grid != NULL; grid = strstr(grid + 1, "<line class=\"grid\"")) {
        top = grid; /* the last grid line is the topmost: 100 */
    }
    double y_top = 0;
    char peak[32];
    assert_int_equal(sscanf(strstr(top, "y1="), "y1=\"%lf\"", &y_top), 1);
    snprintf(peak, sizeof peak, " %.1fL", y_top);
    assert_non_null(strstr(strstr(out.data, "<path"), peak));
    rlt_buf_fini(&out);
    rlt_free(x);
    rlt_free(y);
}

#define TEST(name) cmocka_unit_test(name)

static void save(const char *folder, const char *name, const rlt_buf *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    rlt_file_write_atomic(path, text->data, text->size, NULL);
}

static void show(const char *folder) {
    curves made;
    for (size_t count = 1; count <= CURVES; count = count == 1 ? 5 : count == 5 ? CURVES : 99) {
        rlt_buf text = {0};
        char name[32];
        make_curves(&made, count);
        rlt_plot_svg(&made.plot, 800, 450, &text);
        snprintf(name, sizeof name, "curves%zu.svg", count);
        save(folder, name, &text);
        rlt_buf_fini(&text);
        for (int form = 0; form < 4; form++) {
            rlt_plot_terminal(&made.plot, 78, 22, form & 1, form & 2, &text);
        }
        fwrite(text.data, 1, text.size, stdout);
        rlt_buf_fini(&text);
    }
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "show") == 0) {
        show(argv[2]);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        TEST(test_ticks_are_round),
        TEST(test_straight_line),
        TEST(test_sizes),
        TEST(test_odd_numbers),
        TEST(test_nothing_to_plot),
        TEST(test_gap),
        TEST(test_lone_point_is_a_dot),
        TEST(test_hostile_text),
        TEST(test_long_curves_are_thinned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
