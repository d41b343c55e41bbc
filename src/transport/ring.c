/* transport: the slot ring of one worker.
 * Why: experience is written in place and handed over by index; each slot has one owner.
 * Threads: the worker publishes, the learner takes and releases; states change by
 * compare-and-swap, so a doubled or forged hand-over is an error and not a race.
 * Owner: the shared memory's. */
#include "transport/transport.h"

enum { LINE = 64, RING_MAGIC = 0x52494e47, SLOTS_MAX = 65536 };
static const uint64_t slot_bytes_max = (uint64_t)1 << 40;

typedef struct ring_slot {
    _Alignas(LINE) _Atomic uint32_t state;
    uint64_t epoch, used; /* written before FILLED is released, read after it is acquired */
} ring_slot;

struct rlt_ring_header {
    _Alignas(LINE) uint32_t magic;
    uint32_t slot_count;
    uint64_t slot_size;
    ring_slot slots[];
};

static size_t round_up(size_t size) {
    return (size + LINE - 1) / LINE * LINE;
}

static size_t head_size(uint32_t slot_count) {
    return sizeof(struct rlt_ring_header) + slot_count * sizeof(ring_slot);
}

size_t rlt_ring_size(uint32_t slot_count, size_t slot_size) {
    if (slot_count == 0 || slot_count > SLOTS_MAX || slot_size == 0 || slot_size > slot_bytes_max) {
        return 0;
    }
    return head_size(slot_count) + slot_count * round_up(slot_size);
}

static rlt_status check(rlt_ring *ring, void *memory, size_t size, uint32_t slot_count,
                        size_t slot_size, rlt_err *err) {
    *ring = (rlt_ring){0};
    size_t needed = rlt_ring_size(slot_count, slot_size);
    if (needed == 0 || needed > size || (uintptr_t)memory % LINE != 0) {
        return rlt_fail(err, RLT_EINVAL,
                        "a ring of %u slots of %zu bytes does not fit into %zu bytes", slot_count,
                        slot_size, size);
    }
    ring->slot_count = slot_count;
    ring->slot_size = slot_size;
    ring->slot_stride = round_up(slot_size);
    return RLT_OK;
}

rlt_status rlt_ring_init(rlt_ring *ring, void *memory, size_t size, uint32_t slot_count,
                         size_t slot_size, rlt_err *err) {
    RLT_TRY(check(ring, memory, size, slot_count, slot_size, err));
    struct rlt_ring_header *header = memory;
    header->magic = RING_MAGIC;
    header->slot_count = slot_count;
    header->slot_size = slot_size;
    for (uint32_t i = 0; i < slot_count; i++) {
        atomic_init(&header->slots[i].state, RLT_SLOT_FREE);
    }
    ring->header = header;
    return RLT_OK;
}

rlt_status rlt_ring_attach(rlt_ring *ring, void *memory, size_t size, uint32_t slot_count,
                           size_t slot_size, rlt_err *err) {
    RLT_TRY(check(ring, memory, size, slot_count, slot_size, err));
    struct rlt_ring_header *header = memory;
    if (header->magic != RING_MAGIC || header->slot_count != slot_count ||
        header->slot_size != slot_size) {
        return rlt_fail(err, RLT_EPROTO, "shared memory holds no ring of %u slots of %zu bytes",
                        slot_count, slot_size);
    }
    ring->header = header;
    return RLT_OK;
}

void *rlt_ring_slot(const rlt_ring *ring, uint32_t slot) {
    RLT_ASSERT(slot < ring->slot_count);
    return (char *)ring->header + head_size(ring->slot_count) + slot * ring->slot_stride;
}

int rlt_ring_find_free(const rlt_ring *ring) {
    for (uint32_t i = 0; i < ring->slot_count; i++) {
        uint32_t state = atomic_load_explicit(&ring->header->slots[i].state, memory_order_acquire);
        if (state == RLT_SLOT_FREE) {
            return (int)i;
        }
    }
    return -1;
}

static rlt_status change(rlt_ring *ring, uint32_t slot, uint32_t from, uint32_t to, rlt_err *err) {
    static const char *const names[] = {"free", "filled", "in use"};
    if (slot >= ring->slot_count) {
        return rlt_fail(err, RLT_EPROTO, "slot %u of a ring of %u", slot, ring->slot_count);
    }
    uint32_t found = from;
    if (!atomic_compare_exchange_strong_explicit(&ring->header->slots[slot].state, &found, to,
                                                 memory_order_acq_rel, memory_order_acquire)) {
        return rlt_fail(err, RLT_EPROTO, "slot %u is %s, expected %s", slot,
                        found < RLT_COUNT(names) ? names[found] : "corrupt", names[from]);
    }
    return RLT_OK;
}

rlt_status rlt_ring_publish(rlt_ring *ring, uint32_t slot, uint64_t epoch, size_t used,
                            rlt_err *err) {
    if (used > ring->slot_size || slot >= ring->slot_count) {
        return rlt_fail(err, RLT_EINVAL, "%zu bytes in slot %u; %u slots of %zu", used, slot,
                        ring->slot_count, ring->slot_size);
    }
    ring_slot *entry = &ring->header->slots[slot];
    if (atomic_load_explicit(&entry->state, memory_order_acquire) == RLT_SLOT_FREE) {
        entry->epoch = epoch; /* free slots are the worker's own */
        entry->used = used;
    }
    return change(ring, slot, RLT_SLOT_FREE, RLT_SLOT_FILLED, err);
}

rlt_status rlt_ring_take(rlt_ring *ring, uint32_t slot, uint64_t epoch, size_t *used,
                         rlt_err *err) {
    RLT_TRY(change(ring, slot, RLT_SLOT_FILLED, RLT_SLOT_IN_USE, err));
    ring_slot *entry = &ring->header->slots[slot];
    uint64_t owner = entry->epoch, bytes = entry->used;
    if (owner != epoch) {
        RLT_TRY(change(ring, slot, RLT_SLOT_IN_USE, RLT_SLOT_FREE, err));
        return rlt_fail(err, RLT_ESTALE, "slot %u was filled in epoch %llu, now it is %llu", slot,
                        (unsigned long long)owner, (unsigned long long)epoch);
    }
    if (bytes > ring->slot_size) {
        RLT_TRY(change(ring, slot, RLT_SLOT_IN_USE, RLT_SLOT_FREE, err));
        return rlt_fail(err, RLT_EPROTO, "slot %u announces %llu bytes, it has %zu", slot,
                        (unsigned long long)bytes, ring->slot_size);
    }
    *used = (size_t)bytes;
    return RLT_OK;
}

rlt_status rlt_ring_release(rlt_ring *ring, uint32_t slot, rlt_err *err) {
    return change(ring, slot, RLT_SLOT_IN_USE, RLT_SLOT_FREE, err);
}

uint32_t rlt_ring_reclaim(rlt_ring *ring) {
    uint32_t reclaimed = 0;
    for (uint32_t i = 0; i < ring->slot_count; i++) {
        reclaimed += atomic_exchange_explicit(&ring->header->slots[i].state, RLT_SLOT_FREE,
                                              memory_order_acq_rel) != RLT_SLOT_FREE;
    }
    return reclaimed;
}
