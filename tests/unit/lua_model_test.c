/* Tests of lua: what scripts say about networks: layers with their lines and functions, images. */
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

/* Layers: items beside names, lines of items, functions of single values. */
static void test_layers(void **state) {
    (void)state;
    rlt_err err = {0};
    rlt_script *script =
        run("return { model = {\n"
            "  { 'conv', 16, space.choice{3, 5},\n pad = 'same' },\n"
            "  { 'gru', units = function(p) return p.model.layers[1].kernel end },\n"
            "  { 'lstm', function(p) return 7 end }, separate = true },\n"
            "  tune = { trials = 2, max_failed = 1 } }");
    assert_int_equal(rlt_script_locate(script, "model[1]"), 2);
    assert_int_equal(rlt_script_locate(script, "model[1].pad"), 3);
    assert_int_equal(rlt_script_locate(script, "model[2].units"), 4);
    assert_int_equal(rlt_script_locate(script, "model[3]"), 5);
    assert_int_equal(rlt_script_locate(script, "model[3][2]"), 5);
    rlt_experiment_config config;
    if (rlt_script_load(script, &config, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    assert_true(config.run.model.layer_count == 3 && config.run.model.separate);
    assert_true(config.run.model.guessed && config.run.model.layers[0].pad == 1);
    json_t *chosen = json_pack("{s:i}", "model[1].kernel", 5), *value = NULL;
    assert_int_equal(rlt_script_resolve(script, "model[2].units", chosen, &value, &err), RLT_OK);
    assert_int_equal(json_integer_value(value), 5);
    json_decref(value);
    assert_int_equal(rlt_script_resolve(script, "model[3].units", chosen, &value, &err), RLT_OK);
    assert_int_equal(json_integer_value(value), 7);
    json_decref(value);
    json_decref(chosen);
    rlt_experiment_config_fini(&config);
    rlt_script_destroy(&script);
}

/* A function is one item; what its body assigns and returns is none. */
static void test_lines_of_functions(void **state) {
    (void)state;
    rlt_script *script = run("local made = function() return { 1, 2 } end\n"
                             "return { ppo = {\n"
                             "  epochs = 3,\n"
                             "  lr = function(p) local epochs = 4 -- end\n"
                             "    for i = 1, 3 do if i == 2 then epochs = 5 end end\n"
                             "    repeat local text = ' end ' .. [[ end ]] until true\n"
                             "    while false do end return 1e-3 end, horizon = 32,\n"
                             "  }, model = {\n"
                             "  { 'dense', 8 },\n"
                             "  function(p)\n"
                             "    if p.model.layers[1].units == 8 then return { 'gru', 8 } end\n"
                             "    return { 'skip' }\n"
                             "  end,\n"
                             "  { 'dense', 16 } }, stop = { steps = 100 } }");
    assert_int_equal(rlt_script_locate(script, "ppo.epochs"), 3);
    assert_int_equal(rlt_script_locate(script, "ppo.lr"), 4);
    assert_int_equal(rlt_script_locate(script, "ppo.horizon"), 7);
    assert_int_equal(rlt_script_locate(script, "model[1]"), 9);
    assert_int_equal(rlt_script_locate(script, "model[2]"), 10);
    assert_int_equal(rlt_script_locate(script, "model[3]"), 14);
    assert_int_equal(rlt_script_locate(script, "stop.steps"), 14);
    rlt_script_destroy(&script);
}

/* An environment whose observation is an image. */
static void test_image_environment(void **state) {
    (void)state;
    static const char form[] =
        "return { env = { name = 'x', observation_space = %s, action_space = space.discrete(2),"
        " reset = function(s) return {0, 0, 0, 0, 0, 0} end, step = function() end } }";
    static const char *const good[] = {"space.box(0, 1, {1, 3, 2})",
                                       "space.box{low = 0, high = 1, shape = {1, 3, 2}}"};
    for (size_t i = 0; i < RLT_COUNT(good); i++) {
        char text[512];
        snprintf(text, sizeof text, form, good[i]);
        rlt_script *script = run(text);
        const rlt_env_def *def = rlt_script_env(script);
        assert_true(def->image[0] == 1 && def->image[1] == 3 && def->image[2] == 2);
        assert_int_equal(def->observation_space.size, 6);
        rlt_script_destroy(&script);
    }
    static const char *const bad[][2] = {
        {"space.box(0, 1, {1, 3})", "the shape of an image is { height, width, channels }"},
        {"space.box{low = {0, 0}, high = {1, 1}, shape = {1, 3, 2}}", "with a product of 2"}};
    for (size_t i = 0; i < RLT_COUNT(bad); i++) {
        char text[512];
        snprintf(text, sizeof text, form, bad[i][0]);
        rlt_script *script = NULL;
        rlt_err err = {0};
        assert_int_not_equal(rlt_script_create(text, strlen(text), "a.lua", NULL, &script, &err),
                             RLT_OK);
        assert_non_null(strstr(err.message, bad[i][1]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_lines_of_functions),
        cmocka_unit_test(test_image_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
