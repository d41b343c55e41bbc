/* transport: the typed message codec on msgpack-c.
 * Why: every field that crosses a process border is bounded, typed and fenced by an epoch. What
 * comes in is first walked without allocating (sizes, depth, counts), then unpacked.
 * Threads: a reader or writer belongs to one. Owner: the caller. */
#include "transport/transport.h"

#include <msgpack.h>
#include <string.h>

enum { MAP16 = 0xde, MAP16_SIZE = 3, RESERVED_FIELDS = 4, ZONE_CHUNK = 64 << 10 };

static const char *const type_names[RLT_MSG_TYPE_COUNT] = {
#define X(name, text) [RLT_MSG_##name] = text,
    RLT_MSG_TYPES(X)
#undef X
};

const char *rlt_msg_type_name(rlt_msg_type type) {
    return type > RLT_MSG_NONE && type < RLT_MSG_TYPE_COUNT ? type_names[type] : "?";
}

/* ---- writer ---- */

static int append(void *data, const char *bytes, size_t size) {
    rlt_msg_writer *writer = data;
    if (writer->failed || size > RLT_MSG_SIZE_MAX - writer->buf.size) {
        writer->failed = true;
        return -1;
    }
    rlt_buf_append(&writer->buf, bytes, size);
    return 0;
}

static msgpack_packer packer_of(rlt_msg_writer *writer) {
    msgpack_packer packer;
    msgpack_packer_init(&packer, writer, append);
    return packer;
}

/* One key and the count of values that follow it. */
static msgpack_packer put_key(rlt_msg_writer *writer, const char *key, size_t values) {
    size_t size = strlen(key);
    msgpack_packer packer = packer_of(writer);
    writer->fields++;
    if (size == 0 || size > RLT_MSG_KEY_MAX || writer->fields > RLT_MSG_FIELDS_MAX ||
        values >= RLT_MSG_ELEMENTS_MAX - writer->elements) {
        writer->failed = true;
        return packer;
    }
    writer->elements += (uint32_t)values + 1;
    msgpack_pack_str_with_body(&packer, key, size);
    return packer;
}

void rlt_msg_begin(rlt_msg_writer *writer, rlt_msg_type type, uint64_t epoch, uint64_t seq) {
    RLT_ASSERT(type > RLT_MSG_NONE && type < RLT_MSG_TYPE_COUNT);
    writer->buf.size = 0;
    writer->fields = 0;
    writer->elements = 1;
    writer->failed = false;
    static const char head[MAP16_SIZE] = {(char)MAP16}; /* the count is set by end */
    append(writer, head, sizeof head);
    rlt_msg_put_u64(writer, "v", RLT_PROTOCOL_VERSION);
    rlt_msg_put_u64(writer, "type", type);
    rlt_msg_put_u64(writer, "epoch", epoch);
    rlt_msg_put_u64(writer, "seq", seq);
}

void rlt_msg_put_u64(rlt_msg_writer *writer, const char *key, uint64_t value) {
    msgpack_packer packer = put_key(writer, key, 1);
    msgpack_pack_uint64(&packer, value);
}

void rlt_msg_put_i64(rlt_msg_writer *writer, const char *key, int64_t value) {
    msgpack_packer packer = put_key(writer, key, 1);
    msgpack_pack_int64(&packer, value);
}

void rlt_msg_put_f64(rlt_msg_writer *writer, const char *key, double value) {
    msgpack_packer packer = put_key(writer, key, 1);
    msgpack_pack_double(&packer, value);
}

void rlt_msg_put_str(rlt_msg_writer *writer, const char *key, const char *value) {
    msgpack_packer packer = put_key(writer, key, 1);
    size_t size = strlen(value);
    if (size > RLT_MSG_SIZE_MAX) {
        writer->failed = true;
        return;
    }
    msgpack_pack_str_with_body(&packer, value, size);
}

void rlt_msg_put_bin(rlt_msg_writer *writer, const char *key, const void *data, size_t size) {
    msgpack_packer packer = put_key(writer, key, 1);
    if (size > RLT_MSG_SIZE_MAX) {
        writer->failed = true;
        return;
    }
    msgpack_pack_bin(&packer, size);
    if (size > 0) {
        msgpack_pack_bin_body(&packer, data, size);
    }
}

void rlt_msg_put_f64s(rlt_msg_writer *writer, const char *key, const double *values, size_t count) {
    if (count >= RLT_MSG_ELEMENTS_MAX) {
        writer->failed = true;
        return;
    }
    msgpack_packer packer = put_key(writer, key, count + 1);
    msgpack_pack_array(&packer, count);
    for (size_t i = 0; i < count; i++) {
        msgpack_pack_double(&packer, values[i]);
    }
}

rlt_status rlt_msg_end(rlt_msg_writer *writer, rlt_err *err) {
    if (writer->failed) {
        return rlt_fail(err, RLT_ELIMIT,
                        "a message passes a limit: %d bytes, %d fields, %d values, keys of %d "
                        "bytes; send large data as the packet's blob",
                        RLT_MSG_SIZE_MAX, RLT_MSG_FIELDS_MAX, RLT_MSG_ELEMENTS_MAX,
                        RLT_MSG_KEY_MAX);
    }
    writer->buf.data[1] = (char)(writer->fields >> 8);
    writer->buf.data[2] = (char)writer->fields;
    return RLT_OK;
}

void rlt_msg_writer_fini(rlt_msg_writer *writer) {
    rlt_buf_fini(&writer->buf);
    *writer = (rlt_msg_writer){0};
}

/* ---- the walk: msgpack's format (github.com/msgpack/msgpack/blob/master/spec.md) checked
 * against the limits, with no allocation ---- */

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

/* ---- reader ---- */

struct rlt_msg_parsed {
    msgpack_zone zone;
    const msgpack_object_map *map; /* NULL: no valid message */
};

static struct rlt_msg_parsed *parsed_create(void) {
    struct rlt_msg_parsed *parsed = rlt_alloc(sizeof *parsed);
    RLT_ASSERT(msgpack_zone_init(&parsed->zone, ZONE_CHUNK));
    return parsed;
}

static bool key_is(const msgpack_object *key, const char *name) {
    size_t size = strlen(name);
    return key->via.str.size == size && memcmp(key->via.str.ptr, name, size) == 0;
}

static const msgpack_object *find(const rlt_msg *msg, const char *key) {
    const msgpack_object_map *map = msg->parsed != NULL ? msg->parsed->map : NULL;
    for (uint32_t i = 0; map != NULL && i < map->size; i++) {
        if (key_is(&map->ptr[i].key, key)) {
            return &map->ptr[i].val;
        }
    }
    return NULL;
}

static bool keys_are_valid(const msgpack_object_map *map) {
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key;
        if (key->type != MSGPACK_OBJECT_STR || key->via.str.size == 0 ||
            key->via.str.size > RLT_MSG_KEY_MAX) {
            return false;
        }
        for (uint32_t j = 0; j < i; j++) {
            const msgpack_object_str *other = &map->ptr[j].key.via.str;
            if (other->size == key->via.str.size &&
                memcmp(other->ptr, key->via.str.ptr, other->size) == 0) {
                return false;
            }
        }
    }
    return true;
}

static rlt_status read_head(rlt_msg *msg, rlt_err *err) {
    uint64_t version, type;
    RLT_TRY(rlt_msg_get_u64(msg, "v", &version, err));
    if (version != RLT_PROTOCOL_VERSION) {
        return rlt_fail(err, RLT_EPROTO,
                        "a message has protocol version %llu, this program speaks %d; use the "
                        "same rltune on both sides",
                        (unsigned long long)version, RLT_PROTOCOL_VERSION);
    }
    RLT_TRY(rlt_msg_get_u64(msg, "type", &type, err));
    if (type <= RLT_MSG_NONE || type >= RLT_MSG_TYPE_COUNT) {
        return rlt_fail(err, RLT_EPROTO, "a message has the unknown type %llu (1 to %d)",
                        (unsigned long long)type, RLT_MSG_TYPE_COUNT - 1);
    }
    msg->type = (rlt_msg_type)type;
    RLT_TRY(rlt_msg_get_u64(msg, "epoch", &msg->epoch, err));
    return rlt_msg_get_u64(msg, "seq", &msg->seq, err);
}

static rlt_status unpack(struct rlt_msg_parsed *parsed, const void *data, size_t size,
                         rlt_err *err) {
    msgpack_object root;
    size_t offset = 0;
    msgpack_zone_clear(&parsed->zone);
    msgpack_unpack_return got = msgpack_unpack(data, size, &offset, &parsed->zone, &root);
    if (got != MSGPACK_UNPACK_SUCCESS || root.type != MSGPACK_OBJECT_MAP ||
        root.via.map.size > RLT_MSG_FIELDS_MAX || !keys_are_valid(&root.via.map)) {
        return rlt_fail(err, RLT_EPROTO,
                        "a message is no map of at most %d unique text keys of 1 to %d bytes",
                        RLT_MSG_FIELDS_MAX, RLT_MSG_KEY_MAX);
    }
    msgpack_object_map *map = msgpack_zone_malloc(&parsed->zone, sizeof *map);
    RLT_ASSERT(map != NULL);
    *map = root.via.map;
    parsed->map = map;
    return RLT_OK;
}

rlt_status rlt_msg_parse(rlt_msg *msg, const void *data, size_t size, rlt_err *err) {
    msg->type = RLT_MSG_NONE;
    msg->epoch = msg->seq = 0;
    if (msg->parsed == NULL) {
        msg->parsed = parsed_create();
    }
    msg->parsed->map = NULL;
    if (size == 0 || size > RLT_MSG_SIZE_MAX) {
        return rlt_fail(err, RLT_EPROTO, "a message has %zu bytes; allowed: 1 to %d", size,
                        RLT_MSG_SIZE_MAX);
    }
    walk w = {.at = data, .end = (const uint8_t *)data + size};
    if (!walk_value(&w, 0) || w.at != w.end) {
        return rlt_fail(err, RLT_EPROTO,
                        "a message of %zu bytes is not valid msgpack within the limits (depth "
                        "%d, %d values)",
                        size, RLT_MSG_DEPTH_MAX, RLT_MSG_ELEMENTS_MAX);
    }
    RLT_TRY(unpack(msg->parsed, data, size, err));
    rlt_status status = read_head(msg, err);
    if (status != RLT_OK) {
        msg->type = RLT_MSG_NONE;
        msg->parsed->map = NULL;
    }
    return status;
}

bool rlt_msg_has(const rlt_msg *msg, const char *key) {
    return find(msg, key) != NULL;
}

static rlt_status wrong_field(const rlt_msg *msg, const char *key, const char *wanted,
                              rlt_err *err) {
    return rlt_fail(err, RLT_EPROTO, "message \"%s\": the field \"%s\" is %s; expected %s",
                    rlt_msg_type_name(msg->type), key,
                    rlt_msg_has(msg, key) ? "of another type or out of range" : "missing", wanted);
}

rlt_status rlt_msg_get_u64(const rlt_msg *msg, const char *key, uint64_t *out, rlt_err *err) {
    const msgpack_object *value = find(msg, key);
    if (value == NULL || value->type != MSGPACK_OBJECT_POSITIVE_INTEGER) {
        return wrong_field(msg, key, "an unsigned integer", err);
    }
    *out = value->via.u64;
    return RLT_OK;
}

rlt_status rlt_msg_get_i64(const rlt_msg *msg, const char *key, int64_t *out, rlt_err *err) {
    const msgpack_object *value = find(msg, key);
    if (value != NULL && value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        *out = value->via.i64;
        return RLT_OK;
    }
    if (value == NULL || value->type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
        value->via.u64 > INT64_MAX) {
        return wrong_field(msg, key, "a signed integer", err);
    }
    *out = (int64_t)value->via.u64;
    return RLT_OK;
}

static bool number_of(const msgpack_object *value, double *out) {
    switch (value->type) {
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        *out = value->via.f64;
        return true;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        *out = (double)value->via.u64;
        return true;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        *out = (double)value->via.i64;
        return true;
    default:
        return false;
    }
}

rlt_status rlt_msg_get_f64(const rlt_msg *msg, const char *key, double *out, rlt_err *err) {
    const msgpack_object *value = find(msg, key);
    if (value == NULL || !number_of(value, out)) {
        return wrong_field(msg, key, "a number", err);
    }
    return RLT_OK;
}

rlt_status rlt_msg_get_str(const rlt_msg *msg, const char *key, char *out, size_t capacity,
                           rlt_err *err) {
    const msgpack_object *value = find(msg, key);
    if (value == NULL || value->type != MSGPACK_OBJECT_STR || value->via.str.size >= capacity ||
        memchr(value->via.str.ptr, 0, value->via.str.size) != NULL) {
        return wrong_field(msg, key, "text that fits", err);
    }
    memcpy(out, value->via.str.ptr, value->via.str.size);
    out[value->via.str.size] = 0;
    return RLT_OK;
}

rlt_status rlt_msg_get_bin(const rlt_msg *msg, const char *key, const void **data, size_t *size,
                           rlt_err *err) {
    const msgpack_object *value = find(msg, key);
    if (value == NULL || value->type != MSGPACK_OBJECT_BIN) {
        return wrong_field(msg, key, "bytes", err);
    }
    *data = value->via.bin.ptr;
    *size = value->via.bin.size;
    return RLT_OK;
}

rlt_status rlt_msg_get_f64s(const rlt_msg *msg, const char *key, double *out, size_t capacity,
                            size_t *count, rlt_err *err) {
    const msgpack_object *value = find(msg, key);
    if (value == NULL || value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size > capacity) {
        return wrong_field(msg, key, "an array of numbers that fits", err);
    }
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        if (!number_of(&value->via.array.ptr[i], &out[i])) {
            return wrong_field(msg, key, "an array of numbers", err);
        }
    }
    *count = value->via.array.size;
    return RLT_OK;
}

void rlt_msg_fini(rlt_msg *msg) {
    if (msg->parsed != NULL) {
        msgpack_zone_destroy(&msg->parsed->zone);
        rlt_free(msg->parsed);
    }
    *msg = (rlt_msg){0};
}
