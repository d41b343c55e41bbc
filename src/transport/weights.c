/* transport: the double-buffered weight block.
 * Why: the learner publishes without waiting for any reader; a reader copies the newest set and
 * checks afterwards that it was not overtaken.
 * Threads: one writer, any number of readers, in any processes. Seqlock after Boehm, "Can
 * seqlocks get along with programming language memory models?" (MSPC 2012), in the form without
 * fences (TSan does not know those): data is stored with release, so it cannot overtake the odd
 * sequence before it, and loaded with acquire, so the check cannot overtake it. Both are plain
 * moves on x86-64. Owner: the shared memory's. */
#include "transport/transport.h"

#include <string.h>

enum { LINE = 64, WORD = 8, WEIGHTS_MAGIC = 0x57474854, READ_TRIES = 100 };
static const uint64_t weight_bytes_max = (uint64_t)1 << 40;

struct rlt_weights_header {
    _Alignas(LINE) uint32_t magic;
    uint64_t weight_bytes;
    _Alignas(LINE) _Atomic uint64_t version;     /* of the newest set; 0: none yet */
    _Atomic uint32_t newest;                     /* which buffer holds it */
    _Alignas(LINE) _Atomic uint64_t sequence[2]; /* odd while the buffer is written */
    _Atomic uint64_t held[2];                    /* the version in each buffer */
};

static size_t buffer_size(size_t bytes) {
    return (bytes + LINE - 1) / LINE * LINE;
}

size_t rlt_weights_size(size_t weight_bytes) {
    if (weight_bytes == 0 || weight_bytes > weight_bytes_max) {
        return 0;
    }
    return sizeof(struct rlt_weights_header) + 2 * buffer_size(weight_bytes);
}

static rlt_status check(rlt_weights *weights, void *memory, size_t size, size_t weight_bytes,
                        rlt_err *err) {
    *weights = (rlt_weights){0};
    size_t needed = rlt_weights_size(weight_bytes);
    if (needed == 0 || needed > size || (uintptr_t)memory % LINE != 0) {
        return rlt_fail(err, RLT_EINVAL, "weights of %zu bytes do not fit into %zu bytes",
                        weight_bytes, size);
    }
    weights->size = weight_bytes;
    return RLT_OK;
}

rlt_status rlt_weights_init(rlt_weights *weights, void *memory, size_t size, size_t weight_bytes,
                            rlt_err *err) {
    RLT_TRY(check(weights, memory, size, weight_bytes, err));
    struct rlt_weights_header *header = memory;
    memset(header, 0, sizeof *header);
    header->magic = WEIGHTS_MAGIC;
    header->weight_bytes = weight_bytes;
    weights->header = header;
    return RLT_OK;
}

rlt_status rlt_weights_attach(rlt_weights *weights, void *memory, size_t size, size_t weight_bytes,
                              rlt_err *err) {
    RLT_TRY(check(weights, memory, size, weight_bytes, err));
    struct rlt_weights_header *header = memory;
    if (header->magic != WEIGHTS_MAGIC || header->weight_bytes != weight_bytes) {
        return rlt_fail(err, RLT_EPROTO, "shared memory holds no weights of %zu bytes",
                        weight_bytes);
    }
    weights->header = header;
    return RLT_OK;
}

static _Atomic uint64_t *buffer_of(const rlt_weights *weights, uint32_t which) {
    char *first = (char *)weights->header + sizeof *weights->header;
    return (_Atomic uint64_t *)(first + which * buffer_size(weights->size));
}

/* Eight bytes at a time (`data` need not be aligned); the last word is filled up with zeros. */
static void copy_in(_Atomic uint64_t *to, const void *data, size_t bytes) {
    const char *from = data;
    uint64_t word;
    for (; bytes >= WORD; bytes -= WORD, from += WORD) {
        memcpy(&word, from, WORD);
        atomic_store_explicit(to++, word, memory_order_release);
    }
    if (bytes > 0) {
        word = 0;
        memcpy(&word, from, bytes);
        atomic_store_explicit(to, word, memory_order_release);
    }
}

static void copy_out(void *out, _Atomic uint64_t *from, size_t bytes) {
    char *to = out;
    uint64_t word;
    for (; bytes >= WORD; bytes -= WORD, to += WORD) {
        word = atomic_load_explicit(from++, memory_order_acquire);
        memcpy(to, &word, WORD);
    }
    if (bytes > 0) {
        word = atomic_load_explicit(from, memory_order_acquire);
        memcpy(to, &word, bytes);
    }
}

void rlt_weights_publish(rlt_weights *weights, const void *data, uint64_t version) {
    struct rlt_weights_header *header = weights->header;
    RLT_ASSERT(version > atomic_load_explicit(&header->version, memory_order_relaxed));
    uint32_t next = 1 - (atomic_load_explicit(&header->newest, memory_order_relaxed) & 1);
    /* A writer that died in the middle left an odd number: start from it, so that it ends even. */
    uint64_t odd = atomic_load_explicit(&header->sequence[next], memory_order_relaxed) | 1;
    atomic_store_explicit(&header->sequence[next], odd, memory_order_relaxed);
    copy_in(buffer_of(weights, next), data, weights->size);
    atomic_store_explicit(&header->held[next], version, memory_order_release);
    atomic_store_explicit(&header->sequence[next], odd + 1, memory_order_release);
    atomic_store_explicit(&header->newest, next, memory_order_release);
    atomic_store_explicit(&header->version, version, memory_order_release);
}

uint64_t rlt_weights_version(const rlt_weights *weights) {
    return atomic_load_explicit(&weights->header->version, memory_order_acquire);
}

static bool read_once(const rlt_weights *weights, void *out, uint64_t *version) {
    struct rlt_weights_header *header = weights->header;
    uint32_t which = atomic_load_explicit(&header->newest, memory_order_acquire) & 1;
    uint64_t before = atomic_load_explicit(&header->sequence[which], memory_order_acquire);
    if ((before & 1) != 0) {
        return false;
    }
    copy_out(out, buffer_of(weights, which), weights->size);
    *version = atomic_load_explicit(&header->held[which], memory_order_acquire);
    return atomic_load_explicit(&header->sequence[which], memory_order_relaxed) == before;
}

rlt_status rlt_weights_read(const rlt_weights *weights, void *out, uint64_t *version) {
    if (rlt_weights_version(weights) == 0) {
        return RLT_ENOTFOUND;
    }
    for (int i = 0; i < READ_TRIES; i++) {
        if (read_once(weights, out, version)) {
            return RLT_OK;
        }
    }
    return RLT_EBUSY;
}
