/* sampler_bench: the functions that samplers are compared on, all minimised, with known optima.
 * bench/peers/optuna_samplers.py has the same ones. */
#ifndef RLT_BENCH_SAMPLER_FUNCTIONS_H
#define RLT_BENCH_SAMPLER_FUNCTIONS_H
#include "tuner/tuner.h"

enum { BENCH_DIMS_MAX = 10 };
typedef struct bench_function {
    const char *name;
    int dims; /* of uniform parameters x0 … on [low, high]; 0: `space` */
    double low, high, optimum;
    double (*value)(const double *x, int dims);
    const char *space;                     /* JSON: parameters by name */
    double (*of_params)(const json_t *at); /* with `space` */
    rlt_resolve resolve;                   /* of its $function parameters, or NULL */
} bench_function;
extern const bench_function bench_functions[]; /* a NULL-named end */

/* The search space as an experiment; a new reference. */
json_t *bench_experiment(const bench_function *function);
double bench_regret(const bench_function *function, const json_t *params);
#endif
