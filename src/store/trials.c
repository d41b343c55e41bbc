/* store: trials, their parameters and every transition of their state. A transition is one UPDATE
 * that names the state and attempt it starts from, with its row in `transitions`, in one
 * transaction.
 * Thread: the store's. Owner: a row owns its texts (rlt_trial_row_fini). */
#include "store/store_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const states[] = {"pending", "running",   "paused",
                                     "stopped", "completed", "failed"};
static const char *const roles[] = {"search", "final"}; /* the order of rlt_store_trials */

static rlt_status check_choice(const char *what, const char *name, const char *const *allowed,
                               size_t count, rlt_err *err) {
    rlt_buf list = {0};
    for (size_t i = 0; i < count; i++) {
        if (name != NULL && strcmp(name, allowed[i]) == 0) {
            rlt_buf_fini(&list);
            return RLT_OK;
        }
        rlt_buf_printf(&list, "%s%s", i > 0 ? ", " : "", allowed[i]);
    }
    rlt_status status = rlt_fail(err, RLT_EINVAL, "%s '%.40s' is unknown; allowed: %s", what,
                                 name != NULL ? name : "", list.data);
    rlt_buf_fini(&list);
    return status;
}

static rlt_status insert_transition(rlt_store *store, int64_t trial, int64_t attempt,
                                    const char *from, const char *to, const char *reason,
                                    rlt_err *err) {
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_TRANSITION, &stmt, err));
    store_bind_int(stmt, 1, trial);
    store_bind_int(stmt, 2, attempt);
    store_bind_text(stmt, 3, from);
    store_bind_text(stmt, 4, to);
    store_bind_cut(stmt, 5, reason, STORE_REASON_MAX);
    store_bind_int(stmt, 6, store_now(store));
    return store_run(store, stmt, "write a transition", err);
}

static rlt_status insert_params(rlt_store *store, int64_t trial, const char *json, rlt_err *err) {
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_TRIAL_PARAMS, &stmt, err));
    store_bind_int(stmt, 1, trial);
    store_bind_text(stmt, 2, json);
    return store_run(store, stmt, "write the parameters of a trial", err);
}

static rlt_status insert_trial(rlt_store *store, const rlt_trial_row *row, const char *params,
                               int64_t *id, rlt_err *err) {
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_TRIAL_CREATE, &stmt, err));
    store_bind_int(stmt, 1, row->experiment);
    store_bind_text(stmt, 2, row->role);
    store_bind_int(stmt, 3, row->number);
    store_bind_cut(stmt, 4, row->reason, STORE_REASON_MAX);
    store_bind_int(stmt, 5, row->seed);
    store_bind_text(stmt, 6, params);
    store_bind_text(stmt, 7, row->config_json != NULL ? row->config_json : "{}");
    store_bind_int(stmt, 8, row->configuration);
    store_bind_int(stmt, 9, row->replicate);
    store_bind_int(stmt, 10, row->parent);
    rlt_status status = store_row(store, stmt, id, 1, "write a trial", err);
    return status != RLT_ENOTFOUND
               ? status
               : rlt_fail(err, RLT_EINVAL, "%s: experiment %lld has a %s trial %lld already",
                          store->shown, (long long)row->experiment, row->role,
                          (long long)row->number);
}

static rlt_status create(rlt_store *store, const rlt_trial_row *row, int64_t *id, rlt_err *err) {
    const char *params = row->params_json != NULL ? row->params_json : "{}";
    RLT_TRY(store_check_owner(store, row->experiment, err));
    RLT_TRY(insert_trial(store, row, params, id, err));
    rlt_status status = insert_params(store, *id, params, err);
    if (status == RLT_OK) {
        status = insert_transition(store, *id, 0, NULL, "pending", row->reason, err);
    }
    return store_abandon(store, status);
}

rlt_status rlt_store_trial_create(rlt_store *store, const rlt_trial_row *row, int64_t *id,
                                  rlt_err *err) {
    *id = 0;
    if (row->state[0] != 0 && strcmp(row->state, "pending") != 0) {
        return rlt_fail(err, RLT_EINVAL, "a trial is created as 'pending', not as '%s'",
                        row->state);
    }
    RLT_TRY(check_choice("the role", row->role, roles, RLT_COUNT(roles), err));
    RLT_TRY(store_check_size("the parameters of a trial", row->params_json, STORE_JSON_MAX, err));
    RLT_TRY(store_check_size("the config of a trial", row->config_json, STORE_JSON_MAX, err));
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, create(store, row, id, err), err);
}

static rlt_status fail_stale(rlt_store *store, int64_t trial, const char *from, int64_t attempt,
                             rlt_err *err) {
    rlt_trial_row row;
    RLT_TRY(rlt_store_trial_get(store, trial, &row, err));
    rlt_status status = rlt_fail(err, RLT_ESTALE,
                                 "%s: trial %lld is %s in attempt %lld, not %s in attempt %lld; "
                                 "the caller's view of it is out of date",
                                 store->shown, (long long)trial, row.state, (long long)row.attempt,
                                 from, (long long)attempt);
    rlt_trial_row_fini(&row);
    return status;
}

static rlt_status write_values(rlt_store *store, store_stmt_id id, int64_t trial,
                               const double *values, int count, rlt_err *err) {
    for (int i = 0; values != NULL && i < count; i++) {
        sqlite3_stmt *stmt;
        RLT_TRY(store_stmt(store, id, &stmt, err));
        store_bind_int(stmt, 1, trial);
        store_bind_int(stmt, 2, i);
        store_bind_real(stmt, 3, values[i]);
        RLT_TRY(store_run(store, stmt, "write the values of a trial", err));
    }
    return RLT_OK;
}

/* What belongs to a transition besides the trial's own row. */
static rlt_status write_details(rlt_store *store, const rlt_trial_change *change, int64_t attempt,
                                rlt_err *err) {
    RLT_TRY(insert_transition(store, change->trial, attempt, change->from, change->to,
                              change->reason, err));
    RLT_TRY(write_values(store, STMT_TRIAL_VALUE, change->trial, change->values,
                         change->value_count, err));
    return write_values(store, STMT_TRIAL_CONSTRAINT, change->trial, change->constraints,
                        change->constraint_count, err);
}

static rlt_status change_trial(rlt_store *store, const rlt_trial_change *change, rlt_err *err) {
    RLT_TRY(store_check_trial(store, change->trial, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_TRIAL_CHANGE, &stmt, err));
    store_bind_int(stmt, 1, change->trial);
    store_bind_text(stmt, 2, change->from);
    store_bind_int(stmt, 3, change->attempt);
    store_bind_text(stmt, 4, change->to);
    store_bind_cut(stmt, 5, change->reason, STORE_REASON_MAX);
    store_bind_int(stmt, 6, change->steps);
    store_bind_real(stmt, 7, change->value);
    store_bind_real(stmt, 8, change->best);
    store_bind_real(stmt, 9, change->wall_s);
    int64_t attempt = 0;
    rlt_status status = store_row(store, stmt, &attempt, 1, "change a trial", err);
    if (status == RLT_ENOTFOUND) {
        return fail_stale(store, change->trial, change->from, change->attempt, err);
    }
    RLT_TRY(status);
    RLT_ASSERT(attempt == rlt_trial_change_attempt(change));
    return store_abandon(store, write_details(store, change, attempt, err));
}

int64_t rlt_trial_change_attempt(const rlt_trial_change *change) {
    return change->attempt + (strcmp(change->to, "running") == 0);
}

rlt_status rlt_store_trial_change(rlt_store *store, const rlt_trial_change *change, rlt_err *err) {
    RLT_TRY(check_choice("the state", change->from, states, RLT_COUNT(states), err));
    RLT_TRY(check_choice("the state", change->to, states, RLT_COUNT(states), err));
    RLT_TRY(store_enter(store, true, err));
    return store_leave(store, change_trial(store, change, err), err);
}

static rlt_status progress(rlt_store *store, const rlt_trial_progress *progress, rlt_err *err) {
    RLT_TRY(store_check_trial(store, progress->trial, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_TRIAL_PROGRESS, &stmt, err));
    store_bind_int(stmt, 1, progress->trial);
    store_bind_int(stmt, 2, progress->attempt);
    store_bind_int(stmt, 3, progress->steps);
    store_bind_real(stmt, 4, progress->value);
    store_bind_real(stmt, 5, progress->best);
    store_bind_real(stmt, 6, progress->wall_s);
    int64_t attempt;
    rlt_status status = store_row(store, stmt, &attempt, 1, "write the progress of a trial", err);
    return status == RLT_ENOTFOUND
               ? fail_stale(store, progress->trial, "running", progress->attempt, err)
               : status;
}

rlt_status rlt_store_trial_progress(rlt_store *store, const rlt_trial_progress *change,
                                    rlt_err *err) {
    RLT_TRY(store_enter(store, false, err));
    return store_leave(store, progress(store, change, err), err);
}

/* The columns of STMT_TRIAL_GET and STMT_TRIALS_PAGE, in order. */
static void read_trial(sqlite3_stmt *stmt, rlt_trial_row *row) {
    row->id = sqlite3_column_int64(stmt, 0);
    row->experiment = sqlite3_column_int64(stmt, 1);
    row->number = sqlite3_column_int64(stmt, 2);
    store_column_copy(stmt, 3, row->role, sizeof row->role);
    store_column_copy(stmt, 4, row->state, sizeof row->state);
    store_column_copy(stmt, 5, row->reason, sizeof row->reason);
    row->seed = sqlite3_column_int64(stmt, 6);
    row->attempt = sqlite3_column_int64(stmt, 7);
    row->steps = sqlite3_column_int64(stmt, 8);
    row->configuration =
        sqlite3_column_type(stmt, 14) == SQLITE_NULL ? -1 : sqlite3_column_int64(stmt, 14);
    row->replicate = sqlite3_column_int64(stmt, 15);
    row->parent = sqlite3_column_int64(stmt, 16);
    row->value = store_column_real(stmt, 9);
    row->best = store_column_real(stmt, 10);
    row->wall_s = store_column_real(stmt, 11);
    row->params_json = store_column_dup(stmt, 12);
    row->config_json = store_column_dup(stmt, 13);
}

void rlt_trial_row_fini(rlt_trial_row *row) {
    rlt_free(row->params_json);
    rlt_free(row->config_json);
    *row = (rlt_trial_row){0};
}

enum { PAGE = 16 }; /* rows may be large */
typedef struct trial_page {
    rlt_trial_row rows[PAGE];
    int count;
} trial_page;

static rlt_status read_page(rlt_store *store, sqlite3_stmt *stmt, trial_page *page, rlt_err *err) {
    page->count = 0;
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        RLT_ASSERT(page->count < PAGE);
        read_trial(stmt, &page->rows[page->count++]);
    }
    sqlite3_reset(stmt);
    return code == SQLITE_DONE ? RLT_OK : store_fail(store, "read the trials", err);
}

static void page_fini(trial_page *page) {
    for (int i = 0; i < page->count; i++) {
        rlt_trial_row_fini(&page->rows[i]);
    }
    page->count = 0;
}

static rlt_status fail_no_trial(const rlt_store *store, int64_t trial, rlt_err *err) {
    return rlt_fail(err, RLT_ENOTFOUND, "%s: there is no trial %lld", store->shown,
                    (long long)trial);
}

rlt_status rlt_store_trial_get(rlt_store *store, int64_t trial, rlt_trial_row *row, rlt_err *err) {
    *row = (rlt_trial_row){0};
    RLT_TRY(store_refresh(store, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_TRIAL_GET, &stmt, err));
    store_bind_int(stmt, 1, trial);
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        read_trial(stmt, row);
    }
    sqlite3_reset(stmt);
    if (code == SQLITE_DONE) {
        return fail_no_trial(store, trial, err);
    }
    return code == SQLITE_ROW ? RLT_OK : store_fail(store, "read a trial", err);
}

rlt_status rlt_store_trial_texts(rlt_store *store, int64_t trial, rlt_trial_texts *texts,
                                 rlt_err *err) {
    *texts = (rlt_trial_texts){0};
    RLT_TRY(store_refresh(store, err));
    sqlite3_stmt *stmt;
    RLT_TRY(store_stmt(store, STMT_TRIAL_TEXTS, &stmt, err));
    store_bind_int(stmt, 1, trial);
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        *texts = (rlt_trial_texts){.reason = store_column_dup(stmt, 0),
                                   .params_json = store_column_dup(stmt, 1),
                                   .config_json = store_column_dup(stmt, 2),
                                   .origin = store_column_dup(stmt, 3),
                                   .since = sqlite3_column_int64(stmt, 4)};
    }
    sqlite3_reset(stmt);
    if (code == SQLITE_DONE) {
        return fail_no_trial(store, trial, err);
    }
    return code == SQLITE_ROW ? RLT_OK : store_fail(store, "read a trial", err);
}

void rlt_trial_texts_fini(rlt_trial_texts *texts) {
    rlt_free(texts->reason);
    rlt_free(texts->params_json);
    rlt_free(texts->config_json);
    rlt_free(texts->origin);
    *texts = (rlt_trial_texts){0};
}

/* Pages of one role: no statement is open while the callback runs, so that it may write. */
static rlt_status visit_role(rlt_store *store, int64_t experiment, const char *role,
                             trial_page *page, rlt_trial_visit visit, void *user, rlt_err *err) {
    int64_t last = -1;
    do {
        sqlite3_stmt *stmt;
        RLT_TRY(store_stmt(store, STMT_TRIALS_PAGE, &stmt, err));
        store_bind_int(stmt, 1, experiment);
        store_bind_text(stmt, 2, role);
        store_bind_int(stmt, 3, last);
        store_bind_int(stmt, 4, PAGE);
        rlt_status status = read_page(store, stmt, page, err);
        bool full = page->count == PAGE;
        for (int i = 0; status == RLT_OK && i < page->count; i++) {
            status = visit(user, &page->rows[i], err);
            last = page->rows[i].number;
        }
        page_fini(page);
        RLT_TRY(status);
        if (!full) {
            return RLT_OK;
        }
    } while (true);
}

rlt_status rlt_store_trials(rlt_store *store, int64_t experiment, rlt_trial_visit visit, void *user,
                            rlt_err *err) {
    RLT_TRY(store_refresh(store, err));
    trial_page *page = rlt_alloc(sizeof *page);
    rlt_status status = RLT_OK;
    for (size_t i = 0; status == RLT_OK && i < RLT_COUNT(roles); i++) {
        status = visit_role(store, experiment, roles[i], page, visit, user, err);
    }
    rlt_free(page);
    return status;
}
