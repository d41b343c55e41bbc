/* lua: configuration scripts in a sandbox: text in, JSON out; functions of the script stay callable
 * (search values that depend on others, environments).
 * A script sees assert, error, next, pairs, ipairs, select, type, tonumber, tostring, raw*,
 * getmetatable, setmetatable (no __gc), print; pairs goes in the order of the keys; and of string,
 * table and math what is pure and short: no patterns (string.find is plain), no table.sort, no
 * math.random. There is no io, os, debug, package, require, load, pcall or coroutine. Evaluating
 * the same text gives the same table in every process. Limits: memory; work (VM instructions plus a
 * 16th of the bytes allocated); CPU time as a backstop; 256 KiB per string. A script cannot catch
 * an error, so a limit always ends the call. Thread: one script belongs to one thread. Owner: the
 * script owns all that is called borrowed. */
#ifndef RLT_SCRIPT_H
#define RLT_SCRIPT_H
#include "config/config.h"
#include "core/core.h"
#include "env/env.h"

enum { RLT_SCRIPT_SIZE_MAX = 1 << 20 }; /* bytes of text */

typedef void (*rlt_script_print)(void *user, const char *line);
typedef struct rlt_script_options { /* zero: the default */
    size_t memory_max;              /* bytes; 64 MiB */
    uint64_t work_max;              /* of the evaluation; 20 million */
    uint64_t call_work_max;         /* of one call of a function later; 5 million */
    rlt_script_print print;         /* default: the log, id "script.print" */
    void *print_user;
} rlt_script_options;

typedef struct rlt_script rlt_script;
/* Evaluates `text` (copied; it travels to worker processes) under the name that messages carry.
 * RLT_ESCRIPT: syntax, run-time error or no table; RLT_ELIMIT: a limit; RLT_ECONFIG: a value that
 * cannot be kept (a cycle, NaN, a mixed table), by its path; each with "name:line: ". */
rlt_status rlt_script_create(const char *text, size_t size, const char *name,
                             const rlt_script_options *options, rlt_script **script, rlt_err *err);
rlt_status rlt_script_create_file(const char *path, const rlt_script_options *options,
                                  rlt_script **script, rlt_err *err);
void rlt_script_destroy(rlt_script **script);
const char *rlt_script_text(const rlt_script *script, size_t *size); /* borrowed */
const char *rlt_script_name(const rlt_script *script);               /* borrowed */

/* The table that the script returned or gave to rltune.experiment, borrowed; rlt_config_set may
 * change it before rlt_script_load. A table with one item and names, such as { "asha", grace = 9 },
 * comes as {"name": "asha", "grace": 9}; in `model` a table with items and names as {"$items":
 * [..], names}; a function as {"$function": path}; an environment's table as {"$lua_env": {...}};
 * {} as an empty object. */
json_t *rlt_script_json(rlt_script *script);
/* The last line that sets `path`, found by reading the text's braces and names; 0: not found.
 * `script` is a rlt_script; fits rlt_config_locate. */
int rlt_script_locate(void *script, const char *path);
/* rlt_experiment_config_load of rlt_script_json, errors with file and line; then
 * rlt_script_set_experiment. */
rlt_status rlt_script_load(rlt_script *script, rlt_experiment_config *config, rlt_err *err);
/* The normalised experiment (retained) whose concrete values functions see; for a resumed one. */
void rlt_script_set_experiment(rlt_script *script, json_t *experiment);
/* Calls the function at `path` with a table of the experiment's concrete values and `chosen`
 * ({path: value}); *value: a new reference to what it returned, checked against the field: a
 * concrete value or a {"$space"} object. `script` is a rlt_script; fits rlt_resolve. */
rlt_status rlt_script_resolve(void *script, const char *path, const json_t *chosen, json_t **value,
                              rlt_err *err);
/* The function that is the script's objective, called once with (params, report, trial), without a
 * limit of time. report is called for each of its reports, {name: number, null: not finite}, and
 * says whether it should stop. *result: a new reference to such an object, what it returned (a
 * number is `metric`), or NULL: nothing. */
typedef struct rlt_objective_call {
    const json_t *params; /* concrete values */
    const char *metric;
    int64_t trial, seed;
    rlt_status (*report)(void *user, int64_t step, const json_t *metrics, bool *stop, rlt_err *err);
    void *user;
    int table, line; /* private */
} rlt_objective_call;
rlt_status rlt_script_call_objective(rlt_script *script, const rlt_objective_call *call,
                                     json_t **result, rlt_err *err);
/* The environment that the script defines, borrowed, or NULL. state_size numbers of state are
 * copied into a table before each call of reset or step and out after it, always as floats, so
 * that saving and loading a vector environment loses nothing; functions must keep nothing else.
 * random() draws from [0, 1), random(n) an integer of 0 .. n - 1, from the environment's stream.
 * Box actions are clipped to their bounds; discrete ones count from 0. After a failure steps do
 * nothing and `status` reports it. Steps allocate within the script's memory limit. Threads: vector
 * environments of one script may belong to different threads (a lock orders their steps), as long
 * as nothing else of the script is used meanwhile. */
const rlt_env_def *rlt_script_env(const rlt_script *script);
#endif
