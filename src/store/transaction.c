/* store: transactions, durability, cached statements.
 * Durability: the connection runs with synchronous=NORMAL, where a commit appends to the WAL
 * without a flush. When the transaction holds more than metric points, the WAL is flushed right
 * after the commit and before the caller hears of it, which is what synchronous=FULL does
 * (sqlite.org/pragma.html#pragma_synchronous); the pragma itself cannot change inside a
 * transaction, and only at its end is it known what it holds. The flush covers all earlier commits.
 * Thread: the store's. Owner: the store owns its statements. */
#include "store/store_impl.h"

#include <math.h>
#include <string.h>

static const char *const statement_sql[STMT_COUNT] = {
#define X(name, sql) sql,
#include "store/statements.def"
#undef X
};

rlt_status store_stmt(rlt_store *store, store_stmt_id id, sqlite3_stmt **stmt, rlt_err *err) {
    *stmt = store->statements[id];
    if (*stmt == NULL && sqlite3_prepare_v3(store->db, statement_sql[id], -1,
                                            SQLITE_PREPARE_PERSISTENT, stmt, NULL) != SQLITE_OK) {
        return store_fail(store, "prepare a statement", err);
    }
    store->statements[id] = *stmt;
    return RLT_OK;
}

rlt_status store_row(rlt_store *store, sqlite3_stmt *stmt, int64_t *values, int count,
                     const char *action, rlt_err *err) {
    int code = sqlite3_step(stmt);
    rlt_status status = code == SQLITE_ROW    ? RLT_OK
                        : code == SQLITE_DONE ? RLT_ENOTFOUND
                                              : store_fail(store, action, err);
    for (int i = 0; code == SQLITE_ROW && i < count; i++) {
        values[i] = sqlite3_column_int64(stmt, i);
    }
    while (code == SQLITE_ROW) { /* to the end, where foreign keys are checked */
        code = sqlite3_step(stmt);
    }
    if (sqlite3_reset(stmt) != SQLITE_OK && status == RLT_OK) {
        status = store_fail(store, action, err);
    }
    sqlite3_clear_bindings(stmt);
    return status;
}

rlt_status store_run(rlt_store *store, sqlite3_stmt *stmt, const char *action, rlt_err *err) {
    rlt_status status = store_row(store, stmt, NULL, 0, action, err);
    return status == RLT_ENOTFOUND ? RLT_OK : status;
}

static rlt_status run_id(rlt_store *store, store_stmt_id id, const char *action, rlt_err *err) {
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, id, &stmt, err));
    return store_run(store, stmt, action, err);
}

/* Back to "no transaction", whatever SQLite thinks of it. */
static void roll_back(rlt_store *store, store_tx next) {
    if (!sqlite3_get_autocommit(store->db)) {
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    }
    store->tx = next;
    store->important = false;
    store->name_count = 0; /* rows of these names and trials may be gone */
    memset(store->trials, 0, sizeof store->trials);
    store_owned_rollback(store);
}

static rlt_status flush_wal(rlt_store *store, rlt_err *err) {
    sqlite3_file *wal = NULL;
    if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) != SQLITE_OK ||
        wal == NULL || wal->pMethods == NULL ||
        wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL) != SQLITE_OK) {
        store->broken = true;
        return rlt_fail(err, RLT_EIO,
                        "%s: could not flush the log to disk; the last commit may or may not have "
                        "been kept. Check the disk, then resume",
                        store->shown);
    }
    return RLT_OK;
}

static rlt_status commit_open(rlt_store *store, rlt_err *err) {
    bool important = store->important;
    rlt_status status = run_id(store, STMT_COMMIT, "commit", err);
    if (status != RLT_OK) {
        roll_back(store, TX_NONE);
        return status;
    }
    store->tx = TX_NONE;
    store->important = false;
    store_owned_commit(store);
    return important ? flush_wal(store, err) : RLT_OK;
}

static rlt_status check_writable(rlt_store *store, rlt_err *err) {
    if (!store->writable) {
        return rlt_fail(err, RLT_EINVAL, "%s: was opened for reading only", store->shown);
    }
    if (store->broken) {
        return rlt_fail(err, RLT_EIO, "%s: an earlier flush failed; open the database again",
                        store->shown);
    }
    return RLT_OK;
}

static rlt_status fail_lost(rlt_store *store, rlt_err *err) {
    return rlt_fail(err, RLT_EIO,
                    "%s: the transaction was rolled back by an earlier error; nothing of it was "
                    "kept, begin it again",
                    store->shown);
}

rlt_status rlt_store_begin(rlt_store *store, rlt_err *err) {
    RLT_ASSERT(!store->group);
    RLT_TRY(check_writable(store, err));
    store->group = true;
    store->tx = TX_GROUP;
    return RLT_OK;
}

rlt_status rlt_store_commit(rlt_store *store, rlt_err *err) {
    RLT_ASSERT(store->group);
    store->group = false;
    if (store->tx == TX_OPEN) {
        return commit_open(store, err);
    }
    bool lost = store->tx == TX_LOST;
    store->tx = TX_NONE;
    return lost ? fail_lost(store, err) : RLT_OK;
}

void rlt_store_rollback(rlt_store *store) {
    store->group = false;
    roll_back(store, TX_NONE);
}

rlt_status store_enter(rlt_store *store, bool important, rlt_err *err) {
    if (store->tx == TX_OPEN) {
        store->important |= important;
        return RLT_OK;
    }
    RLT_TRY(check_writable(store, err));
    if (store->tx == TX_LOST) {
        return fail_lost(store, err);
    }
    RLT_TRY(run_id(store, STMT_BEGIN, "begin a transaction", err));
    store->tx = TX_OPEN;
    store->important = important;
    rlt_status status = store_check_fence(store, err);
    if (status != RLT_OK) {
        roll_back(store, store->group ? TX_LOST : TX_NONE);
    }
    return status;
}

rlt_status store_leave(rlt_store *store, rlt_status status, rlt_err *err) {
    if (store->tx == TX_OPEN && sqlite3_get_autocommit(store->db)) {
        roll_back(store, TX_LOST); /* a full disk or an I/O error made SQLite end it */
    }
    if (store->group) {
        return status;
    }
    if (status == RLT_OK) {
        return commit_open(store, err);
    }
    roll_back(store, TX_NONE);
    return status;
}

rlt_status store_abandon(rlt_store *store, rlt_status status) {
    if (status != RLT_OK) {
        roll_back(store, TX_LOST);
    }
    return status;
}

void store_bind_int(sqlite3_stmt *stmt, int at, int64_t value) {
    int code = sqlite3_bind_int64(stmt, at, value);
    RLT_ASSERT(code == SQLITE_OK);
}

void rlt_store_set_clock(rlt_store *store, int64_t wall_ms) {
    store->clock_ms = wall_ms;
}

int64_t store_now(const rlt_store *store) {
    return store->clock_ms > 0 ? store->clock_ms : rlt_wall_ms();
}

void store_bind_real(sqlite3_stmt *stmt, int at, double value) {
    int code = sqlite3_bind_double(stmt, at, value);
    RLT_ASSERT(code == SQLITE_OK);
}

void store_bind_text(sqlite3_stmt *stmt, int at, const char *text) {
    int code = sqlite3_bind_text(stmt, at, text != NULL ? text : "", -1, SQLITE_STATIC);
    RLT_ASSERT(code == SQLITE_OK);
}

void store_bind_cut(sqlite3_stmt *stmt, int at, const char *text, size_t max) {
    size_t size = text != NULL ? strnlen(text, max + 1) : 0;
    if (size > max) {
        size = max;
        while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80) { /* inside a character */
            size--;
        }
    }
    int code = sqlite3_bind_text(stmt, at, text != NULL ? text : "", (int)size, SQLITE_STATIC);
    RLT_ASSERT(code == SQLITE_OK);
}

void store_column_copy(sqlite3_stmt *stmt, int at, char *out, size_t size) {
    const char *text = (const char *)sqlite3_column_text(stmt, at);
    size_t length = text != NULL ? strnlen(text, size - 1) : 0;
    memcpy(out, text != NULL ? text : "", length);
    out[length] = 0;
}

char *store_column_dup(sqlite3_stmt *stmt, int at) {
    const char *text = (const char *)sqlite3_column_text(stmt, at);
    size_t length = text != NULL ? strlen(text) : 0;
    char *copy = rlt_alloc(length + 1);
    memcpy(copy, text != NULL ? text : "", length);
    return copy;
}

double store_column_real(sqlite3_stmt *stmt, int at) {
    return sqlite3_column_type(stmt, at) == SQLITE_NULL ? NAN : sqlite3_column_double(stmt, at);
}
