/* Fuzz target: any bytes as a Katib Experiment. Every outcome is a status with a message that names
 * the file; what is taken gives a script that is a text. */
#include "exchange/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(bool ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "katib_fuzz: %s\n", what);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rlt_notes notes = {0};
    rlt_buf lua = {0};
    rlt_err err = {0};
    rlt_status status = rlt_katib_convert((const char *)data, size, "f.yaml", &notes, &lua, &err);
    check((status == RLT_OK) == (lua.size > 0), "a script, or an error");
    check(status == RLT_OK || strncmp(err.message, "f.yaml", 6) == 0, err.message);
    check(lua.size == 0 || strstr(lua.data, "\nreturn {") != NULL, "no table");
    rlt_notes_fini(&notes);
    rlt_buf_fini(&lua);
    return 0;
}
