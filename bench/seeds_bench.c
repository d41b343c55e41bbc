/* seeds_bench [REPETITIONS]: what several seeds for each configuration (tune.seeds) and their race
 * are worth where results are noisy, at equal numbers of trials. No processes: the tuner alone,
 * told true value + noise; judged is the true value of what rlt_tuner_best names.
 * 1. Ten arms, each half a point worse than the one before: how often is the true best one chosen?
 *    One seed: a grid of arms and of 3 (or 10) repeats, so that each arm has as many trials as with
 *    seeds, but each result stands alone.
 * 2. Noisy Branin with tpe: median and mean of the regret of the chosen point.
 * Noise: normal, `own` of each trial, `shared` by all trials with the same seed. */
#include "bench/median.h"
#include "bench/sampler_functions.h"
#include "tuner/tuner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARMS = 10, TRIALS_MAX = 4096, REPETITIONS_MAX = 10000 };

typedef struct search {
    const char *label, *space; /* JSON; NULL: Branin */
    const char *tune;          /* JSON: fields of the table tune besides mode */
    int64_t budget;            /* trials in all; 0: as many as there are */
} search;

typedef struct noise {
    double own, shared;
} noise;

typedef struct outcome {
    double regret[REPETITIONS_MAX];
    double trials, best; /* sums over repetitions */
} outcome;

static void must(rlt_status status, const rlt_err *err) {
    if (status != RLT_OK) {
        fprintf(stderr, "seeds_bench: %s\n", err->message);
        exit(rlt_status_exit_code(status));
    }
}

static json_t *parse(const char *text) {
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    if (json == NULL) {
        fprintf(stderr, "seeds_bench: %s in %s\n", error.text, text);
        exit(1);
    }
    return json;
}

static const bench_function *branin(void) {
    const bench_function *function = bench_functions;
    while (strcmp(function->name, "branin") != 0) {
        function++;
    }
    return function;
}

static rlt_tuner *make_tuner(const search *s, const json_t *space, int seed) {
    rlt_experiment_config config;
    rlt_err err = {0};
    json_t *tune = parse(s->tune), *raw = json_pack("{s:o}", "tune", tune);
    json_object_set_new(tune, "mode", json_string("min"));
    json_object_set_new(tune, "seed", json_integer(seed));
    if (s->budget > 0) {
        json_object_set_new(tune, "budget", json_pack("{s:I}", "steps", (json_int_t)s->budget));
    }
    must(rlt_experiment_config_load(raw, NULL, &config, &err), &err);
    rlt_tuner *tuner = NULL;
    must(rlt_tuner_create(&config.tune, space, NULL, NULL, &tuner, &err), &err);
    rlt_experiment_config_fini(&config);
    json_decref(raw);
    return tuner;
}

/* Arms come in another order each time. */
static double regret_of_arm(int repetition, int arm) {
    rlt_rng rng = rlt_rng_make((uint64_t)repetition, RLT_STREAM_SAMPLER, 0);
    int places[ARMS];
    for (int i = 0; i < ARMS; i++) {
        int other = (int)rlt_rng_below(&rng, (uint32_t)i + 1);
        places[i] = places[other];
        places[other] = i;
    }
    return 0.5 * places[arm];
}

static double regret_of(const search *s, int repetition, const json_t *params) {
    return s->space == NULL
               ? bench_regret(branin(), params)
               : regret_of_arm(repetition, (int)json_integer_value(json_object_get(params, "arm")));
}

static double draw(int repetition, int64_t seed, uint32_t configuration) {
    rlt_rng rng = rlt_rng_make(((uint64_t)repetition << 32) + (uint64_t)seed, RLT_STREAM_SHUFFLE,
                               configuration);
    return rlt_rng_normal(&rng);
}

static void run(const search *s, noise n, int repetition, outcome *out) {
    static double regrets[TRIALS_MAX];
    json_t *space = s->space != NULL ? parse(s->space) : bench_experiment(branin()), *params;
    rlt_tuner *tuner = make_tuner(s, space, repetition);
    int64_t number, configuration, replicate, count = 0;
    rlt_err err = {0};
    while (rlt_tuner_ask(tuner, &number, &params, &err) == RLT_OK && number < TRIALS_MAX) {
        rlt_tuner_replicate(tuner, number, &configuration, &replicate);
        /* as the driver has it */
        int64_t seed = strstr(s->tune, "\"seeds\"") != NULL ? replicate : number;
        double value = regrets[number] = regret_of(s, repetition, params);
        value += n.own * draw(repetition, seed, (uint32_t)configuration + 1);
        value += n.shared * draw(repetition, seed, 0);
        must(rlt_tuner_finish(tuner, number, RLT_TRIAL_COMPLETED, value, 1, &err), &err);
        json_decref(params);
        count++;
    }
    double value;
    int64_t best = rlt_tuner_best(tuner, &value);
    out->regret[repetition] = regrets[best];
    out->best += regrets[best] == 0;
    out->trials += (double)count;
    rlt_tuner_destroy(&tuner);
    json_decref(space);
}

static void report(const search *s, noise n, int repetitions) {
    static outcome out;
    double sum = 0;
    out.best = out.trials = 0;
    for (int i = 0; i < repetitions; i++) {
        run(s, n, i, &out);
        sum += out.regret[i];
    }
    qsort(out.regret, (size_t)repetitions, sizeof(double), bench_ascending);
    printf("%-34s %5.1f %6.1f %7.1f", s->label, n.own, n.shared, out.trials / repetitions);
    if (s->space != NULL) {
        printf(" %6.1f %%", 100 * out.best / repetitions);
    } else {
        printf(" %9s", "-");
    }
    printf(" %8.3f %8.3f\n", sum / repetitions, out.regret[repetitions / 2]);
    fflush(stdout);
}

#define ARMS_SPACE "\"arm\":{\"$space\":\"grid\",\"values\":[0,1,2,3,4,5,6,7,8,9]}"
#define REPEATS(list) "{" ARMS_SPACE ",\"repeat\":{\"$space\":\"grid\",\"values\":[" list "]}}"
#define GRID "\"sampler\":\"grid\",\"trials\":1000"

static const search arms[] = {
    {"1 seed, each arm 3 times", REPEATS("1,2,3"), "{" GRID "}", 0},
    {"seeds = 3", "{" ARMS_SPACE "}", "{" GRID ",\"seeds\":3}", 0},
    {"1 seed, each arm 6 times", REPEATS("1,2,3,4,5,6"), "{" GRID "}", 0},
    {"seeds = 6", "{" ARMS_SPACE "}", "{" GRID ",\"seeds\":6}", 0},
    {"1 seed, each arm 10 times", REPEATS("1,2,3,4,5,6,7,8,9,10"), "{" GRID "}", 0},
    {"seeds = 10", "{" ARMS_SPACE "}", "{" GRID ",\"seeds\":10}", 0},
    {"seeds = 10, race = true", "{" ARMS_SPACE "}", "{" GRID ",\"seeds\":10,\"race\":true}", 0},
    {"seeds = 10, race, alpha = 0.2", "{" ARMS_SPACE "}",
     "{" GRID ",\"seeds\":10,\"race\":{\"alpha\":0.2}}", 0},
    {"seeds = 10, race by friedman", "{" ARMS_SPACE "}",
     "{" GRID ",\"seeds\":10,\"race\":{\"test\":\"friedman\"}}", 0},
    {"seeds = 10, race by wilcoxon", "{" ARMS_SPACE "}",
     "{" GRID ",\"seeds\":10,\"race\":{\"test\":\"wilcoxon\"}}", 0},
};
#define TPE "\"sampler\":\"tpe\",\"trials\":1000000"
static const search points[] = {
    {"tpe, 1 seed", NULL, "{" TPE "}", 150},
    {"tpe, seeds = 3", NULL, "{" TPE ",\"seeds\":3}", 150},
    {"tpe, seeds = 5", NULL, "{" TPE ",\"seeds\":5}", 150},
    {"tpe, seeds = 5, race = true", NULL, "{" TPE ",\"seeds\":5,\"race\":true}", 150},
    {"tpe, seeds = 5, race by friedman", NULL,
     "{" TPE ",\"seeds\":5,\"race\":{\"test\":\"friedman\"}}", 150},
    {"tpe, seeds = 10, race by friedman", NULL,
     "{" TPE ",\"seeds\":10,\"race\":{\"test\":\"friedman\"}}", 150},
    {"tpe, seeds = 10, race = true", NULL, "{" TPE ",\"seeds\":10,\"race\":true}", 150},
    {"tpe, seeds = 10, race, alpha = 0.2", NULL, "{" TPE ",\"seeds\":10,\"race\":{\"alpha\":0.2}}",
     150},
};

int main(int argc, char **argv) {
    static const noise of_arms[] = {{1, 0}, {1, 2}}, of_points[] = {{1, 0}, {5, 0}, {5, 10}};
    int repetitions = argc > 1 ? atoi(argv[1]) : 200;
    if (repetitions < 1 || repetitions > REPETITIONS_MAX) {
        fprintf(stderr, "seeds_bench: 1 to %d repetitions\n", REPETITIONS_MAX);
        return 2;
    }
    printf("%d repetitions\n%-34s %5s %6s %7s %8s %8s %8s\n", repetitions, "search", "own",
           "shared", "trials", "best one", "regret", "median");
    for (size_t k = 0; k < RLT_COUNT(of_arms); k++) {
        for (size_t i = 0; i < RLT_COUNT(arms); i++) {
            report(&arms[i], of_arms[k], repetitions);
        }
    }
    for (size_t k = 0; k < RLT_COUNT(of_points); k++) {
        for (size_t i = 0; i < RLT_COUNT(points); i++) {
            report(&points[i], of_points[k], repetitions);
        }
    }
    return 0;
}
