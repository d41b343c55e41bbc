/* startup_bench [RUNS [FOLDER]]: how long a person waits. `rltune version` from spawn to end beside
 * an empty program, and `rltune run` on a new database in FOLDER (default /tmp) from spawn to each
 * phase until the first environment step, workers = 0 and 1. Medians and least of RUNS (default
 * 20); targets 5 ms and 50 ms. */
#include "measure/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_MAX = 1000 };

static void must(rlt_status status, const rlt_err *err) {
    if (status != RLT_OK) {
        fprintf(stderr, "startup_bench: %s\n", err->message);
        exit(rlt_status_exit_code(status));
    }
}

static void print_samples(const char *name, double *samples, int count, double target_ms) {
    double median = rlt_median(samples, count) * 1e3;
    printf("  %-44s %8.2f ms median %8.2f ms least", name, median, samples[0] * 1e3);
    if (target_ms > 0) {
        printf("; target < %g ms: %.0f %% of it", target_ms, 100 * target_ms / median);
    }
    printf("\n");
}

static void time_program(const char *name, char *const argv[], int runs, double target_ms) {
    static double samples[RUNS_MAX];
    rlt_err err = {0};
    for (int i = 0; i < runs; i++) {
        must(rlt_startup_program(argv, &samples[i], &err), &err);
    }
    print_samples(name, samples, runs, target_ms);
}

static void time_run(const char *folder, int workers, int runs) {
    static double samples[RLT_PHASES_MAX][RUNS_MAX];
    static rlt_phase phases[RLT_PHASES_MAX];
    rlt_err err = {0};
    int count = 0;
    for (int i = 0; i < runs; i++) {
        must(rlt_startup_phases(RLT_BINARY, folder, workers, phases, &count, &err), &err);
        for (int p = 0; p < count; p++) { /* the same ones in the same order each time */
            samples[p][i] = phases[p].seconds;
        }
    }
    printf("rltune run, workers = %d, a new database, since its spawn:\n", workers);
    for (int p = 0; p < count; p++) {
        bool last = strcmp(phases[p].name, "rollout.first_step") == 0;
        print_samples(phases[p].name, samples[p], runs, last ? 50 : 0);
    }
}

int main(int argc, char **argv) {
    int runs = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 20;
    const char *folder = argc > 2 ? argv[2] : "/tmp";
    if (argc > 3 || runs < 1 || runs > RUNS_MAX) {
        fprintf(stderr, "usage: startup_bench [RUNS, 1 to %d [FOLDER]]\n", RUNS_MAX);
        return 2;
    }
    time_program("/bin/true", (char *[]){"/bin/true", NULL}, runs, 0);
    time_program("rltune version", (char *[]){RLT_BINARY, "version", NULL}, runs, 5);
    time_run(folder, 0, runs);
    time_run(folder, 1, runs);
    return 0;
}
