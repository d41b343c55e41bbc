/* The two ends of netns_transport.sh: a server that counts segments and a client that feeds it.
 *   transport_peer serve ENDPOINT FILE   binds, writes "endpoint keys" to FILE, ends after DONE
 *   transport_peer feed FILE STOP        sends until the file STOP exists, then 20 more and DONE
 * A segment is sent again until its credit comes; the server counts each once, by its number. */
#include "transport/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SEGMENT_SIZE = 200000,
    EPOCH = 9,
    BEAT_MS = 300,
    CREDIT_MS = 500,
    LIMIT_S = 50,
    LAST = 20,
};

static rlt_err err;
static rlt_msg_writer writer;

static void check(rlt_status status) {
    if (status != RLT_OK) {
        fprintf(stderr, "transport_peer: %s\n", err.message);
        exit(1);
    }
}

static void make(rlt_msg_type type, uint64_t seq) {
    rlt_msg_begin(&writer, type, EPOCH, seq);
    check(rlt_msg_end(&writer, &err));
}

static bool is_segment(const rlt_packet *packet) {
    const char *blob = packet->blob;
    if (packet->blob_size != SEGMENT_SIZE) {
        return false;
    }
    for (size_t i = 0; i < SEGMENT_SIZE; i++) {
        if (blob[i] != (char)(packet->msg->seq + i)) {
            return false;
        }
    }
    return true;
}

static int serve(const char *endpoint, const char *path) {
    rlt_keys keys;
    rlt_channel *channel;
    check(rlt_keys_generate(&keys, &err));
    rlt_channel_options options = {.endpoint = endpoint, .keys = &keys, .heartbeat_ms = BEAT_MS};
    check(rlt_channel_bind(&channel, &options, &err));
    char text[RLT_CREDENTIALS_SIZE];
    rlt_keys_format(&keys, text);
    rlt_buf buf = {0};
    rlt_buf_printf(&buf, "%s %s", rlt_channel_endpoint(channel), text);
    check(rlt_file_write_atomic(path, buf.data, buf.size, &err));
    rlt_buf_fini(&buf);
    uint64_t next = 0, again = 0;
    bool done = false;
    double deadline_s = rlt_clock_s() + LIMIT_S;
    while (!done && rlt_clock_s() < deadline_s) {
        rlt_packet packet;
        rlt_status status = rlt_channel_recv(channel, &packet, 100, &err);
        if (status == RLT_ETIMEOUT) {
            continue;
        }
        check(status);
        done = packet.msg->type == RLT_MSG_DONE;
        if (!done && (packet.msg->seq > next || !is_segment(&packet))) {
            fprintf(stderr, "transport_peer: a segment is missing or damaged\n");
            return 1;
        }
        again += !done && packet.msg->seq < next;
        next += !done && packet.msg->seq == next;
        make(RLT_MSG_CREDIT, packet.msg->seq);
        rlt_channel_send(channel, packet.peer, &writer, NULL, 0, 0, NULL); /* it may be gone */
    }
    printf("served %llu, again %llu%s\n", (unsigned long long)next, (unsigned long long)again,
           done ? "" : ", but nobody said that it was done");
    rlt_channel_close(channel, 1000);
    rlt_msg_writer_fini(&writer);
    return done ? 0 : 1;
}

/* Until the credit for it comes: how often it was sent in vain. */
static int deliver(rlt_channel *channel, rlt_msg_type type, uint64_t seq, const char *blob,
                   double deadline_s) {
    int vain = 0;
    for (; rlt_clock_s() < deadline_s; vain++) {
        rlt_packet packet;
        make(type, seq);
        rlt_status status = rlt_channel_send(channel, NULL, &writer, blob,
                                             blob != NULL ? SEGMENT_SIZE : 0, CREDIT_MS, &err);
        while (status == RLT_OK) {
            status = rlt_channel_recv(channel, &packet, CREDIT_MS, &err);
            if (status == RLT_OK && packet.msg->seq == seq) {
                return vain;
            }
        }
        check(status == RLT_ETIMEOUT ? RLT_OK : status);
    }
    fprintf(stderr, "transport_peer: no credit came for %llu\n", (unsigned long long)seq);
    exit(1);
}

static int feed(const char *path, const char *stop) {
    char *text, *blob = rlt_alloc(SEGMENT_SIZE);
    size_t size;
    check(rlt_file_read(path, 4096, &text, &size, &err));
    char *space = strchr(text, ' ');
    rlt_keys keys;
    rlt_channel *channel;
    *space = 0;
    check(rlt_keys_parse(&keys, space + 1, &err));
    rlt_channel_options options = {
        .endpoint = text, .name = "feeder", .keys = &keys, .queue_max = 4, .heartbeat_ms = BEAT_MS};
    check(rlt_channel_connect(&channel, &options, &err));
    double deadline_s = rlt_clock_s() + LIMIT_S;
    uint64_t seq = 0, end = UINT64_MAX;
    int vain = 0;
    for (; seq < end; seq++) {
        if (end == UINT64_MAX && access(stop, F_OK) == 0) {
            end = seq + LAST;
        }
        for (size_t i = 0; i < SEGMENT_SIZE; i++) {
            blob[i] = (char)(seq + i);
        }
        vain += deliver(channel, RLT_MSG_SEGMENT, seq, blob, deadline_s);
        usleep(1000);
    }
    deliver(channel, RLT_MSG_DONE, seq, NULL, deadline_s);
    printf("fed %llu, in vain %d\n", (unsigned long long)seq, vain);
    rlt_channel_close(channel, 1000);
    rlt_msg_writer_fini(&writer);
    rlt_free(text);
    rlt_free(blob);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "serve") == 0) {
        return serve(argv[2], argv[3]);
    }
    if (argc == 4 && strcmp(argv[1], "feed") == 0) {
        return feed(argv[2], argv[3]);
    }
    fprintf(stderr, "usage: transport_peer serve ENDPOINT FILE | feed FILE STOP\n");
    return 2;
}
