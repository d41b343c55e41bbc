/* learner: experience from rollouts in this process, one task of the pool each (workers = 0).
 * Thread: the trainer's. Owner: whoever created the source. */
#include "learner/learner.h"

#include <string.h>

enum { LOCAL_PARTS_MAX = 8 /* as rlt_local_parts */ };

typedef struct local_part {
    rlt_rollout *rollout;
    void *block;
    unsigned char *state; /* [env state][last observation row] */
    rlt_status status;
    rlt_err err;
} local_part;

typedef struct local_source {
    rlt_source base;
    rlt_pool *pool;
    size_t state_size;
    local_part parts[LOCAL_PARTS_MAX];
    rlt_segment segments[LOCAL_PARTS_MAX];
    rlt_weights_view weights;
    uint64_t version, index;
} local_source;

static rlt_status publish(rlt_source *source, const rlt_weights_view *weights, uint64_t version,
                          rlt_err *err) {
    (void)err;
    local_source *local = (local_source *)source;
    local->weights = *weights;
    local->version = version;
    return RLT_OK;
}

static void collect_part(void *user, int i) {
    local_source *local = user;
    local_part *part = &local->parts[i];
    part->status = rlt_rollout_collect(part->rollout, &local->weights, (uint32_t)i, local->index,
                                       local->version, &local->segments[i], &part->err);
}

static rlt_status collect(rlt_source *source, uint64_t index, const rlt_segment **segments,
                          rlt_err *err) {
    local_source *local = (local_source *)source;
    local->index = index;
    rlt_pool_run(local->pool, source->parts, collect_part, local);
    for (int i = 0; i < source->parts; i++) {
        if (local->parts[i].status != RLT_OK) {
            return rlt_fail(err, local->parts[i].status, "%s", local->parts[i].err.message);
        }
    }
    *segments = local->segments;
    return RLT_OK;
}

static rlt_status release(rlt_source *source, rlt_err *err) {
    (void)err;
    local_source *local = (local_source *)source;
    for (int i = 0; i < source->parts; i++) {
        rlt_segment_keep_state(&local->base.batch, &local->segments[i], local->parts[i].state);
    }
    return RLT_OK;
}

static void *state(rlt_source *source, int part, size_t *size) {
    local_source *local = (local_source *)source;
    *size = local->state_size;
    return local->parts[part].state;
}

static rlt_status restore(rlt_source *source, uint64_t index, rlt_err *err) {
    local_source *local = (local_source *)source;
    if (index == 0) {
        return RLT_OK; /* nothing was collected yet: the environments are as they were reset */
    }
    for (int i = 0; i < source->parts; i++) {
        RLT_TRY(rlt_rollout_restore(local->parts[i].rollout, local->parts[i].state, err));
    }
    return RLT_OK;
}

static void destroy(rlt_source *source) {
    local_source *local = (local_source *)source;
    for (int i = 0; i < source->parts; i++) {
        rlt_rollout_destroy(&local->parts[i].rollout);
        rlt_free(local->parts[i].block);
        rlt_free(local->parts[i].state);
    }
    rlt_free(local);
}

static const rlt_source_ops local_ops = {
    .publish = publish,
    .collect = collect,
    .release = release,
    .state = state,
    .restore = restore,
    .destroy = destroy,
};

rlt_status rlt_source_local(const rlt_run_config *config, const rlt_env_def *def, int first_env,
                            int envs, rlt_pool *pool, rlt_source **source, rlt_err *err) {
    local_source *local = rlt_alloc(sizeof(*local));
    int parts = rlt_local_parts(envs);
    local->base = (rlt_source){.ops = &local_ops, .parts = parts};
    local->pool = pool;
    for (int i = 0; i < parts; i++) {
        local_part *part = &local->parts[i];
        rlt_status status =
            rlt_rollout_create(config, def, envs / parts,
                               (uint32_t)(first_env + i * (envs / parts)), &part->rollout, err);
        if (status != RLT_OK) {
            destroy(&local->base);
            return status;
        }
        local->base.batch = *rlt_rollout_batch_spec(part->rollout);
        local->state_size = rlt_segment_state_size(&local->base.batch);
        part->block = rlt_alloc(rlt_segment_size(&local->base.batch));
        part->state = rlt_alloc(local->state_size);
        rlt_segment_bind(&local->base.batch, part->block, &local->segments[i]);
    }
    *source = &local->base;
    return RLT_OK;
}
