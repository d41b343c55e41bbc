/* driver: learner processes, which are trainings: the driver's own and those that a process started
 * which has joined (join.c). Both are told their task and say everything over the same channel.
 * Thread: the driver's. Owner: the driver. */
#include "driver/learners.h"

#include <signal.h>
#include <stdio.h>

void rlt_driver_learner_name(const rlt_driver_entry *t, char name[RLT_PEER_NAME_MAX + 1]) {
    snprintf(name, RLT_PEER_NAME_MAX + 1, "t%lld-%lld", (long long)t->id, (long long)t->attempt);
}

rlt_status rlt_learner_launch(rlt_job *job, const rlt_learner_place *place, const char *name,
                              int64_t attempt, rlt_err *err) {
    char epoch[32];
    snprintf(epoch, sizeof(epoch), "%lld", (long long)attempt);
    char *argv[] = {NULL,
                    "learner",
                    "--endpoint",
                    (char *)place->endpoint,
                    "--name",
                    (char *)name,
                    "--epoch",
                    epoch,
                    place->folder != NULL ? "--folder" : NULL,
                    (char *)place->folder,
                    NULL};
    return rlt_job_start(job, argv, NULL, 0, RLT_KEYS_ENV, place->keys, err);
}

rlt_status rlt_driver_start_learner(rlt_driver *d, rlt_driver_entry *t, rlt_err *err) {
    char name[RLT_PEER_NAME_MAX + 1], keys[RLT_CREDENTIALS_SIZE];
    const rlt_learner_place place = {rlt_channel_endpoint(d->channel), keys, NULL};
    rlt_keys_format(rlt_channel_keys(d->channel), keys);
    rlt_driver_learner_name(t, name);
    return rlt_learner_launch(&t->job, &place, name, t->attempt, err);
}

rlt_status rlt_driver_learner_gone(rlt_driver *d, rlt_driver_entry *t, const char *cause,
                                   rlt_err *err) {
    char silent[128];
    if (t->ended) {
        return RLT_OK;
    }
    t->sweep = true;
    if (d->stop_seen > 1) {
        return rlt_driver_again(d, t, "stop requested twice", err);
    }
    if (t->returned) {
        return rlt_driver_again(d, t, RLT_RETURNED, err);
    }
    snprintf(silent, sizeof(silent), "the learner said nothing for %g s and was killed",
             d->config.run.silence_s);
    return rlt_driver_broken(d, t, t->silent ? silent : cause, err);
}

void rlt_driver_kill_silent(rlt_driver *d) {
    double now = rlt_clock_s();
    for (size_t i = d->first_open; d->host == NULL && i < d->count; i++) {
        rlt_driver_entry *t = &d->trials[i];
        if (rlt_driver_has_process(t) && !t->ended && !t->silent &&
            now - t->heard > d->config.run.silence_s) {
            rlt_log(RLT_LOG_WARN, "driver.silent_learner", "trial %lld was silent for %.0f s",
                    (long long)t->number, now - t->heard);
            rlt_job_signal(&t->job, SIGKILL); /* a lent one: by whoever started it */
            t->silent = true;
        }
    }
}
