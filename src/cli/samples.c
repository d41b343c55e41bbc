/* cli, reporting: trials as arrays. Domains come from the configuration's search space; where that
 * does not say (a function of the script, a normal distribution, a configuration without it), from
 * the values seen. Thread: main only. */
#include "cli/samples.h"

#include "tuner/tuner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* While loading: the JSON of each kept trial, and the search space. */
typedef struct loader {
    rlt_samples *s;
    json_t **params; /* [count] */
    rlt_search_space space;
    json_t **choices; /* [param_count] arrays; NULL: numeric */
} loader;

static char *copy_text(const char *text) {
    size_t size = strlen(text) + 1;
    return memcpy(rlt_alloc(size), text, size);
}

/* ---- values ---- */

static double newest_point(const rlt_report *report, const rlt_trial_row *trial, const char *metric,
                           rlt_status *status, rlt_err *err) {
    rlt_curve curve;
    *status = rlt_curve_load(report->store, trial, metric, &curve, err);
    const double *y = (const double *)(const void *)curve.y.data;
    double value = *status == RLT_OK && curve.count > 0 ? y[curve.count - 1] : NAN;
    rlt_curve_fini(&curve);
    return value;
}

/* The place of the metric among the objectives; -1: none. */
static int objective_of(const rlt_report *report, const char *metric) {
    for (int i = 0; i < report->objective_count; i++) {
        if (strcmp(report->objectives[i].metric, metric) == 0) {
            return i;
        }
    }
    return -1;
}

static bool has_ended(const rlt_trial_row *trial, bool stopped) {
    return strcmp(trial->role, "search") == 0 &&
           (strcmp(trial->state, "completed") == 0 ||
            (stopped && strcmp(trial->state, "stopped") == 0));
}

static rlt_status load_values(const rlt_report *report, bool stopped, rlt_samples *s,
                              rlt_err *err) {
    bool first = strcmp(s->metric, report->experiment.metric) == 0;
    int objective = objective_of(report, s->metric);
    s->trials = rlt_alloc(sizeof *s->trials * (size_t)(report->trial_count + 1));
    s->values = rlt_alloc(sizeof(double) * (size_t)(report->trial_count + 1));
    for (int i = 0; i < report->trial_count; i++) {
        const rlt_trial_row *trial = &report->trials[i];
        if (!has_ended(trial, stopped)) {
            continue;
        }
        const double *values = rlt_report_values_of(report, trial);
        rlt_status status = RLT_OK;
        double value = first ? trial->value
                       : objective >= 0 && values != NULL
                           ? values[objective]
                           : newest_point(report, trial, s->metric, &status, err);
        RLT_TRY(status);
        if (isfinite(value)) {
            s->values[s->data.count] = value;
            s->trials[s->data.count++] = trial;
        }
    }
    s->data.maximise =
        objective >= 0 ? report->objectives[objective].maximise : report->experiment.maximise;
    return RLT_OK;
}

static rlt_status fail_empty(const rlt_report *report, bool stopped, const rlt_samples *s,
                             rlt_err *err) {
    int completed = 0, ended_early = 0, failed = 0;
    for (int i = 0; i < report->trial_count; i++) {
        const rlt_trial_row *trial = &report->trials[i];
        if (strcmp(trial->role, "search") == 0) {
            completed += strcmp(trial->state, "completed") == 0;
            ended_early += strcmp(trial->state, "stopped") == 0;
            failed += strcmp(trial->state, "failed") == 0;
        }
    }
    if (strcmp(s->metric, report->experiment.metric) != 0 && completed > 0) {
        return rlt_curve_fail_empty(report, s->metric, err);
    }
    return rlt_fail(err, RLT_ENOTFOUND,
                    "experiment %lld has no completed trial with a value of '%.64s': %d completed, "
                    "%d stopped, %d failed of %d%s",
                    (long long)report->experiment.id, s->metric, completed, ended_early, failed,
                    report->search_count,
                    ended_early > 0 && !stopped ? "; --stopped takes the stopped ones too" : "");
}

/* ---- parameters ---- */

static int find_path(const rlt_samples *s, const char *path) {
    for (int j = 0; j < s->data.param_count; j++) {
        if (strcmp(s->info[j].path, path) == 0) {
            return j;
        }
    }
    return -1;
}

static void collect_paths(loader *l, rlt_samples *s) {
    size_t room = 0;
    for (int i = 0; i < s->data.count; i++) {
        const char *path;
        json_t *value;
        json_object_foreach(l->params[i], path, value) {
            if (find_path(s, path) >= 0) {
                continue;
            }
            if ((size_t)s->data.param_count == room) {
                rlt_samples_param *more = rlt_alloc(sizeof *more * (2 * room + 16));
                if (room > 0) {
                    memcpy(more, s->info, sizeof *more * room);
                }
                rlt_free(s->info);
                s->info = more;
                room = 2 * room + 16;
            }
            snprintf(s->info[s->data.param_count++].path, RLT_NAME_MAX, "%s", path);
        }
    }
}

static const rlt_param *space_of(const loader *l, const char *path) {
    for (int i = 0; i < l->space.count; i++) {
        if (strcmp(l->space.params[i].path, path) == 0) {
            return &l->space.params[i];
        }
    }
    return NULL;
}

static bool is_equal(const json_t *a, const json_t *b) {
    return json_equal(a, b) ||
           (json_is_number(a) && json_is_number(b) && json_number_value(a) == json_number_value(b));
}

static int index_in(const json_t *choices, const json_t *value) {
    for (size_t i = 0; i < json_array_size(choices); i++) {
        if (is_equal(json_array_get(choices, i), value)) {
            return (int)i;
        }
    }
    return -1;
}

/* From the values of the trials that have it: numbers, else choices in the order of appearance. */
static void infer(loader *l, int j) {
    rlt_samples *s = l->s;
    rlt_analysis_param *param = &s->params[j];
    bool numbers = true, integers = true;
    json_t *seen = json_array();
    param->low = INFINITY;
    param->high = -INFINITY;
    for (int i = 0; i < s->data.count; i++) {
        json_t *value = json_object_get(l->params[i], s->info[j].path);
        if (value != NULL && index_in(seen, value) < 0) {
            json_array_append(seen, value);
            numbers &= json_is_number(value);
            integers &= json_is_integer(value);
            param->low = fmin(param->low, json_number_value(value));
            param->high = fmax(param->high, json_number_value(value));
        }
    }
    s->info[j].inferred = true;
    param->step = integers ? 1 : 0;
    if (!numbers) {
        l->choices[j] = json_incref(seen);
    }
    json_decref(seen);
}

static void set_domain(loader *l, int j) {
    rlt_analysis_param *param = &l->s->params[j];
    const rlt_param *known = space_of(l, l->s->info[j].path);
    param->name = l->s->info[j].path;
    if (known == NULL || known->kind == RLT_DIST_FUNCTION || known->kind == RLT_DIST_NORMAL) {
        infer(l, j);
    } else if (known->choices != NULL) {
        l->choices[j] = json_incref(known->choices);
    } else {
        bool whole =
            known->integer || known->kind == RLT_DIST_RANDINT || known->kind == RLT_DIST_LOGRANDINT;
        param->low = known->low;
        param->high = known->high;
        param->step = known->kind == RLT_DIST_QUNIFORM ? known->step : whole ? 1 : 0;
        param->log = known->kind == RLT_DIST_LOGUNIFORM || known->kind == RLT_DIST_LOGRANDINT;
    }
}

/* Values that the space does not have (added by hand, or from a warm start) become further choices,
 * or widen the domain. */
static double place_of(loader *l, int j, const json_t *value) {
    if (value == NULL) {
        return NAN;
    }
    if (l->choices[j] != NULL) {
        int index = index_in(l->choices[j], value);
        if (index < 0) {
            index = (int)json_array_size(l->choices[j]);
            json_t *more = json_copy(l->choices[j]);
            json_array_append(more, (json_t *)value);
            json_decref(l->choices[j]);
            l->choices[j] = more;
        }
        return index;
    }
    if (!json_is_number(value)) {
        return NAN;
    }
    rlt_analysis_param *param = &l->s->params[j];
    double number = json_number_value(value);
    param->log &= number > 0;
    param->low = fmin(param->low, number);
    param->high = fmax(param->high, number);
    return number;
}

static void name_choices(const loader *l, int j) {
    size_t count = json_array_size(l->choices[j]);
    l->s->params[j].choices = (int)count;
    l->s->info[j].names = rlt_alloc(sizeof(char *) * (count + 1));
    for (size_t i = 0; i < count; i++) {
        rlt_buf text = {0};
        rlt_report_json_text(json_array_get(l->choices[j], i), &text);
        l->s->info[j].names[i] = copy_text(text.data != NULL ? text.data : "");
        rlt_buf_fini(&text);
    }
}

static void fill_params(loader *l) {
    rlt_samples *s = l->s;
    size_t width = (size_t)s->data.param_count, cells = width * (size_t)s->data.count;
    s->params = rlt_alloc(sizeof *s->params * (width + 1));
    s->x = rlt_alloc(sizeof(double) * (cells + 1));
    l->choices = rlt_alloc(sizeof(json_t *) * (width + 1));
    for (int j = 0; j < s->data.param_count; j++) {
        set_domain(l, j);
        for (int i = 0; i < s->data.count; i++) {
            s->x[(size_t)i * width + (size_t)j] =
                place_of(l, j, json_object_get(l->params[i], s->info[j].path));
        }
        if (l->choices[j] != NULL) {
            name_choices(l, j);
            json_decref(l->choices[j]);
        }
    }
    rlt_free(l->choices);
}

static void load_params(const rlt_report *report, rlt_samples *s) {
    loader l = {.s = s};
    json_t *config = rlt_report_parse(report->experiment.config_json);
    rlt_err ignored; /* a configuration that cannot be read: domains are inferred */
    if (rlt_search_space_collect(config, &l.space, &ignored) != RLT_OK) {
        l.space = (rlt_search_space){0};
    }
    l.params = rlt_alloc(sizeof(json_t *) * (size_t)(s->data.count + 1));
    for (int i = 0; i < s->data.count; i++) {
        l.params[i] = rlt_report_parse(s->trials[i]->params_json);
    }
    collect_paths(&l, s);
    fill_params(&l);
    for (int i = 0; i < s->data.count; i++) {
        json_decref(l.params[i]);
    }
    rlt_free(l.params);
    rlt_search_space_fini(&l.space);
    json_decref(config);
}

rlt_status rlt_samples_load(const rlt_report *report, const char *metric, bool stopped,
                            rlt_samples *s, rlt_err *err) {
    *s = (rlt_samples){0};
    snprintf(s->metric, sizeof s->metric, "%s",
             metric != NULL ? metric : report->experiment.metric);
    rlt_status status = load_values(report, stopped, s, err);
    if (status == RLT_OK && s->data.count == 0) {
        status = fail_empty(report, stopped, s, err);
    }
    if (status != RLT_OK) {
        rlt_samples_close(s);
        return status;
    }
    load_params(report, s);
    s->data.params = s->params;
    s->data.x = s->x;
    s->data.values = s->values;
    return RLT_OK;
}

void rlt_samples_close(rlt_samples *s) {
    for (int j = 0; j < s->data.param_count && s->params != NULL; j++) {
        for (int i = 0; i < s->params[j].choices; i++) {
            rlt_free(s->info[j].names[i]);
        }
        rlt_free(s->info[j].names);
    }
    rlt_free(s->info);
    rlt_free(s->params);
    rlt_free(s->x);
    rlt_free(s->values);
    rlt_free(s->trials);
    *s = (rlt_samples){0};
}

rlt_status rlt_samples_param_find(const rlt_samples *s, const char *path, int *index,
                                  rlt_err *err) {
    const char *names[RLT_TABLE_COLUMNS_MAX] = {0};
    size_t count = 0;
    *index = find_path(s, path);
    if (*index >= 0) {
        return RLT_OK;
    }
    rlt_buf list = {0};
    for (int j = 0; j < s->data.param_count && count < RLT_COUNT(names); j++) {
        rlt_buf_printf(&list, "%s%s", count > 0 ? ", " : "", s->info[j].path);
        names[count++] = s->info[j].path;
    }
    const char *nearest = rlt_str_nearest(path, names, count);
    rlt_status status =
        rlt_fail(err, RLT_ENOTFOUND, "--param is '%.64s'%s%s%s; parameters of these trials: %s",
                 path, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                 nearest ? "'?)" : "", count > 0 ? list.data : "none");
    rlt_buf_fini(&list);
    return status;
}
