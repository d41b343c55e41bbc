/* tuner: which form of a Gaussian process's loops runs: see gp_lanes.h.
 * Thread: pure functions. */
#include "tuner/samplers/gp_lanes.h"

#include <stddef.h>

const rlt_gp_form *rlt_gp_form_at(int i) {
#ifdef RLT_GP_VECTOR_FORMS
    if (i == 1) {
        return __builtin_cpu_supports("avx2") ? &rlt_gp_avx2 : NULL;
    }
    if (i == 2) {
        bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
        return has ? &rlt_gp_avx512 : NULL;
    }
#endif
    return i == 0 ? &rlt_gp_plain : NULL;
}

const rlt_gp_form *rlt_gp_form_best(void) {
    for (int i = 2; i > 0; i--) {
        const rlt_gp_form *form = rlt_gp_form_at(i);
        if (form != NULL) {
            return form;
        }
    }
    return &rlt_gp_plain;
}

double rlt_gp_dot(int count, const double *a, const double *b) {
    double sums[4] = {0};
    for (int i = 0; i < count; i++) {
        sums[i % 4] += a[i] * b[i];
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}
