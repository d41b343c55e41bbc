/* A recorded episode is the one that evaluation runs, in every kind of space; its end is kept. */
#include "envs/envs.h"
#include "worker/worker.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { EPISODES = 3 };

static const rlt_env_def *find(const char *name) {
    const rlt_env_def *def = NULL;
    assert_int_equal(rlt_env_find(rlt_envs, name, &def, NULL), RLT_OK);
    return def;
}

static void compare(const char *json) {
    rlt_run_config config;
    rlt_policy_spec spec;
    rlt_err err = {0};
    assert_int_equal(rlt_run_config_parse(json, &config, &err), RLT_OK);
    const rlt_env_def *def = find(config.env);
    assert_int_equal(rlt_policy_spec_make(&config, def, &spec, &err), RLT_OK);
    float *block = rlt_alloc(sizeof(float) * rlt_weights_floats(&spec));
    rlt_weights_view weights = rlt_weights_bind(&spec, block);
    rlt_policy_init(&spec, 3, weights.params);
    for (int i = 0; i < spec.obs_dim; i++) {
        weights.mean[i] = 0.01f * (float)i;
        weights.inv_std[i] = 1.5f;
    }
    double returns[EPISODES], length = 0;
    rlt_evaluation evaluation;
    assert_int_equal(rlt_evaluate(&config, def, &weights, EPISODES, 7, &evaluation, returns, &err),
                     RLT_OK);
    for (uint32_t i = 0; i < EPISODES; i++) {
        rlt_episode e;
        assert_int_equal(rlt_episode_record(&config, def, &weights, 7, i, 0, &e, &err), RLT_OK);
        if (fabs(e.total - returns[i]) > 1e-9) {
            fail_msg("%s: episode %u returned %.9g, evaluated as %.9g", config.env, i, e.total,
                     returns[i]);
        }
        assert_true(e.terminated != e.truncated);
        length += (double)e.steps;
        rlt_episode_fini(&e);
    }
    assert_true(fabs(length / EPISODES - evaluation.mean_length) < 1e-9);
    rlt_free(block);
}

static void test_is_what_evaluation_runs(void **unused) {
    (void)unused;
    compare("{\"env\": \"CartPole-v1\", \"stop\": {\"steps\": 1000}}");
    compare("{\"env\": \"CartPole-v1\", \"normalise\": {\"observation\": true}}");
    compare("{\"env\": \"Pendulum-v1\", \"model\": {\"squash\": true}}");
    compare("{\"env\": \"MountainCarContinuous-v0\"}");
    compare("{\"env\": \"FrozenLake-v1\"}");
    compare("{\"env\": \"Blackjack-v1\"}");
}

static void test_random_actions_and_the_end(void **unused) {
    (void)unused;
    const rlt_env_def *def = find("CartPole-v1");
    rlt_episode e, same, cut;
    rlt_err err = {0};
    assert_int_equal(rlt_episode_record(NULL, def, NULL, 1, 0, 0, &e, &err), RLT_OK);
    assert_int_equal(rlt_episode_record(NULL, def, NULL, 1, 0, 0, &same, &err), RLT_OK);
    assert_true(e.terminated && e.steps > 5 && e.steps < 200);
    assert_int_equal(e.steps, same.steps);
    size_t bytes = def->state_size * (size_t)(e.steps + 1);
    assert_memory_equal(e.states, same.states, bytes);
    const unsigned char *last = e.states + bytes - def->state_size;
    assert_memory_not_equal(last, last - def->state_size, def->state_size);
    assert_int_equal(rlt_episode_record(NULL, def, NULL, 1, 0, 3, &cut, &err), RLT_OK);
    assert_int_equal(cut.steps, 3);
    assert_false(cut.terminated || cut.truncated);
    rlt_episode_fini(&e);
    rlt_episode_fini(&same);
    rlt_episode_fini(&cut);
    rlt_episode_fini(&cut);
}

/* Runs in bfloat16 where the processor can, and is refused by name where it cannot. */
static void test_precision(void **unused) {
    (void)unused;
    rlt_run_config config;
    rlt_policy_spec spec;
    rlt_err err = {0};
    assert_int_equal(rlt_run_config_parse("{\"env\": \"CartPole-v1\"}", &config, &err), RLT_OK);
    assert_int_equal(rlt_policy_spec_make(&config, find(config.env), &spec, &err), RLT_OK);
    assert_false(spec.bf16);
    const char *json = "{\"env\": \"CartPole-v1\", \"precision\": \"bf16\"}";
    assert_int_equal(rlt_run_config_parse(json, &config, &err), RLT_OK);
    rlt_status status = rlt_policy_spec_make(&config, find(config.env), &spec, &err);
    assert_true(spec.bf16);
    if (status == RLT_OK) {
        compare(json);
    } else {
        assert_int_equal(status, RLT_ECONFIG);
        assert_non_null(strstr(err.message, "precision: \"bf16\" needs a processor"));
    }
    snprintf(config.device, sizeof config.device, "cuda:0");
    assert_int_equal(rlt_policy_spec_make(&config, find(config.env), &spec, &err), RLT_OK);
    assert_false(spec.bf16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_what_evaluation_runs),
        cmocka_unit_test(test_random_actions_and_the_end),
        cmocka_unit_test(test_precision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
