/* Tests of a server among hostile, broken, silent and slow peers (faults 7, 8, 9, 13 and 20 of the
 * project's list). Those whose memory must not count as the server's are children: the binary
 * starts itself with "child" as first argument and the keys in its environment. */
#include "transport/transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

enum {
    WAIT_MS = 20000,
    QUIET_MS = 200, /* long enough for a local packet that should not come */
    MIB = 1 << 20,
    MANY_PARTS = 100000,
    MUTANTS = 20000,
#ifdef __SANITIZE_THREAD__
    RSS_SLACK_MIB = 240, /* TSan keeps a shadow of what was touched */
#else
    RSS_SLACK_MIB = 24,
#endif
};

static rlt_err err;
static rlt_msg_writer writer;

static void make(rlt_msg_type type, uint64_t seq) {
    rlt_msg_begin(&writer, type, 3, seq);
    rlt_msg_put_str(&writer, "text", "words");
    rlt_msg_put_f64s(&writer, "values", (const double[]){1, 2, 3}, 3);
    assert_int_equal(rlt_msg_end(&writer, &err), RLT_OK);
}

static rlt_channel *server_with(rlt_channel_options options) {
    rlt_channel *server;
    if (rlt_channel_bind(&server, &options, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return server;
}

/* The server still does its work: an honest client gets through, whatever others say meanwhile. */
static void expect_the_honest(rlt_channel *server) {
    rlt_channel *client;
    rlt_channel_options options = {.endpoint = rlt_channel_endpoint(server),
                                   .name = "honest",
                                   .keys = rlt_channel_keys(server)};
    assert_int_equal(rlt_channel_connect(&client, &options, &err), RLT_OK);
    make(RLT_MSG_HELLO, 77);
    assert_int_equal(rlt_channel_send(client, NULL, &writer, NULL, 0, 0, &err), RLT_OK);
    rlt_packet packet = {.peer = "child"};
    while (strcmp(packet.peer, "child") == 0) {
        if (rlt_channel_recv(server, &packet, WAIT_MS, &err) != RLT_OK) {
            fail_msg("%s", err.message);
        }
    }
    assert_string_equal(packet.peer, "honest");
    assert_int_equal(packet.msg->seq, 77);
    rlt_channel_destroy(client);
}

static void expect_only_the_honest(rlt_channel *server) {
    expect_the_honest(server);
    rlt_packet packet;
    assert_int_equal(rlt_channel_recv(server, &packet, QUIET_MS, &err), RLT_ETIMEOUT);
}

static size_t resident_mib(void) {
    char text[128] = {0};
    int fd = open("/proc/self/statm", O_RDONLY);
    assert_true(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
    unsigned long pages;
    assert_int_equal(sscanf(text, "%*u %lu", &pages), 1);
    return pages * (size_t)sysconf(_SC_PAGESIZE) / MIB;
}

/* ---- strangers ---- */

typedef struct raw_peer {
    void *context, *socket;
} raw_peer;

/* A DEALER that is not ours; keys NULL: without CURVE. */
static raw_peer raw_connect(const char *endpoint, const rlt_keys *keys, const char *name) {
    raw_peer peer = {.context = zmq_ctx_new()};
    peer.socket = zmq_socket(peer.context, ZMQ_DEALER);
    int linger = 0, none = 0;
    zmq_setsockopt(peer.socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(peer.socket, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt(peer.socket, ZMQ_ROUTING_ID, name, strlen(name));
    if (keys != NULL) {
        zmq_setsockopt(peer.socket, ZMQ_CURVE_SERVERKEY, keys->server_public, RLT_KEY_SIZE);
        zmq_setsockopt(peer.socket, ZMQ_CURVE_PUBLICKEY, keys->client_public, RLT_KEY_SIZE);
        zmq_setsockopt(peer.socket, ZMQ_CURVE_SECRETKEY, keys->client_secret, RLT_KEY_SIZE);
    }
    if (zmq_connect(peer.socket, endpoint) != 0) {
        abort();
    }
    return peer;
}

static void raw_close(raw_peer peer) {
    zmq_close(peer.socket);
    zmq_ctx_term(peer.context);
}

static atomic_int refusals_logged;
static void count_refusals(void *user, rlt_log_level level, const char *id, const char *text) {
    (void)user;
    (void)level;
    (void)text;
    refusals_logged += strcmp(id, "transport.refused") == 0;
}

static void test_strangers_are_refused(void **state) {
    (void)state;
    rlt_log_set(RLT_LOG_INFO, count_refusals, NULL);
    double start_s = rlt_clock_s();
    rlt_channel *server = server_with((rlt_channel_options){0});
    const char *endpoint = rlt_channel_endpoint(server);
    rlt_keys good = *rlt_channel_keys(server), other, wrong_client = good, wrong_server = good;
    assert_int_equal(rlt_keys_generate(&other, &err), RLT_OK);
    memcpy(wrong_client.client_public, other.client_public, RLT_KEY_SIZE);
    memcpy(wrong_client.client_secret, other.client_secret, RLT_KEY_SIZE);
    memcpy(wrong_server.server_public, other.server_public, RLT_KEY_SIZE);
    rlt_keys stolen = good; /* the public half alone is of no use */
    memcpy(stolen.client_secret, other.client_secret, RLT_KEY_SIZE);
    raw_peer peers[] = {
        raw_connect(endpoint, NULL, "no-curve"),
        raw_connect(endpoint, NULL, "plain"),
        raw_connect(endpoint, &wrong_client, "wrong-client"),
        raw_connect(endpoint, &wrong_server, "wrong-server"),
        raw_connect(endpoint, &stolen, "stolen"),
    };
    raw_close(peers[1]);
    peers[1] = (raw_peer){.context = zmq_ctx_new()};
    peers[1].socket = zmq_socket(peers[1].context, ZMQ_DEALER);
    zmq_setsockopt(peers[1].socket, ZMQ_LINGER, &(int){0}, sizeof(int));
    zmq_setsockopt(peers[1].socket, ZMQ_PLAIN_USERNAME, "user", 4);
    zmq_setsockopt(peers[1].socket, ZMQ_PLAIN_PASSWORD, "word", 4);
    zmq_connect(peers[1].socket, endpoint);
    make(RLT_MSG_HELLO, 1);
    for (size_t i = 0; i < RLT_COUNT(peers); i++) {
        zmq_send(peers[i].socket, writer.buf.data, writer.buf.size, ZMQ_DONTWAIT);
    }
    double deadline_s = start_s + WAIT_MS / 1000;
    while (refusals_logged == 0 && rlt_clock_s() < deadline_s) {
        usleep(1000);
    }
    expect_only_the_honest(server);
    expect_only_the_honest(server);
    for (size_t i = 0; i < RLT_COUNT(peers); i++) {
        raw_close(peers[i]);
    }
    rlt_channel_destroy(server);
    assert_in_range(refusals_logged, 1, 2 + (int)(rlt_clock_s() - start_s)); /* one a second */
    rlt_log_set(RLT_LOG_INFO, NULL, NULL);
}

static void test_a_client_refuses_a_false_server(void **state) {
    (void)state;
    rlt_channel *server = server_with((rlt_channel_options){0}), *client;
    rlt_keys keys = *rlt_channel_keys(server), other;
    assert_int_equal(rlt_keys_generate(&other, &err), RLT_OK);
    memcpy(keys.server_public, other.server_public, RLT_KEY_SIZE); /* of whom it expects */
    rlt_channel_options options = {
        .endpoint = rlt_channel_endpoint(server), .name = "w", .keys = &keys};
    assert_int_equal(rlt_channel_connect(&client, &options, &err), RLT_OK);
    make(RLT_MSG_HELLO, 1);
    assert_int_equal(rlt_channel_send(client, NULL, &writer, NULL, 0, 0, &err), RLT_OK);
    rlt_packet packet;
    assert_int_equal(rlt_channel_recv(server, &packet, QUIET_MS, &err), RLT_ETIMEOUT);
    make(RLT_MSG_TASK, 1);
    assert_int_equal(rlt_channel_send(server, "w", &writer, NULL, 0, 0, &err), RLT_EPEER);
    rlt_channel_destroy(client);
    rlt_channel_destroy(server);
}

static int tcp_connect(const char *endpoint) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 5}; /* less than the time that a handshake may take */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Reads what the other side says until it hangs up. */
static void expect_hang_up(int fd) {
    char text[4096];
    ssize_t got;
    while ((got = recv(fd, text, sizeof text, 0)) > 0) {
    }
    assert_true(got == 0 || errno == ECONNRESET || errno == EPIPE);
    close(fd);
}

/* ZMTP 3.1's greeting (rfc.zeromq.org/spec/37) for CURVE, then a command of 4 GiB, and as much of
 * it as the server takes. */
static void test_a_giant_frame_before_the_handshake(void **state) {
    (void)state;
    rlt_channel *server = server_with((rlt_channel_options){.endpoint = "tcp://127.0.0.1:*"});
    size_t before_mib = resident_mib();
    int fd = tcp_connect(rlt_channel_endpoint(server));
    uint8_t greeting[64] = {0xff, [9] = 0x7f, [10] = 3, [11] = 1, 'C', 'U', 'R', 'V', 'E'};
    uint8_t frame[9] = {0x06, [4] = 1};
    assert_int_equal(send(fd, greeting, sizeof greeting, MSG_NOSIGNAL), sizeof greeting);
    assert_int_equal(send(fd, frame, sizeof frame, MSG_NOSIGNAL), sizeof frame);
    static char body[MIB];
    int sent_mib = 0;
    while (sent_mib < 256 && send(fd, body, sizeof body, MSG_NOSIGNAL) == sizeof body) {
        sent_mib++;
    }
    assert_true(sent_mib < 256);
    expect_hang_up(fd);
    assert_true(resident_mib() < before_mib + RSS_SLACK_MIB);
    expect_only_the_honest(server);
    rlt_channel_destroy(server);
}

static void test_noise(void **state) {
    (void)state;
    rlt_channel *server = server_with((rlt_channel_options){.endpoint = "tcp://127.0.0.1:*"});
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    for (int round = 0; round < 50; round++) {
        int fd = tcp_connect(rlt_channel_endpoint(server));
        uint8_t noise[300];
        for (size_t i = 0; i < sizeof noise; i++) {
            noise[i] = (uint8_t)rlt_rng_u32(&rng);
        }
        if (round % 2 == 0) { /* looks like ZMTP at first */
            memcpy(noise,
                   "\xff\0\0\0\0\0\0\0\0\x7f\x03\x01"
                   "CURVE\0\0",
                   19);
        }
        send(fd, noise, sizeof noise, MSG_NOSIGNAL);
        close(fd);
    }
    expect_only_the_honest(server);
    rlt_channel_destroy(server);
}

/* ---- children with the run's keys ---- */

static pid_t start_child(const rlt_channel *server, const char *mode) {
    char text[RLT_CREDENTIALS_SIZE];
    rlt_keys_format(rlt_channel_keys(server), text);
    setenv(RLT_KEYS_ENV, text, 1);
    char *argv[] = {"", "child", (char *)mode, (char *)rlt_channel_endpoint(server), NULL};
    pid_t pid;
    assert_int_equal(rlt_process_spawn(argv, NULL, 0, &pid, &err), RLT_OK);
    unsetenv(RLT_KEYS_ENV);
    return pid;
}

static void end_child(pid_t pid) {
    int status;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0) {
        assert_int_equal(errno, EINTR);
    }
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* it had not given up */
}

static void expect_stop(rlt_channel *server, pid_t pid) {
    int status;
    make(RLT_MSG_STOP, 0);
    assert_int_equal(rlt_channel_send(server, "child", &writer, NULL, 0, 0, &err), RLT_OK);
    while (waitpid(pid, &status, WUNTRACED) < 0) {
        assert_int_equal(errno, EINTR);
    }
    assert_true(WIFSTOPPED(status));
}

static void expect_hello(rlt_channel *server) {
    rlt_packet packet;
    if (rlt_channel_recv(server, &packet, WAIT_MS, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(packet.msg->type, RLT_MSG_HELLO);
}

static void test_a_part_that_is_too_large(void **state) {
    (void)state;
    rlt_channel *server = server_with((rlt_channel_options){.part_size_max = MIB});
    pid_t pid = start_child(server, "large");
    expect_hello(server);
    size_t before_mib = resident_mib();
    rlt_packet packet;
    /* It says hello again once it was thrown out and has come back. */
    rlt_status status;
    do {
        status = rlt_channel_recv(server, &packet, WAIT_MS, &err);
    } while (status == RLT_OK && packet.msg->seq == 0);
    assert_int_equal(status, RLT_OK);
    assert_int_equal(packet.msg->seq, 1);
    assert_null(packet.blob);
    assert_true(resident_mib() < before_mib + RSS_SLACK_MIB);
    end_child(pid);
    expect_the_honest(server);
    rlt_channel_destroy(server);
}

static void test_many_parts(void **state) {
    (void)state;
    rlt_channel *server = server_with((rlt_channel_options){0});
    pid_t pid = start_child(server, "parts");
    expect_hello(server);
    size_t before_mib = resident_mib();
    rlt_packet packet;
    assert_int_equal(rlt_channel_recv(server, &packet, WAIT_MS, &err), RLT_EPROTO);
    assert_string_equal(packet.peer, "child");
    assert_non_null(strstr(err.message, "99998 parts too many"));
    assert_int_equal(rlt_channel_recv(server, &packet, WAIT_MS, &err), RLT_EPROTO); /* 3 parts */
    expect_hello(server); /* the channel goes on */
    assert_true(resident_mib() < before_mib + RSS_SLACK_MIB);
    end_child(pid);
    expect_the_honest(server);
    rlt_channel_destroy(server);
}

static void test_mutated_packets(void **state) {
    (void)state;
    rlt_channel *server = server_with((rlt_channel_options){0});
    pid_t pid = start_child(server, "mutants");
    rlt_packet packet;
    int refused = 0, accepted = 0;
    bool done = false;
    while (!done) {
        rlt_status status = rlt_channel_recv(server, &packet, WAIT_MS, &err);
        assert_true(status == RLT_OK || status == RLT_EPROTO);
        assert_string_equal(packet.peer, "child");
        refused += status == RLT_EPROTO;
        accepted += status == RLT_OK;
        done = status == RLT_OK && packet.msg->type == RLT_MSG_DONE && packet.msg->seq == 4711;
    }
    assert_int_equal(refused + accepted, MUTANTS + 1);
    assert_in_range(refused, MUTANTS / 10, MUTANTS);
    end_child(pid);
    expect_the_honest(server);
    rlt_channel_destroy(server);
}

/* ---- silent and slow ones ---- */

static rlt_status send_until(rlt_channel *server, const char *peer, rlt_status wanted) {
    double deadline_s = rlt_clock_s() + WAIT_MS / 1000;
    rlt_status status = RLT_OK;
    while (status != wanted && rlt_clock_s() < deadline_s) {
        make(RLT_MSG_HEARTBEAT, 0);
        status = rlt_channel_send(server, peer, &writer, NULL, 0, 0, &err);
        usleep(1000);
    }
    return status;
}

static void test_a_silent_peer_is_given_up(void **state) {
    (void)state;
    rlt_channel *server = server_with((rlt_channel_options){.heartbeat_ms = 100});
    pid_t pid = start_child(server, "silent");
    expect_hello(server);
    expect_stop(server, pid);
    assert_int_equal(send_until(server, "child", RLT_EPEER), RLT_EPEER);
    kill(pid, SIGCONT); /* it comes back by itself */
    expect_hello(server);
    assert_int_equal(send_until(server, "child", RLT_OK), RLT_OK);
    end_child(pid);
    rlt_channel_destroy(server);
}

static void test_a_slow_peer_costs_bounded_memory(void **state) {
    (void)state;
    enum { QUEUE = 4, BLOB = 256 << 10, MOST = 64 };
    rlt_channel *server =
        server_with((rlt_channel_options){.queue_max = QUEUE, .heartbeat_ms = 600000});
    pid_t pid = start_child(server, "silent");
    expect_hello(server);
    expect_stop(server, pid);
    size_t before_mib = resident_mib();
    char *blob = rlt_alloc(BLOB);
    rlt_status status = RLT_OK;
    int sent = 0;
    make(RLT_MSG_WEIGHTS, 1);
    while (status == RLT_OK && sent < 1000) {
        status = rlt_channel_send(server, "child", &writer, blob, BLOB, 50, &err);
        sent += status == RLT_OK;
    }
    assert_int_equal(status, RLT_ETIMEOUT);
    assert_non_null(strstr(err.message, "child"));
    assert_in_range(sent, QUEUE, MOST);
    assert_true(resident_mib() < before_mib + RSS_SLACK_MIB);
    expect_the_honest(server); /* others are served meanwhile */
    kill(pid, SIGCONT);
    assert_int_equal(send_until(server, "child", RLT_OK), RLT_OK); /* and so is it, later */
    end_child(pid);
    rlt_free(blob);
    rlt_channel_destroy(server);
}

/* ---- what the children do ---- */

static void say(raw_peer peer, rlt_msg_type type, uint64_t seq) {
    make(type, seq);
    zmq_send(peer.socket, writer.buf.data, writer.buf.size, 0);
}

static void be_large(raw_peer peer) {
    say(peer, RLT_MSG_HELLO, 0);
    char *blob = rlt_alloc((size_t)64 * MIB);
    make(RLT_MSG_SEGMENT, 1);
    zmq_send(peer.socket, writer.buf.data, writer.buf.size, ZMQ_SNDMORE);
    zmq_send(peer.socket, blob, (size_t)64 * MIB, 0);
    for (;;) { /* those sent into the old link are lost */
        say(peer, RLT_MSG_HELLO, 1);
        usleep(20000);
    }
}

static void be_in_parts(raw_peer peer) {
    say(peer, RLT_MSG_HELLO, 0);
    make(RLT_MSG_SEGMENT, 1);
    for (int i = 0; i < MANY_PARTS; i++) {
        zmq_send(peer.socket, writer.buf.data, i == 0 ? writer.buf.size : 20,
                 i + 1 < MANY_PARTS ? ZMQ_SNDMORE : 0);
    }
    for (int i = 0; i < 3; i++) {
        zmq_send(peer.socket, writer.buf.data, writer.buf.size, i < 2 ? ZMQ_SNDMORE : 0);
    }
    say(peer, RLT_MSG_HELLO, 1);
}

static void be_mutants(raw_peer peer) {
    rlt_rng rng = rlt_rng_make(2, RLT_STREAM_TEST, 0);
    make(RLT_MSG_METRICS, 1);
    size_t size = writer.buf.size;
    char *copy = rlt_alloc(size);
    for (int i = 0; i < MUTANTS; i++) {
        memcpy(copy, writer.buf.data, size);
        size_t left = rlt_rng_below(&rng, 4) == 0 ? rlt_rng_below(&rng, (uint32_t)size) : size;
        copy[rlt_rng_below(&rng, (uint32_t)size)] = (char)rlt_rng_u32(&rng);
        zmq_send(peer.socket, copy, left, 0);
    }
    say(peer, RLT_MSG_DONE, 4711);
}

static void be_silent(raw_peer peer) {
    char ignored[16];
    say(peer, RLT_MSG_HELLO, 0);
    zmq_recv(peer.socket, ignored, sizeof ignored, 0); /* the server has heard it */
    raise(SIGSTOP);
    for (;;) {
        say(peer, RLT_MSG_HELLO, 1);
        while (zmq_recv(peer.socket, ignored, sizeof ignored, ZMQ_DONTWAIT) >= 0) {
        }
        usleep(20000);
    }
}

static int run_child(const char *mode, const char *endpoint) {
    rlt_keys keys;
    if (rlt_keys_from_env(&keys, &err) != RLT_OK) {
        return 1;
    }
    raw_peer peer = raw_connect(endpoint, &keys, "child");
    if (strcmp(mode, "large") == 0) {
        be_large(peer);
    } else if (strcmp(mode, "parts") == 0) {
        be_in_parts(peer);
    } else if (strcmp(mode, "mutants") == 0) {
        be_mutants(peer);
    } else {
        be_silent(peer);
    }
    for (;;) { /* until it is killed */
        pause();
    }
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "child") == 0) {
        return run_child(argv[2], argv[3]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strangers_are_refused),
        cmocka_unit_test(test_a_client_refuses_a_false_server),
        cmocka_unit_test(test_a_giant_frame_before_the_handshake),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_a_part_that_is_too_large),
        cmocka_unit_test(test_many_parts),
        cmocka_unit_test(test_mutated_packets),
        cmocka_unit_test(test_a_silent_peer_is_given_up),
        cmocka_unit_test(test_a_slow_peer_costs_bounded_memory),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rlt_msg_writer_fini(&writer);
    return failed;
}
