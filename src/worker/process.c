/* worker: the process. It connects to its learner, gets its task, then fills one segment after the
 * other as the weights that it may act with arrive. Thread: main. Owner: nothing outlives run. */
#include "transport/transport.h"
#include "worker/worker_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TASK_TIMEOUT_MS = 30000,
    SILENCE_MAX_MS = 600000, /* a learner that says nothing for so long is lost */
    LAST_WORDS_MS = 2000
};

typedef struct worker_process {
    const rlt_worker_args *args;
    rlt_channel *channel;
    rlt_msg_writer writer;
    rlt_run_config config;
    rlt_env_source env;
    rlt_rollout *rollout;
    rlt_batch_spec batch;
    size_t segment_size;
    uint64_t index;    /* of the segment that is due */
    uint64_t version;  /* of the weights at hand; 0: none */
    float *block;      /* the weights */
    size_t block_size; /* bytes */
    rlt_weights_view view;
    rlt_credit credit;
    rlt_shm segments_shm, weights_shm, asking_shm;
    rlt_asking asking;     /* shared NULL: this worker's own policy acts */
    rlt_question question; /* of the segment in progress */
    rlt_ring ring;
    rlt_weights weights;
    void *frame; /* tcp: the one segment */
    bool stop;
} worker_process;

static bool uses_shm(const worker_process *p) {
    return p->args->segments_fd >= 0;
}

static rlt_status load_config(worker_process *p, const rlt_msg *msg, rlt_err *err) {
    char *config = NULL, *script = NULL, name[256];
    rlt_status status;
    RLT_TRY_GOTO(rlt_msg_copy_str(msg, "config", &config, err), done);
    RLT_TRY_GOTO(rlt_msg_copy_str(msg, "script", &script, err), done);
    RLT_TRY_GOTO(rlt_msg_get_str(msg, "script_name", name, sizeof(name), err), done);
    RLT_TRY_GOTO(rlt_run_config_parse(config, &p->config, err), done);
    status = rlt_env_source_open(&p->config, script, name, p->args->envs, &p->env, err);
done:
    rlt_free(config);
    rlt_free(script);
    return status;
}

static rlt_status attach_memory(worker_process *p, const rlt_msg *msg, rlt_err *err) {
    uint64_t slots, segments_size, weights_size;
    RLT_TRY(rlt_msg_get_u64(msg, "slots", &slots, err));
    RLT_TRY(rlt_msg_get_u64(msg, "segments_size", &segments_size, err));
    RLT_TRY(rlt_msg_get_u64(msg, "weights_size", &weights_size, err));
    RLT_TRY(rlt_shm_attach(&p->segments_shm, p->args->segments_fd, segments_size, err));
    RLT_TRY(rlt_ring_attach(&p->ring, p->segments_shm.data, segments_size, (uint32_t)slots,
                            p->segment_size, err));
    RLT_TRY(rlt_shm_attach(&p->weights_shm, p->args->weights_fd, weights_size, err));
    return rlt_weights_attach(&p->weights, p->weights_shm.data, weights_size, p->block_size, err);
}

static rlt_status ask(void *user, int step, rlt_err *err) {
    worker_process *p = user;
    p->question.step = (uint32_t)step;
    return rlt_ask(&p->asking, (int)p->args->worker, p->question, p->config.silence_s, err);
}

static rlt_status attach_asking(worker_process *p, const rlt_msg *msg, rlt_err *err) {
    uint64_t size, workers;
    RLT_TRY(rlt_msg_get_u64(msg, "asking_size", &size, err));
    RLT_TRY(rlt_msg_get_u64(msg, "workers", &workers, err));
    int envs = p->batch.envs, memory = p->batch.memory_width;
    if (workers > 1024 || p->args->worker >= workers ||
        size != rlt_asking_size((int)workers, envs, memory)) {
        return rlt_fail(err, RLT_EPROTO, "%llu bytes to ask in, of %llu workers",
                        (unsigned long long)size, (unsigned long long)workers);
    }
    RLT_TRY(rlt_shm_attach(&p->asking_shm, p->args->asking_fd, size, err));
    rlt_asking_bind(p->asking_shm.data, (int)workers, envs, memory, &p->asking);
    rlt_rollout_act_by(p->rollout,
                       (rlt_actor){ask, p, rlt_asking_memory(&p->asking, (int)p->args->worker)});
    return RLT_OK;
}

/* Environments, memory and the place to start from, as the TASK says. */
static rlt_status set_up(worker_process *p, const rlt_packet *packet, rlt_err *err) {
    uint64_t first_env, envs;
    RLT_TRY(load_config(p, packet->msg, err));
    RLT_TRY(rlt_msg_get_u64(packet->msg, "first_env", &first_env, err));
    RLT_TRY(rlt_msg_get_u64(packet->msg, "envs", &envs, err));
    RLT_TRY(rlt_msg_get_u64(packet->msg, "index", &p->index, err));
    RLT_TRY(rlt_msg_get_u64(packet->msg, "credit", &p->credit.limit, err));
    if (envs < 1 || envs > 1 << 20 || first_env > 1 << 28) {
        return rlt_fail(err, RLT_EPROTO, "the task asks for %llu environments from %llu",
                        (unsigned long long)envs, (unsigned long long)first_env);
    }
    RLT_TRY(rlt_rollout_create(&p->config, p->env.def, (int)envs, (uint32_t)first_env, &p->rollout,
                               err));
    p->batch = *rlt_rollout_batch_spec(p->rollout);
    p->segment_size = rlt_segment_size(&p->batch);
    rlt_policy_spec spec;
    RLT_TRY(rlt_policy_spec_make(&p->config, p->env.def, &spec, err));
    p->block_size = sizeof(float) * rlt_weights_floats(&spec);
    p->block = rlt_alloc(p->block_size);
    p->view = rlt_weights_bind(&spec, p->block);
    if (uses_shm(p)) {
        RLT_TRY(attach_memory(p, packet->msg, err));
    } else {
        p->frame = rlt_alloc(p->segment_size);
    }
    if (p->args->asking_fd >= 0) {
        RLT_TRY(attach_asking(p, packet->msg, err));
    }
    if (p->index == 0) {
        return RLT_OK;
    }
    if (packet->blob_size != rlt_segment_state_size(&p->batch)) {
        return rlt_fail(err, RLT_EPROTO, "the state to go on from has %zu bytes, expected %zu",
                        packet->blob_size, rlt_segment_state_size(&p->batch));
    }
    return rlt_rollout_restore(p->rollout, packet->blob, err);
}

static rlt_status take_weights(worker_process *p, const rlt_packet *packet, rlt_err *err) {
    uint64_t version, credit;
    RLT_TRY(rlt_msg_get_u64(packet->msg, "version", &version, err));
    RLT_TRY(rlt_msg_get_u64(packet->msg, "credit", &credit, err));
    RLT_TRY(rlt_credit_give(&p->credit, credit, err));
    if (!uses_shm(p)) {
        if (packet->blob_size != p->block_size) {
            return rlt_fail(err, RLT_EPROTO, "weights of %zu bytes came, expected %zu",
                            packet->blob_size, p->block_size);
        }
        memcpy(p->block, packet->blob, p->block_size);
        p->version = version;
        return RLT_OK;
    }
    rlt_status status = rlt_weights_read(&p->weights, p->block, &p->version);
    return status == RLT_OK
               ? RLT_OK
               : rlt_fail(err, status, "could not read weights version %llu from shared memory",
                          (unsigned long long)version);
}

static rlt_status handle(worker_process *p, const rlt_packet *packet, rlt_err *err) {
    if (packet->msg->epoch != p->args->epoch) {
        return RLT_OK; /* meant for another incarnation */
    }
    switch (packet->msg->type) {
    case RLT_MSG_WEIGHTS:
        return take_weights(p, packet, err);
    case RLT_MSG_STOP:
        p->stop = true;
        return RLT_OK;
    default:
        return RLT_OK;
    }
}

static rlt_status receive(worker_process *p, rlt_packet *packet, int timeout_ms, rlt_err *err) {
    rlt_status status;
    do {
        status = rlt_channel_recv(p->channel, packet, timeout_ms, err);
    } while (status == RLT_EINTERRUPTED);
    return status == RLT_ETIMEOUT
               ? rlt_fail(err, RLT_ETIMEOUT, "the learner was silent for %d s", timeout_ms / 1000)
               : status;
}

/* Weights that are new enough, credit, and (shm) a free slot. */
static bool may_collect(worker_process *p) {
    uint64_t lag = (uint64_t)p->config.staleness_max;
    return p->version > 0 && p->version + lag >= p->index + 1 &&
           p->credit.limit - p->credit.used >= p->segment_size &&
           (!uses_shm(p) || rlt_ring_find_free(&p->ring) >= 0);
}

static rlt_status send_segment(worker_process *p, int slot, rlt_err *err) {
    rlt_msg_begin(&p->writer, RLT_MSG_SEGMENT, p->args->epoch, p->index);
    rlt_msg_put_u64(&p->writer, "index", p->index);
    rlt_msg_put_u64(&p->writer, "slot", (uint64_t)(slot < 0 ? 0 : slot));
    RLT_TRY(rlt_msg_end(&p->writer, err));
    if (slot >= 0) {
        RLT_TRY(rlt_ring_publish(&p->ring, (uint32_t)slot, p->args->epoch, p->segment_size, err));
    }
    return rlt_channel_send(p->channel, NULL, &p->writer, slot < 0 ? p->frame : NULL,
                            slot < 0 ? p->segment_size : 0, TASK_TIMEOUT_MS, err);
}

static rlt_status collect(worker_process *p, rlt_err *err) {
    int slot = uses_shm(p) ? rlt_ring_find_free(&p->ring) : -1;
    void *block = slot >= 0 ? rlt_ring_slot(&p->ring, (uint32_t)slot) : p->frame;
    rlt_segment segment;
    rlt_segment_bind(&p->batch, block, &segment);
    p->question = (rlt_question){.index = p->index, .slot = (uint32_t)(slot < 0 ? 0 : slot)};
    RLT_TRY(rlt_rollout_collect(p->rollout, &p->view, p->args->worker, p->index, p->version,
                                &segment, err));
    RLT_ASSERT(rlt_credit_take(&p->credit, p->segment_size)); /* may_collect saw it */
    RLT_TRY(send_segment(p, slot, err));
    if (p->asking.shared != NULL) {
        rlt_asking_ring(&p->asking);
    }
    p->index++;
    return RLT_OK;
}

static rlt_status act(worker_process *p, rlt_err *err) {
    rlt_packet packet;
    while (!p->stop) {
        bool ready = may_collect(p);
        rlt_status status = ready ? rlt_channel_recv(p->channel, &packet, 0, err)
                                  : receive(p, &packet, SILENCE_MAX_MS, err);
        if (status == RLT_OK) {
            RLT_TRY(handle(p, &packet, err));
        } else if (!ready) {
            return status;
        } else {
            RLT_TRY(collect(p, err));
        }
    }
    return RLT_OK;
}

static rlt_status join(worker_process *p, rlt_err *err) {
    rlt_keys keys;
    RLT_TRY(rlt_keys_from_env(&keys, err));
    char name[RLT_PEER_NAME_MAX + 1];
    snprintf(name, sizeof(name), "w%u-%llu", p->args->worker, (unsigned long long)p->args->epoch);
    rlt_channel_options options = {.endpoint = p->args->endpoint,
                                   .name = name,
                                   .keys = &keys,
                                   .part_size_max = (int64_t)1 << 32};
    rlt_status status = rlt_channel_connect(&p->channel, &options, err);
    rlt_keys_wipe(&keys);
    RLT_TRY(status);
    rlt_msg_begin(&p->writer, RLT_MSG_HELLO, p->args->epoch, 0);
    rlt_msg_put_u64(&p->writer, "worker", p->args->worker);
    RLT_TRY(rlt_msg_end(&p->writer, err));
    RLT_TRY(rlt_channel_send(p->channel, NULL, &p->writer, NULL, 0, TASK_TIMEOUT_MS, err));
    rlt_packet packet;
    RLT_TRY(receive(p, &packet, TASK_TIMEOUT_MS, err));
    if (packet.msg->type != RLT_MSG_TASK || packet.msg->epoch != p->args->epoch) {
        return rlt_fail(err, RLT_EPROTO, "a %s message came where the task was due",
                        rlt_msg_type_name(packet.msg->type));
    }
    return set_up(p, &packet, err);
}

static void say_failed(worker_process *p, const rlt_err *why) {
    rlt_err ignored;
    rlt_msg_begin(&p->writer, RLT_MSG_FAILED, p->args->epoch, p->index);
    rlt_msg_put_u64(&p->writer, "status", why->code);
    rlt_msg_put_str(&p->writer, "message", why->message);
    if (rlt_msg_end(&p->writer, &ignored) == RLT_OK) {
        rlt_channel_send(p->channel, NULL, &p->writer, NULL, 0, 1000, &ignored);
    }
}

rlt_status rlt_worker_run(const rlt_worker_args *args, rlt_err *err) {
    worker_process p = {.args = args};
    rlt_status status = join(&p, err);
    if (status == RLT_OK) {
        status = act(&p, err);
        status = status == RLT_EINTERRUPTED ? RLT_OK : status; /* the learner has ended */
    }
    if (status != RLT_OK && p.channel != NULL) {
        say_failed(&p, err);
    }
    rlt_channel_close(p.channel, status == RLT_OK ? 0 : LAST_WORDS_MS);
    rlt_msg_writer_fini(&p.writer);
    rlt_rollout_destroy(&p.rollout);
    rlt_env_source_close(&p.env);
    rlt_free(p.block);
    rlt_free(p.frame);
    rlt_shm_fini(&p.segments_shm);
    rlt_shm_fini(&p.weights_shm);
    rlt_shm_fini(&p.asking_shm);
    return status;
}
