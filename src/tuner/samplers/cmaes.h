/* tuner: what the sampler cmaes (cmaes.c) and the forming of its generations (cmaes_fold.c) share.
 * Thread: the tuner's. Owner: the tuner. */
#ifndef RLT_TUNER_CMAES_H
#define RLT_TUNER_CMAES_H
#include "tuner/samplers/cma.h"
#include "tuner/tuner_impl.h"

/* What follows from the trials before `next`, between two generations. */
typedef struct rlt_cmaes_standing {
    rlt_cma cma;      /* of the latest run */
    int64_t next;     /* the first trial that has not been looked at */
    int64_t closed;   /* generations so far */
    uint32_t run;     /* restarts so far */
    double *left;     /* [2][n] mean and standard deviation that the run before ended with */
    int large_lambda; /* of the latest run with a large population */
    double large_used, small_used; /* trials of the runs after the first one, by regime */
    bool large;
} rlt_cmaes_standing;

enum { RLT_CMAES_KEPT = 16 }; /* states between generations, so that little must be formed anew */
typedef struct rlt_cmaes {
    const rlt_search_space *space;
    const rlt_history *history;
    const rlt_tune_fields *config;
    int n;                         /* dimensions: parameters with numbers, more than one each */
    int *params;                   /* [n] their places in the space */
    rlt_cmaes_standing now, first; /* first: before any trial */
    rlt_cmaes_standing kept[RLT_CMAES_KEPT]; /* at closed % RLT_CMAES_KEPT */
    int64_t late; /* the least trial that ended after it had been passed; INT64_MAX: none */
    int filled;   /* trials of the generation so far, and what they need: */
    int capacity;
    int64_t *numbers;        /* [capacity] */
    double *points, *ranked; /* [capacity][n] */
    int *order;              /* [capacity] */
    double *z, *x;           /* [n] scratch */
} rlt_cmaes;

/* Mean [n] and covariance [n][n] that the search starts from, by the trials of an earlier
 * experiment; false: there are none that count. */
bool rlt_cmaes_warm(const rlt_cmaes *at, double *mean, double *cov);
/* Of the mixture of normals with standard deviation alpha around each of the points [count][n]. */
void rlt_cma_moments(const double *points, int n, int64_t count, double alpha, double *mean,
                     double *cov);
/* Whether the trial at place a ranks before that at place b. */
bool rlt_cmaes_before(const rlt_history *history, int64_t a, int64_t b);
/* The state before any trial of this experiment; at->n >= 1 and at->params are set. */
void rlt_cmaes_fold_init(rlt_cmaes *at);
void rlt_cmaes_fold_fini(rlt_cmaes *at);
/* Takes every trial that has ended into account. points: how many of the first trials were points
 * to try first. */
void rlt_cmaes_fold(rlt_cmaes *at, int64_t points);
static inline const rlt_param *rlt_cmaes_param(const rlt_cmaes *at, int j) {
    return &at->space->params[at->params[j]];
}
#endif
