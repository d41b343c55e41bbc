/* SQL on a run's database, and the invariants that every fault test asserts. See run.h. */
#include "checkpoint/checkpoint.h"
#include "core/core.h"
#include "tests/support/run.h"
#include "tuner/tuner.h"

#include <dirent.h>
#include <sqlite3.h>
#include <sys/stat.h>

static sqlite3 *open_db(const run_place *place) {
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(place->db, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", place->db, sqlite3_errmsg(db));
    }
    sqlite3_busy_timeout(db, 10000);
    return db;
}

static void close_db(sqlite3 *db) {
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void require(sqlite3 *db, int code, int expected, const char *sql) {
    if (code != expected) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    require(db, sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, sql);
    return stmt;
}

static char *text_of(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = prepare(db, sql);
    rlt_buf buf = {0};
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            const char *value = (const char *)sqlite3_column_text(stmt, i);
            rlt_buf_printf(&buf, "%s%s", i > 0 ? "|" : "", value != NULL ? value : "");
        }
        rlt_buf_printf(&buf, "\n");
    }
    require(db, code, SQLITE_DONE, sql);
    sqlite3_finalize(stmt);
    char *text = strdup(buf.data != NULL ? buf.data : "");
    rlt_buf_fini(&buf);
    return text;
}

char *run_sql_text(const run_place *place, const char *sql) {
    sqlite3 *db = open_db(place);
    char *text = text_of(db, sql);
    close_db(db);
    return text;
}

int64_t run_sql_int(const run_place *place, const char *sql) {
    char *text = run_sql_text(place, sql);
    int64_t value = strtoll(text, NULL, 10);
    free(text);
    return value;
}

void run_await_sql(const run_place *place, const char *sql, int64_t least, double deadline_s) {
    double deadline = rlt_clock_s() + deadline_s * (RUN_SLOW ? 4 : 1);
    while (access(place->db, F_OK) != 0 || run_sql_int(place, "PRAGMA user_version") == 0 ||
           run_sql_int(place, sql) < least) {
        if (rlt_clock_s() > deadline) {
            run_expect_output(place, "(what the run was waited for)");
        }
        run_sleep_ms(3);
    }
}

/* ---- I1: nothing acknowledged is lost ---- */

void run_snapshot(const run_place *place, const char *path) {
    sqlite3 *db = open_db(place);
    char sql[256];
    unlink(path);
    snprintf(sql, sizeof sql, "VACUUM INTO '%s'", path);
    require(db, sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, sql);
    close_db(db);
}

/* Rows of the snapshot that should be there still and are not. steps_per_s is a matter of time, not
 * of the run. A checkpoint may make room for newer ones. */
static const char *const lost_rows[] = {
    "SELECT id, trial, attempt, from_state, to_state, reason, wall_ms FROM old.transitions EXCEPT "
    "SELECT id, trial, attempt, from_state, to_state, reason, wall_ms FROM main.transitions",
    "SELECT * FROM old.decisions EXCEPT SELECT * FROM main.decisions",
    "SELECT * FROM old.events EXCEPT SELECT * FROM main.events",
    "SELECT * FROM old.trial_params EXCEPT SELECT * FROM main.trial_params",
    "SELECT trial, metric, step, value FROM old.trial_curves WHERE metric <> 'steps_per_s' EXCEPT "
    "SELECT trial, metric, step, value FROM main.trial_curves",
    "SELECT * FROM old.trials WHERE state IN ('completed', 'stopped', 'failed') EXCEPT "
    "SELECT * FROM main.trials",
    "SELECT id, role, number, seed, params_json, config_json FROM old.trials EXCEPT "
    "SELECT id, role, number, seed, params_json, config_json FROM main.trials",
    "SELECT o.id FROM old.trials o JOIN main.trials t ON t.id = o.id WHERE t.attempt < o.attempt",
    "SELECT o.trial, o.path, o.sha256 FROM old.checkpoints o WHERE NOT EXISTS (SELECT 1 FROM "
    "main.checkpoints c WHERE c.trial = o.trial AND (c.step > o.step OR (c.path = o.path AND "
    "c.sha256 = o.sha256)))",
};

void run_check_kept(const run_place *place, const char *snapshot) {
    sqlite3 *db = open_db(place);
    char sql[256];
    snprintf(sql, sizeof sql, "ATTACH '%s' AS old", snapshot);
    require(db, sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, sql);
    for (size_t i = 0; i < RLT_COUNT(lost_rows); i++) {
        char *lost = text_of(db, lost_rows[i]);
        if (lost[0] != 0) {
            fail_msg("rows were lost or changed:\n%s\n(%s)", lost, lost_rows[i]);
        }
        free(lost);
    }
    close_db(db);
}

/* ---- rows ---- */

static rlt_trial_state state_of(const unsigned char *name) {
    rlt_trial_state state = RLT_TRIAL_PENDING;
    assert_int_equal(rlt_trial_state_parse((const char *)name, &state, NULL), RLT_OK);
    return state;
}

/* Each trial's transitions are a chain from its creation to its state, with one attempt for each
 * start. */
static void check_chains(sqlite3 *db) {
    sqlite3_stmt *stmt = prepare(db, "SELECT r.trial, r.attempt, r.from_state, r.to_state, t.state,"
                                     " t.attempt, t.id IS NULL FROM transitions r LEFT JOIN "
                                     "trials t ON t.id = r.trial ORDER BY r.trial, r.id");
    int64_t trial = 0, attempt = 0;
    rlt_trial_state state = RLT_TRIAL_PENDING, row = RLT_TRIAL_PENDING;
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        bool first = sqlite3_column_int64(stmt, 0) != trial;
        rlt_trial_state to = state_of(sqlite3_column_text(stmt, 3));
        assert_int_equal(first, sqlite3_column_type(stmt, 2) == SQLITE_NULL);
        if (first) {
            assert_int_equal(state, row);
            assert_int_equal(to, RLT_TRIAL_PENDING);
            attempt = 0;
        } else {
            assert_int_equal(state_of(sqlite3_column_text(stmt, 2)), state);
            assert_true(rlt_trial_may_become(state, to));
            attempt += to == RLT_TRIAL_RUNNING;
        }
        assert_int_equal(sqlite3_column_int64(stmt, 1), attempt);
        assert_true(sqlite3_column_int64(stmt, 5) >= attempt);
        trial = sqlite3_column_int64(stmt, 0);
        state = to;
        row = state_of(sqlite3_column_text(stmt, 4));
    }
    sqlite3_finalize(stmt);
    assert_int_equal(state, row);
}

static void check_file(const run_place *place, const char *name, const char *sha256, int64_t size) {
    char path[512], actual[RLT_SHA256_HEX];
    rlt_err err = {0};
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", place->checkpoints, name);
    if (stat(path, &info) != 0 || info.st_size != size) {
        fail_msg("%s: missing, or not of %lld bytes", path, (long long)size);
    }
    assert_int_equal(rlt_sha256_file(path, actual, &err), RLT_OK);
    assert_string_equal(actual, sha256);
}

static int count_files(const char *folder) {
    DIR *dir = opendir(folder);
    int count = 0;
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

static void check_checkpoints(const run_place *place, sqlite3 *db) {
    sqlite3_stmt *stmt = prepare(db, "SELECT path, sha256, size FROM checkpoints");
    int rows = 0;
    for (; sqlite3_step(stmt) == SQLITE_ROW; rows++) {
        const char *path = (const char *)sqlite3_column_text(stmt, 0), *slash = strrchr(path, '/');
        check_file(place, slash != NULL ? slash + 1 : path,
                   (const char *)sqlite3_column_text(stmt, 1), sqlite3_column_int64(stmt, 2));
    }
    sqlite3_finalize(stmt);
    int files = count_files(place->checkpoints);
    if (files != rows) {
        char command[256];
        snprintf(command, sizeof command, "ls -la %s >&2", place->checkpoints);
        assert_int_equal(system(command), 0);
        fail_msg("%d checkpoint files for %d rows", files, rows);
    }
}

static void expect_text(sqlite3 *db, const char *sql, const char *expected) {
    char *text = text_of(db, sql);
    if (strcmp(text, expected) != 0) {
        fail_msg("%s\ngave %sinstead of %s", sql, text, expected);
    }
    free(text);
}

void run_check_rows(const run_place *place, bool complete) {
    sqlite3 *db = open_db(place);
    expect_text(db, "PRAGMA integrity_check", "ok\n");
    expect_text(db, "PRAGMA foreign_key_check", "");
    check_chains(db);
    expect_text(db,
                "SELECT experiment, role, number FROM trials GROUP BY 1, 2, 3 HAVING count(*) "
                "<> 1",
                "");
    expect_text(db,
                "SELECT experiment, role FROM trials GROUP BY 1, 2 HAVING max(number) + 1 <> "
                "count(*)",
                "");
    if (complete) {
        check_checkpoints(place, db);
        expect_text(db, "SELECT id, state FROM experiments WHERE state <> 'completed'", "");
        expect_text(db,
                    "SELECT number, state, reason FROM trials WHERE state NOT IN "
                    "('completed', 'stopped', 'failed')",
                    "");
        expect_text(db,
                    "SELECT e.id FROM experiments e WHERE json_extract(e.config_json, "
                    "'$.tune.trials') <> (SELECT count(*) FROM configurations c WHERE "
                    "c.experiment = e.id)",
                    "");
    }
    close_db(db);
}

/* ---- I5 ---- */

static bool is_expected(const char *name) {
    /* the log and its index stay behind when a reader of this test was the last to close */
    static const char *const known[] = {
        ".",        "..",    "a.db", "a.db-lock",  "a.db-checkpoints", "a.db-wal",
        "a.db-shm", "a.lua", "log",  "a.db-trials" /* what programs said and left */};
    for (size_t i = 0; i < RLT_COUNT(known); i++) {
        if (strcmp(name, known[i]) == 0) {
            return true;
        }
    }
    return strncmp(name, "test-", 5) == 0;
}

static void check_folder(const char *folder, bool (*expected)(const char *name)) {
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (!expected(entry->d_name)) {
            fail_msg("left over: %s/%s", folder, entry->d_name);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static bool is_not_ours(const char *name) {
    return strstr(name, "rltune") == NULL;
}

void run_check_clean(const run_place *place) {
    pid_t pids[RUN_PROCESSES_MAX];
    double deadline = rlt_clock_s() + 5;
    while (run_processes(place, NULL, pids) > 0) {
        if (rlt_clock_s() > deadline) {
            fail_msg("process %d was left over", (int)pids[0]);
        }
        run_sleep_ms(5);
    }
    check_folder(place->folder, is_expected);
    check_folder("/dev/shm", is_not_ours);
}

/* ---- I3 ---- */

char *run_results(const run_place *place) {
    return run_sql_text(
        place, "SELECT t.role, t.number, t.state, t.steps, printf('%.17g', t.value), "
               "printf('%.17g', t.best), t.params_json, (SELECT c.step || ' ' || c.sha256 FROM "
               "checkpoints c WHERE c.trial = t.id ORDER BY c.step DESC LIMIT 1) FROM trials t "
               "UNION ALL SELECT role, number, metric, step, printf('%.17g', value), '', '', '' "
               "FROM trial_curves WHERE metric <> 'steps_per_s' ORDER BY 1, 2, 3, 4");
}

void run_assert_same(const char *expected, const char *actual) {
    while (*expected != 0 || *actual != 0) {
        int a = (int)strcspn(expected, "\n"), b = (int)strcspn(actual, "\n");
        if (a != b || strncmp(expected, actual, (size_t)a) != 0) {
            fail_msg("the uninterrupted run has\n%.*s\nand this one\n%.*s", a, expected, b, actual);
        }
        expected += a + (expected[a] != 0);
        actual += b + (actual[b] != 0);
    }
}

void run_newest_checkpoint(const run_place *place, int64_t trial, char path[256]) {
    char sql[160];
    snprintf(sql, sizeof sql,
             "SELECT path FROM checkpoints WHERE trial = %lld ORDER BY step DESC LIMIT 1",
             (long long)trial);
    char *text = run_sql_text(place, sql);
    text[strcspn(text, "\n")] = 0;
    const char *slash = strrchr(text, '/');
    assert_true(text[0] != 0);
    snprintf(path, 256, "%s/%s", place->checkpoints, slash != NULL ? slash + 1 : text);
    free(text);
}
