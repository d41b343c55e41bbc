/* driver: the processes of trials that a process runs which has joined: programs and functions as
 * the driver's own are, learners that talk to the driver by themselves.
 * Thread: one. Owner: the caller. */
#include "driver/join.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

rlt_joined *rlt_join_find(rlt_joiner *j, int64_t number, bool final) {
    for (int i = 0; i < j->count; i++) {
        if (j->trials[i].number == number && j->trials[i].final == final) {
            return &j->trials[i];
        }
    }
    return NULL;
}

static const char *text_of(const json_t *json, const char *name) {
    return json_string_value(json_object_get(json, name));
}

rlt_status rlt_join_open(rlt_joiner *j, rlt_err *err) {
    const char *kind = text_of(j->hello, "kind");
    if (kind != NULL && strcmp(kind, "train") == 0) {
        j->place = (rlt_learner_place){text_of(j->hello, "endpoint"), text_of(j->hello, "keys"),
                                       text_of(j->hello, "folder")};
        return j->place.endpoint != NULL && j->place.keys != NULL && j->place.folder != NULL
                   ? RLT_OK
                   : rlt_fail(err, RLT_EPROTO, "the driver does not say where it listens");
    }
    RLT_TRY(rlt_driver_make_patterns(json_object_get(j->hello, "objective"), &j->patterns, err));
    RLT_TRY(rlt_command_host_create(&j->host, err));
    return rlt_command_host_reserve(j->host, j->parallel, err);
}

void rlt_join_close(rlt_joiner *j) {
    for (int i = 0; i < j->count; i++) {
        rlt_job_end(&j->trials[i].job, 0);
    }
    rlt_command_host_destroy(&j->host);
    rlt_patterns_destroy(&j->patterns);
    json_decref(j->hello);
}

void rlt_join_stop(rlt_joiner *j, const rlt_joined *t) {
    if (j->host != NULL) {
        rlt_command_stop(j->host, rlt_join_id(t));
    }
}

void rlt_join_kill(rlt_joiner *j, const rlt_joined *t) {
    if (j->host != NULL) {
        rlt_command_kill(j->host, rlt_join_id(t));
    } else {
        rlt_job_signal(&t->job, SIGKILL);
    }
}

/* ---- starts ---- */

static rlt_status start_program(rlt_joiner *j, const rlt_joined *t, const json_t *given,
                                rlt_err *err) {
    rlt_task task;
    rlt_status status = rlt_task_read(json_object_get(given, "task"), &task, err);
    task.options.id = rlt_join_id(t);
    task.options.patterns = j->patterns;
    task.options.input = text_of(j->hello, "input");
    status = status == RLT_OK ? rlt_command_start(j->host, &task.options, err) : status;
    rlt_task_fini(&task);
    return status;
}

static rlt_status start_learner(rlt_joiner *j, rlt_joined *t, const json_t *given, rlt_err *err) {
    const char *name = text_of(given, "name");
    return name != NULL ? rlt_learner_launch(&t->job, &j->place, name, t->attempt, err)
                        : rlt_fail(err, RLT_EPROTO, "the driver's answer names no learner");
}

rlt_status rlt_join_start(rlt_joiner *j, const json_t *given, rlt_err *err) {
    rlt_err why = {0};
    rlt_joined *t = &j->trials[j->count++];
    *t = (rlt_joined){.number = json_integer_value(json_object_get(given, "trial")),
                      .attempt = json_integer_value(json_object_get(given, "attempt")),
                      .final = json_is_true(json_object_get(given, "final")),
                      .job = {.pidfd = -1}};
    rlt_status status =
        j->host != NULL ? start_program(j, t, given, &why) : start_learner(j, t, given, &why);
    return status == RLT_OK ? RLT_OK : rlt_join_tell_end(j, t, NULL, &why, err);
}

/* ---- events ---- */

static rlt_status on_report(void *user, int64_t id, const rlt_report *report, rlt_err *err) {
    rlt_joiner *j = user;
    const rlt_joined *t = rlt_join_find(j, id / 2, id % 2 != 0);
    const rlt_asked asked = {.kind = RLT_ASKED_REPORT, .of = *t, .waits = report->asks};
    json_t *values = json_object(), *request = rlt_join_request(t, "report");
    for (int i = 0; i < report->count; i++) {
        double value = report->values[i];
        json_object_set_new(values, report->names[i],
                            isfinite(value) ? json_real(value) : json_null());
    }
    json_object_set_new(request, "step", json_integer(report->step));
    json_object_set_new(request, "values", values);
    return rlt_join_send(j, asked, request, err);
}

static rlt_status on_ended(void *user, int64_t id, const rlt_command_end *end, rlt_err *err) {
    rlt_joiner *j = user;
    return rlt_join_tell_end(j, rlt_join_find(j, id / 2, id % 2 != 0), end, NULL, err);
}

/* Learners whose process has ended, from the last one: those that are told are forgotten. */
static rlt_status reap(rlt_joiner *j, const struct pollfd *items, int count, rlt_err *err) {
    for (int i = count; i-- > 0;) {
        if (items[i].revents != 0) {
            char how[64];
            rlt_job_reap(&j->trials[i].job, how, sizeof how);
            const rlt_command_end end = {.how = how, .tail = "", .names = "", .trouble = ""};
            RLT_TRY(rlt_join_tell_end(j, &j->trials[i], &end, NULL, err));
        }
    }
    return RLT_OK;
}

rlt_status rlt_join_pump(rlt_joiner *j, int timeout_ms, rlt_err *err) {
    const rlt_command_events events = {j, on_report, on_ended};
    int count = j->host != NULL ? 0 : j->count;
    struct pollfd *items = rlt_alloc(sizeof *items * (size_t)(count + 2));
    for (int i = 0; i < count; i++) {
        items[i] = (struct pollfd){.fd = j->trials[i].job.pidfd, .events = POLLIN};
    }
    items[count] = (struct pollfd){.fd = rlt_study_client_fd(j->client), .events = POLLIN};
    items[count + 1] = (struct pollfd){.fd = j->host != NULL ? rlt_command_host_fd(j->host) : -1,
                                       .events = POLLIN};
    rlt_status status = RLT_OK;
    if (poll(items, (nfds_t)count + 2, timeout_ms) > 0) {
        status = items[count].revents != 0 ? rlt_fail(err, RLT_EPEER, "the driver has gone")
                                           : reap(j, items, count, err);
    }
    rlt_free(items);
    RLT_TRY(status);
    return j->host != NULL ? rlt_command_host_pump(j->host, &events, err) : RLT_OK;
}
