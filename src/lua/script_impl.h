/* lua: what its files share; the only headers of Lua itself are included here.
 * "Host mode" is outside of rlt_sandbox_call: no limit applies, and nothing called may raise. */
#ifndef RLT_SCRIPT_IMPL_H
#define RLT_SCRIPT_IMPL_H
#include "lua/script.h"

#include <lua5.4/lauxlib.h>
#include <lua5.4/lua.h>
#include <lua5.4/lualib.h>

typedef enum {
    RLT_STOPPED_NOT,
    RLT_STOPPED_MEMORY,
    RLT_STOPPED_STRING,
    RLT_STOPPED_WORK,
    RLT_STOPPED_TIME
} rlt_stopped;

/* A Lua state with its limits. Stack slot 1 holds the message handler, for good. */
typedef struct rlt_sandbox {
    lua_State *L;
    const char *name; /* borrowed */
    size_t memory, memory_max;
    uint64_t work, work_max; /* of the call in progress */
    double cpu_start_s;      /* 0: not looked at yet in this call */
    bool active;             /* limits apply */
    rlt_stopped stopped;     /* why the last call was stopped */
    int stopped_line;
    rlt_script_print print;
    void *print_user;
} rlt_sandbox;

rlt_status rlt_sandbox_init(rlt_sandbox *sandbox, const char *name,
                            const rlt_script_options *options, rlt_err *err);
void rlt_sandbox_fini(rlt_sandbox *sandbox);
rlt_sandbox *rlt_sandbox_of(lua_State *L);
/* Compiles text and leaves the function on the stack. */
rlt_status rlt_sandbox_load(rlt_sandbox *sandbox, const char *text, size_t size, rlt_err *err);
#define RLT_WORK_UNLIMITED UINT64_MAX /* nor is time */
/* Calls the function below its `args` arguments within the limits; on success `results` values are
 * on the stack, else nothing. */
rlt_status rlt_sandbox_call(rlt_sandbox *sandbox, int args, int results, uint64_t work_max,
                            rlt_err *err);
/* For C functions whose time grows with data: counts `units` of work, raises at the limit. */
void rlt_sandbox_charge(lua_State *L, uint64_t units);

/* library.c: the globals of a script. experiment_key: registry key of rltune.experiment's table. */
extern const char rlt_experiment_key;
void rlt_library_open(lua_State *L);
int rlt_lua_pairs(lua_State *L); /* pairs.c: a lua_CFunction */
/* spaces.c: pushes the table `space`. */
void rlt_spaces_push(lua_State *L);

enum {
    RLT_CONVERT_FUNCTIONS = 1,  /* a function becomes {"$function": path}; else it is refused */
    RLT_CONVERT_INFINITE = 2,   /* an infinity becomes null; else it is refused */
    RLT_CONVERT_EXPERIMENT = 4, /* the outermost table is an experiment's: env may be infinite */
    RLT_CONVERT_SMALL = 8       /* at most 4096 values and 64 KiB of text; else 200000, 16 MiB */
};
/* Lua value at `index` to JSON; host mode, raises nothing. `path` names it in messages; failed
 * (RLT_FIELD_PATH_MAX bytes, or NULL) receives the path that an error is about. */
rlt_status rlt_lua_to_json(lua_State *L, int index, const char *path, unsigned flags, json_t **json,
                           char *failed, rlt_err *err);
/* Pushes a JSON value; inside a call (may raise). Depth of `json`: at most 64. */
void rlt_json_to_lua(lua_State *L, const json_t *json);

/* values.c: pushes the values that a function of the script sees; inside a call (may raise). */
void rlt_lua_push_values(lua_State *L, const json_t *values);

/* environment_read.c: the checked description of an environment's table. */
typedef struct rlt_environment_spec {
    char name[RLT_NAME_MAX];
    rlt_space observation_space, action_space; /* bounds and counts owned */
    int image[3];                              /* of the observation; {0}: none */
    int64_t max_episode_steps, state_size;
    double reward_threshold;
    bool masked; /* it has action_mask */
} rlt_environment_spec;
enum { RLT_ENVIRONMENT_STATE_MAX = 1 << 16, RLT_ENVIRONMENT_SPACE_MAX = 1 << 16 };
/* `table` is the environment's table as JSON, functions as {"$function"}, infinities as null. */
rlt_status rlt_environment_read(const json_t *table, rlt_environment_spec *spec, rlt_err *err);
void rlt_environment_spec_fini(rlt_environment_spec *spec);

/* objective.c */
rlt_status rlt_objective_run(rlt_sandbox *sandbox, const rlt_objective_call *call, json_t **result,
                             rlt_err *err);

/* environment.c: the environment whose Lua table is at `index`; takes the spec's ownership. */
typedef struct rlt_script_environment rlt_script_environment;
rlt_script_environment *rlt_environment_create(rlt_sandbox *sandbox, int index,
                                               rlt_environment_spec spec, uint64_t work_max);
void rlt_environment_destroy(rlt_script_environment **env);
const rlt_env_def *rlt_environment_def(const rlt_script_environment *env);
#endif
