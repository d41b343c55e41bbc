/* driver: clients of the experiment's socket (docs/protocol.md). What a request changes is rows of
 * the group commit that is open; the reply goes out after it. A trial that a client runs is fenced
 * by its attempt, as a learner's is, and is lost when the client gives no sign of life.
 * Thread: the driver's. Owner: the driver. */
#include "driver/clients.h"

#include <math.h>
#include <stdio.h>

enum { GONE_GRACE_S = 10 };

bool rlt_driver_is_external(const rlt_driver *d) {
    return d->config.run.objective.kind == RLT_OBJECTIVE_EXTERNAL;
}

rlt_status rlt_driver_listen(rlt_driver *d, rlt_err *err) {
    char name[RLT_STUDY_NAME_SIZE];
    if (!d->config.tuned) {
        return RLT_OK; /* a single run: nothing to ask for */
    }
    RLT_TRY(rlt_study_name(d->o->db_path, d->experiment, name, err));
    rlt_status status = rlt_study_server_create(name, &d->server, err);
    if (status != RLT_OK && !rlt_driver_is_external(d)) {
        rlt_log(RLT_LOG_WARN, "driver.no_socket", "%s", err->message);
        return RLT_OK; /* it can do without: nobody can enqueue while it runs */
    }
    RLT_TRY(status);
    if (d->o->listening != NULL) {
        d->o->listening(d->o->user, d->experiment, name);
    }
    return RLT_OK;
}

/* What is wrong with a request is its client's business; a database that fails is the driver's. */
static bool is_of_request(rlt_status status) {
    return status == RLT_EINVAL || status == RLT_ESTALE || status == RLT_ECONFIG ||
           status == RLT_ESCRIPT || status == RLT_ELIMIT;
}

static rlt_status on_request(void *user, int64_t client, const json_t *request, json_t **reply,
                             rlt_err *err) {
    rlt_err why = {0};
    rlt_call c = {.d = user, .client = client, .request = request};
    c.reply = json_pack("{s:b}", "ok", 1);
    rlt_status status = rlt_call_run(&c, &why);
    if (status != RLT_OK) {
        json_decref(c.reply);
        c.reply = json_pack("{s:b, s:s, s:s}", "ok", 0, "code",
                            status == RLT_ESTALE    ? "stale"
                            : status == RLT_ECONFIG ? "space"
                                                    : "request",
                            "error", why.message);
    }
    *reply = c.reply;
    if (status != RLT_OK && !is_of_request(status)) {
        *err = why;
        return status;
    }
    return RLT_OK;
}

void rlt_driver_take_back(rlt_driver *d, rlt_driver_entry *t) {
    t->program.runs = t->program.dirty = false;
    d->active--;
    d->lent -= t->lent;
    t->lent = false;
}

/* Trials of a client have a short while to be claimed when it comes again; a process that has
 * joined does not. */
static void on_gone(void *user, int64_t client) {
    rlt_driver *d = user;
    double silence_s = d->config.run.objective.silence_s, now = rlt_clock_s();
    for (size_t i = d->first_open; i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        if (t->client == client && (t->lent || t->state == RLT_TRIAL_RUNNING)) {
            t->client = 0;
            t->seen = t->lent ? -INFINITY : fmin(t->seen, now - fmax(silence_s - GONE_GRACE_S, 0));
        }
    }
}

/* Trials whose client is silent go to somebody else. */
static rlt_status drop_silent(rlt_driver *d, rlt_err *err) {
    double silence_s = d->config.run.objective.silence_s, now = rlt_clock_s();
    char cause[160];
    snprintf(cause, sizeof cause, "its client gave no sign of life for %g s (objective.silence_s)",
             silence_s);
    for (size_t i = d->first_open; i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        if (t->state == RLT_TRIAL_RUNNING && now - t->seen > silence_s) {
            rlt_driver_take_back(d, t);
            RLT_TRY(rlt_store_lease_end(d->store, t->id, err));
            RLT_TRY(rlt_driver_broken(d, t, cause, err));
        }
    }
    return RLT_OK;
}

rlt_status rlt_driver_pump_clients(rlt_driver *d, rlt_err *err) {
    const rlt_study_events events = {d, on_request, on_gone};
    RLT_TRY(rlt_study_server_pump(d->server, &events, err));
    return rlt_driver_is_external(d) ? drop_silent(d, err) : rlt_lend_drop_lost(d, err);
}
