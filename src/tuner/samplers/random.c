/* tuner: random search.
 * Why: the baseline, and the best there is when nothing is known. A point is a pure function of
 * (seed, its index), so nothing has to be replayed after a crash. Grids are drawn like choices.
 * Thread: the tuner's. */
#include "tuner/tuner_impl.h"

typedef struct random_state {
    const rlt_search_space *space;
    uint64_t seed;
} random_state;

static void random_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                        const rlt_history *history) {
    (void)history;
    *(random_state *)state = (random_state){space, (uint64_t)config->seed};
}

static rlt_status random_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    (void)err;
    const random_state *at = state;
    for (int i = 0; i < at->space->count; i++) {
        const rlt_param *param = &at->space->params[i];
        if (param->kind != RLT_DIST_FUNCTION) {
            values[i] = rlt_param_at(param, rlt_tuner_draw(at->seed, index, param->path));
        }
    }
    return RLT_OK;
}

const rlt_sampler_def rlt_sampler_random = {
    .state_size = sizeof(random_state),
    .init = random_init,
    .ask = random_ask,
};
