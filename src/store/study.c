/* store: what a search may change about itself while it lives: its configuration, points that
 * somebody wants tried, trials of an earlier experiment to learn from, and who outside of the
 * driver runs a trial. Thread: the store's. Owner: rows are borrowed. */
#include "store/store_impl.h"

#include <string.h>

/* ?1 is the id, ?2 and ?3 texts. */
static rlt_status run_texts(rlt_store *store, store_stmt_id id, int64_t key, const char *first,
                            const char *second, const char *what, rlt_err *err) {
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, id, &stmt, err));
    store_bind_int(stmt, 1, key);
    store_bind_text(stmt, 2, first);
    if (second != NULL) {
        store_bind_text(stmt, 3, second);
    }
    return store_run(store, stmt, what, err);
}

static rlt_status set_config(rlt_store *store, int64_t id, const char *json, rlt_err *err) {
    RLT_TRY(store_check_owner(store, id, err));
    return run_texts(store, STMT_EXPERIMENT_CONFIG, id, json, NULL, "write a configuration", err);
}

rlt_status rlt_store_experiment_config(rlt_store *store, int64_t experiment, const char *json,
                                       rlt_err *err) {
    RLT_TRY(store_check_size("the configuration of an experiment", json, STORE_JSON_MAX, err));
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, set_config(store, experiment, json, err), err);
}

static rlt_status set_params(rlt_store *store, int64_t trial, const char *params,
                             const char *config, rlt_err *err) {
    RLT_TRY(store_check_trial(store, trial, err));
    RLT_TRY(run_texts(store, STMT_TRIAL_SET, trial, params, config, "write parameters", err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_TRIAL_PARAMS, &stmt, err));
    store_bind_int(stmt, 1, trial);
    store_bind_text(stmt, 2, params);
    return store_run(store, stmt, "write the parameters of a trial", err);
}

rlt_status rlt_store_trial_params(rlt_store *store, int64_t trial, const char *params,
                                  const char *config, rlt_err *err) {
    RLT_TRY(store_check_size("the parameters of a trial", params, STORE_JSON_MAX, err));
    RLT_TRY(store_check_size("the config of a trial", config, STORE_JSON_MAX, err));
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, set_params(store, trial, params, config, err), err);
}

static rlt_status enqueue(rlt_store *store, int64_t experiment, const char *params,
                          const char *origin, int64_t *id, rlt_err *err) {
    RLT_TRY(store_check_owner(store, experiment, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_ENQUEUE, &stmt, err));
    store_bind_int(stmt, 1, experiment);
    store_bind_text(stmt, 2, params);
    store_bind_text(stmt, 3, origin);
    store_bind_int(stmt, 4, rlt_wall_ms());
    return store_row(store, stmt, id, 1, "queue a point", err);
}

rlt_status rlt_store_enqueue(rlt_store *store, int64_t experiment, const char *params,
                             const char *origin, int64_t *id, rlt_err *err) {
    RLT_TRY(store_check_size("a queued point", params, STORE_JSON_MAX, err));
    RLT_TRY(store_check_text("the origin of a point", origin, STORE_NAME_MAX, err));
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, enqueue(store, experiment, params, origin, id, err), err);
}

static rlt_status take(rlt_store *store, int64_t id, int64_t trial, rlt_err *err) {
    RLT_TRY(store_check_trial(store, trial, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_QUEUE_TAKE, &stmt, err));
    store_bind_int(stmt, 1, id);
    store_bind_int(stmt, 2, trial);
    return store_run(store, stmt, "take a queued point", err);
}

rlt_status rlt_store_queue_take(rlt_store *store, int64_t id, int64_t trial, rlt_err *err) {
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, take(store, id, trial, err), err);
}

static rlt_status add_earlier(rlt_store *store, const rlt_earlier_row *row, rlt_err *err) {
    RLT_TRY(store_check_owner(store, row->experiment, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_EARLIER_ADD, &stmt, err));
    store_bind_int(stmt, 1, row->experiment);
    store_bind_int(stmt, 2, row->position);
    store_bind_cut(stmt, 3, row->origin, STORE_REASON_MAX);
    store_bind_text(stmt, 4, row->state);
    store_bind_int(stmt, 5, row->steps);
    store_bind_text(stmt, 6, row->params_json);
    store_bind_text(stmt, 7, row->values_json);
    store_bind_text(stmt, 8, row->constraints_json);
    return store_run(store, stmt, "keep an earlier trial", err);
}

rlt_status rlt_store_earlier_add(rlt_store *store, const rlt_earlier_row *row, rlt_err *err) {
    RLT_TRY(store_check_size("parameters", row->params_json, STORE_JSON_MAX, err));
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, add_earlier(store, row, err), err);
}

static rlt_status set_lease(rlt_store *store, int64_t trial, const char *client, rlt_err *err) {
    RLT_TRY(store_check_trial(store, trial, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_LEASE, &stmt, err));
    store_bind_int(stmt, 1, trial);
    store_bind_cut(stmt, 2, client, STORE_REASON_MAX);
    store_bind_int(stmt, 3, rlt_wall_ms());
    return store_run(store, stmt, "write a lease", err);
}

rlt_status rlt_store_lease(rlt_store *store, int64_t trial, const char *client, rlt_err *err) {
    RLT_TRY(store_enter(store, false, err));
    return store_leave(store, set_lease(store, trial, client, err), err);
}

static rlt_status end_lease(rlt_store *store, int64_t trial, rlt_err *err) {
    RLT_TRY(store_check_trial(store, trial, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_LEASE_END, &stmt, err));
    store_bind_int(stmt, 1, trial);
    return store_run(store, stmt, "end a lease", err);
}

rlt_status rlt_store_lease_end(rlt_store *store, int64_t trial, rlt_err *err) {
    RLT_TRY(store_enter(store, false, err));
    return store_leave(store, end_lease(store, trial, err), err);
}
