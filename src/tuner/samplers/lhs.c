/* tuner: Latin hypercube: of every `size` trials each takes another one of `size` equal slices of
 * every parameter (McKay, Beckman and Conover, Technometrics 1979), at a random place within it.
 * Why: with few trials no parameter is left with a gap. After `size` trials the next hypercube
 * begins. A point is a pure function of (seed, its index). Thread: the tuner's. */
#include "tuner/tuner_impl.h"

#include <string.h>

typedef struct lhs_state {
    const rlt_search_space *space;
    uint64_t seed;
    int64_t size;
} lhs_state;

static void lhs_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                     const rlt_history *history) {
    (void)history;
    int64_t size = config->lhs.size > 0 ? config->lhs.size : config->trials;
    *(lhs_state *)state = (lhs_state){space, (uint64_t)config->seed, size > 0 ? size : 1};
}

static rlt_status lhs_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    (void)err;
    const lhs_state *at = state;
    for (int i = 0; i < at->space->count; i++) {
        const rlt_param *param = &at->space->params[i];
        if (param->kind == RLT_DIST_FUNCTION) {
            continue;
        }
        uint64_t cube = (uint64_t)(index / at->size) + 1; /* + 1: apart from the draws below */
        uint64_t key = rlt_hash64(param->path, strlen(param->path), at->seed + (cube << 32));
        double slice = (double)rlt_shuffle(at->size, index % at->size, key);
        double u = (slice + rlt_tuner_draw(at->seed, index, param->path)) / (double)at->size;
        values[i] = rlt_param_at(param, u);
    }
    return RLT_OK;
}

const rlt_sampler_def rlt_sampler_lhs = {
    .state_size = sizeof(lhs_state),
    .init = lhs_init,
    .ask = lhs_ask,
};
