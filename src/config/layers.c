/* config: a list of layers: from the forms that a script may use to tables of names, and from
 * there to rlt_layer. A layer is "layer_norm", { "conv", 32, 8, stride = 4 }, { "residual", { ... }
 * } or a search value of such; its kind or any of its values may be a search value too. Thread:
 * any. Owner: the caller owns the JSON that comes out. */
#include "config/config_impl.h"

#include <stdio.h>
#include <string.h>

enum { NESTED_MAX = 8 };

/* What a script gave for one layer. */
typedef struct given_layer {
    const json_t *kind;  /* borrowed: a name, a search value, or NULL */
    const json_t *names; /* borrowed: the table with the other values by name, or NULL */
    const json_t *items; /* borrowed: unnamed values, from `first` on, or NULL */
    size_t first;
} given_layer;

bool rlt_layer_kind_find(const char *name, rlt_layer_kind *kind) {
    for (rlt_layer_kind k = 0; k < RLT_LAYER_END; k++) {
        if (strcmp(rlt_layer_name(k), name) == 0) {
            *kind = k;
            return true;
        }
    }
    return false;
}

static bool is_nest(rlt_layer_kind kind) {
    return kind == RLT_LAYER_RESIDUAL || kind == RLT_LAYER_GATED;
}

static const rlt_config_section *section_of(rlt_layer_kind kind) {
    char name[32];
    snprintf(name, sizeof name, "layer.%s", rlt_layer_name(kind));
    const rlt_config_section *section = rlt_config_section_find(name);
    RLT_ASSERT(section != NULL);
    return section;
}

static given_layer take_apart(const json_t *given) {
    given_layer layer = {0};
    if (json_is_string(given)) {
        layer.kind = given;
    } else if (json_is_array(given)) {
        layer.items = given;
    } else if (json_is_object(given)) {
        const json_t *kind = json_object_get(given, "kind");
        layer.names = given;
        layer.items = json_object_get(given, "$items");
        layer.kind = kind != NULL ? kind : json_object_get(given, "name");
    }
    if (layer.kind == NULL && layer.items != NULL) {
        layer.kind = json_array_get(layer.items, 0);
        layer.first = 1;
    }
    return layer;
}

static rlt_status refuse_kind(rlt_config_loading *loading, const char *path, const json_t *kind,
                              rlt_err *err) {
    const char *text = json_string_value(kind);
    const char *names[RLT_LAYER_END];
    for (rlt_layer_kind k = 0; k < RLT_LAYER_END; k++) {
        names[k] = rlt_layer_name(k);
    }
    const char *nearest = text != NULL ? rlt_str_nearest(text, names, RLT_LAYER_END) : NULL;
    if (text == NULL) {
        return rlt_config_fail(loading, path, err,
                               "a layer is needed here, such as { \"dense\", 64 }; `rltune explain "
                               "layer` lists all");
    }
    return rlt_config_fail(
        loading, path, err, "there is no layer '%.40s'%s%s%s; `rltune explain layer` lists all",
        text, nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "");
}

/* ---- unnamed values ---- */

/* What a search value can be, for finding its place: its first value, or a number. */
static bool is_word(const json_t *value) {
    const json_t *values = json_object_get(value, "values");
    const json_t *first =
        values != NULL ? json_array_get(values, 0) : json_object_get(value, "value");
    return json_is_string(first != NULL ? first : value);
}

static bool has_choice(const rlt_field *field, const char *word) {
    for (size_t i = 0; word != NULL && field->choices[i] != NULL; i++) {
        if (strcmp(field->choices[i], word) == 0) {
            return true;
        }
    }
    return false;
}

/* The row that the next unnamed value is for: words go to the first row left that knows them (or
 * that takes words at all), anything else to the first that takes none. NULL: no row is left. */
static const rlt_field *row_for(const rlt_field *fields, uint64_t used, const json_t *value) {
    const rlt_field *any = NULL;
    for (int i = 0; fields[i].name != NULL; i++) {
        bool words = fields[i].choices != NULL;
        bool function = json_object_get(value, "$function") != NULL;
        if (used >> i & 1 || (words != is_word(value) && !function)) {
            continue;
        }
        if (!words || !json_is_string(value) || has_choice(&fields[i], json_string_value(value))) {
            return &fields[i];
        }
        any = any != NULL ? any : &fields[i];
    }
    return any;
}

static rlt_status refuse_value(rlt_config_loading *loading, const char *path,
                               const rlt_config_section *section, rlt_err *err) {
    rlt_buf names = {0};
    for (const rlt_field *field = section->fields; field->name != NULL; field++) {
        rlt_buf_printf(&names, "%s%s", field == section->fields ? " " : ", ", field->name);
    }
    rlt_status status = rlt_config_fail(
        loading, path, err, "one value too many, or of the wrong type; %s takes%s",
        section->name + strlen("layer."), names.data != NULL ? names.data : " no values");
    rlt_buf_fini(&names);
    return status;
}

/* The layer's values by name, unnamed ones put into their rows. *named: a new reference. */
static rlt_status name_values(rlt_config_loading *loading, const char *path,
                              const rlt_config_section *section, const given_layer *layer,
                              json_t **named, rlt_err *err) {
    uint64_t used = 0;
    const char *key;
    json_t *value;
    *named = json_object();
    json_object_foreach((json_t *)layer->names, key, value) {
        const rlt_field *field = rlt_field_find(section->fields, key);
        bool own =
            strcmp(key, "kind") == 0 || strcmp(key, "name") == 0 || strcmp(key, "$items") == 0;
        if (!own) {
            json_object_set(*named, key, value);
        }
        used |= field != NULL ? UINT64_C(1) << (field - section->fields) : 0;
    }
    for (size_t i = layer->first; i < json_array_size(layer->items); i++) {
        value = json_array_get(layer->items, i);
        const rlt_field *field = row_for(section->fields, used, value);
        if (field == NULL) {
            return refuse_value(loading, path, section, err);
        }
        used |= UINT64_C(1) << (field - section->fields);
        json_object_set(*named, field->name, value);
    }
    return RLT_OK;
}

/* ---- one layer ---- */

static rlt_status check_pad(rlt_config_loading *loading, const char *path, const json_t *layer,
                            rlt_err *err) {
    const json_t *kernel = json_object_get(layer, "kernel"), *pad = json_object_get(layer, "pad");
    if (json_is_string(pad) && strcmp(json_string_value(pad), "same") == 0 &&
        json_is_integer(kernel) && json_integer_value(kernel) % 2 == 0) {
        return rlt_config_fail(
            loading, path, err,
            "pad = \"same\" needs an odd kernel, not %lld: a border of (kernel - "
            "1) / 2 on all sides",
            (long long)json_integer_value(kernel));
    }
    return RLT_OK;
}

/* The values for one kind. *out gets them by name, defaults filled in. */
static rlt_status read_values(rlt_config_loading *loading, const char *path, rlt_layer_kind kind,
                              const given_layer *layer, json_t *out, rlt_err *err) {
    const rlt_config_section *section = section_of(kind);
    json_t *named;
    rlt_status status = name_values(loading, path, section, layer, &named, err);
    if (status == RLT_OK) {
        status = rlt_config_read_section(loading, section, path, NULL, named, out, err);
    }
    json_decref(named);
    return status == RLT_OK ? check_pad(loading, path, out, err) : status;
}

/* The layers within a residual or gated one: by the name `layers`, as one list, or one by one. */
static rlt_status read_nest(rlt_config_loading *loading, const char *path, const given_layer *layer,
                            json_t *out, rlt_err *err) {
    json_t *list = json_array(), *inner = NULL;
    const char *key;
    json_t *value;
    const json_t *named = json_object_get(layer->names, "layers");
    if (json_is_array(named)) {
        json_array_extend(list, (json_t *)named);
    }
    for (size_t i = layer->first; i < json_array_size(layer->items); i++) {
        value = json_array_get(layer->items, i);
        const json_t *first = json_array_get(value, 0);
        if (json_is_array(first) || (json_is_object(first) && !rlt_space_is(first))) {
            json_array_extend(list, value);
        } else {
            json_array_append(list, value);
        }
    }
    rlt_status status = RLT_OK;
    json_object_foreach((json_t *)layer->names, key, value) {
        if (strcmp(key, "kind") != 0 && strcmp(key, "name") != 0 && strcmp(key, "layers") != 0 &&
            strcmp(key, "$items") != 0) {
            status = rlt_config_fail(loading, path, err,
                                     "'%.40s': such a layer takes nothing but its layers", key);
        }
    }
    status = status == RLT_OK ? rlt_layers_read(loading, path, list, &inner, err) : status;
    json_decref(list);
    if (inner != NULL) {
        json_object_set_new(out, "layers", inner);
    }
    return status;
}

/* { space.choice{ "lstm", "gru" }, 128 }: the values must suit each kind; those given are kept. */
static rlt_status read_kinds(rlt_config_loading *loading, const char *path,
                             const given_layer *layer, json_t *out, rlt_err *err) {
    const json_t *values = json_object_get(layer->kind, "values");
    json_t *normalised = json_object(), *named = NULL;
    rlt_layer_kind kind = RLT_LAYER_DENSE, first = RLT_LAYER_DENSE;
    rlt_status status = RLT_OK;
    for (size_t i = 0; i < json_array_size(values) && status == RLT_OK; i++) {
        const json_t *value = json_array_get(values, i);
        if (!json_is_string(value) || !rlt_layer_kind_find(json_string_value(value), &kind)) {
            status = refuse_kind(loading, path, value, err);
        } else if (is_nest(kind)) {
            status = rlt_config_fail(loading, path, err,
                                     "'%s' cannot be one of several kinds; choose between whole "
                                     "layers: space.choice{ { ... }, { ... } }",
                                     rlt_layer_name(kind));
        } else {
            first = i == 0 ? kind : first;
            json_object_clear(normalised);
            status = read_values(loading, path, kind, layer, normalised, err);
        }
    }
    if (status == RLT_OK && json_array_size(values) == 0) {
        status = rlt_config_fail(loading, path, err,
                                 "the kind of a layer is one of "
                                 "space.choice{ ... } or space.grid{ ... }");
    }
    json_object_clear(normalised);
    if (status == RLT_OK) {
        status = read_values(loading, path, first, layer, normalised, err);
    }
    if (status == RLT_OK) {
        status = name_values(loading, path, section_of(first), layer, &named, err);
    }
    const char *key;
    json_t *value;
    json_object_foreach(named, key, value) {
        const rlt_field *field = rlt_field_find(section_of(first)->fields, key);
        json_object_set(out, field->name, json_object_get(normalised, field->name));
    }
    json_decref(named);
    json_decref(normalised);
    return status;
}

static rlt_status note_space(rlt_config_loading *loading, const char *path, rlt_err *err) {
    if (loading->concrete) {
        return rlt_config_fail(loading, path, err,
                               "is still a search space; a run needs one concrete value");
    }
    if (loading->first_path[0] == 0) {
        snprintf(loading->first_path, sizeof loading->first_path, "%s", path);
    }
    return RLT_OK;
}

/* A whole layer that is searched: each of its values is one. They are kept as they were written. */
static rlt_status read_layer_space(rlt_config_loading *loading, const char *path,
                                   const json_t *space, rlt_err *err) {
    RLT_TRY(note_space(loading, path, err));
    if (json_object_get(space, "$function") != NULL) {
        return RLT_OK;
    }
    rlt_config_loading inner = {.raw = loading->raw, .concrete = true, .nested = loading->nested};
    const json_t *values = json_object_get(space, "values"),
                 *fixed = json_object_get(space, "value");
    rlt_status status = RLT_OK;
    if (values == NULL && fixed == NULL) {
        return rlt_config_fail(loading, path, err, "a layer is searched by space.choice{ ... }");
    }
    for (size_t i = 0; status == RLT_OK && i < (fixed != NULL ? 1 : json_array_size(values)); i++) {
        json_t *canonical = NULL;
        status = rlt_layer_read(&inner, path, fixed != NULL ? fixed : json_array_get(values, i),
                                &canonical, err);
        json_decref(canonical);
    }
    memcpy(loading->failed, inner.failed, sizeof loading->failed);
    return status;
}

rlt_status rlt_layer_read(rlt_config_loading *loading, const char *path, const json_t *given,
                          json_t **canonical, rlt_err *err) {
    if (rlt_space_is(given)) {
        *canonical = json_deep_copy(given);
        return read_layer_space(loading, path, given, err);
    }
    given_layer layer = take_apart(given);
    rlt_layer_kind kind;
    *canonical = json_object();
    if (json_object_get(layer.kind, "$space") != NULL) {
        char kind_path[RLT_FIELD_PATH_MAX];
        snprintf(kind_path, sizeof kind_path, "%.150s.kind", path);
        json_object_set_new(*canonical, "kind", json_deep_copy(layer.kind));
        RLT_TRY(note_space(loading, kind_path, err));
        return read_kinds(loading, path, &layer, *canonical, err);
    }
    if (!json_is_string(layer.kind) || !rlt_layer_kind_find(json_string_value(layer.kind), &kind)) {
        return refuse_kind(loading, path, layer.kind, err);
    }
    json_object_set_new(*canonical, "kind", json_string(rlt_layer_name(kind)));
    return is_nest(kind) ? read_nest(loading, path, &layer, *canonical, err)
                         : read_values(loading, path, kind, &layer, *canonical, err);
}

rlt_status rlt_layers_read(rlt_config_loading *loading, const char *path, const json_t *list,
                           json_t **canonical, rlt_err *err) {
    *canonical = json_array();
    if (json_array_size(list) == 0 || json_array_size(list) > RLT_LAYERS_MAX) {
        return rlt_config_fail(loading, path, err, "%zu layers; allowed: 1 to %d",
                               json_array_size(list), RLT_LAYERS_MAX);
    }
    if (++loading->nested > NESTED_MAX) {
        return rlt_config_fail(loading, path, err, "layers nest deeper than %d", NESTED_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        char inner[RLT_FIELD_PATH_MAX];
        json_t *layer = NULL;
        snprintf(inner, sizeof inner, "%.130s[%zu]", path, i + 1);
        rlt_status status = rlt_layer_read(loading, inner, json_array_get(list, i), &layer, err);
        json_array_append_new(*canonical, layer);
        RLT_TRY(status);
    }
    loading->nested--;
    return RLT_OK;
}

/* ---- normalised layers to rlt_layer ---- */

static rlt_layer make_layer(rlt_layer_kind kind, const json_t *json) {
    rlt_layer_fields fields = {0};
    rlt_schema_store(section_of(kind)->fields, json, &fields);
    return (rlt_layer){
        .kind = kind,
        .act = kind == RLT_LAYER_DENSE || kind == RLT_LAYER_CONV || kind == RLT_LAYER_ACTIVATION
                   ? (rlt_act)fields.activation
                   : RLT_ACT_NONE,
        .units = (int)fields.units,
        .kernel = (int)fields.kernel,
        .stride = (int)fields.stride,
        .pad = fields.same ? (int)(fields.kernel - 1) / 2 : 0,
        .heads = (int)fields.heads,
        .context = (int)fields.context,
    };
}

static bool add(rlt_model_fields *model, rlt_layer layer) {
    if (model->layer_count == RLT_LAYERS_MAX) {
        return false;
    }
    model->layers[model->layer_count++] = layer;
    return true;
}

static bool store(const json_t *list, rlt_model_fields *model) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *json = json_array_get(list, i);
        rlt_layer_kind kind = RLT_LAYER_DENSE;
        rlt_layer_kind_find(json_string_value(json_object_get(json, "kind")), &kind);
        bool nest = is_nest(kind);
        if (!add(model,
                 nest ? (rlt_layer){.kind = kind, .act = RLT_ACT_NONE} : make_layer(kind, json)) ||
            (nest && (!store(json_object_get(json, "layers"), model) ||
                      !add(model, (rlt_layer){.kind = RLT_LAYER_END, .act = RLT_ACT_NONE})))) {
            return false;
        }
    }
    return true;
}

rlt_status rlt_layers_store(const json_t *list, rlt_model_fields *model, rlt_err *err) {
    return store(list, model)
               ? RLT_OK
               : rlt_fail(err, RLT_ECONFIG,
                          "model: more than %d layers, counting each residual or gated one twice",
                          RLT_LAYERS_MAX);
}

void rlt_model_layer_path(const rlt_model_fields *model, int index, char text[32]) {
    int place[NESTED_MAX + 1] = {0}, depth = 0;
    for (int i = 0; i <= index && i < model->layer_count; i++) {
        rlt_layer_kind kind = model->layers[i].kind;
        if (kind == RLT_LAYER_END) {
            depth -= depth > 0;
            continue;
        }
        place[depth]++;
        if (is_nest(kind) && i < index && depth < NESTED_MAX) {
            place[++depth] = 0;
        }
    }
    size_t size = (size_t)snprintf(text, 32, "model");
    for (int d = 0; d <= depth && size < 32; d++) {
        size += (size_t)snprintf(text + size, 32 - size, "[%d]", place[d]);
    }
}
