/* exchange: one study of an Optuna file without its trials: objectives, parameters, constraints,
 * and what of it has no counterpart here. Thread: the caller's. Owner: optuna_study_close. */
#include "exchange/exchange_impl.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which study ---- */

static rlt_status fail_study(const optuna_study *study, const char *wanted,
                             const char *const *names, int count, int64_t all, rlt_err *err) {
    rlt_buf list = {0};
    for (int i = 0; i < count; i++) {
        rlt_buf_printf(&list, "%s'%.60s'", i > 0 ? ", " : "", names[i]);
    }
    const char *nearest = wanted != NULL ? rlt_str_nearest(wanted, names, (size_t)count) : NULL;
    rlt_status status =
        wanted == NULL
            ? rlt_fail(err, RLT_ENOTFOUND,
                       "%s: holds %lld studies; choose one by --study NAME: %.300s%s",
                       study->db.path, (long long)all, all > 0 ? list.data : "(none)",
                       all > count ? ", ..." : "")
            : rlt_fail(err, RLT_ENOTFOUND, "%s: no study '%.80s'%s%.80s%s; there is: %.200s%s",
                       study->db.path, wanted, nearest ? " (did you mean '" : "",
                       nearest ? nearest : "", nearest ? "'?)" : "", all > 0 ? list.data : "none",
                       all > count ? ", ..." : "");
    rlt_buf_fini(&list);
    return status;
}

static rlt_status find_study(optuna_study *study, const char *wanted, sqlite3_stmt *stmt,
                             rlt_err *err) {
    enum { LISTED = 20 };
    char *names[LISTED] = {NULL};
    int count = 0;
    int64_t all = 0;
    bool row;
    rlt_status status;
    while ((status = optuna_step(&study->db, stmt, &row, err)) == RLT_OK && row) {
        const char *name;
        int64_t id;
        RLT_TRY_GOTO(optuna_integer(&study->db, stmt, 0, "studies.study_id", 0, &id, err), done);
        RLT_TRY_GOTO(optuna_text(&study->db, stmt, 1, "studies.study_name", &name, err), done);
        all++;
        if (wanted == NULL || strcmp(name, wanted) == 0) {
            study->id = id;
            snprintf(study->name, sizeof study->name, "%s", name);
        }
        if (count < LISTED) {
            names[count++] = strdup(name);
        }
    }
    if (status == RLT_OK && (study->id == 0 || (wanted == NULL && all != 1))) {
        status = fail_study(study, wanted, (const char *const *)names, count, all, err);
    }
done:
    for (int i = 0; i < count; i++) {
        free(names[i]);
    }
    return status;
}

/* ---- rows of a query, one by one ---- */

typedef rlt_status (*row_reader)(optuna_study *study, sqlite3_stmt *stmt, rlt_err *err);

static rlt_status each(optuna_study *study, const char *sql, row_reader read, rlt_err *err) {
    sqlite3_stmt *stmt;
    bool row;
    rlt_status status;
    RLT_TRY(optuna_prepare(&study->db, sql, &stmt, err));
    sqlite3_bind_int64(stmt, 1, study->id);
    while ((status = optuna_step(&study->db, stmt, &row, err)) == RLT_OK && row) {
        status = read(study, stmt, err);
        if (status != RLT_OK) {
            break;
        }
    }
    sqlite3_finalize(stmt);
    return status;
}

/* ---- objectives ---- */

static rlt_status read_direction(optuna_study *study, sqlite3_stmt *stmt, rlt_err *err) {
    const char *text;
    int64_t place;
    RLT_TRY(optuna_text(&study->db, stmt, 0, "study_directions.direction", &text, err));
    RLT_TRY(optuna_integer(&study->db, stmt, 1, "study_directions.objective", 0, &place, err));
    bool maximise = strcmp(text, "MAXIMIZE") == 0;
    if (place != study->objective_count ||
        (!maximise && strcmp(text, "MINIMIZE") != 0 && strcmp(text, "NOT_SET") != 0)) {
        return rlt_fail(err, RLT_ECORRUPT, "%s: study_directions: '%.20s' at place %lld",
                        study->db.path, text, (long long)place);
    }
    if (place >= RLT_OBJECTIVES_MAX) {
        return rlt_fail(err, RLT_ELIMIT, "%s: more than %d objectives, which no experiment has",
                        study->db.path, RLT_OBJECTIVES_MAX);
    }
    study->maximise[study->objective_count++] = maximise;
    return RLT_OK;
}

static bool is_metric(const char *name) {
    size_t size = name != NULL ? strlen(name) : 0;
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f || name[i] == ',') {
            return false;
        }
    }
    return size > 0 && size < RLT_NAME_MAX;
}

static bool is_taken(char (*names)[RLT_NAME_MAX], int count, const char *name) {
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void name_objectives(optuna_study *study, const json_t *given) {
    for (int i = 0; i < study->objective_count; i++) {
        char *name = study->objectives[i];
        const char *wanted = json_string_value(json_array_get(given, (size_t)i));
        if (is_metric(wanted) && !is_taken(study->objectives, i, wanted)) {
            snprintf(name, RLT_NAME_MAX, "%s", wanted);
            continue;
        }
        snprintf(name, RLT_NAME_MAX, study->objective_count > 1 ? "value_%d" : "value", i);
        if (wanted != NULL) {
            rlt_notes_add(study->notes, 0, "objective '%.60s' is called '%s' here", wanted, name);
        }
    }
}

static rlt_status read_metric_names(optuna_study *study, sqlite3_stmt *stmt, rlt_err *err) {
    const char *text;
    RLT_TRY(optuna_text(&study->db, stmt, 0, "study:metric_names", &text, err));
    json_t *given = json_loads(text, 0, NULL);
    name_objectives(study, given);
    json_decref(given);
    return RLT_OK;
}

/* ---- parameters ---- */

/* A name of the user's own parameters: src/config/objective.c says which there are. */
static void path_of(optuna_study *study, optuna_param *param) {
    enum { NAME_MAX_ = 64 };
    char made[NAME_MAX_ + 1];
    size_t size = 0;
    for (const char *at = param->name; *at != 0 && size < NAME_MAX_ - 4; at++) {
        bool fits = isalnum((unsigned char)*at) || *at == '_' || *at == '-';
        if (size == 0 && isdigit((unsigned char)*at)) {
            made[size++] = '_';
        }
        made[size++] = fits ? *at : '_';
    }
    made[size] = 0;
    snprintf(param->path, sizeof param->path, RLT_PARAM_PREFIX "%s", size > 0 ? made : "_");
    size_t length = strlen(param->path);
    for (int copy = 2;; copy++) {
        bool taken = false;
        for (optuna_param *other = study->params; other < param; other++) {
            taken |= strcmp(other->path, param->path) == 0;
        }
        if (!taken) {
            break;
        }
        snprintf(param->path + length, sizeof param->path - length, "_%d", copy);
    }
    if (strcmp(rlt_config_param_name(param->path), param->name) != 0) {
        rlt_notes_add(study->notes, 0, "parameter '%.80s' is called %s here", param->name,
                      param->path);
    }
}

optuna_param *optuna_study_param(const optuna_study *study, const char *name) {
    for (int i = 0; i < study->param_count; i++) {
        if (strcmp(study->params[i].name, name) == 0) {
            return &study->params[i];
        }
    }
    return NULL;
}

static rlt_status add_param(optuna_study *study, const char *name, optuna_param **param,
                            rlt_err *err) {
    if (study->param_count == OPTUNA_PARAMS_MAX) {
        return rlt_fail(err, RLT_ELIMIT, "%s: more than %d parameters", study->db.path,
                        OPTUNA_PARAMS_MAX);
    }
    if (study->params == NULL) {
        study->params = rlt_alloc(sizeof *study->params * OPTUNA_PARAMS_MAX);
    }
    *param = &study->params[study->param_count++];
    snprintf((*param)->name, sizeof(*param)->name, "%s", name);
    path_of(study, *param);
    return RLT_OK;
}

static rlt_status merge_param(optuna_study *study, optuna_param *param, optuna_dist *dist,
                              rlt_err *err) {
    bool changed;
    if (!param->known) {
        param->known = true;
        param->dist = *dist;
        *dist = (optuna_dist){0};
    } else if (!optuna_dist_widen(&param->dist, dist, &changed)) {
        return rlt_fail(err, RLT_ENOTSUP,
                        "%s: parameter '%.80s' has distributions of different kinds (or with and "
                        "without log) in different trials, which no search space holds",
                        study->db.path, param->name);
    } else if (changed) {
        rlt_notes_add(study->notes, 0,
                      "parameter '%.80s' has another distribution in some trials; its search space "
                      "holds them all",
                      param->name);
    }
    return RLT_OK;
}

static rlt_status read_param(optuna_study *study, sqlite3_stmt *stmt, rlt_err *err) {
    const char *name, *json;
    int64_t complete;
    RLT_TRY(optuna_text(&study->db, stmt, 0, "trial_params.param_name", &name, err));
    RLT_TRY(optuna_text(&study->db, stmt, 1, "trial_params.distribution_json", &json, err));
    RLT_TRY(optuna_integer(&study->db, stmt, 2, "trial_params", 0, &complete, err));
    optuna_dist dist;
    rlt_err why = {0};
    rlt_status status = optuna_dist_parse(json, &dist, &why);
    if (status != RLT_OK) {
        return rlt_fail(err, status, "%s: the distribution of parameter '%.80s': %s",
                        study->db.path, name, why.message);
    }
    optuna_param *param = optuna_study_param(study, name);
    status = param != NULL ? RLT_OK : add_param(study, name, &param, err);
    if (status == RLT_OK) {
        status = merge_param(study, param, &dist, err);
        param->complete += complete;
    }
    optuna_dist_fini(&dist);
    return status;
}

static void note_conditional(optuna_study *study) {
    int count = 0;
    const optuna_param *first = NULL;
    for (int i = 0; i < study->param_count; i++) {
        if (study->params[i].complete < study->complete) {
            first = first != NULL ? first : &study->params[i];
            count++;
        }
    }
    if (count > 0) {
        rlt_notes_add(
            study->notes, 0,
            "%d parameter%s (the first is '%.60s') belong%s to some of the %lld complete trials "
            "only; which ones is a condition that only the study's program knows, so in "
            "the search space here %s always there",
            count, count > 1 ? "s" : "", first->name, count > 1 ? "" : "s",
            (long long)study->complete, count > 1 ? "they are" : "it is");
    }
}

/* ---- constraints ---- */

static rlt_status add_constraint(optuna_study *study, const char *name, const char *key, int place,
                                 rlt_err *err) {
    if (study->constraint_count == RLT_CONSTRAINTS_MAX) {
        return rlt_fail(err, RLT_ELIMIT, "%s: more than %d constraints, which no experiment has",
                        study->db.path, RLT_CONSTRAINTS_MAX);
    }
    int at = study->constraint_count++;
    char made[RLT_NAME_MAX];
    snprintf(made, sizeof made, "%s", name);
    if (!is_metric(name) || is_taken(study->constraints, at, name) ||
        is_taken(study->objectives, study->objective_count, name)) {
        snprintf(made, sizeof made, "constraint_%d", at);
        rlt_notes_add(study->notes, 0, "constraint '%.60s' is called '%s' here", name, made);
    }
    memcpy(study->constraints[at], made, sizeof made);
    snprintf(study->constraint_keys[at], RLT_NAME_MAX, "%s", key);
    study->constraint_places[at] = place;
    return RLT_OK;
}

/* Optuna 5: set_constraint(NAME, value), a system attribute each. */
static rlt_status read_named_constraint(optuna_study *study, sqlite3_stmt *stmt, rlt_err *err) {
    const char *key;
    RLT_TRY(optuna_text(&study->db, stmt, 0, "trial_system_attributes.key", &key, err));
    if (strlen(key) >= RLT_NAME_MAX) {
        return rlt_fail(err, RLT_ELIMIT, "%s: a constraint's name is longer than %d bytes",
                        study->db.path, RLT_NAME_MAX - 1);
    }
    return add_constraint(study, key + strlen("constraints:"), key, -1, err);
}

/* constraints_func: one list a trial. What rltune exports says what its places are called. */
static rlt_status read_list_constraints(optuna_study *study, sqlite3_stmt *stmt, rlt_err *err) {
    const char *text;
    int64_t count = sqlite3_column_int64(stmt, 0);
    RLT_TRY(optuna_text(&study->db, stmt, 1, "rltune:constraints", &text, err));
    json_t *given = json_loads(text, 0, NULL);
    rlt_status status = RLT_OK;
    for (int64_t i = 0; i < count && status == RLT_OK; i++) {
        const char *name = json_string_value(json_array_get(given, (size_t)i));
        char made[32];
        snprintf(made, sizeof made, "constraint_%lld", (long long)i);
        status = add_constraint(study, name != NULL ? name : made, "", (int)i, err);
    }
    json_decref(given);
    return status;
}

/* ---- what has no counterpart ---- */

static rlt_status note_system_attribute(optuna_study *study, sqlite3_stmt *stmt, rlt_err *err) {
    const char *key;
    RLT_TRY(optuna_text(&study->db, stmt, 0, "trial_system_attributes.key", &key, err));
    rlt_notes_add(study->notes, 0,
                  "system attribute '%.80s' of %lld trials is left out: the state of Optuna's own "
                  "sampler or storage",
                  key, (long long)sqlite3_column_int64(stmt, 1));
    return RLT_OK;
}

static rlt_status read_count(optuna_study *study, sqlite3_stmt *stmt, rlt_err *err) {
    (void)err;
    study->trials = sqlite3_column_int64(stmt, 0);
    study->complete = sqlite3_column_int64(stmt, 1);
    return RLT_OK;
}

static rlt_status read_steps(optuna_study *study, sqlite3_stmt *stmt, rlt_err *err) {
    (void)err;
    study->steps_max = sqlite3_column_int64(stmt, 0);
    return RLT_OK;
}

static rlt_status read_library(optuna_study *study, sqlite3_stmt *stmt, rlt_err *err) {
    const char *text;
    RLT_TRY(optuna_text(&study->db, stmt, 0, "version_info.library_version", &text, err));
    snprintf(study->library, sizeof study->library, "%s", text);
    return RLT_OK;
}

static rlt_status read_study(optuna_study *study, rlt_err *err) {
    RLT_TRY(each(study, "SELECT library_version, ?1 FROM version_info", read_library, err));
    RLT_TRY(each(study,
                 "SELECT direction, objective FROM study_directions WHERE study_id = ?1 ORDER BY "
                 "objective",
                 read_direction, err));
    if (study->objective_count == 0) {
        return rlt_fail(err, RLT_ECORRUPT, "%s: study '%.80s' has no direction", study->db.path,
                        study->name);
    }
    name_objectives(study, NULL);
    RLT_TRY(each(study,
                 "SELECT value_json FROM study_system_attributes WHERE study_id = ?1 AND key = "
                 "'study:metric_names'",
                 read_metric_names, err));
    RLT_TRY(each(study,
                 "SELECT count(*), count(*) FILTER (WHERE state = 'COMPLETE') FROM trials WHERE "
                 "study_id = ?1",
                 read_count, err));
    RLT_TRY(each(study,
                 "SELECT max(i.step) FROM trials t JOIN trial_intermediate_values i ON i.trial_id ="
                 " t.trial_id WHERE t.study_id = ?1",
                 read_steps, err));
    RLT_TRY(each(study,
                 "SELECT p.param_name, p.distribution_json, count(*) FILTER (WHERE t.state = "
                 "'COMPLETE') FROM trials t JOIN "
                 "trial_params p ON p.trial_id = t.trial_id WHERE t.study_id = ?1 GROUP BY 1, 2 "
                 "ORDER BY min(p.param_id)",
                 read_param, err));
    note_conditional(study);
    RLT_TRY(each(study,
                 "SELECT max(json_array_length(a.value_json)), (SELECT value_json FROM "
                 "study_user_attributes WHERE study_id = ?1 AND key = 'rltune:constraints') FROM "
                 "trials t JOIN trial_system_attributes a ON a.trial_id = t.trial_id WHERE "
                 "t.study_id = ?1 AND a.key = 'constraints' AND json_valid(a.value_json)",
                 read_list_constraints, err));
    RLT_TRY(each(study,
                 "SELECT a.key FROM trials t JOIN trial_system_attributes a ON a.trial_id = "
                 "t.trial_id WHERE t.study_id = ?1 AND a.key GLOB 'constraints:*' GROUP BY 1 ORDER "
                 "BY min(a.trial_system_attribute_id)",
                 read_named_constraint, err));
    /* long states are cut into pieces that are numbered: 'cma:optimizer:0', ... */
    return each(study,
                "SELECT rtrim(a.key, '0123456789'), count(DISTINCT t.trial_id) FROM trials t JOIN "
                "trial_system_attributes a ON a.trial_id = t.trial_id WHERE t.study_id = ?1 AND "
                "a.key NOT GLOB 'constraints:*' AND a.key NOT IN ('constraints', 'fixed_params', "
                "'fail_reason') GROUP BY 1 ORDER BY 1",
                note_system_attribute, err);
}

rlt_status optuna_study_open(const char *path, const char *name, rlt_notes *notes,
                             optuna_study *study, rlt_err *err) {
    *study = (optuna_study){.notes = notes, .points = json_array()};
    sqlite3_stmt *stmt = NULL;
    rlt_status status = optuna_open(path, &study->db, err);
    RLT_TRY_GOTO(status, failed);
    RLT_TRY_GOTO(optuna_prepare(&study->db,
                                "SELECT study_id, study_name FROM studies ORDER BY study_id", &stmt,
                                err),
                 failed);
    status = find_study(study, name, stmt, err);
    sqlite3_finalize(stmt);
    RLT_TRY_GOTO(status, failed);
    RLT_TRY_GOTO(read_study(study, err), failed);
    return RLT_OK;
failed:
    optuna_study_close(study);
    return status;
}

void optuna_study_close(optuna_study *study) {
    for (int i = 0; i < study->param_count; i++) {
        optuna_dist_fini(&study->params[i].dist);
    }
    rlt_free(study->params);
    json_decref(study->points);
    optuna_close(&study->db);
    *study = (optuna_study){0};
}
