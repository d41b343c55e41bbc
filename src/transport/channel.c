/* transport: making and ending channels on ZeroMQ: options, endpoints, keys.
 * Why: every limit that keeps a bad peer harmless is set here, once: CURVE with the run's client
 * key, frame size, queue length, heartbeats, time for a handshake.
 * Threads: a channel belongs to one; libzmq's I/O thread and the check of keys run beside it. Each
 * channel has its own context: the check of keys is one per context, and ending a channel then
 * ends all that belongs to it. Owner: the caller. */
#include "transport/transport_impl.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    PART_SIZE_MAX = 64 << 20,
    CURVE_OVERHEAD = 64, /* of one encrypted frame; libzmq: 33 bytes */
    QUEUE_MAX = 64,
    HEARTBEAT_MS = 2000,
    HEARTBEAT_MS_MAX = 1000000, /* three times as much still fits ZMTP's deciseconds in 16 bits */
    HANDSHAKE_MS = 10000,
    RECONNECT_MS = 50,
    RECONNECT_MS_MAX = 1000,
    DESCRIPTORS_NEEDED = 16, /* of a channel with its first peer */
    THREADS_NEEDED = 3,      /* two of libzmq, one that checks keys */
};

/* ---- before libzmq, which aborts when it gets no descriptor or thread ---- */

static rlt_status check_descriptors(rlt_err *err) {
    int fds[DESCRIPTORS_NEEDED], count = 0;
    while (count < DESCRIPTORS_NEEDED && (fds[count] = eventfd(0, EFD_CLOEXEC)) >= 0) {
        count++;
    }
    int code = errno;
    for (int i = 0; i < count; i++) {
        close(fds[i]);
    }
    if (count < DESCRIPTORS_NEEDED) {
        return rlt_fail(err, RLT_ELIMIT,
                        "a channel needs %d file descriptors and only %d are to be had (%s); raise "
                        "the limit (ulimit -n) or use fewer workers",
                        DESCRIPTORS_NEEDED, count, strerror(code));
    }
    return RLT_OK;
}

static void *wait_in_turn(void *mutex) {
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

static rlt_status check_threads(rlt_err *err) {
    pthread_t threads[THREADS_NEEDED];
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int count = 0, code = 0;
    pthread_mutex_lock(&mutex);
    while (count < THREADS_NEEDED &&
           (code = pthread_create(&threads[count], NULL, wait_in_turn, &mutex)) == 0) {
        count++;
    }
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    if (count < THREADS_NEEDED) {
        return rlt_fail(err, RLT_ELIMIT,
                        "a channel needs %d threads and only %d are to be had (%s); raise the "
                        "limits of processes and memory (ulimit -u, ulimit -v) or use fewer "
                        "workers",
                        THREADS_NEEDED, count, strerror(code));
    }
    return RLT_OK;
}

static rlt_status check_name(const char *name, rlt_err *err) {
    if (name == NULL || !rlt_peer_name_is_valid(name, strnlen(name, RLT_PEER_NAME_MAX + 1))) {
        return rlt_fail(err, RLT_EINVAL,
                        "\"%.80s\" is no name for a client; allowed: 1 to %d printable characters "
                        "without spaces",
                        name != NULL ? name : "", RLT_PEER_NAME_MAX);
    }
    return RLT_OK;
}

/* ---- options ---- */

static bool set_int(void *socket, int option, int value) {
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_text(void *socket, int option, const char *value) {
    return zmq_setsockopt(socket, option, value, strlen(value) + 1) == 0;
}

static bool set_limits(const rlt_channel *channel, const rlt_channel_options *options) {
    void *socket = channel->socket;
    int64_t frame_max = channel->part_size_max + CURVE_OVERHEAD;
    int queue = options->queue_max > 0 ? options->queue_max : QUEUE_MAX;
    int beat = options->heartbeat_ms > 0 ? options->heartbeat_ms : HEARTBEAT_MS;
    return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) == 0 &&
           set_int(socket, ZMQ_SNDHWM, queue) && set_int(socket, ZMQ_RCVHWM, queue) &&
           set_int(socket, ZMQ_LINGER, 0) && set_int(socket, ZMQ_HEARTBEAT_IVL, beat) &&
           set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, 2 * beat) &&
           set_int(socket, ZMQ_HEARTBEAT_TTL, 3 * beat) &&
           set_int(socket, ZMQ_CONNECT_TIMEOUT, 3 * beat) &&
           set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
           set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
           set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX) &&
           set_int(socket, ZMQ_SNDTIMEO, channel->send_timeout_ms) &&
           set_int(socket, ZMQ_RCVTIMEO, channel->recv_timeout_ms) &&
           set_int(socket, ZMQ_IPV6, strchr(channel->endpoint, '[') != NULL);
}

/* HANDOVER: a worker that was restarted under its name must not wait until the link of its dead
 * predecessor times out; the epoch in each message keeps the two apart. */
static bool set_role(const rlt_channel *channel, const rlt_channel_options *options) {
    void *socket = channel->socket;
    const rlt_keys *keys = &channel->keys;
    if (channel->server) {
        return set_int(socket, ZMQ_ROUTER_MANDATORY, 1) &&
               set_int(socket, ZMQ_ROUTER_HANDOVER, 1) && set_int(socket, ZMQ_CURVE_SERVER, 1) &&
               set_text(socket, ZMQ_CURVE_SECRETKEY, keys->server_secret) &&
               zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, "rltune", strlen("rltune")) == 0;
    }
    return zmq_setsockopt(socket, ZMQ_ROUTING_ID, options->name, strlen(options->name)) == 0 &&
           set_text(socket, ZMQ_CURVE_SERVERKEY, keys->server_public) &&
           set_text(socket, ZMQ_CURVE_PUBLICKEY, keys->client_public) &&
           set_text(socket, ZMQ_CURVE_SECRETKEY, keys->client_secret);
}

static rlt_status check_options(const rlt_channel_options *options, rlt_err *err) {
    if (options->part_size_max < 0 || options->part_size_max > INT64_MAX - CURVE_OVERHEAD ||
        options->queue_max < 0 || options->heartbeat_ms < 0 ||
        options->heartbeat_ms > HEARTBEAT_MS_MAX) {
        return rlt_fail(
            err, RLT_EINVAL,
            "a channel with part_size_max %lld, queue_max %d, heartbeat_ms %d; allowed: "
            "0 for the default, positive values, at most %d ms",
            (long long)options->part_size_max, options->queue_max, options->heartbeat_ms,
            HEARTBEAT_MS_MAX);
    }
    return RLT_OK;
}

/* ---- making ---- */

static rlt_status open_socket(rlt_channel *channel, const rlt_channel_options *options,
                              rlt_err *err) {
    channel->context = zmq_ctx_new();
    if (channel->context == NULL) {
        return rlt_fail(err, RLT_EIO, "could not start ZeroMQ: %s", zmq_strerror(errno));
    }
    channel->socket = zmq_socket(channel->context, channel->server ? ZMQ_ROUTER : ZMQ_DEALER);
    if (channel->socket == NULL || !set_limits(channel, options) || !set_role(channel, options)) {
        return rlt_fail(err, errno == EMFILE ? RLT_ELIMIT : RLT_EIO,
                        "%s: could not set up the socket: %s", channel->endpoint,
                        zmq_strerror(errno));
    }
    return RLT_OK;
}

static rlt_channel *channel_new(const rlt_channel_options *options, bool server) {
    rlt_channel *channel = rlt_alloc(sizeof *channel);
    channel->server = server;
    channel->part_size_max = options->part_size_max > 0 ? options->part_size_max : PART_SIZE_MAX;
    zmq_msg_init(&channel->control);
    zmq_msg_init(&channel->blob);
    return channel;
}

static rlt_status take_server_keys(rlt_channel *channel, const rlt_keys *keys, rlt_err *err) {
    if (keys != NULL) {
        channel->keys = *keys;
        if (!rlt_key_is_valid(keys->server_secret) || !rlt_key_is_valid(keys->client_public)) {
            return rlt_fail(err, RLT_EINVAL,
                            "%s: a server needs its secret key and the clients' public key",
                            channel->endpoint);
        }
        return RLT_OK;
    }
    if (!rlt_endpoint_is_loopback(channel->endpoint)) {
        return rlt_fail(err, RLT_EINVAL,
                        "%s: an address that other machines reach needs keys that were agreed "
                        "beforehand; give keys, or bind to tcp://127.0.0.1:*",
                        channel->endpoint);
    }
    return rlt_keys_generate(&channel->keys, err);
}

static rlt_status bind_failed(int code, const char *endpoint, rlt_err *err) {
    switch (code) {
    case EADDRINUSE:
        return rlt_fail(err, RLT_EBUSY,
                        "%s: the address is in use by another process; choose another port, or "
                        "let * pick a free one",
                        endpoint);
    case EADDRNOTAVAIL:
    case ENODEV:
        return rlt_fail(err, RLT_EINVAL, "%s: this machine has no such address", endpoint);
    case EACCES:
        return rlt_fail(err, RLT_EINVAL,
                        "%s: not allowed to bind to this address; ports below 1024 are reserved",
                        endpoint);
    case EINVAL:
        return rlt_fail(err, RLT_EINVAL, "%s: no valid address; expected tcp://address:port",
                        endpoint);
    default:
        return rlt_fail(err, RLT_EIO, "%s: could not bind: %s", endpoint, zmq_strerror(code));
    }
}

static rlt_status bind_into(rlt_channel *channel, const rlt_channel_options *options,
                            rlt_err *err) {
    RLT_TRY(check_options(options, err));
    if (options->endpoint == NULL) {
        RLT_TRY(rlt_endpoint_fresh(channel->endpoint, err));
    } else {
        RLT_TRY(rlt_endpoint_check(options->endpoint, err));
        snprintf(channel->endpoint, sizeof channel->endpoint, "%s", options->endpoint);
    }
    RLT_TRY(rlt_curve_check(err));
    RLT_TRY(take_server_keys(channel, options->keys, err));
    RLT_TRY(check_descriptors(err));
    RLT_TRY(check_threads(err));
    RLT_TRY(open_socket(channel, options, err));
    RLT_TRY(rlt_zap_start(&channel->zap, channel->context, channel->keys.client_public, err));
    if (zmq_bind(channel->socket, channel->endpoint) != 0) {
        return bind_failed(errno, channel->endpoint, err);
    }
    char bound[RLT_ENDPOINT_SIZE]; /* with the port that was picked */
    size_t size = sizeof bound;
    if (zmq_getsockopt(channel->socket, ZMQ_LAST_ENDPOINT, bound, &size) != 0) {
        return rlt_fail(err, RLT_EIO, "%s: bound to no known endpoint: %s", channel->endpoint,
                        zmq_strerror(errno));
    }
    rlt_endpoint_for_clients(bound, channel->endpoint);
    return RLT_OK;
}

rlt_status rlt_channel_bind(rlt_channel **channel, const rlt_channel_options *options,
                            rlt_err *err) {
    *channel = channel_new(options, true);
    rlt_status status = bind_into(*channel, options, err);
    if (status != RLT_OK) {
        rlt_channel_destroy(*channel);
        *channel = NULL;
    }
    return status;
}

static rlt_status connect_into(rlt_channel *channel, const rlt_channel_options *options,
                               rlt_err *err) {
    RLT_TRY(check_options(options, err));
    RLT_TRY(rlt_endpoint_check(options->endpoint != NULL ? options->endpoint : "", err));
    snprintf(channel->endpoint, sizeof channel->endpoint, "%s", options->endpoint);
    RLT_TRY(check_name(options->name, err));
    RLT_TRY(rlt_curve_check(err));
    const rlt_keys *keys = options->keys;
    if (keys == NULL || !rlt_key_is_valid(keys->server_public) ||
        !rlt_key_is_valid(keys->client_public) || !rlt_key_is_valid(keys->client_secret)) {
        return rlt_fail(err, RLT_EINVAL,
                        "%s: a client needs the server's public key and the clients' key pair; "
                        "they come from the process that started the run (%s)",
                        channel->endpoint, RLT_KEYS_ENV);
    }
    channel->keys = *keys;
    RLT_TRY(check_descriptors(err));
    RLT_TRY(check_threads(err));
    RLT_TRY(open_socket(channel, options, err));
    if (zmq_connect(channel->socket, channel->endpoint) != 0) {
        return rlt_fail(err, RLT_EINVAL, "%s: could not connect: %s", channel->endpoint,
                        zmq_strerror(errno));
    }
    return RLT_OK;
}

rlt_status rlt_channel_connect(rlt_channel **channel, const rlt_channel_options *options,
                               rlt_err *err) {
    *channel = channel_new(options, false);
    rlt_status status = connect_into(*channel, options, err);
    if (status != RLT_OK) {
        rlt_channel_destroy(*channel);
        *channel = NULL;
    }
    return status;
}

const char *rlt_channel_endpoint(const rlt_channel *channel) {
    return channel->endpoint;
}

const rlt_keys *rlt_channel_keys(const rlt_channel *channel) {
    return &channel->keys;
}

/* ---- ending ---- */

void rlt_channel_close(rlt_channel *channel, int linger_ms) {
    if (channel == NULL) {
        return;
    }
    RLT_ASSERT(linger_ms >= 0);
    zmq_msg_close(&channel->control);
    zmq_msg_close(&channel->blob);
    if (channel->socket != NULL) {
        set_int(channel->socket, ZMQ_LINGER, linger_ms);
        zmq_close(channel->socket);
    }
    if (channel->context != NULL) {
        zmq_ctx_shutdown(channel->context); /* ends the check of keys */
        rlt_zap_join(&channel->zap);
        while (zmq_ctx_term(channel->context) != 0 && errno == EINTR) {
        }
    }
    rlt_msg_fini(&channel->msg);
    rlt_keys_wipe(&channel->keys);
    rlt_free(channel);
}

void rlt_channel_destroy(rlt_channel *channel) {
    rlt_channel_close(channel, 0);
}
