/* study: the socket: requests and replies, clients that break rules, sockets left by the dead. */
#include "core/core.h"
#include "study/study.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct fixture {
    char file[64], name[RLT_STUDY_NAME_SIZE];
    rlt_study_server *server;
    int requests, gone;
    int64_t last_gone;
    bool fails;
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    rlt_err err;
    snprintf(f->file, sizeof f->file, "/tmp/study_test.XXXXXX");
    close(mkstemp(f->file));
    assert_int_equal(rlt_study_name(f->file, 7, f->name, &err), RLT_OK);
    assert_int_equal(strncmp(f->name, "@rltune-", 8), 0);
    assert_non_null(strstr(f->name, "-e7"));
    assert_int_equal(rlt_study_server_create(f->name, &f->server, &err), RLT_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    rlt_study_server_destroy(&f->server);
    unlink(f->file);
    free(f);
    return 0;
}

static rlt_status on_request(void *user, int64_t client, const json_t *request, json_t **reply,
                             rlt_err *err) {
    fixture *f = user;
    f->requests++;
    if (f->fails) {
        return rlt_fail(err, RLT_EIO, "the disk is gone");
    }
    const json_t *say = json_object_get(request, "say");
    *reply = json_is_string(say) && strcmp(json_string_value(say), "stale") == 0
                 ? json_pack("{s:b, s:s, s:s}", "ok", 0, "code", "stale", "error", "not yours")
                 : json_pack("{s:b, s:I, s:O}", "ok", 1, "client", (json_int_t)client, "said",
                             (json_t *)say);
    return RLT_OK;
}

static void on_gone(void *user, int64_t client) {
    fixture *f = user;
    f->gone++;
    f->last_gone = client;
}

static rlt_status pump(fixture *f, rlt_err *err) {
    const rlt_study_events events = {f, on_request, on_gone};
    return rlt_study_server_pump(f->server, &events, err);
}

/* A call waits for its answer: the server is served by another thread meanwhile. */
typedef struct serving {
    fixture *f;
    volatile bool done;
} serving;

static void *serve(void *user) {
    serving *s = user;
    rlt_err err;
    while (!s->done) {
        if (pump(s->f, &err) != RLT_OK) {
            break;
        }
        rlt_study_server_flush(s->f->server);
        usleep(200);
    }
    return NULL;
}

static rlt_status call(fixture *f, rlt_study_client *client, const char *text, json_t **reply,
                       rlt_err *err) {
    serving s = {.f = f};
    pthread_t thread;
    json_t *request = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
    rlt_status status = rlt_study_call(client, request, 5, reply, err);
    s.done = true;
    pthread_join(thread, NULL);
    json_decref(request);
    return status;
}

static rlt_study_client *open_client(const fixture *f) {
    rlt_study_client *client = NULL;
    rlt_err err;
    assert_int_equal(rlt_study_connect(f->name, &client, &err), RLT_OK);
    return client;
}

static void test_calls(void **state) {
    fixture *f = *state;
    rlt_study_client *a = open_client(f), *b = open_client(f);
    json_t *reply;
    rlt_err err;
    assert_int_equal(call(f, a, "{\"say\": \"hello\"}", &reply, &err), RLT_OK);
    assert_string_equal(json_string_value(json_object_get(reply, "said")), "hello");
    int64_t first = json_integer_value(json_object_get(reply, "client"));
    json_decref(reply);
    assert_int_equal(call(f, b, "{\"say\": \"stale\"}", &reply, &err), RLT_ESTALE);
    assert_string_equal(err.message, "not yours");
    assert_int_equal(call(f, b, "{\"say\": 5}", &reply, &err), RLT_OK);
    assert_int_not_equal(json_integer_value(json_object_get(reply, "client")), first);
    json_decref(reply);
    rlt_study_close(&a);
    assert_int_equal(pump(f, &err), RLT_OK);
    assert_int_equal(f->gone, 1);
    assert_int_equal(f->last_gone, first);
    rlt_study_close(&b);
    assert_null(b);
}

static void test_nobody_is_told_before_flush(void **state) {
    fixture *f = *state;
    rlt_study_client *client = open_client(f);
    char part[8];
    rlt_err err;
    int fd = rlt_study_client_fd(client);
    assert_int_equal(write(fd, "{\"say\": 1}\n{\"say\"", 17), 17);
    assert_int_equal(pump(f, &err), RLT_OK); /* accepts */
    assert_int_equal(pump(f, &err), RLT_OK);
    assert_int_equal(f->requests, 1);
    assert_int_equal(recv(fd, part, sizeof part, MSG_DONTWAIT), -1);
    rlt_study_server_flush(f->server);
    assert_int_equal(recv(fd, part, sizeof part, MSG_DONTWAIT), sizeof part);
    assert_int_equal(write(fd, ": 2}\n", 5), 5);
    assert_int_equal(pump(f, &err), RLT_OK);
    assert_int_equal(f->requests, 2);
    rlt_study_close(&client);
}

/* Sends bytes; what comes back holds `text`, and then the connection is closed. */
static void expect_refusal(fixture *f, const char *bytes, size_t size, const char *text) {
    rlt_study_client *client = open_client(f);
    char answer[1024] = "";
    rlt_err err;
    int fd = rlt_study_client_fd(client);
    for (size_t at = 0; at < size;) {
        ssize_t sent = send(fd, bytes + at, size - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        int code = errno;
        at += sent > 0 ? (size_t)sent : 0;
        assert_int_equal(pump(f, &err), RLT_OK);
        if (sent < 0 && code != EAGAIN) {
            break;
        }
    }
    for (int i = 0; i < 50; i++) {
        assert_int_equal(pump(f, &err), RLT_OK);
        rlt_study_server_flush(f->server);
    }
    ssize_t got = recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT);
    if (got < 0) { /* closed with bytes unread: the error comes first, the answer after it */
        got = recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT);
    }
    if (got <= 0) {
        fail_msg("no answer to %zu bytes", size);
    }
    if (strstr(answer, text) == NULL) {
        fail_msg("'%s' lacks '%s'", answer, text);
    }
    assert_true(recv(fd, answer, 1, 0) <= 0);
    rlt_study_close(&client);
    assert_int_equal(pump(f, &err), RLT_OK);
}

static void test_refusals(void **state) {
    fixture *f = *state;
    expect_refusal(f, "hello\n", 6, "one JSON object");
    expect_refusal(f, "[1]\n", 4, "one JSON object");
    expect_refusal(f, "{\"a\":1,\"a\":2}\n", 14, "duplicate");
    expect_refusal(f, "\xff\xfe\n", 3, "one JSON object");
    size_t size = RLT_STUDY_LINE_MAX + (128 << 10);
    char *bytes = malloc(size);
    memset(bytes, ' ', size);
    expect_refusal(f, bytes, size, "longer than 1 MiB");
    memset(bytes, '[', size);
    bytes[4000] = '\n';
    expect_refusal(f, bytes, 4001, "one JSON object");
    free(bytes);
    assert_int_equal(f->requests, 0);
}

static void test_failure_of_the_owner_ends_the_pump(void **state) {
    fixture *f = *state;
    rlt_study_client *client = open_client(f);
    rlt_err err;
    f->fails = true;
    assert_int_equal(write(rlt_study_client_fd(client), "{}\n", 3), 3);
    assert_int_equal(pump(f, &err), RLT_OK);
    assert_int_equal(pump(f, &err), RLT_EIO);
    assert_string_equal(err.message, "the disk is gone");
    rlt_study_close(&client);
}

static void test_clients_are_bounded(void **state) {
    fixture *f = *state;
    enum { MORE = RLT_STUDY_CLIENTS_MAX + 20 };
    rlt_study_client *clients[MORE];
    rlt_err err;
    char byte;
    int refused = 0;
    for (int i = 0; i < MORE; i++) {
        clients[i] = open_client(f);
        assert_int_equal(pump(f, &err), RLT_OK);
    }
    for (int i = 0; i < MORE; i++) {
        refused += recv(rlt_study_client_fd(clients[i]), &byte, 1, MSG_DONTWAIT) == 0;
        rlt_study_close(&clients[i]);
    }
    assert_int_equal(refused, 20);
}

static void test_names(void **state) {
    fixture *f = *state;
    rlt_study_server *second = NULL;
    rlt_study_client *client = NULL;
    char name[RLT_STUDY_NAME_SIZE], link[100];
    rlt_err err;
    assert_int_equal(rlt_study_server_create(f->name, &second, &err), RLT_EBUSY);
    assert_null(second);
    assert_int_equal(rlt_study_name(f->file, 8, name, &err), RLT_OK);
    assert_int_equal(rlt_study_connect(name, &client, &err), RLT_ENOTFOUND);
    assert_int_equal(rlt_study_name("/tmp/no/such.db", 8, name, &err), RLT_EIO);
    assert_int_equal(rlt_study_connect("plain", &client, &err), RLT_EINVAL);
    /* the same database by another path */
    snprintf(link, sizeof link, "%s.link", f->file);
    assert_int_equal(symlink(f->file, link), 0);
    assert_int_equal(rlt_study_name(link, 7, name, &err), RLT_OK);
    assert_string_equal(name, f->name);
    unlink(link);
    /* a name is free as soon as nobody listens */
    rlt_study_server_destroy(&f->server);
    assert_int_equal(rlt_study_server_create(f->name, &f->server, &err), RLT_OK);
    client = open_client(f);
    rlt_study_close(&client);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_calls),
        TEST(test_nobody_is_told_before_flush),
        TEST(test_refusals),
        TEST(test_failure_of_the_owner_ends_the_pump),
        TEST(test_clients_are_bounded),
        TEST(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
