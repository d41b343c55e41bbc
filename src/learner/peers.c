/* learner: the first learner starts the others, tells each its task over a channel of its own, and
 * notices when one dies or hangs. Thread: main. Owner: the first learner's process. */
#include "learner/team.h"

#include <stdio.h>
#include <string.h>

enum {
    JOIN_MS = 30000,
    POLL_MS = 200,
    END_MS = 2000,
    LAST_WORDS_MS = 300,
    PIECE = 1 << 20 /* bytes of a block that go at once */
};

typedef struct peer {
    rlt_job job;
    bool joined;
    rlt_group_address address; /* ring: what its left neighbour calls */
} peer;

struct rlt_peers {
    rlt_peers_task task;
    int count; /* of all learners, this one included */
    bool ring;
    rlt_channel *channel;
    rlt_msg_writer writer;
    rlt_shm shm;
    rlt_group *group;
    rlt_group_address address; /* ring: this one's */
    peer peers[RLT_GROUP_MAX]; /* [0] is not used */
    uint64_t gathers_seen;
    double waiting_since;
};

static void peer_name(int rank, char name[RLT_PEER_NAME_MAX + 1]) {
    snprintf(name, RLT_PEER_NAME_MAX + 1, "learner-%d", rank);
}

static int rank_of(const rlt_peers *p, const char *name) {
    for (int r = 1; r < p->count; r++) {
        char known[RLT_PEER_NAME_MAX + 1];
        peer_name(r, known);
        if (strcmp(known, name) == 0) {
            return r;
        }
    }
    return -1;
}

/* ---- deaths ---- */

/* What a learner said before it ended is the cause; else how it ended. */
static rlt_status died(rlt_peers *p, int rank, rlt_err *err) {
    char how[64], message[400];
    uint64_t code;
    rlt_job_reap(&p->peers[rank].job, how, sizeof(how));
    double deadline = rlt_clock_s() + LAST_WORDS_MS * 1e-3;
    rlt_packet packet;
    while (rlt_clock_s() < deadline &&
           rlt_channel_recv(p->channel, &packet, LAST_WORDS_MS, err) == RLT_OK) {
        if (packet.msg->type == RLT_MSG_FAILED && rank_of(p, packet.peer) == rank &&
            rlt_msg_get_u64(packet.msg, "status", &code, err) == RLT_OK &&
            rlt_msg_get_str(packet.msg, "message", message, sizeof(message), err) == RLT_OK) {
            return rlt_fail(err, code > 0 && code <= RLT_ESTALE ? (rlt_status)code : RLT_EPROTO,
                            "learner %d: %s", rank, message);
        }
    }
    return rlt_fail(err, RLT_EPEER, "learner %d of %d ended by %s", rank, p->count, how);
}

static rlt_status look_for_deaths(rlt_peers *p, int timeout_ms, rlt_err *err) {
    rlt_poll_item items[RLT_POLL_ITEMS_MAX] = {{.channel = p->channel}};
    int ready = 0;
    for (int r = 1; r < p->count; r++) {
        items[r] = (rlt_poll_item){.fd = p->peers[r].job.pidfd};
    }
    rlt_status status = rlt_channel_poll(items, p->count, timeout_ms, &ready, err);
    if (status != RLT_EINTERRUPTED) {
        RLT_TRY(status);
    }
    for (int r = 1; r < p->count; r++) {
        if (items[r].ready) {
            return died(p, r, err);
        }
    }
    return RLT_OK;
}

/* While this learner waits for the others. */
static rlt_status idle(void *user, rlt_err *err) {
    rlt_peers *p = user;
    RLT_TRY(look_for_deaths(p, 0, err));
    RLT_TRY(p->task.idle(p->task.idle_user, err));
    double now = rlt_clock_s(), limit = p->task.config->silence_s;
    if (p->gathers_seen != p->group->gathers || p->waiting_since == 0) {
        p->gathers_seen = p->group->gathers;
        p->waiting_since = now;
    }
    return now - p->waiting_since < limit
               ? RLT_OK
               : rlt_fail(err, RLT_ETIMEOUT,
                          "another learner has not come to the exchange for silence_s = %g s: it "
                          "or its environment hangs",
                          limit);
}

/* ---- start ---- */

static rlt_status spawn(rlt_peers *p, int rank, rlt_err *err) {
    char name[RLT_PEER_NAME_MAX + 1], number[16], fd[16], keys[RLT_CREDENTIALS_SIZE];
    peer_name(rank, name);
    snprintf(number, sizeof(number), "%d", rank);
    snprintf(fd, sizeof(fd), "%d", p->ring ? -1 : p->shm.fd);
    char *argv[] = {NULL,         "learner", "--endpoint", (char *)rlt_channel_endpoint(p->channel),
                    "--name",     name,      "--rank",     number,
                    "--group-fd", fd,        NULL};
    rlt_keys_format(rlt_channel_keys(p->channel), keys);
    return rlt_job_start(&p->peers[rank].job, argv, &p->shm.fd, p->ring ? 0 : 1, RLT_KEYS_ENV, keys,
                         err);
}

static rlt_status on_hello(rlt_peers *p, int rank, const rlt_msg *msg, rlt_err *err) {
    rlt_group_address *address = &p->peers[rank].address;
    if (p->ring) {
        RLT_TRY(
            rlt_msg_get_str(msg, "endpoint", address->endpoint, sizeof(address->endpoint), err));
        RLT_TRY(rlt_msg_get_str(msg, "keys", address->keys, sizeof(address->keys), err));
    }
    p->peers[rank].joined = true;
    return RLT_OK;
}

static bool all_joined(const rlt_peers *p) {
    for (int r = 1; r < p->count; r++) {
        if (!p->peers[r].joined) {
            return false;
        }
    }
    return true;
}

static rlt_status await_all(rlt_peers *p, rlt_err *err) {
    double deadline = rlt_clock_s() + JOIN_MS * 1e-3;
    while (!all_joined(p)) {
        RLT_TRY(look_for_deaths(p, POLL_MS, err));
        RLT_TRY(p->task.idle(p->task.idle_user, err));
        rlt_packet packet;
        rlt_status status;
        while ((status = rlt_channel_recv(p->channel, &packet, 0, err)) == RLT_OK) {
            int rank = rank_of(p, packet.peer);
            if (rank > 0 && packet.msg->type == RLT_MSG_HELLO) {
                RLT_TRY(on_hello(p, rank, packet.msg, err));
            }
        }
        if (status != RLT_ETIMEOUT && status != RLT_EINTERRUPTED) {
            return status;
        }
        if (rlt_clock_s() > deadline) {
            return rlt_fail(err, RLT_ETIMEOUT, "not all of %d learners came within %d s", p->count,
                            JOIN_MS / 1000);
        }
    }
    return RLT_OK;
}

static rlt_status send_task(rlt_peers *p, int rank, rlt_err *err) {
    char name[RLT_PEER_NAME_MAX + 1];
    peer_name(rank, name);
    const rlt_group_address *right =
        rank + 1 < p->count ? &p->peers[rank + 1].address : &p->address;
    rlt_msg_begin(&p->writer, RLT_MSG_TASK, 0, 0);
    rlt_msg_put_str(&p->writer, "config", p->task.config_json);
    rlt_msg_put_str(&p->writer, "script", p->task.script);
    rlt_msg_put_str(&p->writer, "script_name", p->task.script_name);
    rlt_msg_put_str(&p->writer, "checkpoint", p->task.origin.path);
    rlt_msg_put_str(&p->writer, "sha256", p->task.origin.sha256);
    rlt_msg_put_str(&p->writer, "weights", p->task.origin.weights);
    rlt_msg_put_str(&p->writer, "weights_sha256", p->task.origin.weights_sha256);
    rlt_msg_put_str(&p->writer, "inherit", p->task.inherit);
    rlt_msg_put_str(&p->writer, "inherit_sha256", p->task.inherit_sha256);
    rlt_msg_put_u64(&p->writer, "count", (uint64_t)p->count);
    rlt_msg_put_u64(&p->writer, "piece", PIECE);
    rlt_msg_put_str(&p->writer, "endpoint", right->endpoint);
    rlt_msg_put_str(&p->writer, "keys", right->keys);
    RLT_TRY(rlt_msg_end(&p->writer, err));
    return rlt_channel_send(p->channel, name, &p->writer, NULL, 0, JOIN_MS, err);
}

static rlt_status make_group(rlt_peers *p, rlt_err *err) {
    rlt_group_idle waiting = {idle, p};
    if (p->ring) {
        return rlt_group_ring_listen(0, p->count, PIECE, "tcp://127.0.0.1:*", waiting, &p->group,
                                     &p->address, err);
    }
    size_t size = rlt_group_shm_size(p->count, PIECE);
    RLT_TRY(rlt_shm_create(&p->shm, "rltune-learners", size, err));
    return rlt_group_shm(p->shm.data, size, 0, p->count, PIECE, waiting, &p->group, err);
}

static rlt_status start(rlt_peers *p, rlt_err *err) {
    rlt_channel_options options = {.endpoint = p->ring ? "tcp://127.0.0.1:*" : NULL};
    RLT_TRY(rlt_channel_bind(&p->channel, &options, err));
    RLT_TRY(make_group(p, err));
    for (int r = 1; r < p->count; r++) {
        RLT_TRY(spawn(p, r, err));
    }
    RLT_TRY(await_all(p, err));
    for (int r = 1; r < p->count; r++) {
        RLT_TRY(send_task(p, r, err));
    }
    return p->ring ? rlt_group_ring_connect(p->group, &p->peers[1].address, err) : RLT_OK;
}

rlt_status rlt_peers_start(const rlt_peers_task *task, rlt_peers **peers, rlt_err *err) {
    rlt_peers *p = rlt_alloc(sizeof(*p));
    p->task = *task;
    p->count = (int)task->config->learners;
    p->ring = task->config->transport == RLT_TRANSPORT_TCP;
    for (int r = 0; r < p->count; r++) {
        p->peers[r].job.pidfd = -1;
    }
    rlt_status status = start(p, err);
    if (status != RLT_OK) {
        rlt_peers_end(&p);
        return status;
    }
    *peers = p;
    return RLT_OK;
}

rlt_group *rlt_peers_group(rlt_peers *peers) {
    return peers->group;
}

void rlt_peers_end(rlt_peers **peers) {
    rlt_peers *p = *peers;
    if (p == NULL) {
        return;
    }
    double deadline = rlt_clock_s() + END_MS * 1e-3;
    for (int r = 1; r < p->count; r++) {
        int left_ms = (int)((deadline - rlt_clock_s()) * 1e3);
        rlt_job_end(&p->peers[r].job, p->peers[r].joined && left_ms > 0 ? left_ms : 0);
    }
    rlt_group_destroy(&p->group);
    rlt_channel_destroy(p->channel);
    rlt_shm_fini(&p->shm);
    rlt_msg_writer_fini(&p->writer);
    rlt_free(p);
    *peers = NULL;
}
