/* The emulation's blocks: threads as fibres on stacks of their own, barriers, warp exchanges.
 * Thread: one host thread. Owner: the program; stacks are kept until it ends. */
#include "tests/support/cuda_emulation.h"

#include <sys/mman.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define NO_SANITIZE __attribute__((no_sanitize_address))
#else
#define NO_SANITIZE
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

extern "C" {
extern char __start_rlt_shared[] __attribute__((weak));
extern char __stop_rlt_shared[] __attribute__((weak));
}

namespace {

enum state { READY, AT_BARRIER, IN_WARP, DONE };
enum { THREADS_MAX = 1024, STACK_BYTES = 128 * 1024, SHARED_MAX = 227 * 1024 };

struct context {
#if defined(__x86_64__)
    void *stack_pointer;
#else
    ucontext_t machine;
#endif
    void *fake_stack; /* AddressSanitizer's */
};

struct fibre {
    context at;
    state now;
    uint3 index;
    const char *place; /* of the barrier that it waits at */
    int vote, vote_kind;
    uint64_t exchanges; /* done so far; which of the two slots is current */
};

struct warp {
    uint64_t slot[2][32];
    unsigned deposited;
    int kind;
    const char *place;
};

const char *kernel_name;
const std::function<void()> *kernel_body;
fibre fibres[THREADS_MAX];
warp warps[THREADS_MAX / 32];
char *stacks;
context scheduler;
int current, thread_count, at_barrier, done_count;
int votes_sum, votes_result;
uint64_t order_seed, order_state, launches;
alignas(256) unsigned char dynamic_shared[SHARED_MAX];

[[noreturn]] void fail(const char *text, const char *place) {
    fflush(stdout);
    fprintf(stderr, "cuda emulation: kernel %s, block (%u, %u, %u), thread (%u, %u, %u): %s (%s)\n",
            kernel_name, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z,
            text, place);
    abort();
}

#if defined(__x86_64__)
extern "C" void emulation_switch(void **save, void *load);
/* Saves what the ABI lets a callee expect on the stack, and goes on from the other stack. */
asm(".text\n.globl emulation_switch\n.type emulation_switch, @function\nemulation_switch:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n"
    ".size emulation_switch, .-emulation_switch\n");
#endif

char *stack_of(int thread) {
    return stacks + (size_t)thread * STACK_BYTES;
}

void change(context *from, context *to, const void *stack, size_t stack_bytes) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&from->fake_stack, stack, stack_bytes);
#else
    (void)stack;
    (void)stack_bytes;
#endif
#if defined(__x86_64__)
    emulation_switch(&from->stack_pointer, to->stack_pointer);
#else
    swapcontext(&from->machine, &to->machine);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(from->fake_stack, nullptr, nullptr);
#endif
}

const void *host_stack;
size_t host_stack_bytes;

void fibre_main() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &host_stack, &host_stack_bytes);
#endif
    (*kernel_body)();
    fibres[current].now = DONE;
    done_count++;
    change(&fibres[current].at, &scheduler, host_stack, host_stack_bytes);
    abort(); /* nobody resumes what is done */
}

void fibre_prepare(int thread) {
    fibre *f = &fibres[thread];
    *f = fibre();
    f->index = {(unsigned)thread % blockDim.x, (unsigned)thread / blockDim.x % blockDim.y,
                (unsigned)thread / (blockDim.x * blockDim.y)};
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(stack_of(thread), STACK_BYTES);
#endif
#if defined(__x86_64__)
    /* at the entry of a function the stack is 8 past a multiple of 16 */
    char *end = stack_of(thread) + STACK_BYTES - 64;
    void **top = (void **)(end - thread % 61 * 192); /* else all are in the same lines of a cache */
    *--top = nullptr;
    *--top = (void *)fibre_main;
    f->at.stack_pointer = top - 6;
    memset(top - 6, 0, 6 * sizeof *top);
#else
    getcontext(&f->at.machine);
    f->at.machine.uc_stack.ss_sp = stack_of(thread);
    f->at.machine.uc_stack.ss_size = STACK_BYTES;
    f->at.machine.uc_link = nullptr;
    makecontext(&f->at.machine, fibre_main, 0);
#endif
}

void resume(int thread) {
    current = thread;
    threadIdx = fibres[thread].index;
    change(&scheduler, &fibres[thread].at, stack_of(thread), STACK_BYTES);
}

/* Gives the processor back until the state is READY again. */
void wait_as(state now, const char *place) {
    fibre *f = &fibres[current];
    f->now = now;
    f->place = place;
    change(&f->at, &scheduler, host_stack, host_stack_bytes);
}

NO_SANITIZE void poison(void *memory, size_t bytes) {
    volatile unsigned char *to = (volatile unsigned char *)memory;
    size_t i = 0;
    for (; i < bytes && ((uintptr_t)(to + i) & 7) != 0; i++) {
        to[i] = 0xff;
    }
    for (; i + 8 <= bytes; i += 8) {
        *(volatile uint64_t *)(to + i) = ~0ull;
    }
    for (; i < bytes; i++) {
        to[i] = 0xff;
    }
}

uint64_t random_below(uint64_t bound) {
    order_state = order_state * 6364136223846793005ull + 1442695040888963407ull;
    return (order_state >> 33) % bound;
}

void make_order(int *order, int count) {
    for (int i = 0; i < count; i++) {
        order[i] = order_seed == 1 ? count - 1 - i : i;
    }
    for (int i = count - 1; order_seed > 1 && i > 0; i--) {
        std::swap(order[i], order[random_below((uint64_t)i + 1)]);
    }
}

/* Runs the lanes of a warp until all of them are done or at a barrier of the block. */
bool run_warp(int first) {
    int order[32];
    bool moved = false, again = true;
    while (again) {
        make_order(order, 32);
        again = false;
        for (int i = 0; i < 32; i++) {
            if (fibres[first + order[i]].now == READY) {
                resume(first + order[i]);
                moved = again = true;
            }
        }
    }
    return moved;
}

/* Nobody can go on: says who waits for whom. */
[[noreturn]] void fail_stuck() {
    for (int i = 0; i < thread_count; i++) {
        if (fibres[i].now != DONE) {
            threadIdx = fibres[i].index;
            fail(fibres[i].now == AT_BARRIER ? "waits at a barrier that others do not reach"
                                             : "waits for lanes that do not take part",
                 fibres[i].place);
        }
    }
    fail("no thread is left", "");
}

void run_block(size_t shared_bytes) {
    int order[THREADS_MAX / 32];
    if (__start_rlt_shared != nullptr) {
        poison(__start_rlt_shared, (size_t)(__stop_rlt_shared - __start_rlt_shared));
    }
    poison(dynamic_shared, shared_bytes);
    memset(warps, 0, sizeof warps);
    at_barrier = done_count = 0;
    for (int i = 0; i < thread_count; i++) {
        fibre_prepare(i);
    }
    for (bool moved = true; done_count < thread_count;) {
        if (!moved) {
            fail_stuck();
        }
        moved = false;
        make_order(order, thread_count / 32);
        for (int i = 0; i < thread_count / 32; i++) {
            moved = run_warp(32 * order[i]) || moved;
        }
    }
}

void barrier(const char *place, int vote, int kind) {
    fibre *f = &fibres[current];
    f->vote = vote;
    f->vote_kind = kind;
    at_barrier++;
    if (at_barrier < thread_count) {
        wait_as(AT_BARRIER, place);
        return;
    }
    at_barrier = votes_sum = 0;
    for (int i = 0; i < thread_count; i++) {
        if (fibres[i].vote_kind != kind) {
            fail("threads meet at barriers of different kinds", place);
        }
        votes_sum += fibres[i].vote;
        fibres[i].now = READY;
    }
    votes_result = kind == 1 ? votes_sum == thread_count : kind == 2 ? votes_sum > 0 : votes_sum;
}

} // namespace

void emulation_block_barrier(const char *place) {
    barrier(place, 0, -1);
}

int emulation_block_vote(const char *place, int value, int kind) {
    barrier(place, value, kind);
    return votes_result; /* the next barrier needs this thread: not overwritten before */
}

int emulation_lane() {
    return current % 32;
}

uint64_t emulation_warp_exchange(const char *place, int kind, unsigned mask, uint64_t value,
                                 int lane) {
    fibre *f = &fibres[current];
    warp *w = &warps[current / 32];
    int self = current % 32, slot = (int)(f->exchanges++ % 2);
    if (mask != 0xffffffffu) {
        fail("exchanges of part of a warp are not emulated", place);
    }
    if (lane < 0 || lane > 31) {
        fail("there is no such lane", place);
    }
    if (w->deposited == 0) {
        w->kind = kind;
        w->place = place;
    } else if (w->kind != kind) {
        fail("lanes are in different exchanges", place);
    }
    w->slot[slot][self] = value;
    w->deposited |= 1u << self;
    if (w->deposited != 0xffffffffu) {
        wait_as(IN_WARP, place);
    } else {
        w->deposited = 0;
        for (int i = 0; i < 32; i++) {
            fibres[current - self + i].now = READY;
        }
    }
    return w->slot[slot][lane];
}

unsigned emulation_warp_ballot(const char *place, unsigned mask, int value) {
    unsigned all = 0;
    emulation_warp_exchange(place, 5, mask, (uint64_t)value, 0);
    const warp *w = &warps[current / 32];
    int slot = (int)((fibres[current].exchanges - 1) % 2);
    for (int i = 0; i < 32; i++) {
        all |= (unsigned)w->slot[slot][i] << i;
    }
    return all;
}

void emulation_set_order(uint64_t seed) {
    order_seed = order_state = seed;
}

uint64_t emulation_launches() {
    return launches;
}

void *emulation_dynamic_shared() {
    return dynamic_shared;
}

void emulation_run(const char *name, dim3 grid, dim3 block, size_t shared_bytes,
                   const std::function<void()> &thread) {
    kernel_name = name;
    kernel_body = &thread;
    threadIdx = blockIdx = uint3();
    blockDim = block;
    gridDim = grid;
    thread_count = (int)(block.x * block.y * block.z);
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535) {
        fail("a grid of no block, or of too many", "launch");
    }
    if (thread_count == 0 || thread_count > THREADS_MAX || thread_count % 32 != 0) {
        fail("a block must have 32, 64, ... 1024 threads here", "launch");
    }
    if (shared_bytes > SHARED_MAX) {
        fail("more shared memory than a multiprocessor has", "launch");
    }
    if (stacks == nullptr) {
        stacks = (char *)mmap(nullptr, (size_t)THREADS_MAX * STACK_BYTES, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stacks == MAP_FAILED) {
            fail("no memory for stacks", "launch");
        }
    }
    launches++;
#if defined(__SANITIZE_ADDRESS__)
    ASAN_POISON_MEMORY_REGION(dynamic_shared + shared_bytes, SHARED_MAX - shared_bytes);
#endif
    for (unsigned z = 0; z < grid.z; z++) {
        for (unsigned y = 0; y < grid.y; y++) {
            for (unsigned x = 0; x < grid.x; x++) {
                blockIdx = {x, y, z};
                run_block(shared_bytes);
            }
        }
    }
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(dynamic_shared, SHARED_MAX);
#endif
}
