/* tuner: a local minimum of a smooth function in a box: L-BFGS (Nocedal 1980; Nocedal and Wright,
 * Numerical Optimization, 7.2) over the coordinates that are not held at a bound, with projected
 * backtracking (Bertsekas 1982).
 * Why not NLopt: it would be one more library for every process of the one binary to load, for one
 * page of code, and its line search keeps no bounds on the number of calls.
 * Thread: any, no state. */
#ifndef RLT_TUNER_MINIMISE_H
#define RLT_TUNER_MINIMISE_H

/* Value at x [n]; fills gradient [n]. May return NAN where the function is undefined. */
typedef double (*rlt_minimise_fn)(void *user, const double *x, double *gradient);
typedef struct rlt_minimise_options {
    const double *low, *high; /* [n] */
    double gradient_max;      /* done when no projected component is larger */
    double change_min;        /* done when a step changes the value by less than so much of it */
    int calls_max;
} rlt_minimise_options;
/* x: the start, clipped into the box; then the best point. Returns its value. */
double rlt_minimise(rlt_minimise_fn fn, void *user, int n, const rlt_minimise_options *options,
                    double *x);
#endif
