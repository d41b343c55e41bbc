/* tuner: the distribution that CMA-ES adapts: N(mean, sigma^2 C), and its update from a ranked
 * generation. Hansen, "The CMA Evolution Strategy: A Tutorial" (2016), arXiv:1604.00772, with
 * active (negative) weights; numbers of equations are of its second version.
 * Thread: the tuner's. Owner: the caller (rlt_cma_fini). */
#ifndef RLT_TUNER_CMA_H
#define RLT_TUNER_CMA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rlt_cma {
    int n, lambda, mu; /* dimensions, size of a generation, of which selected */
    double mu_eff, c_c, c_1, c_mu, c_sigma, d_sigma, chi_n;
    double sigma, sigma_start;
    double std_max; /* no coordinate's standard deviation grows beyond it; 0: no limit */
    int64_t generation;
    double *block; /* holds all arrays below */
    size_t block_size;
    double *weights;          /* [lambda] */
    double *mean;             /* [n] */
    double *cov;              /* C, [n][n] */
    double *vectors, *scales; /* of C: eigenvectors as rows [n][n], roots of eigenvalues [n] */
    double *path_c, *path_sigma;
    double *widen;   /* [n] the diagonal of Hamano's A: samples are spread by it before rounding */
    double *history; /* [history_size][2] best and worst key of the latest generations */
    int history_size;
    double *scratch; /* [4 n + n n] */
} rlt_cma;

/* 4 + floor(3 ln n), (48). */
int rlt_cma_population(int n);
/* mean: [n], copied. lambda >= 3. */
void rlt_cma_init(rlt_cma *cma, int n, int lambda, const double *mean, double sigma);
/* Before any update: covariance [n][n], positive definite, of what is sampled. sigma becomes its
 * determinant's root, and C what is left. */
void rlt_cma_set_covariance(rlt_cma *cma, const double *covariance);
void rlt_cma_copy(rlt_cma *to, const rlt_cma *from); /* to: zeroed or in use */
void rlt_cma_fini(rlt_cma *cma);                     /* safe on a zeroed one */
/* x = mean + sigma B D z, all [n] */
void rlt_cma_sample(const rlt_cma *cma, const double *z, double *x);
/* points: [lambda][n], the best first; best, worst: the keys of the first and the last. */
void rlt_cma_update(rlt_cma *cma, const double *points, double best, double worst);
/* Keeps coordinate j, of which only the cell counts, from getting stuck in a cell: the mean lies in
 * the cell (low, high); -INFINITY, INFINITY: the cell is the first or the last one. Afterwards the
 * neighbours have a probability of at least `margin` / 2 each, or the one neighbour `margin`.
 * Hamano, Saito, Nomura, Shirakawa, "CMA-ES with Margin" (GECCO 2022), arXiv:2205.13482. */
void rlt_cma_margin(rlt_cma *cma, int j, double low, double high, double margin);
/* Whether going on makes no sense: no differences left, or numerics at their end. */
bool rlt_cma_exhausted(const rlt_cma *cma);
#endif
