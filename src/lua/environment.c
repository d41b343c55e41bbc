/* lua: an environment whose reset, step and action_mask are functions of a script.
 * Around each call the state travels from the vector environment's bytes (float64) into a new
 * table and back: whatever else a script hangs on the table is lost at once, not after a resume.
 * Thread: any, one call at a time by a lock: the parts of one learner share the script. Owner: the
 * script owns the environment and its definition. */
#include "lua/script_impl.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

typedef struct env_function {
    int reference, line;
    const char *name;
} env_function;

struct rlt_script_environment {
    rlt_env_def def;
    rlt_environment_spec spec;
    rlt_sandbox *sandbox;
    uint64_t work_max;
    pthread_mutex_t lock; /* held during each call and status: guards all below, and Lua */
    env_function reset, step, mask;
    int random;      /* reference */
    rlt_rng *rng;    /* of the call in progress, else NULL */
    rlt_err failure; /* the first one; code RLT_OK: none */
};

/* random() in [0, 1); random(n) in 0 .. n - 1. Upvalue 1: the environment. */
static int draw(lua_State *L) {
    rlt_script_environment *env = lua_touserdata(L, lua_upvalueindex(1));
    if (env->rng == NULL) {
        return luaL_error(L, "random was called outside of reset and step");
    }
    if (lua_isnoneornil(L, 1)) {
        lua_pushnumber(L, rlt_rng_f64(env->rng));
        return 1;
    }
    lua_Integer bound = luaL_checkinteger(L, 1);
    luaL_argcheck(L, bound >= 1 && bound <= UINT32_MAX, 1, "must be from 1 to 4294967295");
    lua_pushinteger(L, rlt_rng_below(env->rng, (uint32_t)bound));
    return 1;
}

static void push_numbers(lua_State *L, const double *numbers, int count) {
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushnumber(L, numbers[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_action(const rlt_script_environment *env, const void *action) {
    lua_State *L = env->sandbox->L;
    const rlt_space *space = &env->spec.action_space;
    if (space->kind == RLT_SPACE_DISCRETE) {
        lua_pushinteger(L, *(const int32_t *)action);
        return;
    }
    const float *row = action;
    const int32_t *values = action;
    lua_createtable(L, space->size, 0);
    for (int i = 0; space->kind == RLT_SPACE_MULTI_DISCRETE && i < space->size; i++) {
        lua_pushinteger(L, values[i]);
        lua_rawseti(L, -2, i + 1);
    }
    if (space->kind == RLT_SPACE_MULTI_DISCRETE) {
        return;
    }
    for (int i = 0; i < space->size; i++) {
        lua_pushnumber(L, fmaxf(space->low[i], fminf(space->high[i], row[i])));
        lua_rawseti(L, -2, i + 1);
    }
}

static bool fail(rlt_script_environment *env, const env_function *function, const char *what,
                 int item) {
    rlt_fail(&env->failure, RLT_ESCRIPT, "%s:%d: env.%s: %s %d is not a finite number",
             env->sandbox->name, function->line, function->name, what, item);
    return false;
}

/* The finite number at `item` of the list at `index`; host mode. */
static bool read_item(lua_State *L, int index, int item, double *x) {
    int type = lua_rawgeti(L, index, item);
    *x = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return type == LUA_TNUMBER && isfinite(*x);
}

static bool read_state(rlt_script_environment *env, const env_function *function, int index,
                       double *state) {
    for (int i = 0; i < (int)env->spec.state_size; i++) {
        if (!read_item(env->sandbox->L, index, i + 1, &state[i])) {
            return fail(env, function, "state", i + 1);
        }
    }
    return true;
}

/* A list of numbers, or one number where one is enough. */
static bool read_observation(rlt_script_environment *env, const env_function *function, int index,
                             float *observation) {
    lua_State *L = env->sandbox->L;
    const rlt_space *space = &env->spec.observation_space;
    int size = space->kind == RLT_SPACE_DISCRETE ? 1 : space->size;
    for (int i = 0; i < size; i++) {
        double x = lua_tonumber(L, index);
        bool alone = size == 1 && lua_type(L, index) == LUA_TNUMBER && isfinite(x);
        if (!alone && !(lua_istable(L, index) && read_item(L, index, i + 1, &x))) {
            return fail(env, function, "number of the observation", i + 1);
        }
        int values = space->kind == RLT_SPACE_DISCRETE         ? space->size
                     : space->kind == RLT_SPACE_MULTI_DISCRETE ? space->counts[i]
                                                               : 0;
        if (values > 0 && !(x >= 0 && x < values && x == floor(x))) {
            rlt_fail(&env->failure, RLT_ESCRIPT,
                     "%s:%d: env.%s: the observation %.15g is not an integer of 0 .. %d",
                     env->sandbox->name, function->line, function->name, x, values - 1);
            return false;
        }
        observation[i] = (float)x;
    }
    return true;
}

/* Calls function(state[, action][, random]). Leaves the state's table and `results` values on the
 * stack, the table at *base; false, and nothing left, after a failure. */
static bool call(rlt_script_environment *env, const env_function *function, const double *state,
                 const void *action, rlt_rng *rng, int results, int *base) {
    lua_State *L = env->sandbox->L;
    if (!lua_checkstack(L, 16)) {
        return false;
    }
    push_numbers(L, state, (int)env->spec.state_size);
    *base = lua_gettop(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, function->reference);
    lua_pushvalue(L, *base);
    if (action != NULL) {
        push_action(env, action);
    }
    if (rng != NULL) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, env->random);
    }
    env->rng = rng;
    rlt_status status = rlt_sandbox_call(env->sandbox, lua_gettop(L) - *base - 1, results,
                                         env->work_max, &env->failure);
    env->rng = NULL;
    if (status != RLT_OK) {
        lua_settop(L, *base - 1);
    }
    return status == RLT_OK;
}

static void clear_observation(const rlt_script_environment *env, float *observation) {
    const rlt_space *space = &env->spec.observation_space;
    size_t size = space->kind == RLT_SPACE_DISCRETE ? 1 : (size_t)space->size;
    memset(observation, 0, sizeof(float) * size);
}

static void reset_locked(rlt_script_environment *env, void *state, rlt_rng *rng,
                         float *observation) {
    int base;
    if (env->def.state_size > 0) {
        memset(state, 0, env->def.state_size);
    }
    clear_observation(env, observation);
    if (env->failure.code != RLT_OK || !call(env, &env->reset, state, NULL, rng, 1, &base)) {
        return;
    }
    if (!read_observation(env, &env->reset, base + 1, observation) ||
        !read_state(env, &env->reset, base, state)) {
        clear_observation(env, observation);
    }
    lua_settop(env->sandbox->L, base - 1);
}

static void reset(void *context, void *state, rlt_rng *rng, float *observation) {
    rlt_script_environment *env = context;
    pthread_mutex_lock(&env->lock);
    reset_locked(env, state, rng, observation);
    pthread_mutex_unlock(&env->lock);
}

/* The results after a step: observation, reward, terminated. */
static bool read_step(rlt_script_environment *env, int base, double *state, float *observation,
                      float *reward, bool *terminated) {
    lua_State *L = env->sandbox->L;
    if (!read_observation(env, &env->step, base + 1, observation) ||
        !read_state(env, &env->step, base, state)) {
        return false;
    }
    double x = lua_tonumber(L, base + 2);
    if (lua_type(L, base + 2) != LUA_TNUMBER || !isfinite(x)) {
        return fail(env, &env->step, "the reward, result", 2);
    }
    if (!lua_isboolean(L, base + 3)) {
        rlt_fail(&env->failure, RLT_ESCRIPT,
                 "%s:%d: env.step: the third result (terminated) must be true or false, not %s",
                 env->sandbox->name, env->step.line, luaL_typename(L, base + 3));
        return false;
    }
    *reward = (float)x;
    *terminated = lua_toboolean(L, base + 3);
    return true;
}

static bool step_locked(rlt_script_environment *env, void *state, rlt_rng *rng, const void *action,
                        float *observation, float *reward) {
    bool terminated = false;
    int base;
    *reward = 0;
    clear_observation(env, observation);
    if (env->failure.code != RLT_OK || !call(env, &env->step, state, action, rng, 3, &base)) {
        return false;
    }
    if (!read_step(env, base, state, observation, reward, &terminated)) {
        clear_observation(env, observation);
    }
    lua_settop(env->sandbox->L, base - 1);
    return terminated;
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    rlt_script_environment *env = context;
    pthread_mutex_lock(&env->lock);
    bool terminated = step_locked(env, state, rng, action, observation, reward);
    pthread_mutex_unlock(&env->lock);
    return terminated;
}

/* component: from 1, or 0 where there is but one. */
static bool fail_mask(rlt_script_environment *env, int component, const char *text, int number) {
    char of[32] = "", what[128];
    if (component > 0) {
        snprintf(of, sizeof of, " of component %d", component);
    }
    snprintf(what, sizeof what, text, of, number);
    rlt_fail(&env->failure, RLT_ESCRIPT, "%s:%d: env.action_mask: %s", env->sandbox->name,
             env->mask.line, what);
    return false;
}

/* mask[count] from the list of booleans at `index`. */
static bool read_allowed(rlt_script_environment *env, int index, int component, int count,
                         uint8_t *mask) {
    lua_State *L = env->sandbox->L;
    bool any = false;
    if (!lua_istable(L, index) || lua_rawlen(L, index) != (lua_Unsigned)count) {
        return fail_mask(env, component, "the result%s must be a list of %d booleans", count);
    }
    for (int i = 0; i < count; i++) {
        bool boolean = lua_rawgeti(L, index, i + 1) == LUA_TBOOLEAN;
        mask[i] = (uint8_t)lua_toboolean(L, -1);
        any |= mask[i] != 0;
        lua_pop(L, 1);
        if (!boolean) {
            return fail_mask(env, component, "the result%s has an item %d that is no boolean",
                             i + 1);
        }
    }
    return any || fail_mask(env, component, "the result%s allows none of its %d values", count);
}

/* A list of booleans; of a MULTI_DISCRETE a list of such lists. */
static bool read_mask(rlt_script_environment *env, int index, uint8_t *mask) {
    lua_State *L = env->sandbox->L;
    const rlt_space *space = &env->spec.action_space;
    if (space->kind == RLT_SPACE_DISCRETE) {
        return read_allowed(env, index, 0, space->size, mask);
    }
    if (!lua_istable(L, index) || lua_rawlen(L, index) != (lua_Unsigned)space->size) {
        return fail_mask(env, 0, "the result%s must be a list of %d lists of booleans",
                         space->size);
    }
    bool valid = true;
    for (int c = 0; valid && c < space->size; c++) {
        lua_rawgeti(L, index, c + 1);
        valid = read_allowed(env, lua_gettop(L), c + 1, space->counts[c], mask);
        lua_pop(L, 1);
        mask += space->counts[c];
    }
    return valid;
}

/* All is allowed after a failure, which rlt_vec_env_status reports. */
static void action_mask(void *context, const void *state, uint8_t *mask) {
    rlt_script_environment *env = context;
    size_t width = (size_t)rlt_space_width(&env->spec.action_space);
    int base;
    pthread_mutex_lock(&env->lock);
    bool valid = env->failure.code == RLT_OK && call(env, &env->mask, state, NULL, NULL, 1, &base);
    if (valid) {
        valid = read_mask(env, base + 1, mask);
        lua_settop(env->sandbox->L, base - 1);
    }
    if (!valid) {
        memset(mask, 1, width);
    }
    pthread_mutex_unlock(&env->lock);
}

static rlt_status status(void *context, rlt_err *err) {
    rlt_script_environment *env = context;
    pthread_mutex_lock(&env->lock);
    rlt_err failure = env->failure;
    pthread_mutex_unlock(&env->lock);
    return failure.code == RLT_OK ? RLT_OK : rlt_fail(err, failure.code, "%s", failure.message);
}

/* Keeps the function `name` of the table at `index`. */
static env_function keep_function(lua_State *L, int index, const char *name) {
    lua_Debug info;
    env_function function = {.name = name};
    lua_pushstring(L, name);
    lua_rawget(L, index);
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">S", &info);
    function.line = info.linedefined > 0 ? info.linedefined : 0;
    function.reference = luaL_ref(L, LUA_REGISTRYINDEX);
    return function;
}

rlt_script_environment *rlt_environment_create(rlt_sandbox *sandbox, int index,
                                               rlt_environment_spec spec, uint64_t work_max) {
    lua_State *L = sandbox->L;
    rlt_script_environment *env = rlt_alloc(sizeof *env);
    index = lua_absindex(L, index);
    env->spec = spec;
    env->sandbox = sandbox;
    env->work_max = work_max;
    pthread_mutex_init(&env->lock, NULL);
    env->reset = keep_function(L, index, "reset");
    env->step = keep_function(L, index, "step");
    if (spec.masked) {
        env->mask = keep_function(L, index, "action_mask");
    }
    lua_pushlightuserdata(L, env);
    lua_pushcclosure(L, draw, 1);
    env->random = luaL_ref(L, LUA_REGISTRYINDEX);
    env->def = (rlt_env_def){
        .api_version = RLT_ENV_API_VERSION,
        .name = env->spec.name,
        .help = "Defined by a script.",
        .observation_space = spec.observation_space,
        .image = {spec.image[0], spec.image[1], spec.image[2]},
        .action_space = spec.action_space,
        .max_episode_steps = (int)spec.max_episode_steps,
        .reward_threshold = (float)spec.reward_threshold,
        .state_size = sizeof(double) * (size_t)spec.state_size,
        .context = env,
        .reset = reset,
        .step = step,
        .action_mask = spec.masked ? action_mask : NULL,
        .status = status,
    };
    return env;
}

void rlt_environment_destroy(rlt_script_environment **env) {
    if (*env != NULL) {
        rlt_environment_spec_fini(&(*env)->spec);
        pthread_mutex_destroy(&(*env)->lock);
        rlt_free(*env);
        *env = NULL;
    }
}

const rlt_env_def *rlt_environment_def(const rlt_script_environment *env) {
    return &env->def;
}
