/* cli: aligned columns. Rows of a long table wait in a temporary file until all widths are known.
 * Thread: main only. */
#include "cli/report.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IN_MEMORY_MAX = 1 << 20 }; /* bytes of cells */

static const char *shown(const char *text) {
    return text != NULL && text[0] != 0 ? text : "-";
}

static void append(rlt_buf *cells, const char *text) {
    rlt_buf_text(cells, shown(text), INT_MAX, RLT_TEXT_UTF8);
    rlt_buf_append(cells, "", 1);
}

void rlt_table_column(rlt_table *table, const char *name, bool right) {
    RLT_ASSERT(table->columns < RLT_TABLE_COLUMNS_MAX && table->count == table->columns);
    table->right[table->columns++] = right;
    append(&table->names, name);
    table->count++;
}

/* Whole rows go to the file; where it can't be had, or is full, they stay in memory. */
static void spill(rlt_table *table) {
    if (table->spilled == NULL && !table->in_memory) {
        table->spilled = tmpfile();
    }
    long end = table->spilled != NULL ? ftell(table->spilled) : -1;
    table->in_memory |= end < 0;
    if (table->in_memory) {
        return;
    }
    if (fwrite(table->cells.data, 1, table->cells.size, table->spilled) != table->cells.size ||
        fflush(table->spilled) != 0) {
        table->in_memory = true; /* what was written of these does not count */
        clearerr(table->spilled);
        return;
    }
    table->spilled_count = table->count;
    rlt_buf_fini(&table->cells);
}

void rlt_table_cell(rlt_table *table, const char *text) {
    size_t before = table->cells.size;
    append(&table->cells, text);
    int width = rlt_str_columns(table->cells.data + before);
    int *widest = &table->widths[table->count++ % table->columns];
    *widest = width > *widest ? width : *widest;
    if (table->count % table->columns == 0 && table->cells.size > IN_MEMORY_MAX) {
        spill(table);
    }
}

void rlt_table_integer(rlt_table *table, int64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    rlt_table_cell(table, text);
}

/* A name without its section, where room is short: "lr" for "ppo.lr". */
static const char *short_name(const char *name, bool tight) {
    const char *dot = tight ? strrchr(name, '.') : NULL;
    return dot != NULL && dot[1] != 0 ? dot + 1 : name;
}

/* Fills widths, returns those of all columns together. */
static int measure(const rlt_table *table, bool tight, int widths[RLT_TABLE_COLUMNS_MAX]) {
    int sum = 0;
    const char *name = table->names.data;
    for (int i = 0; i < table->columns; i++, name += strlen(name) + 1) {
        int width = rlt_str_columns(short_name(name, tight));
        widths[i] = width > table->widths[i] ? width : table->widths[i];
        sum += widths[i];
    }
    return sum;
}

typedef struct layout {
    FILE *out;
    int widths[RLT_TABLE_COLUMNS_MAX], gap;
} layout;

static void put_cell(const rlt_table *table, const layout *l, int i, const char *text) {
    int column = i % table->columns, blanks = l->widths[column] - rlt_str_columns(text);
    bool last = column == table->columns - 1;
    if (table->right[column]) {
        fprintf(l->out, "%*s%s", blanks, "", text);
    } else {
        fprintf(l->out, "%s%*s", text, last ? 0 : blanks, "");
    }
    fprintf(l->out, "%*s", last ? 0 : l->gap, "");
    fputs(last ? "\n" : "", l->out);
}

/* Cells from the file, then those in memory. */
static void put_rows(rlt_table *table, const layout *l) {
    int i = table->columns;
    char *text = NULL;
    size_t room = 0;
    if (table->spilled != NULL) {
        rewind(table->spilled);
    }
    while (i < table->spilled_count && getdelim(&text, &room, 0, table->spilled) >= 0) {
        put_cell(table, l, i++, text);
    }
    free(text);
    const char *cell = table->cells.data;
    for (i = table->spilled_count > i ? table->spilled_count : i; i < table->count; i++) {
        put_cell(table, l, i, cell);
        cell += strlen(cell) + 1;
    }
}

void rlt_table_print(rlt_table *table, FILE *out) {
    RLT_ASSERT(table->columns > 0 && table->count % table->columns == 0);
    layout l = {.out = out, .gap = 2};
    int room = isatty(fileno(out)) ? rlt_screen_of_stdout().columns : INT_MAX;
    bool tight = measure(table, false, l.widths) + l.gap * (table->columns - 1) > room;
    if (tight && measure(table, true, l.widths) + l.gap * (table->columns - 1) > room) {
        l.gap = 1;
    }
    const char *name = table->names.data;
    for (int i = 0; i < table->columns; i++, name += strlen(name) + 1) {
        put_cell(table, &l, i, short_name(name, tight));
    }
    put_rows(table, &l);
    rlt_table_fini(table);
}

void rlt_table_fini(rlt_table *table) {
    rlt_buf_fini(&table->names);
    rlt_buf_fini(&table->cells);
    if (table->spilled != NULL) {
        fclose(table->spilled);
    }
    *table = (rlt_table){0};
}
