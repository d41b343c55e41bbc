/* Tests of lua: environments with multi-discrete spaces and action masks: what a script gives and
 * gets, and what is said of one that gives something else. */
#include "lua/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static rlt_script *run(const char *text) {
    rlt_script *script;
    rlt_err err = {0};
    if (rlt_script_create(text, strlen(text), "a.lua", NULL, &script, &err) != RLT_OK) {
        fail_msg("%s\n%s", text, err.message);
    }
    return script;
}

/* The state is the sum of all actions; odd sums forbid the first value of each component. */
static const char sums[] =
    "return { env = { name = 'Sums-v0',\n"
    "  observation_space = space.multi_discrete{4, 2},\n"
    "  action_space = space.multi_discrete{3, 1, 2}, max_episode_steps = 9, state_size = 1,\n"
    "  reset = function(state) state[1] = 0 return {0, 0} end,\n"
    "  step = function(state, action)\n"
    "    state[1] = state[1] + action[1] + 10 * action[2] + 100 * action[3]\n"
    "    assert(math.type(action[1]) == 'integer' and #action == 3)\n"
    "    return {state[1] % 4, state[1] % 2}, state[1], false end,\n"
    "  action_mask = function(state, ...)\n"
    "    assert(select('#', ...) == 0)\n"
    "    local even = state[1] % 2 == 0\n"
    "    state[1] = 77\n" /* is not kept */
    "    return { {even, true, true}, {true}, {even, true} } end } }\n";

static void test_spaces_and_masks(void **unused) {
    (void)unused;
    rlt_script *script = run(sums);
    const rlt_env_def *def = rlt_script_env(script);
    const rlt_space *action_space = &def->action_space, *seen = &def->observation_space;
    assert_int_equal(action_space->kind, RLT_SPACE_MULTI_DISCRETE);
    assert_true(action_space->size == 3 && action_space->counts[2] == 2);
    assert_true(seen->kind == RLT_SPACE_MULTI_DISCRETE && seen->counts[0] == 4);
    assert_int_equal(rlt_env_mask_width(def), 6);
    rlt_vec_env *vec = NULL;
    rlt_err err = {0};
    float obs[12], reward[2], final[12], returns[2];
    uint8_t terminated[2], truncated[2], mask[12];
    int32_t length[2];
    const int32_t action[6] = {2, 0, 0, 1, 0, 1};
    const rlt_step_out out = {obs, reward, terminated, truncated, final, returns, length};
    assert_int_equal(rlt_vec_env_create(def, 2, 0, 1, &vec, &err), RLT_OK);
    rlt_vec_env_reset(vec, obs);
    rlt_vec_env_mask(vec, mask);
    const uint8_t all[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    assert_memory_equal(mask, all, sizeof mask);
    rlt_vec_env_step(vec, action, &out);
    rlt_vec_env_mask(vec, mask);
    const uint8_t second[6] = {0, 1, 1, 1, 0, 1}; /* 101 is odd, 2 is even */
    assert_memory_equal(mask, all, 6);
    assert_memory_equal(mask + 6, second, 6);
    const float rows[12] = {0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1};
    assert_memory_equal(obs, rows, sizeof rows);
    assert_true(reward[0] == 2 && reward[1] == 101);
    assert_int_equal(rlt_vec_env_status(vec, &err), RLT_OK);
    rlt_vec_env_destroy(&vec);
    rlt_script_destroy(&script);
}

#define ENV(action_space, mask)                                                                    \
    "return { env = { name = 'E', observation_space = space.discrete(2), state_size = 1,\n"        \
    "action_space = " action_space ",\n"                                                           \
    "action_mask = " mask ",\n"                                                                    \
    "reset = function() return 0 end, step = function() return 0, 0, false end } }"

/* After a mask that is none, all is allowed and the status says why. */
static void mask_fails(const char *text, rlt_status status, const char *expected) {
    rlt_script *script = run(text);
    const rlt_env_def *def = rlt_script_env(script);
    rlt_vec_env *vec = NULL;
    rlt_err err = {0};
    float obs[2];
    uint8_t mask[8] = {0};
    assert_int_equal(rlt_vec_env_create(def, 1, 0, 1, &vec, &err), RLT_OK);
    rlt_vec_env_reset(vec, obs);
    rlt_vec_env_mask(vec, mask);
    for (int i = 0; i < rlt_env_mask_width(def); i++) {
        assert_int_equal(mask[i], 1);
    }
    assert_int_equal(rlt_vec_env_status(vec, &err), status);
    if (strncmp(err.message, expected, strlen(expected)) != 0) {
        fail_msg("%s\ngave:     %s\nexpected: %s", text, err.message, expected);
    }
    rlt_vec_env_destroy(&vec);
    rlt_script_destroy(&script);
}

static void test_bad_masks(void **unused) {
    (void)unused;
    mask_fails(ENV("space.discrete(2)", "function() return 1 end"), RLT_ESCRIPT,
               "a.lua:3: env.action_mask: the result must be a list of 2 booleans");
    mask_fails(ENV("space.discrete(2)", "function() return {true, true, true} end"), RLT_ESCRIPT,
               "a.lua:3: env.action_mask: the result must be a list of 2 booleans");
    mask_fails(ENV("space.discrete(2)", "function() return {true, 1} end"), RLT_ESCRIPT,
               "a.lua:3: env.action_mask: the result has an item 2 that is no boolean");
    mask_fails(ENV("space.discrete(2)", "function() return {false, false} end"), RLT_ESCRIPT,
               "a.lua:3: env.action_mask: the result allows none of its 2 values");
    mask_fails(ENV("space.multi_discrete{1, 3}", "function() return {{true}} end"), RLT_ESCRIPT,
               "a.lua:3: env.action_mask: the result must be a list of 2 lists of booleans");
    mask_fails(ENV("space.multi_discrete{1, 3}", "function() return {{true}, {true}} end"),
               RLT_ESCRIPT,
               "a.lua:3: env.action_mask: the result of component 2 must be a list of 3 booleans");
    mask_fails(ENV("space.multi_discrete{1, 2}", "function() return {{true}, {false, false}} end"),
               RLT_ESCRIPT,
               "a.lua:3: env.action_mask: the result of component 2 allows none of its 2 values");
    mask_fails(ENV("space.discrete(2)", "function() error('stop', 0) end"), RLT_ESCRIPT,
               "a.lua:3: stop");
    mask_fails(ENV("space.discrete(2)", "function() while true do end end"), RLT_ELIMIT,
               "a.lua:3: the script ran longer");
}

static void refused(const char *text, rlt_status status, const char *expected) {
    rlt_script *script = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_script_create(text, strlen(text), "a.lua", NULL, &script, &err), status);
    if (strncmp(err.message, expected, strlen(expected)) != 0) {
        fail_msg("%s\ngave:     %s\nexpected: %s", text, err.message, expected);
    }
}

#define ANY "function() return {true, true} end"

static void test_bad_spaces(void **unused) {
    (void)unused;
    refused(ENV("space.box(0, 1)", ANY), RLT_ECONFIG, "a.lua:3: env.action_mask: a box has no");
    refused(ENV("space.discrete(2)", "3"), RLT_ECONFIG, "a.lua:3: env.action_mask: a function");
    refused(ENV("space.multi_discrete{}", ANY), RLT_ESCRIPT, "a.lua:2: bad argument #1");
    refused(ENV("space.multi_discrete(3)", ANY), RLT_ESCRIPT, "a.lua:2: bad argument #1");
    refused(ENV("space.multi_discrete{2, 0}", ANY), RLT_ESCRIPT, "a.lua:2: bad argument #1");
    refused(ENV("space.multi_discrete{2, 1.5}", ANY), RLT_ESCRIPT, "a.lua:2: bad argument #1");
    refused(ENV("{ kind = 'multi_discrete', counts = {2, 'x'} }", ANY), RLT_ECONFIG,
            "a.lua:2: env.action_space: a multi_discrete space has 1 to 64 counts");
    refused(ENV("space.multi_discrete{60000, 60000}", ANY), RLT_ECONFIG,
            "a.lua:2: env.action_space: a multi_discrete space has 1 to 64 counts");
    refused("return { env = { name = 'E',\n action_masks = print } }", RLT_ECONFIG,
            "a.lua:2: env.action_masks: unknown key (did you mean 'action_mask'?)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spaces_and_masks),
        cmocka_unit_test(test_bad_masks),
        cmocka_unit_test(test_bad_spaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
