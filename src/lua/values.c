/* lua: the table of values that a function of the script is called with. A name that is none there
 * is an error with the nearest one, and another name of an option (learning_rate) gives its value:
 * without that a slip of the pen is nil, and a search goes wrong without a word.
 * Thread: the owner's. */
#include "lua/script_impl.h"

#include <string.h>

enum { NAMES_MAX = 128, LISTED_MAX = 12 };

/* The names of the list at `index`, which must stay on the stack. */
static size_t names_of(lua_State *L, int index, const char **names) {
    size_t count = 0;
    for (lua_Integer i = 1; lua_rawgeti(L, index, i) == LUA_TSTRING && count < NAMES_MAX; i++) {
        names[count++] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return count;
}

/* The section of p that has the name, or NULL. */
static const char *section_with(lua_State *L, const char *const *sections, size_t count,
                                const char *name) {
    const char *found = NULL;
    for (size_t i = 0; i < count && found == NULL; i++) {
        lua_pushstring(L, sections[i]);
        lua_rawget(L, 1);
        if (lua_istable(L, -1)) {
            lua_pushstring(L, name);
            lua_rawget(L, -2);
            found = lua_isnil(L, -1) ? NULL : sections[i];
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    return found;
}

static void push_hint(lua_State *L, const char *path, const char *given, const char *const *names,
                      size_t count) {
    const char *section = strcmp(path, "p") == 0 ? section_with(L, names, count, given) : NULL;
    const char *nearest = rlt_str_nearest(given, names, count);
    if (section != NULL) {
        lua_pushfstring(L, "; did you mean p.%s.%s?", section, given);
    } else if (nearest != NULL) {
        lua_pushfstring(L, "; did you mean %s.%s?", path, nearest);
    } else if (count <= LISTED_MAX) {
        luaL_checkstack(L, LISTED_MAX + 2, NULL);
        lua_pushliteral(L, "; there are: ");
        for (size_t i = 0; i < count; i++) {
            lua_pushfstring(L, "%s%s", i > 0 ? ", " : "", names[i]);
        }
        lua_concat(L, 1 + (int)count);
    } else {
        lua_pushliteral(L, "");
    }
}

/* table[key] that is nil. Upvalues: the list of names, the table's path, its fields or NULL. */
static int find(lua_State *L) {
    const char *names[NAMES_MAX];
    const rlt_field *fields = lua_touserdata(L, lua_upvalueindex(3));
    luaL_checktype(L, 1, LUA_TTABLE);
    if (lua_type(L, 2) != LUA_TSTRING) {
        return 0;
    }
    const char *given = lua_tostring(L, 2), *path = lua_tostring(L, lua_upvalueindex(2));
    size_t count = names_of(L, lua_upvalueindex(1), names);
    rlt_sandbox_charge(L, count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], given) == 0) {
            return 0; /* it has no value yet, or none at all */
        }
    }
    const rlt_field *field = fields != NULL ? rlt_field_find(fields, given) : NULL;
    if (field != NULL) {
        lua_pushstring(L, field->name);
        lua_rawget(L, 1);
        return 1;
    }
    rlt_sandbox_charge(L, 64 * count);
    luaL_where(L, 1);
    lua_pushfstring(L, "%s has no '%s'", path, given);
    push_hint(L, path, given, names, count);
    lua_concat(L, 3);
    return lua_error(L);
}

/* Of the table on the top of the stack, made of `values`. */
static void be_strict(lua_State *L, const json_t *values, const char *path,
                      const rlt_field *fields) {
    const char *key;
    json_t *value;
    lua_Integer count = 0;
    lua_createtable(L, 0, 1);
    lua_createtable(L, (int)json_object_size(values), 0);
    json_object_foreach((json_t *)values, key, value) {
        lua_pushstring(L, key);
        lua_rawseti(L, -2, ++count);
    }
    lua_pushstring(L, path);
    lua_pushlightuserdata(L, (void *)fields);
    lua_pushcclosure(L, find, 3);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

/* Not of `model`, which has other names where it is a list. */
void rlt_lua_push_values(lua_State *L, const json_t *values) {
    const char *key;
    json_t *value;
    rlt_json_to_lua(L, values);
    json_object_foreach((json_t *)values, key, value) {
        if (!json_is_object(value) || strcmp(key, "model") == 0 ||
            json_object_size(value) > NAMES_MAX) {
            continue;
        }
        const rlt_config_section *section = rlt_config_section_find(key);
        lua_getfield(L, -1, key);
        lua_pushfstring(L, "p.%s", key);
        const char *path = lua_tostring(L, -1);
        lua_insert(L, -2);
        be_strict(L, value, path, section != NULL ? section->fields : NULL);
        lua_pop(L, 2);
    }
    be_strict(L, values, "p", NULL);
}
