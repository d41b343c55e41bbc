/* learner: datasets for behaviour cloning, see dataset.h. Thread: the trainer's. */
#include "learner/dataset.h"

#include "checkpoint/checkpoint.h"
#include "learner/learner.h"
#include "worker/demonstration.h"

#include <math.h>
#include <string.h>

static const uint64_t demonstration_seed_offset = 0xbc;

/* ---- episodes, as they come ---- */

typedef struct column {
    unsigned char *data;
    size_t bytes, used, capacity; /* bytes of a row; rows */
} column;

static void put(column *c, const void *row) {
    if (c->used == c->capacity) {
        size_t capacity = 2 * c->capacity + 64;
        unsigned char *more = rlt_alloc(capacity * c->bytes);
        if (c->used > 0) {
            memcpy(more, c->data, c->used * c->bytes);
        }
        rlt_free(c->data);
        c->data = more;
        c->capacity = capacity;
    }
    memcpy(c->data + c->used++ * c->bytes, row, c->bytes);
}

typedef struct episode {
    column obs, action, mask;
} episode;

typedef struct gathered {
    episode *episodes;
    int64_t count, rows;
} gathered;

static void gathered_init(gathered *all, int64_t count, const rlt_dataset *like) {
    *all = (gathered){.episodes = rlt_alloc(sizeof(episode) * (size_t)count), .count = count};
    for (int64_t i = 0; i < count; i++) {
        all->episodes[i] = (episode){.obs = {.bytes = sizeof(float) * (size_t)like->obs_width},
                                     .action = {.bytes = like->action_bytes},
                                     .mask = {.bytes = (size_t)like->mask_width}};
    }
}

static void gathered_fini(gathered *all) {
    for (int64_t i = 0; i < all->count; i++) {
        rlt_free(all->episodes[i].obs.data);
        rlt_free(all->episodes[i].action.data);
        rlt_free(all->episodes[i].mask.data);
    }
    rlt_free(all->episodes);
    *all = (gathered){0};
}

static void add_row(void *user, int env, const float *obs, const void *action,
                    const uint8_t *mask) {
    gathered *all = user;
    episode *e = &all->episodes[env];
    put(&e->obs, obs);
    put(&e->action, action);
    if (mask != NULL) {
        put(&e->mask, mask);
    }
    all->rows++;
}

/* ---- sequences ---- */

static int64_t rows_of(const gathered *all, int64_t first, int64_t end) {
    int64_t rows = 0;
    for (int64_t i = first; i < end; i++) {
        rows += (int64_t)all->episodes[i].obs.used;
    }
    return rows;
}

/* The rows of episodes first .. end - 1, one after the other, into sequences `to` .. to + count -
 * 1; with horizon 1 sequences are rows. */
static void lay_out(rlt_dataset *d, const gathered *all, int64_t first, int64_t end, int64_t to,
                    int64_t count) {
    int64_t sequences = d->train + d->valid, row = 0, limit = count * d->horizon;
    for (int64_t i = first; i < end; i++) {
        const episode *e = &all->episodes[i];
        for (size_t k = 0; k < e->obs.used && row < limit; k++, row++) {
            int64_t sequence = to + row / d->horizon, step = row % d->horizon;
            size_t at = (size_t)(step * sequences + sequence);
            memcpy(d->obs + at * (size_t)d->obs_width, e->obs.data + k * e->obs.bytes,
                   e->obs.bytes);
            memcpy(d->action + at * d->action_bytes, e->action.data + k * d->action_bytes,
                   d->action_bytes);
            d->reset[at] = k == 0;
            if (d->mask != NULL) {
                memcpy(d->mask + at * e->mask.bytes, e->mask.data + k * e->mask.bytes,
                       e->mask.bytes);
            }
        }
    }
}

/* Both parts are cut as a policy with memory needs them, so that all networks of a search are
 * measured on the same rows. */
static rlt_status arrange(rlt_dataset *d, const gathered *all, const rlt_bc_fields *bc, bool memory,
                          rlt_err *err) {
    int64_t valid = (int64_t)ceil(bc->validation * (double)all->count - 1e-9);
    int64_t first = all->count - valid, horizon = bc->horizon;
    int64_t train_rows = rows_of(all, 0, first) / horizon * horizon;
    int64_t valid_rows = rows_of(all, first, all->count) / horizon * horizon;
    if (train_rows == 0 || valid_rows == 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "bc: %lld episodes of %lld rows are too few: of %lld for training and %lld "
                        "for validation (bc.validation = %g) each needs bc.horizon = %lld rows",
                        (long long)all->count, (long long)all->rows, (long long)first,
                        (long long)valid, bc->validation, (long long)horizon);
    }
    d->horizon = memory ? (int)horizon : 1;
    d->train = train_rows / d->horizon;
    d->valid = valid_rows / d->horizon;
    d->episodes = all->count;
    size_t rows = (size_t)(train_rows + valid_rows);
    d->obs = rlt_alloc(sizeof(float) * rows * (size_t)d->obs_width);
    d->action = rlt_alloc(rows * d->action_bytes);
    d->reset = rlt_alloc(rows);
    d->mask = d->mask_width > 0 ? rlt_alloc(rows * (size_t)d->mask_width) : NULL;
    lay_out(d, all, 0, first, 0, d->train);
    lay_out(d, all, first, all->count, d->train, d->valid);
    return RLT_OK;
}

/* ---- an expert ---- */

typedef struct expert {
    rlt_checkpoint checkpoint;
    rlt_run_config config;
    rlt_policy_spec spec;
    float *block;
    rlt_weights_view weights;
} expert;

static void expert_fini(expert *e) {
    rlt_checkpoint_fini(&e->checkpoint);
    rlt_free(e->block);
}

static rlt_status expert_open(const char *path, const rlt_env_def *def, expert *e, rlt_err *err) {
    rlt_err why = {0};
    rlt_status status = rlt_checkpoint_read(path, NULL, &e->checkpoint, &why);
    if (status != RLT_OK) {
        return rlt_fail(err, status, "bc.expert: %.400s", why.message);
    }
    const char *config = rlt_checkpoint_metadata(&e->checkpoint, "config");
    const char *env = rlt_checkpoint_metadata(&e->checkpoint, "env");
    if (config == NULL || env == NULL) {
        return rlt_fail(err, RLT_ECORRUPT, "bc.expert: %s is no checkpoint of rltune", path);
    }
    if (strcmp(env, def->name) != 0) {
        return rlt_fail(err, RLT_ECONFIG, "bc.expert: %s was trained in %s, not in %s", path, env,
                        def->name);
    }
    RLT_TRY(rlt_run_config_parse(config, &e->config, err));
    RLT_TRY(rlt_policy_spec_make(&e->config, def, &e->spec, err));
    RLT_TRY(rlt_policy_load(&e->checkpoint, &e->spec, &e->block, err));
    e->weights = rlt_weights_bind(&e->spec, e->block);
    return RLT_OK;
}

static rlt_status demonstrate(const rlt_run_config *config, const rlt_env_def *def, gathered *all,
                              rlt_dataset *d, rlt_err *err) {
    expert e = {0};
    rlt_evaluation result;
    const rlt_demonstration demonstration = {add_row, all};
    rlt_status status = expert_open(config->bc.expert, def, &e, err);
    if (status == RLT_OK && rlt_policy_action_bytes(&e.spec) != d->action_bytes) {
        status = rlt_fail(err, RLT_ECONFIG, "bc.expert: %s takes other actions", config->bc.expert);
    }
    if (status == RLT_OK && !e.spec.discrete &&
        e.spec.squash != config->model.squash) { /* stored actions would mean something else */
        status = rlt_fail(
            err, RLT_ECONFIG, "model.squash: is %s, but the expert's is %s: both must be the same",
            config->model.squash ? "true" : "false", e.spec.squash ? "true" : "false");
    }
    if (status == RLT_OK) {
        gathered_init(all, config->bc.episodes, d);
        status = rlt_demonstrate(&e.config, def, &e.weights, (int)config->bc.episodes,
                                 (uint64_t)config->bc.seed + demonstration_seed_offset,
                                 &demonstration, &result, err);
        d->expert_return = result.mean;
    }
    expert_fini(&e);
    return status;
}

/* ---- a file ---- */

static const rlt_tensor *find(const rlt_checkpoint *file, const char *name) {
    for (int i = 0; i < file->count; i++) {
        if (strcmp(file->tensors[i].name, name) == 0) {
            return &file->tensors[i];
        }
    }
    return NULL;
}

/* The tensor's data: `rows` rows of `bytes` bytes of that type. */
static rlt_status column_of(const rlt_checkpoint *file, const char *path, const char *name,
                            rlt_dtype dtype, int64_t rows, size_t bytes, const void **data,
                            rlt_err *err) {
    const rlt_tensor *t = find(file, name);
    if (t == NULL || t->dtype != dtype || t->rank < 1 || t->shape[0] != rows ||
        rlt_tensor_bytes(t) != (size_t)rows * bytes) {
        return rlt_fail(err, RLT_ECORRUPT,
                        "bc.dataset: %s: a tensor '%s' of %lld rows of %zu bytes and the type that "
                        "`rltune explain bc.dataset` names is needed",
                        path, name, (long long)rows, bytes);
    }
    *data = t->data;
    return RLT_OK;
}

/* Every part of every action is one that the environment knows. */
static rlt_status check_actions(const rlt_policy_spec *spec, const char *path, const void *data,
                                int64_t rows, rlt_err *err) {
    size_t words = rlt_policy_action_bytes(spec) / 4;
    for (int64_t i = 0; i < rows * (int64_t)words; i++) {
        size_t part = (size_t)i % words;
        int values = spec->component_count > 0 ? spec->components[part] : spec->action_dim;
        int32_t action = spec->discrete ? ((const int32_t *)data)[i] : 0;
        bool fine = spec->discrete ? action >= 0 && action < values
                                   : isfinite(((const float *)data)[i]) != 0;
        if (!fine) {
            return rlt_fail(err, RLT_ECORRUPT, "bc.dataset: %s: action of row %lld is %s", path,
                            (long long)(i / (int64_t)words),
                            spec->discrete ? "none of the environment's" : "not a number");
        }
    }
    return RLT_OK;
}

/* An episode begins where `reset` says so; without it each row is one. */
static void split(gathered *all, const rlt_dataset *d, int64_t rows, const float *obs,
                  const unsigned char *action, const uint8_t *reset, const uint8_t *mask) {
    int64_t count = 0;
    for (int64_t i = 0; i < rows; i++) {
        count += i == 0 || reset == NULL || reset[i] != 0;
    }
    gathered_init(all, count, d);
    int64_t at = -1;
    for (int64_t i = 0; i < rows; i++) {
        size_t row = (size_t)i;
        at += i == 0 || reset == NULL || reset[i] != 0;
        add_row(all, (int)at, obs + row * (size_t)d->obs_width, action + row * d->action_bytes,
                mask != NULL ? mask + row * (size_t)d->mask_width : NULL);
    }
}

static rlt_status read_tensors(const rlt_checkpoint *file, const char *path,
                               const rlt_policy_spec *spec, const rlt_dataset *d, gathered *all,
                               rlt_err *err) {
    const rlt_tensor *first = find(file, "observation");
    int64_t rows = first != NULL && first->rank >= 1 ? first->shape[0] : 0;
    size_t width = (size_t)d->obs_width;
    const void *obs, *action, *reset = NULL, *mask = NULL;
    if (rows < 1 || rows > RLT_DATASET_FLOATS_MAX / d->obs_width) {
        return rlt_fail(err, RLT_ECORRUPT,
                        "bc.dataset: %s: a tensor 'observation' of 1 to %d rows is needed", path,
                        RLT_DATASET_FLOATS_MAX / d->obs_width);
    }
    RLT_TRY(column_of(file, path, "observation", RLT_DTYPE_F32, rows, sizeof(float) * width, &obs,
                      err));
    RLT_TRY(column_of(file, path, "action", spec->discrete ? RLT_DTYPE_I32 : RLT_DTYPE_F32, rows,
                      d->action_bytes, &action, err));
    if (find(file, "reset") != NULL) {
        RLT_TRY(column_of(file, path, "reset", RLT_DTYPE_U8, rows, 1, &reset, err));
    }
    if (d->mask_width > 0) {
        RLT_TRY(
            column_of(file, path, "mask", RLT_DTYPE_U8, rows, (size_t)d->mask_width, &mask, err));
    }
    rlt_err why = {0};
    if (rlt_checkpoint_check_finite(file, &why) != RLT_OK) {
        return rlt_fail(err, RLT_ECORRUPT, "bc.dataset: %s: %.300s", path, why.message);
    }
    RLT_TRY(check_actions(spec, path, action, rows, err));
    split(all, d, rows, obs, action, reset, mask);
    return RLT_OK;
}

static rlt_status read_file(const char *path, const rlt_policy_spec *spec, const rlt_dataset *d,
                            gathered *all, rlt_err *err) {
    rlt_checkpoint file = {0};
    rlt_err why = {0};
    rlt_status status = rlt_checkpoint_read(path, NULL, &file, &why);
    if (status != RLT_OK) {
        return rlt_fail(err, status, "bc.dataset: %.400s", why.message);
    }
    status = read_tensors(&file, path, spec, d, all, err);
    rlt_checkpoint_fini(&file);
    return status;
}

/* ---- the whole ---- */

rlt_status rlt_dataset_make(const rlt_run_config *config, const rlt_env_def *def,
                            const rlt_policy_spec *spec, bool memory, rlt_dataset *dataset,
                            rlt_err *err) {
    const rlt_bc_fields *bc = &config->bc;
    rlt_dataset d = {.expert_return = NAN,
                     .obs_width = spec->obs_dim,
                     .mask_width = rlt_env_mask_width(def),
                     .action_bytes = rlt_policy_action_bytes(spec)};
    gathered all = {0};
    *dataset = (rlt_dataset){0};
    if ((bc->expert[0] != '\0') == (bc->dataset[0] != '\0')) {
        return rlt_fail(err, RLT_ECONFIG,
                        "bc.expert: algo = \"bc\" learns from an expert's checkpoint or from "
                        "bc.dataset; give one of the two");
    }
    rlt_status status = bc->expert[0] != '\0' ? demonstrate(config, def, &all, &d, err)
                                              : read_file(bc->dataset, spec, &d, &all, err);
    if (status == RLT_OK && all.rows > RLT_DATASET_FLOATS_MAX / d.obs_width) {
        status = rlt_fail(err, RLT_ELIMIT,
                          "bc.episodes: %lld rows of %d floats; at most %d floats are possible",
                          (long long)all.rows, d.obs_width, RLT_DATASET_FLOATS_MAX);
    }
    if (status == RLT_OK) {
        status = arrange(&d, &all, bc, memory, err);
    }
    gathered_fini(&all);
    if (status == RLT_OK) {
        *dataset = d;
    }
    return status;
}

void rlt_dataset_fini(rlt_dataset *dataset) {
    rlt_free(dataset->obs);
    rlt_free(dataset->action);
    rlt_free(dataset->reset);
    rlt_free(dataset->mask);
    *dataset = (rlt_dataset){0};
}

rlt_bc_rows rlt_dataset_rows(const rlt_dataset *d) {
    return (rlt_bc_rows){.sequences = d->train + d->valid,
                         .steps = d->horizon,
                         .obs = d->obs,
                         .action = d->action,
                         .reset = d->reset,
                         .mask = d->mask};
}
