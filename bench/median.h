/* Order of numbers for benchmarks that report medians. */
#ifndef RLT_BENCH_MEDIAN_H
#define RLT_BENCH_MEDIAN_H
#include <stdlib.h>

static inline int bench_ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the values. */
static inline double bench_median(double *values, int count) {
    qsort(values, (size_t)count, sizeof(double), bench_ascending);
    return 0.5 * (values[(count - 1) / 2] + values[count / 2]);
}
#endif
