/* nn, private: what the losses of action values share. Thread: any; no state. */
#ifndef RLT_NN_CPU_VALUES_H
#define RLT_NN_CPU_VALUES_H
#include "nn/fns.h"

static inline int rlt_cpu_largest(const float *x, int n) {
    int best = 0;
    for (int i = 1; i < n; i++) {
        best = x[i] > x[best] ? i : best;
    }
    return best;
}

static inline float rlt_cpu_bounded(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

static inline float rlt_cpu_weight(const float *weight, int row) {
    return weight == NULL ? 1 : weight[row];
}

/* The only term of a loss of values. */
static inline void rlt_cpu_value_sum(rlt_update_state *update, double sum) {
    for (int term = 0; term < RLT_SUM_COUNT; term++) {
        update->current[term] = term == RLT_SUM_VALUE ? sum : 0;
    }
}
#endif
