/* lua: Lua values to JSON and back. To JSON, nothing is called and nothing raises: raw access, no
 * metamethods, bounded depth, values and bytes (shared tables could unfold without end).
 * Thread: the owner's. Owner: the caller owns the JSON. */
#include "lua/script_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 32, VALUES_MAX = 200000, BYTES_MAX = 16 << 20 };
enum { SPACE_VALUES_MAX = 4096, SPACE_BYTES_MAX = 1 << 16 };

typedef struct conversion {
    lua_State *L;
    char path[RLT_FIELD_PATH_MAX];
    unsigned flags;
    int depth, values;
    size_t bytes;
    rlt_err *err;
} conversion;

typedef struct table_shape {
    lua_Integer items, last; /* integer keys and the largest of them */
    lua_Integer names;       /* string keys */
    bool tagged;             /* a search value: nothing below it may be a function */
} table_shape;

static json_t *convert(conversion *c, int index);

static json_t *fail(conversion *c, const char *what) {
    rlt_fail(c->err, RLT_ECONFIG, "%s: %s", c->path[0] != 0 ? c->path : "the table", what);
    return NULL;
}

static size_t bytes_max(const conversion *c) {
    return c->flags & RLT_CONVERT_SMALL ? SPACE_BYTES_MAX : BYTES_MAX;
}

static json_t *convert_string(conversion *c, int index) {
    size_t size;
    const char *text = lua_tolstring(c->L, index, &size);
    c->bytes += size;
    if (c->bytes > bytes_max(c)) {
        return fail(c, "too much text");
    }
    json_t *json = strlen(text) == size ? json_stringn(text, size) : NULL;
    return json != NULL ? json : fail(c, "text must be UTF-8 without zero bytes");
}

static json_t *convert_number(conversion *c, int index) {
    if (lua_isinteger(c->L, index)) {
        return json_integer(lua_tointeger(c->L, index));
    }
    double x = lua_tonumber(c->L, index);
    if (isinf(x) && c->flags & RLT_CONVERT_INFINITE) {
        return json_null();
    }
    return isfinite(x) ? json_real(x)
           : isnan(x)  ? fail(c, "NaN is not allowed; a finite number is needed")
                       : fail(c, "infinity is not allowed; a finite number is needed");
}

/* Counts the kinds of keys; false after an error. Two values above the table are used. */
static bool measure(conversion *c, int index, table_shape *shape) {
    *shape = (table_shape){0};
    lua_pushnil(c->L);
    while (lua_next(c->L, index) != 0) {
        lua_pop(c->L, 1);
        if (lua_isinteger(c->L, -1)) {
            lua_Integer key = lua_tointeger(c->L, -1);
            shape->items++;
            shape->last = key > shape->last ? key : shape->last;
        } else if (lua_type(c->L, -1) == LUA_TSTRING) {
            shape->names++;
            shape->tagged |= strcmp(lua_tostring(c->L, -1), "$space") == 0;
        } else {
            lua_pop(c->L, 1);
            fail(c, "keys must be names or the positions 1, 2, ...");
            return false;
        }
    }
    return true;
}

/* Appends to the path; returns its old length. */
static size_t enter(conversion *c, const char *key, lua_Integer item) {
    size_t size = strlen(c->path);
    if (key != NULL) {
        snprintf(c->path + size, sizeof c->path - size, "%s%.60s", size > 0 ? "." : "", key);
    } else {
        snprintf(c->path + size, sizeof c->path - size, "[%lld]", (long long)item);
    }
    return size;
}

static json_t *convert_list(conversion *c, int index, lua_Integer count) {
    json_t *list = json_array();
    for (lua_Integer i = 1; i <= count; i++) {
        size_t size = enter(c, NULL, i);
        lua_rawgeti(c->L, index, i);
        json_t *item = convert(c, lua_gettop(c->L));
        lua_pop(c->L, 1);
        if (item == NULL) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, item);
        c->path[size] = 0;
    }
    return list;
}

/* Adds the pair on the stack (name, value); the one item of a mixed table is its "name". */
static bool convert_pair(conversion *c, json_t *object) {
    lua_State *L = c->L;
    bool item = lua_type(L, -2) != LUA_TSTRING;
    size_t key_size = 0;
    const char *key = item ? "name" : lua_tolstring(L, -2, &key_size);
    size_t size = enter(c, key, 0);
    if (json_object_get(object, key) != NULL) {
        fail(c, "given by name and as the first item");
        return false;
    }
    json_t *value = convert(c, lua_gettop(L));
    if (value == NULL) {
        return false;
    }
    c->bytes += key_size;
    bool fits = c->bytes <= bytes_max(c) && (item || strlen(key) == key_size) &&
                json_object_set(object, key, value) == 0;
    json_decref(value);
    if (fits) {
        c->path[size] = 0;
    } else {
        fail(c, "a name must be UTF-8 text without zero bytes");
    }
    return fits;
}

/* items: in "$items", besides the names; NULL: a single one, which becomes the "name". */
static json_t *convert_names(conversion *c, int index, json_t *items) {
    json_t *object = json_object();
    if (items != NULL) {
        json_object_set_new(object, "$items", items);
    }
    lua_pushnil(c->L);
    while (lua_next(c->L, index) != 0) {
        bool skip = items != NULL && lua_type(c->L, -2) != LUA_TSTRING;
        if (!skip && !convert_pair(c, object)) {
            lua_pop(c->L, 2);
            json_decref(object);
            return NULL;
        }
        lua_pop(c->L, 1);
    }
    return object;
}

static bool first_item_is_text(lua_State *L, int index) {
    bool text = lua_rawgeti(L, index, 1) == LUA_TSTRING;
    lua_pop(L, 1);
    return text;
}

/* A model's list and its layers may have items and names: { { ... }, separate = true }. */
static json_t *convert_mixed(conversion *c, int index, const table_shape *shape) {
    bool model = strncmp(c->path, "model", 5) == 0 && strchr(".[", c->path[5]) != NULL;
    if (!model && !(c->flags & RLT_CONVERT_SMALL)) {
        return fail(c, "a table has either names or list items, not both");
    }
    if (shape->items != shape->last) {
        return fail(c, "a list must not have gaps");
    }
    json_t *items = convert_list(c, index, shape->last);
    return items != NULL ? convert_names(c, index, items) : NULL;
}

static json_t *convert_table(conversion *c, int index) {
    table_shape shape;
    if (c->depth >= DEPTH_MAX || !lua_checkstack(c->L, 8)) {
        return fail(c, "tables nest deeper than 32, or a table contains itself");
    }
    if (!measure(c, index, &shape)) {
        return NULL;
    }
    unsigned flags = c->flags;
    if (shape.tagged) {
        c->flags &= ~(unsigned)RLT_CONVERT_FUNCTIONS;
    }
    if (flags & RLT_CONVERT_EXPERIMENT && strcmp(c->path, "env") == 0) {
        c->flags |= RLT_CONVERT_INFINITE; /* bounds of spaces */
    }
    c->depth++;
    json_t *json;
    if (shape.items == 0) {
        json = convert_names(c, index, NULL);
    } else if (shape.names == 0) {
        json = shape.items == shape.last ? convert_list(c, index, shape.last)
                                         : fail(c, "a list must not have gaps");
    } else if (shape.items == 1 && shape.last == 1 && first_item_is_text(c->L, index)) {
        json = convert_names(c, index, NULL);
    } else {
        json = convert_mixed(c, index, &shape);
    }
    c->depth--;
    c->flags = flags;
    return json;
}

static json_t *convert_function(conversion *c) {
    if (!(c->flags & RLT_CONVERT_FUNCTIONS) || c->path[0] == 0) {
        return fail(c, "a function cannot be used here");
    }
    return json_pack("{s:s}", "$function", c->path);
}

static json_t *convert(conversion *c, int index) {
    const int most = c->flags & RLT_CONVERT_SMALL ? SPACE_VALUES_MAX : VALUES_MAX;
    if (++c->values > most) {
        char why[64];
        snprintf(why, sizeof why, "more values than the %d that are allowed", most);
        return fail(c, why);
    }
    switch (lua_type(c->L, index)) {
    case LUA_TNIL:
        return json_null();
    case LUA_TBOOLEAN:
        return json_boolean(lua_toboolean(c->L, index));
    case LUA_TNUMBER:
        return convert_number(c, index);
    case LUA_TSTRING:
        return convert_string(c, index);
    case LUA_TTABLE:
        return convert_table(c, index);
    case LUA_TFUNCTION:
        return convert_function(c);
    default:
        return fail(c, "this kind of value cannot be used here");
    }
}

rlt_status rlt_lua_to_json(lua_State *L, int index, const char *path, unsigned flags, json_t **json,
                           char *failed, rlt_err *err) {
    rlt_err own = {0};
    conversion c = {.L = L, .flags = flags, .err = &own};
    snprintf(c.path, sizeof c.path, "%s", path);
    int top = lua_gettop(L);
    lua_checkstack(L, 8);
    *json = convert(&c, lua_absindex(L, index));
    lua_settop(L, top);
    if (*json != NULL) {
        return RLT_OK;
    }
    if (failed != NULL) {
        memcpy(failed, c.path, sizeof c.path);
    }
    return rlt_fail(err, own.code, "%s", own.message);
}

void rlt_json_to_lua(lua_State *L, const json_t *json) {
    const char *key;
    size_t index;
    json_t *value;
    luaL_checkstack(L, 4, "a value nests too deeply");
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        lua_newtable(L);
        json_object_foreach((json_t *)json, key, value) {
            rlt_json_to_lua(L, value);
            lua_setfield(L, -2, key);
        }
        return;
    case JSON_ARRAY:
        lua_newtable(L);
        json_array_foreach(json, index, value) {
            rlt_json_to_lua(L, value);
            lua_rawseti(L, -2, (lua_Integer)index + 1);
        }
        return;
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(json), json_string_length(json));
        return;
    case JSON_INTEGER:
        lua_pushinteger(L, json_integer_value(json));
        return;
    case JSON_REAL:
        lua_pushnumber(L, json_real_value(json));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(L, json_is_true(json));
        return;
    case JSON_NULL:
        lua_pushnil(L);
        return;
    }
}
