/* study: a client: requests and their replies, in order. Thread: one. Owner: the caller. */
#include "study/study_impl.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rlt_study_client {
    int fd;
    rlt_buf input; /* bytes of replies that have come */
    size_t used;   /* of these, what belongs to replies that were read */
};

rlt_status rlt_study_connect(const char *name, rlt_study_client **client, rlt_err *err) {
    struct sockaddr_un address;
    socklen_t size;
    *client = NULL;
    RLT_TRY(rlt_study_address(name, &address, &size, err));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int code = fd < 0 || connect(fd, (struct sockaddr *)&address, size) != 0 ? errno : 0;
    if (code == 0 && !rlt_study_is_same_user(fd)) {
        code = EACCES; /* somebody took the name */
    }
    if (code != 0) {
        if (fd >= 0) {
            close(fd);
        }
        return rlt_fail(err, code == ECONNREFUSED ? RLT_ENOTFOUND : RLT_EIO, "%s: %s", name,
                        code == ECONNREFUSED ? "no driver listens there" : strerror(code));
    }
    *client = rlt_alloc(sizeof **client);
    (*client)->fd = fd;
    return RLT_OK;
}

void rlt_study_close(rlt_study_client **client) {
    if (*client != NULL) {
        close((*client)->fd);
        rlt_buf_fini(&(*client)->input);
        rlt_free(*client);
        *client = NULL;
    }
}

int rlt_study_client_fd(const rlt_study_client *client) {
    return client->fd;
}

static rlt_status fail_gone(rlt_err *err) {
    return rlt_fail(err, RLT_EPEER, "the driver of the experiment has gone");
}

rlt_status rlt_study_send(rlt_study_client *client, const json_t *request, rlt_err *err) {
    char *text = json_dumps(request, JSON_COMPACT);
    size_t size = strlen(text), at = 0;
    text[size++] = '\n'; /* in the place of the 0 */
    while (at < size) {
        ssize_t sent = send(client->fd, text + at, size - at, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            break;
        }
        at += sent > 0 ? (size_t)sent : 0;
    }
    free(text);
    return at == size ? RLT_OK : fail_gone(err);
}

/* Its line without the end, or NULL: it has not come yet. */
static const char *next_line(rlt_study_client *client, size_t *size) {
    const char *begin = client->input.data + client->used;
    size_t left = client->input.size - client->used;
    const char *end = left > 0 ? memchr(begin, '\n', left) : NULL;
    if (end == NULL) {
        return NULL;
    }
    *size = (size_t)(end - begin);
    client->used += *size + 1;
    return begin;
}

static rlt_status receive_part(rlt_study_client *client, double left_s, double timeout_s,
                               rlt_err *err) {
    char part[1 << 14];
    struct pollfd item = {.fd = client->fd, .events = POLLIN};
    int ready = poll(&item, 1, (int)(1000 * fmax(left_s, 0)) + 1);
    if (ready == 0) {
        return rlt_fail(err, RLT_ETIMEOUT, "the driver gave no answer within %g s", timeout_s);
    }
    if (ready < 0 && errno == EINTR) {
        return RLT_OK; /* a signal is for the caller, once the reply is there */
    }
    ssize_t got = recv(client->fd, part, sizeof part, 0);
    if (got <= 0) {
        return fail_gone(err);
    }
    rlt_buf_append(&client->input, part, (size_t)got);
    return client->input.size <= RLT_STUDY_OUTPUT_MAX
               ? RLT_OK
               : rlt_fail(err, RLT_EPROTO, "the driver's answer is too long");
}

static rlt_status receive_line(rlt_study_client *client, double timeout_s, const char **line,
                               size_t *size, rlt_err *err) {
    double deadline = rlt_clock_s() + timeout_s;
    while ((*line = next_line(client, size)) == NULL) {
        if (client->used > 0) {
            memmove(client->input.data, client->input.data + client->used,
                    client->input.size - client->used);
            client->input.size -= client->used;
            client->used = 0;
        }
        RLT_TRY(receive_part(client, deadline - rlt_clock_s(), timeout_s, err));
    }
    return RLT_OK;
}

rlt_status rlt_study_receive(rlt_study_client *client, double timeout_s, json_t **reply,
                             rlt_err *err) {
    const char *line;
    size_t size;
    *reply = NULL;
    RLT_TRY(receive_line(client, timeout_s, &line, &size, err));
    json_t *json = json_loadb(line, size, 0, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return rlt_fail(err, RLT_EPROTO, "the driver's answer is no JSON object");
    }
    if (!json_is_true(json_object_get(json, "ok"))) {
        const char *text = json_string_value(json_object_get(json, "error"));
        const char *code = json_string_value(json_object_get(json, "code"));
        bool stale = code != NULL && strcmp(code, "stale") == 0;
        rlt_fail(err, stale ? RLT_ESTALE : RLT_EINVAL, "%.480s", text != NULL ? text : "refused");
        json_decref(json);
        return err->code;
    }
    *reply = json;
    return RLT_OK;
}

rlt_status rlt_study_call(rlt_study_client *client, const json_t *request, double timeout_s,
                          json_t **reply, rlt_err *err) {
    *reply = NULL;
    RLT_TRY(rlt_study_send(client, request, err));
    return rlt_study_receive(client, timeout_s, reply, err);
}
