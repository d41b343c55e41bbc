/* Parity of whole updates: policies of several kinds act, get the same outcomes on both devices and
 * learn from them by recorded graphs (bench/gpu/update.h); then the parameters and the sums of the
 * loss must agree. Again, for the same bits. */
#include "bench/gpu/update.h"
#include "tests/gpu/parity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ENVS = 12, HORIZON = 10, ROUNDS = 3 };

typedef struct outcome {
    float *before, *params;
    rlt_update_state sums;
    size_t count;
    int draws_apart; /* actions that differ from `same_draws` */
} outcome;

/* The given actions are what the environments do, so that a draw at the edge between two actions,
 * which rounding decides, doesn't part the devices. */
static void play(parity *p, update *u, uint64_t seed, const int32_t *same_draws, outcome *out) {
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_TEST, 1);
    size_t width = (size_t)u->program.obs_width;
    float *obs = parity_host(p, sizeof(float) * ENVS * width);
    for (int t = 0; t <= HORIZON; t++) {
        float reward[ENVS];
        int32_t action[ENVS];
        uint8_t terminated[ENVS], truncated[ENVS];
        for (size_t i = 0; i < ENVS * width; i++) {
            obs[i] = (float)rlt_rng_normal(&rng);
        }
        update_act(u, t, obs, action);
        for (int i = 0; i < ENVS && t < HORIZON; i++) {
            out->draws_apart += same_draws != NULL && action[i] != same_draws[t * ENVS + i];
            reward[i] = (float)rlt_rng_normal(&rng);
            terminated[i] = rlt_rng_below(&rng, 8) == 0;
            truncated[i] = !terminated[i] && rlt_rng_below(&rng, 8) == 0;
        }
        if (t < HORIZON) {
            update_outcome(u, t, reward, terminated, truncated, obs);
        }
    }
    if (same_draws != NULL) {
        u->device->backend->upload(u->device, u->action, same_draws,
                                   sizeof(int32_t) * ENVS * HORIZON);
    }
}

static outcome learn(parity *p, rlt_device *device, const rlt_net_spec *net, uint64_t seed,
                     int32_t *draws, bool give) {
    update_spec spec = {.net = *net,
                        .envs = ENVS,
                        .horizon = HORIZON,
                        .minibatches = 3,
                        .epochs = 2,
                        .lr = 1e-3f,
                        .clip = 0.2f,
                        .gamma = 0.97f,
                        .lambda = 0.9f,
                        .vf_coef = 0.5f,
                        .ent_coef = 0.01f,
                        .norm_max = 0.5f,
                        .seed = seed};
    outcome out = {0};
    update *u = NULL;
    rlt_err err = {0};
    if (update_create(device, &spec, &u, &err) != RLT_OK) {
        parity_true(p, err.message, false);
        return out;
    }
    out.count = u->program.param_count;
    out.params = parity_host(p, sizeof(float) * out.count);
    out.before = parity_host(p, sizeof(float) * out.count);
    parity_down(device, out.before, u->params, sizeof(float) * out.count);
    /* where products are rounded, the difference grows with every step, as any small one does */
    int rounds = p->device->precision == RLT_PRECISION_FP32 ? ROUNDS : 1;
    for (int round = 0; round < rounds; round++) {
        int32_t *of_round = draws + (size_t)round * ENVS * HORIZON;
        play(p, u, seed + (uint64_t)round, give ? of_round : NULL, &out);
        if (!give) {
            parity_down(device, of_round, u->action, sizeof(int32_t) * ENVS * HORIZON);
        }
        rlt_status status = update_learn(u, &out.sums, &err);
        parity_true(p, status == RLT_OK ? "learn" : err.message, status == RLT_OK);
    }
    parity_down(device, out.params, u->params, sizeof(float) * out.count);
    update_destroy(&u);
    return out;
}

/* |what two devices added to the first parameters, apart| / |what was added|: rounding counts fully
 * in Adam's step where a gradient is near zero, so single parameters may be further apart. */
static double distance(const outcome *x, const outcome *y) {
    double apart = 0, moved = 0;
    for (size_t i = 0; i < x->count; i++) {
        double dx = (double)x->params[i] - (double)x->before[i];
        double dy = (double)y->params[i] - (double)y->before[i];
        apart += (dx - dy) * (dx - dy);
        moved += dy * dy;
    }
    return sqrt(apart / moved);
}

static void check(parity *p, const char *name, const rlt_net_spec *net) {
    parity_begin(p, name);
    uint64_t seed = rlt_rng_u64(&p->rng) >> 1;
    int32_t *draws = parity_host(p, sizeof(int32_t) * ENVS * HORIZON * ROUNDS);
    outcome twin = learn(p, p->twin, net, seed, draws, false);
    outcome got = learn(p, p->device, net, seed, draws, true);
    outcome again = learn(p, p->device, net, seed, draws, true);
    if (twin.params == NULL || got.params == NULL || again.params == NULL) {
        return;
    }
    double rounding = parity_rounding(p->device), edge = ENVS * HORIZON * ROUNDS * 20 * rounding;
    parity_same(p, "parameters have other bits the second time", got.params, again.params,
                sizeof(float) * got.count);
    char text[128];
    double apart = distance(&got, &twin);
    /* rounding may also put a unit on the other side of ReLU's kink */
    parity_true(p, "parameters", apart <= fmin(0.5, 10 * sqrt(rounding)));
    parity_true(p, "draws of actions", got.draws_apart <= 1 + edge);
    parity_true(p, "steps", got.sums.steps_done == 6 && got.sums.minibatch == 6);
    for (int i = 0; i < RLT_SUM_CLIPPED; i++) { /* what is clipped jumps with a row */
        double sum = twin.sums.sums[i],
               limit = (20 * rounding + apart) * (fabs(sum) + 0.1 * ENVS * HORIZON);
        snprintf(text, sizeof text, "sum %d of the loss: %g, should be %g; parameters %g apart", i,
                 got.sums.sums[i], sum, apart);
        parity_true(p, text, fabs(got.sums.sums[i] - sum) <= limit);
    }
    double norm = twin.sums.norm_sum;
    parity_true(p, "gradients' norms",
                fabs(got.sums.norm_sum - norm) <= (20 * rounding + apart) * (norm + 1));
}

void parity_update(parity *p) {
    rlt_net_spec net;
    update_mlp(&net, 5, 3, 33);
    check(p, "update of an MLP", &net);
    update_minatar_cnn(&net, 4, 3);
    check(p, "update of a convolutional network", &net);
    update_mlp(&net, 7, 4, 24);
    net.separate = false;
    net.layers[net.layer_count++] = (rlt_layer){.kind = RLT_LAYER_LAYER_NORM, .act = RLT_ACT_NONE};
    net.layers[net.layer_count++] = (rlt_layer){.kind = RLT_LAYER_RESIDUAL, .act = RLT_ACT_NONE};
    net.layers[net.layer_count++] =
        (rlt_layer){.kind = RLT_LAYER_DENSE, .act = RLT_ACT_SILU, .units = 24};
    net.layers[net.layer_count++] = (rlt_layer){.kind = RLT_LAYER_END, .act = RLT_ACT_NONE};
    net.layers[net.layer_count++] = (rlt_layer){.kind = RLT_LAYER_RMS_NORM, .act = RLT_ACT_NONE};
    check(p, "update of norms and a residual part", &net);
}
