/* tuner: the adaptation of CMA-ES: see cma.h.
 * Thread: the tuner's. */
#include "tuner/samplers/cma.h"
#include "tuner/dense.h"
#include "tuner/tuner_impl.h"

#include <math.h>
#include <string.h>

static double square(double x) {
    return x * x;
}

static double norm(int n, const double *x) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += x[i] * x[i];
    }
    return sqrt(sum);
}

int rlt_cma_population(int n) {
    return 4 + (int)floor(3 * log(n));
}

/* w' of (49) into weights; the effective size of a part of it, (sum w)^2 / sum w^2. */
static double raw_weights(rlt_cma *cma, int from, int to) {
    double sum = 0, squares = 0;
    for (int i = from; i < to; i++) {
        cma->weights[i] = log((cma->lambda + 1) / 2.0) - log(i + 1);
        sum += cma->weights[i];
        squares += square(cma->weights[i]);
    }
    return sum * sum / squares;
}

/* (53): the positive weights sum to 1, the negative ones to -alpha. */
static void scale_weights(rlt_cma *cma, double alpha) {
    double positive = 0, negative = 0;
    for (int i = 0; i < cma->lambda; i++) {
        positive += fmax(cma->weights[i], 0);
        negative += fmax(-cma->weights[i], 0);
    }
    for (int i = 0; i < cma->lambda; i++) {
        cma->weights[i] *= cma->weights[i] >= 0 ? 1 / positive : alpha / negative;
    }
}

static void set_rates(rlt_cma *cma) {
    double n = cma->n;
    double mu_eff = raw_weights(cma, 0, cma->mu);
    double mu_eff_minus = raw_weights(cma, cma->mu, cma->lambda);
    cma->mu_eff = mu_eff;
    cma->c_1 = 2 / (square(n + 1.3) + mu_eff); /* (57) */
    cma->c_mu = fmin(1 - cma->c_1 - 1e-8,      /* (58) */
                     2 * (mu_eff - 2 + 1 / mu_eff) / (square(n + 2) + mu_eff));
    double alpha = fmin(1 + cma->c_1 / cma->c_mu,                      /* (50) */
                        1 + 2 * mu_eff_minus / (mu_eff + 2));          /* (51) */
    alpha = fmin(alpha, (1 - cma->c_1 - cma->c_mu) / (n * cma->c_mu)); /* (52) */
    scale_weights(cma, alpha);
    cma->c_sigma = (mu_eff + 2) / (n + mu_eff + 5); /* (55) */
    cma->d_sigma = 1 + 2 * fmax(0, sqrt((mu_eff - 1) / (n + 1)) - 1) + cma->c_sigma;
    cma->c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n);      /* (56) */
    cma->chi_n = sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n)); /* about E|N(0, I)| */
}

static double *doubles(size_t count) {
    return rlt_alloc(sizeof(double) * count);
}

/* All arrays are parts of one block [block_size], so that a copy of the state is one of memory. */
static void lay_out(rlt_cma *cma, double *block) {
    size_t n = (size_t)cma->n,
           sizes[] = {
               (size_t)cma->lambda, n, n * n, n * n, n, n, n, n, 2 * (size_t)cma->history_size,
               4 * n + n * n};
    double **arrays[] = {&cma->weights, &cma->mean,   &cma->cov,        &cma->vectors,
                         &cma->scales,  &cma->path_c, &cma->path_sigma, &cma->widen,
                         &cma->history, &cma->scratch};
    cma->block = block;
    for (size_t i = 0; i < RLT_COUNT(arrays); i++) {
        *arrays[i] = block;
        block += sizes[i];
    }
    RLT_ASSERT(block == cma->block + cma->block_size);
}

void rlt_cma_init(rlt_cma *cma, int n, int lambda, const double *mean, double sigma) {
    RLT_ASSERT(n >= 1 && lambda >= 3 && sigma > 0);
    size_t size = (size_t)n;
    *cma = (rlt_cma){.n = n,
                     .lambda = lambda,
                     .mu = lambda / 2,
                     .sigma = sigma,
                     .sigma_start = sigma,
                     .history_size = 10 + (int)ceil(30.0 * n / lambda)};
    cma->block_size = (size_t)lambda + 2 * (size_t)cma->history_size + 9 * size + 3 * size * size;
    lay_out(cma, doubles(cma->block_size));
    memcpy(cma->mean, mean, sizeof(double) * size);
    for (size_t i = 0; i < size; i++) {
        cma->cov[i * size + i] = cma->vectors[i * size + i] = 1;
        cma->scales[i] = cma->widen[i] = 1;
    }
    set_rates(cma);
}

void rlt_cma_copy(rlt_cma *to, const rlt_cma *from) {
    double *block = to->block;
    if (to->block_size != from->block_size) {
        rlt_free(block);
        block = doubles(from->block_size);
    }
    *to = *from;
    lay_out(to, block);
    memcpy(block, from->block, sizeof(double) * from->block_size);
}

void rlt_cma_fini(rlt_cma *cma) {
    rlt_free(cma->block);
    *cma = (rlt_cma){0};
}

void rlt_cma_sample(const rlt_cma *cma, const double *z, double *x) {
    int n = cma->n;
    memcpy(x, cma->mean, sizeof(double) * (size_t)n);
    for (int k = 0; k < n; k++) {
        const double *vector = cma->vectors + (size_t)k * n;
        double along = cma->sigma * cma->scales[k] * z[k];
        for (int i = 0; i < n; i++) {
            x[i] += along * vector[i];
        }
    }
}

/* out = C^(-1/2) y = B D^-1 B^T y */
static void whiten(const rlt_cma *cma, const double *y, double *out) {
    int n = cma->n;
    memset(out, 0, sizeof(double) * (size_t)n);
    for (int k = 0; k < n; k++) {
        const double *vector = cma->vectors + (size_t)k * n;
        double along = 0;
        for (int i = 0; i < n; i++) {
            along += vector[i] * y[i];
        }
        for (int i = 0; i < n; i++) {
            out[i] += along / cma->scales[k] * vector[i];
        }
    }
}

/* a := a + weight y y^T */
static void add_outer(int n, double *a, double weight, const double *y) {
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            a[(size_t)i * n + j] += weight * y[i] * y[j];
        }
    }
}

/* (46), (47) for one ranked point at (x - mean) / sigma = y. */
static void add_point(rlt_cma *cma, double weight, const double *y, double *whitened) {
    if (weight < 0) {
        whiten(cma, y, whitened);
        weight *= cma->n / (square(norm(cma->n, whitened)) + 1e-8);
    }
    add_outer(cma->n, cma->cov, cma->c_mu * weight, y);
}

/* The factor of the old C in (47), and the rank-one part; h: (h_sigma of p. 28). */
static void decay_cov(rlt_cma *cma, bool h) {
    double sum = 0;
    for (int i = 0; i < cma->lambda; i++) {
        sum += cma->weights[i];
    }
    double delta = h ? 0 : cma->c_c * (2 - cma->c_c);
    double keep = 1 + cma->c_1 * delta - cma->c_1 - cma->c_mu * sum;
    for (size_t i = 0; i < (size_t)cma->n * (size_t)cma->n; i++) {
        cma->cov[i] *= keep;
    }
    add_outer(cma->n, cma->cov, cma->c_1, cma->path_c);
}

static void refresh_eigen(rlt_cma *cma) {
    size_t n = (size_t)cma->n;
    double *copy = cma->scratch + 4 * n;
    memcpy(copy, cma->cov, sizeof(double) * n * n);
    rlt_dense_eigen(cma->n, copy, cma->scales, cma->vectors);
    bool repaired = false;
    double most = 0;
    for (size_t k = 0; k < n; k++) {
        most = fmax(most, cma->scales[k]);
    }
    for (size_t k = 0; k < n; k++) {
        bool lost = !(cma->scales[k] > 1e-20 * most);
        repaired |= lost;
        cma->scales[k] = sqrt(lost ? 1e-8 : cma->scales[k]);
    }
    if (repaired) {
        memset(cma->cov, 0, sizeof(double) * n * n);
        for (size_t k = 0; k < n; k++) {
            add_outer(cma->n, cma->cov, square(cma->scales[k]), cma->vectors + k * n);
        }
    }
}

void rlt_cma_set_covariance(rlt_cma *cma, const double *covariance) {
    const size_t n = (size_t)cma->n;
    double log_det = 0;
    memcpy(cma->cov, covariance, sizeof(double) * n * n);
    refresh_eigen(cma);
    for (size_t k = 0; k < n; k++) {
        log_det += 2 * log(cma->scales[k]);
    }
    cma->sigma = cma->sigma_start = exp(log_det / (2 * (double)n));
    for (size_t i = 0; i < n * n; i++) {
        cma->cov[i] /= square(cma->sigma);
    }
    refresh_eigen(cma);
}

/* (43), (44) for the step-size path after the weighted step y_w; false where h_sigma is 0. */
static bool step_sigma(rlt_cma *cma, const double *y_w, double *whitened) {
    double c = cma->c_sigma, gain = sqrt(c * (2 - c) * cma->mu_eff);
    whiten(cma, y_w, whitened);
    for (int i = 0; i < cma->n; i++) {
        cma->path_sigma[i] = (1 - c) * cma->path_sigma[i] + gain * whitened[i];
    }
    double length = norm(cma->n, cma->path_sigma);
    double change = exp(c / cma->d_sigma * (length / cma->chi_n - 1));
    cma->sigma = fmin(fmax(cma->sigma * change, 1e-30), 1e32);
    double warm = sqrt(1 - pow(1 - c, 2.0 * (double)(cma->generation + 1)));
    return length / warm < (1.4 + 2.0 / (cma->n + 1)) * cma->chi_n;
}

static void limit_sigma(rlt_cma *cma) {
    for (int i = 0; i < cma->n && cma->std_max > 0; i++) {
        cma->sigma = fmin(cma->sigma, cma->std_max / sqrt(cma->cov[(size_t)i * cma->n + i]));
    }
}

void rlt_cma_update(rlt_cma *cma, const double *points, double best, double worst) {
    int n = cma->n;
    size_t bytes = sizeof(double) * (size_t)n;
    double *y_w = cma->scratch, *y = y_w + n, *whitened = y + n, *old_mean = whitened + n;
    double old_sigma = cma->sigma;
    cma->generation++;
    cma->history[2 * (cma->generation % cma->history_size)] = best;
    cma->history[2 * (cma->generation % cma->history_size) + 1] = worst;
    memcpy(old_mean, cma->mean, bytes);
    memset(y_w, 0, bytes);
    for (int k = 0; k < cma->mu; k++) { /* (41) */
        for (int i = 0; i < n; i++) {
            y_w[i] += cma->weights[k] * (points[(size_t)k * n + i] - old_mean[i]) / old_sigma;
        }
    }
    for (int i = 0; i < n; i++) { /* (42) with c_m = 1 */
        cma->mean[i] += old_sigma * y_w[i];
    }
    bool h = step_sigma(cma, y_w, whitened);
    double gain = h ? sqrt(cma->c_c * (2 - cma->c_c) * cma->mu_eff) : 0;
    for (int i = 0; i < n; i++) { /* (45) */
        cma->path_c[i] = (1 - cma->c_c) * cma->path_c[i] + gain * y_w[i];
    }
    decay_cov(cma, h);
    for (int k = 0; k < cma->lambda; k++) {
        for (int i = 0; i < n; i++) {
            y[i] = (points[(size_t)k * n + i] - old_mean[i]) / old_sigma;
        }
        add_point(cma, cma->weights[k], y, whitened);
    }
    limit_sigma(cma);
    refresh_eigen(cma);
}

static double tail(double x) { /* 1 - Phi(x) */
    return 0.5 * erfc(x * M_SQRT1_2);
}

/* Mean and widening so that P(below low) = p_low and P(above high) = p_high. */
static void fit_cell(rlt_cma *cma, int j, double low, double high, double p_low, double p_high) {
    double std = cma->sigma * sqrt(cma->cov[(size_t)j * cma->n + j]);
    double z_low = -rlt_normal_quantile(fmin(fmax(p_low, 1e-10), 0.5 - 1e-10));
    double z_high = -rlt_normal_quantile(fmin(fmax(p_high, 1e-10), 0.5 - 1e-10));
    cma->widen[j] = (high - low) / ((z_low + z_high) * std);
    cma->mean[j] = (low * z_high + high * z_low) / (z_low + z_high);
}

void rlt_cma_margin(rlt_cma *cma, int j, double low, double high, double margin) {
    double std = cma->sigma * cma->widen[j] * sqrt(cma->cov[(size_t)j * cma->n + j]);
    double mean = cma->mean[j];
    if (isinf(low) && isinf(high)) {
        return;
    }
    if (isinf(low) || isinf(high)) { /* (10): one neighbour */
        double limit = isinf(low) ? high : low, side = isinf(low) ? -1 : 1;
        if (tail(fabs(mean - limit) / std) < margin) {
            cma->mean[j] = limit - side * std * rlt_normal_quantile(margin);
        }
        return;
    }
    /* (12) to (16) */
    double p_low = tail((mean - low) / std), p_high = tail((high - mean) / std);
    double middle = 1 - p_low - p_high, half = margin / 2;
    double low_least = fmax(p_low, half), high_least = fmax(p_high, half);
    double spare = 1 - low_least - high_least - middle;
    double share = spare / (low_least + middle + high_least - 3 * half);
    fit_cell(cma, j, low, high, low_least + share * (low_least - half),
             high_least + share * (high_least - half));
}

static bool flat(const rlt_cma *cma) {
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < 2 * cma->history_size; i++) {
        low = fmin(low, cma->history[i]);
        high = fmax(high, cma->history[i]);
    }
    return cma->generation > cma->history_size && high - low < 1e-12;
}

/* Steps along every coordinate, or along the axis whose turn it is, are lost in rounding. */
static bool steps_vanish(const rlt_cma *cma) {
    int n = cma->n, turn = (int)(cma->generation % n);
    bool axis_lost = true, tiny = true;
    for (int i = 0; i < n; i++) {
        double variance = cma->cov[(size_t)i * n + i];
        if (cma->mean[i] == cma->mean[i] + 0.2 * cma->sigma * sqrt(variance)) {
            return true;
        }
        double along = 0.1 * cma->sigma * cma->scales[turn] * cma->vectors[(size_t)turn * n + i];
        axis_lost &= cma->mean[i] == cma->mean[i] + along;
        tiny &= cma->sigma * variance < 1e-12 * cma->sigma_start &&
                cma->sigma * cma->path_c[i] < 1e-12 * cma->sigma_start;
    }
    return axis_lost || tiny;
}

bool rlt_cma_exhausted(const rlt_cma *cma) {
    double least = INFINITY, most = 0;
    for (int k = 0; k < cma->n; k++) {
        least = fmin(least, cma->scales[k]);
        most = fmax(most, cma->scales[k]);
    }
    return flat(cma) || cma->sigma * most > 1e4 || most > 1e14 * least || steps_vanish(cma);
}
