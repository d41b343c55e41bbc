/* driver: the loop. One pass: messages, dead processes, new trials, one group commit, then the
 * answers and the new processes. Thread: the caller's. Owner: the caller. */
#include "driver/learners.h"
#include "driver/programs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POLL_MS = 100, END_GRACE_MS = 2000, LINGER_S = 2 };

/* ---- processes that ended ---- */

static rlt_status on_exit_of(rlt_driver *d, rlt_driver_entry *t, rlt_err *err) {
    char how[64], cause[128];
    rlt_job_reap(&t->job, how, sizeof(how));
    snprintf(cause, sizeof(cause), RLT_LEARNER_ENDED, how);
    d->active--;
    return rlt_driver_learner_gone(d, t, cause, err);
}

/* Waits for something to happen; *exited[i] are indices of trials whose process has ended. */
static rlt_status wait_for_events(rlt_driver *d, size_t *exited, size_t *exited_count,
                                  rlt_err *err) {
    rlt_poll_item items[RLT_POLL_ITEMS_MAX] = {{.channel = d->channel}};
    size_t indices[RLT_POLL_ITEMS_MAX];
    int count = 1, ready = 0;
    if (d->host != NULL) { /* a place of its own in the list; it is pumped in any case */
        items[count++] = (rlt_poll_item){.fd = rlt_command_host_fd(d->host)};
    }
    if (d->server != NULL) {
        items[count++] = (rlt_poll_item){.fd = rlt_study_server_fd(d->server)};
    }
    int first = count;
    for (size_t i = d->first_open; i < d->count && count < RLT_POLL_ITEMS_MAX; i++) {
        if (rlt_job_is_running(&d->trials[i].job)) {
            indices[count] = i;
            items[count++] = (rlt_poll_item){.fd = d->trials[i].job.pidfd};
        }
    }
    int timeout_ms = d->active > 0 || rlt_driver_is_external(d) ? POLL_MS : 0;
    rlt_status status = rlt_channel_poll(items, count, timeout_ms, &ready, err);
    if (status != RLT_OK && status != RLT_EINTERRUPTED) {
        return status;
    }
    *exited_count = 0;
    for (int i = first; status == RLT_OK && i < count; i++) {
        if (items[i].ready) {
            exited[(*exited_count)++] = indices[i];
        }
    }
    return RLT_OK;
}

/* ---- why no more trials are started ---- */

static void check_requests(rlt_driver *d) {
    int stop = d->o->stop != NULL ? (int)*d->o->stop : 0;
    stop = stop == 0 && d->stop_asked ? 1 : stop;
    if (stop > 0 && d->stop_seen == 0) {
        d->stop_seen = stop;
        d->ending = RLT_DRIVER_STOP_REQUESTED;
        const char *s = d->active == 1 ? "s" : "", *plural = d->active == 1 ? "" : "s";
        rlt_driver_say(d, "stopping: %d running trial%s %s%s%s", d->active, plural,
                       d->host != NULL ? "end" : "save", s, d->host != NULL ? "" : " a checkpoint");
    }
    if (stop > 1 && d->stop_seen < 2) {
        d->stop_seen = 2;
        rlt_driver_kill_programs(d);
        for (size_t i = d->first_open; i < d->count; i++) {
            rlt_job_signal(&d->trials[i].job, SIGKILL);
        }
    }
}

static void check_limits(rlt_driver *d, rlt_err *err) {
    const rlt_tune_fields *tune = &d->config.tune;
    if (d->ending != NULL) {
        return;
    }
    if (d->fatal.code != RLT_OK) {
        d->ending = "an error that needs a person";
    } else if (d->config.tuned && d->failed > tune->max_failed) {
        d->ending = "tune.max_failed passed";
        rlt_fail(err, RLT_EFAILED, "%lld trials failed, more than tune.max_failed = %lld%s%s",
                 (long long)d->failed, (long long)tune->max_failed,
                 d->failure[0] != 0 ? "; the last one was " : "", d->failure);
        d->fatal = *err;
    }
}

/* A goal or a time budget ends the search, not the retraining of the winner. */
static rlt_status check_search(rlt_driver *d, rlt_err *err) {
    double budget_s = d->config.tune.budget.wall_s;
    const char *reason = rlt_tuner_goal_reached(d->tuner) ? "tune.goal reached"
                         : budget_s > 0 && rlt_clock_s() - d->started > budget_s
                             ? "tune.budget.wall_s passed"
                             : NULL;
    if (d->finals_planned || reason == NULL) {
        return RLT_OK;
    }
    if (d->search_ended == NULL) {
        rlt_driver_say(d, "the search ends: %s", reason);
        d->search_ended = reason;
        d->exhausted = true;
    }
    rlt_driver_stop_all(d, d->search_ended);
    return rlt_driver_stop_open(d, false, d->search_ended, err);
}

static bool is_finished(const rlt_driver *d) {
    if (rlt_driver_is_external(d) && d->stop_seen > 0) {
        return true; /* clients go on, and tell the next driver */
    }
    if (d->active > 0) {
        return false;
    }
    if (d->ending != NULL) {
        return true;
    }
    for (size_t i = d->first_open; i < d->count; i++) {
        rlt_trial_state state = d->trials[i].state;
        if (state == RLT_TRIAL_PENDING || state == RLT_TRIAL_RUNNING || state == RLT_TRIAL_PAUSED) {
            return false;
        }
    }
    return d->exhausted && d->finals_planned;
}

/* ---- the loop ---- */

static rlt_status write_rows(rlt_driver *d, const size_t *exited, size_t exited_count,
                             rlt_err *err) {
    RLT_TRY(rlt_driver_drain(d, err));
    if (d->host != NULL) {
        RLT_TRY(rlt_driver_pump_programs(d, err));
    }
    if (d->server != NULL) {
        RLT_TRY(rlt_driver_pump_clients(d, err));
    }
    for (size_t i = 0; i < exited_count; i++) {
        RLT_TRY(on_exit_of(d, &d->trials[exited[i]], err));
    }
    RLT_TRY(rlt_driver_rulings(d, err));
    RLT_TRY(check_search(d, err));
    check_limits(d, err);
    return rlt_driver_plan(d, err);
}

static rlt_status pass(rlt_driver *d, rlt_err *err) {
    size_t exited[RLT_POLL_ITEMS_MAX], exited_count = 0;
    RLT_TRY(wait_for_events(d, exited, &exited_count, err));
    check_requests(d);
    rlt_driver_kill_silent(d);
    RLT_TRY(rlt_store_begin(d->store, err));
    rlt_status status = write_rows(d, exited, exited_count, err);
    if (status != RLT_OK) {
        rlt_store_rollback(d->store);
        return status;
    }
    RLT_TRY(rlt_store_commit(d->store, err));
    RLT_TRY(rlt_driver_remove_files(d, err));
    if (d->server != NULL) {
        rlt_study_server_flush(d->server);
    }
    RLT_TRY(rlt_driver_replies(d, err));
    RLT_TRY(rlt_driver_spawn(d, err));
    if (d->ending != NULL) {
        rlt_driver_stop_all(d, d->ending);
    }
    rlt_driver_show(d, false);
    rlt_driver_drop_ended(d);
    return RLT_OK;
}

static void kill_all(rlt_driver *d) {
    rlt_driver_close_programs(d);
    for (size_t i = 0; i < d->count; i++) {
        rlt_job_end(&d->trials[i].job, 0);
    }
}

static const char *end_state(const rlt_driver *d) {
    if (d->stop_seen > 0 || d->fatal.code == RLT_EFULL) {
        return "stopped";
    }
    bool all_failed = d->failed > 0 && d->failed == (int64_t)d->count + d->dropped.count;
    return d->fatal.code != RLT_OK || all_failed ? "failed" : "completed";
}

/* What is not to go on is stopped, in one transaction with the end of the experiment. */
static rlt_status write_end(rlt_driver *d, rlt_err *err) {
    const char *state = end_state(d);
    if (strcmp(state, "stopped") != 0) {
        const char *reason = d->ending != NULL ? d->ending : "the experiment has ended";
        RLT_TRY(rlt_driver_stop_open(d, true, reason, err));
    }
    return rlt_store_experiment_end(d->store, d->experiment, state, err);
}

static rlt_status close_rows(rlt_driver *d, rlt_err *err) {
    RLT_TRY(rlt_store_begin(d->store, err));
    rlt_status status = write_end(d, err);
    if (status != RLT_OK) {
        rlt_store_rollback(d->store);
        return status;
    }
    RLT_TRY(rlt_store_commit(d->store, err));
    d->closed = true;
    return RLT_OK;
}

/* Clients that ask again are told that the search has ended, before the socket goes. */
static bool lingers(rlt_driver *d) {
    if (!rlt_driver_is_external(d) || d->ending != NULL || rlt_study_server_count(d->server) == 0) {
        return false;
    }
    d->over = d->over > 0 ? d->over : rlt_clock_s();
    return rlt_clock_s() - d->over < LINGER_S;
}

static rlt_status run_loop(rlt_driver *d, rlt_driver_result *result, rlt_err *err) {
    d->started = rlt_clock_s();
    rlt_log(RLT_LOG_DEBUG, "driver.ready", "clock %.6f", d->started);
    while (!is_finished(d) || lingers(d)) {
        rlt_status status = pass(d, err);
        if (status != RLT_OK) {
            kill_all(d);
            return rlt_fail(err, status,
                            "%.300s; what is in the database is safe, go on with: "
                            "rltune resume %lld --db %.120s",
                            err->message, (long long)d->experiment, d->o->db_path);
        }
    }
    RLT_TRY(close_rows(d, err));
    RLT_TRY(rlt_driver_remove_orphans(d, 0, err));
    rlt_driver_show(d, true);
    result->experiment = d->experiment;
    result->best_number = rlt_tuner_best(d->tuner, &result->best_value);
    result->failed = d->failed;
    result->stopped = d->stop_seen > 0;
    if (d->fatal.code != RLT_OK) {
        return rlt_fail(err, d->fatal.code, "%s", d->fatal.message);
    }
    if (d->failed > 0 && d->failed == (int64_t)d->count + d->dropped.count) {
        return rlt_fail(err, RLT_EFAILED,
                        "every trial failed%s%s; the causes: rltune show %lld --db %.150s",
                        d->failure[0] != 0 ? "; the last one was " : "", d->failure,
                        (long long)d->experiment, d->o->db_path);
    }
    return RLT_OK;
}

/* Those besides the first objective, which is part of the experiment's row. */
static rlt_status add_objectives(rlt_driver *d, rlt_err *err) {
    const rlt_tune_fields *tune = &d->config.tune;
    for (int i = 1; i < tune->objectives.count; i++) {
        RLT_TRY(rlt_store_objective_add(d->store, d->experiment, i, tune->objectives.names[i],
                                        tune->objectives.maximise[i], err));
    }
    for (int i = 0; i < tune->constraints.count; i++) {
        RLT_TRY(
            rlt_store_constraint_add(d->store, d->experiment, i, tune->constraints.names[i], err));
    }
    return RLT_OK;
}

static rlt_status create_experiment(rlt_driver *d, rlt_err *err) {
    rlt_experiment_row row = {.maximise = d->config.tune.maximise,
                              .script = d->script_text,
                              .script_path = d->script_path,
                              .facts_json = (char *)d->o->facts_json};
    snprintf(row.name, sizeof(row.name), "%s", d->config.name);
    snprintf(row.metric, sizeof(row.metric), "%s", d->config.tune.metric);
    row.config_json = json_dumps(d->config.json, JSON_COMPACT);
    RLT_TRY(rlt_store_begin(d->store, err));
    rlt_status status = rlt_store_experiment_create(d->store, &row, &d->experiment, err);
    free(row.config_json);
    if (status == RLT_OK) {
        status = add_objectives(d, err);
    }
    if (status == RLT_OK) {
        status = rlt_driver_copy_earlier(d, err);
    }
    if (status != RLT_OK) {
        rlt_store_rollback(d->store);
        return status;
    }
    return rlt_store_commit(d->store, err);
}

/* As much as can still be written: the cause, that nobody runs the trials, and that resume may go
 * on. Where not even that can be (a full disk), resume finds it out by itself. */
static void note_error(rlt_driver *d, const rlt_err *why) {
    rlt_err ignored;
    if (d->store == NULL || d->experiment == 0) {
        return;
    }
    rlt_store_event(d->store, d->experiment, 0, "driver.error", why->message, &ignored);
    for (size_t i = d->first_open; i < d->count && !d->closed; i++) {
        if (d->trials[i].state == RLT_TRIAL_RUNNING) {
            rlt_driver_change(d, &d->trials[i], RLT_TRIAL_PENDING, why->message, &ignored);
        }
    }
    if (!d->closed) {
        rlt_store_experiment_end(d->store, d->experiment, "stopped", &ignored);
    }
}

rlt_status rlt_driver_run(const rlt_driver_options *options, rlt_script *script,
                          rlt_driver_result *result, rlt_err *err) {
    rlt_driver d = {.o = options};
    rlt_status status;
    *result = (rlt_driver_result){.best_number = -1};
    rlt_log(RLT_LOG_DEBUG, "driver.script_read", "clock %.6f", rlt_clock_s());
    RLT_TRY_GOTO(rlt_driver_check(options, script, &d.config, err), done);
    rlt_log(RLT_LOG_DEBUG, "driver.checked", "clock %.6f", rlt_clock_s());
    size_t size;
    d.script_text = strdup(rlt_script_text(script, &size));
    d.script_path = strdup(rlt_script_name(script));
    RLT_TRY_GOTO(rlt_store_open(options->db_path, RLT_STORE_WRITE, &d.store, err), done);
    rlt_log(RLT_LOG_DEBUG, "driver.database_open", "clock %.6f", rlt_clock_s());
    RLT_TRY_GOTO(rlt_driver_open(&d, err), done);
    RLT_TRY_GOTO(create_experiment(&d, err), done);
    result->experiment = d.experiment;
    RLT_TRY_GOTO(rlt_driver_learn_earlier(&d, err), done);
    RLT_TRY_GOTO(rlt_driver_listen(&d, err), done);
    status = run_loop(&d, result, err);
done:
    if (status != RLT_OK) {
        note_error(&d, err);
    }
    rlt_driver_close(&d);
    return status;
}

static rlt_status load_experiment(rlt_driver *d, int64_t id, rlt_err *err) {
    rlt_experiment_row row;
    RLT_TRY(rlt_store_experiment_get(d->store, id, &row, err));
    d->experiment = id;
    d->script_text = strdup(row.script != NULL ? row.script : "");
    d->script_path = strdup(row.script_path != NULL ? row.script_path : "");
    json_t *raw = json_loads(row.config_json, 0, NULL);
    rlt_experiment_row_fini(&row);
    if (raw == NULL) {
        return rlt_fail(err, RLT_ECORRUPT, "%s: experiment %lld holds no valid configuration",
                        d->o->db_path, (long long)id);
    }
    json_t *tune = json_object_get(raw, "tune");
    if (d->o->trials > 0 && tune == NULL) {
        json_decref(raw);
        return rlt_fail(err, RLT_EINVAL, "experiment %lld is a single run: it has no trials to add",
                        (long long)id);
    }
    if (d->o->trials > 0) {
        json_object_set_new(tune, "trials", json_integer(d->o->trials));
    }
    rlt_config_place nowhere = {0};
    rlt_status status = rlt_experiment_config_load(raw, &nowhere, &d->config, err);
    json_decref(raw);
    return status;
}

/* More trials than before are part of the experiment from now on. */
static rlt_status keep_trials(rlt_driver *d, rlt_err *err) {
    if (d->o->trials == 0) {
        return RLT_OK;
    }
    char *json = json_dumps(d->config.json, JSON_COMPACT), text[64];
    rlt_status status = rlt_store_experiment_config(d->store, d->experiment, json, err);
    free(json);
    RLT_TRY(status);
    snprintf(text, sizeof text, "tune.trials = %lld", (long long)d->o->trials);
    return rlt_store_event(d->store, d->experiment, 0, "driver.trials", text, err);
}

rlt_status rlt_driver_resume(const rlt_driver_options *options, int64_t experiment,
                             rlt_driver_result *result, rlt_err *err) {
    rlt_driver d = {.o = options};
    rlt_status status;
    int64_t epoch;
    *result = (rlt_driver_result){.best_number = -1, .experiment = experiment};
    RLT_TRY_GOTO(rlt_store_open(options->db_path, RLT_STORE_WRITE, &d.store, err), done);
    RLT_TRY_GOTO(load_experiment(&d, experiment, err), done);
    RLT_TRY_GOTO(rlt_store_experiment_own(d.store, experiment, &epoch, err), done);
    RLT_TRY_GOTO(keep_trials(&d, err), done);
    RLT_TRY_GOTO(rlt_driver_open(&d, err), done);
    RLT_TRY_GOTO(rlt_driver_restore(&d, err), done);
    RLT_TRY_GOTO(rlt_driver_listen(&d, err), done);
    status = run_loop(&d, result, err);
done:
    if (status != RLT_OK) {
        note_error(&d, err);
    }
    rlt_driver_close(&d);
    return status;
}

static rlt_status enqueue(rlt_driver *d, const json_t *point, rlt_err *err) {
    rlt_experiment_row row;
    char state[16];
    int64_t epoch;
    RLT_TRY(rlt_store_experiment_get(d->store, d->experiment, &row, err));
    snprintf(state, sizeof state, "%s", row.state);
    rlt_experiment_row_fini(&row);
    RLT_TRY(rlt_store_experiment_own(d->store, d->experiment, &epoch, err));
    RLT_TRY(rlt_script_create(d->script_text, strlen(d->script_text), d->script_path, NULL,
                              &d->script, err));
    rlt_script_set_experiment(d->script, d->config.json);
    RLT_TRY(rlt_driver_make_tuner(&d->config, d->script, &d->tuner, err));
    RLT_TRY(rlt_driver_count_queue(d, err));
    rlt_status status = rlt_driver_add_point(d, point, err);
    rlt_err ignored; /* it is as it was: taking it had made it "running" */
    bool ended = strcmp(state, "running") != 0;
    rlt_store_experiment_end(d->store, d->experiment, ended ? state : "stopped", &ignored);
    return status;
}

rlt_status rlt_driver_enqueue(const char *db_path, int64_t experiment, const json_t *point,
                              int64_t *queued, rlt_err *err) {
    const rlt_driver_options options = {.db_path = db_path};
    rlt_driver d = {.o = &options};
    rlt_status status;
    RLT_TRY_GOTO(rlt_store_open(db_path, RLT_STORE_WRITE, &d.store, err), done);
    RLT_TRY_GOTO(load_experiment(&d, experiment, err), done);
    status = enqueue(&d, point, err);
    *queued = d.queued;
done:
    rlt_driver_close(&d);
    return status;
}
