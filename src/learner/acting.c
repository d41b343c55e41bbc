/* learner: acts for its workers: all questions that are there are answered together, on the CPU by
 * the code that a worker would use, to the same bits, or on a device in one batch.
 * Thread: the learner's. Owner: the source of the workers. */
#include "learner/acting.h"

#include <string.h>

struct rlt_acting {
    rlt_acting_options o;
    rlt_policy_spec spec;
    rlt_policy_workspace *ws; /* NULL: on a device */
    float *input, *head;      /* [rows][...]; rows: of all workers */
    /* on a device */
    rlt_device *device;
    rlt_net *net;
    rlt_head policy;
    uint64_t version; /* of the parameters there */
    void *buffers[10];
    int buffer_count;
    float *params, *obs, *state, *state_out, *log_prob;
    uint8_t *mask;
    void *action;
    uint64_t *step;
    int *counts;
};

typedef struct asked { /* the questions that are answered together */
    int count;
    int worker[RLT_WORKERS_MAX];
    rlt_question question[RLT_WORKERS_MAX];
    rlt_segment segment[RLT_WORKERS_MAX];
} asked;

static rlt_status take(rlt_acting *a, size_t bytes, void **memory, rlt_err *err) {
    RLT_ASSERT((size_t)a->buffer_count < RLT_COUNT(a->buffers));
    RLT_TRY(a->device->backend->alloc(a->device, bytes > 0 ? bytes : 1, memory, err));
    a->buffers[a->buffer_count++] = *memory;
    return RLT_OK;
}

static rlt_status make_head(rlt_acting *a, rlt_err *err) {
    const rlt_policy_spec *spec = &a->spec;
    a->policy = rlt_policy_head(spec);
    if (spec->component_count > 0) {
        size_t bytes = sizeof(int) * (size_t)spec->component_count;
        RLT_TRY(take(a, bytes, (void **)&a->counts, err));
        a->device->backend->upload(a->device, a->counts, spec->components, bytes);
        a->policy.counts = a->counts;
    }
    return RLT_OK;
}

static rlt_status open_device(rlt_acting *a, rlt_err *err) {
    size_t rows = (size_t)a->o.workers * (size_t)a->o.batch.envs;
    size_t obs = sizeof(float) * rows * (size_t)a->o.batch.obs_width;
    size_t memory = sizeof(float) * rows * (size_t)a->o.batch.memory_width;
    rlt_program program;
    RLT_TRY(rlt_device_open(a->o.device, RLT_PRECISION_FP32, &a->device, err));
    RLT_TRY(rlt_policy_program(&a->spec, &program, err));
    RLT_TRY(rlt_net_create(a->device, &program, 1, (int)rows, false, &a->net, err));
    RLT_TRY(take(a, sizeof(float) * rlt_policy_param_count(&a->spec), (void **)&a->params, err));
    RLT_TRY(take(a, obs, (void **)&a->obs, err));
    RLT_TRY(take(a, memory, (void **)&a->state, err));
    RLT_TRY(take(a, memory, (void **)&a->state_out, err));
    RLT_TRY(take(a, sizeof(float) * rows, (void **)&a->log_prob, err));
    RLT_TRY(take(a, rows * (size_t)a->o.batch.mask_width, (void **)&a->mask, err));
    RLT_TRY(take(a, rows * a->o.batch.action_bytes, &a->action, err));
    RLT_TRY(take(a, sizeof(uint64_t) * RLT_WORKERS_MAX, (void **)&a->step, err));
    return make_head(a, err);
}

rlt_status rlt_acting_create(const rlt_acting_options *options, const rlt_env_def *def,
                             rlt_acting **acting, rlt_err *err) {
    rlt_acting *a = rlt_alloc(sizeof(*a));
    a->o = *options;
    rlt_status status = rlt_policy_spec_make(options->config, def, &a->spec, err);
    size_t rows = (size_t)options->workers * (size_t)options->batch.envs;
    a->input = rlt_alloc(sizeof(float) * rows * (size_t)options->batch.obs_width);
    a->head = rlt_alloc(sizeof(float) * rows * (size_t)a->spec.action_dim);
    if (status == RLT_OK && options->device == NULL) {
        a->ws = rlt_policy_workspace_create(&a->spec);
    } else if (status == RLT_OK) {
        status = open_device(a, err);
    }
    if (status != RLT_OK) {
        rlt_acting_destroy(&a);
        return status;
    }
    *acting = a;
    return RLT_OK;
}

void rlt_acting_destroy(rlt_acting **acting) {
    rlt_acting *a = *acting;
    if (a == NULL) {
        return;
    }
    rlt_net_destroy(&a->net);
    for (int i = 0; i < a->buffer_count; i++) {
        a->device->backend->free(a->device, a->buffers[i]);
    }
    rlt_device_close(&a->device);
    rlt_policy_workspace_destroy(&a->ws);
    rlt_free(a->input);
    rlt_free(a->head);
    rlt_free(a);
    *acting = NULL;
}

static uint32_t first_env(const rlt_acting *a, int worker) {
    return (uint32_t)(a->o.first_env + worker * a->o.batch.envs);
}

static uint64_t step_of(const rlt_acting *a, const rlt_question *q) {
    return q->index * (uint64_t)a->o.batch.horizon + q->step;
}

static const uint8_t *mask_row(const rlt_acting *a, const rlt_segment *s, size_t row) {
    return a->o.batch.mask_width > 0 ? s->mask + row * (size_t)a->o.batch.mask_width : NULL;
}

static const float *normalised(rlt_acting *a, const rlt_weights_view *w, const float *obs,
                               float *to) {
    const rlt_run_config *c = a->o.config;
    if (!c->normalise.observation) {
        return obs;
    }
    rlt_observation_normalise(obs, a->o.batch.envs, a->o.batch.obs_width, w->mean, w->inv_std,
                              (float)c->normalise.clip, to);
    return to;
}

/* One worker's rows, as it would have computed them. */
static void answer_on_cpu(rlt_acting *a, const rlt_weights_view *w, const asked *all, int i) {
    const rlt_batch_spec *batch = &a->o.batch;
    const rlt_segment *s = &all->segment[i];
    const rlt_question *q = &all->question[i];
    size_t row = (size_t)q->step * (size_t)batch->envs;
    const float *obs = s->obs + row * (size_t)batch->obs_width;
    rlt_policy_step(a->ws, w->params, normalised(a, w, obs, a->input), batch->envs, NULL,
                    rlt_asking_memory(a->o.asking, all->worker[i]), a->head, s->value + row);
    rlt_policy_sample(&a->spec, w->params, a->head, mask_row(a, s, row), batch->envs,
                      (uint64_t)a->o.config->seed, first_env(a, all->worker[i]), step_of(a, q),
                      s->action + row * batch->action_bytes, s->log_prob + row);
}

static void upload_questions(rlt_acting *a, const rlt_weights_view *w, const asked *all) {
    const rlt_backend *backend = a->device->backend;
    size_t n = (size_t)a->o.batch.envs, width = (size_t)a->o.batch.obs_width;
    size_t memory = (size_t)a->o.batch.memory_width, masks = (size_t)a->o.batch.mask_width;
    uint64_t steps[RLT_WORKERS_MAX];
    for (int i = 0; i < all->count; i++) {
        size_t row = (size_t)all->question[i].step * n, at = (size_t)i * n;
        const float *obs = normalised(a, w, all->segment[i].obs + row * width, a->input);
        backend->upload(a->device, a->obs + at * width, obs, sizeof(float) * n * width);
        if (memory > 0) {
            backend->upload(a->device, a->state + at * memory,
                            rlt_asking_memory(a->o.asking, all->worker[i]),
                            sizeof(float) * n * memory);
        }
        if (masks > 0) {
            backend->upload(a->device, a->mask + at * masks, all->segment[i].mask + row * masks,
                            n * masks);
        }
        steps[i] = step_of(a, &all->question[i]);
    }
    backend->upload(a->device, a->step, steps, sizeof(uint64_t) * (size_t)all->count);
}

static void draw(rlt_acting *a, const asked *all) {
    const rlt_backend *backend = a->device->backend;
    size_t n = (size_t)a->o.batch.envs, dim = (size_t)a->spec.action_dim;
    for (int i = 0; i < all->count; i++) {
        size_t at = (size_t)i * n;
        rlt_sample_args args = {
            .policy = a->policy,
            .n = (int)n,
            .head = rlt_net_head(a->net) + at * dim,
            .log_std = a->spec.discrete ? NULL : a->params + rlt_policy_param_count(&a->spec) - dim,
            .mask = a->o.batch.mask_width > 0 ? a->mask + at * (size_t)a->o.batch.mask_width : NULL,
            .seed = (uint64_t)a->o.config->seed,
            .step = a->step + i,
            .first_env = first_env(a, all->worker[i]),
            .action = (unsigned char *)a->action + at * a->o.batch.action_bytes,
            .log_prob = a->log_prob + at,
        };
        backend->sample(a->device, &args);
    }
}

static void download_answers(rlt_acting *a, const asked *all) {
    const rlt_backend *backend = a->device->backend;
    size_t n = (size_t)a->o.batch.envs, memory = (size_t)a->o.batch.memory_width;
    size_t bytes = a->o.batch.action_bytes;
    for (int i = 0; i < all->count; i++) {
        const rlt_segment *s = &all->segment[i];
        size_t row = (size_t)all->question[i].step * n, at = (size_t)i * n;
        backend->download(a->device, s->action + row * bytes,
                          (unsigned char *)a->action + at * bytes, n * bytes);
        backend->download(a->device, s->log_prob + row, a->log_prob + at, sizeof(float) * n);
        backend->download(a->device, s->value + row, rlt_net_value(a->net) + at, sizeof(float) * n);
        if (memory > 0) {
            backend->download(a->device, rlt_asking_memory(a->o.asking, all->worker[i]),
                              a->state_out + at * memory, sizeof(float) * n * memory);
        }
    }
}

static rlt_status answer_on_device(rlt_acting *a, const rlt_weights_view *w, uint64_t version,
                                   const asked *all, rlt_err *err) {
    const rlt_backend *backend = a->device->backend;
    if (a->version != version) {
        backend->upload(a->device, a->params, w->params,
                        sizeof(float) * rlt_policy_param_count(&a->spec));
        a->version = version;
    }
    upload_questions(a, w, all);
    bool memory = a->o.batch.memory_width > 0;
    rlt_net_in in = {.steps = 1,
                     .seqs = all->count * a->o.batch.envs,
                     .params = a->params,
                     .obs = a->obs,
                     .state = memory ? a->state : NULL,
                     .state_out = memory ? a->state_out : NULL};
    rlt_net_forward(a->net, &in);
    draw(a, all);
    download_answers(a, all);
    return backend->sync(a->device, err);
}

/* A worker's memory is not trusted: a question for a slot or step that is not there is refused. */
static rlt_status find(rlt_acting *a, asked *all, rlt_err *err) {
    for (int worker = 0; worker < a->o.workers; worker++) {
        rlt_question q;
        if (!rlt_asked(a->o.asking, worker, &q)) {
            continue;
        }
        void *block = a->o.slot(a->o.user, worker, q.slot);
        if (block == NULL || q.step >= (uint32_t)a->o.batch.horizon) {
            return rlt_fail(err, RLT_EPROTO, "worker %d asks for step %u of slot %u", worker,
                            q.step, q.slot);
        }
        int i = all->count++;
        all->worker[i] = worker;
        all->question[i] = q;
        rlt_segment_bind(&a->o.batch, block, &all->segment[i]);
    }
    return RLT_OK;
}

rlt_status rlt_acting_answer(rlt_acting *a, const rlt_weights_view *weights, uint64_t version,
                             int *answered, rlt_err *err) {
    asked all;
    all.count = 0;
    RLT_TRY(find(a, &all, err));
    if (a->ws != NULL) {
        for (int i = 0; i < all.count; i++) {
            answer_on_cpu(a, weights, &all, i);
        }
    } else if (all.count > 0) {
        RLT_TRY(answer_on_device(a, weights, version, &all, err));
    }
    for (int i = 0; i < all.count; i++) {
        rlt_answer(a->o.asking, all.worker[i]);
    }
    *answered = all.count;
    return RLT_OK;
}
