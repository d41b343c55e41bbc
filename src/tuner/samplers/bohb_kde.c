/* tuner: kernel densities: see bohb.h. Thread: any. */
#include "tuner/samplers/bohb.h"

#include "core/core.h"

#include <math.h>
#include <string.h>

static double spread(const rlt_kde *kde, int j) { /* of all points, not of a sample */
    double mean = 0, squares = 0;
    for (int64_t i = 0; i < kde->count; i++) {
        mean += kde->points[i * kde->d + j] / (double)kde->count;
    }
    for (int64_t i = 0; i < kde->count; i++) {
        double off = kde->points[i * kde->d + j] - mean;
        squares += off * off / (double)kde->count;
    }
    return sqrt(squares);
}

void rlt_kde_init(rlt_kde *kde, int d, const int *levels, const double *points, int64_t count,
                  double least_width) {
    RLT_ASSERT(d >= 1 && count >= 1);
    size_t bytes = sizeof(double) * (size_t)(count * d);
    *kde = (rlt_kde){.d = d, .levels = levels, .count = count, .points = rlt_alloc(bytes)};
    kde->widths = rlt_alloc(sizeof(double) * (size_t)d);
    memcpy(kde->points, points, bytes);
    for (int j = 0; j < d; j++) {
        double width = 1.06 * spread(kde, j) * pow((double)count, -1.0 / (4 + d));
        width = fmax(width, least_width);
        kde->widths[j] = levels[j] > 0 ? fmin(width, (levels[j] - 1.0) / levels[j]) : width;
    }
}

void rlt_kde_fini(rlt_kde *kde) {
    rlt_free(kde->points);
    rlt_free(kde->widths);
    *kde = (rlt_kde){0};
}

double rlt_kde_density(const rlt_kde *kde, const double *x) {
    const double sqrt_2pi = 2.5066282746310002;
    double sum = 0, scale = 1;
    for (int j = 0; j < kde->d; j++) {
        scale *= kde->levels[j] > 0 ? 1 : sqrt_2pi * kde->widths[j];
    }
    for (int64_t i = 0; i < kde->count; i++) {
        const double *point = kde->points + i * kde->d;
        double squares = 0, mass = 1;
        for (int j = 0; j < kde->d; j++) {
            double width = kde->widths[j];
            if (kde->levels[j] == 0) {
                double off = (x[j] - point[j]) / width;
                squares += off * off;
            } else {
                mass *= x[j] == point[j] ? 1 - width : width / (kde->levels[j] - 1);
            }
        }
        sum += mass * exp(-0.5 * squares);
    }
    return sum / scale / (double)kde->count;
}
