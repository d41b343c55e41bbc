/* exchange: the search space of an experiment as Optuna's distributions.
 * Why the values of all trials are looked at: what a function of the script chose, or a normal
 * number without bounds, has a range in the trials only.
 * Thread: the store's. Owner: optuna_export_space_fini. */
#include "exchange/exchange_impl.h"
#include "tuner/tuner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *optuna_export_value(const json_t *value) {
    if (!json_is_array(value) && !json_is_object(value)) {
        return json_incref((json_t *)value);
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    json_t *made = json_string(text);
    free(text);
    return made;
}

static void set_choices(const json_t *values, optuna_dist *dist, bool *texts) {
    dist->kind = OPTUNA_CATEGORICAL;
    dist->choices = json_array();
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *value = json_array_get(values, i);
        *texts |= json_is_array(value) || json_is_object(value);
        json_array_append_new(dist->choices, optuna_export_value(value));
    }
}

/* The last step that is not beyond `high`: Optuna moves high there, with a warning. */
static double last_step(double low, double high, double step) {
    char text[40];
    double steps = floor((high - low) / step * (1 + 0x1p-40));
    snprintf(text, sizeof text, "%.15g", low + steps * step);
    double last = strtod(text, NULL);
    return last < high ? last : high;
}

static void set_numbers(const rlt_param *param, optuna_dist *dist) {
    bool integers = param->kind == RLT_DIST_RANDINT || param->kind == RLT_DIST_LOGRANDINT ||
                    (param->kind == RLT_DIST_QUNIFORM && param->integer);
    dist->kind = integers ? OPTUNA_INT : OPTUNA_FLOAT;
    dist->log = param->kind == RLT_DIST_LOGUNIFORM || param->kind == RLT_DIST_LOGRANDINT;
    dist->low = param->low;
    dist->high = param->high;
    dist->step = integers ? 1 : 0;
    if (param->kind == RLT_DIST_QUNIFORM) {
        dist->step = param->step;
        dist->high = last_step(dist->low, dist->high, dist->step);
    }
}

static void set_fixed(const json_t *value, optuna_dist *dist, bool *texts) {
    if (json_is_number(value)) {
        dist->kind = json_is_integer(value) ? OPTUNA_INT : OPTUNA_FLOAT;
        dist->low = dist->high = json_number_value(value);
        dist->step = json_is_integer(value) ? 1 : 0;
    } else {
        json_t *one = json_pack("[O]", value);
        set_choices(one, dist, texts);
        json_decref(one);
    }
}

/* ---- values seen in trials ---- */

typedef struct seen {
    rlt_store *store;
    const char *path;
    json_t *values; /* distinct ones */
    double low, high;
    bool numbers, integers;
} seen;

static rlt_status visit_values(void *user, const rlt_trial_row *row, rlt_err *err) {
    seen *s = user;
    rlt_trial_texts texts;
    RLT_TRY(rlt_store_trial_texts(s->store, row->id, &texts, err));
    json_t *params = json_loads(texts.params_json, 0, NULL);
    rlt_trial_texts_fini(&texts);
    json_t *value = json_object_get(params, s->path);
    if (value != NULL) {
        bool known = false;
        for (size_t i = 0; !json_is_number(value) && i < json_array_size(s->values); i++) {
            known |= json_equal(value, json_array_get(s->values, i)) != 0;
        }
        if (!known && json_array_size(s->values) < 1000) {
            json_array_append(s->values, value);
        }
        double x = json_number_value(value);
        s->numbers &= json_is_number(value);
        s->integers &= json_is_integer(value);
        s->low = fmin(s->low, x);
        s->high = fmax(s->high, x);
    }
    json_decref(params);
    return RLT_OK;
}

static rlt_status look_at(rlt_store *store, int64_t experiment, const char *path, seen *s,
                          rlt_err *err) {
    *s = (seen){.store = store,
                .path = path,
                .values = json_array(),
                .low = INFINITY,
                .high = -INFINITY,
                .numbers = true,
                .integers = true};
    rlt_status status = rlt_store_trials(store, experiment, visit_values, s, err);
    if (status != RLT_OK) {
        json_decref(s->values);
    }
    return status;
}

/* What a function of the script chose: the range, or the list, of what was chosen. */
static rlt_status set_seen(rlt_store *store, int64_t experiment, const rlt_param *param,
                           rlt_notes *notes, optuna_dist *dist, bool *texts, rlt_err *err) {
    seen s;
    RLT_TRY(look_at(store, experiment, param->path, &s, err));
    if (json_array_size(s.values) > 0 && s.numbers) {
        dist->kind = s.integers ? OPTUNA_INT : OPTUNA_FLOAT;
        dist->low = s.low;
        dist->high = s.high;
        dist->step = s.integers ? 1 : 0;
    } else {
        set_choices(s.values, dist, texts);
    }
    rlt_notes_add(notes, 0,
                  "%.100s is chosen by a function of the script; its distribution there is what "
                  "the trials have",
                  param->path);
    json_decref(s.values);
    return RLT_OK;
}

/* Optuna has no normal distribution: six deviations around the mean, and all that was drawn. */
static rlt_status set_normal(rlt_store *store, int64_t experiment, const rlt_param *param,
                             rlt_notes *notes, optuna_dist *dist, rlt_err *err) {
    seen s;
    RLT_TRY(look_at(store, experiment, param->path, &s, err));
    dist->kind = param->integer ? OPTUNA_INT : OPTUNA_FLOAT;
    dist->step = param->integer ? 1 : 0;
    double low = fmin(param->mean - 6 * param->std, s.low);
    double high = fmax(param->mean + 6 * param->std, s.high);
    dist->low = isfinite(param->low) ? param->low : param->integer ? floor(low) : low;
    dist->high = isfinite(param->high) ? param->high : param->integer ? ceil(high) : high;
    rlt_notes_add(notes, 0, "%.100s is normal here, uniform from %g to %g there", param->path,
                  dist->low, dist->high);
    json_decref(s.values);
    return RLT_OK;
}

/* ---- all parameters ---- */

static rlt_status set_dist(rlt_store *store, int64_t experiment, const rlt_param *param,
                           rlt_notes *notes, optuna_dist *dist, rlt_err *err) {
    bool texts = false;
    rlt_status status = RLT_OK;
    switch (param->kind) {
    case RLT_DIST_CHOICE:
    case RLT_DIST_GRID:
        set_choices(param->choices, dist, &texts);
        break;
    case RLT_DIST_FIXED:
        set_fixed(json_array_get(param->choices, 0), dist, &texts);
        break;
    case RLT_DIST_NORMAL:
        status = set_normal(store, experiment, param, notes, dist, err);
        break;
    case RLT_DIST_FUNCTION:
        status = set_seen(store, experiment, param, notes, dist, &texts, err);
        break;
    default:
        set_numbers(param, dist);
        break;
    }
    if (texts) {
        rlt_notes_add(notes, 0, "%.100s: choices that are lists or tables are JSON texts there",
                      param->path);
    }
    return status;
}

/* The name that the study had which it was imported from, or the path without "params.". */
static void name_of(const json_t *facts, const char *path, char *name, size_t size) {
    const json_t *names = json_object_get(json_object_get(facts, "import"), "names");
    const char *known = json_string_value(json_object_get(names, path));
    snprintf(name, size, "%s", known != NULL ? known : rlt_config_param_name(path));
}

static rlt_status fill(rlt_store *store, const rlt_experiment_row *row, const json_t *facts,
                       const rlt_search_space *found, rlt_notes *notes, optuna_export_space *space,
                       rlt_err *err) {
    space->params =
        rlt_alloc(sizeof *space->params * (size_t)(found->count > 0 ? found->count : 1));
    for (int i = 0; i < found->count; i++) {
        optuna_export_param *param = &space->params[space->count++];
        snprintf(param->path, sizeof param->path, "%s", found->params[i].path);
        name_of(facts, param->path, param->name, sizeof param->name);
        RLT_TRY(set_dist(store, row->id, &found->params[i], notes, &param->dist, err));
        json_t *json = optuna_dist_json(&param->dist);
        param->json = json_dumps(json, 0);
        json_decref(json);
    }
    return RLT_OK;
}

rlt_status optuna_export_space_of(rlt_store *store, const rlt_experiment_row *row, rlt_notes *notes,
                                  optuna_export_space *space, rlt_err *err) {
    json_t *config = json_loads(row->config_json, 0, NULL);
    json_t *facts = json_loads(row->facts_json, 0, NULL);
    rlt_search_space found = {0};
    *space = (optuna_export_space){0};
    rlt_status status = config != NULL ? rlt_search_space_collect(config, &found, err)
                                       : rlt_fail(err, RLT_ECORRUPT,
                                                  "experiment %lld: its configuration is no JSON",
                                                  (long long)row->id);
    if (status == RLT_OK) {
        status = fill(store, row, facts, &found, notes, space, err);
    }
    rlt_search_space_fini(&found);
    json_decref(config);
    json_decref(facts);
    return status;
}

const optuna_export_param *optuna_export_param_of(const optuna_export_space *space,
                                                  const char *path) {
    for (int i = 0; i < space->count; i++) {
        if (strcmp(space->params[i].path, path) == 0) {
            return &space->params[i];
        }
    }
    return NULL;
}

void optuna_export_space_fini(optuna_export_space *space) {
    for (int i = 0; i < space->count; i++) {
        optuna_dist_fini(&space->params[i].dist);
        free(space->params[i].json);
    }
    rlt_free(space->params);
    *space = (optuna_export_space){0};
}
