/* config: options of stoppers by the names of Ray Tune 2 and Optuna 4: every argument of their
 * schedulers and pruners means the same here, or is refused with what to write instead; what a
 * stopper counts (time_attr), where trials end that have run whole (stop_last_trials), and what
 * populations change parameters into. */
#include "config_testing.h"

typedef struct foreign {
    const char *method, *option, *value; /* value: JSON with single quotes */
    /* The field that it becomes and its value, "name=value"; NULL: it is refused with `says`, or,
     * if that is NULL too, accepted and dropped. */
    const char *becomes, *says;
} foreign;

/* Arguments in the order of the constructors' signatures, none left out. */
static const foreign table[] = {
    {"ASHAScheduler", "time_attr", "'training_iteration'", "time_attr='steps'", NULL},
    {"ASHAScheduler", "time_attr", "'time_total_s'", "time_attr='time_total_s'", NULL},
    {"ASHAScheduler", "time_attr", "'my_epochs'", NULL, "allowed: steps (also training_iteration"},
    {"ASHAScheduler", "metric", "'loss'", NULL, "is tune.metric here"},
    {"ASHAScheduler", "mode", "'min'", NULL, "is tune.mode here"},
    {"ASHAScheduler", "max_t", "5000", "max_steps=5000", NULL},
    {"ASHAScheduler", "grace_period", "20", "grace=20", NULL},
    {"ASHAScheduler", "reduction_factor", "3", "reduction=3", NULL},
    {"ASHAScheduler", "reduction_factor", "3.0", "reduction=3", NULL},
    {"ASHAScheduler", "brackets", "1", "brackets=1", NULL},
    {"ASHAScheduler", "stop_last_trials", "false", "stop_last_trials=false", NULL},
    {"AsyncHyperBandScheduler", "max_t", "5000", "max_steps=5000", NULL},
    {"HyperBandScheduler", "time_attr", "'time_total_s'", "time_attr='time_total_s'", NULL},
    {"HyperBandScheduler", "metric", "'loss'", NULL, "is tune.metric here"},
    {"HyperBandScheduler", "mode", "'min'", NULL, "is tune.mode here"},
    {"HyperBandScheduler", "max_t", "81", "max_steps=81", NULL},
    {"HyperBandScheduler", "reduction_factor", "3", "reduction=3", NULL},
    {"HyperBandScheduler", "stop_last_trials", "true", "stop_last_trials=true", NULL},
    {"HyperBandForBOHB", "time_attr", "'training_iteration'", "time_attr='steps'", NULL},
    {"HyperBandForBOHB", "max_t", "81", "max_steps=81", NULL},
    {"HyperBandForBOHB", "reduction_factor", "4", "reduction=4", NULL},
    {"HyperBandForBOHB", "stop_last_trials", "false", "stop_last_trials=false", NULL},
    {"MedianStoppingRule", "time_attr", "'time_total_s'", "time_attr='time_total_s'", NULL},
    {"MedianStoppingRule", "metric", "'loss'", NULL, "is tune.metric here"},
    {"MedianStoppingRule", "mode", "'min'", NULL, "is tune.mode here"},
    {"MedianStoppingRule", "grace_period", "60", "grace=60", NULL},
    {"MedianStoppingRule", "min_samples_required", "4", "min_trials=4", NULL},
    {"MedianStoppingRule", "min_time_slice", "0", NULL, NULL},
    {"MedianStoppingRule", "min_time_slice", "5", NULL, "leave it out"},
    {"MedianStoppingRule", "hard_stop", "true", NULL, NULL},
    {"MedianStoppingRule", "hard_stop", "false", NULL, "can only be true"},
    {"TrialPlateauStopper", "metric", "'loss'", NULL, "is tune.metric here"},
    {"TrialPlateauStopper", "std", "0.1", "std=0.1", NULL},
    {"TrialPlateauStopper", "num_results", "5", "num_results=5", NULL},
    {"TrialPlateauStopper", "grace_period", "6", "grace_period=6", NULL},
    {"TrialPlateauStopper", "metric_threshold", "0.5", "metric_threshold=0.5", NULL},
    {"TrialPlateauStopper", "mode", "'min'", NULL, "is tune.mode here"},
    {"PopulationBasedTraining", "time_attr", "'time_total_s'", "time_attr='time_total_s'", NULL},
    {"PopulationBasedTraining", "metric", "'loss'", NULL, "is tune.metric here"},
    {"PopulationBasedTraining", "mode", "'min'", NULL, "is tune.mode here"},
    {"PopulationBasedTraining", "perturbation_interval", "60", "perturbation_interval=60", NULL},
    {"PopulationBasedTraining", "burn_in_period", "30", "burn_in_period=30", NULL},
    {"PopulationBasedTraining", "hyperparam_mutations", "{'ppo.lr': [1e-4, 1e-3]}",
     "mutations={'ppo.lr': {'$space': 'choice', 'values': [1e-4, 1e-3]}}", NULL},
    {"PopulationBasedTraining", "quantile_fraction", "0.5", "quantile_fraction=0.5", NULL},
    {"PopulationBasedTraining", "resample_probability", "0.5", "resample_probability=0.5", NULL},
    {"PopulationBasedTraining", "perturbation_factors", "[1.5, 0.5]",
     "perturbation_factors=[1.5, 0.5]", NULL},
    {"PopulationBasedTraining", "custom_explore_fn", "null", NULL, NULL},
    {"PopulationBasedTraining", "custom_explore_fn", "{'$function': 'f'}", NULL,
     "say what may change"},
    {"PopulationBasedTraining", "log_config", "true", NULL, NULL},
    {"PopulationBasedTraining", "log_config", "false", NULL, "table exploits"},
    {"PopulationBasedTraining", "require_attrs", "true", NULL, "without the metric goes on"},
    {"PopulationBasedTraining", "synch", "true", "synch=true", NULL},
    {"PB2", "time_attr", "'time_total_s'", "time_attr='time_total_s'", NULL},
    {"PB2", "metric", "'loss'", NULL, "is tune.metric here"},
    {"PB2", "mode", "'min'", NULL, "is tune.mode here"},
    {"PB2", "perturbation_interval", "60", "perturbation_interval=60", NULL},
    {"PB2", "hyperparam_bounds", "{'ppo.lr': [1e-4, 1e-3]}",
     "hyperparam_bounds={'ppo.lr': [1e-4, 1e-3]}", NULL},
    {"PB2", "quantile_fraction", "0.5", "quantile_fraction=0.5", NULL},
    {"PB2", "log_config", "true", NULL, NULL},
    {"PB2", "require_attrs", "false", NULL, "without the metric goes on"},
    {"PB2", "synch", "true", "synch=true", NULL},
    {"PB2", "custom_explore_fn", "null", NULL, NULL},
    {"PopulationBasedTrainingReplay", "policy_file", "'pbt_policy_1.txt'", NULL,
     "experiment = 1, trial = 3"},
    {"MedianPruner", "n_startup_trials", "6", "startup_trials=6", NULL},
    {"MedianPruner", "n_warmup_steps", "7", "grace=7", NULL},
    {"MedianPruner", "interval_steps", "8", "interval=8", NULL},
    {"MedianPruner", "n_min_trials", "9", "min_trials=9", NULL},
    {"PercentilePruner", "percentile", "30", "percentile=30.0", NULL},
    {"PercentilePruner", "n_startup_trials", "6", "startup_trials=6", NULL},
    {"PercentilePruner", "n_warmup_steps", "7", "grace=7", NULL},
    {"PercentilePruner", "interval_steps", "8", "interval=8", NULL},
    {"PercentilePruner", "n_min_trials", "9", "min_trials=9", NULL},
    {"SuccessiveHalvingPruner", "min_resource", "4", "grace=4", NULL},
    {"SuccessiveHalvingPruner", "min_resource", "'auto'", "grace=0", NULL},
    {"SuccessiveHalvingPruner", "reduction_factor", "5", "reduction=5", NULL},
    {"SuccessiveHalvingPruner", "min_early_stopping_rate", "1", "early_stopping_rate=1", NULL},
    {"SuccessiveHalvingPruner", "bootstrap_count", "2", "bootstrap_count=2", NULL},
    {"HyperbandPruner", "min_resource", "4", "grace=4", NULL},
    {"HyperbandPruner", "max_resource", "'auto'", "max_steps=0", NULL},
    {"HyperbandPruner", "max_resource", "4000", "max_steps=4000", NULL},
    {"HyperbandPruner", "reduction_factor", "5", "reduction=5", NULL},
    {"HyperbandPruner", "bootstrap_count", "2", "bootstrap_count=2", NULL},
    {"ThresholdPruner", "lower", "0.5", "lower=0.5", NULL},
    {"ThresholdPruner", "upper", "0.75", "upper=0.75", NULL},
    {"ThresholdPruner", "n_warmup_steps", "7", "grace=7", NULL},
    {"ThresholdPruner", "interval_steps", "8", "interval=8", NULL},
    {"ThresholdPruner", "time_attr", "'time_total_s'", NULL, "this stopper counts steps"},
    {"PatientPruner", "wrapped_pruner", "null", NULL, NULL},
    {"PatientPruner", "wrapped_pruner", "'ThresholdPruner'",
     "wrapped={'name': 'threshold', 'lower': null, 'upper': null, 'grace': 0, 'interval': 0}",
     NULL},
    {"PatientPruner", "patience", "3", "patience=3", NULL},
    {"PatientPruner", "min_delta", "0.5", "min_delta=0.5", NULL},
    {"WilcoxonPruner", "p_threshold", "0.2", "p_threshold=0.2", NULL},
    {"WilcoxonPruner", "n_startup_steps", "3", "n_startup_steps=3", NULL},
};

/* What else the method needs. */
static const char *more_of(const foreign *row) {
    bool timed = strstr(row->value, "time_total_s") != NULL && row->becomes != NULL;
    bool rungs = strstr(row->method, "HyperBand") != NULL || strstr(row->method, "ASHA") != NULL;
    return !timed                                  ? ""
           : rungs                                 ? ", 'max_t': 60"
           : strstr(row->method, "Median") != NULL ? ", 'interval': 5"
                                                   : ", 'perturbation_interval': 5";
}

static void check_row(const foreign *row) {
    char text[400];
    snprintf(text, sizeof text,
             "{'ppo': {'gamma': {'$space': 'uniform', 'low': 0.9, 'high': 1}}, 'tune': {'stopper': "
             "{'name': '%s', '%s': %s%s}}}",
             row->method, row->option, row->value, more_of(row));
    if (row->becomes == NULL && row->says != NULL) {
        refused(text, row->says);
        return;
    }
    rlt_experiment_config config;
    load(text, &config);
    const json_t *stopper = rlt_config_get(config.json, "tune.stopper");
    if (row->becomes != NULL) {
        char name[40];
        const char *equals = strchr(row->becomes, '=');
        snprintf(name, sizeof name, "%.*s", (int)(equals - row->becomes), row->becomes);
        json_t *expected = parse(equals + 1);
        if (!json_equal(json_object_get(stopper, name), expected)) {
            fail_msg("%s gives %s", text, json_dumps(stopper, 0));
        }
        json_decref(expected);
    } else {
        assert_null(json_object_get(stopper, row->option));
    }
    rlt_experiment_config again; /* what rows keep means the same */
    rlt_err err = {0};
    if (rlt_experiment_config_load(config.json, NULL, &again, &err) != RLT_OK) {
        fail_msg("%s: %s", text, err.message);
    }
    assert_true(json_equal(config.json, again.json));
    rlt_experiment_config_fini(&config);
    rlt_experiment_config_fini(&again);
}

static void test_every_option_of_ray_and_optuna(void **state) {
    (void)state;
    for (size_t i = 0; i < RLT_COUNT(table); i++) {
        check_row(&table[i]);
    }
}

static void test_seconds_are_kept_as_they_are(void **state) {
    (void)state;
    rlt_experiment_config config, again;
    rlt_err err = {0};
    load("{'tune': {'stopper': {'name': 'asha', 'time_attr': 'seconds', 'grace_period': 0.25, "
         "'max_t': 60, 'reduction_factor': 2}}}",
         &config);
    assert_int_equal(rlt_experiment_config_load(config.json, NULL, &again, &err), RLT_OK);
    assert_true(again.tune.timed);
    assert_int_equal(again.tune.asha.grace, 250);
    assert_int_equal(again.tune.asha.max_steps, 60000);
    assert_true(json_real_value(rlt_config_get(again.json, "tune.stopper.grace")) == 0.25);
    rlt_experiment_config_fini(&config);
    rlt_experiment_config_fini(&again);
    /* 0 is a 27th of the whole; a third stopper's are a tenth of stop.wall_s */
    load("{'tune': {'stopper': {'name': 'sha', 'time_attr': 'time_total_s', 'max_t': 54}}}",
         &config);
    assert_int_equal(config.tune.sha.grace, 2000);
    rlt_experiment_config_fini(&config);
    load("{'stop': {'wall_s': 30}, 'tune': {'stopper': {'name': 'median', 'time_attr': "
         "'time_total_s'}}}",
         &config);
    assert_int_equal(config.tune.milestones.grace, 3000);
    assert_int_equal(config.tune.milestones.interval, 3000);
    rlt_experiment_config_fini(&config);
    load("{'tune': {'stopper': {'name': 'median', 'time_attr': 'time_total_s', 'grace_period': "
         "60}}}",
         &config);
    assert_int_equal(config.tune.milestones.interval, 60000);
    rlt_experiment_config_fini(&config);
    /* steps again for the next one */
    load("{'stop': {'steps': 5000}, 'tune': {'stopper': 'asha'}}", &config);
    assert_false(config.tune.timed);
    rlt_experiment_config_fini(&config);
}

static void test_what_makes_no_sense_with_seconds(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        {"{'name': 'asha', 'time_attr': 'time_total_s'}",
         "tune.stopper.max_steps: is needed with time_attr"},
        {"{'name': 'hyperband', 'time_attr': 'time_total_s', 'grace': 5}",
         "tune.stopper.max_steps: is needed with time_attr"},
        {"{'name': 'median', 'time_attr': 'time_total_s'}", "tune.stopper.interval: is needed"},
        {"{'name': 'pbt', 'time_attr': 'time_total_s'}",
         "tune.stopper.perturbation_interval: is needed"},
        {"{'name': 'asha', 'time_attr': 'time_total_s', 'grace': 70.5, 'max_t': 60}",
         "tune.stopper.grace: 70.5 s are more than max_steps (60 s)"},
        {"{'name': 'asha', 'time_attr': 'time_total_s', 'grace': -0.5, 'max_t': 60}",
         "seconds from 0 to 1e+09"},
        {"{'name': 'asha', 'grace': 0.5}", "tune.stopper.grace: 0.5 is not"},
        {"{'name': 'asha', 'time_attr': 7}", "tune.stopper.time_attr"},
        {"{'name': 'patience', 'time_attr': 'time_total_s', 'wrapped': 'median'}",
         "tune.stopper.time_attr: goes with asha"},
        {"{'name': 'curve', 'time_attr': 'time_total_s'}", "tune.stopper.time_attr: goes with"},
        {"{'name': 'median', 'stop_last_trials': true}", "elsewhere trials end at stop.steps"},
    };
    for (size_t i = 0; i < RLT_COUNT(bad); i++) {
        char text[300];
        snprintf(text, sizeof text, "{'tune': {'stopper': %s}}", bad[i][0]);
        refused(text, bad[i][1]);
    }
    refused("{'stop': {'wall_s': 20}, 'tune': {'stopper': {'name': 'asha', 'time_attr': "
            "'time_total_s', 'grace': 30, 'max_t': 60}}}",
            "tune.stopper.grace: 30 s are more than trials have (20 s)");
}

static void expect_steps(const char *stopper, const char *stop, int64_t steps) {
    rlt_experiment_config config;
    char text[300];
    snprintf(text, sizeof text, "{'stop': {%s}, 'tune': {'stopper': %s}}", stop, stopper);
    load(text, &config);
    assert_int_equal(config.run.stop.steps, steps);
    assert_int_equal(json_integer_value(rlt_config_get(config.json, "stop.steps")), steps);
    rlt_experiment_config_fini(&config);
}

/* As in Ray Tune: by its names true unless said otherwise; by ours only if it is said. */
static void test_stop_last_trials(void **state) {
    (void)state;
    expect_steps("{'name': 'ASHAScheduler', 'max_t': 5000}", "'steps': 9000", 5000);
    expect_steps("{'name': 'HyperBandScheduler', 'max_t': 5000}", "'steps': 9000", 5000);
    expect_steps("{'name': 'HyperBandForBOHB', 'max_t': 5000}", "'steps': 9000", 5000);
    expect_steps("{'name': 'ASHAScheduler', 'max_t': 5000, 'stop_last_trials': false}",
                 "'steps': 9000", 9000);
    expect_steps("{'name': 'ASHAScheduler', 'max_t': 50000}", "'steps': 9000", 9000);
    expect_steps("'ASHAScheduler'", "'steps': 9000", 9000);
    expect_steps("{'name': 'asha', 'max_t': 5000}", "'steps': 9000", 9000);
    expect_steps("{'name': 'asha', 'max_t': 5000, 'stop_last_trials': true}", "'steps': 9000",
                 5000);
    expect_steps("{'name': 'sha', 'max_t': 5000, 'stop_last_trials': true}", "'steps': 9000", 5000);
    expect_steps("{'name': 'HyperbandPruner', 'max_resource': 5000}", "'steps': 9000", 9000);
    /* seconds say nothing of steps */
    expect_steps("{'name': 'ASHAScheduler', 'max_t': 50, 'time_attr': 'time_total_s'}",
                 "'steps': 9000", 9000);
    rlt_experiment_config config; /* a program then needs no other end */
    load("{'objective': {'name': 'command', 'argv': ['true']}, 'params': {'x': {'$space': "
         "'uniform', 'low': 0, 'high': 1}}, 'tune': {'metric': 'loss', 'mode': 'min', 'stopper': "
         "{'name': 'ASHAScheduler', 'max_t': 27}}}",
         &config);
    assert_int_equal(config.run.stop.steps, 27);
    rlt_experiment_config_fini(&config);
}

static void expect_json(const rlt_experiment_config *config, const char *path, const char *text) {
    json_t *expected = parse(text);
    const json_t *got = rlt_config_get(config->json, path);
    if (!json_equal(got, expected)) {
        fail_msg("%s is %s, not %s", path, json_dumps(got, JSON_ENCODE_ANY), text);
    }
    json_decref(expected);
}

static const char pbt_table[] =
    "{'ppo': {'lr': {'$space': 'uniform', 'low': 0.001, 'high': 0.002}, 'clip': 0.1}, 'tune': "
    "{'stopper': {'name': 'pbt', 'hyperparam_mutations': {'ppo': {'learning_rate': [0.001, 0.01], "
    "'clip': {'$space': 'uniform', 'low': 0.2, 'high': 0.3}}, 'ppo.gamma': [0.9, 0.99]}}}}";

/* As Ray Tune's _fill_config: what only the mutations name starts from them, what has a value
 * starts with that. */
static void test_mutations_by_table(void **state) {
    (void)state;
    rlt_experiment_config config, again;
    rlt_err err = {0};
    load(pbt_table, &config);
    expect_json(&config, "tune.stopper.mutations",
                "{'ppo.lr': {'$space': 'choice', 'values': [0.001, 0.01]}, 'ppo.clip': {'$space': "
                "'uniform', 'low': 0.2, 'high': 0.3}, 'ppo.gamma': {'$space': 'choice', 'values': "
                "[0.9, 0.99]}}");
    expect_json(&config, "ppo.lr", "{'$space': 'uniform', 'low': 0.001, 'high': 0.002}");
    expect_json(&config, "ppo.clip", "{'$space': 'fixed', 'value': 0.1}");
    expect_json(&config, "ppo.gamma", "{'$space': 'choice', 'values': [0.9, 0.99]}");
    assert_int_equal(rlt_experiment_config_load(config.json, NULL, &again, &err), RLT_OK);
    assert_true(json_equal(config.json, again.json));
    rlt_experiment_config_fini(&config);
    rlt_experiment_config_fini(&again);
    load(
        "{'objective': {'name': 'command', 'argv': ['true', '{lr}'], 'checkpoint': true}, "
        "'params': {}, 'stop': {'steps': 10}, 'tune': {'metric': 'loss', 'mode': 'min', 'stopper': "
        "{'name': 'pbt', 'synch': true, 'mutations': {'lr': [1, 2]}}}}",
        &config);
    expect_json(&config, "params.lr", "{'$space': 'choice', 'values': [1, 2]}");
    expect_json(&config, "tune.stopper.mutations",
                "{'params.lr': {'$space': 'choice', 'values': [1, 2]}}");
    rlt_experiment_config_fini(&config);
    load("{'tune': {'stopper': {'name': 'PB2', 'hyperparam_bounds': {'ppo.lr': [0.001, 0.01]}}}}",
         &config);
    expect_json(&config, "ppo.lr", "{'$space': 'uniform', 'low': 0.001, 'high': 0.01}");
    rlt_experiment_config_fini(&config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_option_of_ray_and_optuna),
        cmocka_unit_test(test_seconds_are_kept_as_they_are),
        cmocka_unit_test(test_what_makes_no_sense_with_seconds),
        cmocka_unit_test(test_stop_last_trials),
        cmocka_unit_test(test_mutations_by_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
