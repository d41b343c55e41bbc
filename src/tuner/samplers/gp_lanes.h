/* tuner: the loops of a Gaussian process over its points, once for each vector unit: gp_plain.c,
 * gp_avx2.c, gp_avx512.c; the same bits in all: elements are independent, or sums are made in eight
 * parts whatever the width. Sanitizer builds use the plain form. Matrices have rows of `stride`
 * doubles, a multiple of 8, padded by zeros. Thread: pure functions. */
#ifndef RLT_TUNER_GP_LANES_H
#define RLT_TUNER_GP_LANES_H
#include "tuner/samplers/gp.h"

typedef struct rlt_gp_kernel {
    int d, count, stride; /* points 0 .. count - 1 count; the rest up to a multiple of 8 gives 0 */
    const double *x;      /* [d][stride] */
    const double *query;  /* [d] */
    const double *weights;
    const bool *categorical;
    double scale;
    double *k, *slope; /* [stride]; slope may be NULL */
} rlt_gp_kernel;

typedef struct rlt_gp_product {
    int n, stride;
    const double *lower; /* [n][stride] */
    const double *v;     /* [stride], finite */
    double *out;         /* [stride] */
} rlt_gp_product;

typedef struct rlt_gp_gram_of {
    int n, stride;
    const double *lower; /* [n][stride] */
    double *out;         /* [n][stride] lower^T lower; its part above the diagonal is of no use */
} rlt_gp_gram_of;

/* For every dimension j: out[j] = sum over points of c (query_j - x_j) or, squared, of
 * c (query_j - x_j)^2; differences of categories count 0, or, squared, 1. */
typedef struct rlt_gp_pull_of {
    int d, count, stride;
    const double *x, *query;
    const bool *categorical;
    const double *c; /* [stride] 0 beyond count */
    bool squared;
    double *out; /* [d] */
} rlt_gp_pull_of;

/* Eight queries side by side: their kernels with every point, [count][8]; sum of alpha k, and sum
 * of (lower k)^2. */
typedef struct rlt_gp_eight {
    int d, count, stride;
    const double *x, *queries; /* [d][stride], [d][8] */
    const double *weights;
    const bool *categorical;
    double scale;
    const double *alpha, *lower;
    double *k;             /* [count][8] scratch */
    double *sum, *squares; /* [8] */
} rlt_gp_eight;

/* Of each number on its own; counts are multiples of 8. */
typedef struct rlt_gp_log_h_of {
    int count;
    const double *z;
    double *value, *slope; /* log h(z) and its derivative, see gp.h; within 1e-12 of max(1, |it|) */
} rlt_gp_log_h_of;

typedef struct rlt_gp_gap_of {
    int count;
    const double *low, *high; /* logarithms a >= b */
    double *ratio;            /* exp(b - a), at most 1 - 2^-53; may be `high` */
    double *gap;              /* log(exp(a) - exp(b)); may be `low` */
} rlt_gp_gap_of;

struct rlt_gp_form {
    void (*kernel_row)(const rlt_gp_kernel *a);
    void (*times)(const rlt_gp_product *a);            /* out := lower v */
    void (*transposed_times)(const rlt_gp_product *a); /* out := lower^T v */
    void (*gram)(const rlt_gp_gram_of *a);
    void (*pull)(const rlt_gp_pull_of *a);
    void (*eight_queries)(const rlt_gp_eight *a);
    void (*log_h)(const rlt_gp_log_h_of *a);
    void (*gaps)(const rlt_gp_gap_of *a);
    void (*exps)(int count, double *x); /* in place, x <= 1 */
};
extern const rlt_gp_form rlt_gp_plain;
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define RLT_GP_VECTOR_FORMS 1
extern const rlt_gp_form rlt_gp_avx2, rlt_gp_avx512;
#endif
/* Form 0, 1, 2 (plain, AVX2, AVX-512) or NULL where this machine or build has none of it. */
const rlt_gp_form *rlt_gp_form_at(int i);
const rlt_gp_form *rlt_gp_form_best(void);

double rlt_gp_dot(int count, const double *a, const double *b); /* in a fixed order */
#endif
