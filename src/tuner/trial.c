/* tuner: trial states and the one table of what may follow what.
 * Why: driver, store and tests ask the same table. Thread: any, no state. */
#include "tuner/tuner.h"

#include <string.h>

static const char *const names[RLT_TRIAL_STATE_COUNT] = {
    [RLT_TRIAL_PENDING] = "pending",     [RLT_TRIAL_RUNNING] = "running",
    [RLT_TRIAL_PAUSED] = "paused",       [RLT_TRIAL_STOPPED] = "stopped",
    [RLT_TRIAL_COMPLETED] = "completed", [RLT_TRIAL_FAILED] = "failed",
};

#define TO(state) (1u << RLT_TRIAL_##state)
/* Running or paused goes back to pending when it is to be tried again; pending becomes paused when
 * it turns out that it need not be. The last three are final. */
static const unsigned followers[RLT_TRIAL_STATE_COUNT] = {
    [RLT_TRIAL_PENDING] = TO(RUNNING) | TO(PAUSED) | TO(STOPPED) | TO(FAILED),
    [RLT_TRIAL_RUNNING] = TO(PAUSED) | TO(STOPPED) | TO(COMPLETED) | TO(FAILED) | TO(PENDING),
    [RLT_TRIAL_PAUSED] = TO(RUNNING) | TO(STOPPED) | TO(FAILED) | TO(PENDING),
};
#undef TO

const char *rlt_trial_state_name(rlt_trial_state state) {
    RLT_ASSERT((unsigned)state < RLT_TRIAL_STATE_COUNT);
    return names[state];
}

rlt_status rlt_trial_state_parse(const char *name, rlt_trial_state *state, rlt_err *err) {
    for (int i = 0; i < RLT_TRIAL_STATE_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            *state = (rlt_trial_state)i;
            return RLT_OK;
        }
    }
    const char *nearest = rlt_str_nearest(name, names, RLT_TRIAL_STATE_COUNT);
    return rlt_fail(err, RLT_EINVAL,
                    "unknown trial state '%s'%s%s%s; allowed: pending, running, paused, stopped, "
                    "completed, failed",
                    name, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                    nearest ? "'?)" : "");
}

bool rlt_trial_may_become(rlt_trial_state from, rlt_trial_state to) {
    RLT_ASSERT((unsigned)from < RLT_TRIAL_STATE_COUNT && (unsigned)to < RLT_TRIAL_STATE_COUNT);
    return (followers[from] >> to & 1) != 0;
}
