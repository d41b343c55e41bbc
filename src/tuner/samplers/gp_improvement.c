/* tuner: log expected improvement: see gp.h.
 * Thread: any, no state. */
#include "tuner/samplers/gp.h"

#include <math.h>

/* The rest q of Mills' ratio: (1 - Phi(t)) / phi(t) = 1 / (t + q), q = 1 / (t + 2 / (t + ...)),
 * for t >= 2. */
static double mills_rest(double t) {
    int terms = 20 + (int)(400 / (t * t));
    double q = 0;
    for (int k = terms; k >= 1; k--) {
        q = k / (t + q);
    }
    return q;
}

double rlt_log_h(double z, double *slope) {
    const double log_sqrt_2pi = 0.91893853320467274178;
    if (z < -2) { /* h = phi (1 - t / (t + q)) = phi q / (t + q), and Phi / h = 1 / q */
        double t = -z, q = mills_rest(t);
        *slope = 1 / q;
        return -0.5 * z * z - log_sqrt_2pi + log(q) - log(t + q);
    }
    double phi = exp(-0.5 * z * z - log_sqrt_2pi), cdf = 0.5 * erfc(-z * M_SQRT1_2);
    double h = phi + z * cdf;
    *slope = cdf / h;
    return log(h);
}

double rlt_log_phi(double z, double *slope) {
    const double log_sqrt_2pi = 0.91893853320467274178;
    if (z < -2) { /* Phi = phi / (t + q) */
        *slope = -z + mills_rest(-z);
        return -0.5 * z * z - log_sqrt_2pi - log(*slope);
    }
    double cdf = 0.5 * erfc(-z * M_SQRT1_2);
    *slope = exp(-0.5 * z * z - log_sqrt_2pi) / cdf;
    return log(cdf);
}
