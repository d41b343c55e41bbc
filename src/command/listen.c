/* command: connections that commands report over: TCP on the loopback, where a line with the
 * command's token must come first, and descriptor 3 of a command, which needs none. Why TCP: every
 * language and shell has it, and it leaves no file. Whoever can connect may be anybody on this
 * machine: the number of strangers, their time and the length of their line are bounded.
 * Thread: the host's. Owner: the host owns connections. */
#include "command/command_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STRANGERS_MAX = 64, STRANGER_S = 10, TOKEN_LINE_MAX = 256, BACKLOG = 128 };

rlt_status rlt_token_make(char token[RLT_TOKEN_SIZE], rlt_err *err) {
    unsigned char bytes[(RLT_TOKEN_SIZE - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return rlt_fail(err, RLT_EIO, "no random bytes: %s", strerror(errno));
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(token + 2 * i, 3, "%02x", bytes[i]);
    }
    return RLT_OK;
}

rlt_status rlt_host_listen(rlt_command_host *host, rlt_err *err) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (host->port != 0) {
        return RLT_OK;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        int code = errno;
        if (fd >= 0) {
            close(fd);
        }
        return rlt_fail(err, RLT_EIO, "could not listen on 127.0.0.1 for reports: %s",
                        strerror(code));
    }
    host->listener = (rlt_watched){.kind = RLT_SOURCE_LISTENER, .fd = fd};
    host->port = ntohs(at.sin_port);
    return rlt_host_watch(host, &host->listener, err);
}

rlt_connection *rlt_connection_add(rlt_command_host *host, int fd, rlt_command *command) {
    rlt_connection *made = rlt_alloc(sizeof *made);
    made->watched = (rlt_watched){.kind = RLT_SOURCE_CONNECTION, .fd = fd, .command = command};
    made->next = host->connections;
    host->connections = made;
    return made;
}

void rlt_host_accept(rlt_command_host *host) {
    int fd, one = 1;
    rlt_err ignored;
    while ((fd = accept4(host->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (host->strangers >= STRANGERS_MAX) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        rlt_connection *made = rlt_connection_add(host, fd, NULL);
        made->deadline = rlt_clock_s() + STRANGER_S;
        host->strangers++;
        if (rlt_host_watch(host, &made->watched, &ignored) != RLT_OK) {
            rlt_host_close(host, &made->watched);
        }
    }
}

bool rlt_connection_write(rlt_command_host *host, rlt_connection *connection, const char *line) {
    size_t size = strlen(line);
    bool sent = connection->watched.fd >= 0 && send(connection->watched.fd, line, size,
                                                    MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
    if (!sent) { /* gone, or it does not read its answers */
        rlt_host_close(host, &connection->watched);
    }
    return sent;
}

static void refuse(rlt_command_host *host, rlt_connection *connection, const char *why) {
    char line[256];
    snprintf(line, sizeof line, "{\"error\": \"%s\"}\n", why);
    rlt_connection_write(host, connection, line);
    rlt_host_close(host, &connection->watched);
}

/* In the time of the whole comparison, whatever is wrong. */
static bool same_token(const char *a, const char *b) {
    unsigned char other = 0;
    for (size_t i = 0; i < RLT_TOKEN_SIZE; i++) {
        other |= (unsigned char)(a[i] ^ b[i]);
    }
    return other == 0;
}

static rlt_command *command_of(rlt_command_host *host, const char *line, size_t size) {
    char given[RLT_TOKEN_SIZE] = "";
    json_t *json = json_loadb(line, size, 0, NULL);
    const char *token = json_string_value(json_object_get(json, "token"));
    snprintf(given, sizeof given, "%s", token != NULL ? token : "");
    bool whole = strlen(given) == RLT_TOKEN_SIZE - 1 && strlen(token) == RLT_TOKEN_SIZE - 1;
    json_decref(json);
    for (rlt_command *c = host->commands; whole && c != NULL; c = c->next) {
        if (c->token[0] != 0 && !c->gone && same_token(c->token, given)) {
            return c;
        }
    }
    return NULL;
}

static void introduce(rlt_command_host *host, rlt_connection *connection, const char *line,
                      size_t size) {
    rlt_command *command = command_of(host, line, size);
    if (command == NULL) {
        refuse(host, connection,
               "the first line must be {\\\"token\\\": RLTUNE_TOKEN} of a running trial");
        return;
    }
    connection->watched.command = command;
    connection->deadline = 0;
    host->strangers--;
    rlt_connection_write(host, connection, "{\"ok\": true}\n");
}

typedef struct reading {
    rlt_command_host *host;
    rlt_connection *connection;
} reading;

static rlt_status on_line(void *user, char *line, size_t size, rlt_err *err) {
    const reading *r = user;
    rlt_connection *connection = r->connection;
    bool understood = true;
    if (connection->watched.fd < 0) {
        return RLT_OK; /* refused already */
    }
    if (connection->watched.command == NULL) {
        introduce(r->host, connection, line, size);
        return RLT_OK;
    }
    RLT_TRY(rlt_command_line(r->host, connection->watched.command, line, size, connection,
                             &understood, err));
    if (!understood) {
        refuse(r->host, connection,
               "a report is one JSON object on a line, such as {\\\"step\\\": 10, \\\"loss\\\": "
               "0.3}; step is an integer of at least 0");
    }
    return RLT_OK;
}

rlt_status rlt_connection_read(rlt_command_host *host, rlt_connection *connection, bool *more,
                               rlt_err *err) {
    reading r = {host, connection};
    rlt_watched *watched = &connection->watched;
    ssize_t got = recv(watched->fd, host->buffer, RLT_READ_SIZE, MSG_DONTWAIT);
    *more = got > 0;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return RLT_OK;
    }
    if (got > 0) {
        size_t max = watched->command == NULL ? TOKEN_LINE_MAX : RLT_COMMAND_LINE_MAX;
        RLT_TRY(rlt_lines_add(&watched->lines, host->buffer, (size_t)got, max, on_line, &r, err));
        if (watched->lines.cut && watched->fd >= 0) {
            refuse(host, connection, "the line is too long");
        }
        return RLT_OK;
    }
    rlt_status status = rlt_lines_end(&watched->lines, on_line, &r, err);
    rlt_host_close(host, watched);
    return status;
}

static void forget(rlt_command *command, const rlt_connection *connection) {
    if (command != NULL && command->asking == connection) {
        command->asking = NULL;
    }
    if (command != NULL && command->channel == connection) {
        command->channel = NULL;
    }
}

/* Frees what is closed, closes who has not shown a token in time, or all of a command. */
void rlt_host_drop_connections(rlt_command_host *host, const rlt_command *command) {
    double now = rlt_clock_s();
    for (rlt_connection **at = &host->connections; *at != NULL;) {
        rlt_connection *c = *at;
        bool late = c->deadline > 0 && now > c->deadline;
        if (late || (command != NULL && c->watched.command == command)) {
            rlt_host_close(host, &c->watched);
        }
        if (command == NULL && c->watched.fd < 0) {
            host->strangers -= c->deadline > 0;
            *at = c->next;
            forget(c->watched.command, c);
            rlt_lines_fini(&c->watched.lines);
            rlt_free(c);
        } else {
            at = &c->next;
        }
    }
}
