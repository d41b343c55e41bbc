/* learner: the experience of several learners. Each collects its own parts; then all have all, in
 * the order of ranks, as one learner would have collected them. The first learner says at each
 * iteration whether there is one more.
 * Thread: the learner's. Owner: whoever created the source. */
#include "learner/team.h"

#include <string.h>

typedef struct call { /* what the members agree on before an iteration */
    uint64_t index, ends;
} call;

typedef struct group_source {
    rlt_source base;
    rlt_source *own; /* owned */
    rlt_group *group;
    rlt_batch_actions actions;
    size_t segment_size, state_size;
    unsigned char *blocks; /* [own parts][learners][segment_size] */
    unsigned char *states; /* [parts][state_size] */
    rlt_segment *segments; /* [parts] */
} group_source;

static rlt_status publish(rlt_source *source, const rlt_weights_view *weights, uint64_t version,
                          rlt_err *err) {
    group_source *s = (group_source *)source;
    return s->own->ops->publish(s->own, weights, version, err);
}

static rlt_status agree(group_source *s, call mine, rlt_err *err) {
    call all[RLT_GROUP_MAX];
    RLT_TRY(rlt_group_all_gather(s->group, &mine, all, sizeof(mine), err));
    if (all[0].ends != 0) {
        return rlt_fail(err, RLT_EINTERRUPTED, "the first learner has ended");
    }
    for (int r = 0; r < s->group->count; r++) {
        if (all[r].index != mine.index) {
            return rlt_fail(err, RLT_EPROTO, "learner %d is at iteration %llu, this one at %llu", r,
                            (unsigned long long)all[r].index, (unsigned long long)mine.index);
        }
    }
    return RLT_OK;
}

/* Part p of every learner; foreign ones are checked like a worker's. */
static rlt_status exchange(group_source *s, int p, const rlt_segment *own, uint64_t index,
                           rlt_err *err) {
    int count = s->group->count;
    unsigned char *blocks = s->blocks + (size_t)(p * count) * s->segment_size;
    RLT_TRY(rlt_group_all_gather(s->group, own->header, blocks, s->segment_size, err));
    for (int r = 0; r < count; r++) {
        rlt_segment *segment = &s->segments[r * s->own->parts + p];
        RLT_TRY(rlt_segment_check(&s->base.batch, segment, s->segment_size, (uint32_t)p, index,
                                  s->actions, err));
    }
    return RLT_OK;
}

static rlt_status collect(rlt_source *source, uint64_t index, const rlt_segment **segments,
                          rlt_err *err) {
    group_source *s = (group_source *)source;
    const rlt_segment *own = NULL;
    RLT_TRY(agree(s, (call){.index = index}, err));
    RLT_TRY(s->own->ops->collect(s->own, index, &own, err));
    for (int p = 0; p < s->own->parts; p++) {
        RLT_TRY(exchange(s, p, &own[p], index, err));
    }
    *segments = s->segments;
    return RLT_OK;
}

static rlt_status release(rlt_source *source, rlt_err *err) {
    group_source *s = (group_source *)source;
    for (int i = 0; i < source->parts; i++) {
        rlt_segment_keep_state(&source->batch, &s->segments[i],
                               s->states + (size_t)i * s->state_size);
    }
    return s->own->ops->release(s->own, err);
}

static void *state(rlt_source *source, int part, size_t *size) {
    group_source *s = (group_source *)source;
    *size = s->state_size;
    return s->states + (size_t)part * s->state_size;
}

static rlt_status restore(rlt_source *source, uint64_t index, rlt_err *err) {
    group_source *s = (group_source *)source;
    for (int p = 0; p < s->own->parts; p++) {
        size_t size;
        void *to = s->own->ops->state(s->own, p, &size);
        RLT_ASSERT(size == s->state_size);
        memcpy(to, s->states + (size_t)(s->group->rank * s->own->parts + p) * size, size);
    }
    return s->own->ops->restore(s->own, index, err);
}

static void destroy(rlt_source *source) {
    group_source *s = (group_source *)source;
    s->own->ops->destroy(s->own);
    rlt_free(s->blocks);
    rlt_free(s->states);
    rlt_free(s->segments);
    rlt_free(s);
}

static const rlt_source_ops group_ops = {
    .publish = publish,
    .collect = collect,
    .release = release,
    .state = state,
    .restore = restore,
    .destroy = destroy,
};

rlt_source *rlt_source_group(rlt_source *own, rlt_group *group, rlt_batch_actions actions) {
    group_source *s = rlt_alloc(sizeof(*s));
    int parts = own->parts * group->count;
    s->base = (rlt_source){.ops = &group_ops, .parts = parts, .batch = own->batch};
    s->own = own;
    s->group = group;
    s->actions = actions;
    s->segment_size = rlt_segment_size(&own->batch);
    s->state_size = rlt_segment_state_size(&own->batch);
    s->blocks = rlt_alloc((size_t)parts * s->segment_size);
    s->states = rlt_alloc((size_t)parts * s->state_size);
    s->segments = rlt_alloc(sizeof(*s->segments) * (size_t)parts);
    for (int r = 0; r < group->count; r++) {
        for (int p = 0; p < own->parts; p++) {
            rlt_segment_bind(&own->batch,
                             s->blocks + (size_t)(p * group->count + r) * s->segment_size,
                             &s->segments[r * own->parts + p]);
        }
    }
    return &s->base;
}

rlt_status rlt_source_group_end(rlt_source *source, rlt_err *err) {
    rlt_status status = agree((group_source *)source, (call){.ends = 1}, err);
    return status == RLT_EINTERRUPTED ? RLT_OK : status;
}
