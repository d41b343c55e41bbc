/* measure: the database on a given disk, against what that disk does without one. Thread: the
 * caller's. Owner: the files are removed again. */
#include "store/store.h"
#include "measure/measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIALS = 8, GROUP = 1000, SINGLE = 100, POINTS_MAX = 4000000 };

static rlt_status add_trials(rlt_store *store, int64_t ids[TRIALS], rlt_err *err) {
    int64_t experiment;
    rlt_experiment_row row = {.name = "bench", .metric = "eval_return", .maximise = true};
    RLT_TRY(rlt_store_experiment_create(store, &row, &experiment, err));
    for (int i = 0; i < TRIALS; i++) {
        rlt_trial_row trial = {.experiment = experiment, .role = "search", .number = i};
        trial.params_json = "{}";
        RLT_TRY(rlt_store_trial_create(store, &trial, &ids[i], err));
    }
    return RLT_OK;
}

/* Trials report in turn, in groups, for about `seconds`. */
static rlt_status insert(rlt_store *store, const int64_t ids[TRIALS], double seconds,
                         int64_t *points, double *taken, rlt_err *err) {
    double start = rlt_clock_s();
    *points = 0;
    do {
        RLT_TRY(rlt_store_begin(store, err));
        for (int i = 0; i < GROUP; i++, ++*points) {
            RLT_TRY(rlt_store_metric(store, ids[*points % TRIALS], *points / TRIALS * 1024,
                                     "mean_return", sin((double)*points), err));
        }
        RLT_TRY(rlt_store_commit(store, err));
        *taken = rlt_clock_s() - start;
    } while (*taken < seconds && *points < POINTS_MAX);
    return RLT_OK;
}

static rlt_status decide(rlt_store *store, int64_t trial, double *median, rlt_err *err) {
    double samples[SINGLE];
    for (int i = 0; i < SINGLE; i++) {
        double start = rlt_clock_s();
        RLT_TRY(rlt_store_decision(store, trial, i, "asha", "stop", "{}", "alone", err));
        samples[i] = rlt_clock_s() - start;
    }
    *median = rlt_median(samples, SINGLE);
    return RLT_OK;
}

typedef struct result {
    int64_t points;
    double seconds, decision;
} result;

static rlt_status run(const char *path, double seconds, result *r, rlt_err *err) {
    rlt_store *store = NULL;
    int64_t ids[TRIALS];
    RLT_TRY(rlt_store_open(path, RLT_STORE_WRITE, &store, err));
    rlt_status status = add_trials(store, ids, err);
    if (status == RLT_OK) {
        status = insert(store, ids, seconds, &r->points, &r->seconds, err);
    }
    if (status == RLT_OK) {
        status = decide(store, ids[0], &r->decision, err);
    }
    rlt_store_close(&store);
    return status;
}

static double size_of(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? (double)info.st_size : 0;
}

rlt_status rlt_measure_store(const rlt_measure *m, rlt_err *err) {
    static const char *const endings[] = {"-wal", "-shm", "-lock", ""};
    char path[512], file[600], limit_name[96];
    double bytes_s, flush_s;
    result r = {0};
    RLT_TRY(rlt_ceiling_disk(m->folder, &bytes_s, &flush_s, err));
    snprintf(path, sizeof(path), "%s/rltune-bench.%d.db", m->folder, (int)getpid());
    rlt_status status = run(path, m->seconds, &r, err);
    double bytes = r.points > 0 ? size_of(path) / (double)r.points : 0;
    for (size_t i = 0; i < RLT_COUNT(endings); i++) {
        snprintf(file, sizeof(file), "%s%s", path, endings[i]);
        unlink(file);
    }
    RLT_TRY(status);
    snprintf(limit_name, sizeof(limit_name), "%.0f MB/s of the disk at %.0f bytes a point",
             bytes_s * 1e-6, bytes);
    rlt_figure figure = {.name = "metric points, 1000 a commit",
                         .unit = "/s",
                         .value = (double)r.points / r.seconds,
                         .limit = bytes_s / bytes,
                         .limit_name = limit_name};
    m->figure(m->user, &figure);
    figure = (rlt_figure){.name = "one durable decision",
                          .unit = "ms",
                          .value = r.decision * 1e3,
                          .limit = flush_s * 1e3,
                          .limit_name = "a flushed write of 4 KiB",
                          .less = true};
    m->figure(m->user, &figure);
    return RLT_OK;
}
