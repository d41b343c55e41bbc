/* tuner: the inner loops of Parzen estimators, once for each vector unit: parzen_plain.c,
 * parzen_avx2.c, parzen_avx512.c. Sanitizer builds use the plain form. Thread: pure functions. */
#ifndef RLT_TUNER_PARZEN_FORMS_H
#define RLT_TUNER_PARZEN_FORMS_H
#include "tuner/samplers/parzen.h"

enum { RLT_PARZEN_CHUNK = 64 }; /* kernels that are added at once: they stay in the cache */
typedef struct rlt_parzen_kernel {
    const double *mu, *inverse;
    const uint32_t *classes;
    double constant, weight;
} rlt_parzen_kernel;
typedef struct rlt_parzen_chunk {
    const rlt_parzen_kernel *kernels;
    int count;                 /* at most RLT_PARZEN_CHUNK */
    int first, real_end, last; /* dimensions: real ones, then those with a table */
    const double *x;           /* [dim_count, lanes] */
    const double *rows;
    const int64_t *row_start;
    int lanes;
    double *peak, *sum; /* [lanes] of the log densities so far, and of exp(density - peak) */
} rlt_parzen_chunk;
typedef struct rlt_parzen_cells {
    const double *left, *right; /* [lanes] edges of the lanes' cells */
    const double *kinds;        /* [classes, 2]: mu, sigma */
    int64_t classes;
    int lanes;
    double *rows; /* [classes, lanes] log masses */
} rlt_parzen_cells;

struct rlt_parzen_form {
    void (*add_chunk)(const rlt_parzen_chunk *chunk);
    void (*fill_rows)(const rlt_parzen_cells *cells);
};
extern const rlt_parzen_form rlt_parzen_plain;
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define RLT_PARZEN_VECTOR_FORMS 1
extern const rlt_parzen_form rlt_parzen_avx2, rlt_parzen_avx512;
#endif
/* Form 0, 1, 2 (plain, AVX2, AVX-512) or NULL where this machine or build has none of it. */
const rlt_parzen_form *rlt_parzen_form_at(int i);
#endif
