/* learner: see due.h. Why the time counts from the task: the driver then knows both ends of it, and
 * a trial is asked at the same moment that the driver would say. */
#include "learner/due.h"

rlt_status rlt_due_read_decision(rlt_due *due, const rlt_msg *msg, rlt_err *err) {
    RLT_TRY(rlt_msg_get_i64(msg, "milestone", &due->milestone, err));
    return rlt_msg_get_f64(msg, "asks_at_s", &due->asks_at_s, err);
}

rlt_status rlt_due_read_task(rlt_due *due, const rlt_msg *msg, rlt_err *err) {
    due->began = rlt_clock_s();
    RLT_TRY(rlt_due_read_decision(due, msg, err));
    RLT_TRY(rlt_msg_get_f64(msg, "ends_at_s", &due->ends_at_s, err));
    return rlt_msg_get_str(msg, "ends_why", due->ends_why, sizeof(due->ends_why), err);
}

double rlt_due_ran_s(const rlt_due *due) {
    return rlt_clock_s() - due->began;
}

static bool is_time(const rlt_due *due) {
    return rlt_due_ran_s(due) >= due->asks_at_s;
}

bool rlt_due_asks(const rlt_due *due, int64_t steps) {
    return steps >= due->milestone || is_time(due);
}

int64_t rlt_due_milestone(const rlt_due *due, int64_t steps) {
    return is_time(due) ? steps : due->milestone;
}
