/* transport: the walk over msgpack that comes in, before anything is allocated for it.
 * Why: msgpack-c builds trees from the sizes that a message announces; here every size, depth and
 * count is checked first. Format: github.com/msgpack/msgpack/blob/master/spec.md.
 * Threads: reentrant. Owner: the caller. */
#include "transport/transport_impl.h"

typedef struct walk {
    const uint8_t *at, *end;
    uint32_t elements;
} walk;

/* What a head byte says: `width` bytes of length follow it, then `body` bytes, then children. */
typedef struct shape {
    uint8_t width;  /* of the length or count */
    bool container; /* the length is a count of children */
    uint8_t factor; /* children per counted entry: 2 in maps */
    uint32_t fixed; /* body size, or count, that the head itself gives; added to the length */
    bool valid;
} shape;

static shape shape_of_long(uint8_t head) {
    switch (head) {
    case 0xc0:
    case 0xc2:
    case 0xc3: /* nil, false, true */
        return (shape){.valid = true};
    case 0xc4:
    case 0xc5:
    case 0xc6: /* bin 8, 16, 32 */
        return (shape){.valid = true, .width = (uint8_t)(1 << (head - 0xc4))};
    case 0xca:
    case 0xcb: /* float 32, 64 */
        return (shape){.valid = true, .fixed = 4u << (head - 0xca)};
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf: /* uint 8 to 64 */
        return (shape){.valid = true, .fixed = 1u << (head - 0xcc)};
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: /* int 8 to 64 */
        return (shape){.valid = true, .fixed = 1u << (head - 0xd0)};
    case 0xd9:
    case 0xda:
    case 0xdb: /* str 8, 16, 32 */
        return (shape){.valid = true, .width = (uint8_t)(1 << (head - 0xd9))};
    case 0xdc:
    case 0xdd: /* array 16, 32 */
        return (shape){
            .valid = true, .width = (uint8_t)(2 << (head - 0xdc)), .container = true, .factor = 1};
    case 0xde:
    case 0xdf: /* map 16, 32 */
        return (shape){
            .valid = true, .width = (uint8_t)(2 << (head - 0xde)), .container = true, .factor = 2};
    default: /* ext types and 0xc1: not ours */
        return (shape){0};
    }
}

static shape shape_of(uint8_t head) {
    if (head <= 0x7f || head >= 0xe0) { /* fixint */
        return (shape){.valid = true};
    }
    if (head <= 0x8f) { /* fixmap */
        return (shape){.valid = true, .container = true, .factor = 2, .fixed = head & 0x0f};
    }
    if (head <= 0x9f) { /* fixarray */
        return (shape){.valid = true, .container = true, .factor = 1, .fixed = head & 0x0f};
    }
    if (head <= 0xbf) { /* fixstr */
        return (shape){.valid = true, .fixed = head & 0x1f};
    }
    return shape_of_long(head);
}

static bool walk_value(walk *w, int depth);

static bool walk_children(walk *w, uint64_t count, int depth) {
    if (depth > RLT_MSG_DEPTH_MAX || count > (uint64_t)(w->end - w->at) ||
        count > RLT_MSG_ELEMENTS_MAX - w->elements) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!walk_value(w, depth)) {
            return false;
        }
    }
    return true;
}

/* Recursion ends at RLT_MSG_DEPTH_MAX. */
static bool walk_value(walk *w, int depth) {
    if (w->at == w->end || w->elements >= RLT_MSG_ELEMENTS_MAX) {
        return false;
    }
    w->elements++;
    shape s = shape_of(*w->at++);
    if (!s.valid || (size_t)(w->end - w->at) < s.width) {
        return false;
    }
    uint64_t length = s.fixed;
    for (int i = 0; i < s.width; i++) {
        length = i == 0 ? *w->at : length << 8 | *w->at;
        w->at++;
    }
    if (s.container) {
        return walk_children(w, length * s.factor, depth + 1);
    }
    if (length > (uint64_t)(w->end - w->at)) {
        return false;
    }
    w->at += length;
    return true;
}

bool rlt_msg_walk(const void *data, size_t size) {
    walk w = {.at = data, .end = (const uint8_t *)data + size};
    return walk_value(&w, 0) && w.at == w.end;
}
