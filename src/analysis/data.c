/* analysis: which trials and parameters can be used, shares and their order. Thread: any. */
#include "analysis/analysis_impl.h"

#include <math.h>
#include <stdlib.h>

bool rlt_param_is_single(const rlt_analysis_param *param) {
    return param->choices > 0 ? param->choices == 1 : !(param->high > param->low);
}

bool rlt_param_has_too_many(const rlt_analysis_param *param) {
    return param->choices > RLT_ANALYSIS_CHOICES_MAX;
}

static rlt_status check_params(const rlt_analysis_data *data, rlt_err *err) {
    int usable = 0, crowded = 0;
    for (int j = 0; j < data->param_count; j++) {
        const rlt_analysis_param *param = &data->params[j];
        crowded += rlt_param_has_too_many(param);
        usable += !rlt_param_is_single(param) && !rlt_param_has_too_many(param);
    }
    if (usable > 0) {
        return RLT_OK;
    }
    return crowded > 0
               ? rlt_fail(err, RLT_EINVAL,
                          "importance can be computed for parameters of up to %d choices; these "
                          "trials have none with 2 to %d choices or a range of numbers",
                          RLT_ANALYSIS_CHOICES_MAX, RLT_ANALYSIS_CHOICES_MAX)
               : rlt_fail(err, RLT_EINVAL,
                          "no parameter of these trials has more than one possible value, so there "
                          "is no importance to compute");
}

rlt_status rlt_analysis_check(const rlt_analysis_data *data, int *kept, int *count, rlt_err *err) {
    RLT_TRY(check_params(data, err));
    bool differ = false;
    *count = 0;
    for (int i = 0; i < data->count; i++) {
        if (isfinite(data->values[i])) {
            differ |= *count > 0 && data->values[i] != data->values[kept[0]];
            kept[(*count)++] = i;
        }
    }
    if (*count < 2) {
        return rlt_fail(err, RLT_EINVAL,
                        "importance needs at least 2 trials with a result; there %s %d",
                        *count == 1 ? "is" : "are", *count);
    }
    if (!differ) {
        return rlt_fail(err, RLT_EINVAL,
                        "all %d trials have the same result (%.6g), so no parameter can explain a "
                        "difference",
                        *count, data->values[kept[0]]);
    }
    return RLT_OK;
}

static int compare_importance(const void *a, const void *b) {
    const rlt_importance *left = a, *right = b;
    if (left->left_out != right->left_out) {
        return left->left_out ? 1 : -1;
    }
    if (left->raw != right->raw) {
        return left->raw > right->raw ? -1 : 1;
    }
    return left->param - right->param;
}

void rlt_importance_finish(rlt_importance *list, int count) {
    double sum = 0;
    int used = 0;
    for (int i = 0; i < count; i++) {
        sum += list[i].raw;
        used += !list[i].left_out;
    }
    for (int i = 0; i < count; i++) {
        double equal = list[i].left_out ? 0 : 1.0 / used;
        list[i].share = sum > 0 ? list[i].raw / sum : equal;
    }
    qsort(list, (size_t)count, sizeof *list, compare_importance);
}
