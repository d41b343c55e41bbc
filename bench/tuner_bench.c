/* tuner_bench [FOLDER]: what a trial and a decision cost, without any training: 10,000 trials that
 * do nothing, in memory and with every row committed to a database in FOLDER (default: here), and
 * ASHA decisions with 1,000 and 100,000 trials. Each figure with its target and how much of it is
 * reached. */
#include "measure/measure.h"
#include "store/store.h"
#include "tuner/tuner.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TRIALS = 10000, GROUP = 100, DECISION_GROUP = 1000, PAIRS = 5 };
static void must(rlt_status status, const rlt_err *err) {
    if (status != RLT_OK) {
        fprintf(stderr, "tuner_bench: %s\n", err->message);
        exit(rlt_status_exit_code(status));
    }
}

static double resident_mib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1) {
        pages = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static rlt_tuner *make_tuner(int sampler) {
    rlt_tuner *tuner = NULL;
    rlt_err err = {0};
    must(rlt_bench_tuner(sampler, &tuner, &err), &err);
    return tuner;
}

static void print_target(const char *what, double reached, const char *unit, double target,
                         bool less_is_better) {
    double percent = 100 * (less_is_better ? target / reached : reached / target);
    printf("%-52s %10.4g %-12s target %s %g: %.0f %%\n", what, reached, unit,
           less_is_better ? "<" : ">", target, percent);
}

typedef struct bench_store {
    rlt_store *store;
    int64_t experiment;
} bench_store;

static bench_store open_store(const char *path) {
    bench_store made = {0};
    rlt_err err = {0};
    must(rlt_store_open(path, RLT_STORE_WRITE, &made.store, &err), &err);
    rlt_experiment_row row = {.name = "bench", .metric = "value", .maximise = true};
    must(rlt_store_experiment_create(made.store, &row, &made.experiment, &err), &err);
    return made;
}

static int64_t store_new_trial(const bench_store *to, int64_t number, const json_t *params) {
    rlt_err err = {0};
    char *text = json_dumps(params, JSON_COMPACT);
    rlt_trial_row row = {.experiment = to->experiment,
                         .number = number,
                         .role = "search",
                         .state = "pending",
                         .value = NAN,
                         .best = NAN,
                         .wall_s = NAN,
                         .params_json = text};
    int64_t id;
    must(rlt_store_trial_create(to->store, &row, &id, &err), &err);
    free(text);
    return id;
}

/* One trial through the store: created, started, one result judged, ended. */
static void store_trial(const bench_store *to, int64_t number, const json_t *params,
                        const rlt_decision *decision) {
    rlt_err err = {0};
    int64_t id = store_new_trial(to, number, params);
    rlt_trial_change change = {.trial = id,
                               .from = "pending",
                               .to = "running",
                               .steps = -1,
                               .value = NAN,
                               .best = NAN,
                               .wall_s = NAN};
    must(rlt_store_trial_change(to->store, &change, &err), &err);
    must(rlt_store_metric(to->store, id, 100, "value", decision->value, &err), &err);
    bool stop = decision->action == RLT_ACTION_STOP;
    must(rlt_store_decision(to->store, id, 100, "asha", stop ? "stop" : "continue", "{}",
                            decision->reason, &err),
         &err);
    change = (rlt_trial_change){.trial = id,
                                .attempt = 1,
                                .from = "running",
                                .to = stop ? "stopped" : "completed",
                                .reason = decision->reason,
                                .steps = 100,
                                .value = decision->value,
                                .best = decision->value,
                                .wall_s = 0};
    must(rlt_store_trial_change(to->store, &change, &err), &err);
}

/* Milliseconds a trial; *growth: how much memory TRIALS trials left behind, in MiB. */
static double trial_cost(int sampler, const bench_store *to, double *growth) {
    rlt_tuner *tuner = make_tuner(sampler);
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    rlt_err err = {0};
    double before = 0, start = rlt_clock_s();
    for (int i = 0; i < TRIALS; i++) {
        if (to != NULL && i % GROUP == 0) {
            must(rlt_store_begin(to->store, &err), &err);
        }
        int64_t number;
        json_t *params = NULL;
        rlt_decision decision;
        must(rlt_tuner_ask(tuner, &number, &params, &err), &err);
        must(rlt_tuner_report(tuner, number, 100, rlt_rng_f64(&rng), &decision, &err), &err);
        bool stop = decision.action == RLT_ACTION_STOP;
        must(rlt_tuner_finish(tuner, number, stop ? RLT_TRIAL_STOPPED : RLT_TRIAL_COMPLETED,
                              decision.value, 100, &err),
             &err);
        if (to != NULL) {
            store_trial(to, number, params, &decision);
        }
        json_decref(params);
        if (to != NULL && (i + 1) % GROUP == 0) {
            must(rlt_store_commit(to->store, &err), &err);
        }
        before = i == TRIALS / 10 ? resident_mib() : before;
    }
    double cost = (rlt_clock_s() - start) / TRIALS * 1e3;
    *growth = resident_mib() - before;
    rlt_tuner_destroy(&tuner);
    return cost;
}

static double decision_time(int trials, uint64_t seed) {
    double seconds = 0;
    rlt_err err = {0};
    must(rlt_decision_seconds(trials, seed, &seconds, &err), &err);
    return seconds;
}

/* Few and many trials in turn, as many decisions of each; the best of PAIRS, since whatever else
 * the machine does only adds time. */
static void decisions_in_memory(void) {
    enum { FEW = 1000, MANY = 100000 };
    double few_best = INFINITY, many_best = INFINITY;
    for (int pair = 0; pair < PAIRS; pair++) {
        double few = 0;
        for (int i = 0; i < MANY / FEW; i++) {
            few += decision_time(FEW, (uint64_t)i);
        }
        few_best = fmin(few_best, few);
        many_best = fmin(many_best, decision_time(MANY, (uint64_t)pair));
    }
    print_target("ASHA decisions in memory, 1,000 trials", RLT_BENCH_RUNGS * MANY / few_best, "/s",
                 1e6, false);
    print_target("ASHA decisions in memory, 100,000 trials", RLT_BENCH_RUNGS * MANY / many_best,
                 "/s", 1e6, false);
    printf("  (the rate with 100,000 trials is %.0f %% of that with 1,000)\n",
           100 * few_best / many_best);
}

/* The ids of `count` new trials of the tuner, as rows. */
static int64_t *store_new_trials(const bench_store *to, rlt_tuner *tuner, int count) {
    rlt_err err = {0};
    int64_t *ids = rlt_alloc(sizeof(int64_t) * (size_t)count);
    must(rlt_store_begin(to->store, &err), &err);
    for (int i = 0; i < count; i++) {
        int64_t number;
        json_t *params = NULL;
        must(rlt_tuner_ask(tuner, &number, &params, &err), &err);
        ids[i] = store_new_trial(to, TRIALS + number, params);
        json_decref(params);
    }
    must(rlt_store_commit(to->store, &err), &err);
    return ids;
}

/* Decisions/s, each with its metric point, durable before the next group starts. */
static double durable_rate(const bench_store *to, int trials) {
    rlt_tuner *tuner = make_tuner(RLT_SAMPLER_RANDOM);
    rlt_rng rng = rlt_rng_make(3, RLT_STREAM_TEST, 0);
    rlt_err err = {0};
    int64_t *ids = store_new_trials(to, tuner, trials);
    int done = 0;
    double start = rlt_clock_s();
    int64_t step = 100;
    for (int rung = 0; rung < RLT_BENCH_RUNGS; rung++, step *= 3) {
        for (int i = 0; i < trials; i++) {
            if (done++ % DECISION_GROUP == 0) {
                must(rlt_store_begin(to->store, &err), &err);
            }
            rlt_decision decision;
            must(rlt_tuner_report(tuner, i, step, rlt_rng_normal(&rng), &decision, &err), &err);
            bool stop = decision.action == RLT_ACTION_STOP;
            must(rlt_store_metric(to->store, ids[i], step, "value", decision.value, &err), &err);
            must(rlt_store_decision(to->store, ids[i], step, "asha", stop ? "stop" : "continue",
                                    "{}", decision.reason, &err),
                 &err);
            if (done % DECISION_GROUP == 0 || done == trials * (RLT_BENCH_RUNGS)) {
                must(rlt_store_commit(to->store, &err), &err);
            }
        }
    }
    double rate = done / (rlt_clock_s() - start);
    rlt_free(ids);
    rlt_tuner_destroy(&tuner);
    return rate;
}

static void remove_database(const char *path) {
    static const char *const endings[] = {"", "-wal", "-shm", "-lock"};
    for (size_t i = 0; i < RLT_COUNT(endings); i++) {
        char file[600];
        snprintf(file, sizeof file, "%s%s", path, endings[i]);
        unlink(file);
    }
}

int main(int argc, char **argv) {
    char path[512];
    snprintf(path, sizeof path, "%s/tuner_bench.%d.db", argc > 1 ? argv[1] : ".", (int)getpid());
    double growth;
    /* what the tuner itself costs: samplers that learn have sampler_bench and gp_cma_bench */
    const int kinds[] = {RLT_SAMPLER_RANDOM, RLT_SAMPLER_SOBOL};
    for (size_t i = 0; i < RLT_COUNT(kinds); i++) {
        double cost = trial_cost(kinds[i], NULL, &growth);
        char what[80];
        snprintf(what, sizeof what, "trial in memory, %s", rlt_samplers[kinds[i]].name);
        print_target(what, cost, "ms", 0.3, true);
        printf("  (%.0f bytes of memory a trial)\n", growth * (1 << 20) / (TRIALS * 0.9));
    }
    decisions_in_memory();

    bench_store to = open_store(path);
    double cost = trial_cost(RLT_SAMPLER_RANDOM, &to, &growth);
    print_target("trial with its rows committed, 100 a group", cost, "ms", 0.3, true);
    printf("  (%.0f bytes of memory a trial, %.1f MiB resident)\n",
           growth * (1 << 20) / (TRIALS * 0.9), resident_mib());
    print_target("ASHA decisions committed, 1,000 a group", durable_rate(&to, 10000), "/s", 5e4,
                 false);
    rlt_store_close(&to.store);
    remove_database(path);
    return 0;
}
