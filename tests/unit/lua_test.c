/* Tests of lua: what a script gives, that a hostile one is refused with its line,
 * environments that survive saving and loading bit for bit, the shipped configs. */
#include "envs/envs.h"
#include "lua/script.h"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static rlt_script *run(const char *text) {
    rlt_script *script;
    rlt_err err = {0};
    if (rlt_script_create(text, strlen(text), "a.lua", NULL, &script, &err) != RLT_OK) {
        fail_msg("%s\n%s", text, err.message);
    }
    return script;
}

static void ignore_line(void *user, const char *line) {
    (void)user;
    (void)line;
}

static void refused_with(const char *text, size_t size, rlt_status status, const char *expected) {
    rlt_script *script = NULL;
    rlt_err err = {0};
    rlt_script_options options = {.print = ignore_line};
    rlt_status got = rlt_script_create(text, size, "a.lua", &options, &script, &err);
    if (got == RLT_OK) {
        rlt_experiment_config config;
        got = rlt_script_load(script, &config, &err);
        assert_true(got != RLT_OK);
    }
    if (got != status || strncmp(err.message, expected, strlen(expected)) != 0) {
        fail_msg("%.200s\ngave:     %s: %s\nexpected: %s", text, rlt_status_name(got), err.message,
                 expected);
    }
    rlt_script_destroy(&script);
}

static void refused(const char *text, rlt_status status, const char *expected) {
    refused_with(text, strlen(text), status, expected);
}

static void gives(const char *text, const char *quoted) {
    char json_text[1024];
    snprintf(json_text, sizeof json_text, "%s", quoted);
    for (char *at = json_text; *at != 0; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    rlt_script *script = run(text);
    json_t *expected = json_loads(json_text, 0, NULL);
    assert_non_null(expected);
    if (!json_equal(expected, rlt_script_json(script))) {
        fail_msg("%s\ngave:     %s\nexpected: %s", text, json_dumps(rlt_script_json(script), 0),
                 json_text);
    }
    json_decref(expected);
    rlt_script_destroy(&script);
}

static void test_values(void **state) {
    (void)state;
    gives("return {a = 1, b = 2.5, c = 'x', d = true, e = {1, 2}, f = {g = {}}}",
          "{'a': 1, 'b': 2.5, 'c': 'x', 'd': true, 'e': [1, 2], 'f': {'g': {}}}");
    gives("rltune.experiment{a = 1}", "{'a': 1}");
    gives("return rltune.experiment{a = 1}", "{'a': 1}");
    gives("return {tune = {stopper = {'asha', grace = 5}}}",
          "{'tune': {'stopper': {'name': 'asha', 'grace': 5}}}");
    gives("return {ppo = {lr = function() end}}", "{'ppo': {'lr': {'$function': 'ppo.lr'}}}");
    gives("local t = {} for i = 1, 3 do table.insert(t, i * i) end return {a = t}",
          "{'a': [1, 4, 9]}");
    gives("local t = {1, 2, 4} table.insert(t, 3, 3) table.remove(t, 1) return {a = t}",
          "{'a': [2, 3, 4]}");
    gives("return {a = ('x'):rep(3), b = string.find('a.b', '.') , c = ('%d'):format(7)}",
          "{'a': 'xxx', 'b': 2, 'c': '7'}");
    gives("return {a = {table.unpack({1, 2})}, b = table.concat({1, 2}, '-'), c = math.floor(2.5)}",
          "{'a': [1, 2], 'b': '1-2', 'c': 2}");
    gives("local m = setmetatable({}, {__index = function(_, k) return k end}) return {a = m.x}",
          "{'a': 'x'}");
}

static void test_pairs_is_ordered(void **state) {
    (void)state;
    gives("local t, s = {z = 1, b = 2, [2.5] = 3, 10, 20, ab = 4, [-1] = 5, [true] = 6}, ''\n"
          "for k, v in pairs(t) do s = s .. tostring(k) .. '=' .. v .. ' ' t[k] = nil t.z = nil end"
          " return {a = s}",
          "{'a': '-1=5 1=10 2=20 2.5=3 ab=4 b=2 true=6 '}");
    gives("for k in pairs({}) do error('') end return {}", "{}");
    refused("\npairs(nil)", RLT_ESCRIPT, "a.lua:2: bad argument #1 to 'pairs'");
    refused("local t = {} for i = 1, 1e5 do t['k' .. i] = i end\nwhile true do pairs(t) end",
            RLT_ELIMIT, "a.lua:2: the script ran");
}

static void test_spaces(void **state) {
    (void)state;
    gives("return {a = space.uniform(0, 1), b = space.loguniform(1e-4, 0.5), c = "
          "space.quniform(0, 1, 0.25)}",
          "{'a': {'$space': 'uniform', 'low': 0, 'high': 1},"
          " 'b': {'$space': 'loguniform', 'low': 1e-4, 'high': 0.5},"
          " 'c': {'$space': 'quniform', 'low': 0, 'high': 1, 'step': 0.25}}");
    gives("return {a = space.choice{ {32, 32}, {64} }, b = space.grid{'x', 'y'}, c = "
          "space.fixed(3), d = space.normal(0, 1), e = space.randint(1, 3)}",
          "{'a': {'$space': 'choice', 'values': [[32, 32], [64]]},"
          " 'b': {'$space': 'grid', 'values': ['x', 'y']}, 'c': {'$space': 'fixed', 'value': 3},"
          " 'd': {'$space': 'normal', 'mean': 0, 'std': 1},"
          " 'e': {'$space': 'randint', 'low': 1, 'high': 3}}");
    refused("\nlocal a = space.loguniform(0, 1)", RLT_ESCRIPT,
            "a.lua:2: space.loguniform: low is 0; it must be more than 0");
    refused("return {\na = space.uniform(2, 1)}", RLT_ESCRIPT, "a.lua:2: space.uniform: low (2)");
    refused("return {a = space.choice(1, 2)}", RLT_ESCRIPT, "a.lua:1: space.choice takes 1 value");
    refused("return {a = space.choice{}}", RLT_ESCRIPT, "a.lua:1: space.choice needs a list");
    refused("return {a = space.choice{function() end}}", RLT_ESCRIPT,
            "a.lua:1: space.choice.values[1]: a function");
    refused("return {a = space.uniform(0)}", RLT_ESCRIPT, "a.lua:1: space.uniform needs 'high'");
    refused("return {a = space.uniform(0, 1/0)}", RLT_ESCRIPT, "a.lua:1: space.uniform.high: inf");
    refused(
        "return {a = space.unifrom(0, 1)}", RLT_ESCRIPT,
        "a.lua:1: there is no space.unifrom (did you mean space.uniform?); there are: uniform, ");
    refused("return {a = space.banana}", RLT_ESCRIPT,
            "a.lua:1: there is no space.banana; there are: ");
    refused("return {a = space[1]}", RLT_ESCRIPT, "a.lua:1: there is no space.1; there are: ");
}

static void test_bad_tables(void **state) {
    (void)state;
    refused("return 1", RLT_ESCRIPT, "a.lua:1: the script gives no experiment");
    refused("", RLT_ESCRIPT, "a.lua:1: the script gives no experiment");
    refused("return {\n\nppo = ", RLT_ESCRIPT, "a.lua:3: unexpected symbol near <eof>");
    refused("return {\nppo = {lr = 0/0}}", RLT_ECONFIG, "a.lua:2: ppo.lr: NaN is not allowed");
    refused("return {ppo = {lr = math.huge}}", RLT_ECONFIG, "a.lua:1: ppo.lr: infinity is not");
    refused("local t = {} t.ppo = t return t", RLT_ECONFIG, "a.lua:1: ppo.ppo.ppo");
    refused("local t = {1} for i = 1, 31 do t = {t, t} end return {ppo = t}", RLT_ECONFIG,
            "a.lua:1: ppo");
    refused("return {\nppo = {1, lr = 2}}", RLT_ECONFIG,
            "a.lua:2: ppo: a table has either names or list items, not both");
    refused("return {ppo = {[1] = 1, [3] = 2}}", RLT_ECONFIG, "a.lua:1: ppo: a list must not have");
    refused("return {ppo = {[true] = 1}}", RLT_ECONFIG, "a.lua:1: ppo: keys must be names");
    refused("return {ppo = {[1.5] = 1}}", RLT_ECONFIG, "a.lua:1: ppo: keys must be names");
    refused("return {name = '\\xff'}", RLT_ECONFIG, "a.lua:1: name: text must be UTF-8");
    refused("return {name = 'a\\0b'}", RLT_ECONFIG, "a.lua:1: name: text must be UTF-8");
    refused("return {['\\xff'] = 1}", RLT_ECONFIG, "a.lua: ");
    refused("return {tune = {stopper = {'asha', name = 'x'}}}", RLT_ECONFIG, "a.lua:1: tune.stop");
}

static void test_errors_of_the_schema_have_lines(void **state) {
    (void)state;
    refused("return {\n  ppo = {\n    lr = 3,\n  },\n}", RLT_ECONFIG, "a.lua:3: ppo.lr: 3 is not");
    refused("return {\n  ppo = {\n    lrr = 3,\n  },\n}", RLT_ECONFIG,
            "a.lua:3: ppo.lrr: unknown key (did you mean 'lr'?)");
    refused("return {\n tune = {},\n ppo = {\n lr = space.uniform(0,\n 1) } }", RLT_ECONFIG,
            "a.lua:4: ppo.lr: 0 is not allowed");
    refused("return {\n [ 'workers' ] = -1 }", RLT_ECONFIG, "a.lua:2: workers: -1");
    refused("return {\n stop = {\n steps = function() end } }", RLT_ECONFIG,
            "a.lua:3: stop.steps: cannot be searched");
}

static void test_locate(void **state) {
    (void)state;
    rlt_script *script = run("-- ppo = { lr = 1 }\n"
                             "local text = 'ppo = { lr = 2 }' --[[ ppo = {\n lr = 3 } ]]\n"
                             "local long = [==[ ppo = { lr = 4 } ]==]\n"
                             "local c = {\n"
                             "  ppo = { clip = 0.1,\n"
                             "    lr = 5, ['gamma'] = 0.5 },\n"
                             "  model = { hidden = {\n 1, 2 } }, eval = {},\n"
                             "}\n"
                             "if c.ppo.lr == 5 then c.ppo.epochs = 3 end\n"
                             "c.eval.every = 7\n"
                             "return c\n");
    assert_int_equal(rlt_script_locate(script, "ppo"), 6);
    assert_int_equal(rlt_script_locate(script, "ppo.lr"), 7);
    assert_int_equal(rlt_script_locate(script, "ppo.gamma"), 7);
    assert_int_equal(rlt_script_locate(script, "ppo.epochs"), 11);
    assert_int_equal(rlt_script_locate(script, "eval.every"), 12);
    assert_int_equal(rlt_script_locate(script, "model.hidden[2]"), 8);
    assert_int_equal(rlt_script_locate(script, "ppo.absent"), 0);
    assert_int_equal(rlt_script_locate(script, ""), 0);
    rlt_script_destroy(&script);
}

/* Each is stopped, with its line; none may take long (ctest's limit is the clock). */
static void test_hostile_scripts(void **state) {
    (void)state;
    static const struct {
        const char *text;
        rlt_status status;
        const char *expected;
    } corpus[] = {
        {"\nwhile true do end", RLT_ELIMIT, "a.lua:2: the script ran longer than its limit of 200"},
        {"\n\nlocal s = ('x'):rep(1e9)", RLT_ELIMIT, "a.lua:3: the script needs more memory"},
        {"local s = ('x'):rep(3e5)", RLT_ELIMIT, "a.lua:1: a string of more than 256 KiB"},
        {"local s = 'x' while true do s = s .. s end", RLT_ELIMIT, "a.lua:1: a string of more"},
        {"local t = {} while true do t[#t + 1] = {} end", RLT_ELIMIT, "a.lua:1: the script needs"},
        {"while true do local s = ('x'):rep(2e5) end", RLT_ELIMIT, "a.lua:1: the script ran"},
        {"local s = ('x'):rep(2e5)\nwhile true do local t = s .. 'y' end", RLT_ELIMIT,
         "a.lua:2: the script ran"},
        {"local a, b = ('x'):rep(2e5) .. 'a', ('x'):rep(2e5) .. 'b'\nwhile true do local c = a < b "
         "end",
         RLT_ELIMIT, "a.lua:2: the script ran"},
        {"local a, b = ('x'):rep(2e5), ('x'):rep(1e5) .. 'y'\nwhile true do local c = "
         "string.find(a, b) end",
         RLT_ELIMIT, "a.lua:2: the script ran"},
        {"coroutine.wrap(function() while true do end end)()", RLT_ESCRIPT,
         "a.lua:1: attempt to index a nil value (global 'coroutine')"},
        {"local s = ('a'):rep(40) return ('a'):gsub('.-.-.-.-b', '')", RLT_ESCRIPT,
         "a.lua:1: attempt to call a nil value (method 'gsub')"},
        {"return string.match('a', 'a*')", RLT_ESCRIPT, "a.lua:1: attempt to call a nil value"},
        {"\nsetmetatable({}, {__gc = function() while true do end end})", RLT_ESCRIPT,
         "a.lua:2: a metatable with __gc is not allowed"},
        {"local m = {} local t = setmetatable({}, m) m.__gc = print setmetatable(t, m)",
         RLT_ESCRIPT, "a.lua:1: a metatable with __gc"},
        {"local function f() return 1 + f() end\nf()", RLT_ELIMIT, "a.lua:1: the script needs"},
        {"local t = setmetatable({}, {__index = function(t, k) return t[k] end})\nreturn t.x",
         RLT_ESCRIPT, "a.lua:1: C stack overflow"},
        {"local t = setmetatable({}, {}) getmetatable(t).__index = function(s, k) return s[k] end "
         "return t.x",
         RLT_ESCRIPT, "a.lua:1: "},
        {"local a = {} for i = 1, 300 do a = setmetatable({}, {__index = a}) end\nwhile true do "
         "local x = a.x end",
         RLT_ELIMIT, "a.lua:2: the script ran"},
        {"getmetatable('').__index = function() end", RLT_ESCRIPT,
         "a.lua:1: attempt to index a boo"},
        {"setmetatable('', {})", RLT_ESCRIPT, "a.lua:1: bad argument #1 to 'setmetatable'"},
        {"local t = setmetatable({}, {__metatable = 1}) setmetatable(t, {})", RLT_ESCRIPT,
         "a.lua:1: cannot change a protected metatable"},
        {"os.exit(0)", RLT_ESCRIPT, "a.lua:1: attempt to index a nil value (global 'os') (scripts"},
        {"io.open('/etc/passwd')", RLT_ESCRIPT,
         "a.lua:1: attempt to index a nil value (global 'io'"},
        {"debug.sethook()", RLT_ESCRIPT, "a.lua:1: attempt to index a nil value (global 'debug')"},
        {"require 'os'", RLT_ESCRIPT, "a.lua:1: attempt to call a nil value (global 'require')"},
        {"load('return 1')()", RLT_ESCRIPT, "a.lua:1: attempt to call a nil value (global 'load')"},
        {"dofile('x')", RLT_ESCRIPT, "a.lua:1: attempt to call a nil value (global 'dofile')"},
        {"collectgarbage('stop')", RLT_ESCRIPT, "a.lua:1: attempt to call a nil value"},
        {"string.dump(function() end)", RLT_ESCRIPT, "a.lua:1: attempt to call a nil value"},
        {"package.loaded.os.exit()", RLT_ESCRIPT, "a.lua:1: attempt to index a nil value"},
        {"while true do pcall(error) end", RLT_ESCRIPT, "a.lua:1: attempt to call a nil value"},
        {"\nerror({})", RLT_ESCRIPT, "a.lua:2: error() was called with a table"},
        {"\nerror()", RLT_ESCRIPT, "a.lua:2: error() was called with a nil"},
        {"\nerror('no place', 0)", RLT_ESCRIPT, "a.lua:2: no place"},
        {"\nerror('here')", RLT_ESCRIPT, "a.lua:2: here"},
        {"error('\\27[2J\\n')", RLT_ESCRIPT, "a.lua:1: ?[2J?"},
        {"error(setmetatable({}, {__tostring = function() while true do end end}))", RLT_ESCRIPT,
         "a.lua:1: error() was called with a table"},
        {"\n\1\2\3", RLT_ESCRIPT, "a.lua:2: unexpected symbol near"},
        {"local t = setmetatable({}, {__len = function() return 1 << 60 end})\ntable.unpack(t)",
         RLT_ESCRIPT, "a.lua:2: too many results to unpack"},
        {"local t = setmetatable({}, {__len = function() return 1 << 60 end})\nwhile true do "
         "table.insert(t, 1, 1) end",
         RLT_ELIMIT, "a.lua:2: the script ran"},
        {"while true do table.unpack({}, 1, 9e5) end", RLT_ELIMIT, "a.lua:1: the script ran"},
        {"local t = {} for i = 1, 3e5 do t[i] = i end\nfor i = 1, 3e5 do t[i] = nil end\nwhile "
         "true "
         "do local k = next(t) end",
         RLT_ELIMIT, "a.lua:3: the script ran"},
        {"local x <close> = setmetatable({}, {__close = function() while true do end end})",
         RLT_ELIMIT, "a.lua:1: the script ran"},
        {"while true do print(1) end", RLT_ELIMIT, "a.lua:1: the script ran"},
        {"while true do local s = space.uniform(0, 1) end", RLT_ELIMIT, "a.lua:1: the script ran"},
        {"local t = {} for i = 1, 4000 do t[i] = i end\nwhile true do local s = space.grid(t) end",
         RLT_ELIMIT, "a.lua:2: the script ran"},
    };
    double slowest_s = 0;
    size_t slowest = 0;
    for (size_t i = 0; i < RLT_COUNT(corpus); i++) {
        clock_t start = clock();
        refused(corpus[i].text, corpus[i].status, corpus[i].expected);
        double s = (double)(clock() - start) / CLOCKS_PER_SEC;
        slowest = s > slowest_s ? i : slowest;
        slowest_s = s > slowest_s ? s : slowest_s;
    }
    print_message("slowest of %zu: %.2f s of CPU: %.50s\n", RLT_COUNT(corpus), slowest_s,
                  corpus[slowest].text);
}

static void test_bytecode(void **state) {
    (void)state;
    static const char header[] = "\x1bLua\x54\x00\x19\x93\r\n\x1a\n";
    refused_with(header, sizeof header, RLT_ESCRIPT, "a.lua:1: this is precompiled Lua");
    char *nested = malloc(200001);
    memset(nested, '{', 200000);
    nested[200000] = 0;
    refused(nested, RLT_ESCRIPT, "a.lua:1: ");
    memset(nested, '(', 200000);
    refused(nested, RLT_ESCRIPT, "a.lua:1: ");
    free(nested);
    char *huge = calloc(1, RLT_SCRIPT_SIZE_MAX + 2);
    memset(huge, ' ', RLT_SCRIPT_SIZE_MAX + 1);
    refused(huge, RLT_ELIMIT, "a.lua: 1048577 bytes");
    free(huge);
}

static void test_small_memory(void **state) {
    (void)state;
    rlt_script_options options = {.memory_max = 1 << 20};
    const char *text = "local t = {}\nfor i = 1, 1e5 do\nt[i] = {i} end return t";
    rlt_script *script;
    rlt_err err = {0};
    assert_int_equal(rlt_script_create(text, strlen(text), "m.lua", &options, &script, &err),
                     RLT_ELIMIT);
    assert_non_null(
        strstr(err.message, "m.lua:3: the script needs more memory than its limit of 1 MiB"));
}

/* Bytes count as work: 100 strings of 200 kB are few instructions. */
static void test_allocated_bytes_count(void **state) {
    (void)state;
    rlt_script_options options = {.work_max = 500000};
    const char *text = "for i = 1, 100 do local s = ('x'):rep(2e5) end return {}";
    rlt_script *script;
    rlt_err err = {0};
    assert_int_equal(rlt_script_create(text, strlen(text), "w.lua", &options, &script, &err),
                     RLT_ELIMIT);
    assert_non_null(strstr(err.message, "w.lua:1: the script ran longer than its limit of 500000"));
}

static void keep_line(void *user, const char *line) {
    snprintf(user, 64, "%s", line);
}

static void test_print(void **state) {
    (void)state;
    char line[64] = "";
    rlt_script_options options = {.print = keep_line, .print_user = line};
    const char *text = "print('a', 1, nil, '\\27[31m') return {}";
    rlt_script *script;
    rlt_err err = {0};
    assert_int_equal(rlt_script_create(text, strlen(text), "p.lua", &options, &script, &err),
                     RLT_OK);
    assert_string_equal(line, "a 1 nil  [31m");
    rlt_script_destroy(&script);
}

static void unresolved(rlt_script *script, const char *path, rlt_status status,
                       const char *expected) {
    json_t *chosen = json_pack("{s:f}", "ppo.lr", 1e-3), *value;
    rlt_err err = {0};
    assert_int_equal(rlt_script_resolve(script, path, chosen, &value, &err), status);
    if (strncmp(err.message, expected, strlen(expected)) != 0) {
        fail_msg("%s\ngave:     %s\nexpected: %s", path, err.message, expected);
    }
    json_decref(chosen);
}

/* A walk on a line with noise; the state is position and count. */
static const char walk[] =
    "return { env = { name = 'Walk-v0',\n"
    "  observation_space = space.box({-math.huge, 0}, {math.huge, 100}),\n"
    "  action_space = space.discrete(3), max_episode_steps = 20, state_size = 2,\n"
    "  reset = function(state, random)\n"
    "    state[1] = random() - 0.5 + random(3) return {state[1], 0} end,\n"
    "  step = function(state, action, random)\n"
    "    state[1] = state[1] + (action - 1) * 0.3 + 0.01 * random()\n"
    "    state[2] = state[2] + 1\n"
    "    state.hidden = 1\n"
    "    return {state[1], state[2]}, -math.abs(state[1]), math.abs(state[1]) > 3 end } }\n";

enum { WALKERS = 4, WALK_STEPS = 60 };
typedef struct walk_rows {
    float obs[WALKERS * 2], reward[WALKERS], final[WALKERS * 2], returns[WALKERS];
    uint8_t terminated[WALKERS], truncated[WALKERS];
    int32_t lengths[WALKERS];
} walk_rows;

static void walk_steps(rlt_vec_env *vec, int from, int to, walk_rows *rows) {
    const rlt_step_out out = {rows->obs,   rows->reward,  rows->terminated, rows->truncated,
                              rows->final, rows->returns, rows->lengths};
    for (int t = from; t < to; t++) {
        int32_t actions[WALKERS];
        for (int i = 0; i < WALKERS; i++) {
            actions[i] = (t * 7 + i) % 3;
        }
        rlt_vec_env_step(vec, actions, &out);
    }
}

static void test_environment_survives_saving(void **state) {
    (void)state;
    rlt_script *first = run(walk), *second = run(walk);
    const rlt_env_def *def = rlt_script_env(first);
    assert_string_equal(def->name, "Walk-v0");
    assert_true(def->action_space.size == 3 && def->observation_space.size == 2);
    assert_true(isinf(def->observation_space.low[0]) && def->observation_space.high[1] == 100);
    assert_true(def->max_episode_steps == 20 && def->state_size == 16);
    rlt_vec_env *whole, *resumed;
    rlt_err err = {0};
    walk_rows a = {0}, b = {0};
    assert_int_equal(rlt_vec_env_create(def, WALKERS, 0, 5, &whole, &err), RLT_OK);
    assert_int_equal(rlt_vec_env_create(rlt_script_env(second), WALKERS, 0, 5, &resumed, &err),
                     RLT_OK);
    rlt_vec_env_reset(whole, a.obs);
    walk_steps(whole, 0, WALK_STEPS / 2, &a);
    size_t size = rlt_vec_env_state_size(whole);
    void *bytes = malloc(size);
    rlt_vec_env_save(whole, bytes);
    assert_int_equal(rlt_vec_env_load(resumed, bytes, size, &err), RLT_OK);
    walk_steps(whole, WALK_STEPS / 2, WALK_STEPS, &a);
    memcpy(&b, &a, sizeof b);
    memset(b.obs, 0, sizeof b.obs);
    walk_steps(resumed, WALK_STEPS / 2, WALK_STEPS, &b);
    assert_memory_equal(a.obs, b.obs, sizeof a.obs);
    assert_memory_equal(a.reward, b.reward, sizeof a.reward);
    assert_true(a.obs[0] != 0 && a.lengths[0] > 0);
    assert_int_equal(def->status(def->context, &err), RLT_OK);
    free(bytes);
    rlt_vec_env_destroy(&whole);
    rlt_vec_env_destroy(&resumed);
    rlt_script_destroy(&first);
    rlt_script_destroy(&second);
}

enum { THREADS = 3, THREAD_STEPS = 300 };
typedef struct walk_thread {
    pthread_t thread;
    const rlt_env_def *def;
    walk_rows rows;
} walk_thread;

static void *walk_part(void *user) {
    walk_thread *part = user;
    rlt_vec_env *vec;
    if (rlt_vec_env_create(part->def, WALKERS, 0, 5, &vec, NULL) == RLT_OK) {
        rlt_vec_env_reset(vec, part->rows.obs);
        walk_steps(vec, 0, THREAD_STEPS, &part->rows);
        rlt_vec_env_destroy(&vec);
    }
    return NULL;
}

/* Parts of one learner share the script: each must get what it gets alone. */
static void test_environment_in_threads(void **state) {
    (void)state;
    rlt_script *script = run(walk);
    walk_thread alone = {.def = rlt_script_env(script)}, parts[THREADS] = {0};
    walk_part(&alone);
    assert_true(alone.rows.lengths[0] > 0);
    for (int i = 0; i < THREADS; i++) {
        parts[i].def = alone.def;
        assert_int_equal(pthread_create(&parts[i].thread, NULL, walk_part, &parts[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(parts[i].thread, NULL);
        assert_memory_equal(&parts[i].rows, &alone.rows, sizeof alone.rows);
    }
    rlt_script_destroy(&script);
}

static void test_environment_json(void **state) {
    (void)state;
    rlt_script *script = run(walk);
    rlt_experiment_config config;
    rlt_err err = {0};
    assert_int_equal(rlt_script_load(script, &config, &err), RLT_OK);
    assert_true(config.run.lua_env);
    assert_string_equal(config.run.env, "Walk-v0");
    json_t *env = json_object_get(json_object_get(config.json, "env"), "$lua_env");
    assert_int_equal(json_integer_value(json_object_get(env, "state_size")), 2);
    assert_null(json_object_get(env, "step"));
    rlt_experiment_config_fini(&config);
    rlt_script_destroy(&script);
}

#define ENV(reset, step, space)                                                                    \
    "return { env = { name = 'E', observation_space = " space ",\n action_space = "                \
    "space.box(-1, 1, 2), state_size = 1,\n reset = " reset ",\n step = " step " } }"

/* Steps the environment twice; its status must be an error that starts so. */
static void environment_fails(const char *text, rlt_status status, const char *expected) {
    rlt_script *script = run(text);
    const rlt_env_def *def = rlt_script_env(script);
    double env_state[1];
    float obs[2] = {0}, reward = 9, action[2] = {5, -0.25f};
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_ENV, 0);
    def->reset(def->context, env_state, &rng, obs);
    assert_false(def->step(def->context, env_state, &rng, action, obs, &reward));
    assert_false(def->step(def->context, env_state, &rng, action, obs, &reward));
    rlt_err err = {0};
    assert_int_equal(def->status(def->context, &err), status);
    if (strncmp(err.message, expected, strlen(expected)) != 0) {
        fail_msg("%s\ngave:     %s\nexpected: %s", text, err.message, expected);
    }
    assert_true(reward == 0 && obs[0] == 0);
    rlt_script_destroy(&script);
}

#define OK_RESET "function() return {0, 0} end"
#define OK_STEP "function() return {0, 0}, 0, false end"
#define BOX "space.box(0, 1, 2)"

static void test_environment_failures(void **state) {
    (void)state;
    environment_fails(ENV("function() return {0} end", OK_STEP, BOX), RLT_ESCRIPT,
                      "a.lua:3: env.reset: number of the observation 2 is not a finite number");
    environment_fails(ENV("function() return {0, 0/0} end", OK_STEP, BOX), RLT_ESCRIPT,
                      "a.lua:3: env.reset: number of the observation 2");
    environment_fails(ENV("function() return 1 end", OK_STEP, BOX), RLT_ESCRIPT, "a.lua:3: env.re");
    environment_fails(ENV("function(s) s[1] = 'x' return {0, 0} end", OK_STEP, BOX), RLT_ESCRIPT,
                      "a.lua:3: env.reset: state 1");
    environment_fails(ENV(OK_RESET, "function() return {0, 0}, nil, false end", BOX), RLT_ESCRIPT,
                      "a.lua:4: env.step: the reward");
    environment_fails(ENV(OK_RESET, "function() return {0, 0}, 0 end", BOX), RLT_ESCRIPT,
                      "a.lua:4: env.step: the third result (terminated) must be true or false");
    environment_fails(ENV(OK_RESET, "function() while true do end end", BOX), RLT_ELIMIT,
                      "a.lua:4: the script ran longer than its limit of 5000000");
    environment_fails(ENV(OK_RESET, "function(s, a) error(a[1] .. ' ' .. a[2]) end", BOX),
                      RLT_ESCRIPT, "a.lua:4: 1.0 -0.25"); /* clipped to the bounds */
    environment_fails(ENV("function(s, r) r(0) end", OK_STEP, BOX), RLT_ESCRIPT,
                      "a.lua:3: bad argument #1 to 'r'");
    environment_fails(ENV("function() return 3 end", OK_STEP, "space.discrete(3)"), RLT_ESCRIPT,
                      "a.lua:3: env.reset: the observation 3 is not an integer of 0 .. 2");
    environment_fails(ENV("function() return {0.5} end", OK_STEP, "space.discrete(3)"), RLT_ESCRIPT,
                      "a.lua:3: env.reset: the observation 0.5 is not");
}

/* `random` belongs to one call. */
static void test_random_outside_of_a_step(void **state) {
    (void)state;
    rlt_script *script = run("local kept\nreturn { tune = {}, ppo = { gamma = function()\n"
                             "return kept() end }, env = { name = 'E', observation_space = "
                             "space.discrete(2), action_space = space.discrete(2), reset = "
                             "function(s, random) kept = random return 1 end, step = print } }");
    rlt_experiment_config config;
    rlt_err err = {0};
    float observation = 0;
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_ENV, 0);
    assert_int_equal(rlt_script_load(script, &config, &err), RLT_OK);
    rlt_script_env(script)->reset(rlt_script_env(script)->context, NULL, &rng, &observation);
    assert_true(observation == 1);
    unresolved(script, "ppo.gamma", RLT_ESCRIPT, "a.lua:3: random was called outside");
    rlt_experiment_config_fini(&config);
    rlt_script_destroy(&script);
}

static void test_bad_environments(void **state) {
    (void)state;
    refused("return {\nenv = {} }", RLT_ECONFIG, "a.lua:2: env.name: a name");
    refused("return {env = {name = 'x',\nrest = 1}}", RLT_ECONFIG,
            "a.lua:2: env.rest: unknown key (did you mean 'reset'?)");
    refused(ENV("1", OK_STEP, BOX), RLT_ECONFIG, "a.lua:3: env.reset: a function is needed");
    refused(ENV(OK_RESET, OK_STEP, "3"), RLT_ECONFIG,
            "a.lua:1: env.observation_space: space.box(low, high), space.discrete(n) or");
    refused(ENV(OK_RESET, OK_STEP, "space.box({0, 1}, {1})"), RLT_ECONFIG,
            "a.lua:1: env.observation_space: low and high");
    refused(ENV(OK_RESET, OK_STEP, "space.box(1, 0)"), RLT_ECONFIG,
            "a.lua:1: env.observation_space: low[1] is more");
    refused(ENV(OK_RESET, OK_STEP, "space.box{low = {0}, high = {'a'}}"), RLT_ECONFIG,
            "a.lua:1: env.observation_space: bound 1");
    refused(ENV(OK_RESET, OK_STEP, "space.discrete(0)"), RLT_ESCRIPT, "a.lua:1: bad argument #1");
    refused(ENV(OK_RESET, OK_STEP, BOX ", max_episode_steps = 1.5"), RLT_ECONFIG,
            "a.lua:1: env.max_episode_steps: an integer");
}

/* Every script that ships must load, and name an environment that exists. */
static void test_shipped_configs(void **state) {
    (void)state;
    DIR *folder = opendir("configs");
    assert_non_null(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        size_t size = strlen(entry->d_name);
        if (size < 4 || strcmp(entry->d_name + size - 4, ".lua") != 0) {
            continue;
        }
        char path[300];
        snprintf(path, sizeof path, "configs/%s", entry->d_name);
        rlt_script *script;
        rlt_experiment_config config;
        rlt_err err = {0};
        if (rlt_script_create_file(path, NULL, &script, &err) != RLT_OK ||
            rlt_script_load(script, &config, &err) != RLT_OK) {
            fail_msg("%s", err.message);
        }
        const rlt_env_def *def = rlt_script_env(script);
        if (def == NULL && rlt_env_find(rlt_envs, config.run.env, &def, &err) != RLT_OK) {
            fail_msg("%s: %s", path, err.message);
        }
        rlt_experiment_config_fini(&config);
        rlt_script_destroy(&script);
        count++;
    }
    closedir(folder);
    assert_true(count >= 3);
}

static void test_missing_file(void **state) {
    (void)state;
    rlt_script *script;
    rlt_err err = {0};
    assert_int_equal(rlt_script_create_file("configs/absent.lua", NULL, &script, &err),
                     RLT_ENOTFOUND);
    assert_null(script);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_pairs_is_ordered),
        cmocka_unit_test(test_spaces),
        cmocka_unit_test(test_bad_tables),
        cmocka_unit_test(test_errors_of_the_schema_have_lines),
        cmocka_unit_test(test_locate),
        cmocka_unit_test(test_hostile_scripts),
        cmocka_unit_test(test_bytecode),
        cmocka_unit_test(test_small_memory),
        cmocka_unit_test(test_allocated_bytes_count),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_environment_survives_saving),
        cmocka_unit_test(test_environment_in_threads),
        cmocka_unit_test(test_environment_json),
        cmocka_unit_test(test_environment_failures),
        cmocka_unit_test(test_random_outside_of_a_step),
        cmocka_unit_test(test_bad_environments),
        cmocka_unit_test(test_shipped_configs),
        cmocka_unit_test(test_missing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
