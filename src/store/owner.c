/* store: who drives an experiment. A driver holds an OFD write lock on the byte of FILE-lock whose
 * offset is the experiment's id: the kernel drops it when the process dies, however it dies. The
 * epoch in the row is the second fence: every transaction of a driver compares it, so that one
 * whose lock file was removed under it cannot write on.
 * Thread: the store's. Owner: the store owns the descriptor; FILE-lock is never removed. */
#include "store/store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static rlt_status lock_path(rlt_store *store, char *path, rlt_err *err) {
    int length = snprintf(path, PATH_MAX, "%s-lock", store->path);
    return length > 0 && length < PATH_MAX
               ? RLT_OK
               : rlt_fail(err, RLT_EINVAL, "%s: the path is too long", store->shown);
}

static struct flock lock_of(int64_t experiment, short type) {
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = experiment, .l_len = 1};
}

rlt_status store_lock(rlt_store *store, int64_t experiment, rlt_err *err) {
    if (store->lock_fd < 0) {
        char path[PATH_MAX];
        RLT_TRY(lock_path(store, path, err));
        store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (store->lock_fd < 0) {
            return rlt_fail(err, RLT_EIO, "%s-lock: could not open or create it: %s", store->shown,
                            strerror(errno));
        }
    }
    struct flock lock = lock_of(experiment, F_WRLCK);
    if (fcntl(store->lock_fd, F_OFD_SETLK, &lock) == 0) {
        return RLT_OK;
    }
    if (errno == EAGAIN || errno == EACCES) {
        return RLT_EBUSY;
    }
    return rlt_fail(err, RLT_EIO,
                    "%s-lock: could not lock it: %s; the folder must be on a file system with "
                    "locks (not every network one has them)",
                    store->shown, strerror(errno));
}

void store_unlock(rlt_store *store, int64_t experiment) {
    struct flock lock = lock_of(experiment, F_UNLCK);
    fcntl(store->lock_fd, F_OFD_SETLK, &lock);
}

static store_owned *find_owned(rlt_store *store, int64_t experiment) {
    for (int i = 0; i < store->owned_count; i++) {
        if (store->owned[i].experiment == experiment) {
            return &store->owned[i];
        }
    }
    return NULL;
}

bool rlt_store_experiment_is_owned(rlt_store *store, int64_t id) {
    if (find_owned(store, id) != NULL) {
        return true;
    }
    char path[PATH_MAX];
    int fd = lock_path(store, path, NULL) == RLT_OK ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 || id < 1) {
        return false;
    }
    struct flock lock = lock_of(id, F_WRLCK);
    bool owned = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd); /* OFD locks belong to the open file, so this drops no lock of ours */
    return owned;
}

void store_owned_add(rlt_store *store, int64_t experiment, int64_t epoch) {
    store_owned *owned = find_owned(store, experiment);
    if (owned == NULL) {
        RLT_ASSERT(store->owned_count < STORE_OWNED_MAX);
        owned = &store->owned[store->owned_count++];
        *owned = (store_owned){.experiment = experiment};
    }
    owned->epoch = epoch;
}

void store_owned_commit(rlt_store *store) {
    for (int i = 0; i < store->owned_count; i++) {
        store->owned[i].committed = store->owned[i].epoch;
    }
}

void store_owned_rollback(rlt_store *store) {
    int kept = 0;
    for (int i = 0; i < store->owned_count; i++) {
        store_owned owned = store->owned[i];
        if (owned.committed == 0) {
            store_unlock(store, owned.experiment);
            continue;
        }
        owned.epoch = owned.committed;
        store->owned[kept++] = owned;
    }
    store->owned_count = kept;
}

rlt_status store_check_fence(rlt_store *store, rlt_err *err) {
    for (int i = 0; i < store->owned_count; i++) {
        const store_owned *owned = &store->owned[i];
        sqlite3_stmt *stmt;
        RLT_TRY(store_stmt(store, STMT_EPOCH, &stmt, err));
        store_bind_int(stmt, 1, owned->experiment);
        int64_t row[2] = {0};
        rlt_status status = store_row(store, stmt, row, 2, "read the epoch", err);
        if (status != RLT_OK && status != RLT_ENOTFOUND) {
            return status;
        }
        if (row[0] != owned->epoch) {
            return rlt_fail(err, RLT_ESTALE,
                            "%s: experiment %lld was taken over by process %lld (epoch %lld, ours "
                            "is %lld); this driver may not write to it any more",
                            store->shown, (long long)owned->experiment, (long long)row[1],
                            (long long)row[0], (long long)owned->epoch);
        }
    }
    return RLT_OK;
}

rlt_status store_check_owner(rlt_store *store, int64_t experiment, rlt_err *err) {
    if (find_owned(store, experiment) != NULL) {
        return RLT_OK;
    }
    return rlt_fail(err, RLT_ESTALE,
                    "%s: experiment %lld is not driven by this process; only its driver writes to "
                    "it",
                    store->shown, (long long)experiment);
}

rlt_status store_check_trial(rlt_store *store, int64_t trial, rlt_err *err) {
    size_t at = (size_t)((uint64_t)trial % STORE_TRIALS_CACHED);
    if (store->trials[at].trial != trial || trial == 0) {
        sqlite3_stmt *stmt;
        RLT_TRY(store_stmt(store, STMT_TRIAL_EXPERIMENT, &stmt, err));
        store_bind_int(stmt, 1, trial);
        rlt_status status =
            store_row(store, stmt, &store->trials[at].experiment, 1, "read a trial", err);
        store->trials[at].trial = status == RLT_OK ? trial : 0;
        if (status == RLT_ENOTFOUND) {
            return rlt_fail(err, RLT_ENOTFOUND, "%s: there is no trial %lld", store->shown,
                            (long long)trial);
        }
        RLT_TRY(status);
    }
    return store_check_owner(store, store->trials[at].experiment, err);
}
