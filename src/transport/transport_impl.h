/* transport: what its files share and nobody else sees: the channel's parts, the walk over
 * untrusted msgpack. Threads and owners: as transport.h says. */
#ifndef RLT_TRANSPORT_IMPL_H
#define RLT_TRANSPORT_IMPL_H
#include "transport/transport.h"

#include <pthread.h>
#include <zmq.h>

/* True when `data` is one whole msgpack value within the limits on depth and count of values, with
 * every length inside `size`. Allocates nothing. */
bool rlt_msg_walk(const void *data, size_t size);

/* Answers libzmq's question whether a peer's public key is the run's, in a thread of its own, so
 * that a server that computes for a while keeps nobody waiting. */
enum { RLT_RAW_KEY_SIZE = 32 };
typedef struct rlt_zap {
    pthread_t thread;
    void *socket; /* the thread's once it runs; NULL: not started */
    uint8_t client_public[RLT_RAW_KEY_SIZE];
} rlt_zap;
rlt_status rlt_zap_start(rlt_zap *zap, void *context, const char *client_public, rlt_err *err);
void rlt_zap_join(rlt_zap *zap); /* after zmq_ctx_shutdown; {0} is fine */

/* Is it a key in Z85 text: 40 characters of that alphabet (rfc.zeromq.org/spec/32)? */
bool rlt_key_is_valid(const char *text);
/* RLT_ENOTSUP unless libzmq was built with CURVE. */
rlt_status rlt_curve_check(rlt_err *err);

enum { RLT_ENDPOINT_SIZE = 320 };
rlt_status rlt_endpoint_check(const char *endpoint, rlt_err *err);
bool rlt_endpoint_is_loopback(const char *endpoint);
rlt_status rlt_endpoint_fresh(char out[RLT_ENDPOINT_SIZE], rlt_err *err);
/* What clients connect to, when libzmq has bound to `bound`. */
void rlt_endpoint_for_clients(const char *bound, char out[RLT_ENDPOINT_SIZE]);
bool rlt_peer_name_is_valid(const char *name, size_t size);

struct rlt_channel {
    void *context, *socket;
    bool server;
    rlt_zap zap;
    rlt_keys keys;
    char endpoint[RLT_ENDPOINT_SIZE];
    int64_t part_size_max;
    int send_timeout_ms, recv_timeout_ms; /* as set on the socket */
    /* The last packet: views of it are out until the next recv. */
    zmq_msg_t control, blob;
    rlt_msg msg;
    char peer[RLT_PEER_NAME_MAX + 1];
    bool heard; /* something has come in */
};
#endif
