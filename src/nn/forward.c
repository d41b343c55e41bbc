/* forward: workspaces, transposed weights, and one net over a block of rows that stays in the L1/L2
 * cache, forward and backward. Thread: the workspace owner's. */
#include "nn/nn_impl.h"

#include <string.h>

static float *floats(size_t count) {
    return rlt_alloc(sizeof(float) * count);
}

rlt_policy_packed *rlt_policy_packed_create(const rlt_policy_spec *spec) {
    rlt_policy_packed *packed = rlt_alloc(sizeof(*packed));
    packed->layout = rlt_nn_layout_make(spec);
    for (int net = 0; net < 2; net++) {
        for (int l = 1; l < packed->layout.layers; l++) { /* nothing needs d loss / d obs */
            const rlt_nn_layer *layer = &packed->layout.layer[net][l];
            packed->wt[net][l] = floats((size_t)layer->out * (size_t)layer->in_stride);
        }
    }
    return packed;
}

void rlt_policy_packed_destroy(rlt_policy_packed **packed) {
    if (*packed == NULL) {
        return;
    }
    for (int net = 0; net < 2; net++) {
        for (int l = 1; l < (*packed)->layout.layers; l++) {
            rlt_free((*packed)->wt[net][l]);
        }
    }
    rlt_free(*packed);
    *packed = NULL;
}

enum { FLAT_PIECE = 4096 }; /* floats */

/* A piece is RLT_NN_PAD rows of one layer's W, with b after the last rows; then come runs of what
 * has no transpose: log_std, or all of a program. */
static int layer_pieces(const rlt_nn_layer *layer) {
    return layer->in_stride / RLT_NN_PAD;
}

typedef struct piece {
    const rlt_nn_layer *layer;  /* NULL: none */
    int net, index, first, end; /* rows of W; without a layer, first is the run's number */
} piece;

static piece find_piece(const rlt_nn_layout *layout, int number) {
    for (int net = 0; net < 2; net++) {
        for (int l = 0; l < layout->layers; l++) {
            const rlt_nn_layer *layer = &layout->layer[net][l];
            if (number < layer_pieces(layer)) {
                int first = number * RLT_NN_PAD, end = first + RLT_NN_PAD;
                return (piece){layer, net, l, first, end < layer->in ? end : layer->in};
            }
            number -= layer_pieces(layer);
        }
    }
    return (piece){.first = number};
}

int rlt_policy_piece_count(const rlt_policy_packed *packed) {
    const rlt_nn_layout *layout = &packed->layout;
    int count = (int)((layout->param_count - layout->flat + FLAT_PIECE - 1) / FLAT_PIECE);
    for (int net = 0; net < 2; net++) {
        for (int l = 0; l < layout->layers; l++) {
            count += layer_pieces(&layout->layer[net][l]);
        }
    }
    return count;
}

void rlt_policy_piece(const rlt_policy_packed *packed, int number, size_t *first, size_t *count) {
    piece p = find_piece(&packed->layout, number);
    if (p.layer == NULL) {
        *first = packed->layout.flat + (size_t)p.first * FLAT_PIECE;
        size_t left = packed->layout.param_count - *first;
        *count = left < FLAT_PIECE ? left : FLAT_PIECE;
        return;
    }
    size_t out = (size_t)p.layer->out;
    *first = p.layer->offset + (size_t)p.first * out;
    *count = (size_t)(p.end - p.first + (p.end == p.layer->in)) * out;
}

void rlt_policy_pack_piece(rlt_policy_packed *packed, const float *params, int number) {
    piece p = find_piece(&packed->layout, number);
    if (p.layer != NULL && p.index > 0) {
        rlt_nn_kernels_get()->transpose(params + p.layer->offset, p.first, p.end, p.layer->out,
                                        packed->wt[p.net][p.index], p.layer->in_stride);
    }
}

void rlt_policy_pack(rlt_policy_packed *packed, const float *params) {
    for (int i = 0; i < rlt_policy_piece_count(packed); i++) {
        rlt_policy_pack_piece(packed, params, i);
    }
}

void rlt_nn_pack_heads(rlt_policy_packed *packed, const float *params) {
    int last = packed->layout.layers - 1;
    for (int net = 0; net < 2; net++) {
        const rlt_nn_layer *head = &packed->layout.layer[net][last];
        if (head->out <= RLT_NN_HEAD_MAX) {
            rlt_nn_kernels_get()->transpose(params + head->offset, 0, head->in, head->out,
                                            packed->wt[net][last], head->in_stride);
        }
    }
}

rlt_policy_workspace *rlt_policy_workspace_create(const rlt_policy_spec *spec) {
    rlt_policy_workspace *ws = rlt_alloc(sizeof(*ws));
    ws->spec = *spec;
    ws->layout = rlt_nn_layout_make(spec);
    ws->packed = rlt_policy_packed_create(spec);
    if (rlt_nn_is_layered(spec)) {
        ws->spec.hidden_count = 0;
        ws->layered = rlt_layered_create(spec);
        return ws;
    }
    size_t widest = 0;
    for (int l = 0; l < spec->hidden_count; l++) {
        size_t width = (size_t)ws->layout.layer[0][l + 1].in_stride;
        widest = width > widest ? width : widest;
        ws->y[l] = floats(RLT_NN_BLOCK * width);
        ws->z[l] = spec->act == RLT_ACT_SILU ? floats(RLT_NN_BLOCK * width) : NULL;
    }
    ws->delta[0] = floats(RLT_NN_BLOCK * widest);
    ws->delta[1] = floats(RLT_NN_BLOCK * widest);
    ws->head = floats(RLT_NN_BLOCK * (size_t)spec->action_dim);
    ws->d_head = floats(RLT_NN_BLOCK * (size_t)spec->action_dim);
    return ws;
}

void rlt_policy_workspace_destroy(rlt_policy_workspace **workspace) {
    rlt_policy_workspace *ws = *workspace;
    if (ws == NULL) {
        return;
    }
    rlt_policy_packed_destroy(&ws->packed);
    rlt_layered_destroy(&ws->layered);
    for (int l = 0; l < ws->spec.hidden_count; l++) {
        rlt_free(ws->y[l]);
        rlt_free(ws->z[l]);
    }
    rlt_free(ws->delta[0]);
    rlt_free(ws->delta[1]);
    rlt_free(ws->head);
    rlt_free(ws->d_head);
    rlt_free(ws);
    *workspace = NULL;
}

void rlt_nn_net_forward(rlt_policy_workspace *ws, int net, const float *params,
                        const rlt_policy_packed *packed, const float *obs, int n, float *head) {
    const rlt_nn_kernels *kernels = rlt_nn_kernels_get();
    const rlt_nn_layer *layer = ws->layout.layer[net];
    int last = ws->layout.layers - 1;
    const float *x = obs;
    for (int l = 0; l < last; l++) {
        int x_stride = l == 0 ? layer[0].in : layer[l].in_stride;
        kernels->dense(x, x_stride, params + layer[l].offset, n, layer[l].in, layer[l].out,
                       (int)ws->spec.act, ws->y[l], layer[l + 1].in_stride, ws->z[l]);
        x = ws->y[l];
    }
    const float *w = params + layer[last].offset;
    int in = layer[last].in, out = layer[last].out, in_stride = layer[last].in_stride;
    if (out <= RLT_NN_HEAD_MAX) {
        kernels->head(x, in_stride, packed->wt[net][last], in_stride, w + (size_t)in * (size_t)out,
                      n, out, head);
    } else {
        kernels->dense(x, in_stride, w, n, in, out, RLT_NN_LINEAR, head, out, NULL);
    }
}

void rlt_nn_net_backward(rlt_policy_workspace *ws, int net, const rlt_policy_packed *packed,
                         const float *obs, int n, const float *d_head, float *grad) {
    const rlt_nn_kernels *kernels = rlt_nn_kernels_get();
    const rlt_nn_layer *layer = ws->layout.layer[net];
    int last = ws->layout.layers - 1, d_stride = layer[last].out;
    const float *d = d_head;
    for (int l = last; l >= 0; l--) {
        const float *x = l == 0 ? obs : ws->y[l - 1];
        int in = layer[l].in, out = layer[l].out, x_stride = l == 0 ? in : layer[l].in_stride;
        if (l > 0 && out <= RLT_NN_HEAD_MAX) {
            kernels->head_grad(x, x_stride, d, d_stride, n, in, out, grad + layer[l].offset);
        } else {
            kernels->weight_grad(x, x_stride, d, d_stride, n, in, out, grad + layer[l].offset);
        }
        if (l > 0) {
            float *dx = ws->delta[l % 2];
            kernels->input_grad(d, d_stride, packed->wt[net][l], layer[l].in_stride, n, out, in,
                                (int)ws->spec.act, x, ws->z[l - 1], dx, x_stride);
            d = dx;
            d_stride = x_stride;
        }
    }
}

void rlt_policy_forward(rlt_policy_workspace *ws, const float *params, const float *obs, int n,
                        float *head, float *value) {
    const rlt_policy_spec *spec = &ws->spec;
    if (ws->layered != NULL) {
        rlt_layered_step(ws->layered, params, obs, n, NULL, NULL, head, value);
        return;
    }
    rlt_nn_pack_heads(ws->packed, params);
    for (int at = 0; at < n; at += RLT_NN_BLOCK) {
        int rows = n - at < RLT_NN_BLOCK ? n - at : RLT_NN_BLOCK;
        const float *x = obs + (size_t)at * (size_t)spec->obs_dim;
        rlt_nn_net_forward(ws, 0, params, ws->packed, x, rows,
                           head + (size_t)at * (size_t)spec->action_dim);
        rlt_nn_net_forward(ws, 1, params, ws->packed, x, rows, value + at);
    }
}

void rlt_policy_step(rlt_policy_workspace *ws, const float *params, const float *obs, int n,
                     const uint8_t *reset, float *state, float *head, float *value) {
    if (ws->layered != NULL) {
        rlt_layered_step(ws->layered, params, obs, n, reset, state, head, value);
    } else {
        rlt_policy_forward(ws, params, obs, n, head, value);
    }
}
