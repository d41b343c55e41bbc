/* transport: packets over a channel, and waiting for them.
 * Why: what comes from a peer is bounded and well formed before anyone sees it.
 * Threads: the channel's. Owner: a packet's views are the channel's until the next recv. */
#include "transport/transport_impl.h"

#include <errno.h>
#include <string.h>

enum { NS_PER_MS = 1000000 };

static uint64_t deadline_in(int timeout_ms) {
    return rlt_clock_ns() + (uint64_t)timeout_ms * NS_PER_MS;
}

/* Rounded up, so that a wait never ends early; 0 when the deadline has passed. */
static int ms_until(uint64_t deadline_ns) {
    uint64_t now_ns = rlt_clock_ns();
    return now_ns >= deadline_ns ? 0 : (int)((deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void set_timeout(void *socket, int option, int *current, int timeout_ms) {
    if (*current != timeout_ms) {
        RLT_ASSERT(zmq_setsockopt(socket, option, &timeout_ms, sizeof timeout_ms) == 0);
        *current = timeout_ms;
    }
}

/* ---- send ---- */

static rlt_status send_failed(const rlt_channel *channel, const char *peer, int timeout_ms,
                              rlt_err *err) {
    const char *to = peer != NULL ? peer : "the server";
    switch (errno) {
    case EAGAIN:
        return rlt_fail(err, RLT_ETIMEOUT, "%s: the queue to %s stayed full for %d ms",
                        channel->endpoint, to, timeout_ms);
    case EHOSTUNREACH:
        return rlt_fail(err, RLT_EPEER, "%s: %s is not connected", channel->endpoint, to);
    default:
        return rlt_fail(err, RLT_EIO, "%s: could not send to %s: %s", channel->endpoint, to,
                        zmq_strerror(errno));
    }
}

/* The first part waits for room in the queue; the others follow it into the same queue. */
static bool send_first(rlt_channel *channel, zmq_msg_t *part, int flags, int timeout_ms) {
    uint64_t deadline_ns = deadline_in(timeout_ms);
    for (;;) {
        set_timeout(channel->socket, ZMQ_SNDTIMEO, &channel->send_timeout_ms, timeout_ms);
        if (zmq_msg_send(part, channel->socket, flags) >= 0) {
            return true;
        }
        if (errno != EINTR) {
            return false;
        }
        timeout_ms = ms_until(deadline_ns);
    }
}

static bool send_part(rlt_channel *channel, const void *data, size_t size, bool first, bool more,
                      int timeout_ms) {
    zmq_msg_t part;
    if (zmq_msg_init_size(&part, size) != 0) {
        return false;
    }
    if (size > 0) {
        memcpy(zmq_msg_data(&part), data, size);
    }
    int flags = more ? ZMQ_SNDMORE : 0;
    bool sent;
    if (first) {
        sent = send_first(channel, &part, flags, timeout_ms);
    } else {
        do {
            sent = zmq_msg_send(&part, channel->socket, flags) >= 0;
        } while (!sent && errno == EINTR);
    }
    if (!sent) {
        int code = errno;
        zmq_msg_close(&part);
        errno = code;
    }
    return sent;
}

rlt_status rlt_channel_send(rlt_channel *channel, const char *peer, const rlt_msg_writer *message,
                            const void *blob, size_t blob_size, int timeout_ms, rlt_err *err) {
    RLT_ASSERT(timeout_ms >= 0 && !message->failed && message->buf.size > 0);
    RLT_ASSERT(channel->server == (peer != NULL));
    uint64_t largest = blob_size > message->buf.size ? blob_size : message->buf.size;
    if (largest > (uint64_t)channel->part_size_max) {
        return rlt_fail(err, RLT_ELIMIT, "%s: a part of %llu bytes; at most %lld are allowed",
                        channel->endpoint, (unsigned long long)largest,
                        (long long)channel->part_size_max);
    }
    bool sent = true;
    if (channel->server) {
        sent = send_part(channel, peer, strlen(peer), true, true, timeout_ms);
    }
    sent = sent && send_part(channel, message->buf.data, message->buf.size, !channel->server,
                             blob != NULL, timeout_ms);
    if (blob != NULL) {
        sent = sent && send_part(channel, blob, blob_size, false, false, timeout_ms);
    }
    return sent ? RLT_OK : send_failed(channel, peer, timeout_ms, err);
}

/* ---- recv ---- */

static rlt_status recv_failed(const rlt_channel *channel, int timeout_ms, rlt_err *err) {
    switch (errno) {
    case EAGAIN:
        return rlt_fail(
            err, RLT_ETIMEOUT, "%s: nothing came within %d ms%s", channel->endpoint, timeout_ms,
            channel->heard || channel->server
                ? ""
                : ", nor ever before: is the server up, are the keys those of its run?");
    case EINTR:
        return rlt_fail(err, RLT_EINTERRUPTED, "%s: a signal came", channel->endpoint);
    default:
        return rlt_fail(err, RLT_EIO, "%s: could not receive: %s", channel->endpoint,
                        zmq_strerror(errno));
    }
}

/* A part after the first: all of a packet arrives at once, so this does not wait. */
static void recv_next(rlt_channel *channel, zmq_msg_t *part) {
    while (zmq_msg_recv(part, channel->socket, 0) < 0) {
        RLT_ASSERT(errno == EINTR);
    }
}

/* Drops what is left of the packet; returns how many parts that was. */
static uint64_t drain(rlt_channel *channel, bool more) {
    uint64_t count = 0;
    zmq_msg_t part;
    zmq_msg_init(&part);
    for (; more; more = zmq_msg_more(&part) != 0) {
        recv_next(channel, &part);
        count++;
    }
    zmq_msg_close(&part);
    return count;
}

static bool note_peer(rlt_channel *channel) {
    const char *name = zmq_msg_data(&channel->control);
    size_t size = zmq_msg_size(&channel->control);
    bool valid = rlt_peer_name_is_valid(name, size);
    memset(channel->peer, 0, sizeof channel->peer);
    if (valid) {
        memcpy(channel->peer, name, size);
    }
    return valid;
}

/* The parts into the channel; false: no packet of ours, and all of it was dropped. */
static bool recv_parts(rlt_channel *channel, uint64_t *surplus) {
    bool valid = true, more = true;
    if (channel->server) {
        valid = note_peer(channel);
        more = zmq_msg_more(&channel->control) != 0;
        if (valid && more) {
            recv_next(channel, &channel->control);
        }
        valid = valid && more;
    }
    more = zmq_msg_more(&channel->control) != 0;
    if (valid && more) {
        recv_next(channel, &channel->blob);
        more = zmq_msg_more(&channel->blob) != 0;
    }
    *surplus = drain(channel, more);
    return valid && *surplus == 0;
}

static rlt_status check_packet(rlt_channel *channel, bool with_blob, rlt_packet *packet,
                               rlt_err *err) {
    size_t size = zmq_msg_size(&channel->control), blob_size = zmq_msg_size(&channel->blob);
    uint64_t largest = size > blob_size ? size : blob_size;
    if (largest > (uint64_t)channel->part_size_max) {
        return rlt_fail(err, RLT_EPROTO, "%s: a part of %llu bytes came; at most %lld are allowed",
                        channel->endpoint, (unsigned long long)largest,
                        (long long)channel->part_size_max);
    }
    RLT_TRY(rlt_msg_parse(&channel->msg, zmq_msg_data(&channel->control), size, err));
    packet->msg = &channel->msg;
    packet->blob = with_blob ? zmq_msg_data(&channel->blob) : NULL;
    packet->blob_size = blob_size;
    return RLT_OK;
}

rlt_status rlt_channel_recv(rlt_channel *channel, rlt_packet *packet, int timeout_ms,
                            rlt_err *err) {
    RLT_ASSERT(timeout_ms >= 0);
    channel->peer[0] = 0;
    *packet = (rlt_packet){.peer = channel->peer};
    zmq_msg_close(&channel->blob);
    zmq_msg_init(&channel->blob);
    set_timeout(channel->socket, ZMQ_RCVTIMEO, &channel->recv_timeout_ms, timeout_ms);
    if (zmq_msg_recv(&channel->control, channel->socket, 0) < 0) {
        return recv_failed(channel, timeout_ms, err);
    }
    uint64_t surplus;
    bool valid = recv_parts(channel, &surplus);
    channel->heard = true;
    if (!valid) {
        return rlt_fail(err, RLT_EPROTO,
                        "%s: dropped a packet from \"%s\" with %llu parts too many or without a "
                        "valid sender or message",
                        channel->endpoint, channel->peer, (unsigned long long)surplus);
    }
    rlt_err inner;
    bool with_blob = zmq_msg_more(&channel->control) != 0;
    rlt_status status = check_packet(channel, with_blob, packet, &inner);
    if (status != RLT_OK) {
        return rlt_fail(err, status, "dropped a packet from \"%s\": %s", channel->peer,
                        inner.message);
    }
    return RLT_OK;
}

/* ---- poll ---- */

rlt_status rlt_channel_poll(rlt_poll_item *items, int count, int timeout_ms, int *ready_count,
                            rlt_err *err) {
    RLT_ASSERT(count >= 0 && count <= RLT_POLL_ITEMS_MAX && timeout_ms >= 0);
    zmq_pollitem_t polled[RLT_POLL_ITEMS_MAX];
    for (int i = 0; i < count; i++) {
        polled[i] = (zmq_pollitem_t){
            .socket = items[i].channel != NULL ? items[i].channel->socket : NULL,
            .fd = items[i].fd,
            .events = ZMQ_POLLIN,
        };
        items[i].ready = false;
    }
    *ready_count = 0;
    if (zmq_poll(polled, count, timeout_ms) < 0) {
        return rlt_fail(err, errno == EINTR ? RLT_EINTERRUPTED : RLT_EIO, "could not wait: %s",
                        zmq_strerror(errno));
    }
    for (int i = 0; i < count; i++) {
        items[i].ready = polled[i].revents != 0;
        *ready_count += items[i].ready;
    }
    return RLT_OK;
}
