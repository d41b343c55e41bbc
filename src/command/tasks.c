/* command: processes that do one task after another, each of which is a command of its own to the
 * caller. Why: starting a process costs a hundred times what a short task does.
 * A process that crashes, or is killed for its silence, takes its one task with it; the next task
 * gets another process. One that was asked to end does no more: the signal may still be on its way.
 * Thread: the host's. Owner: the host. */
#include "command/command_impl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { SEND_MS = 5000 };

static bool send_all(int fd, const char *text, size_t size) {
    double deadline = rlt_clock_s() + SEND_MS / 1e3;
    while (size > 0) {
        ssize_t sent = send(fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN && rlt_clock_s() < deadline) {
            struct pollfd item = {.fd = fd, .events = POLLOUT};
            poll(&item, 1, SEND_MS);
        } else if (sent < 0 && errno != EINTR) {
            return false;
        }
        text += sent > 0 ? sent : 0;
        size -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

void rlt_task_send(rlt_command *c, const char *task) {
    int fd = c->channel != NULL ? c->channel->watched.fd : -1;
    if (fd < 0 || !send_all(fd, task, strlen(task)) || !send_all(fd, "\n", 1)) {
        kill(-c->job.pid, SIGKILL);
    }
}

rlt_command *rlt_task_assign(rlt_command_host *host, const rlt_command_options *o) {
    rlt_command *c = host->commands;
    while (c != NULL && (!c->idle || c->gone || c->kill_at > 0)) {
        c = c->next;
    }
    if (c != NULL) {
        c->idle = false;
        rlt_command_set(c, o);
        host->count++;
        rlt_task_send(c, o->task);
    }
    return c;
}

bool rlt_task_is_done(const rlt_command *c, const char *line, size_t size) {
    return c->takes_tasks && !c->idle && size == strlen(RLT_COMMAND_DONE) &&
           memcmp(line, RLT_COMMAND_DONE, size) == 0;
}

void rlt_task_end(rlt_command_host *host, rlt_command *c) {
    rlt_output_log_fini(&c->log);
    rlt_board_close(&c->board);
    free(c->error);
    c->id = -1;
    c->idle = true;
    c->error = NULL;
    c->asking = NULL;
    c->seen = 0;
    c->tail = (rlt_tail){0};
    c->name_count = c->name_last = 0;
    c->trouble[0] = 0;
    c->told = false;
    c->term_at = 0;
    if (c->kill_at > 0 && c->channel != NULL) { /* the end of its connection ends it */
        rlt_host_close(host, &c->channel->watched);
    }
}
