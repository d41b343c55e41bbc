/* tuner: Gaussian process regression whose kernel forgets over time:
 * k = v exp(-|x - x'|^2 / l) (1 - e)^(|t - t'| / 2), plus noise. Bogunovic, Scarlett and Cevher,
 * "Time-Varying Gaussian Process Bandit Optimization" (2016); with upper confidence bounds in
 * Parker-Holder et al., "Provably Efficient Online Hyperparameter Optimization with
 * Population-Based Bandits" (2020). The bandit of pb2 has few points, so everything is a plain loop
 * over a Cholesky factor; samplers/gp.h is the fast one, with another kernel. Thread: one. Owner:
 * the caller (rlt_tv_gp_fini). */
#ifndef RLT_TUNER_TV_GP_H
#define RLT_TUNER_TV_GP_H
#include <stdbool.h>

enum { RLT_TV_THETA = 4 }; /* logarithms of variance, length, forgetting, noise */
typedef struct rlt_tv_gp {
    int d, n, capacity; /* d: numbers of a place besides its time */
    double *places;     /* [capacity][1 + d] the time first */
    double *y;          /* [capacity] */
    double variance, length, forgetting, noise;
    double *factor;  /* [n][capacity] L, lower */
    double *alpha;   /* [n] (K + noise)^-1 y; 0 for places without a value */
    double *scratch; /* [3][capacity] */
    int known;       /* places with a value come first */
} rlt_tv_gp;
void rlt_tv_gp_init(rlt_tv_gp *gp, int d, int capacity);
void rlt_tv_gp_fini(rlt_tv_gp *gp); /* safe on a zeroed one */
/* place: [1 + d]. */
void rlt_tv_gp_add(rlt_tv_gp *gp, const double *place, double y);
void rlt_tv_gp_set(rlt_tv_gp *gp, const double theta[RLT_TV_THETA]);
void rlt_tv_gp_factor(rlt_tv_gp *gp);
/* A place that is being tried, after rlt_tv_gp_factor: variances are as if its value was known. */
void rlt_tv_gp_pend(rlt_tv_gp *gp, const double *place);
/* Minus the log marginal likelihood at theta, and its gradient. Factors. */
double rlt_tv_gp_loss(rlt_tv_gp *gp, const double *theta, double *gradient);
/* The most likely theta in a box around 1, 1, 0.1, 0.01; factored. */
void rlt_tv_gp_fit(rlt_tv_gp *gp, int calls);
/* Mean and variance of the function, without noise. */
void rlt_tv_gp_predict(rlt_tv_gp *gp, const double *place, double *mean, double *variance);
#endif
