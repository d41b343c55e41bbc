/* scheduler: platform resources: which cores this process may use, and jobs: child processes of
 * this very binary that are watched by a descriptor and never outlive their parent; any program
 * too, with all that it starts. Knows nothing of trials. Thread: the one that starts a job also
 * reaps it. */
#ifndef RLT_SCHEDULER_H
#define RLT_SCHEDULER_H
#include "core/core.h"

#include <sys/resource.h>

/* Cores that the affinity mask allows; at least 1. */
int rlt_scheduler_cores(void);

typedef struct rlt_job {
    pid_t pid; /* 0: none */
    int pidfd; /* readable when the process has ended */
} rlt_job;
/* argv as for rlt_process_spawn; fds are inherited. env_name=env_value (secrets) is set in the
 * child alone; env_name may be NULL. */
rlt_status rlt_job_start(rlt_job *job, char *const argv[], const int *fds, int fd_count,
                         const char *env_name, const char *env_value, rlt_err *err);
bool rlt_job_is_running(const rlt_job *job);
void rlt_job_signal(const rlt_job *job, int number);
/* Waits for the end of a job (at once when pidfd is readable); `how`: "exit code 3", "signal 9
 * (Killed)". True when it ended by itself, not by a signal. */
bool rlt_job_reap(rlt_job *job, char *how, size_t size);
/* Gives it until `timeout_ms` to end, then kills it; reaps. */
void rlt_job_end(rlt_job *job, int timeout_ms);

/* ---- any program ---- */
/* The guard kills, when this process has died however it died, the groups of programs that are left
 * and every process with the mark in its environment. {.fd = -1}: none. */
typedef struct rlt_guard {
    rlt_job job;
    int fd;
} rlt_guard;
/* mark: "NAME=value" that every program gets into its environment, unique to this process. */
rlt_status rlt_guard_start(rlt_guard *guard, const char *mark, rlt_err *err);
void rlt_guard_remember(rlt_guard *guard,
                        pid_t group); /* one more: of a guard that was started again */
void rlt_guard_forget(rlt_guard *guard, pid_t group); /* before the group's leader is reaped */
void rlt_guard_end(rlt_guard *guard);
/* Its own process: returns when the parent has gone and nothing is left. */
rlt_status rlt_guard_run(int fd, const char *mark, rlt_err *err);

typedef struct rlt_launch {
    char *const *argv;          /* argv[0] is looked for on the PATH */
    char *const *environment;   /* all of it */
    const char *folder;         /* where it runs; NULL: here */
    int in, out, err;           /* become its 0, 1, 2; each above 3 */
    int channel;                /* becomes its 3; -1: none */
    const struct rlimit *files; /* its RLIMIT_NOFILE; NULL: this process's */
} rlt_launch;
/* The file that a name stands for. RLT_ENOTFOUND: there is none that can be run. */
rlt_status rlt_job_find(const char *name, const char *folder, char path[4096], rlt_err *err);
/* Starts it as the leader of a process group, known to `guard` (may be NULL) before it runs; it
 * dies with this process. RLT_ENOTFOUND: it cannot be run; RLT_EPEER: the guard is gone. */
rlt_status rlt_job_launch(rlt_job *job, const rlt_launch *program, rlt_guard *guard, rlt_err *err);
#endif
