/* tuner: small dense matrices: see dense.h.
 * Thread: any, no state. */
#include "tuner/dense.h"
#include "core/core.h"

#include <math.h>
#include <string.h>

/* (p, q) := (c p - s q, s p + c q) */
static void rotate(int n, double *restrict p, double *restrict q, double c, double s) {
    for (int i = 0; i < n; i++) {
        double a = p[i], b = q[i];
        p[i] = c * a - s * b;
        q[i] = s * a + c * b;
    }
}

/* Zeroes a[p][q] by J^T a J, where J turns columns p and q. */
static void annihilate(int n, double *a, double *vectors, int p, int q) {
    double *row_p = a + (size_t)p * n, *row_q = a + (size_t)q * n;
    double tau = (row_q[q] - row_p[p]) / (2 * row_p[q]);
    double t = copysign(1, tau) / (fabs(tau) + sqrt(1 + tau * tau));
    double c = 1 / sqrt(1 + t * t), s = t * c;
    double pp = row_p[p] - t * row_p[q], qq = row_q[q] + t * row_p[q];
    rotate(n, row_p, row_q, c, s);
    row_p[p] = pp;
    row_q[q] = qq;
    row_p[q] = row_q[p] = 0;
    for (int i = 0; i < n; i++) { /* the columns by symmetry */
        a[(size_t)i * n + p] = row_p[i];
        a[(size_t)i * n + q] = row_q[i];
    }
    rotate(n, vectors + (size_t)p * n, vectors + (size_t)q * n, c, s);
}

void rlt_dense_eigen(int n, double *a, double *values, double *vectors) {
    enum { SWEEPS_MAX = 60 };
    memset(vectors, 0, sizeof(double) * (size_t)n * (size_t)n);
    for (int i = 0; i < n; i++) {
        vectors[(size_t)i * n + i] = 1;
    }
    bool turned = true;
    for (int sweep = 0; turned && sweep < SWEEPS_MAX; sweep++) {
        turned = false;
        for (int p = 0; p < n; p++) {
            for (int q = p + 1; q < n; q++) {
                double off = fabs(a[(size_t)p * n + q]);
                double least = fmin(fabs(a[(size_t)p * n + p]), fabs(a[(size_t)q * n + q]));
                if (off > 0x1p-54 * least && off > 1e-300) {
                    annihilate(n, a, vectors, p, q);
                    turned = true;
                }
            }
        }
    }
    for (int i = 0; i < n; i++) {
        values[i] = a[(size_t)i * n + i];
    }
}
