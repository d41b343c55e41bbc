/* Every query of docs/schema.md is run, by plain SQLite as a person would, on a small database and
 * must give rows; every table and view is described; views that people use on millions of points
 * do not scan them. The ranks of the leaderboard, parameters in force. Databases of every released
 * schema version still open, and get the newest views. */
#include "tests/fault/store_fixture.h"

static void add_results(rlt_store *store, int64_t trial, const double *values, const char *end) {
    change(store, trial, 0, "pending", "running");
    for (int i = 0; i < 3; i++) {
        OK(rlt_store_metric(store, trial, 1000 * (i + 1), "eval_return", values[i], &err));
        OK(rlt_store_metric(store, trial, 1000 * (i + 1), "loss", 1.0 / (i + 1), &err));
    }
    rlt_checkpoint_row row = {.trial = trial, .attempt = 1, .step = 3000, .size = 12345};
    snprintf(row.path, sizeof row.path, "checkpoints/%lld.safetensors", (long long)trial);
    memset(row.sha256, 'c', 64);
    OK(rlt_store_checkpoint_add(store, &row, &err));
    rlt_trial_change c = change_of(trial, 1, "running", end);
    c.steps = 3000, c.value = values[2], c.best = values[2], c.wall_s = 1.5;
    OK(rlt_store_trial_change(store, &c, &err));
}

/* Trials 0 to 4: 100, 300 (twice), failed with 900, without a result. */
static int64_t fill(rlt_store *store, bool maximise) {
    int64_t experiment = add_experiment(store, maximise), trial;
    static const struct {
        double values[3];
        const char *end;
    } results[] = {{{10, 50, 100}, "stopped"},
                   {{20, 200, 300}, "completed"},
                   {{30, 100, 300}, "completed"},
                   {{900, 900, 900}, "failed"}};
    for (int i = 0; i < 5; i++) {
        trial = add_trial(store, experiment, "search", i);
        if (i < 4) {
            add_results(store, trial, results[i].values, results[i].end);
        }
        if (i == 0) {
            OK(rlt_store_decision(store, trial, 2000, "asha", "stop", "{\"threshold\":75}",
                                  "worst third at its rung", &err));
        }
        if (i == 1) {
            OK(rlt_store_decision(store, trial, 3000, "race", "drop", "{\"p\":0.01}",
                                  "it gets no further seed", &err));
        }
        if (i == 2) {
            OK(rlt_store_decision(store, trial, 2000, "pbt", "exploit", "{\"quantile\":0.25}",
                                  "it goes on from trial 1", &err));
            OK(rlt_store_exploit(store,
                                 &(rlt_exploit_row){.trial = trial,
                                                    .step = 2000,
                                                    .decider = "pbt",
                                                    .at = 2000,
                                                    .source = trial - 1,
                                                    .source_step = 3000,
                                                    .params_json = "{\"ppo.lr\":0.0025,"
                                                                   "\"ppo.epochs\":4}"},
                                 &err));
        }
    }
    for (int i = 0; i < 2; i++) {
        trial = add_trial(store, experiment, "final", i);
        add_results(store, trial, (double[]){50, 250, 290 + i}, "completed");
    }
    OK(rlt_store_event(store, experiment, 0, "driver.started", "all is well", &err));
    return experiment;
}

static int count_rows(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        fail_msg("%s\n%s", sqlite3_errmsg(db), sql);
    }
    int rows = 0, code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        rows++;
    }
    assert_int_equal(code, SQLITE_DONE);
    sqlite3_finalize(stmt);
    return rows;
}

static char *read_docs(void) {
    char *text;
    size_t size;
    OK(rlt_file_read(RLT_SOURCE_DIR "/docs/schema.md", 1 << 20, &text, &size, &err));
    return text;
}

static void test_every_query_of_the_docs_gives_rows(void **state) {
    const place *at = *state;
    rlt_store *store = open_store(at, RLT_STORE_WRITE);
    fill(store, true);
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(at->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    char *docs = read_docs(), *next = docs;
    int queries = 0;
    while ((next = strstr(next, "```sql\n")) != NULL) {
        char *sql = next + 7, *end = strstr(sql, "```");
        assert_non_null(end);
        *end = 0;
        if (count_rows(db, sql) == 0) {
            fail_msg("no rows: %s", sql);
        }
        queries++;
        next = end + 3;
    }
    assert_true(queries >= 10);
    rlt_free(docs);
    sqlite3_close(db);
    rlt_store_close(&store);
}

static rlt_status check_described(void *user, int columns, const char *const *names,
                                  const char *const *values, rlt_err *err) {
    (void)columns, (void)names;
    char quoted[160];
    snprintf(quoted, sizeof quoted, "`%s`", values[0]);
    return strstr(user, quoted) != NULL
               ? RLT_OK
               : rlt_fail(err, RLT_ENOTFOUND, "%s is not in docs/schema.md", quoted);
}

static void test_every_table_and_view_is_described(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    char *docs = read_docs();
    OK(rlt_store_query(store,
                       "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name "
                       "NOT LIKE 'sqlite%'",
                       NULL, 0, check_described, docs, &err));
    rlt_free(docs);
    rlt_store_close(&store);
}

#define RANKS(experiment)                                                                          \
    "SELECT group_concat(number || ':' || coalesce(rank, '-'), ' ') FROM (SELECT * FROM "          \
    "leaderboard WHERE experiment = " experiment ")"

static void test_leaderboard_ranks(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    fill(store, true);
    fill(store, false);
    assert_string_equal(ask(store, RANKS("1")), "1:1 2:1 0:3 3:- 4:-");
    assert_string_equal(ask(store, RANKS("2")), "0:1 1:2 2:2 3:- 4:-");
    assert_string_equal(ask(store, "SELECT group_concat(mode || best || ' ' || trials || ' ' || "
                                   "ended || ' ' || failed, ', ') FROM experiment_list"),
                        "max300.0 5 4 1, min100.0 5 4 1");
    assert_string_equal(ask(store, "SELECT steps_per_s || ' ' || checkpoint_step || ' ' || "
                                   "decisions || ' ' || attempts FROM trial_summary WHERE trial=1"),
                        "2000.0 3000 1 1");
    assert_string_equal(ask(store, "SELECT value FROM facts WHERE fact = 'cpu.cores'"), "2");
    rlt_store_close(&store);
}

/* Trial 2 of what fill makes has copied trial 1. */
static void check_in_force(rlt_store *store) {
    static const char *const views[] = {"leaderboard", "trial_summary", "parameters_in_force"};
    for (size_t i = 0; i < RLT_COUNT(views); i++) {
        char sql[300];
        snprintf(sql, sizeof sql,
                 "SELECT group_concat(json_extract(params, '$.\"ppo.lr\"') || ' ' || origin, ', ') "
                 "FROM (SELECT * FROM %s WHERE experiment = 1 AND trial IN (2, 3) ORDER BY trial)",
                 views[i]);
        assert_string_equal(ask(store, sql), "0.001 sampler, 0.0025 trial 1 at step 3000");
    }
    rlt_trial_texts texts;
    OK(rlt_store_trial_texts(store, 3, &texts, &err));
    assert_string_equal(texts.params_json, "{\"ppo.lr\":0.0025,\"ppo.epochs\":4}");
    assert_string_equal(texts.origin, "trial 1 at step 3000");
    assert_true(texts.since == 2000);
    rlt_trial_texts_fini(&texts);
    assert_string_equal(ask(store, "SELECT since || ' ' || source || ' ' || source_step FROM "
                                   "parameters_in_force WHERE trial = 3"),
                        "2000 2 3000");
    assert_string_equal(
        ask(store, "SELECT group_concat(trial || path || setting || typeof(setting) || "
                   "coalesce(setting_number, '')) FROM (SELECT * FROM parameter_table WHERE trial "
                   "IN (2, 3) AND path LIKE 'ppo.%' ORDER BY trial, path)"),
        "2ppo.epochs4.0real4.0,2ppo.lr0.001real0.001,3ppo.epochs4.0real4.0,"
        "3ppo.lr0.0025real0.0025");
    assert_string_equal(ask(store, "SELECT count(*) FROM parameter_table WHERE trial = 3"), "2");
    assert_string_equal(ask(store, "SELECT json_extract(params, '$.\"ppo.lr\"') FROM "
                                   "configurations WHERE configuration = 2"),
                        "0.0025");
}

static void test_views_show_the_parameters_in_force(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    fill(store, true);
    check_in_force(store);
    rlt_store_close(&store);
}

/* Values of every type come out of parameter_table the same whether they are a trial's first ones
 * or those that it took later. */
static void test_origins_of_parameters(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    int64_t experiment = add_experiment(store, true), ids[4], point;
    for (int i = 0; i < 3; i++) {
        ids[i] = add_trial(store, experiment, "search", i);
    }
    ids[3] = add_trial(store, experiment, "final", 0);
    OK(rlt_store_enqueue(store, experiment, "{}", "by hand", &point, &err));
    OK(rlt_store_queue_take(store, point, ids[1], &err));
    char *first;
    int64_t at, source;
    OK(rlt_store_params(store, ids[2], 0, &first, &at, &source, &err));
    for (int step = 600; step > 400; step -= 100) { /* the newest is the one at the later step */
        OK(rlt_store_decision(store, ids[2], step, "replay", "change", "{}", "scheduled", &err));
        rlt_exploit_row row = {.trial = ids[2],
                               .step = step,
                               .decider = "replay",
                               .at = step,
                               .source_step = step,
                               .params_json = step == 600 ? first : "{}"};
        OK(rlt_store_exploit(store, &row, &err));
    }
    rlt_free(first);
    assert_string_equal(ask(store, "SELECT group_concat(origin, ', ') FROM (SELECT * FROM "
                                   "parameters_in_force ORDER BY trial)"),
                        "sampler, by hand, changed at step 600, winner");
    assert_string_equal(ask(store, "SELECT count(*) FROM parameter_table WHERE trial = 3"), "5");
    assert_string_equal(
        ask(store,
            "SELECT count(*) FROM parameter_table a JOIN parameter_table b ON a.path = "
            "b.path AND a.trial = 1 AND b.trial = 3 AND a.setting = b.setting AND "
            "typeof(a.setting) = typeof(b.setting) AND a.setting_number IS b.setting_number"),
        "5");
    rlt_store_close(&store);
}

/* Two objectives (max, min) and a constraint. Trials 0 to 5: on the front, dominated by 0, on the
 * front, not feasible, without a second value, failed. */
static void test_views_of_several_objectives(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    int64_t experiment = add_experiment(store, true);
    OK(rlt_store_objective_add(store, experiment, 1, "latency", false, &err));
    OK(rlt_store_constraint_add(store, experiment, 0, "over", &err));
    static const double values[6][3] = {{10, 1, 0}, {9, 2, -1},  {20, 5, -3},
                                        {30, 1, 2}, {9, NAN, 0}, {90, 0, 0}};
    for (int i = 0; i < 6; i++) {
        int64_t trial = add_trial(store, experiment, "search", i);
        change(store, trial, 0, "pending", "running");
        rlt_trial_change c = change_of(trial, 1, "running", i == 5 ? "failed" : "completed");
        c.value = c.best = values[i][0];
        c.values = values[i], c.value_count = 2;
        c.constraints = &values[i][2], c.constraint_count = 1;
        OK(rlt_store_trial_change(store, &c, &err));
    }
    assert_string_equal(ask(store, "SELECT group_concat(number || metric || value, ' ') FROM "
                                   "pareto_front"),
                        "0eval_return10.0 0latency1.0 2eval_return20.0 2latency5.0");
    assert_string_equal(ask(store, "SELECT group_concat(number || ':' || violation || ':' || "
                                   "unknown) FROM infeasible_trials"),
                        "3:2.0:0");
    assert_string_equal(ask(store, "SELECT count(rank) FROM leaderboard"), "0");
    assert_string_equal(ask(store, "SELECT coalesce(best, 'none') FROM experiment_list"), "none");
    /* with one objective the constraint still counts */
    experiment = add_experiment(store, true);
    OK(rlt_store_constraint_add(store, experiment, 0, "over", &err));
    for (int i = 0; i < 4; i++) {
        int64_t trial = add_trial(store, experiment, "search", i);
        change(store, trial, 0, "pending", "running");
        rlt_trial_change c = change_of(trial, 1, "running", "completed");
        c.value = c.best = values[i][0];
        c.values = values[i], c.value_count = 1;
        c.constraints = &values[i][2], c.constraint_count = i == 0 ? 0 : 1;
        OK(rlt_store_trial_change(store, &c, &err));
    }
    assert_string_equal(ask(store, RANKS("2")), "2:1 1:2 0:- 3:-");
    assert_string_equal(ask(store, "SELECT best FROM experiment_list WHERE experiment = 2"),
                        "20.0");
    assert_string_equal(ask(store, "SELECT group_concat(number || ':' || unknown) FROM "
                                   "infeasible_trials WHERE experiment = 2"),
                        "0:1,3:0");
    rlt_store_close(&store);
}

/* With tune.seeds = 5 and the aggregate: trial i is replicate i / 6 of configuration i % 6. */
static int64_t fill_replicates(rlt_store *store, const char *aggregate, bool maximise) {
    static const double values[6][5] = {
        {1, 2, 3, 4, 100},          /* 3: interquartile, 22: mean, 3: median */
        {5, 5, 5, 5, 5},            /* all seeds */
        {50, 60, NAN, NAN, NAN},    /* dropped after two */
        {90, 90, 90, 90, 90},       /* one replicate failed */
        {4, 4, 4, 4, 4},            /* still runs */
        {NAN, NAN, NAN, NAN, NAN}}; /* no result */
    char config[80];
    snprintf(config, sizeof config, "{\"tune\":{\"seeds\":5,\"aggregate\":\"%s\"}}", aggregate);
    rlt_experiment_row row = {.name = "seeds",
                              .metric = "loss",
                              .maximise = maximise,
                              .config_json = config,
                              .script = "return {}"};
    int64_t experiment;
    OK(rlt_store_experiment_create(store, &row, &experiment, &err));
    for (int i = 0; i < 30; i++) {
        int c = i % 6, k = i / 6;
        if (isnan(values[c][k]) && c == 2) {
            continue;
        }
        rlt_trial_row trial = {.experiment = experiment,
                               .number = i,
                               .configuration = c,
                               .replicate = k,
                               .params_json = c == 1 ? "{\"x\":1}" : "{\"x\":2}",
                               .config_json = "{}",
                               .role = "search"};
        OK(rlt_store_trial_create(store, &trial, &trial.id, &err));
        change(store, trial.id, 0, "pending", "running");
        rlt_trial_change end =
            change_of(trial.id, 1, "running", c == 3 && k == 1 ? "failed" : "completed");
        end.steps = 10, end.value = end.best = values[c][k];
        if (c != 4 || k != 2) {
            OK(rlt_store_trial_change(store, &end, &err));
        }
    }
    return experiment;
}

#define AMOUNTS(experiment)                                                                        \
    "SELECT group_concat(configuration || ':' || coalesce(rank, '-') || ':' || seeds || ':' || "   \
    "coalesce(value, '-'), ' ') FROM (SELECT * FROM configurations WHERE experiment = " experiment \
    ")"

static void test_configurations_are_ranked_by_their_replicates(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    fill_replicates(store, "iqm", true);
    fill_replicates(store, "mean", true);
    fill_replicates(store, "median", false);
    fill_replicates(store, "worst", false);
    assert_string_equal(ask(store, AMOUNTS("1")),
                        "1:1:5:5.0 0:2:5:3.0 4:3:4:4.0 2:4:2:55.0 5:-:0:- 3:-:4:90.0");
    assert_string_equal(ask(store, AMOUNTS("2")),
                        "0:1:5:22.0 1:2:5:5.0 4:3:4:4.0 2:4:2:55.0 5:-:0:- 3:-:4:90.0");
    assert_string_equal(ask(store, AMOUNTS("3")),
                        "0:1:5:3.0 1:2:5:5.0 4:3:4:4.0 2:4:2:55.0 5:-:0:- 3:-:4:90.0");
    assert_string_equal(ask(store, AMOUNTS("4")),
                        "1:1:5:5.0 0:2:5:100.0 4:3:4:4.0 2:4:2:60.0 5:-:0:- 3:-:4:90.0");
    assert_string_equal(ask(store,
                            "SELECT completed || ' ' || failed || ' ' || open || ' ' || steps "
                            "FROM configurations WHERE experiment = 1 AND configuration = 4"),
                        "4 0 1 40");
    assert_string_equal(ask(store, "SELECT params FROM configurations WHERE experiment = 1 AND "
                                   "rank = 1"),
                        "{\"x\":1}");
    assert_string_equal(ask(store, "SELECT group_concat(best, ' ') FROM experiment_list"),
                        "5.0 22.0 3.0 5.0");
    rlt_store_close(&store);
}

static rlt_status append_last(void *user, int columns, const char *const *names,
                              const char *const *values, rlt_err *err) {
    (void)names, (void)err;
    rlt_buf_printf(user, "%s\n", values[columns - 1]);
    return RLT_OK;
}

/* "SEARCH m ... (trial=? AND name=?...)" is one range of the key; "SCAN m" is every point. */
static void test_points_are_found_by_key(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    static const char *const queries[] = {
        "EXPLAIN QUERY PLAN SELECT * FROM trial_curves WHERE experiment = 1 AND metric = 'loss'",
        "EXPLAIN QUERY PLAN SELECT * FROM trial_curves WHERE trial = 1 AND metric = 'loss'",
        "EXPLAIN QUERY PLAN SELECT * FROM trial_curves WHERE experiment = 1 AND number = 3",
        ("EXPLAIN QUERY PLAN SELECT * FROM trial_curves WHERE metric = 'loss' AND trial IN (SELECT "
         "trial FROM leaderboard WHERE experiment = 1 AND rank <= 5)")};
    for (size_t i = 0; i < RLT_COUNT(queries); i++) {
        rlt_buf plan = {0};
        OK(rlt_store_query(store, queries[i], NULL, 0, append_last, &plan, &err));
        if (strstr(plan.data, "SEARCH m USING PRIMARY KEY (trial=? AND name=?") == NULL ||
            strstr(plan.data, "SCAN m\n") != NULL || strstr(plan.data, "SEARCH t ") == NULL) {
            fail_msg("%s\n%s", queries[i], plan.data);
        }
        rlt_buf_fini(&plan);
    }
    rlt_buf plan = {0};
    OK(rlt_store_query(store, "EXPLAIN QUERY PLAN SELECT * FROM leaderboard WHERE experiment = 1",
                       NULL, 0, append_last, &plan, &err));
    if (strstr(plan.data, "SEARCH t ") == NULL || strstr(plan.data, "SCAN t\n") != NULL) {
        fail_msg("%s", plan.data);
    }
    rlt_buf_fini(&plan);
    rlt_store_close(&store);
}

/* tests/golden/store_vN.db.sql: what `sqlite3 FILE .dump` gave for a database of version N. */
static void load_dump(const place *at, int version) {
    char *sql, *message = NULL, path[256];
    size_t size;
    snprintf(path, sizeof path, RLT_SOURCE_DIR "/tests/golden/store_v%d.db.sql", version);
    OK(rlt_file_read(path, 1 << 20, &sql, &size, &err));
    sqlite3 *db;
    assert_int_equal(sqlite3_open(at->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s", message);
    }
    sqlite3_close(db);
    rlt_free(sql);
}

/* A reader changes nothing, and sees the rows as they would be after the migration. */
static void check_reader(const place *at) {
    rlt_store *store = open_store(at, RLT_STORE_READ);
    rlt_trial_row row;
    OK(rlt_store_trial_get(store, 2, &row, &err));
    assert_true(row.value == 300 && row.attempt == 1 && row.seed == 101);
    assert_true(row.configuration == 1 && row.replicate == 0 && row.parent == 0);
    rlt_trial_row_fini(&row);
    assert_string_equal(ask(store, "SELECT sum(configuration <> number) FROM trials WHERE role = "
                                   "'search'"),
                        "0");
    assert_string_equal(ask(store, RANKS("1")), "1:1 2:1 0:3 3:- 4:-");
    assert_string_equal(ask(store, "SELECT count(*) FROM infeasible_trials"), "0");
    assert_string_equal(ask(store, "SELECT count(*) || max(origin) FROM parameters_in_force WHERE "
                                   "since = 0 AND role = 'search' AND trial <> 3"),
                        "4sampler");
    rlt_trial_texts texts;
    OK(rlt_store_trial_texts(store, 2, &texts, &err));
    assert_string_equal(texts.reason, "for the test");
    assert_string_equal(texts.origin, "sampler");
    assert_true(texts.since == 0 && strstr(texts.params_json, "\"ppo.lr\":0.001") != NULL);
    assert_string_equal(texts.config_json, "{\"env\":\"CartPole-v1\"}");
    rlt_trial_texts_fini(&texts);
    FAILS(RLT_ENOTFOUND, "no trial 99", rlt_store_trial_texts(store, 99, &texts, &err));
    rlt_store_close(&store);
}

/* Whatever version a file began with, its views are those of a new one. */
static void check_views(const place *at, rlt_store *store) {
    static const char sql[] = "SELECT sql FROM sqlite_schema WHERE type = 'view' ORDER BY name";
    char path[160];
    snprintf(path, sizeof path, "%s/new.db", at->folder);
    rlt_store *fresh;
    rlt_buf expected = {0}, got = {0};
    OK(rlt_store_open(path, RLT_STORE_WRITE, &fresh, &err));
    OK(rlt_store_query(fresh, sql, NULL, 0, append_last, &expected, &err));
    OK(rlt_store_query(store, sql, NULL, 0, append_last, &got, &err));
    assert_string_equal(got.data, expected.data);
    rlt_buf_fini(&expected);
    rlt_buf_fini(&got);
    rlt_store_close(&fresh);
}

static void check_migration(const place *at, int version) {
    load_dump(at, version);
    check_reader(at);
    rlt_store *store = open_store(at, RLT_STORE_WRITE);
    OK(rlt_store_check(store, &err));
    assert_string_equal(ask(store, RANKS("1")), "1:1 2:1 0:3 3:- 4:-");
    check_views(at, store);
    rlt_trial_row row;
    OK(rlt_store_trial_get(store, 2, &row, &err));
    assert_string_equal(row.state, "completed");
    assert_true(row.value == 300 && row.attempt == 1 && row.seed == 101);
    assert_true(row.configuration == 1 && row.replicate == 0 && row.parent == 0);
    rlt_trial_row_fini(&row);
    int64_t epoch;
    OK(rlt_store_experiment_own(store, 1, &epoch, &err));
    assert_int_equal(epoch, 2);
    int64_t id = add_trial(store, 1, "search", 5);
    change(store, 5, 0, "pending", "running");
    OK(rlt_store_metric(store, 5, 1, "a new metric", 1, &err));
    OK(rlt_store_trial_get(store, id, &row, &err));
    assert_true(row.number == 5);
    rlt_trial_row_fini(&row);
    rlt_store_close(&store);
}

static void test_database_of_version_1(void **state) {
    check_migration(*state, 1);
}

static void test_database_of_version_2(void **state) {
    check_migration(*state, 2);
}

static void test_database_of_version_3(void **state) {
    check_migration(*state, 3);
}

static void test_database_of_version_4(void **state) {
    check_migration(*state, 4);
    rlt_store *store = open_store(*state, RLT_STORE_READ);
    check_in_force(store);
    rlt_store_close(&store);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "fill") == 0) { /* for scripts/gen_golden_store */
        rlt_store *store;
        OK(rlt_store_open(argv[2], RLT_STORE_WRITE, &store, &err));
        fill(store, true);
        rlt_store_close(&store);
        return 0;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_every_query_of_the_docs_gives_rows),
        TEST(test_every_table_and_view_is_described),
        TEST(test_configurations_are_ranked_by_their_replicates),
        TEST(test_leaderboard_ranks),
        TEST(test_views_show_the_parameters_in_force),
        TEST(test_origins_of_parameters),
        TEST(test_views_of_several_objectives),
        TEST(test_points_are_found_by_key),
        TEST(test_database_of_version_1),
        TEST(test_database_of_version_2),
        TEST(test_database_of_version_3),
        TEST(test_database_of_version_4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
