/* cli, reporting: the parameters of trials as numbers. Domains come from the configuration's search
 * space; where that does not say (a function of the script, a normal distribution, a configuration
 * without it), from the values seen. Thread: main only. */
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
    json_t **known;   /* [param_count] {text of a choice: its index} */
} loader;

static char *copy_text(const char *text) {
    size_t size = strlen(text) + 1;
    return memcpy(rlt_alloc(size), text, size);
}

/* hint: where it is likely. */
static int find_path(const rlt_samples *s, const char *path, int hint) {
    for (int i = 0; i < s->data.param_count; i++) {
        int at = (hint + i) % s->data.param_count;
        if (strcmp(s->info[at].path, path) == 0) {
            return at;
        }
    }
    return -1;
}

static void add_path(rlt_samples *s, const char *path, size_t *room) {
    size_t count = (size_t)s->data.param_count;
    if (count == *room) {
        *room = 2 * count + 16;
        rlt_samples_param *more = rlt_alloc(sizeof *more * *room);
        if (count > 0) {
            memcpy(more, s->info, sizeof *more * count);
        }
        rlt_free(s->info);
        s->info = more;
    }
    snprintf(s->info[s->data.param_count++].path, RLT_NAME_MAX, "%s", path);
}

static void collect_paths(loader *l, rlt_samples *s) {
    size_t room = 0;
    for (int i = 0; i < s->data.count; i++) {
        const char *path;
        json_t *value;
        int hint = 0;
        json_object_foreach(l->params[i], path, value) {
            int at = find_path(s, path, hint);
            if (at < 0) {
                at = s->data.param_count;
                add_path(s, path, &room);
            }
            hint = at + 1;
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

/* Equal values have equal texts, 1 and 1.0 as well; free(). */
static char *key_of(const json_t *value) {
    double number = json_number_value(value);
    json_t *plain = json_is_number(value) ? json_real(number == 0 ? 0 : number) : NULL;
    char *text =
        json_dumps(plain != NULL ? plain : value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(plain);
    return text;
}

/* The choice's index; a new one becomes the last. */
static int choice_index(loader *l, int j, json_t *value) {
    char *key = key_of(value);
    const char *name = key != NULL ? key : "";
    const json_t *found = json_object_get(l->known[j], name);
    int index =
        found != NULL ? (int)json_integer_value(found) : (int)json_array_size(l->choices[j]);
    if (found == NULL) {
        json_object_set_new(l->known[j], name, json_integer(index));
        json_array_append(l->choices[j], value);
    }
    free(key);
    return index;
}

static void start_choices(loader *l, int j, const json_t *choices) {
    size_t i;
    json_t *value;
    l->choices[j] = json_array();
    l->known[j] = json_object();
    json_array_foreach((json_t *)(uintptr_t)choices, i, value) {
        choice_index(l, j, value);
    }
}

/* Positive numbers that spread over so much were hardly drawn evenly. */
static const double LOG_SPREAD = 1000;

/* From the values of the trials that have it: numbers, else choices in the order of appearance. */
static void infer(loader *l, int j) {
    rlt_samples *s = l->s;
    rlt_analysis_param *param = &s->params[j];
    bool numbers = true, integers = true;
    param->low = INFINITY;
    param->high = -INFINITY;
    for (int i = 0; i < s->data.count; i++) {
        const json_t *value = json_object_get(l->params[i], s->info[j].path);
        if (value != NULL) {
            numbers &= json_is_number(value);
            integers &= json_is_integer(value);
            param->low = fmin(param->low, json_number_value(value));
            param->high = fmax(param->high, json_number_value(value));
        }
    }
    s->info[j].inferred = true;
    param->step = integers ? 1 : 0;
    param->log = !integers && param->low > 0 && param->high > LOG_SPREAD * param->low;
    if (!numbers) {
        start_choices(l, j, NULL); /* place_of finds them */
    }
}

static void set_domain(loader *l, int j) {
    rlt_analysis_param *param = &l->s->params[j];
    const rlt_param *known = space_of(l, l->s->info[j].path);
    param->name = l->s->info[j].path;
    if (known == NULL || known->kind == RLT_DIST_FUNCTION || known->kind == RLT_DIST_NORMAL) {
        infer(l, j);
    } else if (known->choices != NULL) {
        start_choices(l, j, known->choices);
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
static double place_of(loader *l, int j, json_t *value) {
    if (value == NULL) {
        return NAN;
    }
    if (l->choices[j] != NULL) {
        return choice_index(l, j, value);
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
    l->known = rlt_alloc(sizeof(json_t *) * (width + 1));
    for (int j = 0; j < s->data.param_count; j++) {
        set_domain(l, j);
        for (int i = 0; i < s->data.count; i++) {
            s->x[(size_t)i * width + (size_t)j] =
                place_of(l, j, json_object_get(l->params[i], s->info[j].path));
        }
        if (l->choices[j] != NULL) {
            name_choices(l, j);
            json_decref(l->choices[j]);
            json_decref(l->known[j]);
        }
    }
    rlt_free(l->choices);
    rlt_free(l->known);
}

rlt_status rlt_samples_load_params(const rlt_report *report, rlt_samples *s, rlt_err *err) {
    loader l = {.s = s};
    json_t *config = rlt_report_parse(report->experiment.config_json);
    rlt_err ignored; /* a configuration that cannot be read: domains are inferred */
    if (rlt_search_space_collect(config, &l.space, &ignored) != RLT_OK) {
        l.space = (rlt_search_space){0};
    }
    l.params = rlt_alloc(sizeof(json_t *) * (size_t)(s->data.count + 1));
    rlt_status status = RLT_OK;
    for (int i = 0; i < s->data.count && status == RLT_OK; i++) {
        status = rlt_report_params(report, s->trials[i], &l.params[i], err);
    }
    if (status == RLT_OK) {
        collect_paths(&l, s);
        fill_params(&l);
    }
    for (int i = 0; i < s->data.count; i++) {
        json_decref(l.params[i]);
    }
    rlt_free(l.params);
    rlt_search_space_fini(&l.space);
    json_decref(config);
    return status;
}

/* "lr" for "ppo.lr", where only one ends like that; else -1. */
static int find_end(const rlt_samples *s, const char *end) {
    int found = -1;
    size_t size = strlen(end);
    for (int j = 0; j < s->data.param_count; j++) {
        const char *path = s->info[j].path;
        size_t length = strlen(path);
        if (size > 0 && length > size && path[length - size - 1] == '.' &&
            strcmp(path + length - size, end) == 0) {
            if (found >= 0) {
                return -1;
            }
            found = j;
        }
    }
    return found;
}

rlt_status rlt_samples_param_find(const rlt_samples *s, const char *path, int *index,
                                  rlt_err *err) {
    const char *names[RLT_TABLE_COLUMNS_MAX] = {0};
    size_t count = 0;
    *index = find_path(s, path, 0);
    *index = *index >= 0 ? *index : find_end(s, path);
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
