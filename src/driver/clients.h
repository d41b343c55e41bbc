/* driver: requests of clients. Private to src/driver. */
#ifndef RLT_DRIVER_CLIENTS_H
#define RLT_DRIVER_CLIENTS_H
#include "driver/programs.h"

typedef struct rlt_call {
    rlt_driver *d;
    int64_t client;
    const json_t *request;
    json_t *reply; /* {"ok": true}, to be added to */
} rlt_call;

#define RLT_EVENT_UNASKED "trial.unasked" /* {path: value} */
/* SQL: `params` of trials t with those that were not asked for: what samplers were told. */
#define RLT_TOLD_PARAMS(params)                                                                    \
    "coalesce((SELECT json_patch(" params ", u.text) FROM events u WHERE u.trial = t.id AND "      \
    "u.kind = '" RLT_EVENT_UNASKED "'), " params ")"

/* asked.c: the row of a trial that is about to end keeps the parameters named by the list `asked`
 * (NULL: all). RLT_EINVAL: it is no such list. */
rlt_status rlt_driver_keep_asked(rlt_driver *d, const rlt_driver_entry *t, const json_t *asked,
                                 rlt_err *err);

/* RLT_EINVAL: it is no point that a client may bring to run itself. */
rlt_status rlt_driver_check_point(const rlt_driver *d, const json_t *point, rlt_err *err);

/* Does what the request asks for. RLT_EINVAL, RLT_ECONFIG, RLT_ESCRIPT, RLT_ELIMIT: it is wrong;
 * RLT_ESTALE: the trial is no longer the client's. */
rlt_status rlt_call_run(rlt_call *c, rlt_err *err);
/* The trial that an object names by "trial", "attempt" and "final": the client's own, in the
 * attempt that it was given; anything else is RLT_ESTALE. That it is named is a sign of life. */
rlt_status rlt_call_given(const rlt_call *c, const json_t *object, rlt_driver_entry **found,
                          rlt_err *err);
/* The same by a list [trial, attempt, final]. */
rlt_status rlt_call_named(const rlt_call *c, const json_t *list, rlt_driver_entry **found,
                          rlt_err *err);

/* lend.c: of a process that has joined */
rlt_status rlt_lend_hello(rlt_call *c, rlt_err *err);
rlt_status rlt_lend_check(const rlt_call *c, rlt_err *err); /* whether the client may ask */
bool rlt_lend_is_finished(const rlt_driver *d);             /* whether no further trial will come */
rlt_status rlt_lend_task(rlt_call *c, rlt_driver_entry *t, rlt_err *err); /* of a trial given */
rlt_status rlt_lend_ended(rlt_call *c, rlt_err *err);
rlt_status rlt_lend_give_back(rlt_call *c, rlt_err *err);
rlt_status rlt_lend_drop_lost(rlt_driver *d, rlt_err *err);
#endif
