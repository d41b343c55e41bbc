/* driver: the process behind `rltune run` and `resume`: asks the tuner for trials, starts their
 * learners, writes every row (it is the sole writer of its experiment), answers milestones, tries
 * again what infrastructure broke, retrains the winner. What it acknowledged is in SQLite first.
 * Thread: one. Owner: the caller. */
#ifndef RLT_DRIVER_H
#define RLT_DRIVER_H
#include "config/config.h"
#include "core/core.h"
#include "env/env.h"
#include "lua/script.h"
#include "tuner/tuner.h"

#include <signal.h>

typedef struct rlt_driver_trial { /* what a person watches */
    int64_t number;
    bool final; /* a retraining of the winner */
    rlt_trial_state state;
    int64_t steps, steps_max;
    double last, best; /* of the tuned metric; NAN: none yet */
    double steps_per_s;
} rlt_driver_trial;

typedef struct rlt_driver_view { /* borrowed for the call */
    int64_t experiment;
    const char *name, *metric;
    const rlt_driver_trial *trials; /* those that are open, and the newest that have ended */
    size_t count;
    int64_t planned; /* trials in all, retraining included */
    int64_t states[RLT_TRIAL_STATE_COUNT];
    int64_t best_number; /* -1: none */
    double best_value;
    int64_t front;           /* trials on the Pareto front; -1: there is one objective */
    double elapsed_s, eta_s; /* NAN: not known yet */
    double steps_per_s;      /* of all trials together, since the start */
    int64_t steps;
} rlt_driver_view;

typedef struct rlt_driver_options {
    const char *db_path;
    const rlt_env_def *const *envs;
    const char *facts_json; /* about software and hardware, for the experiment's row; or NULL */
    /* May be NULL: called about ten times a second and once at the end. */
    void (*progress)(void *user, const rlt_driver_view *view);
    /* May be NULL: one line for each thing that happened, without a newline. */
    void (*event)(void *user, const char *line);
    /* May be NULL: clients may connect to the socket of this name from now on. */
    void (*listening)(void *user, int64_t experiment, const char *name);
    void *user;
    /* Counts the requests to stop: 1 ends cleanly with checkpoints, 2 at once. */
    const volatile sig_atomic_t *stop;
    const char *version; /* of this program: who joins must have the same; NULL: not checked */
    int64_t trials;      /* of resume: tune.trials from now on; 0: as it was */
} rlt_driver_options;

typedef struct rlt_driver_result {
    int64_t experiment;
    int64_t best_number; /* -1: none */
    double best_value;
    int64_t failed; /* trials */
    bool stopped;   /* by request: resume goes on */
} rlt_driver_result;

/* Everything that a run checks before it starts (what --dry-run does): the configuration, the
 * environment, the network, the device, the sampler. */
rlt_status rlt_driver_check(const rlt_driver_options *options, rlt_script *script,
                            rlt_experiment_config *config, rlt_err *err);
/* RLT_OK also when some trials failed (result->failed) or a stop was asked for (result->stopped);
 * RLT_EFAILED when more failed than tune.max_failed allows, or all. */
rlt_status rlt_driver_run(const rlt_driver_options *options, rlt_script *script,
                          rlt_driver_result *result, rlt_err *err);
/* Runs programs of an experiment that another process drives, `parallel` at a time, until its
 * search has ended or options->stop; *done: trials told. RLT_ENOTFOUND: nobody drives it;
 * RLT_EPEER: its driver has gone. */
rlt_status rlt_driver_join(const rlt_driver_options *options, int64_t experiment, int parallel,
                           int64_t *done, rlt_err *err);
/* A point ({path: value}) for an experiment that nobody drives: its next driver tries it. *queued:
 * how many wait. RLT_EBUSY: somebody drives it. */
rlt_status rlt_driver_enqueue(const char *db_path, int64_t experiment, const json_t *point,
                              int64_t *queued, rlt_err *err);
/* Where the checkpoint of a row lies: beside the database, wherever that has been moved to. */
rlt_status rlt_driver_checkpoint_path(const char *db_path, const char *row_path, char *path,
                                      size_t size, rlt_err *err);
/* The newest checkpoint of search trial `number`, or for -1 of the best trial: retrained winners
 * first. Its row's path and hash; RLT_ENOTFOUND: there is none. */
struct rlt_store;
rlt_status rlt_driver_find_checkpoint(struct rlt_store *store, int64_t experiment, int64_t number,
                                      char path[512], char sha256[65], rlt_err *err);
/* The process of trials that are a function of the script: what they share on standard input, tasks
 * and reports over the connected descriptor. */
rlt_status rlt_function_run(int fd, rlt_err *err);
rlt_status rlt_driver_resume(const rlt_driver_options *options, int64_t experiment,
                             rlt_driver_result *result, rlt_err *err);
#endif
