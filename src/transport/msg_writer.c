/* transport: messages out, by msgpack-c.
 * Why: every field that crosses a process border is bounded, typed and fenced by an epoch.
 * Threads: a writer belongs to one. Owner: the caller. */
#include "transport/transport.h"

#include <msgpack.h>
#include <string.h>

enum { MAP16 = 0xde, MAP16_SIZE = 3 };

static const char *const type_names[RLT_MSG_TYPE_COUNT] = {
#define X(name, number, text) [RLT_MSG_##name] = text,
    RLT_MSG_TYPES(X)
#undef X
};

const char *rlt_msg_type_name(rlt_msg_type type) {
    bool known = type > RLT_MSG_NONE && type < RLT_MSG_TYPE_COUNT && type_names[type] != NULL;
    return known ? type_names[type] : "?";
}

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
