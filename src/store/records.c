/* store: checkpoints, decisions of stoppers, events.
 * Thread: the store's. Owner: the caller owns every row it passes or receives. */
#include "store/store_impl.h"

#include <string.h>

static rlt_status check_checkpoint(const rlt_checkpoint_row *row, rlt_err *err) {
    RLT_TRY(store_check_text("the path of a checkpoint", row->path, STORE_PATH_MAX, err));
    if (strspn(row->sha256, "0123456789abcdef") != 64 || row->sha256[64] != 0) {
        return rlt_fail(err, RLT_EINVAL,
                        "checkpoint %.200s: its sha256 '%.64s' is not 64 digits 0-9a-f", row->path,
                        row->sha256);
    }
    if (row->step < 0 || row->size < 0) {
        return rlt_fail(err, RLT_EINVAL, "checkpoint %.200s: step %lld, size %lld; both are >= 0",
                        row->path, (long long)row->step, (long long)row->size);
    }
    return RLT_OK;
}

/* RLT_ESTALE unless `attempt` is the newest of the trial. */
static rlt_status check_attempt(rlt_store *store, int64_t trial, int64_t attempt, rlt_err *err) {
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_TRIAL_FENCE, &stmt, err));
    store_bind_int(stmt, 1, trial);
    store_bind_int(stmt, 2, attempt);
    int64_t row;
    rlt_status status = store_row(store, stmt, &row, 1, "read a trial", err);
    return status != RLT_ENOTFOUND
               ? status
               : rlt_fail(err, RLT_ESTALE,
                          "%s: attempt %lld of trial %lld is not its newest; its checkpoint was "
                          "refused",
                          store->shown, (long long)attempt, (long long)trial);
}

static rlt_status add_checkpoint(rlt_store *store, const rlt_checkpoint_row *row, rlt_err *err) {
    RLT_TRY(store_check_trial(store, row->trial, err));
    RLT_TRY(check_attempt(store, row->trial, row->attempt, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_CHECKPOINT_ADD, &stmt, err));
    store_bind_int(stmt, 1, row->trial);
    store_bind_int(stmt, 2, row->attempt);
    store_bind_int(stmt, 3, row->step);
    store_bind_text(stmt, 4, row->path);
    store_bind_text(stmt, 5, row->sha256);
    store_bind_int(stmt, 6, row->size);
    store_bind_int(stmt, 7, store_now(store));
    return store_run(store, stmt, "write a checkpoint's row", err);
}

rlt_status rlt_store_checkpoint_add(rlt_store *store, const rlt_checkpoint_row *row, rlt_err *err) {
    RLT_TRY(check_checkpoint(row, err));
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, add_checkpoint(store, row, err), err);
}

static void read_checkpoint(sqlite3_stmt *stmt, rlt_checkpoint_row *row) {
    row->id = sqlite3_column_int64(stmt, 0);
    row->trial = sqlite3_column_int64(stmt, 1);
    row->attempt = sqlite3_column_int64(stmt, 2);
    row->step = sqlite3_column_int64(stmt, 3);
    store_column_copy(stmt, 4, row->path, sizeof row->path);
    store_column_copy(stmt, 5, row->sha256, sizeof row->sha256);
    row->size = sqlite3_column_int64(stmt, 6);
}

rlt_status rlt_store_checkpoint_latest(rlt_store *store, int64_t trial, int64_t step_max,
                                       rlt_checkpoint_row *row, rlt_err *err) {
    *row = (rlt_checkpoint_row){0};
    RLT_TRY(store_refresh(store, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_CHECKPOINT_LATEST, &stmt, err));
    store_bind_int(stmt, 1, trial);
    store_bind_int(stmt, 2, step_max);
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        read_checkpoint(stmt, row);
    }
    sqlite3_reset(stmt);
    if (code == SQLITE_DONE) {
        return rlt_fail(err, RLT_ENOTFOUND, "%s: trial %lld has no checkpoint up to step %lld",
                        store->shown, (long long)trial, (long long)step_max);
    }
    return code == SQLITE_ROW ? RLT_OK : store_fail(store, "read a checkpoint's row", err);
}

enum { PAGE = 64 };

static rlt_status read_page(rlt_store *store, int64_t experiment, int64_t last,
                            rlt_checkpoint_row *page, int *count, rlt_err *err) {
    *count = 0;
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_CHECKPOINTS_PAGE, &stmt, err));
    store_bind_int(stmt, 1, experiment);
    store_bind_int(stmt, 2, last);
    store_bind_int(stmt, 3, PAGE);
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        RLT_ASSERT(*count < PAGE);
        read_checkpoint(stmt, &page[(*count)++]);
    }
    sqlite3_reset(stmt);
    return code == SQLITE_DONE ? RLT_OK : store_fail(store, "read the checkpoints' rows", err);
}

rlt_status rlt_store_checkpoints(rlt_store *store, int64_t experiment, rlt_checkpoint_visit visit,
                                 void *user, rlt_err *err) {
    RLT_TRY(store_refresh(store, err));
    rlt_checkpoint_row *page = rlt_alloc(PAGE * sizeof *page);
    int64_t last = 0;
    int count;
    rlt_status status;
    do {
        status = read_page(store, experiment, last, page, &count, err);
        for (int i = 0; status == RLT_OK && i < count; i++) {
            status = visit(user, &page[i], err);
            last = page[i].id;
        }
    } while (status == RLT_OK && count == PAGE);
    rlt_free(page);
    return status;
}

static rlt_status remove_checkpoint(rlt_store *store, int64_t id, rlt_err *err) {
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_CHECKPOINT_TRIAL, &stmt, err));
    store_bind_int(stmt, 1, id);
    int64_t trial = 0;
    rlt_status status = store_row(store, stmt, &trial, 1, "read a checkpoint's row", err);
    if (status == RLT_ENOTFOUND) {
        return rlt_fail(err, RLT_ENOTFOUND, "%s: there is no checkpoint %lld", store->shown,
                        (long long)id);
    }
    RLT_TRY(status);
    RLT_TRY(store_check_trial(store, trial, err));
    RLT_TRY(store_stmt(store, STMT_CHECKPOINT_REMOVE, &stmt, err));
    store_bind_int(stmt, 1, id);
    return store_run(store, stmt, "remove a checkpoint's row", err);
}

rlt_status rlt_store_checkpoint_remove(rlt_store *store, int64_t id, rlt_err *err) {
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, remove_checkpoint(store, id, err), err);
}

static rlt_status insert_decision(rlt_store *store, const rlt_decision_row *row, rlt_err *err) {
    RLT_TRY(store_check_trial(store, row->trial, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_DECISION, &stmt, err));
    store_bind_int(stmt, 1, row->trial);
    store_bind_int(stmt, 2, row->step);
    store_bind_text(stmt, 3, row->decider);
    store_bind_text(stmt, 4, row->action);
    store_bind_cut(stmt, 5, row->reason, STORE_REASON_MAX);
    store_bind_text(stmt, 6, row->numbers_json != NULL ? row->numbers_json : "{}");
    store_bind_int(stmt, 7, store_now(store));
    store_bind_int(stmt, 8, row->round);
    return store_run(store, stmt, "write a decision", err);
}

rlt_status rlt_store_decide(rlt_store *store, const rlt_decision_row *row, rlt_err *err) {
    RLT_TRY(store_check_text("the decider", row->decider, STORE_NAME_MAX, err));
    RLT_TRY(store_check_text("the action of a decision", row->action, STORE_NAME_MAX, err));
    RLT_TRY(
        store_check_size("the numbers of a decision", row->numbers_json, STORE_NUMBERS_MAX, err));
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, insert_decision(store, row, err), err);
}

rlt_status rlt_store_decision(rlt_store *store, int64_t trial, int64_t step, const char *decider,
                              const char *action, const char *numbers_json, const char *reason,
                              rlt_err *err) {
    const rlt_decision_row row = {.trial = trial,
                                  .step = step,
                                  .decider = decider,
                                  .action = action,
                                  .numbers_json = numbers_json,
                                  .reason = reason};
    return rlt_store_decide(store, &row, err);
}

static rlt_status insert_exploit(rlt_store *store, const rlt_exploit_row *row, rlt_err *err) {
    RLT_TRY(store_check_trial(store, row->trial, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_EXPLOIT, &stmt, err));
    store_bind_int(stmt, 1, row->trial);
    store_bind_int(stmt, 2, row->step);
    store_bind_text(stmt, 3, row->decider);
    store_bind_int(stmt, 4, row->round);
    store_bind_int(stmt, 5, row->at);
    store_bind_int(stmt, 6, row->source);
    store_bind_int(stmt, 7, row->source_step);
    store_bind_text(stmt, 8, row->params_json);
    int64_t decision;
    rlt_status status = store_row(store, stmt, &decision, 1, "write what a trial copies", err);
    return status != RLT_ENOTFOUND
               ? status
               : rlt_fail(err, RLT_EINVAL,
                          "%s: there is no decision of %.40s on trial %lld at step %lld that it "
                          "copies another",
                          store->shown, row->decider, (long long)row->trial, (long long)row->step);
}

rlt_status rlt_store_exploit(rlt_store *store, const rlt_exploit_row *row, rlt_err *err) {
    RLT_TRY(store_check_size("the parameters of a trial", row->params_json, STORE_JSON_MAX, err));
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, insert_exploit(store, row, err), err);
}

static rlt_status void_exploit(rlt_store *store, int64_t trial, int64_t step, bool *voided,
                               rlt_err *err) {
    RLT_TRY(store_check_trial(store, trial, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_EXPLOIT_VOID, &stmt, err));
    store_bind_int(stmt, 1, trial);
    store_bind_int(stmt, 2, step);
    int64_t decision;
    rlt_status status = store_row(store, stmt, &decision, 1, "void what a trial copies", err);
    *voided = status == RLT_OK;
    return status == RLT_ENOTFOUND ? RLT_OK : status;
}

rlt_status rlt_store_exploit_void(rlt_store *store, int64_t trial, int64_t step, bool *voided,
                                  rlt_err *err) {
    *voided = false;
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, void_exploit(store, trial, step, voided, err), err);
}

rlt_status rlt_store_params(rlt_store *store, int64_t trial, int64_t step, char **params_json,
                            int64_t *at, int64_t *source, rlt_err *err) {
    *params_json = NULL;
    RLT_TRY(store_refresh(store, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_PARAMS, &stmt, err));
    store_bind_int(stmt, 1, trial);
    store_bind_int(stmt, 2, step);
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        *params_json = store_column_dup(stmt, 0);
        *at = sqlite3_column_int64(stmt, 1);
        *source = sqlite3_column_int64(stmt, 2);
    }
    sqlite3_reset(stmt);
    if (code == SQLITE_DONE) {
        return rlt_fail(err, RLT_ENOTFOUND, "%s: there is no trial %lld", store->shown,
                        (long long)trial);
    }
    return code == SQLITE_ROW ? RLT_OK : store_fail(store, "read the parameters of a trial", err);
}

static rlt_status insert_event(rlt_store *store, int64_t experiment, int64_t trial,
                               const char *kind, const char *text, rlt_err *err) {
    RLT_TRY(store_check_owner(store, experiment, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_EVENT, &stmt, err));
    store_bind_int(stmt, 1, experiment);
    store_bind_int(stmt, 2, trial);
    store_bind_int(stmt, 3, store_now(store));
    store_bind_text(stmt, 4, kind);
    store_bind_cut(stmt, 5, text, STORE_TEXT_MAX);
    return store_run(store, stmt, "write an event", err);
}

rlt_status rlt_store_event(rlt_store *store, int64_t experiment, int64_t trial, const char *kind,
                           const char *text, rlt_err *err) {
    RLT_TRY(store_check_text("the kind of an event", kind, STORE_NAME_MAX, err));
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, insert_event(store, experiment, trial, kind, text, err), err);
}
