/* Optuna's studies in and out: what is imported against what Optuna itself reads in the same file
 * (tests/golden/optuna.json), bit for bit; import, export, import; foreign and broken files. */
#include "core/core.h"
#include "exchange/exchange.h"
#include "store/store.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GOLDEN RLT_SOURCE_DIR "/tests/golden/"

static char folder[64], study_path[96], db_path[96], export_path[96];

static void run_sql(const char *path, const char *sql) {
    sqlite3 *db;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) {
        fail_msg("%s: %s", path, why);
    }
    sqlite3_close(db);
}

static void make_study(const char *golden) {
    char *text;
    size_t size;
    rlt_err err = {0};
    assert_int_equal(rlt_file_read(golden, 1 << 20, &text, &size, &err), RLT_OK);
    unlink(study_path);
    run_sql(study_path, text);
    rlt_free(text);
}

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/rltune-optuna-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(study_path, sizeof study_path, "%s/study.db", folder);
    snprintf(db_path, sizeof db_path, "%s/r.db", folder);
    snprintf(export_path, sizeof export_path, "%s/export.db", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    static const char *const names[] = {"study.db", "r.db",      "r.db-wal",
                                        "r.db-shm", "r.db-lock", "export.db"};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

/* ---- rows as text ---- */

static rlt_status add_row(void *user, int columns, const char *const *names,
                          const char *const *values, rlt_err *err) {
    (void)names, (void)err;
    for (int i = 0; i < columns; i++) {
        rlt_buf_printf(user, "%s%s", i > 0 ? "|" : "", values[i] != NULL ? values[i] : "-");
    }
    rlt_buf_printf(user, "\n");
    return RLT_OK;
}

static char *rows(rlt_store *store, const char *sql, int64_t experiment) {
    rlt_buf text = {0};
    rlt_err err = {0};
    if (rlt_store_query(store, sql, &experiment, 1, add_row, &text, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    rlt_buf_append(&text, "", 0);
    return text.data;
}

static void expect_rows(rlt_store *store, const char *sql, int64_t experiment, const char *text) {
    char *found = rows(store, sql, experiment);
    assert_string_equal(found, text);
    rlt_free(found);
}

static rlt_store *open_store(void) {
    rlt_store *store;
    rlt_err err = {0};
    assert_int_equal(rlt_store_open(db_path, RLT_STORE_WRITE, &store, &err), RLT_OK);
    return store;
}

static int64_t import(rlt_store *store, const char *path, const char *name, rlt_notes *notes) {
    int64_t id = 0;
    rlt_err err = {0};
    rlt_notes own = {0};
    if (rlt_optuna_import(path, name, store, &id, notes != NULL ? notes : &own, NULL, &err) !=
        RLT_OK) {
        fail_msg("%s", err.message);
    }
    rlt_notes_fini(&own);
    return id;
}

/* ---- against what Optuna reads ---- */

static json_t *golden_json(void) {
    json_t *json = json_load_file(GOLDEN "optuna.json", 0, NULL);
    assert_non_null(json);
    return json;
}

static double number_of(const json_t *value) {
    return json_is_string(value) ? strtod(json_string_value(value), NULL)
                                 : json_number_value(value);
}

static const char *state_of(const char *theirs) {
    return strcmp(theirs, "COMPLETE") == 0                                 ? "completed"
           : strcmp(theirs, "FAIL") == 0 || strcmp(theirs, "RUNNING") == 0 ? "failed"
                                                                           : "stopped";
}

typedef struct comparing {
    rlt_store *store;
    const json_t *trials;
    const char *metric;
    int compared, points;
} comparing;

static rlt_status compare_point(void *user, int64_t step, double value, rlt_err *err) {
    (void)err;
    const json_t *expected = json_array_get(((comparing *)user)->trials, 0);
    char key[32];
    snprintf(key, sizeof key, "%lld", (long long)step);
    const json_t *point = json_object_get(expected, key);
    assert_non_null(point);
    double x = number_of(point);
    assert_true(isnan(x) ? isnan(value) : x == value);
    ((comparing *)user)->points++;
    return RLT_OK;
}

static void compare_params(const json_t *expected, const char *text) {
    json_t *params = json_loads(text, 0, NULL), *value;
    const char *name;
    assert_int_equal(json_object_size(params), json_object_size(expected));
    json_object_foreach((json_t *)expected, name, value) {
        char path[128];
        snprintf(path, sizeof path, "params.%s", name);
        for (char *at = path + strlen("params."); *at != 0; at++) {
            *at = *at == '.' || *at == ' ' ? '_' : *at;
        }
        if (!json_equal(value, json_object_get(params, path))) {
            fail_msg("%s in %s", path, text);
        }
    }
    json_decref(params);
}

static rlt_status compare_trial(void *user, const rlt_trial_row *row, rlt_err *err) {
    comparing *c = user;
    const json_t *expected = json_array_get(c->trials, (size_t)row->number);
    const char *state = json_string_value(json_object_get(expected, "state"));
    const json_t *values = json_object_get(expected, "values");
    const json_t *steps = json_object_get(expected, "intermediate");
    const json_t *seconds = json_object_get(expected, "seconds");
    assert_string_equal(row->state, state_of(state));
    if (strcmp(state, "WAITING") != 0) {
        compare_params(json_object_get(expected, "params"), row->params_json);
    }
    if (json_is_array(values)) {
        assert_true(row->value == number_of(json_array_get(values, 0)));
    }
    if (json_is_number(seconds)) {
        assert_true(row->wall_s == json_number_value(seconds));
    }
    if (json_object_size(steps) > 0) {
        json_t *one = json_pack("[O]", steps);
        comparing points = {.trials = one};
        assert_int_equal(rlt_store_curve(c->store, row->id, c->metric, compare_point, &points, err),
                         RLT_OK);
        assert_int_equal(points.points, json_object_size(steps));
        c->points += points.points;
        json_decref(one);
    }
    c->compared++;
    return RLT_OK;
}

static void test_trials(void **state) {
    (void)state;
    make_study(GOLDEN "optuna.sql");
    rlt_store *store = open_store();
    json_t *golden = golden_json();
    static const char *const names[][2] = {{"several", "loss"}, {"pruned", "value"}};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        rlt_err err = {0};
        int64_t id = import(store, study_path, names[i][0], NULL);
        comparing c = {.store = store,
                       .trials = json_object_get(json_object_get(golden, names[i][0]), "trials"),
                       .metric = names[i][1]};
        assert_int_equal(rlt_store_trials(store, id, compare_trial, &c, &err), RLT_OK);
        assert_int_equal(c.compared, json_array_size(c.trials));
        assert_true(i == 0 || c.points == 25);
    }
    int64_t empty = import(store, study_path, "empty", NULL);
    expect_rows(store, "SELECT count(*), 'x' FROM trials WHERE experiment = ?1", empty, "0|x\n");
    expect_rows(store, "SELECT state, name FROM experiments WHERE id = ?1", empty,
                "completed|empty\n");
    json_decref(golden);
    rlt_store_close(&store);
}

static void check_measures(rlt_store *store, int64_t id, const json_t *trials) {
    static const char *const constraints[] = {"0", "1", "memory"};
    rlt_buf expected = {0};
    for (size_t i = 0; i < 6; i++) {
        const json_t *trial = json_array_get(trials, i);
        const json_t *values = json_object_get(trial, "values");
        rlt_buf_printf(&expected, "%zu", i);
        for (size_t k = 0; k < 2; k++) {
            double x = number_of(json_array_get(values, k));
            rlt_buf_printf(&expected, "|%a", x);
        }
        for (size_t k = 0; k < 3; k++) {
            rlt_buf_printf(&expected, "|%a",
                           json_number_value(json_object_get(json_object_get(trial, "constraints"),
                                                             constraints[k])));
        }
        rlt_buf_printf(&expected, "\n");
    }
    /* texts of 17 digits, read back */
    char *found = rows(store,
                       "SELECT t.number, (SELECT group_concat(printf('%!.17g', value), ' ') FROM "
                       "(SELECT value FROM trial_values WHERE trial = t.id UNION ALL SELECT value "
                       "FROM trial_constraints WHERE trial = t.id)) FROM trials t WHERE experiment "
                       "= ?1 AND state = 'completed' ORDER BY number",
                       id);
    rlt_buf read = {0};
    for (char *at = found; *at != 0;) {
        char *end;
        rlt_buf_printf(&read, "%ld", strtol(at, &end, 10));
        while (*end != '\n') {
            bool infinite = strncmp(end + 1, "Inf", 3) == 0;
            double x = strtod(end + 1, &at);
            rlt_buf_printf(&read, "|%a", infinite ? INFINITY : x);
            end = at;
        }
        rlt_buf_printf(&read, "\n");
        at = end + 1;
    }
    assert_string_equal(read.data, expected.data);
    rlt_free(found);
    rlt_buf_fini(&read);
    rlt_buf_fini(&expected);
}

static void test_experiment(void **state) {
    (void)state;
    make_study(GOLDEN "optuna.sql");
    rlt_store *store = open_store();
    json_t *golden = golden_json();
    int64_t id = import(store, study_path, "several", NULL);
    check_measures(store, id, json_object_get(json_object_get(golden, "several"), "trials"));
    expect_rows(store,
                "SELECT metric, maximise FROM objectives WHERE experiment = ?1 UNION ALL SELECT "
                "metric, position FROM constraints WHERE experiment = ?1",
                id, "loss|0\nscore|1\nconstraint_0|0\nconstraint_1|1\nmemory|2\n");
    expect_rows(
        store,
        "SELECT config_json ->> '$.params.kind.values', config_json ->> '$.tune.points', "
        "facts_json ->> '$.import.study' FROM experiments WHERE id = ?1",
        id,
        "[null,true,1,1.5,\"a\"]|[{\"params.x\":0.29999999999999999,\"params.kind\":\"a\"}]|"
        "several\n");
    expect_rows(store,
                "SELECT t.number, e.text FROM events e LEFT JOIN trials t ON t.id = e.trial WHERE "
                "e.experiment = ?1 ORDER BY e.id LIMIT 2",
                id,
                "-|{\"owner\": \"me\"}\n0|{\"note\": {\"text\": \"a \\\"quoted\\\" word\", "
                "\"list\": [1, 2]}}\n");
    /* every state went through the ones before it, at the study's times */
    expect_rows(store,
                "SELECT t.number, group_concat(coalesce(r.from_state, '') || '>' || r.to_state), "
                "max(r.wall_ms) - min(r.wall_ms) FROM trials t JOIN transitions r ON r.trial = "
                "t.id WHERE t.experiment = ?1 AND t.number IN (0, 6) GROUP BY 1",
                id,
                "0|>pending,pending>running,running>completed|3500\n"
                "6|>pending,pending>stopped|0\n");
    json_decref(golden);
    rlt_store_close(&store);
}

static void test_space_and_notes(void **state) {
    (void)state;
    make_study(GOLDEN "optuna.sql");
    rlt_store *store = open_store();
    rlt_notes notes = {0};
    rlt_buf text = {0};
    int64_t id = import(store, study_path, "pruned", &notes);
    expect_rows(store,
                "SELECT config_json ->> '$.params', config_json ->> '$.stop.steps' FROM "
                "experiments WHERE id = ?1",
                id,
                "{\"model_lr\":{\"$space\":\"loguniform\",\"low\":1.0000000000000001e-5,\"high\":"
                "1.0},\"q\":{\"$space\":\"quniform\",\"low\":0.10000000000000001,\"high\":"
                "0.69999999999999996,\"step\":0.10000000000000001},\"k\":{\"$space\":\"quniform\","
                "\"low\":0,\"high\":8,\"step\":2},\"k_width\":{\"$space\":\"randint\",\"low\":3,"
                "\"high\":30}}|40\n");
    expect_rows(store,
                "SELECT number, state, reason FROM trials WHERE experiment = ?1 AND number IN (2, "
                "3, 8, 9)",
                id,
                "2|stopped|pruned in Optuna\n3|failed|failed in Optuna\n8|failed|was still running "
                "in Optuna when the study was imported\n9|stopped|was waiting in Optuna's queue, "
                "and never ran\n");
    rlt_notes_write(&notes, "", "", &text);
    assert_non_null(strstr(text.data, "parameter 'model.lr' is called params.model_lr here"));
    assert_non_null(strstr(text.data, "1 parameter (the first is 'k width') belongs to some of"));
    rlt_notes_fini(&notes);
    rlt_buf_fini(&text);
    rlt_store_close(&store);
}

static void test_old_names(void **state) {
    (void)state;
    make_study(GOLDEN "optuna_old.sql");
    rlt_store *store = open_store();
    int64_t id = import(store, study_path, NULL, NULL);
    expect_rows(store,
                "SELECT group_concat(p.key || ' ' || (p.value ->> '$.$space'), ', ') FROM "
                "experiments e, json_each(e.config_json, '$.params') p WHERE e.id = ?1",
                id, "x uniform, lr loguniform, q quniform, n quniform, m lograndint, c choice\n");
    expect_rows(store, "SELECT params_json, value, wall_s FROM trials WHERE experiment = ?1", id,
                "{\"params.c\":\"b\",\"params.lr\":0.001,\"params.m\":16,\"params.n\":5,"
                "\"params.q\":1.5,\"params.x\":0.25}|0.5|2.0\n");
    expect_rows(store, "SELECT step, value FROM trial_curves WHERE experiment = ?1 ORDER BY step",
                id, "1|-\n2|0.4\n");
    rlt_store_close(&store);
}

/* ---- there and back ---- */

static const char *const kept[] = {
    "SELECT number, state, reason, steps, printf('%!.17g', value), printf('%!.17g', best), wall_s, "
    "params_json FROM trials WHERE experiment = ?1 ORDER BY number",
    "SELECT number, metric, step, printf('%!.17g', value) FROM trial_curves WHERE experiment = ?1 "
    "ORDER BY 1, 2, 3",
    "SELECT t.number, v.position, printf('%!.17g', v.value) FROM trials t JOIN trial_values v ON "
    "v.trial = t.id WHERE t.experiment = ?1 ORDER BY 1, 2",
    "SELECT t.number, v.position, printf('%!.17g', v.value) FROM trials t JOIN trial_constraints v "
    "ON v.trial = t.id WHERE t.experiment = ?1 ORDER BY 1, 2",
    "SELECT metric, maximise FROM objectives WHERE experiment = ?1",
    "SELECT metric, position FROM constraints WHERE experiment = ?1",
    "SELECT e.name, p.key, p.value FROM experiments e, json_each(e.config_json, '$.params') p "
    "WHERE "
    "e.id = ?1 ORDER BY 2",
    "SELECT json_remove(config_json, '$.tune.points') ->> '$.tune', config_json ->> '$.stop', "
    "json_array_length(config_json, '$.tune.points') FROM experiments WHERE id = ?1",
    "SELECT t.number, text FROM events e LEFT JOIN trials t ON t.id = e.trial WHERE e.experiment = "
    "?1 ORDER BY e.id",
    "SELECT t.number, r.from_state, r.to_state, r.wall_ms FROM trials t JOIN transitions r ON "
    "r.trial = t.id WHERE t.experiment = ?1 AND t.attempt > 0 ORDER BY r.id"};

static void export_to(rlt_store *store, int64_t id, const char *path) {
    rlt_err err = {0};
    rlt_notes notes = {0};
    unlink(path);
    if (rlt_optuna_export(store, id, false, path, NULL, &notes, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    rlt_notes_fini(&notes);
}

static void test_round_trip(void **state) {
    (void)state;
    make_study(GOLDEN "optuna.sql");
    rlt_store *store = open_store();
    static const char *const names[] = {"several", "pruned", "empty"};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        int64_t first = import(store, study_path, names[i], NULL);
        export_to(store, first, export_path);
        int64_t second = import(store, export_path, NULL, NULL);
        for (size_t k = 0; k < RLT_COUNT(kept); k++) {
            char *before = rows(store, kept[k], first), *after = rows(store, kept[k], second);
            assert_string_equal(after, before);
            rlt_free(before);
            rlt_free(after);
        }
    }
    rlt_store_close(&store);
}

/* An experiment of ours with every kind of search value. */
static const char own_config[] =
    "{\"name\": \"own\", \"params\": {"
    "\"u\": {\"$space\": \"uniform\", \"low\": -1, \"high\": 1},"
    "\"l\": {\"$space\": \"lograndint\", \"low\": 1, \"high\": 64},"
    "\"q\": {\"$space\": \"quniform\", \"low\": 0.1, \"high\": 0.75, \"step\": 0.1},"
    "\"n\": {\"$space\": \"normal\", \"mean\": 0, \"std\": 1},"
    "\"g\": {\"$space\": \"grid\", \"values\": [1, 2.5]},"
    "\"c\": {\"$space\": \"choice\", \"values\": [[64, 64], [256]]},"
    "\"f\": {\"$space\": \"fixed\", \"value\": 3}}}";

static int64_t create_own(rlt_store *store) {
    static const struct {
        const char *params, *to;
        double value;
    } trials[] = {{"{\"params.u\": 0.5, \"params.l\": 8, \"params.q\": 0.3, \"params.n\": -7.5, "
                   "\"params.g\": "
                   "2.5, \"params.c\": [64, 64], \"params.f\": 3}",
                   "completed", 0.25},
                  {"{\"params.u\": 0.125, \"params.l\": 1, \"params.q\": 0.7, \"params.n\": 0.5, "
                   "\"params.g\": 1, \"params.c\": [256], \"params.f\": 3}",
                   "completed", NAN},
                  {"{\"params.u\": -0.5, \"params.l\": 2}", "pending", NAN}};
    rlt_err err = {0};
    int64_t experiment, id;
    rlt_experiment_row row = {.name = "own", .metric = "loss", .config_json = (char *)own_config};
    assert_int_equal(rlt_store_experiment_create(store, &row, &experiment, &err), RLT_OK);
    for (size_t i = 0; i < RLT_COUNT(trials); i++) {
        rlt_trial_row trial = {.experiment = experiment,
                               .number = (int64_t)i,
                               .role = "search",
                               .params_json = (char *)trials[i].params};
        assert_int_equal(rlt_store_trial_create(store, &trial, &id, &err), RLT_OK);
        rlt_trial_change change = {.trial = id,
                                   .from = "pending",
                                   .to = "running",
                                   .reason = "",
                                   .steps = 100,
                                   .value = trials[i].value,
                                   .best = NAN,
                                   .wall_s = NAN};
        if (strcmp(trials[i].to, "pending") != 0) {
            assert_int_equal(rlt_store_trial_change(store, &change, &err), RLT_OK);
            change.from = "running";
            change.to = trials[i].to;
            change.attempt = 1;
            assert_int_equal(rlt_store_trial_change(store, &change, &err), RLT_OK);
            assert_int_equal(rlt_store_metric(store, id, 50, "loss", 0.5, &err), RLT_OK);
        }
    }
    return experiment;
}

static char *sqlite_rows(const char *path, const char *sql) {
    sqlite3 *db;
    sqlite3_stmt *stmt;
    rlt_buf text = {0};
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            const unsigned char *value = sqlite3_column_text(stmt, i);
            rlt_buf_printf(&text, "%s%s", i > 0 ? "|" : "",
                           value != NULL ? (const char *)value : "-");
        }
        rlt_buf_printf(&text, "\n");
    }
    rlt_buf_append(&text, "", 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return text.data;
}

static void expect_sqlite(const char *path, const char *sql, const char *expected) {
    char *found = sqlite_rows(path, sql);
    assert_string_equal(found, expected);
    rlt_free(found);
}

static void test_own_experiment(void **state) {
    (void)state;
    rlt_store *store = open_store();
    int64_t id = create_own(store);
    rlt_err err = {0};
    rlt_notes notes = {0};
    unlink(export_path);
    assert_int_equal(rlt_optuna_export(store, id, false, export_path, "mine", &notes, &err),
                     RLT_OK);
    expect_sqlite(export_path,
                  "SELECT s.study_name, t.number, t.state, v.value FROM studies s JOIN trials t ON "
                  "t.study_id = s.study_id LEFT JOIN trial_values v ON v.trial_id = t.trial_id",
                  "mine|0|COMPLETE|0.25\nmine|1|FAIL|-\nmine|2|WAITING|-\n");
    expect_sqlite(
        export_path,
        "SELECT param_name, param_value, distribution_json FROM trial_params WHERE trial_id = 1 "
        "ORDER BY param_name",
        "c|0.0|{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"[64,64]\", "
        "\"[256]\"]}}\n"
        "f|3.0|{\"name\": \"IntDistribution\", \"attributes\": {\"log\": false, \"step\": 1, "
        "\"low\": 3, \"high\": 3}}\n"
        "g|1.0|{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [1, 2.5]}}\n"
        "l|8.0|{\"name\": \"IntDistribution\", \"attributes\": {\"log\": true, \"step\": 1, "
        "\"low\": 1, \"high\": 64}}\n"
        "n|-7.5|{\"name\": \"FloatDistribution\", \"attributes\": {\"log\": false, \"step\": null, "
        "\"low\": -7.5, \"high\": 6.0}}\n"
        "q|0.3|{\"name\": \"FloatDistribution\", \"attributes\": {\"log\": false, \"step\": "
        "0.10000000000000001, \"low\": 0.10000000000000001, \"high\": 0.69999999999999996}}\n"
        "u|0.5|{\"name\": \"FloatDistribution\", \"attributes\": {\"log\": false, \"step\": null, "
        "\"low\": -1.0, \"high\": 1.0}}\n");
    expect_sqlite(export_path,
                  "SELECT trial_id, step, intermediate_value FROM trial_intermediate_values",
                  "1|50|0.5\n2|50|0.5\n");
    expect_sqlite(export_path,
                  "SELECT trial_id, key, value_json FROM trial_system_attributes UNION ALL SELECT "
                  "0, key, value_json FROM study_system_attributes",
                  "3|fixed_params|{\"u\": -0.5, \"l\": 2}\n0|study:metric_names|[\"loss\"]\n");
    rlt_buf text = {0};
    rlt_notes_write(&notes, "", "", &text);
    assert_non_null(strstr(text.data, "params.c: choices that are lists"));
    assert_non_null(strstr(text.data, "params.n is normal here, uniform from -7.5 to 6 there"));
    assert_non_null(strstr(text.data, "1 completed trials without a value are FAIL"));
    rlt_notes_fini(&notes);
    rlt_buf_fini(&text);
    /* an existing file stays as it is */
    assert_int_equal(rlt_optuna_export(store, id, false, export_path, NULL, NULL, &err),
                     RLT_EINVAL);
    expect_sqlite(export_path, "SELECT study_name FROM studies", "mine\n");
    rlt_store_close(&store);
}

/* ---- foreign and broken files ---- */

static void expect_refused(const char *path, const char *name, rlt_status status,
                           const char *words) {
    rlt_store *store = open_store();
    rlt_err err = {0};
    rlt_notes notes = {0};
    int64_t id = 0;
    char *before = rows(store, "SELECT count(*), ?1 FROM trials", 0);
    assert_int_equal(rlt_optuna_import(path, name, store, &id, &notes, NULL, &err), status);
    if (strstr(err.message, words) == NULL) {
        fail_msg("'%s' is not in: %s", words, err.message);
    }
    char *after = rows(store, "SELECT count(*), ?1 FROM trials", 0); /* all or nothing */
    assert_string_equal(after, before);
    assert_int_equal(id, 0);
    rlt_free(before);
    rlt_free(after);
    rlt_notes_fini(&notes);
    rlt_store_close(&store);
}

static void test_foreign_files(void **state) {
    (void)state;
    char missing[128];
    snprintf(missing, sizeof missing, "%s/nowhere.db", folder);
    expect_refused(missing, NULL, RLT_ENOTFOUND, "No such file");
    expect_refused(GOLDEN "optuna.sql", NULL, RLT_ECORRUPT, "is no SQLite database");
    expect_refused(db_path, NULL, RLT_ECORRUPT, "it is a database of rltune");
    make_study(GOLDEN "optuna.sql");
    expect_refused(study_path, NULL, RLT_ENOTFOUND,
                   "holds 3 studies; choose one by --study NAME: 'several', 'pruned', 'empty'");
    expect_refused(study_path, "sevral", RLT_ENOTFOUND, "(did you mean 'several'?)");
    run_sql(study_path, "UPDATE version_info SET schema_version = 13");
    expect_refused(study_path, "pruned", RLT_ENOTSUP, "schema 13 of Optuna is newer");
    make_study(GOLDEN "optuna.sql");
    run_sql(study_path, "ALTER TABLE trials RENAME COLUMN number TO nr");
    expect_refused(study_path, "pruned", RLT_ENOTSUP, "optuna storage upgrade");
}

static void test_broken_rows(void **state) {
    (void)state;
    static const struct {
        const char *sql, *words;
        rlt_status status;
    } rows_of[] = {
        {"UPDATE trials SET state = 'DONE'", "is in state 'DONE'; COMPLETE, PRUNED", RLT_ECORRUPT},
        {"UPDATE trials SET number = number + 1", "after trial -1 comes trial 1", RLT_ECORRUPT},
        {"UPDATE trials SET number = 'x'", "trials.number: an integer", RLT_ECORRUPT},
        {"UPDATE trials SET state = x'ff'", "trials.state holds something that is no text",
         RLT_ECORRUPT},
        {"UPDATE trial_params SET param_value = 77 WHERE param_name = 'kind'",
         "77 is no value of parameter 'kind'", RLT_ECORRUPT},
        {"UPDATE trial_params SET param_value = 1.5 WHERE param_name = 'n'",
         "1.5 is no value of parameter 'n'", RLT_ECORRUPT},
        {"UPDATE trial_params SET param_value = 'x'", "param_value is no number", RLT_ECORRUPT},
        {"UPDATE trial_params SET param_value = NULL", "nan is no value of parameter",
         RLT_ECORRUPT},
        {"UPDATE trial_params SET distribution_json = '{'", "is no JSON", RLT_ECORRUPT},
        {"UPDATE trial_params SET distribution_json = '{\"name\": \"X\", \"attributes\": {}}'",
         "'X' is no distribution", RLT_ECORRUPT},
        {"UPDATE trial_params SET distribution_json = replace(distribution_json, '1.0', '-1.0') "
         "WHERE param_name = 'x'",
         "low (0) must be at most high (-1)", RLT_ECORRUPT},
        {"UPDATE trial_params SET distribution_json = replace(distribution_json, 'true', 'false') "
         "WHERE param_name = 'n' AND trial_id = 2",
         "with and without log", RLT_ENOTSUP},
        {"UPDATE trial_values SET value_type = 'BIG'", "of type 'BIG'", RLT_ECORRUPT},
        {"UPDATE trial_values SET objective = objective + 7", "for objective 7 of 2", RLT_ECORRUPT},
        {"UPDATE study_directions SET direction = 'UP'", "study_directions: 'UP'", RLT_ECORRUPT},
        {"DELETE FROM study_directions", "has no direction", RLT_ECORRUPT},
        {"INSERT INTO study_directions SELECT NULL, 'MINIMIZE', 1, value FROM "
         "json_each('[2,3,4,5,6,7,8,9]')",
         "more than 8 objectives", RLT_ELIMIT},
        {"DELETE FROM trial_values; INSERT INTO trial_system_attributes SELECT NULL, 1, "
         "'constraints:' || key, '1' FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]')",
         "more than 16 constraints", RLT_ELIMIT}};
    for (size_t i = 0; i < RLT_COUNT(rows_of); i++) {
        make_study(GOLDEN "optuna.sql");
        run_sql(study_path, rows_of[i].sql);
        expect_refused(study_path, "several", rows_of[i].status, rows_of[i].words);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_trials, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_experiment, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_space_and_notes, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_old_names, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_round_trip, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_own_experiment, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_foreign_files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_broken_rows, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
