/* learner: experience from worker processes. Each has a ring of shared slots (or sends frames) and
 * gets the weights by a shared block (or as frames); ZeroMQ carries the descriptors. A worker that
 * dies is started again from the state after its last consumed segment, so that nothing is lost
 * or counted twice. Thread: the learner's. Owner: whoever created the source. */
#include "learner/acting.h"
#include "scheduler/scheduler.h"
#include "transport/transport.h"

#include <stdio.h>
#include <string.h>

enum {
    POLL_MS = 200,
    RESTARTS_MAX = 5,    /* of one worker without a segment in between */
    LAST_WORDS_MS = 500, /* what a process sent before it ended may take so long to come */
    SLOTS_MAX = 16
};

typedef struct remote_worker {
    rlt_job job;
    uint64_t epoch; /* of the incarnation */
    int restarts;
    bool joined; /* it has its task */
    rlt_shm shm;
    rlt_ring ring;
    uint64_t delivered;        /* segments that came, in order */
    uint32_t slots[SLOTS_MAX]; /* shm: slot of segment i at i % SLOTS_MAX */
    void *frames[SLOTS_MAX];   /* tcp: copies */
    unsigned char *state;      /* [env state][last observation row] */
} remote_worker;

typedef struct workers_source {
    rlt_source base;
    const rlt_workers_options *o;
    rlt_channel *channel;
    rlt_msg_writer writer;
    size_t segment_size, state_size, block_size;
    rlt_batch_actions actions;
    uint32_t slot_count;
    remote_worker *workers;
    rlt_segment *segments;
    rlt_shm weights_shm, asking_shm;
    rlt_weights weights;
    rlt_asking asking;
    rlt_acting *acting; /* NULL: workers act by themselves */
    rlt_weights_view view;
    const float *block; /* the newest weights, borrowed */
    uint64_t version;
    uint64_t index;  /* of the segments that are due */
    uint64_t credit; /* bytes to give back with the next weights */
    bool started;
} workers_source;

static bool uses_shm(const workers_source *s) {
    return s->o->config->transport == RLT_TRANSPORT_SHM;
}

static void peer_name(const workers_source *s, int i, char name[RLT_PEER_NAME_MAX + 1]) {
    snprintf(name, RLT_PEER_NAME_MAX + 1, "w%d-%llu", i, (unsigned long long)s->workers[i].epoch);
}

/* ---- messages to a worker ---- */

static rlt_status send(workers_source *s, int i, const void *blob, size_t size, rlt_err *err) {
    char peer[RLT_PEER_NAME_MAX + 1];
    peer_name(s, i, peer);
    RLT_TRY(rlt_msg_end(&s->writer, err));
    rlt_status status = rlt_channel_send(s->channel, peer, &s->writer, blob, size, 5000, err);
    /* a peer that is gone shows as a dead process at the next poll */
    return status == RLT_EPEER || status == RLT_ETIMEOUT ? RLT_OK : status;
}

static rlt_status send_weights(workers_source *s, int i, uint64_t credit, rlt_err *err) {
    rlt_msg_begin(&s->writer, RLT_MSG_WEIGHTS, s->workers[i].epoch, s->version);
    rlt_msg_put_u64(&s->writer, "version", s->version);
    rlt_msg_put_u64(&s->writer, "credit", credit);
    return send(s, i, uses_shm(s) ? NULL : s->block, uses_shm(s) ? 0 : s->block_size, err);
}

static rlt_status send_task(workers_source *s, int i, rlt_err *err) {
    remote_worker *w = &s->workers[i];
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
    RLT_TRY(send(s, i, s->index > 0 ? w->state : NULL, s->index > 0 ? s->state_size : 0, err));
    w->joined = true;
    return send_weights(s, i, 0, err);
}

/* ---- processes ---- */

static rlt_status spawn(workers_source *s, int i, rlt_err *err) {
    remote_worker *w = &s->workers[i];
    char worker[32], epoch[32], segments_fd[32], weights_fd[32], asking_fd[32];
    w->epoch++;
    w->joined = false;
    w->delivered = s->index;
    snprintf(worker, sizeof(worker), "%d", i);
    snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)w->epoch);
    snprintf(segments_fd, sizeof(segments_fd), "%d", uses_shm(s) ? w->shm.fd : -1);
    snprintf(weights_fd, sizeof(weights_fd), "%d", uses_shm(s) ? s->weights_shm.fd : -1);
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
    int fd_count = !uses_shm(s) ? 0 : s->acting != NULL ? 3 : 2;
    char keys[RLT_CREDENTIALS_SIZE];
    rlt_keys_format(rlt_channel_keys(s->channel), keys);
    return rlt_job_start(&w->job, argv, fds, fd_count, RLT_KEYS_ENV, keys, err);
}

static rlt_status start(workers_source *s, rlt_err *err) {
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
static rlt_status take_segment(workers_source *s, int i, const rlt_packet *packet, rlt_err *err) {
    remote_worker *w = &s->workers[i];
    uint64_t index, slot;
    RLT_TRY(rlt_msg_get_u64(packet->msg, "index", &index, err));
    RLT_TRY(rlt_msg_get_u64(packet->msg, "slot", &slot, err));
    if (index != w->delivered || index >= s->index + s->slot_count) {
        return rlt_fail(err, RLT_EPROTO, "worker %d sent segment %llu, %llu was due", i,
                        (unsigned long long)index, (unsigned long long)w->delivered);
    }
    size_t size = packet->blob_size;
    void *block;
    if (uses_shm(s)) {
        RLT_TRY(rlt_ring_take(&w->ring, (uint32_t)slot, w->epoch, &size, err));
        w->slots[index % SLOTS_MAX] = (uint32_t)slot;
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

static int worker_of(const workers_source *s, const rlt_packet *packet) {
    for (int i = 0; i < s->base.parts; i++) {
        char name[RLT_PEER_NAME_MAX + 1];
        peer_name(s, i, name);
        if (strcmp(name, packet->peer) == 0 && packet->msg->epoch == s->workers[i].epoch) {
            return i;
        }
    }
    return -1; /* an earlier incarnation's last words */
}

static rlt_status handle(workers_source *s, const rlt_packet *packet, rlt_err *err) {
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

static rlt_status drain(workers_source *s, rlt_err *err) {
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
static rlt_status hear_last_words(workers_source *s, rlt_err *err) {
    rlt_poll_item item = {.channel = s->channel};
    double deadline = rlt_clock_s() + LAST_WORDS_MS * 1e-3;
    for (double left = deadline - rlt_clock_s(); left > 0; left = deadline - rlt_clock_s()) {
        int ready;
        rlt_status status = rlt_channel_poll(&item, 1, 1 + (int)(left * 1e3), &ready, err);
        if (status != RLT_EINTERRUPTED) {
            RLT_TRY(status);
        }
        RLT_TRY(drain(s, err));
    }
    return RLT_OK;
}

/* Takes the place of a dead worker: its undelivered and unconsumed segments are collected again,
 * by the same policy from the same state. */
static rlt_status restart(workers_source *s, int i, rlt_err *err) {
    remote_worker *w = &s->workers[i];
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
    if (uses_shm(s)) {
        rlt_ring_reclaim(&w->ring);
    }
    return spawn(s, i, err);
}

/* One look at the channel and the processes; the deaths come after the last words. */
static rlt_status attend(workers_source *s, int timeout_ms, rlt_err *err) {
    rlt_poll_item items[RLT_POLL_ITEMS_MAX] = {{.channel = s->channel}};
    int ready = 0;
    for (int i = 0; i < s->base.parts; i++) {
        items[1 + i] = (rlt_poll_item){.fd = s->workers[i].job.pidfd};
    }
    rlt_status status = rlt_channel_poll(items, 1 + s->base.parts, timeout_ms, &ready, err);
    if (status != RLT_EINTERRUPTED) {
        RLT_TRY(status);
    }
    RLT_TRY(drain(s, err));
    for (int i = 0; i < s->base.parts; i++) {
        if (items[1 + i].ready) {
            RLT_TRY(restart(s, i, err));
        }
    }
    return RLT_OK;
}

/* ---- the source ---- */

static rlt_status publish(rlt_source *source, const rlt_weights_view *weights, uint64_t version,
                          rlt_err *err) {
    workers_source *s = (workers_source *)source;
    s->block = weights->params; /* params, mean and 1/std lie in one block */
    s->view = *weights;
    if (version == s->version) {
        return RLT_OK; /* after a restore */
    }
    s->version = version;
    if (uses_shm(s)) {
        rlt_weights_publish(&s->weights, s->block, version);
    }
    for (int i = 0; i < source->parts; i++) {
        if (s->workers[i].joined) {
            RLT_TRY(send_weights(s, i, s->credit, err));
        }
    }
    s->credit = 0;
    return RLT_OK;
}

static bool all_delivered(const workers_source *s) {
    for (int i = 0; i < s->base.parts; i++) {
        if (s->workers[i].delivered <= s->index) {
            return false;
        }
    }
    return true;
}

static void *block_of(const workers_source *s, int i) {
    const remote_worker *w = &s->workers[i];
    return uses_shm(s) ? rlt_ring_slot(&w->ring, w->slots[s->index % SLOTS_MAX])
                       : w->frames[s->index % s->slot_count];
}

static void *slot_of(void *user, int worker, uint32_t slot) {
    workers_source *s = user;
    return slot < s->slot_count ? rlt_ring_slot(&s->workers[worker].ring, slot) : NULL;
}

/* Messages and questions: whoever asks is answered at once; the channel and the processes are
 * looked at when nobody asks any more, or all have waited for a while. */
static rlt_status act_and_attend(workers_source *s, rlt_err *err) {
    enum { ROUNDS = 64, WAIT_MS = 20 };
    for (int round = 0; round < ROUNDS; round++) {
        unsigned bell = rlt_asking_bell(&s->asking);
        int answered = 0;
        RLT_TRY(rlt_acting_answer(s->acting, &s->view, s->version, &answered, err));
        if (answered == 0) {
            RLT_TRY(drain(s, err));
            if (all_delivered(s)) {
                return RLT_OK;
            }
            rlt_asking_wait(&s->asking, bell, WAIT_MS);
        }
    }
    return attend(s, 0, err);
}

static rlt_status collect(rlt_source *source, uint64_t index, const rlt_segment **segments,
                          rlt_err *err) {
    workers_source *s = (workers_source *)source;
    RLT_ASSERT(index == s->index);
    if (!s->started) {
        RLT_TRY(start(s, err));
    }
    double deadline = rlt_clock_s() + s->o->config->silence_s;
    while (!all_delivered(s)) {
        RLT_TRY(s->acting != NULL ? act_and_attend(s, err) : attend(s, POLL_MS, err));
        RLT_TRY(s->o->idle(s->o->idle_user, err));
        if (rlt_clock_s() > deadline) {
            return rlt_fail(err, RLT_ETIMEOUT,
                            "no segment %llu within silence_s = %g s: a worker or its environment "
                            "hangs, or ppo.horizon is too long for it",
                            (unsigned long long)index, s->o->config->silence_s);
        }
    }
    for (int i = 0; i < source->parts; i++) {
        rlt_segment_bind(&s->base.batch, block_of(s, i), &s->segments[i]);
    }
    *segments = s->segments;
    return RLT_OK;
}

static rlt_status release(rlt_source *source, rlt_err *err) {
    workers_source *s = (workers_source *)source;
    for (int i = 0; i < source->parts; i++) {
        remote_worker *w = &s->workers[i];
        rlt_segment_keep_state(&s->base.batch, &s->segments[i], w->state);
        if (uses_shm(s)) {
            RLT_TRY(rlt_ring_release(&w->ring, w->slots[s->index % SLOTS_MAX], err));
        }
    }
    s->index++;
    s->credit += s->segment_size;
    return RLT_OK;
}

static void *state(rlt_source *source, int part, size_t *size) {
    workers_source *s = (workers_source *)source;
    *size = s->state_size;
    return s->workers[part].state;
}

static rlt_status restore(rlt_source *source, uint64_t index, rlt_err *err) {
    workers_source *s = (workers_source *)source;
    if (s->started) {
        return rlt_fail(err, RLT_EINVAL, "workers can go on only before they are started");
    }
    s->index = index;
    return RLT_OK;
}

/* Workers get STOP and a moment; whoever is left then is killed. */
static void stop_workers(workers_source *s) {
    rlt_err ignored;
    if (s->acting != NULL) {
        rlt_asking_close(&s->asking);
    }
    for (int i = 0; i < s->base.parts; i++) {
        if (rlt_job_is_running(&s->workers[i].job) && s->workers[i].joined) {
            rlt_msg_begin(&s->writer, RLT_MSG_STOP, s->workers[i].epoch, 0);
            send(s, i, NULL, 0, &ignored);
        }
    }
    double deadline = rlt_clock_s() + 2;
    for (int i = 0; i < s->base.parts; i++) {
        int left_ms = (int)((deadline - rlt_clock_s()) * 1000);
        rlt_job_end(&s->workers[i].job, s->workers[i].joined ? left_ms : 0);
    }
}

static void destroy(rlt_source *source) {
    workers_source *s = (workers_source *)source;
    if (s->channel != NULL) {
        stop_workers(s);
    }
    rlt_channel_destroy(s->channel);
    for (int i = 0; i < source->parts; i++) {
        rlt_shm_fini(&s->workers[i].shm);
        rlt_free(s->workers[i].state);
        for (uint32_t k = 0; k < SLOTS_MAX; k++) {
            rlt_free(s->workers[i].frames[k]);
        }
    }
    rlt_acting_destroy(&s->acting);
    rlt_shm_fini(&s->weights_shm);
    rlt_shm_fini(&s->asking_shm);
    rlt_msg_writer_fini(&s->writer);
    rlt_free(s->workers);
    rlt_free(s->segments);
    rlt_free(s);
}

static const rlt_source_ops workers_ops = {
    .publish = publish,
    .collect = collect,
    .release = release,
    .state = state,
    .restore = restore,
    .destroy = destroy,
};

/* The shapes come from a rollout like the workers' own. */
static rlt_status measure(workers_source *s, rlt_err *err) {
    const rlt_run_config *c = s->o->config;
    rlt_rollout *probe = NULL;
    rlt_policy_spec spec;
    RLT_TRY(rlt_policy_spec_make(c, s->o->def, &spec, err));
    RLT_TRY(rlt_rollout_create(c, s->o->def, (int)c->envs_per_worker, 0, &probe, err));
    s->base.batch = *rlt_rollout_batch_spec(probe);
    rlt_rollout_destroy(&probe);
    s->segment_size = rlt_segment_size(&s->base.batch);
    s->state_size = rlt_segment_state_size(&s->base.batch);
    s->block_size = sizeof(float) * rlt_weights_floats(&spec);
    s->actions = rlt_env_batch_actions(s->o->def);
    s->slot_count = (uint32_t)c->staleness_max + 2;
    return RLT_OK;
}

static rlt_status make_worker(workers_source *s, remote_worker *w, rlt_err *err) {
    w->state = rlt_alloc(s->state_size);
    if (!uses_shm(s)) {
        for (uint32_t k = 0; k < s->slot_count; k++) {
            w->frames[k] = rlt_alloc(s->segment_size);
        }
        return RLT_OK;
    }
    size_t size = rlt_ring_size(s->slot_count, s->segment_size);
    RLT_TRY(rlt_shm_create(&w->shm, "rltune-segments", size, err));
    return rlt_ring_init(&w->ring, w->shm.data, size, s->slot_count, s->segment_size, err);
}

static rlt_status make_weights(workers_source *s, rlt_err *err) {
    if (!uses_shm(s)) {
        return RLT_OK;
    }
    size_t size = rlt_weights_size(s->block_size);
    RLT_TRY(rlt_shm_create(&s->weights_shm, "rltune-weights", size, err));
    return rlt_weights_init(&s->weights, s->weights_shm.data, size, s->block_size, err);
}

static rlt_status make_acting(workers_source *s, rlt_err *err) {
    const rlt_run_config *c = s->o->config;
    const rlt_batch_spec *batch = &s->base.batch;
    if (c->inference != RLT_INFERENCE_LEARNER) {
        return RLT_OK;
    }
    size_t size = rlt_asking_size(s->base.parts, batch->envs, batch->memory_width);
    RLT_TRY(rlt_shm_create(&s->asking_shm, "rltune-asking", size, err));
    rlt_asking_bind(s->asking_shm.data, s->base.parts, batch->envs, batch->memory_width,
                    &s->asking);
    rlt_acting_options options = {.config = c,
                                  .batch = *batch,
                                  .workers = s->base.parts,
                                  .first_env = s->o->first_env,
                                  .device = s->o->device,
                                  .asking = &s->asking,
                                  .slot = slot_of,
                                  .user = s};
    return rlt_acting_create(&options, s->o->def, &s->acting, err);
}

static rlt_status set_up(workers_source *s, rlt_err *err) {
    RLT_TRY(measure(s, err));
    for (int i = 0; i < s->base.parts; i++) {
        RLT_TRY(make_worker(s, &s->workers[i], err));
    }
    RLT_TRY(make_weights(s, err));
    RLT_TRY(make_acting(s, err));
    rlt_channel_options options = {
        .endpoint = uses_shm(s) ? NULL : "tcp://127.0.0.1:*",
        .part_size_max = (int64_t)s->segment_size + (1 << 20),
    };
    return rlt_channel_bind(&s->channel, &options, err);
}

rlt_status rlt_source_workers(const rlt_workers_options *options, rlt_source **source,
                              rlt_err *err) {
    workers_source *s = rlt_alloc(sizeof(*s));
    int count = options->count;
    s->base = (rlt_source){.ops = &workers_ops, .parts = count};
    s->o = options;
    s->workers = rlt_alloc(sizeof(*s->workers) * (size_t)count);
    s->segments = rlt_alloc(sizeof(*s->segments) * (size_t)count);
    for (int i = 0; i < count; i++) {
        s->workers[i].job.pidfd = -1;
    }
    rlt_status status = set_up(s, err);
    if (status != RLT_OK) {
        destroy(&s->base);
        return status;
    }
    *source = &s->base;
    return RLT_OK;
}
