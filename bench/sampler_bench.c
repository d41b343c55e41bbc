/* sampler_bench [FILE [SAMPLER...]]: how good and how fast samplers are. Median regret over 30
 * seeds after 50, 100 and 200 trials on each test function; every best value so far goes to FILE,
 * which bench/peers/optuna_samplers.py reads. Then the cost of a suggestion with 1,000 and 10,000
 * finished trials of 10 parameters. A sampler is a name, perhaps with options:
 * "tpe:gamma=0.2,multivariate=false". Without any: random, sobol, tpe. FUNCTIONS=branin,mixed in
 * the environment: only these, and no costs; FUNCTIONS= alone: the costs. */
#include "bench/median.h"
#include "bench/sampler_functions.h"
#include "config/config.h"
#include "core/core.h"
#include "tuner/tuner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 30, TRIALS = 200, TIMED = 101 };
static const int marks[] = {50, 100, 200};

static void must(rlt_status status, const rlt_err *err) {
    if (status != RLT_OK) {
        fprintf(stderr, "sampler_bench: %s\n", err->message);
        exit(rlt_status_exit_code(status));
    }
}

/* "tpe" or "tpe:gamma=0.2,multivariate=false" as the table of a script. */
static json_t *sampler_table(const char *text) {
    char copy[256], *rest = copy;
    rlt_err err = {0};
    snprintf(copy, sizeof copy, "%s", text);
    json_t *table = json_object();
    json_object_set_new(table, "name", json_string(strsep(&rest, ":")));
    while (rest != NULL) {
        char *value = strsep(&rest, ","), *key = strsep(&value, "=");
        must(rlt_config_set(table, key, value != NULL ? value : "true", &err), &err);
    }
    return table;
}

/* With the options that a script leaves as they are. NULL: the sampler cannot search that. */
static rlt_tuner *try_tuner(const char *sampler, const json_t *space, rlt_resolve resolve,
                            int64_t seed, rlt_err *why) {
    rlt_experiment_config config;
    rlt_err err = {0};
    json_t *raw = json_pack("{s:{s:o, s:I, s:s, s:i}}", "tune", "sampler", sampler_table(sampler),
                            "seed", (json_int_t)seed, "mode", "min", "trials", 1000000);
    must(rlt_experiment_config_load(raw, NULL, &config, &err), &err);
    rlt_tuner *tuner = NULL;
    rlt_status status = rlt_tuner_create(&config.tune, space, resolve, NULL, &tuner, why);
    rlt_experiment_config_fini(&config);
    json_decref(raw);
    return status == RLT_OK ? tuner : NULL;
}

static rlt_tuner *make_tuner(const char *sampler, const json_t *space, rlt_resolve resolve,
                             int64_t seed) {
    rlt_err err = {0};
    rlt_tuner *tuner = try_tuner(sampler, space, resolve, seed, &err);
    must(tuner != NULL ? RLT_OK : err.code, &err);
    return tuner;
}

static bool can_search(const bench_function *function, const char *sampler) {
    rlt_err why = {0};
    json_t *space = bench_experiment(function);
    rlt_tuner *tuner = try_tuner(sampler, space, function->resolve, 0, &why);
    if (tuner == NULL) {
        printf("%-12s %-9s refused: %.120s\n", function->name, sampler, why.message);
    }
    bool can = tuner != NULL;
    rlt_tuner_destroy(&tuner);
    json_decref(space);
    return can;
}

static double try_one(rlt_tuner *tuner, const bench_function *function) {
    int64_t number;
    json_t *params = NULL;
    rlt_err err = {0};
    must(rlt_tuner_ask(tuner, &number, &params, &err), &err);
    double regret = bench_regret(function, params);
    json_decref(params);
    must(rlt_tuner_finish(tuner, number, RLT_TRIAL_COMPLETED, regret, 1, &err), &err);
    return regret;
}

static void run_seed(const char *sampler, const bench_function *function, int seed,
                     double best[RLT_COUNT(marks)]) {
    json_t *space = bench_experiment(function);
    rlt_tuner *tuner = make_tuner(sampler, space, function->resolve, seed);
    double least = INFINITY;
    for (int i = 0, mark = 0; i < TRIALS; i++) {
        least = fmin(least, try_one(tuner, function));
        if (i + 1 == marks[mark]) {
            best[mark++] = least;
        }
    }
    rlt_tuner_destroy(&tuner);
    json_decref(space);
}

static void compare(const bench_function *function, const char *sampler, FILE *raw) {
    double best[RLT_COUNT(marks)][SEEDS];
    if (!can_search(function, sampler)) {
        return;
    }
    for (int seed = 0; seed < SEEDS; seed++) {
        double at[RLT_COUNT(marks)];
        run_seed(sampler, function, seed, at);
        for (size_t m = 0; m < RLT_COUNT(marks); m++) {
            best[m][seed] = at[m];
            if (raw != NULL) {
                fprintf(raw, "%s,%s,%d,%d,%.17g\n", function->name, sampler, seed, marks[m], at[m]);
            }
        }
    }
    printf("%-12s %-9s", function->name, sampler);
    for (size_t m = 0; m < RLT_COUNT(marks); m++) {
        printf(" %11.5g", bench_median(best[m], SEEDS));
    }
    printf("\n");
    fflush(stdout);
}

/* Median time of an ask and of a finish with `trials` finished ones. */
static void print_cost(const char *sampler, const char *what, const bench_function *function,
                       int trials) {
    json_t *space = bench_experiment(function);
    rlt_tuner *tuner = make_tuner(sampler, space, NULL, 1);
    rlt_tuner *filler = make_tuner("random", space, NULL, 2);
    rlt_err err = {0};
    double asks[TIMED], finishes[TIMED];
    for (int i = 0; i < trials + TIMED; i++) {
        json_t *params = NULL;
        int64_t number;
        bool timed = i >= trials;
        double start = rlt_clock_s();
        must(rlt_tuner_ask(timed ? tuner : filler, &number, &params, &err), &err);
        double asked = rlt_clock_s();
        if (!timed) {
            must(rlt_tuner_restore(tuner, number, params, &err), &err);
        }
        double regret = bench_regret(function, params), found = rlt_clock_s();
        must(rlt_tuner_finish(tuner, number, RLT_TRIAL_COMPLETED, regret, 1, &err), &err);
        if (timed) {
            asks[i - trials] = asked - start;
            finishes[i - trials] = rlt_clock_s() - found;
        }
        json_decref(params);
    }
    printf("%-9s %-22s %6d trials: ask %9.4f ms, finish %8.4f ms\n", sampler, what, trials,
           1e3 * bench_median(asks, TIMED), 1e3 * bench_median(finishes, TIMED));
    rlt_tuner_destroy(&tuner);
    rlt_tuner_destroy(&filler);
    json_decref(space);
}

static double zero(const json_t *at) {
    double sum = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)at, key, value) {
        sum += json_is_number(value) ? json_number_value(value) : 0;
    }
    return sum;
}

static void print_costs(const char *sampler) {
    static const char kinds[] =
        "{\"a\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
        "\"b\":{\"$space\":\"loguniform\",\"low\":1e-5,\"high\":1},"
        "\"c\":{\"$space\":\"uniform\",\"low\":0,\"high\":1},"
        "\"d\":{\"$space\":\"quniform\",\"low\":0,\"high\":1,\"step\":0.05},"
        "\"e\":{\"$space\":\"randint\",\"low\":1,\"high\":12},"
        "\"f\":{\"$space\":\"randint\",\"low\":1,\"high\":200},"
        "\"g\":{\"$space\":\"lograndint\",\"low\":16,\"high\":1024},"
        "\"h\":{\"$space\":\"choice\",\"values\":[0,1,2,3]},"
        "\"i\":{\"$space\":\"choice\",\"values\":[true,false]},"
        "\"j\":{\"$space\":\"randint\",\"low\":0,\"high\":1000000}}";
    static const bench_function ten_kinds = {"kinds", 0, 0, 0, 0, NULL, kinds, zero, NULL};
    const bench_function *levy10 = bench_functions;
    while (strcmp(levy10->name, "levy10") != 0) {
        levy10++;
    }
    for (int trials = 1000; trials <= 10000; trials *= 10) {
        print_cost(sampler, "10 reals", levy10, trials);
        print_cost(sampler, "10 of several kinds", &ten_kinds, trials);
    }
}

/* Whether a name is in a list with commas; NULL lists all. */
static bool is_listed(const char *name, const char *list) {
    size_t size = strlen(name);
    const char *at = list;
    while (at != NULL && (at = strstr(at, name)) != NULL) {
        if ((at == list || at[-1] == ',') && (at[size] == ',' || at[size] == 0)) {
            return true;
        }
        at += size;
    }
    return list == NULL;
}

int main(int argc, char **argv) {
    static const char *const standard[] = {"random", "sobol", "tpe"};
    const char *const *samplers = argc > 2 ? (const char *const *)argv + 2 : standard;
    int count = argc > 2 ? argc - 2 : (int)RLT_COUNT(standard);
    FILE *raw = argc > 1 ? fopen(argv[1], "w") : NULL;
    if (argc > 1 && raw == NULL) {
        perror(argv[1]);
        return 1;
    }
    printf("median regret over %d seeds\n%-12s %-9s", SEEDS, "function", "sampler");
    for (size_t m = 0; m < RLT_COUNT(marks); m++) {
        printf(" %11d", marks[m]);
    }
    printf("\n");
    const char *only = getenv("FUNCTIONS");
    for (const bench_function *f = bench_functions; f->name != NULL; f++) {
        for (int i = 0; i < count && is_listed(f->name, only); i++) {
            compare(f, samplers[i], raw);
        }
    }
    for (int i = 0; i < count && (only == NULL || only[0] == 0); i++) {
        print_costs(samplers[i]);
    }
    return raw != NULL && fclose(raw) != 0;
}
