/* tuner: values of parameters as places in [0, 1] for samplers that measure distances: evenly on
 * the scale of each distribution. Why not quantiles for normals: their ends are far outside, where
 * a value is rarely of any use, and a straight line of values is a curve of quantiles. Thread: any,
 * no state. */
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

/* Four standard deviations to each side, within the clip; if that is elsewhere, what is next to it.
 */
static void normal_range(const rlt_param *param, double *low, double *high) {
    double width = 8 * param->std;
    *low = fmax(param->low, param->mean - width / 2);
    *high = fmin(param->high, param->mean + width / 2);
    if (!(*low < *high)) {
        bool above = param->low > param->mean;
        *low = above ? param->low : fmax(param->low, param->high - width);
        *high = above ? fmin(param->high, param->low + width) : param->high;
    }
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
        normal_range(param, &low, &high);
    }
    double place = param->kind == RLT_DIST_LOGUNIFORM ? (log(v) - log(low)) / (log(high) - log(low))
                                                      : (v - low) / (high - low);
    return fmin(fmax(place, 0), 1);
}

rlt_value rlt_param_place(const rlt_param *param, double u) {
    u = fmin(fmax(u, 0), 1 - 0x1p-53);
    if (param->kind != RLT_DIST_NORMAL) {
        return rlt_param_at(param, u);
    }
    double low, high;
    normal_range(param, &low, &high);
    double number = low + (high - low) * u;
    number = fmin(fmax(param->integer ? round(number) : number, param->low), param->high);
    return (rlt_value){.number = number, .choice = -1};
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
