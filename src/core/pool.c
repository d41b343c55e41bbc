/* core: fork-join threads. Why: one learner's gradient is a few tasks of tens of microseconds, so
 * that starting must cost less than a system call where the threads are awake.
 * A run is published in one word, `ticket` = (run number, tasks not yet claimed); a thread claims
 * by compare-and-swap, so a late thread can neither claim twice nor touch the next run's tasks.
 * Waiting is a short spin, then a futex: on two shared cores nobody spins for long.
 * Threads: one caller at a time. Owner: the caller of create. */
#include "core/core.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS_MAX = 256, SPIN_NS = 20000, SPIN_STEPS = 32 };

struct rlt_pool {
    int threads; /* the caller's included */
    pthread_t *handles;
    /* written by the caller before the ticket, read after a claim */
    rlt_pool_task task;
    void *user;
    uint32_t tasks;
    _Alignas(64) atomic_uint_fast64_t ticket; /* run << 32 | tasks not yet claimed */
    atomic_uint run;                          /* futex of idle threads */
    atomic_uint idle;                         /* threads about to sleep or asleep on it */
    atomic_bool stop;
    _Alignas(64) atomic_uint done; /* tasks returned; futex of the caller */
    atomic_bool caller_waits;
};

static void futex_wait(atomic_uint *word, uint32_t expected) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *word, int count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Claims one task of the published run; false when none is left. */
static bool claim(rlt_pool *pool, uint32_t *left) {
    uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    while ((uint32_t)ticket > 0) {
        if (atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket - 1,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            *left = (uint32_t)ticket;
            return true;
        }
    }
    return false;
}

/* Runs tasks until none is left. The run cannot end, so its fields cannot change, between a claim
 * and the count of `done`; after that nothing of the run is read. */
static void work(rlt_pool *pool) {
    uint32_t left;
    while (claim(pool, &left)) {
        uint32_t tasks = pool->tasks;
        pool->task(pool->user, (int)(tasks - left));
        if (atomic_fetch_add(&pool->done, 1) + 1 == tasks && atomic_load(&pool->caller_waits)) {
            futex_wake(&pool->done, 1);
        }
    }
}

static bool has_work(rlt_pool *pool) {
    return (uint32_t)atomic_load_explicit(&pool->ticket, memory_order_acquire) > 0 ||
           atomic_load(&pool->stop);
}

static bool all_done(rlt_pool *pool) {
    return atomic_load_explicit(&pool->done, memory_order_acquire) == pool->tasks;
}

static bool spin_until(bool (*ready)(rlt_pool *), rlt_pool *pool) {
    uint64_t start = rlt_clock_ns();
    do {
        for (int i = 0; i < SPIN_STEPS; i++) {
            if (ready(pool)) {
                return true;
            }
            relax();
        }
    } while (rlt_clock_ns() - start < SPIN_NS);
    return false;
}

static void *thread_main(void *argument) {
    rlt_pool *pool = argument;
    while (!atomic_load(&pool->stop)) {
        uint32_t run = atomic_load(&pool->run);
        if (!spin_until(has_work, pool)) {
            /* publishing raises `run` before it reads `idle`, so either the caller sees this
             * thread or the futex sees the new run */
            atomic_fetch_add(&pool->idle, 1);
            futex_wait(&pool->run, run);
            atomic_fetch_sub(&pool->idle, 1);
        }
        work(pool);
    }
    return NULL;
}

static void wake_idle(rlt_pool *pool) {
    atomic_fetch_add(&pool->run, 1);
    if (atomic_load(&pool->idle) > 0) {
        futex_wake(&pool->run, pool->threads);
    }
}

void rlt_pool_run(rlt_pool *pool, int tasks, rlt_pool_task task, void *user) {
    if (pool == NULL || pool->threads == 1 || tasks <= 1) {
        for (int i = 0; i < tasks; i++) {
            task(user, i);
        }
        return;
    }
    pool->task = task;
    pool->user = user;
    pool->tasks = (uint32_t)tasks;
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    uint64_t number = (atomic_load_explicit(&pool->ticket, memory_order_relaxed) >> 32) + 1;
    atomic_store(&pool->ticket, number << 32 | (uint32_t)tasks);
    wake_idle(pool);
    work(pool);
    if (!spin_until(all_done, pool)) {
        atomic_store(&pool->caller_waits, true);
        uint32_t done;
        while ((done = atomic_load(&pool->done)) != pool->tasks) {
            futex_wait(&pool->done, done);
        }
        atomic_store(&pool->caller_waits, false);
    }
}

int rlt_pool_threads(const rlt_pool *pool) {
    return pool == NULL ? 1 : pool->threads;
}

rlt_status rlt_pool_create(int threads, rlt_pool **pool, rlt_err *err) {
    *pool = NULL;
    if (threads < 1 || threads > THREADS_MAX) {
        return rlt_fail(err, RLT_EINVAL, "%d threads; allowed: 1 to %d", threads, THREADS_MAX);
    }
    rlt_pool *made = rlt_alloc(sizeof(*made));
    made->handles = rlt_alloc(sizeof(pthread_t) * (size_t)threads);
    made->threads = 1;
    sigset_t all, before; /* signals go to the caller's threads, never to these */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = 0;
    while (made->threads < threads && code == 0) {
        code = pthread_create(&made->handles[made->threads], NULL, thread_main, made);
        made->threads += code == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0) {
        int got = made->threads;
        rlt_pool_destroy(&made);
        return rlt_fail(err, RLT_ELIMIT, "could not start thread %d of %d: %s", got + 1, threads,
                        strerror(code));
    }
    *pool = made;
    return RLT_OK;
}

void rlt_pool_destroy(rlt_pool **pool) {
    rlt_pool *p = *pool;
    if (p == NULL) {
        return;
    }
    atomic_store(&p->stop, true);
    wake_idle(p);
    for (int i = 1; i < p->threads; i++) {
        pthread_join(p->handles[i], NULL);
    }
    rlt_free(p->handles);
    rlt_free(p);
    *pool = NULL;
}
