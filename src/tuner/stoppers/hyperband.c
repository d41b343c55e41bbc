/* tuner: Hyperband (Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
 * Optimization", JMLR 18, 2018), synchronous as in its Algorithm 1: with R = max_steps / grace and
 * s_max = floor(log_reduction R), bracket s has ceil((s_max + 1) reduction^s / (s + 1)) trials,
 * which run to max_steps / reduction^s steps (rounded up) and are halved s times on the way to
 * max_steps. A band is one bracket of each s, s_max first; the next trials are the next band.
 * Bracket 0 is here the one with s_max halvings. Brackets run side by side: trials of the next one
 * start while members of one are awaited.
 * Memory: 32 bytes per trial at a rung. Thread: the tuner's. */
#include "tuner/stoppers/hyperband.h"
#include "tuner/stoppers/cohorts.h"

static const int64_t size_max = INT64_C(1) << 40;

int rlt_hyperband_brackets(int64_t grace, int64_t reduction, int64_t max_steps, int most) {
    int brackets = 1;
    for (int64_t step = grace; step <= max_steps / reduction && brackets < most; brackets++) {
        step *= reduction;
    }
    return brackets;
}

int64_t rlt_hyperband_size(int brackets, int64_t reduction, int s) {
    int64_t power = brackets;
    for (int i = 0; i < s && power < size_max; i++) {
        power *= reduction;
    }
    int64_t size = (power + s) / (s + 1);
    return size < size_max ? size : size_max;
}

rlt_status rlt_hyperband_check(const rlt_stopper_setup *setup, const char *stopper,
                               int64_t *max_steps, rlt_err *err) {
    const rlt_tune_fields *config = setup->config;
    int64_t grace = config->hyperband.grace, reduction = config->hyperband.reduction;
    *max_steps = config->hyperband.max_steps > 0 ? config->hyperband.max_steps : setup->max_steps;
    char a[RLT_AMOUNT_TEXT], b[RLT_AMOUNT_TEXT];
    if (grace < 1 || reduction < 2 || config->hyperband.bootstrap_count < 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: %s needs grace >= 1 and reduction >= 2, got %lld and %lld",
                        stopper, (long long)grace, (long long)reduction);
    }
    if (*max_steps == INT64_MAX) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: %s needs max_steps, or trials that end at stop.%s", stopper,
                        config->timed ? "wall_s" : "steps");
    }
    if (grace > *max_steps / reduction) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper: %s's grace is %s, and %lld times that is more than the %s "
                        "of a whole trial: no trial would ever be judged; make grace smaller",
                        stopper, rlt_amount_text(config->timed, grace, a), (long long)reduction,
                        rlt_amount_text(config->timed, *max_steps, b));
    }
    return RLT_OK;
}

static rlt_status hyperband_init(void *state, const rlt_stopper_setup *setup, rlt_err *err) {
    rlt_cohorts *at = state;
    int64_t max_steps, reduction = setup->config->hyperband.reduction;
    RLT_TRY(rlt_hyperband_check(setup, "hyperband", &max_steps, err));
    at->reduction = reduction;
    at->trials = setup->config->trials;
    at->rulings = setup->rulings;
    at->brackets = rlt_hyperband_brackets(setup->config->hyperband.grace, reduction, max_steps,
                                          RLT_COHORT_BRACKETS_MAX);
    for (int b = 0; b < at->brackets; b++) {
        rlt_bracket *bracket = &at->bracket[b];
        bracket->rungs = at->brackets - 1 - b;
        bracket->size = rlt_hyperband_size(at->brackets, reduction, bracket->rungs);
        at->band += bracket->size;
        int64_t step = max_steps;
        for (int i = bracket->rungs - 1; i >= 0; i--) {
            step = step / reduction + (step % reduction != 0);
            bracket->steps[i] = step;
        }
    }
    return RLT_OK;
}

const rlt_stopper_def rlt_stopper_hyperband = {
    .state_size = sizeof(rlt_cohorts),
    .init = hyperband_init,
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
