/* config: options of populations: Ray Tune's names, lists and tables, what is wrong with them;
 * which fields may change while a trial is trained. */
#include "config_testing.h"

static void test_names_and_defaults(void **state) {
    (void)state;
    static const char *const names[] = {"'pbt'", "'PopulationBasedTraining'", "['pbt']",
                                        "{'name': 'PopulationBasedTraining'}"};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        rlt_experiment_config config;
        char text[256];
        snprintf(text, sizeof text, "{'stop': {'steps': 5000}, 'tune': {'stopper': %s}}", names[i]);
        load(text, &config);
        const rlt_tune_fields *tune = &config.tune;
        assert_int_equal(tune->stopper, RLT_STOPPER_PBT);
        assert_true(tune->pbt.interval == 500 && tune->pbt.burn_in == 0 && !tune->pbt.synch);
        assert_true(tune->pbt.quantile_fraction == 0.25 && tune->pbt.resample_probability == 0.25);
        assert_true(tune->pbt.factor_count == 2 && tune->pbt.factors[0] == 1.2 &&
                    tune->pbt.factors[1] == 0.8);
        rlt_experiment_config_fini(&config);
    }
}

static void test_options_come_back_from_rows(void **state) {
    (void)state;
    rlt_experiment_config config, again;
    load("{'tune': {'stopper': {'name': 'pbt', 'perturbation_interval': 700, 'burn_in_period': 900,"
         " 'quantile_fraction': 0.5, 'resample_probability': 0, 'synch': true,"
         " 'perturbation_factors': [2, 0.5, 1.1], 'hyperparam_mutations': ['ppo.learning_rate',"
         " 'ppo.clip_range']}}}",
         &config);
    rlt_err err = {0};
    assert_int_equal(rlt_experiment_config_load(config.json, NULL, &again, &err), RLT_OK);
    const rlt_tune_fields *tune = &again.tune;
    assert_true(tune->pbt.interval == 700 && tune->pbt.burn_in == 900 && tune->pbt.synch);
    assert_true(tune->pbt.factor_count == 3 && tune->pbt.factors[2] == 1.1);
    const json_t *paths = rlt_config_get(again.json, "tune.stopper.mutations");
    assert_int_equal(json_array_size(paths), 2);
    assert_string_equal(json_string_value(json_array_get(paths, 1)), "ppo.clip");
    rlt_experiment_config_fini(&again);
    rlt_experiment_config_fini(&config);
    load("{'tune': {'stopper': {'name': 'PB2', 'hyperparam_bounds': {'ppo.learning_rate': [1e-4,"
         " 1e-2]}}}}",
         &config);
    assert_int_equal(config.tune.stopper, RLT_STOPPER_PB2);
    const json_t *bounds =
        json_object_get(rlt_config_get(config.json, "tune.stopper"), "hyperparam_bounds");
    assert_int_equal(json_array_size(json_object_get(bounds, "ppo.lr")), 2);
    rlt_experiment_config_fini(&config);
    load("{'tune': {'stopper': {'name': 'PopulationBasedTrainingReplay', 'experiment': 3, 'trial':"
         " 0, 'db': 'x.db'}}}",
         &config);
    assert_true(config.tune.stopper == RLT_STOPPER_PBT_REPLAY &&
                config.tune.replay.experiment == 3 && strcmp(config.tune.replay.db, "x.db") == 0);
    rlt_experiment_config_fini(&config);
}

static void test_what_is_wrong_is_named(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        {"{'name': 'pbt', 'quantile_fraction': 0.6}", "quantile_fraction"},
        {"{'name': 'pbt', 'perturbation_factors': []}", "perturbation_factors: a list of 1 to 16"},
        {"{'name': 'pbt', 'perturbation_factors': [1.2, 0]}",
         "each factor is a number more than 0"},
        {"{'name': 'pbt', 'perturbation_factors': 1.2}", "a list of 1 to 16"},
        {"{'name': 'pbt', 'mutations': []}", "tune.stopper.mutations: a list of searched"},
        {"{'name': 'pbt', 'mutations': [3]}", "a list of searched"},
        {"{'name': 'pbt', 'hyperparam_mutations': {'lr': 3}}",
         "tune.stopper.hyperparam_mutations[\"lr\"]: a list of values or a search value"},
        {"{'name': 'pbt', 'mutations': {'ppo': {'lr': []}}}", "mutations[\"ppo.lr\"]: a list"},
        {"{'name': 'pbt', 'mutations': {'ppo.lr': [1e-3, 2]}}",
         "mutations[\"ppo.lr\"]: ppo.lr: 2 is not allowed"},
        {"{'name': 'pbt', 'mutations': {'ppo.lr': {'$space': 'loguniform', 'low': 1, 'high': "
         "0.1}}}",
         "mutations[\"ppo.lr\"]: ppo.lr: "},
        {"{'name': 'pbt', 'mutations': {'ppo.lrr': [1e-3]}}", "ppo.lrr"},
        {"{'name': 'pbt', 'mutations': {'$space': 'choice', 'values': [1]}}", "a list of searched"},
        {"{'name': 'pb2', 'hyperparam_mutations': {'ppo.lr': [1e-3, 1e-2]}}",
         "hyperparam_bounds = {"},
        {"{'name': 'pbt', 'mutations': ['ppo.lr'], 'hyperparam_mutations': ['ppo.lr']}",
         "give one of them"},
        {"{'name': 'pbt', 'pertubation_interval': 3}", "perturbation_interval"},
        {"{'name': 'pb2', 'resample_probability': 0.5}", "resample_probability"},
        {"{'name': 'pb2', 'hyperparam_bounds': {'ppo.lr': [2, 1]}}", "a table of bounds"},
        {"{'name': 'pb2', 'hyperparam_bounds': {'ppo.lr': 2}}", "a table of bounds"},
        {"{'name': 'pbt', 'hyperparam_bounds': {'ppo.lr': [1e-4, 1e-3]}}",
         "tune.stopper.hyperparam_bounds: is of pb2"},
        {"{'name': 'pb2', 'perturbation_factors': [1.2, 0.8]}", "pb2 perturbs nothing"},
        {"'pbt_replay'", "tune.stopper.experiment: is missing"},
        {"'PopulationBasedTrainig'", "did you mean 'PopulationBasedTraining'"},
    };
    for (size_t i = 0; i < RLT_COUNT(bad); i++) {
        char text[300];
        snprintf(text, sizeof text, "{'tune': {'stopper': %s}}", bad[i][0]);
        refused(text, bad[i][1]);
    }
}

static void test_what_may_change(void **state) {
    (void)state;
    static const char *const may[] = {"ppo.lr",        "ppo.learning_rate", "ppo.clip",
                                      "ppo.ent_coef",  "ppo.gamma",         "ppo.epochs",
                                      "ppo.minibatch", "params.x"};
    static const char *const fixed[] = {"ppo.horizon",    "ppo.optimiser", "model.hidden",
                                        "model[1].units", "seed",          "envs_per_worker",
                                        "stop.steps",     "nothing"};
    for (size_t i = 0; i < RLT_COUNT(may); i++) {
        assert_true(rlt_config_may_change(may[i]));
    }
    for (size_t i = 0; i < RLT_COUNT(fixed); i++) {
        assert_false(rlt_config_may_change(fixed[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_defaults),
        cmocka_unit_test(test_options_come_back_from_rows),
        cmocka_unit_test(test_what_is_wrong_is_named),
        cmocka_unit_test(test_what_may_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
