/* scheduler: any program as a child in a process group of its own. Between vfork and exec the
 * child writes to no memory but *failure: it runs in its parent's. Why vfork: a fork copies the
 * page tables of a driver that has grown, which would be most of the cost of a short program.
 * Thread: the one that reaps the child. Owner: the caller owns pid and pidfd. */
#include "scheduler/scheduler.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_executable(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

rlt_status rlt_job_find(const char *name, const char *folder, char path[4096], rlt_err *err) {
    if (strchr(name, '/') != NULL) {
        bool relative = name[0] != '/' && folder != NULL;
        int length = relative ? snprintf(path, PATH_MAX, "%s/%s", folder, name)
                              : snprintf(path, PATH_MAX, "%s", name);
        return length < PATH_MAX && is_executable(path)
                   ? RLT_OK
                   : rlt_fail(err, RLT_ENOTFOUND, "'%.200s' is no program that can be run", path);
    }
    const char *at = getenv("PATH");
    at = at != NULL ? at : "/usr/local/bin:/usr/bin:/bin";
    while (*name != 0) {
        size_t size = strcspn(at, ":");
        int length = snprintf(path, PATH_MAX, "%.*s/%s", size > 0 ? (int)size : 1,
                              size > 0 ? at : ".", name);
        if (length < PATH_MAX && is_executable(path)) {
            return RLT_OK;
        }
        if (at[size] == 0) {
            break;
        }
        at += size + 1;
    }
    return rlt_fail(err, RLT_ENOTFOUND, "there is no program '%.200s' on the PATH", name);
}

typedef struct launch {
    const rlt_launch *program;
    const char *path;
    pid_t parent;
    int guard;
    const sigset_t *mask;
} launch;

static bool place(int fd, int number) {
    return fd == number ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, number) == number;
}

static bool prepare(const launch *l) {
    const rlt_launch *p = l->program;
    int32_t pid = (int32_t)getpid();
    struct sigaction action = {.sa_handler = SIG_DFL};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != l->parent || setpgid(0, 0) != 0) {
        return false;
    }
    /* known to the guard before there can be any grandchild */
    if (l->guard >= 0 && send(l->guard, &pid, sizeof pid, MSG_NOSIGNAL) != sizeof pid) {
        return false;
    }
    for (int number = 1; number < NSIG; number++) {
        sigaction(number, &action, NULL);
    }
    if (p->files != NULL && setrlimit(RLIMIT_NOFILE, p->files) != 0) {
        return false;
    }
    if (p->folder != NULL && chdir(p->folder) != 0) {
        return false;
    }
    bool placed = place(p->in, 0) && place(p->out, 1) && place(p->err, 2) &&
                  (p->channel < 0 || place(p->channel, 3));
    return placed && close_range(p->channel < 0 ? 3 : 4, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
}

/* The signal mask of the child, its handlers reset, is that of before the vfork. */
static pid_t launch_child(const launch *l, volatile int *failure) {
    pid_t pid = vfork();
    if (pid == 0) {
        if (prepare(l)) {
            sigprocmask(SIG_SETMASK, l->mask, NULL);
            execve(l->path, l->program->argv, l->program->environment);
        }
        *failure = errno != 0 ? errno : EIO;
        _exit(127);
    }
    return pid;
}

rlt_status rlt_job_launch(rlt_job *job, const rlt_launch *program, rlt_guard *guard, rlt_err *err) {
    char path[PATH_MAX];
    volatile int failure = 0;
    *job = (rlt_job){.pidfd = -1};
    RLT_ASSERT(program->in > 3 && program->out > 3 && program->err > 3);
    RLT_TRY(rlt_job_find(program->argv[0], program->folder, path, err));
    sigset_t all, none, before;
    sigfillset(&all);
    sigemptyset(&none);
    launch l = {program, path, getpid(), guard != NULL ? guard->fd : -1, &none};
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = launch_child(&l, &failure);
    int code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        return rlt_fail(err, RLT_EIO, "could not start '%.200s': %s", path, strerror(code));
    }
    job->pid = pid;
    job->pidfd = failure == 0 ? pidfd_open(pid, 0) : -1;
    if (job->pidfd >= 0) {
        return RLT_OK;
    }
    code = failure != 0 ? failure : errno;
    kill(pid, SIGKILL);
    rlt_guard_forget(guard, pid);
    rlt_job_reap(job, NULL, 0);
    rlt_status status = code == EPIPE || code == ECONNRESET ? RLT_EPEER
                        : code == ENOENT || code == EACCES || code == ENOTDIR || code == ENOEXEC
                            ? RLT_ENOTFOUND
                            : RLT_EIO;
    return rlt_fail(err, status, "could not run '%.200s'%s%.100s: %s", path,
                    program->folder != NULL ? " in " : "",
                    program->folder != NULL ? program->folder : "", strerror(code));
}
