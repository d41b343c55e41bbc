/* tuner: Gaussian process regression that forgets: see tv_gp.h. Thread: one. Owner: see tv_gp.h. */
#include "tuner/stoppers/tv_gp.h"

#include "tuner/minimise.h"
#include "tuner/tuner_impl.h"

#include <math.h>
#include <string.h>

void rlt_tv_gp_init(rlt_tv_gp *gp, int d, int capacity) {
    size_t rows = (size_t)capacity, width = (size_t)d + 1;
    *gp = (rlt_tv_gp){.d = d, .capacity = capacity};
    gp->places = rlt_alloc(sizeof(double) * (rows * width + rows * rows + 5 * rows));
    gp->factor = gp->places + rows * width;
    gp->y = gp->factor + rows * rows;
    gp->alpha = gp->y + rows;
    gp->scratch = gp->alpha + rows;
    rlt_tv_gp_set(gp, (double[]){0, 0, log(0.1), log(0.01)});
}

void rlt_tv_gp_fini(rlt_tv_gp *gp) {
    rlt_free(gp->places);
    *gp = (rlt_tv_gp){0};
}

void rlt_tv_gp_set(rlt_tv_gp *gp, const double theta[RLT_TV_THETA]) {
    gp->variance = exp(theta[0]);
    gp->length = exp(theta[1]);
    gp->forgetting = exp(theta[2]);
    gp->noise = exp(theta[3]);
}

static double *place_of(const rlt_tv_gp *gp, int i) {
    return gp->places + (size_t)i * (size_t)(gp->d + 1);
}

void rlt_tv_gp_add(rlt_tv_gp *gp, const double *place, double y) {
    RLT_ASSERT(gp->n < gp->capacity && gp->n == gp->known);
    memcpy(place_of(gp, gp->n), place, sizeof(double) * (size_t)(gp->d + 1));
    gp->y[gp->n++] = y;
    gp->known = gp->n;
}

static double distance(const rlt_tv_gp *gp, const double *a, const double *b) {
    double sum = 0;
    for (int j = 1; j <= gp->d; j++) {
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    }
    return sum;
}

static double kernel(const rlt_tv_gp *gp, const double *a, const double *b) {
    return gp->variance * exp(-distance(gp, a, b) / gp->length) *
           pow(1 - gp->forgetting, 0.5 * fabs(a[0] - b[0]));
}

/* Row i of L, from the rows before; out: [i + 1]. */
static void factor_row(rlt_tv_gp *gp, int i, double *out) {
    const double *at = place_of(gp, i);
    double own = gp->variance + gp->noise, rest = own;
    for (int p = 0; p < i; p++) {
        const double *row = gp->factor + (size_t)p * (size_t)gp->capacity;
        double sum = kernel(gp, at, place_of(gp, p));
        for (int q = 0; q < p; q++) {
            sum -= out[q] * row[q];
        }
        out[p] = sum / row[p];
        rest -= out[p] * out[p];
    }
    out[i] = sqrt(fmax(rest, 1e-12 * own)); /* never less but by rounding */
}

static void solve_lower(const rlt_tv_gp *gp, int n, double *b) {
    for (int i = 0; i < n; i++) {
        const double *row = gp->factor + (size_t)i * (size_t)gp->capacity;
        for (int p = 0; p < i; p++) {
            b[i] -= row[p] * b[p];
        }
        b[i] /= row[i];
    }
}

static void solve_upper(const rlt_tv_gp *gp, int n, double *b) { /* with the transpose of L */
    for (int i = n - 1; i >= 0; i--) {
        b[i] /= gp->factor[(size_t)i * (size_t)gp->capacity + (size_t)i];
        for (int p = 0; p < i; p++) {
            b[p] -= gp->factor[(size_t)i * (size_t)gp->capacity + (size_t)p] * b[i];
        }
    }
}

void rlt_tv_gp_factor(rlt_tv_gp *gp) {
    gp->n = gp->known;
    for (int i = 0; i < gp->n; i++) {
        factor_row(gp, i, gp->factor + (size_t)i * (size_t)gp->capacity);
    }
    memcpy(gp->alpha, gp->y, sizeof(double) * (size_t)gp->n);
    solve_lower(gp, gp->n, gp->alpha);
    solve_upper(gp, gp->n, gp->alpha);
}

void rlt_tv_gp_pend(rlt_tv_gp *gp, const double *place) {
    RLT_ASSERT(gp->n < gp->capacity);
    memcpy(place_of(gp, gp->n), place, sizeof(double) * (size_t)(gp->d + 1));
    factor_row(gp, gp->n, gp->factor + (size_t)gp->n * (size_t)gp->capacity);
    gp->alpha[gp->n++] = 0;
}

void rlt_tv_gp_predict(rlt_tv_gp *gp, const double *place, double *mean, double *variance) {
    double *k = gp->scratch;
    *mean = 0;
    for (int i = 0; i < gp->n; i++) {
        k[i] = kernel(gp, place, place_of(gp, i));
        *mean += k[i] * gp->alpha[i];
    }
    solve_lower(gp, gp->n, k);
    *variance = gp->variance;
    for (int i = 0; i < gp->n; i++) {
        *variance -= k[i] * k[i];
    }
    *variance = fmax(*variance, 0);
}

/* Column i of (K + noise)^-1, into out [n]. */
static void inverse_column(const rlt_tv_gp *gp, int i, double *out) {
    memset(out, 0, sizeof(double) * (size_t)gp->n);
    out[i] = 1;
    solve_lower(gp, gp->n, out);
    solve_upper(gp, gp->n, out);
}

double rlt_tv_gp_loss(rlt_tv_gp *gp, const double *theta, double *gradient) {
    rlt_tv_gp_set(gp, theta);
    rlt_tv_gp_factor(gp);
    double loss = 0.5 * gp->n * log(2 * M_PI);
    memset(gradient, 0, sizeof(double) * RLT_TV_THETA);
    for (int i = 0; i < gp->n; i++) {
        const double *at = place_of(gp, i);
        double *inverse = gp->scratch + gp->capacity;
        loss += 0.5 * gp->y[i] * gp->alpha[i] +
                log(gp->factor[(size_t)i * (size_t)gp->capacity + (size_t)i]);
        inverse_column(gp, i, inverse);
        for (int p = 0; p < gp->n; p++) { /* -1/2 tr((alpha alpha^T - K^-1) dK) */
            const double *other = place_of(gp, p);
            double weight = -0.5 * (gp->alpha[i] * gp->alpha[p] - inverse[p]);
            double k = kernel(gp, at, other);
            gradient[0] += weight * k;
            gradient[1] += weight * k * distance(gp, at, other) / gp->length;
            gradient[2] -=
                weight * k * 0.5 * fabs(at[0] - other[0]) * gp->forgetting / (1 - gp->forgetting);
            gradient[3] += p == i ? weight * gp->noise : 0;
        }
    }
    return loss;
}

static double loss(void *user, const double *theta, double *gradient) {
    return rlt_tv_gp_loss(user, theta, gradient);
}

void rlt_tv_gp_fit(rlt_tv_gp *gp, int calls) {
    const double low[RLT_TV_THETA] = {log(1e-2), log(1e-3), log(1e-5), log(1e-4)};
    const double high[RLT_TV_THETA] = {log(1e2), log(1e3), log(0.5), log(1)};
    const rlt_minimise_options options = {low, high, 1e-3, 1e-8, calls};
    double theta[RLT_TV_THETA] = {0, 0, log(0.1), log(0.01)};
    rlt_minimise(loss, gp, RLT_TV_THETA, &options, theta);
    rlt_tv_gp_set(gp, theta);
    rlt_tv_gp_factor(gp);
}
