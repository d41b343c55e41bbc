/* learner: the process of a learner that another one started. It trains in step with it and says
 * nothing to the driver. It dies with its parent, so that its waits need no deadline of their own.
 * Thread: main. Owner: nothing outlives run. */
#include "learner/team.h"

#include <stdio.h>
#include <string.h>

enum { TASK_TIMEOUT_MS = 30000, SEND_TIMEOUT_MS = 30000, LAST_WORDS_MS = 2000 };

typedef struct peer_process {
    const rlt_learner_args *args;
    rlt_channel *channel;
    rlt_msg_writer writer;
    char *config_json, *script;
    char script_name[256], checkpoint[600], sha256[RLT_SHA256_HEX];
    char inherit[600], inherit_sha256[RLT_SHA256_HEX];
    char weights[600], weights_sha256[RLT_SHA256_HEX];
    int count;
    size_t piece;
    rlt_run_config config;
    rlt_env_source env;
    rlt_shm shm;
    rlt_group *group;
    rlt_learning learning;
} peer_process;

static bool is_ring(const peer_process *p) {
    return p->args->group_fd < 0;
}

static rlt_status no_idle(void *user, rlt_err *err) {
    (void)user;
    (void)err;
    return RLT_OK;
}

/* The ring's server must be known before the task comes; how many members there are is in it, and
 * RLT_GROUP_MAX stands for it until then. */
static rlt_status say_hello(peer_process *p, rlt_err *err) {
    rlt_msg_begin(&p->writer, RLT_MSG_HELLO, 0, 0);
    if (is_ring(p)) {
        rlt_group_address address;
        RLT_TRY(rlt_group_ring_listen(p->args->rank, RLT_GROUP_MAX, (size_t)1 << 20,
                                      "tcp://127.0.0.1:*", (rlt_group_idle){0}, &p->group, &address,
                                      err));
        rlt_msg_put_str(&p->writer, "endpoint", address.endpoint);
        rlt_msg_put_str(&p->writer, "keys", address.keys);
    }
    RLT_TRY(rlt_msg_end(&p->writer, err));
    return rlt_channel_send(p->channel, NULL, &p->writer, NULL, 0, SEND_TIMEOUT_MS, err);
}

static rlt_status read_task(peer_process *p, const rlt_msg *msg, rlt_err *err) {
    uint64_t count, piece;
    RLT_TRY(rlt_msg_copy_str(msg, "config", &p->config_json, err));
    RLT_TRY(rlt_msg_copy_str(msg, "script", &p->script, err));
    RLT_TRY(rlt_msg_get_str(msg, "script_name", p->script_name, sizeof(p->script_name), err));
    RLT_TRY(rlt_msg_get_str(msg, "checkpoint", p->checkpoint, sizeof(p->checkpoint), err));
    RLT_TRY(rlt_msg_get_str(msg, "sha256", p->sha256, sizeof(p->sha256), err));
    RLT_TRY(rlt_msg_get_str(msg, "inherit", p->inherit, sizeof(p->inherit), err));
    RLT_TRY(
        rlt_msg_get_str(msg, "inherit_sha256", p->inherit_sha256, sizeof(p->inherit_sha256), err));
    RLT_TRY(rlt_msg_get_str(msg, "weights", p->weights, sizeof(p->weights), err));
    RLT_TRY(
        rlt_msg_get_str(msg, "weights_sha256", p->weights_sha256, sizeof(p->weights_sha256), err));
    RLT_TRY(rlt_msg_get_u64(msg, "count", &count, err));
    RLT_TRY(rlt_msg_get_u64(msg, "piece", &piece, err));
    if (count <= (uint64_t)p->args->rank || count > RLT_GROUP_MAX || piece != (size_t)1 << 20) {
        return rlt_fail(err, RLT_EPROTO, "the task is for %llu learners in pieces of %llu bytes",
                        (unsigned long long)count, (unsigned long long)piece);
    }
    p->count = (int)count;
    p->piece = (size_t)piece;
    RLT_TRY(rlt_run_config_parse(p->config_json, &p->config, err));
    return rlt_env_source_open(&p->config, p->script, p->script_name, p->args->envs, &p->env, err);
}

static rlt_status join_group(peer_process *p, const rlt_msg *msg, rlt_err *err) {
    if (is_ring(p)) {
        rlt_group_address right;
        RLT_TRY(rlt_msg_get_str(msg, "endpoint", right.endpoint, sizeof(right.endpoint), err));
        RLT_TRY(rlt_msg_get_str(msg, "keys", right.keys, sizeof(right.keys), err));
        p->group->count = p->count;
        return rlt_group_ring_connect(p->group, &right, err);
    }
    size_t size = rlt_group_shm_size(p->count, p->piece);
    RLT_TRY(rlt_shm_attach(&p->shm, p->args->group_fd, size, err));
    return rlt_group_shm(p->shm.data, size, p->args->rank, p->count, p->piece, (rlt_group_idle){0},
                         &p->group, err);
}

static rlt_status join(peer_process *p, rlt_err *err) {
    rlt_keys keys;
    RLT_TRY(rlt_keys_from_env(&keys, err));
    rlt_channel_options options = {
        .endpoint = p->args->endpoint, .name = p->args->name, .keys = &keys};
    rlt_status status = rlt_channel_connect(&p->channel, &options, err);
    rlt_keys_wipe(&keys);
    RLT_TRY(status);
    RLT_TRY(say_hello(p, err));
    rlt_packet packet;
    do {
        status = rlt_channel_recv(p->channel, &packet, TASK_TIMEOUT_MS, err);
    } while (status == RLT_EINTERRUPTED);
    RLT_TRY(status);
    if (packet.msg->type != RLT_MSG_TASK) {
        return rlt_fail(err, RLT_EPROTO, "a %s message came where the task was due",
                        rlt_msg_type_name(packet.msg->type));
    }
    RLT_TRY(read_task(p, packet.msg, err));
    return join_group(p, packet.msg, err);
}

static rlt_status train(peer_process *p, rlt_err *err) {
    rlt_learning_options options = {.config = &p->config,
                                    .def = p->env.def,
                                    .config_json = p->config_json,
                                    .script = p->script,
                                    .script_name = p->script_name,
                                    .idle = no_idle,
                                    .group = p->group};
    RLT_TRY(rlt_learning_open(&options, &p->learning, err));
    if (p->checkpoint[0] != '\0') {
        const rlt_train_origin origin = {p->checkpoint, p->sha256, p->weights, p->weights_sha256};
        RLT_TRY(rlt_train_load(p->learning.trainer, p->learning.source, &origin, err));
    } else if (p->inherit[0] != '\0') {
        size_t copied;
        RLT_TRY(
            rlt_train_inherit(p->learning.trainer, p->inherit, p->inherit_sha256, &copied, err));
    }
    rlt_train_stats stats;
    rlt_status status;
    do {
        status = rlt_learning_iterate(&p->learning, &stats, err);
    } while (status == RLT_OK);
    return status == RLT_EINTERRUPTED ? RLT_OK : status;
}

static void say_failed(peer_process *p, const rlt_err *why) {
    rlt_err ignored;
    rlt_msg_begin(&p->writer, RLT_MSG_FAILED, 0, 0);
    rlt_msg_put_u64(&p->writer, "status", why->code);
    rlt_msg_put_str(&p->writer, "message", why->message);
    if (rlt_msg_end(&p->writer, &ignored) == RLT_OK) {
        rlt_channel_send(p->channel, NULL, &p->writer, NULL, 0, LAST_WORDS_MS, &ignored);
    }
}

rlt_status rlt_learner_peer_run(const rlt_learner_args *args, rlt_err *err) {
    peer_process *p = rlt_alloc(sizeof(*p));
    p->args = args;
    rlt_status status = join(p, err);
    if (status == RLT_OK) {
        status = train(p, err);
    }
    if (status != RLT_OK && p->channel != NULL) {
        say_failed(p, err);
    }
    rlt_learning_close(&p->learning);
    rlt_group_destroy(&p->group);
    rlt_shm_fini(&p->shm);
    rlt_env_source_close(&p->env);
    rlt_channel_close(p->channel, status == RLT_OK ? 0 : LAST_WORDS_MS);
    rlt_msg_writer_fini(&p->writer);
    rlt_free(p->config_json);
    rlt_free(p->script);
    rlt_free(p);
    return status;
}
