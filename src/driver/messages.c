/* driver: what learners say. Everything is written to the store first; the answers go out after
 * the group commit. Thread: the driver's. Owner: the driver. */
#include "driver/programs.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 1024, VALUES_MAX = 64, DRAIN_MAX = 1024 };

/* "t<trial id>-<attempt>" of a trial whose learner this may be; NULL for stale owners (I2). */
static rlt_driver_entry *entry_of(rlt_driver *d, const rlt_packet *packet) {
    int64_t id, attempt;
    if (sscanf(packet->peer, "t%" SCNd64 "-%" SCNd64, &id, &attempt) != 2 ||
        (uint64_t)attempt != packet->msg->epoch) {
        return NULL;
    }
    for (size_t i = d->first_open; i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        if (t->id == id) {
            return t->attempt == attempt && !t->ended ? t : NULL;
        }
    }
    return NULL;
}

static bool better(const rlt_driver *d, double a, double b) {
    return isnan(b) || (d->config.tune.maximise ? a > b : a < b);
}

void rlt_driver_note_value(rlt_driver *d, rlt_driver_entry *t, double value) {
    if (!isnan(value)) {
        t->last = value;
        t->best = better(d, value, t->best) ? value : t->best;
    }
}

static rlt_status store_metrics(rlt_driver *d, rlt_driver_entry *t, const rlt_msg *msg,
                                int64_t step, rlt_err *err) {
    char names[NAMES_MAX], *rest = names;
    double values[VALUES_MAX];
    size_t count = 0;
    RLT_TRY(rlt_msg_get_str(msg, "names", names, sizeof(names), err));
    RLT_TRY(rlt_msg_get_f64s(msg, "values", values, VALUES_MAX, &count, err));
    for (size_t i = 0; i < count; i++) {
        char *name = strsep(&rest, ",");
        if (name == NULL || *name == '\0') {
            return rlt_fail(err, RLT_EPROTO, "%zu values came with fewer names", count);
        }
        if (strcmp(name, "steps_per_s") == 0) {
            t->steps_per_s = values[i];
        }
        rlt_driver_measure_note(d, t, name, step, values[i]);
        RLT_TRY(rlt_store_metric(d->store, t->id, step, name, values[i], err));
    }
    return RLT_OK;
}

/* Whether the tuned metric has no value yet, which is something else than not a number. */
static bool is_missing(const rlt_msg *msg) {
    uint64_t missing;
    return rlt_msg_get_u64(msg, "missing", &missing, NULL) == RLT_OK && missing != 0;
}

static rlt_status on_metrics(rlt_driver *d, rlt_driver_entry *t, const rlt_msg *msg, rlt_err *err) {
    int64_t step, milestone;
    double value;
    RLT_TRY(rlt_msg_get_i64(msg, "step", &step, err));
    RLT_TRY(rlt_msg_get_i64(msg, "milestone", &milestone, err));
    RLT_TRY(rlt_msg_get_f64(msg, "value", &value, err));
    if (step < 0 || milestone < 0) {
        return rlt_fail(err, RLT_EPROTO, "metrics at step %lld", (long long)step);
    }
    RLT_TRY(rlt_msg_get_f64(msg, "ran_s", &t->ran_s, err));
    RLT_TRY(store_metrics(d, t, msg, step, err));
    RLT_TRY(rlt_driver_note_time(d, t, step, err));
    t->steps = step;
    rlt_driver_note_value(d, t, value);
    if (milestone > 0 && rlt_driver_follows(d, t)) {
        RLT_TRY(rlt_driver_follow(d, t, milestone, value, err));
    } else if (milestone > 0 && !t->final) {
        RLT_TRY(rlt_driver_decide(d, t, milestone, value, is_missing(msg), err));
    }
    rlt_trial_progress progress = {.trial = t->id,
                                   .attempt = t->attempt,
                                   .steps = t->steps,
                                   .value = t->last,
                                   .best = t->best,
                                   .wall_s = rlt_driver_wall_s(t)};
    return rlt_store_trial_progress(d->store, &progress, err);
}

static rlt_status on_checkpoint(rlt_driver *d, rlt_driver_entry *t, const rlt_msg *msg,
                                rlt_err *err) {
    rlt_checkpoint_row row = {.trial = t->id, .attempt = t->attempt};
    RLT_TRY(rlt_msg_get_i64(msg, "step", &row.step, err));
    RLT_TRY(rlt_msg_get_i64(msg, "size", &row.size, err));
    RLT_TRY(rlt_msg_get_str(msg, "path", row.path, sizeof(row.path), err));
    RLT_TRY(rlt_msg_get_str(msg, "sha256", row.sha256, sizeof(row.sha256), err));
    RLT_TRY(rlt_store_checkpoint_add(d->store, &row, err));
    return rlt_driver_prune(d, t, err);
}

static rlt_status store_final(rlt_driver *d, rlt_driver_entry *t, const rlt_msg *msg,
                              rlt_err *err) {
    static const char *const names[] = {"eval_mean", "eval_std"};
    static const char *const series[] = {"final_eval_return", "final_eval_std"};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        double value;
        RLT_TRY(rlt_msg_get_f64(msg, names[i], &value, err));
        if (!isnan(value)) {
            RLT_TRY(rlt_store_metric(d->store, t->id, t->steps, series[i], value, err));
        }
    }
    return RLT_OK;
}

/* A trial that was asked to stop is paused where it can go on, stopped where it should not; one
 * that its stopper told to pause is, unless it has been ruled meanwhile that it ends. What the
 * stopper has decided stands, whatever else the trial was asked for. */
static rlt_trial_state end_of(const rlt_driver *d, const rlt_driver_entry *t, rlt_trial_state said,
                              char *reason, size_t size) {
    rlt_trial_state to = said;
    const char *why = NULL;
    int64_t step = INT64_MAX; /* that it is to wait at */
    bool waits = !t->final && rlt_tuner_waits(d->tuner, t->number, &step) && t->steps >= step;
    bool stops = t->stopped_at > 0 &&
                 (t->stop_reason == NULL || t->steps >= t->stopped_at); /* and is there */
    if (stops && (to == RLT_TRIAL_PAUSED || to == RLT_TRIAL_STOPPED)) {
        to = RLT_TRIAL_STOPPED;
        why = t->verdict;
    } else if (to == RLT_TRIAL_PAUSED && t->stop_reason != NULL) {
        bool resumable = d->stop_seen > 0 || t->returned || d->fatal.code == RLT_EFULL;
        to = resumable ? RLT_TRIAL_PAUSED : RLT_TRIAL_STOPPED;
        why = resumable && waits ? t->verdict : t->stop_reason;
    } else if (to == RLT_TRIAL_PAUSED || (to == RLT_TRIAL_STOPPED && t->stop_reason == NULL)) {
        why = t->verdict;
    }
    if (why != NULL) {
        snprintf(reason, size, "%s", why);
    }
    const char *missing = isnan(t->last) ? d->config.tune.metric : NULL;
    int64_t ignored;
    if (to == RLT_TRIAL_COMPLETED &&
        (missing != NULL || rlt_driver_measures_lack(d, t, &missing, &ignored))) {
        size_t at = strlen(reason);
        snprintf(reason + at, size - at, "; it never had any %.60s", missing);
    }
    return to;
}

static rlt_status on_done(rlt_driver *d, rlt_driver_entry *t, const rlt_msg *msg, rlt_err *err) {
    char state[16], reason[256];
    double value;
    RLT_TRY(rlt_msg_get_str(msg, "state", state, sizeof(state), err));
    RLT_TRY(rlt_msg_get_str(msg, "reason", reason, sizeof(reason), err));
    RLT_TRY(rlt_msg_get_i64(msg, "step", &t->steps, err));
    RLT_TRY(rlt_msg_get_f64(msg, "value", &value, err));
    rlt_trial_state to;
    RLT_TRY(rlt_trial_state_parse(state, &to, err));
    rlt_driver_note_value(d, t, value);
    RLT_TRY(store_final(d, t, msg, err));
    to = end_of(d, t, to, reason, sizeof(reason));
    t->reply = RLT_REPLY_LEAVE;
    return rlt_driver_finish(d, t, to, reason, err);
}

static bool is_infrastructure(rlt_status status) {
    switch (status) {
    case RLT_EIO:
    case RLT_EBUSY:
    case RLT_EPROTO:
    case RLT_ETIMEOUT:
    case RLT_EPEER:
    case RLT_ENOMEM:
    case RLT_ESTALE:
        return true;
    default:
        return false;
    }
}

static rlt_status on_failed(rlt_driver *d, rlt_driver_entry *t, const rlt_msg *msg, rlt_err *err) {
    uint64_t code, loading;
    char message[512];
    RLT_TRY(rlt_msg_get_u64(msg, "status", &code, err));
    RLT_TRY(rlt_msg_get_u64(msg, "loading", &loading, err));
    RLT_TRY(rlt_msg_get_str(msg, "message", message, sizeof(message), err));
    RLT_TRY(rlt_msg_get_i64(msg, "step", &t->steps, err));
    rlt_status status = code <= RLT_ESTALE ? (rlt_status)code : RLT_EPROTO;
    t->reply = RLT_REPLY_LEAVE;
    if ((status == RLT_ECORRUPT || status == RLT_ENOTFOUND) && loading != 0 && t->resumable) {
        RLT_TRY(rlt_driver_forget(d, t, message, err));
        return rlt_driver_again(d, t, message, err); /* not the trial's fault */
    }
    if ((status == RLT_ECORRUPT || status == RLT_ENOTFOUND || status == RLT_ENOTSUP) &&
        loading != 0 && t->inherits != 0) {
        RLT_TRY(rlt_driver_disinherit(d, t, message, err));
        return rlt_driver_again(d, t, message, err);
    }
    if (status == RLT_EFULL) { /* nothing is lost: it goes on once there is space again */
        rlt_fail(&d->fatal, RLT_EFULL,
                 "%.250s; free some space, then: rltune resume %lld --db %.150s", message,
                 (long long)d->experiment, d->o->db_path);
        return rlt_driver_finish(d, t, RLT_TRIAL_PAUSED, message, err);
    }
    return is_infrastructure(status) ? rlt_driver_broken(d, t, message, err)
                                     : rlt_driver_finish(d, t, RLT_TRIAL_FAILED, message, err);
}

static rlt_status handle(rlt_driver *d, rlt_driver_entry *t, const rlt_packet *packet,
                         rlt_err *err) {
    t->heard = rlt_clock_s();
    switch (packet->msg->type) {
    case RLT_MSG_HELLO:
        RLT_TRY(rlt_driver_task(d, t, err));
        return t->stop_reason != NULL ? rlt_driver_stop(d, t, err) : RLT_OK;
    case RLT_MSG_METRICS:
        return on_metrics(d, t, packet->msg, err);
    case RLT_MSG_CHECKPOINT:
        return on_checkpoint(d, t, packet->msg, err);
    case RLT_MSG_DONE:
        return on_done(d, t, packet->msg, err);
    case RLT_MSG_FAILED:
        return on_failed(d, t, packet->msg, err);
    default:
        return RLT_OK;
    }
}

rlt_status rlt_driver_drain(rlt_driver *d, rlt_err *err) {
    for (int i = 0; i < DRAIN_MAX; i++) {
        rlt_packet packet;
        rlt_status status = rlt_channel_recv(d->channel, &packet, 0, err);
        if (status == RLT_ETIMEOUT || status == RLT_EINTERRUPTED) {
            return RLT_OK;
        }
        if (status == RLT_EPROTO) {
            rlt_log(RLT_LOG_WARN, "driver.bad_packet", "%s", err->message);
            continue;
        }
        RLT_TRY(status);
        rlt_driver_entry *t = entry_of(d, &packet);
        if (t == NULL) {
            continue; /* a stale owner's words */
        }
        status = handle(d, t, &packet, err);
        if (status == RLT_EPROTO) {
            rlt_log(RLT_LOG_WARN, "driver.bad_message", "%s: %s", packet.peer, err->message);
            continue;
        }
        RLT_TRY(status);
    }
    return RLT_OK;
}

rlt_status rlt_driver_replies(rlt_driver *d, rlt_err *err) {
    for (size_t i = d->first_open; i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        if (d->host != NULL) {
            rlt_driver_reply_program(d, t);
            continue;
        }
        if (t->reply == RLT_REPLY_NONE) {
            continue;
        }
        rlt_reply reply = t->reply;
        t->reply = RLT_REPLY_NONE;
        rlt_msg_begin(&d->writer, reply == RLT_REPLY_LEAVE ? RLT_MSG_DONE : RLT_MSG_DECISION,
                      (uint64_t)t->attempt, 0);
        if (reply == RLT_REPLY_DECISION) {
            rlt_msg_put_str(&d->writer, "action", rlt_action_name(t->action));
            rlt_msg_put_i64(&d->writer, "milestone", t->milestone);
            rlt_msg_put_f64(&d->writer, "asks_at_s", rlt_driver_asks_at_s(d, t));
        }
        RLT_TRY(rlt_driver_send(d, t, err));
    }
    return RLT_OK;
}
