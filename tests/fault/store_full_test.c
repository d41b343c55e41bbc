/* A full disk: a 2 MiB tmpfs in a mount namespace of the child's own, with ballast that is removed
 * later. The group that does not fit is rolled back and says so, all acknowledged before it stays,
 * and the same store goes on when there is space. Skipped where mounts are refused. */
#include "tests/fault/store_fixture.h"

#include <sched.h>
#include <sys/mount.h>

enum { SKIPPED = 77, BALLAST = 512 << 10, PER_GROUP = 500 };

static int fill_file(const char *path, size_t size) {
    static char zeros[4096];
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0);
    for (size_t done = 0; done < size; done += sizeof zeros) {
        if (write(fd, zeros, sizeof zeros) < 0) {
            break;
        }
    }
    return close(fd);
}

/* Points first .. first + PER_GROUP - 1, one decision. */
static rlt_status write_group(rlt_store *store, int64_t trial, int64_t first, rlt_err *err) {
    RLT_TRY(rlt_store_begin(store, err));
    rlt_status status = RLT_OK;
    for (int i = 0; status == RLT_OK && i < PER_GROUP; i++) {
        status = rlt_store_metric(store, trial, first + i, "loss", 1.0, err);
    }
    if (status == RLT_OK) {
        status = rlt_store_decision(store, trial, first, "a", "continue", "{}", "", err);
    }
    if (status == RLT_OK) {
        return rlt_store_commit(store, err);
    }
    rlt_err later = {0}; /* the rest of the group is refused too, and so is its commit */
    if (rlt_store_metric(store, trial, first, "loss", 1.0, &later) == RLT_OK ||
        rlt_store_commit(store, &later) == RLT_OK) {
        return rlt_fail(err, RLT_EPROTO, "a group that was lost was taken");
    }
    return status;
}

static int64_t count_of(rlt_store *store, const char *sql) {
    char text[256] = "-1";
    rlt_store_query(store, sql, NULL, 0, keep_first, text, NULL);
    return atoll(text);
}

static int check_count(rlt_store *store, int64_t groups) {
    CHECK(count_of(store, "SELECT count(*) FROM metrics") == groups * PER_GROUP);
    CHECK(count_of(store, "SELECT count(*) FROM decisions") == groups);
    return 0;
}

static int fill_and_go_on(const char *path, const char *ballast) {
    rlt_store *store;
    rlt_err err = {0};
    rlt_experiment_row row = {.name = "full", .metric = "loss"};
    CHECK(fill_file(ballast, BALLAST) == 0);
    CHECK(rlt_store_open(path, RLT_STORE_WRITE, &store, &err) == RLT_OK);
    CHECK(rlt_store_experiment_create(store, &row, &row.id, &err) == RLT_OK);
    rlt_trial_row trial = {.experiment = row.id, .role = "search"};
    CHECK(rlt_store_trial_create(store, &trial, &trial.id, &err) == RLT_OK);
    int64_t groups = 0;
    rlt_status status;
    while ((status = write_group(store, trial.id, groups * PER_GROUP, &err)) == RLT_OK) {
        groups++;
        CHECK(groups < 1000);
    }
    CHECK(status == RLT_EFULL);
    CHECK(strstr(err.message, "no space left") != NULL && strstr(err.message, path) != NULL);
    CHECK(groups > 0 && check_count(store, groups) == 0);
    CHECK(write_group(store, trial.id, groups * PER_GROUP, &err) == RLT_EFULL); /* still full */
    CHECK(unlink(ballast) == 0);
    for (int i = 0; i < 3; i++, groups++) {
        CHECK(write_group(store, trial.id, groups * PER_GROUP, &err) == RLT_OK);
    }
    CHECK(check_count(store, groups) == 0);
    rlt_store_close(&store);
    CHECK(rlt_store_open(path, RLT_STORE_READ, &store, &err) == RLT_OK);
    CHECK(rlt_store_check(store, &err) == RLT_OK);
    CHECK(check_count(store, groups) == 0);
    rlt_store_close(&store);
    return 0;
}

/* The first open of a new database on a full disk. */
static int create_on_full_disk(const char *path, const char *ballast) {
    rlt_store *store;
    rlt_err err = {0};
    CHECK(fill_file(ballast, 16 << 20) == 0);
    CHECK(rlt_store_open(path, RLT_STORE_WRITE, &store, &err) == RLT_EFULL);
    CHECK(unlink(ballast) == 0);
    CHECK(rlt_store_open(path, RLT_STORE_WRITE, &store, &err) == RLT_OK);
    rlt_store_close(&store);
    return 0;
}

static int on_small_disk(const place *at, int (*body)(const char *path, const char *ballast)) {
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("rlt_store", at->folder, "tmpfs", 0, "size=2m") != 0) {
        return SKIPPED;
    }
    char ballast[160];
    snprintf(ballast, sizeof ballast, "%s/ballast", at->folder);
    return body(at->path, ballast);
}

static int full_while_writing(void *user) {
    return on_small_disk(user, fill_and_go_on);
}

static int full_while_creating(void *user) {
    return on_small_disk(user, create_on_full_disk);
}

static void run(void **state, int (*body)(void *user)) {
    int code = in_child(body, *state);
    if (code == SKIPPED) {
        printf("skipped: no right to mount a small tmpfs here\n");
        skip();
    }
    assert_int_equal(code, 0);
}

static void test_full_while_writing(void **state) {
    run(state, full_while_writing);
}

static void test_full_while_creating(void **state) {
    run(state, full_while_creating);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_full_while_writing),
        TEST(test_full_while_creating),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
