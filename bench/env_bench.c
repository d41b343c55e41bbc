/* Steps per second of every environment alone, on one core: random actions drawn within the timing,
 * auto-reset, observations written. Usage: env_bench [environments [seconds [name]]].
 * Beside each rate stand the models it is held against: FLOP a step (counted by hand from the
 * source: adds, multiplies, divisions) against the float64 multiply-add ceiling, and bytes a step
 * against the bandwidth of a triad over as many bytes as the vector environment touches. */
#include "envs/envs.h"
#include "measure/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double rate_of(const rlt_env_def *def, rlt_env_form form, int count, double seconds) {
    rlt_err err = {0};
    double rate = 0;
    if (rlt_env_rate(def, form, count, seconds, &rate, &err) != RLT_OK) {
        fprintf(stderr, "env_bench: %s\n", err.message);
        exit(1);
    }
    return rate;
}

static void report(const rlt_env_def *def, int count, double seconds, double fma) {
    double scalar = rate_of(def, RLT_ENV_FORM_SCALAR, count, seconds), best = scalar;
    rlt_env_form form;
    rlt_err err = {0};
    if (rlt_env_best_form(def, &form, &err) != RLT_OK) {
        fprintf(stderr, "env_bench: %s\n", err.message);
        exit(1);
    }
    if (form != RLT_ENV_FORM_SCALAR) {
        best = rate_of(def, form, count, seconds);
    }
    double bandwidth = rlt_ceiling_triad(rlt_env_resident_bytes(def) * count),
           moved = rlt_env_moved_bytes(def);
    printf("%-24s %8.1f %8.1f %-7s %5.0f %6.1f %5.1f %% %6.0f %6.1f %6.1f %5.1f %%\n", def->name,
           scalar * 1e-6, best * 1e-6, rlt_env_form_name(form), rlt_env_flop(def),
           rlt_env_flop(def) * best * 1e-9, 100 * rlt_env_flop(def) * best * 1e-9 / fma, moved,
           moved * best * 1e-9, bandwidth, 100 * moved * best * 1e-9 / bandwidth);
    fflush(stdout);
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 1024;
    double seconds = argc > 2 ? atof(argv[2]) : 0.5, fma = rlt_ceiling_f64();
    if (count < 1 || !(seconds > 0)) {
        fprintf(stderr, "usage: env_bench [environments [seconds [name]]]\n");
        return 1;
    }
    printf("%d environments on one core, million steps/s; float64 multiply-add ceiling %.1f "
           "GFLOP/s\n",
           count, fma);
    printf("%-24s %8s %8s %-7s %5s %6s %7s %6s %6s %6s %7s\n", "", "scalar", "vector", "form",
           "FLOP", "GF/s", "of max", "bytes", "GB/s", "triad", "of it");
    for (size_t i = 0; rlt_envs[i] != NULL; i++) {
        if (argc < 4 || strcmp(argv[3], rlt_envs[i]->name) == 0) {
            report(rlt_envs[i], count, seconds, fma);
        }
    }
    return 0;
}
