/* driver: what programs say and how they end becomes rows, decisions and signals.
 * Thread: the driver's. Owner: the driver. */
#include "driver/programs.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reports ---- */

bool rlt_driver_is_ending(const rlt_driver_entry *t) {
    return t->stopped_at != 0 || t->action == RLT_ACTION_PAUSE || t->stop_reason != NULL ||
           t->program.done != NULL;
}

/* A result of the tuned metric: it may be judged, and it may be the last one. */
static rlt_status on_result(rlt_driver *d, rlt_driver_entry *t, int64_t step, double value,
                            rlt_err *err) {
    t->program.reported = true;
    t->program.last_step = step > t->program.last_step ? step : t->program.last_step;
    t->program.diverged_at = isnan(value) ? step : -1;
    rlt_driver_note_value(d, t, value);
    bool due = rlt_driver_is_due(d, t, step) && !rlt_driver_is_ending(t);
    if (due && rlt_driver_follows(d, t)) {
        RLT_TRY(rlt_driver_follow(d, t, t->milestone, value, err));
    } else if (due && !t->final) {
        RLT_TRY(rlt_driver_decide(d, t, step, value, false, err));
    }
    return RLT_OK;
}

/* A client says itself when its trial is complete, unless the stopper does. */
static void check_whole(const rlt_driver *d, rlt_driver_entry *t) {
    const char *why;
    bool says_itself = rlt_driver_is_external(d) && !d->config.tune.stop_last;
    if (rlt_driver_is_ending(t) || !t->program.reported) {
        return;
    }
    if (!says_itself && t->steps_max > 0 && t->program.last_step >= t->steps_max &&
        rlt_driver_measures_reached(d, t, t->steps_max)) {
        t->program.done = "stop.steps reached";
    } else if (t->ran_s >= rlt_driver_ends_at_s(d, t, &why)) {
        t->program.done = why;
    }
}

rlt_status rlt_driver_program_report(rlt_driver *d, rlt_driver_entry *t, const rlt_report *report,
                                     rlt_err *err) {
    t->heard = rlt_clock_s();
    t->program.asks |= report->asks;
    t->program.dirty |= report->count > 0;
    t->steps = report->count > 0 && report->step > t->steps ? report->step : t->steps;
    t->ran_s = rlt_driver_ran_s(t);
    if (!t->timed_from) { /* the first of this attempt tells where it goes on from */
        RLT_TRY(rlt_driver_go_on_at(d, t, report->step - 1, err));
    }
    RLT_TRY(report->count > 0 ? rlt_driver_note_time(d, t, report->step, err) : RLT_OK);
    for (int i = 0; i < report->count; i++) {
        rlt_driver_measure_note(d, t, report->names[i], report->step, report->values[i]);
        RLT_TRY(rlt_store_metric(d->store, t->id, report->step, report->names[i], report->values[i],
                                 err));
        if (strcmp(report->names[i], d->config.tune.metric) == 0) {
            RLT_TRY(on_result(d, t, report->step, report->values[i], err));
        }
    }
    check_whole(d, t);
    return RLT_OK;
}

static rlt_status on_report(void *user, int64_t id, const rlt_report *report, rlt_err *err) {
    rlt_driver *d = user;
    return rlt_driver_program_report(d, rlt_driver_of_key(d, id), report, err);
}

/* ---- ends ---- */

/* The last line with something in it, of at most `max` bytes. */
static void last_line(const char *tail, char *line, size_t max) {
    size_t end = strlen(tail), begin;
    while (end > 0 && strchr(" \t\r\n", tail[end - 1]) != NULL) {
        end--;
    }
    for (begin = end; begin > 0 && tail[begin - 1] != '\n' && tail[begin - 1] != '\r'; begin--) {
    }
    snprintf(line, max, "%.*s", (int)(end - begin), tail + begin);
}

static rlt_status fail_trial(rlt_driver *d, rlt_driver_entry *t, const rlt_command_end *end,
                             const char *reason, rlt_err *err) {
    char tail[RLT_COMMAND_TAIL_MAX + 1];
    size_t size = strlen(end->tail);
    while (size > 0 && strchr(" \t\r\n", end->tail[size - 1]) != NULL) {
        size--;
    }
    snprintf(tail, sizeof tail, "%.*s", (int)size, end->tail);
    if (size > 0) {
        RLT_TRY(rlt_store_event(d->store, d->experiment, t->id, "trial.output", tail, err));
    }
    return rlt_driver_finish(d, t, RLT_TRIAL_FAILED, reason, err);
}

rlt_status rlt_driver_program_complete(rlt_driver *d, rlt_driver_entry *t,
                                       const rlt_command_end *end, const char *reason,
                                       rlt_err *err) {
    char why[512];
    const char *metric = d->config.tune.metric;
    int64_t diverged_at = t->program.diverged_at;
    bool lacks = !t->program.reported || diverged_at >= 0 ||
                 rlt_driver_measures_lack(d, t, &metric, &diverged_at);
    if (lacks && diverged_at < 0) {
        bool some = end->names[0] != 0;
        snprintf(why, sizeof why, "it never reported '%.60s'; %s%.120s%s%.100s", metric,
                 some ? "it reported: " : "it reported nothing", end->names,
                 end->trouble[0] != 0 ? "; " : "", end->trouble);
        return fail_trial(d, t, end, why, err);
    }
    if (lacks) {
        snprintf(why, sizeof why, "'%.60s' is not a finite number at step %lld", metric,
                 (long long)diverged_at);
        return fail_trial(d, t, end, why, err);
    }
    return rlt_driver_finish(d, t, RLT_TRIAL_COMPLETED, reason, err);
}

/* Signals that come from outside: somebody's kill, the kernel short of memory, a shutdown. */
static bool is_loss(int number) {
    return number == SIGKILL || number == SIGTERM || number == SIGHUP || number == SIGINT;
}

/* Why it failed: its own words, or how its process ended with its last line. */
static void end_text(const rlt_command_end *end, char *text, size_t size) {
    char line[256];
    last_line(end->tail, line, sizeof line);
    if (end->error != NULL) {
        snprintf(text, size, "%.250s", end->error);
    } else {
        snprintf(text, size, "%s%s%.200s", end->how, line[0] != 0 ? ": " : "", line);
    }
}

static rlt_status on_failure(rlt_driver *d, rlt_driver_entry *t, const rlt_command_end *end,
                             rlt_err *err) {
    char reason[512];
    end_text(end, reason, sizeof reason);
    return fail_trial(d, t, end, reason, err);
}

rlt_status rlt_driver_program_ended(rlt_driver *d, rlt_driver_entry *t, const rlt_command_end *end,
                                    rlt_err *err) {
    bool function = d->config.run.objective.kind == RLT_OBJECTIVE_FUNCTION;
    char cause[160];
    t->program.runs = t->program.dirty = t->program.asks = false;
    t->program.files |= end->logged;
    if (t->stopped_at != 0) {
        return rlt_driver_finish(d, t, RLT_TRIAL_STOPPED, t->verdict, err);
    }
    if (t->action == RLT_ACTION_PAUSE && d->stop_seen <= 1) { /* until it is ruled to go on */
        return rlt_driver_finish(d, t, RLT_TRIAL_PAUSED, t->verdict != NULL ? t->verdict : "paused",
                                 err);
    }
    if (d->stop_seen > 1) {
        return rlt_driver_again(d, t, "stop requested twice", err);
    }
    if (t->returned && end->stopped) {
        return rlt_driver_again(d, t, RLT_RETURNED, err);
    }
    if (end->silent) {
        snprintf(cause, sizeof cause,
                 "it gave no report and no output for %g s (objective.silence_s) and was killed",
                 d->config.run.objective.silence_s);
        return rlt_driver_broken(d, t, cause, err);
    }
    if (t->program.done != NULL) {
        return rlt_driver_program_complete(d, t, end, t->program.done, err);
    }
    if (t->stop_reason != NULL && end->stopped) {
        bool resumable = d->stop_seen > 0 || d->fatal.code == RLT_EFULL;
        return rlt_driver_finish(d, t, resumable ? RLT_TRIAL_PAUSED : RLT_TRIAL_STOPPED,
                                 t->stop_reason, err);
    }
    if (end->error == NULL && is_loss(end->signal)) {
        snprintf(cause, sizeof cause, "%s ended with %s",
                 function ? "the function's process" : "the program", end->how);
        return rlt_driver_broken(d, t, cause, err);
    }
    return end->error != NULL || end->code != 0 || end->signal != 0
               ? on_failure(d, t, end, err)
               : rlt_driver_program_complete(
                     d, t, end, function ? "the function returned" : "the program ended", err);
}

static rlt_status on_ended(void *user, int64_t id, const rlt_command_end *end, rlt_err *err) {
    rlt_driver *d = user;
    d->active--;
    return rlt_driver_program_ended(d, rlt_driver_of_key(d, id), end, err);
}

/* ---- the pump ---- */

static rlt_status write_progress(rlt_driver *d, rlt_driver_entry *t, rlt_err *err) {
    t->program.dirty = false;
    const rlt_trial_progress progress = {.trial = t->id,
                                         .attempt = t->attempt,
                                         .steps = t->steps,
                                         .value = t->last,
                                         .best = t->best,
                                         .wall_s = rlt_driver_wall_s(t)};
    return rlt_store_trial_progress(d->store, &progress, err);
}

rlt_status rlt_driver_pump_programs(rlt_driver *d, rlt_err *err) {
    const rlt_command_events events = {d, on_report, on_ended};
    double now = rlt_clock_s(), wall_s = d->config.run.stop.wall_s;
    RLT_TRY(rlt_command_host_pump(d->host, &events, err));
    for (size_t i = d->first_open; i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        if (!t->program.runs) {
            continue;
        }
        if (wall_s > 0 && t->before_s + now - t->started >= wall_s && !rlt_driver_is_ending(t)) {
            t->program.done = "stop.wall_s passed";
        }
        if (t->program.dirty) {
            RLT_TRY(write_progress(d, t, err));
        }
    }
    return RLT_OK;
}

/* The answer, where one is waited for, and the signal, where it is to end. */
void rlt_driver_reply_program(rlt_driver *d, rlt_driver_entry *t) {
    t->reply = RLT_REPLY_NONE;
    if (!t->program.runs) {
        return;
    }
    if (t->program.asks) {
        t->program.asks = false;
        rlt_command_reply(d->host, rlt_driver_key(t), rlt_driver_is_ending(t),
                          rlt_driver_asks_at(t), rlt_driver_asks_at_s(d, t) - rlt_driver_ran_s(t));
    }
    if (rlt_driver_is_ending(t)) {
        rlt_command_stop(d->host, rlt_driver_key(t));
    }
}

void rlt_driver_kill_programs(rlt_driver *d) {
    for (size_t i = d->first_open; i < d->count; i++) {
        if (d->trials[i].program.runs) {
            rlt_command_kill(d->host, rlt_driver_key(&d->trials[i]));
        }
    }
}
