/* learner: when a trial is to ask its driver whether it goes on, and when it has run whole: at a
 * step or after a time. Thread: any. Owner: the learner's process. */
#ifndef RLT_LEARNER_DUE_H
#define RLT_LEARNER_DUE_H
#include "transport/transport.h"

typedef struct rlt_due {
    int64_t milestone;           /* the step from which it asks */
    double began;                /* monotonic seconds, when the task had come; since then: */
    double asks_at_s, ends_at_s; /* it asks, it has run whole; INFINITY: never */
    char ends_why[64];
} rlt_due;
/* Of a task that has just come; of a decision. RLT_EPROTO: something is missing. */
rlt_status rlt_due_read_task(rlt_due *due, const rlt_msg *msg, rlt_err *err);
rlt_status rlt_due_read_decision(rlt_due *due, const rlt_msg *msg, rlt_err *err);
double rlt_due_ran_s(const rlt_due *due);
bool rlt_due_asks(const rlt_due *due, int64_t steps);
/* What the question is about: the milestone, or the step itself if it is the time that has come. */
int64_t rlt_due_milestone(const rlt_due *due, int64_t steps);
#endif
