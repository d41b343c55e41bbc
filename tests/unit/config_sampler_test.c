/* Tests of config: samplers by other tools' names, and one that wraps another. */
#include "config_testing.h"

static void test_de_and_bohb_options(void **state) {
    (void)state;
    rlt_experiment_config config;
    static const char *const names[] = {"de", "DE", "DifferentialEvolution"};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        char text[160];
        snprintf(text, sizeof text,
                 "{'tune': {'sampler': {'name': '%s', 'CR': 0.9, 'strategy': 'rand1bin'}}}",
                 names[i]);
        load(text, &config);
        assert_int_equal(config.tune.sampler, RLT_SAMPLER_DE);
        assert_int_equal(config.tune.de.strategy, RLT_DE_RAND1BIN);
        assert_true(config.tune.de.recombination == 0.9 && config.tune.de.mutation_min == 0.5 &&
                    config.tune.de.mutation_max == 1 && config.tune.de.population_size == 0);
        rlt_experiment_config_fini(&config);
    }
    load("{'tune': {'sampler': {'name': 'TuneBOHB', 'top_n_percent': 20}}}", &config);
    assert_int_equal(config.tune.sampler, RLT_SAMPLER_BOHB);
    assert_true(config.tune.bohb.top_n_percent == 20 && config.tune.bohb.num_samples == 64 &&
                config.tune.bohb.bandwidth_factor == 3 && config.tune.bohb.min_bandwidth == 1e-3);
    rlt_experiment_config_fini(&config);
    refused("{'tune': {'sampler': {'name': 'de', 'strategy': 'best2bin'}}}",
            "tune.sampler.strategy: \"best2bin\" is not allowed");
}

#define FIXED_SPACE                                                                                \
    "'ppo': {'lr': {'$space': 'loguniform', 'low': 1e-5, 'high': 1e-2},"                           \
    " 'epochs': {'$space': 'randint', 'low': 1, 'high': 9}}, 'tune': "
static void test_partial_fixed(void **state) {
    (void)state;
    static const char *const forms[] = {
        "{" FIXED_SPACE "{'sampler': {'name': 'partial_fixed', 'fixed': {'ppo.lr': 3e-4},"
        " 'base': {'name': 'tpe', 'gamma': 0.2}}}}",
        "{" FIXED_SPACE
        "{'sampler': {'name': 'PartialFixedSampler', 'fixed': {'ppo': {'lr': 3e-4}},"
        " 'base': {'name': 'TPESampler', 'gamma': 0.2}}}}"};
    for (size_t i = 0; i < RLT_COUNT(forms); i++) {
        rlt_experiment_config config;
        load(forms[i], &config);
        assert_int_equal(config.tune.sampler, RLT_SAMPLER_PARTIAL_FIXED);
        assert_int_equal(config.tune.base, RLT_SAMPLER_TPE);
        assert_true(config.tune.tpe.gamma == 0.2);
        json_t *again = json_incref(config.json);
        const json_t *fixed = json_object_get(
            json_object_get(json_object_get(config.json, "tune"), "sampler"), "fixed");
        assert_true(json_number_value(json_object_get(fixed, "ppo.lr")) == 3e-4);
        rlt_experiment_config_fini(&config);
        rlt_err err = {0};
        assert_int_equal(rlt_experiment_config_load(again, NULL, &config, &err), RLT_OK);
        assert_true(json_equal(again, config.json)); /* a stored one is read back as it was */
        json_decref(again);
        rlt_experiment_config_fini(&config);
    }
    rlt_experiment_config config;
    load("{" FIXED_SPACE "{'sampler': {'name': 'partial_fixed', 'fixed': {'ppo.epochs': 3}}}}",
         &config);
    assert_int_equal(config.tune.base, RLT_SAMPLER_TPE); /* when left out */
    rlt_experiment_config_fini(&config);
    refused("{" FIXED_SPACE "{'sampler': 'partial_fixed'}}", "tune.sampler.fixed: a table such as");
    refused("{" FIXED_SPACE "{'sampler': {'name': 'partial_fixed', 'fixed': {'ppo.gamma': 1}}}}",
            "tune.sampler.fixed: ppo.gamma is not searched");
    refused("{" FIXED_SPACE "{'sampler': {'name': 'partial_fixed', 'fixed': {'ppo.lr': 1}}}}",
            "tune.sampler.fixed: this value of ppo.lr, 1.0, lies outside of its search space, "
            "loguniform(");
    refused("{" FIXED_SPACE "{'sampler': {'name': 'partial_fixed', 'fixed': {'ppo.epoch': 3}}}}",
            "tune.sampler.fixed: ppo.epoch is not searched, so that no value can be set (no such "
            "field); did you mean 'ppo.epochs'?");
    refused("{" FIXED_SPACE "{'sampler': {'name': 'partial_fixed', 'fixed': {'ppo.lr': 3e-4},"
            " 'base': 'partial_fixed'}}}",
            "tune.sampler.base: partial_fixed cannot wrap itself");
    refused("{" FIXED_SPACE "{'sampler': {'name': 'partial_fixed', 'fixed': {'ppo.lr': 3e-4},"
            " 'base': 'tpa'}}}",
            "did you mean 'tpe'");
    refused("{'tune': {'sampler': {'name': 'tpe', 'base': 'random'}}}",
            "tune.sampler.base: unknown key");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_de_and_bohb_options),
        cmocka_unit_test(test_partial_fixed),
    };
    return cmocka_run_group_tests_name("config_sampler", tests, NULL, NULL);
}
