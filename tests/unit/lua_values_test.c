/* Tests of lua: functions of the script that are called with the values chosen so far. */
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

static const char conditional[] =
    "local base = 2\n"
    "return {\n"
    "  ppo = { learning_rate = space.loguniform(1e-4, 1e-2), horizon = 64,\n"
    "    minibatch = function(p) return p.ppo.horizon * base end,\n"
    "    n_epochs = function(p)\n"
    "      return p.ppo.lr > 1e-3 and space.randint(1, 3) or 10\n"
    "    end,\n"
    "    gamma = function(p) return p.ppo.epochs end,\n"
    "    clip = function(p) return p.ppo.nothing.here end,\n"
    "    vf_coef = function(p)\n"
    "      while true do end end,\n"
    "    lambda = function(p) return 'x' end,\n"
    "  }, tune = {} }\n";

static json_t *resolved(rlt_script *script, const char *path, double lr) {
    json_t *chosen = json_pack("{s:f}", "ppo.lr", lr), *value;
    rlt_err err = {0};
    if (rlt_script_resolve(script, path, chosen, &value, &err) != RLT_OK) {
        fail_msg("%s: %s", path, err.message);
    }
    json_decref(chosen);
    return value;
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

static void test_resolve(void **state) {
    (void)state;
    rlt_script *script = run(conditional);
    rlt_experiment_config config;
    rlt_err err = {0};
    if (rlt_script_load(script, &config, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    json_t *value = resolved(script, "ppo.minibatch", 1e-3);
    assert_int_equal(json_integer_value(value), 128);
    json_decref(value);
    value = resolved(script, "ppo.epochs", 1e-4);
    assert_int_equal(json_integer_value(value), 10);
    json_decref(value);
    value = resolved(script, "ppo.epochs", 5e-3);
    assert_string_equal(json_string_value(json_object_get(value, "$space")), "randint");
    json_decref(value);
    unresolved(script, "ppo.gamma", RLT_ECONFIG, "a.lua:8: ppo.gamma: null is not allowed");
    unresolved(script, "ppo.clip", RLT_ESCRIPT, "a.lua:9: p.ppo has no 'nothing'");
    unresolved(script, "ppo.vf_coef", RLT_ELIMIT, "a.lua:11: the script ran longer");
    unresolved(script, "ppo.lambda", RLT_ECONFIG, "a.lua:12: ppo.lambda: \"x\" is not allowed");
    unresolved(script, "ppo.momentum", RLT_ESCRIPT, "a.lua:");
    rlt_experiment_config_fini(&config);
    rlt_script_destroy(&script);
}

/* What is no name is no nil: it would make another search in silence. */
static const char names[] =
    "return {\n"
    "  ppo = { learning_rate = space.loguniform(1e-4, 1e-2),\n"
    "    clip = function(p) return p.lr end,\n"
    "    epochs = function(p) return p.ppo.horizn end,\n"
    "    horizon = function(p) return p.evl.episodes end,\n"
    "    gamma = function(p) return p.ppo.learning_rate end,\n"
    "    lambda = function(p) return p.stop.mean_return or p.ppo.gamma or p[1] or 0.5 end,\n"
    "    vf_coef = function(p) kept = p; return 1 end,\n"
    "    ent_coef = function(p) return getmetatable(p).__index(1, 2) end,\n"
    "    minibatch = function(p) return kept.ppo.lr < 1 and kept.banana end,\n"
    "  }, tune = {} }\n";

static void test_names_of_values(void **state) {
    (void)state;
    rlt_script *script = run(names);
    rlt_experiment_config config;
    rlt_err err = {0};
    assert_int_equal(rlt_script_load(script, &config, &err), RLT_OK);
    unresolved(script, "ppo.clip", RLT_ESCRIPT, "a.lua:3: p has no 'lr'; did you mean p.ppo.lr?");
    unresolved(script, "ppo.epochs", RLT_ESCRIPT,
               "a.lua:4: p.ppo has no 'horizn'; did you mean p.ppo.horizon?");
    unresolved(script, "ppo.horizon", RLT_ESCRIPT, "a.lua:5: p has no 'evl'; did you mean p.eval?");
    json_t *value = resolved(script, "ppo.gamma", 1e-3); /* by an alias */
    assert_true(json_real_value(value) == 1e-3);
    json_decref(value);
    value = resolved(script, "ppo.lambda", 1e-3); /* null, not known yet, no name */
    assert_true(json_real_value(value) == 0.5);
    json_decref(value);
    json_decref(resolved(script, "ppo.vf_coef", 1e-3));
    unresolved(script, "ppo.ent_coef", RLT_ESCRIPT, "a.lua:9: bad argument #1");
    unresolved(script, "ppo.minibatch", RLT_ESCRIPT, "a.lua:10: p has no 'banana'"); /* later */
    rlt_experiment_config_fini(&config);
    rlt_script_destroy(&script);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_names_of_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
