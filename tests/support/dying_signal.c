/* To be preloaded: the process dies by SIGKILL just before it would ask a process group to end, the
 * first time, that is when the file RLT_DYING_MARK isn't there yet. Thread: any. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int kill(pid_t pid, int number) {
    const char *mark = getenv("RLT_DYING_MARK");
    if (pid < -1 && number == SIGTERM && mark != NULL) {
        int fd = open(mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0) {
            close(fd);
            syscall(SYS_kill, getpid(), SIGKILL);
        }
    }
    return (int)syscall(SYS_kill, pid, number);
}
