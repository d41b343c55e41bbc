/* driver: what clients may ask for, one function each; docs/protocol.md lists them.
 * Thread: the driver's. Owner: the driver. */
#include "driver/clients.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEASE_EVERY_S = 10 };
static const int64_t step_max = (int64_t)1 << 53;

/* ---- reading requests ---- */

static rlt_status need_integer(const json_t *object, const char *name, int64_t max, int64_t *value,
                               rlt_err *err) {
    const json_t *json = json_object_get(object, name);
    if (!json_is_integer(json) || json_integer_value(json) < 0 || json_integer_value(json) > max) {
        return rlt_fail(err, RLT_EINVAL, "'%s' must be an integer from 0 to %" PRId64, name, max);
    }
    *value = json_integer_value(json);
    return RLT_OK;
}

rlt_status rlt_call_given(const rlt_call *c, const json_t *object, rlt_driver_entry **found,
                          rlt_err *err) {
    int64_t number = 0, attempt = 0;
    RLT_TRY(need_integer(object, "trial", step_max, &number, err));
    RLT_TRY(need_integer(object, "attempt", step_max, &attempt, err));
    rlt_driver *d = c->d;
    bool final = json_is_true(json_object_get(object, "final"));
    rlt_driver_entry *t = final ? rlt_driver_final_of(d, number) : rlt_driver_trial_of(d, number);
    if (t == NULL) {
        return rlt_fail(err, rlt_driver_is_external(d) ? RLT_EINVAL : RLT_ESTALE,
                        "there is no trial %" PRId64, number);
    }
    bool given = rlt_driver_is_external(d) ? t->state == RLT_TRIAL_RUNNING : t->lent;
    if (!given || t->attempt != attempt) {
        return rlt_fail(err, RLT_ESTALE,
                        "trial %" PRId64 " is %s in attempt %" PRId64 ", not running in attempt "
                        "%" PRId64 ": it is no longer this client's",
                        number, rlt_trial_state_name(t->state), t->attempt, attempt);
    }
    t->seen = rlt_clock_s();
    t->client = c->client;
    *found = t;
    return RLT_OK;
}

rlt_status rlt_call_named(const rlt_call *c, const json_t *list, rlt_driver_entry **found,
                          rlt_err *err) {
    json_t *object = json_pack("{s:O*, s:O*, s:O*}", "trial", json_array_get(list, 0), "attempt",
                               json_array_get(list, 1), "final", json_array_get(list, 2));
    rlt_status status = rlt_call_given(c, object, found, err);
    json_decref(object);
    return status;
}

/* What the request is about: a trial that is no training, whose learner speaks for itself. */
static rlt_status need_trial(const rlt_call *c, rlt_driver_entry **found, rlt_err *err) {
    RLT_TRY(rlt_call_given(c, c->request, found, err));
    return c->d->host != NULL
               ? RLT_OK
               : rlt_fail(err, RLT_EINVAL, "a training reports to the driver by itself");
}

/* "values": {name: number or null}. Names are borrowed from the request. */
static rlt_status read_values(const rlt_call *c, rlt_report *report, rlt_err *err) {
    const json_t *values = json_object_get(c->request, "values");
    const char *name;
    json_t *value;
    report->count = 0;
    if (values != NULL && !json_is_object(values)) {
        return rlt_fail(err, RLT_EINVAL, "'values' must be an object of numbers by name");
    }
    json_object_foreach((json_t *)values, name, value) {
        if (*name == 0 || strlen(name) > RLT_COMMAND_NAME_MAX ||
            report->count == RLT_REPORT_METRICS_MAX) {
            return rlt_fail(err, RLT_EINVAL,
                            "'values' may hold %d metrics with names of 1 to %d bytes",
                            RLT_REPORT_METRICS_MAX, RLT_COMMAND_NAME_MAX);
        }
        if (!json_is_number(value) && !json_is_null(value)) {
            return rlt_fail(err, RLT_EINVAL, "values.%.60s must be a number, or null for none",
                            name);
        }
        double number = json_is_null(value) ? NAN : json_number_value(value);
        report->names[report->count] = name;
        report->values[report->count++] = isfinite(number) ? number : NAN;
    }
    return RLT_OK;
}

/* Without one: a step after the last. */
static rlt_status read_step(const rlt_call *c, const rlt_driver_entry *t, int64_t *step,
                            rlt_err *err) {
    *step = t->steps + 1;
    return json_object_get(c->request, "step") != NULL
               ? need_integer(c->request, "step", step_max, step, err)
               : RLT_OK;
}

/* ---- what the space calls a parameter, and clients do ---- */

/* {path: value} with names as clients say them; a new reference. */
static json_t *bare_params(const json_t *params) {
    json_t *out = json_object(), *value;
    const char *path;
    json_object_foreach((json_t *)params, path, value) {
        json_object_set(out, rlt_config_param_name(path), value);
    }
    return out;
}

/* ---- requests ---- */

static rlt_status on_hello(rlt_call *c, rlt_err *err) {
    const rlt_driver *d = c->d;
    json_t *metrics = json_array(), *directions = json_array();
    for (int i = 0; i < d->config.tune.objectives.count; i++) {
        json_array_append_new(metrics, json_string(d->config.tune.objectives.names[i]));
        json_array_append_new(directions,
                              json_string(d->config.tune.objectives.maximise[i] ? "max" : "min"));
    }
    json_t *more =
        json_pack("{s:i, s:I, s:s, s:o, s:o, s:b, s:f}", "version", RLT_STUDY_VERSION, "experiment",
                  (json_int_t)d->experiment, "name", d->config.name, "metrics", metrics,
                  "directions", directions, "external", (int)rlt_driver_is_external(d), "silence_s",
                  d->config.run.objective.silence_s);
    json_object_update_new(c->reply, more);
    return json_is_true(json_object_get(c->request, "join")) ? rlt_lend_hello(c, err) : RLT_OK;
}

static rlt_status give(rlt_call *c, rlt_driver_entry *t, rlt_err *err) {
    const char *client = json_string_value(json_object_get(c->request, "client"));
    t->milestone = INT64_MAX;
    if (c->d->host != NULL) {
        RLT_TRY(rlt_driver_begin_program(c->d, t, err));
        t->program.runs = true;
    }
    t->client = c->client;
    t->beat = rlt_clock_s();
    json_t *milestone = t->milestone == INT64_MAX ? json_null() : json_integer(t->milestone);
    json_t *more = json_pack("{s:I, s:I, s:I, s:o, s:o}", "trial", (json_int_t)t->number, "attempt",
                             (json_int_t)t->attempt, "seed", (json_int_t)t->seed, "params",
                             bare_params(t->params), "milestone", milestone);
    json_object_update_new(c->reply, more);
    if (!rlt_driver_is_external(c->d)) {
        RLT_TRY(rlt_lend_task(c, t, err));
    }
    return rlt_store_lease(c->d->store, t->id, client != NULL ? client : "", err);
}

static rlt_status on_ask(rlt_call *c, rlt_err *err) {
    rlt_driver *d = c->d;
    rlt_driver_entry *t;
    const json_t *point = json_object_get(c->request, "params");
    bool external = rlt_driver_is_external(d);
    RLT_TRY(external ? RLT_OK : rlt_lend_check(c, err));
    RLT_TRY(point != NULL ? rlt_driver_check_point(d, point, err) : RLT_OK);
    RLT_TRY(point != NULL ? rlt_driver_start_point(d, point, &t, err)
                          : rlt_driver_start_next(d, &t, err));
    if (t != NULL) {
        return give(c, t, err);
    }
    /* a driver that is stopped leaves the study to the next one that a client starts */
    bool ended = (d->ending != NULL && d->stop_seen == 0) || (d->exhausted && d->active == 0);
    bool finished = external ? ended : rlt_lend_is_finished(d);
    json_object_set_new(c->reply, "trial", json_null());
    json_object_set_new(c->reply, "finished", json_boolean(finished));
    return RLT_OK;
}

static void put_action(rlt_call *c, const rlt_driver_entry *t) {
    const char *why = t->verdict != NULL       ? t->verdict
                      : t->stop_reason != NULL ? t->stop_reason
                                               : t->program.done;
    bool ends = rlt_driver_is_ending(t);
    json_object_set_new(c->reply, "action", json_string(ends ? "stop" : "continue"));
    if (ends && why != NULL) {
        json_object_set_new(c->reply, "reason", json_string(why));
    }
    if (t->milestone != INT64_MAX) {
        json_object_set_new(c->reply, "milestone", json_integer(t->milestone));
    }
    double asks_in_s = rlt_driver_asks_at_s(c->d, t) - t->ran_s;
    if (isfinite(asks_in_s)) {
        json_object_set_new(c->reply, "asks_in_s", json_real(asks_in_s));
    }
}

static rlt_status on_report(rlt_call *c, rlt_err *err) {
    rlt_driver_entry *t;
    rlt_report report = {0};
    RLT_TRY(need_trial(c, &t, err));
    RLT_TRY(read_step(c, t, &report.step, err));
    RLT_TRY(read_values(c, &report, err));
    RLT_TRY(rlt_driver_program_report(c->d, t, &report, err));
    put_action(c, t);
    return RLT_OK;
}

/* A client that says again what has been written already gets the same answer. */
static bool was_told(const rlt_call *c) {
    const rlt_driver *d = c->d;
    int64_t number = json_integer_value(json_object_get(c->request, "trial"));
    int64_t attempt = json_integer_value(json_object_get(c->request, "attempt"));
    const rlt_driver_entry *t = rlt_driver_trial_of(d, number);
    return t != NULL && t->attempt == attempt &&
           (t->state == RLT_TRIAL_COMPLETED || t->state == RLT_TRIAL_STOPPED ||
            t->state == RLT_TRIAL_FAILED);
}

/* The values are the result, whatever a stopper would have made of them. */
static rlt_status note_result(rlt_driver *d, rlt_driver_entry *t, const rlt_report *report,
                              rlt_err *err) {
    for (int i = 0; i < report->count; i++) {
        const char *name = report->names[i];
        double value = report->values[i];
        t->steps = report->step > t->steps ? report->step : t->steps;
        rlt_driver_measure_note(d, t, name, report->step, value);
        RLT_TRY(rlt_store_metric(d->store, t->id, report->step, name, value, err));
        if (strcmp(name, d->config.tune.metric) == 0) {
            t->program.reported = true;
            t->program.diverged_at = isnan(value) ? report->step : -1;
            rlt_driver_note_value(d, t, value);
        }
    }
    return RLT_OK;
}

static rlt_status end_trial(rlt_call *c, rlt_driver_entry *t, const char *state, const char *reason,
                            rlt_err *err) {
    rlt_driver *d = c->d;
    const rlt_command_end end = {.how = "", .tail = "", .names = "", .trouble = ""};
    if (strcmp(state, "released") == 0) {
        return rlt_driver_again(d, t, reason[0] != 0 ? reason : "its client gave it back", err);
    }
    if (strcmp(state, "broken") == 0) {
        return rlt_driver_broken(d, t, reason[0] != 0 ? reason : "its client lost it", err);
    }
    if (strcmp(state, "failed") == 0) {
        return rlt_driver_finish(d, t, RLT_TRIAL_FAILED, reason[0] != 0 ? reason : "it failed",
                                 err);
    }
    if (t->stopped_at != 0) {
        return rlt_driver_finish(d, t, RLT_TRIAL_STOPPED, t->verdict, err);
    }
    if (t->action == RLT_ACTION_PAUSE) {
        return rlt_driver_finish(d, t, RLT_TRIAL_PAUSED, t->verdict != NULL ? t->verdict : "paused",
                                 err);
    }
    if (strcmp(state, "stopped") == 0 && t->program.done != NULL) { /* it was told to */
        return rlt_driver_program_complete(d, t, &end, t->program.done, err);
    }
    if (strcmp(state, "stopped") == 0) {
        return rlt_driver_finish(d, t, RLT_TRIAL_STOPPED,
                                 reason[0] != 0 ? reason : "its client ended it", err);
    }
    return rlt_driver_program_complete(d, t, &end, reason[0] != 0 ? reason : "its client told",
                                       err);
}

static rlt_status on_tell(rlt_call *c, rlt_err *err) {
    static const char *const states[] = {"completed", "stopped", "failed", "released", "broken"};
    const char *state = json_string_value(json_object_get(c->request, "state"));
    const char *reason = json_string_value(json_object_get(c->request, "reason"));
    bool known = false;
    for (size_t i = 0; state != NULL && i < RLT_COUNT(states); i++) {
        known |= strcmp(state, states[i]) == 0;
    }
    if (!known) {
        return rlt_fail(err, RLT_EINVAL,
                        "'state' must be one of completed, stopped, failed, released, broken");
    }
    if (!rlt_driver_is_external(c->d)) {
        return rlt_fail(err, RLT_EINVAL, "how the process of a trial ended is told by 'ended'");
    }
    if (was_told(c)) {
        json_object_set_new(c->reply, "already", json_true());
        return RLT_OK;
    }
    rlt_driver_entry *t;
    rlt_report report = {0};
    char text[256];
    RLT_TRY(need_trial(c, &t, err));
    RLT_TRY(read_step(c, t, &report.step, err));
    RLT_TRY(read_values(c, &report, err));
    if (strcmp(state, "released") != 0 && strcmp(state, "broken") != 0) {
        RLT_TRY(rlt_driver_keep_asked(c->d, t, json_object_get(c->request, "asked"), err));
    }
    RLT_TRY(note_result(c->d, t, &report, err));
    snprintf(text, sizeof text, "%.250s", reason != NULL ? reason : "");
    rlt_driver_take_back(c->d, t);
    RLT_TRY(rlt_store_lease_end(c->d->store, t->id, err));
    RLT_TRY(end_trial(c, t, state, text, err));
    json_object_set_new(c->reply, "state", json_string(rlt_trial_state_name(t->state)));
    return RLT_OK;
}

static rlt_status write_lease(const rlt_call *c, rlt_driver_entry *t, rlt_err *err) {
    const char *client = json_string_value(json_object_get(c->request, "client"));
    if (t->seen - t->beat <= LEASE_EVERY_S) {
        return RLT_OK;
    }
    t->beat = t->seen;
    return rlt_store_lease(c->d->store, t->id, client != NULL ? client : "", err);
}

/* "trials": [[number, attempt], ...]; those that should end, those that are others' by now, and
 * those whose learner is to be killed. */
static rlt_status on_beat(rlt_call *c, rlt_err *err) {
    json_t *stop = json_array(), *lost = json_array(), *hung = json_array(), *named;
    size_t i;
    json_object_set_new(c->reply, "stop", stop);
    json_object_set_new(c->reply, "lost", lost);
    json_object_set_new(c->reply, "kill", hung);
    json_array_foreach(json_object_get(c->request, "trials"), i, named) {
        json_t *number = json_array_get(named, 0);
        json_t *name = number == NULL || json_array_size(named) > 2 ? named : number;
        rlt_driver_entry *t;
        rlt_err ignored;
        if (rlt_call_named(c, named, &t, &ignored) != RLT_OK) {
            json_array_append(lost, name);
            continue;
        }
        if (rlt_driver_is_ending(t)) {
            json_array_append(stop, name);
        }
        if (t->silent) {
            json_array_append(hung, name);
        }
        RLT_TRY(write_lease(c, t, err));
    }
    return RLT_OK;
}

/* -5 and -5.0 are the same bound. */
static bool is_same_space(const json_t *a, const json_t *b) {
    const char *key;
    json_t *value;
    bool same = json_object_size(a) == json_object_size(b);
    json_object_foreach((json_t *)a, key, value) {
        const json_t *other = json_object_get(b, key);
        bool numbers = json_is_number(value) && json_is_number(other);
        same &= numbers ? json_number_value(value) == json_number_value(other)
                        : json_equal(value, other);
    }
    return same;
}

/* "name" and "space" of a parameter that the trial wants to know; without one it only joins. */
static rlt_status on_suggest(rlt_call *c, rlt_err *err) {
    const char *name = json_string_value(json_object_get(c->request, "name"));
    const json_t *space = json_object_get(c->request, "space");
    bool own = json_object_get(c->request, "trial") != NULL;
    rlt_driver_entry *t = NULL;
    char path[RLT_NAME_MAX];
    json_t *canonical = NULL;
    RLT_TRY(own || !rlt_driver_is_external(c->d) ? need_trial(c, &t, err) : RLT_OK);
    if (name == NULL || strlen(name) > 64 || json_object_get(space, "$space") == NULL) {
        return rlt_fail(err, RLT_EINVAL,
                        "'name' must be a text of 1 to 64 bytes, 'space' an object such as "
                        "{\"$space\": \"uniform\", \"low\": 0, \"high\": 1}");
    }
    snprintf(path, sizeof path, RLT_PARAM_PREFIX "%s", name);
    RLT_TRY(rlt_config_check_value(path, space, &canonical, err));
    const json_t *before =
        json_object_get(json_object_get(c->d->config.json, "params"), rlt_config_param_name(path));
    rlt_status status = RLT_OK;
    if (before != NULL && !is_same_space(before, canonical)) {
        status = rlt_fail(err, RLT_ECONFIG,
                          "%.64s: it was asked for before with another range or kind; a parameter "
                          "keeps its search space (give the other one another name)",
                          name);
    } else if (before == NULL && !c->d->config.run.objective.grows) {
        status = rlt_fail(err, RLT_ECONFIG,
                          "%.64s: is not a parameter of the search space, which may not grow "
                          "(objective.grows)",
                          name);
    } else if (before == NULL) {
        status = rlt_driver_grow(c->d, t, path, canonical, err);
    }
    json_decref(canonical);
    RLT_TRY(status);
    if (t != NULL) {
        json_object_set(c->reply, "value", json_object_get(t->params, path));
    }
    return RLT_OK;
}

/* "name" and "value" of something that the client wants kept with the trial, or without one with
 * the experiment: an event. */
static rlt_status on_attr(rlt_call *c, rlt_err *err) {
    enum { ATTR_MAX = 4000 };
    const char *name = json_string_value(json_object_get(c->request, "name"));
    json_t *value = json_object_get(c->request, "value");
    bool own = json_object_get(c->request, "trial") != NULL;
    rlt_driver_entry *t = NULL;
    RLT_TRY(own ? need_trial(c, &t, err) : RLT_OK);
    if (name == NULL || *name == 0 || strlen(name) > RLT_COMMAND_NAME_MAX || value == NULL) {
        return rlt_fail(err, RLT_EINVAL, "'name' must be a text of 1 to %d bytes, with a 'value'",
                        RLT_COMMAND_NAME_MAX);
    }
    json_t *attr = json_pack("{s:s, s:O}", "name", name, "value", value);
    char *text = json_dumps(attr, JSON_COMPACT);
    json_decref(attr);
    rlt_status status = strlen(text) > ATTR_MAX
                            ? rlt_fail(err, RLT_EINVAL, "'value' is longer than %d bytes", ATTR_MAX)
                            : rlt_store_event(c->d->store, c->d->experiment, own ? t->id : 0,
                                              own ? "trial.attr" : "study.attr", text, err);
    free(text);
    return status;
}

static rlt_status on_enqueue(rlt_call *c, rlt_err *err) {
    rlt_driver *d = c->d;
    const json_t *given = json_object_get(c->request, "params");
    if (!json_is_object(given)) {
        return rlt_fail(err, RLT_EINVAL, "'params' must be an object of values by name");
    }
    if (d->finals_planned) {
        return rlt_fail(err, RLT_EINVAL, "the search has ended; the winner is trained again");
    }
    RLT_TRY(rlt_driver_add_point(d, given, err));
    json_object_set_new(c->reply, "queued", json_integer(d->queued));
    return RLT_OK;
}

static rlt_status on_status(rlt_call *c, rlt_err *err) {
    (void)err;
    const rlt_driver *d = c->d;
    double value;
    int64_t best = rlt_tuner_best(d->tuner, &value);
    json_t *more = json_pack("{s:I, s:i, s:I, s:I, s:b}", "trials", (json_int_t)d->count, "running",
                             d->active, "failed", (json_int_t)d->failed, "queued",
                             (json_int_t)d->queued, "ending", (int)(d->ending != NULL));
    json_object_update_new(c->reply, more);
    if (best >= 0 && isfinite(value)) {
        json_object_set_new(c->reply, "best",
                            json_pack("{s:I, s:f}", "trial", (json_int_t)best, "value", value));
    }
    return RLT_OK;
}

static rlt_status on_stop(rlt_call *c, rlt_err *err) {
    (void)err;
    c->d->stop_asked = true;
    return RLT_OK;
}

static const struct {
    const char *name;
    rlt_status (*handle)(rlt_call *c, rlt_err *err);
} operations[] = {
    {"hello", on_hello},     {"ask", on_ask},           {"report", on_report},
    {"tell", on_tell},       {"beat", on_beat},         {"suggest", on_suggest},
    {"enqueue", on_enqueue}, {"attr", on_attr},         {"status", on_status},
    {"stop", on_stop},       {"ended", rlt_lend_ended}, {"give_back", rlt_lend_give_back}};

static rlt_status fail_operation(const char *name, rlt_err *err) {
    const char *names[RLT_COUNT(operations)];
    rlt_buf all = {0};
    for (size_t i = 0; i < RLT_COUNT(operations); i++) {
        names[i] = operations[i].name;
        rlt_buf_printf(&all, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    const char *nearest = name != NULL ? rlt_str_nearest(name, names, RLT_COUNT(operations)) : NULL;
    rlt_fail(err, RLT_EINVAL, "'op' is '%.40s'%s%s%s; one of %s", name != NULL ? name : "",
             nearest != NULL ? " (did you mean '" : "", nearest != NULL ? nearest : "",
             nearest != NULL ? "'?)" : "", all.data);
    rlt_buf_fini(&all);
    return RLT_EINVAL;
}

rlt_status rlt_call_run(rlt_call *c, rlt_err *err) {
    const char *name = json_string_value(json_object_get(c->request, "op"));
    for (size_t i = 0; name != NULL && i < RLT_COUNT(operations); i++) {
        if (strcmp(name, operations[i].name) == 0) {
            return operations[i].handle(c, err);
        }
    }
    return fail_operation(name, err);
}
