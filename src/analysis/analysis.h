/* analysis: what finished trials say: which parameters matter, and whether one thing is better than
 * another, with how sure that is. Pure: arrays in, numbers out; no I/O, no clock; the same seed
 * gives the same numbers. Thread: any. Owner: the caller owns every array. */
#ifndef RLT_ANALYSIS_H
#define RLT_ANALYSIS_H
#include "core/core.h"

/* ---- importance of parameters ---- */
typedef struct rlt_analysis_param {
    const char *name;
    int choices;      /* > 0: categorical, values are indices below it */
    double low, high; /* else the domain, both ends included */
    double step;      /* 0: continuous; of integers 1 */
    bool log;         /* low > 0 */
} rlt_analysis_param;
typedef struct rlt_analysis_data {
    const rlt_analysis_param *params;
    int param_count;
    const double *x;      /* [count, param_count]; NAN: the trial has no such parameter */
    const double *values; /* [count]; not finite: the trial is left out */
    int count;
    bool maximise;
} rlt_analysis_data;
typedef struct rlt_importance {
    int param;    /* of data->params */
    double share; /* all of them sum to 1, as optuna.importance.get_param_importances gives it */
    double raw;   /* fANOVA: part of the variance that the parameter explains alone; PED-ANOVA:
                   * the divergence */
    double deviation; /* of raw over the trees; NAN: PED-ANOVA */
    bool left_out;    /* too many choices, or for fANOVA: some trials lack the parameter; raw and
                       * share are 0 */
} rlt_importance;

enum { RLT_ANALYSIS_CHOICES_MAX = 64 };
typedef struct rlt_fanova_options {
    int trees, depth_max; /* 0: 64, as optuna.importance.FanovaImportanceEvaluator */
    bool log_scale;       /* log parameters are measured on their log scale, as in the paper; Optuna
                           * takes them as they are */
    uint64_t seed;
} rlt_fanova_options;
/* Functional ANOVA over a random forest (Hutter, Hoos, Leyton-Brown: "An Efficient Approach for
 * Assessing Hyperparameter Importance", ICML 2014). out[param_count], largest first. Categorical
 * parameters are one column a choice, as Optuna does it: combinations of columns that no trial can
 * have count as well, so several of them share less exactly than numbers do. Only parameters that
 * every trial has.
 * RLT_EINVAL: fewer than 2 trials, all values equal, or no parameter with more than one value and
 * at most RLT_ANALYSIS_CHOICES_MAX choices. */
rlt_status rlt_importance_fanova(const rlt_analysis_data *data, const rlt_fanova_options *options,
                                 rlt_importance *out, rlt_err *err);

typedef struct rlt_ped_anova_options {
    double target, region; /* quantiles, 0 < target < region <= 1; 0: 0.1 and 1, as Optuna */
    bool global;           /* against the uniform density, not that of the region's trials */
} rlt_ped_anova_options;
/* PED-ANOVA (Watanabe, Bansal, Hutter: arXiv 2304.10255, IJCAI 2023) with its extension to
 * conditional parameters (arXiv 2601.20800), with the numbers of
 * optuna.importance.PedAnovaImportanceEvaluator 5.0.0: which parameters made trials reach the best
 * tenth. out[param_count], largest first. Errors as above. */
rlt_status rlt_importance_ped_anova(const rlt_analysis_data *data,
                                    const rlt_ped_anova_options *options, rlt_importance *out,
                                    rlt_err *err);

/* ---- one against another ---- */
/* Scores are [runs, tasks]: one row a run (a seed); tasks are the strata. All finite. */
typedef struct rlt_scores {
    const double *values;
    int runs, tasks;
} rlt_scores;
typedef struct rlt_estimate {
    double value, low, high; /* low, high: NAN with fewer than 2 runs */
} rlt_estimate;
typedef struct rlt_bootstrap {
    int repetitions;   /* 0: 2000 */
    double confidence; /* 0: 0.95 */
    uint64_t seed;
} rlt_bootstrap;
/* The mean of what is left without the lowest and the highest quarter, of all runs and tasks
 * together (Agarwal et al.: "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
 * NeurIPS 2021; rliable.metrics.aggregate_iqm). NAN: no scores. */
double rlt_iqm(const rlt_scores *scores);
/* With a percentile interval of the stratified bootstrap: runs are drawn anew within each task. */
rlt_estimate rlt_iqm_estimate(const rlt_scores *scores, const rlt_bootstrap *options);
/* P(x > y) + P(x = y) / 2 for a run of each, averaged over tasks; both have the same tasks. */
double rlt_improvement(const rlt_scores *x, const rlt_scores *y);
rlt_estimate rlt_improvement_estimate(const rlt_scores *x, const rlt_scores *y,
                                      const rlt_bootstrap *options);

typedef struct rlt_rank_test {
    double u;       /* pairs in which x is larger, ties count half */
    double p;       /* two-sided */
    bool exact;     /* else the normal approximation, corrected for ties and continuity */
    double p_least; /* the smallest p that so few values can give */
} rlt_rank_test;
/* Mann and Whitney 1947. Exact without ties where either has at most 8 values, as SciPy. */
rlt_rank_test rlt_mann_whitney(const double *x, int x_count, const double *y, int y_count);

typedef struct rlt_moments {
    double mean, deviation; /* sample standard deviation; NAN with fewer than 2 */
    int count;
} rlt_moments;
rlt_moments rlt_moments_of(const double *values, int count);
typedef struct rlt_welch {
    double difference, low, high; /* of means, x - y, with its interval */
    double t, freedom, p;         /* two-sided */
} rlt_welch;
/* Welch 1947: means of unequal variances. All NAN but the difference where a deviation is missing
 * or both are 0. */
rlt_welch rlt_welch_test(const rlt_moments *x, const rlt_moments *y, double confidence);
/* Student's paired test, one-sided: the probability of differences (finite) whose mean is as far
 * below 0 as this, or more, if their mean is 0 (scipy.stats.ttest_1samp, alternative "less"). All
 * the same: 0 below 0, 1 above, 1/2 at 0. NAN: fewer than 2. */
double rlt_paired_less(const double *differences, int count);
double rlt_student_tails(double t, double freedom); /* P(|T| > t) of Student's distribution */

typedef struct rlt_friedman {
    double statistic, p; /* chi-squared, corrected for ties; NAN: all are ties */
    double error;        /* of a difference of two rank sums (Conover 1999, 5.8) */
    double freedom;      /* its degrees: (blocks - 1) (treatments - 1) */
} rlt_friedman;
/* Friedman 1937: whether treatments differ, ranked within each block: values[blocks, treatments],
 * finite. rank_sums[treatments]: 1 is the smallest of a block. All NAN: fewer than 2 of either. */
rlt_friedman rlt_friedman_test(const double *values, int blocks, int treatments, double *rank_sums);
/* Two-sided p-value of a difference of two rank sums; the test before it should be significant. */
double rlt_conover(const rlt_friedman *test, double difference);
#endif
