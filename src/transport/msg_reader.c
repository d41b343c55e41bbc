/* transport: messages in, by msgpack-c, after the walk that checks the limits (msg_walk.c).
 * Why: outside data is believed field by field: it must be there, of the type asked for, in range.
 * Threads: a reader belongs to one. Owner: the caller. */
#include "transport/transport_impl.h"

#include <msgpack.h>
#include <string.h>

enum { ZONE_CHUNK = 64 << 10 };

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
    if (type >= RLT_MSG_TYPE_COUNT || strcmp(rlt_msg_type_name((rlt_msg_type)type), "?") == 0) {
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
    if (!rlt_msg_walk(data, size)) {
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

rlt_status rlt_msg_copy_str(const rlt_msg *msg, const char *key, char **text, rlt_err *err) {
    const msgpack_object *value = find(msg, key);
    *text = NULL;
    if (value == NULL || value->type != MSGPACK_OBJECT_STR) {
        return wrong_field(msg, key, "text", err);
    }
    char *copy = rlt_alloc((size_t)value->via.str.size + 1);
    rlt_status status = rlt_msg_get_str(msg, key, copy, (size_t)value->via.str.size + 1, err);
    if (status != RLT_OK) {
        rlt_free(copy);
        return status;
    }
    *text = copy;
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
