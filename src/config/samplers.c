/* config: the options of every sampler, one row each. Other names are those of Optuna's samplers.
 * Thread: read only. */
#include "config/config_impl.h"

#define TUNE(member) RLT_FIELD_AT(rlt_tune_fields, member)

/* Names and defaults are Optuna 5.0.0's (TPESampler), but for the last three, which are ours. */
const rlt_field rlt_fields_tpe[] = {
    {"n_startup_trials", RLT_FIELD_INT, TUNE(tpe.n_startup_trials), .initial = "10", .min = 1,
     .max = 1e7, .aliases = "n_initial_points",
     .help = "Finished trials before the densities are used; until then draws are random."},
    {"n_ei_candidates", RLT_FIELD_INT, TUNE(tpe.n_ei_candidates), .initial = "24", .min = 1,
     .max = 10000, .aliases = "n_EI_candidates",
     .help = "Draws from the density of good trials, of which the best is tried."},
    {"multivariate", RLT_FIELD_BOOL, TUNE(tpe.multivariate), .initial = "true",
     .help =
         "Parameters are drawn together, not one by one; false where tune.metrics names several "
         "and this is left out."},
    {"group", RLT_FIELD_BOOL, TUNE(tpe.group), .initial = "true",
     .help = "Spaces that functions return: those that the same trials have are drawn together, if "
             "multivariate; false: each alone."},
    {"constant_liar", RLT_FIELD_BOOL, TUNE(tpe.constant_liar), .initial = "true",
     .help = "Running trials count as bad ones, so that parallel trials spread."},
    {"gamma", RLT_FIELD_DOUBLE, TUNE(tpe.gamma), .initial = "0.1", .min = 0, .max = 1,
     .flags = RLT_FIELD_OPEN_MIN | RLT_FIELD_OPEN_MAX,
     .help = "The share of finished trials, rounded up, that count as good."},
    {"gamma_max", RLT_FIELD_INT, TUNE(tpe.gamma_max), .initial = "25", .min = 1, .max = 1e6,
     .help = "Trials that count as good at most; no limit with several metrics."},
    {"prior_weight", RLT_FIELD_DOUBLE, TUNE(tpe.prior_weight), .initial = "1", .min = 0, .max = 1e6,
     .flags = RLT_FIELD_OPEN_MIN, .help = "Weight of the prior, in trials."},
    {"consider_magic_clip", RLT_FIELD_BOOL, TUNE(tpe.consider_magic_clip), .initial = "true",
     .help = "No kernel is narrower than the range divided by the number of trials, at most 100."},
    {"consider_endpoints", RLT_FIELD_BOOL, TUNE(tpe.consider_endpoints), .initial = "false",
     .help = "Kernels next to the ends of a range reach to them."},
    {"rank_weights", RLT_FIELD_BOOL, TUNE(tpe.rank_weights), .initial = "true",
     .help = "The better a good trial, the more it weighs; false: as Optuna, all the same but for "
             "old ones. Several metrics: false."},
    {"narrowing", RLT_FIELD_DOUBLE, TUNE(tpe.narrowing), .initial = "0.67", .min = 0, .max = 4,
     .help = "The least width of good trials' kernels falls with (10 / finished trials) to this "
             "power, down to a tenth; 0: as Optuna. Several metrics: 0."},
    {"avoid_repeats", RLT_FIELD_BOOL, TUNE(tpe.avoid_repeats), .initial = "true",
     .help = "In a space without real numbers, of the draws one that no trial has had, if there is "
             "one; needs multivariate. False: as Optuna."},
    {0}};

const rlt_field rlt_fields_lhs[] = {
    {"size", RLT_FIELD_INT, TUNE(lhs.size), .initial = "0", .min = 0, .max = 1e7,
     .help = "Trials of one hypercube, after which the next begins; 0: tune.trials."},
    {0}};

static const char *const restarts[] = {"none", "ipop", "bipop", NULL};

const rlt_field rlt_fields_cmaes[] = {
    {"n_startup_trials", RLT_FIELD_INT, TUNE(cmaes.n_startup_trials), .initial = "1", .min = 0,
     .max = 1e9, .help = "Random trials at first; the distribution learns nothing from them."},
    {"popsize", RLT_FIELD_INT, TUNE(cmaes.popsize), .initial = "0", .min = 0, .max = 1e6,
     .help = "Trials of a generation; 0: 4 + floor(3 ln n) for n parameters. Less than 4 is taken "
             "as 4."},
    {"sigma0", RLT_FIELD_DOUBLE, TUNE(cmaes.sigma0), .initial = "0.16666666666666666", .min = 1e-6,
     .max = 1, .aliases = "sigma",
     .help = "Standard deviation at first, as a part of each parameter's range."},
    {"restart", RLT_FIELD_ENUM, TUNE(cmaes.restart), .initial = "none", .choices = restarts,
     .aliases = "restart_strategy",
     .help = "Once a run has converged: go on, or start another one with a larger population "
             "(ipop), or with larger and smaller ones in turn (bipop)."},
    {"inc_popsize", RLT_FIELD_DOUBLE, TUNE(cmaes.inc_popsize), .initial = "2", .min = 1, .max = 10,
     .help = "Factor of the population at each restart."},
    {"consider_stopped", RLT_FIELD_BOOL, TUNE(cmaes.consider_stopped), .initial = "true",
     .aliases = "consider_pruned_trials",
     .help = "Trials that the stopper ended count in their generation, after the completed ones."},
    {0}};

const rlt_field rlt_fields_gp[] = {
    {"n_startup_trials", RLT_FIELD_INT, TUNE(gp.n_startup_trials), .initial = "10", .min = 1,
     .max = 1e9, .aliases = "n_initial_points",
     .help = "Results before the first model; until then a Sobol sequence is tried."},
    {"consider_stopped", RLT_FIELD_BOOL, TUNE(gp.consider_stopped), .initial = "true",
     .aliases = "consider_pruned_trials",
     .help = "Trials that the stopper ended count, with their last value."},
    {"avoid_repeats", RLT_FIELD_BOOL, TUNE(gp.avoid_repeats), .initial = "true",
     .help = "In a space without real numbers no trial is tried again while there are others."},
    {0}};

static const char *const crossovers[] = {"uniform", "blxalpha", "sbx", "vsbx", "spx", "undx", NULL};
static const char *const mutations[] = {"random", "polynomial", NULL};

/* Names and defaults are Optuna 5.0.0's (NSGAIISampler, NSGAIIISampler). */
#define NSGA_FIELDS                                                                                \
    {"population_size",                                                                            \
     RLT_FIELD_INT,                                                                                \
     TUNE(nsga.population_size),                                                                   \
     .initial = "50",                                                                              \
     .min = 2,                                                                                     \
     .max = 1e6,                                                                                   \
     .aliases = "popsize",                                                                         \
     .help = "Trials of a generation; the first one is random."},                                  \
        {"crossover",                                                                              \
         RLT_FIELD_ENUM,                                                                           \
         TUNE(nsga.crossover),                                                                     \
         .initial = "uniform",                                                                     \
         .choices = crossovers,                                                                    \
         .help = "How numbers of two parents (spx, undx: three) become a child's; choices are "    \
                 "taken from either."},                                                            \
        {"crossover_prob",                                                                         \
         RLT_FIELD_DOUBLE,                                                                         \
         TUNE(nsga.crossover_prob),                                                                \
         .initial = "0.9",                                                                         \
         .min = 0,                                                                                 \
         .max = 1,                                                                                 \
         .help = "Children of several parents; the others are copies of one."},                    \
        {"swapping_prob",                                                                          \
         RLT_FIELD_DOUBLE,                                                                         \
         TUNE(nsga.swapping_prob),                                                                 \
         .initial = "0.5",                                                                         \
         .min = 0,                                                                                 \
         .max = 1,                                                                                 \
         .help = "Probability that a value is the first parent's, where one is copied."},          \
        {"eta",                                                                                    \
         RLT_FIELD_DOUBLE,                                                                         \
         TUNE(nsga.eta),                                                                           \
         .initial = "null",                                                                        \
         .min = 0,                                                                                 \
         .max = 1000,                                                                              \
         .flags = RLT_FIELD_OPTIONAL,                                                              \
         .help = "sbx, vsbx: the larger the nearer to the parents; null: 2 with one metric, 20 "   \
                 "with several."},                                                                 \
        {"mutation",           RLT_FIELD_ENUM,                                                     \
         TUNE(nsga.mutation),  .initial = "random",                                                \
         .choices = mutations, .help = "A mutated value is drawn anew, or moved."},                \
        {"mutation_prob",                                                                          \
         RLT_FIELD_DOUBLE,                                                                         \
         TUNE(nsga.mutation_prob),                                                                 \
         .initial = "null",                                                                        \
         .min = 0,                                                                                 \
         .max = 1,                                                                                 \
         .flags = RLT_FIELD_OPTIONAL,                                                              \
         .help = "Probability of each value; null: one over the number of parameters."},           \
    {                                                                                              \
        "mutation_eta", RLT_FIELD_DOUBLE, TUNE(nsga.mutation_eta),                                 \
            .initial = "20", .min = 0, .max = 1000,                                                \
            .help = "polynomial: the larger the shorter the moves."                                \
    }
const rlt_field rlt_fields_nsga2[] = {NSGA_FIELDS, {0}};
const rlt_field rlt_fields_nsga3[] = {
    NSGA_FIELDS,
    {"dividing_parameter", RLT_FIELD_INT, TUNE(nsga.dividing_parameter), .initial = "3", .min = 1,
     .max = 1000,
     .help = "Parts that each metric's axis is divided into for the reference directions."},
    {0}};

/* Real et al. 2019 took 100 and 25 for thousands of trials. */
const rlt_field rlt_fields_evolution[] = {
    {"population", RLT_FIELD_INT, TUNE(evolution.population), .initial = "32", .min = 2, .max = 1e6,
     .aliases = "population_size",
     .help = "Trials that may become parents: the last ones that ended. As many are random at "
             "first."},
    {"sample", RLT_FIELD_INT, TUNE(evolution.sample), .initial = "8", .min = 1, .max = 1e6,
     .aliases = "sample_size",
     .help = "Of them so many are drawn, with replacement; the best becomes the parent."},
    {"sigma", RLT_FIELD_DOUBLE, TUNE(evolution.sigma), .initial = "0.2", .min = 1e-6, .max = 1,
     .help = "Standard deviation of a number's move, as a part of its range."},
    {"inherit", RLT_FIELD_BOOL, TUNE(evolution.inherit), .initial = "false",
     .help = "A child starts from its parent's newest checkpoint, as far as the networks agree; "
             "its steps count from 0."},
    {0}};
static const char *const strategies[] = {"best1bin", "rand1bin", "currenttobest1bin", NULL};

/* Names and defaults are those of scipy.optimize.differential_evolution, but for the population. */
const rlt_field rlt_fields_de[] = {
    {"population_size", RLT_FIELD_INT, TUNE(de.population_size), .initial = "0", .min = 0,
     .max = 1e6, .aliases = "NP",
     .help = "Members of the population; the first ones are a Latin hypercube. 0: four more than "
             "parameters, at least 10 and at most 40."},
    {"strategy", RLT_FIELD_ENUM, TUNE(de.strategy), .initial = "best1bin", .choices = strategies,
     .help = "Where a mutant starts: at the best member, at a drawn one, or from the trial's own "
             "member towards the best one."},
    {"mutation_min", RLT_FIELD_DOUBLE, TUNE(de.mutation_min), .initial = "0.5", .min = 0, .max = 2,
     .aliases = "F_min",
     .help = "The factor F of differences is drawn for every trial, from here ..."},
    {"mutation_max", RLT_FIELD_DOUBLE, TUNE(de.mutation_max), .initial = "1", .min = 0, .max = 2,
     .aliases = "F_max", .help = "... to here."},
    {"recombination", RLT_FIELD_DOUBLE, TUNE(de.recombination), .initial = "0.7", .min = 0,
     .max = 1, .aliases = "CR",
     .help = "Probability that a value is the mutant's; one of them always is."},
    {0}};

/* Names and defaults are HpBandSter's (BOHB), which Ray Tune's TuneBOHB takes as bohb_config. */
const rlt_field rlt_fields_bohb[] = {
    {"min_points_in_model", RLT_FIELD_INT, TUNE(bohb.min_points_in_model), .initial = "0", .min = 0,
     .max = 1e6,
     .help = "Results that each of the two densities needs; 0, or less than that: one more than "
             "there are parameters."},
    {"top_n_percent", RLT_FIELD_INT, TUNE(bohb.top_n_percent), .initial = "15", .min = 1, .max = 99,
     .help = "The part of a rung's results that counts as good, in percent."},
    {"num_samples", RLT_FIELD_INT, TUNE(bohb.num_samples), .initial = "64", .min = 1, .max = 10000,
     .help = "Draws from the density of good results, of which the best is tried."},
    {"random_fraction", RLT_FIELD_DOUBLE, TUNE(bohb.random_fraction),
     .initial = "0.3333333333333333", .min = 0, .max = 1, .help = "The part of random trials."},
    {"bandwidth_factor", RLT_FIELD_DOUBLE, TUNE(bohb.bandwidth_factor), .initial = "3", .min = 0.01,
     .max = 1000, .help = "Draws are spread by so much more than the density's kernels."},
    {"min_bandwidth", RLT_FIELD_DOUBLE, TUNE(bohb.min_bandwidth), .initial = "0.001", .min = 1e-9,
     .max = 1, .help = "No kernel is narrower than this part of a parameter's range."},
    {0}};

/* fixed and base are read by their own rules: tune.c, method.c. */
const rlt_field rlt_fields_partial_fixed[] = {{0}};

const rlt_field rlt_fields_oneshot[] = {
    {"retrain", RLT_FIELD_INT, TUNE(oneshot.retrain), .initial = "5", .min = 1, .max = 1e6,
     .help = "So many of the networks that are best with shared weights are trained alone; of the "
             "other trials the first trains the shared weights, the rest measure networks."},
    {"inherit", RLT_FIELD_BOOL, TUNE(oneshot.inherit), .initial = "false",
     .help = "They start from the shared weights, not from scratch."},
    {0}};
