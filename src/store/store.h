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
    int64_t seed, attempt; /* attempts started so far; part of the fence */
    /* Number of the search trial that first had these parameters (its own without replicates; of a
     * final one the winner's), -1: unknown; which of its replicates; id of the trial whose weights
     * it started from, 0: none. */
    int64_t configuration, replicate, parent;
    int64_t steps;
    double value, best;              /* newest and best result of the metric; NAN: none */
    double wall_s;                   /* NAN: none */
    char *params_json, *config_json; /* owned by the row: chosen values; concrete config */
} rlt_trial_row;

typedef enum { RLT_STORE_READ, RLT_STORE_WRITE } rlt_store_mode;
/* READ creates no file, works in a read-only folder, and sees what a live driver commits. WRITE
 * creates the file and its schema, or migrates. Refused with place and remedy: a file that is
 * no SQLite or not rltune's (RLT_ECORRUPT), newer schema (RLT_ENOTSUP), missing (RLT_ENOTFOUND),
 * unreadable or in a read-only folder (RLT_EIO), locked for 5 s (RLT_EBUSY), full disk (RLT_EFULL),
 * damaged (RLT_ECORRUPT). One process should open a file once, or the writer first. */
rlt_status rlt_store_open(const char *path, rlt_store_mode mode, rlt_store **store, rlt_err *err);
void rlt_store_close(rlt_store **store); /* commits nothing that is open; NULL is fine */

/* Group commit: everything between begin and commit is one transaction; a call outside is its own.
 * It starts with the first write, so an idle group blocks nobody. When a write fails for more than
 * its own arguments (full disk, I/O), the whole group is rolled back: later writes and the commit
 * say so, and nothing of it was kept. A refused write (RLT_ESTALE, RLT_EINVAL) leaves the group
 * as it was. RLT_ESTALE also when another driver has taken an experiment of this store. */
rlt_status rlt_store_begin(rlt_store *store, rlt_err *err);
rlt_status rlt_store_commit(rlt_store *store, rlt_err *err);
void rlt_store_rollback(rlt_store *store);

/* For rows that come from elsewhere: the time (ms since 1970) that rows get from now on; 0: now. */
void rlt_store_set_clock(rlt_store *store, int64_t wall_ms);

/* Creates the row in state running, owned by this store until it is closed; *id. Of the row: name,
 * metric (empty: no objective), maximise, config_json, script, script_path, facts_json (NULL is
 * fine). Only the owner may write rows of an experiment (else RLT_ESTALE). */
rlt_status rlt_store_experiment_create(rlt_store *store, const rlt_experiment_row *row, int64_t *id,
                                       rlt_err *err);
/* Takes the lock of an existing experiment and a new epoch, and makes its state "running";
 * RLT_EBUSY names the driver's pid. */
rlt_status rlt_store_experiment_own(rlt_store *store, int64_t id, int64_t *epoch, rlt_err *err);
rlt_status rlt_store_experiment_end(rlt_store *store, int64_t id, const char *state, rlt_err *err);
/* A further objective (position >= 1) or a constraint (position >= 0) of an experiment that this
 * store drives; in the group commit of its creation. */
rlt_status rlt_store_objective_add(rlt_store *store, int64_t experiment, int position,
                                   const char *metric, bool maximise, rlt_err *err);
rlt_status rlt_store_constraint_add(rlt_store *store, int64_t experiment, int position,
                                    const char *metric, rlt_err *err);
bool rlt_store_experiment_is_owned(rlt_store *store, int64_t id); /* some process has its lock */
rlt_status rlt_store_experiment_get(rlt_store *store, int64_t id, rlt_experiment_row *row,
                                    rlt_err *err); /* RLT_ENOTFOUND lists what there is */
void rlt_experiment_row_fini(rlt_experiment_row *row);

/* A pending trial with its parameters (params_json: {path: value} also becomes trial_params rows).
 */
rlt_status rlt_store_trial_create(rlt_store *store, const rlt_trial_row *row, int64_t *id,
                                  rlt_err *err);
/* One checked transition: RLT_ESTALE unless the row is in state `from` with attempt `attempt`.
 * A new attempt begins with the transition to "running": pass the attempts so far (0 for a new
 * trial); attempt + 1 is stored and is what later changes and checkpoints pass. Every other
 * transition leaves the attempt. The row in `transitions` comes with it, in the same transaction;
 * which transitions make sense is the tuner's table, not the store's. */
typedef struct rlt_trial_change {
    int64_t trial, attempt;
    const char *from, *to, *reason;
    int64_t steps;              /* -1: keep */
    double value, best, wall_s; /* NAN: keep */
    /* Of experiments with several objectives or with constraints; borrowed, NULL: none. NAN: no
     * value yet. */
    const double *values, *constraints;
    int value_count, constraint_count;
} rlt_trial_change;
rlt_status rlt_store_trial_change(rlt_store *store, const rlt_trial_change *change, rlt_err *err);
int64_t rlt_trial_change_attempt(const rlt_trial_change *change); /* the attempt that it stores */
/* How far a running trial is, for people who watch: no transition, as durable as a metric point.
 * RLT_ESTALE unless the trial is running in attempt `attempt`. */
typedef struct rlt_trial_progress {
    int64_t trial, attempt, steps; /* steps -1: keep */
    double value, best, wall_s;    /* NAN: keep */
} rlt_trial_progress;
rlt_status rlt_store_trial_progress(rlt_store *store, const rlt_trial_progress *progress,
                                    rlt_err *err);
/* One row as it is now, e.g. for its attempt; RLT_ENOTFOUND. Release by fini. */
rlt_status rlt_store_trial_get(rlt_store *store, int64_t trial, rlt_trial_row *row, rlt_err *err);
void rlt_trial_row_fini(rlt_trial_row *row);
/* Its texts, with the parameters in force now. RLT_ENOTFOUND. Release by fini. */
typedef struct rlt_trial_texts {
    char *reason, *params_json;
    char *config_json; /* with the parameters that the trial began with */
    char *origin;      /* where the parameters come from: docs/schema.md has the words */
    int64_t since;     /* steps of the trial from which on they hold */
} rlt_trial_texts;
rlt_status rlt_store_trial_texts(rlt_store *store, int64_t trial, rlt_trial_texts *texts,
                                 rlt_err *err);
void rlt_trial_texts_fini(rlt_trial_texts *texts);
/* Rows of an experiment, search before final, each in the order of number; the callback borrows the
 * row and may write to the store. */
typedef rlt_status (*rlt_trial_visit)(void *user, const rlt_trial_row *row, rlt_err *err);
rlt_status rlt_store_trials(rlt_store *store, int64_t experiment, rlt_trial_visit visit, void *user,
                            rlt_err *err);

/* Metric names are interned (1 to 127 bytes); a second point for (trial, metric, step) replaces the
 * first. value NAN is kept as SQL NULL. */
rlt_status rlt_store_metric(rlt_store *store, int64_t trial, int64_t step, const char *name,
                            double value, rlt_err *err);
/* In the order of step; nothing if there is no such point. The callback must not write. */
typedef rlt_status (*rlt_metric_visit)(void *user, int64_t step, double value, rlt_err *err);
rlt_status rlt_store_curve(rlt_store *store, int64_t trial, const char *name,
                           rlt_metric_visit visit, void *user, rlt_err *err);

typedef struct rlt_checkpoint_row {
    int64_t id, trial, attempt, step;
    char path[512], sha256[65];
    int64_t size;
} rlt_checkpoint_row;
/* RLT_ESTALE unless row->attempt is the trial's newest attempt. A second row for (trial, path)
 * replaces the first: the file was written again. */
rlt_status rlt_store_checkpoint_add(rlt_store *store, const rlt_checkpoint_row *row, rlt_err *err);
/* The newest of a trial whose step is <= step_max; RLT_ENOTFOUND: none. */
rlt_status rlt_store_checkpoint_latest(rlt_store *store, int64_t trial, int64_t step_max,
                                       rlt_checkpoint_row *row, rlt_err *err);
/* In the order of id; the callback may write, e.g. remove the row. */
typedef rlt_status (*rlt_checkpoint_visit)(void *user, const rlt_checkpoint_row *row, rlt_err *err);
rlt_status rlt_store_checkpoints(rlt_store *store, int64_t experiment, rlt_checkpoint_visit visit,
                                 void *user, rlt_err *err);
rlt_status rlt_store_checkpoint_remove(rlt_store *store, int64_t id, rlt_err *err);

/* Decisions of a stopper: idempotent by (trial, step, decider, round), the first stays. round: 0 on
 * the result, 1 on a trial that had paused. numbers_json: what led to it, at most 64 KiB. Reasons
 * are cut at 255 bytes, texts of events at 4096; other JSON is valid and at most 4 MiB. */
typedef struct rlt_decision_row {
    int64_t trial, step, round;
    const char *decider, *action, *numbers_json, *reason; /* borrowed */
} rlt_decision_row;
rlt_status rlt_store_decide(rlt_store *store, const rlt_decision_row *row, rlt_err *err);
/* The same in round 0. */
rlt_status rlt_store_decision(rlt_store *store, int64_t trial, int64_t step, const char *decider,
                              const char *action, const char *numbers_json, const char *reason,
                              rlt_err *err);
/* What goes with a decision that is there already, of this trial, step, decider and round (else
 * RLT_EINVAL): from `at` steps on the trial has the weights of the source's checkpoint and these
 * parameters. Idempotent by decision, the first stays. */
typedef struct rlt_exploit_row {
    int64_t trial, step, round;      /* of the decision */
    const char *decider;             /* borrowed */
    int64_t at, source, source_step; /* source: id of a trial, 0: its own weights */
    const char *params_json;
} rlt_exploit_row;
rlt_status rlt_store_exploit(rlt_store *store, const rlt_exploit_row *row, rlt_err *err);
/* The trial has ended at `step`, before it could go on with what it took over there: as if it had
 * not. *voided: there was such an exploit. */
rlt_status rlt_store_exploit_void(rlt_store *store, int64_t trial, int64_t step, bool *voided,
                                  rlt_err *err);
/* The parameters in force when a trial has taken `step` steps, which may differ from those that it
 * started with: owned by the caller (rlt_free). *at: the step of the newest exploit up to there,
 * *source: the id of the trial whose weights it took; 0, 0: none. */
rlt_status rlt_store_params(rlt_store *store, int64_t trial, int64_t step, char **params_json,
                            int64_t *at, int64_t *source, rlt_err *err);
/* Where a trial's weights come from, oldest first: the parts of trials that were trained one after
 * the other, with the parameters that each was trained with. The callback borrows the part. */
typedef struct rlt_lineage_part {
    int64_t number, from, to; /* trial and its steps */
    int64_t at;               /* steps that the weights had been trained for at `from` */
    const char *params_json;
} rlt_lineage_part;
typedef rlt_status (*rlt_lineage_visit)(void *user, const rlt_lineage_part *part, rlt_err *err);
rlt_status rlt_store_lineage(rlt_store *store, int64_t trial, rlt_lineage_visit visit, void *user,
                             rlt_err *err);
/* trial 0: of the experiment. */
rlt_status rlt_store_event(rlt_store *store, int64_t experiment, int64_t trial, const char *kind,
                           const char *text, rlt_err *err);

/* ---- what a search changes about itself; of experiments that this store drives ---- */
rlt_status rlt_store_experiment_config(rlt_store *store, int64_t experiment, const char *json,
                                       rlt_err *err);
/* Parameters that a trial got later, all of them again. */
rlt_status rlt_store_trial_params(rlt_store *store, int64_t trial, const char *params,
                                  const char *config, rlt_err *err);
/* A point to be tried before the sampler's; taken by the trial that tries it. The table is `queue`.
 */
rlt_status rlt_store_enqueue(rlt_store *store, int64_t experiment, const char *params,
                             const char *origin, int64_t *id, rlt_err *err);
rlt_status rlt_store_queue_take(rlt_store *store, int64_t id, int64_t trial, rlt_err *err);
typedef struct rlt_earlier_row { /* of the table earlier_trials; all borrowed */
    int64_t experiment, position, steps;
    const char *origin, *state, *params_json, *values_json, *constraints_json;
} rlt_earlier_row;
rlt_status rlt_store_earlier_add(rlt_store *store, const rlt_earlier_row *row, rlt_err *err);
/* Who runs a trial in the driver's place; again: a sign of life. As durable as a metric point. */
rlt_status rlt_store_lease(rlt_store *store, int64_t trial, const char *client, rlt_err *err);
rlt_status rlt_store_lease_end(rlt_store *store, int64_t trial, rlt_err *err);

/* Any read-only query, for views and exports: each row as text columns (NULL: SQL NULL). One SELECT
 * with as many parameters (?1, ...) as args; anything else is RLT_EINVAL. The callback must not
 * write. docs/schema.md lists tables and views. */
typedef rlt_status (*rlt_row_visit)(void *user, int columns, const char *const *names,
                                    const char *const *values, rlt_err *err);
rlt_status rlt_store_query(rlt_store *store, const char *sql, const int64_t *args, int arg_count,
                           rlt_row_visit visit, void *user, rlt_err *err);
/* SQLite's full integrity check (seconds for a large file); RLT_ECORRUPT says what is wrong. */
rlt_status rlt_store_check(rlt_store *store, rlt_err *err);
#endif
