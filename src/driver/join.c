/* driver: a second process that runs programs of an experiment which another one drives
 * (`rltune join`). It asks for trials, starts their programs, passes on what they report and tells
 * how they end; rows and decisions are the owner's. A trial whose process is lost with this one is
 * started again by the owner, as nobody beats for it.
 * Thread: one. Owner: the caller. */
#include "driver/programs.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CALL_S = 60, POLL_MS = 100 };
static const double beat_every_s = 1, ask_every_s = 0.2;

typedef struct joined { /* a trial that runs here */
    int64_t number, attempt;
    bool lost; /* it is somebody else's by now */
} joined;
typedef struct joiner {
    const rlt_driver_options *o;
    rlt_study_client *client;
    rlt_command_host *host;
    rlt_patterns *patterns; /* of the objective, once the first task has come */
    bool has_patterns;
    joined *trials; /* [parallel] */
    int count, parallel;
    bool finished, stopping;
    double next_beat, next_ask;
    char who[128];
    int64_t done;
} joiner;

static joined *find(joiner *j, int64_t number) {
    for (int i = 0; i < j->count; i++) {
        if (j->trials[i].number == number) {
            return &j->trials[i];
        }
    }
    return NULL;
}

static void say(const joiner *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(const joiner *j, const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (j->o->event != NULL) {
        j->o->event(j->o->user, text);
    }
}

/* Takes the request's reference. */
static rlt_status call(joiner *j, json_t *request, json_t **reply, rlt_err *err) {
    rlt_status status = rlt_study_call(j->client, request, CALL_S, reply, err);
    json_decref(request);
    return status;
}

static json_t *request_of(const joined *t, const char *op) {
    return json_pack("{s:s, s:I, s:I}", "op", op, "trial", (json_int_t)t->number, "attempt",
                     (json_int_t)t->attempt);
}

/* ---- what programs say ---- */

static void on_stale(joiner *j, joined *t) {
    t->lost = true;
    rlt_command_kill(j->host, t->number);
}

static rlt_status on_report(void *user, int64_t id, const rlt_report *report, rlt_err *err) {
    joiner *j = user;
    joined *t = find(j, id);
    json_t *reply, *values = json_object(), *request = request_of(t, "report");
    for (int i = 0; i < report->count; i++) {
        json_object_set_new(values, report->names[i],
                            isfinite(report->values[i]) ? json_real(report->values[i])
                                                        : json_null());
    }
    json_object_set_new(request, "step", json_integer(report->step));
    json_object_set_new(request, "values", values);
    rlt_status status = call(j, request, &reply, err);
    if (status == RLT_ESTALE) {
        on_stale(j, t);
        return RLT_OK;
    }
    RLT_TRY(status);
    const char *action = json_string_value(json_object_get(reply, "action"));
    const json_t *milestone = json_object_get(reply, "milestone");
    bool stop = action != NULL && strcmp(action, "stop") == 0;
    if (report->asks) {
        rlt_command_reply(j->host, id, stop,
                          json_is_integer(milestone) ? json_integer_value(milestone) : INT64_MAX);
    }
    if (stop) {
        rlt_command_stop(j->host, id);
    }
    json_decref(reply);
    return RLT_OK;
}

/* How its process ended, as the owner is told. */
static const char *state_of(const joiner *j, const rlt_command_end *end, char *reason,
                            size_t size) {
    bool failed = end->error != NULL || end->code != 0 || end->signal != 0;
    rlt_driver_end_text(end, reason, size);
    if (j->stopping) {
        snprintf(reason, size, "the process that had joined was asked to stop");
        return "released";
    }
    if (end->silent) {
        snprintf(reason, size, "it gave no report and no output (objective.silence_s)");
        return "broken";
    }
    if (failed && !end->stopped) {
        return rlt_driver_is_loss(end->signal) && end->error == NULL ? "broken" : "failed";
    }
    snprintf(reason, size, "the program ended");
    return "completed";
}

static rlt_status on_ended(void *user, int64_t id, const rlt_command_end *end, rlt_err *err) {
    joiner *j = user;
    joined *t = find(j, id), was = *t;
    json_t *reply = NULL, *request = request_of(t, "tell");
    char reason[240];
    json_object_set_new(request, "state", json_string(state_of(j, end, reason, sizeof reason)));
    json_object_set_new(request, "reason", json_stringn(reason, strlen(reason)));
    *t = j->trials[--j->count];
    if (was.lost) {
        json_decref(request);
        return RLT_OK;
    }
    rlt_status status = call(j, request, &reply, err);
    if (status == RLT_OK) {
        const char *state = json_string_value(json_object_get(reply, "state"));
        say(j, "trial %lld %s: %s", (long long)was.number, state != NULL ? state : "told", reason);
        j->done++;
    }
    json_decref(reply);
    return status == RLT_ESTALE ? RLT_OK : status;
}

/* ---- asking and starting ---- */

static void read_texts(const json_t *list, rlt_texts *texts) {
    size_t i;
    json_t *text;
    json_array_foreach((json_t *)list, i, text) {
        const char *value = json_string_value(text);
        rlt_texts_add(texts, strdup(value != NULL ? value : ""));
    }
}

static rlt_status start_task(joiner *j, const joined *t, const json_t *task, rlt_err *err) {
    rlt_texts argv = {0}, environment = {0};
    if (!j->has_patterns) {
        RLT_TRY(rlt_driver_make_patterns(task, &j->patterns, err));
        j->has_patterns = true;
    }
    read_texts(json_object_get(task, "argv"), &argv);
    read_texts(json_object_get(task, "env"), &environment);
    if (argv.count == 0) {
        rlt_texts_fini(&environment);
        return rlt_fail(err, RLT_EPROTO, "the driver's answer names no program");
    }
    const rlt_command_options options = {
        .id = t->number,
        .argv = argv.items,
        .environment = environment.items,
        .folder = json_string_value(json_object_get(task, "folder")),
        .log_path = json_string_value(json_object_get(task, "log")),
        .log_max = json_integer_value(json_object_get(task, "log_max")),
        .hold_log = json_is_true(json_object_get(task, "hold_log")),
        .json = json_is_true(json_object_get(task, "json")),
        .patterns = j->patterns,
        .tensorboard = json_string_value(json_object_get(task, "tensorboard")),
        .socket = json_is_true(json_object_get(task, "socket")),
        .steps = json_integer_value(json_object_get(task, "steps")),
        .grace_s = json_number_value(json_object_get(task, "grace_s")),
        .silence_s = json_number_value(json_object_get(task, "silence_s")),
    };
    rlt_status status = rlt_command_start(j->host, &options, err);
    rlt_texts_fini(&argv);
    rlt_texts_fini(&environment);
    return status;
}

/* A program that cannot be started here is a failed trial, as it is with the owner. */
static rlt_status tell_failed(joiner *j, const joined *t, const char *why, rlt_err *err) {
    json_t *reply = NULL, *request = request_of(t, "tell");
    json_object_set_new(request, "state", json_string("failed"));
    json_object_set_new(request, "reason", json_string(why));
    rlt_status status = call(j, request, &reply, err);
    json_decref(reply);
    return status;
}

static rlt_status ask(joiner *j, rlt_err *err) {
    json_t *reply;
    rlt_err why;
    RLT_TRY(call(j, json_pack("{s:s, s:b, s:s}", "op", "ask", "programs", 1, "client", j->who),
                 &reply, err));
    const json_t *number = json_object_get(reply, "trial");
    rlt_status status = RLT_OK;
    if (json_is_integer(number)) {
        joined *t = &j->trials[j->count];
        *t = (joined){.number = json_integer_value(number),
                      .attempt = json_integer_value(json_object_get(reply, "attempt"))};
        j->count++;
        if (start_task(j, t, json_object_get(reply, "task"), &why) != RLT_OK) {
            j->count--;
            status = tell_failed(j, t, why.message, err);
        }
    } else {
        j->finished = json_is_true(json_object_get(reply, "finished"));
        j->next_ask = rlt_clock_s() + ask_every_s;
    }
    json_decref(reply);
    return status;
}

/* ---- the loop ---- */

static rlt_status beat(joiner *j, rlt_err *err) {
    json_t *trials = json_array(), *reply, *number;
    size_t i;
    for (int k = 0; k < j->count; k++) {
        json_array_append_new(trials, json_pack("[I, I]", (json_int_t)j->trials[k].number,
                                                (json_int_t)j->trials[k].attempt));
    }
    RLT_TRY(call(j, json_pack("{s:s, s:o, s:s}", "op", "beat", "trials", trials, "client", j->who),
                 &reply, err));
    json_array_foreach(json_object_get(reply, "stop"), i, number) {
        rlt_command_stop(j->host, json_integer_value(number));
    }
    json_array_foreach(json_object_get(reply, "lost"), i, number) {
        joined *t = find(j, json_integer_value(number));
        if (t != NULL) {
            on_stale(j, t);
        }
    }
    json_decref(reply);
    j->next_beat = rlt_clock_s() + beat_every_s;
    return RLT_OK;
}

static void check_stop(joiner *j) {
    if (j->o->stop != NULL && *j->o->stop > 0 && !j->stopping) {
        j->stopping = true;
        say(j, "stopping: %d running trial%s given back", j->count,
            j->count == 1 ? " is" : "s are");
    }
    for (int i = 0; j->stopping && i < j->count; i++) {
        rlt_command_stop(j->host, j->trials[i].number);
    }
}

static rlt_status run(joiner *j, rlt_err *err) {
    const rlt_command_events events = {j, on_report, on_ended};
    while (j->count > 0 || (!j->finished && !j->stopping)) {
        struct pollfd item = {.fd = rlt_command_host_fd(j->host), .events = POLLIN};
        poll(&item, 1, POLL_MS);
        check_stop(j);
        RLT_TRY(rlt_command_host_pump(j->host, &events, err));
        while (!j->finished && !j->stopping && j->count < j->parallel &&
               rlt_clock_s() >= j->next_ask) {
            RLT_TRY(ask(j, err));
        }
        if (rlt_clock_s() >= j->next_beat) {
            RLT_TRY(beat(j, err));
        }
    }
    return RLT_OK;
}

/* The owner ends when the search does: then there is nobody left to ask, and nothing to do. */
static rlt_status is_over(const joiner *j, int64_t experiment, rlt_err *err) {
    rlt_store *store = NULL;
    rlt_experiment_row row = {0};
    rlt_err why;
    bool over = j->count == 0 &&
                rlt_store_open(j->o->db_path, RLT_STORE_READ, &store, &why) == RLT_OK &&
                rlt_store_experiment_get(store, experiment, &row, &why) == RLT_OK &&
                strcmp(row.state, "running") != 0;
    rlt_experiment_row_fini(&row);
    rlt_store_close(&store);
    return over ? RLT_OK
                : rlt_fail(err, RLT_EPEER,
                           "the driver of experiment %lld has gone; what it had been told is in "
                           "the database, go on with: rltune resume %lld",
                           (long long)experiment, (long long)experiment);
}

rlt_status rlt_driver_join(const rlt_driver_options *options, int64_t experiment, int parallel,
                           int64_t *done, rlt_err *err) {
    char name[RLT_STUDY_NAME_SIZE], host[64] = "";
    joiner j = {.o = options, .parallel = parallel};
    j.trials = rlt_alloc(sizeof(joined) * (size_t)parallel);
    gethostname(host, sizeof host - 1);
    snprintf(j.who, sizeof j.who, "%s, process %d, rltune join", host, (int)getpid());
    rlt_status status = rlt_study_name(options->db_path, experiment, name, err);
    status = status == RLT_OK ? rlt_study_connect(name, &j.client, err) : status;
    if (status == RLT_ENOTFOUND) {
        rlt_fail(err, status, "nobody drives experiment %lld; start it with: rltune resume %lld",
                 (long long)experiment, (long long)experiment);
    }
    status = status == RLT_OK ? rlt_command_host_create(&j.host, err) : status;
    status = status == RLT_OK ? run(&j, err) : status;
    if (status == RLT_EPEER) {
        status = is_over(&j, experiment, err);
    }
    *done = j.done;
    rlt_command_host_destroy(&j.host);
    rlt_study_close(&j.client);
    rlt_patterns_destroy(&j.patterns);
    rlt_free(j.trials);
    return status;
}
