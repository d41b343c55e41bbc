/* lua: what a script may call. Names are listed, not removed: what a later Lua adds stays out.
 * Replaced by own forms: whatever could run long inside C, where no hook sees it (find without
 * patterns, insert and remove without metamethods), and setmetatable (no finalisers).
 * Thread: the owner's. */
#include "lua/script_impl.h"

#include <stdio.h>
#include <string.h>

const char rlt_experiment_key = 0;

enum {
    PRINT_MAX = 1024,  /* bytes of a line, the rest is cut off */
    PRINT_WORK = 20000 /* so that an evaluation prints at most a thousand lines */
};

/* print(...): one line to the sink. */
static int print(lua_State *L) {
    rlt_sandbox *sandbox = rlt_sandbox_of(L);
    int count = lua_gettop(L);
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (int i = 1; i <= count; i++) {
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&buffer);
        if (i < count) {
            luaL_addchar(&buffer, '\t');
        }
    }
    luaL_pushresult(&buffer);
    char line[PRINT_MAX];
    snprintf(line, sizeof line, "%s", lua_tostring(L, -1));
    for (char *at = line; *at != 0; at++) {
        *at = (unsigned char)*at < ' ' || *at == 0x7f ? ' ' : *at; /* no terminal escapes */
    }
    if (sandbox->print != NULL) {
        sandbox->print(sandbox->print_user, line);
    } else {
        rlt_log(RLT_LOG_INFO, "script.print", "%s: %s", sandbox->name, line);
    }
    rlt_sandbox_charge(L, PRINT_WORK);
    return 0;
}

/* setmetatable(table, metatable): as Lua's, but without finalisers, which would run unseen. */
static int set_metatable(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) {
        return luaL_error(L, "cannot change a protected metatable");
    }
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL) {
            return luaL_error(L, "a metatable with __gc is not allowed in a script");
        }
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

/* string.find(text, part [, init]): the first place of `part`, which is plain text. */
static int find(lua_State *L) {
    size_t size, part_size;
    const char *text = luaL_checklstring(L, 1, &size);
    const char *part = luaL_checklstring(L, 2, &part_size);
    lua_Integer init = luaL_optinteger(L, 3, 1);
    init = init < 0 ? init + (lua_Integer)size + 1 : init;
    size_t from = init < 1 ? 0 : (size_t)init - 1;
    rlt_sandbox_charge(L, (size + part_size) / 8);
    const char *found = from <= size ? memmem(text + from, size - from, part, part_size) : NULL;
    if (found == NULL) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, found - text + 1);
    lua_pushinteger(L, found - text + (lua_Integer)part_size);
    return 2;
}

/* table.insert(list, [position,] value) on the table itself: metamethods are not asked. */
static int insert(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer count = (lua_Integer)lua_rawlen(L, 1), position = count + 1;
    if (lua_gettop(L) == 3) {
        position = luaL_checkinteger(L, 2);
        luaL_argcheck(L, position >= 1 && position <= count + 1, 2, "position out of bounds");
        rlt_sandbox_charge(L, (uint64_t)(count - position + 1));
        for (lua_Integer i = count; i >= position; i--) {
            lua_rawgeti(L, 1, i);
            lua_rawseti(L, 1, i + 1);
        }
    } else {
        luaL_argcheck(L, lua_gettop(L) == 2, 2, "wrong number of arguments to 'insert'");
    }
    lua_rawseti(L, 1, position);
    return 0;
}

/* table.remove(list [, position]) on the table itself. */
static int remove_item(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer count = (lua_Integer)lua_rawlen(L, 1), position = luaL_optinteger(L, 2, count);
    if (count == 0 && (position == 0 || position == count)) {
        lua_pushnil(L);
        return 1;
    }
    luaL_argcheck(L, position >= 1 && position <= count, 2, "position out of bounds");
    rlt_sandbox_charge(L, (uint64_t)(count - position));
    lua_rawgeti(L, 1, position);
    for (lua_Integer i = position; i < count; i++) {
        lua_rawgeti(L, 1, i + 1);
        lua_rawseti(L, 1, i);
    }
    lua_pushnil(L);
    lua_rawseti(L, 1, count);
    return 1;
}

/* Upvalue 1 called as it is, then charged for the items of its table and its results. */
static int charged(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    rlt_sandbox_charge(L, lua_rawlen(L, 1));
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    rlt_sandbox_charge(L, (uint64_t)lua_gettop(L));
    return lua_gettop(L);
}

/* rltune.experiment(table): an alternative to returning the table. */
static int experiment(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &rlt_experiment_key);
    return 1;
}

static const char *const base_names[] = {
    "assert", "error",  "getmetatable", "ipairs",   "next", "rawequal", "rawget", "rawlen",
    "rawset", "select", "tonumber",     "tostring", "type", "_VERSION", NULL};
static const char *const string_names[] = {"byte",  "char", "format",  "len", "lower",
                                           "upper", "rep",  "reverse", "sub", NULL};
static const char *const table_names[] = {"pack", NULL};
static const char *const charged_names[] = {"concat", "unpack", NULL};
static const char *const math_names[] = {
    "abs",  "ceil", "cos",  "deg",        "exp",        "floor", "fmod", "huge", "log",
    "max",  "min",  "modf", "maxinteger", "mininteger", "pi",    "rad",  "sin",  "acos",
    "asin", "atan", "sqrt", "tan",        "tointeger",  "type",  "ult",  NULL};

/* Copies the listed names from the table at the top into the one below it. */
static void copy_names(lua_State *L, const char *const *names) {
    for (; *names != NULL; names++) {
        int type = lua_getfield(L, -1, *names);
        RLT_ASSERT(type != LUA_TNIL);
        lua_setfield(L, -3, *names);
    }
}

/* Pushes a table of the listed names of a standard library. */
static void push_library(lua_State *L, lua_CFunction open, const char *const *names) {
    lua_newtable(L);
    lua_pushcfunction(L, open);
    lua_call(L, 0, 1);
    copy_names(L, names);
}

static void push_string(lua_State *L) {
    push_library(L, luaopen_string, string_names);
    lua_pop(L, 1);
    lua_pushcfunction(L, find);
    lua_setfield(L, -2, "find");
    lua_pushliteral(L,
                    ""); /* the metatable of all strings: its methods are these, and it is locked */
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

static void push_table(lua_State *L) {
    push_library(L, luaopen_table, table_names);
    for (const char *const *name = charged_names; *name != NULL; name++) {
        lua_getfield(L, -1, *name);
        lua_pushcclosure(L, charged, 1);
        lua_setfield(L, -3, *name);
    }
    lua_pop(L, 1);
    lua_pushcfunction(L, insert);
    lua_setfield(L, -2, "insert");
    lua_pushcfunction(L, remove_item);
    lua_setfield(L, -2, "remove");
}

void rlt_library_open(lua_State *L) {
    static const luaL_Reg own[] = {
        {"print", print}, {"pairs", rlt_lua_pairs}, {"setmetatable", set_metatable}, {NULL, NULL}};
    push_library(L, luaopen_base, base_names); /* the new globals, with Lua's own on top */
    lua_pop(L, 1);
    luaL_setfuncs(L, own, 0);
    push_string(L);
    lua_setfield(L, -2, "string");
    push_table(L);
    lua_setfield(L, -2, "table");
    push_library(L, luaopen_math, math_names);
    lua_pop(L, 1);
    lua_setfield(L, -2, "math");
    rlt_spaces_push(L);
    lua_setfield(L, -2, "space");
    lua_newtable(L);
    lua_pushcfunction(L, experiment);
    lua_setfield(L, -2, "experiment");
    lua_setfield(L, -2, "rltune");
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}
