/* driver: stoppers that count the time that a trial has run, not its steps
 * (tune.stopper.time_attr). That time is what all attempts took that the trial's present state
 * comes from: no pauses, and nothing that was lost with a process that died. A training says itself
 * how long it has run since it had its task, at each report; a program has run from its start to
 * when its report is read. It is a point of the series time_total_s with every report, so that an
 * attempt that goes on from a step begins with the time that its trial had there; and with every
 * decision one of its numbers, from which a restored tuner decides the same. Thread: the driver's.
 * Owner: the driver. */
#include "driver/driver_impl.h"

#include <math.h>
#include <stdlib.h>

static const double ms_per_s = 1e3, rounding_ms = 1e-6;

/* A retraining of the winner is not judged, but ends where search trials end. */
static bool is_judged(const rlt_driver *d, const rlt_driver_entry *t) {
    return d->timed && !t->final;
}

static double seconds_of(const rlt_driver_entry *t) {
    return t->before_s + t->ran_s;
}

double rlt_driver_ran_s(const rlt_driver_entry *t) {
    return t->started > 0 ? rlt_clock_s() - t->started : 0;
}

int64_t rlt_driver_amount(const rlt_driver *d, const rlt_driver_entry *t, int64_t step) {
    return d->timed ? (int64_t)(seconds_of(t) * ms_per_s + rounding_ms) : step;
}

static rlt_status read_seconds(void *user, int columns, const char *const *names,
                               const char *const *values, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    *(double *)user = values[0] != NULL ? strtod(values[0], NULL) : 0;
    return RLT_OK;
}

rlt_status rlt_driver_go_on_at(rlt_driver *d, rlt_driver_entry *t, int64_t step, rlt_err *err) {
    const int64_t args[] = {t->id, step};
    t->before_s = 0; /* where there is no such row */
    t->timed_from = true;
    return d->timed ? rlt_store_query(
                          d->store,
                          "SELECT printf('%!.17g', value) FROM metrics WHERE trial = ?1 AND step "
                          "<= ?2 AND name = (SELECT id FROM metric_names WHERE name = "
                          "'" RLT_SERIES_TIME "') ORDER BY step DESC LIMIT 1",
                          args, 2, read_seconds, &t->before_s, err)
                    : RLT_OK;
}

rlt_status rlt_driver_note_time(rlt_driver *d, const rlt_driver_entry *t, int64_t step,
                                rlt_err *err) {
    return d->timed ? rlt_store_metric(d->store, t->id, step, RLT_SERIES_TIME, seconds_of(t), err)
                    : RLT_OK;
}

void rlt_driver_set_milestone(const rlt_driver *d, rlt_driver_entry *t, int64_t amount) {
    int64_t next = rlt_tuner_milestone(d->tuner, t->number, amount);
    t->milestone = d->timed ? INT64_MAX : next;
    t->due_ms = d->timed ? next : INT64_MAX;
}

bool rlt_driver_is_due(const rlt_driver *d, const rlt_driver_entry *t, int64_t step) {
    return is_judged(d, t) ? rlt_driver_amount(d, t, step) >= t->due_ms : step >= t->milestone;
}

double rlt_driver_asks_at_s(const rlt_driver *d, const rlt_driver_entry *t) {
    return is_judged(d, t) && t->due_ms != INT64_MAX ? (double)t->due_ms / ms_per_s - t->before_s
                                                     : (double)INFINITY;
}

static int64_t last_of(const rlt_tune_fields *tune) {
    switch (tune->stopper) {
    case RLT_STOPPER_ASHA:
        return tune->asha.max_steps;
    case RLT_STOPPER_SHA:
        return tune->sha.max_steps;
    default:
        return tune->hyperband.max_steps;
    }
}

double rlt_driver_ends_at_s(const rlt_driver *d, const rlt_driver_entry *t, const char **why) {
    const rlt_tune_fields *tune = &d->config.tune;
    double last_s =
        d->timed && tune->stop_last ? (double)last_of(tune) / ms_per_s : (double)INFINITY;
    double wall_s =
        d->timed && d->config.run.stop.wall_s > 0 ? d->config.run.stop.wall_s : (double)INFINITY;
    *why = last_s < wall_s ? "tune.stopper.max_steps reached" : "stop.wall_s passed";
    return fmin(last_s, wall_s) - t->before_s;
}
