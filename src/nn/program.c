/* program: layers become operations; every size is checked on the way, and an error names the
 * layer, its input and what made that. Thread: any. */
#include "nn/program_impl.h"

#include <stdio.h>
#include <string.h>

enum {
    UNITS_MAX = 8192,
    KERNEL_MAX = 64,
    HEADS_MAX = 64,
    CONTEXT_MAX = 4096,
    ROW_MAX = 1 << 22,    /* floats of a row */
    PARAMS_MAX = 1 << 30, /* floats of all parameters */
    STATE_MAX = 1 << 22   /* floats of a sequence's state */
};

typedef struct shape {
    int h, w, c;
    bool image; /* else a row of c */
} shape;

typedef struct stream { /* what the next layer reads */
    shape shape;
    int value; /* the op that made it, or RLT_VALUE_OBS */
    int layer; /* the layer that did, from 0; -1: the observation */
} stream;

typedef struct builder {
    const rlt_net_spec *spec;
    rlt_program *program;
    stream now;
    int depth, opened[RLT_LAYERS_MAX]; /* layers whose END is still to come */
    stream before[RLT_LAYERS_MAX];     /* the stream at each of them */
    int64_t params;
    rlt_err *err;
} builder;

static const char *const names[] = {
    [RLT_LAYER_DENSE] = "dense",         [RLT_LAYER_CONV] = "conv",
    [RLT_LAYER_MAX_POOL] = "max_pool",   [RLT_LAYER_LAYER_NORM] = "layer_norm",
    [RLT_LAYER_RMS_NORM] = "rms_norm",   [RLT_LAYER_EMBED] = "embed",
    [RLT_LAYER_LSTM] = "lstm",           [RLT_LAYER_GRU] = "gru",
    [RLT_LAYER_ATTENTION] = "attention", [RLT_LAYER_ACTIVATION] = "activation",
    [RLT_LAYER_SKIP] = "skip",           [RLT_LAYER_RESIDUAL] = "residual",
    [RLT_LAYER_GATED] = "gated",         [RLT_LAYER_END] = "end",
};

const char *rlt_layer_name(rlt_layer_kind kind) {
    return (unsigned)kind < RLT_COUNT(names) ? names[kind] : "unknown";
}

static int64_t floats_of(shape s) {
    return (int64_t)s.h * s.w * s.c;
}

typedef struct text {
    char data[96];
} text;

static text shape_text(shape s) {
    text t;
    if (s.image) {
        snprintf(t.data, sizeof t.data, "%d x %d x %d", s.h, s.w, s.c);
    } else {
        snprintf(t.data, sizeof t.data, "%d", s.c);
    }
    return t;
}

/* "5 x 5 x 32 (made by model[2], max_pool)" */
static text stream_text(const builder *b, stream s) {
    text t = shape_text(s.shape);
    size_t used = strlen(t.data), room = sizeof t.data - used;
    if (s.layer < 0) {
        snprintf(t.data + used, room, " (the observation)");
    } else {
        snprintf(t.data + used, room, " (made by model[%d], %s)", s.layer + 1,
                 rlt_layer_name(b->spec->layers[s.layer].kind));
    }
    return t;
}

static rlt_status check_number(const builder *b, int layer, const char *what, int value, int min,
                               int max) {
    if (value >= min && value <= max) {
        return RLT_OK;
    }
    return rlt_fail(b->err, RLT_ECONFIG, "model[%d]: %s with %s = %d; allowed: %d to %d", layer + 1,
                    rlt_layer_name(b->spec->layers[layer].kind), what, value, min, max);
}

/* Appends an op that reads the stream (and the branch x2) and becomes the stream. */
static rlt_status append(builder *b, rlt_op op, int layer, shape out) {
    rlt_program *p = b->program;
    RLT_ASSERT(p->op_count < RLT_OPS_MAX);
    const char *what = layer < 0 ? "the head" : rlt_layer_name(b->spec->layers[layer].kind);
    if (floats_of(out) > ROW_MAX) {
        return rlt_fail(b->err, RLT_ECONFIG,
                        "model[%d]: %s makes %s of %s, which is %lld floats a row; allowed: at "
                        "most %d",
                        layer + 1, what, shape_text(out).data, stream_text(b, b->now).data,
                        (long long)floats_of(out), ROW_MAX);
    }
    op.in = (int)floats_of(b->now.shape);
    op.out = (int)floats_of(out);
    memcpy(op.in_hwc, &b->now.shape, sizeof op.in_hwc);
    memcpy(op.out_hwc, &out, sizeof op.out_hwc);
    op.x = b->now.value;
    op.y = p->op_count;
    op.layer = layer;
    int64_t params = rlt_op_param_count(&op), state = rlt_op_state_floats(&op);
    if (b->params + params > PARAMS_MAX || p->state_width + state > STATE_MAX) {
        return rlt_fail(b->err, RLT_ECONFIG,
                        "model[%d]: %s on %s takes %lld parameters and %lld floats of state, the "
                        "whole model with it %lld and %lld; allowed: at most %d and %d",
                        layer + 1, what, stream_text(b, b->now).data, (long long)params,
                        (long long)state, (long long)(b->params + params),
                        (long long)(p->state_width + state), PARAMS_MAX, STATE_MAX);
    }
    op.param = (size_t)b->params;
    op.param_count = (size_t)params;
    op.state = p->state_width;
    op.state_width = (int)state;
    op.saved = rlt_op_saved_floats(&op);
    b->params += params;
    p->state_width += (int)state;
    p->ops[p->op_count] = op;
    b->now = (stream){out, p->op_count++, layer};
    return RLT_OK;
}

/* conv and max_pool: a window that moves over an image. */
static rlt_status build_window(builder *b, int i, const rlt_layer *layer, rlt_op op) {
    shape in = b->now.shape;
    const char *name = rlt_layer_name(layer->kind);
    if (!in.image) {
        return rlt_fail(b->err, RLT_ECONFIG,
                        "model[%d]: %s needs an image of height x width x channels, its input is "
                        "the row %s; allowed: after an image observation, conv or max_pool",
                        i + 1, name, stream_text(b, b->now).data);
    }
    RLT_TRY(check_number(b, i, "kernel", layer->kernel, 1, KERNEL_MAX));
    RLT_TRY(check_number(b, i, "stride", layer->stride, 1, KERNEL_MAX));
    RLT_TRY(check_number(b, i, "pad", layer->pad, 0, layer->kernel - 1));
    int side = in.h < in.w ? in.h : in.w;
    if (side + 2 * layer->pad < layer->kernel) {
        return rlt_fail(b->err, RLT_ECONFIG,
                        "model[%d]: %s of kernel %d does not fit its input of %s; allowed: kernel "
                        "1 to %d with pad %d",
                        i + 1, name, layer->kernel, stream_text(b, b->now).data,
                        side + 2 * layer->pad, layer->pad);
    }
    op.kernel = layer->kernel;
    op.stride = layer->stride;
    op.pad = layer->pad;
    shape out = {(in.h + 2 * op.pad - op.kernel) / op.stride + 1,
                 (in.w + 2 * op.pad - op.kernel) / op.stride + 1,
                 op.kind == RLT_OP_conv ? layer->units : in.c, true};
    return append(b, op, i, out);
}

static rlt_status build_attention(builder *b, int i, const rlt_layer *layer) {
    RLT_TRY(check_number(b, i, "heads", layer->heads, 1, HEADS_MAX));
    RLT_TRY(check_number(b, i, "context", layer->context, 1, CONTEXT_MAX));
    int64_t width = floats_of(b->now.shape);
    if (width > UNITS_MAX || width % layer->heads != 0) {
        return rlt_fail(b->err, RLT_ECONFIG,
                        "model[%d]: attention of %d heads on %s; allowed: a width of at most %d "
                        "that the heads divide",
                        i + 1, layer->heads, stream_text(b, b->now).data, UNITS_MAX);
    }
    rlt_op op = {.kind = RLT_OP_attention,
                 .act = RLT_ACT_NONE,
                 .heads = layer->heads,
                 .context = layer->context,
                 .x2 = RLT_VALUE_NONE};
    return append(b, op, i, (shape){1, 1, (int)width, false});
}

/* END: joins the branch that is the stream now with the stream before it. */
static rlt_status build_join(builder *b, int i) {
    if (b->depth == 0) {
        return rlt_fail(b->err, RLT_ECONFIG,
                        "model[%d]: end without a residual or gated before it that is still open",
                        i + 1);
    }
    int open = b->opened[--b->depth];
    stream branch = b->now, before = b->before[b->depth];
    const char *name = rlt_layer_name(b->spec->layers[open].kind);
    if (branch.value == before.value) {
        return rlt_fail(b->err, RLT_ECONFIG,
                        "model[%d]: %s has no layers before its end, model[%d]", open + 1, name,
                        i + 1);
    }
    shape s = before.shape, t = branch.shape;
    bool same = floats_of(s) == floats_of(t) && (!s.image || !t.image || memcmp(&s, &t, 12) == 0);
    if (!same) {
        return rlt_fail(b->err, RLT_ECONFIG,
                        "model[%d]: the branch of %s (model[%d]) makes %s out of %s; both must "
                        "have one size",
                        i + 1, name, open + 1, stream_text(b, branch).data,
                        stream_text(b, before).data);
    }
    bool gated = b->spec->layers[open].kind == RLT_LAYER_GATED;
    if (gated && floats_of(s) > UNITS_MAX) {
        return rlt_fail(b->err, RLT_ECONFIG, "model[%d]: gated on %s; allowed: at most %d floats",
                        open + 1, stream_text(b, before).data, UNITS_MAX);
    }
    b->now = before;
    rlt_op op = {.kind = gated ? RLT_OP_gate : RLT_OP_add, .act = RLT_ACT_NONE, .x2 = branch.value};
    return append(b, op, i, s);
}

static rlt_status build_layer(builder *b, int i) {
    const rlt_layer *layer = &b->spec->layers[i];
    static const rlt_op_kind kinds[] = {
        [RLT_LAYER_DENSE] = RLT_OP_dense,
        [RLT_LAYER_CONV] = RLT_OP_conv,
        [RLT_LAYER_MAX_POOL] = RLT_OP_max_pool,
        [RLT_LAYER_LAYER_NORM] = RLT_OP_layer_norm,
        [RLT_LAYER_RMS_NORM] = RLT_OP_rms_norm,
        [RLT_LAYER_EMBED] = RLT_OP_embed,
        [RLT_LAYER_LSTM] = RLT_OP_lstm,
        [RLT_LAYER_GRU] = RLT_OP_gru,
        [RLT_LAYER_ACTIVATION] = RLT_OP_activation,
        [RLT_LAYER_END] = RLT_OP_add,
    };
    if ((unsigned)layer->kind > RLT_LAYER_END || (unsigned)layer->act > RLT_ACT_NONE) {
        return rlt_fail(b->err, RLT_ECONFIG, "model[%d]: unknown layer kind %d or activation %d",
                        i + 1, (int)layer->kind, (int)layer->act);
    }
    rlt_op op = {.kind = kinds[layer->kind], .act = RLT_ACT_NONE, .x2 = RLT_VALUE_NONE};
    switch (layer->kind) {
    case RLT_LAYER_DENSE:
    case RLT_LAYER_CONV:
        op.act = layer->act; /* fall through */
    case RLT_LAYER_EMBED:
    case RLT_LAYER_LSTM:
    case RLT_LAYER_GRU:
        RLT_TRY(check_number(b, i, layer->kind == RLT_LAYER_CONV ? "filters" : "units",
                             layer->units, 1, UNITS_MAX));
        return layer->kind == RLT_LAYER_CONV ? build_window(b, i, layer, op)
                                             : append(b, op, i, (shape){1, 1, layer->units, false});
    case RLT_LAYER_MAX_POOL:
        return build_window(b, i, layer, op);
    case RLT_LAYER_ATTENTION:
        return build_attention(b, i, layer);
    case RLT_LAYER_ACTIVATION:
        if (layer->act == RLT_ACT_NONE) {
            return rlt_fail(b->err, RLT_ECONFIG,
                            "model[%d]: activation \"none\" does nothing; allowed: tanh, relu, "
                            "silu; { \"skip\" } is no layer",
                            i + 1);
        }
        op.act = layer->act; /* fall through */
    case RLT_LAYER_LAYER_NORM:
    case RLT_LAYER_RMS_NORM:
        return append(b, op, i, b->now.shape);
    case RLT_LAYER_SKIP:
        return RLT_OK;
    case RLT_LAYER_RESIDUAL:
    case RLT_LAYER_GATED:
        b->opened[b->depth] = i;
        b->before[b->depth++] = b->now;
        return RLT_OK;
    default:
        return build_join(b, i);
    }
}

static rlt_status build_layers(builder *b) {
    for (int i = 0; i < b->spec->layer_count; i++) {
        RLT_TRY(build_layer(b, i));
    }
    if (b->depth > 0) {
        int open = b->opened[b->depth - 1];
        return rlt_fail(b->err, RLT_ECONFIG,
                        "model[%d]: %s has no end; put { \"end\" } after the last layer of its "
                        "branch",
                        open + 1, rlt_layer_name(b->spec->layers[open].kind));
    }
    return RLT_OK;
}

/* A head reads the stream and leaves it as it is. */
static rlt_status build_head(builder *b, int width, int *value) {
    stream trunk = b->now;
    rlt_op op = {.kind = RLT_OP_dense, .act = RLT_ACT_NONE, .x2 = RLT_VALUE_NONE};
    RLT_TRY(append(b, op, -1, (shape){1, 1, width, false}));
    *value = b->now.value;
    b->now = trunk;
    return RLT_OK;
}

/* Backward goes through the ops from the last to the first: of all that read a value, the last one
 * writes its gradient, the others add. */
static void mark_additions(rlt_program *p) {
    bool written[RLT_OPS_MAX + 1] = {false}; /* [value + 1] */
    for (int i = p->op_count - 1; i >= 0; i--) {
        bool *flag = &written[p->ops[i].x + 1];
        p->ops[i].dx_add = *flag;
        *flag = true;
    }
}

static rlt_status check_spec(const rlt_net_spec *spec, rlt_err *err) {
    const int *s = spec->obs_shape;
    bool fits = s[0] >= 1 && s[1] >= 1 && s[2] >= 1 && s[0] <= ROW_MAX && s[1] <= ROW_MAX &&
                s[2] <= ROW_MAX && (int64_t)s[0] * s[1] <= ROW_MAX &&
                (int64_t)s[0] * s[1] * s[2] <= ROW_MAX;
    if (!fits) {
        return rlt_fail(err, RLT_ECONFIG,
                        "model: observations of %d x %d x %d; allowed: sizes from 1, at most %d "
                        "floats",
                        s[0], s[1], s[2], ROW_MAX);
    }
    if (spec->layer_count < 0 || spec->layer_count > RLT_LAYERS_MAX) {
        return rlt_fail(err, RLT_ECONFIG, "model: %d layers; allowed: 0 to %d", spec->layer_count,
                        RLT_LAYERS_MAX);
    }
    if (spec->head_width < 1 || spec->head_width > UNITS_MAX || spec->value_width < 0 ||
        spec->value_width > UNITS_MAX) {
        return rlt_fail(err, RLT_ECONFIG,
                        "model: heads of %d and %d outputs; allowed: 1 to %d, and 0 to %d",
                        spec->head_width, spec->value_width, UNITS_MAX, UNITS_MAX);
    }
    return RLT_OK;
}

rlt_status rlt_program_build(const rlt_net_spec *spec, rlt_program *program, rlt_err *err) {
    RLT_TRY(check_spec(spec, err));
    const int *s = spec->obs_shape;
    bool image = s[0] > 1 || s[1] > 1;
    stream obs = {{s[0], s[1], s[2], image}, RLT_VALUE_OBS, -1};
    builder b = {.spec = spec, .program = program, .now = obs, .err = err};
    memset(program, 0, sizeof *program);
    program->obs_width = s[0] * s[1] * s[2];
    program->value = RLT_VALUE_NONE;
    RLT_TRY(build_layers(&b));
    RLT_TRY(build_head(&b, spec->head_width, &program->head));
    if (spec->value_width > 0) {
        if (spec->separate) {
            b.now = obs;
            RLT_TRY(build_layers(&b));
        }
        RLT_TRY(build_head(&b, spec->value_width, &program->value));
    }
    program->param_count = (size_t)b.params;
    mark_additions(program);
    return RLT_OK;
}
