/* tuner: values of parameters: from quantiles, to and from JSON.
 * Why quantiles: a sampler that fills [0, 1)^d serves every distribution.
 * Thread: any, no state. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_choices(const rlt_param *param) {
    return param->kind == RLT_DIST_CHOICE || param->kind == RLT_DIST_GRID ||
           param->kind == RLT_DIST_FIXED;
}

int64_t rlt_param_count(const rlt_param *param) {
    if (has_choices(param)) {
        return (int64_t)json_array_size(param->choices);
    }
    if (param->kind == RLT_DIST_RANDINT || param->kind == RLT_DIST_LOGRANDINT) {
        return (int64_t)(param->high - param->low) + 1;
    }
    if (param->kind == RLT_DIST_QUNIFORM) {
        /* (0.3 - 0.1) / 0.1 must count as 2 */
        double steps = floor((param->high - param->low) / param->step * (1 + 0x1p-40));
        return steps < 0x1p62 ? (int64_t)steps + 1 : INT64_MAX;
    }
    return 0;
}

bool rlt_param_varies(const rlt_param *param) {
    return param->kind != RLT_DIST_FUNCTION && rlt_param_count(param) != 1;
}

static double clip(const rlt_param *param, double number) {
    return fmin(fmax(number, param->low), param->high);
}

/* low + n step without the noise of the multiplication: 0.3, not 0.30000000000000004. */
static double nth_step(const rlt_param *param, int64_t n) {
    char text[40];
    snprintf(text, sizeof text, "%.15g", param->low + (double)n * param->step);
    return clip(param, strtod(text, NULL));
}

rlt_value rlt_param_nth(const rlt_param *param, int64_t n) {
    RLT_ASSERT(n >= 0 && n < rlt_param_count(param));
    if (has_choices(param)) {
        return (rlt_value){.number = 0, .choice = (int)n};
    }
    double number = param->kind == RLT_DIST_QUNIFORM ? nth_step(param, n) : param->low + (double)n;
    return (rlt_value){.number = param->integer ? round(number) : number, .choice = -1};
}

/* The standard normal quantile for u in (0, 0.5]: formula 26.2.23 of Abramowitz and Stegun (error
 * below 4.5e-4), then two of Halley's steps, each of which cubes the error. */
static double lower_quantile(double u) {
    double t = sqrt(-2 * log(u));
    double x = (2.515517 + t * (0.802853 + t * 0.010328)) /
                   (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) -
               t;
    for (int i = 0; i < 2; i++) {
        double error = (0.5 * erfc(-x * M_SQRT1_2) - u) * 2.5066282746310002 * exp(0.5 * x * x);
        x -= error / (1 + 0.5 * x * error);
    }
    return x;
}

double rlt_normal_quantile(double u) {
    u = fmin(fmax(u, 0x1p-54), 1 - 0x1p-53);
    return u <= 0.5 ? lower_quantile(u) : -lower_quantile(1 - u);
}

static double number_at(const rlt_param *param, double u) {
    double low = param->low, high = param->high;
    switch (param->kind) {
    case RLT_DIST_UNIFORM:
        return low + (high - low) * u;
    case RLT_DIST_LOGUNIFORM:
        return exp(log(low) + (log(high) - log(low)) * u);
    case RLT_DIST_LOGRANDINT: /* n has the share of [n - 1/2, n + 1/2) on the log scale */
        return round(exp(log(low - 0.5) + (log(high + 0.5) - log(low - 0.5)) * u));
    case RLT_DIST_NORMAL:
        return param->mean + param->std * rlt_normal_quantile(u);
    default:
        break;
    }
    RLT_ASSERT(!"a function has no quantiles");
    return 0;
}

rlt_value rlt_param_at(const rlt_param *param, double u) {
    int64_t count = rlt_param_count(param);
    if (count > 0 && param->kind != RLT_DIST_LOGRANDINT) {
        int64_t n = (int64_t)(u * (double)count);
        return rlt_param_nth(param, n < count ? n : count - 1);
    }
    double number = number_at(param, u);
    return (rlt_value){.number = clip(param, param->integer ? round(number) : number),
                       .choice = -1};
}

json_t *rlt_value_json(const rlt_param *param, rlt_value value) {
    if (value.choice >= 0) {
        return json_deep_copy(json_array_get(param->choices, (size_t)value.choice));
    }
    return param->integer ? json_integer((json_int_t)value.number) : json_real(value.number);
}

json_t *rlt_param_values(const rlt_param *param) {
    json_t *all = json_array();
    for (int64_t i = 0; i < rlt_param_count(param); i++) {
        json_array_append_new(all, rlt_value_json(param, rlt_param_nth(param, i)));
    }
    return all;
}

static rlt_status refuse(const rlt_param *param, const json_t *json, rlt_err *err) {
    char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
    rlt_status status;
    if (has_choices(param)) {
        char *choices = json_dumps(param->choices, JSON_COMPACT);
        status = rlt_fail(err, RLT_ECONFIG, "%s: %.64s is not one of the values of %s: %.200s",
                          param->path, text, rlt_dist_name(param->kind), choices);
        free(choices);
    } else {
        status =
            rlt_fail(err, RLT_ECONFIG, "%s: %.64s is not %s from %.17g to %.17g", param->path, text,
                     param->integer ? "an integer" : "a number", param->low, param->high);
    }
    free(text);
    return status;
}

rlt_status rlt_value_parse(const rlt_param *param, const json_t *json, rlt_value *value,
                           rlt_err *err) {
    *value = (rlt_value){.number = 0, .choice = -1};
    for (size_t i = 0; has_choices(param) && i < json_array_size(param->choices); i++) {
        if (json_equal(json_array_get(param->choices, i), json)) {
            value->choice = (int)i;
            return RLT_OK;
        }
    }
    double number = json_is_number(json) ? json_number_value(json) : NAN;
    if (has_choices(param) || !(number >= param->low && number <= param->high) ||
        (param->integer && number != floor(number))) {
        return refuse(param, json, err);
    }
    value->number = number;
    return RLT_OK;
}

double rlt_tuner_draw(uint64_t seed, int64_t number, const char *name) {
    uint32_t words[4];
    rlt_rng_block(seed, RLT_STREAM_SAMPLER, (uint32_t)number, rlt_hash64(name, strlen(name), 0),
                  words);
    return (double)((uint64_t)words[1] << 21 | words[0] >> 11) * 0x1p-53;
}
