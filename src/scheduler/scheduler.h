/* scheduler: platform resources: which cores this process may use, and jobs: child processes of
 * this very binary that are watched by a descriptor and never outlive their parent.
 * Knows nothing of trials. Thread: the one that starts a job also reaps it. */
#ifndef RLT_SCHEDULER_H
#define RLT_SCHEDULER_H
#include "core/core.h"

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
#endif
