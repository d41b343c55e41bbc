/* transport: typed messages (msgpack), channels (ZeroMQ with CURVE), shared memory.
 * Why: the driver, the learner and the workers are processes; everything they tell each other
 * goes through here, is bounded in size and checked before it is believed.
 * Threads: a channel, a reader and a writer belong to one thread each; shared-memory blocks have
 * the owners that their comments name. Owner: whoever called create, init, bind or connect. */
#ifndef RLT_TRANSPORT_H
#define RLT_TRANSPORT_H
#include "core/core.h"

#include <stdatomic.h>

/* ---- Messages: a msgpack map {v, type, epoch, seq, ...}. Limits are checked before anything is
 * allocated; keys that the reader does not ask for are ignored. Large tensors are no fields: they
 * go into the blob of a packet (below). */
enum {
    RLT_PROTOCOL_VERSION = 1,
    RLT_MSG_SIZE_MAX = 16 << 20,    /* bytes of one encoded message */
    RLT_MSG_DEPTH_MAX = 4,          /* nested maps and arrays, the message itself included */
    RLT_MSG_FIELDS_MAX = 64,        /* keys of the message's map */
    RLT_MSG_ELEMENTS_MAX = 1 << 16, /* values in the whole message */
    RLT_MSG_KEY_MAX = 32,           /* bytes of a key */
};

/* Their numbers are those on the wire and stay; 7 and 10 name nothing. */
#define RLT_MSG_TYPES(X)                                                                           \
    X(HELLO, 1, "hello")                                                                           \
    X(TASK, 2, "task")                                                                             \
    X(SEGMENT, 3, "segment")                                                                       \
    X(WEIGHTS, 4, "weights")                                                                       \
    X(CREDIT, 5, "credit")                                                                         \
    X(METRICS, 6, "metrics")                                                                       \
    X(DECISION, 8, "decision")                                                                     \
    X(CHECKPOINT, 9, "checkpoint")                                                                 \
    X(HEARTBEAT, 11, "heartbeat")                                                                  \
    X(STOP, 12, "stop")                                                                            \
    X(DONE, 13, "done")                                                                            \
    X(FAILED, 14, "failed")
typedef enum rlt_msg_type {
    RLT_MSG_NONE,
#define X(name, number, text) RLT_MSG_##name = number,
    RLT_MSG_TYPES(X)
#undef X
        RLT_MSG_TYPE_COUNT
} rlt_msg_type;
const char *rlt_msg_type_name(rlt_msg_type type); /* "?" when out of range */

/* Writer: {0} is ready; begin, put..., end; reuse it for the next message (no allocation once the
 * buffer has grown). Puts past a limit are remembered and reported by end (RLT_ELIMIT). Keys must
 * be unique and not v, type, epoch or seq. */
typedef struct rlt_msg_writer {
    rlt_buf buf;
    uint32_t fields, elements;
    bool failed;
} rlt_msg_writer;
void rlt_msg_begin(rlt_msg_writer *writer, rlt_msg_type type, uint64_t epoch, uint64_t seq);
void rlt_msg_put_u64(rlt_msg_writer *writer, const char *key, uint64_t value);
void rlt_msg_put_i64(rlt_msg_writer *writer, const char *key, int64_t value);
void rlt_msg_put_f64(rlt_msg_writer *writer, const char *key, double value);
void rlt_msg_put_str(rlt_msg_writer *writer, const char *key, const char *value);
void rlt_msg_put_bin(rlt_msg_writer *writer, const char *key, const void *data, size_t size);
void rlt_msg_put_f64s(rlt_msg_writer *writer, const char *key, const double *values, size_t count);
rlt_status rlt_msg_end(rlt_msg_writer *writer, rlt_err *err);
void rlt_msg_writer_fini(rlt_msg_writer *writer);

/* Reader: {0} is ready; values are views into `data` until the next parse or the end of `data`.
 * parse refuses (RLT_EPROTO) whatever is not exactly one valid message. A field that is missing
 * or of another type is RLT_EPROTO too; ask `has` first for optional ones. */
typedef struct rlt_msg {
    rlt_msg_type type;
    uint64_t epoch, seq;
    struct rlt_msg_parsed *parsed; /* private, reused */
} rlt_msg;
rlt_status rlt_msg_parse(rlt_msg *msg, const void *data, size_t size, rlt_err *err);
bool rlt_msg_has(const rlt_msg *msg, const char *key);
rlt_status rlt_msg_get_u64(const rlt_msg *msg, const char *key, uint64_t *out, rlt_err *err);
rlt_status rlt_msg_get_i64(const rlt_msg *msg, const char *key, int64_t *out, rlt_err *err);
/* Integers are accepted as well. */
rlt_status rlt_msg_get_f64(const rlt_msg *msg, const char *key, double *out, rlt_err *err);
/* Copies with a final 0; refuses text that does not fit or that holds a 0. */
rlt_status rlt_msg_get_str(const rlt_msg *msg, const char *key, char *out, size_t capacity,
                           rlt_err *err);
/* Text of any length with a final 0, owned by the caller (rlt_free); NULL on failure. */
rlt_status rlt_msg_copy_str(const rlt_msg *msg, const char *key, char **text, rlt_err *err);
rlt_status rlt_msg_get_bin(const rlt_msg *msg, const char *key, const void **data, size_t *size,
                           rlt_err *err);
/* At most `capacity` values; more is RLT_EPROTO. */
rlt_status rlt_msg_get_f64s(const rlt_msg *msg, const char *key, double *out, size_t capacity,
                            size_t *count, rlt_err *err);
void rlt_msg_fini(rlt_msg *msg);

/* ---- Channels: a server (ROUTER) and its named clients (DEALER), always with CURVE; a peer
 * without the run's client key is refused. */
enum { RLT_KEY_SIZE = 41, RLT_CREDENTIALS_SIZE = 3 * RLT_KEY_SIZE, RLT_PEER_NAME_MAX = 63 };
#define RLT_KEYS_ENV "RLTUNE_KEYS"

/* Z85 text, 0-terminated. server_secret is empty in clients. */
typedef struct rlt_keys {
    char server_public[RLT_KEY_SIZE], server_secret[RLT_KEY_SIZE];
    char client_public[RLT_KEY_SIZE], client_secret[RLT_KEY_SIZE];
} rlt_keys;
rlt_status rlt_keys_generate(rlt_keys *keys, rlt_err *err); /* RLT_ENOTSUP without CURVE */
/* What a child needs (no server secret), as text for RLT_KEYS_ENV. */
void rlt_keys_format(const rlt_keys *keys, char out[RLT_CREDENTIALS_SIZE]);
rlt_status rlt_keys_parse(rlt_keys *keys, const char *text, rlt_err *err);
/* From RLT_KEYS_ENV, which is then removed from the environment. */
rlt_status rlt_keys_from_env(rlt_keys *keys, rlt_err *err);
void rlt_keys_wipe(rlt_keys *keys);

typedef struct rlt_channel rlt_channel;
typedef struct rlt_channel_options {
    const char *endpoint;  /* server: NULL is a fresh ipc://@rltune-<random>, which leaves no file;
                            * tcp://127.0.0.1:* picks a port */
    const char *name;      /* client: unique among the server's clients, 1..RLT_PEER_NAME_MAX
                            * printable characters; a newer client takes a name over */
    const rlt_keys *keys;  /* server: NULL generates (loopback and ipc only) */
    int64_t part_size_max; /* of a received control or blob part; 0: 64 MiB */
    int queue_max;         /* messages queued each way per peer; 0: 64 */
    int heartbeat_ms;      /* 0: 2000; the link counts as dead after three times as long */
} rlt_channel_options;
rlt_status rlt_channel_bind(rlt_channel **channel, const rlt_channel_options *options,
                            rlt_err *err);
rlt_status rlt_channel_connect(rlt_channel **channel, const rlt_channel_options *options,
                               rlt_err *err);
const char *rlt_channel_endpoint(const rlt_channel *channel); /* as clients connect to it */
const rlt_keys *rlt_channel_keys(const rlt_channel *channel);

/* timeout_ms: 0 returns at once, there is no "for ever". `peer` is a client's name (server) or
 * NULL (client). blob may be NULL; it is copied. RLT_EPEER: no such peer now (server only: a
 * client's packets wait in its queue for the server); RLT_ETIMEOUT: the queue is full; RLT_ELIMIT:
 * a part is larger than part_size_max. Signals do not end the wait. */
rlt_status rlt_channel_send(rlt_channel *channel, const char *peer, const rlt_msg_writer *message,
                            const void *blob, size_t blob_size, int timeout_ms, rlt_err *err);
/* Views that stay valid until the next recv on this channel. The blob is 8-byte aligned. */
typedef struct rlt_packet {
    const char *peer; /* the sender's name; "" in a client */
    const rlt_msg *msg;
    const void *blob; /* NULL when there is none */
    size_t blob_size;
} rlt_packet;
/* RLT_ETIMEOUT: nothing came; RLT_EPROTO: a malformed packet was dropped (packet->peer is set),
 * the channel goes on; RLT_EINTERRUPTED: a signal came. */
rlt_status rlt_channel_recv(rlt_channel *channel, rlt_packet *packet, int timeout_ms, rlt_err *err);
typedef struct rlt_poll_item {
    rlt_channel *channel; /* or NULL and */
    int fd;
    bool ready; /* out: readable (or hung up) */
} rlt_poll_item;
enum { RLT_POLL_ITEMS_MAX = 64 };
/* *ready_count may be 0 after the timeout. */
rlt_status rlt_channel_poll(rlt_poll_item *items, int count, int timeout_ms, int *ready_count,
                            rlt_err *err);
void rlt_channel_destroy(rlt_channel *channel); /* NULL is fine; drops what is not yet sent */
/* destroy, but waits up to linger_ms until what was sent has left this process: for the last words
 * (DONE, FAILED). A server that is not there costs the whole time. */
void rlt_channel_close(rlt_channel *channel, int linger_ms);

/* ---- Shared memory: a memfd without a name, so nothing can be orphaned; children inherit the
 * descriptor. Its size is sealed. */
typedef struct rlt_shm {
    void *data; /* page aligned, zeroed at creation */
    size_t size;
    int fd; /* owned; in {0} data is NULL and fd is not used */
} rlt_shm;
rlt_status rlt_shm_create(rlt_shm *shm, const char *label, size_t size, rlt_err *err);
/* Takes ownership of fd on success. `size` must be the creator's: RLT_EPROTO else. */
rlt_status rlt_shm_attach(rlt_shm *shm, int fd, size_t size, rlt_err *err);
void rlt_shm_fini(rlt_shm *shm);

/* Slot ring of one worker: FREE -(worker: publish)-> FILLED -(learner: take)-> IN_USE
 * -(learner: release)-> FREE. The slot's index travels in SEGMENT, its return in CREDIT. */
enum { RLT_SLOT_FREE, RLT_SLOT_FILLED, RLT_SLOT_IN_USE };
typedef struct rlt_ring {
    struct rlt_ring_header *header; /* in the shared memory */
    uint32_t slot_count;
    size_t slot_size;   /* as asked for */
    size_t slot_stride; /* rounded up to a cache line */
} rlt_ring;
size_t rlt_ring_size(uint32_t slot_count, size_t slot_size); /* bytes; 0 when out of range */
rlt_status rlt_ring_init(rlt_ring *ring, void *memory, size_t size, uint32_t slot_count,
                         size_t slot_size, rlt_err *err);
rlt_status rlt_ring_attach(rlt_ring *ring, void *memory, size_t size, uint32_t slot_count,
                           size_t slot_size, rlt_err *err);
void *rlt_ring_slot(const rlt_ring *ring, uint32_t slot); /* 64-byte aligned */
/* A FREE slot or -1: the worker's back-pressure. */
int rlt_ring_find_free(const rlt_ring *ring);
rlt_status rlt_ring_publish(rlt_ring *ring, uint32_t slot, uint64_t epoch, size_t used,
                            rlt_err *err);
/* RLT_EPROTO: no such slot or not FILLED; RLT_ESTALE: filled by another epoch (now FREE). */
rlt_status rlt_ring_take(rlt_ring *ring, uint32_t slot, uint64_t epoch, size_t *used, rlt_err *err);
rlt_status rlt_ring_release(rlt_ring *ring, uint32_t slot, rlt_err *err);
/* Learner, once the worker is dead: every slot is FREE again; returns how many were not. */
uint32_t rlt_ring_reclaim(rlt_ring *ring);

/* Weight block: two buffers and a version; one writer (the learner), any number of readers that
 * copy out and check afterwards (seqlock), so that nobody ever waits for a reader. */
typedef struct rlt_weights {
    struct rlt_weights_header *header; /* in the shared memory */
    size_t size;                       /* bytes of one set of weights */
} rlt_weights;
size_t rlt_weights_size(size_t weight_bytes); /* bytes of the block; 0 when out of range */
rlt_status rlt_weights_init(rlt_weights *weights, void *memory, size_t size, size_t weight_bytes,
                            rlt_err *err);
rlt_status rlt_weights_attach(rlt_weights *weights, void *memory, size_t size, size_t weight_bytes,
                              rlt_err *err);
/* version grows with every publish; the first is at least 1. */
void rlt_weights_publish(rlt_weights *weights, const void *data, uint64_t version);
uint64_t rlt_weights_version(const rlt_weights *weights); /* 0: none yet */
/* Copies the newest set; RLT_ENOTFOUND: none yet; RLT_EBUSY: overtaken too often, try again. */
rlt_status rlt_weights_read(const rlt_weights *weights, void *out, uint64_t *version);

/* ---- Credits in bytes: the sender takes before it sends, the receiver gives back. */
typedef struct rlt_credit {
    uint64_t limit, used;
} rlt_credit;
bool rlt_credit_take(rlt_credit *credit, uint64_t bytes); /* false: wait for CREDIT */
/* RLT_EPROTO when more comes back than was taken. */
rlt_status rlt_credit_give(rlt_credit *credit, uint64_t bytes, rlt_err *err);
#endif
