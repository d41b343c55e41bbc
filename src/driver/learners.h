/* driver: learner processes. Private to src/driver. */
#ifndef RLT_DRIVER_LEARNERS_H
#define RLT_DRIVER_LEARNERS_H
#include "driver/driver_impl.h"

#define RLT_LEARNER_ENDED "the learner process ended with %s" /* the cause of a loss */

typedef struct rlt_learner_place { /* what all learners of a driver have in common; borrowed */
    const char *endpoint, *keys;   /* of the driver's channel */
    const char *folder;            /* where they run; NULL: here */
} rlt_learner_place;
/* Starts the learner of one attempt, which connects to the driver by itself. */
rlt_status rlt_learner_launch(rlt_job *job, const rlt_learner_place *place, const char *name,
                              int64_t attempt, rlt_err *err);
/* Its name among the channel's peers. */
void rlt_driver_learner_name(const rlt_driver_entry *t, char name[RLT_PEER_NAME_MAX + 1]);
rlt_status rlt_driver_start_learner(rlt_driver *d, rlt_driver_entry *t, rlt_err *err);
/* The process is no more, whoever had started it: nothing, if it had said its last word; else the
 * trial is tried again. */
rlt_status rlt_driver_learner_gone(rlt_driver *d, rlt_driver_entry *t, const char *cause,
                                   rlt_err *err);
void rlt_driver_kill_silent(rlt_driver *d);
#endif
