/* cli: the network of a trial as a script would have it, to be pasted. Thread: main only. */
#include "cli/show.h"

#include <string.h>

static void write_value(const json_t *value, rlt_buf *text);

/* As Lua reads it: control characters and quotes by their numbers. */
static void write_string(const char *string, rlt_buf *text) {
    rlt_buf_printf(text, "\"");
    for (const unsigned char *at = (const unsigned char *)string; *at != 0; at++) {
        bool plain = *at >= 0x20 && *at != '"' && *at != '\\' && *at != 0x7f;
        rlt_buf_printf(text, plain ? "%c" : "\\%03d", *at);
    }
    rlt_buf_printf(text, "\"");
}

static void write_item(const json_t *value, bool *first, rlt_buf *text) {
    rlt_buf_printf(text, *first ? " " : ", ");
    *first = false;
    write_value(value, text);
}

/* What has no name comes first: the kind of a layer, its arguments, the layers within. */
static void write_table(const json_t *table, rlt_buf *text) {
    const char *key;
    json_t *value;
    size_t i;
    bool first = true;
    const json_t *kind = json_object_get(table, "kind"), *layers = json_object_get(table, "layers");
    rlt_buf_printf(text, "{");
    if (kind != NULL) {
        write_item(kind, &first, text);
    }
    json_array_foreach(json_object_get(table, "$items"), i, value) {
        write_item(value, &first, text);
    }
    if (layers != NULL) {
        write_item(layers, &first, text);
    }
    json_object_foreach((json_t *)table, key, value) {
        if (strcmp(key, "kind") != 0 && strcmp(key, "$items") != 0 && strcmp(key, "layers") != 0 &&
            !json_is_null(value)) {
            rlt_buf_printf(text, "%s%s = ", first ? " " : ", ", key);
            first = false;
            write_value(value, text);
        }
    }
    rlt_buf_printf(text, first ? "}" : " }");
}

static void write_value(const json_t *value, rlt_buf *text) {
    size_t i;
    json_t *item;
    bool first = true;
    if (json_is_string(value)) {
        write_string(json_string_value(value), text);
    } else if (json_is_object(value)) {
        write_table(value, text);
    } else if (json_is_array(value)) {
        rlt_buf_printf(text, "{");
        json_array_foreach(value, i, item) {
            write_item(item, &first, text);
        }
        rlt_buf_printf(text, first ? "}" : " }");
    } else if (json_is_boolean(value)) {
        rlt_buf_printf(text, json_is_true(value) ? "true" : "false");
    } else {
        rlt_buf_printf(text, "%.17g", json_number_value(value));
    }
}

void rlt_show_model(const json_t *config, rlt_buf *text) {
    const json_t *model = json_object_get(config, "model"), *layer;
    const json_t *layers = json_is_array(model) ? model : json_object_get(model, "layers");
    size_t i;
    if (layers == NULL) {
        return;
    }
    rlt_buf_printf(text, "model = {\n");
    json_array_foreach(layers, i, layer) {
        rlt_buf_printf(text, "  ");
        write_value(layer, text);
        rlt_buf_printf(text, ",\n");
    }
    static const char *const beside[] = {"separate", "log_std_init", "squash"};
    for (i = 0; i < RLT_COUNT(beside); i++) {
        const json_t *value = json_object_get(model, beside[i]);
        if (json_is_true(value) || (json_is_number(value) && json_number_value(value) != 0)) {
            rlt_buf_printf(text, "  %s = ", beside[i]);
            write_value(value, text);
            rlt_buf_printf(text, ",\n");
        }
    }
    rlt_buf_printf(text, "}\n");
}
