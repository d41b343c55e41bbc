/* replay_bench TRACE STOPPED: ASHA (grace 100, reduction 3) on the results in TRACE, lines of
 * "trial,step,value" in the order of time, trials counted from 0. A trial that is stopped reports
 * no more. Prints the decisions, how many were to stop, and the decisions/s of the best of five
 * replays; writes the stops as lines "trial,step" to STOPPED. bench/peers/run.py gives the same
 * trace to Optuna's pruner and compares. */
#include "measure/measure.h"
#include "tuner/tuner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPLAYS = 5 };

typedef struct result {
    int64_t trial, step;
    double value;
    bool judged, stopped;
} result;

typedef struct trace {
    result *results;
    size_t count;
    int64_t trials;
} trace;

static void must(rlt_status status, const rlt_err *err) {
    if (status != RLT_OK) {
        fprintf(stderr, "replay_bench: %s\n", err->message);
        exit(rlt_status_exit_code(status));
    }
}

static FILE *open_or_exit(const char *path, const char *mode) {
    FILE *file = fopen(path, mode);
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    return file;
}

static bool read_result(FILE *file, result *r) {
    long long trial, step;
    double value;
    bool read = fscanf(file, "%lld,%lld,%lf", &trial, &step, &value) == 3;
    *r = read ? (result){.trial = trial, .step = step, .value = value} : (result){0};
    return read;
}

static trace read_trace(const char *path) {
    trace t = {0};
    result one;
    FILE *file = open_or_exit(path, "r");
    while (read_result(file, &one)) {
        t.count++;
        t.trials = one.trial >= t.trials ? one.trial + 1 : t.trials;
    }
    rewind(file);
    t.results = rlt_alloc(sizeof(result) * t.count);
    for (size_t i = 0; i < t.count; i++) {
        read_result(file, &t.results[i]);
    }
    fclose(file);
    return t;
}

/* Seconds of one replay; only reports are timed. */
static double replay(trace *t) {
    rlt_tuner *tuner;
    rlt_err err = {0};
    bool *ended = rlt_alloc((size_t)t->trials);
    must(rlt_bench_tuner(RLT_SAMPLER_RANDOM, &tuner, &err), &err);
    for (int64_t i = 0; i < t->trials; i++) {
        int64_t number;
        json_t *params = NULL;
        must(rlt_tuner_ask(tuner, &number, &params, &err), &err);
        json_decref(params);
    }
    double start = rlt_clock_s();
    for (size_t i = 0; i < t->count; i++) {
        result *r = &t->results[i];
        r->judged = !ended[r->trial];
        if (r->judged) {
            rlt_decision decision;
            must(rlt_tuner_report(tuner, r->trial, r->step, r->value, &decision, &err), &err);
            r->stopped = decision.action == RLT_ACTION_STOP;
            ended[r->trial] = r->stopped;
        }
    }
    double seconds = rlt_clock_s() - start;
    rlt_free(ended);
    rlt_tuner_destroy(&tuner);
    return seconds;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: replay_bench TRACE STOPPED\n");
        return 2;
    }
    trace t = read_trace(argv[1]);
    double best = INFINITY;
    for (int i = 0; i < REPLAYS; i++) {
        best = fmin(best, replay(&t));
    }
    FILE *out = open_or_exit(argv[2], "w");
    int64_t decisions = 0, stops = 0;
    for (size_t i = 0; i < t.count; i++) {
        const result *r = &t.results[i];
        decisions += r->judged;
        if (r->judged && r->stopped) {
            stops++;
            fprintf(out, "%lld,%lld\n", (long long)r->trial, (long long)r->step);
        }
    }
    bool written = fclose(out) == 0;
    printf("decisions %lld stopped %lld per_second %.0f\n", (long long)decisions, (long long)stops,
           (double)decisions / best);
    rlt_free(t.results);
    return written ? 0 : 5;
}
