/* lua: pairs in a fixed order. Lua's own order of names depends on a seed that differs in every
 * process, which would break "the same seed gives the same bits" in a script that adds floats or
 * draws numbers inside such a loop. Order: numbers by value, then text by bytes, then the rest as
 * `next` gives it. Thread: the owner's. */
#include "lua/script_impl.h"

#include <stdlib.h>
#include <string.h>

typedef struct table_key {
    const char *text; /* NULL: not text; held by the table */
    size_t size;
    double number;
    bool is_number;
    lua_Integer place; /* in the order of `next` */
} table_key;

static int compare_text(const table_key *a, const table_key *b) {
    int order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);
    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

static int compare_keys(const void *left, const void *right) {
    const table_key *a = left, *b = right;
    if (a->is_number && b->is_number && a->number != b->number) {
        return a->number < b->number ? -1 : 1;
    }
    if (a->is_number != b->is_number) {
        return a->is_number ? -1 : 1;
    }
    if (a->text != NULL && b->text != NULL) {
        return compare_text(a, b);
    }
    if ((a->text != NULL) != (b->text != NULL)) {
        return a->text != NULL ? -1 : 1;
    }
    return a->place < b->place ? -1 : a->place > b->place;
}

/* The key at the top of the stack. */
static table_key describe_key(lua_State *L, lua_Integer place) {
    table_key key = {.place = place, .is_number = lua_type(L, -1) == LUA_TNUMBER};
    if (key.is_number) {
        key.number = lua_tonumber(L, -1);
    } else if (lua_type(L, -1) == LUA_TSTRING) {
        key.text = lua_tolstring(L, -1, &key.size);
    }
    return key;
}

/* The iterator. Upvalues: table, ordered keys, position. Keys removed since are passed over. */
static int next_pair(lua_State *L) {
    lua_Integer position = lua_tointeger(L, lua_upvalueindex(3));
    for (;;) {
        rlt_sandbox_charge(L, 1);
        if (lua_rawgeti(L, lua_upvalueindex(2), ++position) == LUA_TNIL) {
            return 1;
        }
        lua_pushvalue(L, -1);
        if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) {
            lua_pushinteger(L, position);
            lua_replace(L, lua_upvalueindex(3));
            return 2;
        }
        lua_pop(L, 2);
    }
}

/* Stack: table 1, all its keys in the list 2. Leaves the ordered list at the top. */
static void push_ordered(lua_State *L, lua_Integer count) {
    table_key *keys = lua_newuserdatauv(L, sizeof(table_key) * (size_t)count + 1, 0);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, 2, i + 1);
        keys[i] = describe_key(L, i);
        rlt_sandbox_charge(L, 16 + keys[i].size);
        lua_pop(L, 1);
    }
    qsort(keys, (size_t)count, sizeof *keys, compare_keys);
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, 2, keys[i].place + 1);
        lua_rawseti(L, -2, i + 1);
    }
}

int rlt_lua_pairs(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_newtable(L);
    lua_Integer count = 0;
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_rawseti(L, 2, ++count);
    }
    push_ordered(L, count);
    lua_pushvalue(L, 1);
    lua_insert(L, -2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_pair, 3);
    return 1;
}
