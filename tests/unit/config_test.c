/* Tests of config: defaults, whole experiments, search values and their bounds, tune, points. */
#include "config_testing.h"

static void test_every_default_is_allowed(void **state) {
    (void)state;
    for (const rlt_config_section *section = rlt_config_sections; section->name != NULL;
         section++) {
        assert_ptr_equal(rlt_config_section_find(section->name), section);
        for (const rlt_field *field = section->fields; field->name != NULL; field++) {
            json_t *initial = rlt_field_default(field), *canonical = NULL;
            rlt_err err = {0};
            if (initial != NULL &&
                rlt_field_check(field, field->name, initial, &canonical, &err) != RLT_OK) {
                fail_msg("%s: %s", section->name, err.message);
            }
            assert_true(field->help != NULL && strlen(field->help) > 10);
            assert_ptr_equal(rlt_field_find(section->fields, field->name), field);
            json_decref(initial);
            json_decref(canonical);
        }
    }
}

static void test_defaults(void **state) {
    (void)state;
    rlt_experiment_config config;
    load("{}", &config);
    assert_false(config.tuned);
    assert_string_equal(config.run.env, "CartPole-v1");
    assert_true(config.run.ppo.lr == 2.5e-4 && config.run.ppo.epochs == 4);
    assert_true(config.run.model.hidden_count == 2 && config.run.model.hidden[1] == 64);
    assert_true(isnan(config.run.stop.mean_return) && config.run.eval.episodes == 10);
    assert_true(config.run.workers == 0 && config.run.envs_per_worker == 8);
    rlt_run_config again;
    rlt_err err;
    assert_int_equal(rlt_run_config_load(config.json, &again, &err), RLT_OK);
    assert_memory_equal(&again.ppo, &config.run.ppo, sizeof again.ppo);
    rlt_experiment_config_fini(&config);
}

static const char whole[] =
    "{'name': 'x', 'env': 'Pendulum-v1', 'workers': 2, 'seed': 9, 'transport': 'tcp',"
    " 'ppo': {'lr': {'$space': 'loguniform', 'low': 1e-4, 'high': 1e-2},"
    "         'n_epochs': {'$space': 'randint', 'low': 2, 'high': 10},"
    "         'gamma': {'$function': 'ppo.gamma'}, 'optimizer': 'sgd', 'clip':"
    "         {'$space': 'normal', 'mean': 0.2, 'std': 0.1}},"
    " 'model': {'hidden': {'$space': 'choice', 'values': [[32], [64.0, 64]]}},"
    " 'stop': {'steps': 1e6, 'mean_return': -200},"
    " 'tune': {'trials': 40, 'sampler': 'sobol', 'mode': 'min', 'goal': 3,"
    "          'stopper': {'name': 'asha', 'grace_period': 100, 'brackets': 2},"
    "          'points': [{'ppo.lr': 1e-3}, {'ppo': {'epochs': 3}, 'model': {'hidden': [32]}}],"
    "          'budget': {'steps': 5}, 'final': {'seeds': 5}}}";

static void test_whole_experiment(void **state) {
    (void)state;
    rlt_experiment_config config;
    load(whole, &config);
    assert_true(config.tuned && config.run.workers == 2);
    assert_string_equal(config.name, "x");
    assert_int_equal(config.run.transport, RLT_TRANSPORT_TCP);
    assert_true(config.run.ppo.lr == 2.5e-4); /* searched: the default stands in */
    assert_int_equal(config.run.ppo.optimiser, RLT_OPTIMISER_SGD);
    assert_true(config.run.stop.mean_return == -200);
    const rlt_tune_fields *tune = &config.tune;
    assert_true(tune->trials == 40 && !tune->maximise && tune->goal == 3 && tune->max_failed == 10);
    assert_int_equal(tune->sampler, RLT_SAMPLER_SOBOL);
    assert_int_equal(tune->stopper, RLT_STOPPER_ASHA);
    assert_true(tune->asha.grace == 100 && tune->asha.brackets == 2 && tune->asha.reduction == 3);
    assert_true(tune->asha.max_steps == 1000000);
    assert_true(tune->budget.steps == 5 && tune->final.seeds == 5 && tune->final.episodes == 100);
    rlt_experiment_config_fini(&config);
}

static void test_normalised_json(void **state) {
    (void)state;
    rlt_experiment_config config, again;
    load(whole, &config);
    json_t *expected =
        parse("{'lr': {'$space': 'loguniform', 'low': 1e-4, 'high': 1e-2},"
              " 'epochs': {'$space': 'randint', 'low': 2, 'high': 10},"
              " 'hidden': {'$space': 'choice', 'values': [[32], [64, 64]]},"
              " 'points': [{'ppo.lr': 1e-3}, {'ppo.epochs': 3, 'model.hidden': [32]}]}");
    json_t *ppo = json_object_get(config.json, "ppo");
    json_t *model = json_object_get(config.json, "model");
    json_t *tune = json_object_get(config.json, "tune");
    json_t *clip = json_object_get(ppo, "clip");
    assert_true(json_equal(json_object_get(ppo, "lr"), json_object_get(expected, "lr")));
    assert_true(json_equal(json_object_get(ppo, "epochs"), json_object_get(expected, "epochs")));
    assert_null(json_object_get(ppo, "n_epochs"));
    assert_true(json_equal(json_object_get(model, "hidden"), json_object_get(expected, "hidden")));
    assert_true(json_equal(json_object_get(tune, "points"), json_object_get(expected, "points")));
    assert_true(json_number_value(json_object_get(clip, "low")) > 0); /* clip > 0 */
    assert_true(json_number_value(json_object_get(clip, "high")) == 10);
    rlt_err err = {0};
    assert_int_equal(rlt_experiment_config_load(config.json, NULL, &again, &err), RLT_OK);
    assert_true(json_equal(config.json, again.json));
    assert_memory_equal(&config.run, &again.run, sizeof config.run);
    rlt_experiment_config_fini(&again);
    rlt_experiment_config_fini(&config);
    json_decref(expected);
}

static void test_trial_json(void **state) {
    (void)state;
    rlt_experiment_config config;
    load(whole, &config);
    rlt_run_config run;
    rlt_err err = {0};
    assert_int_equal(rlt_run_config_load(config.json, &run, &err), RLT_ECONFIG);
    assert_non_null(strstr(err.message, "ppo.lr: is still a search space"));
    json_t *params = parse("{'ppo.lr': 0.005, 'ppo.epochs': 7, 'ppo.gamma': 0.5, 'ppo.clip': 0.3,"
                           " 'model.hidden': [16, 8]}");
    json_t *trial;
    assert_int_equal(rlt_config_trial_json(config.json, params, &trial, &err), RLT_OK);
    assert_null(json_object_get(trial, "tune"));
    if (rlt_run_config_load(trial, &run, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    assert_true(run.ppo.lr == 0.005 && run.ppo.epochs == 7 && run.model.hidden[1] == 8);
    assert_string_equal(run.name, "x");
    json_decref(trial);
    json_decref(params);
    rlt_experiment_config_fini(&config);
}

#define PPO_LR(space) "{'tune': {}, 'ppo': {'lr': " space "}}"

static void test_search_values_are_checked(void **state) {
    (void)state;
    refused("{'ppo': {'lr': {'$space': 'loguniform', 'low': 1e-4, 'high': 1e-2}}}",
            "ppo.lr: is a search space, but there is no table `tune`");
    refused(PPO_LR("{'$space': 'uniform', 'low': 0, 'high': 1}"),
            "ppo.lr: 0 is not allowed; allowed: a number more than 0 and at most 1 (the low of "
            "space.uniform)");
    refused(PPO_LR("{'$space': 'uniform', 'low': 0.1, 'high': 2}"), "the high of space.uniform");
    refused(PPO_LR("{'$space': 'choice', 'values': [0.1, 7]}"), "ppo.lr: 7 is not allowed");
    refused(PPO_LR("{'$space': 'grid', 'values': []}"), "at least one value");
    refused(PPO_LR("{'$space': 'fixed', 'value': -1}"), "ppo.lr: -1");
    refused(PPO_LR("{'$space': 'loguniform', 'low': 0, 'high': 1}"), "must be more than 0");
    refused(PPO_LR("{'$space': 'loguniform', 'low': 0.5, 'high': 0.1}"), "must be less than high");
    refused(PPO_LR("{'$space': 'lognuiform', 'low': 0.5, 'high': 1}"), "did you mean 'loguniform'");
    refused(PPO_LR("{'$space': 'uniform', 'low': 0.5}"), "needs 'high'");
    refused(PPO_LR("{'$space': 'uniform', 'low': 0.5, 'high': 1, 'q': 1}"), "takes no 'q'");
    refused(PPO_LR("{'$space': 'uniform', 'low': 'a', 'high': 1}"), "low must be a finite number");
    refused(PPO_LR("{'$space': 'normal', 'mean': 0, 'std': 0}"), "std is 0");
    refused(PPO_LR("{'$space': 'quniform', 'low': 0.1, 'high': 0.2, 'step': 3}"), "step is 3");
    refused(PPO_LR("{'$space': 3}"), "unknown search space");
    refused(PPO_LR("{'$space': 'choice', 'values': [{'$space': 'fixed', 'value': 1}]}"), "value 1");
    refused("{'tune': {}, 'ppo': {'epochs': {'$space': 'randint', 'low': 1.5, 'high': 3}}}",
            "must be integers");
    refused("{'tune': {}, 'stop': {'steps': {'$space': 'randint', 'low': 1, 'high': 3}}}",
            "stop.steps: cannot be searched");
    refused("{'tune': {}, 'ppo': {'optimiser': {'$space': 'uniform', 'low': 1, 'high': 3}}}",
            "a choice is needed; use space.choice");
    refused("{'tune': {'trials': {'$space': 'randint', 'low': 1, 'high': 3}}}",
            "tune.trials: cannot be searched");
}

/* The tighter of the field's bounds and the script's go with a normal distribution. */
static void test_normal_is_clipped(void **state) {
    (void)state;
    rlt_experiment_config config;
    load("{'tune': {}, 'ppo': {'gamma': {'$space': 'normal', 'mean': 0.9, 'std': 1, 'low': 0.5},"
         " 'lambda': {'$space': 'normal', 'mean': 1, 'std': 1, 'low': -5, 'high': 0.75}}}",
         &config);
    json_t *ppo = json_object_get(config.json, "ppo");
    json_t *gamma = json_object_get(ppo, "gamma"), *lambda = json_object_get(ppo, "lambda");
    assert_true(json_number_value(json_object_get(gamma, "low")) == 0.5);
    assert_true(json_number_value(json_object_get(gamma, "high")) == 1);
    assert_true(json_number_value(json_object_get(lambda, "low")) == 0);
    assert_true(json_number_value(json_object_get(lambda, "high")) == 0.75);
    rlt_experiment_config_fini(&config);
    refused(PPO_LR("{'$space': 'normal', 'mean': 1, 'std': 1, 'low': 2}"),
            "no value within bounds");
}

static void test_refusals(void **state) {
    (void)state;
    refused("[]", "the configuration: a table");
    refused("{'ppp': {}}", "ppp: unknown key (did you mean 'ppo'?)");
    refused("{'ppo': {'learnig_rate': 1}}", "ppo.learnig_rate: unknown key");
    refused("{'ppo': 7}", "ppo: a table of named values");
    refused("{'env': {'name': 'x'}}", "env: {\"name\":\"x\"} is not allowed");
    refused("{'env': {'$lua_env': {}}}", "needs a name");
    refused("{'algo': 'dqn'}", "one of 'ppo'");
    refused("{'tune': 3}", "tune: a table");
    refused("{'tune': {'stopper': 'asho'}}", "did you mean 'asha'");
    refused("{'tune': {'stopper': 4}}", "tune.stopper");
    refused("{'tune': {'stopper': ['asha', 'median']}}", "tune.stopper");
    refused("{'tune': {'stopper': {'name': 'asha', 'min_trials': 4}}}",
            "tune.stopper.min_trials: unknown key");
    refused("{'tune': {'stopper': {'name': 'asha', 'grace': 1e6}}}", "tune.stopper.grace");
    refused("{'tune': {'points': {'ppo.lr': 1}}}", "a list of points");
    refused("{'tune': {'points': [3]}}", "each point is a table");
    refused("{'tune': {'points': [{'ppo.lr': 1e-3}]}}", "ppo.lr is not searched");
    refused("{'tune': {'points': [{'ppo.rl': 1e-3}]}}", "no such field");
    refused("{'tune': {'points': [{'ppo.epochs': 3}]}, 'ppo':"
            " {'epochs': {'$space': 'choice', 'values': [1, 2]}}}",
            "outside of its search space");
    refused("{'tune': {'points': [{'ppo.epochs': 0}]}, 'ppo':"
            " {'epochs': {'$space': 'choice', 'values': [1, 2]}}}",
            "tune.points: ppo.epochs: 0 is not allowed");
}

static int locate(void *user, const char *path) {
    return strcmp(path, user) == 0 ? 12 : 0;
}

static void test_place(void **state) {
    (void)state;
    json_t *raw = parse("{'ppo': {'lr': 3}}");
    rlt_experiment_config config;
    rlt_err err = {0};
    rlt_config_place place = {"a.lua", locate, "ppo.lr"};
    assert_int_equal(rlt_experiment_config_load(raw, &place, &config, &err), RLT_ECONFIG);
    assert_true(strncmp(err.message, "a.lua:12: ppo.lr: 3 is", 22) == 0);
    place.user = "ppo";
    rlt_experiment_config_load(raw, &place, &config, &err);
    assert_true(strncmp(err.message, "a.lua:12: ppo.lr: 3 is", 22) == 0);
    place.user = "nothing";
    rlt_experiment_config_load(raw, &place, &config, &err);
    assert_true(strncmp(err.message, "a.lua: ppo.lr: 3 is", 19) == 0);
    json_decref(raw);
}

/* Optuna's words. */
static void test_directions(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool maximise;
    } rows[] = {{"{'tune': {'direction': 'minimize'}}", false},
                {"{'tune': {'mode': 'minimise'}}", false},
                {"{'tune': {'direction': 'maximize'}}", true},
                {"{'tune': {'mode': 'maximise'}}", true}};
    for (size_t i = 0; i < RLT_COUNT(rows); i++) {
        rlt_experiment_config config;
        load(rows[i].text, &config);
        assert_int_equal(config.tune.maximise, rows[i].maximise);
        const json_t *mode = json_object_get(json_object_get(config.json, "tune"), "mode");
        assert_string_equal(json_string_value(mode), rows[i].maximise ? "max" : "min");
        rlt_experiment_config_fini(&config);
    }
    refused("{'tune': {'mode': 'minimiz'}}", "allowed: one of 'min', 'max'");
    refused("{'tune': {'mode': 'minimize=min'}}", "allowed: one of 'min', 'max'");
}

static void test_lua_env(void **state) {
    (void)state;
    rlt_experiment_config config;
    load("{'env': {'$lua_env': {'name': 'Corridor-v0', 'state_size': 2}}}", &config);
    assert_true(config.run.lua_env);
    assert_string_equal(config.run.env, "Corridor-v0");
    rlt_run_config run;
    rlt_err err;
    assert_int_equal(rlt_run_config_load(config.json, &run, &err), RLT_OK);
    assert_true(run.lua_env);
    rlt_experiment_config_fini(&config);
}

static void test_stopper_forms(void **state) {
    (void)state;
    static const char *const forms[] = {"{'tune': {'stopper': 'median'}}",
                                        "{'tune': {'stopper': ['median']}}",
                                        "{'tune': {'stopper': {'name': 'median'}}}"};
    for (size_t i = 0; i < RLT_COUNT(forms); i++) {
        rlt_experiment_config config;
        load(forms[i], &config);
        assert_int_equal(config.tune.stopper, RLT_STOPPER_MEDIAN);
        assert_true(config.tune.milestones.grace == 10000 &&
                    config.tune.percentile.startup_trials == 5 &&
                    config.tune.percentile.min_trials == 1);
        assert_true(config.tune.max_failed == 4 && isnan(config.tune.goal));
        rlt_experiment_config_fini(&config);
    }
    rlt_experiment_config config;
    load("{'tune': {'trials': 2, 'stopper': {'name': 'asha', 'reduction': 10}}}", &config);
    assert_true(config.tune.asha.grace == 100 && config.tune.max_failed == 1);
    rlt_experiment_config_fini(&config);
    load("{'stop': {'steps': 200000}, 'tune': {'stopper': 'asha'}}", &config);
    assert_int_equal(config.tune.asha.grace, 7408); /* with 7407 a rung would be at 199989 */
    rlt_experiment_config_fini(&config);
}

/* Names of Ray Tune and Optuna, with their defaults where these are no steps. */
static void test_stopper_names(void **state) {
    (void)state;
    static const struct {
        const char *stopper;
        int kind;
        int64_t reduction;
    } names[] = {
        {"'ASHAScheduler'", RLT_STOPPER_ASHA, 4},
        {"['AsyncHyperBandScheduler']", RLT_STOPPER_ASHA, 4},
        {"{'name': 'SuccessiveHalvingPruner', 'reduction_factor': 2, 'min_resource': 5,"
         " 'bootstrap_count': 1, 'min_early_stopping_rate': 2}",
         RLT_STOPPER_ASHA, 2},
        {"{'name': 'ASHAScheduler', 'grace_period': 5, 'max_t': 5000, 'brackets': 2}",
         RLT_STOPPER_ASHA, 4},
        {"'MedianStoppingRule'", RLT_STOPPER_MEDIAN, 0},
        {"{'name': 'PercentilePruner', 'percentile': 10, 'n_startup_trials': 3,"
         " 'n_warmup_steps': 7, 'interval_steps': 9, 'n_min_trials': 2}",
         RLT_STOPPER_PERCENTILE, 0},
        {"{'name': 'ThresholdPruner', 'lower': 1}", RLT_STOPPER_THRESHOLD, 0},
        {"{'name': 'TrialPlateauStopper', 'grace_period': 9, 'metric_threshold': 3}",
         RLT_STOPPER_PLATEAU, 0},
        {"{'name': 'PatientPruner', 'patience': 2, 'min_delta': 0.5}", RLT_STOPPER_PATIENCE, 0},
        {"{'name': 'WilcoxonPruner', 'p_threshold': 0.2, 'n_startup_steps': 5}",
         RLT_STOPPER_WILCOXON, 0},
        {"{'name': 'HyperBandScheduler', 'max_t': 8100, 'reduction_factor': 3}",
         RLT_STOPPER_HYPERBAND, 0},
        {"{'name': 'HyperbandPruner', 'min_resource': 100, 'max_resource': 8100}",
         RLT_STOPPER_HYPERBAND_ASHA, 0},
    };
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        rlt_experiment_config config;
        char text[256];
        snprintf(text, sizeof text, "{'tune': {'stopper': %s}}", names[i].stopper);
        load(text, &config);
        assert_int_equal(config.tune.stopper, names[i].kind);
        if (names[i].reduction > 0) {
            assert_int_equal(config.tune.asha.reduction, names[i].reduction);
        }
        rlt_experiment_config_fini(&config);
    }
    rlt_experiment_config config;
    load("{'tune': {'stopper': 'MedianStoppingRule'}}", &config);
    assert_true(config.tune.percentile.min_trials == 3 &&
                config.tune.percentile.startup_trials == 0);
    rlt_experiment_config_fini(&config);
    refused("{'tune': {'stopper': 'HyperBandSheduler'}}", "did you mean 'HyperBandScheduler'");
}

static void test_wrapped_stopper(void **state) {
    (void)state;
    rlt_experiment_config config, again;
    load("{'tune': {'stopper': {'name': 'patience', 'patience': 2, 'wrapped':"
         " {'name': 'PercentilePruner', 'percentile': 40, 'interval_steps': 500}}}}",
         &config);
    assert_int_equal(config.tune.stopper, RLT_STOPPER_PATIENCE);
    assert_int_equal(config.tune.wrapped, RLT_STOPPER_PERCENTILE);
    assert_true(config.tune.patience.patience == 2 && config.tune.percentile.percentile == 40 &&
                config.tune.milestones.interval == 500 && config.tune.milestones.grace == 10000);
    rlt_err err = {0}; /* what is stored gives the same again */
    assert_int_equal(rlt_experiment_config_load(config.json, NULL, &again, &err), RLT_OK);
    assert_true(again.tune.wrapped == RLT_STOPPER_PERCENTILE &&
                again.tune.milestones.interval == 500);
    rlt_experiment_config_fini(&again);
    rlt_experiment_config_fini(&config);
    refused("{'tune': {'stopper': {'name': 'patience', 'interval': 5, 'wrapped': 'median'}}}",
            "tune.stopper.interval: a wrapped stopper has its own");
    refused("{'tune': {'stopper': {'name': 'patience', 'wrapped': 'medain'}}}",
            "did you mean 'median'");
    refused("{'tune': {'stopper': {'name': 'patience', 'wrapped': {'name': 'asha', 'x': 1}}}}",
            "tune.stopper.wrapped");
    refused("{'tune': {'stopper': {'name': 'asha', 'wrapped': 'median'}}}", "wrapped");
}

static void test_sampler_forms(void **state) {
    (void)state;
    static const char *const forms[] = {
        "{'tune': {'sampler': {'name': 'tpe', 'n_startup_trials': 7}}}",
        "{'tune': {'sampler': {'name': 'TPESampler', 'n_initial_points': 7}}}"};
    for (size_t i = 0; i < RLT_COUNT(forms); i++) {
        rlt_experiment_config config;
        load(forms[i], &config);
        assert_int_equal(config.tune.sampler, RLT_SAMPLER_TPE);
        assert_true(config.tune.tpe.n_startup_trials == 7 && config.tune.tpe.gamma == 0.1);
        const json_t *sampler = json_object_get(json_object_get(config.json, "tune"), "sampler");
        assert_int_equal(json_integer_value(json_object_get(sampler, "n_ei_candidates")), 24);
        assert_string_equal(json_string_value(json_object_get(sampler, "name")), "tpe");
        rlt_experiment_config_fini(&config);
    }
    refused("{'tune': {'sampler': 3}}", "tune.sampler: '3' is not a sampler; allowed: random");
    refused("{'tune': {'sampler': {'n_startup_trials': 3}}}",
            "tune.sampler: '{\"n_startup_trials\":3}' is not a sampler");
    refused("{'tune': {'mode': 'minimum'}}",
            "tune.mode: \"minimum\" is not allowed; allowed: one of");
    refused("{'tune': {'sampler': 'tpa'}}", "tune.sampler: 'tpa' is not a sampler (did you mean");
    refused("{'tune': {'sampler': {'name': 'tpe', 'gama': 0.2}}}",
            "tune.sampler.gama: unknown key (did you mean 'gamma'?)");
    refused("{'tune': {'sampler': {'name': 'random', 'gamma': 0.2}}}",
            "tune.sampler.gamma: unknown key");
    refused("{'tune': {'sampler': {'name': 'tpe', 'n_startup_trials': 0}}}",
            "tune.sampler.n_startup_trials: 0 is not allowed");
}

static void test_cmaes_and_gp_options(void **state) {
    (void)state;
    rlt_experiment_config config;
    load("{'tune': {'sampler': {'name': 'CmaEsSampler', 'restart_strategy': 'bipop',"
         " 'consider_pruned_trials': false}}}",
         &config);
    assert_int_equal(config.tune.sampler, RLT_SAMPLER_CMAES);
    assert_int_equal(config.tune.cmaes.restart, RLT_RESTART_BIPOP);
    assert_true(config.tune.cmaes.n_startup_trials == 1 && config.tune.cmaes.inc_popsize == 2);
    assert_false(config.tune.cmaes.consider_stopped);
    rlt_experiment_config_fini(&config);
    load("{'tune': {'sampler': {'name': 'GPSampler', 'n_initial_points': 6}}}", &config);
    assert_int_equal(config.tune.sampler, RLT_SAMPLER_GP);
    assert_true(config.tune.gp.n_startup_trials == 6 && config.tune.gp.consider_stopped);
    rlt_experiment_config_fini(&config);
    refused("{'tune': {'sampler': {'name': 'cmaes', 'restart': 'bipo'}}}",
            "tune.sampler.restart: \"bipo\" is not allowed");
    refused("{'tune': {'sampler': {'name': 'cmaes', 'sigma0': 2}}}", "tune.sampler.sigma0: 2");
}

static void test_set(void **state) {
    (void)state;
    json_t *json = parse("{'env': 'x'}");
    rlt_err err = {0};
    assert_int_equal(rlt_config_set(json, "ppo.lr", "1e-3", &err), RLT_OK);
    assert_int_equal(rlt_config_set(json, "ppo.optimiser", "sgd", &err), RLT_OK);
    assert_int_equal(rlt_config_set(json, "model.hidden", "[3, 4]", &err), RLT_OK);
    assert_int_equal(rlt_config_set(json, "env", "y", &err), RLT_OK);
    json_t *expected = parse("{'env': 'y', 'ppo': {'lr': 1e-3, 'optimiser': 'sgd'},"
                             " 'model': {'hidden': [3, 4]}}");
    assert_true(json_equal(json, expected));
    assert_int_equal(rlt_config_set(json, "env.name", "1", &err), RLT_ECONFIG);
    assert_non_null(strstr(err.message, "'env' is not a table"));
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "a.b.c.d.e.f.g.h.i.j"};
    for (size_t i = 0; i < RLT_COUNT(bad); i++) {
        assert_int_equal(rlt_config_set(json, bad[i], "1", &err), RLT_ECONFIG);
    }
    assert_int_equal(rlt_config_set(json, "name", "\xff", &err), RLT_ECONFIG);
    json_decref(json);
    json_decref(expected);
}

/* ---- models ---- */

static const rlt_layer *layers_of(const char *model, rlt_experiment_config *config, int count) {
    char text[1024];
    snprintf(text, sizeof text, "{'model': %s}", model);
    load(text, config);
    assert_int_equal(config->run.model.layer_count, count);
    rlt_run_config again;
    rlt_err err = {0};
    assert_int_equal(rlt_run_config_load(config->json, &again, &err), RLT_OK);
    assert_memory_equal(&again.model, &config->run.model, sizeof again.model);
    return config->run.model.layers;
}

static void check_layer(const rlt_layer *l, rlt_layer_kind kind, rlt_act act, int units, int kernel,
                        int stride, int pad) {
    assert_true(l->kind == kind && l->act == act && l->units == units && l->kernel == kernel &&
                l->stride == stride && l->pad == pad);
}

static void test_layers(void **state) {
    (void)state;
    rlt_experiment_config config;
    const rlt_layer *l = layers_of(
        "{'$items': [['conv', 32, 8, 4], {'name': 'conv', 'filters': 64, 'kernel': 3, 'pad': "
        "'same', 'act': 'tanh'}, ['conv', 8, 3, 1, 'same', 'silu'], ['max_pool', 3], 'layer_norm',"
        "{'$items': ['dense', 5, 'none']}, ['lstm', 128], ['attention', 2, 16]],"
        " 'separate': true, 'squash': true, 'log_std_init': -1}",
        &config, 8);
    check_layer(&l[0], RLT_LAYER_CONV, RLT_ACT_RELU, 32, 8, 4, 0);
    check_layer(&l[1], RLT_LAYER_CONV, RLT_ACT_TANH, 64, 3, 1, 1);
    check_layer(&l[2], RLT_LAYER_CONV, RLT_ACT_SILU, 8, 3, 1, 1);
    check_layer(&l[3], RLT_LAYER_MAX_POOL, RLT_ACT_NONE, 0, 3, 2, 0);
    check_layer(&l[4], RLT_LAYER_LAYER_NORM, RLT_ACT_NONE, 0, 0, 0, 0);
    check_layer(&l[5], RLT_LAYER_DENSE, RLT_ACT_NONE, 5, 0, 0, 0);
    check_layer(&l[6], RLT_LAYER_LSTM, RLT_ACT_NONE, 128, 0, 0, 0);
    assert_true(l[7].kind == RLT_LAYER_ATTENTION && l[7].heads == 2 && l[7].context == 16);
    const rlt_model_fields *model = &config.run.model;
    assert_true(model->separate && model->squash && model->log_std_init == -1);
    assert_int_equal(json_integer_value(rlt_config_get(config.json, "model[1].stride")), 4);
    rlt_experiment_config_fini(&config);
}

static void test_nested_layers(void **state) {
    (void)state;
    rlt_experiment_config config;
    const rlt_layer *l =
        layers_of("[['dense', 4], ['residual', [['gated', ['dense', 4]], 'rms_norm'"
                  "]], {'kind': 'residual', 'layers': [['dense', 4]]}]",
                  &config, 10);
    static const rlt_layer_kind kinds[] = {
        RLT_LAYER_DENSE,    RLT_LAYER_RESIDUAL, RLT_LAYER_GATED,    RLT_LAYER_DENSE, RLT_LAYER_END,
        RLT_LAYER_RMS_NORM, RLT_LAYER_END,      RLT_LAYER_RESIDUAL, RLT_LAYER_DENSE, RLT_LAYER_END};
    static const char *const paths[] = {
        "model[1]",    "model[2]", "model[2][1]", "model[2][1][1]", NULL,
        "model[2][2]", NULL,       "model[3]",    "model[3][1]",    NULL};
    for (int i = 0; i < 10; i++) {
        char path[32];
        rlt_model_layer_path(&config.run.model, i, path);
        assert_int_equal(l[i].kind, kinds[i]);
        assert_true(paths[i] == NULL || strcmp(path, paths[i]) == 0);
    }
    assert_int_equal(json_integer_value(rlt_config_get(config.json, "model[2][1][1].units")), 4);
    rlt_experiment_config_fini(&config);
}

static void test_presets(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int layers;
    } presets[] = {{"'nature_cnn'", 4},  {"{'preset': 'impala_cnn', 'width': 2}", 38},
                   {"'minatar_cnn'", 2}, {"{'name': 'gtrxl', 'depth': 6}", 61},
                   {"['lstm']", 2},      {"{'preset': 'gru', 'units': 8, 'separate': true}", 2},
                   {"'mlp'", 0},         {"{'preset': 'mlp', 'hidden': [3]}", 0}};
    rlt_experiment_config config;
    for (size_t i = 0; i < RLT_COUNT(presets); i++) {
        layers_of(presets[i].text, &config, presets[i].layers);
        rlt_experiment_config_fini(&config);
    }
    const rlt_layer *l = layers_of("{'preset': 'impala_cnn', 'width': 2}", &config, 38);
    check_layer(&l[0], RLT_LAYER_CONV, RLT_ACT_NONE, 32, 3, 1, 1);
    check_layer(&l[12], RLT_LAYER_CONV, RLT_ACT_NONE, 64, 3, 1, 1);
    check_layer(&l[37], RLT_LAYER_DENSE, RLT_ACT_RELU, 256, 0, 0, 0);
    rlt_experiment_config_fini(&config);
    layers_of("{'preset': 'mlp', 'hidden': [3]}", &config, 0);
    assert_int_equal(config.run.model.hidden[0], 3);
    rlt_experiment_config_fini(&config);
}

static void test_bad_models(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"'nature_cn'", "no preset 'nature_cn' (did you mean 'nature_cnn'?); there are mlp, "},
        {"['conv', 32, 8]", "model: 'conv' is a layer; a model is a list of them"},
        {"[['cnv', 32]]", "model[1]: there is no layer 'cnv' (did you mean 'conv'?)"},
        {"[['dense', 2], ['dense']]", "model[2].units: is missing; needed: an integer from 1 to"},
        {"[['dense', 0]]", "model[1].units: 0 is not allowed; allowed: an integer from 1 to"},
        {"[['dense', 8, 'rleu']]",
         "model[1].activation: \"rleu\" is not allowed (did you mean 'relu'?); "
         "allowed: one of"},
        {"[['dense', 8, 9]]", "model[1]: one value too many, or of the wrong type; dense takes"},
        {"[{'name': 'dense', 'unit': 9}]", "model[1].unit: unknown key (did you mean 'units'?); "
                                           "`rltune explain layer.dense`"},
        {"[['conv', 8, 4, 'same']]", "model[1]: pad = \"same\" needs an odd kernel, not 4"},
        {"{'$items': [['dense', 8]], 'seprate': true}", "model.seprate: unknown key (did you mean"},
        {"[['residual', [['dense', 4], ['cnv']]]]", "model[1][2]: there is no layer 'cnv'"},
        {"[['residual']]", "model[1]: 0 layers; allowed: 1 to 64"},
        {"{'name': 'residual', 'hidden': [3]}", "model: 'residual' is a layer"},
        {"[{'name': 'gated', 'layers': ['layer_norm'], 'units': 3}]", "model[1]: 'units': such a"},
        {"[[['dense', 3]]]", "model[1]: a layer is needed here"},
        {"3", "model: a table of names, a list of layers or the name of a preset is needed"},
        {"{'preset': 'gtrxl', 'dept': 3}", "model.dept: unknown key (did you mean 'depth'?)"},
        {"{'hiden': [3]}", "model.hiden: unknown key (did you mean 'hidden'?)"},
        {"{'preset': {'$space': 'choice', 'values': ['lstm', 'gru']}}", "model.preset: a name is"},
    };
    for (size_t i = 0; i < RLT_COUNT(cases); i++) {
        char text[512];
        snprintf(text, sizeof text, "{'model': %s}", cases[i][0]);
        refused(text, cases[i][1]);
    }
    rlt_buf deep = {0};
    rlt_buf_printf(&deep, "{'model': [");
    for (int i = 0; i < 20; i++) {
        rlt_buf_printf(&deep, "['residual', [");
    }
    rlt_buf_printf(&deep, "'layer_norm'");
    for (int i = 0; i < 20; i++) {
        rlt_buf_printf(&deep, "]]");
    }
    rlt_buf_printf(&deep, "]}");
    refused(deep.data, "layers nest deeper than 8");
    rlt_buf_fini(&deep);
    char many[1024] = "{'model': [";
    for (int i = 0; i < 33; i++) {
        strcat(many, i > 0 ? ", ['gated', 'layer_norm']" : "['gated', 'layer_norm']");
    }
    strcat(many, "]}");
    refused(many, "model: more than 64 layers");
}

#define CHOICE(values) "{'$space': 'choice', 'values': [" values "]}"

static void test_searched_models(void **state) {
    (void)state;
    rlt_experiment_config config;
    load("{'tune': {}, 'model': {'layers': [['dense', " CHOICE("16, 32") ", " CHOICE(
             "'tanh', 'relu'") "], [" CHOICE("'lstm', 'gru'") ", {'$space': 'randint', 'low': 8, "
                                                              "'high': 9}], " CHOICE(
                                                                  "['dense', 3], 'layer_norm'") "]}"
                                                                                                "}",
         &config);
    assert_true(config.run.model.layers[0].units == 16 && config.run.model.layers[1].units == 8);
    assert_false(config.run.model.guessed);
    static const char *const paths[] = {"model[1].units", "model[1].activation", "model[2].kind",
                                        "model[2].units", "model[3]"};
    for (size_t i = 0; i < RLT_COUNT(paths); i++) {
        assert_non_null(json_object_get(rlt_config_get(config.json, paths[i]), "$space"));
    }
    assert_true(rlt_config_takes_integers("model[2].units"));
    assert_false(rlt_config_takes_integers("model[2].kind"));
    json_t *params =
        parse("{'model[1].units': 32, 'model[1].activation': 'relu',"
              " 'model[2].kind': 'gru', 'model[2].units': 9, 'model[3]': 'layer_norm'}");
    json_t *run = NULL;
    rlt_run_config concrete;
    rlt_err err = {0};
    assert_int_equal(rlt_config_trial_json(config.json, params, &run, &err), RLT_OK);
    assert_int_equal(rlt_run_config_load(run, &concrete, &err), RLT_OK);
    check_layer(&concrete.model.layers[0], RLT_LAYER_DENSE, RLT_ACT_RELU, 32, 0, 0, 0);
    check_layer(&concrete.model.layers[1], RLT_LAYER_GRU, RLT_ACT_NONE, 9, 0, 0, 0);
    assert_int_equal(concrete.model.layers[2].kind, RLT_LAYER_LAYER_NORM);
    rlt_experiment_config again; /* as it comes back from the database */
    assert_int_equal(rlt_experiment_config_load(config.json, NULL, &again, &err), RLT_OK);
    assert_true(json_equal(again.json, config.json));
    rlt_experiment_config_fini(&again);
    rlt_experiment_config_fini(&config);
    json_decref(params);
    json_decref(run);
    load("{'tune': {}, 'model': " CHOICE("'gtrxl', {'hidden': [3]}, [['dense', 3]]") "}", &config);
    assert_int_equal(config.run.model.layer_count, 21);
    rlt_experiment_config_fini(&config);
    load("{'tune': {}, 'model': {'preset': 'gru', 'units': {'$function': 'model.units'}}}",
         &config);
    assert_true(config.run.model.guessed && config.run.model.layers[1].units == 64);
    rlt_experiment_config_fini(&config);
}

static void test_bad_searched_models(void **state) {
    (void)state;
    refused("{'model': [['dense', " CHOICE("16, 32") "]]}",
            "model[1].units: is a search space, but");
    refused("{'tune': {}, 'model': [['dense', " CHOICE("16, 0") "]]}", "model[1].units: 0 is not");
    refused("{'tune': {}, 'model': [[" CHOICE("'lstm', 'dens'") ", 3]]}", "did you mean 'dense'");
    refused("{'tune': {}, 'model': [[" CHOICE("'lstm', 'conv'") ", 3, 5]]}", "lstm takes units");
    refused("{'tune': {}, 'model': [[" CHOICE("'lstm', 'gated'") ", 3]]}", "'gated' cannot be one");
    refused("{'tune': {}, 'model': [" CHOICE("['lstm', 3], ['lstm']") "]}",
            "model[1].units: is miss");
    refused("{'tune': {}, 'model': " CHOICE("'mlp', 'gtrx'") "}",
            "model: value 2: model: there is no");
    refused("{'tune': {}, 'model': {'$space': 'randint', 'low': 1, 'high': 2}}",
            "searched by space.c");
    refused("{'tune': {}, 'model': " CHOICE("[['dense', " CHOICE("3") "]]") "}",
            "holds a search space");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_default_is_allowed),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_whole_experiment),
        cmocka_unit_test(test_normalised_json),
        cmocka_unit_test(test_trial_json),
        cmocka_unit_test(test_search_values_are_checked),
        cmocka_unit_test(test_normal_is_clipped),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_directions),
        cmocka_unit_test(test_lua_env),
        cmocka_unit_test(test_stopper_forms),
        cmocka_unit_test(test_stopper_names),
        cmocka_unit_test(test_wrapped_stopper),
        cmocka_unit_test(test_sampler_forms),
        cmocka_unit_test(test_cmaes_and_gp_options),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_nested_layers),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_bad_models),
        cmocka_unit_test(test_searched_models),
        cmocka_unit_test(test_bad_searched_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
