/* group by shared memory: every member writes its block into the area of the call's parity, meets
 * the others, and reads theirs. Two areas make one meeting a call enough: who is a call ahead
 * writes to the other area, and cannot get two ahead. Waiting is a short spin, then a futex.
 * Thread: the group's; the memory is shared by processes. */
#include "group/group.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 64, SPIN_NS = 20000, SPIN_STEPS = 32, WAIT_MS = 100 };

typedef struct meeting {                /* at the front of the memory */
    _Alignas(LINE) atomic_uint arrived; /* of the meeting in progress */
    _Alignas(LINE) atomic_uint round;   /* meetings so far; futex */
    /* what each rank is about to exchange, so that members out of step notice */
    _Alignas(LINE) uint64_t bytes[2][RLT_GROUP_MAX];
} meeting;

typedef struct shm_group {
    rlt_group base;
    meeting *shared;
    unsigned char *area[2]; /* [count][stride] */
    size_t block_max, stride;
    unsigned calls;
} shm_group;

static size_t stride_of(size_t block_max) {
    return (block_max + LINE - 1) / LINE * LINE;
}

size_t rlt_group_shm_size(int count, size_t block_max) {
    return sizeof(meeting) + 2 * (size_t)count * stride_of(block_max);
}

static rlt_status wait_for(shm_group *g, unsigned round, rlt_err *err) {
    uint64_t start = rlt_clock_ns();
    while (rlt_clock_ns() - start < SPIN_NS) {
        for (int i = 0; i < SPIN_STEPS; i++) {
            if (atomic_load_explicit(&g->shared->round, memory_order_acquire) != round) {
                return RLT_OK;
            }
        }
    }
    const struct timespec limit = {.tv_nsec = WAIT_MS * 1000000L};
    while (atomic_load_explicit(&g->shared->round, memory_order_acquire) == round) {
        syscall(SYS_futex, &g->shared->round, FUTEX_WAIT, round, &limit, NULL, 0);
        if (g->base.idle.call != NULL &&
            atomic_load_explicit(&g->shared->round, memory_order_acquire) == round) {
            RLT_TRY(g->base.idle.call(g->base.idle.user, err));
        }
    }
    return RLT_OK;
}

static rlt_status meet(shm_group *g, rlt_err *err) {
    unsigned round = atomic_load_explicit(&g->shared->round, memory_order_acquire);
    if (atomic_fetch_add(&g->shared->arrived, 1) + 1 == (unsigned)g->base.count) {
        atomic_store(&g->shared->arrived, 0);
        atomic_fetch_add(&g->shared->round, 1);
        syscall(SYS_futex, &g->shared->round, FUTEX_WAKE, g->base.count, NULL, NULL, 0);
        return RLT_OK;
    }
    return wait_for(g, round, err);
}

static rlt_status exchange(shm_group *g, const unsigned char *mine, unsigned char *all,
                           size_t all_stride, size_t bytes, rlt_err *err) {
    unsigned side = g->calls++ % 2;
    size_t rank = (size_t)g->base.rank, count = (size_t)g->base.count;
    g->shared->bytes[side][rank] = bytes;
    memcpy(g->area[side] + rank * g->stride, mine, bytes);
    RLT_TRY(meet(g, err));
    for (size_t r = 0; r < count; r++) {
        if (g->shared->bytes[side][r] != bytes) {
            return rlt_fail(err, RLT_EPROTO, "learner %zu gave %llu bytes where %zu were due", r,
                            (unsigned long long)g->shared->bytes[side][r], bytes);
        }
        unsigned char *to = all + r * all_stride;
        if (to != mine) {
            memcpy(to, g->area[side] + r * g->stride, bytes);
        }
    }
    return RLT_OK;
}

static rlt_status all_gather(rlt_group *group, const void *mine, void *all, size_t bytes,
                             rlt_err *err) {
    shm_group *g = (shm_group *)group;
    for (size_t at = 0; at < bytes; at += g->block_max) {
        size_t piece = bytes - at < g->block_max ? bytes - at : g->block_max;
        RLT_TRY(exchange(g, (const unsigned char *)mine + at, (unsigned char *)all + at, bytes,
                         piece, err));
    }
    return RLT_OK;
}

static void destroy(rlt_group *group) {
    rlt_free(group);
}

static const rlt_group_ops shm_ops = {.all_gather = all_gather, .destroy = destroy};

rlt_status rlt_group_shm(void *memory, size_t size, int rank, int count, size_t block_max,
                         rlt_group_idle idle, rlt_group **group, rlt_err *err) {
    RLT_ASSERT(rank >= 0 && rank < count && count <= RLT_GROUP_MAX && block_max > 0);
    if (size < rlt_group_shm_size(count, block_max)) {
        return rlt_fail(err, RLT_EPROTO, "%zu bytes of shared memory for %d learners, %zu needed",
                        size, count, rlt_group_shm_size(count, block_max));
    }
    shm_group *g = rlt_alloc(sizeof(*g));
    g->base = (rlt_group){.ops = &shm_ops, .rank = rank, .count = count, .idle = idle};
    g->shared = memory;
    g->block_max = block_max;
    g->stride = stride_of(block_max);
    g->area[0] = (unsigned char *)memory + sizeof(meeting);
    g->area[1] = g->area[0] + (size_t)count * g->stride;
    *group = &g->base;
    return RLT_OK;
}
