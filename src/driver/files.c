/* driver: files of checkpoints. A row goes before its file does, and a file that no row speaks of
 * was never acknowledged. Thread: the driver's. Owner: the driver. */
#include "driver/driver_impl.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

rlt_status rlt_driver_checkpoint_path(const char *db_path, const char *row_path, char *path,
                                      size_t size, rlt_err *err) {
    const char *slash = strrchr(row_path, '/');
    const char *name = slash != NULL ? slash + 1 : row_path;
    int length = snprintf(path, size, "%s-checkpoints/%s", db_path, name);
    if (length < 0 || (size_t)length >= size || name[0] == '\0' || name[0] == '.') {
        return rlt_fail(err, RLT_ECORRUPT, "%s: '%.100s' is no checkpoint's path", db_path,
                        row_path);
    }
    return RLT_OK;
}

/* ---- files whose rows have gone ---- */

static void remove_later(rlt_driver *d, const char *path) {
    if (d->unlink_count == d->unlink_capacity) {
        size_t capacity = 2 * d->unlink_capacity + 16;
        d->unlink_after = realloc(d->unlink_after, sizeof(char *) * capacity);
        RLT_ASSERT(d->unlink_after != NULL);
        d->unlink_capacity = capacity;
    }
    d->unlink_after[d->unlink_count++] = strdup(path);
}

typedef struct old_files {
    rlt_driver *d;
    int64_t ids[256];
    int count;
} old_files;

static rlt_status note_old(void *user, int columns, const char *const *names,
                           const char *const *values, rlt_err *err) {
    (void)columns;
    (void)names;
    (void)err;
    old_files *old = user;
    rlt_driver *d = old->d;
    if (old->count == (int)RLT_COUNT(old->ids)) {
        return RLT_OK; /* the rest goes with the next checkpoint */
    }
    char path[1024];
    RLT_TRY(rlt_driver_checkpoint_path(d->o->db_path, values[1], path, sizeof(path), err));
    remove_later(d, path);
    old->ids[old->count++] = strtoll(values[0], NULL, 10);
    return RLT_OK;
}

/* All but the newest `keep`: rows now, files after the commit. */
rlt_status rlt_driver_prune(rlt_driver *d, const rlt_driver_entry *t, rlt_err *err) {
    old_files old = {.d = d};
    int64_t keep = d->config.run.checkpoint.keep;
    bool live = t->state == RLT_TRIAL_RUNNING || t->state == RLT_TRIAL_PAUSED;
    bool copied = live && !t->final && d->copies;
    const int64_t args[] = {t->id, keep > 0 ? keep : 1, copied};
    RLT_TRY(rlt_store_query(d->store,
                            "SELECT id, path FROM (SELECT id, path, step FROM checkpoints "
                            "WHERE trial = ?1 ORDER BY step DESC, id DESC LIMIT -1 OFFSET ?2) "
                            "WHERE NOT ?3 OR step IS NOT (SELECT min(c.step) FROM checkpoints c "
                            "WHERE c.trial = ?1 AND c.step >= (SELECT max(step) FROM decisions "
                            "WHERE trial = ?1))",
                            args, 3, note_old, &old, err));
    for (int i = 0; i < old.count; i++) {
        RLT_TRY(rlt_store_checkpoint_remove(d->store, old.ids[i], err));
    }
    return RLT_OK;
}

rlt_status rlt_driver_forget(rlt_driver *d, const rlt_driver_entry *t, const char *why,
                             rlt_err *err) {
    rlt_checkpoint_row row;
    char path[1024], text[1024];
    RLT_TRY(rlt_store_checkpoint_latest(d->store, t->id, INT64_MAX, &row, err));
    RLT_TRY(rlt_driver_checkpoint_path(d->o->db_path, row.path, path, sizeof(path), err));
    RLT_TRY(rlt_store_checkpoint_remove(d->store, row.id, err));
    remove_later(d, path);
    snprintf(text, sizeof(text), "the checkpoint at %lld steps is not used: %s",
             (long long)row.step, why);
    return rlt_store_event(d->store, d->experiment, t->id, "checkpoint.dropped", text, err);
}

/* ---- files that never had a row, as far as anyone knows ---- */

typedef struct known_files {
    char (*names)[512];
    size_t count, capacity;
} known_files;

static rlt_status note_file(void *user, const rlt_checkpoint_row *row, rlt_err *err) {
    (void)err;
    known_files *known = user;
    const char *slash = strrchr(row->path, '/');
    if (known->count == known->capacity) {
        known->capacity = 2 * known->capacity + 64;
        known->names = realloc(known->names, sizeof(*known->names) * known->capacity);
        RLT_ASSERT(known->names != NULL);
    }
    snprintf(known->names[known->count++], sizeof(*known->names), "%s",
             slash != NULL ? slash + 1 : row->path);
    return RLT_OK;
}

static bool is_known(const known_files *known, const char *name) {
    for (size_t i = 0; i < known->count; i++) {
        if (strcmp(known->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static rlt_status remove_unknown(rlt_driver *d, const known_files *known, const char *prefix,
                                 rlt_err *err) {
    char path[1024];
    DIR *folder = opendir(d->folder);
    if (folder == NULL) {
        return rlt_fail(err, RLT_EIO, "%s: could not list the folder", d->folder);
    }
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
            !is_known(known, entry->d_name) &&
            snprintf(path, sizeof(path), "%s/%s", d->folder, entry->d_name) < (int)sizeof(path)) {
            unlink(path);
        }
    }
    closedir(folder);
    return RLT_OK;
}

rlt_status rlt_driver_remove_orphans(rlt_driver *d, int64_t trial, rlt_err *err) {
    if (d->host != NULL) {
        return RLT_OK; /* the files of programs are their own */
    }
    known_files known = {0};
    char prefix[64];
    int at = snprintf(prefix, sizeof(prefix), "e%lld-t", (long long)d->experiment);
    if (trial != 0) {
        snprintf(prefix + at, sizeof(prefix) - (size_t)at, "%lld-", (long long)trial);
    }
    rlt_status status = rlt_store_checkpoints(d->store, d->experiment, note_file, &known, err);
    if (status == RLT_OK) {
        status = remove_unknown(d, &known, prefix, err);
    }
    free(known.names);
    return status;
}

rlt_status rlt_driver_remove_files(rlt_driver *d, rlt_err *err) {
    for (size_t i = 0; i < d->unlink_count; i++) {
        unlink(d->unlink_after[i]);
        free(d->unlink_after[i]);
    }
    d->unlink_count = 0;
    for (size_t i = d->first_open; i < d->count; i++) {
        if (d->trials[i].sweep) {
            d->trials[i].sweep = false;
            RLT_TRY(rlt_driver_remove_orphans(d, d->trials[i].id, err));
        }
    }
    return RLT_OK;
}
