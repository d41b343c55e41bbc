/* Tests of channels between a server and well-behaved clients; hostile and dying ones are in
 * transport_fault_test.c. Clients are channels of this process or children: the binary starts
 * itself with "child" as first argument and the keys in its environment. */
#include "transport/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 20000, LAST_WORDS = 40, BLOB_SIZE = 100000 };

static rlt_err err;
static rlt_msg_writer writer;

static void make(rlt_msg_type type, uint64_t seq) {
    rlt_msg_begin(&writer, type, 3, seq);
    rlt_msg_put_str(&writer, "text", "words");
    assert_int_equal(rlt_msg_end(&writer, &err), RLT_OK);
}

static rlt_channel *server_at(const char *endpoint) {
    rlt_channel *server;
    rlt_channel_options options = {.endpoint = endpoint};
    if (rlt_channel_bind(&server, &options, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return server;
}

static rlt_channel *client_of(const rlt_channel *server, const char *name) {
    rlt_channel *client;
    rlt_channel_options options = {
        .endpoint = rlt_channel_endpoint(server), .name = name, .keys = rlt_channel_keys(server)};
    if (rlt_channel_connect(&client, &options, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return client;
}

static void expect(rlt_channel *channel, const char *peer, rlt_msg_type type, uint64_t seq) {
    rlt_packet packet;
    if (rlt_channel_recv(channel, &packet, WAIT_MS, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(packet.peer, peer);
    assert_int_equal(packet.msg->type, type);
    assert_int_equal(packet.msg->epoch, 3);
    assert_int_equal(packet.msg->seq, seq);
}

static void check_both_ways(const char *endpoint) {
    rlt_channel *server = server_at(endpoint), *client = client_of(server, "worker-1");
    char *blob = rlt_alloc(BLOB_SIZE);
    memset(blob, 7, BLOB_SIZE);
    make(RLT_MSG_SEGMENT, 1);
    assert_int_equal(rlt_channel_send(client, NULL, &writer, blob, BLOB_SIZE, 0, &err), RLT_OK);
    rlt_packet packet;
    assert_int_equal(rlt_channel_recv(server, &packet, WAIT_MS, &err), RLT_OK);
    assert_string_equal(packet.peer, "worker-1");
    assert_int_equal(packet.msg->type, RLT_MSG_SEGMENT);
    assert_int_equal(packet.blob_size, BLOB_SIZE);
    assert_memory_equal(packet.blob, blob, BLOB_SIZE);
    assert_int_equal((uintptr_t)packet.blob % 8, 0);
    make(RLT_MSG_CREDIT, 2);
    assert_int_equal(rlt_channel_send(server, "worker-1", &writer, NULL, 0, 0, &err), RLT_OK);
    assert_int_equal(rlt_channel_recv(client, &packet, WAIT_MS, &err), RLT_OK);
    assert_string_equal(packet.peer, "");
    assert_int_equal(packet.msg->type, RLT_MSG_CREDIT);
    assert_null(packet.blob);
    assert_int_equal(packet.blob_size, 0);
    assert_int_equal(rlt_channel_send(server, "worker-1", &writer, "x", 0, 0, &err), RLT_OK);
    assert_int_equal(rlt_channel_recv(client, &packet, WAIT_MS, &err), RLT_OK);
    assert_non_null(packet.blob); /* an empty blob is not none */
    assert_int_equal(packet.blob_size, 0);
    assert_int_equal(rlt_channel_recv(client, &packet, 1, &err), RLT_ETIMEOUT);
    rlt_channel_destroy(client);
    rlt_channel_destroy(server);
    rlt_free(blob);
}

static void test_both_ways_over_ipc_and_tcp(void **state) {
    (void)state;
    check_both_ways(NULL);
    check_both_ways("tcp://127.0.0.1:*");
    rlt_channel_destroy(NULL);
    rlt_channel_close(NULL, 1000);
}

static void test_many_clients_in_order(void **state) {
    (void)state;
    enum { CLIENTS = 5, EACH = 30 };
    rlt_channel *server = server_at(NULL), *clients[CLIENTS];
    char name[16];
    for (int i = 0; i < CLIENTS; i++) {
        snprintf(name, sizeof name, "c%d", i);
        clients[i] = client_of(server, name);
        for (uint64_t seq = 0; seq < EACH; seq++) { /* before the connection stands */
            make(RLT_MSG_METRICS, seq);
            assert_int_equal(rlt_channel_send(clients[i], NULL, &writer, NULL, 0, 0, &err), RLT_OK);
        }
    }
    uint64_t next[CLIENTS] = {0};
    rlt_packet packet;
    for (int i = 0; i < CLIENTS * EACH; i++) {
        assert_int_equal(rlt_channel_recv(server, &packet, WAIT_MS, &err), RLT_OK);
        int which = packet.peer[1] - '0';
        assert_in_range(which, 0, CLIENTS - 1);
        assert_int_equal(packet.msg->seq, next[which]++);
    }
    for (int i = 0; i < CLIENTS; i++) {
        snprintf(name, sizeof name, "c%d", i);
        make(RLT_MSG_DECISION, (uint64_t)i);
        assert_int_equal(rlt_channel_send(server, name, &writer, NULL, 0, 0, &err), RLT_OK);
        expect(clients[i], "", RLT_MSG_DECISION, (uint64_t)i);
        rlt_channel_destroy(clients[i]);
    }
    rlt_channel_destroy(server);
}

/* Waits until the server knows that a client has gone: sending to it then fails. */
static void await_gone(rlt_channel *server, const char *name) {
    double deadline_s = rlt_clock_s() + WAIT_MS / 1000;
    rlt_status status = RLT_OK;
    while (status != RLT_EPEER && rlt_clock_s() < deadline_s) {
        make(RLT_MSG_HEARTBEAT, 0);
        status = rlt_channel_send(server, name, &writer, NULL, 0, 0, &err);
        usleep(1000);
    }
    assert_int_equal(status, RLT_EPEER);
    assert_non_null(strstr(err.message, name));
}

static void test_unknown_and_departed_peers(void **state) {
    (void)state;
    rlt_channel *server = server_at(NULL);
    make(RLT_MSG_STOP, 0);
    assert_int_equal(rlt_channel_send(server, "nobody", &writer, NULL, 0, 0, &err), RLT_EPEER);
    assert_non_null(strstr(err.message, "nobody"));
    for (int i = 0; i < 2; i++) { /* the second one has the name of the first */
        rlt_channel *client = client_of(server, "w");
        make(RLT_MSG_HELLO, 1);
        assert_int_equal(rlt_channel_send(client, NULL, &writer, NULL, 0, 0, &err), RLT_OK);
        expect(server, "w", RLT_MSG_HELLO, 1);
        rlt_channel_destroy(client);
        await_gone(server, "w");
    }
    rlt_channel_destroy(server);
}

static void test_a_name_goes_to_the_newest(void **state) {
    (void)state;
    rlt_channel *server = server_at(NULL), *old = client_of(server, "w");
    make(RLT_MSG_HELLO, 1);
    assert_int_equal(rlt_channel_send(old, NULL, &writer, NULL, 0, 0, &err), RLT_OK);
    expect(server, "w", RLT_MSG_HELLO, 1);
    rlt_channel *new = client_of(server, "w"); /* while the old one still seems to be there */
    make(RLT_MSG_HELLO, 2);
    assert_int_equal(rlt_channel_send(new, NULL, &writer, NULL, 0, 0, &err), RLT_OK);
    expect(server, "w", RLT_MSG_HELLO, 2);
    rlt_channel_destroy(old);
    make(RLT_MSG_TASK, 3);
    assert_int_equal(rlt_channel_send(server, "w", &writer, NULL, 0, 0, &err), RLT_OK);
    expect(new, "", RLT_MSG_TASK, 3);
    rlt_channel_destroy(new);
    rlt_channel_destroy(server);
}

static void test_a_restarted_server_is_found(void **state) {
    (void)state;
    rlt_channel *server = server_at("tcp://127.0.0.1:*"), *client = client_of(server, "w");
    rlt_keys keys = *rlt_channel_keys(server);
    char endpoint[128];
    snprintf(endpoint, sizeof endpoint, "%s", rlt_channel_endpoint(server));
    make(RLT_MSG_HELLO, 1);
    assert_int_equal(rlt_channel_send(client, NULL, &writer, NULL, 0, 0, &err), RLT_OK);
    expect(server, "w", RLT_MSG_HELLO, 1);
    rlt_channel_destroy(server);
    rlt_channel_options options = {.endpoint = endpoint, .keys = &keys};
    assert_int_equal(rlt_channel_bind(&server, &options, &err), RLT_OK);
    assert_string_equal(rlt_channel_endpoint(server), endpoint);
    rlt_packet packet;
    rlt_status status = RLT_ETIMEOUT; /* what went into the old link may be lost: say it again */
    for (int i = 0; i < 200 && status == RLT_ETIMEOUT; i++) {
        make(RLT_MSG_HELLO, 2);
        rlt_channel_send(client, NULL, &writer, NULL, 0, 0, &err);
        status = rlt_channel_recv(server, &packet, 100, &err);
    }
    assert_int_equal(status, RLT_OK);
    assert_int_equal(packet.msg->seq, 2);
    rlt_channel_destroy(client);
    rlt_channel_destroy(server);
}

static void test_full_queues(void **state) {
    (void)state;
    rlt_channel *server = server_at(NULL), *client;
    rlt_channel_options options = {.endpoint = "ipc://@rltune-test-nobody-is-here",
                                   .name = "w",
                                   .keys = rlt_channel_keys(server),
                                   .queue_max = 5,
                                   .part_size_max = 1000};
    assert_int_equal(rlt_channel_connect(&client, &options, &err), RLT_OK);
    make(RLT_MSG_HELLO, 1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rlt_channel_send(client, NULL, &writer, NULL, 0, 0, &err), RLT_OK);
    }
    assert_int_equal(rlt_channel_send(client, NULL, &writer, NULL, 0, 10, &err), RLT_ETIMEOUT);
    assert_non_null(strstr(err.message, "nobody-is-here"));
    static const char large[1001];
    assert_int_equal(rlt_channel_send(client, NULL, &writer, large, sizeof large, 0, &err),
                     RLT_ELIMIT);
    rlt_packet packet;
    assert_int_equal(rlt_channel_recv(client, &packet, 10, &err), RLT_ETIMEOUT);
    assert_non_null(strstr(err.message, "is the server up"));
    rlt_channel_close(client, 10); /* waits, but not for ever */
    rlt_channel_destroy(server);
}

static void expect_bind(const char *endpoint, const rlt_keys *keys, rlt_status status,
                        const char *word) {
    rlt_channel *channel = (void *)1;
    rlt_channel_options options = {.endpoint = endpoint, .keys = keys};
    assert_int_equal(rlt_channel_bind(&channel, &options, &err), status);
    assert_null(channel);
    assert_non_null(strstr(err.message, word));
}

static void test_endpoints(void **state) {
    (void)state;
    expect_bind("tcp://0.0.0.0:*", NULL, RLT_EINVAL, "tcp://0.0.0.0:*");
    expect_bind("tcp://*:5555", NULL, RLT_EINVAL, "keys");
    expect_bind("tcp://eth0:5555", NULL, RLT_EINVAL, "keys");
    expect_bind("ipc:///tmp/a-file", NULL, RLT_EINVAL, "ipc://@name");
    expect_bind("inproc://x", NULL, RLT_EINVAL, "inproc://x");
    expect_bind("tcp://127.0.0.1", NULL, RLT_EINVAL, "tcp://host:port");
    expect_bind("tcp://127.0.0.1:word", NULL, RLT_EINVAL, "tcp://127.0.0.1:word");
    expect_bind("", NULL, RLT_EINVAL, "ipc://@name");
    rlt_channel *first = server_at("tcp://127.0.0.1:*");
    const char *taken = rlt_channel_endpoint(first);
    expect_bind(taken, NULL, RLT_EBUSY, taken);
    rlt_channel *second = server_at(NULL);
    expect_bind(rlt_channel_endpoint(second), NULL, RLT_EBUSY, rlt_channel_endpoint(second));
    rlt_keys keys = *rlt_channel_keys(first);
    expect_bind("tcp://192.0.2.77:*", &keys, RLT_EINVAL, "no such address");
    rlt_channel_options everywhere = {.endpoint = "tcp://*:*", .keys = &keys};
    rlt_channel *third;
    char host[256] = "tcp://";
    gethostname(host + 6, sizeof host - 7);
    assert_int_equal(rlt_channel_bind(&third, &everywhere, &err), RLT_OK);
    assert_memory_equal(rlt_channel_endpoint(third), host, strlen(host));
    rlt_channel_destroy(third);
    keys.server_secret[0] = 0;
    expect_bind("tcp://127.0.0.1:*", &keys, RLT_EINVAL, "secret key");
    rlt_channel_destroy(first);
    rlt_channel_destroy(second);
}

static void test_bad_options(void **state) {
    (void)state;
    rlt_channel *server = server_at(NULL), *client;
    rlt_keys keys = *rlt_channel_keys(server);
    rlt_channel_options good = {
        .endpoint = rlt_channel_endpoint(server), .name = "w", .keys = &keys};
    char long_name[RLT_PEER_NAME_MAX + 2] = {0};
    memset(long_name, 'n', sizeof long_name - 1);
    const char *const names[] = {NULL, "", "two words", "l\xc3\xa4", long_name};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        rlt_channel_options bad = good;
        bad.name = names[i];
        assert_int_equal(rlt_channel_connect(&client, &bad, &err), RLT_EINVAL);
    }
    rlt_channel_options bad = good;
    bad.keys = NULL;
    assert_int_equal(rlt_channel_connect(&client, &bad, &err), RLT_EINVAL);
    bad = good;
    bad.queue_max = -1;
    assert_int_equal(rlt_channel_connect(&client, &bad, &err), RLT_EINVAL);
    bad = good;
    bad.endpoint = NULL;
    assert_int_equal(rlt_channel_connect(&client, &bad, &err), RLT_EINVAL);
    memset(keys.client_public, '#', RLT_KEY_SIZE - 1); /* of the alphabet, but out of range */
    assert_int_equal(rlt_channel_connect(&client, &good, &err), RLT_EINVAL);
    rlt_channel_destroy(server);
}

static void test_keys(void **state) {
    (void)state;
    rlt_keys keys, parsed;
    assert_int_equal(rlt_keys_generate(&keys, &err), RLT_OK);
    char text[RLT_CREDENTIALS_SIZE];
    rlt_keys_format(&keys, text);
    assert_int_equal(strlen(text), sizeof text - 1);
    assert_null(strstr(text, keys.server_secret));
    assert_int_equal(rlt_keys_parse(&parsed, text, &err), RLT_OK);
    assert_string_equal(parsed.server_public, keys.server_public);
    assert_string_equal(parsed.client_public, keys.client_public);
    assert_string_equal(parsed.client_secret, keys.client_secret);
    assert_string_equal(parsed.server_secret, "");
    for (size_t i = 0; i < sizeof text - 1; i++) {
        char before = text[i];
        text[i] = '~'; /* not of the alphabet, no separator */
        assert_int_equal(rlt_keys_parse(&parsed, text, &err), RLT_EPROTO);
        assert_null(strstr(err.message, keys.client_secret)); /* a secret is not printed */
        text[i] = 0;
        assert_int_equal(rlt_keys_parse(&parsed, text, &err), RLT_EPROTO);
        text[i] = before;
    }
    rlt_keys_wipe(&keys);
    static const rlt_keys none;
    assert_memory_equal(&keys, &none, sizeof keys);
}

/* ---- children ---- */

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

static int exit_of(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        assert_int_equal(errno, EINTR);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The child's whole environment, as the kernel shows it to others, has no key any more. */
static bool environment_shows(const char *secret) {
    static char all[1 << 16];
    int fd = open("/proc/self/environ", O_RDONLY);
    ssize_t size = fd >= 0 ? read(fd, all, sizeof all) : 0;
    close(fd);
    return size <= 0 || memmem(all, (size_t)size, secret, strlen(secret)) != NULL;
}

static int run_child(const char *mode, const char *endpoint) {
    rlt_keys keys;
    if (rlt_keys_from_env(&keys, &err) != RLT_OK || getenv(RLT_KEYS_ENV) != NULL ||
        rlt_keys_from_env(&(rlt_keys){0}, &err) != RLT_ENOTFOUND ||
        environment_shows(keys.client_secret)) {
        return 10;
    }
    rlt_channel *channel;
    rlt_channel_options options = {.endpoint = endpoint, .name = "child", .keys = &keys};
    if (rlt_channel_connect(&channel, &options, &err) != RLT_OK) {
        return 11;
    }
    static const char blob[BLOB_SIZE];
    for (uint64_t i = 0; strcmp(mode, "last-words") == 0 && i < LAST_WORDS; i++) {
        make(RLT_MSG_METRICS, i);
        if (rlt_channel_send(channel, NULL, &writer, blob, sizeof blob, WAIT_MS, &err) != RLT_OK) {
            return 12;
        }
    }
    make(RLT_MSG_DONE, LAST_WORDS);
    rlt_status status = rlt_channel_send(channel, NULL, &writer, NULL, 0, WAIT_MS, &err);
    rlt_channel_close(channel, WAIT_MS);
    rlt_msg_writer_fini(&writer);
    return status == RLT_OK ? 0 : 13;
}

static void test_last_words_of_a_child_arrive(void **state) {
    (void)state;
    rlt_channel *server = server_at(NULL);
    for (int round = 0; round < 5; round++) {
        pid_t pid = start_child(server, "last-words");
        if (round % 2 == 0) { /* reading late must not lose them: queue and socket hold all */
            usleep(20000);
        }
        for (uint64_t i = 0; i < LAST_WORDS; i++) {
            expect(server, "child", RLT_MSG_METRICS, i);
        }
        expect(server, "child", RLT_MSG_DONE, LAST_WORDS);
        assert_int_equal(exit_of(pid), 0);
    }
    rlt_channel_destroy(server);
}

static void test_poll(void **state) {
    (void)state;
    rlt_channel *server = server_at(NULL), *client = client_of(server, "w");
    int fds[2], ready;
    assert_int_equal(pipe(fds), 0);
    rlt_poll_item items[] = {{.channel = server}, {.fd = fds[0]}};
    assert_int_equal(rlt_channel_poll(items, 2, 1, &ready, &err), RLT_OK);
    assert_int_equal(ready, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(rlt_channel_poll(items, 2, WAIT_MS, &ready, &err), RLT_OK);
    assert_true(ready == 1 && !items[0].ready && items[1].ready);
    assert_int_equal(read(fds[0], &(char){0}, 1), 1);
    make(RLT_MSG_HELLO, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rlt_channel_send(client, NULL, &writer, NULL, 0, 0, &err), RLT_OK);
    }
    for (int i = 0; i < 3; i++) { /* each of several waiting packets makes it ready */
        assert_int_equal(rlt_channel_poll(items, 2, WAIT_MS, &ready, &err), RLT_OK);
        assert_true(ready == 1 && items[0].ready && !items[1].ready);
        expect(server, "w", RLT_MSG_HELLO, 1);
    }
    close(fds[1]);
    assert_int_equal(rlt_channel_poll(items, 2, WAIT_MS, &ready, &err), RLT_OK);
    assert_true(items[1].ready); /* hung up */
    close(fds[0]);
    rlt_channel_destroy(client);
    rlt_channel_destroy(server);
}

static volatile sig_atomic_t signals;
static void on_alarm(int number) {
    (void)number;
    signals++;
}

static void test_signals(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler = on_alarm}, before;
    sigaction(SIGALRM, &action, &before);
    rlt_channel *server = server_at(NULL), *client;
    rlt_channel_options options = {.endpoint = "ipc://@rltune-test-nobody-is-here",
                                   .name = "w",
                                   .keys = rlt_channel_keys(server),
                                   .queue_max = 1};
    assert_int_equal(rlt_channel_connect(&client, &options, &err), RLT_OK);
    struct itimerval every = {.it_interval = {.tv_usec = 20000}, .it_value = {.tv_usec = 20000}};
    setitimer(ITIMER_REAL, &every, NULL);
    rlt_packet packet;
    int ready;
    rlt_poll_item item = {.channel = server};
    assert_int_equal(rlt_channel_recv(server, &packet, WAIT_MS, &err), RLT_EINTERRUPTED);
    assert_int_equal(rlt_channel_poll(&item, 1, WAIT_MS, &ready, &err), RLT_EINTERRUPTED);
    make(RLT_MSG_HELLO, 1);
    assert_int_equal(rlt_channel_send(client, NULL, &writer, NULL, 0, 0, &err), RLT_OK);
    int before_send = signals;
    assert_int_equal(rlt_channel_send(client, NULL, &writer, NULL, 0, 200, &err), RLT_ETIMEOUT);
    assert_true(signals > before_send); /* they came, and the wait went on */
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    sigaction(SIGALRM, &before, NULL);
    rlt_channel_destroy(client);
    rlt_channel_destroy(server);
}

static void test_no_descriptors_left(void **state) {
    (void)state;
    struct rlimit before, few;
    getrlimit(RLIMIT_NOFILE, &before);
    int next = dup(0);
    close(next);
    few = before;
    few.rlim_cur = (rlim_t)next + 6;
    setrlimit(RLIMIT_NOFILE, &few);
    rlt_channel *channel;
    rlt_status status = rlt_channel_bind(&channel, &(rlt_channel_options){0}, &err);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(status, RLT_ELIMIT);
    assert_non_null(strstr(err.message, "ulimit -n"));
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "child") == 0) {
        return run_child(argv[2], argv[3]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways_over_ipc_and_tcp),
        cmocka_unit_test(test_many_clients_in_order),
        cmocka_unit_test(test_unknown_and_departed_peers),
        cmocka_unit_test(test_a_name_goes_to_the_newest),
        cmocka_unit_test(test_a_restarted_server_is_found),
        cmocka_unit_test(test_full_queues),
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_last_words_of_a_child_arrive),
        cmocka_unit_test(test_poll),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_no_descriptors_left),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rlt_msg_writer_fini(&writer);
    return failed;
}
