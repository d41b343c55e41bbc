/* config: every option of an experiment, one row each: the only place of defaults and bounds.
 * Defaults of "ppo" and "model" are CleanRL's for classic control (ppo.py), with no value clipping
 * and no entropy bonus. Thread: read only. */
#include "config/config_impl.h"

#include <math.h>
#include <string.h>

#define RUN(member) RLT_FIELD_AT(rlt_run_config, member)
#define TUNE(member) RLT_FIELD_AT(rlt_tune_fields, member)
#define OBJECTIVE(member) RLT_FIELD_AT(rlt_objective_fields, member)
#define TUNABLE_LOG (RLT_FIELD_TUNABLE | RLT_FIELD_LOG)

static const char *const algos[] = {"ppo", "bc", NULL};
static const char *const devices[] = {"auto",   "cpu",    "cuda",   "cuda:0", "cuda:1", "cuda:2",
                                      "cuda:3", "cuda:4", "cuda:5", "cuda:6", "cuda:7", NULL};
static const char *const precisions[] = {"fp32", "bf16", NULL};
static const char *const transports[] = {"shm", "tcp", NULL};
static const char *const keep_logs[] = {"auto", "all", "failed", NULL};
static const char *const inferences[] = {"worker", "learner", NULL};
static const char *const activations[] = {"tanh", "relu", "silu", NULL};
static const char *const optimisers[] = {"adam", "adamw", "sgd", "rmsprop", NULL};
static const char *const modes[] = {"min", "max", NULL};
static const char *const aggregates[] = {"iqm", "mean", "median", "worst", NULL};
static const char *const race_tests[] = {"t", "wilcoxon", "friedman", NULL};

static const rlt_field top[] = {
    {"name", RLT_FIELD_STRING, RUN(name), .initial = "experiment",
     .help = "What leaderboards call the experiment."},
    {"env", RLT_FIELD_STRING, RUN(env), .initial = "CartPole-v1",
     .help = "The environment: a name from `rltune envs`, or a table that defines one."},
    {"algo", RLT_FIELD_STRING, RUN(algo), .initial = "ppo", .choices = algos,
     .help = "The learning algorithm."},
    {"device", RLT_FIELD_STRING, RUN(device), .initial = "auto", .choices = devices,
     .help = "Where the network is trained; cuda is cuda:0; auto takes a GPU when one is there and "
             "pays off."},
    {"precision", RLT_FIELD_ENUM, RUN(precision), .initial = "fp32", .choices = precisions,
     .help =
         "Numbers that matrix products take; bf16 rounds inputs, weights and gradients of dense "
         "layers of 64 or more to 8 bits (sums and parameters stay fp32): faster on processors "
         "with AVX512_BF16, but no longer the same results."},
    {"seed", RLT_FIELD_INT, RUN(seed), .initial = "1", .min = 0, .max = 0x1p53,
     .help = "Seed of everything random in a run; trial n of a search has seed + n."},
    {"workers", RLT_FIELD_INT, RUN(workers), .initial = "0", .min = 0, .max = 1024,
     .aliases = "num_env_runners",
     .help = "Processes that step environments; 0: the learner steps them itself."},
    {"envs_per_worker", RLT_FIELD_INT, RUN(envs_per_worker), .initial = "8", .min = 1, .max = 65536,
     .aliases = "num_envs num_envs_per_env_runner", .flags = TUNABLE_LOG,
     .help = "Environments of each worker, or of the learner when workers is 0."},
    {"threads", RLT_FIELD_INT, RUN(threads), .initial = "0", .min = 0, .max = 1024,
     .help = "Threads of the learner; 0: as many as its share of the cores."},
    {"learners", RLT_FIELD_INT, RUN(learners), .initial = "1", .min = 1, .max = 4,
     .aliases = "num_learners",
     .help = "Processes that train together: 1, 2 or 4 share workers, environments and every "
             "minibatch's gradient, with the results of one."},
    {"transport", RLT_FIELD_ENUM, RUN(transport), .initial = "shm", .choices = transports,
     .help = "How workers send experience: shared memory, or frames over TCP."},
    {"inference", RLT_FIELD_ENUM, RUN(inference), .initial = "worker", .choices = inferences,
     .help = "Where actions are computed: in each worker, or by the learner for all workers "
             "together, which pays off for large networks and on a GPU; shared memory only."},
    {"staleness_max", RLT_FIELD_INT, RUN(staleness_max), .initial = "0", .min = 0, .max = 1000,
     .help = "Policy versions that experience may lag behind; 0: workers wait for each update."},
    {"report_every", RLT_FIELD_INT, RUN(report_every), .initial = "0", .min = 0, .max = 1e15,
     .help = "Steps between rows of metrics; 0: a fiftieth of stop.steps."},
    {"silence_s", RLT_FIELD_DOUBLE, RUN(silence_s), .initial = "300", .min = 0, .max = 1e6,
     .flags = RLT_FIELD_OPEN_MIN,
     .help = "Seconds without a sign of life after which a process counts as hung; longer than a "
             "batch and an evaluation take."},
    {0}};

static const rlt_field ppo[] = {
    {"lr", RLT_FIELD_DOUBLE, RUN(ppo.lr), .initial = "2.5e-4", .min = 0, .max = 1,
     .aliases = "learning_rate", .flags = RLT_FIELD_LIVE | TUNABLE_LOG | RLT_FIELD_OPEN_MIN,
     .help = "Learning rate at the start."},
    {"epochs", RLT_FIELD_INT, RUN(ppo.epochs), .initial = "4", .min = 1, .max = 1000,
     .aliases = "update_epochs n_epochs num_epochs", .flags = RLT_FIELD_LIVE | RLT_FIELD_TUNABLE,
     .help = "Passes over each batch."},
    {"horizon", RLT_FIELD_INT, RUN(ppo.horizon), .initial = "128", .min = 1, .max = 1 << 20,
     .aliases = "num_steps n_steps", .flags = TUNABLE_LOG,
     .help = "Steps of each environment per batch."},
    {"minibatch", RLT_FIELD_INT, RUN(ppo.minibatch), .initial = "256", .min = 1, .max = 1 << 24,
     .aliases = "batch_size minibatch_size", .flags = RLT_FIELD_LIVE | TUNABLE_LOG,
     .help = "Rows of one gradient step; the last of an epoch may be smaller."},
    {"gamma", RLT_FIELD_DOUBLE, RUN(ppo.gamma), .initial = "0.99", .min = 0, .max = 1,
     .flags = RLT_FIELD_LIVE | RLT_FIELD_TUNABLE, .help = "Discount of future rewards."},
    {"lambda", RLT_FIELD_DOUBLE, RUN(ppo.lambda), .initial = "0.95", .min = 0, .max = 1,
     .aliases = "gae_lambda lambda_", .flags = RLT_FIELD_LIVE | RLT_FIELD_TUNABLE,
     .help = "Bias against variance in generalised advantage estimation; 1: Monte Carlo."},
    {"clip", RLT_FIELD_DOUBLE, RUN(ppo.clip), .initial = "0.2", .min = 0, .max = 10,
     .aliases = "clip_coef clip_range clip_param",
     .flags = RLT_FIELD_LIVE | RLT_FIELD_TUNABLE | RLT_FIELD_OPEN_MIN,
     .help = "How far the probability ratio may leave 1."},
    {"vf_clip", RLT_FIELD_DOUBLE, RUN(ppo.vf_clip), .initial = "0", .min = 0, .max = 1e6,
     .aliases = "clip_range_vf vf_clip_param", .flags = RLT_FIELD_LIVE | RLT_FIELD_TUNABLE,
     .help = "How far a value may move from its old one; 0: as far as it likes."},
    {"vf_coef", RLT_FIELD_DOUBLE, RUN(ppo.vf_coef), .initial = "0.5", .min = 0, .max = 1000,
     .aliases = "vf_loss_coeff", .flags = RLT_FIELD_LIVE | RLT_FIELD_TUNABLE,
     .help = "Weight of the value loss."},
    {"ent_coef", RLT_FIELD_DOUBLE, RUN(ppo.ent_coef), .initial = "0", .min = 0, .max = 10,
     .aliases = "entropy_coeff", .flags = RLT_FIELD_LIVE | TUNABLE_LOG,
     .help = "Weight of the entropy bonus."},
    {"max_grad_norm", RLT_FIELD_DOUBLE, RUN(ppo.max_grad_norm), .initial = "0.5", .min = 0,
     .max = 1e6, .aliases = "grad_clip", .flags = RLT_FIELD_LIVE | RLT_FIELD_TUNABLE,
     .help = "Largest norm of the whole gradient; 0: not clipped."},
    {"target_kl", RLT_FIELD_DOUBLE, RUN(ppo.target_kl), .initial = "0", .min = 0, .max = 100,
     .flags = RLT_FIELD_LIVE | RLT_FIELD_TUNABLE,
     .help = "A batch's epochs end when the policy has moved 1.5 times this far; 0: no limit."},
    {"anneal_lr", RLT_FIELD_BOOL, RUN(ppo.anneal_lr), .initial = "true",
     .flags = RLT_FIELD_LIVE | RLT_FIELD_TUNABLE,
     .help = "The learning rate falls linearly to 0 at stop.steps."},
    {"anneal_clip", RLT_FIELD_BOOL, RUN(ppo.anneal_clip), .initial = "false",
     .flags = RLT_FIELD_LIVE | RLT_FIELD_TUNABLE,
     .help = "clip falls linearly to 0 at stop.steps."},
    {"norm_advantage", RLT_FIELD_BOOL, RUN(ppo.norm_advantage), .initial = "true",
     .aliases = "norm_adv normalize_advantage", .flags = RLT_FIELD_LIVE | RLT_FIELD_TUNABLE,
     .help = "Advantages have mean 0 and deviation 1 in each minibatch."},
    {"optimiser", RLT_FIELD_ENUM, RUN(ppo.optimiser), .initial = "adam", .choices = optimisers,
     .aliases = "optimizer", .flags = RLT_FIELD_TUNABLE, .help = "The gradient step."},
    {"adam_eps", RLT_FIELD_DOUBLE, RUN(ppo.adam_eps), .initial = "1e-5", .min = 0, .max = 1,
     .flags = RLT_FIELD_LIVE | TUNABLE_LOG | RLT_FIELD_OPEN_MIN,
     .help = "Epsilon in the denominator of Adam, AdamW and RMSprop."},
    {"weight_decay", RLT_FIELD_DOUBLE, RUN(ppo.weight_decay), .initial = "0", .min = 0, .max = 10,
     .flags = RLT_FIELD_LIVE | TUNABLE_LOG,
     .help = "Decay of the weights, per step times the learning rate."},
    {"momentum", RLT_FIELD_DOUBLE, RUN(ppo.momentum), .initial = "0", .min = 0, .max = 1,
     .flags = RLT_FIELD_LIVE | RLT_FIELD_TUNABLE | RLT_FIELD_OPEN_MAX,
     .help = "Momentum of sgd and rmsprop."},
    {0}};

static const rlt_field model[] = {
    {"hidden", RLT_FIELD_INT_LIST, RUN(model.hidden), offsetof(rlt_run_config, model.hidden_count),
     .initial = "[64, 64]", .min = 1, .max = 4096, .aliases = "fcnet_hiddens net_arch",
     .flags = RLT_FIELD_TUNABLE, .help = "Widths of the hidden layers of actor and critic."},
    {"activation", RLT_FIELD_ENUM, RUN(model.activation), .initial = "tanh", .choices = activations,
     .aliases = "fcnet_activation activation_fn", .flags = RLT_FIELD_TUNABLE,
     .help = "The function after each hidden layer."},
    {"log_std_init", RLT_FIELD_DOUBLE, RUN(model.log_std_init), .initial = "0", .min = -20,
     .max = 2, .flags = RLT_FIELD_TUNABLE,
     .help = "Logarithm of the actions' deviation at the start; Box actions only."},
    {"squash", RLT_FIELD_BOOL, RUN(model.squash), .initial = "false", .aliases = "squash_output",
     .flags = RLT_FIELD_TUNABLE, .help = "Box actions go through tanh into their bounds."},
    {0}};

static const rlt_field normalise[] = {
    {"observation", RLT_FIELD_BOOL, RUN(normalise.observation), .initial = "false",
     .aliases = "obs norm_obs", .flags = RLT_FIELD_TUNABLE,
     .help = "Observations are shifted and scaled by their running mean and deviation."},
    {"reward", RLT_FIELD_BOOL, RUN(normalise.reward), .initial = "false", .aliases = "norm_reward",
     .flags = RLT_FIELD_TUNABLE,
     .help = "Rewards are scaled by the running deviation of the discounted return."},
    {"clip", RLT_FIELD_DOUBLE, RUN(normalise.clip), .initial = "10", .min = 0, .max = 1e6,
     .aliases = "clip_obs", .flags = RLT_FIELD_TUNABLE | RLT_FIELD_OPEN_MIN,
     .help = "Bound of a normalised observation or reward."},
    {0}};

static const rlt_field stop[] = {
    {"steps", RLT_FIELD_INT, RUN(stop.steps), .initial = "100000", .min = 1, .max = 1e15,
     .aliases = "total_timesteps timesteps_total num_env_steps_sampled_lifetime",
     .help = "Steps of all environments together after which a run ends; of bc: rows trained on, "
             "counting repetitions."},
    {"mean_return", RLT_FIELD_DOUBLE, RUN(stop.mean_return), .initial = "null", .min = -INFINITY,
     .max = INFINITY, .aliases = "episode_reward_mean episode_return_mean",
     .flags = RLT_FIELD_OPTIONAL, .help = "A run ends when its mean return reaches this."},
    {"wall_s", RLT_FIELD_DOUBLE, RUN(stop.wall_s), .initial = "0", .min = 0, .max = 1e9,
     .aliases = "time_total_s", .help = "Seconds after which a run ends; 0: no limit."},
    {0}};

static const rlt_field eval[] = {
    {"every", RLT_FIELD_INT, RUN(eval.every), .initial = "0", .min = 0, .max = 1e15,
     .aliases = "eval_freq", .help = "Steps between evaluations; 0: only at the end."},
    {"episodes", RLT_FIELD_INT, RUN(eval.episodes), .initial = "10", .min = 1, .max = 1e6,
     .aliases = "n_eval_episodes", .help = "Episodes of each evaluation."},
    {0}};

static const rlt_field checkpoint[] = {
    {"every", RLT_FIELD_INT, RUN(checkpoint.every), .initial = "0", .min = 0, .max = 1e15,
     .help = "Steps between checkpoints; 0: only at the end."},
    {"keep", RLT_FIELD_INT, RUN(checkpoint.keep), .initial = "2", .min = 1, .max = 1000,
     .aliases = "num_to_keep", .help = "Newest checkpoints kept, besides the best one."},
    {0}};

static const rlt_field tune[] = {
    {"metric", RLT_FIELD_STRING, TUNE(metric), .initial = "eval_return",
     .help = "What trials are compared by: eval_return, mean_return, steps_per_s or another series "
             "of a training; with an objective, a metric that it reports."},
    {"mode", RLT_FIELD_ENUM, TUNE(maximise), .initial = "max", .choices = modes,
     .choice_words = "minimize=min minimise=min maximize=max maximise=max", .aliases = "direction",
     .help = "Whether more or less of the metric is better; also minimize, maximize."},
    {"metrics", RLT_FIELD_TEXTS, .initial = "[]", .aliases = "objectives",
     .help =
         "Several of them, at most 8, in place of metric: the trials that no other one beats in "
         "all of them are the Pareto front."},
    {"directions", RLT_FIELD_TEXTS, .initial = "[]", .aliases = "modes",
     .help = "max or min for each of metrics; left out: mode for all."},
    {"constraints", RLT_FIELD_TEXTS, .initial = "[]",
     .help = "Metrics, at most 16, that must end at 0 or less; a trial with one above 0 is never "
             "the best one."},
    {"trials", RLT_FIELD_INT, TUNE(trials), .initial = "16", .min = 1, .max = 1e7,
     .aliases = "num_samples n_trials", .help = "Trials to run at most."},
    {"parallel", RLT_FIELD_INT, TUNE(parallel), .initial = "0", .min = 0, .max = 4096,
     .aliases = "max_concurrent_trials n_jobs",
     .help = "Trials that run at the same time; 0: as many as there are cores."},
    {"seed", RLT_FIELD_INT, TUNE(seed), .initial = "0", .min = 0, .max = 0x1p53,
     .help = "Seed of the sampler."},
    {"max_retries", RLT_FIELD_INT, TUNE(max_retries), .initial = "2", .min = 0, .max = 1000,
     .aliases = "max_failures",
     .help = "Times that a trial is restarted after its process or machine was lost."},
    {"max_failed", RLT_FIELD_INT, TUNE(max_failed), .initial = "0", .min = 0, .max = 1e7,
     .help = "Failed trials that end the experiment; 0: a quarter of trials, at least 1."},
    {"seeds", RLT_FIELD_INT, TUNE(seeds), .initial = "1", .min = 1, .max = 1000,
     .aliases = "replicates num_seeds",
     .help = "Seeds that each configuration is tried with, a trial each; configurations are then "
             "compared by what these amount to, and trials counts configurations."},
    {"aggregate", RLT_FIELD_ENUM, TUNE(aggregate), .initial = "iqm", .choices = aggregates,
     .help = "What the results of several seeds amount to: the interquartile mean (of less than 4 "
             "the mean), mean, median, or the worst one."},
    {"goal", RLT_FIELD_DOUBLE, TUNE(goal), .initial = "null", .min = -INFINITY, .max = INFINITY,
     .flags = RLT_FIELD_OPTIONAL, .help = "The experiment ends when a trial reaches this."},
    {0}};

static const rlt_field race[] = {
    {"start", RLT_FIELD_INT, TUNE(race.start), .initial = "2", .min = 2, .max = 1000,
     .aliases = "first_test",
     .help = "Seeds that every configuration has before it is first compared with the best one."},
    {"alpha", RLT_FIELD_DOUBLE, TUNE(race.alpha), .initial = "0.05", .min = 0, .max = 1,
     .flags = RLT_FIELD_OPEN_MIN | RLT_FIELD_OPEN_MAX,
     .help = "It gets no further seed when the p-value of its being worse is less than this."},
    {"test", RLT_FIELD_ENUM, TUNE(race.test), .initial = "t", .choices = race_tests,
     .help =
         "On common seeds: t (Student's, paired with the best one), wilcoxon (signed ranks; needs "
         "6 "
         "seeds for 0.05), or friedman (ranks among all configurations that are still in, as irace "
         "does)."},
    {0}};

static const rlt_field budget[] = {
    {"steps", RLT_FIELD_INT, TUNE(budget.steps), .initial = "0", .min = 0, .max = 1e18,
     .help = "Steps of all trials together; 0: no limit."},
    {"wall_s", RLT_FIELD_DOUBLE, TUNE(budget.wall_s), .initial = "0", .min = 0, .max = 1e9,
     .aliases = "time_budget_s", .help = "Seconds for the whole search; 0: no limit."},
    {0}};

static const rlt_field warm_start[] = {
    {"experiment", RLT_FIELD_INT, TUNE(warm_start.experiment), .initial = "0", .min = 0,
     .max = 1e18, .help = "Number of the experiment (rltune ls); 0: none."},
    {"db", RLT_FIELD_STRING, TUNE(warm_start.db), .initial = "null", .flags = RLT_FIELD_OPTIONAL,
     .help = "The database that it is in; without it the run's own."},
    {0}};

static const rlt_field final[] = {
    {"seeds", RLT_FIELD_INT, TUNE(final.seeds), .initial = "0", .min = 0, .max = 1000,
     .help = "Seeds from which the winner is retrained from scratch; 0: not retrained."},
    {"episodes", RLT_FIELD_INT, TUNE(final.episodes), .initial = "100", .min = 1, .max = 1e6,
     .help = "Fresh episodes that judge each retrained winner."},
    {0}};

/* Rows of programs and of the processes of functions. */
#define GRACE_S                                                                                    \
    "grace_s", RLT_FIELD_DOUBLE, OBJECTIVE(grace_s),                                               \
        .initial = "5", .min = 0, .max = 86400,                                                    \
        .help = "Seconds from SIGTERM, which asks it to end, to SIGKILL."
#define SILENCE_S                                                                                  \
    "silence_s", RLT_FIELD_DOUBLE, OBJECTIVE(silence_s),                                           \
        .initial = "3600", .min = 0, .max = 1e9,                                                   \
        .help = "Seconds without a report or a line of output after which it counts as "           \
                "hung; 0: no limit."
#define LOG_MAX                                                                                    \
    "log_max", RLT_FIELD_INT, OBJECTIVE(log_max),                                                  \
        .initial = "1048576", .min = 4096, .max = 1e12,                                            \
        .help = "Bytes of its output that are kept at most, the newest."
#define KEEP_LOGS                                                                                  \
    "keep_logs", RLT_FIELD_ENUM, OBJECTIVE(keep_logs),                                             \
        .initial = "auto", .choices = keep_logs,                                                   \
        .help = "Whose output is kept: auto, of trials that fail, run for 3 seconds or "           \
                "say more than 4 KiB; all; failed, of those that fail and of the best one."

static const rlt_field command[] = {
    {"argv", RLT_FIELD_TEXTS, .initial = "[]",
     .help =
         "The program and its arguments; {lr} becomes the parameter params.lr, {seed}, {trial}, "
         "{attempt}, {params_file}, {checkpoint} what they say, {{ one brace."},
    {"env", RLT_FIELD_TEXT_TABLE, .initial = "{}",
     .help = "Variables added to the program's environment; {lr} as in argv."},
    {"folder", RLT_FIELD_STRING, OBJECTIVE(folder), .initial = ".", .aliases = "cwd",
     .help = "Where the program runs."},
    {"json", RLT_FIELD_BOOL, OBJECTIVE(json), .initial = "true",
     .help = "A line of its standard output that is a JSON object, such as {\"step\": 10, "
             "\"loss\": 0.3}, is a report."},
    {"metrics", RLT_FIELD_TEXT_TABLE, .initial = "{}", .aliases = "patterns",
     .help = "Metrics in its lines: name = \"loss=([0-9.]+)\", an extended regular expression "
             "whose first group with a number is the value; the name step counts steps."},
    {"tensorboard", RLT_FIELD_STRING, OBJECTIVE(tensorboard), .initial = "null",
     .flags = RLT_FIELD_OPTIONAL,
     .help = "A TensorBoard event file that it writes, or a folder with one; {checkpoint} and "
             "parameters as in argv."},
    {"socket", RLT_FIELD_BOOL, OBJECTIVE(socket), .initial = "false",
     .help = "It may report over TCP: JSON lines to 127.0.0.1, port RLTUNE_PORT, the first one "
             "{\"token\": $RLTUNE_TOKEN}."},
    {"params_file", RLT_FIELD_BOOL, OBJECTIVE(params_file), .initial = "false",
     .help = "Its parameters are in a JSON file, whose path RLTUNE_PARAMS_FILE holds."},
    {"checkpoint", RLT_FIELD_BOOL, OBJECTIVE(checkpoint), .initial = "false",
     .help =
         "It has a folder of its own, RLTUNE_CHECKPOINT_DIR, which its next attempt finds as it "
         "was."},
    {GRACE_S},
    {SILENCE_S},
    {LOG_MAX},
    {KEEP_LOGS},
    {0}};

static const rlt_field function[] = {{GRACE_S}, {SILENCE_S}, {LOG_MAX}, {KEEP_LOGS}, {0}};

static const rlt_field external[] = {
    {"silence_s", RLT_FIELD_DOUBLE, OBJECTIVE(silence_s), .initial = "60", .min = 0.1, .max = 1e9,
     .aliases = "heartbeat",
     .help = "Seconds without a sign of life after which a client has lost its trial, and somebody "
             "else gets it."},
    {"grows", RLT_FIELD_BOOL, OBJECTIVE(grows), .initial = "true",
     .help = "Clients may ask for parameters that params does not have: the search space grows."},
    {0}};

static const rlt_field no_fields[] = {{0}};

const rlt_config_section rlt_config_sections[] = {
    {"", "The experiment.", top, RLT_SECTION_RUN},
    {"ppo", "Proximal policy optimisation.", ppo, RLT_SECTION_RUN},
    {"bc", "Behaviour cloning.", rlt_fields_bc, RLT_SECTION_RUN},
    {"model",
     "Actor and critic networks: these names, or a list of layers (`rltune explain layer`), or a "
     "preset (`rltune explain preset`).",
     model, RLT_SECTION_RUN},
    {"normalise", "Running normalisation, saved with the model.", normalise, RLT_SECTION_RUN},
    {"stop", "When a run ends: whichever comes first.", stop, RLT_SECTION_RUN},
    {"eval", "Evaluation episodes with the most likely actions.", eval, RLT_SECTION_RUN},
    {"checkpoint", "Saved models.", checkpoint, RLT_SECTION_RUN},
    {"tune", "The search; without this table one run is made.", tune, RLT_SECTION_TUNE},
    {"tune.warm_start", "An earlier experiment whose trials the sampler learns from.", warm_start,
     RLT_SECTION_TUNE},
    {"tune.budget", "Limits of the whole search.", budget, RLT_SECTION_TUNE},
    {"tune.final", "Retraining of the winner.", final, RLT_SECTION_TUNE},
    {"tune.race",
     "race = true or a table: with seeds, only configurations that are not significantly worse "
     "than "
     "the best one get all of them.",
     race, RLT_SECTION_TUNE},
    {"sampler.tpe", "sampler = { \"tpe\", ... }: tree-structured Parzen estimator.", rlt_fields_tpe,
     RLT_SECTION_TUNE},
    {"sampler.cmaes", "sampler = { \"cmaes\", ... }: adaptation of a normal distribution.",
     rlt_fields_cmaes, RLT_SECTION_TUNE},
    {"sampler.gp", "sampler = { \"gp\", ... }: Bayesian optimisation with a Gaussian process.",
     rlt_fields_gp, RLT_SECTION_TUNE},
    {"sampler.nsga2",
     "sampler = { \"nsga2\", ... }: NSGA-II, a genetic algorithm for several metrics.",
     rlt_fields_nsga2, RLT_SECTION_TUNE},
    {"sampler.nsga3", "sampler = { \"nsga3\", ... }: NSGA-III, for three metrics and more.",
     rlt_fields_nsga3, RLT_SECTION_TUNE},
    {"sampler.evolution", "sampler = { \"evolution\", ... }: aging evolution.",
     rlt_fields_evolution, RLT_SECTION_TUNE},
    {"sampler.de", "sampler = { \"de\", ... }: differential evolution.", rlt_fields_de,
     RLT_SECTION_TUNE},
    {"sampler.bohb",
     "sampler = { \"bohb\", ... }: densities of good and bad results at a stopper's rungs.",
     rlt_fields_bohb, RLT_SECTION_TUNE},
    {"sampler.partial_fixed",
     "sampler = { \"partial_fixed\", fixed = { [\"ppo.lr\"] = 3e-4 }, base = \"tpe\" }: some "
     "parameters fixed at values of their spaces, the others by another sampler; base may be a "
     "table with its options, and is tpe when left out.",
     rlt_fields_partial_fixed, RLT_SECTION_TUNE},
    {"sampler.oneshot", "sampler = { \"oneshot\", ... }: networks that share weights; algo bc.",
     rlt_fields_oneshot, RLT_SECTION_TUNE},
    {"sampler.lhs", "sampler = { \"lhs\", ... }: Latin hypercube.", rlt_fields_lhs,
     RLT_SECTION_TUNE},
    {"stopper.asha", "stopper = { \"asha\", ... }: asynchronous successive halving.",
     rlt_fields_asha, RLT_SECTION_TUNE},
    {"stopper.median", "stopper = { \"median\", ... }: below the median of the others.",
     rlt_fields_median, RLT_SECTION_TUNE},
    {"stopper.percentile", "stopper = { \"percentile\", ... }: not among the best so many percent.",
     rlt_fields_percentile, RLT_SECTION_TUNE},
    {"stopper.threshold", "stopper = { \"threshold\", ... }: bounds on the metric.",
     rlt_fields_threshold, RLT_SECTION_TUNE},
    {"stopper.plateau", "stopper = { \"plateau\", ... }: results that move no more.",
     rlt_fields_plateau, RLT_SECTION_TUNE},
    {"stopper.patience",
     "stopper = { \"patience\", ... }: no improvement for some time. wrapped = \"median\", or a "
     "table with a stopper's options: a trial stops only if that one says so too.",
     rlt_fields_patience, RLT_SECTION_TUNE},
    {"stopper.wilcoxon", "stopper = { \"wilcoxon\", ... }: worse than the best one by a test.",
     rlt_fields_wilcoxon, RLT_SECTION_TUNE},
    {"stopper.curve", "stopper = { \"curve\", ... }: extrapolated learning curves.",
     rlt_fields_curve, RLT_SECTION_TUNE},
    {"stopper.sha", "stopper = { \"sha\", ... }: successive halving; trials pause at rungs.",
     rlt_fields_sha, RLT_SECTION_TUNE},
    {"stopper.hyperband", "stopper = { \"hyperband\", ... }: brackets of successive halving.",
     rlt_fields_hyperband, RLT_SECTION_TUNE},
    {"stopper.hyperband_asha",
     "stopper = { \"hyperband_asha\", ... }: brackets of hyperband, the rule of asha.",
     rlt_fields_hyperband_asha, RLT_SECTION_TUNE},
    {"stopper.pbt",
     "stopper = { \"pbt\", ... }: population-based training. perturbation_factors = { 1.2, 0.8 }: "
     "what a parameter is multiplied by; mutations = { \"ppo.lr\" }: which are changed, or "
     "a table of what they become; else all that can be.",
     rlt_fields_pbt, RLT_SECTION_TUNE},
    {"stopper.pb2",
     "stopper = { \"pb2\", ... }: population-based bandits, a model chooses the parameters. "
     "mutations "
     "= { \"ppo.lr\" }: which, else all; hyperparam_bounds = { [\"ppo.lr\"] = { 1e-4, 1e-2 } }: "
     "which, and within what.",
     rlt_fields_pb2, RLT_SECTION_TUNE},
    {"stopper.pbt_replay",
     "stopper = { \"pbt_replay\", ... }: one trial is trained by the schedule that led to a trial "
     "of a "
     "population.",
     rlt_fields_pbt_replay, RLT_SECTION_TUNE},
    {"objective.command", "objective = { \"command\", ... }: a trial runs a program.", command,
     RLT_SECTION_OBJECTIVE},
    {"objective.external",
     "objective = { \"external\" }: trials are run by clients that ask for them over a socket.",
     external, RLT_SECTION_OBJECTIVE},
    {"objective.function",
     "objective = function(params, report, trial) ... end: a trial calls it. report(step, value) "
     "or report(step, { loss = 0.3 }) gives false when it should end; what it returns is its "
     "result. With options: objective = { \"function\", call = function(params, report) ... end, "
     "silence_s = 60 }.",
     function, RLT_SECTION_OBJECTIVE},
    {"params",
     "Parameters of an objective, by any name: lr = space.loguniform(1e-4, 1), or a fixed value.",
     no_fields, RLT_SECTION_OBJECTIVE},
    {"model.layers", "model = { { \"conv\", 32, 8, 4 }, ... }: names beside layers or a preset.",
     rlt_list_fields, RLT_SECTION_LIST},
    {"layer.dense", "{ \"dense\", 64, \"tanh\" }: every input to every output.", rlt_layer_dense,
     RLT_SECTION_LAYER},
    {"layer.conv", "{ \"conv\", 32, 8, 4 }: two-dimensional convolution of an image.",
     rlt_layer_conv, RLT_SECTION_LAYER},
    {"layer.max_pool", "{ \"max_pool\", 3, 2 }: the largest value in a window, by channel.",
     rlt_layer_max_pool, RLT_SECTION_LAYER},
    {"layer.layer_norm",
     "{ \"layer_norm\" }: mean 0 and deviation 1 in each row, then gain and bias.", rlt_layer_plain,
     RLT_SECTION_LAYER},
    {"layer.rms_norm", "{ \"rms_norm\" }: root mean square 1 in each row, then gain.",
     rlt_layer_plain, RLT_SECTION_LAYER},
    {"layer.embed", "{ \"embed\", 32 }: a vector for each value of discrete observations.",
     rlt_layer_embed, RLT_SECTION_LAYER},
    {"layer.lstm", "{ \"lstm\", 128 }: long short-term memory, reset at the ends of episodes.",
     rlt_layer_recurrent, RLT_SECTION_LAYER},
    {"layer.gru", "{ \"gru\", 128 }: gated recurrent unit, reset at the ends of episodes.",
     rlt_layer_recurrent, RLT_SECTION_LAYER},
    {"layer.attention",
     "{ \"attention\", 4, 64 }: to the last steps of the episode; keeps the width.",
     rlt_layer_attention, RLT_SECTION_LAYER},
    {"layer.skip", "{ \"skip\" }: no layer; for searches of depth.", rlt_layer_plain,
     RLT_SECTION_LAYER},
    {"layer.activation", "{ \"activation\", \"relu\" }: a function of each element.",
     rlt_layer_activation, RLT_SECTION_LAYER},
    {"layer.residual",
     "{ \"residual\", { ... } }: adds what goes in to what the layers make of it.", rlt_layer_plain,
     RLT_SECTION_LAYER},
    {"layer.gated", "{ \"gated\", { ... } }: joins the two by a gate (GTrXL) in place of the sum.",
     rlt_layer_plain, RLT_SECTION_LAYER},
    {"preset.mlp", "model = \"mlp\": the names of the table model.", model, RLT_SECTION_LIST},
    {"preset.nature_cnn", "model = \"nature_cnn\": of Atari agents (Mnih et al. 2015).",
     rlt_preset_nature_cnn, RLT_SECTION_PRESET},
    {"preset.impala_cnn", "model = \"impala_cnn\": deep residual network (Espeholt et al. 2018).",
     rlt_preset_impala_cnn, RLT_SECTION_PRESET},
    {"preset.minatar_cnn", "model = \"minatar_cnn\": for 10 x 10 images (Young & Tian 2019).",
     rlt_preset_minatar_cnn, RLT_SECTION_PRESET},
    {"preset.gtrxl", "model = \"gtrxl\": gated transformer with memory (Parisotto et al. 2020).",
     rlt_preset_gtrxl, RLT_SECTION_PRESET},
    {"preset.lstm", "model = \"lstm\": a dense layer, then LSTM.", rlt_preset_recurrent,
     RLT_SECTION_PRESET},
    {"preset.gru", "model = \"gru\": a dense layer, then GRU.", rlt_preset_recurrent,
     RLT_SECTION_PRESET},
    {0}};

const rlt_config_section *rlt_config_section_find(const char *name) {
    for (const rlt_config_section *section = rlt_config_sections; section->name != NULL;
         section++) {
        if (strcmp(section->name, name) == 0) {
            return section;
        }
    }
    return NULL;
}
