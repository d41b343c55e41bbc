/* driver: what a program is given: its arguments and variables with {names} filled in. Why no shell
 * is in between: a value is one argument, whatever characters it holds.
 * Thread: any. Owner: the caller. */
#include "driver/programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 256 };

static rlt_status refuse_name(const char *field, const char *name, const json_t *values,
                              rlt_err *err) {
    const char *names[NAMES_MAX], *key;
    size_t count = 0;
    json_t *value;
    json_object_foreach((json_t *)values, key, value) {
        if (count < NAMES_MAX) {
            names[count++] = key;
        }
    }
    const char *nearest = rlt_str_nearest(name, names, count);
    return rlt_fail(err, RLT_ECONFIG,
                    "%s: {%.60s} is none of the trial's values%s%s%s; allowed: its params, seed, "
                    "trial, attempt, params_file, checkpoint; '{{' stands for one brace",
                    field, name, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                    nearest ? "'?)" : "");
}

rlt_status rlt_driver_fill(const char *field, const char *text, const json_t *values, rlt_buf *out,
                           rlt_err *err) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    while (*text != 0) {
        size_t size = text[0] == '{' ? strspn(text + 1, letters) : 0;
        if (text[0] == '{' && text[1] == '{') {
            rlt_buf_append(out, text, 1);
            text += 2;
        } else if (size > 0 && text[1 + size] == '}') {
            char name[80];
            snprintf(name, sizeof name, "%.*s", (int)size, text + 1);
            const char *value = json_string_value(json_object_get(values, name));
            if (value == NULL) {
                return refuse_name(field, name, values, err);
            }
            rlt_buf_append(out, value, strlen(value));
            text += size + 2;
        } else {
            rlt_buf_append(out, text++, 1);
        }
    }
    rlt_buf_append(out, "", 0);
    return RLT_OK;
}

/* A number as short as it can be and still be read back the same. */
static json_t *number_text(double x) {
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) {
            break;
        }
    }
    return json_string(text);
}

json_t *rlt_driver_value_text(const json_t *value) {
    if (json_is_string(value)) {
        return json_string(json_string_value(value));
    }
    if (json_is_real(value)) {
        return number_text(json_real_value(value));
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    json_t *made = json_string(text != NULL ? text : "");
    free(text);
    return made;
}

void rlt_texts_add(rlt_texts *texts, char *text) {
    if (texts->count + 2 > texts->capacity) {
        texts->capacity = 2 * texts->capacity + 16;
        texts->items = realloc(texts->items, sizeof *texts->items * texts->capacity);
        RLT_ASSERT(texts->items != NULL);
    }
    texts->items[texts->count++] = text;
    texts->items[texts->count] = NULL;
}

void rlt_texts_fini(rlt_texts *texts) {
    for (size_t i = 0; i < texts->count; i++) {
        free(texts->items[i]);
    }
    free(texts->items);
    *texts = (rlt_texts){0};
}
