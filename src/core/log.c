/* core: the log, one line per event with a stable id.
 * Why: a person reads the text, a test or a monitor matches the id.
 * Threads: any; a mutex keeps lines whole (the sink runs under it and must not log itself).
 * Owner: the process; the sink's user pointer is borrowed. */
#include "core/core.h"

#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static rlt_log_level level_min = RLT_LOG_INFO;
static rlt_log_sink sink_current;
static void *sink_user;

static void write_stderr(rlt_log_level level, const char *id, const char *text) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    fprintf(stderr, "rltune: %s: %s: %s\n", names[level], id, text);
}

void rlt_log_set(rlt_log_level min_level, rlt_log_sink sink, void *user) {
    pthread_mutex_lock(&lock);
    level_min = min_level;
    sink_current = sink;
    sink_user = user;
    pthread_mutex_unlock(&lock);
}

void rlt_log_set_sink(rlt_log_sink sink, void *user) {
    pthread_mutex_lock(&lock);
    sink_current = sink;
    sink_user = user;
    pthread_mutex_unlock(&lock);
}

void rlt_log(rlt_log_level level, const char *id, const char *fmt, ...) {
    char text[1024];
    va_list args;
    pthread_mutex_lock(&lock);
    if (level >= level_min) {
        va_start(args, fmt);
        vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
        if (sink_current != NULL) {
            sink_current(sink_user, level, id, text);
        } else {
            write_stderr(level, id, text);
        }
    }
    pthread_mutex_unlock(&lock);
}
