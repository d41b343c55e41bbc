/* kill -9 of a driver at random instants (from the creation of the file on). Its acknowledgements
 * come through a pipe after each commit. I1: every acknowledged row is there, none twice, groups
 * are whole; the database is sound; the next driver takes over at once. And a log cut or damaged
 * anywhere: what is left is a prefix of the commits. */
#include "tests/fault/store_fixture.h"

#include <time.h>

enum { KILLS = 60, KILLS_PER_FILE = 6, CUTS = 60 };

/* One group: a trial with its first transition, a decision, metric points, a checkpoint, all with
 * the number of the group; then the transition that ends it. */
static int write_group(rlt_store *store, int64_t experiment, int64_t group, rlt_rng *rng) {
    rlt_trial_row trial = {.experiment = experiment, .role = "search", .number = group};
    CHECK(rlt_store_begin(store, NULL) == RLT_OK);
    CHECK(rlt_store_trial_create(store, &trial, &trial.id, NULL) == RLT_OK);
    rlt_trial_change c = change_of(trial.id, 0, "pending", "running");
    CHECK(rlt_store_trial_change(store, &c, NULL) == RLT_OK);
    int points = 1 + (int)rlt_rng_below(rng, 40);
    for (int i = 0; i < points; i++) {
        CHECK(rlt_store_metric(store, trial.id, i, "loss", (double)group, NULL) == RLT_OK);
    }
    CHECK(rlt_store_decision(store, trial.id, 0, "a", "continue", "{}", "", NULL) == RLT_OK);
    rlt_checkpoint_row row = {.trial = trial.id, .attempt = 1, .path = "x", .size = points};
    memset(row.sha256, '0', 64);
    CHECK(rlt_store_checkpoint_add(store, &row, NULL) == RLT_OK);
    CHECK(rlt_store_commit(store, NULL) == RLT_OK);
    c = change_of(trial.id, 1, "running", "completed"); /* outside a group: its own transaction */
    c.value = (double)group;
    CHECK(rlt_store_trial_change(store, &c, NULL) == RLT_OK);
    return 0;
}

typedef struct writer {
    const place *at;
    rlt_rng rng;
    int acks;           /* pipe: the number of each acknowledged group */
    int64_t first, end; /* groups */
} writer;

static int write_groups(writer *w) {
    rlt_store *store;
    rlt_err err = {0};
    int64_t id, epoch;
    CHECK(rlt_store_open(w->at->path, RLT_STORE_WRITE, &store, &err) == RLT_OK);
    if (rlt_store_experiment_own(store, 1, &epoch, &err) != RLT_OK) {
        rlt_experiment_row row = {.name = "killed", .metric = "loss"};
        CHECK(rlt_store_experiment_create(store, &row, &id, &err) == RLT_OK);
    }
    for (int64_t group = w->first; group < w->end; group++) {
        CHECK(write_group(store, 1, group, &w->rng) == 0);
        CHECK(write(w->acks, &group, sizeof group) == sizeof group);
    }
    return 0; /* without closing: the log stays */
}

/* One more acknowledgement; false at the end of the pipe. They come in order. */
static bool read_ack(int fd, const writer *w, int64_t *last) {
    int64_t group;
    if (read(fd, &group, sizeof group) != sizeof group) {
        return false;
    }
    assert_int_equal(group, *last < 0 ? w->first : *last + 1);
    *last = group;
    return true;
}

/* Runs a writer and kills it `delay_ns` after its acknowledgement number `acks` (0: after its
 * start); returns the last acknowledged group or -1. */
static int64_t run_and_kill(writer *w, int acks, uint32_t delay_ns) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    w->acks = ends[1];
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(write_groups(w));
    }
    close(ends[1]);
    int64_t last = -1;
    while (acks-- > 0) {
        assert_true(read_ack(ends[0], w, &last));
    }
    nanosleep(&(struct timespec){.tv_nsec = delay_ns}, NULL);
    kill(pid, SIGKILL);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    while (read_ack(ends[0], w, &last)) {
    }
    close(ends[0]);
    return last;
}

/* Groups are whole and without gap; returns how many there are. */
static int64_t check_rows(rlt_store *store) {
    OK(rlt_store_check(store, &err));
    assert_string_equal(
        ask(store,
            "SELECT count(*) FROM trials t WHERE attempt <> 1 OR (SELECT count(*) FROM "
            "decisions WHERE trial = t.id) <> 1 OR (SELECT count(*) FROM metrics WHERE trial "
            "= t.id AND value = t.number) <> (SELECT sum(size) FROM checkpoints WHERE trial "
            "= t.id) OR (SELECT group_concat(to_state, ' ') FROM (SELECT to_state FROM "
            "transitions WHERE trial = t.id ORDER BY id)) <> (CASE state WHEN 'running' THEN "
            "'pending running' ELSE 'pending running completed' END)"),
        "0");
    assert_string_equal(ask(store, "SELECT coalesce(max(number) + 1, 0) = count(*) AND "
                                   "count(DISTINCT number) = count(*) FROM trials"),
                        "1");
    assert_string_equal(ask(store, "SELECT count(*) <= 1 FROM trials WHERE state = 'running'"),
                        "1");
    return atoll(ask(store, "SELECT count(*) FROM trials"));
}

/* What a resume does: takes over and ends what the dead driver left running. */
static void take_over(rlt_store *store) {
    int64_t epoch, left = atoll(ask(store, "SELECT id FROM trials WHERE state = 'running'"));
    OK(rlt_store_experiment_own(store, 1, &epoch, &err));
    if (left > 0) {
        change(store, left, 1, "running", "completed");
    }
}

static void test_kill_at_random_instants(void **state) {
    const place *at = *state;
    writer w = {.at = at, .rng = test_rng(), .end = INT64_MAX};
    int64_t total = 0;
    for (int i = 0; i < KILLS; i++) {
        if (i % KILLS_PER_FILE == 0) {
            clear_folder(at->folder);
            w.first = 0;
        }
        bool early = rlt_rng_below(&w.rng, 3) == 0; /* maybe while it opens or creates the file */
        int64_t acknowledged = run_and_kill(&w, early ? 0 : 1 + (int)rlt_rng_below(&w.rng, 30),
                                            rlt_rng_below(&w.rng, early ? 10000000 : 1000000));
        rlt_store *store = open_store(at, RLT_STORE_WRITE);
        int64_t count = check_rows(store);
        /* the next group may be there without its acknowledgement */
        assert_true(acknowledged < 0 || count >= acknowledged + 1);
        assert_true(count <= (acknowledged < 0 ? w.first : acknowledged + 1) + 1);
        assert_string_equal(ask(store, "SELECT count(*) FROM trials WHERE state = 'running' AND "
                                       "number < (SELECT max(number) FROM trials)"),
                            "0");
        if (atoi(ask(store, "SELECT count(*) FROM experiments")) > 0) {
            take_over(store);
        }
        total += count - w.first;
        w.first = count;
        rlt_store_close(&store);
    }
    printf("%lld groups by %d killed drivers\n", (long long)total, KILLS);
    assert_true(total > KILLS);
}

static void copy_file(const char *from, const char *to, int64_t size, int64_t damaged) {
    char *data;
    size_t all;
    OK(rlt_file_read(from, 1 << 26, &data, &all, &err));
    if (damaged >= 0) {
        data[damaged] ^= 0x10;
    }
    FILE *file = fopen(to, "wb");
    assert_non_null(file);
    size_t part = size >= 0 && (size_t)size < all ? (size_t)size : all;
    assert_int_equal(fwrite(data, 1, part, file), part);
    assert_int_equal(fclose(file), 0);
    rlt_free(data);
}

/* Opens a copy of the database with that much of its log, or with a bit of it flipped. */
static int64_t groups_left(const place *at, int64_t log_size, int64_t damaged) {
    place copy;
    char log[160], copied_log[160];
    snprintf(copy.folder, sizeof copy.folder, "/tmp/rlt_store_XXXXXX");
    assert_non_null(mkdtemp(copy.folder));
    snprintf(copy.path, sizeof copy.path, "%s/a.db", copy.folder);
    snprintf(log, sizeof log, "%s-wal", at->path);
    snprintf(copied_log, sizeof copied_log, "%s-wal", copy.path);
    copy_file(at->path, copy.path, -1, -1);
    copy_file(log, copied_log, log_size, damaged);
    rlt_store *store = open_store(&copy, RLT_STORE_WRITE);
    int64_t count = check_rows(store);
    rlt_store_close(&store);
    clear_folder(copy.folder);
    rmdir(copy.folder);
    return count;
}

static void test_cut_or_damaged_log(void **state) {
    const place *at = *state;
    enum { GROUPS = 40 };
    writer w = {.at = at, .rng = test_rng(), .end = GROUPS};
    int nowhere = open("/dev/null", O_WRONLY);
    w.acks = nowhere;
    assert_int_equal(in_child((int (*)(void *))write_groups, &w), 0);
    close(nowhere);
    char log[160];
    snprintf(log, sizeof log, "%s-wal", at->path);
    struct stat info;
    assert_int_equal(stat(log, &info), 0);
    assert_int_equal(groups_left(at, info.st_size, -1), GROUPS);
    int64_t sizes[CUTS] = {0}, last = 0;
    for (int i = 0; i < CUTS; i++) { /* growing, so that the number of groups must grow */
        sizes[i] = info.st_size * i / CUTS + rlt_rng_below(&w.rng, (uint32_t)(info.st_size / CUTS));
        int64_t count = groups_left(at, sizes[i], -1);
        assert_true(count >= last && count <= GROUPS);
        last = count;
    }
    assert_true(last >= GROUPS - 3);
    for (int i = 0; i < CUTS / 2; i++) {
        int64_t at_byte = rlt_rng_below(&w.rng, (uint32_t)info.st_size);
        int64_t count = groups_left(at, -1, at_byte);
        assert_true(count <= groups_left(at, at_byte + 4096 + 24, -1));
        assert_true(count >= 0 && count < GROUPS + 1);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_kill_at_random_instants),
        TEST(test_cut_or_damaged_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
