/* tuner: trials of an earlier experiment to learn from.
 * Why at the front of the history: to a sampler they are results like others, only older; what
 * counts for this experiment (numbers, the best, budget, front) never sees them.
 * Thread: the tuner's. Owner: the tuner. */
#include "tuner/tuner_impl.h"

#include <inttypes.h>
#include <math.h>

static rlt_status check_source(const rlt_tuner *tuner, rlt_trial_state state, rlt_err *err) {
    if (tuner->count > 0) {
        return rlt_fail(err, RLT_EINVAL,
                        "trials of an earlier experiment must come first, but there are %" PRId64
                        " of this one already",
                        tuner->count);
    }
    if (state != RLT_TRIAL_STOPPED && state != RLT_TRIAL_COMPLETED && state != RLT_TRIAL_FAILED) {
        return rlt_fail(err, RLT_EINVAL, "a trial of an earlier experiment is %s: it has not ended",
                        rlt_trial_state_name(state));
    }
    return RLT_OK;
}

rlt_status rlt_tuner_source(rlt_tuner *tuner, const json_t *params, const double *values,
                            const double *constraints, rlt_trial_state state, int64_t steps,
                            bool *used, rlt_err *err) {
    bool ignored;
    used = used != NULL ? used : &ignored;
    *used = false;
    RLT_TRY(check_source(tuner, state, err));
    const rlt_sampler_def *sampler = tuner->sampler;
    if (state == RLT_TRIAL_FAILED || !rlt_sampler_learns(sampler) ||
        rlt_tuner_read_values(tuner, params, err) != RLT_OK) {
        return RLT_OK;
    }
    double keys[RLT_OBJECTIVES_MAX];
    for (int i = 0; i < tuner->config.objectives.count; i++) {
        keys[i] = tuner->config.objectives.maximise[i] ? values[i] : -values[i];
    }
    const int64_t place = tuner->history.sources++;
    rlt_history_start(&tuner->history, tuner->values);
    rlt_tuner_note_branches(tuner, params);
    if (sampler->started != NULL) {
        sampler->started(tuner->sampler_state, place);
    }
    rlt_history_end(&tuner->history, place, state, keys, constraints, steps);
    if (state == RLT_TRIAL_STOPPED && sampler->reported != NULL && !tuner->config.timed) {
        sampler->reported(tuner->sampler_state, place, steps, keys[0]);
    }
    if (sampler->ended != NULL) {
        sampler->ended(tuner->sampler_state, place);
    }
    *used = true;
    return RLT_OK;
}

int64_t rlt_tuner_sources(const rlt_tuner *tuner) {
    return tuner->history.sources;
}
