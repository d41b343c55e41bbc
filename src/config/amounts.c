/* config: what a stopper counts (tune.stopper.time_attr): steps, or the time that a trial has run.
 * Options that count are steps then, or seconds in scripts and rows and milliseconds in the struct,
 * so that the tuner counts in integers either way. Also where trials end that have run whole
 * (stop_last_trials). Names are Ray Tune's. Thread: any, no state. */
#include "config/config_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double ms_per_s = 1e3, seconds_max = 1e9;

/* The first two are our own names, as the field has them. */
static const struct {
    const char *name;
    bool timed;
} time_attrs[] = {{"steps", false},
                  {"time_total_s", true},
                  {"training_iteration", false},
                  {"timesteps_total", false},
                  {"num_env_steps_sampled_lifetime", false},
                  {"seconds", true}};

const char *rlt_amount_text(bool timed, int64_t amount, char text[RLT_AMOUNT_TEXT]) {
    if (timed) {
        snprintf(text, RLT_AMOUNT_TEXT, "%.10g s", (double)amount / ms_per_s);
    } else {
        snprintf(text, RLT_AMOUNT_TEXT, "%lld steps", (long long)amount);
    }
    return text;
}

static const char *canonical_name(const char *text) {
    for (size_t i = 0; text != NULL && i < RLT_COUNT(time_attrs); i++) {
        if (strcmp(time_attrs[i].name, text) == 0) {
            return time_attrs[time_attrs[i].timed].name;
        }
    }
    return NULL;
}

bool rlt_config_counts_seconds(const json_t *table) {
    const char *name = canonical_name(json_string_value(json_object_get(table, "time_attr")));
    return name != NULL && strcmp(name, "time_total_s") == 0;
}

static bool is_amount(const rlt_field *field) {
    static const char *const names[] = {"grace", "max_steps", "interval", "perturbation_interval",
                                        "burn_in_period"};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        if (strcmp(field->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

rlt_status rlt_config_take_amount(const rlt_config_loading *loading, const rlt_field *field,
                                  const char *path, const json_t *value, json_t **canonical,
                                  rlt_err *err) {
    const char *text = json_string_value(value);
    if (strcmp(field->name, "time_attr") == 0) {
        const char *name = canonical_name(text);
        *canonical = name != NULL ? json_string(name) : NULL;
        return name != NULL
                   ? RLT_OK
                   : rlt_fail(err, RLT_ECONFIG,
                              "%s: '%.40s' is nothing that a stopper can count; allowed: steps "
                              "(also training_iteration, timesteps_total), time_total_s (also "
                              "seconds: those that a trial has run)",
                              path, text != NULL ? text : "");
    }
    if (is_amount(field) && text != NULL && strcmp(text, "auto") == 0) { /* Optuna's word for it */
        *canonical = json_integer(0);
    }
    if (!loading->timed || !is_amount(field) || !json_is_real(value)) {
        return RLT_OK;
    }
    double seconds = json_real_value(value);
    if (!(seconds >= 0 && seconds <= seconds_max)) {
        return rlt_fail(err, RLT_ECONFIG, "%s: %g is not allowed; seconds from 0 to %g are", path,
                        seconds, seconds_max);
    }
    *canonical = json_real(seconds);
    return RLT_OK;
}

void rlt_config_store_amounts(const rlt_field *fields, const json_t *normalised,
                              rlt_tune_fields *tune) {
    for (const rlt_field *field = fields; tune->timed && field->name != NULL; field++) {
        if (is_amount(field)) {
            double seconds = json_number_value(json_object_get(normalised, field->name));
            int64_t ms = llround(seconds * ms_per_s);
            *(int64_t *)((char *)tune + field->offset) = ms > 0 || seconds == 0 ? ms : 1;
        }
    }
}

int64_t rlt_config_whole(const rlt_run_config *run, const rlt_tune_fields *tune) {
    return tune->timed ? llround(run->stop.wall_s * ms_per_s) : run->stop.steps;
}

void rlt_config_end_at_last(rlt_config_loading *loading, rlt_run_config *run,
                            const rlt_tune_fields *tune, int64_t max_steps) {
    bool earlier = run->stop.steps == 0 || max_steps < run->stop.steps;
    if (!tune->stop_last || tune->timed || max_steps == 0 || !earlier) {
        return;
    }
    run->stop.steps = max_steps;
    json_object_set_new(json_object_get(loading->out, "stop"), "steps", json_integer(max_steps));
}
