/* exchange: spec.parameters of a Katib Experiment (kubeflow.org/v1beta1, ParameterSpec).
 * Thread: any. */
#include "exchange/katib_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMETERS_MAX = 500, LIST_MAX = 10000, STEPS_MAX = 1000 };

static json_t *number_of(double x) {
    return x == floor(x) && fabs(x) < 0x1p53 ? json_integer((json_int_t)x) : json_real(x);
}

typedef struct range {
    double low, high, step; /* step 0: none */
    const char *shape;      /* of `distribution`, or "uniform" */
    const rlt_yaml_node *node;
} range;

static rlt_status read_range(rlt_katib *k, const char *name, const rlt_yaml_node *space, range *r,
                             rlt_err *err) {
    static const char *const known[] = {"min", "max", "step", "distribution", NULL};
    const rlt_yaml_node *step = rlt_yaml_get(&k->yaml, space, "step");
    const char *shape = rlt_yaml_text(rlt_yaml_get(&k->yaml, space, "distribution"));
    *r = (range){.shape = shape != NULL ? shape : "uniform", .node = space};
    if (!rlt_katib_number(rlt_yaml_get(&k->yaml, space, "min"), &r->low) ||
        !rlt_katib_number(rlt_yaml_get(&k->yaml, space, "max"), &r->high) || !(r->low <= r->high)) {
        return rlt_katib_fail(k, space, err,
                              "%.60s: feasibleSpace needs numbers min and max, min not above max",
                              name);
    }
    if (step != NULL && (!rlt_katib_number(step, &r->step) || !(r->step > 0))) {
        return rlt_katib_fail(k, step, err, "%.60s: step must be a number above 0", name);
    }
    rlt_katib_note_rest(k, space, "feasibleSpace.", known);
    return RLT_OK;
}

/* low, low + step, ...: a list, so that integers stay integers */
static json_t *steps_of(const range *r) {
    double count = floor((r->high - r->low) / r->step + 1e-9) + 1;
    if (count > STEPS_MAX) {
        return NULL;
    }
    json_t *values = json_array();
    for (int i = 0; i < (int)count; i++) {
        json_array_append_new(values, number_of(r->low + i * r->step));
    }
    return json_pack("{s:s, s:o}", "$space", "choice", "values", values);
}

static rlt_status make_number(rlt_katib *k, const char *name, const range *r, bool integer,
                              json_t **space, rlt_err *err) {
    bool log = strcmp(r->shape, "logUniform") == 0 || strcmp(r->shape, "logNormal") == 0;
    bool normal = strcmp(r->shape, "normal") == 0;
    if (!log && !normal && strcmp(r->shape, "uniform") != 0) {
        return rlt_katib_fail(k, r->node, err,
                              "%.60s: distribution '%.40s' is none of uniform, logUniform, normal, "
                              "logNormal",
                              name, r->shape);
    }
    if (log && r->low <= 0) {
        return rlt_katib_fail(k, r->node, err, "%.60s: min must be above 0 for %.40s", name,
                              r->shape);
    }
    if (strcmp(r->shape, "logNormal") == 0) {
        rlt_notes_add(k->notes, rlt_yaml_line(r->node), "%.60s: logNormal is taken as logUniform",
                      name);
    }
    if (r->low == r->high) {
        *space = json_pack("{s:s, s:o}", "$space", "fixed", "value", number_of(r->low));
        return RLT_OK;
    }
    bool steps = r->step > 0 && !(integer && r->step == 1) && !log && !normal;
    if (r->step > 0 && !steps && !(integer && r->step == 1)) {
        rlt_notes_add(k->notes, rlt_yaml_line(r->node), "%.60s: step is left out beside %.40s",
                      name, r->shape);
    }
    if (steps && integer) {
        *space = steps_of(r);
        if (*space != NULL) {
            return RLT_OK;
        }
        rlt_notes_add(k->notes, rlt_yaml_line(r->node),
                      "%.60s: step is left out: it gives more than %d values", name, STEPS_MAX);
    } else if (steps) {
        double high = r->low + r->step * floor((r->high - r->low) / r->step + 1e-9);
        *space = json_pack("{s:s, s:f, s:f, s:f}", "$space", "quniform", "low", r->low, "high",
                           high, "step", r->step);
        return RLT_OK;
    }
    if (normal && !integer) { /* as Katib's suggestion services: six deviations are the range */
        *space = json_pack("{s:s, s:f, s:f, s:f, s:f}", "$space", "normal", "mean",
                           (r->low + r->high) / 2, "std", (r->high - r->low) / 6, "low", r->low,
                           "high", r->high);
        return RLT_OK;
    }
    if (normal) {
        rlt_notes_add(k->notes, rlt_yaml_line(r->node), "%.60s: a normal integer is taken as even",
                      name);
    }
    const char *kind = integer ? (log ? "lograndint" : "randint") : log ? "loguniform" : "uniform";
    *space = json_pack("{s:s, s:o, s:o}", "$space", kind, "low",
                       integer ? number_of(ceil(r->low)) : json_real(r->low), "high",
                       integer ? number_of(floor(r->high)) : json_real(r->high));
    return RLT_OK;
}

static rlt_status make_list(rlt_katib *k, const char *name, const rlt_yaml_node *feasible,
                            bool numbers, json_t **space, rlt_err *err) {
    static const char *const known[] = {"list", NULL};
    const rlt_yaml_node *list = rlt_yaml_get(&k->yaml, feasible, "list");
    int count = rlt_yaml_count(list);
    if (list == NULL || list->type != YAML_SEQUENCE_NODE || count == 0 || count > LIST_MAX) {
        return rlt_katib_fail(k, feasible, err,
                              "%.60s: feasibleSpace needs a list of 1 to %d values", name,
                              LIST_MAX);
    }
    json_t *values = json_array();
    *space = json_pack("{s:s, s:o}", "$space", "choice", "values", values);
    for (int i = 0; i < count; i++) {
        const rlt_yaml_node *item = rlt_yaml_item(&k->yaml, list, i);
        const char *text = rlt_yaml_text(item);
        double x;
        if (text == NULL || (numbers && !rlt_katib_number(item, &x))) {
            return rlt_katib_fail(k, item, err, "%.60s: list: a %s is expected", name,
                                  numbers ? "number" : "text");
        }
        json_array_append_new(values, numbers ? number_of(x) : json_string(text));
    }
    if (count == 1) {
        json_t *only = json_incref(json_array_get(values, 0));
        json_decref(*space);
        *space = json_pack("{s:s, s:o}", "$space", "fixed", "value", only);
    }
    rlt_katib_note_rest(k, feasible, "feasibleSpace.", known);
    return RLT_OK;
}

static rlt_status make_space(rlt_katib *k, const char *name, const rlt_yaml_node *node,
                             json_t **space, rlt_err *err) {
    const rlt_yaml_node *feasible = rlt_yaml_get(&k->yaml, node, "feasibleSpace");
    const char *type = rlt_yaml_text(rlt_yaml_get(&k->yaml, node, "parameterType"));
    bool list = type != NULL && (strcmp(type, "discrete") == 0 || strcmp(type, "categorical") == 0);
    bool integer = type != NULL && strcmp(type, "int") == 0;
    range r;
    if (type == NULL || (!list && !integer && strcmp(type, "double") != 0)) {
        return rlt_katib_fail(k, node, err,
                              "%.60s: parameterType '%.40s' is none of double, int, discrete, "
                              "categorical",
                              name, type != NULL ? type : "");
    }
    if (list) {
        return make_list(k, name, feasible, type[0] == 'd', space, err);
    }
    RLT_TRY(read_range(k, name, feasible != NULL ? feasible : node, &r, err));
    return make_number(k, name, &r, integer, space, err);
}

static rlt_status add_parameter(rlt_katib *k, const rlt_yaml_node *node, rlt_err *err) {
    static const char *const known[] = {"name", "parameterType", "feasibleSpace", NULL};
    const char *name = rlt_yaml_text(rlt_yaml_get(&k->yaml, node, "name"));
    char here[65];
    json_t *space = NULL;
    if (name == NULL || *name == 0 || strlen(name) > 64) {
        return rlt_katib_fail(k, node, err, "a parameter needs a name of 1 to 64 bytes");
    }
    rlt_katib_name(name, here);
    if (json_object_get(k->params, here) != NULL) {
        return rlt_katib_fail(k, node, err, "there are two parameters '%s'", here);
    }
    bool set = k->resource != NULL && strcmp(k->resource, name) == 0; /* by the algorithm */
    if (set) {
        space = json_pack("{s:s, s:o}", "$space", "fixed", "value", number_of(k->resource_max));
    }
    rlt_status status = set ? RLT_OK : make_space(k, name, node, &space, err);
    if (status != RLT_OK) {
        json_decref(space);
        return status;
    }
    if (strcmp(name, here) != 0) {
        rlt_notes_add(k->notes, rlt_yaml_line(node), "parameter '%.64s' is called '%s' here", name,
                      here);
    }
    rlt_katib_note_rest(k, node, "parameters.", known);
    json_object_set_new(k->params, here, space);
    json_object_set_new(k->names, name, json_sprintf("{%s}", here));
    return RLT_OK;
}

rlt_status rlt_katib_parameters(rlt_katib *k, rlt_err *err) {
    const rlt_yaml_node *spec = rlt_yaml_get(&k->yaml, rlt_yaml_root(&k->yaml), "spec");
    const rlt_yaml_node *list = rlt_yaml_get(&k->yaml, spec, "parameters");
    int count = rlt_yaml_count(list);
    if (list == NULL || list->type != YAML_SEQUENCE_NODE || count == 0 || count > PARAMETERS_MAX) {
        return rlt_katib_fail(k, list != NULL ? list : spec, err,
                              "spec.parameters: a list of 1 to %d parameters is expected",
                              PARAMETERS_MAX);
    }
    for (int i = 0; i < count; i++) {
        RLT_TRY(add_parameter(k, rlt_yaml_item(&k->yaml, list, i), err));
    }
    return RLT_OK;
}
