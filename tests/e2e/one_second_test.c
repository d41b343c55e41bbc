/* 10,000 trials of one second on 16 slots, on a simulated clock: the real driver with its tuner,
 * scheduling, rows and commits, by the very script of the real measurement (bench/one_second.lua).
 * What is not real are the programs and the waiting: the linker puts this file's functions in the
 * place of the clock, of what starts and hears programs, and of the poll (--wrap). A program that
 * was started reports one number and ends one simulated second later; where the driver would wait
 * the clock jumps to the next of these ends, or by the time that it would wait at most.
 * 625 s are the least. First the driver's work takes no time at all: then every slot has to be
 * filled in the very pass in which it has become free, or the sum is more. Then the clock also runs
 * with the processor time of this process, and by 1 ms for each commit (what it costs a disk is not
 * the driver's, and a test must not depend on it).
 * What this leaves out is in the real measurement alone: the start of processes, reading what they
 * write, and waiting for a processor. */
#include "command/command.h"
#include "driver/driver.h"
#include "scheduler/scheduler.h"
#include "store/store.h"
#include "transport/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define CHECK(call) assert_int_equal(call, RLT_OK)

#if defined(RLT_IS_SANITIZED)
enum { TRIALS = 1600, COUNTS_WORK = 0 }; /* its work takes several times as long */
#else
enum { TRIALS = 10000, COUNTS_WORK = 1 };
#endif
enum { SLOTS = 16, DURATION_S = 1, LIMIT_S = 630 };
static const double commit_s = 0.001;

typedef struct program {
    int64_t id;
    double end;
} program;
typedef struct simulation {
    bool works;     /* the driver's work takes time */
    double jumped;  /* the part of the clock that is simulated */
    double started; /* processor time at the beginning */
    program running[SLOTS];
    int count, most;
    int64_t commits;
} simulation;
static simulation sim;

static double processor_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- in the place of the real ones ---- */

double __wrap_rlt_clock_s(void);
double __wrap_rlt_clock_s(void) {
    return sim.jumped + (sim.works ? processor_s() - sim.started : 0);
}

rlt_status __wrap_rlt_command_start(rlt_command_host *host, const rlt_command_options *options,
                                    rlt_err *err);
rlt_status __wrap_rlt_command_start(rlt_command_host *host, const rlt_command_options *options,
                                    rlt_err *err) {
    (void)host, (void)err;
    assert_true(sim.count < SLOTS);
    sim.running[sim.count++] = (program){options->id, __wrap_rlt_clock_s() + DURATION_S};
    sim.most = sim.count > sim.most ? sim.count : sim.most;
    return RLT_OK;
}

static rlt_status end_one(int i, const rlt_command_events *events, rlt_err *err) {
    const rlt_command_end end = {.how = "exit code 0", .tail = "", .names = "loss", .trouble = ""};
    const int64_t id = sim.running[i].id;
    rlt_report report = {.step = 1, .count = 1, .names = {"loss"}};
    report.values[0] = 1.0 / (double)id;
    sim.running[i] = sim.running[--sim.count];
    RLT_TRY(events->report(events->user, id, &report, err));
    return events->ended(events->user, id, &end, err);
}

rlt_status __wrap_rlt_command_host_pump(rlt_command_host *host, const rlt_command_events *events,
                                        rlt_err *err);
rlt_status __wrap_rlt_command_host_pump(rlt_command_host *host, const rlt_command_events *events,
                                        rlt_err *err) {
    (void)host;
    const double now = __wrap_rlt_clock_s();
    for (int i = sim.count; i-- > 0;) {
        if (sim.running[i].end <= now) {
            RLT_TRY(end_one(i, events, err));
        }
    }
    return RLT_OK;
}

rlt_status __wrap_rlt_channel_poll(rlt_poll_item *items, int count, int timeout_ms, int *ready,
                                   rlt_err *err);
rlt_status __wrap_rlt_channel_poll(rlt_poll_item *items, int count, int timeout_ms, int *ready,
                                   rlt_err *err) {
    (void)err;
    double now = __wrap_rlt_clock_s(), next = now + 1e-3 * timeout_ms;
    for (int i = 0; i < sim.count; i++) {
        next = sim.running[i].end < next ? sim.running[i].end : next;
    }
    sim.jumped += next > now ? next - now : 0;
    for (int i = 0; i < count; i++) {
        items[i].ready = false;
    }
    *ready = 0;
    return RLT_OK;
}

/* There is nothing to guard. */
rlt_status __wrap_rlt_guard_start(rlt_guard *guard, const char *mark, rlt_err *err);
rlt_status __wrap_rlt_guard_start(rlt_guard *guard, const char *mark, rlt_err *err) {
    (void)guard, (void)mark, (void)err;
    return RLT_OK;
}

void __wrap_rlt_guard_end(rlt_guard *guard);
void __wrap_rlt_guard_end(rlt_guard *guard) {
    (void)guard;
}

rlt_status __real_rlt_store_commit(rlt_store *store, rlt_err *err);
rlt_status __wrap_rlt_store_commit(rlt_store *store, rlt_err *err);
rlt_status __wrap_rlt_store_commit(rlt_store *store, rlt_err *err) {
    sim.commits++;
    sim.jumped += sim.works ? commit_s : 0;
    return __real_rlt_store_commit(store, err);
}

/* ---- the search ---- */

typedef struct counts {
    int64_t completed, results;
} counts;

static rlt_status read_counts(void *user, int columns, const char *const *names,
                              const char *const *values, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    *(counts *)user = (counts){strtoll(values[0], NULL, 10), strtoll(values[1], NULL, 10)};
    return RLT_OK;
}

/* Everything that was acknowledged is a row. */
static void check_rows(const char *db) {
    rlt_store *store = NULL;
    rlt_err err = {0};
    counts found = {0};
    CHECK(rlt_store_open(db, RLT_STORE_READ, &store, &err));
    CHECK(rlt_store_query(store,
                          "SELECT (SELECT count(*) FROM trials WHERE state = 'completed' AND value "
                          "IS NOT NULL), (SELECT count(*) FROM metrics)",
                          NULL, 0, read_counts, &found, &err));
    assert_int_equal(found.completed, TRIALS);
    assert_int_equal(found.results, TRIALS);
    rlt_store_close(&store);
}

/* Returns the seconds that it took. */
static double search(bool works) {
    const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* no disk's waits */
    char folder[64], db[96], trials[32], command[96];
    rlt_err err = {0};
    char *text = NULL;
    size_t size;
    rlt_script *script = NULL;
    rlt_driver_result result;
    snprintf(folder, sizeof folder, "%s/one-second-XXXXXX", where);
    assert_non_null(mkdtemp(folder));
    snprintf(db, sizeof db, "%s/a.db", folder);
    CHECK(rlt_file_read(RLT_SOURCE_DIR "/bench/one_second.lua", 1 << 16, &text, &size, &err));
    snprintf(trials, sizeof trials, "trials = %d,", TRIALS);
    char *found = strstr(text, "trials = 10000,");
    assert_non_null(found);
    memset(found, ' ', strlen("trials = 10000,"));
    memcpy(found, trials, strlen(trials));
    CHECK(rlt_script_create(text, size, "one_second.lua", NULL, &script, &err));
    sim = (simulation){.works = works, .started = processor_s()};
    const rlt_driver_options options = {.db_path = db};
    rlt_status status = rlt_driver_run(&options, script, &result, &err);
    assert_string_equal(status == RLT_OK ? "" : err.message, "");
    double took = __wrap_rlt_clock_s();
    assert_int_equal(result.failed, 0);
    assert_int_equal(sim.count, 0);
    assert_int_equal(sim.most, SLOTS);
    check_rows(db);
    rlt_script_destroy(&script);
    rlt_free(text);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    print_message("%d trials of %d s on %d slots: %.3f s of %d; %lld commits\n", TRIALS, DURATION_S,
                  SLOTS, took, TRIALS * DURATION_S / SLOTS, (long long)sim.commits);
    return took;
}

static void no_slot_is_ever_idle(void **state) {
    (void)state;
    assert_float_equal(search(false), (double)TRIALS * DURATION_S / SLOTS, 1e-3);
}

static void its_own_work_fits(void **state) {
    (void)state;
    if (!COUNTS_WORK) {
        skip();
    }
    assert_true(search(true) < LIMIT_S);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_slot_is_ever_idle),
        cmocka_unit_test(its_own_work_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
