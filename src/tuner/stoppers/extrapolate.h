/* tuner: where a learning curve will end. Thread: any, no state. */
#ifndef RLT_TUNER_EXTRAPOLATE_H
#define RLT_TUNER_EXTRAPOLATE_H
#include <stdint.h>

typedef struct rlt_forecast {
    double probability; /* of a value above the goal at the end */
    double expected;    /* value at the end */
} rlt_forecast;
/* The curve through (x[i], y[i]), 0 < x ascending and < end, y finite; count >= 1. */
rlt_forecast rlt_extrapolate(const double *x, const double *y, int64_t count, double end,
                             double goal);
/* P(T > t) of Student's t distribution with `freedom` > 0 degrees of freedom. */
double rlt_student_above(double t, double freedom);
#endif
