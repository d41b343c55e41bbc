/* tuner: Gaussian process regression: see gp.h.
 * Thread: one. Owner: see gp.h. */
#include "tuner/minimise.h"
#include "tuner/samplers/gp.h"
#include "tuner/samplers/gp_lanes.h"
#include "tuner/tuner_impl.h"

#include <math.h>
#include <string.h>

void rlt_gp_init(rlt_gp *gp, int d, const bool *categorical, int capacity) {
    size_t rows = ((size_t)capacity + 7) / 8 * 8, dims = (size_t)d;
    *gp = (rlt_gp){.d = d,
                   .capacity = (int)rows,
                   .categorical = categorical,
                   .form = rlt_gp_form_best(),
                   .scale = 1,
                   .noise = 1};
    gp->block = rlt_alloc(sizeof(double) * (dims * rows + rows * rows + 6 * rows + 3 * dims));
    gp->x = gp->block;
    gp->inverse = gp->x + dims * rows;
    gp->y = gp->inverse + rows * rows;
    gp->alpha = gp->y + rows;
    gp->k = gp->alpha + rows;
    gp->slope = gp->k + rows;
    gp->v = gp->slope + rows;
    gp->w = gp->v + rows;
    gp->weights = gp->w + rows;
    gp->place = gp->weights + dims;
    for (int j = 0; j < d; j++) {
        gp->weights[j] = 1;
    }
}

void rlt_gp_fini(rlt_gp *gp) {
    rlt_free(gp->block);
    *gp = (rlt_gp){0};
}

void rlt_gp_clear(rlt_gp *gp) {
    gp->n = gp->known = 0;
}

static void add_place(rlt_gp *gp, const double *x) {
    RLT_ASSERT(gp->n < gp->capacity);
    for (int j = 0; j < gp->d; j++) {
        gp->x[(size_t)j * gp->capacity + gp->n] = x[j];
    }
    gp->n++;
}

void rlt_gp_add(rlt_gp *gp, const double *x, double y) {
    RLT_ASSERT(gp->n == gp->known);
    gp->y[gp->known++] = y;
    add_place(gp, x);
}

void rlt_gp_set(rlt_gp *gp, const double *theta) {
    for (int j = 0; j < gp->d; j++) {
        gp->weights[j] = exp(theta[j]);
    }
    gp->scale = exp(theta[gp->d]);
    gp->noise = exp(theta[gp->d + 1]) + RLT_GP_NOISE_MIN;
}

/* Kernels of `query` with the first `count` points into k and, unless NULL, slope. */
static void fill_kernel(const rlt_gp *gp, const double *query, int count, double *k,
                        double *slope) {
    gp->form->kernel_row(&(rlt_gp_kernel){gp->d, count, gp->capacity, gp->x, query, gp->weights,
                                          gp->categorical, gp->scale, k, slope});
}

static void times(const rlt_gp *gp, int n, const double *v, double *out) {
    gp->form->times(&(rlt_gp_product){n, gp->capacity, gp->inverse, v, out});
}

static void transposed_times(const rlt_gp *gp, int n, const double *v, double *out) {
    gp->form->transposed_times(&(rlt_gp_product){n, gp->capacity, gp->inverse, v, out});
}

/* Row i of the inverse of L, for the covariances k with the points before it: with l = L^-1 k and
 * e = sqrt(scale + noise - l l) the row is (-l L^-1 / e, 1 / e). */
static void add_row(rlt_gp *gp, int i, const double *k, double noise) {
    double *row = gp->inverse + (size_t)i * gp->capacity, own = gp->scale + noise;
    memset(row, 0, sizeof(double) * (size_t)gp->capacity);
    times(gp, i, k, gp->v);
    double rest = own - rlt_gp_dot(i, gp->v, gp->v);
    double e = sqrt(fmax(rest, 1e-12 * own)); /* never less but by rounding */
    transposed_times(gp, i, gp->v, row);
    for (int p = 0; p < i; p++) {
        row[p] /= -e;
    }
    row[i] = 1 / e;
}

static void place_of(const rlt_gp *gp, int i, double *x) {
    for (int j = 0; j < gp->d; j++) {
        x[j] = gp->x[(size_t)j * gp->capacity + i];
    }
}

/* k, slope: rows [known][capacity] that are kept, or scratch of one row when stride is 0. */
static void factor(rlt_gp *gp, double *k, double *slope, size_t stride) {
    gp->n = gp->known;
    for (int i = 0; i < gp->known; i++) {
        place_of(gp, i, gp->place);
        double *k_row = k + (size_t)i * stride;
        fill_kernel(gp, gp->place, i, k_row, slope == NULL ? NULL : slope + (size_t)i * stride);
        add_row(gp, i, k_row, gp->noise);
    }
    memset(gp->alpha, 0, sizeof(double) * (size_t)gp->capacity);
    times(gp, gp->known, gp->y, gp->v);
    transposed_times(gp, gp->known, gp->v, gp->alpha);
}

void rlt_gp_factor(rlt_gp *gp) {
    factor(gp, gp->k, NULL, 0);
}

void rlt_gp_pend(rlt_gp *gp, const double *x) {
    fill_kernel(gp, x, gp->n, gp->k, NULL);
    add_row(gp, gp->n, gp->k, RLT_GP_NOISE_MIN);
    add_place(gp, x);
}

double rlt_gp_log_likelihood(const rlt_gp *gp) {
    double sum = -0.5 * rlt_gp_dot(gp->known, gp->y, gp->alpha);
    for (int i = 0; i < gp->known; i++) {
        sum += log(gp->inverse[(size_t)i * gp->capacity + i]);
    }
    return sum - 0.5 * gp->known * log(2 * M_PI);
}

/* The gradient of the log likelihood by theta from kernels, slopes and (K + noise)^-1, all
 * [known][capacity]: half the trace of (alpha alpha^T - (K + noise)^-1) dK. */
static void add_gradient(rlt_gp *gp, const double *k, const double *slope, const double *inverse,
                         double *gradient) {
    double *c = gp->v, *pulls = gp->place + gp->d, by_scale = 0, by_noise = 0;
    for (int i = 0; i < gp->known; i++) {
        const double *inverse_row = inverse + (size_t)i * gp->capacity;
        const double *k_row = k + (size_t)i * gp->capacity;
        for (int p = 0; p < i; p++) {
            double weight = gp->alpha[i] * gp->alpha[p] - inverse_row[p];
            by_scale += weight * k_row[p];
            c[p] = weight * slope[(size_t)i * gp->capacity + p];
        }
        for (int p = i; p < (i + 7) / 8 * 8; p++) {
            c[p] = 0;
        }
        double own = 0.5 * (gp->alpha[i] * gp->alpha[i] - inverse_row[i]);
        by_scale += own * gp->scale;
        by_noise += own;
        place_of(gp, i, gp->place);
        gp->form->pull(&(rlt_gp_pull_of){gp->d, i, gp->capacity, gp->x, gp->place, gp->categorical,
                                         c, true, pulls});
        for (int j = 0; j < gp->d; j++) {
            gradient[j] += gp->weights[j] * pulls[j];
        }
    }
    gradient[gp->d] += by_scale;
    gradient[gp->d + 1] += by_noise * (gp->noise - RLT_GP_NOISE_MIN);
}

/* The log of the priors, up to a constant, and its gradient by theta. */
static double log_prior(const rlt_gp *gp, double *gradient) {
    double sum = log(gp->scale) - gp->scale + 0.1 * log(gp->noise) - 30 * gp->noise;
    for (int j = 0; j < gp->d; j++) {
        sum -= 0.1 / gp->weights[j] + 0.1 * gp->weights[j];
        gradient[j] = 0.1 / gp->weights[j] - 0.1 * gp->weights[j];
    }
    gradient[gp->d] = 1 - gp->scale;
    gradient[gp->d + 1] = (0.1 / gp->noise - 30) * (gp->noise - RLT_GP_NOISE_MIN);
    return sum;
}

typedef struct fitting {
    rlt_gp *gp;
    double *k, *slope, *inverse; /* [known][capacity] */
} fitting;

static double loss(void *user, const double *theta, double *gradient) {
    fitting *at = user;
    rlt_gp *gp = at->gp;
    rlt_gp_set(gp, theta);
    factor(gp, at->k, at->slope, (size_t)gp->capacity);
    gp->form->gram(&(rlt_gp_gram_of){gp->known, gp->capacity, gp->inverse, at->inverse});
    double value = log_prior(gp, gradient) + rlt_gp_log_likelihood(gp);
    add_gradient(gp, at->k, at->slope, at->inverse, gradient);
    for (int j = 0; j < gp->d + 2; j++) {
        gradient[j] = -gradient[j];
    }
    return -value;
}

static fitting start_fitting(rlt_gp *gp) {
    size_t size = (size_t)gp->known * (size_t)gp->capacity;
    double *block = rlt_alloc(sizeof(double) * 3 * (size + 8));
    return (fitting){gp, block, block + size, block + 2 * size};
}

double rlt_gp_loss(rlt_gp *gp, const double *theta, double *gradient) {
    fitting at = start_fitting(gp);
    double value = loss(&at, theta, gradient);
    rlt_free(at.k);
    return value;
}

void rlt_gp_fit(rlt_gp *gp, int calls) {
    fitting at = start_fitting(gp);
    size_t count = (size_t)gp->d + 2;
    double *theta = rlt_alloc(sizeof(double) * 3 * count), *low = theta + count,
           *high = low + count;
    for (size_t j = 0; j < count; j++) {
        theta[j] = j == count - 1 ? -4 : 0; /* little noise: else all may be taken for noise */
        low[j] = -20;
        high[j] = 20;
    }
    rlt_minimise_options options = {low, high, 1e-2, 1e-7, calls};
    rlt_minimise(loss, &at, (int)count, &options, theta);
    rlt_gp_set(gp, theta);
    rlt_gp_factor(gp);
    rlt_free(at.k);
    rlt_free(theta);
}

void rlt_gp_predict(rlt_gp *gp, const double *x, double *mean, double *variance, double *mean_slope,
                    double *variance_slope) {
    fill_kernel(gp, x, gp->n, gp->k, gp->slope);
    times(gp, gp->n, gp->k, gp->v);
    *mean = rlt_gp_dot(gp->known, gp->k, gp->alpha);
    *variance = fmax(gp->scale - rlt_gp_dot(gp->n, gp->v, gp->v), 0);
    if (mean_slope == NULL) {
        return;
    }
    transposed_times(gp, gp->n, gp->v, gp->w); /* (K + noise)^-1 k */
    for (int p = 0; p < (gp->n + 7) / 8 * 8; p++) {
        gp->v[p] = p < gp->n ? gp->slope[p] * gp->alpha[p] : 0;
        gp->w[p] = p < gp->n ? gp->slope[p] * gp->w[p] : 0;
    }
    rlt_gp_pull_of pull = {gp->d,           gp->n, gp->capacity, gp->x,     x,
                           gp->categorical, gp->v, false,        mean_slope};
    gp->form->pull(&pull);
    pull.c = gp->w;
    pull.out = variance_slope;
    gp->form->pull(&pull);
    for (int j = 0; j < gp->d; j++) {
        mean_slope[j] *= 2 * gp->weights[j];
        variance_slope[j] *= -4 * gp->weights[j];
    }
}

void rlt_gp_predict8(rlt_gp *gp, const double *x, double *mean, double *variance) {
    enum { EIGHT = 8 };
    double *k = rlt_alloc(sizeof(double) * EIGHT * (size_t)gp->capacity);
    gp->form->eight_queries(&(rlt_gp_eight){gp->d, gp->n, gp->capacity, gp->x, x, gp->weights,
                                            gp->categorical, gp->scale, gp->alpha, gp->inverse, k,
                                            mean, variance});
    for (int i = 0; i < EIGHT; i++) {
        variance[i] = fmax(gp->scale - variance[i], 0);
    }
    rlt_free(k);
}
