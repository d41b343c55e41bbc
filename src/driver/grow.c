/* driver: a search space that grows by what clients ask for (objective = { "external" }).
 * Why by a new tuner: a sampler's state is made for a fixed space. The new one is told everything
 * again, from rows; trials that had no such parameter count with a random value of their own, the
 * same one every time (rlt_tuner_fill). It happens a few times, while the first trial runs.
 * Thread: the driver's. Owner: the driver. */
#include "driver/clients.h"
#include "driver/programs.h"

#include <stdlib.h>

static rlt_status make_grown(rlt_driver *d, const char *path, const json_t *space,
                             rlt_experiment_config *config, rlt_tuner **tuner, rlt_err *err) {
    json_t *json = json_deep_copy(d->config.json);
    rlt_config_place nowhere = {0};
    json_object_set(json_object_get(json, "params"), rlt_config_param_name(path), (json_t *)space);
    rlt_status status = rlt_experiment_config_load(json, &nowhere, config, err);
    json_decref(json);
    return status == RLT_OK ? rlt_driver_make_tuner(config, d->script, tuner, err) : status;
}

/* The row of a trial with all its values. */
static rlt_status write_params(rlt_driver *d, const rlt_driver_entry *t, rlt_err *err) {
    json_t *run = NULL;
    RLT_TRY(rlt_driver_trial_config(d, t, &run, err));
    char *config = json_dumps(run, JSON_COMPACT);
    char *params = json_dumps(t->params, JSON_COMPACT | JSON_SORT_KEYS);
    rlt_status status = rlt_store_trial_params(d->store, t->id, params, config, err);
    free(params);
    free(config);
    json_decref(run);
    return status;
}

/* The value that partial_fixed gives the parameter; NULL: none. */
static json_t *fixed_value(const rlt_driver *d, const char *path) {
    const json_t *tune = json_object_get(d->config.json, "tune");
    return json_object_get(json_object_get(json_object_get(tune, "sampler"), "fixed"), path);
}

/* Trials that have not ended get a value as well. */
static rlt_status fill_trials(rlt_driver *d, const char *path, rlt_err *err) {
    json_t *fixed = fixed_value(d, path);
    for (size_t i = d->first_open; i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        if (t->params != NULL && !t->final) {
            if (fixed != NULL && json_object_get(t->params, path) == NULL) {
                json_object_set(t->params, path, fixed);
            }
            rlt_tuner_fill(d->tuner, t->number, t->params);
            RLT_TRY(write_params(d, t, err));
        }
    }
    return RLT_OK;
}

static rlt_status write_config(rlt_driver *d, rlt_err *err) {
    char *json = json_dumps(d->config.json, JSON_COMPACT);
    rlt_status status = rlt_store_experiment_config(d->store, d->experiment, json, err);
    free(json);
    return status;
}

rlt_status rlt_driver_grow(rlt_driver *d, rlt_driver_entry *t, const char *path,
                           const json_t *space, rlt_err *err) {
    rlt_experiment_config config = {0};
    rlt_tuner *tuner = NULL;
    json_t *wanted = NULL;
    rlt_status status = make_grown(d, path, space, &config, &tuner, err);
    if (status != RLT_OK) {
        rlt_experiment_config_fini(&config);
        err->code = RLT_ECONFIG;
        return RLT_ECONFIG;
    }
    rlt_tuner_destroy(&d->tuner);
    rlt_experiment_config_fini(&d->config);
    d->tuner = tuner;
    d->config = config;
    rlt_script_set_experiment(d->script, d->config.json);
    RLT_TRY(t != NULL ? rlt_driver_queued_value(d, t, path, &wanted, err) : RLT_OK);
    if (wanted != NULL) {
        json_object_set_new(t->params, path, wanted);
    }
    RLT_TRY(rlt_driver_replay(d, err));
    RLT_TRY(fill_trials(d, path, err));
    return write_config(d, err);
}
