/* driver: everything that can be known to be wrong before a run starts. Why so much: a run that
 * fails after an hour, or that leaves an experiment's row behind, costs more than any check.
 * Thread: the caller's. Owner: the caller. */
#include "driver/clients.h"
#include "driver/programs.h"
#include "nn/device.h"
#include "worker/worker.h"

#include <stdio.h>
#include <string.h>

enum { TRIALS_TRIED = 8 };

/* The learners can share the work, the network fits the environment, and the first segment its
 * memory. */
static rlt_status check_run(const rlt_env_def *def, const rlt_run_config *config, rlt_err *err) {
    rlt_rollout *rollout = NULL;
    rlt_share share;
    RLT_TRY(rlt_share_make(config, &share, err));
    RLT_TRY(rlt_rollout_create(config, def, (int)config->envs_per_worker, 0, &rollout, err));
    rlt_rollout_destroy(&rollout);
    return RLT_OK;
}

/* The configuration without those of partial_fixed's parameters that a space that grows does not
 * have yet; a new reference. */
static json_t *known_fixed(const rlt_experiment_config *config) {
    json_t *json = json_deep_copy(config->json), *value;
    json_t *fixed =
        json_object_get(json_object_get(json_object_get(json, "tune"), "sampler"), "fixed");
    const json_t *params = json_object_get(json, "params");
    const char *path;
    void *next;
    json_object_foreach_safe(fixed, next, path, value) {
        const char *name = rlt_config_param_name(path);
        if (json_object_get(params, name) == NULL) {
            json_object_del(fixed, path);
        }
    }
    return json;
}

rlt_status rlt_driver_make_tuner(const rlt_experiment_config *config, rlt_script *script,
                                 rlt_tuner **tuner, rlt_err *err) {
    rlt_tune_fields tune = config->tune;
    bool grows =
        config->run.objective.kind == RLT_OBJECTIVE_EXTERNAL && config->run.objective.grows;
    if (grows && json_object_size(json_object_get(config->json, "params")) == 0) {
        tune.sampler = RLT_SAMPLER_RANDOM; /* until there is something to search */
    }
    if (!grows || tune.sampler != RLT_SAMPLER_PARTIAL_FIXED) {
        return rlt_tuner_create(&tune, config->json, rlt_script_resolve, script, tuner, err);
    }
    json_t *json = known_fixed(config);
    rlt_status status = rlt_tuner_create(&tune, json, rlt_script_resolve, script, tuner, err);
    json_decref(json);
    return status;
}

/* One trial's configuration (def NULL: of a program): functions of the script answer, and the
 * values go together. */
static rlt_status check_trial(const rlt_env_def *def, const rlt_experiment_config *config,
                              const json_t *params, rlt_err *err) {
    json_t *run = NULL;
    rlt_run_config concrete;
    RLT_TRY(rlt_config_trial_json(config->json, params, &run, err));
    rlt_status status = rlt_run_config_load(run, &concrete, err);
    if (status == RLT_OK) {
        status = def != NULL ? rlt_driver_check_network(def, &concrete, params, err)
                             : rlt_driver_check_program(&concrete, run, err);
    }
    if (status == RLT_OK && def != NULL) {
        status = check_run(def, &concrete, err);
    }
    json_decref(run);
    return status;
}

static rlt_status check_trials(const rlt_env_def *def, const rlt_experiment_config *config,
                               rlt_script *script, rlt_err *err) {
    rlt_tuner *tuner = NULL;
    RLT_TRY(rlt_driver_make_tuner(config, script, &tuner, err));
    rlt_status status = rlt_driver_check_models(def, config, rlt_tuner_space(tuner), err);
    for (int tried = 0; tried < TRIALS_TRIED && config->tuned && status == RLT_OK;) {
        int64_t number, configuration, replicate = 0;
        json_t *params = NULL;
        status = rlt_tuner_ask(tuner, &number, &params, err);
        if (status == RLT_OK) {
            rlt_tuner_replicate(tuner, number, &configuration, &replicate);
        }
        if (status == RLT_OK && replicate == 0) {
            status = check_trial(def, config, params, err);
            tried++;
        }
        json_decref(params);
    }
    rlt_tuner_destroy(&tuner);
    /* a small space is exhausted, or waits for results */
    return status == RLT_ENOTFOUND || status == RLT_EBUSY ? RLT_OK : status;
}

/* Puts file and line before a message that begins with a field's path, or else belongs to `path`.
 */
static void add_place(rlt_script *script, const char *path, rlt_err *err) {
    const char *name = rlt_script_name(script), *message = err->message;
    size_t size = strlen(name);
    if (strncmp(message, name, size) == 0 && message[size] == ':') {
        return;
    }
    char field[RLT_FIELD_PATH_MAX];
    size_t length = strspn(message, "abcdefghijklmnopqrstuvwxyz0123456789_.[]");
    bool named = length > 0 && length < sizeof(field) && message[length] == ':';
    snprintf(field, sizeof(field), "%.*s", named ? (int)length : (int)strlen(path),
             named ? message : path);
    const rlt_config_place place = {name, rlt_script_locate, script};
    rlt_config_add_place(&place, field, err);
}

/* Trials that copy each other, or whose parameters change, go on from a folder of their own; one is
 * copied only while nobody writes to it. */
static rlt_status check_copies(const rlt_experiment_config *config, rlt_err *err) {
    const rlt_objective_fields *objective = &config->run.objective;
    int stopper = config->tune.stopper;
    bool copies = config->tuned && (stopper == RLT_STOPPER_PBT || stopper == RLT_STOPPER_PB2);
    bool replays = config->tuned && stopper == RLT_STOPPER_PBT_REPLAY;
    if ((copies || replays) &&
        (objective->kind != RLT_OBJECTIVE_COMMAND || !objective->checkpoint)) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: %s has trials go on from checkpoints with other parameters: "
                        "a program needs objective.checkpoint = true, a function can't",
                        rlt_stoppers[stopper].name);
    }
    return !copies || config->tune.pbt.synch
               ? RLT_OK
               : rlt_fail(
                     err, RLT_ECONFIG,
                     "tune.stopper: with programs %s needs synch = true: their checkpoints are "
                     "copied when none of them runs",
                     rlt_stoppers[stopper].name);
}

static rlt_status check_all(const rlt_driver_options *o, rlt_script *script,
                            rlt_experiment_config *config, const char **path, rlt_err *err) {
    rlt_env_source source = {0};
    size_t size;
    if (config->run.objective.kind != RLT_OBJECTIVE_TRAIN) {
        *path = "tune.stopper";
        RLT_TRY(check_copies(config, err));
        *path = "objective";
        if (config->tune.sampler == RLT_SAMPLER_EVOLUTION && config->tune.evolution.inherit) {
            return rlt_fail(err, RLT_ECONFIG,
                            "tune.sampler: inherit = true needs trials that are trainings: rltune "
                            "knows nothing of a program's weights");
        }
        return check_trials(NULL, config, script, err);
    }
    *path = "algo";
    RLT_TRY(rlt_driver_check_expert(config, err));
    *path = "device";
    RLT_TRY(rlt_device_check(config->run.device, err));
    *path = "env";
    rlt_status status = rlt_env_source_open(&config->run, rlt_script_text(script, &size),
                                            rlt_script_name(script), o->envs, &source, err);
    if (status == RLT_ENOTFOUND) { /* of a name in a script: the script is wrong */
        err->code = RLT_ECONFIG;
        return RLT_ECONFIG;
    }
    RLT_TRY(status);
    if (!config->run.model.guessed) { /* else the trials below are */
        status = check_run(source.def, &config->run, err);
    }
    if (status == RLT_OK) {
        *path = "tune";
        status = check_trials(source.def, config, script, err);
    }
    rlt_env_source_close(&source);
    return status;
}

rlt_status rlt_driver_check(const rlt_driver_options *o, rlt_script *script,
                            rlt_experiment_config *config, rlt_err *err) {
    const char *path = "";
    RLT_TRY(rlt_script_load(script, config, err));
    rlt_status status = rlt_driver_load_schedule(o->db_path, config, err);
    if (status != RLT_OK) {
        add_place(script, "tune", err);
        return status;
    }
    status = check_all(o, script, config, &path, err);
    if (status != RLT_OK) {
        add_place(script, path, err);
    }
    return status;
}
