/* exchange: what a trial of a Katib Experiment runs and how its metrics are read.
 * Of a Kubernetes job only the command and the variables of the primary container mean anything
 * here; all else is listed. Thread: any. */
#include "exchange/katib_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 12, WORDS_MAX = 1000 };

/* ---- ${trialParameters.name} ---- */

/* Which parameter the reference means: trialParameters[] gives it a name of its own. */
static const char *resolve(rlt_katib *k, const rlt_yaml_node *template, const char *name) {
    const rlt_yaml_node *list = rlt_yaml_get(&k->yaml, template, "trialParameters");
    for (int i = 0; i < rlt_yaml_count(list); i++) {
        const rlt_yaml_node *item = rlt_yaml_item(&k->yaml, list, i);
        const char *theirs = rlt_yaml_text(rlt_yaml_get(&k->yaml, item, "name"));
        const char *reference = rlt_yaml_text(rlt_yaml_get(&k->yaml, item, "reference"));
        if (theirs != NULL && reference != NULL && strcmp(theirs, name) == 0) {
            return json_string_value(json_object_get(k->names, reference));
        }
    }
    return json_string_value(json_object_get(k->names, name));
}

/* A word of a command with references as {name}, and braces that are none doubled. */
static rlt_status fill(rlt_katib *k, const rlt_yaml_node *template, const rlt_yaml_node *node,
                       rlt_buf *out, rlt_err *err) {
    static const char mark[] = "${trialParameters.";
    const char *text = rlt_yaml_text(node);
    if (text == NULL) {
        return rlt_katib_fail(k, node, err, "a text is expected in the container's command");
    }
    rlt_buf_append(out, "", 0);
    while (*text != 0) {
        const char *end = strchr(text, '}');
        if (strncmp(text, mark, sizeof mark - 1) == 0 && end != NULL) {
            char name[80];
            const char *begin = text + sizeof mark - 1;
            snprintf(name, sizeof name, "%.*s", (int)(end - begin), begin);
            const char *here = resolve(k, template, name);
            if (here == NULL) {
                return rlt_katib_fail(k, node, err,
                                      "${trialParameters.%.60s} is none of spec.trialTemplate."
                                      "trialParameters with a reference to a parameter",
                                      name);
            }
            rlt_buf_printf(out, "{%s}", here);
            text = end + 1;
        } else {
            rlt_buf_append(out, *text == '{' ? "{{" : text, *text == '{' ? 2 : 1);
            text++;
        }
    }
    return RLT_OK;
}

/* ---- the container ---- */

/* The first list `containers` below a node; a node that holds itself ends at DEPTH_MAX. */
static rlt_yaml_node *find_containers(rlt_katib *k, rlt_yaml_node *node, int depth, int *budget) {
    rlt_yaml_node *found = rlt_yaml_get(&k->yaml, node, "containers"), *value;
    if (found != NULL || depth > DEPTH_MAX || node == NULL || (*budget)-- <= 0) {
        return found;
    }
    for (int i = 0; found == NULL && node->type == YAML_MAPPING_NODE && i < rlt_yaml_count(node);
         i++) {
        rlt_yaml_key(&k->yaml, node, i, &value);
        found = find_containers(k, value, depth + 1, budget);
    }
    return found;
}

static rlt_yaml_node *primary_of(rlt_katib *k, const rlt_yaml_node *template,
                                 const rlt_yaml_node *containers) {
    const char *wanted = rlt_yaml_text(rlt_yaml_get(&k->yaml, template, "primaryContainerName"));
    for (int i = 0; i < rlt_yaml_count(containers); i++) {
        rlt_yaml_node *one = rlt_yaml_item(&k->yaml, containers, i);
        const char *name = rlt_yaml_text(rlt_yaml_get(&k->yaml, one, "name"));
        if (wanted != NULL && name != NULL && strcmp(name, wanted) == 0) {
            return one;
        }
    }
    return rlt_yaml_item(&k->yaml, containers, 0);
}

static rlt_status add_words(rlt_katib *k, const rlt_yaml_node *template, const rlt_yaml_node *list,
                            json_t *argv, rlt_err *err) {
    for (int i = 0; i < rlt_yaml_count(list) && json_array_size(argv) < WORDS_MAX; i++) {
        rlt_buf word = {0};
        rlt_status status = fill(k, template, rlt_yaml_item(&k->yaml, list, i), &word, err);
        if (status == RLT_OK) {
            json_array_append_new(argv, json_string(word.data));
        }
        rlt_buf_fini(&word);
        RLT_TRY(status);
    }
    return RLT_OK;
}

static rlt_status add_variables(rlt_katib *k, const rlt_yaml_node *template,
                                const rlt_yaml_node *list, rlt_err *err) {
    json_t *env = json_object();
    rlt_status status = RLT_OK;
    for (int i = 0; i < rlt_yaml_count(list) && status == RLT_OK; i++) {
        const rlt_yaml_node *item = rlt_yaml_item(&k->yaml, list, i);
        const rlt_yaml_node *value = rlt_yaml_get(&k->yaml, item, "value");
        const char *name = rlt_yaml_text(rlt_yaml_get(&k->yaml, item, "name"));
        rlt_buf text = {0};
        if (name == NULL || value == NULL) {
            rlt_notes_add(k->notes, rlt_yaml_line(item),
                          "the variable %.60s has no plain value and is left out",
                          name != NULL ? name : "");
            continue;
        }
        status = fill(k, template, value, &text, err);
        if (status == RLT_OK) {
            json_object_set_new(env, name, json_string(text.data));
        }
        rlt_buf_fini(&text);
    }
    if (status == RLT_OK && json_object_size(env) > 0) {
        json_object_set(k->objective, "env", env);
    }
    json_decref(env);
    return status;
}

static rlt_status read_container(rlt_katib *k, const rlt_yaml_node *template,
                                 const rlt_yaml_node *container, json_t *argv, rlt_err *err) {
    static const char *const known[] = {"name", "command", "args", "env", "workingDir", NULL};
    const char *folder = rlt_yaml_text(rlt_yaml_get(&k->yaml, container, "workingDir"));
    RLT_TRY(add_words(k, template, rlt_yaml_get(&k->yaml, container, "command"), argv, err));
    RLT_TRY(add_words(k, template, rlt_yaml_get(&k->yaml, container, "args"), argv, err));
    RLT_TRY(add_variables(k, template, rlt_yaml_get(&k->yaml, container, "env"), err));
    if (folder != NULL) {
        rlt_notes_add(k->notes, rlt_yaml_line(container),
                      "workingDir %.100s is a place in the container's image; objective.folder "
                      "says where the program runs",
                      folder);
    }
    rlt_katib_note_rest(k, container, "container's ", known);
    return RLT_OK;
}

static rlt_status read_template(rlt_katib *k, rlt_err *err) {
    static const char *const known[] = {"trialParameters", "primaryContainerName", "trialSpec",
                                        NULL};
    rlt_yaml_node *spec = rlt_yaml_get(&k->yaml, rlt_yaml_root(&k->yaml), "spec");
    rlt_yaml_node *template = rlt_yaml_get(&k->yaml, spec, "trialTemplate");
    int budget = 10000;
    rlt_yaml_node *containers =
        find_containers(k, rlt_yaml_get(&k->yaml, template, "trialSpec"), 0, &budget);
    rlt_yaml_node *container = primary_of(k, template, containers);
    json_t *argv = json_array();
    json_object_set_new(k->objective, "argv", argv);
    RLT_TRY(container != NULL ? read_container(k, template, container, argv, err) : RLT_OK);
    if (container != NULL && rlt_yaml_count(containers) > 1) {
        rlt_notes_add(k->notes, rlt_yaml_line(containers), "only the primary container is run");
    }
    if (json_array_size(argv) == 0) { /* the image knows what to run */
        const char *name;
        json_t *value;
        json_array_append_new(argv, json_string("program-of-the-experiment"));
        json_object_foreach(k->params, name, value) {
            json_array_append_new(argv, json_sprintf("--%s={%s}", name, name));
        }
        rlt_notes_add(k->notes, rlt_yaml_line(template != NULL ? template : spec),
                      "trialTemplate: names no command; objective.argv must be filled in");
    }
    rlt_katib_note_rest(k, template, "spec.trialTemplate.", known);
    return RLT_OK;
}

/* ---- metrics ---- */

/* Katib's own filter for text, for one name: name=number, the name as it stands. */
static json_t *pattern_of(const char *name) {
    rlt_buf text = {0};
    rlt_buf_printf(&text, "%s", strchr("-|", name[0]) == NULL ? "\\<" : ""); /* no end of a word */
    for (const char *at = name; *at != 0; at++) {
        rlt_buf_printf(&text, strchr(".[]{}()*+?^$|\\", *at) != NULL ? "\\%c" : "%c", *at);
    }
    rlt_buf_printf(&text, " *= *([+-]?[0-9]*\\.?[0-9]+([eE][+-]?[0-9]+)?)");
    json_t *json = json_string(text.data);
    rlt_buf_fini(&text);
    return json;
}

static void read_lines(rlt_katib *k, rlt_yaml_node *spec) {
    rlt_yaml_node *objective = rlt_yaml_get(&k->yaml, spec, "objective");
    rlt_yaml_node *more = rlt_yaml_get(&k->yaml, objective, "additionalMetricNames");
    const char *metric = rlt_yaml_text(rlt_yaml_get(&k->yaml, objective, "objectiveMetricName"));
    json_t *metrics = json_object();
    json_object_set_new(k->objective, "metrics", metrics);
    if (metric != NULL) {
        json_object_set_new(metrics, metric, pattern_of(metric));
    }
    for (int i = 0; i < rlt_yaml_count(more) && i < 60; i++) {
        const char *name = rlt_yaml_text(rlt_yaml_item(&k->yaml, more, i));
        if (name != NULL && *name != 0 && strlen(name) < 128) {
            json_object_set_new(metrics, name, pattern_of(name));
        }
    }
}

static void read_collector(rlt_katib *k) {
    rlt_yaml_node *spec = rlt_yaml_get(&k->yaml, rlt_yaml_root(&k->yaml), "spec");
    rlt_yaml_node *metrics = rlt_yaml_get(&k->yaml, spec, "metricsCollectorSpec");
    rlt_yaml_node *source = rlt_yaml_get(&k->yaml, metrics, "source");
    rlt_yaml_node *place = rlt_yaml_get(&k->yaml, source, "fileSystemPath");
    rlt_yaml_node *filter = rlt_yaml_get(&k->yaml, source, "filter");
    const char *path = rlt_yaml_text(rlt_yaml_get(&k->yaml, place, "path"));
    const char *kind =
        rlt_yaml_text(rlt_yaml_get(&k->yaml, rlt_yaml_get(&k->yaml, metrics, "collector"), "kind"));
    kind = kind != NULL ? kind : "StdOut";
    if (strcmp(kind, "TensorFlowEvent") == 0 && path != NULL) {
        json_object_set_new(k->objective, "tensorboard", json_string(path));
        return;
    }
    read_lines(k, spec);
    if (strcmp(kind, "StdOut") != 0) {
        rlt_notes_add(k->notes, rlt_yaml_line(metrics),
                      "metricsCollectorSpec: %.40s is not read here; metrics are read from what "
                      "the program prints, as name=value or as lines of JSON",
                      kind);
    }
    if (filter != NULL) {
        rlt_notes_add(k->notes, rlt_yaml_line(filter),
                      "metricsCollectorSpec.source.filter is left out: name=value is read, see "
                      "objective.metrics");
    }
}

rlt_status rlt_katib_trial(rlt_katib *k, rlt_err *err) {
    RLT_TRY(read_template(k, err));
    read_collector(k);
    return RLT_OK;
}
