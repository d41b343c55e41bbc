/* config: the options of every stopper, one row each, and what their 0 stands for. Other names are
 * those of Ray Tune's schedulers and stoppers and of Optuna's pruners.
 * Thread: read only. */
#include "config/config_impl.h"

#include <math.h>
#include <stdio.h>

#define TUNE(member) RLT_FIELD_AT(rlt_tune_fields, member)

#define GRACE_OF_RUNGS(member)                                                                     \
    {                                                                                              \
        "grace", RLT_FIELD_INT, TUNE(member),                                                      \
            .initial = "0", .min = 0, .max = 1e15, .aliases = "grace_period min_resource",         \
            .help = "Steps before the first decision; 0: max_steps / reduction^3."                 \
    }
#define REDUCTION(member)                                                                          \
    {                                                                                              \
        "reduction", RLT_FIELD_INT, TUNE(member),                                                  \
            .initial = "3", .min = 2, .max = 1000, .aliases = "reduction_factor eta",              \
            .help = "One in so many trials goes on at each rung."                                  \
    }
#define MAX_STEPS(member)                                                                          \
    {                                                                                              \
        "max_steps", RLT_FIELD_INT, TUNE(member),                                                  \
            .initial = "0", .min = 0, .max = 1e15, .aliases = "max_t max_resource",                \
            .help = "Steps after the last rung; 0: stop.steps."                                    \
    }
#define BOOTSTRAP(member)                                                                          \
    {                                                                                              \
        "bootstrap_count", RLT_FIELD_INT, TUNE(member),                                            \
            .initial = "0", .min = 0, .max = 1e6,                                                  \
            .help = "Until a rung has more results than this, no trial goes on from it."           \
    }

const rlt_field rlt_fields_asha[] = {
    GRACE_OF_RUNGS(asha.grace),
    REDUCTION(asha.reduction),
    {"brackets", RLT_FIELD_INT, TUNE(asha.brackets), .initial = "1", .min = 1, .max = 20,
     .help = "Brackets; each starts its rungs `reduction` times later than the one before."},
    MAX_STEPS(asha.max_steps),
    BOOTSTRAP(asha.bootstrap_count),
    {"early_stopping_rate", RLT_FIELD_INT, TUNE(asha.early_stopping_rate), .initial = "0", .min = 0,
     .max = 60, .aliases = "min_early_stopping_rate",
     .help = "The first rung is at grace times `reduction` to this power."},
    {0}};

const rlt_field rlt_fields_sha[] = {
    GRACE_OF_RUNGS(sha.grace),
    REDUCTION(sha.reduction),
    MAX_STEPS(sha.max_steps),
    {"size", RLT_FIELD_INT, TUNE(sha.size), .initial = "0", .min = 0, .max = 1e7, .aliases = "n",
     .help = "Trials that are compared with each other; 0: tune.trials. Those after them are the "
             "next such round."},
    {0}};

const rlt_field rlt_fields_hyperband[] = {GRACE_OF_RUNGS(hyperband.grace),
                                          REDUCTION(hyperband.reduction),
                                          MAX_STEPS(hyperband.max_steps),
                                          {0}};

const rlt_field rlt_fields_hyperband_asha[] = {GRACE_OF_RUNGS(hyperband.grace),
                                               REDUCTION(hyperband.reduction),
                                               MAX_STEPS(hyperband.max_steps),
                                               BOOTSTRAP(hyperband.bootstrap_count),
                                               {0}};

#define GRACE                                                                                      \
    {                                                                                              \
        "grace", RLT_FIELD_INT, TUNE(milestones.grace),                                            \
            .initial = "0", .min = 0, .max = 1e15, .aliases = "grace_period n_warmup_steps",       \
            .help = "Steps before the first decision; 0: a tenth of stop.steps."                   \
    }
#define INTERVAL                                                                                   \
    {                                                                                              \
        "interval", RLT_FIELD_INT, TUNE(milestones.interval),                                      \
            .initial = "0", .min = 0, .max = 1e15, .aliases = "interval_steps",                    \
            .help = "Steps between decisions; 0: a tenth of stop.steps."                           \
    }
#define TRIALS_BEFORE                                                                              \
    {"startup_trials",                                                                             \
     RLT_FIELD_INT,                                                                                \
     TUNE(percentile.startup_trials),                                                              \
     .initial = "5",                                                                               \
     .min = 0,                                                                                     \
     .max = 1e6,                                                                                   \
     .aliases = "n_startup_trials",                                                                \
     .help = "Trials that must have completed before anything is stopped."},                       \
    {                                                                                              \
        "min_trials", RLT_FIELD_INT, TUNE(percentile.min_trials),                                  \
            .initial = "1", .min = 1, .max = 1e6, .aliases = "n_min_trials min_samples_required",  \
            .help = "Completed trials with a result at a step before anything is stopped there."   \
    }

const rlt_field rlt_fields_median[] = {GRACE, INTERVAL, TRIALS_BEFORE, {0}};

const rlt_field rlt_fields_percentile[] = {
    {"percentile", RLT_FIELD_DOUBLE, TUNE(percentile.percentile), .initial = "25", .min = 0,
     .max = 100, .help = "Trials within the best so many percent of the others go on."},
    GRACE,
    INTERVAL,
    TRIALS_BEFORE,
    {0}};

const rlt_field rlt_fields_threshold[] = {
    {"lower", RLT_FIELD_DOUBLE, TUNE(threshold.lower), .initial = "null", .min = -INFINITY,
     .max = INFINITY, .flags = RLT_FIELD_OPTIONAL,
     .help = "A trial with a result below this stops, whatever the mode."},
    {"upper", RLT_FIELD_DOUBLE, TUNE(threshold.upper), .initial = "null", .min = -INFINITY,
     .max = INFINITY, .flags = RLT_FIELD_OPTIONAL,
     .help = "A trial with a result above this stops, whatever the mode."},
    GRACE,
    INTERVAL,
    {0}};

const rlt_field rlt_fields_plateau[] = {
    {"std", RLT_FIELD_DOUBLE, TUNE(plateau.std), .initial = "0.01", .min = 0, .max = 1e12,
     .flags = RLT_FIELD_OPEN_MIN,
     .help = "A trial stops when its newest results have a standard deviation less than this."},
    {"num_results", RLT_FIELD_INT, TUNE(plateau.num_results), .initial = "4", .min = 1, .max = 1e6,
     .help = "How many results that is taken of."},
    {"grace_period", RLT_FIELD_INT, TUNE(plateau.grace_period), .initial = "4", .min = 0,
     .max = 1e6, .help = "Results, not steps, before a trial may be stopped."},
    {"metric_threshold", RLT_FIELD_DOUBLE, TUNE(plateau.metric_threshold), .initial = "null",
     .min = -INFINITY, .max = INFINITY, .flags = RLT_FIELD_OPTIONAL,
     .help = "Only trials whose newest result is at least this good are stopped."},
    {"grace", RLT_FIELD_INT, TUNE(milestones.grace), .initial = "0", .min = 0, .max = 1e15,
     .aliases = "n_warmup_steps",
     .help = "Steps before the first result that counts; 0: a tenth of stop.steps."},
    INTERVAL,
    {0}};

const rlt_field rlt_fields_patience[] = {
    {"patience", RLT_FIELD_INT, TUNE(patience.patience), .initial = "5", .min = 0, .max = 1e6,
     .help = "Results that a trial may go on without getting better."},
    {"min_delta", RLT_FIELD_DOUBLE, TUNE(patience.min_delta), .initial = "0", .min = 0, .max = 1e12,
     .help = "By so much the newest results must be worse than those before."},
    GRACE,
    INTERVAL,
    {0}};

const rlt_field rlt_fields_wilcoxon[] = {
    {"p_threshold", RLT_FIELD_DOUBLE, TUNE(wilcoxon.p_threshold), .initial = "0.1", .min = 0,
     .max = 1,
     .help = "A trial stops when it is worse than the best one with a p-value below this."},
    {"n_startup_steps", RLT_FIELD_INT, TUNE(wilcoxon.n_startup_steps), .initial = "2", .min = 0,
     .max = 1e6, .help = "Results in common with the best trial before that; at least 2."},
    GRACE,
    INTERVAL,
    {0}};

const rlt_field rlt_fields_curve[] = {
    {"threshold", RLT_FIELD_DOUBLE, TUNE(curve.threshold), .initial = "0.05", .min = 0, .max = 1,
     .flags = RLT_FIELD_OPEN_MIN | RLT_FIELD_OPEN_MAX,
     .help = "A trial stops when the probability that it ends better than the best completed one "
             "is less than this."},
    {"min_results", RLT_FIELD_INT, TUNE(curve.min_results), .initial = "4", .min = 2, .max = 1e6,
     .help = "Results of the trial before that is asked."},
    GRACE,
    INTERVAL,
    {0}};

#define POPULATION                                                                                 \
    {"perturbation_interval",                                                                      \
     RLT_FIELD_INT,                                                                                \
     TUNE(pbt.interval),                                                                           \
     .initial = "0",                                                                               \
     .min = 0,                                                                                     \
     .max = 1e15,                                                                                  \
     .aliases = "interval",                                                                        \
     .help = "Steps of a trial between comparisons; 0: a tenth of stop.steps."},                   \
        {"burn_in_period",                                                                         \
         RLT_FIELD_INT,                                                                            \
         TUNE(pbt.burn_in),                                                                        \
         .initial = "0",                                                                           \
         .min = 0,                                                                                 \
         .max = 1e15,                                                                              \
         .aliases = "burn_in grace grace_period",                                                  \
         .help = "Steps before the first comparison."},                                            \
        {"quantile_fraction",                                                                      \
         RLT_FIELD_DOUBLE,                                                                         \
         TUNE(pbt.quantile_fraction),                                                              \
         .initial = "0.25",                                                                        \
         .min = 0,                                                                                 \
         .max = 0.5,                                                                               \
         .help = "The worst so much of the population copies the best so much of it."},            \
    {                                                                                              \
        "synch", RLT_FIELD_BOOL, TUNE(pbt.synch),                                                  \
            .initial = "false", .help = "Trials wait for each other before they are compared."     \
    }

const rlt_field rlt_fields_pbt[] = {
    POPULATION,
    {"resample_probability", RLT_FIELD_DOUBLE, TUNE(pbt.resample_probability), .initial = "0.25",
     .min = 0, .max = 1,
     .help = "How often a parameter is drawn anew from its space instead of being perturbed."},
    {0}};

const rlt_field rlt_fields_pbt_replay[] = {
    {"experiment", RLT_FIELD_INT, TUNE(replay.experiment), .initial = NULL, .min = 1, .max = 1e15,
     .help = "Number of the experiment with the population."},
    {"trial", RLT_FIELD_INT, TUNE(replay.trial), .initial = NULL, .min = 0, .max = 1e15,
     .help = "Number of its trial whose way is followed, through those that it copied."},
    {"db", RLT_FIELD_STRING, TUNE(replay.db), .initial = "null", .flags = RLT_FIELD_OPTIONAL,
     .help = "The database with that experiment; none: the run's own."},
    {0}};

const rlt_field rlt_fields_pb2[] = {POPULATION, {0}};

/* ---- what 0 stands for ---- */

static int64_t at_least_1(int64_t x) {
    return x > 0 ? x : 1;
}

/* Rounded up, so that the last milestone does not fall a few steps before the end. */
static int64_t part_of(int64_t steps, int64_t parts) {
    return at_least_1(steps / parts + (steps % parts != 0));
}

static rlt_status resolve_rungs(rlt_config_loading *loading, int64_t steps, int64_t reduction,
                                int64_t *grace, int64_t *max_steps, rlt_err *err) {
    *max_steps = *max_steps > 0 ? *max_steps : steps;
    if (*grace == 0) {
        *grace = part_of(*max_steps, reduction * reduction * reduction);
    }
    if (*grace > *max_steps) {
        snprintf(loading->failed, sizeof loading->failed, "tune.stopper.grace");
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.stopper.grace: %lld steps are more than max_steps (%lld), so that "
                        "nothing would ever be stopped",
                        (long long)*grace, (long long)*max_steps);
    }
    return RLT_OK;
}

rlt_status rlt_config_resolve_stopper(rlt_config_loading *loading, int64_t steps,
                                      rlt_tune_fields *tune, rlt_err *err) {
    if (tune->stopper != RLT_STOPPER_NONE && steps == 0) { /* of a program; a training has some */
        snprintf(loading->failed, sizeof loading->failed, "stop");
        return rlt_fail(err, RLT_ECONFIG,
                        "stop.steps: is needed with a stopper: the step that a whole trial reports "
                        "last, such as stop = { steps = 100 }");
    }
    int64_t tenth = part_of(steps, 10);
    tune->milestones.grace = tune->milestones.grace > 0 ? tune->milestones.grace : tenth;
    tune->milestones.interval = tune->milestones.interval > 0 ? tune->milestones.interval : tenth;
    switch (tune->stopper == RLT_STOPPER_PATIENCE ? tune->wrapped : tune->stopper) {
    case RLT_STOPPER_ASHA:
        return resolve_rungs(loading, steps, tune->asha.reduction, &tune->asha.grace,
                             &tune->asha.max_steps, err);
    case RLT_STOPPER_SHA:
        return resolve_rungs(loading, steps, tune->sha.reduction, &tune->sha.grace,
                             &tune->sha.max_steps, err);
    case RLT_STOPPER_HYPERBAND:
    case RLT_STOPPER_HYPERBAND_ASHA:
        return resolve_rungs(loading, steps, tune->hyperband.reduction, &tune->hyperband.grace,
                             &tune->hyperband.max_steps, err);
    case RLT_STOPPER_PBT:
    case RLT_STOPPER_PB2:
        tune->pbt.interval = tune->pbt.interval > 0 ? tune->pbt.interval : tenth;
        return RLT_OK;
    default:
        return RLT_OK;
    }
}
