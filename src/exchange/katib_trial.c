/* exchange: what a trial of a Katib Experiment runs and how its metrics are read.
 * Of a Kubernetes job only the command and the variables of the primary container mean anything
 * here; all else is listed. Thread: any. */
#include "exchange/katib_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 12, WORDS_MAX = 1000 };

/* ---- ${trialParameters.name} ---- */

static rlt_yaml_node *template_of(rlt_katib *k) {
    return rlt_katib_spec(k, "trialTemplate");
}

/* The key in brackets of "${trialSpec.Labels[key]}", in the trial's own metadata. */
static const char *metadata_of(rlt_katib *k, rlt_yaml_node *trial, const char *list,
                               const char *reference) {
    char key[128];
    const char *open = strchr(reference, '['), *close = strrchr(reference, ']');
    if (open == NULL || close == NULL || close < open) {
        return NULL;
    }
    snprintf(key, sizeof key, "%.*s", (int)(close - open - 1), open + 1);
    rlt_yaml_node *metadata = rlt_yaml_get(&k->yaml, trial, "metadata");
    return rlt_yaml_text(rlt_yaml_get(&k->yaml, rlt_yaml_get(&k->yaml, metadata, list), key));
}

/* What "${trialSpec.Name}" and its like stand for; false: for nothing here. */
static bool put_metadata(rlt_katib *k, const char *reference, rlt_buf *out) {
    static const char mark[] = "${trialSpec.";
    rlt_yaml_node *trial = rlt_yaml_get(&k->yaml, template_of(k), "trialSpec");
    rlt_yaml_node *own =
        rlt_yaml_get(&k->yaml, rlt_yaml_root(&k->yaml), "metadata"); /* of the Experiment */
    const char *rest = reference + sizeof mark - 1, *text = NULL;
    if (strncmp(reference, mark, sizeof mark - 1) != 0) {
        return false;
    }
    if (strncmp(rest, "Name}", 5) == 0) {
        const char *name = json_string_value(json_object_get(k->config, "name"));
        rlt_buf_printf(out, "%s-{trial}", name);
        return true;
    }
    if (strncmp(rest, "Namespace}", 10) == 0) {
        text = rlt_yaml_text(rlt_yaml_get(&k->yaml, own, "namespace"));
        text = text != NULL ? text : "default";
    } else if (strncmp(rest, "Kind}", 5) == 0) {
        text = rlt_yaml_text(rlt_yaml_get(&k->yaml, trial, "kind"));
    } else if (strncmp(rest, "APIVersion}", 11) == 0) {
        text = rlt_yaml_text(rlt_yaml_get(&k->yaml, trial, "apiVersion"));
    } else if (strncmp(rest, "Annotations[", 12) == 0) {
        text = metadata_of(k, trial, "annotations", rest);
    } else if (strncmp(rest, "Labels[", 7) == 0) {
        text = metadata_of(k, trial, "labels", rest);
    }
    rlt_buf_printf(out, "%s", text != NULL ? text : "");
    return text != NULL;
}

/* What the reference means, in our command's terms: trialParameters[] gives names of its own. */
static bool put_reference(rlt_katib *k, const char *name, rlt_buf *out) {
    const rlt_yaml_node *list = rlt_yaml_get(&k->yaml, template_of(k), "trialParameters");
    const char *here = json_string_value(json_object_get(k->names, name));
    for (int i = 0; i < rlt_yaml_count(list); i++) {
        const rlt_yaml_node *item = rlt_yaml_item(&k->yaml, list, i);
        const char *theirs = rlt_yaml_text(rlt_yaml_get(&k->yaml, item, "name"));
        const char *reference = rlt_yaml_text(rlt_yaml_get(&k->yaml, item, "reference"));
        if (theirs == NULL || reference == NULL || strcmp(theirs, name) != 0) {
            continue;
        }
        if (put_metadata(k, reference, out)) {
            return true;
        }
        here = json_string_value(json_object_get(k->names, reference));
        break;
    }
    rlt_buf_printf(out, "%s", here != NULL ? here : "");
    return here != NULL;
}

/* Whether a place begins here; then it is written as ours. */
static size_t put_place(rlt_katib_place *place, const char *text, rlt_buf *out) {
    size_t size = strlen(place->theirs);
    if (place->here == NULL || size < 2 || strncmp(text, place->theirs, size) != 0) {
        return 0;
    }
    char next = text[size];
    if (next != 0 && strchr("/ \"';,)", next) == NULL) { /* a longer name */
        return 0;
    }
    place->used = true;
    rlt_buf_printf(out, "%s", place->here);
    return size;
}

/* A word of a command with references as {name}, and braces that are none doubled. */
static rlt_status fill(rlt_katib *k, const rlt_yaml_node *node, rlt_buf *out, rlt_err *err) {
    static const char mark[] = "${trialParameters.";
    const char *text = rlt_yaml_text(node);
    if (text == NULL) {
        return rlt_katib_fail(k, node, err, "a text is expected in the container's command");
    }
    rlt_buf_append(out, "", 0);
    while (*text != 0) {
        const char *end = strchr(text, '}');
        size_t size = put_place(&k->saved, text, out);
        size = size > 0 ? size : put_place(&k->written, text, out);
        if (size > 0) {
            text += size;
        } else if (strncmp(text, mark, sizeof mark - 1) == 0 && end != NULL) {
            char name[80];
            const char *begin = text + sizeof mark - 1;
            snprintf(name, sizeof name, "%.*s", (int)(end - begin), begin);
            if (!put_reference(k, name, out)) {
                return rlt_katib_fail(k, node, err,
                                      "${trialParameters.%.60s} is none of spec.trialTemplate."
                                      "trialParameters with a reference to a parameter",
                                      name);
            }
            text = end + 1;
        } else {
            rlt_buf_append(out, *text == '{' ? "{{" : text, *text == '{' ? 2 : 1);
            text++;
        }
    }
    return RLT_OK;
}

/* ---- the container ---- */

static bool holds(rlt_katib *k, const rlt_yaml_node *containers, const char *name) {
    for (int i = 0; name != NULL && i < rlt_yaml_count(containers); i++) {
        const rlt_yaml_node *one = rlt_yaml_item(&k->yaml, containers, i);
        const char *text = rlt_yaml_text(rlt_yaml_get(&k->yaml, one, "name"));
        if (text != NULL && strcmp(text, name) == 0) {
            return true;
        }
    }
    return false;
}

typedef struct search {
    const char *primary; /* the container's name, or NULL */
    rlt_yaml_node *best; /* a list with such a container, else the first one */
    int lists, budget;   /* lists found; nodes still to be looked at */
} search;

/* Lists `containers` below a node; one that holds itself ends at DEPTH_MAX. */
static void find_containers(rlt_katib *k, rlt_yaml_node *node, int depth, search *s) {
    rlt_yaml_node *found = rlt_yaml_get(&k->yaml, node, "containers"), *value;
    if (found != NULL) {
        bool better =
            s->best == NULL || (holds(k, found, s->primary) && !holds(k, s->best, s->primary));
        s->best = better ? found : s->best;
        s->lists++;
        return;
    }
    if (depth > DEPTH_MAX || node == NULL || s->budget-- <= 0) {
        return;
    }
    for (int i = 0; node->type == YAML_MAPPING_NODE && i < rlt_yaml_count(node); i++) {
        rlt_yaml_key(&k->yaml, node, i, &value);
        find_containers(k, value, depth + 1, s);
    }
}

static rlt_yaml_node *primary_of(rlt_katib *k, const search *s) {
    for (int i = 0; i < rlt_yaml_count(s->best); i++) {
        rlt_yaml_node *one = rlt_yaml_item(&k->yaml, s->best, i);
        const char *name = rlt_yaml_text(rlt_yaml_get(&k->yaml, one, "name"));
        if (s->primary != NULL && name != NULL && strcmp(name, s->primary) == 0) {
            return one;
        }
    }
    return rlt_yaml_item(&k->yaml, s->best, 0);
}

/* The container whose command is a trial, or what a TrainJob has in its place. */
static rlt_yaml_node *find_container(rlt_katib *k) {
    rlt_yaml_node *trial = rlt_yaml_get(&k->yaml, template_of(k), "trialSpec");
    search s = {.budget = 10000};
    s.primary = rlt_yaml_text(rlt_yaml_get(&k->yaml, template_of(k), "primaryContainerName"));
    find_containers(k, trial, 0, &s);
    if (s.best == NULL) {
        return rlt_yaml_get(&k->yaml, rlt_yaml_get(&k->yaml, trial, "spec"), "trainer");
    }
    if (s.lists > 1) {
        rlt_notes_add(k->notes, rlt_yaml_line(trial),
                      "the trial is a job of %d groups of containers; one process of one of them "
                      "is run",
                      s.lists);
    }
    if (rlt_yaml_count(s.best) > 1) {
        rlt_notes_add(k->notes, rlt_yaml_line(s.best), "only the primary container is run");
    }
    return primary_of(k, &s);
}

static rlt_status add_words(rlt_katib *k, const rlt_yaml_node *list, json_t *argv, rlt_err *err) {
    for (int i = 0; i < rlt_yaml_count(list) && json_array_size(argv) < WORDS_MAX; i++) {
        rlt_buf word = {0};
        rlt_status status = fill(k, rlt_yaml_item(&k->yaml, list, i), &word, err);
        if (status == RLT_OK) {
            json_array_append_new(argv, json_string(word.data));
        }
        rlt_buf_fini(&word);
        RLT_TRY(status);
    }
    return RLT_OK;
}

static rlt_status add_variables(rlt_katib *k, const rlt_yaml_node *list, rlt_err *err) {
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
        status = fill(k, value, &text, err);
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

static rlt_status read_container(rlt_katib *k, const rlt_yaml_node *container, json_t *argv,
                                 rlt_err *err) {
    static const char *const known[] = {"name", "command", "args", "env", "workingDir", NULL};
    const char *folder = rlt_yaml_text(rlt_yaml_get(&k->yaml, container, "workingDir"));
    RLT_TRY(add_words(k, rlt_yaml_get(&k->yaml, container, "command"), argv, err));
    RLT_TRY(add_words(k, rlt_yaml_get(&k->yaml, container, "args"), argv, err));
    RLT_TRY(add_variables(k, rlt_yaml_get(&k->yaml, container, "env"), err));
    if (folder != NULL) {
        rlt_notes_add(k->notes, rlt_yaml_line(container),
                      "workingDir %.100s is a place in the container's image; objective.folder "
                      "says where the program runs",
                      folder);
    }
    rlt_katib_note_rest(k, container, "container's ", known);
    return RLT_OK;
}

/* The image knows what to run, and nobody else. */
static void add_unknown(rlt_katib *k, json_t *argv) {
    const char *name;
    json_t *value;
    json_array_append_new(argv, json_string("program-of-the-experiment"));
    json_object_foreach(k->params, name, value) {
        json_array_append_new(argv, json_sprintf("--%s={%s}", name, name));
    }
    rlt_yaml_node *template = template_of(k);
    bool elsewhere = rlt_yaml_get(&k->yaml, template, "configMap") != NULL;
    rlt_notes_add(k->notes, rlt_yaml_line(template),
                  "trialTemplate: names no command%s; objective.argv must be filled in",
                  elsewhere ? " (it is in a ConfigMap)" : "");
}

/* SIGTERM, which says that a generation's result is in, does not cut short a program that knows
 * nothing of it: what a shell ignores, what it becomes ignores too. */
static void keep_signal(json_t *argv) {
    static const char *const words[] = {"sh", "-c", "trap '' TERM; exec \"$@\"", "sh"};
    for (size_t i = 0; i < RLT_COUNT(words); i++) {
        json_array_insert_new(argv, i, json_string(words[i]));
    }
}

static void note_place(rlt_katib *k, const rlt_katib_place *place, const char *key,
                       const char *remedy) {
    if (place->here != NULL && !place->used) {
        rlt_notes_add(k->notes, rlt_yaml_line(rlt_katib_spec(k, key)),
                      "%.200s does not occur in the command: %s", place->theirs, remedy);
    }
}

rlt_status rlt_katib_trial(rlt_katib *k, rlt_err *err) {
    static const char *const known[] = {"trialParameters", "primaryContainerName", "trialSpec",
                                        "configMap", NULL};
    rlt_yaml_node *container = find_container(k);
    json_t *argv = json_array();
    json_object_set_new(k->objective, "argv", argv);
    RLT_TRY(container != NULL ? read_container(k, container, argv, err) : RLT_OK);
    if (json_array_size(argv) == 0) {
        add_unknown(k, argv);
    } else if (rlt_yaml_count(rlt_yaml_get(&k->yaml, container, "command")) == 0) {
        json_array_insert_new(argv, 0, json_string("program-of-the-image"));
        rlt_notes_add(k->notes, rlt_yaml_line(container),
                      "the container has args only, for the program of its image, which must be "
                      "the first word of objective.argv");
    }
    if (k->ends_itself) {
        keep_signal(argv);
    }
    note_place(k, &k->saved, "algorithm",
               "the program must save into the folder that RLTUNE_CHECKPOINT_DIR names");
    bool events = json_object_get(k->objective, "tensorboard") != NULL;
    note_place(k, &k->written, "metricsCollectorSpec",
               events ? "objective.tensorboard must say where its event files are, a place for "
                        "each trial"
                      : "the program must print what it writes there");
    rlt_katib_note_rest(k, template_of(k), "spec.trialTemplate.", known);
    return RLT_OK;
}
