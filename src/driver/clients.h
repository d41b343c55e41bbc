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

/* Does what the request asks for. RLT_EINVAL, RLT_ECONFIG, RLT_ESCRIPT, RLT_ELIMIT: it is wrong;
 * RLT_ESTALE: the trial is no longer the client's. */
rlt_status rlt_call_run(rlt_call *c, rlt_err *err);
#endif
