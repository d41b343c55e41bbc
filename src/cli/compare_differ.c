/* compare: in which fields the configurations of the two sides differ. Thread: main only. */
#include "cli/compare.h"

#include <string.h>

enum { SHOWN_MAX = 8, PATH_SIZE = 160, TEXT_COLUMNS = 36 };

/* A search value, a function or an environment of the script: compared as a whole. */
static bool is_leaf(const json_t *value) {
    const char *key;
    json_t *item;
    if (!json_is_object(value)) {
        return true;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, item) {
        if (key[0] == '$') {
            return true;
        }
    }
    return false;
}

static bool is_equal(const json_t *a, const json_t *b) {
    return json_equal(a, b) ||
           (json_is_number(a) && json_is_number(b) && json_number_value(a) == json_number_value(b));
}

static void walk(const char *path, json_t *a, json_t *b, json_t *out) {
    const char *key;
    json_t *value;
    char inner[PATH_SIZE];
    if (is_leaf(a) || is_leaf(b)) {
        if (!is_equal(a, b)) {
            json_array_append_new(out,
                                  json_pack("{s:s, s:O?, s:O?}", "field", path, "a", a, "b", b));
        }
        return;
    }
    json_object_foreach(a, key, value) {
        snprintf(inner, sizeof inner, "%s%s%s", path, path[0] != 0 ? "." : "", key);
        walk(inner, value, json_object_get(b, key), out);
    }
    json_object_foreach(b, key, value) {
        if (json_object_get(a, key) == NULL) {
            snprintf(inner, sizeof inner, "%s%s%s", path, path[0] != 0 ? "." : "", key);
            walk(inner, NULL, value, out);
        }
    }
}

json_t *rlt_comparison_differences(const rlt_comparison *c) {
    json_t *configs[2], *list = json_array();
    for (int i = 0; i < 2; i++) {
        configs[i] = rlt_report_parse(c->sides[i].config);
        json_object_del(configs[i], "name"); /* it stands above */
    }
    walk("", configs[0], configs[1], list);
    json_decref(configs[0]);
    json_decref(configs[1]);
    return list;
}

/* "loguniform 0.0001 0.01", "choice [32,64]", "a function", 0.2, "-" */
static void value_text(const json_t *value, rlt_buf *text) {
    const char *space = json_string_value(json_object_get(value, "$space")), *key;
    json_t *item;
    if (value == NULL || json_is_null(value)) {
        rlt_buf_printf(text, "-");
    } else if (json_object_get(value, "$function") != NULL) {
        rlt_buf_printf(text, "a function");
    } else if (space != NULL) {
        rlt_buf_printf(text, "%s", space);
        static const char *const order[] = {"low",  "high",   "mean", "std",
                                            "step", "values", "value"};
        for (size_t i = 0; i < RLT_COUNT(order); i++) {
            key = order[i];
            item = json_object_get(value, key);
            rlt_buf_printf(text, "%s", item != NULL ? " " : "");
            rlt_report_json_text(item, text);
        }
    } else {
        rlt_report_json_text(value, text);
    }
}

static void put_value(rlt_table *table, const json_t *value) {
    rlt_buf text = {0}, cut = {0};
    value_text(value, &text);
    rlt_buf_text(&cut, text.data != NULL ? text.data : "", TEXT_COLUMNS, RLT_TEXT_UTF8);
    rlt_table_cell(table, cut.data != NULL ? cut.data : "");
    rlt_buf_fini(&text);
    rlt_buf_fini(&cut);
}

void rlt_comparison_print_differences(const rlt_comparison *c) {
    json_t *list = rlt_comparison_differences(c), *entry;
    size_t i, count = json_array_size(list);
    if (count > 0) {
        rlt_table table = {0};
        rlt_table_column(&table, "differ in", false);
        rlt_table_column(&table, "A", false);
        rlt_table_column(&table, "B", false);
        json_array_foreach(list, i, entry) {
            if (i < SHOWN_MAX) {
                rlt_table_cell(&table, json_string_value(json_object_get(entry, "field")));
                put_value(&table, json_object_get(entry, "a"));
                put_value(&table, json_object_get(entry, "b"));
            }
        }
        printf("\n");
        rlt_table_print(&table, stdout);
    }
    if (count > SHOWN_MAX) {
        printf("and in %zu more fields (--json lists them)\n", count - SHOWN_MAX);
    }
    json_decref(list);
}
