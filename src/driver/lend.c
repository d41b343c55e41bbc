/* driver: trials that a process runs which has joined (`rltune join`, join.c): their processes are
 * its children, all else stays here. A program's reports come as requests; a learner talks to the
 * driver's own channel, so that only its start and its end are requests. Such a trial counts as
 * running until its process is told to have ended, as one of the driver's own.
 * Thread: the driver's. Owner: the driver. */
#include "driver/clients.h"
#include "driver/learners.h"
#include "driver/wire.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { SILENCE_MAX_S = 30 };

static bool trains(const rlt_driver *d) {
    return d->host == NULL;
}

/* ---- what all trials have in common ---- */

static rlt_status put_learners(const rlt_driver *d, json_t *reply, rlt_err *err) {
    char keys[RLT_CREDENTIALS_SIZE], folder[PATH_MAX];
    if (getcwd(folder, sizeof folder) == NULL) {
        return rlt_fail(err, RLT_EINVAL, "the driver's working folder has gone");
    }
    rlt_keys_format(rlt_channel_keys(d->channel), keys);
    json_object_set_new(reply, "endpoint", json_string(rlt_channel_endpoint(d->channel)));
    json_object_set_new(reply, "keys", json_string(keys));
    json_object_set_new(reply, "folder", json_string(folder));
    return RLT_OK;
}

rlt_status rlt_lend_hello(rlt_call *c, rlt_err *err) {
    static const char *const kinds[] = {[RLT_OBJECTIVE_TRAIN] = "train",
                                        [RLT_OBJECTIVE_COMMAND] = "command",
                                        [RLT_OBJECTIVE_FUNCTION] = "function",
                                        [RLT_OBJECTIVE_EXTERNAL] = "external"};
    const rlt_driver *d = c->d;
    json_object_set_new(c->reply, "kind", json_string(kinds[d->config.run.objective.kind]));
    json_object_set_new(c->reply, "rltune",
                        json_string(d->o->version != NULL ? d->o->version : ""));
    if (trains(d)) {
        return put_learners(d, c->reply, err);
    }
    json_t *objective = json_object_get(d->config.json, "objective");
    json_object_set(c->reply, "objective", objective);
    if (d->function_setup != NULL) {
        json_object_set_new(c->reply, "input", json_string(d->function_setup));
    }
    return RLT_OK;
}

/* ---- a start ---- */

rlt_status rlt_lend_check(const rlt_call *c, rlt_err *err) {
    return json_is_true(json_object_get(c->request, "join"))
               ? RLT_OK
               : rlt_fail(err, RLT_EINVAL,
                          "the driver runs the trials of this experiment itself; those of "
                          "objective = { \"external\" } can be asked for, others by rltune join");
}

bool rlt_lend_is_finished(const rlt_driver *d) {
    return d->ending != NULL || (d->exhausted && d->finals_planned && d->active == 0);
}

rlt_status rlt_lend_task(rlt_call *c, rlt_driver_entry *t, rlt_err *err) {
    char name[RLT_PEER_NAME_MAX + 1];
    json_t *task;
    t->lent = true;
    c->d->lent++;
    json_object_set_new(c->reply, "final", json_boolean(t->final));
    if (trains(c->d)) {
        rlt_driver_learner_name(t, name);
        json_object_set_new(c->reply, "name", json_string(name));
        return RLT_OK;
    }
    RLT_TRY(rlt_driver_describe_program(c->d, t, &task, err));
    json_object_set_new(c->reply, "task", task);
    return RLT_OK;
}

/* ---- an end ---- */

static rlt_status end_of_process(rlt_driver *d, rlt_driver_entry *t, const json_t *request,
                                 rlt_err *err) {
    const rlt_command_end end = rlt_end_read(request);
    const char *unstarted = json_string_value(json_object_get(request, "unstarted"));
    char cause[256];
    if (unstarted != NULL) {
        bool missing = json_is_true(json_object_get(request, "missing"));
        snprintf(cause, sizeof cause, "%.250s", unstarted);
        return rlt_driver_unstarted(d, t, cause, missing, err);
    }
    if (!trains(d)) {
        return rlt_driver_program_ended(d, t, &end, err);
    }
    snprintf(cause, sizeof cause, RLT_LEARNER_ENDED, end.how);
    return rlt_driver_learner_gone(d, t, cause, err);
}

/* Its process is no more: the entry is free again. */
static rlt_status take_back(rlt_driver *d, rlt_driver_entry *t, rlt_err *err) {
    rlt_driver_take_back(d, t);
    return rlt_store_lease_end(d->store, t->id, err);
}

rlt_status rlt_lend_ended(rlt_call *c, rlt_err *err) {
    rlt_driver_entry *t;
    RLT_TRY(rlt_call_given(c, c->request, &t, err));
    RLT_TRY(take_back(c->d, t, err));
    RLT_TRY(end_of_process(c->d, t, c->request, err));
    json_object_set_new(c->reply, "state", json_string(rlt_trial_state_name(t->state)));
    json_object_set_new(c->reply, "keep_log", json_boolean(t->program.keeps_log));
    return RLT_OK;
}

/* Whoever joined is to end: a learner writes its checkpoint and leaves. What came of it is told by
 * the end of its process. */
rlt_status rlt_lend_give_back(rlt_call *c, rlt_err *err) {
    const json_t *trials = json_object_get(c->request, "trials");
    size_t i;
    json_t *named;
    json_array_foreach((json_t *)trials, i, named) {
        rlt_driver_entry *t;
        rlt_err stale;
        if (rlt_call_named(c, named, &t, &stale) != RLT_OK) {
            continue;
        }
        t->returned = true;
        if (trains(c->d) && t->stop_reason == NULL && !t->ended) {
            t->stop_reason = RLT_RETURNED;
            RLT_TRY(rlt_driver_stop(c->d, t, err));
        }
    }
    return RLT_OK;
}

/* ---- who gives no sign of life ---- */

/* A learner that talks to the driver needs nobody else, as long as its parent lives. */
static bool is_lost(const rlt_driver *d, const rlt_driver_entry *t) {
    bool talks = trains(d) && !t->ended && !t->silent && t->heard > t->started;
    bool gone = isinf(t->seen), silent = rlt_clock_s() - t->seen > SILENCE_MAX_S;
    return d->stop_seen > 1 || gone || (silent && !talks);
}

static rlt_status lose(rlt_driver *d, rlt_driver_entry *t, rlt_err *err) {
    char cause[160];
    bool gone = isinf(t->seen);
    RLT_TRY(take_back(d, t, err));
    if (gone) {
        snprintf(cause, sizeof cause, "the process that had joined and ran it has gone");
    } else {
        snprintf(cause, sizeof cause,
                 "the process that had joined and ran it gave no sign of life for %d s",
                 SILENCE_MAX_S);
    }
    if (trains(d)) {
        return rlt_driver_learner_gone(d, t, cause, err);
    }
    return d->stop_seen > 1 ? rlt_driver_again(d, t, "stop requested twice", err)
           : t->returned    ? rlt_driver_again(d, t, RLT_RETURNED, err)
                            : rlt_driver_broken(d, t, cause, err);
}

rlt_status rlt_lend_drop_lost(rlt_driver *d, rlt_err *err) {
    for (size_t i = d->first_open; d->lent > 0 && i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        if (t->lent && is_lost(d, t)) {
            RLT_TRY(lose(d, t, err));
        }
    }
    return RLT_OK;
}
