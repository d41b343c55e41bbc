/* tuner: small dense matrices in double precision, row-major.
 * Why not LAPACK: linking it makes every process of the one binary slower to start (measured:
 * reference LAPACK 1 to 2 ms, OpenBLAS 3 to 12 ms, against 0.6 ms without), OpenBLAS starts
 * threads, and its results depend on the processor; here vectors run over independent elements
 * only, so that every machine gets the same sums and a replayed study the same suggestions.
 * Thread: any, no state. */
#ifndef RLT_TUNER_DENSE_H
#define RLT_TUNER_DENSE_H
#include <stdbool.h>

/* The eigenvalues [n] (in no order) and orthonormal eigenvectors of the symmetric matrix a [n][n],
 * which is destroyed: vectors[k] is the row [n] of eigenvector k. Cyclic Jacobi: Golub and Van
 * Loan, Matrix Computations, 8.5. */
void rlt_dense_eigen(int n, double *a, double *values, double *vectors);
#endif
