/* config: what layers and presets take, one row each. Unnamed arguments go to the rows in order, a
 * word to the first row that has it among its choices. Thread: read only. */
#include "config/config_impl.h"

#define RUN(member) RLT_FIELD_AT(rlt_run_config, member)
#define LAYER(member) RLT_FIELD_AT(rlt_layer_fields, member)
#define PRESET(member) RLT_FIELD_AT(rlt_preset_fields, member)
#define TUNABLE_LOG (RLT_FIELD_TUNABLE | RLT_FIELD_LOG)

static const char *const activations[] = {"tanh", "relu", "silu", "none", NULL}; /* rlt_act */
static const char *const pads[] = {"valid", "same", NULL};

#define UNITS(text)                                                                                \
    {                                                                                              \
        "units", RLT_FIELD_INT, LAYER(units), .min = 1, .max = 8192, .aliases = "width",           \
                                              .flags = TUNABLE_LOG, .help = text                   \
    }
#define ACTIVATION                                                                                 \
    {                                                                                              \
        "activation", RLT_FIELD_ENUM, LAYER(activation),                                           \
            .initial = "relu", .choices = activations, .aliases = "act",                           \
            .flags = RLT_FIELD_TUNABLE, .help = "The function after it; none: the sum itself."     \
    }
#define PAD                                                                                        \
    {                                                                                              \
        "pad", RLT_FIELD_ENUM, LAYER(same),                                                        \
            .initial = "valid", .choices = pads, .aliases = "padding", .flags = RLT_FIELD_TUNABLE, \
            .help = "same: a border around, so that stride 1 keeps the size; for odd kernels."     \
    }
#define KERNEL(value)                                                                              \
    {                                                                                              \
        "kernel", RLT_FIELD_INT, LAYER(kernel),                                                    \
            .initial = value, .min = 1, .max = 64, .aliases = "kernel_size",                       \
            .flags = RLT_FIELD_TUNABLE, .help = "Side of the square window."                       \
    }
#define STRIDE(value)                                                                              \
    {                                                                                              \
        "stride", RLT_FIELD_INT, LAYER(stride), .initial = value, .min = 1, .max = 64,             \
                                                .aliases = "strides", .flags = RLT_FIELD_TUNABLE,  \
                                                .help = "How far the window moves at a time."      \
    }

const rlt_field rlt_layer_dense[] = {UNITS("Number of outputs."), ACTIVATION, {0}};
const rlt_field rlt_layer_conv[] = {{"filters", RLT_FIELD_INT, LAYER(units), .min = 1, .max = 4096,
                                     .aliases = "units channels out_channels", .flags = TUNABLE_LOG,
                                     .help = "Channels made."},
                                    KERNEL("3"),
                                    STRIDE("1"),
                                    PAD,
                                    ACTIVATION,
                                    {0}};
const rlt_field rlt_layer_max_pool[] = {KERNEL("2"), STRIDE("2"), PAD, {0}};
const rlt_field rlt_layer_plain[] = {{0}};
const rlt_field rlt_layer_embed[] = {UNITS("Width of each value's vector."), {0}};
const rlt_field rlt_layer_recurrent[] = {UNITS("Width of the state, and outputs."), {0}};
const rlt_field rlt_layer_attention[] = {
    {"heads", RLT_FIELD_INT, LAYER(heads), .initial = "4", .min = 1, .max = 64,
     .aliases = "num_heads", .flags = RLT_FIELD_TUNABLE,
     .help = "Heads; they divide the width of the layer before."},
    {"context", RLT_FIELD_INT, LAYER(context), .initial = "64", .min = 1, .max = 4096,
     .aliases = "memory", .flags = TUNABLE_LOG,
     .help = "Steps of the episode that are seen, this one included."},
    {0}};
const rlt_field rlt_layer_activation[] = {
    {"activation", RLT_FIELD_ENUM, LAYER(activation), .initial = "relu", .choices = activations,
     .aliases = "act", .flags = RLT_FIELD_TUNABLE, .help = "The function of each element."},
    {0}};

const rlt_field rlt_list_fields[] = {
    {"separate", RLT_FIELD_BOOL, RUN(model.separate), .initial = "false",
     .flags = RLT_FIELD_TUNABLE,
     .help = "Actor and critic each have the layers of their own; else they share them."},
    {"log_std_init", RLT_FIELD_DOUBLE, RUN(model.log_std_init), .initial = "0", .min = -20,
     .max = 2, .flags = RLT_FIELD_TUNABLE,
     .help = "Logarithm of the actions' deviation at the start; Box actions only."},
    {"squash", RLT_FIELD_BOOL, RUN(model.squash), .initial = "false", .aliases = "squash_output",
     .flags = RLT_FIELD_TUNABLE, .help = "Box actions go through tanh into their bounds."},
    {0}};

#define PRESET_INT(name, member, value, high, text)                                                \
    {                                                                                              \
        name, RLT_FIELD_INT, PRESET(member), .initial = value, .min = 1, .max = high,              \
                                             .flags = RLT_FIELD_TUNABLE, .help = text              \
    }
const rlt_field rlt_preset_nature_cnn[] = {
    PRESET_INT("units", units, "512", 8192, "Width of the dense layer."), {0}};
const rlt_field rlt_preset_impala_cnn[] = {
    PRESET_INT("width", width, "1", 16, "Multiplies the filters 16, 32, 32 of the three blocks."),
    PRESET_INT("units", units, "256", 8192, "Width of the dense layer."),
    {0}};
const rlt_field rlt_preset_minatar_cnn[] = {
    PRESET_INT("filters", filters, "16", 4096, "Channels of the convolution."),
    PRESET_INT("units", units, "128", 8192, "Width of the dense layer."),
    {0}};
const rlt_field rlt_preset_gtrxl[] = {
    PRESET_INT("depth", depth, "2", 6, "Blocks of gated attention and gated dense layers."),
    PRESET_INT("width", width, "64", 4096, "Width of the stream; heads divide it."),
    PRESET_INT("heads", heads, "4", 64, "Heads of each attention."),
    PRESET_INT("context", context, "64", 4096, "Steps of the episode that attention sees."),
    {"mlp", RLT_FIELD_INT, PRESET(mlp), .initial = "0", .min = 0, .max = 8192,
     .flags = RLT_FIELD_TUNABLE, .help = "Width within a gated dense part; 0: four times width."},
    {0}};
const rlt_field rlt_preset_recurrent[] = {
    PRESET_INT("units", units, "64", 8192, "Width of the dense layer and of the state."), {0}};
