/* init: the first parameters of a policy. Thread: any. */
#include "nn/nn_impl.h"

#include <math.h>
#include <string.h>

/* Rows (of the smaller side) of w[in][out] made orthonormal by modified Gram-Schmidt, scaled. */
static void orthogonal(float *w, int in, int out, double gain, rlt_rng *rng) {
    for (int i = 0; i < in * out; i++) {
        w[i] = (float)rlt_rng_normal(rng);
    }
    bool by_row = in <= out;
    int count = by_row ? in : out, length = by_row ? out : in;
    int vector = by_row ? out : 1, entry = by_row ? 1 : out; /* strides */
    for (int a = 0; a < count; a++) {
        for (int b = 0; b <= a; b++) {
            double dot = 0;
            for (int i = 0; i < length; i++) {
                dot += (double)w[a * vector + i * entry] * (double)w[b * vector + i * entry];
            }
            for (int i = 0; i < length; i++) {
                double other = (double)w[b * vector + i * entry];
                float *mine = &w[a * vector + i * entry];
                *mine = (float)(b < a ? (double)*mine - dot * other : (double)*mine / sqrt(dot));
            }
        }
    }
    for (int i = 0; i < in * out; i++) {
        w[i] = (float)((double)w[i] * gain);
    }
}

void rlt_policy_init(const rlt_policy_spec *spec, uint64_t seed, float *params) {
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_INIT, 0);
    rlt_nn_layout layout = rlt_nn_layout_make(spec);
    for (int net = 0; net < 2; net++) {
        for (int l = 0; l < layout.layers; l++) {
            const rlt_nn_layer *layer = &layout.layer[net][l];
            double gain = l < layout.layers - 1 ? sqrt(2.0) : net == 0 ? 0.01 : 1.0;
            float *w = params + layer->offset;
            orthogonal(w, layer->in, layer->out, gain, &rng);
            memset(w + layer->in * layer->out, 0, sizeof(float) * (size_t)layer->out);
        }
    }
    for (size_t i = layout.log_std; i < layout.param_count; i++) {
        params[i] = spec->log_std_init;
    }
}
