/* exchange: spec.nasConfig of a Katib Experiment with algorithm enas. There a controller draws an
 * operation for each layer and which earlier layers it is connected to, and the trial's program is
 * told so by two texts, `architecture` and `nn_config`. Here operations and connections are
 * parameters, of which the command is made up in the same two texts: the program runs as it is.
 * Texts, numbering of operations (every combination of every operation's parameters, in order):
 * Katib's ENAS suggestion service (v1beta1). Thread: any. */
#include "exchange/katib_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS_MAX = 30, OPERATIONS_MAX = 1000, VALUES_MAX = 100 };

/* The values of one parameter of an operation: texts of a list, numbers of a range. */
static json_t *values_of(rlt_katib *k, const rlt_yaml_node *parameter) {
    const rlt_yaml_node *space = rlt_yaml_get(&k->yaml, parameter, "feasibleSpace");
    const rlt_yaml_node *list = rlt_yaml_get(&k->yaml, space, "list");
    const char *type = rlt_yaml_text(rlt_yaml_get(&k->yaml, parameter, "parameterType"));
    json_t *values = json_array();
    double low, high, step = 1;
    for (int i = 0; i < rlt_yaml_count(list) && i <= VALUES_MAX; i++) {
        const char *text = rlt_yaml_text(rlt_yaml_item(&k->yaml, list, i));
        json_array_append_new(values, json_string(text != NULL ? text : ""));
    }
    const rlt_yaml_node *steps = rlt_yaml_get(&k->yaml, space, "step");
    if (list != NULL || !rlt_katib_number(rlt_yaml_get(&k->yaml, space, "min"), &low) ||
        !rlt_katib_number(rlt_yaml_get(&k->yaml, space, "max"), &high) ||
        (steps != NULL && (!rlt_katib_number(steps, &step) || !(step > 0)))) {
        return values;
    }
    bool integer = type != NULL && strcmp(type, "int") == 0;
    for (int i = 0; low + i * step <= high + step * 1e-9 && i <= VALUES_MAX; i++) {
        double x = low + i * step;
        json_array_append_new(values, integer ? json_integer((json_int_t)x) : json_real(x));
    }
    return values;
}

/* Every combination, the last parameter first, as itertools.product has them. */
static rlt_status add_operation(rlt_katib *k, const rlt_yaml_node *node, json_t *operations,
                                rlt_err *err) {
    const char *type = rlt_yaml_text(rlt_yaml_get(&k->yaml, node, "operationType"));
    const rlt_yaml_node *list = rlt_yaml_get(&k->yaml, node, "parameters");
    json_t *made = json_pack("[{}]");
    rlt_status status = RLT_OK;
    for (int i = 0; i < rlt_yaml_count(list) && status == RLT_OK; i++) {
        const rlt_yaml_node *parameter = rlt_yaml_item(&k->yaml, list, i);
        const char *name = rlt_yaml_text(rlt_yaml_get(&k->yaml, parameter, "name"));
        json_t *values = values_of(k, parameter), *more = json_array(), *one, *value;
        size_t a, b, count = json_array_size(values) * json_array_size(made);
        if (name == NULL || count == 0 || json_array_size(values) > VALUES_MAX ||
            count > OPERATIONS_MAX) {
            status = rlt_katib_fail(k, parameter, err,
                                    "spec.nasConfig: a parameter of an operation needs a name and "
                                    "1 to %d values, and all operations together at most %d "
                                    "combinations",
                                    VALUES_MAX, OPERATIONS_MAX);
        }
        for (a = 0; a < json_array_size(made) && status == RLT_OK; a++) {
            one = json_array_get(made, a);
            json_array_foreach(values, b, value) {
                json_t *with = json_copy(one);
                json_object_set(with, name, value);
                json_array_append_new(more, with);
            }
        }
        json_decref(values);
        json_decref(made);
        made = more;
    }
    for (size_t i = 0; i < json_array_size(made) && status == RLT_OK; i++) {
        json_int_t id = (json_int_t)json_array_size(operations);
        json_array_append_new(operations, json_pack("{s:I, s:s, s:O}", "opt_id", id, "opt_type",
                                                    type != NULL ? type : "", "opt_params",
                                                    json_array_get(made, i)));
    }
    json_decref(made);
    return status;
}

static rlt_status read_operations(rlt_katib *k, const rlt_yaml_node *config, json_t *operations,
                                  rlt_err *err) {
    const rlt_yaml_node *list = rlt_yaml_get(&k->yaml, config, "operations");
    for (int i = 0; i < rlt_yaml_count(list); i++) {
        RLT_TRY(add_operation(k, rlt_yaml_item(&k->yaml, list, i), operations, err));
        if (json_array_size(operations) > OPERATIONS_MAX) {
            return rlt_katib_fail(k, list, err,
                                  "spec.nasConfig.operations: more than %d combinations",
                                  OPERATIONS_MAX);
        }
    }
    return json_array_size(operations) > 0
               ? RLT_OK
               : rlt_katib_fail(k, config, err, "spec.nasConfig.operations: there is none");
}

static json_t *sizes_of(rlt_katib *k, const rlt_yaml_node *graph, const char *key) {
    const rlt_yaml_node *list = rlt_yaml_get(&k->yaml, graph, key);
    json_t *sizes = json_array();
    double x;
    for (int i = 0; i < rlt_yaml_count(list) && i < VALUES_MAX; i++) {
        if (rlt_katib_number(rlt_yaml_item(&k->yaml, list, i), &x)) {
            json_array_append_new(sizes, json_integer((json_int_t)x));
        }
    }
    return sizes;
}

/* JSON with ' for ", as Katib passes it, and braces that are none of a parameter doubled. */
static json_t *config_text(rlt_katib *k, const rlt_yaml_node *graph, int layers,
                           const json_t *operations) {
    json_t *embedding = json_object(), *operation;
    size_t i;
    char key[24];
    json_array_foreach(operations, i, operation) {
        snprintf(key, sizeof key, "%zu", i);
        json_object_set(embedding, key, operation);
    }
    json_t *all = json_pack("{s:i, s:o, s:o, s:o}", "num_layers", layers, "input_sizes",
                            sizes_of(k, graph, "inputSizes"), "output_sizes",
                            sizes_of(k, graph, "outputSizes"), "embedding", embedding);
    char *plain = json_dumps(all, 0);
    rlt_buf text = {0};
    for (const char *at = plain; *at != 0; at++) {
        rlt_buf_printf(&text, *at == '{' ? "%c{" : "%c", *at == '"' ? '\'' : *at);
    }
    json_t *made = json_string(text.data);
    rlt_buf_fini(&text);
    free(plain);
    json_decref(all);
    return made;
}

static void add_choice(rlt_katib *k, const char *name, size_t count) {
    json_t *values = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(values, json_integer((json_int_t)i));
    }
    json_object_set_new(k->params, name,
                        count > 1 ? json_pack("{s:s, s:o}", "$space", "choice", "values", values)
                                  : json_pack("{s:s, s:i}", "$space", "fixed", "value", 0));
    if (count <= 1) {
        json_decref(values);
    }
}

/* [[operation], [operation, whether layer 1 is an input], ...] */
static json_t *add_layers(rlt_katib *k, int layers, size_t operations) {
    rlt_buf text = {0};
    char name[32];
    rlt_buf_printf(&text, "[");
    for (int layer = 1; layer <= layers; layer++) {
        snprintf(name, sizeof name, "layer_%d", layer);
        add_choice(k, name, operations);
        rlt_buf_printf(&text, "%s[{%s}", layer > 1 ? ", " : "", name);
        for (int from = 1; from < layer; from++) {
            snprintf(name, sizeof name, "skip_%d_%d", layer, from);
            add_choice(k, name, 2);
            rlt_buf_printf(&text, ", {%s}", name);
        }
        rlt_buf_printf(&text, "]");
    }
    rlt_buf_printf(&text, "]");
    json_t *made = json_string(text.data);
    rlt_buf_fini(&text);
    return made;
}

rlt_status rlt_katib_networks(rlt_katib *k, rlt_err *err) {
    const rlt_yaml_node *config = rlt_katib_spec(k, "nasConfig");
    const rlt_yaml_node *graph = rlt_yaml_get(&k->yaml, config, "graphConfig");
    const rlt_yaml_node *count = rlt_yaml_get(&k->yaml, graph, "numLayers");
    double layers = 0;
    json_t *operations = json_array();
    if (!rlt_katib_number(count, &layers) || layers < 1 || layers > LAYERS_MAX ||
        layers != floor(layers)) {
        json_decref(operations);
        return rlt_katib_fail(k, config != NULL ? config : rlt_katib_spec(k, "algorithm"), err,
                              "enas needs spec.nasConfig.graphConfig.numLayers from 1 to %d",
                              LAYERS_MAX);
    }
    rlt_status status = read_operations(k, config, operations, err);
    if (status == RLT_OK) {
        json_object_set_new(k->names, "nn_config", config_text(k, graph, (int)layers, operations));
        json_object_set_new(k->names, "architecture",
                            add_layers(k, (int)layers, json_array_size(operations)));
        rlt_notes_add(k->notes, rlt_yaml_line(config),
                      "enas: instead of a controller that learns to draw networks, aging evolution "
                      "over the operation and the connections of each layer; nn_config describes "
                      "all operations, not only those of one network");
    }
    json_decref(operations);
    return status;
}
