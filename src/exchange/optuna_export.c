/* exchange: an experiment's search trials as a new Optuna study.
 * Why into a temporary file: the study appears whole or not at all.
 * Thread: the store's. Owner: the caller. */
#include "exchange/exchange_impl.h"
#include "tuner/tuner.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum { PUT_TRIAL, PUT_PARAM, PUT_VALUE, PUT_STEP, PUT_SYSTEM, PUT_USER, PUT_COUNT } put;
static const char *const put_sql[PUT_COUNT] = {
    [PUT_TRIAL] = "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, "
                  "datetime_complete) VALUES (?1, ?2, 1, ?3, nullif(?4, ''), nullif(?5, ''))",
    [PUT_PARAM] = "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
                  "VALUES (?1, ?2, ?3, ?4)",
    [PUT_VALUE] = "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?1, "
                  "?2, ?3, ?4)",
    [PUT_STEP] = "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, "
                 "intermediate_value_type) VALUES (?1, ?2, ?3, ?4)",
    [PUT_SYSTEM] = "INSERT OR REPLACE INTO trial_system_attributes (trial_id, key, value_json) "
                   "VALUES (?1, ?2, ?3)",
    [PUT_USER] = "INSERT OR REPLACE INTO trial_user_attributes (trial_id, key, value_json) VALUES "
                 "(?1, ?2, ?3)"};

typedef struct exporting {
    rlt_store *store;
    int64_t experiment;
    bool alive;
    rlt_notes *notes;
    sqlite3 *db;
    const char *path; /* of the temporary file */
    sqlite3_stmt *stmts[PUT_COUNT];
    optuna_export_space space;
    int objective_count, constraint_count;
    char metric[RLT_NAME_MAX];
    double values[RLT_OBJECTIVES_MAX], constraints[RLT_CONSTRAINTS_MAX]; /* of the trial at hand */
    int64_t trial;                                                       /* its id in the study */
    int64_t started_ms, ended_ms, unmeasured, outside;
} exporting;

static rlt_status fail_sql(const exporting *out, rlt_err *err) {
    int code = sqlite3_errcode(out->db) & 0xff;
    return rlt_fail(err, code == SQLITE_FULL ? RLT_EFULL : RLT_EIO, "%s: could not write: %s",
                    out->path, sqlite3_errmsg(out->db));
}

static rlt_status exec(const exporting *out, const char *sql, rlt_err *err) {
    return sqlite3_exec(out->db, sql, NULL, NULL, NULL) == SQLITE_OK ? RLT_OK : fail_sql(out, err);
}

/* Runs the statement whose parameters are bound. */
static rlt_status run(const exporting *out, sqlite3_stmt *stmt, rlt_err *err) {
    int code = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return code == SQLITE_DONE ? RLT_OK : fail_sql(out, err);
}

static void bind_text(sqlite3_stmt *stmt, int at, const char *text) {
    sqlite3_bind_text(stmt, at, text, -1, SQLITE_TRANSIENT);
}

/* A number and its type, as Optuna keeps what SQL has no number for. */
static void bind_typed(sqlite3_stmt *stmt, int at, double x) {
    if (isfinite(x)) {
        sqlite3_bind_double(stmt, at, x);
    }
    bind_text(stmt, at + 1,
              isfinite(x) ? "FINITE"
              : isnan(x)  ? "NAN"
              : x > 0     ? "INF_POS"
                          : "INF_NEG");
}

/* ---- the study ---- */

static rlt_status put_study(const exporting *out, const char *name, rlt_err *err) {
    sqlite3_stmt *stmt = NULL;
    RLT_TRY(exec(out, optuna_schema, err));
    if (sqlite3_prepare_v2(out->db, "INSERT INTO studies VALUES (1, ?1)", -1, &stmt, NULL) !=
        SQLITE_OK) {
        return fail_sql(out, err);
    }
    bind_text(stmt, 1, name);
    rlt_status status = run(out, stmt, err);
    sqlite3_finalize(stmt);
    return status;
}

static rlt_status put_study_attribute(const exporting *out, bool user, const char *key,
                                      const json_t *value, rlt_err *err) {
    sqlite3_stmt *stmt = NULL;
    const char *sql =
        user ? "INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (1, ?1, ?2)"
             : "INSERT INTO study_system_attributes (study_id, key, value_json) VALUES (1, ?1, ?2)";
    if (sqlite3_prepare_v2(out->db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        return fail_sql(out, err);
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    bind_text(stmt, 1, key);
    bind_text(stmt, 2, text);
    free(text);
    rlt_status status = run(out, stmt, err);
    sqlite3_finalize(stmt);
    return status;
}

typedef struct naming {
    exporting *out;
    json_t *objectives, *constraints;
    rlt_buf directions;
} naming;

static rlt_status visit_objective(void *user, int columns, const char *const *names,
                                  const char *const *v, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    naming *n = user;
    if (v[1] == NULL) {
        json_array_append_new(n->constraints, json_string(v[0]));
        return RLT_OK;
    }
    rlt_buf_printf(&n->directions, "INSERT INTO study_directions VALUES (NULL, '%s', 1, %zu);",
                   v[1][0] == '1' ? "MAXIMIZE" : "MINIMIZE", json_array_size(n->objectives));
    json_array_append_new(n->objectives, json_string(v[0]));
    return RLT_OK;
}

/* Directions and names; a metric that is called as the import calls it has no name of its own. */
static rlt_status put_objectives(exporting *out, rlt_err *err) {
    naming n = {out, json_array(), json_array(), {0}};
    rlt_status status = rlt_store_query(
        out->store,
        "SELECT metric, maximise FROM (SELECT metric, maximise, position FROM objectives WHERE "
        "experiment = ?1 UNION ALL SELECT metric, NULL, position FROM constraints WHERE experiment "
        "= ?1) ORDER BY maximise IS NULL, position",
        &out->experiment, 1, visit_objective, &n, err);
    out->objective_count = (int)json_array_size(n.objectives);
    out->constraint_count = (int)json_array_size(n.constraints);
    if (status == RLT_OK &&
        (out->objective_count == 0 || out->objective_count > RLT_OBJECTIVES_MAX ||
         out->constraint_count > RLT_CONSTRAINTS_MAX)) {
        status = rlt_fail(err, RLT_ENOTSUP,
                          "experiment %lld: has no objective that trials are compared by, so it is "
                          "no study; --format csv and json export it",
                          (long long)out->experiment);
    }
    if (status == RLT_OK) {
        snprintf(out->metric, sizeof out->metric, "%s",
                 json_string_value(json_array_get(n.objectives, 0)));
        status = exec(out, n.directions.data, err);
    }
    if (status == RLT_OK && strcmp(out->metric, "value") != 0) {
        status = put_study_attribute(out, false, "study:metric_names", n.objectives, err);
    }
    if (status == RLT_OK && out->constraint_count > 0) {
        status = put_study_attribute(out, true, OPTUNA_CONSTRAINTS, n.constraints, err);
    }
    json_decref(n.objectives);
    json_decref(n.constraints);
    rlt_buf_fini(&n.directions);
    return status;
}

/* ---- a trial ---- */

static rlt_status visit_measure(void *user, int columns, const char *const *names,
                                const char *const *v, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    exporting *out = user;
    int64_t place = strtoll(v[1], NULL, 10);
    bool constraint = v[0][0] == '1';
    if (place >= 0 && place < (constraint ? out->constraint_count : out->objective_count)) {
        (constraint ? out->constraints : out->values)[place] =
            v[2] != NULL ? strtod(v[2], NULL) : NAN;
    }
    return RLT_OK;
}

static rlt_status read_measures(exporting *out, const rlt_trial_row *row, rlt_err *err) {
    for (int i = 0; i < RLT_OBJECTIVES_MAX; i++) {
        out->values[i] = NAN;
    }
    for (int i = 0; i < RLT_CONSTRAINTS_MAX; i++) {
        out->constraints[i] = NAN;
    }
    if (out->objective_count + out->constraint_count == 1) {
        out->values[0] = row->value;
        return RLT_OK;
    }
    return rlt_store_query(
        out->store,
        "SELECT 0, position, printf('%!.17g', value) FROM trial_values WHERE trial = ?1 AND value "
        "IS NOT NULL UNION ALL SELECT 1, position, printf('%!.17g', value) FROM trial_constraints "
        "WHERE trial = ?1 AND value IS NOT NULL",
        &row->id, 1, visit_measure, out, err);
}

static rlt_status visit_times(void *user, int columns, const char *const *names,
                              const char *const *v, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    exporting *out = user;
    out->started_ms = v[0] != NULL ? strtoll(v[0], NULL, 10) : 0;
    out->ended_ms = v[1] != NULL ? strtoll(v[1], NULL, 10) : 0;
    return RLT_OK;
}

/* COMPLETE needs values, as Optuna has it. What was stopped before it ran waits. */
static const char *state_of(exporting *out, const rlt_trial_row *row) {
    bool measured = true;
    for (int i = 0; i < out->objective_count; i++) {
        measured &= !isnan(out->values[i]);
    }
    if (strcmp(row->state, "completed") == 0 && !measured) {
        out->unmeasured++;
        return "FAIL";
    }
    if (strcmp(row->state, "stopped") == 0) {
        return row->attempt > 0 ? "PRUNED" : "WAITING"; /* it never ran */
    }
    bool runs = out->alive && strcmp(row->state, "pending") != 0;
    return strcmp(row->state, "completed") == 0 ? "COMPLETE"
           : strcmp(row->state, "failed") == 0  ? "FAIL"
           : runs                               ? "RUNNING"
                                                : "WAITING";
}

static rlt_status put_head(exporting *out, const rlt_trial_row *row, const char *state,
                           rlt_err *err) {
    char started[40] = "", ended[40] = "";
    bool over = strcmp(state, "RUNNING") != 0 && strcmp(state, "WAITING") != 0;
    RLT_TRY(rlt_store_query(out->store,
                            "SELECT min(wall_ms) FILTER (WHERE to_state = 'running' OR from_state "
                            "IS NULL), max(wall_ms) FROM transitions WHERE trial = ?1",
                            &row->id, 1, visit_times, out, err));
    if (strcmp(state, "WAITING") != 0) {
        optuna_time_text(out->started_ms, started);
    }
    if (over && isfinite(row->wall_s)) { /* else it never ran to its end */
        optuna_time_text(out->ended_ms, ended);
    }
    sqlite3_stmt *stmt = out->stmts[PUT_TRIAL];
    sqlite3_bind_int64(stmt, 1, out->trial);
    sqlite3_bind_int64(stmt, 2, out->trial - 1);
    bind_text(stmt, 3, state);
    bind_text(stmt, 4, started);
    bind_text(stmt, 5, ended);
    return run(out, stmt, err);
}

static rlt_status put_attribute(const exporting *out, put which, const char *key,
                                const json_t *value, rlt_err *err) {
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    sqlite3_stmt *stmt = out->stmts[which];
    sqlite3_bind_int64(stmt, 1, out->trial);
    bind_text(stmt, 2, key);
    bind_text(stmt, 3, text != NULL ? text : "null");
    free(text);
    return run(out, stmt, err);
}

static rlt_status put_params(exporting *out, const json_t *params, rlt_err *err) {
    const char *path;
    json_t *value;
    json_object_foreach((json_t *)params, path, value) {
        const optuna_export_param *param = optuna_export_param_of(&out->space, path);
        double stored;
        json_t *plain = optuna_export_value(value);
        bool fits = param != NULL && optuna_dist_stored(&param->dist, plain, &stored);
        json_decref(plain);
        if (!fits) {
            out->outside++;
            continue;
        }
        sqlite3_stmt *stmt = out->stmts[PUT_PARAM];
        sqlite3_bind_int64(stmt, 1, out->trial);
        bind_text(stmt, 2, param->name);
        sqlite3_bind_double(stmt, 3, stored);
        bind_text(stmt, 4, param->json);
        RLT_TRY(run(out, stmt, err));
    }
    return RLT_OK;
}

/* A waiting trial has no parameters yet, but values that Optuna is to take for them. */
static rlt_status put_waiting(const exporting *out, const json_t *params, rlt_err *err) {
    json_t *fixed = json_object(), *value;
    const char *path;
    json_object_foreach((json_t *)params, path, value) {
        const optuna_export_param *param = optuna_export_param_of(&out->space, path);
        if (param != NULL) {
            json_object_set_new(fixed, param->name, optuna_export_value(value));
        }
    }
    rlt_status status = put_attribute(out, PUT_SYSTEM, "fixed_params", fixed, err);
    json_decref(fixed);
    return status;
}

static rlt_status put_values(const exporting *out, rlt_err *err) {
    for (int i = 0; i < out->objective_count; i++) {
        if (isnan(out->values[i])) {
            continue;
        }
        sqlite3_stmt *stmt = out->stmts[PUT_VALUE];
        sqlite3_bind_int64(stmt, 1, out->trial);
        sqlite3_bind_int64(stmt, 2, i);
        bind_typed(stmt, 3, out->values[i]);
        RLT_TRY(run(out, stmt, err));
    }
    return RLT_OK;
}

static rlt_status put_constraints(const exporting *out, rlt_err *err) {
    json_t *list = json_array();
    bool known = out->constraint_count > 0;
    for (int i = 0; i < out->constraint_count; i++) {
        known &= isfinite(out->constraints[i]) != 0;
        json_array_append_new(list,
                              json_real(isfinite(out->constraints[i]) ? out->constraints[i] : 0));
    }
    rlt_status status = known ? put_attribute(out, PUT_SYSTEM, "constraints", list, err) : RLT_OK;
    json_decref(list);
    return status;
}

static rlt_status visit_point(void *user, int64_t step, double value, rlt_err *err) {
    exporting *out = user;
    sqlite3_stmt *stmt = out->stmts[PUT_STEP];
    sqlite3_bind_int64(stmt, 1, out->trial);
    sqlite3_bind_int64(stmt, 2, step);
    bind_typed(stmt, 3, value);
    return run(out, stmt, err);
}

static rlt_status visit_event(void *user, int columns, const char *const *names,
                              const char *const *v, rlt_err *err) {
    (void)columns, (void)names;
    exporting *out = user;
    json_t *pair = json_loads(v[0] != NULL ? v[0] : "", 0, NULL), *value;
    const char *key;
    rlt_status status = RLT_OK;
    json_object_foreach(pair, key, value) {
        if (status == RLT_OK) {
            status = out->trial > 0 ? put_attribute(out, PUT_USER, key, value, err)
                                    : put_study_attribute(out, true, key, value, err);
        }
    }
    json_decref(pair);
    return status;
}

static rlt_status put_details(exporting *out, const rlt_trial_row *row, const json_t *params,
                              const char *state, rlt_err *err) {
    if (strcmp(state, "WAITING") == 0) {
        return put_waiting(out, params, err);
    }
    RLT_TRY(put_params(out, params, err));
    bool over = strcmp(state, "COMPLETE") == 0 || strcmp(state, "PRUNED") == 0;
    if (over) {
        RLT_TRY(put_values(out, err));
    }
    RLT_TRY(put_constraints(out, err));
    /* steps 0: what there is, is the value alone */
    if (out->objective_count == 1 && row->steps > 0) {
        RLT_TRY(rlt_store_curve(out->store, row->id, out->metric, visit_point, out, err));
    }
    const char *ignored, *usual = optuna_state_reason(state, &ignored);
    if (strcmp(state, "COMPLETE") != 0 && strcmp(row->reason, usual) != 0) {
        json_t *reason = json_string(row->reason);
        RLT_TRY(put_attribute(out, PUT_USER, OPTUNA_REASON, reason, err));
        json_decref(reason);
    }
    return rlt_store_query(out->store,
                           "SELECT text FROM events WHERE trial = ?1 AND kind = "
                           "'optuna.user_attr' ORDER BY id",
                           &row->id, 1, visit_event, out, err);
}

static rlt_status put_trial(void *user, const rlt_trial_row *row, rlt_err *err) {
    exporting *out = user;
    if (strcmp(row->role, "search") != 0) {
        return RLT_OK;
    }
    out->trial++; /* numbers are dense in a study */
    RLT_TRY(read_measures(out, row, err));
    const char *state = state_of(out, row);
    rlt_trial_texts texts; /* a study has one set of parameters a trial: those in force */
    RLT_TRY(rlt_store_trial_texts(out->store, row->id, &texts, err));
    json_t *params = json_loads(texts.params_json, 0, NULL);
    rlt_trial_texts_fini(&texts);
    rlt_status status = put_head(out, row, state, err);
    if (status == RLT_OK) {
        status = put_details(out, row, params, state, err);
    }
    json_decref(params);
    return status;
}

/* ---- everything ---- */

static rlt_status put_all(exporting *out, const char *name, rlt_err *err) {
    RLT_TRY(exec(out, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN", err));
    RLT_TRY(put_study(out, name, err));
    RLT_TRY(put_objectives(out, err));
    for (int i = 0; i < PUT_COUNT; i++) {
        if (sqlite3_prepare_v2(out->db, put_sql[i], -1, &out->stmts[i], NULL) != SQLITE_OK) {
            return fail_sql(out, err);
        }
    }
    RLT_TRY(rlt_store_query(out->store,
                            "SELECT text FROM events WHERE experiment = ?1 AND trial IS NULL AND "
                            "kind = 'optuna.user_attr' ORDER BY id",
                            &out->experiment, 1, visit_event, out, err));
    RLT_TRY(rlt_store_trials(out->store, out->experiment, put_trial, out, err));
    return exec(out, "COMMIT", err);
}

static void note_losses(const exporting *out) {
    if (out->unmeasured > 0) {
        rlt_notes_add(out->notes, 0,
                      "%lld completed trials without a value are FAIL: Optuna's COMPLETE needs one",
                      (long long)out->unmeasured);
    }
    if (out->outside > 0) {
        rlt_notes_add(
            out->notes, 0,
            "%lld values of parameters are left out: they lie outside of the search space",
            (long long)out->outside);
    }
}

static rlt_status write_file(exporting *out, const char *name, rlt_err *err) {
    if (sqlite3_open_v2(out->path, &out->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        rlt_status status = rlt_fail(err, RLT_EIO, "%s: could not create: %s", out->path,
                                     out->db != NULL ? sqlite3_errmsg(out->db) : "no memory");
        sqlite3_close(out->db);
        return status;
    }
    rlt_status status = put_all(out, name, err);
    for (int i = 0; i < PUT_COUNT; i++) {
        sqlite3_finalize(out->stmts[i]);
    }
    if (sqlite3_close(out->db) != SQLITE_OK && status == RLT_OK) {
        status = rlt_fail(err, RLT_EIO, "%s: could not close it", out->path);
    }
    return status;
}

static rlt_status place_file(const char *temporary, const char *path, rlt_err *err) {
    if (link(temporary, path) != 0 && /* refuses a file that came meanwhile */
        (errno == EEXIST || rename(temporary, path) != 0)) {
        return rlt_fail(err, RLT_EIO, "%s: could not create: %s", path, strerror(errno));
    }
    unlink(temporary);
    return RLT_OK;
}

rlt_status rlt_optuna_export(rlt_store *store, int64_t experiment, bool alive, const char *path,
                             const char *study, rlt_notes *notes, rlt_err *err) {
    char temporary[PATH_MAX];
    if (access(path, F_OK) == 0) {
        return rlt_fail(err, RLT_EINVAL,
                        "%s: exists; a study is written into a new file: name another one, or "
                        "remove it first",
                        path);
    }
    int size = snprintf(temporary, sizeof temporary, "%s.tmp.%d", path, (int)getpid());
    if (size >= (int)sizeof temporary) {
        return rlt_fail(err, RLT_EINVAL, "%.100s...: the path is too long", path);
    }
    rlt_experiment_row row;
    RLT_TRY(rlt_store_experiment_get(store, experiment, &row, err));
    exporting out = {.store = store,
                     .experiment = experiment,
                     .alive = alive,
                     .notes = notes,
                     .path = temporary};
    rlt_status status = optuna_export_space_of(store, &row, notes, &out.space, err);
    if (status == RLT_OK) {
        status = write_file(&out, study != NULL ? study : row.name, err);
    }
    if (status == RLT_OK) {
        status = place_file(temporary, path, err);
    }
    if (status != RLT_OK) {
        unlink(temporary);
    }
    note_losses(&out);
    optuna_export_space_fini(&out.space);
    rlt_experiment_row_fini(&row);
    return status;
}
