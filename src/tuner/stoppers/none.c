/* tuner: no stopper: there are no milestones, so nothing is ever judged. Thread: the tuner's. */
#include "tuner/tuner_impl.h"

static int64_t none_index(const void *state, int64_t number, int64_t step) {
    (void)state, (void)number, (void)step;
    return -1;
}

static int64_t none_step(const void *state, int64_t number, int64_t index) {
    (void)state, (void)number, (void)index;
    return INT64_MAX;
}

const rlt_stopper_def rlt_stopper_none = {.index = none_index, .step = none_step};
/* What changes when is known beforehand: the driver follows it. */
const rlt_stopper_def rlt_stopper_pbt_replay = {.index = none_index, .step = none_step};
