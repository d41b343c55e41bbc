/* Checkpoints that are damaged or cannot be written. A file whose bytes are not those of its row is
 * never used: the one before it is, or the trial begins again, and an event says so; the results
 * are those of an undisturbed run in any case. A full disk stops the experiment with exit code 5
 * and a word on how to go on; once there is space, resume does. */
#include "core/core.h"
#include "tests/support/run.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { DEADLINE_S = 60 };

static const char script[] =
    "return { name = 'checkpoints', env = 'CartPole-v1', device = 'cpu', seed = 6, threads = 1,\n"
    "  workers = 1, envs_per_worker = 4,\n"
    "  ppo = { lr = space.loguniform(1e-4, 1e-2), horizon = 32, minibatch = 64, epochs = 4 },\n"
    "  model = { hidden = { 16 } }, stop = { steps = 25600 },\n"
    "  checkpoint = { every = 640, keep = 3 },\n"
    "  tune = { trials = 2, parallel = 2, max_retries = 0 } }\n";
static const char newest_sql[] = "SELECT max(step) FROM checkpoints WHERE trial = 1";

static char *expected;

static void undisturbed_run_gives_the_expected_results(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    run_write_script(&place, script);
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_check_rows(&place, true);
    expected = run_results(&place);
    run_close(&place);
}

static void end_as_expected(run_place *place) {
    run_expect_code(place, run_command(place, "resume", "1", "--quiet"), 0);
    run_check_rows(place, true);
    char *results = run_results(place);
    run_assert_same(expected, results);
    free(results);
}

/* ---- damage ---- */

/* A run whose driver was killed when trial 1 had three checkpoints. */
static void open_interrupted(run_place *place) {
    run_open(place);
    run_write_script(place, script);
    pid_t driver = run_start(place, "run", place->script, "--quiet");
    run_await_sql(place, newest_sql, 3 * 640, DEADLINE_S);
    kill(driver, SIGKILL);
    run_wait(place, driver, DEADLINE_S);
    run_check_clean(place);
    assert_int_equal(run_sql_int(place, "SELECT count(*) FROM checkpoints WHERE trial = 1"), 3);
}

static void flip(const char *path, double where) {
    struct stat info;
    unsigned char byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &info) == 0);
    off_t at = (off_t)(where * (double)(info.st_size - 1));
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void flip_first(const char *path) {
    flip(path, 0);
}
static void flip_header(const char *path) {
    flip(path, 0.1);
}
static void flip_data(const char *path) {
    flip(path, 0.8);
}
static void flip_last(const char *path) {
    flip(path, 1);
}
static void cut_half(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size / 2), 0);
}
static void cut_all(const char *path) {
    assert_int_equal(truncate(path, 0), 0);
}
static void delete_it(const char *path) {
    assert_int_equal(unlink(path), 0);
}
static void put_folder(const char *path) {
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
}

/* The file of trial 1's checkpoint, `age` 0: the newest. */
static void path_of(const run_place *place, int age, char path[512]) {
    char sql[160];
    snprintf(sql, sizeof sql,
             "SELECT path FROM checkpoints WHERE trial = 1 ORDER BY step DESC LIMIT 1 OFFSET %d",
             age);
    char *text = run_sql_text(place, sql);
    text[strcspn(text, "\n")] = 0;
    snprintf(path, 512, "%s/%s", place->checkpoints, strrchr(text, '/') + 1);
    free(text);
}

/* Damages the newest `count`; where the run went on from shows in its first new row. */
static void check_damage(void (*damage)(const char *path), int count) {
    run_place place;
    char path[512];
    open_interrupted(&place);
    for (int i = 0; i < count; i++) {
        path_of(&place, i, path);
        damage(path);
    }
    end_as_expected(&place);
    assert_int_equal(
        run_sql_int(&place, "SELECT count(*) FROM events WHERE kind = 'checkpoint.dropped' AND "
                            "trial = 1 AND text LIKE 'the checkpoint at % steps is not used: %'"),
        count);
    run_check_clean(&place);
    run_close(&place);
}

static void damaged_checkpoints_are_dropped_for_the_one_before(void **state) {
    (void)state;
    static void (*const damages[])(const char *path) = {
        flip_first, flip_header, flip_data, flip_last, cut_half, cut_all, delete_it};
    for (size_t i = 0; i < RLT_COUNT(damages); i++) {
        check_damage(damages[i], 1);
    }
}

static void trial_without_a_sound_checkpoint_begins_again(void **state) {
    (void)state;
    check_damage(flip_data, 3);
    check_damage(delete_it, 3);
}

static void something_else_in_the_place_of_a_checkpoint_is_named(void **state) {
    (void)state;
    run_place place;
    char path[512];
    open_interrupted(&place);
    path_of(&place, 0, path);
    put_folder(path);
    run_expect_code(&place, run_command(&place, "resume", "1", "--quiet"), 0);
    char *row = run_sql_text(&place, "SELECT state, reason FROM trials WHERE id = 1");
    print_message("%s", row);
    assert_int_equal(strncmp(row, "failed|", 7), 0); /* the other trial went on */
    assert_non_null(strstr(row, path));
    free(row);
    run_check_clean(&place);
    run_close(&place);
}

/* ---- full disks ---- */

static bool may_mount(void) {
    static int allowed = -1;
    if (allowed < 0) { /* mounts of this process alone, gone when it ends */
        allowed =
            unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    }
    return allowed == 1;
}

static bool mount_small(const char *folder, const char *options) {
    return mkdir(folder, 0755) == 0 && may_mount() &&
           mount("none", folder, "tmpfs", 0, options) == 0;
}

static void check_stopped_by_disk(run_place *place) {
    run_expect_output(place, "space");
    run_expect_output(place, "rltune resume 1");
    run_check_rows(place, false);
}

/* Room for three files of each trial but not for a fourth to be written. */
static void full_disk_of_checkpoints_stops_and_resume_goes_on(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    run_write_script(&place, script);
    if (!mount_small(place.checkpoints, "size=48k")) {
        print_message("mounting is refused: %s\n", strerror(errno));
        run_close(&place);
        skip();
    }
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 5);
    check_stopped_by_disk(&place);
    run_check_clean(&place);
    char *states = run_sql_text(&place, "SELECT DISTINCT e.state, t.state FROM experiments e, "
                                        "trials t WHERE t.attempt > 0");
    assert_string_equal(states, "stopped|paused\n");
    free(states);
    assert_int_equal(mount(NULL, place.checkpoints, NULL, MS_REMOUNT, "size=4m"), 0);
    end_as_expected(&place);
    run_check_clean(&place);
    assert_int_equal(umount(place.checkpoints), 0);
    run_close(&place);
}

static void fill(const char *path) {
    static const char zeros[4096];
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    while (write(fd, zeros, sizeof zeros) > 0) {
    }
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

/* Database and checkpoints on one disk, which fills up while the run goes on. */
static void disk_that_fills_up_stops_and_resume_goes_on(void **state) {
    (void)state;
    run_place place;
    char disk[80], ballast[96];
    run_open(&place);
    run_write_script(&place, script);
    snprintf(disk, sizeof disk, "%s/test-disk", place.folder);
    snprintf(ballast, sizeof ballast, "%s/ballast", disk);
    if (!mount_small(disk, "size=8m")) {
        print_message("mounting is refused: %s\n", strerror(errno));
        run_close(&place);
        skip();
    }
    snprintf(place.db, sizeof place.db, "%s/a.db", disk);
    snprintf(place.checkpoints, sizeof place.checkpoints, "%s-checkpoints", place.db);
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    run_await_sql(&place, newest_sql, 640, DEADLINE_S);
    fill(ballast);
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 5);
    check_stopped_by_disk(&place);
    run_expect_code(&place, run_command(&place, "resume", "1", "--quiet"), 5); /* still full */
    assert_int_equal(unlink(ballast), 0);
    end_as_expected(&place);
    run_check_clean(&place);
    assert_int_equal(umount(disk), 0);
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(undisturbed_run_gives_the_expected_results),
        cmocka_unit_test(damaged_checkpoints_are_dropped_for_the_one_before),
        cmocka_unit_test(trial_without_a_sound_checkpoint_begins_again),
        cmocka_unit_test(something_else_in_the_place_of_a_checkpoint_is_named),
        cmocka_unit_test(full_disk_of_checkpoints_stops_and_resume_goes_on),
        cmocka_unit_test(disk_that_fills_up_stops_and_resume_goes_on),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(expected);
    return failed;
}
