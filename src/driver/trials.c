/* driver: rows and processes of trials. A row says what is about to happen before it does.
 * Thread: the driver's. Owner: the driver. */
#include "driver/learners.h"
#include "driver/programs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rlt_status rlt_driver_change(rlt_driver *d, rlt_driver_entry *t, rlt_trial_state to,
                             const char *reason, rlt_err *err) {
    RLT_ASSERT(rlt_trial_may_become(t->state, to));
    rlt_trial_change change = {
        .trial = t->id,
        .attempt = t->attempt,
        .from = rlt_trial_state_name(t->state),
        .to = rlt_trial_state_name(to),
        .reason = reason,
        .steps = t->steps,
        .value = t->last,
        .best = t->best,
        .wall_s = t->attempt > 0 ? rlt_driver_wall_s(t) : NAN,
    };
    RLT_TRY(rlt_driver_write_change(d, t, &change, err));
    t->spent_s = t->attempt > 0 ? change.wall_s : 0;
    t->attempt = rlt_trial_change_attempt(&change);
    t->state = to;
    return RLT_OK;
}

static bool is_terminal(rlt_trial_state state) {
    return state == RLT_TRIAL_STOPPED || state == RLT_TRIAL_COMPLETED || state == RLT_TRIAL_FAILED;
}

rlt_status rlt_driver_finish(rlt_driver *d, rlt_driver_entry *t, rlt_trial_state to,
                             const char *reason, rlt_err *err) {
    RLT_TRY(rlt_driver_change(d, t, to, reason, err));
    t->ended = true;
    t->steps_per_s = 0;
    bool turns = d->copies || rlt_driver_follows(d, t);
    if (to == RLT_TRIAL_PAUSED && turns && t->stop_reason == NULL) {
        return RLT_OK; /* its turn is over: nothing to tell at every milestone */
    }
    const char *role = t->final ? "final " : "";
    const char *metric = d->config.tune.metric;
    if (isnan(t->last) || strncmp(reason, metric, strlen(metric)) == 0) {
        rlt_driver_say(d, "%strial %lld %s after %lld steps: %s", role, (long long)t->number,
                       rlt_trial_state_name(to), (long long)t->steps, reason);
    } else {
        rlt_buf result = {0};
        rlt_driver_result_text(d, t, &result);
        rlt_driver_say(d, "%strial %lld %s after %lld steps, %s: %s", role, (long long)t->number,
                       rlt_trial_state_name(to), (long long)t->steps, result.data, reason);
        rlt_buf_fini(&result);
    }
    if (!is_terminal(to)) {
        return RLT_OK;
    }
    rlt_driver_count_end(d, t, to, reason);
    if (d->host != NULL) {
        rlt_driver_clean_program(d, t, to);
    }
    json_decref(t->params);
    t->params = NULL;
    free(t->verdict);
    t->verdict = NULL;
    if (d->copies && !t->final && to == RLT_TRIAL_COMPLETED) {
        RLT_TRY(rlt_driver_void_exploit(d, t, err));
    }
    if (d->copies && d->host == NULL) { /* nobody will copy it any more */
        RLT_TRY(rlt_driver_prune(d, t, err));
    }
    if (t->final) {
        return RLT_OK;
    }
    RLT_TRY(rlt_driver_tell(d, t, to, err));
    return rlt_driver_raced(d, t, err);
}

/* Infrastructure broke it: again from its newest checkpoint, as often as max_retries allows. */
rlt_status rlt_driver_broken(rlt_driver *d, rlt_driver_entry *t, const char *cause, rlt_err *err) {
    char reason[256];
    if (t->retries >= d->config.tune.max_retries) {
        snprintf(reason, sizeof(reason), "%.180s; tune.max_retries = %lld used up", cause,
                 (long long)d->config.tune.max_retries);
        return rlt_driver_finish(d, t, RLT_TRIAL_FAILED, reason, err);
    }
    t->retries++;
    snprintf(reason, sizeof(reason), "retry %d of %lld: %.200s", t->retries,
             (long long)d->config.tune.max_retries, cause);
    return rlt_driver_again(d, t, reason, err);
}

rlt_status rlt_driver_again(rlt_driver *d, rlt_driver_entry *t, const char *reason, rlt_err *err) {
    RLT_TRY(rlt_driver_change(d, t, RLT_TRIAL_PENDING, reason, err));
    t->ended = true;
    rlt_driver_say(d, "%strial %lld %s, %s", t->final ? "final " : "", (long long)t->number,
                   d->host != NULL ? "starts again" : "goes on from its last checkpoint", reason);
    return RLT_OK;
}

rlt_status rlt_driver_stop_open(rlt_driver *d, bool finals, const char *reason, rlt_err *err) {
    for (size_t i = d->first_open; i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        bool open = t->state == RLT_TRIAL_PENDING || t->state == RLT_TRIAL_PAUSED;
        if (open && (finals || !t->final)) {
            RLT_TRY(rlt_driver_finish(d, t, RLT_TRIAL_STOPPED, reason, err));
        }
    }
    return RLT_OK;
}

/* ---- planning ---- */

static rlt_status set_integer(json_t *run, const char *path, int64_t value, rlt_err *err) {
    json_t *number = json_integer(value);
    rlt_status status = rlt_config_set_json(run, path, number, err);
    json_decref(number);
    return status;
}

static rlt_status fill_config(rlt_driver *d, const rlt_driver_entry *t, json_t *run, rlt_err *err) {
    if (rlt_driver_has_programs(d)) {
        return set_integer(run, "seed", t->seed, err);
    }
    int64_t threads = d->config.run.threads;
    if (threads == 0) {
        threads = rlt_scheduler_cores() / d->parallel;
    }
    RLT_TRY(set_integer(run, "seed", t->seed, err));
    RLT_TRY(set_integer(run, "threads", threads > 0 ? threads : 1, err));
    return t->final ? set_integer(run, "eval.episodes", d->config.tune.final.episodes, err)
                    : RLT_OK;
}

rlt_status rlt_driver_trial_config(rlt_driver *d, const rlt_driver_entry *t, json_t **out,
                                   rlt_err *err) {
    json_t *run = NULL;
    RLT_TRY(rlt_config_trial_json(d->config.json, t->params, &run, err));
    rlt_status status = fill_config(d, t, run, err);
    if (status != RLT_OK) {
        json_decref(run);
        return status;
    }
    *out = run;
    return RLT_OK;
}

/* The pending row, with parameters and concrete configuration. */
rlt_status rlt_driver_create_row(rlt_driver *d, rlt_driver_entry *t, rlt_err *err) {
    json_t *run = NULL;
    RLT_TRY(rlt_driver_trial_config(d, t, &run, err));
    rlt_run_config check;
    rlt_status status = rlt_run_config_load(run, &check, err);
    rlt_trial_row row = {.experiment = d->experiment,
                         .number = t->number,
                         .seed = t->seed,
                         .configuration = t->configuration,
                         .replicate = t->replicate,
                         .parent = t->parent,
                         .value = NAN,
                         .best = NAN,
                         .wall_s = NAN};
    snprintf(row.role, sizeof(row.role), "%s", t->final ? "final" : "search");
    rlt_driver_describe_parent(d, t, row.reason, sizeof(row.reason));
    row.params_json = json_dumps(t->params, JSON_COMPACT | JSON_SORT_KEYS);
    row.config_json = json_dumps(run, JSON_COMPACT);
    if (status == RLT_OK) {
        t->steps_max = check.stop.steps;
        status = rlt_store_trial_create(d->store, &row, &t->id, err);
    }
    free(row.params_json);
    free(row.config_json);
    json_decref(run);
    return status;
}

/* A script's function that fails, or that returns what no trial can use: it would again. */
static bool is_of_configuration(rlt_status status) {
    return status == RLT_EINVAL || status == RLT_ECONFIG || status == RLT_ESCRIPT ||
           status == RLT_ELIMIT;
}

/* The sampler's next trial, *made; sets d->exhausted when there is none, *later when there may be
 * one once a trial has ended. */
static rlt_status ask(rlt_driver *d, bool *later, rlt_driver_entry **made, rlt_err *err) {
    int64_t number, queued = 0;
    json_t *params = NULL;
    rlt_status status = d->queued > 0 ? rlt_driver_ask_queued(d, &queued, &number, &params, err)
                                      : rlt_tuner_ask(d->tuner, &number, &params, err);
    *later = status == RLT_EBUSY;
    if (status == RLT_ENOTFOUND || status == RLT_EBUSY) {
        d->exhausted = status == RLT_ENOTFOUND;
        return rlt_driver_rulings(d, err); /* those that wait have nobody else to wait for */
    }
    if (status == RLT_OK) {
        rlt_driver_entry *t = rlt_driver_add(d);
        t->number = number;
        rlt_tuner_replicate(d->tuner, number, &t->configuration, &t->replicate);
        t->params = params;
        /* with replicates, the k-th of all configurations have the same seed */
        t->seed = d->config.run.seed + (d->config.tune.seeds > 1 ? t->replicate : number);
        status = rlt_driver_find_parent(d, t, err);
        if (status == RLT_OK) {
            status = rlt_driver_create_row(d, t, err);
        }
        t = status == RLT_OK ? rlt_driver_place(d) : t;
        *made = status == RLT_OK ? t : NULL;
        if (status == RLT_OK && queued != 0) {
            d->queued--;
            status = rlt_store_queue_take(d->store, queued, t->id, err);
        }
        if (status != RLT_OK) {
            json_decref(params);
            free(t->measures);
            d->count--;
        }
    }
    if (!is_of_configuration(status)) {
        return status;
    }
    d->fatal = *err; /* the running trials save checkpoints, then the experiment ends */
    d->ending = "no further trial can be made";
    return RLT_OK;
}

/* Its stopper has it wait, and the checkpoint to go on from is there. */
static bool is_waiting(const rlt_driver *d, const rlt_driver_entry *t) {
    return t->state == RLT_TRIAL_PAUSED && !t->final && rlt_tuner_waits(d->tuner, t->number, NULL);
}

bool rlt_driver_may_start(const rlt_driver *d, const rlt_driver_entry *t) {
    return (t->state == RLT_TRIAL_PENDING || t->state == RLT_TRIAL_PAUSED) &&
           !rlt_driver_has_process(t) && !is_waiting(d, t);
}

/* A pending or paused trial that may be started, or NULL. Retrainings wait for the search's end: of
 * one that has grown, who the winner is. */
static rlt_driver_entry *next_open(rlt_driver *d) {
    rlt_driver_entry *first = rlt_driver_interrupted(d);
    for (size_t i = d->first_open; first == NULL && i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        if (i == d->first_open && is_terminal(t->state) && !rlt_driver_has_process(t)) {
            d->first_open++;
        }
        if (rlt_driver_may_start(d, t) && (!t->final || d->finals_planned)) {
            return d->copies && !t->final ? rlt_driver_next_in_turn(d) : t;
        }
    }
    return first;
}

/* Its stopper had decided to end it or to have it wait, and the checkpoint of that moment is there:
 * only the learner's last word was lost. From an older checkpoint it comes to the same decision
 * again. */
static rlt_status settle(rlt_driver *d, rlt_driver_entry *t, bool *settled, rlt_err *err) {
    rlt_checkpoint_row row = {0};
    int64_t step = t->stopped_at;
    bool waits = !t->final && rlt_tuner_waits(d->tuner, t->number, &step);
    *settled = false;
    if (step == 0) {
        return RLT_OK;
    }
    if (d->host == NULL) { /* a program has nothing to save after the decision */
        rlt_status status = rlt_store_checkpoint_latest(d->store, t->id, INT64_MAX, &row, err);
        if (status == RLT_ENOTFOUND || (status == RLT_OK && row.step < step)) {
            return RLT_OK;
        }
        RLT_TRY(status);
    }
    *settled = true;
    return rlt_driver_finish(d, t, waits ? RLT_TRIAL_PAUSED : RLT_TRIAL_STOPPED, t->verdict, err);
}

/* The next trial to run, or NULL: there is none, or (*later) none before another one has ended. */
static rlt_status next_trial(rlt_driver *d, rlt_driver_entry **next, bool *later, rlt_err *err) {
    *later = false;
    while (d->ending == NULL) {
        bool all_first = d->copies && !d->exhausted; /* a population is one */
        *next = all_first ? NULL : next_open(d);
        *later = false;
        if (*next == NULL && (!d->exhausted || d->queued > 0)) {
            rlt_driver_entry *made = NULL;
            RLT_TRY(ask(d, later, &made, err));
            if (!*later || next_open(d) != NULL) { /* one that waited may have been ruled on */
                continue;
            }
        }
        bool settled = false;
        RLT_TRY(*next != NULL ? settle(d, *next, &settled, err) : RLT_OK);
        if (!settled) {
            return RLT_OK;
        }
    }
    *next = NULL;
    return RLT_OK;
}

static rlt_status start(rlt_driver *d, rlt_driver_entry *t, rlt_err *err) {
    const char *reason = t->state == RLT_TRIAL_PAUSED ? "goes on" : "started";
    RLT_TRY(rlt_driver_change(d, t, RLT_TRIAL_RUNNING, reason, err));
    t->ended = t->silent = t->interrupted = t->returned = t->timed_from = false;
    t->before_s = t->ran_s = 0;
    t->stop_reason = NULL;
    t->started = t->heard = t->seen = rlt_clock_s();
    d->active++;
    return RLT_OK;
}

rlt_status rlt_driver_start_next(rlt_driver *d, rlt_driver_entry **t, rlt_err *err) {
    bool later;
    *t = NULL;
    RLT_TRY(next_trial(d, t, &later, err));
    return *t != NULL ? start(d, *t, err) : RLT_OK;
}

rlt_status rlt_driver_start_point(rlt_driver *d, const json_t *given, rlt_driver_entry **t,
                                  rlt_err *err) {
    bool later;
    *t = NULL;
    RLT_TRY(rlt_driver_add_point(d, given, err));
    d->newest_first = true;
    rlt_status status = ask(d, &later, t, err);
    d->newest_first = false;
    RLT_TRY(status);
    return *t != NULL ? start(d, *t, err) : RLT_OK;
}

/* Trials are started when somebody asks for one; here is only seen that none is left. */
static void plan_external(rlt_driver *d) {
    d->exhausted |= rlt_tuner_is_full(d->tuner) && d->queued == 0;
    d->finals_planned |= d->exhausted && d->active == 0;
}

rlt_status rlt_driver_plan(rlt_driver *d, rlt_err *err) {
    if (rlt_driver_is_external(d)) {
        plan_external(d);
        return RLT_OK;
    }
    while (d->ending == NULL && d->active - d->lent < d->parallel) {
        rlt_driver_entry *t;
        bool later;
        RLT_TRY(next_trial(d, &t, &later, err));
        if (t == NULL && !later && d->active == 0 && !d->finals_planned && d->ending == NULL) {
            RLT_TRY(rlt_driver_plan_finals(d, err));
            continue;
        }
        if (t == NULL) {
            break;
        }
        RLT_TRY(start(d, t, err));
        t->spawn = true;
    }
    return RLT_OK;
}

/* ---- processes ---- */

rlt_status rlt_driver_unstarted(rlt_driver *d, rlt_driver_entry *t, const char *why, bool missing,
                                rlt_err *err) {
    return missing ? rlt_driver_finish(d, t, RLT_TRIAL_FAILED, why, err)
                   : rlt_driver_broken(d, t, why, err);
}

rlt_status rlt_driver_spawn(rlt_driver *d, rlt_err *err) {
    for (size_t i = d->first_open; i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        if (t->spawn) {
            t->spawn = false;
            rlt_err why;
            rlt_log(RLT_LOG_DEBUG, "driver.spawns", "clock %.6f", rlt_clock_s());
            rlt_status status = d->host != NULL ? rlt_driver_start_program(d, t, &why)
                                                : rlt_driver_start_learner(d, t, &why);
            if (status != RLT_OK) {
                d->active--;
                RLT_TRY(rlt_driver_unstarted(d, t, why.message, status == RLT_ENOTFOUND, err));
            }
        }
    }
    return RLT_OK;
}

/* The first step at which a trial that goes on from `step` asks. Where a checkpoint comes before
 * the question, the one for this very step may not have been asked yet. */
rlt_status rlt_driver_first_milestone(rlt_driver *d, rlt_driver_entry *t, int64_t step,
                                      rlt_err *err) {
    t->milestone = t->due_ms = INT64_MAX;
    if (rlt_driver_follows(d, t)) {
        return rlt_driver_first_change(d, t, step, &t->milestone, err);
    }
    if (t->final) {
        return RLT_OK;
    }
    bool after_all = step == INT64_MAX; /* what was asked last */
    int64_t amount = after_all ? step : rlt_driver_amount(d, t, step);
    if (d->copies) {
        int64_t judged = rlt_tuner_judged(d->tuner, t->number);
        amount = judged < amount ? judged : amount;
    }
    rlt_driver_set_milestone(d, t, amount);
    return RLT_OK;
}

/* What the learner of a trial is told when it has said hello. */
rlt_status rlt_driver_task(rlt_driver *d, rlt_driver_entry *t, rlt_err *err) {
    char stem[96], inherit[1024] = "";
    rlt_checkpoint_row parent = {0};
    int64_t step;
    int at =
        snprintf(stem, sizeof(stem), "e%lld-t%lld", (long long)d->experiment, (long long)t->id);
    if (t->lent) { /* it may outlive the moment at which it is given up: a name for each attempt */
        snprintf(stem + at, sizeof(stem) - (size_t)at, "-a%lld", (long long)t->attempt);
    }
    rlt_msg_begin(&d->writer, RLT_MSG_TASK, (uint64_t)t->attempt, 0);
    RLT_TRY(rlt_driver_put_origin(d, t, &step, err));
    t->resumable = step >= 0;
    t->inherits = 0;
    if (!t->resumable) {
        RLT_TRY(rlt_driver_inherited(d, t, &parent, inherit, sizeof(inherit), err));
    }
    json_t *run = NULL;
    RLT_TRY(rlt_driver_trial_config(d, t, &run, err));
    char *config = json_dumps(run, JSON_COMPACT);
    json_decref(run);
    rlt_msg_put_str(&d->writer, "config", config);
    rlt_msg_put_str(&d->writer, "script", d->script_text);
    rlt_msg_put_str(&d->writer, "script_name", d->script_path);
    rlt_msg_put_str(&d->writer, "folder", d->folder);
    rlt_msg_put_str(&d->writer, "stem", stem);
    rlt_msg_put_str(&d->writer, "metric", d->config.tune.metric);
    rlt_msg_put_str(&d->writer, "inherit", inherit);
    rlt_msg_put_str(&d->writer, "inherit_sha256", parent.sha256);
    char *space = rlt_driver_space(d, t);
    rlt_msg_put_str(&d->writer, "space", space);
    free(space);
    rlt_msg_put_u64(&d->writer, "only_measure", rlt_driver_stage(d, t) == RLT_STAGE_SHARED);
    bool follows = rlt_driver_follows(d, t);
    RLT_TRY(rlt_driver_go_on_at(d, t, step, err));
    RLT_TRY(rlt_driver_first_milestone(d, t, step >= 0 ? step : 0, err));
    rlt_msg_put_u64(&d->writer, "save_first", (!t->final && d->copies) || follows);
    rlt_msg_put_i64(&d->writer, "milestone", t->milestone);
    rlt_msg_put_f64(&d->writer, "asks_at_s", rlt_driver_asks_at_s(d, t));
    const char *why;
    rlt_msg_put_f64(&d->writer, "ends_at_s", rlt_driver_ends_at_s(d, t, &why));
    rlt_msg_put_str(&d->writer, "ends_why", why);
    free(config);
    return rlt_driver_send(d, t, err);
}

rlt_status rlt_driver_send(rlt_driver *d, const rlt_driver_entry *t, rlt_err *err) {
    char name[RLT_PEER_NAME_MAX + 1];
    rlt_driver_learner_name(t, name);
    RLT_TRY(rlt_msg_end(&d->writer, err));
    rlt_status status = rlt_channel_send(d->channel, name, &d->writer, NULL, 0, 5000, err);
    /* a learner that is gone or stuck shows as a dead process or a missed deadline */
    return status == RLT_EPEER || status == RLT_ETIMEOUT ? RLT_OK : status;
}

rlt_status rlt_driver_stop(rlt_driver *d, const rlt_driver_entry *t, rlt_err *err) {
    if (d->host != NULL) {
        rlt_command_stop(d->host, rlt_driver_key(t));
        return RLT_OK;
    }
    rlt_msg_begin(&d->writer, RLT_MSG_STOP, (uint64_t)t->attempt, 0);
    return rlt_driver_send(d, t, err);
}

/* A learner that has not said hello yet is told right after its task. */
void rlt_driver_stop_all(rlt_driver *d, const char *reason) {
    for (size_t i = d->first_open; i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        if (t->state == RLT_TRIAL_RUNNING && t->stop_reason == NULL) {
            rlt_err ignored;
            t->stop_reason = reason;
            rlt_driver_stop(d, t, &ignored);
        }
    }
}
