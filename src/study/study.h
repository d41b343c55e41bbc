/* study: the socket by which others take part in an experiment that a driver owns: ask for trials,
 * tell what came of them, queue points. A Unix-domain socket that has no file; requests and
 * replies are JSON objects, one a line (docs/protocol.md). This module knows lines, clients and
 * sizes; what requests mean is the caller's.
 * Why a Unix socket: the kernel says who connects (only the same user may), and nothing off this
 * machine can. All that comes in is untrusted: clients, lines and what waits to be sent are
 * bounded. Thread: a server belongs to one thread. Owner: the caller. */
#ifndef RLT_STUDY_H
#define RLT_STUDY_H
#include "core/core.h"

#include <jansson.h>

enum {
    RLT_STUDY_VERSION = 1,
    RLT_STUDY_NAME_SIZE = 64,
    RLT_STUDY_CLIENTS_MAX = 256,
    RLT_STUDY_LINE_MAX = 1 << 20,  /* bytes of a request */
    RLT_STUDY_OUTPUT_MAX = 8 << 20 /* bytes that wait for one client */
};

/* "@rltune-<hash of the database's path>-e<experiment>"; the database must exist. */
rlt_status rlt_study_name(const char *db_path, int64_t experiment, char name[RLT_STUDY_NAME_SIZE],
                          rlt_err *err);

typedef struct rlt_study_server rlt_study_server;
typedef struct rlt_study_events {
    void *user;
    /* A request of a client, which is a number that no other one gets. *reply: a new object, which
     * is sent by flush. A failure ends the pump. */
    rlt_status (*request)(void *user, int64_t client, const json_t *request, json_t **reply,
                          rlt_err *err);
    void (*gone)(void *user, int64_t client); /* its connection is closed */
} rlt_study_events;

/* RLT_EBUSY: somebody listens there. */
rlt_status rlt_study_server_create(const char *name, rlt_study_server **server, rlt_err *err);
void rlt_study_server_destroy(rlt_study_server **server);
int rlt_study_server_fd(const rlt_study_server *server); /* readable: pump has something to do */
rlt_status rlt_study_server_pump(rlt_study_server *server, const rlt_study_events *events,
                                 rlt_err *err);
int rlt_study_server_count(const rlt_study_server *server); /* clients that are connected */
/* Sends what requests were answered with; to be called once that is on the disk. */
void rlt_study_server_flush(rlt_study_server *server);

/* ---- the other end ---- */
typedef struct rlt_study_client rlt_study_client;
/* RLT_ENOTFOUND: nobody listens there. */
rlt_status rlt_study_connect(const char *name, rlt_study_client **client, rlt_err *err);
void rlt_study_close(rlt_study_client **client);
int rlt_study_client_fd(const rlt_study_client *client);
/* One request. Several may be sent before the replies are read, which come in the same order; some
 * hundred at most, as neither end waits for ever for the other to read. */
rlt_status rlt_study_send(rlt_study_client *client, const json_t *request, rlt_err *err);
/* The next reply, a new reference. A reply that says {"ok": false} becomes an error with its text:
 * RLT_ESTALE for the code "stale", else RLT_EINVAL. RLT_EPEER: the other end is gone; RLT_ETIMEOUT:
 * no reply within timeout_s. */
rlt_status rlt_study_receive(rlt_study_client *client, double timeout_s, json_t **reply,
                             rlt_err *err);
/* One request and its reply, as receive. */
rlt_status rlt_study_call(rlt_study_client *client, const json_t *request, double timeout_s,
                          json_t **reply, rlt_err *err);
#endif
