/* store: rows of experiments, with their first objective.
 * Thread: the store's. Owner: a row owns its texts (rlt_experiment_row_fini). */
#include "store/store_impl.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOCK_PATIENCE_MS = 500 };

static rlt_status check_row(const rlt_experiment_row *row, rlt_err *err) {
    RLT_TRY(store_check_text("the experiment's name", row->name, STORE_NAME_MAX, err));
    RLT_TRY(store_check_size("the experiment's config", row->config_json, STORE_JSON_MAX, err));
    RLT_TRY(store_check_size("the experiment's facts", row->facts_json, STORE_JSON_MAX, err));
    return store_check_size("the experiment's script", row->script, STORE_JSON_MAX, err);
}

static const char *or_object(const char *json) {
    return json != NULL ? json : "{}";
}

static rlt_status insert_experiment(rlt_store *store, const rlt_experiment_row *row, int64_t *id,
                                    rlt_err *err) {
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_EXPERIMENT_CREATE, &stmt, err));
    store_bind_text(stmt, 1, row->name);
    store_bind_int(stmt, 2, getpid());
    store_bind_int(stmt, 3, store_now(store));
    store_bind_text(stmt, 4, row->script_path);
    store_bind_text(stmt, 5, row->script);
    store_bind_text(stmt, 6, or_object(row->config_json));
    store_bind_text(stmt, 7, or_object(row->facts_json));
    return store_row(store, stmt, id, 1, "write the experiment", err);
}

static rlt_status insert_objective(rlt_store *store, int64_t experiment, int position,
                                   const char *metric, bool maximise, rlt_err *err) {
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_OBJECTIVE_CREATE, &stmt, err));
    store_bind_int(stmt, 1, experiment);
    store_bind_text(stmt, 2, metric);
    store_bind_int(stmt, 3, maximise);
    store_bind_int(stmt, 4, position);
    return store_run(store, stmt, "write the objective", err);
}

static rlt_status add_objective(rlt_store *store, int64_t experiment, int position,
                                const char *metric, bool maximise, rlt_err *err) {
    RLT_TRY(store_check_owner(store, experiment, err));
    return insert_objective(store, experiment, position, metric, maximise, err);
}

rlt_status rlt_store_objective_add(rlt_store *store, int64_t experiment, int position,
                                   const char *metric, bool maximise, rlt_err *err) {
    RLT_TRY(store_check_text("the metric", metric, STORE_NAME_MAX, err));
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, add_objective(store, experiment, position, metric, maximise, err),
                       err);
}

static rlt_status add_constraint(rlt_store *store, int64_t experiment, int position,
                                 const char *metric, rlt_err *err) {
    sqlite3_stmt *stmt;
    RLT_TRY(store_check_owner(store, experiment, err));
    RLT_TRY(store_stmt(store, STMT_CONSTRAINT_CREATE, &stmt, err));
    store_bind_int(stmt, 1, experiment);
    store_bind_int(stmt, 2, position);
    store_bind_text(stmt, 3, metric);
    return store_run(store, stmt, "write the constraint", err);
}

rlt_status rlt_store_constraint_add(rlt_store *store, int64_t experiment, int position,
                                    const char *metric, rlt_err *err) {
    RLT_TRY(store_check_text("the constraint", metric, STORE_NAME_MAX, err));
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, add_constraint(store, experiment, position, metric, err), err);
}

static rlt_status check_room(rlt_store *store, rlt_err *err) {
    return store->owned_count < STORE_OWNED_MAX
               ? RLT_OK
               : rlt_fail(err, RLT_ELIMIT, "%s: one process drives at most %d experiments",
                          store->shown, STORE_OWNED_MAX);
}

static rlt_status fail_owned(rlt_store *store, int64_t id, rlt_err *err) {
    rlt_experiment_row row = {0};
    rlt_status status = rlt_store_experiment_get(store, id, &row, err);
    if (status == RLT_OK) {
        status = rlt_fail(err, RLT_EBUSY,
                          "%s: experiment %lld is driven by process %lld, which is alive; wait for "
                          "it, or end it with `rltune stop %lld` or by its process id",
                          store->shown, (long long)id, (long long)row.driver_pid, (long long)id);
    }
    rlt_experiment_row_fini(&row);
    return status;
}

static rlt_status create(rlt_store *store, const rlt_experiment_row *row, int64_t *id,
                         rlt_err *err) {
    RLT_TRY(check_room(store, err));
    RLT_TRY(insert_experiment(store, row, id, err));
    rlt_status status = row->metric[0] == 0 /* a single run ranks nothing */
                            ? RLT_OK
                            : insert_objective(store, *id, 0, row->metric, row->maximise, err);
    if (status == RLT_OK) {
        status = store_lock(store, *id, err); /* before anybody can see the row */
        status = status == RLT_EBUSY ? fail_owned(store, *id, err) : status;
    }
    if (status == RLT_OK) {
        store_owned_add(store, *id, 1);
    }
    return store_abandon(store, status);
}

rlt_status rlt_store_experiment_create(rlt_store *store, const rlt_experiment_row *row, int64_t *id,
                                       rlt_err *err) {
    *id = 0;
    RLT_TRY(check_row(row, err));
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, create(store, row, id, err), err);
}

static rlt_status own(rlt_store *store, int64_t id, int64_t *epoch, rlt_err *err) {
    RLT_TRY(check_room(store, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_EXPERIMENT_OWN, &stmt, err));
    store_bind_int(stmt, 1, id);
    store_bind_int(stmt, 2, getpid());
    rlt_status status = store_row(store, stmt, epoch, 1, "take the experiment", err);
    if (status == RLT_ENOTFOUND) {
        return rlt_fail(err, status, "%s: experiment %lld has been deleted", store->shown,
                        (long long)id);
    }
    RLT_TRY(status);
    store_owned_add(store, id, *epoch);
    return RLT_OK;
}

/* A driver that was killed while it started a process leaves its lock to that child for the moment
 * between fork and exec; so a lock that is held is looked at again for a while. */
static rlt_status lock_patiently(rlt_store *store, int64_t id, rlt_err *err) {
    uint64_t end = rlt_clock_ns() + (uint64_t)LOCK_PATIENCE_MS * 1000000;
    rlt_status status;
    while ((status = store_lock(store, id, err)) == RLT_EBUSY && rlt_clock_ns() < end) {
        usleep(5000);
    }
    return status;
}

rlt_status rlt_store_experiment_own(rlt_store *store, int64_t id, int64_t *epoch, rlt_err *err) {
    *epoch = 0;
    rlt_experiment_row row = {0};
    RLT_TRY(rlt_store_experiment_get(store, id, &row, err));
    rlt_experiment_row_fini(&row);
    RLT_TRY(store_enter(store, true, err));
    bool ours = store_check_owner(store, id, NULL) == RLT_OK;
    rlt_status status = lock_patiently(store, id, err);
    if (status == RLT_EBUSY) {
        status = fail_owned(store, id, err);
    } else if (status == RLT_OK) {
        status = own(store, id, epoch, err);
        if (status != RLT_OK && !ours) {
            store_unlock(store, id);
        }
    }
    return store_leave(store, status, err);
}

static rlt_status end(rlt_store *store, int64_t id, const char *state, rlt_err *err) {
    RLT_TRY(store_check_owner(store, id, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_EXPERIMENT_END, &stmt, err));
    store_bind_int(stmt, 1, id);
    store_bind_text(stmt, 2, state);
    store_bind_int(stmt, 3, store_now(store));
    int64_t row;
    return store_row(store, stmt, &row, 1, "end the experiment", err);
}

rlt_status rlt_store_experiment_end(rlt_store *store, int64_t id, const char *state, rlt_err *err) {
    static const char *const allowed[] = {"stopped", "completed", "failed"};
    for (size_t i = 0; i < RLT_COUNT(allowed); i++) {
        if (strcmp(state, allowed[i]) == 0) {
            RLT_TRY(store_enter(store, true, err));
            return store_leave(store, end(store, id, state, err), err);
        }
    }
    return rlt_fail(err, RLT_EINVAL,
                    "an experiment cannot end as '%s'; allowed: stopped, completed, failed", state);
}

typedef struct listing {
    rlt_buf text;
    int count;
} listing;

static rlt_status list_one(void *user, int columns, const char *const *names,
                           const char *const *values, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    listing *list = user;
    rlt_buf_printf(&list->text, "%s%s (%.40s)", list->count > 0 ? ", " : "", values[0], values[1]);
    list->count++;
    return RLT_OK;
}

static rlt_status fail_missing(rlt_store *store, int64_t id, rlt_err *err) {
    listing list = {0};
    rlt_status status =
        rlt_store_query(store, "SELECT id, name FROM experiments ORDER BY id DESC LIMIT 5", NULL, 0,
                        list_one, &list, err);
    if (status == RLT_OK) {
        status = rlt_fail(err, RLT_ENOTFOUND, "%s: there is no experiment %lld; %s%s", store->shown,
                          (long long)id, list.count > 0 ? "the newest are " : "it has none yet",
                          list.count > 0 ? list.text.data : "");
    }
    rlt_buf_fini(&list.text);
    return status;
}

rlt_status rlt_store_experiment_get(rlt_store *store, int64_t id, rlt_experiment_row *row,
                                    rlt_err *err) {
    *row = (rlt_experiment_row){0};
    RLT_TRY(store_refresh(store, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_EXPERIMENT_GET, &stmt, err));
    store_bind_int(stmt, 1, id);
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        row->id = id;
        store_column_copy(stmt, 0, row->name, sizeof row->name);
        store_column_copy(stmt, 1, row->state, sizeof row->state);
        store_column_copy(stmt, 2, row->metric, sizeof row->metric);
        row->maximise = sqlite3_column_type(stmt, 3) == SQLITE_NULL || sqlite3_column_int(stmt, 3);
        row->driver_pid = sqlite3_column_int64(stmt, 4);
        row->epoch = sqlite3_column_int64(stmt, 5);
        row->created_ms = sqlite3_column_int64(stmt, 6);
        row->ended_ms = sqlite3_column_int64(stmt, 7);
        row->config_json = store_column_dup(stmt, 8);
        row->script = store_column_dup(stmt, 9);
        row->script_path = store_column_dup(stmt, 10);
        row->facts_json = store_column_dup(stmt, 11);
    }
    rlt_status status = code == SQLITE_ROW || code == SQLITE_DONE
                            ? RLT_OK
                            : store_fail(store, "read an experiment", err);
    sqlite3_reset(stmt);
    return code == SQLITE_DONE ? fail_missing(store, id, err) : status;
}

void rlt_experiment_row_fini(rlt_experiment_row *row) {
    rlt_free(row->config_json);
    rlt_free(row->script);
    rlt_free(row->script_path);
    rlt_free(row->facts_json);
    *row = (rlt_experiment_row){0};
}
