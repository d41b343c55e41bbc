/* command: bytes of a program: lines of bounded length, a log of bounded size, the last bytes for
 * messages. Thread: the host's. Owner: the command. */
#include "command/command_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- lines ---- */

static void keep(rlt_lines *lines, const char *data, size_t size, size_t max) {
    if (lines->skipping || size == 0) {
        return;
    }
    if (lines->size + size > max) {
        lines->skipping = lines->cut = true;
        lines->size = 0;
        return;
    }
    if (lines->size + size + 1 > lines->capacity) {
        size_t capacity = 2 * (lines->size + size + 1);
        lines->data = realloc(lines->data, capacity);
        RLT_ASSERT(lines->data != NULL);
        lines->capacity = capacity;
    }
    memcpy(lines->data + lines->size, data, size);
    lines->size += size;
    lines->data[lines->size] = 0;
}

rlt_status rlt_lines_add(rlt_lines *lines, const char *data, size_t size, size_t max,
                         rlt_line_visit visit, void *user, rlt_err *err) {
    while (size > 0) {
        const char *end = memchr(data, '\n', size);
        size_t part = end != NULL ? (size_t)(end - data) : size;
        keep(lines, data, part, max);
        if (end == NULL) {
            return RLT_OK;
        }
        bool whole = !lines->skipping && lines->size > 0;
        size_t length = lines->size;
        lines->skipping = false;
        lines->size = 0;
        if (whole) {
            RLT_TRY(visit(user, lines->data, length, err));
        }
        data += part + 1;
        size -= part + 1;
    }
    return RLT_OK;
}

rlt_status rlt_lines_end(rlt_lines *lines, rlt_line_visit visit, void *user, rlt_err *err) {
    size_t size = lines->size;
    lines->size = 0;
    return size > 0 && !lines->skipping ? visit(user, lines->data, size, err) : RLT_OK;
}

void rlt_lines_fini(rlt_lines *lines) {
    free(lines->data);
    *lines = (rlt_lines){0};
}

/* ---- the log ---- */

void rlt_output_log_init(rlt_output_log *log, const char *path, int64_t max, bool hold) {
    *log = (rlt_output_log){.fd = -1, .max = max / 2, .holds = hold};
    log->path = path != NULL ? strdup(path) : NULL;
}

/* The file that is full becomes PATH.1, whose own content goes. */
static void turn(rlt_output_log *log) {
    char old[4096];
    if (snprintf(old, sizeof old, "%s.1", log->path) < (int)sizeof old) {
        rename(log->path, old);
    }
    close(log->fd);
    log->fd = -1;
}

/* The folder is made with the first byte: most short programs say nothing. */
static int open_log(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    char folder[4096];
    const char *slash = strrchr(path, '/');
    if (fd < 0 && errno == ENOENT && slash != NULL &&
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path) < (int)sizeof folder &&
        mkdir(folder, 0755) == 0) {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
    return fd;
}

/* A log that cannot be written is given up: it must not end what it is a log of. */
static void write_log(rlt_output_log *log, const char *data, size_t size) {
    while (size > 0 && log->path != NULL) {
        if (log->fd < 0) {
            log->fd = open_log(log->path);
            log->size = log->fd >= 0 ? lseek(log->fd, 0, SEEK_END) : 0;
        }
        int64_t room = log->max - log->size;
        if (log->fd >= 0 && room <= 0) {
            turn(log);
            continue;
        }
        size_t part = size < (size_t)room ? size : (size_t)room;
        ssize_t wrote = log->fd >= 0 ? write(log->fd, data, part) : -1;
        if (wrote <= 0 && errno != EINTR) {
            rlt_output_log_fini(log);
            return;
        }
        wrote = wrote > 0 ? wrote : 0;
        log->size += wrote;
        data += wrote;
        size -= (size_t)wrote;
    }
}

void rlt_output_log_keep(rlt_output_log *log) {
    rlt_buf held = log->held;
    log->held = (rlt_buf){0};
    log->holds = false;
    write_log(log, held.data, held.size);
    rlt_buf_fini(&held);
}

void rlt_output_log_add(rlt_output_log *log, const char *data, size_t size) {
    if (log->holds && log->held.size + size > RLT_COMMAND_HELD_MAX) {
        rlt_output_log_keep(log);
    }
    if (log->holds) {
        rlt_buf_append(&log->held, data, size);
    } else {
        write_log(log, data, size);
    }
}

void rlt_output_log_fini(rlt_output_log *log) {
    if (log->path != NULL && log->fd >= 0) {
        close(log->fd);
    }
    rlt_buf_fini(&log->held);
    free(log->path);
    *log = (rlt_output_log){.fd = -1};
}

/* ---- the tail ---- */

void rlt_tail_add(rlt_tail *tail, const char *data, size_t size) {
    tail->total += size;
    if (size > sizeof tail->data) {
        data += size - sizeof tail->data;
        size = sizeof tail->data;
    }
    size_t first = sizeof tail->data - tail->at;
    first = size < first ? size : first;
    memcpy(tail->data + tail->at, data, first);
    memcpy(tail->data, data + first, size - first);
    tail->at = (tail->at + size) % sizeof tail->data;
}

void rlt_tail_text(const rlt_tail *tail, char text[RLT_COMMAND_TAIL_MAX + 1]) {
    bool wrapped = tail->total > sizeof tail->data;
    size_t size = wrapped ? sizeof tail->data : tail->total, from = wrapped ? tail->at : 0;
    for (size_t i = 0; i < size; i++) {
        char byte = tail->data[(from + i) % sizeof tail->data];
        text[i] = byte == 0 ? ' ' : byte;
    }
    text[size] = 0;
}
