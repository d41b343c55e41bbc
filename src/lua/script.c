/* lua: a script's life: evaluated once, its table kept as JSON, its functions called later.
 * Thread: the owner's. Owner: the script owns text, state, JSON and environment. */
#include "lua/script_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rlt_script {
    rlt_sandbox sandbox;
    char *text, *name;
    size_t size;
    uint64_t work_max, call_work_max;
    int table; /* registry reference of the experiment's Lua table */
    json_t *json, *experiment;
    rlt_script_environment *env;
};

static const char *const env_functions[] = {"reset", "step"};

static rlt_config_place place_of(rlt_script *script) {
    return (rlt_config_place){script->name, rlt_script_locate, script};
}

/* Runs the chunk; the experiment's table is then on the stack. */
static rlt_status evaluate(rlt_script *script, rlt_err *err) {
    lua_State *L = script->sandbox.L;
    RLT_TRY(rlt_sandbox_load(&script->sandbox, script->text, script->size, err));
    RLT_TRY(rlt_sandbox_call(&script->sandbox, 0, 1, script->work_max, err));
    if (!lua_istable(L, -1)) {
        lua_pop(L, 1);
        lua_rawgetp(L, LUA_REGISTRYINDEX, &rlt_experiment_key);
    }
    if (!lua_istable(L, -1)) {
        lua_pop(L, 1);
        return rlt_fail(err, RLT_ESCRIPT,
                        "%s:1: the script gives no experiment; it must end with `return { ... }` "
                        "or call rltune.experiment{ ... }",
                        script->name);
    }
    lua_pushvalue(L, -1);
    script->table = luaL_ref(L, LUA_REGISTRYINDEX);
    return RLT_OK;
}

/* The environment of the table at the top of the stack; env's JSON becomes {"$lua_env"}. */
static rlt_status read_environment(rlt_script *script, rlt_err *err) {
    lua_State *L = script->sandbox.L;
    json_t *table = json_object_get(script->json, "env");
    rlt_environment_spec spec;
    RLT_TRY(rlt_environment_read(table, &spec, err));
    lua_pushliteral(L, "env");
    lua_rawget(L, -2);
    script->env = rlt_environment_create(&script->sandbox, -1, spec, script->call_work_max);
    lua_pop(L, 1);
    json_t *copy = json_deep_copy(table);
    for (size_t i = 0; i < RLT_COUNT(env_functions); i++) {
        json_object_del(copy, env_functions[i]);
    }
    json_object_set_new(script->json, "env", json_pack("{s:o}", "$lua_env", copy));
    return RLT_OK;
}

/* The path at the start of an environment's message: "env.step: ...". */
static void path_of_message(const rlt_err *err, char path[RLT_FIELD_PATH_MAX]) {
    snprintf(path, RLT_FIELD_PATH_MAX, "%.*s", (int)strcspn(err->message, ":"), err->message);
}

static rlt_status read_table(rlt_script *script, rlt_err *err) {
    char failed[RLT_FIELD_PATH_MAX] = "";
    rlt_err own = {0};
    rlt_status status =
        rlt_lua_to_json(script->sandbox.L, -1, "", RLT_CONVERT_FUNCTIONS | RLT_CONVERT_EXPERIMENT,
                        &script->json, failed, &own);
    if (status == RLT_OK && json_is_object(json_object_get(script->json, "env"))) {
        status = read_environment(script, &own);
        path_of_message(&own, failed);
    }
    if (status != RLT_OK) {
        rlt_config_place place = place_of(script);
        rlt_config_add_place(&place, failed, &own);
        return rlt_fail(err, status, "%s", own.message);
    }
    return RLT_OK;
}

static rlt_status start(rlt_script *script, const rlt_script_options *options, rlt_err *err) {
    if (script->size > RLT_SCRIPT_SIZE_MAX) {
        return rlt_fail(err, RLT_ELIMIT, "%s: %zu bytes; a script has at most %d", script->name,
                        script->size, RLT_SCRIPT_SIZE_MAX);
    }
    RLT_TRY(rlt_sandbox_init(&script->sandbox, script->name, options, err));
    RLT_TRY(evaluate(script, err));
    RLT_TRY(read_table(script, err));
    lua_settop(script->sandbox.L, 1);
    return RLT_OK;
}

static char *copy_bytes(const char *bytes, size_t size) {
    char *copy = rlt_alloc(size + 1);
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

rlt_status rlt_script_create(const char *text, size_t size, const char *name,
                             const rlt_script_options *options, rlt_script **script, rlt_err *err) {
    static const rlt_script_options defaults = {0};
    options = options != NULL ? options : &defaults;
    *script = NULL;
    rlt_script *made = rlt_alloc(sizeof *made);
    made->text = copy_bytes(text, size);
    made->size = size;
    made->name = copy_bytes(name, strlen(name));
    made->work_max = options->work_max > 0 ? options->work_max : 20000000;
    made->call_work_max = options->call_work_max > 0 ? options->call_work_max : 5000000;
    rlt_status status = start(made, options, err);
    if (status != RLT_OK) {
        rlt_script_destroy(&made);
        return status;
    }
    *script = made;
    return RLT_OK;
}

rlt_status rlt_script_create_file(const char *path, const rlt_script_options *options,
                                  rlt_script **script, rlt_err *err) {
    char *text;
    size_t size;
    *script = NULL;
    RLT_TRY(rlt_file_read(path, RLT_SCRIPT_SIZE_MAX, &text, &size, err));
    rlt_status status = rlt_script_create(text, size, path, options, script, err);
    rlt_free(text);
    return status;
}

void rlt_script_destroy(rlt_script **script) {
    if (*script != NULL) {
        rlt_environment_destroy(&(*script)->env);
        rlt_sandbox_fini(&(*script)->sandbox);
        json_decref((*script)->json);
        json_decref((*script)->experiment);
        rlt_free((*script)->text);
        rlt_free((*script)->name);
        rlt_free(*script);
        *script = NULL;
    }
}

const char *rlt_script_text(const rlt_script *script, size_t *size) {
    *size = script->size;
    return script->text;
}

const char *rlt_script_name(const rlt_script *script) {
    return script->name;
}

json_t *rlt_script_json(rlt_script *script) {
    return script->json;
}

const rlt_env_def *rlt_script_env(const rlt_script *script) {
    return script->env != NULL ? rlt_environment_def(script->env) : NULL;
}

void rlt_script_set_experiment(rlt_script *script, json_t *experiment) {
    json_incref(experiment);
    json_decref(script->experiment);
    script->experiment = experiment;
}

rlt_status rlt_script_load(rlt_script *script, rlt_experiment_config *config, rlt_err *err) {
    rlt_config_place place = place_of(script);
    RLT_TRY(rlt_experiment_config_load(script->json, &place, config, err));
    rlt_script_set_experiment(script, config->json);
    return RLT_OK;
}

/* ---- functions of other values ---- */

typedef struct resolve_call {
    int table;
    const char *function; /* path in the script's own words */
    const json_t *values;
} resolve_call;

static bool is_unknown(const json_t *value) {
    return json_object_get(value, "$space") != NULL || json_object_get(value, "$function") != NULL;
}

/* What has no concrete value yet becomes null, so that a function sees nil there. */
static void drop_unknown(json_t *object) {
    const char *key;
    json_t *value;
    void *next;
    size_t i;
    json_array_foreach(json_object_get(object, "layers"), i, value) {
        if (is_unknown(value)) {
            json_array_set_new(json_object_get(object, "layers"), i, json_null());
        } else {
            drop_unknown(value);
        }
    }
    json_object_foreach_safe(object, next, key, value) {
        if (is_unknown(value)) {
            json_object_set_new(object, key, json_null());
        } else if (json_is_object(value)) {
            drop_unknown(value);
        }
    }
}

/* In the sandbox: walks to the function, calls it with the table of values. */
static int call_function(lua_State *L) {
    const resolve_call *call = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->table);
    bool places = strncmp(call->function, "model", 5) == 0;
    for (const char *at = call->function; *at != 0;) {
        bool place = places && *at == '[';
        size_t size = place ? strcspn(at, "]") + 1 : strcspn(at, places ? ".[" : ".");
        if (place) {
            lua_pushinteger(L, (lua_Integer)strtol(at + 1, NULL, 10));
        } else {
            lua_pushlstring(L, at, size);
        }
        if (!lua_istable(L, -2)) {
            return luaL_error(L, "%s is not there", call->function);
        }
        lua_rawget(L, -2);
        at += size + (at[size] == '.');
    }
    luaL_checktype(L, -1, LUA_TFUNCTION);
    rlt_lua_push_values(L, call->values);
    lua_call(L, 1, 1);
    return 1;
}

/* The script's own path of the function for a canonical one (an alias may have been used). */
static const char *function_of(const rlt_script *script, const char *path) {
    const json_t *at = rlt_config_get(script->experiment, path);
    const char *function = json_string_value(json_object_get(at, "$function"));
    return function != NULL ? function : path;
}

static rlt_status resolve(rlt_script *script, const resolve_call *call, const char *path,
                          json_t **value, rlt_err *err) {
    lua_State *L = script->sandbox.L;
    lua_pushcfunction(L, call_function);
    lua_pushlightuserdata(L, (void *)call);
    RLT_TRY(rlt_sandbox_call(&script->sandbox, 1, 1, script->call_work_max, err));
    json_t *given = NULL;
    rlt_err own = {0};
    rlt_status status = rlt_lua_to_json(L, -1, path, 0, &given, NULL, &own);
    lua_pop(L, 1);
    if (status == RLT_OK) {
        status = rlt_config_check_value(path, given, value, &own);
        json_decref(given);
    }
    if (status != RLT_OK) {
        rlt_config_place place = place_of(script);
        rlt_config_add_place(&place, call->function, &own);
        return rlt_fail(err, status, "%s (returned by its function)", own.message);
    }
    return RLT_OK;
}

rlt_status rlt_script_resolve(void *user, const char *path, const json_t *chosen, json_t **value,
                              rlt_err *err) {
    rlt_script *script = user;
    json_t *values;
    *value = NULL;
    RLT_TRY(rlt_config_trial_json(script->experiment != NULL ? script->experiment : script->json,
                                  chosen, &values, err));
    drop_unknown(values);
    resolve_call call = {script->table, function_of(script, path), values};
    rlt_status status = resolve(script, &call, path, value, err);
    json_decref(values);
    return status;
}

rlt_status rlt_script_call_objective(rlt_script *script, const rlt_objective_call *call,
                                     json_t **result, rlt_err *err) {
    rlt_objective_call own = *call;
    own.table = script->table;
    own.line = rlt_script_locate(script, "objective");
    return rlt_objective_run(&script->sandbox, &own, result, err);
}
