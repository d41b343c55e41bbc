/* driver: trials that start from the weights of an earlier one. Only from a checkpoint that has a
 * row: it is looked up in the transaction that creates the child. A parent has ended, so that its
 * newest checkpoint stays what it is; a child that starts again before it has a checkpoint of its
 * own therefore starts from the same weights.
 * Thread: the driver's. Owner: the driver. */
#include "driver/driver_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const rlt_driver_entry *search_trial(const rlt_driver *d, int64_t number) {
    for (size_t i = 0; i < d->count; i++) {
        if (d->trials[i].number == number && !d->trials[i].final) {
            return &d->trials[i];
        }
    }
    return NULL;
}

static const rlt_driver_entry *trial_of_id(const rlt_driver *d, int64_t id) {
    for (size_t i = 0; i < d->count; i++) {
        if (d->trials[i].id == id) {
            return &d->trials[i];
        }
    }
    return NULL;
}

rlt_status rlt_driver_find_parent(rlt_driver *d, rlt_driver_entry *t, rlt_err *err) {
    int64_t number = rlt_tuner_parent(d->tuner, t->number);
    rlt_checkpoint_row row;
    const rlt_driver_entry *from = number >= 0 ? search_trial(d, number) : NULL;
    if (from == NULL) {
        return RLT_OK;
    }
    rlt_status status = rlt_store_checkpoint_latest(d->store, from->id, INT64_MAX, &row, err);
    if (status == RLT_OK) {
        t->parent = from->id;
        return RLT_OK;
    }
    if (status != RLT_ENOTFOUND) {
        return status;
    }
    char text[160];
    snprintf(text, sizeof(text),
             "trial %lld starts from scratch: its parent, trial %lld, has no checkpoint",
             (long long)t->number, (long long)number);
    return rlt_store_event(d->store, d->experiment, 0, "inherit.none", text, err);
}

rlt_stage rlt_driver_stage(const rlt_driver *d, const rlt_driver_entry *t) {
    return t->final ? RLT_STAGE_ALONE : rlt_tuner_stage(d->tuner, t->number);
}

char *rlt_driver_space(const rlt_driver *d, const rlt_driver_entry *t) {
    const rlt_search_space *space = rlt_tuner_space(d->tuner);
    if (rlt_driver_stage(d, t) != RLT_STAGE_SUPERNET) {
        return strdup("");
    }
    json_t *json = json_object();
    for (int i = 0; i < space->count; i++) {
        json_object_set_new(json, space->params[i].path, rlt_param_values(&space->params[i]));
    }
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

/* What is particular about the trial. */
void rlt_driver_describe_parent(const rlt_driver *d, const rlt_driver_entry *t, char *text,
                                size_t size) {
    const rlt_driver_entry *from = t->parent != 0 ? trial_of_id(d, t->parent) : NULL;
    rlt_stage stage = rlt_driver_stage(d, t);
    text[0] = '\0';
    if (stage == RLT_STAGE_SUPERNET) {
        snprintf(text, size, "trains weights that all networks share");
    } else if (from != NULL) {
        snprintf(text, size, "%s the weights of trial %lld",
                 stage == RLT_STAGE_SHARED ? "is measured with" : "starts from",
                 (long long)from->number);
    } else if (!t->final && d->config.tune.sampler == RLT_SAMPLER_ONESHOT) {
        snprintf(text, size, "is trained alone, as one of the best with shared weights");
    }
}

rlt_status rlt_driver_inherited(rlt_driver *d, rlt_driver_entry *t, rlt_checkpoint_row *row,
                                char *path, size_t size, rlt_err *err) {
    path[0] = '\0';
    if (t->parent == 0) {
        return RLT_OK;
    }
    rlt_status status = rlt_store_checkpoint_latest(d->store, t->parent, INT64_MAX, row, err);
    if (status == RLT_ENOTFOUND) {
        *row = (rlt_checkpoint_row){0};
        return rlt_store_event(d->store, d->experiment, t->id, "inherit.lost",
                               "its parent's checkpoint is gone: it starts from scratch", err);
    }
    RLT_TRY(status);
    t->inherits = row->id;
    return rlt_driver_checkpoint_path(d->o->db_path, row->path, path, size, err);
}

rlt_status rlt_driver_disinherit(rlt_driver *d, rlt_driver_entry *t, const char *why,
                                 rlt_err *err) {
    const rlt_driver_entry *from = trial_of_id(d, t->parent);
    rlt_checkpoint_row row;
    rlt_status status = from != NULL
                            ? rlt_store_checkpoint_latest(d->store, from->id, INT64_MAX, &row, err)
                            : RLT_ENOTFOUND;
    if (status == RLT_ENOTFOUND || (status == RLT_OK && row.id != t->inherits)) {
        return RLT_OK; /* another child has found it so */
    }
    return status == RLT_OK ? rlt_driver_forget(d, from, why, err) : status;
}
