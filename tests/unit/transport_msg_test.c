/* Tests of the message codec: round trips, the bytes on the wire (written down by hand from
 * msgpack's spec.md), every limit, and messages that were cut or changed. */
#include "transport/transport.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rlt_err err;

static void expect_end(rlt_msg_writer *writer, rlt_status status) {
    assert_int_equal(rlt_msg_end(writer, &err), status);
}

static rlt_status parse(rlt_msg *msg, const rlt_buf *buf) {
    return rlt_msg_parse(msg, buf->data, buf->size, &err);
}

static void test_every_type(void **state) {
    (void)state;
    rlt_msg_writer writer = {0};
    rlt_msg msg = {0};
    static const int types[] = {
#define X(name, number, text) number,
        RLT_MSG_TYPES(X)
#undef X
    };
    for (size_t i = 0; i < RLT_COUNT(types); i++) {
        int type = types[i];
        rlt_msg_begin(&writer, (rlt_msg_type)type, UINT64_MAX, (uint64_t)type << 33);
        expect_end(&writer, RLT_OK);
        assert_int_equal(parse(&msg, &writer.buf), RLT_OK);
        assert_int_equal(msg.type, type);
        assert_true(msg.epoch == UINT64_MAX && msg.seq == (uint64_t)type << 33);
        assert_string_not_equal(rlt_msg_type_name(msg.type), "?");
    }
    assert_string_equal(rlt_msg_type_name(RLT_MSG_FAILED), "failed");
    assert_int_equal(RLT_MSG_FAILED, 14);
    assert_string_equal(rlt_msg_type_name((rlt_msg_type)7), "?");
    assert_string_equal(rlt_msg_type_name(RLT_MSG_NONE), "?");
    assert_string_equal(rlt_msg_type_name(RLT_MSG_TYPE_COUNT), "?");
    rlt_msg_fini(&msg);
    rlt_msg_fini(&msg);
    rlt_msg_writer_fini(&writer);
    rlt_msg_writer_fini(&writer);
}

static void check_u64(rlt_msg_writer *writer, rlt_msg *msg, uint64_t value) {
    rlt_msg_begin(writer, RLT_MSG_TASK, 1, 2);
    rlt_msg_put_u64(writer, "x", value);
    expect_end(writer, RLT_OK);
    assert_int_equal(parse(msg, &writer->buf), RLT_OK);
    uint64_t u64;
    int64_t i64;
    double f64;
    assert_int_equal(rlt_msg_get_u64(msg, "x", &u64, &err), RLT_OK);
    assert_true(u64 == value);
    bool fits = value <= INT64_MAX;
    assert_int_equal(rlt_msg_get_i64(msg, "x", &i64, &err), fits ? RLT_OK : RLT_EPROTO);
    assert_true(!fits || (uint64_t)i64 == value);
    assert_int_equal(rlt_msg_get_f64(msg, "x", &f64, &err), RLT_OK);
    assert_true(f64 == (double)value);
}

static void check_i64(rlt_msg_writer *writer, rlt_msg *msg, int64_t value) {
    rlt_msg_begin(writer, RLT_MSG_TASK, 1, 2);
    rlt_msg_put_i64(writer, "x", value);
    expect_end(writer, RLT_OK);
    assert_int_equal(parse(msg, &writer->buf), RLT_OK);
    uint64_t u64;
    int64_t i64;
    double f64;
    assert_int_equal(rlt_msg_get_i64(msg, "x", &i64, &err), RLT_OK);
    assert_true(i64 == value);
    assert_int_equal(rlt_msg_get_u64(msg, "x", &u64, &err), value >= 0 ? RLT_OK : RLT_EPROTO);
    assert_int_equal(rlt_msg_get_f64(msg, "x", &f64, &err), RLT_OK);
    assert_true(f64 == (double)value);
}

static void check_f64(rlt_msg_writer *writer, rlt_msg *msg, double value) {
    rlt_msg_begin(writer, RLT_MSG_TASK, 1, 2);
    rlt_msg_put_f64(writer, "x", value);
    expect_end(writer, RLT_OK);
    assert_int_equal(parse(msg, &writer->buf), RLT_OK);
    double f64;
    assert_int_equal(rlt_msg_get_f64(msg, "x", &f64, &err), RLT_OK);
    assert_memory_equal(&f64, &value, sizeof value);
    assert_int_equal(rlt_msg_get_i64(msg, "x", &(int64_t){0}, &err), RLT_EPROTO);
}

static void test_numbers(void **state) {
    (void)state;
    rlt_msg_writer writer = {0};
    rlt_msg msg = {0};
    for (int bit = 0; bit < 64; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t value = ((uint64_t)1 << bit) + (uint64_t)delta;
            check_u64(&writer, &msg, value);
            check_i64(&writer, &msg, (int64_t)value);
            check_i64(&writer, &msg, -(int64_t)(value & INT64_MAX));
        }
    }
    check_i64(&writer, &msg, INT64_MIN);
    const double values[] = {0.0, -0.0, 1.5, 1e308, -5e-324, INFINITY, NAN};
    for (size_t i = 0; i < RLT_COUNT(values); i++) {
        check_f64(&writer, &msg, values[i]);
    }
    rlt_msg_fini(&msg);
    rlt_msg_writer_fini(&writer);
}

static void test_text_bytes_and_arrays(void **state) {
    (void)state;
    const double values[] = {1, -2.5, NAN};
    rlt_msg_writer writer = {0};
    rlt_msg_begin(&writer, RLT_MSG_METRICS, 1, 2);
    rlt_msg_put_str(&writer, "name", "Größe");
    rlt_msg_put_str(&writer, "empty", "");
    rlt_msg_put_bin(&writer, "bytes", "\0\1\2", 3);
    rlt_msg_put_bin(&writer, "none", NULL, 0);
    rlt_msg_put_f64s(&writer, "values", values, 3);
    rlt_msg_put_f64s(&writer, "nothing", NULL, 0);
    expect_end(&writer, RLT_OK);
    rlt_msg msg = {0};
    assert_int_equal(parse(&msg, &writer.buf), RLT_OK);
    char text[8];
    assert_int_equal(rlt_msg_get_str(&msg, "name", text, sizeof text, &err), RLT_OK);
    assert_string_equal(text, "Größe");
    assert_int_equal(rlt_msg_get_str(&msg, "name", text, 7, &err), RLT_EPROTO); /* the final 0 */
    assert_int_equal(rlt_msg_get_str(&msg, "empty", text, 1, &err), RLT_OK);
    assert_string_equal(text, "");
    const void *data;
    size_t size, count;
    assert_int_equal(rlt_msg_get_bin(&msg, "bytes", &data, &size, &err), RLT_OK);
    assert_int_equal(size, 3);
    assert_memory_equal(data, "\0\1\2", 3);
    assert_int_equal(rlt_msg_get_bin(&msg, "none", &data, &size, &err), RLT_OK);
    assert_int_equal(size, 0);
    double read[3];
    assert_int_equal(rlt_msg_get_f64s(&msg, "values", read, 3, &count, &err), RLT_OK);
    assert_int_equal(count, 3);
    assert_memory_equal(read, values, sizeof values);
    assert_int_equal(rlt_msg_get_f64s(&msg, "values", read, 2, &count, &err), RLT_EPROTO);
    assert_int_equal(rlt_msg_get_f64s(&msg, "nothing", read, 0, &count, &err), RLT_OK);
    assert_int_equal(count, 0);
    rlt_msg_fini(&msg);
    rlt_msg_writer_fini(&writer);
}

static void test_wrong_fields_are_named(void **state) {
    (void)state;
    rlt_msg_writer writer = {0};
    rlt_msg_begin(&writer, RLT_MSG_METRICS, 1, 2);
    rlt_msg_put_str(&writer, "name", "x");
    rlt_msg_put_bin(&writer, "hidden", "a\0b", 3);
    expect_end(&writer, RLT_OK);
    rlt_msg msg = {0};
    assert_false(rlt_msg_has(&msg, "name")); /* nothing was parsed yet */
    assert_int_equal(parse(&msg, &writer.buf), RLT_OK);
    assert_true(rlt_msg_has(&msg, "name"));
    assert_false(rlt_msg_has(&msg, "nam"));
    char text[8];
    const void *data;
    size_t size;
    double f64;
    assert_int_equal(rlt_msg_get_f64(&msg, "reward", &f64, &err), RLT_EPROTO);
    assert_non_null(strstr(err.message, "\"metrics\""));
    assert_non_null(strstr(err.message, "\"reward\" is missing"));
    assert_int_equal(rlt_msg_get_f64(&msg, "name", &f64, &err), RLT_EPROTO);
    assert_non_null(strstr(err.message, "\"name\" is of another type"));
    assert_int_equal(rlt_msg_get_bin(&msg, "name", &data, &size, &err), RLT_EPROTO);
    assert_int_equal(rlt_msg_get_str(&msg, "hidden", text, sizeof text, &err), RLT_EPROTO);
    assert_int_equal(rlt_msg_get_f64s(&msg, "name", &f64, 1, &size, &err), RLT_EPROTO);
    rlt_msg_fini(&msg);
    rlt_msg_writer_fini(&writer);
}

/* ---- the wire ---- */

#define APPEND(buf, text) rlt_buf_append(buf, text, sizeof(text) - 1)

/* {"v": 1, "type": 1, "epoch": 3, "seq": 300}, then further pairs up to `pairs` in all. */
static void wire_head(rlt_buf *buf, uint8_t pairs) {
    buf->size = 0;
    const uint8_t map[] = {0xde, 0, pairs};
    rlt_buf_append(buf, map, sizeof map);
    APPEND(buf, "\xa1v\x01\xa4type\x01\xa5"
                "epoch\x03\xa3seq\xcd\x01\x2c");
}

static void expect_wire(const rlt_buf *buf, rlt_status status) {
    rlt_msg msg = {0};
    if (parse(&msg, buf) != status) {
        fail_msg("%s instead of %s", rlt_status_name(parse(&msg, buf)), rlt_status_name(status));
    }
    assert_int_equal(msg.type != RLT_MSG_NONE, status == RLT_OK);
    assert_int_equal(rlt_msg_has(&msg, "v"), status == RLT_OK);
    rlt_msg_fini(&msg);
}

static void test_the_wire(void **state) {
    (void)state;
    rlt_buf buf = {0};
    rlt_msg_writer writer = {0};
    wire_head(&buf, 8);
    APPEND(&buf, "\xa1"
                 "a\xd0\xdf"
                 "\xa1"
                 "b\xcb\x3f\xf8\0\0\0\0\0\0"
                 "\xa1"
                 "c\xc4\x02xy"
                 "\xa1"
                 "d\x92\xcb\x40\0\0\0\0\0\0\0\xcb\xc0\0\0\0\0\0\0\0");
    rlt_msg_begin(&writer, RLT_MSG_HELLO, 3, 300);
    rlt_msg_put_i64(&writer, "a", -33);
    rlt_msg_put_f64(&writer, "b", 1.5);
    rlt_msg_put_bin(&writer, "c", "xy", 2);
    rlt_msg_put_f64s(&writer, "d", (const double[]){2, -2}, 2);
    expect_end(&writer, RLT_OK);
    assert_int_equal(writer.buf.size, buf.size);
    assert_memory_equal(writer.buf.data, buf.data, buf.size);
    expect_wire(&buf, RLT_OK);
    /* The same head as others may write it: a fixmap, wider integers, a field that we ignore. */
    buf.size = 0;
    APPEND(&buf, "\x85\xa3seq\xcf\0\0\0\0\0\0\0\x09\xa1v\xcc\x01\xa4type\xd0\x02\xd9\x05"
                 "epoch\xce\0\0\0\x07\xa5"
                 "other\x81\xa1k\xc0");
    rlt_msg msg = {0};
    assert_int_equal(parse(&msg, &buf), RLT_OK);
    assert_true(msg.type == RLT_MSG_TASK && msg.seq == 9 && msg.epoch == 7);
    rlt_msg_fini(&msg);
    rlt_msg_writer_fini(&writer);
    rlt_buf_fini(&buf);
}

static void expect_field(const char *field, size_t size, rlt_status status) {
    rlt_buf buf = {0};
    wire_head(&buf, 5);
    rlt_buf_append(&buf, field, size);
    expect_wire(&buf, status);
    rlt_buf_fini(&buf);
}
#define FIELD(text, status) expect_field(text, sizeof(text) - 1, status)

static void test_fields_that_are_refused(void **state) {
    (void)state;
    FIELD("\xa1x\x01", RLT_OK);
    FIELD("\xa1x\x01\x01", RLT_EPROTO);               /* something follows */
    FIELD("\xa1x", RLT_EPROTO);                       /* no value */
    FIELD("\x01\x01", RLT_EPROTO);                    /* a key that is no text */
    FIELD("\xa0\x01", RLT_EPROTO);                    /* an empty key */
    FIELD("\xa1v\x01", RLT_EPROTO);                   /* twice the same key */
    FIELD("\xc4\x01x\x01", RLT_EPROTO);               /* a key of bytes */
    FIELD("\xa1x\xc1", RLT_EPROTO);                   /* no msgpack */
    FIELD("\xa1x\xd4\x01\x01", RLT_EPROTO);           /* an extension */
    FIELD("\xa1x\xc7\x01\x01\x01", RLT_EPROTO);       /* another one */
    FIELD("\xa1x\xdb\xff\xff\xff\xff", RLT_EPROTO);   /* 4 GiB of text announced */
    FIELD("\xa1x\xc6\xff\xff\xff\xffxx", RLT_EPROTO); /* of bytes */
    FIELD("\xa1x\xdd\xff\xff\xff\xffxx", RLT_EPROTO); /* of values */
    FIELD("\xa1x\xdf\x80\0\0\0xx", RLT_EPROTO);       /* of pairs: twice that overflows 32 bits */
    FIELD("\xa1x\x91\x91\x91\x01", RLT_OK);           /* depth 4 with the message's map */
    FIELD("\xa1x\x91\x91\x91\x90", RLT_EPROTO);
    FIELD("\xa1x\x81\xa1y\x81\xa1z\x81\xa1q\x01", RLT_OK);
    FIELD("\xa1x\x81\xa1y\x81\xa1z\x81\xa1q\x80", RLT_EPROTO);
}

static void test_heads_that_are_refused(void **state) {
    (void)state;
    rlt_buf buf = {0};
    wire_head(&buf, 4);
    expect_wire(&buf, RLT_OK);
    for (size_t size = 0; size < buf.size; size++) { /* cut anywhere */
        rlt_buf cut = {.data = buf.data, .size = size};
        expect_wire(&cut, RLT_EPROTO);
    }
    buf.data[5] = 2; /* v */
    expect_wire(&buf, RLT_EPROTO);
    assert_non_null(strstr(err.message, "protocol version 2"));
    buf.data[5] = 1;
    const int bad_types[] = {0, 7, 10, RLT_MSG_TYPE_COUNT, 127};
    for (size_t i = 0; i < RLT_COUNT(bad_types); i++) {
        buf.data[11] = (char)bad_types[i];
        expect_wire(&buf, RLT_EPROTO);
        assert_non_null(strstr(err.message, "unknown type"));
    }
    buf.data[11] = (char)0xff; /* -1 */
    expect_wire(&buf, RLT_EPROTO);
    buf.data[11] = 1;
    buf.data[13] = 'E'; /* "Epoch": epoch is missing */
    expect_wire(&buf, RLT_EPROTO);
    assert_non_null(strstr(err.message, "\"epoch\" is missing"));
    buf.size = 0;
    APPEND(&buf, "\x93\x01\x02\x03"); /* no map at all */
    expect_wire(&buf, RLT_EPROTO);
    rlt_buf_fini(&buf);
}

/* Made by Python's msgpack: scripts/gen_golden_msg.py. */
static void test_the_reference_codec(void **state) {
    (void)state;
    char *data, text[16];
    size_t size, count;
    assert_int_equal(
        rlt_file_read(RLT_SOURCE_DIR "/tests/golden/message.msgpack", 4096, &data, &size, &err),
        RLT_OK);
    rlt_msg msg = {0};
    assert_int_equal(rlt_msg_parse(&msg, data, size, &err), RLT_OK);
    assert_true(msg.type == RLT_MSG_METRICS && msg.seq == 300);
    assert_true(msg.epoch == ((uint64_t)1 << 63) + 5);
    assert_int_equal(rlt_msg_get_str(&msg, "name", text, sizeof text, &err), RLT_OK);
    assert_string_equal(text, "Größe");
    const void *bytes;
    assert_int_equal(rlt_msg_get_bin(&msg, "bytes", &bytes, &count, &err), RLT_OK);
    assert_true(count == 40 && ((const char *)bytes)[39] == 39);
    double values[7];
    const double expected[] = {1.5, -2, 3, 0x1p40, INFINITY, -0x1p40, 0.1};
    assert_int_equal(rlt_msg_get_f64s(&msg, "values", values, 7, &count, &err), RLT_OK);
    assert_int_equal(count, 7);
    assert_memory_equal(values, expected, sizeof values);
    int64_t i64;
    uint64_t u64;
    assert_int_equal(rlt_msg_get_i64(&msg, "int", &i64, &err), RLT_OK);
    assert_int_equal(rlt_msg_get_u64(&msg, "large", &u64, &err), RLT_OK);
    assert_true(i64 == -129 && u64 == UINT64_MAX);
    assert_true(rlt_msg_has(&msg, "flag") && rlt_msg_has(&msg, "nothing"));
    assert_int_equal(rlt_msg_get_i64(&msg, "large", &i64, &err), RLT_EPROTO);
    assert_int_equal(rlt_msg_get_u64(&msg, "flag", &u64, &err), RLT_EPROTO);
    rlt_msg_fini(&msg);
    rlt_free(data);
}

/* ---- limits ---- */

static void test_limit_of_fields(void **state) {
    (void)state;
    rlt_msg_writer writer = {0};
    for (int extra = 0; extra <= 1; extra++) {
        rlt_msg_begin(&writer, RLT_MSG_METRICS, 1, 2);
        for (int i = 0; i < RLT_MSG_FIELDS_MAX - 4 + extra; i++) {
            char key[16];
            snprintf(key, sizeof key, "k%d", i);
            rlt_msg_put_u64(&writer, key, 1);
        }
        expect_end(&writer, extra ? RLT_ELIMIT : RLT_OK);
    }
    rlt_msg_begin(&writer, RLT_MSG_METRICS, 1, 2); /* and good again */
    expect_end(&writer, RLT_OK);
    rlt_buf buf = {0};
    for (int pairs = RLT_MSG_FIELDS_MAX; pairs <= RLT_MSG_FIELDS_MAX + 1; pairs++) {
        wire_head(&buf, (uint8_t)pairs);
        for (int i = 4; i < pairs; i++) {
            char field[8] = "\xa2"
                            "aa\x01";
            field[1] = (char)('a' + i / 26);
            field[2] = (char)('a' + i % 26);
            rlt_buf_append(&buf, field, 4);
        }
        expect_wire(&buf, pairs <= RLT_MSG_FIELDS_MAX ? RLT_OK : RLT_EPROTO);
    }
    rlt_buf_fini(&buf);
    rlt_msg_writer_fini(&writer);
}

static void test_limit_of_keys(void **state) {
    (void)state;
    static const char key[] = "123456789012345678901234567890123";
    rlt_msg_writer writer = {0};
    rlt_msg msg = {0};
    for (size_t size = 0; size <= RLT_MSG_KEY_MAX + 1; size++) {
        bool good = size > 0 && size <= RLT_MSG_KEY_MAX;
        rlt_msg_begin(&writer, RLT_MSG_METRICS, 1, 2);
        rlt_msg_put_u64(&writer, key + sizeof key - 1 - size, 1);
        expect_end(&writer, good ? RLT_OK : RLT_ELIMIT);
        assert_true(!good || parse(&msg, &writer.buf) == RLT_OK);
    }
    FIELD("\xd9\x20"
          "12345678901234567890123456789012\x01",
          RLT_OK);
    FIELD("\xd9\x21"
          "123456789012345678901234567890123\x01",
          RLT_EPROTO);
    rlt_msg_fini(&msg);
    rlt_msg_writer_fini(&writer);
}

static void test_limit_of_elements(void **state) {
    (void)state;
    /* The map, four pairs, the key and the array itself are values too. */
    const uint32_t most = RLT_MSG_ELEMENTS_MAX - 1 - 8 - 2;
    double *values = rlt_alloc((most + 1) * sizeof *values);
    rlt_msg_writer writer = {0};
    rlt_msg msg = {0};
    rlt_buf buf = {0};
    for (uint32_t count = most; count <= most + 1; count++) {
        rlt_msg_begin(&writer, RLT_MSG_METRICS, 1, 2);
        rlt_msg_put_f64s(&writer, "x", values, count);
        expect_end(&writer, count == most ? RLT_OK : RLT_ELIMIT);
        assert_true(count != most || parse(&msg, &writer.buf) == RLT_OK);
        wire_head(&buf, 5);
        const uint8_t head[] = {0xa1, 'x', 0xdc, (uint8_t)(count >> 8), (uint8_t)count};
        rlt_buf_append(&buf, head, sizeof head);
        for (uint32_t i = 0; i < count; i++) {
            APPEND(&buf, "\x01");
        }
        expect_wire(&buf, count == most ? RLT_OK : RLT_EPROTO);
    }
    rlt_msg_begin(&writer, RLT_MSG_METRICS, 1, 2);
    rlt_msg_put_f64s(&writer, "x", NULL, SIZE_MAX); /* refused before it is read */
    expect_end(&writer, RLT_ELIMIT);
    rlt_buf_fini(&buf);
    rlt_msg_fini(&msg);
    rlt_msg_writer_fini(&writer);
    rlt_free(values);
}

static void test_limit_of_size(void **state) {
    (void)state;
    enum { HEAD = 3 + 3 + 6 + 7 + 5, KEY = 2, BIN = 5 }; /* map, v, type, epoch, seq */
    const size_t most = RLT_MSG_SIZE_MAX - HEAD - KEY - BIN;
    char *data = rlt_alloc(RLT_MSG_SIZE_MAX + 1);
    rlt_msg_writer writer = {0};
    rlt_msg msg = {0};
    for (size_t size = most; size <= most + 1; size++) {
        rlt_msg_begin(&writer, RLT_MSG_METRICS, 1, 2);
        rlt_msg_put_bin(&writer, "x", data, size);
        expect_end(&writer, size == most ? RLT_OK : RLT_ELIMIT);
        if (size == most) {
            assert_int_equal(writer.buf.size, RLT_MSG_SIZE_MAX);
            assert_int_equal(parse(&msg, &writer.buf), RLT_OK);
        }
    }
    rlt_msg_begin(&writer, RLT_MSG_METRICS, 1, 2);
    rlt_msg_put_bin(&writer, "x", data, SIZE_MAX);
    expect_end(&writer, RLT_ELIMIT);
    assert_int_equal(rlt_msg_parse(&msg, data, RLT_MSG_SIZE_MAX + 1, &err), RLT_EPROTO);
    assert_non_null(strstr(err.message, "16777217 bytes"));
    rlt_msg_fini(&msg);
    rlt_msg_writer_fini(&writer);
    rlt_free(data);
}

static void test_nothing_is_allocated_per_message(void **state) {
    (void)state;
    rlt_msg_writer writer = {0};
    rlt_msg msg = {0};
    uint64_t before = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        rlt_msg_begin(&writer, RLT_MSG_SEGMENT, 1, i);
        rlt_msg_put_u64(&writer, "slot", i % 4);
        expect_end(&writer, RLT_OK);
        assert_int_equal(parse(&msg, &writer.buf), RLT_OK);
        if (i == 0) {
            before = rlt_alloc_count();
        }
    }
    assert_int_equal(rlt_alloc_count(), before);
    rlt_msg_fini(&msg);
    rlt_msg_writer_fini(&writer);
}

/* ---- mutation ---- */

static void mutate(rlt_rng *rng, char *data, size_t *size) {
    uint32_t changes = 1 + rlt_rng_below(rng, 4);
    for (uint32_t i = 0; i<changes && * size> 0; i++) {
        uint32_t at = rlt_rng_below(rng, (uint32_t)*size);
        switch (rlt_rng_below(rng, 4)) {
        case 0:
            data[at] = (char)rlt_rng_u32(rng);
            break;
        case 1:
            data[at] ^= (char)(1u << rlt_rng_below(rng, 8));
            break;
        case 2:
            *size = at; /* cut */
            break;
        default: /* leave one byte out */
            memmove(data + at, data + at + 1, *size - at - 1);
            --*size;
        }
    }
}

static void read_all_fields(const rlt_msg *msg) {
    static const char *const keys[] = {"name", "bytes", "values", "x", "y", "seq"};
    char text[16];
    const void *data;
    size_t size;
    double values[4];
    for (size_t i = 0; i < RLT_COUNT(keys); i++) {
        if (rlt_msg_get_str(msg, keys[i], text, sizeof text, NULL) == RLT_OK) {
            assert_in_range(strlen(text), 0, sizeof text - 1);
        }
        if (rlt_msg_get_bin(msg, keys[i], &data, &size, NULL) == RLT_OK) {
            volatile char sum = 0; /* every byte is ours to read */
            for (size_t j = 0; j < size; j++) {
                sum = (char)(sum + ((const char *)data)[j]);
            }
        }
        if (rlt_msg_get_f64s(msg, keys[i], values, 4, &size, NULL) == RLT_OK) {
            assert_in_range(size, 0, 4);
        }
        rlt_msg_get_i64(msg, keys[i], &(int64_t){0}, NULL);
        rlt_msg_get_f64(msg, keys[i], &(double){0}, NULL);
    }
}

static void test_mutated_messages(void **state) {
    (void)state;
    enum { ROUNDS = 200000 };
    rlt_msg_writer writer = {0};
    rlt_msg_begin(&writer, RLT_MSG_METRICS, 1, 2);
    rlt_msg_put_str(&writer, "name", "some text");
    rlt_msg_put_bin(&writer, "bytes", "\1\2\3\4", 4);
    rlt_msg_put_f64s(&writer, "values", (const double[]){1, 2, 3}, 3);
    rlt_msg_put_f64(&writer, "x", 1.5);
    rlt_msg_put_i64(&writer, "y", -70000);
    expect_end(&writer, RLT_OK);
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    rlt_msg msg = {0};
    int accepted = 0;
    for (int i = 0; i < ROUNDS; i++) {
        size_t size = writer.buf.size;
        char *copy = malloc(size); /* of its own, so that ASan sees a read past the end */
        memcpy(copy, writer.buf.data, size);
        mutate(&rng, copy, &size);
        copy = realloc(copy, size > 0 ? size : 1);
        rlt_status status = rlt_msg_parse(&msg, copy, size, NULL);
        assert_true(status == RLT_OK || status == RLT_EPROTO);
        read_all_fields(&msg);
        accepted += status == RLT_OK;
        free(copy);
    }
    assert_in_range(accepted, ROUNDS / 100, ROUNDS / 2); /* both outcomes were tried */
    rlt_msg_fini(&msg);
    rlt_msg_writer_fini(&writer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_text_bytes_and_arrays),
        cmocka_unit_test(test_wrong_fields_are_named),
        cmocka_unit_test(test_the_wire),
        cmocka_unit_test(test_the_reference_codec),
        cmocka_unit_test(test_fields_that_are_refused),
        cmocka_unit_test(test_heads_that_are_refused),
        cmocka_unit_test(test_limit_of_fields),
        cmocka_unit_test(test_limit_of_keys),
        cmocka_unit_test(test_limit_of_elements),
        cmocka_unit_test(test_limit_of_size),
        cmocka_unit_test(test_nothing_is_allocated_per_message),
        cmocka_unit_test(test_mutated_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
