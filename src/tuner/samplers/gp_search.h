/* tuner: where the log expected improvement of a Gaussian process, or of several ones, is largest.
 * Thread: the tuner's. */
#ifndef RLT_TUNER_GP_SEARCH_H
#define RLT_TUNER_GP_SEARCH_H
#include "tuner/samplers/gp_boxes.h"
#include "tuner/tuner_impl.h"

/* A dimension of [0, 1]^d. Categories are the numbers 0, 1, …; a value of a parameter with steps is
 * the middle of its cell. */
typedef struct rlt_gp_dim {
    const rlt_param *param;
    bool categorical;
    int64_t count; /* values; 0: continuous */
} rlt_gp_dim;
double rlt_gp_place(const rlt_gp_dim *dim, rlt_value value);
/* At u in [0, 1), the value of a place or the one nearest to it. */
rlt_value rlt_gp_value(const rlt_gp_dim *dim, double place);

/* A constraint: a trial is feasible where its function is at least `threshold`. */
typedef struct rlt_gp_limit {
    rlt_gp gp;
    double threshold;
} rlt_gp_limit;

typedef struct rlt_gp_search {
    rlt_gp *gp;                /* [objectives] */
    const rlt_gp_boxes *boxes; /* of several objectives; NULL: one */
    rlt_gp_limit *limits;      /* [limit_count] */
    int limit_count;
    bool any_feasible;      /* else there is nothing to improve on: the most likely feasible one */
    const rlt_gp_dim *dims; /* [gp->d] */
    double best;            /* value to improve on, of one objective */
    const double *incumbents; /* [incumbent_count][d] good places, the best first */
    int incumbent_count;
    bool untried; /* only where no trial has been: in a space that is finite */
    uint64_t seed;
    int64_t index; /* seed and index: what candidates are drawn by */
} rlt_gp_search;
static inline int rlt_gp_objectives(const rlt_gp_search *at) {
    return at->boxes != NULL ? at->boxes->objectives : 1;
}

/* ---- gp_acquisition.c ---- */
double rlt_gp_log_improvement(const rlt_gp_search *at, double mean, double variance);
/* What is maximised, at x, and its gradient [d] (of categories 0): the log expected improvement, of
 * several objectives that of the volume that the front dominates, plus the log probability of each
 * limit (Gardner et al. 2014, as Optuna's GPSampler). scratch: [2 objectives d] */
double rlt_gp_acquisition(const rlt_gp_search *at, const double *x, double *gradient,
                          double *scratch);
/* At eight places: x [d][8]. -INFINITY where `untried` forbids it. */
void rlt_gp_acquisition8(const rlt_gp_search *at, const double *x, double out[8]);

/* x [d]: the best place found. Returns the value there, -INFINITY if `untried` left none.
 * Candidates are a Sobol sequence and places around the incumbents; the most promising ones are
 * improved by gradient in the numbers and by trying out values in the rest. */
double rlt_gp_search_run(const rlt_gp_search *at, double *x);
#endif
