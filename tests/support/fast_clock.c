/* To be preloaded: the monotonic clock runs twenty times as fast, so that deadlines of half a
 * minute pass while a test waits. Thread: any. */
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *out) {
    int code = (int)syscall(SYS_clock_gettime, id, out);
    if (code == 0 && id == CLOCK_MONOTONIC) {
        int64_t ns = ((int64_t)out->tv_sec * 1000000000 + out->tv_nsec) * 20;
        *out = (struct timespec){ns / 1000000000, ns % 1000000000};
    }
    return code;
}
