/* gp_cma_bench: what a suggestion of the samplers cmaes and gp costs, its result told included, in
 * ten dimensions: one trial after the other and with 16 in parallel. Mean and worst of all, as a
 * generation of CMA-ES or a new model comes at once. Each mean with its target and how much of it
 * is reached. */
#include "bench/sampler_functions.h"
#include "core/core.h"
#include "tuner/tuner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARALLEL_MAX = 16 };

static void must(rlt_status status, const rlt_err *err) {
    if (status != RLT_OK) {
        fprintf(stderr, "gp_cma_bench: %s\n", err->message);
        exit(rlt_status_exit_code(status));
    }
}

static const bench_function *find(const char *name) {
    const bench_function *function = bench_functions;
    while (strcmp(function->name, name) != 0) {
        function++;
    }
    return function;
}

typedef struct load {
    const char *what;
    int sampler;
    int before, timed; /* trials that are there already, drawn at random; trials that are timed */
    int parallel;
    double target_ms;
} load;

static rlt_tuner *make_tuner(int sampler, const json_t *space) {
    rlt_tune_fields fields = {.goal = NAN,
                              .seed = 1,
                              .sampler = sampler,
                              .cmaes = {.n_startup_trials = 1, .consider_stopped = true},
                              .gp = {.n_startup_trials = 10, .consider_stopped = true}};
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    must(rlt_tuner_create(&fields, space, NULL, NULL, &tuner, &err), &err);
    return tuner;
}

typedef struct running {
    int64_t number;
    double regret;
} running;

static void fill(rlt_tuner *tuner, const load *load, const bench_function *function,
                 const json_t *space) {
    rlt_tuner *random = make_tuner(RLT_SAMPLER_RANDOM, space);
    for (int i = 0; i < load->before; i++) {
        json_t *params = NULL;
        int64_t number;
        rlt_err err = {0};
        must(rlt_tuner_ask(random, &number, &params, &err), &err);
        must(rlt_tuner_restore(tuner, number, params, &err), &err);
        must(rlt_tuner_finish(tuner, number, RLT_TRIAL_COMPLETED, bench_regret(function, params), 1,
                              &err),
             &err);
        json_decref(params);
    }
    rlt_tuner_destroy(&random);
}

/* Seconds to end the oldest trial, if `parallel` are running, and to ask for another. */
static double turn(rlt_tuner *tuner, const load *load, const bench_function *function,
                   running *trials, int *count) {
    rlt_err err = {0};
    json_t *params = NULL;
    double start = rlt_clock_s();
    if (*count == load->parallel) {
        must(rlt_tuner_finish(tuner, trials[0].number, RLT_TRIAL_COMPLETED, trials[0].regret, 1,
                              &err),
             &err);
        memmove(trials, trials + 1, sizeof *trials * (size_t)-- * count);
    }
    must(rlt_tuner_ask(tuner, &trials[*count].number, &params, &err), &err);
    double taken = rlt_clock_s() - start;
    trials[(*count)++].regret = bench_regret(function, params);
    json_decref(params);
    return taken;
}

static void run(const load *load) {
    const bench_function *function = find("levy10");
    json_t *space = bench_experiment(function);
    rlt_tuner *tuner = make_tuner(load->sampler, space);
    running trials[PARALLEL_MAX + 1];
    int count = 0;
    double sum = 0, worst = 0;
    fill(tuner, load, function, space);
    turn(tuner, load, function, trials, &count); /* what was restored is caught up with */
    for (int i = 0; i < load->timed; i++) {
        double taken = 1e3 * turn(tuner, load, function, trials, &count);
        sum += taken;
        worst = fmax(worst, taken);
    }
    double mean = sum / load->timed;
    printf("%-46s mean %8.4f ms, worst %8.3f ms; target %g ms: %.0f %%\n", load->what, mean, worst,
           load->target_ms, 100 * load->target_ms / mean);
    fflush(stdout);
    rlt_tuner_destroy(&tuner);
    json_decref(space);
}

int main(void) {
    static const load loads[] = {
        {"cmaes, 1,000 trials before", RLT_SAMPLER_CMAES, 1000, 1000, 1, 0.1},
        {"cmaes, 10,000 trials before", RLT_SAMPLER_CMAES, 10000, 1000, 1, 0.1},
        {"cmaes, 1,000 trials before, 16 in parallel", RLT_SAMPLER_CMAES, 1000, 1000, 16, 0.1},
        {"gp, 100 trials before", RLT_SAMPLER_GP, 100, 100, 1, 50},
        {"gp, 1,000 trials before (400 count)", RLT_SAMPLER_GP, 1000, 50, 1, 50},
        {"gp, 1,000 trials before, 16 in parallel", RLT_SAMPLER_GP, 1000, 50, 16, 50},
    };
    for (size_t i = 0; i < RLT_COUNT(loads); i++) {
        run(&loads[i]);
    }
    return 0;
}
