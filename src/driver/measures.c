/* driver: results of trials with several objectives or with constraints: the newest number of each,
 * as rows and for the tuner. With one objective and no constraint there are none, and a trial's
 * result is entry.last alone. Thread: the driver's. Owner: the trial's entry owns its measures. */
#include "driver/driver_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int objective_count(const rlt_driver *d) {
    return d->config.tune.objectives.count;
}

static int measure_count(const rlt_driver *d) {
    return objective_count(d) + d->config.tune.constraints.count;
}

static const char *name_of(const rlt_driver *d, int i) {
    int objectives = objective_count(d);
    return i < objectives ? d->config.tune.objectives.names[i]
                          : d->config.tune.constraints.names[i - objectives];
}

void rlt_driver_measures_init(const rlt_driver *d, rlt_driver_entry *t) {
    int count = measure_count(d);
    if (count <= 1) {
        return;
    }
    t->measures = calloc((size_t)count, sizeof(*t->measures));
    RLT_ASSERT(t->measures != NULL);
    for (int i = 0; i < count; i++) {
        t->measures[i] = (rlt_driver_measure){.last = NAN, .diverged_at = -1, .step = -1};
    }
}

/* The program begins anew; what it reported before stands until it reports again. */
void rlt_driver_measures_restart(const rlt_driver *d, rlt_driver_entry *t) {
    for (int i = 0; t->measures != NULL && i < measure_count(d); i++) {
        t->measures[i].step = t->measures[i].diverged_at = -1;
    }
}

void rlt_driver_measure_note(const rlt_driver *d, rlt_driver_entry *t, const char *name,
                             int64_t step, double value) {
    for (int i = 0; t->measures != NULL && i < measure_count(d); i++) {
        rlt_driver_measure *at = &t->measures[i];
        if (strcmp(name_of(d, i), name) == 0) {
            at->last = isnan(value) ? at->last : value;
            at->diverged_at = isnan(value) ? step : -1;
            at->step = step;
        }
    }
}

bool rlt_driver_measures_reached(const rlt_driver *d, const rlt_driver_entry *t, int64_t step) {
    for (int i = 0; t->measures != NULL && i < measure_count(d); i++) {
        if (t->measures[i].step < step) {
            return false;
        }
    }
    return true;
}

bool rlt_driver_measures_lack(const rlt_driver *d, const rlt_driver_entry *t, const char **name,
                              int64_t *diverged_at) {
    for (int i = 0; t->measures != NULL && i < measure_count(d); i++) {
        const rlt_driver_measure *at = &t->measures[i];
        if (at->step < 0 || at->diverged_at >= 0 || isnan(at->last)) {
            *name = name_of(d, i);
            *diverged_at = at->diverged_at;
            return true;
        }
    }
    return false;
}

static void last_values(const rlt_driver *d, const rlt_driver_entry *t,
                        double values[RLT_OBJECTIVES_MAX + RLT_CONSTRAINTS_MAX]) {
    for (int i = 0; i < measure_count(d); i++) {
        values[i] = t->measures[i].last;
    }
}

rlt_status rlt_driver_write_change(rlt_driver *d, const rlt_driver_entry *t,
                                   rlt_trial_change *change, rlt_err *err) {
    double values[RLT_OBJECTIVES_MAX + RLT_CONSTRAINTS_MAX];
    if (t->measures != NULL) {
        last_values(d, t, values);
        change->values = values;
        change->value_count = objective_count(d);
        change->constraints = values + objective_count(d);
        change->constraint_count = d->config.tune.constraints.count;
    }
    rlt_status status = rlt_store_trial_change(d->store, change, err);
    change->values = change->constraints = NULL;
    return status;
}

rlt_status rlt_driver_tell(rlt_driver *d, const rlt_driver_entry *t, rlt_trial_state state,
                           rlt_err *err) {
    double values[RLT_OBJECTIVES_MAX + RLT_CONSTRAINTS_MAX];
    if (t->measures == NULL) {
        return rlt_tuner_finish(d->tuner, t->number, state, t->last, t->steps, err);
    }
    last_values(d, t, values);
    return rlt_tuner_finish_values(d->tuner, t->number, state, values, values + objective_count(d),
                                   t->steps, err);
}

void rlt_driver_result_text(const rlt_driver *d, const rlt_driver_entry *t, rlt_buf *text) {
    if (t->measures == NULL) {
        rlt_buf_printf(text, "%s %.6g", d->config.tune.metric, t->last);
        return;
    }
    bool infeasible = false;
    for (int i = 0; i < objective_count(d); i++) {
        rlt_buf_printf(text, "%s%s %.6g", i > 0 ? ", " : "", name_of(d, i), t->measures[i].last);
    }
    for (int i = objective_count(d); i < measure_count(d); i++) {
        infeasible |= !(t->measures[i].last <= 0);
    }
    rlt_buf_printf(text, "%s", infeasible ? ", not feasible" : "");
}

/* ---- from rows ---- */

static const char rows_of_values[] =
    "SELECT t.role, t.number, v.position, printf('%!.17g', v.value), 0 FROM trials t "
    "JOIN trial_values v ON v.trial = t.id WHERE t.experiment = ?1 AND v.value IS NOT NULL "
    "UNION ALL SELECT t.role, t.number, v.position, printf('%!.17g', v.value), 1 FROM trials t "
    "JOIN trial_constraints v ON v.trial = t.id WHERE t.experiment = ?1 AND v.value IS NOT NULL "
    "ORDER BY 1 DESC, 2";

typedef struct restoring {
    rlt_driver *d;
    size_t at; /* entries are in the order of the rows */
} restoring;

static rlt_status restore_value(void *user, int columns, const char *const *names,
                                const char *const *values, rlt_err *err) {
    (void)columns;
    (void)names;
    (void)err;
    restoring *r = user;
    rlt_driver *d = r->d;
    bool final = strcmp(values[0], "final") == 0;
    int64_t number = strtoll(values[1], NULL, 10);
    while (r->at < d->count &&
           (d->trials[r->at].final != final || d->trials[r->at].number != number)) {
        r->at++;
    }
    int64_t place = strtoll(values[2], NULL, 10);
    int64_t index = place + (values[4][0] == '1' ? objective_count(d) : 0);
    if (r->at < d->count && d->trials[r->at].measures != NULL && index < measure_count(d)) {
        rlt_driver_measure *at = &d->trials[r->at].measures[index];
        at->last = strtod(values[3], NULL);
        at->step = 0;
    }
    return RLT_OK;
}

rlt_status rlt_driver_restore_measures(rlt_driver *d, rlt_err *err) {
    restoring r = {.d = d};
    const int64_t args[] = {d->experiment};
    return measure_count(d) <= 1
               ? RLT_OK
               : rlt_store_query(d->store, rows_of_values, args, 1, restore_value, &r, err);
}
