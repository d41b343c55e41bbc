/* tuner: synchronous successive halving of cohorts of trials: what sha and hyperband share.
 * Trials are numbered into bands of brackets of fixed sizes; a bracket of a band is a cohort. All
 * members of a cohort that are still in it run to its next rung and pause there; once the last has
 * come, the best 1/reduction of the places go on, the others stop.
 * Thread: the tuner's. */
#ifndef RLT_TUNER_COHORTS_H
#define RLT_TUNER_COHORTS_H
#include "tuner/tuner_impl.h"

enum { RLT_COHORT_RUNGS_MAX = 63, RLT_COHORT_BRACKETS_MAX = 32 };
typedef struct rlt_bracket { /* what its cohorts have in common */
    int64_t size;            /* trials */
    int rungs;
    int64_t steps[RLT_COHORT_RUNGS_MAX];
} rlt_bracket;

typedef struct rlt_member { /* at the rung of its cohort */
    int64_t number, index;  /* index: of the newest milestone that it has reached */
    double key;
    bool ended; /* by itself, before the rung: it takes part with its final value */
} rlt_member;

typedef struct rlt_cohort {
    int rung;                       /* the next one to be ruled on */
    int64_t places, expected, gone; /* by plan; that run to the rung; of these, never to come */
    rlt_member *members;            /* that have come */
    int64_t count, capacity;
    double cutoffs[RLT_COHORT_RUNGS_MAX]; /* of the rungs ruled on */
} rlt_cohort;

typedef struct rlt_cohorts {
    int64_t reduction, band, trials; /* band: trials of all brackets; trials: in all, 0: unknown */
    int brackets;
    rlt_bracket bracket[RLT_COHORT_BRACKETS_MAX];
    rlt_cohort *cohorts; /* band by band; a cohort with places 0 has not begun */
    int64_t count, capacity;
    rlt_rulings *rulings;
} rlt_cohorts;

/* The functions of a rlt_stopper_def whose state is a rlt_cohorts, but for init: that fills
 * reduction, band, trials, brackets, bracket and rulings. */
void rlt_cohorts_fini(void *state);
int rlt_cohorts_bracket(const void *state, int64_t number);
int64_t rlt_cohorts_index(const void *state, int64_t number, int64_t step);
int64_t rlt_cohorts_step(const void *state, int64_t number, int64_t index);
void rlt_cohorts_judge(void *state, const rlt_stopper_report *report, rlt_verdict *verdict);
void rlt_cohorts_ended(void *state, const rlt_stopper_end *end);
void rlt_cohorts_closed(void *state, int64_t count);
void rlt_cohorts_explain(const void *state, const rlt_decision *decision, const char *metric,
                         bool maximise, char *text, size_t size);
#endif
