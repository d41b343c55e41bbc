/* learner: all that training goes on from, as named tensors: the network's layers (so that other
 * tools read them), optimiser, normalisers, return window, counters, environments.
 * Thread: the trainer's. Owner: nothing is kept. */
#include "learner/algorithm.h"

#include <stdio.h>
#include <string.h>

/* Changes whenever a tensor's meaning does. */
static const char checkpoint_format[] = "rltune-1";
enum { TENSORS_MAX = RLT_POLICY_TENSORS_MAX + 1100 /* a part of the source each */ };

typedef struct tensor_list {
    rlt_tensor tensors[TENSORS_MAX];
    int count;
} tensor_list;

static void add(tensor_list *list, const char *name, rlt_dtype dtype, int64_t rows, int64_t columns,
                const void *data) {
    RLT_ASSERT(list->count < TENSORS_MAX);
    rlt_tensor *t = &list->tensors[list->count++];
    *t = (rlt_tensor){
        .dtype = dtype, .rank = columns > 0 ? 2 : 1, .shape = {rows, columns}, .data = data};
    snprintf(t->name, sizeof(t->name), "%s", name);
}

static void add_policy(tensor_list *list, const rlt_policy_spec *spec,
                       const rlt_weights_view *view) {
    rlt_policy_tensor *tensors = rlt_alloc(sizeof(*tensors) * RLT_POLICY_TENSORS_MAX);
    int count = rlt_policy_tensors(spec, tensors);
    for (int i = 0; i < count; i++) {
        const rlt_policy_tensor *from = &tensors[i];
        add(list, from->name, RLT_DTYPE_F32, 0, 0, view->params + from->offset);
        rlt_tensor *t = &list->tensors[list->count - 1];
        t->rank = from->rank;
        memcpy(t->shape, from->shape, sizeof(from->shape));
    }
    rlt_free(tensors);
    add(list, "observation.mean", RLT_DTYPE_F32, spec->obs_dim, 0, view->mean);
    add(list, "observation.inv_std", RLT_DTYPE_F32, spec->obs_dim, 0, view->inv_std);
}

static void add_shaped(void *list, const char *name, int rank, const int64_t *shape, float *data) {
    add(list, name, RLT_DTYPE_F32, 0, 0, data);
    rlt_tensor *t = &((tensor_list *)list)->tensors[((tensor_list *)list)->count - 1];
    t->rank = rank;
    memcpy(t->shape, shape, sizeof(t->shape));
}

/* What else belongs to the weights: optimiser and running statistics. */
static void add_learned(tensor_list *list, rlt_trainer *t) {
    size_t moments = 0;
    float *state = t->algorithm->state(t, &moments);
    if (t->algorithm->tensors != NULL) {
        t->algorithm->tensors(t, add_shaped, list);
    }
    add(list, "optimiser.state", RLT_DTYPE_F32, (int64_t)moments, 0, state);
    add(list, "optimiser.step", RLT_DTYPE_I64, 1, 0, t->algorithm->step(t));
    add(list, "observation.count", RLT_DTYPE_F64, 1, 0, &t->obs_stats.count);
    add(list, "observation.running_mean", RLT_DTYPE_F64, t->spec.obs_dim, 0, t->obs_stats.mean);
    add(list, "observation.running_var", RLT_DTYPE_F64, t->spec.obs_dim, 0, t->obs_stats.var);
    add(list, "return.count", RLT_DTYPE_F64, 1, 0, &t->rewards.running.count);
    add(list, "return.running_mean", RLT_DTYPE_F64, 1, 0, t->rewards.running.mean);
    add(list, "return.running_var", RLT_DTYPE_F64, 1, 0, t->rewards.running.var);
}

/* Where the trial itself is. */
static void add_progress(tensor_list *list, rlt_trainer *t) {
    add(list, "return.discounted", RLT_DTYPE_F32, t->envs, 0, t->rewards.discounted);
    add(list, "episode.returns", RLT_DTYPE_F64, RLT_RETURN_WINDOW, 0, t->window);
    add(list, "episode.lengths", RLT_DTYPE_F64, RLT_RETURN_WINDOW, 0, t->window_length);
    add(list, "train.version", RLT_DTYPE_U64, 1, 0, &t->version);
    add(list, "train.stats", RLT_DTYPE_U8, sizeof(t->stats), 0, &t->stats);
}

static void add_source(tensor_list *list, rlt_source *source) {
    for (int p = 0; source != NULL && p < source->parts; p++) {
        char name[64];
        size_t size = 0;
        void *state = source->ops->state(source, p, &size);
        snprintf(name, sizeof(name), "environments.%d", p);
        add(list, name, RLT_DTYPE_U8, (int64_t)size, 0, state);
    }
}

static tensor_list *list_all(rlt_trainer *t, rlt_source *source) {
    tensor_list *list = rlt_alloc(sizeof(*list));
    add_policy(list, &t->spec, &t->view);
    add_learned(list, t);
    add_progress(list, t);
    add_source(list, source);
    return list;
}

rlt_status rlt_train_save(const rlt_trainer *trainer, rlt_source *source, const char *path,
                          const char *config_json, char sha256[RLT_SHA256_HEX], int64_t *size,
                          rlt_err *err) {
    rlt_trainer *t = (rlt_trainer *)trainer; /* the list serves loading too; nothing is written */
    tensor_list *list = list_all(t, source);
    char steps[32];
    snprintf(steps, sizeof(steps), "%lld", (long long)t->stats.steps);
    const char *const metadata[][2] = {
        {"format", "rltune-1"}, {"env", t->def->name}, {"steps", steps}, {"config", config_json}};
    rlt_status status = rlt_checkpoint_write(path, list->tensors, list->count, metadata,
                                             RLT_COUNT(metadata), sha256, size, err);
    rlt_free(list);
    return status;
}

/* Copies each named tensor of the file over the memory that the list points to. */
static rlt_status copy_in(const rlt_checkpoint *checkpoint, const tensor_list *list, rlt_err *err) {
    for (int i = 0; i < list->count; i++) {
        const rlt_tensor *t = &list->tensors[i];
        size_t elements = 1;
        for (int d = 0; d < t->rank; d++) {
            elements *= (size_t)t->shape[d];
        }
        const void *data = NULL;
        RLT_TRY(rlt_checkpoint_get(checkpoint, t->name, t->dtype, elements, &data, err));
        memcpy((void *)t->data, data, rlt_tensor_bytes(t));
    }
    return RLT_OK;
}

rlt_status rlt_train_check_format(const rlt_checkpoint *checkpoint, const char *path,
                                  rlt_err *err) {
    const char *format = rlt_checkpoint_metadata(checkpoint, "format");
    if (format == NULL || strcmp(format, checkpoint_format) != 0) {
        return rlt_fail(err, RLT_ENOTSUP, "%s: written as '%s'; this rltune reads '%s'", path,
                        format != NULL ? format : "no rltune checkpoint", checkpoint_format);
    }
    return RLT_OK;
}

static rlt_status load_list(const tensor_list *list, const char *path, const char *sha256,
                            rlt_err *err) {
    rlt_checkpoint checkpoint = {0};
    RLT_TRY(rlt_checkpoint_read(path, sha256, &checkpoint, err));
    rlt_status status = rlt_train_check_format(&checkpoint, path, err);
    if (status == RLT_OK) {
        status = copy_in(&checkpoint, list, err);
    }
    rlt_checkpoint_fini(&checkpoint);
    return status;
}

rlt_status rlt_train_load(rlt_trainer *t, rlt_source *source, const rlt_train_origin *origin,
                          rlt_err *err) {
    tensor_list *list = list_all(t, source);
    rlt_status status = load_list(list, origin->path, origin->sha256, err);
    if (status == RLT_OK && origin->weights != NULL && origin->weights[0] != 0) {
        list->count = 0;
        add_policy(list, &t->spec, &t->view);
        add_learned(list, t);
        status = load_list(list, origin->weights, origin->weights_sha256, err);
    }
    rlt_free(list);
    RLT_TRY(status);
    if (t->version != (uint64_t)t->stats.iteration + 1 || t->stats.episodes < 0 ||
        t->stats.steps != t->stats.iteration * t->rows) {
        return rlt_fail(err, RLT_ECORRUPT, "%s: its counters contradict each other", origin->path);
    }
    return source != NULL ? source->ops->restore(source, (uint64_t)t->stats.iteration, err)
                          : RLT_OK;
}

rlt_status rlt_policy_load(const rlt_checkpoint *checkpoint, const rlt_policy_spec *spec,
                           float **block, rlt_err *err) {
    float *made = rlt_alloc(sizeof(float) * rlt_weights_floats(spec));
    rlt_weights_view view = rlt_weights_bind(spec, made);
    tensor_list *list = rlt_alloc(sizeof(*list));
    add_policy(list, spec, &view);
    rlt_status status = copy_in(checkpoint, list, err);
    rlt_free(list);
    if (status != RLT_OK) {
        rlt_free(made);
        return status;
    }
    *block = made;
    return RLT_OK;
}
