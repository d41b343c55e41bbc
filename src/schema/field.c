/* schema: one field: its default, what it allows, whether a value fits.
 * Thread: any. Owner: the caller owns the JSON returned. */
#include "schema/schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS_MAX = 1024 };

/* Whether `name` is one of the words of `aliases`. */
static bool is_alias(const char *aliases, const char *name) {
    size_t size = strlen(name);
    for (const char *at = aliases; at != NULL && *at != 0;) {
        size_t word = strcspn(at, " ");
        if (word == size && strncmp(at, name, size) == 0) {
            return true;
        }
        at += word + strspn(at + word, " ");
    }
    return false;
}

bool rlt_field_named(const rlt_field *field, const char *name) {
    return strcmp(field->name, name) == 0 || is_alias(field->aliases, name);
}

const rlt_field *rlt_field_find(const rlt_field *fields, const char *name) {
    for (; fields->name != NULL; fields++) {
        if (rlt_field_named(fields, name)) {
            return fields;
        }
    }
    return NULL;
}

json_t *rlt_field_default(const rlt_field *field) {
    if (field->initial == NULL) {
        return NULL;
    }
    json_t *value = json_loads(field->initial, JSON_DECODE_ANY, NULL);
    if (value == NULL) {
        value = json_string(field->initial);
    }
    RLT_ASSERT(value != NULL);
    return value;
}

const char *rlt_field_type_name(const rlt_field *field) {
    static const char *const names[] = {
        [RLT_FIELD_BOOL] = "boolean",        [RLT_FIELD_INT] = "integer",
        [RLT_FIELD_DOUBLE] = "number",       [RLT_FIELD_STRING] = "string",
        [RLT_FIELD_ENUM] = "choice",         [RLT_FIELD_INT_LIST] = "list of integers",
        [RLT_FIELD_TEXTS] = "list of texts", [RLT_FIELD_TEXT_TABLE] = "table of texts",
    };
    return names[field->type];
}

static void describe_bounds(const rlt_field *field, rlt_buf *text) {
    bool open_min = field->flags & RLT_FIELD_OPEN_MIN, open_max = field->flags & RLT_FIELD_OPEN_MAX;
    bool low = isfinite(field->min), high = isfinite(field->max);
    if (low && high && !open_min && !open_max) {
        rlt_buf_printf(text, " from %.15g to %.15g", field->min, field->max);
        return;
    }
    if (low) {
        rlt_buf_printf(text, " %s %.15g", open_min ? "more than" : "of at least", field->min);
    }
    if (high) {
        rlt_buf_printf(text, "%s %s %.15g", low ? " and" : "", open_max ? "below" : "at most",
                       field->max);
    }
}

static void describe_choices(const rlt_field *field, rlt_buf *text) {
    rlt_buf_printf(text, "one of");
    for (size_t i = 0; field->choices[i] != NULL; i++) {
        rlt_buf_printf(text, "%s '%s'", i > 0 ? "," : "", field->choices[i]);
    }
}

static size_t list_room(const rlt_field *field) {
    return field->size / sizeof(int64_t);
}

void rlt_field_allowed(const rlt_field *field, char *text, size_t size) {
    rlt_buf buf = {0};
    if (field->choices != NULL) {
        describe_choices(field, &buf);
    } else if (field->type == RLT_FIELD_BOOL) {
        rlt_buf_printf(&buf, "true or false");
    } else if (field->type == RLT_FIELD_INT) {
        rlt_buf_printf(&buf, "an integer");
        describe_bounds(field, &buf);
    } else if (field->type == RLT_FIELD_DOUBLE) {
        rlt_buf_printf(&buf, "a number");
        describe_bounds(field, &buf);
    } else if (field->type == RLT_FIELD_STRING) {
        rlt_buf_printf(&buf, "text of 1 to %zu bytes", field->size - 1);
    } else if (field->type == RLT_FIELD_TEXTS) {
        rlt_buf_printf(&buf, "a list of at most %d texts", TEXTS_MAX);
    } else if (field->type == RLT_FIELD_TEXT_TABLE) {
        rlt_buf_printf(&buf, "a table of at most %d texts, each with a name", TEXTS_MAX);
    } else {
        rlt_buf_printf(&buf, "a list of 1 to %zu integers", list_room(field));
        describe_bounds(field, &buf);
    }
    snprintf(text, size, "%s", buf.data);
    rlt_buf_fini(&buf);
}

static rlt_status refuse(const rlt_field *field, const char *path, const json_t *value,
                         rlt_err *err) {
    char allowed[200];
    rlt_field_allowed(field, allowed, sizeof allowed);
    char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
    if (shown != NULL && json_is_real(value)) {
        free(shown);
        shown = asprintf(&shown, "%.15g", json_real_value(value)) < 0 ? NULL : shown;
    }
    size_t count = 0;
    while (field->choices != NULL && field->choices[count] != NULL) {
        count++;
    }
    const char *nearest = count > 0 && json_is_string(value)
                              ? rlt_str_nearest(json_string_value(value), field->choices, count)
                              : NULL;
    rlt_status status = rlt_fail(
        err, RLT_ECONFIG, "%s: %.60s%s is not allowed%s%s%s; allowed: %s", path,
        shown != NULL ? shown : "this value", shown != NULL && strlen(shown) > 60 ? "…" : "",
        nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "", allowed);
    free(shown);
    return status;
}

static bool within(const rlt_field *field, double x) {
    bool above = field->flags & RLT_FIELD_OPEN_MIN ? x > field->min : x >= field->min;
    bool below = field->flags & RLT_FIELD_OPEN_MAX ? x < field->max : x <= field->max;
    return above && below;
}

/* An integer within bounds, from an integer or a whole number; NULL otherwise. */
static json_t *canonical_int(const rlt_field *field, const json_t *value) {
    if (json_is_integer(value)) {
        json_int_t x = json_integer_value(value);
        return within(field, (double)x) ? json_integer(x) : NULL;
    }
    if (json_is_real(value)) {
        double x = json_real_value(value);
        bool fits = fabs(x) <= 0x1p53 && x == floor(x);
        return fits && within(field, x) ? json_integer((json_int_t)x) : NULL;
    }
    return NULL;
}

static json_t *canonical_double(const rlt_field *field, const json_t *value) {
    if (json_is_null(value) && field->flags & RLT_FIELD_OPTIONAL) {
        return json_null();
    }
    bool fits = json_is_number(value) && isfinite(json_number_value(value)) &&
                within(field, json_number_value(value));
    return fits ? json_real(json_number_value(value)) : NULL;
}

/* The choice that `word` is, or stands for, or NULL. */
static const char *choice_of(const rlt_field *field, const char *word) {
    size_t size = strlen(word);
    for (int i = 0; field->choices[i] != NULL; i++) {
        const char *choice = field->choices[i];
        if (strcmp(choice, word) == 0) {
            return choice;
        }
        for (const char *at = field->choice_words; at != NULL && *at != 0;) {
            size_t length = strcspn(at, " "), left = strcspn(at, "=");
            if (left == size && strncmp(at, word, size) == 0 &&
                length - left - 1 == strlen(choice) &&
                strncmp(at + left + 1, choice, length - left - 1) == 0) {
                return choice;
            }
            at += length + strspn(at + length, " ");
        }
    }
    return NULL;
}

static json_t *canonical_text(const rlt_field *field, const json_t *value) {
    if (field->choices != NULL) {
        const char *choice =
            json_is_string(value) ? choice_of(field, json_string_value(value)) : NULL;
        return choice != NULL ? json_string(choice) : NULL;
    }
    if (json_is_null(value) && field->flags & RLT_FIELD_OPTIONAL) {
        return json_null();
    }
    size_t size = json_string_length(value);
    bool fits = json_is_string(value) && size > 0 && size < field->size &&
                strlen(json_string_value(value)) == size;
    return fits ? json_string(json_string_value(value)) : NULL;
}

static json_t *canonical_list(const rlt_field *field, const json_t *value) {
    size_t count = json_array_size(value);
    if (!json_is_array(value) || count < 1 || count > list_room(field)) {
        return NULL;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *item = canonical_int(field, json_array_get(value, i));
        if (item == NULL) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, item);
    }
    return list;
}

/* A text as it is; numbers and booleans as they are written. NULL: neither. */
static json_t *as_text(const json_t *value) {
    if (json_is_string(value)) {
        bool whole = strlen(json_string_value(value)) == json_string_length(value);
        return whole ? json_string(json_string_value(value)) : NULL;
    }
    if (json_is_boolean(value)) {
        return json_string(json_is_true(value) ? "true" : "false");
    }
    if (json_is_integer(value)) {
        return json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    }
    return json_is_real(value) ? json_sprintf("%.15g", json_real_value(value)) : NULL;
}

/* An empty table of a script has no kind: it comes as an object. */
static json_t *canonical_texts(const json_t *value) {
    bool empty = json_is_object(value) && json_object_size(value) == 0;
    if ((!json_is_array(value) && !empty) || json_array_size(value) > TEXTS_MAX) {
        return NULL;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *text = as_text(json_array_get(value, i));
        if (text == NULL) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, text);
    }
    return list;
}

static json_t *canonical_text_table(const json_t *value) {
    if (!json_is_object(value) || json_object_size(value) > TEXTS_MAX) {
        return NULL;
    }
    json_t *table = json_object();
    const char *name;
    json_t *given;
    json_object_foreach((json_t *)value, name, given) {
        json_t *text = as_text(given);
        if (text == NULL) {
            json_decref(table);
            return NULL;
        }
        json_object_set_new(table, name, text);
    }
    return table;
}

rlt_status rlt_field_check(const rlt_field *field, const char *path, const json_t *value,
                           json_t **canonical, rlt_err *err) {
    json_t *made = NULL;
    switch (field->type) {
    case RLT_FIELD_BOOL:
        made = json_is_boolean(value) ? json_boolean(json_is_true(value)) : NULL;
        break;
    case RLT_FIELD_INT:
        made = canonical_int(field, value);
        break;
    case RLT_FIELD_DOUBLE:
        made = canonical_double(field, value);
        break;
    case RLT_FIELD_STRING:
    case RLT_FIELD_ENUM:
        made = canonical_text(field, value);
        break;
    case RLT_FIELD_INT_LIST:
        made = canonical_list(field, value);
        break;
    case RLT_FIELD_TEXTS:
        made = canonical_texts(value);
        break;
    case RLT_FIELD_TEXT_TABLE:
        made = canonical_text_table(value);
        break;
    }
    *canonical = made;
    return made != NULL ? RLT_OK : refuse(field, path, value, err);
}
