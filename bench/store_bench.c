/* store_bench [POINTS [FOLDER]]: what the database costs. Inserts POINTS metric points (default ten
 * million) of 200 trials, eight of them reporting at once, then times what a person asks for, then
 * durable decisions. Limits measured in the same folder: sequential writes with one flush, and a
 * 4 KiB write with a flush each. FOLDER must be on the disk that is asked about. */
#include "measure/measure.h"
#include "store/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIALS = 200, PARALLEL = 8, NAMES = 5, GROUP = 1000, DECISIONS = 200000, SINGLE = 300 };
static const char *const metric_names[NAMES] = {"mean_return", "eval_return", "loss", "entropy",
                                                "steps_per_s"};

static void must(rlt_status status, const rlt_err *err) {
    if (status != RLT_OK) {
        fprintf(stderr, "store_bench: %s\n", err->message);
        exit(rlt_status_exit_code(status));
    }
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int64_t add_trials(rlt_store *store, int64_t *experiment) {
    rlt_err err = {0};
    rlt_experiment_row row = {.name = "bench", .metric = "eval_return", .maximise = true};
    must(rlt_store_experiment_create(store, &row, experiment, &err), &err);
    must(rlt_store_begin(store, &err), &err);
    int64_t first = 0;
    for (int i = 0; i < TRIALS; i++) {
        rlt_trial_row trial = {.experiment = *experiment,
                               .role = "search",
                               .number = i,
                               .params_json = "{\"ppo.lr\":0.001,\"ppo.epochs\":4}"};
        int64_t id;
        must(rlt_store_trial_create(store, &trial, &id, &err), &err);
        first = i == 0 ? id : first;
        rlt_trial_change change = {.trial = id, .from = "pending", .to = "running", .steps = i};
        change.value = sin(i), change.best = 1, change.wall_s = 1;
        must(rlt_store_trial_change(store, &change, &err), &err);
    }
    must(rlt_store_commit(store, &err), &err);
    return first;
}

/* Eight trials at a time report all metrics at one step after another, in groups. */
static double insert_points(rlt_store *store, int64_t first, long points) {
    rlt_err err = {0};
    long steps = points / ((long)TRIALS * NAMES), in_group = 0;
    double start = rlt_clock_s();
    must(rlt_store_begin(store, &err), &err);
    for (int base = 0; base < TRIALS; base += PARALLEL) {
        for (long step = 0; step < steps; step++) {
            for (int k = 0; k < PARALLEL * NAMES; k++) {
                must(rlt_store_metric(store, first + base + k / NAMES, step * 1024,
                                      metric_names[k % NAMES], sin((double)step), &err),
                     &err);
            }
            in_group += PARALLEL * NAMES;
            if (in_group >= GROUP) {
                must(rlt_store_commit(store, &err), &err);
                must(rlt_store_begin(store, &err), &err);
                in_group = 0;
            }
        }
    }
    must(rlt_store_commit(store, &err), &err);
    return rlt_clock_s() - start;
}

static rlt_status count_row(void *user, int columns, const char *const *names,
                            const char *const *values, rlt_err *err) {
    (void)columns, (void)names, (void)values, (void)err;
    ++*(long *)user;
    return RLT_OK;
}

static void time_query(rlt_store *store, const char *what, const char *sql, int64_t arg) {
    enum { RUNS = 15 };
    double samples[RUNS];
    long rows = 0;
    rlt_err err = {0};
    for (int i = 0; i < RUNS; i++) {
        rows = 0;
        double start = rlt_clock_s();
        must(rlt_store_query(store, sql, &arg, 1, count_row, &rows, &err), &err);
        samples[i] = rlt_clock_s() - start;
    }
    qsort(samples, RUNS, sizeof *samples, compare);
    printf("%-44s %10.3f ms   %ld rows\n", what, samples[RUNS / 2] * 1e3, rows);
}

static double time_decisions(rlt_store *store, int64_t first) {
    rlt_err err = {0};
    double start = rlt_clock_s();
    for (int i = 0; i < DECISIONS; i += GROUP) {
        must(rlt_store_begin(store, &err), &err);
        for (int j = i; j < i + GROUP; j++) {
            must(rlt_store_decision(store, first + j % TRIALS, j, "asha", "continue",
                                    "{\"rung\":2,\"value\":123.5,\"threshold\":97.25}",
                                    "among the best third at this rung", &err),
                 &err);
        }
        must(rlt_store_commit(store, &err), &err);
    }
    return DECISIONS / (rlt_clock_s() - start);
}

static void time_single(rlt_store *store, int64_t first, double flush) {
    static double samples[SINGLE];
    rlt_err err = {0};
    for (int i = 0; i < SINGLE; i++) {
        double start = rlt_clock_s();
        must(rlt_store_decision(store, first, DECISIONS + i, "asha", "stop", "{}", "alone", &err),
             &err);
        samples[i] = rlt_clock_s() - start;
    }
    qsort(samples, SINGLE, sizeof *samples, compare);
    double median = samples[SINGLE / 2];
    printf("%-44s %10.3f ms   p99 %.3f ms; limit %.3f ms, %.0f %% of it\n",
           "one durable decision, median", median * 1e3, samples[SINGLE * 99 / 100] * 1e3,
           flush * 1e3, 100 * flush / median);
}

static double file_size(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? (double)info.st_size : 0;
}

static void run(const char *folder, const char *path, long points) {
    rlt_err err = {0};
    rlt_store *store = NULL;
    double bandwidth, flush;
    must(rlt_ceiling_disk(folder, &bandwidth, &flush, &err), &err);
    must(rlt_store_open(path, RLT_STORE_WRITE, &store, &err), &err);
    int64_t experiment, first = add_trials(store, &experiment);
    double seconds = insert_points(store, first, points);
    rlt_store_close(&store); /* moves all of the log into the file */
    double bytes = file_size(path) / (double)points, rate = (double)points / seconds;
    printf("%-44s %10.0f /s   %ld points in %.1f s\n", "metric points", rate, points, seconds);
    printf("%-44s %10.1f      bytes\n", "file per point", bytes);
    printf("%-44s %10.1f MB/s of %.0f MB/s sequential: %.1f %%\n", "file growth",
           rate * bytes * 1e-6, bandwidth * 1e-6, 100 * rate * bytes / bandwidth);
    must(rlt_store_open(path, RLT_STORE_WRITE, &store, &err), &err);
    int64_t epoch;
    must(rlt_store_experiment_own(store, experiment, &epoch, &err), &err);
    time_query(store, "leaderboard", "SELECT * FROM leaderboard WHERE experiment = ?1", experiment);
    time_query(store, "experiment_list", "SELECT * FROM experiment_list WHERE experiment = ?1",
               experiment);
    time_query(store, "trial_summary", "SELECT * FROM trial_summary WHERE experiment = ?1",
               experiment);
    time_query(store, "one curve",
               "SELECT step, value FROM trial_curves WHERE trial = ?1 AND metric = 'eval_return'",
               first + TRIALS / 2);
    time_query(store, "last point of every trial",
               "SELECT number, max(step), value FROM trial_curves WHERE experiment = ?1 AND "
               "metric = 'eval_return' GROUP BY trial",
               experiment);
    printf("%-44s %10.0f /s   in groups of %d\n", "durable decisions", time_decisions(store, first),
           GROUP);
    time_single(store, first, flush);
    rlt_store_close(&store);
}

int main(int argc, char **argv) {
    long points = argc > 1 ? atol(argv[1]) : 10000000;
    char folder[256], path[320];
    snprintf(folder, sizeof folder, "%s/rlt_store_bench_XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (points < TRIALS * NAMES || argc > 3 || mkdtemp(folder) == NULL) {
        fprintf(stderr, "usage: store_bench [POINTS >= %d [FOLDER]]\n", TRIALS * NAMES);
        return 2;
    }
    snprintf(path, sizeof path, "%s/a.db", folder);
    run(folder, path, points);
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    for (size_t i = 0; i < RLT_COUNT(suffixes); i++) {
        char name[360];
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
    return rmdir(folder) == 0 ? 0 : 5;
}
