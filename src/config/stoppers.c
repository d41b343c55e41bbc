/* config: the options of every stopper, one row each, and what their 0 stands for. Other names are
 * those of Ray Tune's schedulers and stoppers and of Optuna's pruners.
 * Thread: read only. */
#include "config/config_impl.h"

#include <math.h>
#include <stdio.h>

#define TUNE(member) RLT_FIELD_AT(rlt_tune_fields, member)

static const char *const time_attrs[] = {"steps", "time_total_s", NULL};
#define TIME_ATTR                                                                                  \
    {                                                                                              \
        "time_attr", RLT_FIELD_ENUM, TUNE(timed),                                                  \
            .initial = "steps", .choices = time_attrs,                                             \
            .help = "What the options here count: steps (also as training_iteration), or the "     \
                    "seconds that a trial has run, without pauses (fractions are allowed)."        \
    }
#define STOP_LAST                                                                                  \
    {                                                                                              \
        "stop_last_trials", RLT_FIELD_BOOL, TUNE(stop_last),                                       \
            .initial = "false",                                                                    \
            .help = "A trial that reaches max_steps has run whole and ends; else it goes on to "   \
                    "stop.steps."                                                                  \
    }
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
    TIME_ATTR,
    GRACE_OF_RUNGS(asha.grace),
    REDUCTION(asha.reduction),
    {"brackets", RLT_FIELD_INT, TUNE(asha.brackets), .initial = "1", .min = 1, .max = 20,
     .help = "Brackets; each starts its rungs `reduction` times later than the one before."},
    MAX_STEPS(asha.max_steps),
    STOP_LAST,
    BOOTSTRAP(asha.bootstrap_count),
    {"early_stopping_rate", RLT_FIELD_INT, TUNE(asha.early_stopping_rate), .initial = "0", .min = 0,
     .max = 60, .aliases = "min_early_stopping_rate",
     .help = "The first rung is at grace times `reduction` to this power."},
    {0}};

const rlt_field rlt_fields_sha[] = {
    TIME_ATTR,
    GRACE_OF_RUNGS(sha.grace),
    REDUCTION(sha.reduction),
    MAX_STEPS(sha.max_steps),
    STOP_LAST,
    {"size", RLT_FIELD_INT, TUNE(sha.size), .initial = "0", .min = 0, .max = 1e7, .aliases = "n",
     .help = "Trials that are compared with each other; 0: tune.trials. Those after them are the "
             "next such round."},
    {0}};

const rlt_field rlt_fields_hyperband[] = {TIME_ATTR,
                                          GRACE_OF_RUNGS(hyperband.grace),
                                          REDUCTION(hyperband.reduction),
                                          MAX_STEPS(hyperband.max_steps),
                                          STOP_LAST,
                                          {0}};

const rlt_field rlt_fields_hyperband_asha[] = {TIME_ATTR,
                                               GRACE_OF_RUNGS(hyperband.grace),
                                               REDUCTION(hyperband.reduction),
                                               MAX_STEPS(hyperband.max_steps),
                                               STOP_LAST,
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

const rlt_field rlt_fields_median[] = {TIME_ATTR, GRACE, INTERVAL, TRIALS_BEFORE, {0}};

const rlt_field rlt_fields_percentile[] = {
    {"percentile", RLT_FIELD_DOUBLE, TUNE(percentile.percentile), .initial = "25", .min = 0,
     .max = 100, .help = "Trials within the best so many percent of the others go on."},
    TIME_ATTR,
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
    TIME_ATTR,
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

const rlt_field rlt_fields_pb2[] = {TIME_ATTR, POPULATION, {0}};

/* ---- what 0 stands for ---- */

static int64_t at_least_1(int64_t x) {
    return x > 0 ? x : 1;
}

/* Rounded up, so that the last milestone does not fall a few steps before the end. */
static int64_t part_of(int64_t steps, int64_t parts) {
    return at_least_1(steps / parts + (steps % parts != 0));
}

static rlt_status fail_at(rlt_config_loading *loading, const char *path, rlt_err *err,
                          const char *text) {
    return rlt_config_fail(loading, path, err, "%s", text);
}

/* Of the stopper itself or the one that it wraps. */
static int kind_of(const rlt_tune_fields *tune) {
    return tune->stopper == RLT_STOPPER_PATIENCE ? tune->wrapped : tune->stopper;
}

typedef struct rungs {
    int64_t *grace, *max_steps, reduction; /* grace NULL: it has none */
} rungs;
static rungs rungs_of(rlt_tune_fields *tune) {
    switch (kind_of(tune)) {
    case RLT_STOPPER_ASHA:
        return (rungs){&tune->asha.grace, &tune->asha.max_steps, tune->asha.reduction};
    case RLT_STOPPER_SHA:
        return (rungs){&tune->sha.grace, &tune->sha.max_steps, tune->sha.reduction};
    case RLT_STOPPER_HYPERBAND:
    case RLT_STOPPER_HYPERBAND_ASHA:
        return (rungs){&tune->hyperband.grace, &tune->hyperband.max_steps,
                       tune->hyperband.reduction};
    default:
        return (rungs){0};
    }
}

static rlt_status resolve_rungs(rlt_config_loading *loading, const rungs *at, int64_t whole,
                                bool timed, rlt_err *err) {
    char a[RLT_AMOUNT_TEXT], b[RLT_AMOUNT_TEXT];
    const int64_t n = at->reduction;
    *at->max_steps = *at->max_steps > 0 ? *at->max_steps : whole;
    if (*at->max_steps == 0) {
        return fail_at(loading, "tune.stopper.max_steps", err,
                       "is needed with time_attr = \"time_total_s\" (Ray Tune's max_t): the "
                       "seconds of a whole trial; or give stop.wall_s");
    }
    if (*at->grace == 0) {
        *at->grace = part_of(*at->max_steps, n * n * n);
    }
    if (*at->grace > *at->max_steps || (timed && whole > 0 && *at->grace >= whole)) {
        bool more = *at->grace > *at->max_steps;
        return rlt_config_fail(loading, "tune.stopper.grace", err,
                               "%s are more than %s (%s), so that nothing would ever be stopped",
                               rlt_amount_text(timed, *at->grace, a),
                               more ? "max_steps" : "trials have",
                               rlt_amount_text(timed, more ? *at->max_steps : whole, b));
    }
    return RLT_OK;
}

/* Of milestones that are evenly spaced, and of populations. */
static rlt_status resolve_intervals(rlt_config_loading *loading, int64_t whole,
                                    rlt_tune_fields *tune, rlt_err *err) {
    int kind = kind_of(tune);
    bool population = kind == RLT_STOPPER_PBT || kind == RLT_STOPPER_PB2;
    bool spaced = kind == RLT_STOPPER_MEDIAN || kind == RLT_STOPPER_PERCENTILE;
    int64_t tenth = part_of(whole, 10), *grace = &tune->milestones.grace,
            *interval = &tune->milestones.interval;
    if (whole == 0 && population && tune->pbt.interval == 0) {
        return fail_at(loading, "tune.stopper.perturbation_interval", err,
                       "is needed with time_attr = \"time_total_s\": seconds between comparisons; "
                       "or give stop.wall_s, of which it is a tenth");
    }
    if (whole == 0 && spaced && *grace == 0 && *interval == 0) {
        return fail_at(loading, "tune.stopper.interval", err,
                       "is needed with time_attr = \"time_total_s\": seconds between decisions; or "
                       "give stop.wall_s, of which it is a tenth");
    }
    if (whole == 0) { /* then one of them stands for both */
        tenth = at_least_1(*grace > *interval ? *grace : *interval);
    }
    *grace = *grace > 0 ? *grace : tenth;
    *interval = *interval > 0 ? *interval : tenth;
    if (population && tune->pbt.interval == 0) {
        tune->pbt.interval = tenth;
    }
    return RLT_OK;
}

rlt_status rlt_config_resolve_stopper(rlt_config_loading *loading, rlt_run_config *run,
                                      rlt_tune_fields *tune, rlt_err *err) {
    const rungs at = rungs_of(tune);
    rlt_config_end_at_last(loading, run, tune, at.grace != NULL ? *at.max_steps : 0);
    const int64_t whole = rlt_config_whole(run, tune);
    if (tune->stopper != RLT_STOPPER_NONE && whole == 0 && !tune->timed) { /* of a program */
        return fail_at(loading, "stop.steps", err,
                       "is needed with a stopper: the step that a whole trial reports "
                       "last, such as stop = { steps = 100 }");
    }
    if (at.grace != NULL) {
        RLT_TRY(resolve_rungs(loading, &at, whole, tune->timed, err));
    }
    return resolve_intervals(loading, whole, tune, err);
}
