/* cli, reporting: values as people and as scripts read them. Thread: main only. */
#include "cli/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const rlt_report_states[7] = {"completed", "stopped", "failed", "running",
                                          "paused",    "pending", NULL};

void rlt_report_counts(const int64_t counts[6], rlt_buf *text) {
    int64_t total = 0, kinds = 0;
    for (int i = 0; rlt_report_states[i] != NULL; i++) {
        total += counts[i];
    }
    rlt_buf_printf(text, "%" PRId64, total);
    for (int i = 0; rlt_report_states[i] != NULL; i++) {
        if (counts[i] > 0) {
            rlt_buf_printf(text, "%s %" PRId64 " %s", kinds++ > 0 ? "," : ":", counts[i],
                           rlt_report_states[i]);
        }
    }
}

const char *rlt_report_state(const char *state, bool alive) {
    return strcmp(state, "running") == 0 && !alive ? "interrupted" : state;
}

const char *rlt_report_value(double value, char text[32]) {
    if (isnan(value)) {
        snprintf(text, 32, "-");
    } else {
        snprintf(text, 32, "%.6g", value);
    }
    return text;
}

const char *rlt_report_duration(double seconds, char text[32]) {
    if (isnan(seconds) || seconds < 0 || seconds > 1e9) {
        snprintf(text, 32, "-");
    } else if (seconds < 59.95) {
        snprintf(text, 32, "%.1f s", seconds);
    } else {
        long whole = lround(seconds);
        if (whole < 3600) {
            snprintf(text, 32, "%ld min %02ld s", whole / 60, whole % 60);
        } else {
            snprintf(text, 32, "%ld h %02ld min", whole / 3600, whole / 60 % 60);
        }
    }
    return text;
}

const char *rlt_report_time(int64_t wall_ms, char text[32]) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    if (wall_ms <= 0 || localtime_r(&seconds, &parts) == NULL ||
        strftime(text, 32, "%Y-%m-%d %H:%M:%S", &parts) == 0) {
        snprintf(text, 32, "-");
    }
    return text;
}

void rlt_report_json_text(const json_t *value, rlt_buf *text) {
    if (json_is_string(value)) {
        rlt_buf_printf(text, "%s", json_string_value(value));
    } else if (json_is_real(value)) {
        rlt_buf_printf(text, "%.4g", json_real_value(value));
    } else if (value != NULL) {
        char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(4));
        rlt_buf_printf(text, "%s", dumped != NULL ? dumped : "?");
        free(dumped);
    }
}

json_t *rlt_report_real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *rlt_report_parse(const char *json) {
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    return value != NULL ? value : json_null();
}

rlt_status rlt_report_print_json(json_t *value, rlt_err *err) {
    RLT_ASSERT(value != NULL);
    int failed = json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    json_decref(value);
    putchar('\n');
    return failed ? rlt_fail(err, RLT_EIO, "cannot write to standard output") : RLT_OK;
}
