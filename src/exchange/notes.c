/* exchange: the list of what could not be taken over. Thread: any. Owner: the caller. */
#include "exchange/exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rlt_notes_add(rlt_notes *notes, int line, const char *fmt, ...) {
    if (notes == NULL) {
        return;
    }
    if (notes->count == RLT_NOTES_MAX) {
        notes->dropped++;
        return;
    }
    if (notes->items == NULL) {
        notes->items = rlt_alloc(sizeof *notes->items * RLT_NOTES_MAX);
    }
    rlt_note *note = &notes->items[notes->count++];
    note->line = line;
    va_list args;
    va_start(args, fmt);
    vsnprintf(note->text, sizeof note->text, fmt, args);
    va_end(args);
}

static int by_line(const void *a, const void *b) {
    const rlt_note *x = a, *y = b;
    return x->line != y->line ? (x->line > y->line) - (x->line < y->line)
                              : strcmp(x->text, y->text);
}

/* Notes quote foreign text: one line each, without control characters. */
void rlt_notes_write(rlt_notes *notes, const char *file, const char *prefix, rlt_buf *out) {
    if (notes->count > 0) {
        qsort(notes->items, (size_t)notes->count, sizeof *notes->items, by_line);
    }
    for (int i = 0; i < notes->count; i++) {
        rlt_buf_printf(out, "%s", prefix);
        if (notes->items[i].line > 0) {
            rlt_buf_text(out, file, 200, RLT_TEXT_UTF8);
            rlt_buf_printf(out, ":%d: ", notes->items[i].line);
        }
        rlt_buf_text(out, notes->items[i].text, 400, RLT_TEXT_UTF8);
        rlt_buf_printf(out, "\n");
    }
    if (notes->dropped > 0) {
        rlt_buf_printf(out, "%sand %lld more\n", prefix, (long long)notes->dropped);
    }
}

void rlt_notes_fini(rlt_notes *notes) {
    rlt_free(notes->items);
    *notes = (rlt_notes){0};
}
