/* learner: the process of one trial and its worker processes.
 * Thread: main. */
#ifndef RLT_LEARNER_PROCESS_H
#define RLT_LEARNER_PROCESS_H
#include "learner/learner.h"
#include "worker/worker.h"

typedef struct rlt_workers_options { /* borrowed for the life of the source */
    const rlt_run_config *config;
    const rlt_env_def *def;
    const char *config_json, *script, *script_name; /* what the workers load */
    int count, first_env; /* workers of this learner; their first environment */
    const char *device;   /* where inference = "learner" acts; NULL: the CPU, as a worker would */
    /* Called now and then while waiting: heartbeats; an error ends the wait. */
    rlt_status (*idle)(void *user, rlt_err *err);
    void *idle_user;
} rlt_workers_options;
/* Worker processes are started by the first collect, by exec of this very binary. */
rlt_status rlt_source_workers(const rlt_workers_options *options, rlt_source **source,
                              rlt_err *err);

/* series.c: what a trial reports at one moment; a series without a value is left out. */
typedef struct rlt_series {
    const char *name;
    double value;
} rlt_series;
enum { RLT_SERIES_MAX = 24 };
/* evaluation: NULL if there is none of this moment. Returns their number. */
int rlt_series_now(const rlt_train_stats *stats, const rlt_train_figures *figures,
                   const rlt_evaluation *evaluation, double steps_per_s,
                   rlt_series out[RLT_SERIES_MAX]);
double rlt_series_find(const rlt_series *all, int count, const char *name); /* NAN: there is none */

/* The process: connects to the driver at `endpoint` (keys from the environment), trains its trial,
 * reports, and ends when the driver has acknowledged the end. */
typedef struct rlt_learner_args {
    const char *endpoint, *name; /* name: unique among the driver's learners */
    uint64_t epoch;              /* the attempt: the fence of all its messages */
    int rank, group_fd;          /* rank > 0: one of several, started by the first; see team.h */
    const rlt_env_def *const *envs;
} rlt_learner_args;
rlt_status rlt_learner_run(const rlt_learner_args *args, rlt_err *err);
/* The process of learner `rank` > 0: `endpoint` is the first learner's; group_fd: inherited shared
 * memory, -1: a ring of channels. */
rlt_status rlt_learner_peer_run(const rlt_learner_args *args, rlt_err *err);
#endif
