/* group by a ring of channels: in step s every member passes on the block that came in step s - 1,
 * its own first; after count - 1 steps all have all. Each link carries every block but one once,
 * whatever the number of members. Pieces bound the size of a message.
 * Thread: the group's. */
#include "group/group.h"

#include <stdio.h>
#include <string.h>

enum { POLL_MS = 100, SEND_MS = 100 };

typedef struct ring_group {
    rlt_group base;
    rlt_channel *left, *right; /* a server that the left neighbour calls; the right one's client */
    rlt_msg_writer writer;
    size_t piece_max;
    uint64_t sent, heard; /* messages: their numbers must follow each other */
} ring_group;

static rlt_status idle(ring_group *g, rlt_err *err) {
    return g->base.idle.call != NULL ? g->base.idle.call(g->base.idle.user, err) : RLT_OK;
}

static rlt_status pass_on(ring_group *g, const void *piece, size_t bytes, rlt_err *err) {
    rlt_msg_begin(&g->writer, RLT_MSG_SEGMENT, 0, g->sent++);
    RLT_TRY(rlt_msg_end(&g->writer, err));
    rlt_status status;
    while ((status = rlt_channel_send(g->right, NULL, &g->writer, piece, bytes, SEND_MS, err)) ==
           RLT_ETIMEOUT) {
        RLT_TRY(idle(g, err));
    }
    return status;
}

static rlt_status hear(ring_group *g, void *piece, size_t bytes, rlt_err *err) {
    rlt_packet packet;
    rlt_status status;
    while ((status = rlt_channel_recv(g->left, &packet, POLL_MS, err)) == RLT_ETIMEOUT ||
           status == RLT_EINTERRUPTED) {
        RLT_TRY(idle(g, err));
    }
    RLT_TRY(status);
    if (packet.msg->type != RLT_MSG_SEGMENT || packet.msg->seq != g->heard++ ||
        packet.blob_size != bytes) {
        return rlt_fail(err, RLT_EPROTO,
                        "learner %d: %s %llu of %zu bytes came from the left where block %llu of "
                        "%zu was due",
                        g->base.rank, rlt_msg_type_name(packet.msg->type),
                        (unsigned long long)packet.msg->seq, packet.blob_size,
                        (unsigned long long)g->heard - 1, bytes);
    }
    memcpy(piece, packet.blob, bytes);
    return RLT_OK;
}

static rlt_status all_gather(rlt_group *group, const void *mine, void *all, size_t bytes,
                             rlt_err *err) {
    ring_group *g = (ring_group *)group;
    size_t count = (size_t)group->count, rank = (size_t)group->rank;
    unsigned char *blocks = all;
    if (blocks + rank * bytes != mine) {
        memcpy(blocks + rank * bytes, mine, bytes);
    }
    for (size_t step = 0; step + 1 < count; step++) {
        unsigned char *mine_now = blocks + (rank + count - step) % count * bytes;
        unsigned char *next = blocks + (rank + count - step - 1) % count * bytes;
        for (size_t at = 0; at < bytes; at += g->piece_max) {
            size_t piece = bytes - at < g->piece_max ? bytes - at : g->piece_max;
            RLT_TRY(pass_on(g, mine_now + at, piece, err));
            RLT_TRY(hear(g, next + at, piece, err));
        }
    }
    return RLT_OK;
}

static void destroy(rlt_group *group) {
    ring_group *g = (ring_group *)group;
    rlt_channel_destroy(g->left);
    rlt_channel_destroy(g->right);
    rlt_msg_writer_fini(&g->writer);
    rlt_free(g);
}

static const rlt_group_ops ring_ops = {.all_gather = all_gather, .destroy = destroy};

rlt_status rlt_group_ring_listen(int rank, int count, size_t piece_max, const char *endpoint,
                                 rlt_group_idle idle_call, rlt_group **group,
                                 rlt_group_address *address, rlt_err *err) {
    RLT_ASSERT(rank >= 0 && rank < count && count <= RLT_GROUP_MAX && piece_max > 0);
    ring_group *g = rlt_alloc(sizeof(*g));
    g->base = (rlt_group){.ops = &ring_ops, .rank = rank, .count = count, .idle = idle_call};
    g->piece_max = piece_max;
    rlt_channel_options options = {.endpoint = endpoint,
                                   .part_size_max = (int64_t)piece_max + (1 << 20)};
    rlt_status status = rlt_channel_bind(&g->left, &options, err);
    if (status != RLT_OK) {
        destroy(&g->base);
        return status;
    }
    snprintf(address->endpoint, sizeof(address->endpoint), "%s", rlt_channel_endpoint(g->left));
    rlt_keys_format(rlt_channel_keys(g->left), address->keys);
    *group = &g->base;
    return RLT_OK;
}

rlt_status rlt_group_ring_connect(rlt_group *group, const rlt_group_address *right, rlt_err *err) {
    ring_group *g = (ring_group *)group;
    char name[32];
    rlt_keys keys;
    RLT_TRY(rlt_keys_parse(&keys, right->keys, err));
    snprintf(name, sizeof(name), "learner-%d", group->rank);
    rlt_channel_options options = {.endpoint = right->endpoint, .name = name, .keys = &keys};
    rlt_status status = rlt_channel_connect(&g->right, &options, err);
    rlt_keys_wipe(&keys);
    return status;
}
