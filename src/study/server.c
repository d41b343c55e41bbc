/* study: the server: clients, their lines, what is to be sent to them. Replies are kept until
 * flush, so that nobody is told of what is not on the disk. A client that breaks a rule is told so
 * and closed. Thread: the driver's. Owner: the driver. */
#include "study/study_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BACKLOG = 64, EVENTS_MAX = 32, READ_SIZE = 64 << 10, LINES_MAX = 64 };

typedef struct study_peer {
    int fd; /* -1: closed */
    int64_t id;
    rlt_buf input, output; /* until the end of a line; to be sent */
    bool closing;          /* once its output is sent */
    bool announced;        /* somebody knows of it */
    struct study_peer *next;
} study_peer;
struct rlt_study_server {
    int epoll, listener, count;
    int64_t next_id;
    study_peer *peers;
};

rlt_status rlt_study_server_create(const char *name, rlt_study_server **server, rlt_err *err) {
    struct sockaddr_un address;
    socklen_t size;
    *server = NULL;
    RLT_TRY(rlt_study_address(name, &address, &size, err));
    rlt_study_server *made = rlt_alloc(sizeof *made);
    *made = (rlt_study_server){.next_id = 1};
    made->epoll = epoll_create1(EPOLL_CLOEXEC);
    made->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (bind(made->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(made->listener, BACKLOG) != 0 ||
        epoll_ctl(made->epoll, EPOLL_CTL_ADD, made->listener, &event) != 0) {
        bool taken = errno == EADDRINUSE;
        rlt_fail(err, taken ? RLT_EBUSY : RLT_EIO, "%s: %s", name,
                 taken ? "somebody else listens there" : strerror(errno));
        rlt_study_server_destroy(&made);
        return err->code;
    }
    *server = made;
    return RLT_OK;
}

static void peer_free(study_peer *peer) {
    if (peer->fd >= 0) {
        close(peer->fd);
    }
    rlt_buf_fini(&peer->input);
    rlt_buf_fini(&peer->output);
    rlt_free(peer);
}

void rlt_study_server_destroy(rlt_study_server **server) {
    rlt_study_server *old = *server;
    if (old == NULL) {
        return;
    }
    for (study_peer *peer = old->peers, *next; peer != NULL; peer = next) {
        next = peer->next;
        peer_free(peer);
    }
    close(old->listener);
    close(old->epoll);
    rlt_free(old);
    *server = NULL;
}

int rlt_study_server_fd(const rlt_study_server *server) {
    return server->epoll;
}

int rlt_study_server_count(const rlt_study_server *server) {
    return server->count;
}

static void accept_all(rlt_study_server *server) {
    int fd;
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        study_peer *peer = rlt_alloc(sizeof *peer);
        *peer = (study_peer){.fd = fd, .id = server->next_id++};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
        if (server->count >= RLT_STUDY_CLIENTS_MAX || !rlt_study_is_same_user(fd) ||
            epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
            peer_free(peer);
            continue;
        }
        peer->next = server->peers;
        server->peers = peer;
        server->count++;
    }
}

static void put_reply(study_peer *peer, json_t *reply) {
    char *text = json_dumps(reply, JSON_COMPACT);
    rlt_buf_printf(&peer->output, "%s\n", text);
    free(text);
    json_decref(reply);
}

static void refuse(study_peer *peer, const char *why) {
    put_reply(peer, json_pack("{s:b, s:s, s:s}", "ok", 0, "code", "protocol", "error", why));
    peer->closing = true;
}

static rlt_status handle_line(study_peer *peer, const char *line, size_t size,
                              const rlt_study_events *events, rlt_err *err) {
    json_error_t where;
    json_t *request = json_loadb(line, size, JSON_REJECT_DUPLICATES, &where), *reply = NULL;
    if (!json_is_object(request)) {
        char why[200];
        snprintf(why, sizeof why, "a request is one JSON object on a line%s%.120s",
                 request == NULL ? ": " : "", request == NULL ? where.text : "");
        json_decref(request);
        refuse(peer, why);
        return RLT_OK;
    }
    peer->announced = true;
    rlt_status status = events->request(events->user, peer->id, request, &reply, err);
    json_decref(request);
    if (reply != NULL) {
        put_reply(peer, reply);
    }
    return status;
}

static void take_off(rlt_buf *buf, size_t size) {
    if (size > 0) {
        memmove(buf->data, buf->data + size, buf->size - size);
        buf->size -= size;
    }
}

/* The lines that are whole; what is left moves to the front. */
static rlt_status handle_input(study_peer *peer, const rlt_study_events *events, rlt_err *err) {
    size_t at = 0;
    char *end;
    while (!peer->closing && at < peer->input.size &&
           (end = memchr(peer->input.data + at, '\n', peer->input.size - at)) != NULL) {
        size_t size = (size_t)(end - (peer->input.data + at));
        if (size > 0) {
            RLT_TRY(handle_line(peer, peer->input.data + at, size, events, err));
        }
        at += size + 1;
    }
    take_off(&peer->input, at);
    if (peer->input.size > RLT_STUDY_LINE_MAX && !peer->closing) {
        refuse(peer, "the request is longer than 1 MiB");
    }
    return RLT_OK;
}

static rlt_status read_peer(study_peer *peer, const rlt_study_events *events, rlt_err *err) {
    char part[READ_SIZE];
    for (int i = 0; i < LINES_MAX && peer->fd >= 0 && !peer->closing; i++) {
        ssize_t got = recv(peer->fd, part, sizeof part, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return RLT_OK;
        }
        if (got <= 0) {
            close(peer->fd);
            peer->fd = -1;
            return RLT_OK;
        }
        rlt_buf_append(&peer->input, part, (size_t)got);
        RLT_TRY(handle_input(peer, events, err));
    }
    return RLT_OK;
}

static void drop_closed(rlt_study_server *server, const rlt_study_events *events) {
    for (study_peer **at = &server->peers; *at != NULL;) {
        study_peer *peer = *at;
        if (peer->fd >= 0) {
            at = &peer->next;
            continue;
        }
        *at = peer->next;
        server->count--;
        if (peer->announced) {
            events->gone(events->user, peer->id);
        }
        peer_free(peer);
    }
}

rlt_status rlt_study_server_pump(rlt_study_server *server, const rlt_study_events *events,
                                 rlt_err *err) {
    struct epoll_event ready[EVENTS_MAX];
    int count = epoll_wait(server->epoll, ready, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        if (ready[i].data.ptr == NULL) {
            accept_all(server);
        } else {
            RLT_TRY(read_peer(ready[i].data.ptr, events, err));
        }
    }
    drop_closed(server, events);
    return RLT_OK;
}

static void send_output(study_peer *peer) {
    size_t at = 0;
    while (at < peer->output.size) {
        ssize_t sent = send(peer->fd, peer->output.data + at, peer->output.size - at,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            peer->closing |= errno != EAGAIN;
            break;
        }
        at += (size_t)sent;
    }
    take_off(&peer->output, at);
}

void rlt_study_server_flush(rlt_study_server *server) {
    for (study_peer *peer = server->peers; peer != NULL; peer = peer->next) {
        if (peer->fd >= 0 && peer->output.size > 0) {
            send_output(peer);
        }
        bool stuck = peer->output.size > RLT_STUDY_OUTPUT_MAX; /* it does not read its replies */
        if (peer->fd >= 0 && (peer->closing || stuck)) {
            close(peer->fd); /* the next pump tells of it */
            peer->fd = -1;
        }
    }
}
