/* Fuzz target: any bytes as a configuration script. Every outcome is a status; a configuration that
 * loads must load again, unchanged, from its normalised JSON; its functions and its environment
 * are called. Limits are small, so that most of the time goes into new inputs. */
#include "lua/script.h"

#include <stdio.h>
#include <stdlib.h>

static void ignore_line(void *user, const char *line) {
    (void)user;
    (void)line;
}

static void check(bool ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "config_fuzz: %s\n", what);
        abort();
    }
}

static void step_environment(const rlt_env_def *def) {
    enum { FLOATS = 256, STEPS = 3 };
    if (def->state_size > sizeof(double) * FLOATS || def->observation_space.size > FLOATS ||
        def->action_space.size > FLOATS) {
        return;
    }
    double state[FLOATS];
    float observation[FLOATS], action[FLOATS] = {0}, reward;
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    def->reset(def->context, state, &rng, observation);
    for (int i = 0; i < STEPS; i++) {
        def->step(def->context, state, &rng, action, observation, &reward);
    }
    def->status(def->context, NULL);
}

static void resolve_functions(rlt_script *script, const json_t *experiment) {
    const char *key;
    json_t *field, *value;
    json_object_foreach(json_object_get(experiment, "ppo"), key, field) {
        char path[64];
        if (json_object_get(field, "$function") != NULL) {
            snprintf(path, sizeof path, "ppo.%.50s", key);
            if (rlt_script_resolve(script, path, NULL, &value, NULL) == RLT_OK) {
                json_decref(value);
            }
        }
    }
}

static void load(rlt_script *script) {
    rlt_experiment_config config, again;
    if (rlt_script_load(script, &config, NULL) != RLT_OK) {
        return;
    }
    check(rlt_experiment_config_load(config.json, NULL, &again, NULL) == RLT_OK,
          "the normalised form does not load");
    check(json_equal(config.json, again.json), "the normalised form changes when it is loaded");
    resolve_functions(script, config.json);
    rlt_experiment_config_fini(&again);
    rlt_experiment_config_fini(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rlt_script_options options = {
        .memory_max = 4u << 20, .work_max = 200000, .call_work_max = 50000, .print = ignore_line};
    rlt_script *script;
    rlt_err err = {0};
    rlt_status status =
        rlt_script_create((const char *)data, size, "fuzz.lua", &options, &script, &err);
    if (status != RLT_OK) {
        check(err.code == status && err.message[0] != 0, "an error without a message");
        return 0;
    }
    load(script);
    if (rlt_script_env(script) != NULL) {
        step_environment(rlt_script_env(script));
    }
    rlt_script_destroy(&script);
    return 0;
}
