/* Tests of whole runs: the real binary with real processes in a folder of its own, found again by
 * a mark in their environment; SQL on its database; the invariants I1 to I5 of the design.
 * Everything asserts through cmocka. Thread: one. */
#ifndef RLT_TESTS_RUN_H
#define RLT_TESTS_RUN_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { RUN_SLOW = 1 };
#else
enum { RUN_SLOW = 0 };
#endif

enum { RUN_PROCESSES_MAX = 64, RUN_WORDS_MAX = 16 };

typedef struct run_place {
    char folder[64];
    char db[96], script[96], log[96], checkpoints[128];
} run_place;

/* An empty folder, in TMPDIR if that is set. */
void run_open(run_place *place);
/* No process may be left; removes the folder. */
void run_close(run_place *place);
void run_write_script(run_place *place, const char *text);

/* `rltune WORDS… --db FILE`, its output appended to place->log. `prepare` (may be NULL) runs in the
 * child before exec, e.g. to set limits. The child dies with this process. */
pid_t run_start_with(run_place *place, void (*prepare)(void), const char *words, ...)
    __attribute__((sentinel));
#define run_start(place, ...) run_start_with(place, NULL, __VA_ARGS__, NULL)
/* The exit code, or 128 + the signal that ended it; a child that is still there after `deadline_s`
 * fails the test. */
int run_wait(run_place *place, pid_t pid, double deadline_s);
bool run_has_ended(pid_t pid, int *code); /* as run_wait, at once */
/* `rltune join 1` as soon as its driver has begun. */
pid_t run_start_join(run_place *place, const char *parallel);
/* Waits until a process that has joined runs a trial. */
void run_await_joined(const run_place *place, double deadline_s);
#define run_command(place, ...) run_wait(place, run_start(place, __VA_ARGS__), 60)
/* Fails with the output shown unless they are equal. */
void run_expect_code(const run_place *place, int code, int expected);
/* All that the runs have printed; owned by the caller (free). */
char *run_output(const run_place *place);
void run_forget_output(run_place *place);
/* Fails with the output shown unless it contains the text. */
void run_expect_output(const run_place *place, const char *text);

/* Processes of this place in the role "run", "resume", "learner", "worker"; NULL: any. */
int run_processes(const run_place *place, const char *role, pid_t pids[RUN_PROCESSES_MAX]);
/* Waits until there is one; 0: none within `deadline_s`. */
pid_t run_await_process(const run_place *place, const char *role, double deadline_s);
void run_sleep_ms(int ms);

/* SQL on the database as it is committed now; text: columns joined by |, rows ended by newlines,
 * owned by the caller (free). */
int64_t run_sql_int(const run_place *place, const char *sql);
char *run_sql_text(const run_place *place, const char *sql);
/* Waits until the number is at least `least`. */
void run_await_sql(const run_place *place, const char *sql, int64_t least, double deadline_s);

/* ---- invariants ---- */

/* A copy of what is committed now, at `path`. */
void run_snapshot(const run_place *place, const char *path);
/* I1: all of the snapshot's rows are still there, and equal. */
void run_check_kept(const run_place *place, const char *snapshot);
/* I1, I2: numbers are unique, each trial's transitions are a legal chain with one attempt per
 * start, rows and files of checkpoints belong together, the database is sound. `complete`: every
 * trial is in a final state, the experiment "completed". */
void run_check_rows(const run_place *place, bool complete);
/* I5: no process, no temporary file, no file but the rows'. */
void run_check_clean(const run_place *place);
/* What must be equal in two runs of one experiment (I3): states, steps, values, newest weights. */
char *run_results(const run_place *place);
void run_assert_same(const char *expected, const char *actual);

/* The newest checkpoint file of a trial row. */
void run_newest_checkpoint(const run_place *place, int64_t trial, char path[256]);
#endif
