/* lua: the function that a script gives as its objective, called once in a process of its own. No
 * limit of work or time applies: it is a trial, which its driver can end; that of memory does.
 * Thread: the script's. Owner: the caller owns the result. */
#include "lua/script_impl.h"

#include <math.h>
#include <string.h>

static const char *const reserved[] = {"step", "reply", "error"};

/* Adds a metric; raises on a name that the protocol needs for itself. */
static void add_metric(lua_State *L, json_t *metrics, const char *name, double x) {
    for (size_t i = 0; i < RLT_COUNT(reserved); i++) {
        if (strcmp(name, reserved[i]) == 0) {
            json_decref(metrics);
            luaL_error(L, "report: a metric cannot be called '%s'", name);
        }
    }
    json_object_set_new(metrics, name, isfinite(x) ? json_real(x) : json_null());
}

/* {name: number} of the value at `index`: a number is the tuned metric. */
static json_t *read_metrics(lua_State *L, int index, const char *metric) {
    json_t *metrics = json_object();
    if (lua_type(L, index) == LUA_TNUMBER) {
        add_metric(L, metrics, metric, lua_tonumber(L, index));
        return metrics;
    }
    lua_pushnil(L);
    while (lua_type(L, index) == LUA_TTABLE && lua_next(L, index) != 0) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TNUMBER) {
            break;
        }
        add_metric(L, metrics, lua_tostring(L, -2), lua_tonumber(L, -1));
        lua_pop(L, 1);
    }
    if (json_object_size(metrics) == 0 || lua_gettop(L) != 2) {
        json_decref(metrics);
        luaL_error(L, "a number or a table of numbers by name, such as { loss = 0.3 }, is needed");
    }
    return metrics;
}

/* report(step, value or { name = value, ... }): whether to go on. */
static int report(lua_State *L) {
    const rlt_objective_call *call = lua_touserdata(L, lua_upvalueindex(1));
    lua_Integer step = luaL_checkinteger(L, 1);
    rlt_err err = {0};
    bool stop = false;
    luaL_argcheck(L, step >= 0 && step <= (INT64_C(1) << 53), 1, "a step of at least 0 is needed");
    luaL_argcheck(L, lua_gettop(L) == 2, 2, "a value is needed");
    json_t *metrics = read_metrics(L, 2, call->metric);
    rlt_status status = call->report(call->user, step, metrics, &stop, &err);
    json_decref(metrics);
    if (status != RLT_OK) {
        return luaL_error(L, "%s", err.message);
    }
    lua_pushboolean(L, !stop);
    return 1;
}

/* In the sandbox: the script's function with its three arguments. */
static int call_function(lua_State *L) {
    const rlt_objective_call *call = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->table);
    lua_pushliteral(L, "objective");
    lua_rawget(L, -2);
    if (lua_istable(L, -1)) { /* { "function", call = function ... end } */
        lua_pushliteral(L, "call");
        lua_rawget(L, -2);
    }
    luaL_checktype(L, -1, LUA_TFUNCTION);
    rlt_json_to_lua(L, call->params);
    lua_pushlightuserdata(L, (void *)call);
    lua_pushcclosure(L, report, 1);
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, call->trial);
    lua_setfield(L, -2, "number");
    lua_pushinteger(L, call->seed);
    lua_setfield(L, -2, "seed");
    lua_call(L, 3, 1);
    return 1;
}

/* In the sandbox: what the function returned becomes *result; nil: nothing. */
static int read_result(lua_State *L) {
    const rlt_objective_call *call = lua_touserdata(L, 2);
    json_t **result = lua_touserdata(L, 3);
    lua_settop(L, 1);
    lua_pushnil(L);
    lua_insert(L, 1); /* read_metrics looks at the second */
    *result = lua_isnil(L, 2) ? NULL : read_metrics(L, 2, call->metric);
    return 0;
}

rlt_status rlt_objective_run(rlt_sandbox *sandbox, const rlt_objective_call *call, json_t **result,
                             rlt_err *err) {
    lua_State *L = sandbox->L;
    *result = NULL;
    lua_pushcfunction(L, call_function);
    lua_pushlightuserdata(L, (void *)call);
    RLT_TRY(rlt_sandbox_call(sandbox, 1, 1, RLT_WORK_UNLIMITED, err));
    lua_pushcfunction(L, read_result);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, (void *)call);
    lua_pushlightuserdata(L, result);
    rlt_err inner = {0};
    rlt_status status = rlt_sandbox_call(sandbox, 3, 0, RLT_WORK_UNLIMITED, &inner);
    return status == RLT_OK
               ? status
               : rlt_fail(err, status, "%s:%d: the objective returned something else: %.300s",
                          sandbox->name, call->line, inner.message);
}
