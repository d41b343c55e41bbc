/* tuner: parameters as dimensions of a Parzen estimator, and back.
 * Thread: any, no state. */
#include "tuner/samplers/parzen.h"

#include <math.h>

/* Beyond so many cells in a range each is so narrow that Sheppard's correction does. */
enum { CELLS_MAX = 5000 };

static double cell_of(const rlt_parzen_dim *dim, double number) {
    double cell = round((number - dim->first) / dim->step);
    return fmin(fmax(cell, 0), (double)dim->count - 1);
}

static bool is_real(const rlt_param *param) {
    return param->kind == RLT_DIST_UNIFORM || param->kind == RLT_DIST_LOGUNIFORM ||
           (param->kind == RLT_DIST_NORMAL && !param->integer);
}

/* A normal parameter: its bounds, or four deviations where it has none. */
static void normal_range(const rlt_param *param, double *low, double *high) {
    const double reach = 4 * param->std;
    *low = fmax(param->low, fmin(param->mean, param->high) - reach);
    *high = fmin(param->high, fmax(param->mean, param->low) + reach);
    if (param->integer) {
        *low = ceil(*low);
        *high = fmax(floor(*high), *low);
    }
}

static void set_cells(rlt_parzen_dim *dim, double first, double step, int64_t count, bool log_scale,
                      bool narrow) {
    dim->kind = narrow ? RLT_PARZEN_REAL : RLT_PARZEN_CELLS;
    dim->log = log_scale;
    dim->first = first;
    dim->step = step;
    dim->count = count;
    dim->low = log_scale ? log(first - step / 2) : first - step / 2;
    double last = first + ((double)count - 0.5) * step;
    dim->high = log_scale ? log(last) : last;
}

rlt_parzen_dim rlt_parzen_dim_of(const rlt_param *param) {
    rlt_parzen_dim dim = {.kind = RLT_PARZEN_REAL, .low = param->low, .high = param->high};
    int64_t count = rlt_param_count(param);
    if (param->kind == RLT_DIST_NORMAL) {
        normal_range(param, &dim.low, &dim.high);
        if (param->integer) {
            set_cells(&dim, dim.low, 1, (int64_t)(dim.high - dim.low) + 1, false,
                      dim.high - dim.low > CELLS_MAX);
        }
        dim.prior_mu = fmin(fmax(param->mean, dim.low), dim.high);
        dim.prior_sigma = param->std;
        return dim;
    }
    if (param->kind == RLT_DIST_LOGUNIFORM) {
        dim.low = log(param->low);
        dim.high = log(param->high);
    } else if (!is_real(param) && rlt_param_nth(param, 0).choice >= 0) {
        return (rlt_parzen_dim){.kind = RLT_PARZEN_CHOICE, .count = count};
    } else if (!is_real(param)) {
        bool log_scale = param->kind == RLT_DIST_LOGRANDINT;
        set_cells(&dim, param->low, param->kind == RLT_DIST_QUNIFORM ? param->step : 1, count,
                  log_scale, count > CELLS_MAX && !log_scale);
    }
    dim.prior_mu = 0.5 * (dim.low + dim.high);
    dim.prior_sigma = dim.high - dim.low;
    return dim;
}

double rlt_parzen_coordinate(const rlt_param *param, const rlt_parzen_dim *dim, rlt_value value) {
    if (dim->kind == RLT_PARZEN_CHOICE) {
        return value.choice;
    }
    if (dim->kind == RLT_PARZEN_CELLS) {
        return cell_of(dim, value.number);
    }
    double x = param->kind == RLT_DIST_LOGUNIFORM ? log(value.number) : value.number;
    return fmin(fmax(x, dim->low), dim->high);
}

rlt_value rlt_parzen_value(const rlt_param *param, const rlt_parzen_dim *dim, double x) {
    if (dim->count > 0 && rlt_param_count(param) > 0) {
        double cell = dim->kind == RLT_PARZEN_REAL ? cell_of(dim, x) : x;
        return rlt_param_nth(param, (int64_t)cell);
    }
    double number = param->kind == RLT_DIST_LOGUNIFORM ? exp(x) : x;
    if (dim->kind == RLT_PARZEN_CELLS) { /* a normal integer */
        number = dim->first + x;
    }
    number = param->integer ? round(number) : number;
    return (rlt_value){.number = fmin(fmax(number, param->low), param->high), .choice = -1};
}
