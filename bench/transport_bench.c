/* Transport between two processes on this machine. Each figure stands beside a limit that is
 * measured in the same run: memcpy for shared memory, bare ZeroMQ sockets for frames and messages.
 * Usage: transport_bench. It starts itself as the other process ("child" as first argument). */
#include "measure/measure.h"
#include "transport/transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <zmq.h>

enum { WAIT_MS = 20000, SLOTS = 4, SIZES = 3, PINGS = 5000, STARTS = 20, QUEUE = 64 };
static const size_t sizes[SIZES] = {4 << 10, 64 << 10, 1 << 20};
static const size_t bytes_moved = (size_t)1 << 29;

static rlt_err err;
static rlt_msg_writer writer;

static void check(rlt_status status) {
    if (status != RLT_OK) {
        fprintf(stderr, "transport_bench: %s\n", err.message);
        exit(1);
    }
}

static void must(bool good, const char *what) {
    if (!good) {
        fprintf(stderr, "transport_bench: %s: %s\n", what, zmq_strerror(zmq_errno()));
        exit(1);
    }
}

static int rounds_of(size_t size) {
    size_t rounds = bytes_moved / size;
    return rounds > 20000 ? 20000 : (int)rounds;
}

static void *filled(size_t size) {
    void *data = rlt_alloc(size);
    memset(data, 1, size);
    return data;
}

/* A plain read of all of it, as a learner would do at least once. */
static uint64_t sum_of(const void *data, size_t size) {
    const uint64_t *words = data;
    uint64_t sum = 0;
    for (size_t i = 0; i < size / sizeof *words; i++) {
        sum += words[i];
    }
    return sum;
}

/* ---- both processes ---- */

static pid_t start_child(const char *mode, const char *endpoint, const rlt_keys *keys, size_t size,
                         const rlt_shm *shm) {
    char text[RLT_CREDENTIALS_SIZE], size_text[32], fd_text[16];
    rlt_keys_format(keys, text);
    setenv(RLT_KEYS_ENV, text, 1);
    snprintf(size_text, sizeof size_text, "%zu", size);
    snprintf(fd_text, sizeof fd_text, "%d", shm != NULL ? shm->fd : -1);
    char *argv[] = {"", "child", (char *)mode, (char *)endpoint, size_text, fd_text, NULL};
    pid_t pid;
    check(rlt_process_spawn(argv, shm != NULL ? &shm->fd : NULL, shm != NULL, &pid, &err));
    return pid;
}

static void end_child(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "transport_bench: the other process failed\n");
        exit(1);
    }
}

static void send_slot(rlt_channel *channel, const char *peer, rlt_msg_type type, uint64_t slot) {
    rlt_msg_begin(&writer, type, 1, 0);
    rlt_msg_put_u64(&writer, "slot", slot);
    check(rlt_msg_end(&writer, &err));
    check(rlt_channel_send(channel, peer, &writer, NULL, 0, WAIT_MS, &err));
}

/* ---- shared memory with descriptors over ipc ---- */

static void produce(rlt_channel *channel, rlt_ring *ring) {
    char *segment = filled(ring->slot_size);
    rlt_packet packet;
    int rounds = rounds_of(ring->slot_size), credits = 0;
    for (int i = 0; i < rounds; i++) {
        int slot;
        while ((slot = rlt_ring_find_free(ring)) < 0) {
            check(rlt_channel_recv(channel, &packet, WAIT_MS, &err));
            credits++;
        }
        memcpy(rlt_ring_slot(ring, (uint32_t)slot), segment, ring->slot_size);
        check(rlt_ring_publish(ring, (uint32_t)slot, 1, ring->slot_size, &err));
        send_slot(channel, NULL, RLT_MSG_SEGMENT, (uint64_t)slot);
        while (rlt_channel_recv(channel, &packet, 0, NULL) == RLT_OK) {
            credits++;
        }
    }
    for (; credits < rounds; credits++) {
        check(rlt_channel_recv(channel, &packet, WAIT_MS, &err));
    }
    rlt_free(segment);
}

static uint64_t consume(rlt_channel *channel, rlt_ring *ring) {
    rlt_packet packet;
    uint64_t slot, sum = 0;
    size_t used;
    check(rlt_channel_recv(channel, &packet, WAIT_MS, &err));
    check(rlt_msg_get_u64(packet.msg, "slot", &slot, &err));
    check(rlt_ring_take(ring, (uint32_t)slot, 1, &used, &err));
    sum = sum_of(rlt_ring_slot(ring, (uint32_t)slot), used);
    check(rlt_ring_release(ring, (uint32_t)slot, &err));
    send_slot(channel, packet.peer, RLT_MSG_CREDIT, slot);
    return sum;
}

static void bench_shm(size_t size) {
    rlt_shm shm;
    rlt_ring ring;
    rlt_channel *server;
    check(rlt_shm_create(&shm, "bench", rlt_ring_size(SLOTS, size), &err));
    check(rlt_ring_init(&ring, shm.data, shm.size, SLOTS, size, &err));
    check(rlt_channel_bind(&server, &(rlt_channel_options){0}, &err));
    pid_t pid =
        start_child("shm", rlt_channel_endpoint(server), rlt_channel_keys(server), size, &shm);
    int rounds = rounds_of(size);
    uint64_t sum = consume(server, &ring); /* it runs now */
    double start = rlt_clock_s();
    for (int i = 1; i < rounds; i++) {
        sum += consume(server, &ring);
    }
    double seconds = rlt_clock_s() - start;
    must(sum == (uint64_t)rounds * (size / 8) * 0x0101010101010101, "what came is not what went");
    double rate = (double)size * (rounds - 1) / seconds * 1e-9, limit = rlt_ceiling_memcpy(size);
    printf("shm + descriptor, %4zu KiB: %8.2f GB/s, %7.1f us a hand-over; memcpy %6.2f GB/s, "
           "%5.1f %% of it\n",
           size >> 10, rate, seconds / (rounds - 1) * 1e6, limit, 100 * rate / limit);
    rlt_channel_destroy(server);
    end_child(pid);
    rlt_shm_fini(&shm);
}

/* ---- frames over tcp ---- */

static double channel_frames(size_t size) {
    rlt_channel *server;
    rlt_channel_options options = {.endpoint = "tcp://127.0.0.1:*"};
    check(rlt_channel_bind(&server, &options, &err));
    pid_t pid =
        start_child("frames", rlt_channel_endpoint(server), rlt_channel_keys(server), size, NULL);
    int rounds = rounds_of(size);
    rlt_packet packet;
    check(rlt_channel_recv(server, &packet, WAIT_MS, &err));
    double start = rlt_clock_s();
    for (int i = 1; i < rounds; i++) {
        check(rlt_channel_recv(server, &packet, WAIT_MS, &err));
        must(packet.blob_size == size, "a frame of another size came");
    }
    double seconds = rlt_clock_s() - start;
    end_child(pid);
    rlt_channel_destroy(server);
    return (double)size * (rounds - 1) / seconds * 1e-9;
}

/* A socket with the same queue; keys NULL: without CURVE. */
static void *bare_socket(void *context, int type, const rlt_keys *keys, bool server) {
    void *socket = zmq_socket(context, type);
    int queue = QUEUE, wait_ms = WAIT_MS, yes = 1;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &queue, sizeof queue);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &queue, sizeof queue);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    if (keys != NULL && server) {
        zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->server_secret, RLT_KEY_SIZE);
    } else if (keys != NULL) {
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, keys->server_public, RLT_KEY_SIZE);
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->client_public, RLT_KEY_SIZE);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->client_secret, RLT_KEY_SIZE);
    }
    return socket;
}

/* A PUSH/PULL pair; mode "push-clear" or "push-curve". */
static double bare_frames(const char *mode, size_t size, const rlt_keys *keys) {
    void *context = zmq_ctx_new();
    bool curve = strcmp(mode, "push-curve") == 0;
    void *socket = bare_socket(context, ZMQ_PULL, curve ? keys : NULL, true);
    char endpoint[128];
    size_t endpoint_size = sizeof endpoint;
    must(zmq_bind(socket, "tcp://127.0.0.1:*") == 0, "bind");
    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &endpoint_size);
    pid_t pid = start_child(mode, endpoint, keys, size, NULL);
    int rounds = rounds_of(size);
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    must(zmq_msg_recv(&frame, socket, 0) >= 0, "receive");
    double start = rlt_clock_s();
    for (int i = 1; i < rounds; i++) {
        must(zmq_msg_recv(&frame, socket, 0) == (int)size, "receive");
    }
    double seconds = rlt_clock_s() - start;
    zmq_msg_close(&frame);
    end_child(pid);
    zmq_close(socket);
    zmq_ctx_term(context);
    return (double)size * (rounds - 1) / seconds * 1e-9;
}

static void bench_frames(size_t size, const rlt_keys *keys) {
    double ours = channel_frames(size), clear = bare_frames("push-clear", size, keys);
    double curve = bare_frames("push-curve", size, keys);
    printf(
        "tcp frames, %4zu KiB: %6.3f GB/s; bare PUSH/PULL with CURVE %6.3f GB/s, %5.1f %% of it; "
        "in clear text %6.3f GB/s, %5.1f %%\n",
        size >> 10, ours, curve, 100 * ours / curve, clear, 100 * ours / clear);
}

/* ---- latency ---- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct latency {
    double p50_us, p99_us;
} latency;

static latency of_samples(double *seconds, int count) {
    qsort(seconds, (size_t)count, sizeof *seconds, by_value);
    return (latency){seconds[count / 2] * 1e6, seconds[count * 99 / 100] * 1e6};
}

static latency channel_pings(void) {
    static double seconds[PINGS];
    rlt_channel *server;
    check(rlt_channel_bind(&server, &(rlt_channel_options){0}, &err));
    pid_t pid =
        start_child("echo", rlt_channel_endpoint(server), rlt_channel_keys(server), 0, NULL);
    rlt_packet packet;
    check(rlt_channel_recv(server, &packet, WAIT_MS, &err)); /* HELLO */
    for (int i = 0; i < PINGS; i++) {
        double start = rlt_clock_s();
        send_slot(server, "child", RLT_MSG_CREDIT, (uint64_t)i);
        check(rlt_channel_recv(server, &packet, WAIT_MS, &err));
        seconds[i] = rlt_clock_s() - start;
    }
    send_slot(server, "child", RLT_MSG_STOP, 0);
    end_child(pid);
    rlt_channel_destroy(server);
    return of_samples(seconds, PINGS);
}

/* A PAIR over ipc without CURVE that sends as many bytes. */
static latency bare_pings(const rlt_keys *keys) {
    static double seconds[PINGS];
    static const char endpoint[] = "ipc://@rltune-transport-bench";
    char bytes[64] = {1};
    void *context = zmq_ctx_new(), *socket = bare_socket(context, ZMQ_PAIR, NULL, true);
    must(zmq_bind(socket, endpoint) == 0, endpoint);
    pid_t pid = start_child("bare-echo", endpoint, keys, 0, NULL);
    must(zmq_recv(socket, bytes, sizeof bytes, 0) > 0, "receive");
    for (int i = 0; i < PINGS; i++) {
        double start = rlt_clock_s();
        zmq_send(socket, bytes, 38, 0);
        must(zmq_recv(socket, bytes, sizeof bytes, 0) > 0, "receive");
        seconds[i] = rlt_clock_s() - start;
    }
    zmq_send(socket, "", 0, 0);
    end_child(pid);
    zmq_close(socket);
    zmq_ctx_term(context);
    return of_samples(seconds, PINGS);
}

static void bench_latency(const rlt_keys *keys) {
    latency ours = channel_pings(), bare = bare_pings(keys);
    printf(
        "control message there and back over ipc: p50 %.1f us, p99 %.1f us; bare ZeroMQ in clear "
        "text: p50 %.1f us (%.0f %%), p99 %.1f us\n",
        ours.p50_us, ours.p99_us, bare.p50_us, 100 * ours.p50_us / bare.p50_us, bare.p99_us);
}

/* Bind, connect and the first message there and back, both ends in this process. */
static void bench_start(void) {
    static double bind_s[STARTS], first_s[STARTS];
    for (int i = 0; i < STARTS; i++) {
        rlt_channel *server, *client;
        rlt_packet packet;
        double start = rlt_clock_s();
        check(rlt_channel_bind(&server, &(rlt_channel_options){0}, &err));
        bind_s[i] = rlt_clock_s() - start;
        rlt_channel_options options = {.endpoint = rlt_channel_endpoint(server),
                                       .name = "child",
                                       .keys = rlt_channel_keys(server)};
        check(rlt_channel_connect(&client, &options, &err));
        send_slot(client, NULL, RLT_MSG_HELLO, 0);
        check(rlt_channel_recv(server, &packet, WAIT_MS, &err));
        send_slot(server, "child", RLT_MSG_TASK, 0);
        check(rlt_channel_recv(client, &packet, WAIT_MS, &err));
        first_s[i] = rlt_clock_s() - start;
        rlt_channel_destroy(client);
        rlt_channel_destroy(server);
    }
    latency binding = of_samples(bind_s, STARTS), all = of_samples(first_s, STARTS);
    printf("start: bind with fresh keys %.2f ms (median); bind, connect, first message there and "
           "back %.2f ms (median)\n",
           binding.p50_us * 1e-3, all.p50_us * 1e-3);
}

static void bench_weights(size_t size) {
    void *memory = rlt_alloc(rlt_weights_size(size));
    char *data = filled(size);
    rlt_weights weights;
    check(rlt_weights_init(&weights, memory, rlt_weights_size(size), size, &err));
    int rounds = rounds_of(size);
    double start = rlt_clock_s();
    for (int i = 1; i <= rounds; i++) {
        rlt_weights_publish(&weights, data, (uint64_t)i);
    }
    double written = (double)size * rounds / (rlt_clock_s() - start) * 1e-9;
    uint64_t version;
    start = rlt_clock_s();
    for (int i = 0; i < rounds; i++) {
        check(rlt_weights_read(&weights, data, &version));
    }
    double read = (double)size * rounds / (rlt_clock_s() - start) * 1e-9;
    double limit = rlt_ceiling_memcpy(size);
    printf("weights, %4zu KiB: publish %.1f GB/s (%.0f %% of memcpy), read %.1f GB/s (%.0f %%)\n",
           size >> 10, written, 100 * written / limit, read, 100 * read / limit);
    rlt_free(data);
    rlt_free(memory);
}

/* ---- the other process ---- */

static void push(const char *endpoint, size_t size, const rlt_keys *keys) {
    void *context = zmq_ctx_new(), *socket = bare_socket(context, ZMQ_PUSH, keys, false);
    char *data = filled(size);
    must(zmq_connect(socket, endpoint) == 0, endpoint);
    for (int i = 0; i < rounds_of(size); i++) {
        must(zmq_send(socket, data, size, 0) >= 0, "send");
    }
    zmq_close(socket);
    zmq_ctx_term(context);
    rlt_free(data);
}

static void bare_echo(const char *endpoint) {
    void *context = zmq_ctx_new(), *socket = bare_socket(context, ZMQ_PAIR, NULL, false);
    must(zmq_connect(socket, endpoint) == 0, endpoint);
    char bytes[64] = {1};
    int size = 38;
    do {
        zmq_send(socket, bytes, (size_t)size, 0);
        size = zmq_recv(socket, bytes, sizeof bytes, 0);
    } while (size > 0);
    zmq_close(socket);
    zmq_ctx_term(context);
}

static void channel_child(const char *mode, rlt_channel *channel, size_t size, int fd) {
    rlt_packet packet;
    if (strcmp(mode, "shm") == 0) {
        rlt_shm shm;
        rlt_ring ring;
        check(rlt_shm_attach(&shm, fd, rlt_ring_size(SLOTS, size), &err));
        check(rlt_ring_attach(&ring, shm.data, shm.size, SLOTS, size, &err));
        produce(channel, &ring);
        rlt_shm_fini(&shm);
        return;
    }
    if (strcmp(mode, "frames") == 0) {
        char *blob = filled(size);
        rlt_msg_begin(&writer, RLT_MSG_SEGMENT, 1, 0);
        check(rlt_msg_end(&writer, &err));
        for (int i = 0; i < rounds_of(size); i++) {
            check(rlt_channel_send(channel, NULL, &writer, blob, size, WAIT_MS, &err));
        }
        rlt_free(blob);
        return;
    }
    send_slot(channel, NULL, RLT_MSG_HELLO, 0);
    do {
        check(rlt_channel_recv(channel, &packet, WAIT_MS, &err));
        send_slot(channel, NULL, RLT_MSG_SEGMENT, 0);
    } while (packet.msg->type != RLT_MSG_STOP);
}

static int run_child(const char *mode, const char *endpoint, size_t size, int fd) {
    rlt_keys keys;
    check(rlt_keys_from_env(&keys, &err));
    if (strncmp(mode, "push", 4) == 0) {
        push(endpoint, size, strcmp(mode, "push-curve") == 0 ? &keys : NULL);
        return 0;
    }
    if (strcmp(mode, "bare-echo") == 0) {
        bare_echo(endpoint);
        return 0;
    }
    rlt_channel *channel;
    rlt_channel_options options = {.endpoint = endpoint, .name = "child", .keys = &keys};
    check(rlt_channel_connect(&channel, &options, &err));
    channel_child(mode, channel, size, fd);
    rlt_channel_close(channel, WAIT_MS);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 6 && strcmp(argv[1], "child") == 0) {
        return run_child(argv[2], argv[3], (size_t)strtoull(argv[4], NULL, 10), atoi(argv[5]));
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    rlt_keys keys;
    check(rlt_keys_generate(&keys, &err));
    bench_start();
    bench_latency(&keys);
    for (int i = 0; i < SIZES; i++) {
        bench_shm(sizes[i]);
    }
    for (int i = 0; i < SIZES; i++) {
        bench_frames(sizes[i], &keys);
    }
    bench_weights((size_t)36 << 10);
    bench_weights((size_t)1 << 20);
    rlt_msg_writer_fini(&writer);
    return 0;
}
