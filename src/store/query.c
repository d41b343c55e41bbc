/* store: read-only queries from outside, and the integrity check.
 * Thread: the store's. Owner: the visitor borrows each row's texts until it returns. */
#include "store/store_impl.h"

#include <ctype.h>
#include <string.h>

static rlt_status prepare(rlt_store *store, const char *sql, sqlite3_stmt **stmt, rlt_err *err) {
    const char *rest = NULL;
    store->in_query = true;
    int code = sqlite3_prepare_v2(store->db, sql, -1, stmt, &rest);
    store->in_query = false;
    if (code == SQLITE_AUTH) {
        return rlt_fail(err, RLT_EINVAL, "query '%.120s': only reading is allowed (SELECT)", sql);
    }
    if (code == SQLITE_ERROR) {
        return rlt_fail(err, RLT_EINVAL, "query '%.120s': %s", sql, sqlite3_errmsg(store->db));
    }
    if (code != SQLITE_OK) {
        return store_fail(store, "prepare a query", err);
    }
    while (isspace((unsigned char)*rest) || *rest == ';') {
        rest++;
    }
    if (*stmt == NULL || *rest != 0 || !sqlite3_stmt_readonly(*stmt)) {
        return rlt_fail(err, RLT_EINVAL, "query '%.120s': give one statement that only reads", sql);
    }
    return RLT_OK;
}

static rlt_status bind(sqlite3_stmt *stmt, const char *sql, const int64_t *args, int arg_count,
                       rlt_err *err) {
    if (sqlite3_bind_parameter_count(stmt) != arg_count) {
        return rlt_fail(err, RLT_EINVAL, "query '%.120s': has %d parameters, %d were given", sql,
                        sqlite3_bind_parameter_count(stmt), arg_count);
    }
    for (int i = 0; i < arg_count; i++) {
        store_bind_int(stmt, i + 1, args[i]);
    }
    return RLT_OK;
}

static rlt_status visit_rows(rlt_store *store, sqlite3_stmt *stmt, rlt_row_visit visit, void *user,
                             rlt_err *err) {
    int columns = sqlite3_column_count(stmt), code;
    const char **texts = rlt_alloc(2 * (size_t)columns * sizeof *texts + 1);
    const char **names = texts, **values = texts + columns;
    for (int i = 0; i < columns; i++) {
        names[i] = sqlite3_column_name(stmt, i);
    }
    rlt_status status = RLT_OK;
    while (status == RLT_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++) {
            values[i] = (const char *)sqlite3_column_text(stmt, i);
        }
        status = visit(user, columns, names, values, err);
    }
    if (status == RLT_OK && code != SQLITE_DONE) {
        status = store_fail(store, "run a query", err);
    }
    rlt_free(texts);
    return status;
}

rlt_status rlt_store_query(rlt_store *store, const char *sql, const int64_t *args, int arg_count,
                           rlt_row_visit visit, void *user, rlt_err *err) {
    RLT_TRY(store_refresh(store, err));
    sqlite3_stmt *stmt = NULL;
    rlt_status status = prepare(store, sql, &stmt, err);
    if (status == RLT_OK) {
        status = bind(stmt, sql, args, arg_count, err);
    }
    if (status == RLT_OK) {
        store->visits++;
        status = visit_rows(store, stmt, visit, user, err);
        store->visits--;
    }
    sqlite3_finalize(stmt);
    return status;
}

rlt_status rlt_store_check(rlt_store *store, rlt_err *err) {
    RLT_TRY(store_refresh(store, err));
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(store->db, "PRAGMA integrity_check(1)", -1, &stmt, NULL) != SQLITE_OK) {
        return store_fail(store, "check its integrity", err);
    }
    rlt_status status = RLT_OK;
    if (sqlite3_step(stmt) != SQLITE_ROW) {
        status = store_fail(store, "check its integrity", err);
    } else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0) {
        status = rlt_fail(err, RLT_ECORRUPT,
                          "%s: the database is damaged (%.120s). Save what can be read with: "
                          "sqlite3 FILE .recover | sqlite3 NEW",
                          store->shown, (const char *)sqlite3_column_text(stmt, 0));
    }
    sqlite3_finalize(stmt);
    return status;
}
