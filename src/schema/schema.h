/* schema: tables of fields. One row holds everything there is to know about an option: name,
 * place in its struct, default, bounds, choices, help. The same row drives loading, messages,
 * `rltune explain` and what may be tuned, so a default or a bound stands in one place.
 * Values come in as JSON (jansson); this module knows neither Lua nor search spaces.
 * Thread: any, no state. Owner: json_t that come out belong to the caller (json_decref). */
#ifndef RLT_SCHEMA_H
#define RLT_SCHEMA_H
#include "core/core.h"

#include <jansson.h>

typedef enum {
    RLT_FIELD_BOOL,      /* bool */
    RLT_FIELD_INT,       /* int64_t; 1e5 is as good as 100000 */
    RLT_FIELD_DOUBLE,    /* double; NaN and infinity never come in */
    RLT_FIELD_STRING,    /* char[size]; with choices: one of them */
    RLT_FIELD_ENUM,      /* int or, of two choices, bool (by size): the index among choices */
    RLT_FIELD_INT_LIST,  /* int64_t[]; the number of items is an int at count_offset */
    RLT_FIELD_TEXTS,     /* a list of texts; kept in the JSON alone, without a member */
    RLT_FIELD_TEXT_TABLE /* a table of texts by name; the same */
} rlt_field_type;

enum {
    RLT_FIELD_TUNABLE = 1 << 0,  /* may be a search-space value */
    RLT_FIELD_LOG = 1 << 1,      /* spans orders of magnitude */
    RLT_FIELD_OPEN_MIN = 1 << 2, /* min itself is not allowed */
    RLT_FIELD_OPEN_MAX = 1 << 3, /* max itself is not allowed */
    RLT_FIELD_OPTIONAL = 1 << 4, /* null is allowed; DOUBLE: stored as NAN, STRING: as "" */
    RLT_FIELD_LIVE = 1 << 5      /* a run may go on from its checkpoint with another value */
};
enum { RLT_FIELD_PATH_MAX = 160 };

typedef struct rlt_field { /* a table ends with a row whose name is NULL */
    const char *name;
    rlt_field_type type;
    size_t offset, size;        /* of the member */
    size_t count_offset;        /* INT_LIST */
    const char *initial;        /* the default, as JSON or as a bare word: "0.99", "true", "adam";
                                 * NULL: it must be given */
    double min, max;            /* INT, DOUBLE, each item of INT_LIST */
    const char *const *choices; /* NULL-terminated; ENUM, STRING */
    const char *choice_words;   /* other words for choices, "minimize=min maximize=max", or NULL */
    const char *aliases;        /* other names accepted, separated by spaces, or NULL */
    unsigned flags;
    const char *help; /* one sentence; says what 0 stands for where it is special */
} rlt_field;

/* Size and place of `member` of `record`, for a row. */
#define RLT_FIELD_AT(record, member)                                                               \
    .offset = offsetof(record, member), .size = sizeof(((record *)0)->member)

bool rlt_field_named(const rlt_field *field, const char *name); /* or has it as an alias */
/* The row called `name`, or that has it as an alias; or NULL. */
const rlt_field *rlt_field_find(const rlt_field *fields, const char *name);
json_t *rlt_field_default(const rlt_field *field); /* NULL without one */
/* What is allowed, as a phrase: "a number more than 0, at most 1", "one of tanh, relu, silu". */
void rlt_field_allowed(const rlt_field *field, char *text, size_t size);
const char *rlt_field_type_name(const rlt_field *field);
/* Checks a concrete value. *canonical: a new reference in the field's own type (100000, not 1e5).
 * RLT_ECONFIG: "path: bad value; allowed: ...". */
rlt_status rlt_field_check(const rlt_field *field, const char *path, const json_t *value,
                           json_t **canonical, rlt_err *err);

typedef struct rlt_schema_reader {
    const char *path;              /* of the table read, "" for the outermost */
    const char *section;           /* what `rltune explain` calls it; NULL: path */
    const char *const *other_keys; /* keys that the caller reads; NULL-terminated, or NULL */
    /* Is asked first for every value present; sets *canonical (new reference) when it takes the
     * value, leaves it NULL when the value is an ordinary one. May be NULL. */
    rlt_status (*special)(void *user, const rlt_field *field, const char *path, const json_t *value,
                          json_t **canonical, rlt_err *err);
    void *user;
    char failed[RLT_FIELD_PATH_MAX]; /* out: the path that an error is about */
} rlt_schema_reader;
/* Writes every field of `table` (an object, or NULL for none) into the object `out`: canonical
 * names and values, defaults filled in. RLT_ECONFIG: not a table, unknown key (with the nearest
 * name), a name and its alias both given, wrong type, out of bounds. */
rlt_status rlt_schema_normalise(const rlt_field *fields, rlt_schema_reader *reader,
                                const json_t *table, json_t *out, rlt_err *err);
/* Stores a normalised table in the struct at `record`. A value that is an object stands for one
 * not known yet: the default is stored. */
void rlt_schema_store(const rlt_field *fields, const json_t *normalised, void *record);
#endif
