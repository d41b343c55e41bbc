/* lua: the table `space`: one constructor per row of rlt_space_kinds, and the spaces of
 * environments. A search value is a plain table {["$space"] = kind, ...}, checked as it is made, so
 * that the message carries the line of the call. Thread: the owner's. */
#include "lua/script_impl.h"

#include <stdio.h>
#include <string.h>

/* Raises what is in *err, at the caller's line. */
static int raise(lua_State *L, const rlt_err *err) {
    return luaL_error(L, "%s", err->message);
}

/* space.<kind>(...): upvalue 1 is the row. */
static int make_space(lua_State *L) {
    const rlt_space_kind_row *row = lua_touserdata(L, lua_upvalueindex(1));
    int given = lua_gettop(L), taken = 0;
    rlt_sandbox_charge(L, 2000); /* about the longest that the check below takes */
    lua_newtable(L);
    lua_pushstring(L, row->name);
    lua_setfield(L, -2, "$space");
    for (; row->args[taken] != NULL; taken++) {
        if (taken < given) {
            lua_pushvalue(L, taken + 1);
            lua_setfield(L, -2, row->args[taken]);
        }
    }
    if (given > taken) {
        return luaL_error(L, "space.%s takes %d values, not %d", row->name, taken, given);
    }
    json_t *json = NULL;
    rlt_err err = {0};
    char path[32];
    snprintf(path, sizeof path, "space.%s", row->name);
    rlt_status status =
        rlt_lua_to_json(L, lua_gettop(L), path, RLT_CONVERT_SMALL, &json, NULL, &err);
    if (status == RLT_OK) {
        status = rlt_space_check(json, &err);
        json_decref(json);
    }
    return status == RLT_OK ? 1 : raise(L, &err);
}

/* A list of bounds at `index`: the list itself, or a number once per item. */
static void push_bounds(lua_State *L, int index, lua_Integer size) {
    if (lua_istable(L, index)) {
        lua_pushvalue(L, index);
        return;
    }
    lua_Number bound = luaL_checknumber(L, index);
    lua_newtable(L);
    for (lua_Integer i = 1; i <= size; i++) {
        lua_pushnumber(L, bound);
        lua_rawseti(L, -2, i);
    }
}

/* The product of the list at `index`: { height, width, channels }. */
static lua_Integer volume_of(lua_State *L, int index) {
    lua_Integer volume = lua_rawlen(L, index) == 3 ? 1 : 0;
    for (int i = 1; i <= 3 && volume > 0; i++) {
        lua_rawgeti(L, index, i);
        lua_Integer side = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
        lua_pop(L, 1);
        volume = side >= 1 && side <= RLT_ENVIRONMENT_SPACE_MAX ? volume * side : 0;
    }
    luaL_argcheck(L, volume >= 1 && volume <= RLT_ENVIRONMENT_SPACE_MAX, index,
                  "the shape of an image is { height, width, channels }");
    return volume;
}

/* space.box{low = ..., high = ...} or space.box(low, high [, size]); the size of an image is its
 * shape { height, width, channels }, also shape = { ... } in the first form. */
static int make_box(lua_State *L) {
    if (lua_gettop(L) == 1 && lua_istable(L, 1)) {
        lua_getfield(L, 1, "low");
        lua_getfield(L, 1, "high");
        if (lua_getfield(L, 1, "shape") == LUA_TNIL) {
            lua_getfield(L, 1, "size");
            lua_remove(L, -2);
        }
        lua_remove(L, 1);
    }
    lua_settop(L, 3);
    lua_Integer size = lua_istable(L, 3)   ? volume_of(L, 3)
                       : lua_istable(L, 1) ? (lua_Integer)lua_rawlen(L, 1)
                       : lua_istable(L, 2) ? (lua_Integer)lua_rawlen(L, 2)
                                           : luaL_optinteger(L, 3, 1);
    luaL_argcheck(L, size >= 1 && size <= RLT_ENVIRONMENT_SPACE_MAX, 3, "bad size of a box");
    lua_newtable(L);
    lua_pushliteral(L, "box");
    lua_setfield(L, -2, "kind");
    push_bounds(L, 1, size);
    lua_setfield(L, -2, "low");
    push_bounds(L, 2, size);
    lua_setfield(L, -2, "high");
    if (lua_istable(L, 3)) {
        lua_pushvalue(L, 3);
        lua_setfield(L, -2, "shape");
    }
    return 1;
}

/* space.discrete(n): the integers 0 .. n - 1. */
static int make_discrete(lua_State *L) {
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n >= 1 && n <= RLT_ENVIRONMENT_SPACE_MAX, 1, "must be from 1 to 65536");
    lua_newtable(L);
    lua_pushliteral(L, "discrete");
    lua_setfield(L, -2, "kind");
    lua_pushinteger(L, n);
    lua_setfield(L, -2, "n");
    return 1;
}

/* space.multi_discrete{n1, n2, ...}: a list of integers, the i-th of 0 .. ni - 1. */
static int make_multi_discrete(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer size = (lua_Integer)lua_rawlen(L, 1);
    luaL_argcheck(L, size >= 1 && size <= RLT_SPACE_COMPONENTS_MAX, 1,
                  "a list of 1 to 64 counts is needed");
    lua_newtable(L);
    lua_pushliteral(L, "multi_discrete");
    lua_setfield(L, -2, "kind");
    lua_createtable(L, (int)size, 0);
    for (lua_Integer i = 1; i <= size; i++) {
        lua_rawgeti(L, 1, i);
        lua_Integer n = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
        luaL_argcheck(L, n >= 1 && n <= RLT_ENVIRONMENT_SPACE_MAX, 1,
                      "each count must be from 1 to 65536");
        lua_rawseti(L, -2, i);
    }
    lua_setfield(L, -2, "counts");
    return 1;
}

static const char *const environment_spaces[] = {"box", "discrete", "multi_discrete"};

/* space[name] that is none of them. */
static int refuse_space(lua_State *L) {
    enum { NAMES_MAX = 32 };
    const char *names[NAMES_MAX], *given = luaL_tolstring(L, 2, NULL);
    size_t count = 0;
    for (const rlt_space_kind_row *row = rlt_space_kinds; row->name != NULL; row++) {
        RLT_ASSERT(count < NAMES_MAX);
        names[count++] = row->name;
    }
    for (size_t i = 0; i < RLT_COUNT(environment_spaces); i++) {
        RLT_ASSERT(count < NAMES_MAX);
        names[count++] = environment_spaces[i];
    }
    const char *nearest = rlt_str_nearest(given, names, count);
    luaL_where(L, 1);
    lua_pushfstring(L, "there is no space.%s", given);
    if (nearest != NULL) {
        lua_pushfstring(L, " (did you mean space.%s?)", nearest);
    } else {
        lua_pushliteral(L, "");
    }
    lua_pushliteral(L, "; there are: ");
    luaL_checkstack(L, 2 * NAMES_MAX, NULL);
    for (size_t i = 0; i < count; i++) {
        lua_pushfstring(L, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    lua_concat(L, 4 + (int)count);
    return lua_error(L);
}

void rlt_spaces_push(lua_State *L) {
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, refuse_space);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    for (const rlt_space_kind_row *row = rlt_space_kinds; row->name != NULL; row++) {
        lua_pushlightuserdata(L, (void *)row);
        lua_pushcclosure(L, make_space, 1);
        lua_setfield(L, -2, row->name);
    }
    lua_pushcfunction(L, make_box);
    lua_setfield(L, -2, "box");
    lua_pushcfunction(L, make_discrete);
    lua_setfield(L, -2, "discrete");
    lua_pushcfunction(L, make_multi_discrete);
    lua_setfield(L, -2, "multi_discrete");
}
