/* scheduler: jobs on this host. Thread: see header. Owner: the caller owns the job. */
#include "scheduler/scheduler.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

int rlt_scheduler_cores(void) {
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return cores > 0 ? cores : 1;
}

rlt_status rlt_job_start(rlt_job *job, char *const argv[], const int *fds, int fd_count,
                         const char *env_name, const char *env_value, rlt_err *err) {
    *job = (rlt_job){.pidfd = -1};
    if (env_name != NULL) {
        setenv(env_name, env_value, 1);
    }
    rlt_status status = rlt_process_spawn(argv, fds, fd_count, &job->pid, err);
    if (env_name != NULL) {
        unsetenv(env_name);
    }
    RLT_TRY(status);
    job->pidfd = pidfd_open(job->pid, 0);
    if (job->pidfd < 0) {
        int code = errno;
        kill(job->pid, SIGKILL);
        rlt_job_reap(job, NULL, 0);
        return rlt_fail(err, RLT_EIO, "could not watch a child process: %s", strerror(code));
    }
    return RLT_OK;
}

bool rlt_job_is_running(const rlt_job *job) {
    return job->pid > 0;
}

void rlt_job_signal(const rlt_job *job, int number) {
    if (job->pid > 0) {
        kill(job->pid, number);
    }
}

bool rlt_job_reap(rlt_job *job, char *how, size_t size) {
    int status = 0;
    while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (job->pidfd >= 0) {
        close(job->pidfd);
    }
    *job = (rlt_job){.pidfd = -1};
    if (how != NULL && WIFSIGNALED(status)) {
        snprintf(how, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else if (how != NULL) {
        snprintf(how, size, "exit code %d", WEXITSTATUS(status));
    }
    return WIFEXITED(status);
}

void rlt_job_end(rlt_job *job, int timeout_ms) {
    if (job->pid <= 0) {
        return;
    }
    struct pollfd item = {.fd = job->pidfd, .events = POLLIN};
    if (timeout_ms <= 0 || poll(&item, 1, timeout_ms) != 1) {
        kill(job->pid, SIGKILL);
    }
    rlt_job_reap(job, NULL, 0);
}
