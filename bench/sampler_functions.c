/* sampler_bench: test functions. Definitions: Surjanovic and Bingham, "Virtual library of
 * simulation experiments" (www.sfu.ca/~ssurjano); `mixed` and `conditional` are our own;
 * `ppo_table` is what bench/table/make measured. */
#include "bench/sampler_functions.h"

#include "core/core.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* x0 on [-5, 10], x1 on [0, 15], here both from [0, 1] */
static double branin(const double *x, int dims) {
    (void)dims;
    double a = 15 * x[0] - 5, b = 15 * x[1];
    double square = b - 5.1 / (4 * M_PI * M_PI) * a * a + 5 / M_PI * a - 6;
    return square * square + 10 * (1 - 1 / (8 * M_PI)) * cos(a) + 10;
}

static const double hartmann_weights[4] = {1, 1.2, 3, 3.2};
static double hartmann3(const double *x, int dims) {
    static const double a[4][3] = {{3, 10, 30}, {0.1, 10, 35}, {3, 10, 30}, {0.1, 10, 35}};
    static const double p[4][3] = {
        {3689, 1170, 2673}, {4699, 4387, 7470}, {1091, 8732, 5547}, {381, 5743, 8828}};
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        double inner = 0;
        for (int j = 0; j < dims; j++) {
            inner += a[i][j] * pow(x[j] - 1e-4 * p[i][j], 2);
        }
        sum -= hartmann_weights[i] * exp(-inner);
    }
    return sum;
}

static double hartmann6(const double *x, int dims) {
    static const double a[4][6] = {{10, 3, 17, 3.5, 1.7, 8},
                                   {0.05, 10, 17, 0.1, 8, 14},
                                   {3, 3.5, 1.7, 10, 17, 8},
                                   {17, 8, 0.05, 10, 0.1, 14}};
    static const double p[4][6] = {{1312, 1696, 5569, 124, 8283, 5886},
                                   {2329, 4135, 8307, 3736, 1004, 9991},
                                   {2348, 1451, 3522, 2883, 3047, 6650},
                                   {4047, 8828, 8732, 5743, 1091, 381}};
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        double inner = 0;
        for (int j = 0; j < dims; j++) {
            inner += a[i][j] * pow(x[j] - 1e-4 * p[i][j], 2);
        }
        sum -= hartmann_weights[i] * exp(-inner);
    }
    return sum;
}

static double ackley(const double *x, int dims) {
    double squares = 0, cosines = 0;
    for (int i = 0; i < dims; i++) {
        squares += x[i] * x[i];
        cosines += cos(2 * M_PI * x[i]);
    }
    return -20 * exp(-0.2 * sqrt(squares / dims)) - exp(cosines / dims) + 20 + M_E;
}

static double rosenbrock(const double *x, int dims) {
    double sum = 0;
    for (int i = 0; i + 1 < dims; i++) {
        sum += 100 * pow(x[i + 1] - x[i] * x[i], 2) + pow(1 - x[i], 2);
    }
    return sum;
}

static double levy(const double *x, int dims) {
    double first = 1 + (x[0] - 1) / 4, last = 1 + (x[dims - 1] - 1) / 4;
    double sum = pow(sin(M_PI * first), 2);
    for (int i = 0; i + 1 < dims; i++) {
        double w = 1 + (x[i] - 1) / 4;
        sum += pow(w - 1, 2) * (1 + 10 * pow(sin(M_PI * w + 1), 2));
    }
    return sum + pow(last - 1, 2) * (1 + pow(sin(2 * M_PI * last), 2));
}

static double rastrigin(const double *x, int dims) {
    double sum = 10 * dims;
    for (int i = 0; i < dims; i++) {
        sum += x[i] * x[i] - 10 * cos(2 * M_PI * x[i]);
    }
    return sum;
}

/* Each kind has its own best learning rate and width; the best kind is "c". */
static double mixed(const json_t *at) {
    static const double offset[4] = {1, 0.5, 0, 0.8}, rate[4] = {-1, -2, -3.5, -4},
                        width[4] = {3, 14, 9, 18};
    int kind = json_string_value(json_object_get(at, "kind"))[0] - 'a';
    double lr = log10(json_number_value(json_object_get(at, "lr")));
    double n = json_number_value(json_object_get(at, "n"));
    double y = json_number_value(json_object_get(at, "y"));
    double flag = json_is_true(json_object_get(at, "flag")) ? 0 : 0.3;
    return offset[kind] + flag + pow(lr - rate[kind], 2) + pow((n - width[kind]) / 5, 2) +
           0.2 * pow(y - 0.5 * kind, 2);
}
static const char mixed_space[] =
    "{\"kind\":{\"$space\":\"choice\",\"values\":[\"a\",\"b\",\"c\",\"d\"]},"
    "\"flag\":{\"$space\":\"choice\",\"values\":[false,true]},"
    "\"n\":{\"$space\":\"randint\",\"low\":1,\"high\":20},"
    "\"lr\":{\"$space\":\"loguniform\",\"low\":1e-6,\"high\":1},"
    "\"y\":{\"$space\":\"uniform\",\"low\":-5,\"high\":5}}";

/* Three kinds of model, each with two parameters of its own; the best one is "adam". */
static double conditional(const json_t *at) {
    const char *kind = json_string_value(json_object_get(at, "kind"));
    double lr = log10(json_number_value(json_object_get(at, kind[0] == 's' ? "sgd_lr" : "lr")));
    double beta = json_number_value(json_object_get(at, "beta"));
    double momentum = json_number_value(json_object_get(at, "momentum"));
    double depth = json_number_value(json_object_get(at, "depth"));
    double trees = json_number_value(json_object_get(at, "trees"));
    switch (kind[0]) {
    case 's':
        return 0.2 + 0.3 * pow(lr + 1.5, 2) + pow(momentum - 0.9, 2);
    case 'a':
        return 0.3 * pow(lr + 3, 2) + 4 * pow(beta - 0.95, 2);
    default:
        return 0.1 + pow((depth - 7) / 4, 2) + 0.1 * pow(log(trees / 120), 2);
    }
}
static const char conditional_space[] =
    "{\"kind\":{\"$space\":\"choice\",\"values\":[\"sgd\",\"adam\",\"forest\"]},"
    "\"sgd_lr\":{\"$function\":\"sgd_lr\"},\"momentum\":{\"$function\":\"momentum\"},"
    "\"lr\":{\"$function\":\"lr\"},\"beta\":{\"$function\":\"beta\"},"
    "\"depth\":{\"$function\":\"depth\"},\"trees\":{\"$function\":\"trees\"}}";

/* What a script's function would give: a further search value, or 0 where the kind has no such
 * parameter. */
static rlt_status resolve_conditional(void *user, const char *path, const json_t *chosen,
                                      json_t **value, rlt_err *err) {
    (void)user, (void)err;
    static const struct {
        const char *path, *kind, *space;
        double low, high;
    } rows[] = {
        {"sgd_lr", "sgd", "loguniform", 1e-5, 1}, {"momentum", "sgd", "uniform", 0, 0.99},
        {"lr", "adam", "loguniform", 1e-5, 1},    {"beta", "adam", "uniform", 0.5, 0.999},
        {"depth", "forest", "randint", 1, 12},    {"trees", "forest", "lograndint", 10, 500}};
    const char *kind = json_string_value(json_object_get(chosen, "kind"));
    for (size_t i = 0; i < RLT_COUNT(rows); i++) {
        if (strcmp(rows[i].path, path) == 0 && strcmp(rows[i].kind, kind) == 0) {
            *value = json_pack("{s:s, s:f, s:f}", "$space", rows[i].space, "low", rows[i].low,
                               "high", rows[i].high);
            return RLT_OK;
        }
    }
    *value = json_integer(0);
    return RLT_OK;
}

/* A setting of bench/table/ppo_table.lua by the places of its values: how much less it returns than
 * the best one. */
enum { TABLE_ROWS = 6000 };
static void load_table(double returns[TABLE_ROWS], double *best) {
    FILE *file = fopen(RLT_SOURCE_DIR "/bench/table/ppo_table.txt", "r");
    for (int i = 0; i < TABLE_ROWS; i++) {
        if (file == NULL || fscanf(file, "%lf", &returns[i]) != 1) {
            fprintf(stderr, "sampler_bench: bench/table/ppo_table.txt has no %d rows\n",
                    TABLE_ROWS);
            exit(1);
        }
        *best = fmax(*best, returns[i]);
    }
    fclose(file);
}

static double ppo_table(const json_t *at) {
    static const struct {
        const char *name;
        int count;
    } digits[] = {{"clip", 3}, {"epochs", 5}, {"gamma", 5}, {"horizon", 5}, {"lr", 8}};
    int row = json_string_value(json_object_get(at, "activation"))[0] == 'r';
    for (size_t i = 0; i < RLT_COUNT(digits); i++) {
        row = row * digits[i].count + (int)json_integer_value(json_object_get(at, digits[i].name));
    }
    static double returns[TABLE_ROWS], best;
    if (best == 0) {
        load_table(returns, &best);
    }
    return best - returns[row];
}
static const char table_space[] =
    "{\"activation\":{\"$space\":\"choice\",\"values\":[\"tanh\",\"relu\"]},"
    "\"clip\":{\"$space\":\"randint\",\"low\":0,\"high\":2},"
    "\"epochs\":{\"$space\":\"randint\",\"low\":0,\"high\":4},"
    "\"gamma\":{\"$space\":\"randint\",\"low\":0,\"high\":4},"
    "\"horizon\":{\"$space\":\"randint\",\"low\":0,\"high\":4},"
    "\"lr\":{\"$space\":\"randint\",\"low\":0,\"high\":7}}";

const bench_function bench_functions[] = {
    {"branin", 2, 0, 1, 0.39788735772973816, branin, NULL, NULL, NULL},
    {"hartmann3", 3, 0, 1, -3.86278214782076, hartmann3, NULL, NULL, NULL},
    {"hartmann6", 6, 0, 1, -3.32236801141551, hartmann6, NULL, NULL, NULL},
    {"ackley5", 5, -32.768, 32.768, 0, ackley, NULL, NULL, NULL},
    {"ackley10", 10, -32.768, 32.768, 0, ackley, NULL, NULL, NULL},
    {"rosenbrock5", 5, -5, 10, 0, rosenbrock, NULL, NULL, NULL},
    {"levy10", 10, -10, 10, 0, levy, NULL, NULL, NULL},
    {"rastrigin10", 10, -5.12, 5.12, 0, rastrigin, NULL, NULL, NULL},
    {"mixed", 0, 0, 0, 0, NULL, mixed_space, mixed, NULL},
    {"conditional", 0, 0, 0, 0, NULL, conditional_space, conditional, resolve_conditional},
    {"ppo_table", 0, 0, 0, 0, NULL, table_space, ppo_table, NULL},
    {NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL},
};

json_t *bench_experiment(const bench_function *function) {
    if (function->space != NULL) {
        return json_loads(function->space, 0, NULL);
    }
    json_t *experiment = json_object();
    for (int i = 0; i < function->dims; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        json_object_set_new(experiment, name,
                            json_pack("{s:s, s:f, s:f}", "$space", "uniform", "low", function->low,
                                      "high", function->high));
    }
    return experiment;
}

double bench_regret(const bench_function *function, const json_t *params) {
    if (function->of_params != NULL) {
        return function->of_params(params) - function->optimum;
    }
    double x[BENCH_DIMS_MAX];
    for (int i = 0; i < function->dims; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        x[i] = json_number_value(json_object_get(params, name));
    }
    return function->value(x, function->dims) - function->optimum;
}
