/* Tests of opening: what is refused, with which words, and that nothing is written to a file that
 * is not ours; readers that create nothing; several processes that create at once. */
#include "tests/fault/store_fixture.h"

static void write_file(const char *path, const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static uint64_t hash_file(const char *path) {
    char *data;
    size_t size;
    OK(rlt_file_read(path, 1 << 24, &data, &size, &err));
    uint64_t hash = rlt_hash64(data, size, 0);
    rlt_free(data);
    return hash;
}

/* Both modes refuse the file, and it is alone in its folder and unchanged after that. */
static void refused(const place *at, rlt_status expected, const char *part) {
    uint64_t before = hash_file(at->path);
    rlt_store *store;
    FAILS(expected, part, rlt_store_open(at->path, RLT_STORE_READ, &store, &err));
    FAILS(expected, at->path, rlt_store_open(at->path, RLT_STORE_READ, &store, &err));
    FAILS(expected, part, rlt_store_open(at->path, RLT_STORE_WRITE, &store, &err));
    assert_null(store);
    assert_true(hash_file(at->path) == before);
    assert_int_equal(clear_folder(at->folder), 1);
}

static void shell(const place *at, const char *sql) {
    sqlite3 *db;
    char *message = NULL;
    assert_int_equal(sqlite3_open(at->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s", message);
    }
    sqlite3_close(db);
}

static void test_no_database(void **state) {
    const place *at = *state;
    char text[5000];
    memset(text, 'x', sizeof text);
    static const size_t sizes[] = {2, 10, 100, 511, 512, 5000};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        write_file(at->path, text, sizes[i]);
        refused(at, RLT_ECORRUPT, "not an SQLite database");
    }
}

static void test_foreign_databases(void **state) {
    const place *at = *state;
    shell(at, "CREATE TABLE t (a)");
    refused(at, RLT_ECORRUPT, "not one of rltune");
    shell(at, "PRAGMA application_id = 1234; CREATE TABLE t (a)");
    refused(at, RLT_ECORRUPT, "application_id 1234");
    shell(at, "PRAGMA user_version = 1; CREATE TABLE experiments (a)");
    refused(at, RLT_ECORRUPT, "not one of rltune");
    shell(at, "PRAGMA journal_mode = WAL; CREATE TABLE t (a)");
    refused(at, RLT_ECORRUPT, "not one of rltune");
}

static void test_newer_schema(void **state) {
    const place *at = *state;
    rlt_store *store = open_store(at, RLT_STORE_WRITE);
    rlt_store_close(&store);
    shell(at, "PRAGMA user_version = 999");
    refused(at, RLT_ENOTSUP, "schema version 999");
}

static void test_tables_that_do_not_fit(void **state) {
    const place *at = *state;
    shell(at, "PRAGMA application_id = 0x726c746e; PRAGMA user_version = 1; CREATE TABLE t (a)");
    rlt_store *store = open_store(at, RLT_STORE_READ);
    rlt_experiment_row row;
    FAILS(RLT_ECORRUPT, "no such table", rlt_store_experiment_get(store, 1, &row, &err));
    rlt_store_close(&store);
}

static void test_missing_and_odd_paths(void **state) {
    const place *at = *state;
    char path[PATH_MAX + 100];
    rlt_store *store;
    FAILS(RLT_ENOTFOUND, "rltune run", rlt_store_open(at->path, RLT_STORE_READ, &store, &err));
    snprintf(path, sizeof path, "%s/none/a.db", at->folder);
    FAILS(RLT_ENOTFOUND, "does not exist", rlt_store_open(path, RLT_STORE_WRITE, &store, &err));
    FAILS(RLT_EIO, "not a regular file", rlt_store_open(at->folder, RLT_STORE_WRITE, &store, &err));
    assert_int_equal(mkfifo(at->path, 0600), 0);
    FAILS(RLT_EIO, "not a regular file", rlt_store_open(at->path, RLT_STORE_WRITE, &store, &err));
    FAILS(RLT_EINVAL, "empty", rlt_store_open("", RLT_STORE_WRITE, &store, &err));
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = 0;
    FAILS(RLT_EINVAL, "too long", rlt_store_open(path, RLT_STORE_WRITE, &store, &err));
    assert_int_equal(clear_folder(at->folder), 1);
    snprintf(path, sizeof path, "%s/a b?mode=ro&#%%41'.db", at->folder);
    OK(rlt_store_open(path, RLT_STORE_WRITE, &store, &err));
    add_experiment(store, true);
    rlt_store_close(&store);
    assert_int_equal(access(path, F_OK), 0);
    OK(rlt_store_open(path, RLT_STORE_READ, &store, &err));
    assert_string_equal(ask(store, "SELECT count(*) FROM experiments"), "1");
    rlt_store_close(&store);
}

static void test_empty_file_becomes_ours(void **state) {
    const place *at = *state;
    write_file(at->path, "", 0);
    rlt_store *store;
    FAILS(RLT_ENOTFOUND, "holds nothing yet",
          rlt_store_open(at->path, RLT_STORE_READ, &store, &err));
    store = open_store(at, RLT_STORE_WRITE);
    add_experiment(store, true);
    rlt_store_close(&store);
    assert_int_equal(clear_folder(at->folder), 2); /* the database and its lock file */
}

/* As a driver leaves it that is killed before its tables are there. */
static void test_nothing_in_it_yet(void **state) {
    const place *at = *state;
    rlt_store *store;
    shell(at, "PRAGMA journal_mode = WAL; CREATE TABLE t (a); DROP TABLE t");
    FAILS(RLT_ENOTFOUND, "holds nothing yet",
          rlt_store_open(at->path, RLT_STORE_READ, &store, &err));
    FAILS(RLT_ENOTFOUND, "`rltune run`", rlt_store_open(at->path, RLT_STORE_READ, &store, &err));
    OK(rlt_store_open(at->path, RLT_STORE_WRITE, &store, &err));
    rlt_store_close(&store);
    OK(rlt_store_open(at->path, RLT_STORE_READ, &store, &err));
    rlt_store_close(&store);
}

static void test_reader_creates_nothing_and_follows(void **state) {
    const place *at = *state;
    rlt_store *store = open_store(at, RLT_STORE_WRITE);
    rlt_store_close(&store);
    rlt_store *reader = open_store(at, RLT_STORE_READ);
    assert_string_equal(ask(reader, "SELECT count(*) FROM experiments"), "0");
    char path[160];
    snprintf(path, sizeof path, "%s-wal", at->path);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s-shm", at->path);
    assert_int_not_equal(access(path, F_OK), 0);
    store = open_store(at, RLT_STORE_WRITE);
    int64_t id = add_experiment(store, true);
    assert_string_equal(ask(reader, "SELECT count(*) FROM experiments"), "1");
    assert_true(rlt_store_experiment_is_owned(reader, id));
    assert_false(rlt_store_experiment_is_owned(reader, id + 1));
    rlt_store_close(&store);
    assert_string_equal(ask(reader, "SELECT count(*) FROM experiments"), "1");
    assert_false(rlt_store_experiment_is_owned(reader, id));
    rlt_store_close(&reader);
}

/* In a child: drops root's rights, which no permission would stop. */
static int as_nobody(void) {
    return geteuid() != 0 ||
           (setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
}

static int open_fails(const place *at, rlt_store_mode mode, const char *part) {
    rlt_store *store = NULL;
    rlt_err err = {0};
    rlt_status status = rlt_store_open(at->path, mode, &store, &err);
    if (status == RLT_EIO && strstr(err.message, part) != NULL) {
        return 0;
    }
    fprintf(stderr, "%s: %s\n", rlt_status_name(status), err.message);
    return 1;
}

static int check_read_only_folder(void *user) {
    const place *at = user;
    CHECK(as_nobody());
    CHECK(open_fails(at, RLT_STORE_WRITE, "cannot be written") == 0);
    rlt_store *store = NULL;
    CHECK(rlt_store_open(at->path, RLT_STORE_READ, &store, NULL) == RLT_OK);
    char text[256];
    CHECK(rlt_store_query(store, "SELECT name FROM experiments", NULL, 0, keep_first, text, NULL) ==
          RLT_OK);
    CHECK(strcmp(text, "sweep") == 0);
    rlt_store_close(&store);
    return 0;
}

static int check_unreadable(void *user) {
    CHECK(as_nobody());
    CHECK(open_fails(user, RLT_STORE_READ, "permissions") == 0);
    CHECK(open_fails(user, RLT_STORE_WRITE, "permissions") == 0);
    return 0;
}

static int check_no_new_file(void *user) {
    CHECK(as_nobody());
    CHECK(open_fails(user, RLT_STORE_WRITE, "read-only") == 0);
    return 0;
}

static int check_log_without_recovery(void *user) {
    CHECK(as_nobody());
    CHECK(open_fails(user, RLT_STORE_READ, "FILE-wal has to be recovered") == 0);
    return 0;
}

static void test_permissions(void **state) {
    const place *at = *state;
    rlt_store *store = open_store(at, RLT_STORE_WRITE);
    add_experiment(store, true);
    rlt_store_close(&store);
    assert_int_equal(chmod(at->folder, 0555), 0);
    assert_int_equal(chmod(at->path, 0444), 0);
    assert_int_equal(in_child(check_read_only_folder, *state), 0);
    char path[160];
    snprintf(path, sizeof path, "%s-wal", at->path);
    assert_int_equal(chmod(at->folder, 0755), 0);
    write_file(path, "log", 3);
    assert_int_equal(chmod(at->folder, 0555), 0);
    assert_int_equal(in_child(check_log_without_recovery, *state), 0);
    assert_int_equal(chmod(at->path, 0), 0);
    assert_int_equal(in_child(check_unreadable, *state), 0);
    assert_int_equal(chmod(at->folder, 0755), 0);
    clear_folder(at->folder);
    assert_int_equal(chmod(at->folder, 0555), 0);
    assert_int_equal(in_child(check_no_new_file, *state), 0);
    assert_int_equal(chmod(at->folder, 0755), 0);
}

static void test_damage_is_found(void **state) {
    const place *at = *state;
    rlt_store *store = open_store(at, RLT_STORE_WRITE);
    int64_t experiment = add_experiment(store, true);
    OK(rlt_store_begin(store, &err));
    for (int i = 0; i < 300; i++) {
        add_trial(store, experiment, "search", i);
    }
    OK(rlt_store_commit(store, &err));
    OK(rlt_store_check(store, &err));
    rlt_store_close(&store);
    int fd = open(at->path, O_RDWR);
    char noise[4096 * 8];
    memset(noise, 0xa5, sizeof noise);
    off_t rows = lseek(fd, 0, SEEK_END) - 4096 * 12; /* not the schema, at the beginning */
    assert_int_equal(pwrite(fd, noise, sizeof noise, rows), sizeof noise);
    close(fd);
    store = open_store(at, RLT_STORE_READ);
    FAILS(RLT_ECORRUPT, ".recover", rlt_store_check(store, &err));
    rlt_store_close(&store);
}

static int open_and_close(void *user) {
    rlt_store *store = NULL;
    rlt_err err = {0};
    rlt_status status = rlt_store_open(((const place *)user)->path, RLT_STORE_WRITE, &store, &err);
    if (status != RLT_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    rlt_experiment_row row = {.name = "one of many", .metric = "a"};
    int64_t id;
    status = rlt_store_experiment_create(store, &row, &id, &err);
    CHECK(status == RLT_OK);
    rlt_store_close(&store);
    return 0;
}

static void test_many_create_at_once(void **state) {
    const place *at = *state;
    enum { ROUNDS = 25, PROCESSES = 6 };
    for (int round = 0; round < ROUNDS; round++) {
        pid_t pids[PROCESSES];
        for (int i = 0; i < PROCESSES; i++) {
            pids[i] = fork();
            if (pids[i] == 0) {
                _exit(open_and_close(*state));
            }
        }
        for (int i = 0; i < PROCESSES; i++) {
            int status;
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_int_equal(status, 0);
        }
        rlt_store *store = open_store(at, RLT_STORE_READ);
        assert_string_equal(ask(store, "SELECT count(*) FROM experiments"), "6");
        OK(rlt_store_check(store, &err));
        rlt_store_close(&store);
        clear_folder(at->folder);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_no_database),           TEST(test_foreign_databases),
        TEST(test_newer_schema),          TEST(test_tables_that_do_not_fit),
        TEST(test_missing_and_odd_paths), TEST(test_empty_file_becomes_ours),
        TEST(test_nothing_in_it_yet),     TEST(test_reader_creates_nothing_and_follows),
        TEST(test_permissions),           TEST(test_damage_is_found),
        TEST(test_many_create_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
