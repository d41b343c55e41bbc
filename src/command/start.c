/* command: starting: pipes, environment, log, guard. Thread: the host's. */
#include "command/command_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* FD_EACH: two outputs, the process, a connection, the log, an event file. */
enum { FD_MIN = 10, EXTRA_MAX = 8, FD_OTHERS = 64, FD_EACH = 6 };

rlt_status rlt_command_host_create(rlt_command_host **host, rlt_err *err) {
    rlt_command_host *made = rlt_alloc(sizeof *made);
    char token[RLT_TOKEN_SIZE];
    made->guard = (rlt_guard){.fd = -1, .job = {.pidfd = -1}};
    made->listener.fd = -1;
    made->buffer = rlt_alloc(RLT_READ_SIZE);
    getrlimit(RLIMIT_NOFILE, &made->files);
    made->epoll = epoll_create1(EPOLL_CLOEXEC);
    rlt_status status = made->epoll >= 0
                            ? RLT_OK
                            : rlt_fail(err, RLT_EIO, "no epoll descriptor: %s", strerror(errno));
    RLT_TRY_GOTO(status, failed);
    RLT_TRY_GOTO(rlt_token_make(token, err), failed);
    snprintf(made->mark, sizeof made->mark, "RLTUNE_RUN=%s", token);
    RLT_TRY_GOTO(rlt_guard_start(&made->guard, made->mark, err), failed);
    *host = made;
    return RLT_OK;
failed:
    rlt_command_host_destroy(&made);
    *host = NULL;
    return status;
}

/* ---- descriptors ---- */

rlt_status rlt_command_host_reserve(rlt_command_host *host, int commands, rlt_err *err) {
    rlim_t needed = FD_OTHERS + (rlim_t)FD_EACH * (rlim_t)commands;
    struct rlimit more = host->files;
    if (more.rlim_cur >= needed) {
        return RLT_OK;
    }
    more.rlim_cur = more.rlim_max < needed ? more.rlim_max : needed;
    if (more.rlim_max < needed || setrlimit(RLIMIT_NOFILE, &more) != 0) {
        return rlt_fail(err, RLT_ELIMIT,
                        "%d programs at once need up to %llu open files, but this process may have "
                        "%llu (ulimit -Hn); raise that limit, or lower tune.parallel to %lld",
                        commands, (unsigned long long)needed, (unsigned long long)more.rlim_max,
                        more.rlim_max > FD_OTHERS + FD_EACH
                            ? (long long)(more.rlim_max - FD_OTHERS) / FD_EACH
                            : 1LL);
    }
    return RLT_OK;
}

typedef struct ends { /* of the child and of this process; -1: none */
    int in, out, err, channel;
    int own_out, own_err, own_channel;
} ends;

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void close_child_ends(ends *e) {
    close_fd(&e->in);
    close_fd(&e->out);
    close_fd(&e->err);
    close_fd(&e->channel);
}

static void close_own_ends(ends *e) {
    close_fd(&e->own_out);
    close_fd(&e->own_err);
    close_fd(&e->own_channel);
}

/* Above the numbers that they become in the child. */
static int lift(int fd) {
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, FD_MIN);
    int code = errno;
    close(fd);
    errno = code;
    return lifted;
}

static bool make_pipe(int *own, int *child) {
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) != 0) {
        return false;
    }
    *own = pair[0];
    *child = lift(pair[1]);
    return *child >= 0 && fcntl(*own, F_SETFL, O_NONBLOCK) == 0;
}

static bool make_channel(int *own, int *child) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return false;
    }
    *own = pair[0];
    *child = lift(pair[1]);
    return *child >= 0 && fcntl(*own, F_SETFL, O_NONBLOCK) == 0;
}

static bool write_all(int fd, const char *text) {
    size_t size = strlen(text);
    while (size > 0) {
        ssize_t wrote = write(fd, text, size);
        if (wrote < 0 && errno != EINTR) {
            return false;
        }
        wrote = wrote > 0 ? wrote : 0;
        text += wrote;
        size -= (size_t)wrote;
    }
    return lseek(fd, 0, SEEK_SET) == 0;
}

/* Standard input: nothing, or the text, in memory that has no name. */
static int make_input(const char *text) {
    int fd = text == NULL ? open("/dev/null", O_RDONLY | O_CLOEXEC)
                          : memfd_create("rltune-input", MFD_CLOEXEC);
    fd = fd >= 0 ? lift(fd) : -1;
    if (fd >= 0 && text != NULL && !write_all(fd, text)) {
        close(fd);
        return -1;
    }
    return fd;
}

static rlt_status make_ends(const rlt_command_options *o, ends *e, rlt_err *err) {
    *e = (ends){-1, -1, -1, -1, -1, -1, -1};
    e->in = make_input(o->input);
    bool made = e->in >= 0 && make_pipe(&e->own_out, &e->out) && make_pipe(&e->own_err, &e->err) &&
                (o->task == NULL || make_channel(&e->own_channel, &e->channel));
    return made ? RLT_OK
                : rlt_fail(err, RLT_EIO, "could not make pipes for a program: %s", strerror(errno));
}

/* ---- the environment ---- */

static bool same_name(const char *a, const char *b) {
    size_t size = strcspn(a, "=");
    return strcspn(b, "=") == size && strncmp(a, b, size) == 0;
}

static bool is_among(const char *entry, char *const *list) {
    for (; list != NULL && *list != NULL; list++) {
        if (same_name(entry, *list)) {
            return true;
        }
    }
    return false;
}

/* The caller's additions win over this host's, those over what this process has. */
static char **make_environment(char *const *added, char *const *own) {
    size_t count = 1, at = 0;
    char *const *const parts[] = {environ, own, added};
    for (size_t i = 0; i < RLT_COUNT(parts); i++) {
        for (char *const *e = parts[i]; e != NULL && *e != NULL; e++) {
            count++;
        }
    }
    char **made = rlt_alloc(sizeof *made * count);
    for (char *const *e = environ; *e != NULL; e++) {
        if (!is_among(*e, added) && !is_among(*e, own) && !same_name(*e, "RLTUNE_KEYS=")) {
            made[at++] = *e;
        }
    }
    for (char *const *e = own; *e != NULL; e++) {
        if (!is_among(*e, added)) {
            made[at++] = *e;
        }
    }
    for (char *const *e = added; e != NULL && *e != NULL; e++) {
        made[at++] = *e;
    }
    return made;
}

static rlt_status launch(rlt_command_host *host, rlt_command *c, const rlt_command_options *o,
                         const ends *e, rlt_err *err) {
    char port[32], token[64], *own[EXTRA_MAX] = {host->mark};
    int count = 1;
    if (getenv("PYTHONUNBUFFERED") == NULL) { /* else reports would wait for a full buffer */
        own[count++] = "PYTHONUNBUFFERED=1";
    }
    if (c->token[0] != 0) {
        snprintf(port, sizeof port, "RLTUNE_PORT=%d", host->port);
        snprintf(token, sizeof token, "RLTUNE_TOKEN=%s", c->token);
        own[count++] = port;
        own[count++] = token;
    }
    char **environment = make_environment(o->environment, own);
    rlt_launch program = {o->argv, environment, o->folder,  e->in,
                          e->out,  e->err,      e->channel, &host->files};
    rlt_status status = rlt_job_launch(&c->job, &program, &host->guard, err);
    if (status == RLT_EPEER) { /* somebody killed the guard: another one, which knows all groups */
        rlt_guard_end(&host->guard);
        status = rlt_guard_start(&host->guard, host->mark, err);
        for (rlt_command *at = host->commands; at != NULL && status == RLT_OK; at = at->next) {
            if (!at->gone) {
                rlt_guard_remember(&host->guard, at->job.pid);
            }
        }
        status = status == RLT_OK ? rlt_job_launch(&c->job, &program, &host->guard, err) : status;
    }
    rlt_free(environment);
    return status;
}

/* ---- start ---- */

void rlt_command_set(rlt_command *c, const rlt_command_options *o) {
    c->id = o->id;
    c->json = o->json;
    c->patterns = o->patterns;
    c->step = o->steps > 0 ? o->steps : -1;
    c->seen = UINT64_MAX; /* whatever comes first begins the next step */
    c->grace_s = o->grace_s;
    c->silence_s = o->silence_s;
    c->started = c->heard = rlt_clock_s();
    rlt_output_log_init(&c->log, o->log_path, o->log_max, o->hold_log);
    c->board = o->tensorboard != NULL ? rlt_board_open(o->tensorboard) : NULL;
}

static rlt_status watch_all(rlt_command_host *host, rlt_command *c, ends *e, rlt_err *err) {
    c->out = (rlt_watched){.kind = RLT_SOURCE_OUT, .fd = e->own_out, .command = c};
    c->err = (rlt_watched){.kind = RLT_SOURCE_ERR, .fd = e->own_err, .command = c};
    c->exit = (rlt_watched){.kind = RLT_SOURCE_EXIT, .fd = c->job.pidfd, .command = c};
    c->next = host->commands;
    host->commands = c;
    host->count++;
    if (e->own_channel >= 0) {
        c->channel = rlt_connection_add(host, e->own_channel, c);
    }
    e->own_out = e->own_err = e->own_channel = -1;
    RLT_TRY(rlt_host_watch(host, &c->out, err));
    RLT_TRY(rlt_host_watch(host, &c->err, err));
    RLT_TRY(rlt_host_watch(host, &c->exit, err));
    return c->channel != NULL ? rlt_host_watch(host, &c->channel->watched, err) : RLT_OK;
}

rlt_status rlt_command_start(rlt_command_host *host, const rlt_command_options *o, rlt_err *err) {
    ends e;
    rlt_command *c = o->task != NULL ? rlt_task_assign(host, o) : NULL;
    rlt_status status;
    if (c != NULL) {
        return RLT_OK;
    }
    c = rlt_alloc(sizeof *c);
    c->takes_tasks = o->task != NULL;
    rlt_command_set(c, o);
    RLT_TRY_GOTO(make_ends(o, &e, err), failed);
    if (o->socket) {
        RLT_TRY_GOTO(rlt_host_listen(host, err), failed);
        RLT_TRY_GOTO(rlt_token_make(c->token, err), failed);
    }
    RLT_TRY_GOTO(launch(host, c, o, &e, err), failed);
    close_child_ends(&e);
    status = watch_all(host, c, &e, err);
    if (status != RLT_OK) { /* its exit may not be seen: it cannot be left to run */
        rlt_command_kill(host, o->id);
    } else if (o->task != NULL) {
        rlt_task_send(c, o->task);
    }
    return status;
failed:
    close_child_ends(&e);
    close_own_ends(&e);
    rlt_command_free(c);
    return status;
}
