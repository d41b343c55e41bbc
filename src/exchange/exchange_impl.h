/* exchange, private: an Optuna study's file and distributions; a tree out of YAML; the parts of a
 * Katib Experiment. Thread: any. */
#ifndef RLT_EXCHANGE_IMPL_H
#define RLT_EXCHANGE_IMPL_H
#include "config/config.h"
#include "exchange/exchange.h"

#include <sqlite3.h>

/* ---- optuna_db.c: the file ---- */

enum {
    OPTUNA_NAME_MAX = 512,      /* VARCHAR(512) of its schema */
    OPTUNA_TEXT_MAX = 16 << 20, /* bytes of one text */
    OPTUNA_PARAMS_MAX = 1000
};
typedef struct optuna_db {
    sqlite3 *db;
    const char *path;
    bool has_value_type, has_intermediate_type; /* columns since Optuna 3.0 */
} optuna_db;
/* Opened for reading and known to be a study's file of a schema that is understood. */
rlt_status optuna_open(const char *path, optuna_db *db, rlt_err *err);
void optuna_close(optuna_db *db);
rlt_status optuna_prepare(const optuna_db *db, const char *sql, sqlite3_stmt **stmt, rlt_err *err);
/* *row: whether there is one; RLT_OK at the end as well. */
rlt_status optuna_step(const optuna_db *db, sqlite3_stmt *stmt, bool *row, rlt_err *err);
/* The text of a column, "" for NULL; RLT_ECORRUPT: no text, or broken UTF-8. */
rlt_status optuna_text(const optuna_db *db, sqlite3_stmt *stmt, int column, const char *what,
                       const char **text, rlt_err *err);
rlt_status optuna_integer(const optuna_db *db, sqlite3_stmt *stmt, int column, const char *what,
                          int64_t low, int64_t *value, rlt_err *err);
/* A number with its type column (FINITE, INF_POS, INF_NEG, NAN) at column + 1 if `typed`. */
rlt_status optuna_real(const optuna_db *db, sqlite3_stmt *stmt, int column, const char *what,
                       bool typed, double *value, rlt_err *err);

/* ---- optuna_space.c: distributions ---- */

typedef enum { OPTUNA_FLOAT, OPTUNA_INT, OPTUNA_CATEGORICAL } optuna_kind;
typedef struct optuna_dist {
    optuna_kind kind;
    bool log;
    double low, high, step; /* step 0: none */
    json_t *choices;        /* owned */
} optuna_dist;
/* {"name": "FloatDistribution", "attributes": {...}}, with the names before 3.0 as well. The error
 * says what is wrong, without a place. */
rlt_status optuna_dist_parse(const char *json, optuna_dist *dist, rlt_err *err);
void optuna_dist_fini(optuna_dist *dist);
/* Makes *wide hold what `other` holds; false: they cannot be one (another kind or scale). */
bool optuna_dist_widen(optuna_dist *wide, const optuna_dist *other, bool *changed);
json_t *optuna_dist_space(const optuna_dist *dist); /* {"$space": ...}, a new reference */
/* The stored number as the value that the study's program got; NULL: out of the distribution. */
json_t *optuna_dist_value(const optuna_dist *dist, double stored);
/* The other way: the distribution's JSON, and the number that stands for a value. */
json_t *optuna_dist_json(const optuna_dist *dist);
bool optuna_dist_stored(const optuna_dist *dist, const json_t *value, double *stored);

/* ---- optuna_import.c ---- */

typedef struct optuna_param {
    char name[OPTUNA_NAME_MAX + 1]; /* in the study */
    char path[RLT_NAME_MAX];        /* "params.lr" */
    optuna_dist dist;
    bool known;
    int64_t complete; /* complete trials that have it */
} optuna_param;
typedef struct optuna_study {
    optuna_db db;
    int64_t id;
    char name[OPTUNA_NAME_MAX + 1], library[64];
    optuna_param *params;
    int param_count;
    int objective_count, constraint_count;
    char objectives[RLT_OBJECTIVES_MAX][RLT_NAME_MAX];
    bool maximise[RLT_OBJECTIVES_MAX];
    char constraints[RLT_CONSTRAINTS_MAX][RLT_NAME_MAX];
    char constraint_keys[RLT_CONSTRAINTS_MAX]
                        [RLT_NAME_MAX];         /* system attributes; "": in the list */
    int constraint_places[RLT_CONSTRAINTS_MAX]; /* in the list "constraints" */
    int64_t trials, complete, steps_max;
    json_t *points; /* of waiting trials */
    rlt_notes *notes;
} optuna_study;
/* optuna_study.c: finds the study and reads all but its trials. */
rlt_status optuna_study_open(const char *path, const char *name, rlt_notes *notes,
                             optuna_study *study, rlt_err *err);
void optuna_study_close(optuna_study *study);
optuna_param *optuna_study_param(const optuna_study *study, const char *name); /* or NULL */
/* optuna_trial.c */
typedef enum {
    OPTUNA_PART_PARAMS,
    OPTUNA_PART_VALUES,
    OPTUNA_PART_STEPS,
    OPTUNA_PART_SYSTEM,
    OPTUNA_PART_USER,
    OPTUNA_PARTS
} optuna_part;
typedef struct optuna_reader {
    optuna_study *study;
    sqlite3_stmt *parts[OPTUNA_PARTS];
} optuna_reader;
typedef struct optuna_trial {
    int64_t id, number, started_ms, ended_ms;
    char state[16];
    json_t *params;  /* {path: value} */
    json_t *waiting; /* fixed_params, by name; or NULL */
    double values[RLT_OBJECTIVES_MAX], constraints[RLT_CONSTRAINTS_MAX];
    bool has_value;
    char reason[256];
    double last, best; /* of the intermediate values */
    int64_t steps;
    int reports;
} optuna_trial;
rlt_status optuna_reader_open(optuna_study *study, optuna_reader *in, rlt_err *err);
void optuna_reader_close(optuna_reader *in); /* safe on {0} */
/* Number, state and times from a row of: trial_id, number, state, datetime_start,
 * datetime_complete; the number must be the expected one. */
rlt_status optuna_trial_head(const optuna_reader *in, sqlite3_stmt *stmt, int64_t expected,
                             optuna_trial *t, rlt_err *err);
rlt_status optuna_trial_read(const optuna_reader *in, optuna_trial *t, rlt_err *err); /* the rest */
void optuna_trial_fini(optuna_trial *t);
/* What Optuna's state is called here, and the reason of that; NULL: no state of Optuna's. */
const char *optuna_state_reason(const char *state, const char **to);
/* The statement of a part, ready to step through the trial's rows. */
sqlite3_stmt *optuna_begin(const optuna_reader *in, optuna_part which, const optuna_trial *t);
/* optuna_config.c: the experiment's table, as a script would give it. */
json_t *optuna_study_config(optuna_study *study);

/* ---- optuna_export_space.c ---- */

typedef struct optuna_export_param {
    char path[RLT_NAME_MAX];        /* "ppo.lr" */
    char name[OPTUNA_NAME_MAX + 1]; /* in the study */
    optuna_dist dist;
    char *json; /* the distribution's */
} optuna_export_param;
typedef struct optuna_export_space {
    optuna_export_param *params;
    int count;
} optuna_export_space;
rlt_status optuna_export_space_of(rlt_store *store, const rlt_experiment_row *row, rlt_notes *notes,
                                  optuna_export_space *space, rlt_err *err);
const optuna_export_param *optuna_export_param_of(const optuna_export_space *space,
                                                  const char *path); /* or NULL */
void optuna_export_space_fini(optuna_export_space *space);
/* Lists and tables as JSON text, which Optuna's choices can be; a new reference. */
json_t *optuna_export_value(const json_t *value);

/* ---- optuna_schema.c ---- */

extern const char optuna_schema[];              /* every CREATE statement */
#define OPTUNA_REASON "rltune:reason"           /* user attribute of a trial */
#define OPTUNA_CONSTRAINTS "rltune:constraints" /* of a study: names of the list's places */
#define OPTUNA_SCHEMA_VERSION 12
#define OPTUNA_LIBRARY "5.0.0"
#define OPTUNA_ALEMBIC "v3.2.0.a"
/* Optuna's DATETIME, local time: "2026-01-31 12:00:00.000000", and back; 0: is none. */
void optuna_time_text(int64_t wall_ms, char text[40]);
int64_t optuna_time_parse(const char *text);

#endif
