/* Parameters in force: of a trial that has copied others, every command, export and view shows the
 * same newest ones, and where they come from. And the memory that commands take does not grow with
 * what they print. */
#include "core/core.h"
#include "store/store.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#define CHECK(call) assert_int_equal(call, RLT_OK)

enum { FEW = 5000, MANY = 20000, GROWTH_KB_MAX = 7000 };
static char folder[64], db[96], study[96], output[96];

static int64_t add_experiment(rlt_store *store, const char *name) {
    rlt_err err;
    int64_t id;
    const char *space = "{\"ppo\": {\"lr\": {\"$space\": \"uniform\", \"low\": 0, \"high\": 1}}}";
    rlt_experiment_row row = {
        .metric = "eval_return", .maximise = true, .config_json = (char *)space};
    snprintf(row.name, sizeof row.name, "%s", name);
    CHECK(rlt_store_experiment_create(store, &row, &id, &err));
    return id;
}

static int64_t add_trial(rlt_store *store, int64_t experiment, int number) {
    char params[100], config[1000]; /* as long as those of real trials */
    rlt_err err;
    snprintf(config, sizeof config, "{\"name\":\"%0*d\",\"ppo\":{\"gamma\":0.9,\"lr\":0.5}}", 900,
             number);
    snprintf(params, sizeof params, "{\"ppo.gamma\":0.9,\"ppo.lr\":%.17g}", 0.5 / (number + 1));
    rlt_trial_row row = {.experiment = experiment,
                         .number = number,
                         .configuration = number,
                         .params_json = params,
                         .config_json = config,
                         .role = "search"};
    int64_t id = 0;
    CHECK(rlt_store_trial_create(store, &row, &id, &err));
    rlt_trial_change change = {.trial = id, .from = "pending", .to = "running", .reason = ""};
    CHECK(rlt_store_trial_change(store, &change, &err));
    change = (rlt_trial_change){.trial = id,
                                .attempt = 1,
                                .from = "running",
                                .to = "completed",
                                .reason = "all steps done",
                                .steps = 4000,
                                .value = number,
                                .best = number,
                                .wall_s = 1};
    CHECK(rlt_store_trial_change(store, &change, &err));
    return id;
}

static void copy(rlt_store *store, int64_t trial, int64_t source, int64_t step,
                 const char *params) {
    rlt_err err;
    rlt_exploit_row row = {.trial = trial,
                           .step = step,
                           .decider = "pbt",
                           .at = step,
                           .source = source,
                           .source_step = step,
                           .params_json = params};
    CHECK(rlt_store_decision(store, trial, step, "pbt", "exploit", "{}", "it copies", &err));
    CHECK(rlt_store_exploit(store, &row, &err));
}

static int set_up(void **state) {
    (void)state;
    rlt_err err;
    rlt_store *store;
    snprintf(folder, sizeof folder, "/tmp/rlt_in_force_XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(db, sizeof db, "%s/a.db", folder);
    snprintf(study, sizeof study, "%s/study.db", folder);
    snprintf(output, sizeof output, "%s/out", folder);
    CHECK(rlt_store_open(db, RLT_STORE_WRITE, &store, &err));
    CHECK(rlt_store_begin(store, &err));
    int64_t experiment = add_experiment(store, "population"), trials[3];
    for (int i = 0; i < 3; i++) {
        trials[i] = add_trial(store, experiment, i);
    }
    copy(store, trials[2], trials[0], 1000, "{\"ppo.gamma\":0.9,\"ppo.lr\":0.75}");
    copy(store, trials[2], trials[1], 3000, "{\"ppo.gamma\":0.99,\"ppo.lr\":0.625}");
    CHECK(rlt_store_experiment_end(store, experiment, "completed", &err));
    static const int sizes[] = {FEW, MANY};
    for (int s = 0; s < 2; s++) {
        experiment = add_experiment(store, s == 0 ? "few" : "many");
        for (int i = 0; i < sizes[s]; i++) {
            add_trial(store, experiment, i);
        }
        CHECK(rlt_store_experiment_end(store, experiment, "completed", &err));
    }
    CHECK(rlt_store_commit(store, &err));
    rlt_store_close(&store);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    static const char *const names[] = {"a.db",     "a.db-lock", "a.db-wal",
                                        "a.db-shm", "study.db",  "out"};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

/* Runs `rltune WORD...` into `output`; returns its largest resident size in KiB. */
static long run(const char *const *words) {
    pid_t pid = fork();
    if (pid == 0) {
        const char *args[16] = {RLT_BINARY};
        for (int i = 0; i < 14 && words[i] != NULL; i++) {
            args[i + 1] = words[i];
        }
        setenv("RLTUNE_DB", db, 1);
        if (freopen(output, "w", stdout) == NULL) {
            _exit(126);
        }
        execv(RLT_BINARY, (char *const *)(void *)args);
        _exit(127);
    }
    int status;
    struct rusage usage;
    assert_int_equal(wait4(pid, &status, 0, &usage), pid);
    assert_int_equal(status, 0);
    return usage.ru_maxrss;
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static char *text_of(void) {
    char *text;
    size_t size;
    rlt_err err;
    CHECK(rlt_file_read(output, 1 << 26, &text, &size, &err));
    return text;
}

static void expect_text(const char *part) {
    char *text = text_of();
    if (strstr(text, part) == NULL) {
        fail_msg("no '%s' in\n%s", part, text);
    }
    rlt_free(text);
}

static json_t *json_of(void) {
    char *text = text_of();
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    rlt_free(text);
    return value;
}

static void expect_trial(json_t *trial) {
    json_t *params = json_object_get(trial, "params");
    assert_int_equal(json_integer_value(json_object_get(trial, "number")), 2);
    assert_true(json_real_value(json_object_get(params, "ppo.lr")) == 0.625);
    assert_true(json_real_value(json_object_get(params, "ppo.gamma")) == 0.99);
    assert_string_equal(json_string_value(json_object_get(trial, "origin")),
                        "trial 1 at step 3000");
    assert_int_equal(json_integer_value(json_object_get(trial, "since")), 3000);
}

static void expect_config(json_t *config) {
    json_t *ppo = json_object_get(config, "ppo");
    assert_true(json_real_value(json_object_get(ppo, "lr")) == 0.625);
    assert_true(json_real_value(json_object_get(ppo, "gamma")) == 0.99);
}

static void test_commands_show_the_same(void **state) {
    (void)state;
    RUN("show", "1");
    expect_text("ppo.gamma  ppo.lr  from\n");
    expect_text("0.99   0.625  trial 1 at step 3000\n");
    expect_text("0.9     0.5  sampler\n");
    RUN("show", "1", "--trial", "2");
    expect_text("ppo.lr     0.625");
    RUN("best", "1");
    expect_text("ppo.lr               0.625");
    expect_text("parameters from trial 1 at step 3000");
    RUN("show", "1", "--json");
    json_t *value = json_of();
    expect_trial(json_array_get(json_object_get(value, "trials"), 0));
    json_decref(value);
    RUN("show", "1", "--trial", "2", "--json");
    value = json_of();
    expect_trial(value);
    expect_config(json_object_get(value, "config"));
    json_decref(value);
    RUN("best", "1", "--config");
    value = json_of();
    expect_config(value);
    json_decref(value);
    RUN("show", "few", "--top", "1"); /* all from the sampler: no column for it */
    expect_text("  ppo.gamma  ppo.lr\n");
}

static void test_exports_have_the_same(void **state) {
    (void)state;
    RUN("export", "1");
    expect_text("reason,origin,since,ppo.gamma,ppo.lr\r\n");
    expect_text("all steps done,trial 1 at step 3000,3000,0.98999999999999999,0.625\r\n");
    expect_text("all steps done,sampler,0,");
    RUN("export", "1", "--format", "json");
    json_t *value = json_of();
    assert_int_equal(json_array_size(value), 3);
    expect_trial(json_array_get(value, 2));
    expect_config(json_object_get(json_array_get(value, 2), "config"));
    json_decref(value);
    RUN("export", "1", "--format", "optuna", "--out", study);
    sqlite3 *connection;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open_v2(study, &connection, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(connection,
                                        "SELECT param_value FROM trial_params WHERE trial_id = 3 "
                                        "AND param_name = 'ppo.lr'",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_true(sqlite3_column_double(stmt, 0) == 0.625);
    sqlite3_finalize(stmt);
    sqlite3_close(connection);
}

/* What grows with trials is some 150 bytes for each, not its texts nor what is printed of it. */
static void test_memory_does_not_grow_with_the_output(void **state) {
    (void)state;
    static const char *const commands[][4] = {
        {"show"}, {"show", "--json"}, {"export"}, {"export", "--json"}};
    for (size_t i = 0; i < RLT_COUNT(commands); i++) {
        long few = RUN(commands[i][0], "few", commands[i][1]);
        long many = RUN(commands[i][0], "many", commands[i][1]);
        char *text = text_of();
        int lines = 0;
        for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
            lines++;
        }
        rlt_free(text);
        assert_true(lines >= MANY);
#ifndef __SANITIZE_ADDRESS__
        if (many - few > GROWTH_KB_MAX) {
            fail_msg("%s: %ld KiB for %d trials, %ld KiB for %d", commands[i][0], few, FEW, many,
                     MANY);
        }
#else
        (void)few, (void)many;
#endif
    }
}

/* Rows that wait in a file come out as those in memory do. */
static void test_long_tables(void **state) {
    (void)state;
    RUN("show", "many");
    char *text = text_of(), *save = NULL;
    size_t width = 0;
    int rows = 0;
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        int rank, trial;
        if (sscanf(line, "%d %d completed", &rank, &trial) == 2) {
            assert_int_equal(rank, ++rows);
            assert_int_equal(trial, MANY - rows);
            assert_true(width == 0 || strlen(line) == width);
            width = strlen(line);
        }
    }
    assert_int_equal(rows, MANY);
    rlt_free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_show_the_same),
        cmocka_unit_test(test_exports_have_the_same),
        cmocka_unit_test(test_memory_does_not_grow_with_the_output),
        cmocka_unit_test(test_long_tables),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
