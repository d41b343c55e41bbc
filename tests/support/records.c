/* support: golden files of named records. */
#include "tests/support/records.h"

#include "core/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

records records_open(const char *path) {
    records r = {0};
    rlt_err err = {0};
    if (rlt_file_read(path, 1 << 20, &r.data, &r.size, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return r;
}

void records_drop(records *r) {
    rlt_free(r->data);
}

void records_close(records *r) {
    assert_int_equal(r->at, r->size);
    records_drop(r);
}

void *records_take(records *r, const char *name, size_t count) {
    uint32_t sizes[2];
    assert_true(r->at + 32 <= r->size);
    char *at = r->data + r->at;
    memcpy(sizes, at + 24, sizeof sizes);
    if (strcmp(at, name) != 0 || sizes[0] != count) {
        fail_msg("record %s of %u entries, %s of %zu expected", at, sizes[0], name, count);
    }
    r->at += 32 + ((size_t)sizes[0] * sizes[1] + 3) / 4 * 4;
    return at + 32;
}
