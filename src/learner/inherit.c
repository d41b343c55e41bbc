/* learner: a trainer that starts from the weights of another trial's checkpoint. Only what the
 * policy computes is taken: weights, and the normalisers that they were trained with; optimiser,
 * counters and environments stay those of a new trial.
 * Thread: the trainer's. Owner: nothing is kept. */
#include "learner/trainer_impl.h"
#include "nn/inherit.h"

#include <stdio.h>
#include <string.h>

static bool find(const rlt_checkpoint *checkpoint, const char *name, rlt_policy_source *source) {
    for (int i = 0; i < checkpoint->count; i++) {
        const rlt_tensor *t = &checkpoint->tensors[i];
        if (t->dtype == RLT_DTYPE_F32 && t->rank >= 1 && strcmp(t->name, name) == 0) {
            *source = (rlt_policy_source){.rank = t->rank, .data = t->data};
            memcpy(source->shape, t->shape, sizeof source->shape);
            return true;
        }
    }
    return false;
}

/* Of a supernet the shared weights, of which the policy's own are a part. */
static bool look_up(void *user, const char *name, rlt_policy_source *source) {
    char shared[64];
    snprintf(shared, sizeof(shared), "super.%s", name);
    return find(user, shared, source) || find(user, name, source);
}

/* All of them or none: a mean without its deviation would be worse than either. */
typedef struct wanted {
    const char *name;
    rlt_dtype dtype;
    size_t elements;
    void *to;
} wanted;

static void take(const rlt_checkpoint *checkpoint, const wanted *all, size_t count) {
    const void *data[8];
    RLT_ASSERT(count <= RLT_COUNT(data));
    for (size_t i = 0; i < count; i++) {
        if (rlt_checkpoint_get(checkpoint, all[i].name, all[i].dtype, all[i].elements, &data[i],
                               NULL) != RLT_OK) {
            return;
        }
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(all[i].to, data[i],
               all[i].elements * (all[i].dtype == RLT_DTYPE_F32 ? sizeof(float) : sizeof(double)));
    }
}

static void take_normalisers(rlt_trainer *t, const rlt_checkpoint *checkpoint) {
    size_t width = (size_t)t->spec.obs_dim;
    const wanted observation[] = {
        {"observation.mean", RLT_DTYPE_F32, width, t->view.mean},
        {"observation.inv_std", RLT_DTYPE_F32, width, t->view.inv_std},
        {"observation.count", RLT_DTYPE_F64, 1, &t->obs_stats.count},
        {"observation.running_mean", RLT_DTYPE_F64, width, t->obs_stats.mean},
        {"observation.running_var", RLT_DTYPE_F64, width, t->obs_stats.var},
    };
    const wanted reward[] = {
        {"return.count", RLT_DTYPE_F64, 1, &t->rewards.running.count},
        {"return.running_mean", RLT_DTYPE_F64, 1, t->rewards.running.mean},
        {"return.running_var", RLT_DTYPE_F64, 1, t->rewards.running.var},
    };
    if (t->config.normalise.observation) {
        take(checkpoint, observation, RLT_COUNT(observation));
    }
    if (t->config.normalise.reward) {
        take(checkpoint, reward, RLT_COUNT(reward));
    }
}

rlt_status rlt_train_inherit(rlt_trainer *t, const char *path, const char *sha256, size_t *copied,
                             rlt_err *err) {
    rlt_checkpoint checkpoint = {0};
    rlt_err why = {0};
    RLT_TRY(rlt_checkpoint_read(path, sha256, &checkpoint, err));
    rlt_status status = rlt_train_check_format(&checkpoint, path, err);
    if (status == RLT_OK && rlt_checkpoint_check_finite(&checkpoint, &why) != RLT_OK) {
        status = rlt_fail(err, RLT_ECORRUPT, "%s: %.300s", path, why.message);
    }
    if (status == RLT_OK) {
        *copied = rlt_policy_inherit(&t->spec, look_up, &checkpoint, t->view.params);
        take_normalisers(t, &checkpoint);
    }
    rlt_checkpoint_fini(&checkpoint);
    return status;
}
