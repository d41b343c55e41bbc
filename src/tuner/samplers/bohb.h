/* tuner: kernel densities of the sampler bohb: a product over dimensions of normals (numbers, as
 * places in [0, 1]) or of Aitchison and Aitken's kernels (choices), the same width at every point.
 * Formulas: statsmodels' KDEMultivariate with the bandwidth "normal_reference", which HpBandSter
 * uses. Thread: any. Owner: the caller (rlt_kde_fini). */
#ifndef RLT_TUNER_BOHB_H
#define RLT_TUNER_BOHB_H
#include <stdbool.h>
#include <stdint.h>

typedef struct rlt_kde {
    int d;
    const int *levels; /* [d] borrowed; of choices; 0: a number */
    int64_t count;
    double *points; /* [count][d] owned */
    double *widths; /* [d] owned */
} rlt_kde;
/* Copies the points [count][d]; widths: 1.06 std count^(-1 / (4 + d)), at least least_width, of
 * choices at most where all are alike. count >= 1. */
void rlt_kde_init(rlt_kde *kde, int d, const int *levels, const double *points, int64_t count,
                  double least_width);
void rlt_kde_fini(rlt_kde *kde); /* safe on a zeroed one */
double rlt_kde_density(const rlt_kde *kde, const double *x);
/* Of `count` results with d parameters, the best first: how many make the good density, and how
 * many after them the bad one; false: too few for a model. least: results for each, top: percent.
 */
bool rlt_bohb_parts(int d, int64_t least, int64_t top, int64_t count, int64_t *good, int64_t *bad);
#endif
