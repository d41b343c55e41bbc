/* store: experiments, trials, metrics, checkpoints, decisions as rows of one SQLite file (WAL).
 * An experiment's driver is the sole writer of its rows (an OFD lock on a byte of FILE-lock, which
 * the kernel drops when the process dies); everybody else reads.
 * Durability (I1): trials, results, checkpoints, decisions and events are acknowledged only after
 * a commit with synchronous=FULL; metric points ride in the same group commits.
 * Thread: a store belongs to one thread. Owner: the caller. */
#ifndef RLT_STORE_H
#define RLT_STORE_H
#include "core/core.h"

typedef struct rlt_store rlt_store;
typedef struct rlt_experiment_row {
    int64_t id;
    char name[128], state[16]; /* "running", "stopped", "completed", "failed" */
    char metric[128];
    bool maximise;
    int64_t driver_pid, epoch;    /* the fencing epoch of its newest owner */
    int64_t created_ms, ended_ms; /* wall clock; 0: not ended */
    char *config_json, *script, *script_path, *facts_json; /* owned by the row */
} rlt_experiment_row;
typedef struct rlt_trial_row {
    int64_t id, experiment, number; /* number counts per experiment and role */
    char role[8];                   /* "search" | "final" (retraining of the winner) */
    char state[16], reason[256];
    int64_t seed, attempt; /* attempts so far; the attempt is part of the fence */
    int64_t steps;
    double value, best; /* NAN: none */
    double wall_s;
    char *params_json, *config_json; /* owned by the row: chosen values; concrete config */
} rlt_trial_row;

typedef enum { RLT_STORE_READ, RLT_STORE_WRITE } rlt_store_mode;
/* WRITE creates the file and its schema, or migrates. Refused with place and remedy: a file that is
 * no SQLite or not rltune's (RLT_ECORRUPT), newer schema, unreadable, locked (RLT_EBUSY), read-only
 * folder, full disk (RLT_EFULL). */
rlt_status rlt_store_open(const char *path, rlt_store_mode mode, rlt_store **store, rlt_err *err);
void rlt_store_close(rlt_store **store); /* commits nothing that is open; NULL is fine */

/* Group commit: everything between begin and commit is one transaction. */
rlt_status rlt_store_begin(rlt_store *store, rlt_err *err);
rlt_status rlt_store_commit(rlt_store *store, rlt_err *err);
void rlt_store_rollback(rlt_store *store);

/* Creates the row in state running, owned by this process; *id. */
rlt_status rlt_store_experiment_create(rlt_store *store, const rlt_experiment_row *row, int64_t *id,
                                       rlt_err *err);
/* Takes the lock of an existing experiment and a new epoch; RLT_EBUSY names the driver's pid. */
rlt_status rlt_store_experiment_own(rlt_store *store, int64_t id, int64_t *epoch, rlt_err *err);
rlt_status rlt_store_experiment_end(rlt_store *store, int64_t id, const char *state, rlt_err *err);
/* Whether some process holds the experiment's lock now. */
bool rlt_store_experiment_is_owned(rlt_store *store, int64_t id);
rlt_status rlt_store_experiment_get(rlt_store *store, int64_t id, rlt_experiment_row *row,
                                    rlt_err *err); /* RLT_ENOTFOUND lists what there is */
void rlt_experiment_row_fini(rlt_experiment_row *row);

/* A pending trial with its parameters (params_json: {path: value} also becomes trial_params rows).
 */
rlt_status rlt_store_trial_create(rlt_store *store, const rlt_trial_row *row, int64_t *id,
                                  rlt_err *err);
/* One checked transition: RLT_ESTALE unless the row is in state `from` with attempt `attempt`.
 * A new attempt (attempt + 1) begins with the transition to "running". value NAN: keep. */
typedef struct rlt_trial_change {
    int64_t trial, attempt;
    const char *from, *to, *reason;
    int64_t steps;              /* -1: keep */
    double value, best, wall_s; /* NAN: keep */
} rlt_trial_change;
rlt_status rlt_store_trial_change(rlt_store *store, const rlt_trial_change *change, rlt_err *err);
/* Rows of an experiment in the order of role, number; the callback borrows the row. */
typedef rlt_status (*rlt_trial_visit)(void *user, const rlt_trial_row *row, rlt_err *err);
rlt_status rlt_store_trials(rlt_store *store, int64_t experiment, rlt_trial_visit visit, void *user,
                            rlt_err *err);

/* Metric names are interned; a second point for (trial, metric, step) replaces the first. */
rlt_status rlt_store_metric(rlt_store *store, int64_t trial, int64_t step, const char *name,
                            double value, rlt_err *err);
typedef rlt_status (*rlt_metric_visit)(void *user, int64_t step, double value, rlt_err *err);
rlt_status rlt_store_curve(rlt_store *store, int64_t trial, const char *name,
                           rlt_metric_visit visit, void *user, rlt_err *err);

typedef struct rlt_checkpoint_row {
    int64_t id, trial, attempt, step;
    char path[512], sha256[65];
    int64_t size;
} rlt_checkpoint_row;
rlt_status rlt_store_checkpoint_add(rlt_store *store, const rlt_checkpoint_row *row, rlt_err *err);
/* The newest of a trial whose step is <= step_max; RLT_ENOTFOUND: none. */
rlt_status rlt_store_checkpoint_latest(rlt_store *store, int64_t trial, int64_t step_max,
                                       rlt_checkpoint_row *row, rlt_err *err);
typedef rlt_status (*rlt_checkpoint_visit)(void *user, const rlt_checkpoint_row *row, rlt_err *err);
rlt_status rlt_store_checkpoints(rlt_store *store, int64_t experiment, rlt_checkpoint_visit visit,
                                 void *user, rlt_err *err);
rlt_status rlt_store_checkpoint_remove(rlt_store *store, int64_t id, rlt_err *err);

/* Decisions of a stopper: idempotent by (trial, step, decider). numbers_json: what led to it. */
rlt_status rlt_store_decision(rlt_store *store, int64_t trial, int64_t step, const char *decider,
                              const char *action, const char *numbers_json, const char *reason,
                              rlt_err *err);
/* trial 0: of the experiment. */
rlt_status rlt_store_event(rlt_store *store, int64_t experiment, int64_t trial, const char *kind,
                           const char *text, rlt_err *err);

/* Any read-only query, for views and exports: each row as text columns (NULL: SQL NULL). */
typedef rlt_status (*rlt_row_visit)(void *user, int columns, const char *const *names,
                                    const char *const *values, rlt_err *err);
rlt_status rlt_store_query(rlt_store *store, const char *sql, const int64_t *args, int arg_count,
                           rlt_row_visit visit, void *user, rlt_err *err);
#endif
