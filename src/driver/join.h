/* driver: the process that has joined. Private to src/driver. */
#ifndef RLT_DRIVER_JOIN_H
#define RLT_DRIVER_JOIN_H
#include "driver/learners.h"
#include "driver/wire.h"

typedef struct rlt_joined { /* a trial whose process runs here */
    int64_t number, attempt;
    bool final;
    rlt_job job; /* of a training */
} rlt_joined;

typedef enum { RLT_ASKED_TRIAL, RLT_ASKED_REPORT, RLT_ASKED_END, RLT_ASKED_BEAT } rlt_asked_kind;

typedef struct rlt_asked { /* a request whose reply has not been read */
    rlt_asked_kind kind;
    rlt_joined of; /* what it is about */
    bool waits;    /* a report: the program waits for the answer */
} rlt_asked;

enum { RLT_ASKED_MAX = 256 };
typedef struct rlt_joiner {
    const rlt_driver_options *o;
    rlt_study_client *client;
    int64_t experiment;
    rlt_command_host *host; /* of programs and functions; NULL: trials are trainings */
    rlt_patterns *patterns;
    json_t *hello;           /* the driver's, owned: input, endpoint, keys, folder */
    rlt_learner_place place; /* borrows from it */
    rlt_joined *trials;      /* [parallel] */
    int count, parallel;
    rlt_asked asked[RLT_ASKED_MAX];
    int asked_count, asked_read;
    int appetite; /* trials to be asked for at once */
    bool finished;
    int stop_seen;
    double next_beat, next_ask;
    char who[128];
    int64_t done;
} rlt_joiner;

void rlt_join_say(const rlt_joiner *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
rlt_joined *rlt_join_find(rlt_joiner *j, int64_t number, bool final);

/* join_calls.c: requests are sent at once, and their replies are read together: so a pass costs one
 * commit of the driver's, however many trials there are. */
/* Takes the request's reference. */
rlt_status rlt_join_send(rlt_joiner *j, rlt_asked asked, json_t *request, rlt_err *err);
rlt_status rlt_join_settle(rlt_joiner *j, rlt_err *err); /* reads and does what they say */
json_t *rlt_join_request(const rlt_joined *t, const char *op);
json_t *rlt_join_names(const rlt_joiner *j); /* of all trials: [[trial, attempt, final], ...] */
/* What the process of a trial has come to; the trial is forgotten here. end NULL: it could not be
 * started, why says so. */
rlt_status rlt_join_tell_end(rlt_joiner *j, rlt_joined *t, const rlt_command_end *end,
                             const rlt_err *why, rlt_err *err);

/* join_trials.c: processes */
rlt_status rlt_join_open(rlt_joiner *j, rlt_err *err); /* of the kind that hello names */
void rlt_join_close(rlt_joiner *j);                    /* kills what runs */
/* With the driver's reply to `ask`; one that cannot be started is told. */
rlt_status rlt_join_start(rlt_joiner *j, const json_t *given, rlt_err *err);
/* Waits for something to happen, and does what follows from it here. */
rlt_status rlt_join_pump(rlt_joiner *j, int timeout_ms, rlt_err *err);
void rlt_join_stop(rlt_joiner *j,
                   const rlt_joined *t); /* a program: a training is told otherwise */
void rlt_join_kill(rlt_joiner *j, const rlt_joined *t);
static inline int64_t rlt_join_id(const rlt_joined *t) { /* of its program */
    return 2 * t->number + t->final;
}
#endif
