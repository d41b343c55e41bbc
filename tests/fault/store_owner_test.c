/* Faults of drivers: a second one, one that was killed, one whose lock file was removed, two at
 * once on one file, a database that somebody keeps locked. Children are real processes. */
#include "tests/fault/store_fixture.h"

/* A child that drives an experiment: it says 'r' when it is ready and ends as the test says. */
typedef struct driver {
    const place *at;
    pid_t pid;
    int said[2], told[2]; /* pipes: from the child, to the child */
} driver;

static void start(driver *d, const place *at, int (*body)(driver *d)) {
    d->at = at;
    assert_int_equal(pipe(d->said), 0);
    assert_int_equal(pipe(d->told), 0);
    d->pid = fork();
    assert_true(d->pid >= 0);
    if (d->pid == 0) {
        _exit(body(d));
    }
    char ready = 0;
    assert_int_equal(read(d->said[0], &ready, 1), 1);
    assert_int_equal(ready, 'r');
}

static int finish(driver *d) {
    int status = 0;
    assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
    for (int i = 0; i < 2; i++) {
        close(d->said[i]);
        close(d->told[i]);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int wait_for_word(driver *d) {
    char byte = 'r';
    CHECK(write(d->said[1], &byte, 1) == 1);
    CHECK(read(d->told[0], &byte, 1) == 1);
    return 0;
}

static int create_experiment(const char *path, rlt_store **store, int64_t *id) {
    rlt_experiment_row row = {.name = "driven", .metric = "loss"};
    CHECK(rlt_store_open(path, RLT_STORE_WRITE, store, NULL) == RLT_OK);
    CHECK(rlt_store_experiment_create(*store, &row, id, NULL) == RLT_OK);
    return 0;
}

static int drive_until_killed(driver *d) {
    rlt_store *store;
    int64_t id;
    CHECK(create_experiment(d->at->path, &store, &id) == 0);
    return wait_for_word(d);
}

static void test_second_owner_is_refused_until_the_first_dies(void **state) {
    const place *at = *state;
    driver d;
    start(&d, at, drive_until_killed);
    rlt_store *store = open_store(at, RLT_STORE_WRITE);
    char pid[32];
    snprintf(pid, sizeof pid, "process %d", (int)d.pid);
    int64_t epoch;
    for (int i = 0; i < 3; i++) {
        FAILS(RLT_EBUSY, pid, rlt_store_experiment_own(store, 1, &epoch, &err));
    }
    assert_true(rlt_store_experiment_is_owned(store, 1));
    FAILS(RLT_ESTALE, "not driven by this process", rlt_store_event(store, 1, 0, "a", "b", &err));
    FAILS(RLT_ESTALE, "not driven", rlt_store_experiment_end(store, 1, "stopped", &err));
    assert_string_equal(ask(store, "SELECT epoch FROM experiments"), "1");
    kill(d.pid, SIGKILL);
    assert_int_equal(finish(&d), -1);
    assert_false(rlt_store_experiment_is_owned(store, 1));
    OK(rlt_store_experiment_own(store, 1, &epoch, &err));
    assert_int_equal(epoch, 2);
    OK(rlt_store_event(store, 1, 0, "a", "b", &err));
    rlt_experiment_row row;
    OK(rlt_store_experiment_get(store, 1, &row, &err));
    assert_int_equal(row.driver_pid, getpid());
    rlt_experiment_row_fini(&row);
    FAILS(RLT_ENOTFOUND, "1 (driven)", rlt_store_experiment_own(store, 5, &epoch, &err));
    rlt_store_close(&store);
}

static void test_closing_gives_up_and_rollback_too(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE), *other;
    other = open_store(*state, RLT_STORE_WRITE);
    OK(rlt_store_begin(store, &err));
    int64_t id = add_experiment(store, true), epoch;
    assert_true(rlt_store_experiment_is_owned(other, id));
    rlt_store_rollback(store);
    assert_false(rlt_store_experiment_is_owned(other, id));
    assert_int_equal(add_experiment(store, true), 1);
    FAILS(RLT_EBUSY, "alive", rlt_store_experiment_own(other, 1, &epoch, &err));
    OK(rlt_store_begin(store, &err));
    OK(rlt_store_experiment_own(store, 1, &epoch, &err)); /* again, then taken back */
    assert_int_equal(epoch, 2);
    rlt_store_rollback(store);
    OK(rlt_store_event(store, 1, 0, "still", "ours", &err));
    rlt_store_close(&store);
    OK(rlt_store_experiment_own(other, 1, &epoch, &err));
    assert_int_equal(epoch, 2);
    rlt_store_close(&other);
}

/* Its lock file vanishes while it lives: the epoch must stop it. */
static int drive_on_without_lock(driver *d) {
    rlt_store *store;
    int64_t id;
    rlt_err err = {0};
    CHECK(create_experiment(d->at->path, &store, &id) == 0);
    rlt_trial_row trial = {.experiment = id, .role = "search"};
    CHECK(rlt_store_trial_create(store, &trial, &trial.id, &err) == RLT_OK);
    CHECK(wait_for_word(d) == 0);
    CHECK(rlt_store_metric(store, trial.id, 1, "loss", 1, &err) == RLT_ESTALE);
    CHECK(strstr(err.message, "taken over") != NULL);
    CHECK(rlt_store_begin(store, &err) == RLT_OK);
    CHECK(rlt_store_decision(store, trial.id, 1, "a", "b", "{}", "", &err) == RLT_ESTALE);
    CHECK(rlt_store_commit(store, &err) != RLT_OK);
    rlt_store_close(&store);
    return 0;
}

static void test_epoch_stops_a_driver_whose_lock_was_removed(void **state) {
    const place *at = *state;
    driver d;
    start(&d, at, drive_on_without_lock);
    char path[160];
    snprintf(path, sizeof path, "%s-lock", at->path);
    assert_int_equal(unlink(path), 0);
    rlt_store *store = open_store(at, RLT_STORE_WRITE);
    int64_t epoch;
    OK(rlt_store_experiment_own(store, 1, &epoch, &err));
    assert_int_equal(write(d.told[1], "g", 1), 1);
    assert_int_equal(finish(&d), 0);
    assert_string_equal(ask(store, "SELECT count(*) FROM metrics"), "0");
    assert_string_equal(ask(store, "SELECT count(*) FROM decisions"), "0");
    rlt_store_close(&store);
}

enum { GROUPS = 150, PER_GROUP = 20 };

static int drive_to_the_end(driver *d) {
    rlt_store *store;
    int64_t id;
    CHECK(create_experiment(d->at->path, &store, &id) == 0);
    rlt_trial_row trial = {.experiment = id, .role = "search"};
    CHECK(rlt_store_trial_create(store, &trial, &trial.id, NULL) == RLT_OK);
    CHECK(wait_for_word(d) == 0);
    for (int g = 0; g < GROUPS; g++) {
        CHECK(rlt_store_begin(store, NULL) == RLT_OK);
        for (int i = 0; i < PER_GROUP; i++) {
            int step = g * PER_GROUP + i;
            CHECK(rlt_store_metric(store, trial.id, step, "loss", (double)id, NULL) == RLT_OK);
        }
        CHECK(rlt_store_decision(store, trial.id, g, "a", "continue", "{}", "", NULL) == RLT_OK);
        CHECK(rlt_store_commit(store, NULL) == RLT_OK);
    }
    CHECK(rlt_store_experiment_end(store, id, "completed", NULL) == RLT_OK);
    rlt_store_close(&store);
    return 0;
}

static void test_two_drivers_on_one_file(void **state) {
    const place *at = *state;
    driver d[2];
    start(&d[0], at, drive_to_the_end);
    start(&d[1], at, drive_to_the_end);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(write(d[i].told[1], "g", 1), 1);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(finish(&d[i]), 0);
    }
    rlt_store *store = open_store(at, RLT_STORE_READ);
    assert_string_equal(ask(store, "SELECT group_concat(n || ' ' || right, ', ') FROM (SELECT "
                                   "count(*) AS n, sum(value = experiment) AS right FROM "
                                   "trial_curves GROUP BY experiment)"),
                        "3000 3000, 3000 3000");
    assert_string_equal(ask(store, "SELECT count(*) FROM decisions"), "300");
    assert_string_equal(ask(store, "SELECT count(*) FROM experiments WHERE state = 'completed'"),
                        "2");
    OK(rlt_store_check(store, &err));
    rlt_store_close(&store);
}

/* Another program keeps the write lock for longer than the busy timeout. */
static void test_locked_by_a_shell(void **state) {
    const place *at = *state;
    rlt_store *store = open_store(at, RLT_STORE_WRITE), *reader;
    int64_t id = add_experiment(store, true);
    sqlite3 *shell;
    assert_int_equal(sqlite3_open(at->path, &shell), SQLITE_OK);
    assert_int_equal(sqlite3_exec(shell, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    FAILS(RLT_EBUSY, "sqlite3 shell", rlt_store_event(store, id, 0, "a", "b", &err));
    reader = open_store(at, RLT_STORE_READ); /* readers are not disturbed */
    assert_string_equal(ask(reader, "SELECT count(*) FROM experiments"), "1");
    rlt_store_close(&reader);
    assert_int_equal(sqlite3_exec(shell, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    OK(rlt_store_event(store, id, 0, "a", "b", &err));
    sqlite3_close(shell);
    rlt_store_close(&store);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_second_owner_is_refused_until_the_first_dies),
        TEST(test_closing_gives_up_and_rollback_too),
        TEST(test_epoch_stops_a_driver_whose_lock_was_removed),
        TEST(test_two_drivers_on_one_file),
        TEST(test_locked_by_a_shell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
