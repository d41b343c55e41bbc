/* support: golden files of named records (scripts/gen_golden_losses.py): name[24], count and bytes
 * of an entry (uint32), the entries, padded to 4 bytes. For cmocka tests: what is wrong fails. */
#ifndef RLT_TEST_RECORDS_H
#define RLT_TEST_RECORDS_H
#include <stddef.h>

typedef struct records {
    char *data;
    size_t size, at;
} records;

records records_open(const char *path);
void records_drop(records *r);
void records_close(records *r); /* all of them must have been taken */
/* The next record, which must have this name and count. */
void *records_take(records *r, const char *name, size_t count);
#endif
