/* tuner: what asha and hyperband_asha share. Thread: the tuner's. */
#ifndef RLT_TUNER_ASHA_H
#define RLT_TUNER_ASHA_H
#include "tuner/tuner_impl.h"

enum { RLT_ASHA_RUNGS_MAX = 63, RLT_ASHA_BRACKETS_MAX = 32 };
typedef struct rlt_asha {
    int64_t reduction, bootstrap;
    int rungs, brackets;               /* rungs of bracket 0; bracket b has rungs - b */
    int64_t steps[RLT_ASHA_RUNGS_MAX]; /* grace * reduction^k */
    rlt_split *splits;                 /* [brackets][rungs]: what was recorded */
} rlt_asha;
/* Fills the steps below max_steps. */
void rlt_asha_rungs(rlt_asha *at, int64_t grace, int64_t reduction, int64_t max_steps);
void rlt_asha_brackets(rlt_asha *at, int brackets); /* after the rungs */
void rlt_asha_fini(rlt_asha *at);
int64_t rlt_asha_index(const rlt_asha *at, int bracket, int64_t step);
int64_t rlt_asha_step(const rlt_asha *at, int bracket, int64_t index);
void rlt_asha_judge(rlt_asha *at, int bracket, const rlt_stopper_report *report,
                    rlt_verdict *verdict);
void rlt_asha_explain(const rlt_asha *at, const rlt_decision *decision, const char *metric,
                      bool maximise, char *text, size_t size);
#endif
