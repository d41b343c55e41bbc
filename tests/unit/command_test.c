/* command: what programs say, read by itself: JSON lines, patterns, TensorBoard's files.
 * programs that are started, stopped and never left behind. */
#include "command/command.h"
#include "command/command_impl.h"
#include "core/core.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- JSON lines ---- */

static double value_of(const rlt_report *report, const char *name) {
    for (int i = 0; i < report->count; i++) {
        if (strcmp(report->names[i], name) == 0) {
            return report->values[i];
        }
    }
    fail_msg("no metric '%s'", name);
    return 0;
}

static bool parse(const char *line, rlt_report *report, void **owner) {
    const char *error;
    return rlt_report_read(line, strlen(line), report, &error, owner);
}

static void test_json(void **state) {
    (void)state;
    rlt_report report;
    void *owner;
    assert_true(parse(" {\"step\": 10, \"loss\": 0.5, \"acc\": 1, \"ok\": true, \"name\": \"x\", "
                      "\"list\": [1], \"reply\": true}\r",
                      &report, &owner));
    assert_int_equal(report.step, 10);
    assert_int_equal(report.count, 3);
    assert_true(report.asks);
    assert_true(value_of(&report, "loss") == 0.5 && value_of(&report, "acc") == 1);
    assert_true(value_of(&report, "ok") == 1);
    rlt_report_release(owner);
}

static void test_json_not_finite(void **state) {
    (void)state;
    static const char *const lines[] = {
        "{\"loss\": NaN, \"text\": \"NaN \\\" Infinity\", \"a\": 1}",
        "{\"loss\": Infinity, \"a\": 1}", "{\"loss\": -Infinity, \"a\": 1}",
        "{\"loss\": null, \"a\": 1}"};
    for (size_t i = 0; i < RLT_COUNT(lines); i++) {
        rlt_report report;
        void *owner;
        assert_true(parse(lines[i], &report, &owner));
        assert_true(isnan(value_of(&report, "loss")));
        assert_true(value_of(&report, "a") == 1);
        assert_int_equal(report.step, -1);
        rlt_report_release(owner);
    }
}

static void test_json_refused(void **state) {
    (void)state;
    static const char *const lines[] = {"",
                                        "{",
                                        "{}x",
                                        "[1]",
                                        "loss 1",
                                        "{\"step\": -1, \"loss\": 1}",
                                        "{\"step\": 1.5, \"loss\": 1}",
                                        "{\"step\": \"1\", \"loss\": 1}",
                                        "{\"step\": 1e300, \"loss\": 1}",
                                        "{\"loss\": NaNN}",
                                        "{\"loss\": 1} {\"loss\": 2}"};
    for (size_t i = 0; i < RLT_COUNT(lines); i++) {
        rlt_report report;
        void *owner;
        if (parse(lines[i], &report, &owner)) {
            fail_msg("accepted: %s", lines[i]);
        }
        assert_null(owner);
    }
}

/* Whatever bytes come, nothing but a decision comes of it. */
static void test_json_random(void **state) {
    (void)state;
    static const char letters[] = "{}[]\":,0123456789.eE+-NaInfity \\u00truelsloss";
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    for (int i = 0; i < 20000; i++) {
        char line[64];
        size_t size = rlt_rng_below(&rng, sizeof line);
        for (size_t j = 0; j < size; j++) {
            uint32_t at = rlt_rng_below(&rng, sizeof letters + 20);
            line[j] = at < sizeof letters ? letters[at] : (char)rlt_rng_below(&rng, 256);
        }
        if (size > 2 && i % 2 == 0) {
            line[0] = '{';
            line[size - 1] = '}';
        }
        rlt_report report;
        const char *error;
        void *owner;
        if (rlt_report_read(line, size, &report, &error, &owner)) {
            assert_true(report.count <= RLT_REPORT_METRICS_MAX);
            rlt_report_release(owner);
        }
    }
}

/* ---- patterns ---- */

static rlt_patterns *patterns_of(const char *const *names, const char *const *texts, int count) {
    rlt_patterns *patterns;
    rlt_err err = {0};
    if (rlt_patterns_create(names, texts, count, &patterns, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return patterns;
}

static void test_patterns(void **state) {
    (void)state;
    static const char *const names[] = {"loss", "step", "acc"};
    static const char *const texts[] = {"loss[=:] *([-+0-9.eE]+|nan)", "epoch (\\d+)/[\\d]+",
                                        "acc=([0-9.]+)"};
    rlt_patterns *patterns = patterns_of(names, texts, 3);
    rlt_report report;
    assert_int_equal(rlt_patterns_match(patterns, "epoch 12/90 loss: 3.5e-1", &report), 1);
    assert_int_equal(report.step, 12);
    assert_int_equal(report.count, 1);
    assert_true(report.values[0] == 0.35);
    assert_int_equal(rlt_patterns_match(patterns, "loss=nan acc=0.5", &report), 5);
    assert_true(isnan(report.values[0]) && report.values[1] == 0.5);
    assert_int_equal(report.step, -1);
    assert_int_equal(rlt_patterns_match(patterns, "nothing", &report), 0);
    rlt_patterns_destroy(&patterns);
}

/* The value is the first group that holds a number: what stands before may need a group, too. */
static void test_patterns_with_groups(void **state) {
    (void)state;
    static const char *const names[] = {"loss"};
    static const char *const texts[] = {"(^|[^a-z-])loss (is|was) (([0-9]+)(\\.[0-9]+)?)"};
    rlt_patterns *patterns = patterns_of(names, texts, 1);
    rlt_report report;
    assert_int_equal(rlt_patterns_match(patterns, "loss is 0.25", &report), 1);
    assert_true(report.values[0] == 0.25);
    assert_int_equal(rlt_patterns_match(patterns, "the loss was 3", &report), 1);
    assert_true(report.values[0] == 3);
    assert_int_equal(rlt_patterns_match(patterns, "val-loss is 7", &report), 0);
    rlt_patterns_destroy(&patterns);
}

static void test_patterns_refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *text, *message;
    } cases[] = {{"loss", "loss=[0-9]+", "no group"},
                 {"loss", "loss=([0-9]+", "no extended regular expression"},
                 {"a,b", "(1)", "no name for a metric"},
                 {"", "(1)", "no name for a metric"}};
    for (size_t i = 0; i < RLT_COUNT(cases); i++) {
        rlt_patterns *patterns;
        rlt_err err = {0};
        assert_int_equal(rlt_patterns_create(&cases[i].name, &cases[i].text, 1, &patterns, &err),
                         RLT_ECONFIG);
        assert_null(patterns);
        if (strstr(err.message, cases[i].message) == NULL) {
            fail_msg("%s", err.message);
        }
    }
}

/* ---- lines ---- */

static rlt_status collect(void *user, char *line, size_t size, rlt_err *err) {
    (void)err;
    rlt_buf_append(user, line, size);
    rlt_buf_append(user, "|", 1);
    return RLT_OK;
}

static void test_lines(void **state) {
    (void)state;
    static const char text[] = "one\n\ntwo three\n0123456789\nfour\nend";
    for (size_t part = 1; part < sizeof text; part++) {
        rlt_lines lines = {0};
        rlt_buf found = {0};
        rlt_err err = {0};
        for (size_t at = 0; at < sizeof text - 1; at += part) {
            size_t size = sizeof text - 1 - at < part ? sizeof text - 1 - at : part;
            assert_int_equal(rlt_lines_add(&lines, text + at, size, 9, collect, &found, &err),
                             RLT_OK);
        }
        assert_int_equal(rlt_lines_end(&lines, collect, &found, &err), RLT_OK);
        assert_string_equal(found.data, "one|two three|four|end|");
        rlt_buf_fini(&found);
        rlt_lines_fini(&lines);
    }
}

static void test_tail(void **state) {
    (void)state;
    rlt_tail *tail = rlt_alloc(sizeof *tail);
    char text[RLT_COMMAND_TAIL_MAX + 1], all[3 * RLT_COMMAND_TAIL_MAX];
    for (size_t i = 0; i < sizeof all; i++) {
        all[i] = (char)('a' + i % 23);
    }
    for (size_t at = 0; at < sizeof all; at += 61) {
        rlt_tail_add(tail, all + at, sizeof all - at < 61 ? sizeof all - at : 61);
    }
    rlt_tail_text(tail, text);
    assert_memory_equal(text, all + sizeof all - RLT_COMMAND_TAIL_MAX, RLT_COMMAND_TAIL_MAX);
    rlt_tail_add(tail, all, sizeof all);
    rlt_tail_text(tail, text);
    assert_int_equal(strlen(text), RLT_COMMAND_TAIL_MAX);
    rlt_free(tail);
}

/* ---- TensorBoard ---- */

static void test_crc(void **state) {
    (void)state;
    static const char zeros[32] = {0};
    assert_int_equal(rlt_crc32c(zeros, 32), 0x8a9136aa); /* RFC 3720, B.4 */
    assert_int_equal(rlt_crc32c("123456789", 9), 0xe3069283);
}

static rlt_status print_report(void *user, const rlt_report *report, rlt_err *err) {
    (void)err;
    for (int i = 0; i < report->count; i++) {
        rlt_buf_printf(user, "%lld %s %.9g\n", (long long)report->step, report->names[i],
                       report->values[i]);
    }
    return RLT_OK;
}

static const char golden[] = RLT_SOURCE_DIR "/tests/golden/scalars.tfevents";
static const char expected[] = "0 loss/train 1\n0 acc 0\n"
                               "1 loss/train 0.5\n1 acc 0.25\n"
                               "2 loss/train 0.333333343\n2 acc 0.5\n"
                               "3 loss/train 0.25\n3 acc 0.75\n"
                               "4 loss/train 0.200000003\n4 acc 1\n"
                               "5 float 0.5\n6 content -2.5\n7 double 1e-09\n8 double 3\n"
                               "9 int 7\n10 int -8\n13 nan nan\n1099511627776 late 9\n";

static rlt_status read_events(const char *path, rlt_buf *found, rlt_err *err) {
    rlt_event_file *file = rlt_event_file_open(path);
    rlt_status status = rlt_event_file_read(file, print_report, found, err);
    rlt_event_file_close(&file);
    return status;
}

static void test_events(void **state) {
    (void)state;
    rlt_buf found = {0};
    rlt_err err = {0};
    assert_int_equal(read_events(golden, &found, &err), RLT_OK);
    assert_string_equal(found.data, expected);
    rlt_buf_fini(&found);
    assert_int_equal(read_events("/nonexistent/file", &found, &err), RLT_OK);
    assert_null(found.data);
}

static void write_file(const char *path, const void *data, size_t size) {
    rlt_err err = {0};
    if (rlt_file_write_atomic(path, data, size, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
}

/* A file that grows byte by byte gives every record once. */
static void test_events_growing(void **state) {
    (void)state;
    char path[] = "/tmp/rltune-events-XXXXXX", *data;
    size_t size;
    rlt_err err = {0};
    rlt_buf found = {0};
    int fd = mkstemp(path);
    assert_int_equal(rlt_file_read(golden, 1 << 20, &data, &size, &err), RLT_OK);
    rlt_event_file *file = rlt_event_file_open(path);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(write(fd, data + i, 1), 1);
        assert_int_equal(rlt_event_file_read(file, print_report, &found, &err), RLT_OK);
    }
    assert_string_equal(found.data, expected);
    rlt_event_file_close(&file);
    close(fd);
    unlink(path);
    rlt_buf_fini(&found);
    rlt_free(data);
}

/* Any byte that is changed is noticed: what follows it is not believed. */
static void test_events_damaged(void **state) {
    (void)state;
    char path[] = "/tmp/rltune-events-XXXXXX", *data;
    size_t size;
    rlt_err err = {0};
    close(mkstemp(path));
    assert_int_equal(rlt_file_read(golden, 1 << 20, &data, &size, &err), RLT_OK);
    for (size_t i = 0; i < size; i++) {
        rlt_buf found = {0};
        data[i] ^= 0x10;
        write_file(path, data, size);
        data[i] ^= 0x10;
        assert_int_equal(read_events(path, &found, &err), RLT_ECORRUPT);
        assert_non_null(strstr(err.message, "damaged at byte"));
        size_t length = found.size;
        assert_true(length < sizeof expected - 1 &&
                    (length == 0 || memcmp(found.data, expected, length) == 0));
        rlt_buf_fini(&found);
    }
    unlink(path);
    rlt_free(data);
}

static void put_little(rlt_buf *buf, uint64_t x, int size) {
    for (int i = 0; i < size; i++) {
        char byte = (char)(x >> (8 * i));
        rlt_buf_append(buf, &byte, 1);
    }
}

static uint32_t masked(uint32_t crc) {
    return ((crc >> 15) | (crc << 17)) + UINT32_C(0xa282ead8);
}

static void put_record(rlt_buf *buf, const void *data, size_t size) {
    rlt_buf head = {0};
    put_little(&head, size, 8);
    put_little(&head, masked(rlt_crc32c(head.data, 8)), 4);
    rlt_buf_append(buf, head.data, head.size);
    rlt_buf_append(buf, data, size);
    put_little(buf, masked(rlt_crc32c(data, size)), 4);
    rlt_buf_fini(&head);
}

/* Records that are whole but hold no sense, and one too large to be read, are passed by. */
static void test_events_random(void **state) {
    (void)state;
    char path[] = "/tmp/rltune-events-XXXXXX";
    rlt_rng rng = rlt_rng_make(2, RLT_STREAM_TEST, 0);
    rlt_buf file = {0}, found = {0};
    rlt_err err = {0};
    static const uint8_t last[] = {0x10, 3,   0x2a, 10, 0x0a, 8,    0x0a,
                                   1,    'a', 0x15, 0,  0,    0x80, 0x3f};
    char *large = calloc(1, 3 << 20);
    for (int i = 0; i < 3000; i++) {
        uint8_t data[48];
        size_t size = rlt_rng_below(&rng, sizeof data);
        for (size_t j = 0; j < size; j++) {
            data[j] = rlt_rng_below(&rng, 3) > 0 ? (uint8_t)rlt_rng_below(&rng, 64)
                                                 : (uint8_t)rlt_rng_below(&rng, 256);
        }
        put_record(&file, data, size);
    }
    put_record(&file, large, 3 << 20);
    put_record(&file, last, sizeof last);
    close(mkstemp(path));
    write_file(path, file.data, file.size);
    assert_int_equal(read_events(path, &found, &err), RLT_OK);
    assert_non_null(strstr(found.data, "3 a 1\n"));
    unlink(path);
    free(large);
    rlt_buf_fini(&file);
    rlt_buf_fini(&found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_not_finite),
        cmocka_unit_test(test_json_refused),
        cmocka_unit_test(test_json_random),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_patterns_with_groups),
        cmocka_unit_test(test_patterns_refused),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_crc),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_events_growing),
        cmocka_unit_test(test_events_damaged),
        cmocka_unit_test(test_events_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
