/* core: child processes by fork and exec of this very binary.
 * Why: a process is the blast radius; exec gives the child a clean state.
 * Threads: spawn from a thread that lives as long as the child should: PR_SET_PDEATHSIG fires
 * when the spawning thread ends. Owner: the caller owns the pid and must wait for it. */
#include "core/core.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_PARENT_GONE = 130 };

void rlt_process_follow_parent(pid_t expected_parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != expected_parent) {
        _exit(EXIT_PARENT_GONE); /* it died before prctl */
    }
}

/* Between fork and exec: async-signal-safe calls only. */
static void mark_all_cloexec(void) {
    if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0) {
        return;
    }
    struct rlimit limit = {.rlim_cur = 1024};
    getrlimit(RLIMIT_NOFILE, &limit);
    int end = limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
    for (int fd = 3; fd < end; fd++) {
        fcntl(fd, F_SETFD, FD_CLOEXEC); /* EBADF for those not open */
    }
}

_Noreturn static void run_child(char *const argv[], const int *fds, int fd_count, pid_t parent,
                                int report_fd) {
    rlt_process_follow_parent(parent);
    for (int number = 1; number < NSIG; number++) {
        signal(number, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    mark_all_cloexec();
    bool ready = true;
    for (int i = 0; i < fd_count; i++) {
        ready = ready && fcntl(fds[i], F_SETFD, 0) == 0;
    }
    if (ready) {
        execv("/proc/self/exe", argv);
    }
    int code = errno;
    ssize_t ignored = write(report_fd, &code, sizeof code);
    (void)ignored;
    _exit(127);
}

/* The pipe closes on a successful exec; otherwise errno comes through it. */
static rlt_status await_exec(int fd, pid_t pid, rlt_err *err) {
    int code = 0;
    ssize_t got;
    do {
        got = read(fd, &code, sizeof code);
    } while (got < 0 && errno == EINTR);
    if (got != sizeof code) {
        return RLT_OK;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return rlt_fail(err, RLT_EIO, "could not start a child process: %s", strerror(code));
}

static char **copy_argv(char *const argv[]) {
    size_t count = 1;
    while (argv[count] != NULL) {
        count++;
    }
    char **copy = rlt_alloc((count + 1) * sizeof *copy);
    memcpy(copy, argv, count * sizeof *copy);
    copy[0] = program_invocation_name;
    return copy;
}

rlt_status rlt_process_spawn(char *const argv[], const int *fds, int fd_count, pid_t *pid,
                             rlt_err *err) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        return rlt_fail(err, RLT_EIO, "could not create a pipe: %s", strerror(errno));
    }
    char **child_argv = copy_argv(argv);
    pid_t parent = getpid();
    sigset_t all, before; /* so that no handler of ours runs in the child before SIG_DFL is set */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child == 0) {
        run_child(child_argv, fds, fd_count, parent, report[1]);
    }
    int fork_errno = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    rlt_free(child_argv);
    rlt_status status;
    if (child < 0) {
        status = rlt_fail(err, RLT_EIO, "could not fork: %s", strerror(fork_errno));
    } else {
        status = await_exec(report[0], child, err);
        *pid = status == RLT_OK ? child : 0;
    }
    close(report[0]);
    return status;
}
