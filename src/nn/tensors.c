/* tensors: the parameters of a policy as named tensors, so that checkpoints can be read by other
 * tools: "actor.0.weight" of an MLP, "layer.3.lstm.input_weight" of layers (counted from 1, as in
 * the script). Thread: any. */
#include "nn/nn_impl.h"

#include <stdio.h>

typedef struct tensor_list {
    rlt_policy_tensor *out; /* NULL: counted only */
    int count;
    size_t offset;
    const char *prefix;
} tensor_list;

typedef struct part {
    const char *name;
    int shape[4]; /* up to the first 0 */
} part;

static void add(tensor_list *list, const part *p, int groups) {
    rlt_policy_tensor tensor = {.offset = list->offset, .groups = groups};
    size_t elements = 1;
    for (; tensor.rank < 4 && p->shape[tensor.rank] > 0; tensor.rank++) {
        tensor.shape[tensor.rank] = p->shape[tensor.rank];
        elements *= (size_t)p->shape[tensor.rank];
    }
    snprintf(tensor.name, sizeof tensor.name, "%s%s", list->prefix, p->name);
    if (list->out != NULL) {
        RLT_ASSERT(list->count < RLT_POLICY_TENSORS_MAX);
        list->out[list->count] = tensor;
    }
    list->count++;
    list->offset += elements;
}

static void add_mlp(tensor_list *list, const rlt_policy_spec *spec) {
    static const char *const nets[] = {"actor", "critic"};
    char prefix[32];
    for (int net = 0; net < 2; net++) {
        for (int l = 0; l <= spec->hidden_count; l++) {
            int in = l == 0 ? spec->obs_dim : spec->hidden[l - 1];
            int head = net == 0 ? spec->action_dim : 1;
            int out = l == spec->hidden_count ? head : spec->hidden[l];
            snprintf(prefix, sizeof prefix, "%s.%d.", nets[net], l);
            list->prefix = prefix;
            add(list, &(part){"weight", {in, out}}, 1);
            add(list, &(part){"bias", {out}}, 1);
        }
    }
}

/* The parts of an operation in the order of ops.h; count 0: it has no parameters. */
static int parts_of(const rlt_op *op, part parts[7]) {
    int in = op->in, out = op->out, k = op->kernel, filters = op->out_hwc[2];
    const part tables[][7] = {
        [RLT_OP_dense] = {{"weight", {in, out}}, {"bias", {out}}},
        [RLT_OP_conv] = {{"weight", {k, k, op->in_hwc[2], filters}}, {"bias", {filters}}},
        [RLT_OP_layer_norm] = {{"gain", {in}}, {"bias", {in}}},
        [RLT_OP_rms_norm] = {{"gain", {in}}},
        [RLT_OP_embed] = {{"weight", {in, out}}},
        [RLT_OP_lstm] = {{"input_weight", {in, 4 * out}},
                         {"hidden_weight", {out, 4 * out}},
                         {"bias", {4 * out}}},
        [RLT_OP_gru] = {{"input_weight", {in, 3 * out}},
                        {"hidden_weight", {out, 3 * out}},
                        {"input_bias", {3 * out}},
                        {"hidden_bias", {3 * out}}},
        [RLT_OP_attention] = {{"qkv_weight", {in, 3 * in}},
                              {"qkv_bias", {3 * in}},
                              {"out_weight", {in, in}},
                              {"out_bias", {in}},
                              {"position_bias", {op->heads, op->context}}},
        [RLT_OP_gate] = {{"reset_branch", {in, in}},
                         {"reset_stream", {in, in}},
                         {"update_branch", {in, in}},
                         {"update_stream", {in, in}},
                         {"new_branch", {in, in}},
                         {"new_stream", {in, in}},
                         {"update_bias", {in}}},
    };
    int count = 0;
    while ((size_t)op->kind < RLT_COUNT(tables) && count < 7 &&
           tables[op->kind][count].name != NULL) {
        parts[count] = tables[op->kind][count];
        count++;
    }
    return count;
}

/* What a part's last dimension holds one after the other: gates, or query, key and value. */
static int groups_of(const rlt_op *op, int number) {
    switch (op->kind) {
    case RLT_OP_lstm:
        return 4;
    case RLT_OP_gru:
        return 3;
    case RLT_OP_attention:
        return number < 2 ? 3 : 1;
    default:
        return 1;
    }
}

static void add_layers(tensor_list *list, const rlt_policy_spec *spec) {
    rlt_program program;
    rlt_status status = rlt_policy_program(spec, &program, NULL);
    RLT_ASSERT(status == RLT_OK); /* rlt_policy_check has passed */
    for (int i = 0; i < program.op_count; i++) {
        const rlt_op *op = &program.ops[i];
        const char *net = !spec->separate ? "" : i <= program.head ? "actor." : "critic.";
        char prefix[48];
        part parts[7];
        if (op->layer < 0) {
            snprintf(prefix, sizeof prefix, "%s_head.", i == program.head ? "policy" : "value");
        } else {
            snprintf(prefix, sizeof prefix, "%slayer.%d.%s.", net, op->layer + 1,
                     rlt_layer_name(spec->layers[op->layer].kind));
        }
        list->prefix = prefix;
        list->offset = op->param;
        int count = parts_of(op, parts);
        for (int p = 0; p < count; p++) {
            add(list, &parts[p], groups_of(op, p));
        }
        RLT_ASSERT(list->offset == op->param + op->param_count);
    }
    list->offset = program.param_count;
}

int rlt_policy_tensors(const rlt_policy_spec *spec, rlt_policy_tensor *out) {
    tensor_list list = {.out = out};
    if (spec->layer_count > 0) {
        add_layers(&list, spec);
    } else {
        add_mlp(&list, spec);
    }
    if (!spec->discrete) {
        list.prefix = "";
        add(&list, &(part){"log_std", {spec->action_dim}}, 1);
    }
    return list.count;
}
