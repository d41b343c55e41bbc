/* config: what a script asks for, as typed structs; one field table drives loading, bounds,
 * `rltune explain`, the JSON that SQLite keeps, and what may be tuned.
 * The interchange form is JSON (jansson): lua turns the script's table into it, a search-space
 * value being {"$space": "loguniform", ...} and a function {"$function": "path"}; the tuner puts
 * chosen values in; the learner loads the concrete result.
 * Thread: any, no state. Owner: the caller owns every json_t returned (json_decref). */
#ifndef RLT_CONFIG_H
#define RLT_CONFIG_H
#include "config/algo_fields.h"
#include "core/core.h"
#include "nn/layers.h"
#include "schema/schema.h"

#include <jansson.h>

enum {
    RLT_CONFIG_HIDDEN_MAX = 4,
    RLT_NAME_MAX = 128,
    RLT_OBJECTIVES_MAX = 8,
    RLT_CONSTRAINTS_MAX = 16
};
typedef enum { RLT_ACTIVATION_TANH, RLT_ACTIVATION_RELU, RLT_ACTIVATION_SILU } rlt_activation;
typedef enum { RLT_TRANSPORT_SHM, RLT_TRANSPORT_TCP } rlt_transport_kind;
typedef enum { RLT_INFERENCE_WORKER, RLT_INFERENCE_LEARNER } rlt_inference_kind;
typedef enum { RLT_NUMBER_FP32, RLT_NUMBER_BF16 } rlt_number_kind; /* of run.precision */

typedef struct rlt_model_fields { /* table "model" */
    int64_t hidden[RLT_CONFIG_HIDDEN_MAX];
    int hidden_count;
    int activation; /* rlt_activation */
    double log_std_init;
    bool squash; /* tanh-squashed Gaussian */
    /* A list of layers or a preset: these instead of `hidden` and `activation`. */
    int layer_count;
    rlt_layer layers[RLT_LAYERS_MAX]; /* residual and gated flattened, with their END */
    bool separate;
    bool guessed; /* a number of a layer comes from a function of the script, unknown here */
} rlt_model_fields;
/* What an entry of model's list may hold besides its kind; sections "layer.<kind>". */
typedef struct rlt_layer_fields {
    int64_t units, kernel, stride, heads, context;
    int activation; /* rlt_act */
    bool same;      /* pad = "same": zeros around, so that stride 1 keeps the size */
} rlt_layer_fields;
/* The parameters of presets; sections "preset.<name>". */
typedef struct rlt_preset_fields {
    int64_t units, filters, width, depth, heads, context, mlp;
} rlt_preset_fields;

/* What a trial is: training here, any program, or a function of the script. Of a program, the
 * texts (argv, env, metrics) stay in the JSON. */
typedef enum {
    RLT_OBJECTIVE_TRAIN,
    RLT_OBJECTIVE_COMMAND,
    RLT_OBJECTIVE_FUNCTION,
    RLT_OBJECTIVE_EXTERNAL /* whoever asks over the experiment's socket */
} rlt_objective;
/* Which outputs have files: of programs that failed or had more to say than a moment's; all; of the
 * failed and the best. */
typedef enum { RLT_KEEP_AUTO, RLT_KEEP_ALL, RLT_KEEP_FAILED } rlt_keep_logs;
typedef struct rlt_objective_fields {   /* "objective" */
    int kind;                           /* rlt_objective */
    char folder[512], tensorboard[512]; /* tensorboard "": none */
    bool json, socket, params_file, checkpoint;
    bool grows; /* external: the search space, by what clients ask for */
    double grace_s, silence_s;
    int64_t log_max; /* bytes */
    int keep_logs;   /* rlt_keep_logs */
} rlt_objective_fields;

/* One concrete trial: everything a learner needs; no search-space values left. With an objective of
 * another kind only name, seed, stop (steps 0: not known) and objective count. */
typedef struct rlt_run_config {
    char name[RLT_NAME_MAX]; /* the experiment's */
    char env[RLT_NAME_MAX], algo[RLT_NAME_MAX], device[RLT_NAME_MAX];
    bool lua_env;                                    /* env is the script's own: rlt_script_env */
    int64_t seed, workers, envs_per_worker, threads; /* threads 0: as many as cores allow */
    int64_t learners;                                /* processes that compute the updates */
    int transport;                                   /* rlt_transport_kind */
    int inference;                                   /* rlt_inference_kind */
    int precision;                                   /* rlt_number_kind */
    int64_t staleness_max; /* versions a segment may lag; 0: synchronous */
    rlt_ppo_fields ppo;
    rlt_bc_fields bc;
    rlt_model_fields model;
    struct {
        bool observation, reward;
        double clip;
    } normalise;
    struct {
        int64_t steps;
        double mean_return, wall_s;
    } stop; /* mean_return NAN: no goal */
    struct {
        int64_t every, episodes;
    } eval; /* steps; 0: only at the end */
    struct {
        int64_t every, keep;
    } checkpoint;         /* steps; 0: only at the end */
    int64_t report_every; /* steps between metric rows; 0: 1/50 of steps */
    double silence_s;     /* without a sign of life: a learner or worker hangs */
    rlt_objective_fields objective;
} rlt_run_config;

typedef enum {
    RLT_SAMPLER_RANDOM,
    RLT_SAMPLER_GRID,
    RLT_SAMPLER_SOBOL,
    RLT_SAMPLER_TPE,
    RLT_SAMPLER_CMAES,
    RLT_SAMPLER_GP,
    RLT_SAMPLER_HALTON,
    RLT_SAMPLER_LHS,
    RLT_SAMPLER_BRUTE,
    RLT_SAMPLER_NSGA2,
    RLT_SAMPLER_NSGA3,
    RLT_SAMPLER_EVOLUTION,
    RLT_SAMPLER_DE,
    RLT_SAMPLER_BOHB,
    RLT_SAMPLER_PARTIAL_FIXED,
    RLT_SAMPLER_ONESHOT
} rlt_sampler_kind;
typedef enum { RLT_DE_BEST1BIN, RLT_DE_RAND1BIN, RLT_DE_CURRENTTOBEST1BIN } rlt_de_strategy;
typedef enum {
    RLT_CROSSOVER_UNIFORM,
    RLT_CROSSOVER_BLXALPHA,
    RLT_CROSSOVER_SBX,
    RLT_CROSSOVER_VSBX,
    RLT_CROSSOVER_SPX,
    RLT_CROSSOVER_UNDX
} rlt_crossover_kind;
typedef enum { RLT_MUTATION_RANDOM, RLT_MUTATION_POLYNOMIAL } rlt_mutation_kind;
typedef enum { RLT_RESTART_NONE, RLT_RESTART_IPOP, RLT_RESTART_BIPOP } rlt_restart_kind;
/* What replicates of a configuration amount to; WORST: by the metric's mode. */
typedef enum {
    RLT_AGGREGATE_IQM,
    RLT_AGGREGATE_MEAN,
    RLT_AGGREGATE_MEDIAN,
    RLT_AGGREGATE_WORST
} rlt_aggregate_kind;
typedef enum { RLT_RACE_T, RLT_RACE_WILCOXON, RLT_RACE_FRIEDMAN } rlt_race_test;
/* the order of src/tuner/stoppers/stoppers.def */
typedef enum {
    RLT_STOPPER_NONE,
    RLT_STOPPER_MEDIAN,
    RLT_STOPPER_ASHA,
    RLT_STOPPER_PERCENTILE,
    RLT_STOPPER_THRESHOLD,
    RLT_STOPPER_PLATEAU,
    RLT_STOPPER_PATIENCE,
    RLT_STOPPER_WILCOXON,
    RLT_STOPPER_CURVE,
    RLT_STOPPER_SHA,
    RLT_STOPPER_HYPERBAND,
    RLT_STOPPER_HYPERBAND_ASHA,
    RLT_STOPPER_PBT,
    RLT_STOPPER_PB2,
    RLT_STOPPER_PBT_REPLAY,
    RLT_STOPPER_COUNT
} rlt_stopper_kind;

enum { RLT_FACTORS_MAX = 16 };
typedef struct rlt_tune_fields { /* table "tune" */
    char metric[RLT_NAME_MAX];   /* "eval_return", ...; of several objectives the first */
    bool maximise;               /* mode = "max" | "min"; the first's */
    struct {
        int count; /* 1 without tune.metrics */
        char names[RLT_OBJECTIVES_MAX][RLT_NAME_MAX];
        bool maximise[RLT_OBJECTIVES_MAX];
    } objectives;
    struct {
        int count; /* metrics that must be at most 0 */
        char names[RLT_CONSTRAINTS_MAX][RLT_NAME_MAX];
    } constraints;
    int64_t trials, parallel, max_retries, max_failed, seed;
    double goal; /* NAN: none */
    /* Replicates of a configuration, each a trial; `trials` counts configurations then. 0 is 1. */
    int64_t seeds;
    int aggregate; /* rlt_aggregate_kind */
    struct {
        int64_t start; /* replicates that each has; 0: no race, each has all */
        double alpha;
        int test; /* rlt_race_test */
    } race;
    struct {
        int64_t steps;
        double wall_s;
    } budget; /* 0: none */
    struct {
        int64_t experiment; /* 0: none */
        char db[512];       /* "": the run's own */
    } warm_start;
    int sampler, stopper;
    struct {
        int64_t n_startup_trials, n_ei_candidates, gamma_max;
        double gamma, prior_weight, narrowing;
        bool multivariate, constant_liar, consider_magic_clip, consider_endpoints, group;
        bool rank_weights, avoid_repeats;
    } tpe; /* of a sampler table */
    struct {
        int64_t size;
    } lhs;
    struct {
        int64_t population_size, dividing_parameter;
        double crossover_prob, swapping_prob;
        double mutation_prob, eta; /* NAN: what the help says */
        double mutation_eta;
        int crossover, mutation; /* rlt_crossover_kind, rlt_mutation_kind */
    } nsga;                      /* nsga2, nsga3 */
    struct {
        int64_t population, sample;
        double sigma;
        bool inherit;
    } evolution;
    struct {
        int64_t population_size; /* 0: what the help says */
        double mutation_min, mutation_max, recombination;
        int strategy; /* rlt_de_strategy */
    } de;
    struct {
        int64_t min_points_in_model, top_n_percent, num_samples;
        double random_fraction, bandwidth_factor, min_bandwidth;
    } bohb;
    struct {
        int64_t retrain;
        bool inherit;
    } oneshot;
    int base; /* of partial_fixed: a rlt_sampler_kind */
    /* of a stopper table; what 0 stands for is resolved; grace, max_steps and intervals are steps,
     * or milliseconds of a trial's running time if `timed` */
    bool timed;
    bool stop_last; /* a trial that reaches max_steps has run whole */
    struct {
        int64_t grace, reduction, brackets, max_steps, bootstrap_count, early_stopping_rate;
    } asha;
    struct {
        int64_t grace, reduction, max_steps, size;
    } sha;
    struct {
        int64_t grace, reduction, max_steps, bootstrap_count;
    } hyperband; /* hyperband_asha too */
    struct {
        int64_t grace, interval;
    } milestones; /* of stoppers without rungs */
    struct {
        int64_t interval, burn_in;
        double quantile_fraction, resample_probability;
        bool synch;
        int factor_count;
        double factors[RLT_FACTORS_MAX]; /* of a perturbation */
    } pbt;                               /* pb2 too */
    struct {
        char db[512]; /* "": the run's own */
        int64_t experiment, trial;
    } replay;
    struct {
        int64_t startup_trials, min_trials;
        double percentile;
    } percentile; /* median too */
    struct {
        double lower, upper; /* NAN: none */
    } threshold;
    struct {
        double std, metric_threshold; /* metric_threshold NAN: none */
        int64_t num_results, grace_period;
    } plateau;
    struct {
        int64_t patience;
        double min_delta;
    } patience;
    int wrapped; /* by patience: a rlt_stopper_kind, RLT_STOPPER_NONE: none */
    struct {
        double p_threshold;
        int64_t n_startup_steps;
    } wilcoxon;
    struct {
        double threshold;
        int64_t min_results;
    } curve;
    struct {
        int64_t n_startup_trials, popsize;
        double sigma0, inc_popsize;
        int restart; /* rlt_restart_kind */
        bool consider_stopped;
    } cmaes;
    struct {
        int64_t n_startup_trials;
        bool consider_stopped, avoid_repeats;
    } gp;
    struct {
        int64_t seeds, episodes;
    } final; /* retraining of the winner; seeds 0: none */
} rlt_tune_fields;

/* "500 steps", or "0.5 s" of milliseconds. */
enum { RLT_AMOUNT_TEXT = 48 };
const char *rlt_amount_text(bool timed, int64_t amount, char text[RLT_AMOUNT_TEXT]);

/* What a training reports, NULL at the end. */
extern const char *const rlt_train_metrics[];

typedef struct rlt_experiment_config {
    char name[RLT_NAME_MAX];
    bool tuned;         /* has a `tune` table */
    rlt_run_config run; /* search-space values replaced by defaults */
    rlt_tune_fields tune;
    json_t *json; /* owned: the normalised script table, defaults
                     filled in, $space objects kept */
} rlt_experiment_config;

/* Validates the script's table `raw` (borrowed) and fills *config. Unknown keys, wrong types and
 * values out of bounds are RLT_ECONFIG with path, bad value, what is allowed, the nearest name
 * and, when `locate` can tell it, "file:line: ". */
typedef int (*rlt_config_locate)(void *user, const char *path); /* line of a path or 0 */
typedef struct rlt_config_place {                               /* {0} when unknown */
    const char *file;
    rlt_config_locate locate;
    void *user;
} rlt_config_place;
/* Puts "file:line: " before err's message; the line of `path` or of the nearest table around it. */
void rlt_config_add_place(const rlt_config_place *place, const char *path, rlt_err *err);
rlt_status rlt_experiment_config_load(const json_t *raw, const rlt_config_place *place,
                                      rlt_experiment_config *config, rlt_err *err);
void rlt_experiment_config_fini(rlt_experiment_config *config);
/* The concrete form; refuses leftover $space or $function objects outside a custom env. */
rlt_status rlt_run_config_load(const json_t *raw, rlt_run_config *config, rlt_err *err);
/* The JSON of one trial for rlt_run_config_load: the normalised experiment without `tune`, with
 * params ({path: value}, may be NULL) put in. *run is a new reference. */
rlt_status rlt_config_trial_json(const json_t *experiment, const json_t *params, json_t **run,
                                 rlt_err *err);
json_t *rlt_config_get(const json_t *json, const char *path); /* borrowed, or NULL */
/* json[path] = text parsed as JSON, else as a string; creates tables on the way. "ppo.lr" */
rlt_status rlt_config_set(json_t *json, const char *path, const char *text, rlt_err *err);
rlt_status rlt_config_set_json(json_t *json, const char *path, json_t *value, rlt_err *err);
/* Paths go through tables by name and through layers by place: "ppo.lr", "model[3].units".
 * Checks a value, concrete or a {"$space"} object, for the run's field at `path`. *canonical: a new
 * reference, in the field's own type. */
rlt_status rlt_config_check_value(const char *path, const json_t *value, json_t **canonical,
                                  rlt_err *err);
/* Whether a run may go on from its checkpoint with another value of the field at `path`. */
bool rlt_config_may_change(const char *path);
bool rlt_config_takes_integers(const char *path); /* the field there; false if there is none */
/* Where layer `index` of a flattened list stands in the script's: "model[2][1]"; text[32]. */
void rlt_model_layer_path(const rlt_model_fields *model, int index, char text[32]);
/* The arguments of a {"$space": ...} object alone: "low must be more than 0". */
rlt_status rlt_space_check(const json_t *space, rlt_err *err);
#define RLT_PARAM_PREFIX "params." /* of the user's own parameters, which no field bounds */
bool rlt_config_is_param(const char *path);
const char *rlt_config_param_name(const char *path); /* "x" of "params.x", else path; borrows it */
void rlt_config_param_path(const char *given, char path[RLT_FIELD_PATH_MAX]); /* and back */
/* Kinds of search value and their arguments, for `rltune explain space`; NULL-named end. */
typedef struct rlt_space_kind_row {
    const char *name;    /* "loguniform" */
    const char *args[5]; /* in order: "low", "high"; NULL-terminated */
    int required;        /* how many of them must be given */
    const char *help;
} rlt_space_kind_row;
extern const rlt_space_kind_row rlt_space_kinds[];

/* The field tables, for `rltune explain`; a NULL-named end. Each field's offset is within the
 * struct that `holder` names. "" is the outermost table; "stopper.asha" is what the table
 * tune.stopper = { "asha", ... } holds besides its name; "sampler.tpe", "layer.conv",
 * "preset.gtrxl" the same. */
typedef enum {
    RLT_SECTION_RUN,       /* rlt_run_config */
    RLT_SECTION_TUNE,      /* rlt_tune_fields */
    RLT_SECTION_OBJECTIVE, /* rlt_objective_fields */
    RLT_SECTION_LIST,      /* rlt_run_config: names beside a list of layers or a preset */
    RLT_SECTION_LAYER,     /* rlt_layer_fields */
    RLT_SECTION_PRESET     /* rlt_preset_fields */
} rlt_section_holder;
typedef struct rlt_config_section {
    const char *name, *help;
    const rlt_field *fields; /* of layers and presets: in the order of unnamed arguments */
    rlt_section_holder holder;
} rlt_config_section;
extern const rlt_config_section rlt_config_sections[];
const rlt_config_section *rlt_config_section_find(const char *name); /* or NULL */
#endif
