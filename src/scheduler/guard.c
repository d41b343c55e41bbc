/* scheduler: the guard: a process that outlives its parent by a moment, to end what the parent left
 * behind. Why: PR_SET_PDEATHSIG reaches a program, but not the programs that it has started; a
 * shell would leave its children to init when its parent is killed.
 * The parent's death shows as the end of a socket pair whose other end it alone holds. Each message
 * is the id of a process group: positive when it begins (sent by the child itself, before exec),
 * negative when nothing of it is left. At the end every group that is known is killed, then every
 * process whose environment carries the mark, wherever it has moved to.
 * Thread: main of its process. Owner: the parent. */
#include "scheduler/scheduler.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READY_MS = 10000, SWEEPS_MAX = 20, SWEEP_MS = 10, ENVIRON_MAX = 1 << 20 };

/* ---- the parent's side ---- */

static rlt_status await_ready(rlt_guard *guard, rlt_err *err) {
    struct pollfd item = {.fd = guard->fd, .events = POLLIN};
    int32_t word = 0;
    int ready;
    do {
        ready = poll(&item, 1, READY_MS);
    } while (ready < 0 && errno == EINTR);
    if (ready == 1 && recv(guard->fd, &word, sizeof word, 0) == sizeof word) {
        return RLT_OK;
    }
    rlt_guard_end(guard);
    return rlt_fail(err, RLT_EPEER, "the guard of child processes did not start");
}

rlt_status rlt_guard_start(rlt_guard *guard, const char *mark, rlt_err *err) {
    int pair[2];
    char fd[16];
    *guard = (rlt_guard){.fd = -1, .job = {.pidfd = -1}};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return rlt_fail(err, RLT_EIO, "could not make a socket pair: %s", strerror(errno));
    }
    snprintf(fd, sizeof fd, "%d", pair[1]);
    char *argv[] = {NULL, "guard", "--fd", fd, "--mark", (char *)mark, NULL};
    rlt_status status = rlt_job_start(&guard->job, argv, &pair[1], 1, NULL, NULL, err);
    close(pair[1]);
    if (status != RLT_OK) {
        close(pair[0]);
        return status;
    }
    guard->fd = pair[0];
    return await_ready(guard, err);
}

static void tell(rlt_guard *guard, int32_t word) {
    if (guard != NULL && guard->fd >= 0) {
        ssize_t ignored = send(guard->fd, &word, sizeof word, MSG_NOSIGNAL);
        (void)ignored; /* a dead guard shows when the next program starts */
    }
}

void rlt_guard_remember(rlt_guard *guard, pid_t group) {
    tell(guard, (int32_t)group);
}

void rlt_guard_forget(rlt_guard *guard, pid_t group) {
    tell(guard, -(int32_t)group);
}

void rlt_guard_end(rlt_guard *guard) {
    if (guard->fd >= 0 && guard->job.pid > 0) {
        close(guard->fd);
        rlt_job_end(&guard->job, READY_MS);
    }
    *guard = (rlt_guard){.fd = -1, .job = {.pidfd = -1}};
}

/* ---- its own process ---- */

typedef struct groups {
    int32_t *ids;
    size_t count, capacity;
} groups;

static void note(groups *g, int32_t word) {
    for (size_t i = 0; word < 0 && i < g->count; i++) {
        if (g->ids[i] == -word) {
            g->ids[i] = g->ids[--g->count];
            return;
        }
    }
    if (word > 1) { /* kill(-1) would reach everything */
        if (g->count == g->capacity) {
            g->capacity = 2 * g->capacity + 64;
            g->ids = realloc(g->ids, sizeof *g->ids * g->capacity);
            RLT_ASSERT(g->ids != NULL);
        }
        g->ids[g->count++] = word;
    }
}

/* Whether the environment of a process holds the text `mark` as one of its entries. */
static bool carries(const char *pid, const char *mark, char *buffer) {
    char path[64];
    size_t size = 0;
    snprintf(path, sizeof path, "/proc/%.20s/environ", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false; /* gone, or somebody else's */
    }
    ssize_t got;
    while (size < ENVIRON_MAX && (got = read(fd, buffer + size, ENVIRON_MAX - size)) > 0) {
        size += (size_t)got;
    }
    close(fd);
    return memmem(buffer, size, mark, strlen(mark) + 1) != NULL;
}

/* Returns how many were killed. */
static int sweep(const char *mark, char *buffer) {
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    int count = 0;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) && carries(entry->d_name, mark, buffer)) {
            pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
            count += pid > 1 && pid != getpid() && kill(pid, SIGKILL) == 0;
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count;
}

static void end_all(const groups *g, const char *mark) {
    for (size_t i = 0; i < g->count; i++) {
        kill(-g->ids[i], SIGKILL);
    }
    char *buffer = malloc(ENVIRON_MAX);
    RLT_ASSERT(buffer != NULL);
    for (int i = 0; i < SWEEPS_MAX && *mark != 0 && sweep(mark, buffer) > 0; i++) {
        poll(NULL, 0, SWEEP_MS); /* what is dying may just have started another one */
    }
    free(buffer);
}

rlt_status rlt_guard_run(int fd, const char *mark, rlt_err *err) {
    groups g = {0};
    int32_t word = 1;
    prctl(PR_SET_PDEATHSIG, 0); /* it lives on when its parent dies: that is what it is for */
    setsid();
    if (send(fd, &word, sizeof word, MSG_NOSIGNAL) != sizeof word) {
        return rlt_fail(err, RLT_EPEER, "the guard's parent has gone");
    }
    for (;;) {
        ssize_t got = recv(fd, &word, sizeof word, 0);
        if (got == (ssize_t)sizeof word) {
            note(&g, word);
        } else if (got >= 0 || errno != EINTR) {
            break;
        }
    }
    end_all(&g, mark);
    free(g.ids);
    return RLT_OK;
}
