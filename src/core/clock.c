/* core: clocks. Why: deadlines and leases need monotonic time, people need wall time.
 * Threads: reentrant. Owner: nothing is owned. */
#include "core/core.h"

#include <time.h>

uint64_t rlt_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

double rlt_clock_s(void) {
    return (double)rlt_clock_ns() * 1e-9;
}

int64_t rlt_wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
