/* cli: aligned columns. Thread: main only. */
#include "cli/report.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

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

void rlt_table_print(rlt_table *table, FILE *out) {
    RLT_ASSERT(table->columns > 0 && table->count % table->columns == 0);
    int widths[RLT_TABLE_COLUMNS_MAX] = {0};
    const char *cell = table->cells.data;
    for (int i = 0; i < table->count; i++, cell += strlen(cell) + 1) {
        int width = rlt_str_columns(cell), column = i % table->columns;
        widths[column] = width > widths[column] ? width : widths[column];
    }
    cell = table->cells.data;
    for (int i = 0; i < table->count; i++, cell += strlen(cell) + 1) {
        int column = i % table->columns, blanks = widths[column] - rlt_str_columns(cell);
        bool last = column == table->columns - 1;
        if (table->right[column]) {
            fprintf(out, "%*s%s", blanks, "", cell);
        } else {
            fprintf(out, "%s%*s", cell, last ? 0 : blanks, "");
        }
        fputs(last ? "\n" : "  ", out);
    }
    rlt_buf_fini(&table->cells);
    *table = (rlt_table){0};
}
