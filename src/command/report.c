/* command: one line as a report: a JSON object, or what patterns find in it.
 * Why Python's NaN is accepted: json.dumps writes it, which is no JSON, and a loss that has become
 * NaN must not look like a line that is no report. Thread: any. */
#include "command/command_impl.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- JSON ---- */

static size_t token_at(const char *at, size_t left) {
    static const char *const tokens[] = {"NaN", "-Infinity", "Infinity"};
    for (size_t i = 0; i < RLT_COUNT(tokens); i++) {
        size_t size = strlen(tokens[i]);
        if (left >= size && memcmp(at, tokens[i], size) == 0) {
            return size;
        }
    }
    return 0;
}

/* The line with null for what JSON has no number for, outside of strings; NULL: nothing to do. */
static char *without_nan(const char *line, size_t size, size_t *made_size) {
    if (memmem(line, size, "NaN", 3) == NULL && memmem(line, size, "Infinity", 8) == NULL) {
        return NULL;
    }
    rlt_buf made = {0};
    bool text = false;
    for (size_t i = 0; i < size; i++) {
        size_t token = text ? 0 : token_at(line + i, size - i);
        if (token > 0) {
            rlt_buf_append(&made, "null", 4);
            i += token - 1;
            continue;
        }
        if (line[i] == '"') {
            text = !text;
        } else if (text && line[i] == '\\' && i + 1 < size) {
            rlt_buf_append(&made, line + i++, 1);
        }
        rlt_buf_append(&made, line + i, 1);
    }
    *made_size = made.size;
    return made.data;
}

static json_t *parse_object(const char *line, size_t size) {
    json_t *json = json_loadb(line, size, 0, NULL);
    size_t made_size;
    char *made = json == NULL ? without_nan(line, size, &made_size) : NULL;
    if (made != NULL) {
        json = json_loadb(made, made_size, 0, NULL);
        rlt_buf buf = {.data = made};
        rlt_buf_fini(&buf);
    }
    if (json != NULL && !json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* Whether it is one that a step can be. */
static bool read_step(const json_t *value, int64_t *step) {
    double x = json_number_value(value);
    if (!json_is_number(value) || !(x >= 0 && x <= 0x1p53) || x != floor(x)) {
        return false;
    }
    *step = json_is_integer(value) ? (int64_t)json_integer_value(value) : (int64_t)x;
    return true;
}

bool rlt_name_is_metric(const char *name) {
    size_t size = strlen(name);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f || name[i] == ',') {
            return false;
        }
    }
    return size > 0 && size <= RLT_COMMAND_NAME_MAX;
}

static void add_value(rlt_report *report, const char *name, const json_t *value) {
    bool number = json_is_number(value) || json_is_boolean(value) || json_is_null(value);
    if (!number || report->count == RLT_REPORT_METRICS_MAX || !rlt_name_is_metric(name)) {
        return;
    }
    double x = json_is_boolean(value)  ? json_is_true(value)
               : json_is_number(value) ? json_number_value(value)
                                       : NAN;
    report->names[report->count] = name;
    report->values[report->count++] = isfinite(x) ? x : NAN;
}

bool rlt_report_read(const char *line, size_t size, rlt_report *report, const char **error,
                     void **owner) {
    while (size > 0 && strchr(" \t\r", line[size - 1]) != NULL) {
        size--;
    }
    while (size > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        size--;
    }
    json_t *json =
        size > 1 && line[0] == '{' && line[size - 1] == '}' ? parse_object(line, size) : NULL;
    *report = (rlt_report){.step = -1};
    *error = NULL;
    *owner = json;
    if (json == NULL) {
        return false;
    }
    const char *name;
    json_t *value;
    json_object_foreach(json, name, value) {
        if (strcmp(name, "step") == 0) {
            if (!read_step(value, &report->step)) {
                json_decref(json);
                *owner = NULL;
                return false;
            }
        } else if (strcmp(name, "reply") == 0) {
            report->asks = json_is_true(value);
        } else if (strcmp(name, "error") == 0 && json_is_string(value)) {
            *error = json_string_value(value);
        } else {
            add_value(report, name, value);
        }
    }
    return true;
}

void rlt_report_release(void *owner) {
    json_decref(owner);
}

/* ---- patterns ---- */

/* Perl's \d, which people write without thinking, is the one class that glibc lacks. */
static char *with_digits(const char *text) {
    rlt_buf made = {0};
    bool inside = false; /* of brackets */
    for (const char *at = text; *at != 0; at++) {
        if (at[0] == '\\' && at[1] == 'd') {
            rlt_buf_printf(&made, inside ? "0-9" : "[0-9]");
            at++;
            continue;
        }
        if (at[0] == '\\' && at[1] != 0) {
            rlt_buf_append(&made, at++, 1);
        } else {
            inside = at[0] == '[' || (inside && at[0] != ']');
        }
        rlt_buf_append(&made, at, 1);
    }
    return made.data;
}

static rlt_status compile(const char *name, const char *text, rlt_pattern *pattern, rlt_err *err) {
    char why[128];
    if (strcmp(name, "step") != 0 && !rlt_name_is_metric(name)) {
        return rlt_fail(err, RLT_ECONFIG,
                        "'%.60s' is no name for a metric: 1 to %d bytes without commas are", name,
                        RLT_COMMAND_NAME_MAX);
    }
    char *posix = with_digits(text);
    int code = regcomp(&pattern->regex, posix != NULL ? posix : "", REG_EXTENDED);
    free(posix);
    if (code != 0) {
        regerror(code, &pattern->regex, why, sizeof why);
        return rlt_fail(err, RLT_ECONFIG, "%.60s: '%.200s' is no extended regular expression: %s",
                        name, text, why);
    }
    pattern->name = strdup(name);
    pattern->is_step = strcmp(name, "step") == 0;
    return pattern->regex.re_nsub >= 1
               ? RLT_OK
               : rlt_fail(err, RLT_ECONFIG,
                          "%.60s: '%.200s' has no group; put the number in parentheses, as in "
                          "'loss=([0-9.]+)'",
                          name, text);
}

rlt_status rlt_patterns_create(const char *const *names, const char *const *texts, int count,
                               rlt_patterns **patterns, rlt_err *err) {
    *patterns = NULL;
    if (count > RLT_REPORT_METRICS_MAX) {
        return rlt_fail(err, RLT_ECONFIG, "%d patterns; at most %d are allowed", count,
                        RLT_REPORT_METRICS_MAX);
    }
    rlt_patterns *made = rlt_alloc(sizeof *made);
    for (int i = 0; i < count; i++) {
        rlt_status status = compile(names[i], texts[i], &made->items[i], err);
        made->count += made->items[i].name != NULL;
        made->has_step |= made->items[i].is_step;
        if (status != RLT_OK) {
            rlt_patterns_destroy(&made);
            return status;
        }
    }
    *patterns = made;
    return RLT_OK;
}

void rlt_patterns_destroy(rlt_patterns **patterns) {
    rlt_patterns *old = *patterns;
    for (int i = 0; old != NULL && i < old->count; i++) {
        regfree(&old->items[i].regex);
        free(old->items[i].name);
    }
    rlt_free(old);
    *patterns = NULL;
}

/* The number that a group holds. */
static bool number_of(const char *line, const regmatch_t *group, double *value) {
    char text[64], *end;
    int size = (int)(group->rm_eo - group->rm_so);
    if (group->rm_so < 0 || size <= 0 || size >= (int)sizeof text) {
        return false;
    }
    memcpy(text, line + group->rm_so, (size_t)size);
    text[size] = 0;
    *value = strtod(text, &end);
    return end != text;
}

/* The first number among its groups: one before it may be there for (^|[^a-z]). */
static bool match(const rlt_pattern *pattern, const char *line, double *value) {
    enum { GROUPS_MAX = 10 };
    regmatch_t groups[GROUPS_MAX];
    bool found = false;
    if (regexec(&pattern->regex, line, GROUPS_MAX, groups, 0) != 0) {
        return false;
    }
    for (size_t i = 1; !found && i < GROUPS_MAX && i <= pattern->regex.re_nsub; i++) {
        found = number_of(line, &groups[i], value);
    }
    return found;
}

uint64_t rlt_patterns_match(const rlt_patterns *patterns, const char *line, rlt_report *report) {
    uint64_t found = 0;
    *report = (rlt_report){.step = -1};
    for (int i = 0; i < patterns->count; i++) {
        const rlt_pattern *pattern = &patterns->items[i];
        double value;
        if (!match(pattern, line, &value)) {
            continue;
        }
        if (pattern->is_step) {
            report->step = value >= 0 && value <= 0x1p53 ? (int64_t)value : -1;
        } else {
            report->names[report->count] = pattern->name;
            report->values[report->count++] = isfinite(value) ? value : NAN;
            found |= UINT64_C(1) << i;
        }
    }
    return found;
}
