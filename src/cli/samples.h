/* cli, reporting: an experiment's trials as arrays: parameters with their domains, values of a
 * metric. Replicates of a configuration (tune.seeds) are one row. Thread: main only. Owner: who
 * loads closes. */
#ifndef RLT_CLI_SAMPLES_H
#define RLT_CLI_SAMPLES_H
#include "analysis/analysis.h"
#include "cli/report.h"

#define RLT_SAMPLES_STOPPED_OPTION                                                                 \
    { "--stopped", NULL, "also trials that a stopper ended early, by their last result" }

typedef struct rlt_samples_param {
    char path[RLT_NAME_MAX];
    char **names;  /* [choices] of a categorical one */
    bool inferred; /* the configuration does not say its domain: it is that of the values seen */
} rlt_samples_param;

typedef struct rlt_samples {
    rlt_analysis_data data; /* of the rows below; borrows from here */
    rlt_analysis_param *params;
    rlt_samples_param *info; /* [param_count] */
    double *x, *values;
    bool *feasible;                  /* [count] no constraint is above 0 */
    int *replicates;                 /* [count] trials that a row is made of */
    const rlt_report_trial **trials; /* [count] search trials with a result, in the order of number;
                                      * of a configuration with replicates its first one */
    int trial_count;                 /* all of the trials behind the rows */
    int stopped_count;               /* stopped ones with a result that were not asked for */
    char metric[RLT_NAME_MAX], aggregate[16]; /* tune.aggregate: "iqm", ... */
} rlt_samples;
/* metric: NULL: the experiment's first objective; an objective's name; or any other metric, by its
 * newest point. Completed trials, and stopped ones if wanted; of replicates their tune.aggregate.
 * RLT_ENOTFOUND: there is none, with what there is. */
rlt_status rlt_samples_load(const rlt_report *report, const char *metric, bool stopped,
                            rlt_samples *samples, rlt_err *err);
void rlt_samples_close(rlt_samples *samples); /* safe on {0} */
/* "40 trials", "14 configurations (40 trials)" */
void rlt_samples_count_text(const rlt_samples *samples, char text[64]);
/* Whether row a is better than row b (-1: none): feasible, with more replicates (one that was tried
 * once cannot beat one that was tried often), with the better value. */
bool rlt_samples_is_better(const rlt_samples *samples, int a, int b);
/* -1: none is feasible. */
int rlt_samples_best(const rlt_samples *samples);
/* By its path, or by the end of it ("lr") if only one parameter has that. RLT_ENOTFOUND gives the
 * nearest and all there are. */
rlt_status rlt_samples_param_find(const rlt_samples *samples, const char *path, int *index,
                                  rlt_err *err);

/* values[trial_count of the report]: the metric of every trial: of an objective its value, else the
 * newest point; NAN: none. */
rlt_status rlt_samples_values(const rlt_report *report, const char *metric, double *values,
                              rlt_err *err);
/* Fills params, info, x from the trials of the rows; part of load. */
rlt_status rlt_samples_load_params(const rlt_report *report, rlt_samples *samples, rlt_err *err);
#endif
