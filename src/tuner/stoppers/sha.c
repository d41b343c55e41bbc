/* tuner: successive halving (Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and
 * Hyperparameter Optimization", 2016), synchronous: `size` trials run to grace steps and pause; the
 * best 1/reduction of them go on to grace * reduction, and so on below max_steps, beyond which
 * trials run to their end. The next `size` trials are another such round, and start while members
 * of the one before are still awaited, so that no slot idles for long.
 * Memory: 32 bytes per trial at a rung. Thread: the tuner's. */
#include "tuner/stoppers/cohorts.h"

static rlt_status sha_init(void *state, const rlt_stopper_setup *setup, rlt_err *err) {
    rlt_cohorts *at = state;
    const rlt_tune_fields *config = setup->config;
    int64_t grace = config->sha.grace, reduction = config->sha.reduction;
    int64_t max_steps = config->sha.max_steps > 0 ? config->sha.max_steps : setup->max_steps;
    char a[RLT_AMOUNT_TEXT], b[RLT_AMOUNT_TEXT];
    if (grace < 1 || reduction < 2 || config->sha.size < 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: sha needs grace >= 1, reduction >= 2 and size >= 0, got "
                        "%lld, %lld and %lld",
                        (long long)grace, (long long)reduction, (long long)config->sha.size);
    }
    at->reduction = reduction;
    at->trials = config->trials;
    at->rulings = setup->rulings;
    at->brackets = 1;
    rlt_bracket *bracket = &at->bracket[0];
    bracket->size = config->sha.size > 0 ? config->sha.size : config->trials;
    if (bracket->size < 1) {
        return rlt_fail(err, RLT_ECONFIG, "tune.stopper: sha needs a size, or tune.trials");
    }
    at->band = bracket->size;
    for (int64_t step = grace; step < max_steps && bracket->rungs < RLT_COHORT_RUNGS_MAX;) {
        bracket->steps[bracket->rungs++] = step;
        if (__builtin_mul_overflow(step, reduction, &step)) {
            break;
        }
    }
    return bracket->rungs > 0
               ? RLT_OK
               : rlt_fail(err, RLT_ECONFIG,
                          "tune.stopper: sha's grace is %s, but trials end at %s: no trial would "
                          "ever be judged; make grace smaller",
                          rlt_amount_text(config->timed, grace, a),
                          rlt_amount_text(config->timed, max_steps, b));
}

const rlt_stopper_def rlt_stopper_sha = {
    .state_size = sizeof(rlt_cohorts),
    .init = sha_init,
    .fini = rlt_cohorts_fini,
    .index = rlt_cohorts_index,
    .step = rlt_cohorts_step,
    .judge = rlt_cohorts_judge,
    .ended = rlt_cohorts_ended,
    .closed = rlt_cohorts_closed,
    .bracket = rlt_cohorts_bracket,
    .explain = rlt_cohorts_explain,
    .names = {"kept", "expected"},
};
