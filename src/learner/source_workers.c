/* learner: experience from worker processes. Each has a ring of shared slots (or sends frames) and
 * gets the weights by a shared block (or as frames); ZeroMQ carries the descriptors.
 * Thread: the learner's. Owner: whoever created the source. */
#include "learner/workers_impl.h"

#include <string.h>

enum { POLL_MS = 200 };

static rlt_status publish(rlt_source *source, const rlt_weights_view *weights, uint64_t version,
                          rlt_err *err) {
    rlt_workers_source *s = (rlt_workers_source *)source;
    s->block = weights->params; /* params, mean and 1/std lie in one block */
    s->view = *weights;
    if (version == s->version) {
        return RLT_OK; /* after a restore */
    }
    s->version = version;
    if (rlt_workers_use_shm(s)) {
        rlt_weights_publish(&s->weights, s->block, version);
    }
    for (int i = 0; i < source->parts; i++) {
        if (s->workers[i].joined) {
            RLT_TRY(rlt_workers_send_weights(s, i, s->credit, err));
        }
    }
    s->credit = 0;
    return RLT_OK;
}

static bool all_delivered(const rlt_workers_source *s) {
    for (int i = 0; i < s->base.parts; i++) {
        if (s->workers[i].delivered <= s->index) {
            return false;
        }
    }
    return true;
}

static void *block_of(const rlt_workers_source *s, int i) {
    const rlt_remote_worker *w = &s->workers[i];
    return rlt_workers_use_shm(s)
               ? rlt_ring_slot(&w->ring, w->slots[s->index % RLT_WORKER_SLOTS_MAX])
               : w->frames[s->index % s->slot_count];
}

static void *slot_of(void *user, int worker, uint32_t slot) {
    rlt_workers_source *s = user;
    return slot < s->slot_count ? rlt_ring_slot(&s->workers[worker].ring, slot) : NULL;
}

/* Messages and questions: whoever asks is answered at once; the channel and the processes are
 * looked at when nobody asks any more, or all have waited for a while. */
static rlt_status act_and_attend(rlt_workers_source *s, rlt_err *err) {
    enum { ROUNDS = 64, WAIT_MS = 20 };
    for (int round = 0; round < ROUNDS; round++) {
        unsigned bell = rlt_asking_bell(&s->asking);
        int answered = 0;
        RLT_TRY(rlt_acting_answer(s->acting, &s->view, s->version, &answered, err));
        if (answered == 0) {
            RLT_TRY(rlt_workers_drain(s, err));
            if (all_delivered(s)) {
                return RLT_OK;
            }
            rlt_asking_wait(&s->asking, bell, WAIT_MS);
        }
    }
    return rlt_workers_attend(s, 0, err);
}

static rlt_status collect(rlt_source *source, uint64_t index, const rlt_segment **segments,
                          rlt_err *err) {
    rlt_workers_source *s = (rlt_workers_source *)source;
    RLT_ASSERT(index == s->index);
    if (!s->started) {
        RLT_TRY(rlt_workers_start(s, err));
    }
    double deadline = rlt_clock_s() + s->o->config->silence_s;
    while (!all_delivered(s)) {
        RLT_TRY(s->acting != NULL ? act_and_attend(s, err) : rlt_workers_attend(s, POLL_MS, err));
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
    rlt_workers_source *s = (rlt_workers_source *)source;
    for (int i = 0; i < source->parts; i++) {
        rlt_remote_worker *w = &s->workers[i];
        rlt_segment_keep_state(&s->base.batch, &s->segments[i], w->state);
        if (rlt_workers_use_shm(s)) {
            RLT_TRY(rlt_ring_release(&w->ring, w->slots[s->index % RLT_WORKER_SLOTS_MAX], err));
        }
    }
    s->index++;
    s->credit += s->segment_size;
    return RLT_OK;
}

static void *state(rlt_source *source, int part, size_t *size) {
    rlt_workers_source *s = (rlt_workers_source *)source;
    *size = s->state_size;
    return s->workers[part].state;
}

static rlt_status restore(rlt_source *source, uint64_t index, rlt_err *err) {
    rlt_workers_source *s = (rlt_workers_source *)source;
    if (s->started) {
        return rlt_fail(err, RLT_EINVAL, "workers can go on only before they are started");
    }
    s->index = index;
    return RLT_OK;
}

/* Workers get STOP and a moment; whoever is left then is killed. */
static void stop_workers(rlt_workers_source *s) {
    rlt_err ignored;
    if (s->acting != NULL) {
        rlt_asking_close(&s->asking);
    }
    for (int i = 0; i < s->base.parts; i++) {
        if (rlt_job_is_running(&s->workers[i].job) && s->workers[i].joined) {
            rlt_msg_begin(&s->writer, RLT_MSG_STOP, s->workers[i].epoch, 0);
            rlt_workers_send(s, i, NULL, 0, &ignored);
        }
    }
    double deadline = rlt_clock_s() + 2;
    for (int i = 0; i < s->base.parts; i++) {
        int left_ms = (int)((deadline - rlt_clock_s()) * 1000);
        rlt_job_end(&s->workers[i].job, s->workers[i].joined ? left_ms : 0);
    }
}

static void destroy(rlt_source *source) {
    rlt_workers_source *s = (rlt_workers_source *)source;
    if (s->channel != NULL) {
        stop_workers(s);
    }
    rlt_channel_destroy(s->channel);
    for (int i = 0; i < source->parts; i++) {
        rlt_shm_fini(&s->workers[i].shm);
        rlt_free(s->workers[i].state);
        for (uint32_t k = 0; k < RLT_WORKER_SLOTS_MAX; k++) {
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
static rlt_status measure(rlt_workers_source *s, rlt_err *err) {
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

static rlt_status make_worker(rlt_workers_source *s, rlt_remote_worker *w, rlt_err *err) {
    w->state = rlt_alloc(s->state_size);
    if (!rlt_workers_use_shm(s)) {
        for (uint32_t k = 0; k < s->slot_count; k++) {
            w->frames[k] = rlt_alloc(s->segment_size);
        }
        return RLT_OK;
    }
    size_t size = rlt_ring_size(s->slot_count, s->segment_size);
    RLT_TRY(rlt_shm_create(&w->shm, "rltune-segments", size, err));
    return rlt_ring_init(&w->ring, w->shm.data, size, s->slot_count, s->segment_size, err);
}

static rlt_status make_weights(rlt_workers_source *s, rlt_err *err) {
    if (!rlt_workers_use_shm(s)) {
        return RLT_OK;
    }
    size_t size = rlt_weights_size(s->block_size);
    RLT_TRY(rlt_shm_create(&s->weights_shm, "rltune-weights", size, err));
    return rlt_weights_init(&s->weights, s->weights_shm.data, size, s->block_size, err);
}

static rlt_status make_acting(rlt_workers_source *s, rlt_err *err) {
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

static rlt_status set_up(rlt_workers_source *s, rlt_err *err) {
    RLT_TRY(measure(s, err));
    for (int i = 0; i < s->base.parts; i++) {
        RLT_TRY(make_worker(s, &s->workers[i], err));
    }
    RLT_TRY(make_weights(s, err));
    RLT_TRY(make_acting(s, err));
    rlt_channel_options options = {
        .endpoint = rlt_workers_use_shm(s) ? NULL : "tcp://127.0.0.1:*",
        .part_size_max = (int64_t)s->segment_size + (1 << 20),
    };
    return rlt_channel_bind(&s->channel, &options, err);
}

rlt_status rlt_source_workers(const rlt_workers_options *options, rlt_source **source,
                              rlt_err *err) {
    rlt_workers_source *s = rlt_alloc(sizeof(*s));
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
