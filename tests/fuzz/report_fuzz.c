/* Fuzz target: what programs say. The first byte chooses: a line as JSON, a line for patterns, or a
 * TensorBoard event file. A report that is taken has names, steps and counts within their bounds.
 */
#include "command/command.h"
#include "command/command_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check(bool ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "report_fuzz: %s\n", what);
        abort();
    }
}

static void check_report(const rlt_report *report) {
    check(report->count >= 0 && report->count <= RLT_REPORT_METRICS_MAX, "too many metrics");
    check(report->step >= -1 && report->step <= (int64_t)1 << 53, "a step out of bounds");
    for (int i = 0; i < report->count; i++) {
        size_t size = strlen(report->names[i]);
        check(size > 0 && size <= RLT_COMMAND_NAME_MAX, "a name of a wrong size");
    }
}

static void read_line(const char *line, size_t size) {
    rlt_report report;
    const char *error;
    void *owner;
    if (rlt_report_read(line, size, &report, &error, &owner)) {
        check_report(&report);
        rlt_report_release(owner);
    }
}

static void match_line(const char *line) {
    static const char *const names[] = {"loss", "step", "acc"};
    static const char *const texts[] = {"loss=([0-9.eE+-]+)", "epoch (\\d+)", "acc *= *(\\S+)"};
    static rlt_patterns *patterns;
    rlt_report report = {.step = -1};
    if (patterns == NULL) {
        check(rlt_patterns_create(names, texts, 3, &patterns, NULL) == RLT_OK, "patterns");
    }
    rlt_patterns_match(patterns, line, &report);
    check_report(&report);
}

static rlt_status visit(void *user, const rlt_report *report, rlt_err *err) {
    (void)user, (void)err;
    check_report(report);
    return RLT_OK;
}

static void read_events(const uint8_t *data, size_t size) {
    char path[] = "/tmp/report_fuzz.XXXXXX";
    rlt_err err = {0};
    int fd = mkstemp(path);
    check(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a temporary file");
    rlt_event_file *file = rlt_event_file_open(path);
    rlt_status status = rlt_event_file_read(file, visit, NULL, &err);
    check(status == RLT_OK || strstr(err.message, path) != NULL, "an error without its file");
    rlt_event_file_close(&file);
    close(fd);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > RLT_COMMAND_PATTERN_LINE_MAX) {
        return 0;
    }
    if (data[0] == 'E') {
        read_events(data + 1, size - 1);
        return 0;
    }
    char *line = strndup((const char *)data + 1, size - 1);
    if (data[0] == 'P') {
        match_line(line);
    } else {
        read_line(line, strlen(line));
    }
    free(line);
    return 0;
}
