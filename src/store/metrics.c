/* store: metric points. Names are interned: a point is four numbers in a table ordered by its key
 * (trial, name, step), so a curve is one range of neighbouring rows.
 * Thread: the store's. Owner: no state of its own; remembered names live in the store. */
#include "store/store_impl.h"

#include <stdio.h>
#include <string.h>

/* Callers mostly report the same names in the same order: the search starts after the last hit. */
static bool find_known(rlt_store *store, const char *name, int64_t *id) {
    int count = store->name_count;
    for (int i = 0; i < count; i++) {
        int at = store->name_last + 1 + i;
        at -= at >= count ? count : 0;
        if (strcmp(store->names[at].name, name) == 0) {
            store->name_last = at;
            *id = store->names[at].id;
            return true;
        }
    }
    return false;
}

static void remember(rlt_store *store, const char *name, int64_t id) {
    if (store->name_count < STORE_NAMES_MAX) {
        store->name_last = store->name_count++;
        snprintf(store->names[store->name_last].name, sizeof store->names[0].name, "%s", name);
        store->names[store->name_last].id = id;
    }
}

static rlt_status intern(rlt_store *store, const char *name, int64_t *id, rlt_err *err) {
    if (find_known(store, name, id)) {
        return RLT_OK;
    }
    RLT_TRY(store_check_text("the name of a metric", name, STORE_NAME_MAX, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_NAME_ADD, &stmt, err));
    store_bind_text(stmt, 1, name);
    RLT_TRY(store_run(store, stmt, "write the name of a metric", err));
    RLT_TRY(store_stmt(store, STMT_NAME_FIND, &stmt, err));
    store_bind_text(stmt, 1, name);
    RLT_TRY(store_row(store, stmt, id, 1, "read the name of a metric", err));
    remember(store, name, *id);
    return RLT_OK;
}

static rlt_status insert_point(rlt_store *store, int64_t trial, int64_t step, const char *name,
                               double value, rlt_err *err) {
    int64_t id = 0;
    RLT_TRY(store_check_trial(store, trial, err));
    RLT_TRY(intern(store, name, &id, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_METRIC, &stmt, err));
    store_bind_int(stmt, 1, trial);
    store_bind_int(stmt, 2, id);
    store_bind_int(stmt, 3, step);
    store_bind_real(stmt, 4, value);
    return store_run(store, stmt, "write a metric point", err);
}

rlt_status rlt_store_metric(rlt_store *store, int64_t trial, int64_t step, const char *name,
                            double value, rlt_err *err) {
    if (step < 0) {
        return rlt_fail(err, RLT_EINVAL, "metric '%.127s': step %lld; allowed: 0 and more", name,
                        (long long)step);
    }
    RLT_TRY(store_enter(store, false, err));
    return store_leave(store, insert_point(store, trial, step, name, value, err), err);
}

rlt_status rlt_store_curve(rlt_store *store, int64_t trial, const char *name,
                           rlt_metric_visit visit, void *user, rlt_err *err) {
    RLT_TRY(store_refresh(store, err));
    sqlite3_stmt *stmt = NULL; /* not a cached one: curves may be read inside each other */
    if (sqlite3_prepare_v2(store->db,
                           "SELECT step, value FROM metrics WHERE trial = ?1 AND name = (SELECT id "
                           "FROM metric_names WHERE name = ?2) ORDER BY step",
                           -1, &stmt, NULL) != SQLITE_OK) {
        return store_fail(store, "read a curve", err);
    }
    store_bind_int(stmt, 1, trial);
    store_bind_text(stmt, 2, name);
    store->visits++;
    rlt_status status = RLT_OK;
    int code = SQLITE_ROW;
    while (status == RLT_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        status = visit(user, sqlite3_column_int64(stmt, 0), store_column_real(stmt, 1), err);
    }
    store->visits--;
    if (status == RLT_OK && code != SQLITE_DONE) {
        status = store_fail(store, "read a curve", err);
    }
    sqlite3_finalize(stmt);
    return status;
}
