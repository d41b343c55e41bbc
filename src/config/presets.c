/* config: networks known by name, as lists of layers. Thread: any; no state. */
#include "config/config_impl.h"

#include <stdio.h>
#include <string.h>

static rlt_layer *add(rlt_model_fields *model, rlt_layer_kind kind) {
    RLT_ASSERT(model->layer_count < RLT_LAYERS_MAX);
    rlt_layer *layer = &model->layers[model->layer_count++];
    *layer = (rlt_layer){.kind = kind, .act = RLT_ACT_NONE};
    return layer;
}

static void dense(rlt_model_fields *model, int64_t units, rlt_act act) {
    rlt_layer *layer = add(model, RLT_LAYER_DENSE);
    layer->units = (int)units;
    layer->act = act;
}

static void conv(rlt_model_fields *model, int64_t filters, int kernel, int stride, int pad,
                 rlt_act act) {
    *add(model, RLT_LAYER_CONV) = (rlt_layer){.kind = RLT_LAYER_CONV,
                                              .act = act,
                                              .units = (int)filters,
                                              .kernel = kernel,
                                              .stride = stride,
                                              .pad = pad};
}

/* Mnih et al. (2015), "Human-level control through deep reinforcement learning", methods. */
static void nature_cnn(const rlt_preset_fields *p, rlt_model_fields *model) {
    conv(model, 32, 8, 4, 0, RLT_ACT_RELU);
    conv(model, 64, 4, 2, 0, RLT_ACT_RELU);
    conv(model, 64, 3, 1, 0, RLT_ACT_RELU);
    dense(model, p->units, RLT_ACT_RELU);
}

/* Espeholt et al. (2018), IMPALA, figure 3 (right): per block a convolution, a pooling and two
 * residual parts of ReLU, convolution, ReLU, convolution. */
static void impala_cnn(const rlt_preset_fields *p, rlt_model_fields *model) {
    static const int filters[] = {16, 32, 32};
    for (size_t block = 0; block < RLT_COUNT(filters); block++) {
        int64_t channels = filters[block] * p->width;
        conv(model, channels, 3, 1, 1, RLT_ACT_NONE);
        *add(model, RLT_LAYER_MAX_POOL) = (rlt_layer){
            .kind = RLT_LAYER_MAX_POOL, .act = RLT_ACT_NONE, .kernel = 3, .stride = 2, .pad = 1};
        for (int part = 0; part < 2; part++) {
            add(model, RLT_LAYER_RESIDUAL);
            add(model, RLT_LAYER_ACTIVATION)->act = RLT_ACT_RELU;
            conv(model, channels, 3, 1, 1, RLT_ACT_RELU);
            conv(model, channels, 3, 1, 1, RLT_ACT_NONE);
            add(model, RLT_LAYER_END);
        }
    }
    add(model, RLT_LAYER_ACTIVATION)->act = RLT_ACT_RELU;
    dense(model, p->units, RLT_ACT_RELU);
}

/* Young & Tian (2019), MinAtar, section 3: one convolution of 16 filters, one dense layer of 128.
 */
static void minatar_cnn(const rlt_preset_fields *p, rlt_model_fields *model) {
    conv(model, p->filters, 3, 1, 0, RLT_ACT_RELU);
    dense(model, p->units, RLT_ACT_RELU);
}

/* Parisotto et al. (2020), section 3: normalisation at the input of each part, ReLU before its
 * gate, the gate being of the GRU type. */
static void gtrxl(const rlt_preset_fields *p, rlt_model_fields *model) {
    int64_t mlp = p->mlp > 0 ? p->mlp : 4 * p->width;
    dense(model, p->width, RLT_ACT_NONE);
    for (int64_t block = 0; block < p->depth; block++) {
        add(model, RLT_LAYER_GATED);
        add(model, RLT_LAYER_LAYER_NORM);
        *add(model, RLT_LAYER_ATTENTION) = (rlt_layer){.kind = RLT_LAYER_ATTENTION,
                                                       .act = RLT_ACT_NONE,
                                                       .heads = (int)p->heads,
                                                       .context = (int)p->context};
        add(model, RLT_LAYER_ACTIVATION)->act = RLT_ACT_RELU;
        add(model, RLT_LAYER_END);
        add(model, RLT_LAYER_GATED);
        add(model, RLT_LAYER_LAYER_NORM);
        dense(model, mlp, RLT_ACT_RELU);
        dense(model, p->width, RLT_ACT_RELU);
        add(model, RLT_LAYER_END);
    }
}

static void lstm(const rlt_preset_fields *p, rlt_model_fields *model) {
    dense(model, p->units, RLT_ACT_TANH);
    add(model, RLT_LAYER_LSTM)->units = (int)p->units;
}

static void gru(const rlt_preset_fields *p, rlt_model_fields *model) {
    dense(model, p->units, RLT_ACT_TANH);
    add(model, RLT_LAYER_GRU)->units = (int)p->units;
}

static const struct {
    const char *name;
    void (*make)(const rlt_preset_fields *preset, rlt_model_fields *model);
} presets[] = {{"nature_cnn", nature_cnn},
               {"impala_cnn", impala_cnn},
               {"minatar_cnn", minatar_cnn},
               {"gtrxl", gtrxl},
               {"lstm", lstm},
               {"gru", gru}};

void rlt_preset_store(const json_t *preset, rlt_model_fields *model) {
    const char *name = json_string_value(json_object_get(preset, "preset"));
    char section[64];
    size_t i = 0;
    while (strcmp(presets[i].name, name) != 0) {
        i++;
        RLT_ASSERT(i < RLT_COUNT(presets));
    }
    snprintf(section, sizeof section, "preset.%s", name);
    rlt_preset_fields fields = {0};
    rlt_schema_store(rlt_config_section_find(section)->fields, preset, &fields);
    presets[i].make(&fields, model);
}
