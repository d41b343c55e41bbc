/* core: near names for "did you mean", and growable text.
 * Why: every unknown key or name is answered with the nearest known one.
 * Threads: reentrant. Owner: the caller (rlt_buf_fini). */
#include "core/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAME_MAX_COMPARED = 128 };

static int fold(char c) {
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

static int min_int(int a, int b) {
    return a < b ? a : b;
}

/* Optimal string alignment: the row for i characters of a, from those for i - 1 and i - 2. */
static void next_row(const char *a, int i, const char *b, int size_b, const int *before_last,
                     const int *last, int *row) {
    row[0] = i;
    for (int j = 1; j <= size_b; j++) {
        int x = fold(a[i - 1]), y = fold(b[j - 1]);
        row[j] = min_int(last[j - 1] + (x != y), min_int(last[j], row[j - 1]) + 1);
        if (i > 1 && j > 1 && x == fold(b[j - 2]) && y == fold(a[i - 2])) {
            row[j] = min_int(row[j], before_last[j - 2] + 1);
        }
    }
}

/* Names are compared up to NAME_MAX_COMPARED characters; the rest counts as one edit each. */
int rlt_str_distance(const char *a, const char *b) {
    int rows[3][NAME_MAX_COMPARED + 1];
    int size_a = (int)strnlen(a, NAME_MAX_COMPARED), size_b = (int)strnlen(b, NAME_MAX_COMPARED);
    for (int j = 0; j <= size_b; j++) {
        rows[0][j] = j;
    }
    for (int i = 1; i <= size_a; i++) {
        next_row(a, i, b, size_b, rows[(i + 1) % 3], rows[(i + 2) % 3], rows[i % 3]);
    }
    return rows[size_a % 3][size_b] + abs((int)strlen(a + size_a) - (int)strlen(b + size_b));
}

/* The only one that begins with `name`, or NULL. */
static const char *begins_with(const char *name, const char *const *names, size_t count) {
    enum { PREFIX_MIN = 4 };
    const char *found = NULL;
    size_t size = strlen(name);
    for (size_t i = 0; size >= PREFIX_MIN && i < count; i++) {
        if (strncasecmp(names[i], name, size) == 0) {
            if (found != NULL && strcmp(found, names[i]) != 0) {
                return NULL;
            }
            found = names[i];
        }
    }
    return found;
}

/* A typo explains one edit in short names and up to a third of the letters in long ones. Else it
 * may be the beginning of a name. */
const char *rlt_str_nearest(const char *name, const char *const *names, size_t count) {
    int best_distance = (int)strlen(name) / 3;
    if (best_distance < 1) {
        best_distance = 1;
    }
    const char *best = NULL;
    for (size_t i = 0; i < count; i++) {
        int distance = rlt_str_distance(name, names[i]);
        if (distance < best_distance || (distance == best_distance && best == NULL)) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best != NULL ? best : begins_with(name, names, count);
}

static void reserve(rlt_buf *buf, size_t extra) {
    size_t needed = buf->size + extra + 1;
    if (needed <= buf->capacity) {
        return;
    }
    size_t capacity = buf->capacity * 2 > needed ? buf->capacity * 2 : needed + 64;
    char *data = rlt_alloc(capacity);
    if (buf->size > 0) {
        memcpy(data, buf->data, buf->size);
    }
    rlt_free(buf->data);
    buf->data = data;
    buf->capacity = capacity;
}

void rlt_buf_append(rlt_buf *buf, const void *data, size_t size) {
    reserve(buf, size);
    if (size > 0) {
        memcpy(buf->data + buf->size, data, size);
    }
    buf->size += size;
    buf->data[buf->size] = 0;
}

void rlt_buf_printf(rlt_buf *buf, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    RLT_ASSERT(size >= 0);
    reserve(buf, (size_t)size);
    vsnprintf(buf->data + buf->size, (size_t)size + 1, fmt, again);
    va_end(again);
    buf->size += (size_t)size;
}

void rlt_buf_fini(rlt_buf *buf) {
    rlt_free(buf->data);
    *buf = (rlt_buf){0};
}
