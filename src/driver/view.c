/* driver: what a person watches: states, results, rate, time left. Thread: the driver's. */
#include "driver/driver_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double show_every_s = 0.1;

void rlt_driver_say(rlt_driver *d, const char *fmt, ...) {
    if (d->o->event == NULL) {
        return;
    }
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    d->o->event(d->o->user, line);
}

void rlt_driver_count_end(rlt_driver *d, const rlt_driver_entry *t, rlt_trial_state state,
                          const char *reason) {
    d->finished++;
    if (state == RLT_TRIAL_FAILED) {
        d->failed++;
        snprintf(d->failure, sizeof d->failure, "%strial %lld: %s", t->final ? "final " : "",
                 (long long)t->number, reason);
    }
}

static int64_t count_finals(const rlt_driver *d) {
    int64_t finals = d->dropped.finals;
    for (size_t i = d->count; i-- > 0 && d->trials[i].final;) {
        finals++;
    }
    return finals;
}

/* Retrainings to come, as far as is known: of a search that has grown, who wins is not. */
static int64_t finals_to_come(const rlt_driver *d) {
    int64_t seeds = d->config.tuned && !d->finals_planned && d->ending == NULL
                        ? d->config.tune.final.seeds - count_finals(d)
                        : 0;
    return seeds > 0 ? seeds : 0;
}

static int64_t planned(const rlt_driver *d) {
    int64_t finals = count_finals(d);
    int64_t search = (int64_t)d->count + d->dropped.count - finals;
    if (!d->exhausted && d->ending == NULL && rlt_tuner_planned(d->tuner) > search) {
        search = rlt_tuner_planned(d->tuner);
    }
    return search + finals + finals_to_come(d);
}

typedef struct average {
    double steps;
    int64_t count;
} average;

/* What a search trial takes, as far as those that have ended tell: most of them are stopped. NAN:
 * nobody knows, as of programs without stop.steps until the first one has ended. */
static double search_steps(const rlt_driver *d) {
    average ended = {(double)d->dropped.search_steps, d->dropped.count - d->dropped.finals};
    for (size_t i = 0; i < d->count; i++) {
        const rlt_driver_entry *t = &d->trials[i];
        if (!t->final && !rlt_driver_is_open(t)) {
            ended.steps += (double)t->steps;
            ended.count++;
        }
    }
    int64_t limit = d->config.run.stop.steps;
    return ended.count > 0 ? ended.steps / (double)ended.count : limit > 0 ? (double)limit : NAN;
}

/* Retraining goes to the end; a search trial as far as others did, beyond that to its end. */
static double steps_left(const rlt_driver_entry *t, double search) {
    double end = (double)t->steps_max, steps = (double)t->steps;
    double goal = t->final || steps >= search ? end : search;
    return isnan(goal) ? NAN : goal > steps ? goal - steps : 0;
}

static double steps_to_come(const rlt_driver *d, int64_t planned_trials) {
    double search = search_steps(d), left = 0;
    for (size_t i = 0; i < d->count; i++) {
        const rlt_driver_entry *t = &d->trials[i];
        if (rlt_driver_is_open(t)) {
            left += steps_left(t, search);
        }
    }
    int64_t later = planned_trials - (int64_t)d->count - d->dropped.count;
    int64_t finals = finals_to_come(d);
    return left + (double)finals * (double)d->config.run.stop.steps +
           (double)(later - finals) * search;
}

/* By steps or, where trials report none or end after a time, by trials; NAN: not known yet. */
static double time_left(const rlt_driver *d, const rlt_driver_view *view) {
    bool by_steps = !d->timed && view->steps > d->steps_before;
    double left = by_steps ? steps_to_come(d, view->planned) : NAN;
    if (!isnan(left)) {
        return left / view->steps_per_s;
    }
    int64_t ended = view->states[RLT_TRIAL_COMPLETED] + view->states[RLT_TRIAL_STOPPED] +
                    view->states[RLT_TRIAL_FAILED];
    return d->finished > 0 ? view->elapsed_s * (double)(view->planned - ended) / (double)d->finished
                           : NAN;
}

static void fill_trials(rlt_driver *d, rlt_driver_view *view) {
    memcpy(view->states, d->dropped.states, sizeof(view->states));
    view->steps = d->dropped.steps;
    for (size_t i = 0; i < d->count; i++) {
        const rlt_driver_entry *t = &d->trials[i];
        d->views[i] = (rlt_driver_trial){t->number,    t->final, t->state, t->steps,
                                         t->steps_max, t->last,  t->best,  t->steps_per_s};
        view->states[t->state]++;
        view->steps += t->steps;
    }
}

void rlt_driver_show(rlt_driver *d, bool now) {
    double clock = rlt_clock_s();
    if (d->o->progress == NULL || (!now && clock - d->shown < show_every_s)) {
        return;
    }
    d->shown = clock;
    rlt_driver_view view = {
        .experiment = d->experiment,
        .name = d->config.name,
        .metric = d->config.tune.metric,
        .front = -1,
        .trials = d->views,
        .count = d->count,
        .planned = planned(d),
        .elapsed_s = clock - d->started,
        .best_value = NAN,
    };
    fill_trials(d, &view);
    view.best_number = rlt_tuner_best(d->tuner, &view.best_value);
    if (d->config.tune.objectives.count > 1) {
        const int64_t *numbers;
        view.front = rlt_tuner_front(d->tuner, &numbers);
    }
    view.steps_per_s = (double)(view.steps - d->steps_before) / fmax(view.elapsed_s, 1e-9);
    view.eta_s = time_left(d, &view);
    d->o->progress(d->o->user, &view);
}
