/* Fuzz target of the message decoder: any bytes either parse or are refused, and every field of
 * what parsed can be asked for as every type. Seed: tests/golden/message.msgpack. */
#include "transport/transport.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const rlt_msg *msg, const char *key) {
    char text[32];
    const void *bytes;
    size_t count;
    double numbers[8];
    volatile uint8_t sum = 0;
    if (rlt_msg_get_str(msg, key, text, sizeof text, NULL) == RLT_OK) {
        RLT_ASSERT(strlen(text) < sizeof text);
    }
    if (rlt_msg_get_bin(msg, key, &bytes, &count, NULL) == RLT_OK) {
        for (size_t i = 0; i < count; i++) {
            sum = (uint8_t)(sum + ((const uint8_t *)bytes)[i]);
        }
    }
    if (rlt_msg_get_f64s(msg, key, numbers, RLT_COUNT(numbers), &count, NULL) == RLT_OK) {
        RLT_ASSERT(count <= RLT_COUNT(numbers));
    }
    rlt_msg_get_u64(msg, key, &(uint64_t){0}, NULL);
    rlt_msg_get_i64(msg, key, &(int64_t){0}, NULL);
    rlt_msg_get_f64(msg, key, numbers, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const keys[] = {"v",    "type",  "epoch",  "seq",
                                       "name", "bytes", "values", "int"};
    static rlt_msg msg; /* reused, as a channel does */
    rlt_err err;
    rlt_status status = rlt_msg_parse(&msg, data, size, &err);
    RLT_ASSERT(status == RLT_OK || status == RLT_EPROTO);
    RLT_ASSERT((status == RLT_OK) == (msg.type != RLT_MSG_NONE));
    RLT_ASSERT((status == RLT_OK) == rlt_msg_has(&msg, "epoch"));
    for (size_t i = 0; i < RLT_COUNT(keys); i++) {
        ask(&msg, keys[i]);
    }
    return 0;
}
