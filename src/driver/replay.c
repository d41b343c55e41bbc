/* driver: trials whose parameters change at steps that are known beforehand: the replay of what led
 * to a trial of a population (tune.stopper = pbt_replay), and a population's winner when it is
 * trained again. Such a trial pauses with a checkpoint, and goes on from it with the next
 * parameters, as one that copies another does, but from its own weights. A schedule is a list of
 * {"steps": from here on, "params": {path: value}}, the first at 0. That of a replay is in the
 * experiment's configuration, that of a winner follows from the rows of its search. Thread: the
 * driver's. Owner: the driver. */
#include "driver/driver_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- schedules ---- */

static rlt_status add_part(void *user, const rlt_lineage_part *part, rlt_err *err) {
    json_t *schedule = user, *params = json_loads(part->params_json, 0, NULL);
    if (params == NULL) {
        return rlt_fail(err, RLT_ECORRUPT, "trial %lld has no valid parameters at step %lld",
                        (long long)part->number, (long long)part->from);
    }
    json_array_append_new(schedule,
                          json_pack("{s:I, s:o}", "steps", (json_int_t)part->at, "params", params));
    return RLT_OK;
}

static rlt_status read_schedule(rlt_store *store, int64_t trial, json_t **schedule, rlt_err *err) {
    *schedule = json_array();
    rlt_status status = rlt_store_lineage(store, trial, add_part, *schedule, err);
    if (status != RLT_OK) {
        json_decref(*schedule);
        *schedule = NULL;
    }
    return status;
}

static const json_t *schedule_of(const rlt_driver *d, const rlt_driver_entry *t) {
    return t->final ? d->final_schedule : d->schedule;
}

bool rlt_driver_follows(const rlt_driver *d, const rlt_driver_entry *t) {
    return json_array_size(schedule_of(d, t)) > 1;
}

static int64_t steps_of(const json_t *item) {
    return json_integer_value(json_object_get(item, "steps"));
}

int64_t rlt_driver_next_change(const rlt_driver *d, const rlt_driver_entry *t, int64_t step) {
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)schedule_of(d, t), i, item) {
        if (steps_of(item) > step) {
            return steps_of(item);
        }
    }
    return INT64_MAX;
}

void rlt_driver_set_schedules(rlt_driver *d) {
    const json_t *stopper = rlt_config_get(d->config.json, "tune.stopper");
    if (d->config.tuned && d->config.tune.stopper == RLT_STOPPER_PBT_REPLAY) {
        d->schedule = json_incref(json_object_get(stopper, "schedule"));
        d->final_schedule = json_incref(d->schedule);
    }
}

rlt_status rlt_driver_winner_schedule(rlt_driver *d, int64_t winner, rlt_err *err) {
    if (!d->copies) {
        return RLT_OK;
    }
    json_decref(d->final_schedule);
    return read_schedule(d->store, winner, &d->final_schedule, err);
}

rlt_status rlt_driver_restore_schedule(rlt_driver *d, rlt_err *err) {
    int64_t winner = -1, id = 0, ignored;
    for (size_t i = 0; i < d->count; i++) {
        winner = d->trials[i].final ? d->trials[i].configuration : winner;
    }
    if (winner < 0 || !d->copies) {
        return RLT_OK;
    }
    RLT_TRY(rlt_driver_find_row(d, winner, &id, &ignored, err));
    return id != 0 ? rlt_driver_winner_schedule(d, id, err) : RLT_OK;
}

const json_t *rlt_driver_first_params(const rlt_driver *d) {
    return json_object_get(json_array_get(d->final_schedule, 0), "params");
}

/* ---- a change ---- */

static void describe(const json_t *before, const json_t *now, char *text, size_t size) {
    const char *path, *lead = "the schedule goes on with ";
    json_t *value;
    size_t length = 0;
    json_object_foreach((json_t *)now, path, value) {
        const json_t *old = json_object_get(before, path);
        if (json_equal(value, old)) {
            continue;
        }
        char *to = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        int put = snprintf(text + length, size - length, "%s%.60s %.40s", lead, path, to);
        free(to);
        length += put > 0 && (size_t)put < size - length ? (size_t)put : size - length - 1;
        lead = ", ";
    }
    if (length == 0) {
        snprintf(text, size, "the schedule goes on with the same parameters");
    }
}

static rlt_status store_change(rlt_driver *d, rlt_driver_entry *t, int64_t step, double value,
                               const json_t *params, rlt_err *err) {
    char numbers[64], reason[240];
    rlt_checkpoint_row own = {.step = step}; /* a program's is its own affair */
    snprintf(numbers, sizeof(numbers), isnan(value) ? "{}" : "{\"value\":%.17g}", value);
    describe(t->params, params, reason, sizeof(reason));
    const rlt_decision_row row = {.trial = t->id,
                                  .step = step,
                                  .decider = RLT_DECIDER_REPLAY,
                                  .action = "change",
                                  .numbers_json = numbers,
                                  .reason = reason};
    RLT_TRY(d->host != NULL ? RLT_OK
                            : rlt_store_checkpoint_latest(d->store, t->id, INT64_MAX, &own, err));
    RLT_TRY(rlt_store_decide(d->store, &row, err));
    char *text = json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS);
    const rlt_exploit_row exploit = {.trial = t->id,
                                     .step = step,
                                     .decider = RLT_DECIDER_REPLAY,
                                     .at = own.step,
                                     .source_step = own.step,
                                     .params_json = text};
    rlt_status status = rlt_store_exploit(d->store, &exploit, err);
    free(text);
    return status;
}

rlt_status rlt_driver_follow(rlt_driver *d, rlt_driver_entry *t, int64_t milestone, double value,
                             rlt_err *err) {
    size_t i;
    json_t *item;
    t->reply = RLT_REPLY_DECISION;
    t->action = RLT_ACTION_CONTINUE;
    t->milestone = rlt_driver_next_change(d, t, milestone);
    json_array_foreach((json_t *)schedule_of(d, t), i, item) {
        if (i > 0 && steps_of(item) == milestone) {
            json_t *params = json_object_get(item, "params");
            RLT_TRY(store_change(d, t, milestone, value, params, err));
            json_decref(t->params);
            t->params = json_deep_copy(params);
            t->action = RLT_ACTION_PAUSE; /* it is started again with these */
            free(t->verdict);
            t->verdict = strdup("its parameters change");
        }
    }
    return RLT_OK;
}

static rlt_status note_step(void *user, int columns, const char *const *names, const char *const *v,
                            rlt_err *err) {
    (void)columns, (void)names, (void)err;
    *(int64_t *)user = v[0] != NULL ? strtoll(v[0], NULL, 10) : 0;
    return RLT_OK;
}

rlt_status rlt_driver_first_change(rlt_driver *d, const rlt_driver_entry *t, int64_t step,
                                   int64_t *change, rlt_err *err) {
    int64_t told = 0;
    RLT_TRY(rlt_store_query(d->store, "SELECT max(step) FROM decisions WHERE trial = ?1", &t->id, 1,
                            note_step, &told, err));
    *change = rlt_driver_next_change(d, t, told < step ? told : step);
    return RLT_OK;
}

/* ---- the schedule of a replay, before the run ---- */

typedef struct found_trial {
    int64_t id; /* 0: none */
} found_trial;

static rlt_status note_id(void *user, int columns, const char *const *names, const char *const *v,
                          rlt_err *err) {
    (void)columns, (void)names, (void)err;
    ((found_trial *)user)->id = strtoll(v[0], NULL, 10);
    return RLT_OK;
}

static rlt_status read_from(const char *path, const rlt_tune_fields *tune, json_t **schedule,
                            rlt_err *err) {
    rlt_store *store = NULL;
    found_trial found = {0};
    const int64_t args[] = {tune->replay.experiment, tune->replay.trial};
    RLT_TRY(rlt_store_open(path, RLT_STORE_READ, &store, err));
    rlt_status status = rlt_store_query(store,
                                        "SELECT id FROM trials WHERE experiment = ?1 AND number = "
                                        "?2 AND role = 'search'",
                                        args, 2, note_id, &found, err);
    if (status == RLT_OK && found.id == 0) {
        status = rlt_fail(err, RLT_ECONFIG, "%s: experiment %lld has no trial %lld", path,
                          (long long)args[0], (long long)args[1]);
    }
    if (status == RLT_OK) {
        status = read_schedule(store, found.id, schedule, err);
    }
    rlt_store_close(&store);
    return status;
}

/* The search space becomes the first parameters alone: one trial, whatever its sampler. */
static rlt_status pin(rlt_experiment_config *config, const json_t *params, rlt_err *err) {
    const char *path;
    json_t *value;
    json_object_foreach((json_t *)params, path, value) {
        json_t *fixed = json_pack("{s:s, s:O}", "$space", "fixed", "value", value);
        rlt_status status = rlt_config_set_json(config->json, path, fixed, err);
        json_decref(fixed);
        RLT_TRY(status);
    }
    json_t *tune = json_object_get(config->json, "tune");
    json_object_set_new(tune, "trials", json_integer(1));
    json_object_set_new(tune, "points", json_array());
    config->tune.trials = 1;
    return RLT_OK;
}

rlt_status rlt_driver_load_schedule(const char *db_path, rlt_experiment_config *config,
                                    rlt_err *err) {
    const rlt_tune_fields *tune = &config->tune;
    rlt_err why = {0};
    json_t *schedule = NULL;
    if (!config->tuned || tune->stopper != RLT_STOPPER_PBT_REPLAY) {
        return RLT_OK;
    }
    const char *path = tune->replay.db[0] != 0 ? tune->replay.db : db_path;
    if (read_from(path, tune, &schedule, &why) != RLT_OK) {
        return rlt_fail(err, RLT_ECONFIG, "tune.stopper: pbt_replay found no schedule: %.400s",
                        why.message);
    }
    json_object_set_new(json_object_get(json_object_get(config->json, "tune"), "stopper"),
                        "schedule", schedule);
    return pin(config, json_object_get(json_array_get(schedule, 0), "params"), err);
}
