/* exchange: one trial of an Optuna study, out of its six tables, every value checked.
 * Thread: the caller's. Owner: who reads a trial releases it (optuna_trial_fini). */
#include "exchange/exchange_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- parts of a trial ---- */

sqlite3_stmt *optuna_begin(const optuna_reader *in, optuna_part which, const optuna_trial *t) {
    sqlite3_stmt *stmt = in->parts[which];
    sqlite3_reset(stmt);
    sqlite3_bind_int64(stmt, 1, t->id);
    return stmt;
}

static rlt_status read_param(const optuna_reader *in, sqlite3_stmt *stmt, optuna_trial *t,
                             rlt_err *err) {
    const optuna_db *db = &in->study->db;
    const char *name, *json;
    double stored;
    RLT_TRY(optuna_text(db, stmt, 0, "trial_params.param_name", &name, err));
    RLT_TRY(optuna_real(db, stmt, 1, "trial_params.param_value", false, &stored, err));
    RLT_TRY(optuna_text(db, stmt, 2, "trial_params.distribution_json", &json, err));
    const optuna_param *param = optuna_study_param(in->study, name);
    optuna_dist dist;
    rlt_status status = optuna_dist_parse(json, &dist, err); /* the study's parameters hold it */
    RLT_TRY(status);
    json_t *value = optuna_dist_value(&dist, stored);
    optuna_dist_fini(&dist);
    if (value == NULL || param == NULL) {
        json_decref(value);
        return rlt_fail(err, RLT_ECORRUPT,
                        "%s: trial %lld: %.17g is no value of parameter '%.80s', whose "
                        "distribution is %.120s",
                        db->path, (long long)t->number, stored, name, json);
    }
    json_object_set_new(t->params, param->path, value);
    return RLT_OK;
}

static rlt_status read_value(const optuna_reader *in, sqlite3_stmt *stmt, optuna_trial *t,
                             rlt_err *err) {
    const optuna_db *db = &in->study->db;
    int64_t place;
    RLT_TRY(optuna_integer(db, stmt, 0, "trial_values.objective", 0, &place, err));
    if (place >= in->study->objective_count) {
        return rlt_fail(err, RLT_ECORRUPT, "%s: trial %lld has a value for objective %lld of %d",
                        db->path, (long long)t->number, (long long)place,
                        in->study->objective_count);
    }
    RLT_TRY(
        optuna_real(db, stmt, 1, "trial_values.value", db->has_value_type, &t->values[place], err));
    t->has_value = true;
    return RLT_OK;
}

static rlt_status read_step(const optuna_reader *in, sqlite3_stmt *stmt, optuna_trial *t,
                            rlt_err *err) {
    const optuna_db *db = &in->study->db;
    int64_t step;
    double value;
    RLT_TRY(optuna_integer(db, stmt, 0, "trial_intermediate_values.step", 0, &step, err));
    RLT_TRY(optuna_real(db, stmt, 1, "trial_intermediate_values.intermediate_value",
                        db->has_intermediate_type, &value, err));
    bool better = in->study->maximise[0] ? value > t->best : value < t->best;
    t->best = isnan(t->best) || better ? value : t->best;
    t->last = value;
    t->steps = step;
    t->reports++;
    return RLT_OK;
}

static void read_constraint_list(const optuna_reader *in, const char *text, optuna_trial *t) {
    json_t *list = json_loads(text, 0, NULL);
    for (int i = 0; i < in->study->constraint_count; i++) {
        const json_t *value = json_array_get(list, (size_t)in->study->constraint_places[i]);
        if (in->study->constraint_keys[i][0] == 0 && json_is_number(value)) {
            t->constraints[i] = json_number_value(value);
        }
    }
    json_decref(list);
}

static void read_constraint(const optuna_reader *in, const char *key, const char *text,
                            optuna_trial *t) {
    for (int i = 0; i < in->study->constraint_count; i++) {
        if (strcmp(in->study->constraint_keys[i], key) == 0) {
            json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
            t->constraints[i] = json_is_number(value) ? json_number_value(value) : NAN;
            json_decref(value);
        }
    }
}

static rlt_status read_system(const optuna_reader *in, sqlite3_stmt *stmt, optuna_trial *t,
                              rlt_err *err) {
    const char *key, *text;
    RLT_TRY(optuna_text(&in->study->db, stmt, 0, "trial_system_attributes.key", &key, err));
    RLT_TRY(optuna_text(&in->study->db, stmt, 1, "trial_system_attributes.value_json", &text, err));
    if (strcmp(key, "constraints") == 0) {
        read_constraint_list(in, text, t);
    } else if (strncmp(key, "constraints:", strlen("constraints:")) == 0) {
        read_constraint(in, key, text, t);
    } else if (strcmp(key, "fixed_params") == 0 && strcmp(t->state, "WAITING") == 0) {
        json_decref(t->waiting);
        t->waiting = json_loads(text, 0, NULL);
    } else if (strcmp(key, "fail_reason") == 0) {
        json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
        const char *reason = json_string_value(value);
        snprintf(t->reason, sizeof t->reason, "%s", reason != NULL ? reason : "");
        json_decref(value);
    }
    return RLT_OK;
}

/* What rltune's export says of why a trial failed or was stopped. */
static rlt_status read_reason(const optuna_reader *in, sqlite3_stmt *stmt, optuna_trial *t,
                              rlt_err *err) {
    const char *key, *text;
    RLT_TRY(optuna_text(&in->study->db, stmt, 0, "trial_user_attributes.key", &key, err));
    RLT_TRY(optuna_text(&in->study->db, stmt, 1, "trial_user_attributes.value_json", &text, err));
    if (strcmp(key, OPTUNA_REASON) == 0) {
        json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
        const char *reason = json_string_value(value);
        snprintf(t->reason, sizeof t->reason, "%s", reason != NULL ? reason : "");
        json_decref(value);
    }
    return RLT_OK;
}

typedef rlt_status (*part_reader)(const optuna_reader *in, sqlite3_stmt *stmt, optuna_trial *t,
                                  rlt_err *err);

static rlt_status each_of(const optuna_reader *in, optuna_part which, optuna_trial *t,
                          part_reader read, rlt_err *err) {
    sqlite3_stmt *stmt = optuna_begin(in, which, t);
    bool row;
    do {
        RLT_TRY(optuna_step(&in->study->db, stmt, &row, err));
        if (row) {
            RLT_TRY(read(in, stmt, t, err));
        }
    } while (row);
    return RLT_OK;
}

/* The result: the value, or, as Optuna does it for pruned trials, the last intermediate one. */
static void settle_values(const optuna_reader *in, optuna_trial *t) {
    double value = t->values[0];
    if (in->study->objective_count == 1 && !t->has_value && t->reports > 0) {
        t->values[0] = t->last;
    }
    bool better = in->study->maximise[0] ? value > t->best : value < t->best;
    if (!isnan(value) && (isnan(t->best) || better)) {
        t->best = value;
    }
}

rlt_status optuna_trial_read(const optuna_reader *in, optuna_trial *t, rlt_err *err) {
    t->params = json_object();
    t->best = t->last = NAN;
    for (int i = 0; i < RLT_OBJECTIVES_MAX; i++) {
        t->values[i] = NAN;
    }
    for (int i = 0; i < RLT_CONSTRAINTS_MAX; i++) {
        t->constraints[i] = NAN;
    }
    RLT_TRY(each_of(in, OPTUNA_PART_PARAMS, t, read_param, err));
    RLT_TRY(each_of(in, OPTUNA_PART_VALUES, t, read_value, err));
    if (in->study->objective_count == 1) {
        RLT_TRY(each_of(in, OPTUNA_PART_STEPS, t, read_step, err));
    }
    RLT_TRY(each_of(in, OPTUNA_PART_SYSTEM, t, read_system, err));
    RLT_TRY(each_of(in, OPTUNA_PART_USER, t, read_reason, err));
    settle_values(in, t);
    return RLT_OK;
}

const char *optuna_state_reason(const char *state, const char **to) {
    static const struct {
        const char *state, *to, *reason;
    } rows[] = {{"COMPLETE", "completed", "complete in Optuna"},
                {"PRUNED", "stopped", "pruned in Optuna"},
                {"FAIL", "failed", "failed in Optuna"},
                {"RUNNING", "failed", "was still running in Optuna when the study was imported"},
                {"WAITING", "stopped", "was waiting in Optuna's queue, and never ran"}};
    for (size_t i = 0; i < RLT_COUNT(rows); i++) {
        if (strcmp(state, rows[i].state) == 0) {
            *to = rows[i].to;
            return rows[i].reason;
        }
    }
    return NULL;
}

rlt_status optuna_trial_head(const optuna_reader *in, sqlite3_stmt *stmt, int64_t expected,
                             optuna_trial *t, rlt_err *err) {
    const optuna_db *db = &in->study->db;
    const char *state, *started, *ended, *ignored;
    RLT_TRY(optuna_integer(db, stmt, 0, "trials.trial_id", 0, &t->id, err));
    RLT_TRY(optuna_integer(db, stmt, 1, "trials.number", 0, &t->number, err));
    RLT_TRY(optuna_text(db, stmt, 2, "trials.state", &state, err));
    RLT_TRY(optuna_text(db, stmt, 3, "trials.datetime_start", &started, err));
    RLT_TRY(optuna_text(db, stmt, 4, "trials.datetime_complete", &ended, err));
    snprintf(t->state, sizeof t->state, "%s", state);
    t->started_ms = optuna_time_parse(started);
    t->ended_ms = optuna_time_parse(ended);
    if (t->number != expected) {
        return rlt_fail(err, RLT_ECORRUPT, "%s: after trial %lld comes trial %lld", db->path,
                        (long long)expected - 1, (long long)t->number);
    }
    return optuna_state_reason(t->state, &ignored) != NULL
               ? RLT_OK
               : rlt_fail(err, RLT_ECORRUPT,
                          "%s: trial %lld is in state '%.15s'; COMPLETE, PRUNED, FAIL, RUNNING, "
                          "WAITING are known",
                          db->path, (long long)t->number, state);
}

void optuna_trial_fini(optuna_trial *t) {
    json_decref(t->params);
    json_decref(t->waiting);
    *t = (optuna_trial){0};
}

/* ---- reading ---- */

rlt_status optuna_reader_open(optuna_study *study, optuna_reader *in, rlt_err *err) {
    *in = (optuna_reader){.study = study};
    const optuna_db *db = &in->study->db;
    const char *sql[OPTUNA_PARTS] = {
        [OPTUNA_PART_PARAMS] =
            "SELECT param_name, param_value, distribution_json FROM trial_params WHERE "
            "trial_id = ?1 ORDER BY param_id",
        [OPTUNA_PART_VALUES] =
            db->has_value_type
                ? "SELECT objective, value, value_type FROM trial_values WHERE trial_id "
                  "= ?1"
                : "SELECT objective, value FROM trial_values WHERE trial_id = ?1",
        [OPTUNA_PART_STEPS] =
            db->has_intermediate_type
                ? "SELECT step, intermediate_value, intermediate_value_type FROM "
                  "trial_intermediate_values WHERE trial_id = ?1 ORDER BY step"
                : "SELECT step, intermediate_value FROM trial_intermediate_values WHERE "
                  "trial_id = ?1 ORDER BY step",
        [OPTUNA_PART_SYSTEM] =
            "SELECT key, value_json FROM trial_system_attributes WHERE trial_id = ?1",
        [OPTUNA_PART_USER] =
            "SELECT key, value_json FROM trial_user_attributes WHERE trial_id = ?1 ORDER "
            "BY trial_user_attribute_id"};
    for (int i = 0; i < OPTUNA_PARTS; i++) {
        RLT_TRY(optuna_prepare(db, sql[i], &in->parts[i], err));
    }
    return RLT_OK;
}

void optuna_reader_close(optuna_reader *in) {
    for (int i = 0; i < OPTUNA_PARTS; i++) {
        sqlite3_finalize(in->parts[i]);
        in->parts[i] = NULL;
    }
}
