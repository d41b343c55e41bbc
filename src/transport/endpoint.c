/* transport: the endpoints and names that are allowed.
 * Why: ipc only in the abstract namespace, so that no socket file can be left over; tcp beyond this
 * machine only with keys; names that can be printed.
 * Threads: reentrant. Owner: the caller. */
#include "transport/transport_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { RANDOM_SIZE = 16, IPC_NAME_MAX = 100 /* sockaddr_un has 108 */ };

bool rlt_peer_name_is_valid(const char *name, size_t size) {
    bool valid = size > 0 && size <= RLT_PEER_NAME_MAX;
    for (size_t i = 0; valid && i < size; i++) {
        valid = name[i] > ' ' && name[i] <= '~';
    }
    return valid;
}

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool rlt_endpoint_is_loopback(const char *endpoint) {
    return starts_with(endpoint, "ipc://") || starts_with(endpoint, "tcp://127.") ||
           starts_with(endpoint, "tcp://localhost:") || starts_with(endpoint, "tcp://[::1]:");
}

rlt_status rlt_endpoint_check(const char *endpoint, rlt_err *err) {
    size_t size = strnlen(endpoint, RLT_ENDPOINT_SIZE);
    bool ipc = starts_with(endpoint, "ipc://@") && size > strlen("ipc://@") &&
               size - strlen("ipc://@") <= IPC_NAME_MAX;
    bool tcp = starts_with(endpoint, "tcp://") && size > strlen("tcp://") &&
               strrchr(endpoint + strlen("tcp://"), ':') != NULL;
    if (size >= RLT_ENDPOINT_SIZE || (!ipc && !tcp)) {
        return rlt_fail(err, RLT_EINVAL,
                        "\"%.80s\" is no endpoint; allowed: ipc://@name with at most %d characters "
                        "(leaves no file) and tcp://host:port",
                        endpoint, IPC_NAME_MAX);
    }
    return RLT_OK;
}

rlt_status rlt_endpoint_fresh(char out[RLT_ENDPOINT_SIZE], rlt_err *err) {
    uint8_t bytes[RANDOM_SIZE];
    ssize_t got;
    do {
        got = getrandom(bytes, sizeof bytes, 0);
    } while (got < 0 && errno == EINTR);
    if (got != sizeof bytes) {
        return rlt_fail(err, RLT_EIO, "no random bytes: %s", strerror(errno));
    }
    int at = snprintf(out, RLT_ENDPOINT_SIZE, "ipc://@rltune-");
    for (size_t i = 0; i < sizeof bytes; i++) {
        at += snprintf(out + at, RLT_ENDPOINT_SIZE - (size_t)at, "%02x", bytes[i]);
    }
    return RLT_OK;
}

/* The wildcard address means nothing to others: it becomes this host's name. */
void rlt_endpoint_for_clients(const char *bound, char out[RLT_ENDPOINT_SIZE]) {
    char host[256];
    bool any = starts_with(bound, "tcp://0.0.0.0:") || starts_with(bound, "tcp://[::]:");
    if (any && gethostname(host, sizeof host) == 0) {
        host[sizeof host - 1] = 0;
        snprintf(out, RLT_ENDPOINT_SIZE, "tcp://%s%s", host, strrchr(bound, ':'));
        return;
    }
    snprintf(out, RLT_ENDPOINT_SIZE, "%s", bound);
}
