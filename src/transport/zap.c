/* transport: who may connect (ZAP, rfc.zeromq.org/spec/27).
 * Why: CURVE alone proves that a client knows the server's public key; only this check makes it
 * prove that it holds the run's client key as well.
 * Threads: one of its own per server, until the context is shut down. Owner: the channel. */
#include "transport/transport_impl.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

enum { PART_SIZE = 256, LOG_EVERY_S = 1 };
/* The parts of a request, in order. */
enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, ROUTING_ID, MECHANISM, CREDENTIALS, PART_COUNT };

typedef struct request {
    char parts[PART_COUNT][PART_SIZE];
    int sizes[PART_COUNT]; /* -1: too long */
    int count;
} request;

/* False once the context is shut down. */
static bool receive(void *socket, request *r) {
    r->count = 0;
    int more = 1;
    while (more != 0) {
        char surplus[PART_SIZE];
        bool kept = r->count < PART_COUNT;
        int size = zmq_recv(socket, kept ? r->parts[r->count] : surplus, PART_SIZE, 0);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return false;
        }
        if (kept) {
            r->sizes[r->count] = size <= PART_SIZE ? size : -1;
        }
        r->count += kept || r->count == PART_COUNT; /* one past the end: too many */
        size_t more_size = sizeof more;
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &more_size) != 0) {
            return false;
        }
    }
    return true;
}

static bool part_is(const request *r, int part, const void *data, int size) {
    return r->sizes[part] == size && memcmp(r->parts[part], data, (size_t)size) == 0;
}

static bool allowed(const request *r, const uint8_t *client_public) {
    return r->count == PART_COUNT && part_is(r, VERSION, "1.0", 3) &&
           part_is(r, MECHANISM, "CURVE", 5) &&
           part_is(r, CREDENTIALS, client_public, RLT_RAW_KEY_SIZE);
}

static void reply(void *socket, const request *r, bool allow) {
    static const char text[] = "not a key of this run";
    bool has_id = r->count > REQUEST_ID && r->sizes[REQUEST_ID] > 0;
    zmq_send(socket, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(socket, r->parts[REQUEST_ID], has_id ? (size_t)r->sizes[REQUEST_ID] : 0, ZMQ_SNDMORE);
    zmq_send(socket, allow ? "200" : "400", 3, ZMQ_SNDMORE);
    zmq_send(socket, text, allow ? 0 : sizeof text - 1, ZMQ_SNDMORE);
    zmq_send(socket, "", 0, ZMQ_SNDMORE);
    zmq_send(socket, "", 0, 0);
}

/* At most one line a second, however fast somebody knocks. */
static void log_refusal(const request *r, uint64_t *count, double *logged_s) {
    double now_s = rlt_clock_s();
    ++*count;
    if (*logged_s != 0 && now_s - *logged_s < LOG_EVERY_S) {
        return;
    }
    *logged_s = now_s;
    bool known = r->count > ADDRESS && r->sizes[ADDRESS] > 0;
    rlt_log(RLT_LOG_WARN, "transport.refused",
            "refused a peer without the key of this run, from %.*s; %llu refused so far",
            known ? r->sizes[ADDRESS] : 5, known ? r->parts[ADDRESS] : "local",
            (unsigned long long)*count);
}

static void *serve(void *user) {
    rlt_zap *zap = user;
    request r;
    uint64_t refused = 0;
    double logged_s = 0;
    while (receive(zap->socket, &r)) {
        bool allow = allowed(&r, zap->client_public);
        reply(zap->socket, &r, allow);
        if (!allow) {
            log_refusal(&r, &refused, &logged_s);
        }
    }
    zmq_close(zap->socket);
    return NULL;
}

static int start_thread(rlt_zap *zap) {
    sigset_t all, before; /* signals are for the program's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&zap->thread, NULL, serve, zap);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

rlt_status rlt_zap_start(rlt_zap *zap, void *context, const char *client_public, rlt_err *err) {
    RLT_ASSERT(zmq_z85_decode(zap->client_public, client_public) != NULL);
    int linger = 0;
    zap->socket = zmq_socket(context, ZMQ_REP);
    int code = zap->socket == NULL ? errno : 0;
    if (code == 0 && (zmq_setsockopt(zap->socket, ZMQ_LINGER, &linger, sizeof linger) != 0 ||
                      zmq_bind(zap->socket, "inproc://zeromq.zap.01") != 0)) {
        code = errno;
    }
    if (code == 0) {
        code = start_thread(zap);
    }
    if (code != 0) {
        if (zap->socket != NULL) {
            zmq_close(zap->socket);
        }
        zap->socket = NULL;
        return rlt_fail(err, RLT_EIO, "could not start the check of keys: %s", zmq_strerror(code));
    }
    return RLT_OK;
}

void rlt_zap_join(rlt_zap *zap) {
    if (zap->socket != NULL) {
        pthread_join(zap->thread, NULL);
    }
    zap->socket = NULL;
}
