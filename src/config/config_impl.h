/* config: what its files share. Owner: see each function. */
#ifndef RLT_CONFIG_IMPL_H
#define RLT_CONFIG_IMPL_H
#include "config/config.h"

/* One load in progress. */
typedef struct rlt_config_loading {
    const json_t *raw; /* borrowed */
    json_t *out;       /* the normalised table so far */
    bool concrete;     /* no search values allowed */
    char first_path[RLT_FIELD_PATH_MAX];
    char failed[RLT_FIELD_PATH_MAX]; /* the path that an error is about */
} rlt_config_loading;

bool rlt_space_is(const json_t *value); /* a {"$space"} or {"$function"} object */
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
/* The table `tune` of loading->raw into loading->out and *config, whose `run` is loaded. */
rlt_status rlt_config_read_tune(rlt_config_loading *loading, rlt_experiment_config *config,
                                rlt_err *err);
/* tune.<key>: the name of a method, or a table with its name and options. Normalised into
 * out[key] as {"name": ..., ...}; the kind and its options are stored in *tune. */
rlt_status rlt_config_read_method(rlt_config_loading *loading, const char *key, const json_t *given,
                                  json_t *out, rlt_tune_fields *tune, rlt_err *err);
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
json_t *rlt_config_get(const json_t *json, const char *path); /* borrowed, or NULL */
#endif
