/* The learner: it learns CartPole on every one of 5 seeds, repeats itself bit for bit, does not
 * allocate while training, and refuses bad configurations by field. */
#include "envs/envs.h"
#include "learner/learner.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* RL Baselines3 Zoo's settings for CartPole-v1. */
static rlt_ppo_config cartpole_config(uint64_t seed) {
    rlt_ppo_config c = rlt_ppo_config_default();
    c.envs = 8;
    c.horizon = 32;
    c.epochs = 20;
    c.minibatch = 256;
    c.gamma = 0.98f;
    c.lambda = 0.8f;
    c.lr = 1e-3f;
    c.steps = 100000;
    c.seed = seed;
    return c;
}

static const rlt_env_def *cartpole(void) {
    const rlt_env_def *def = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_env_find(rlt_envs, "CartPole-v1", &def, &err), RLT_OK);
    return def;
}

static double learn(uint64_t seed) {
    rlt_ppo_config config = cartpole_config(seed);
    rlt_train *train = NULL;
    rlt_train_stats stats = {0};
    rlt_err err = {0};
    double mean_return = 0;
    assert_int_equal(rlt_train_create(cartpole(), &config, &train, &err), RLT_OK);
    while (stats.steps + config.envs * config.horizon <= config.steps) {
        assert_int_equal(rlt_train_iterate(train, &stats, &err), RLT_OK);
    }
    assert_int_equal(rlt_train_evaluate(train, 100, 1000 + seed, &mean_return, &err), RLT_OK);
    rlt_train_destroy(&train);
    return mean_return;
}

static void test_learns_cartpole_on_five_seeds(void **unused) {
    (void)unused;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* minutes under a sanitizer; the tests below walk the same code */
#endif
    for (uint64_t seed = 1; seed <= 5; seed++) {
        double mean_return = learn(seed);
        print_message("seed %d: mean return %.1f over 100 episodes\n", (int)seed, mean_return);
        assert_true(mean_return >= 475.0);
    }
}

static void test_repeats_itself_without_allocating(void **unused) {
    (void)unused;
    rlt_ppo_config config = cartpole_config(7);
    rlt_train *a = NULL, *b = NULL;
    rlt_train_stats stats;
    rlt_err err = {0};
    size_t count = 0;
    assert_int_equal(rlt_train_create(cartpole(), &config, &a, &err), RLT_OK);
    assert_int_equal(rlt_train_create(cartpole(), &config, &b, &err), RLT_OK);
    uint64_t allocations = rlt_alloc_count();
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rlt_train_iterate(a, &stats, &err), RLT_OK);
        assert_int_equal(rlt_train_iterate(b, &stats, &err), RLT_OK);
    }
    assert_int_equal(rlt_alloc_count(), allocations);
    const float *params = rlt_train_params(a, &count);
    assert_memory_equal(params, rlt_train_params(b, &count), count * sizeof(float));
    rlt_train_destroy(&a);
    rlt_train_destroy(&b);
}

static void test_bad_config(void **unused) {
    (void)unused;
    rlt_train *train = NULL;
    rlt_err err = {0};
    rlt_ppo_config config = cartpole_config(1);
    config.gamma = NAN;
    assert_int_equal(rlt_train_create(cartpole(), &config, &train, &err), RLT_ECONFIG);
    assert_non_null(strstr(err.message, "ppo.gamma: nan is out of bounds; allowed: 0 to 1"));
    config = cartpole_config(1);
    config.minibatch = 100;
    assert_int_equal(rlt_train_create(cartpole(), &config, &train, &err), RLT_ECONFIG);
    assert_non_null(strstr(err.message, "100 does not divide envs * horizon = 8 * 32"));
    assert_null(train);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns_cartpole_on_five_seeds),
        cmocka_unit_test(test_repeats_itself_without_allocating),
        cmocka_unit_test(test_bad_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
