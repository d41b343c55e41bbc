/* command: the host: one epoll descriptor for all commands, what their events lead to, and how they
 * end. Memory of what has ended is freed at the end of a pump: an event may still point to it.
 * Thread: the host's. Owner: the caller. */
#include "command/command_impl.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENTS_MAX = 64, ROUNDS_MAX = 16, DRAIN_MAX = 32 };
static const double board_every_s = 0.5, held_s = 3, /* how long a log is held */
    told_s = 0.5; /* that a task has to end by itself once it was told to */

rlt_status rlt_host_watch(rlt_command_host *host, rlt_watched *watched, rlt_err *err) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = watched};
    return epoll_ctl(host->epoll, EPOLL_CTL_ADD, watched->fd, &event) == 0
               ? RLT_OK
               : rlt_fail(err, RLT_EIO, "could not watch a program: %s", strerror(errno));
}

void rlt_host_close(rlt_command_host *host, rlt_watched *watched) {
    if (watched->fd >= 0) {
        epoll_ctl(host->epoll, EPOLL_CTL_DEL, watched->fd, NULL);
        close(watched->fd);
        watched->fd = -1;
    }
}

static rlt_command *find(const rlt_command_host *host, int64_t id) {
    rlt_command *at = host->commands;
    while (at != NULL && (at->id != id || at->gone)) {
        at = at->next;
    }
    return at;
}

int rlt_command_host_fd(const rlt_command_host *host) {
    return host->epoll;
}

int rlt_command_host_count(const rlt_command_host *host) {
    return host->count;
}

int rlt_command_host_idle(const rlt_command_host *host) {
    int count = 0;
    for (const rlt_command *c = host->commands; c != NULL; c = c->next) {
        count += c->idle && !c->gone;
    }
    return count;
}

/* ---- reports ---- */

/* Whether the name is among those of the command, or there was room for it. */
static bool know_name(rlt_command *c, const char *name) {
    for (int i = 0; i < c->name_count; i++) {
        int at = (c->name_last + 1 + i) % c->name_count; /* mostly in the same order again */
        if (strcmp(c->names[at], name) == 0) {
            c->name_last = at;
            return true;
        }
    }
    if (c->name_count == RLT_COMMAND_METRICS_MAX) {
        snprintf(c->trouble, sizeof c->trouble,
                 "more than %d different metrics; '%.60s' is ignored", RLT_COMMAND_METRICS_MAX,
                 name);
        return false;
    }
    if (c->name_count == c->name_capacity) {
        c->name_capacity = 2 * c->name_capacity + 4;
        c->names = realloc(c->names, sizeof *c->names * (size_t)c->name_capacity);
        RLT_ASSERT(c->names != NULL);
    }
    c->name_last = c->name_count++;
    snprintf(c->names[c->name_last], sizeof *c->names, "%s", name);
    return true;
}

rlt_status rlt_command_report(rlt_command_host *host, rlt_command *command, rlt_report *report,
                              rlt_err *err) {
    int kept = 0;
    for (int i = 0; i < report->count; i++) {
        if (know_name(command, report->names[i])) {
            report->names[kept] = report->names[i];
            report->values[kept++] = report->values[i];
        }
    }
    report->count = kept;
    return kept == 0 && !report->asks
               ? RLT_OK
               : host->events->report(host->events->user, command->id, report, err);
}

/* A line that may be a JSON report; `from` is the connection it came over, or NULL. */
rlt_status rlt_command_line(rlt_command_host *host, rlt_command *command, const char *line,
                            size_t size, rlt_connection *from, bool *understood, rlt_err *err) {
    rlt_report report;
    const char *error;
    void *owner;
    *understood = true;
    if (from != NULL && rlt_task_is_done(command, line, size)) {
        return rlt_command_end_task(host, command, err);
    }
    *understood = rlt_report_read(line, size, &report, &error, &owner);
    if (!*understood) {
        return RLT_OK;
    }
    if (error != NULL && from != NULL) {
        free(command->error);
        command->error = strdup(error);
    }
    if (report.step < 0) { /* the next one; a question alone is about the last one */
        int64_t before = command->step < 0 ? 0 : command->step;
        report.step = report.count > 0 ? before + 1 : before;
    }
    command->step = report.step;
    command->seen = 0;
    report.asks = report.asks && from != NULL;
    command->asking = report.asks ? from : command->asking;
    rlt_status status = rlt_command_report(host, command, &report, err);
    rlt_report_release(owner);
    return status;
}

/* Metrics of one line. Without a pattern for steps, one that comes again begins the next step. */
static rlt_status match_line(rlt_command_host *host, rlt_command *c, const char *line,
                             rlt_err *err) {
    rlt_report report;
    uint64_t found = rlt_patterns_match(c->patterns, line, &report);
    if (report.step >= 0) {
        c->step = report.step;
        c->seen = 0;
    } else if (found != 0 && !c->patterns->has_step && (c->step < 0 || (found & c->seen) != 0)) {
        c->step = c->step < 0 ? 1 : c->step + 1;
        c->seen = 0;
    }
    c->seen |= found;
    report.step = c->step < 0 ? 0 : c->step;
    return found != 0 ? rlt_command_report(host, c, &report, err) : RLT_OK;
}

typedef struct reading {
    rlt_command_host *host;
    rlt_command *command;
    bool json;
} reading;

static rlt_status on_output_line(void *user, char *line, size_t size, rlt_err *err) {
    const reading *r = user;
    bool understood = false;
    if (r->json && memchr(line, '{', size) != NULL) {
        RLT_TRY(rlt_command_line(r->host, r->command, line, size, NULL, &understood, err));
    }
    return understood || r->command->patterns == NULL || size > RLT_COMMAND_PATTERN_LINE_MAX
               ? RLT_OK
               : match_line(r->host, r->command, line, err);
}

static rlt_status on_board(void *user, const rlt_report *report, rlt_err *err) {
    const reading *r = user;
    rlt_report own = *report;
    r->command->heard = rlt_clock_s();
    return rlt_command_report(r->host, r->command, &own, err);
}

static rlt_status read_board(rlt_command_host *host, rlt_command *c, rlt_err *err) {
    reading r = {host, c, false};
    if (c->board == NULL) {
        return RLT_OK;
    }
    c->board_next = rlt_clock_s() + board_every_s;
    rlt_err why = {0};
    rlt_status status = rlt_board_read(c->board, on_board, &r, &why);
    if (status == RLT_ECORRUPT) {
        snprintf(c->trouble, sizeof c->trouble, "%.250s", why.message);
        return RLT_OK;
    }
    return status == RLT_OK ? status : rlt_fail(err, status, "%s", why.message);
}

/* ---- output ---- */

/* *more: there may be more to read at once. */
static rlt_status read_output(rlt_command_host *host, rlt_watched *watched, bool *more,
                              rlt_err *err) {
    rlt_command *c = watched->command;
    reading r = {host, c, c->json && watched->kind == RLT_SOURCE_OUT};
    ssize_t got = read(watched->fd, host->buffer, RLT_READ_SIZE);
    *more = got > 0;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return RLT_OK;
    }
    if (got <= 0) {
        rlt_host_close(host, watched);
        return rlt_lines_end(&watched->lines, on_output_line, &r, err);
    }
    c->heard = rlt_clock_s();
    rlt_output_log_add(&c->log, host->buffer, (size_t)got);
    rlt_tail_add(&c->tail, host->buffer, (size_t)got);
    bool wanted = r.json || c->patterns != NULL;
    return wanted ? rlt_lines_add(&watched->lines, host->buffer, (size_t)got, RLT_COMMAND_LINE_MAX,
                                  on_output_line, &r, err)
                  : RLT_OK;
}

/* What is still in the pipe of a command that has ended; not for ever: another one may hold it. */
static rlt_status drain(rlt_command_host *host, rlt_watched *watched, rlt_err *err) {
    bool more = true;
    for (int i = 0; i < DRAIN_MAX && more && watched->fd >= 0; i++) {
        RLT_TRY(read_output(host, watched, &more, err));
    }
    reading r = {host, watched->command, watched->command->json && watched->kind == RLT_SOURCE_OUT};
    return rlt_lines_end(&watched->lines, on_output_line, &r, err);
}

/* ---- ends ---- */

static rlt_status drain_connections(rlt_command_host *host, rlt_command *c, rlt_err *err) {
    for (rlt_connection *at = host->connections; at != NULL; at = at->next) {
        if (at->watched.command != c) {
            continue;
        }
        bool more = true;
        for (int i = 0; i < DRAIN_MAX && more && at->watched.fd >= 0; i++) {
            RLT_TRY(rlt_connection_read(host, at, &more, err));
        }
    }
    return RLT_OK;
}

static void join_names(const rlt_command *c, rlt_buf *names) {
    for (int i = 0; i < c->name_count; i++) {
        rlt_buf_printf(names, "%s%s", i > 0 ? ", " : "", c->names[i]);
    }
}

static void fill_how(int status, rlt_command_end *end, char *how, size_t size) {
    if (WIFSIGNALED(status)) {
        end->signal = WTERMSIG(status);
        snprintf(how, size, "signal %d (%s)", end->signal, strsignal(end->signal));
    } else {
        end->code = WEXITSTATUS(status);
        snprintf(how, size, "exit code %d", end->code);
    }
    end->how = how;
}

static rlt_status say_ended(rlt_command_host *host, rlt_command *c, int status, rlt_err *err) {
    char how[64], tail[RLT_COMMAND_TAIL_MAX + 1];
    rlt_buf names = {0};
    join_names(c, &names);
    rlt_tail_text(&c->tail, tail);
    rlt_command_end end = {.stopped = c->kill_at > 0 || c->term_at > 0,
                           .silent = c->silent,
                           .error = c->error,
                           .tail = tail,
                           .names = names.data != NULL ? names.data : "",
                           .logged = c->log.fd >= 0,
                           .trouble = c->trouble};
    fill_how(status, &end, how, sizeof how);
    rlt_status result = host->events->ended(host->events->user, c->id, &end, err);
    rlt_buf_fini(&names);
    return result;
}

/* Its group is ended before it is reaped, so that the number cannot be another's yet. */
static int end_process(rlt_command_host *host, rlt_command *c) {
    int status = 0;
    kill(-c->job.pid, SIGKILL);
    rlt_guard_forget(&host->guard, c->job.pid);
    while (waitpid(c->job.pid, &status, 0) < 0 && errno == EINTR) {
    }
    c->job = (rlt_job){.pidfd = -1};
    rlt_host_close(host, &c->exit);
    return status;
}

/* `status` as from waitpid. */
static rlt_status end_command(rlt_command_host *host, rlt_command *c, int status, rlt_err *err) {
    rlt_status result = drain(host, &c->out, err);
    result = result == RLT_OK ? drain(host, &c->err, err) : result;
    result = result == RLT_OK ? drain_connections(host, c, err) : result;
    if (result != RLT_OK || c->idle) { /* its last word was that its task is done */
        return result;
    }
    result = read_board(host, c, err);
    result = result == RLT_OK ? say_ended(host, c, status, err) : result;
    host->count--;
    return result;
}

rlt_status rlt_command_end_task(rlt_command_host *host, rlt_command *c, rlt_err *err) {
    rlt_status status = drain(host, &c->out, err);
    status = status == RLT_OK ? drain(host, &c->err, err) : status;
    status = status == RLT_OK ? say_ended(host, c, 0, err) : status;
    host->count--;
    rlt_task_end(host, c);
    return status;
}

static rlt_status on_exit_of(rlt_command_host *host, rlt_command *c, rlt_err *err) {
    int status = end_process(host, c);
    rlt_status result = c->idle ? RLT_OK : end_command(host, c, status, err);
    rlt_host_close(host, &c->out);
    rlt_host_close(host, &c->err);
    rlt_host_drop_connections(host, c);
    c->gone = true;
    return result;
}

void rlt_command_free(rlt_command *c) {
    rlt_lines_fini(&c->out.lines);
    rlt_lines_fini(&c->err.lines);
    rlt_output_log_fini(&c->log);
    rlt_board_close(&c->board);
    free(c->names);
    free(c->error);
    rlt_free(c);
}

static void free_gone(rlt_command_host *host) {
    rlt_host_drop_connections(host, NULL);
    for (rlt_command **at = &host->commands; *at != NULL;) {
        rlt_command *c = *at;
        if (c->gone) {
            *at = c->next;
            rlt_command_free(c);
        } else {
            at = &c->next;
        }
    }
}

/* ---- asking to end ---- */

static void ask_to_end(rlt_command *c) {
    c->kill_at = rlt_clock_s() + c->grace_s;
    kill(-c->job.pid, SIGTERM);
}

/* A task that has just been told so is about to end by itself, and its process does the next one.
 */
void rlt_command_stop(rlt_command_host *host, int64_t id) {
    rlt_command *c = find(host, id);
    if (c == NULL || c->kill_at > 0 || c->term_at > 0) {
        return;
    }
    if (c->takes_tasks && c->told) {
        c->term_at = rlt_clock_s() + told_s;
    } else {
        ask_to_end(c);
    }
}

void rlt_command_kill(rlt_command_host *host, int64_t id) {
    rlt_command *c = find(host, id);
    if (c != NULL) {
        c->kill_at = c->kill_at > 0 ? c->kill_at : rlt_clock_s();
        kill(-c->job.pid, SIGKILL);
    }
}

void rlt_command_keep_log(rlt_command_host *host, int64_t id) {
    rlt_command *c = find(host, id);
    if (c != NULL) {
        rlt_output_log_keep(&c->log);
    }
}

void rlt_command_reply(rlt_command_host *host, int64_t id, bool stop, int64_t milestone,
                       double asks_in_s) {
    char line[128], seconds[40] = "";
    rlt_command *c = find(host, id);
    if (c == NULL || c->asking == NULL) {
        return;
    }
    if (isfinite(asks_in_s)) {
        snprintf(seconds, sizeof seconds, ", \"asks_in_s\": %.6f", asks_in_s);
    }
    snprintf(line, sizeof line, "{\"stop\": %s, \"milestone\": %lld%s}\n", stop ? "true" : "false",
             (long long)milestone, seconds);
    rlt_connection_write(host, c->asking, line);
    c->asking = NULL;
    c->told = stop;
}

/* ---- the pump ---- */

static rlt_status check_times(rlt_command_host *host, rlt_err *err) {
    double now = rlt_clock_s();
    for (rlt_command *c = host->commands; c != NULL; c = c->next) {
        if (c->gone) {
            continue;
        }
        if (c->term_at > 0 && now >= c->term_at && c->kill_at == 0) {
            ask_to_end(c);
        }
        if (c->kill_at > 0 && now >= c->kill_at) {
            kill(-c->job.pid, SIGKILL);
        }
        if (c->silence_s > 0 && now - c->heard > c->silence_s && !c->silent && !c->idle) {
            c->silent = true;
            kill(-c->job.pid, SIGKILL);
        }
        if (c->log.holds && now - c->started > held_s) {
            rlt_output_log_keep(&c->log);
        }
        if (c->board != NULL && now >= c->board_next) {
            RLT_TRY(read_board(host, c, err));
        }
    }
    return RLT_OK;
}

static rlt_status handle(rlt_command_host *host, rlt_watched *watched, rlt_err *err) {
    bool more;
    if (watched->fd < 0) {
        return RLT_OK; /* closed by an event before */
    }
    switch (watched->kind) {
    case RLT_SOURCE_OUT:
    case RLT_SOURCE_ERR:
        return read_output(host, watched, &more, err);
    case RLT_SOURCE_EXIT:
        return on_exit_of(host, watched->command, err);
    case RLT_SOURCE_CONNECTION:
        if (watched->command != NULL) {
            watched->command->heard = rlt_clock_s();
        }
        return rlt_connection_read(host, (rlt_connection *)watched, &more, err);
    case RLT_SOURCE_LISTENER:
        rlt_host_accept(host);
        break;
    }
    return RLT_OK;
}

rlt_status rlt_command_host_pump(rlt_command_host *host, const rlt_command_events *events,
                                 rlt_err *err) {
    struct epoll_event ready[EVENTS_MAX];
    rlt_status status = RLT_OK;
    int count = EVENTS_MAX;
    host->events = events;
    for (int round = 0; round < ROUNDS_MAX && count == EVENTS_MAX && status == RLT_OK; round++) {
        count = epoll_wait(host->epoll, ready, EVENTS_MAX, 0);
        for (int i = 0; i < count && status == RLT_OK; i++) {
            status = handle(host, ready[i].data.ptr, err);
        }
    }
    if (status == RLT_OK) {
        status = check_times(host, err);
    }
    free_gone(host);
    host->events = NULL;
    return status;
}

void rlt_command_host_destroy(rlt_command_host **made) {
    rlt_command_host *host = *made;
    if (host == NULL) {
        return;
    }
    for (rlt_command *c = host->commands; c != NULL; c = c->next) {
        if (!c->gone) {
            kill(-c->job.pid, SIGKILL);
        }
    }
    for (rlt_command *c = host->commands; c != NULL; c = c->next) {
        if (!c->gone) {
            end_process(host, c);
            rlt_host_close(host, &c->out);
            rlt_host_close(host, &c->err);
            rlt_host_drop_connections(host, c);
            c->gone = true;
        }
    }
    free_gone(host);
    for (rlt_connection *c = host->connections; c != NULL; c = c->next) {
        rlt_host_close(host, &c->watched);
    }
    rlt_host_drop_connections(host, NULL);
    rlt_host_close(host, &host->listener);
    rlt_guard_end(&host->guard);
    if (host->epoll >= 0) {
        close(host->epoll);
    }
    rlt_free(host->buffer);
    rlt_free(host);
    *made = NULL;
}
