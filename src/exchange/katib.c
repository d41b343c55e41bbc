/* exchange: a Katib Experiment (kubeflow.org/v1beta1) as a script, part by part. What has no
 * counterpart is a note with its line, which the script repeats as a comment.
 * Thread: any. Owner: the caller. */
#include "exchange/katib_impl.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rlt_status rlt_katib_fail(const rlt_katib *k, const rlt_yaml_node *node, rlt_err *err,
                          const char *fmt, ...) {
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return node != NULL
               ? rlt_fail(err, RLT_ECONFIG, "%.200s:%d: %s", k->file, rlt_yaml_line(node), text)
               : rlt_fail(err, RLT_ECONFIG, "%.200s: %s", k->file, text);
}

void rlt_katib_note_rest(rlt_katib *k, const rlt_yaml_node *node, const char *what,
                         const char *const *known) {
    rlt_yaml_node *value;
    for (int i = 0; node != NULL && node->type == YAML_MAPPING_NODE && i < rlt_yaml_count(node);
         i++) {
        const char *key = rlt_yaml_key(&k->yaml, node, i, &value);
        bool found = false;
        for (int n = 0; known[n] != NULL; n++) {
            found |= strcmp(known[n], key) == 0;
        }
        if (!found) {
            rlt_notes_add(k->notes, rlt_yaml_line(value), "%s%.60s has no counterpart", what, key);
        }
    }
}

bool rlt_katib_number(const rlt_yaml_node *node, double *value) {
    const char *text = rlt_yaml_text(node);
    char *end;
    if (text == NULL || *text == 0 || strpbrk(text, "xXpPnN") != NULL) { /* no 0x10, nan, inf */
        return false;
    }
    *value = strtod(text, &end);
    return *end == 0 && isfinite(*value);
}

void rlt_katib_name(const char *name, char out[65]) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t size = 0;
    for (const char *at = name; *at != 0 && size < 64; at++) {
        out[size++] = strchr(allowed, *at) != NULL ? *at : '_';
    }
    out[size] = 0;
    if (out[0] >= '0' && out[0] <= '9') {
        out[0] = '_';
    }
}

rlt_yaml_node *rlt_katib_spec(rlt_katib *k, const char *key) {
    return rlt_yaml_get(&k->yaml, rlt_yaml_get(&k->yaml, rlt_yaml_root(&k->yaml), "spec"), key);
}

rlt_katib_place rlt_katib_place_of(const char *theirs, const char *here) {
    rlt_katib_place place = {.here = here};
    size_t size = strlen(theirs);
    while (size > 1 && theirs[size - 1] == '/') {
        size--;
    }
    snprintf(place.theirs, sizeof place.theirs, "%.*s", (int)size, theirs);
    return place;
}

/* It is an Experiment; what describes it to Kubernetes is listed. */
static rlt_status read_head(rlt_katib *k, rlt_err *err) {
    static const char *const top[] = {"apiVersion", "kind", "metadata", "spec", "status", NULL};
    static const char *const meta[] = {"name", NULL};
    static const char *const spec[] = {"parameters",
                                       "objective",
                                       "algorithm",
                                       "earlyStopping",
                                       "parallelTrialCount",
                                       "maxTrialCount",
                                       "maxFailedTrialCount",
                                       "resumePolicy",
                                       "nasConfig",
                                       "trialTemplate",
                                       "metricsCollectorSpec",
                                       NULL};
    rlt_yaml_node *root = rlt_yaml_root(&k->yaml);
    const char *kind = rlt_yaml_text(rlt_yaml_get(&k->yaml, root, "kind"));
    const char *version = rlt_yaml_text(rlt_yaml_get(&k->yaml, root, "apiVersion"));
    if (kind == NULL || strcmp(kind, "Experiment") != 0 || version == NULL ||
        strncmp(version, "kubeflow.org/", 13) != 0) {
        return rlt_katib_fail(k, root, err,
                              "is no Katib Experiment: apiVersion: kubeflow.org/v1beta1 and kind: "
                              "Experiment are expected, not '%.40s' and '%.40s'",
                              version != NULL ? version : "", kind != NULL ? kind : "");
    }
    if (strcmp(version, "kubeflow.org/v1beta1") != 0) {
        rlt_notes_add(k->notes, rlt_yaml_line(root), "apiVersion %.40s is read as v1beta1",
                      version);
    }
    rlt_yaml_node *metadata = rlt_yaml_get(&k->yaml, root, "metadata");
    const char *name = rlt_yaml_text(rlt_yaml_get(&k->yaml, metadata, "name"));
    json_t *text = name != NULL && *name != 0 && strlen(name) < 128 ? json_string(name) : NULL;
    json_object_set_new(k->config, "name", text != NULL ? text : json_string("experiment"));
    rlt_yaml_node *body = rlt_yaml_get(&k->yaml, root, "spec");
    if (body == NULL || body->type != YAML_MAPPING_NODE) {
        return rlt_katib_fail(k, body != NULL ? body : root, err, "spec: is expected");
    }
    rlt_katib_note_rest(k, root, "", top);
    rlt_katib_note_rest(k, metadata, "metadata.", meta);
    rlt_katib_note_rest(k, body, "spec.", spec);
    return RLT_OK;
}

static rlt_status convert(rlt_katib *k, rlt_err *err) {
    RLT_TRY(read_head(k, err));
    const char *algorithm =
        rlt_yaml_text(rlt_yaml_get(&k->yaml, rlt_katib_spec(k, "algorithm"), "algorithmName"));
    bool networks = algorithm != NULL && strcmp(algorithm, "enas") == 0;
    RLT_TRY(rlt_katib_algorithm(k, err));
    RLT_TRY(networks ? rlt_katib_networks(k, err) : rlt_katib_parameters(k, err));
    RLT_TRY(rlt_katib_search(k, err));
    rlt_katib_metrics(k);
    return rlt_katib_trial(k, err);
}

static void write_script(const rlt_katib *k, rlt_buf *lua) {
    rlt_buf head = {0};
    rlt_buf_printf(&head, "From the Katib Experiment %s.\n", k->file);
    if (k->notes->count > 0) {
        rlt_buf_printf(&head, "Not taken over, or changed:\n");
        rlt_notes_write(k->notes, k->file, "  ", &head);
    }
    rlt_lua_write(k->config, head.data, lua);
    rlt_buf_fini(&head);
}

rlt_status rlt_katib_convert(const char *text, size_t size, const char *file, rlt_notes *notes,
                             rlt_buf *lua, rlt_err *err) {
    rlt_katib k = {.file = file, .notes = notes};
    if (size > RLT_KATIB_SIZE_MAX) {
        return rlt_fail(err, RLT_ELIMIT, "%.200s: has %zu bytes; at most %d are read", file, size,
                        RLT_KATIB_SIZE_MAX);
    }
    RLT_TRY(rlt_yaml_read(text, size, file, &k.yaml, err));
    k.objective = json_pack("{s:s}", "name", "command");
    k.params = json_object();
    k.tune = json_object();
    k.names = json_object();
    k.config = json_object();
    json_object_set_new(k.config, "name", json_null());
    json_object_set_new(k.config, "objective", k.objective);
    json_object_set_new(k.config, "params", k.params);
    json_object_set_new(k.config, "tune", k.tune);
    rlt_status status = convert(&k, err);
    if (status == RLT_OK) {
        write_script(&k, lua);
    }
    json_decref(k.config);
    json_decref(k.names);
    rlt_yaml_fini(&k.yaml);
    return status;
}
