/* driver: what must be true before anything starts, and how a run comes back from its rows.
 * Thread: the driver's. Owner: the driver. */
#include "driver/clients.h"
#include "nn/device.h"
#include "worker/worker.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int parallel_of(const rlt_tune_fields *tune, int64_t parallel_max) {
    int64_t parallel = tune->parallel > 0 ? tune->parallel : rlt_scheduler_cores();
    int64_t most = tune->trials * (tune->seeds > 1 ? tune->seeds : 1);
    parallel = parallel < most || most == 0 ? parallel : most;
    parallel = parallel < parallel_max ? parallel : parallel_max;
    return parallel > 0 ? (int)parallel : 1;
}

/* A single run is a population of one, with the defaults of `tune`, its retries above all. */
static rlt_status tune_single_run(rlt_experiment_config *config, rlt_err *err) {
    const rlt_config_section *section = rlt_config_section_find("tune");
    rlt_schema_reader reader = {.path = "tune"};
    json_t *defaults = json_object();
    rlt_status status = rlt_schema_normalise(section->fields, &reader, NULL, defaults, err);
    if (status == RLT_OK) {
        rlt_schema_store(section->fields, defaults, &config->tune);
    }
    json_decref(defaults);
    rlt_tune_fields *tune = &config->tune;
    tune->trials = tune->parallel = 1;
    tune->maximise = true;
    tune->objectives.count = 1;
    snprintf(tune->metric, sizeof(tune->metric), "%s",
             config->run.eval.every > 0 || strcmp(config->run.algo, "bc") == 0 ? "eval_return"
                                                                               : "mean_return");
    return status;
}

rlt_status rlt_driver_open(rlt_driver *d, rlt_err *err) {
    d->kept_value = NAN;
    bool programs = rlt_driver_has_programs(d);
    RLT_TRY(programs ? RLT_OK : rlt_device_check(d->config.run.device, err));
    int length = snprintf(d->folder, sizeof(d->folder), "%s-checkpoints", d->o->db_path);
    if (length < 0 || (size_t)length >= sizeof(d->folder)) {
        return rlt_fail(err, RLT_EINVAL, "%.100s…: the database's path is too long", d->o->db_path);
    }
    RLT_TRY(programs ? rlt_driver_open_programs(d, err) : rlt_mkdirs(d->folder, err));
    if (!d->config.tuned) {
        RLT_TRY(tune_single_run(&d->config, err));
    }
    d->parallel = parallel_of(&d->config.tune, programs ? RLT_PROGRAMS_MAX : RLT_PARALLEL_MAX);
    if (programs) {
        RLT_TRY(rlt_command_host_reserve(d->host, d->parallel, err));
    }
    RLT_TRY(rlt_script_create(d->script_text, strlen(d->script_text), d->script_path, NULL,
                              &d->script, err));
    rlt_script_set_experiment(d->script, d->config.json);
    RLT_TRY(rlt_driver_make_tuner(&d->config, d->script, &d->tuner, err));
    d->copies = rlt_tuner_copies(d->tuner);
    d->timed = rlt_tuner_is_timed(d->tuner);
    rlt_driver_set_schedules(d);
    rlt_channel_options options = {.queue_max = 1024};
    return rlt_channel_bind(&d->channel, &options, err);
}

void rlt_driver_close(rlt_driver *d) {
    rlt_study_server_destroy(&d->server);
    rlt_driver_close_programs(d);
    for (size_t i = 0; i < d->count; i++) {
        rlt_job_end(&d->trials[i].job, 0);
        json_decref(d->trials[i].params);
        free(d->trials[i].verdict);
        free(d->trials[i].measures);
    }
    for (size_t i = 0; i < d->unlink_count; i++) {
        free(d->unlink_after[i]);
    }
    free(d->unlink_after);
    json_decref(d->schedule);
    json_decref(d->final_schedule);
    free(d->trials);
    free(d->views);
    rlt_channel_destroy(d->channel);
    rlt_msg_writer_fini(&d->writer);
    rlt_tuner_destroy(&d->tuner);
    rlt_script_destroy(&d->script);
    rlt_store_close(&d->store);
    rlt_experiment_config_fini(&d->config);
    free(d->script_text);
    free(d->script_path);
}

/* ---- from rows ---- */

static rlt_status restore_trial(void *user, const rlt_trial_row *row, rlt_err *err) {
    rlt_driver *d = user;
    rlt_trial_state state;
    RLT_TRY(rlt_trial_state_parse(row->state, &state, err));
    json_t *params = json_loads(row->params_json, 0, NULL);
    if (params == NULL) {
        return rlt_fail(err, RLT_ECORRUPT, "%s: trial row %lld holds no valid parameters",
                        d->o->db_path, (long long)row->id);
    }
    rlt_driver_entry *t = rlt_driver_add(d);
    t->id = row->id;
    t->number = row->number;
    t->final = strcmp(row->role, "final") == 0;
    t->seed = row->seed;
    t->configuration = row->configuration;
    t->replicate = row->replicate;
    t->parent = row->parent;
    t->attempt = row->attempt;
    t->state = state;
    t->steps = row->steps;
    t->last = row->value;
    t->best = row->best;
    t->params = params;
    t->ended = true;
    t->spent_s = isnan(row->wall_s) ? 0 : row->wall_s;
    t->interrupted =
        state == RLT_TRIAL_RUNNING || state == RLT_TRIAL_PENDING ||
        (state == RLT_TRIAL_PAUSED && strcmp(row->reason, RLT_DRIVER_STOP_REQUESTED) == 0);
    d->interrupted |= t->interrupted;
    t->program.reported = !isnan(row->value);
    t->program.diverged_at = -1;
    t->program.files = true;
    t->steps_max = d->config.run.stop.steps;
    if (d->host != NULL) {
        rlt_driver_note_log(d, t);
    }
    d->failed += state == RLT_TRIAL_FAILED;
    d->steps_before += row->steps;
    return RLT_OK;
}

/* Search trials as the tuner had them: asked for, judged and ended in the order of time. Decisions
 * of a database of version 1 do not know their time: they come before their trial's end, those of
 * live trials last, which is as good for the stoppers that there were then. */
/* Sorted by what is short; texts are looked up afterwards, so that they need not all be in memory.
 */
static const char tuner_calls[] =
    "WITH search AS (SELECT id, number FROM trials WHERE experiment = ?1 AND role = 'search'), "
    "ends AS (SELECT trial, id FROM transitions WHERE to_state IN ('stopped', 'completed', "
    "'failed')), "
    "calls AS (SELECT t.id AS trial, t.number, 'ask' AS call, 0 AS step, 0 AS decision, r.id AS "
    "at, 0 AS part, 0 AS row FROM search t JOIN transitions r ON r.trial = t.id WHERE r.from_state "
    "IS NULL "
    "UNION ALL SELECT t.id, t.number, 'decision', d.step, d.id, coalesce(d.after, e.id, "
    "9223372036854775807), CASE WHEN d.after IS NULL THEN 1 ELSE 3 END, CASE WHEN d.after IS NULL "
    "THEN d.step ELSE d.id END FROM search t JOIN decisions d ON d.trial = t.id AND d.decider NOT "
    "IN ('" RLT_DECIDER_RACE "', '" RLT_DECIDER_REPLAY "') LEFT JOIN ends e ON e.trial = t.id "
    "UNION ALL SELECT t.id, t.number, 'finish', 0, 0, e.id, 2, 0 FROM search t JOIN ends e ON "
    "e.trial = t.id ORDER BY at, part, row, number LIMIT -1) "
    "SELECT c.number, c.call, c.step, CASE c.call WHEN 'decision' THEN d.numbers_json WHEN 'ask' "
    "THEN " RLT_TOLD_PARAMS(
        "t.params_json") " END, CASE c.call WHEN 'decision' THEN "
                         "d.action ELSE EXISTS (SELECT 1 FROM queue q WHERE q.trial = t.id) END, "
                         "d.reason, s.number, "
                         "x.params_json FROM calls c CROSS JOIN trials t ON t.id = c.trial "
                         "LEFT JOIN decisions d ON d.id = c.decision LEFT JOIN exploits x ON "
                         "x.decision = d.id "
                         "LEFT JOIN trials s ON s.id = x.source";

/* What a trial has no value for came into the space after it. */
static rlt_status restore_ask(rlt_driver *d, const rlt_driver_entry *t, const char *const *values,
                              rlt_err *err) {
    if (t->replicate > 0) {
        return rlt_tuner_restore_replicate(d->tuner, t->number, t->configuration, t->replicate,
                                           err);
    }
    bool given = strcmp(values[4], "1") == 0;
    bool open = rlt_driver_is_open(t) && t->params != NULL; /* of ended ones the row has less */
    json_t *params = open ? json_copy(t->params) : json_loads(values[3], JSON_DECODE_ANY, NULL);
    if (rlt_driver_is_external(d)) {
        rlt_tuner_fill(d->tuner, t->number, params);
    }
    rlt_status status = given ? rlt_tuner_restore_point(d->tuner, t->number, params, err)
                              : rlt_tuner_restore(d->tuner, t->number, params, err);
    json_decref(params);
    return status;
}

static rlt_status restore_call(void *user, int columns, const char *const *names,
                               const char *const *values, rlt_err *err) {
    (void)columns;
    (void)names;
    rlt_driver *d = user;
    int64_t number = strtoll(values[0], NULL, 10);
    rlt_driver_entry *t = rlt_driver_trial_of(d, number);
    if (t == NULL) {
        return rlt_fail(err, RLT_ECORRUPT, "%s: rows of search trials before number %lld are gone",
                        d->o->db_path, (long long)number);
    }
    if (strcmp(values[1], "ask") == 0) {
        return restore_ask(d, t, values, err);
    }
    return strcmp(values[1], "decision") == 0
               ? rlt_driver_restore_decision(d, number, values + 2, err)
               : rlt_driver_tell(d, t, t->state, err);
}

rlt_status rlt_driver_replay(rlt_driver *d, rlt_err *err) {
    const int64_t args[] = {d->experiment};
    RLT_TRY(rlt_driver_learn_earlier(d, err));
    return rlt_store_query(d->store, tuner_calls, args, 1, restore_call, d, err);
}

/* A trial that a client runs goes on while its driver was away: the client may come back. */
static bool may_live_on(const rlt_driver *d, const rlt_driver_entry *t) {
    return rlt_driver_is_external(d) && t->state == RLT_TRIAL_RUNNING;
}

static rlt_status restore_states(rlt_driver *d, rlt_err *err) {
    for (size_t i = 0; i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        if (may_live_on(d, t)) {
            d->active++;
            t->ended = false;
            t->program.runs = true;
            t->started = t->seen = rlt_clock_s();
            RLT_TRY(rlt_driver_go_on_at(d, t, t->steps, err));
            rlt_driver_set_milestone(d, t, rlt_driver_amount(d, t, t->steps));
        } else {
            /* of one that had joined, also if only the end of its process had not been told */
            RLT_TRY(rlt_store_lease_end(d->store, t->id, err));
            if (t->state == RLT_TRIAL_RUNNING) { /* its driver died, and it with the driver */
                RLT_TRY(rlt_driver_change(d, t, RLT_TRIAL_PENDING, "the driver had ended", err));
            }
        }
        if (t->state == RLT_TRIAL_STOPPED || t->state == RLT_TRIAL_COMPLETED ||
            t->state == RLT_TRIAL_FAILED) {
            json_decref(t->params);
            t->params = NULL;
        }
    }
    return RLT_OK;
}

static rlt_status restore_rows(rlt_driver *d, rlt_err *err) {
    RLT_TRY(rlt_store_trials(d->store, d->experiment, restore_trial, d, err));
    RLT_TRY(rlt_driver_restore_measures(d, err));
    RLT_TRY(rlt_driver_replay(d, err));
    RLT_TRY(rlt_driver_count_queue(d, err));
    RLT_TRY(rlt_store_event(d->store, d->experiment, 0, "driver.resumed", "", err));
    RLT_TRY(rlt_driver_restore_schedule(d, err));
    return restore_states(d, err);
}

rlt_status rlt_driver_restore(rlt_driver *d, rlt_err *err) {
    RLT_TRY(rlt_store_begin(d->store, err));
    rlt_status status = restore_rows(d, err);
    if (status != RLT_OK) {
        rlt_store_rollback(d->store);
        return status;
    }
    RLT_TRY(rlt_store_commit(d->store, err));
    return rlt_driver_remove_orphans(d, 0, err);
}
