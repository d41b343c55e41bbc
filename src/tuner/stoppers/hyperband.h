/* tuner: the brackets of Hyperband. Thread: any, no state. */
#ifndef RLT_TUNER_HYPERBAND_H
#define RLT_TUNER_HYPERBAND_H
#include "tuner/tuner_impl.h"

/* floor(log_reduction(max_steps / grace)) + 1, at most `most`. */
int rlt_hyperband_brackets(int64_t grace, int64_t reduction, int64_t max_steps, int most);
/* ceil(brackets * reduction^s / (s + 1)): trials of the bracket that halves s times. Saturated. */
int64_t rlt_hyperband_size(int brackets, int64_t reduction, int s);
rlt_status rlt_hyperband_check(const rlt_stopper_setup *setup, const char *stopper,
                               int64_t *max_steps, rlt_err *err);
#endif
