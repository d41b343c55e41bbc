/* driver: what the stopper decides, as rows first. A result may decide on trials that wait as well:
 * those rulings are rows of the same transaction as the result, so that a driver that dies has
 * either both or none; what a ruling leads to follows from the rows.
 * Thread: the driver's. Owner: the driver. */
#include "driver/driver_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *decider(const rlt_driver *d) {
    return rlt_stoppers[d->config.tune.stopper].name;
}

/* JSON has no infinities: "inf" and "-inf". */
static json_t *real_or_null(double x) {
    return isnan(x) ? json_null() : isinf(x) ? json_string(x > 0 ? "inf" : "-inf") : json_real(x);
}

static double real_of(const json_t *json) {
    return json_is_string(json)   ? strtod(json_string_value(json), NULL)
           : json_is_number(json) ? json_number_value(json)
                                  : NAN;
}

/* Owned by the caller (free). `value`: of the report, which may be another than what was judged. */
static char *numbers_of(const rlt_driver *d, const rlt_decision *decision, double value) {
    const rlt_exploit *exploit = &decision->exploit;
    json_t *numbers = json_pack("{s:o, s:o, s:o, s:i, s:i, s:i}", "value", real_or_null(value),
                                "judged", real_or_null(decision->value), "threshold",
                                real_or_null(decision->threshold), "bracket", decision->bracket,
                                "rung", decision->rung, "compared", decision->compared);
    for (int i = 0; i < RLT_DECISION_NUMBERS && decision->names[i] != NULL; i++) {
        if (!isnan(decision->numbers[i])) {
            json_object_set_new(numbers, decision->names[i], real_or_null(decision->numbers[i]));
        }
    }
    if (d->timed) {
        json_object_set_new(numbers, RLT_SERIES_TIME, json_real((double)decision->at / 1e3));
    }
    if (decision->action == RLT_ACTION_EXPLOIT && exploit->changes != NULL) {
        json_object_set(numbers, "changes", (json_t *)exploit->changes);
    }
    char *text = json_dumps(numbers, JSON_COMPACT);
    json_decref(numbers);
    return text;
}

static rlt_status store_row(rlt_driver *d, const rlt_driver_entry *t, int64_t step, int round,
                            const rlt_decision *decision, char *numbers, rlt_err *err) {
    const rlt_decision_row row = {.trial = t->id,
                                  .step = step,
                                  .round = round,
                                  .decider = decider(d),
                                  .action = rlt_action_name(decision->action),
                                  .numbers_json = numbers,
                                  .reason = decision->reason};
    rlt_status status = rlt_store_decide(d->store, &row, err);
    free(numbers);
    return status;
}

static void keep_verdict(rlt_driver_entry *t, rlt_action action, int64_t step, const char *reason) {
    if (action == RLT_ACTION_STOP) {
        t->stopped_at = t->stopped_at > 0 ? t->stopped_at : step;
    }
    if (reason != NULL && reason[0] != 0) {
        free(t->verdict);
        t->verdict = action == RLT_ACTION_CONTINUE ? NULL : strdup(reason);
    }
}

/* There is nothing to judge: the tuner is not told, and the trial goes on. */
static rlt_status pass_by(rlt_driver *d, rlt_driver_entry *t, int64_t milestone, rlt_err *err) {
    rlt_decision decision = {.action = RLT_ACTION_CONTINUE};
    snprintf(decision.reason, sizeof(decision.reason),
             "it had no %.60s yet, so that nothing could be judged", d->config.tune.metric);
    return store_row(d, t, milestone, 0, &decision, strdup("{\"missing\":true}"), err);
}

/* What the trial is told: one that copies another leaves, and is started again with its weights. */
static rlt_action told(const rlt_driver *d, const rlt_driver_entry *t, rlt_action action) {
    bool leaves =
        action == RLT_ACTION_EXPLOIT || (action == RLT_ACTION_CONTINUE && rlt_driver_yields(d, t));
    return leaves ? RLT_ACTION_PAUSE : action;
}

/* A decision whose row is there: in the first round or on a trial that waits. */
static rlt_status act(rlt_driver *d, rlt_driver_entry *t, const rlt_decision *decision, int round,
                      rlt_err *err) {
    keep_verdict(t, decision->action, decision->step, decision->reason);
    if (decision->action == RLT_ACTION_EXPLOIT) {
        RLT_TRY(rlt_driver_exploit(d, t, decision, round, err));
    }
    if (t->reply == RLT_REPLY_DECISION) {
        t->action = told(d, t, decision->action);
        if (t->action == RLT_ACTION_PAUSE && t->verdict == NULL) {
            t->verdict = strdup("others have their turn");
        }
    }
    return RLT_OK;
}

rlt_status rlt_driver_decide(rlt_driver *d, rlt_driver_entry *t, int64_t milestone, double value,
                             bool missing, rlt_err *err) {
    int64_t amount = rlt_driver_amount(d, t, milestone);
    rlt_driver_set_milestone(d, t, amount);
    t->reply = RLT_REPLY_DECISION;
    t->action = RLT_ACTION_CONTINUE;
    if (missing) {
        return pass_by(d, t, milestone, err);
    }
    rlt_decision decision;
    RLT_TRY(rlt_tuner_report_at(d->tuner, t->number, milestone, amount, value, &decision, err));
    rlt_decision_explain(d->tuner, &decision);
    if (!decision.again) { /* else an attempt from before has its row */
        RLT_TRY(store_row(d, t, milestone, 0, &decision, numbers_of(d, &decision, value), err));
    }
    return act(d, t, &decision, 0, err);
}

/* One that still has to be told what was decided is told the ruling at once; one whose process is
 * about to end is dealt with when it has. */
static rlt_status apply(rlt_driver *d, rlt_driver_entry *t, const rlt_decision *ruling,
                        rlt_err *err) {
    RLT_TRY(act(d, t, ruling, 1, err));
    bool idle = t->state == RLT_TRIAL_PAUSED || t->state == RLT_TRIAL_PENDING;
    if (ruling->action == RLT_ACTION_STOP && idle) {
        return rlt_driver_finish(d, t, RLT_TRIAL_STOPPED, ruling->reason, err);
    }
    if (idle) {
        rlt_driver_say(d, "trial %lld goes on: %s", (long long)t->number, ruling->reason);
    }
    return RLT_OK;
}

static bool programs_run(const rlt_driver *d) {
    for (size_t i = d->first_open; i < d->count; i++) {
        if (d->trials[i].program.runs || d->trials[i].spawn) {
            return true;
        }
    }
    return false;
}

rlt_status rlt_driver_rulings(rlt_driver *d, rlt_err *err) {
    int64_t number;
    rlt_decision ruling;
    if (d->copies && d->host != NULL && programs_run(d)) {
        return RLT_OK; /* their checkpoints may not be complete */
    }
    while (rlt_tuner_ruling(d->tuner, &number, &ruling)) {
        rlt_driver_entry *t = rlt_driver_trial_of(d, number);
        RLT_ASSERT(t != NULL);
        char *numbers = numbers_of(d, &ruling, ruling.value);
        RLT_TRY(store_row(d, t, ruling.step, 1, &ruling, numbers, err));
        RLT_TRY(apply(d, t, &ruling, err));
    }
    return RLT_OK;
}

rlt_status rlt_driver_raced(rlt_driver *d, const rlt_driver_entry *t, rlt_err *err) {
    rlt_race race;
    if (!rlt_tuner_race(d->tuner, t->number, &race)) {
        return RLT_OK;
    }
    json_t *numbers = json_pack(
        "{s:I, s:o, s:I, s:o, s:i, s:i, s:o, s:o}", "configuration", (json_int_t)race.configuration,
        "value", real_or_null(race.value), "best", (json_int_t)race.best, "threshold",
        real_or_null(race.threshold), "seeds", race.seeds, "compared", race.compared, "p",
        real_or_null(race.p), "alpha", real_or_null(race.alpha));
    char *text = json_dumps(numbers, JSON_COMPACT);
    json_decref(numbers);
    const rlt_decision_row row = {.trial = t->id,
                                  .step = t->steps,
                                  .decider = RLT_DECIDER_RACE,
                                  .action = race.extend ? "extend" : "drop",
                                  .numbers_json = text,
                                  .reason = race.reason};
    rlt_status status = rlt_store_decide(d->store, &row, err);
    free(text);
    if (!race.extend) {
        rlt_driver_say(d, "trial %lld: %s", (long long)race.configuration, race.reason);
    }
    return status;
}

/* ---- from rows ---- */

/* Columns step, numbers_json, action, reason, source, params_json. What was decided stands: the
 * trials that a rung compares may have come in another order. */
rlt_status rlt_driver_restore_decision(rlt_driver *d, int64_t number, const char *const *values,
                                       rlt_err *err) {
    int64_t step = strtoll(values[0], NULL, 10);
    json_t *numbers = json_loads(values[1], 0, NULL);
    bool missing = json_is_true(json_object_get(numbers, "missing"));
    double result = real_of(json_object_get(numbers, "value"));
    double seconds = real_of(json_object_get(numbers, RLT_SERIES_TIME));
    int64_t amount = isnan(seconds) ? step : llround(1e3 * seconds);
    json_decref(numbers);
    if (missing) {
        return RLT_OK;
    }
    rlt_action action;
    RLT_TRY(rlt_action_parse(values[2], &action, err));
    keep_verdict(rlt_driver_trial_of(d, number), action, step, values[3]);
    RLT_TRY(rlt_tuner_report_at(d->tuner, number, step, amount, result, NULL, err));
    if (action == RLT_ACTION_EXPLOIT) {
        return rlt_driver_restore_exploit(d, rlt_driver_trial_of(d, number), step, values[4],
                                          values[5], err);
    }
    return rlt_tuner_restore_decision(d->tuner, number, step, action, err);
}
