/* driver: what a process that has joined asks the driver, and what the answers lead to.
 * Thread: one. Owner: the caller. */
#include "driver/join.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CALL_S = 60, APPETITE_MAX = 32 };
static const double ask_every_s = 0.2;

json_t *rlt_join_request(const rlt_joined *t, const char *op) {
    return json_pack("{s:s, s:I, s:I, s:b}", "op", op, "trial", (json_int_t)t->number, "attempt",
                     (json_int_t)t->attempt, "final", (int)t->final);
}

json_t *rlt_join_names(const rlt_joiner *j) {
    json_t *names = json_array();
    for (int i = 0; i < j->count; i++) {
        const rlt_joined *t = &j->trials[i];
        json_array_append_new(names, json_pack("[I, I, b]", (json_int_t)t->number,
                                               (json_int_t)t->attempt, (int)t->final));
    }
    return names;
}

rlt_status rlt_join_send(rlt_joiner *j, rlt_asked asked, json_t *request, rlt_err *err) {
    rlt_status status = j->asked_count == RLT_ASKED_MAX ? rlt_join_settle(j, err) : RLT_OK;
    status = status == RLT_OK ? rlt_study_send(j->client, request, err) : status;
    json_decref(request);
    RLT_TRY(status);
    j->asked[j->asked_count++] = asked;
    return RLT_OK;
}

/* ---- answers ---- */

static rlt_joined *same_attempt(rlt_joiner *j, const rlt_joined *of) {
    rlt_joined *t = rlt_join_find(j, of->number, of->final);
    return t != NULL && t->attempt == of->attempt ? t : NULL;
}

static rlt_status on_trial(rlt_joiner *j, const json_t *reply, rlt_err *err) {
    if (json_is_integer(json_object_get(reply, "trial"))) {
        j->appetite = j->appetite < APPETITE_MAX ? 2 * j->appetite : j->appetite;
        return rlt_join_start(j, reply, err);
    }
    j->finished = json_is_true(json_object_get(reply, "finished"));
    j->next_ask = rlt_clock_s() + ask_every_s;
    j->appetite = 1;
    return RLT_OK;
}

static void on_report(rlt_joiner *j, const rlt_asked *asked, const json_t *reply) {
    const char *action = json_string_value(json_object_get(reply, "action"));
    const json_t *milestone = json_object_get(reply, "milestone");
    const rlt_joined *t = same_attempt(j, &asked->of);
    bool stop = action != NULL && strcmp(action, "stop") == 0;
    if (t != NULL && asked->waits) {
        const json_t *seconds = json_object_get(reply, "asks_in_s");
        rlt_command_reply(j->host, rlt_join_id(t), stop,
                          json_is_integer(milestone) ? json_integer_value(milestone) : INT64_MAX,
                          json_is_number(seconds) ? json_number_value(seconds) : (double)INFINITY);
    }
    if (t != NULL && stop) {
        rlt_join_stop(j, t);
    }
}

static void on_end(rlt_joiner *j, const rlt_asked *asked, const json_t *reply) {
    const char *state = json_string_value(json_object_get(reply, "state"));
    if (j->host != NULL &&
        json_is_true(json_object_get(reply, "keep_log"))) { /* while the host tells of it */
        rlt_command_keep_log(j->host, rlt_join_id(&asked->of));
    }
    if (state != NULL && strcmp(state, "paused") != 0) {
        rlt_join_say(j, "%strial %lld %s", asked->of.final ? "final " : "",
                     (long long)asked->of.number,
                     strcmp(state, "pending") == 0 ? "is to be tried again" : state);
        j->done += strcmp(state, "pending") != 0;
    }
}

static rlt_joined *read_name(rlt_joiner *j, const json_t *name) {
    return rlt_join_find(j, json_integer_value(json_array_get(name, 0)),
                         json_is_true(json_array_get(name, 2)));
}

static void on_beat(rlt_joiner *j, const json_t *reply) {
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(reply, "stop"), i, name) {
        const rlt_joined *t = read_name(j, name);
        if (t != NULL) {
            rlt_join_stop(j, t);
        }
    }
    static const char *const fatal[] = {"kill", "lost"};
    for (size_t k = 0; k < RLT_COUNT(fatal); k++) {
        json_array_foreach(json_object_get(reply, fatal[k]), i, name) {
            const rlt_joined *t = read_name(j, name);
            if (t != NULL) {
                rlt_join_kill(j, t);
            }
        }
    }
}

static rlt_status on_reply(rlt_joiner *j, const rlt_asked *asked, const json_t *reply,
                           rlt_err *err) {
    switch (asked->kind) {
    case RLT_ASKED_TRIAL:
        return on_trial(j, reply, err);
    case RLT_ASKED_REPORT:
        on_report(j, asked, reply);
        break;
    case RLT_ASKED_END:
        on_end(j, asked, reply);
        break;
    case RLT_ASKED_BEAT:
        on_beat(j, reply);
        break;
    }
    return RLT_OK;
}

/* The trial is somebody else's by now: what runs here is of no use. */
static void on_stale(rlt_joiner *j, const rlt_asked *asked) {
    const rlt_joined *t = same_attempt(j, &asked->of);
    if (asked->kind == RLT_ASKED_REPORT && t != NULL) {
        rlt_join_kill(j, t);
    }
}

rlt_status rlt_join_settle(rlt_joiner *j, rlt_err *err) {
    while (j->asked_read < j->asked_count) { /* an answer may lead to further requests */
        json_t *reply;
        const rlt_asked asked = j->asked[j->asked_read++];
        rlt_status status = rlt_study_receive(j->client, CALL_S, &reply, err);
        if (status == RLT_ESTALE) {
            on_stale(j, &asked);
            continue;
        }
        RLT_TRY(status);
        status = on_reply(j, &asked, reply, err);
        json_decref(reply);
        RLT_TRY(status);
    }
    j->asked_count = j->asked_read = 0;
    return RLT_OK;
}

/* ---- ends ---- */

rlt_status rlt_join_tell_end(rlt_joiner *j, rlt_joined *t, const rlt_command_end *end,
                             const rlt_err *why, rlt_err *err) {
    const rlt_asked asked = {.kind = RLT_ASKED_END, .of = *t};
    json_t *request = rlt_join_request(t, "ended");
    *t = j->trials[--j->count];
    if (end != NULL) {
        rlt_end_put(request, end);
    } else {
        json_object_set_new(request, "unstarted", json_string(why->message));
        json_object_set_new(request, "missing", json_boolean(why->code == RLT_ENOTFOUND));
    }
    RLT_TRY(rlt_join_send(j, asked, request, err));
    /* the answer says whether its output stays, as long as it is there */
    return end != NULL && end->tail != NULL && end->tail[0] != 0 ? rlt_join_settle(j, err) : RLT_OK;
}
