/* tuner: milestones that are evenly spaced. Why apart: most stoppers have the same ones.
 * Thread: any, no state. Owner: the stopper. */
#include "tuner/tuner_impl.h"

enum { MILESTONES_MAX = 100000 };

rlt_status rlt_milestones_init(rlt_milestones *at, const char *stopper,
                               const rlt_stopper_setup *setup, rlt_err *err) {
    int64_t max_steps = setup->max_steps;
    bool timed = setup->config->timed;
    char a[RLT_AMOUNT_TEXT], b[RLT_AMOUNT_TEXT];
    at->grace = setup->config->milestones.grace;
    at->interval = setup->config->milestones.interval;
    if (at->grace < 0 || at->interval < 1) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: %s needs grace >= 0 and interval >= 1, got %lld and %lld",
                        stopper, (long long)at->grace, (long long)at->interval);
    }
    if (at->grace >= max_steps) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: %s's grace is %s, but trials end at %s: no trial would ever "
                        "be judged; make grace smaller",
                        stopper, rlt_amount_text(timed, at->grace, a),
                        rlt_amount_text(timed, max_steps, b));
    }
    at->count = (max_steps - 1 - at->grace) / at->interval + 1;
    if (at->count > MILESTONES_MAX && max_steps < INT64_MAX) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: %s's interval of %s gives %lld milestones in %s; allowed: "
                        "%d; make interval larger",
                        stopper, rlt_amount_text(timed, at->interval, a), (long long)at->count,
                        rlt_amount_text(timed, max_steps, b), MILESTONES_MAX);
    }
    at->count = at->count < MILESTONES_MAX ? at->count : MILESTONES_MAX;
    return RLT_OK;
}

int64_t rlt_milestones_index(const rlt_milestones *at, int64_t step) {
    int64_t index = step < at->grace ? -1 : (step - at->grace) / at->interval;
    return index < at->count ? index : at->count - 1;
}

int64_t rlt_milestones_step(const rlt_milestones *at, int64_t index) {
    return index < at->count ? at->grace + at->interval * index : INT64_MAX;
}
