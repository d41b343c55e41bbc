/* worker: the shared memory in which workers ask their learner for actions, a step of all their
 * environments at a time. The observations are in the segment already, the answer goes there too;
 * what lies here says which step, and wakes who waits.
 * Thread: one worker a line, one learner. Owner: whoever made the memory. */
#include "worker/worker.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 64, SPIN_NS = 20000, SPIN_STEPS = 32, WAIT_MS = 200 };

typedef struct line { /* of one worker; written by it but for `answered` */
    _Alignas(LINE) atomic_uint asked;
    atomic_uint answered; /* futex of the worker */
    rlt_question question;
} line;

typedef struct header {
    _Alignas(LINE) atomic_uint bell; /* rises with every question; futex of the learner */
    atomic_uint closed;
    line lines[];
} header;

static size_t memory_bytes(int envs, int memory_width) {
    size_t bytes = sizeof(float) * (size_t)envs * (size_t)memory_width;
    return (bytes + LINE - 1) / LINE * LINE;
}

size_t rlt_asking_size(int workers, int envs, int memory_width) {
    return sizeof(header) + (size_t)workers * (sizeof(line) + memory_bytes(envs, memory_width));
}

void rlt_asking_bind(void *memory, int workers, int envs, int memory_width, rlt_asking *asking) {
    *asking = (rlt_asking){.shared = memory, .workers = workers};
    asking->memory = (unsigned char *)memory + sizeof(header) + (size_t)workers * sizeof(line);
    asking->memory_stride = memory_bytes(envs, memory_width);
}

float *rlt_asking_memory(const rlt_asking *asking, int worker) {
    return (float *)(asking->memory + (size_t)worker * asking->memory_stride);
}

/* Until *word is not `old`; false after a while. */
static bool wait_change(atomic_uint *word, unsigned old, int wait_ms) {
    uint64_t start = rlt_clock_ns();
    do {
        for (int i = 0; i < SPIN_STEPS; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != old) {
                return true;
            }
        }
    } while (rlt_clock_ns() - start < SPIN_NS);
    const struct timespec limit = {.tv_nsec = wait_ms * 1000000L};
    syscall(SYS_futex, word, FUTEX_WAIT, old, &limit, NULL, 0);
    return atomic_load_explicit(word, memory_order_acquire) != old;
}

static void raise_by_one(atomic_uint *word) {
    atomic_fetch_add(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

rlt_status rlt_ask(const rlt_asking *asking, int worker, rlt_question question, double patience_s,
                   rlt_err *err) {
    header *h = asking->shared;
    line *l = &h->lines[worker];
    unsigned answered = atomic_load_explicit(&l->answered, memory_order_acquire);
    l->question = question;
    atomic_store_explicit(&l->asked, answered + 1, memory_order_release);
    raise_by_one(&h->bell);
    double deadline = rlt_clock_s() + patience_s;
    while (!wait_change(&l->answered, answered, WAIT_MS)) {
        if (atomic_load(&h->closed) != 0) {
            return rlt_fail(err, RLT_EINTERRUPTED, "the learner has ended");
        }
        if (rlt_clock_s() > deadline) {
            return rlt_fail(err, RLT_ETIMEOUT, "the learner gave no actions for %g s", patience_s);
        }
    }
    return RLT_OK;
}

bool rlt_asked(const rlt_asking *asking, int worker, rlt_question *question) {
    const line *l = &((header *)asking->shared)->lines[worker];
    if (atomic_load_explicit(&l->asked, memory_order_acquire) ==
        atomic_load_explicit(&l->answered, memory_order_relaxed)) {
        return false;
    }
    *question = l->question;
    return true;
}

void rlt_answer(const rlt_asking *asking, int worker) {
    raise_by_one(&((header *)asking->shared)->lines[worker].answered);
}

unsigned rlt_asking_bell(const rlt_asking *asking) {
    return atomic_load(&((header *)asking->shared)->bell);
}

void rlt_asking_wait(const rlt_asking *asking, unsigned bell, int wait_ms) {
    wait_change(&((header *)asking->shared)->bell, bell, wait_ms);
}

void rlt_asking_ring(const rlt_asking *asking) {
    raise_by_one(&((header *)asking->shared)->bell);
}

void rlt_asking_forget(const rlt_asking *asking, int worker) {
    line *l = &((header *)asking->shared)->lines[worker];
    atomic_store(&l->asked, atomic_load(&l->answered));
    memset(rlt_asking_memory(asking, worker), 0, asking->memory_stride);
}

void rlt_asking_close(const rlt_asking *asking) {
    header *h = asking->shared;
    atomic_store(&h->closed, 1);
}
