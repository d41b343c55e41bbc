/* tuner: values of parameters as places in [0, 1], the way back from rlt_param_at.
 * Thread: any, no state. */
#include "tuner/tuner_impl.h"

#include <math.h>

/* Where the cell of the whole number n begins on the log scale of a lograndint. */
static double log_place(const rlt_param *param, double n) {
    return (log(n - 0.5) - log(param->low - 0.5)) /
           (log(param->high + 0.5) - log(param->low - 0.5));
}

/* The cells of n = 0, 1, ... have equal widths. */
static double even_index(const rlt_param *param, rlt_value value) {
    if (value.choice >= 0) {
        return value.choice;
    }
    double step = param->kind == RLT_DIST_QUNIFORM ? param->step : 1;
    return round((value.number - param->low) / step);
}

double rlt_param_unit(const rlt_param *param, rlt_value value) {
    int64_t count = rlt_param_count(param);
    double v = value.number, low = param->low, high = param->high;
    if (param->kind == RLT_DIST_LOGRANDINT) {
        return (log_place(param, v) + log_place(param, v + 1)) / 2;
    }
    if (count > 0) {
        return fmin((even_index(param, value) + 0.5) / (double)count, 1);
    }
    if (param->kind == RLT_DIST_NORMAL) {
        return 0.5 * erfc((param->mean - v) / param->std * M_SQRT1_2);
    }
    double place = param->kind == RLT_DIST_LOGUNIFORM ? (log(v) - log(low)) / (log(high) - log(low))
                                                      : (v - low) / (high - low);
    return fmin(fmax(place, 0), 1);
}

void rlt_param_cell(const rlt_param *param, double u, double *low, double *high) {
    double count = (double)rlt_param_count(param);
    RLT_ASSERT(count > 0);
    if (param->kind == RLT_DIST_LOGRANDINT) {
        double n = rlt_param_at(param, u).number;
        *low = n <= param->low ? -INFINITY : log_place(param, n);
        *high = n >= param->high ? INFINITY : log_place(param, n + 1);
        return;
    }
    double cell = fmin(fmax(floor(u * count), 0), count - 1);
    *low = cell == 0 ? -INFINITY : cell / count;
    *high = cell == count - 1 ? INFINITY : (cell + 1) / count;
}
