/* front_bench [FILE [SAMPLER...]]: how good samplers are with several objectives, and how fast.
 * Median hypervolume that is missing after 50 and 100 trials over SEEDS (10) seeds on each
 * function; every hypervolume goes to FILE, which bench/peers/optuna_fronts.py reads. Then the cost
 * of a suggestion with 1,000 finished trials of 10 parameters and 2, 3 and 4 objectives. Without
 * samplers: random, nsga2, tpe, gp. FUNCTIONS=zdt1,mixed in the environment: only these, and no
 * costs; FUNCTIONS= alone: the costs. */
#include "bench/median.h"
#include "config/config.h"
#include "core/core.h"
#include "tuner/pareto.h"
#include "tuner/tuner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRIALS = 100, TIMED = 21, OBJECTIVES = 4, LIMITS = 2, REALS = 10, SEEDS_MAX = 100 };
static const int marks[] = {50, 100};

typedef struct front_function {
    const char *name;
    int dims, objectives, constraints; /* dims 0: `space` */
    void (*values)(const double *x, int dims, double *values, double *limits);
    double reference[OBJECTIVES], most; /* most: the largest hypervolume there can be */
    const char *space;
} front_function;

/* ZDT1 and 2: Zitzler, Deb and Thiele (2000). */
static double zdt_rest(const double *x, int dims) {
    double sum = 0;
    for (int i = 1; i < dims; i++) {
        sum += x[i];
    }
    return 1 + 9 * sum / (dims - 1);
}

static void zdt1(const double *x, int dims, double *values, double *limits) {
    (void)limits;
    double g = zdt_rest(x, dims);
    values[0] = x[0];
    values[1] = g * (1 - sqrt(x[0] / g));
}

static void zdt2(const double *x, int dims, double *values, double *limits) {
    (void)limits;
    double g = zdt_rest(x, dims);
    values[0] = x[0];
    values[1] = g * (1 - x[0] / g * (x[0] / g));
}

/* Deb, Thiele, Laumanns and Zitzler (2002), three objectives */
static void dtlz2(const double *x, int dims, double *values, double *limits) {
    (void)limits;
    double g = 1, a = M_PI_2 * x[0], b = M_PI_2 * x[1];
    for (int i = 2; i < dims; i++) {
        g += (x[i] - 0.5) * (x[i] - 0.5);
    }
    values[0] = g * cos(a) * cos(b);
    values[1] = g * cos(a) * sin(b);
    values[2] = g * sin(a);
}

/* Binh and Korn (1997), from [0, 1]^2 */
static void binh_korn(const double *x, int dims, double *values, double *limits) {
    (void)dims;
    double a = 5 * x[0], b = 3 * x[1];
    values[0] = 4 * a * a + 4 * b * b;
    values[1] = (a - 5) * (a - 5) + (b - 5) * (b - 5);
    limits[0] = (a - 5) * (a - 5) + b * b - 25;
    limits[1] = 7.7 - (a - 8) * (a - 8) - (b + 3) * (b + 3);
}

/* Our own: x: kind, flag, log10 lr, n, y; an error, and what n and the kind cost. */
static void mixed(const double *x, int dims, double *values, double *limits) {
    (void)dims;
    (void)limits;
    static const double least[] = {1, 0.5, 0, 0.8}, lr[] = {-1, -2, -3.5, -4}, n[] = {3, 14, 9, 18},
                        cost[] = {0, 0.4, 0.2, 0.1};
    int kind = (int)x[0];
    values[0] = least[kind] + (x[1] != 0 ? 0 : 0.3) + pow(x[2] - lr[kind], 2) +
                pow((x[3] - n[kind]) / 5, 2) + 0.2 * pow(x[4] - 0.5 * kind, 2);
    values[1] = x[3] / 20 + cost[kind];
}

static const char mixed_space[] =
    "{\"kind\":{\"$space\":\"choice\",\"values\":[\"a\",\"b\",\"c\",\"d\"]},"
    "\"flag\":{\"$space\":\"choice\",\"values\":[false,true]},"
    "\"lr\":{\"$space\":\"loguniform\",\"low\":1e-6,\"high\":1},"
    "\"n\":{\"$space\":\"randint\",\"low\":1,\"high\":20},"
    "\"y\":{\"$space\":\"uniform\",\"low\":-5,\"high\":5}}";

/* The sum of three others' halves, for the costs of four objectives. */
static void four(const double *x, int dims, double *values, double *limits) {
    dtlz2(x, dims, values, limits);
    values[3] = 0;
    for (int i = 0; i < dims; i++) {
        values[3] += (x[i] - 0.7) * (x[i] - 0.7);
    }
}

/* The areas below the fronts of ZDT1 and 2 are 1/3 and 2/3, the ball of DTLZ2 is pi / 6; that of
 * Binh and Korn by integration along its two arcs, of `mixed` by its 80 best points. */
static const front_function functions[] = {
    {"zdt1", 5, 2, 0, zdt1, {1.1, 3}, 3.3 - 1.0 / 3, NULL},
    {"zdt2", 5, 2, 0, zdt2, {1.1, 3}, 3.3 - 2.0 / 3, NULL},
    {"dtlz2", 6, 3, 0, dtlz2, {1.1, 1.1, 1.1}, 1.331 - M_PI / 6, NULL},
    {"binh_korn", 2, 2, 2, binh_korn, {140, 50}, 15856.0 / 3, NULL},
    {"mixed", 0, 2, 0, mixed, {2, 1.2}, 1.83, mixed_space},
};

static void must(rlt_status status, const rlt_err *err) {
    if (status != RLT_OK) {
        fprintf(stderr, "front_bench: %s\n", err->message);
        exit(rlt_status_exit_code(status));
    }
}

static json_t *space_of(const front_function *function) {
    if (function->space != NULL) {
        return json_loads(function->space, 0, NULL);
    }
    json_t *space = json_object();
    for (int i = 0; i < function->dims; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        json_object_set_new(
            space, name,
            json_pack("{s:s, s:f, s:f}", "$space", "uniform", "low", 0.0, "high", 1.0));
    }
    return space;
}

/* With the options that a script leaves as they are. */
static rlt_tuner *make_tuner(const char *sampler, const front_function *function,
                             const json_t *space, int64_t seed) {
    rlt_experiment_config config;
    rlt_err err = {0};
    static const char *const names[] = {"eval_return", "mean_return", "steps_per_s", /* any do */
                                        "entropy",     "approx_kl",   "value_loss"};
    json_t *metrics = json_array(), *limits = json_array();
    for (int k = 0; k < function->objectives; k++) {
        json_array_append_new(metrics, json_string(names[k]));
    }
    for (int k = 0; k < function->constraints; k++) {
        json_array_append_new(limits, json_string(names[OBJECTIVES + k]));
    }
    json_t *raw = json_pack("{s:{s:s, s:I, s:s, s:i, s:o, s:o}}", "tune", "sampler", sampler,
                            "seed", (json_int_t)seed, "mode", "min", "trials", 1000000, "metrics",
                            metrics, "constraints", limits);
    must(rlt_experiment_config_load(raw, NULL, &config, &err), &err);
    rlt_tuner *tuner = NULL;
    must(rlt_tuner_create(&config.tune, space, NULL, NULL, &tuner, &err), &err);
    rlt_experiment_config_fini(&config);
    json_decref(raw);
    return tuner;
}

static double number_in(const json_t *params, const char *name) {
    return json_number_value(json_object_get(params, name));
}

static void evaluate(const front_function *function, const json_t *params, double *values,
                     double *limits) {
    double x[REALS];
    if (function->space == NULL) {
        for (int i = 0; i < function->dims; i++) {
            char name[16];
            snprintf(name, sizeof name, "x%d", i);
            x[i] = number_in(params, name);
        }
    } else {
        x[0] = json_string_value(json_object_get(params, "kind"))[0] - 'a';
        x[1] = json_is_true(json_object_get(params, "flag"));
        x[2] = log10(number_in(params, "lr"));
        x[3] = number_in(params, "n");
        x[4] = number_in(params, "y");
    }
    function->values(x, function->dims, values, limits);
}

/* A trial; its keys go to keys [objectives] when it is feasible: else false. */
static bool try_one(rlt_tuner *tuner, const front_function *function, double *keys) {
    int64_t number;
    json_t *params = NULL;
    rlt_err err = {0};
    double values[OBJECTIVES], limits[LIMITS] = {0};
    must(rlt_tuner_ask(tuner, &number, &params, &err), &err);
    evaluate(function, params, values, limits);
    json_decref(params);
    must(rlt_tuner_finish_values(tuner, number, RLT_TRIAL_COMPLETED, values, limits, 1, &err),
         &err);
    for (int k = 0; k < function->objectives; k++) {
        keys[k] = -values[k];
    }
    return limits[0] <= 0 && limits[1] <= 0;
}

static void run_seed(const char *sampler, const front_function *function, int seed,
                     double volumes[RLT_COUNT(marks)]) {
    json_t *space = space_of(function);
    rlt_tuner *tuner = make_tuner(sampler, function, space, seed);
    double keys[TRIALS * OBJECTIVES], reference[OBJECTIVES];
    int count = 0, mark = 0;
    for (int k = 0; k < function->objectives; k++) {
        reference[k] = -function->reference[k];
    }
    for (int i = 0; i < TRIALS; i++) {
        count += try_one(tuner, function, keys + count * function->objectives);
        if (i + 1 == marks[mark]) {
            volumes[mark++] = rlt_hypervolume(keys, count, function->objectives, reference);
        }
    }
    rlt_tuner_destroy(&tuner);
    json_decref(space);
}

static void compare(const front_function *function, const char *sampler, int seeds, FILE *raw) {
    double volumes[RLT_COUNT(marks)][SEEDS_MAX];
    for (int seed = 0; seed < seeds; seed++) {
        double at[RLT_COUNT(marks)];
        run_seed(sampler, function, seed, at);
        for (size_t m = 0; m < RLT_COUNT(marks); m++) {
            volumes[m][seed] = at[m];
            if (raw != NULL) {
                fprintf(raw, "%s,%s,%d,%d,%.17g\n", function->name, sampler, seed, marks[m], at[m]);
            }
        }
    }
    printf("%-10s %-7s", function->name, sampler);
    for (size_t m = 0; m < RLT_COUNT(marks); m++) {
        printf(" %11.5g", function->most - bench_median(volumes[m], seeds));
    }
    printf("\n");
    fflush(stdout);
}

/* Median and largest time of an ask with `trials` finished ones. */
static void print_cost(const char *sampler, const front_function *function, int trials) {
    json_t *space = space_of(function);
    rlt_tuner *tuner = make_tuner(sampler, function, space, 1);
    rlt_tuner *filler = make_tuner("random", function, space, 2);
    rlt_err err = {0};
    double asks[TIMED], values[OBJECTIVES], limits[LIMITS] = {0}, worst = 0;
    for (int i = 0; i < trials + TIMED; i++) {
        json_t *params = NULL;
        int64_t number;
        bool timed = i >= trials;
        double start = rlt_clock_s();
        must(rlt_tuner_ask(timed ? tuner : filler, &number, &params, &err), &err);
        double taken = rlt_clock_s() - start;
        if (!timed) {
            must(rlt_tuner_restore(tuner, number, params, &err), &err);
        } else {
            asks[i - trials] = taken;
            worst = fmax(worst, taken);
        }
        evaluate(function, params, values, limits);
        must(rlt_tuner_finish_values(tuner, number, RLT_TRIAL_COMPLETED, values, limits, 1, &err),
             &err);
        json_decref(params);
    }
    printf("%-7s %d objectives, 10 reals, %5d trials: ask %8.3f ms, at most %8.3f ms\n", sampler,
           function->objectives, trials, 1e3 * bench_median(asks, TIMED), 1e3 * worst);
    fflush(stdout);
    rlt_tuner_destroy(&tuner);
    rlt_tuner_destroy(&filler);
    json_decref(space);
}

static void print_costs(const char *sampler) {
    static const front_function costly[] = {{"zdt1", REALS, 2, 0, zdt1, {0}, 0, NULL},
                                            {"dtlz2", REALS, 3, 0, dtlz2, {0}, 0, NULL},
                                            {"four", REALS, 4, 0, four, {0}, 0, NULL}};
    for (size_t i = 0; i < RLT_COUNT(costly); i++) {
        print_cost(sampler, &costly[i], 100);
        print_cost(sampler, &costly[i], 1000);
    }
}

/* Whether a name is in a list with commas; NULL lists all. */
static bool is_listed(const char *name, const char *list) {
    char within[256], comma[32];
    snprintf(within, sizeof within, ",%s,", list != NULL ? list : name);
    snprintf(comma, sizeof comma, ",%s,", name);
    return strstr(within, comma) != NULL;
}

int main(int argc, char **argv) {
    static const char *const standard[] = {"random", "nsga2", "tpe", "gp"};
    const char *const *samplers = argc > 2 ? (const char *const *)argv + 2 : standard;
    const char *only = getenv("FUNCTIONS"), *number = getenv("SEEDS");
    int count = argc > 2 ? argc - 2 : (int)RLT_COUNT(standard);
    int seeds = number != NULL ? atoi(number) : 10;
    FILE *raw = argc > 1 ? fopen(argv[1], "w") : NULL;
    if ((argc > 1 && raw == NULL) || seeds < 1 || seeds > SEEDS_MAX) {
        fprintf(stderr, "front_bench: FILE must be writable, SEEDS from 1 to %d\n", SEEDS_MAX);
        return 1;
    }
    printf("median hypervolume missing over %d seeds\n%-10s %-7s %11d %11d\n", seeds, "function",
           "sampler", marks[0], marks[1]);
    for (size_t f = 0; f < RLT_COUNT(functions); f++) {
        if (is_listed(functions[f].name, only) && raw != NULL) {
            fprintf(raw, "%s,most,0,0,%.17g\n", functions[f].name, functions[f].most);
        }
        for (int i = 0; i < count && is_listed(functions[f].name, only); i++) {
            compare(&functions[f], samplers[i], seeds, raw);
        }
    }
    for (int i = 0; i < count && (only == NULL || only[0] == 0); i++) {
        print_costs(samplers[i]);
    }
    return raw != NULL && fclose(raw) != 0;
}
