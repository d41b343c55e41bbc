/* exchange: the trials of an Optuna study as rows of an experiment, in one transaction.
 * Why a trial goes through its states: its transitions are what times, attempts and the replay of a
 * search are read from. Thread: the store's. Owner: the caller. */
#include "exchange/exchange_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct importing {
    optuna_study *study;
    rlt_store *store;
    int64_t experiment;
    const json_t *config; /* normalised */
    optuna_reader reader;
    int64_t long_attributes;
    int64_t ended_ms; /* of the last trial */
} importing;

/* ---- its rows ---- */

/* Without what its parameters leave open: a conditional parameter that it does not have. */
static rlt_status config_of(const importing *in, const optuna_trial *t, char **text, rlt_err *err) {
    json_t *run = NULL;
    RLT_TRY(rlt_config_trial_json(in->config, t->params, &run, err));
    json_t *params = json_object_get(run, "params"), *value;
    const char *name;
    void *next;
    json_object_foreach_safe(params, next, name, value) {
        if (json_object_get(value, "$space") != NULL) {
            json_object_del(params, name);
        }
    }
    *text = json_dumps(run, JSON_COMPACT);
    json_decref(run);
    return RLT_OK;
}

static rlt_status create_row(const importing *in, const optuna_trial *t, int64_t *id,
                             rlt_err *err) {
    rlt_trial_row row = {.experiment = in->experiment, .number = t->number, .seed = t->number + 1};
    snprintf(row.role, sizeof row.role, "search");
    RLT_TRY(config_of(in, t, &row.config_json, err));
    row.params_json = json_dumps(t->params, JSON_COMPACT | JSON_SORT_KEYS);
    rlt_store_set_clock(in->store, t->started_ms);
    rlt_status status = rlt_store_trial_create(in->store, &row, id, err);
    free(row.params_json);
    free(row.config_json);
    return status;
}

static rlt_status change(const importing *in, const optuna_trial *t, int64_t id, const char *to,
                         const char *reason, rlt_err *err) {
    const optuna_study *study = in->study;
    bool ran = strcmp(t->state, "WAITING") != 0;
    bool several = study->objective_count > 1 || study->constraint_count > 0;
    rlt_trial_change change = {.trial = id,
                               .from = "pending",
                               .to = "running",
                               .reason = "started in Optuna",
                               .steps = 0,
                               .value = NAN,
                               .best = NAN,
                               .wall_s = NAN};
    if (ran) {
        RLT_TRY(rlt_store_trial_change(in->store, &change, err));
        change.attempt = rlt_trial_change_attempt(&change);
        change.from = "running";
    }
    bool timed = t->ended_ms > 0 && t->ended_ms >= t->started_ms && ran;
    change.to = to;
    change.reason = reason;
    change.steps = t->steps > 0 ? t->steps : t->reports > 0;
    change.value = t->values[0];
    change.best = t->best;
    change.wall_s = timed ? (double)(t->ended_ms - t->started_ms) / 1e3 : NAN;
    change.values = several ? t->values : NULL;
    change.constraints = several ? t->constraints : NULL;
    change.value_count = study->objective_count;
    change.constraint_count = study->constraint_count;
    rlt_store_set_clock(in->store, timed ? t->ended_ms : t->started_ms);
    return rlt_store_trial_change(in->store, &change, err);
}

static rlt_status write_curve(const importing *in, const optuna_trial *t, int64_t row,
                              rlt_err *err) {
    const optuna_study *study = in->study;
    if (t->reports == 0 && t->has_value) { /* without intermediate values: one point, at step 0 */
        for (int i = 0; i < study->objective_count; i++) {
            RLT_TRY(rlt_store_metric(in->store, row, 0, study->objectives[i], t->values[i], err));
        }
    }
    if (study->objective_count > 1) {
        return RLT_OK; /* Optuna has none with several objectives */
    }
    sqlite3_stmt *stmt = optuna_begin(&in->reader, OPTUNA_PART_STEPS, t);
    bool more;
    while (true) {
        RLT_TRY(optuna_step(&study->db, stmt, &more, err));
        if (!more) {
            return RLT_OK;
        }
        double value;
        RLT_TRY(optuna_real(&study->db, stmt, 1, "trial_intermediate_values.intermediate_value",
                            study->db.has_intermediate_type, &value, err));
        RLT_TRY(rlt_store_metric(in->store, row, sqlite3_column_int64(stmt, 0),
                                 study->objectives[0], value, err));
    }
}

enum { EVENT_MAX = 4096 };

/* {"key": value}: one line of `rltune show`, and what the export makes an attribute again. */
static rlt_status write_attribute(importing *in, sqlite3_stmt *stmt, int64_t row, rlt_err *err) {
    const char *key, *value;
    RLT_TRY(optuna_text(&in->study->db, stmt, 0, "the key of a user attribute", &key, err));
    RLT_TRY(optuna_text(&in->study->db, stmt, 1, "the value of a user attribute", &value, err));
    json_t *quoted = json_string(key);
    char *name = json_dumps(quoted, JSON_ENCODE_ANY);
    rlt_buf text = {0};
    rlt_buf_printf(&text, "{%s: %s}", name, value);
    rlt_status status = RLT_OK;
    if (text.size > EVENT_MAX) {
        in->long_attributes++;
    } else if (strncmp(key, "rltune:", strlen("rltune:")) != 0) {
        status =
            rlt_store_event(in->store, in->experiment, row, "optuna.user_attr", text.data, err);
    }
    rlt_buf_fini(&text);
    free(name);
    json_decref(quoted);
    return status;
}

static rlt_status write_attributes(importing *in, const optuna_trial *t, int64_t row,
                                   rlt_err *err) {
    sqlite3_stmt *stmt = optuna_begin(&in->reader, OPTUNA_PART_USER, t);
    bool more;
    while (true) {
        RLT_TRY(optuna_step(&in->study->db, stmt, &more, err));
        if (!more) {
            return RLT_OK;
        }
        RLT_TRY(write_attribute(in, stmt, row, err));
    }
}

/* The fixed values of a waiting trial that the search space holds, by path. */
static json_t *waiting_params(const optuna_study *study, const optuna_trial *t, rlt_notes *notes) {
    json_t *point = json_object(), *value;
    const char *name;
    json_object_foreach(t->waiting, name, value) {
        const optuna_param *param = optuna_study_param(study, name);
        double stored;
        if (param != NULL && optuna_dist_stored(&param->dist, value, &stored) &&
            !(param->dist.kind == OPTUNA_INT && json_is_real(value))) {
            json_object_set(point, param->path, value);
        } else {
            rlt_notes_add(notes, 0,
                          "waiting trial %lld: its value of '%.60s' is none of the search space's",
                          (long long)t->number, name);
        }
    }
    return point;
}

static rlt_status write_rows(importing *in, const optuna_trial *t, rlt_err *err) {
    int64_t row;
    const char *to = NULL, *reason = optuna_state_reason(t->state, &to);
    reason = t->reason[0] != 0 ? t->reason : reason;
    if (t->waiting != NULL) {
        json_t *fixed = waiting_params(in->study, t, NULL);
        json_object_update(t->params, fixed);
        json_decref(fixed);
    }
    RLT_TRY(create_row(in, t, &row, err));
    RLT_TRY(change(in, t, row, to, reason, err));
    RLT_TRY(write_curve(in, t, row, err));
    in->ended_ms = t->ended_ms > in->ended_ms ? t->ended_ms : in->ended_ms;
    return write_attributes(in, t, row, err);
}

typedef rlt_status (*trial_user)(importing *in, const optuna_trial *t, rlt_err *err);

static rlt_status use_waiting(importing *in, const optuna_trial *t, rlt_err *err) {
    (void)err;
    json_t *point = waiting_params(in->study, t, in->study->notes), *value;
    const char *path;
    void *next;
    json_object_foreach_safe(point, next, path, value) {
        if (json_is_null(value)) { /* no value of a point can be */
            json_object_del(point, path);
        }
    }
    if (json_object_size(point) > 0) {
        json_array_append(in->study->points, point);
    }
    json_decref(point);
    return RLT_OK;
}

static rlt_status each_trial(importing *in, bool waiting, trial_user use, rlt_err *err) {
    sqlite3_stmt *stmt;
    rlt_status status;
    bool row;
    RLT_TRY(optuna_prepare(&in->study->db,
                           "SELECT trial_id, number, state, datetime_start, datetime_complete FROM "
                           "trials WHERE study_id = ?1 ORDER BY number",
                           &stmt, err));
    sqlite3_bind_int64(stmt, 1, in->study->id);
    int64_t expected = 0;
    while ((status = optuna_step(&in->study->db, stmt, &row, err)) == RLT_OK && row) {
        optuna_trial t = {0};
        status = optuna_trial_head(&in->reader, stmt, expected++, &t, err);
        bool wanted = !waiting || strcmp(t.state, "WAITING") == 0;
        if (status == RLT_OK && wanted) {
            status = optuna_trial_read(&in->reader, &t, err);
        }
        if (status == RLT_OK && wanted) {
            status = use(in, &t, err);
        }
        optuna_trial_fini(&t);
        if (status != RLT_OK) {
            break;
        }
    }
    sqlite3_finalize(stmt);
    return status;
}

/* ---- the experiment ---- */

static json_t *facts_of(const optuna_study *study) {
    json_t *names = json_object();
    for (int i = 0; i < study->param_count; i++) {
        json_object_set_new(names, study->params[i].path, json_string(study->params[i].name));
    }
    return json_pack("{s:{s:s, s:s, s:s, s:s, s:o}}", "import", "from", "optuna", "version",
                     study->library, "file", study->db.path, "study", study->name, "names", names);
}

static rlt_status create_experiment(importing *in, const rlt_experiment_config *config,
                                    const rlt_buf *script, rlt_err *err) {
    rlt_experiment_row row = {.maximise = config->tune.maximise,
                              .script = script->data,
                              .script_path = (char *)in->study->db.path};
    json_t *facts = facts_of(in->study);
    snprintf(row.name, sizeof row.name, "%s", config->name);
    snprintf(row.metric, sizeof row.metric, "%s", config->tune.metric);
    row.config_json = json_dumps(config->json, JSON_COMPACT);
    row.facts_json = json_dumps(facts, JSON_COMPACT);
    json_decref(facts);
    rlt_status status = rlt_store_experiment_create(in->store, &row, &in->experiment, err);
    free(row.config_json);
    free(row.facts_json);
    for (int i = 1; i < config->tune.objectives.count && status == RLT_OK; i++) {
        status =
            rlt_store_objective_add(in->store, in->experiment, i, config->tune.objectives.names[i],
                                    config->tune.objectives.maximise[i], err);
    }
    for (int i = 0; i < config->tune.constraints.count && status == RLT_OK; i++) {
        status = rlt_store_constraint_add(in->store, in->experiment, i,
                                          config->tune.constraints.names[i], err);
    }
    return status;
}

static rlt_status first_time(const optuna_study *study, int64_t *wall_ms, rlt_err *err) {
    sqlite3_stmt *stmt;
    bool row;
    const char *text;
    RLT_TRY(optuna_prepare(&study->db, "SELECT min(datetime_start) FROM trials WHERE study_id = ?1",
                           &stmt, err));
    sqlite3_bind_int64(stmt, 1, study->id);
    rlt_status status = optuna_step(&study->db, stmt, &row, err);
    if (status == RLT_OK && row) {
        status = optuna_text(&study->db, stmt, 0, "trials.datetime_start", &text, err);
        *wall_ms = status == RLT_OK ? optuna_time_parse(text) : 0;
    }
    sqlite3_finalize(stmt);
    return status;
}

static rlt_status study_attributes(importing *in, rlt_err *err) {
    sqlite3_stmt *stmt;
    bool row;
    RLT_TRY(optuna_prepare(&in->study->db,
                           "SELECT key, value_json FROM study_user_attributes WHERE study_id = ?1 "
                           "ORDER BY study_user_attribute_id",
                           &stmt, err));
    sqlite3_bind_int64(stmt, 1, in->study->id);
    rlt_status status;
    while ((status = optuna_step(&in->study->db, stmt, &row, err)) == RLT_OK && row &&
           (status = write_attribute(in, stmt, 0, err)) == RLT_OK) {
    }
    sqlite3_finalize(stmt);
    return status;
}

static rlt_status write_all(importing *in, const rlt_experiment_config *config,
                            const rlt_buf *script, rlt_err *err) {
    int64_t began = 0;
    RLT_TRY(first_time(in->study, &began, err));
    rlt_store_set_clock(in->store, began);
    RLT_TRY(create_experiment(in, config, script, err));
    RLT_TRY(study_attributes(in, err));
    RLT_TRY(each_trial(in, false, write_rows, err));
    rlt_store_set_clock(in->store, in->ended_ms);
    RLT_TRY(rlt_store_experiment_end(in->store, in->experiment, "completed", err));
    if (in->long_attributes > 0) {
        rlt_notes_add(in->study->notes, 0,
                      "%lld user attributes of more than %d bytes are left out",
                      (long long)in->long_attributes, EVENT_MAX);
    }
    return RLT_OK;
}

/* Lua has no list with a null in it. */
static void without_null(optuna_study *study, json_t *config) {
    const char *name;
    json_t *space, *value;
    size_t i;
    json_object_foreach(json_object_get(config, "params"), name, space) {
        json_t *values = json_object_get(space, "values");
        json_array_foreach(values, i, value) {
            if (json_is_null(value)) {
                json_array_set_new(values, i, json_string("None"));
                rlt_notes_add(study->notes, 0,
                              "the choice None of params.%.60s is the text \"None\" in the script",
                              name);
            }
        }
    }
}

static rlt_status make_script(optuna_study *study, json_t *raw, rlt_buf *script) {
    json_t *copy = json_deep_copy(raw);
    char head[OPTUNA_NAME_MAX + 400];
    without_null(study, copy);
    snprintf(head, sizeof head,
             "The search space of an Optuna study.\nPut your program in place of "
             "\"program-of-the-study\".");
    rlt_lua_write(copy, head, script);
    json_decref(copy);
    return RLT_OK;
}

static rlt_status write_experiment(importing *in, rlt_buf *script, rlt_err *err) {
    json_t *raw = optuna_study_config(in->study);
    rlt_experiment_config config = {0};
    rlt_err why = {0};
    rlt_status status = rlt_experiment_config_load(raw, NULL, &config, &why);
    if (status != RLT_OK) {
        rlt_fail(err, status, "%s: study '%.80s' is no experiment: %s", in->study->db.path,
                 in->study->name, why.message);
    } else {
        make_script(in->study, raw, script);
        in->config = config.json;
        status = write_all(in, &config, script, err);
    }
    rlt_experiment_config_fini(&config);
    json_decref(raw);
    return status;
}

static rlt_status import_study(importing *in, rlt_buf *script, rlt_err *err) {
    RLT_TRY(optuna_reader_open(in->study, &in->reader, err));
    RLT_TRY(each_trial(in, true, use_waiting, err));
    RLT_TRY(rlt_store_begin(in->store, err));
    rlt_status status = write_experiment(in, script, err);
    rlt_store_set_clock(in->store, 0);
    if (status != RLT_OK) {
        rlt_store_rollback(in->store);
        return status;
    }
    return rlt_store_commit(in->store, err);
}

rlt_status rlt_optuna_import(const char *path, const char *name, rlt_store *store,
                             int64_t *experiment, rlt_notes *notes, rlt_buf *lua, rlt_err *err) {
    optuna_study study;
    rlt_buf script = {0};
    *experiment = 0;
    RLT_TRY(optuna_study_open(path, name, notes, &study, err));
    importing in = {.study = &study, .store = store};
    rlt_status status = import_study(&in, &script, err);
    optuna_reader_close(&in.reader);
    optuna_study_close(&study);
    if (status == RLT_OK) {
        *experiment = in.experiment;
        if (lua != NULL) {
            rlt_buf_append(lua, script.data, script.size);
        }
    }
    rlt_buf_fini(&script);
    return status;
}
