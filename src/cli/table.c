/* cli: aligned columns. Thread: main only. */
#include "cli/report.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

void rlt_table_column(rlt_table *table, const char *name, bool right) {
    RLT_ASSERT(table->columns < RLT_TABLE_COLUMNS_MAX && table->count == table->columns);
    table->right[table->columns++] = right;
    rlt_table_cell(table, name);
}

void rlt_table_cell(rlt_table *table, const char *text) {
    rlt_buf_text(&table->cells, text != NULL && text[0] != 0 ? text : "-", INT_MAX, RLT_TEXT_UTF8);
    rlt_buf_append(&table->cells, "", 1);
    table->count++;
}

void rlt_table_integer(rlt_table *table, int64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    rlt_table_cell(table, text);
}

/* A name of the head without its section, where room is short: "lr" for "ppo.lr". */
static const char *shown(const rlt_table *table, const char *cell, int i, bool tight) {
    const char *dot = tight && i < table->columns ? strrchr(cell, '.') : NULL;
    return dot != NULL && dot[1] != 0 ? dot + 1 : cell;
}

/* Fills widths, returns those of all columns together. */
static int measure(const rlt_table *table, bool tight, int widths[RLT_TABLE_COLUMNS_MAX]) {
    int sum = 0;
    const char *cell = table->cells.data;
    memset(widths, 0, sizeof(int) * RLT_TABLE_COLUMNS_MAX);
    for (int i = 0; i < table->count; i++, cell += strlen(cell) + 1) {
        int width = rlt_str_columns(shown(table, cell, i, tight)), column = i % table->columns;
        sum += width > widths[column] ? width - widths[column] : 0;
        widths[column] = width > widths[column] ? width : widths[column];
    }
    return sum;
}

void rlt_table_print(rlt_table *table, FILE *out) {
    RLT_ASSERT(table->columns > 0 && table->count % table->columns == 0);
    int widths[RLT_TABLE_COLUMNS_MAX], gap = 2;
    int room = isatty(fileno(out)) ? rlt_screen_of_stdout().columns : INT_MAX;
    bool tight = measure(table, false, widths) + gap * (table->columns - 1) > room;
    if (tight && measure(table, true, widths) + gap * (table->columns - 1) > room) {
        gap = 1;
    }
    const char *cell = table->cells.data;
    for (int i = 0; i < table->count; i++, cell += strlen(cell) + 1) {
        const char *text = shown(table, cell, i, tight);
        int column = i % table->columns, blanks = widths[column] - rlt_str_columns(text);
        bool last = column == table->columns - 1;
        if (table->right[column]) {
            fprintf(out, "%*s%s", blanks, "", text);
        } else {
            fprintf(out, "%s%*s", text, last ? 0 : blanks, "");
        }
        fprintf(out, "%*s", last ? 0 : gap, "");
        fputs(last ? "\n" : "", out);
    }
    rlt_buf_fini(&table->cells);
    *table = (rlt_table){0};
}
