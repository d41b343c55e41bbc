/* schema: whole tables: unknown keys, aliases, defaults; and from there into the struct.
 * Thread: any. Owner: the caller owns tables and structs. */
#include "schema/schema.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 128, ALIASES_MAX = 2048 };

static void join(char *path, const char *table, const char *key) {
    snprintf(path, RLT_FIELD_PATH_MAX, "%.80s%s%.70s", table, *table != 0 ? "." : "", key);
}

static bool is_other(const rlt_schema_reader *reader, const char *key) {
    for (size_t i = 0; reader->other_keys != NULL && reader->other_keys[i] != NULL; i++) {
        if (strcmp(reader->other_keys[i], key) == 0) {
            return true;
        }
    }
    return false;
}

/* Cuts a field's aliases, a copy in `words`, into names. */
static size_t split_aliases(char *words, const char **names, size_t count) {
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        RLT_ASSERT(count < NAMES_MAX);
        names[count++] = word;
    }
    return count;
}

static rlt_status refuse_key(const rlt_field *fields, const rlt_schema_reader *reader,
                             const char *key, rlt_err *err) {
    const char *names[NAMES_MAX];
    char words[ALIASES_MAX];
    size_t count = 0, used = 0;
    for (const rlt_field *field = fields; field->name != NULL; field++) {
        RLT_ASSERT(count < NAMES_MAX);
        names[count++] = field->name;
        size_t size = field->aliases != NULL ? strlen(field->aliases) + 1 : 0;
        if (size > 0) {
            RLT_ASSERT(size <= sizeof words - used);
            memcpy(words + used, field->aliases, size);
            count = split_aliases(words + used, names, count);
            used += size;
        }
    }
    for (size_t i = 0; reader->other_keys != NULL && reader->other_keys[i] != NULL; i++) {
        RLT_ASSERT(count < NAMES_MAX);
        names[count++] = reader->other_keys[i];
    }
    const char *nearest = rlt_str_nearest(key, names, count);
    const char *section = reader->section != NULL ? reader->section : reader->path;
    return rlt_fail(err, RLT_ECONFIG, "%s: unknown key%s%s%s; `rltune explain%s%s` lists all keys",
                    reader->failed, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                    nearest ? "'?)" : "", *section ? " " : "", section);
}

static rlt_status check_keys(const rlt_field *fields, rlt_schema_reader *reader,
                             const json_t *table, rlt_err *err) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)table, key, value) {
        if (!is_other(reader, key) && rlt_field_find(fields, key) == NULL) {
            join(reader->failed, reader->path, key);
            return refuse_key(fields, reader, key, err);
        }
    }
    return RLT_OK;
}

/* The value given for a field under its name or an alias, or NULL. `path` names what was found. */
static rlt_status find_value(const rlt_field *field, rlt_schema_reader *reader, const json_t *table,
                             const json_t **found, rlt_err *err) {
    const char *key, *used = NULL;
    json_t *value;
    *found = NULL;
    json_object_foreach((json_t *)table, key, value) {
        if (!rlt_field_named(field, key)) {
            continue;
        }
        join(reader->failed, reader->path, key);
        if (used != NULL) {
            return rlt_fail(err, RLT_ECONFIG, "%s: given twice, also as '%s'; keep one of them",
                            reader->failed, used);
        }
        used = key;
        *found = value;
    }
    return RLT_OK;
}

static rlt_status fail_missing(const rlt_field *field, rlt_schema_reader *reader, rlt_err *err) {
    char allowed[200];
    rlt_field_allowed(field, allowed, sizeof allowed);
    join(reader->failed, reader->path, field->name);
    return rlt_fail(err, RLT_ECONFIG, "%s: is missing; needed: %s", reader->failed, allowed);
}

static rlt_status normalise_field(const rlt_field *field, rlt_schema_reader *reader,
                                  const json_t *table, json_t *out, rlt_err *err) {
    const json_t *value;
    RLT_TRY(find_value(field, reader, table, &value, err));
    json_t *canonical = NULL;
    if (value == NULL && field->initial == NULL) {
        return fail_missing(field, reader, err);
    }
    if (value == NULL) {
        json_t *initial = rlt_field_default(field);
        rlt_status status = rlt_field_check(field, field->name, initial, &canonical, err);
        RLT_ASSERT(status == RLT_OK); /* a row of the table contradicts itself */
        json_decref(initial);
    } else {
        if (reader->special != NULL) {
            RLT_TRY(reader->special(reader->user, field, reader->failed, value, &canonical, err));
        }
        if (canonical == NULL) {
            RLT_TRY(rlt_field_check(field, reader->failed, value, &canonical, err));
        }
    }
    json_object_set_new(out, field->name, canonical);
    return RLT_OK;
}

rlt_status rlt_schema_normalise(const rlt_field *fields, rlt_schema_reader *reader,
                                const json_t *table, json_t *out, rlt_err *err) {
    if (table != NULL && !json_is_object(table)) {
        snprintf(reader->failed, sizeof reader->failed, "%.150s", reader->path);
        return rlt_fail(err, RLT_ECONFIG, "%s: a table of named values is expected here",
                        *reader->path ? reader->path : "the configuration");
    }
    RLT_TRY(check_keys(fields, reader, table, err));
    for (const rlt_field *field = fields; field->name != NULL; field++) {
        RLT_TRY(normalise_field(field, reader, table, out, err));
    }
    reader->failed[0] = 0;
    return RLT_OK;
}

static void store_choice(const rlt_field *field, const json_t *value, void *member) {
    int index = 0;
    while (strcmp(field->choices[index], json_string_value(value)) != 0) {
        index++;
    }
    if (field->size == sizeof(bool)) {
        *(bool *)member = index != 0;
    } else {
        *(int *)member = index;
    }
}

static void store_list(const rlt_field *field, const json_t *value, char *record) {
    int64_t *items = (int64_t *)(record + field->offset);
    size_t count = json_array_size(value);
    memset(items, 0, field->size);
    for (size_t i = 0; i < count; i++) {
        items[i] = json_integer_value(json_array_get(value, i));
    }
    *(int *)(record + field->count_offset) = (int)count;
}

static void store_value(const rlt_field *field, const json_t *value, char *record) {
    void *member = record + field->offset;
    switch (field->type) {
    case RLT_FIELD_BOOL:
        *(bool *)member = json_is_true(value);
        break;
    case RLT_FIELD_INT:
        *(int64_t *)member = json_integer_value(value);
        break;
    case RLT_FIELD_DOUBLE:
        *(double *)member = json_is_null(value) ? NAN : json_number_value(value);
        break;
    case RLT_FIELD_STRING:
        snprintf(member, field->size, "%s", json_is_null(value) ? "" : json_string_value(value));
        break;
    case RLT_FIELD_ENUM:
        store_choice(field, value, member);
        break;
    case RLT_FIELD_INT_LIST:
        store_list(field, value, record);
        break;
    case RLT_FIELD_TEXTS:
    case RLT_FIELD_TEXT_TABLE:
        break;
    }
}

void rlt_schema_store(const rlt_field *fields, const json_t *normalised, void *record) {
    for (const rlt_field *field = fields; field->name != NULL; field++) {
        json_t *value = json_object_get(normalised, field->name);
        RLT_ASSERT(value != NULL);
        json_t *initial = json_is_object(value) ? rlt_field_default(field) : NULL;
        RLT_ASSERT(initial != NULL || !json_is_object(value));
        store_value(field, initial != NULL ? initial : value, record);
        json_decref(initial);
    }
}
