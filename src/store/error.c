/* store: what went wrong, as one paragraph with the file's path and a remedy.
 * Why one place: SQLite has some eighty codes, a person needs eight answers.
 * Thread: the store's. Owner: no state. */
#include "store/store_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_disk_full(sqlite3 *db, int code) {
    int system_code = sqlite3_system_errno(db);
    return (code & 0xff) == SQLITE_FULL ||
           ((code & 0xff) == SQLITE_IOERR && (system_code == ENOSPC || system_code == EDQUOT));
}

static rlt_status fail_io(rlt_store *store, const char *action, int code, rlt_err *err) {
    int system_code = sqlite3_system_errno(store->db);
    return rlt_fail(err, RLT_EIO,
                    "%s: could not %s: %s (%s); check that the file and its folder can be read and "
                    "written and that the disk is sound, then run again",
                    store->shown, action, sqlite3_errstr(code),
                    system_code != 0 ? strerror(system_code) : "no system error");
}

bool store_has_log(const rlt_store *store) {
    static const char *const suffixes[] = {"-wal", "-journal"};
    bool found = false;
    for (size_t i = 0; i < RLT_COUNT(suffixes); i++) {
        char log[PATH_MAX + 16];
        snprintf(log, sizeof log, "%s%s", store->path, suffixes[i]);
        found |= access(log, F_OK) == 0;
    }
    return found;
}

/* A file that is there could not be opened, or one that is not could not be created. */
static rlt_status fail_open(rlt_store *store, rlt_err *err) {
    const char *slash = strrchr(store->path, '/'), *path = store->shown;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - store->path) + 1 : 1,
             slash != NULL ? store->path : ".");
    bool missing = access(folder, F_OK) != 0;
    if (store->writable && access(store->path, F_OK) != 0) {
        return rlt_fail(err, missing ? RLT_ENOTFOUND : RLT_EIO,
                        "%s: could not create the database: its folder %s; create or change it, "
                        "or name another file with --db",
                        path, missing ? "does not exist" : "is read-only");
    }
    return rlt_fail(
        err, RLT_EIO,
        "%s: could not open the database for %s; check the permissions of the file and "
        "of its folder%s",
        path, store->writable ? "writing" : "reading",
        store->writable || !store_has_log(store)
            ? ""
            : " (its log FILE-wal has to be recovered by somebody who may write there)");
}

rlt_status store_fail(rlt_store *store, const char *action, rlt_err *err) {
    int code = sqlite3_extended_errcode(store->db);
    const char *text = sqlite3_errmsg(store->db), *path = store->shown;
    if (is_disk_full(store->db, code)) {
        return rlt_fail(err, RLT_EFULL,
                        "%s: could not %s: no space left on its disk; nothing of the unfinished "
                        "transaction was kept. Free some space and resume",
                        path, action);
    }
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return rlt_fail(err, RLT_EBUSY,
                        "%s: could not %s: another process has kept the database locked for %d s. "
                        "Finish the transaction there (an open sqlite3 shell?) and run again",
                        path, action, STORE_BUSY_MS / 1000);
    case SQLITE_CANTOPEN:
        return fail_open(store, err);
    case SQLITE_NOTADB:
        return rlt_fail(err, RLT_ECORRUPT,
                        "%s: is not an SQLite database; it was left as it is. Name another file "
                        "with --db, or move this one away",
                        path);
    case SQLITE_CORRUPT:
        return rlt_fail(err, RLT_ECORRUPT,
                        "%s: the database is damaged: could not %s (%s). Save what can be read "
                        "with: sqlite3 FILE .recover | sqlite3 NEW",
                        path, action, text);
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_MISMATCH:
        return rlt_fail(err, RLT_ECORRUPT,
                        "%s: could not %s: %s; its tables are not those of its schema version, so "
                        "something else has changed it. Restore a copy",
                        path, action, text);
    case SQLITE_CONSTRAINT:
        return rlt_fail(err, RLT_EINVAL, "%s: could not %s: %s", path, action, text);
    case SQLITE_TOOBIG:
        return rlt_fail(err, RLT_ELIMIT, "%s: could not %s: %s", path, action, text);
    case SQLITE_NOMEM:
        return rlt_fail(err, RLT_ENOMEM, "%s: could not %s: out of memory", path, action);
    case SQLITE_INTERRUPT:
        return rlt_fail(err, RLT_EINTERRUPTED, "%s: could not %s: interrupted", path, action);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return rlt_fail(err, RLT_EIO,
                        "%s: could not %s: it is open for reading only, or the file or its folder "
                        "cannot be written",
                        path, action);
    default:
        return fail_io(store, action, code, err);
    }
}

rlt_status store_check_text(const char *what, const char *text, size_t max, rlt_err *err) {
    if (text == NULL || text[0] == 0) {
        return rlt_fail(err, RLT_EINVAL, "%s is empty; give 1 to %zu bytes", what, max);
    }
    if (strnlen(text, max + 1) > max) {
        return rlt_fail(err, RLT_ELIMIT, "%s '%.40s...' is longer than the %zu bytes allowed", what,
                        text, max);
    }
    return RLT_OK;
}

rlt_status store_check_size(const char *what, const char *text, size_t max, rlt_err *err) {
    return text == NULL || strnlen(text, max + 1) <= max
               ? RLT_OK
               : rlt_fail(err, RLT_ELIMIT, "%s is longer than the %zu KiB allowed", what,
                          max >> 10);
}
