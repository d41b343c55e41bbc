/* core: names of statuses, the error that callers own, failed assertions.
 * Why: one list (status.def) is the source of names, texts and exit codes.
 * Threads: reentrant. Owner: the caller owns every rlt_err. */
#include "core/core.h"

#include <stdio.h>
#include <stdlib.h>

const char *rlt_status_name(rlt_status status) {
    switch (status) {
#define X(name, code, exit_code, text)                                                             \
    case RLT_##name:                                                                               \
        return #name;
#include "core/status.def"
#undef X
    }
    return "UNKNOWN";
}

const char *rlt_status_text(rlt_status status) {
    switch (status) {
#define X(name, code, exit_code, text)                                                             \
    case RLT_##name:                                                                               \
        return text;
#include "core/status.def"
#undef X
    }
    return "unknown status";
}

int rlt_status_exit_code(rlt_status status) {
    switch (status) {
#define X(name, code, exit_code, text)                                                             \
    case RLT_##name:                                                                               \
        return exit_code;
#include "core/status.def"
#undef X
    }
    return 1;
}

rlt_status rlt_fail(rlt_err *err, rlt_status code, const char *fmt, ...) {
    if (err != NULL) {
        char message[sizeof err->message]; /* err->message may be among the arguments */
        va_list args;
        va_start(args, fmt);
        int size = vsnprintf(message, sizeof message, fmt, args);
        va_end(args);
        err->code = code;
        snprintf(err->message, sizeof err->message, "%s", size < 0 ? fmt : message);
    }
    return code;
}

void rlt_assert_fail(const char *expr, const char *file, int line) {
    rlt_log(RLT_LOG_ERROR, "core.assert", "%s:%d: assertion failed: %s", file, line, expr);
    abort();
}
