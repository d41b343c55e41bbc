/* config: what its files share. Owner: see each function. */
#ifndef RLT_CONFIG_IMPL_H
#define RLT_CONFIG_IMPL_H
#include "config/config.h"

/* One load in progress. */
typedef struct rlt_config_loading {
    const json_t *raw; /* borrowed */
    json_t *out;       /* the normalised table so far */
    bool concrete;     /* no search values allowed */
    bool timed;        /* of a stopper: what it counts is given in seconds */
    int nested;        /* lists of layers around the one that is read */
    char first_path[RLT_FIELD_PATH_MAX];
    char failed[RLT_FIELD_PATH_MAX]; /* the path that an error is about */
} rlt_config_loading;

/* model_fields.c: the rows of layers (several share `plain`, which has none) and of presets. */
extern const rlt_field rlt_list_fields[], rlt_layer_dense[], rlt_layer_conv[], rlt_layer_max_pool[],
    rlt_layer_plain[], rlt_layer_embed[], rlt_layer_recurrent[], rlt_layer_attention[],
    rlt_layer_activation[], rlt_preset_nature_cnn[], rlt_preset_impala_cnn[],
    rlt_preset_minatar_cnn[], rlt_preset_gtrxl[], rlt_preset_recurrent[];

bool rlt_space_is(const json_t *value); /* a {"$space"} or {"$function"} object */
/* Whether one of them is in `value`, itself included; what nests deeper than 32 counts as one. */
bool rlt_space_holds(const json_t *value, int depth);
/* Checks the arguments and that every possible value fits the field. *canonical: new reference,
 * values in the field's type; a normal distribution gets the field's bounds as low and high. */
rlt_status rlt_space_fit(const rlt_field *field, const char *path, const json_t *space,
                         json_t **canonical, rlt_err *err);
/* Whether a canonical value is one that the search value may take; functions may take any. */
bool rlt_space_contains(const json_t *space, const json_t *value);

/* Reads one section's table (may be NULL) into `out`; `path` is for messages. */
rlt_status rlt_config_read_section(rlt_config_loading *loading, const rlt_config_section *section,
                                   const char *path, const char *const *other_keys,
                                   const json_t *table, json_t *out, rlt_err *err);
/* model.c: loading->raw's `model` (a table of names, a list of layers, a preset, or a search value
 * of those) normalised into loading->out and stored in *model. */
rlt_status rlt_config_read_model(rlt_config_loading *loading, rlt_model_fields *model,
                                 rlt_err *err);
/* Whether `value`, concrete or a search value, may stand at "model", "model[3]",
 * "model[3].units", "model.depth". *canonical: a new reference. */
rlt_status rlt_model_check_value(const char *path, const json_t *value, json_t **canonical,
                                 rlt_err *err);
bool rlt_model_is_path(const char *path); /* "model" or something in it */
/* The row that a path of the model may be about, in whichever layer or preset; or NULL. */
const rlt_field *rlt_model_find_field(const char *path);
/* layers.c: a list of layers, or one, as the script's JSON has it, normalised; *canonical is a new
 * reference also after an error. */
rlt_status rlt_layers_read(rlt_config_loading *loading, const char *path, const json_t *list,
                           json_t **canonical, rlt_err *err);
rlt_status rlt_layer_read(rlt_config_loading *loading, const char *path, const json_t *given,
                          json_t **canonical, rlt_err *err);
bool rlt_layer_kind_find(const char *name, rlt_layer_kind *kind);
/* Appends concrete normalised layers to model->layers; RLT_ECONFIG: more than fit. */
rlt_status rlt_layers_store(const json_t *list, rlt_model_fields *model, rlt_err *err);
/* presets.c: the layers of a concrete normalised {"preset": ...}. */
void rlt_preset_store(const json_t *preset, rlt_model_fields *model);

/* The table `tune` of loading->raw into loading->out and *config, whose `run` is loaded. */
rlt_status rlt_config_read_tune(rlt_config_loading *loading, rlt_experiment_config *config,
                                rlt_err *err);
/* tune.<key>: the name of a method, or a table with its name and options. Normalised into
 * out[key] as {"name": ..., ...}; the kind and its options are stored in *tune. */
rlt_status rlt_config_read_method(rlt_config_loading *loading, const char *key, const json_t *given,
                                  json_t *out, rlt_tune_fields *tune, rlt_err *err);
/* objectives.c: what trials are compared by, of the raw and the normalised table `tune`; and what
 * several metrics rule out. */
rlt_status rlt_config_read_objectives(rlt_config_loading *loading, const json_t *raw, json_t *out,
                                      rlt_tune_fields *tune, rlt_err *err);
/* Options of a sampler whose default depends on the number of objectives. */
void rlt_config_sampler_defaults(const json_t *given, json_t *out, rlt_tune_fields *tune);
rlt_status rlt_config_check_several(rlt_config_loading *loading, const rlt_tune_fields *tune,
                                    rlt_err *err);
/* seeds.c: tune.race, and what seeds and the stopper mean together. */
rlt_status rlt_config_read_seeds(rlt_config_loading *loading, const json_t *raw, json_t *out,
                                 rlt_tune_fields *tune, rlt_err *err);
/* objective.c: a run whose raw table has an objective; the metric that is tuned when `tune` names
 * none; what can be said once `tune` is read. */
rlt_status rlt_config_read_program(rlt_config_loading *loading, rlt_run_config *config,
                                   rlt_err *err);
rlt_status rlt_config_program_metric(rlt_config_loading *loading, rlt_tune_fields *tune,
                                     json_t *out, rlt_err *err);
rlt_status rlt_config_check_program(rlt_config_loading *loading,
                                    const rlt_experiment_config *config, rlt_err *err);
/* A value, concrete or not, for the user's parameter at `path` ("params.lr"). */
rlt_status rlt_config_check_param(const char *path, const json_t *value, json_t **canonical,
                                  rlt_err *err);
/* The row of a dotted path among the run's sections, and its canonical path; or NULL. */
const rlt_field *rlt_config_find_field(const char *path, char canonical[RLT_FIELD_PATH_MAX]);
/* Sets *err (which may be NULL) and loading->failed. */
rlt_status rlt_config_fail(rlt_config_loading *loading, const char *path, rlt_err *err,
                           const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* samplers.c, stoppers.c: the options of each */
extern const rlt_field rlt_fields_tpe[], rlt_fields_lhs[], rlt_fields_cmaes[], rlt_fields_gp[],
    rlt_fields_nsga2[], rlt_fields_nsga3[], rlt_fields_evolution[], rlt_fields_bc[],
    rlt_fields_oneshot[], rlt_fields_de[], rlt_fields_bohb[], rlt_fields_partial_fixed[];
extern const rlt_field rlt_fields_asha[], rlt_fields_median[], rlt_fields_percentile[],
    rlt_fields_threshold[], rlt_fields_plateau[], rlt_fields_patience[], rlt_fields_wilcoxon[],
    rlt_fields_curve[], rlt_fields_sha[], rlt_fields_hyperband[], rlt_fields_hyperband_asha[],
    rlt_fields_pbt[], rlt_fields_pb2[], rlt_fields_pbt_replay[];
/* population.c: options of pbt and pb2 that are lists and tables, into `out`. */
extern const char *const rlt_population_keys[];
rlt_status rlt_config_read_population(rlt_config_loading *loading, const json_t *given, json_t *out,
                                      rlt_tune_fields *tune, rlt_err *err);
/* What 0 stands for among the options of the stopper, as the help of each field says; where trials
 * end, if the stopper says that too, in `run` and in loading->out. */
rlt_status rlt_config_resolve_stopper(rlt_config_loading *loading, rlt_run_config *run,
                                      rlt_tune_fields *tune, rlt_err *err);
/* foreign.c: takes options of other tools that are no fields out of a stopper's raw table;
 * RLT_ECONFIG says what to write instead. */
rlt_status rlt_config_drop_foreign(rlt_config_loading *loading, const char *path,
                                   const rlt_field *fields, const char *const *other_keys,
                                   json_t *table, rlt_err *err);
/* amounts.c: whether a stopper's raw table (may be NULL) counts seconds. */
bool rlt_config_counts_seconds(const json_t *table);
/* Takes time_attr by any of its names, and a fraction of a second where seconds are counted. */
rlt_status rlt_config_take_amount(const rlt_config_loading *loading, const rlt_field *field,
                                  const char *path, const json_t *value, json_t **canonical,
                                  rlt_err *err);
/* Seconds of the normalised table as milliseconds, once the rest is stored. */
void rlt_config_store_amounts(const rlt_field *fields, const json_t *normalised,
                              rlt_tune_fields *tune);
/* Where trials end by themselves, in what the stopper counts; 0: not known. */
int64_t rlt_config_whole(const rlt_run_config *run, const rlt_tune_fields *tune);
/* stop_last_trials where steps are counted: max_steps are all that there are. */
void rlt_config_end_at_last(rlt_config_loading *loading, rlt_run_config *run,
                            const rlt_tune_fields *tune, int64_t max_steps);
#endif
