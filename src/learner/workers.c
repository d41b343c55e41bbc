/* learner: its worker processes: what it tells them, what comes from them, and a new one in the
 * place of one that died, from the state after its last consumed segment, so that nothing is lost
 * or counted twice. Thread: the learner's. Owner: the source. */
#include "learner/workers_impl.h"

#include <stdio.h>
#include <string.h>

enum {
    RESTARTS_MAX = 5,   /* of one worker without a segment in between */
    LAST_WORDS_MS = 500 /* what a process sent before it ended may take so long to come */
};

bool rlt_workers_use_shm(const rlt_workers_source *s) {
    return s->o->config->transport == RLT_TRANSPORT_SHM;
}

static void peer_name(const rlt_workers_source *s, int i, char name[RLT_PEER_NAME_MAX + 1]) {
    snprintf(name, RLT_PEER_NAME_MAX + 1, "w%d-%llu", i, (unsigned long long)s->workers[i].epoch);
}

/* ---- messages to a worker ---- */

rlt_status rlt_workers_send(rlt_workers_source *s, int i, const void *blob, size_t size,
                            rlt_err *err) {
    char peer[RLT_PEER_NAME_MAX + 1];
    peer_name(s, i, peer);
    RLT_TRY(rlt_msg_end(&s->writer, err));
    rlt_status status = rlt_channel_send(s->channel, peer, &s->writer, blob, size, 5000, err);
    /* a peer that is gone shows as a dead process at the next poll */
    return status == RLT_EPEER || status == RLT_ETIMEOUT ? RLT_OK : status;
}

rlt_status rlt_workers_send_weights(rlt_workers_source *s, int i, uint64_t credit, rlt_err *err) {
    rlt_msg_begin(&s->writer, RLT_MSG_WEIGHTS, s->workers[i].epoch, s->version);
    rlt_msg_put_u64(&s->writer, "version", s->version);
    rlt_msg_put_u64(&s->writer, "credit", credit);
    return rlt_workers_send(s, i, rlt_workers_use_shm(s) ? NULL : s->block,
                            rlt_workers_use_shm(s) ? 0 : s->block_size, err);
}

static rlt_status send_task(rlt_workers_source *s, int i, rlt_err *err) {
    rlt_remote_worker *w = &s->workers[i];
    rlt_msg_begin(&s->writer, RLT_MSG_TASK, w->epoch, 0);
    rlt_msg_put_str(&s->writer, "config", s->o->config_json);
    rlt_msg_put_str(&s->writer, "script", s->o->script);
    rlt_msg_put_str(&s->writer, "script_name", s->o->script_name);
    rlt_msg_put_u64(&s->writer, "first_env", (uint64_t)(s->o->first_env + i * s->base.batch.envs));
    rlt_msg_put_u64(&s->writer, "envs", (uint64_t)s->base.batch.envs);
    rlt_msg_put_u64(&s->writer, "index", s->index);
    rlt_msg_put_u64(&s->writer, "credit", s->slot_count * s->segment_size);
    rlt_msg_put_u64(&s->writer, "slots", s->slot_count);
    rlt_msg_put_u64(&s->writer, "segments_size", w->shm.size);
    rlt_msg_put_u64(&s->writer, "weights_size", s->weights_shm.size);
    rlt_msg_put_u64(&s->writer, "asking_size", s->asking_shm.size);
    rlt_msg_put_u64(&s->writer, "workers", (uint64_t)s->base.parts);
    RLT_TRY(rlt_workers_send(s, i, s->index > 0 ? w->state : NULL, s->index > 0 ? s->state_size : 0,
                             err));
    w->joined = true;
    return rlt_workers_send_weights(s, i, 0, err);
}

/* ---- processes ---- */

static rlt_status spawn(rlt_workers_source *s, int i, rlt_err *err) {
    rlt_remote_worker *w = &s->workers[i];
    char worker[32], epoch[32], segments_fd[32], weights_fd[32], asking_fd[32];
    w->epoch++;
    w->joined = false;
    w->delivered = s->index;
    snprintf(worker, sizeof(worker), "%d", i);
    snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)w->epoch);
    snprintf(segments_fd, sizeof(segments_fd), "%d", rlt_workers_use_shm(s) ? w->shm.fd : -1);
    snprintf(weights_fd, sizeof(weights_fd), "%d", rlt_workers_use_shm(s) ? s->weights_shm.fd : -1);
    snprintf(asking_fd, sizeof(asking_fd), "%d", s->acting != NULL ? s->asking_shm.fd : -1);
    if (s->acting != NULL) {
        rlt_asking_forget(&s->asking, i);
    }
    char *argv[] = {NULL,
                    "worker",
                    "--endpoint",
                    (char *)rlt_channel_endpoint(s->channel),
                    "--worker",
                    worker,
                    "--epoch",
                    epoch,
                    "--segments-fd",
                    segments_fd,
                    "--weights-fd",
                    weights_fd,
                    "--asking-fd",
                    asking_fd,
                    NULL};
    int fds[] = {w->shm.fd, s->weights_shm.fd, s->asking_shm.fd};
    int fd_count = !rlt_workers_use_shm(s) ? 0 : s->acting != NULL ? 3 : 2;
    char keys[RLT_CREDENTIALS_SIZE];
    rlt_keys_format(rlt_channel_keys(s->channel), keys);
    return rlt_job_start(&w->job, argv, fds, fd_count, RLT_KEYS_ENV, keys, err);
}

rlt_status rlt_workers_start(rlt_workers_source *s, rlt_err *err) {
    s->started = true;
    for (int i = 0; i < s->base.parts; i++) {
        RLT_TRY(spawn(s, i, err));
    }
    return RLT_OK;
}

/* ---- messages from workers ---- */

static rlt_status worker_failed(int i, const rlt_msg *msg, rlt_err *err) {
    uint64_t code;
    char message[512];
    RLT_TRY(rlt_msg_get_u64(msg, "status", &code, err));
    RLT_TRY(rlt_msg_get_str(msg, "message", message, sizeof(message), err));
    return rlt_fail(err, code > RLT_OK && code <= RLT_ESTALE ? (rlt_status)code : RLT_EPROTO,
                    "worker %d: %s", i, message);
}

/* Where a delivered segment lies, checked. */
static rlt_status take_segment(rlt_workers_source *s, int i, const rlt_packet *packet,
                               rlt_err *err) {
    rlt_remote_worker *w = &s->workers[i];
    uint64_t index, slot;
    RLT_TRY(rlt_msg_get_u64(packet->msg, "index", &index, err));
    RLT_TRY(rlt_msg_get_u64(packet->msg, "slot", &slot, err));
    if (index != w->delivered || index >= s->index + s->slot_count) {
        return rlt_fail(err, RLT_EPROTO, "worker %d sent segment %llu, %llu was due", i,
                        (unsigned long long)index, (unsigned long long)w->delivered);
    }
    size_t size = packet->blob_size;
    void *block;
    if (rlt_workers_use_shm(s)) {
        RLT_TRY(rlt_ring_take(&w->ring, (uint32_t)slot, w->epoch, &size, err));
        w->slots[index % RLT_WORKER_SLOTS_MAX] = (uint32_t)slot;
        block = rlt_ring_slot(&w->ring, (uint32_t)slot);
    } else {
        block = w->frames[index % s->slot_count];
        memcpy(block, packet->blob, size < s->segment_size ? size : s->segment_size);
    }
    rlt_segment segment;
    rlt_segment_bind(&s->base.batch, block, &segment);
    RLT_TRY(rlt_segment_check(&s->base.batch, &segment, size, (uint32_t)i, index, s->actions, err));
    if (segment.header->weights_version == 0 || segment.header->weights_version > s->version) {
        return rlt_fail(err, RLT_EPROTO, "worker %d acted with unknown weights", i);
    }
    w->delivered++;
    w->restarts = 0;
    return RLT_OK;
}

static int worker_of(const rlt_workers_source *s, const rlt_packet *packet) {
    for (int i = 0; i < s->base.parts; i++) {
        char name[RLT_PEER_NAME_MAX + 1];
        peer_name(s, i, name);
        if (strcmp(name, packet->peer) == 0 && packet->msg->epoch == s->workers[i].epoch) {
            return i;
        }
    }
    return -1; /* an earlier incarnation's last words */
}

static rlt_status handle(rlt_workers_source *s, const rlt_packet *packet, rlt_err *err) {
    int i = worker_of(s, packet);
    if (i < 0) {
        return RLT_OK;
    }
    switch (packet->msg->type) {
    case RLT_MSG_HELLO:
        return s->workers[i].joined ? RLT_OK : send_task(s, i, err);
    case RLT_MSG_SEGMENT:
        return take_segment(s, i, packet, err);
    case RLT_MSG_FAILED:
        return worker_failed(i, packet->msg, err);
    default:
        return RLT_OK;
    }
}

rlt_status rlt_workers_drain(rlt_workers_source *s, rlt_err *err) {
    for (;;) {
        rlt_packet packet;
        rlt_status status = rlt_channel_recv(s->channel, &packet, 0, err);
        if (status == RLT_ETIMEOUT || status == RLT_EINTERRUPTED) {
            return RLT_OK;
        }
        if (status == RLT_EPROTO) {
            rlt_log(RLT_LOG_WARN, "learner.bad_packet", "%s", err->message);
            continue;
        }
        RLT_TRY(status);
        RLT_TRY(handle(s, &packet, err));
    }
}

/* The end of a process may be seen before its last message: a cause must not be lost to that. */
static rlt_status hear_last_words(rlt_workers_source *s, rlt_err *err) {
    rlt_poll_item item = {.channel = s->channel};
    double deadline = rlt_clock_s() + LAST_WORDS_MS * 1e-3;
    for (double left = deadline - rlt_clock_s(); left > 0; left = deadline - rlt_clock_s()) {
        int ready;
        rlt_status status = rlt_channel_poll(&item, 1, 1 + (int)(left * 1e3), &ready, err);
        if (status != RLT_EINTERRUPTED) {
            RLT_TRY(status);
        }
        RLT_TRY(rlt_workers_drain(s, err));
    }
    return RLT_OK;
}

/* Takes the place of a dead worker: its undelivered and unconsumed segments are collected again,
 * by the same policy from the same state. */
static rlt_status restart(rlt_workers_source *s, int i, rlt_err *err) {
    rlt_remote_worker *w = &s->workers[i];
    char how[64];
    if (rlt_job_reap(&w->job, how, sizeof(how))) {
        RLT_TRY(hear_last_words(s, err));
    }
    if (++w->restarts > RESTARTS_MAX) {
        return rlt_fail(err, RLT_EPEER, "worker %d died %d times in a row, last by %s", i,
                        w->restarts, how);
    }
    rlt_log(RLT_LOG_WARN, "learner.worker_restarted", "worker %d died by %s; restart %d of %d", i,
            how, w->restarts, RESTARTS_MAX);
    if (rlt_workers_use_shm(s)) {
        rlt_ring_reclaim(&w->ring);
    }
    return spawn(s, i, err);
}

/* One look at the channel and the processes; the deaths come after the last words. */
rlt_status rlt_workers_attend(rlt_workers_source *s, int timeout_ms, rlt_err *err) {
    rlt_poll_item items[RLT_POLL_ITEMS_MAX] = {{.channel = s->channel}};
    int ready = 0;
    for (int i = 0; i < s->base.parts; i++) {
        items[1 + i] = (rlt_poll_item){.fd = s->workers[i].job.pidfd};
    }
    rlt_status status = rlt_channel_poll(items, 1 + s->base.parts, timeout_ms, &ready, err);
    if (status != RLT_EINTERRUPTED) {
        RLT_TRY(status);
    }
    RLT_TRY(rlt_workers_drain(s, err));
    for (int i = 0; i < s->base.parts; i++) {
        if (items[1 + i].ready) {
            RLT_TRY(restart(s, i, err));
        }
    }
    return RLT_OK;
}
