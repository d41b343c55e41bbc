/* tuner: what a suggestion of the sampler gp maximises: see gp_search.h.
 * Thread: the tuner's. */
#include "tuner/samplers/gp_search.h"

#include <math.h>
#include <string.h>

enum { EIGHT = 8 };

double rlt_gp_log_improvement(const rlt_gp_search *at, double mean, double variance) {
    double std = sqrt(variance + 1e-12), slope;
    return rlt_log_h((mean - at->best) / std, &slope) + log(std);
}

static void gains8(const rlt_gp_search *at, const double *x, double out[EIGHT]) {
    double mean[RLT_OBJECTIVES_MAX * EIGHT] = {0}, variance[RLT_OBJECTIVES_MAX * EIGHT] = {0};
    for (int k = 0; k < rlt_gp_objectives(at); k++) {
        rlt_gp_predict8(&at->gp[k], x, mean + (size_t)k * EIGHT, variance + (size_t)k * EIGHT);
    }
    if (at->boxes != NULL) {
        rlt_gp_boxes_log_gain8(at->boxes, mean, variance, out);
        return;
    }
    for (int i = 0; i < EIGHT; i++) {
        out[i] = rlt_gp_log_improvement(at, mean[i], variance[i]);
    }
}

/* What has been tried, or is being tried, is no candidate. */
static void leave_out_tried(const rlt_gp_search *at, const double *x, double *out) {
    const rlt_gp *gp = at->gp;
    for (int p = 0; p < gp->n; p++) {
        for (int i = 0; i < EIGHT; i++) {
            bool same = true;
            for (int j = 0; same && j < gp->d; j++) {
                same = gp->x[j * gp->capacity + p] == x[j * EIGHT + i];
            }
            out[i] = same ? -INFINITY : out[i];
        }
    }
}

void rlt_gp_acquisition8(const rlt_gp_search *at, const double *x, double out[EIGHT]) {
    double mean[EIGHT], variance[EIGHT], slope;
    memset(out, 0, sizeof(double) * EIGHT);
    if (at->any_feasible) {
        gains8(at, x, out);
    }
    for (int k = 0; k < at->limit_count; k++) {
        rlt_gp_predict8(&at->limits[k].gp, x, mean, variance);
        for (int i = 0; i < EIGHT; i++) {
            double z = (mean[i] - at->limits[k].threshold) / sqrt(variance[i] + 1e-12);
            out[i] += rlt_log_phi(z, &slope);
        }
    }
    if (at->untried) {
        leave_out_tried(at, x, out);
    }
}

/* Of one objective. */
static double improvement(const rlt_gp_search *at, const double *x, double *gradient,
                          double *scratch) {
    const int d = at->gp->d;
    double *by_mean = scratch, *by_variance = scratch + d, mean, variance, slope;
    rlt_gp_predict(at->gp, x, &mean, &variance, by_mean, by_variance);
    double std = sqrt(variance + 1e-12), distance = (mean - at->best) / std;
    double value = rlt_log_h(distance, &slope) + log(std);
    for (int j = 0; j < d; j++) {
        double by_std = by_variance[j] / (2 * std);
        gradient[j] = (slope * by_mean[j] + (1 - slope * distance) * by_std) / std;
    }
    return value;
}

/* Of several ones. */
static double gain(const rlt_gp_search *at, const double *x, double *gradient, double *scratch) {
    const int d = at->gp->d, objectives = at->boxes->objectives;
    double mean[RLT_OBJECTIVES_MAX] = {0}, variance[RLT_OBJECTIVES_MAX] = {0};
    double by_mean[RLT_OBJECTIVES_MAX], by_variance[RLT_OBJECTIVES_MAX];
    for (int k = 0; k < objectives; k++) {
        double *slopes = scratch + 2 * (size_t)k * (size_t)d;
        rlt_gp_predict(&at->gp[k], x, &mean[k], &variance[k], slopes, slopes + d);
    }
    double value = rlt_gp_boxes_log_gain(at->boxes, mean, variance, by_mean, by_variance);
    for (int k = 0; k < objectives; k++) {
        const double *slopes = scratch + 2 * (size_t)k * (size_t)d;
        for (int j = 0; j < d; j++) {
            gradient[j] += by_mean[k] * slopes[j] + by_variance[k] * slopes[d + j];
        }
    }
    return value;
}

double rlt_gp_acquisition(const rlt_gp_search *at, const double *x, double *gradient,
                          double *scratch) {
    const int d = at->gp->d;
    double *by_mean = scratch, *by_variance = scratch + d, mean, variance, slope, value = 0;
    memset(gradient, 0, sizeof(double) * (size_t)d);
    if (at->any_feasible) {
        value = (at->boxes != NULL ? gain : improvement)(at, x, gradient, scratch);
    }
    for (int k = 0; k < at->limit_count; k++) {
        rlt_gp_predict(&at->limits[k].gp, x, &mean, &variance, by_mean, by_variance);
        double std = sqrt(variance + 1e-12), z = (mean - at->limits[k].threshold) / std;
        value += rlt_log_phi(z, &slope);
        for (int j = 0; j < d; j++) {
            gradient[j] += slope * (by_mean[j] - z * by_variance[j] / (2 * std)) / std;
        }
    }
    return value;
}
