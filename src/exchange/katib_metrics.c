/* exchange: how the metrics of a Katib Experiment's trials are read: collectors and filters.
 * Kinds, defaults and formats: Katib's documentation of metrics collectors and its file collector
 * (v1beta1). Thread: any. */
#include "exchange/katib_impl.h"

#include <stdio.h>
#include <string.h>

/* Katib's own filter ([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?), which also matches no
 * number at all; this one does not. */
static const char default_filter[] = "([\\w|-]+) *= *([+-]?\\d*\\.?\\d+([eE][+-]?\\d+)?)";

enum { METRICS_MAX = 60 };

/* ---- patterns ---- */

/* Lines of JSON have their numbers as texts: {"loss": "0.3"}. */
static json_t *json_pattern(const char *name) {
    rlt_buf text = {0};
    rlt_buf_printf(&text, "\"");
    for (const char *at = name; *at != 0; at++) {
        rlt_buf_printf(&text, strchr(".[]{}()*+?^$|\\", *at) != NULL ? "\\%c" : "%c", *at);
    }
    rlt_buf_printf(&text, "\" *: *\"?([+-]?[0-9]*\\.?[0-9]+([eE][+-]?[0-9]+)?)");
    json_t *json = json_string(text.data);
    rlt_buf_fini(&text);
    return json;
}

/* A name that Katib's own filter cannot take is looked for as it stands. */
static json_t *default_pattern(const char *name) {
    rlt_buf text = {0};
    const char *why;
    if (!rlt_katib_filter(default_filter, name, &text, &why)) {
        for (const char *at = name; *at != 0; at++) {
            rlt_buf_printf(&text, strchr(".[]{}()*+?^$|\\", *at) != NULL ? "\\%c" : "%c", *at);
        }
        rlt_buf_printf(&text, " *= *([+-]?[0-9]*\\.?[0-9]+([eE][+-]?[0-9]+)?)");
    }
    json_t *json = json_string(text.data);
    rlt_buf_fini(&text);
    return json;
}

/* The first filter that can find this metric; NULL: none can. */
static json_t *filtered_pattern(rlt_katib *k, const rlt_yaml_node *formats, const char *name) {
    json_t *found = NULL;
    for (int i = 0; i < rlt_yaml_count(formats); i++) {
        const rlt_yaml_node *item = rlt_yaml_item(&k->yaml, formats, i);
        const char *filter = rlt_yaml_text(item), *why;
        rlt_buf text = {0};
        if (found != NULL) {
            rlt_notes_add(k->notes, rlt_yaml_line(item),
                          "metricsFormat: %.60s is read by the first filter that fits it", name);
        } else if (rlt_katib_filter(filter != NULL ? filter : "", name, &text, &why)) {
            found = json_string(text.data);
        } else if (why != NULL) {
            rlt_notes_add(k->notes, rlt_yaml_line(item),
                          "metricsFormat: '%.100s' has %s, which a pattern of objective.metrics "
                          "cannot have",
                          filter != NULL ? filter : "", why);
        }
        rlt_buf_fini(&text);
    }
    return found;
}

static void add_metric(rlt_katib *k, json_t *metrics, const rlt_yaml_node *formats, bool json,
                       const char *name) {
    json_t *pattern = NULL;
    if (name == NULL || *name == 0 || strlen(name) > 127 ||
        json_object_size(metrics) >= METRICS_MAX) {
        return;
    }
    if (rlt_yaml_count(formats) > 0 && !json) {
        pattern = filtered_pattern(k, formats, name);
        if (pattern == NULL) {
            rlt_notes_add(k->notes, rlt_yaml_line(formats),
                          "metricsFormat: no filter can find %.60s; name=number is read", name);
        }
    }
    pattern = pattern != NULL ? pattern : json ? json_pattern(name) : default_pattern(name);
    json_object_set_new(metrics, name, pattern);
}

static void read_lines(rlt_katib *k, const rlt_yaml_node *formats, bool json) {
    const rlt_yaml_node *objective = rlt_katib_spec(k, "objective");
    const rlt_yaml_node *more = rlt_yaml_get(&k->yaml, objective, "additionalMetricNames");
    json_t *metrics = json_object();
    json_object_set_new(k->objective, "metrics", metrics);
    if (json) { /* by patterns: as texts its numbers are none */
        json_object_set_new(k->objective, "json", json_false());
    }
    add_metric(k, metrics, formats, json,
               rlt_yaml_text(rlt_yaml_get(&k->yaml, objective, "objectiveMetricName")));
    for (int i = 0; i < rlt_yaml_count(more); i++) {
        add_metric(k, metrics, formats, json, rlt_yaml_text(rlt_yaml_item(&k->yaml, more, i)));
    }
}

/* ---- event files ---- */

/* "train/accuracy" is the tag accuracy of the files in the folder train. */
static void read_events(rlt_katib *k, const char *path) {
    const rlt_yaml_node *objective = rlt_katib_spec(k, "objective");
    const rlt_yaml_node *more = rlt_yaml_get(&k->yaml, objective, "additionalMetricNames");
    const char *metric = json_string_value(json_object_get(k->tune, "metric"));
    const char *tag = strrchr(metric, '/');
    int folder = tag != NULL ? (int)(tag - metric) : 0;
    for (int i = 0; i < rlt_yaml_count(more); i++) {
        const rlt_yaml_node *item = rlt_yaml_item(&k->yaml, more, i);
        const char *name = rlt_yaml_text(item);
        if (name != NULL && strncmp(name, metric, (size_t)folder) != 0) {
            rlt_notes_add(k->notes, rlt_yaml_line(item),
                          "%.60s is not read: event files of one folder are", name);
        }
    }
    json_object_set_new(k->objective, "checkpoint", json_true());
    json_object_set_new(
        k->objective, "tensorboard",
        json_sprintf("{checkpoint}/events%s%.*s", folder > 0 ? "/" : "", folder, metric));
    if (tag != NULL) {
        rlt_notes_add(k->notes, rlt_yaml_line(objective), "%.60s is called '%.60s' here", metric,
                      tag + 1);
        json_object_set_new(k->tune, "metric", json_string(tag + 1));
    }
    k->written = rlt_katib_place_of(path, "{checkpoint}/events");
}

/* ---- collectors ---- */

static void note_other(rlt_katib *k, const rlt_yaml_node *metrics, const char *kind) {
    static const struct {
        const char *kind, *what;
    } kinds[] = {
        {"PrometheusMetric", "metrics of an HTTP endpoint are not read"},
        {"Custom", "a collector in a container of its own does not run"},
        {"None", "nothing would be collected"},
        {"Push", "report_metrics() would send to Katib's database"},
    };
    const char *what = "is unknown";
    for (size_t i = 0; i < RLT_COUNT(kinds); i++) {
        what = strcmp(kind, kinds[i].kind) == 0 ? kinds[i].what : what;
    }
    rlt_notes_add(k->notes, rlt_yaml_line(metrics),
                  "metricsCollectorSpec: %.40s: %s; the program must print its metrics, as "
                  "name=value or as lines of JSON",
                  kind, what);
}

void rlt_katib_metrics(rlt_katib *k) {
    static const char *const known[] = {"collector", "source", NULL};
    const rlt_yaml_node *metrics = rlt_katib_spec(k, "metricsCollectorSpec");
    const rlt_yaml_node *source = rlt_yaml_get(&k->yaml, metrics, "source");
    const rlt_yaml_node *place = rlt_yaml_get(&k->yaml, source, "fileSystemPath");
    const rlt_yaml_node *formats =
        rlt_yaml_get(&k->yaml, rlt_yaml_get(&k->yaml, source, "filter"), "metricsFormat");
    const char *path = rlt_yaml_text(rlt_yaml_get(&k->yaml, place, "path"));
    const char *format = rlt_yaml_text(rlt_yaml_get(&k->yaml, place, "format"));
    const char *kind =
        rlt_yaml_text(rlt_yaml_get(&k->yaml, rlt_yaml_get(&k->yaml, metrics, "collector"), "kind"));
    kind = kind != NULL ? kind : "StdOut";
    rlt_katib_note_rest(k, metrics, "metricsCollectorSpec.", known);
    if (strcmp(kind, "TensorFlowEvent") == 0) {
        read_events(k, path != NULL ? path : "/var/log/katib/tfevent");
        return;
    }
    bool file = strcmp(kind, "File") == 0;
    read_lines(k, formats, file && format != NULL && strcmp(format, "JSON") == 0);
    if (file) { /* each trial has standard output of its own, but not a place of such a name */
        k->written =
            rlt_katib_place_of(path != NULL ? path : "/var/log/katib/metrics.log", "/dev/stdout");
    } else if (strcmp(kind, "StdOut") != 0) {
        note_other(k, metrics, kind);
    }
}
