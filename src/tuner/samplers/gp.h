/* tuner: Gaussian process regression on [0, 1]^d and log expected improvement.
 * Kernel: Matern 5/2 with a length per dimension, s (1 + sqrt(5 r) + 5 r / 3) exp(-sqrt(5 r)),
 * r = sum_j w_j (x_j - x'_j)^2, or w_j where x_j and x'_j differ for categories (Hamming distance);
 * plus noise. Rasmussen and Williams, Gaussian Processes for Machine Learning
 * (2006), 2.2, 4.2, 5.4. Instead of the Cholesky factor L of the covariance its inverse is kept,
 * row by row: a point that comes is one more row, and a prediction is products only. Thread: one.
 * Owner: the caller (rlt_gp_fini). */
#ifndef RLT_TUNER_GP_H
#define RLT_TUNER_GP_H
#include <stdbool.h>

typedef struct rlt_gp_form rlt_gp_form;
typedef struct rlt_gp {
    int d, capacity;         /* capacity: a multiple of 8 */
    const bool *categorical; /* [d] borrowed */
    const rlt_gp_form *form; /* of the loops: gp_lanes.h */
    int known, n;            /* points with a value; with those that are pending after them */
    double *x;               /* [d][capacity] */
    double *y;               /* [capacity] */
    double *weights;         /* [d] w, inverse squared lengths */
    double scale, noise;     /* variances */
    double *inverse;         /* [capacity][capacity] of L: lower, zeros above */
    double *alpha;           /* [capacity] (K + noise)^-1 y; 0 beyond the known */
    double *k, *slope;       /* [capacity] scratch: kernel at each point, its derivative by r */
    double *v, *w;           /* [capacity] scratch */
    double *place;           /* [2 d] scratch */
    double *block;
} rlt_gp;

/* Parameters of the fit: logarithms of w [d], of the scale and of the noise above the least. */
#define RLT_GP_NOISE_MIN 1e-6
void rlt_gp_init(rlt_gp *gp, int d, const bool *categorical, int capacity);
void rlt_gp_fini(rlt_gp *gp);                           /* safe on a zeroed one */
void rlt_gp_clear(rlt_gp *gp);                          /* no points; parameters stay */
void rlt_gp_add(rlt_gp *gp, const double *x, double y); /* x: [d]; before rlt_gp_factor */
/* Takes the parameters theta [d + 2]. */
void rlt_gp_set(rlt_gp *gp, const double *theta);
/* Makes `inverse` and `alpha` for the known points. */
void rlt_gp_factor(rlt_gp *gp);
/* A point whose value is not known yet, after rlt_gp_factor: from now on predictions are as if it
 * had come out as predicted, without noise (kriging believer, Ginsbourger et al. 2010): the mean
 * stays, the variance falls, there to almost nothing however noisy results are, so that trials that
 * run at the same time are different ones. */
void rlt_gp_pend(rlt_gp *gp, const double *x);
/* log of the marginal likelihood of y, after rlt_gp_factor. */
double rlt_gp_log_likelihood(const rlt_gp *gp);
/* Minus the log posterior of theta, and its gradient. Priors are Optuna's: 0.1 / w + 0.1 w for
 * lengths, Gamma(2, 1) for the scale, Gamma(1.1, 30) for the noise. Factors. */
double rlt_gp_loss(rlt_gp *gp, const double *theta, double *gradient);
/* The most likely parameters, by at most `calls` factorisations from a fixed start; factored. */
void rlt_gp_fit(rlt_gp *gp, int calls);
/* Mean and variance of the function (without noise) at x, and their gradients [d], unless NULL:
 * those of categories are 0. */
void rlt_gp_predict(rlt_gp *gp, const double *x, double *mean, double *variance, double *mean_slope,
                    double *variance_slope);
/* At eight places: x [d][8], mean [8], variance [8]. */
void rlt_gp_predict8(rlt_gp *gp, const double *x, double *mean, double *variance);

/* log(phi(z) + z Phi(z)), and its derivative; finite for every finite z down to -1e150. With it
 * log E max(f - best, 0) = rlt_log_h((mean - best) / std) + log std. Ament et al., "Unexpected
 * Improvements to Expected Improvement" (2023), (9); here by the continued fraction of Mills'
 * ratio, which loses nothing to cancellation. */
double rlt_log_h(double z, double *slope);
/* log Phi(z), and its derivative; finite for the same z. */
double rlt_log_phi(double z, double *slope);
#endif
