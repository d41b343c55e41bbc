/* core: aligned, zeroed memory with a counter.
 * Why: 64-byte alignment suits every vector unit; the counter lets tests prove that training
 * allocates nothing per step. Threads: reentrant. Owner: the caller frees by rlt_free. */
#include "core/core.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };
static atomic_uint_fast64_t alloc_count;

void *rlt_alloc(size_t size) {
    RLT_ASSERT(size <= SIZE_MAX - ALIGNMENT);
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded == 0) {
        rounded = ALIGNMENT;
    }
    void *memory = aligned_alloc(ALIGNMENT, rounded);
    if (memory == NULL) {
        rlt_log(RLT_LOG_ERROR, "core.out_of_memory", "could not allocate %zu bytes", size);
        abort();
    }
    memset(memory, 0, rounded);
    atomic_fetch_add_explicit(&alloc_count, 1, memory_order_relaxed);
    return memory;
}

void rlt_free(void *memory) {
    free(memory);
}

uint64_t rlt_alloc_count(void) {
    return atomic_load_explicit(&alloc_count, memory_order_relaxed);
}
