/* exchange: an experiment's table as a Lua script that people go on with.
 * Why not JSON in Lua's clothes: a search space is a call, lists stand on one line, and a text that
 * came from a foreign file can hold nothing but a text.
 * Thread: any. Owner: the caller. */
#include "config/config.h"
#include "exchange/exchange_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A table is measured before it is written, at every depth: what nests deeper is cut. */
enum { DEPTH_MAX = 8, COLUMNS = 76, INDENT = 2 };

static void put_value(const json_t *value, int depth, rlt_buf *out);

/* Lua 5.4 manual, 3.1: every byte outside of ASCII stands for itself. */
static void put_text(const char *text, size_t size, rlt_buf *out) {
    rlt_buf_append(out, "\"", 1);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            rlt_buf_printf(out, "\\%c", c);
        } else if (c == '\n') {
            rlt_buf_printf(out, "\\n");
        } else if (c < ' ' || c == 0x7f) {
            rlt_buf_printf(out, "\\%03d", c);
        } else {
            rlt_buf_append(out, text + i, 1);
        }
    }
    rlt_buf_append(out, "\"", 1);
}

/* The shortest form that reads back as the same number. */
static void put_number(double x, rlt_buf *out) {
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) {
            break;
        }
    }
    /* 1 would be an integer */
    rlt_buf_printf(out, "%s%s", text, strpbrk(text, ".en") == NULL ? ".0" : "");
}

static bool is_name(const char *key) {
    static const char *const words[] = {"and",   "break", "do",       "else", "elseif", "end",
                                        "false", "for",   "function", "goto", "if",     "in",
                                        "local", "nil",   "not",      "or",   "repeat", "return",
                                        "then",  "true",  "until",    "while"};
    for (size_t i = 0; i < RLT_COUNT(words); i++) {
        if (strcmp(key, words[i]) == 0) {
            return false;
        }
    }
    size_t size = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return key[size] == 0 && size > 0 && !(key[0] >= '0' && key[0] <= '9');
}

static void put_key(const char *key, rlt_buf *out) {
    if (is_name(key)) {
        rlt_buf_printf(out, "%s = ", key);
    } else {
        rlt_buf_printf(out, "[");
        put_text(key, strlen(key), out);
        rlt_buf_printf(out, "] = ");
    }
}

/* space.uniform(0.1, 1.0), space.choice{ "a", "b" } */
static void put_space(const json_t *space, const rlt_space_kind_row *row, int depth, rlt_buf *out) {
    bool list = strcmp(row->args[0], "values") == 0;
    rlt_buf_printf(out, "space.%s%s", row->name, list ? "" : "(");
    for (int i = 0; row->args[i] != NULL; i++) {
        const json_t *arg = json_object_get(space, row->args[i]);
        if (arg == NULL) {
            break;
        }
        rlt_buf_printf(out, "%s", i > 0 ? ", " : "");
        put_value(arg, depth, out);
    }
    rlt_buf_printf(out, "%s", list ? "" : ")");
}

static const rlt_space_kind_row *kind_of(const json_t *value) {
    const char *name = json_string_value(json_object_get(value, "$space"));
    for (const rlt_space_kind_row *row = rlt_space_kinds; name != NULL && row->name != NULL;
         row++) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

static void put_entries(const json_t *value, int depth, bool lines, rlt_buf *out) {
    const char *key;
    json_t *inner;
    size_t i, count = 0;
    json_array_foreach(value, i, inner) {
        rlt_buf_printf(out, count++ == 0 ? "" : lines ? "," : ", ");
        if (lines) {
            rlt_buf_printf(out, "\n%*s", INDENT * depth, "");
        }
        put_value(inner, depth, out);
    }
    json_object_foreach((json_t *)value, key, inner) {
        rlt_buf_printf(out, count++ == 0 ? "" : lines ? "," : ", ");
        if (lines) {
            rlt_buf_printf(out, "\n%*s", INDENT * depth, "");
        }
        put_key(key, out);
        put_value(inner, depth, out);
    }
}

static void put_table(const json_t *value, int depth, rlt_buf *out) {
    rlt_buf flat = {0};
    if (json_array_size(value) == 0 && json_object_size(value) == 0) {
        rlt_buf_printf(out, "{}");
        return;
    }
    put_entries(value, depth + 1, false, &flat);
    bool lines = depth == 0 || flat.size + (size_t)(INDENT * depth) > COLUMNS ||
                 memchr(flat.data, '\n', flat.size) != NULL;
    if (!lines) {
        rlt_buf_printf(out, "{ %s }", flat.data);
    } else {
        rlt_buf_printf(out, "{");
        put_entries(value, depth + 1, true, out);
        rlt_buf_printf(out, ",\n%*s}", INDENT * depth, "");
    }
    rlt_buf_fini(&flat);
}

static void put_value(const json_t *value, int depth, rlt_buf *out) {
    const rlt_space_kind_row *row = kind_of(value);
    if (row != NULL && depth < DEPTH_MAX) {
        put_space(value, row, depth, out);
    } else if (json_is_string(value)) {
        put_text(json_string_value(value), json_string_length(value), out);
    } else if (json_is_integer(value)) {
        rlt_buf_printf(out, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        put_number(json_real_value(value), out);
    } else if (json_is_boolean(value)) {
        rlt_buf_printf(out, json_is_true(value) ? "true" : "false");
    } else if ((json_is_array(value) || json_is_object(value)) && depth < DEPTH_MAX) {
        put_table(value, depth, out);
    } else {
        rlt_buf_printf(out, "nil");
    }
}

void rlt_lua_write(const json_t *config, const char *head, rlt_buf *out) {
    for (const char *line = head != NULL ? head : ""; *line != 0;) {
        int size = (int)strcspn(line, "\n");
        rlt_buf_printf(out, "--%s%.*s\n", size > 0 ? " " : "", size, line);
        line += size + (line[size] == '\n');
    }
    rlt_buf_printf(out, "return ");
    put_value(config, 0, out);
    rlt_buf_printf(out, "\n");
}
