/* tuner: a growing multiset cut in two, as two heaps that face each other.
 * Why: the cut-off of a rung and the median of a step in O(log n) per result and 8 bytes each.
 * Thread: the owner's. Owner: rlt_split_fini. */
#include "tuner/tuner_impl.h"

#include <string.h>

void *rlt_tuner_grow(void *items, int64_t *capacity, int64_t needed, size_t size) {
    if (needed <= *capacity) {
        return items;
    }
    int64_t grown = *capacity * 2 > needed ? *capacity * 2 : needed;
    void *memory = rlt_alloc(size * (size_t)grown);
    if (items != NULL) {
        memcpy(memory, items, size * (size_t)*capacity);
        rlt_free(items);
    }
    *capacity = grown;
    return memory;
}

static void heap_push(rlt_heap *heap, double key) {
    enum { FIRST_CAPACITY = 8 };
    int64_t needed = heap->count < FIRST_CAPACITY ? FIRST_CAPACITY : heap->count + 1;
    heap->keys = rlt_tuner_grow(heap->keys, &heap->capacity, needed, sizeof(double));
    int64_t at = heap->count++;
    while (at > 0 && heap->keys[(at - 1) / 2] > key) {
        heap->keys[at] = heap->keys[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->keys[at] = key;
}

static double heap_pop(rlt_heap *heap) {
    double least = heap->keys[0], last = heap->keys[--heap->count];
    int64_t at = 0;
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= heap->count) {
            break;
        }
        child += child + 1 < heap->count && heap->keys[child + 1] < heap->keys[child];
        if (heap->keys[child] >= last) {
            break;
        }
        heap->keys[at] = heap->keys[child];
        at = child;
    }
    heap->keys[at] = last;
    return least;
}

void rlt_split_add(rlt_split *split, double key, int64_t high_count) {
    RLT_ASSERT(high_count > 0); /* then a lone key is always in the high part */
    if (split->high.count == 0 || key >= split->high.keys[0]) {
        heap_push(&split->high, key);
    } else {
        heap_push(&split->low, -key);
    }
    while (split->high.count > high_count) {
        heap_push(&split->low, -heap_pop(&split->high));
    }
    while (split->high.count < high_count && split->low.count > 0) {
        heap_push(&split->high, -heap_pop(&split->low));
    }
}

double rlt_split_high_min(const rlt_split *split) {
    RLT_ASSERT(split->high.count > 0);
    return split->high.keys[0];
}

double rlt_split_low_max(const rlt_split *split) {
    RLT_ASSERT(split->low.count > 0);
    return -split->low.keys[0];
}

int64_t rlt_split_count(const rlt_split *split) {
    return split->high.count + split->low.count;
}

void rlt_split_fini(rlt_split *split) {
    rlt_free(split->high.keys);
    rlt_free(split->low.keys);
    *split = (rlt_split){0};
}
